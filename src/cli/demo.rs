//! `demo`: a small shop, inside the program, so that the first run needs nothing at all.

use std::path::{Path, PathBuf};

use clap::{Args, Parser};

use crate::cli::files::{to_stderr, write_whole};
use crate::cli::run::args::RunArgs;
use crate::cli::run::run_loaded;
use crate::cli::terminal::Color;
use crate::cli::{Exit, say_error};
use crate::input::source::Sources;
use crate::input::{LoadOptions, load_scenario_from};

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Write the demo's files to a folder instead of running it.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// `run` as it would be typed: the variables of the environment that stand for its options count.
#[derive(Debug, Parser)]
struct RunLine {
    #[command(flatten)]
    args: RunArgs,
}

/// The files of the demo by their names.
const FILES: [(&str, &str); 5] = [
    ("scenario.yaml", include_str!("../../profiles/demo/scenario.yaml")),
    ("shop.yaml", include_str!("../../profiles/demo/shop.yaml")),
    ("services.yaml", include_str!("../../profiles/demo/services.yaml")),
    ("cluster.yaml", include_str!("../../profiles/demo/cluster.yaml")),
    ("instances.csv", CATALOGUE),
];

/// Machine types of AWS with their prices.
pub(super) const CATALOGUE: &str = include_str!("../../profiles/instances/aws_eks_us-east-1.csv");

/// Runs the demo, or writes it down.
pub(super) fn demo(args: &DemoArgs, color: Color) -> Exit {
    match &args.write {
        Some(folder) => write(folder),
        None => run(color),
    }
}

fn run(color: Color) -> Exit {
    let mut sources = Sources::new();
    for (name, text) in FILES {
        sources.embed(&Path::new("demo").join(name), text);
    }
    let path = Path::new("demo/scenario.yaml");
    let Ok(RunLine { args }) = RunLine::try_parse_from(["run", "demo/scenario.yaml"]) else {
        unreachable!("`run` with one path is a command")
    };
    let loaded = load_scenario_from(sources, path, &LoadOptions::default());
    let exit = run_loaded(&args, color, loaded);
    to_stderr("Try: aurelius-sim demo --write demo && cd demo && aurelius-sim run scenario.yaml");
    // That a threshold fails is what the demo shows.
    if exit == Exit::ThresholdFailed { Exit::Success } else { exit }
}

fn write(folder: &Path) -> Exit {
    if let Some((name, _)) = FILES.iter().find(|(name, _)| folder.join(name).exists()) {
        let path = folder.join(name);
        to_stderr(&format!("error: {} exists; name another folder", path.display()));
        return Exit::Usage;
    }
    for (name, text) in FILES {
        if let Err(error) = write_whole(&folder.join(name), text) {
            say_error(&error);
            return Exit::Usage;
        }
    }
    to_stderr(&format!("Wrote {} files to {}", FILES.len(), folder.display()));
    to_stderr(&format!("Next: aurelius-sim run {}", folder.join("scenario.yaml").display()));
    Exit::Success
}
