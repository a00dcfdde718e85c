//! The service graph as the fluid model needs it: means and variances, and an order of operations in
//! which callers come before those they call.

use std::sync::Arc;

use crate::engine::Dist;
use crate::model::id::ClassId;
use crate::service::fluid::quantiles::Quantiles;
use crate::service::fluid::resources::{Network, costs_s};
use crate::service::spec::{
    CallMode, CallSpec, ClientStep, GpuWork, OnError, OperationSpec, ServiceGraph, StationKind,
};
use crate::units::SimDuration;
use crate::units::convert::f64_from_usize;

/// An operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) station: usize,
    pub(super) cpu: Quantiles,
    pub(super) wait: Quantiles,
    /// Of an operation of the disk.
    pub(super) latency: Quantiles,
    /// What the disk of a pod needs for it (s).
    pub(super) disk_s: f64,
    pub(super) gpu: GpuDemand,
    /// Calls it makes, step by step.
    pub(super) steps: Vec<Vec<Site>>,
    /// The shortest time that any caller waits for it (s); infinite when all wait for ever.
    pub(super) patience_s: f64,
}

/// What an operation asks of a GPU.
#[derive(Debug)]
pub(super) enum GpuDemand {
    None,
    /// Items that share a batch with others of the operation.
    Items(u32),
    /// Time alone, and what is left of it at a random instant.
    Time {
        time: Quantiles,
        left: Quantiles,
    },
}

/// A place in an operation that calls another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub(super) operation: usize,
    pub(super) count: u32,
    pub(super) probability: f64,
    /// How long the caller waits (s); infinite when for ever.
    pub(super) timeout_s: f64,
    pub(super) waits: bool,
    /// The caller goes on without an answer.
    pub(super) goes_on: bool,
}

impl Site {
    /// Calls made on average.
    pub(super) fn visits(&self) -> f64 {
        self.probability.clamp(0.0, 1.0) * f64::from(self.count)
    }
}

/// A step of a client's iteration.
#[derive(Debug)]
pub(super) enum Step {
    Call { operation: usize, timeout_s: f64 },
    Sleep(Quantiles),
}

/// The whole graph.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) graph: Arc<ServiceGraph>,
    pub(super) operations: Vec<Operation>,
    /// Positions of operations, callers first.
    pub(super) order: Vec<usize>,
    /// Stations by the first of their operations in that order.
    pub(super) stations: Vec<usize>,
    /// Operations of each station.
    pub(super) of_station: Vec<Vec<usize>>,
    pub(super) classes: Vec<Vec<Step>>,
    pub(super) network: Option<Network>,
}

fn seconds(timeout: Option<SimDuration>) -> f64 {
    timeout.map_or(f64::INFINITY, SimDuration::as_secs_f64)
}

fn quantiles(dist: Option<&Dist>) -> Quantiles {
    dist.map_or_else(Quantiles::zero, Quantiles::of)
}

impl Plan {
    pub(super) fn new(graph: &Arc<ServiceGraph>) -> Self {
        let mut operations: Vec<Operation> =
            graph.operations.iter().map(|spec| operation(graph, spec)).collect();
        let classes: Vec<Vec<Step>> = graph
            .classes
            .iter()
            .map(|class| class.steps.iter().map(|step| client_step(graph, step)).collect())
            .collect();
        be_patient(&mut operations, &classes);
        let order = callers_first(&operations);
        let mut of_station = vec![Vec::new(); graph.stations.len()];
        let mut stations = Vec::with_capacity(graph.stations.len());
        for position in &order {
            let station = operations[*position].station;
            if of_station[station].is_empty() {
                stations.push(station);
            }
            of_station[station].push(*position);
        }
        for (station, held) in of_station.iter().enumerate() {
            if held.is_empty() {
                stations.push(station);
            }
        }
        let network = graph.network.as_ref().map(Network::new);
        let graph = Arc::clone(graph);
        Self { graph, operations, order, stations, of_station, classes, network }
    }

    /// The steps of a class.
    pub(super) fn class(&self, class: ClassId) -> &[Step] {
        &self.classes[class.index()]
    }

    /// Pauses of an iteration of a class, on average (s).
    pub(super) fn pauses_s(&self, class: ClassId) -> f64 {
        let pause = |step: &Step| match step {
            Step::Sleep(pause) => pause.mean(),
            Step::Call { .. } => 0.0,
        };
        self.class(class).iter().map(pause).sum()
    }

    /// Mean CPU demand (core-s) and squared coefficient of variation of a mix of operations by rate.
    pub(super) fn cpu_of(&self, mix: impl Iterator<Item = (usize, f64)>) -> (f64, f64) {
        moments(mix.map(|(operation, rate)| (&self.operations[operation].cpu, rate)))
    }
}

/// Mean and squared coefficient of variation of a mix; of equal parts when all rates are zero.
fn moments<'a>(mix: impl Iterator<Item = (&'a Quantiles, f64)>) -> (f64, f64) {
    let (mut rates, mut first, mut second) = (0.0, 0.0, 0.0);
    let (mut count, mut plain, mut plain_second) = (0, 0.0, 0.0);
    for (dist, rate) in mix {
        let mean = dist.mean();
        let square = mean * mean * (1.0 + dist.cv() * dist.cv());
        rates += rate;
        first += rate * mean;
        second += rate * square;
        count += 1;
        plain += mean;
        plain_second += square;
    }
    if rates <= 0.0 {
        rates = f64_from_usize(count).max(1.0);
        (first, second) = (plain, plain_second);
    }
    let (mean, square) = (first / rates, second / rates);
    if mean > 0.0 { (mean, (square / (mean * mean) - 1.0).max(0.0)) } else { (0.0, 0.0) }
}

fn operation(graph: &ServiceGraph, spec: &OperationSpec) -> Operation {
    let disk = graph.stations[spec.station.index()].disk.as_ref();
    let on_gpu = matches!(graph.stations[spec.station.index()].kind, StationKind::Gpu(_));
    Operation {
        station: spec.station.index(),
        cpu: quantiles(spec.cpu.as_ref()),
        wait: quantiles(spec.wait.as_ref()),
        latency: quantiles(disk.filter(|_| spec.io.is_some()).map(|disk| &disk.latency)),
        disk_s: disk.zip(spec.io.as_ref()).map_or(0.0, |(disk, io)| {
            let [operations_s, bytes_s] = costs_s(disk, io);
            operations_s.max(bytes_s)
        }),
        gpu: match &spec.gpu {
            Some(GpuWork::Items(each)) if on_gpu => GpuDemand::Items((*each).max(1)),
            Some(GpuWork::Time(time)) if on_gpu => {
                let time = Quantiles::of(time);
                let left = time.residual();
                GpuDemand::Time { time, left }
            }
            Some(_) | None => GpuDemand::None,
        },
        steps: spec
            .steps
            .iter()
            .map(|step| step.calls.iter().map(|call| site(graph, spec, call)).collect())
            .collect(),
        patience_s: f64::INFINITY,
    }
}

/// What a warm cache answers is not asked of others.
fn site(graph: &ServiceGraph, caller: &OperationSpec, call: &CallSpec) -> Site {
    let misses = caller.cache.map_or(1.0, |cache| 1.0 - cache.hit_ratio);
    let waits = call.mode == CallMode::Wait;
    let timeout = call.timeout.or(graph.operations[call.operation.index()].timeout);
    Site {
        operation: call.operation.index(),
        count: call.count,
        probability: call.probability * misses,
        timeout_s: if waits { seconds(timeout) } else { f64::INFINITY },
        waits,
        goes_on: call.on_error == OnError::Ignore,
    }
}

fn client_step(graph: &ServiceGraph, step: &ClientStep) -> Step {
    match step {
        ClientStep::Call { operation, timeout, name: _, policy: _ } => {
            let timeout = timeout.or(graph.operations[operation.index()].timeout);
            Step::Call { operation: operation.index(), timeout_s: seconds(timeout) }
        }
        ClientStep::Sleep(pause) => Step::Sleep(Quantiles::of(pause)),
    }
}

fn be_patient(operations: &mut [Operation], classes: &[Vec<Step>]) {
    let mut patience = vec![f64::INFINITY; operations.len()];
    let mut note = |operation: usize, timeout_s: f64| {
        patience[operation] = patience[operation].min(timeout_s);
    };
    for step in classes.iter().flatten() {
        if let Step::Call { operation, timeout_s } = step {
            note(*operation, *timeout_s);
        }
    }
    for site in operations.iter().flat_map(|operation| operation.steps.iter().flatten()) {
        note(site.operation, site.timeout_s);
    }
    for (operation, patience_s) in operations.iter_mut().zip(patience) {
        operation.patience_s = patience_s;
    }
}

/// Kahn's order; calls do not form loops.
fn callers_first(operations: &[Operation]) -> Vec<usize> {
    let mut callers = vec![0_usize; operations.len()];
    let callees = |position: usize| operations[position].steps.iter().flatten();
    for site in (0..operations.len()).flat_map(callees) {
        callers[site.operation] += 1;
    }
    let mut order: Vec<usize> =
        (0..operations.len()).filter(|position| callers[*position] == 0).collect();
    let mut next = 0;
    while let Some(position) = order.get(next).copied() {
        next += 1;
        for site in callees(position) {
            callers[site.operation] -= 1;
            if callers[site.operation] == 0 {
                order.push(site.operation);
            }
        }
    }
    assert_eq!(order.len(), operations.len(), "a valid graph has no loop of calls");
    order
}
