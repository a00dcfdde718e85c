//! Instants as recordings write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::units::convert::round_i64;

/// An instant (Unix time, ns): a number (seconds, milliseconds, microseconds or nanoseconds by its size),
/// RFC 3339, or a date and time without a zone, taken as UTC.
#[must_use]
pub fn instant_ns(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return number_ns(text, number);
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return instant.timestamp_nanos_opt();
    }
    civil_ns(text)
}

/// A date and time without a zone (ns since 1970 on that clock).
#[must_use]
pub fn civil_ns(text: &str) -> Option<i64> {
    let text = text.trim();
    const FORMS: [&str; 5] = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%Y/%m/%d %H:%M:%S%.f",
    ];
    let read = FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    read.or_else(day)?.and_utc().timestamp_nanos_opt()
}

/// Numbers of up to ten digits are seconds (until the year 2286), of up to thirteen milliseconds, and
/// so on; those of nanoseconds do not fit a float.
fn number_ns(text: &str, number: f64) -> Option<i64> {
    let size = number.abs();
    let scale = match size {
        _ if !number.is_finite() => return None,
        _ if size < 1e11 => 1e9,
        _ if size < 1e14 => 1e6,
        _ if size < 1e17 => 1e3,
        _ => return text.parse().ok(),
    };
    Some(round_i64(number * scale))
}
