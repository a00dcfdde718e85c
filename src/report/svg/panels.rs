//! What each chart shows, from the measured series.

use crate::findings::Case;
use crate::model::id::WorkloadId;
use crate::report::svg::figure::Colour;
use crate::report::svg::figure::{Dash, Figure, Join, Series};
use crate::scenario::threshold::{Method, Operator};

/// Series of a panel at most: more cannot be told apart.
const SERIES_MOST: usize = 6;

fn series(
    case: &Case<'_>,
    name: impl Into<String>,
    look: (Colour, Dash, Join),
    value: impl Fn(usize) -> Option<f64>,
) -> Series {
    let (colour, dash, join) = look;
    let times = case.series.times.iter().enumerate();
    let points = times.map(|(at, time)| (time.as_secs_f64(), value(at))).collect();
    Series { name: name.into(), points, spread: Vec::new(), colour, dash, join }
}

/// The value of the interval that ends with a sample: there is none for the first.
fn of_interval(at: usize, value: f64) -> Option<f64> {
    (at > 0).then_some(value)
}

pub(super) fn load(case: &Case<'_>) -> Figure {
    let traffic = &case.series.traffic;
    let mut figure =
        Figure::new("Load: iterations offered and done, requests failed", "per second");
    let offered = (Colour::Black, Dash::Dashed, Join::Line);
    // At the last instant of a run its loads have ended.
    let end = case.scenario.duration;
    figure.series.push(series(case, "offered", offered, |at| {
        (case.series.times[at] < end).then_some(traffic[at].offered_per_second)
    }));
    if traffic.iter().any(|point| point.dropped_per_second > 0.0) {
        let look = (Colour::Orange, Dash::Dotted, Join::Line);
        figure.series.push(series(case, "dropped", look, |at| {
            of_interval(at, traffic[at].dropped_per_second)
        }));
    }
    if traffic.iter().any(|point| point.calls.failed_per_second > 0.0) {
        let look = (Colour::Vermillion, Dash::Dotted, Join::Line);
        figure.series.push(series(case, "failed requests", look, |at| {
            of_interval(at, traffic[at].calls.failed_per_second)
        }));
    }
    let done = (Colour::Blue, Dash::Solid, Join::Line);
    figure
        .series
        .push(series(case, "done", done, |at| of_interval(at, traffic[at].iterations_per_second)));
    figure
}

pub(super) fn latency(case: &Case<'_>) -> Figure {
    let traffic = &case.series.traffic;
    let most = traffic.iter().filter_map(|point| point.calls.p99_ms).fold(0.0, f64::max);
    let seconds = most >= 2_000.0;
    let (unit, factor) = if seconds { ("s", 1e-3) } else { ("ms", 1.0) };
    let mut figure = Figure::new("Latency of client requests", unit);
    for spec in &case.scenario.thresholds {
        let expression = spec.expression();
        let below = matches!(expression.operator, Operator::Less | Operator::LessOrEqual);
        let untagged = spec.metric().tags().next().is_none();
        let percentile = matches!(expression.method, Method::Percentile(_));
        if spec.metric().name() == "http_req_duration" && below && untagged && percentile {
            let limit = expression.value * factor;
            figure.limits.push((format!("limit of {}", expression.method), limit));
        }
    }
    let look = |colour, dash| (colour, dash, Join::Line);
    let scaled = |value: Option<f64>| value.map(|value| value * factor);
    figure.series = vec![
        series(case, "p(99)", look(Colour::Purple, Dash::Dotted), |at| {
            scaled(traffic[at].calls.p99_ms)
        }),
        series(case, "p(50)", look(Colour::Blue, Dash::Solid), |at| {
            scaled(traffic[at].calls.p50_ms)
        }),
        series(case, "p(95)", look(Colour::Vermillion, Dash::Dashed), |at| {
            scaled(traffic[at].calls.p95_ms)
        }),
    ];
    figure
}

/// Replicas of each workload that an HPA scales, with its bounds: by name.
pub(super) fn replicas(case: &Case<'_>) -> Vec<(String, Figure)> {
    let mut figures = Vec::new();
    for hpa in &case.scenario.hpas {
        let samples = case.series.workload(hpa.target);
        let name = &case.scenario.workloads[hpa.target.index()].meta.name;
        let (least, most) = (hpa.spec.min_replicas.unwrap_or(1), hpa.spec.max_replicas);
        let mut figure = Figure::new(format!("Replicas of {name}"), "pods");
        let band = format!("HPA {least} to {most}");
        figure.band = Some((band, f64::from(least), f64::from(most)));
        let look = |colour, dash| (colour, dash, Join::Step);
        figure.series = vec![
            series(case, "ready", look(Colour::Blue, Dash::Solid), |at| {
                samples.get(at).map(|sample| f64::from(sample.ready))
            }),
            series(case, "desired", look(Colour::Vermillion, Dash::Dashed), |at| {
                samples.get(at).map(|sample| f64::from(sample.desired))
            }),
        ];
        figures.push((name.to_string(), figure));
    }
    figures
}

pub(super) fn nodes(case: &Case<'_>) -> Figure {
    let mut figure = Figure::new("Nodes of each pool, and pods that wait for one", "count");
    let dashes = [Dash::Solid, Dash::Dashed, Dash::Solid, Dash::Dashed];
    let looks = Colour::CYCLE.into_iter().zip(dashes);
    for ((name, pools), (colour, dash)) in case.scenario.node_groups().into_iter().zip(looks) {
        let name = format!("nodes {name}");
        figure.series.push(series(case, name, (colour, dash, Join::Step), |at| {
            case.series.nodes_of(&pools, at).map(f64::from)
        }));
    }
    let pending = &case.series.pods_pending;
    let look = (Colour::Black, Dash::Dotted, Join::Step);
    figure.series.push(series(case, "pending pods", look, |at| {
        pending.get(at).map(|count| f64::from(*count))
    }));
    figure
}

/// How many pods each budget lets go, of the budgets that let fewest go.
pub(super) fn budgets(case: &Case<'_>) -> Figure {
    let mut figure = Figure::new("Pods that each budget lets go", "pods");
    let all = &case.series.budgets;
    let moves = |budget: &Vec<Option<i32>>| {
        let mut known = budget.iter().flatten();
        known.next().is_some_and(|first| known.any(|allowed| allowed != first))
    };
    let least = |at: usize| all[at].iter().flatten().copied().min().unwrap_or(0);
    let mut chosen: Vec<usize> = (0..all.len()).filter(|at| moves(&all[*at])).collect();
    chosen.sort_by_key(|at| (least(*at), *at));
    chosen.truncate(SERIES_MOST);
    for (at, (colour, dash, _)) in chosen.into_iter().zip(looks()) {
        let name = case.scenario.budgets[at].meta.name.to_string();
        figure.series.push(series(case, name, (colour, dash, Join::Step), |instant| {
            all[at].get(instant).copied().flatten().map(f64::from)
        }));
    }
    figure
}

/// Stations that matter most by a measure, at most as many as can be told apart.
fn chosen(case: &Case<'_>, measure: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut stations: Vec<usize> =
        (0..case.series.stations.len()).filter(|station| measure(*station) > 0.0).collect();
    stations.sort_by(|one, other| measure(*other).total_cmp(&measure(*one)).then(one.cmp(other)));
    stations.truncate(SERIES_MOST);
    stations.sort_unstable();
    stations
}

fn looks() -> impl Iterator<Item = (Colour, Dash, Join)> {
    let dashes = [Dash::Solid, Dash::Dashed, Dash::Dotted].into_iter().cycle();
    Colour::CYCLE.into_iter().zip(dashes).map(|(colour, dash)| (colour, dash, Join::Line))
}

pub(super) fn gpu(case: &Case<'_>) -> Figure {
    let mut figure = Figure::new("GPU time in use", "% of ready pods' GPUs");
    figure.top = Some(100.0);
    let all = &case.series.stations;
    let busiest = |station: usize| {
        all[station].iter().filter_map(|point| point.state.gpu_busy).fold(0.0, f64::max)
    };
    for (station, look) in chosen(case, busiest).into_iter().zip(looks()) {
        let name = case.scenario.services.stations[station].name.to_string();
        figure.series.push(series(case, name, look, |at| {
            Some(all[station].get(at)?.state.gpu_busy? * 100.0)
        }));
    }
    figure
}

pub(super) fn queues(case: &Case<'_>) -> Figure {
    let mut figure = Figure::new("Requests and tasks that wait", "count");
    let all = &case.series.stations;
    let longest = |station: usize| {
        all[station].iter().map(|point| f64::from(point.state.waiting)).fold(0.0, f64::max)
    };
    for (station, look) in chosen(case, longest).into_iter().zip(looks()) {
        let name = case.scenario.services.stations[station].name.to_string();
        figure.series.push(series(case, name, look, |at| {
            Some(f64::from(all[station].get(at)?.state.waiting))
        }));
    }
    figure
}

/// How far the number of ready pods of a workload moved.
pub(super) fn movement(case: &Case<'_>, name: &str) -> u32 {
    let workload = case.scenario.workload_named(name).unwrap_or(WorkloadId(0));
    let ready = case.series.workload(workload).iter().map(|sample| sample.ready);
    let (least, most) = ready.fold((u32::MAX, 0), |(least, most), n| (least.min(n), most.max(n)));
    most.saturating_sub(least)
}
