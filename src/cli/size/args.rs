//! Arguments of `size`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::inputs::InputArgs;
use crate::cli::outputs::{Output, OutputFormat, parse_output};
use crate::sweep::size::PlanKind;

/// Arguments of `size`.
#[derive(Debug, Args)]
#[command(after_help = SIZE_EXIT_CODES)]
pub(in crate::cli) struct SizeArgs {
    /// The scenarios; the figures hold in all of them.
    #[arg(required = true, num_args = 1.., value_name = "SCENARIO")]
    pub(in crate::cli) scenarios: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) inputs: InputArgs,
    /// The plan that is proven, told in full and written: smallest, recommended, cheapest.
    #[arg(long, value_name = "PLAN", default_value = "recommended", value_parser = parse_plan)]
    pub(in crate::cli) plan: PlanKind,
    /// Seeds of the proof.
    #[arg(long, value_name = "N", default_value_t = 20, env = "AURELIUS_RUNS",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(in crate::cli) runs: u32,
    /// Ask headroom and losses of the scenarios as they are written, with N seeds each, in place of the
    /// model of the search.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "3",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(in crate::cli) prove_headroom: Option<u32>,
    /// Machine families of the catalogue that pools may be moved to, comma-separated (`c6i,r6i`); without,
    /// only other sizes of a pool's own family. Cores of all families count as equally fast.
    #[arg(long, value_name = "FAMILY", value_delimiter = ',')]
    pub(in crate::cli) families: Vec<String>,
    /// Write the figures: an overlay of the chart's values, or a kustomize patch for manifests; pools
    /// beside it as FILE.cluster.yaml.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) write: Option<PathBuf>,
    /// Print the figures as a difference, and what would be written.
    #[arg(long)]
    pub(in crate::cli) diff: bool,
    /// For CI: end with 1 when today's figures do not hold.
    #[arg(long)]
    pub(in crate::cli) check: bool,
    /// End with 3 when the plan differs from today's figures.
    #[arg(long)]
    pub(in crate::cli) detailed_exitcode: bool,
    /// Show services without changes too.
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Stated requirements to hold the needs against.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) requirements: Option<PathBuf>,
    /// Output format, repeatable: text, json, markdown, html (each to stdout or =PATH).
    #[arg(short, long = "output", value_name = "FMT[=PATH]", value_parser = parse_output::<SizeFormat>)]
    pub(in crate::cli) output: Vec<Output<SizeFormat>>,
    /// Seed of all chance; the scenario's own, or 42, when absent.
    #[arg(long, env = "AURELIUS_SEED")]
    pub(in crate::cli) seed: Option<u64>,
    /// Threads; results do not depend on it. Default: one per core.
    #[arg(short, long, value_name = "N", env = "AURELIUS_JOBS",
          value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub(in crate::cli) jobs: Option<u32>,
    /// A threshold without samples fails.
    #[arg(long, env = "AURELIUS_STRICT")]
    pub(in crate::cli) strict: bool,
    /// Nothing on stderr below an error, and no advice what to do next.
    #[arg(short, long, env = "AURELIUS_QUIET")]
    pub(in crate::cli) quiet: bool,
    /// End with 0 whatever is found. Errors still end with 2.
    #[arg(long)]
    pub(in crate::cli) exit_zero: bool,
}

/// Output formats of a sizing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SizeFormat {
    /// Tables for the terminal.
    Text,
    /// One JSON document.
    Json,
    /// A comment for a pull request.
    Markdown,
    /// One self-contained page.
    Html,
}

impl OutputFormat for SizeFormat {}

const SIZE_EXIT_CODES: &str = "Exit codes: 0 the plan holds in every run of its proof · 1 --check: \
today's figures do not hold · 3 --detailed-exitcode: there is something to change · 99 no plan was \
found that holds · 2 wrong input or usage, nothing simulated · 70 a bug in aurelius-sim";

fn parse_plan(text: &str) -> Result<PlanKind, String> {
    let all = [PlanKind::Smallest, PlanKind::Recommended, PlanKind::Cheapest];
    all.into_iter()
        .find(|plan| plan.name() == text)
        .ok_or_else(|| "plans are smallest, recommended, cheapest".to_owned())
}
