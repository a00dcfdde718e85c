//! A change of `spec.replicas`, in the middle of a rollout or not: sizes follow in proportion.
//!
//! deployment/sync.go `isScalingEvent`, `scale`; deployment_util.go `FindActiveOrLatest`,
//! `IsSaturated`, `GetReplicaSetProportion`, `getReplicaSetFraction`.

use std::cmp::Reverse;

use super::{Set, Work};
use crate::cluster::api::workload::DeploymentStrategy;
use crate::units::convert::trunc_i32;

/// Whether an active set was last scaled for another size of the Deployment.
pub(super) fn is_scaling_event(work: &Work<'_>) -> bool {
    let other = |desired: i32| desired != work.deployment.replicas;
    work.sets.iter().any(|set| set.now > 0 && set.annotations.desired_replicas.is_some_and(other))
}

/// Brings the sets to the Deployment's size.
pub(super) fn scale(work: &mut Work<'_>) {
    let replicas = work.deployment.replicas;
    let active: Vec<usize> =
        (0..work.sets.len()).filter(|&index| work.sets[index].now > 0).collect();
    match active[..] {
        [] => {
            // The new set, else the youngest old one, which is the last.
            let new = work.sets.iter().position(|set| set.is_new);
            if let Some(index) = new.or_else(|| work.sets.len().checked_sub(1)) {
                work.resize_if_other(index, replicas);
            }
        }
        [only] => work.resize_if_other(only, replicas),
        [_, _, ..] if work.new_set().is_some_and(|set| is_saturated(set, replicas)) => {
            for index in work.active_old() {
                work.resize(index, 0);
            }
        }
        [_, _, ..] => match work.deployment.strategy {
            DeploymentStrategy::RollingUpdate { .. } => scale_in_proportion(work, active),
            DeploymentStrategy::Recreate => {}
        },
    }
}

fn is_saturated(set: &Set, replicas: i32) -> bool {
    set.now == replicas
        && set.annotations.desired_replicas == Some(replicas)
        && set.seen.available == replicas
}

fn scale_in_proportion(work: &mut Work<'_>, mut active: Vec<usize>) {
    let replicas = work.deployment.replicas;
    let allowed = if replicas > 0 { replicas + work.surge_and_unavailable().0 } else { 0 };
    let to_add = allowed - work.total();
    // Largest first; of equals the younger when growing and the older when shrinking.
    if to_add > 0 {
        active.sort_by_key(|&index| (Reverse(work.sets[index].now), Reverse(index)));
    } else if to_add < 0 {
        active.sort_by_key(|&index| (Reverse(work.sets[index].now), index));
    }
    let mut added = 0;
    let mut sizes = Vec::with_capacity(active.len());
    for &index in &active {
        let share = proportion(work, &work.sets[index], to_add, added);
        added += share;
        sizes.push(work.sets[index].now + share);
    }
    if let Some(largest) = sizes.first_mut()
        && to_add != 0
    {
        *largest = (*largest + to_add - added).max(0);
    }
    for (index, size) in active.into_iter().zip(sizes) {
        work.resize(index, size);
    }
}

/// What a set gets of `to_add` pods of which `added` are given out.
fn proportion(work: &Work<'_>, set: &Set, to_add: i32, added: i32) -> i32 {
    let left = to_add - added;
    if to_add == 0 || left == 0 {
        return 0;
    }
    let fraction = fraction(work, set);
    if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
}

/// How much a set grows or shrinks to keep its part of the largest size of the Deployment.
fn fraction(work: &Work<'_>, set: &Set) -> i32 {
    let replicas = work.deployment.replicas;
    if replicas == 0 {
        return -set.now;
    }
    let largest = f64::from(replicas + work.surge_and_unavailable().0);
    let largest_before = match set.annotations.max_replicas {
        Some(max) if max != 0 => max,
        _ => work.status.replicas,
    };
    if largest_before == 0 {
        return 0;
    }
    let size = f64::from(set.now) * largest / f64::from(largest_before);
    trunc_i32(size + 0.5) - set.now
}
