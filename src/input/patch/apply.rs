//! Patches into documents that were read.

use std::sync::Arc;

use super::{Patch, PatchTarget, Step};
use crate::input::decode::nearest;
use crate::input::diagnostic::Diagnostics;
use crate::input::documents::Documents;
use crate::input::source::{Sources, Span};
use crate::input::yaml::{Dialect, Entry, Kind, Node, Scalar, ScalarValue, parse};

/// Applies patches of a target to the first of some documents that has the way to the figure.
pub(in crate::input) fn to_documents<'d>(
    target: &PatchTarget,
    patches: &[Patch],
    documents: impl IntoIterator<Item = &'d mut Documents>,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) {
    let mut documents: Vec<&mut Documents> = documents.into_iter().collect();
    for patch in patches.iter().filter(|patch| patch.target == *target) {
        let Some((value, span)) = value_of(patch, Dialect::Core, sources, diagnostics) else {
            continue;
        };
        // Where a key may be new, the document in which most of the way exists is meant.
        let depth = |documents: &Documents| {
            documents.nodes.first().map_or(0, |node| known_steps(node, &patch.path))
        };
        let deepest = documents.iter().map(|documents| depth(documents)).max().unwrap_or(0);
        let found = documents
            .iter_mut()
            .find(|documents| depth(documents) == deepest && !documents.nodes.is_empty());
        let Some(documents) = found else {
            let cause = format!("there is no document for `{target}`");
            diagnostics.push(patch.refused(span, &cause));
            continue;
        };
        match set(&documents.nodes[0], &patch.path, &value, span) {
            Ok(node) => documents.nodes[0] = node,
            Err(cause) => diagnostics.push(patch.refused(span, &cause)),
        }
    }
}

/// Applies patches of objects to every object of that kind and name.
pub(in crate::input) fn to_objects(
    patches: &[Patch],
    documents: &mut [Documents],
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) {
    for patch in patches {
        let PatchTarget::Object { kind, namespace, name } = &patch.target else { continue };
        let Some((value, span)) = value_of(patch, Dialect::Yaml11, sources, diagnostics) else {
            continue;
        };
        let meant = |node: &Node| {
            let meta = |key| node.get("metadata").and_then(|meta| meta.get(key)?.text());
            node.get("kind").and_then(Node::text) == Some(kind)
                && meta("name") == Some(name)
                && namespace
                    .as_deref()
                    .is_none_or(|wanted| meta("namespace").unwrap_or("default") == wanted)
        };
        let mut found = 0;
        let mut failed = None;
        for node in documents.iter_mut().flat_map(|documents| &mut documents.nodes) {
            each_object(node, &mut |object| {
                if !meant(object) {
                    return None;
                }
                found += 1;
                match set(object, &patch.path, &value, span) {
                    Ok(node) => Some(node),
                    Err(cause) => {
                        failed = Some(cause);
                        None
                    }
                }
            });
        }
        if found == 0 {
            failed = Some(format!("there is no {kind} `{name}`{}", known_names(kind, documents)));
        }
        if let Some(cause) = failed {
            diagnostics.push(patch.refused(span, &cause));
        }
    }
}

/// Calls for an object, or for every item of a list of objects; what it gives takes the place.
fn each_object(node: &mut Node, change: &mut dyn FnMut(&Node) -> Option<Node>) {
    let is_list = node.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List"));
    let items = node.get("items").and_then(Node::sequence).filter(|_| is_list);
    let Some(items) = items else {
        if let Some(changed) = change(node) {
            *node = changed;
        }
        return;
    };
    let mut items = items.to_vec();
    items.iter_mut().for_each(|item| each_object(item, change));
    let entries = node.mapping().unwrap_or_default().iter();
    let entries = entries.map(|entry| match &*entry.key {
        "items" => {
            let value = Node { kind: Kind::Sequence(items.clone().into()), ..entry.value.clone() };
            Entry { value, ..entry.clone() }
        }
        _ => entry.clone(),
    });
    node.kind = Kind::Mapping(entries.collect());
}

/// `; there are ..` with the objects of a kind.
fn known_names(kind: &str, documents: &mut [Documents]) -> String {
    let mut names = Vec::new();
    for node in documents.iter_mut().flat_map(|documents| &mut documents.nodes) {
        each_object(node, &mut |object| {
            let name = object.get("metadata").and_then(|meta| meta.get("name")?.text());
            if object.get("kind").and_then(Node::text) == Some(kind) {
                names.extend(name.map(str::to_owned));
            }
            None
        });
    }
    names.sort();
    if names.is_empty() { String::new() } else { format!("; there are {}", names.join(", ")) }
}

/// The value as a node, and where a new key counts as written.
fn value_of(
    patch: &Patch,
    dialect: Dialect,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Option<(Node, Span)> {
    let span = patch.in_sources(sources);
    let quiet = Diagnostics::new();
    let mut nodes = parse(sources, span.file, dialect, &quiet);
    if quiet.has_errors() || nodes.len() > 1 {
        diagnostics.push(patch.refused(span, "its value is no YAML in one line"));
        return None;
    }
    let null = Scalar { text: Arc::from(""), value: ScalarValue::Null, plain: true };
    let null = || Node { kind: Kind::Scalar(null), span, tag: None };
    Some((nodes.pop().unwrap_or_else(null), span))
}

/// How many steps of a path exist.
fn known_steps(node: &Node, path: &[Step]) -> usize {
    let Some((first, rest)) = path.split_first() else { return 0 };
    step_into(node, first).map_or(0, |node| 1 + known_steps(node, rest))
}

fn step_into<'n>(node: &'n Node, step: &Step) -> Option<&'n Node> {
    match step {
        Step::Key(key) => node.get(key),
        Step::Index(index) => node.sequence()?.get(*index),
        Step::Named(name) => node.sequence()?.iter().find(|item| is_named(item, name)),
    }
}

fn is_named(item: &Node, name: &str) -> bool {
    item.get("name").and_then(Node::text) == Some(name)
}

/// The node with a value at a path. Keys of mappings may be new, items of lists must be there.
fn set(node: &Node, path: &[Step], value: &Node, key_span: Span) -> Result<Node, String> {
    let Some((step, rest)) = path.split_first() else { return Ok(value.clone()) };
    let is = node.describe();
    let change = |items: &[Node], at: usize| {
        let mut items = items.to_vec();
        items[at] = set(&items[at], rest, value, key_span)?;
        Ok(Node { kind: Kind::Sequence(items.into()), ..node.clone() })
    };
    match step {
        Step::Key(key) => {
            let none: &[Entry] = &[];
            let entries = if node.is_null() { Some(none) } else { node.mapping() };
            let entries = entries.ok_or_else(|| format!("`{key}` is looked for in {is}"))?;
            let mut entries = entries.to_vec();
            match entries.iter_mut().find(|entry| *entry.key == **key) {
                Some(entry) => entry.value = set(&entry.value, rest, value, key_span)?,
                None => {
                    let hollow =
                        Node { kind: Kind::Mapping(Arc::from([])), span: key_span, tag: None };
                    let value = set(&hollow, rest, value, key_span)?;
                    entries.push(Entry { key: Arc::from(key.as_str()), key_span, value });
                }
            }
            Ok(Node { kind: Kind::Mapping(entries.into()), ..node.clone() })
        }
        Step::Index(index) => {
            let items =
                node.sequence().ok_or_else(|| format!("`[{index}]` is looked for in {is}"))?;
            if *index >= items.len() {
                return Err(format!("`[{index}]` is looked for in a list of {}", items.len()));
            }
            change(items, *index)
        }
        Step::Named(name) => {
            let items =
                node.sequence().ok_or_else(|| format!("`[{name}]` is looked for in {is}"))?;
            match items.iter().position(|item| is_named(item, name)) {
                Some(at) => change(items, at),
                None => {
                    let known = items.iter().filter_map(|item| item.get("name")?.text());
                    let known: Vec<&str> = known.collect();
                    let hint = nearest(name, known.iter().copied())
                        .map(|near| format!("; did you mean `{near}`?"))
                        .unwrap_or_default();
                    Err(format!("no item is named `{name}` (there are {}){hint}", known.join(", ")))
                }
            }
        }
    }
}
