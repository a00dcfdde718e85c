//! Arguments of `compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::inputs::InputArgs;
use crate::cli::outputs::{Output, OutputFormat, parse_output};
use crate::cli::terminal::ProgressArg;
use crate::report::bench::comparison::Limit;

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct CompareArgs {
    /// BASE and CANDIDATE: two scenarios, two policies or two values files. With `--base-ref` or
    /// `--baseline`: the scenarios, or folders of them.
    #[arg(required = true, num_args = 1.., value_name = "PATH")]
    pub(in crate::cli) paths: Vec<PathBuf>,
    /// The base is what stands in the files at this commit, branch or tag of git.
    #[arg(long, value_name = "REF", conflicts_with = "baseline")]
    pub(in crate::cli) base_ref: Option<String>,
    /// The base is a saved result: `run -o json=FILE` of one scenario, or `bench -o json=FILE`.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) baseline: Option<PathBuf>,
    /// For policies and values: the scenarios in which they are compared. Repeatable.
    #[arg(long = "scenario", value_name = "PATH")]
    pub(in crate::cli) scenarios: Vec<PathBuf>,
    /// What is deployed, and where.
    #[command(flatten)]
    pub(in crate::cli) inputs: InputArgs,
    /// What counts as a regression, repeatable: `p(95)>+10%`, `failed>+0.5pp`, `cost>+50`,
    /// `thresholds`.
    #[arg(long = "fail-on-regression", value_name = "LIMIT", value_parser = parse_limit)]
    pub(in crate::cli) limits: Vec<Limit>,
    /// Use the fluid model wherever a scenario allows it.
    #[arg(long)]
    pub(in crate::cli) fluid: bool,
    /// Runs of each variant of each scenario.
    #[arg(long, value_name = "N", env = "AURELIUS_RUNS",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(in crate::cli) runs: Option<u32>,
    /// Seed of all chance; each scenario's own when absent.
    #[arg(long, env = "AURELIUS_SEED")]
    pub(in crate::cli) seed: Option<u64>,
    /// Threads; results do not depend on it. Default: one per core.
    #[arg(short, long, value_name = "N", env = "AURELIUS_JOBS",
          value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub(in crate::cli) jobs: Option<u32>,
    /// The name by which a comment of a pull request is found again.
    #[arg(long, value_name = "NAME", default_value = "capacity")]
    pub(in crate::cli) name: String,
    /// Output format, repeatable: text, markdown, junit, github, json, html (each to stdout or =PATH).
    #[arg(short, long = "output", value_name = "FMT[=PATH]", value_parser = parse_output::<CompareFormat>)]
    pub(in crate::cli) output: Vec<Output<CompareFormat>>,
    /// End with 3 when anything can be told to differ.
    #[arg(long)]
    pub(in crate::cli) detailed_exitcode: bool,
    /// End with 0 also after a regression. Errors still end with 2.
    #[arg(long)]
    pub(in crate::cli) exit_zero: bool,
    /// A threshold without samples fails.
    #[arg(long, env = "AURELIUS_STRICT")]
    pub(in crate::cli) strict: bool,
    /// Progress on stderr.
    #[arg(long, value_enum, default_value_t = ProgressArg::Auto, env = "AURELIUS_PROGRESS")]
    pub(in crate::cli) progress: ProgressArg,
}

const EXIT_CODES: &str = "Exit codes: 0 no regression · 1 a regression · 2 wrong input or usage · \
3 with --detailed-exitcode: something differs · 70 a bug in aurelius-sim";

/// Formats of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum CompareFormat {
    /// A table.
    Text,
    /// A comment for a pull request.
    Markdown,
    /// JUnit.
    Junit,
    /// Annotations of GitHub Actions.
    Github,
    /// Every run.
    Json,
    /// One self-contained page, both sides over each other.
    Html,
}

impl OutputFormat for CompareFormat {}

fn parse_limit(text: &str) -> Result<Limit, String> {
    text.parse()
}
