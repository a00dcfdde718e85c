//! Values while they are put together: a tree that can be changed, every leaf with its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::input::source::Span;
use crate::input::yaml::{Entry, Kind, Node, Scalar, ScalarValue};

/// A value of a chart.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// A scalar, null included; its span is where it was written.
    Leaf(Node),
    /// A list with the place it was written at.
    List(Span, Vec<Self>),
    /// A mapping; Helm calls it a table.
    Table(Table),
}

/// A mapping by key, in the order in which Helm writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Where it was first written.
    pub span: Span,
    /// The keys.
    pub slots: BTreeMap<Arc<str>, Slot>,
}

/// A value with the place of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Tree,
}

impl Table {
    /// A table without keys.
    #[must_use]
    pub fn empty(span: Span) -> Self {
        Self { span, slots: BTreeMap::new() }
    }

    /// A table that has another one under a key.
    #[must_use]
    pub fn with(key: &Arc<str>, inner: Self) -> Self {
        let span = inner.span;
        let slot = Slot { key_span: span, value: Tree::Table(inner) };
        Self { span, slots: BTreeMap::from([(Arc::clone(key), slot)]) }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.slots.get(key).map(|slot| &slot.value)
    }

    /// The table as a node, keys sorted.
    #[must_use]
    pub fn to_node(&self) -> Node {
        let entry = |(key, slot): (&Arc<str>, &Slot)| Entry {
            key: Arc::clone(key),
            key_span: slot.key_span,
            value: slot.value.to_node(),
        };
        let entries: Vec<Entry> = self.slots.iter().map(entry).collect();
        Node { kind: Kind::Mapping(entries.into()), span: self.span, tag: None }
    }
}

impl Tree {
    /// A node as a tree.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        match &node.kind {
            Kind::Scalar(_) => Self::Leaf(node.clone()),
            Kind::Sequence(items) => Self::List(node.span, items.iter().map(Self::of).collect()),
            Kind::Mapping(entries) => {
                let slot = |entry: &Entry| {
                    let slot = Slot { key_span: entry.key_span, value: Self::of(&entry.value) };
                    (Arc::clone(&entry.key), slot)
                };
                let slots = entries.iter().map(slot).collect();
                Self::Table(Table { span: node.span, slots })
            }
        }
    }

    /// The tree as a node.
    #[must_use]
    pub fn to_node(&self) -> Node {
        match self {
            Self::Leaf(node) => node.clone(),
            Self::List(span, items) => {
                let items: Vec<Node> = items.iter().map(Self::to_node).collect();
                Node { kind: Kind::Sequence(items.into()), span: *span, tag: None }
            }
            Self::Table(table) => table.to_node(),
        }
    }

    /// Null at a place.
    #[must_use]
    pub fn null(span: Span) -> Self {
        Self::scalar("null", ScalarValue::Null, span)
    }

    /// Text at a place.
    #[must_use]
    pub fn text(text: &str, span: Span) -> Self {
        Self::scalar(text, ScalarValue::Text, span)
    }

    /// A scalar at a place; text counts as quoted.
    #[must_use]
    pub fn scalar(text: &str, value: ScalarValue, span: Span) -> Self {
        let plain = value != ScalarValue::Text;
        let scalar = Scalar { text: text.into(), value, plain };
        Self::Leaf(Node { kind: Kind::Scalar(scalar), span, tag: None })
    }

    /// Whether this is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Leaf(node) if node.is_null())
    }

    /// The table, unless it is something else.
    #[must_use]
    pub fn table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            Self::Leaf(_) | Self::List(..) => None,
        }
    }

    /// Where it was written.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Leaf(node) => node.span,
            Self::List(span, _) => *span,
            Self::Table(table) => table.span,
        }
    }

    /// The value at a path of keys.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |tree, key| tree.table()?.get(key))
    }
}
