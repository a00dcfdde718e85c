//! Recordings with a meaning: which series are requests, CPU, rates, memory or starts of one service.

use std::collections::BTreeMap;

use crate::calibrate::align::{Join, joined};
use crate::calibrate::scrapes::{Mean, Summary, summaries};
use crate::input::recordings::{Format, Recording, Sample, Series};
use crate::units::convert::f64_from_i64;

/// What a recording tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Requests, one by one: an output of k6, or a table of starts and durations.
    Requests,
    /// Cores in use.
    Cpu,
    /// Requests per second of each operation.
    Rates,
    /// Bytes in use, of one pod.
    Memory,
    /// Seconds from start to ready.
    StartUp,
}

/// A request (s on the clock of the observation).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request {
    /// When it began.
    pub start_s: f64,
    /// When its answer was there.
    pub end_s: f64,
    /// Whether it failed; then its duration says nothing.
    pub failed: bool,
}

/// An operation as it was seen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Endpoint {
    /// Its name: k6's tag `name`, or a label such as `handler`, without a leading slash.
    pub name: String,
    /// Its requests, by start.
    pub requests: Vec<Request>,
    /// Requests per second as somebody else counted them, by time.
    pub rates: Vec<(f64, f64)>,
}

/// A quantity over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Time (s) and value.
    pub points: Vec<(f64, f64)>,
    /// The file it comes from.
    pub source: String,
}

/// Everything that was seen of a service, on one clock that begins with the first sample.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observed {
    /// Operations by name.
    pub endpoints: Vec<Endpoint>,
    /// Cores in use, of all pods together.
    pub cpu: Option<Signal>,
    /// Bytes in use of a pod.
    pub memory: Option<Signal>,
    /// Times from start to ready (s); the times of its points count them.
    pub start_up: Option<Signal>,
    /// The file of the requests.
    pub requests_from: Option<String>,
    /// The file of the rates.
    pub rates_from: Option<String>,
    /// Durations of which only a summary is there.
    pub summaries: Vec<Summary>,
    /// What counters say over the life of a process, where nothing better is known.
    pub mean: Option<Mean>,
    /// When the clock begins (Unix time, ns).
    pub start_ns: i64,
}

/// A file with its role.
pub type Input = (Role, String, Recording);

/// Labels that name an operation, the more telling first.
const NAMES: [&str; 9] =
    ["name", "handler", "endpoint", "operation", "route", "path", "uri", "url", "method"];

impl Signal {
    /// The usual distance of samples (s).
    #[must_use]
    pub fn step_s(&self) -> f64 {
        let mut steps: Vec<f64> =
            self.points.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        steps.sort_by(f64::total_cmp);
        steps.get(steps.len() / 2).copied().unwrap_or(1.0).max(1e-3)
    }
}

impl Observed {
    /// Gives recordings their meaning.
    ///
    /// # Errors
    ///
    /// A sentence naming the file that does not hold what its role needs.
    pub fn of(inputs: &[Input]) -> Result<Self, String> {
        // What has no times must not set the clock.
        let timed = |(role, _, recording): &&Input| {
            *role != Role::StartUp && recording.format != Format::K6Summary
        };
        let instants = inputs.iter().filter(timed);
        let instants = instants.flat_map(|(_, _, recording)| &recording.series);
        let first = instants.flat_map(|series| &series.samples).map(|sample| sample.at_ns).min();
        let start_ns = first.unwrap_or_default();
        let mut observed = Self { start_ns, ..Self::default() };
        let mut endpoints: BTreeMap<String, Endpoint> = BTreeMap::new();
        for (role, file, recording) in inputs {
            if recording.format == Format::K6Summary && *role != Role::Requests {
                return Err(format!(
                    "{file} is a summary of k6: it has durations over a whole test (`--requests`), nothing else"
                ));
            }
            match role {
                Role::Requests if recording.format == Format::K6Summary => {
                    let found = summaries(recording);
                    if found.is_empty() {
                        return Err(format!("{file} is a summary of k6 without http_req_duration"));
                    }
                    observed.summaries.extend(found);
                    observed.requests_from = Some(file.clone());
                }
                Role::Requests => {
                    requests(file, recording, start_ns, &mut endpoints)?;
                    observed.requests_from = Some(file.clone());
                }
                Role::Rates => {
                    rates(file, recording, start_ns, &mut endpoints)?;
                    observed.rates_from = Some(file.clone());
                }
                Role::Cpu => observed.cpu = Some(cpu(file, recording, start_ns)?),
                Role::Memory => observed.memory = Some(memory(file, recording, start_ns)?),
                Role::StartUp => observed.start_up = Some(start_up(file, recording)?),
            }
        }
        observed.endpoints = endpoints
            .into_iter()
            .map(|(name, mut endpoint)| {
                endpoint.requests.sort_by(|left, right| left.start_s.total_cmp(&right.start_s));
                endpoint.rates.sort_by(|left, right| left.0.total_cmp(&right.0));
                Endpoint { name, ..endpoint }
            })
            .collect();
        Ok(observed)
    }

    /// All requests of all operations.
    pub fn all_requests(&self) -> impl Iterator<Item = &Request> {
        self.endpoints.iter().flat_map(|endpoint| &endpoint.requests)
    }
}

fn seconds(at_ns: i64, start_ns: i64) -> f64 {
    f64_from_i64(at_ns.saturating_sub(start_ns)) / 1e9
}

/// The operation that a series belongs to.
fn operation(series: &Series) -> String {
    let label = NAMES.iter().find_map(|name| series.labels.get(*name));
    let name = label.map_or(series.name.as_str(), String::as_str).trim_start_matches('/');
    if name.is_empty() { "all".to_owned() } else { name.to_owned() }
}

/// k6's `http_req_duration` (or `grpc_req_duration`) in milliseconds, stamped at the end; or a table with
/// one row a request: its start, and its duration under a head that says the unit.
fn requests(
    file: &str,
    recording: &Recording,
    start_ns: i64,
    endpoints: &mut BTreeMap<String, Endpoint>,
) -> Result<(), String> {
    let k6 = matches!(recording.format, Format::K6Json | Format::K6Csv);
    let mut found = false;
    for series in &recording.series {
        let unit_s = match series.name.as_str() {
            "http_req_duration" | "grpc_req_duration" if k6 => Some(1e-3),
            name if !k6 => duration_unit(name),
            _ => None,
        };
        let Some(unit_s) = unit_s else { continue };
        found = true;
        let failed = series.labels.get("expected_response").is_some_and(|value| value == "false")
            || series.labels.get("status").is_some_and(|status| failure(status));
        let endpoint = endpoints.entry(operation_of_requests(series, k6)).or_default();
        for Sample { at_ns, value } in &series.samples {
            let (at, took) = (seconds(*at_ns, start_ns), value * unit_s);
            if !took.is_finite() || took < 0.0 {
                continue;
            }
            let (start_s, end_s) = if k6 { (at - took, at) } else { (at, at + took) };
            endpoint.requests.push(Request { start_s, end_s, failed });
        }
    }
    if found {
        return Ok(());
    }
    Err(format!(
        "{file} holds no requests: needs k6's metric http_req_duration, or a table with a column of starts \
         and one named duration_s, duration_ms or duration_us; it has {}",
        recording.names().join(", ")
    ))
}

fn operation_of_requests(series: &Series, k6: bool) -> String {
    let unlabelled = NAMES.iter().all(|name| !series.labels.contains_key(*name));
    if !k6 && unlabelled { "all".to_owned() } else { operation(series) }
}

/// No answer at all has the status 0.
fn failure(status: &str) -> bool {
    status.parse::<u32>().is_ok_and(|status| status == 0 || status >= 400)
}

/// The head of a table's column of durations, if it has one.
#[must_use]
pub fn duration_column(text: &str) -> Option<String> {
    let head = text.trim_start_matches('\u{feff}').lines().find(|line| !line.starts_with('#'))?;
    let names = head.split([',', ';']).map(|name| name.trim().trim_matches('"'));
    names.into_iter().find(|name| duration_unit(name).is_some()).map(str::to_owned)
}

fn duration_unit(name: &str) -> Option<f64> {
    let name = name.to_lowercase();
    let timed = ["duration", "latency", "took", "request_time", "response_time"];
    let timed = timed.iter().any(|word| name.contains(word));
    let unit = stated_unit(&name);
    // nginx's request_time is in seconds.
    if timed { unit.or((name == "request_time").then_some(1.0)) } else { None }
}

/// The unit (s) that the name of a column of times ends with: `startup_ms`, `took (ms)`, `seconds`.
fn stated_unit(name: &str) -> Option<f64> {
    let name = name.to_lowercase();
    let words: Vec<&str> = name
        .split(|it: char| !it.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    match words.last().copied()? {
        "ns" | "nanoseconds" => Some(1e-9),
        "us" | "micros" | "microseconds" => Some(1e-6),
        "ms" | "millis" | "milliseconds" => Some(1e-3),
        "s" | "sec" | "secs" | "seconds" => Some(1.0),
        "min" | "minutes" => Some(60.0),
        _ => None,
    }
}

/// Rates as they are, or counters turned into rates.
fn rates(
    file: &str,
    recording: &Recording,
    start_ns: i64,
    endpoints: &mut BTreeMap<String, Endpoint>,
) -> Result<(), String> {
    let mut by_operation: BTreeMap<String, Vec<Series>> = BTreeMap::new();
    for series in &recording.series {
        by_operation.entry(operation(series)).or_default().push(series.clone());
    }
    let joined = by_operation.into_iter().map(|(name, series)| (name, joined(&series, Join::Sum)));
    let joined: Vec<_> = joined.filter(|(_, points)| !points.is_empty()).collect();
    if joined.is_empty() {
        return Err(format!("{file} holds no rates"));
    }
    for (name, points) in joined {
        let points = points.into_iter().map(|(at_ns, value)| (seconds(at_ns, start_ns), value));
        endpoints.entry(name).or_default().rates.extend(points);
    }
    Ok(())
}

/// The sum of all series at each instant.
fn cpu(file: &str, recording: &Recording, start_ns: i64) -> Result<Signal, String> {
    signal(file, joined(&recording.series, Join::Sum), start_ns, "CPU")
}

/// The mean of all series at each instant: a pod's.
fn memory(file: &str, recording: &Recording, start_ns: i64) -> Result<Signal, String> {
    signal(file, joined(&recording.series, Join::Mean), start_ns, "memory")
}

fn signal(
    file: &str,
    values: Vec<(i64, f64)>,
    start_ns: i64,
    what: &str,
) -> Result<Signal, String> {
    if values.is_empty() {
        return Err(format!("{file} holds no samples of {what}"));
    }
    let points = values.into_iter().map(|(at, value)| (seconds(at, start_ns), value)).collect();
    Ok(Signal { points, source: file.to_owned() })
}

/// Durations of starts: the values of a table, whatever its times are.
fn start_up(file: &str, recording: &Recording) -> Result<Signal, String> {
    let samples = recording.series.iter().flat_map(|series| {
        let unit_s = stated_unit(&series.name).unwrap_or(1.0);
        series.samples.iter().map(move |sample| sample.value * unit_s)
    });
    let values: Vec<f64> = samples.filter(|value| value.is_finite() && *value > 0.0).collect();
    if values.is_empty() {
        return Err(format!("{file} holds no times from start to ready"));
    }
    let points = (0_u32..).zip(values).map(|(at, value)| (f64::from(at), value)).collect();
    Ok(Signal { points, source: file.to_owned() })
}
