//! Pods that come and go when they did: the scheduler's queue, its backoff and its hints in virtual time.

use std::sync::Arc;

use crate::control::scheduler::{ClusterEvent, Outcome, SchedulingQueue};
use crate::engine::{EventQueue, Rank, TimerId};
use crate::model::id::PodId;
use crate::placement::board::Board;
use crate::placement::told::{Placement, Teller};
use crate::scenario::pod_trace::{PodTrace, TracePod};
use crate::units::convert::{count_u32, index};
use crate::units::{SimDuration, SimTime};

/// How long after the last change the scheduler still looks after pods that wait: longer than any backoff and
/// than the five minutes after which it tries everything again. Later nothing could have another outcome.
const RESTLESS: SimDuration = SimDuration::from_secs(600);

/// Points of a series at most.
const POINTS: u64 = 240;

/// What happens in a replay; pods by their row.
#[derive(Debug, Clone, Copy)]
enum Tick {
    /// A pod has done its work.
    End(u32),
    /// A pod that was never placed was deleted.
    Withdrawn(u32),
    /// A pod comes.
    Arrive(u32),
    /// The scheduler takes the next pod, or looks after those that wait.
    Cycle,
    /// The state of the cluster is noted.
    Note,
}

impl Tick {
    /// At one instant places are freed before they are looked for, and noted after.
    fn rank(self) -> Rank {
        match self {
            Self::End(_) => Rank(0),
            Self::Withdrawn(_) => Rank(1),
            Self::Arrive(_) => Rank(2),
            Self::Cycle => Rank(3),
            Self::Note => Rank(4),
        }
    }
}

/// A replay under way.
struct Run<'r, 'a> {
    trace: &'a PodTrace,
    board: &'r mut Board<'a>,
    events: EventQueue<Tick>,
    queue: SchedulingQueue,
    teller: Teller<'a>,
    timer: TimerId,
    free_at: SimTime,
    arrived_milli: i64,
    /// When a pod came or went last.
    changed: SimTime,
    /// The last sentence about each pod that waits, by row.
    sentences: Vec<Option<Arc<str>>>,
    waiting: usize,
}

pub(super) fn run<'a>(trace: &'a PodTrace, board: &mut Board<'a>) -> Placement {
    let horizon = horizon(trace);
    let mut events = EventQueue::new();
    for (row, pod) in trace.pods.iter().enumerate() {
        let tick = Tick::Arrive(count_u32(row));
        events.schedule(SimTime::ZERO + pod.created, tick.rank(), tick);
        if let (None, Some(deleted)) = (pod.scheduled, pod.deleted) {
            let tick = Tick::Withdrawn(count_u32(row));
            events.schedule(SimTime::ZERO + deleted.max(pod.created), tick.rank(), tick);
        }
    }
    let step = SimDuration::from_nanos((horizon.as_nanos() / POINTS).max(1));
    events.schedule(SimTime::ZERO, Tick::Note.rank(), Tick::Note);
    let timer = events.timer(Tick::Cycle);
    let mut run = Run {
        trace,
        board,
        events,
        queue: SchedulingQueue::new(),
        teller: Teller::new(trace),
        timer,
        free_at: SimTime::ZERO,
        arrived_milli: 0,
        changed: SimTime::ZERO,
        sentences: vec![None; trace.pods.len()],
        waiting: 0,
    };
    while let Some((now, tick)) = run.events.pop() {
        if now > SimTime::ZERO + horizon {
            break;
        }
        run.teller.passes(now, run.board, run.arrived_milli, run.waiting);
        match tick {
            Tick::End(row) => run.end(now, row),
            Tick::Withdrawn(row) => run.withdrawn(row),
            Tick::Arrive(row) => run.arrive(now, row),
            Tick::Cycle => run.cycle(now),
            Tick::Note => {
                let point = run.board.point(now, run.arrived_milli, run.waiting);
                run.teller.point(point);
                run.events.schedule(now + step, tick.rank(), tick);
            }
        }
    }
    run.finish(SimTime::ZERO + horizon)
}

/// When the record ends.
fn horizon(trace: &PodTrace) -> SimDuration {
    let last = |pod: &TracePod| {
        [Some(pod.created), pod.scheduled, pod.deleted].into_iter().flatten().max()
    };
    trace.pods.iter().filter_map(last).max().unwrap_or_default()
}

impl Run<'_, '_> {
    fn arrive(&mut self, now: SimTime, row: u32) {
        self.changed = now;
        let pod = &self.trace.pods[index(row)];
        self.arrived_milli += pod.total_gpu_milli();
        self.teller.came(index(row));
        let shape = self.board.shape(pod);
        self.queue.add(now, PodId(row), shape, 0, false);
        self.waiting += 1;
        self.arm(now);
    }

    fn end(&mut self, now: SimTime, row: u32) {
        self.changed = now;
        let shape = self.board.shape(&self.trace.pods[index(row)]);
        self.board.leave(PodId(row));
        self.tell(now, &ClusterEvent::PodGone(shape));
        self.arm(now);
    }

    fn withdrawn(&mut self, row: u32) {
        let id = PodId(row);
        if self.queue.contains(id) {
            self.queue.remove(id);
            self.waiting -= 1;
            let sentence = self.sentences[index(row)].take();
            self.teller.never(index(row), sentence.as_deref().unwrap_or("it was not tried yet"));
        }
    }

    fn cycle(&mut self, now: SimTime) {
        self.queue.flush(now);
        if let Some(id) = self.queue.pop() {
            self.schedule(now, id);
            self.free_at = now + self.trace.scheduling_cycle;
        }
        self.arm(now);
    }

    fn schedule(&mut self, now: SimTime, id: PodId) {
        let row = index(id.0);
        let pod = &self.trace.pods[row];
        match self.board.schedule(id, row) {
            Ok(slot) => {
                self.queue.done(id);
                self.waiting -= 1;
                let waited = now.since(SimTime::ZERO + pod.created);
                self.teller.placed(row, self.board.node_of(slot), Some(waited));
                if let Some(end) = end(pod, now) {
                    let tick = Tick::End(id.0);
                    self.events.schedule(end, tick.rank(), tick);
                }
                let shape = self.board.shape(pod);
                self.tell(now, &ClusterEvent::PodAssigned(shape));
            }
            Err(Outcome::Unschedulable { message, plugins, .. }) => {
                self.sentences[row] = Some(message);
                let Board { scheduler, snapshot, .. } = &mut *self.board;
                let mut hints = |shape, plugins, event: &ClusterEvent| {
                    scheduler.framework().worth_a_try(snapshot, shape, plugins, event)
                };
                self.queue.rejected(now, id, plugins, &mut hints);
            }
            Err(Outcome::Bind { .. }) => unreachable!("a bound pod has a place"),
        }
    }

    fn tell(&mut self, now: SimTime, event: &ClusterEvent) {
        let Board { scheduler, snapshot, .. } = &mut *self.board;
        let mut hints = |shape, plugins, event: &ClusterEvent| {
            scheduler.framework().worth_a_try(snapshot, shape, plugins, event)
        };
        self.queue.on_event(now, event, &mut hints);
    }

    /// Arms the scheduler for its next cycle or flush.
    fn arm(&mut self, now: SimTime) {
        let next = if self.queue.has_next() {
            Some(self.free_at.max(now))
        } else {
            self.queue.next_flush(now).filter(|at| *at <= self.changed + RESTLESS)
        };
        match next {
            Some(at) => self.events.arm(self.timer, at, Tick::Cycle.rank()),
            None => self.events.disarm(self.timer),
        }
    }

    fn finish(mut self, now: SimTime) -> Placement {
        self.teller.passes(now, self.board, self.arrived_milli, self.waiting);
        for row in 0..self.trace.pods.len() {
            if self.queue.contains(PodId(count_u32(row))) {
                let sentence = self.sentences[row].take();
                self.teller.never(row, sentence.as_deref().unwrap_or("it was not tried yet"));
            }
        }
        let last = self.board.point(now, self.arrived_milli, self.waiting);
        self.teller.end(last)
    }
}

/// When a pod that is placed now has done its work: it works for as long as it did, or until it was
/// deleted where nobody placed it.
fn end(pod: &TracePod, now: SimTime) -> Option<SimTime> {
    let deleted = pod.deleted?;
    let worked = pod.scheduled.map(|scheduled| deleted.saturating_sub(scheduled));
    Some(worked.map_or_else(|| (SimTime::ZERO + deleted).max(now), |worked| now + worked))
}
