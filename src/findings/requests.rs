//! Clients' requests that failed: from when to when, how, and at which service.

use crate::findings::Case;
use crate::findings::code;
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::findings::stretches;
use crate::findings::text::{grouped, percent};
use crate::metrics::calls::EndCounts;
use crate::model::id::StationId;
use crate::units::convert::f64_from_u64;

/// A share of failures below this is noise of no stretch.
const FAILED_AT_LEAST: f64 = 0.000_5;
/// Of all failures, the share that gives them their name.
const MOSTLY: f64 = 0.6;

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let share = |at: usize| case.series.traffic[at].calls.failed_share().unwrap_or(0.0);
    let (verb, kinds) = named(case.ends);
    for stretch in stretches(case, |at| share(at) >= FAILED_AT_LEAST) {
        // A sample tells of the interval that ends with it.
        let from = case.instant(stretch.first.saturating_sub(1));
        let until = if stretch.open { case.end() } else { case.instant(stretch.last) };
        let worst = share(stretch.peak_of(share));
        let range = stretch.first..=stretch.last;
        let place = most_failures(case, range).map_or_else(String::new, |station| {
            format!(", most at {}", case.scenario.services.stations[station.index()].name)
        });
        let end = if stretch.open {
            "until the end".to_owned()
        } else {
            format!("until {}", case.history.clock().offset(until))
        };
        findings.push(Finding {
            code: &code::REQUESTS_FAIL,
            severity: Severity::Error,
            from,
            until: (!stretch.open).then_some(until),
            subject: Subject::Run,
            message: format!("requests {verb}"),
            note: format!("up to {} of all, {end}{place}; {kinds} in the run", percent(worst)),
            evidence: [from, until]
                .map(|at| Evidence { at, object: EvidenceObject::Series })
                .to_vec(),
            origins: Vec::new(),
        });
    }
}

/// What most failures were, and all kinds with their counts.
fn named(ends: EndCounts) -> (&'static str, String) {
    let EndCounts { completed: _, timed_out, refused, cut, failed, .. } = ends;
    let EndCounts { limited, short_circuited, abandoned, .. } = ends;
    let kinds = [
        (timed_out, "start to time out", "timed out"),
        (refused, "are refused", "refused"),
        (cut, "are cut off", "cut off"),
        (failed, "fail inside", "failed inside"),
        (limited, "are turned away by a limit of rate", "over a limit of rate (429)"),
        (short_circuited, "meet open circuit breakers", "not sent by circuit breakers"),
        (abandoned, "are abandoned", "abandoned by their clients"),
    ];
    let all = f64_from_u64(ends.failures().max(1));
    let verb = kinds
        .iter()
        .find(|(count, _, _)| f64_from_u64(*count) / all >= MOSTLY)
        .map_or("fail", |(_, verb, _)| *verb);
    let told: Vec<String> = kinds
        .iter()
        .filter(|(count, _, _)| *count > 0)
        .map(|(count, _, word)| format!("{} {word}", grouped(f64_from_u64(*count))))
        .collect();
    (verb, told.join(", "))
}

/// The station at which most operations failed in a range of samples.
fn most_failures(case: &Case<'_>, range: std::ops::RangeInclusive<usize>) -> Option<StationId> {
    let failed = |position: &usize| -> f64 {
        let points = &case.series.stations[*position];
        points
            .get(range.clone())
            .map_or(0.0, |points| points.iter().map(|point| point.ended.failed_per_second).sum())
    };
    (0..case.series.stations.len())
        .filter(|position| failed(position) > 0.0)
        .max_by(|one, other| failed(one).total_cmp(&failed(other)).then(other.cmp(one)))
        .map(StationId::at)
}
