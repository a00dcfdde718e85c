//! The folding: what a run tells, taken in at once and kept in constant memory.

use crate::load::draft::Executor;
use crate::metrics::calls::{
    CallFigures, Calls, EndCounts, IterationFigures, Iterations, iteration_matches,
};
use crate::metrics::course::{Aborted, CoursePoint, News};
use crate::metrics::node_time::NodeTime;
use crate::metrics::placed::Placed;
use crate::metrics::scaling::Scaling;
use crate::metrics::series::{CallsPoint, Series, StationPoint, TrafficPoint};
use crate::metrics::start_up::{StartUpWatch, StartUps};
use crate::metrics::tally::{Precision, Tally};
use crate::metrics::watch::Watches;
use crate::model::Reason;
use crate::model::action::PodDeletion;
use crate::model::id::{ClassId, LoadId, OperationId, PoolId, StationId, WorkloadId};
use crate::model::observer::{ClientCall, Observer, OperationEnd, Sample};
use crate::model::record::Record;
use crate::scenario::Scenario;
use crate::scenario::threshold::{Method, MetricSelector, Operator};
use crate::units::convert::f64_from_u64;
use crate::units::{SimDuration, SimTime};

/// What a run measured, from the end of the warm-up on.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurements {
    calls: Calls,
    iterations: Iterations,
    stations: Vec<StationFigures>,
    series: Series,
    watches: Watches,
    scaling: Scaling,
    start_ups: StartUpWatch,
    node_time: NodeTime,
    placed: Placed,
    evictions_blocked: u64,
    oom_kills: u64,
    nodes_disrupted: u64,
    pods_disrupted: u64,
    vus_max: u32,
    /// Virtual users that are initialised before anything begins.
    vus_pre_allocated: u32,
    /// Since the last sample.
    interval: Interval,
    start: SimTime,
    end: SimTime,
    measuring: bool,
    /// Distributions of single services and intervals are kept.
    distributed: bool,
    /// The threshold that ended the run, if one did.
    aborted: Option<Aborted>,
    /// Samples there were when thresholds were last asked whether they end the run.
    judged_samples: usize,
}

/// What ended at a station.
#[derive(Debug, Clone, PartialEq)]
pub struct StationFigures {
    /// From arrival at the station to the end, calls of its own included; however it ended.
    pub sojourns: Tally,
    /// How they ended.
    pub ends: EndCounts,
    /// Over the whole run, warm-up included, for Little's law: how many ended …
    pub whole_run_ended: u64,
    /// … and the sum of their sojourns (ns).
    pub whole_run_sojourn_ns: u128,
}

/// What ended since the last sample.
#[derive(Debug, Clone, PartialEq)]
struct Interval {
    since: SimTime,
    calls: Ended,
    stations: Vec<Ended>,
    iterations: u64,
    dropped: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Ended {
    count: u64,
    failed: u64,
    /// `None` where nobody asks how long they took.
    durations: Option<Tally>,
}

impl Ended {
    fn new(distributed: bool) -> Self {
        let durations = distributed.then(|| Tally::new(Precision::Coarse));
        Self { count: 0, failed: 0, durations }
    }

    fn add(&mut self, took: SimDuration, failed: bool, count: u64) {
        self.count += count;
        self.failed += if failed { count } else { 0 };
        if let Some(durations) = &mut self.durations {
            durations.record_many(took, count);
        }
    }

    fn clear(&mut self) {
        (self.count, self.failed) = (0, 0);
        if let Some(durations) = &mut self.durations {
            durations.clear();
        }
    }

    /// Reads and forgets.
    fn take(&mut self, per_second: f64) -> CallsPoint {
        let completed = self.count - self.failed;
        let [p50_ms, p95_ms, p99_ms] = self.durations.as_mut().map_or([None; 3], |durations| {
            durations.settle();
            durations.percentiles_ms([50.0, 95.0, 99.0])
        });
        let point = CallsPoint {
            completed_per_second: f64_from_u64(completed) * per_second,
            failed_per_second: f64_from_u64(self.failed) * per_second,
            p50_ms,
            p95_ms,
            p99_ms,
        };
        self.clear();
        point
    }
}

impl Interval {
    fn clear(&mut self, now: SimTime) {
        self.since = now;
        self.calls.clear();
        self.stations.iter_mut().for_each(Ended::clear);
        self.iterations = 0;
        self.dropped = 0;
    }
}

impl Measurements {
    /// Ready to observe a run of a scenario. What is heard before the warm-up ends is left out of
    /// everything but the laws of the whole run.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self::with(scenario, true)
    }

    /// The same without distributions of single services and intervals: sojourns stay empty, and percentiles
    /// of series unknown. Whatever thresholds ask for is kept.
    #[must_use]
    pub fn for_figures(scenario: &Scenario) -> Self {
        Self::with(scenario, false)
    }

    fn with(scenario: &Scenario, distributed: bool) -> Self {
        let stations = scenario.services.stations.len();
        let calls = Calls::new(scenario);
        let fresh = StationFigures {
            sojourns: Tally::new(Precision::Fine),
            ends: EndCounts::default(),
            whole_run_ended: 0,
            whole_run_sojourn_ns: 0,
        };
        Self {
            watches: Watches::new(scenario, &calls),
            calls,
            iterations: Iterations::new(scenario),
            stations: vec![fresh; stations],
            series: Series::new(scenario.workloads.len(), stations, scenario.pools.len()),
            scaling: Scaling::new(scenario.workloads.len()),
            start_ups: StartUpWatch::new(),
            node_time: NodeTime::new(scenario.pools.len()),
            placed: Placed::default(),
            evictions_blocked: 0,
            oom_kills: 0,
            nodes_disrupted: 0,
            pods_disrupted: 0,
            vus_max: 0,
            vus_pre_allocated: scenario
                .loads
                .iter()
                .map(|load| initialised_vus(load.executor()))
                .fold(0, u32::saturating_add),
            interval: Interval {
                since: SimTime::ZERO,
                calls: Ended::new(distributed),
                stations: vec![Ended::new(distributed); stations],
                iterations: 0,
                dropped: 0,
            },
            start: SimTime::ZERO,
            end: SimTime::ZERO,
            measuring: false,
            distributed,
            aborted: None,
            judged_samples: 0,
        }
    }

    /// The run has come to an instant at which thresholds are asked; `None` before measuring.
    pub(super) fn come_to(&mut self, at: SimTime) -> Option<News> {
        if !self.measuring {
            return None;
        }
        self.end = at;
        let samples = self.series.times.len();
        let before = std::mem::replace(&mut self.judged_samples, samples);
        Some(if before == samples { News::Counted } else { News::Sampled })
    }

    /// A threshold ends the run where it has come to.
    pub(super) fn abort(&mut self, threshold: usize) {
        self.aborted = Some(Aborted { threshold, after: self.measured() });
    }

    /// The threshold that ended the run early, if one did.
    #[must_use]
    pub const fn aborted(&self) -> Option<Aborted> {
        self.aborted
    }

    /// The run is over: node-hours count up to its end, and the last interval closes. Nothing may
    /// be told afterwards.
    pub fn finish(&mut self, end: SimTime) {
        self.node_time.advance(end);
        if self.measuring && end > self.interval.since {
            self.watches.close(self.start, self.interval.since, end);
        }
        self.end = end;
        self.calls.settle();
        self.iterations.settle();
        self.stations.iter_mut().for_each(|station| station.sojourns.settle());
    }

    /// How long was measured; right after [`Measurements::finish`].
    #[must_use]
    pub fn measured(&self) -> SimDuration {
        self.end.since(self.start)
    }

    /// When measuring began, counted from the start of the run.
    #[must_use]
    pub const fn start(&self) -> SimTime {
        self.start
    }

    /// What was sampled at even intervals.
    #[must_use]
    pub const fn series(&self) -> &Series {
        &self.series
    }

    /// All client calls.
    #[must_use]
    pub fn calls(&self) -> CallFigures {
        self.calls.all()
    }

    /// Client calls with the tags of a selector: `scenario` (a load), `class`, `name`, `service`,
    /// `operation`, `status`, `expected_response`.
    #[must_use]
    pub fn calls_of(&self, scenario: &Scenario, selector: &MetricSelector) -> CallFigures {
        self.calls.select(scenario, selector)
    }

    /// Share of the client calls that failed or took longer than their objective: the limit of the
    /// `http_req_duration` threshold that names them most closely. `None` without a call.
    ///
    /// A threshold such as `p(95)<500` says that 500 ms are the objective and that a twentieth of the
    /// calls may miss it; the share that misses it tells more than the percentile does, and a mean of
    /// it over runs means something.
    #[must_use]
    pub fn objective_miss(&self, scenario: &Scenario) -> Option<f64> {
        let of_durations = scenario.thresholds.iter().filter(|spec| {
            let bound = spec.expression();
            let upper = matches!(bound.operator, Operator::Less | Operator::LessOrEqual);
            let whole = matches!(bound.method, Method::Percentile(_) | Method::Med | Method::Max);
            spec.metric().name() == "http_req_duration" && upper && whole
        });
        let objectives: Vec<_> =
            of_durations.map(|spec| (spec.metric(), spec.expression().value)).collect();
        let (missed, all) = self.calls.missed(scenario, &objectives);
        (all > 0).then(|| f64_from_u64(missed) / f64_from_u64(all))
    }

    /// All iterations.
    #[must_use]
    pub fn iterations(&self) -> IterationFigures {
        self.iterations.fold(|_, _| true)
    }

    /// Iterations with the tags of a selector: `scenario` (a load), `class`.
    #[must_use]
    pub fn iterations_of(
        &self,
        scenario: &Scenario,
        selector: &MetricSelector,
    ) -> IterationFigures {
        self.iterations.fold(|load, class| iteration_matches(scenario, selector, load, class))
    }

    /// What ended at a station.
    #[must_use]
    pub fn station(&self, station: StationId) -> &StationFigures {
        &self.stations[station.index()]
    }

    /// From the decision to scale a workload up to each of its new pods being ready.
    #[must_use]
    pub fn time_to_scale(&self, workload: WorkloadId) -> &Tally {
        self.scaling.of(workload)
    }

    /// Paid time of a pool's nodes, summed over the nodes: from the request of the instance to its
    /// end, within the measured time.
    #[must_use]
    pub fn node_time(&self, pool: PoolId) -> SimDuration {
        self.node_time.of(pool)
    }

    /// Paid time of a pool's nodes [node-nanoseconds], exact.
    pub fn node_time_by_kind(&self, pool: PoolId) -> impl Iterator<Item = (&str, bool, u128)> {
        self.node_time.by_kind(pool)
    }

    /// What workloads asked for and used on each pool.
    #[must_use]
    pub const fn placed(&self) -> &Placed {
        &self.placed
    }

    /// Evictions that a budget refused; a drain that tries again counts each time.
    #[must_use]
    pub const fn evictions_blocked(&self) -> u64 {
        self.evictions_blocked
    }

    /// From pending to serving: pods of a workload that waited for a machine, when there were any.
    #[must_use]
    pub fn start_ups(&self, workload: WorkloadId) -> Option<&StartUps> {
        self.start_ups.of(workload)
    }

    /// Containers that were killed because they held more memory than their limit.
    #[must_use]
    pub const fn oom_kills(&self) -> u64 {
        self.oom_kills
    }

    /// Nodes that an autoscaler decided to take away, for whatever reason.
    #[must_use]
    pub const fn nodes_disrupted(&self) -> u64 {
        self.nodes_disrupted
    }

    /// Pods that an autoscaler made leave a node that it takes away.
    #[must_use]
    pub const fn pods_disrupted(&self) -> u64 {
        self.pods_disrupted
    }

    /// Most virtual users that were initialised at a time.
    #[must_use]
    pub const fn vus_max(&self) -> u32 {
        self.vus_max
    }

    /// Takes in a fact about the control plane.
    pub fn note(&mut self, at: SimTime, record: &Record) {
        self.start_ups.note(at, record);
        match record {
            Record::WorkloadScaled { workload, from, to } => {
                self.scaling.scaled(at, *workload, *from, *to);
            }
            Record::PodCreated { pod, workload, .. } => self.scaling.pod_created(*pod, *workload),
            Record::PodBecameReady(pod) => {
                if let Some((workload, took)) = self.scaling.pod_ready(at, *pod) {
                    self.watches.scaled(workload, took);
                }
            }
            Record::PodTerminating { pod, because } => {
                self.scaling.pod_lost(*pod);
                if matches!(because, PodDeletion::NodeScaleDown | PodDeletion::NodeDisruption) {
                    self.pods_disrupted += 1;
                    self.watches.pod_disrupted();
                }
            }
            Record::PodGone(pod) => self.scaling.pod_lost(*pod),
            Record::NodeDisrupted { .. }
            | Record::Decided { reason: Reason::ScaleDown { .. }, .. } => {
                self.nodes_disrupted += 1;
                self.watches.node_disrupted();
            }
            Record::NodeRequested { node, pool } => self.node_time.requested(*node, *pool),
            Record::NodeLaunched { node, machine } => self.node_time.launched(at, *node, machine),
            Record::NodeReclaimed(node) | Record::NodeGone(node) => self.node_time.gone(at, *node),
            Record::EvictionRefused { .. } => {
                self.evictions_blocked += 1;
                self.watches.eviction_blocked();
            }
            Record::ContainerDied { why, .. } if why.is_oom_kill() => {
                self.oom_kills += 1;
                self.watches.oom_kill();
            }
            Record::ContainerDied { .. }
            | Record::WorkloadCreated(_)
            | Record::WorkloadDeleted(_)
            | Record::TasksInterrupted { .. }
            | Record::WorkloadUpdated { .. }
            | Record::RolloutEnded(..)
            | Record::JobStarted { .. }
            | Record::JobEnded { .. }
            | Record::JobSkipped(_)
            | Record::PodForbidden { .. }
            | Record::PodEnded { .. }
            | Record::ReplicaSetCreated(..)
            | Record::PodUnschedulable { .. }
            | Record::PodBound { .. }
            | Record::PodImagesPulled { .. }
            | Record::PodStarted(_)
            | Record::PodBecameUnready(_)
            | Record::BudgetChanged { .. }
            | Record::NodeLaunchFailed { .. }
            | Record::NodeRegistered(_)
            | Record::NodeBecameReady(_)
            | Record::NodeGpusAllocatable(_)
            | Record::NodeCordoned(_)
            | Record::NodeUncordoned(_)
            | Record::NodeLost(_)
            | Record::NodeRecovered(_)
            | Record::NodeRemoving(_)
            | Record::NodeUnneeded { .. }
            | Record::HpaSynced(..)
            | Record::Decided { .. }
            | Record::AutoscalerStatus(_)
            | Record::DisruptionBegan(_)
            | Record::DisruptionEnded(_)
            | Record::Announced { .. } => {}
        }
    }

    /// What a threshold on samples was at every interval; `None` for a gauge.
    pub(super) fn course(&self, threshold: usize) -> Option<&[CoursePoint]> {
        self.watches.course(threshold)
    }
}

/// Virtual users that k6 initialises before a load begins. The shapes that k6 does not have start
/// them as they are needed.
fn initialised_vus(executor: &Executor) -> u32 {
    match executor {
        Executor::ConstantArrivalRate { vus, .. } | Executor::RampingArrivalRate { vus, .. } => {
            vus.pre_allocated
        }
        Executor::ConstantVus { vus, .. }
        | Executor::SharedIterations { vus, .. }
        | Executor::PerVuIterations { vus, .. } => *vus,
        Executor::RampingVus { start_vus, stages, .. } => {
            stages.iter().map(|stage| stage.target).fold(*start_vus, u32::max)
        }
        Executor::Diurnal(_) | Executor::Spike(_) | Executor::Step { .. } => 0,
    }
}

impl Observer for Measurements {
    fn record(&mut self, at: SimTime, record: Record) {
        self.note(at, &record);
    }

    fn call_ended(&mut self, at: SimTime, call: &ClientCall) {
        self.calls_ended(at, call, 1);
    }

    fn operation_ended(&mut self, at: SimTime, operation: OperationId, ended: &OperationEnd) {
        self.operations_ended(at, operation, ended, 1);
    }

    fn iteration_ended(&mut self, at: SimTime, load: LoadId, class: ClassId, took: SimDuration) {
        self.iterations_ended(at, load, class, took, 1);
    }

    fn iteration_dropped(&mut self, at: SimTime, load: LoadId) {
        self.iterations_dropped(at, load, 1);
    }

    fn calls_ended(&mut self, _: SimTime, call: &ClientCall, count: u64) {
        if !self.measuring {
            return;
        }
        let cell = self.calls.cell_of(call);
        self.calls.record(cell, call.end, call.took, count);
        let bytes = self.calls.payload_bytes(cell);
        self.watches.call(cell, (call.end, call.took), bytes, count);
        self.interval.calls.add(call.took, call.end.is_failure(), count);
    }

    fn operations_ended(&mut self, _: SimTime, _: OperationId, ended: &OperationEnd, count: u64) {
        let OperationEnd { station: id, took, end } = *ended;
        let station = &mut self.stations[id.index()];
        station.whole_run_ended += count;
        station.whole_run_sojourn_ns += u128::from(took.as_nanos()) * u128::from(count);
        if self.measuring {
            if self.distributed {
                station.sojourns.record_many(took, count);
            }
            *station.ends.of_mut(end) += count;
            self.interval.stations[id.index()].add(took, end.is_failure(), count);
        }
    }

    fn iterations_ended(
        &mut self,
        _: SimTime,
        load: LoadId,
        class: ClassId,
        took: SimDuration,
        count: u64,
    ) {
        if self.measuring {
            self.iterations.record(load, class, took, count);
            self.watches.iteration(load, class, took, count);
            self.interval.iterations += count;
        }
    }

    fn iterations_dropped(&mut self, _: SimTime, load: LoadId, count: u64) {
        if self.measuring {
            self.iterations.drop(load, count);
            self.watches.dropped(load, count);
            self.interval.dropped += count;
        }
    }

    fn sample(&mut self, at: SimTime, sample: &Sample) {
        if !self.measuring {
            return;
        }
        let elapsed_s = at.since(self.interval.since).as_secs_f64();
        // The first sample is taken when measuring begins: no time has passed, nothing has ended.
        let per_second = if elapsed_s > 0.0 { 1.0 / elapsed_s } else { 0.0 };
        if elapsed_s > 0.0 {
            self.watches.close(self.start, self.interval.since, at);
        }
        self.series.times.push(at.since(self.start));
        self.series.traffic.push(TrafficPoint {
            offered_per_second: sample.offered_per_second,
            iterations_per_second: f64_from_u64(self.interval.iterations) * per_second,
            dropped_per_second: f64_from_u64(self.interval.dropped) * per_second,
            calls: self.interval.calls.take(per_second),
            virtual_users: sample.virtual_users,
        });
        for workload in &sample.workloads {
            self.series.workloads[workload.workload.index()].push(*workload);
        }
        for state in &sample.stations {
            let position = state.station.index();
            let ended = self.interval.stations[position].take(per_second);
            self.series.stations[position].push(StationPoint { state: *state, ended });
        }
        for (series, pool) in self.series.pools.iter_mut().zip(&sample.pools) {
            series.push(*pool);
        }
        let budgets = &mut self.series.budgets;
        budgets.resize_with(sample.budgets.len().max(budgets.len()), Vec::new);
        for (series, allowed) in budgets.iter_mut().zip(&sample.budgets) {
            series.push(*allowed);
        }
        self.placed.take(sample);
        self.series.pods_pending.push(sample.pods_pending);
        self.vus_max = self.vus_max.max(sample.virtual_users).max(self.vus_pre_allocated);
        self.interval.clear(at);
    }

    fn warm_up_ended(&mut self, at: SimTime) {
        self.measuring = true;
        self.start = at;
        self.end = at;
        self.calls.clear();
        self.iterations.clear();
        self.watches.clear();
        self.scaling.clear();
        self.start_ups.clear();
        self.node_time.restart(at);
        self.evictions_blocked = 0;
        self.oom_kills = 0;
        (self.nodes_disrupted, self.pods_disrupted) = (0, 0);
        self.interval.clear(at);
    }
}
