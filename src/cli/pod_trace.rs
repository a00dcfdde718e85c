//! `run` on a document of kind PodTrace.

use std::io::IsTerminal;
use std::time::Instant;

use crate::cli::Exit;
use crate::cli::files::to_stderr;
use crate::cli::outputs::{Made, Output, overwritten, write};
use crate::cli::run::args::{Format, RunArgs};
use crate::cli::say_error;
use crate::cli::terminal::{Color, wants_colour};
use crate::input::render::{Colour, render_all};
use crate::input::{LoadedTrace, is_pod_trace, load_pod_trace};
use crate::placement::{Placement, place};
use crate::report::pod_trace;
use crate::scenario::pod_trace::PodTrace;

/// Replays a trace when `run` was given one; `None` when it was given something else.
pub(super) fn run(args: &RunArgs, color: Color) -> Option<Exit> {
    let path = args.scenarios.iter().find(|path| is_pod_trace(path))?;
    if let Some(problem) = beyond(args) {
        to_stderr(&format!("error: {} is a pod trace: {problem}", path.display()));
        return Some(Exit::Usage);
    }
    let LoadedTrace { trace, diagnostics, sources } = load_pod_trace(path);
    if trace.is_none() || !args.quiet {
        let coloured = wants_colour(color, std::io::stderr().is_terminal());
        let colour = if coloured { Colour::Coloured } else { Colour::Plain };
        let text = render_all(&diagnostics, &sources, colour);
        if !text.is_empty() {
            to_stderr(&text);
        }
    }
    let Some(trace) = trace else { return Some(Exit::Usage) };
    if let Some(path) = overwritten(&args.output, &trace.inputs) {
        to_stderr(&format!("error: {} is an input of this run; write elsewhere", path.display()));
        return Some(Exit::Usage);
    }
    Some(replay(args, &trace))
}

/// What was asked for and does not apply, if anything.
fn beyond(args: &RunArgs) -> Option<&'static str> {
    if args.scenarios.len() > 1 {
        return Some("run it alone");
    }
    if args.load.is_some() || !args.inputs.words().is_empty() {
        return Some(
            "it has its own pods and nodes; `--load`, `--set` and other inputs do not apply",
        );
    }
    if !args.explain.is_empty() {
        return Some("`--explain` tells loops of controllers, of which it has none");
    }
    if args.runs > 1 {
        return Some("`--runs` does not apply; run it with several `--seed`");
    }
    let told = |output: &Output<Format>| {
        matches!(output.format, Format::Text | Format::Json | Format::Svg)
    };
    (!args.output.iter().all(told)).then_some("it is told as text, json or svg")
}

#[expect(clippy::disallowed_methods, reason = "the command line may measure itself")]
fn replay(args: &RunArgs, trace: &PodTrace) -> Exit {
    let began = Instant::now();
    let placed = place(trace, args.seed.unwrap_or(trace.seed));
    let took = began.elapsed();
    let default = [Output { format: Format::Text, path: None }];
    let asked = if args.output.is_empty() { &default[..] } else { &args.output };
    for output in asked {
        let made = make(output.format, args.quiet, trace, &placed);
        if let Err(error) = write(&made, output.path.as_deref()) {
            say_error(&error);
            return Exit::Usage;
        }
    }
    if args.stats {
        to_stderr(&format!("stats: pods={} wall_s={:.3}", placed.came, took.as_secs_f64()));
    }
    Exit::Success
}

fn make(format: Format, quiet: bool, trace: &PodTrace, placed: &Placement) -> Made {
    match format {
        Format::Json => Made::One(pod_trace::json(trace, placed)),
        Format::Text if quiet => {
            Made::One(format!("{} of {} pods found a place\n", placed.placed, placed.came))
        }
        Format::Svg => Made::Folder(pod_trace::charts(trace, placed)),
        Format::Text
        | Format::Ndjson
        | Format::Html
        | Format::Markdown
        | Format::Junit
        | Format::Github
        | Format::K6Summary
        | Format::Csv => Made::One(pod_trace::text(trace, placed)),
    }
}
