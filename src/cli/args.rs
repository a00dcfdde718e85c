//! The command line as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::backtest::BacktestArgs;
use crate::cli::bench::args::BenchArgs;
use crate::cli::compare::args::CompareArgs;
use crate::cli::convert::ConvertArgs;
use crate::cli::demo::DemoArgs;
use crate::cli::fit::FitArgs;
use crate::cli::init::InitArgs;
use crate::cli::inputs::InputArgs;
use crate::cli::size::args::SizeArgs;
use crate::cli::sweep::args::SweepArgs;
use crate::cli::values::ValuesCommand;

/// Rehearse a Kubernetes rollout before it happens.
///
/// Deploys a chart's real objects into a simulated cluster, sends it a load in virtual time and says
/// what breaks, when, why and what it costs. Nothing phones home; no cluster, account or network is
/// needed.
#[derive(Debug, Parser)]
#[command(name = "aurelius-sim", version, arg_required_else_help = true, max_term_width = 100)]
pub(super) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
    /// When to colour: NO_COLOR, CLICOLOR_FORCE and TERM are honoured by `auto`.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, env = "AURELIUS_COLOR")]
    pub(super) color: Color,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Simulate a scenario: does it hold, what happened, why, and what did it cost?
    Run(Box<RunArgs>),
    /// Find the requests, autoscalers, budgets and nodes that meet the thresholds at least cost.
    Size(Box<SizeArgs>),
    /// Which scaling policy is best over these scenarios?
    Bench(Box<BenchArgs>),
    /// Is this change better or worse than its base, and can that be told from chance?
    Compare(Box<CompareArgs>),
    /// How a result moves over a grid of values, on this machine or on many.
    Sweep(Box<SweepArgs>),
    /// Find what can never work, without simulating: figures, budgets, placement, storage, network.
    Validate(Box<ValidateArgs>),
    /// Write a scenario for a chart or manifests, every guess marked FIXME.
    Init(Box<InitArgs>),
    /// Run a small shop that is inside the program: no file, cluster or network is needed.
    Demo(DemoArgs),
    /// Make a load out of a recording or of the options of a k6 script.
    Convert(Box<ConvertArgs>),
    /// Replay a past day of an HPA: its sizes beside the recorded ones, and under other figures.
    Backtest(Box<BacktestArgs>),
    /// Estimate service profiles from measurements: k6, Prometheus, CSV.
    Fit(Box<FitArgs>),
    /// Print the JSON Schema of a kind of document, for editors.
    Schema {
        /// Scenario, ClusterProfile, ServiceProfiles, Load or PodTrace; without one, the kinds are listed.
        kind: Option<String>,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print a chart's merged values: each leaf, where it comes from and what it overrode.
    Values(Box<ValuesCommand>),
    /// Explain a code such as AUR301: what it means, why it matters, how to mend it.
    Explain {
        /// The code; without one, all codes are listed.
        code: Option<String>,
    },
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct RunArgs {
    /// The scenario document. Several are told side by side: verdict, nodes, cost, disruptions.
    #[arg(required_unless_present = "from", num_args = 1.., value_name = "SCENARIO")]
    pub(super) scenarios: Vec<PathBuf>,
    /// Repeat the run of a result (`-o json=FILE`): the same scenario, inputs, seed and number of
    /// runs, when version and inputs are what they were.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenarios", "seed"])]
    pub(super) from: Option<PathBuf>,
    /// What is deployed, and where.
    #[command(flatten)]
    pub(super) inputs: InputArgs,
    /// A load in place of the scenario's: a document of kind Load, as `convert` writes it.
    #[arg(long, value_name = "FILE")]
    pub(super) load: Option<PathBuf>,
    /// Output format, repeatable: text, json, ndjson, html, markdown (each to stdout or =PATH), csv=DIR,
    /// svg=DIR.
    #[arg(short, long = "output", value_name = "FMT[=PATH]", value_parser = parse_output)]
    pub(super) output: Vec<OutputArg>,
    /// Seed of all chance; the scenario's own, or 42, when absent.
    #[arg(long, env = "AURELIUS_SEED")]
    pub(super) seed: Option<u64>,
    /// Independent replications.
    #[arg(long, value_name = "N", default_value_t = 1, env = "AURELIUS_RUNS",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) runs: u32,
    /// Threads for replications; results do not depend on it. Default: one per core.
    #[arg(short, long, value_name = "N", env = "AURELIUS_JOBS",
          value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub(super) jobs: Option<u32>,
    /// Print one line per loop of a controller, or the life of a pod or node:
    /// `hpa/gateway[@30m..40m]`, `pod/gateway-7`, `pdb/gateway`, `node/general-3`, `nodepool/general`. Repeatable.
    #[arg(long, value_name = "SELECTOR")]
    pub(super) explain: Vec<String>,
    /// How much the terminal summary says.
    #[arg(long, value_enum, default_value_t = SummaryArg::Compact, env = "AURELIUS_SUMMARY")]
    pub(super) summary: SummaryArg,
    /// Print events, wall time, events per second and peak memory to stderr.
    #[arg(long)]
    pub(super) stats: bool,
    /// Only the verdict; nothing on stderr below an error.
    #[arg(short, long, env = "AURELIUS_QUIET")]
    pub(super) quiet: bool,
    /// Plain ASCII instead of bars, ticks and crosses.
    #[arg(long)]
    pub(super) ascii: bool,
    /// A threshold without samples fails; a field that is not simulated is an error.
    #[arg(long, env = "AURELIUS_STRICT")]
    pub(super) strict: bool,
    /// End with 0 also when a threshold failed. Errors still end with 2.
    #[arg(long)]
    pub(super) exit_zero: bool,
    /// Progress on stderr.
    #[arg(long, value_enum, default_value_t = ProgressArg::Auto, env = "AURELIUS_PROGRESS")]
    pub(super) progress: ProgressArg,
}

/// Arguments of `validate`.
#[derive(Debug, Clone, Args)]
#[command(visible_alias = "lint", after_help = VALIDATE_EXIT_CODES)]
pub(super) struct ValidateArgs {
    /// Documents of any kind: manifests, a scenario, a cluster profile, service profiles,
    /// requirements; `-` is standard input.
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) inputs: InputArgs,
    /// Service profiles: with them calls, grace periods and memory targets are judged. Repeatable.
    #[arg(long, value_name = "FILE")]
    pub(super) services: Vec<PathBuf>,
    /// Stated requirements to hold the objects against.
    #[arg(long, value_name = "FILE")]
    pub(super) requirements: Option<PathBuf>,
    /// Output format, repeatable: text, concise, json, sarif, junit, github, gitlab, markdown (each
    /// to stdout or =PATH).
    #[arg(short, long = "output", value_name = "FMT[=PATH]", value_parser = parse_review_output)]
    pub(super) output: Vec<ReviewOutputArg>,
    /// The least severity that ends with exit code 1 [default: error].
    #[arg(long, value_enum, value_name = "LEVEL", env = "AURELIUS_FAIL_ON")]
    pub(super) fail_on: Option<FailOn>,
    /// A field that is not simulated or written twice is an error, and so is a suppression without
    /// a reason.
    #[arg(long, env = "AURELIUS_STRICT")]
    pub(super) strict: bool,
    /// The config instead of the one that is found (`aurelius.yaml` beside the documents or above).
    #[arg(long, value_name = "FILE", env = "AURELIUS_CONFIG", conflicts_with = "isolated")]
    pub(super) config: Option<PathBuf>,
    /// Only what the command line names: no config, and nothing that lies beside the release.
    #[arg(long)]
    pub(super) isolated: bool,
    /// End with 0 whatever is found. Documents that cannot be read still end with 2.
    #[arg(long)]
    pub(super) exit_zero: bool,
    /// Only these codes, or those that begin so (`AUR4`). Repeatable, comma separated.
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_code_prefix)]
    pub(super) select: Vec<String>,
    /// None of these codes, or of those that begin so. Repeatable, comma separated.
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_code_prefix)]
    pub(super) ignore: Vec<String>,
    /// An earlier result (`-o json=FILE`): what it knows is suppressed.
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// Apply the certain fixes to the files, comments and order kept.
    #[arg(long)]
    pub(super) fix: bool,
    /// Only errors on the terminal, and no table.
    #[arg(short, long, env = "AURELIUS_QUIET")]
    pub(super) quiet: bool,
    /// Plain ASCII instead of ticks and crosses.
    #[arg(long)]
    pub(super) ascii: bool,
}

const VALIDATE_EXIT_CODES: &str = "Exit codes: 0 nothing at or above --fail-on · 1 findings · \
2 unreadable input or wrong usage · 70 a bug in aurelius-sim";

/// From which severity on `validate` fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Errors.
    Error,
    /// Errors and warnings.
    Warning,
    /// Anything.
    Note,
    /// Nothing.
    Never,
}

/// Output formats of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum ReviewFormat {
    /// Snippets, the table of checks and a summary line.
    Text,
    /// One line a finding.
    Concise,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// JUnit.
    Junit,
    /// Annotations of GitHub Actions.
    Github,
    /// Code quality report of GitLab.
    Gitlab,
    /// A comment for a pull request.
    Markdown,
}

/// `FMT[=PATH]` of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReviewOutputArg {
    /// The format.
    pub(super) format: ReviewFormat,
    /// Where to; `None` is stdout.
    pub(super) path: Option<PathBuf>,
}

fn parse_review_output(text: &str) -> Result<ReviewOutputArg, String> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name, Some(PathBuf::from(path))),
        None => (text, None),
    };
    let format =
        ReviewFormat::from_str(name, false).map_err(|_| unknown_format::<ReviewFormat>(name))?;
    match &path {
        Some(path) if path.as_os_str().is_empty() => {
            Err(format!("`{text}` has no path after the equals sign"))
        }
        Some(_) | None => Ok(ReviewOutputArg { format, path }),
    }
}

/// `AUR401`, or the beginning of codes: `AUR4`.
fn parse_code_prefix(text: &str) -> Result<String, String> {
    let upper = text.trim().to_ascii_uppercase();
    let digits = upper.strip_prefix("AUR").unwrap_or("?");
    let well_formed = digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed {
        Ok(upper)
    } else {
        Err(format!(
            "`{text}` is no code: codes look like AUR401, and AUR4 means all that begin so"
        ))
    }
}

const EXIT_CODES: &str = "Exit codes: 0 all thresholds hold · 99 a threshold failed · \
2 wrong input or usage, nothing simulated · 70 a bug in aurelius-sim";

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// When the stream is a terminal and nothing forbids it.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much the summary says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SummaryArg {
    /// The verdict line.
    Oneline,
    /// At most 40 lines.
    Compact,
    /// Everything.
    Full,
}

/// Progress on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressArg {
    /// A bar, when stderr is a terminal.
    Auto,
    /// A line now and then.
    Plain,
    /// Nothing.
    None,
}

/// `FMT[=PATH]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutputArg {
    /// The format.
    pub(super) format: Format,
    /// Where to; `None` is stdout.
    pub(super) path: Option<PathBuf>,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Format {
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
}

impl Format {
    /// Whether the format is a folder of files.
    pub(super) const fn is_folder(self) -> bool {
        matches!(self, Self::Csv | Self::Svg)
    }
}

fn parse_output(text: &str) -> Result<OutputArg, String> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name, Some(PathBuf::from(path))),
        None => (text, None),
    };
    let format = Format::from_str(name, false).map_err(|_| unknown_format::<Format>(name))?;
    match &path {
        None if format.is_folder() => {
            Err(format!("`{name}` writes several files: say where, as in `{name}=DIR`"))
        }
        Some(path) if path.as_os_str().is_empty() => {
            Err(format!("`{text}` has no path after the equals sign"))
        }
        Some(_) | None => Ok(OutputArg { format, path }),
    }
}

/// `FMT[=PATH]` of any set of formats.
pub(super) fn format_and_path<F: ValueEnum>(text: &str) -> Result<(F, Option<PathBuf>), String> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name, Some(PathBuf::from(path))),
        None => (text, None),
    };
    let format = F::from_str(name, false).map_err(|_| unknown_format::<F>(name))?;
    match &path {
        Some(path) if path.as_os_str().is_empty() => {
            Err(format!("`{text}` has no path after the equals sign"))
        }
        Some(_) | None => Ok((format, path)),
    }
}

fn unknown_format<F: ValueEnum>(name: &str) -> String {
    let known = F::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let names: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
    let near = names
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    let hint = near.map(|(_, known)| format!("; did you mean `{known}`?")).unwrap_or_default();
    format!("unknown format `{name}` (known: {}){hint}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn outputs_parse_or_say_what_is_wrong() {
        let svg = OutputArg { format: Format::Svg, path: Some(PathBuf::from("out/charts")) };
        assert_eq!(parse_output("svg=out/charts"), Ok(svg));
        assert_eq!(parse_output("json"), Ok(OutputArg { format: Format::Json, path: None }));
        let rows = [
            ("csv", "`csv` writes several files: say where, as in `csv=DIR`"),
            ("json=", "`json=` has no path after the equals sign"),
            (
                "jsn",
                "unknown format `jsn` (known: text, json, ndjson, csv, svg, html, markdown); did you mean `json`?",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_output(text), Err(expected.to_owned()));
        }
    }
}
