//! Thresholds on samples, followed while a run goes: what each interval and each window said.
//!
//! A threshold on a trend, a rate or a counter needs the samples of its own tags, interval by
//! interval; what is kept for the end of the run cannot tell when it was first violated. Gauges are
//! read from the series afterwards and are not followed here.

use std::collections::VecDeque;

use crate::metrics::calls::{Calls, ENDS, iteration_matches};
use crate::metrics::course::{CoursePoint, trend_value, workload_matches};
use crate::metrics::tally::{Precision, Tally};
use crate::model::id::{ClassId, LoadId, WorkloadId};
use crate::model::observer::CallEnd;
use crate::scenario::Scenario;
use crate::scenario::threshold::{Method, ThresholdSpec};
use crate::units::convert::f64_from_u64;
use crate::units::{SimDuration, SimTime};

/// Where the samples of a metric come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    CallDuration,
    CallFailed,
    CallChecked,
    Calls,
    ReceivedBytes,
    IterationDuration,
    Iterations,
    Dropped,
    TimeToScale,
    EvictionsBlocked,
    OomKills,
    NodesDisrupted,
    PodsDisrupted,
}

impl Source {
    fn of(metric: &str) -> Option<Self> {
        Some(match metric {
            "http_req_duration" | "http_req_waiting" => Self::CallDuration,
            "http_req_failed" => Self::CallFailed,
            "checks" => Self::CallChecked,
            "http_reqs" => Self::Calls,
            "data_received" => Self::ReceivedBytes,
            "iteration_duration" => Self::IterationDuration,
            "iterations" => Self::Iterations,
            "dropped_iterations" => Self::Dropped,
            "time_to_scale" => Self::TimeToScale,
            "evictions_blocked" => Self::EvictionsBlocked,
            "oom_kills" => Self::OomKills,
            "nodes_disrupted" => Self::NodesDisrupted,
            "pods_disrupted" => Self::PodsDisrupted,
            _ => return None,
        })
    }

    fn fold(self) -> Fold {
        match self {
            Self::CallDuration | Self::IterationDuration | Self::TimeToScale => {
                Fold::Trend(Tally::new(Precision::Coarse))
            }
            Self::CallFailed | Self::CallChecked => Fold::Share { hits: 0, of: 0 },
            Self::Calls
            | Self::ReceivedBytes
            | Self::Iterations
            | Self::Dropped
            | Self::EvictionsBlocked
            | Self::OomKills
            | Self::NodesDisrupted
            | Self::PodsDisrupted => Fold::Sum(0),
        }
    }

    fn is_of_calls(self) -> bool {
        match self {
            Self::CallDuration
            | Self::CallFailed
            | Self::CallChecked
            | Self::Calls
            | Self::ReceivedBytes => true,
            Self::IterationDuration
            | Self::Iterations
            | Self::Dropped
            | Self::TimeToScale
            | Self::EvictionsBlocked
            | Self::OomKills
            | Self::NodesDisrupted
            | Self::PodsDisrupted => false,
        }
    }
}

/// Samples of some stretch of time.
#[derive(Debug, Clone, PartialEq)]
enum Fold {
    Trend(Tally),
    Share { hits: u64, of: u64 },
    Sum(u64),
}

impl Fold {
    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Trend(tally), Self::Trend(other)) => tally.merge(other),
            (Self::Share { hits, of }, Self::Share { hits: more_hits, of: more }) => {
                *hits += more_hits;
                *of += more;
            }
            (Self::Sum(sum), Self::Sum(more)) => *sum += more,
            (Self::Trend(_) | Self::Share { .. } | Self::Sum(_), _) => {
                unreachable!("the folds of one watch are of one kind")
            }
        }
    }

    fn settle(&mut self) {
        if let Self::Trend(tally) = self {
            tally.settle();
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Trend(tally) => tally.clear(),
            Self::Share { hits, of } => (*hits, *of) = (0, 0),
            Self::Sum(sum) => *sum = 0,
        }
    }

    /// The figure of a method over a stretch of this length.
    fn value(&self, method: Method, span: SimDuration) -> Option<f64> {
        match self {
            Self::Trend(tally) => trend_value(tally, method),
            Self::Share { of: 0, .. } => None,
            Self::Share { hits, of } => Some(f64_from_u64(*hits) / f64_from_u64(*of)),
            Self::Sum(sum) if method == Method::Rate => {
                (!span.is_zero()).then(|| f64_from_u64(*sum) / span.as_secs_f64())
            }
            Self::Sum(sum) => Some(f64_from_u64(*sum)),
        }
    }
}

/// One threshold that is followed.
#[derive(Debug, Clone, PartialEq)]
struct Watch {
    /// Position among the scenario's thresholds.
    threshold: usize,
    source: Source,
    method: Method,
    window: Option<SimDuration>,
    interval: Fold,
    total: Fold,
    /// The last intervals and their lengths, as many as the window needs.
    recent: VecDeque<(SimDuration, Fold)>,
    course: Vec<CoursePoint>,
}

impl Watch {
    /// Takes in `count` samples that are alike.
    fn add(&mut self, took: SimDuration, hit: bool, (amount, count): (u64, u64)) {
        match &mut self.interval {
            Fold::Trend(tally) => tally.record_many(took, count),
            Fold::Share { hits, of } => {
                *hits += if hit { count } else { 0 };
                *of += count;
            }
            Fold::Sum(sum) => *sum += amount * count,
        }
    }

    /// The interval since `from` ends; both counted from the start of measuring.
    fn close(&mut self, from: SimDuration, to: SimDuration) {
        let span = to.saturating_sub(from);
        self.interval.settle();
        self.total.merge(&self.interval);
        let current = match self.window {
            None => self.interval.value(self.method, span),
            Some(window) => self.window_value(window, span),
        };
        self.course.push(CoursePoint {
            from,
            to,
            total: self.total.value(self.method, to),
            current,
        });
        self.interval.clear();
    }

    /// The figure over the last intervals that make up a window; `None` until it is full.
    fn window_value(&mut self, window: SimDuration, span: SimDuration) -> Option<f64> {
        self.recent.push_back((span, self.interval.clone()));
        let mut covered: SimDuration = self.recent.iter().map(|(span, _)| *span).sum();
        while let Some((oldest, _)) = self.recent.front()
            && covered.saturating_sub(*oldest) >= window
        {
            covered = covered.saturating_sub(*oldest);
            self.recent.pop_front();
        }
        if covered < window {
            return None;
        }
        let mut fold = self.source.fold();
        self.recent.iter().for_each(|(_, interval)| fold.merge(interval));
        fold.value(self.method, covered)
    }

    fn clear(&mut self) {
        self.interval.clear();
        self.total.clear();
        self.recent.clear();
        self.course.clear();
    }
}

/// All thresholds that are followed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Watches {
    watches: Vec<Watch>,
    /// Watches of each cell and end of calls.
    of_calls: Vec<Box<[usize]>>,
    /// Watches of iterations, by load then class.
    of_iterations: Vec<Box<[usize]>>,
    /// Watches of dropped iterations, by load.
    of_drops: Vec<Box<[usize]>>,
    /// Watches of scale-ups, by workload.
    of_scaling: Vec<Box<[usize]>>,
    classes: usize,
}

impl Watches {
    pub(super) fn new(scenario: &Scenario, calls: &Calls) -> Self {
        let mut watches = Vec::new();
        for (threshold, spec) in scenario.thresholds.iter().enumerate() {
            if let Some(source) = Source::of(spec.metric().name()) {
                watches.push(Watch {
                    threshold,
                    source,
                    method: spec.expression().method,
                    window: spec.terms().window,
                    interval: source.fold(),
                    total: source.fold(),
                    recent: VecDeque::new(),
                    course: Vec::new(),
                });
            }
        }
        let pick = |wanted: &dyn Fn(Source, &ThresholdSpec) -> bool| -> Box<[usize]> {
            let spec = |watch: &Watch| &scenario.thresholds[watch.threshold];
            let all = watches.iter().enumerate();
            all.filter(|(_, w)| wanted(w.source, spec(w))).map(|(position, _)| position).collect()
        };
        let mut of_calls = Vec::with_capacity(calls.len() * ENDS.len());
        for cell in 0..calls.len() {
            for end in ENDS {
                of_calls.push(pick(&|source, spec| {
                    source.is_of_calls() && calls.matches(scenario, spec.metric(), cell, end)
                }));
            }
        }
        let classes = scenario.services.classes.len();
        let mut of_iterations = Vec::new();
        let mut of_drops = Vec::new();
        for load in (0..scenario.loads.len()).map(LoadId::at) {
            of_drops.push(pick(&|source, spec| {
                source == Source::Dropped && iteration_matches(scenario, spec.metric(), load, None)
            }));
            for class in (0..classes).map(ClassId::at) {
                of_iterations.push(pick(&|source, spec| {
                    matches!(source, Source::Iterations | Source::IterationDuration)
                        && iteration_matches(scenario, spec.metric(), load, Some(class))
                }));
            }
        }
        let of_scaling = (0..scenario.workloads.len())
            .map(|workload| {
                pick(&|source, spec| {
                    source == Source::TimeToScale
                        && workload_matches(scenario, spec.metric(), WorkloadId::at(workload))
                })
            })
            .collect();
        Self { watches, of_calls, of_iterations, of_drops, of_scaling, classes }
    }

    /// `count` calls of a cell that ended alike, each with an answer of so many bytes.
    pub(super) fn call(
        &mut self,
        cell: usize,
        (end, took): (CallEnd, SimDuration),
        bytes: u64,
        count: u64,
    ) {
        for position in &self.of_calls[cell * ENDS.len() + end.number()] {
            let watch = &mut self.watches[*position];
            let (hit, amount) = match watch.source {
                Source::CallFailed => (end.is_failure(), 0),
                Source::CallChecked => (!end.is_failure(), 0),
                Source::ReceivedBytes => (false, if end.is_failure() { 0 } else { bytes }),
                Source::CallDuration
                | Source::Calls
                | Source::IterationDuration
                | Source::Iterations
                | Source::Dropped
                | Source::TimeToScale
                | Source::EvictionsBlocked
                | Source::OomKills
                | Source::NodesDisrupted
                | Source::PodsDisrupted => (false, 1),
            };
            watch.add(took, hit, (amount, count));
        }
    }

    pub(super) fn iteration(
        &mut self,
        load: LoadId,
        class: ClassId,
        took: SimDuration,
        count: u64,
    ) {
        for position in &self.of_iterations[load.index() * self.classes + class.index()] {
            self.watches[*position].add(took, true, (1, count));
        }
    }

    pub(super) fn dropped(&mut self, load: LoadId, count: u64) {
        for position in &self.of_drops[load.index()] {
            self.watches[*position].add(SimDuration::ZERO, true, (1, count));
        }
    }

    pub(super) fn scaled(&mut self, workload: WorkloadId, took: SimDuration) {
        for position in &self.of_scaling[workload.index()] {
            self.watches[*position].add(took, true, (1, 1));
        }
    }

    pub(super) fn eviction_blocked(&mut self) {
        self.counted(Source::EvictionsBlocked);
    }

    pub(super) fn oom_kill(&mut self) {
        self.counted(Source::OomKills);
    }

    pub(super) fn node_disrupted(&mut self) {
        self.counted(Source::NodesDisrupted);
    }

    pub(super) fn pod_disrupted(&mut self) {
        self.counted(Source::PodsDisrupted);
    }

    fn counted(&mut self, source: Source) {
        for watch in self.watches.iter_mut().filter(|watch| watch.source == source) {
            watch.add(SimDuration::ZERO, true, (1, 1));
        }
    }

    /// An interval ends.
    pub(super) fn close(&mut self, start: SimTime, from: SimTime, to: SimTime) {
        for watch in &mut self.watches {
            watch.close(from.since(start), to.since(start));
        }
    }

    pub(super) fn clear(&mut self) {
        self.watches.iter_mut().for_each(Watch::clear);
    }

    /// What a threshold was at every interval; `None` for one that is not followed.
    pub(super) fn course(&self, threshold: usize) -> Option<&[CoursePoint]> {
        let watch = self.watches.iter().find(|watch| watch.threshold == threshold)?;
        Some(&watch.course)
    }
}
