//! A run made by hand, for tests: the checkout service meets its maximum, the ml service saturates
//! GPUs that its HPA does not see, a drain meets a budget.

use std::path::Path;
use std::sync::Arc;

use crate::findings::{Case, Finding, check};
use crate::input::{LoadOptions, load_scenario};
use crate::metrics::judge::judge;
use crate::metrics::{Cost, Measurements, ThresholdResult};
use crate::model::action::{BudgetStatus, PodDeletion};
use crate::model::id::{
    BudgetId, ClassId, DisruptionId, HpaId, LoadId, NodeId, OperationId, PodId, PoolId, StationId,
    WorkloadId,
};
use crate::model::observer::{
    CallEnd, ClientCall, Observer, OperationEnd, PoolSample, Sample, StationSample, WorkloadSample,
};
use crate::model::reason::{NoScaleUp, Reason};
use crate::model::record::{Decider, HpaCondition, HpaMetricSync, HpaSync, MachineKind, Record};
use crate::scenario::Scenario;
use crate::trace::{History, Keep};
use crate::units::{SimDuration, SimTime};

/// Everything that reports are made of.
pub(crate) struct Fixture {
    pub(crate) scenario: Scenario,
    pub(crate) history: History,
    pub(crate) measured: Measurements,
    pub(crate) thresholds: Vec<ThresholdResult>,
    pub(crate) cost: Cost,
}

impl Fixture {
    pub(crate) fn case(&self) -> Case<'_> {
        Case::new(&self.scenario, &self.history, &self.measured, &self.thresholds)
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        check(&self.case())
    }
}

const WARM_UP_S: u64 = 300;
const CHECKOUT: WorkloadId = WorkloadId(0);
const ML: WorkloadId = WorkloadId(1);
const POSTGRESQL: WorkloadId = WorkloadId(2);

/// The instant so many seconds into the measured time.
fn at(secs: u64) -> SimTime {
    SimTime::from_secs(WARM_UP_S + secs)
}

pub(crate) fn scenario() -> Scenario {
    let path = Path::new("tests/data/tell/peak.yaml");
    let loaded = load_scenario(path, &LoadOptions::default());
    let scenario = loaded.scenario;
    scenario.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// The whole story.
pub(crate) fn peak() -> Fixture {
    let scenario = scenario();
    let mut history = History::new(&scenario, Keep::Changes);
    let mut measured = Measurements::new(&scenario);
    let mut records: Vec<(SimTime, Record)> = Vec::new();
    let mut tell = |at: SimTime, record: Record| records.push((at, record));
    beginning(&mut tell);
    growth(&mut tell);
    syncs(&mut tell);
    drain(&mut tell);
    records.sort_by_key(|(at, _)| *at);
    let mut records = records.into_iter().peekable();
    for step in 0..=600 {
        let now = SimTime::from_secs(step * 5);
        while let Some((at, record)) = records.next_if(|(at, _)| *at <= now) {
            history.record(at, record.clone());
            measured.record(at, record);
        }
        let Some(secs) = (step * 5).checked_sub(WARM_UP_S) else { continue };
        if secs == 0 {
            measured.warm_up_ended(now);
        } else {
            traffic(&mut measured, secs);
        }
        if secs % 15 == 0 {
            measured.sample(now, &sample(secs));
        }
    }
    measured.finish(SimTime::from_secs(3_000));
    let thresholds = judge(&scenario, &measured);
    let cost = Cost::of(&scenario, &measured);
    Fixture { scenario, history, measured, thresholds, cost }
}

fn launched(node: NodeId, pool: PoolId) -> Record {
    let instance = Arc::from(if pool == PoolId(0) { "m6i.large" } else { "g4dn.xlarge" });
    let machine = Box::new(MachineKind { instance, zone: None, spot: false });
    Record::NodeLaunched { node, machine }
}

fn beginning(tell: &mut impl FnMut(SimTime, Record)) {
    let start = SimTime::ZERO;
    for (node, pool) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        tell(start, Record::NodeRequested { node: NodeId(node), pool: PoolId(pool) });
        tell(start, launched(NodeId(node), PoolId(pool)));
        tell(start, Record::NodeBecameReady(NodeId(node)));
        tell(start, Record::NodeGpusAllocatable(NodeId(node)));
    }
    let mut pod = 0;
    for (workload, name, count) in
        [(CHECKOUT, "checkout", 7), (ML, "ml", 2), (POSTGRESQL, "postgresql", 1)]
    {
        for number in 0..count {
            let id = PodId(pod);
            let name = Arc::from(format!("{name}-{number}"));
            tell(start, Record::PodCreated { pod: id, workload, name });
            let node = if workload == ML { NodeId(2 + number) } else { NodeId(pod % 2) };
            tell(start, Record::PodBound { pod: id, node, waited: SimDuration::ZERO });
            tell(start, Record::PodStarted(id));
            tell(start, Record::PodBecameReady(id));
            pod += 1;
        }
    }
}

/// From 11 minutes on: 13 pods more, three of which wait for a node.
fn growth(tell: &mut impl FnMut(SimTime, Record)) {
    let secs = SimDuration::from_secs;
    tell(at(705), Record::WorkloadScaled { workload: CHECKOUT, from: 7, to: 20 });
    for number in 0..13_u32 {
        let (pod, late) = (PodId(10 + number), number >= 10);
        let name = Arc::from(format!("checkout-{}", 7 + number));
        tell(at(705), Record::PodCreated { pod, workload: CHECKOUT, name });
        let bound = if late { 795 } else { 706 };
        if late {
            let message = Arc::from(
                "0/4 nodes are available: 2 Insufficient cpu, 2 node(s) had untolerated taint(s).",
            );
            tell(at(706), Record::PodUnschedulable { pod, message });
        }
        let node = NodeId(if late { 4 } else { number % 2 });
        tell(at(bound), Record::PodBound { pod, node, waited: secs(bound - 705) });
        tell(at(bound + 9), Record::PodImagesPulled { pod, took: secs(8) });
        tell(at(bound + 11), Record::PodStarted(pod));
        tell(at(bound + 20), Record::PodBecameReady(pod));
    }
    let (node, pool) = (NodeId(4), PoolId(0));
    let reason = Reason::ScaleUp { pod: PodId(20), pods: 3, pool, from: 2, to: 3, max: 4 };
    tell(at(712), Record::Decided { by: Decider::ClusterAutoscaler, reason });
    tell(at(712), Record::NodeRequested { node, pool });
    tell(at(712), launched(node, pool));
    tell(at(794), Record::NodeBecameReady(node));
}

fn condition(kind: &str, status: bool, reason: &str) -> HpaCondition {
    HpaCondition { kind: Arc::from(kind), status, reason: Arc::from(reason) }
}

fn syncs(tell: &mut impl FnMut(SimTime, Record)) {
    for step in 0..200_u64 {
        let secs = step * 15;
        let now = SimTime::from_secs(secs);
        let m = secs.saturating_sub(WARM_UP_S);
        let (current, proposal, desired) = match m {
            0..645 => (7, 7, 7),
            645..705 => (7, 9, 7),
            705..720 => (7, 22, 20),
            720..2_556 => (20, 27, 20),
            _ => (20, 14, 20),
        };
        let held = (645..705).contains(&m);
        let limited = (705..2_556).contains(&m);
        let cpu = |ratio: f64, current: &str, proposal| HpaMetricSync {
            label: Arc::from("cpu resource utilization (percentage of request)"),
            current: Arc::from(current),
            target: Arc::from("80%"),
            ratio: Some(ratio),
            proposal: Some(proposal),
            failure: None,
            counted: 7,
            left_out: Vec::new(),
        };
        let rescaled = desired != current;
        let able = if held { "ScaleUpStabilized" } else { "ReadyForNewScale" };
        let range = if limited { "TooManyReplicas" } else { "DesiredWithinRange" };
        let checkout = HpaSync {
            current,
            metrics: vec![cpu(1.2, "96%", proposal)],
            proposal: Some(proposal),
            stabilized: Some(if held { 7 } else { proposal }),
            held_until: held.then(|| at(705)),
            desired,
            rescaled,
            rescale_reason: Arc::from(if rescaled {
                "cpu resource utilization (percentage of request) above target"
            } else {
                ""
            }),
            conditions: vec![
                condition("AbleToScale", true, able),
                condition("ScalingActive", true, "ValidMetricFound"),
                condition("ScalingLimited", limited, range),
            ],
        };
        tell(now, Record::HpaSynced(HpaId(0), Box::new(checkout)));
        let ml = HpaSync {
            current: 2,
            metrics: vec![cpu(0.06, "5%", 2)],
            proposal: Some(2),
            stabilized: Some(2),
            desired: 2,
            conditions: vec![condition("ScalingLimited", true, "TooFewReplicas")],
            ..HpaSync::default()
        };
        tell(now, Record::HpaSynced(HpaId(1), Box::new(ml)));
    }
}

/// At 38 minutes a drain that the budget refuses until the end.
fn drain(tell: &mut impl FnMut(SimTime, Record)) {
    tell(at(2_280), Record::DisruptionBegan(DisruptionId(0)));
    tell(at(2_280), Record::NodeCordoned(NodeId(1)));
    let budget = BudgetId(0);
    let status = BudgetStatus {
        expected_pods: 1,
        current_healthy: 1,
        desired_healthy: 1,
        disruptions_allowed: 0,
    };
    tell(SimTime::ZERO, Record::BudgetChanged { budget, status });
    for time in (2_280..2_700).step_by(5) {
        let message =
            Arc::from("Cannot evict pod as it would violate the pod's disruption budget.");
        let reason = Reason::BudgetRefused { budget, message };
        let (pod, node) = (PodId(9), NodeId(1));
        tell(at(time), Record::EvictionRefused { pod, node, reason });
    }
    let because = PodDeletion::Drain;
    tell(at(2_281), Record::PodTerminating { pod: PodId(1), because });
    tell(at(2_290), Record::PodGone(PodId(1)));
    let pools = vec![
        (PoolId(0), NoScaleUp::MaxSizeReached),
        (
            PoolId(1),
            NoScaleUp::DoesNotFit { rule: crate::model::reason::Misfit::Taint, words: Vec::new() },
        ),
    ];
    let pod = PodId(23);
    let name = Arc::from("checkout-20");
    tell(at(2_281), Record::PodCreated { pod, workload: CHECKOUT, name });
    let message = Arc::from(
        "0/5 nodes are available: 3 Insufficient cpu, 2 node(s) had untolerated taint(s).",
    );
    tell(at(2_282), Record::PodUnschedulable { pod, message });
    for time in (2_290..2_700).step_by(10) {
        let reason = Reason::NoScaleUp { pod, pools: pools.clone() };
        tell(at(time), Record::Decided { by: Decider::ClusterAutoscaler, reason });
    }
}

/// Iterations per second, as the scenario's load has them.
fn offered(secs: u64) -> f64 {
    let secs = f64::from(u32::try_from(secs).expect("a test is short"));
    if secs < 600.0 {
        200.0
    } else if secs < 900.0 {
        200.0 + 1_600.0 * (secs - 600.0) / 300.0
    } else if secs < 2_100.0 {
        1_800.0
    } else {
        1_800.0 - 1_600.0 * (secs - 2_100.0) / 600.0
    }
}

/// Whether the checkout service is saturated.
fn saturated(secs: u64) -> bool {
    (875..=2_220).contains(&secs)
}

fn traffic(measured: &mut Measurements, secs: u64) {
    let took = SimDuration::from_millis(match secs {
        890..2_220 => 4_900,
        2_220..2_240 => 900,
        _ => 12,
    });
    let operation = OperationId(0);
    for number in 0..100 {
        let failed = (950..2_150).contains(&secs) && number < 7;
        let (took, end) = if failed {
            (SimDuration::from_secs(5), CallEnd::TimedOut)
        } else {
            (took + SimDuration::from_millis(number / 10), CallEnd::Completed)
        };
        let (load, class) = (LoadId(0), ClassId(0));
        let call = ClientCall { load, class, step: 0, operation, took, end };
        measured.call_ended(at(secs), &call);
        let ended = OperationEnd { station: StationId(0), took, end };
        measured.operation_ended(at(secs), operation, &ended);
        measured.iteration_ended(at(secs), load, class, took);
    }
    for (station, ms) in [(1, 80), (2, 2)] {
        let took = SimDuration::from_millis(ms);
        let ended = OperationEnd { station: StationId(station), took, end: CallEnd::Completed };
        measured.operation_ended(at(secs), operation, &ended);
    }
}

fn sample(secs: u64) -> Sample {
    let late = (706..795).contains(&secs);
    let ready = match secs {
        0..730 => 7,
        730..815 => 17,
        _ => 20,
    };
    let cores = if saturated(secs) { 10.0 } else { offered(secs) * 0.005_5 };
    let busy = (1_000..1_600).contains(&secs);
    let workload = |workload, desired, ready, cpu_cores: f64, request: f64, limit: f64| {
        let pods = f64::from(ready);
        WorkloadSample {
            workload,
            desired,
            ready,
            pending: 0,
            active: ready,
            cpu_cores,
            cpu_requested_cores: request * pods,
            cpu_limit_cores: limit * pods,
            memory_bytes: 150e6 * pods,
            memory_requested_bytes: 268e6 * pods,
            cfs: None,
        }
    };
    let station = |station, waiting, gpu_busy| StationSample {
        workload: None,
        station: StationId(station),
        waiting,
        inside: waiting + 3,
        gpu_busy,
    };
    let pool = |nodes, cpu: f64, gpus: i64| PoolSample {
        paid_per_hour: None,
        nodes,
        ready: nodes,
        cpu_requested_cores: cpu,
        cpu_allocatable_cores: 1.93 * f64::from(nodes),
        memory_requested_bytes: 2e9 * f64::from(nodes),
        memory_allocatable_bytes: 7.5e9 * f64::from(nodes),
        gpus_requested: gpus,
        gpus_allocatable: gpus,
    };
    let desired = if secs < 705 { 7 } else { 20 };
    Sample {
        placed: Vec::new(),
        offered_per_second: offered(secs),
        virtual_users: 40,
        workloads: vec![
            workload(CHECKOUT, desired, ready, cores.min(0.5 * f64::from(ready)), 0.25, 0.5),
            workload(ML, 2, 2, 0.1, 1.0, 2.0),
            workload(POSTGRESQL, 1, 1, 0.2, 1.0, 1.0),
        ],
        stations: vec![
            station(0, if saturated(secs) { 5_000 } else { 0 }, None),
            station(1, if busy { 340 } else { 1 }, Some(if busy { 1.0 } else { 0.31 })),
            station(2, 0, None),
        ],
        pools: vec![pool(if secs < 712 { 2 } else { 3 }, 3.4, 0), pool(2, 2.1, 2)],
        pods_pending: if late { 3 } else { u32::from(secs > 2_282) },
        budgets: Vec::new(),
    }
}
