//! One run of a scenario with some figures, reduced to what a search looks at.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::figures::Field;
use super::parts::{Part, cores_of, parts};
use crate::findings::text::threshold_figure;
use crate::metrics::ThresholdResult;
use crate::metrics::series::Series;
use crate::model::observer::PoolSample;
use crate::scenario::threshold::Severity;
use crate::scenario::{Scenario, ServiceModel, ThresholdSpec};
use crate::sweep::{RunResult, SweepOptions, run};
use crate::units::SimDuration;
use crate::units::convert::{f64_from_usize, u64_from_usize};

/// Peaks are means over so long: shorter ones are chance, and no autoscaler sees them.
const WINDOW: SimDuration = SimDuration::from_secs(60);

/// What a run told.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Whether every threshold that counts is met.
    pub holds: bool,
    /// Those that are not, as written, with what was observed: `http_req_duration p(95)<500: 812`.
    pub failed: Vec<String>,
    /// How far beyond their limits they are together, as shares of the limits.
    pub excess: f64,
    /// Cores that bound pods request, as a mean over time.
    pub requested_cores: f64,
    /// What it costs over a month; `None` when a price is unknown.
    pub cost: Option<Decimal>,
    /// Of that, what does not depend on nodes: control plane and volumes.
    pub fixed_per_month: Option<Decimal>,
    /// Storage that is claimed (bytes).
    pub storage_bytes: f64,
    /// What each part used, by position in [`parts`].
    pub parts: Vec<PartUse>,
    /// What each pool carried.
    pub pools: Vec<PoolUse>,
    /// Pods that waited for a node, at the worst.
    pub pending_most: u32,
    /// Containers that were killed for memory.
    pub oom_kills: u64,
    /// 95th percentile of all requests (ms).
    pub p95_ms: Option<f64>,
    /// Events the run took.
    pub events: u64,
}

/// What a part used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PartUse {
    /// Cores of all its pods, at the worst minute.
    pub cores: f64,
    /// Cores of one pod, at the worst minute.
    pub cores_of_pod: f64,
    /// Memory of one pod, at the worst instant (bytes).
    pub memory_of_pod: f64,
    /// GPUs that were busy, at the worst minute (in pods' worth).
    pub busy_gpus: f64,
    /// Share of what its ready pods can do that was used, at the worst minute.
    pub pressure: f64,
    /// Which resource that is.
    pub pressed: &'static str,
    /// Pods wanted, at least and at most.
    pub desired: (i32, i32),
    /// Operations per second, at the worst minute.
    pub rate: f64,
    /// Whether the autoscaler stood at its maximum with more use than its target for five minutes.
    pub pinned: bool,
}

/// What a pool carried.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolUse {
    /// Its name.
    pub name: Arc<str>,
    /// Nodes that were paid for, at least and at most.
    pub nodes: (u32, u32),
    /// The largest request of a pod that ran there: cores, bytes.
    pub largest_pod: (f64, f64),
    /// By instant.
    pub samples: Vec<PoolSample>,
}

/// A scenario with the rates of the fluid model, where it can be. Nobody asks which alerts fire.
#[must_use]
pub fn by_rates(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.unwatched();
    if scenario.model == ServiceModel::Requests && scenario.services.beyond_rates().is_none() {
        scenario.model = ServiceModel::Fluid { tick: ServiceModel::TICK };
    }
    scenario
}

/// Runs a scenario as it is.
#[must_use]
pub fn trial(scenario: &Scenario, replication: u64, strict: bool) -> Trial {
    let result = run(scenario, SweepOptions::for_figures(scenario.seed), replication, &|_| ());
    told(scenario, &result, strict)
}

fn told(scenario: &Scenario, result: &RunResult, strict: bool) -> Trial {
    let specs = scenario.thresholds.iter().zip(&result.thresholds);
    let counts = specs.filter(|(spec, _)| spec.terms().severity == Severity::Error);
    let missed: Vec<_> = counts.filter(|(_, judged)| !judged.is_met(strict)).collect();
    let beyond = |judged: &ThresholdResult| judged.margin.map_or(1.0, |margin| (-margin).max(1e-3));
    let excess = missed.iter().map(|(_, judged)| beyond(judged)).sum();
    let failed: Vec<String> =
        missed.iter().map(|(spec, judged)| format!("{spec}: {}", observed(spec, judged))).collect();
    let measured = &result.measurements;
    let series = measured.series();
    Trial {
        holds: failed.is_empty(),
        failed,
        excess,
        requested_cores: requested_cores(series),
        cost: result.cost.per_month(),
        fixed_per_month: result
            .cost
            .volumes_per_month()
            .map(|volumes| volumes + result.cost.control_plane_per_month),
        storage_bytes: result
            .cost
            .volumes
            .iter()
            .map(|claim| claim.size.as_f64() * f64::from(claim.volumes))
            .sum(),
        parts: parts(scenario).iter().map(|part| part_use(scenario, part, series)).collect(),
        pools: pool_uses(scenario, result),
        pending_most: series.pods_pending.iter().copied().max().unwrap_or(0),
        oom_kills: measured.oom_kills(),
        p95_ms: measured.calls().durations.percentile_ms(95.0),
        events: result.outcome.events,
    }
}

fn requested_cores(series: &Series) -> f64 {
    let all: f64 = series.pools.iter().flatten().map(|sample| sample.cpu_requested_cores).sum();
    all / f64_from_usize(series.times.len().max(1))
}

fn observed(spec: &ThresholdSpec, judged: &ThresholdResult) -> String {
    judged.observed().map_or_else(|| "no samples".to_owned(), |value| threshold_figure(spec, value))
}

/// The largest mean of a course over a minute.
fn worst_minute(series: &Series, value: impl Fn(usize) -> Option<f64>) -> f64 {
    let times = &series.times;
    let (mut first, mut sum, mut count, mut worst) = (0, 0.0, 0_usize, 0.0_f64);
    let mut kept: Vec<Option<f64>> = Vec::with_capacity(times.len());
    for at in 0..times.len() {
        let now = value(at);
        kept.push(now);
        if let Some(value) = now {
            sum += value;
            count += 1;
        }
        while times[at].saturating_sub(times[first]) >= WINDOW && first < at {
            if let Some(value) = kept[first] {
                sum -= value;
                count -= 1;
            }
            first += 1;
        }
        if count > 0 {
            worst = worst.max(sum / f64_from_usize(count));
        }
    }
    worst
}

fn part_use(scenario: &Scenario, part: &Part, series: &Series) -> PartUse {
    let samples = series.workload(part.workload);
    let points = series.station(part.station);
    let ready = |at: usize| f64::from(samples[at].ready.max(1));
    let cores = worst_minute(series, |at| Some(samples[at].cpu_cores));
    let cores_of_pod = worst_minute(series, |at| {
        (samples[at].ready > 0).then(|| samples[at].cpu_cores / ready(at))
    });
    let limit = cores_of(scenario, &part.container, Field::CpuLimit);
    let cpu = part.cores(limit).map_or(0.0, |cores| cores_of_pod / cores.max(1e-3));
    let busy = |at: usize| points[at].state.gpu_busy;
    let gpu = worst_minute(series, busy);
    let taken = part.places.map_or(0.0, |places| {
        worst_minute(series, |at| {
            Some(f64::from(points[at].state.inside) / (f64::from(places) * ready(at)))
        })
    });
    let (pressure, pressed) = [(cpu, "CPU limit"), (gpu, "GPUs"), (taken, "places")]
        .into_iter()
        .fold((0.0, "CPU limit"), |most, next| if next.0 > most.0 { next } else { most });
    let memory = |at: usize| samples[at].memory_bytes / f64::from(samples[at].active.max(1));
    let desired = samples.iter().map(|sample| sample.desired);
    PartUse {
        cores,
        cores_of_pod,
        memory_of_pod: (0..samples.len()).map(memory).fold(0.0, f64::max),
        busy_gpus: worst_minute(series, |at| Some(busy(at)? * ready(at))),
        pressure,
        pressed,
        desired: (desired.clone().min().unwrap_or(0), desired.max().unwrap_or(0)),
        rate: worst_minute(series, |at| Some(points[at].ended.completed_per_second)),
        pinned: pinned(scenario, part, series),
    }
}

/// Whether an autoscaler wanted more than it may for five minutes.
fn pinned(scenario: &Scenario, part: &Part, series: &Series) -> bool {
    const LONG: SimDuration = SimDuration::from_secs(300);
    let Some(target) = part.hpa.as_ref().and_then(|scaling| scaling.cpu_target) else {
        return false;
    };
    let Some(hpa) = scenario.hpas.iter().find(|hpa| hpa.target == part.workload) else {
        return false;
    };
    let mut since = None;
    for (time, sample) in series.times.iter().zip(series.workload(part.workload)) {
        let above = sample.cpu_cores > sample.cpu_requested_cores * target * 1.1;
        if sample.desired >= hpa.spec.max_replicas && above {
            let since = *since.get_or_insert(*time);
            if time.saturating_sub(since) >= LONG {
                return true;
            }
        } else {
            since = None;
        }
    }
    false
}

fn pool_uses(scenario: &Scenario, result: &RunResult) -> Vec<PoolUse> {
    let series = result.measurements.series();
    let mut largest = vec![(0.0_f64, 0.0_f64); scenario.pools.len()];
    for pod in result.history.pods() {
        let node = pod.bound.and_then(|(_, node)| result.history.node(node));
        let (Some(node), Some(workload)) = (node, scenario.workloads.get(pod.workload.index()))
        else {
            continue;
        };
        let requests = workload.template.spec.requests();
        let most = &mut largest[node.pool.index()];
        most.0 = most.0.max(requests.cpu.as_cores());
        most.1 = most.1.max(requests.memory.as_f64());
    }
    let pools = scenario.pools.iter().zip(&series.pools).zip(largest);
    pools
        .filter(|((spec, _), _)| spec.node_pool.is_none())
        .map(|((spec, samples), largest_pod)| {
            let nodes = samples.iter().map(|sample| sample.nodes);
            PoolUse {
                name: Arc::clone(&spec.name),
                nodes: (nodes.clone().min().unwrap_or(0), nodes.max().unwrap_or(0)),
                largest_pod,
                samples: samples.clone(),
            }
        })
        .collect()
}

impl PoolUse {
    /// Nodes of a machine type that the requests of bound pods need at an instant, packed as well as
    /// `fill` says (share of a node that can be filled).
    #[must_use]
    pub fn needed(&self, at: usize, machine: &crate::cluster::api::InstanceType, fill: f64) -> u64 {
        let Some(sample) = self.samples.get(at) else { return 0 };
        let share = |used: f64, of: f64| if of > 0.0 { used / (of * fill) } else { 0.0 };
        let gpus = machine.allocatable.get("nvidia.com/gpu");
        let shares = [
            share(sample.cpu_requested_cores, machine.allocatable.cpu.as_cores()),
            share(sample.memory_requested_bytes, machine.allocatable.memory.as_f64()),
            if gpus > 0 {
                crate::units::convert::f64_from_i64(sample.gpus_requested)
                    / crate::units::convert::f64_from_i64(gpus)
            } else {
                0.0
            },
        ];
        crate::units::convert::ceil_u64(shares.into_iter().fold(0.0, f64::max) - 1e-9)
    }

    /// The least and the most nodes of a machine type that were needed at any instant.
    #[must_use]
    pub fn needed_range(
        &self,
        machine: &crate::cluster::api::InstanceType,
        fill: f64,
    ) -> (u64, u64) {
        let all = (0..self.samples.len()).map(|at| self.needed(at, machine, fill));
        (all.clone().min().unwrap_or(0), all.max().unwrap_or(0))
    }

    /// Mean number of nodes of a machine type that were needed.
    #[must_use]
    pub fn needed_mean(
        &self,
        machine: &crate::cluster::api::InstanceType,
        fill: f64,
        least: u64,
    ) -> f64 {
        let all = (0..self.samples.len()).map(|at| self.needed(at, machine, fill).max(least));
        let sum: u64 = all.sum();
        let count = u64_from_usize(self.samples.len()).max(1);
        crate::units::convert::f64_from_u64(sum) / crate::units::convert::f64_from_u64(count)
    }
}
