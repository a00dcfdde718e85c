//! The Deployment controller on live objects.

use std::collections::BTreeMap;

use super::{
    Annotations, DeploymentSeen, Observation, Progress, SetSeen, Status, Step, Sync, sync,
};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Cluster, ReplicaSet, TemplateId, Workload};
use crate::control::decision::Decision;
use crate::model::id::WorkloadId;
use crate::model::{Action, Reason};
use crate::units::convert::{count_i32, index};
use crate::units::{SimDuration, SimTime};

/// What the controller writes to a Deployment and its ReplicaSets and reads again.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    status: Status,
    annotations: BTreeMap<TemplateId, Annotations>,
    generation: i64,
    /// Size and template when `generation` last rose.
    seen: Option<(i32, TemplateId)>,
}

impl Memory {
    /// `status` of the Deployment.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// One synchronisation.
    pub fn reconcile(&mut self, now: SimTime, cluster: &Cluster, id: WorkloadId) -> Decision {
        let workload = cluster.workload(id);
        let wanted = workload.wanted().template_id;
        if self.seen != Some((workload.replicas, wanted)) {
            self.seen = Some((workload.replicas, wanted));
            self.generation += 1;
        }
        let sets: Vec<&ReplicaSet> =
            workload.replica_sets.iter().filter_map(|set| cluster.replica_set(*set)).collect();
        let seen: Vec<SetSeen> = sets.iter().map(|set| self.observe(now, workload, set)).collect();
        let sync = sync(&Observation {
            now,
            deployment: self.spec(workload),
            wanted: wanted.0,
            status: &self.status,
            sets: &seen,
        });
        let changed = sync.create.is_some() || sync.status != self.status;
        let actions = self.write(id, wanted, &sync, &sets, workload);
        let again = changed || !actions.is_empty();
        let reason = match sync.step {
            Step::Nothing | Step::Paused => Reason::InSync,
            Step::Scaled if actions.is_empty() => Reason::InSync,
            Step::Scaled | Step::RolledOut => Reason::RollingOut,
        };
        // A finished rollout whose pods went missing later is asked about at once, again and again, at
        // the rate limit of the work queue. It cannot time out, and what changes wakes the controller:
        // such looks decide nothing.
        let progressing = sync.status.conditions.progressing;
        let finished = progressing.is_some_and(|it| it.reason == Progress::NewReplicaSetAvailable);
        let requeue = sync.requeue.filter(|after| !(finished && after.is_zero()));
        let look_again = if again { Some(SimDuration::ZERO) } else { requeue };
        Decision { actions, reason, look_again }
    }

    fn spec(&self, workload: &Workload) -> DeploymentSeen {
        let WorkloadKind::Deployment {
            strategy,
            progress_deadline,
            revision_history_limit,
            paused,
        } = workload.spec.kind
        else {
            unreachable!("only Deployments come here");
        };
        DeploymentSeen {
            replicas: workload.replicas,
            strategy,
            progress_deadline,
            revision_history_limit,
            paused,
            generation: self.generation,
        }
    }

    fn observe(&self, now: SimTime, workload: &Workload, set: &ReplicaSet) -> SetSeen {
        let template = template_of(workload, set);
        let counts = &set.counts;
        SetSeen {
            template: template.0,
            created: set.created.floor_to_second(),
            replicas: set.replicas,
            annotations: self.annotations.get(&template).copied().unwrap_or_default(),
            active: count_i32(counts.active()),
            // Pods beyond the set's size are as good as deleted: they must not be counted on.
            ready: count_i32(counts.ready()).min(set.replicas),
            available: count_i32(counts.available(now, workload.spec.min_ready)).min(set.replicas),
            has_living_pods: counts.living() > 0,
        }
    }

    /// Keeps status and annotations, and says what is to be done to the ReplicaSets.
    fn write(
        &mut self,
        id: WorkloadId,
        wanted: TemplateId,
        sync: &Sync,
        sets: &[&ReplicaSet],
        workload: &Workload,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        self.status = sync.status.clone();
        let set_of = |template: u32| {
            sets.iter().find(|set| template_of(workload, set).0 == template).copied()
        };
        for update in &sync.updates {
            self.annotations.insert(TemplateId(update.template), update.annotations);
            if let Some(set) = set_of(update.template).filter(|set| set.replicas != update.replicas)
            {
                let replicas = update.replicas;
                actions.push(Action::ScaleReplicaSet { replica_set: set.id, replicas });
            }
        }
        if let Some(new) = sync.create {
            self.annotations.insert(wanted, new.annotations);
            actions.push(Action::CreateReplicaSet { workload: id, replicas: new.replicas });
        }
        // A set whose last pods still terminate is deleted later.
        let empty = sync.delete.iter().filter_map(|template| set_of(*template));
        for set in empty.filter(|set| set.pods.is_empty()) {
            self.annotations.remove(&template_of(workload, set));
            actions.push(Action::DeleteReplicaSet(set.id));
        }
        actions
    }
}

fn template_of(workload: &Workload, set: &ReplicaSet) -> TemplateId {
    workload.revisions[index(set.revision)].template_id
}
