//! `-o csv=DIR`: series and cost as tables, one file a kind.
//!
//! Long form: a row for each instant and thing. The first column is `t_s`, seconds from the start
//! of measuring, the second the thing's name; units stand in the names of the columns. An empty
//! cell is a figure that nothing was measured for. `cost.csv` has a row for each item of a month,
//! `startups.csv` one for each part of the way from pending to serving.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::report::columns::{Column, Course};
use crate::report::{CostEntry, Report};

/// Name of each file and its text; who calls writes them whole or not at all.
#[must_use]
pub fn files(report: &Report) -> BTreeMap<&'static str, String> {
    let courses = &report.courses;
    let times = &courses.times_s;
    BTreeMap::from([
        ("load.csv", wide(times, &courses.load)),
        ("latency.csv", long(times, "service", &courses.latency)),
        ("workloads.csv", long(times, "workload", &courses.workloads)),
        ("services.csv", long(times, "service", &courses.services)),
        ("nodes.csv", long(times, "pool", &courses.pools)),
        ("cost.csv", cost(report)),
        ("startups.csv", start_ups(report)),
    ])
}

fn written(rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row).expect("memory takes any row, and rows have equal lengths");
    }
    let bytes = writer.into_inner().expect("memory can always be flushed");
    String::from_utf8(bytes).expect("rows are text")
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn wide(times: &[f64], columns: &[Column]) -> String {
    let header = std::iter::once("t_s").chain(columns.iter().map(|column| column.name));
    let header = header.map(str::to_owned).collect();
    let rows = times.iter().enumerate().map(|(instant, time)| {
        let cells = columns.iter().map(|column| cell(column.values[instant]));
        std::iter::once(time.to_string()).chain(cells).collect()
    });
    written(std::iter::once(header).chain(rows))
}

fn long(times: &[f64], thing: &str, courses: &[Course]) -> String {
    let names = courses.first().map_or(&[][..], |course| &course.columns);
    let header = ["t_s", thing].into_iter().chain(names.iter().map(|column| column.name));
    let header = header.map(str::to_owned).collect();
    let rows = times.iter().enumerate().flat_map(|(instant, time)| {
        courses.iter().map(move |course| {
            let cells = course.columns.iter().map(|column| cell(column.values[instant]));
            [time.to_string(), course.name.clone()].into_iter().chain(cells).collect()
        })
    });
    written(std::iter::once(header).chain(rows))
}

/// Where the time of pods went that waited for a machine: each part of the way in its order, then `total`.
fn start_ups(report: &Report) -> String {
    let header = ["workload", "pods", "part", "p50_s", "p95_s", "max_s"];
    let rows = report.start_ups.iter().flat_map(|entry| {
        let row = move |part: &str, p50: f64, p95: f64, max: Option<f64>| {
            // To the millisecond: the rest is noise of the histogram.
            let rounded = |seconds: f64| libm::round(seconds * 1e3) / 1e3;
            let (p50, p95) = (rounded(p50).to_string(), rounded(p95).to_string());
            let (workload, pods) = (entry.workload.clone(), entry.pods.to_string());
            vec![workload, pods, part.to_owned(), p50, p95, cell(max.map(rounded))]
        };
        let (p50, p95, max) = entry.total_s;
        let parts = entry.phases.iter().map(move |(part, p50, p95)| row(part, *p50, *p95, None));
        parts.chain([row("total", p50, p95, Some(max))])
    });
    written(std::iter::once(header.map(str::to_owned).to_vec()).chain(rows))
}

/// Items of a month. `unknown` is a price that nobody stated.
fn cost(report: &Report) -> String {
    let header = ["item", "name", "count", "per_month", "currency"];
    let CostEntry { currency, volumes, control_plane_per_month, .. } = &report.cost;
    let amount = |amount: &Option<Decimal>| {
        amount.map_or_else(|| "unknown".to_owned(), |amount| amount.to_string())
    };
    let row = |item: &str, name: &str, count: String, month: String| {
        vec![item.to_owned(), name.to_owned(), count, month, currency.clone()]
    };
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for pool in &report.node_pools {
        let hours = pool.node_hours.round_dp(3).normalize();
        rows.push(row("node_hours", &pool.name, hours.to_string(), amount(&pool.per_month)));
    }
    let control = control_plane_per_month.to_string();
    rows.push(row("control_plane", &report.cluster, "1".to_owned(), control));
    for volume in volumes {
        let count = volume.volumes.to_string();
        rows.push(row("volumes", &volume.claim, count, amount(&volume.per_month)));
    }
    rows.push(row("total", &report.scenario, "1".to_owned(), amount(&report.cost.per_month)));
    written(rows.into_iter())
}
