//! Charts of a run as SVG files: the same bytes for the same run, legible without colours.
//!
//! All charts of a run share one time axis, so that cause stands above effect on the overview.

mod compact;
mod draw;
pub mod figure;
mod panels;
mod start_ups;

use std::collections::BTreeMap;

pub use figure::{Colour, Dash, Figure, Join, Series};
pub use start_ups::start_ups;

use crate::findings::Case;
use crate::model::record::Record;

use draw::{Mark, Sheet, draw};

/// Height of the plot of a chart that stands alone (pixels).
const ALONE: i32 = 260;
/// Height of each plot of the overview (pixels).
const STACKED: i32 = 118;
/// Workloads whose replicas the overview shows: those that moved most.
const REPLICAS_MOST: usize = 3;

/// Figures one above the other on one time axis, without marks.
#[must_use]
pub fn panels_of(figures: &[Figure]) -> String {
    let instants = figures.iter().flat_map(|figure| &figure.series).flat_map(|it| &it.points);
    let span_s = instants.map(|point| point.0).fold(0.0, f64::max);
    draw(&Sheet { figures, height: ALONE, span_s, marks: &[] })
}

/// Every chart by file name: `load.svg`, `latency.svg`, `replicas-NAME.svg` for each HPA,
/// `nodes.svg`, `budgets.svg`,
/// `gpu.svg` and `queues.svg` where there is something to see, and `overview.svg` with
/// all of them one above the other.
#[must_use]
pub fn charts(case: &Case<'_>) -> BTreeMap<String, String> {
    let marks = marks(case);
    let mut files = BTreeMap::new();
    let replicas = panels::replicas(case);
    let alone = figures(case);
    let mut moved: Vec<&(String, Figure)> = replicas.iter().collect();
    moved.sort_by_key(|(name, _)| std::cmp::Reverse(panels::movement(case, name)));
    moved.truncate(REPLICAS_MOST);
    // One that stood still is shown only when all did.
    let one_moved = moved.iter().any(|(name, _)| panels::movement(case, name) > 0);
    moved.retain(|(name, _)| !one_moved || panels::movement(case, name) > 0);
    let shown = |name: &str| {
        name.strip_prefix("replicas-").is_none_or(|name| moved.iter().any(|(one, _)| one == name))
    };
    let stacked: Vec<Figure> =
        alone.iter().filter(|(name, _)| shown(name)).map(|(_, figure)| figure.clone()).collect();
    files.insert("overview.svg".to_owned(), sheet(case, &stacked, STACKED, &marks));
    for (name, figure) in alone {
        files.insert(format!("{name}.svg"), sheet(case, &[figure], ALONE, &marks));
    }
    files
}

/// What each chart of a run shows, by name.
pub(in crate::report) fn figures(case: &Case<'_>) -> Vec<(String, Figure)> {
    let mut all = vec![
        ("load".to_owned(), panels::load(case)),
        ("latency".to_owned(), panels::latency(case)),
    ];
    for (name, figure) in panels::replicas(case) {
        all.push((format!("replicas-{name}"), figure));
    }
    all.push(("nodes".to_owned(), panels::nodes(case)));
    let budgets = panels::budgets(case);
    if budgets.moves() {
        all.push(("budgets".to_owned(), budgets));
    }
    let work = [("gpu", panels::gpu(case)), ("queues", panels::queues(case))];
    for (name, figure) in work.into_iter().filter(|(_, figure)| !figure.is_empty()) {
        all.push((name.to_owned(), figure));
    }
    all
}

/// A chart by itself, as low as those that stand one above the other, with marks at instants (s).
pub(in crate::report) fn alone(figure: &Figure, span_s: f64, marks: &[f64]) -> String {
    // What the marks mean stands beside the charts: here their texts would lie on the title.
    let marks: Vec<Mark> = marks.iter().map(|at| (*at, String::new())).collect();
    // Its title stands above it, too.
    let figures = &[Figure { title: String::new(), ..figure.clone() }];
    draw(&Sheet { figures, height: STACKED, span_s, marks: &marks })
}

fn sheet(case: &Case<'_>, figures: &[Figure], height: i32, marks: &[Mark]) -> String {
    draw(&Sheet { figures, height, span_s: case.scenario.duration.as_secs_f64(), marks })
}

/// What the scenario did to the cluster, and when.
pub(in crate::report) fn marks(case: &Case<'_>) -> Vec<Mark> {
    let clock = case.history.clock();
    let began = case.history.entries().iter().filter_map(|entry| {
        let Record::DisruptionBegan(id) = &entry.record else { return None };
        let at = clock.offset(entry.first).as_secs_f64();
        Some((at, case.describe(&case.scenario.disruptions[id.index()])))
    });
    began.filter(|(at, _)| *at >= 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::fixture;

    #[test]
    fn charts_are_the_same_bytes_and_name_their_axes() {
        let run = fixture::peak();
        let files = charts(&run.case());
        assert_eq!(files, charts(&fixture::peak().case()));
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "gpu.svg",
                "latency.svg",
                "load.svg",
                "nodes.svg",
                "overview.svg",
                "queues.svg",
                "replicas-checkout.svg",
                "replicas-ml.svg"
            ]
        );
        let latency = &files["latency.svg"];
        for word in
            ["Latency of client requests [s]", "limit of p(95)", "time since the start", "30m"]
        {
            assert!(latency.contains(word), "{word}");
        }
        assert!(latency.starts_with("<svg width=\"960\""), "{}", &latency[..80]);
    }
}
