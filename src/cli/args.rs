//! The command line as typed.

use clap::{Parser, Subcommand};

use crate::cli::backtest::args::BacktestArgs;
use crate::cli::bench::args::BenchArgs;
use crate::cli::compare::args::CompareArgs;
use crate::cli::convert::ConvertArgs;
use crate::cli::demo::DemoArgs;
use crate::cli::fit::FitArgs;
use crate::cli::init::InitArgs;
use crate::cli::run::args::RunArgs;
use crate::cli::size::args::SizeArgs;
use crate::cli::sweep::args::SweepArgs;
use crate::cli::terminal::Color;
use crate::cli::validate::args::ValidateArgs;
use crate::cli::values::ValuesCommand;

/// Version of the program and of what it decides like.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ndecides as Kubernetes 1.36, Cluster Autoscaler 1.37, Karpenter v1 and KEDA 2"
);

/// Rehearse a Kubernetes rollout before it happens.
///
/// Deploys a chart's real objects into a simulated cluster, sends it a load in virtual time and says
/// what breaks, when, why and what it costs. Nothing phones home; no cluster, account or network is
/// needed.
#[derive(Debug, Parser)]
#[command(name = "aurelius-sim", version, long_version = LONG_VERSION, arg_required_else_help = true, max_term_width = 100)]
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
    /// Explain a code such as AUR301, or a field such as `Scenario.load`: what it means, how to mend or write
    /// it.
    Explain {
        /// The code, or KIND.FIELD of a document; without one, all codes are listed.
        code: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
