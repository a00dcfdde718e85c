//! Client calls and iterations, folded by who made them, and selected by k6's tags.

use crate::load::LoadSpec;
use crate::metrics::tally::{Precision, Tally};
use crate::model::id::{ClassId, LoadId, OperationId};
use crate::model::observer::{CallEnd, ClientCall};
use crate::scenario::Scenario;
use crate::scenario::threshold::MetricSelector;
use crate::service::spec::ClientStep;
use crate::units::SimDuration;
use crate::units::convert::index;

/// Every way a call can end, in the order of [`EndCounts`].
pub const ENDS: [CallEnd; 8] = CallEnd::ALL;

/// How many calls ended in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndCounts {
    /// Answered well.
    pub completed: u64,
    /// Not answered in time.
    pub timed_out: u64,
    /// Refused: no ready pod, or backlog full.
    pub refused: u64,
    /// The pod died with the request inside.
    pub cut: u64,
    /// Answered with an error, because a call it depends on failed.
    pub failed: u64,
    /// Turned away by a limit of rate.
    pub limited: u64,
    /// Not sent, because the caller's circuit breaker was open.
    pub short_circuited: u64,
    /// The caller left.
    pub abandoned: u64,
}

impl EndCounts {
    /// The count of one way.
    pub fn of_mut(&mut self, end: CallEnd) -> &mut u64 {
        match end {
            CallEnd::Completed => &mut self.completed,
            CallEnd::TimedOut => &mut self.timed_out,
            CallEnd::Refused => &mut self.refused,
            CallEnd::Cut => &mut self.cut,
            CallEnd::Failed => &mut self.failed,
            CallEnd::Limited => &mut self.limited,
            CallEnd::ShortCircuited => &mut self.short_circuited,
            CallEnd::Abandoned => &mut self.abandoned,
        }
    }

    /// All calls.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.completed + self.failures()
    }

    /// Those that k6 counts as failed.
    #[must_use]
    pub const fn failures(&self) -> u64 {
        let Self { completed: _, timed_out, refused, cut, failed, .. } = *self;
        timed_out + refused + cut + failed + self.limited + self.short_circuited + self.abandoned
    }
}

/// The HTTP status that k6 would tag a call with; `0` is a connection that broke.
#[must_use]
pub const fn status_of(end: CallEnd) -> &'static str {
    end.status()
}

/// Calls of some selection.
#[derive(Debug, Clone, PartialEq)]
pub struct CallFigures {
    /// Durations of all of them, however they ended, as k6's `http_req_duration`.
    pub durations: Tally,
    /// How they ended.
    pub ends: EndCounts,
    /// Payload of the answers that arrived (bytes).
    pub received_bytes: u64,
}

/// Iterations of some selection.
#[derive(Debug, Clone, PartialEq)]
pub struct IterationFigures {
    /// Durations, pauses included: k6's `iteration_duration`.
    pub durations: Tally,
    /// Arrivals that found no virtual user: k6's `dropped_iterations`.
    pub dropped: u64,
}

/// The calls of one step of one class of one load.
#[derive(Debug, Clone, PartialEq)]
struct CallCell {
    load: LoadId,
    class: ClassId,
    step: usize,
    operation: OperationId,
    payload_bytes: u64,
    /// Durations by the way of ending, in the order of [`ENDS`]; made when first needed.
    by_end: [Option<Box<Tally>>; ENDS.len()],
}

/// All calls of a run, by load, class, step and end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Calls {
    cells: Vec<CallCell>,
    /// Position of the first step of each class within a load's cells.
    first_step: Vec<usize>,
    steps_per_load: usize,
}

impl Calls {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let classes = &scenario.services.classes;
        let mut first_step = Vec::with_capacity(classes.len());
        let mut steps_per_load = 0;
        for class in classes {
            first_step.push(steps_per_load);
            steps_per_load += class.steps.len();
        }
        let mut cells = Vec::with_capacity(steps_per_load * scenario.loads.len());
        for load in 0..scenario.loads.len() {
            for (class, spec) in classes.iter().enumerate() {
                for (step, what) in spec.steps.iter().enumerate() {
                    let operation = match what {
                        ClientStep::Call { operation, .. } => *operation,
                        // Never called: a place that keeps positions simple.
                        ClientStep::Sleep(_) => OperationId(0),
                    };
                    let payload = scenario.services.operations.get(operation.index());
                    cells.push(CallCell {
                        load: LoadId::at(load),
                        class: ClassId::at(class),
                        step,
                        operation,
                        payload_bytes: payload
                            .and_then(|operation| u64::try_from(operation.payload.0).ok())
                            .unwrap_or(0),
                        by_end: [const { None }; ENDS.len()],
                    });
                }
            }
        }
        Self { cells, first_step, steps_per_load }
    }

    /// Number of cells.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cell of a call.
    pub(super) fn cell_of(&self, call: &ClientCall) -> usize {
        call.load.index() * self.steps_per_load
            + self.first_step[call.class.index()]
            + index(u32::from(call.step))
    }

    pub(super) fn record(&mut self, cell: usize, end: CallEnd, took: SimDuration, count: u64) {
        self.cells[cell].by_end[end.number()]
            .get_or_insert_with(|| Box::new(Tally::new(Precision::Fine)))
            .record_many(took, count);
    }

    pub(super) fn clear(&mut self) {
        for tally in self.cells.iter_mut().flat_map(|cell| &mut cell.by_end).flatten() {
            tally.clear();
        }
    }

    /// Folds what waits, for reading.
    pub(super) fn settle(&mut self) {
        for tally in self.cells.iter_mut().flat_map(|cell| &mut cell.by_end).flatten() {
            tally.settle();
        }
    }

    /// Payload of an answer of a cell (bytes).
    pub(super) fn payload_bytes(&self, cell: usize) -> u64 {
        self.cells[cell].payload_bytes
    }

    /// Whether calls of a cell that end so carry every tag of a selector.
    pub(super) fn matches(
        &self,
        scenario: &Scenario,
        selector: &MetricSelector,
        cell: usize,
        end: CallEnd,
    ) -> bool {
        let cell = &self.cells[cell];
        selector.matches(|key| cell.tag(scenario, end, key))
    }

    /// Everything that a selector selects.
    pub(super) fn select(&self, scenario: &Scenario, selector: &MetricSelector) -> CallFigures {
        self.fold(|cell, end| selector.matches(|key| cell.tag(scenario, end, key)))
    }

    /// How many calls failed or took longer than their objective, and how many there were. Of several
    /// objectives the one with most tags counts, of equally many the strictest.
    pub(super) fn missed(
        &self,
        scenario: &Scenario,
        objectives: &[(&MetricSelector, f64)],
    ) -> (u64, u64) {
        let (mut missed, mut all) = (0, 0);
        for cell in &self.cells {
            for (end, tally) in ENDS.into_iter().zip(&cell.by_end) {
                let Some(tally) = tally else { continue };
                all += tally.count();
                if end.is_failure() {
                    missed += tally.count();
                    continue;
                }
                let apply = objectives
                    .iter()
                    .filter(|(selector, _)| selector.matches(|key| cell.tag(scenario, end, key)));
                let mine = apply.min_by(|one, other| {
                    let tags = |it: &MetricSelector| it.tags().count();
                    tags(other.0).cmp(&tags(one.0)).then(one.1.total_cmp(&other.1))
                });
                missed += mine.map_or(0, |(_, limit_ms)| tally.count_above_ms(*limit_ms));
            }
        }
        (missed, all)
    }

    /// All calls.
    pub(super) fn all(&self) -> CallFigures {
        self.fold(|_, _| true)
    }

    fn fold(&self, wanted: impl Fn(&CallCell, CallEnd) -> bool) -> CallFigures {
        let mut figures = CallFigures {
            durations: Tally::new(Precision::Fine),
            ends: EndCounts::default(),
            received_bytes: 0,
        };
        for cell in &self.cells {
            for (end, tally) in ENDS.into_iter().zip(&cell.by_end) {
                if let Some(tally) = tally
                    && wanted(cell, end)
                {
                    figures.durations.merge(tally);
                    *figures.ends.of_mut(end) += tally.count();
                    if end == CallEnd::Completed {
                        figures.received_bytes += tally.count() * cell.payload_bytes;
                    }
                }
            }
        }
        figures
    }
}

impl CallCell {
    /// The value of a tag of its calls, by k6's names and ours (`class`, `service`, `operation`).
    fn tag<'a>(&self, scenario: &'a Scenario, end: CallEnd, key: &str) -> Option<&'a str> {
        let services = &scenario.services;
        let operation = || services.operations.get(self.operation.index());
        match key {
            "scenario" => Some(scenario.loads[self.load.index()].name()),
            "class" => Some(&services.classes[self.class.index()].name),
            "name" => match &services.classes[self.class.index()].steps[self.step] {
                ClientStep::Call { name, .. } => Some(name),
                ClientStep::Sleep(_) => None,
            },
            "operation" => operation().map(|operation| &*operation.name),
            "service" => {
                operation().map(|operation| &*services.stations[operation.station.index()].name)
            }
            "status" => Some(status_of(end)),
            "expected_response" => Some(if end.is_failure() { "false" } else { "true" }),
            _ => None,
        }
    }
}

/// All iterations of a run, by load and class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Iterations {
    classes: usize,
    /// By load, then class; made when first needed.
    durations: Vec<Option<Box<Tally>>>,
    /// By load.
    dropped: Vec<u64>,
}

impl Iterations {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let classes = scenario.services.classes.len();
        let loads = scenario.loads.len();
        Self { classes, durations: vec![None; classes * loads], dropped: vec![0; loads] }
    }

    pub(super) fn record(&mut self, load: LoadId, class: ClassId, took: SimDuration, count: u64) {
        self.durations[load.index() * self.classes + class.index()]
            .get_or_insert_with(|| Box::new(Tally::new(Precision::Fine)))
            .record_many(took, count);
    }

    pub(super) fn drop(&mut self, load: LoadId, count: u64) {
        self.dropped[load.index()] += count;
    }

    /// Folds what waits, for reading.
    pub(super) fn settle(&mut self) {
        self.durations.iter_mut().flatten().for_each(|tally| tally.settle());
    }

    pub(super) fn clear(&mut self) {
        self.durations.iter_mut().flatten().for_each(|tally| tally.clear());
        self.dropped.fill(0);
    }

    /// Iterations of the loads and classes that a filter wants; a dropped one has no class yet.
    pub(super) fn fold(
        &self,
        wanted: impl Fn(LoadId, Option<ClassId>) -> bool,
    ) -> IterationFigures {
        let mut figures = IterationFigures { durations: Tally::new(Precision::Fine), dropped: 0 };
        for (position, dropped) in self.dropped.iter().enumerate() {
            let load = LoadId::at(position);
            if wanted(load, None) {
                figures.dropped += dropped;
            }
            for class in 0..self.classes {
                if let Some(tally) = &self.durations[position * self.classes + class]
                    && wanted(load, Some(ClassId::at(class)))
                {
                    figures.durations.merge(tally);
                }
            }
        }
        figures
    }
}

/// Whether iterations of a load and class carry every tag of a selector.
pub(super) fn iteration_matches(
    scenario: &Scenario,
    selector: &MetricSelector,
    load: LoadId,
    class: Option<ClassId>,
) -> bool {
    selector.matches(|key| match key {
        "scenario" => scenario.loads.get(load.index()).map(LoadSpec::name),
        "class" => class.map(|class| &*scenario.services.classes[class.index()].name),
        _ => None,
    })
}
