//! Removing nodes.

use super::super::observation::ControllerKind;
use super::super::scale_down::actuator::DeletionOutcome;
use super::super::scale_down::{BlockingReason, UnremovableReason};
use super::super::status::ScaleDownResult;
use super::super::{Command, EvictionAnswer};
use super::*;

fn reason(status: &LoopStatus, node: NodeId) -> Option<UnremovableReason> {
    status.scale_down.unremovable.get(&node).map(|found| found.reason)
}

fn blocking(status: &LoopStatus, node: NodeId) -> Option<BlockingReason> {
    let found = status.scale_down.unremovable.get(&node)?;
    found.blocking.map(|blocking| blocking.reason)
}

/// Equality with the threshold is eligible; DaemonSets count unless told otherwise, and then leave
/// numerator and denominator.
#[test]
fn utilisation_at_the_threshold_is_low_enough() {
    // DaemonSet, application, ignore-daemonsets-utilization, whether it is too much, part.
    let rows = [
        (0, 2000, "false", false, 0.5),
        (0, 2001, "false", true, 2001.0 / 4000.0),
        (400, 1700, "false", true, 2100.0 / 4000.0),
        (400, 1700, "true", false, 1700.0 / 3600.0),
        (400, 1900, "false", true, 2300.0 / 4000.0),
        (400, 1900, "true", true, 1900.0 / 3600.0),
    ];
    for (daemon, application, ignore, too_much, part) in rows {
        let mut scene = Scene::new(&[("ignore-daemonsets-utilization", ignore)]);
        let group = scene.group(0, 3, 0, 4000);
        let node = scene.node(Some(group), 4000);
        scene.group_mut(group).target = 1;
        let pod = scene.pod(daemon, Some(node));
        scene.make_daemon(pod);
        scene.pod(application, Some(node));
        scene.node(None, 8000);
        let status = scene.run(0);
        let utilization = status.scale_down.utilization[&node];
        assert!((utilization.value - part).abs() < 1e-12, "{daemon} {application} {ignore}");
        let refused = reason(&status, node) == Some(UnremovableReason::NotUnderutilized);
        assert_eq!(refused, too_much, "{daemon} {application} {ignore}");
    }
}

/// One of eight accelerators is 0.125, whatever the cores say; a label without accelerators is 0.
#[test]
fn a_node_with_accelerators_is_judged_by_them() {
    for (has, asked, part) in [(8, 1, 0.125), (8, 0, 0.0), (0, 0, 0.0)] {
        let mut scene = Scene::new(&[]);
        let group = scene.group(0, 3, 1, 4000);
        let pod = scene.pod(3800, Some(NodeId(0)));
        let gpu = text("nvidia.com/gpu");
        Arc::make_mut(&mut scene.pod_mut(pod).requests).set(&gpu, asked);
        let shape = &mut scene.node_mut(NodeId(0)).shape;
        shape.allocatable.set(&gpu, has);
        shape.labels.insert(text("cloud.google.com/gke-accelerator"), text("nvidia-t4"));
        let status = scene.run(0);
        let found = status.scale_down.utilization[&NodeId(0)];
        assert!((found.value - part).abs() < 1e-12 && found.resource == "nvidia.com/gpu");
        assert_eq!(scene.seen.groups[group.index()].target, 1);
    }
}

/// Unneeded since 0: not at 600, but at 610, as the time must be over and not just reached.
#[test]
fn the_timer_is_strict() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 3, 1, 4000);
    assert_eq!(deleted(&scene.run_through(0, 600)), []);
    let status = scene.run(610);
    assert_eq!(deleted(&status), [NodeId(0)]);
    assert_eq!(status.scale_down.result, ScaleDownResult::NodeDeleteStarted);
}

/// A node unneeded since 0 fails its simulation at 590 and is looked at again at 890 only; the time
/// begins anew: gone at 1500.
#[test]
fn one_bad_loop_costs_the_timer_and_five_minutes() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 3, 1, 4000);
    scene.pod(1000, Some(NodeId(0)));
    let refuge = scene.node(None, 1000);
    scene.run_through(0, 580);
    let guest = scene.pod(500, Some(refuge));
    assert_eq!(reason(&scene.run(590), NodeId(0)), Some(UnremovableReason::NoPlaceToMovePods));
    scene.seen.pods.retain(|pod| pod.id != guest);
    let status = scene.run_through(600, 880);
    assert_eq!(reason(&status, NodeId(0)), Some(UnremovableReason::RecentlyUnremovable));
    let status = scene.run_through(890, 1490);
    assert_eq!(status.scale_down.unneeded[0].since, at(890));
    assert_eq!(deleted(&status), []);
    assert_eq!(deleted(&scene.run(1500)), [NodeId(0)]);
}

/// A scale-up at 500 stops removals until 1100; the timer of another group's node goes on.
#[test]
fn a_scale_up_pauses_removals_but_not_timers() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 3, 1, 1000);
    let wanted = scene.group(0, 3, 0, 4000);
    scene.run_through(0, 490);
    let pod = scene.pod(3000, None);
    scene.run(500);
    scene.group_mut(wanted).target = 1;
    scene.node(Some(wanted), 4000);
    let home = scene.seen.nodes.last().expect("a node was added").id;
    scene.pod_mut(pod).node = Some(home);
    let status = scene.run_through(510, 1090);
    assert_eq!(status.scale_down.result, ScaleDownResult::InCooldown);
    assert_eq!(deleted(&scene.run(1100)), [NodeId(0)]);
}

/// Three nodes of 1000 with a pod of 300 each: the first two can go, and the third has no
/// destination left, although the second would by then be fuller than the threshold.
#[test]
fn moved_pods_stay_moved_while_planning() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 3, 1000);
    for node in 0..3 {
        scene.pod(300, Some(NodeId(node)));
    }
    let status = scene.run(0);
    assert_eq!(unneeded(&status), [NodeId(0), NodeId(1)]);
    assert_eq!(reason(&status, NodeId(2)), Some(UnremovableReason::NoPlaceToMovePods));
}

/// A pending pod that fits a node counts there, and keeps it for as long as it waits.
#[test]
fn a_pending_pod_protects_the_node_it_fits() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 1, 4000);
    scene.pod(1500, Some(NodeId(0)));
    scene.node(None, 1600);
    assert_eq!(unneeded(&scene.run(0)), [NodeId(0)]);
    scene.pod(1700, None);
    let status = scene.run(10);
    assert_eq!(reason(&status, NodeId(0)), Some(UnremovableReason::NotUnderutilized));
    assert!((status.scale_down.utilization[&NodeId(0)].value - 0.8).abs() < 1e-12);
}

/// Pods of a priority below the cutoff are no reason to keep a node.
#[test]
fn expendable_pods_do_not_count() {
    for (priority, kept) in [(Some(-11), false), (Some(-10), true), (None, true)] {
        let mut scene = Scene::new(&[]);
        scene.group(0, 5, 1, 4000);
        let pod = scene.pod(3500, Some(NodeId(0)));
        scene.pod_mut(pod).priority = priority;
        assert_eq!(unneeded(&scene.run(0)).is_empty(), kept, "{priority:?}");
    }
}

/// A budget of one: the first node takes it, the second is blocked; two pods on one node pass, but
/// count as risky.
#[test]
fn budgets_shrink_while_planning() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 2, 1000);
    scene.node(None, 4000);
    let pods: Vec<PodId> = (0..2).flat_map(|node| scene.pods(1, 100, Some(NodeId(node)))).collect();
    scene.budget(&pods, 1);
    let status = scene.run(0);
    assert_eq!(unneeded(&status), [NodeId(0)]);
    assert_eq!(blocking(&status, NodeId(1)), Some(BlockingReason::NotEnoughPdb(BudgetId(0))));

    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 1, 1000);
    scene.node(None, 4000);
    let pods = scene.pods(2, 100, Some(NodeId(0)));
    scene.budget(&pods, 1);
    let alone = {
        scene.run(0);
        scene.autoscaler.removal_of_each(&scene.seen)
    };
    let fate = alone[0].fate;
    let risky = super::super::scale_down::Fate::Removable {
        drain: true,
        on_completion: false,
        risky: true,
    };
    assert_eq!(fate, risky);
}

/// What each kind of pod says to the drain of its node.
#[test]
fn pods_that_forbid_a_drain() {
    const SAFE: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    type Change = fn(&mut Scene, PodId);
    let young_system: Change = |s, p| {
        s.pod_mut(p).namespace = text("kube-system");
        s.pod_mut(p).created = SimTime::from_secs(ZERO - 59 * 60);
    };
    let old_system: Change = |s, p| {
        s.pod_mut(p).namespace = text("kube-system");
        s.pod_mut(p).created = SimTime::from_secs(ZERO - 61 * 60);
        s.annotate(p, SAFE, "false");
        s.pod_mut(p).local_volumes = vec![text("data")];
    };
    let orphan: Change = |s, p| {
        s.seen.controllers.clear();
        s.annotate(p, SAFE, "true");
    };
    let rows: [(&str, Change, Option<BlockingReason>); 9] = [
        ("plain", |_, _| {}, None),
        ("bare", |s, p| s.pod_mut(p).owner = None, Some(BlockingReason::NotReplicated)),
        ("young system", young_system, Some(BlockingReason::UnmovableKubeSystemPod)),
        ("old system", old_system, None),
        ("orphan, safe", orphan, Some(BlockingReason::ControllerNotFound)),
        (
            "unsafe",
            |s, p| s.annotate(p, SAFE, "false"),
            Some(BlockingReason::NotSafeToEvictAnnotation),
        ),
        (
            "local storage",
            |s, p| s.pod_mut(p).local_volumes = vec![text("data")],
            Some(BlockingReason::LocalStorageRequested),
        ),
        (
            "custom controller",
            |s, p| {
                let owner = s.pod_mut(p).owner.as_mut().expect("pods have owners");
                owner.kind = ControllerKind::Custom;
            },
            Some(BlockingReason::NotReplicated),
        ),
        (
            "safe, no budget left",
            |s, p| {
                s.annotate(p, SAFE, "true");
                s.budget(&[p], 0);
            },
            None,
        ),
    ];
    for (name, change, expected) in rows {
        let mut scene = Scene::new(&[]);
        scene.group(0, 5, 1, 1000);
        scene.node(None, 4000);
        let pod = scene.pod(100, Some(NodeId(0)));
        change(&mut scene, pod);
        let status = scene.run(0);
        assert_eq!(blocking(&status, NodeId(0)), expected, "{name}");
        assert_eq!(unneeded(&status).is_empty(), expected.is_some(), "{name}");
    }
}

/// Deleted at 0 with 30 s of grace: the timestamp is 30, and the pod is ignored after 90.
#[test]
fn a_pod_that_will_not_go_is_ignored_in_the_end() {
    for (second, counts) in [(90, true), (91, false)] {
        let mut scene = Scene::new(&[]);
        scene.group(0, 5, 1, 1000);
        let pod = scene.pod(900, Some(NodeId(0)));
        scene.pod_mut(pod).deletion = Some(at(30));
        assert_eq!(unneeded(&scene.run(second)).is_empty(), counts, "{second}");
    }
}

/// A thousand idle nodes: twenty more are found in each loop, 610 at most.
#[test]
fn unneeded_nodes_are_found_little_by_little() {
    let mut scene = Scene::new(&[("scale-down-delay-after-add", "10h")]);
    scene.group(0, 2000, 1000, 1000);
    for second in (0..400).step_by(10) {
        let expected = usize::try_from((second / 10 + 1) * 20).expect("small").min(610);
        // The pause after a scale-up lets the timers run without a removal.
        assert_eq!(unneeded(&scene.run(second)).len(), expected, "{second}");
    }
}

/// Taint at 610, look again and evict five seconds later, refused evictions tried every ten seconds
/// for two minutes, then given up.
#[test]
fn refused_evictions_are_given_up_after_two_minutes() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 1, 1000);
    scene.node(None, 4000);
    let pod = scene.pod(100, Some(NodeId(0)));
    assert_eq!(scene.run_through(0, 610).scale_down.delete_drain, [NodeId(0)]);
    let mut tries = Vec::new();
    let mut outcome = None;
    while let Some(due) = scene.autoscaler.next_due() {
        scene.seen.now = due.max(scene.seen.now);
        let (calls, ended) = scene.autoscaler.act(&scene.seen);
        if calls.iter().any(|call| matches!(call.command, Command::Evict { .. })) {
            tries.push(scene.seen.now.since(at(0)).as_secs());
            let now = scene.seen.now;
            scene.autoscaler.eviction_answered(pod, EvictionAnswer::Refused, now);
        }
        outcome = ended.into_iter().next().map(|ended| ended.outcome).or(outcome);
    }
    assert_eq!(tries, (615..735).step_by(10).collect::<Vec<u64>>());
    assert_eq!(outcome, Some(DeletionOutcome::EvictionsRefused(vec![pod])));
}

/// Two pods of a node under one budget that allows one of them. Both pass the rules, the node is to
/// be drained; the first goes, the second is refused every ten seconds until its successor is ready.
#[test]
fn a_budget_within_a_node_makes_the_drain_wait() {
    let outcome = |ready_at: u64| {
        let mut scene = Scene::new(&[]);
        scene.group(0, 5, 1, 1000);
        scene.node(None, 4000);
        let pods = scene.pods(2, 100, Some(NodeId(0)));
        scene.budget(&pods, 1);
        assert_eq!(scene.run_through(0, 610).scale_down.delete_drain, [NodeId(0)]);
        let (mut answers, mut ended) = (Vec::new(), Vec::new());
        while let Some(due) = scene.autoscaler.next_due() {
            scene.seen.now = due.max(scene.seen.now);
            let second = scene.seen.now.since(at(0)).as_secs();
            let (calls, now_ended) = scene.autoscaler.act(&scene.seen);
            for call in calls {
                let Command::Evict { pod, .. } = call.command else { continue };
                let free = answers.iter().all(|(_, accepted)| !accepted) || second >= ready_at;
                answers.push((second, free));
                let answer = if free { EvictionAnswer::Accepted } else { EvictionAnswer::Refused };
                scene.autoscaler.eviction_answered(pod, answer, scene.seen.now);
                if free {
                    scene.seen.pods.retain(|other| other.id != pod);
                }
            }
            ended.extend(now_ended.into_iter().map(|it| it.outcome));
        }
        (answers, ended, pods)
    };
    let (answers, ended, _) = outcome(650);
    assert_eq!(
        answers,
        [(615, true), (615, false), (625, false), (635, false), (645, false), (655, true)]
    );
    assert_eq!(ended, [DeletionOutcome::Deleted]);
    // Never ready again: after two minutes the drain is given up, with one pod moved.
    let (answers, ended, pods) = outcome(10_000);
    assert_eq!(answers.iter().filter(|(_, accepted)| *accepted).count(), 1);
    assert_eq!(ended, [DeletionOutcome::EvictionsRefused(vec![pods[1]])]);
}

/// With the list at its limit, fresh empty nodes come before nodes with pods that have waited, which
/// fall off the list and lose their timers.
#[test]
fn fresh_empty_nodes_displace_those_that_wait() {
    // Six loops to the time, two at once: at most 2 x 6 + 2 = 14 nodes are looked for.
    let flags = [("scale-down-unneeded-time", "1m"), ("max-scale-down-parallelism", "2")];
    let mut scene = Scene::new(&flags);
    let group = scene.group(0, 100, 14, 1000);
    scene.node(None, 100_000);
    for node in 0..14 {
        scene.pod(100, Some(NodeId(node)));
    }
    let status = scene.run_through(0, 50);
    assert_eq!(unneeded(&status).len(), 14, "all wait for their minute");
    for _ in 0..20 {
        let node = scene.node(Some(group), 1000);
        scene.group_mut(group).target += 1;
        scene.node_mut(node).created = at(50);
    }
    let status = scene.run(60);
    let with_pods = unneeded(&status).into_iter().filter(|node| node.0 < 14).count();
    assert_eq!((unneeded(&status).len(), with_pods), (14, 0), "empty ones come first");
}

/// A pod that was evicted and does not go keeps the node, after its grace of 600 s and 30 s more.
#[test]
fn a_drain_that_does_not_end_keeps_the_node() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 1, 1000);
    scene.node(None, 4000);
    let pod = scene.pod(100, Some(NodeId(0)));
    scene.run_through(0, 610);
    let mut ended = Vec::new();
    while let Some(due) = scene.autoscaler.next_due() {
        scene.seen.now = due.max(scene.seen.now);
        let (calls, now_ended) = scene.autoscaler.act(&scene.seen);
        for call in calls {
            if let Command::Evict { grace, .. } = call.command {
                assert_eq!(grace, seconds(30));
                let now = scene.seen.now;
                scene.autoscaler.eviction_answered(pod, EvictionAnswer::Accepted, now);
            }
        }
        ended.extend(now_ended);
    }
    assert_eq!(ended[0].outcome, DeletionOutcome::PodsRemained(vec![pod]));
    assert_eq!(scene.seen.now, at(615 + 630));
}

/// Minimum 2, target 3, one drain under way: no other node of the group goes.
#[test]
fn removals_under_way_count_against_the_minimum() {
    let mut scene = Scene::new(&[("max-drain-parallelism", "5")]);
    scene.group(2, 5, 3, 1000);
    scene.node(None, 4000);
    for node in 0..3 {
        scene.pod(100, Some(NodeId(node)));
    }
    assert_eq!(scene.run_through(0, 610).scale_down.delete_drain.len(), 1);
    let status = scene.run(620);
    assert_eq!(deleted(&status), []);
    assert_eq!(reason(&status, NodeId(1)), Some(UnremovableReason::NodeGroupMinSizeReached));
}
