//! The StatefulSet controller: pods with ordinals, in order or in parallel, and their update.
//!
//! kube-controller-manager, stateful_set_control.go `updateStatefulSet`, `processReplica`,
//! `processCondemned`; stateful_set_utils.go `newVersionedStatefulSetPod`; with the feature
//! MaxUnavailableStatefulSet off, as it is by default.

mod live;

use std::collections::BTreeMap;

use crate::cluster::api::workload::StatefulSetUpdate;
use crate::cluster::pod::PodPhase;
use crate::model::Reason;
use crate::model::id::PodId;
use crate::units::convert::count_i32;
use crate::units::{SimDuration, SimTime};

pub use live::Memory;

/// What the controller looks at in one synchronisation.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Now.
    pub now: SimTime,
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.ordinals.start`.
    pub start: i32,
    /// `spec.podManagementPolicy: Parallel`.
    pub parallel: bool,
    /// `spec.updateStrategy`.
    pub update: StatefulSetUpdate,
    /// `spec.minReadySeconds`.
    pub min_ready: SimDuration,
    /// The revision that pods below the partition keep: `status.currentRevision`.
    pub current_revision: u32,
    /// The revision of the template that the spec wants.
    pub update_revision: u32,
    /// All pods of the set by ordinal, terminating ones too.
    pub pods: &'a BTreeMap<i32, PodSeen>,
}

/// A pod as the controller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodSeen {
    /// Which.
    pub pod: PodId,
    /// The revision it was made from.
    pub revision: u32,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Last transition of the Ready condition, when it is True.
    pub ready_since: Option<SimTime>,
    /// Whether its deletion began.
    pub terminating: bool,
}

/// What one synchronisation comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Sync {
    /// Ordinals to make and the revision of each, ascending.
    pub create: Vec<(i32, u32)>,
    /// Ordinals to delete and why, in the order in which the controller asks.
    pub delete: Vec<(i32, Deletion)>,
    /// The new status.
    pub status: Status,
    /// The pod that an ordered set waits for before it goes on.
    pub waits_for: Option<i32>,
    /// When a pod that is waited for will have been ready for long enough.
    pub recheck: Option<SimDuration>,
}

/// Why the controller deletes a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It ended; its ordinal is made again once it is gone.
    Ended,
    /// Its ordinal is no longer wanted.
    ScaleDown,
    /// It is of an old revision.
    Update,
}

/// `StatefulSet.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// `replicas`: pods that exist.
    pub replicas: i32,
    /// `readyReplicas`.
    pub ready: i32,
    /// `availableReplicas`.
    pub available: i32,
    /// `currentReplicas`: of the current revision and not terminating.
    pub current: i32,
    /// `updatedReplicas`: of the update revision and not terminating.
    pub updated: i32,
    /// `currentRevision`.
    pub current_revision: u32,
    /// `updateRevision`.
    pub update_revision: u32,
}

impl Sync {
    /// The synchronisation as a because.
    #[must_use]
    pub fn because(&self) -> Reason {
        let missing = count_i32(self.create.len());
        let excess = self.delete.iter().filter(|(_, why)| *why != Deletion::Update).count();
        if missing > 0 {
            Reason::TooFewPods { missing }
        } else if excess > 0 {
            Reason::TooManyPods { excess: count_i32(excess) }
        } else if !self.delete.is_empty() {
            Reason::RollingOut
        } else {
            self.waits_for.map_or(Reason::InSync, |ordinal| Reason::WaitsForOrdinal { ordinal })
        }
    }
}

/// Synchronises a StatefulSet.
pub fn sync(seen: &Observation<'_>) -> Sync {
    let mut sync = Sync { status: count(seen), ..Sync::default() };
    let go_on = process_replicas(seen, &mut sync) && process_condemned(seen, &mut sync);
    if go_on {
        update(seen, &mut sync);
    }
    if let Some(pod) = sync.waits_for.and_then(|ordinal| seen.pods.get(&ordinal)) {
        sync.recheck = pod
            .ready_since
            .map(|since| (since + seen.min_ready).since(seen.now))
            .filter(|rest| !rest.is_zero());
    }
    complete(seen, &mut sync.status);
    sync
}

impl Observation<'_> {
    fn wanted(&self) -> std::ops::Range<i32> {
        self.start..self.start + self.replicas
    }

    fn is_available(&self, pod: &PodSeen) -> bool {
        pod.ready_since
            .is_some_and(|since| self.min_ready.is_zero() || since + self.min_ready <= self.now)
    }

    fn is_running_and_available(&self, pod: &PodSeen) -> bool {
        pod.is_running_and_ready() && self.is_available(pod)
    }

    /// The revision from which an ordinal is made.
    fn revision_of(&self, ordinal: i32) -> u32 {
        match self.update {
            StatefulSetUpdate::RollingUpdate { partition } if ordinal < self.start + partition => {
                self.current_revision
            }
            StatefulSetUpdate::RollingUpdate { .. } | StatefulSetUpdate::OnDelete => {
                self.update_revision
            }
        }
    }

    /// The pod with the lowest ordinal that is not available or terminates, wanted ones first. A
    /// pod that is ready, but not yet for `minReadySeconds`, is one of them.
    fn first_unavailable(&self) -> Option<i32> {
        let unavailable =
            |ordinal: &i32| !self.pods.get(ordinal).is_some_and(|pod| self.serves(pod));
        let beyond = self.pods.keys().copied().filter(|ordinal| !self.wanted().contains(ordinal));
        self.wanted().chain(beyond).find(|ordinal| unavailable(ordinal))
    }

    /// Available, and not about to end.
    fn serves(&self, pod: &PodSeen) -> bool {
        !pod.terminating && self.is_running_and_available(pod)
    }
}

impl PodSeen {
    fn is_running_and_ready(&self) -> bool {
        self.phase == PodPhase::Running && self.ready_since.is_some()
    }
}

fn count(seen: &Observation<'_>) -> Status {
    let count = |of: &dyn Fn(&&PodSeen) -> bool| count_i32(seen.pods.values().filter(of).count());
    let of_revision =
        |revision| count(&move |pod: &&PodSeen| !pod.terminating && pod.revision == revision);
    Status {
        replicas: count(&|_| true),
        ready: count(&|pod| pod.is_running_and_ready()),
        available: count(&|pod| seen.is_running_and_available(pod)),
        current: of_revision(seen.current_revision),
        updated: of_revision(seen.update_revision),
        current_revision: seen.current_revision,
        update_revision: seen.update_revision,
    }
}

/// Ascending: ended pods are deleted, missing ones made. Says whether to go on.
fn process_replicas(seen: &Observation<'_>, sync: &mut Sync) -> bool {
    for ordinal in seen.wanted() {
        let go_on = match seen.pods.get(&ordinal) {
            None => {
                sync.create.push((ordinal, seen.revision_of(ordinal)));
                false
            }
            Some(pod) if matches!(pod.phase, PodPhase::Failed | PodPhase::Succeeded) => {
                if !pod.terminating {
                    sync.delete.push((ordinal, Deletion::Ended));
                }
                sync.waits_for = sync.waits_for.or(Some(ordinal));
                false
            }
            Some(pod) => {
                let goes_on = seen.serves(pod);
                if !goes_on {
                    sync.waits_for = sync.waits_for.or(Some(ordinal));
                }
                goes_on
            }
        };
        if !go_on && !seen.parallel {
            return false;
        }
    }
    true
}

/// Descending: pods that are not wanted are deleted. Says whether to go on.
fn process_condemned(seen: &Observation<'_>, sync: &mut Sync) -> bool {
    let first_unavailable = seen.first_unavailable();
    let condemned = seen.pods.iter().rev().filter(|(ordinal, _)| !seen.wanted().contains(ordinal));
    for (&ordinal, pod) in condemned {
        let may_go = seen.is_running_and_available(pod) || first_unavailable == Some(ordinal);
        if !pod.terminating && (seen.parallel || may_go) {
            sync.delete.push((ordinal, Deletion::ScaleDown));
        } else if !seen.parallel {
            sync.waits_for = first_unavailable.filter(|_| !pod.terminating).or(Some(ordinal));
        }
        if !seen.parallel {
            return false;
        }
    }
    true
}

/// Descending to the partition: the first pod of an old revision is deleted; one that is not
/// available is waited for.
fn update(seen: &Observation<'_>, sync: &mut Sync) {
    let StatefulSetUpdate::RollingUpdate { partition } = seen.update else {
        return;
    };
    let made = |ordinal: i32| sync.create.iter().any(|&(made, _)| made == ordinal);
    for ordinal in (seen.start + partition..seen.start + seen.replicas).rev() {
        let Some(pod) = seen.pods.get(&ordinal) else {
            debug_assert!(made(ordinal), "a missing pod was made above");
            sync.waits_for = Some(ordinal);
            return;
        };
        if pod.revision != seen.update_revision && !pod.terminating {
            // A parallel set may have deleted it above because it ended; it counts all the same.
            if !sync.delete.iter().any(|&(deleted, _)| deleted == ordinal) {
                sync.delete.push((ordinal, Deletion::Update));
            }
            sync.status.current -= 1;
            return;
        }
        if !seen.serves(pod) {
            sync.waits_for = Some(ordinal);
            return;
        }
    }
}

/// Once every pod is of the update revision and ready, that revision is the current one.
fn complete(seen: &Observation<'_>, status: &mut Status) {
    let rolling = matches!(seen.update, StatefulSetUpdate::RollingUpdate { .. });
    if rolling
        && status.updated == status.replicas
        && status.ready == status.replicas
        && status.replicas == seen.replicas
    {
        status.current = status.updated;
        status.current_revision = status.update_revision;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(ready_since: Option<u64>) -> PodSeen {
        PodSeen {
            pod: PodId(0),
            revision: 0,
            phase: PodPhase::Running,
            ready_since: ready_since.map(SimTime::from_secs),
            terminating: false,
        }
    }

    fn sync_at(now: u64, replicas: i32, pods: &[PodSeen]) -> Sync {
        let pods = (0..).zip(pods.iter().copied()).collect();
        sync(&Observation {
            now: SimTime::from_secs(now),
            replicas,
            start: 0,
            parallel: false,
            update: StatefulSetUpdate::RollingUpdate { partition: 0 },
            min_ready: SimDuration::from_secs(10),
            current_revision: 0,
            update_revision: 0,
            pods: &pods,
        })
    }

    #[test]
    fn an_ordered_set_names_the_pod_it_waits_for_and_when_to_look_again() {
        let waiting = sync_at(104, 2, &[pod(Some(100))]);
        assert_eq!(waiting.because(), Reason::WaitsForOrdinal { ordinal: 0 });
        assert_eq!(waiting.recheck, Some(SimDuration::from_secs(6)));
        let unready = sync_at(104, 2, &[pod(None)]);
        assert_eq!((unready.waits_for, unready.recheck), (Some(0), None));
        let next = sync_at(110, 2, &[pod(Some(100))]);
        assert_eq!(next.create, [(1, 0)]);
        assert_eq!(next.because(), Reason::TooFewPods { missing: 1 });
    }

    #[test]
    fn a_scale_down_waits_for_an_unhealthy_pod_below_unless_that_is_the_one_to_go() {
        let below = sync_at(200, 2, &[pod(Some(0)), pod(None), pod(Some(0))]);
        assert_eq!((below.delete.len(), below.waits_for), (0, Some(1)));
        let top = sync_at(200, 2, &[pod(Some(0)), pod(Some(0)), pod(None)]);
        assert_eq!(top.delete, [(2, Deletion::ScaleDown)]);
    }

    #[test]
    fn a_scale_down_takes_ready_for_too_short_as_unready() {
        let (old, young) = (pod(Some(0)), pod(Some(195)));
        let top = sync_at(200, 2, &[old, old, young]);
        assert_eq!(top.delete, [(2, Deletion::ScaleDown)], "nobody else is unavailable");
        let between = sync_at(200, 2, &[old, old, young, pod(None)]);
        assert_eq!((between.delete.len(), between.waits_for), (0, Some(2)));
    }

    #[test]
    fn a_parallel_set_deletes_a_failed_pod_of_an_old_revision_once() {
        let failed = PodSeen { phase: PodPhase::Failed, ..pod(None) };
        let pods = BTreeMap::from([(0, pod(Some(0))), (1, failed)]);
        let sync = sync(&Observation {
            now: SimTime::from_secs(200),
            replicas: 2,
            start: 0,
            parallel: true,
            update: StatefulSetUpdate::RollingUpdate { partition: 0 },
            min_ready: SimDuration::ZERO,
            current_revision: 0,
            update_revision: 1,
            pods: &pods,
        });
        assert_eq!(sync.delete, [(1, Deletion::Ended)]);
        assert_eq!(sync.status.current, 1, "the update counts it as gone");
    }
}
