//! What exporters serve: the text format of Prometheus, and OpenMetrics as far as it is the same.
//!
//! One text is one scrape; a sample has no time unless it is written behind its value (ms; OpenMetrics: s).

use std::collections::BTreeMap;

use super::{RecordingError, Sample, Series, Sorter};
use crate::units::convert::round_i64;

/// The time of a sample that has none (Unix time, ns).
pub const UNTIMED_NS: i64 = 0;

/// Whether a text begins as an exporter's answer does.
pub(super) fn is_exposition(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return false };
    if first.starts_with("# HELP ") || first.starts_with("# TYPE ") {
        return true;
    }
    !first.starts_with('#') && sample(first).is_ok()
}

/// The samples of a scrape.
pub(super) fn exposition(text: &str) -> Result<Vec<Series>, RecordingError> {
    let mut sorter = Sorter::default();
    let openmetrics = text.trim_end().ends_with("# EOF");
    for (number, line) in (1_u64..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let read = sample(line).map_err(|problem| RecordingError::at(number, problem))?;
        let at_ns = match read.time {
            None => UNTIMED_NS,
            Some(time) => round_i64(time * if openmetrics { 1e9 } else { 1e6 }),
        };
        sorter.add(read.name, read.labels, Sample { at_ns, value: read.value });
    }
    let series = sorter.series();
    if series.is_empty() {
        return Err(RecordingError::at(1, "is a scrape without samples"));
    }
    Ok(series)
}

struct Line<'a> {
    name: &'a str,
    labels: BTreeMap<String, String>,
    value: f64,
    time: Option<f64>,
}

fn sample(line: &str) -> Result<Line<'_>, String> {
    let end =
        line.find(|letter: char| letter == '{' || letter.is_whitespace()).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let begins = name.starts_with(|letter: char| letters(letter) && !letter.is_ascii_digit());
    if !begins || !name.chars().all(letters) {
        return Err(format!("`{name}` is no name of a metric"));
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    // Exemplars of OpenMetrics follow behind a `#`.
    let mut words = rest.split('#').next().unwrap_or_default().split_whitespace();
    let value = words.next().ok_or_else(|| format!("`{name}` has no value"))?;
    let value = number(value).ok_or_else(|| format!("`{name}` has the value `{value}`"))?;
    let time = match words.next() {
        None => None,
        Some(word) => Some(
            word.parse::<f64>()
                .ok()
                .filter(|time| time.is_finite())
                .ok_or_else(|| format!("`{name}` has the time `{word}`"))?,
        ),
    };
    match words.next() {
        None => Ok(Line { name, labels, value, time }),
        Some(word) => Err(format!("`{word}` stands behind the sample of `{name}`")),
    }
}

fn number(word: &str) -> Option<f64> {
    match word {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        other => other.parse().ok(),
    }
}

/// Reads `a="b",c="d"} ...` up to and with the brace.
fn labels(text: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok((labels, behind));
        }
        let (key, behind) = rest.split_once('=').ok_or("labels end without `}`")?;
        let behind = behind.trim_start().strip_prefix('"');
        let behind = behind.ok_or_else(|| format!("the label `{}` has no text", key.trim()))?;
        let mut value = String::new();
        let mut letters = behind.char_indices();
        let end = loop {
            match letters.next() {
                None => return Err(format!("the label `{}` does not end", key.trim())),
                Some((at, '"')) => break at,
                Some((_, '\\')) => match letters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, letter)) => value.push(letter),
                    None => return Err(format!("the label `{}` does not end", key.trim())),
                },
                Some((_, letter)) => value.push(letter),
            }
        };
        labels.insert(key.trim().to_owned(), value);
        rest = behind[end + 1..].trim_start();
        rest = rest.strip_prefix(',').map_or(rest, str::trim_start);
    }
}
