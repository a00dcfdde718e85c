//! What a controller wants done.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::id::{BudgetId, NodeId, PodId, PoolId, ReplicaSetId, WorkloadId};
use crate::units::{SimDuration, SimTime};

/// A change of the cluster that someone asks for. The cluster applies it; nobody else changes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Writes the scale subresource of a workload.
    ScaleWorkload {
        /// Which workload.
        workload: WorkloadId,
        /// New `spec.replicas`.
        replicas: i32,
    },
    /// Makes a ReplicaSet of the workload's present template.
    CreateReplicaSet {
        /// Owner.
        workload: WorkloadId,
        /// Its first size.
        replicas: i32,
    },
    /// Writes `spec.replicas` of a ReplicaSet.
    ScaleReplicaSet {
        /// Which set.
        replica_set: ReplicaSetId,
        /// New size.
        replicas: i32,
    },
    /// Deletes an empty ReplicaSet.
    DeleteReplicaSet(ReplicaSetId),
    /// Makes a pod of a ReplicaSet.
    CreateReplica(ReplicaSetId),
    /// Makes the pod of an ordinal of a StatefulSet, of the given revision.
    CreateOrdinal {
        /// Owner.
        workload: WorkloadId,
        /// Ordinal.
        ordinal: i32,
        /// Revision of the template.
        revision: u32,
    },
    /// Makes a DaemonSet's pod for a node.
    CreateDaemon {
        /// Owner.
        workload: WorkloadId,
        /// The node it is meant for.
        node: NodeId,
    },
    /// Makes a Job of a Job object, a CronJob or a hook.
    StartJob {
        /// Owner.
        workload: WorkloadId,
        /// The Job's name.
        name: Arc<str>,
    },
    /// Makes a pod of a Job.
    CreateJobPod {
        /// Owner.
        workload: WorkloadId,
        /// Which of its Jobs.
        run: u32,
        /// Its number, when completions have one.
        index: Option<i32>,
    },
    /// A Job is over.
    EndJob {
        /// Owner.
        workload: WorkloadId,
        /// Which of its Jobs.
        run: u32,
        /// `None` when it is complete, else why it failed, in the controller's word.
        failure: Option<&'static str>,
    },
    /// A CronJob passes over a schedule, because a Job still runs.
    SkipJob(WorkloadId),
    /// Deletes a pod.
    DeletePod {
        /// Which pod.
        pod: PodId,
        /// Grace; `None` is the pod's own.
        grace: Option<SimDuration>,
        /// Who and why.
        because: PodDeletion,
    },
    /// Binds a pod to a node.
    BindPod {
        /// Which pod.
        pod: PodId,
        /// Where.
        node: NodeId,
    },
    /// Writes the scheduler's sentence on a pod that fits nowhere.
    MarkUnschedulable {
        /// Which pod.
        pod: PodId,
        /// `0/7 nodes are available: ...`
        message: Arc<str>,
    },
    /// Marks a node unschedulable.
    Cordon(NodeId),
    /// Marks a node schedulable.
    Uncordon(NodeId),
    /// Adds a node to a pool: the cloud is asked for an instance.
    AddNode(PoolId),
    /// Adds a node of a chosen zone to a pool of Karpenter's: its instance was launched.
    LaunchNode(Box<NodeLaunch>),
    /// Gives a node's instance back to the cloud.
    RemoveNode(NodeId),
    /// Writes a budget's status.
    UpdateBudget {
        /// Which budget.
        budget: BudgetId,
        /// The figures of its new status.
        status: BudgetStatus,
        /// `disruptedPods`: evicted, and not yet seen to terminate.
        disrupted: BTreeMap<PodId, SimTime>,
    },
}

/// The node that a launched instance will become.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeLaunch {
    /// Its pool.
    pub pool: PoolId,
    /// Its zone.
    pub zone: Arc<str>,
    /// Labels beside those of the pool.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Annotations.
    pub annotations: BTreeMap<Arc<str>, Arc<str>>,
}

/// Who deletes a pod, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodDeletion {
    /// Its controller has too many.
    ScaleDown,
    /// Its controller replaces it by one of a new template.
    Rollout,
    /// Its owner was deleted, and the garbage collector deletes what the owner made.
    OwnerDeleted,
    /// A node is drained by hand.
    Drain,
    /// The Cluster Autoscaler removes its node.
    NodeScaleDown,
    /// Karpenter disrupts its node.
    NodeDisruption,
    /// A pod of higher priority needs its place.
    Preemption,
    /// Its node does not answer.
    NodeLost,
    /// Its node has a taint it does not tolerate.
    Taint,
    /// Its node is gone, and the garbage collector of pods removes what is left.
    Orphaned,
    /// The scenario says so.
    Scenario,
}

/// `PodDisruptionBudget.status`, as far as it decides anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetStatus {
    /// `expectedPods`.
    pub expected_pods: i32,
    /// `currentHealthy`.
    pub current_healthy: i32,
    /// `desiredHealthy`.
    pub desired_healthy: i32,
    /// `disruptionsAllowed`.
    pub disruptions_allowed: i32,
}
