//! Timed disruptions of the scenario.

use crate::model::event::DisruptionStep;
use crate::model::id::DisruptionId;
use crate::model::observer::Observer;
use crate::sim::Run;
use crate::units::SimTime;

#[derive(Debug, Default)]
pub(super) struct DisruptionState {}

impl<O: Observer> Run<'_, O> {
    pub(super) fn start_disruptions(&mut self) {}
    pub(super) fn disrupt(&mut self, _now: SimTime, _id: DisruptionId, _step: DisruptionStep) {}
}
