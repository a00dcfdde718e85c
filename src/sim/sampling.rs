//! Series: the state of everything, at even intervals.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::cluster::{NodePhase, PodPhase};
use crate::model::Event;
use crate::model::id::{PodId, PoolId, StationId, WorkloadId};
use crate::model::observer::{
    CfsCounts, Observer, PlacedSample, PoolSample, Sample, StationSample, WorkloadSample,
};
use crate::scenario::Scenario;
use crate::service::Throttling;
use crate::sim::Run;
use crate::units::convert::{count_u32, f64_from_i64};
use crate::units::{MilliCpu, SimDuration, SimTime};

/// Points of a series at most; the interval is a whole number of five seconds.
const POINTS: u64 = 720;

/// What sampling remembers from one instant to the next.
pub(super) struct Sampler {
    pub(super) interval: SimDuration,
    last: SimTime,
    /// Core-seconds of each workload up to the last sample.
    cpu_core_s: Vec<f64>,
    /// How much CPU limits held up the pods of each workload since the run began.
    throttling: Vec<Option<Throttling>>,
    /// What each pod had counted of that at the last sample.
    throttled: BTreeMap<PodId, Throttling>,
    /// GPU-seconds of each station up to the last sample.
    gpu_s: Vec<f64>,
    /// Core-seconds of each workload on each pool up to the last sample.
    placed_core_s: BTreeMap<(PoolId, WorkloadId), f64>,
}

/// Core-seconds and bytes of memory of each pod.
type Usages = BTreeMap<PodId, (f64, f64)>;

impl Sampler {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            interval: interval(scenario.duration),
            last: SimTime::ZERO,
            cpu_core_s: vec![0.0; scenario.workloads.len()],
            throttling: vec![None; scenario.workloads.len()],
            throttled: BTreeMap::new(),
            gpu_s: vec![0.0; scenario.services.stations.len()],
            placed_core_s: BTreeMap::new(),
        }
    }
}

/// The sampling interval for a run of this length: at least 5 s, at most [`POINTS`] points.
fn interval(duration: SimDuration) -> SimDuration {
    let step = SimDuration::from_secs(5);
    step * duration.as_nanos().div_ceil(POINTS * step.as_nanos()).max(1)
}

impl<O: Observer> Run<'_, O> {
    /// Tells the observer the state of everything.
    pub(super) fn sample(&mut self, now: SimTime) {
        let elapsed_s = now.since(self.sampler.last).as_secs_f64().max(1e-9);
        self.sampler.last = now;
        let measured = now.since(self.measured_from);
        let rates = self.scenario.loads.iter().filter_map(|load| load.offered_rate(measured));
        let usages = self.usages(now);
        let sample = Sample {
            offered_per_second: rates.sum(),
            virtual_users: self.busy_users(),
            workloads: self.sample_workloads(&usages, elapsed_s),
            stations: self.sample_stations(now, elapsed_s),
            pools: self.sample_pools(),
            placed: self.sample_placed(&usages, elapsed_s),
            pods_pending: count_u32(self.cluster.pending_count()),
            budgets: self
                .cluster
                .budgets()
                .iter()
                .map(|budget| budget.exists.then_some(budget.status.disruptions_allowed))
                .collect(),
        };
        self.observer.sample(now, &sample);
        self.schedule(self.sampler.interval, Event::Sample);
    }

    /// What every pod that serves has used and holds.
    fn usages(&mut self, now: SimTime) -> Usages {
        let served: Vec<PodId> = self.servers.keys().copied().collect();
        let before = std::mem::take(&mut self.sampler.throttled);
        let mut usages = Usages::new();
        for pod in served {
            let (mut sum, mut throttlings) = ((0.0, 0.0), Vec::new());
            self.each_usage(now, pod, |usage| {
                sum.0 += usage.cpu_core_s;
                sum.1 += usage.memory_bytes;
                throttlings.extend(usage.throttling);
            });
            for counted in throttlings {
                self.throttled(pod, counted, before.get(&pod));
            }
            usages.insert(pod, sum);
        }
        usages
    }

    /// Who lies where. What nobody measures is left at zero, as in the samples of workloads.
    fn sample_placed(&mut self, usages: &Usages, elapsed_s: f64) -> Vec<PlacedSample> {
        let mut placed: BTreeMap<(PoolId, WorkloadId), (PlacedSample, f64)> = BTreeMap::new();
        for node in self.cluster.nodes().filter(|node| !node.machine_gone) {
            let Some(pool) = node.pool else { continue };
            for pod in node.pods.iter().filter_map(|pod| self.cluster.pod(*pod)) {
                let workload = pod.workload();
                let fresh = PlacedSample {
                    pool,
                    workload,
                    cpu_requested_cores: 0.0,
                    cpu_cores: 0.0,
                    memory_requested_bytes: 0.0,
                    memory_bytes: 0.0,
                    gpus_requested: 0,
                };
                let (sample, core_s) = placed.entry((pool, workload)).or_insert((fresh, 0.0));
                sample.cpu_requested_cores += pod.requests.cpu.as_cores();
                sample.memory_requested_bytes += pod.requests.memory.as_f64();
                sample.gpus_requested += pod.requests.get("nvidia.com/gpu");
                if let Some((cpu, memory)) = usages.get(&pod.id) {
                    *core_s += cpu;
                    sample.memory_bytes += memory;
                }
            }
        }
        let before = std::mem::take(&mut self.sampler.placed_core_s);
        let mut samples = Vec::with_capacity(placed.len());
        for (key, (mut sample, core_s)) in placed {
            let since = before.get(&key).copied().unwrap_or(0.0);
            sample.cpu_cores = (core_s - since).max(0.0) / elapsed_s;
            self.sampler.placed_core_s.insert(key, core_s);
            samples.push(sample);
        }
        samples
    }

    fn sample_workloads(&mut self, usages: &Usages, elapsed_s: f64) -> Vec<WorkloadSample> {
        let mut samples = Vec::with_capacity(self.cluster.workloads().len());
        for workload in self.cluster.workloads() {
            let mut sample = WorkloadSample {
                workload: workload.id,
                desired: workload.replicas,
                ready: 0,
                pending: 0,
                active: 0,
                cpu_cores: 0.0,
                cpu_requested_cores: 0.0,
                cpu_limit_cores: 0.0,
                memory_bytes: 0.0,
                memory_requested_bytes: 0.0,
                cfs: self.sampler.throttling[workload.id.index()].map(|it| CfsCounts {
                    periods: it.periods,
                    throttled_periods: it.throttled_periods,
                    throttled_s: it.throttled_s,
                }),
            };
            let mut cpu_core_s = 0.0;
            for pod in self.cluster.pods_of(workload.id) {
                sample.active += u32::from(pod.is_active());
                sample.pending += u32::from(pod.node.is_none());
                let serving = pod.is_ready() && !pod.is_terminating();
                sample.ready += u32::from(serving);
                let node = pod.node.and_then(|node| self.cluster.node(node));
                if !node.is_some_and(crate::cluster::Node::is_ready)
                    || pod.phase != PodPhase::Running
                {
                    continue;
                }
                sample.cpu_requested_cores += pod.requests.cpu.as_cores();
                sample.memory_requested_bytes += pod.requests.memory.as_f64();
                if serving {
                    let machine = node.map_or(0.0, |node| node.capacity.cpu.as_cores());
                    let limit = pod.template.spec.cpu_limit().map_or(machine, MilliCpu::as_cores);
                    let server = self.servers.get(&pod.id);
                    let held = server.and_then(|server| self.services.held_cores(*server));
                    sample.cpu_limit_cores += held.map_or(limit, |held| held.min(limit));
                }
                if let Some((cpu, memory)) = usages.get(&pod.id) {
                    cpu_core_s += cpu;
                    sample.memory_bytes += memory;
                }
            }
            // Pods that ended since the last sample take their counters with them.
            let before = &mut self.sampler.cpu_core_s[workload.id.index()];
            sample.cpu_cores = (cpu_core_s - *before).max(0.0) / elapsed_s;
            *before = cpu_core_s;
            samples.push(sample);
        }
        samples
    }

    /// Adds what a pod has been held up since the last sample; its counters begin anew with its process.
    fn throttled(&mut self, pod: PodId, counted: Throttling, before: Option<&Throttling>) {
        let grown = match before {
            Some(before) if counted.periods >= before.periods => counted.since(before),
            Some(_) | None => counted,
        };
        self.sampler.throttled.insert(pod, counted);
        if let Some(pod) = self.cluster.pod(pod) {
            let total = &mut self.sampler.throttling[pod.workload().index()];
            *total = Some(total.unwrap_or_default().plus(&grown));
        }
    }

    fn sample_stations(&mut self, now: SimTime, elapsed_s: f64) -> Vec<StationSample> {
        let mut busy_s = vec![0.0; self.sampler.gpu_s.len()];
        let mut gpus = vec![0_u32; self.sampler.gpu_s.len()];
        for (pod, server) in &self.servers {
            let Some(pod) = self.cluster.pod(*pod) else { continue };
            let station = self.stations[pod.workload().index()];
            if let (Some(station), Some(busy)) = (station, self.services.gpu_busy(now, *server)) {
                busy_s[station.index()] += busy.as_secs_f64();
                gpus[station.index()] += 1;
            }
        }
        let mut samples = Vec::with_capacity(busy_s.len());
        for (position, busy_s) in busy_s.into_iter().enumerate() {
            let station = StationId::at(position);
            let before = std::mem::replace(&mut self.sampler.gpu_s[position], busy_s);
            let gpu_busy = (gpus[position] > 0).then(|| {
                let share = (busy_s - before).max(0.0) / elapsed_s / f64::from(gpus[position]);
                share.min(1.0)
            });
            samples.push(StationSample {
                station,
                workload: self.scenario.services.stations[position].workload,
                waiting: self.services.waiting(station),
                inside: self.services.inside(station),
                gpu_busy,
            });
        }
        samples
    }

    fn sample_pools(&self) -> Vec<PoolSample> {
        let pools = self.cluster.pools().iter();
        pools
            .map(|pool| {
                let mut sample =
                    PoolSample { paid_per_hour: Some(Decimal::ZERO), ..PoolSample::default() };
                for node in pool.nodes.iter().filter_map(|id| self.cluster.node(*id)) {
                    if node.launched.is_some() && !node.machine_gone {
                        sample.nodes += 1;
                        let price = node.machine.price_per_hour();
                        sample.paid_per_hour = sample.paid_per_hour.zip(price).map(|(a, b)| a + b);
                    }
                    if !node.machine_gone {
                        sample.cpu_requested_cores += node.requested.cpu.as_cores();
                        sample.memory_requested_bytes += node.requested.memory.as_f64();
                        sample.gpus_requested += node.requested.get("nvidia.com/gpu");
                    }
                    if node.phase == NodePhase::Ready {
                        sample.ready += 1;
                        sample.cpu_allocatable_cores += node.allocatable.cpu.as_cores();
                        sample.memory_allocatable_bytes += f64_from_i64(node.allocatable.memory.0);
                        sample.gpus_allocatable += node.allocatable.get("nvidia.com/gpu");
                    }
                }
                sample
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_a_bounded_number_of_points() {
        assert_eq!(interval(SimDuration::from_secs(300)), SimDuration::from_secs(5));
        assert_eq!(interval(SimDuration::from_secs(2 * 3600)), SimDuration::from_secs(10));
        assert_eq!(interval(SimDuration::from_secs(86_400)), SimDuration::from_secs(120));
    }
}
