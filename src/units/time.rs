//! Simulated time: integer nanoseconds, an instant and a span, and how people read them.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

use crate::units::convert::{f64_from_u64, round_u64};

const NS_PER_US: u64 = 1_000;
const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// An instant on the simulation clock: nanoseconds since the start of the run (warm-up included).
///
/// There is no wall clock in a run. Display is for people: `14m35s`, `1h02m03s`, `250ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SimTime(u64);

/// A span of simulated time in nanoseconds; never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SimDuration(u64);

impl SimTime {
    /// The first instant of a run.
    pub const ZERO: Self = Self(0);
    /// An instant that never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// From nanoseconds since the start of the run.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From whole seconds since the start of the run.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(NS_PER_S))
    }

    /// Nanoseconds since the start of the run.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start of the run, for arithmetic that ends in a report.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        f64_from_u64(self.0) / 1e9
    }

    /// The instant floored to a whole second, as API timestamps are.
    #[must_use]
    pub const fn floor_to_second(self) -> Self {
        Self(self.0 - self.0 % NS_PER_S)
    }

    /// The span since `earlier`; zero when `earlier` lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }

    /// The instant a span before this one, or the start of the run.
    #[must_use]
    pub const fn before(self, span: SimDuration) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl SimDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than any run.
    pub const MAX: Self = Self(u64::MAX);

    /// From nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(NS_PER_MS))
    }

    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(NS_PER_S))
    }

    /// From seconds, rounded half away from zero to the nanosecond; negative becomes zero.
    #[must_use]
    pub fn from_secs_f64(secs: f64) -> Self {
        Self(round_u64(secs * 1e9))
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds, the fraction cut off.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / NS_PER_S
    }

    /// Seconds.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        f64_from_u64(self.0) / 1e9
    }

    /// Milliseconds.
    #[must_use]
    pub fn as_millis_f64(self) -> f64 {
        f64_from_u64(self.0) / 1e6
    }

    /// Hours.
    #[must_use]
    pub fn as_hours_f64(self) -> f64 {
        self.as_secs_f64() / 3600.0
    }

    /// Whether the span is empty.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The difference, or zero when `other` is longer.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add<SimDuration> for SimTime {
    type Output = Self;
    fn add(self, span: SimDuration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<SimDuration> for SimTime {
    fn add_assign(&mut self, span: SimDuration) {
        *self = *self + span;
    }
}

impl Sub for SimTime {
    type Output = SimDuration;
    /// Asserts that `earlier` is not later: a negative span is a bug.
    fn sub(self, earlier: Self) -> SimDuration {
        SimDuration(self.0.checked_sub(earlier.0).expect("time runs forward"))
    }
}

impl Add for SimDuration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for SimDuration {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul<u64> for SimDuration {
    type Output = Self;
    fn mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl Div<u64> for SimDuration {
    type Output = Self;
    fn div(self, divisor: u64) -> Self {
        Self(self.0 / divisor)
    }
}

impl Sum for SimDuration {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SimDuration(self.0).fmt(f)
    }
}

impl fmt::Display for SimDuration {
    /// `0s`, `250us`, `12.5ms`, `1.25s`, `45s`, `14m35s`, `2h05m00s`, `3d04h`: truncated, never
    /// rounded up, so that 59.99 s does not read as a minute.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0;
        let secs = ns / NS_PER_S;
        match ns {
            0 => f.write_str("0s"),
            1..NS_PER_US => write!(f, "{ns}ns"),
            NS_PER_US..NS_PER_MS => write_fraction(f, ns, NS_PER_US, "us"),
            NS_PER_MS..NS_PER_S => write_fraction(f, ns, NS_PER_MS, "ms"),
            _ if secs < 10 => write_fraction(f, ns, NS_PER_S, "s"),
            _ if secs < 60 => write!(f, "{secs}s"),
            _ if secs < 3_600 => write!(f, "{}m{:02}s", secs / 60, secs % 60),
            _ if secs < 86_400 => {
                write!(f, "{}h{:02}m{:02}s", secs / 3_600, secs / 60 % 60, secs % 60)
            }
            _ => write!(f, "{}d{:02}h{:02}m", secs / 86_400, secs / 3_600 % 24, secs / 60 % 60),
        }
    }
}

/// Writes `ns` in `unit`s with at most two decimals, truncated, trailing zeros dropped.
fn write_fraction(f: &mut fmt::Formatter<'_>, ns: u64, unit_ns: u64, suffix: &str) -> fmt::Result {
    let whole = ns / unit_ns;
    let hundredths = ns % unit_ns * 100 / unit_ns;
    match (hundredths, hundredths % 10) {
        (0, _) => write!(f, "{whole}{suffix}"),
        (_, 0) => write!(f, "{whole}.{}{suffix}", hundredths / 10),
        _ => write!(f, "{whole}.{hundredths:02}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        let rows = [
            (0, "0s"),
            (999, "999ns"),
            (250_000, "250us"),
            (12_500_000, "12.5ms"),
            (1_259_999_999, "1.25s"),
            (9_000_000_000, "9s"),
            (59_990_000_000, "59s"),
            (875_000_000_000, "14m35s"),
            (7_500_000_000_000, "2h05m00s"),
            (273_600_000_000_000, "3d04h00m"),
        ];
        for (ns, text) in rows {
            assert_eq!(SimDuration::from_nanos(ns).to_string(), text);
        }
    }

    #[test]
    fn an_instant_floors_to_its_second_and_saturates_backward() {
        let t = SimTime::from_nanos(2_999_999_999);
        assert_eq!(t.floor_to_second(), SimTime::from_secs(2));
        assert_eq!(t.before(SimDuration::from_secs(5)), SimTime::ZERO);
        assert_eq!(SimTime::from_secs(1).since(t), SimDuration::ZERO);
    }
}
