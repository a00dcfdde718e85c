//! Those who watch a run: they are told everything once and can change nothing.

use rust_decimal::Decimal;

use crate::model::id::{ClassId, LoadId, OperationId, PoolId, StationId, WorkloadId};
use crate::model::record::Record;
use crate::promql::Labels;
use crate::units::{SimDuration, SimTime};

/// What a run tells while it goes. Requests are told where they end, and are folded by whoever
/// listens: nobody keeps them.
pub trait Observer {
    /// A fact about the control plane.
    fn record(&mut self, at: SimTime, record: Record);
    /// A client's call ended: k6's `http_req_*`.
    fn call_ended(&mut self, at: SimTime, call: &ClientCall);
    /// An operation of a service ended, for whichever caller.
    fn operation_ended(&mut self, at: SimTime, operation: OperationId, ended: &OperationEnd);
    /// A client's iteration ended: k6's `iterations`.
    fn iteration_ended(&mut self, at: SimTime, load: LoadId, class: ClassId, took: SimDuration);
    /// An arrival found no free virtual user: k6's `dropped_iterations`.
    fn iteration_dropped(&mut self, at: SimTime, load: LoadId);
    /// A caller tries an operation again, or sends a hedge. Who does not count them need not listen.
    fn call_repeated(&mut self, _at: SimTime, _operation: OperationId, _hedge: bool) {}
    /// `count` calls that ended alike: what the fluid model tells.
    fn calls_ended(&mut self, at: SimTime, call: &ClientCall, count: u64) {
        (0..count).for_each(|_| self.call_ended(at, call));
    }
    /// `count` operations that ended alike.
    fn operations_ended(
        &mut self,
        at: SimTime,
        operation: OperationId,
        ended: &OperationEnd,
        count: u64,
    ) {
        (0..count).for_each(|_| self.operation_ended(at, operation, ended));
    }
    /// `count` iterations that ended alike.
    fn iterations_ended(
        &mut self,
        at: SimTime,
        load: LoadId,
        class: ClassId,
        took: SimDuration,
        count: u64,
    ) {
        (0..count).for_each(|_| self.iteration_ended(at, load, class, took));
    }
    /// `count` arrivals that found no free virtual user.
    fn iterations_dropped(&mut self, at: SimTime, load: LoadId, count: u64) {
        (0..count).for_each(|_| self.iteration_dropped(at, load));
    }
    /// The state at a sampling instant.
    fn sample(&mut self, at: SimTime, sample: &Sample);
    /// Prometheus scraped the exporters of the cluster: all series that they show, with their names
    /// among the labels. Who evaluates no rules need not listen.
    fn scraped(&mut self, _at: SimTime, _series: Vec<(Labels, f64)>) {}
    /// Measuring begins: what was seen before was warm-up.
    fn warm_up_ended(&mut self, at: SimTime);
    /// Whether the run ends here. Asked every two seconds of the measured time by runs that
    /// something may end early; who judges nothing never ends one.
    fn ends_run(&mut self, _at: SimTime) -> bool {
        false
    }
}

/// A client's call that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientCall {
    /// Load it belongs to.
    pub load: LoadId,
    /// Class of the iteration.
    pub class: ClassId,
    /// Which step of the class: finds the name tag.
    pub step: u16,
    /// The operation called.
    pub operation: OperationId,
    /// From call to answer.
    pub took: SimDuration,
    /// How it ended.
    pub end: CallEnd,
}

/// How a call ended for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallEnd {
    /// Answered well.
    Completed,
    /// Not answered within the timeout (504).
    TimedOut,
    /// Refused: no ready pod, or backlog full (503).
    Refused,
    /// The pod died with the request inside.
    Cut,
    /// Answered with an error, because a call it depends on failed (500).
    Failed,
    /// Turned away by a limit of rate (429).
    Limited,
    /// Not sent: the caller's circuit breaker is open.
    ShortCircuited,
    /// Its caller left, or did not need the answer any more (499).
    Abandoned,
}

impl CallEnd {
    /// Every way a call can end, in the order of [`CallEnd::number`].
    pub const ALL: [Self; 8] = [
        Self::Completed,
        Self::TimedOut,
        Self::Refused,
        Self::Cut,
        Self::Failed,
        Self::Limited,
        Self::ShortCircuited,
        Self::Abandoned,
    ];

    /// Its place in [`CallEnd::ALL`].
    #[must_use]
    pub const fn number(self) -> usize {
        match self {
            Self::Completed => 0,
            Self::TimedOut => 1,
            Self::Refused => 2,
            Self::Cut => 3,
            Self::Failed => 4,
            Self::Limited => 5,
            Self::ShortCircuited => 6,
            Self::Abandoned => 7,
        }
    }

    /// The HTTP status that a client sees; `0` is a connection that broke.
    #[must_use]
    pub const fn status(self) -> &'static str {
        match self {
            Self::Completed => "200",
            Self::TimedOut => "504",
            Self::Refused | Self::ShortCircuited => "503",
            Self::Cut => "0",
            Self::Failed => "500",
            Self::Limited => "429",
            Self::Abandoned => "499",
        }
    }

    /// Whether k6 counts it as failed.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self != Self::Completed
    }
}

/// An operation that ended at a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationEnd {
    /// The station that served it.
    pub station: StationId,
    /// From arrival at the station to the end, calls of its own included.
    pub took: SimDuration,
    /// How it ended.
    pub end: CallEnd,
}

/// The state of everything at a sampling instant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// Offered iterations per second, summed over loads.
    pub offered_per_second: f64,
    /// Virtual users that are busy.
    pub virtual_users: u32,
    /// Each workload.
    pub workloads: Vec<WorkloadSample>,
    /// Each station.
    pub stations: Vec<StationSample>,
    /// Each pool.
    pub pools: Vec<PoolSample>,
    /// Who lies where: pools and workloads that have a pod in common.
    pub placed: Vec<PlacedSample>,
    /// Pods that are not bound.
    pub pods_pending: u32,
    /// `status.disruptionsAllowed` of each budget; `None` where the object is not there.
    pub budgets: Vec<Option<i32>>,
}

/// A workload at a sampling instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkloadSample {
    /// Which.
    pub workload: WorkloadId,
    /// Wanted replicas.
    pub desired: i32,
    /// Ready pods.
    pub ready: u32,
    /// Pods that are not bound.
    pub pending: u32,
    /// All pods that are not terminating.
    pub active: u32,
    /// Mean cores used since the last sample, over all pods.
    pub cpu_cores: f64,
    /// Cores requested by its pods.
    pub cpu_requested_cores: f64,
    /// Cores its ready pods may use: their limits, the whole machine where there is none, and what a full
    /// machine leaves them where that is less.
    pub cpu_limit_cores: f64,
    /// Memory used, over all pods (bytes).
    pub memory_bytes: f64,
    /// Memory requested by its pods (bytes).
    pub memory_requested_bytes: f64,
    /// How much CPU limits held up its pods since the run began; `None` where that is not known.
    pub cfs: Option<CfsCounts>,
}

/// What cAdvisor counts of CPU limits: `container_cpu_cfs_periods_total`,
/// `container_cpu_cfs_throttled_periods_total` and `container_cpu_cfs_throttled_seconds_total`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CfsCounts {
    /// Periods in which processes with a limit ran.
    pub periods: f64,
    /// Periods in which they were stopped.
    pub throttled_periods: f64,
    /// How long they were stopped (s).
    pub throttled_s: f64,
}

/// A station at a sampling instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StationSample {
    /// Which.
    pub station: StationId,
    /// The workload whose pods serve it.
    pub workload: Option<WorkloadId>,
    /// Requests waiting: in backlogs, for a GPU, or in the broker's list.
    pub waiting: u32,
    /// Requests inside, waiting ones among them.
    pub inside: u32,
    /// Share of GPU time used since the last sample, over ready pods; `None` without GPUs.
    pub gpu_busy: Option<f64>,
}

impl Sample {
    /// Share of GPU time in use at the service of a workload.
    #[must_use]
    pub fn gpu_busy_of(&self, workload: WorkloadId) -> Option<f64> {
        let mut of = self.stations.iter().filter(|it| it.workload == Some(workload));
        of.find_map(|station| station.gpu_busy)
    }
}

/// The pods of a workload on the nodes of a pool at a sampling instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlacedSample {
    /// Which pool.
    pub pool: PoolId,
    /// Whose pods.
    pub workload: WorkloadId,
    /// Cores they request.
    pub cpu_requested_cores: f64,
    /// Mean cores they used since the last sample.
    pub cpu_cores: f64,
    /// Memory they request (bytes).
    pub memory_requested_bytes: f64,
    /// Memory they use (bytes).
    pub memory_bytes: f64,
    /// GPUs they request.
    pub gpus_requested: i64,
}

/// A pool at a sampling instant.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PoolSample {
    /// Nodes that are paid for: those whose machine runs, ready or not.
    pub nodes: u32,
    /// What they cost per hour; `None` when a price is unknown.
    pub paid_per_hour: Option<Decimal>,
    /// Nodes that are ready.
    pub ready: u32,
    /// Cores requested by bound pods.
    pub cpu_requested_cores: f64,
    /// Cores that ready nodes offer to pods.
    pub cpu_allocatable_cores: f64,
    /// Memory requested by bound pods (bytes).
    pub memory_requested_bytes: f64,
    /// Memory that ready nodes offer to pods (bytes).
    pub memory_allocatable_bytes: f64,
    /// GPUs requested by bound pods.
    pub gpus_requested: i64,
    /// GPUs that ready nodes offer.
    pub gpus_allocatable: i64,
}
