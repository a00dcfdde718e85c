//! The scheduler as a whole: worked cases, and memory against none.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rand::RngExt;

use crate::cluster::Budget;
use crate::cluster::api::scheduling::{
    NodeInclusionPolicy, PodAffinityTerm, TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::cluster::api::{
    Container, LabelSelector, Labels, ObjectMeta, PodDisruptionBudgetSpec, PodSpec, PodTemplate,
    Taint, TaintEffect,
};
use crate::control::scheduler::{
    Filtered, Framework, NodeInfo, NodeSlot, Outcome, PodDescription, PodInfo, Rejection,
    Scheduler, SchedulerConfig, Search, ShapeId, Snapshot, Surroundings,
};
use crate::engine::{Stream, Streams};
use crate::model::action::BudgetStatus;
use crate::model::id::{BudgetId, PodId};
use crate::units::{Bytes, MilliCpu, Origin, ResourceList, Resources, SimTime};

const GIBI: i64 = 1 << 30;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v))).collect()
}

fn node(name: &str, zone: &str, cpu: i64, memory: i64) -> NodeInfo {
    NodeInfo {
        name: Arc::from(name),
        labels: labels(&[("kubernetes.io/hostname", name), ("topology.kubernetes.io/zone", zone)]),
        allocatable: Resources::new(MilliCpu(cpu), Bytes(memory)),
        max_pods: 110,
        ..NodeInfo::default()
    }
}

fn spec(cpu: i64, memory: i64) -> PodSpec {
    let requests = ResourceList {
        cpu: (cpu > 0).then_some(MilliCpu(cpu)),
        memory: (memory > 0).then_some(Bytes(memory)),
        ..ResourceList::default()
    };
    PodSpec {
        containers: vec![Container { requests, ..Container::default() }],
        ..PodSpec::default()
    }
}

fn shape(snapshot: &mut Snapshot, app: &str, spec: PodSpec) -> ShapeId {
    let labels = labels(&[("app", app)]);
    snapshot.add_shape(PodDescription {
        namespace: Arc::from("default"),
        owner_selector: None,
        labels: labels.clone(),
        template: Arc::new(PodTemplate { labels, spec, ..PodTemplate::default() }),
    })
}

fn scheduler() -> Scheduler {
    Scheduler::new(SchedulerConfig::default(), Streams::new(1, 0).of("scheduler/ties"))
}

fn selector(app: &str) -> LabelSelector {
    LabelSelector::of_labels(labels(&[("app", app)]))
}

fn spread(app: &str, key: &str, action: WhenUnsatisfiable) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: Arc::from(key),
        when_unsatisfiable: action,
        label_selector: Some(selector(app)),
        min_domains: None,
        node_affinity_policy: NodeInclusionPolicy::Honor,
        node_taints_policy: NodeInclusionPolicy::Ignore,
        match_label_keys: Vec::new(),
    }
}

fn term(app: &str, key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        label_selector: Some(selector(app)),
        namespaces: Vec::new(),
        namespace_selector: None,
        topology_key: Arc::from(key),
        match_label_keys: Vec::new(),
        mismatch_label_keys: Vec::new(),
    }
}

fn answers(snapshot: &mut Snapshot, pod: &PodInfo) -> BTreeMap<Arc<str>, Result<(), Rejection>> {
    let mut framework = Framework::new();
    let slots: Vec<NodeSlot> = snapshot.nodes().to_vec();
    let answer = |slot| {
        let answer = framework.check(snapshot, pod, slot);
        (Arc::clone(&snapshot.node(slot).name), answer)
    };
    slots.into_iter().map(answer).collect()
}

fn message(outcome: Outcome) -> String {
    match outcome {
        Outcome::Unschedulable { message, .. } => message.to_string(),
        Outcome::Bind { slot, .. } => panic!("unexpectedly bound to {slot:?}"),
    }
}

/// E1: an overcommitted node takes what does not ask for the resource it lacks.
#[test]
fn only_what_is_asked_for_is_checked() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    let slot = snapshot.add_node(node("a", "z", 4000, 16 * GIBI));
    let full = shape(&mut snapshot, "full", spec(4200, 8 * GIBI));
    snapshot.add_pod(slot, PodInfo::new(PodId(1), full));
    let rows = [(0, 0, true), (0, GIBI, true), (1, 0, false)];
    for (cpu, memory, fits) in rows {
        let asking = shape(&mut snapshot, "asking", spec(cpu, memory));
        let answer = Framework::new().check(&mut snapshot, &PodInfo::new(PodId(2), asking), slot);
        assert_eq!(answer.is_ok(), fits, "{cpu}m {memory} bytes");
        assert!(answer.err().is_none_or(|rejection| !rejection.is_unresolvable()));
    }
}

/// E1, its second half: a node with as many pods as it may run takes nobody, whatever is asked for.
#[test]
fn a_node_full_of_pods_takes_nobody() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    let slot = snapshot.add_node(NodeInfo { max_pods: 3, ..node("a", "z", 4000, 16 * GIBI) });
    let small = shape(&mut snapshot, "small", spec(0, 0));
    for pod in 0..3 {
        snapshot.add_pod(slot, PodInfo::new(PodId(pod), small));
    }
    for (cpu, memory) in [(0, 0), (0, GIBI), (1, 0)] {
        let asking = shape(&mut snapshot, "asking", spec(cpu, memory));
        let outcome = scheduler().schedule_one(&mut snapshot, &PodInfo::new(PodId(9), asking), &[]);
        let message = message(outcome);
        assert!(message.starts_with("0/1 nodes are available: 1 Too many pods."), "{message}");
    }
}

/// E16: nodes of equal score are drawn by lot, each of them and no other.
#[test]
fn only_the_best_take_part_in_the_lot() {
    let mut winners = BTreeMap::new();
    for seed in 0..200 {
        let mut snapshot = Snapshot::new(Surroundings::default());
        let slots: Vec<NodeSlot> = [("a", 2000), ("b", 4000), ("c", 8000), ("d", 8000)]
            .map(|(name, cpu)| snapshot.add_node(node(name, "z", cpu, 16 * GIBI)))
            .into();
        let pod = shape(&mut snapshot, "web", spec(1000, GIBI));
        let ties = Streams::new(seed, 0).of("scheduler/ties");
        let mut scheduler = Scheduler::new(SchedulerConfig::default(), ties);
        let outcome = scheduler.schedule_one(&mut snapshot, &PodInfo::new(PodId(1), pod), &[]);
        let Outcome::Bind { slot, feasible: 4 } = outcome else { panic!("{outcome:?}") };
        let winner = slots.iter().position(|other| *other == slot).expect("one of them");
        *winners.entry(winner).or_insert(0) += 1;
    }
    assert_eq!(winners.keys().copied().collect::<Vec<_>>(), [2, 3], "{winners:?}");
    // 200 fair draws stay within four standard deviations of 100.
    assert!(winners.values().all(|count| (72..=128).contains(count)), "{winners:?}");
}

/// E44: without a taint an idle GPU node draws pods that have no use for its GPUs.
#[test]
fn an_idle_gpu_node_attracts_pods_without_gpus() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    let mut gpu = node("gpu", "z", 32_000, 64 * GIBI);
    gpu.allocatable.set(&Arc::from("nvidia.com/gpu"), 4);
    let gpu = snapshot.add_node(gpu);
    let plain = snapshot.add_node(node("plain", "z", 4000, 64 * GIBI));
    let half = shape(&mut snapshot, "half", spec(2000, 0));
    snapshot.add_pod(plain, PodInfo::new(PodId(1), half));
    let web = shape(&mut snapshot, "web", spec(1000, 0));
    let pod = PodInfo::new(PodId(2), web);
    let (mut found, mut totals, mut detail) = (Filtered::default(), Vec::new(), Vec::new());
    let mut framework = Framework::new();
    framework.find(&mut snapshot, &pod, Search::ALL, &[], &mut found);
    framework.score(&snapshot, &pod, &found.feasible, &mut totals, Some(&mut detail));
    let (_, fit) = detail
        .iter()
        .find(|(plugin, _)| plugin.name() == "NodeResourcesFit")
        .expect("it scores every pod");
    // 96 and 25 on cores; on memory both are all but empty: 99 each.
    assert_eq!(*fit, [97, 62]);
    let outcome = scheduler().schedule_one(&mut snapshot, &pod, &[]);
    assert_eq!(outcome, Outcome::Bind { slot: gpu, feasible: 2 });
}

/// E3: a pod larger than any node cannot be helped by preemption.
#[test]
fn a_pod_larger_than_the_node_preempts_nobody() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    let slot = snapshot.add_node(node("a", "z", 8000, 16 * GIBI));
    let small = shape(&mut snapshot, "small", spec(1000, GIBI));
    snapshot.add_pod(slot, PodInfo::new(PodId(1), small));
    let large = PodSpec { priority: 10, ..spec(9000, GIBI) };
    let large = shape(&mut snapshot, "large", large);
    let outcome = scheduler().schedule_one(&mut snapshot, &PodInfo::new(PodId(2), large), &[]);
    assert_eq!(
        message(outcome),
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 \
         Preemption is not helpful for scheduling."
    );
}

/// E4: hard spreading over zones with 3, 2 and 2 pods.
#[test]
fn hard_spread_compares_with_the_emptiest_domain() {
    let zone = "topology.kubernetes.io/zone";
    let rows: [(&str, Option<i32>, [bool; 3]); 3] = [
        ("web", None, [false, true, true]),
        ("web", Some(4), [false, false, false]),
        ("other", None, [true, true, true]),
    ];
    for (app, min_domains, expected) in rows {
        let mut snapshot = Snapshot::new(Surroundings::default());
        let web = shape(&mut snapshot, "web", spec(10, GIBI / 8));
        for (name, pods) in [("a", 3), ("b", 2), ("c", 2)] {
            let slot = snapshot.add_node(node(name, name, 8000, 16 * GIBI));
            for pod in 0..pods {
                snapshot.add_pod(slot, PodInfo::new(PodId(pod), web));
            }
        }
        let mut constraint = spread("web", zone, WhenUnsatisfiable::DoNotSchedule);
        constraint.min_domains = min_domains;
        let wanted = PodSpec { topology_spread: vec![constraint], ..spec(10, GIBI / 8) };
        let wanted = shape(&mut snapshot, app, wanted);
        let answers = answers(&mut snapshot, &PodInfo::new(PodId(9), wanted));
        let fits: Vec<bool> = answers.values().map(Result::is_ok).collect();
        assert_eq!(fits, expected, "{app} {min_domains:?}");
    }
}

/// E5: a terminating pod holds its resources and no longer counts for spreading.
#[test]
fn terminating_pods_hold_resources_only() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    let slot = snapshot.add_node(node("a", "z", 4000, 16 * GIBI));
    let mut wanted = spec(500, GIBI);
    wanted.topology_spread =
        vec![spread("web", "kubernetes.io/hostname", WhenUnsatisfiable::DoNotSchedule)];
    let (web, large) =
        (shape(&mut snapshot, "web", wanted), shape(&mut snapshot, "web", spec(2000, GIBI)));
    let other = snapshot.add_node(node("b", "z", 4000, 16 * GIBI));
    let old = shape(&mut snapshot, "web", spec(3000, GIBI));
    snapshot.add_pod(slot, PodInfo::new(PodId(1), old));
    let pod = PodInfo::new(PodId(2), web);
    let mut framework = Framework::new();
    assert_eq!(framework.check(&mut snapshot, &pod, slot), Err(Rejection::SpreadSkew));
    snapshot.set_terminating(slot, PodId(1), true);
    assert_eq!(framework.check(&mut snapshot, &pod, slot), Ok(()));
    assert!(framework.check(&mut snapshot, &PodInfo::new(PodId(3), large), slot).is_err());
    assert_eq!(framework.check(&mut snapshot, &pod, other), Ok(()));
}

/// E6: the first pod of a group that attracts itself goes anywhere, the others follow; a pod that
/// wants company it is not itself waits for ever.
#[test]
fn a_group_that_attracts_itself_starts_anywhere() {
    let zone = "topology.kubernetes.io/zone";
    let mut snapshot = Snapshot::new(Surroundings::default());
    let first = snapshot.add_node(node("a", "x", 4000, 16 * GIBI));
    snapshot.add_node(node("b", "y", 4000, 16 * GIBI));
    let wants = |app: &str| {
        let mut wanted = spec(100, GIBI);
        wanted.affinity.pod_required = vec![term(app, zone)];
        wanted
    };
    let group = shape(&mut snapshot, "group", wants("group"));
    let lonely = shape(&mut snapshot, "lonely", wants("company"));
    let pod = PodInfo::new(PodId(1), group);
    assert!(answers(&mut snapshot, &pod).values().all(Result::is_ok));
    snapshot.add_pod(first, pod);
    let second = answers(&mut snapshot, &PodInfo::new(PodId(2), group));
    assert_eq!(second[&Arc::from("a")], Ok(()));
    assert_eq!(second[&Arc::from("b")], Err(Rejection::PodAffinity));
    let lonely = answers(&mut snapshot, &PodInfo::new(PodId(3), lonely));
    assert!(lonely.values().all(|answer| *answer == Err(Rejection::PodAffinity)));
}

/// E7, E8 and E9: node 4000m and 16Gi; what is used, what the pod asks for, and both scores.
#[test]
fn resource_scores_match_the_worked_cases() {
    type Row = ([i64; 2], [i64; 2], i64, Option<i64>);
    let rows: [Row; 6] = [
        ([1000, 4 * GIBI], [500, GIBI], 65, None),
        ([0, 0], [0, 0], 97, Some(0)),
        ([1000, 4 * GIBI], [1000, GIBI], 59, Some(70)),
        ([0, 0], [500, 2 * GIBI], 87, Some(75)),
        ([0, 0], [3000, GIBI], 59, Some(57)),
        ([2000, 2 * GIBI], [0, 6 * GIBI], 48, Some(84)),
    ];
    for (used, asked, fit, balanced) in rows {
        let mut snapshot = Snapshot::new(Surroundings::default());
        let slot = snapshot.add_node(node("a", "z", 4000, 16 * GIBI));
        if used != [0, 0] {
            let there = shape(&mut snapshot, "there", spec(used[0], used[1]));
            snapshot.add_pod(slot, PodInfo::new(PodId(1), there));
        }
        let wanted = shape(&mut snapshot, "wanted", spec(asked[0], asked[1]));
        let pod = PodInfo::new(PodId(2), wanted);
        let (mut found, mut totals, mut detail) = (Filtered::default(), Vec::new(), Vec::new());
        let mut framework = Framework::new();
        framework.find(&mut snapshot, &pod, Search::ALL, &[], &mut found);
        framework.score(&snapshot, &pod, &found.feasible, &mut totals, Some(&mut detail));
        let of = |name: &str| {
            let part = detail.iter().find(|(plugin, _)| plugin.name() == name);
            part.map_or(0, |(_, scores)| scores[0])
        };
        assert_eq!(of("NodeResourcesFit"), fit, "{used:?} {asked:?}");
        if let Some(balanced) = balanced {
            assert_eq!(of("NodeResourcesBalancedAllocation"), balanced, "{used:?} {asked:?}");
        }
    }
}

fn with_priority(priority: i32, cpu: i64) -> PodSpec {
    PodSpec { priority, ..spec(cpu, GIBI / 8) }
}

fn started(pod: u32, shape: ShapeId, second: u64) -> PodInfo {
    PodInfo { started: Some(SimTime::from_secs(second)), ..PodInfo::new(PodId(pod), shape) }
}

fn budget(app: &str, allowed: i32, empty: bool) -> Budget {
    let selector = if empty { LabelSelector::default() } else { selector(app) };
    let meta = ObjectMeta { namespace: Arc::from("default"), ..ObjectMeta::default() };
    Budget {
        exists: true,
        generation: 1,
        id: BudgetId(0),
        spec: Arc::new(PodDisruptionBudgetSpec {
            meta,
            allowance: None,
            allowance_origin: Origin::default(),
            selector: Some(selector),
            always_allow_unhealthy: false,
        }),
        status: BudgetStatus { disruptions_allowed: allowed, ..BudgetStatus::default() },
        disrupted: BTreeMap::new(),
    }
}

fn preempted(outcome: Outcome) -> (NodeSlot, Vec<PodId>) {
    match outcome {
        Outcome::Unschedulable { preemption: Some(preemption), .. } => preemption,
        other @ (Outcome::Bind { .. } | Outcome::Unschedulable { .. }) => {
            panic!("nobody was preempted: {other:?}")
        }
    }
}

/// E20: the most important pod is kept although letting it go would spare two.
#[test]
fn the_most_important_is_reprieved_first() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    let slot = snapshot.add_node(node("a", "z", 4000, 16 * GIBI));
    let rows = [(1, 2000, 1), (1, 1000, 2), (0, 1000, 3)];
    for (pod, (priority, cpu, second)) in (0..).zip(rows) {
        let there = shape(&mut snapshot, "there", with_priority(priority, cpu));
        snapshot.add_pod(slot, started(pod, there, second));
    }
    let wanted = shape(&mut snapshot, "wanted", with_priority(10, 2000));
    let pod = PodInfo::new(PodId(9), wanted);
    let mut scheduler = scheduler();
    let (node, victims) = preempted(scheduler.schedule_one(&mut snapshot, &pod, &[]));
    assert_eq!((node, victims), (slot, vec![PodId(1), PodId(2)]));
    // The trial left nothing behind, and the pod comes once its victims are gone.
    assert_eq!(snapshot.node(slot).pods.len(), 3);
    for victim in [PodId(1), PodId(2)] {
        snapshot.remove_pod(slot, victim);
    }
    // Meanwhile a pod of equal priority finds the room spoken for, and makes the last one go.
    let rival = PodInfo::new(PodId(10), wanted);
    let (_, victims) = preempted(scheduler.schedule_one(&mut snapshot, &rival, &[]));
    assert_eq!(victims, vec![PodId(0)]);
    snapshot.remove_pod(slot, PodId(0));
    let outcome = scheduler.schedule_one(&mut snapshot, &pod, &[]);
    assert_eq!(outcome, Outcome::Bind { slot, feasible: 1 });
}

/// E21: victims of priority {5,5}, {7}, {5} with a broken budget, {5}.
#[test]
fn the_least_harm_is_chosen() {
    for last in [true, false] {
        let mut snapshot = Snapshot::new(Surroundings::default());
        let rows: [(&str, &str, &[i32]); 4] =
            [("n1", "a", &[5, 5]), ("n2", "a", &[7]), ("n3", "guarded", &[5]), ("n4", "a", &[5])];
        let mut next = 0;
        for (name, app, priorities) in rows.iter().take(if last { 4 } else { 3 }) {
            let slot = snapshot.add_node(node(name, "z", 4000, 16 * GIBI));
            let cpu = 4000 / i64::try_from(priorities.len()).expect("one or two");
            for priority in *priorities {
                let there = shape(&mut snapshot, app, with_priority(*priority, cpu));
                snapshot.add_pod(slot, started(next, there, 1));
                next += 1;
            }
        }
        let wanted = shape(&mut snapshot, "wanted", with_priority(10, 4000));
        let budgets = [budget("guarded", 0, false)];
        let pod = PodInfo::new(PodId(99), wanted);
        let (slot, _) = preempted(scheduler().schedule_one(&mut snapshot, &pod, &budgets));
        assert_eq!(&*snapshot.node(slot).name, if last { "n4" } else { "n1" });
    }
}

/// E22 and E23: a budget does not stop preemption, and one with an empty selector is not even seen.
#[test]
fn budgets_do_not_stop_preemption() {
    for empty in [false, true] {
        let mut snapshot = Snapshot::new(Surroundings::default());
        let slot = snapshot.add_node(node("a", "z", 4000, 16 * GIBI));
        let there = shape(&mut snapshot, "guarded", with_priority(0, 4000));
        snapshot.add_pod(slot, started(1, there, 1));
        let wanted = shape(&mut snapshot, "wanted", with_priority(10, 4000));
        let pod = PodInfo::new(PodId(2), wanted);
        let budgets = [budget("guarded", 0, empty)];
        let outcome = scheduler().schedule_one(&mut snapshot, &pod, &budgets);
        assert_eq!(preempted(outcome), (slot, vec![PodId(1)]));
    }
}

/// A pod waits for those that it made to go, not for one that is leaving its node for another cause
/// (`podTerminatingByPreemption`).
#[test]
fn only_victims_of_preemption_are_waited_for() {
    for leaving in [1, 2] {
        let mut snapshot = Snapshot::new(Surroundings::default());
        let slot = snapshot.add_node(node("a", "z", 4000, 16 * GIBI));
        for (pod, priority) in [(1, 0), (2, 1), (3, 20)] {
            let there = shape(&mut snapshot, "there", with_priority(priority, 1200));
            snapshot.add_pod(slot, started(pod, there, 1));
        }
        let wanted = shape(&mut snapshot, "wanted", with_priority(10, 1500));
        let pod = PodInfo::new(PodId(9), wanted);
        let mut scheduler = scheduler();
        let first = preempted(scheduler.schedule_one(&mut snapshot, &pod, &[]));
        assert_eq!(first, (slot, vec![PodId(1)]));
        snapshot.set_terminating(slot, PodId(leaving), true);
        let second = scheduler.schedule_one(&mut snapshot, &pod, &[]);
        if leaving == 1 {
            let waits = "not eligible due to a terminating pod on the nominated node.";
            assert!(message(second).ends_with(waits));
        } else {
            assert_eq!(preempted(second), (slot, vec![PodId(1)]));
        }
    }
}

/// Soft default spreading reads a zone label that is absent as an empty one (podtopologyspread/
/// scoring.go looks it up in the map of labels): here one zone with three pods, not two.
#[test]
fn an_absent_zone_is_the_empty_zone() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    let shape = snapshot.add_shape(PodDescription {
        namespace: Arc::from("default"),
        owner_selector: Some(selector("a")),
        labels: labels(&[("app", "a")]),
        template: Arc::new(PodTemplate {
            labels: labels(&[("app", "a")]),
            spec: spec(100, GIBI),
            ..PodTemplate::default()
        }),
    });
    let mut next = 0;
    for (name, zone, pods) in [("a", Some(""), 1), ("b", None, 2), ("c", Some("z"), 0)] {
        let mut node = node(name, zone.unwrap_or_default(), 4000, 16 * GIBI);
        if zone.is_none() {
            node.labels.remove("topology.kubernetes.io/zone");
        }
        node.labels.remove("kubernetes.io/hostname");
        let slot = snapshot.add_node(node);
        for _ in 0..pods {
            snapshot.add_pod(slot, PodInfo::new(PodId(next), shape));
            next += 1;
        }
    }
    let pod = PodInfo::new(PodId(99), shape);
    let (mut framework, mut found) = (Framework::new(), Filtered::default());
    framework.find(&mut snapshot, &pod, Search::ALL, &[], &mut found);
    let (mut totals, mut detail) = (Vec::new(), Vec::new());
    framework.score(&snapshot, &pod, &found.feasible, &mut totals, Some(&mut detail));
    let (_, scores) =
        detail.iter().find(|(plugin, _)| plugin.name() == "PodTopologySpread").expect("it ran");
    let by_name =
        found.feasible.iter().map(|slot| &*snapshot.node(*slot).name).zip(scores.iter().copied());
    // Two zones: 3 ln 4 + 4 = 8.2 for the empty one, 4 for the other, none for the node without.
    assert_eq!(
        by_name.collect::<BTreeMap<_, _>>(),
        BTreeMap::from([("a", 0), ("b", 200), ("c", 100)])
    );
}

#[test]
fn the_sentence_counts_nodes_by_reason() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    for name in ["a", "b", "c"] {
        snapshot.add_node(node(name, "z", 1000, GIBI));
    }
    let taint =
        Taint { key: Arc::from("gpu"), value: Arc::from(""), effect: TaintEffect::NoSchedule };
    for name in ["d", "e"] {
        snapshot.add_node(NodeInfo { taints: vec![taint.clone()], ..node(name, "z", 8000, GIBI) });
    }
    let there = shape(&mut snapshot, "there", spec(900, GIBI / 2));
    let small: Vec<NodeSlot> = snapshot.nodes().iter().copied().take(3).collect();
    for slot in small {
        snapshot.add_pod(slot, PodInfo::new(PodId(1), there));
    }
    let wanted = shape(&mut snapshot, "wanted", spec(500, GIBI));
    let outcome = scheduler().schedule_one(&mut snapshot, &PodInfo::new(PodId(9), wanted), &[]);
    assert_eq!(
        message(outcome),
        "0/5 nodes are available: 2 node(s) had untolerated taint(s), 3 Insufficient cpu, 3 \
         Insufficient memory. preemption: 0/5 nodes are available: 2 Preemption is not helpful \
         for scheduling, 3 No preemption victims found for incoming pod."
    );
    let outcome = scheduler().schedule_one(
        &mut Snapshot::new(Surroundings::default()),
        &PodInfo::new(PodId(9), ShapeId(0)),
        &[],
    );
    assert_eq!(message(outcome), "no nodes available to schedule pods");
}

/// A pod of a DaemonSet looks at its own node only.
#[test]
fn a_daemon_goes_to_its_own_node() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    snapshot.add_node(node("a", "z", 1000, GIBI));
    let own = snapshot.add_node(node("b", "z", 1000, GIBI));
    let daemon = shape(&mut snapshot, "daemon", spec(600, GIBI / 4));
    let pod = PodInfo { only_node: Some(Arc::from("b")), ..PodInfo::new(PodId(1), daemon) };
    let mut scheduler = scheduler();
    let outcome = scheduler.schedule_one(&mut snapshot, &pod, &[]);
    assert_eq!(outcome, Outcome::Bind { slot: own, feasible: 1 });
    let outcome = scheduler.schedule_one(&mut snapshot, &pod, &[]);
    let text = message(outcome);
    assert!(
        text.starts_with(
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) \
             [NodeAffinity]."
        ),
        "{text}"
    );
}

/// Shapes with rules of every kind, drawn from a stream.
fn random_shape(snapshot: &mut Snapshot, chance: &mut Stream) -> ShapeId {
    const APPS: [&str; 3] = ["a", "b", "c"];
    const KEYS: [&str; 3] = ["kubernetes.io/hostname", "topology.kubernetes.io/zone", "rack"];
    let mut wanted = spec(chance.random_range(0..1200), chance.random_range(0..4) * (GIBI / 4));
    wanted.priority = chance.random_range(0..3);
    let app = APPS[chance.random_range(0..3)];
    let mut rule = || (APPS[chance.random_range(0..3)], KEYS[chance.random_range(0..3)]);
    let terms: Vec<(&str, &str)> = (0..6).map(|_| rule()).collect();
    let mut with = |at: usize| chance.random_bool(0.2).then_some(terms[at]);
    let affinity = &mut wanted.affinity;
    affinity.pod_required.extend(with(0).map(|(app, key)| term(app, key)));
    affinity.pod_anti_required.extend(with(1).map(|(app, key)| term(app, key)));
    affinity.pod_preferred.extend(with(2).map(|(app, key)| (7, term(app, key))));
    affinity.pod_anti_preferred.extend(with(3).map(|(app, key)| (9, term(app, key))));
    let mut constraints = Vec::new();
    for (at, action) in
        [(4, WhenUnsatisfiable::DoNotSchedule), (5, WhenUnsatisfiable::ScheduleAnyway)]
    {
        constraints.extend(with(at).map(|(app, key)| spread(app, key, action)));
    }
    wanted.topology_spread = constraints;
    let labels = labels(&[("app", app)]);
    snapshot.add_shape(PodDescription {
        namespace: Arc::from("default"),
        owner_selector: chance.random_bool(0.5).then(|| selector(app)),
        labels: labels.clone(),
        template: Arc::new(PodTemplate { labels, spec: wanted, ..PodTemplate::default() }),
    })
}

fn random_node(number: u32, chance: &mut Stream) -> NodeInfo {
    let zone = ["x", "y", "z"][chance.random_range(0..3)];
    let mut node = node(&format!("n{number}"), zone, 4000, 4 * GIBI);
    if chance.random_bool(0.5) {
        node.labels.insert(Arc::from("rack"), Arc::from(["1", "2"][chance.random_range(0..2)]));
    }
    if chance.random_bool(0.1) {
        node.labels.remove("topology.kubernetes.io/zone");
    }
    if chance.random_bool(0.2) {
        node.images.insert(Arc::from(":latest"), Bytes(GIBI));
    }
    if chance.random_bool(0.2) {
        let effect =
            [TaintEffect::PreferNoSchedule, TaintEffect::NoSchedule][chance.random_range(0..2)];
        node.taints.push(Taint { key: Arc::from("t"), value: Arc::from(""), effect });
    }
    node.unschedulable = chance.random_bool(0.05);
    node
}

/// One change of the cluster, drawn from a stream.
fn disturb(snapshot: &mut Snapshot, next: &mut u32, chance: &mut Stream) {
    let slots = snapshot.nodes().to_vec();
    let slot = slots[chance.random_range(0..slots.len())];
    *next += 1;
    match chance.random_range(0..12) {
        0 => {
            snapshot.add_node(random_node(*next, chance));
        }
        1 if slots.len() > 2 => {
            snapshot.remove_node(slot);
        }
        2 => {
            let changed = NodeInfo {
                name: Arc::clone(&snapshot.node(slot).name),
                ..random_node(*next, chance)
            };
            snapshot.update_node(slot, changed);
        }
        3..6 => {
            if let Some(pod) = snapshot.node(slot).pods.first().map(|pod| pod.id) {
                snapshot.remove_pod(slot, pod);
            }
        }
        6 => {
            if let Some(pod) = snapshot.node(slot).pods.last().map(|pod| pod.id) {
                snapshot.set_terminating(slot, pod, true);
            }
        }
        7 => {
            snapshot.fork();
            disturb(snapshot, next, chance);
            disturb(snapshot, next, chance);
            snapshot.revert();
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// With memory and without it: the same nodes, the same reasons, the same scores.
    #[test]
    fn memory_changes_no_decision(seed in any::<u64>()) {
        let mut chance = Streams::new(seed, 0).of("test/cluster");
        let mut snapshot = Snapshot::new(Surroundings::default());
        let mut next = 0;
        for _ in 0..chance.random_range(3..12) {
            next += 1;
            snapshot.add_node(random_node(next, &mut chance));
        }
        let mut shapes: Vec<ShapeId> =
            (0..4).map(|_| random_shape(&mut snapshot, &mut chance)).collect();
        let mut kept = Framework::new();
        for round in 0..60_u32 {
            disturb(&mut snapshot, &mut next, &mut chance);
            if round % 20 == 19 {
                shapes.push(random_shape(&mut snapshot, &mut chance));
            }
            let shape = shapes[chance.random_range(0..shapes.len())];
            let pod = PodInfo::new(PodId(1_000_000 + round), shape);
            let mut plain = Framework::new();
            let (mut with, mut without) = (Filtered::default(), Filtered::default());
            kept.find(&mut snapshot, &pod, Search::ALL, &[], &mut with);
            plain.find(&mut snapshot, &pod, Search::ALL, &[], &mut without);
            prop_assert_eq!(&with, &without);
            let (mut totals, mut plain_totals) = (Vec::new(), Vec::new());
            kept.score(&snapshot, &pod, &with.feasible, &mut totals, None);
            plain.score(&snapshot, &pod, &with.feasible, &mut plain_totals, None);
            prop_assert_eq!(&totals, &plain_totals);
            let best = (0..totals.len()).max_by_key(|at| totals[*at]);
            if let Some(best) = best {
                snapshot.add_pod(with.feasible[best], pod);
            }
        }
    }
}
