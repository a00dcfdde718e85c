//! Functions of the calendar, in UTC as Prometheus has them (functions.go `dateWrapper`).

use chrono::{DateTime, Datelike, Timelike, Utc};

use crate::units::convert::trunc_i64;

/// Each takes seconds since 1970; without an argument, now.
pub(super) const FUNCTIONS: [&str; 8] = [
    "minute",
    "hour",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "days_in_month",
    "month",
    "year",
];

/// What a function says of an instant (s since 1970, towards zero as Go converts it); NaN of what is no
/// instant.
pub(super) fn part(function: &str, seconds: f64) -> f64 {
    if !seconds.is_finite() {
        return f64::NAN;
    }
    let Some(at) = DateTime::<Utc>::from_timestamp(trunc_i64(seconds), 0) else { return f64::NAN };
    match function {
        "minute" => f64::from(at.minute()),
        "hour" => f64::from(at.hour()),
        "day_of_week" => f64::from(at.weekday().num_days_from_sunday()),
        "day_of_month" => f64::from(at.day()),
        "day_of_year" => f64::from(at.ordinal()),
        "days_in_month" => f64::from(at.num_days_in_month()),
        "month" => f64::from(at.month()),
        "year" => f64::from(at.year()),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_day_and_the_days_around_it() {
        // 2024-02-29T23:59:59Z is a Thursday, the 60th day of its year.
        let at = 1_709_251_199.0;
        let expected = [
            ("minute", 59.0),
            ("hour", 23.0),
            ("day_of_week", 4.0),
            ("day_of_month", 29.0),
            ("day_of_year", 60.0),
            ("days_in_month", 29.0),
            ("month", 2.0),
            ("year", 2024.0),
        ];
        for (function, value) in expected {
            assert!((part(function, at) - value).abs() < 1e-9, "{function}");
        }
        assert!((part("day_of_week", at + 1.0) - 5.0).abs() < 1e-9);
        assert!((part("day_of_month", at + 1.0) - 1.0).abs() < 1e-9);
        assert!((part("year", -1.0) - 1969.0).abs() < 1e-9);
        assert!(part("hour", f64::INFINITY).is_nan() && part("hour", 1e300).is_nan());
    }
}
