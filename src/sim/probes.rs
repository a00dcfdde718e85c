//! Probes of processes that have too much to do: they wait their turn, and fail when it comes late.
//!
//! A worker asks at every period of its own from the container's start (prober/worker.go `run`). A
//! process that has room answers at once, so nobody needs to see that; once a second kubelets look
//! which processes have none, and their probes ask in earnest until each is well again. Readiness
//! changes after failureThreshold failures or successThreshold successes in a row; liveness kills
//! after failureThreshold failures, with the pod's grace period.

use std::collections::BTreeMap;

use crate::cluster::api::pod::Probe;
use crate::cluster::{ConditionStatus, Occurrence, Pod};
use crate::model::Event;
use crate::model::event::ContainerStep;
use crate::model::id::{CallId, PodId};
use crate::model::observer::Observer;
use crate::model::record::{About, Death};
use crate::service::ProbeAnswer;
use crate::sim::Run;
use crate::sim::loads::ctx;
use crate::units::{SimDuration, SimTime};

/// Between two looks at which processes have no room.
const LOOK: SimDuration = SimDuration::from_secs(1);

/// The probes that ask in earnest.
#[derive(Debug, Default)]
pub(super) struct Probes {
    workers: BTreeMap<(PodId, Kind), Worker>,
    /// Whose each probe is that waits at a server.
    waiting: BTreeMap<CallId, (PodId, Kind)>,
    /// Containers that a liveness probe ends, and have their grace period.
    pub(super) ending: BTreeMap<PodId, u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Readiness,
    Liveness,
}

/// A probe's worker.
#[derive(Debug)]
struct Worker {
    position: u8,
    failures: u32,
    successes: u32,
    /// The call that waits, and its answer once it has one.
    asked: Option<(CallId, Option<bool>)>,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Readiness, Self::Liveness];

    fn asks(self) -> ContainerStep {
        match self {
            Self::Readiness => ContainerStep::ReadinessAsks,
            Self::Liveness => ContainerStep::LivenessAsks,
        }
    }

    fn answered(self) -> ContainerStep {
        match self {
            Self::Readiness => ContainerStep::ReadinessAnswered,
            Self::Liveness => ContainerStep::LivenessAnswered,
        }
    }
}

impl Probes {
    /// The processes of a pod are gone: nothing asks them any more.
    pub(super) fn forget(&mut self, pod: PodId) {
        for kind in Kind::ALL {
            self.workers.remove(&(pod, kind));
        }
        self.waiting.retain(|_, (of, _)| *of != pod);
        self.ending.remove(&pod);
    }
}

impl<O: Observer> Run<'_, O> {
    /// The first look, when any service has a probe that is a request.
    pub(super) fn start_probes(&mut self) {
        let workloads = self.scenario.services.stations.iter().filter_map(|it| it.workload);
        let asks = workloads.into_iter().any(|workload| {
            let spec = &self.scenario.workloads[workload.index()].template.spec;
            spec.containers.iter().chain(&spec.init_containers).any(|container| {
                let probes = [container.readiness_probe, container.liveness_probe];
                probes.into_iter().flatten().any(|probe| probe.is_request)
            })
        });
        if asks {
            self.schedule(LOOK, Event::Probes);
        }
    }

    /// Kubelets look: probes of processes without room begin to ask.
    pub(super) fn look_at_probes(&mut self, now: SimTime) {
        let crowded = self.servers.iter().filter(|(_, server)| self.services.is_crowded(**server));
        let crowded: Vec<PodId> = crowded.map(|(pod, _)| *pod).collect();
        for pod in crowded {
            for kind in Kind::ALL {
                self.ask_in_earnest(now, pod, kind);
            }
        }
        self.schedule(LOOK, Event::Probes);
    }

    /// The container that serves and its probe of a kind.
    fn probe_of(&self, pod: &Pod, kind: Kind) -> Option<(u8, Probe)> {
        let position = self.serving_container(pod);
        let container = pod.template.spec.container_at(position)?;
        let probe = match kind {
            Kind::Readiness => container.readiness_probe,
            Kind::Liveness => container.liveness_probe,
        };
        Some((position, probe.filter(|probe| probe.is_request)?))
    }

    fn ask_in_earnest(&mut self, now: SimTime, id: PodId, kind: Kind) {
        if self.probes.workers.contains_key(&(id, kind)) || self.probes.ending.contains_key(&id) {
            return;
        }
        let Some(pod) = self.cluster.pod(id).filter(|pod| !pod.is_terminating()) else { return };
        let Some((position, probe)) = self.probe_of(pod, kind) else { return };
        let Some(life) = self.containers.life(id, position) else { return };
        // Before it was ready once, its probes are foreseen.
        let Some(since) = life.since.filter(|_| life.up <= now && life.was_ready()) else { return };
        let worker = Worker { position, failures: 0, successes: 0, asked: None };
        self.probes.workers.insert((id, kind), worker);
        let period = probe.period.as_nanos().max(1);
        let into = now.since(since).as_nanos() % period;
        let next = if into == 0 { 0 } else { period - into };
        self.due(id, position, kind.asks(), SimDuration::from_nanos(next));
    }

    /// A probe asks, and comes back a period later.
    pub(super) fn probe_asks(&mut self, now: SimTime, id: PodId, position: u8, kind: Kind) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let Some((_, probe)) = self.probe_of(pod, kind) else { return };
        let Some(server) = self.servers.get(&id).copied() else { return };
        self.due(id, position, kind.asks(), probe.period);
        match self.services.probe(now, server, probe.timeout) {
            ProbeAnswer::Answers => self.probe_told(now, id, kind, true),
            ProbeAnswer::Fails => self.probe_told(now, id, kind, false),
            ProbeAnswer::Waits(call) => {
                if let Some(worker) = self.probes.workers.get_mut(&(id, kind)) {
                    worker.asked = Some((call, None));
                    self.probes.waiting.insert(call, (id, kind));
                    self.due(id, position, kind.answered(), probe.timeout);
                }
            }
        }
    }

    /// A server answered a probe that waited: its worker hears of it at this instant.
    pub(super) fn probe_answered(&mut self, call: CallId, well: bool) {
        let Some((id, kind)) = self.probes.waiting.remove(&call) else { return };
        let Some(worker) = self.probes.workers.get_mut(&(id, kind)) else { return };
        worker.asked = Some((call, Some(well)));
        let position = worker.position;
        self.due(id, position, kind.answered(), SimDuration::ZERO);
    }

    /// A probe that waited has its answer, or waits no longer.
    pub(super) fn probe_returns(&mut self, now: SimTime, id: PodId, kind: Kind) {
        let Some(worker) = self.probes.workers.get_mut(&(id, kind)) else { return };
        let Some((call, answer)) = worker.asked.take() else { return };
        if answer.is_none() {
            self.probes.waiting.remove(&call);
            self.services.forget_probe(call);
        }
        self.probe_told(now, id, kind, answer == Some(true));
    }

    fn probe_told(&mut self, now: SimTime, id: PodId, kind: Kind, well: bool) {
        let Some((_, probe)) = self.cluster.pod(id).and_then(|pod| self.probe_of(pod, kind)) else {
            return;
        };
        let Some(worker) = self.probes.workers.get_mut(&(id, kind)) else { return };
        let position = worker.position;
        if well {
            (worker.successes, worker.failures) = (worker.successes + 1, 0);
        } else {
            (worker.successes, worker.failures) = (0, worker.failures + 1);
        }
        let (successes, failures) = (worker.successes, worker.failures);
        let ready = self.containers.life(id, position).is_some_and(|life| life.is_ready());
        if failures >= probe.failure_threshold {
            match kind {
                Kind::Readiness if ready => self.container_unready(now, id, position),
                Kind::Readiness => {}
                Kind::Liveness => self.end_container(now, id, position),
            }
        } else if kind == Kind::Readiness && !ready && successes >= probe.success_threshold {
            self.container_ready(now, id, position);
        }
        let crowded = self.servers.get(&id).is_some_and(|server| self.services.is_crowded(*server));
        let ready = self.containers.life(id, position).is_some_and(|life| life.is_ready());
        if well && !crowded && (ready || kind == Kind::Liveness) {
            // It is well again: what its probes find needs no looking at.
            self.probes.workers.remove(&(id, kind));
            self.containers.cancel(id, position, kind.asks());
        }
    }

    /// A readiness probe failed too often: the pod is taken out of its services.
    fn container_unready(&mut self, now: SimTime, id: PodId, position: u8) {
        self.containers.set_ready(id, position, false);
        let message = "Readiness probe failed: context deadline exceeded (Client.Timeout exceeded while \
                       awaiting headers)";
        self.announce(About::Pod(id), "Unhealthy", message);
        self.occur(now, Occurrence::PodReady(id, ConditionStatus::False));
    }

    /// A liveness probe failed too often: SIGTERM, and SIGKILL when the grace period is over
    /// (kuberuntime_container.go `killContainer`). preStop runs first.
    fn end_container(&mut self, now: SimTime, id: PodId, position: u8) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let grace = pod.template.spec.termination_grace;
        self.probes.forget(id);
        for kind in Kind::ALL {
            self.containers.cancel(id, position, kind.asks());
        }
        self.probes.ending.insert(id, position);
        self.due(id, position, ContainerStep::GraceOver, grace);
        if let Some(server) = self.servers.get(&id) {
            self.services.terminate_server(&mut ctx!(self, now), *server);
            self.hear_services(now);
        }
    }

    /// A process that a liveness probe ends has finished what was inside, or its grace is over.
    pub(super) fn container_ended_by_probe(&mut self, now: SimTime, id: PodId) -> bool {
        let Some(position) = self.probes.ending.remove(&id) else { return false };
        self.container_dies(now, id, position, Death::Unresponsive);
        true
    }
}
