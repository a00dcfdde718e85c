//! The page of a sizing: today's figures beside those of every plan, why, at what risk and how sure.

use crate::report::html::comparison::{ComparedRuns, files};
use crate::report::html::draw::{Charts, Group};
use crate::report::html::frame::{Frame, Part, buttons};
use crate::report::html::write::{Table, escaped};
use crate::report::overlay::overlay;
use crate::report::size::{MatrixRow, PlanEntry, SizingPage, json};

/// What the page of a sizing is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sized<'a> {
    /// The result.
    pub page: &'a SizingPage,
    /// What to deploy with, as YAML.
    pub overlay: &'a str,
    /// The same as a difference against today's figures.
    pub difference: &'a str,
    /// A run of each scenario with today's figures, and one with the plan's.
    pub runs: &'a [ComparedRuns],
    /// Paths and hashes of all files.
    pub inputs: &'a [(String, String)],
    /// The command that makes this page again.
    pub command: &'a str,
}

/// The page.
#[must_use]
pub fn sizing(sized: &Sized<'_>) -> String {
    let page = sized.page;
    let mut charts = Charts::default();
    let part =
        |id: &str, title: &str, body: String| -> Part { (id.to_owned(), title.to_owned(), body) };
    let mut parts = vec![
        part("plans", "Plans", plans(page)),
        part("sizing", "Figures: today and with each plan", matrix(page)),
        part("overlay-part", "To deploy with", overlay_text(sized)),
        part("headroom", "How much more load", headroom(page)),
        part("tolerance", "Losses at the peak", tolerance(page)),
        part("needs", "What is needed, and what it costs", needs(page)),
    ];
    for (number, runs) in sized.runs.iter().enumerate() {
        let title = format!("{}: today and {}", runs.scenario, page.plan);
        let both = overlay(["today", page.plan], &runs.base, &runs.candidate);
        let group = Group { number, span_s: both.span_s, marks: &[] };
        let mut body = charts.draw(&group, both.figures.iter());
        if !both.same.is_empty() {
            let same = escaped(&both.same.join(", "));
            body.push_str(&format!("<p class=\"quiet\">The same with both: {same}.</p>\n"));
        }
        parts.push((format!("time-{number}"), title, body));
    }
    parts.push(part("method", "Method and inputs", method(sized)));
    let data = charts.json("size", &[]);
    Frame {
        name: format!("size {}", page.scenarios.join(" ")),
        top: top(sized, data.is_some()),
        parts,
        charts: data,
        result: json(page),
    }
    .page()
}

fn told(page: &SizingPage) -> Option<&PlanEntry> {
    page.plans.iter().find(|plan| plan.name == page.plan)
}

fn top(sized: &Sized<'_>, charts: bool) -> String {
    let page = sized.page;
    let plan = told(page);
    let proven = plan.and_then(|plan| plan.passes.zip(plan.runs));
    let holds = plan.is_some_and(|plan| plan.holds);
    let (class, mark, word) =
        if holds { ("good", "✓", "holds") } else { ("bad", "✗", "does not hold") };
    let proof = proven.map_or_else(
        || "by the search's model, not proven".to_owned(),
        |(passes, runs)| format!("every threshold holds in {passes} of {runs} runs"),
    );
    let today = if page.today.holds { "hold" } else { "do not hold" };
    let cost =
        plan.and_then(|plan| plan.cost_per_month.clone()).unwrap_or_else(|| "unknown".to_owned());
    let change = plan.and_then(|plan| plan.cost_change.clone());
    let change = change.map_or_else(String::new, |change| format!(" ({change} against today)"));
    format!(
        "<h1>Sizing of {}</h1>\n<p class=\"verdict {class}\"><strong>{mark} the {} plan {word}</strong>: {proof}</p>\n\
         <ul class=\"facts\"><li>today's figures {today}</li><li>{} {cost} a month{change}</li></ul>\n\
         <p>Make it again: <code id=\"command\">{}</code></p>\n{}",
        escaped(&page.scenarios.join(", ")),
        page.plan,
        escaped(&page.currency),
        escaped(sized.command),
        buttons(charts),
    )
}

/// A month's cost as a bar, the dearest plan at full length.
fn bar(cost: Option<&String>, most: f64) -> String {
    let Some(cost) = cost else { return "unknown".to_owned() };
    let share = cost.parse::<f64>().map_or(0.0, |cost| if most > 0.0 { cost / most } else { 0.0 });
    let width = libm::round(share.clamp(0.0, 1.0) * 100.0);
    format!(
        "{} <svg width=\"102\" height=\"12\" aria-hidden=\"true\"><rect x=\"1\" y=\"2\" width=\"100\" height=\"8\" \
         fill=\"currentColor\" fill-opacity=\"0.1\"/><rect x=\"1\" y=\"2\" width=\"{width}\" height=\"8\" \
         fill=\"#0A84C6\"/></svg>",
        escaped(cost)
    )
}

fn plans(page: &SizingPage) -> String {
    let columns =
        ["Plan", "Holds", "Changes", "Nodes", "Cost a month", "Against today", "Worst minute"];
    let mut table = Table::new(&columns);
    let all = || std::iter::once(&page.today).chain(&page.plans);
    let costs = all().filter_map(|plan| plan.cost_per_month.as_ref()?.parse::<f64>().ok());
    let most = costs.fold(0.0, f64::max);
    for plan in all() {
        let mark = if plan.holds {
            "<span class=\"good\">✓ yes</span>"
        } else {
            "<span class=\"bad\">✗ no</span>"
        };
        let proof = match (plan.passes, plan.runs) {
            (Some(passes), Some(runs)) => format!("{passes} of {runs} runs"),
            (_, _) => "by rates".to_owned(),
        };
        let failed: Vec<String> = plan
            .failed
            .iter()
            .filter(|_| !plan.holds)
            .map(|it| format!("<br><code class=\"wrap\">{}</code>", escaped(it)))
            .collect();
        let nodes = if plan.nodes_min == plan.nodes_max {
            plan.nodes_max.to_string()
        } else {
            format!("{} to {}", plan.nodes_min, plan.nodes_max)
        };
        table.row(&[
            format!("<strong>{}</strong>", plan.name),
            format!("{mark} <span class=\"quiet\">{proof}</span>{}", failed.concat()),
            escaped(&plan.changes),
            nodes,
            bar(plan.cost_per_month.as_ref(), most),
            plan.cost_change.as_deref().map_or_else(|| "–".to_owned(), escaped),
            plan.pressed.as_deref().map_or_else(|| "–".to_owned(), escaped),
        ]);
    }
    table.finish()
}

/// Every figure that any plan changes: now, with each plan, why and at what risk.
fn matrix(page: &SizingPage) -> String {
    if page.matrix.is_empty() {
        return "<p>No plan changes a figure.</p>".to_owned();
    }
    let names = page.plans.iter().map(|plan| plan.name);
    let mut columns = vec!["Object", "Field", "#Now"];
    let heads: Vec<String> = names.map(|name| format!("#{name}")).collect();
    columns.extend(heads.iter().map(String::as_str));
    columns.extend(["Because", "Risk"]);
    let mut table = Table::new(&columns).sortable().named("figures-table");
    for row in &page.matrix {
        table.row(&matrix_row(row, page));
    }
    let download = "<p class=\"tools\" hidden><button class=\"tool\" type=\"button\" \
                    data-table-csv=\"figures-table\">Download CSV</button></p>";
    format!(
        "<p class=\"quiet\">A dash leaves the figure as it is. Reasons and risks are those of the {} plan.</p>\n{}{download}",
        page.plan,
        table.finish()
    )
}

fn matrix_row(row: &MatrixRow, page: &SizingPage) -> Vec<String> {
    let mut cells = vec![
        format!("<code class=\"wrap\">{}</code>", escaped(&row.object)),
        format!("<code class=\"wrap\">{}</code>", escaped(&row.field)),
        escaped(&row.now),
    ];
    for (plan, amount) in page.plans.iter().zip(&row.plans) {
        let amount = amount.as_deref().map_or_else(|| "–".to_owned(), escaped);
        let chosen = plan.name == page.plan;
        cells.push(if chosen { format!("<strong>{amount}</strong>") } else { amount });
    }
    let class = match row.risk {
        Some("High") => "bad",
        Some("Medium") => "warn",
        Some(_) | None => "quiet",
    };
    // The arithmetic is the longest cell: it must not be pressed into a word a line.
    cells.push(format!("<div style=\"min-width:15em\">{}</div>", escaped(&row.because)));
    cells.push(format!("<span class=\"{class}\">{}</span>", row.risk.unwrap_or("–")));
    cells
}

fn overlay_text(sized: &Sized<'_>) -> String {
    if sized.overlay.trim().is_empty() {
        return String::new();
    }
    format!(
        "<p class=\"tools\" hidden><button class=\"tool\" type=\"button\" data-copy=\"overlay\">Copy YAML</button></p>\
         <pre id=\"overlay\">{}</pre>\n<details><summary>As a difference</summary><pre>{}</pre></details>\n",
        escaped(sized.overlay),
        escaped(sized.difference)
    )
}

fn headroom(page: &SizingPage) -> String {
    let columns = ["Figures", "#Holds up to", "#Fails at", "First to fail", "Binds", "Found"];
    let mut table = Table::new(&columns);
    for row in &page.headroom {
        let first = row.failed.first();
        table.row(&[
            format!("<strong>{}</strong>", row.figures),
            if row.holds_at > 0.0 { format!("{:.2} ×", row.holds_at) } else { "–".to_owned() },
            row.fails_at.map_or_else(|| "not seen".to_owned(), |at| format!("{at:.2} ×")),
            first.map_or_else(
                || "–".to_owned(),
                |it| format!("<code class=\"wrap\">{}</code>", escaped(it)),
            ),
            row.binds.as_deref().map_or_else(|| "–".to_owned(), escaped),
            escaped(&row.found),
        ]);
    }
    table.finish()
}

fn tolerance(page: &SizingPage) -> String {
    if page.tolerance.is_empty() {
        return String::new();
    }
    let plan = page.plan.to_owned();
    let mut table = Table::new(&["Lost", "Today", &plan, "First to fail", "Found"]);
    let word = |holds: bool| {
        if holds {
            "<span class=\"good\">✓ holds</span>".to_owned()
        } else {
            "<span class=\"bad\">✗ fails</span>".to_owned()
        }
    };
    for loss in &page.tolerance {
        table.row(&[
            escaped(&loss.lost),
            word(loss.today),
            word(loss.plan),
            loss.failed.first().map_or_else(|| "–".to_owned(), |it| escaped(it)),
            escaped(&loss.found),
        ]);
    }
    table.finish()
}

fn needs(page: &SizingPage) -> String {
    let columns =
        ["When", "#CPU", "#Memory (GiB)", "#GPUs", "#Storage (GiB)", "#Nodes", "Cost a month"];
    let mut table = Table::new(&columns);
    let costs = page.needs.iter().filter_map(|it| it.cost_per_month.as_ref()?.parse::<f64>().ok());
    let most = costs.fold(0.0, f64::max);
    for need in &page.needs {
        table.row(&[
            escaped(&need.told()),
            format!("{:.1}", need.cpu),
            format!("{:.0}", need.memory_gib),
            need.gpus.to_string(),
            format!("{:.0}", need.storage_gib),
            need.nodes.to_string(),
            bar(need.cost_per_month.as_ref(), most),
        ]);
    }
    let mut html = table.finish();
    if let Some(stated) = &page.stated {
        if stated.short.is_empty() {
            html.push_str(&format!(
                "<p class=\"good\">✓ What {} states is enough for all of them.</p>",
                escaped(&stated.name)
            ));
        }
        for short in &stated.short {
            html.push_str(&format!("<p class=\"bad\">✗ not enough: {}</p>", escaped(short)));
        }
    }
    html
}

fn method(sized: &Sized<'_>) -> String {
    let page = sized.page;
    let left = if page.not_measured.is_empty() {
        String::new()
    } else {
        format!(
            "<p>Left as they are, as no service profile says what they use: {}.</p>",
            escaped(&page.not_measured.join(", "))
        )
    };
    format!("<p>{}.</p>{left}{}", escaped(&page.method), files(sized.inputs))
}
