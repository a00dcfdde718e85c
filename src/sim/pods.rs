//! Pods' lives: from the binding to the first request, and from the deletion to the last.

use crate::cluster::api::pod::Container;
use crate::cluster::{ConditionStatus, Occurrence, Pod, PodPhase};
use crate::model::Event;
use crate::model::action::PodDeletion;
use crate::model::event::PodStep;
use crate::model::id::{NodeId, PodId, StationId};
use crate::model::observer::Observer;
use crate::model::record::{About, Record};
use crate::service::Place;
use crate::sim::Run;
use crate::sim::loads::ctx;
use crate::units::{SimDuration, SimTime};

/// How long a process that serves nobody takes to end after SIGTERM, and an object to vanish after
/// its containers: sandbox stop and final delete (kubelet `SyncTerminatedPod`, 1 to 2 s).
const END_OF_PROCESS: SimDuration = SimDuration::from_millis(1_500);

/// How often a pod that its kubelet refused is replaced by one that is refused as well, over all workloads.
/// Nobody pauses but the client of kube-controller-manager, which has 20 writes a second
/// (`--kube-api-qps`): the pod, and the statuses of its ReplicaSet and its Deployment.
pub(super) const REPLACEMENT: SimDuration = SimDuration::from_millis(150);

/// The weight of a container that requests no CPU: two shares of 1024 for a core (kubelet
/// `MinShares`).
const LEAST_WEIGHT: f64 = 2.0 / 1_024.0;

/// A number for a name, the same wherever it is asked for (FNV-1a).
fn number_of(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

impl<O: Observer> Run<'_, O> {
    /// A pod has a node: its kubelet takes it, waits for its volumes and pulls.
    pub(super) fn pod_bound(&mut self, now: SimTime, id: PodId, node: NodeId) {
        self.occur(now, Occurrence::PodTaken(id));
        self.taints_meet_pod(now, id);
        if self.refused_by_device_plugin(id, node).is_some() {
            let at = now.max(self.workloads.next_refusal);
            self.workloads.next_refusal = at + REPLACEMENT;
            // Not in no time at the beginning: it would never end.
            let event = Event::Pod(id, PodStep::Refused);
            self.queue.schedule(at, event.rank(), event);
            return;
        }
        self.begin_pod(now, id, node);
    }

    fn refuse(&mut self, now: SimTime, id: PodId) {
        let node = self.cluster.pod(id).and_then(|pod| pod.node);
        if let Some(why) = node.and_then(|node| self.refused_by_device_plugin(id, node)) {
            self.kubelet_fails_pod(now, id, ("UnexpectedAdmissionError", false), &why);
        }
    }

    /// What the kubelet says when a container asks for more slices of GPUs than the device plugin of the
    /// node gives to one (k8s-device-plugin `Allocate`, kubelet devicemanager `allocateContainerResources`).
    fn refused_by_device_plugin(&self, id: PodId, node: NodeId) -> Option<String> {
        let pool = self.cluster.node(node)?.pool?;
        let sharing = self.cluster.pool(pool).spec.gpu_sharing?;
        let name = sharing.resource();
        let spec = &self.cluster.pod(id)?.template.spec;
        let mut containers = spec.init_containers.iter().chain(&spec.containers);
        let asked = |container: &Container| container.requests.extended(name).unwrap_or_default();
        let asks = containers.find_map(|it| Some(asked(it)).filter(|slices| *slices > 1))?;
        sharing.refuses_more_than_one.then(|| {
            format!(
                "Allocate failed due to rpc error: code = Unknown desc = request for '{name}: {asks}' too \
                 large: maximum request size for shared resources is 1, which is unexpected"
            )
        })
    }

    /// The kubelet gives a pod up, for a reason that is a disruption or not: it ends badly, its object
    /// stays, its owner makes another.
    pub(super) fn kubelet_fails_pod(
        &mut self,
        now: SimTime,
        pod: PodId,
        (reason, disrupted): (&'static str, bool),
        message: &str,
    ) {
        self.announce(About::Pod(pod), reason, message);
        self.stop_server(now, pod);
        self.occur(now, Occurrence::PodReady(pod, ConditionStatus::False));
        self.occur(now, Occurrence::PodFailed { pod, disrupted });
        self.workloads.quotas_changed = true;
        self.unmount_volumes(now, pod);
        self.scheduled_pod_gone(now, pod);
        if let Some(owner) = self.cluster.pod(pod).map(Pod::workload) {
            self.wake_workload(owner);
        }
        self.wake_budgets();
    }

    /// A kubelet starts a pod, for the first time or after its machine stopped: containers wait for
    /// the volumes (kubelet `WaitForAttachAndMount` comes before every sync of the runtime).
    pub(super) fn begin_pod(&mut self, now: SimTime, id: PodId, node: NodeId) {
        if self.has_no_volumes(id) {
            self.begin_containers(now, id);
        } else {
            self.mount_volumes(now, id, node);
        }
    }

    /// The next step of a pod's life, unless the pod is gone or its node is lost meanwhile.
    pub(super) fn pod_step(&mut self, now: SimTime, id: PodId, step: PodStep) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let node = pod.node.and_then(|node| self.cluster.node(node));
        let works = node.is_some_and(crate::cluster::Node::is_ready) && !pod.has_ended();
        let terminating = pod.is_terminating();
        match step {
            PodStep::BindingTimedOut => self.binding_timed_out(now, id),
            PodStep::Refused if works && !terminating => self.refuse(now, id),
            PodStep::VolumesMounted if works && !terminating => {
                self.volumes_mounted(now, id);
            }
            PodStep::Container(position, step) if works && !terminating => {
                self.container_step(now, id, position, step);
            }
            PodStep::EndpointAdded if works && !terminating && pod.is_ready() => {
                self.endpoint_added(now, id);
            }
            PodStep::BecameAvailable => self.wake_workload(pod.workload()),
            PodStep::EndpointRemoved => self.endpoint_removed(now, id),
            PodStep::Terminate if works => self.sigterm(now, id),
            PodStep::Kill => self.end_process(now, id),
            PodStep::Removed => self.occur(now, Occurrence::PodGone(id)),
            PodStep::Refused
            | PodStep::VolumesMounted
            | PodStep::Container(..)
            | PodStep::EndpointAdded
            | PodStep::Terminate => {}
        }
    }

    /// How long the process of a service takes to answer. What it computes meanwhile takes longer
    /// where it may use fewer cores than it would.
    pub(super) fn start_of_service(
        &self,
        pod: &Pod,
        station: StationId,
        restarts: u32,
    ) -> SimDuration {
        let spec = &self.scenario.services.stations[station.index()];
        let mut stream = match restarts {
            0 => self.streams.of(&format!("process/{}", pod.name)),
            again => self.streams.of(&format!("process/{}/{again}", pod.name)),
        };
        let mut up = spec.start.sample_span(&mut stream);
        if let Some(warm_up) = &spec.warm_up {
            up += warm_up.sample_span(&mut stream);
        }
        let wanted = self.start_cpu(station);
        let place = self.place_of(pod.id);
        let stretch =
            if wanted > 0.0 { wanted / self.services.cores_for(&place, wanted) } else { 1.0 };
        if stretch > 1.0 { SimDuration::from_secs_f64(up.as_secs_f64() * stretch) } else { up }
    }

    /// Cores that the process of a service uses while it starts.
    pub(super) fn start_cpu(&self, station: StationId) -> f64 {
        let process = self.scenario.processes.services.get(&station);
        process.map_or(0.0, |process| process.start_cpu.as_cores())
    }

    /// The container that serves runs: its server exists, and takes no requests yet.
    pub(super) fn make_server(&mut self, now: SimTime, id: PodId) {
        let Some(pod) = self.cluster.pod(id) else { return };
        if let Some(station) = self.stations[pod.workload().index()] {
            let place = self.place_of(id);
            let starting = self.start_cpu(station);
            let server = self.services.create_server(&mut ctx!(self, now), station, id, place);
            if starting > 0.0 && !self.booting {
                self.services.set_starting(&mut ctx!(self, now), server, starting);
            }
            self.servers.insert(id, server);
        }
    }

    /// Requests come to a pod from now on. They are refused while its process is not up, which
    /// happens to a container without readiness probe.
    fn endpoint_added(&mut self, now: SimTime, id: PodId) {
        let (Some(server), Some(pod)) = (self.servers.get(&id), self.cluster.pod(id)) else {
            return;
        };
        let serving = self.serving_container(pod);
        if self.containers.life(id, serving).is_none_or(|life| life.up <= now) {
            self.services.open_server(&mut ctx!(self, now), *server);
        } else {
            self.services.list_server(*server);
        }
        self.hear_services(now);
    }

    /// The process of a pod answers: if requests come already, they are no longer refused.
    pub(super) fn server_is_up(&mut self, now: SimTime, id: PodId) {
        if let Some(server) = self.servers.get(&id) {
            self.services.set_starting(&mut ctx!(self, now), *server, 0.0);
        }
        if let Some(server) = self.servers.get(&id).filter(|it| self.services.is_listed(**it)) {
            self.services.open_server(&mut ctx!(self, now), *server);
            self.hear_services(now);
        }
    }

    /// Where the container that serves runs, and what it may use there: its limit, or all of its node
    /// when it has none, and against others what it requests.
    fn place_of(&self, id: PodId) -> Place {
        let Some(pod) = self.cluster.pod(id) else { return Place::alone(1.0) };
        let node = pod.node.and_then(|node| self.cluster.node(node));
        let spec = &pod.template.spec;
        let serving = self.serving_container(pod);
        let container = spec.container_at(serving);
        let own = container.and_then(|container| container.limits.cpu);
        let limit = own.or(spec.pod_limits.cpu).map(crate::units::MilliCpu::as_cores);
        let requested = container.and_then(|container| container.requests.cpu);
        let weight = requested.map_or(0.0, crate::units::MilliCpu::as_cores).max(LEAST_WEIGHT);
        Place {
            machine: pod.node,
            zone: node.and_then(|node| node.zone()).map(number_of),
            machine_cores: node.map_or(1.0, |node| node.capacity.cpu.as_cores()),
            limit,
            weight,
            background: self.idle_cores_of(pod, serving),
        }
    }

    /// The endpoint is on its way to the clients; the controllers hear of availability later.
    pub(super) fn pod_became_ready(&mut self, _now: SimTime, id: PodId) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let min_ready = self.cluster.workload(pod.workload()).spec.min_ready;
        let delay = self.kubelets.endpoint_propagation(pod, "addition");
        self.schedule(delay, Event::Pod(id, PodStep::EndpointAdded));
        if !min_ready.is_zero() {
            self.schedule(min_ready, Event::Pod(id, PodStep::BecameAvailable));
        }
    }

    /// The endpoint is withdrawn at once; how long the news takes is the same as for an addition.
    pub(super) fn pod_became_unready(&mut self, id: PodId) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let delay = self.kubelets.endpoint_propagation(pod, "loss");
        self.schedule(delay, Event::Pod(id, PodStep::EndpointRemoved));
    }

    /// Deletion began.
    pub(super) fn pod_terminating(&mut self, now: SimTime, id: PodId) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let because = pod.deletion.map(|deletion| deletion.because);
        if pod.node.is_none() || pod.has_ended() || because == Some(PodDeletion::Orphaned) {
            // Nobody runs it, or never will again: the object goes at once.
            self.occur(now, Occurrence::PodGone(id));
            return;
        }
        // An orphan stays until the garbage collector of pods finds it.
        let Some(node) = pod.node.and_then(|node| self.cluster.node(node)) else { return };
        if !node.has_kubelet() {
            // Its kubelet does not answer: the object stays until the node is back or gone.
            return;
        }
        let serving = pod.template.spec.container_at(self.serving_container(pod));
        let Some(serving) = serving else { return };
        let steps = self.kubelets.termination(now, pod, serving);
        // Probes stop with the deletion.
        self.probes.forget(id);
        self.workloads.others_end.insert(id, now + steps.others_end);
        if pod.phase == PodPhase::Pending {
            self.schedule(END_OF_PROCESS, Event::Pod(id, PodStep::Removed));
            return;
        }
        self.schedule(steps.endpoint_removed, Event::Pod(id, PodStep::EndpointRemoved));
        self.schedule(steps.sigterm, Event::Pod(id, PodStep::Terminate));
        self.schedule(steps.sigkill, Event::Pod(id, PodStep::Kill));
    }

    /// The news that a pod takes no more requests has arrived: of its deletion, or of its loss.
    fn endpoint_removed(&mut self, now: SimTime, id: PodId) {
        let Some(server) = self.servers.get(&id).copied() else { return };
        let pod = self.cluster.pod(id).expect("a pod with a server is there");
        let works = pod.node.and_then(|n| self.cluster.node(n)).is_some_and(|n| n.has_kubelet());
        if pod.is_terminating() && works {
            self.services.drain_server(&mut ctx!(self, now), server);
        } else if !works {
            self.services.withdraw_server(server);
        } else if !pod.is_ready() {
            self.services.close_server(server);
        }
        self.hear_services(now);
    }

    /// SIGTERM: a server finishes what is inside and takes nothing new; anything else ends.
    fn sigterm(&mut self, now: SimTime, id: PodId) {
        if let Some(server) = self.servers.get(&id) {
            self.workloads.sigterm_sent.insert(id);
            self.services.terminate_server(&mut ctx!(self, now), *server);
            self.hear_services(now);
        } else {
            self.end_process(now, id);
        }
    }

    /// A draining server has nothing inside any more: after SIGTERM its process ends.
    pub(super) fn pod_drained(&mut self, now: SimTime, id: PodId) {
        if self.container_ended_by_probe(now, id) {
            return;
        }
        if self.workloads.sigterm_sent.remove(&id) {
            self.schedule(SimDuration::ZERO, Event::Pod(id, PodStep::Kill));
        }
    }

    /// The process ends now, whatever it is doing; the object goes when the last container is done
    /// with its preStop.
    fn end_process(&mut self, now: SimTime, id: PodId) {
        self.stop_server(now, id);
        let others =
            self.workloads.others_end.get(&id).map_or(SimDuration::ZERO, |at| at.since(now));
        self.schedule(others + END_OF_PROCESS, Event::Pod(id, PodStep::Removed));
    }

    /// Takes a pod's server away; requests inside are cut.
    pub(super) fn stop_server(&mut self, now: SimTime, id: PodId) {
        self.workloads.sigterm_sent.remove(&id);
        self.end_work(id);
        if let Some(server) = self.servers.remove(&id) {
            let ended = self.services.destroy_server(&mut ctx!(self, now), server);
            if ended.tasks.any() {
                let losses = ended.tasks;
                self.records.push(Record::TasksInterrupted { pod: id, losses });
            }
            self.hear_services(now);
        }
    }

    /// A pod's object is gone: its place is free, its owner looks.
    pub(super) fn pod_gone(&mut self, now: SimTime, id: PodId) {
        self.workloads.quotas_changed = true;
        self.stop_server(now, id);
        self.scheduled_pod_gone(now, id);
        self.forget_taint_timer(id);
        self.unmount_volumes(now, id);
        self.containers.forget(id);
        self.probes.forget(id);
        self.workloads.others_end.remove(&id);
        self.wake_workload(self.pod_owners[id.index()]);
        self.wake_budgets();
    }
}
