//! A sizing for the terminal.

use std::fmt::Write as _;

use super::{HeadroomEntry, PlanEntry, RowEntry, SizingPage};
use crate::findings::text::grouped;
use crate::report::text::COLUMNS_MOST;

/// Letters that the last column has at least, however wide the others are.
const NARROW: usize = 24;

/// The page in at most 100 columns where names allow it. `all` shows services without changes too.
#[must_use]
pub fn text(page: &SizingPage, all: bool) -> String {
    let mut text = String::new();
    for line in folded(&super::verdict(page), COLUMNS_MOST) {
        text.push_str(&line);
        text.push('\n');
    }
    text.push('\n');
    services(page, all, &mut text);
    if !page.node_pools.is_empty() {
        text.push_str("node pools\n");
        rows(&page.node_pools, true, &mut text);
        text.push('\n');
    }
    plans(page, &mut text);
    proof(page, &mut text);
    needs(page, &mut text);
    headroom(page, &mut text);
    tolerance(page, &mut text);
    if !page.not_measured.is_empty() {
        let _ = writeln!(
            text,
            "\nLeft as they are, as no service profile says what they use: {}.",
            page.not_measured.join(", ")
        );
    }
    text
}

fn services(page: &SizingPage, all: bool, text: &mut String) {
    let mut right = Vec::new();
    for service in &page.services {
        if service.rows.is_empty() {
            right.push(service.service.as_str());
            if !all {
                continue;
            }
        }
        let _ = writeln!(
            text,
            "{}  {} · risk {} · worst minute today: {}",
            service.service,
            service.finding,
            service.risk,
            if service.pressure < 10.0 {
                format!("{:.0}% used", service.pressure * 100.0)
            } else {
                format!("{} times what it can do", grouped(service.pressure))
            }
        );
        if !service.rows.is_empty() {
            rows(&service.rows, false, text);
        }
        text.push('\n');
    }
    if !right.is_empty() && !all {
        let _ = writeln!(text, "{}: already right (hidden, --all shows them)\n", right.join(", "));
    }
}

fn rows(rows: &[RowEntry], with_object: bool, text: &mut String) {
    let field = |row: &RowEntry| {
        if with_object {
            let name = row.object.split_once('/').map_or(row.object.as_str(), |(_, name)| name);
            format!("{name} {}", row.field)
        } else {
            row.field.clone()
        }
    };
    let mut table =
        vec![["FIELD".to_owned(), "NOW".to_owned(), "SET TO".to_owned(), "BECAUSE".to_owned()]];
    table.extend(
        rows.iter()
            .map(|row| [field(row), row.now.clone(), row.set_to.clone(), row.because.clone()]),
    );
    write_table(&table, text);
}

/// Columns apart by two blanks; the last is not padded, and goes on below itself where it is too long.
fn write_table<const N: usize>(table: &[[String; N]], text: &mut String) {
    let width =
        |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let before = 1 + widths[..N - 1].iter().map(|width| width + 2).sum::<usize>();
    let room = COLUMNS_MOST.saturating_sub(before + 1).max(NARROW);
    for row in table {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths).take(N - 1) {
            let _ = write!(line, " {cell:width$} ");
        }
        for part in folded(&row[N - 1], room) {
            line.push(' ');
            line.push_str(&part);
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(before);
        }
    }
}

/// A text in lines of so many letters at most, broken at blanks.
fn folded(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always one");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= room {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn plans(page: &SizingPage, text: &mut String) {
    let cost = format!("{}/MO", page.currency);
    let heads = ["PLAN", "CHANGES", "HOLDS", "NODES", &cost, "WORST MINUTE"];
    let mut table = vec![heads.map(str::to_owned)];
    let line = |plan: &PlanEntry| {
        let nodes = if plan.nodes_min == plan.nodes_max {
            plan.nodes_max.to_string()
        } else {
            format!("{} to {}", plan.nodes_min, plan.nodes_max)
        };
        let cost = match (&plan.cost_per_month, &plan.cost_change) {
            (Some(cost), Some(change)) => format!("{cost} ({change})"),
            (Some(cost), None) => cost.clone(),
            (None, _) => "unknown price".to_owned(),
        };
        [
            plan.name.to_owned(),
            plan.changes.clone(),
            if plan.holds { "yes" } else { "no" }.to_owned(),
            nodes,
            cost,
            plan.pressed.clone().unwrap_or_default(),
        ]
    };
    table.push(line(&page.today));
    table.extend(page.plans.iter().map(line));
    write_table(&table, text);
    let failing = std::iter::once(&page.today).chain(&page.plans).filter(|plan| !plan.holds);
    for plan in failing {
        for failed in &plan.failed {
            let _ = writeln!(text, "  {}: {failed}", plan.name);
        }
    }
}

fn proof(page: &SizingPage, text: &mut String) {
    let Some(plan) = page.plans.iter().find(|plan| plan.name == page.plan) else { return };
    let (Some(passes), Some(runs)) = (plan.passes, plan.runs) else { return };
    let _ = writeln!(
        text,
        "Checked by re-running {} with the {} figures: all thresholds pass in {passes} of {runs}.",
        page.scenarios.join(", "),
        plan.name
    );
    for (failed, seeds) in &plan.failed_in_proof {
        let _ = writeln!(text, "  failed with {seeds} of them: {failed}");
    }
    let _ = writeln!(text, "Method: {}.", page.method);
}

/// Whole from 10 on, with one decimal below.
fn gib(amount: f64) -> String {
    if amount > 0.0 && amount < 9.95 { format!("{amount:.1}Gi") } else { format!("{amount:.0}Gi") }
}

fn needs(page: &SizingPage, text: &mut String) {
    if page.needs.is_empty() {
        return;
    }
    let cost = format!("{}/MO", page.currency);
    let heads = ["NEEDS", "CPU", "MEMORY", "GPUS", "STORAGE", "NODES", &cost];
    let mut table = vec![heads.map(str::to_owned)];
    for need in &page.needs {
        table.push([
            need.told(),
            format!("{:.1}", need.cpu),
            gib(need.memory_gib),
            need.gpus.to_string(),
            gib(need.storage_gib),
            need.nodes.to_string(),
            need.cost_per_month.clone().unwrap_or_else(|| "unknown price".to_owned()),
        ]);
    }
    if let Some(stated) = &page.stated {
        let cell = |value: Option<f64>, unit: &str| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}{unit}"))
        };
        table.push([
            format!("stated ({})", stated.name),
            cell(stated.cpu, ""),
            cell(stated.memory_gib, "Gi"),
            stated.gpus.map_or_else(|| "-".to_owned(), |gpus| gpus.to_string()),
            cell(stated.storage_gib, "Gi"),
            "-".to_owned(),
            "-".to_owned(),
        ]);
    }
    text.push('\n');
    write_table(&table, text);
    if let Some(stated) = &page.stated {
        if stated.short.is_empty() {
            text.push_str("  What is stated is enough for all of them.\n");
        }
        for short in &stated.short {
            let _ = writeln!(text, "  not enough: {short}");
        }
    }
}

fn headroom(page: &SizingPage, text: &mut String) {
    let heads = ["MORE LOAD", "HOLDS UP TO", "FAILS AT", "FIRST TO FAIL", "BINDS"];
    let mut table = vec![heads.map(str::to_owned)];
    let line = |row: &HeadroomEntry| {
        [
            row.figures.to_owned(),
            if row.holds_at > 0.0 { format!("{:.2} x", row.holds_at) } else { "-".to_owned() },
            row.fails_at.map_or_else(|| "not seen".to_owned(), |at| format!("{at:.2} x")),
            row.failed.first().cloned().unwrap_or_default(),
            row.binds.clone().unwrap_or_default(),
        ]
    };
    table.extend(page.headroom.iter().map(line));
    text.push('\n');
    write_table(&table, text);
    found(page.headroom.iter().map(|row| row.found.as_str()), text);
}

/// Which model a table comes from.
fn found<'a>(by: impl Iterator<Item = &'a str>, text: &mut String) {
    let by: std::collections::BTreeSet<&str> = by.collect();
    let by: Vec<&str> = by.into_iter().collect();
    if !by.is_empty() {
        let _ = writeln!(text, "  found by: {}", by.join(", "));
    }
}

fn tolerance(page: &SizingPage, text: &mut String) {
    if page.tolerance.is_empty() {
        return;
    }
    let word = |holds: bool| if holds { "holds" } else { "fails" }.to_owned();
    let heads = [
        "LOST AT THE PEAK".to_owned(),
        "TODAY".to_owned(),
        page.plan.to_uppercase(),
        String::new(),
    ];
    let mut table = vec![heads];
    for loss in &page.tolerance {
        let first = loss.failed.first().cloned().unwrap_or_default();
        table.push([loss.lost.clone(), word(loss.today), word(loss.plan), first]);
    }
    text.push('\n');
    write_table(&table, text);
    found(page.tolerance.iter().map(|loss| loss.found.as_str()), text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_goes_on_below_itself() {
        let mut text = String::new();
        let long = "one two ".repeat(30);
        write_table(&[["a".to_owned(), long], ["bb".to_owned(), String::new()]], &mut text);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS_MOST), "{text}");
        assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("      two ")), "{text}");
        assert_eq!(text.lines().last(), Some("  bb"));
    }
}
