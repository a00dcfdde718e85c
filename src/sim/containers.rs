//! Containers' lives: init containers one after another, sidecars that stay, and those that work.
//!
//! Each container is pulled, created, probed and started again by itself (kuberuntime_manager.go
//! `SyncPod`, `computePodActions`): an init container to its end before the next begins, a sidecar
//! until it is started, the others in the order of their list. A pod is ready when all of its
//! containers and sidecars are.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;

use crate::cluster::api::pod::{Container, PodSpec, RestartPolicy};
use crate::cluster::{ConditionStatus, NodeImage, Occurrence, Pod, PodOwner, PodPhase};
use crate::control::crash_loop::BackOff;
use crate::control::kubelet::{Outlook, outlook};
use crate::model::Event;
use crate::model::event::{ContainerStep, PodStep};
use crate::model::id::{PodId, StationId};
use crate::model::observer::Observer;
use crate::model::record::Death;
use crate::scenario::Scenario;
use crate::scenario::process::ProcessSpec;
use crate::sim::Run;
use crate::sim::probes::Kind;
use crate::units::convert::index;
use crate::units::{SimDuration, SimTime};

/// The containers of all pods that a kubelet has begun to start.
#[derive(Debug, Default)]
pub(super) struct Containers {
    pods: BTreeMap<PodId, PodLife>,
}

/// The containers of a pod, init containers first.
#[derive(Debug)]
struct PodLife {
    lives: Vec<Life>,
    /// The one that is being started; all before it were.
    next: usize,
    /// Time spent on pulls so far.
    pulled: SimDuration,
}

/// A container.
#[derive(Debug, Clone)]
pub(super) struct Life {
    role: Role,
    back_off: BackOff,
    restarts: u32,
    /// How it died last.
    died: Option<Death>,
    /// Since when it runs.
    pub(super) since: Option<SimTime>,
    /// When its process answers.
    pub(super) up: SimTime,
    ready: bool,
    /// It was ready since it runs.
    was_ready: bool,
    ended: bool,
    /// Why a probe is going to kill it.
    doomed: Option<Death>,
    /// When each step is due; a step that is not due then was overtaken.
    due: [Option<SimTime>; ContainerStep::COUNT],
}

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It works before the others, to its end.
    Init,
    /// It runs beside the others, from before they start.
    Sidecar,
    /// One of those that the pod is for.
    Main,
}

impl Life {
    fn new(role: Role) -> Self {
        Self {
            role,
            back_off: BackOff::default(),
            restarts: 0,
            died: None,
            since: None,
            up: SimTime::ZERO,
            ready: false,
            was_ready: false,
            ended: false,
            doomed: None,
            due: [None; ContainerStep::COUNT],
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) fn restarts(&self) -> u32 {
        self.restarts
    }

    pub(super) fn last_death(&self) -> Option<Death> {
        self.died
    }

    /// It has done its work.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn was_ready(&self) -> bool {
        self.was_ready
    }

    /// Nothing of it runs any more, and nothing is due.
    fn stop(&mut self) {
        (self.since, self.ready, self.was_ready, self.doomed) = (None, false, false, None);
        self.due = [None; ContainerStep::COUNT];
    }
}

impl Containers {
    pub(super) fn forget(&mut self, pod: PodId) {
        self.pods.remove(&pod);
    }

    fn life_mut(&mut self, pod: PodId, position: u8) -> Option<&mut Life> {
        self.pods.get_mut(&pod)?.lives.get_mut(usize::from(position))
    }

    pub(super) fn set_ready(&mut self, pod: PodId, position: u8, ready: bool) {
        if let Some(life) = self.life_mut(pod, position) {
            life.ready = ready;
            life.was_ready |= ready;
        }
    }

    /// A step is not due any more.
    pub(super) fn cancel(&mut self, pod: PodId, position: u8, step: ContainerStep) {
        if let Some(life) = self.life_mut(pod, position) {
            life.due[step.index()] = None;
        }
    }

    /// A container of a pod.
    pub(super) fn life(&self, pod: PodId, position: u8) -> Option<&Life> {
        self.pods.get(&pod)?.lives.get(usize::from(position))
    }

    /// The containers of a pod that run, by position.
    pub(super) fn running(&self, pod: PodId) -> impl Iterator<Item = (u8, &Life)> {
        let lives = self.pods.get(&pod).into_iter().flat_map(|life| &life.lives);
        let numbered = (0_u8..=u8::MAX).zip(lives);
        numbered.filter(|(_, life)| life.since.is_some() && life.role != Role::Init)
    }
}

/// The container that serves a station, or the first that is no init container.
pub(super) fn serving_container(scenario: &Scenario, station: Option<StationId>, pod: &Pod) -> u8 {
    let spec = &pod.template.spec;
    let process = station.and_then(|station| scenario.processes.services.get(&station));
    let wanted = process.and_then(|process| process.container.as_ref());
    let named = |container: &Container| Some(&container.name) == wanted;
    let mut all = spec.init_containers.iter().chain(&spec.containers);
    let found = all.position(named).unwrap_or(spec.init_containers.len());
    u8::try_from(found).unwrap_or(u8::MAX)
}

fn roles(spec: &PodSpec) -> impl Iterator<Item = Role> {
    let init = spec.init_containers.iter();
    let init = init.map(|it| if it.sidecar { Role::Sidecar } else { Role::Init });
    init.chain(spec.containers.iter().map(|_| Role::Main))
}

impl<O: Observer> Run<'_, O> {
    /// A kubelet begins to start the containers of a pod, for the first time or after its machine
    /// stopped.
    pub(super) fn begin_containers(&mut self, now: SimTime, id: PodId) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let fresh = || PodLife {
            lives: roles(&pod.template.spec).map(Life::new).collect(),
            next: 0,
            pulled: SimDuration::ZERO,
        };
        let life = self.containers.pods.entry(id).or_insert_with(fresh);
        life.next = 0;
        life.lives.iter_mut().for_each(|life| {
            life.stop();
            life.ended = false;
        });
        self.start_next(now, id);
    }

    /// Whether a machine that stopped took a pod's one chance: with `restartPolicy: Never` nothing that
    /// ran is started again, and the pod has failed (kuberuntime_manager.go `computePodActions`).
    pub(super) fn ended_with_its_machine(&self, id: PodId) -> bool {
        let Some(pod) = self.cluster.pod(id) else { return false };
        let ran = |life: &Life| life.since.is_some() || life.ended || life.restarts > 0;
        let lives = self.containers.pods.get(&id).into_iter().flat_map(|pod| &pod.lives);
        pod.template.spec.restart_policy == RestartPolicy::Never && lives.into_iter().any(ran)
    }

    /// The container that serves, or the first that is no init container.
    pub(super) fn serving_container(&self, pod: &Pod) -> u8 {
        serving_container(self.scenario, self.stations[pod.workload().index()], pod)
    }

    pub(super) fn due(&mut self, id: PodId, position: u8, step: ContainerStep, delay: SimDuration) {
        let at = self.queue.now() + if self.booting { SimDuration::ZERO } else { delay };
        if let Some(life) = self.containers.life_mut(id, position) {
            life.due[step.index()] = Some(at);
            self.schedule(delay, Event::Pod(id, PodStep::Container(position, step)));
        }
    }

    /// The next container that is not started: its image is pulled.
    fn start_next(&mut self, now: SimTime, id: PodId) {
        let Some(life) = self.containers.pods.get(&id) else { return };
        let Ok(position) = u8::try_from(life.next) else { return };
        let Some(pod) = self.cluster.pod(id) else { return };
        let Some(node) = pod.node.and_then(|node| self.cluster.node(node)) else { return };
        let Some(container) = pod.template.spec.container_at(position) else {
            self.all_started(now, id);
            return;
        };
        // A cluster that has been running has its images: a pull of then must not delay one of now.
        let delay = if self.booting {
            SimDuration::ZERO
        } else {
            let mut stream = match position {
                0 => self.kubelets.pull_stream(pod),
                _ => self.streams.of(&format!("pull/{}/{}", pod.name, container.name)),
            };
            let size = self.scenario.images.of(&container.image);
            self.kubelets.pull(now, &mut stream, node, &container.image, size)
        };
        if let Some(life) = self.containers.pods.get_mut(&id) {
            life.pulled += delay;
        }
        self.due(id, position, ContainerStep::Pulled, delay);
    }

    /// The next step of a container's life, if it was not overtaken.
    pub(super) fn container_step(
        &mut self,
        now: SimTime,
        id: PodId,
        position: u8,
        step: ContainerStep,
    ) {
        let Some(life) = self.containers.life_mut(id, position) else { return };
        if life.due[step.index()] != Some(now) {
            return;
        }
        life.due[step.index()] = None;
        match step {
            ContainerStep::Pulled => {
                self.image_pulled(now, id, position);
                self.create_container(id, position);
            }
            ContainerStep::Created => self.container_runs(now, id, position),
            ContainerStep::Started => self.container_started(now, id, position),
            ContainerStep::Up => self.process_up(now, id, position),
            ContainerStep::Ready => self.container_ready(now, id, position),
            ContainerStep::ProbeFailed => {
                if let Some(why) = life.doomed {
                    self.container_dies(now, id, position, why);
                }
            }
            ContainerStep::Ended => self.work_ended(now, id, position),
            ContainerStep::Again => self.container_runs(now, id, position),
            ContainerStep::ReadinessAsks => self.probe_asks(now, id, position, Kind::Readiness),
            ContainerStep::LivenessAsks => self.probe_asks(now, id, position, Kind::Liveness),
            ContainerStep::ReadinessAnswered => self.probe_returns(now, id, Kind::Readiness),
            ContainerStep::LivenessAnswered => self.probe_returns(now, id, Kind::Liveness),
            ContainerStep::GraceOver => {
                self.container_ended_by_probe(now, id);
            }
        }
    }

    /// An image is on its node, for other pods too, whatever becomes of this one.
    fn image_pulled(&mut self, now: SimTime, id: PodId, position: u8) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let spec = &pod.template.spec;
        let last = spec.init_containers.len() + spec.containers.len() == usize::from(position) + 1;
        let Some(container) = spec.container_at(position) else { return };
        let images = vec![NodeImage {
            names: vec![Arc::clone(&container.image)],
            size: self.scenario.images.of(&container.image),
        }];
        let pulled = self.containers.pods.get(&id).map(|life| life.pulled);
        let told = last && pod.phase == PodPhase::Pending;
        let took = pulled.filter(|_| told);
        self.occur(now, Occurrence::ImagesPulled { pod: id, images, took });
    }

    fn create_container(&mut self, id: PodId, position: u8) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let delay = self.kubelets.container_start(pod);
        self.due(id, position, ContainerStep::Created, delay);
    }

    /// A container runs: its process comes up, its probes begin.
    fn container_runs(&mut self, now: SimTime, id: PodId, position: u8) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let Some(container) = pod.template.spec.container_at(position) else { return };
        let Some(life) = self.containers.life(id, position) else { return };
        let (role, restarts) = (life.role, life.restarts);
        let serving = self.serving_container(pod) == position;
        let up = match self.stations[pod.workload().index()] {
            Some(station) if serving => self.start_of_service(pod, station, restarts),
            Some(_) | None => self.start_of_process(pod, container, restarts),
        };
        let probes = outlook(container, up);
        let life = self.containers.life_mut(id, position).expect("it was there above");
        (life.since, life.ended) = (Some(now), false);
        life.up = now + if self.booting { SimDuration::ZERO } else { up };
        if role == Role::Init {
            self.init_works(id, position);
            return;
        }
        if serving {
            self.make_server(now, id);
        }
        self.watch_probes(id, position, &probes, up);
        if role == Role::Main {
            self.job_works(now, id, position);
            self.passed(now, id, position);
        }
    }

    /// What the probes of a container are going to find.
    fn watch_probes(&mut self, id: PodId, position: u8, probes: &Outlook, up: SimDuration) {
        self.due(id, position, ContainerStep::Up, up);
        // While the cluster is put together, nothing takes time.
        if let Some((after, why)) = probes.killed.filter(|_| !self.booting) {
            if let Some(life) = self.containers.life_mut(id, position) {
                life.doomed = Some(why);
            }
            self.due(id, position, ContainerStep::ProbeFailed, after);
        }
        // Without a probe for it a container is ready as soon as it runs, whatever becomes of it.
        let killed = probes.killed.filter(|_| !self.booting).map(|(after, _)| after);
        let comes = |after: SimDuration| killed.is_none_or(|killed| after < killed);
        if comes(probes.started) {
            self.due(id, position, ContainerStep::Started, probes.started);
        }
        if comes(probes.ready) {
            self.due(id, position, ContainerStep::Ready, probes.ready);
        }
    }

    /// A container is started in the kubelet's sense; a sidecar lets the next one begin.
    fn container_started(&mut self, now: SimTime, id: PodId, position: u8) {
        if self.containers.life(id, position).is_some_and(|life| life.role == Role::Sidecar) {
            self.passed(now, id, position);
        }
    }

    /// A container no longer holds back the one after it.
    fn passed(&mut self, now: SimTime, id: PodId, position: u8) {
        let Some(life) = self.containers.pods.get_mut(&id) else { return };
        if life.next == usize::from(position) {
            life.next += 1;
            self.start_next(now, id);
        }
    }

    /// Every container was started once.
    fn all_started(&mut self, now: SimTime, id: PodId) {
        let Some(pod) = self.cluster.pod(id) else { return };
        if pod.phase == PodPhase::Pending {
            self.occur(now, Occurrence::PodStarted(id));
        }
        self.judge_ready(now, id);
    }

    /// A container is ready; its pod may be.
    pub(super) fn container_ready(&mut self, now: SimTime, id: PodId, position: u8) {
        self.containers.set_ready(id, position, true);
        self.judge_ready(now, id);
    }

    /// A pod is ready when all of its containers and sidecars are.
    fn judge_ready(&mut self, now: SimTime, id: PodId) {
        let Some(pod) = self.containers.pods.get(&id) else { return };
        let all = pod.next >= pod.lives.len()
            && pod.lives.iter().all(|life| life.ready || life.role == Role::Init);
        if all {
            self.occur(now, Occurrence::PodReady(id, ConditionStatus::True));
        }
    }

    /// The process of a container answers: when it serves, requests that come find it.
    fn process_up(&mut self, now: SimTime, id: PodId, position: u8) {
        let Some(pod) = self.cluster.pod(id) else { return };
        if self.serving_container(pod) == position {
            self.server_is_up(now, id);
        }
    }

    /// How long an init container works.
    fn init_works(&mut self, id: PodId, position: u8) {
        let Some((spec, name)) = self.process_spec(id, position) else { return };
        let mut stream = self.streams.of(&format!("init/{name}"));
        let works_for = spec.duration.sample_span(&mut stream);
        self.due(id, position, ContainerStep::Ended, works_for);
    }

    /// What is known of a container's process, and a name for its chance.
    fn process_spec(&self, id: PodId, position: u8) -> Option<(ProcessSpec, String)> {
        let pod = self.cluster.pod(id)?;
        let container = pod.template.spec.container_at(position)?;
        let restarts = self.containers.life(id, position)?.restarts;
        let name = format!("{}/{}/{restarts}", pod.name, container.name);
        let key = (pod.workload(), Arc::clone(&container.name));
        Some((self.scenario.processes.containers.get(&key).cloned().unwrap_or_default(), name))
    }

    fn start_of_process(&self, pod: &Pod, container: &Container, restarts: u32) -> SimDuration {
        let key = (pod.workload(), Arc::clone(&container.name));
        let Some(spec) = self.scenario.processes.containers.get(&key) else {
            return SimDuration::ZERO;
        };
        let name = format!("process/{}/{}/{restarts}", pod.name, container.name);
        spec.start.sample_span(&mut self.streams.of(&name))
    }

    /// A container of a Job's pod works: it will be done after the time that such work takes.
    fn job_works(&mut self, now: SimTime, id: PodId, position: u8) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let PodOwner::Job(workload, _) = pod.owner else { return };
        let restarts = self.containers.life(id, position).map_or(0, |life| life.restarts);
        let name = match restarts {
            0 => format!("job/{}", pod.name),
            again => format!("job/{}/{again}", pod.name),
        };
        let mut stream = self.streams.of(&name);
        if self.begin_work(now, (id, position), workload) {
            return;
        }
        let Some(spec) = self.job_spec(workload) else { return };
        let works_for = spec.duration.sample_span(&mut stream);
        self.due(id, position, ContainerStep::Ended, works_for);
    }

    /// A container's process ended by itself.
    fn work_ended(&mut self, now: SimTime, id: PodId, position: u8) {
        let Some(life) = self.containers.life(id, position) else { return };
        let init = life.role == Role::Init;
        if !init {
            self.end_work(id);
        }
        let Some((spec, name)) = self.process_spec(id, position) else { return };
        let Some(pod) = self.cluster.pod(id) else { return };
        let job = self.scenario.processes.job_failures.get(&pod.workload());
        let failure = if init { spec.failure } else { job.copied().unwrap_or(0.0) };
        let mut stream = self.streams.of(&format!("failure/{name}"));
        let failed = failure > 0.0 && !self.booting && stream.random::<f64>() < failure;
        if failed {
            self.container_dies(now, id, position, Death::Exited(1));
            return;
        }
        if let Some(life) = self.containers.life_mut(id, position) {
            life.stop();
            life.ended = true;
        }
        if init {
            self.passed(now, id, position);
        } else if self.containers.pods.get(&id).is_some_and(PodLife::is_done) {
            self.job_pod_completed(now, id, 0);
        }
    }

    /// A container's process is dead; the kubelet starts it again after its back-off, unless the pod
    /// says that it shall not.
    pub(super) fn container_dies(&mut self, now: SimTime, id: PodId, position: u8, why: Death) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let spec = &pod.template.spec;
        let Some(container) = spec.container_at(position) else { return };
        let name = Arc::clone(&container.name);
        let sidecar = container.sidecar;
        // A sidecar is started again whatever the pod's policy is.
        let never = spec.restart_policy == RestartPolicy::Never && !sidecar;
        let serves = self.serving_container(pod) == position;
        self.end_work(id);
        if serves {
            self.stop_server(now, id);
            self.probes.forget(id);
        }
        let Some(life) = self.containers.life_mut(id, position) else { return };
        life.stop();
        if never {
            self.occur(now, Occurrence::PodReady(id, ConditionStatus::False));
            self.job_pod_completed(now, id, why.exit_code());
            return;
        }
        let again_after = life.back_off.exited(now).since(now);
        life.restarts += 1;
        life.died = Some(why);
        let (restarts, container) = (life.restarts, name);
        let died =
            Occurrence::ContainerDied { pod: id, container, sidecar, why, again_after, restarts };
        self.occur(now, died);
        self.occur(now, Occurrence::PodReady(id, ConditionStatus::False));
        self.due(id, position, ContainerStep::Again, again_after);
    }
}

impl PodLife {
    /// Whether all that the pod is for has ended well.
    fn is_done(&self) -> bool {
        self.lives.iter().all(|life| life.role != Role::Main || life.ended)
    }
}

impl ContainerStep {
    fn index(self) -> usize {
        index(u32::from(self as u8))
    }
}
