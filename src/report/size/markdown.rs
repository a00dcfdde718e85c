//! A sizing for a pull request.

use std::fmt::Write as _;

use super::SizingPage;

/// The page as Markdown: the verdict first, figures in a table, the rest folded away.
#[must_use]
pub fn markdown(page: &SizingPage) -> String {
    let mut text = format!("### Sizing of {}\n\n", cell(&page.scenarios.join(", ")));
    verdict(page, &mut text);
    text.push_str(
        "| object | field | now | set to | because | risk |\n|---|---|---|---|---|---|\n",
    );
    let rows = page.services.iter().flat_map(|service| &service.rows).chain(&page.node_pools);
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | **{}** | {} | {} |",
            cell(&row.object),
            row.field,
            cell(&row.now),
            cell(&row.set_to),
            cell(&row.because),
            row.risk
        );
    }
    text.push_str("\n| plan | changes | holds | nodes | cost a month |\n|---|---|---|---|---|\n");
    for plan in std::iter::once(&page.today).chain(&page.plans) {
        let cost = plan.cost_per_month.as_deref().unwrap_or("unknown");
        let change = plan.cost_change.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} to {} | {cost}{change} |",
            plan.name,
            cell(&plan.changes),
            if plan.holds { "yes" } else { "no" },
            plan.nodes_min,
            plan.nodes_max
        );
    }
    folded(page, &mut text);
    text
}

fn verdict(page: &SizingPage, text: &mut String) {
    let _ = write!(text, "{}\n\n", cell(&super::verdict(page)));
}

fn folded(page: &SizingPage, text: &mut String) {
    text.push_str("\n<details><summary>Needs, headroom, tolerance</summary>\n\n");
    text.push_str("| needs | CPU | memory | GPUs | storage | nodes | cost a month |\n");
    text.push_str("|---|---|---|---|---|---|---|\n");
    for need in &page.needs {
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.0}Gi | {} | {:.0}Gi | {} | {} |",
            cell(&need.told()),
            need.cpu,
            need.memory_gib,
            need.gpus,
            need.storage_gib,
            need.nodes,
            need.cost_per_month.as_deref().unwrap_or("unknown")
        );
    }
    for short in page.stated.iter().flat_map(|stated| &stated.short) {
        let _ = writeln!(text, "\nNot enough: {short}.");
    }
    text.push_str(
        "\n| more load | holds up to | fails at | binds | found |\n|---|---|---|---|---|\n",
    );
    for row in &page.headroom {
        let _ = writeln!(
            text,
            "| {} | {:.2} | {} | {} | {} |",
            row.figures,
            row.holds_at,
            row.fails_at.map_or_else(|| "not seen".to_owned(), |at| format!("{at:.2}")),
            cell(row.binds.as_deref().unwrap_or("")),
            row.found
        );
    }
    text.push_str("\n| lost at the peak | today | plan |\n|---|---|---|\n");
    let word = |holds: bool| if holds { "holds" } else { "fails" };
    for loss in &page.tolerance {
        let _ =
            writeln!(text, "| {} | {} | {} |", cell(&loss.lost), word(loss.today), word(loss.plan));
    }
    text.push_str("\n</details>\n");
}

/// Text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
