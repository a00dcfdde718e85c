//! Whether a rollout is complete, moves on, or took longer than its deadline.
//!
//! deployment/progress.go `syncRolloutStatus`, `requeueStuckDeployment`; deployment_util.go
//! `DeploymentComplete`, `DeploymentProgressing`, `DeploymentTimedOut`.

use super::status::set_progress;
use super::{DeploymentSeen, Progress, Progressing, Status, Work};
use crate::units::SimDuration;

/// Added to a re-check, so that it does not come a moment too early.
const RECHECK_SLACK: SimDuration = SimDuration::from_secs(1);

impl Work<'_> {
    /// Whether the status as stored, of the last synchronisation, shows a finished rollout.
    pub(super) fn stored_status_is_complete(&self) -> bool {
        is_complete(&self.deployment, &self.status)
    }

    /// The status after this step, and when to look again. Only a rollout looks at progress.
    pub(super) fn next_status(&self, rollout: bool) -> (Status, Option<SimDuration>) {
        let mut status = self.count();
        if !rollout {
            return (status, None);
        }
        let Some(deadline) = self.deployment.progress_deadline else {
            status.conditions.progressing = None;
            return (status, None);
        };
        let current = self.status.conditions.progressing;
        let was_complete = status.replicas == status.updated
            && current.is_some_and(|it| it.reason == Progress::NewReplicaSetAvailable);
        let now = self.seen.now;
        if was_complete {
        } else if is_complete(&self.deployment, &status) {
            set_progress(&mut status, Progress::NewReplicaSetAvailable, now);
        } else if moved(&self.status, &status) {
            // Also when the reason stands: this is when the deadline starts anew.
            let updated = now.floor_to_second();
            status.conditions.progressing =
                Some(Progressing { reason: Progress::ReplicaSetUpdated, updated });
        } else if self.is_timed_out(current, deadline) {
            set_progress(&mut status, Progress::ProgressDeadlineExceeded, now);
        }
        // What was noted on the way is stored already and no change of this step.
        let requeue = (status == self.status).then(|| self.recheck(&status, deadline));
        (status, requeue.flatten())
    }

    fn is_timed_out(&self, condition: Option<Progressing>, deadline: SimDuration) -> bool {
        condition.is_some_and(|it| match it.reason {
            Progress::NewReplicaSetAvailable => false,
            Progress::ProgressDeadlineExceeded => true,
            Progress::NewReplicaSetCreated
            | Progress::FoundNewReplicaSet
            | Progress::ReplicaSetUpdated
            | Progress::DeploymentPaused
            | Progress::DeploymentResumed => it.updated + deadline < self.seen.now,
        })
    }

    /// When nothing changed: when the deadline will have passed.
    fn recheck(&self, status: &Status, deadline: SimDuration) -> Option<SimDuration> {
        let condition = status.conditions.progressing?;
        if is_complete(&self.deployment, status)
            || condition.reason == Progress::ProgressDeadlineExceeded
        {
            return None;
        }
        let after = (condition.updated + deadline).since(self.seen.now);
        Some(if after < SimDuration::from_secs(1) { after } else { after + RECHECK_SLACK })
    }
}

fn is_complete(deployment: &DeploymentSeen, status: &Status) -> bool {
    let replicas = deployment.replicas;
    status.updated == replicas
        && status.replicas == replicas
        && status.available == replicas
        && status.observed_generation >= deployment.generation
}

fn moved(before: &Status, after: &Status) -> bool {
    after.updated > before.updated
        || after.replicas - after.updated < before.replicas - before.updated
        || after.ready > before.ready
        || after.available > before.available
}
