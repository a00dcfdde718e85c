//! The observer: samples in, rules evaluated, states folded into spans.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alerts::outcome::{AlertInstance, AlertOutcome, AlertSpan, Alerted, State, judge};
use crate::alerts::requests::Requests;
use crate::model::id::OperationId;
use crate::model::observer::{ClientCall, OperationEnd};
use crate::promql::alerting::{Alerts, Change, Patience};
use crate::promql::{Error, Evaluation, LOOKBACK_MS, Labels, NAME, Sample, Storage, Value};
use crate::scenario::Scenario;
use crate::scenario::alerts::{AlertsSpec, RuleKind, RuleSpec};
use crate::units::convert::f64_from_i64;
use crate::units::{SimDuration, SimTime};

/// Alerts of one rule that are kept one by one; more are counted.
const INSTANCES_MOST: usize = 200;
/// Spans of one alert that are kept.
const SPANS_MOST: usize = 200;

/// Who writes samples: the cluster's exporters and services, then each rule that records.
const SCRAPE: u32 = 0;

/// Watches a run for alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertWatch {
    spec: Arc<AlertsSpec>,
    storage: Storage,
    services: Option<Requests>,
    clients: Option<Requests>,
    groups: Vec<Group>,
    /// What is looked back for at most (ms).
    window_ms: i64,
    /// From the start of the run to the start of measuring (ms).
    measured_from_ms: i64,
}

/// A group at work.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    interval_ms: i64,
    next_ms: i64,
    rules: Vec<Rule>,
}

/// A rule at work.
#[derive(Debug, Clone, PartialEq, Default)]
struct Rule {
    /// Who it is for the storage.
    source: u32,
    alerts: Alerts,
    instances: BTreeMap<Labels, Vec<Open>>,
    more: u32,
    failed: Option<(Arc<str>, u32)>,
}

/// A span that may still go on.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Open {
    state: State,
    from_ms: i64,
    until_ms: Option<i64>,
}

fn millis(span: SimDuration) -> i64 {
    i64::try_from(span.as_nanos() / 1_000_000).unwrap_or(i64::MAX / 4)
}

fn instant(at: SimTime) -> i64 {
    millis(at.since(SimTime::ZERO))
}

impl AlertWatch {
    /// Ready to watch a run of a scenario.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let spec = Arc::clone(&scenario.alerts);
        let measured_from_ms = millis(scenario.warm_up);
        let mut source = SCRAPE;
        let groups = spec.groups.iter().map(|group| {
            let interval_ms = millis(group.interval.unwrap_or(spec.evaluation_interval)).max(1);
            let rules = group.rules.iter().map(|_| {
                source += 1;
                Rule { source, ..Rule::default() }
            });
            let rules = rules.collect();
            Group { interval_ms, next_ms: measured_from_ms % interval_ms, rules }
        });
        let groups = groups.collect();
        Self {
            storage: Storage::default(),
            services: Requests::of_services(scenario, &spec.wanted),
            clients: Requests::of_clients(scenario, &spec.wanted),
            groups,
            window_ms: spec.window_ms(),
            measured_from_ms,
            spec,
        }
    }

    /// Operations of services ended.
    pub fn operations_ended(&mut self, operation: OperationId, ended: &OperationEnd, count: u64) {
        if let Some(services) = &mut self.services {
            services.ended(operation, ended.end, ended.took, count);
        }
    }

    /// Calls of clients ended.
    pub fn calls_ended(&mut self, call: &ClientCall, count: u64) {
        if let Some(clients) = &mut self.clients {
            clients.ended(call.operation, call.end, call.took, count);
        }
    }

    /// The exporters of the cluster were scraped; services and the ingress are with them.
    pub fn scraped(&mut self, at: SimTime, mut series: Vec<(Labels, f64)>) {
        let at_ms = instant(at);
        // What was due since the last scrape saw nothing of this one.
        self.evaluate_until(at_ms - 1);
        self.services.iter_mut().for_each(|services| services.expose(&mut series));
        self.clients.iter_mut().for_each(|clients| clients.expose(&mut series));
        self.storage.take(at_ms, SCRAPE, series);
        self.storage
            .forget_before(at_ms.saturating_sub(self.window_ms.saturating_add(LOOKBACK_MS)));
        self.evaluate_until(at_ms);
    }

    fn evaluate_until(&mut self, at_ms: i64) {
        loop {
            let due = self.groups.iter().enumerate().filter(|(_, group)| group.next_ms <= at_ms);
            let Some((position, next_ms)) =
                due.map(|(position, group)| (position, group.next_ms)).min_by_key(|it| it.1)
            else {
                return;
            };
            self.evaluate_group(position, next_ms);
            let group = &mut self.groups[position];
            group.next_ms += group.interval_ms;
        }
    }

    /// The rules of a group, one after another: each sees what those before it record.
    fn evaluate_group(&mut self, position: usize, at_ms: i64) {
        let spec = Arc::clone(&self.spec);
        for (number, rule_spec) in spec.groups[position].rules.iter().enumerate() {
            if !rule_spec.is_evaluated() {
                continue;
            }
            let result = self.evaluate_rule(position, number, rule_spec, at_ms);
            if let Err(Error(sentence)) = result {
                let rule = &mut self.groups[position].rules[number];
                let times = rule.failed.take().map_or(1, |(_, times)| times + 1);
                rule.failed = Some((Arc::from(sentence), times));
            }
        }
    }

    fn evaluate_rule(
        &mut self,
        group: usize,
        number: usize,
        spec: &RuleSpec,
        at_ms: i64,
    ) -> Result<(), Error> {
        let evaluation = Evaluation {
            storage: &self.storage,
            lookback_ms: LOOKBACK_MS,
            step_ms: millis(self.spec.evaluation_interval),
            epoch_s: self.spec.epoch_s(),
        };
        let samples = match evaluation.value(&spec.expression, at_ms)? {
            Value::Vector(samples) => samples,
            Value::Scalar(value) => vec![Sample { labels: Labels::default(), value }],
            Value::Text(_) => return Err(Error("a text is no result of a rule".to_owned())),
        };
        let rule = &mut self.groups[group].rules[number];
        match &spec.kind {
            RuleKind::Record(name) => {
                let made = samples.into_iter().map(|sample| {
                    let mut labels = labelled(sample.labels.nameless(), spec, sample.value);
                    labels.set(NAME, name);
                    (labels, sample.value)
                });
                let made: Vec<(Labels, f64)> = made.collect();
                self.storage.take(at_ms, rule.source, made);
            }
            RuleKind::Alert { name, hold, keep } => {
                let selected = samples.into_iter().map(|sample| {
                    let mut labels = labelled(sample.labels.nameless(), spec, sample.value);
                    labels.set("alertname", name);
                    Sample { labels, value: sample.value }
                });
                let selected: Vec<Sample> = selected.collect();
                let patience = Patience { hold_ms: millis(*hold), keep_ms: millis(*keep) };
                for change in rule.alerts.evaluate(at_ms, &selected, patience)? {
                    rule.note(at_ms, change);
                }
            }
        }
        Ok(())
    }

    /// The run is over: what was due is evaluated, and expectations are judged.
    #[must_use]
    pub fn finish(mut self, end: SimTime) -> Alerted {
        let end_ms = instant(end);
        if self.spec.is_watched() {
            self.evaluate_until(end_ms);
        }
        let spec = Arc::clone(&self.spec);
        let mut alerts = Vec::new();
        for (group, at_work) in spec.groups.iter().zip(&self.groups) {
            for (rule, state) in group.rules.iter().zip(&at_work.rules) {
                let RuleKind::Alert { name, hold, .. } = &rule.kind else { continue };
                let of = |list: &[(Arc<str>, Arc<str>)], key: &str| {
                    list.iter().find(|(name, _)| &**name == key).map(|(_, it)| Arc::clone(it))
                };
                alerts.push(AlertOutcome {
                    name: Arc::clone(name),
                    group: Arc::clone(&group.name),
                    expression: Arc::clone(&rule.text),
                    hold_s: hold.as_secs_f64(),
                    severity: of(&rule.labels, "severity"),
                    summary: of(&rule.annotations, "summary")
                        .or_else(|| of(&rule.annotations, "description")),
                    origin: rule.origin.clone(),
                    obstacles: rule.obstacles.clone(),
                    failed: state.failed.clone(),
                    instances: state.told(self.measured_from_ms, end_ms),
                    more: state.more,
                });
            }
        }
        let expectations = spec.expectations.iter().map(|it| judge(it, &alerts)).collect();
        Alerted { alerts, expectations }
    }
}

impl Rule {
    fn note(&mut self, at_ms: i64, change: Change) {
        let known = self.instances.contains_key(&change.labels);
        if !known && self.instances.len() >= INSTANCES_MOST {
            self.more += u32::from(change.state.is_some());
            return;
        }
        let spans = self.instances.entry(change.labels).or_default();
        if let Some(open) = spans.last_mut().filter(|span| span.until_ms.is_none()) {
            open.until_ms = Some(at_ms);
        }
        if let Some(state) = change.state
            && spans.len() < SPANS_MOST
        {
            spans.push(Open { state, from_ms: at_ms, until_ms: None });
        }
    }

    fn told(&self, measured_from_ms: i64, end_ms: i64) -> Vec<AlertInstance> {
        let seconds = |at: i64| f64_from_i64(at - measured_from_ms) / 1e3;
        let told = self.instances.iter().map(|(labels, spans)| AlertInstance {
            labels: labels.clone(),
            spans: spans
                .iter()
                .map(|span| AlertSpan {
                    state: span.state,
                    from_s: seconds(span.from_ms),
                    until_s: seconds(span.until_ms.unwrap_or(end_ms)),
                })
                .collect(),
        });
        let mut told: Vec<AlertInstance> = told.collect();
        let first = |it: &AlertInstance| it.spans.first().map_or(f64::INFINITY, |it| it.from_s);
        told.sort_by(|one, other| {
            first(one).total_cmp(&first(other)).then_with(|| one.labels.cmp(&other.labels))
        });
        told
    }
}

/// Labels of a result with those that the rule adds, whose `{{ $labels.x }}` and `{{ $value }}` are
/// filled in.
fn labelled(mut labels: Labels, spec: &RuleSpec, value: f64) -> Labels {
    let own = labels.clone();
    for (name, text) in &spec.labels {
        labels.set(name, &filled(text, &own, value));
    }
    labels
}

/// A template with its plain references filled in; anything else stays as written.
fn filled(text: &str, labels: &Labels, value: f64) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((inner, after)) = inside.split_once("}}") else {
            out.push_str("{{");
            rest = inside;
            continue;
        };
        match inner.trim() {
            "$value" => out.push_str(&value.to_string()),
            name => match name.strip_prefix("$labels.") {
                Some(label) => out.push_str(labels.get(label)),
                None => {
                    out.push_str("{{");
                    out.push_str(inner);
                    out.push_str("}}");
                }
            },
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_labels_are_filled_in() {
        let labels = Labels::of([("pod", "a-1")]);
        assert_eq!(filled("x {{ $labels.pod }} {{$value}}", &labels, 0.5), "x a-1 0.5");
        assert_eq!(filled("{{ $x | title }} {{", &labels, 0.5), "{{ $x | title }} {{");
    }
}
