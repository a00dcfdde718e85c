//! The service graph made ready to run: call sites flattened, streams and timeout lanes assigned.

use std::sync::Arc;

use crate::engine::{Dist, Stream, Streams};
use crate::model::id::{OperationId, StationId};
use crate::service::spec::{
    CacheSpec, CallMode, CallSpec, ClientStep, GpuWork, IoSpec, OnError, ServiceGraph, StationKind,
};
use crate::units::convert::count_u32;
use crate::units::time::SimDuration;

/// Number of no timeout lane.
pub(super) const NO_LANE: u32 = u32::MAX;

/// Number of no policy.
pub(super) const NO_POLICY: u32 = u32::MAX;

/// An operation, ready to run.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) station: StationId,
    pub(super) cpu: Option<Dist>,
    pub(super) wait: Option<Dist>,
    pub(super) gpu: Option<GpuWork>,
    pub(super) io: Option<IoSpec>,
    pub(super) cache: Option<CacheSpec>,
    /// Its answers leave over a link.
    pub(super) linked: bool,
    /// Ranges of `sites`, one per step.
    pub(super) steps: Vec<(u32, u32)>,
    pub(super) demand_stream: Stream,
    pub(super) branch_stream: Stream,
}

/// A place in an operation that calls another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub(super) operation: OperationId,
    pub(super) count: u32,
    pub(super) probability: f64,
    pub(super) lane: u32,
    pub(super) mode: CallMode,
    pub(super) on_error: OnError,
    pub(super) policy: u32,
}

/// A step of a client's iteration, ready to run.
#[derive(Debug)]
pub(super) enum Step {
    Call { operation: OperationId, lane: u32, policy: u32 },
    Sleep(Dist),
}

/// Everything lowered, with the distinct timeout spans in order of lane number.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) operations: Vec<Operation>,
    pub(super) sites: Vec<Site>,
    pub(super) classes: Vec<Vec<Step>>,
    pub(super) lanes: Vec<SimDuration>,
    /// By station: the lane of tasks that are out, beyond those of timeouts.
    pub(super) visibility: Vec<u32>,
}

pub(super) fn lower(graph: &Arc<ServiceGraph>, streams: &Streams) -> Lowered {
    let mut lanes = Vec::new();
    let mut sites = Vec::new();
    let mut operations = Vec::with_capacity(graph.operations.len());
    for spec in &graph.operations {
        let mut steps = Vec::with_capacity(spec.steps.len());
        for step in &spec.steps {
            let first = count_u32(sites.len());
            sites.extend(step.calls.iter().map(|call| site(graph, call, &mut lanes)));
            steps.push((first, count_u32(sites.len())));
        }
        operations.push(Operation {
            station: spec.station,
            cpu: spec.cpu.clone(),
            wait: spec.wait.clone(),
            gpu: spec.gpu.clone(),
            io: spec.io,
            cache: spec.cache,
            linked: graph.stations[spec.station.index()].link.is_some(),
            steps,
            demand_stream: streams.of(&format!("demand/{}", spec.name)),
            branch_stream: streams.of(&format!("branch/{}", spec.name)),
        });
    }
    let mut step_of = |step: &ClientStep| match step {
        ClientStep::Call { operation, timeout, policy, .. } => {
            let timeout = timeout.or(graph.operations[operation.index()].timeout);
            let policy = policy.unwrap_or(NO_POLICY);
            Step::Call { operation: *operation, lane: lane(timeout, &mut lanes), policy }
        }
        ClientStep::Sleep(pause) => Step::Sleep(pause.clone()),
    };
    let classes =
        graph.classes.iter().map(|class| class.steps.iter().map(&mut step_of).collect()).collect();
    let visibility = graph.stations.iter().map(|station| match &station.kind {
        StationKind::Worker(worker) => {
            lanes.push(worker.visibility_timeout);
            count_u32(lanes.len() - 1)
        }
        StationKind::Cpu(_) | StationKind::Gpu(_) | StationKind::Delay => NO_LANE,
    });
    let visibility = visibility.collect();
    Lowered { operations, sites, classes, lanes, visibility }
}

fn site(graph: &ServiceGraph, call: &CallSpec, lanes: &mut Vec<SimDuration>) -> Site {
    let timeout = call.timeout.or(graph.operations[call.operation.index()].timeout);
    let timeout = timeout.filter(|_| call.mode == CallMode::Wait);
    Site {
        operation: call.operation,
        count: call.count,
        probability: call.probability,
        lane: lane(timeout, lanes),
        mode: call.mode,
        on_error: call.on_error,
        policy: call.policy.unwrap_or(NO_POLICY),
    }
}

/// The lane of a span; equal spans share one.
fn lane(timeout: Option<SimDuration>, lanes: &mut Vec<SimDuration>) -> u32 {
    let Some(span) = timeout else { return NO_LANE };
    let position = lanes.iter().position(|known| *known == span).unwrap_or_else(|| {
        lanes.push(span);
        lanes.len() - 1
    });
    count_u32(position)
}
