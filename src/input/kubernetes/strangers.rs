//! Documents that are no objects of a cluster: what they probably are, and what to give instead.

use crate::input::codes;
use crate::input::decode::Value;
use crate::input::diagnostic::Diagnostic;
use crate::input::yaml::{Kind, Node};

/// Keys that only a `kustomization.yaml` has at its top.
const KUSTOMIZE: [&str; 10] = [
    "resources",
    "bases",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "namePrefix",
    "nameSuffix",
    "commonLabels",
    "configMapGenerator",
    "secretGenerator",
];

/// What is wrong with a document without `apiVersion` or `kind`.
pub(super) fn no_object(value: &Value<'_>) -> Diagnostic {
    let node = value.node();
    let has = |key: &str| node.get(key).and_then(Node::text).is_some();
    let lacks = match (has("apiVersion"), has("kind")) {
        (true, _) => "no kind",
        (false, true) => "no apiVersion",
        (false, false) => "no apiVersion and kind",
    };
    let message = format!("is not a Kubernetes object ({lacks})");
    value.error(codes::UNKNOWN_KIND, &message).help(instead(node))
}

/// What to do about it.
fn instead(node: &Node) -> &'static str {
    let has = |key: &str| node.get(key).is_some();
    let has_all = |keys: &[&str]| keys.iter().all(|key| has(key));
    let Kind::Mapping(entries) = &node.kind else {
        return "an object is a mapping with `apiVersion`, `kind` and `metadata`";
    };
    if entries.iter().any(|entry| entry.key.starts_with("//") || entry.key.starts_with("/*")) {
        return "JSON has no comments; in YAML they begin with `#`";
    }
    if has_all(&["apiVersion", "name", "version"]) {
        return "this is the Chart.yaml of a chart: give its folder with `--chart`";
    }
    if has("kind") && has("metadata") {
        return "write the kind's `apiVersion`, such as `apps/v1`";
    }
    if has("apiVersion") && has("metadata") {
        return "write `kind`, such as `Deployment`";
    }
    if has_all(&["NAME", "STATUS"]) {
        return "this is what Helm says of a release; `helm get manifest RELEASE` gives its objects";
    }
    let is_compose = node.get("services").and_then(Node::mapping).is_some_and(|services| {
        let runs =
            |service: &Node| service.get("image").is_some() || service.get("build").is_some();
        services.iter().any(|entry| runs(&entry.value))
    });
    if is_compose {
        return "this is a Compose file; `kompose convert` makes Kubernetes objects of it";
    }
    if KUSTOMIZE.iter().any(|key| has(key)) {
        return "this is for kustomize: `kubectl kustomize DIR | aurelius-sim validate -f -`";
    }
    "for Helm values use `--values`"
}

/// A Kustomization among objects: what it makes of them is not seen.
pub(super) fn kustomization(value: &Value<'_>, version: &str) -> Option<Diagnostic> {
    version.starts_with("kustomize.config.k8s.io/").then(|| {
        let message = "is for kustomize and no object: what it makes of others is not seen";
        let error = value.error(codes::UNKNOWN_KIND, message);
        error
            .with_severity(crate::input::diagnostic::Severity::Warning)
            .help("build it first: `kubectl kustomize DIR | aurelius-sim validate -f -`")
    })
}
