//! Services, workloads and node pools of a run, a row each.

use crate::metrics::cost::cents;
use crate::metrics::start_up::StartPhase;
use crate::metrics::tally::Tally;
use crate::metrics::{EndCounts, StationPoint};
use crate::model::id::{StationId, WorkloadId};
use crate::model::observer::{PoolSample, WorkloadSample};
use crate::report::{
    EndsEntry, MachineEntry, PoolEntry, ServiceEntry, StartUpEntry, WorkloadEntry,
};
use crate::scenario::Scenario;
use crate::sweep::RunResult;
use crate::units::convert::{f64_from_i64, f64_from_u64, f64_from_usize};

pub(super) fn services(scenario: &Scenario, run: &RunResult) -> Vec<ServiceEntry> {
    let stations = scenario.services.stations.iter().enumerate();
    stations
        .map(|(position, spec)| {
            let id = StationId::at(position);
            let figures = run.measurements.station(id);
            let points = run.measurements.series().station(id);
            let busy = |point: &StationPoint| point.state.gpu_busy;
            ServiceEntry {
                name: spec.name.to_string(),
                workload: spec.workload.map(|id| scenario.workloads[id.index()].to_string()),
                ends: ends(figures.ends),
                failed_share: share(figures.ends),
                p50_ms: figures.sojourns.percentile_ms(50.0),
                p95_ms: figures.sojourns.percentile_ms(95.0),
                p99_ms: figures.sojourns.percentile_ms(99.0),
                peak_waiting: points.iter().map(|point| point.state.waiting).max().unwrap_or(0),
                gpu_busy_mean: mean(points.iter().filter_map(busy)),
                gpu_busy_peak: peak(points.iter().filter_map(busy)),
                little_gap: run.little.get(position).map_or(0.0, crate::metrics::LittleLaw::gap),
            }
        })
        .collect()
}

pub(super) fn workloads(scenario: &Scenario, run: &RunResult) -> Vec<WorkloadEntry> {
    let workloads = scenario.workloads.iter().enumerate();
    workloads
        .map(|(position, spec)| {
            let id = WorkloadId::at(position);
            let points = run.measurements.series().workload(id);
            let ready = || points.iter().map(|point| point.ready);
            let of_request = |p: &WorkloadSample| ratio(p.cpu_cores, p.cpu_requested_cores);
            let of_limit = |p: &WorkloadSample| ratio(p.cpu_cores, p.cpu_limit_cores);
            let memory = |p: &WorkloadSample| ratio(p.memory_bytes, p.memory_requested_bytes);
            let scaled = run.measurements.time_to_scale(id);
            let service = scenario.services.station_of(id);
            WorkloadEntry {
                name: spec.to_string(),
                service: service.map(|id| scenario.services.stations[id.index()].name.to_string()),
                ready_first: ready().next().unwrap_or(0),
                ready_min: ready().min().unwrap_or(0),
                ready_max: ready().max().unwrap_or(0),
                ready_last: ready().next_back().unwrap_or(0),
                desired_max: points.iter().map(|point| point.desired).max().unwrap_or(0),
                pending_max: points.iter().map(|point| point.pending).max().unwrap_or(0),
                cpu_of_request_mean: ratio(
                    points.iter().map(|point| point.cpu_cores).sum(),
                    points.iter().map(|point| point.cpu_requested_cores).sum(),
                ),
                cpu_of_request_peak: peak(points.iter().filter_map(of_request)),
                cpu_of_limit_peak: peak(points.iter().filter_map(of_limit)),
                memory_of_request_peak: peak(points.iter().filter_map(memory)),
                scaled_pods: scaled.count(),
                time_to_scale_p50_s: scaled.percentile_ms(50.0).map(|ms| ms / 1e3),
                time_to_scale_max_s: scaled.max_ms().map(|ms| ms / 1e3),
            }
        })
        .collect()
}

pub(super) fn start_ups(scenario: &Scenario, run: &RunResult) -> Vec<StartUpEntry> {
    let workloads = scenario.workloads.iter().enumerate();
    let measured = workloads.filter_map(|(position, spec)| {
        Some((spec, run.measurements.start_ups(WorkloadId::at(position))?))
    });
    measured
        .map(|(spec, start_ups)| {
            let at = |tally: &Tally, percent| tally.percentile_ms(percent).unwrap_or(0.0) / 1000.0;
            let phases = StartPhase::ALL.iter().zip(&start_ups.phases);
            StartUpEntry {
                workload: spec.to_string(),
                pods: start_ups.total.count(),
                phases: phases
                    .map(|(phase, tally)| (phase.name(), at(tally, 50.0), at(tally, 95.0)))
                    .collect(),
                total_s: (
                    at(&start_ups.total, 50.0),
                    at(&start_ups.total, 95.0),
                    start_ups.total.max_ms().unwrap_or(0.0) / 1000.0,
                ),
            }
        })
        .collect()
}

pub(super) fn pools(scenario: &Scenario, run: &RunResult) -> Vec<PoolEntry> {
    let series = run.measurements.series();
    series
        .told_pools(&scenario.pools)
        .map(|id| {
            let (spec, cost) = (&scenario.pools[id.index()], &run.cost.pools[id.index()]);
            let points = &series.pools[id.index()];
            let ready = || points.iter().map(|point| point.ready);
            let sum = |of: fn(&PoolSample) -> f64| points.iter().map(of).sum::<f64>();
            let average = |of: fn(&PoolSample) -> f64| mean(points.iter().map(of)).unwrap_or(0.0);
            PoolEntry {
                name: spec.name.to_string(),
                instance: spec.instance.name.to_string(),
                ready_first: ready().next().unwrap_or(0),
                ready_min: ready().min().unwrap_or(0),
                ready_max: ready().max().unwrap_or(0),
                ready_last: ready().next_back().unwrap_or(0),
                max: spec.max,
                cpu_requested_cores: average(|point| point.cpu_requested_cores),
                cpu_requested_share: ratio(
                    sum(|point| point.cpu_requested_cores),
                    sum(|point| point.cpu_allocatable_cores),
                ),
                memory_requested_bytes: average(|point| point.memory_requested_bytes),
                memory_requested_share: ratio(
                    sum(|point| point.memory_requested_bytes),
                    sum(|point| point.memory_allocatable_bytes),
                ),
                gpu_requested_share: ratio(
                    sum(|point| f64_from_i64(point.gpus_requested)),
                    sum(|point| f64_from_i64(point.gpus_allocatable)),
                ),
                node_hours: cost.node_hours,
                price_per_hour: cost.price_per_hour,
                per_month: cost.per_month.map(cents),
                idle_share: cost.idle_share,
                idle_per_month: cost.idle_per_month.map(cents),
                machines: cost
                    .machines
                    .iter()
                    .map(|machine| MachineEntry {
                        instance: machine.instance.to_string(),
                        spot: machine.spot,
                        node_hours: machine.node_hours,
                        price_per_hour: machine.price_per_hour,
                        per_month: machine.per_month.map(cents),
                    })
                    .collect(),
            }
        })
        .collect()
}

fn ends(ends: EndCounts) -> EndsEntry {
    let EndCounts {
        completed,
        timed_out,
        refused,
        cut,
        failed,
        limited,
        short_circuited,
        abandoned,
    } = ends;
    EndsEntry { completed, timed_out, refused, cut, failed, limited, short_circuited, abandoned }
}

fn share(ends: EndCounts) -> Option<f64> {
    let total = ends.total();
    (total > 0).then(|| f64_from_u64(ends.failures()) / f64_from_u64(total))
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn peak(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::max)
}

/// Mean of even samples.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), x| (sum + x, count + 1));
    (count > 0).then(|| sum / f64_from_usize(count))
}
