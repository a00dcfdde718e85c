//! Annotations of GitHub Actions: workflow commands, the most severe first.

use super::counted;
use crate::checks::{Finding, Review, Severity};

/// Annotations that a step shows of each level.
const SHOWN: usize = 10;

/// The commands, one a line.
#[must_use]
pub fn github(review: &Review) -> String {
    let mut text = String::new();
    for (severity, command) in
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "notice")]
    {
        let findings = || review.findings.iter().filter(|finding| finding.severity == severity);
        let total = findings().count();
        // The last place is kept for saying how many more there are.
        let shown = if total > SHOWN { SHOWN - 1 } else { total };
        for finding in findings().take(shown) {
            text.push_str(&annotation(command, finding));
        }
        if total > shown {
            let rest = counted(total - shown, "more finding");
            text.push_str(&format!("::{command} title=aurelius-sim::{rest} of this level\n"));
        }
    }
    text
}

fn annotation(command: &str, finding: &Finding) -> String {
    let mut message = finding.message.clone();
    for more in finding.notes.iter().chain(finding.helps.iter().map(|help| &help.text)) {
        message.push('\n');
        message.push_str(more);
    }
    let title = property(&format!("{} {}", finding.code, finding.code.entry().slug));
    let place = finding.place.as_ref().map(|place| {
        let file = property(place.file.strip_prefix("./").unwrap_or(&place.file));
        let mut parts = format!("file={file},line={},", place.line);
        if place.end_line == place.line {
            parts.push_str(&format!("col={},endColumn={},", place.column, place.end_column));
        } else {
            parts.push_str(&format!("endLine={},", place.end_line));
        }
        parts
    });
    format!("::{command} {}title={title}::{}\n", place.unwrap_or_default(), data(&message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
