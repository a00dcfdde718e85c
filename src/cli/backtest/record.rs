//! What was recorded of a scenario's day: read from files, in the words of `--recorded`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::backtest::aligned::{Points, sum};
use crate::cli::Exit;
use crate::cli::files::to_stderr;
use crate::cli::recordings;
use crate::input::decode::nearest;
use crate::input::recordings::{Columns, Series, instant_ns};
use crate::sweep::Measure;
use crate::units::convert::f64_from_i64;

/// Times below this are counted from the beginning of the day (s): three years after 1970 nobody recorded for us.
const RELATIVE_BELOW_S: f64 = 1e8;

/// Where a metric stands in a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Traffic of all clients.
    Load,
    /// Durations by service.
    Latency,
    /// By workload.
    Workloads,
    /// By pool.
    Pools,
}

/// A metric that may be recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Metric {
    /// Its name on the command line.
    pub(super) key: &'static str,
    /// Where it stands in a result.
    pub(super) table: Table,
    /// Its column there.
    pub(super) column: &'static str,
    /// The unit in which it is told.
    pub(super) unit: &'static str,
    /// Whether it is a count that holds until the next.
    pub(super) steps: bool,
    /// Whether several series add up.
    pub(super) adds: bool,
    /// Recorded values times this are in the unit told.
    pub(super) scale: f64,
    /// Simulated values times this are.
    pub(super) own_scale: f64,
}

const fn metric(
    key: &'static str,
    (table, column): (Table, &'static str),
    unit: &'static str,
    (steps, adds): (bool, bool),
    (scale, own_scale): (f64, f64),
) -> Metric {
    Metric { key, table, column, unit, steps, adds, scale, own_scale }
}

const GIB: f64 = 1.0 / 1_073_741_824.0;
const COUNT: (bool, bool) = (true, true);
const FLOW: (bool, bool) = (false, true);
const SHARE: (bool, bool) = (false, false);
const SAME: (f64, f64) = (1.0, 1.0);

/// All metrics that may be recorded.
pub(super) const METRICS: [Metric; 17] = [
    metric("replicas", (Table::Workloads, "desired"), "pods", COUNT, SAME),
    metric("ready", (Table::Workloads, "ready"), "pods", COUNT, SAME),
    metric("cpu", (Table::Workloads, "cpu_cores"), "cores", FLOW, SAME),
    metric("memory", (Table::Workloads, "memory_bytes"), "GiB", FLOW, (GIB, GIB)),
    metric("nodes", (Table::Pools, "nodes"), "nodes", COUNT, SAME),
    metric("ready_nodes", (Table::Pools, "ready"), "nodes", COUNT, SAME),
    metric("cost_per_hour", (Table::Pools, "cost_per_hour"), "money/h", COUNT, SAME),
    metric("p50_ms", (Table::Latency, "p50_ms"), "ms", SHARE, SAME),
    metric("p95_ms", (Table::Latency, "p95_ms"), "ms", SHARE, SAME),
    metric("p99_ms", (Table::Latency, "p99_ms"), "ms", SHARE, SAME),
    metric("p50_s", (Table::Latency, "p50_ms"), "ms", SHARE, (1_000.0, 1.0)),
    metric("p95_s", (Table::Latency, "p95_ms"), "ms", SHARE, (1_000.0, 1.0)),
    metric("p99_s", (Table::Latency, "p99_ms"), "ms", SHARE, (1_000.0, 1.0)),
    metric("rate", (Table::Load, "completed_per_second"), "1/s", FLOW, SAME),
    metric("failed_per_second", (Table::Load, "failed_per_second"), "1/s", FLOW, SAME),
    metric("offered_per_second", (Table::Load, "offered_per_second"), "1/s", FLOW, SAME),
    metric("failed_share", (Table::Load, "failed_share"), "%", SHARE, (100.0, 100.0)),
];

/// A recorded metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recorded {
    /// Which.
    pub(super) metric: Metric,
    /// Of what: a workload, a service, a pool; empty for all.
    pub(super) name: String,
    /// Its values over time.
    pub(super) points: Points,
}

/// Everything that was recorded of a day.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Record {
    /// Metrics over time.
    pub(super) metrics: Vec<Recorded>,
    /// Figures of the whole day.
    pub(super) totals: Vec<(Measure, f64)>,
    /// Whether the metrics are everything a run writes, so that what says nothing is left out.
    pub(super) everything: bool,
}

/// Reads what `--recorded` names; what is wrong goes to stderr. `max_gap_s` is how long a value holds where series are
/// summed, `starts` the instant at which the day begins.
pub(super) fn record(
    words: &[String],
    max_gap_s: f64,
    starts: Option<&str>,
) -> Result<Record, Exit> {
    let mut record = Record::default();
    let mut problems = Vec::new();
    for word in words {
        if let Err(problem) = one(word, max_gap_s, &mut record) {
            problems.push(format!("--recorded {word}: {problem}"));
        }
    }
    if let Err(problem) = begin(&mut record, starts) {
        problems.push(problem);
    }
    if problems.is_empty() {
        return Ok(record);
    }
    for problem in problems {
        to_stderr(&format!("error: {problem}"));
    }
    Err(Exit::Usage)
}

fn one(word: &str, max_gap_s: f64, record: &mut Record) -> Result<(), String> {
    if Path::new(word).is_dir() {
        record.everything = true;
        return folder(Path::new(word), record);
    }
    let Some((what, source)) = word.split_once('=') else {
        return Err("must be METRIC=FILE, TOTAL=NUMBER, or a folder".to_owned());
    };
    let (key, name) = what.split_once('/').unwrap_or((what, ""));
    if let (Some(measure), Ok(value)) = (Measure::named(key), source.trim().parse::<f64>()) {
        if !value.is_finite() || value < 0.0 {
            return Err(format!("`{source}` is no figure of a day"));
        }
        record.totals.push((measure, value));
        return Ok(());
    }
    let metric = METRICS.into_iter().find(|metric| metric.key == key).ok_or_else(|| {
        let keys = METRICS.map(|metric| metric.key);
        let hint = match key {
            "p50" | "p95" | "p99" => format!("; say the unit: `{key}_s` or `{key}_ms`"),
            _ => nearest(key, keys.iter().copied())
                .map(|it| format!("; did you mean `{it}`?"))
                .unwrap_or_default(),
        };
        format!("there is no metric `{key}` (known: {}){hint}", keys.join(", "))
    })?;
    if metric.table == Table::Workloads && name.is_empty() {
        return Err(format!("of which workload? `{key}/NAME`"));
    }
    let points = points(source, &metric, max_gap_s)?;
    record.metrics.push(Recorded { metric, name: name.to_owned(), points });
    Ok(())
}

/// The values of a file, `{label=value}` behind its path taking some of its series.
fn points(source: &str, metric: &Metric, max_gap_s: f64) -> Result<Points, String> {
    let (path, wanted) = match source.strip_suffix('}').and_then(|it| it.rsplit_once('{')) {
        Some((path, labels)) => (path, parse_labels(labels)?),
        None => (source, BTreeMap::new()),
    };
    let recording = recordings::read(&PathBuf::from(path), |_| Columns::default())
        .ok_or_else(|| "cannot be read".to_owned())?;
    let fits = |series: &&Series| {
        wanted.iter().all(|(label, value)| {
            let own =
                if label == "__name__" { Some(&series.name) } else { series.labels.get(label) };
            own == Some(value)
        })
    };
    let found: Vec<&Series> = recording.series.iter().filter(fits).collect();
    let told = |series: &Series| {
        let labels: Vec<String> =
            series.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        format!("{}{{{}}}", series.name, labels.join(","))
    };
    match found.as_slice() {
        [] => {
            let all: Vec<String> = recording.series.iter().take(5).map(told).collect();
            return Err(format!("no such series; it has {}", all.join(" ")));
        }
        [_, _, ..] if !metric.adds => {
            let all: Vec<String> = found.iter().take(5).map(|series| told(series)).collect();
            return Err(format!(
                "holds {} series, and {} of several cannot be added: take one with {path}{{label=value}}; it has {}",
                found.len(),
                metric.key,
                all.join(" ")
            ));
        }
        _ => {}
    }
    let values = |series: &&Series| -> Points {
        let samples = series.samples.iter().filter(|sample| sample.value.is_finite());
        samples
            .map(|sample| (f64_from_i64(sample.at_ns) / 1e9, sample.value * metric.scale))
            .collect()
    };
    let series: Vec<Points> = found.iter().map(values).collect();
    let points = if let [one] = series.as_slice() { one.clone() } else { sum(&series, max_gap_s) };
    if points.is_empty() {
        return Err("holds no number".to_owned());
    }
    Ok(points)
}

fn parse_labels(text: &str) -> Result<BTreeMap<String, String>, String> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    pairs
        .map(|pair| {
            let (label, value) =
                pair.split_once('=').ok_or_else(|| format!("`{pair}` has no `=`"))?;
            Ok((label.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
        })
        .collect()
}

/// Times from the beginning of the day on.
fn begin(record: &mut Record, starts: Option<&str>) -> Result<(), String> {
    let first = record.metrics.iter().filter_map(|it| it.points.first()).map(|point| point.0);
    let first = first.fold(f64::INFINITY, f64::min);
    let from = match starts {
        Some(text) => {
            let instant = instant_ns(text);
            let instant = instant.ok_or_else(|| {
                format!("--starts `{text}` is no instant such as 2026-11-23T08:00:00Z")
            })?;
            f64_from_i64(instant) / 1e9
        }
        None if first < RELATIVE_BELOW_S || first.is_infinite() => 0.0,
        None => first,
    };
    for recorded in &mut record.metrics {
        for point in &mut recorded.points {
            point.0 -= from;
        }
        if recorded.points.iter().all(|point| point.0 < 0.0) {
            return Err(format!(
                "--starts is after the last value of {}: nothing is left to compare",
                recorded.metric.key
            ));
        }
    }
    Ok(())
}

/// A folder that `run -o csv=DIR` wrote.
fn folder(path: &Path, record: &mut Record) -> Result<(), String> {
    let mut found = 0;
    let tables = [
        ("workloads.csv", Table::Workloads, ["replicas", "ready"].as_slice()),
        ("nodes.csv", Table::Pools, &["nodes", "cost_per_hour"]),
        ("latency.csv", Table::Latency, &["p95_ms"]),
        ("load.csv", Table::Load, &["rate", "failed_per_second", "failed_share"]),
    ];
    for (file, table, keys) in tables {
        let file = path.join(file);
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        found += 1;
        let rows = rows(&text).map_err(|problem| format!("{}: {problem}", file.display()))?;
        let wanted = METRICS.into_iter().filter(|it| it.table == table && keys.contains(&it.key));
        for metric in wanted {
            for (name, points) in column(&rows, &metric) {
                // Durations of single services are theirs to name.
                if table != Table::Latency || name == "all" {
                    record.metrics.push(Recorded { metric, name, points });
                }
            }
        }
    }
    if let Some(total) = total_cost(&path.join("cost.csv")) {
        record.totals.push((Measure::CostPerMonth, total));
    }
    if found == 0 {
        return Err("holds none of workloads.csv, nodes.csv, latency.csv, load.csv".to_owned());
    }
    Ok(())
}

/// A row of our own tables: time, thing, cells by column.
type Row = (f64, String, BTreeMap<String, f64>);

fn rows(text: &str) -> Result<Vec<Row>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().map_err(|error| format!("is no table: {error}"))?.clone();
    if head.get(0) != Some("t_s") {
        return Err("its first column must be `t_s`".to_owned());
    }
    let things = ["workload", "pool", "service"];
    let thing = head.get(1).filter(|name| things.contains(name)).map(|_| 1);
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| format!("is no table: {error}"))?;
        let line = row.position().map_or(0, csv::Position::line);
        let time = row.get(0).and_then(|cell| cell.parse().ok());
        let time: f64 = time.ok_or_else(|| format!("line {line}: `t_s` is no number"))?;
        let name = thing.and_then(|at| row.get(at)).unwrap_or_default().to_owned();
        let cells = head.iter().zip(&row).skip(1 + thing.unwrap_or(0));
        let cells = cells.filter_map(|(name, cell)| Some((name.to_owned(), cell.parse().ok()?)));
        rows.push((time, name, cells.collect()));
    }
    Ok(rows)
}

/// A column by thing.
fn column(rows: &[Row], metric: &Metric) -> BTreeMap<String, Points> {
    let mut found: BTreeMap<String, Points> = BTreeMap::new();
    for (time, name, cells) in rows {
        let value = match metric.column {
            "failed_share" => {
                let of = |name: &str| cells.get(name).copied();
                let failed = of("failed_per_second");
                let all = failed.zip(of("completed_per_second")).map(|(a, b)| a + b);
                failed.zip(all).filter(|(_, all)| *all > 0.0).map(|(failed, all)| failed / all)
            }
            column => cells.get(column).copied(),
        };
        if let Some(value) = value {
            found.entry(name.clone()).or_default().push((*time, value * metric.scale));
        }
    }
    for points in found.values_mut() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    found
}

fn total_cost(path: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let row = reader.records().filter_map(Result::ok).find(|row| row.get(0) == Some("total"))?;
    row.get(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_key_of_its_own() {
        for (at, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..at].iter().all(|other| other.key != metric.key), "{}", metric.key);
        }
    }

    #[test]
    fn words_are_read_or_told_what_is_wrong() {
        let mut record = Record::default();
        assert_eq!(one("p(95)=58.5", 300.0, &mut record), Ok(()));
        assert_eq!(record.totals, [(Measure::P95, 58.5)]);
        let rows = [
            ("p95=latency.json", "say the unit: `p95_s` or `p95_ms`"),
            ("replica/gateway=x.json", "did you mean `replicas`?"),
            ("replicas=x.json", "of which workload?"),
            ("latency.json", "must be METRIC=FILE"),
            ("cost=-4", "no figure of a day"),
            ("replicas/gateway=missing.json", "cannot be read"),
        ];
        for (word, expected) in rows {
            let problem = one(word, 300.0, &mut record).expect_err(word);
            assert!(problem.contains(expected), "{word}: {problem}");
        }
    }

    #[test]
    fn days_begin_where_their_recordings_do_or_where_it_is_said() {
        let metric = METRICS[0];
        let of = |points: Points| Record {
            metrics: vec![Recorded { metric, name: String::new(), points }],
            ..Record::default()
        };
        let mut day = of(vec![(1_763_971_200.0, 1.0), (1_763_971_260.0, 2.0)]);
        assert_eq!(begin(&mut day, None), Ok(()));
        assert_eq!(day.metrics[0].points, [(0.0, 1.0), (60.0, 2.0)]);
        let mut counted = of(vec![(30.0, 1.0)]);
        assert_eq!(begin(&mut counted, None), Ok(()));
        assert_eq!(counted.metrics[0].points, [(30.0, 1.0)]);
        let mut early = of(vec![(1_763_971_200.0, 1.0), (1_763_971_260.0, 2.0)]);
        assert_eq!(begin(&mut early, Some("2025-11-24T08:00:30Z")), Ok(()));
        assert_eq!(early.metrics[0].points, [(-30.0, 1.0), (30.0, 2.0)]);
        assert!(begin(&mut early, Some("yesterday")).is_err());
        assert!(begin(&mut of(vec![(5.0, 1.0)]), Some("2025-11-24T08:00:30Z")).is_err());
    }
}
