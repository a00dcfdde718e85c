//! The future event list: by time, then rank, then order of scheduling.
//!
//! An indexed four-ary heap. One-shot events are scheduled and forgotten; a *timer* belongs to
//! something that has exactly one next moment (the next completion of a pod, the next arrival of a
//! load) and is moved in place, so that no stale event ever has to be recognised and thrown away.
//! Push, move and pop are O(log4 n); a slot is reused as soon as it is free, so memory is bounded
//! by the largest number of pending events.

use crate::units::convert::{count_u32, index};
use crate::units::time::SimTime;

/// Order among events of the same instant: lower comes first. What each rank means is part of the
/// model, and stands where the events are defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(pub u8);

/// A movable entry of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerId(u32);

const ARITY: usize = 4;
const IDLE: u32 = u32::MAX;
const SEQUENCE_BITS: u32 = 56;

#[derive(Debug, Clone, Copy)]
struct Entry {
    time: SimTime,
    /// Rank in the upper eight bits, sequence below: one comparison decides both.
    order: u64,
    slot: u32,
}

impl Entry {
    fn precedes(&self, other: &Self) -> bool {
        (self.time, self.order) < (other.time, other.order)
    }
}

#[derive(Debug)]
struct Slot<E> {
    event: E,
    /// Index in the heap, or `IDLE` for a timer that is not armed.
    position: u32,
    timer: bool,
}

/// Pending events of type `E`, in a total order.
#[derive(Debug)]
pub struct EventQueue<E> {
    heap: Vec<Entry>,
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
    sequence: u64,
    now: SimTime,
    popped: u64,
}

impl<E: Copy> Default for EventQueue<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Copy> EventQueue<E> {
    /// An empty queue at time zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            heap: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            sequence: 0,
            now: SimTime::ZERO,
            popped: 0,
        }
    }

    /// The instant of the last event that came out.
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// How many events have come out so far.
    #[must_use]
    pub fn popped(&self) -> u64 {
        self.popped
    }

    /// How many events are pending.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Schedules an event once. Asserts that `at` is not in the past.
    pub fn schedule(&mut self, at: SimTime, rank: Rank, event: E) {
        let slot = self.take_slot(event, false);
        self.insert(at, rank, slot);
    }

    /// Makes a timer that delivers `event` whenever it is due. It starts disarmed.
    pub fn timer(&mut self, event: E) -> TimerId {
        TimerId(self.take_slot(event, true))
    }

    /// Gives a timer back. Disarms it first; the id must not be used again.
    pub fn release(&mut self, timer: TimerId) {
        self.disarm(timer);
        self.slots[index(timer.0)].timer = false;
        self.free.push(timer.0);
    }

    /// Arms a timer, or moves it when armed. Asserts that `at` is not in the past.
    ///
    /// A moved timer counts as newly scheduled: among equals it comes last.
    pub fn arm(&mut self, timer: TimerId, at: SimTime, rank: Rank) {
        let slot = &self.slots[index(timer.0)];
        assert!(slot.timer, "a released timer must not be armed");
        if slot.position == IDLE {
            self.insert(at, rank, timer.0);
            return;
        }
        let position = index(slot.position);
        let entry = self.entry(at, rank, timer.0);
        let earlier = entry.precedes(&self.heap[position]);
        self.heap[position] = entry;
        if earlier {
            self.sift_up(position);
        } else {
            self.sift_down(position);
        }
    }

    /// Takes a timer out of the queue; nothing happens when it is not armed.
    pub fn disarm(&mut self, timer: TimerId) {
        let position = self.slots[index(timer.0)].position;
        if position != IDLE {
            self.remove(index(position));
            self.slots[index(timer.0)].position = IDLE;
        }
    }

    /// The next event's instant.
    #[must_use]
    pub fn next_time(&self) -> Option<SimTime> {
        self.heap.first().map(|entry| entry.time)
    }

    /// The next event; the clock moves to its instant.
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        let entry = *self.heap.first()?;
        self.remove(0);
        let slot = &mut self.slots[index(entry.slot)];
        slot.position = IDLE;
        if !slot.timer {
            self.free.push(entry.slot);
        }
        let event = slot.event;
        self.now = entry.time;
        self.popped += 1;
        Some((entry.time, event))
    }

    fn take_slot(&mut self, event: E, timer: bool) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[index(slot)] = Slot { event, position: IDLE, timer };
            slot
        } else {
            self.slots.push(Slot { event, position: IDLE, timer });
            count_u32(self.slots.len() - 1)
        }
    }

    fn entry(&mut self, at: SimTime, rank: Rank, slot: u32) -> Entry {
        assert!(at >= self.now, "an event must not be scheduled before the current instant");
        assert!(self.sequence < 1 << SEQUENCE_BITS, "2^56 events are more than any run has");
        let order = (u64::from(rank.0) << SEQUENCE_BITS) | self.sequence;
        self.sequence += 1;
        Entry { time: at, order, slot }
    }

    fn insert(&mut self, at: SimTime, rank: Rank, slot: u32) {
        let entry = self.entry(at, rank, slot);
        self.heap.push(entry);
        self.sift_up(self.heap.len() - 1);
    }

    /// Removes the entry at `position` and restores the heap. Leaves the slot's position alone.
    fn remove(&mut self, position: usize) {
        let last = self.heap.pop().expect("an entry that has a position is in the heap");
        if position == self.heap.len() {
            return;
        }
        let earlier = last.precedes(&self.heap[position]);
        self.heap[position] = last;
        if earlier {
            self.sift_up(position);
        } else {
            self.sift_down(position);
        }
    }

    fn place(&mut self, position: usize, entry: Entry) {
        self.heap[position] = entry;
        self.slots[index(entry.slot)].position = count_u32(position);
    }

    fn sift_up(&mut self, mut position: usize) {
        let entry = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if !entry.precedes(&self.heap[parent]) {
                break;
            }
            self.place(position, self.heap[parent]);
            position = parent;
        }
        self.place(position, entry);
    }

    fn sift_down(&mut self, mut position: usize) {
        let entry = self.heap[position];
        loop {
            let first = position * ARITY + 1;
            if first >= self.heap.len() {
                break;
            }
            let end = (first + ARITY).min(self.heap.len());
            let mut least = first;
            for child in first + 1..end {
                if self.heap[child].precedes(&self.heap[least]) {
                    least = child;
                }
            }
            if !self.heap[least].precedes(&entry) {
                break;
            }
            self.place(position, self.heap[least]);
            position = least;
        }
        self.place(position, entry);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANK: Rank = Rank(3);

    #[test]
    fn equal_instants_come_out_by_rank_then_in_the_order_of_scheduling() {
        let mut queue = EventQueue::new();
        let at = SimTime::from_secs(1);
        queue.schedule(at, Rank(2), "late");
        queue.schedule(at, Rank(1), "first");
        queue.schedule(at, Rank(1), "second");
        queue.schedule(SimTime::ZERO, Rank(9), "earlier");
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        assert_eq!(order, ["earlier", "first", "second", "late"]);
        assert_eq!((queue.now(), queue.popped()), (at, 4));
    }

    #[test]
    fn a_moved_timer_fires_once_at_its_last_instant() {
        let mut queue = EventQueue::new();
        let timer = queue.timer('t');
        queue.arm(timer, SimTime::from_secs(5), RANK);
        queue.arm(timer, SimTime::from_secs(9), RANK);
        queue.schedule(SimTime::from_secs(7), RANK, 'e');
        queue.arm(timer, SimTime::from_secs(8), RANK);
        assert_eq!(queue.pop(), Some((SimTime::from_secs(7), 'e')));
        assert_eq!(queue.pop(), Some((SimTime::from_secs(8), 't')));
        assert_eq!(queue.pop(), None);
        queue.arm(timer, SimTime::from_secs(10), RANK);
        queue.disarm(timer);
        assert!(queue.is_empty());
    }

    #[test]
    fn slots_are_reused() {
        let mut queue = EventQueue::new();
        for second in 0..1000 {
            queue.schedule(SimTime::from_secs(second), RANK, second);
            queue.pop();
        }
        assert_eq!(queue.slots.len(), 1);
    }

    proptest! {
        /// Against a sorted list: whatever is scheduled, moved and disarmed, the order is total.
        #[test]
        fn behaves_like_a_sorted_list(steps in prop::collection::vec((0_u8..4, 0_u64..50, 0_u8..4), 1..200)) {
            let mut queue = EventQueue::new();
            let timers: Vec<TimerId> = (0..4).map(|n| queue.timer(1000 + n)).collect();
            let mut model: Vec<(u64, u8, usize, u64)> = Vec::new();
            for (sequence, (what, delay, rank)) in steps.into_iter().enumerate() {
                let at = queue.now().as_nanos() + delay;
                let (timer, event) = (usize::from(rank), 1000 + u64::from(rank));
                match what {
                    0 => {
                        queue.schedule(SimTime::from_nanos(at), Rank(rank), sequence as u64);
                        model.push((at, rank, sequence, sequence as u64));
                    }
                    1 => {
                        queue.arm(timers[timer], SimTime::from_nanos(at), Rank(rank));
                        model.retain(|row| row.3 != event);
                        model.push((at, rank, sequence, event));
                    }
                    2 => {
                        queue.disarm(timers[timer]);
                        model.retain(|row| row.3 != event);
                    }
                    _ => {
                        model.sort_unstable();
                        let expected = (!model.is_empty()).then(|| model.remove(0));
                        let got = queue.pop();
                        prop_assert_eq!(got.map(|(t, e)| (t.as_nanos(), e)), expected.map(|r| (r.0, r.3)));
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
            }
        }
    }
}
