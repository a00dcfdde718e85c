//! The workload controllers and the disruption controller take their turns.
//!
//! A controller looks a short reaction time after something it watches changed, once however often
//! it was woken.

use std::collections::BTreeSet;

use crate::cluster::Cluster;
use crate::cluster::api::workload::WorkloadKind;
use crate::control::decision::Decision;
use crate::control::disruption::Budgets;
use crate::control::{daemon_set, deployment, replica_set, stateful_set};
use crate::model::id::{BudgetId, PodId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::{Decider, Record};
use crate::model::{Event, Reason};
use crate::sim::Run;
use crate::units::{SimDuration, SimTime};

/// What the workload controllers remember between looks.
pub(super) struct WorkloadState {
    /// Each workload, by id.
    controllers: Vec<Controller>,
    /// All budgets' statuses.
    pub(super) budgets: Budgets,
    /// Whether the disruption controller will look soon.
    pub(super) budgets_woken: bool,
    /// Pods whose process was told to end and is finishing what is inside.
    pub(super) sigterm_sent: BTreeSet<PodId>,
}

/// The controller of one workload.
struct Controller {
    /// It will look soon.
    woken: bool,
    /// Its last reason, told once.
    told: Option<Reason>,
    memory: Memory,
}

enum Memory {
    Deployment(deployment::Memory),
    StatefulSet(stateful_set::Memory),
    DaemonSet,
    ReplicaSet,
}

impl WorkloadState {
    pub(super) fn new(cluster: &Cluster) -> Self {
        let controller = |workload: &crate::cluster::Workload| Controller {
            woken: false,
            told: None,
            memory: match workload.spec.kind {
                WorkloadKind::Deployment { .. } => {
                    Memory::Deployment(deployment::Memory::default())
                }
                WorkloadKind::StatefulSet { .. } => {
                    Memory::StatefulSet(stateful_set::Memory::default())
                }
                WorkloadKind::DaemonSet { .. } => Memory::DaemonSet,
                WorkloadKind::ReplicaSet => Memory::ReplicaSet,
            },
        };
        Self {
            controllers: cluster.workloads().iter().map(controller).collect(),
            budgets: Budgets::new(cluster),
            budgets_woken: false,
            sigterm_sent: BTreeSet::new(),
        }
    }
}

impl<O: Observer> Run<'_, O> {
    /// A workload's controller looks soon, once however often it is woken.
    pub(super) fn wake_workload(&mut self, id: WorkloadId) {
        let woken = &mut self.workloads.controllers[id.index()].woken;
        if !std::mem::replace(woken, true) {
            let delay = if self.booting {
                SimDuration::ZERO
            } else {
                self.scenario.timings.controller_reaction
            };
            self.schedule(delay, Event::Workload(id));
        }
    }

    /// The set of nodes changed: every DaemonSet looks.
    pub(super) fn wake_daemon_sets(&mut self) {
        for position in 0..self.workloads.controllers.len() {
            if matches!(self.workloads.controllers[position].memory, Memory::DaemonSet) {
                self.wake_workload(WorkloadId::at(position));
            }
        }
    }

    /// A workload's controller looks.
    pub(super) fn sync_workload(&mut self, now: SimTime, id: WorkloadId) {
        let controller = &mut self.workloads.controllers[id.index()];
        controller.woken = false;
        let decision = match &mut controller.memory {
            Memory::Deployment(memory) => memory.reconcile(now, &self.cluster, id),
            Memory::StatefulSet(memory) => memory.reconcile(now, &self.cluster, id),
            Memory::DaemonSet => daemon_set::reconcile(now, &self.cluster, id),
            Memory::ReplicaSet => replica_set::reconcile_bare(now, &self.cluster, id),
        };
        let owns_sets = matches!(controller.memory, Memory::Deployment(_));
        let mut reason = self.carry_out_decision(now, id, decision);
        if owns_sets {
            let sets = replica_set::reconcile(now, &self.cluster, id);
            let of_sets = self.carry_out_decision(now, id, sets);
            if reason == Reason::InSync {
                reason = of_sets;
            }
        }
        let told = &mut self.workloads.controllers[id.index()].told;
        if told.as_ref() != Some(&reason) {
            *told = Some(reason.clone());
            self.records.push(Record::Decided { by: Decider::Workload(id), reason });
        }
    }

    fn carry_out_decision(&mut self, now: SimTime, id: WorkloadId, decision: Decision) -> Reason {
        let Decision { actions, reason, look_again } = decision;
        for action in &actions {
            self.apply(now, action);
        }
        match look_again {
            Some(after) if after.is_zero() => self.wake_workload(id),
            Some(after) => self.schedule(after, Event::Workload(id)),
            None => {}
        }
        reason
    }

    /// The disruption controller looks soon, once however often it is woken.
    pub(super) fn wake_budgets(&mut self) {
        if !self.workloads.budgets_woken && !self.cluster.budgets().is_empty() {
            self.workloads.budgets_woken = true;
            self.schedule(self.scenario.timings.controller_reaction, Event::Budgets);
        }
    }

    /// The disruption controller looks at every budget.
    pub(super) fn sync_budgets(&mut self, now: SimTime) {
        self.workloads.budgets_woken = false;
        for position in 0..self.cluster.budgets().len() {
            let id = BudgetId::at(position);
            let (write, sync) = self.workloads.budgets.sync(now, &self.cluster, id);
            if let Some(write) = write {
                self.apply(now, &write);
            }
            if let Some(after) = sync.recheck {
                self.schedule(after, Event::Budgets);
            }
        }
    }
}
