//! YAML documents as trees in which every node knows its place.
//!
//! JSON is YAML, so the same reader takes `kubectl get -o json`. Aliases are resolved by sharing,
//! merge keys are applied, and budgets bound what a document may expand to. Nothing here panics or
//! hangs on any input.

mod build;
mod events;
mod hints;
mod json;
mod resolve;
mod write;

use std::sync::Arc;

pub use build::{ALIAS_LIMIT, DEPTH_LIMIT, EXPANSION_LIMIT, parse};
pub use write::write_yaml;

use super::source::Span;

/// How plain scalars get their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As `sigs.k8s.io/yaml` on go-yaml v2 has it, hence Kubernetes manifests and Helm values:
    /// `yes`, `no`, `on`, `off`, `y`, `n` are booleans, `0755` is octal, `1_000` is a number; no
    /// sexagesimal numbers.
    Yaml11,
    /// The core schema of YAML 1.2, for our own documents.
    Core,
}

/// A node of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its place; the place of the anchored node when it came through an alias.
    pub span: Span,
    /// Its explicit tag when that is none of YAML's own, such as `!Ref`.
    pub tag: Option<Arc<str>>,
}

/// What a node is. Collections are shared, so that a clone is cheap.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Anything that is no collection, null included.
    Scalar(Scalar),
    /// A list.
    Sequence(Arc<[Node]>),
    /// A mapping.
    Mapping(Arc<[Entry]>),
}

/// A scalar: the text as written (after escapes) and what it means in the dialect of its document.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The text.
    pub text: Arc<str>,
    /// Its meaning.
    pub value: ScalarValue,
    /// Whether it is written without quotes.
    pub plain: bool,
}

/// The meaning of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarValue {
    /// `null`, `~` or nothing at all.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A whole number between -2^63 and 2^64 - 1.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text,
}

/// One key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key as text: a key `y` of the 1.1 dialect is `true`, as it would be in JSON.
    pub key: Arc<str>,
    /// The place of the key.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Whether this is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.value == ScalarValue::Null)
    }

    /// The scalar, unless it is a collection.
    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// The entries of a mapping.
    #[must_use]
    pub fn mapping(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            Kind::Scalar(_) | Kind::Sequence(_) => None,
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn sequence(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            Kind::Scalar(_) | Kind::Mapping(_) => None,
        }
    }

    /// The value of a key of a mapping; `None` also when this is no mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let entry = self.mapping()?.iter().find(|entry| &*entry.key == key)?;
        Some(&entry.value)
    }

    /// The text of a scalar that is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let scalar = self.scalar()?;
        (scalar.value == ScalarValue::Text).then_some(&*scalar.text)
    }

    /// What this is, for messages: `a list`, `the number 3`, `text "x"`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::Scalar(Scalar { text, value, .. }) => match value {
                ScalarValue::Null => "null".to_owned(),
                ScalarValue::Boolean(_) => format!("the boolean `{text}`"),
                ScalarValue::Integer(_) | ScalarValue::Float(_) => format!("the number `{text}`"),
                ScalarValue::Text => format!("text `{}`", shorten(text)),
            },
        }
    }
}

/// The first line of a text, cut at 40 characters.
fn shorten(text: &str) -> String {
    let mut kept: String = text.chars().take_while(|&c| c != '\n').take(40).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}
