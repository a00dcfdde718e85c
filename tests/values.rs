//! Objects told from values alone against the same chart rendered by Helm.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aurelius_sim::input::render::concise;
use aurelius_sim::input::values::ValueInputs;
use aurelius_sim::input::yaml::{Kind, Node};
use aurelius_sim::input::{LoadedObjects, ReleaseInputs, load_objects};
use serde_json::Value;

fn told(files: &[&str]) -> LoadedObjects {
    let values =
        ValueInputs { files: files.iter().map(PathBuf::from).collect(), ..ValueInputs::default() };
    load_objects(&ReleaseInputs { values, ..ReleaseInputs::default() })
}

fn rendered(file: &str) -> LoadedObjects {
    load_objects(&ReleaseInputs { manifests: vec![file.into()], ..ReleaseInputs::default() })
}

/// Every scalar as its text: `cpu: 2` and `cpu: "2"` are the same quantity.
fn texts(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(scalar) => Value::String(scalar.text.to_string()),
        Kind::Sequence(items) => Value::Array(items.iter().map(texts).collect()),
        Kind::Mapping(entries) => {
            let kept = entries.iter().filter(|entry| !entry.key.starts_with("checksum/"));
            Value::Object(
                kept.map(|entry| (entry.key.to_string(), texts(&entry.value)))
                    .collect::<BTreeMap<_, _>>()
                    .into_iter()
                    .collect(),
            )
        }
    }
}

fn by_name(loaded: &LoadedObjects) -> BTreeMap<String, Value> {
    let name = |node: &Node| {
        let text = |node: Option<&Node>| node.and_then(Node::text).unwrap_or("?").to_owned();
        let meta = node.get("metadata");
        let of = |key| text(meta.and_then(|meta| meta.get(key)));
        format!("{} {}/{}", text(node.get("kind")), of("namespace"), of("name"))
    };
    loaded.documents.iter().map(|node| (name(node), texts(node))).collect()
}

/// The paths at which two values differ.
fn differences(path: &str, left: &Value, right: &Value, into: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let none = Value::Null;
                let (l, r) = (left.get(key).unwrap_or(&none), right.get(key).unwrap_or(&none));
                differences(&format!("{path}.{key}"), l, r, into);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (l, r)) in left.iter().zip(right).enumerate() {
                differences(&format!("{path}[{at}]"), l, r, into);
            }
        }
        _ if left == right => {}
        _ => into.push(format!("{path}: told {left}, rendered {right}")),
    }
}

#[test]
fn the_aurelius_values_give_the_objects_that_helm_renders() {
    let (values, prod) = ("profiles/aurelius/values.yaml", "profiles/aurelius/values-prod.yaml");
    for (files, file) in [
        (vec![values], "profiles/aurelius/rendered/default.yaml"),
        (vec![values, prod], "profiles/aurelius/rendered/prod.yaml"),
    ] {
        let (told, rendered) = (told(&files), rendered(file));
        assert_eq!(concise(&told.diagnostics, &told.sources), "");
        let (told, rendered) = (by_name(&told), by_name(&rendered));
        let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&told), names(&rendered), "{file}");
        let mut found = Vec::new();
        for (name, object) in &told {
            differences(name, object, &rendered[name], &mut found);
        }
        assert!(found.is_empty(), "{file}:\n{}", found.join("\n"));
    }
}

/// Every figure that reports speak of stands in a values file.
#[test]
fn figures_keep_their_place_in_the_values() {
    let told = told(&["profiles/aurelius/values.yaml", "profiles/aurelius/values-prod.yaml"]);
    let hpa = told.objects.autoscalers.iter().find(|hpa| &*hpa.meta.name == "gateway");
    let hpa = hpa.expect("the gateway scales");
    assert_eq!(hpa.max_origin.to_string(), "profiles/aurelius/values-prod.yaml:20");
    assert_eq!(hpa.min_origin.to_string(), "profiles/aurelius/values-prod.yaml:19");
    let workload = |name: &str| {
        let found = told.objects.workloads.iter().find(|it| &*it.meta.name == name);
        found.unwrap_or_else(|| panic!("{name} is there"))
    };
    let container =
        |name: &str| workload(name).template.spec.containers[0].resources_origin.to_string();
    assert!(
        container("gateway").starts_with("profiles/aurelius/values-prod.yaml:"),
        "{}",
        container("gateway")
    );
    assert_eq!(
        workload("postgresql-read").replicas_origin.to_string(),
        "profiles/aurelius/values-prod.yaml:153"
    );
}
