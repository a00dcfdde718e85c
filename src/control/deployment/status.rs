//! The status of a Deployment and its conditions.
//!
//! deployment/sync.go `calculateStatus`, `checkPausedConditions`.

use super::{Set, Work};
use crate::units::SimTime;

/// `Deployment.status`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// `observedGeneration`; 0 before the first synchronisation.
    pub observed_generation: i64,
    /// `replicas`: active pods of all sets.
    pub replicas: i32,
    /// `updatedReplicas`: active pods of the new set.
    pub updated: i32,
    /// `readyReplicas`.
    pub ready: i32,
    /// `availableReplicas`.
    pub available: i32,
    /// `unavailableReplicas`.
    pub unavailable: i32,
    /// `conditions`.
    pub conditions: Conditions,
}

/// The conditions of a Deployment; `None` is not written yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// Available.
    pub available: Option<Available>,
    /// Progressing; absent without a progress deadline.
    pub progressing: Option<Progressing>,
}

/// The condition Available, by its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Available {
    /// True: at least `replicas` less `maxUnavailable` are available.
    MinimumReplicasAvailable,
    /// False.
    MinimumReplicasUnavailable,
}

impl Available {
    /// Status and reason.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::MinimumReplicasAvailable => ("True", "MinimumReplicasAvailable"),
            Self::MinimumReplicasUnavailable => ("False", "MinimumReplicasUnavailable"),
        }
    }
}

/// The condition Progressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progressing {
    /// Its reason, which gives its status.
    pub reason: Progress,
    /// `lastUpdateTime`, in whole seconds: when progress was last seen.
    pub updated: SimTime,
}

/// The reasons of the condition Progressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// True: the new set was made.
    NewReplicaSetCreated,
    /// True: the new set was there when someone began to look.
    FoundNewReplicaSet,
    /// True: the rollout moves.
    ReplicaSetUpdated,
    /// True: the rollout is complete.
    NewReplicaSetAvailable,
    /// Unknown: nobody rolls out.
    DeploymentPaused,
    /// Unknown: the rollout goes on.
    DeploymentResumed,
    /// False: no progress for the whole deadline. Nothing is rolled back.
    ProgressDeadlineExceeded,
}

impl Progress {
    /// Status and reason.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NewReplicaSetCreated => ("True", "NewReplicaSetCreated"),
            Self::FoundNewReplicaSet => ("True", "FoundNewReplicaSet"),
            Self::ReplicaSetUpdated => ("True", "ReplicaSetUpdated"),
            Self::NewReplicaSetAvailable => ("True", "NewReplicaSetAvailable"),
            Self::DeploymentPaused => ("Unknown", "DeploymentPaused"),
            Self::DeploymentResumed => ("Unknown", "DeploymentResumed"),
            Self::ProgressDeadlineExceeded => ("False", "ProgressDeadlineExceeded"),
        }
    }
}

impl Work<'_> {
    /// Sets the condition Progressing unless it says so already.
    pub(super) fn note_progress(&mut self, reason: Progress) {
        set_progress(&mut self.status, reason, self.seen.now);
    }

    /// Pausing and resuming are noted, so that a resumed rollout has its whole deadline.
    pub(super) fn note_pause(&mut self) {
        if self.deployment.progress_deadline.is_none() {
            return;
        }
        let reason = self.status.conditions.progressing.map(|it| it.reason);
        let paused = reason == Some(Progress::DeploymentPaused);
        match (self.deployment.paused, paused) {
            _ if reason == Some(Progress::ProgressDeadlineExceeded) => {}
            (true, false) => self.note_progress(Progress::DeploymentPaused),
            (false, true) => self.note_progress(Progress::DeploymentResumed),
            (true, true) | (false, false) => {}
        }
    }

    /// The status by the sets as they were seen; the sizes are those before this step.
    pub(super) fn count(&self) -> Status {
        let sum = |of: fn(&Set) -> i32| self.sets.iter().map(of).sum::<i32>();
        let available = sum(|set| set.seen.available);
        let mut status = Status {
            observed_generation: self.deployment.generation,
            replicas: sum(|set| set.seen.active),
            updated: self.new_set().map_or(0, |set| set.seen.active),
            ready: sum(|set| set.seen.ready),
            available,
            unavailable: (sum(|set| set.before) - available).max(0),
            conditions: self.status.conditions,
        };
        let enough = available >= self.min_available();
        status.conditions.available = Some(if enough {
            Available::MinimumReplicasAvailable
        } else {
            Available::MinimumReplicasUnavailable
        });
        status
    }
}

/// Sets the condition Progressing; a reason that stands keeps its time.
pub(super) fn set_progress(status: &mut Status, reason: Progress, now: SimTime) {
    if status.conditions.progressing.is_none_or(|it| it.reason != reason) {
        let updated = now.floor_to_second();
        status.conditions.progressing = Some(Progressing { reason, updated });
    }
}
