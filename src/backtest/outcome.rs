//! What a backtest found: figures over time as recorded and as simulated, their errors, totals, and the
//! decisions that differ with their cause.

use super::why::{difference, follows};
use crate::model::record::HpaSync;
use crate::units::SimTime;
use crate::units::convert::{ceil_u64, f64_from_usize, trunc_i32};

/// A figure over time, recorded and simulated at the same instants.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// What it is: `replicas/gateway`.
    pub what: String,
    /// Its unit.
    pub unit: &'static str,
    /// Whether it holds until the next instant (counts), or is measured around each.
    pub steps: bool,
    /// Instants (s), from the beginning of the day.
    pub times_s: Vec<f64>,
    /// As recorded; `None` in gaps.
    pub recorded: Vec<Option<f64>>,
    /// As simulated; `None` where nothing was measured.
    pub simulated: Vec<Option<f64>>,
}

/// How far a course is off, over the instants at which both are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// Instants at which both are known.
    pub instants: usize,
    /// Instants at which both are the same.
    pub equal: usize,
    /// Mean as recorded.
    pub recorded: f64,
    /// Mean as simulated.
    pub simulated: f64,
    /// Mean distance.
    pub mean_absolute: f64,
    /// Mean of simulated less recorded.
    pub bias: f64,
    /// The distance that 95 % of the instants keep.
    pub p95: f64,
    /// Largest distance.
    pub most: f64,
}

impl Course {
    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        let both = self.recorded.iter().zip(&self.simulated);
        both.filter_map(|(recorded, simulated)| Some(((*recorded)?, (*simulated)?)))
    }

    /// Its errors; `None` when there is no instant at which both are known.
    #[must_use]
    pub fn errors(&self) -> Option<Errors> {
        let mut distances: Vec<f64> =
            self.pairs().map(|(recorded, simulated)| (simulated - recorded).abs()).collect();
        if distances.is_empty() {
            return None;
        }
        distances.sort_by(f64::total_cmp);
        let count = f64_from_usize(distances.len());
        let mean = |of: &dyn Fn((f64, f64)) -> f64| self.pairs().map(of).sum::<f64>() / count;
        let rank = usize::try_from(ceil_u64(0.95 * count)).unwrap_or(1).clamp(1, distances.len());
        Some(Errors {
            instants: distances.len(),
            equal: distances.iter().filter(|it| **it < 1e-9).count(),
            recorded: mean(&|(recorded, _)| recorded),
            simulated: mean(&|(_, simulated)| simulated),
            mean_absolute: distances.iter().sum::<f64>() / count,
            bias: mean(&|(recorded, simulated)| simulated - recorded),
            p95: distances[rank - 1],
            most: distances[distances.len() - 1],
        })
    }

    /// Both over time (unit-hours), each instant until the next, where both are known.
    #[must_use]
    pub fn hours(&self) -> (f64, f64) {
        let spans = self.times_s.windows(2).map(|pair| (pair[1] - pair[0]) / 3_600.0);
        let both = self.recorded.iter().zip(&self.simulated).zip(spans);
        both.filter_map(|((recorded, simulated), hours)| {
            Some(((*recorded)? * hours, (*simulated)? * hours))
        })
        .fold((0.0, 0.0), |sums, hours| (sums.0 + hours.0, sums.1 + hours.1))
    }
}

/// A figure of the whole day.
#[derive(Debug, Clone, PartialEq)]
pub struct Total {
    /// What it is.
    pub what: String,
    /// Its unit.
    pub unit: &'static str,
    /// As recorded, where that is known.
    pub recorded: Option<f64>,
    /// As simulated, where that was measured.
    pub simulated: Option<f64>,
}

impl Total {
    /// Simulated less recorded, as a share of what was recorded.
    #[must_use]
    pub fn relative(&self) -> Option<f64> {
        let (recorded, simulated) = (self.recorded?, self.simulated?);
        (recorded.abs() > 1e-12).then(|| (simulated - recorded) / recorded)
    }
}

/// A moment at which record or simulation moves, after which they are not the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// Whose size it is: `replicas/gateway`.
    pub of: String,
    /// When (s).
    pub at_s: f64,
    /// Until it heals or another one takes its place (s).
    pub until_s: f64,
    /// The recorded size before and after.
    pub recorded: (i32, i32),
    /// The simulated size before and after.
    pub simulated: (i32, i32),
    /// The simulated decision, where there was one.
    pub ours: Option<HpaSync>,
    /// The rule, metric or thing outside that makes them differ.
    pub cause: String,
}

/// A day under one policy.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// The policy.
    pub policy: String,
    /// Figures over time.
    pub courses: Vec<Course>,
    /// Figures of the whole day.
    pub totals: Vec<Total>,
    /// Decisions that differ.
    pub divergences: Vec<Divergence>,
    /// Differences that healed within the time that is not told.
    pub healed: usize,
}

impl Outcome {
    /// Whether any size was recorded, so that decisions can be compared.
    #[must_use]
    pub fn has_sizes(&self) -> bool {
        let sizes = |course: &Course| matches!(course.unit, "pods" | "nodes");
        self.courses.iter().any(|course| sizes(course) && course.errors().is_some())
    }
}

/// A day under each policy; the first is as it was.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Backtest {
    /// Name of the day.
    pub name: String,
    /// The instant of the decisions' clock at which the day begins.
    pub begin: SimTime,
    /// By policy.
    pub outcomes: Vec<Outcome>,
    /// What is taken for granted, a sentence each.
    pub notes: Vec<String>,
}

fn whole(size: f64) -> i32 {
    trunc_i32(libm::round(size))
}

/// What is known of our decision that made the size at an instant (by position), and of the one that made the
/// recorded size.
pub type Decisions<'d> = dyn Fn(usize) -> (Option<HpaSync>, Option<HpaSync>) + 'd;

/// Moments at which sizes part, and how many of them healed within `grace_s`.
#[must_use]
pub fn divergences(
    course: &Course,
    grace_s: f64,
    decisions: &Decisions<'_>,
) -> (Vec<Divergence>, usize) {
    let sizes: Vec<(f64, i32, i32)> = (course.times_s.iter())
        .zip(course.recorded.iter().zip(&course.simulated))
        .filter_map(|(at, (recorded, simulated))| {
            Some((*at, whole((*recorded)?), whole((*simulated)?)))
        })
        .collect();
    let mut found: Vec<Divergence> = Vec::new();
    let mut healed = 0;
    let mut before: Option<(f64, i32, i32)> = None;
    for (position, &(at_s, recorded, simulated)) in sizes.iter().enumerate() {
        let (_, was_recorded, was_simulated) = before.unwrap_or((at_s, recorded, simulated));
        let moved = before.is_none() || (was_recorded, was_simulated) != (recorded, simulated);
        before = Some((at_s, recorded, simulated));
        if !moved {
            continue;
        }
        if let Some(open) = found.last_mut().filter(|it| it.until_s.is_infinite()) {
            open.until_s = at_s;
        }
        if recorded == simulated {
            continue;
        }
        let equal_again = sizes[position..].iter().find(|it| it.1 == it.2).map(|it| it.0);
        if equal_again.is_some_and(|equal| equal - at_s <= grace_s) {
            healed += 1;
            continue;
        }
        let (ours, theirs) = decisions(course.times_s.partition_point(|time| *time < at_s));
        found.push(Divergence {
            of: course.what.clone(),
            at_s,
            until_s: f64::INFINITY,
            recorded: (was_recorded, recorded),
            simulated: (was_simulated, simulated),
            cause: cause(ours.as_ref(), theirs.as_ref(), (was_recorded, recorded)),
            ours,
        });
    }
    let end = sizes.last().map_or(0.0, |last| last.0);
    for open in found.iter_mut().filter(|it| it.until_s.is_infinite()) {
        open.until_s = end;
    }
    (found, healed)
}

fn cause(
    ours: Option<&HpaSync>,
    theirs: Option<&HpaSync>,
    (before, recorded): (i32, i32),
) -> String {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => difference(ours, theirs),
        (Some(ours), None) if ours.current != before => {
            format!("with {} pods instead of {before}: {}", ours.current, follows(ours, recorded))
        }
        (Some(ours), None) => follows(ours, recorded),
        (None, _) => "no decision of an autoscaler stands behind the simulated size".to_owned(),
    }
}
