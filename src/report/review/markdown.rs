//! Markdown for pull requests: the verdict, the findings, the rest folded.

use super::{counted, word};
use crate::checks::{Finding, Review, Severity};

/// A comment of a pull request may have so many characters.
const COMMENT_MOST: usize = 65_536;
/// Rows of the table that is not folded.
const ROWS: usize = 10;

/// The comment. It opens with a mark by which a program finds it again.
#[must_use]
pub fn markdown(review: &Review) -> String {
    let (errors, warnings) = (review.count(Severity::Error), review.count(Severity::Warning));
    let notes = review.count(Severity::Note);
    let verdict = match (errors, warnings) {
        (0, 0) => "✓ No errors and no warnings".to_owned(),
        (0, _) => format!("✓ No errors, {}", counted(warnings, "warning")),
        (_, _) => format!("✗ {}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    let objects = counted(review.object_count(), "object");
    let mut text = format!("<!-- aurelius-sim:validate -->\n### {verdict} in {objects}\n\n");
    let mut order: Vec<&Finding> = review.findings.iter().collect();
    order.sort_by_key(|finding| finding.severity);
    let (shown, folded) = order.split_at(order.len().min(ROWS));
    if !shown.is_empty() {
        text.push_str(&rows(shown));
    }
    let mut rest = String::new();
    if !folded.is_empty() {
        rest.push_str(&format!("\n<details><summary>{} more</summary>\n\n", folded.len()));
        rest.push_str(&rows(folded));
        rest.push_str("\n</details>\n");
    }
    let table = checks(review);
    let more = if review.suppressed.is_empty() {
        String::new()
    } else {
        format!("\n{} suppressed.\n", counted(review.suppressed.len(), "finding"))
    };
    if text.len() + rest.len() + table.len() + more.len() > COMMENT_MOST {
        rest = format!(
            "\n{} more and {} in all are left out here for their length.\n",
            folded.len(),
            counted(notes, "note")
        );
    }
    text + &rest + &table + &more
}

fn rows(findings: &[&Finding]) -> String {
    let mut text = "| level | code | finding | place |\n|---|---|---|---|\n".to_owned();
    for finding in findings {
        let place = finding.place.as_ref();
        let place =
            place.map(|place| format!("`{}:{}`", place.file, place.line)).unwrap_or_default();
        text.push_str(&format!(
            "| {} | {} | {} | {place} |\n",
            word(finding.severity),
            finding.code,
            cell(&finding.message)
        ));
    }
    text
}

fn checks(review: &Review) -> String {
    let mut text =
        "\n<details><summary>Checks before deployment</summary>\n\n| check | answer | because |\n|---|---|---|\n"
            .to_owned();
    for category in &review.categories {
        let because = cell(&category.because);
        text.push_str(&format!(
            "| {} | {} | {because} |\n",
            category.name,
            category.answer.words()
        ));
    }
    text + "\n</details>\n"
}

/// A text inside a cell of a table: marks that would end it or begin HTML are escaped.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace(['\r', '\n'], " ")
}
