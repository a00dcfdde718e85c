//! Each threshold and expectation of a run with how it came out, as CI wants to hear it.

use crate::findings::text::{millis, percent};
use crate::report::{Location, Report, ThresholdEntry, ThresholdStatus};
use crate::units::SimDuration;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should.
    Holds,
    /// Not, and the run fails for it.
    Fails,
    /// Not, and it only warns.
    Warns,
    /// There was nothing to judge it by.
    Unknown,
}

/// A check with its verdict.
#[derive(Debug, Clone)]
pub(super) struct Judged<'a> {
    /// `threshold` or `alert`.
    pub(super) kind: &'static str,
    /// `http_req_duration p(95)<500`, `HighLatency never fires`.
    pub(super) name: String,
    pub(super) verdict: Verdict,
    /// What was seen, in a sentence.
    pub(super) told: String,
    /// Where it is written.
    pub(super) location: Option<&'a Location>,
}

/// All checks of a run: thresholds in the order of the scenario, then expectations of alerts.
pub(super) fn verdicts(report: &Report) -> Vec<Judged<'_>> {
    let thresholds = report.thresholds.iter().map(|entry| Judged {
        kind: "threshold",
        name: format!("{} {}", entry.metric, entry.expression),
        verdict: verdict(entry),
        told: told(entry),
        location: entry.location.as_ref(),
    });
    let expectations = report.expectations.iter().map(|entry| Judged {
        kind: "alert",
        name: format!("{} {}", entry.alert, entry.expected),
        verdict: if entry.ok { Verdict::Holds } else { Verdict::Fails },
        told: entry.told.clone(),
        location: entry.location.as_ref(),
    });
    thresholds.chain(expectations).collect()
}

fn verdict(entry: &ThresholdEntry) -> Verdict {
    match (entry.status, entry.ok, entry.warns_only) {
        (ThresholdStatus::NoSamples, true, _) => Verdict::Unknown,
        (_, true, _) => Verdict::Holds,
        (_, false, true) => Verdict::Warns,
        (_, false, false) => Verdict::Fails,
    }
}

/// `p(95)=1.5s, limit 500ms; from 16m30s for 11m00s`.
fn told(entry: &ThresholdEntry) -> String {
    let shown = |value: f64| match entry.unit.as_deref() {
        Some("ms") => millis(value),
        None if entry.method == "rate" && entry.matching.is_some() => percent(value),
        Some(_) | None => format!("{value:.2}"),
    };
    let Some(observed) = entry.observed else {
        return format!("no samples of {}", entry.metric);
    };
    let mut text = format!("{}={}, limit {}", entry.method, shown(observed), shown(entry.limit));
    if let (Some(matching), Some(of)) = (entry.matching, entry.of) {
        text.push_str(&format!("; {matching} of {of}"));
    }
    if let Some(from_s) = entry.first_violation_s {
        let span = |seconds: f64| SimDuration::from_secs_f64(libm::round(seconds.max(0.0)));
        text.push_str(&format!("; from {} for {}", span(from_s), span(entry.violated_for_s)));
    }
    text
}
