//! Thresholds that were violated: since when, until when, by how much.

use crate::findings::Case;
use crate::findings::code;
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::findings::text::{grouped, millis, percent};
use crate::metrics::ThresholdResult;
use crate::scenario::ThresholdSpec;
use crate::scenario::threshold::{Contains, MetricKind, Severity as ThresholdSeverity, catalogue};
use crate::units::SimTime;

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for result in case.thresholds {
        let Some(first) = result.first_violation else { continue };
        let spec = &case.scenario.thresholds[result.threshold];
        let start = case.history.clock().measured_from;
        let until = last_violation(case, result);
        let from = start + first;
        let severity = match (result.is_met(false), spec.terms().severity) {
            (true, _) => Severity::Info,
            (false, ThresholdSeverity::Warning) => Severity::Warning,
            (false, ThresholdSeverity::Error) => Severity::Error,
        };
        let worst = worst(case, result)
            .map_or_else(String::new, |worst| format!("; at worst {}", figure(spec, worst)));
        findings.push(Finding {
            code: &code::THRESHOLD_CROSSED,
            severity,
            from,
            until,
            subject: Subject::Threshold(result.threshold),
            message: format!("{} is crossed", short(spec)),
            note: format!("for {}{worst}", result.violated_for),
            evidence: vec![Evidence { at: from, object: EvidenceObject::Series }],
            origins: vec![spec.origin().clone()],
        });
    }
}

/// `http_req_duration p(95)<500`.
pub(crate) fn short(spec: &ThresholdSpec) -> String {
    format!("{} {}", spec.metric(), spec.expression())
}

/// The end of the last interval that violated it; `None` when that is the last of all.
fn last_violation(case: &Case<'_>, result: &ThresholdResult) -> Option<SimTime> {
    let expression = case.scenario.thresholds[result.threshold].expression();
    let violates = |value: Option<f64>| value.is_some_and(|value| !expression.holds(value));
    let last = result.course.iter().rposition(|point| violates(point.current))?;
    (last + 1 < result.course.len())
        .then(|| case.history.clock().measured_from + result.course[last].to)
}

/// The figure of the interval that was furthest from the limit; of a counter, the sum up to it.
fn worst(case: &Case<'_>, result: &ThresholdResult) -> Option<f64> {
    let expression = case.scenario.thresholds[result.threshold].expression();
    let distance = |value: f64| (value - expression.value).abs();
    let adds_up = case.scenario.thresholds[result.threshold].kind() == MetricKind::Counter;
    result
        .course
        .iter()
        .filter_map(|point| if adds_up { point.total } else { point.current })
        .filter(|value| !expression.holds(*value))
        .max_by(|one, other| distance(*one).total_cmp(&distance(*other)))
}

/// A figure in the unit of the threshold's metric: `4.99s`, `4.92%`, `1,234`, `588.67`.
#[must_use]
pub(crate) fn figure(spec: &ThresholdSpec, value: f64) -> String {
    let contains = catalogue::find(spec.metric().name()).map(|metric| metric.contains);
    match contains {
        Some(Contains::Time) => millis(value),
        Some(Contains::Share) => percent(value),
        Some(Contains::Money) => format!("{value:.2}"),
        Some(Contains::Data | Contains::Number) | None => {
            if (value - libm::round(value)).abs() < 1e-9 || value >= 1_000.0 {
                grouped(value)
            } else {
                format!("{value:.2}")
            }
        }
    }
}
