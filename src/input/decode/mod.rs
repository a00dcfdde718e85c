//! Trees to typed values: readers that report every fault instead of stopping at the first.
//!
//! A [`Value`] is a node with the path that led to it. Its readers return `None` after they have
//! reported what is wrong, so a decoder reads all fields first and only then asks whether all of
//! them were right:
//!
//! ```ignore
//! let fields = value.fields()?;
//! let min = fields.optional("minReplicas").map_or(Some(1), |min| min.integer(0..=i32::MAX));
//! let max = fields.required("maxReplicas").and_then(|max| max.integer(1..=i32::MAX));
//! fields.finish("HorizontalPodAutoscalerSpec");
//! Some(Spec { min: min?, max: max? })
//! ```

mod fields;
mod leaf;
mod measure;
mod nearest;
mod shapes;
mod slips;

use std::fmt::Write as _;
use std::rc::Rc;

pub use fields::Fields;
pub use nearest::nearest;
pub use shapes::{Shape, Shapes};

use super::codes::{self, Code};
use super::diagnostic::{Diagnostic, Diagnostics};
use super::source::{Sources, Span};
use super::yaml::Node;
use crate::units::Origin;

/// What all readers of a run share.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The files, for places.
    pub sources: &'a Sources,
    /// Where faults go.
    pub diagnostics: &'a Diagnostics,
}

/// A node of a document and how one got there.
#[derive(Clone, Debug)]
pub struct Value<'a> {
    context: Context<'a>,
    node: &'a Node,
    key: Option<Span>,
    path: Rc<Step<'a>>,
}

/// One step of a path, from the leaf to the root.
#[derive(Debug)]
enum Step<'a> {
    /// The document, with the name of the object in it (`Deployment/web`), or nothing.
    Root(String),
    Key(Rc<Self>, &'a str),
    /// A key that its author chose.
    Free(Rc<Self>, &'a str),
    Index(Rc<Self>, usize),
}

impl<'a> Value<'a> {
    /// The root of a document. `object` opens every message (`Deployment/web`); it may be empty.
    #[must_use]
    pub fn root(context: Context<'a>, node: &'a Node, object: impl Into<String>) -> Self {
        Self { context, node, key: None, path: Rc::new(Step::Root(object.into())) }
    }

    /// The same node as the root of an object of its own, such as an item of a `List`.
    #[must_use]
    pub fn as_root(&self, object: impl Into<String>) -> Self {
        Self { path: Rc::new(Step::Root(object.into())), ..self.clone() }
    }

    /// Another node in this one's place: a short form written out. Messages keep the path and point
    /// where the node says.
    #[must_use]
    pub fn standing_for<'b>(&self, node: &'b Node) -> Value<'b>
    where
        'a: 'b,
    {
        Value { context: self.context, node, key: self.key, path: Rc::clone(&self.path) as _ }
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// What readers share.
    #[must_use]
    pub fn context(&self) -> Context<'a> {
        self.context
    }

    /// The place, as it travels through the program.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.context.sources.origin(self.node.span)
    }

    /// The place to point at: a scalar or a collection on one line itself, any other by its key or
    /// first line.
    #[must_use]
    pub fn span(&self) -> Span {
        let span = self.node.span;
        let text = self.context.sources.text(span);
        match (text.split_once('\n'), self.key) {
            (None, _) if !text.is_empty() => span,
            (_, Some(key)) => key,
            (Some((first, _)), None) => {
                let length = u32::try_from(first.trim_end().len()).unwrap_or(u32::MAX);
                Span { end: span.start.saturating_add(length), ..span }
            }
            (None, None) => span,
        }
    }

    /// The place of the key in front of this value, or of the value when it has none.
    #[must_use]
    pub fn key_span(&self) -> Span {
        self.key.unwrap_or_else(|| self.span())
    }

    /// The path inside the object: `spec.metrics[0].resource`; empty at the root.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        write_path(&self.path, &mut path);
        path
    }

    /// The path with `*` for free keys and `[]` for items.
    fn shape_path(&self) -> String {
        fn write(step: &Step<'_>, path: &mut String) {
            match step {
                Step::Root(_) => {}
                Step::Key(parent, key) => {
                    write(parent, path);
                    path.push('.');
                    path.push_str(key);
                }
                Step::Free(parent, _) => {
                    write(parent, path);
                    path.push_str(".*");
                }
                Step::Index(parent, _) => {
                    write(parent, path);
                    path.push_str("[]");
                }
            }
        }
        let mut path = String::new();
        write(&self.path, &mut path);
        path
    }

    /// `Deployment/web: `, or nothing when the root has no name.
    #[must_use]
    pub fn prefix(&self) -> String {
        match self.object() {
            "" => String::new(),
            object => format!("{object}: "),
        }
    }

    /// `Deployment/web`, or nothing when the root has no name.
    #[must_use]
    pub fn object(&self) -> &str {
        let mut step = &self.path;
        loop {
            match &**step {
                Step::Root(object) => return object,
                Step::Key(parent, _) | Step::Free(parent, _) | Step::Index(parent, _) => {
                    step = parent;
                }
            }
        }
    }

    /// The value of a key, when this is a mapping that has it; nothing is reported.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Self> {
        let entry = self.node.mapping()?.iter().find(|entry| &*entry.key == key)?;
        let child = self.child(Step::Key(Rc::clone(&self.path), &entry.key), &entry.value);
        Some(Self { key: Some(entry.key_span), ..child })
    }

    /// The value at the end of a chain of keys.
    #[must_use]
    pub fn at(&self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self.clone(), |value, key| value.get(key))
    }

    /// The items, when this is a list; nothing is reported.
    #[must_use]
    pub fn elements(&self) -> Vec<Self> {
        let items = self.node.sequence().unwrap_or_default().iter().enumerate();
        items.map(|(at, node)| self.child(Step::Index(Rc::clone(&self.path), at), node)).collect()
    }

    /// An error at this value; the message opens with object and path: `web: spec.replicas must be
    /// ...`.
    pub fn error(&self, code: Code, message: &str) -> Diagnostic {
        Diagnostic::error(code, format!("{}{} {message}", self.prefix(), self.subject()))
            .primary(self.span(), "")
            .about(self.object(), self.path())
    }

    /// A warning at this value, worded as [`Value::error`].
    pub fn warning(&self, code: Code, message: &str) -> Diagnostic {
        Diagnostic::warning(code, format!("{}{} {message}", self.prefix(), self.subject()))
            .primary(self.span(), "")
            .about(self.object(), self.path())
    }

    /// The path, or `the document` at the root.
    fn subject(&self) -> String {
        let path = self.path();
        if path.is_empty() { "the document".to_owned() } else { path }
    }

    /// Adds a diagnostic.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.context.diagnostics.push(diagnostic);
    }

    /// The value as a mapping with known fields.
    #[must_use]
    pub fn fields(&self) -> Option<Fields<'a>> {
        self.learn(|shape| {
            shape.types.insert("object");
        });
        match self.node.mapping() {
            Some(entries) => Some(Fields::new(self.clone(), entries)),
            None => self.wrong_type("a mapping"),
        }
    }

    /// The value as a mapping whose keys are free, in the order of writing.
    #[must_use]
    pub fn entries(&self) -> Option<Vec<(Name<'a>, Self)>> {
        self.learn(|shape| {
            shape.types.insert("object");
            shape.free = true;
        });
        let Some(entries) = self.node.mapping() else { return self.wrong_type("a mapping") };
        let pair = |entry: &'a super::yaml::Entry| {
            let value = self.child(Step::Free(Rc::clone(&self.path), &entry.key), &entry.value);
            (
                Name { text: &entry.key, span: entry.key_span },
                Self { key: Some(entry.key_span), ..value },
            )
        };
        Some(entries.iter().map(pair).collect())
    }

    /// The value as a list.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Self>> {
        self.learn(|shape| {
            shape.types.insert("array");
        });
        let Some(items) = self.node.sequence() else { return self.wrong_type("a list") };
        let item = |(at, node)| self.child(Step::Index(Rc::clone(&self.path), at), node);
        Some(items.iter().enumerate().map(item).collect())
    }

    /// Every item read by `read`; `None` when the value is no list or any item was wrong, after all
    /// were read.
    pub fn list<T>(&self, mut read: impl FnMut(&Self) -> Option<T>) -> Option<Vec<T>> {
        // Collecting stops at the first `None`; every item shall be read.
        let read: Vec<Option<T>> = self.items()?.iter().map(&mut read).collect();
        read.into_iter().collect()
    }

    /// The value at a path below this one, such as `spec.metrics[0].resource`, or the last one on
    /// the way that exists.
    #[must_use]
    pub fn descend(&self, path: &str) -> Self {
        let mut at = self.clone();
        for part in path.split(['.', '[']) {
            let index = part.strip_suffix(']').and_then(|digits| digits.parse::<usize>().ok());
            let next = match index {
                Some(index) => at
                    .node
                    .sequence()
                    .and_then(|items| items.get(index))
                    .map(|node| at.child(Step::Index(Rc::clone(&at.path), index), node)),
                None => at.node.mapping().and_then(|entries| {
                    let entry = entries.iter().find(|entry| &*entry.key == part)?;
                    let child = at.child(Step::Key(Rc::clone(&at.path), &entry.key), &entry.value);
                    Some(Self { key: Some(entry.key_span), ..child })
                }),
            };
            let Some(next) = next else { break };
            at = next;
        }
        at
    }

    fn child(&self, step: Step<'a>, node: &'a Node) -> Self {
        Self { context: self.context, node, key: None, path: Rc::new(step) }
    }

    /// Reports that the value is not of the wanted type.
    pub fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let message = format!("must be {wanted}, not {}", self.node.describe());
        self.report(self.error(codes::WRONG_TYPE, &message));
        None
    }

    /// An unknown name: lists the known ones and suggests the nearest. `what` is the kind of thing:
    /// `node pool`.
    pub fn unknown_reference<'n>(
        &self,
        found: &str,
        what: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Diagnostic {
        let known: Vec<&str> = known.into_iter().collect();
        // The name is the value, or the key in front of it.
        let text = |span| self.context.sources.text(span) == found;
        let written =
            [Some(self.node.span), self.key].into_iter().flatten().find(|&span| text(span));
        let message = format!("names the {what} `{found}`, which does not exist");
        let mut diagnostic = self.error(codes::UNKNOWN_REFERENCE, &message);
        if let Some(span) = written {
            diagnostic = diagnostic.primary(span, "");
            if let Some(near) = nearest(found, known.iter().copied()) {
                diagnostic = diagnostic.replace("a similar name exists", span, near);
            }
        }
        diagnostic.note(known_names(what, &known))
    }
}

/// `known workloads: a, b`, or that there is none.
fn known_names(what: &str, known: &[&str]) -> String {
    const SHOWN: usize = 20;
    match known.len() {
        0 => format!("there is no {what}"),
        count => {
            let rest =
                if count > SHOWN { format!(" and {} more", count - SHOWN) } else { String::new() };
            format!("known: {}{rest}", known[..count.min(SHOWN)].join(", "))
        }
    }
}

/// A free key of a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    /// The key.
    pub text: &'a str,
    /// Its place.
    pub span: Span,
}

fn write_path(step: &Step<'_>, path: &mut String) {
    // The depth of documents is bounded, and with it this recursion.
    match step {
        Step::Root(_) => {}
        Step::Key(parent, key) | Step::Free(parent, key) => {
            write_path(parent, path);
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            if !key.chars().all(plain) {
                write!(path, "[\"{key}\"]").expect("writing to memory cannot fail");
            } else if path.is_empty() {
                path.push_str(key);
            } else {
                write!(path, ".{key}").expect("writing to memory cannot fail");
            }
        }
        Step::Index(parent, index) => {
            write_path(parent, path);
            write!(path, "[{index}]").expect("writing to memory cannot fail");
        }
    }
}

#[cfg(test)]
mod tests;
