//! Nodes' lives: from the request for an instance to its return.

use crate::cluster::{ConditionStatus, Occurrence};
use crate::model::Event;
use crate::model::event::{NodeStep, PodStep};
use crate::model::id::NodeId;
use crate::model::observer::Observer;
use crate::model::record::Death;
use crate::sim::Run;
use crate::sim::loads::ctx;
use crate::units::{SimDuration, SimTime};

impl<O: Observer> Run<'_, O> {
    /// An instance was asked for: the cloud takes its time to answer.
    pub(super) fn node_requested(&mut self, id: NodeId) {
        let node = self.cluster.node(id).expect("a requested node is there");
        debug_assert_eq!(id.index(), self.node_names.len(), "nodes are numbered in order");
        let name = std::sync::Arc::clone(&node.name);
        let mut stream = self.streams.of(&format!("boot/{name}"));
        self.node_names.push(name);
        if self.booting {
            return;
        }
        if node.pool.is_some_and(|pool| self.cluster.pool(pool).spec.node_pool.is_some()) {
            // Karpenter asked, and has its answer with the machine: its call took the time.
            let (zone, now) = (node.machine.zone.clone(), node.created);
            self.capacity.launching(id, stream);
            self.occur(now, Occurrence::NodeLaunched(id, zone));
            self.boot(id);
            return;
        }
        let cloud = self.scenario.timings.cloud_delay.sample_span(&mut stream);
        self.capacity.launching(id, stream);
        self.schedule(cloud, Event::Node(id, NodeStep::Launched));
    }

    /// The next step of a node's life.
    pub(super) fn node_step(&mut self, now: SimTime, id: NodeId, step: NodeStep) {
        match step {
            NodeStep::Launched => self.cloud_answers(now, id),
            NodeStep::Registered => self.occur(now, Occurrence::NodeRegistered(id)),
            NodeStep::BecameReady => self.occur(now, Occurrence::NodeReady(id)),
            NodeStep::GpusAllocatable => self.occur(now, Occurrence::NodeGpus(id)),
            NodeStep::Removed => self.occur(now, Occurrence::NodeGone(id)),
            NodeStep::Recovered => self.occur(now, Occurrence::NodeRecovered(id)),
        }
    }

    /// A node is Ready: pods may come, and its GPUs follow.
    pub(super) fn node_became_ready(&mut self, now: SimTime, id: NodeId) {
        let Some(node) = self.cluster.node(id) else { return };
        let gpu_ready = node.pool.and_then(|pool| self.cluster.pool(pool).spec.gpu_ready.clone());
        if let Some(gpu_ready) = gpu_ready.filter(|_| !self.booting) {
            let mut stream = self.streams.of(&format!("gpu/{}", node.name));
            let delay = gpu_ready.sample_span(&mut stream);
            self.schedule(delay, Event::Node(id, NodeStep::GpusAllocatable));
        }
        self.wake_daemon_sets();
        self.node_changed(now, id);
    }

    /// A node's machine stopped: its processes are dead, and nobody knows yet. Requests still go
    /// there, and get no answer, until the endpoints are withdrawn.
    pub(super) fn node_lost(&mut self, now: SimTime, id: NodeId) {
        let pods: Vec<_> = self.cluster.pods_on(id).map(|pod| pod.id).collect();
        for pod in pods {
            if let Some(server) = self.servers.get(&pod) {
                self.services.silence_server(&mut ctx!(self, now), *server);
            }
        }
        self.watch_nodes(now);
    }

    /// A node's machine works again: its pods start anew, in place.
    pub(super) fn node_recovered(&mut self, now: SimTime, id: NodeId) {
        let pods: Vec<_> =
            self.cluster.pods_on(id).map(|pod| (pod.id, pod.is_terminating())).collect();
        for (pod, terminating) in pods {
            self.stop_server(now, pod);
            self.probes.forget(pod);
            self.occur(now, Occurrence::PodReady(pod, ConditionStatus::False));
            if terminating {
                self.schedule(SimDuration::ZERO, Event::Pod(pod, PodStep::Kill));
            } else if self.ended_with_its_machine(pod) {
                self.job_pod_completed(now, pod, Death::KILLED);
            } else {
                self.begin_pod(now, pod, id);
            }
        }
        self.volumes_unmounted(now, id);
        self.node_changed(now, id);
        self.watch_nodes(now);
    }

    /// A node's instance is given back.
    pub(super) fn node_removing(&mut self, now: SimTime, id: NodeId) {
        self.scheduled_node_gone(now, id);
        let Some(node) = self.cluster.node(id) else { return };
        if node.launched.is_none() {
            // There is no machine to end: the request is withdrawn.
            self.schedule(SimDuration::ZERO, Event::Node(id, NodeStep::Removed));
            return;
        }
        let mut stream = self.streams.of(&format!("removal/{}", node.name));
        let delay = self.scenario.timings.node_deletion.sample_span(&mut stream);
        self.schedule(delay, Event::Node(id, NodeStep::Removed));
    }

    /// A node is gone.
    pub(super) fn node_gone(&mut self, now: SimTime, id: NodeId) {
        self.capacity.launched(id);
        self.orphan_pods(now, id);
        self.kubelets.forget(id);
        self.forget_node(id);
        self.scheduled_node_gone(now, id);
        self.wake_daemon_sets();
    }
}
