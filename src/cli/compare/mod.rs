//! `compare`: is a change better or worse than what it changes, and can that be told from chance?

pub(in crate::cli) mod args;
mod baseline;
mod git;
mod kept;

use std::path::{Path, PathBuf};

use crate::cli::bench::variants::{
    Variants, kind_of, policy, scenario_files, taken, with_hindsight,
};
use crate::cli::files::to_stderr;
use crate::cli::outputs::{asked_or, put, refuse_conflict};
use crate::cli::terminal::Color;
use crate::cli::{Exit, say_error};
use crate::input::changes::changes;
use crate::input::{LoadOptions, load_scenario, load_scenario_under};
use crate::report::bench::comparison::Comparison;
use crate::report::bench::{forms, json};
use crate::report::html;
use crate::scenario::Scenario;
use crate::sweep::RunResult;
use crate::sweep::bench::{Bench, BenchOptions, Pair};
use crate::units::convert::count_u32;

use args::{CompareArgs, CompareFormat};
use git::Tree;
use kept::Kept;

/// Runs of each variant when nobody says how many: enough for an interval, quick enough for CI.
const RUNS: u32 = 5;
/// Changed figures that are listed at most.
const CHANGES_MOST: usize = 20;

/// Runs the command.
pub(super) fn compare(args: &CompareArgs, color: Color) -> Exit {
    match compute(args, color) {
        Ok(comparison) => {
            if !comparison.regressions.is_empty() && !args.exit_zero {
                Exit::Findings
            } else if args.detailed_exitcode && comparison.differs() && !args.exit_zero {
                Exit::Differs
            } else {
                Exit::Success
            }
        }
        Err(exit) => exit,
    }
}

fn usage(message: &str) -> Exit {
    to_stderr(&format!("error: {message}"));
    Exit::Usage
}

fn compute(args: &CompareArgs, color: Color) -> Result<Comparison, Exit> {
    refuse_conflict(&args.output)?;
    let kept = Kept::new(&args.output);
    let (bench, inputs, changed) = match (&args.base_ref, &args.baseline) {
        (Some(reference), _) => with_commit(args, reference, color, &kept)?,
        (None, Some(saved)) => with_saved(args, saved, color, &kept)?,
        (None, None) => with_each_other(args, color, &kept)?,
    };
    let ran = |pairs: &[Pair]| pairs.iter().any(|pair| matches!(pair, Pair::Ran(_)));
    if !bench.pairs.iter().all(|pairs| ran(pairs)) {
        let reasons = bench.pairs.iter().flatten().filter_map(|pair| match pair {
            Pair::Refused(reason) => Some(reason.as_str()),
            Pair::Ran(_) => None,
        });
        let reason = reasons.take(1).collect::<String>();
        return Err(usage(&format!("there is nothing to compare: {reason}")));
    }
    let comparison = Comparison::of(&bench, &args.name, changed, &args.limits);
    let made = Made { comparison: &comparison, bench: &bench, inputs: &inputs };
    write_outputs(args, &made, kept)?;
    Ok(comparison)
}

/// A bench of two, the files it was made from, and what differs between them.
type Compared = (Bench, Vec<(String, String)>, Vec<String>);

fn options(args: &CompareArgs, runs: u32, seed: Option<u64>) -> BenchOptions {
    BenchOptions { seed, runs, precision: None, strict: args.strict }
}

fn run(args: &CompareArgs, variants: &Variants, kept: &Kept) -> Result<Bench, Exit> {
    let options = options(args, args.runs.unwrap_or(RUNS), args.seed);
    let show = |at, scenario: &Scenario, result: &RunResult| kept.keep(at, scenario, result);
    crate::cli::bench::run(variants, options, args.jobs, args.progress, &show)
}

/// Two scenarios, two policies or two values files.
fn with_each_other(args: &CompareArgs, color: Color, kept: &Kept) -> Result<Compared, Exit> {
    let [base, candidate] = args.paths.as_slice() else {
        return Err(usage(
            "name a base and a candidate; scenarios alone need `--base-ref` or `--baseline`",
        ));
    };
    let kinds = [base, candidate].map(|path| kind_of(path));
    let kind = |at: usize| kinds[at].as_deref();
    let is_scenario = kind(0) == Some("Scenario") && kind(1) == Some("Scenario");
    let own = args.inputs.load_options(args.seed, color)?;
    let mut variants = if is_scenario {
        scenario_files(std::slice::from_ref(base))
            .and_then(|paths| Variants::new(&paths, &own, (args.fluid, false), color))?
    } else {
        if args.scenarios.is_empty() {
            return Err(usage(
                "policies and values are compared in scenarios: name one with `--scenario`",
            ));
        }
        Variants::new(&scenario_files(&args.scenarios)?, &own, (args.fluid, false), color)?
    };
    let sides = [base, candidate].map(|path| side(path, is_scenario, &variants, color));
    let name = |path: &Path| path.display().to_string();
    let mut inputs = Vec::new();
    let before = Variants::inputs(&variants);
    (variants.names, variants.scenarios) = (Vec::new(), Vec::new());
    for (path, side) in [base, candidate].into_iter().zip(sides) {
        variants.push(name(path), side?);
    }
    inputs.extend(before);
    inputs.extend(variants.inputs());
    inputs.sort();
    inputs.dedup();
    let bench = run(args, &variants, kept)?;
    Ok((bench, inputs, file_changes(&[(base.clone(), candidate.clone())])))
}

/// One side: a scenario as it is, or all scenarios under a policy or with values.
fn side(
    path: &Path,
    is_scenario: bool,
    variants: &Variants,
    color: Color,
) -> Result<Vec<Result<Scenario, String>>, Exit> {
    let each =
        || variants.paths().iter().enumerate().map(|(at, path)| (path, variants.options(at)));
    if is_scenario {
        let options = variants.options(0);
        let loaded = load_scenario(path, options);
        let scenario = crate::cli::run::say_loaded(loaded, true, color).ok_or(Exit::Usage)?;
        return Ok(vec![Ok(scenario)]);
    }
    if kind_of(path).as_deref() == Some("ScalingPolicy") {
        let policy = policy(path, color).ok_or(Exit::Usage)?;
        let under = |(path, options): (&PathBuf, &LoadOptions)| {
            taken(load_scenario_under(path, options, &policy))
                .map(|scenario| with_hindsight(scenario, &policy))
        };
        return Ok(each().map(under).collect());
    }
    let with = |(scenario, options): (&PathBuf, &LoadOptions)| {
        let mut options = options.clone();
        options.release.values.files.push(path.to_owned());
        taken(load_scenario(scenario, &options))
    };
    Ok(each().map(with).collect())
}

/// Scenarios of the work tree against those of a commit.
fn with_commit(
    args: &CompareArgs,
    reference: &str,
    color: Color,
    kept: &Kept,
) -> Result<Compared, Exit> {
    let tree = Tree::of(reference).map_err(|error| {
        say_error(&error);
        Exit::Usage
    })?;
    let paths = scenario_files(&args.paths)?;
    let own = args.inputs.load_options(args.seed, color)?;
    let mut variants = Variants::new(&paths, &own, (args.fluid, false), color)?;
    let before = |at: usize| {
        let mut options = variants.options(at).clone();
        let release = &mut options.release;
        for file in release.manifests.iter_mut().chain(&mut release.values.files) {
            *file = tree.path(file);
        }
        for path in release.chart.iter_mut().chain(&mut options.cluster) {
            *path = tree.path(path);
        }
        let path = tree.path(&paths[at]);
        if path.is_file() {
            taken(load_scenario(&path, &options))
        } else {
            Err(format!("it is not in {reference}"))
        }
    };
    let base: Vec<Result<Scenario, String>> = (0..paths.len()).map(before).collect();
    let root = tree.root();
    let mut pairs = Vec::new();
    for (name, _) in variants.inputs() {
        let file = PathBuf::from(&name);
        pairs.push((root.join(&file), file));
    }
    let candidate = std::mem::take(&mut variants.scenarios).swap_remove(0);
    variants.names = vec![format!("{reference} ({})", tree.commit), "work tree".to_owned()];
    variants.scenarios = vec![base, candidate];
    let bench = run(args, &variants, kept)?;
    let inputs = variants.inputs().into_iter().map(|(path, sha256)| {
        let inside = Path::new(&path).strip_prefix(&root).map(|it| it.display().to_string());
        (inside.map_or(path, |inside| format!("{}:{inside}", tree.commit)), sha256)
    });
    Ok((bench, inputs.collect(), file_changes(&pairs)))
}

/// Scenarios against a saved result.
fn with_saved(
    args: &CompareArgs,
    saved: &Path,
    color: Color,
    kept: &Kept,
) -> Result<Compared, Exit> {
    let baseline = baseline::read(saved).map_err(|text| usage(&text))?;
    if args.seed.is_some() && args.seed != baseline.seed {
        return Err(usage("the seed is that of the saved result; leave `--seed` out"));
    }
    let own = args.inputs.load_options(baseline.seed, color)?;
    let mut variants =
        Variants::new(&scenario_files(&args.paths)?, &own, (args.fluid, false), color)?;
    variants.names = vec!["work tree".to_owned()];
    let runs = baseline.runs.values().map(Vec::len).max().unwrap_or(1);
    let runs = args.runs.unwrap_or(count_u32(runs));
    let options = options(args, runs, baseline.seed);
    // The saved result is the base; what runs here is the candidate.
    let show = |(_, scenario): (usize, usize), it: &Scenario, result: &RunResult| {
        kept.keep((1, scenario), it, result);
    };
    let mut bench = crate::cli::bench::run(&variants, options, args.jobs, args.progress, &show)?;
    let of = |name: &String| match baseline.runs.get(name) {
        Some(figures) => Pair::Ran(figures.clone()),
        None => Pair::Refused(format!("it is not in {}", saved.display())),
    };
    bench.pairs.insert(0, bench.scenarios.iter().map(of).collect());
    bench.policies.insert(0, saved.display().to_string());
    Ok((bench, variants.inputs(), Vec::new()))
}

/// What differs between pairs of files, figure by figure.
fn file_changes(pairs: &[(PathBuf, PathBuf)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (before, after) in pairs {
        let texts = [before, after].map(std::fs::read_to_string);
        let [Ok(before), Ok(now)] = texts else { continue };
        if before == now {
            continue;
        }
        let name = after.display();
        lines.extend(changes(&before, &now).into_iter().map(|line| format!("{line}   {name}")));
    }
    let more = lines.len().saturating_sub(CHANGES_MOST);
    lines.truncate(CHANGES_MOST);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// What a comparison came to.
struct Made<'m> {
    comparison: &'m Comparison,
    bench: &'m Bench,
    inputs: &'m [(String, String)],
}

fn write_outputs(args: &CompareArgs, made: &Made<'_>, kept: Kept) -> Result<(), Exit> {
    let Made { comparison, bench, inputs } = made;
    let runs = kept.runs(&bench.scenarios);
    for output in asked_or(&args.output, CompareFormat::Text) {
        let text = match output.format {
            CompareFormat::Text => forms::text(comparison),
            CompareFormat::Markdown => forms::markdown(comparison),
            CompareFormat::Junit => forms::junit(comparison),
            CompareFormat::Github => forms::github(comparison),
            CompareFormat::Json => json(bench, inputs),
            CompareFormat::Html => {
                let command = kept::command(args, comparison.runs);
                html::comparison(comparison, &runs, &json(bench, inputs), inputs, &command)
            }
        };
        put(&output, &text)?;
    }
    Ok(())
}
