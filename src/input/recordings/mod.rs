//! Recordings of real systems: k6's outputs, Prometheus' answers, tables. Read as series of samples, of
//! which rates and other figures are made.
//!
//! Times are Unix times (ns). A table may count from zero instead: only differences matter to a load.

pub mod access_log;
mod exposition;
mod k6;
pub mod parts;
mod prometheus;
mod rates;
mod summary;
mod table;
mod time;

use std::collections::BTreeMap;

pub use exposition::UNTIMED_NS;
pub use rates::{Meaning, RateError, RateTrace, Wish};
pub use summary::FIGURE;
pub use time::{civil_ns, instant_ns};

/// A measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When (Unix time, ns).
    pub at_ns: i64,
    /// What; not a number where the recorder wrote so.
    pub value: f64,
}

/// One series: samples of one name and set of labels, in the order of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Name of the metric; in a table the name of the column, empty when rows are events.
    pub name: String,
    /// Labels, k6's tags, or the other columns of a table.
    pub labels: BTreeMap<String, String>,
    /// The samples.
    pub samples: Vec<Sample>,
}

/// What wrote a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `k6 run --out json`: one JSON object a line.
    K6Json,
    /// `k6 run --out csv`.
    K6Csv,
    /// Figures of k6 over a whole test: no course over time.
    K6Summary,
    /// Prometheus' `/api/v1/query_range`.
    Prometheus,
    /// A scrape: Prometheus' text format.
    Exposition,
    /// Any other table of comma-separated values with a head.
    Table,
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// What wrote it.
    pub format: Format,
    /// The series, ordered by name and labels.
    pub series: Vec<Series>,
}

/// Why a text is no recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RecordingError {
    /// The line it is about, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
}

impl RecordingError {
    fn at(line: u64, problem: impl Into<String>) -> Self {
        Self { line, problem: problem.into() }
    }
}

/// Names of columns of a table, where they cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Columns {
    /// When.
    pub time: Option<String>,
    /// What; other columns with numbers are then labels.
    pub value: Option<String>,
    /// Every row is an event, whatever its columns hold.
    pub events: bool,
}

impl Recording {
    /// Reads a text, whose beginning tells what wrote it.
    ///
    /// # Errors
    /// The first line that is not what the beginning promised, and what is wrong with it.
    pub fn read(text: &str, columns: &Columns) -> Result<Self, RecordingError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let format = format_of(text)?;
        let mut series = match format {
            Format::K6Json => k6::json(text)?,
            Format::K6Csv => k6::csv(text)?,
            Format::K6Summary => summary::summary(text)?,
            Format::Prometheus => prometheus::matrix(text)?,
            Format::Exposition => exposition::exposition(text)?,
            Format::Table => table::table(text, columns)?,
        };
        for series in &mut series {
            series.samples.sort_by_key(|sample| sample.at_ns);
        }
        Ok(Self { format, series })
    }

    /// The series of a metric (all, if none is named) that have all these labels.
    pub fn select<'r>(
        &'r self,
        name: Option<&'r str>,
        labels: &'r BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'r Series> {
        let has = |series: &Series| {
            labels.iter().all(|(label, value)| series.labels.get(label) == Some(value))
        };
        self.series
            .iter()
            .filter(move |series| name.is_none_or(|name| series.name == name) && has(series))
    }

    /// Names of all metrics, each once.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.series.iter().map(|series| series.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Samples as they come, sorted into their series.
#[derive(Default)]
struct Sorter(BTreeMap<(String, BTreeMap<String, String>), Vec<Sample>>);

impl Sorter {
    fn add(&mut self, name: &str, labels: BTreeMap<String, String>, sample: Sample) {
        self.0.entry((name.to_owned(), labels)).or_default().push(sample);
    }

    fn series(self) -> Vec<Series> {
        let sorted = self.0.into_iter();
        sorted.map(|((name, labels), samples)| Series { name, labels, samples }).collect()
    }
}

fn format_of(text: &str) -> Result<Format, RecordingError> {
    let start = text.trim_start();
    if start.is_empty() {
        return Err(RecordingError::at(1, "is empty"));
    }
    if start.starts_with('{') && summary::is_summary(start) {
        return Ok(Format::K6Summary);
    }
    if exposition::is_exposition(start) {
        return Ok(Format::Exposition);
    }
    if let Some(rest) = start.strip_prefix('{') {
        // k6 writes an object a line, each of a metric or a point; Prometheus answers one object.
        let first = start.lines().next().unwrap_or_default();
        let next = start.lines().nth(1).is_some_and(|line| line.trim_start().starts_with('{'));
        let lines = first.trim_end().ends_with('}') && next;
        let k6 = first.contains("\"Point\"") || first.contains("\"Metric\"");
        let answer = rest.contains("\"status\"") || rest.contains("\"resultType\"");
        return match (k6 || lines, answer) {
            (true, _) => Ok(Format::K6Json),
            (false, true) => Ok(Format::Prometheus),
            (false, false) => {
                let problem = "is JSON, but neither an answer of Prometheus' query_range nor the lines of \
                               `k6 run --out json` nor a summary of k6";
                Err(RecordingError::at(1, problem))
            }
        };
    }
    if start.starts_with('[') {
        return Err(RecordingError::at(1, "is a JSON list; an answer of query_range is an object"));
    }
    let head = start.lines().next().unwrap_or_default();
    let k6 = head.starts_with("metric_name,timestamp,metric_value");
    Ok(if k6 { Format::K6Csv } else { Format::Table })
}

#[cfg(test)]
mod tests;
