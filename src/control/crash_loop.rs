//! When a container that died is started again.
//!
//! kubelet, kuberuntime_manager.go `doBackOff`; client-go, flowcontrol/backoff.go `Next`,
//! `IsInBackOffSince`. The first restart is immediate; then the wait doubles from 10 s to 300 s, and
//! begins anew when the container lived for more than 600 s after its last start.

use crate::units::{SimDuration, SimTime};

/// First wait.
pub const INITIAL: SimDuration = SimDuration::from_secs(10);
/// Longest wait.
pub const MAXIMUM: SimDuration = SimDuration::from_secs(300);

/// The back-off of one container of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackOff {
    entry: Option<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    wait: SimDuration,
    updated: SimTime,
}

impl BackOff {
    /// The container ended: when it is started again.
    pub fn exited(&mut self, at: SimTime) -> SimTime {
        let known = self.entry.filter(|entry| at.since(entry.updated) <= MAXIMUM * 2);
        let start = known.map_or(at, |entry| at + entry.wait);
        let wait = known.map_or(INITIAL, |entry| (entry.wait * 2).min(MAXIMUM));
        self.entry = Some(Entry { wait, updated: start });
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E38 of the worked cases: a container that runs 5 s and ends, each time.
    #[test]
    fn a_container_that_ends_after_5_s_starts_ever_later() {
        let mut back_off = BackOff::default();
        let mut start = SimTime::ZERO;
        let mut starts = vec![0];
        for _ in 0..8 {
            start = back_off.exited(start + SimDuration::from_secs(5));
            starts.push(start.as_nanos() / 1_000_000_000);
        }
        assert_eq!(starts, [0, 5, 20, 45, 90, 175, 340, 645, 950]);
    }

    #[test]
    fn a_long_life_is_forgiven() {
        let mut back_off = BackOff::default();
        let first = back_off.exited(SimTime::from_secs(100));
        assert_eq!(first, SimTime::from_secs(100));
        let mut late = back_off;
        assert_eq!(back_off.exited(SimTime::from_secs(700)), SimTime::from_secs(710));
        assert_eq!(late.exited(SimTime::from_secs(701)), SimTime::from_secs(701));
    }
}
