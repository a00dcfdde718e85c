//! The top of the page: the verdict, thresholds, and what happened.

use crate::findings::text::{grouped, millis, percent};
use crate::report::html::write::{Table, clock, escaped, instant, place};
use crate::report::{Report, ThresholdEntry, ThresholdStatus};
use crate::units::convert::f64_from_u64;

pub(super) fn verdict(report: &Report, command: &str) -> String {
    let failed = report.thresholds.iter().filter(|it| !it.ok && !it.warns_only).count();
    let missed = report.expectations.iter().filter(|it| !it.ok).count();
    let (thresholds, expected) = (report.thresholds.len(), report.expectations.len());
    let judged = thresholds + expected > 0;
    let (class, mark, word) = match (report.holds, judged) {
        (_, false) => ("warn", "?", "is not judged"),
        (true, true) => ("good", "✓", "holds"),
        (false, true) => ("bad", "✗", "does not hold"),
    };
    let mut parts = Vec::new();
    if thresholds > 0 {
        parts.push(if failed == 0 {
            format!("all {thresholds} thresholds passed")
        } else {
            format!("{failed} of {thresholds} thresholds failed")
        });
    }
    if expected > 0 {
        parts.push(if missed == 0 {
            format!("{expected} of {expected} alerts as expected")
        } else {
            format!("{missed} of {expected} alerts not as expected")
        });
    }
    if let Some(abort) = &report.aborted {
        let (after, by) = (clock(abort.after_s), escaped(&abort.threshold));
        parts.push(format!("aborted after {after} by <code>{by}</code>"));
    }
    let judged =
        if parts.is_empty() { "it has no thresholds".to_owned() } else { parts.join(", ") };
    let name = escaped(&report.scenario);
    let runs = report.runs.len();
    let runs =
        if runs > 1 { format!("<li>{runs} runs, the first shown</li>") } else { String::new() };
    format!(
        "<h1>{name}</h1>\n<p>{}</p>\n<p class=\"verdict {class}\"><strong>{mark} {name} {word}</strong>: \
         {judged}</p>\n<ul class=\"facts\"><li>{} simulated</li><li>model {}</li><li>seed {}</li>{runs}\
         <li>cluster {} ({})</li><li>prices of {}</li><li>{}</li></ul>\n\
         <p>Make it again: <code id=\"command\">{}</code></p>\n\
         {}",
        escaped(&report.description),
        clock(report.duration_s),
        report.model,
        report.seed,
        escaped(&report.cluster),
        report.provider,
        escaped(&report.catalog),
        cost(report),
        escaped(command),
        crate::report::html::frame::buttons(true),
    )
}

fn cost(report: &Report) -> String {
    let cost = &report.cost;
    match cost.per_month {
        Some(amount) => {
            format!("{} {} a month", escaped(&cost.currency), crate::report::text::money(amount))
        }
        None => "cost unknown".to_owned(),
    }
}

pub(super) fn thresholds(report: &Report) -> String {
    if report.thresholds.is_empty() {
        return "<p>The scenario states no thresholds.</p>".to_owned();
    }
    let several = report.runs.len() > 1;
    let mut columns =
        vec!["", "Metric", "Limit", "#Observed", "Margin", "First crossed", "For", "Written at"];
    if several {
        columns.push("#Passes");
    }
    let mut table = Table::new(&columns);
    for entry in &report.thresholds {
        let (class, word) = match (entry.status, entry.ok, entry.warns_only) {
            (ThresholdStatus::NoSamples, _, _) => ("warn", "? none"),
            (_, true, _) => ("good", "✓ ok"),
            (_, false, true) => ("warn", "! warn"),
            (_, false, false) => ("bad", "✗ FAIL"),
        };
        let mut cells = vec![
            format!("<span class=\"{class}\">{word}</span>"),
            format!("<code>{}</code>", escaped(&entry.metric)),
            format!("<code>{}</code>", escaped(&entry.expression)),
            observed(entry),
            margin(entry),
            entry.first_violation_s.map_or_else(|| "–".to_owned(), instant),
            if entry.violated_for_s > 0.0 { clock(entry.violated_for_s) } else { "–".to_owned() },
            place(entry.location.as_ref()),
        ];
        if several {
            cells.push(format!("{} of {}", entry.passes, report.runs.len()));
        }
        table.row(&cells);
    }
    table.finish()
}

/// A figure in its unit.
fn observed(entry: &ThresholdEntry) -> String {
    let Some(value) = entry.observed else { return "unknown".to_owned() };
    let figure = match entry.unit.as_deref() {
        Some("ms") => millis(value),
        Some("B") => format!("{} B", grouped(value)),
        Some(money) => format!("{} {value:.2}", escaped(money)),
        None if entry.method == "rate" && entry.matching.is_some() => percent(value),
        None => crate::report::html::write::short(value),
    };
    match (entry.matching, entry.of) {
        (Some(matching), Some(of)) => {
            let (matching, of) = (grouped(f64_from_u64(matching)), grouped(f64_from_u64(of)));
            format!("{figure}<br><span class=\"quiet\">{matching} of {of}</span>")
        }
        _ => figure,
    }
}

/// How far the figure is from the limit, as a bar whose whole length is the limit.
fn margin(entry: &ThresholdEntry) -> String {
    let Some(margin) = entry.margin else { return "–".to_owned() };
    let used = (1.0 - margin).clamp(0.0, 2.0);
    let width = libm::round(used * 50.0);
    let (colour, word) = if margin < 0.0 {
        ("#C0271D", format!("{} over", percent((-margin).min(99.0))))
    } else {
        ("#009E73", format!("{} left", percent(margin)))
    };
    format!(
        "<span class=\"margin\"><svg width=\"104\" height=\"12\" role=\"img\" aria-label=\"{word}\"><rect x=\"1\" y=\"2\" \
         width=\"100\" height=\"8\" fill=\"currentColor\" fill-opacity=\"0.1\"/><rect x=\"1\" y=\"2\" \
         width=\"{width}\" height=\"8\" fill=\"{colour}\"/><line x1=\"51\" y1=\"0\" x2=\"51\" y2=\"12\" \
         stroke=\"currentColor\"/></svg> {word}</span>"
    )
}

pub(super) fn timeline(report: &Report) -> String {
    if report.timeline.is_empty() {
        return "<p>Nothing to tell: no limit was reached and no decision stood out.</p>"
            .to_owned();
    }
    let mut table = Table::new(&["When", "About", "What", "Code"]).named("timeline");
    for entry in &report.timeline {
        let conditions = match (&entry.condition, &entry.status) {
            (Some(condition), Some(status)) => {
                format!(" <code>{}={}</code>", escaped(condition), escaped(status))
            }
            _ => String::new(),
        };
        table.row(&[
            instant(entry.t_s),
            format!("<code>{}</code>", escaped(&entry.object)),
            format!("{}{conditions}", escaped(&entry.message)),
            entry
                .reason
                .as_deref()
                .map_or_else(String::new, |it| format!("<code>{}</code>", escaped(it))),
        ]);
    }
    format!("{}{}", crate::report::html::write::filter("timeline", "gateway, AUR9"), table.finish())
}
