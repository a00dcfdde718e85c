//! What kubelets and the cloud report: facts that nobody decided, written to the objects.

use std::sync::Arc;

use crate::cluster::api::NodeRequest;
use crate::cluster::api::budget::PodDisruptionBudgetSpec;
use crate::cluster::api::limit::ResourceQuotaSpec;
use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::cluster::api::storage::PersistentVolumeClaimSpec;
use crate::cluster::api::workload::WorkloadSpec;
use crate::cluster::node::{LaunchFailure, Node, NodeImage, NodePhase};
use crate::cluster::pod::{ConditionStatus, PodOwner, PodPhase, ReadyCondition};
use crate::cluster::state::Cluster;
use crate::model::id::{BudgetId, NodeId, PodId, WorkloadId};
use crate::model::record::{Death, Record};
use crate::units::{SimDuration, SimTime};

/// Label of the zone of a node.
pub(super) const ZONE: &str = "topology.kubernetes.io/zone";
/// Taint of a node that is not Ready.
const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// A fact reported by a kubelet or the cloud.
#[derive(Debug, Clone, PartialEq)]
pub enum Occurrence {
    /// The kubelet took the pod: `status.startTime`.
    PodTaken(PodId),
    /// Images of the pod are on its node.
    ImagesPulled {
        /// Which pod.
        pod: PodId,
        /// The images as they lie on the node.
        images: Vec<NodeImage>,
        /// How long all pulls of the pod took, zero when all were cached; told with the last.
        took: Option<SimDuration>,
    },
    /// All containers run.
    PodStarted(PodId),
    /// The Ready condition changed.
    PodReady(PodId, ConditionStatus),
    /// The process of a container is dead; the container is started again.
    ContainerDied {
        /// Which pod.
        pod: PodId,
        /// Which container, by name.
        container: Arc<str>,
        /// Whether it is a sidecar.
        sidecar: bool,
        /// Why.
        why: Death,
        /// How long the kubelet waits before it starts it again.
        again_after: SimDuration,
        /// How often this container was restarted, this time included.
        restarts: u32,
    },
    /// The kubelet evicted the pod or refused it: it ended badly, and its object stays.
    PodFailed {
        /// The pod.
        pod: PodId,
        /// Whether it has the condition DisruptionTarget, as one that is evicted under pressure has
        /// (pkg/kubelet/eviction `TerminationByKubelet`) and one that is refused has not.
        disrupted: bool,
    },
    /// A claim was bound to a volume made for a node of this zone.
    ClaimBound(Arc<str>, Option<Arc<str>>),
    /// The pod's containers ended by themselves, well or badly: what it holds is free, and its
    /// object goes, since nobody looks at it any more.
    PodEnded {
        /// Which pod.
        pod: PodId,
        /// The code of the one that ended last, or of the first that failed; 0 is well.
        exit_code: u8,
    },
    /// The pod's containers ended and its object is gone.
    PodGone(PodId),
    /// Someone wrote a workload's spec, or made the workload.
    WorkloadWritten(WorkloadId, Arc<WorkloadSpec>),
    /// Someone deleted a workload. Its ReplicaSets and Jobs go with it; its pods are without an
    /// owner, and the garbage collector has to delete them.
    WorkloadDeleted(WorkloadId),
    /// Someone wrote a budget's spec, or made the budget.
    BudgetWritten(BudgetId, Arc<PodDisruptionBudgetSpec>),
    /// Someone deleted a budget.
    BudgetDeleted(BudgetId),
    /// Someone made a claim that stands alone; one that is there stays as it is.
    ClaimWritten(Arc<PersistentVolumeClaimSpec>),
    /// Someone deleted a claim, by `namespace/name`: it goes when no pod uses it any more.
    ClaimDeleted(Arc<str>),
    /// Someone wrote the quotas of all namespaces.
    QuotasWritten(Vec<Arc<ResourceQuotaSpec>>),
    /// A machine was asked for by itself.
    NodeAsked(Box<NodeRequest>),
    /// The cloud made the node's machine, in this zone.
    NodeLaunched(NodeId, Option<Arc<str>>),
    /// The cloud could not make the node's machine.
    NodeLaunchFailed {
        /// Which.
        node: NodeId,
        /// Why.
        why: LaunchFailure,
        /// The cloud's code.
        code: Arc<str>,
        /// The cloud's sentence.
        message: Arc<str>,
    },
    /// The node registered.
    NodeRegistered(NodeId),
    /// The node is Ready; it registered, if it had not.
    NodeReady(NodeId),
    /// The cloud took the node's machine; the object stays.
    MachineGone(NodeId),
    /// The node's GPUs are allocatable.
    NodeGpus(NodeId),
    /// The node stopped answering.
    NodeLost(NodeId),
    /// The node answers again.
    NodeRecovered(NodeId),
    /// The node's instance and object are gone. Its pods' objects stay until the garbage collector
    /// of pods finds them.
    NodeGone(NodeId),
    /// The node's taints were written.
    NodeTaints(NodeId, Vec<Taint>),
    /// A zone fails: no instance can be had there.
    ZoneFailed(Arc<str>),
    /// A zone works again.
    ZoneRecovered(Arc<str>),
}

/// Takes a pod out of a list in order of creation, which is the order of ids.
fn forget(pods: &mut Vec<PodId>, id: PodId) {
    if let Ok(position) = pods.binary_search(&id) {
        pods.remove(position);
    }
}

impl Cluster {
    /// Writes a fact and appends what happened to `records`. A fact about something that is gone
    /// meanwhile does nothing.
    pub fn occur(&mut self, now: SimTime, fact: Occurrence, records: &mut Vec<Record>) {
        match fact {
            Occurrence::PodTaken(id) => {
                if self.pod(id).is_some() {
                    let unready = ReadyCondition { status: ConditionStatus::False, since: now };
                    self.change_pod(id, |pod| {
                        pod.started = Some(now);
                        pod.ready = Some(unready);
                    });
                }
            }
            Occurrence::ImagesPulled { pod, images, took } => {
                self.images_pulled(pod, images, took, records);
            }
            Occurrence::PodStarted(id) => {
                if self.pod(id).is_some() {
                    self.change_pod(id, |pod| pod.phase = PodPhase::Running);
                    records.push(Record::PodStarted(id));
                }
            }
            Occurrence::PodReady(id, status) => self.pod_ready(now, id, status, records),
            Occurrence::ContainerDied { .. } => self.container_died(fact, records),
            Occurrence::PodFailed { pod: id, disrupted } => {
                if self.pod(id).is_some() {
                    self.job_pod_failed(now, id, disrupted);
                    self.leave_node(id);
                    self.change_pod(id, |pod| pod.phase = PodPhase::Failed);
                }
            }
            Occurrence::ClaimBound(name, zone) => self.bind_claim(&name, zone),
            Occurrence::PodEnded { pod, exit_code } => {
                self.pod_ended(now, pod, exit_code, records);
            }
            Occurrence::PodGone(id) => self.pod_gone(now, id, records),
            Occurrence::WorkloadWritten(..)
            | Occurrence::WorkloadDeleted(_)
            | Occurrence::BudgetWritten(..)
            | Occurrence::BudgetDeleted(_)
            | Occurrence::ClaimWritten(_)
            | Occurrence::ClaimDeleted(_)
            | Occurrence::QuotasWritten(_) => self.written(fact, records),
            Occurrence::NodeAsked(_)
            | Occurrence::NodeLaunched(..)
            | Occurrence::NodeLaunchFailed { .. }
            | Occurrence::NodeRegistered(_)
            | Occurrence::NodeReady(_)
            | Occurrence::MachineGone(_)
            | Occurrence::NodeGpus(_)
            | Occurrence::NodeLost(_)
            | Occurrence::NodeRecovered(_)
            | Occurrence::NodeGone(_)
            | Occurrence::NodeTaints(..) => {
                self.occur_to_node(now, fact, records);
            }
            Occurrence::ZoneFailed(zone) => {
                self.failed_zones.insert(zone);
            }
            Occurrence::ZoneRecovered(zone) => {
                self.failed_zones.remove(&zone);
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller matched the facts about nodes in full"
    )]
    fn occur_to_node(&mut self, now: SimTime, fact: Occurrence, records: &mut Vec<Record>) {
        match fact {
            Occurrence::NodeAsked(request) => {
                self.create_requested_node(now, *request, records);
            }
            Occurrence::NodeLaunched(id, zone) => self.node_launched(now, id, zone, records),
            Occurrence::NodeLaunchFailed { node, why, code, message } => {
                if self.set_phase(now, node, NodePhase::Failed(why)) {
                    records.push(Record::NodeLaunchFailed { node, code, message });
                }
            }
            Occurrence::NodeRegistered(id) => self.node_registered(now, id, records),
            Occurrence::NodeReady(id) => self.node_ready(now, id, records),
            Occurrence::MachineGone(id) => {
                if self.node(id).is_some_and(|node| !node.machine_gone) {
                    self.node_mut(id).machine_gone = true;
                    records.push(Record::NodeReclaimed(id));
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
            _ => unreachable!("only facts about nodes come here"),
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

    fn container_died(&mut self, fact: Occurrence, records: &mut Vec<Record>) {
        let Occurrence::ContainerDied { pod, container, sidecar, why, again_after, restarts } =
            fact
        else {
            return;
        };
        if self.pod(pod).is_some() {
            self.change_pod(pod, |life| {
                let most = if sidecar { &mut life.sidecar_restarts } else { &mut life.restarts };
                *most = restarts.max(*most);
            });
            records.push(Record::ContainerDied { pod, container, why, again_after, restarts });
        }
    }

    fn images_pulled(
        &mut self,
        pod: PodId,
        images: Vec<NodeImage>,
        took: Option<SimDuration>,
        records: &mut Vec<Record>,
    ) {
        let Some(node) = self.pod(pod).and_then(|pod| pod.node) else { return };
        for image in images {
            if self.node(node).is_some_and(|node| !node.images.contains(&image)) {
                self.node_mut(node).images.push(image);
            }
        }
        records.extend(took.map(|took| Record::PodImagesPulled { pod, took }));
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
        let ready = ReadyCondition { status, since: now };
        self.change_pod(id, |pod| pod.ready = Some(ready));
        if status == ConditionStatus::True {
            records.push(Record::PodBecameReady(id));
        } else if before == Some(ConditionStatus::True) {
            records.push(Record::PodBecameUnready(id));
        }
    }

    /// Takes a pod out of every index.
    pub(super) fn pod_gone(&mut self, now: SimTime, id: PodId, records: &mut Vec<Record>) {
        self.leave_node(id);
        self.release_claims(id);
        let Some(pod) = self.pods[id.index()].take() else { return };
        self.live_pods -= 1;
        self.pending.remove(&id);
        self.workload_stamps[pod.workload().index()] += 1;
        let workload = &mut self.workloads[pod.workload().index()];
        forget(&mut workload.pods, id);
        match pod.owner {
            PodOwner::ReplicaSet(_, set) => {
                if let Some(set) = self.replica_sets[set.index()].as_deref_mut() {
                    forget(&mut set.pods, id);
                    set.counts.remove(&pod);
                }
            }
            PodOwner::Ordinal(_, ordinal) => {
                if workload.ordinals.get(&ordinal) == Some(&id) {
                    workload.ordinals.remove(&ordinal);
                }
            }
            PodOwner::Daemon(..) => {}
            PodOwner::Job(_, run) => workload.job_pod_gone(now, run, &pod),
        }
        records.push(Record::PodGone(id));
    }

    /// Gives back what a pod holds of its node.
    fn leave_node(&mut self, id: PodId) {
        let Some(pod) = self.pod(id) else { return };
        let holds = |node: &NodeId| self.node(*node).is_some_and(|node| node.pods.contains(&id));
        let Some(node) = pod.node.filter(holds) else { return };
        let (requests, scoring) = (Arc::clone(&pod.requests), Arc::clone(&pod.scoring_requests));
        let node = self.node_mut(node);
        node.pods.retain(|other| *other != id);
        node.requested -= &requests;
        node.scoring_requested -= &scoring;
    }

    fn node_launched(
        &mut self,
        now: SimTime,
        id: NodeId,
        zone: Option<Arc<str>>,
        records: &mut Vec<Record>,
    ) {
        if !self.node(id).is_some_and(Node::is_coming) {
            return;
        }
        let node = self.node_mut(id);
        node.phase = NodePhase::Requested;
        node.phase_since = now;
        node.launched = Some(now);
        if let Some(zone) = &zone {
            node.labels.insert(Arc::from(ZONE), Arc::clone(zone));
        }
        node.machine.zone = zone;
        let machine = Box::new(node.machine.kind());
        records.push(Record::NodeLaunched { node: id, machine });
    }

    /// The API server admits the object with the taint of a node that is not ready
    /// (plugin/pkg/admission/nodetaint).
    fn node_registered(&mut self, now: SimTime, id: NodeId, records: &mut Vec<Record>) {
        if self.set_phase(now, id, NodePhase::Registered) {
            let node = self.node_mut(id);
            node.created = now;
            node.taints.push(Taint {
                key: Arc::from(NOT_READY),
                value: Arc::from(""),
                effect: TaintEffect::NoSchedule,
            });
            records.push(Record::NodeRegistered(id));
        }
    }

    fn node_ready(&mut self, now: SimTime, id: NodeId, records: &mut Vec<Record>) {
        let registered = self.node(id).is_some_and(|node| node.phase == NodePhase::Registered);
        if self.set_phase(now, id, NodePhase::Ready) {
            let node = self.node_mut(id);
            if registered {
                node.taints.retain(|taint| &*taint.key != NOT_READY);
            } else {
                node.created = now;
            }
            records.push(Record::NodeBecameReady(id));
        }
    }

    fn gpus_allocatable(&mut self, id: NodeId, records: &mut Vec<Record>) {
        let Some(node) = self.node(id) else { return };
        let allocatable = node.machine.instance.allocatable.clone();
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
        if self.node(id).is_none() {
            return;
        }
        if let Some(pool) = self.nodes[id.index()].take().and_then(|node| node.pool) {
            self.pools[pool.index()].nodes.retain(|other| *other != id);
        }
        if let Ok(position) = self.live_nodes.binary_search(&id) {
            self.live_nodes.remove(position);
        }
        self.next_generation(id);
        records.push(Record::NodeGone(id));
    }
}
