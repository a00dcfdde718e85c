//! The command line of `validate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::inputs::InputArgs;
use crate::cli::outputs::{Output, OutputFormat, parse_output};

/// Arguments of `validate`.
#[derive(Debug, Clone, Args)]
#[command(visible_alias = "lint", after_help = VALIDATE_EXIT_CODES)]
pub(in crate::cli) struct ValidateArgs {
    /// Documents of any kind: manifests, a scenario, a cluster profile, service profiles,
    /// requirements; `-` is standard input.
    pub(in crate::cli) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) inputs: InputArgs,
    /// Service profiles: with them calls, grace periods and memory targets are judged. Repeatable.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) services: Vec<PathBuf>,
    /// Stated requirements to hold the objects against.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) requirements: Option<PathBuf>,
    /// Output format, repeatable: text, concise, json, sarif, junit, github, gitlab, markdown (each
    /// to stdout or =PATH).
    #[arg(short, long = "output", value_name = "FMT[=PATH]", value_parser = parse_output::<ReviewFormat>)]
    pub(in crate::cli) output: Vec<Output<ReviewFormat>>,
    /// The least severity that ends with exit code 1 [default: error].
    #[arg(long, value_enum, value_name = "LEVEL", env = "AURELIUS_FAIL_ON")]
    pub(in crate::cli) fail_on: Option<FailOn>,
    /// A field that is not simulated or written twice is an error, and so is a suppression without
    /// a reason.
    #[arg(long, env = "AURELIUS_STRICT")]
    pub(in crate::cli) strict: bool,
    /// The config instead of the one that is found (`aurelius.yaml` beside the documents or above).
    #[arg(long, value_name = "FILE", env = "AURELIUS_CONFIG", conflicts_with = "isolated")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Only what the command line names: no config, and nothing that lies beside the release.
    #[arg(long)]
    pub(in crate::cli) isolated: bool,
    /// End with 0 whatever is found. Documents that cannot be read still end with 2.
    #[arg(long)]
    pub(in crate::cli) exit_zero: bool,
    /// Only these codes, or those that begin so (`AUR4`). Repeatable, comma separated.
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_code_prefix)]
    pub(in crate::cli) select: Vec<String>,
    /// None of these codes, or of those that begin so. Repeatable, comma separated.
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_code_prefix)]
    pub(in crate::cli) ignore: Vec<String>,
    /// An earlier result (`-o json=FILE`): what it knows is suppressed.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) baseline: Option<PathBuf>,
    /// Apply the certain fixes to the files, comments and order kept.
    #[arg(long)]
    pub(in crate::cli) fix: bool,
    /// Only errors on the terminal, and no table.
    #[arg(short, long, env = "AURELIUS_QUIET")]
    pub(in crate::cli) quiet: bool,
    /// Plain ASCII instead of ticks and crosses.
    #[arg(long)]
    pub(in crate::cli) ascii: bool,
}

const VALIDATE_EXIT_CODES: &str = "Exit codes: 0 nothing at or above --fail-on · 1 findings · \
2 unreadable input or wrong usage · 70 a bug in aurelius-sim";

/// From which severity on `validate` fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FailOn {
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
pub(in crate::cli) enum ReviewFormat {
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

impl OutputFormat for ReviewFormat {}

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
