//! Series: the state of everything, at even intervals.

use rust_decimal::Decimal;

use crate::cluster::{NodePhase, PodPhase};
use crate::model::Event;
use crate::model::id::{PodId, StationId};
use crate::model::observer::{Observer, PoolSample, Sample, StationSample, WorkloadSample};
use crate::scenario::Scenario;
use crate::sim::Run;
use crate::units::convert::{count_u32, f64_from_i64};
use crate::units::{SimDuration, SimTime};

/// Points of a series at most; the interval is a whole number of five seconds.
const POINTS: u64 = 720;

/// What sampling remembers from one instant to the next.
pub(super) struct Sampler {
    pub(super) interval: SimDuration,
    last: SimTime,
    /// Core-seconds of each workload up to the last sample.
    cpu_core_s: Vec<f64>,
    /// GPU-seconds of each station up to the last sample.
    gpu_s: Vec<f64>,
}

impl Sampler {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            interval: interval(scenario.duration),
            last: SimTime::ZERO,
            cpu_core_s: vec![0.0; scenario.workloads.len()],
            gpu_s: vec![0.0; scenario.services.stations.len()],
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
        let sample = Sample {
            offered_per_second: rates.sum(),
            virtual_users: self.busy_users(),
            workloads: self.sample_workloads(now, elapsed_s),
            stations: self.sample_stations(now, elapsed_s),
            pools: self.sample_pools(),
            pods_pending: count_u32(self.cluster.pending_count()),
        };
        self.observer.sample(now, &sample);
        self.schedule(self.sampler.interval, Event::Sample);
    }

    fn sample_workloads(&mut self, now: SimTime, elapsed_s: f64) -> Vec<WorkloadSample> {
        let served: Vec<PodId> = self.servers.keys().copied().collect();
        // In the order of their ids.
        let usages: Vec<(PodId, (f64, f64))> =
            served.into_iter().map(|pod| (pod, self.usage_in_all(now, pod))).collect();
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
                let limit = pod.template.spec.cpu_limit().unwrap_or(pod.requests.cpu);
                sample.cpu_limit_cores += if serving { limit.as_cores() } else { 0.0 };
                if let Ok(at) = usages.binary_search_by_key(&pod.id, |(id, _)| *id) {
                    let (_, (cpu, memory)) = &usages[at];
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
