//! Arguments of `bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::inputs::InputArgs;
use crate::cli::outputs::{Output, OutputFormat, parse_output};
use crate::cli::terminal::ProgressArg;

/// Arguments of `bench`.
#[derive(Debug, Args)]
/// Every scenario is warmed up for ten minutes at least, so that a policy finds the nodes it needs
/// before anything is measured.
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct BenchArgs {
    /// Scenario documents, or folders of them.
    #[arg(required = true, num_args = 1.., value_name = "SCENARIO")]
    pub(in crate::cli) scenarios: Vec<PathBuf>,
    /// Policies: documents of kind ScalingPolicy, or folders of them. Repeatable.
    #[arg(long = "policies", required = true, num_args = 1.., value_name = "PATH")]
    pub(in crate::cli) policies: Vec<PathBuf>,
    /// The policy that others are compared with; the scenarios as they are written when absent.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) base: Option<String>,
    /// What is deployed, and where.
    #[command(flatten)]
    pub(in crate::cli) inputs: InputArgs,
    /// Use the fluid model wherever a scenario allows it.
    #[arg(long)]
    pub(in crate::cli) fluid: bool,
    /// Runs of each pair of policy and scenario.
    #[arg(long, value_name = "N", default_value_t = 10, env = "AURELIUS_RUNS",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(in crate::cli) runs: u32,
    /// Stop a pair as soon as misses, p(95) and cost are known to this share, e.g. 0.05.
    #[arg(long, value_name = "SHARE", value_parser = parse_precision)]
    pub(in crate::cli) precision: Option<f64>,
    /// Seed of all chance; each scenario's own when absent.
    #[arg(long, env = "AURELIUS_SEED")]
    pub(in crate::cli) seed: Option<u64>,
    /// Threads; results do not depend on it. Default: one per core.
    #[arg(short, long, value_name = "N", env = "AURELIUS_JOBS",
          value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub(in crate::cli) jobs: Option<u32>,
    /// Output format, repeatable: text, json, svg (each to stdout or =PATH).
    #[arg(short, long = "output", value_name = "FMT[=PATH]", value_parser = parse_output::<BenchFormat>)]
    pub(in crate::cli) output: Vec<Output<BenchFormat>>,
    /// A threshold without samples fails.
    #[arg(long, env = "AURELIUS_STRICT")]
    pub(in crate::cli) strict: bool,
    /// Progress on stderr.
    #[arg(long, value_enum, default_value_t = ProgressArg::Auto, env = "AURELIUS_PROGRESS")]
    pub(in crate::cli) progress: ProgressArg,
}

const EXIT_CODES: &str =
    "Exit codes: 0 computed · 2 wrong input or usage · 70 a bug in aurelius-sim";

/// Formats of a bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum BenchFormat {
    /// A table and what it says.
    Text,
    /// Every run and what all of them say.
    Json,
    /// Cost against misses.
    Svg,
}

impl OutputFormat for BenchFormat {}

fn parse_precision(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        Ok(_) | Err(_) => Err(format!("`{text}` is no share between 0 and 1")),
    }
}
