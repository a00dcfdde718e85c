//! Worked cases whose figures follow from the rules by arithmetic, which stands in each comment.

use super::super::observation::ControllerKind;
use super::super::scale_down::actuator::DeletionOutcome;
use super::super::scale_down::{BlockingReason, UnremovableReason};
use super::super::status::{ScaleDownResult, ScaleUpResult};
use super::super::{Command, EvictionAnswer};
use super::*;
use crate::cluster::api::pod::{Container, HostPort};

const SAFE: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";

fn reason(status: &LoopStatus, node: NodeId) -> Option<UnremovableReason> {
    status.scale_down.unremovable.get(&node).map(|found| found.reason)
}

fn blocking(status: &LoopStatus, node: NodeId) -> Option<BlockingReason> {
    status.scale_down.unremovable.get(&node)?.blocking.map(|blocking| blocking.reason)
}

fn second(scene: &Scene) -> u64 {
    scene.seen.now.since(at(0)).as_secs()
}

fn grown(status: &LoopStatus) -> Vec<(PoolId, i64)> {
    let accepted = status.calls.iter().filter(|call| call.refused.is_none());
    accepted
        .filter_map(|call| match call.command {
            Command::IncreaseSize { group, by } => Some((group, by)),
            Command::DecreaseTargetSize { .. }
            | Command::DeleteNodes { .. }
            | Command::Taint { .. }
            | Command::Untaint { .. }
            | Command::Cordon(_)
            | Command::Uncordon(_)
            | Command::Evict { .. } => None,
        })
        .collect()
}

/// Carries out what deletions do until a second: evictions are answered as `answer` says, and the cloud
/// deletes at once. Returns the evictions with their seconds and how deletions ended.
fn settle(
    scene: &mut Scene,
    until: u64,
    mut answer: impl FnMut(&mut Scene, PodId) -> EvictionAnswer,
) -> (Vec<(u64, PodId)>, Vec<DeletionOutcome>) {
    let (mut evicted, mut outcomes) = (Vec::new(), Vec::new());
    while let Some(due) = scene.autoscaler.next_due() {
        if due > at(until) {
            break;
        }
        scene.seen.now = due.max(scene.seen.now);
        let (calls, ended) = scene.autoscaler.act(&scene.seen);
        for call in calls {
            if let Command::Evict { pod, .. } = call.command {
                evicted.push((second(scene), pod));
                let answer = answer(scene, pod);
                scene.autoscaler.eviction_answered(pod, answer, scene.seen.now);
            }
            if let Command::DeleteNodes { group, instances } = call.command {
                let gone = |name: &Arc<str>| instances.contains(name);
                scene.seen.nodes.retain(|node| !gone(&node.name));
                let group = scene.group_mut(group);
                group.instances.retain(|instance| !gone(&instance.name));
                group.target -= i64::try_from(instances.len()).expect("small");
            }
        }
        outcomes.extend(ended.into_iter().map(|ended| ended.outcome));
    }
    (evicted, outcomes)
}

/// A tenth of the cores and 0.6 of the memory are 0.6, not 0.35 (info.go `Calculate`: the maximum).
#[test]
fn the_fuller_of_cores_and_memory_counts() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 3, 1, 4000);
    let pod = scene.pod(400, Some(NodeId(0)));
    scene.node_mut(NodeId(0)).shape.allocatable.memory = Bytes(1000);
    Arc::make_mut(&mut scene.pod_mut(pod).requests).memory = Bytes(600);
    let status = scene.run(0);
    let found = status.scale_down.utilization[&NodeId(0)];
    assert!((found.value - 0.6).abs() < 1e-12 && found.resource == "memory", "{found:?}");
    assert_eq!(reason(&status, NodeId(0)), Some(UnremovableReason::NotUnderutilized));
}

/// A node with the label but without its accelerators is not ready, so `scale-down-unready-time` of
/// 20 minutes holds: not needed since 0, gone in the first loop after 1200.
#[test]
fn a_node_without_its_accelerators_waits_as_one_that_is_not_ready() {
    for (labelled, gone) in [(false, 610), (true, 1210)] {
        let mut scene = Scene::new(&[]);
        scene.group(0, 3, 1, 4000);
        let label = (text("cloud.google.com/gke-accelerator"), text("t4"));
        scene.node_mut(NodeId(0)).shape.labels.extend(labelled.then_some(label));
        assert_eq!(deleted(&scene.run_through(0, gone - 10)), [], "{labelled}");
        assert_eq!(deleted(&scene.run(gone)), [NodeId(0)], "{labelled}");
    }
}

/// With local delays a scale-up at 500 takes the nodes of its own group off the candidates until
/// 500 + 600 = 1100, where their time begins anew: 1100 + 600 < 1710. Another group's node goes at 610.
#[test]
fn local_delays_begin_the_time_of_their_own_group_anew() {
    let mut scene = Scene::new(&[("scale-down-delay-type-local", "true")]);
    scene.group(0, 3, 1, 1000);
    let grows = scene.group(0, 3, 1, 4000);
    scene.node(None, 2000);
    // The port keeps the large pod off the node, from which the small one could move.
    let mut template = PodTemplate::default();
    let port = HostPort { ip: text("0.0.0.0"), protocol: text("TCP"), port: 80 };
    template.spec.containers.push(Container { host_ports: vec![port], ..Container::default() });
    scene.pods_of(1, 100, Some(NodeId(1)), template.clone());
    scene.run_through(0, 490);
    let large = scene.pods_of(1, 3000, None, template)[0];
    assert_eq!(grown(&scene.run(500)), [(grows, 1)]);
    scene.group_mut(grows).target = 2;
    let home = scene.node(Some(grows), 4000);
    scene.pod_mut(large).node = Some(home);
    assert_eq!(deleted(&scene.run_through(510, 610)), [NodeId(0)]);
    let status = scene.run_through(620, 1700);
    let since = status.scale_down.unneeded.iter().find(|entry| entry.node == NodeId(1));
    assert_eq!(since.map(|entry| entry.since), Some(at(1100)));
    assert_eq!(deleted(&status), []);
    assert_eq!(deleted(&scene.run(1710)), [NodeId(1)]);
}

/// A node full of pods below the cutoff is empty to the autoscaler: it is deleted after its time, and
/// nobody evicts them.
#[test]
fn expendable_pods_go_with_their_node_unasked() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 1, 4000);
    let pod = scene.pod(3500, Some(NodeId(0)));
    scene.pod_mut(pod).priority = Some(-11);
    assert_eq!(scene.run_through(0, 610).scale_down.delete_empty, [NodeId(0)]);
    let (evicted, ended) = settle(&mut scene, 700, |_, _| EvictionAnswer::Accepted);
    assert_eq!((evicted, ended), (vec![], vec![DeletionOutcome::Deleted]));
}

/// The budget of one goes to the first node, which is drained at 610. The second is looked at every
/// 300 s in vain, at 0, 300 and 600, and again at 900, when the first is gone: 900 + 600 < 1510.
#[test]
fn a_budget_across_nodes_starts_the_second_time_late() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 2, 1000);
    scene.node(None, 4000);
    let pods: Vec<PodId> = (0..2).flat_map(|node| scene.pods(1, 100, Some(NodeId(node)))).collect();
    scene.budget(&pods, 1);
    assert_eq!(deleted(&scene.run_through(0, 610)), [NodeId(0)]);
    let moved = pods[0];
    let (_, ended) = settle(&mut scene, 619, |scene, pod| {
        scene.pod_mut(pod).node = Some(NodeId(2));
        EvictionAnswer::Accepted
    });
    assert_eq!(
        (ended, scene.pod_mut(moved).node),
        (vec![DeletionOutcome::Deleted], Some(NodeId(2)))
    );
    let status = scene.run_through(620, 890);
    assert_eq!(reason(&status, NodeId(1)), Some(UnremovableReason::RecentlyUnremovable));
    let status = scene.run_through(900, 1500);
    assert_eq!(status.scale_down.unneeded[0].since, at(900));
    assert_eq!(deleted(&status), []);
    assert_eq!(deleted(&scene.run(1510)), [NodeId(1)]);
}

/// `safe-to-evict: true` with an exhausted budget: the simulation lets the node go, evictions are refused
/// from 615 for two minutes, the last at 725, and the drain is given up at 735. Meanwhile the node was no
/// candidate (planner.go `filterOutOngoingDeletions`), so its time begins anew at 740: 740 + 600 < 1350.
#[test]
fn a_drain_in_vain_is_tried_again_after_the_full_time() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 1, 1000);
    scene.node(None, 4000);
    let pod = scene.pod(100, Some(NodeId(0)));
    scene.annotate(pod, SAFE, "true");
    scene.budget(&[pod], 0);
    let mut began = Vec::new();
    for now in (0..=1400).step_by(10) {
        settle(&mut scene, now, |_, _| EvictionAnswer::Refused);
        began.extend((!deleted(&scene.run(now)).is_empty()).then_some(now));
    }
    assert_eq!(began, [610, 1350]);
}

/// A budget with room takes a young pod of kube-system from under its rule, but not from under those
/// behind it: an annotation and local storage still hold the node.
#[test]
fn a_budget_frees_system_pods_from_one_rule_only() {
    type Change = fn(&mut Scene, PodId);
    let rows: [(Change, Option<BlockingReason>); 3] = [
        (|_, _| {}, None),
        (|s, p| s.annotate(p, SAFE, "false"), Some(BlockingReason::NotSafeToEvictAnnotation)),
        (
            |s, p| s.pod_mut(p).local_volumes = vec![text("data")],
            Some(BlockingReason::LocalStorageRequested),
        ),
    ];
    for (change, expected) in rows {
        let mut scene = Scene::new(&[]);
        scene.group(0, 5, 1, 1000);
        scene.node(None, 4000);
        let pod = scene.pod(100, Some(NodeId(0)));
        scene.pod_mut(pod).namespace = text("kube-system");
        scene.pod_mut(pod).created = SimTime::from_secs(ZERO - 60);
        scene.budget(&[pod], 1);
        scene.seen.budgets[0].namespace = text("kube-system");
        change(&mut scene, pod);
        assert_eq!(blocking(&scene.run(0), NodeId(0)), expected);
    }
}

/// Without `skip-nodes-with-custom-controller-pods` nobody asks whether the controller is there or what
/// kind it is; a pod without any still holds its node.
#[test]
fn custom_controllers_are_accepted_on_demand() {
    type Change = fn(&mut Scene, PodId);
    let rows: [(&str, Change, bool, bool); 3] = [
        ("orphan", |s, _| s.seen.controllers.clear(), true, false),
        (
            "custom",
            |s, p| {
                let owner = s.pod_mut(p).owner.as_mut().expect("pods have owners");
                owner.kind = ControllerKind::Custom;
            },
            true,
            false,
        ),
        ("bare", |s, p| s.pod_mut(p).owner = None, true, true),
    ];
    for (name, change, by_default, on_demand) in rows {
        for (flag, held) in [("true", by_default), ("false", on_demand)] {
            let mut scene = Scene::new(&[("skip-nodes-with-custom-controller-pods", flag)]);
            scene.group(0, 5, 1, 1000);
            scene.node(None, 4000);
            let pod = scene.pod(100, Some(NodeId(0)));
            change(&mut scene, pod);
            assert_eq!(blocking(&scene.run(0), NodeId(0)).is_some(), held, "{name} {flag}");
        }
    }
}

/// A grace of 900 s is cut to 600; the pod that is killed then is gone at 615 + 600 = 1215, before the
/// drain gives up at 615 + 630.
#[test]
fn a_long_grace_is_cut_and_suffices() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 1, 1000);
    scene.node(None, 4000);
    let pod = scene.pod(100, Some(NodeId(0)));
    let template = &mut scene.pod_mut(pod).template;
    Arc::make_mut(template).spec.termination_grace = seconds(900);
    scene.run_through(0, 610);
    let (mut grace, mut outcome) = (None, None);
    while let Some(due) = scene.autoscaler.next_due() {
        scene.seen.now = due.max(scene.seen.now);
        if second(&scene) >= 1215 {
            scene.seen.pods.clear();
        }
        let (calls, ended) = scene.autoscaler.act(&scene.seen);
        for call in calls {
            if let Command::Evict { grace: asked, .. } = call.command {
                grace = Some(asked);
                scene.autoscaler.eviction_answered(pod, EvictionAnswer::Accepted, scene.seen.now);
            }
        }
        outcome = ended.into_iter().next().map(|ended| ended.outcome).or(outcome);
    }
    assert_eq!((grace, outcome), (Some(seconds(600)), Some(DeletionOutcome::Deleted)));
    assert_eq!(second(&scene), 1215);
}

/// Four empty nodes and three with pods at once: four and one drain. While that drain goes on, three new
/// empty nodes go, and no second drain begins.
#[test]
fn one_drain_at_a_time_holds_no_empty_node_up() {
    let mut scene = Scene::new(&[("scale-down-unneeded-time", "0s")]);
    let group = scene.group(0, 20, 7, 1000);
    scene.node(None, 9000);
    for node in 4..7 {
        scene.pod(100, Some(NodeId(node)));
    }
    let down = scene.run(0).scale_down;
    assert_eq!((down.delete_empty.len(), down.delete_drain.len()), (4, 1));
    settle(&mut scene, 9, |_, _| EvictionAnswer::Accepted);
    for _ in 0..3 {
        scene.node(Some(group), 1000);
        scene.group_mut(group).target += 1;
    }
    let down = scene.run(10).scale_down;
    assert_eq!((down.delete_empty.len(), down.delete_drain.len()), (3, 0));
}

/// A hundred idle nodes: twenty are noted in each loop, and from 610 ten go in each loop, those that
/// were noted first before others: at 700 the last.
#[test]
fn idle_nodes_go_ten_in_a_loop() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 200, 100, 1000);
    let mut gone = Vec::new();
    for now in (0..=720).step_by(10) {
        settle(&mut scene, now, |_, _| EvictionAnswer::Accepted);
        let count = deleted(&scene.run(now)).len();
        gone.extend((count > 0).then_some((now, count)));
    }
    assert_eq!(gone, (610..=700).step_by(10).map(|now| (now, 10)).collect::<Vec<_>>());
}

/// While more than 45 % and more than three nodes are unready all timers are forgotten: since 0 at
/// first, since 200 after.
#[test]
fn an_unhealthy_cluster_forgets_timers() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 20, 10, 1000);
    scene.run_through(0, 90);
    for node in 0..5 {
        scene.node_mut(NodeId(node)).ready = false;
    }
    let status = scene.run_through(100, 190);
    assert!(status.cluster_unhealthy && unneeded(&status).is_empty());
    for node in 0..5 {
        scene.node_mut(NodeId(node)).ready = true;
    }
    let status = scene.run(200);
    assert!(status.scale_down.unneeded.iter().all(|entry| entry.since == at(200)));
    assert_eq!(unneeded(&status).len(), 10);
}

/// The oldest pod with accelerators counts: one of 31 s lets all go, whatever came after it.
#[test]
fn newer_pods_with_accelerators_prolong_nothing() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 5, 0, 4000);
    scene.pod(1000, None);
    let gpu = text("nvidia.com/gpu");
    for age in [31, 5] {
        let pod = scene.pod(1000, None);
        Arc::make_mut(&mut scene.pod_mut(pod).requests).set(&gpu, 1);
        scene.pod_mut(pod).created = SimTime::from_secs(ZERO - age);
    }
    assert_eq!(scene.run(0).scale_up.result, ScaleUpResult::Successful);
}

fn selecting(pool: &str) -> PodTemplate {
    let mut template = PodTemplate::default();
    template.spec.node_selector.insert(text("pool"), text(pool));
    template
}

/// Five pods need one group and three another, two to a node: 3 nodes in the first loop, 2 of the other
/// group in the next.
#[test]
fn the_other_option_is_taken_in_the_next_loop() {
    let mut scene = Scene::new(&[("expander", "most-pods")]);
    let groups = ["x", "y"].map(|name| {
        let group = scene.group(0, 5, 0, 1000);
        let template = scene.group_mut(group).template.as_mut().expect("groups have templates");
        template.labels.insert(text("pool"), text(name));
        group
    });
    scene.pods_of(5, 400, None, selecting("x"));
    scene.pods_of(3, 400, None, selecting("y"));
    assert_eq!(grown(&scene.run(0)), [(groups[0], 3)]);
    scene.group_mut(groups[0]).target = 3;
    assert_eq!(grown(&scene.run(10)), [(groups[1], 2)]);
}

/// Eight pods, at most two more in a zone than in the emptiest: each loop adds a node with two pods in
/// one zone, first one, then the other; then nothing helps, as the third zone has none.
#[test]
fn zones_are_filled_loop_by_loop() {
    let mut scene = Scene::new(&[]);
    let zone = text("topology.kubernetes.io/zone");
    let groups = ["b", "c"].map(|name| {
        let group = scene.group(0, 10, 0, 1000);
        let template = scene.group_mut(group).template.as_mut().expect("groups have templates");
        template.labels.insert(Arc::clone(&zone), text(name));
        group
    });
    let full = scene.node(None, 100);
    scene.node_mut(full).shape.labels.insert(Arc::clone(&zone), text("a"));
    let labels = Labels::from([(text("app"), text("web"))]);
    let mut template = PodTemplate { labels: labels.clone(), ..PodTemplate::default() };
    template.spec.topology_spread.push(crate::cluster::api::scheduling::TopologySpreadConstraint {
        max_skew: 2,
        topology_key: zone,
        when_unsatisfiable: crate::cluster::api::scheduling::WhenUnsatisfiable::DoNotSchedule,
        label_selector: Some(LabelSelector::of_labels(labels)),
        min_domains: None,
        node_affinity_policy: crate::cluster::api::scheduling::NodeInclusionPolicy::Honor,
        node_taints_policy: crate::cluster::api::scheduling::NodeInclusionPolicy::Ignore,
        match_label_keys: Vec::new(),
    });
    scene.pods_of(8, 200, None, template);
    let mut zones = Vec::new();
    for now in [0, 10] {
        let changes = grown(&scene.run(now));
        let &[(group, 1)] = &*changes else { panic!("one node of one group: {changes:?}") };
        scene.group_mut(group).target += 1;
        zones.push(group);
    }
    zones.sort_unstable();
    assert_eq!(zones, groups);
    assert_eq!(scene.run(20).scale_up.result, ScaleUpResult::NoOptionsAvailable);
}

/// One pod of 900m and 495 MiB. The second group's node of 1800m and 550 MiB wastes 0.50 + 0.10 = 0.60;
/// the first one's of 1125m and 900 MiB wastes fewer cores, but 0.20 + 0.45 = 0.65.
#[test]
fn waste_is_the_sum_of_both_parts() {
    let mut scene = Scene::new(&[]);
    for (cpu, mib) in [(1125, 900), (1800, 550)] {
        let group = scene.group(0, 10, 0, cpu);
        let template = scene.group_mut(group).template.as_mut().expect("groups have templates");
        template.capacity.memory = Bytes(mib << 20);
        template.allocatable.memory = Bytes(mib << 20);
    }
    let pod = scene.pod(900, None);
    Arc::make_mut(&mut scene.pod_mut(pod).requests).memory = Bytes(495 << 20);
    let status = scene.run(0);
    assert_eq!((status.scale_up.options.len(), status.scale_up.best), (2, vec![PoolId(1)]));
}

/// `max-nodes-total` of ten. Eight ready nodes and two that are coming: eight are fewer than ten, but
/// the estimate sees ten, and no group has an option. Seven and one leave two for five pods that need one
/// each.
#[test]
fn nodes_that_are_coming_count_in_the_estimate() {
    let rows = [
        (8, 2, 2, ScaleUpResult::NoOptionsAvailable, None),
        (7, 1, 5, ScaleUpResult::Successful, Some(2)),
    ];
    for (ready, coming, waiting, result, nodes) in rows {
        let mut scene = Scene::new(&[("max-nodes-total", "10")]);
        let group = scene.group(0, 50, 0, 1000);
        for _ in 0..ready {
            scene.node(None, 100);
        }
        scene.pods(usize::try_from(coming).expect("small"), 900, None);
        assert_eq!(grown(&scene.run(0)), [(group, coming)]);
        scene.group_mut(group).target = coming;
        scene.pods(waiting, 900, None);
        let status = scene.run(10);
        assert_eq!(status.scale_up.result, result, "{ready} + {coming}");
        assert_eq!(status.scale_up.options.first().map(|option| option.nodes), nodes);
    }
}

/// A node asked for at 0 never registers; its instance is first seen at 20. Another one asked for at 300
/// comes, and moves the time of both to 300 + 900 = 1200. At 930 the first is unregistered for longer than
/// 900 s and no longer counts as coming: the request is met, nobody backs off, and the same group is tried
/// again for the same pod.
#[test]
fn a_renewed_request_hides_the_one_that_failed() {
    let mut scene = Scene::new(&[]);
    let group = scene.group(0, 10, 0, 1000);
    scene.pod(900, None);
    assert_eq!(grown(&scene.run(0)), [(group, 1)]);
    scene.group_mut(group).target = 1;
    scene.run(10);
    let name = text("silent");
    let silent = Instance { name: Arc::clone(&name), state: InstanceState::Running, error: None };
    scene.group_mut(group).instances.push(silent);
    scene.run_through(20, 290);
    let other = scene.pod(900, None);
    assert_eq!(grown(&scene.run(300)), [(group, 1)]);
    scene.group_mut(group).target = 2;
    let home = scene.node(Some(group), 1000);
    scene.node_mut(home).created = at(301);
    scene.pod_mut(other).node = Some(home);
    let status = scene.run_through(310, 920);
    assert_eq!(grown(&status), []);
    let status = scene.run(930);
    let given_up = Command::DeleteNodes { group, instances: vec![name] };
    assert_eq!(status.calls[0].command, given_up);
    assert_eq!(status.backed_off, []);
    assert_eq!(grown(&status), [(group, 1)], "the same group once more");
}

/// A scale-up for pods of a node that is being drained starts the pause like any other.
#[test]
fn a_scale_up_for_a_drain_pauses_removals() {
    let mut scene = Scene::new(&[]);
    scene.group(0, 3, 1, 1000);
    scene.pod(400, Some(NodeId(0)));
    let refuge = scene.node(None, 1000);
    scene.pod(500, Some(refuge));
    assert_eq!(deleted(&scene.run_through(0, 610)), [NodeId(0)]);
    scene.node_mut(NodeId(0)).shape.unschedulable = true;
    scene.pod(300, Some(refuge));
    assert_eq!(grown(&scene.run(620)).len(), 1);
    assert_eq!(scene.run(630).scale_down.result, ScaleDownResult::InCooldown);
}
