//! `sweep`: a scenario over a grid of values, on one machine or on many.
//!
//! One machine and many go the same way: a plan lists cells, cells are computed and written as lines,
//! and everything that is shown is made of those lines. So a merged result has the bytes of a single
//! one.

pub(in crate::cli) mod args;
mod emit;
#[cfg(feature = "object-store")]
mod objects;
mod store;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;

use crate::cli::files::{read_text, to_stderr, to_stdout, write_whole};
use crate::cli::inputs::InputArgs;
use crate::cli::outputs::{Output, asked_or, put, refuse_conflict};
use crate::cli::progress::Meter;
use crate::cli::terminal::Color;
use crate::cli::{Exit, say_error};
use crate::input::diagnostic::Severity;
use crate::input::{Loaded, Patch, Prepared};
use crate::report::grid::{self, Plan};
use crate::scenario::Scenario;
use crate::sweep::cell::{Cell, CellOutcome};
use crate::sweep::grid::{CELLS_MOST, Grid, Setting, Shard};
use crate::sweep::{Progress, each, figures, with_threads};
use crate::units::convert::{count_u32, index};

use args::{Emit, GridFormat, SweepAction, SweepArgs};
use store::{PLAN, Store, cell_name};

/// Runs the command.
pub(super) fn sweep(args: &SweepArgs, color: Color) -> Exit {
    let done = match &args.action {
        Some(SweepAction::Merge { from, output }) => merge(from, output),
        None => compute(args, color),
    };
    match done {
        Ok(()) => Exit::Success,
        Err(exit) => exit,
    }
}

fn usage(message: &str) -> Exit {
    to_stderr(&format!("error: {message}"));
    Exit::Usage
}

fn failed(error: &dyn std::error::Error) -> Exit {
    say_error(error);
    Exit::Usage
}

fn compute(args: &SweepArgs, color: Color) -> Result<(), Exit> {
    refuse_conflict(&args.output)?;
    let (plan, text, job) = match (&args.scenario, &args.plan) {
        (Some(scenario), _) => {
            let (plan, job) = new_plan(scenario, args, color)?;
            let text = plan.write();
            (plan, text, job)
        }
        (None, Some(path)) => read_plan(path, args, color)?,
        (None, None) => {
            return Err(usage("name a scenario with axes, or a plan with `--plan`"));
        }
    };
    let mut only_written = false;
    if let (Some(_), Some(path)) = (&args.scenario, &args.plan) {
        write_whole(path, &text).map_err(|error| failed(&error))?;
        let cells = plan.grid.cells().unwrap_or(0);
        to_stderr(&format!("wrote {}: {cells} cells of {} runs", path.display(), plan.runs));
        only_written = true;
    }
    if let Some(Emit::KubernetesJob) = args.emit {
        let out = args.out.as_deref();
        let manifests = emit::kubernetes_job(&plan, &text, &args.image, args.shards, out)
            .map_err(|error| failed(&error))?;
        return to_stdout(&manifests).map_err(|error| failed(&error));
    }
    if only_written {
        return Ok(());
    }
    let keep = args.out.as_deref().map(|place| open(place, &text)).transpose()?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let shows = shard == Shard::WHOLE && (keep.is_none() || !args.output.is_empty());
    let share = Share { id: grid::fingerprint(&text), shard, keep: keep.as_ref(), shows };
    let cells = compute_cells(args, &plan, &job, &share)?;
    if shows {
        write_outputs(&args.output, &plan, &cells)?;
    }
    let refused = |cell: &Cell| match &cell.outcome {
        CellOutcome::Refused(reason) => Some(reason.clone()),
        CellOutcome::Ran(_) => None,
    };
    let refusals: Vec<String> = cells.iter().map_while(refused).collect();
    match refusals.first() {
        Some(reason) if refusals.len() == cells.len() => {
            Err(usage(&format!("no cell makes a scenario: {reason}")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Opens the place of results, which belongs to one plan.
fn open(place: &str, plan: &str) -> Result<Store, Exit> {
    let store = Store::open(place).map_err(|error| failed(&error))?;
    match store.get(PLAN).map_err(|error| failed(&error))? {
        Some(there) if there == plan => {}
        Some(there) if Plan::read(&there).is_ok() => {
            return Err(usage(&format!("{place} holds the results of another plan")));
        }
        // A plan that was cut short is none.
        Some(_) | None => store.put(PLAN, plan).map_err(|error| failed(&error))?,
    }
    Ok(store)
}

fn new_plan(scenario: &Path, args: &SweepArgs, color: Color) -> Result<(Plan, Prepared), Exit> {
    let axes: Vec<_> = args.ranges.iter().chain(&args.lists).cloned().collect();
    let grid = Grid { axes };
    if grid.cells().is_none() {
        return Err(usage(&format!("the grid has more than {CELLS_MOST} cells")));
    }
    for (at, axis) in grid.axes.iter().enumerate() {
        if grid.axes[..at].iter().any(|other| other.path == axis.path) {
            return Err(usage(&format!("`{}` is an axis twice", axis.path)));
        }
        patches(&grid.settings(0)[at..=at]).map_err(|text| usage(&text))?;
    }
    let prepared = Prepared::read(scenario, &args.inputs.load_options(args.seed, color)?);
    let base = said(prepared.with(&[]), color)?;
    let plan = Plan {
        scenario: scenario.display().to_string(),
        name: base.name.to_string(),
        arguments: args.inputs.words(),
        inputs: inputs(&base),
        seed: base.seed,
        runs: args.runs,
        strict: args.strict,
        measure: args.measure,
        grid,
    };
    // A path that leads nowhere shall be said before anything is computed.
    let first = prepared.with(&patches(&plan.grid.settings(0)).map_err(|text| usage(&text))?);
    let wrong_path = |diagnostic: &crate::input::diagnostic::Diagnostic| {
        diagnostic.code() == crate::input::codes::INVALID_PATCH
    };
    if first.diagnostics.iter().any(wrong_path) {
        said(first, color)?;
    }
    Ok((plan, prepared))
}

fn inputs(scenario: &Scenario) -> Vec<(String, String)> {
    let of = |file: &crate::scenario::InputFile| (file.path.to_string(), file.sha256.to_string());
    scenario.inputs.iter().map(of).collect()
}

/// The words of [`InputArgs`] behind a name of a program, as a plan keeps them.
#[derive(Parser)]
struct Words {
    #[command(flatten)]
    inputs: InputArgs,
}

fn read_plan(
    path: &Path,
    args: &SweepArgs,
    color: Color,
) -> Result<(Plan, String, Prepared), Exit> {
    if !(args.ranges.is_empty() && args.lists.is_empty() && args.seed.is_none()) {
        return Err(usage("axes and seed are the plan's; name the scenario to write another plan"));
    }
    let shown = path.display();
    let text = read_text(path).map_err(|problem| usage(&problem))?;
    let plan =
        Plan::read(&text).map_err(|error| usage(&format!("{shown} is no whole plan: {error}")))?;
    let words = std::iter::once("plan").chain(plan.arguments.iter().map(String::as_str));
    let words = Words::try_parse_from(words)
        .map_err(|error| usage(&format!("{shown}: its arguments cannot be read: {error}")))?;
    let options = words.inputs.load_options(Some(plan.seed), color)?;
    let prepared = Prepared::read(Path::new(&plan.scenario), &options);
    let base = said(prepared.with(&[]), color)?;
    let found = inputs(&base);
    if let Some((name, _)) = plan.inputs.iter().find(|input| !found.contains(input)) {
        return Err(usage(&format!("{name} is not what it was when {shown} was written")));
    }
    Ok((plan, text, prepared))
}

/// The scenario, or all that is wrong with it on stderr.
fn said(loaded: Loaded, color: Color) -> Result<Scenario, Exit> {
    crate::cli::run::say_loaded(loaded, false, color).ok_or(Exit::Usage)
}

/// Settings as patches.
fn patches(settings: &[Setting]) -> Result<Vec<Patch>, String> {
    let parse = |(path, value): &Setting| {
        Patch::parse(&format!("{path}={value}")).map_err(|error| error.to_string())
    };
    settings.iter().map(parse).collect()
}

/// Which cells of a plan are computed, and where they go.
struct Share<'a> {
    /// Hash of the plan.
    id: String,
    shard: Shard,
    keep: Option<&'a Store>,
    /// Whether anything is shown of them: else they are let go when they are kept, so that a share of any
    /// size needs no more memory than one cell.
    shows: bool,
}

/// Computes the cells of a share, those that are kept aside. Answers all of them in order, without their
/// runs where nothing is shown of them.
fn compute_cells(
    args: &SweepArgs,
    plan: &Plan,
    prepared: &Prepared,
    share: &Share<'_>,
) -> Result<Vec<Cell>, Exit> {
    let Share { id, shard, keep, shows } = share;
    let numbers: Vec<usize> =
        (0..plan.grid.cells().unwrap_or(0)).filter(|cell| shard.has(*cell)).collect();
    let total = count_u32(numbers.len()).saturating_mul(plan.runs);
    let meter =
        Meter::new(args.progress, &plan.name, crate::units::SimDuration::ZERO, total.max(2));
    let trouble = Mutex::new(None);
    let stop = AtomicBool::new(false);
    let one = |number: &usize| -> Option<Cell> {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let kept = |store: &Store| store.get(&cell_name(*number));
        let kept = keep.map(kept).transpose().map(Option::flatten);
        let done = kept.and_then(|line| {
            let known = line.and_then(|line| grid::read_cell(&line, id, *number, &plan.grid));
            if let Some(cell) = known {
                (0..plan.runs).for_each(|_| meter.hear(Progress::Finished));
                return Ok(cell);
            }
            let cell = compute_cell(plan, prepared, *number, &|news| meter.hear(news));
            if let Some(store) = keep {
                store.put(&cell_name(*number), &grid::write_cell(&cell, id))?;
            }
            Ok(cell)
        });
        match done {
            Ok(cell) if *shows => Some(cell),
            Ok(Cell { number, outcome, .. }) => {
                let outcome = match outcome {
                    CellOutcome::Ran(_) => CellOutcome::Ran(Vec::new()),
                    refused @ CellOutcome::Refused(_) => refused,
                };
                Some(Cell { number, settings: Vec::new(), outcome })
            }
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                if let Ok(mut trouble) = trouble.lock() {
                    trouble.get_or_insert(error);
                }
                None
            }
        }
    };
    let jobs = args.jobs.map_or(0, index);
    let cells = with_threads(jobs, || each(&numbers, one)).map_err(|error| failed(&error))?;
    meter.clear();
    if let Some(error) = trouble.into_inner().unwrap_or(None) {
        return Err(failed(&error));
    }
    let cells: Option<Vec<Cell>> = cells.into_iter().collect();
    Ok(cells.expect("every cell is there when nothing stopped"))
}

fn compute_cell(
    plan: &Plan,
    prepared: &Prepared,
    number: usize,
    progress: &(dyn Fn(Progress) + Sync),
) -> Cell {
    let settings = plan.grid.settings(number);
    let loaded = patches(&settings).map(|patches| prepared.with(&patches));
    let outcome = match loaded {
        Err(text) => CellOutcome::Refused(text),
        Ok(Loaded { scenario: Some(scenario), .. }) => {
            let replications = 0..u64::from(plan.runs);
            let runs = figures(&scenario, plan.seed, replications, plan.strict, progress);
            CellOutcome::Ran(runs)
        }
        Ok(Loaded { scenario: None, diagnostics, .. }) => {
            let mut errors = diagnostics.iter().filter(|it| it.severity() == Severity::Error);
            let first = errors.next().map(|it| it.message().to_owned());
            CellOutcome::Refused(first.unwrap_or_default())
        }
    };
    Cell { number, settings, outcome }
}

fn merge(from: &str, output: &[Output<GridFormat>]) -> Result<(), Exit> {
    refuse_conflict(output)?;
    let store = Store::open(from).map_err(|error| failed(&error))?;
    let text = store.get(PLAN).map_err(|error| failed(&error))?;
    let text = text.ok_or_else(|| usage(&format!("{from} holds no {PLAN}")))?;
    let plan = Plan::read(&text)
        .map_err(|error| usage(&format!("{from}/{PLAN} is no whole plan: {error}")))?;
    let id = grid::fingerprint(&text);
    let all = plan.grid.cells().unwrap_or(0);
    let mut cells = Vec::with_capacity(all);
    let mut missing = Vec::new();
    for number in 0..all {
        let line = store.get(&cell_name(number)).map_err(|error| failed(&error))?;
        match line.and_then(|line| grid::read_cell(&line, &id, number, &plan.grid)) {
            Some(cell) => cells.push(cell),
            None => missing.push(number.to_string()),
        }
    }
    if !missing.is_empty() {
        let first = missing[..missing.len().min(10)].join(", ");
        let more = if missing.len() > 10 { ", ..." } else { "" };
        return Err(usage(&format!(
            "{} of {all} cells are missing or not whole: {first}{more}\nhelp: run the shares again; \
             what is there is not computed again",
            missing.len()
        )));
    }
    write_outputs(output, &plan, &cells)
}

fn write_outputs(outputs: &[Output<GridFormat>], plan: &Plan, cells: &[Cell]) -> Result<(), Exit> {
    for output in asked_or(outputs, GridFormat::Text) {
        let text = match output.format {
            GridFormat::Text => grid::text::text(plan, cells),
            GridFormat::Csv => grid::csv::csv(plan, cells),
            GridFormat::Json => grid::json(plan, cells),
            GridFormat::Svg => grid::heat_map::heat_map(plan, cells).ok_or_else(|| {
                usage("a heat map shows two axes of at most 60 values; write csv instead")
            })?,
        };
        put(&output, &text)?;
    }
    Ok(())
}
