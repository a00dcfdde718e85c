//! Alerts of the first run, and expectations over all of them, as entries of the page.

use crate::alerts::{AlertOutcome, Alerted, State, union};
use crate::report::assemble::location;
use crate::report::{AlertEntry, AlertInstanceEntry, ExpectationEntry, SpanEntry, TimelineEntry};
use crate::scenario::alerts::Fires;
use crate::sweep::RunResult;
use crate::units::SimDuration;
use crate::units::convert::count_u32;

pub(super) fn alerts(first: &Alerted) -> Vec<AlertEntry> {
    first.alerts.iter().map(alert).collect()
}

/// The timeline with the moments at which alerts begin to fire.
pub(super) fn told_among(
    mut timeline: Vec<TimelineEntry>,
    alerted: &Alerted,
) -> Vec<TimelineEntry> {
    for alert in &alerted.alerts {
        let Some(first) = alert.first_fired_s() else { continue };
        let lasted = SimDuration::from_secs_f64(alert.lasted_s(State::Firing));
        timeline.push(TimelineEntry {
            t_s: first,
            object: format!("alert/{}", alert.name),
            condition: None,
            status: None,
            reason: None,
            message: format!("alert {} fires: for {lasted} in all", alert.name),
        });
    }
    timeline.sort_by(|one, other| one.t_s.total_cmp(&other.t_s));
    timeline
}

fn alert(outcome: &AlertOutcome) -> AlertEntry {
    let joined = |state| union(&outcome.instances, state, &[]).into_iter().map(span).collect();
    let instances = outcome.instances.iter().map(|instance| AlertInstanceEntry {
        labels: instance.labels.without(&["alertname"]).to_string(),
        pending: spans(instance, State::Pending),
        firing: spans(instance, State::Firing),
    });
    AlertEntry {
        name: outcome.name.to_string(),
        group: outcome.group.to_string(),
        severity: outcome.severity.as_deref().map(str::to_owned),
        summary: outcome.summary.as_deref().map(str::to_owned),
        expression: outcome.expression.split_whitespace().collect::<Vec<_>>().join(" "),
        hold_s: outcome.hold_s,
        location: location(&outcome.origin),
        not_evaluated: outcome.obstacles.iter().map(ToString::to_string).collect(),
        failed: outcome.failed.as_ref().map(|(sentence, times)| (sentence.to_string(), *times)),
        pending: joined(State::Pending),
        firing: joined(State::Firing),
        first_fired_s: outcome.first_fired_s(),
        firing_s: outcome.lasted_s(State::Firing),
        pending_s: outcome.lasted_s(State::Pending),
        instances: instances.collect(),
        more: outcome.more,
    }
}

fn spans(instance: &crate::alerts::AlertInstance, state: State) -> Vec<SpanEntry> {
    union(std::slice::from_ref(instance), state, &[]).into_iter().map(span).collect()
}

fn span((from_s, until_s): (f64, f64)) -> SpanEntry {
    SpanEntry { from_s, until_s }
}

/// Each expectation; told is the first run in which it did not come true, or else the first.
pub(super) fn expectations(results: &[RunResult]) -> Vec<ExpectationEntry> {
    let first = results.first().map(|run| run.alerts.expectations.as_slice()).unwrap_or_default();
    let entries = first.iter().enumerate().map(|(position, outcome)| {
        let of_runs = || results.iter().map(|run| &run.alerts.expectations[position]);
        let worst = of_runs().find(|outcome| !outcome.holds).unwrap_or(outcome);
        let expected = &worst.expected;
        ExpectationEntry {
            alert: expected.alert.to_string(),
            labels: expected
                .labels
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            expected: match expected.fires {
                Fires::Never => "never fires".to_owned(),
                Fires::Between { after, before: None } if after.is_zero() => "fires".to_owned(),
                Fires::Between { after, before: None } => format!("fires after {after}"),
                Fires::Between { after, before: Some(before) } if after.is_zero() => {
                    format!("fires by {before}")
                }
                Fires::Between { after, before: Some(before) } => {
                    format!("fires from {after} to {before}")
                }
            },
            ok: of_runs().all(|outcome| outcome.holds),
            passes: count_u32(of_runs().filter(|outcome| outcome.holds).count()),
            told: worst.told.clone(),
            location: location(&expected.origin),
        }
    });
    entries.collect()
}
