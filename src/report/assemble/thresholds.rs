//! Thresholds of one or several runs as entries of the page.

use crate::metrics::ThresholdResult;
use crate::report::assemble::location;
use crate::report::{ThresholdEntry, ThresholdStatus};
use crate::scenario::Scenario;
use crate::scenario::threshold::{Contains, Severity, ThresholdSpec, Verdict, catalogue};
use crate::sweep::{RunResult, thresholds_across};

pub(super) fn entries(
    scenario: &Scenario,
    results: &[RunResult],
    strict: bool,
) -> Vec<ThresholdEntry> {
    let across = thresholds_across(results, strict);
    let specs = scenario.thresholds.iter().enumerate().zip(across);
    specs
        .map(|((position, spec), across)| {
            let (worst_run, worst) = worst(results, position, strict);
            let observed = across.observed;
            ThresholdEntry {
                metric: spec.metric().to_string(),
                expression: spec.expression().to_string(),
                method: spec.expression().method.to_string(),
                observed: worst.observed(),
                unit: unit(scenario, spec),
                limit: spec.expression().value,
                status: match worst.verdict {
                    Verdict::Met(_) => ThresholdStatus::Met,
                    Verdict::Crossed(_) => ThresholdStatus::Crossed,
                    Verdict::NoSamples => ThresholdStatus::NoSamples,
                },
                ok: across.passes == across.runs,
                warns_only: spec.terms().severity == Severity::Warning,
                margin: worst.margin,
                first_violation_s: worst.first_violation.map(|at| at.as_secs_f64()),
                violated_for_s: worst.violated_for.as_secs_f64(),
                matching: worst.matching,
                of: worst.of,
                location: location(spec.origin()),
                worst_run,
                passes: across.passes,
                mean: observed.map(|observed| observed.mean),
                interval_95: observed
                    .filter(|observed| observed.half_width.is_some())
                    .map(|observed| (observed.low(), observed.high())),
            }
        })
        .collect()
}

/// The first run that did not meet it, or else the one with the least margin, the first of equals.
fn worst(results: &[RunResult], position: usize, strict: bool) -> (u64, &ThresholdResult) {
    let runs = || results.iter().map(|run| (run.replication, &run.thresholds[position]));
    let margin = |result: &ThresholdResult| result.margin.unwrap_or(f64::INFINITY);
    runs()
        .find(|(_, result)| !result.is_met(strict))
        .or_else(|| runs().min_by(|one, other| margin(one.1).total_cmp(&margin(other.1))))
        .expect("a report is about at least one run")
}

fn unit(scenario: &Scenario, spec: &ThresholdSpec) -> Option<String> {
    match catalogue::find(spec.metric().name())?.contains {
        Contains::Time => Some("ms".to_owned()),
        Contains::Data => Some("B".to_owned()),
        Contains::Money => Some(scenario.prices.currency.to_string()),
        Contains::Number | Contains::Share => None,
    }
}
