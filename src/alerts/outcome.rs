//! What became of each alert rule, and of what was expected of it.

use std::sync::Arc;

use crate::promql::Labels;
pub use crate::promql::alerting::State;
use crate::scenario::alerts::{Expectation, Fires};
use crate::units::Origin;

/// Everything about the alerts of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Alerted {
    /// Each alert rule, in the order of the documents.
    pub alerts: Vec<AlertOutcome>,
    /// Each expectation, in the order of the scenario.
    pub expectations: Vec<ExpectationOutcome>,
}

/// An alert rule.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertOutcome {
    /// Its name.
    pub name: Arc<str>,
    /// Its group.
    pub group: Arc<str>,
    /// `expr`.
    pub expression: Arc<str>,
    /// `for` (s).
    pub hold_s: f64,
    /// `labels.severity`, when it has one.
    pub severity: Option<Arc<str>>,
    /// `annotations.summary`, as written.
    pub summary: Option<Arc<str>>,
    /// Where it stands.
    pub origin: Origin,
    /// Why it was not evaluated; empty when it was.
    pub obstacles: Vec<Arc<str>>,
    /// The first error of an evaluation, and how many there were.
    pub failed: Option<(Arc<str>, u32)>,
    /// Alerts by labels, by the time they began.
    pub instances: Vec<AlertInstance>,
    /// Alerts beyond those that are kept.
    pub more: u32,
}

/// One alert of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertInstance {
    /// Its labels.
    pub labels: Labels,
    /// When it was pending and when it fired.
    pub spans: Vec<AlertSpan>,
}

/// A span of one state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlertSpan {
    /// Which.
    pub state: State,
    /// From (s).
    pub from_s: f64,
    /// To (s); the end of the run when it lasts that long.
    pub until_s: f64,
}

/// What became of an expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectationOutcome {
    /// What was expected.
    pub expected: Expectation,
    /// Whether it came true.
    pub holds: bool,
    /// What happened, in a sentence.
    pub told: String,
}

impl Alerted {
    /// Whether every expectation came true.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.expectations.iter().all(|expectation| expectation.holds)
    }
}

impl AlertOutcome {
    /// When it first fired within the measured time (s).
    #[must_use]
    pub fn first_fired_s(&self) -> Option<f64> {
        firing(&self.instances, &[]).first().map(|(from, _)| from.max(0.0))
    }

    /// For how long any of its alerts was in a state, within the measured time (s).
    #[must_use]
    pub fn lasted_s(&self, state: State) -> f64 {
        let spans = union(&self.instances, state, &[]);
        spans.iter().fold(0.0, |sum, (from, until)| sum + (until - from.max(0.0)).max(0.0))
    }
}

/// Spans in which any alert with these labels fires, those that end before measuring begins left out.
#[must_use]
pub fn firing(instances: &[AlertInstance], labels: &[(Arc<str>, Arc<str>)]) -> Vec<(f64, f64)> {
    let spans = union(instances, State::Firing, labels);
    spans.into_iter().filter(|(_, until)| *until > 0.0).collect()
}

/// Spans in which any alert with these labels is in a state, joined.
#[must_use]
pub fn union(
    instances: &[AlertInstance],
    state: State,
    labels: &[(Arc<str>, Arc<str>)],
) -> Vec<(f64, f64)> {
    let carries = |instance: &&AlertInstance| {
        labels.iter().all(|(name, value)| instance.labels.get(name) == &**value)
    };
    let spans = instances.iter().filter(carries).flat_map(|instance| &instance.spans);
    let spans = spans.filter(|span| span.state == state);
    let mut spans: Vec<(f64, f64)> = spans.map(|span| (span.from_s, span.until_s)).collect();
    spans.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
    let mut joined: Vec<(f64, f64)> = Vec::new();
    for (from, until) in spans {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            Some(_) | None => joined.push((from, until)),
        }
    }
    joined
}

/// Judges an expectation by the rules of its name.
pub(super) fn judge(expected: &Expectation, alerts: &[AlertOutcome]) -> ExpectationOutcome {
    let rules = || alerts.iter().filter(|alert| alert.name == expected.alert);
    if let Some(rule) = rules().find(|rule| !rule.obstacles.is_empty()) {
        let told = format!("it was not evaluated: {}", rule.obstacles.join("; "));
        return ExpectationOutcome { expected: expected.clone(), holds: false, told };
    }
    let mut spans: Vec<(f64, f64)> =
        rules().flat_map(|rule| firing(&rule.instances, &expected.labels)).collect();
    spans.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (holds, told) = match (expected.fires, spans.first()) {
        (Fires::Never, None) => (true, "it never fired".to_owned()),
        (Fires::Never, Some((from, _))) => (false, format!("it fires at {}", clock(from.max(0.0)))),
        (Fires::Between { .. }, None) => (false, "it never fired".to_owned()),
        (Fires::Between { after, before }, Some((first, _))) => {
            let begins = spans.iter().map(|(from, _)| from.max(0.0));
            let inside = |from: &f64| {
                *from >= after.as_secs_f64() && before.is_none_or(|it| *from <= it.as_secs_f64())
            };
            let met = begins.into_iter().find(inside);
            let told = met.unwrap_or_else(|| first.max(0.0));
            (met.is_some(), format!("it fires at {}", clock(told)))
        }
    };
    ExpectationOutcome { expected: expected.clone(), holds, told }
}

fn clock(seconds: f64) -> String {
    crate::units::SimDuration::from_secs_f64(seconds).to_string()
}
