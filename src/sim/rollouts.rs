//! Rollouts: objects written anew, and the wait of `helm upgrade --wait --timeout` for them.
//!
//! Hooks before an upgrade run one after another, by weight and name; then the objects are written;
//! then everything that was written is waited for by helm's rule; then the hooks after it run. Each
//! of these may take as long as the timeout says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::cluster::api::WorkloadSpec;
use crate::cluster::api::job::{Hook, JobSpec, JobTrigger};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Cluster, Occurrence, Pod};
use crate::control::helm_wait::{self, Readiness};
use crate::model::event::DisruptionStep;
use crate::model::id::{DisruptionId, PodId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::Record;
use crate::model::rollout::{RollbackOutcome, RolloutCapacity, RolloutEnd, RolloutOutcome};
use crate::model::{Action, Event};
use crate::scenario::{DisruptionTarget, RolloutSpec};
use crate::sim::Run;
use crate::sim::releases::Before;
use crate::units::SimTime;
use crate::units::convert::count_i32;

/// A rollout under way.
#[derive(Debug)]
pub(super) struct RolloutState {
    pub(super) spec: Arc<RolloutSpec>,
    began: SimTime,
    stage: Stage,
    /// Hooks still to run in this stage, and the one that runs.
    hooks: VecDeque<HookJob>,
    hook: Option<HookJob>,
    /// When the present stage has lasted for the timeout.
    deadline: SimTime,
    /// Workloads whose controller has not looked since they were written.
    unseen: BTreeSet<WorkloadId>,
    /// Workloads that have to become ready.
    waited: BTreeSet<WorkloadId>,
    capacity: BTreeMap<WorkloadId, RolloutCapacity>,
    /// What was there before, when it may have to come back.
    before: Option<Before>,
    /// How the upgrade failed, while the release before comes back.
    failure: Option<RolloutEnd>,
}

/// A hook and the object it is made from.
type HookJob = (WorkloadId, Arc<WorkloadSpec>);

/// What a rollout is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    HooksBefore,
    Waiting,
    HooksAfter,
    RollingBack,
}

impl<O: Observer> Run<'_, O> {
    /// `helm upgrade` begins.
    pub(super) fn begin_rollout(
        &mut self,
        now: SimTime,
        id: DisruptionId,
        spec: &Arc<RolloutSpec>,
    ) {
        let is_job = |it: &WorkloadId| self.job_spec(*it).is_some();
        let waited = spec.workloads.iter().map(|(workload, _)| *workload);
        let capacity = waited.filter(|it| !is_job(it)).map(|workload| {
            let ready = ready_pods(&self.cluster, workload);
            (workload, RolloutCapacity { workload, wanted: ready, ready, at: now })
        });
        let state = RolloutState {
            spec: Arc::clone(spec),
            began: now,
            stage: Stage::HooksBefore,
            hooks: self.hooks(spec, |hook| hook.before_upgrade),
            hook: None,
            deadline: now + spec.timeout,
            unseen: BTreeSet::new(),
            waited: BTreeSet::new(),
            capacity: capacity.collect(),
            before: None,
            failure: None,
        };
        let busy = spec.key == "upgrade"
            && self.rollouts.values().any(|other| {
                let mut theirs = other.spec.workloads.iter();
                other.spec.key == spec.key
                    && theirs.any(|(id, _)| spec.workloads.iter().any(|(mine, _)| mine == id))
            });
        self.rollouts.insert(id, state);
        if busy {
            let why = "another operation (install/upgrade/rollback) is in progress";
            let missing = vec![(Arc::from("helm"), Arc::from(why))];
            self.end_rollout(now, id, RolloutOutcome::Refused, missing);
            return;
        }
        self.next_hook(now, id);
    }

    /// The hooks of the release, lighter ones first, those of equal weight by name.
    fn hooks(&self, spec: &RolloutSpec, which: impl Fn(&Hook) -> bool) -> VecDeque<HookJob> {
        let there = || {
            let specs = self.jobs().into_iter();
            specs.map(|id| (id, Arc::clone(&self.cluster.workload(id).spec))).collect()
        };
        let all: Vec<HookJob> = spec.hooks.clone().unwrap_or_else(there);
        let mut hooks: Vec<(i32, Arc<str>, HookJob)> = Vec::new();
        for (id, spec) in all {
            if let Some(hook) = hook_of(&spec).filter(|hook| which(hook)) {
                hooks.push((hook.weight, Arc::clone(&spec.meta.name), (id, spec)));
            }
        }
        hooks.sort_by(|one, other| (one.0, &one.1, one.2.0).cmp(&(other.0, &other.1, other.2.0)));
        hooks.into_iter().map(|(_, _, hook)| hook).collect()
    }

    /// Runs the next hook of the stage, or goes on to the next stage.
    fn next_hook(&mut self, now: SimTime, id: DisruptionId) {
        let Some(state) = self.rollouts.get_mut(&id) else { return };
        state.hook = state.hooks.pop_front();
        match (state.hook.clone(), state.stage) {
            (Some((hook, spec)), _) => {
                self.arm_timeout(now, id);
                self.make_hook(now, id, hook, spec);
            }
            (None, Stage::HooksBefore) => self.write_release(now, id),
            (None, Stage::Waiting | Stage::HooksAfter | Stage::RollingBack) => {
                self.end_rollout(now, id, RolloutOutcome::Ready, Vec::new());
            }
        }
    }

    /// Makes the Job of a hook. What an earlier release left of it is deleted first, when its policy
    /// says so; otherwise the name is taken.
    fn make_hook(
        &mut self,
        now: SimTime,
        id: DisruptionId,
        hook: WorkloadId,
        spec: Arc<WorkloadSpec>,
    ) {
        let name = Arc::clone(&spec.meta.name);
        if self.cluster.workload(hook).exists {
            if !hook_of(&spec).is_some_and(|hook| hook.delete.before_creation) {
                let why = format!("jobs.batch \"{name}\" already exists");
                let missing = vec![(name, Arc::from(why))];
                self.end_rollout(now, id, RolloutOutcome::HookFailed, missing);
                return;
            }
            self.occur(now, Occurrence::WorkloadDeleted(hook));
        }
        self.occur(now, Occurrence::WorkloadWritten(hook, spec));
        self.apply(now, &Action::StartJob { workload: hook, name });
    }

    fn arm_timeout(&mut self, now: SimTime, id: DisruptionId) {
        let Some(state) = self.rollouts.get_mut(&id) else { return };
        state.deadline = now + state.spec.timeout;
        let event = Event::Disruption(id, DisruptionStep::End);
        self.queue.schedule(state.deadline, event.rank(), event);
    }

    /// A Job is over; when it was a hook, its rollout goes on, and whoever waits for Jobs looks.
    pub(super) fn hook_ended(
        &mut self,
        now: SimTime,
        job: WorkloadId,
        failure: Option<&'static str>,
    ) {
        let runs = |state: &RolloutState| state.hook.as_ref().is_some_and(|(id, _)| *id == job);
        let waiting = self.rollouts.iter().filter(|(_, state)| runs(state)).map(|(id, _)| *id);
        let waiting: Vec<DisruptionId> = waiting.collect();
        if let Some(hook) =
            hook_of(&self.cluster.workload(job).spec).filter(|_| !waiting.is_empty())
            && (if failure.is_some() { hook.delete.failed } else { hook.delete.succeeded })
        {
            self.occur(now, Occurrence::WorkloadDeleted(job));
        }
        for id in waiting {
            if failure.is_some() {
                self.end_rollout(now, id, RolloutOutcome::HookFailed, Vec::new());
            } else {
                self.next_hook(now, id);
            }
        }
        self.all_rollouts_look(now);
    }

    /// The objects of the release are written, and waited for from now on.
    fn write_release(&mut self, now: SimTime, id: DisruptionId) {
        let Some(state) = self.rollouts.get(&id) else { return };
        let spec = Arc::clone(&state.spec);
        let before = spec.roll_back.then(|| self.remember(&spec));
        let Some(state) = self.rollouts.get_mut(&id) else { return };
        state.stage = Stage::Waiting;
        state.before = before;
        state.waited = state.capacity.keys().copied().collect();
        state.unseen = state.waited.clone();
        self.arm_timeout(now, id);
        let refused = self.write_objects(now, id, &spec);
        if refused.is_empty() {
            self.delete_gone(now, &spec.gone);
            self.look_at_rollout(now, id);
        } else {
            // Helm changes what it can, deletes nothing and does not wait (pkg/kube `Update`).
            self.end_rollout(now, id, RolloutOutcome::Refused, refused);
        }
    }

    /// A workload's controller has looked: whoever waits for it looks too.
    pub(super) fn rollouts_look(&mut self, now: SimTime, workload: WorkloadId) {
        let mut concerned = Vec::new();
        for (id, state) in &mut self.rollouts {
            state.unseen.remove(&workload);
            if state.waited.contains(&workload) {
                concerned.push(*id);
            }
        }
        for id in concerned {
            self.look_at_rollout(now, id);
        }
    }

    /// Something changed that no controller of a workload looks at: a claim, a Job.
    pub(super) fn all_rollouts_look(&mut self, now: SimTime) {
        for id in self.rollouts.keys().copied().collect::<Vec<_>>() {
            self.look_at_rollout(now, id);
        }
    }

    /// Ends the wait when everything is ready, or nothing can become ready any more.
    fn look_at_rollout(&mut self, now: SimTime, id: DisruptionId) {
        let Some(state) = self.rollouts.get(&id) else { return };
        let waits = matches!(state.stage, Stage::Waiting | Stage::RollingBack);
        if !waits || !state.unseen.is_empty() {
            return;
        }
        let states = self.states(now, state);
        if states.iter().any(|(_, state)| matches!(state, Readiness::InProgress(_))) {
            return;
        }
        if states.iter().any(|(_, state)| matches!(state, Readiness::Failed(_))) {
            self.end_rollout(now, id, RolloutOutcome::Failed, Vec::new());
            return;
        }
        if state.stage == Stage::Waiting {
            let hooks = self.hooks(&Arc::clone(&state.spec), |hook| hook.after_upgrade);
            if let Some(state) = self.rollouts.get_mut(&id) {
                state.stage = Stage::HooksAfter;
                state.hooks = hooks;
            }
        }
        self.next_hook(now, id);
    }

    /// Everything that is waited for, by name, and how far it is.
    fn states(&self, now: SimTime, state: &RolloutState) -> Vec<(Arc<str>, Readiness)> {
        let name = |id: WorkloadId| Arc::clone(&self.cluster.workload(id).spec.meta.name);
        let look = |id: &WorkloadId| {
            let rule = state.spec.rule;
            helm_wait::look(now, &self.cluster, &self.workloads.controllers, rule, *id)
        };
        let there = |id: &&WorkloadId| self.cluster.workload(**id).exists;
        let workloads = state.waited.iter().filter(there).map(|id| (name(*id), look(id)));
        let mut states: Vec<(Arc<str>, Readiness)> = workloads.collect();
        if state.stage == Stage::Waiting {
            let jobs = state.spec.workloads.iter().map(|(id, _)| *id);
            let jobs = jobs.filter(|id| state.spec.wait_for_jobs && self.job_spec(*id).is_some());
            states.extend(jobs.map(|id| (name(id), helm_wait::job(&self.cluster, id))));
            let claims = state.spec.claims.iter();
            states.extend(claims.filter_map(|claim| {
                let full = format!("{}/{}", claim.meta.namespace, claim.meta.name);
                let readiness = helm_wait::claim(self.cluster.claim(&full)?);
                Some((Arc::from(format!("PersistentVolumeClaim/{}", claim.meta.name)), readiness))
            }));
        }
        states
    }

    /// The timeout of a stage has come; it may have been over before.
    pub(super) fn rollout_timeout(&mut self, now: SimTime, id: DisruptionId) {
        let Some(state) = self.rollouts.get(&id) else { return };
        if now < state.deadline {
            return;
        }
        let outcome = match state.stage {
            Stage::Waiting | Stage::RollingBack => RolloutOutcome::TimedOut,
            Stage::HooksBefore | Stage::HooksAfter => RolloutOutcome::HookFailed,
        };
        self.end_rollout(now, id, outcome, Vec::new());
    }

    /// The upgrade is over, well or badly; after a failure the release before may have to come back.
    fn end_rollout(
        &mut self,
        now: SimTime,
        id: DisruptionId,
        outcome: RolloutOutcome,
        mut missing: Vec<(Arc<str>, Arc<str>)>,
    ) {
        let Some(mut state) = self.rollouts.remove(&id) else { return };
        if let Some(mut failed) = state.failure.take() {
            let ready = outcome == RolloutOutcome::Ready;
            let rollback = if ready { RollbackOutcome::Ready } else { RollbackOutcome::NotReady };
            failed.rollback = Some(rollback);
            self.tell_end(now, id, state, failed);
            return;
        }
        let mut pods = Vec::new();
        if matches!(outcome, RolloutOutcome::TimedOut | RolloutOutcome::Failed) {
            for (name, readiness) in self.states(now, &state) {
                if let Readiness::InProgress(why) | Readiness::Failed(why) = readiness {
                    missing.push((name, Arc::from(why)));
                }
            }
            let unready = |id: &WorkloadId| helm_wait::unready_pods(&self.cluster, *id);
            pods = state.waited.iter().flat_map(unready).collect();
        }
        if let Some((_, hook)) = &state.hook
            && outcome == RolloutOutcome::HookFailed
            && missing.is_empty()
        {
            let name = Arc::clone(&hook.meta.name);
            missing.push((name, Arc::from("the hook did not complete")));
        }
        let (took, capacity, rollback) = (now.since(state.began), Vec::new(), None);
        let end = RolloutEnd { outcome, took, missing, pods, capacity, rollback };
        match state.before.take().filter(|_| outcome != RolloutOutcome::Ready) {
            Some(before) => {
                let spec = Arc::clone(&state.spec);
                (state.failure, state.stage, state.hook) = (Some(end), Stage::RollingBack, None);
                state.hooks.clear();
                state.waited =
                    before.was_there().filter(|it| self.job_spec(*it).is_none()).collect();
                state.unseen = state.waited.clone();
                self.rollouts.insert(id, state);
                self.arm_timeout(now, id);
                self.write_back(now, &spec, before);
                self.look_at_rollout(now, id);
            }
            None => self.tell_end(now, id, state, end),
        }
    }

    fn tell_end(&mut self, now: SimTime, id: DisruptionId, state: RolloutState, end: RolloutEnd) {
        let capacity = state.capacity.into_values().collect();
        let end = RolloutEnd { took: now.since(state.began), capacity, ..end };
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
            | DisruptionTarget::Slow { .. }
            | DisruptionTarget::UpgradePool { .. }
            | DisruptionTarget::CapacityShortage { .. }
            | DisruptionTarget::ReclaimSpot { .. } => None,
        }
    }
}

/// The hook that a Job is.
fn hook_of(spec: &WorkloadSpec) -> Option<&Hook> {
    let WorkloadKind::Job(JobSpec { trigger: JobTrigger::Hook(hook), .. }) = &spec.kind else {
        return None;
    };
    Some(hook)
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
    let sets = &cluster.workload(id).replica_sets;
    if !sets.is_empty() {
        let sets = sets.iter().filter_map(|set| cluster.replica_set(*set));
        return count_i32(sets.map(|set| set.counts.ready()).sum());
    }
    let serves = |pod: &&Pod| pod.is_active() && pod.is_ready();
    count_i32(cluster.pods_of(id).filter(serves).count())
}
