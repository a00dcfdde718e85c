//! The future event list: by time, then rank, then order of scheduling.
//!
//! One-shot events are scheduled and forgotten; a *timer* belongs to something that has exactly one
//! next moment (the next completion of a pod, the next arrival of a load) and is moved in place, so
//! that no stale event ever has to be recognised and thrown away. Timers and what is due soon are in an
//! indexed four-ary heap; one-shot events that are farther ahead wait in a wheel, where they cost
//! nothing until their time is near. A slot is reused as soon as it is free, so memory is bounded by
//! the largest number of pending events.

mod heap;
#[cfg(test)]
mod tests;
mod wheel;

use crate::engine::queue::heap::{Entry, Heap};
use crate::engine::queue::wheel::{Waiting, Wheel};
use crate::units::convert::{count_u32, index};
use crate::units::time::SimTime;

/// Order among events of the same instant: lower comes first. What each rank means is part of the
/// model, and stands where the events are defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(pub u8);

/// A movable entry of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerId(u32);

const SEQUENCE_BITS: u32 = 56;

#[derive(Debug)]
struct Slot<E> {
    event: E,
    waiting: Waiting,
    timer: bool,
}

/// Pending events of type `E`, in a total order.
#[derive(Debug)]
pub struct EventQueue<E> {
    heap: Heap,
    wheel: Wheel,
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
            heap: Heap::default(),
            wheel: Wheel::new(),
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
        self.heap.len() + self.wheel.len()
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Schedules an event once. Asserts that `at` is not in the past.
    pub fn schedule(&mut self, at: SimTime, rank: Rank, event: E) {
        let slot = self.take_slot(event, false);
        let entry = self.entry(at, rank, slot);
        if Wheel::takes(self.now.as_nanos(), entry.time) {
            let slots = &mut self.slots;
            self.wheel.push(&entry, |slot| &mut slots[index(slot)].waiting);
        } else {
            self.heap.insert(entry);
        }
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
        assert!(self.slots[index(timer.0)].timer, "a released timer must not be armed");
        let entry = self.entry(at, rank, timer.0);
        if self.heap.holds(timer.0) {
            self.heap.replace(entry);
        } else {
            self.heap.insert(entry);
        }
    }

    /// Takes a timer out of the queue; nothing happens when it is not armed.
    pub fn disarm(&mut self, timer: TimerId) {
        if self.heap.holds(timer.0) {
            self.heap.remove(timer.0);
        }
    }

    /// The next event's instant.
    #[must_use]
    pub fn next_time(&mut self) -> Option<SimTime> {
        self.next().map(|entry| SimTime::from_nanos(entry.time))
    }

    /// The next event; the clock moves to its instant.
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        let entry = self.next()?;
        self.heap.take_first();
        let slot = &self.slots[index(entry.slot)];
        if !slot.timer {
            self.free.push(entry.slot);
        }
        self.now = SimTime::from_nanos(entry.time);
        self.popped += 1;
        Some((self.now, slot.event))
    }

    /// The next entry, which is in the heap from now on.
    fn next(&mut self) -> Option<Entry> {
        let mut first = self.heap.first();
        while !self.wheel.is_empty() && first.is_none_or(|entry| self.wheel.is_due(entry.time)) {
            let Self { heap, wheel, slots, .. } = self;
            wheel.take_first(|slot| slots[index(slot)].waiting, |entry| heap.insert(entry));
            first = self.heap.first();
        }
        first
    }

    fn take_slot(&mut self, event: E, timer: bool) -> u32 {
        if let Some(slot) = self.free.pop() {
            let place = &mut self.slots[index(slot)];
            (place.event, place.timer) = (event, timer);
            slot
        } else {
            self.slots.push(Slot { event, waiting: Waiting::default(), timer });
            self.heap.add_slot();
            count_u32(self.slots.len() - 1)
        }
    }

    fn entry(&mut self, at: SimTime, rank: Rank, slot: u32) -> Entry {
        assert!(at >= self.now, "an event must not be scheduled before the current instant");
        assert!(self.sequence < 1 << SEQUENCE_BITS, "2^56 events are more than any run has");
        let order = (u64::from(rank.0) << SEQUENCE_BITS) | self.sequence;
        self.sequence += 1;
        Entry { time: at.as_nanos(), order, slot }
    }
}
