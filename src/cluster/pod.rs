//! Pods as they live.

use std::sync::Arc;

use crate::cluster::api::pod::PodTemplate;
use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, PodId, ReplicaSetId, WorkloadId};
use crate::units::{Resources, SimTime};

/// A pod object and its status.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// Id; never reused. Ascending in order of creation.
    pub id: PodId,
    /// Name, e.g. `gateway-7`; unique in a run.
    pub name: Arc<str>,
    /// Namespace.
    pub namespace: Arc<str>,
    /// The workload it belongs to.
    pub owner: PodOwner,
    /// What it was made from, with admission applied.
    pub template: Arc<PodTemplate>,
    /// Pods of equal template share this number; filter results and scores hang on it.
    pub template_id: TemplateId,
    /// Effective requests of the template.
    pub requests: Arc<Resources>,
    /// Effective requests as scoring counts them.
    pub scoring_requests: Arc<Resources>,
    /// When the object was made.
    pub created: SimTime,
    /// Where it runs.
    pub node: Option<NodeId>,
    /// When it was bound.
    pub bound: Option<SimTime>,
    /// `status.phase`.
    pub phase: PodPhase,
    /// `status.startTime`: when the kubelet took it.
    pub started: Option<SimTime>,
    /// The Ready condition: status and last transition; `None` before the kubelet wrote one.
    pub ready: Option<ReadyCondition>,
    /// Set once deletion began.
    pub deletion: Option<Deletion>,
    /// kube-scheduler's sentence, while it fits nowhere.
    pub unschedulable: Option<Arc<str>>,
    /// Most restarts of one of its containers.
    pub restarts: u32,
    /// Most restarts of one of its sidecars.
    pub sidecar_restarts: u32,
}

/// The controller of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodOwner {
    /// A ReplicaSet of a workload (of a Deployment, or a bare one).
    ReplicaSet(WorkloadId, ReplicaSetId),
    /// An ordinal of a StatefulSet.
    Ordinal(WorkloadId, i32),
    /// A DaemonSet, for one node.
    Daemon(WorkloadId, NodeId),
    /// A Job: of a Job object or a CronJob, and which of its runs.
    Job(WorkloadId, u32),
}

impl PodOwner {
    /// The workload at the root.
    #[must_use]
    pub fn workload(self) -> WorkloadId {
        match self {
            Self::ReplicaSet(workload, _)
            | Self::Ordinal(workload, _)
            | Self::Daemon(workload, _)
            | Self::Job(workload, _) => workload,
        }
    }

    /// Whether it is a DaemonSet's.
    #[must_use]
    pub fn is_daemon(self) -> bool {
        matches!(self, Self::Daemon(..))
    }
}

/// Number of a distinct pod template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateId(pub u32);

/// `status.phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodPhase {
    /// Not all containers run yet.
    Pending,
    /// They run.
    Running,
    /// They ended well.
    Succeeded,
    /// They ended badly.
    Failed,
}

/// The Ready condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyCondition {
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// Last transition.
    pub since: SimTime,
}

/// Status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows: the kubelet does not answer.
    Unknown,
}

/// An ongoing deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// When it began.
    pub began: SimTime,
    /// When SIGKILL comes at the latest: began plus grace.
    pub deadline: SimTime,
    /// Who and why.
    pub because: PodDeletion,
}

impl Pod {
    /// Whether the Ready condition is True.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.is_some_and(|ready| ready.status == ConditionStatus::True)
    }

    /// Since when it is ready, in whole seconds as the API has it; `None` when it is not.
    #[must_use]
    pub fn ready_since(&self) -> Option<SimTime> {
        let ready = self.ready.filter(|ready| ready.status == ConditionStatus::True);
        ready.map(|ready| ready.since.floor_to_second())
    }

    /// Whether deletion began.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.deletion.is_some()
    }

    /// Whether its containers ended for good.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// Whether it counts as a replica: not terminating and not ended
    /// (controller_utils.go `IsPodActive`).
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.is_terminating() && !matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// The workload at the root of its owners.
    #[must_use]
    pub fn workload(&self) -> WorkloadId {
        self.owner.workload()
    }

    /// Its priority.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.template.spec.priority
    }
}
