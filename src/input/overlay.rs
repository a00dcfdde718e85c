//! Figures back into the user's words: the key of the chart's values that a field of an object comes
//! from, an overlay of values, and patches of objects for manifests without a chart.
//!
//! Objects that are told from values keep the place of every figure, so the key is the one that
//! stands there; a figure that is not written goes where its neighbours are. Charts that a `helm`
//! renders are told from their values as well, to find the keys; whether the overlay then gives what it
//! shall is for its user to look at, by reading it back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::adapters::objects_of;
use super::diagnostic::Diagnostics;
use super::loader::LoadOptions;
use super::patch::Step;
use super::release::Release;
use super::source::{Sources, Span};
use super::values::{Slot, Table, Tree};
use super::yaml::{Dialect, Node, ScalarValue, parse, write_yaml};

/// A field of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectField {
    /// Kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The way inside it.
    pub path: Vec<Step>,
}

/// The values that a release is made of, and the objects they tell.
#[derive(Debug)]
pub struct ValueMap {
    values: Table,
    objects: Vec<Node>,
}

impl ValueMap {
    /// Of a scenario; `None` when it has no values, or they follow no convention that is known.
    #[must_use]
    pub fn read(path: &Path, options: &LoadOptions) -> Option<Self> {
        let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
        let file = sources.read(path, None, &diagnostics)?;
        let documents = parse(&sources, file, Dialect::Core, &diagnostics);
        let inputs = documents.first().and_then(|node| node.get("inputs"));
        let release = Release::of(&options.release, inputs, path);
        let release = release.patched(&options.patches, &mut sources, &diagnostics);
        let (values, chart, name) = release.told_values(&mut sources, &diagnostics)?;
        let told = objects_of(&values, chart.as_ref(), &name, &mut sources, &diagnostics)?;
        Some(Self { values: values.merged, objects: told.1 })
    }

    /// The key of the values that a field comes from, or would.
    #[must_use]
    pub fn key_of(&self, field: &ObjectField) -> Option<Vec<String>> {
        let object = self.object(field)?;
        let (mut node, mut known) = (object, 0);
        for (depth, step) in field.path.iter().enumerate() {
            let Some(next) = inside(node, step) else { break };
            (node, known) = (next, depth + 1);
        }
        if known == field.path.len()
            && let Some(keys) = leaf_at(&self.values, node.span)
        {
            return Some(keys);
        }
        // A mapping that came from the values as a whole: the rest of the way is the same there.
        if known < field.path.len()
            && let Some(mut keys) = self.table_at(node)
        {
            keys.extend(rest(&field.path[known..])?);
            return Some(keys);
        }
        self.beside(field, object)
    }

    fn object(&self, field: &ObjectField) -> Option<&Node> {
        let named = |node: &&Node| {
            let meta = |key| node.get("metadata").and_then(|meta| meta.get(key)?.text());
            node.get("kind").and_then(Node::text) == Some(&field.kind)
                && meta("name") == Some(&field.name)
        };
        self.objects.iter().find(named)
    }

    /// The key of the table that a node is: one whose every leaf lies in it.
    fn table_at(&self, node: &Node) -> Option<Vec<String>> {
        table_with(&self.values, node.span, node, &mut Vec::new())
    }

    /// Where a figure would stand: where the conventions put it in the table that tells its object.
    fn beside(&self, field: &ObjectField, object: &Node) -> Option<Vec<String>> {
        let last = field.path.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) | Step::Named(_) => None,
        })?;
        let neighbours = match last {
            "minReplicas" | "maxReplicas" | "averageUtilization" => "autoscaling",
            _ => "resources",
        };
        let mut all = Vec::new();
        leaves(object, &mut |span| all.extend(leaf_at(&self.values, span)));
        let table = all.iter().find_map(|keys| {
            let marks = ["replicaCount", "resources", "autoscaling", "image", "resourcesPreset"];
            let at = keys.iter().position(|key| marks.contains(&key.as_str()))?;
            Some(keys[..at].to_vec())
        })?;
        let own = Tree::Table(self.values.clone());
        let prefix: Vec<&str> = table.iter().map(String::as_str).collect();
        let part = if prefix.is_empty() { Some(&own) } else { own.at(&prefix) }?.table()?.clone();
        let mut keys = table;
        keys.push(neighbours.to_owned());
        match last {
            "replicas" => {
                keys.pop();
                keys.push("replicaCount".to_owned());
            }
            "averageUtilization" => {
                let known = part.get("autoscaling").and_then(Tree::table);
                let bitnami = known.is_some_and(|it| it.get("targetCPU").is_some());
                let name = if bitnami { "targetCPU" } else { "targetCPUUtilizationPercentage" };
                keys.push(name.to_owned());
            }
            "minReplicas" | "maxReplicas" => keys.push(last.to_owned()),
            _ => {
                let at =
                    field.path.iter().position(|step| *step == Step::Key("resources".into()))?;
                keys.extend(rest(&field.path[at + 1..])?);
            }
        }
        Some(keys)
    }

    /// The text of an overlay with values at keys, each with the number or text it becomes.
    #[must_use]
    pub fn overlay(&self, settings: &BTreeMap<Vec<String>, String>) -> String {
        let span = self.values.span;
        let mut table = Table::empty(span);
        let own = Tree::Table(self.values.clone());
        for (keys, value) in settings {
            let path: Vec<&str> = keys.iter().map(String::as_str).collect();
            let was_text = matches!(own.at(&path), Some(Tree::Leaf(node)) if node.text().is_some());
            let number = value.parse::<i128>().ok().filter(|_| !was_text);
            let leaf = match number {
                Some(number) => Tree::scalar(value, ScalarValue::Integer(number), span),
                None => Tree::text(value, span),
            };
            insert(&mut table, keys, leaf, span);
        }
        write_yaml(&table.to_node())
    }
}

fn insert(table: &mut Table, keys: &[String], leaf: Tree, span: Span) {
    let Some((first, rest)) = keys.split_first() else { return };
    let slot = table
        .slots
        .entry(Arc::from(first.as_str()))
        .or_insert_with(|| Slot { key_span: span, value: Tree::Table(Table::empty(span)) });
    if rest.is_empty() {
        slot.value = leaf;
    } else if let Tree::Table(inner) = &mut slot.value {
        insert(inner, rest, leaf, span);
    }
}

fn inside<'n>(node: &'n Node, step: &Step) -> Option<&'n Node> {
    match step {
        Step::Key(key) => node.get(key),
        Step::Index(index) => node.sequence()?.get(*index),
        Step::Named(name) => {
            node.sequence()?.iter().find(|item| item.get("name").and_then(Node::text) == Some(name))
        }
    }
}

/// Steps as keys; `None` when they go through a list.
fn rest(path: &[Step]) -> Option<Vec<String>> {
    let keys = path.iter().map(|step| match step {
        Step::Key(key) => Some(key.clone()),
        Step::Index(_) | Step::Named(_) => None,
    });
    keys.collect()
}

/// The keys to the scalar that was written at a place.
fn leaf_at(table: &Table, span: Span) -> Option<Vec<String>> {
    if span.start == span.end {
        return None;
    }
    for (key, slot) in &table.slots {
        let found = match &slot.value {
            Tree::Leaf(leaf) => (leaf.span == span).then(Vec::new),
            Tree::List(..) => None,
            Tree::Table(inner) => leaf_at(inner, span),
        };
        if let Some(mut keys) = found {
            keys.insert(0, key.to_string());
            return Some(keys);
        }
    }
    None
}

/// The keys to the table that a node is a copy of.
fn table_with(
    table: &Table,
    span: Span,
    node: &Node,
    way: &mut Vec<String>,
) -> Option<Vec<String>> {
    for (key, slot) in &table.slots {
        let Tree::Table(inner) = &slot.value else { continue };
        way.push(key.to_string());
        if inner.span == span && inner.to_node() == *node {
            return Some(way.clone());
        }
        if let Some(found) = table_with(inner, span, node, way) {
            return Some(found);
        }
        way.pop();
    }
    None
}

fn leaves(node: &Node, call: &mut dyn FnMut(Span)) {
    if let Some(entries) = node.mapping() {
        entries.iter().for_each(|entry| leaves(&entry.value, call));
    } else if let Some(items) = node.sequence() {
        items.iter().for_each(|item| leaves(item, call));
    } else {
        call(node.span);
    }
}

/// Patches of objects as documents that kustomize merges (`patches: [{path: FILE}]`), and that read
/// back as patches here.
#[must_use]
pub fn patch_documents(settings: &BTreeMap<ObjectField, String>) -> String {
    let key =
        |field: &ObjectField| (field.kind.clone(), field.namespace.clone(), field.name.clone());
    let mut objects: BTreeMap<_, Vec<(&ObjectField, &str)>> = BTreeMap::new();
    for (field, value) in settings {
        objects.entry(key(field)).or_default().push((field, value));
    }
    let documents = objects.iter().map(|((kind, namespace, name), fields)| {
        let mut text =
            format!("apiVersion: {}\nkind: {kind}\nmetadata:\n  name: {name}\n", api(kind));
        if !namespace.is_empty() {
            text.push_str(&format!("  namespace: {namespace}\n"));
        }
        let mut open: Vec<&Step> = Vec::new();
        for (field, value) in fields {
            write_path(&mut text, &mut open, &field.path, value);
        }
        text
    });
    documents.collect::<Vec<_>>().join("---\n")
}

fn api(kind: &str) -> &'static str {
    match kind {
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "PodDisruptionBudget" => "policy/v1",
        "ClusterProfile" => "aurelius.dev/v1",
        _ => "apps/v1",
    }
}

/// Writes the steps that are not open yet, and the value behind the last.
fn write_path<'p>(text: &mut String, open: &mut Vec<&'p Step>, path: &'p [Step], value: &str) {
    let same = open.iter().zip(path).take_while(|(a, b)| **a == *b).count();
    let same = same.min(path.len().saturating_sub(1));
    open.truncate(same);
    let depth = |steps: &[&Step]| steps.len() * 2;
    for (at, step) in path.iter().enumerate().skip(same) {
        let indent = " ".repeat(depth(open));
        let last = at + 1 == path.len();
        match step {
            Step::Key(key) if last => text.push_str(&format!("{indent}{key}: {value}\n")),
            Step::Key(key) => text.push_str(&format!("{indent}{key}:\n")),
            Step::Named(name) => {
                let outer = " ".repeat(depth(open).saturating_sub(2));
                text.push_str(&format!("{outer}  - name: {name}\n"));
            }
            Step::Index(_) => text.push_str(&format!("{indent}- {value}\n")),
        }
        open.push(step);
    }
}
