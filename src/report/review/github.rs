//! Annotations of GitHub Actions: workflow commands, the most severe first.

use super::counted;
use crate::checks::{Finding, Review, Severity};
use crate::report::ci;

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
            text.push_str(&ci::annotation(
                command,
                "",
                "aurelius-sim",
                &format!("{rest} of this level"),
            ));
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
    let title = format!("{} {}", finding.code, finding.code.entry().slug);
    let place = finding.place.as_ref().map(|at| {
        let more: &[(&str, u32)] = if at.end_line == at.line {
            &[("line", at.line), ("col", at.column), ("endColumn", at.end_column)]
        } else {
            &[("line", at.line), ("endLine", at.end_line)]
        };
        ci::place(&at.file, more)
    });
    ci::annotation(command, &place.unwrap_or_default(), &title, &message)
}
