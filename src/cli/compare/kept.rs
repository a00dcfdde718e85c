//! What the page of a comparison needs of each run, kept while runs come and go.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::args::{CompareArgs, CompareFormat};
use crate::cli::outputs::Output;
use crate::report::html::ComparedRuns;
use crate::report::overlay::Curves;
use crate::scenario::Scenario;
use crate::sweep::RunResult;

/// Courses of runs by side (0 base, 1 candidate), scenario and replication: the order in which threads
/// bring them does not matter. Nothing is kept where no page was asked for.
pub(super) struct Kept(Option<Mutex<ByRun>>);

/// By side, position of the scenario and replication.
type ByRun = BTreeMap<(usize, usize, u64), Curves>;

impl Kept {
    pub(super) fn new(outputs: &[Output<CompareFormat>]) -> Self {
        let page = outputs.iter().any(|output| output.format == CompareFormat::Html);
        Self(page.then(Mutex::default))
    }

    pub(super) fn keep(
        &self,
        (side, position): (usize, usize),
        scenario: &Scenario,
        result: &RunResult,
    ) {
        if let Some(kept) = &self.0 {
            let curves = Curves::of(scenario, &result.measurements);
            let mut kept = kept.lock().expect("no thread panics while it holds the lock");
            kept.insert((side, position, result.replication), curves);
        }
    }

    /// The runs of each scenario on both sides.
    pub(super) fn runs(self, scenarios: &[String]) -> Vec<ComparedRuns> {
        let kept = self.0.and_then(|kept| kept.into_inner().ok()).unwrap_or_default();
        let mut runs: Vec<ComparedRuns> = scenarios
            .iter()
            .map(|name| ComparedRuns { scenario: name.clone(), ..ComparedRuns::default() })
            .collect();
        for ((side, position, _), curves) in kept {
            if let Some(of_scenario) = runs.get_mut(position) {
                let side =
                    if side == 0 { &mut of_scenario.base } else { &mut of_scenario.candidate };
                side.push(curves);
            }
        }
        runs
    }
}

/// The command that makes the page again.
pub(super) fn command(args: &CompareArgs, runs: usize) -> String {
    let shown = |paths: &[std::path::PathBuf], option: &str| -> String {
        paths.iter().map(|path| format!(" {option}{}", path.display())).collect()
    };
    let mut command = format!("aurelius-sim compare{}", shown(&args.paths, ""));
    if let Some(reference) = &args.base_ref {
        command.push_str(&format!(" --base-ref {reference}"));
    }
    command.push_str(&shown(args.baseline.as_slice(), "--baseline "));
    command.push_str(&shown(&args.scenarios, "--scenario "));
    command.push_str(&args.inputs.as_written());
    command.push_str(&format!(" --runs {runs}"));
    if args.fluid {
        command.push_str(" --fluid");
    }
    if let Some(seed) = args.seed {
        command.push_str(&format!(" --seed {seed}"));
    }
    command.push_str(" -o html=comparison.html");
    command
}
