//! The fluid model: the same services by rates instead of requests.
//!
//! Time moves in ticks. In a tick so many calls come to each operation; they go through the queues of
//! their station's pods (`queueing`, `cores`, `gpu`), which pass some on, keep some and refuse
//! some; what is passed on calls other operations, callers before callees. Nothing is lost: what came
//! is answered, refused, cut or still inside. Latencies come from probes: a few dozen requests that
//! walk the call graph through the present state and stand for all that ended since the last telling.
//!
//! What it does not see: bursts within a tick beyond what the formulas of waiting know, and the most
//! memory a pod held between two ticks.

mod clients;
mod cores;
mod flow;
mod gpu;
mod job_work;
mod loops;
mod machines;
mod plan;
mod pods;
mod probe;
mod quantiles;
mod queueing;
mod resources;
mod tell;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::Streams;
use crate::model::id::{ClassId, NodeId, PodId, ServerId};
use crate::service::fluid::clients::Clients;
use crate::service::fluid::cores::View;
use crate::service::fluid::gpu::GpuView;
use crate::service::fluid::plan::Plan;
use crate::service::fluid::probe::Probes;
use crate::service::fluid::quantiles::Strata;
use crate::service::machine::Place;
use crate::service::server::ServerState;
use crate::service::spec::ServiceGraph;
use crate::service::{CallTally, IterationEnd, Latencies, WorkOver};
use crate::units::convert::{round_u64, u64_from_usize};
use crate::units::{SimDuration, SimTime};

/// A load as the fluid model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct FluidLoad {
    /// The classes of its iterations with their shares, which sum to 1.
    pub shares: Vec<(ClassId, f64)>,
    /// Virtual users loop; otherwise iterations arrive.
    pub closed: bool,
    /// Virtual users that take arrivals at most; infinite without a bound.
    pub max_users: f64,
    /// Squared coefficient of variation between arrivals: 1 by chance, 0 by the clock.
    pub arrivals_ca2: f64,
}

/// What a load does in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Inflow {
    /// Iterations that arrive in it (open load).
    pub arrivals: f64,
    /// Virtual users that loop in it (closed load).
    pub users: f64,
    /// Iterations that may still begin (closed load); infinite without a count.
    pub left: f64,
}

/// What the loads did so far, in whole iterations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadTally {
    /// Begun.
    pub started: u64,
    /// Ended.
    pub ended: u64,
    /// Cut short at the end of their load.
    pub interrupted: u64,
    /// That no virtual user could take.
    pub dropped: u64,
}

/// All services of a run, by rates.
#[derive(Debug)]
pub struct Fluid {
    plan: Plan,
    servers: Vec<Option<Server>>,
    free: Vec<u32>,
    stations: Vec<Station>,
    operations: Vec<Operation>,
    clients: Clients,
    strata: Strata,
    probes: Probes,
    /// Up to here everything has moved.
    now: SimTime,
    drained: Vec<PodId>,
    work_over: Vec<WorkOver>,
    tally: CallTally,
    /// The largest relative change of a response in the last tick.
    unrest: f64,
    /// Pods have changed since responses were worked out.
    stale: bool,
    /// Some server may be draining.
    draining: bool,
    /// Machines with more than one server.
    machines: BTreeMap<NodeId, machines::Shared>,
    /// Where the pods of stations that call each other are, for the network.
    ways: BTreeMap<(usize, usize), resources::Way>,
    /// Pods have come or gone since that was looked at.
    ways_changed: bool,
}

/// A pod that serves a station. Numbers are of requests.
#[derive(Debug, Clone)]
struct Server {
    station: usize,
    pod: PodId,
    state: ServerState,
    cores: f64,
    /// Cores that it used in the last tick.
    used: f64,
    /// A full machine keeps it below what it could use.
    held: bool,
    /// How likely all cores of its machine are busy.
    crowd: f64,
    /// Where it runs.
    place: Place,
    /// Cores that coming up takes.
    starting: f64,
    began: SimTime,
    /// Waiting for a place, or on the CPU.
    queued: f64,
    /// Of a worker's: in its places.
    on_cpu: f64,
    /// Waiting for the GPU, or on it.
    at_gpu: f64,
    /// In delays and calls of their own.
    after: f64,
    /// Swallowed by a machine that stopped.
    stuck: f64,
    /// Passed the CPU in this tick, and not taken further yet.
    fresh: f64,
    /// New requests come to it, whatever becomes of them.
    in_rotation: bool,
    /// Ended here since it began.
    served: f64,
    busy_core_s: f64,
    gpu_busy_s: f64,
    most_inside: f64,
    view: View,
    gpu: GpuView,
}

impl Server {
    fn inside(&self) -> f64 {
        self.queued + self.at_gpu + self.after + self.stuck
    }

    /// Whether a server that drains has nothing inside any more; that is found once.
    fn has_drained(&mut self) -> bool {
        let drained = self.state == ServerState::Draining && self.inside() < 0.5;
        if drained {
            self.state = ServerState::Closed;
        }
        drained
    }
}

/// A station.
#[derive(Debug, Default)]
struct Station {
    /// All servers, by age.
    live: Vec<ServerId>,
    /// Those that new requests come to.
    open: Vec<ServerId>,
    /// Tasks that no worker has taken yet.
    broker: f64,
    /// Inside, over all servers and the broker.
    inside: f64,
    inside_area_s: f64,
    /// Means of what the open servers show.
    seen: Seen,
    /// Virtual users whose requests make up this station's flow; infinite for open loads.
    users: f64,
    /// Share of its calls that come from closed loads.
    closed: f64,
    /// Squared coefficient of variation between arrivals.
    arrivals_ca2: f64,
    /// Calls in this tick of workers that never run out of tasks, whose number inside is as good as
    /// fixed.
    came_steady: f64,
    /// Their share of what came in the last tick.
    steady: f64,
    /// Ended since the run began.
    served: f64,
    /// How many times as long its work takes, for each slowdown under way.
    slowdowns: Vec<f64>,
    /// Its disks and its link.
    shared: resources::Shared,
    /// How long its calls took, where that is counted.
    latencies: Option<Box<Latencies>>,
}

impl Station {
    /// How many times as long as usual everything takes here.
    fn slowdown(&self) -> f64 {
        self.slowdowns.iter().product()
    }
}

/// What an arrival at a station meets on average.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Wait for a place (s).
    wait_s: f64,
    /// Seconds that a core-second takes.
    stretch: f64,
    /// Wait for a GPU (s).
    gpu_wait_s: f64,
    /// Time of a batch (s).
    batch_s: f64,
    /// Requests of a batch.
    batch_size: f64,
    /// Several models share its GPUs.
    mixed: bool,
    /// Share of arrivals at machines that do not answer.
    stalled: f64,
}

/// An operation. Numbers are of calls; `told` parts are since the last telling.
#[derive(Debug, Clone, Default)]
struct Operation {
    /// Came in this tick and were not looked at yet.
    incoming: f64,
    queued: f64,
    at_gpu: f64,
    after: f64,
    stuck: f64,
    /// Cut by the end of a pod, not told yet to those who called.
    cut_news: f64,
    /// Thrown away in this tick, because their callers had gone.
    thrown: f64,
    /// Of the calls that were here in the last tick, the share that ended in it.
    leaving: f64,
    /// From arrival to end (s), on average.
    response_s: f64,
    /// Of it beside CPU and the wait for a place (s).
    hold_s: f64,
    /// Of it in calls of its own (s).
    calls_s: f64,
    /// Shares of calls that end so.
    fate: Fate,
    /// Probability that all steps before each one went well.
    well_before: Vec<f64>,
    /// Calls a second that came in the last tick.
    rate: f64,
    /// Calls a second that went through the CPUs in the last tick.
    passing: f64,
    /// What disk and link take (s).
    shared_s: f64,
    untold: Ends,
}

impl Operation {
    /// Of those that fail because of a call of theirs, the share that has failed by the end of a step.
    fn failed_upto(&self, step: usize) -> f64 {
        let well = self.well_before.get(step + 1).copied().unwrap_or(1.0 - self.fate.failed);
        if self.fate.failed > 0.0 { (1.0 - well) / self.fate.failed } else { 0.0 }
    }
}

/// Shares of calls by how they go wrong.
#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    refused: f64,
    cut: f64,
    /// A call it depends on went wrong.
    failed: f64,
    /// Its machine does not answer.
    stalled: f64,
}

impl Fate {
    fn wrong(&self) -> f64 {
        (self.refused + self.cut + self.failed + self.stalled).min(1.0)
    }
}

/// Numbers of calls by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Ends {
    /// Went through; those that took too long among them.
    through: f64,
    refused: f64,
    cut: f64,
    failed: f64,
    /// Given up by their callers before they were served.
    dropped: f64,
}

impl Fluid {
    /// Idle services without servers.
    pub fn new(graph: &Arc<ServiceGraph>, loads: Vec<FluidLoad>, streams: &Streams) -> Self {
        let plan = Plan::new(graph);
        let station = |_| Station { users: f64::INFINITY, arrivals_ca2: 1.0, ..Station::default() };
        let stations = (0..graph.stations.len()).map(station).collect();
        let operations = vec![Operation::default(); plan.operations.len()];
        let clients = Clients::new(&plan, loads);
        let probes = Probes::new(plan.operations.len());
        let mut fluid = Self {
            plan,
            servers: Vec::new(),
            free: Vec::new(),
            stations,
            operations,
            clients,
            strata: Strata::new(streams.of("fluid/probes")),
            probes,
            now: SimTime::ZERO,
            drained: Vec::new(),
            work_over: Vec::new(),
            tally: CallTally::default(),
            unrest: 0.0,
            stale: false,
            draining: false,
            machines: BTreeMap::new(),
            ways: BTreeMap::new(),
            ways_changed: true,
        };
        fluid.respond();
        fluid
    }

    /// Up to which instant everything has moved.
    #[must_use]
    pub const fn now(&self) -> SimTime {
        self.now
    }

    /// Moves everything on to `to`, while the loads do what `inflows` say, by load.
    pub fn advance(&mut self, to: SimTime, inflows: &[Inflow]) {
        if to <= self.now {
            return;
        }
        let dt_s = to.since(self.now).as_secs_f64();
        self.now = to;
        self.catch_up();
        self.share_machines();
        self.come(inflows, dt_s);
        self.move_stations(dt_s);
        self.respond();
        self.go(dt_s);
        self.follow_work();
        self.find_drained();
    }

    /// How far the last tick moved the responses: the next may be long when it is small.
    #[must_use]
    pub const fn unrest(&self) -> f64 {
        self.unrest
    }

    /// Draining servers that became empty since the last call.
    pub fn take_drained(&mut self, into: &mut Vec<PodId>) {
        into.append(&mut self.drained);
    }

    /// No iteration of the fluid model has a virtual user of its own.
    pub fn take_ended(&mut self, _: &mut Vec<IterationEnd>) {}

    /// Whether anything waits in [`Fluid::take_drained`].
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.drained.is_empty() || !self.work_over.is_empty()
    }

    /// Client calls so far, in whole calls; those that are told.
    #[must_use]
    pub fn tally(&self) -> CallTally {
        CallTally { begun: self.clients.begun().max(self.tally.ended()), ..self.tally }
    }

    /// What a load did so far.
    #[must_use]
    pub fn load_tally(&self, load: usize) -> LoadTally {
        self.clients.load_tally(load)
    }

    /// Virtual users of a load that are in an iteration.
    #[must_use]
    pub fn busy_users(&self, load: usize) -> f64 {
        self.clients.busy(load)
    }

    /// Client iterations under way.
    #[must_use]
    pub fn clients_inside(&self) -> usize {
        let loads = (0..self.clients.loads()).filter(|load| !self.clients.is_work(*load));
        let inside = loads.map(|load| self.clients.inside(load)).sum::<u64>();
        usize::try_from(inside).unwrap_or(usize::MAX)
    }

    /// Tells draining servers that have nothing inside any more: less than half a request.
    fn find_drained(&mut self) {
        if !self.draining {
            return;
        }
        let mut left = false;
        for server in self.servers.iter_mut().flatten() {
            if server.has_drained() {
                self.drained.push(server.pod);
            }
            left |= server.state == ServerState::Draining;
        }
        self.draining = left;
    }
}

/// A number of requests as a count.
fn count(number: f64) -> u32 {
    u32::try_from(round_u64(number.max(0.0))).unwrap_or(u32::MAX)
}

/// A time as a span, at most a century.
fn span(seconds: f64) -> SimDuration {
    SimDuration::from_secs_f64(seconds.clamp(0.0, 3.2e9))
}

/// The whole part of what is there, which is taken out of it.
fn whole(part: &mut f64) -> u64 {
    let taken = round_u64(libm::floor(part.max(0.0) + 1e-9));
    *part -= crate::units::convert::f64_from_u64(taken);
    taken
}

/// Number of elements as a float.
fn number(of: usize) -> f64 {
    crate::units::convert::f64_from_u64(u64_from_usize(of))
}
