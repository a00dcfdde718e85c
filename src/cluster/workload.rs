//! Workloads and ReplicaSets as they live.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::pod::PodTemplate;
use crate::cluster::api::workload::WorkloadSpec;
use crate::cluster::counts::PodCounts;
use crate::cluster::job::{JobEnd, JobRun};
use crate::cluster::pod::TemplateId;
use crate::model::id::{PodId, ReplicaSetId, WorkloadId};
use crate::units::{Resources, SimTime};

/// A Deployment, StatefulSet, DaemonSet, bare ReplicaSet, Job or CronJob and its children.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Id.
    pub id: WorkloadId,
    /// Whether the object is there: one of a later release is not yet, a deleted one is no more.
    pub exists: bool,
    /// What was written last; figures that controllers change live in this struct.
    pub spec: Arc<WorkloadSpec>,
    /// Present `spec.replicas`.
    pub replicas: i32,
    /// Revisions of the template, oldest first; the last one is wanted.
    pub revisions: Vec<Revision>,
    /// Its pods, also terminating ones, in order of creation.
    pub pods: Vec<PodId>,
    /// Its ReplicaSets, oldest first (Deployment and bare ReplicaSet).
    pub replica_sets: Vec<ReplicaSetId>,
    /// Its pods by ordinal (StatefulSet).
    pub ordinals: BTreeMap<i32, PodId>,
    /// Next number for a generated pod name.
    pub next_pod: u32,
    /// Jobs that run (Job and CronJob).
    pub runs: Vec<JobRun>,
    /// Number of the next Job.
    pub next_run: u32,
    /// How its last Job ended, once one has.
    pub ended: Option<JobEnd>,
    /// The Job that ended so, as it was then.
    pub last_run: Option<JobRun>,
}

/// One version of a workload's template.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// The template, with admission applied.
    pub template: Arc<PodTemplate>,
    /// Its number among all distinct templates of the run.
    pub template_id: TemplateId,
    /// Effective requests.
    pub requests: Arc<Resources>,
    /// Effective requests as scoring counts them.
    pub scoring_requests: Arc<Resources>,
}

/// A ReplicaSet.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaSet {
    /// Id; never reused.
    pub id: ReplicaSetId,
    /// The owner; a bare ReplicaSet is its own workload.
    pub workload: WorkloadId,
    /// Which revision of the owner's template.
    pub revision: u32,
    /// `spec.replicas`.
    pub replicas: i32,
    /// When it was made.
    pub created: SimTime,
    /// Its pods, also terminating ones, in order of creation.
    pub pods: Vec<PodId>,
    /// How many of them are in which state.
    pub counts: PodCounts,
}

impl Workload {
    /// The revision that is wanted.
    #[must_use]
    pub fn wanted(&self) -> &Revision {
        self.revisions.last().expect("a workload is made with one revision")
    }

    /// The index of the wanted revision.
    #[must_use]
    pub fn wanted_revision(&self) -> u32 {
        crate::units::convert::count_u32(self.revisions.len() - 1)
    }
}
