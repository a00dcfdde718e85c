//! What is wrong with a document, where, why, and how to mend it.

use std::cell::RefCell;
use std::cmp::Ordering;

use super::codes::Code;
use super::decode::Shapes;
use super::source::{Sources, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The documents cannot be used.
    Error,
    /// They can, but the author should know.
    Warning,
    /// Something worth saying.
    Note,
}

impl Severity {
    /// The word that opens a message.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A span with what to say about it; the text may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What to say.
    pub text: String,
}

/// An edit of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// What goes; may be empty.
    pub span: Span,
    /// What comes instead.
    pub text: String,
}

/// Advice, in words alone or as an edit that can be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Help {
    /// The words.
    pub text: String,
    /// The edit, when there is one.
    pub replacement: Option<Replacement>,
    /// Whether the edit is what the author meant beyond doubt, so that a program may apply it.
    pub certain: bool,
}

/// One fault of a document. Build it with [`Diagnostic::error`] and the methods that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a diagnostic that is not pushed is never seen"]
pub struct Diagnostic {
    code: Code,
    severity: Severity,
    message: String,
    primary: Option<Label>,
    secondary: Vec<Label>,
    notes: Vec<String>,
    helps: Vec<Help>,
    object: String,
    path: String,
}

impl Diagnostic {
    /// A diagnostic of the given severity. The message is lower case, without full stop, and names
    /// the values.
    pub fn new(severity: Severity, code: Code, message: impl Into<String>) -> Self {
        let (primary, secondary, notes, helps) = (None, Vec::new(), Vec::new(), Vec::new());
        let (object, path) = (String::new(), String::new());
        let message = message.into();
        Self { code, severity, message, primary, secondary, notes, helps, object, path }
    }

    /// An error: the documents cannot be used.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning: the documents can be used.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// The same with another severity.
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets the place that is to blame.
    pub fn primary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: text.into() });
        self
    }

    /// Adds another place that matters.
    pub fn secondary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a note: what the real system would say, or why it matters.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds advice in words.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(Help { text: text.into(), replacement: None, certain: false });
        self
    }

    /// Adds advice as an edit.
    pub fn replace(mut self, help: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        let replacement = Some(Replacement { span, text: text.into() });
        self.helps.push(Help { text: help.into(), replacement, certain: false });
        self
    }

    /// Adds advice as an edit that may be applied unseen.
    pub fn fix(mut self, help: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        let replacement = Some(Replacement { span, text: text.into() });
        self.helps.push(Help { text: help.into(), replacement, certain: true });
        self
    }

    /// Says whom it is about: the object (`Deployment/web`) and the path inside it. They name a
    /// fault also after lines have moved.
    pub fn about(mut self, object: impl Into<String>, path: impl Into<String>) -> Self {
        self.object = object.into();
        self.path = path.into();
        self
    }

    /// The object it is about, `Deployment/web`; empty when there is none.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The path inside the object; may be empty.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The severity.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The message without code and place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The place to blame, when there is one.
    #[must_use]
    pub fn place(&self) -> Option<&Label> {
        self.primary.as_ref()
    }

    /// The other places.
    #[must_use]
    pub fn other_places(&self) -> &[Label] {
        &self.secondary
    }

    /// The notes.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The advice.
    #[must_use]
    pub fn helps(&self) -> &[Help] {
        &self.helps
    }

    /// One line: `path:line:col: error[AUR011] message`.
    #[must_use]
    pub fn concise(&self, sources: &Sources) -> String {
        let head = format!("{}[{}] {}", self.severity.word(), self.code, self.message);
        let Some(label) = &self.primary else { return head };
        let place = sources.line_column(label.span);
        let name = sources.file(label.span.file).name();
        format!("{name}:{}:{}: {head}", place.line, place.column)
    }

    /// By place, then code, then words; what has no place comes first.
    fn order(&self, other: &Self) -> Ordering {
        let key = |diagnostic: &Self| {
            (diagnostic.primary.as_ref().map(|label| label.span), diagnostic.code)
        };
        key(self).cmp(&key(other)).then_with(|| self.message.cmp(&other.message))
    }
}

/// Collects diagnostics. Shared by reference: decoders report while they hold other things.
#[derive(Debug, Default)]
pub struct Diagnostics {
    found: RefCell<Vec<Diagnostic>>,
    shapes: Option<RefCell<Shapes>>,
}

impl Diagnostics {
    /// An empty collection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty collection that also writes down what decoders ask for.
    #[must_use]
    pub fn watching() -> Self {
        Self { shapes: Some(RefCell::default()), ..Self::default() }
    }

    /// Notes what a decoder asks for, when anybody wants to know.
    pub(super) fn learn(&self, note: impl FnOnce(&mut Shapes)) {
        if let Some(shapes) = &self.shapes {
            note(&mut shapes.borrow_mut());
        }
    }

    /// What decoders asked for.
    #[must_use]
    pub fn into_shapes(self) -> Shapes {
        self.shapes.map(RefCell::into_inner).unwrap_or_default()
    }

    /// Adds one.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// Whether anything was found that forbids to go on.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.error_count() > 0
    }

    /// How many errors were pushed; a decoder compares before and after.
    #[must_use]
    pub fn error_count(&self) -> usize {
        let found = self.found.borrow();
        found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }

    /// Whether nothing at all was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Everything found, by file and place, each once: the same fault reached through two aliases
    /// is one fault.
    #[must_use]
    pub fn sorted(&self) -> Vec<Diagnostic> {
        let mut found = self.found.borrow().clone();
        found.sort_by(Diagnostic::order);
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::codes;
    use super::*;

    #[test]
    fn order_is_by_place_and_repeats_are_dropped() {
        let mut sources = Sources::new();
        let file = sources.add("b.yaml", "a: 1\nb: 2\n");
        let at = |start| Span { file, start, end: start + 1 };
        let all = Diagnostics::new();
        let later = Diagnostic::error(codes::WRONG_TYPE, "second").primary(at(5), "");
        all.push(later.clone());
        all.push(later);
        all.push(Diagnostic::warning(codes::UNKNOWN_FIELD, "first").primary(at(0), ""));
        all.push(Diagnostic::error(codes::UNREADABLE_FILE, "no place"));
        let lines: Vec<_> = all.sorted().iter().map(|one| one.concise(&sources)).collect();
        assert_eq!(
            lines,
            [
                "error[AUR005] no place",
                "b.yaml:1:1: warning[AUR011] first",
                "b.yaml:2:1: error[AUR010] second",
            ]
        );
        assert!(all.has_errors());
        assert_eq!(all.error_count(), 3);
    }
}
