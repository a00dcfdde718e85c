//! What several runs say together: how often each threshold was met, and its figure with interval.

use std::fmt::Write as _;

use crate::report::sparkline::Charset;
use crate::report::text::Style;
use crate::scenario::Scenario;
use crate::sweep::{RunResult, thresholds_across};

/// A table of the thresholds over all runs: passes, mean and 95 % interval of the figure.
#[must_use]
pub fn across(scenario: &Scenario, results: &[RunResult], strict: bool, style: Style) -> String {
    let (good, bad) = match style.charset {
        Charset::Ascii => ("ok  ", "FAIL"),
        Charset::Unicode => ("✓", "✗"),
    };
    let mut text =
        format!("\n  ACROSS {} RUNS (seed {}, replications)\n", results.len(), scenario.seed);
    let specs: Vec<String> = scenario.thresholds.iter().map(ToString::to_string).collect();
    let width = specs.iter().map(|spec| spec.chars().count()).max().unwrap_or(0);
    for (spec, all) in specs.iter().zip(thresholds_across(results, strict)) {
        let mark = if all.passes == all.runs { good } else { bad };
        let _ = write!(text, "  {mark} {spec:width$}  passes in {} of {}", all.passes, all.runs);
        if let Some(observed) = all.observed {
            let _ = write!(text, "  mean {:.4}", observed.mean);
            if let Some(half) = observed.half_width {
                let _ = write!(text, " ± {half:.4}");
            }
        }
        text.push('\n');
    }
    text
}
