//! Alerts in JSON: one object for each rule, with the spans in which it was pending and fired.

use serde::Serialize;

use crate::report::json::{Place, place};
use crate::report::{AlertEntry, AlertInstanceEntry, ExpectationEntry, SpanEntry};

#[derive(Serialize)]
pub(super) struct Alert<'a> {
    name: &'a str,
    group: &'a str,
    severity: Option<&'a str>,
    expression: &'a str,
    for_s: f64,
    location: Option<Place<'a>>,
    evaluated: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    not_evaluated_because: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<u32>,
    first_fired_s: Option<f64>,
    firing_s: f64,
    pending_s: f64,
    pending: Vec<Span>,
    firing: Vec<Span>,
    series: Vec<Instance<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    more_series: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[derive(Serialize)]
struct Span {
    from_s: f64,
    until_s: f64,
}

#[derive(Serialize)]
struct Instance<'a> {
    labels: &'a str,
    pending: Vec<Span>,
    firing: Vec<Span>,
}

#[derive(Serialize)]
pub(super) struct Expectation<'a> {
    alertname: &'a str,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    labels: serde_json::Map<String, serde_json::Value>,
    expected: &'a str,
    ok: bool,
    passes: u32,
    told: &'a str,
    location: Option<Place<'a>>,
}

fn spans(entries: &[SpanEntry]) -> Vec<Span> {
    entries.iter().map(|it| Span { from_s: it.from_s, until_s: it.until_s }).collect()
}

fn instance(entry: &AlertInstanceEntry) -> Instance<'_> {
    Instance { labels: &entry.labels, pending: spans(&entry.pending), firing: spans(&entry.firing) }
}

pub(super) fn alert(entry: &AlertEntry) -> Alert<'_> {
    Alert {
        name: &entry.name,
        group: &entry.group,
        severity: entry.severity.as_deref(),
        expression: &entry.expression,
        for_s: entry.hold_s,
        location: entry.location.as_ref().map(place),
        evaluated: entry.not_evaluated.is_empty(),
        not_evaluated_because: &entry.not_evaluated,
        error: entry.failed.as_ref().map(|(sentence, _)| sentence.as_str()),
        errors: entry.failed.as_ref().map(|(_, times)| *times),
        first_fired_s: entry.first_fired_s,
        firing_s: entry.firing_s,
        pending_s: entry.pending_s,
        pending: spans(&entry.pending),
        firing: spans(&entry.firing),
        series: entry.instances.iter().map(instance).collect(),
        more_series: entry.more,
    }
}

pub(super) fn expectation(entry: &ExpectationEntry) -> Expectation<'_> {
    let labels = entry.labels.iter().map(|(name, value)| (name.clone(), value.clone().into()));
    Expectation {
        alertname: &entry.alert,
        labels: labels.collect(),
        expected: &entry.expected,
        ok: entry.ok,
        passes: entry.passes,
        told: &entry.told,
        location: entry.location.as_ref().map(place),
    }
}
