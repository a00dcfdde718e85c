//! The ReplicaSet controller: how many pods are missing or too many, and which go first.
//!
//! kube-controller-manager, replica_set.go `manageReplicas`, `getPodsToDelete`,
//! `getPodsRankedByRelatedPodsOnSameNode`; controller_utils.go `ActivePodsWithRanks`,
//! `slowStartBatch`.

mod live;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::model::Reason;
use crate::model::id::{NodeId, PodId};
use crate::units::SimTime;

use crate::units::convert::{count_i32, f64_from_u64, trunc_i64};
pub use live::{is_available, reconcile, reconcile_bare, uid, until_available};

/// Pods made or deleted in one synchronisation at most (replica_set.go `BurstReplicas`).
pub const BURST_REPLICAS: i32 = 500;

/// An active pod of the set, by what decides who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodSeen {
    /// Which.
    pub pod: PodId,
    /// `metadata.uid` as a number: its digits in order.
    pub uid: u128,
    /// Where it is bound.
    pub node: Option<NodeId>,
    /// `status.phase`.
    pub phase: ActivePhase,
    /// Last transition of the Ready condition, when it is True.
    pub ready_since: Option<SimTime>,
    /// Annotation `controller.kubernetes.io/pod-deletion-cost`; 0 when absent or invalid.
    pub deletion_cost: i32,
    /// Active pods of the same owner on the same node, itself included; see [`Ranks`].
    pub rank: i32,
    /// Most restarts of one of its containers.
    pub restarts: i32,
    /// Most restarts of one of its sidecars.
    pub sidecar_restarts: i32,
    /// `metadata.creationTimestamp`.
    pub created: SimTime,
}

/// Phases of an active pod in the order in which they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActivePhase {
    /// Not all containers run yet.
    Pending,
    /// Its node does not answer (no longer written by Kubernetes).
    Unknown,
    /// They run.
    Running,
}

/// How many active pods of all ReplicaSets of one owner stand on each node.
///
/// A ReplicaSet without an owner has no related pods, not even its own: an empty value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranks(BTreeMap<NodeId, i32>);

impl Ranks {
    /// Counts the nodes of the active and bound pods of the owner's ReplicaSets.
    #[must_use]
    pub fn of_related(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let mut ranks = BTreeMap::new();
        for node in nodes {
            *ranks.entry(node).or_insert(0) += 1;
        }
        Self(ranks)
    }

    /// The rank of a pod on a node. Unbound pods have one rank among themselves, which can decide
    /// nothing; here it is 0.
    #[must_use]
    pub fn of(&self, node: Option<NodeId>) -> i32 {
        node.and_then(|node| self.0.get(&node)).copied().unwrap_or_default()
    }
}

/// What one synchronisation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Need {
    /// Nothing.
    InSync,
    /// To make so many pods, in slow-start batches.
    Create(i32),
    /// To delete so many, see [`order_of_deletion`].
    Delete(i32),
}

/// How many pods a set of `active` pods makes or deletes now to come to `replicas`.
pub fn need(active: usize, replicas: i32) -> Need {
    let excess = count_i32(active) - replicas;
    match excess.cmp(&0) {
        Ordering::Less => Need::Create((-excess).min(BURST_REPLICAS)),
        Ordering::Equal => Need::InSync,
        Ordering::Greater => Need::Delete(excess.min(BURST_REPLICAS)),
    }
}

impl Need {
    /// The need as a because.
    #[must_use]
    pub fn because(self) -> Reason {
        match self {
            Self::InSync => Reason::InSync,
            Self::Create(missing) => Reason::TooFewPods { missing },
            Self::Delete(excess) => Reason::TooManyPods { excess },
        }
    }
}

/// Calls `create` up to `count` times in batches of 1, 2, 4 and so on; a batch in which a call
/// fails is finished and is the last. Returns how many calls succeeded, and the first error.
///
/// # Errors
///
/// The first error of the failing batch, with the number of successes before and in it.
pub fn slow_start<E>(
    count: i32,
    mut create: impl FnMut() -> Result<(), E>,
) -> Result<i32, (i32, E)> {
    let mut successes = 0;
    let mut remaining = count.max(0);
    let mut batch = remaining.min(1);
    while batch > 0 {
        let mut failure = None;
        for _ in 0..batch {
            match create() {
                Ok(()) => successes += 1,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if let Some(error) = failure {
            return Err((successes, error));
        }
        remaining -= batch;
        batch = (batch * 2).min(remaining);
    }
    Ok(successes)
}

/// The order in which the pods of a set are deleted: earlier goes first.
///
/// The criteria are not transitive: pods that became ready in the same second are compared by
/// restarts and age, others of the same logarithmic age by uid. Where they run in a circle the real
/// order depends on chance; this one is one of the possible orders, and always the same. Merging
/// copes with such circles where the sort of the standard library may refuse them.
#[must_use]
pub fn order_of_deletion(now: SimTime, pods: &[PodSeen]) -> Vec<PodSeen> {
    let mut sorted = pods.to_vec();
    let mut width = 1;
    while width < sorted.len() {
        let mut merged = Vec::with_capacity(sorted.len());
        for pair in sorted.chunks(width * 2) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(now, left, right, &mut merged);
        }
        sorted = merged;
        width *= 2;
    }
    sorted
}

fn merge(now: SimTime, left: &[PodSeen], right: &[PodSeen], merged: &mut Vec<PodSeen>) {
    let (mut left, mut right) = (left, right);
    while let ([first, rest_left @ ..], [second, rest_right @ ..]) = (left, right) {
        if compare(now, second, first) == Ordering::Less {
            merged.push(*second);
            right = rest_right;
        } else {
            merged.push(*first);
            left = rest_left;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
}

/// Which of two pods is deleted first (`Less`: the left one); `Equal` when nothing tells them
/// apart. Not transitive, see [`order_of_deletion`].
#[must_use]
pub fn compare(now: SimTime, left: &PodSeen, right: &PodSeen) -> Ordering {
    left.node
        .is_some()
        .cmp(&right.node.is_some())
        .then_with(|| left.phase.cmp(&right.phase))
        .then_with(|| left.ready_since.is_some().cmp(&right.ready_since.is_some()))
        .then_with(|| left.deletion_cost.cmp(&right.deletion_cost))
        .then_with(|| right.rank.cmp(&left.rank))
        .then_with(|| match (left.ready_since, right.ready_since) {
            (Some(one), Some(other)) => {
                by_logarithmic_age(now, (one, left.uid), (other, right.uid))
            }
            _ => Ordering::Equal,
        })
        .then_with(|| right.restarts.cmp(&left.restarts))
        .then_with(|| right.sidecar_restarts.cmp(&left.sidecar_restarts))
        .then_with(|| by_logarithmic_age(now, (left.created, left.uid), (right.created, right.uid)))
}

/// The younger by powers of two goes first; within one power the smaller uid; equal instants tell
/// nothing (controller_utils.go `logarithmicRankDiff`).
fn by_logarithmic_age(now: SimTime, left: (SimTime, u128), right: (SimTime, u128)) -> Ordering {
    if left.0 == right.0 {
        return Ordering::Equal;
    }
    let power = |since: SimTime| match now.since(since).as_nanos() {
        0 => -1,
        age => trunc_i64(libm::log2(f64_from_u64(age))),
    };
    power(left.0).cmp(&power(right.0)).then_with(|| left.1.cmp(&right.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SimTime = SimTime::from_secs(100_000);

    fn pod(id: u32, node: u32, ready_for: u64) -> PodSeen {
        let since = SimTime::from_secs(100_000 - ready_for);
        PodSeen {
            pod: PodId(id),
            uid: u128::from(id),
            node: Some(NodeId(node)),
            phase: ActivePhase::Running,
            ready_since: Some(since),
            deletion_cost: 0,
            rank: 1,
            restarts: 0,
            sidecar_restarts: 0,
            created: since,
        }
    }

    fn order(pods: &[PodSeen]) -> Vec<u32> {
        order_of_deletion(NOW, pods).iter().map(|pod| pod.pod.0).collect()
    }

    /// E32 of the worked cases.
    #[test]
    fn two_on_a_node_go_before_the_youngest_because_ranks_are_counted_once() {
        let pods = [pod(1, 0, 900), pod(2, 0, 800), pod(3, 1, 700), pod(4, 2, 10)];
        let ranks = Ranks::of_related(pods.iter().filter_map(|pod| pod.node));
        let ranked = pods.map(|pod| PodSeen { rank: ranks.of(pod.node), ..pod });
        let mut victims = order(&ranked)[..2].to_vec();
        victims.sort_unstable();
        assert_eq!(victims, [1, 2]);
    }

    /// E33.
    #[test]
    fn ages_count_in_powers_of_two_nanoseconds() {
        assert_eq!(order(&[pod(2, 0, 10), pod(1, 1, 15)]), [1, 2], "one power: smaller uid");
        assert_eq!(order(&[pod(2, 0, 10), pod(1, 1, 20)]), [2, 1], "younger power first");
    }

    /// E34.
    #[test]
    fn slow_start_stops_after_the_batch_that_fails() {
        let (mut calls, mut quota) = (0, 4);
        let result = slow_start(10, || {
            calls += 1;
            quota -= 1;
            if quota < 0 { Err("exceeded quota") } else { Ok(()) }
        });
        assert_eq!(result, Err((4, "exceeded quota")));
        assert_eq!(calls, 7, "batches of 1, 2 and 4; three pods are never tried");
    }

    #[test]
    fn a_burst_is_limited_both_ways() {
        assert_eq!(need(0, 1200), Need::Create(500));
        assert_eq!(need(1200, 0), Need::Delete(500));
        assert_eq!(need(3, 3), Need::InSync);
    }
}
