//! Cases in which one thing leads to another over several loops: pauses that never end, the order of
//! searches, templates that promise too much, drains that need nodes.

use super::*;
use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::control::cluster_autoscaler::Command;
use crate::control::cluster_autoscaler::observation::TO_BE_DELETED;
use crate::control::cluster_autoscaler::sight::Sight;
use crate::control::cluster_autoscaler::status::{ScaleDownResult, ScaleUpResult};

fn grown(status: &LoopStatus) -> i64 {
    let accepted = status.calls.iter().filter(|call| call.refused.is_none());
    let by = accepted.map(
        |call| {
            if let Command::IncreaseSize { by, .. } = call.command { by } else { 0 }
        },
    );
    by.sum()
}

/// The group's request is met: the nodes are there, ready since now, and the pods run on them.
fn deliver(scene: &mut Scene, group: PoolId, cpu: i64, second: u64, pod: PodId) {
    scene.group_mut(group).target += 1;
    let node = scene.node(Some(group), cpu);
    scene.node_mut(node).created = at(second);
    scene.node_mut(node).ready_since = at(second);
    scene.pod_mut(pod).node = Some(node);
}

/// A node more every nine minutes anywhere in the cluster, and nothing is ever removed.
#[test]
fn a_steady_trickle_of_scale_ups_keeps_every_idle_node() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 3, 1, 1000);
    let wanted = scene.group(0, 20, 0, 4000);
    for round in 0..8 {
        let from = round * 540;
        let pod = scene.pod(3000, None);
        assert_eq!(grown(&scene.run(from)), 1, "round {round}");
        deliver(&mut scene, wanted, 4000, from + 1, pod);
        for second in (from + 10..from + 540).step_by(10) {
            let status = scene.run(second);
            assert_eq!(deleted(&status), [], "at {second}");
            if second > 700 {
                assert_eq!(unneeded(&status), [NodeId(0)], "at {second}");
                assert_eq!(status.scale_down.result, ScaleDownResult::InCooldown);
            }
        }
    }
}

/// Which nodes can go together depends on where the search for a place begins.
#[test]
fn the_start_of_the_search_decides_which_nodes_go() {
    let rows = [(0, [NodeId(0), NodeId(1)]), (1, [NodeId(0), NodeId(2)])];
    for (found_last, expected) in rows {
        let mut scene = Scene::new(&[("scale-down-utilization-threshold", "0.9")]);
        scene.group(0, 5, 4, 1000);
        for (node, cpu) in [(0, 300), (1, 400), (2, 600), (3, 700)] {
            scene.pod(cpu, Some(NodeId(node)));
        }
        scene.autoscaler.sight = Sight::new(Surroundings::default(), found_last);
        assert_eq!(unneeded(&scene.run(0)), expected, "searching behind {found_last}");
    }
}

/// One pod on a node it nearly fills wins over fifty on nodes that are a little emptier.
#[test]
fn the_least_waste_may_help_a_single_pod() {
    let mut scene = Scene::new(&[]);
    let small = scene.group(0, 100, 0, 1000);
    let large = scene.group(0, 100, 0, 2000);
    scene.pods(50, 1600, None);
    scene.pod(900, None);
    let status = scene.run(0).scale_up;
    assert_eq!(status.options.len(), 2);
    assert_eq!(status.chosen, Some(small));
    let of_large = status.options.iter().find(|option| option.group == large);
    assert_eq!(of_large.map(|option| option.pods.len()), Some(51));
}

/// The provider's description promises 2000, the real node has 1800: one node comes in vain, and no
/// second one, not even when it is gone again, because its template is remembered.
#[test]
fn a_template_that_promises_too_much_costs_one_node() {
    let mut scene = Scene::new(&[]);
    let group = scene.group(0, 5, 0, 2000);
    scene.pod(1900, None);
    assert_eq!(grown(&scene.run(0)), 1);
    scene.group_mut(group).target = 1;
    let node = scene.node(Some(group), 1800);
    scene.node_mut(node).created = at(60);
    scene.node_mut(node).ready_since = at(60);
    let status = scene.run(130);
    assert_eq!(status.scale_up.result, ScaleUpResult::NoOptionsAvailable);
    assert_eq!(grown(&status), 0);
    scene.seen.nodes.clear();
    scene.group_mut(group).instances.clear();
    scene.group_mut(group).target = 0;
    assert_eq!(scene.run(2_000).scale_up.result, ScaleUpResult::NoOptionsAvailable);
    // A restarted autoscaler remembers nothing and tries again.
    let mut fresh = Scene::new(&[]);
    fresh.seen = scene.seen.clone();
    assert_eq!(grown(&fresh.run(2_010)), 1);
}

/// A startup taint that never goes: the node counts as coming until the request runs out, then its
/// group backs off, then another node is asked for.
#[test]
fn a_startup_taint_that_stays_leads_to_back_off_and_another_node() {
    let mut scene = Scene::new(&[]);
    let group = scene.group(0, 5, 0, 1000);
    scene.pod(500, None);
    assert_eq!(grown(&scene.run(0)), 1);
    scene.group_mut(group).target = 1;
    let node = scene.node(Some(group), 1000);
    let key = text("startup-taint.cluster-autoscaler.kubernetes.io/network");
    scene.node_mut(node).created = at(100);
    scene.node_mut(node).ready_since = at(100);
    let taint = Taint { key, value: text(""), effect: TaintEffect::NoSchedule };
    scene.node_mut(node).shape.taints.push(taint);
    assert_eq!(scene.run(200).scale_up.result, ScaleUpResult::NotNeeded);
    let status = scene.run_through(890, 920);
    assert_eq!(status.scale_up.result, ScaleUpResult::NoOptionsAvailable);
    assert_eq!(status.backed_off, [group]);
    assert_eq!(grown(&scene.run_through(930, 1_200)), 0);
    assert_eq!(grown(&scene.run(1_220)), 1);
}

/// Pods of a node that is being drained are treated as if they waited: when their place is taken
/// meanwhile, a node is asked for.
#[test]
fn a_drain_may_cause_a_scale_up() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 3, 1, 1000);
    scene.pod(400, Some(NodeId(0)));
    let refuge = scene.node(None, 1000);
    scene.pod(500, Some(refuge));
    assert_eq!(deleted(&scene.run_through(0, 610)), [NodeId(0)]);
    let taint = Taint {
        key: text(TO_BE_DELETED),
        value: text(&(ZERO + 610).to_string()),
        effect: TaintEffect::NoSchedule,
    };
    scene.node_mut(NodeId(0)).shape.taints.push(taint);
    assert_eq!(grown(&scene.run(615)), 0, "there is room for it");
    scene.pod(300, Some(refuge));
    assert_eq!(grown(&scene.run(620)), 1);
}

/// Two pods fit one node, and two nodes are on their way. A pod remembers where it was placed by the node's
/// name. Names of nodes on their way hold a random number of the template (node_info_utils.go
/// `SanitizedTemplateNodeInfoFromNodeInfo`): made anew, nobody finds them again, and the search goes round
/// both nodes; kept from a node that is gone, the second pod goes where it was and the first joins it there.
#[test]
fn names_of_nodes_on_their_way_last_as_long_as_their_template() {
    for (kept, part) in [(false, 0.45), (true, 0.0)] {
        let mut scene = Scene::new(&[]);
        let group = scene.group(0, 10, usize::from(kept), 1000);
        if kept {
            scene.pod(900, Some(NodeId(0)));
        }
        scene.pods(2, 900, None);
        assert_eq!(grown(&scene.run(0)), 2);
        scene.seen.nodes.clear();
        scene.seen.pods.clear();
        scene.group_mut(group).instances.clear();
        scene.group_mut(group).target = 2;
        scene.pods(2, 450, None);
        for second in [10, 20] {
            assert_eq!(scene.run(second).scale_up.fit_on_existing.len(), 2, "at {second}");
        }
        let arrived = scene.node(Some(group), 1000);
        scene.node_mut(arrived).created = at(25);
        scene.node_mut(arrived).ready_since = at(25);
        let utilization = scene.run(30).scale_down.utilization[&arrived];
        assert!((utilization.value - part).abs() < 1e-12, "kept: {kept}, {utilization:?}");
    }
}
