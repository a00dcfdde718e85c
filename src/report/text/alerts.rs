//! Alerts on the terminal: what was expected, what fires, what was not evaluated.

use crate::alerts::{AlertOutcome, ExpectationOutcome, State, firing};
use crate::report::text::layout::{Line, Page, Role};
use crate::report::text::{Detail, Told};
use crate::scenario::alerts::Fires;
use crate::units::SimDuration;

/// Expectations that the compact summary lists at most.
const LISTED: usize = 4;

/// One line for each expectation, then for each alert that fires.
pub(super) fn alerts(told: &Told<'_>, page: &mut Page) {
    let alerted = told.alerts;
    let full = page.style().detail == Detail::Full;
    let fired: Vec<&AlertOutcome> =
        alerted.alerts.iter().filter(|alert| alert.first_fired_s().is_some()).collect();
    let outside: Vec<&AlertOutcome> =
        alerted.alerts.iter().filter(|alert| !alert.obstacles.is_empty()).collect();
    let missed = alerted.expectations.iter().any(|outcome| full || !outcome.holds);
    let failed = alerted.alerts.iter().any(|alert| alert.failed.is_some());
    let told_outside = full && (failed || !outside.is_empty());
    if fired.is_empty() && !missed && !told_outside {
        return;
    }
    if full || missed {
        page.title("ALERTS");
    } else {
        page.blank();
    }
    // What came true needs no line of its own where room is short: the verdict counts it.
    let shown = alerted.expectations.iter().filter(|outcome| full || !outcome.holds);
    for outcome in shown.take(if full { usize::MAX } else { LISTED }) {
        page.add(expectation(outcome));
    }
    if full {
        fired.iter().for_each(|alert| page.add(fires(alert)));
    } else if !fired.is_empty() {
        let told: Vec<String> = fired.iter().map(|alert| briefly(alert)).collect();
        let first = Line::new().with(Role::Title, "  ALERTS  ");
        page.add_wrapped(first, &told.join(", "), 10, 2);
    }
    if full {
        for alert in &alerted.alerts {
            let Some((sentence, times)) = &alert.failed else { continue };
            let line = Line::new().plain(format!("  {times} evaluations failed: {}  ", alert.name));
            page.add(line.with(Role::Quiet, &**sentence));
        }
        for alert in outside {
            let line = Line::new().plain(format!("  not evaluated: {}  ", alert.name));
            page.add(line.with(Role::Quiet, alert.obstacles.join("; ")));
        }
    }
}

fn expectation(outcome: &ExpectationOutcome) -> Line {
    let (role, mark) =
        if outcome.holds { (Role::Good, "✓ ok  ") } else { (Role::Bad, "✗ FAIL") };
    let expected = match outcome.expected.fires {
        Fires::Never => "must never fire",
        Fires::Between { .. } => "must fire",
    };
    Line::new()
        .with(role, format!("  {mark}  "))
        .plain(format!("{} {expected}: ", outcome.expected.alert))
        .with(Role::Quiet, &*outcome.told)
}

/// `HighLatency from 6m00s for 14m00s`.
fn briefly(alert: &AlertOutcome) -> String {
    let span = |seconds: f64| SimDuration::from_secs_f64(seconds).to_string();
    let first = span(alert.first_fired_s().unwrap_or(0.0));
    format!("{} from {first} for {}", alert.name, span(alert.lasted_s(State::Firing)))
}

fn fires(alert: &AlertOutcome) -> Line {
    let first = alert.first_fired_s().unwrap_or(0.0);
    let span = |seconds: f64| SimDuration::from_secs_f64(seconds).to_string();
    let series = alert
        .instances
        .iter()
        .filter(|it| !firing(std::slice::from_ref(*it), &[]).is_empty())
        .count();
    let role = match alert.severity.as_deref() {
        Some("critical" | "error" | "page") => Role::Bad,
        Some(_) | None => Role::Doubtful,
    };
    let lasted = span(alert.lasted_s(State::Firing));
    Line::new()
        .plain("  ")
        .with(role, format!("{} fires", alert.name))
        .plain(format!(" from {} for {lasted}", span(first)))
        .with(
            Role::Quiet,
            format!(
                "  {}for: {}, {series} series",
                alert.severity.as_ref().map_or_else(String::new, |it| format!("{it}, ")),
                span(alert.hold_s),
            ),
        )
}
