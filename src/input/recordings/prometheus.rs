//! Prometheus' answers to `/api/v1/query_range`: a matrix of series.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{RecordingError, Sample, Series};
use crate::input::json;
use crate::units::convert::{f64_from_u64, round_i64, u64_from_usize};

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
    // What is left when somebody stored the `data` of the answer alone.
    #[serde(rename = "resultType", default)]
    result_type: Option<String>,
    #[serde(default)]
    result: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Option<serde_json::Value>,
}

pub(super) fn matrix(text: &str) -> Result<Vec<Series>, RecordingError> {
    let wrong = |error: serde_json::Error| {
        let line = u64_from_usize(error.line()).max(1);
        RecordingError::at(line, format!("is no answer of Prometheus: {}", json::cause(&error)))
    };
    let refused = |problem: String| RecordingError::at(1, problem);
    let answer: Answer = serde_json::from_str(text).map_err(wrong)?;
    if answer.status.as_deref() == Some("error") {
        let error = answer.error.unwrap_or_else(|| "no reason given".to_owned());
        return Err(refused(format!("is an error of Prometheus, not an answer: {error}")));
    }
    let (kind, entries) = match (answer.data, answer.result_type) {
        (Some(data), _) if data.result_type == "matrix" => {
            (data.result_type, serde_json::from_value(data.result).map_err(wrong)?)
        }
        (Some(data), _) => (data.result_type, Vec::new()),
        (None, Some(kind)) => (kind, answer.result.unwrap_or_default()),
        (None, None) => return Err(refused("has no `data`".to_owned())),
    };
    if kind != "matrix" {
        return Err(refused(format!(
            "is a {kind}, the state of one instant; ask `/api/v1/query_range`, which answers a matrix"
        )));
    }
    entries.into_iter().map(series).collect()
}

fn series(entry: Entry) -> Result<Series, RecordingError> {
    let Entry { metric: mut labels, values, histograms } = entry;
    let name = labels.remove("__name__").unwrap_or_default();
    if values.is_empty() && histograms.is_some() {
        let problem =
            format!("has native histograms (`{name}`); ask for `histogram_count` or a quantile");
        return Err(RecordingError::at(1, problem));
    }
    let samples = values.into_iter().map(|(at_s, value)| {
        let value = match value.as_str() {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            text => text.parse().map_err(|_| {
                RecordingError::at(1, format!("has the value `{text}`, must be a number"))
            })?,
        };
        Ok(Sample { at_ns: unix_ns(at_s), value })
    });
    Ok(Series { name, samples: samples.collect::<Result<_, _>>()?, labels })
}

/// Prometheus keeps milliseconds.
fn unix_ns(at_s: f64) -> i64 {
    round_i64(at_s * 1e3).saturating_mul(round_i64(f64_from_u64(1_000_000)))
}
