//! The page of a comparison: the verdict, every figure with its interval, and both sides over each other.

use crate::findings::text::plural;
use crate::report::bench::comparison::Comparison;
use crate::report::bench::forms::change;
use crate::report::bench::verdict_word;
use crate::report::figures::shown;
use crate::report::html::draw::{Charts, Group};
use crate::report::html::frame::{Frame, Part, buttons};
use crate::report::html::write::{Table, escaped};
use crate::report::overlay::{Curves, overlay};
use crate::sweep::paired::Verdict;

/// The runs of a scenario on both sides, as far as there are any.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ComparedRuns {
    /// Name of the scenario.
    pub scenario: String,
    /// Of the base; none when it is a saved result.
    pub base: Vec<Curves>,
    /// Of the candidate.
    pub candidate: Vec<Curves>,
}

/// The page. `result` is the whole result as JSON, `inputs` are paths and hashes of all files, `command`
/// makes the page again.
#[must_use]
pub fn comparison(
    compared: &Comparison,
    runs: &[ComparedRuns],
    result: &str,
    inputs: &[(String, String)],
    command: &str,
) -> String {
    let mut charts = Charts::default();
    let mut parts = vec![
        part("figures", "Figures", figures(compared)),
        part("changed", "What was changed", changed(compared)),
    ];
    for (number, of_scenario) in runs.iter().enumerate() {
        let title = format!("{} over time", of_scenario.scenario);
        let body = over_time(&mut charts, number, of_scenario);
        parts.push((format!("time-{number}"), title, body));
    }
    parts.push(part("inputs", "Inputs", files(inputs)));
    let data = charts.json(&compared.name, &[]);
    Frame {
        name: compared.name.clone(),
        top: top(compared, command, data.is_some()),
        parts,
        charts: data,
        result: compact(result),
    }
    .page()
}

fn part(id: &str, title: &str, body: String) -> Part {
    (id.to_owned(), title.to_owned(), body)
}

/// The same JSON without blanks.
fn compact(json: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(json).ok();
    value.map_or_else(|| json.to_owned(), |value| value.to_string())
}

fn top(compared: &Comparison, command: &str, charts: bool) -> String {
    let count = compared.regressions.len();
    let worse = compared.scenarios.iter().flat_map(|it| &it.lines);
    let worse = worse.filter(|line| line.difference.verdict == Verdict::Worse).count();
    let (class, word) = match (count, worse) {
        (0, 0) if compared.differs() => ("good", "✓ nothing is worse".to_owned()),
        (0, 0) => ("good", "✓ no change that can be told from chance".to_owned()),
        (0, _) => ("warn", format!("! {} worse, none beyond a limit", plural(worse, "figure"))),
        (_, _) => ("bad", format!("✗ {}", plural(count, "regression"))),
    };
    let regressions: Vec<String> = compared
        .regressions
        .iter()
        .map(|it| {
            format!("<li><strong>{}</strong>: {}</li>", escaped(&it.scenario), escaped(&it.what))
        })
        .collect();
    let listed = if regressions.is_empty() {
        String::new()
    } else {
        format!("<ul>{}</ul>\n", regressions.concat())
    };
    format!(
        "<h1>{}</h1>\n<p>Base <code>{}</code>, candidate <code>{}</code>.</p>\n<p class=\"verdict {class}\">\
         <strong>{word}</strong></p>\n{listed}<ul class=\"facts\"><li>{}</li><li>{} of each side, with \
         the same luck</li></ul>\n<p>Make it again: <code id=\"command\">{}</code></p>\n{}",
        escaped(&compared.name),
        escaped(&compared.base),
        escaped(&compared.candidate),
        plural(compared.scenarios.len(), "scenario"),
        plural(compared.runs, "run"),
        escaped(command),
        buttons(charts),
    )
}

fn figures(compared: &Comparison) -> String {
    let columns =
        ["Scenario", "Figure", "#Base", "#Candidate", "#Change (95 %, paired)", "Verdict"];
    let mut table = Table::new(&columns).sortable().named("figures-table");
    for scenario in &compared.scenarios {
        let name = format!("<strong>{}</strong>", escaped(&scenario.scenario));
        for line in &scenario.lines {
            let paired = &line.difference.paired;
            let class = match line.difference.verdict {
                Verdict::Better => "good",
                Verdict::Worse => "bad",
                Verdict::NoChange | Verdict::Unknown => "quiet",
            };
            table.row(&[
                name.clone(),
                escaped(line.measure.name()),
                escaped(&shown(line.measure, paired.base)),
                escaped(&shown(line.measure, paired.candidate)),
                escaped(&change(line)),
                format!("<span class=\"{class}\">{}</span>", verdict_word(line.difference.verdict)),
            ]);
        }
        let of = |(passed, all): (usize, usize)| format!("{passed} of {all}");
        let refused = scenario.refused.as_deref().map_or_else(String::new, |reason| {
            format!("<span class=\"bad\">not run: {}</span>", escaped(reason))
        });
        table.row(&[
            name,
            "holds in".to_owned(),
            of(scenario.base_holds),
            of(scenario.candidate_holds),
            String::new(),
            refused,
        ]);
    }
    table.finish()
}

fn changed(compared: &Comparison) -> String {
    if compared.changes.is_empty() {
        return String::new();
    }
    let lines =
        compared.changes.iter().map(|line| format!("<li><code>{}</code></li>", escaped(line)));
    format!("<ul>{}</ul>", lines.collect::<String>())
}

/// The charts of a scenario; a sentence where there is nothing to draw.
fn over_time(charts: &mut Charts, number: usize, runs: &ComparedRuns) -> String {
    if runs.base.is_empty() || runs.candidate.is_empty() {
        let side = if runs.base.is_empty() { "base" } else { "candidate" };
        return format!(
            "<p class=\"quiet\">The {side} has no runs of this scenario to draw: a saved result keeps figures, no \
             series.</p>"
        );
    }
    let both = overlay(["base", "candidate"], &runs.base, &runs.candidate);
    let group = Group { number, span_s: both.span_s, marks: &[] };
    let several = runs.base.len().max(runs.candidate.len()) > 1;
    let mut html = String::new();
    if several && !both.figures.is_empty() {
        html.push_str(
            "<p class=\"quiet\">Lines are medians of the runs of each side, bands hold the 5th to the 95th \
             percentile.</p>\n",
        );
    }
    html.push_str(&charts.draw(&group, both.figures.iter()));
    if !both.same.is_empty() {
        let same = escaped(&both.same.join(", "));
        html.push_str(&format!("<p class=\"quiet\">The same on both sides: {same}.</p>\n"));
    }
    html
}

pub(super) fn files(inputs: &[(String, String)]) -> String {
    let mut table = Table::new(&["File", "SHA-256"]);
    for (path, sha256) in inputs {
        table.row(&[
            format!("<code>{}</code>", escaped(path)),
            format!("<code class=\"wrap\">{}</code>", escaped(sha256)),
        ]);
    }
    table.finish()
}
