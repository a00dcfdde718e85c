//! The scheduler's place in the run.

use crate::engine::Streams;
use crate::model::id::{NodeId, PodId};
use crate::model::observer::Observer;
use crate::scenario::Scenario;
use crate::sim::Run;
use crate::units::SimTime;

pub(super) struct Scheduling {}

impl Scheduling {
    pub(super) fn new(_scenario: &Scenario, _streams: &Streams) -> Self {
        Self {}
    }
}

impl<O: Observer> Run<'_, O> {
    pub(super) fn pod_to_schedule(&mut self, _now: SimTime, _pod: PodId) {}
    pub(super) fn schedule_pod(&mut self, _now: SimTime) {}
    pub(super) fn capacity_appeared(&mut self, _now: SimTime) {}
    pub(super) fn scheduled_pod_gone(&mut self, _now: SimTime, _pod: PodId) {}
    pub(super) fn scheduled_node_gone(&mut self, _now: SimTime, _node: NodeId) {}
}
