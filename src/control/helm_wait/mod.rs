//! What `helm upgrade --wait` waits for: when an object counts as ready, and in which words it is
//! said to be not.
//!
//! Two rules exist. Helm 4 watches statuses (`--wait`, the `watcher` strategy: helm
//! pkg/kube/statuswait.go and kstatus, status/core.go): every pod new, every pod available, no old
//! one left. Helm 3, and Helm 4 with `--wait=legacy`, count ready pods (helm pkg/kube/ready.go):
//! `replicas` less `maxUnavailable` of them are enough.

mod live;

use crate::cluster::api::workload::StatefulSetUpdate;
use crate::control::deployment;

pub use live::{claim, job, look, unready_pods};

/// Which rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Helm 4: statuses are watched.
    Watcher,
    /// Helm 3, and `--wait=legacy` of Helm 4.
    Legacy,
}

/// Whether an object is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It is.
    Ready,
    /// It is not yet, and why, in helm's words.
    InProgress(String),
    /// It will not be, and why: helm waits for it no longer.
    Failed(String),
}

/// A Deployment as helm sees it.
#[derive(Debug, Clone, Copy)]
pub struct DeploymentSeen<'a> {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `maxUnavailable` in pods.
    pub max_unavailable: i32,
    /// `spec.paused`: nobody waits for it.
    pub paused: bool,
    /// `spec.progressDeadlineSeconds` is set.
    pub has_deadline: bool,
    /// `status.readyReplicas` of the ReplicaSet of the wanted template.
    pub new_ready: i32,
    /// `status`.
    pub status: &'a deployment::Status,
}

/// kstatus `deploymentConditions`; ready.go `deploymentReady`.
#[must_use]
pub fn deployment(rule: Rule, seen: &DeploymentSeen<'_>) -> Readiness {
    if seen.paused {
        return Readiness::Ready;
    }
    let DeploymentSeen { replicas, status, .. } = *seen;
    if rule == Rule::Legacy {
        return enough(seen.new_ready, replicas - seen.max_unavailable, "ready");
    }
    let progress = status.conditions.progressing.map(|it| it.reason);
    if progress == Some(deployment::Progress::ProgressDeadlineExceeded) {
        return Readiness::Failed("Progress deadline exceeded".to_owned());
    }
    let says = |text: String| Readiness::InProgress(text);
    if replicas > status.replicas {
        says(format!("Replicas: {}/{replicas}", status.replicas))
    } else if replicas > status.updated {
        says(format!("Updated: {}/{replicas}", status.updated))
    } else if status.replicas > replicas {
        says(format!("Pending termination: {}", status.replicas - replicas))
    } else if status.updated > status.available {
        says(format!("Available: {}/{}", status.available, status.updated))
    } else if replicas > status.ready {
        says(format!("Ready: {}/{replicas}", status.ready))
    } else if seen.has_deadline && progress != Some(deployment::Progress::NewReplicaSetAvailable) {
        says("ReplicaSet not Available".to_owned())
    } else if status.conditions.available != Some(deployment::Available::MinimumReplicasAvailable) {
        says("Deployment not Available".to_owned())
    } else {
        Readiness::Ready
    }
}

/// A StatefulSet as helm sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatefulSetSeen {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.updateStrategy`.
    pub update: StatefulSetUpdate,
    /// `status.replicas`: pods that were made, terminating ones among them.
    pub pods: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.updatedReplicas`.
    pub updated: i32,
    /// `status.currentRevision` is `status.updateRevision`.
    pub revisions_agree: bool,
}

/// kstatus `stsConditions`; ready.go `statefulSetReady`.
#[must_use]
pub fn stateful_set(rule: Rule, seen: &StatefulSetSeen) -> Readiness {
    let StatefulSetUpdate::RollingUpdate { partition } = seen.update else {
        return Readiness::Ready;
    };
    let replicas = seen.replicas;
    let wanted = replicas - partition;
    let says = |text: String| Readiness::InProgress(text);
    match rule {
        Rule::Watcher if replicas > seen.pods => {
            says(format!("Replicas: {}/{replicas}", seen.pods))
        }
        Rule::Watcher if replicas > seen.ready => says(format!("Ready: {}/{replicas}", seen.ready)),
        Rule::Watcher if seen.pods > replicas => {
            says(format!("Pending termination: {}", seen.pods - replicas))
        }
        Rule::Watcher if seen.updated < wanted => {
            says(format!("updated: {}/{wanted}", seen.updated))
        }
        Rule::Watcher => Readiness::Ready,
        Rule::Legacy if seen.updated < wanted => enough(seen.updated, wanted, "scheduled"),
        Rule::Legacy if seen.ready != replicas => says(words(seen.ready, replicas, "ready")),
        Rule::Legacy if partition == 0 && !seen.revisions_agree => {
            says("currentRevision does not yet match updateRevision".to_owned())
        }
        Rule::Legacy => Readiness::Ready,
    }
}

/// A DaemonSet as helm sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaemonSetSeen {
    /// `spec.updateStrategy` is RollingUpdate.
    pub rolls: bool,
    /// `maxUnavailable` in pods.
    pub max_unavailable: i32,
    /// `status.desiredNumberScheduled`.
    pub desired: i32,
    /// `status.currentNumberScheduled`.
    pub current: i32,
    /// `status.updatedNumberScheduled`.
    pub updated: i32,
    /// `status.numberAvailable`.
    pub available: i32,
    /// `status.numberReady`.
    pub ready: i32,
}

/// kstatus `daemonsetConditions`; ready.go `daemonSetReady`.
#[must_use]
pub fn daemon_set(rule: Rule, seen: &DaemonSetSeen) -> Readiness {
    let desired = seen.desired;
    if rule == Rule::Legacy {
        if !seen.rolls {
            return Readiness::Ready;
        }
        if seen.updated != desired {
            return Readiness::InProgress(words(seen.updated, desired, "scheduled"));
        }
        return enough(seen.ready, desired - seen.max_unavailable, "ready");
    }
    let rows = [
        ("Current", seen.current),
        ("Updated", seen.updated),
        ("Available", seen.available),
        ("Ready", seen.ready),
    ];
    match rows.iter().find(|(_, count)| desired > *count) {
        Some((word, count)) => Readiness::InProgress(format!("{word}: {count}/{desired}")),
        None => Readiness::Ready,
    }
}

fn enough(count: i32, expected: i32, what: &str) -> Readiness {
    if count >= expected {
        Readiness::Ready
    } else {
        Readiness::InProgress(words(count, expected, what))
    }
}

fn words(count: i32, expected: i32, what: &str) -> String {
    let verb = if what == "scheduled" { "have been" } else { "are" };
    format!("{count} out of {expected} expected pods {verb} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::deployment::{Available, Conditions, Progress, Progressing, Status};
    use crate::units::SimTime;

    fn status(replicas: i32, updated: i32, ready: i32, available: i32) -> Status {
        let progressing =
            Progressing { reason: Progress::NewReplicaSetAvailable, updated: SimTime::ZERO };
        Status {
            replicas,
            updated,
            ready,
            available,
            conditions: Conditions {
                available: Some(Available::MinimumReplicasAvailable),
                progressing: Some(progressing),
            },
            ..Status::default()
        }
    }

    fn judged(rule: Rule, status: &Status, new_ready: i32) -> String {
        let seen = DeploymentSeen {
            replicas: 10,
            max_unavailable: 2,
            paused: false,
            has_deadline: true,
            new_ready,
            status,
        };
        match deployment(rule, &seen) {
            Readiness::Ready => "ready".to_owned(),
            Readiness::InProgress(why) => why,
            Readiness::Failed(why) => format!("failed: {why}"),
        }
    }

    #[test]
    fn helm_3_is_content_where_helm_4_still_waits() {
        let rows = [
            (status(12, 9, 8, 8), 7, "Updated: 9/10", "7 out of 8 expected pods are ready"),
            (status(12, 10, 9, 9), 8, "Pending termination: 2", "ready"),
            (status(10, 10, 9, 9), 9, "Available: 9/10", "ready"),
            (status(10, 10, 10, 10), 10, "ready", "ready"),
            (status(8, 8, 8, 8), 8, "Replicas: 8/10", "ready"),
        ];
        for (status, new_ready, watcher, legacy) in rows {
            assert_eq!(judged(Rule::Watcher, &status, new_ready), watcher);
            assert_eq!(judged(Rule::Legacy, &status, new_ready), legacy);
        }
    }

    #[test]
    fn a_deadline_that_is_over_fails_for_helm_4_only() {
        let mut late = status(12, 9, 8, 8);
        late.conditions.progressing = Some(Progressing {
            reason: Progress::ProgressDeadlineExceeded,
            updated: SimTime::ZERO,
        });
        assert_eq!(judged(Rule::Watcher, &late, 7), "failed: Progress deadline exceeded");
        assert_eq!(judged(Rule::Legacy, &late, 7), "7 out of 8 expected pods are ready");
    }

    #[test]
    fn stateful_and_daemon_sets_are_judged_by_their_updated_pods() {
        let seen = StatefulSetSeen {
            replicas: 3,
            update: StatefulSetUpdate::RollingUpdate { partition: 1 },
            pods: 3,
            ready: 3,
            updated: 1,
            revisions_agree: false,
        };
        let waits = |text: &str| Readiness::InProgress(text.to_owned());
        assert_eq!(stateful_set(Rule::Watcher, &seen), waits("updated: 1/2"));
        let legacy = waits("1 out of 2 expected pods have been scheduled");
        assert_eq!(stateful_set(Rule::Legacy, &seen), legacy);
        let done = StatefulSetSeen { updated: 2, ..seen };
        assert_eq!(stateful_set(Rule::Watcher, &done), Readiness::Ready);
        assert_eq!(stateful_set(Rule::Legacy, &done), Readiness::Ready);
        let by_hand = StatefulSetSeen { update: StatefulSetUpdate::OnDelete, ..seen };
        assert_eq!(stateful_set(Rule::Watcher, &by_hand), Readiness::Ready);
        let daemons = DaemonSetSeen {
            rolls: true,
            max_unavailable: 1,
            desired: 5,
            current: 5,
            updated: 5,
            available: 4,
            ready: 4,
        };
        assert_eq!(daemon_set(Rule::Watcher, &daemons), waits("Available: 4/5"));
        assert_eq!(daemon_set(Rule::Legacy, &daemons), Readiness::Ready);
    }
}
