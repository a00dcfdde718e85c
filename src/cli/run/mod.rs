//! `run`: a scenario from its document to its verdict.

pub(in crate::cli) mod args;
mod guessed;

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli::files::{to_stderr, to_stdout};
use crate::cli::outputs::{Made, Output, conflict, overwritten, write};
use crate::cli::progress::Meter;
use crate::cli::terminal::{Color, ProgressArg, wants_colour};
use crate::cli::{Exit, pod_trace, repeat, say_error, side_by_side};
use crate::findings::{Case, causes, check};
use crate::input::render::{Colour as DiagnosticColour, render_all};
use crate::input::{Loaded, load_scenario};
use crate::metrics::Measurements;
use crate::report::explain::explain;
use crate::report::sparkline::Charset;
use crate::report::text::{Colour, Detail, Style, Told, across, summary};
use crate::report::{
    Report, assemble, csv, github, html, json, junit, k6_summary, markdown, ndjson, svg, told,
};
use crate::scenario::Scenario;
use crate::scenario::threshold::Severity;
use crate::sweep::{RunResult, SweepOptions, evaluate};
use crate::trace::Keep;
use crate::units::convert::{f64_from_u64, index};

use args::{Format, RunArgs, SummaryArg};

/// Runs a scenario and writes what was asked for, or several side by side.
pub(super) fn run(args: &RunArgs, color: Color) -> Exit {
    if let Some(path) = &args.from {
        return repeat::repeat(path, args, color);
    }
    if let Some(text) = conflict(&args.output) {
        to_stderr(&format!("error: {text}"));
        return Exit::Usage;
    }
    if let Some(exit) = pod_trace::run(args, color) {
        return exit;
    }
    if args.scenarios.len() > 1 {
        return side_by_side::run(args, color);
    }
    match load_asked(args, color) {
        Some(scenario) => run_one(args, color, &scenario),
        None => Exit::Usage,
    }
}

/// Runs a scenario that was read by other means, and writes what was asked for.
pub(super) fn run_loaded(args: &RunArgs, color: Color, loaded: Loaded) -> Exit {
    match say_and_take(loaded, args, color) {
        Some(scenario) => run_one(args, color, &scenario),
        None => Exit::Usage,
    }
}

fn run_one(args: &RunArgs, color: Color, scenario: &Scenario) -> Exit {
    if let Some(path) = overwritten(&args.output, &scenario.inputs) {
        to_stderr(&format!("error: {} is an input of this run; write elsewhere", path.display()));
        return Exit::Usage;
    }
    match simulate_and_write(args, color, scenario) {
        Ok(exit) => exit,
        Err(exit) => exit,
    }
}

/// Reads what a command line asks to run: a scenario, or a release under a guessed one.
pub(super) fn load_asked(args: &RunArgs, color: Color) -> Option<Scenario> {
    match args.rps {
        Some(peak_per_s) => guessed::load(peak_per_s, args, color),
        None => args.scenarios.first().and_then(|path| load(path, args, color)),
    }
}

/// Reads a scenario; what is wrong with it goes to stderr.
pub(super) fn load(path: &Path, args: &RunArgs, color: Color) -> Option<Scenario> {
    let mut options = args.inputs.load_options(args.seed, color).ok()?;
    options.load.clone_from(&args.load);
    say_and_take(load_scenario(path, &options), args, color)
}

/// Says what is wrong with a scenario; what is left of it.
fn say_and_take(loaded: Loaded, args: &RunArgs, color: Color) -> Option<Scenario> {
    say_loaded(loaded, args.quiet, color)
}

/// Says what is wrong with a scenario, errors alone when `quiet`; what is left of it.
pub(super) fn say_loaded(loaded: Loaded, quiet: bool, color: Color) -> Option<Scenario> {
    let Loaded { scenario, diagnostics, sources } = loaded;
    let wanted = wants_colour(color, std::io::stderr().is_terminal());
    let colour = if wanted { DiagnosticColour::Coloured } else { DiagnosticColour::Plain };
    if scenario.is_none() || !quiet {
        let text = render_all(&diagnostics, &sources, colour);
        if !text.is_empty() {
            to_stderr(&text);
        }
    }
    scenario
}

#[expect(clippy::disallowed_methods, reason = "the command line may measure itself")]
fn simulate_and_write(args: &RunArgs, color: Color, scenario: &Scenario) -> Result<Exit, Exit> {
    let everything = args.output.iter().any(|output| output.format == Format::Ndjson);
    let options = SweepOptions {
        seed: scenario.seed,
        runs: args.runs,
        jobs: args.jobs.map_or(0, index),
        keep: if everything || !args.explain.is_empty() { Keep::Everything } else { Keep::Changes },
        check_invariants: false,
        figures_only: false,
    };
    let wanted = if args.quiet { ProgressArg::None } else { args.progress };
    let meter = Meter::new(wanted, &scenario.name, scenario.total_time(), args.runs);
    let began = Instant::now();
    let results = evaluate(scenario, options, &|news| meter.hear(news));
    let took = began.elapsed();
    meter.clear();
    let results = results.map_err(|error| {
        say_error(&error);
        Exit::Usage
    })?;
    write_all(args, color, scenario, &results, took)?;
    if args.stats {
        to_stderr(&stats(&results, took));
    }
    let holds = results.iter().all(|result| holds(scenario, result, args.strict));
    Ok(if holds || args.exit_zero { Exit::Success } else { Exit::ThresholdFailed })
}

/// Whether every threshold that counts is met, and every expectation of alerts came true.
pub(super) fn holds(scenario: &Scenario, result: &RunResult, strict: bool) -> bool {
    let specs = scenario.thresholds.iter().zip(&result.thresholds);
    specs
        .filter(|(spec, _)| spec.terms().severity == Severity::Error)
        .all(|(_, judged)| judged.is_met(strict))
        && result.alerts.holds()
        && result.measurements.aborted().is_none()
}

fn write_all(
    args: &RunArgs,
    color: Color,
    scenario: &Scenario,
    results: &[RunResult],
    took: Duration,
) -> Result<(), Exit> {
    let first = results.first().expect("at least one run was asked for");
    let case = Case::new(scenario, &first.history, &first.measurements, &first.thresholds);
    // All explanations are made before anything is written, so that a wrong selector writes nothing.
    let mut explanations = String::new();
    for selector in &args.explain {
        let text = explain(&first.history, selector).map_err(|error| {
            say_error(&error);
            Exit::Usage
        })?;
        explanations.push_str(&text);
    }
    let default = [Output { format: Format::Text, path: None }];
    let asked: &[Output<Format>] = match (args.output.is_empty(), args.explain.is_empty()) {
        (false, _) => &args.output,
        (true, true) => &default,
        (true, false) => &[],
    };
    let made: Vec<(&Output<Format>, Made)> = asked
        .iter()
        .map(|output| (output, make(output, args, color, scenario, results, &case, took)))
        .collect();
    let failed = |error| {
        say_error(&error);
        Exit::Usage
    };
    if !explanations.is_empty() {
        to_stdout(&explanations).map_err(failed)?;
    }
    made.iter().try_for_each(|(output, made)| {
        write(made, output.path.as_deref()).map_err(|error| {
            say_error(&error);
            Exit::Usage
        })
    })
}

fn make(
    output: &Output<Format>,
    args: &RunArgs,
    color: Color,
    scenario: &Scenario,
    results: &[RunResult],
    case: &Case<'_>,
    took: Duration,
) -> Made {
    let report = || {
        let findings = check(case);
        let told = told(case, &findings);
        let report = assemble(scenario, scenario.seed, results, args.strict, told);
        Report { arguments: args.words(), ..report }
    };
    match output.format {
        Format::Text => Made::One(text(output, args, color, results, case, took)),
        Format::Json => Made::One(json::json(&report())),
        Format::Ndjson => {
            let lines =
                |result: &RunResult| ndjson::ndjson(scenario, scenario.seed, &result.history);
            Made::One(results.iter().map(lines).collect())
        }
        Format::Csv => {
            let files = csv::files(&report()).into_iter();
            Made::Folder(files.map(|(name, text)| (name.to_owned(), text)).collect())
        }
        Format::Svg => {
            let mut files = svg::charts(case);
            let waited = svg::start_ups(&report().start_ups);
            files.extend(waited.map(|chart| ("startups.svg".to_owned(), chart)));
            Made::Folder(files)
        }
        Format::Html => {
            let first = results.first().expect("at least one run was asked for");
            let report = report();
            let command = again(scenario, args);
            let runs: Vec<(Case<'_>, &Measurements)> = results
                .iter()
                .map(|run| {
                    let measured = &run.measurements;
                    (Case::new(scenario, &run.history, measured, &run.thresholds), measured)
                })
                .collect();
            Made::One(html::html(&html::Shown {
                report: &report,
                case,
                measured: &first.measurements,
                runs: &runs,
                command: &command,
            }))
        }
        Format::Markdown => Made::One(markdown::markdown(&report())),
        Format::Junit => Made::One(junit::junit(&report())),
        Format::Github => Made::One(github::github(&report())),
        Format::K6Summary => Made::One(k6_summary::k6_summary(&report())),
    }
}

/// The command that makes a page again.
fn again(scenario: &Scenario, args: &RunArgs) -> String {
    let mut command = format!("aurelius-sim run {} --seed {}", args.asked(), scenario.seed);
    if args.runs > 1 {
        command.push_str(&format!(" --runs {}", args.runs));
    }
    command.push_str(" -o html=report.html");
    command
}

fn text(
    output: &Output<Format>,
    args: &RunArgs,
    color: Color,
    results: &[RunResult],
    case: &Case<'_>,
    took: Duration,
) -> String {
    let first = results.first().expect("at least one run was asked for");
    let findings = check(case);
    let causes = causes(case, &findings);
    let terminal = output.path.is_none() && std::io::stdout().is_terminal();
    let detail = match args.summary {
        _ if args.quiet => Detail::Oneline,
        SummaryArg::Oneline => Detail::Oneline,
        SummaryArg::Compact => Detail::Compact,
        SummaryArg::Full => Detail::Full,
    };
    let style = Style {
        detail,
        colour: if wants_colour(color, terminal) { Colour::Always } else { Colour::Never },
        charset: if args.ascii { Charset::Ascii } else { Charset::default() },
    };
    let asked = args.asked();
    let ran_in = format!("{:.2}s", took.as_secs_f64());
    let told = Told {
        case: *case,
        measured: &first.measurements,
        cost: &first.cost,
        alerts: &first.alerts,
        findings: &findings,
        causes: &causes,
        seed: case.scenario.seed,
        asked: &asked,
        // A file is the same for the same run; how long it took is for the terminal.
        ran_in: output.path.is_none().then_some(ran_in.as_str()),
    };
    let mut text = summary(&told, style);
    if results.len() > 1 {
        text.push_str(&across::across(case.scenario, results, args.strict, style));
    }
    text
}

/// `stats: events=N wall_s=S events_per_s=R max_rss_bytes=B`.
fn stats(results: &[RunResult], took: Duration) -> String {
    let events: u64 = results.iter().map(|result| result.outcome.events).sum();
    let wall_s = took.as_secs_f64();
    let per_s = f64_from_u64(events) / wall_s.max(1e-9);
    let rss = max_rss_bytes().map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string());
    format!("stats: events={events} wall_s={wall_s:.3} events_per_s={per_s:.0} max_rss_bytes={rss}")
}

/// The largest resident set of the process so far, where the system tells it.
fn max_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
