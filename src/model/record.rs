//! What happened. Told once, in order; everything a report says comes from here and the scenario.

use std::sync::Arc;

use crate::model::action::{BudgetStatus, PodDeletion};
use crate::model::id::{
    BudgetId, DisruptionId, HpaId, NodeId, PodId, PoolId, ReplicaSetId, WorkloadId,
};
use crate::model::reason::Reason;
use crate::model::rollout::RolloutEnd;
use crate::units::{Bytes, SimDuration, SimTime};

/// A fact about the control plane. Requests are not recorded one by one: they are folded into
/// measurements where they end.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A workload's `spec.replicas` was written.
    WorkloadScaled {
        /// Which.
        workload: WorkloadId,
        /// From.
        from: i32,
        /// To.
        to: i32,
    },
    /// Someone made a workload.
    WorkloadCreated(WorkloadId),
    /// Someone deleted a workload; its pods go with it.
    WorkloadDeleted(WorkloadId),
    /// Someone wrote a workload's template: its pods are to be replaced.
    WorkloadUpdated {
        /// Which.
        workload: WorkloadId,
        /// Number of the revision that is wanted now; the first is 0.
        revision: u32,
    },
    /// A rollout that is waited for is over.
    RolloutEnded(DisruptionId, Box<RolloutEnd>),
    /// A Job was made.
    JobStarted {
        /// The Job, or the CronJob that made it.
        workload: WorkloadId,
        /// Its name.
        name: Arc<str>,
    },
    /// A Job is complete or has failed.
    JobEnded {
        /// The Job, or the CronJob that made it.
        workload: WorkloadId,
        /// Its name.
        name: Arc<str>,
        /// How long it took.
        took: SimDuration,
        /// `None` when it is complete, else why it failed, in the controller's word.
        failure: Option<&'static str>,
    },
    /// A schedule of a CronJob came and no Job was made, because one still runs.
    JobSkipped(WorkloadId),
    /// The API server refused to make a pod.
    PodForbidden {
        /// Whose pod.
        workload: WorkloadId,
        /// Its sentence.
        message: Arc<str>,
    },
    /// A ReplicaSet was made.
    ReplicaSetCreated(ReplicaSetId, WorkloadId),
    /// A pod was made.
    PodCreated {
        /// Which.
        pod: PodId,
        /// Its owner.
        workload: WorkloadId,
        /// Its name.
        name: Arc<str>,
    },
    /// The scheduler said that a pod fits nowhere.
    PodUnschedulable {
        /// Which.
        pod: PodId,
        /// kube-scheduler's sentence.
        message: Arc<str>,
    },
    /// A pod was bound.
    PodBound {
        /// Which.
        pod: PodId,
        /// Where.
        node: NodeId,
        /// How long it waited since it was made.
        waited: SimDuration,
    },
    /// The images of a pod are on its node.
    PodImagesPulled {
        /// Which.
        pod: PodId,
        /// How long the pull took; zero when cached.
        took: SimDuration,
    },
    /// All containers of a pod run.
    PodStarted(PodId),
    /// A pod became ready.
    PodBecameReady(PodId),
    /// A pod stopped being ready without being deleted.
    PodBecameUnready(PodId),
    /// A pod's containers ended by themselves.
    PodEnded {
        /// Which.
        pod: PodId,
        /// Whether they ended well.
        succeeded: bool,
    },
    /// A pod's deletion began.
    PodTerminating {
        /// Which.
        pod: PodId,
        /// Why.
        because: PodDeletion,
    },
    /// A pod is gone.
    PodGone(PodId),
    /// An eviction was asked for and refused.
    EvictionRefused {
        /// Which pod.
        pod: PodId,
        /// On which node.
        node: NodeId,
        /// Why.
        reason: Reason,
    },
    /// A budget's status changed.
    BudgetChanged {
        /// Which.
        budget: BudgetId,
        /// To.
        status: BudgetStatus,
    },
    /// An instance was asked for.
    NodeRequested {
        /// Which node it will be.
        node: NodeId,
        /// Of which pool.
        pool: PoolId,
    },
    /// The cloud made the machine of a node: from now on it is paid for.
    NodeLaunched {
        /// Which node it will be.
        node: NodeId,
        /// What was made.
        machine: Box<MachineKind>,
    },
    /// The cloud could not make the machine of a node.
    NodeLaunchFailed {
        /// Which node it would have been.
        node: NodeId,
        /// The cloud's code: `InsufficientInstanceCapacity`.
        code: Arc<str>,
        /// The cloud's sentence.
        message: Arc<str>,
    },
    /// The cloud took a node's machine back; its object is still there.
    NodeReclaimed(NodeId),
    /// A node's kubelet registered: there is a Node object, not Ready yet.
    NodeRegistered(NodeId),
    /// A node is Ready.
    NodeBecameReady(NodeId),
    /// A node's GPUs are allocatable.
    NodeGpusAllocatable(NodeId),
    /// A node was cordoned.
    NodeCordoned(NodeId),
    /// A node was uncordoned.
    NodeUncordoned(NodeId),
    /// A node stopped answering.
    NodeLost(NodeId),
    /// A lost node answers again.
    NodeRecovered(NodeId),
    /// A node's instance is being given back.
    NodeRemoving(NodeId),
    /// A node is gone.
    NodeGone(NodeId),
    /// The Cluster Autoscaler began or stopped to see a node as unneeded.
    NodeUnneeded {
        /// Which.
        node: NodeId,
        /// Since when, or `None` when it is needed again.
        since: Option<SimTime>,
    },
    /// Karpenter lets a node go.
    NodeDisrupted {
        /// Which.
        node: NodeId,
        /// Why, in the word of its metrics: `Empty`, `Underutilized`, `Drifted`, `Expired`.
        because: &'static str,
    },
    /// An HPA synchronised.
    HpaSynced(HpaId, Box<HpaSync>),
    /// A controller decided.
    Decided {
        /// Who.
        by: Decider,
        /// Why.
        reason: Reason,
    },
    /// The Cluster Autoscaler wrote another status than before.
    AutoscalerStatus(Box<AutoscalerStatus>),
    /// A timed disruption began.
    DisruptionBegan(DisruptionId),
    /// A timed disruption is over.
    DisruptionEnded(DisruptionId),
    /// The process of a container ended or was killed; the container is started again in place.
    ContainerDied {
        /// Which pod.
        pod: PodId,
        /// Which of its containers, by name.
        container: Arc<str>,
        /// Why.
        why: Death,
        /// How long the kubelet waits before it starts the container again.
        again_after: SimDuration,
        /// How often the container was restarted, this time included.
        restarts: u32,
    },
    /// A worker ended with tasks inside.
    TasksInterrupted {
        /// Its pod.
        pod: PodId,
        /// What became of them.
        losses: TaskLosses,
    },
    /// What Kubernetes or the cloud tells as an event of an object.
    Announced {
        /// Whose event.
        about: About,
        /// Its reason, in Kubernetes' word: `FailedAttachVolume`.
        event: &'static str,
        /// Its message.
        message: Arc<str>,
    },
}

/// What a machine is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineKind {
    /// Its type, in the cloud's name.
    pub instance: Arc<str>,
    /// Its zone, when it has one.
    pub zone: Option<Arc<str>>,
    /// Whether it is a spot machine.
    pub spot: bool,
}

/// What became of the tasks inside a worker when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskLosses {
    /// Worked on and already acknowledged: nobody will ever finish them.
    pub lost: u32,
    /// Not acknowledged, and nobody told the broker: delivered again after the visibility timeout.
    pub invisible: u32,
    /// Of these, worked on: the work is repeated from its beginning.
    pub repeated: u32,
    /// Reserved and not begun, given back in order.
    pub returned: u32,
    /// Time spent on what was worked on.
    pub spent: SimDuration,
}

impl TaskLosses {
    /// Whether any task was inside.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.lost + self.invisible + self.returned > 0
    }
}

/// What the ConfigMap `cluster-autoscaler-status` says (clusterstate/api/types.go).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AutoscalerStatus {
    /// The whole cluster.
    pub cluster: GroupStatus,
    /// Each autoscaled group.
    pub groups: Vec<GroupStatus>,
}

/// What the status says of a group of nodes, or of all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupStatus {
    /// Which pool; `None` is the whole cluster.
    pub pool: Option<PoolId>,
    /// `Healthy` or `Unhealthy`, and since when.
    pub health: (&'static str, SimTime),
    /// Nodes that are registered.
    pub registered: u32,
    /// Nodes that are ready.
    pub ready: u32,
    /// Nodes that are young and not ready yet.
    pub not_started: u32,
    /// Nodes whose instance is being deleted.
    pub being_deleted: u32,
    /// Nodes that are not ready any more, or still.
    pub unready: u32,
    /// Ready nodes without the accelerators they should have.
    pub resource_unready: u32,
    /// Instances that did not become nodes in time.
    pub long_unregistered: u32,
    /// Instances that are no nodes yet.
    pub unregistered: u32,
    /// Size asked of the cloud, least and most size; of a group.
    pub sizes: Option<(i64, i64, i64)>,
    /// `InProgress`, `Unhealthy`, `Backoff` or `NoActivity`, and since when.
    pub scale_up: (&'static str, SimTime),
    /// Code and sentence of the error for which a group backs off.
    pub backoff: Option<(Arc<str>, Arc<str>)>,
    /// `CandidatesPresent` or `NoCandidates`, and since when.
    pub scale_down: (&'static str, SimTime),
    /// Nodes that are not needed.
    pub candidates: u32,
}

/// Why a process was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Death {
    /// The kernel: it held more memory than its limit allows.
    OutOfMemory {
        /// What it held.
        used: Bytes,
        /// What it might hold.
        limit: Bytes,
    },
    /// The kernel: the pods of its node together held more memory than they may, and it had the most
    /// points (control/kubelet/oom.rs).
    NodeOutOfMemory {
        /// What it held.
        used: Bytes,
        /// What the pods of the node may hold together.
        limit: Bytes,
    },
    /// The kubelet: it did not answer its liveness probe before it was up.
    Liveness,
    /// The kubelet: it was up, and too busy to answer its liveness probe in time.
    Unresponsive,
    /// The kubelet: it did not answer its startup probe in time.
    Startup,
    /// It ended by itself with this exit code, which is not zero.
    Exited(u8),
}

impl Death {
    /// The exit code of a process that SIGKILL ended.
    pub const KILLED: u8 = 137;

    /// The exit code that the kubelet tells: a probe's verdict is carried out by SIGTERM, which
    /// processes obey; the kernel and a machine that stops send no warning.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::OutOfMemory { .. } | Self::NodeOutOfMemory { .. } => Self::KILLED,
            Self::Liveness | Self::Unresponsive | Self::Startup => 143,
            Self::Exited(code) => code,
        }
    }

    /// Whether the kernel killed it for memory: the kubelet calls it OOMKilled.
    #[must_use]
    pub const fn is_oom_kill(self) -> bool {
        matches!(self, Self::OutOfMemory { .. } | Self::NodeOutOfMemory { .. })
    }
}

/// Whose event something is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// A pod's.
    Pod(PodId),
    /// A node's.
    Node(NodeId),
    /// A PersistentVolumeClaim's: `namespace/name`.
    Claim(Arc<str>),
    /// Of a timed disruption.
    Disruption(DisruptionId),
    /// A NodePool's of Karpenter.
    NodePool(Arc<str>),
    /// A ScaledObject's of KEDA.
    ScaledObject(Arc<str>),
    /// A ResourceQuota's: `namespace/name`.
    Quota(Arc<str>),
}

/// Those who decide, apart from the HPAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decider {
    /// A workload's controller.
    Workload(WorkloadId),
    /// kube-scheduler.
    Scheduler(PodId),
    /// Cluster Autoscaler.
    ClusterAutoscaler,
    /// A drain of the scenario.
    Drain(DisruptionId),
}

/// One synchronisation of an HPA, told in full.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HpaSync {
    /// `spec.replicas` of the target before.
    pub current: i32,
    /// Each metric in the order of the spec.
    pub metrics: Vec<HpaMetricSync>,
    /// Largest valid proposal; `None` when no metric could be computed.
    pub proposal: Option<i32>,
    /// After stabilization.
    pub stabilized: Option<i32>,
    /// When stabilization held the value: until when, at the earliest.
    pub held_until: Option<SimTime>,
    /// After policies, minimum and maximum.
    pub desired: i32,
    /// Whether the scale was written.
    pub rescaled: bool,
    /// The controller's reason for the rescale, as its event says.
    pub rescale_reason: Arc<str>,
    /// Conditions: type, status and reason.
    pub conditions: Vec<HpaCondition>,
}

/// A condition of an HPA: `AbleToScale=True (ReadyForNewScale)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HpaCondition {
    /// `AbleToScale`, `ScalingActive`, `ScalingLimited`.
    pub kind: Arc<str>,
    /// True or False.
    pub status: bool,
    /// Kubernetes' reason.
    pub reason: Arc<str>,
}

/// One metric of an HPA in one synchronisation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HpaMetricSync {
    /// `cpu resource utilization (percentage of request)` and the like.
    pub label: Arc<str>,
    /// Current value as the status shows it: `83%`, `avg 512m`, `<none>`.
    pub current: Arc<str>,
    /// Target as the spec states it: `70%`.
    pub target: Arc<str>,
    /// Usage over target.
    pub ratio: Option<f64>,
    /// Replicas proposed; `None` when the metric failed.
    pub proposal: Option<i32>,
    /// Why it failed, in the controller's words.
    pub failure: Option<Arc<str>>,
    /// Pods whose metric counted.
    pub counted: u32,
    /// Pods left out, by name, and why: `unready: pending`, `missing: no metric` and the like.
    pub left_out: Vec<(Arc<str>, Arc<str>)>,
}

impl HpaMetricSync {
    /// The metric as people call it: `cpu` for `cpu resource utilization (percentage of request)`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.label.split_once(" resource").map_or(&*self.label, |(name, _)| name)
    }
}

/// A record and its instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamped {
    /// When.
    pub at: SimTime,
    /// What.
    pub record: Record,
}
