//! Figures that would do better, as whoever searched for them hands them over.

use crate::report::html::write::{Table, escaped};

/// Recommended figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SizingTable {
    /// In a sentence how sure they are: `passes in 20 of 20 runs`.
    pub proof: String,
    /// Each figure that should change, or is already right.
    pub rows: Vec<SizingRow>,
    /// Values to deploy with, as YAML.
    pub overlay: String,
    /// The same as a unified diff against today's values.
    pub diff: String,
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SizingRow {
    /// Whose: `Deployment/gateway`.
    pub object: String,
    /// Which: `resources.requests.cpu`.
    pub field: String,
    /// What it is.
    pub now: String,
    /// What it should be.
    pub set_to: String,
    /// Why, with the arithmetic.
    pub because: String,
    /// `low`, `medium` or `high`.
    pub risk: String,
}

pub(super) fn sizing(table: Option<&SizingTable>) -> String {
    let Some(sizing) = table else { return String::new() };
    let mut rows = Table::new(&["Object", "Field", "Now", "Set to", "Because", "Risk"]).sortable();
    for row in &sizing.rows {
        rows.row(&[
            format!("<code>{}</code>", escaped(&row.object)),
            format!("<code>{}</code>", escaped(&row.field)),
            escaped(&row.now),
            format!("<strong>{}</strong>", escaped(&row.set_to)),
            escaped(&row.because),
            escaped(&row.risk),
        ]);
    }
    let mut html = format!("<p>{}</p>\n{}", escaped(&sizing.proof), rows.finish());
    if !sizing.overlay.is_empty() {
        html.push_str(&format!(
            "<h3>As values</h3><p class=\"tools\" hidden><button class=\"tool\" type=\"button\" \
             data-copy=\"overlay\">Copy YAML</button></p><pre id=\"overlay\">{}</pre>\n",
            escaped(&sizing.overlay)
        ));
    }
    if !sizing.diff.is_empty() {
        html.push_str(&format!(
            "<details><summary>As a diff</summary><pre>{}</pre></details>\n",
            escaped(&sizing.diff)
        ));
    }
    html
}
