//! Arguments of `sweep`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::inputs::InputArgs;
use crate::cli::outputs::{Output, OutputFormat, parse_output};
use crate::cli::terminal::ProgressArg;
use crate::sweep::Measure;
use crate::sweep::grid::{Axis, Shard};

/// Arguments of `sweep`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
pub(in crate::cli) struct SweepArgs {
    /// What to do with cells that are computed.
    #[command(subcommand)]
    pub(in crate::cli) action: Option<SweepAction>,
    /// The scenario document.
    pub(in crate::cli) scenario: Option<PathBuf>,
    /// An axis of even steps, `PATH=FIRST..LAST[:STEP]`, repeatable. A path is a key of the values
    /// (`gateway.autoscaling.maxReplicas`), of the scenario (`load.scenarios.readers.rate`), of the
    /// cluster (`cluster:nodePools[general].max`), of service profiles (`services:...`) or of an
    /// object (`HorizontalPodAutoscaler/gateway:spec.maxReplicas`).
    #[arg(short = 'P', long = "range", value_name = "PATH=RANGE", value_parser = parse_range)]
    pub(in crate::cli) ranges: Vec<Axis>,
    /// An axis of listed values, `PATH=A,B,C`, repeatable.
    #[arg(short = 'L', long = "list", value_name = "PATH=LIST", value_parser = parse_list)]
    pub(in crate::cli) lists: Vec<Axis>,
    /// What is deployed, and where.
    #[command(flatten)]
    pub(in crate::cli) inputs: InputArgs,
    /// The figure that the table and the picture show: miss, med, p(95), p(99), failed, "time to
    /// scale", pod-hours, node-hours, cost, disruptions, pending, margin.
    #[arg(long, value_name = "FIGURE", default_value = "p(95)", value_parser = parse_measure)]
    pub(in crate::cli) measure: Measure,
    /// Output format, repeatable: text, csv, json, svg (each to stdout or =PATH).
    #[arg(short, long = "output", value_name = "FMT[=PATH]", value_parser = parse_output::<GridFormat>)]
    pub(in crate::cli) output: Vec<Output<GridFormat>>,
    /// Seed of all chance; the scenario's own, or 42, when absent.
    #[arg(long, env = "AURELIUS_SEED")]
    pub(in crate::cli) seed: Option<u64>,
    /// Independent replications of each cell.
    #[arg(long, value_name = "N", default_value_t = 1, env = "AURELIUS_RUNS",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(in crate::cli) runs: u32,
    /// Threads; results do not depend on it. Default: one per core.
    #[arg(short, long, value_name = "N", env = "AURELIUS_JOBS",
          value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub(in crate::cli) jobs: Option<u32>,
    /// With a scenario: writes the plan there and computes nothing. Without: computes cells of it.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) plan: Option<PathBuf>,
    /// A share of the plan: K of N, K from 0. Without it, all cells.
    #[arg(long, value_name = "K/N", value_parser = Shard::parse, requires = "out")]
    pub(in crate::cli) shard: Option<Shard>,
    /// Where computed cells are kept: a folder, or the URL of an object store. What is there already
    /// is not computed again.
    #[arg(long, value_name = "DIR|URL")]
    pub(in crate::cli) out: Option<String>,
    /// Prints what runs the plan elsewhere.
    #[arg(long, value_enum, requires = "plan")]
    pub(in crate::cli) emit: Option<Emit>,
    /// For `--emit`: the image that holds aurelius-sim.
    #[arg(long, value_name = "IMAGE", default_value = "aurelius-sim:latest")]
    pub(in crate::cli) image: String,
    /// For `--emit`: in how many shares the plan is computed.
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(in crate::cli) shards: u32,
    /// A threshold without samples fails.
    #[arg(long, env = "AURELIUS_STRICT")]
    pub(in crate::cli) strict: bool,
    /// Progress on stderr.
    #[arg(long, value_enum, default_value_t = ProgressArg::Auto, env = "AURELIUS_PROGRESS")]
    pub(in crate::cli) progress: ProgressArg,
}

const EXIT_CODES: &str = "Exit codes: 0 computed · 2 wrong input or usage, or cells are missing in \
a merge · 70 a bug in aurelius-sim";

/// What to do with computed cells.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SweepAction {
    /// Put the cells of all shares together: the same bytes as one machine would have written.
    Merge {
        /// Where the shares were written: a folder, or the URL of an object store.
        #[arg(value_name = "DIR|URL")]
        from: String,
        /// Output format, repeatable: text, csv, json, svg (each to stdout or =PATH).
        #[arg(short, long = "output", value_name = "FMT[=PATH]", value_parser = parse_output::<GridFormat>)]
        output: Vec<Output<GridFormat>>,
    },
}

/// What can run a plan elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Emit {
    /// An Indexed Job of Kubernetes with its ConfigMap and its volume.
    KubernetesJob,
}

/// Formats of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum GridFormat {
    /// A table of one figure.
    Text,
    /// Every figure of every cell.
    Csv,
    /// Every run of every cell.
    Json,
    /// A heat map of two axes.
    Svg,
}

impl OutputFormat for GridFormat {}

fn parse_range(text: &str) -> Result<Axis, String> {
    Axis::range(text).map_err(|error| error.to_string())
}

fn parse_list(text: &str) -> Result<Axis, String> {
    Axis::list(text).map_err(|error| error.to_string())
}

pub(in crate::cli) fn parse_measure(text: &str) -> Result<Measure, String> {
    Measure::named(text).ok_or_else(|| {
        let known: Vec<&str> = Measure::ALL.into_iter().map(Measure::name).collect();
        format!("`{text}` is none of: {}", known.join(", "))
    })
}
