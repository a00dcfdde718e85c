//! Timeouts at constant cost: one queue per distinct span.
//!
//! Calls with equal timeouts expire in the order they began, so a span needs a plain queue and one
//! timer for its head. Calls that were answered stay in the queue until they reach the head, and
//! are dropped there without an event of their own: a thousand requests per second with a timeout
//! of ten seconds cost one timer event per ten seconds, not ten thousand pending events.

use std::collections::VecDeque;

use crate::engine::{EventQueue, TimerId};
use crate::model::event::Event;
use crate::model::id::CallId;
use crate::units::time::{SimDuration, SimTime};

/// The pending deadlines of one timeout span.
#[derive(Debug)]
pub struct TimeoutLane {
    span: SimDuration,
    timer: TimerId,
    pending: VecDeque<(SimTime, CallId)>,
    armed: bool,
}

impl TimeoutLane {
    /// A lane for calls that wait for `span`; `index` is its number among the lanes.
    pub fn new(span: SimDuration, index: u32, queue: &mut EventQueue<Event>) -> Self {
        let timer = queue.timer(Event::TimeoutLane(index));
        Self { span, timer, pending: VecDeque::new(), armed: false }
    }

    /// The span.
    #[must_use]
    pub fn span(&self) -> SimDuration {
        self.span
    }

    /// Lets a call wait from `now` on.
    pub fn watch(&mut self, now: SimTime, call: CallId, queue: &mut EventQueue<Event>) {
        self.pending.push_back((now + self.span, call));
        if !self.armed {
            self.arm(queue);
        }
    }

    /// The next call whose deadline has come. `alive` tells whether a call still waits; those that
    /// do not are dropped. When there is none, the timer is armed for the next deadline.
    pub fn expire(
        &mut self,
        now: SimTime,
        queue: &mut EventQueue<Event>,
        alive: impl Fn(CallId) -> bool,
    ) -> Option<CallId> {
        while let Some((deadline, call)) = self.pending.front().copied() {
            if !alive(call) {
                self.pending.pop_front();
            } else if deadline <= now {
                self.pending.pop_front();
                return Some(call);
            } else {
                break;
            }
        }
        self.armed = false;
        self.arm(queue);
        None
    }

    /// A call that began at `began` goes on under another name: its deadline stays.
    pub fn rename(&mut self, began: SimTime, call: CallId, renamed: CallId) {
        let deadline = began + self.span;
        let first = self.pending.partition_point(|(at, _)| *at < deadline);
        let same = self.pending.range_mut(first..).take_while(|(at, _)| *at == deadline);
        for (_, watched) in same.filter(|(_, watched)| *watched == call) {
            *watched = renamed;
        }
    }

    /// A call goes on under another name, whenever it began.
    pub fn rename_first(&mut self, call: CallId, renamed: CallId) {
        if let Some((_, watched)) = self.pending.iter_mut().find(|(_, watched)| *watched == call) {
            *watched = renamed;
        }
    }

    fn arm(&mut self, queue: &mut EventQueue<Event>) {
        if let Some((deadline, _)) = self.pending.front() {
            let rank = Event::TimeoutLane(0).rank();
            queue.arm(self.timer, *deadline, rank);
            self.armed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn call(slot: u32) -> CallId {
        CallId { slot, generation: 0 }
    }

    #[test]
    fn answered_calls_cost_no_event_of_their_own() {
        let mut queue = EventQueue::new();
        let mut lane = TimeoutLane::new(SimDuration::from_secs(10), 0, &mut queue);
        for second in 0..10 {
            lane.watch(
                SimTime::from_secs(second),
                call(u32::try_from(second).unwrap()),
                &mut queue,
            );
        }
        // Only call 7 still waits.
        let mut events = 0;
        let mut expired = Vec::new();
        while let Some((now, _)) = queue.pop() {
            events += 1;
            while let Some(late) = lane.expire(now, &mut queue, |c| c == call(7)) {
                expired.push((now, late));
            }
        }
        assert_eq!(expired, [(SimTime::from_secs(17), call(7))]);
        assert_eq!(events, 2);
    }
}
