//! The page of a backtest: how far every figure is off, over time and in all, and the decisions that differ
//! with their cause.

use crate::backtest::{Backtest, Course, Divergence, Outcome};
use crate::findings::text::plural;
use crate::report::backtest::text::figure;
use crate::report::backtest::{clock, day_json, figures};
use crate::report::explain::sync_text;
use crate::report::html::comparison::files;
use crate::report::html::draw::{Charts, Group};
use crate::report::html::frame::{Frame, Part, buttons};
use crate::report::html::write::{self, Table, escaped};

/// Rows of decisions of a policy at most; the JSON in the page has all of them.
const ROWS: usize = 200;

/// The page. `inputs` are paths and hashes of all files, `command` makes the page again.
#[must_use]
pub fn backtest(days: &[Backtest], inputs: &[(String, String)], command: &str) -> String {
    let mut charts = Charts::default();
    let mut parts: Vec<Part> = Vec::new();
    for (number, day) in days.iter().enumerate() {
        let part = |id: &str, title: &str, body: String| -> Part {
            (format!("{id}-{number}"), format!("{}: {title}", day.name), body)
        };
        parts.push(part("errors", "record and simulation", errors(day)));
        parts.push(part("totals", "the whole day", totals(day)));
        let span = day.outcomes.iter().flat_map(|it| &it.courses).flat_map(|it| it.times_s.last());
        let span_s = span.copied().fold(0.0, f64::max);
        let drawn = figures(day);
        let group = Group { number, span_s, marks: &[] };
        parts.push(part("time", "over time", charts.draw(&group, drawn.iter())));
        parts.push(part("decisions", "decisions that differ", decisions(day)));
    }
    let mut notes: Vec<&String> = days.iter().flat_map(|day| &day.notes).collect();
    notes.dedup();
    let notes: String = notes.iter().map(|note| format!("<li>{}</li>", escaped(note))).collect();
    parts.push(("taken".to_owned(), "Taken for granted".to_owned(), format!("<ul>{notes}</ul>")));
    parts.push(("inputs".to_owned(), "Inputs".to_owned(), files(inputs)));
    let data = charts.json("backtest", &[]);
    let names: Vec<&str> = days.iter().map(|day| &*day.name).collect();
    let result = serde_json::Value::from(days.iter().map(day_json).collect::<Vec<_>>());
    Frame {
        name: format!("backtest {}", names.join(" ")),
        top: top(days, command, data.is_some()),
        parts,
        charts: data,
        result: result.to_string(),
    }
    .page()
}

fn top(days: &[Backtest], command: &str, charts: bool) -> String {
    let first = || days.iter().filter_map(|day| day.outcomes.first());
    let differing: usize = first().map(|outcome| outcome.divergences.len()).sum();
    let (class, word) = if !first().any(Outcome::has_sizes) {
        ("warn", "no size was recorded: only figures are compared".to_owned())
    } else if differing == 0 {
        ("good", "✓ every decision is the recorded one".to_owned())
    } else {
        ("warn", format!("! {} not the recorded one", plural(differing, "decision")))
    };
    let names: Vec<&str> = days.iter().map(|day| &*day.name).collect();
    format!(
        "<h1>Backtest of {}</h1>\n<p class=\"verdict {class}\"><strong>{word}</strong></p>\n\
         <p>Make it again: <code id=\"command\">{}</code></p>\n{}",
        escaped(&names.join(", ")),
        escaped(command),
        buttons(charts),
    )
}

fn errors(day: &Backtest) -> String {
    let mut table = Table::new(&[
        "Policy",
        "Metric",
        "#Recorded",
        "#Simulated",
        "#MAE",
        "#Bias",
        "#p95 error",
        "#Most",
        "#Equal",
    ])
    .sortable();
    for outcome in &day.outcomes {
        for course in &outcome.courses {
            table.row(&row(outcome, course));
        }
    }
    table.finish()
}

fn row(outcome: &Outcome, course: &Course) -> Vec<String> {
    let unit = course.unit;
    let mut cells = vec![escaped(&outcome.policy), escaped(&format!("{} ({unit})", course.what))];
    match course.errors() {
        Some(it) => {
            let figures = [it.recorded, it.simulated, it.mean_absolute, it.bias, it.p95, it.most];
            cells.extend(figures.map(|value| figure(value, unit)));
            cells.push(format!("{} of {}", it.equal, it.instants));
        }
        None => {
            cells.push("no instant in common".to_owned());
            cells.extend(std::iter::repeat_n(String::new(), 6));
        }
    }
    cells
}

fn totals(day: &Backtest) -> String {
    let mut table = Table::new(&["Policy", "Total", "#Recorded", "#Simulated", "#Off"]);
    for outcome in &day.outcomes {
        for total in &outcome.totals {
            let told = |value: Option<f64>| {
                value.map_or_else(|| "–".to_owned(), |value| figure(value, total.unit))
            };
            let off = total.relative();
            table.row(&[
                escaped(&outcome.policy),
                escaped(&format!("{} ({})", total.what, total.unit)),
                told(total.recorded),
                told(total.simulated),
                off.map_or_else(|| "–".to_owned(), |share| format!("{:+.1} %", 100.0 * share)),
            ]);
        }
    }
    table.finish()
}

fn decisions(day: &Backtest) -> String {
    let mut html = String::new();
    for outcome in &day.outcomes {
        let count = outcome.divergences.len();
        html.push_str(&format!("<h3>{}</h3>\n", escaped(&outcome.policy)));
        if count == 0 {
            html.push_str("<p>Every decision is the recorded one.</p>\n");
            continue;
        }
        let mut table =
            Table::new(&["At", "Size", "Recorded", "Simulated", "For", "Cause", "Our sync"]);
        for divergence in outcome.divergences.iter().take(ROWS) {
            table.row(&decision_row(day, divergence));
        }
        html.push_str(&table.finish());
        if count > ROWS {
            html.push_str(&format!("<p class=\"quiet\">and {} more</p>\n", count - ROWS));
        }
    }
    html
}

fn decision_row(day: &Backtest, it: &Divergence) -> Vec<String> {
    let sizes = |(before, after): (i32, i32)| format!("{before} → {after}");
    let sync = it.ours.as_ref().map(|sync| sync_text(clock(day), sync));
    vec![
        write::instant(it.at_s),
        escaped(&it.of),
        sizes(it.recorded),
        sizes(it.simulated),
        write::clock(it.until_s - it.at_s),
        escaped(&it.cause),
        sync.map_or_else(|| "–".to_owned(), |sync| escaped(&sync)),
    ]
}
