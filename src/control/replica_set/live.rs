//! The ReplicaSet controller on live objects.

use super::{ActivePhase, Need, PodSeen, Ranks, need, order_of_deletion};
use crate::cluster::{Cluster, Pod, PodPhase, ReplicaSet};
use crate::control::decision::{Decision, earlier};
use crate::model::action::PodDeletion;
use crate::model::id::{PodId, WorkloadId};
use crate::model::{Action, Reason};
use crate::units::convert::index;
use crate::units::{SimDuration, SimTime};

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Makes and deletes pods of all ReplicaSets of a Deployment.
pub fn reconcile(now: SimTime, cluster: &Cluster, id: WorkloadId) -> Decision {
    let sets = &cluster.workload(id).replica_sets;
    let sets = || sets.iter().filter_map(|set| cluster.replica_set(*set));
    let related = sets().flat_map(|set| active_pods(cluster, set)).filter_map(|pod| pod.node);
    let mut ranks = None;
    let mut decision = Decision::nothing(Reason::InSync);
    for set in sets() {
        let ranks = || ranks.get_or_insert_with(|| Ranks::of_related(related.clone())).clone();
        decision.merge(reconcile_set(now, cluster, set, ranks));
    }
    decision
}

/// A ReplicaSet without an owner: the object itself follows the workload's size.
pub fn reconcile_bare(now: SimTime, cluster: &Cluster, id: WorkloadId) -> Decision {
    let workload = cluster.workload(id);
    let set = workload.replica_sets.first().and_then(|set| cluster.replica_set(*set));
    let replicas = workload.replicas;
    let write = match set {
        None => Action::CreateReplicaSet { workload: id, replicas },
        Some(set) if set.replicas != replicas => {
            Action::ScaleReplicaSet { replica_set: set.id, replicas }
        }
        // Without an owner no pods are related, not even its own.
        Some(set) => return reconcile_set(now, cluster, set, Ranks::default),
    };
    let look_again = Some(SimDuration::ZERO);
    Decision { actions: vec![write], reason: Reason::InSync, look_again }
}

fn reconcile_set(
    now: SimTime,
    cluster: &Cluster,
    set: &ReplicaSet,
    ranks: impl FnOnce() -> Ranks,
) -> Decision {
    let active = set.counts.active();
    let need = need(active, set.replicas);
    let mut decision = Decision::nothing(need.because());
    match need {
        Need::InSync => {}
        Need::Create(count) => {
            decision.actions.extend((0..count).map(|_| Action::CreateReplica(set.id)));
            if active + index(count.unsigned_abs()) < index(set.replicas.unsigned_abs()) {
                decision.look_again = Some(SimDuration::ZERO);
            }
        }
        Need::Delete(count) => {
            let ranks = ranks();
            let pods: Vec<PodSeen> =
                active_pods(cluster, set).map(|pod| observe(pod, &ranks)).collect();
            let because = reason_of_deletion(cluster, set);
            let victims =
                order_of_deletion(now, &pods).into_iter().take(index(count.unsigned_abs()));
            let delete = |pod: PodSeen| Action::DeletePod { pod: pod.pod, grace: None, because };
            decision.actions.extend(victims.map(delete));
        }
    }
    let min_ready = cluster.workload(set.workload).spec.min_ready;
    // Without minReadySeconds what is ready is available.
    if !min_ready.is_zero() {
        let next = set.counts.until_available(now, min_ready);
        decision.look_again = earlier(decision.look_again, next);
    }
    decision
}

/// An old set of a rollout loses its pods to the rollout, any other to its own size.
fn reason_of_deletion(cluster: &Cluster, set: &ReplicaSet) -> PodDeletion {
    let workload = cluster.workload(set.workload);
    let template = workload.revisions[index(set.revision)].template_id;
    if template == workload.wanted().template_id {
        PodDeletion::ScaleDown
    } else {
        PodDeletion::Rollout
    }
}

fn active_pods<'a>(
    cluster: &'a Cluster,
    set: &'a ReplicaSet,
) -> impl Iterator<Item = &'a Pod> + Clone {
    set.pods.iter().filter_map(|pod| cluster.pod(*pod)).filter(|pod| pod.is_active())
}

fn observe(pod: &Pod, ranks: &Ranks) -> PodSeen {
    let cost = pod.template.annotations.get(DELETION_COST);
    let restarts = i32::try_from(pod.restarts).unwrap_or(i32::MAX);
    let sidecar_restarts = i32::try_from(pod.sidecar_restarts).unwrap_or(i32::MAX);
    PodSeen {
        pod: pod.id,
        uid: uid(pod.id),
        node: pod.node,
        phase: match pod.phase {
            PodPhase::Pending => ActivePhase::Pending,
            PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed => ActivePhase::Running,
        },
        ready_since: pod.ready_since(),
        deletion_cost: cost.and_then(|cost| cost.parse().ok()).unwrap_or_default(),
        rank: ranks.of(pod.node),
        restarts,
        sidecar_restarts,
        created: pod.created.floor_to_second(),
    }
}

/// A uid for a pod: as good as random, and the same in every run (the mixer of SplitMix64).
#[must_use]
pub fn uid(pod: PodId) -> u128 {
    let mut mixed = u64::from(pod.0).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u128::from(mixed ^ (mixed >> 31))
}

/// Whether a pod has been ready for at least `min_ready` (podutil `IsPodAvailable`).
#[must_use]
pub fn is_available(now: SimTime, pod: &Pod, min_ready: SimDuration) -> bool {
    pod.ready_since().is_some_and(|since| since + min_ready <= now)
}

/// How long a ready pod still has to stay ready to be available; `None` when it is or is not ready.
#[must_use]
pub fn until_available(now: SimTime, pod: &Pod, min_ready: SimDuration) -> Option<SimDuration> {
    let rest = (pod.ready_since()? + min_ready).since(now);
    (!rest.is_zero()).then_some(rest)
}
