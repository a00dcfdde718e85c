//! What followed from an event goes where it belongs: to the observer, and to those who watch.

use std::sync::Arc;

use crate::cluster::Occurrence;
use crate::model::Action;
use crate::model::id::{PodId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::{About, Record};
use crate::sim::Run;
use crate::units::SimTime;

impl<O: Observer> Run<'_, O> {
    /// Applies an action; what happened waits for [`Run::settle`].
    pub(super) fn apply(&mut self, now: SimTime, action: &Action) {
        self.cluster.apply(now, action, &mut self.records);
    }

    /// Writes a fact; what happened waits for [`Run::settle`].
    pub(super) fn occur(&mut self, now: SimTime, fact: Occurrence) {
        self.cluster.occur(now, fact, &mut self.records);
    }

    /// Tells an event of an object.
    pub(super) fn announce(&mut self, about: About, event: &'static str, message: &str) {
        self.records.push(Record::Announced { about, event, message: Arc::from(message) });
    }

    /// Tells every record once, and lets those react who watch for it. Reactions may make further
    /// records; they are told in turn.
    pub(super) fn settle(&mut self, now: SimTime) {
        while !self.records.is_empty() {
            for record in std::mem::take(&mut self.records) {
                self.react(now, &record);
                self.rollouts_see(now, &record);
                self.karpenter_sees(now, &record);
                self.observer.record(now, record);
            }
            self.tell_quotas(now);
        }
    }

    fn react(&mut self, now: SimTime, record: &Record) {
        match record {
            Record::WorkloadCreated(workload) => self.workload_made(now, *workload),
            Record::WorkloadDeleted(workload) => self.workload_deleted(now, *workload),
            Record::WorkloadScaled { workload, .. }
            | Record::WorkloadUpdated { workload, .. }
            | Record::JobStarted { workload, .. } => self.wake_workload(*workload),
            Record::JobEnded { workload, failure, .. } => {
                self.wake_workload(*workload);
                self.hook_ended(now, *workload, *failure);
            }
            Record::PodForbidden { workload, .. } => self.retry_creation(*workload),
            Record::PodCreated { pod, workload, name } => {
                debug_assert_eq!(pod.index(), self.pod_names.len(), "pods are numbered in order");
                self.pod_names.push(std::sync::Arc::clone(name));
                self.pod_created(now, *pod, *workload);
            }
            Record::PodUnschedulable { pod, .. } => self.pod_calls_autoscaler(now, *pod),
            Record::PodBound { pod, node, .. } => self.pod_bound(now, *pod, *node),
            Record::PodBecameReady(pod) => {
                self.pod_became_ready(now, *pod);
                self.pod_changed(*pod);
            }
            Record::PodBecameUnready(pod) => {
                self.pod_became_unready(*pod);
                self.pod_changed(*pod);
            }
            Record::PodTerminating { pod, .. } => {
                self.pod_terminating(now, *pod);
                self.pod_changed(*pod);
            }
            Record::PodGone(pod) => self.pod_gone(now, *pod),
            Record::NodeRequested { node, .. } => self.node_requested(*node),
            Record::NodeLaunched { machine, .. } if machine.spot => {
                self.watch_spot(now, machine);
            }
            Record::NodeBecameReady(node) => self.node_became_ready(now, *node),
            Record::NodeRegistered(node)
            | Record::NodeGpusAllocatable(node)
            | Record::NodeUncordoned(node)
            | Record::NodeCordoned(node) => {
                self.node_changed(now, *node);
                self.wake_daemon_sets();
            }
            Record::NodeRecovered(node) => self.node_recovered(now, *node),
            Record::NodeLost(node) => self.node_lost(now, *node),
            Record::NodeRemoving(node) => self.node_removing(now, *node),
            Record::NodeGone(node) => self.node_gone(now, *node),
            Record::ReplicaSetCreated(..)
            | Record::RolloutEnded(..)
            | Record::JobSkipped(_)
            | Record::PodEnded { .. }
            | Record::PodImagesPulled { .. }
            | Record::PodStarted(_)
            | Record::EvictionRefused { .. }
            | Record::BudgetChanged { .. }
            | Record::NodeReclaimed(_)
            | Record::NodeLaunched { .. }
            | Record::NodeLaunchFailed { .. }
            | Record::NodeUnneeded { .. }
            | Record::NodeDisrupted { .. }
            | Record::HpaSynced(..)
            | Record::Decided { .. }
            | Record::AutoscalerStatus(_)
            | Record::DisruptionBegan(_)
            | Record::DisruptionEnded(_)
            | Record::ContainerDied { .. }
            | Record::TasksInterrupted { .. }
            | Record::Announced { .. } => {}
        }
    }

    fn pod_created(&mut self, now: SimTime, pod: PodId, workload: WorkloadId) {
        self.pod_owners.push(workload);
        self.workloads.quotas_changed = true;
        self.workloads.forbidden.remove(&workload);
        self.wake_workload(workload);
        self.pod_to_schedule(now, pod);
    }

    /// What counts pods looks: the owner, and the budgets.
    fn pod_changed(&mut self, pod: PodId) {
        self.wake_budgets();
        if let Some(owner) = self.cluster.pod(pod).map(crate::cluster::Pod::workload) {
            self.wake_workload(owner);
        }
    }
}
