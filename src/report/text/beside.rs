//! Several scenarios side by side: the same day under two autoscalers, in two clusters, of two charts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rust_decimal::Decimal;

use crate::findings::text::{grouped, millis, percent};
use crate::metrics::cost::cents;
use crate::metrics::{MetricView, ThresholdResult};
use crate::model::Reason;
use crate::model::record::{Decider, Record};
use crate::scenario::Scenario;
use crate::scenario::threshold::{Method, MetricValue};
use crate::sweep::RunResult;

/// Spaces between columns.
const GAP: usize = 3;

/// A table with a column for each scenario: verdict, nodes, cost, disruptions, service.
#[must_use]
pub fn beside(runs: &[(Scenario, RunResult)], strict: bool) -> String {
    let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
    let mut row = |name, of: &dyn Fn(&Scenario, &RunResult) -> String| {
        rows.push((name, runs.iter().map(|(scenario, run)| of(scenario, run)).collect()));
    };
    row("", &|scenario, _| scenario.name.to_string());
    row("cluster", &|scenario, _| scenario.cluster.to_string());
    row("thresholds that hold", &|_, run| {
        let met = |result: &&ThresholdResult| result.is_met(strict);
        format!("{} of {}", run.thresholds.iter().filter(met).count(), run.thresholds.len())
    });
    row("nodes, least to most", &|_, run| least_to_most(&nodes(run)));
    row("nodes at the end", &|_, run| {
        nodes(run).last().map_or_else(|| "-".to_owned(), ToString::to_string)
    });
    row("node-hours", &|_, run| {
        let hours: Decimal = run.cost.pools.iter().map(|pool| pool.node_hours).sum();
        hours.round_dp(1).to_string()
    });
    row("nodes, cost a month", &|_, run| money(run, run.cost.nodes_per_month()));
    row("idle part of it", &|_, run| money(run, run.cost.idle_per_month()));
    row("everything, cost a month", &|_, run| money(run, run.cost.per_month()));
    let base = runs.first().and_then(|(_, run)| run.cost.per_month());
    row("against the first", &|_, run| against(base, run.cost.per_month()));
    row("alerts that fired", &|_, run| {
        let fired = run.alerts.alerts.iter().filter(|it| it.first_fired_s().is_some());
        fired.count().to_string()
    });
    row("machines asked for", &|_, run| machines_asked_for(run).to_string());
    row("nodes taken away", &|_, run| taken_away(run));
    row("pods made to move", &|_, run| run.measurements.pods_disrupted().to_string());
    row("evictions refused", &|_, run| run.measurements.evictions_blocked().to_string());
    row("pods without a node, most", &|_, run| {
        run.measurements.series().pods_pending.iter().max().copied().unwrap_or(0).to_string()
    });
    row("requests p(95)", &|scenario, run| {
        let figure = metric(scenario, run, "http_req_duration", Method::Percentile(95.0));
        figure.map_or_else(|| "-".to_owned(), millis)
    });
    row("requests failed", &|scenario, run| {
        let figure = metric(scenario, run, "http_req_failed", Method::Rate);
        figure.map_or_else(|| "-".to_owned(), percent)
    });
    table(&rows)
}

fn table(rows: &[(&str, Vec<String>)]) -> String {
    let names = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let columns = rows.first().map_or(0, |(_, cells)| cells.len());
    let width = |column: usize| {
        rows.iter().map(|(_, cells)| cells[column].chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = "\n  SIDE BY SIDE\n".to_owned();
    for (name, cells) in rows {
        let mut line = format!("  {name:names$}");
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(line, "{:GAP$}{cell:width$}", "");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Nodes that are paid for, by instant.
fn nodes(run: &RunResult) -> Vec<u32> {
    let series = run.measurements.series();
    let at = |instant: usize| {
        let pools = series.pools.iter().filter_map(|pool| pool.get(instant));
        pools.map(|sample| sample.nodes).sum()
    };
    (0..series.times.len()).map(at).collect()
}

fn least_to_most(nodes: &[u32]) -> String {
    let (least, most) = (nodes.iter().min(), nodes.iter().max());
    least.zip(most).map_or_else(|| "-".to_owned(), |(least, most)| format!("{least} to {most}"))
}

fn money(run: &RunResult, amount: Option<Decimal>) -> String {
    use rust_decimal::prelude::ToPrimitive;
    let whole = amount.and_then(|amount| cents(amount).to_f64());
    whole.map_or_else(
        || "unknown".to_owned(),
        |amount| format!("{} {}", grouped(amount), run.cost.currency),
    )
}

/// `-1,797 (-22.37%)`: the difference in money and in per cent, both cut.
fn against(base: Option<Decimal>, amount: Option<Decimal>) -> String {
    use rust_decimal::prelude::ToPrimitive;
    let Some((base, amount)) = base.zip(amount) else { return "unknown".to_owned() };
    let difference = cents(amount) - cents(base);
    if difference.is_zero() {
        return "0".to_owned();
    }
    let sign = if difference.is_sign_negative() { '-' } else { '+' };
    let whole = difference.abs().to_f64().map_or_else(String::new, grouped);
    let share = (!base.is_zero())
        .then(|| (difference.abs() / base * Decimal::ONE_HUNDRED).trunc_with_scale(2))
        .map_or_else(String::new, |share| format!(" ({sign}{}%)", share.normalize()));
    format!("{sign}{whole}{share}")
}

fn machines_asked_for(run: &RunResult) -> u64 {
    measured(run)
        .filter(|(record, _)| matches!(record, Record::NodeRequested { .. }))
        .map(|(_, count)| count)
        .sum()
}

/// `7: 5 Underutilized, 2 Empty`.
fn taken_away(run: &RunResult) -> String {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for (record, count) in measured(run) {
        if let Record::NodeDisrupted { because, .. } = record {
            *reasons.entry(because).or_default() += count;
        } else if let Record::Decided { by: Decider::ClusterAutoscaler, reason } = record
            && matches!(reason, Reason::ScaleDown { .. })
        {
            *reasons.entry("unneeded").or_default() += count;
        }
    }
    let all: u64 = reasons.values().sum();
    let parts: Vec<String> =
        reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    if parts.is_empty() { all.to_string() } else { format!("{all}: {}", parts.join(", ")) }
}

/// Records of the measured time, with how often each repeats.
fn measured(run: &RunResult) -> impl Iterator<Item = (&Record, u64)> {
    let from = run.history.clock().measured_from;
    let entries = run.history.entries().iter().filter(move |entry| entry.first >= from);
    entries.map(|entry| (&entry.record, u64::from(entry.count)))
}

fn metric(scenario: &Scenario, run: &RunResult, name: &str, method: Method) -> Option<f64> {
    let selector = name.parse().ok()?;
    let view = MetricView::new(scenario, &run.measurements, &selector);
    view.value(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_in_money_and_per_cent() {
        let of = |base: i64, amount: i64| against(Some(base.into()), Some(amount.into()));
        assert_eq!(of(8_000, 6_203), "-1,797 (-22.46%)");
        assert_eq!(of(100, 150), "+50 (+50%)");
        assert_eq!(of(0, 5), "+5");
        assert_eq!(of(5, 5), "0");
        assert_eq!(against(None, Some(Decimal::ONE)), "unknown");
    }
}
