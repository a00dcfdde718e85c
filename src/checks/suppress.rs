//! Findings that someone has decided to live with: by an annotation on the object, or by a comment on
//! the line; both give the reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::input::codes::{self, Code};
use crate::input::diagnostic::Diagnostic;
use crate::input::material::Material;
use crate::input::source::{FileId, SourceFile, Span};
use crate::input::yaml::{Entry, Node};

/// The annotation's prefix: `ignore.aurelius.dev/AUR401: "reason"`.
const ANNOTATION: &str = "ignore.aurelius.dev/";
/// The comment's opening: `# aurelius: ignore=AUR102 (reason)`.
const COMMENT: &str = "aurelius: ignore=";

/// A suppression that applies to a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suppression {
    /// Where it is written.
    pub(super) span: Span,
    /// Its reason; empty when none is given.
    pub(super) reason: String,
}

/// The suppressions of a material, found once.
#[derive(Debug)]
pub(super) struct Suppressions<'m> {
    material: &'m Material,
    /// Annotations by kind and name of their object and the code they name.
    annotations: BTreeMap<(&'m str, &'m str, Code), Suppression>,
}

impl<'m> Suppressions<'m> {
    /// Looks through the objects.
    pub(super) fn of(material: &'m Material) -> Self {
        let mut annotations = BTreeMap::new();
        for (key, node) in &material.written {
            for (entry, code) in annotated(node) {
                let Some(code) = Code::parse(code) else { continue };
                let reason = entry.value.scalar().map(|text| text.text.to_string());
                let reason = reason.unwrap_or_default();
                let suppression = Suppression { span: entry.key_span, reason };
                annotations.insert((&*key.kind, &*key.name, code), suppression);
            }
        }
        Self { material, annotations }
    }

    /// Why a finding is suppressed, when it is.
    #[must_use]
    pub(super) fn reason(&self, finding: &Diagnostic) -> Option<Suppression> {
        let object = finding.object().split_once('/');
        let by_annotation = object
            .and_then(|(kind, name)| self.annotations.get(&(kind, name, finding.code())).cloned());
        by_annotation.or_else(|| by_comment(self.material, finding))
    }
}

/// The annotations of an object that suppress something, with the code that each names.
fn annotated(node: &Node) -> impl Iterator<Item = (&Entry, &str)> {
    let annotations = node.get("metadata").and_then(|meta| meta.get("annotations"));
    let entries = annotations.and_then(Node::mapping).unwrap_or_default().iter();
    entries.filter_map(|entry| Some((entry, entry.key.strip_prefix(ANNOTATION)?)))
}

/// A comment at the end of the line of the finding, or alone on the line above it.
fn by_comment(material: &Material, finding: &Diagnostic) -> Option<Suppression> {
    let span = finding.place()?.span;
    let file = material.sources.file(span.file);
    let line = file.line_column(span.start).line;
    let above = line.checked_sub(1).filter(|above| file.line(*above).trim_start().starts_with('#'));
    [Some(line), above].into_iter().flatten().find_map(|line| {
        let said = said(file.line(line))?;
        let names = said.codes.split(',').any(|text| Code::parse(text) == Some(finding.code()));
        let reason = said.reason.to_owned();
        names.then(|| Suppression { span: span_of(&said, span.file, file, line), reason })
    })
}

fn span_of(said: &Said<'_>, id: FileId, file: &SourceFile, line: u32) -> Span {
    let start = file.line_range(line).start + said.at;
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span { file: id, start: place(start), end: place(start + COMMENT.len() + said.codes.len()) }
}

/// What a comment says.
#[derive(Debug, PartialEq, Eq)]
struct Said<'t> {
    /// Where in the line it begins.
    at: usize,
    /// `AUR102,AUR103`.
    codes: &'t str,
    /// Why; may be empty.
    reason: &'t str,
}

/// The suppression that a line's comment is.
fn said(line: &str) -> Option<Said<'_>> {
    let hash = line.find('#')?;
    let at = hash + line[hash..].find(COMMENT)?;
    let rest = &line[at + COMMENT.len()..];
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == ',')).unwrap_or(rest.len());
    let (codes, reason) = rest.split_at(end);
    let reason = reason.trim().trim_start_matches('(').trim_end_matches(')').trim();
    Some(Said { at, codes, reason })
}

/// Suppressions that suppressed nothing, told one by one; `used` are the places and codes that did.
pub(super) fn unused(
    material: &Material,
    used: &BTreeSet<(Span, Code)>,
    wants: impl Fn(Code) -> bool,
) -> Vec<Diagnostic> {
    let mut told = Vec::new();
    for (span, text) in written(material) {
        let (code, message) = match Code::parse(&text) {
            None => (None, format!("`{text}` is no code that could be ignored")),
            Some(code) => (Some(code), format!("{code} is ignored here, and is not found here")),
        };
        // What was not looked for cannot be found.
        if code.is_some_and(|code| used.contains(&(span, code)) || !wants(code)) {
            continue;
        }
        let told_of = Diagnostic::warning(codes::UNUSED_SUPPRESSION, message);
        told.push(told_of.primary(span, "suppresses nothing").help("remove it"));
    }
    told
}

/// Everything that is written to suppress something: its place, and the code it names.
fn written(material: &Material) -> Vec<(Span, String)> {
    let mut all = Vec::new();
    for (entry, code) in material.written.values().flat_map(annotated) {
        all.push((entry.key_span, code.to_owned()));
    }
    for (id, file) in material.sources.files() {
        if !file.text().contains(COMMENT) {
            continue;
        }
        for line in 1..=file.line_column(u32::MAX).line {
            let Some(said) = said(file.line(line)) else { continue };
            let span = span_of(&said, id, file, line);
            all.extend(said.codes.split(',').map(|code| (span, code.to_owned())));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_names_codes_and_gives_a_reason() {
        let rows = [
            ("memory: 512m # aurelius: ignore=AUR102 (legacy)", Some(("AUR102", "legacy"))),
            ("memory: 512m # aurelius: ignore=AUR101,aur102", Some(("AUR101,aur102", ""))),
            ("memory: 512m", None),
            ("aurelius: ignore=AUR102", None),
            ("# aurelius: ignore=", Some(("", ""))),
        ];
        for (line, expected) in rows {
            let said = said(line).map(|said| (said.codes, said.reason));
            assert_eq!(said, expected, "{line}");
        }
    }
}
