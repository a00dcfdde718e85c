//! The executor `replay`: the rates of a recording as a load.

use std::collections::BTreeMap;
use std::path::Path;

use super::codes;
use super::decode::{Fields, Value};
use super::diagnostic::Diagnostic;
use super::documents::paths;
use super::kubernetes::meta::strings;
use super::recordings::{Columns, Meaning, RateTrace, Recording, Wish};
use super::source::{FileId, Span};
use crate::load::draft::{Level, LevelSource};
use crate::load::{Executor, Rate};
use crate::units::SimDuration;

/// Replays a file. `rest` is what is left of the measured time when the load begins.
pub(super) fn replay(fields: &Fields<'_>, rest: SimDuration) -> Option<Executor> {
    let file = fields.required("file");
    let metric = fields.read("metric", Value::shared);
    let labels = fields.read_or("select", BTreeMap::new(), strings);
    let columns = columns(fields);
    let wish = wish(fields);
    let scale = scale(fields);
    let compress = fields.read_or("compress", 1.0, |value| value.number(0.001..=1_000_000.0));
    let smooth = fields.read("smooth", positive);
    let from = fields.read_or("from", SimDuration::ZERO, Value::duration);
    let length = fields.read("length", positive);
    let repeat = fields.read_or("repeat", false, Value::boolean);
    let duration = fields.read("duration", positive);
    let file = file?;
    let (mut columns, wish) = (columns?, wish?);
    columns.events = wish.meaning == Some(Meaning::Events);
    let (metric, labels) = (metric?, labels?);
    let (scale, compress, smooth) = (scale?, compress?, smooth?);
    let (from, length, repeat, duration) = (from?, length?, repeat?, duration?);
    let labels = labels.iter().map(|(label, value)| (label.to_string(), value.to_string()));
    let labels: BTreeMap<String, String> = labels.collect();
    let trace = trace(&file, (metric.as_deref(), &labels), &columns, &wish)?;
    if from >= trace.span() {
        let message = format!("has nothing from {from} on: its samples last {}", trace.span());
        file.report(file.error(codes::INVALID_LOAD, &message));
        return None;
    }
    let trace = trace.cut(from, length.unwrap_or(SimDuration::from_nanos(u64::MAX / 4)));
    warn_of_gaps(&file, &trace);
    let trace = smooth.map_or_else(|| trace.clone(), |window| trace.smoothed(window));
    let trace = trace.compressed(compress);
    let trace = scaled(&file, trace, scale)?;
    let most = duration.unwrap_or(rest);
    let trace = if repeat { trace.repeated(most) } else { trace.cut(SimDuration::ZERO, most) };
    let levels = trace
        .steps
        .iter()
        .filter(|(length, _)| !length.is_zero())
        .map(|(length, rate)| Level { duration: *length, rate: Rate::per_second(*rate) });
    let levels: Vec<Level> = levels.collect();
    if levels.is_empty() {
        file.report(file.error(codes::INVALID_LOAD, "has nothing left to replay"));
        return None;
    }
    Some(Executor::Step { levels, source: LevelSource::Recording })
}

fn positive(value: &Value<'_>) -> Option<SimDuration> {
    let span = value.duration()?;
    if span.is_zero() {
        value.report(value.error(codes::OUT_OF_RANGE, "must be above zero"));
        return None;
    }
    Some(span)
}

fn columns(fields: &Fields<'_>) -> Option<Columns> {
    let owned = |value: &Value<'_>| value.non_empty().map(str::to_owned);
    let time = fields.read("timeColumn", owned);
    let value = fields.read("valueColumn", owned);
    Some(Columns { time: time?, value: value?, events: false })
}

fn wish(fields: &Fields<'_>) -> Option<Wish> {
    let meanings = [
        ("rates", Meaning::Rates),
        ("counts", Meaning::Counts),
        ("counter", Meaning::Counter),
        ("events", Meaning::Events),
    ];
    let meaning = fields.read("values", |value| value.word(&meanings));
    let bin = fields.read_or("bin", Wish::default().bin, positive);
    let max_gap = fields.read("maxGap", positive);
    Some(Wish { meaning: meaning?, bin: bin?, max_gap: max_gap? })
}

/// How high the rates are to be.
#[derive(Clone, Copy)]
enum Scale {
    /// So many times as high.
    Factor(f64),
    /// The highest one is so high.
    Peak(Rate),
    /// Their mean is so high.
    Mean(Rate),
}

fn scale(fields: &Fields<'_>) -> Option<Scale> {
    match fields.at_most_one(&["scale", "peak", "mean"])? {
        None => Some(Scale::Factor(1.0)),
        Some(("scale", value)) => value.number(0.0..=1e9).map(Scale::Factor),
        Some(("peak", value)) => value.rate().map(Scale::Peak),
        Some((_, value)) => value.rate().map(Scale::Mean),
    }
}

fn scaled(file: &Value<'_>, trace: RateTrace, scale: Scale) -> Option<RateTrace> {
    let (wanted, found) = match scale {
        Scale::Factor(factor) => return Some(trace.scaled(factor)),
        Scale::Peak(rate) => (rate.as_per_second(), trace.peak()),
        Scale::Mean(rate) => {
            (rate.as_per_second(), trace.total() / trace.span().as_secs_f64().max(1e-9))
        }
    };
    if found <= 0.0 {
        file.report(file.error(codes::INVALID_LOAD, "has no rate above zero that could be scaled"));
        return None;
    }
    Some(trace.scaled(wanted / found))
}

/// The rates of a file that was read with the scenario.
fn trace(
    file: &Value<'_>,
    (metric, labels): (Option<&str>, &BTreeMap<String, String>),
    columns: &Columns,
    wish: &Wish,
) -> Option<RateTrace> {
    let sources = file.context().sources;
    file.non_empty()?;
    let holder = sources.file(file.span().file).path().unwrap_or(Path::new(""));
    let listed = paths(Some(file.node()), holder);
    // One that cannot be read was told of when it was tried.
    let id = sources.known(&listed.first()?.0)?;
    let recording = match Recording::read(sources.file(id).text(), columns) {
        Ok(recording) => recording,
        Err(error) => {
            let message = format!("the recording {error}");
            let diagnostic = Diagnostic::error(codes::INVALID_LOAD, message);
            let span = line_span(file, id, error.line);
            file.report(diagnostic.primary(span, "").secondary(file.span(), "replayed here"));
            return None;
        }
    };
    let chosen = recording.load_series(metric, labels);
    match recording.rates(&chosen, wish) {
        Ok(trace) => Some(trace),
        Err(error) => {
            file.report(file.error(codes::INVALID_LOAD, &error.to_string()));
            None
        }
    }
}

fn line_span(file: &Value<'_>, id: FileId, line: u64) -> Span {
    let source = file.context().sources.file(id);
    let line = u32::try_from(line).unwrap_or(u32::MAX);
    let range = source.line_range(line);
    let start = u32::try_from(range.start).unwrap_or(u32::MAX);
    let length = u32::try_from(source.line(line).len()).unwrap_or(0);
    Span { file: id, start, end: start.saturating_add(length) }
}

fn warn_of_gaps(file: &Value<'_>, trace: &RateTrace) {
    let Some(longest) = trace.gaps.iter().max_by_key(|gap| gap.1) else { return };
    let message = format!(
        "has {} gaps, in which nothing was recorded and no load is replayed; the longest lasts {} \
         after {}",
        trace.gaps.len(),
        longest.1,
        longest.0
    );
    let warning = file.warning(codes::RECORDING_GAPS, &message);
    file.report(warning.help("`maxGap` says how long a sample counts"));
}
