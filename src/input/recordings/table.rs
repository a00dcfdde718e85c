//! Tables of comma-separated values with a head: a column of times, and columns of values.
//!
//! One row a sample (`time,value`, with further columns as labels), one column a series (Grafana's export),
//! or one row an event (an access log).

use std::collections::BTreeMap;

use super::time::instant_ns;
use super::{Columns, RecordingError, Sample, Series, Sorter};

/// Heads that mean times, in lower case.
const TIMES: [&str; 12] = [
    "time",
    "timestamp",
    "ts",
    "date",
    "datetime",
    "at",
    "t",
    "start",
    "minute",
    "second",
    "hour",
    "unix",
];

/// Heads that mean the value of a row, beside whose others are labels.
const VALUES: [&str; 6] = ["value", "requests", "count", "rate", "rps", "qps"];

struct Layout {
    head: Vec<String>,
    time: usize,
    /// Seconds of one unit of a time that is a plain number.
    unit_s: i64,
    values: Vec<usize>,
}

pub(super) fn table(text: &str, columns: &Columns) -> Result<Vec<Series>, RecordingError> {
    // Grafana may write which separator follows.
    let (text, skipped) = match text.strip_prefix("sep=") {
        Some(rest) => (rest.split_once('\n').map_or("", |(_, rest)| rest), 1),
        None => (text, 0),
    };
    let first = text.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
    let count = |separator| first.matches(separator).count();
    let separator = if count(';') > count(',') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .delimiter(separator)
        .from_reader(text.as_bytes());
    let wrong = move |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line) + skipped;
        RecordingError::at(line, format!("is no row of a table: {error}"))
    };
    let head: Vec<String> =
        reader.headers().map_err(wrong)?.iter().map(|name| name.trim().to_owned()).collect();
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().map_err(wrong)?;
    let layout = layout(head, columns, &rows).map_err(|problem| RecordingError::at(1, problem))?;
    let mut sorter = Sorter::default();
    for row in &rows {
        let line = row.position().map_or(1, csv::Position::line) + skipped;
        layout.row(row, &mut sorter).map_err(|problem| RecordingError::at(line, problem))?;
    }
    Ok(sorter.series())
}

fn layout(
    head: Vec<String>,
    columns: &Columns,
    rows: &[csv::StringRecord],
) -> Result<Layout, String> {
    let named = |name: &String| {
        let found = head.iter().position(|column| column == name);
        found.ok_or_else(|| format!("has no column `{name}`, but {}", head.join(", ")))
    };
    let time = match &columns.time {
        Some(name) => named(name)?,
        None => {
            let known = |column: &String| TIMES.contains(&column.to_lowercase().as_str());
            head.iter().position(known).unwrap_or(0)
        }
    };
    // The first cell with something in it decides, so that a slip further down is told.
    let numeric = |at: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(at)).map(str::trim);
        cells.find(|cell| !cell.is_empty()).is_some_and(|cell| cell.parse::<f64>().is_ok())
    };
    let values = match &columns.value {
        Some(name) => vec![named(name)?],
        None if columns.events => Vec::new(),
        None => {
            let known = |column: &String| VALUES.contains(&column.to_lowercase().as_str());
            match head.iter().position(known).filter(|at| *at != time) {
                Some(at) => vec![at],
                None => (0..head.len()).filter(|at| *at != time && numeric(*at)).collect(),
            }
        }
    };
    let unit_s = match head[time].to_lowercase().as_str() {
        "minute" => 60,
        "hour" => 3_600,
        _ => 1,
    };
    Ok(Layout { head, time, unit_s, values })
}

impl Layout {
    fn row(&self, row: &csv::StringRecord, sorter: &mut Sorter) -> Result<(), String> {
        let cell = |at: usize| row.get(at).unwrap_or_default().trim();
        let at_ns = instant_ns(cell(self.time)).ok_or_else(|| {
            format!(
                "has the time `{}`, must be a number of seconds or milliseconds, or such as \
                 2026-11-23T08:00:00Z",
                cell(self.time)
            )
        })?;
        let at_ns = at_ns.saturating_mul(self.unit_s);
        let labels = || {
            let others = (0..self.head.len()).filter(|at| {
                *at != self.time && !self.values.contains(at) && !cell(*at).is_empty()
            });
            others.map(|at| (self.head[at].clone(), cell(at).to_owned())).collect()
        };
        match self.values.as_slice() {
            [] => sorter.add("", labels(), Sample { at_ns, value: 1.0 }),
            [one] => {
                let value = number(cell(*one)).ok_or_else(|| self.no_number(*one, cell(*one)))?;
                sorter.add(&self.head[*one], labels(), Sample { at_ns, value });
            }
            many => {
                for at in many {
                    let value = number(cell(*at)).ok_or_else(|| self.no_number(*at, cell(*at)))?;
                    sorter.add(&self.head[*at], BTreeMap::new(), Sample { at_ns, value });
                }
            }
        }
        Ok(())
    }

    fn no_number(&self, at: usize, cell: &str) -> String {
        format!(
            "`{}` is `{cell}`, must be a number (Grafana: export without formatted data)",
            self.head[at]
        )
    }
}

/// A number; an empty cell is a value that was not measured.
fn number(cell: &str) -> Option<f64> {
    if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() }
}
