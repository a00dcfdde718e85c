//! Back-off of node groups that failed to grow (utils/backoff/exponential_backoff.go).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::options::Options;
use crate::model::id::PoolId;
use crate::units::{SimDuration, SimTime};

/// Groups that failed, and until when each is left alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Backoff {
    entries: BTreeMap<PoolId, Entry>,
    /// Code and sentence of the last error of each group.
    errors: BTreeMap<PoolId, (Arc<str>, Arc<str>)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    duration: SimDuration,
    until: SimTime,
    last_failure: SimTime,
}

impl Backoff {
    /// Notes a failure: the first time is the initial duration, a later one twice the last, unless
    /// the group still backs off, which prolongs it by the same duration.
    pub fn failed(&mut self, group: PoolId, options: &Options, now: SimTime) {
        let duration = match self.entries.get(&group) {
            None => options.initial_node_group_backoff_duration,
            Some(entry) if entry.until < now => {
                (entry.duration * 2).min(options.max_node_group_backoff_duration)
            }
            Some(entry) => entry.duration,
        };
        let entry = Entry { duration, until: now + duration, last_failure: now };
        self.entries.insert(group, entry);
    }

    /// Notes which error a group backs off for.
    pub(super) fn because(&mut self, group: PoolId, code: &Arc<str>, message: &str) {
        self.errors.insert(group, (Arc::clone(code), Arc::from(message)));
    }

    /// The error a group backs off for, or did.
    pub(super) fn error(&self, group: PoolId) -> Option<(Arc<str>, Arc<str>)> {
        self.errors.get(&group).cloned()
    }

    /// Whether a group backs off, the last instant included.
    #[must_use]
    pub fn is_backed_off(&self, group: PoolId, now: SimTime) -> bool {
        self.until(group).is_some_and(|until| until >= now)
    }

    /// When the present or last back-off of a group ends.
    #[must_use]
    pub fn until(&self, group: PoolId) -> Option<SimTime> {
        self.entries.get(&group).map(|entry| entry.until)
    }

    /// Forgets groups whose last failure is long past.
    pub fn forget_stale(&mut self, options: &Options, now: SimTime) {
        let keep = options.node_group_backoff_reset_timeout;
        self.entries.retain(|_, entry| entry.last_failure + keep >= now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Failures at 0, 2, 8, 20, 41 and 72 minutes: doubled after the end, prolonged within.
    #[test]
    fn durations_double_after_the_end_and_prolong_within() {
        let options = Options::default();
        let minutes = |count: u64| SimTime::from_secs(count * 60);
        let mut backoff = Backoff::default();
        let rows = [(0, 5), (2, 7), (8, 18), (20, 40), (41, 71), (72, 102)];
        for (failure, until) in rows {
            backoff.failed(PoolId(1), &options, minutes(failure));
            assert_eq!(backoff.until(PoolId(1)), Some(minutes(until)), "failure at {failure}");
        }
        assert!(backoff.is_backed_off(PoolId(1), minutes(102)));
        assert!(!backoff.is_backed_off(PoolId(1), minutes(102) + SimDuration::from_nanos(1)));
        backoff.forget_stale(&options, minutes(72 + 180));
        assert!(backoff.until(PoolId(1)).is_some());
        backoff.forget_stale(&options, minutes(72 + 180) + SimDuration::from_secs(1));
        assert_eq!(backoff.until(PoolId(1)), None);
    }
}
