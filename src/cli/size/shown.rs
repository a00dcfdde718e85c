//! The page of a sizing: what it needs beside the result.

use rayon::prelude::*;

use super::args::SizeArgs;
use super::{Written, difference};
use crate::report::html::{ComparedRuns, Sized, sizing};
use crate::report::overlay::Curves;
use crate::report::size::SizingPage;
use crate::scenario::Scenario;
use crate::sweep::size::Plan;
use crate::sweep::{SweepOptions, run};

pub(super) fn html(
    args: &SizeArgs,
    page: &SizingPage,
    scenarios: &[Scenario],
    plan: &Plan,
    written: &Written,
) -> String {
    let curves = |scenario: &Scenario| {
        let result = run(scenario, SweepOptions::single(scenario.seed), 0, &|_| {});
        Curves::of(scenario, &result.measurements)
    };
    let of_scenario = |scenario: &Scenario| {
        let sides = [scenario.clone(), plan.changes.apply(scenario)];
        let mut sides: Vec<Curves> = sides.par_iter().map(curves).collect();
        let candidate = sides.split_off(1);
        ComparedRuns { scenario: scenario.name.to_string(), base: sides, candidate }
    };
    let runs: Vec<ComparedRuns> = scenarios.iter().map(of_scenario).collect();
    let mut inputs: Vec<(String, String)> = scenarios
        .iter()
        .flat_map(|scenario| &scenario.inputs)
        .map(|file| (file.path.to_string(), file.sha256.to_string()))
        .collect();
    inputs.sort();
    inputs.dedup();
    let overlay = if written.cluster.is_empty() {
        written.release.clone()
    } else {
        format!("{}---\n{}", written.release, written.cluster)
    };
    sizing(&Sized {
        page,
        overlay: &overlay,
        difference: &difference(written, &scenarios[0], plan),
        runs: &runs,
        inputs: &inputs,
        command: &command(args),
    })
}

fn command(args: &SizeArgs) -> String {
    let named: Vec<String> = args.scenarios.iter().map(|it| it.display().to_string()).collect();
    let mut command = format!("aurelius-sim size {}", named.join(" "));
    command.push_str(&args.inputs.as_written());
    command.push_str(&format!(" --plan {} --runs {}", args.plan.name(), args.runs));
    if let Some(seed) = args.seed {
        command.push_str(&format!(" --seed {seed}"));
    }
    if let Some(runs) = args.prove_headroom {
        command.push_str(&format!(" --prove-headroom {runs}"));
    }
    if !args.families.is_empty() {
        command.push_str(&format!(" --families {}", args.families.join(",")));
    }
    command.push_str(" -o html=sizing.html");
    command
}
