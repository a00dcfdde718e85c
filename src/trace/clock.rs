//! Instants as people read them: counted from the start of measuring, warm-up below zero.

use std::fmt;

use crate::units::SimTime;

/// Where zero lies on the clock of reports: the instant at which measuring begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// End of the warm-up, counted from the start of the run.
    pub measured_from: SimTime,
}

/// An instant counted from the start of measuring (ns); negative during the warm-up.
///
/// Display has whole seconds, truncated toward zero, and always minutes: `-2m10s`, `0m45s`,
/// `14m35s`, `1h02m03s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Offset(i64);

impl Clock {
    /// The instant as a report tells it.
    #[must_use]
    pub fn offset(self, at: SimTime) -> Offset {
        let signed = |nanos: u64| i64::try_from(nanos).unwrap_or(i64::MAX);
        if at >= self.measured_from {
            Offset(signed(at.since(self.measured_from).as_nanos()))
        } else {
            Offset(-signed(self.measured_from.since(at).as_nanos()))
        }
    }
}

impl Offset {
    /// Nanoseconds since the start of measuring.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds since the start of measuring, for wire formats and axes.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        crate::units::convert::f64_from_i64(self.0) / 1e9
    }

    /// Whether the instant lies in the warm-up.
    #[must_use]
    pub const fn is_warm_up(self) -> bool {
        self.0 < 0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 <= -1_000_000_000 { "-" } else { "" };
        let secs = self.0.unsigned_abs() / 1_000_000_000;
        let text = if secs < 3_600 {
            format!("{sign}{}m{:02}s", secs / 60, secs % 60)
        } else {
            format!("{sign}{}h{:02}m{:02}s", secs / 3_600, secs / 60 % 60, secs % 60)
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_lies_below_zero() {
        let clock = Clock { measured_from: SimTime::from_secs(600) };
        let rows = [
            (0, "-10m00s"),
            (470, "-2m10s"),
            (600, "0m00s"),
            (645, "0m45s"),
            (600 + 3_723, "1h02m03s"),
        ];
        for (secs, text) in rows {
            assert_eq!(clock.offset(SimTime::from_secs(secs)).to_string(), text);
        }
        assert!(clock.offset(SimTime::from_secs(599)).is_warm_up());
    }
}
