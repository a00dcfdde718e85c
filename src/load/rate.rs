//! A rate of iterations: a count in a unit of time, kept as written so that nothing is lost.

use std::fmt;

use crate::units::convert::{f64_from_u64, trunc_i64};
use crate::units::time::SimDuration;

const SECOND: SimDuration = SimDuration::from_secs(1);
const MINUTE: SimDuration = SimDuration::from_secs(60);
const HOUR: SimDuration = SimDuration::from_secs(3_600);

/// So many iterations in a unit of time: `300/s`, `12000/min`; k6's `rate` (or `target`) with its
/// `timeUnit`.
///
/// Count and unit stay apart because k6 divides them in two ways: count by unit for a ramp, unit
/// by count for the period of a constant rate. One quotient of the two would round differently.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    count: f64,
    unit: SimDuration,
}

impl Rate {
    /// Nothing at all.
    pub const ZERO: Self = Self { count: 0.0, unit: SECOND };

    /// `count` iterations in every `unit`. Whether they make sense is checked with the load.
    #[must_use]
    pub const fn new(count: f64, unit: SimDuration) -> Self {
        Self { count, unit }
    }

    /// `count` iterations a second.
    #[must_use]
    pub const fn per_second(count: f64) -> Self {
        Self::new(count, SECOND)
    }

    /// The count in one unit.
    #[must_use]
    pub const fn count(self) -> f64 {
        self.count
    }

    /// The unit of time.
    #[must_use]
    pub const fn unit(self) -> SimDuration {
        self.unit
    }

    /// Iterations a second.
    #[must_use]
    pub fn as_per_second(self) -> f64 {
        self.count / self.unit.as_secs_f64()
    }

    /// Iterations a nanosecond, the quotient that k6 ramps with.
    #[must_use]
    pub fn as_per_nano(self) -> f64 {
        self.count / f64_from_u64(self.unit.as_nanos())
    }

    /// Time between two iterations, cut to whole nanoseconds as k6 does (`getTickerPeriod` in
    /// `lib/executor/helpers.go`); zero for a rate of zero, which has no period.
    #[must_use]
    pub fn period(self) -> SimDuration {
        if self.count > 0.0 {
            let nanos = trunc_i64(f64_from_u64(self.unit.as_nanos()) / self.count);
            SimDuration::from_nanos(u64::try_from(nanos).unwrap_or(0))
        } else {
            SimDuration::ZERO
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count;
        match self.unit {
            SECOND => write!(f, "{count}/s"),
            MINUTE => write!(f, "{count}/min"),
            HOUR => write!(f, "{count}/h"),
            unit => write!(f, "{count} per {unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole nanoseconds, cut: a third of a second is 333,333,333 ns, a tenth is exact.
    #[test]
    fn a_period_is_cut_to_the_nanosecond() {
        let rows = [
            (Rate::per_second(10.0), 100_000_000),
            (Rate::per_second(3.0), 333_333_333),
            (Rate::new(20.0, SimDuration::from_millis(950)), 47_500_000),
            (Rate::new(7.0, MINUTE), 8_571_428_571),
            (Rate::ZERO, 0),
        ];
        for (rate, nanos) in rows {
            assert_eq!(rate.period().as_nanos(), nanos, "{rate}");
        }
    }

    #[test]
    fn a_rate_reads_as_it_is_written() {
        assert_eq!(Rate::per_second(300.0).to_string(), "300/s");
        assert_eq!(Rate::new(12_000.0, MINUTE).to_string(), "12000/min");
        assert_eq!(Rate::new(0.5, HOUR).to_string(), "0.5/h");
        assert_eq!(Rate::new(20.0, SimDuration::from_millis(950)).to_string(), "20 per 950ms");
    }
}
