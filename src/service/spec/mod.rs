//! Services as validated: stations, operations, the calls between them, and what clients do.

mod front;
mod job;
mod policy;
mod resources;

use std::sync::Arc;

use crate::engine::Dist;
use crate::model::id::{ClassId, OperationId, StationId, WorkloadId};
use crate::units::{Bytes, MilliCpu, SimDuration};

pub use front::{
    BouncerMode, BouncerSpec, ConnectionLimitSpec, ConnectionSpec, Hold, LimitKey, PoolSpec,
    RateLimitSpec,
};
pub use job::JobWork;
pub use policy::{
    BreakerSpec, HedgeSpec, Jitter, OnError, PolicySpec, RetryBudget, RetryOn, RetrySpec,
};

pub use resources::{CacheSpec, DiskSpec, IoSpec, LARGEST_IO_BYTES, LinkSpec, NetworkSpec};

/// All services of a scenario. Ids are positions in these lists.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceGraph {
    /// Stations.
    pub stations: Vec<StationSpec>,
    /// Operations of all stations.
    pub operations: Vec<OperationSpec>,
    /// Client iterations.
    pub classes: Vec<ClassSpec>,
    /// How places that make calls treat them, by number.
    pub policies: Vec<PolicySpec>,
    /// What calls take on the network; `None` is nothing.
    pub network: Option<NetworkSpec>,
}

/// A station: the pods of one workload and how each of them serves.
#[derive(Debug, Clone, PartialEq)]
pub struct StationSpec {
    /// Name of the service.
    pub name: Arc<str>,
    /// The workload whose ready pods serve; `None` for a service outside the cluster.
    pub workload: Option<WorkloadId>,
    /// How a pod serves.
    pub kind: StationKind,
    /// Waiting places of a pod beyond its concurrency; `None` is unlimited.
    pub backlog: Option<u32>,
    /// Container start to process up (s).
    pub start: Dist,
    /// Process up to ready to serve, e.g. a model load (s).
    pub warm_up: Option<Dist>,
    /// What an idle pod uses.
    pub idle_cpu: MilliCpu,
    /// What an idle pod holds.
    pub idle_memory: Bytes,
    /// Memory of each request inside.
    pub memory_per_request: Bytes,
    /// Memory a pod loses per hour of its life.
    pub memory_leak_per_hour: Bytes,
    /// How callers choose a pod.
    pub routing: Routing,
    /// A request whose caller gave up while it waited is worked on nevertheless, as by servers that
    /// do not look whether anybody still listens.
    pub works_on_abandoned: bool,
    /// A request that has waited longer when its turn comes is refused: load that is too late is shed.
    pub shed_after: Option<SimDuration>,
    /// Limit of the rate of requests.
    pub rate_limit: Option<RateLimitSpec>,
    /// Limit of requests inside at once.
    pub connection_limit: Option<ConnectionLimitSpec>,
    /// Limit of connections, for a data store.
    pub connections: Option<ConnectionSpec>,
    /// Pools of connections that its pods keep to others.
    pub pools: Vec<PoolSpec>,
    /// The volume of each pod.
    pub disk: Option<DiskSpec>,
    /// The link over which answers leave.
    pub link: Option<LinkSpec>,
    /// With [`Routing::Pinned`]: connections that each caller keeps, at least 1.
    pub pinned_connections: u32,
    /// With [`Routing::Pinned`]: a connection is made anew when it is so old.
    pub connection_age: Option<SimDuration>,
}

/// How a pod of a station serves.
#[derive(Debug, Clone, PartialEq)]
pub enum StationKind {
    /// CPU shared among the requests inside.
    Cpu(CpuSpec),
    /// A GPU that serves batches, behind the CPU of the pod.
    Gpu(GpuSpec),
    /// A worker that takes tasks from a broker's list.
    Worker(WorkerSpec),
    /// No pod: a pure delay.
    Delay,
}

/// A CPU station's pod.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpuSpec {
    /// Requests worked on at once; `None` is unlimited. With as many as cores it is a FIFO queue.
    pub concurrency: Option<u32>,
    /// Cores one request can use at most.
    pub threads_per_request: f64,
    /// Cores the process can use at all, below the pod's limit; `None` is the pod's limit.
    pub max_cores: Option<f64>,
    /// The limit is enforced in periods of 100 ms, as the kernel does; otherwise in the mean.
    pub exact_quota: bool,
}

/// A GPU station's pod.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuSpec {
    /// Items served at once.
    pub max_batch: u32,
    /// How long the first item waits for others.
    pub max_queue_delay: SimDuration,
    /// How long a batch takes.
    pub latency: BatchLatency,
}

/// Latency of a GPU batch by its size.
#[derive(Debug, Clone, PartialEq)]
pub enum BatchLatency {
    /// base + per item x n.
    Line {
        /// Part that does not depend on the size.
        base: SimDuration,
        /// Part of each item.
        per_item: SimDuration,
    },
    /// Measured points by size, ascending; between them linear, beyond the last proportional.
    Table(Vec<(u32, SimDuration)>),
}

/// A worker station's pod.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkerSpec {
    /// Tasks worked on at once.
    pub concurrency: u32,
    /// Unacknowledged tasks of a pod per place (multiplier); 0 is no limit. Tasks beyond those worked
    /// on wait in the pod, where no other pod can take them.
    pub prefetch: u32,
    /// Tasks are acknowledged when done, not when begun: a cut task is delivered again.
    pub late_acks: bool,
    /// A task that is not acknowledged for so long is delivered again, also while somebody works on it.
    pub visibility_timeout: SimDuration,
}

impl WorkerSpec {
    /// Celery's defaults over Redis: prefetch multiplier 4, early acknowledgement, an hour of visibility.
    #[must_use]
    pub const fn celery(concurrency: u32) -> Self {
        Self {
            concurrency,
            prefetch: 4,
            late_acks: false,
            visibility_timeout: SimDuration::from_secs(3_600),
        }
    }

    /// Unacknowledged tasks that a pod may hold.
    #[must_use]
    pub const fn reserve(&self) -> u32 {
        if self.prefetch == 0 { u32::MAX } else { self.concurrency.saturating_mul(self.prefetch) }
    }
}

/// How callers choose among the ready pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Routing {
    /// Any, each alike: kube-proxy.
    #[default]
    Random,
    /// One after another.
    RoundRobin,
    /// The one with the fewest requests inside; the first among equals in rotation.
    LeastRequests,
    /// The better of two drawn at random (Mitzenmacher 2001).
    PowerOfTwo,
    /// Over connections that stay open (HTTP/2, gRPC, pools): the pod is drawn when a connection is made,
    /// and kept until it ends.
    Pinned,
}

/// An operation of a station.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationSpec {
    /// The station.
    pub station: StationId,
    /// `service.operation`.
    pub name: Arc<str>,
    /// CPU demand: seconds of one core.
    pub cpu: Option<Dist>,
    /// Pure delay after the CPU part (s).
    pub wait: Option<Dist>,
    /// Work for the pod's disk.
    pub io: Option<IoSpec>,
    /// Answers that are kept.
    pub cache: Option<CacheSpec>,
    /// Work for the GPU.
    pub gpu: Option<GpuWork>,
    /// How long a batch of this model takes, in place of the station's.
    pub batch_latency: Option<BatchLatency>,
    /// Timeout of calls that state none.
    pub timeout: Option<SimDuration>,
    /// Size of the answer.
    pub payload: Bytes,
    /// Calls it makes, one step after another.
    pub steps: Vec<StepSpec>,
}

/// Work for a GPU.
#[derive(Debug, Clone, PartialEq)]
pub enum GpuWork {
    /// Items that share batches with others of the same operation.
    Items(u32),
    /// Time alone on the GPU (s).
    Time(Dist),
}

/// One step of an operation: calls made together, and awaited together.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSpec {
    /// The calls; more than one run in parallel.
    pub calls: Vec<CallSpec>,
}

/// A call to another operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallSpec {
    /// Which.
    pub operation: OperationId,
    /// How often, one after another.
    pub count: u32,
    /// How likely at all.
    pub probability: f64,
    /// How long the caller waits; `None` is for ever.
    pub timeout: Option<SimDuration>,
    /// Whether the caller waits.
    pub mode: CallMode,
    /// What a failure means for the caller.
    pub on_error: OnError,
    /// How it is treated, a number of [`ServiceGraph::policies`]; `None` is one plain attempt.
    pub policy: Option<u32>,
}

/// Whether a caller waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallMode {
    /// It waits.
    Wait,
    /// It hands the task to the broker and goes on.
    Enqueue,
}

/// What a client does in one iteration.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassSpec {
    /// Name.
    pub name: Arc<str>,
    /// Steps, one after another.
    pub steps: Vec<ClientStep>,
}

/// A step of a client's iteration.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientStep {
    /// Calls an operation and waits.
    Call {
        /// Which.
        operation: OperationId,
        /// How long it waits; `None` is for ever.
        timeout: Option<SimDuration>,
        /// Value of the `name` tag.
        name: Arc<str>,
        /// How it is treated, a number of [`ServiceGraph::policies`]; `None` is one plain attempt.
        policy: Option<u32>,
    },
    /// Pauses (s).
    Sleep(Dist),
}

impl StationSpec {
    /// Whether it limits, lends to or turns away single requests, which rates do not know.
    #[must_use]
    pub fn limits_single_requests(&self) -> bool {
        self.shed_after.is_some()
            || self.works_on_abandoned
            || self.rate_limit.is_some()
            || self.connection_limit.is_some()
            || self.connections.is_some()
            || !self.pools.is_empty()
    }

    /// A station outside the cluster, with unlimited waiting places and nothing else stated.
    #[must_use]
    pub fn plain(name: impl Into<Arc<str>>, kind: StationKind) -> Self {
        Self {
            name: name.into(),
            workload: None,
            kind,
            backlog: None,
            start: Dist::fixed(SimDuration::ZERO),
            warm_up: None,
            idle_cpu: MilliCpu(0),
            idle_memory: Bytes(0),
            memory_per_request: Bytes(0),
            memory_leak_per_hour: Bytes(0),
            routing: Routing::Random,
            works_on_abandoned: false,
            shed_after: None,
            rate_limit: None,
            connection_limit: None,
            connections: None,
            pools: Vec::new(),
            disk: None,
            link: None,
            pinned_connections: 1,
            connection_age: None,
        }
    }
}

impl OperationSpec {
    /// An operation that needs nothing.
    #[must_use]
    pub fn plain(station: StationId, name: impl Into<Arc<str>>) -> Self {
        Self {
            station,
            name: name.into(),
            cpu: None,
            wait: None,
            io: None,
            cache: None,
            gpu: None,
            batch_latency: None,
            timeout: None,
            payload: Bytes(0),
            steps: Vec::new(),
        }
    }
}

impl CallSpec {
    /// One plain call that is waited for as long as it takes.
    #[must_use]
    pub const fn to(operation: OperationId) -> Self {
        Self {
            operation,
            count: 1,
            probability: 1.0,
            timeout: None,
            mode: CallMode::Wait,
            on_error: OnError::Fail,
            policy: None,
        }
    }
}

impl ServiceGraph {
    /// A station by name.
    #[must_use]
    pub fn station_named(&self, name: &str) -> Option<StationId> {
        self.stations.iter().position(|station| &*station.name == name).map(StationId::at)
    }

    /// A class by name.
    #[must_use]
    pub fn class_named(&self, name: &str) -> Option<ClassId> {
        self.classes.iter().position(|class| &*class.name == name).map(ClassId::at)
    }

    /// The station that a workload's pods serve, if any.
    #[must_use]
    pub fn station_of(&self, workload: WorkloadId) -> Option<StationId> {
        self.stations.iter().position(|s| s.workload == Some(workload)).map(StationId::at)
    }

    /// What of these services the fluid model does not simulate, if anything: what single calls decide.
    #[must_use]
    pub fn beyond_rates(&self) -> Option<&'static str> {
        let calls = self.operations.iter().flat_map(|it| it.steps.iter().flat_map(|s| &s.calls));
        let passes = |call: &CallSpec| call.on_error == OnError::Pass;
        if !self.policies.is_empty() {
            return Some("retries, hedges, circuit breakers and other policies of calls");
        }
        if self.stations.iter().any(StationSpec::limits_single_requests) {
            return Some("limits of rates and connections, pools, and load that is shed");
        }
        if self.stations.iter().any(|station| station.routing == Routing::Pinned) {
            return Some("connections that stay open (routing: pinned)");
        }
        let exact = |station: &StationSpec| matches!(&station.kind, StationKind::Cpu(cpu) if cpu.exact_quota);
        if self.stations.iter().any(exact) {
            return Some("CPU quotas period by period (cfs: exact)");
        }
        calls.clone().any(passes).then_some("errors that are passed on (onError: pass)")
    }

    /// Mean CPU demand (core-seconds) that one iteration of a class puts on each station, calls of
    /// calls included: the service demand of queueing networks. Calls must not form a loop.
    #[must_use]
    pub fn cpu_demand_by_station(&self, class: ClassId) -> Vec<f64> {
        let mut visits = vec![0.0; self.operations.len()];
        for step in &self.classes[class.index()].steps {
            if let ClientStep::Call { operation, .. } = step {
                self.add_visits(*operation, 1.0, &mut visits);
            }
        }
        let mut demand = vec![0.0; self.stations.len()];
        for (operation, visits) in self.operations.iter().zip(visits) {
            demand[operation.station.index()] +=
                visits * operation.cpu.as_ref().map_or(0.0, Dist::mean);
        }
        demand
    }

    fn add_visits(&self, operation: OperationId, times: f64, visits: &mut [f64]) {
        visits[operation.index()] += times;
        let cache = self.operations[operation.index()].cache;
        let missed = cache.map_or(1.0, |cache| 1.0 - cache.hit_ratio);
        for call in self.operations[operation.index()].steps.iter().flat_map(|step| &step.calls) {
            self.add_visits(
                call.operation,
                times * missed * call.probability * f64::from(call.count),
                visits,
            );
        }
    }
}

impl BatchLatency {
    /// How long a batch of `items` takes.
    #[must_use]
    pub fn of(&self, items: u32) -> SimDuration {
        match self {
            Self::Line { base, per_item } => *base + *per_item * u64::from(items),
            Self::Table(points) => table_latency(points, items),
        }
    }
}

fn table_latency(points: &[(u32, SimDuration)], items: u32) -> SimDuration {
    let Some(after) = points.iter().position(|(size, _)| *size >= items) else {
        let (size, latency) = points.last().copied().expect("a table has points");
        return SimDuration::from_secs_f64(
            latency.as_secs_f64() * f64::from(items) / f64::from(size),
        );
    };
    let (right_size, right) = points[after];
    if right_size == items || after == 0 {
        return right;
    }
    let (left_size, left) = points[after - 1];
    let share = f64::from(items - left_size) / f64::from(right_size - left_size);
    let (low, high) = (left.as_secs_f64(), right.as_secs_f64());
    SimDuration::from_secs_f64(low + (high - low) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_latency_follows_line_or_table() {
        let ms = SimDuration::from_millis;
        let line = BatchLatency::Line { base: ms(4), per_item: ms(2) };
        assert_eq!(line.of(8), ms(20));
        let table = BatchLatency::Table(vec![(1, ms(3)), (8, ms(10)), (16, ms(15))]);
        assert_eq!(table.of(1), ms(3));
        assert_eq!(table.of(12), SimDuration::from_secs_f64(0.0125));
        assert_eq!(table.of(32), ms(30));
    }

    #[test]
    fn demand_adds_up_over_calls_of_calls() {
        let second = |value| Some(Dist::constant(value).expect("valid"));
        let operation = |station, cpu, calls| OperationSpec {
            cpu: second(cpu),
            steps: vec![StepSpec { calls }],
            ..OperationSpec::plain(StationId(station), "x")
        };
        let call = |operation, count, probability| CallSpec {
            count,
            probability,
            ..CallSpec::to(OperationId(operation))
        };
        let station = |name: &str| StationSpec::plain(name, StationKind::Delay);
        let graph = ServiceGraph {
            stations: vec![station("a"), station("b")],
            operations: vec![
                operation(0, 1.0, vec![call(1, 2, 0.5)]),
                operation(1, 3.0, vec![call(2, 1, 1.0)]),
                operation(1, 0.5, vec![]),
            ],
            classes: vec![ClassSpec {
                name: Arc::from("c"),
                steps: vec![ClientStep::Call {
                    operation: OperationId(0),
                    timeout: None,
                    name: Arc::from("n"),
                    policy: None,
                }],
            }],
            policies: Vec::new(),
            network: None,
        };
        assert_eq!(graph.cpu_demand_by_station(ClassId(0)), vec![1.0, 3.5]);
    }
}
