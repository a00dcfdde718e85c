//! `run` with several scenarios: one table.

use crate::cli::files::to_stderr;
use crate::cli::outputs::{Made, overwritten, write};
use crate::cli::progress::Meter;
use crate::cli::run::args::{Format, RunArgs};
use crate::cli::run::{holds, load};
use crate::cli::terminal::{Color, ProgressArg};
use crate::cli::{Exit, say_error};
use crate::report::text::beside::beside;
use crate::scenario::Scenario;
use crate::sweep::{RunResult, SweepOptions, evaluate};
use crate::trace::Keep;

/// Runs all scenarios once and writes the table of them.
pub(super) fn run(args: &RunArgs, color: Color) -> Exit {
    if let Some(text) = refused(args) {
        to_stderr(&format!("error: {text}"));
        return Exit::Usage;
    }
    let loaded: Vec<Option<Scenario>> =
        args.scenarios.iter().map(|path| load(path, args, color)).collect();
    let Some(scenarios) = loaded.into_iter().collect::<Option<Vec<Scenario>>>() else {
        return Exit::Usage;
    };
    let inputs = scenarios.iter().map(|scenario| &scenario.inputs);
    if let Some(path) = inputs.filter_map(|inputs| overwritten(&args.output, inputs)).next() {
        to_stderr(&format!("error: {} is an input of this run; write elsewhere", path.display()));
        return Exit::Usage;
    }
    let mut runs = Vec::new();
    for scenario in scenarios {
        match simulate(args, &scenario) {
            Ok(result) => runs.push((scenario, result)),
            Err(exit) => return exit,
        }
    }
    let text = beside(&runs, args.strict);
    let path = args.output.first().and_then(|output| output.path.as_deref());
    if let Err(error) = write(&Made::One(text), path) {
        say_error(&error);
        return Exit::Usage;
    }
    let hold = runs.iter().all(|(scenario, result)| holds(scenario, result, args.strict));
    if hold || args.exit_zero { Exit::Success } else { Exit::ThresholdFailed }
}

/// Why these arguments do not go with several scenarios.
fn refused(args: &RunArgs) -> Option<&'static str> {
    let text = |format: Format| format == Format::Text;
    if args.output.len() > 1 || !args.output.iter().all(|output| text(output.format)) {
        return Some(
            "several scenarios are told as one text; run them one by one for other formats",
        );
    }
    if args.runs > 1 || !args.explain.is_empty() {
        return Some("--runs and --explain are about one scenario; run them one by one");
    }
    None
}

fn simulate(args: &RunArgs, scenario: &Scenario) -> Result<RunResult, Exit> {
    let options = SweepOptions { keep: Keep::Changes, ..SweepOptions::single(scenario.seed) };
    let wanted = if args.quiet { ProgressArg::None } else { args.progress };
    let meter = Meter::new(wanted, &scenario.name, scenario.total_time(), 1);
    let results = evaluate(scenario, options, &|news| meter.hear(news));
    meter.clear();
    let mut results = results.map_err(|error| {
        say_error(&error);
        Exit::Usage
    })?;
    Ok(results.swap_remove(0))
}
