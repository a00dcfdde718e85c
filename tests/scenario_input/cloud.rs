//! What clouds lack and take back, and the flags of the Cluster Autoscaler: read, and refused.

use super::*;
use aurelius_sim::control::cluster_autoscaler::options::Expander;
use aurelius_sim::scenario::capacity::MachineFilter;

/// The first lines of what is said.
fn headlines(said: &str) -> String {
    let said = said.lines().filter(|line| line.contains("[AUR"));
    said.map(|line| format!("{line}\n")).collect()
}

fn with_profile(more: &str) -> (Loaded, String) {
    let (_, cluster) = FILES.iter().find(|(file, _)| *file == "cluster.yaml").expect("it exists");
    load_with(&[("cluster.yaml", &format!("{cluster}{more}"))])
}

#[test]
fn capacity_is_read_to_the_figure() {
    let (loaded, said) = with_profile(
        "capacity:
  failures:
    - {instances: [\"g4dn.*\"], zones: [a], capacityType: spot, probability: 0.25}
  quotas:
    - {instances: [g4dn.xlarge], capacityType: on-demand, vcpus: 16, gpus: 3}
  spotInterruptions:
    - {every: {exponential: {mean: 6h}}, share: 0.5, notice: 30s, terminationHandler: true}
",
    );
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let capacity = &scenario.capacity;
    let of = MachineFilter {
        instances: vec!["g4dn.*".into()],
        zones: vec!["a".into()],
        spot: Some(true),
    };
    assert_eq!((&capacity.failures[0].of, capacity.failures[0].probability), (&of, 0.25));
    assert_eq!((capacity.quotas[0].vcpus, capacity.quotas[0].gpus), (Some(16), Some(3)));
    let spot = &capacity.interruptions[0];
    assert!((spot.every.mean() - 21_600.0).abs() < 1e-6 && spot.handler);
    assert_eq!((spot.notice, spot.of.spot), (SimDuration::from_secs(30), Some(true)));
}

#[test]
fn capacity_that_cannot_be_meant_is_refused() {
    let (_, said) = with_profile(
        "capacity:
  failures:
    - {instances: [\"g4dm.*\"], zones: [z], probability: 1.5}
    - {capacityType: cheap}
  quotas:
    - {instances: [m6i.large]}
    - {vcpus: -1}
  spotInterruptions:
    - {every: 0s}
    - {share: 2}
  shortage: []
",
    );
    expect![[r#"
        error[AUR505]: capacity.failures[0].instances[0] is `g4dm.*`, which the catalogue does not list
        error[AUR014]: capacity.failures[0].zones[0] names the zone `z`, which does not exist
        error[AUR016]: capacity.failures[0].probability is 1.5, must be between 0 and 1
        error[AUR012]: missing field `capacity.failures[1].probability`
        error[AUR017]: capacity.failures[1].capacityType is `cheap`, must be one of spot, on-demand
        error[AUR012]: capacity.quotas[0] limits nothing: give `vcpus`, `gpus` or both
        error[AUR016]: capacity.quotas[1].vcpus is -1, must be between 0 and 10000000
        error[AUR016]: capacity.spotInterruptions[0].every has a mean below a second: machines would be gone before they are there
        error[AUR012]: missing field `capacity.spotInterruptions[1].every`
        error[AUR016]: capacity.spotInterruptions[1].share is 2, must be between 0 and 1
        error[AUR011]: unknown field `capacity.shortage`
    "#]].assert_eq(&headlines(&said));
}

#[test]
fn a_shortage_is_an_event_that_may_end() {
    let events = |event: &str| format!("{}events:\n  - {event}\n", FILES[0].1);
    let (loaded, said) = load_with(&[(
        "scenario.yaml",
        &events("{at: 1m, for: 5m, capacityShortage: {instances: [\"*\"], zones: [b]}}"),
    )]);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let DisruptionTarget::CapacityShortage { of, duration } = &scenario.disruptions[0].target
    else {
        panic!("{:?}", scenario.disruptions)
    };
    assert_eq!((of.zones.len(), *duration), (1, Some(SimDuration::from_secs(300))));
    assert_eq!(scenario.disruptions[0].target.to_string(), "shortage of * in b");
    let (_, said) = load_with(&[(
        "scenario.yaml",
        &events("{at: 1m, capacityShortage: {instances: [m7.nano], zone: a}}"),
    )]);
    expect![[r#"
        error[AUR505]: events[0].capacityShortage.instances[0] is `m7.nano`, which the catalogue does not list
        error[AUR011]: unknown field `events[0].capacityShortage.zone`
    "#]].assert_eq(&headlines(&said));
}

#[test]
fn flags_of_the_autoscaler_are_known_by_their_names() {
    let (loaded, said) = with_profile(
        "clusterAutoscaler:
  scale-down-unneeded-time: 1m30s
  expander: priority,least-waste
  startup-taint: [one, two]
  write-status-configmap: true
  v: 4
  salvo-scale-up: false
",
    );
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(scenario.autoscaler.scale_down_unneeded_time, SimDuration::from_secs(90));
    assert_eq!(scenario.autoscaler.expander, [Expander::Priority, Expander::LeastWaste]);
    assert_eq!(scenario.autoscaler.startup_taint, ["one", "two"]);
    let ignored: Vec<&str> = scenario
        .not_simulated
        .iter()
        .map(|name| &**name)
        .filter(|name| name.contains("clusterAutoscaler"))
        .collect();
    assert_eq!(ignored, ["clusterAutoscaler.write-status-configmap", "clusterAutoscaler.v"]);
    let (_, said) = with_profile(
        "clusterAutoscaler:
  scale-down-uneeded-time: 1m
  scan-interval: 10
  salvo-scale-up: true
  expander: price
  cores-total: {min: 1}
",
    );
    expect![[r#"
        error[AUR011]: clusterAutoscaler.scale-down-uneeded-time: cluster-autoscaler 1.37 has no such flag
        error[AUR016]: clusterAutoscaler.scan-interval: expected a duration such as `10m`
        error[AUR019]: clusterAutoscaler.salvo-scale-up: what this flag does is not simulated
        error[AUR019]: clusterAutoscaler.expander is `price`, with which cluster-autoscaler does not start on this provider
        error[AUR010]: clusterAutoscaler.cores-total must be a single value, or a list of them, not a mapping
    "#]].assert_eq(&headlines(&said));
}

#[test]
fn the_priority_expander_reads_its_config_map() {
    let (_, manifests) =
        FILES.iter().find(|(file, _)| *file == "manifests.yaml").expect("it exists");
    let map = |text: &str| {
        format!(
            "{manifests}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: \
             cluster-autoscaler-priority-expander, namespace: kube-system}}\ndata:\n  priorities: |-\n{text}"
        )
    };
    let (loaded, said) =
        load_with(&[("manifests.yaml", &map("    10: [\".*\"]\n    50:\n      - gpu.*spot\n"))]);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let highest = scenario.expander_priorities.iter().next_back().expect("two numbers");
    assert_eq!((*highest.0, highest.1[0].text()), (50, "gpu.*spot"));
    let (_, said) = load_with(&[("manifests.yaml", &map("    high: [a]\n"))]);
    expect![[r#"
        error[AUR017]: ConfigMap/cluster-autoscaler-priority-expander: data.priorities has the key `high`, not a number; the priority expander would let every option pass
    "#]].assert_eq(&headlines(&said));
}

#[test]
fn a_pool_may_have_timings_and_flags_of_its_own() {
    let cluster = edited(
        "cluster.yaml",
        "m6i.large, min: 2, max: 5",
        "m6i.large, min: 2, max: 5, nodeReady: 12s, clusterAutoscaler: {scale-down-unneeded-time: \
         1m, zero-or-max-node-scaling: true}",
    );
    let (loaded, said) = load_with(&[("cluster.yaml", &cluster)]);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let options = scenario.group_options[0];
    assert_eq!(options.scale_down_unneeded_time, Some(SimDuration::from_secs(60)));
    assert!(options.zero_or_max_node_scaling);
    assert!(scenario.pools[0].node_ready.is_some());
}
