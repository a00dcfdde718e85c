//! GitLab's code quality report: one JSON array.

use serde_json::{Value, json};

use crate::checks::{Review, Severity};

/// The array, with a line break at the end.
#[must_use]
pub fn gitlab(review: &Review) -> String {
    let issues = review.findings.iter().map(|finding| {
        let severity = match finding.severity {
            Severity::Error => "critical",
            Severity::Warning => "major",
            Severity::Note => "info",
        };
        let place = finding.place.as_ref();
        let path = place.map_or("", |place| place.file.strip_prefix("./").unwrap_or(&place.file));
        json!({
            "description": finding.message,
            "check_name": finding.code.to_string(),
            "fingerprint": finding.fingerprint,
            "severity": severity,
            "location": {"path": path, "lines": {"begin": place.map_or(1, |place| place.line)}},
        })
    });
    let issues: Vec<Value> = issues.collect();
    format!("{:#}\n", Value::Array(issues))
}
