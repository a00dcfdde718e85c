//! Edits that mend findings, made at their places so that comments and order stay.

use std::collections::BTreeMap;

use crate::input::diagnostic::Diagnostic;
use crate::input::source::{FileId, Sources, Span};

/// A file with all its edits applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// Which.
    pub file: FileId,
    /// Its new text.
    pub text: String,
    /// How many edits were made.
    pub edits: usize,
}

/// Applies the certain edits of findings. Where two overlap the first in the text is made; the other
/// is left for the next time.
#[must_use]
pub fn mend(findings: &[Diagnostic], sources: &Sources) -> Vec<Mended> {
    let mut edits: BTreeMap<FileId, Vec<(Span, &str)>> = BTreeMap::new();
    for finding in findings {
        let certain = finding.helps().iter().filter(|help| help.certain);
        let Some(edit) = certain.filter_map(|help| help.replacement.as_ref()).next() else {
            continue;
        };
        edits.entry(edit.span.file).or_default().push((edit.span, &edit.text));
    }
    let mended = edits.into_iter().map(|(file, mut edits)| {
        edits.sort_unstable();
        edits.dedup();
        let old = sources.file(file).text();
        let (mut text, mut at, mut made) = (String::with_capacity(old.len()), 0, 0);
        for (span, new) in edits {
            let range = span.range();
            if range.start < at {
                continue;
            }
            text.push_str(&old[at..range.start]);
            text.push_str(new);
            at = range.end;
            made += 1;
        }
        text.push_str(&old[at..]);
        Mended { file, text, edits: made }
    });
    mended.filter(|mended| *mended.text != **sources.file(mended.file).text()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::codes;
    use crate::input::diagnostic::Severity;

    #[test]
    fn edits_keep_comments_and_do_not_overlap() {
        let mut sources = Sources::new();
        let file = sources.add("v.yaml", "a: 512m # why\nb: 64m\n");
        let span = |start, end| Span { file, start, end };
        let finding = |start, end, text: &str| {
            Diagnostic::new(Severity::Warning, codes::MEMORY_IN_MILLI, "m").fix(
                "use a suffix",
                span(start, end),
                text,
            )
        };
        let findings = [
            finding(17, 20, "64Mi"),
            finding(3, 7, "512Mi"),
            finding(3, 7, "512Mi"),
            finding(4, 7, "x"),
        ];
        let mended = mend(&findings, &sources);
        assert_eq!(mended[0].text, "a: 512Mi # why\nb: 64Mi\n");
        assert_eq!(mended[0].edits, 2);
        assert!(mend(&[], &sources).is_empty());
    }
}
