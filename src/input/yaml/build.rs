//! Events to trees: aliases by sharing, merge keys, duplicate keys, and the budgets.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::events::{Event, Events, NodeTag, Properties, SyntaxClass};
use super::{Dialect, Entry, Kind, Node, Scalar, ScalarValue, hints, resolve};
use crate::input::codes;
use crate::input::diagnostic::{Diagnostic, Diagnostics};
use crate::input::source::{FileId, Sources, Span};

/// How often a file may use an alias.
pub const ALIAS_LIMIT: u32 = 50_000;
/// How many nodes a file may gain through its aliases.
pub const EXPANSION_LIMIT: u64 = 1_000_000;
/// How deep collections may be nested.
pub const DEPTH_LIMIT: usize = 64;

/// The documents of a file; empty ones are left out.
///
/// A syntax error ends the file: it is reported, and the documents before it are returned, so that
/// their own faults are found in the same run. Duplicate keys are reported and the last of them
/// kept.
#[must_use]
pub fn parse(
    sources: &Sources,
    file: FileId,
    dialect: Dialect,
    diagnostics: &Diagnostics,
) -> Vec<Node> {
    let text = Arc::clone(sources.file(file).text());
    let mut builder = Builder {
        sources,
        file,
        dialect,
        diagnostics,
        anchors: BTreeMap::new(),
        open: Vec::new(),
        documents: Vec::new(),
        aliases: 0,
        expanded: 0,
    };
    for step in Events::new(&text, DEPTH_LIMIT) {
        let result = match step {
            Ok((event, range)) => builder.accept(event, range),
            Err(error) if error.class == SyntaxClass::TooDeep => {
                Err(Box::new(builder.too_deep(error.offset..error.offset)))
            }
            Err(error) => Err(Box::new(hints::explain(sources, file, &error))),
        };
        if let Err(diagnostic) = result {
            diagnostics.push(*diagnostic);
            break;
        }
    }
    builder.documents
}

type Step = Result<(), Box<Diagnostic>>;

struct Builder<'a> {
    sources: &'a Sources,
    file: FileId,
    dialect: Dialect,
    diagnostics: &'a Diagnostics,
    anchors: BTreeMap<usize, Measured>,
    open: Vec<Open>,
    documents: Vec<Node>,
    aliases: u32,
    expanded: u64,
}

/// A finished node with what it costs to walk it through all aliases.
#[derive(Clone)]
struct Measured {
    node: Node,
    /// Nodes in it, itself included.
    nodes: u64,
    /// Collections above its deepest scalar.
    height: usize,
}

/// A collection whose end has not been seen.
struct Open {
    flow: bool,
    properties: Properties,
    start: usize,
    items: Items,
    nodes: u64,
    height: usize,
}

enum Items {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, merged: Vec<Node>, key: Option<Key> },
}

struct Key {
    text: Arc<str>,
    span: Span,
    merges: bool,
}

impl Builder<'_> {
    fn accept(&mut self, event: Event<'_>, range: Range<usize>) -> Step {
        match event {
            Event::DocumentStart => {
                self.anchors.clear();
                Ok(())
            }
            Event::DocumentEnd => Ok(()),
            Event::Alias { anchor } => self.alias(anchor, range),
            Event::Scalar { text, plain, properties } => {
                // A value that is not there arrives as `~` without a place.
                let text = if plain && range.is_empty() { "".into() } else { text };
                let value = resolve::resolve(&text, plain, properties.tag.as_ref(), self.dialect);
                let span = self.scalar_span(range);
                let kind = Kind::Scalar(Scalar { text: text.into(), value, plain });
                let node = Node { kind, span, tag: foreign(properties.tag) };
                self.finish(Measured { node, nodes: 1, height: 0 }, properties.anchor)
            }
            Event::SequenceStart { flow, properties } => {
                self.begin(Items::Sequence(Vec::new()), flow, properties, range)
            }
            Event::MappingStart { flow, properties } => {
                let items = Items::Mapping { entries: Vec::new(), merged: Vec::new(), key: None };
                self.begin(items, flow, properties, range)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop().expect("the parser closes only what it opened");
                let anchor = open.properties.anchor;
                let measured = self.close(open, range);
                self.finish(measured, anchor)
            }
        }
    }

    fn span(&self, range: Range<usize>) -> Span {
        let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: narrow(range.start), end: narrow(range.end) }
    }

    /// An absent value has no text to point at: its key stands for it.
    fn scalar_span(&self, range: Range<usize>) -> Span {
        if range.is_empty()
            && let Some(Open { items: Items::Mapping { key: Some(key), .. }, .. }) =
                self.open.last()
        {
            return key.span;
        }
        self.span(range)
    }

    fn begin(
        &mut self,
        items: Items,
        flow: bool,
        properties: Properties,
        range: Range<usize>,
    ) -> Step {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(Box::new(self.too_deep(range)));
        }
        if let Some(Open { items: Items::Mapping { key: None, .. }, .. }) = self.open.last() {
            let template =
                hints::template_at(self.sources, self.file, range.start).filter(|_| flow);
            let message = "invalid YAML: a mapping or list cannot be a key";
            let plain =
                || Diagnostic::error(codes::INVALID_YAML, message).primary(self.span(range), "");
            return Err(Box::new(template.unwrap_or_else(plain)));
        }
        self.open.push(Open { flow, properties, start: range.start, items, nodes: 1, height: 0 });
        Ok(())
    }

    fn close(&self, open: Open, range: Range<usize>) -> Measured {
        let Open { flow, properties, start, items, nodes, height } = open;
        let (kind, first, last) = match items {
            Items::Sequence(items) => {
                let ends =
                    (items.first().map(|item| item.span), items.last().map(|item| item.span));
                (Kind::Sequence(items.into()), ends.0, ends.1)
            }
            Items::Mapping { entries, merged, key: _ } => {
                let first = entries.first().map(|entry| entry.key_span);
                let last = entries.last().map(|entry| entry.value.span.max(entry.key_span));
                (Kind::Mapping(self.mapping(entries, &merged).into()), first, last)
            }
        };
        let whole = self.span(start..range.end.max(start));
        let span = match (first, last) {
            (Some(first), Some(last)) if !flow && last.end >= first.start => first.to(last),
            _ => whole,
        };
        Measured {
            node: Node { kind, span, tag: foreign(properties.tag) },
            nodes,
            height: height + 1,
        }
    }

    /// Reports duplicate keys and applies `<<`: keys of the mapping itself win, then the earlier of
    /// several merged ones, as go-yaml has it.
    fn mapping(&self, entries: Vec<Entry>, merged: &[Node]) -> Vec<Entry> {
        let mut seen: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(&first) = seen.get(&entry.key) {
                self.diagnostics.push(self.duplicate(&kept[first], &entry));
                kept[first] = entry;
            } else {
                seen.insert(Arc::clone(&entry.key), kept.len());
                kept.push(entry);
            }
        }
        let sources = merged.iter().flat_map(|node| match &node.kind {
            Kind::Sequence(items) => items.iter().filter_map(Node::mapping).collect(),
            Kind::Scalar(_) | Kind::Mapping(_) => Vec::from_iter(node.mapping()),
        });
        for entry in sources.flatten() {
            if !seen.contains_key(&entry.key) {
                seen.insert(Arc::clone(&entry.key), kept.len());
                kept.push(entry.clone());
            }
        }
        kept
    }

    /// Helm and the API machinery take the last of two equal keys without a word, and real charts
    /// render such objects; so it is a warning there, and an error in our own documents.
    fn duplicate(&self, first: &Entry, again: &Entry) -> Diagnostic {
        let message = format!("duplicate key `{}`", again.key);
        let who = "the last value counts, as Helm has it; kubectl refuses the object under strict \
                   validation";
        let diagnostic = match self.dialect {
            Dialect::Yaml11 => Diagnostic::warning(codes::DUPLICATE_KEY, message).note(who),
            Dialect::Core => Diagnostic::error(codes::DUPLICATE_KEY, message),
        };
        diagnostic
            .primary(again.key_span, "written again here")
            .secondary(first.key_span, "first written here")
    }

    fn alias(&mut self, anchor: usize, range: Range<usize>) -> Step {
        let span = self.span(range.clone());
        self.aliases += 1;
        if self.aliases > ALIAS_LIMIT {
            let message = format!("more than {ALIAS_LIMIT} aliases in one file");
            return Err(Box::new(
                Diagnostic::error(codes::ALIAS_BUDGET, message).primary(span, ""),
            ));
        }
        let Some(measured) = self.anchors.get(&anchor).cloned() else {
            let message = "invalid YAML: an alias inside the node that it names";
            let diagnostic = Diagnostic::error(codes::INVALID_YAML, message);
            return Err(Box::new(diagnostic.primary(span, "this would repeat without end")));
        };
        self.expanded += measured.nodes;
        if self.expanded > EXPANSION_LIMIT {
            let message = format!("aliases expand to more than {EXPANSION_LIMIT} nodes");
            let diagnostic = Diagnostic::error(codes::ALIAS_BUDGET, message);
            return Err(Box::new(diagnostic.primary(span, "the budget is spent here")));
        }
        if self.open.len() + measured.height > DEPTH_LIMIT {
            return Err(Box::new(self.too_deep(range)));
        }
        self.finish(measured, 0)
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, measured: Measured, anchor: usize) -> Step {
        if anchor != 0 {
            self.anchors.insert(anchor, measured.clone());
        }
        let dialect = self.dialect;
        let Measured { node, nodes, height } = measured;
        let Some(open) = self.open.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return Ok(());
        };
        open.nodes += nodes;
        open.height = open.height.max(height);
        match &mut open.items {
            Items::Sequence(items) => items.push(node),
            Items::Mapping { entries, merged, key } => match key.take() {
                None => *key = Some(as_key(&node, dialect)?),
                Some(key) if key.merges => merged.push(as_merged(node)?),
                Some(key) => entries.push(Entry { key: key.text, key_span: key.span, value: node }),
            },
        }
        Ok(())
    }

    fn too_deep(&self, range: Range<usize>) -> Diagnostic {
        let message = format!("mappings and lists are nested deeper than {DEPTH_LIMIT} levels");
        Diagnostic::error(codes::NESTING_TOO_DEEP, message)
            .primary(self.span(range), "one level too many")
    }
}

/// A key becomes text as `sigs.k8s.io/yaml` makes it JSON: `y: 1` has the key `true` in the 1.1
/// dialect.
fn as_key(node: &Node, dialect: Dialect) -> Result<Key, Box<Diagnostic>> {
    let Kind::Scalar(Scalar { text, value, plain }) = &node.kind else {
        let message = "invalid YAML: an alias to a mapping or list cannot be a key";
        return Err(Box::new(
            Diagnostic::error(codes::INVALID_YAML, message).primary(node.span, ""),
        ));
    };
    let canonical = match (dialect, value) {
        (Dialect::Yaml11, ScalarValue::Boolean(truth)) => truth.to_string().into(),
        (Dialect::Yaml11, ScalarValue::Integer(number)) => number.to_string().into(),
        (Dialect::Yaml11, ScalarValue::Null) => "null".into(),
        _ => Arc::clone(text),
    };
    Ok(Key { merges: *plain && &**text == "<<", text: canonical, span: node.span })
}

fn as_merged(node: Node) -> Result<Node, Box<Diagnostic>> {
    let fits = match &node.kind {
        Kind::Mapping(_) => true,
        Kind::Sequence(items) => items.iter().all(|item| item.mapping().is_some()),
        Kind::Scalar(_) => false,
    };
    if fits {
        return Ok(node);
    }
    let message = format!("`<<` merges a mapping or a list of mappings, not {}", node.describe());
    Err(Box::new(Diagnostic::error(codes::INVALID_YAML, message).primary(node.span, "")))
}

fn foreign(tag: Option<NodeTag>) -> Option<Arc<str>> {
    match tag {
        Some(NodeTag::Foreign(tag)) => Some(tag.into()),
        Some(NodeTag::Own(_) | NodeTag::NonSpecific) | None => None,
    }
}
