//! `-o json`: one document, the same bytes for the same input and seed.
//!
//! Field names are k6's where k6 has one; every other number carries its unit in its name. Money is
//! a decimal in a string. What is not known is `null`. Of several runs, the page describes the
//! first; `runs` has a line for each and thresholds carry `runs`, `passes` and the mean with its
//! 95 % interval.

mod alerts;

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Map, Value};

use alerts::{Alert, Expectation, alert, expectation};

use crate::model::KUBERNETES;
use crate::report::figures::to_json;
use crate::report::{
    CostEntry, EndsEntry, FindingEntry, InputEntry, Location, MetricEntry, PoolEntry, Report,
    RunEntry, ServiceEntry, StartUpEntry, ThresholdEntry, ThresholdStatus, TimelineEntry,
    VolumeEntry, WorkloadEntry,
};

/// Version of the form: a minor adds fields, a major changes or removes them.
pub const VERSION: &str = "1.0.0";
/// Where the form is written down.
pub const SCHEMA: &str = "https://aurelius.dev/schema/result.v1.json";

/// The document, with a newline at its end.
///
/// # Panics
/// Never: the wire forms hold nothing that JSON cannot.
#[must_use]
pub fn json(report: &Report) -> String {
    let document = document(report);
    let mut text = serde_json::to_string_pretty(&document).expect("wire forms are plain values");
    text.push('\n');
    text
}

/// The document on one line, for where nobody reads it.
///
/// # Panics
/// Never: the wire forms hold nothing that JSON cannot.
#[must_use]
pub fn compact(report: &Report) -> String {
    serde_json::to_string(&document(report)).expect("wire forms are plain values")
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    version: &'static str,
    tool: Tool<'a>,
    inputs: Vec<Input<'a>>,
    scenario: &'a str,
    description: &'a str,
    cluster: &'a str,
    provider: &'a str,
    model: &'static str,
    seeds: [u64; 1],
    duration_s: f64,
    warm_up_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    aborted: Option<Abort<'a>>,
    verdict: &'static str,
    exit_code: u8,
    events: u64,
    thresholds: Vec<Threshold<'a>>,
    metrics: Map<String, Value>,
    services: Vec<Service<'a>>,
    workloads: Vec<Workload<'a>>,
    pending_to_serving: Vec<StartUp<'a>>,
    node_pools: Vec<Pool<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alerts: Vec<Alert<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alert_expectations: Vec<Expectation<'a>>,
    cost: Cost<'a>,
    timeline: Vec<Happening<'a>>,
    findings: Vec<Finding<'a>>,
    assumptions: &'a [String],
    not_simulated: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<Run>,
    path: &'a str,
    arguments: &'a [String],
    strict: bool,
    figures: Vec<Value>,
}

/// The threshold with `abortOnFail` that ended a run.
#[derive(Serialize)]
struct Abort<'a> {
    threshold: &'a str,
    after_s: f64,
    run: u64,
    runs: usize,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'static str,
    version: &'static str,
    kubernetes: &'static str,
    catalog: &'a str,
}

#[derive(Serialize)]
struct StartUp<'a> {
    workload: &'a str,
    pods: u64,
    phases: Vec<Phase>,
    total_p50_s: f64,
    total_p95_s: f64,
    total_max_s: f64,
}

#[derive(Serialize)]
struct Phase {
    phase: &'static str,
    p50_s: f64,
    p95_s: f64,
}

#[derive(Serialize)]
struct Input<'a> {
    path: &'a str,
    sha256: &'a str,
}

#[derive(Serialize)]
struct Place<'a> {
    path: &'a str,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct Threshold<'a> {
    metric: &'a str,
    expression: &'a str,
    observed: Option<f64>,
    unit: Option<&'a str>,
    ok: bool,
    status: &'static str,
    severity: &'static str,
    margin: Option<f64>,
    first_violation_s: Option<f64>,
    violated_for_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    location: Option<Place<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    across: Option<Across>,
}

/// A threshold over several runs.
#[derive(Serialize)]
struct Across {
    runs: usize,
    passes: u32,
    worst_run: u64,
    mean: Option<f64>,
    interval_95: Option<(f64, f64)>,
}

#[derive(Serialize)]
struct Ends {
    completed: u64,
    timed_out: u64,
    refused: u64,
    cut: u64,
    failed: u64,
    limited: u64,
    short_circuited: u64,
    abandoned: u64,
}

#[derive(Serialize)]
struct Service<'a> {
    name: &'a str,
    workload: Option<&'a str>,
    requests: Ends,
    failed_share: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    peak_waiting: u32,
    gpu_busy_mean: Option<f64>,
    gpu_busy_peak: Option<f64>,
    little_gap: f64,
}

#[derive(Serialize)]
struct Ready {
    first: u32,
    min: u32,
    max: u32,
    last: u32,
}

#[derive(Serialize)]
struct Workload<'a> {
    name: &'a str,
    service: Option<&'a str>,
    ready: Ready,
    desired_max: i32,
    pending_max: u32,
    cpu_of_request_mean: Option<f64>,
    cpu_of_request_peak: Option<f64>,
    cpu_of_limit_peak: Option<f64>,
    memory_of_request_peak: Option<f64>,
    scaled_pods: u64,
    time_to_scale_p50_s: Option<f64>,
    time_to_scale_max_s: Option<f64>,
}

#[derive(Serialize)]
struct Pool<'a> {
    name: &'a str,
    instance: &'a str,
    ready: Ready,
    max: u32,
    cpu_requested_cores: f64,
    cpu_requested_share: Option<f64>,
    memory_requested_bytes: f64,
    memory_requested_share: Option<f64>,
    gpu_requested_share: Option<f64>,
    node_hours: String,
    price_per_hour: Option<String>,
    per_month: Option<String>,
    idle_share: Option<f64>,
    idle_per_month: Option<String>,
    machines: Vec<Machine<'a>>,
}

#[derive(Serialize)]
struct Machine<'a> {
    instance: &'a str,
    spot: bool,
    node_hours: String,
    price_per_hour: Option<String>,
    per_month: Option<String>,
}

#[derive(Serialize)]
struct Share<'a> {
    pool: &'a str,
    workload: Option<&'a str>,
    shared_by: &'static str,
    used_per_month: String,
    requested_unused_per_month: String,
    unallocated_per_month: String,
}

#[derive(Serialize)]
struct Cost<'a> {
    currency: &'a str,
    per_month: Option<String>,
    idle_per_month: Option<String>,
    hours_per_month: u32,
    nodes_per_month: Option<String>,
    control_plane_per_month: String,
    volumes_per_month: Option<String>,
    measured: Option<String>,
    per_million_requests: Option<String>,
    shares: Vec<Share<'a>>,
    volumes: Vec<Volume<'a>>,
    unknown_prices: &'a [String],
}

#[derive(Serialize)]
struct Volume<'a> {
    claim: &'a str,
    volumes: u32,
    size_gib: f64,
    #[serde(rename = "type")]
    volume_type: Option<&'a str>,
    paid_iops: u64,
    per_month: Option<String>,
}

#[derive(Serialize)]
struct Happening<'a> {
    t_s: f64,
    object: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    message: &'a str,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: &'a str,
    level: &'a str,
    message: &'a str,
    note: &'a str,
    from_s: Option<f64>,
    until_s: Option<f64>,
    locations: Vec<Place<'a>>,
    fixes: &'a [String],
}

#[derive(Serialize)]
struct Run {
    replication: u64,
    verdict: &'static str,
    observed: Vec<Option<f64>>,
    cost_per_month: Option<String>,
}

const fn verdict(holds: bool) -> &'static str {
    if holds { "pass" } else { "fail" }
}

fn document(report: &Report) -> Document<'_> {
    let several = report.runs.len() > 1;
    Document {
        schema: SCHEMA,
        version: VERSION,
        tool: Tool {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            kubernetes: KUBERNETES,
            catalog: &report.catalog,
        },
        inputs: report.inputs.iter().map(input).collect(),
        scenario: &report.scenario,
        description: &report.description,
        cluster: &report.cluster,
        provider: report.provider,
        model: report.model,
        seeds: [report.seed],
        duration_s: report.duration_s,
        warm_up_s: report.warm_up_s,
        aborted: report.aborted.as_ref().map(|it| Abort {
            threshold: &it.threshold,
            after_s: it.after_s,
            run: it.run,
            runs: it.runs,
        }),
        verdict: verdict(report.holds),
        exit_code: if report.holds { 0 } else { 99 },
        events: report.events,
        thresholds: report
            .thresholds
            .iter()
            .map(|entry| threshold(entry, several.then_some(report.runs.len())))
            .collect(),
        metrics: report.metrics.iter().map(metric).collect(),
        services: report.services.iter().map(service).collect(),
        workloads: report.workloads.iter().map(workload).collect(),
        pending_to_serving: report.start_ups.iter().map(start_up).collect(),
        node_pools: report.node_pools.iter().map(pool).collect(),
        alerts: report.alerts.iter().map(alert).collect(),
        alert_expectations: report.expectations.iter().map(expectation).collect(),
        cost: cost(&report.cost),
        timeline: report.timeline.iter().map(happening).collect(),
        findings: report.findings.iter().map(finding).collect(),
        assumptions: &report.assumptions,
        not_simulated: &report.not_simulated,
        runs: if several { report.runs.iter().map(run).collect() } else { Vec::new() },
        path: &report.path,
        arguments: &report.arguments,
        strict: report.strict,
        figures: report.figures.iter().map(to_json).collect(),
    }
}

fn money(amount: Option<Decimal>) -> Option<String> {
    amount.map(|amount| amount.to_string())
}

fn input(entry: &InputEntry) -> Input<'_> {
    Input { path: &entry.path, sha256: &entry.sha256 }
}

fn place(location: &Location) -> Place<'_> {
    Place { path: &location.path, line: location.line, column: location.column }
}

fn threshold(entry: &ThresholdEntry, runs: Option<usize>) -> Threshold<'_> {
    Threshold {
        metric: &entry.metric,
        expression: &entry.expression,
        observed: entry.observed,
        unit: entry.unit.as_deref(),
        ok: entry.ok,
        status: match entry.status {
            ThresholdStatus::Met => "met",
            ThresholdStatus::Crossed => "crossed",
            ThresholdStatus::NoSamples => "no_samples",
        },
        severity: if entry.warns_only { "warning" } else { "error" },
        margin: entry.margin,
        first_violation_s: entry.first_violation_s,
        violated_for_s: entry.violated_for_s,
        matches: entry.matching,
        total: entry.of,
        location: entry.location.as_ref().map(place),
        across: runs.map(|runs| Across {
            runs,
            passes: entry.passes,
            worst_run: entry.worst_run,
            mean: entry.mean,
            interval_95: entry.interval_95,
        }),
    }
}

fn metric(entry: &MetricEntry) -> (String, Value) {
    let values: Map<String, Value> =
        entry.values.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    let body = Map::from_iter([
        ("type".to_owned(), entry.kind.into()),
        ("contains".to_owned(), entry.contains.into()),
        ("values".to_owned(), values.into()),
    ]);
    (entry.name.clone(), body.into())
}

fn service(entry: &ServiceEntry) -> Service<'_> {
    let EndsEntry { completed, timed_out, refused, cut, failed, .. } = entry.ends;
    let EndsEntry { limited, short_circuited, abandoned, .. } = entry.ends;
    Service {
        name: &entry.name,
        workload: entry.workload.as_deref(),
        requests: Ends {
            completed,
            timed_out,
            refused,
            cut,
            failed,
            limited,
            short_circuited,
            abandoned,
        },
        failed_share: entry.failed_share,
        p50_ms: entry.p50_ms,
        p95_ms: entry.p95_ms,
        p99_ms: entry.p99_ms,
        peak_waiting: entry.peak_waiting,
        gpu_busy_mean: entry.gpu_busy_mean,
        gpu_busy_peak: entry.gpu_busy_peak,
        little_gap: entry.little_gap,
    }
}

fn workload(entry: &WorkloadEntry) -> Workload<'_> {
    Workload {
        name: &entry.name,
        service: entry.service.as_deref(),
        ready: Ready {
            first: entry.ready_first,
            min: entry.ready_min,
            max: entry.ready_max,
            last: entry.ready_last,
        },
        desired_max: entry.desired_max,
        pending_max: entry.pending_max,
        cpu_of_request_mean: entry.cpu_of_request_mean,
        cpu_of_request_peak: entry.cpu_of_request_peak,
        cpu_of_limit_peak: entry.cpu_of_limit_peak,
        memory_of_request_peak: entry.memory_of_request_peak,
        scaled_pods: entry.scaled_pods,
        time_to_scale_p50_s: entry.time_to_scale_p50_s,
        time_to_scale_max_s: entry.time_to_scale_max_s,
    }
}

fn start_up(entry: &StartUpEntry) -> StartUp<'_> {
    let phases = entry.phases.iter();
    let (total_p50_s, total_p95_s, total_max_s) = entry.total_s;
    StartUp {
        workload: &entry.workload,
        pods: entry.pods,
        phases: phases.map(|&(phase, p50_s, p95_s)| Phase { phase, p50_s, p95_s }).collect(),
        total_p50_s,
        total_p95_s,
        total_max_s,
    }
}

fn pool(entry: &PoolEntry) -> Pool<'_> {
    Pool {
        name: &entry.name,
        instance: &entry.instance,
        ready: Ready {
            first: entry.ready_first,
            min: entry.ready_min,
            max: entry.ready_max,
            last: entry.ready_last,
        },
        max: entry.max,
        cpu_requested_cores: entry.cpu_requested_cores,
        cpu_requested_share: entry.cpu_requested_share,
        memory_requested_bytes: entry.memory_requested_bytes,
        memory_requested_share: entry.memory_requested_share,
        gpu_requested_share: entry.gpu_requested_share,
        node_hours: entry.node_hours.round_dp(6).normalize().to_string(),
        price_per_hour: money(entry.price_per_hour),
        per_month: money(entry.per_month),
        idle_share: entry.idle_share,
        idle_per_month: money(entry.idle_per_month),
        machines: entry
            .machines
            .iter()
            .map(|machine| Machine {
                instance: &machine.instance,
                spot: machine.spot,
                node_hours: machine.node_hours.round_dp(6).normalize().to_string(),
                price_per_hour: money(machine.price_per_hour),
                per_month: money(machine.per_month),
            })
            .collect(),
    }
}

fn cost(entry: &CostEntry) -> Cost<'_> {
    Cost {
        currency: &entry.currency,
        per_month: money(entry.per_month),
        idle_per_month: money(entry.idle_per_month),
        hours_per_month: entry.hours_per_month,
        nodes_per_month: money(entry.nodes_per_month),
        control_plane_per_month: entry.control_plane_per_month.to_string(),
        volumes_per_month: money(entry.volumes_per_month),
        measured: money(entry.measured),
        per_million_requests: money(entry.per_million_requests),
        shares: entry
            .shares
            .iter()
            .map(|share| Share {
                pool: &share.pool,
                workload: share.workload.as_deref(),
                shared_by: share.by,
                used_per_month: share.used.to_string(),
                requested_unused_per_month: share.idle.to_string(),
                unallocated_per_month: share.unallocated.to_string(),
            })
            .collect(),
        volumes: entry.volumes.iter().map(volume).collect(),
        unknown_prices: &entry.unknown_prices,
    }
}

fn volume(entry: &VolumeEntry) -> Volume<'_> {
    Volume {
        claim: &entry.claim,
        volumes: entry.volumes,
        size_gib: entry.size_gib,
        volume_type: entry.volume_type.as_deref(),
        paid_iops: entry.paid_iops,
        per_month: money(entry.per_month),
    }
}

fn happening(entry: &TimelineEntry) -> Happening<'_> {
    Happening {
        t_s: entry.t_s,
        object: &entry.object,
        condition: entry.condition.as_deref(),
        status: entry.status.as_deref(),
        reason: entry.reason.as_deref(),
        message: &entry.message,
    }
}

fn finding(entry: &FindingEntry) -> Finding<'_> {
    Finding {
        code: &entry.code,
        level: &entry.level,
        message: &entry.message,
        note: &entry.note,
        from_s: entry.from_s,
        until_s: entry.until_s,
        locations: entry.locations.iter().map(place).collect(),
        fixes: &entry.fixes,
    }
}

fn run(entry: &RunEntry) -> Run {
    Run {
        replication: entry.replication,
        verdict: verdict(entry.holds),
        observed: entry.observed.clone(),
        cost_per_month: money(entry.per_month),
    }
}
