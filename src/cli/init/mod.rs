//! `init`: a scenario for objects never seen, every guess marked FIXME.

pub(super) mod guess;
pub(super) mod write;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::files::{to_stderr, to_stdout, write_whole};
use crate::cli::inputs::InputArgs;
use crate::cli::terminal::Color;
use crate::cli::terminal::wants_colour;
use crate::cli::{Exit, demo, say_error};
use crate::input::render::{Colour, render_all};
use crate::input::{LoadedObjects, load_objects};

pub(super) use guess::Guess;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The chart's folder, or manifests.
    path: Option<PathBuf>,
    /// What is deployed.
    #[command(flatten)]
    inputs: InputArgs,
    /// Folder to write to.
    #[arg(short, long, value_name = "DIR", default_value = "scenarios")]
    output: PathBuf,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

/// Reads the objects and writes a scenario, its services and its cluster.
pub(super) fn init(args: &InitArgs, color: Color) -> Exit {
    let mut inputs = args.inputs.clone();
    if let Some(path) = &args.path {
        if path.join("Chart.yaml").is_file() {
            inputs.chart.get_or_insert_with(|| path.clone());
        } else {
            inputs.manifests.insert(0, path.clone());
        }
    }
    let release = inputs.release();
    if release.is_empty() {
        to_stderr(
            "error: nothing is said about what is deployed\n\
             hint: name a chart or manifests: `aurelius-sim init deploy/chart`, `... init -f -`",
        );
        return Exit::Usage;
    }
    if inputs.manifests.iter().any(|path| path == Path::new("-")) {
        to_stderr(
            "error: standard input can be read once, and the scenario names what it runs\n\
             hint: write the manifests to a file first: `helm template . > manifests.yaml`",
        );
        return Exit::Usage;
    }
    let loaded = load_objects(&release);
    if !say(&loaded, color) {
        return Exit::Usage;
    }
    let Some(guess) = Guess::of(&loaded.objects) else {
        to_stderr("error: there is no Deployment, StatefulSet or ReplicaSet to send load to");
        return Exit::Usage;
    };
    let files = [
        ("peak.yaml", write::scenario(&inputs, &args.output, &guess)),
        ("services.yaml", write::services(&guess)),
        ("cluster.yaml", write::cluster(&guess)),
        ("instances.csv", demo::CATALOGUE.to_owned()),
    ];
    if let Some((name, _)) = files.iter().find(|(name, _)| args.output.join(name).exists())
        && !args.force
    {
        let path = args.output.join(name);
        to_stderr(&format!("error: {} exists; use --force to write over it", path.display()));
        return Exit::Usage;
    }
    for (name, text) in &files {
        if let Err(error) = write_whole(&args.output.join(name), text) {
            say_error(&error);
            return Exit::Usage;
        }
    }
    let told = summary(&loaded, &guess, &args.output, &files);
    match to_stdout(&told) {
        Ok(()) => Exit::Success,
        Err(error) => {
            say_error(&error);
            Exit::Usage
        }
    }
}

/// Says what is wrong with the objects; whether they can be used.
pub(super) fn say(loaded: &LoadedObjects, color: Color) -> bool {
    let wanted = wants_colour(color, std::io::stderr().is_terminal());
    let colour = if wanted { Colour::Coloured } else { Colour::Plain };
    let text = render_all(&loaded.diagnostics, &loaded.sources, colour);
    if !text.is_empty() {
        to_stderr(&text);
    }
    !loaded.has_errors()
}

fn summary(
    loaded: &LoadedObjects,
    guess: &Guess,
    folder: &Path,
    files: &[(&str, String)],
) -> String {
    let objects = &loaded.objects;
    let mut kinds: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for workload in &objects.workloads {
        *kinds.entry(workload.kind_name()).or_default() += 1;
    }
    for (kind, count) in [
        ("HorizontalPodAutoscaler", objects.autoscalers.len()),
        ("PodDisruptionBudget", objects.budgets.len()),
        ("PersistentVolumeClaim", objects.claims.len()),
    ] {
        if count > 0 {
            kinds.insert(kind, count);
        }
    }
    let plural = |kind: &str, count: usize| {
        if count == 1 { format!("1 {kind}") } else { format!("{count} {kind}s") }
    };
    let simulated: Vec<String> = kinds.iter().map(|(kind, count)| plural(kind, *count)).collect();
    let mut text = format!(
        "Found {} objects\n  simulated   {}\n",
        loaded.documents.len(),
        simulated.join(", ")
    );
    if let Some(ignored) = objects.ignored_summary() {
        text.push_str(&format!("  {}\n", ignored.replacen("ignored ", "ignored     ", 1)));
    }
    let guesses: usize = files.iter().map(|(_, text)| text.matches("FIXME").count()).sum();
    let path = |name: &str| folder.join(name).display().to_string();
    text.push_str(&format!(
        "  guessed     {guesses} things to check: search for FIXME in {}, {} and {}\n",
        path("peak.yaml"),
        path("services.yaml"),
        path("cluster.yaml")
    ));
    text.push_str(&format!(
        "                load goes to {}; a request costs {} of CPU\n",
        guess.entry_names().join(", "),
        guess::CPU_PER_REQUEST
    ));
    let written: Vec<String> = files.iter().map(|(name, _)| path(name)).collect();
    text.push_str(&format!("Wrote {}\n", written.join(", ")));
    text.push_str(&format!("Next: aurelius-sim run {}\n", path("peak.yaml")));
    text
}
