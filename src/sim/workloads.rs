//! The workload controllers and the disruption controller take their turns.
//!
//! A controller looks a short reaction time after something it watches changed, once however often
//! it was woken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::cluster::api::workload::WorkloadKind;
use crate::control::decision::Decision;
use crate::control::disruption::Budgets;
use crate::control::workload::WorkloadControllers;
use crate::engine::{EventQueue, TimerId};
use crate::model::id::{BudgetId, PodId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::{About, Decider, Record};
use crate::model::{Action, Event, Reason};
use crate::sim::Run;
use crate::sim::pods::REPLACEMENT;
use crate::units::{SimDuration, SimTime};

/// What the workload controllers remember between looks.
pub(super) struct WorkloadState {
    pub(super) controllers: WorkloadControllers,
    /// Workloads whose controller will look soon, by id.
    pub(super) woken: Vec<bool>,
    /// When each controller looks again by itself, by id, and the timer that says so.
    look_again: Vec<(TimerId, Option<SimTime>)>,
    /// The last reason of each controller, told once.
    told: Vec<Option<Reason>>,
    /// Workloads whose pods were refused, and how often in a row.
    pub(super) forbidden: BTreeMap<WorkloadId, u32>,
    /// Whether pods came or went since the quotas' statuses were told, and what was told of each.
    pub(super) quotas_changed: bool,
    quotas_told: BTreeMap<Arc<str>, String>,
    /// The DaemonSets, which look whenever nodes change.
    daemon_sets: Vec<WorkloadId>,
    /// All budgets' statuses.
    pub(super) budgets: Budgets,
    /// Whether the disruption controller will look soon.
    budgets_woken: bool,
    /// Pods whose process was told to end and is finishing what is inside.
    pub(super) sigterm_sent: BTreeSet<PodId>,
    /// Pods of Jobs that call services, and the container that does.
    pub(super) at_work: BTreeMap<PodId, u8>,
    /// When the preStop of every container of a pod that terminates is over.
    pub(super) others_end: BTreeMap<PodId, SimTime>,
    /// When the next pod that a kubelet refuses is told to have failed, at the earliest.
    pub(super) next_refusal: SimTime,
}

impl WorkloadState {
    pub(super) fn new(cluster: &Cluster, queue: &mut EventQueue<Event>) -> Self {
        let workloads = cluster.workloads();
        let timers = workloads.iter().map(|workload| queue.timer(Event::Workload(workload.id)));
        let daemons = workloads
            .iter()
            .filter(|workload| matches!(workload.spec.kind, WorkloadKind::DaemonSet { .. }));
        Self {
            controllers: WorkloadControllers::new(cluster),
            woken: vec![false; workloads.len()],
            look_again: timers.map(|timer| (timer, None)).collect(),
            told: vec![None; workloads.len()],
            forbidden: BTreeMap::new(),
            quotas_changed: true,
            quotas_told: BTreeMap::new(),
            daemon_sets: daemons.map(|workload| workload.id).collect(),
            budgets: Budgets::new(cluster),
            budgets_woken: false,
            sigterm_sent: BTreeSet::new(),
            at_work: BTreeMap::new(),
            others_end: BTreeMap::new(),
            next_refusal: SimTime::ZERO + REPLACEMENT,
        }
    }
}

impl WorkloadState {
    /// A workload was made: what was told of a namesake before is told anew.
    pub(super) fn forget(&mut self, id: WorkloadId) {
        self.told[id.index()] = None;
        self.forbidden.remove(&id);
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

    /// The set of nodes changed: every DaemonSet looks.
    pub(super) fn wake_daemon_sets(&mut self) {
        for workload in self.workloads.daemon_sets.clone() {
            self.wake_workload(workload);
        }
    }

    /// A workload's controller looks.
    pub(super) fn sync_workload(&mut self, now: SimTime, id: WorkloadId) {
        self.workloads.woken[id.index()] = false;
        if !self.cluster.workload(id).exists {
            return;
        }
        let decision = self.workloads.controllers.reconcile(now, &self.cluster, id);
        let Decision { actions, reason, look_again } = decision;
        self.carry_out_all(now, &actions);
        match look_again {
            Some(after) if after.is_zero() => self.wake_workload(id),
            Some(after) => self.look_again_at(now, id, now + after),
            None => {}
        }
        let told = &mut self.workloads.told[id.index()];
        if told.as_ref() != Some(&reason) {
            *told = Some(reason.clone());
            self.records.push(Record::Decided { by: Decider::Workload(id), reason });
        }
        self.rollouts_look(now, id);
    }

    /// A controller's work queue holds one entry for an object, due at the earliest of the times it
    /// was added for (client-go util/workqueue/delaying_queue.go `insert`).
    fn look_again_at(&mut self, now: SimTime, id: WorkloadId, at: SimTime) {
        let (timer, due) = &mut self.workloads.look_again[id.index()];
        if due.is_none_or(|due| due <= now || at < due) {
            *due = Some(at);
            self.queue.arm(*timer, at, Event::Workload(id).rank());
        }
    }

    /// Applies what a controller wants. What follows a refused creation is not tried: the batches of
    /// a slow start end with the first error.
    fn carry_out_all(&mut self, now: SimTime, actions: &[Action]) {
        let mut refused = false;
        for action in actions {
            if refused && is_creation(action) {
                continue;
            }
            let before = self.records.len();
            self.apply(now, action);
            refused |= self.records[before..]
                .iter()
                .any(|record| matches!(record, Record::PodForbidden { .. }));
        }
    }

    /// The API server refused a pod: its controller tries again after the back-off of its work
    /// queue, 5 ms doubled with each failure in a row, 1000 s at most (client-go
    /// `DefaultTypedControllerRateLimiter`).
    pub(super) fn retry_creation(&mut self, id: WorkloadId) {
        let failures = self.workloads.forbidden.entry(id).or_insert(0);
        let wait = SimDuration::from_millis(5) * (1_u64 << (*failures).min(18));
        *failures += 1;
        self.schedule(wait.min(SimDuration::from_secs(1_000)), Event::Workload(id));
    }

    /// The quota controller writes what is used when pods came or went (resourcequota/
    /// resource_quota_controller.go `syncResourceQuota`).
    pub(super) fn tell_quotas(&mut self, now: SimTime) {
        if !std::mem::take(&mut self.workloads.quotas_changed) || self.cluster.quotas().is_empty() {
            return;
        }
        for (quota, status) in self.cluster.quota_statuses(now) {
            if self.workloads.quotas_told.get(&quota) != Some(&status) {
                self.announce(About::Quota(Arc::clone(&quota)), "QuotaStatus", &status);
                self.workloads.quotas_told.insert(quota, status);
            }
        }
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
            let settled = self.workloads.budgets.is_settled(now, &self.cluster, id);
            if settled || !self.cluster.budget(id).exists {
                continue;
            }
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

fn is_creation(action: &Action) -> bool {
    matches!(
        action,
        Action::CreateReplica(_)
            | Action::CreateOrdinal { .. }
            | Action::CreateDaemon { .. }
            | Action::CreateJobPod { .. }
    )
}
