//! Summaries of k6: one figure for the whole test, in the shapes in which k6 has written them.
//!
//! - `--summary-export`: `metrics.NAME.{count, avg, p(95)}`
//! - the data of `handleSummary`: `metrics.NAME.{type, contains, values: {avg, p(95)}}`
//! - the machine-readable summary of k6 2: `results.metrics: [{name, values}]`
//!
//! Submetrics carry their tags in the name: `http_req_duration{name:infer}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{RecordingError, Sample, Series};
use crate::units::convert::u64_from_usize;

/// The label that says which figure a series is: `avg`, `p(95)`, `count`.
pub const FIGURE: &str = "figure";

/// Whether a JSON text is a summary rather than something else of k6 or Prometheus.
pub(super) fn is_summary(text: &str) -> bool {
    let marks = ["\"root_group\"", "\"iteration_duration", "\"http_req_duration", "\"http_reqs\""];
    text.contains("\"metrics\"")
        && !text.contains("\"resultType\"")
        && !text.contains("\"type\":\"Point\"")
        && marks.iter().any(|mark| text.contains(mark))
}

/// The figures of a summary, each a series of one sample without a time.
pub(super) fn summary(text: &str) -> Result<Vec<Series>, RecordingError> {
    let root: Value = serde_json::from_str(text).map_err(|error| {
        let line = u64_from_usize(error.line()).max(1);
        RecordingError::at(line, format!("is no summary of k6: {error}"))
    })?;
    let metrics = root.get("metrics").or_else(|| root.get("results")?.get("metrics"));
    let mut series = Vec::new();
    match metrics {
        Some(Value::Object(metrics)) => {
            for (name, metric) in metrics {
                add(&mut series, name, metric);
            }
        }
        Some(Value::Array(metrics)) => {
            for metric in metrics {
                let name = metric.get("name").and_then(Value::as_str).unwrap_or_default();
                add(&mut series, name, metric);
            }
        }
        _ => return Err(RecordingError::at(1, "is JSON of k6 without `metrics`")),
    }
    if series.is_empty() {
        return Err(RecordingError::at(1, "is a summary of k6 without figures"));
    }
    series.sort_by(|one, other| (&one.name, &one.labels).cmp(&(&other.name, &other.labels)));
    Ok(series)
}

fn add(series: &mut Vec<Series>, name: &str, metric: &Value) {
    let values = metric.get("values").and_then(Value::as_object).or_else(|| metric.as_object());
    let (name, labels) = named(name);
    for (figure, value) in values.unwrap_or(&Map::new()) {
        let Some(value) = value.as_f64() else { continue };
        let mut labels = labels.clone();
        labels.insert(FIGURE.to_owned(), figure.clone());
        series.push(Series {
            name: name.to_owned(),
            labels,
            samples: vec![Sample { at_ns: 0, value }],
        });
    }
}

/// `http_req_duration{name:infer,status:200}` in its parts.
fn named(name: &str) -> (&str, BTreeMap<String, String>) {
    let Some((base, tags)) = name.split_once('{') else { return (name, BTreeMap::new()) };
    let pairs = tags.trim_end_matches('}').split(',').filter_map(|tag| tag.split_once(':'));
    let pairs = pairs.map(|(tag, value)| (tag.trim().to_owned(), value.trim().to_owned()));
    (base, pairs.collect())
}
