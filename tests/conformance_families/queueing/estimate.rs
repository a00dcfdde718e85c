//! Intervals from batch means.
//!
//! Every figure is a ratio of totals (seconds of response over requests, say). Its standard error
//! comes from the batches' deviations from the ratio, which are nearly independent when a batch is
//! much longer than what the queue remembers. Where it is known how much work arrives per second,
//! the work done in a batch is a control variate: a batch that happened to get more work than
//! expected explains part of its long waits (Lavenberg and Welch 1981). A quantile is checked
//! by the share of responses below it, and its width follows from the shares around it.

use std::fmt;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::WIDTH_FACTOR;
use super::case::Case;

/// Batches of the first look.
pub(super) const FIRST_BATCHES: usize = 100;

/// Error of the clock (a nanosecond per request) and of ten printed digits.
const RESOLUTION: f64 = 1e-6;

/// Figures that are quantiles of the response, with their probability.
pub(super) const QUANTILES: [(&str, f64); 3] =
    [("p50Response", 0.5), ("p95Response", 0.95), ("p99Response", 0.99)];

/// Totals of one batch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row {
    /// Length [s].
    pub(super) time: f64,
    /// Requests that arrived.
    pub(super) arrivals: f64,
    /// Of these, how many found all servers busy.
    pub(super) waited: f64,
    pub(super) refused: f64,
    pub(super) abandoned: f64,
    pub(super) completed: f64,
    /// Seconds of response.
    pub(super) took: f64,
    /// Core-seconds of work done.
    pub(super) busy: f64,
    /// Request-seconds inside the first station.
    pub(super) area: f64,
    /// Request-seconds of abandoned places in the queue.
    pub(super) ghost_area: f64,
    /// Responses below the lower bound, the expected value and the upper bound of each quantile.
    pub(super) below: [[f64; 3]; QUANTILES.len()],
}

/// The level of each of many intervals.
#[derive(Clone, Copy)]
pub(super) struct Level {
    tail: f64,
}

impl Level {
    /// So that all of `figures` intervals hold together but for `error`.
    pub(super) fn of_each(error: f64, figures: usize) -> Self {
        Self { tail: error / count(figures) / 2.0 }
    }

    fn t(self, freedom: f64) -> f64 {
        let t = StudentsT::new(0.0, 1.0, freedom).expect("some degrees of freedom");
        -t.inverse_cdf(self.tail)
    }
}

/// A figure with its interval.
pub(super) struct Estimate {
    expected: f64,
    value: f64,
    /// What is half the width of the interval, of what is shown.
    half: f64,
    /// By how much the width exceeds what is allowed.
    excess: f64,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, value, half, excess } = self;
        write!(f, "{value:.6} ± {half:.6} ({excess:.2} of the allowed width, ")?;
        write!(f, "expected {expected}, off by {:.2} half-widths)", (value - expected) / half)
    }
}

impl Estimate {
    pub(super) fn holds(&self) -> bool {
        (self.value - self.expected).abs() <= self.half
    }

    /// How many times longer one has to look for a narrow interval.
    pub(super) fn longer(&self) -> f64 {
        self.excess * self.excess
    }

    /// Half the width that is allowed, as a share of the figure.
    pub(super) fn allowed_half_width(case: &Case, figure: &str) -> f64 {
        let wide = figure == "p99Response" || case.load().is_some_and(|load| load > 0.9499);
        WIDTH_FACTOR * if wide { 0.025 } else { 0.01 }
    }
}

/// The estimate of a figure.
pub(super) fn of(case: &Case, figure: &str, expected: f64, rows: &[Row], level: Level) -> Estimate {
    let allowed = Estimate::allowed_half_width(case, figure);
    let ratio = |part: &dyn Fn(&Row) -> f64, whole: &dyn Fn(&Row) -> f64| {
        let control = |row: &Row| match (case.offered_cores(), case.arrival_rate) {
            _ if figure == "utilization" => 0.0,
            (Some(cores), _) => row.busy - cores * row.time,
            (None, Some(rate)) => row.arrivals - rate * row.time,
            (None, None) => 0.0,
        };
        Sums::of(rows.iter().map(|row| (part(row), whole(row), control(row)))).ratio(level)
    };
    if let Some(number) = QUANTILES.iter().position(|(name, _)| *name == figure) {
        let share = |bound: usize| {
            ratio(&move |row: &Row| row.below[number][bound], &|row: &Row| row.completed)
        };
        let [(low, _), (value, half), (high, _)] = [0, 1, 2].map(share);
        let expected = QUANTILES[number].1;
        return Estimate { expected, value, half, excess: half / ((high - low) / 2.0) };
    }
    let servers = case.cores().iter().sum::<f64>();
    let (value, half) = match figure {
        "utilization" => ratio(&|row| row.busy, &|row| row.time * servers),
        "waitProbability" => ratio(&|row| row.waited, &|row| row.arrivals),
        "meanWait" => ratio(&|row| row.took - row.busy, &|row| row.completed),
        "meanResponse" => ratio(&|row| row.took, &|row| row.completed),
        "meanInSystem" => ratio(&|row| row.area, &|row| row.time),
        "meanQueue" => ratio(&|row| row.area - row.busy - row.ghost_area, &|row| row.time),
        "lossProbability" => ratio(&|row| row.refused, &|row| row.arrivals),
        "abandonProbability" => ratio(&|row| row.abandoned, &|row| row.arrivals),
        "throughput" => ratio(&|row| row.completed, &|row| row.time),
        other => panic!("no figure {other} is known"),
    };
    let half = half.max(RESOLUTION * expected);
    Estimate { expected, value, half, excess: half / (allowed * expected) }
}

/// Sums over batches of a part, a whole and a control whose mean is zero.
struct Sums {
    rows: Vec<(f64, f64, f64)>,
}

impl Sums {
    fn of(rows: impl Iterator<Item = (f64, f64, f64)>) -> Self {
        Self { rows: rows.collect() }
    }

    /// Part over whole, and half the width of its interval.
    fn ratio(&self, level: Level) -> (f64, f64) {
        let n = count(self.rows.len());
        let mean =
            |value: &dyn Fn(&(f64, f64, f64)) -> f64| self.rows.iter().map(value).sum::<f64>() / n;
        let whole = mean(&|row| row.1);
        let raw = mean(&|row| row.0) / whole;
        let residual = |row: &(f64, f64, f64)| row.0 - raw * row.1;
        let mean_control = mean(&|row| row.2);
        let control = |row: &(f64, f64, f64)| row.2 - mean_control;
        let spread = n * mean(&|row| control(row) * control(row));
        let slope =
            if spread > 0.0 { n * mean(&|row| residual(row) * control(row)) / spread } else { 0.0 };
        let left = |row: &(f64, f64, f64)| residual(row) - slope * control(row);
        let variance = n * mean(&|row| left(row) * left(row)) / (n - 2.0);
        let luck = if spread > 0.0 { mean_control * mean_control / spread } else { 0.0 };
        let error = (variance * (1.0 / n + luck)).sqrt() / whole;
        (raw - slope * mean_control / whole, level.t(n - 2.0) * error)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of batches are small")]
pub(super) fn count(of: usize) -> f64 {
    of as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of batches is small and not negative"
)]
pub(super) fn rounded(batches: f64) -> usize {
    batches.ceil() as usize
}
