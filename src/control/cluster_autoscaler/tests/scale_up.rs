//! Adding nodes.

use super::super::status::ScaleUpResult;
use super::*;
use crate::cluster::api::pod::{Container, HostPort};
use crate::cluster::api::scheduling::{
    NodeInclusionPolicy, TopologySpreadConstraint, WhenUnsatisfiable,
};

fn spread(key: &str, max_skew: i32, min_domains: Option<i32>) -> PodTemplate {
    let labels = Labels::from([(text("app"), text("estimatee"))]);
    let mut template = PodTemplate { labels: labels.clone(), ..PodTemplate::default() };
    template.spec.topology_spread.push(TopologySpreadConstraint {
        max_skew,
        topology_key: text(key),
        when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
        label_selector: Some(LabelSelector::of_labels(labels)),
        min_domains,
        node_affinity_policy: NodeInclusionPolicy::Honor,
        node_taints_policy: NodeInclusionPolicy::Ignore,
        match_label_keys: Vec::new(),
    });
    template
}

fn label(scene: &mut Scene, group: PoolId, key: &str, value: &str) {
    let template = scene.group_mut(group).template.as_mut().expect("groups have templates");
    template.labels.insert(text(key), text(value));
}

/// Nodes of the only option.
fn nodes(status: &LoopStatus) -> Option<(i64, usize)> {
    let option = status.scale_up.options.first()?;
    Some((option.nodes, option.pods.len()))
}

/// A pod stuck on cores waits for pods with accelerators that came a moment ago.
#[test]
fn young_pods_with_accelerators_hold_all_back() {
    for (age, result) in [(10, ScaleUpResult::InCooldown), (31, ScaleUpResult::Successful)] {
        let mut scene = Scene::new(&[]);
        scene.group(0, 5, 0, 4000);
        scene.pod(1000, None);
        let young = scene.pod(1000, None);
        let gpu = text("nvidia.com/gpu");
        Arc::make_mut(&mut scene.pod_mut(young).requests).set(&gpu, 1);
        scene.pod_mut(young).created = SimTime::from_secs(ZERO - age);
        assert_eq!(scene.run(0).scale_up.result, result, "{age}");
    }
}

/// A pod must be older than two seconds, and strictly older than its own delay.
#[test]
fn a_pod_waits_for_its_delay() {
    let rows = [
        (1, None, ScaleUpResult::InCooldown),
        (2, None, ScaleUpResult::Successful),
        (60, Some("60s"), ScaleUpResult::NotNeeded),
        (61, Some("60s"), ScaleUpResult::Successful),
        (3, Some("nonsense"), ScaleUpResult::Successful),
    ];
    for (age, delay, result) in rows {
        let mut scene = Scene::new(&[]);
        scene.group(0, 5, 0, 4000);
        let pod = scene.pod(1000, None);
        scene.pod_mut(pod).created = SimTime::from_secs(ZERO - age);
        if let Some(delay) = delay {
            scene.annotate(pod, "cluster-autoscaler.kubernetes.io/pod-scale-up-delay", delay);
        }
        assert_eq!(scene.run(0).scale_up.result, result, "{age} {delay:?}");
    }
}

/// Five pods for one group and three for another: one group grows, the others wait.
#[test]
fn one_option_is_taken_per_loop() {
    let mut scene = Scene::new(&[("expander", "most-pods")]);
    for name in ["x", "y"] {
        let group = scene.group(0, 5, 0, 1000);
        label(&mut scene, group, "pool", name);
    }
    for (count, pool) in [(5, "x"), (3, "y")] {
        let mut template = PodTemplate::default();
        template.spec.node_selector.insert(text("pool"), text(pool));
        scene.pods_of(count, 400, None, template);
    }
    let status = scene.run(0);
    assert_eq!(status.scale_up.chosen, Some(PoolId(0)));
    assert_eq!(status.scale_up.plan[0].to, 3);
    assert_eq!(status.scale_up.await_evaluation.len(), 3);
}

/// Room for five on the node that exists, twelve pods, one host more than another at most, three
/// hosts at least: two nodes are added and the old one is counted too.
#[test]
fn spreading_over_hosts_counts_the_old_node_as_new() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 10, 0, 1000);
    let old = scene.node(None, 1000);
    scene.node_mut(old).shape.max_pods = 110;
    let key = "kubernetes.io/hostname";
    scene.pods_of(12, 20, None, spread(key, 1, Some(3)));
    let status = scene.run(0);
    let (count, pods) = nodes(&status).expect("the group helps");
    assert_eq!((count, pods), (3, 12 - status.scale_up.fit_on_existing.len()));
}

/// Eight pods, at most two more in a zone than in another: one node with what the skew allows.
#[test]
fn an_estimate_knows_one_zone_only() {
    let mut scene = Scene::new(&[]);
    let group = scene.group(0, 10, 0, 1000);
    label(&mut scene, group, "topology.kubernetes.io/zone", "new");
    let old = scene.node(None, 100);
    scene.node_mut(old).shape.labels.insert(text("topology.kubernetes.io/zone"), text("old"));
    scene.pods_of(8, 200, None, spread("topology.kubernetes.io/zone", 2, None));
    assert_eq!(nodes(&scene.run(0)), Some((1, 2)));
}

/// Eight pods with one host port need eight nodes.
#[test]
fn host_ports_need_a_node_each() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 10, 0, 4000);
    let mut template = PodTemplate::default();
    let port = HostPort { ip: text("0.0.0.0"), protocol: text("TCP"), port: 5555 };
    template.spec.containers.push(Container { host_ports: vec![port], ..Container::default() });
    scene.pods_of(8, 20, None, template);
    assert_eq!(nodes(&scene.run(0)), Some((8, 8)));
}

/// Ten pods of a core: three nodes of four cores waste less than two of eight, and cores and memory
/// add up.
#[test]
fn the_least_waste_wins() {
    let mut scene = Scene::new(&[]);
    for (cpu, gib) in [(4000, 16), (4000, 8), (8000, 32)] {
        let group = scene.group(0, 10, 0, cpu);
        let template = scene.group_mut(group).template.as_mut().expect("groups have templates");
        template.capacity.memory = Bytes(gib << 30);
        template.allocatable.memory = Bytes(gib << 30);
    }
    for pod in scene.pods(10, 1000, None) {
        Arc::make_mut(&mut scene.pod_mut(pod).requests).memory = Bytes(2 << 30);
        Arc::make_mut(&mut scene.pod_mut(pod).template).spec.containers[0].requests.memory =
            Some(Bytes(2 << 30));
    }
    let status = scene.run(0);
    assert_eq!(status.scale_up.best, [PoolId(1)]);
    let counts: Vec<i64> = status.scale_up.options.iter().map(|option| option.nodes).collect();
    assert_eq!(counts, [3, 3, 2]);
}

/// Equal groups tie; with balancing the nodes are spread over them.
#[test]
fn equal_groups_tie_or_share() {
    for (balance, plan) in [("false", vec![3]), ("true", vec![1, 1, 1])] {
        let mut scene = Scene::new(&[("balance-similar-node-groups", balance)]);
        for _ in 0..3 {
            scene.group(0, 10, 0, 1000);
        }
        scene.pods(3, 900, None);
        let status = scene.run(0);
        assert_eq!(status.scale_up.best.len(), 3);
        let added: Vec<i64> = status.scale_up.plan.iter().map(|part| part.to - part.from).collect();
        assert_eq!(added, plan, "balancing {balance}");
    }
}

/// 90 of 100 cores are used, six of them on nodes nobody scales: one node of eight more.
#[test]
fn cluster_limits_count_all_nodes() {
    let mut scene = Scene::new(&[("cores-total", "0:100")]);
    scene.group(0, 12, 12, 7000);
    let wanted = scene.group(0, 20, 0, 8000);
    // 5.5 cores count as six.
    scene.node(None, 5500);
    scene.pods(3, 7500, None);
    let status = scene.run(0);
    assert_eq!(nodes(&status), Some((3, 3)));
    let part = status.scale_up.plan[0];
    assert_eq!((part.group, part.from, part.to), (wanted, 0, 1));
}

/// Ready nodes count before, all nodes in sight during a scale-up.
#[test]
fn the_node_limit_counts_differently_in_two_places() {
    // Ready nodes, pending pods, result, nodes to add.
    let rows = [
        (10, ScaleUpResult::LimitedByMaxNodesTotal, None),
        (9, ScaleUpResult::Successful, Some(1)),
        (7, ScaleUpResult::Successful, Some(3)),
    ];
    for (ready, result, added) in rows {
        let mut scene = Scene::new(&[("max-nodes-total", "10")]);
        scene.group(0, 50, 0, 1000);
        for _ in 0..ready {
            scene.node(None, 100);
        }
        scene.pods(5, 900, None);
        let status = scene.run(0);
        assert_eq!(status.scale_up.result, result, "{ready}");
        let plan = status.scale_up.plan.first();
        assert_eq!(plan.map(|part| part.to - part.from), added, "{ready}");
    }
}

/// The first search of all begins behind the first node.
#[test]
fn the_first_search_begins_at_the_second_node() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 3, 1000);
    scene.pod(600, None);
    let status = scene.run(0);
    let busy: Vec<NodeId> = status
        .scale_down
        .utilization
        .iter()
        .filter(|(_, found)| found.value > 0.5)
        .map(|(node, _)| *node)
        .collect();
    assert_eq!(busy, [NodeId(1)]);
}

/// Why no group grows for a pod is said in upstream's words.
#[test]
fn a_pod_that_triggers_nothing_learns_why() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 0, 0, 4000);
    scene.group(0, 5, 0, 500);
    scene.pod(1000, None);
    let status = scene.run(0);
    assert_eq!(status.scale_up.result, ScaleUpResult::NoOptionsAvailable);
    let event = status.scale_up.event(&status.scale_up.remain_unschedulable[0]);
    let expected = "pod didn't trigger scale-up: 1 NodeResourcesFit, 1 max node group size reached";
    assert_eq!(event, expected);
}
