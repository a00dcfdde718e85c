//! `-o k6-summary`: the object that k6 hands to `handleSummary` (k6 internal/js/summary.go), so that
//! reporters and gates made for k6 read a simulated run as a real one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::report::{MetricEntry, Report};

/// The document, with a newline at its end.
///
/// # Panics
/// Never: it is made of plain values.
#[must_use]
pub fn k6_summary(report: &Report) -> String {
    let mut thresholds: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for entry in &report.thresholds {
        let of_metric = thresholds.entry(&entry.metric).or_default();
        of_metric.insert(entry.expression.clone(), json!({"ok": entry.ok}));
    }
    let metrics: Map<String, Value> = report
        .metrics
        .iter()
        .map(|metric| (metric.name.clone(), told(metric, thresholds.remove(&*metric.name))))
        .collect();
    let document = json!({
        "root_group": {
            "name": "", "path": "", "id": ROOT_GROUP, "groups": [], "checks": [],
        },
        "options": {
            "summaryTrendStats": ["avg", "min", "med", "max", "p(90)", "p(95)"],
            "summaryTimeUnit": "",
            "noColor": true,
        },
        "state": {
            "isStdOutTTY": false, "isStdErrTTY": false, "testRunDurationMs": report.duration_s * 1000.0,
        },
        "metrics": metrics,
    });
    let mut text = serde_json::to_string_pretty(&document).expect("plain values can be written");
    text.push('\n');
    text
}

/// The id of the group without a name: MD5 of nothing, as k6 makes ids (k6 lib/models.go `NewGroup`).
const ROOT_GROUP: &str = "d41d8cd98f00b204e9800998ecf8427e";

fn told(metric: &MetricEntry, thresholds: Option<Map<String, Value>>) -> Value {
    let value = |name: &str| {
        metric.values.iter().find(|(own, _)| *own == name).map_or(0.0, |(_, value)| *value)
    };
    // k6 counts a rate by what passed and failed.
    let values: Map<String, Value> = if metric.kind == "rate" {
        let (passes, total) = (value("matches"), value("total"));
        [("rate", value("rate")), ("passes", passes), ("fails", total - passes)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    } else {
        metric.values.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
    };
    let mut told = json!({"type": metric.kind, "contains": metric.contains, "values": values});
    if let (Some(thresholds), Some(object)) = (thresholds, told.as_object_mut()) {
        object.insert("thresholds".to_owned(), Value::Object(thresholds));
    }
    told
}
