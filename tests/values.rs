//! Objects told from values alone against the same chart rendered by Helm.

mod helm_values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aurelius_sim::input::adapters::ReleaseName;
use aurelius_sim::input::render::concise;
use aurelius_sim::input::values::ValueInputs;
use aurelius_sim::input::yaml::{Kind, Node};
use aurelius_sim::input::{LoadedObjects, ReleaseInputs, load_objects};
use helm_values::{Dice, create, has_helm, ours, same, template, theirs};
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
        "profiles/aurelius/values-prod.yaml:144"
    );
}

/// Merged values against the real Helm: run by `.ci/run`, which has one.
#[test]
fn merged_values_are_helms() {
    if !has_helm() {
        return;
    }
    let mut refused = 0;
    for seed in 0..300 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let chart = folder.path().join("chart");
        dice.chart(&chart);
        let inputs = dice.inputs(folder.path());
        let (ours, theirs) = (ours(&chart, &inputs), theirs(&chart, &inputs));
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) if same(ours, theirs) => {}
            (Err(_), Err(_)) => refused += 1,
            _ => {
                let own = chart.join("values.yaml");
                let files = inputs.files.iter().chain([&own]).map(|path| {
                    let text = std::fs::read_to_string(path).expect("it was written");
                    format!("--- {}\n{text}", path.display())
                });
                let files: String = files.collect();
                let kept = folder.keep();
                panic!(
                    "seed {seed} in {}: {inputs:#?}\n{files}\nours   {ours:?}\ntheirs {theirs:?}",
                    kept.display()
                );
            }
        }
    }
    assert!(refused < 150, "{refused} of 300 were refused: too few were compared");
}

/// Objects told from values against the chart rendered by the real Helm, over random overlays.
#[test]
fn told_objects_are_helms() {
    if !has_helm() {
        return;
    }
    let chart = PathBuf::from("profiles/aurelius/chart");
    for seed in 0..60 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("over.yaml");
        std::fs::write(&path, overlay(&mut dice)).expect("it can be written");
        let mut files: Vec<PathBuf> = vec!["profiles/aurelius/values.yaml".into()];
        if dice.below(2) == 0 {
            files.push("profiles/aurelius/values-prod.yaml".into());
        }
        files.push(path.clone());
        let inputs = ValueInputs { files, ..ValueInputs::default() };
        let text = match template(&chart, &inputs) {
            Ok(text) => text,
            // The chart refuses placeholders in production; that is for Helm to say.
            Err(said) if said.contains("placeholder") => continue,
            Err(said) => panic!("seed {seed}: {said}"),
        };
        let rendered_path = folder.path().join("rendered.yaml");
        std::fs::write(&rendered_path, text).expect("it can be written");
        let release =
            ReleaseName { name: Some("release".into()), namespace: Some("default".into()) };
        let told =
            load_objects(&ReleaseInputs { values: inputs, release, ..ReleaseInputs::default() });
        let rendered = rendered(&rendered_path.display().to_string());
        let (told, rendered) = (by_name(&told), by_name(&rendered));
        let mut found = Vec::new();
        for name in told.keys().chain(rendered.keys()) {
            match (told.get(name), rendered.get(name)) {
                (Some(told), Some(rendered)) => differences(name, told, rendered, &mut found),
                (Some(_), None) => found.push(format!("{name} is told only")),
                (None, _) => found.push(format!("{name} is rendered only")),
            }
        }
        let over = std::fs::read_to_string(&path).expect("it was written");
        assert!(found.is_empty(), "seed {seed}:\n{over}\n{}", found.join("\n"));
    }
}

/// Changes of the kind that people make to values for production.
fn overlay(dice: &mut Dice) -> String {
    let mut text = String::new();
    for service in ["gateway", "webUi", "mlService", "dicomService", "celeryWorkers"] {
        if dice.below(2) == 0 {
            continue;
        }
        text.push_str(&format!("{service}:\n  replicaCount: {}\n", 1 + dice.below(9)));
        let cpu = dice.pick(&["250m", "2", "\"1\"", "1.5"]);
        text.push_str(&format!(
            "  resources: {{requests: {{cpu: {cpu}}}, limits: {{memory: 3Gi}}}}\n"
        ));
        let enabled = dice.pick(&["true", "false"]);
        let most = 5 + dice.below(20);
        text.push_str(&format!("  autoscaling: {{enabled: {enabled}, maxReplicas: {most}}}\n"));
        match dice.below(5) {
            0 => text.push_str("  nodeSelector: {disk: fast}\n"),
            1 => text.push_str("  tolerations: [{key: a, operator: Exists}]\n"),
            2 => text.push_str("  affinity: {nodeAffinity: {}}\n"),
            3 => text.push_str("  nodeSelector: null\n"),
            _ => {}
        }
    }
    for part in ["grafana", "jaeger", "minio", "redis", "postgresql", "networkPolicy", "backup"] {
        if dice.below(4) == 0 {
            text.push_str(&format!("{part}: {{enabled: {}}}\n", dice.pick(&["false", "true"])));
        }
    }
    match dice.below(5) {
        0 => text.push_str("fullnameOverride: acme\n"),
        1 => text.push_str("podDisruptionBudget: {gateway: {enabled: false}}\n"),
        2 => text.push_str("storageClasses: {standard: null}\n"),
        3 => text.push_str("ingress: {annotations: {a: b}, className: haproxy}\n"),
        _ => {}
    }
    text
}

/// What people write over the values of the chart that `helm create` makes.
const CREATE_OVERLAYS: [&str; 8] = [
    "{}\n",
    "replicaCount: 4\nresources: {requests: {cpu: 250m, memory: 256Mi}, limits: {memory: 512Mi}}\n",
    "autoscaling: {enabled: true, minReplicas: 3, maxReplicas: 12, targetMemoryUtilizationPercentage: 75}\n",
    "autoscaling: {enabled: true, targetCPUUtilizationPercentage: null, targetMemoryUtilizationPercentage: 60}\n",
    "nodeSelector: {disk: fast}\ntolerations: [{key: a, operator: Exists}]\naffinity: {nodeAffinity: {}}\npodLabels: {tier: front}\npodAnnotations: {a: b}\n",
    "service: {type: NodePort, port: 8080}\nlivenessProbe: null\nreadinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 3}\nimage: {tag: \"2.0\", pullPolicy: Always}\n",
    "serviceAccount: {create: false}\nfullnameOverride: shop\nimagePullSecrets: [{name: pull}]\nvolumes: [{name: t, emptyDir: {}}]\nvolumeMounts: [{name: t, mountPath: /t}]\n",
    "nameOverride: front\nserviceAccount: {name: robot, annotations: {a: b}}\nsecurityContext: {runAsNonRoot: true}\npodSecurityContext: {fsGroup: 2000}\ningress: {enabled: true, className: nginx, annotations: {a: b}, tls: [{secretName: s, hosts: [h]}]}\n",
];

/// By kind and name: charts of others leave the namespace to the release.
fn without_namespace(loaded: &LoadedObjects) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for (_, mut object) in by_name(loaded) {
        // What runs for `helm test` only is no part of the release.
        if object["metadata"]["annotations"]["helm.sh/hook"] == "test" {
            continue;
        }
        if let Some(meta) = object["metadata"].as_object_mut() {
            meta.remove("namespace");
        }
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        objects.insert(name, object);
    }
    objects
}

/// What people write over the values of a chart by Bitnami's conventions.
const BITNAMI_OVERLAYS: [&str; 9] = [
    "{}\n",
    "replicaCount: 4\nresources: {requests: {cpu: 250m, memory: 256Mi}, limits: {memory: 512Mi}}\n",
    "resourcesPreset: 2xlarge\npodAntiAffinityPreset: hard\npdb: {minAvailable: 50%}\n",
    "resourcesPreset: none\npodAntiAffinityPreset: \"\"\npdb: {maxUnavailable: 2}\n",
    "autoscaling: {enabled: true, minReplicas: 3, maxReplicas: 11, targetCPU: \"70\", targetMemory: \"80\"}\nresourcesPreset: micro\n",
    "autoscaling: {hpa: {enabled: true, minReplicas: 2, maxReplicas: 8, targetCPU: 70}}\npdb: {create: false}\nresourcesPreset: large\n",
    "persistence: {enabled: true, size: 1Ti, storageClass: gp3}\nreplicaCount: 3\nresourcesPreset: xlarge\n",
    "fullnameOverride: acme\nnodeSelector: {disk: fast}\ntolerations: [{key: a, operator: Exists}]\npriorityClassName: high\nterminationGracePeriodSeconds: 90\nresourcesPreset: medium\n",
    "nameOverride: front\naffinity: {nodeAffinity: {}}\nservice: {type: NodePort, ports: {http: 8081}}\nresourcesPreset: small\nupdateStrategy: {type: Recreate}\n",
];

/// The chart that the real `helm create` writes, told by its conventions and rendered by Helm.
#[test]
fn charts_of_helm_create_are_told_as_helm_renders_them() {
    if !has_helm() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let chart = folder.path().join("web");
    create(&chart);
    told_as_rendered(&chart, &CREATE_OVERLAYS);
}

/// Presets, autoscalers of both spellings, budgets, anti-affinity and claims by Bitnami's conventions.
#[test]
fn charts_by_bitnamis_conventions_are_told_as_helm_renders_them() {
    if has_helm() {
        told_as_rendered(&PathBuf::from("tests/data/bitnami-like"), &BITNAMI_OVERLAYS);
    }
}

fn told_as_rendered(chart: &Path, overlays: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for overlay in overlays {
        let path = folder.path().join("over.yaml");
        std::fs::write(&path, overlay).expect("it can be written");
        let values = ValueInputs { files: vec![path], ..ValueInputs::default() };
        let text = template(chart, &values).unwrap_or_else(|said| panic!("{overlay}: {said}"));
        let rendered_path = folder.path().join("rendered.yaml");
        std::fs::write(&rendered_path, text).expect("it can be written");
        let release = ReleaseName { name: Some("release".into()), namespace: None };
        let told = load_objects(&ReleaseInputs {
            chart: Some(chart.to_owned()),
            values,
            release,
            ..ReleaseInputs::default()
        });
        let rendered = without_namespace(&rendered(&rendered_path.display().to_string()));
        let told = without_namespace(&told);
        let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&told), names(&rendered), "{overlay}");
        let mut found = Vec::new();
        for (name, object) in &told {
            differences(name, object, &rendered[name], &mut found);
        }
        assert!(found.is_empty(), "{overlay}:\n{}", found.join("\n"));
    }
}
