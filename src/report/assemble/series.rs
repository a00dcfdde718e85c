//! Series of a run as named columns.

use rust_decimal::prelude::ToPrimitive;

use crate::metrics::CallsPoint;
use crate::model::observer::{PoolSample, WorkloadSample};
use crate::report::columns::{Column, Course, Courses};
use crate::scenario::Scenario;
use crate::sweep::RunResult;
use crate::units::convert::f64_from_i64;

/// A column's name and how a point is read.
type Reading<P> = (&'static str, fn(&P) -> Option<f64>);

const WORKLOAD: &[Reading<WorkloadSample>] = &[
    ("desired", |s| Some(f64::from(s.desired))),
    ("ready", |s| Some(f64::from(s.ready))),
    ("active", |s| Some(f64::from(s.active))),
    ("pending", |s| Some(f64::from(s.pending))),
    ("cpu_cores", |s| Some(s.cpu_cores)),
    ("cpu_requested_cores", |s| Some(s.cpu_requested_cores)),
    ("cpu_limit_cores", |s| Some(s.cpu_limit_cores)),
    ("memory_bytes", |s| Some(s.memory_bytes)),
    ("memory_requested_bytes", |s| Some(s.memory_requested_bytes)),
    ("container_cpu_cfs_periods_total", |s| s.cfs.map(|cfs| cfs.periods)),
    ("container_cpu_cfs_throttled_periods_total", |s| s.cfs.map(|cfs| cfs.throttled_periods)),
    ("container_cpu_cfs_throttled_seconds_total", |s| s.cfs.map(|cfs| cfs.throttled_s)),
];

const POOL: &[Reading<PoolSample>] = &[
    ("nodes", |s| Some(f64::from(s.nodes))),
    ("ready", |s| Some(f64::from(s.ready))),
    ("cpu_requested_cores", |s| Some(s.cpu_requested_cores)),
    ("cpu_allocatable_cores", |s| Some(s.cpu_allocatable_cores)),
    ("memory_requested_bytes", |s| Some(s.memory_requested_bytes)),
    ("memory_allocatable_bytes", |s| Some(s.memory_allocatable_bytes)),
    ("gpus_requested", |s| Some(f64_from_i64(s.gpus_requested))),
    ("gpus_allocatable", |s| Some(f64_from_i64(s.gpus_allocatable))),
];

const LATENCY: &[Reading<CallsPoint>] = &[
    ("p50_ms", |calls| calls.p50_ms),
    ("p95_ms", |calls| calls.p95_ms),
    ("p99_ms", |calls| calls.p99_ms),
];

fn columns<'a, P: 'a>(
    points: impl Iterator<Item = &'a P> + Clone,
    readings: &[Reading<P>],
) -> Vec<Column> {
    readings
        .iter()
        .map(|(name, read)| Column { name, values: points.clone().map(read).collect() })
        .collect()
}

pub(super) fn courses(scenario: &Scenario, run: &RunResult) -> Courses {
    let series = run.measurements.series();
    let stations = || scenario.services.stations.iter().zip(&series.stations);
    let mut latency = vec![Course {
        name: "all".to_owned(),
        columns: columns(series.traffic.iter().map(|point| &point.calls), LATENCY),
    }];
    latency.extend(stations().map(|(spec, points)| Course {
        name: spec.name.to_string(),
        columns: columns(points.iter().map(|point| &point.ended), LATENCY),
    }));
    let workloads = scenario.workloads.iter().zip(&series.workloads);
    Courses {
        times_s: series.times.iter().map(|time| time.as_secs_f64()).collect(),
        load: load(run),
        latency,
        workloads: workloads
            .map(|(spec, points)| Course {
                name: spec.to_string(),
                columns: columns(points.iter(), WORKLOAD),
            })
            .collect(),
        services: stations()
            .map(|(spec, points)| Course {
                name: spec.name.to_string(),
                columns: columns(
                    points.iter(),
                    &[
                        ("completed_per_second", |p| Some(p.ended.completed_per_second)),
                        ("failed_per_second", |p| Some(p.ended.failed_per_second)),
                        ("waiting", |p| Some(f64::from(p.state.waiting))),
                        ("inside", |p| Some(f64::from(p.state.inside))),
                        ("gpu_busy_share", |p| p.state.gpu_busy),
                    ],
                ),
            })
            .collect(),
        pools: pools(scenario, run),
    }
}

fn load(run: &RunResult) -> Vec<Column> {
    let series = run.measurements.series();
    let mut load = columns(
        series.traffic.iter(),
        &[
            ("offered_per_second", |p| Some(p.offered_per_second)),
            ("iterations_per_second", |p| Some(p.iterations_per_second)),
            ("dropped_per_second", |p| Some(p.dropped_per_second)),
            ("completed_per_second", |p| Some(p.calls.completed_per_second)),
            ("failed_per_second", |p| Some(p.calls.failed_per_second)),
            ("virtual_users", |p| Some(f64::from(p.virtual_users))),
        ],
    );
    load.push(Column {
        name: "pods_pending",
        values: series.pods_pending.iter().map(|pods| Some(f64::from(*pods))).collect(),
    });
    load
}

fn pools(scenario: &Scenario, run: &RunResult) -> Vec<Course> {
    let series = run.measurements.series();
    series
        .told_pools(&scenario.pools)
        .map(|id| {
            let (spec, points) = (&scenario.pools[id.index()], &series.pools[id.index()]);
            let cost = |sample: &PoolSample| sample.paid_per_hour.and_then(|paid| paid.to_f64());
            let mut columns = columns(points.iter(), POOL);
            columns
                .push(Column { name: "cost_per_hour", values: points.iter().map(cost).collect() });
            Course { name: spec.name.to_string(), columns }
        })
        .collect()
}
