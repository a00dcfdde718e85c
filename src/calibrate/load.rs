//! A recorded rate as a document of kind Load.

use std::fmt::Write as _;

use crate::input::recordings::RateTrace;
use crate::units::SimDuration;

/// How the load is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Name of the load.
    pub name: String,
    /// The class of requests that its iterations are.
    pub class: String,
    /// `poisson` or `uniform`: how arrivals lie within the rate.
    pub arrivals: &'static str,
    /// Where it comes from and what was done to it, one line each.
    pub origin: Vec<String>,
}

/// The document; equal rates in a row are one level.
#[must_use]
pub fn document(trace: &RateTrace, wanted: &Wanted) -> String {
    let mut text = String::new();
    for line in &wanted.origin {
        let _ = writeln!(text, "# {line}");
    }
    let name = &wanted.name;
    let _ = write!(
        text,
        "apiVersion: aurelius.dev/v1\nkind: Load\nmetadata: {{name: {name}}}\nload:\n  scenarios:\n    {name}:\n      executor: step\n      exec: {}\n      arrivals: {}\n      levels:\n",
        wanted.class, wanted.arrivals
    );
    let mut levels: Vec<(SimDuration, f64)> = Vec::new();
    for (length, rate) in &trace.steps {
        match levels.last_mut() {
            Some(last) if (last.1 - rate).abs() <= 1e-12 * rate.abs() => last.0 += *length,
            Some(_) | None => levels.push((*length, *rate)),
        }
    }
    for (length, rate) in levels.iter().filter(|level| !level.0.is_zero()) {
        let _ =
            writeln!(text, "        - {{duration: {}, rate: {}/s}}", span(*length), digits(*rate));
    }
    text
}

/// Nine significant digits, no more than a rate is known to.
fn digits(rate: f64) -> String {
    if rate <= 0.0 {
        return "0".to_owned();
    }
    let places = usize::try_from(
        (8 - crate::units::convert::trunc_i32(libm::floor(libm::log10(rate)))).clamp(0, 12),
    );
    let text = format!("{rate:.places$}", places = places.unwrap_or(9));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A duration to the nanosecond in its largest whole unit.
#[must_use]
pub fn span(span: SimDuration) -> String {
    let nanos = span.as_nanos();
    let units = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    let whole = units.iter().find(|(size, _)| nanos.is_multiple_of(*size) && nanos > 0);
    whole.map_or_else(|| format!("{nanos}ns"), |(size, unit)| format!("{}{unit}", nanos / size))
}

/// Gaps of a trace filled with the rate before each.
#[must_use]
pub fn held(mut trace: RateTrace) -> RateTrace {
    let mut at = SimDuration::ZERO;
    let mut last = 0.0;
    for (length, rate) in &mut trace.steps {
        let inside = trace.gaps.iter().any(|(gap, span)| *gap <= at && at < *gap + *span);
        if inside {
            *rate = last;
        } else {
            last = *rate;
        }
        at += *length;
    }
    trace
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::recordings::Meaning;

    #[test]
    fn equal_rates_are_one_level_and_gaps_can_be_held() {
        let s = SimDuration::from_secs;
        let trace = RateTrace {
            start_ns: 0,
            steps: vec![
                (s(60), 2.5),
                (s(60), 2.5),
                (s(30), 0.0),
                (SimDuration::from_millis(1_500), 1e-3),
            ],
            meaning: Meaning::Rates,
            gaps: vec![(s(120), s(30))],
        };
        let wanted = Wanted {
            name: "day".to_owned(),
            class: "get".to_owned(),
            arrivals: "poisson",
            origin: vec!["from a table".to_owned()],
        };
        let text = document(&trace, &wanted);
        let levels: Vec<&str> =
            text.lines().filter(|line| line.contains("duration")).map(str::trim).collect();
        assert_eq!(
            levels,
            [
                "- {duration: 2m, rate: 2.5/s}",
                "- {duration: 30s, rate: 0/s}",
                "- {duration: 1500ms, rate: 0.001/s}"
            ]
        );
        assert!((held(trace).steps[2].1 - 2.5).abs() < 1e-12);
        assert_eq!(digits(123_456_789.123), "123456789");
        assert_eq!(digits(10.0), "10");
    }
}
