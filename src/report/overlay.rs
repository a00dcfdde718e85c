//! Two sides of a question on one time axis: a base and a candidate, each of one run or of several.
//!
//! A chart shows one quantity and two lines: the median of the base's runs and that of the candidate's,
//! with bands that hold the 5th to the 95th percentile of each.

use std::collections::BTreeMap;

use rust_decimal::prelude::ToPrimitive;

use crate::fit::quantile;
use crate::metrics::Measurements;
use crate::metrics::cost::rate_per_hour;
use crate::report::svg::{Colour, Dash, Figure, Join, Series};
use crate::scenario::Scenario;
use crate::units::SimDuration;

/// What is kept of a run for the charts: each quantity at each instant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curves {
    times: Vec<SimDuration>,
    lines: Vec<Curve>,
}

#[derive(Debug, Clone, PartialEq)]
struct Curve {
    title: String,
    unit: String,
    join: Join,
    values: Vec<Option<f64>>,
}

impl Curves {
    /// Of a run.
    #[must_use]
    pub fn of(scenario: &Scenario, measured: &Measurements) -> Self {
        let series = measured.series();
        let count = series.times.len();
        let mut lines = Vec::new();
        let mut add =
            |title: &str, unit: &str, join: Join, value: &dyn Fn(usize) -> Option<f64>| {
                let (title, unit) = (title.to_owned(), unit.to_owned());
                lines.push(Curve { title, unit, join, values: (0..count).map(value).collect() });
            };
        let traffic = |at: usize| series.traffic.get(at);
        // Nothing has ended when measuring begins.
        let ended = |at: usize| traffic(at).filter(|_| at > 0).map(|point| point.calls);
        add("Requests completed", "per second", Join::Line, &|at| {
            ended(at).map(|calls| calls.completed_per_second)
        });
        add("Requests failed", "per second", Join::Line, &|at| {
            ended(at).map(|calls| calls.failed_per_second)
        });
        add("Latency of client requests, p(50)", "ms", Join::Line, &|at| traffic(at)?.calls.p50_ms);
        add("Latency of client requests, p(95)", "ms", Join::Line, &|at| traffic(at)?.calls.p95_ms);
        add("Requests and tasks that wait", "count", Join::Line, &|at| {
            let stations = series.stations.iter().filter_map(|points| points.get(at));
            Some(stations.map(|point| f64::from(point.state.waiting)).sum())
        });
        for (workload, samples) in scenario.workloads.iter().zip(&series.workloads) {
            let title = format!("Ready pods of {}", workload.meta.name);
            add(&title, "pods", Join::Step, &|at| samples.get(at).map(|it| f64::from(it.ready)));
        }
        let pending = &series.pods_pending;
        add("Pods without a node", "pods", Join::Step, &|at| {
            pending.get(at).map(|it| f64::from(*it))
        });
        add("Nodes", "count", Join::Step, &|at| {
            let pools = series.pools.iter().filter_map(|samples| samples.get(at));
            Some(pools.map(|sample| f64::from(sample.nodes)).sum())
        });
        let rates = rate_per_hour(scenario, measured);
        let unit = format!("{} an hour", scenario.prices.currency);
        add("Cost rate", &unit, Join::Step, &|at| rates.get(at).copied().flatten()?.to_f64());
        Self { times: series.times.clone(), lines }
    }

    /// A quantity at an instant: the last known one before it, nothing after the end.
    fn value(&self, title: &str, at: SimDuration) -> Option<f64> {
        let line = self.lines.iter().find(|line| line.title == title)?;
        let position = self.times.partition_point(|time| *time <= at).checked_sub(1)?;
        let over = self.times.last().is_some_and(|last| *last < at);
        if over { None } else { line.values.get(position).copied().flatten() }
    }
}

/// Both sides over each other, and what is the same on both.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overlay {
    /// Quantities in which they differ, base and candidate each a line.
    pub figures: Vec<Figure>,
    /// Names of those in which they do not.
    pub same: Vec<String>,
    /// Length of the time axis (s).
    pub span_s: f64,
}

/// Lays two sides over each other.
#[must_use]
pub fn overlay(names: [&str; 2], base: &[Curves], candidate: &[Curves]) -> Overlay {
    let all = || base.iter().chain(candidate);
    let instants: std::collections::BTreeSet<SimDuration> =
        all().flat_map(|curves| curves.times.iter().copied()).collect();
    let mut known: BTreeMap<&str, ()> = BTreeMap::new();
    let mut overlay = Overlay {
        span_s: instants.last().map_or(0.0, |last| last.as_secs_f64()),
        ..Overlay::default()
    };
    for line in all().flat_map(|curves| &curves.lines) {
        if known.insert(&line.title, ()).is_some() {
            continue;
        }
        let side = |runs: &[Curves], name: &str, colour, dash| {
            let points = instants.iter().map(|at| across(runs, &line.title, *at));
            let points: Vec<_> = points.collect();
            Series {
                name: name.to_owned(),
                points: instants
                    .iter()
                    .zip(&points)
                    .map(|(at, point)| (at.as_secs_f64(), point.map(|(_, median, _)| median)))
                    .collect(),
                spread: if runs.len() > 1 {
                    points.iter().map(|point| point.map(|(low, _, high)| (low, high))).collect()
                } else {
                    Vec::new()
                },
                colour,
                dash,
                join: line.join,
            }
        };
        let series = vec![
            side(base, names[0], Colour::Black, Dash::Dashed),
            side(candidate, names[1], Colour::Blue, Dash::Solid),
        ];
        if series[0].points == series[1].points && series[0].spread == series[1].spread {
            overlay.same.push(line.title.clone());
            continue;
        }
        overlay.figures.push(in_readable_unit(Figure {
            series,
            ..Figure::new(line.title.as_str(), line.unit.as_str())
        }));
    }
    overlay
}

/// Long latencies in seconds.
fn in_readable_unit(mut figure: Figure) -> Figure {
    let points = figure.series.iter().flat_map(|series| &series.points);
    let most = points.filter_map(|(_, value)| *value).fold(0.0, f64::max);
    if figure.unit == "ms" && most >= 2_000.0 {
        "s".clone_into(&mut figure.unit);
        for series in &mut figure.series {
            series.points.iter_mut().for_each(|(_, value)| *value = value.map(|ms| ms * 1e-3));
            let spreads = series.spread.iter_mut().flatten();
            spreads.for_each(|(least, most)| (*least, *most) = (*least * 1e-3, *most * 1e-3));
        }
    }
    figure
}

/// The 5th percentile, the median and the 95th percentile over runs at an instant.
fn across(runs: &[Curves], title: &str, at: SimDuration) -> Option<(f64, f64, f64)> {
    let mut values: Vec<f64> = runs.iter().filter_map(|run| run.value(title, at)).collect();
    values.sort_by(f64::total_cmp);
    let of = |share: f64| quantile(&values, share);
    (!values.is_empty()).then(|| (of(0.05), of(0.5), of(0.95)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(step_s: u64, title: &str, values: &[f64]) -> Curves {
        let times = (0_u64..).take(values.len()).map(|n| SimDuration::from_secs(n * step_s));
        let line = Curve {
            title: title.to_owned(),
            unit: "ms".to_owned(),
            join: Join::Line,
            values: values.iter().map(|value| Some(*value)).collect(),
        };
        Curves { times: times.collect(), lines: vec![line] }
    }

    #[test]
    fn medians_and_bands_stand_on_one_axis_though_instants_differ() {
        let base = [1.0, 2.0, 9.0].map(|value| curves(10, "p", &[value, value]));
        let candidate = [curves(5, "p", &[7.0, 7.0, 8.0, 8.0])];
        let both = overlay(["a", "b"], &base, &candidate);
        assert!((both.span_s - 15.0).abs() < 1e-9);
        let [figure] = both.figures.as_slice() else { panic!("one quantity") };
        let points = |at: usize| figure.series[at].points.clone();
        assert_eq!(
            points(0),
            [(0.0, Some(2.0)), (5.0, Some(2.0)), (10.0, Some(2.0)), (15.0, None)]
        );
        assert_eq!(points(1)[2], (10.0, Some(8.0)));
        assert_eq!(
            figure.series[0].spread[0].map(|(low, high)| (low < 1.2, high > 8.0)),
            Some((true, true))
        );
        assert!(figure.series[1].spread.is_empty(), "of one run there is no band");
    }

    #[test]
    fn what_is_the_same_is_only_named_and_what_one_side_lacks_is_shown() {
        let same = overlay(["a", "b"], &[curves(10, "p", &[1.0])], &[curves(10, "p", &[1.0])]);
        assert_eq!((same.figures.len(), same.same), (0, vec!["p".to_owned()]));
        let lacks = overlay(["a", "b"], &[curves(10, "p", &[1.0])], &[curves(10, "q", &[3_000.0])]);
        let titles: Vec<&str> = lacks.figures.iter().map(|it| it.title.as_str()).collect();
        assert_eq!(titles, ["p", "q"]);
        assert_eq!(lacks.figures[1].unit, "s");
        assert_eq!(overlay(["a", "b"], &[], &[]), Overlay::default());
    }
}
