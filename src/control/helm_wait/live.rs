//! Readiness by helm's rules on live objects, and what their pods lack.

use std::sync::Arc;

use super::{DaemonSetSeen, DeploymentSeen, Readiness, Rule, StatefulSetSeen};
use crate::cluster::api::job::JobTrigger;
use crate::cluster::api::workload::{DeploymentStrategy, WorkloadKind};
use crate::cluster::{Claim, Cluster, JobEnd, Pod, Workload};
use crate::control::daemon_set;
use crate::control::replica_set::is_available;
use crate::control::workload::WorkloadControllers;
use crate::model::id::WorkloadId;
use crate::units::SimTime;
use crate::units::convert::{count_i32, index};

/// Whether a workload is ready. To be asked after its controller looked: before, its status speaks
/// of the old template (`observedGeneration`).
#[must_use]
pub fn look(
    now: SimTime,
    cluster: &Cluster,
    controllers: &WorkloadControllers,
    rule: Rule,
    id: WorkloadId,
) -> Readiness {
    let workload = cluster.workload(id);
    match &workload.spec.kind {
        WorkloadKind::Deployment { strategy, progress_deadline, paused, .. } => {
            let Some(status) = controllers.deployment_status(id) else { return Readiness::Ready };
            super::deployment(
                rule,
                &DeploymentSeen {
                    replicas: workload.replicas,
                    max_unavailable: max_unavailable(*strategy, workload.replicas),
                    paused: *paused,
                    has_deadline: progress_deadline.is_some(),
                    new_ready: count_i32(updated_ready(cluster, workload)),
                    status,
                },
            )
        }
        WorkloadKind::StatefulSet { update, .. } => {
            let pods = || cluster.pods_of(id);
            super::stateful_set(
                rule,
                &StatefulSetSeen {
                    replicas: workload.replicas,
                    update: *update,
                    pods: count_i32(pods().count()),
                    ready: count_i32(pods().filter(|pod| pod.is_ready()).count()),
                    updated: count_i32(updated(cluster, workload).count()),
                    revisions_agree: controllers.current_revision(id)
                        == Some(workload.wanted().template_id),
                },
            )
        }
        WorkloadKind::DaemonSet { rolling_update } => {
            let sync = daemon_set::look(now, cluster, id);
            let active = || cluster.pods_of(id).filter(|pod| pod.is_active());
            let min_ready = workload.spec.min_ready;
            let available = active().filter(|pod| is_available(now, pod, min_ready)).count();
            super::daemon_set(
                rule,
                &DaemonSetSeen {
                    rolls: rolling_update.is_some(),
                    max_unavailable: sync.max_unavailable,
                    desired: sync.desired,
                    current: count_i32(active().count()),
                    updated: count_i32(updated(cluster, workload).count()),
                    available: count_i32(available),
                    ready: count_i32(active().filter(|pod| pod.is_ready()).count()),
                },
            )
        }
        // Pods of a bare ReplicaSet are not replaced; Jobs are waited for with --wait-for-jobs only.
        WorkloadKind::ReplicaSet | WorkloadKind::Job(_) => Readiness::Ready,
    }
}

/// Whether a Job is complete, for `--wait-for-jobs` (ready.go `jobReady`; kstatus
/// `jobConditions`). A CronJob always is.
#[must_use]
pub fn job(cluster: &Cluster, id: WorkloadId) -> Readiness {
    let workload = cluster.workload(id);
    let WorkloadKind::Job(spec) = &workload.spec.kind else { return Readiness::Ready };
    if !matches!(spec.trigger, JobTrigger::Once) || !workload.exists {
        return Readiness::Ready;
    }
    match workload.ended {
        Some(JobEnd { failure: None }) => Readiness::Ready,
        Some(JobEnd { failure: Some(why) }) => Readiness::Failed(format!("Job Failed. {why}")),
        None => Readiness::InProgress("Job in progress".to_owned()),
    }
}

/// Whether a claim is bound (ready.go `volumeReady`; kstatus `pvcConditions`).
#[must_use]
pub fn claim(claim: &Claim) -> Readiness {
    if claim.bound {
        Readiness::Ready
    } else {
        Readiness::InProgress("PVC is not Bound. phase: Pending".to_owned())
    }
}

/// `maxUnavailable` in pods, percentages rounded down (deployment_util.go `MaxUnavailable`).
fn max_unavailable(strategy: DeploymentStrategy, replicas: i32) -> i32 {
    let DeploymentStrategy::RollingUpdate { max_surge, max_unavailable } = strategy else {
        return 0;
    };
    let count = match max_unavailable.scaled(replicas, false) {
        0 if max_surge.scaled(replicas, true) == 0 => 1,
        count => count,
    };
    count.min(replicas)
}

/// How many pods of a Deployment's wanted template are active and ready.
fn updated_ready(cluster: &Cluster, workload: &Workload) -> usize {
    let wanted = workload.wanted().template_id;
    let sets = workload.replica_sets.iter().filter_map(|set| cluster.replica_set(*set));
    let updated = sets.filter(|set| workload.revisions[index(set.revision)].template_id == wanted);
    updated.map(|set| set.counts.ready()).sum()
}

/// The active pods of the wanted template.
fn updated<'a>(cluster: &'a Cluster, workload: &'a Workload) -> impl Iterator<Item = &'a Pod> {
    let wanted = workload.wanted().template_id;
    let pods = cluster.pods_of(workload.id);
    pods.filter(move |pod| pod.is_active() && pod.template_id == wanted)
}

/// The pods of the wanted template that are not ready, and why each is not.
#[must_use]
pub fn unready_pods(cluster: &Cluster, id: WorkloadId) -> Vec<(Arc<str>, Arc<str>)> {
    let why = |pod: &Pod| -> Arc<str> {
        if let Some(message) = &pod.unschedulable {
            return Arc::clone(message);
        }
        Arc::from(match (pod.node, pod.phase) {
            (None, _) => "waits for the scheduler",
            (Some(_), crate::cluster::PodPhase::Pending) => "images are pulled, containers start",
            (Some(_), _) => "runs and is not ready",
        })
    };
    let workload = cluster.workload(id);
    let unready = updated(cluster, workload).filter(|pod| !pod.is_ready());
    unready.map(|pod| (Arc::clone(&pod.name), why(pod))).collect()
}
