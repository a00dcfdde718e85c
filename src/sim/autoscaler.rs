//! The Cluster Autoscaler's place in the run.

use crate::engine::Streams;
use crate::model::observer::Observer;
use crate::scenario::Scenario;
use crate::sim::Run;
use crate::units::SimTime;

pub(super) struct Autoscaler {}

impl Autoscaler {
    pub(super) fn new(_scenario: &Scenario, _streams: &Streams) -> Self {
        Self {}
    }
}

impl<O: Observer> Run<'_, O> {
    pub(super) fn start_autoscaler(&mut self) {}
    pub(super) fn run_autoscaler(&mut self, _now: SimTime) {}
}
