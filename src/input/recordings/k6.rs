//! The outputs of k6: `--out json` (a JSON object a line) and `--out csv`.
//!
//! k6 stamps a sample when the request or iteration it belongs to has ended (grafana/k6
//! `lib/netext/httpext/transport.go`, `js/runner.go`); trends of time are in milliseconds.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::time::instant_ns;
use super::{RecordingError, Sample, Series, Sorter};
use crate::input::json;

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    metric: String,
    data: Point,
}

/// The data of a point; those of a metric have none of these.
#[derive(Deserialize)]
struct Point {
    #[serde(default)]
    time: String,
    #[serde(default)]
    value: f64,
    #[serde(default)]
    tags: Option<BTreeMap<String, serde_json::Value>>,
}

pub(super) fn json(text: &str) -> Result<Vec<Series>, RecordingError> {
    let mut sorter = Sorter::default();
    for (number, line) in (1_u64..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |error: serde_json::Error| {
            RecordingError::at(
                number,
                format!("is no line of `k6 run --out json`: {}", json::cause(&error)),
            )
        };
        let line: Line = serde_json::from_str(line).map_err(wrong)?;
        if line.kind != "Point" {
            continue;
        }
        let point = line.data;
        let at_ns = instant_ns(&point.time).ok_or_else(|| {
            RecordingError::at(number, format!("has the time `{}`, which is none", point.time))
        })?;
        let tags = point.tags.unwrap_or_default().into_iter().map(|(tag, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (tag, value)
        });
        sorter.add(&line.metric, tags.collect(), Sample { at_ns, value: point.value });
    }
    Ok(sorter.series())
}

/// Columns of k6's CSV that are no tags.
const FIGURES: [&str; 5] = ["metric_name", "timestamp", "metric_value", "extra_tags", "metadata"];

pub(super) fn csv(text: &str) -> Result<Vec<Series>, RecordingError> {
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let wrong = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        RecordingError::at(line, format!("is no row of `k6 run --out csv`: {error}"))
    };
    let head = reader.headers().map_err(wrong)?.clone();
    let mut sorter = Sorter::default();
    for row in reader.records() {
        let row = row.map_err(wrong)?;
        let line = row.position().map_or(1, csv::Position::line);
        let cell = |name: &str| {
            head.iter().position(|column| column == name).and_then(|at| row.get(at)).unwrap_or("")
        };
        let number = |name: &str| {
            cell(name).parse::<f64>().map_err(|_| {
                RecordingError::at(line, format!("`{name}` is `{}`, must be a number", cell(name)))
            })
        };
        let value = number("metric_value")?;
        let at_ns = instant_ns(cell("timestamp")).ok_or_else(|| {
            RecordingError::at(line, format!("has the time `{}`, which is none", cell("timestamp")))
        })?;
        let mut tags: BTreeMap<String, String> = head
            .iter()
            .zip(row.iter())
            .filter(|(column, cell)| !cell.is_empty() && !FIGURES.contains(column))
            .map(|(column, cell)| (column.to_owned(), cell.to_owned()))
            .collect();
        // k6 writes tags beyond its own as `a=1&b=2`.
        let extra = cell("extra_tags").split('&').filter_map(|tag| tag.split_once('='));
        tags.extend(extra.map(|(tag, value)| (tag.to_owned(), value.to_owned())));
        sorter.add(cell("metric_name"), tags, Sample { at_ns, value });
    }
    Ok(sorter.series())
}
