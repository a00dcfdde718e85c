//! Scenarios from their files: what the shipped ones say, and what is said about wrong ones.

use std::path::Path;

use aurelius_sim::input::diagnostic::Severity;
use aurelius_sim::input::render::{Colour, concise, render_all};
use aurelius_sim::input::{
    LoadOptions, Loaded, ReleaseInputs, is_pod_trace, load_pod_trace, load_scenario,
};
use aurelius_sim::load::Executor;
use aurelius_sim::scenario::{DisruptionTarget, Scenario};
use aurelius_sim::units::SimDuration;
use expect_test::{expect, expect_file};
use proptest::prelude::*;

#[path = "scenario_input/cloud.rs"]
mod cloud;
#[path = "scenario_input/events.rs"]
mod events;
#[path = "scenario_input/recordings.rs"]
mod recordings;
#[path = "scenario_input/resources.rs"]
mod resources;

const FILES: [(&str, &str); 5] = [
    ("scenario.yaml", include_str!("data/scenario/scenario.yaml")),
    ("manifests.yaml", include_str!("data/scenario/manifests.yaml")),
    ("services.yaml", include_str!("data/scenario/services.yaml")),
    ("cluster.yaml", include_str!("data/scenario/cluster.yaml")),
    ("instances.csv", include_str!("data/scenario/instances.csv")),
];

/// The small scenario with some of its files replaced.
fn load_with(replaced: &[(&str, &str)]) -> (Loaded, String) {
    let folder = tempfile::tempdir().expect("the test may write to the temporary folder");
    for (name, text) in FILES {
        let text =
            replaced.iter().find(|(other, _)| *other == name).map_or(text, |(_, text)| *text);
        std::fs::write(folder.path().join(name), text).expect("the folder is ours");
    }
    let loaded = load_scenario(&folder.path().join("scenario.yaml"), &LoadOptions::default());
    let prefix = format!("{}/", folder.path().display());
    let said = render_all(&loaded.diagnostics, &loaded.sources, Colour::Plain).replace(&prefix, "");
    (loaded, said)
}

/// A file of the small scenario with one text replaced by another.
fn edited(name: &str, from: &str, to: &str) -> String {
    let (_, text) = FILES.iter().find(|(file, _)| *file == name).expect("the file exists");
    assert!(text.contains(from), "{name} does not hold {from}");
    text.replace(from, to)
}

fn shipped(name: &str) -> Scenario {
    let loaded =
        load_scenario(Path::new(&format!("scenarios/{name}.yaml")), &LoadOptions::default());
    let said = concise(&loaded.diagnostics, &loaded.sources);
    loaded.scenario.unwrap_or_else(|| panic!("{said}"))
}

#[test]
fn every_shipped_scenario_is_valid() {
    let mut seen = 0;
    for entry in std::fs::read_dir("scenarios").expect("the scenarios are in the repository") {
        let path = entry.expect("the folder can be listed").path();
        if is_pod_trace(&path) {
            let loaded = load_pod_trace(&path);
            assert!(loaded.trace.is_some(), "{:?}", loaded.diagnostics);
            continue;
        }
        let loaded = load_scenario(&path, &LoadOptions::default());
        assert!(
            loaded.scenario.is_some(),
            "{}",
            render_all(&loaded.diagnostics, &loaded.sources, Colour::Plain)
        );
        seen += 1;
    }
    assert!(seen >= 6, "only {seen} scenarios");
}

#[test]
fn the_peak_is_read_to_the_figure() {
    let peak = shipped("peak");
    assert_eq!(
        (peak.duration, peak.warm_up),
        (SimDuration::from_secs(7_200), SimDuration::from_secs(600))
    );
    let clinicians =
        peak.loads.iter().find(|load| load.name() == "clinicians").expect("it is written");
    let Executor::RampingArrivalRate { stages, vus, .. } = clinicians.executor() else {
        panic!("it ramps")
    };
    assert_eq!((stages.len(), vus.max), (5, 10_000));
    assert_eq!(clinicians.offered_rate(SimDuration::from_secs(3_600)), Some(360.0));
    let gateway = peak.workload_named("gateway").expect("the chart has it");
    assert_eq!(peak.initial_replicas[gateway.index()], 5);
    let hpa = peak.hpas.iter().find(|hpa| hpa.target == gateway).expect("the chart has it");
    assert!(hpa.max_origin.to_string().starts_with("profiles/aurelius/values-prod.yaml:"));
    let gpu = peak.pools.iter().find(|pool| &*pool.name == "gpu-t4").expect("the profile has it");
    assert_eq!(
        (gpu.initial, gpu.instance.allocatable.get("nvidia.com/gpu"), gpu.autoscaled),
        (7, 1, true)
    );
    assert_eq!(peak.thresholds[0].to_string(), "http_req_duration: p(95)<500");
    assert_eq!(peak.thresholds[1].metric().to_string(), "http_req_duration{name:studies}");
    assert!(peak.inputs.iter().any(|file| file.path.ends_with("aurelius/values-prod.yaml")));
}

#[test]
fn events_and_overrides_are_applied() {
    let drain = shipped("drain");
    let targets: Vec<_> = drain.disruptions.iter().map(|one| one.target.name()).collect();
    assert_eq!(targets, ["drain", "drain", "drain"]);
    let outage = shipped("zone-outage");
    let DisruptionTarget::FailZone { zone, duration } = &outage.disruptions[0].target else {
        panic!("a zone fails")
    };
    assert_eq!((&**zone, *duration), ("us-east-1b", Some(SimDuration::from_secs(1_200))));
    let surge = shipped("gpu-surge");
    let gpu = surge.pools.iter().find(|pool| &*pool.name == "gpu-t4").expect("the profile has it");
    assert_eq!((gpu.min, gpu.max, gpu.initial), (7, 16, 7));
    assert!(gpu.max_origin.to_string().starts_with("scenarios/gpu-surge.yaml:"));
}

#[test]
fn the_command_line_may_state_files_and_seed() {
    let options = LoadOptions {
        release: ReleaseInputs {
            manifests: vec!["tests/data/manifests/metrics-server-ha/manifests.yaml".into()],
            ..ReleaseInputs::default()
        },
        seed: Some(7),
        ..LoadOptions::default()
    };
    let loaded = load_scenario(Path::new("tests/data/scenario/scenario.yaml"), &options);
    let said = concise(&loaded.diagnostics, &loaded.sources);
    assert!(
        said.contains(
            "error[AUR014] services.gateway.workload names the workload `Deployment/gateway`"
        ),
        "{said}"
    );
    let only_seed = LoadOptions { release: ReleaseInputs::default(), ..options };
    let loaded = load_scenario(Path::new("tests/data/scenario/scenario.yaml"), &only_seed);
    assert_eq!(loaded.scenario.map(|scenario| scenario.seed), Some(7));
}

#[test]
fn everything_wrong_in_a_scenario_is_said_in_one_run() {
    let (loaded, said) = load_with(&[("scenario.yaml", include_str!("data/scenario/wrong.yaml"))]);
    assert!(loaded.scenario.is_none());
    expect_file!["data/scenario/wrong.out"].assert_eq(&said);
}

#[test]
fn calls_that_form_a_loop_are_shown_step_by_step() {
    let services = edited(
        "services.yaml",
        "wait: 1ms}",
        "wait: 1ms, calls: [{parallel: [{to: gateway.list}]}]}",
    );
    let (_, said) = load_with(&[("services.yaml", &services)]);
    expect![[r#"
        error[AUR711]: calls form a loop: gateway.list -> postgresql.query -> gateway.list
          --> services.yaml:14:91
           |
         9 |       list: {cpu: 2ms, calls: [{to: postgresql.query, count: 2}]}
           |                                     ---------------- 1. gateway.list calls postgresql.query
        ...
        14 |       query: {cpu: {lognormal: {mean: 1ms, cv: 1.0}}, wait: 1ms, calls: [{parallel: [{to: gateway.list}]}]}
           |                                                                                           ^^^^^^^^^^^^ 2. postgresql.query calls gateway.list: closes the loop
           |
           = note: the gain of the loop is 2 x 1 = 2: each request would cause requests without end
           = help: calls that come back are not simulated: take the last call out, and put its work into the operation that makes it
    "#]].assert_eq(&said);
}

#[test]
fn services_that_do_not_fit_together() {
    let services = edited(
        "services.yaml",
        "to: postgresql.query, count: 2",
        "to: postgresql.qery, mode: enqueue",
    )
    .replace("Deployment/gateway", "Deployment/gatway")
    .replace("cpu: {}", "cpu: {}\n    gpu: {batchLatency: {base: 1ms}}")
    .replace("wait: 1ms}", "wait: 1ms, gpuItems: 3}");
    let (_, said) = load_with(&[("services.yaml", &services)]);
    expect![[r#"
        error[AUR014]: services.gateway.workload names the workload `Deployment/gatway`, which does not exist
         --> services.yaml:6:15
          |
        6 |     workload: Deployment/gatway
          |               ^^^^^^^^^^^^^^^^^
          |
          = note: known: Deployment/gateway, StatefulSet/postgresql
        help: a similar name exists
          |
        6 |     workload: Deployment/gateway
          |                             +

        error[AUR014]: services.gateway.operations.list.calls[0].to names the operation `postgresql.qery`, which does not exist
         --> services.yaml:9:37
          |
        9 |       list: {cpu: 2ms, calls: [{to: postgresql.qery, mode: enqueue}]}
          |                                     ^^^^^^^^^^^^^^^
          |
          = note: known: gateway.list, postgresql.query
        help: a similar name exists
          |
        9 |       list: {cpu: 2ms, calls: [{to: postgresql.query, mode: enqueue}]}
          |                                                 +

        error[AUR015]: services.postgresql has both `cpu` and `gpu`, which exclude each other
          --> services.yaml:13:5
           |
        12 |     cpu: {}
           |     --- `cpu` here
        13 |     gpu: {batchLatency: {base: 1ms}}
           |     ^^^ `gpu` here
    "#]].assert_eq(&said);
}

#[test]
fn profiles_that_do_not_fit_their_catalogue() {
    let cluster = edited(
        "cluster.yaml",
        "m6i.large, min: 2, max: 5",
        "m6i.larg, min: 2, max: 5, zones: [c]",
    ) + "  - {name: small, instance: m6i.large, min: 3, max: 2, taints: [{key: a, effect: noSchedule}]}\n";
    let csv = edited("instances.csv", "4,16384", "four,16384");
    let (_, said) = load_with(&[("cluster.yaml", &cluster), ("instances.csv", &csv)]);
    expect![[r#"
        error[AUR505]: nodePools[0].instance is `m6i.larg`, which the catalogue does not list
         --> cluster.yaml:8:31
          |
        8 |   - {name: general, instance: m6i.larg, min: 2, max: 5, zones: [c]}
          |                               ^^^^^^^^
          |
        help: a similar machine type exists
          |
        8 |   - {name: general, instance: m6i.large, min: 2, max: 5, zones: [c]}
          |                                       +

        error[AUR014]: nodePools[0].zones[0] names the zone `c`, which does not exist
         --> cluster.yaml:8:65
          |
        8 |   - {name: general, instance: m6i.larg, min: 2, max: 5, zones: [c]}
          |                                                                 ^
          |
          = note: known: a, b

        error[AUR016]: nodePools[1] has min 3 above max 2
         --> cluster.yaml:9:5
          |
        9 |   - {name: small, instance: m6i.large, min: 3, max: 2, taints: [{key: a, effect: noSchedule}]}
          |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        error[AUR017]: nodePools[1].taints[0].effect is `noSchedule`, must be one of NoSchedule, PreferNoSchedule, NoExecute
         --> cluster.yaml:9:82
          |
        9 |   - {name: small, instance: m6i.large, min: 3, max: 2, taints: [{key: a, effect: noSchedule}]}
          |                                                                                  ^^^^^^^^^^
          |
        help: a similar value exists
          |
        9 -   - {name: small, instance: m6i.large, min: 3, max: 2, taints: [{key: a, effect: noSchedule}]}
        9 +   - {name: small, instance: m6i.large, min: 3, max: 2, taints: [{key: a, effect: NoSchedule}]}
          |

        error[AUR017]: instance catalogue: `vcpu` is `four`, must be a whole number
         --> instances.csv:3:1
          |
        3 | g4dn.xlarge,four,16384,1,nvidia-tesla-t4,29,3920,14481,0.526,,23,113,2026-07-20,example
          | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#]].assert_eq(&said);
}

#[test]
fn autoscalers_need_their_own_existing_target() {
    let manifests =
        edited("manifests.yaml", "name: gateway}\n  minReplicas", "name: gatway}\n  minReplicas");
    let (_, said) = load_with(&[("manifests.yaml", &manifests)]);
    expect![[r#"
        error[AUR305]: HorizontalPodAutoscaler/gateway: scales Deployment/gatway, which is in no manifest
          --> manifests.yaml:28:19
           |
        28 |   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: gatway}
           |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           |
           = note: the controller would report FailedGetScale and do nothing
           = help: a similar workload exists: `Deployment/gateway`
    "#]].assert_eq(&said);
}

#[test]
fn two_autoscalers_of_one_workload_and_one_of_a_foreign_kind() {
    let (_, manifests) = FILES[1];
    let hpa = manifests.rsplit_once("---\n").expect("the HPA comes last").1;
    let second = hpa.replace("metadata: {name: gateway}", "metadata: {name: again}");
    let foreign = hpa
        .replace("metadata: {name: gateway}", "metadata: {name: rollout}")
        .replace("kind: Deployment", "kind: Rollout");
    let (loaded, said) = load_with(&[("manifests.yaml", &format!("{manifests}---\n{foreign}"))]);
    assert_eq!(loaded.scenario.map(|scenario| scenario.hpas.len()), Some(1), "{said}");
    let (_, said) =
        load_with(&[("manifests.yaml", &format!("{manifests}---\n{second}---\n{foreign}"))]);
    expect![[r#"
        error[AUR306]: HorizontalPodAutoscaler/again: another one scales Deployment/gateway too
          --> manifests.yaml:36:19
           |
        28 |   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: gateway}
           |                   ------------------------------------------------------ the other one
        ...
        36 |   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: gateway}
           |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           |
           = note: the controller would report AmbiguousSelector and scale by neither

        warning[AUR305]: HorizontalPodAutoscaler/rollout: scales Rollout/gateway, which is in no manifest
          --> manifests.yaml:44:19
           |
        44 |   scaleTargetRef: {apiVersion: apps/v1, kind: Rollout, name: gateway}
           |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           |
           = note: Rollout is not simulated; this autoscaler is left out
    "#]].assert_eq(&said);
}

#[test]
fn missing_files_are_named_where_they_are_named() {
    let scenario = edited("scenario.yaml", "cluster: cluster.yaml", "cluster: clusters.yaml");
    let (_, said) = load_with(&[("scenario.yaml", &scenario)]);
    expect![[r#"
        error[AUR005]: cannot read `clusters.yaml`: no such file
         --> scenario.yaml:7:12
          |
        7 |   cluster: clusters.yaml
          |            ^^^^^^^^^^^^^ named here
          |
          = help: a file with a similar name exists: cluster.yaml
    "#]]
    .assert_eq(&said);
    let loaded = load_scenario(Path::new("no/such.yaml"), &LoadOptions::default());
    assert_eq!(
        concise(&loaded.diagnostics, &loaded.sources),
        "error[AUR005] cannot read `no/such.yaml`: no such file\n"
    );
}

#[test]
fn what_an_unread_manifest_may_hold_is_not_missing() {
    let scenario = edited("scenario.yaml", "manifests.yaml", "other.yaml");
    let (_, said) = load_with(&[("scenario.yaml", &scenario)]);
    assert!(said.contains("cannot read `other.yaml`"), "{said}");
    assert_eq!(said.matches("error[").count(), 1, "{said}");
}

#[test]
fn shortcuts_of_k6_make_one_load() {
    let scenario = edited(
        "scenario.yaml",
        "  scenarios:\n    clinicians: {executor: constant-arrival-rate, exec: browse, rate: 10, duration: 10m, preAllocatedVUs: 20}",
        "  stages: [{duration: 60000, target: 5}]",
    );
    let (loaded, said) = load_with(&[("scenario.yaml", &scenario)]);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let Executor::RampingVus { start_vus, stages, .. } = scenario.loads[0].executor() else {
        panic!("VUs ramp")
    };
    assert_eq!((*start_vus, stages[0].duration), (1, SimDuration::from_secs(60)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Damage to any file ends in a scenario or in an error, never in a panic or in silence.
    #[test]
    fn damaged_files_never_end_in_silence(
        file in 0_usize..5,
        line in 0_usize..32,
        junk in prop::sample::select(vec!["", "x", "a: [", "  - 1", "null", "? ", "key: value", "\t", "- {}", "{}", "\"\"", "-1"]),
        place in 0_usize..3,
    ) {
        let (name, text) = FILES[file];
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = line % lines.len();
        let damaged = match place {
            0 => junk.to_owned(),
            1 => lines[at].rsplit_once(": ").map_or_else(|| junk.to_owned(), |(key, _)| format!("{key}: {junk}")),
            _ => format!("{}\n{junk}", lines[at]),
        };
        lines[at] = damaged;
        let (loaded, said) = load_with(&[(name, &(lines.join("\n") + "\n"))]);
        let errors = loaded.diagnostics.iter().any(|one| one.severity() == Severity::Error);
        prop_assert_eq!(loaded.scenario.is_none(), errors, "{}", said);
    }
}

#[test]
fn services_written_twice_are_told_once_and_break_nothing() {
    let twice = edited(
        "scenario.yaml",
        "services: [services.yaml]",
        "services: [services.yaml, services.yaml]",
    );
    let (loaded, said) = load_with(&[("scenario.yaml", &twice)]);
    assert!(loaded.scenario.is_none());
    assert!(said.contains("AUR018"), "{said}");
}

#[test]
fn events_on_nothing_are_refused() {
    for (event, told) in [
        ("{at: 1m, upgrade: {manifests: []}}", "must name at least one file"),
        ("{at: 1m, cordon: {node: nope}}", "names the node `nope`, which does not exist"),
        ("{at: 1m, scale: {workload: Deployment/web, replicas: 2147483647}}", "150000"),
    ] {
        let text =
            edited("scenario.yaml", "thresholds:", &format!("events: [{event}]\nthresholds:"));
        let (loaded, said) = load_with(&[("scenario.yaml", &text)]);
        assert!(loaded.scenario.is_none());
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn names_cannot_steer_the_terminal() {
    let name = "metadata: {name: \"sm\\e[31mall\"}";
    let text = edited("scenario.yaml", "metadata: {name: small}", name);
    let (loaded, said) = load_with(&[("scenario.yaml", &text)]);
    assert!(loaded.scenario.is_none());
    assert!(said.contains("control characters") && !said.contains('\u{1b}'), "{said}");
}
