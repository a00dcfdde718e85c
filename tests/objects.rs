//! Objects of real charts and clusters: what is read, what is passed over, and what is refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aurelius_sim::input::diagnostic::Severity;
use aurelius_sim::input::{LoadOptions, LoadedObjects, ReleaseInputs, load_objects, load_scenario};
use expect_test::expect_file;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/manifests").join(name)
}

/// What was read of a file, in one line, and its errors in one line each.
fn describe(name: &str, loaded: &LoadedObjects) -> String {
    let objects = &loaded.objects;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for workload in &objects.workloads {
        *kinds.entry(workload.kind_name()).or_default() += 1;
    }
    for (kind, count) in [
        ("HPA", objects.autoscalers.len()),
        ("PDB", objects.budgets.len()),
        ("PVC", objects.claims.len()),
        ("StorageClass", objects.storage_classes.len()),
        ("Service", objects.services.len()),
        ("PriorityClass", objects.priority_classes.len()),
        ("Quota", objects.quotas.len()),
        ("LimitRange", objects.limit_ranges.len()),
        ("Node", objects.nodes.len()),
        ("ScaledObject", objects.scaled_objects.len()),
    ] {
        if count > 0 {
            kinds.insert(kind, count);
        }
    }
    let read: Vec<_> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let ignored = objects.ignored_summary().unwrap_or_default();
    let mut text = format!("{name}: {} {ignored}\n", read.join(", "));
    let errors = loaded.diagnostics.iter();
    for error in errors.filter(|said| said.severity() == Severity::Error) {
        writeln!(text, "    {} {}", error.code(), error.message()).expect("memory can be written");
    }
    text
}

#[test]
fn every_set_of_manifests_is_read() {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(data(""))
        .expect("the test data are in the repository")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let mut text = String::new();
    for folder in folders {
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .expect("it is a folder")
            .map(|entry| entry.expect("it can be listed").path())
            .filter(|path| path.file_name().is_some_and(|name| name != "values.yaml"))
            .collect();
        files.sort();
        for file in files {
            let loaded = load_objects(&ReleaseInputs {
                manifests: vec![file.clone()],
                ..Default::default()
            });
            let name = file.strip_prefix(data("")).expect("it lies there").display().to_string();
            text.push_str(&describe(&name, &loaded));
        }
    }
    expect_file!["data/manifests/read.txt"].assert_eq(&text);
}

fn live(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/live").join(name)
}

/// What `kubectl get -A` shows beside the objects that people write is made by controllers, which
/// are simulated: only what nobody would make again counts.
#[test]
fn a_dump_of_a_namespace_gives_what_people_wrote() {
    let loaded =
        load_objects(&ReleaseInputs { manifests: vec![live("dump.yaml")], ..Default::default() });
    let text = describe("dump", &loaded);
    assert_eq!(
        text,
        "dump: Deployment 2, HPA 1, ScaledObject 1 ignored 6 objects of 5 kinds (Pod 2, \
         ConfigMap 1, HorizontalPodAutoscaler 1, ReplicaSet 1, VerticalPodAutoscaler 1)\n"
    );
    let pods: Vec<_> = loaded.objects.pods.iter().map(|pod| &*pod.meta.name).collect();
    assert_eq!(pods, ["debug"]);
    assert_eq!(&*loaded.objects.vertical_autoscalers[0].update_mode, "Off");
}

/// keda, controllers/keda/hpa.go: name, bounds and metrics of the HPA that KEDA makes.
#[test]
fn a_scaled_object_becomes_the_autoscaler_that_keda_makes() {
    use aurelius_sim::control::hpa::{MetricSpec, ResourceName};
    let loaded =
        load_objects(&ReleaseInputs { manifests: vec![live("dump.yaml")], ..Default::default() });
    let hpa = &loaded.objects.autoscalers[0];
    assert_eq!(&*hpa.meta.name, "keda-hpa-worker");
    assert_eq!((hpa.spec.min_replicas, hpa.spec.max_replicas), (Some(1), 12));
    let down = hpa.spec.behavior.as_ref().and_then(|rules| rules.scale_down.as_ref());
    assert_eq!(down.and_then(|rules| rules.stabilization_window_seconds), Some(60));
    let [MetricSpec::External { metric, target }, MetricSpec::Resource { name, .. }] =
        hpa.spec.metrics.as_slice()
    else {
        panic!("the metrics are {:?}", hpa.spec.metrics)
    };
    assert_eq!(metric.name, "s0-redis-celery");
    assert_eq!(target.average_value.map(|value| value.value_ceil()), Some(20));
    assert_eq!(*name, ResourceName::Cpu);
}

/// The nodes of a cluster are its pools: cordoned ones left out, the least of equal machines taken.
#[test]
fn a_cluster_is_built_from_its_nodes() {
    let loaded = load_scenario(&live("scenario.yaml"), &LoadOptions::default());
    let scenario = loaded.scenario.expect("the scenario is right");
    let pools: Vec<_> = scenario
        .pools
        .iter()
        .map(|pool| {
            let memory = pool.instance.allocatable.memory.0 / 1024;
            (&*pool.name, &*pool.instance.name, pool.initial, pool.max, memory, pool.taints.len())
        })
        .collect();
    assert_eq!(
        pools,
        [
            ("general", "m6i.xlarge", 2, 2, 14_872_044, 0),
            ("gpu", "g4dn.xlarge", 1, 1, 14_888_432, 1)
        ]
    );
    let general = &scenario.pools[0];
    assert_eq!(
        general.zones.iter().map(|zone| &**zone).collect::<Vec<_>>(),
        ["eu-west-1a", "eu-west-1b"]
    );
    assert_eq!(general.instance.max_volumes, Some(25));
    let labels: Vec<_> = general.labels.keys().map(|key| &**key).collect();
    assert!(!labels.contains(&"kubernetes.io/hostname"), "{labels:?}");
    let said: Vec<_> = loaded.diagnostics.iter().map(|said| said.message()).collect();
    assert!(
        said.iter().any(|text| text.contains("ip-10-0-2-2") && text.contains("cordoned")),
        "{said:?}"
    );
}
