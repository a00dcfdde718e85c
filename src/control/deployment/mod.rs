//! The Deployment controller: which ReplicaSets exist and how large each is.
//!
//! kube-controller-manager, deployment_controller.go `syncDeployment` and the files beside it. One
//! synchronisation is [`sync`]: it looks at the spec, the stored status and the ReplicaSets, and
//! answers what to create, write and delete, and what the status becomes. The size of a set that a
//! step changes counts with its old value in the status of the same step, as upstream.

mod live;
mod progress;
mod rolling;
mod scale;
mod status;

use crate::cluster::api::workload::DeploymentStrategy;
use crate::units::{SimDuration, SimTime};

pub use live::Memory;
pub use status::{Available, Conditions, Progress, Progressing, Status};

/// The spec of a Deployment, as far as its controller looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentSeen {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.strategy`.
    pub strategy: DeploymentStrategy,
    /// `spec.progressDeadlineSeconds`; `None` is no deadline.
    pub progress_deadline: Option<SimDuration>,
    /// `spec.revisionHistoryLimit`.
    pub revision_history_limit: i32,
    /// `spec.paused`.
    pub paused: bool,
    /// `metadata.generation`.
    pub generation: i64,
}

/// A ReplicaSet of the Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetSeen {
    /// Which template it has; a Deployment has one set for each.
    pub template: u32,
    /// `metadata.creationTimestamp`.
    pub created: SimTime,
    /// `spec.replicas`.
    pub replicas: i32,
    /// Its annotations.
    pub annotations: Annotations,
    /// `status.replicas`: active pods.
    pub active: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// Whether it has a pod in a phase that is not final, terminating or not.
    pub has_living_pods: bool,
}

/// The annotations by which the controller remembers what it did to a ReplicaSet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Annotations {
    /// `deployment.kubernetes.io/revision`; 0 when absent.
    pub revision: i64,
    /// `deployment.kubernetes.io/desired-replicas`: the Deployment's size when it last scaled it.
    pub desired_replicas: Option<i32>,
    /// `deployment.kubernetes.io/max-replicas`: that plus surge.
    pub max_replicas: Option<i32>,
}

/// What the controller looks at in one synchronisation.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Now.
    pub now: SimTime,
    /// The spec.
    pub deployment: DeploymentSeen,
    /// The template that the spec wants.
    pub wanted: u32,
    /// The stored status.
    pub status: &'a Status,
    /// The ReplicaSets, oldest first.
    pub sets: &'a [SetSeen],
}

/// What one synchronisation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Sync {
    /// The ReplicaSet of the wanted template to make.
    pub create: Option<NewSet>,
    /// Sets to write: their size, their annotations or both.
    pub updates: Vec<SetUpdate>,
    /// Templates of the old sets to delete, which are empty and beyond the history limit.
    pub delete: Vec<u32>,
    /// The new status.
    pub status: Status,
    /// When to look again for the progress deadline although nothing happens.
    pub requeue: Option<SimDuration>,
    /// What kind of step it was.
    pub step: Step,
}

/// What kind of step a synchronisation was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing was left to do or nothing could be done now.
    Nothing,
    /// The Deployment is paused: sizes follow, templates do not.
    Paused,
    /// `spec.replicas` changed: all sets follow in proportion.
    Scaled,
    /// The rollout moved on.
    RolledOut,
}

/// A ReplicaSet to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSet {
    /// Its first size.
    pub replicas: i32,
    /// Its annotations.
    pub annotations: Annotations,
}

/// A ReplicaSet to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetUpdate {
    /// Which, by its template.
    pub template: u32,
    /// Its size from now on.
    pub replicas: i32,
    /// Its annotations from now on.
    pub annotations: Annotations,
}

/// Synchronises a Deployment.
pub fn sync(seen: &Observation<'_>) -> Sync {
    let mut work = Work::new(seen);
    work.note_pause();
    if seen.deployment.paused {
        work.find_new_set();
        scale::scale(&mut work);
        work.clean_up();
        return work.finish(false, Step::Paused);
    }
    work.find_new_set();
    if scale::is_scaling_event(&work) {
        scale::scale(&mut work);
        return work.finish(false, Step::Scaled);
    }
    match seen.deployment.strategy {
        DeploymentStrategy::Recreate => rolling::recreate(&mut work),
        DeploymentStrategy::RollingUpdate { .. } => rolling::roll(&mut work),
    }
    let idle = work.create.is_none() && work.sets.iter().all(|set| set.now == set.before);
    work.finish(true, if idle { Step::Nothing } else { Step::RolledOut })
}

/// A ReplicaSet under a synchronisation: as it was seen and as it is to be.
#[derive(Debug, Clone, Copy)]
struct Set {
    seen: SetSeen,
    before: i32,
    now: i32,
    annotations: Annotations,
    is_new: bool,
    deleted: bool,
}

/// A synchronisation under way.
#[derive(Debug)]
struct Work<'a> {
    seen: &'a Observation<'a>,
    deployment: DeploymentSeen,
    /// All sets, oldest first; the new one, when made in this step, is the last.
    sets: Vec<Set>,
    /// The stored status with the conditions that were noted on the way.
    status: Status,
    create: Option<NewSet>,
}

impl<'a> Work<'a> {
    fn new(seen: &'a Observation<'a>) -> Self {
        let mut sets: Vec<Set> = seen
            .sets
            .iter()
            .map(|&set| Set {
                seen: set,
                before: set.replicas,
                now: set.replicas,
                annotations: set.annotations,
                is_new: set.template == seen.wanted,
                deleted: false,
            })
            .collect();
        sets.sort_by_key(|set| (set.seen.created, set.seen.template));
        let status = seen.status.clone();
        Self { seen, deployment: seen.deployment, sets, status, create: None }
    }

    /// `maxSurge` and `maxUnavailable` in pods (deployment_util.go `ResolveFenceposts`,
    /// `MaxUnavailable`).
    fn surge_and_unavailable(&self) -> (i32, i32) {
        let DeploymentStrategy::RollingUpdate { max_surge, max_unavailable } =
            self.deployment.strategy
        else {
            return (0, 0);
        };
        let replicas = self.deployment.replicas;
        let surge = max_surge.scaled(replicas, true);
        let unavailable = match max_unavailable.scaled(replicas, false) {
            0 if surge == 0 => 1,
            count => count,
        };
        (surge, unavailable.min(replicas))
    }

    fn min_available(&self) -> i32 {
        self.deployment.replicas - self.surge_and_unavailable().1
    }

    fn new_set(&self) -> Option<&Set> {
        self.sets.iter().find(|set| set.is_new)
    }

    /// The pods that all sets are to have together.
    fn total(&self) -> i32 {
        self.sets.iter().map(|set| set.now).sum()
    }

    /// Indexes of the old sets that are not empty, oldest first.
    fn active_old(&self) -> Vec<usize> {
        let active = |&index: &usize| !self.sets[index].is_new && self.sets[index].now > 0;
        (0..self.sets.len()).filter(active).collect()
    }

    /// Gives a set a size and the annotations that go with it (sync.go `scaleReplicaSet`).
    fn resize(&mut self, index: usize, replicas: i32) {
        let desired = self.deployment.replicas;
        let max = desired + self.surge_and_unavailable().0;
        let set = &mut self.sets[index];
        set.now = replicas;
        set.annotations.desired_replicas = Some(desired);
        set.annotations.max_replicas = Some(max);
    }

    /// [`Work::resize`] unless the set has that size already (`scaleReplicaSetAndRecordEvent`).
    fn resize_if_other(&mut self, index: usize, replicas: i32) {
        if self.sets[index].now != replicas {
            self.resize(index, replicas);
        }
    }

    fn next_revision(&self) -> i64 {
        let old = self.sets.iter().filter(|set| !set.is_new);
        old.map(|set| set.annotations.revision).max().unwrap_or_default() + 1
    }

    /// The part of `getNewReplicaSet` that concerns a set that exists: its revision becomes the
    /// largest; else a rollout that nobody watched so far begins to be watched.
    fn find_new_set(&mut self) {
        let revision = self.next_revision();
        let Some(new) = self.sets.iter_mut().find(|set| set.is_new) else {
            return;
        };
        if new.annotations.revision < revision {
            new.annotations.revision = revision;
        } else if self.deployment.progress_deadline.is_some()
            && self.status.conditions.progressing.is_none()
        {
            self.note_progress(Progress::FoundNewReplicaSet);
        }
    }

    /// The part of `getNewReplicaSet` that makes the set.
    fn make_new_set(&mut self) {
        let annotations = Annotations {
            revision: self.next_revision(),
            desired_replicas: Some(self.deployment.replicas),
            max_replicas: Some(self.deployment.replicas + self.surge_and_unavailable().0),
        };
        let replicas = rolling::size_of_new_set(self, 0);
        self.create = Some(NewSet { replicas, annotations });
        let seen = SetSeen {
            template: self.seen.wanted,
            created: self.seen.now.floor_to_second(),
            replicas,
            annotations,
            active: 0,
            ready: 0,
            available: 0,
            has_living_pods: false,
        };
        let (before, now) = (replicas, replicas);
        self.sets.push(Set { seen, before, now, annotations, is_new: true, deleted: false });
        if self.deployment.progress_deadline.is_some() {
            self.note_progress(Progress::NewReplicaSetCreated);
        }
    }

    /// Deletes the oldest empty sets beyond the history limit (sync.go `cleanupDeployment`).
    fn clean_up(&mut self) {
        let limit = self.deployment.revision_history_limit;
        let mut old: Vec<usize> =
            (0..self.sets.len()).filter(|&index| !self.sets[index].is_new).collect();
        let excess = old.len().saturating_sub(usize::try_from(limit).unwrap_or_default());
        old.sort_by_key(|&index| {
            let set = &self.sets[index];
            (set.annotations.revision, set.seen.created, set.seen.template)
        });
        for &index in old.iter().take(excess) {
            let set = &mut self.sets[index];
            // As it was seen: an empty set that a paused Deployment has just scaled up goes, too.
            set.deleted = set.seen.active == 0 && set.before == 0;
        }
    }

    fn finish(mut self, rollout: bool, step: Step) -> Sync {
        let (status, requeue) = self.next_status(rollout);
        let made = self.create.map(|_| self.sets.pop().expect("the new set was just pushed"));
        let mut create = self.create;
        if let (Some(create), Some(made)) = (&mut create, made) {
            create.replicas = made.now;
            create.annotations = made.annotations;
        }
        let changed = |set: &&Set| {
            !set.deleted && (set.now != set.before || set.annotations != set.seen.annotations)
        };
        let updates = self.sets.iter().filter(changed).map(|set| SetUpdate {
            template: set.seen.template,
            replicas: set.now,
            annotations: set.annotations,
        });
        let deleted = self.sets.iter().filter(|set| set.deleted);
        Sync {
            create,
            updates: updates.collect(),
            delete: deleted.map(|set| set.seen.template).collect(),
            status,
            requeue,
            step,
        }
    }
}

#[cfg(test)]
mod tests;
