//! The steps of a rollout: rolling update and Recreate.
//!
//! deployment/rolling.go `rolloutRolling`, deployment/recreate.go `rolloutRecreate`,
//! deployment_util.go `NewRSNewReplicas`.

use super::Work;
use crate::cluster::api::workload::DeploymentStrategy;

/// The size that the new set comes to in this step when it has `size` now.
pub(super) fn size_of_new_set(work: &Work<'_>, size: i32) -> i32 {
    let replicas = work.deployment.replicas;
    match work.deployment.strategy {
        DeploymentStrategy::Recreate => replicas,
        DeploymentStrategy::RollingUpdate { .. } => {
            let room = replicas + work.surge_and_unavailable().0 - work.total();
            if room <= 0 { size } else { size + room.min(replicas - size) }
        }
    }
}

/// One step of a rolling update: first up, if there is room; else down, if enough are available.
pub(super) fn roll(work: &mut Work<'_>) {
    if work.new_set().is_none() {
        work.make_new_set();
    }
    if scale_up(work) || scale_down(work) {
        return;
    }
    if work.stored_status_is_complete() {
        work.clean_up();
    }
}

fn index_of_new(work: &Work<'_>) -> usize {
    work.sets.iter().position(|set| set.is_new).expect("the new set was found or made")
}

fn scale_up(work: &mut Work<'_>) -> bool {
    let index = index_of_new(work);
    let size = work.sets[index].now;
    let replicas = work.deployment.replicas;
    let wanted = if size > replicas { replicas } else { size_of_new_set(work, size) };
    work.resize_if_other(index, wanted);
    wanted != size
}

fn scale_down(work: &mut Work<'_>) -> bool {
    let old = work.active_old();
    let new = &work.sets[index_of_new(work)];
    let new_unavailable = new.now - new.seen.available;
    let spare = work.total() - work.min_available() - new_unavailable;
    if old.is_empty() || spare <= 0 {
        return false;
    }
    let unhealthy = remove_unhealthy(work, &old, spare);
    let healthy = remove_healthy(work, &old);
    unhealthy + healthy > 0
}

/// Pods of old sets that are not available go first (`cleanupUnhealthyReplicas`).
fn remove_unhealthy(work: &mut Work<'_>, old: &[usize], most: i32) -> i32 {
    let mut removed = 0;
    for &index in old {
        let set = &work.sets[index];
        let count = (most - removed).min(set.now - set.seen.available);
        if count > 0 {
            work.resize(index, set.now - count);
            removed += count;
        }
    }
    removed
}

/// Then as many as the available ones exceed the minimum
/// (`scaleDownOldReplicaSetsForRollingUpdate`).
fn remove_healthy(work: &mut Work<'_>, old: &[usize]) -> i32 {
    let new = index_of_new(work);
    let counted = old.iter().copied().chain([new]);
    let available: i32 = counted.map(|index| work.sets[index].seen.available).sum();
    let most = available - work.min_available();
    let mut removed = 0;
    for &index in old {
        let size = work.sets[index].now;
        let count = (most - removed).min(size);
        if count > 0 {
            work.resize(index, size - count);
            removed += count;
        }
    }
    removed
}

/// One step of Recreate: all old pods go, and only then the new set comes.
pub(super) fn recreate(work: &mut Work<'_>) {
    let old = work.active_old();
    if !old.is_empty() {
        for index in old {
            work.resize(index, 0);
        }
        return;
    }
    let runs = |set: &super::Set| !set.is_new && (set.seen.active > 0 || set.seen.has_living_pods);
    if work.sets.iter().any(runs) {
        return;
    }
    if work.new_set().is_none() {
        work.make_new_set();
    }
    let replicas = work.deployment.replicas;
    work.resize_if_other(index_of_new(work), replicas);
    if work.stored_status_is_complete() {
        work.clean_up();
    }
}
