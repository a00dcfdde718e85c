//! Runs of one scenario, many at a time: the only room with threads.
//!
//! Floor 9. A run is a sweep of one. Replications differ only in their random streams; each is
//! computed on its own, and results are collected by index, so that the bytes of a result do not
//! depend on how many threads computed it.

pub mod bench;
pub mod cell;
pub mod figures;
pub mod grid;
pub mod hindsight;
pub mod interval;
pub mod paired;
pub mod size;

use rayon::prelude::*;

use crate::alerts::{AlertWatch, Alerted};
use crate::metrics::little::Held;
use crate::metrics::{Cost, LittleLaw, Measurements, ThresholdResult, judge, little};
use crate::model::id::{ClassId, LoadId, OperationId};
use crate::model::observer::{ClientCall, Observer, OperationEnd, Sample};
use crate::model::record::Record;
use crate::promql::Labels;
use crate::scenario::Scenario;
use crate::sim::{Outcome, RunOptions, StationOutcome, simulate};
use crate::trace::{History, Keep};
use crate::units::{SimDuration, SimTime};

pub use figures::{Figures, Measure};
pub use interval::MeanInterval;
pub use paired::Paired;

/// Everything about one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunResult {
    /// Which replication of the seed.
    pub replication: u64,
    /// What the run left behind.
    pub outcome: Outcome,
    /// What it measured.
    pub measurements: Measurements,
    /// What the control plane did.
    pub history: History,
    /// Each threshold of the scenario, judged.
    pub thresholds: Vec<ThresholdResult>,
    /// What became of alerts.
    pub alerts: Alerted,
    /// What it cost.
    pub cost: Cost,
    /// Little's law at each station.
    pub little: Vec<LittleLaw>,
}

/// How runs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepOptions {
    /// Root of all chance.
    pub seed: u64,
    /// How many replications, from replication 0 on.
    pub runs: u32,
    /// Threads; 0 is one per core.
    pub jobs: usize,
    /// How much of what repeats itself is kept in the history.
    pub keep: Keep,
    /// Check the cluster's invariants after every control-plane event.
    pub check_invariants: bool,
    /// Nobody reads distributions of single services and intervals, as reports do: they are not kept.
    pub figures_only: bool,
}

impl SweepOptions {
    /// One run of a seed on one thread.
    #[must_use]
    pub const fn single(seed: u64) -> Self {
        Self {
            seed,
            runs: 1,
            jobs: 1,
            keep: Keep::Changes,
            check_invariants: false,
            figures_only: false,
        }
    }

    /// One run of a seed on one thread, of which only figures are read.
    #[must_use]
    pub const fn for_figures(seed: u64) -> Self {
        Self { figures_only: true, ..Self::single(seed) }
    }
}

/// How far the runs have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A run has come to an instant.
    Reached {
        /// Which run.
        replication: u64,
        /// The instant, on its own clock.
        at: SimTime,
    },
    /// A run is over.
    Finished,
}

/// Why no run was made.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {jobs} threads: {source}")]
pub struct SweepError {
    jobs: usize,
    source: rayon::ThreadPoolBuildError,
}

/// Runs a scenario so many times. Results are in the order of replications and the same for any
/// number of threads. `progress` is called now and then, from any thread, and must not write where
/// results go.
///
/// # Errors
/// When the operating system gives no threads.
pub fn evaluate(
    scenario: &Scenario,
    options: SweepOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<RunResult>, SweepError> {
    with_threads(options.jobs, || {
        (0..u64::from(options.runs))
            .into_par_iter()
            .map(|replication| {
                let result = run(scenario, options, replication, progress);
                progress(Progress::Finished);
                result
            })
            .collect()
    })
}

/// Does work that may spread over so many threads; 0 is one per core.
///
/// # Errors
/// When the operating system gives no threads.
pub fn with_threads<T: Send>(
    jobs: usize,
    work: impl FnOnce() -> T + Send,
) -> Result<T, SweepError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .build()
        .map_err(|source| SweepError { jobs, source })?;
    Ok(pool.install(work))
}

/// Does the same for every item, on the threads at hand; results are in the order of the items.
pub fn each<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync + Send) -> Vec<T> {
    items.par_iter().map(work).collect()
}

/// The figures of so many replications, on the threads at hand. Only the figures are kept.
#[must_use]
pub fn figures(
    scenario: &Scenario,
    seed: u64,
    replications: std::ops::Range<u64>,
    strict: bool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Vec<Figures> {
    let replications: Vec<u64> = replications.collect();
    let scenario = &scenario.unwatched();
    each(&replications, |replication| {
        let result = run(scenario, SweepOptions::for_figures(seed), *replication, progress);
        progress(Progress::Finished);
        Figures::of(scenario, &result, strict)
    })
}

/// One run, on this thread.
#[must_use]
pub fn run(
    scenario: &Scenario,
    options: SweepOptions,
    replication: u64,
    progress: &(dyn Fn(Progress) + Sync),
) -> RunResult {
    let run =
        RunOptions { seed: options.seed, replication, check_invariants: options.check_invariants };
    let mut recorder = Recorder {
        history: History::new(scenario, options.keep),
        measurements: if options.figures_only {
            Measurements::for_figures(scenario)
        } else {
            Measurements::new(scenario)
        },
        scenario,
        alerts: AlertWatch::new(scenario),
        replication,
        progress,
    };
    let outcome = simulate(scenario, run, &mut recorder);
    let Recorder { history, mut measurements, alerts, .. } = recorder;
    let end = outcome.ended;
    measurements.finish(end);
    let held =
        |station: &StationOutcome| Held { area_s: station.inside_area_s, inside: station.inside };
    RunResult {
        replication,
        thresholds: judge::judge(scenario, &measurements),
        alerts: alerts.finish(end),
        cost: Cost::of(scenario, &measurements),
        little: little::of_run(scenario, outcome.stations.iter().map(held), &measurements),
        outcome,
        measurements,
        history,
    }
}

/// Passes everything on to those who keep it: decisions to the history, figures to the measurements.
struct Recorder<'a> {
    scenario: &'a Scenario,
    history: History,
    measurements: Measurements,
    alerts: AlertWatch,
    replication: u64,
    progress: &'a (dyn Fn(Progress) + Sync),
}

impl Observer for Recorder<'_> {
    fn record(&mut self, at: SimTime, record: Record) {
        self.measurements.note(at, &record);
        self.history.record(at, record);
    }

    fn call_ended(&mut self, at: SimTime, call: &ClientCall) {
        self.measurements.call_ended(at, call);
        self.alerts.calls_ended(call, 1);
    }

    fn operation_ended(&mut self, at: SimTime, operation: OperationId, ended: &OperationEnd) {
        self.measurements.operation_ended(at, operation, ended);
        self.alerts.operations_ended(operation, ended, 1);
    }

    fn iteration_ended(&mut self, at: SimTime, load: LoadId, class: ClassId, took: SimDuration) {
        self.measurements.iteration_ended(at, load, class, took);
    }

    fn iteration_dropped(&mut self, at: SimTime, load: LoadId) {
        self.measurements.iteration_dropped(at, load);
    }

    fn calls_ended(&mut self, at: SimTime, call: &ClientCall, count: u64) {
        self.measurements.calls_ended(at, call, count);
        self.alerts.calls_ended(call, count);
    }

    fn operations_ended(
        &mut self,
        at: SimTime,
        operation: OperationId,
        ended: &OperationEnd,
        count: u64,
    ) {
        self.measurements.operations_ended(at, operation, ended, count);
        self.alerts.operations_ended(operation, ended, count);
    }

    fn iterations_ended(
        &mut self,
        at: SimTime,
        load: LoadId,
        class: ClassId,
        took: SimDuration,
        count: u64,
    ) {
        self.measurements.iterations_ended(at, load, class, took, count);
    }

    fn iterations_dropped(&mut self, at: SimTime, load: LoadId, count: u64) {
        self.measurements.iterations_dropped(at, load, count);
    }

    fn sample(&mut self, at: SimTime, sample: &Sample) {
        self.measurements.sample(at, sample);
        self.history.sample(at, sample);
        (self.progress)(Progress::Reached { replication: self.replication, at });
    }

    fn scraped(&mut self, at: SimTime, series: Vec<(Labels, f64)>) {
        self.alerts.scraped(at, series);
    }

    fn warm_up_ended(&mut self, at: SimTime) {
        self.measurements.warm_up_ended(at);
        self.history.warm_up_ended(at);
    }

    fn ends_run(&mut self, at: SimTime) -> bool {
        judge::abort(self.scenario, &mut self.measurements, at)
    }
}

/// A threshold over all runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdAcross {
    /// Runs in which it was met.
    pub passes: u32,
    /// All runs.
    pub runs: u32,
    /// Mean of the observed figures with its interval; `None` when no run observed one.
    pub observed: Option<MeanInterval>,
}

/// Each threshold of a scenario over all runs. Without samples counts as `strict` says.
#[must_use]
pub fn thresholds_across(results: &[RunResult], strict: bool) -> Vec<ThresholdAcross> {
    let thresholds = results.first().map_or(0, |result| result.thresholds.len());
    (0..thresholds)
        .map(|position| {
            let of_runs = || results.iter().map(|result| &result.thresholds[position]);
            let observed: Vec<f64> = of_runs().filter_map(ThresholdResult::observed).collect();
            let passed = of_runs().filter(|result| result.is_met(strict)).count();
            ThresholdAcross {
                passes: crate::units::convert::count_u32(passed),
                runs: crate::units::convert::count_u32(results.len()),
                observed: MeanInterval::of(&observed),
            }
        })
        .collect()
}
