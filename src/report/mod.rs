//! The page of a result as a value, and what writes it in each format.
//!
//! Floor 10. [`Report`] holds everything a renderer needs as plain data: names instead of ids,
//! numbers with their unit in the field's name. [`assemble::assemble`] makes it from a scenario and
//! its runs; each format is a pure function of it. Times count from the start of measuring.
//!
//! Of several runs the page describes the first; thresholds are judged over all of them, and
//! [`Report::runs`] has a line for each.

pub mod assemble;
mod autoscaler_status;
pub mod backtest;
pub mod bench;
pub mod calibration;
mod canvas;
mod ci;
pub mod columns;
pub mod csv;
pub mod explain;
pub mod figures;
pub mod github;
pub mod grid;
pub mod html;
pub mod json;
pub mod junit;
pub mod k6_summary;
pub mod markdown;
pub mod ndjson;
pub mod overlay;
pub mod pod_trace;
pub mod review;
pub mod size;
pub mod sparkline;
pub mod svg;
pub mod text;
mod told;
mod verdicts;

use rust_decimal::Decimal;

pub use assemble::{Told, assemble};
pub use columns::{Column, Course, Courses};
pub use told::told;

/// A result, ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// `metadata.name` of the scenario.
    pub scenario: String,
    /// Path of its document.
    pub path: String,
    /// Its description.
    pub description: String,
    /// Name of the cluster profile.
    pub cluster: String,
    /// `eks`, `gke` or `aks`.
    pub provider: &'static str,
    /// Date of the instance prices, the latest of the pools'.
    pub catalog: String,
    /// Every file it was made from.
    pub inputs: Vec<InputEntry>,
    /// Root of all chance.
    pub seed: u64,
    /// The model that served requests: `requests` or `fluid`.
    pub model: &'static str,
    /// Measured time (s).
    pub duration_s: f64,
    /// Time before, not measured (s).
    pub warm_up_s: f64,
    /// The threshold that ended a run before its time, the first of several.
    pub aborted: Option<AbortEntry>,
    /// Whether every threshold is met and every expectation of alerts came true, in every run.
    pub holds: bool,
    /// Events that the first run took.
    pub events: u64,
    /// Thresholds in the order of the scenario.
    pub thresholds: Vec<ThresholdEntry>,
    /// Metrics under k6's names, then ours.
    pub metrics: Vec<MetricEntry>,
    /// Services in the order of the scenario.
    pub services: Vec<ServiceEntry>,
    /// Workloads in the order of the scenario.
    pub workloads: Vec<WorkloadEntry>,
    /// From pending to serving: workloads whose pods waited for machines.
    pub start_ups: Vec<StartUpEntry>,
    /// Node pools in the order of the scenario.
    pub node_pools: Vec<PoolEntry>,
    /// Alert rules in the order of their documents.
    pub alerts: Vec<AlertEntry>,
    /// What was expected of alerts.
    pub expectations: Vec<ExpectationEntry>,
    /// Money.
    pub cost: CostEntry,
    /// What happened, by time.
    pub timeline: Vec<TimelineEntry>,
    /// Judgements.
    pub findings: Vec<FindingEntry>,
    /// What the model takes for granted, a sentence each.
    pub assumptions: Vec<String>,
    /// Fields and objects that were read and are not simulated.
    pub not_simulated: Vec<String>,
    /// Series of the first run.
    pub courses: Courses,
    /// A line for each run.
    pub runs: Vec<RunEntry>,
    /// The figures of each run by which runs are compared.
    pub figures: Vec<crate::sweep::Figures>,
    /// Arguments of the command line that said what is deployed and where; with them, `path` and
    /// `seed` the run can be repeated.
    pub arguments: Vec<String>,
    /// Whether a threshold without samples counts as failed.
    pub strict: bool,
}

/// A run that a threshold with `abortOnFail` ended early.
#[derive(Debug, Clone, PartialEq)]
pub struct AbortEntry {
    /// The threshold, as `metric: expression`.
    pub threshold: String,
    /// When it ended the run, counted from the start of measuring (s).
    pub after_s: f64,
    /// Which run.
    pub run: u64,
    /// How many runs were ended so.
    pub runs: usize,
}

/// How long the pods of a workload took from pending to serving, when they waited for a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct StartUpEntry {
    /// `Deployment/ml-service`.
    pub workload: String,
    /// How many pods.
    pub pods: u64,
    /// Each part of the way, in order: name, median and 95th percentile (s).
    pub phases: Vec<(&'static str, f64, f64)>,
    /// All of it: median, 95th percentile and longest (s).
    pub total_s: (f64, f64, f64),
}

/// An alert rule.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertEntry {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// `labels.severity`.
    pub severity: Option<String>,
    /// `annotations.summary`.
    pub summary: Option<String>,
    /// Its expression, on one line.
    pub expression: String,
    /// `for` (s).
    pub hold_s: f64,
    /// Where it is written.
    pub location: Option<Location>,
    /// Why it was not evaluated; empty when it was.
    pub not_evaluated: Vec<String>,
    /// The first error of an evaluation and how many there were.
    pub failed: Option<(String, u32)>,
    /// When any of its alerts was pending.
    pub pending: Vec<SpanEntry>,
    /// When any of its alerts fired.
    pub firing: Vec<SpanEntry>,
    /// When it first fired, within the measured time (s).
    pub first_fired_s: Option<f64>,
    /// For how long it fired, within the measured time (s).
    pub firing_s: f64,
    /// For how long it was pending, within the measured time (s).
    pub pending_s: f64,
    /// Its alerts one by one.
    pub instances: Vec<AlertInstanceEntry>,
    /// Alerts beyond those that are kept.
    pub more: u32,
}

/// An alert with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertInstanceEntry {
    /// `{pod="gateway-3", severity="warning"}`.
    pub labels: String,
    /// When it was pending.
    pub pending: Vec<SpanEntry>,
    /// When it fired.
    pub firing: Vec<SpanEntry>,
}

/// A span of time; negative during the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpanEntry {
    /// From (s).
    pub from_s: f64,
    /// To (s).
    pub until_s: f64,
}

/// What was expected of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectationEntry {
    /// Its name.
    pub alert: String,
    /// Labels of the alerts in question.
    pub labels: Vec<(String, String)>,
    /// `never fires`, `fires by 20m`.
    pub expected: String,
    /// Whether it came true in every run.
    pub ok: bool,
    /// In how many.
    pub passes: u32,
    /// What happened, in a sentence.
    pub told: String,
    /// Where it is written.
    pub location: Option<Location>,
}

/// An input file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputEntry {
    /// Path as the user named it.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Path as the user named it.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// How a threshold came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ThresholdStatus {
    /// Met.
    Met,
    /// Not met.
    Crossed,
    /// Nothing was measured that could be compared.
    NoSamples,
}

/// A threshold. Of several runs the figures are those of the worst: the first that crossed it, or
/// else the one with the least margin.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdEntry {
    /// `http_req_duration{name:studies}`.
    pub metric: String,
    /// `p(95)<500`, as k6 writes it.
    pub expression: String,
    /// `p(95)`.
    pub method: String,
    /// The figure that was compared.
    pub observed: Option<f64>,
    /// `ms`, `B`, the currency, or `None` for a plain number or share.
    pub unit: Option<String>,
    /// What the expression compares with, in the same unit.
    pub limit: f64,
    /// How it came out.
    pub status: ThresholdStatus,
    /// Whether it counts as met in every run.
    pub ok: bool,
    /// Whether it only warns (`severity: warning`): it does not make the run fail.
    pub warns_only: bool,
    /// Distance to the limit as a share of the limit; negative when crossed.
    pub margin: Option<f64>,
    /// When it was first violated (s).
    pub first_violation_s: Option<f64>,
    /// For how long in all (s).
    pub violated_for_s: f64,
    /// Of a rate: samples that were true …
    pub matching: Option<u64>,
    /// … of how many.
    pub of: Option<u64>,
    /// Where it is written.
    pub location: Option<Location>,
    /// The worst run.
    pub worst_run: u64,
    /// Over all runs: met in how many.
    pub passes: u32,
    /// Mean of the observed figures.
    pub mean: Option<f64>,
    /// Ends of the 95 % confidence interval of that mean; `None` of a single run.
    pub interval_95: Option<(f64, f64)>,
}

/// A metric of the first run.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricEntry {
    /// Name, with tags for the part of a metric that a threshold is about.
    pub name: String,
    /// `trend`, `counter`, `gauge` or `rate`.
    pub kind: &'static str,
    /// `time`, `data`, or `default`: k6's words.
    pub contains: &'static str,
    /// Figures by k6's names, in k6's order.
    pub values: Vec<(&'static str, f64)>,
}

/// How calls ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndsEntry {
    /// Answered well.
    pub completed: u64,
    /// 504.
    pub timed_out: u64,
    /// 503.
    pub refused: u64,
    /// Cut when their pod died.
    pub cut: u64,
    /// 500.
    pub failed: u64,
    /// 429.
    pub limited: u64,
    /// Not sent by an open circuit breaker.
    pub short_circuited: u64,
    /// 499: the caller left.
    pub abandoned: u64,
}

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceEntry {
    /// Name.
    pub name: String,
    /// `Deployment/gateway`; `None` outside the cluster.
    pub workload: Option<String>,
    /// How its operations ended.
    pub ends: EndsEntry,
    /// Share of them that failed.
    pub failed_share: Option<f64>,
    /// From arrival to end, calls of its own included (ms).
    pub p50_ms: Option<f64>,
    /// 95th percentile (ms).
    pub p95_ms: Option<f64>,
    /// 99th percentile (ms).
    pub p99_ms: Option<f64>,
    /// Largest number of requests that waited at a sampling instant.
    pub peak_waiting: u32,
    /// Share of GPU time used, mean over time; `None` without GPUs.
    pub gpu_busy_mean: Option<f64>,
    /// Largest share of GPU time used between two samples.
    pub gpu_busy_peak: Option<f64>,
    /// How far Little's law is off over the whole run; what is inside at the end causes it.
    pub little_gap: f64,
}

/// A workload.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadEntry {
    /// `Deployment/gateway`.
    pub name: String,
    /// The service its pods serve.
    pub service: Option<String>,
    /// Ready pods when measuring began.
    pub ready_first: u32,
    /// Fewest ready pods.
    pub ready_min: u32,
    /// Most ready pods.
    pub ready_max: u32,
    /// Ready pods at the end.
    pub ready_last: u32,
    /// Most replicas that were wanted.
    pub desired_max: i32,
    /// Most pods without a node.
    pub pending_max: u32,
    /// CPU used by CPU requested, mean over time.
    pub cpu_of_request_mean: Option<f64>,
    /// Largest share between two samples.
    pub cpu_of_request_peak: Option<f64>,
    /// CPU used by what its ready pods may use, largest share.
    pub cpu_of_limit_peak: Option<f64>,
    /// Memory used by memory requested, largest share.
    pub memory_of_request_peak: Option<f64>,
    /// Pods that scale-ups made ready.
    pub scaled_pods: u64,
    /// Decision to ready, median (s).
    pub time_to_scale_p50_s: Option<f64>,
    /// Decision to ready, slowest (s).
    pub time_to_scale_max_s: Option<f64>,
}

/// A node pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolEntry {
    /// Name.
    pub name: String,
    /// Instance type.
    pub instance: String,
    /// Ready nodes when measuring began.
    pub ready_first: u32,
    /// Fewest ready nodes.
    pub ready_min: u32,
    /// Most ready nodes.
    pub ready_max: u32,
    /// Ready nodes at the end.
    pub ready_last: u32,
    /// Most nodes the pool may have.
    pub max: u32,
    /// Cores requested by bound pods, mean over time.
    pub cpu_requested_cores: f64,
    /// Share of the cores its ready nodes offer.
    pub cpu_requested_share: Option<f64>,
    /// Memory requested by bound pods, mean over time (bytes).
    pub memory_requested_bytes: f64,
    /// Share of the memory its ready nodes offer.
    pub memory_requested_share: Option<f64>,
    /// Share of the GPUs its ready nodes offer.
    pub gpu_requested_share: Option<f64>,
    /// Paid hours, summed over its nodes.
    pub node_hours: Decimal,
    /// Price of a node per hour; `None` when the catalogue does not know it.
    pub price_per_hour: Option<Decimal>,
    /// Cost over a month, cents.
    pub per_month: Option<Decimal>,
    /// Share that no pod asks for, by the resource asked for most.
    pub idle_share: Option<f64>,
    /// Its cost over a month, cents.
    pub idle_per_month: Option<Decimal>,
    /// Machines by type and by how they are bought.
    pub machines: Vec<MachineEntry>,
}

/// Machines of one price in a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineEntry {
    /// Instance type.
    pub instance: String,
    /// Whether they are spot machines.
    pub spot: bool,
    /// Paid hours in the measured time.
    pub node_hours: Decimal,
    /// Price of one per hour; `None` when the catalogue does not know it.
    pub price_per_hour: Option<Decimal>,
    /// Cost over a month, cents.
    pub per_month: Option<Decimal>,
}

/// What a workload, or nobody, costs on a pool over a month, cents.
#[derive(Debug, Clone, PartialEq)]
pub struct CostShareEntry {
    /// Name of the pool.
    pub pool: String,
    /// `Deployment/gateway`; `None` is what nobody asked for.
    pub workload: Option<String>,
    /// The resource by which the pool's cost is shared.
    pub by: &'static str,
    /// Requested and used.
    pub used: Decimal,
    /// Requested and not used.
    pub idle: Decimal,
    /// Asked for by nobody.
    pub unallocated: Decimal,
}

/// Money, in cents.
#[derive(Debug, Clone, PartialEq)]
pub struct CostEntry {
    /// ISO 4217 code.
    pub currency: String,
    /// Everything over a month; `None` when a price is unknown.
    pub per_month: Option<Decimal>,
    /// Nodes over a month.
    pub nodes_per_month: Option<Decimal>,
    /// Control plane over a month.
    pub control_plane_per_month: Decimal,
    /// Volumes over a month.
    pub volumes_per_month: Option<Decimal>,
    /// The part of the nodes that is idle.
    pub idle_per_month: Option<Decimal>,
    /// The measured time alone.
    pub measured: Option<Decimal>,
    /// By a million client calls.
    pub per_million_requests: Option<Decimal>,
    /// Hours that a month is taken to have.
    pub hours_per_month: u32,
    /// Who costs how much on each pool.
    pub shares: Vec<CostShareEntry>,
    /// Each claim.
    pub volumes: Vec<VolumeEntry>,
    /// Prices that are not known.
    pub unknown_prices: Vec<String>,
}

/// Volumes of a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeEntry {
    /// `StatefulSet/minio/data`.
    pub claim: String,
    /// How many.
    pub volumes: u32,
    /// Size of each (GiB).
    pub size_gib: f64,
    /// `gp3`.
    pub volume_type: Option<String>,
    /// IOPS of each that are paid for beside the size.
    pub paid_iops: u64,
    /// All of them over a month, cents.
    pub per_month: Option<Decimal>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineEntry {
    /// When (s); negative during the warm-up.
    pub t_s: f64,
    /// About whom: `HorizontalPodAutoscaler/gateway`.
    pub object: String,
    /// Kubernetes' condition, `ScalingLimited`, when it is one.
    pub condition: Option<String>,
    /// `True` or `False`.
    pub status: Option<String>,
    /// Kubernetes' reason, `TooManyReplicas`, or ours.
    pub reason: Option<String>,
    /// In a sentence.
    pub message: String,
}

/// A judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingEntry {
    /// `AUR901`.
    pub code: String,
    /// `error`, `warning` or `info`.
    pub level: String,
    /// In a sentence.
    pub message: String,
    /// Why and how much.
    pub note: String,
    /// When it began (s).
    pub from_s: Option<f64>,
    /// When it was over (s).
    pub until_s: Option<f64>,
    /// The figures of the input that decided it.
    pub locations: Vec<Location>,
    /// What would help, a sentence each.
    pub fixes: Vec<String>,
}

/// A run of several.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEntry {
    /// Which replication of the seed.
    pub replication: u64,
    /// Whether every threshold is met.
    pub holds: bool,
    /// The observed figure of each threshold.
    pub observed: Vec<Option<f64>>,
    /// Cost over a month, cents.
    pub per_month: Option<Decimal>,
}
