//! The reference documents of `profiles/reference`: every key of every kind once, with a comment that says what it is. The
//! comments are the descriptions of the schemas.

use std::collections::BTreeMap;
use std::path::Path;

use crate::input::decode::Shapes;
use crate::input::diagnostic::Diagnostics;
use crate::input::source::Sources;
use crate::input::yaml::{Dialect, Entry, Node, parse};

/// What the reference documents say of keys.
#[derive(Debug, Default)]
pub(super) struct Descriptions {
    /// By kind and path.
    exact: BTreeMap<(&'static str, String), String>,
    /// By the last two names of a path: `retry.attempts` is the same wherever calls are retried.
    near: BTreeMap<String, String>,
    /// Of the families of distributions, by name.
    families: BTreeMap<String, String>,
}

impl Descriptions {
    /// Reads the comments of documents among the sources. `shapes` tells free keys from fields.
    pub(super) fn of<'p>(
        sources: &Sources,
        documents: impl IntoIterator<Item = &'p str>,
        kinds: &[&'static str],
        shapes: &Shapes,
    ) -> Self {
        let mut found = Self::default();
        for path in documents {
            let Some(file) = sources.known(Path::new(path)) else { continue };
            for node in parse(sources, file, Dialect::Core, &Diagnostics::new()) {
                let named = node.get("kind").and_then(Node::text);
                if let Some(kind) = kinds.iter().find(|kind| named == Some(kind)) {
                    found.walk(sources, shapes, kind, &node, "");
                }
            }
        }
        found
    }

    fn walk(
        &mut self,
        sources: &Sources,
        shapes: &Shapes,
        kind: &'static str,
        node: &Node,
        path: &str,
    ) {
        for item in node.sequence().unwrap_or_default() {
            self.walk(sources, shapes, kind, item, &format!("{path}[]"));
        }
        let shape = shapes.get(kind, path);
        let free = shape.is_some_and(|shape| shape.free);
        for entry in node.mapping().unwrap_or_default() {
            let name = if free { "*" } else { &*entry.key };
            let inner = format!("{path}.{name}");
            if !free && let Some(text) = comment(sources, entry) {
                if shape.is_some_and(|shape| is_distribution(shape.fields.keys().copied())) {
                    self.families.entry(name.to_owned()).or_insert_with(|| text.clone());
                }
                self.near.entry(last_two(&inner)).or_insert_with(|| text.clone());
                self.exact.entry((kind, inner.clone())).or_insert(text);
            }
            self.walk(sources, shapes, kind, &entry.value, &inner);
        }
    }

    /// What a field is; `siblings` are the fields beside it.
    pub(super) fn get<'s>(
        &self,
        kind: &'static str,
        path: &str,
        siblings: impl Iterator<Item = &'s str>,
    ) -> Option<&str> {
        let name = path.rsplit('.').next().unwrap_or(path);
        let family = is_distribution(siblings).then(|| self.families.get(name)).flatten();
        let exact = || self.exact.get(&(kind, path.to_owned()));
        let found = family.or_else(exact).or_else(|| self.near.get(&last_two(path)));
        found.map(String::as_str)
    }
}

/// Whether fields are those of a distribution.
fn is_distribution<'s>(mut fields: impl Iterator<Item = &'s str>) -> bool {
    fields.any(|field| field == "weibull")
}

/// `retry.attempts` of `.services.*.operations.*.calls[].retry.attempts`. Events may be spelled in either
/// way: `fail_node` is `failNode`.
fn last_two(path: &str) -> String {
    let named = path.rsplit('.').map(|part| part.trim_end_matches("[]"));
    let two: Vec<String> = named
        .filter(|part| *part != "*" && !part.is_empty())
        .take(2)
        .map(|part| part.to_lowercase().replace('_', ""))
        .collect();
    two.into_iter().rev().collect::<Vec<_>>().join(".")
}

/// The comment behind a key that begins its line, else the lines of comment above it.
fn comment(sources: &Sources, entry: &Entry) -> Option<String> {
    let file = sources.file(entry.key_span.file);
    let place = sources.line_column(entry.key_span);
    let line = file.line(place.line);
    let column = line.char_indices().nth(usize::try_from(place.column).ok()?.checked_sub(1)?)?.0;
    let before = line[..column].trim_start().trim_start_matches("- ").trim();
    if !before.is_empty() {
        return None;
    }
    if let Some((_, behind)) = line[column..].split_once(" # ") {
        return Some(behind.trim().to_owned());
    }
    let mut above: Vec<&str> = Vec::new();
    for number in (1..place.line).rev() {
        let Some(text) = file.line(number).trim_start().strip_prefix('#') else { break };
        above.push(text.trim());
    }
    above.reverse();
    (!above.is_empty()).then(|| above.join(" "))
}
