//! A backtest on a terminal: errors of each figure, totals, and the decisions that differ with their cause.

use std::fmt::Write as _;

use super::clock;
use crate::backtest::{Backtest, Course, Divergence, Outcome, Total};
use crate::findings::text::plural;
use crate::report::explain::sync_text;
use crate::report::grid::text::columns;
use crate::units::SimDuration;

/// Decisions told of each policy; all of them are in the JSON.
const TOLD: usize = 6;

/// The text of a day.
#[must_use]
pub fn text(tested: &Backtest) -> String {
    let mut out = format!("backtest {}\n", tested.name);
    let head = ["metric", "recorded", "simulated", "MAE", "bias", "p95 error", "most", "equal"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for outcome in &tested.outcomes {
        rows.extend(
            outcome.courses.iter().map(|course| course_row(&label(tested, outcome), course)),
        );
    }
    out.push_str(&columns(&rows));
    let mut rows = vec![["total", "recorded", "simulated", "off"].map(str::to_owned).to_vec()];
    for outcome in &tested.outcomes {
        rows.extend(outcome.totals.iter().map(|total| total_row(&label(tested, outcome), total)));
    }
    if rows.len() > 1 {
        out.push('\n');
        out.push_str(&columns(&rows));
    }
    for outcome in &tested.outcomes {
        decisions(tested, outcome, &mut out);
    }
    out
}

/// The policy before what is told of it, where there are several.
fn label(tested: &Backtest, outcome: &Outcome) -> String {
    let width = tested.outcomes.iter().map(|it| it.policy.chars().count()).max().unwrap_or(0);
    if tested.outcomes.len() < 2 { String::new() } else { format!("{:<width$}  ", outcome.policy) }
}

/// A figure of a course with its unit.
#[must_use]
pub fn figure(value: f64, unit: &str) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size >= 1_000.0 => 0,
        _ if size >= 100.0 => 1,
        _ => 2,
    };
    match unit {
        "%" if size > 0.0 && size < 1.0 => format!("{value:.2} %"),
        "%" => format!("{value:.1} %"),
        "ms" => format!("{value:.1}ms"),
        _ => format!("{value:.decimals$}"),
    }
}

fn course_row(label: &str, course: &Course) -> Vec<String> {
    let what = match course.unit {
        "%" | "ms" | "pods" | "nodes" => course.what.clone(),
        unit => format!("{} ({unit})", course.what),
    };
    let mut row = vec![format!("{label}{what}")];
    let Some(errors) = course.errors() else {
        row.extend(["no instant in common", "", "", "", "", "", ""].map(str::to_owned));
        return row;
    };
    let told = |value: f64| figure(value, course.unit);
    let signed = if errors.bias < 0.0 { "" } else { "+" };
    row.extend([
        told(errors.recorded),
        told(errors.simulated),
        told(errors.mean_absolute),
        format!("{signed}{}", told(errors.bias)),
        told(errors.p95),
        told(errors.most),
        format!("{} of {}", errors.equal, errors.instants),
    ]);
    row
}

fn total_row(label: &str, total: &Total) -> Vec<String> {
    let told = |value: Option<f64>| {
        value.map_or_else(|| "-".to_owned(), |value| figure(value, total.unit))
    };
    let off = match (total.unit, total.recorded.zip(total.simulated)) {
        ("%", Some((recorded, simulated))) => format!("{:+.1} points", simulated - recorded),
        _ => total
            .relative()
            .map_or_else(|| "-".to_owned(), |share| format!("{:+.1} %", 100.0 * share)),
    };
    vec![format!("{label}{}", total.what), told(total.recorded), told(total.simulated), off]
}

fn decisions(tested: &Backtest, outcome: &Outcome, out: &mut String) {
    let found = &outcome.divergences;
    let healed = match outcome.healed {
        0 => String::new(),
        healed => format!("; {healed} more healed at once"),
    };
    if !outcome.has_sizes() {
        let _ = writeln!(
            out,
            "\n{}: no size was recorded, so that no decision is compared",
            outcome.policy
        );
        return;
    }
    if found.is_empty() {
        let _ = writeln!(out, "\n{}: every decision is the recorded one{healed}", outcome.policy);
        return;
    }
    let count = plural(found.len(), "decision");
    let verb = if found.len() == 1 { "differs" } else { "differ" };
    let _ = writeln!(out, "\n{}: {count} {verb} from the record{healed}", outcome.policy);
    for divergence in found.iter().take(TOLD) {
        one(tested, divergence, out);
    }
    if found.len() > TOLD {
        let more = found.len() - TOLD;
        let _ = writeln!(out, "  and {more} more: -o json has all of them");
    }
}

/// `16m30s`, from seconds.
#[must_use]
pub fn offset(seconds: f64) -> String {
    SimDuration::from_secs_f64(libm::round(seconds.max(0.0))).to_string()
}

fn one(tested: &Backtest, it: &Divergence, out: &mut String) {
    let sizes = |(before, after): (i32, i32)| {
        if before == after { format!("stays at {after}") } else { format!("{before} → {after}") }
    };
    let _ = writeln!(
        out,
        "  {:>8}  {}: recorded {}, simulated {}, for {}",
        offset(it.at_s),
        it.of,
        sizes(it.recorded),
        sizes(it.simulated),
        offset(it.until_s - it.at_s),
    );
    let _ = writeln!(out, "            cause: {}", it.cause);
    if let Some(sync) = &it.ours {
        let _ = writeln!(out, "            sync:  {}", sync_text(clock(tested), sync));
    }
}
