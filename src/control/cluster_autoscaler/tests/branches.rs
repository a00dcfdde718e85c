//! Branches of the real source that small clusters rarely reach, each read off its code.

use super::super::cloud::Command;
use super::super::observation::{DELETION_CANDIDATE, TO_BE_DELETED};
use super::super::status::ScaleDownResult;
use super::super::{DeletionOutcome, EvictionAnswer};
use super::*;
use crate::cluster::api::scheduling::{Taint, TaintEffect};

fn tainted(scene: &mut Scene, node: NodeId, key: &str, second: u64) {
    let value = text(&(ZERO + second).to_string());
    let taint = Taint { key: text(key), value, effect: TaintEffect::NoSchedule };
    scene.node_mut(node).shape.taints.push(taint);
}

fn commands(status: &LoopStatus) -> Vec<Command> {
    status.calls.iter().map(|call| call.command.clone()).collect()
}

/// Raising a group to its minimum is a scale-up: removals pause after it, and a productive loop is
/// followed at once. A refusal is none (static_autoscaler.go `instrumentedScaleUp`).
#[test]
fn raising_to_the_minimum_counts_as_a_scale_up() {
    for (refused, result) in
        [(false, ScaleDownResult::InCooldown), (true, ScaleDownResult::NodeDeleteStarted)]
    {
        let flags = [("enforce-node-group-min-size", "true"), ("scale-down-unneeded-time", "10s")];
        let mut scene = Scene::new(&flags);
        scene.group(0, 5, 1, 1000);
        let small = scene.group(2, 5, 1, 1000);
        scene.group_mut(small).refuses_increase = refused.then(|| text("no"));
        scene.run(0);
        scene.group_mut(small).target = if refused { 1 } else { 2 };
        scene.group_mut(small).min = 1;
        assert_eq!(scene.run(20).scale_down.result, result, "refused: {refused}");
    }
}

/// A group that has its minimum keeps instances that never registered, also one that grows and
/// shrinks as a whole (static_autoscaler.go `removeOldUnregisteredNodes` looks at room first).
#[test]
fn a_whole_group_at_its_minimum_keeps_unregistered_instances() {
    for (min, deletes) in [(2, false), (0, true)] {
        let mut scene = Scene::new(&[]);
        scene.node(None, 1000);
        let group = scene.group(min, 2, 1, 1000);
        scene.group_mut(group).options.zero_or_max_node_scaling = true;
        scene.group_mut(group).target = 2;
        let silent = text("silent");
        let instance = Instance { name: silent, state: InstanceState::Running, error: None };
        scene.group_mut(group).instances.push(instance);
        scene.run(0);
        let calls = commands(&scene.run(910));
        let all = vec![text("node-1"), text("silent")];
        let expected = Command::DeleteNodes { group, instances: all };
        assert_eq!(calls.contains(&expected), deletes, "minimum {min}");
    }
}

/// Pods have 40 s of grace here and 30 s more: the drain looks every five seconds, at 65 for the last
/// time. What goes after that look comes too late (drain.go `waitPodsToDisappear`).
#[test]
fn pods_that_go_after_the_last_look_are_too_late() {
    for (gone, deleted) in [(63, true), (67, false)] {
        let mut scene = Scene::new(&[("max-graceful-termination-sec", "40")]);
        scene.group(0, 5, 1, 1000);
        scene.node(None, 4000);
        let pod = scene.pod(100, Some(NodeId(0)));
        scene.run_through(0, 610);
        let mut outcome = None;
        while let Some(due) = scene.autoscaler.next_due() {
            scene.seen.now = due.max(scene.seen.now);
            if scene.seen.now > at(615 + gone) {
                scene.seen.pods.clear();
            }
            let (calls, ended) = scene.autoscaler.act(&scene.seen);
            if calls.iter().any(|call| matches!(call.command, Command::Evict { .. })) {
                let now = scene.seen.now;
                scene.autoscaler.eviction_answered(pod, EvictionAnswer::Accepted, now);
            }
            outcome = ended.into_iter().next().map(|ended| ended.outcome).or(outcome);
        }
        let remained = DeletionOutcome::PodsRemained(Vec::new());
        let expected = if deleted { DeletionOutcome::Deleted } else { remained };
        assert_eq!(outcome, Some(expected), "gone after {gone} s");
    }
}

/// While the cluster is unwell timers are forgotten; who was on the list stays known, and is looked at
/// before others when it is well again (previous_candidates_sorting.go).
#[test]
fn those_not_needed_before_come_first_after_an_unhealthy_loop() {
    let flags = [("max-scale-down-parallelism", "1"), ("ok-total-unready-count", "0")];
    let mut scene = Scene::new(&flags);
    scene.group(0, 9, 4, 1000);
    scene.seen.nodes.reverse();
    let first = unneeded(&scene.run(0));
    assert_eq!(first, [NodeId(2), NodeId(3)], "the list has room for two");
    for node in 0..4 {
        scene.node_mut(NodeId(node)).ready = false;
    }
    assert!(scene.run(10).cluster_unhealthy);
    for node in 0..4 {
        scene.node_mut(NodeId(node)).ready = true;
    }
    scene.seen.nodes.reverse();
    let after = unneeded(&scene.run(20));
    assert_eq!(after, first, "nodes 0 and 1 are listed first now");
}

/// With soft taints switched off those of an earlier process go, but for fresh ones whose timers are
/// taken over (taints.go `CleanStaleDeletionCandidates`).
#[test]
fn soft_taints_of_an_earlier_process_go_when_none_are_set() {
    let untaint = |node| Command::Untaint { node, hard: false };
    for (bulk, ttl, expected) in [
        ("0", "0s", vec![untaint(NodeId(0)), untaint(NodeId(1))]),
        ("0", "5m", vec![untaint(NodeId(0))]),
        // A loop that sets soft taints leaves the nodes on the list alone.
        ("10", "0s", vec![]),
    ] {
        let flags = [("max-bulk-soft-taint-count", bulk), ("node-deletion-candidate-ttl", ttl)];
        let mut scene = Scene::new(&flags);
        scene.group(0, 5, 2, 1000);
        tainted(&mut scene, NodeId(0), DELETION_CANDIDATE, 0);
        tainted(&mut scene, NodeId(1), DELETION_CANDIDATE, 900);
        assert_eq!(commands(&scene.run(1000)), expected, "{bulk} {ttl}");
    }
}

/// A node that is still there five minutes after it was given back is taken up again, with the taint it
/// has: nothing is written a second time (taints.go `addTaintsToSpec`).
#[test]
fn a_node_that_has_the_taint_is_not_tainted_again() {
    let mut scene = Scene::new(&[("scale-down-unneeded-time", "0s")]);
    scene.group(0, 5, 1, 1000);
    scene.run(0);
    while let Some(due) = scene.autoscaler.next_due() {
        scene.seen.now = due.max(scene.seen.now);
        scene.autoscaler.act(&scene.seen);
    }
    tainted(&mut scene, NodeId(0), TO_BE_DELETED, 0);
    assert_eq!(deleted(&scene.run(290)), []);
    let status = scene.run(310);
    assert_eq!(deleted(&status), [NodeId(0)]);
    assert_eq!(commands(&status), []);
}

/// An annotation that asks to wait is not heeded when there is nothing to wait (delay.go
/// `WaitForDelayDeletion`).
#[test]
fn no_time_to_wait_is_no_wait() {
    for (timeout, after) in [("0s", 5), ("20s", 25)] {
        let flags = [("scale-down-unneeded-time", "0s"), ("node-deletion-delay-timeout", timeout)];
        let mut scene = Scene::new(&flags);
        scene.group(0, 5, 1, 1000);
        let key = text("delay-deletion.cluster-autoscaler.kubernetes.io/backup");
        scene.node_mut(NodeId(0)).annotations.insert(key, text("true"));
        scene.run(0);
        while let Some(due) = scene.autoscaler.next_due() {
            scene.seen.now = due.max(scene.seen.now);
            scene.autoscaler.act(&scene.seen);
        }
        assert_eq!(scene.seen.now, at(after), "{timeout}");
    }
}

/// Without ready nodes, and not allowed to begin with none, a loop touches nothing: not even a request
/// that ran out of time (actionable_cluster_processor.go).
#[test]
fn without_ready_nodes_nothing_is_done_unless_allowed() {
    for (allowed, touched) in [("true", true), ("false", false)] {
        let mut scene = Scene::new(&[("scale-up-from-zero", allowed)]);
        let group = scene.group(0, 5, 1, 1000);
        scene.pod(900, Some(NodeId(0)));
        scene.pod(900, None);
        scene.run(0);
        scene.group_mut(group).target = 2;
        scene.node_mut(NodeId(0)).ready = false;
        let status = scene.run(910);
        assert_eq!(status.backed_off == [group], touched, "{allowed}");
        assert_eq!(!status.calls.is_empty(), touched, "{allowed}");
    }
}
