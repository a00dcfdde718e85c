//! Functions of a series over a range.

use crate::promql::numbers::{quantile, same, sum};
use crate::units::convert::{f64_from_i64, f64_from_usize};

/// The samples of a series within a range: after its beginning, up to its end, at least one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) points: &'a [(i64, f64)],
}

impl Window<'_> {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|(_, value)| *value)
    }

    fn count(&self) -> f64 {
        f64_from_usize(self.points.len())
    }

    fn mean(&self) -> f64 {
        sum(self.values()) / self.count()
    }

    /// Mean square distance from the mean.
    fn variance(&self) -> f64 {
        let mean = self.mean();
        sum(self.values().map(|value| (value - mean) * (value - mean))) / self.count()
    }

    fn reduce(&self, choose: fn(f64, f64) -> f64) -> f64 {
        self.values().reduce(choose).unwrap_or(f64::NAN)
    }

    /// The value of a function over the range; `None` when the samples do not suffice. `parameter` is
    /// the quantile of `quantile_over_time` or the seconds of `predict_linear`.
    pub(super) fn of(&self, function: &str, parameter: f64, now_ms: i64) -> Option<f64> {
        Some(match function {
            "rate" => self.extrapolated(true)? / self.span_s(),
            "increase" => self.extrapolated(true)?,
            "delta" => self.extrapolated(false)?,
            "irate" => {
                let (step, seconds) = self.last_step(true)?;
                step / seconds
            }
            "idelta" => self.last_step(false)?.0,
            "deriv" => self.regression(self.points.first()?.0)?.0,
            "predict_linear" => {
                let (slope, intercept) = self.regression(now_ms)?;
                intercept + slope * parameter
            }
            "changes" => self.pairs(|before, after| {
                !(same(before, after) || (before.is_nan() && after.is_nan()))
            }),
            "resets" => self.pairs(|before, after| after < before),
            "avg_over_time" => self.mean(),
            "sum_over_time" => sum(self.values()),
            "min_over_time" => self.reduce(f64::min),
            "max_over_time" => self.reduce(f64::max),
            "count_over_time" => self.count(),
            "last_over_time" => self.points.last()?.1,
            "first_over_time" => self.points.first()?.1,
            "present_over_time" => 1.0,
            "stdvar_over_time" => self.variance(),
            "stddev_over_time" => libm::sqrt(self.variance()),
            "quantile_over_time" => quantile(parameter, &self.values().collect::<Vec<_>>()),
            _ => return None,
        })
    }

    fn span_s(&self) -> f64 {
        f64_from_i64(self.to_ms - self.from_ms) / 1e3
    }

    /// By how much the series rose over the whole range, as its samples let one expect
    /// (functions.go `extrapolatedRate`): to the ends of the range where a sample is near, else half a
    /// step beyond the outermost sample; a counter is never taken below zero.
    fn extrapolated(&self, counter: bool) -> Option<f64> {
        let [(first_at, first), .., (last_at, last)] = self.points else { return None };
        let mut rose = last - first;
        if counter {
            let resets = self.points.windows(2).filter(|pair| pair[1].1 < pair[0].1);
            rose += resets.map(|pair| pair[0].1).sum::<f64>();
        }
        let seconds = |from: i64, to: i64| f64_from_i64(to - from) / 1e3;
        let sampled = seconds(*first_at, *last_at);
        let step = sampled / (self.count() - 1.0);
        let near = step * 1.1;
        let mut before = seconds(self.from_ms, *first_at);
        if before >= near {
            before = step / 2.0;
        }
        if counter && rose > 0.0 && *first >= 0.0 {
            before = before.min(sampled * (first / rose));
        }
        let mut after = seconds(*last_at, self.to_ms);
        if after >= near {
            after = step / 2.0;
        }
        Some(rose * ((sampled + before + after) / sampled))
    }

    /// The last step and its length (s); a counter that fell was set back to zero.
    fn last_step(&self, counter: bool) -> Option<(f64, f64)> {
        let [.., (before_at, before), (at, last)] = self.points else { return None };
        let step = if counter && last < before { *last } else { last - before };
        let seconds = f64_from_i64(at - before_at) / 1e3;
        (seconds > 0.0).then_some((step, seconds))
    }

    fn pairs(&self, counts: impl Fn(f64, f64) -> bool) -> f64 {
        let counted = self.points.windows(2).filter(|pair| counts(pair[0].1, pair[1].1));
        f64_from_usize(counted.count())
    }

    /// Slope (1/s) and value at an instant of the line of least squares (functions.go
    /// `linearRegression`).
    fn regression(&self, at_ms: i64) -> Option<(f64, f64)> {
        if self.points.len() < 2 {
            return None;
        }
        let first = self.points[0].1;
        if self.values().all(|value| same(value, first)) {
            return if first.is_infinite() { None } else { Some((0.0, first)) };
        }
        let x = |at: i64| f64_from_i64(at - at_ms) / 1e3;
        let mean_x = sum(self.points.iter().map(|(at, _)| x(*at))) / self.count();
        let mean_y = self.mean();
        let along = self.points.iter().map(|(at, y)| (x(*at) - mean_x) * (y - mean_y));
        let square = self.points.iter().map(|(at, _)| (x(*at) - mean_x) * (x(*at) - mean_x));
        let slope = sum(along) / sum(square);
        Some((slope, mean_y - slope * mean_x))
    }
}
