//! What stands under the snippets on a terminal: the table of checks and the summary line.

use std::fmt::Write as _;

use super::counted;
use crate::checks::{Answer, Review, Severity};

/// The table "checks before deployment".
#[must_use]
pub fn table(review: &Review, width: usize, ascii: bool) -> String {
    let mut text = "CHECKS BEFORE DEPLOYMENT\n".to_owned();
    let name = review.categories.iter().map(|category| category.name.len()).max().unwrap_or(0);
    for category in &review.categories {
        let (mark, word) = match (category.answer, ascii) {
            (Answer::Holds, false) => ("✓", "holds"),
            (Answer::Fails, false) => ("✗", "fails"),
            (Answer::Unknown, false) => ("·", "unknown"),
            (Answer::Holds, true) => ("+", "holds"),
            (Answer::Fails, true) => ("x", "fails"),
            (Answer::Unknown, true) => (".", "unknown"),
        };
        let head = format!("  {mark} {:name$}  {word:7}  ", category.name);
        let room = width.saturating_sub(head.chars().count()).max(20);
        let because = shortened(&category.because, room);
        writeln!(text, "{head}{because}").expect("writing to memory cannot fail");
    }
    text
}

fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "…"
}

/// `Checked 68 objects (cluster eks-t4): 3 errors, 2 warnings, 1 note (1 fixable: ...)`.
#[must_use]
pub fn summary(review: &Review) -> String {
    let objects = counted(review.object_count(), "object");
    let given = if review.given.is_empty() {
        String::new()
    } else {
        format!(" ({})", review.given.join(", "))
    };
    let counts = [
        counted(review.count(Severity::Error), "error"),
        counted(review.count(Severity::Warning), "warning"),
        counted(review.count(Severity::Note), "note"),
    ];
    let mut line = format!("Checked {objects}{given}: {}", counts.join(", "));
    if !review.suppressed.is_empty() {
        write!(line, ", {} suppressed", review.suppressed.len())
            .expect("writing to memory cannot fail");
    }
    match review.fixable() {
        0 => line,
        count => format!("{line} ({count} fixable: aurelius-sim validate --fix)"),
    }
}
