//! Documents as patches: what kustomize merges into an object, figure by figure.

use std::path::Path;

use super::{Patch, PatchTarget, Step};
use crate::input::codes;
use crate::input::diagnostic::{Diagnostic, Diagnostics};
use crate::input::source::Sources;
use crate::input::yaml::{Dialect, Entry, Node, parse};

/// Reads a file of patches: each document names its object by kind and name; what else it says is set
/// there. Lists whose items have names are merged by name, other lists replace. A ClusterProfile,
/// Scenario or ServiceProfiles document patches that document.
#[must_use]
pub fn patches_in(path: &Path, sources: &mut Sources, diagnostics: &Diagnostics) -> Vec<Patch> {
    let Some(file) = sources.read(path, None, diagnostics) else { return Vec::new() };
    let mut patches = Vec::new();
    let errors = diagnostics.error_count();
    for document in parse(sources, file, Dialect::Yaml11, diagnostics) {
        let meta = |key| document.get("metadata").and_then(|meta| meta.get(key)?.text());
        let kind = document.get("kind").and_then(Node::text);
        let target = match (kind, meta("name")) {
            (Some("ClusterProfile"), _) => PatchTarget::Cluster,
            (Some("Scenario"), _) => PatchTarget::Scenario,
            (Some("ServiceProfiles"), _) => PatchTarget::Services,
            (Some(kind), Some(name)) => PatchTarget::Object {
                kind: kind.to_owned(),
                namespace: meta("namespace").map(str::to_owned),
                name: name.to_owned(),
            },
            _ => {
                let message = "a patch must name its object by `kind` and `metadata.name`";
                let error = Diagnostic::error(codes::MISSING_FIELD, message);
                diagnostics.push(error.primary(document.span.at_start(), ""));
                continue;
            }
        };
        let own = |entry: &&Entry| !matches!(&*entry.key, "apiVersion" | "kind" | "metadata");
        for entry in document.mapping().unwrap_or_default().iter().filter(own) {
            let mut way = vec![Step::Key(entry.key.to_string())];
            flatten(&entry.value, &target, &mut way, &mut patches);
        }
    }
    if patches.is_empty() && diagnostics.error_count() == errors {
        let message = format!("`{}` changes nothing: it states no figure", path.display());
        let error = Diagnostic::error(codes::INVALID_PATCH, message);
        diagnostics.push(error.help("a patch is `kind`, `metadata.name` and the fields to change"));
    }
    patches
}

fn flatten(node: &Node, target: &PatchTarget, way: &mut Vec<Step>, into: &mut Vec<Patch>) {
    let name = |item: &Node| item.get("name").and_then(Node::text).map(str::to_owned);
    if let Some(entries) = node.mapping().filter(|entries| !entries.is_empty()) {
        for entry in entries {
            way.push(Step::Key(entry.key.to_string()));
            flatten(&entry.value, target, way, into);
            way.pop();
        }
        return;
    }
    let items = node
        .sequence()
        .filter(|items| !items.is_empty() && items.iter().all(|item| name(item).is_some()));
    if let Some(items) = items {
        for item in items {
            way.push(Step::Named(name(item).unwrap_or_default()));
            for entry in item.mapping().unwrap_or_default() {
                if &*entry.key != "name" {
                    way.push(Step::Key(entry.key.to_string()));
                    flatten(&entry.value, target, way, into);
                    way.pop();
                }
            }
            way.pop();
        }
        return;
    }
    let (target, path) = (target.clone(), way.clone());
    into.push(Patch { target, path, value: node.to_json() });
}
