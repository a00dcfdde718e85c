//! Diagnostics as text: snippet, carets, notes and edits, drawn by the compiler's own renderer.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Help, Label, Severity};
use super::source::{FileId, Sources};

/// Whether escape sequences for colours are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Plain,
    /// With colours.
    Coloured,
}

/// One diagnostic with its snippets; no line break at the end.
#[must_use]
pub fn render(diagnostic: &Diagnostic, sources: &Sources, colour: Colour) -> String {
    let code = diagnostic.code().to_string();
    let level = level(diagnostic.severity());
    let mut group =
        level.primary_title(diagnostic.message()).id(code).elements(snippets(diagnostic, sources));
    for note in diagnostic.notes() {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    for help in diagnostic.helps().iter().filter(|help| help.replacement.is_none()) {
        group = group.element(Level::HELP.message(help.text.as_str()));
    }
    let edits = diagnostic.helps().iter().filter_map(|help| edit(help, sources));
    let report: Vec<Group<'_>> = std::iter::once(group).chain(edits).collect();
    let renderer = match colour {
        Colour::Plain => Renderer::plain(),
        Colour::Coloured => Renderer::styled(),
    };
    renderer.render(&report)
}

/// All diagnostics one after another, with an empty line between two.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], sources: &Sources, colour: Colour) -> String {
    let each = diagnostics.iter().map(|diagnostic| render(diagnostic, sources, colour) + "\n");
    each.collect::<Vec<_>>().join("\n")
}

/// All diagnostics, one line each.
#[must_use]
pub fn concise(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    diagnostics.iter().map(|diagnostic| diagnostic.concise(sources) + "\n").collect()
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

/// A snippet a file: the file of the primary place first, then the others as they were added.
fn snippets<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a Sources,
) -> Vec<Snippet<'a, Annotation<'a>>> {
    let mut files: Vec<FileId> = Vec::new();
    let labels = || diagnostic.place().into_iter().chain(diagnostic.other_places());
    for label in labels() {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    let snippet = |id: FileId| {
        let file = sources.file(id);
        let here = |label: &&Label| label.span.file == id;
        let primary =
            diagnostic.place().filter(here).map(|label| annotation(label, AnnotationKind::Primary));
        let others = diagnostic.other_places().iter().filter(here);
        let others = others.map(|label| annotation(label, AnnotationKind::Context));
        Snippet::source(&**file.text())
            .path(&**file.name())
            .annotations(primary.into_iter().chain(others))
    };
    files.into_iter().map(snippet).collect()
}

fn annotation(label: &Label, kind: AnnotationKind) -> Annotation<'_> {
    let annotation = kind.span(label.span.range());
    if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
}

fn edit<'a>(help: &'a Help, sources: &'a Sources) -> Option<Group<'a>> {
    let replacement = help.replacement.as_ref()?;
    let file = sources.file(replacement.span.file);
    let patch = Patch::new(replacement.span.range(), replacement.text.as_str());
    let snippet = Snippet::source(&**file.text()).path(&**file.name()).patch(patch);
    Some(Level::HELP.secondary_title(help.text.as_str()).element(snippet))
}
