//! Findings that someone has decided to live with: by an annotation on the object, or by a comment on
//! the line; both give the reason.

use crate::input::codes::Code;
use crate::input::diagnostic::Diagnostic;
use crate::input::material::Material;

/// The annotation's prefix: `ignore.aurelius.dev/AUR401: "reason"`.
const ANNOTATION: &str = "ignore.aurelius.dev/";
/// The comment's opening: `# aurelius: ignore=AUR102 (reason)`.
const COMMENT: &str = "aurelius: ignore=";

/// Why a finding is suppressed, when it is; a reason that is not given is empty.
#[must_use]
pub(super) fn reason(material: &Material, finding: &Diagnostic) -> Option<String> {
    by_annotation(material, finding).or_else(|| by_comment(material, finding))
}

fn by_annotation(material: &Material, finding: &Diagnostic) -> Option<String> {
    let (kind, name) = finding.object().split_once('/')?;
    let wanted = format!("{ANNOTATION}{}", finding.code());
    let mut trees = material.written.iter();
    trees.find_map(|(key, node)| {
        if *key.kind != *kind || *key.name != *name {
            return None;
        }
        let annotations = node.get("metadata")?.get("annotations")?;
        let text = annotations.get(&wanted)?.scalar()?;
        Some(text.text.to_string())
    })
}

/// A comment at the end of the line of the finding, or alone on the line above it.
fn by_comment(material: &Material, finding: &Diagnostic) -> Option<String> {
    let span = finding.place()?.span;
    let file = material.sources.file(span.file);
    let line = file.line_column(span.start).line;
    let above = line.checked_sub(1).map(|above| file.line(above));
    let above = above.filter(|text| text.trim_start().starts_with('#'));
    [Some(file.line(line)), above].into_iter().flatten().find_map(|text| said(text, finding.code()))
}

/// The reason that a comment gives for a code, when it names the code.
fn said(line: &str, code: Code) -> Option<String> {
    let (_, comment) = line.split_once('#')?;
    let (_, rest) = comment.split_once(COMMENT)?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == ',')).unwrap_or(rest.len());
    let (codes, reason) = rest.split_at(end);
    let names = codes.split(',').any(|text| Code::parse(text) == Some(code));
    let reason = reason.trim().trim_start_matches('(').trim_end_matches(')');
    names.then(|| reason.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::codes;

    #[test]
    fn a_comment_names_codes_and_gives_a_reason() {
        let code = codes::MEMORY_IN_MILLI;
        let rows = [
            ("memory: 512m # aurelius: ignore=AUR102 (legacy)", Some("legacy")),
            ("memory: 512m # aurelius: ignore=AUR101,aur102", Some("")),
            ("memory: 512m # aurelius: ignore=AUR101 (other)", None),
            ("memory: 512m", None),
            ("# aurelius: ignore=", None),
        ];
        for (line, expected) in rows {
            assert_eq!(said(line, code).as_deref(), expected, "{line}");
        }
    }
}
