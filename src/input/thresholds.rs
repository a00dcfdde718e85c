//! `thresholds` in k6's grammar.

use std::sync::Arc;

use super::codes;
use super::decode::{Name, Value, nearest};
use super::diagnostic::Diagnostic;
use super::scalar::{self, BareNumber};
use crate::scenario::threshold::{Aggregation, METRICS, MetricKind, Operator, ThresholdSpec};
use crate::units::SimDuration;

/// All entries of `thresholds`: a metric with its tags as key; text, a list of texts, or a list of mappings as value.
pub(super) fn thresholds(value: &Value<'_>) -> Option<Vec<ThresholdSpec>> {
    let mut all = Vec::new();
    let mut complete = true;
    for (name, entry) in value.entries()? {
        let metric = metric(&entry, name);
        let items = if entry.node().scalar().is_some() {
            vec![entry]
        } else {
            entry.items().unwrap_or_default()
        };
        for item in items {
            match (metric.as_ref(), written(&item)) {
                (Some(metric), Some(written)) => match threshold(&item, metric, &written) {
                    Some(spec) => all.push(spec),
                    None => complete = false,
                },
                _ => complete = false,
            }
        }
    }
    complete.then_some(all)
}

/// A metric as a key names it.
struct Metric {
    name: Arc<str>,
    kind: MetricKind,
    tags: Vec<(Arc<str>, Arc<str>)>,
}

/// `http_req_duration{name:studies,status:200}`.
fn metric(entry: &Value<'_>, key: Name<'_>) -> Option<Metric> {
    let (name, tags) = match key.text.split_once('{') {
        None => (key.text, Some(Vec::new())),
        Some((name, rest)) => (name, rest.strip_suffix('}').and_then(tags)),
    };
    let known = METRICS.iter().find(|(known, _)| *known == name.trim());
    let Some(&(name, kind)) = known else {
        let message = format!("{}unknown metric `{}`", entry.prefix(), name.trim());
        let mut error = Diagnostic::error(codes::UNKNOWN_METRIC, message).primary(key.span, "");
        let names = METRICS.iter().map(|(name, _)| *name);
        error = error.note(format!("metrics: {}", names.clone().collect::<Vec<_>>().join(", ")));
        if let Some(near) = nearest(name.trim(), names) {
            error = error.help(format!("a similar metric exists: `{near}`"));
        }
        entry.report(error);
        return None;
    };
    let Some(tags) = tags else {
        let message = format!(
            "{}the tags of `{}` are not of the form `{{tag:value,tag:value}}`",
            entry.prefix(),
            key.text
        );
        entry.report(Diagnostic::error(codes::INVALID_THRESHOLD, message).primary(key.span, ""));
        return None;
    };
    Some(Metric { name: name.into(), kind, tags })
}

fn tags(text: &str) -> Option<Vec<(Arc<str>, Arc<str>)>> {
    let tag = |pair: &str| {
        let (key, value) = pair.split_once(':')?;
        let bare = |text: &str| Arc::from(text.trim().trim_matches(['"', '\'']));
        (!key.trim().is_empty()).then(|| (bare(key), bare(value)))
    };
    text.split(',').map(tag).collect()
}

/// An expression with the options that may stand beside it.
struct Written<'a> {
    expression: &'a str,
    abort_on_fail: bool,
    delay_abort: SimDuration,
}

fn written<'a>(item: &Value<'a>) -> Option<Written<'a>> {
    if item.node().scalar().is_some() {
        let expression = item.string()?;
        return Some(Written { expression, abort_on_fail: false, delay_abort: SimDuration::ZERO });
    }
    let fields = item.fields()?;
    let expression = fields.required("threshold").and_then(|value| value.string());
    let abort_on_fail = fields.read_or("abortOnFail", false, Value::boolean);
    let delay_abort = fields.read_or("delayAbortEval", SimDuration::ZERO, Value::k6_duration);
    fields.finish("a threshold");
    Some(Written {
        expression: expression?,
        abort_on_fail: abort_on_fail?,
        delay_abort: delay_abort?,
    })
}

fn threshold(item: &Value<'_>, metric: &Metric, written: &Written<'_>) -> Option<ThresholdSpec> {
    let Some((aggregation, operator, limit)) = parse(written.expression, metric.kind) else {
        let message = format!("is `{}`, which is no threshold expression", written.expression);
        let error = item.error(codes::INVALID_THRESHOLD, &message);
        item.report(
            error.note("the form is AGGREGATION OPERATOR NUMBER: p(95)<500, rate<0.01, max<5"),
        );
        return None;
    };
    if !metric.kind.offers(aggregation) {
        let message = format!(
            "asks for `{aggregation}` of `{}`, which is a {}",
            metric.name,
            metric.kind.name()
        );
        let error = item.error(codes::UNKNOWN_METRIC, &message);
        let offered = metric.kind.aggregations().join(", ");
        item.report(error.note(format!("figures of a {}: {offered}", metric.kind.name())));
        return None;
    }
    Some(ThresholdSpec {
        metric: Arc::clone(&metric.name),
        tags: metric.tags.clone(),
        aggregation,
        operator,
        limit,
        abort_on_fail: written.abort_on_fail,
        delay_abort: written.delay_abort,
        origin: item.origin(),
    })
}

/// k6's grammar (grafana/k6 thresholds_parser.go `parseThresholdExpression`), with units allowed at the limit:
/// `p(95)<500ms`, `rate<1%`.
fn parse(text: &str, kind: MetricKind) -> Option<(Aggregation, Operator, f64)> {
    let text = text.trim();
    let at = text.find(['<', '>', '=', '!'])?;
    let (aggregation, rest) = text.split_at(at);
    let operators = [
        ("===", Operator::Equal),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let (operator, limit) = operators
        .iter()
        .find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)))?;
    Some((aggregation_of(aggregation.trim())?, operator, limit_of(limit.trim(), kind)?))
}

fn aggregation_of(text: &str) -> Option<Aggregation> {
    Some(match text {
        "count" => Aggregation::Count,
        "rate" => Aggregation::Rate,
        "value" => Aggregation::Value,
        "avg" => Aggregation::Avg,
        "min" => Aggregation::Min,
        "max" => Aggregation::Max,
        "med" => Aggregation::Med,
        _ => {
            let percent: f64 = text.strip_prefix("p(")?.strip_suffix(')')?.trim().parse().ok()?;
            (0.0..=100.0).contains(&percent).then_some(Aggregation::Percentile(percent))?
        }
    })
}

fn limit_of(text: &str, kind: MetricKind) -> Option<f64> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.or_else(|| match kind {
        MetricKind::Rate => scalar::percent(text).ok(),
        MetricKind::Trend => {
            let nanos = scalar::duration(text, BareNumber::Refused).ok()?;
            Some(SimDuration::from_nanos(nanos).as_millis_f64())
        }
        MetricKind::Counter | MetricKind::Gauge => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_k6s_with_units() {
        let p95 = Aggregation::Percentile(95.0);
        let rows = [
            ("p(95)<500", MetricKind::Trend, Some((p95, Operator::Less, 500.0))),
            (
                " p(99.9) <= 1.5e3 ",
                MetricKind::Trend,
                Some((Aggregation::Percentile(99.9), Operator::LessOrEqual, 1500.0)),
            ),
            ("p(95)<1.5s", MetricKind::Trend, Some((p95, Operator::Less, 1500.0))),
            ("rate<1%", MetricKind::Rate, Some((Aggregation::Rate, Operator::Less, 0.01))),
            ("count===0", MetricKind::Counter, Some((Aggregation::Count, Operator::Equal, 0.0))),
            ("value!=-3", MetricKind::Gauge, Some((Aggregation::Value, Operator::NotEqual, -3.0))),
            ("p(101)<5", MetricKind::Trend, None),
            ("p95<5", MetricKind::Trend, None),
            ("avg=5", MetricKind::Trend, None),
            ("avg<", MetricKind::Trend, None),
            ("<5", MetricKind::Trend, None),
            ("avg<5 and more", MetricKind::Trend, None),
            ("avg<nan", MetricKind::Trend, None),
            ("", MetricKind::Trend, None),
        ];
        for (text, kind, expected) in rows {
            assert_eq!(parse(text, kind), expected, "{text}");
        }
    }
}
