//! `-o markdown`: a comment for a pull request: the verdict, at most ten rows, the rest folded.
//!
//! It begins with a mark by which a bot finds its own comment again. A comment may have 65,536
//! characters (GitHub): tables are cut, the verdict never is.

use std::fmt::Write as _;

use crate::findings::text::{millis, percent};
use crate::report::text::money;
use crate::report::{Report, ThresholdEntry, ThresholdStatus};
use crate::units::SimDuration;

/// Rows of the first table at most.
const ROWS: usize = 10;
/// Characters at most.
const LONGEST: usize = 65_000;

/// The comment.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut text = head(report);
    text.push_str(&thresholds(report));
    let folded = [
        ("What happened", timeline(report)),
        ("Alerts", alerts(report)),
        ("Services", services(report)),
        ("Cost", cost(report)),
        ("Inputs", inputs(report)),
    ];
    for (title, body) in folded.iter().filter(|(_, body)| !body.is_empty()) {
        let part = format!("\n<details><summary>{title}</summary>\n\n{body}\n</details>\n");
        if text.chars().count() + part.chars().count() <= LONGEST {
            text.push_str(&part);
        } else {
            let _ = writeln!(text, "\n{title}: left out, a comment has no room for it.");
        }
    }
    text
}

/// Text of a table's cell.
fn cell(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('`', "'")
}

fn clock(seconds: f64) -> String {
    let text = SimDuration::from_secs_f64(libm::round(seconds.abs())).to_string();
    if seconds < -0.5 { format!("-{text}") } else { text }
}

fn head(report: &Report) -> String {
    let failed = report.thresholds.iter().filter(|it| !it.ok && !it.warns_only).count();
    let missed = report.expectations.iter().filter(|it| !it.ok).count();
    let (mark, word) = if report.holds { ("✓", "holds") } else { ("✗", "does not hold") };
    let mut parts = vec![match failed {
        0 => format!("{0} of {0} thresholds", report.thresholds.len()),
        _ => format!("{failed} of {} thresholds failed", report.thresholds.len()),
    }];
    if !report.expectations.is_empty() {
        parts.push(format!("{missed} of {} alerts not as expected", report.expectations.len()));
    }
    if let Some(abort) = &report.aborted {
        let (after, planned) = (clock(abort.after_s), clock(report.duration_s));
        parts.push(format!("aborted after {after} of {planned} by {}", cell(&abort.threshold)));
    }
    if let Some(month) = report.cost.per_month {
        parts.push(format!("{} {} a month", report.cost.currency, money(month)));
    }
    let id: String =
        report.scenario.chars().filter(|it| it.is_alphanumeric() || *it == '-').collect();
    format!(
        "<!-- aurelius-sim:{id} -->\n### {mark} `{}` {word}\n{}\n",
        cell(&report.scenario),
        parts.join(" · ")
    )
}

fn thresholds(report: &Report) -> String {
    if report.thresholds.is_empty() {
        return String::new();
    }
    // What failed comes first, so that it is never among the rows that are cut.
    let mut entries: Vec<&ThresholdEntry> = report.thresholds.iter().collect();
    entries.sort_by_key(|entry| entry.ok);
    let mut text = "\n| | threshold | observed | first crossed |\n|---|---|---|---|\n".to_owned();
    for entry in entries.iter().take(ROWS) {
        let mark = match (entry.status, entry.ok) {
            (ThresholdStatus::NoSamples, _) => "?",
            (_, true) => "✓",
            (_, false) => "✗",
        };
        let observed = entry.observed.map_or_else(
            || "unknown".to_owned(),
            |value| match entry.unit.as_deref() {
                Some("ms") => millis(value),
                None if entry.method == "rate" && entry.matching.is_some() => percent(value),
                Some(_) | None => format!("{value:.2}"),
            },
        );
        let crossed = entry.first_violation_s.map_or_else(|| "–".to_owned(), clock);
        let _ = writeln!(
            text,
            "| {mark} | `{} {}` | {observed} | {crossed} |",
            cell(&entry.metric),
            cell(&entry.expression)
        );
    }
    if entries.len() > ROWS {
        let _ = writeln!(text, "\nand {} more that passed.", entries.len() - ROWS);
    }
    text
}

fn timeline(report: &Report) -> String {
    let lines = report.timeline.iter().take(40);
    lines.fold(String::new(), |mut text, entry| {
        let _ = writeln!(text, "- {} {}", clock(entry.t_s), cell(&entry.message));
        text
    })
}

fn alerts(report: &Report) -> String {
    let mut text = String::new();
    for entry in &report.expectations {
        let mark = if entry.ok { "✓" } else { "✗" };
        let _ = writeln!(
            text,
            "- {mark} `{}` expected: {}; {}",
            cell(&entry.alert),
            cell(&entry.expected),
            cell(&entry.told)
        );
    }
    for alert in &report.alerts {
        if let Some(first) = alert.first_fired_s {
            let _ = writeln!(
                text,
                "- `{}` fires from {} for {}",
                cell(&alert.name),
                clock(first),
                clock(alert.firing_s)
            );
        }
        if !alert.not_evaluated.is_empty() {
            let _ = writeln!(
                text,
                "- `{}` is not evaluated: {}",
                cell(&alert.name),
                cell(&alert.not_evaluated.join("; "))
            );
        }
    }
    text
}

fn services(report: &Report) -> String {
    let mut text = "| service | p50 | p95 | p99 | failed |\n|---|---:|---:|---:|---:|\n".to_owned();
    let time = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), millis);
    for service in &report.services {
        let failed = service.failed_share.map_or_else(|| "–".to_owned(), percent);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {failed} |",
            cell(&service.name),
            time(service.p50_ms),
            time(service.p95_ms),
            time(service.p99_ms)
        );
    }
    text
}

fn cost(report: &Report) -> String {
    let mut text =
        "| pool | ready nodes | node-hours | a month | idle |\n|---|---:|---:|---:|---:|\n"
            .to_owned();
    let amount = |value| Option::map_or(value, "unknown".to_owned(), money);
    for pool in &report.node_pools {
        let _ = writeln!(
            text,
            "| {} | {}–{} | {:.2} | {} | {} |",
            cell(&pool.name),
            pool.ready_min,
            pool.ready_max,
            pool.node_hours,
            amount(pool.per_month),
            amount(pool.idle_per_month)
        );
    }
    let cost = &report.cost;
    let _ = writeln!(
        text,
        "\ncontrol plane {}, volumes {}, a million requests {}; a month has {} hours, prices of {}",
        amount(Some(cost.control_plane_per_month)),
        amount(cost.volumes_per_month),
        amount(cost.per_million_requests),
        cost.hours_per_month,
        cell(&report.catalog)
    );
    text
}

fn inputs(report: &Report) -> String {
    let mut text = format!("seed {}, model {}\n\n", report.seed, report.model);
    for input in &report.inputs {
        let _ = writeln!(text, "- `{}` {}", cell(&input.path), input.sha256);
    }
    text
}
