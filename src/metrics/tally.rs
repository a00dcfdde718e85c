//! A distribution of durations in constant memory, with quantiles as k6 computes them.

use std::borrow::Cow;

use hdrhistogram::Histogram;

use crate::units::SimDuration;
use crate::units::convert::{f64_from_u64, trunc_i64, u64_from_usize};

/// How finely a tally tells values apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Three significant digits: a quantile is off by at most 0.05 % or half a microsecond.
    Fine,
    /// Two significant digits: at most 0.4 %. A tenth of the memory; for what is kept per interval.
    Coarse,
}

/// So many durations are folded at once.
const RECENT_MOST: usize = 128;

/// Durations folded into a histogram of microseconds. Count, sum, minimum and maximum are exact.
///
/// A histogram is far larger than the fastest memory, and a run tells many of them in turn: so the last
/// durations wait in a list and are folded together, when the memory of all of them can be waited for at
/// once.
#[derive(Debug, Clone)]
pub struct Tally {
    histogram: Histogram<u64>,
    /// Those that are not folded yet (µs).
    recent: Vec<u64>,
    sum_ns: u128,
    min: SimDuration,
    max: SimDuration,
}

/// A percentile that is looked for: between the values of two ranks counted from 0.
struct Wanted {
    below: u64,
    above: u64,
    /// How far from the lower to the upper value.
    part: f64,
    low: Option<f64>,
    value: Option<f64>,
}

impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        self.sum_ns == other.sum_ns
            && self.min == other.min
            && self.max == other.max
            && self.settled() == other.settled()
    }
}

impl Tally {
    /// An empty one.
    #[must_use]
    pub fn new(precision: Precision) -> Self {
        let digits = match precision {
            Precision::Fine => 3,
            Precision::Coarse => 2,
        };
        Self {
            histogram: Histogram::new(digits).expect("two and three are valid numbers of digits"),
            recent: Vec::new(),
            sum_ns: 0,
            min: SimDuration::MAX,
            max: SimDuration::ZERO,
        }
    }

    /// Takes in a duration.
    pub fn record(&mut self, took: SimDuration) {
        self.record_many(took, 1);
    }

    /// Takes in so many equal durations.
    pub fn record_many(&mut self, took: SimDuration, count: u64) {
        if count == 0 {
            return;
        }
        let nanos = took.as_nanos();
        // Rounded to the nearest microsecond, so that the mean of the error is zero.
        let micros = nanos.saturating_add(500) / 1000;
        if count == 1 {
            self.recent.push(micros);
            if self.recent.len() >= RECENT_MOST {
                self.settle();
            }
        } else {
            fold(&mut self.histogram, micros, count);
        }
        self.sum_ns += u128::from(nanos) * u128::from(count);
        self.min = self.min.min(took);
        self.max = self.max.max(took);
    }

    /// Folds what waits. Nothing that is read changes by it, but reading is faster afterwards.
    pub fn settle(&mut self) {
        for micros in self.recent.drain(..) {
            fold(&mut self.histogram, micros, 1);
        }
    }

    /// The histogram of all durations.
    fn settled(&self) -> Cow<'_, Histogram<u64>> {
        if self.recent.is_empty() {
            return Cow::Borrowed(&self.histogram);
        }
        let mut all = self.histogram.clone();
        self.recent.iter().for_each(|micros| fold(&mut all, *micros, 1));
        Cow::Owned(all)
    }

    /// Takes in everything another one has.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("a histogram that resizes takes any other");
        for micros in &other.recent {
            fold(&mut self.histogram, *micros, 1);
        }
        self.sum_ns += other.sum_ns;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forgets everything, and keeps its memory.
    pub fn clear(&mut self) {
        self.histogram.reset();
        self.recent.clear();
        self.sum_ns = 0;
        self.min = SimDuration::MAX;
        self.max = SimDuration::ZERO;
    }

    /// Durations (ms) in ascending order, each the middle of a bucket, with how many there are.
    pub fn counts(&self) -> impl Iterator<Item = (f64, u64)> {
        let all = self.settled();
        let counts = all.iter_recorded().map(|bucket| {
            (self.middle_ms(bucket.value_iterated_to()), bucket.count_since_last_iteration())
        });
        counts.collect::<Vec<_>>().into_iter()
    }

    /// How many durations it holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len() + u64_from_usize(self.recent.len())
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Sum of all durations (s).
    #[must_use]
    pub fn sum_s(&self) -> f64 {
        f64_from_u64(u64::try_from(self.sum_ns).unwrap_or(u64::MAX)) / 1e9
    }

    /// Mean (ms), exact; `None` when empty.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum_s() * 1e3 / f64_from_u64(count))
    }

    /// Smallest (ms), exact; `None` when empty.
    #[must_use]
    pub fn min_ms(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.min.as_millis_f64())
    }

    /// Largest (ms), exact; `None` when empty.
    #[must_use]
    pub fn max_ms(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.max.as_millis_f64())
    }

    /// Percentile, 0 to 100 (ms): linear interpolation at `p/100 * (n - 1)` of the sorted values, as
    /// k6's `TrendSink.P` (`metrics/sink.go`), each value known to the width of its bucket. `None`
    /// when empty.
    #[must_use]
    pub fn percentile_ms(&self, percent: f64) -> Option<f64> {
        let [value] = self.percentiles_ms([percent]);
        value
    }

    /// Several percentiles, each as [`Tally::percentile_ms`] tells it, in one look at the values.
    #[must_use]
    pub fn percentiles_ms<const N: usize>(&self, percents: [f64; N]) -> [Option<f64>; N] {
        let Some(last) = self.count().checked_sub(1) else { return [None; N] };
        let mut wanted = percents.map(|percent| {
            let position = (percent / 100.0).clamp(0.0, 1.0) * f64_from_u64(last);
            let below =
                u64::try_from(trunc_i64(position)).expect("a position is not negative").min(last);
            let part = position - f64_from_u64(below);
            Wanted { below, above: (below + 1).min(last), part, low: None, value: None }
        });
        let mut seen = 0;
        for bucket in self.settled().iter_recorded() {
            seen += bucket.count_since_last_iteration();
            let middle = || self.middle_ms(bucket.value_iterated_to());
            let mut open = false;
            for it in wanted.iter_mut().filter(|it| it.value.is_none()) {
                if it.low.is_none() && seen > it.below {
                    it.low = Some(middle());
                }
                match it.low {
                    Some(low) if seen > it.above => {
                        it.value = Some(low + (middle() - low) * it.part);
                    }
                    Some(_) | None => open = true,
                }
            }
            if !open {
                break;
            }
        }
        wanted.map(|it| it.value)
    }

    /// How many are longer than a limit (ms), to the width of a bucket.
    #[must_use]
    pub fn count_above_ms(&self, limit_ms: f64) -> u64 {
        let limit_us = crate::units::convert::round_u64((limit_ms * 1e3).max(0.0));
        self.count() - self.settled().count_between(0, limit_us)
    }

    /// The middle of a bucket, within what was really seen.
    fn middle_ms(&self, value_us: u64) -> f64 {
        let middle = f64_from_u64(self.histogram.median_equivalent(value_us)) / 1e3;
        middle.clamp(self.min.as_millis_f64(), self.max.as_millis_f64())
    }
}

fn fold(histogram: &mut Histogram<u64>, micros: u64, count: u64) {
    histogram.record_n(micros, count).expect("a histogram that resizes takes any value");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_ms(values: impl IntoIterator<Item = u64>) -> Tally {
        let mut tally = Tally::new(Precision::Fine);
        for value in values {
            tally.record(SimDuration::from_millis(value));
        }
        tally
    }

    #[track_caller]
    fn near(value: Option<f64>, expected: f64, relative: f64) {
        let value = value.expect("there were samples");
        assert!((value - expected).abs() <= relative * expected.abs(), "{value} is not {expected}");
    }

    /// Percentiles of 1..=n by k6's rule, computed by hand: 1 + p (n - 1).
    #[test]
    fn percentiles_interpolate_as_in_k6() {
        let tally = of_ms(1..=100);
        near(tally.percentile_ms(0.0), 1.0, 0.0005);
        near(tally.percentile_ms(50.0), 50.5, 0.0005);
        near(tally.percentile_ms(95.0), 95.05, 0.0005);
        near(tally.percentile_ms(100.0), 100.0, 0.0005);
        near(of_ms([10, 20]).percentile_ms(90.0), 19.0, 0.0005);
        near(of_ms([7]).percentile_ms(99.0), 7.0, 0.0);
        let wanted = [99.0, 0.0, 50.0, 95.0];
        assert_eq!(
            tally.percentiles_ms(wanted),
            wanted.map(|percent| tally.percentile_ms(percent))
        );
    }

    #[test]
    fn mean_minimum_and_maximum_are_exact_and_nothing_is_none() {
        let tally = of_ms([1, 2, 60_000]);
        near(tally.mean_ms(), 60_003.0 / 3.0, 1e-12);
        near(tally.min_ms(), 1.0, 0.0);
        near(tally.max_ms(), 60_000.0, 0.0);
        let none = of_ms([]);
        assert_eq!((none.mean_ms(), none.percentile_ms(95.0), none.max_ms()), (None, None, None));
    }

    #[test]
    fn what_is_above_a_limit_is_counted() {
        let tally = of_ms(1..=100);
        for (limit, expected) in [(50.0, 50), (0.0, 100), (100.0, 0), (1e9, 0), (-5.0, 100)] {
            assert_eq!(tally.count_above_ms(limit), expected, "{limit}");
        }
        assert_eq!(of_ms([]).count_above_ms(1.0), 0);
    }

    #[test]
    fn merged_is_as_if_recorded_together_and_cleared_is_as_new() {
        let mut left = of_ms(1..=40);
        left.merge(&of_ms(41..=100));
        assert_eq!(left, of_ms(1..=100));
        left.clear();
        assert!(left.is_empty());
        assert_eq!(left.sum_s().to_bits(), 0.0_f64.to_bits());
    }

    /// However many of them wait to be folded.
    #[test]
    fn a_tally_reads_the_same_before_and_after_it_settles() {
        for count in [1, 5, 127, 128, 129, 1_000] {
            let waiting = of_ms(1..=count);
            let mut settled = waiting.clone();
            settled.settle();
            assert_eq!(waiting, settled);
            assert_eq!(waiting.count(), count);
            assert_eq!(waiting.percentile_ms(75.0), settled.percentile_ms(75.0));
            assert_eq!(waiting.count_above_ms(3.0), settled.count_above_ms(3.0));
            assert!(waiting.counts().eq(settled.counts()));
            let (mut left, mut right) = (of_ms([7]), of_ms([7]));
            left.merge(&waiting);
            right.merge(&settled);
            assert_eq!(left, right);
        }
    }

    #[test]
    fn a_coarse_tally_is_within_its_bound() {
        let mut coarse = Tally::new(Precision::Coarse);
        for value in 1..=10_000 {
            coarse.record(SimDuration::from_millis(value));
        }
        near(coarse.percentile_ms(95.0), 9_500.05, 0.005);
    }
}
