//! Policies over scenarios: what they write, and what they refuse.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::cluster::api::workload::WorkloadKind;
use crate::scenario::DisruptionTarget;

const PEAK: &str = "scenarios/peak.yaml";

fn policy_of(text: &str) -> Result<ScalingPolicy, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("policy.yaml");
    let head = "apiVersion: aurelius.dev/v1\nkind: ScalingPolicy\nmetadata: {name: tried}\n";
    std::fs::write(&path, format!("{head}{text}")).expect("it can be written");
    let loaded = load_policy(&path);
    let said = loaded.diagnostics.first().map(|it| it.message().to_owned()).unwrap_or_default();
    loaded.policy.ok_or(said)
}

fn under(text: &str) -> Result<Scenario, String> {
    let policy = policy_of(text)?;
    let loaded = load_scenario_under(&PathBuf::from(PEAK), &LoadOptions::default(), &policy);
    let said = loaded.diagnostics.first().map(|it| it.message().to_owned()).unwrap_or_default();
    loaded.scenario.ok_or(said)
}

fn hpa<'s>(scenario: &'s Scenario, name: &str) -> Option<&'s crate::scenario::HpaObject> {
    let mut all = scenario.hpas.iter();
    all.find(|hpa| *scenario.workloads[hpa.target.index()].meta.name == *name).map(|hpa| &**hpa)
}

fn initial(scenario: &Scenario, name: &str) -> i32 {
    let at = scenario.workloads.iter().position(|workload| *workload.meta.name == *name);
    scenario.initial_replicas[at.expect("it is there")]
}

#[test]
fn merge_patches_are_those_of_the_rfc() {
    let mut under = json!({"a": {"b": 1, "c": 2}, "d": [1, 2]});
    merge(&mut under, &json!({"a": {"b": null, "e": 3}, "d": [4], "f": {"g": null}}));
    assert_eq!(under, json!({"a": {"c": 2, "e": 3}, "d": [4], "f": {}}));
}

#[test]
fn sizes_are_set_once_and_nobody_scales() {
    for (count, expected) in [("maximum", 20), ("minimum", 5), ("7", 7)] {
        let scenario = under(&format!("scale: {{replicas: {count}}}\n")).expect("it is right");
        assert!(scenario.hpas.is_empty(), "{count}");
        assert_eq!(initial(&scenario, "gateway"), expected, "{count}");
    }
    let one = under("workloads: [gateway]\nscale: {replicas: 9}\n").expect("it is right");
    assert!(hpa(&one, "gateway").is_none() && hpa(&one, "dicom-service").is_some());
}

#[test]
fn hpas_keep_what_a_policy_does_not_say() {
    let text = "scale:\n  hpa:\n    behavior: null\n    metrics:\n      - {type: Resource, resource: \
                {name: cpu, target: {type: Utilization, averageUtilization: 55}}}\n";
    let scenario = under(text).expect("it is right");
    let spec = &hpa(&scenario, "gateway").expect("it is scaled").spec;
    assert_eq!((spec.min_replicas, spec.max_replicas, spec.metrics.len()), (Some(5), 20, 1));
    assert_eq!(spec.behavior, None);
}

#[test]
fn variables_name_workloads_services_and_what_is_said_of_them() {
    let text = "workloads:\n  gateway: {TARGET: \"180\", LEAST: \"6\"}\nmetrics:\n  \
                $(WORKLOAD)-rps: {service: $(SERVICE), measures: requestsPerSecond}\nscale:\n  hpa:\n    \
                minReplicas: $(LEAST)\n    metrics: [{type: Pods, pods: {metric: {name: \
                $(WORKLOAD)-rps}, target: {type: AverageValue, averageValue: $(TARGET)}}}]\n";
    let scenario = under(text).expect("it is right");
    let spec = &hpa(&scenario, "gateway").expect("it is scaled").spec;
    assert_eq!(spec.min_replicas, Some(6));
    let metric = &scenario.custom_metrics[0];
    assert_eq!(&*metric.name, "gateway-rps");
    assert_eq!(&*scenario.services.stations[metric.station.index()].name, "gateway");
}

#[test]
fn schedules_budgets_headroom_flags_and_pools_reach_the_scenario() {
    let text = "workloads: [gateway]\nschedule:\n  - {clock: \"07:30\", minReplicas: 9}\n  - {after: \
                90m, minReplicas: 4}\nbudget: {maxUnavailable: 1}\nheadroom: {pods: 3, requests: {cpu: \
                \"1\"}}\nclusterAutoscaler: {scale-down-unneeded-time: 2m}\nnodePools: {general: \
                {max: 17}}\n";
    let scenario = under(text).expect("it is right");
    let steps: Vec<(u64, Option<i32>)> = scenario
        .disruptions
        .iter()
        .filter_map(|disruption| {
            let DisruptionTarget::Rollout(spec) = &disruption.target else { return None };
            Some((disruption.at.as_nanos() / 60_000_000_000, spec.hpas[0].1.min_replicas))
        })
        .collect();
    assert_eq!(steps, [(30, Some(9)), (90, Some(4))], "the scenario starts at 07:00");
    let headroom =
        scenario.workloads.iter().find(|it| *it.meta.name == *"headroom").expect("it is there");
    assert_eq!(headroom.template.spec.priority, -10);
    assert!(matches!(headroom.kind, WorkloadKind::Deployment { .. }));
    assert_eq!(initial(&scenario, "headroom"), 3);
    let general = scenario.pools.iter().find(|pool| *pool.name == *"general");
    assert_eq!(general.expect("it is there").max, 17);
    let budgets = scenario.budgets.iter().filter(|budget| *budget.meta.name == *"gateway");
    assert_eq!(budgets.count(), 1, "the budget that is there is written anew");
    assert!(scenario.inputs.iter().any(|input| input.path.ends_with("policy.yaml")));
}

/// Objects that an upgrade brings are under the policy, too.
#[test]
fn policies_reach_what_an_upgrade_brings() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let prod = root.join("profiles/aurelius/rendered/prod.yaml").display().to_string();
    let peak = std::fs::read_to_string(root.join("scenarios/helm-upgrade.yaml")).expect("shipped");
    let text = peak
        .replace("../profiles/aurelius/rendered/prod.yaml", &prod)
        .replace("../profiles", &root.join("profiles").display().to_string())
        .replace(
            "rollout: {workload: [gateway, ml-service], image: 1.1.0, timeout: 15m}",
            &format!("upgrade: {{manifests: [{prod}], timeout: 15m}}"),
        );
    let path = folder.path().join("scenario.yaml");
    std::fs::write(&path, text).expect("it can be written");
    let laid = |text: &str| {
        let policy = policy_of(text).expect("it is right");
        let loaded = load_scenario_under(&path, &LoadOptions::default(), &policy);
        let said: Vec<String> =
            loaded.diagnostics.iter().map(|it| it.message().to_owned()).collect();
        loaded.scenario.unwrap_or_else(|| panic!("{said:?}"))
    };
    let upgrade = |scenario: &Scenario| {
        let mut all = scenario.disruptions.iter().filter_map(|disruption| {
            let DisruptionTarget::Rollout(spec) = &disruption.target else { return None };
            spec.position.is_some().then(|| std::sync::Arc::clone(spec))
        });
        all.next().expect("there is an upgrade")
    };
    let held = laid("scale: {replicas: 9}\n");
    let written = upgrade(&held);
    assert!(held.hpas.is_empty() && written.hpas.is_empty());
    let gateway = held.workloads.iter().position(|it| *it.meta.name == *"gateway");
    let gateway = crate::model::id::WorkloadId::at(gateway.expect("it is there"));
    let change = written.workloads.iter().find(|(id, _)| *id == gateway).map(|(_, change)| change);
    let Some(crate::scenario::WorkloadChange::Written { replicas, .. }) = change else {
        panic!("{change:?}")
    };
    assert_eq!(*replicas, Some(9));
    let named = laid(
        "workloads: [gateway]\nscale: {hpa: {maxReplicas: 33}}\nschedule: [{after: 20m, minReplicas: 8}]\n",
    );
    let bounds: Vec<i32> = upgrade(&named).hpas.iter().map(|(_, spec)| spec.max_replicas).collect();
    assert_eq!(bounds.iter().filter(|most| **most == 33).count(), 1, "{bounds:?}");
    let keda = laid(
        "workloads: [gateway]\nscale: {keda: {triggers: [{type: cpu, metricType: Utilization, metadata: {value: \"60\"}}]}}\n",
    );
    assert_eq!(keda.scaled_objects.len(), 2, "before and after the upgrade");
    assert!(upgrade(&keda).gone.hpas.is_empty(), "it is the same object");
    let headroom = laid("headroom: {pods: 3, requests: {cpu: \"1\"}}\n");
    assert!(upgrade(&headroom).gone.workloads.is_empty(), "no release has it");
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    for (text, cause) in [
        ("workloads: [gatway]\nscale: {replicas: 3}\n", "finds none of its workloads"),
        ("scale: {replicas: 3, hpa: {}}\n", "exclude each other"),
        ("scale: {replicas: many}\n", "must be"),
        ("scle: {replicas: 3}\n", "unknown field"),
        ("schedule: [{clock: \"25:00\", minReplicas: 3}]\n", "must be a time of day"),
        ("patches: [\"a..b=1\"]\n", "a key is empty"),
        ("workloads: [keycloak]\nscale: {replicas: maximum}\n", "nothing scales it"),
        ("scale: {hpa: {maxReplicas: 0}}\n", "maxReplicas"),
        ("forecast: {target: 0%}\n", "nothing"),
    ] {
        let said = under(text).expect_err(text);
        assert!(said.contains(cause), "{text}: {said}");
    }
}

#[test]
fn every_shipped_policy_is_right_and_runs_the_peak() {
    let folder = std::fs::read_dir("profiles/policies").expect("they are shipped");
    let mut count = 0;
    for entry in folder {
        let path = entry.expect("it can be read").path();
        let loaded = load_policy(&path);
        let policy = loaded.policy.unwrap_or_else(|| panic!("{}", path.display()));
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        assert_eq!(Some(&*policy.name), stem, "a policy is called as its file");
        assert!(!policy.description.is_empty());
        let loaded = load_scenario_under(&PathBuf::from(PEAK), &LoadOptions::default(), &policy);
        let said = loaded.diagnostics.first().map(|it| it.message().to_owned());
        assert!(loaded.scenario.is_some(), "{}: {said:?}", path.display());
        count += 1;
    }
    assert!(count >= 8, "{count}");
}
