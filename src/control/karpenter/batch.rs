//! The window in which pods are gathered before a plan is made.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/provisioning/batcher.go, controller.go.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::id::{NodeId, PodId};
use crate::units::{SimDuration, SimTime};

/// So long after a pod or node was seen it is looked at again.
const AGAIN: SimDuration = SimDuration::from_secs(10);

/// What asks for a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trigger {
    /// A pod that waits for capacity.
    Pod(PodId),
    /// A node that is disrupted: its pods will need capacity.
    Node(NodeId),
}

/// Triggers that come again, and the window that is open.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    again: BTreeMap<Trigger, SimTime>,
    window: Option<Window>,
}

#[derive(Debug, Clone)]
struct Window {
    opened: SimTime,
    last: SimTime,
    seen: BTreeSet<Trigger>,
}

impl Batch {
    /// Someone is to be looked at now.
    pub(super) fn look_at(&mut self, trigger: Trigger, now: SimTime) {
        self.again.entry(trigger).and_modify(|at| *at = (*at).min(now)).or_insert(now);
    }

    /// Looks at those that are due: those that still count extend the window, or open one.
    pub(super) fn gather(&mut self, now: SimTime, counts: impl Fn(Trigger) -> bool) {
        let due: Vec<Trigger> =
            self.again.iter().filter(|(_, at)| **at <= now).map(|(it, _)| *it).collect();
        for trigger in due {
            if !counts(trigger) {
                self.again.remove(&trigger);
                continue;
            }
            self.again.insert(trigger, now + AGAIN);
            let window = self.window.get_or_insert_with(|| Window {
                opened: now,
                last: now,
                seen: BTreeSet::new(),
            });
            if window.seen.insert(trigger) {
                window.last = now;
            }
        }
    }

    fn closes(&self, idle: SimDuration, longest: SimDuration) -> Option<SimTime> {
        let window = self.window.as_ref()?;
        Some((window.last + idle).min(window.opened + longest))
    }

    /// Whether the window is over; it is closed then.
    pub(super) fn take(&mut self, now: SimTime, idle: SimDuration, longest: SimDuration) -> bool {
        let over = self.closes(idle, longest).is_some_and(|at| at <= now);
        if over {
            self.window = None;
        }
        over
    }

    /// When something is due next.
    pub(super) fn next(&self, idle: SimDuration, longest: SimDuration) -> Option<SimTime> {
        let again = self.again.values().min().copied();
        again.into_iter().chain(self.closes(idle, longest)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: SimDuration = SimDuration::from_secs(1);
    const LONGEST: SimDuration = SimDuration::from_secs(10);

    /// When the window of pods that come at these times (ms) closes (ms).
    fn closes(arrivals: &[u64]) -> u64 {
        let at = |ms: u64| SimTime::ZERO + SimDuration::from_millis(ms);
        let mut batch = Batch::default();
        for ms in (0..60_000).step_by(100) {
            if batch.take(at(ms), IDLE, LONGEST) {
                return ms;
            }
            for (number, _) in arrivals.iter().enumerate().filter(|(_, when)| **when == ms) {
                batch.look_at(Trigger::Pod(PodId::at(number)), at(ms));
            }
            batch.gather(at(ms), |_| true);
        }
        panic!("the window never closed");
    }

    #[test]
    fn a_window_ends_a_second_after_the_last_pod_and_ten_after_the_first() {
        assert_eq!(closes(&[0]), 1_000);
        assert_eq!(closes(&[0, 900, 1_800]), 2_800);
        assert_eq!(closes(&[0, 1_100]), 1_000, "the second pod comes too late");
        for every in [500, 900] {
            let steady: Vec<u64> = (0..40).map(|n| n * every).collect();
            assert_eq!(closes(&steady), 10_000, "a pod every {every} ms");
        }
    }

    #[test]
    fn what_no_longer_counts_is_forgotten() {
        let mut batch = Batch::default();
        batch.look_at(Trigger::Pod(PodId(1)), SimTime::ZERO);
        batch.gather(SimTime::ZERO, |_| false);
        assert_eq!(batch.next(IDLE, LONGEST), None);
        batch.look_at(Trigger::Pod(PodId(1)), SimTime::ZERO);
        batch.gather(SimTime::ZERO, |_| true);
        assert_eq!(batch.next(IDLE, LONGEST), Some(SimTime::from_secs(1)));
        assert!(batch.take(SimTime::from_secs(1), IDLE, LONGEST));
        assert_eq!(batch.next(IDLE, LONGEST), Some(SimTime::from_secs(10)), "it is seen again");
    }
}
