//! Rollouts: objects written anew, and the wait of `helm upgrade --wait --timeout` for them.
//!
//! Hooks before an upgrade run one after another, by weight and name; then the objects are written;
//! then everything that was written is waited for by helm's rule; then the hooks after it run. Each
//! of these may take as long as the timeout says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::cluster::api::WorkloadSpec;
use crate::cluster::api::job::{Hook, JobTrigger};
use crate::cluster::{Cluster, Occurrence, Pod};
use crate::control::helm_wait::{self, Readiness};
use crate::model::event::DisruptionStep;
use crate::model::id::{DisruptionId, PodId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::Record;
use crate::model::rollout::{RolloutCapacity, RolloutEnd, RolloutOutcome};
use crate::model::{Action, Event};
use crate::scenario::rollout::with_image;
use crate::scenario::{DisruptionTarget, RolloutSpec, WorkloadChange};
use crate::sim::Run;
use crate::units::SimTime;
use crate::units::convert::count_i32;

/// A rollout under way.
#[derive(Debug)]
pub(super) struct RolloutState {
    spec: Arc<RolloutSpec>,
    began: SimTime,
    stage: Stage,
    /// Hooks still to run in this stage, and the one that runs.
    hooks: VecDeque<WorkloadId>,
    hook: Option<WorkloadId>,
    /// When the present stage has lasted for the timeout.
    deadline: SimTime,
    /// Workloads whose controller has not looked since they were written.
    unseen: BTreeSet<WorkloadId>,
    capacity: BTreeMap<WorkloadId, RolloutCapacity>,
}

/// What a rollout is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    HooksBefore,
    Waiting,
    HooksAfter,
}

impl<O: Observer> Run<'_, O> {
    /// `helm upgrade` begins.
    pub(super) fn begin_rollout(
        &mut self,
        now: SimTime,
        id: DisruptionId,
        spec: &Arc<RolloutSpec>,
    ) {
        let capacity = spec.workloads.iter().map(|(workload, _)| {
            let ready = ready_pods(&self.cluster, *workload);
            let wanted = ready;
            (*workload, RolloutCapacity { workload: *workload, wanted, ready, at: now })
        });
        let state = RolloutState {
            spec: Arc::clone(spec),
            began: now,
            stage: Stage::HooksBefore,
            hooks: self.hooks(|hook| hook.before_upgrade),
            hook: None,
            deadline: now + spec.timeout,
            unseen: BTreeSet::new(),
            capacity: capacity.collect(),
        };
        self.rollouts.insert(id, state);
        self.next_hook(now, id);
    }

    fn hooks(&self, which: impl Fn(&Hook) -> bool) -> VecDeque<WorkloadId> {
        let mut hooks: Vec<(i32, Arc<str>, WorkloadId)> = Vec::new();
        for id in self.jobs() {
            let name = &self.cluster.workload(id).spec.meta.name;
            if let Some(JobTrigger::Hook(hook)) = self.job_spec(id).map(|spec| &spec.trigger)
                && which(hook)
            {
                hooks.push((hook.weight, Arc::clone(name), id));
            }
        }
        hooks.sort();
        hooks.into_iter().map(|(_, _, id)| id).collect()
    }

    /// Runs the next hook of the stage, or goes on to the next stage.
    fn next_hook(&mut self, now: SimTime, id: DisruptionId) {
        let Some(state) = self.rollouts.get_mut(&id) else { return };
        state.hook = state.hooks.pop_front();
        match (state.hook, state.stage) {
            (Some(hook), _) => {
                self.arm_timeout(now, id);
                let name = Arc::clone(&self.cluster.workload(hook).spec.meta.name);
                self.apply(now, &Action::StartJob { workload: hook, name });
            }
            (None, Stage::HooksBefore) => self.write_release(now, id),
            (None, Stage::Waiting | Stage::HooksAfter) => {
                self.end_rollout(now, id, RolloutOutcome::Ready);
            }
        }
    }

    fn arm_timeout(&mut self, now: SimTime, id: DisruptionId) {
        let Some(state) = self.rollouts.get_mut(&id) else { return };
        state.deadline = now + state.spec.timeout;
        let event = Event::Disruption(id, DisruptionStep::End);
        self.queue.schedule(state.deadline, event.rank(), event);
    }

    /// A Job is over; when it was a hook, its rollout goes on.
    pub(super) fn hook_ended(
        &mut self,
        now: SimTime,
        job: WorkloadId,
        failure: Option<&'static str>,
    ) {
        let waiting =
            |(id, state): (&DisruptionId, &RolloutState)| (state.hook == Some(job)).then_some(*id);
        let waiting: Vec<DisruptionId> = self.rollouts.iter().filter_map(waiting).collect();
        for id in waiting {
            if failure.is_some() {
                self.end_rollout(now, id, RolloutOutcome::HookFailed);
            } else {
                self.next_hook(now, id);
            }
        }
    }

    /// The objects of the release are written, and waited for from now on.
    fn write_release(&mut self, now: SimTime, id: DisruptionId) {
        let Some(state) = self.rollouts.get_mut(&id) else { return };
        state.stage = Stage::Waiting;
        state.unseen = state.spec.workloads.iter().map(|(workload, _)| *workload).collect();
        let spec = Arc::clone(&state.spec);
        self.arm_timeout(now, id);
        for (workload, change) in &spec.workloads {
            let (written, replicas) = self.changed(*workload, change);
            self.occur(now, Occurrence::WorkloadWritten(*workload, written));
            if let Some(replicas) = replicas {
                self.apply(now, &Action::ScaleWorkload { workload: *workload, replicas });
            }
            self.wake_workload(*workload);
        }
        for (hpa, new) in &spec.hpas {
            self.hpas[hpa.index()].replace_spec(new.clone());
        }
        for (budget, new) in &spec.budgets {
            self.occur(now, Occurrence::BudgetWritten(*budget, Arc::clone(new)));
        }
        if !spec.budgets.is_empty() {
            self.wake_budgets();
        }
        if spec.workloads.is_empty() {
            self.look_at_rollout(now, id);
        }
    }

    /// The new spec of a workload, and its new size when that is written too.
    fn changed(&self, id: WorkloadId, change: &WorkloadChange) -> (Arc<WorkloadSpec>, Option<i32>) {
        match change {
            WorkloadChange::Image { container, image } => {
                let old = &self.cluster.workload(id).spec;
                let template = with_image(&old.template, container.as_deref(), image);
                let spec =
                    WorkloadSpec { template: Arc::new(template), ..WorkloadSpec::clone(old) };
                (Arc::new(spec), None)
            }
            WorkloadChange::Written { spec, replicas } => (Arc::clone(spec), *replicas),
        }
    }

    /// A workload's controller has looked: whoever waits for it looks too.
    pub(super) fn rollouts_look(&mut self, now: SimTime, workload: WorkloadId) {
        let mut concerned = Vec::new();
        for (id, state) in &mut self.rollouts {
            state.unseen.remove(&workload);
            if state.stage == Stage::Waiting && state.capacity.contains_key(&workload) {
                concerned.push(*id);
            }
        }
        for id in concerned {
            self.look_at_rollout(now, id);
        }
    }

    /// Ends the wait when everything is ready, or nothing can become ready any more.
    fn look_at_rollout(&mut self, now: SimTime, id: DisruptionId) {
        let Some(state) = self.rollouts.get(&id) else { return };
        if !state.unseen.is_empty() {
            return;
        }
        let states: Vec<Readiness> =
            state.capacity.keys().map(|workload| self.readiness(now, state, *workload)).collect();
        if states.iter().any(|state| matches!(state, Readiness::InProgress(_))) {
            return;
        }
        if states.iter().any(|state| matches!(state, Readiness::Failed(_))) {
            self.end_rollout(now, id, RolloutOutcome::Failed);
            return;
        }
        let hooks = self.hooks(|hook| hook.after_upgrade);
        if let Some(state) = self.rollouts.get_mut(&id) {
            state.stage = Stage::HooksAfter;
            state.hooks = hooks;
        }
        self.next_hook(now, id);
    }

    fn readiness(&self, now: SimTime, state: &RolloutState, id: WorkloadId) -> Readiness {
        helm_wait::look(now, &self.cluster, &self.workloads.controllers, state.spec.rule, id)
    }

    /// The timeout of a stage has come; it may have been over before.
    pub(super) fn rollout_timeout(&mut self, now: SimTime, id: DisruptionId) {
        let Some(state) = self.rollouts.get(&id) else { return };
        if now < state.deadline {
            return;
        }
        let outcome = match state.stage {
            Stage::Waiting => RolloutOutcome::TimedOut,
            Stage::HooksBefore | Stage::HooksAfter => RolloutOutcome::HookFailed,
        };
        self.end_rollout(now, id, outcome);
    }

    fn end_rollout(&mut self, now: SimTime, id: DisruptionId, outcome: RolloutOutcome) {
        let Some(state) = self.rollouts.remove(&id) else { return };
        let mut missing = Vec::new();
        let mut pods = Vec::new();
        let waited = matches!(outcome, RolloutOutcome::TimedOut | RolloutOutcome::Failed);
        for workload in state.capacity.keys().copied().filter(|_| waited) {
            if let Readiness::InProgress(why) | Readiness::Failed(why) =
                self.readiness(now, &state, workload)
            {
                missing.push((workload, Arc::from(why)));
                pods.extend(helm_wait::unready_pods(&self.cluster, workload));
            }
        }
        if let Some(hook) = state.hook.filter(|_| outcome == RolloutOutcome::HookFailed) {
            missing.push((hook, Arc::from("the hook did not complete")));
        }
        let took = now.since(state.began);
        let capacity = state.capacity.into_values().collect();
        let end = RolloutEnd { outcome, took, missing, pods, capacity };
        self.records.push(Record::RolloutEnded(id, Box::new(end)));
        self.records.push(Record::DisruptionEnded(id));
    }

    /// Keeps the fewest ready pods of the workloads that are rolled out.
    pub(super) fn rollouts_see(&mut self, now: SimTime, record: &Record) {
        if self.rollouts.is_empty() {
            return;
        }
        let Some(pod) = pod_of(record) else { return };
        let workload = self.pod_owners[pod.index()];
        for state in self.rollouts.values_mut() {
            let Some(capacity) = state.capacity.get_mut(&workload) else { continue };
            let ready = ready_pods(&self.cluster, workload);
            if ready < capacity.ready {
                (capacity.ready, capacity.at) = (ready, now);
            }
        }
    }

    /// The spec of a disruption that is a rollout.
    pub(super) fn rollout_spec(&self, id: DisruptionId) -> Option<Arc<RolloutSpec>> {
        match &self.scenario.disruptions[id.index()].target {
            DisruptionTarget::Rollout(spec) => Some(Arc::clone(spec)),
            DisruptionTarget::Drain { .. }
            | DisruptionTarget::FailNode { .. }
            | DisruptionTarget::FailZone { .. }
            | DisruptionTarget::Cordon { .. }
            | DisruptionTarget::Scale { .. }
            | DisruptionTarget::DeletePod { .. }
            | DisruptionTarget::UpgradePool { .. }
            | DisruptionTarget::CapacityShortage { .. }
            | DisruptionTarget::ReclaimSpot { .. } => None,
        }
    }
}

/// The pod by which ready pods of its workload may become fewer.
fn pod_of(record: &Record) -> Option<PodId> {
    if let Record::PodBecameUnready(pod)
    | Record::PodTerminating { pod, .. }
    | Record::PodGone(pod) = record
    {
        Some(*pod)
    } else {
        None
    }
}

fn ready_pods(cluster: &Cluster, id: WorkloadId) -> i32 {
    let serves = |pod: &&Pod| pod.is_active() && pod.is_ready();
    count_i32(cluster.pods_of(id).filter(serves).count())
}
