//! `run --rps`: a run that no scenario describes. What is deployed is told by the command line; the rest
//! is what `init` would guess.

use std::path::Path;

use crate::cli::demo;
use crate::cli::files::to_stderr;
use crate::cli::init::{Guess, guess, say, write};
use crate::cli::inputs::InputArgs;
use crate::cli::run::args::RunArgs;
use crate::cli::run::say_loaded;
use crate::cli::terminal::Color;
use crate::input::{load_objects, load_scenario_from};
use crate::scenario::Scenario;

/// The folder of documents that are nowhere but in memory: places in them begin with it.
const FOLDER: &str = "guessed";

/// The scenario of a release under a load that peaks at so many visits a second; what is wrong goes to
/// stderr, and so does what was guessed.
pub(super) fn load(peak_per_s: u64, args: &RunArgs, color: Color) -> Option<Scenario> {
    let mut options = args.inputs.load_options(args.seed, color).ok()?;
    options.load.clone_from(&args.load);
    if options.release.is_empty() {
        to_stderr(
            "error: `--rps` needs to know what is deployed\n\
             hint: `aurelius-sim run --rps 100 --chart deploy/chart --values values-prod.yaml`, or \
             `helm template . | aurelius-sim run --rps 100 -f -`",
        );
        return None;
    }
    let loaded = load_objects(&options.release);
    // Warnings about objects are said once, with the rest of the documents.
    if loaded.has_errors() {
        say(&loaded, color);
        return None;
    }
    let Some(mut guess) = Guess::of(&loaded.objects) else {
        to_stderr("error: there is no Deployment, StatefulSet or ReplicaSet to send load to");
        return None;
    };
    guess.peak_rate = peak_per_s;
    // What was read of the release stays read: standard input can be read once.
    let mut sources = loaded.sources;
    let folder = Path::new(FOLDER);
    for (name, text) in [
        ("peak.yaml", write::scenario(&InputArgs::default(), folder, &guess)),
        ("services.yaml", write::services(&guess)),
        ("cluster.yaml", write::cluster(&guess)),
        ("instances.csv", demo::CATALOGUE.to_owned()),
    ] {
        sources.embed(&folder.join(name), &text);
    }
    let scenario = say_loaded(
        load_scenario_from(sources, &folder.join("peak.yaml"), &options),
        args.quiet,
        color,
    )?;
    if !args.quiet {
        to_stderr(&note(&guess, args));
    }
    Some(scenario)
}

/// What the result rests on, and how to write it down.
fn note(guess: &Guess, args: &RunArgs) -> String {
    let machines = match &args.inputs.cluster {
        Some(_) => String::new(),
        None => {
            let pools: Vec<String> = guess
                .pools
                .iter()
                .map(|pool| {
                    format!("{} ({}, {} to {})", pool.name, pool.instance, pool.min, pool.max)
                })
                .collect();
            format!("; node pools {}", pools.join(", "))
        }
    };
    format!(
        "note: guessed, as no scenario was named: a request costs {} of CPU; load goes to {}, half an hour \
         with its peak in the middle{machines}\n\
         help: `aurelius-sim init{}` writes the guesses down to be mended",
        guess::CPU_PER_REQUEST,
        guess.entry_names().join(", "),
        args.inputs.as_written()
    )
}
