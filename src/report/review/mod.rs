//! A review of documents in the formats of people and of pipelines.
//!
//! Every format is a pure function of a `Review` and reads no clock.

pub mod github;
pub mod gitlab;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod text;

use crate::checks::Severity;

/// Where a page about a code is.
const HELP_URI: &str = "https://aurelius.dev/codes/";

/// The word of a severity.
const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// `1 error`, `2 errors`.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
