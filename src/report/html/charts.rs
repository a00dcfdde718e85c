//! Which charts the page of a run has: the figures of `-o svg` and a few more, with the bands of several
//! runs.

use rust_decimal::prelude::ToPrimitive;

use crate::findings::Case;
use crate::fit::quantile;
use crate::metrics::Measurements;
use crate::metrics::cost::rate_per_hour;
use crate::report::html::Shown;
use crate::report::html::draw::{Charts, Group};
use crate::report::svg::{Colour, Dash, Figure, Join, Series, figures, marks};

/// The charts of a run as HTML, and as data for the script.
pub(super) fn charts(shown: &Shown<'_>) -> (String, Option<String>) {
    let case = shown.case;
    let mut all = all(case, shown.measured, &shown.report.cost.currency);
    // Replicas that stood still are in the table of workloads.
    all.retain(|(name, figure)| !name.starts_with("replicas-") || figure.moves());
    all.retain(|(name, figure)| name == "load" || name == "budgets" || !figure.is_empty());
    let mut html = String::new();
    if shown.runs.len() > 1 {
        spread(&mut all, shown);
        html = format!(
            "<p class=\"quiet\">Lines are the first run; bands hold the 5th to the 95th percentile of all {} runs at \
             each instant.</p>\n",
            shown.runs.len()
        );
    }
    let marks = marks(case);
    let span_s = case.scenario.duration.as_secs_f64();
    let mut charts = Charts::default();
    let group = Group { number: 0, span_s, marks: &marks };
    html.push_str(&charts.draw(&group, all.iter().map(|(_, figure)| figure)));
    (html, charts.json(&case.scenario.name, &marks))
}

/// All figures of a run by name.
fn all(case: &Case<'_>, measured: &Measurements, currency: &str) -> Vec<(String, Figure)> {
    let mut all = figures(case);
    all.push(("cpu".to_owned(), cpu(case)));
    all.push(("pods".to_owned(), pods(case)));
    all.push(("cost-rate".to_owned(), cost(case, measured, currency)));
    all
}

/// Lays around every line where the same line of the other runs lies.
fn spread(all: &mut [(String, Figure)], shown: &Shown<'_>) {
    let currency = &shown.report.cost.currency;
    let runs: Vec<Vec<(String, Figure)>> =
        shown.runs.iter().map(|(case, measured)| self::all(case, measured, currency)).collect();
    for (name, figure) in all {
        let unit = figure.unit.clone();
        for series in &mut figure.series {
            let others: Vec<(f64, &Series)> = runs
                .iter()
                .filter_map(|run| {
                    let (_, other) = run.iter().find(|(other, _)| other == name)?;
                    let same = other.series.iter().find(|other| other.name == series.name)?;
                    Some((factor(&other.unit, &unit)?, same))
                })
                .collect();
            series.spread = (0..series.points.len()).map(|at| ends(&others, at)).collect();
        }
    }
}

/// How a value in one unit is told in another: runs of long latencies are told in seconds.
fn factor(from: &str, to: &str) -> Option<f64> {
    match (from, to) {
        _ if from == to => Some(1.0),
        ("s", "ms") => Some(1e3),
        ("ms", "s") => Some(1e-3),
        _ => None,
    }
}

/// The 5th and the 95th percentile of what runs show at an instant.
fn ends(runs: &[(f64, &Series)], at: usize) -> Option<(f64, f64)> {
    let values =
        runs.iter().filter_map(|(factor, series)| Some(series.points.get(at)?.1? * factor));
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    (values.len() > 1).then(|| (quantile(&values, 0.05), quantile(&values, 0.95)))
}

fn line(
    case: &Case<'_>,
    name: &str,
    (colour, dash, join): (Colour, Dash, Join),
    value: impl Fn(usize) -> Option<f64>,
) -> Series {
    let times = case.series.times.iter().enumerate();
    let points = times.map(|(at, time)| (time.as_secs_f64(), value(at))).collect();
    Series { name: name.to_owned(), points, spread: Vec::new(), colour, dash, join }
}

/// Cores of all workloads together.
fn cpu(case: &Case<'_>) -> Figure {
    let mut figure = Figure::new("CPU of all workloads: used, requested, limits", "cores");
    let sum = |at: usize, of: fn(&crate::model::observer::WorkloadSample) -> f64| {
        let samples = case.series.workloads.iter().filter_map(|samples| samples.get(at));
        Some(samples.map(of).sum::<f64>())
    };
    figure.series = vec![
        line(case, "limits", (Colour::Grey, Dash::Dotted, Join::Step), |at| {
            sum(at, |s| s.cpu_limit_cores)
        }),
        line(case, "requested", (Colour::Vermillion, Dash::Dashed, Join::Step), |at| {
            sum(at, |s| s.cpu_requested_cores)
        }),
        line(case, "used", (Colour::Blue, Dash::Solid, Join::Line), |at| sum(at, |s| s.cpu_cores)),
    ];
    figure
}

/// Pods by how far they are.
fn pods(case: &Case<'_>) -> Figure {
    let mut figure = Figure::new("Pods: wanted, ready, without a node", "count");
    let sum = |at: usize, of: fn(&crate::model::observer::WorkloadSample) -> f64| {
        let samples = case.series.workloads.iter().filter_map(|samples| samples.get(at));
        Some(samples.map(of).sum::<f64>())
    };
    let look = |colour, dash| (colour, dash, Join::Step);
    figure.series = vec![
        line(case, "active", look(Colour::Vermillion, Dash::Dashed), |at| {
            sum(at, |s| f64::from(s.active))
        }),
        line(case, "pending", look(Colour::Black, Dash::Dotted), |at| {
            case.series.pods_pending.get(at).map(|count| f64::from(*count))
        }),
        line(case, "ready", look(Colour::Blue, Dash::Solid), |at| sum(at, |s| f64::from(s.ready))),
    ];
    figure
}

/// What everything costs per hour, and the part of the nodes that no pod asks for.
fn cost(case: &Case<'_>, measured: &Measurements, currency: &str) -> Figure {
    let unit = format!("{currency} an hour");
    let mut figure = Figure::new("Cost rate, and its idle part", unit);
    let rates = rate_per_hour(case.scenario, measured);
    let idle = |at: usize| {
        let samples = case.series.pools.iter().filter_map(|samples| samples.get(at));
        let mut sum = 0.0;
        for sample in samples.filter(|sample| sample.nodes > 0) {
            let paid = sample.paid_per_hour?.to_f64()?;
            let shares = [
                (sample.cpu_requested_cores, sample.cpu_allocatable_cores),
                (sample.memory_requested_bytes, sample.memory_allocatable_bytes),
                (
                    crate::units::convert::f64_from_i64(sample.gpus_requested),
                    crate::units::convert::f64_from_i64(sample.gpus_allocatable),
                ),
            ];
            let asked = shares.iter().filter(|(_, all)| *all > 0.0).map(|(part, all)| part / all);
            sum += paid * (1.0 - asked.fold(0.0, f64::max)).max(0.0);
        }
        Some(sum)
    };
    figure.series = vec![
        line(case, "idle", (Colour::Orange, Dash::Dashed, Join::Step), idle),
        line(case, "all", (Colour::Blue, Dash::Solid, Join::Step), |at| {
            rates.get(at).copied().flatten()?.to_f64()
        }),
    ];
    figure
}
