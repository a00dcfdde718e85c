//! Offered load times demand against what the pods can give: the arithmetic behind a cause.

use crate::findings::Case;
use crate::findings::text::{cores, plural};
use crate::model::id::{ClassId, StationId, WorkloadId};
use crate::model::observer::WorkloadSample;
use crate::scenario::Scenario;
use crate::service::spec::StationKind;
use crate::units::convert::index;
use crate::units::{MilliCpu, SimDuration};

/// CPU that open loads ask of each station at an instant (cores): rate x demand, summed over loads
/// and classes. What closed loads ask depends on the answers and is left out.
#[must_use]
pub fn offered_cores(scenario: &Scenario, at: SimDuration) -> Vec<f64> {
    let graph = &scenario.services;
    let mut cores = vec![0.0; graph.stations.len()];
    let demand: Vec<Vec<f64>> = (0..graph.classes.len())
        .map(|class| graph.cpu_demand_by_station(ClassId::at(class)))
        .collect();
    for load in &scenario.loads {
        let Some(rate) = load.offered_rate(at) else { continue };
        for (class, share) in load.mix().shares() {
            for (sum, demand) in cores.iter_mut().zip(&demand[class.index()]) {
                *sum += rate * share * demand;
            }
        }
    }
    cores
}

/// Iterations per second of all open loads at an instant.
#[must_use]
pub fn offered_rate(scenario: &Scenario, at: SimDuration) -> f64 {
    scenario.loads.iter().filter_map(|load| load.offered_rate(at)).sum()
}

/// Cores that one ready pod of a station may use: its limit, or less when its process cannot use
/// more; `None` without either.
#[must_use]
pub fn cores_per_pod(scenario: &Scenario, station: StationId) -> Option<f64> {
    let spec = &scenario.services.stations[station.index()];
    let process = match &spec.kind {
        StationKind::Cpu(cpu) => cpu.max_cores,
        StationKind::Gpu(_) | StationKind::Worker(_) | StationKind::Delay => None,
    };
    let limit = spec.workload.and_then(|workload| {
        scenario.workloads[workload.index()].template.spec.cpu_limit().map(MilliCpu::as_cores)
    });
    match (limit, process) {
        (Some(limit), Some(process)) => Some(limit.min(process)),
        (limit, process) => limit.or(process),
    }
}

/// Cores that the ready pods may use together, as sampled.
pub(super) fn sampled_capacity(
    scenario: &Scenario,
    station: StationId,
    sample: &WorkloadSample,
) -> f64 {
    let by_process = match &scenario.services.stations[station.index()].kind {
        StationKind::Cpu(cpu) => cpu.max_cores.map(|cores| cores * f64::from(sample.ready)),
        StationKind::Gpu(_) | StationKind::Worker(_) | StationKind::Delay => None,
    };
    by_process.map_or(sample.cpu_limit_cores, |cores| cores.min(sample.cpu_limit_cores))
}

/// A full machine keeps pods below their limits when they get less than this share of them.
const HELD_BELOW: f64 = 0.97;

/// What bounds the pods: `at its limit (20 × 500m)`, or `held back by full nodes (2 pods get 1.5 cores)`
/// where machines are full before limits are reached.
#[must_use]
pub fn capacity_text(case: &Case<'_>, workload: WorkloadId, sample: &WorkloadSample) -> String {
    let spec = &case.scenario.workloads[workload.index()].template.spec;
    let (pods, get) = (sample.ready, sample.cpu_limit_cores);
    match spec.cpu_limit() {
        Some(limit) if get >= limit.as_cores() * f64::from(pods) * HELD_BELOW => {
            format!("at its limit ({pods} × {limit})")
        }
        Some(_) | None => {
            let verb = if pods == 1 { "gets" } else { "get" };
            let pods = plural(index(pods), "pod");
            format!("held back by full nodes ({pods} {verb} {} cores)", cores(get))
        }
    }
}
