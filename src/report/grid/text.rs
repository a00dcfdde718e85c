//! A computed grid on a terminal: a table of one figure, and the cheapest cell that passes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::findings::text::plural;
use crate::report::figures::shown_or_dash;
use crate::report::grid::Plan;
use crate::sweep::Measure;
use crate::sweep::cell::{Cell, CellOutcome, cheapest};

/// Cells that are listed one by one at most, when there are more than two axes.
const LISTED_MOST: usize = 20;
/// Columns of a table of two axes at most; beyond that cells are listed.
const COLUMNS_MOST: usize = 16;
/// Figures beside the one asked for, when cells are listed.
const BESIDE: [Measure; 4] =
    [Measure::ObjectiveMiss, Measure::PodHours, Measure::NodeHours, Measure::CostPerMonth];

/// The text, each line ended by a newline.
#[must_use]
pub fn text(plan: &Plan, cells: &[Cell]) -> String {
    let best = cheapest(cells);
    let mut out = match plan.grid.axes.as_slice() {
        [columns, _] if columns.values.len() <= COLUMNS_MOST => table(plan, cells, best),
        _ => list(plan, cells, best),
    };
    verdict(plan, cells, best, &mut out);
    out
}

/// The last word of a path: what people call it.
fn short(path: &str) -> &str {
    let cut = path.rfind(['.', ':']).map_or(0, |at| at + 1);
    if path[cut..].is_empty() { path } else { &path[cut..] }
}

fn figure(plan: &Plan, cell: &Cell, best: bool) -> String {
    let value = match cell.outcome {
        CellOutcome::Refused(_) => "refused".to_owned(),
        CellOutcome::Ran(_) => {
            shown_or_dash(plan.measure, cell.mean(plan.measure).map(|it| it.mean))
        }
    };
    let mark = match (best, cell.holds()) {
        (true, _) => " ●",
        (false, true) => "  ",
        (false, false) => " ✗",
    };
    format!("{value}{mark}")
}

/// The first axis across, the second down.
fn table(plan: &Plan, cells: &[Cell], best: Option<usize>) -> String {
    let [across, down] = [&plan.grid.axes[0], &plan.grid.axes[1]];
    let mut out = format!(
        "{} by {} (down) and {} (across)   ✗ a threshold fails · ● the cheapest that passes\n",
        plan.measure.name(),
        short(&down.path),
        short(&across.path)
    );
    let row = |position: usize| -> Vec<String> {
        let of_row = cells.iter().enumerate().filter(|(at, _)| at % down.values.len() == position);
        of_row.map(|(at, cell)| figure(plan, cell, best == Some(at))).collect()
    };
    let rows: Vec<Vec<String>> = (0..down.values.len()).map(row).collect();
    let head: Vec<String> = across.values.iter().map(|value| format!("{value}  ")).collect();
    let width = |column: usize| {
        let in_column = rows.iter().filter_map(|row| row.get(column)).chain(head.get(column));
        in_column.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let names = down.values.iter().map(|value| value.chars().count()).max().unwrap_or(0);
    let line = |name: &str, fields: &[String]| {
        let mut line = format!("  {name:>names$}");
        for (column, field) in fields.iter().enumerate() {
            let width = width(column);
            let _ = write!(line, "   {field:>width$}");
        }
        format!("{}\n", line.trim_end())
    };
    out.push_str(&line("", &head));
    for (value, row) in down.values.iter().zip(&rows) {
        out.push_str(&line(value, row));
    }
    out
}

/// Cells one by one: those that pass first, the cheaper before the dearer.
fn list(plan: &Plan, cells: &[Cell], best: Option<usize>) -> String {
    let few = cells.len() <= LISTED_MOST;
    let mut order: Vec<usize> = (0..cells.len()).collect();
    if !few {
        let cost =
            |at: usize| cells[at].mean(Measure::CostPerMonth).map_or(f64::INFINITY, |it| it.mean);
        order.sort_by(|one, other| {
            let by_verdict = cells[*other].holds().cmp(&cells[*one].holds());
            by_verdict.then(cost(*one).total_cmp(&cost(*other))).then(one.cmp(other))
        });
        order.truncate(LISTED_MOST);
    }
    let mut measures = vec![plan.measure];
    measures.extend(BESIDE.into_iter().filter(|it| *it != plan.measure));
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut head: Vec<String> =
        plan.grid.axes.iter().map(|axis| short(&axis.path).to_owned()).collect();
    head.push("passes".to_owned());
    head.extend(measures.iter().map(|it| it.name().to_owned()));
    rows.push(head);
    for at in order {
        let cell = &cells[at];
        let mut row: Vec<String> = cell.settings.iter().map(|(_, value)| value.clone()).collect();
        row.push(match &cell.outcome {
            CellOutcome::Refused(_) => "refused".to_owned(),
            CellOutcome::Ran(runs) => format!("{}/{}", cell.passes(), runs.len()),
        });
        row.extend(measures.iter().map(|it| shown_or_dash(*it, cell.mean(*it).map(|it| it.mean))));
        row.push(if best == Some(at) { "●".to_owned() } else { String::new() });
        rows.push(row);
    }
    columns(&rows)
}

/// Rows whose columns line up, numbers to the right.
pub(in crate::report) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let fields = rows.iter().filter_map(|row| row.get(column));
        fields.map(|field| field.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, field) in row.iter().enumerate() {
            let width = widths[column];
            if column == 0 {
                let _ = write!(line, "  {field:<width$}");
            } else {
                let _ = write!(line, "   {field:>width$}");
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn verdict(plan: &Plan, cells: &[Cell], best: Option<usize>, out: &mut String) {
    let passing = cells.iter().filter(|cell| cell.holds()).count();
    let refused: BTreeSet<&str> = cells
        .iter()
        .filter_map(|cell| match &cell.outcome {
            CellOutcome::Refused(reason) => Some(reason.as_str()),
            CellOutcome::Ran(_) => None,
        })
        .collect();
    if let Some(best) = best {
        let cell = &cells[best];
        let set: Vec<String> =
            cell.settings.iter().map(|(path, value)| format!("{path}={value}")).collect();
        let cost = cell.mean(Measure::CostPerMonth).map(|it| it.mean);
        let set = if set.is_empty() { "the scenario as it is".to_owned() } else { set.join(" ") };
        let cost = shown_or_dash(Measure::CostPerMonth, cost);
        let _ = writeln!(out, "Cheapest that passes: {set}, {cost} a month.");
    } else if passing == 0 {
        out.push_str("No cell passes in every run.\n");
    } else {
        out.push_str("Which is the cheapest cannot be told: a price is unknown.\n");
    }
    let count = plural(cells.len(), "cell");
    let runs = plural(crate::units::convert::index(plan.runs), "run");
    let _ = writeln!(out, "{count} × {runs}; {passing} pass (seed {}).", plan.seed);
    for reason in refused.iter().take(3) {
        let _ = writeln!(out, "refused: {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::grid::tests::{cells, plan};

    #[test]
    fn two_axes_make_a_table_with_the_cheapest_marked() {
        let expected = "\
p(95) by b (down) and max (across)   ✗ a threshold fails · ● the cheapest that passes
        20          30
  1   40ms ✗      43ms ✗
  2   41ms        44ms
  3   42ms ●   refused ✗
Cheapest that passes: a.max=20 b=3, $500 a month.
6 cells × 2 runs; 3 pass (seed 42).
refused: `b` is 3
";
        assert_eq!(text(&plan(), &cells()), expected);
    }

    #[test]
    fn one_axis_makes_a_list() {
        let mut plan = plan();
        plan.grid.axes.remove(0);
        let cells: Vec<Cell> = cells()
            .into_iter()
            .take(3)
            .map(|cell| Cell { settings: plan.grid.settings(cell.number), ..cell })
            .collect();
        let text = text(&plan, &cells);
        assert!(text.starts_with("  b   passes   p(95)   miss   pod-hours"), "{text}");
        assert!(text.contains("  3      2/2    42ms"), "{text}");
    }
}
