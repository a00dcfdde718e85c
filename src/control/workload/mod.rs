//! The controllers of live workloads: what each remembers, and which of them look at a workload.

use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Cluster, TemplateId};
use crate::control::decision::Decision;
use crate::control::{daemon_set, deployment, job, replica_set, stateful_set};
use crate::model::Reason;
use crate::model::id::WorkloadId;
use crate::units::SimTime;

/// The controllers of all workloads of a cluster.
#[derive(Debug, Clone, Default)]
pub struct WorkloadControllers {
    memories: Vec<Memory>,
}

#[derive(Debug, Clone)]
enum Memory {
    Deployment(deployment::Memory),
    StatefulSet(stateful_set::Memory),
    Job(job::Memory),
    Forgetful,
}

impl Memory {
    fn of(kind: &WorkloadKind, made: Option<SimTime>) -> Self {
        match kind {
            WorkloadKind::Deployment { .. } => Self::Deployment(deployment::Memory::default()),
            WorkloadKind::StatefulSet { .. } => Self::StatefulSet(stateful_set::Memory::default()),
            WorkloadKind::Job(_) => Self::Job(job::Memory::made(made)),
            WorkloadKind::DaemonSet { .. } | WorkloadKind::ReplicaSet => Self::Forgetful,
        }
    }
}

impl WorkloadControllers {
    /// Controllers that have seen nothing yet.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let kinds = cluster.workloads().iter().map(|workload| &workload.spec.kind);
        Self { memories: kinds.map(|kind| Memory::of(kind, None)).collect() }
    }

    /// A workload was made while the cluster runs: its controllers know nothing of a namesake that
    /// was there before.
    pub fn made(&mut self, now: SimTime, cluster: &Cluster, id: WorkloadId) {
        self.memories[id.index()] = Memory::of(&cluster.workload(id).spec.kind, Some(now));
    }

    /// One look at a workload: its own controller's and, for Deployments, that of its ReplicaSets.
    /// To be called when the workload, one of its pods or, for DaemonSets, a node changed.
    pub fn reconcile(&mut self, now: SimTime, cluster: &Cluster, id: WorkloadId) -> Decision {
        if !cluster.workload(id).exists {
            return Decision::nothing(Reason::InSync);
        }
        match &mut self.memories[id.index()] {
            Memory::Deployment(memory) => {
                let mut decision = replica_set::reconcile(now, cluster, id);
                decision.merge(memory.reconcile(now, cluster, id));
                decision
            }
            Memory::StatefulSet(memory) => memory.reconcile(now, cluster, id),
            Memory::Job(memory) => memory.reconcile(now, cluster, id),
            Memory::Forgetful => match &cluster.workload(id).spec.kind {
                WorkloadKind::DaemonSet { .. } => daemon_set::reconcile(now, cluster, id),
                WorkloadKind::Deployment { .. }
                | WorkloadKind::StatefulSet { .. }
                | WorkloadKind::ReplicaSet
                | WorkloadKind::Job(_) => replica_set::reconcile_bare(now, cluster, id),
            },
        }
    }

    /// The status of a Deployment: conditions and counts; `None` for other kinds.
    #[must_use]
    pub fn deployment_status(&self, id: WorkloadId) -> Option<&deployment::Status> {
        match &self.memories[id.index()] {
            Memory::Deployment(memory) => Some(memory.status()),
            Memory::StatefulSet(_) | Memory::Job(_) | Memory::Forgetful => None,
        }
    }

    /// `status.currentRevision` of a StatefulSet, once its controller has looked.
    #[must_use]
    pub fn current_revision(&self, id: WorkloadId) -> Option<TemplateId> {
        match &self.memories[id.index()] {
            Memory::StatefulSet(memory) => memory.current_revision(),
            Memory::Deployment(_) | Memory::Job(_) | Memory::Forgetful => None,
        }
    }
}

#[cfg(test)]
mod tests;
