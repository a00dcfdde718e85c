//! Alert rules: expressions that Prometheus refuses, that can never hold, or that mean something
//! else than they say.

mod metrics;

use std::collections::BTreeSet;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{BinaryExpr, Expr, VectorSelector, parse};

use self::metrics::{METRICS, Metric, PREFIXES, TARGET_LABELS, has_free_labels, known};
use crate::checks::monitors;
use crate::checks::subject::Subject;
use crate::cluster::api::WorkloadKind;
use crate::input::codes::{self, Code};
use crate::input::decode::nearest;
use crate::input::diagnostic::Diagnostic;
use crate::input::diagnostic::Severity::{Error, Note, Warning};
use crate::input::material::AlertRule;

/// Expressions longer than this are not taken apart: the parser's stack is bounded by its input.
const LONGEST: usize = 16 << 10;

pub(super) fn check(subject: &Subject<'_>) {
    monitors::check(subject);
    let mut unknown: Vec<(&AlertRule, String)> = Vec::new();
    for alert in &subject.material.extras.rules.alerts {
        if subject.material.platform.contains(&alert.span.file) {
            continue;
        }
        if alert.expression.len() > LONGEST || deep(&alert.expression) {
            continue;
        }
        match parse(&alert.expression) {
            Ok(expression) => {
                let mut found = Found::default();
                walk(&expression, &mut found);
                let look = Look { subject, alert, found: &found };
                look.metrics(&mut unknown);
                look.comparisons();
                look.self_ratio();
                look.finished_pods();
            }
            Err(cause) => {
                let message = format!("alert {}: the expression is no PromQL", alert.name);
                subject.report(about(
                    alert,
                    Error,
                    codes::EXPRESSION_INVALID,
                    message,
                    &cause.to_string(),
                ));
            }
        }
    }
    say_unknown(subject, &unknown);
}

/// Nesting that no person writes: it is left alone instead of risking the parser's stack.
fn deep(text: &str) -> bool {
    let (mut depth, mut most) = (0_u32, 0_u32);
    for byte in text.bytes() {
        match byte {
            b'(' | b'{' | b'[' => depth += 1,
            b')' | b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most > 100
}

fn about(
    alert: &AlertRule,
    severity: crate::checks::Severity,
    code: Code,
    message: String,
    label: &str,
) -> Diagnostic {
    // A block of several lines is pointed at by its first words.
    let label = label.lines().next().unwrap_or_default();
    Diagnostic::new(severity, code, message)
        .primary(alert.span, label)
        .about(&*alert.object, &*alert.path)
}

/// The parts of an expression that are looked at.
#[derive(Default)]
struct Found<'e> {
    selectors: Vec<&'e VectorSelector>,
    binaries: Vec<&'e BinaryExpr>,
}

fn walk<'e>(expression: &'e Expr, found: &mut Found<'e>) {
    match expression {
        Expr::Aggregate(it) => walk(&it.expr, found),
        Expr::Unary(it) => walk(&it.expr, found),
        Expr::Binary(it) => {
            found.binaries.push(it);
            walk(&it.lhs, found);
            walk(&it.rhs, found);
        }
        Expr::Paren(it) => walk(&it.expr, found),
        Expr::Subquery(it) => walk(&it.expr, found),
        Expr::VectorSelector(it) => found.selectors.push(it),
        Expr::MatrixSelector(it) => found.selectors.push(&it.vs),
        Expr::Call(it) => it.args.args.iter().for_each(|argument| walk(argument, found)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

struct Look<'s, 'f, 'a, 'e> {
    subject: &'s Subject<'a>,
    alert: &'s AlertRule,
    found: &'f Found<'e>,
}

impl<'s> Look<'s, '_, '_, '_> {
    fn report(
        &self,
        severity: crate::checks::Severity,
        code: Code,
        message: String,
        label: &str,
        notes: &[String],
    ) {
        let finding = about(self.alert, severity, code, message, label);
        self.subject
            .report(notes.iter().fold(finding, |finding, note| finding.note(note.as_str())));
    }

    fn metrics(&self, unknown: &mut Vec<(&'s AlertRule, String)>) {
        let recorded = |name: &str| {
            self.subject.material.extras.rules.recordings.iter().any(|rule| *rule.name == *name)
        };
        for selector in &self.found.selectors {
            let Some(name) = name_of(selector) else { continue };
            if let Some(metric) = known(name) {
                self.labels(selector, metric);
                self.values(selector);
            } else if !recorded(name)
                && !self.misspelt(name)
                && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            {
                unknown.push((self.alert, name.to_owned()));
            }
        }
    }

    /// A name of a known exporter that it does not have, but nearly.
    fn misspelt(&self, name: &str) -> bool {
        let family = PREFIXES.iter().find(|prefix| name.starts_with(**prefix));
        let near = family.and_then(|family| {
            let same =
                METRICS.iter().map(|metric| metric.name).filter(|other| other.starts_with(family));
            nearest(name, same).filter(|near| strsim::damerau_levenshtein(near, name) <= 3)
        });
        let Some(near) = near else { return false };
        let message =
            format!("alert {} can never fire: there is no metric `{name}`", self.alert.name);
        self.report(
            Warning,
            codes::ALERT_NEVER_FIRES,
            message,
            &format!("is `{near}` meant?"),
            &[],
        );
        true
    }

    /// A matcher on a label that the metric does not carry matches only the empty text.
    fn labels(&self, selector: &VectorSelector, metric: &Metric) {
        if has_free_labels(metric.name) {
            return;
        }
        for matcher in &selector.matchers.matchers {
            let label = matcher.name.as_str();
            let carried = metric.labels.contains(&label)
                || TARGET_LABELS.contains(&label)
                || label.starts_with("label_")
                || label.starts_with("__");
            let wants = match &matcher.op {
                MatchOp::Equal => !matcher.value.is_empty(),
                MatchOp::Re(pattern) => !pattern.is_match(""),
                MatchOp::NotEqual | MatchOp::NotRe(_) => false,
            };
            if carried || !wants {
                continue;
            }
            let message = format!(
                "alert {} can never fire: `{}` has no label `{label}`",
                self.alert.name, metric.name
            );
            let known = format!("labels of {}: {}", metric.name, metric.labels.join(", "));
            let label = match nearest(label, metric.labels.iter().copied()) {
                Some(near) => format!("is `{near}` meant?"),
                None => format!("{label} is not one of its labels"),
            };
            self.report(Warning, codes::ALERT_NEVER_FIRES, message, &label, &[known]);
        }
    }

    /// A namespace or workload that is not among the objects.
    fn values(&self, selector: &VectorSelector) {
        let objects = &self.subject.material.objects;
        if objects.workloads.is_empty() {
            return;
        }
        let literal = |name: &str| {
            selector.matchers.matchers.iter().find(|matcher| {
                matcher.name == name && matcher.op == MatchOp::Equal && !matcher.value.is_empty()
            })
        };
        let absent = |matcher: &Matcher, what: &str, known: BTreeSet<&str>| {
            let message = format!(
                "alert {} can never fire for this release: there is no {what} `{}`",
                self.alert.name, matcher.value
            );
            let label = nearest(&matcher.value, known.iter().copied()).map_or_else(
                || format!("no {what} of the objects"),
                |near| format!("is `{near}` meant?"),
            );
            let shown: Vec<&str> = known.into_iter().take(10).collect();
            self.report(
                Warning,
                codes::ALERT_NEVER_FIRES,
                message,
                &label,
                &[format!("there are: {}", shown.join(", "))],
            );
        };
        if let Some(matcher) = literal("namespace") {
            let known: BTreeSet<&str> =
                objects.workloads.iter().map(|workload| &*workload.meta.namespace).collect();
            let theirs = matcher.value.starts_with("kube-")
                || matcher.value.contains('$')
                || matcher.value.contains("{{");
            if !known.contains(&*matcher.value) && !theirs && !known.contains("default") {
                absent(matcher, "namespace", known);
            }
        }
        for (label, kind) in [
            ("deployment", "Deployment"),
            ("statefulset", "StatefulSet"),
            ("daemonset", "DaemonSet"),
        ] {
            let Some(matcher) = literal(label) else { continue };
            let known: BTreeSet<&str> = objects
                .workloads
                .iter()
                .filter(|workload| workload.kind_name() == kind)
                .map(|workload| &*workload.meta.name)
                .collect();
            if !known.contains(&*matcher.value) && !known.is_empty() {
                absent(matcher, kind, known);
            }
        }
    }

    /// Comparisons that no value of the metric fulfils, and idle taken for broken.
    fn comparisons(&self) {
        for binary in &self.found.binaries {
            let (Some(selector), Some(number)) = (bare(&binary.lhs), literal(&binary.rhs)) else {
                continue;
            };
            let Some(metric) = name_of(selector).and_then(known) else { continue };
            let op = binary.op.to_string();
            if let Some((low, high)) = metric.range {
                let (low, high) = (f64::from(low), f64::from(high));
                let never = match op.as_str() {
                    ">" => number >= high,
                    ">=" => number > high,
                    "<" => number <= low,
                    "<=" => number < low,
                    "==" => number < low || number > high,
                    _ => false,
                };
                if never {
                    let message = format!(
                        "alert {} can never fire: `{}` is between {low} and {high}",
                        self.alert.name, metric.name
                    );
                    self.report(
                        Warning,
                        codes::ALERT_NEVER_FIRES,
                        message,
                        &format!("{op} {number} never holds"),
                        &[],
                    );
                    continue;
                }
            }
            let zero = number.abs() < f64::EPSILON && matches!(op.as_str(), "==" | "<=");
            if metric.utilisation && zero {
                let message = format!(
                    "alert {}: `{}` is 0 when idle, and absent when broken",
                    self.alert.name, metric.name
                );
                let note = "it fires whenever nothing is to do, and stays silent when the device is gone; absent() tells that".to_owned();
                self.report(
                    Warning,
                    codes::ALERT_TAKES_IDLE_FOR_BROKEN,
                    message,
                    "true for an idle device",
                    &[note],
                );
            }
        }
    }

    /// A series divided by itself: without aggregation and with equal labels on both sides.
    fn self_ratio(&self) {
        for binary in &self.found.binaries {
            let divides = binary.op.to_string() == "/";
            let plain = binary.modifier.as_ref().is_none_or(|modifier| modifier.matching.is_none());
            if !divides || !plain {
                continue;
            }
            let (Some(left), Some(right)) = (rated(&binary.lhs), rated(&binary.rhs)) else {
                continue;
            };
            let same = left.0 == right.0
                && name_of(left.1).is_some()
                && name_of(left.1) == name_of(right.1);
            let narrower = |narrow: &VectorSelector, wide: &VectorSelector| {
                let wide = own_matchers(wide);
                own_matchers(narrow).len() > wide.len()
                    && wide.iter().all(|matcher| own_matchers(narrow).contains(matcher))
            };
            if !same || !(narrower(left.1, right.1) || narrower(right.1, left.1)) {
                continue;
            }
            let metric = name_of(left.1).unwrap_or_default();
            let message = format!(
                "alert {}: each series of `{metric}` is divided by itself, so the ratio is always 1",
                self.alert.name
            );
            let notes = [
                "division matches series whose labels are all equal, and the narrower side is a part of the wider".to_owned(),
                "it fires as soon as one such event goes on, however rare: sum both sides first".to_owned(),
            ];
            self.report(
                Warning,
                codes::ALERT_ALWAYS_FIRES,
                message,
                "no sum() on either side",
                &notes,
            );
        }
    }

    /// Readiness of pods, those of finished Jobs among them.
    fn finished_pods(&self) {
        let jobs: Vec<String> = self
            .subject
            .workloads()
            .filter(|workload| matches!(workload.spec.kind, WorkloadKind::Job(_)))
            .map(|workload| workload.name())
            .collect();
        if jobs.is_empty() {
            return;
        }
        let aware = self.found.selectors.iter().any(|selector| {
            let name = name_of(selector).unwrap_or_default();
            name == "kube_pod_status_phase"
                || name == "kube_pod_owner"
                || name == "kube_pod_completion_time"
                || selector
                    .matchers
                    .matchers
                    .iter()
                    .any(|matcher| matcher.name == "pod" && !matcher.value.is_empty())
        });
        let counts = self.found.binaries.iter().any(|binary| {
            let (Some(selector), Some(number)) = (bare(&binary.lhs), literal(&binary.rhs)) else {
                return false;
            };
            let condition = selector
                .matchers
                .matchers
                .iter()
                .find(|matcher| matcher.name == "condition")
                .map(|matcher| matcher.value.as_str());
            let op = binary.op.to_string();
            let is_zero = number.abs() < f64::EPSILON;
            name_of(selector) == Some("kube_pod_status_ready")
                && match condition {
                    Some("true") => (op == "==" && is_zero) || op == "<" || op == "!=",
                    Some("false") => (op == "==" && !is_zero) || op == ">",
                    _ => false,
                }
        });
        if aware || !counts {
            return;
        }
        let message = format!(
            "alert {} counts the pods of finished Jobs, which are never ready again",
            self.alert.name
        );
        let note = format!(
            "pods of {} stay for a while with Ready=False; leave out those whose phase is Succeeded",
            jobs.join(", ")
        );
        self.report(
            Warning,
            codes::ALERT_COUNTS_FINISHED,
            message,
            "also true of every pod that is done",
            &[note],
        );
    }
}

/// The metric's name, written in front or as a matcher.
fn name_of(selector: &VectorSelector) -> Option<&str> {
    let matcher = || {
        let named = selector
            .matchers
            .matchers
            .iter()
            .find(|matcher| matcher.name == "__name__" && matcher.op == MatchOp::Equal);
        named.map(|matcher| matcher.value.as_str())
    };
    selector.name.as_deref().or_else(matcher)
}

/// The matchers beside the one of the name.
fn own_matchers(selector: &VectorSelector) -> Vec<&Matcher> {
    selector.matchers.matchers.iter().filter(|matcher| matcher.name != "__name__").collect()
}

/// A selector with nothing around it but brackets.
fn bare(expression: &Expr) -> Option<&VectorSelector> {
    match expression {
        Expr::VectorSelector(selector) => Some(selector),
        Expr::Paren(inner) => bare(&inner.expr),
        Expr::Aggregate(_)
        | Expr::Unary(_)
        | Expr::Binary(_)
        | Expr::Subquery(_)
        | Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::MatrixSelector(_)
        | Expr::Call(_)
        | Expr::Extension(_) => None,
    }
}

fn literal(expression: &Expr) -> Option<f64> {
    match expression {
        Expr::NumberLiteral(number) => Some(number.val),
        Expr::Paren(inner) => literal(&inner.expr),
        Expr::Unary(inner) => literal(&inner.expr).map(|number| -number),
        Expr::Aggregate(_)
        | Expr::Binary(_)
        | Expr::Subquery(_)
        | Expr::VectorSelector(_)
        | Expr::StringLiteral(_)
        | Expr::MatrixSelector(_)
        | Expr::Call(_)
        | Expr::Extension(_) => None,
    }
}

/// A rate or increase of a selector, or the selector itself: how it is taken, and of what.
fn rated(expression: &Expr) -> Option<(String, &VectorSelector)> {
    match expression {
        Expr::VectorSelector(selector) => Some((String::new(), selector)),
        Expr::Paren(inner) => rated(&inner.expr),
        Expr::Call(call) if matches!(call.func.name, "rate" | "irate" | "increase") => {
            let [argument] = call.args.args.as_slice() else { return None };
            let Expr::MatrixSelector(matrix) = &**argument else { return None };
            Some((format!("{}[{:?}]", call.func.name, matrix.range), &matrix.vs))
        }
        Expr::Aggregate(_)
        | Expr::Unary(_)
        | Expr::Binary(_)
        | Expr::Subquery(_)
        | Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::MatrixSelector(_)
        | Expr::Call(_)
        | Expr::Extension(_) => None,
    }
}

/// One note for all metrics that only a running application can have.
fn say_unknown(subject: &Subject<'_>, found: &[(&AlertRule, String)]) {
    let Some((first, _)) = found.first() else { return };
    let names: BTreeSet<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let alerts: BTreeSet<&str> = found.iter().map(|(alert, _)| &*alert.name).collect();
    let message = match alerts.len() {
        1 => format!("whether alert {} can fire is known when the application runs", first.name),
        count => format!("whether {count} alerts can fire is known when the application runs"),
    };
    let alerts: Vec<&str> = alerts.into_iter().collect();
    let finding = about(first, Note, codes::METRIC_UNKNOWN, message, "a metric of the application");
    subject.report(
        finding
            .note(format!("alerts: {}", alerts.join(", ")))
            .note(format!("metrics that no known exporter has: {}", names.join(", "))),
    );
}
