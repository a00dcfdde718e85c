//! The scheduler's place in the run: pods queue up, one cycle after another takes the next.

use std::sync::Arc;

use crate::control::scheduler::{
    ClusterEvent, NodeInfo, NodeSlot, Outcome, Scheduler, SchedulerConfig, SchedulingQueue,
    ShapeId, Snapshot, Surroundings,
};
use crate::engine::{EventQueue, Streams, TimerId};
use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, PodId};
use crate::model::observer::Observer;
use crate::model::record::{Decider, Record};
use crate::model::{Action, Event, Reason};
use crate::scenario::Scenario;
use crate::sim::Run;
use crate::units::SimTime;

/// The scheduler, its queue and its view of the cluster.
pub(super) struct Scheduling {
    scheduler: Scheduler,
    queue: SchedulingQueue,
    pub(super) snapshot: Snapshot,
    /// The shape of each pod there ever was, by id; `None` before the scheduler saw it.
    shapes: Vec<Option<ShapeId>>,
    timer: TimerId,
    /// When the cycle in progress is over.
    free_at: SimTime,
}

impl Scheduling {
    pub(super) fn new(
        scenario: &Scenario,
        streams: &Streams,
        queue: &mut EventQueue<Event>,
    ) -> Self {
        let surroundings =
            Surroundings { services: scenario.selectors.clone(), ..Surroundings::default() };
        Self {
            scheduler: Scheduler::new(SchedulerConfig::default(), streams.of("scheduler/ties")),
            queue: SchedulingQueue::new(),
            snapshot: Snapshot::new(surroundings),
            shapes: Vec::new(),
            timer: queue.timer(Event::Schedule),
            free_at: SimTime::ZERO,
        }
    }

    /// The node that a pod waits to take over, if preemption found one.
    pub(super) fn nominated_node(&self, pod: PodId) -> Option<NodeId> {
        let slot = self.scheduler.nominated_node(&self.snapshot, pod)?;
        self.snapshot.node(slot).id
    }

    fn tell(&mut self, now: SimTime, event: &ClusterEvent) {
        let Self { scheduler, queue, snapshot, .. } = self;
        let mut hints = |shape, plugins, event: &ClusterEvent| {
            scheduler.framework().worth_a_try(snapshot, shape, plugins, event)
        };
        queue.on_event(now, event, &mut hints);
    }
}

impl<O: Observer> Run<'_, O> {
    /// A pod looks for a node.
    pub(super) fn pod_to_schedule(&mut self, now: SimTime, id: PodId) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let shape = self.scheduling.snapshot.live_shape(&self.cluster, pod);
        let shapes = &mut self.scheduling.shapes;
        if shapes.len() <= id.index() {
            shapes.resize(id.index() + 1, None);
        }
        shapes[id.index()] = Some(shape);
        let (priority, gated) = (pod.priority(), pod.template.spec.gated);
        self.scheduling.queue.add(now, id, shape, priority, gated);
        self.arm_scheduler(now);
    }

    /// Pods that fitted nowhere are tried at once, as if they were new.
    pub(super) fn retry_unschedulable(&mut self, now: SimTime) {
        let waiting = self.cluster.pending().filter(|pod| pod.unschedulable.is_some());
        for id in waiting.map(|pod| pod.id).collect::<Vec<_>>() {
            self.scheduling.queue.remove(id);
            self.pod_to_schedule(now, id);
        }
    }

    /// Arms the scheduler for its next cycle or flush.
    fn arm_scheduler(&mut self, now: SimTime) {
        let scheduling = &self.scheduling;
        let next = if scheduling.queue.has_next() {
            Some(scheduling.free_at.max(now))
        } else {
            scheduling.queue.next_flush(now)
        };
        match next {
            Some(at) => self.queue.arm(scheduling.timer, at, Event::Schedule.rank()),
            None => self.queue.disarm(scheduling.timer),
        }
    }

    /// One cycle: the next pod is placed, or told why it fits nowhere.
    pub(super) fn schedule_pod(&mut self, now: SimTime) {
        self.scheduling.queue.flush(now);
        while let Some(id) = self.scheduling.queue.pop() {
            let waits = self.cluster.pod(id).filter(|p| p.node.is_none() && !p.is_terminating());
            let Some(pod) = waits else {
                self.scheduling.queue.done(id);
                continue;
            };
            let Scheduling { scheduler, snapshot, .. } = &mut self.scheduling;
            snapshot.sync(&self.cluster);
            let info = snapshot.live_pod(&self.cluster, pod);
            let shape = info.shape;
            let outcome = scheduler.schedule_one(snapshot, &info, self.cluster.budgets());
            self.carry_out(now, id, shape, outcome);
            if !self.booting {
                self.scheduling.free_at = now + self.scenario.timings.scheduling_cycle;
            }
            break;
        }
        self.arm_scheduler(now);
    }

    fn carry_out(&mut self, now: SimTime, id: PodId, shape: ShapeId, outcome: Outcome) {
        match outcome {
            Outcome::Bind { slot, feasible } => {
                let node = self.scheduling.snapshot.node(slot).id.expect("live nodes have ids");
                if self.volumes_refused(id) {
                    let Scheduling { scheduler, snapshot, queue, .. } = &mut self.scheduling;
                    scheduler.forget(snapshot, slot, id);
                    queue.done(id);
                    return;
                }
                self.bind_volumes(now, id, node);
                let before = self.cluster.generation();
                self.apply(now, &Action::BindPod { pod: id, node });
                self.scheduling.snapshot.confirm(&self.cluster, node, before);
                self.scheduling.queue.done(id);
                self.scheduling.tell(now, &ClusterEvent::PodAssigned(shape));
                let reason = Reason::Scheduled { feasible };
                self.records.push(Record::Decided { by: Decider::Scheduler(id), reason });
            }
            Outcome::Unschedulable { message, plugins, preemption } => {
                self.apply(now, &Action::MarkUnschedulable { pod: id, message });
                let Scheduling { scheduler, queue, snapshot, .. } = &mut self.scheduling;
                let mut hints = |shape, plugins, event: &ClusterEvent| {
                    scheduler.framework().worth_a_try(snapshot, shape, plugins, event)
                };
                queue.rejected(now, id, plugins, &mut hints);
                let victims = preemption.map(|(_, victims)| victims).unwrap_or_default();
                for pod in victims {
                    let because = PodDeletion::Preemption;
                    self.apply(now, &Action::DeletePod { pod, grace: None, because });
                }
            }
        }
    }

    /// A node came or changed: pods that it may help get back in line.
    pub(super) fn node_changed(&mut self, now: SimTime, id: NodeId) {
        let snapshot = &mut self.scheduling.snapshot;
        let before = snapshot.slot_of(id).map(|slot| object_of(snapshot, slot));
        snapshot.sync(&self.cluster);
        let Some(slot) = self.scheduling.snapshot.slot_of(id) else { return };
        let event = match before {
            Some(before) => ClusterEvent::NodeChanged(slot, before),
            None => ClusterEvent::NodeAdded(slot),
        };
        self.scheduling.tell(now, &event);
        self.arm_scheduler(now);
    }

    /// A pod is gone: its place may help another.
    pub(super) fn scheduled_pod_gone(&mut self, now: SimTime, id: PodId) {
        self.scheduling.queue.remove(id);
        self.scheduling.scheduler.pod_deleted(id);
        self.scheduling.snapshot.sync(&self.cluster);
        if let Some(shape) = self.scheduling.shapes.get(id.index()).copied().flatten() {
            self.scheduling.tell(now, &ClusterEvent::PodGone(shape));
        }
        self.arm_scheduler(now);
    }

    /// A node is gone, or about to be.
    pub(super) fn scheduled_node_gone(&mut self, now: SimTime, id: NodeId) {
        let snapshot = &mut self.scheduling.snapshot;
        let Some(slot) = snapshot.slot_of(id) else { return };
        let before = object_of(snapshot, slot);
        snapshot.sync(&self.cluster);
        self.scheduling.tell(now, &ClusterEvent::NodeRemoved(before));
        self.arm_scheduler(now);
    }
}

/// A node of the snapshot without its pods, as it is before a change.
fn object_of(snapshot: &Snapshot, slot: NodeSlot) -> Arc<NodeInfo> {
    let node = snapshot.node(slot);
    Arc::new(NodeInfo { pods: Vec::new(), ..node.clone() })
}
