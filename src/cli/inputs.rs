//! Arguments that say what is deployed and where; every command that reads objects takes them.

use std::path::PathBuf;

use clap::Args;

/// Inputs that stand in for those of the scenario.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Inputs")]
pub(super) struct InputArgs {
    /// Manifests, repeatable: a file, a folder, or `-` for standard input (`helm template . | ...`).
    #[arg(short = 'f', long = "manifests", value_name = "PATH")]
    pub(super) manifests: Vec<PathBuf>,
    /// Cluster: a ClusterProfile, or the output of `kubectl get nodes -o yaml`.
    #[arg(long, value_name = "PATH")]
    pub(super) cluster: Option<PathBuf>,
}
