//! The command line of `backtest`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::convert::parse_span;
use crate::cli::inputs::InputArgs;
use crate::cli::outputs::{Output, OutputFormat, parse_output};
use crate::units::SimDuration;

/// Arguments of `backtest`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct BacktestArgs {
    /// A scenario whose load is the recorded day's, or recorded syncs of HPAs (JSON lines: name, controller, hpa, syncs).
    pub(super) day: Option<PathBuf>,
    /// What was recorded of a scenario's day, repeatable: METRIC[/NAME]=FILE, TOTAL=NUMBER, or a folder that `run -o csv=DIR` wrote.
    #[arg(long, value_name = "WHAT=FILE|DIR")]
    pub(super) recorded: Vec<String>,
    /// The instant of the recordings at which the scenario's measured time begins; their first one when absent.
    #[arg(long, value_name = "TIME")]
    pub(super) starts: Option<String>,
    /// A recorded value holds until the next one, but not for longer.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_span)]
    pub(super) max_gap: SimDuration,
    /// Sizes that differ for no longer than this are counted, not told.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_span)]
    pub(super) grace: SimDuration,
    /// A load in place of the scenario's: a document of kind Load, as `convert` writes it.
    #[arg(long, value_name = "FILE")]
    pub(super) load: Option<PathBuf>,
    /// Use the fluid model when the scenario allows it.
    #[arg(long)]
    pub(super) fluid: bool,
    /// Seed of all chance; the scenario's own when absent.
    #[arg(long, env = "AURELIUS_SEED")]
    pub(super) seed: Option<u64>,
    /// Recorded sizes over time, with --manifests and --cpu instead of a scenario.
    #[arg(long, value_name = "FILE")]
    pub(super) replicas: Option<PathBuf>,
    /// Recorded CPU in use of all its pods (cores).
    #[arg(long, value_name = "FILE")]
    pub(super) cpu: Option<PathBuf>,
    /// The HPA of that name, when there are several.
    #[arg(long, value_name = "NAME")]
    pub(super) hpa: Option<String>,
    /// The same day under another policy, repeatable: a ScalingPolicy, or without a scenario an HPA.
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Vec<PathBuf>,
    /// From decision to ready pod, for pods that were not recorded (s).
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = parse_seconds)]
    pub(super) ready_after: f64,
    /// Output format, repeatable: text, json, csv, svg, html (each to stdout or =PATH).
    #[arg(short, long = "output", value_name = "FMT[=PATH]", value_parser = parse_output::<BacktestFormat>)]
    pub(super) output: Vec<Output<BacktestFormat>>,
    /// What is deployed, and where. Without a scenario, --manifests is the HPA as it was and its workload.
    #[command(flatten)]
    pub(super) inputs: InputArgs,
}

const AFTER: &str = "\
METRICS of --recorded: replicas/WORKLOAD, ready/WORKLOAD, cpu/WORKLOAD (cores), memory/WORKLOAD (bytes), nodes[/POOL], \
ready_nodes[/POOL], cost_per_hour[/POOL], p50_ms|p95_ms|p99_ms|p50_s|p95_s|p99_s[/SERVICE], rate (answers a second), \
failed_per_second, failed_share. FILE is JSON of Prometheus' query_range or CSV, gzipped or not; FILE{label=value} takes \
one of several series, otherwise counts are summed. TOTALS: p(95), p(99), med (ms), failed (share), pod-hours, node-hours, cost (a month).
Three ways: a scenario with --recorded; recorded syncs alone; --manifests with --replicas and --cpu. In the last two, the \
controller sees the recorded pods as long as the simulated size is the recorded one; where they part, the recorded demand is \
shared by the simulated pods.
Exit codes: 0 compared · 2 wrong input or usage · 70 a bug in aurelius-sim";

/// Formats of a backtest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum BacktestFormat {
    /// Errors, totals, and the decisions that differ.
    Text,
    /// All of it, with every decision that differs.
    Json,
    /// Every instant.
    Csv,
    /// Every figure over time.
    Svg,
    /// One page.
    Html,
}

impl OutputFormat for BacktestFormat {}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        Ok(_) | Err(_) => Err(format!("`{text}` is no number of seconds from 0 to 86400")),
    }
}
