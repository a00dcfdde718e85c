//! Preemption on random clusters against the rules by hand, on plain numbers.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::RngExt;

use super::*;
use crate::cluster::api::{
    Container, LabelSelector, Labels, ObjectMeta, PodDisruptionBudgetSpec, PodSpec, PodTemplate,
};
use crate::control::scheduler::{
    NodeInfo, Outcome, PodDescription, Scheduler, SchedulerConfig, ShapeId, Surroundings,
};
use crate::engine::{Stream, Streams};
use crate::model::action::BudgetStatus;
use crate::model::id::BudgetId;
use crate::units::{Bytes, MilliCpu, Origin, ResourceList, Resources};

const APPS: [&str; 4] = ["a", "b", "c", ""];
const PRIORITIES: [i32; 8] = [i32::MIN, -5, 0, 0, 1, 5, 1_000, i32::MAX];

/// A pod as the rules by hand see it.
#[derive(Debug, Clone, Copy)]
struct Plain {
    id: u32,
    priority: i32,
    cpu: i64,
    /// Second it started; `None` when it has not.
    started: Option<u64>,
    app: &'static str,
}

#[derive(Debug, Clone)]
struct PlainNode {
    cpu: i64,
    most: i64,
    pods: Vec<Plain>,
    /// Pods that are expected here.
    expected: Vec<Plain>,
}

#[derive(Debug)]
struct PlainBudget {
    app: &'static str,
    allowed: i32,
    disrupted: Vec<u32>,
    /// An empty selector, which preemption takes to select nothing.
    empty: bool,
}

fn pick<T: Copy>(stream: &mut Stream, from: &[T]) -> T {
    from[stream.random_range(0..from.len())]
}

/// Whether a pod fits beside those that stay and those expected of at least its priority.
fn fits(node: &PlainNode, stay: &[Plain], pod: Plain) -> bool {
    let rivals = node.expected.iter().filter(|it| it.id != pod.id && it.priority >= pod.priority);
    let beside: Vec<&Plain> = stay.iter().chain(rivals).collect();
    let count = i64::try_from(beside.len()).expect("a handful");
    let used: i64 = beside.iter().map(|it| it.cpu).sum();
    count < node.most && (pod.cpu == 0 || pod.cpu <= node.cpu - used)
}

/// Violations and victims of a node; `None` when preemption does not help there.
fn victims(node: &PlainNode, budgets: &[PlainBudget], pod: Plain) -> Option<(usize, Vec<Plain>)> {
    if pod.cpu > node.cpu || fits(node, &node.pods, pod) {
        return None;
    }
    let (mut lower, mut stay): (Vec<Plain>, Vec<Plain>) =
        node.pods.iter().partition(|it| it.priority < pod.priority);
    if lower.is_empty() || !fits(node, &stay, pod) {
        return None;
    }
    let importance = |it: &Plain| (-i64::from(it.priority), it.started.unwrap_or(u64::MAX));
    lower.sort_by_key(importance);
    let mut left: Vec<i32> = budgets.iter().map(|budget| budget.allowed).collect();
    let mut guarded = BTreeSet::new();
    for it in &lower {
        for (budget, left) in budgets.iter().zip(&mut left) {
            let selects = !budget.empty && !it.app.is_empty() && budget.app == it.app;
            if selects && !budget.disrupted.contains(&it.id) {
                *left -= 1;
                if *left < 0 {
                    guarded.insert(it.id);
                }
            }
        }
    }
    lower.sort_by_key(|it| !guarded.contains(&it.id));
    let mut gone = Vec::new();
    for it in lower {
        stay.push(it);
        if !fits(node, &stay, pod) {
            stay.pop();
            gone.push(it);
        }
    }
    let violations = gone.iter().filter(|it| guarded.contains(&it.id)).count();
    gone.sort_by_key(importance);
    Some((violations, gone))
}

/// What `pickOneNodeForPreemption` compares, the least first.
fn harm(violations: usize, gone: &[Plain]) -> (usize, i32, i64, usize, std::cmp::Reverse<u64>) {
    let highest = gone[0].priority;
    let sum = gone.iter().map(|it| i64::from(it.priority) + (1 << 31)).sum();
    let first = gone.iter().filter(|it| it.priority == highest);
    let earliest = first.map(|it| it.started.unwrap_or(u64::MAX)).min().unwrap_or(u64::MAX);
    (violations, highest, sum, gone.len(), std::cmp::Reverse(earliest))
}

/// The live side of a drawn cluster.
struct Live {
    snapshot: Snapshot,
    scheduler: Scheduler,
    slots: Vec<NodeSlot>,
}

impl Live {
    fn shape(&mut self, pod: Plain) -> ShapeId {
        let labels: Labels = if pod.app.is_empty() {
            Labels::new()
        } else {
            [(Arc::from("app"), Arc::from(pod.app))].into_iter().collect()
        };
        let cpu = (pod.cpu > 0).then_some(MilliCpu(pod.cpu));
        let requests = ResourceList { cpu, ..ResourceList::default() };
        let containers = vec![Container { requests, ..Container::default() }];
        let spec = PodSpec { priority: pod.priority, containers, ..PodSpec::default() };
        self.snapshot.add_shape(PodDescription {
            namespace: Arc::from("default"),
            owner_selector: None,
            labels: labels.clone(),
            template: Arc::new(PodTemplate { labels, spec, ..PodTemplate::default() }),
        })
    }

    fn info(&mut self, pod: Plain) -> PodInfo {
        let shape = self.shape(pod);
        let started = pod.started.map(SimTime::from_secs);
        PodInfo { started, ..PodInfo::new(PodId(pod.id), shape) }
    }
}

fn live(nodes: &[PlainNode]) -> Live {
    let snapshot = Snapshot::new(Surroundings::default());
    let ties = Streams::new(1, 0).of("scheduler/ties");
    let scheduler = Scheduler::new(SchedulerConfig::default(), ties);
    let mut live = Live { snapshot, scheduler, slots: Vec::new() };
    for (number, node) in nodes.iter().enumerate() {
        let slot = live.snapshot.add_node(NodeInfo {
            name: Arc::from(format!("n{number}")),
            allocatable: Resources::new(MilliCpu(node.cpu), Bytes(1 << 34)),
            max_pods: node.most,
            ..NodeInfo::default()
        });
        live.slots.push(slot);
        for &pod in &node.pods {
            let info = live.info(pod);
            live.snapshot.add_pod(slot, info);
        }
    }
    live
}

fn written(budgets: &[PlainBudget]) -> Vec<Budget> {
    let written = |(number, budget): (usize, &PlainBudget)| {
        let labels: Labels = [(Arc::from("app"), Arc::from(budget.app))].into_iter().collect();
        let selector =
            if budget.empty { LabelSelector::default() } else { LabelSelector::of_labels(labels) };
        let meta = ObjectMeta { namespace: Arc::from("default"), ..ObjectMeta::default() };
        Budget {
            exists: true,
            generation: 1,
            id: BudgetId::at(number),
            spec: Arc::new(PodDisruptionBudgetSpec {
                meta,
                allowance: None,
                allowance_origin: Origin::default(),
                selector: Some(selector),
                always_allow_unhealthy: false,
            }),
            status: BudgetStatus { disruptions_allowed: budget.allowed, ..BudgetStatus::default() },
            disrupted: budget.disrupted.iter().map(|id| (PodId(*id), SimTime::ZERO)).collect(),
        }
    };
    budgets.iter().enumerate().map(written).collect()
}

fn drawn(stream: &mut Stream) -> (Vec<PlainNode>, Vec<PlainBudget>) {
    let mut next = 100;
    let nodes = (0..stream.random_range(1..6))
        .map(|_| {
            let mut pods = Vec::new();
            // Starts differ, so that nothing hangs on the order of a sort that is not stable.
            let mut starts: Vec<u64> = (0..8).map(|step| step * 10).collect();
            for _ in 0..stream.random_range(0..7) {
                next += 1;
                let at = stream.random_range(0..starts.len());
                let started = Some(starts.remove(at));
                pods.push(Plain {
                    id: next,
                    priority: pick(stream, &PRIORITIES),
                    cpu: pick(stream, &[0, 100, 500, 1_000, 2_000]),
                    started,
                    app: pick(stream, &APPS),
                });
            }
            if stream.random_bool(0.2)
                && let Some(pod) = pods.first_mut()
            {
                pod.started = None;
            }
            let cpu = pick(stream, &[1_000, 2_000, 4_000]);
            PlainNode { cpu, most: pick(stream, &[2, 4, 110]), pods, expected: Vec::new() }
        })
        .collect();
    let budgets = (0..stream.random_range(0..4))
        .map(|_| PlainBudget {
            app: pick(stream, &["a", "b", "c"]),
            allowed: stream.random_range(-1..3),
            disrupted: (101..=next).filter(|_| stream.random_bool(0.1)).collect(),
            empty: stream.random_bool(0.15),
        })
        .collect();
    (nodes, budgets)
}

/// One pod after the other arrives; each nomination is one that the next pods see. What the scheduler
/// does with each is among what the rules by hand allow.
fn attempt(seed: u64, reached: &mut [u32; 3]) {
    let mut stream = Streams::new(seed, 0).of("preemption");
    let (mut nodes, plain_budgets) = drawn(&mut stream);
    let budgets = written(&plain_budgets);
    let mut live = live(&nodes);
    for id in 0..3 {
        let priority = pick(&mut stream, &PRIORITIES);
        let cpu = pick(&mut stream, &[0, 500, 1_000, 1_500, 3_000]);
        let pod = Plain { id, priority, cpu, started: None, app: "new" };
        let info = live.info(pod);
        let outcome = live.scheduler.schedule_one(&mut live.snapshot, &info, &budgets);
        let fit: Vec<usize> = (0..nodes.len())
            .filter(|at| pod.cpu <= nodes[*at].cpu && fits(&nodes[*at], &nodes[*at].pods, pod))
            .collect();
        let candidates: Vec<_> = (0..nodes.len())
            .filter_map(|at| Some((at, victims(&nodes[at], &plain_budgets, pod)?)))
            .collect();
        let least = candidates.iter().map(|(_, (count, gone))| harm(*count, gone)).min();
        let at_slot = |slot| live.slots.iter().position(|it| *it == slot).expect("a node of ours");
        match outcome {
            Outcome::Bind { slot, .. } => {
                reached[0] += 1;
                let at = at_slot(slot);
                assert!(fit.contains(&at), "seed {seed}: {pod:?} is bound to {at}, fits {fit:?}");
                nodes[at].pods.push(pod);
            }
            Outcome::Unschedulable { preemption: Some((slot, gone)), .. } => {
                reached[1] += 1;
                assert!(fit.is_empty(), "seed {seed}: {pod:?} fits {fit:?}");
                let at = at_slot(slot);
                let found = candidates.iter().find(|(other, _)| *other == at);
                let (_, (count, expected)) = found.unwrap_or_else(|| panic!("seed {seed}: {at}"));
                let ids: Vec<PodId> = expected.iter().map(|it| PodId(it.id)).collect();
                assert_eq!(gone, ids, "seed {seed}: victims of {pod:?} on {at}");
                assert_eq!(Some(harm(*count, expected)), least, "seed {seed}: {pod:?} on {at}");
                nodes[at].expected.retain(|other| other.priority >= pod.priority);
                nodes[at].expected.push(pod);
            }
            Outcome::Unschedulable { preemption: None, .. } => {
                reached[2] += 1;
                assert!(fit.is_empty() && candidates.is_empty(), "seed {seed}: {pod:?}");
            }
        }
    }
}

#[test]
fn random_clusters_lose_whom_the_rules_name() {
    let mut reached = [0; 3];
    for seed in 0..3_000 {
        attempt(seed, &mut reached);
    }
    // Bound, preempting and hopeless pods were all met often enough to mean something.
    assert!(reached.iter().all(|count| *count > 500), "{reached:?}");
}
