//! Pods' lives: from the binding to the first request, and from the deletion to the last.

use std::sync::Arc;

use crate::cluster::{ConditionStatus, NodeImage, Occurrence, PodPhase};
use crate::model::Event;
use crate::model::action::PodDeletion;
use crate::model::event::PodStep;
use crate::model::id::{NodeId, PodId};
use crate::model::observer::Observer;
use crate::model::record::Record;
use crate::sim::Run;
use crate::sim::loads::ctx;
use crate::units::{SimDuration, SimTime};

/// How long a process that serves nobody takes to end after SIGTERM, and an object to vanish after
/// its containers: sandbox stop and final delete (kubelet `SyncTerminatedPod`, 1 to 2 s).
const END_OF_PROCESS: SimDuration = SimDuration::from_millis(1_500);

impl<O: Observer> Run<'_, O> {
    /// A pod has a node: its kubelet takes it, waits for its volumes and pulls.
    pub(super) fn pod_bound(&mut self, now: SimTime, id: PodId, node: NodeId) {
        self.occur(now, Occurrence::PodTaken(id));
        self.taints_meet_pod(now, id);
        if self.has_no_volumes(id) {
            self.pull_images(now, id, node);
        } else {
            self.mount_volumes(now, id, node);
        }
    }

    /// The volumes of a pod are there: its images are pulled.
    fn pull_images(&mut self, now: SimTime, id: PodId, node: NodeId) {
        let (Some(pod), Some(node)) = (self.cluster.pod(id), self.cluster.node(node)) else {
            return;
        };
        // A cluster that has been running has its images: a pull of then must not delay one of now.
        let delay = if self.booting {
            SimDuration::ZERO
        } else {
            let images = &self.scenario.images;
            self.kubelets.pull(now, pod, node, |image| images.of(image))
        };
        self.pulls_begun.insert(id, now);
        self.schedule(delay, Event::Pod(id, PodStep::ImagesPulled));
    }

    /// The images of a pod are on its node, for other pods too, whatever becomes of this one. A pod
    /// that starts anew in place pulls nothing.
    fn images_pulled(&mut self, now: SimTime, id: PodId) {
        let Some(pod) = self.cluster.pod(id).filter(|pod| pod.phase == PodPhase::Pending) else {
            return;
        };
        let spec = &pod.template.spec;
        let on_node = |image: &Arc<str>| NodeImage {
            names: vec![Arc::clone(image)],
            size: self.scenario.images.of(image),
        };
        let containers = spec.init_containers.iter().chain(&spec.containers);
        let images = containers.map(|container| on_node(&container.image)).collect();
        let took = self.pulls_begun.remove(&id).map_or(SimDuration::ZERO, |begun| now.since(begun));
        self.occur(now, Occurrence::ImagesPulled { pod: id, images, took });
    }

    /// The next step of a pod's life, unless the pod is gone or its node is lost meanwhile.
    pub(super) fn pod_step(&mut self, now: SimTime, id: PodId, step: PodStep) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let node = pod.node.and_then(|node| self.cluster.node(node));
        let works = node.is_some_and(crate::cluster::Node::is_ready) && !pod.has_ended();
        let terminating = pod.is_terminating();
        let bound = pod.node;
        if step == PodStep::ImagesPulled && works {
            self.images_pulled(now, id);
        }
        let Some(pod) = self.cluster.pod(id) else { return };
        match step {
            PodStep::BindingTimedOut => self.binding_timed_out(now, id),
            PodStep::VolumesMounted if works && !terminating => {
                if let Some(node) = bound {
                    self.pull_images(now, id, node);
                }
            }
            PodStep::ContainersRestarted if works && !terminating => self.start_pod(now, id),
            PodStep::ProbeFailed if works && !terminating => self.probe_failed(now, id),
            PodStep::ImagesPulled if works && !terminating => {
                let delay = self.kubelets.container_start(pod);
                self.schedule(delay, Event::Pod(id, PodStep::ContainersStarted));
            }
            PodStep::ContainersStarted if works && !terminating => self.start_pod(now, id),
            PodStep::BecameReady if works && !terminating && self.is_due_ready(now, id) => {
                self.occur(now, Occurrence::PodReady(id, ConditionStatus::True));
            }
            PodStep::EndpointAdded if works && !terminating && pod.is_ready() => {
                if let Some(server) = self.servers.get(&id) {
                    self.services.open_server(&mut ctx!(self, now), *server);
                    self.hear_services(now);
                }
            }
            PodStep::BecameAvailable => self.wake_workload(pod.workload()),
            PodStep::EndpointRemoved => self.endpoint_removed(now, id),
            PodStep::Terminate if works => self.sigterm(now, id),
            PodStep::Kill => self.end_process(now, id),
            PodStep::Removed => self.occur(now, Occurrence::PodGone(id)),
            PodStep::Completed if works && !terminating => self.job_pod_completed(now, id),
            PodStep::VolumesMounted
            | PodStep::ContainersRestarted
            | PodStep::ProbeFailed
            | PodStep::ImagesPulled
            | PodStep::Completed
            | PodStep::ContainersStarted
            | PodStep::BecameReady
            | PodStep::EndpointAdded
            | PodStep::Terminate => {}
        }
    }

    /// All containers run: the process comes up, its server exists, the probes begin.
    fn start_pod(&mut self, now: SimTime, id: PodId) {
        if self.servers.contains_key(&id) {
            // It was started anew when its node came back, before this first start was due.
            return;
        }
        self.occur(now, Occurrence::PodStarted(id));
        self.job_pod_started(id);
        let pod = self.cluster.pod(id).expect("it was there before it started");
        let mut process_up = SimDuration::ZERO;
        if let Some(station) = self.stations[pod.workload().index()] {
            let spec = &self.scenario.services.stations[station.index()];
            let mut stream = match pod.restarts {
                0 => self.streams.of(&format!("process/{}", pod.name)),
                again => self.streams.of(&format!("process/{}/{again}", pod.name)),
            };
            process_up = spec.start.sample_span(&mut stream);
            if let Some(warm_up) = &spec.warm_up {
                process_up += warm_up.sample_span(&mut stream);
            }
            let cores = self.cores_of(id);
            let server = self.services.create_server(now, station, id, cores, &mut self.queue);
            self.servers.insert(id, server);
        }
        let pod = self.cluster.pod(id).expect("it was there before it started");
        // While the cluster is put together, nothing takes time.
        let death = self.kubelets.killed_by_probe(pod, process_up).filter(|_| !self.booting);
        let ready = self.kubelets.readiness(pod, process_up);
        let ready = if self.booting { SimDuration::ZERO } else { ready };
        self.container_started(now, id, ready, death);
    }

    /// The cores a pod may use: its limit, or its node when it has none.
    fn cores_of(&self, id: PodId) -> f64 {
        let pod = self.cluster.pod(id).expect("a pod that runs is there");
        let node = pod.node.and_then(|node| self.cluster.node(node));
        let node_cores = node.map_or(1.0, |node| node.capacity.cpu.as_cores());
        let limit = pod.template.spec.cpu_limit().map(crate::units::MilliCpu::as_cores);
        limit.map_or(node_cores, |limit| limit.min(node_cores)).max(0.001)
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
        let steps = self.kubelets.termination(now, pod);
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
            self.schedule(END_OF_PROCESS, Event::Pod(id, PodStep::Removed));
        }
    }

    /// A draining server has nothing inside any more: after SIGTERM its process ends.
    pub(super) fn pod_drained(&mut self, _now: SimTime, id: PodId) {
        if self.workloads.sigterm_sent.remove(&id) {
            self.schedule(SimDuration::ZERO, Event::Pod(id, PodStep::Kill));
        }
    }

    /// The process ends now, whatever it is doing.
    fn end_process(&mut self, now: SimTime, id: PodId) {
        self.stop_server(now, id);
        self.schedule(END_OF_PROCESS, Event::Pod(id, PodStep::Removed));
    }

    /// Takes a pod's server away; requests inside are cut.
    pub(super) fn stop_server(&mut self, now: SimTime, id: PodId) {
        self.workloads.sigterm_sent.remove(&id);
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
        self.stop_server(now, id);
        self.scheduled_pod_gone(now, id);
        self.forget_taint_timer(id);
        self.unmount_volumes(now, id);
        self.restarts.forget(id);
        self.wake_workload(self.pod_owners[id.index()]);
        self.wake_budgets();
    }
}
