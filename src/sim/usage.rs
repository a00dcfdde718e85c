//! What containers use: measured where they serve, assumed where nobody says.

use std::sync::Arc;

use crate::cluster::Pod;
use crate::cluster::api::pod::Container;
use crate::model::id::PodId;
use crate::model::observer::Observer;
use crate::scenario::Scenario;
use crate::service::Throttling;
use crate::sim::Run;
use crate::sim::containers::serving_container;
use crate::units::SimTime;

/// What a container without a profile is taken to use of the cores it asks for. Told among the
/// assumptions of a report.
const CPU_SHARE: f64 = 0.1;
/// What it is taken to hold of the memory it asks for.
const MEMORY_SHARE: f64 = 0.5;

/// What a container has used and holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ContainerUsage {
    /// Which container, init containers first.
    pub(super) position: u8,
    /// Since when it runs.
    pub(super) since: SimTime,
    /// Core-seconds since then.
    pub(super) cpu_core_s: f64,
    /// Memory held now (bytes).
    pub(super) memory_bytes: f64,
    /// How much its CPU limit has held it up since then; `None` where that is not known.
    pub(super) throttling: Option<Throttling>,
}

/// Cores and bytes that a container uses which serves nobody: stated, or assumed from its requests.
fn assumed(scenario: &Scenario, pod: &Pod, container: &Container) -> (f64, f64) {
    let key = (pod.workload(), Arc::clone(&container.name));
    let known = scenario.processes.containers.get(&key);
    let asked = container.requests.cpu.map_or(0.0, |cpu| cpu.as_cores());
    let held = container.requests.memory.map_or(0.0, |memory| memory.as_f64());
    let cores = known.and_then(|known| known.idle_cpu);
    let memory = known.and_then(|known| known.idle_memory);
    (
        cores.map_or(asked * CPU_SHARE, |cores| cores.as_cores()),
        memory.map_or(held * MEMORY_SHARE, |memory| memory.as_f64()),
    )
}

impl<O: Observer> Run<'_, O> {
    /// What each container of a pod that runs has used and holds.
    pub(super) fn usage_of(&mut self, now: SimTime, id: PodId) -> Vec<ContainerUsage> {
        let mut all = Vec::new();
        self.each_usage(now, id, |usage| all.push(usage));
        all
    }

    /// What all containers of a pod that runs have used (core-seconds) and hold (bytes).
    pub(super) fn usage_in_all(&mut self, now: SimTime, id: PodId) -> (f64, f64) {
        let (mut cpu_core_s, mut memory_bytes) = (0.0, 0.0);
        self.each_usage(now, id, |usage| {
            cpu_core_s += usage.cpu_core_s;
            memory_bytes += usage.memory_bytes;
        });
        (cpu_core_s, memory_bytes)
    }

    /// Tells what each container of a pod that runs has used and holds.
    pub(super) fn each_usage(
        &mut self,
        now: SimTime,
        id: PodId,
        mut told: impl FnMut(ContainerUsage),
    ) {
        let Self { cluster, containers, services, servers, scenario, stations, .. } = self;
        let Some(pod) = cluster.pod(id) else { return };
        let station = stations[pod.workload().index()];
        let spec = &pod.template.spec;
        let server = servers.get(&id).copied();
        let serving = server.map(|server| (server, serving_container(scenario, station, pod)));
        for (position, life) in containers.running(id) {
            let (Some(since), up) = (life.since, life.up) else { continue };
            let age_s = now.since(since).as_secs_f64();
            let serves = serving.filter(|(_, serving)| *serving == position);
            let mut throttling = None;
            let (cpu_core_s, memory_bytes) = match serves {
                Some((server, _)) => {
                    let usage = services.usage(now, server);
                    throttling = usage.throttling;
                    let starting_s = now.min(up).since(since).as_secs_f64();
                    let start = station.and_then(|it| scenario.processes.services.get(&it));
                    let cores = start.map_or(0.0, |start| start.start_cpu.as_cores());
                    let cores = cores.min(services.cores(server));
                    (usage.cpu_core_s + cores * starting_s, usage.memory_bytes)
                }
                None => {
                    let Some(container) = spec.container_at(position) else { continue };
                    let (cores, memory) = assumed(scenario, pod, container);
                    (cores * age_s, memory)
                }
            };
            told(ContainerUsage { position, since, cpu_core_s, memory_bytes, throttling });
        }
    }

    /// Cores that a pod uses whatever it is asked: containers that serve nobody, and idling.
    pub(super) fn idle_cores_of(&self, pod: &Pod, serving: u8) -> f64 {
        let spec = &pod.template.spec;
        let sidecars = spec.init_containers.iter().map(|container| container.sidecar);
        let runs = sidecars.chain(spec.containers.iter().map(|_| true));
        let others = spec.init_containers.iter().chain(&spec.containers).zip(runs).enumerate();
        let others = others.filter(|(at, (_, runs))| *runs && *at != usize::from(serving));
        let beside: f64 =
            others.map(|(_, (container, _))| assumed(self.scenario, pod, container).0).sum();
        let station = self.stations[pod.workload().index()];
        let idle = station.map_or(0.0, |station| {
            self.scenario.services.stations[station.index()].idle_cpu.as_cores()
        });
        beside + idle
    }
}
