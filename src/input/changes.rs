//! What differs between two versions of a document, figure by figure.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::diagnostic::Diagnostics;
use super::source::Sources;
use super::yaml::{Dialect, Node, parse};

/// Figures that differ, by path: `spec.maxReplicas 10 → 12`. Objects of Kubernetes are known by kind
/// and name, wherever they stand in the file. Empty for what is no YAML.
#[must_use]
pub fn changes(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (leaves_of(before), leaves_of(after));
    let mut lines = Vec::new();
    for (path, old) in &before {
        match after.get(path) {
            Some(new) if new == old => {}
            Some(new) => lines.push(format!("{path} {old} → {new}")),
            None => lines.push(format!("{path} {old} → gone")),
        }
    }
    for (path, new) in after.iter().filter(|(path, _)| !before.contains_key(*path)) {
        lines.push(format!("{path} new: {new}"));
    }
    lines
}

fn leaves_of(text: &str) -> BTreeMap<String, String> {
    let (diagnostics, mut sources) = (Diagnostics::new(), Sources::new());
    let file = sources.add("(compared)", text);
    let nodes = parse(&sources, file, Dialect::Yaml11, &diagnostics);
    let mut leaves = BTreeMap::new();
    for node in &nodes {
        let name = |path: [&str; 2]| node.get(path[0])?.get(path[1]).and_then(Node::text);
        let kind = node.get("kind").and_then(Node::text);
        let prefix = match (kind, name(["metadata", "name"])) {
            (Some(kind), Some(name)) if nodes.len() > 1 => format!("{kind}/{name}:"),
            _ => String::new(),
        };
        leaves_under(&node.to_json_value(), prefix, &mut leaves);
    }
    leaves
}

fn leaves_under(value: &Json, path: String, leaves: &mut BTreeMap<String, String>) {
    let joined = |key: &str| {
        if path.is_empty() || path.ends_with(':') {
            format!("{path}{key}")
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Json::Object(entries) => {
            for (key, value) in entries {
                leaves_under(value, joined(key), leaves);
            }
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                // Items with a name are known by it: a new one does not change all behind it.
                let name = item.get("name").and_then(Json::as_str);
                let key = name.map_or_else(|| format!("[{at}]"), |name| format!("[{name}]"));
                leaves_under(item, format!("{path}{key}"), leaves);
            }
        }
        Json::String(text) => {
            leaves.insert(path, text.clone());
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {
            leaves.insert(path, value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_known_by_their_path_and_objects_by_their_name() {
        let before = "a: {b: 1, c: [x, z]}\nd: text\n";
        let after = "d: text\na: {b: 2, c: [x]}\ne: true\n";
        assert_eq!(changes(before, after), ["a.b 1 → 2", "a.c[1] z → gone", "e new: true"]);
        let object = |name: &str, size: u32| {
            format!("kind: HPA\nmetadata: {{name: {name}}}\nspec: {{max: {size}}}\n")
        };
        let before = format!("{}---\n{}", object("a", 3), object("b", 4));
        let after = format!("{}---\n{}", object("b", 5), object("a", 3));
        assert_eq!(changes(&before, &after), ["HPA/b:spec.max 4 → 5"]);
        assert_eq!(changes("a: [", "a: ["), [""; 0]);
    }
}
