//! The workload controllers' place in the run.

use std::collections::BTreeSet;

use crate::cluster::Cluster;
use crate::model::Event;
use crate::model::id::{PodId, WorkloadId};
use crate::model::observer::Observer;
use crate::sim::Run;
use crate::units::{SimDuration, SimTime};

/// What the workload controllers remember between looks.
pub(super) struct WorkloadState {
    /// Workloads whose controller will look soon.
    woken: Vec<bool>,
    /// Whether the disruption controller will look soon.
    pub(super) budgets_woken: bool,
    /// Pods whose process was told to end and is finishing what is inside.
    pub(super) sigterm_sent: BTreeSet<PodId>,
}

impl WorkloadState {
    pub(super) fn new(cluster: &Cluster) -> Self {
        Self {
            woken: vec![false; cluster.workloads().len()],
            budgets_woken: false,
            sigterm_sent: BTreeSet::new(),
        }
    }

    pub(super) fn pod_gone(&mut self, pod: PodId) {
        self.sigterm_sent.remove(&pod);
    }
}

impl<O: Observer> Run<'_, O> {
    /// A workload's controller looks soon, once however often it is woken.
    pub(super) fn wake_workload(&mut self, id: WorkloadId) {
        if !std::mem::replace(&mut self.workloads.woken[id.index()], true) {
            let delay = if self.booting {
                SimDuration::ZERO
            } else {
                self.scenario.timings.controller_reaction
            };
            self.schedule(delay, Event::Workload(id));
        }
    }

    pub(super) fn wake_all_owners(&mut self) {}
    pub(super) fn wake_daemon_sets(&mut self) {}
    pub(super) fn sync_workload(&mut self, _now: SimTime, id: WorkloadId) {
        self.workloads.woken[id.index()] = false;
    }
    pub(super) fn sync_budgets(&mut self, _now: SimTime) {
        self.workloads.budgets_woken = false;
    }
    pub(super) fn sync_node_lifecycle(&mut self, _now: SimTime) {}
}
