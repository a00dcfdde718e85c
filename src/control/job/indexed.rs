//! Jobs whose completions have numbers: which indexes get a pod now, and when the Job is over.
//!
//! kube-controller-manager, job/indexed_job_utils.go `firstPendingIndexes`, `isIndexFailed`,
//! job/job_controller.go `getPodCreationInfoForIndependentIndexes`, job/success_policy.go
//! `matchSuccessPolicy`.

use std::collections::{BTreeMap, BTreeSet};

use super::backoff_after;
use crate::cluster::IndexState;
use crate::cluster::api::job::{Indexed, SuccessRule};
use crate::units::convert::{count_i32, index};
use crate::units::{SimDuration, SimTime};

/// The indexes of a Job as the controller sees them.
#[derive(Debug, Clone, Copy)]
pub struct Indexes<'a> {
    /// What the Job says about them.
    pub spec: &'a Indexed,
    /// `spec.completions`.
    pub completions: i32,
    /// What became of them; those without an entry have not ended yet.
    pub states: &'a BTreeMap<i32, IndexState>,
    /// Indexes that have a pod: an active one, or one that terminates and has to be gone first.
    pub taken: &'a BTreeSet<i32>,
}

/// Why a Job is over because of its indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It failed, with the reason of its condition.
    Failed(&'static str),
    /// Its success policy is met.
    Succeeded,
}

impl Indexes<'_> {
    fn count(&self, which: impl Fn(&IndexState) -> bool) -> i32 {
        count_i32(self.states.values().filter(|state| which(state)).count())
    }

    /// Whether failures count for each index by itself.
    #[must_use]
    pub fn are_independent(&self) -> bool {
        self.spec.backoff_limit.is_some()
    }

    /// Whether what became of the indexes ends the Job.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        if self.are_independent() {
            let failed = self.count(|state| state.failed);
            let succeeded = self.count(|state| state.succeeded);
            if self.spec.max_failed.is_some_and(|most| failed > most) {
                return Some(Verdict::Failed("MaxFailedIndexesExceeded"));
            }
            if failed > 0 && failed + succeeded >= self.completions {
                return Some(Verdict::Failed("FailedIndexes"));
            }
        }
        let met = self.spec.success.iter().any(|rule| self.meets(rule));
        met.then_some(Verdict::Succeeded)
    }

    fn meets(&self, rule: &SuccessRule) -> bool {
        let all = [(0, self.completions - 1)];
        let ranges = rule.indexes.as_deref().unwrap_or(&all);
        let asked: i32 = ranges.iter().map(|(first, last)| last - first + 1).sum();
        let inside = |index: i32| ranges.iter().any(|(from, to)| (*from..=*to).contains(&index));
        let met = |(index, state): &(&i32, &IndexState)| state.succeeded && inside(**index);
        let done = self.states.iter().filter(met).count();
        count_i32(done) >= rule.count.unwrap_or(asked)
    }

    /// The lowest indexes that have no pod and have not ended, at most so many; of those that are
    /// independent only the ones whose back-off is over. Beside them when the next one's is.
    #[must_use]
    pub fn to_create(&self, now: SimTime, most: i32) -> (Vec<i32>, Option<SimDuration>) {
        let ended = |index: &i32| {
            self.states.get(index).is_some_and(|state| state.succeeded || state.failed)
        };
        let pending = (0..self.completions).filter(|it| !self.taken.contains(it) && !ended(it));
        let pending = pending.take(index(most.unsigned_abs()));
        let (mut create, mut wait) = (Vec::new(), None::<SimDuration>);
        for index in pending {
            let rest = self.rest(now, index);
            if rest.is_zero() {
                create.push(index);
            } else {
                wait = Some(wait.map_or(rest, |wait| wait.min(rest)));
            }
        }
        (create, wait)
    }

    /// How long the next pod of an index has to wait (backoff_utils.go `getRemainingTimePerIndex`).
    fn rest(&self, now: SimTime, index: i32) -> SimDuration {
        let state = self.states.get(&index).filter(|_| self.are_independent());
        let last = state.and_then(|state| Some((state, state.last_failure?)));
        last.map_or(SimDuration::ZERO, |(state, last)| {
            backoff_after((state.failures + state.ignored).unsigned_abs(), last, now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(failures: i32, at: u64) -> IndexState {
        let last_failure = Some(SimTime::from_secs(at));
        IndexState { failures, last_failure, ..IndexState::default() }
    }

    fn done() -> IndexState {
        IndexState { succeeded: true, ..IndexState::default() }
    }

    fn lost() -> IndexState {
        IndexState { failed: true, ..state(1, 0) }
    }

    fn with<T>(spec: &Indexed, states: &[(i32, IndexState)], see: impl Fn(&Indexes<'_>) -> T) -> T {
        let states = states.iter().copied().collect();
        see(&Indexes { spec, completions: 5, states: &states, taken: &BTreeSet::from([1]) })
    }

    #[test]
    fn the_lowest_indexes_come_first_and_each_waits_for_itself() {
        let independent = Indexed { backoff_limit: Some(3), ..Indexed::default() };
        // 0 failed twice, 8 s ago: it waits 20 s in all. 1 has a pod, 2 is done, 3 is given up.
        let states = [(0, state(2, 92)), (2, done()), (3, lost())];
        let create = |spec: &Indexed, most| {
            with(spec, &states, |indexes| indexes.to_create(SimTime::from_secs(100), most))
        };
        assert_eq!(create(&independent, 5), (vec![4], Some(SimDuration::from_secs(12))));
        assert_eq!(create(&independent, 1), (vec![], Some(SimDuration::from_secs(12))));
        // Without limits of their own the whole Job waits, elsewhere.
        assert_eq!(create(&Indexed::default(), 1), (vec![0], None));
    }

    #[test]
    fn indexes_that_fail_end_the_job_when_all_are_over_or_too_many() {
        let over = |max_failed, states: &[(i32, IndexState)]| {
            let spec = Indexed { backoff_limit: Some(0), max_failed, ..Indexed::default() };
            with(&spec, states, |indexes| indexes.verdict())
        };
        let two = [(0, lost()), (3, lost()), (1, done())];
        assert_eq!(over(None, &two), None);
        assert_eq!(over(Some(2), &two), None);
        let failed = |reason| Some(Verdict::Failed(reason));
        assert_eq!(over(Some(1), &two), failed("MaxFailedIndexesExceeded"));
        assert_eq!(over(Some(0), &two[..1]), failed("MaxFailedIndexesExceeded"));
        let all = [(0, lost()), (1, done()), (2, done()), (3, done()), (4, done())];
        assert_eq!(over(None, &all), failed("FailedIndexes"));
        assert_eq!(over(None, &all[1..]), None, "all that are there succeeded");
    }

    #[test]
    fn a_success_policy_needs_its_indexes_or_so_many_of_them() {
        let met = |indexes: Option<Vec<(i32, i32)>>, count, done_ones: &[i32]| {
            let success = vec![SuccessRule { indexes, count }];
            let spec = Indexed { success, ..Indexed::default() };
            let states: Vec<_> = done_ones.iter().map(|index| (*index, done())).collect();
            with(&spec, &states, |indexes| indexes.verdict()) == Some(Verdict::Succeeded)
        };
        assert!(met(Some(vec![(0, 0), (2, 3)]), None, &[0, 2, 3]));
        assert!(!met(Some(vec![(0, 0), (2, 3)]), None, &[0, 2, 4]));
        assert!(met(Some(vec![(0, 2)]), Some(1), &[2]) && !met(Some(vec![(0, 2)]), Some(1), &[3]));
        assert!(met(None, Some(2), &[1, 4]) && !met(None, Some(2), &[1]));
    }
}
