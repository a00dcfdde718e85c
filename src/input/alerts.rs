//! Alert and recording rules of PrometheusRule objects and rule files, and the scenario's `alerts`.
//!
//! Whatever a rule says that cannot be followed is told with the rule and never stops a run; what the
//! scenario itself says is checked.

use std::sync::Arc;

use super::codes;
use super::decode::{Context, Value};
use super::documents::Documents;
use super::material::each_object;
use super::yaml::Node;
use crate::scenario::alerts::{
    AlertsSpec, Expectation, Fires, INTERVAL, RuleGroup, RuleKind, RuleSpec,
};
use crate::units::SimDuration;

/// The groups of all PrometheusRule objects, then those of rule files.
pub(super) fn rule_groups(
    context: Context<'_>,
    manifests: &[Documents],
    files: &[Documents],
) -> Vec<RuleGroup> {
    let mut found = Vec::new();
    for node in manifests.iter().flat_map(|documents| &documents.nodes) {
        objects(context, node, &mut found);
    }
    for documents in files {
        let before = found.len();
        for node in &documents.nodes {
            if node.get("groups").is_some() {
                let value = Value::root(context, node, "");
                found.extend(value.get("groups").iter().flat_map(groups));
            } else {
                objects(context, node, &mut found);
            }
        }
        if found.len() == before
            && let Some(node) = documents.nodes.first()
        {
            let value = Value::root(context, node, "");
            let error = value.error(codes::MISSING_FIELD, "has no `groups` of rules");
            value.report(error.help(
                "a rule file of Prometheus begins with `groups:`, an object with `kind: PrometheusRule`",
            ));
        }
    }
    found
}

fn objects(context: Context<'_>, node: &Node, into: &mut Vec<RuleGroup>) {
    each_object(context, node, &mut |version, kind, value| {
        if version.starts_with("monitoring.coreos.com/") && kind == "PrometheusRule" {
            into.extend(value.at(&["spec", "groups"]).iter().flat_map(groups));
        }
    });
}

fn groups(list: &Value<'_>) -> Vec<RuleGroup> {
    let groups = list.elements();
    let groups = groups.iter().map(|group| RuleGroup {
        name: text(group, "name").unwrap_or_else(|| Arc::from("")),
        interval: span(group, "interval").filter(|interval| !interval.is_zero()),
        rules: group
            .get("rules")
            .map(|rules| rules.elements())
            .unwrap_or_default()
            .iter()
            .filter_map(rule)
            .collect(),
    });
    groups.collect()
}

fn rule(value: &Value<'_>) -> Option<RuleSpec> {
    let expression = value.get("expr")?;
    let written = expression.node().scalar()?.text.clone();
    let kind = match (text(value, "alert"), text(value, "record")) {
        (Some(name), _) => RuleKind::Alert {
            name,
            hold: span(value, "for").unwrap_or_default(),
            keep: span(value, "keep_firing_for").unwrap_or_default(),
        },
        (None, Some(name)) => RuleKind::Record(name),
        (None, None) => return None,
    };
    let mut rule = RuleSpec::new(kind, &written, expression.origin());
    rule.labels = pairs(value, "labels");
    rule.annotations = pairs(value, "annotations");
    for key in ["for", "keep_firing_for"] {
        if value.get(key).is_some() && span(value, key).is_none() {
            let told = format!("`{key}` is no duration of Prometheus");
            rule.obstacles.push(Arc::from(told));
        }
    }
    Some(rule)
}

fn text(value: &Value<'_>, key: &str) -> Option<Arc<str>> {
    let found = value.get(key)?;
    found.node().scalar().map(|scalar| Arc::clone(&scalar.text)).filter(|text| !text.is_empty())
}

fn pairs(value: &Value<'_>, key: &str) -> Vec<(Arc<str>, Arc<str>)> {
    let Some(entries) = value.get(key).filter(|it| it.node().mapping().is_some()) else {
        return Vec::new();
    };
    let entries = entries.entries().unwrap_or_default();
    let pairs = entries.iter().filter_map(|(name, value)| {
        let scalar = value.node().scalar()?;
        Some((Arc::from(name.text), Arc::clone(&scalar.text)))
    });
    pairs.collect()
}

/// A duration of Prometheus: `1d12h`, `5m`, `90s`, `500ms`, `0`; units fall from left to right
/// (common/model/time.go `ParseDuration`).
fn span(value: &Value<'_>, key: &str) -> Option<SimDuration> {
    prometheus_duration(&text(value, key)?)
}

fn prometheus_duration(text: &str) -> Option<SimDuration> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    if text == "0" {
        return Some(SimDuration::ZERO);
    }
    let (mut rest, mut next, mut total) = (text, 0, 0_u64);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let unit = UNITS.iter().position(|(unit, _)| *unit == &rest[..letters])?;
        if unit < next {
            return None;
        }
        next = unit + 1;
        total = total.checked_add(number.checked_mul(UNITS[unit].1)?)?;
        rest = &rest[letters..];
    }
    // Longer than any run is as good as for ever.
    (!text.is_empty()).then(|| SimDuration::from_millis(total.min(100 * 365 * 86_400_000)))
}

/// `alerts` of a scenario; `groups` are those of its rules.
pub(super) fn alerts(value: &Value<'_>, groups: &[RuleGroup]) -> Option<AlertsSpec> {
    let fields = value.fields()?;
    // The files were followed when they were read; here the shape is checked.
    fields.read("rules", |value| value.list(Value::non_empty));
    let scrape = fields.read_or("scrapeInterval", INTERVAL, interval);
    // What becomes of a rule is known before anything runs.
    let judged = AlertsSpec::default().with_groups(groups.to_vec());
    let evaluation = fields.read_or("evaluationInterval", INTERVAL, interval);
    let expect = fields.read_or("expect", Vec::new(), |value| {
        value.list(|value| expectation(value, &judged.groups))
    });
    fields.finish("alerts");
    Some(AlertsSpec {
        scrape_interval: scrape?,
        evaluation_interval: evaluation?,
        expectations: expect?,
        ..AlertsSpec::default()
    })
}

fn interval(value: &Value<'_>) -> Option<SimDuration> {
    let span = value.duration()?;
    if span < SimDuration::from_secs(1) {
        let message = format!("is {span}, must be at least 1s");
        value.report(value.error(codes::OUT_OF_RANGE, &message));
        return None;
    }
    Some(span)
}

fn expectation(value: &Value<'_>, groups: &[RuleGroup]) -> Option<Expectation> {
    let fields = value.fields()?;
    let alert = fields.required("alertname");
    let labels = fields.read("labels", |value| {
        let entries = value.entries()?;
        let pairs =
            entries.iter().map(|(name, value)| Some((Arc::from(name.text), value.shared()?)));
        pairs.collect::<Option<Vec<_>>>()
    });
    let fires = fields.required("fires").and_then(|value| fires(&value));
    fields.finish("an expectation of an alert");
    let alert = alert?;
    let name = alert.shared()?;
    let known: Vec<&str> = groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter(|rule| matches!(rule.kind, RuleKind::Alert { .. }))
        .map(|rule| &**rule.name())
        .collect();
    if !known.contains(&&*name) {
        let mut error = alert.unknown_reference(&name, "alert", known.iter().copied());
        if known.is_empty() {
            error = error.help("name rule files under `alerts: {rules: [...]}`");
        }
        alert.report(error);
        return None;
    }
    let rules = || groups.iter().flat_map(|group| &group.rules).filter(|it| *it.name() == name);
    if let Some(rule) = rules().next().filter(|_| !rules().any(RuleSpec::is_evaluated)) {
        let message = format!("`{name}` cannot be evaluated, so nothing can be expected of it");
        let why = rule.obstacles.join("; ");
        alert.report(
            alert
                .error(codes::UNSUPPORTED, &message)
                .note(format!("{}: {why}", rule.origin))
                .help("take the expectation out, or let the rule ask for series that are there"),
        );
        return None;
    }
    let labels = labels?.unwrap_or_default();
    Some(Expectation { alert: name, labels, fires: fires?, origin: value.origin() })
}

fn fires(value: &Value<'_>) -> Option<Fires> {
    const SOMETIME: Fires = Fires::Between { after: SimDuration::ZERO, before: None };
    if value.node().scalar().is_some() {
        return value.word(&[("never", Fires::Never), ("sometime", SOMETIME)]);
    }
    let fields = value.fields()?;
    let after = fields.read_or("after", SimDuration::ZERO, Value::duration);
    let before = fields.read("before", Value::duration);
    fields.finish("a span in which an alert fires");
    let (after, before) = (after?, before?);
    if before.is_some_and(|before| before < after) {
        let message = "ends before it begins: `before` must not be less than `after`";
        value.report(value.error(codes::INVALID_VALUE, message));
        return None;
    }
    Some(Fires::Between { after, before })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_prometheus() {
        for (text, seconds) in [
            ("5m", Some(300)),
            ("1d12h", Some(129_600)),
            ("0", Some(0)),
            ("0m", Some(0)),
            ("90s", Some(90)),
        ] {
            assert_eq!(prometheus_duration(text), seconds.map(SimDuration::from_secs), "{text}");
        }
        for wrong in ["5", "m5", "5m1h", "1m1m", "", "-5m", "5 m"] {
            assert_eq!(prometheus_duration(wrong), None, "{wrong}");
        }
    }
}
