//! The scheduling queue: who is next, who waits for how long, who waits for an event.
//!
//! A pure state machine (backend/queue/scheduling_queue.go, backoff_queue.go): it is told the time
//! and never looks at a clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::control::scheduler::hints::ClusterEvent;
use crate::control::scheduler::rejection::PluginSet;
use crate::control::scheduler::snapshot::ShapeId;
use crate::model::id::PodId;
use crate::units::{SimDuration, SimTime};

/// First backoff, and the longest.
const INITIAL_BACKOFF_SECONDS: u64 = 1;
const MAX_BACKOFF_SECONDS: u64 = 10;
/// Pods that no event woke for so long are tried again, at the next scan.
const FLUSH_AGE: SimDuration = SimDuration::from_secs(300);
const FLUSH_PERIOD_SECONDS: u64 = 30;

/// Order of the active queue: priority, then who has been waiting longer, then who came first
/// (queuesort/priority_sort.go `Less`; equal times are left open there).
type ActiveKey = (Reverse<i32>, SimTime, u64, PodId);
/// Order of the backoff queue: when backoff ends, then as in the active queue.
type BackoffKey = (SimTime, ActiveKey);
/// Pods turned down alike: of one shape, by the same plugins.
type Rejected = (ShapeId, PluginSet);

/// The queue.
#[derive(Debug, Clone, Default)]
pub struct SchedulingQueue {
    pods: BTreeMap<PodId, Queued>,
    active: BTreeSet<ActiveKey>,
    backoff: BTreeSet<BackoffKey>,
    error_backoff: BTreeSet<BackoffKey>,
    unschedulable: BTreeMap<Rejected, BTreeSet<PodId>>,
    in_flight: BTreeMap<PodId, Vec<ClusterEvent>>,
    arrivals: u64,
}

#[derive(Debug, Clone)]
struct Queued {
    shape: ShapeId,
    priority: i32,
    arrival: u64,
    /// When it came back last, or came first.
    timestamp: SimTime,
    rejections: u32,
    errors: u32,
    failed_by_error: bool,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Gated,
    Active,
    Backoff(SimTime),
    ErrorBackoff(SimTime),
    Unschedulable(PluginSet),
    InFlight,
}

/// Whether an event may let pods of a shape pass that these plugins turned down.
pub trait Hints {
    /// `true` puts them back in line.
    fn worth_a_try(&mut self, shape: ShapeId, plugins: PluginSet, event: &ClusterEvent) -> bool;
}

impl<F: FnMut(ShapeId, PluginSet, &ClusterEvent) -> bool> Hints for F {
    fn worth_a_try(&mut self, shape: ShapeId, plugins: PluginSet, event: &ClusterEvent) -> bool {
        self(shape, plugins, event)
    }
}

impl Queued {
    fn key(&self, pod: PodId) -> ActiveKey {
        (Reverse(self.priority), self.timestamp, self.arrival, pod)
    }

    /// When backoff ends, on a whole second; `None` when there is none.
    fn expiry(&self) -> Option<SimTime> {
        let failures = if self.failed_by_error { self.errors } else { self.rejections };
        let doublings = failures.checked_sub(1)?.min(63);
        let seconds = if INITIAL_BACKOFF_SECONDS > MAX_BACKOFF_SECONDS >> doublings {
            MAX_BACKOFF_SECONDS
        } else {
            INITIAL_BACKOFF_SECONDS << doublings
        };
        Some((self.timestamp + SimDuration::from_secs(seconds)).floor_to_second())
    }

    fn is_backing_off(&self, now: SimTime) -> Option<SimTime> {
        self.expiry().filter(|expiry| *expiry >= now.floor_to_second())
    }
}

impl SchedulingQueue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A pod that looks for a node; `gated` ones are not tried before [`SchedulingQueue::ungate`].
    pub fn add(&mut self, now: SimTime, pod: PodId, shape: ShapeId, priority: i32, gated: bool) {
        self.arrivals += 1;
        let queued = Queued {
            shape,
            priority,
            arrival: self.arrivals,
            timestamp: now,
            rejections: 0,
            errors: 0,
            failed_by_error: false,
            place: Place::Gated,
        };
        self.remove(pod);
        self.pods.insert(pod, queued);
        if !gated {
            self.put(pod, Place::Active);
        }
    }

    /// The pod's scheduling gates are gone.
    pub fn ungate(&mut self, pod: PodId) {
        if self.pods.get(&pod).is_some_and(|queued| queued.place == Place::Gated) {
            self.put(pod, Place::Active);
        }
    }

    /// Forgets a pod: it was deleted, or bound.
    pub fn remove(&mut self, pod: PodId) {
        self.take_out(pod);
        self.pods.remove(&pod);
    }

    /// Whether a pod is known, wherever it waits.
    #[must_use]
    pub fn contains(&self, pod: PodId) -> bool {
        self.pods.contains_key(&pod)
    }

    /// Whether [`SchedulingQueue::pop`] has something to give.
    #[must_use]
    pub fn has_next(&self) -> bool {
        !self.active.is_empty() || !self.backoff.is_empty()
    }

    /// The next pod to try. When nobody else is in line, the first in backoff is taken before its
    /// time (active_queue.go `unlockedPop`).
    pub fn pop(&mut self) -> Option<PodId> {
        let active = self.active.first().map(|key| key.3);
        let pod = active.or_else(|| self.backoff.first().map(|(_, key)| key.3))?;
        self.put(pod, Place::InFlight);
        Some(pod)
    }

    /// The popped pod found a node; nothing more is to be done for it.
    pub fn done(&mut self, pod: PodId) {
        self.remove(pod);
    }

    /// The popped pod was turned down by plugins (`AddUnschedulableIfNotPresent`). Events since it
    /// was popped may send it straight back.
    pub fn rejected(
        &mut self,
        now: SimTime,
        pod: PodId,
        plugins: PluginSet,
        hints: &mut impl Hints,
    ) {
        if plugins.is_empty() {
            self.failed(now, pod);
            return;
        }
        let events = self.in_flight.remove(&pod).unwrap_or_default();
        let Some(queued) = self.pods.get_mut(&pod) else { return };
        queued.timestamp = now;
        queued.rejections += 1;
        queued.errors = 0;
        queued.failed_by_error = false;
        let shape = queued.shape;
        if events.iter().any(|event| hints.worth_a_try(shape, plugins, event)) {
            self.requeue(now, pod);
        } else {
            self.put(pod, Place::Unschedulable(plugins));
        }
    }

    /// The popped pod met an error: no node at all, a binding that failed.
    pub fn failed(&mut self, now: SimTime, pod: PodId) {
        self.in_flight.remove(&pod);
        let Some(queued) = self.pods.get_mut(&pod) else { return };
        queued.timestamp = now;
        queued.errors += 1;
        queued.failed_by_error = true;
        let place = queued.is_backing_off(now).map_or(Place::Active, Place::ErrorBackoff);
        self.put(pod, place);
    }

    /// Something happened: pods it may help get back in line, each after its backoff.
    pub fn on_event(&mut self, now: SimTime, event: &ClusterEvent, hints: &mut impl Hints) {
        for events in self.in_flight.values_mut() {
            events.push(event.clone());
        }
        let woken: Vec<PodId> = self
            .unschedulable
            .iter()
            .filter(|((shape, plugins), _)| hints.worth_a_try(*shape, *plugins, event))
            .flat_map(|(_, pods)| pods.iter().copied())
            .collect();
        for pod in woken {
            self.requeue(now, pod);
        }
    }

    /// When [`SchedulingQueue::flush`] is due next, after `now`; `None` while nobody waits for it.
    #[must_use]
    pub fn next_flush(&self, now: SimTime) -> Option<SimTime> {
        let after = |period: u64| {
            SimTime::from_secs((now.as_nanos() / 1_000_000_000 / period + 1) * period)
        };
        if !self.backoff.is_empty() || !self.error_backoff.is_empty() {
            return Some(after(1));
        }
        (!self.unschedulable.is_empty()).then(|| after(FLUSH_PERIOD_SECONDS))
    }

    /// Lets pods go whose backoff has ended; every 30 s also those that no event woke for 5 min.
    pub fn flush(&mut self, now: SimTime) {
        let second = now.floor_to_second();
        let over = |key: &&BackoffKey| key.0 < second;
        let waiting = self.backoff.iter().take_while(over);
        let ended = waiting.chain(self.error_backoff.iter().take_while(over));
        let ended: Vec<PodId> = ended.map(|(_, key)| key.3).collect();
        for pod in ended {
            self.put(pod, Place::Active);
        }
        self.flush_unschedulable(now);
    }

    fn flush_unschedulable(&mut self, now: SimTime) {
        let whole = now == now.floor_to_second();
        if !whole || !(now.as_nanos() / 1_000_000_000).is_multiple_of(FLUSH_PERIOD_SECONDS) {
            return;
        }
        let old = |pod: &&PodId| now.since(self.pods[pod].timestamp) > FLUSH_AGE;
        let old: Vec<PodId> = self.unschedulable.values().flatten().filter(old).copied().collect();
        for pod in old {
            self.requeue(now, pod);
        }
    }

    fn requeue(&mut self, now: SimTime, pod: PodId) {
        let backing_off = self.pods.get(&pod).and_then(|queued| queued.is_backing_off(now));
        self.put(pod, backing_off.map_or(Place::Active, Place::Backoff));
    }

    fn put(&mut self, pod: PodId, place: Place) {
        self.take_out(pod);
        let Some(queued) = self.pods.get_mut(&pod) else { return };
        queued.place = place;
        let key = queued.key(pod);
        match place {
            Place::Gated => {}
            Place::Active => {
                self.active.insert(key);
            }
            Place::Backoff(expiry) => {
                self.backoff.insert((expiry, key));
            }
            Place::ErrorBackoff(expiry) => {
                self.error_backoff.insert((expiry, key));
            }
            Place::Unschedulable(plugins) => {
                self.unschedulable.entry((queued.shape, plugins)).or_default().insert(pod);
            }
            Place::InFlight => {
                self.in_flight.insert(pod, Vec::new());
            }
        }
    }

    fn take_out(&mut self, pod: PodId) {
        let Some(queued) = self.pods.get(&pod) else { return };
        let key = queued.key(pod);
        match queued.place {
            Place::Gated => {}
            Place::Active => {
                self.active.remove(&key);
            }
            Place::Backoff(expiry) => {
                self.backoff.remove(&(expiry, key));
            }
            Place::ErrorBackoff(expiry) => {
                self.error_backoff.remove(&(expiry, key));
            }
            Place::Unschedulable(plugins) => {
                let group = (queued.shape, plugins);
                if let Some(pods) = self.unschedulable.get_mut(&group) {
                    pods.remove(&pod);
                    if pods.is_empty() {
                        self.unschedulable.remove(&group);
                    }
                }
            }
            Place::InFlight => {
                self.in_flight.remove(&pod);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::scheduler::rejection::Plugin;

    const SHAPE: ShapeId = ShapeId(0);

    fn at(millis: u64) -> SimTime {
        SimTime::from_nanos(millis * 1_000_000)
    }

    fn fit() -> PluginSet {
        let mut plugins = PluginSet::default();
        plugins.insert(Plugin::NodeResourcesFit);
        plugins
    }

    fn never(_: ShapeId, _: PluginSet, _: &ClusterEvent) -> bool {
        false
    }

    fn always(_: ShapeId, _: PluginSet, _: &ClusterEvent) -> bool {
        true
    }

    fn event() -> ClusterEvent {
        ClusterEvent::PodGone(SHAPE)
    }

    /// E17: backoff ends on a whole second, and a second later at the latest the flush comes; but a
    /// pod that nobody stands before does not wait for it.
    #[test]
    fn backoff_is_counted_in_whole_seconds() {
        let mut queue = SchedulingQueue::new();
        queue.add(at(10_000), PodId(1), SHAPE, 0, false);
        assert_eq!(queue.pop(), Some(PodId(1)));
        queue.rejected(at(10_300), PodId(1), fit(), &mut never);
        assert!(!queue.has_next());
        queue.on_event(at(10_300), &event(), &mut always);
        let mut early = queue.clone();
        assert_eq!(early.pop(), Some(PodId(1)), "nobody else is in line");
        queue.flush(at(11_000));
        assert!(queue.active.is_empty(), "11 is not after 11");
        assert_eq!(queue.next_flush(at(11_000)), Some(at(12_000)));
        queue.flush(at(12_000));
        assert_eq!(queue.active.len(), 1);
    }

    #[test]
    fn backoff_doubles_up_to_ten_seconds() {
        let mut queue = SchedulingQueue::new();
        queue.add(at(0), PodId(1), SHAPE, 0, false);
        for expected in [1, 2, 4, 8, 10, 10] {
            queue.pop();
            queue.rejected(at(0), PodId(1), fit(), &mut never);
            queue.on_event(at(0), &event(), &mut always);
            let expiry = queue.backoff.first().map(|(expiry, _)| *expiry);
            assert_eq!(expiry, Some(SimTime::from_secs(expected)));
        }
    }

    /// E18: a pod that was tried stands behind one of equal priority that was not.
    #[test]
    fn a_tried_pod_goes_behind_untried_ones() {
        let mut queue = SchedulingQueue::new();
        queue.add(at(0), PodId(1), SHAPE, 0, false);
        queue.add(at(5_000), PodId(2), SHAPE, 0, false);
        assert_eq!(queue.pop(), Some(PodId(1)));
        queue.rejected(at(6_100), PodId(1), fit(), &mut never);
        queue.on_event(at(8_000), &event(), &mut always);
        queue.add(at(9_000), PodId(3), SHAPE, 5, false);
        queue.add(at(9_000), PodId(4), SHAPE, 0, true);
        let order: Vec<PodId> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [PodId(3), PodId(2), PodId(1)], "the gated one is not tried");
        queue.ungate(PodId(4));
        assert_eq!(queue.pop(), Some(PodId(4)));
    }

    /// E19: without any event the pod is tried again between 300 s and 330 s.
    #[test]
    fn a_forgotten_pod_is_flushed_after_five_minutes() {
        let mut queue = SchedulingQueue::new();
        queue.add(at(1_000), PodId(1), SHAPE, 0, false);
        queue.pop();
        queue.rejected(at(1_000), PodId(1), fit(), &mut never);
        let mut now = at(1_000);
        while !queue.has_next() {
            now = queue.next_flush(now).expect("a pod waits");
            queue.flush(now);
        }
        assert_eq!(now, SimTime::from_secs(330));
    }

    /// What happens while a pod is being tried is not lost on it.
    #[test]
    fn events_in_flight_count() {
        let mut queue = SchedulingQueue::new();
        queue.add(at(0), PodId(1), SHAPE, 0, false);
        queue.pop();
        queue.on_event(at(10), &event(), &mut always);
        queue.rejected(at(20), PodId(1), fit(), &mut always);
        assert!(queue.has_next());
        queue.pop();
        queue.rejected(at(30), PodId(1), PluginSet::default(), &mut always);
        assert!(!queue.has_next(), "backoff after an error is waited for");
        assert_eq!(queue.next_flush(at(30)), Some(at(1_000)));
        queue.flush(at(2_000));
        assert_eq!(queue.pop(), Some(PodId(1)));
        queue.done(PodId(1));
        assert!(!queue.contains(PodId(1)));
    }
}
