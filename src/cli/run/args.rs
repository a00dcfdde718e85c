//! The command line of `run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::inputs::InputArgs;
use crate::cli::outputs::{Output, OutputFormat, parse_output};
use crate::cli::terminal::ProgressArg;

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub(in crate::cli) struct RunArgs {
    /// The scenario document. Several are told side by side: verdict, nodes, cost, disruptions.
    #[arg(required_unless_present_any = ["from", "rps"], num_args = 1.., value_name = "SCENARIO")]
    pub(in crate::cli) scenarios: Vec<PathBuf>,
    /// Repeat the run of a result (`-o json=FILE`): the same scenario, inputs, seed and number of
    /// runs, when version and inputs are what they were.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenarios", "seed"])]
    pub(in crate::cli) from: Option<PathBuf>,
    /// Visits a second at the peak of a load, in place of a scenario: what is deployed is told by --chart,
    /// --manifests and --values; the rest is guessed as `init` guesses it.
    #[arg(long, value_name = "N", conflicts_with_all = ["scenarios", "from"],
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(in crate::cli) rps: Option<u64>,
    /// What is deployed, and where.
    #[command(flatten)]
    pub(in crate::cli) inputs: InputArgs,
    /// A load in place of the scenario's: a document of kind Load, as `convert` writes it.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) load: Option<PathBuf>,
    /// Output format, repeatable: text, json, ndjson, html, markdown, junit, github, k6-summary (each to
    /// stdout or =PATH), csv=DIR, svg=DIR.
    #[arg(short, long = "output", value_name = "FMT[=PATH]", value_parser = parse_output::<Format>)]
    pub(in crate::cli) output: Vec<Output<Format>>,
    /// Seed of all chance; the scenario's own, or 42, when absent.
    #[arg(long, env = "AURELIUS_SEED")]
    pub(in crate::cli) seed: Option<u64>,
    /// Independent replications.
    #[arg(long, value_name = "N", default_value_t = 1, env = "AURELIUS_RUNS",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(in crate::cli) runs: u32,
    /// Threads for replications; results do not depend on it. Default: one per core.
    #[arg(short, long, value_name = "N", env = "AURELIUS_JOBS",
          value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub(in crate::cli) jobs: Option<u32>,
    /// Print one line per loop of a controller, or the life of a pod or node:
    /// `hpa/gateway[@30m..40m]`, `pod/gateway-7`, `pdb/gateway`, `quota/compute`, `node/general-3`, `nodepool/general`. Repeatable.
    #[arg(long, value_name = "SELECTOR")]
    pub(in crate::cli) explain: Vec<String>,
    /// How much the terminal summary says.
    #[arg(long, value_enum, default_value_t = SummaryArg::Compact, env = "AURELIUS_SUMMARY")]
    pub(in crate::cli) summary: SummaryArg,
    /// Print events, wall time, events per second and peak memory to stderr.
    #[arg(long)]
    pub(in crate::cli) stats: bool,
    /// Only the verdict; nothing on stderr below an error.
    #[arg(short, long, env = "AURELIUS_QUIET")]
    pub(in crate::cli) quiet: bool,
    /// Plain ASCII instead of bars, ticks and crosses.
    #[arg(long)]
    pub(in crate::cli) ascii: bool,
    /// A threshold without samples fails; a field that is not simulated is an error.
    #[arg(long, env = "AURELIUS_STRICT")]
    pub(in crate::cli) strict: bool,
    /// End with 0 also when a threshold failed. Errors still end with 2.
    #[arg(long)]
    pub(in crate::cli) exit_zero: bool,
    /// Progress on stderr.
    #[arg(long, value_enum, default_value_t = ProgressArg::Auto, env = "AURELIUS_PROGRESS")]
    pub(in crate::cli) progress: ProgressArg,
}

impl RunArgs {
    /// What is run, as one would type it again behind `run`.
    pub(super) fn asked(&self) -> String {
        let what = match (self.rps, self.scenarios.first()) {
            (Some(peak_per_s), _) => format!("--rps {peak_per_s}"),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => String::new(),
        };
        what + &self.inputs.as_written()
    }

    /// The words beside scenario, seed and number of runs that a result keeps to be repeated by.
    pub(super) fn words(&self) -> Vec<String> {
        let rps = self.rps.map(|peak_per_s| format!("--rps={peak_per_s}"));
        rps.into_iter().chain(self.inputs.words()).collect()
    }
}

const EXIT_CODES: &str = "Exit codes: 0 all thresholds hold · 99 a threshold failed · \
2 wrong input or usage, nothing simulated · 70 a bug in aurelius-sim";

/// How much the summary says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SummaryArg {
    /// The verdict line.
    Oneline,
    /// At most 40 lines.
    Compact,
    /// Everything.
    Full,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(in crate::cli) enum Format {
    /// The terminal summary.
    Text,
    /// One JSON document.
    Json,
    /// Every decision, one JSON object a line.
    Ndjson,
    /// Time series, one file a table.
    Csv,
    /// Charts, one file each.
    Svg,
    /// One page with everything, which opens without a network.
    Html,
    /// A comment for a pull request.
    Markdown,
    /// Thresholds and expected alerts as test cases.
    Junit,
    /// Annotations of GitHub Actions at the lines of what does not hold.
    Github,
    /// The object that k6 hands to `handleSummary`.
    K6Summary,
}

impl OutputFormat for Format {
    fn is_folder(self) -> bool {
        matches!(self, Self::Csv | Self::Svg)
    }
}
