//! Workloads: Deployment, StatefulSet, DaemonSet and the bare ReplicaSet.

use std::fmt;
use std::sync::Arc;

use crate::cluster::api::job::{JobSpec, JobTrigger};
use crate::cluster::api::meta::{IntOrPercent, ObjectMeta};
use crate::cluster::api::pod::PodTemplate;
use crate::cluster::api::selector::LabelSelector;
use crate::cluster::api::storage::PersistentVolumeClaimSpec;
use crate::units::{Origin, SimDuration};

/// A controller object that makes pods.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadSpec {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// `spec.selector`.
    pub selector: LabelSelector,
    /// `spec.replicas`, default 1; meaningless for a DaemonSet.
    pub replicas: i32,
    /// Where `spec.replicas` stands.
    pub replicas_origin: Origin,
    /// `spec.minReadySeconds`, default 0.
    pub min_ready: SimDuration,
    /// `spec.template`.
    pub template: Arc<PodTemplate>,
    /// What is particular to the kind.
    pub kind: WorkloadKind,
}

/// What is particular to each kind of workload.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one a workload; a box would only be in the way")]
pub enum WorkloadKind {
    /// apps/v1 Deployment.
    Deployment {
        /// `spec.strategy`.
        strategy: DeploymentStrategy,
        /// `spec.progressDeadlineSeconds`, default 600 s; `None` is no deadline.
        progress_deadline: Option<SimDuration>,
        /// `spec.revisionHistoryLimit`, default 10.
        revision_history_limit: i32,
        /// `spec.paused`.
        paused: bool,
    },
    /// apps/v1 StatefulSet.
    StatefulSet {
        /// `spec.podManagementPolicy: Parallel`.
        parallel: bool,
        /// `spec.updateStrategy`.
        update: StatefulSetUpdate,
        /// `spec.ordinals.start`.
        ordinals_start: i32,
        /// `spec.volumeClaimTemplates`.
        claims: Vec<PersistentVolumeClaimSpec>,
    },
    /// apps/v1 DaemonSet.
    DaemonSet {
        /// `spec.updateStrategy`; `None` is `OnDelete`.
        rolling_update: Option<DaemonSetRollingUpdate>,
    },
    /// apps/v1 ReplicaSet without an owner.
    ReplicaSet,
    /// batch/v1 Job, or CronJob that makes Jobs.
    Job(JobSpec),
}

/// `Deployment.spec.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentStrategy {
    /// Old pods go before new ones come.
    Recreate,
    /// New pods come while old ones go.
    RollingUpdate {
        /// Pods above `replicas`, percentages rounded up; default 25 %.
        max_surge: IntOrPercent,
        /// Pods below `replicas`, percentages rounded down; default 25 %.
        max_unavailable: IntOrPercent,
    },
}

/// `StatefulSet.spec.updateStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatefulSetUpdate {
    /// Pods are replaced from the highest ordinal down to the partition.
    RollingUpdate {
        /// Ordinals below keep the old revision.
        partition: i32,
    },
    /// Pods are replaced when someone deletes them.
    OnDelete,
}

/// `DaemonSet.spec.updateStrategy.rollingUpdate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaemonSetRollingUpdate {
    /// Default 0.
    pub max_surge: IntOrPercent,
    /// Default 1.
    pub max_unavailable: IntOrPercent,
}

impl WorkloadSpec {
    /// The Kubernetes kind.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            WorkloadKind::Deployment { .. } => "Deployment",
            WorkloadKind::StatefulSet { .. } => "StatefulSet",
            WorkloadKind::DaemonSet { .. } => "DaemonSet",
            WorkloadKind::ReplicaSet => "ReplicaSet",
            WorkloadKind::Job(JobSpec { trigger: JobTrigger::Schedule(it), .. }) => it.kind,
            WorkloadKind::Job(_) => "Job",
        }
    }
}

impl fmt::Display for WorkloadSpec {
    /// `Deployment/gateway`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind_name(), self.meta.name)
    }
}
