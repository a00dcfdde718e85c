//! Scrapes of a service put in a row: its own counters as CPU, rates and memory.

use std::collections::BTreeMap;

use crate::calibrate::observe::{Input, Role};
use crate::input::recordings::{Format, Recording, Series, UNTIMED_NS};
use crate::units::SimDuration;
use crate::units::convert::f64_from_usize;

/// CPU of a process, as client libraries count it.
const CPU: &str = "process_cpu_seconds_total";
/// Memory of a process.
const MEMORY: &str = "process_resident_memory_bytes";
/// Counters of answered requests, the usual first.
const REQUESTS: [&str; 6] = [
    "http_requests_total",
    "http_server_requests_seconds_count",
    "http_server_request_duration_seconds_count",
    "http_request_duration_seconds_count",
    "grpc_server_handled_total",
    "requests_total",
];

/// What scrapes tell together.
#[derive(Debug, Clone, PartialEq)]
pub struct Scrapes {
    /// CPU, rates and memory as recordings.
    pub inputs: Vec<Input>,
    /// From the process' start to the last scrape, when so little is known.
    pub mean: Option<Mean>,
}

/// What counters say over the life of a process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// CPU (core-seconds), start and idle time included.
    pub cpu_s: f64,
    /// Requests answered.
    pub requests: f64,
}

/// Puts scrapes in a row, `every` so long one after another where samples carry no time.
///
/// # Errors
/// A sentence that names the file and what it lacks.
pub fn scrapes(
    files: Vec<(String, Recording)>,
    every: Option<SimDuration>,
) -> Result<Scrapes, String> {
    let name = match files.as_slice() {
        [] => return Err("there is no scrape".to_owned()),
        [(name, _)] => name.clone(),
        [(name, _), ..] => format!("{name} and {} more", files.len() - 1),
    };
    let untimed = files.iter().any(|(_, recording)| {
        let samples = recording.series.iter().flat_map(|series| &series.samples);
        samples.into_iter().any(|sample| sample.at_ns == UNTIMED_NS)
    });
    if untimed && files.len() > 1 && every.is_none() {
        return Err(
            "scrapes without times: say how far apart they are, `--scrape-interval 15s`".into()
        );
    }
    let step_ns = every.map_or(0, |every| i64::try_from(every.as_nanos()).unwrap_or(i64::MAX));
    let mut joined: BTreeMap<(String, BTreeMap<String, String>), Series> = BTreeMap::new();
    for (at, (file, recording)) in (0_i64..).zip(files) {
        if recording.format != Format::Exposition {
            return Err(format!("{file} is no scrape in Prometheus' text format"));
        }
        for series in recording.series {
            check_times(&file, &series)?;
            let key = (series.name.clone(), series.labels.clone());
            let known = joined
                .entry(key)
                .or_insert_with(|| Series { samples: Vec::new(), ..series.clone() });
            known.samples.extend(series.samples.into_iter().map(|mut sample| {
                if sample.at_ns == UNTIMED_NS {
                    // The first instant must not look like none.
                    sample.at_ns = step_ns.saturating_mul(at).saturating_add(1_000_000_000);
                }
                sample
            }));
        }
    }
    let mut all: Vec<Series> = joined.into_values().collect();
    for series in &mut all {
        series.samples.sort_by_key(|sample| sample.at_ns);
    }
    let requests = REQUESTS.into_iter().find(|name| all.iter().any(|series| series.name == *name));
    let of = |wanted: &str| -> Vec<Series> {
        all.iter().filter(|series| series.name == wanted).cloned().collect()
    };
    let (cpu, memory) = (of(CPU), of(MEMORY));
    let requests = requests.map(of).unwrap_or_default();
    if cpu.is_empty() && requests.is_empty() && memory.is_empty() {
        return Err(format!(
            "{name} has neither {CPU} nor {MEMORY} nor a counter of requests ({})",
            REQUESTS.join(", ")
        ));
    }
    let instants = cpu.iter().map(|series| series.samples.len()).max().unwrap_or(0);
    let mean = (instants < 2).then(|| mean(&cpu, &requests)).flatten();
    let mut inputs = Vec::new();
    let mut add = |role: Role, series: Vec<Series>, needed: usize| {
        // A counter says nothing before it was read twice.
        if series.iter().any(|series| series.samples.len() >= needed) {
            inputs.push((role, name.clone(), Recording { format: Format::Exposition, series }));
        }
    };
    add(Role::Cpu, cpu, 2);
    add(Role::Rates, requests, 2);
    add(Role::Memory, memory, 1);
    Ok(Scrapes { inputs, mean })
}

/// Two samples of one series at one time are two scrapes in one file.
fn check_times(file: &str, series: &Series) -> Result<(), String> {
    let untimed = series.samples.iter().filter(|sample| sample.at_ns == UNTIMED_NS).count();
    if untimed > 1 {
        return Err(format!(
            "{file} has `{}` {untimed} times without a time: give every scrape a file of its own",
            series.name
        ));
    }
    Ok(())
}

fn mean(cpu: &[Series], requests: &[Series]) -> Option<Mean> {
    let sum = |series: &[Series]| -> f64 {
        let last = series.iter().filter_map(|series| series.samples.last());
        last.map(|sample| sample.value).filter(|value| value.is_finite()).sum()
    };
    let mean = Mean { cpu_s: sum(cpu), requests: sum(requests) };
    (mean.cpu_s > 0.0 && mean.requests > 0.0).then_some(mean)
}

impl Mean {
    /// CPU of a request at most (core-seconds).
    #[must_use]
    pub fn most_s(self) -> f64 {
        self.cpu_s / self.requests
    }
}

/// What a summary of k6 says of one operation's durations under the load of its test (s).
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The operation: `all`, or what tags of a submetric name.
    pub operation: String,
    /// Requests, where it says so.
    pub requests: Option<f64>,
    /// Figures by k6's names: `avg`, `med`, `p(95)`.
    pub figures: Vec<(String, f64)>,
}

/// Reads the durations of a summary.
#[must_use]
pub fn summaries(recording: &Recording) -> Vec<Summary> {
    let mut found: BTreeMap<String, Summary> = BTreeMap::new();
    for series in &recording.series {
        if !["http_req_duration", "grpc_req_duration"].contains(&series.name.as_str()) {
            continue;
        }
        let Some(figure) = series.labels.get(crate::input::recordings::FIGURE) else { continue };
        let tags = series.labels.iter().filter(|(tag, _)| *tag != crate::input::recordings::FIGURE);
        let tags: Vec<String> = tags.map(|(tag, value)| format!("{tag}:{value}")).collect();
        let operation = if tags.is_empty() { "all".to_owned() } else { tags.join(",") };
        let summary = found.entry(operation.clone()).or_insert_with(|| Summary {
            operation,
            requests: None,
            figures: Vec::new(),
        });
        let value = series.samples.first().map_or(f64::NAN, |sample| sample.value);
        if figure == "count" {
            summary.requests = Some(value);
        } else if value.is_finite() {
            summary.figures.push((figure.clone(), value / f64_from_usize(1000)));
        }
    }
    found.into_values().collect()
}
