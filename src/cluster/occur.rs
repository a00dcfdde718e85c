//! What kubelets and the cloud report: facts that nobody decided, written to the objects.

use std::sync::Arc;

use crate::cluster::api::scheduling::Taint;
use crate::cluster::node::{NodeImage, NodePhase};
use crate::cluster::pod::{ConditionStatus, PodOwner, PodPhase, ReadyCondition};
use crate::cluster::state::Cluster;
use crate::model::id::{NodeId, PodId};
use crate::model::record::Record;
use crate::units::{SimDuration, SimTime};

/// A fact reported by a kubelet or the cloud.
#[derive(Debug, Clone, PartialEq)]
pub enum Occurrence {
    /// The kubelet took the pod: `status.startTime`.
    PodTaken(PodId),
    /// The pod's images are on its node.
    ImagesPulled {
        /// Which pod.
        pod: PodId,
        /// The images as they lie on the node.
        images: Vec<NodeImage>,
        /// How long the pull took; zero when all were cached.
        took: SimDuration,
    },
    /// All containers run.
    PodStarted(PodId),
    /// The Ready condition changed.
    PodReady(PodId, ConditionStatus),
    /// The pod's containers ended and its object is gone.
    PodGone(PodId),
    /// The node registered and is Ready.
    NodeReady(NodeId),
    /// The node's GPUs are allocatable.
    NodeGpus(NodeId),
    /// The node stopped answering.
    NodeLost(NodeId),
    /// The node answers again.
    NodeRecovered(NodeId),
    /// The node's instance is gone, and with it every pod on it.
    NodeGone(NodeId),
    /// The node's taints were written.
    NodeTaints(NodeId, Vec<Taint>),
    /// A zone fails: no instance can be had there.
    ZoneFailed(Arc<str>),
    /// A zone works again.
    ZoneRecovered(Arc<str>),
}

impl Cluster {
    /// Writes a fact and appends what happened to `records`. A fact about something that is gone
    /// meanwhile does nothing.
    pub fn occur(&mut self, now: SimTime, fact: Occurrence, records: &mut Vec<Record>) {
        match fact {
            Occurrence::PodTaken(id) => {
                if self.pod(id).is_some() {
                    let pod = self.pod_mut(id);
                    pod.started = Some(now);
                    pod.ready = Some(ReadyCondition { status: ConditionStatus::False, since: now });
                }
            }
            Occurrence::ImagesPulled { pod, images, took } => {
                self.images_pulled(pod, images, took, records);
            }
            Occurrence::PodStarted(id) => {
                if self.pod(id).is_some() {
                    self.pod_mut(id).phase = PodPhase::Running;
                    records.push(Record::PodStarted(id));
                }
            }
            Occurrence::PodReady(id, status) => self.pod_ready(now, id, status, records),
            Occurrence::PodGone(id) => self.pod_gone(id, records),
            Occurrence::NodeReady(id) => {
                if self.set_phase(now, id, NodePhase::Ready) {
                    records.push(Record::NodeBecameReady(id));
                }
            }
            Occurrence::NodeGpus(id) => self.gpus_allocatable(id, records),
            Occurrence::NodeLost(id) => self.node_lost(now, id, records),
            Occurrence::NodeRecovered(id) => self.node_recovered(now, id, records),
            Occurrence::NodeGone(id) => self.node_gone(id, records),
            Occurrence::NodeTaints(id, taints) => {
                if self.node(id).is_some_and(|node| node.taints != taints) {
                    self.node_mut(id).taints = taints;
                }
            }
            Occurrence::ZoneFailed(zone) => {
                self.failed_zones.insert(zone);
            }
            Occurrence::ZoneRecovered(zone) => {
                self.failed_zones.remove(&zone);
            }
        }
    }

    fn set_phase(&mut self, now: SimTime, id: NodeId, phase: NodePhase) -> bool {
        let fits = self.node(id).is_some_and(|node| node.phase != NodePhase::Removing);
        if fits {
            let node = self.node_mut(id);
            node.phase = phase;
            node.phase_since = now;
        }
        fits
    }

    fn images_pulled(
        &mut self,
        pod: PodId,
        images: Vec<NodeImage>,
        took: SimDuration,
        records: &mut Vec<Record>,
    ) {
        let Some(node) = self.pod(pod).and_then(|pod| pod.node) else { return };
        for image in images {
            if self.node(node).is_some_and(|node| !node.images.contains(&image)) {
                self.node_mut(node).images.push(image);
            }
        }
        records.push(Record::PodImagesPulled { pod, took });
    }

    fn pod_ready(
        &mut self,
        now: SimTime,
        id: PodId,
        status: ConditionStatus,
        records: &mut Vec<Record>,
    ) {
        let Some(pod) = self.pod(id) else { return };
        let before = pod.ready.map(|ready| ready.status);
        if before == Some(status) {
            return;
        }
        self.pod_mut(id).ready = Some(ReadyCondition { status, since: now });
        if status == ConditionStatus::True {
            records.push(Record::PodBecameReady(id));
        } else if before == Some(ConditionStatus::True) {
            records.push(Record::PodBecameUnready(id));
        }
    }

    /// Takes a pod out of every index.
    fn pod_gone(&mut self, id: PodId, records: &mut Vec<Record>) {
        let Some(pod) = self.pods[id.index()].take() else { return };
        self.live_pods -= 1;
        self.pending.remove(&id);
        if let Some(node) = pod.node.filter(|node| self.node(*node).is_some()) {
            let node = self.node_mut(node);
            node.pods.retain(|other| *other != id);
            node.requested -= &pod.requests;
            node.scoring_requested -= &pod.scoring_requests;
        }
        let workload = &mut self.workloads[pod.workload().index()];
        workload.pods.retain(|other| *other != id);
        match pod.owner {
            PodOwner::ReplicaSet(_, set) => {
                if let Some(set) = self.replica_sets[set.index()].as_deref_mut() {
                    set.pods.retain(|other| *other != id);
                }
            }
            PodOwner::Ordinal(_, ordinal) => {
                if workload.ordinals.get(&ordinal) == Some(&id) {
                    workload.ordinals.remove(&ordinal);
                }
            }
            PodOwner::Daemon(..) => {}
        }
        records.push(Record::PodGone(id));
    }

    fn gpus_allocatable(&mut self, id: NodeId, records: &mut Vec<Record>) {
        let Some(pool) = self.node(id).and_then(|node| node.pool) else { return };
        let allocatable = self.pool(pool).spec.instance.allocatable.clone();
        if self.node(id).is_some_and(|node| node.allocatable == allocatable) {
            return;
        }
        self.node_mut(id).allocatable = allocatable;
        records.push(Record::NodeGpusAllocatable(id));
    }

    fn node_lost(&mut self, now: SimTime, id: NodeId, records: &mut Vec<Record>) {
        if self.set_phase(now, id, NodePhase::Lost) {
            records.push(Record::NodeLost(id));
        }
    }

    fn node_recovered(&mut self, now: SimTime, id: NodeId, records: &mut Vec<Record>) {
        if self.node(id).is_some_and(|node| node.phase == NodePhase::Lost) {
            self.set_phase(now, id, NodePhase::Ready);
            records.push(Record::NodeRecovered(id));
        }
    }

    fn node_gone(&mut self, id: NodeId, records: &mut Vec<Record>) {
        let Some(node) = self.node(id) else { return };
        for pod in node.pods.clone() {
            self.pod_gone(pod, records);
        }
        if let Some(pool) = self.nodes[id.index()].take().and_then(|node| node.pool) {
            self.pools[pool.index()].nodes.retain(|other| *other != id);
        }
        self.live_nodes.retain(|other| *other != id);
        self.generation += 1;
        records.push(Record::NodeGone(id));
    }
}
