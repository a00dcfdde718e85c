//! Events as people write them: our names and those of Python's YAML, whole and as a name alone.

use super::*;

/// The first lines of what is said.
fn headlines(said: &str) -> String {
    let said = said.lines().filter(|line| line.contains("[AUR"));
    said.map(|line| format!("{line}\n")).collect()
}

fn with_event(event: &str) -> (Loaded, String) {
    let cluster = edited("cluster.yaml", "max: 5}", "max: 5, spot: true}");
    let scenario = format!("{}events:\n  - {{at: 1m, {event}}}\n", FILES[0].1);
    load_with(&[("scenario.yaml", &scenario), ("cluster.yaml", &cluster)])
}

fn target(event: &str) -> DisruptionTarget {
    let (loaded, said) = with_event(event);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{event}: {said}"));
    scenario.disruptions[0].target.clone()
}

#[test]
fn a_name_alone_is_the_long_form() {
    let rows = [
        ("drain: general", "drain: {pool: general}"),
        ("drain: general-2", "drain: {node: general-2}"),
        ("fail_node: general-1, for: 3m", "failNode: {node: general-1}, for: 3m"),
        ("failNode: general", "failNode: {pool: general, count: 1}"),
        ("fail_zone: b", "failZone: b"),
        ("upgrade_pool: general", "upgradePool: {pool: general}"),
        ("reclaim_spot: general", "reclaimSpot: {pool: general}"),
        ("cordon: general-1", "cordon: {node: general-1}"),
        ("delete_pod: gateway", "deletePod: {workload: gateway}"),
        ("delete_pod: postgresql-0", "deletePod: {pod: postgresql-0}"),
        ("rollout: gateway", "rollout: {workload: [gateway]}"),
    ];
    for (short, long) in rows {
        assert_eq!(target(short), target(long), "{short}");
    }
    assert_eq!(target("drain: general-2").to_string(), "drain of general-2");
    assert_eq!(target("rollout: gateway").to_string(), "rollout of gateway, restarted");
}

#[test]
fn a_name_that_nothing_has_is_refused_where_it_stands() {
    let said = |event: &str| {
        let (loaded, said) = with_event(event);
        assert!(loaded.scenario.is_none(), "{event}");
        let place = said.lines().find(|line| line.contains("-->")).unwrap_or_default();
        format!("{}{}\n", headlines(&said), place.trim())
    };
    let wrong = [
        "fail_node: generl",
        "drain: general-x",
        "cordon: general",
        "delete_pod: gatewy-1",
        "delete_pod: nobody",
        "scale: gateway",
        "upgrade_pool: general-1",
        "fail_node: 3",
        "drain: {node: general-1, pool: general}",
        "failNode: {node: general-1, count: 2}",
        "failNode: general, fail_node: general",
        "rollout: {workload: gateway, container: app}",
    ];
    let all: String = wrong.map(said).concat();
    expect![[r#"
        error[AUR014]: events[0].fail_node.pool names the node pool `generl`, which does not exist
        --> scenario.yaml:15:25
        error[AUR014]: events[0].drain.pool names the node pool `general-x`, which does not exist
        --> scenario.yaml:15:21
        error[AUR014]: events[0].cordon.node names the node `general`, which does not exist
        --> scenario.yaml:15:22
        error[AUR014]: events[0].delete_pod.workload names the workload `gatewy-1`, which does not exist
        --> scenario.yaml:15:26
        error[AUR014]: events[0].delete_pod.workload names the workload `nobody`, which does not exist
        --> scenario.yaml:15:26
        error[AUR012]: missing field `events[0].scale.replicas`
        --> scenario.yaml:15:14
        error[AUR014]: events[0].upgrade_pool.pool names the node pool `general-1`, which does not exist
        --> scenario.yaml:15:28
        error[AUR010]: events[0].fail_node must be a mapping, not the number `3`
        --> scenario.yaml:15:25
        error[AUR015]: events[0].drain.node has both `node` and `pool`, which exclude each other
        --> scenario.yaml:15:28
        error[AUR015]: events[0].failNode.count must not be there: `node` names the one node
        --> scenario.yaml:15:49
        error[AUR015]: events[0].fail_node has both `fail_node` and `failNode`, which exclude each other
        --> scenario.yaml:15:33
        error[AUR012]: events[0].rollout.container says which container gets the `image`, which is missing
        --> scenario.yaml:15:54
    "#]].assert_eq(&all);
}
