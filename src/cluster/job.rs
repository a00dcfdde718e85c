//! Jobs as they live: which run, how many of their pods succeeded and failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::job::{FailureAction, FailureCause, FailureRule};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::pod::{Pod, PodOwner, PodPhase};
use crate::cluster::state::Cluster;
use crate::cluster::workload::Workload;
use crate::model::action::PodDeletion;
use crate::model::id::{PodId, WorkloadId};
use crate::model::record::Record;
use crate::units::SimTime;

/// How the last Job of an object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobEnd {
    /// `None` when it is complete, else why it failed, in the controller's word.
    pub failure: Option<&'static str>,
}

/// A Job that runs, and its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// Which of its owner's Jobs.
    pub number: u32,
    /// Its name.
    pub name: Arc<str>,
    /// `status.startTime`.
    pub started: SimTime,
    /// `status.succeeded`.
    pub succeeded: i32,
    /// `status.failed`.
    pub failed: i32,
    /// Pods that failed since the last one that succeeded.
    pub failures_in_row: u32,
    /// When the last one failed.
    pub last_failure: Option<SimTime>,
    /// A rule of its policy says that it has failed.
    pub failed_by_rule: bool,
    /// What became of each index so far, when completions have numbers.
    pub indexes: BTreeMap<i32, IndexState>,
    /// The index of each pod that is there.
    pub index_of: BTreeMap<PodId, i32>,
}

/// An index of a Job whose completions have numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexState {
    /// A pod of it succeeded.
    pub succeeded: bool,
    /// It is not tried again.
    pub failed: bool,
    /// Its failures that count (annotation `job-index-failure-count`).
    pub failures: i32,
    /// Its failures that a rule ignores; they are waited for as well.
    pub ignored: i32,
    /// The last failure.
    pub last_failure: Option<SimTime>,
}

/// The exit code of a process that SIGTERM ends.
const TERMINATED: u8 = 143;

/// How a Job's pod failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failure {
    /// The code its container ended with; `None` when none ran, or nobody can tell any more.
    exit_code: Option<u8>,
    /// It was disrupted, which is a condition of its own (`DisruptionTarget`).
    disrupted: bool,
}

impl Failure {
    /// Whether a rule is about it (pod_failure_policy.go `matchPodFailurePolicy`): a pod that was
    /// disrupted has the exit code of its container as well.
    fn is_of(self, cause: &FailureCause) -> bool {
        match cause {
            FailureCause::ExitCode { one_of, codes } => {
                self.exit_code.is_some_and(|code| codes.contains(&i32::from(code)) == *one_of)
            }
            FailureCause::Disruption => self.disrupted,
        }
    }
}

impl JobRun {
    /// A pod failed: the first rule that is about it decides, and without one it counts.
    fn pod_failed(&mut self, now: SimTime, pod: PodId, failure: Failure, rules: &Rules) {
        let rule = rules.failures.iter().find(|rule| failure.is_of(&rule.on));
        let action = rule.map_or(FailureAction::Count, |rule| rule.action);
        if let Some(limit) = rules.per_index {
            self.index_failed(now, pod, action, limit);
        }
        match action {
            FailureAction::Ignore => return,
            FailureAction::FailJob => self.failed_by_rule = true,
            FailureAction::Count | FailureAction::FailIndex => {}
        }
        self.failed += 1;
        self.failures_in_row += 1;
        self.last_failure = Some(now);
    }

    /// What a failure means to the pod's index (job/indexed_job_utils.go `isIndexFailed`,
    /// `getNewIndexFailureCounts`).
    fn index_failed(&mut self, now: SimTime, pod: PodId, action: FailureAction, limit: i32) {
        let Some(index) = self.index_of.get(&pod) else { return };
        let state = self.indexes.entry(*index).or_default();
        state.last_failure = Some(now);
        if action == FailureAction::Ignore {
            state.ignored += 1;
            return;
        }
        state.failed |= action == FailureAction::FailIndex || state.failures >= limit;
        state.failures += 1;
    }

    fn pod_succeeded(&mut self, pod: PodId) {
        self.failures_in_row = 0;
        let Some(index) = self.index_of.get(&pod) else {
            self.succeeded += 1;
            return;
        };
        let state = self.indexes.entry(*index).or_default();
        if !std::mem::replace(&mut state.succeeded, true) {
            self.succeeded += 1;
        }
    }
}

/// What decides about a failed pod.
struct Rules {
    failures: Vec<FailureRule>,
    /// `spec.backoffLimitPerIndex`.
    per_index: Option<i32>,
}

impl Workload {
    /// A Job that runs, by its number.
    #[must_use]
    pub fn run(&self, number: u32) -> Option<&JobRun> {
        self.runs.iter().find(|run| run.number == number)
    }

    /// A Job that runs, and the rules for its failed pods.
    fn run_and_rules(&mut self, number: u32) -> (Option<&mut JobRun>, Rules) {
        let rules = match &self.spec.kind {
            WorkloadKind::Job(spec) => Rules {
                failures: spec.failure_rules.clone(),
                per_index: spec.indexed.as_ref().and_then(|indexed| indexed.backoff_limit),
            },
            WorkloadKind::Deployment { .. }
            | WorkloadKind::StatefulSet { .. }
            | WorkloadKind::DaemonSet { .. }
            | WorkloadKind::ReplicaSet => Rules { failures: Vec::new(), per_index: None },
        };
        (self.runs.iter_mut().find(|run| run.number == number), rules)
    }

    /// A pod vanished with its node, without a deletion that would have been counted.
    pub(super) fn job_pod_gone(&mut self, now: SimTime, run: u32, pod: &Pod) {
        let ended = matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed);
        let (Some(run), rules) = self.run_and_rules(run) else { return };
        if !ended && !pod.is_terminating() {
            // The kubelet that would tell how its containers ended is gone, too.
            let failure = Failure { exit_code: None, disrupted: true };
            run.pod_failed(now, pod.id, failure, &rules);
        }
        run.index_of.remove(&pod.id);
    }
}

impl Cluster {
    pub(super) fn start_job(
        &mut self,
        now: SimTime,
        id: WorkloadId,
        name: &Arc<str>,
        records: &mut Vec<Record>,
    ) {
        let workload = self.workload_mut(id);
        workload.runs.push(JobRun {
            number: workload.next_run,
            name: Arc::clone(name),
            started: now,
            succeeded: 0,
            failed: 0,
            failures_in_row: 0,
            last_failure: None,
            failed_by_rule: false,
            indexes: BTreeMap::new(),
            index_of: BTreeMap::new(),
        });
        workload.next_run += 1;
        records.push(Record::JobStarted { workload: id, name: Arc::clone(name) });
    }

    pub(super) fn create_job_pod(
        &mut self,
        now: SimTime,
        id: WorkloadId,
        (number, index): (u32, Option<i32>),
        records: &mut Vec<Record>,
    ) {
        let workload = self.workload_mut(id);
        let Some(run) = workload.run(number) else { return };
        let name = match index {
            Some(index) => format!("{}-{index}-{}", run.name, workload.next_pod),
            None => format!("{}-{}", run.name, workload.next_pod),
        };
        workload.next_pod += 1;
        let revision = workload.wanted().clone();
        let pod = self.create_pod(now, name, PodOwner::Job(id, number), revision, records);
        if let (Some(pod), Some(index)) = (pod, index) {
            let runs = &mut self.workload_mut(id).runs;
            let run = runs.iter_mut().find(|run| run.number == number);
            run.expect("it was there above").index_of.insert(pod, index);
        }
    }

    pub(super) fn end_job(
        &mut self,
        now: SimTime,
        id: WorkloadId,
        number: u32,
        failure: Option<&'static str>,
        records: &mut Vec<Record>,
    ) {
        let workload = self.workload_mut(id);
        let Some(position) = workload.runs.iter().position(|run| run.number == number) else {
            return;
        };
        let run = workload.runs.remove(position);
        workload.ended = Some(JobEnd { failure });
        let took = now.since(run.started);
        let name = Arc::clone(&run.name);
        workload.last_run = Some(run);
        records.push(Record::JobEnded { workload: id, name, took, failure });
    }

    /// A pod's containers ended by themselves, a failed one with this code. Only a Job's do: those
    /// of others are restarted.
    pub(super) fn pod_ended(
        &mut self,
        now: SimTime,
        id: PodId,
        exit_code: u8,
        records: &mut Vec<Record>,
    ) {
        let succeeded = exit_code == 0;
        let Some(pod) = self.pod(id) else { return };
        let (owner, counted) = (pod.owner, pod.is_terminating());
        let phase = if succeeded { PodPhase::Succeeded } else { PodPhase::Failed };
        self.change_pod(id, |pod| pod.phase = phase);
        if let PodOwner::Job(workload, number) = owner
            && !counted
            && let (Some(run), rules) = self.workloads[workload.index()].run_and_rules(number)
        {
            if succeeded {
                run.pod_succeeded(id);
            } else {
                let failure = Failure { exit_code: Some(exit_code), disrupted: false };
                run.pod_failed(now, id, failure, &rules);
            }
        }
        records.push(Record::PodEnded { pod: id, succeeded });
        self.pod_gone(now, id, records);
    }

    /// The kubelet gave up a Job's pod: it counts as one whose containers failed. One that is being
    /// deleted was counted then.
    pub(super) fn job_pod_failed(&mut self, now: SimTime, id: PodId, disrupted: bool) {
        let Some(pod) = self.pod(id) else { return };
        let PodOwner::Job(workload, number) = pod.owner else { return };
        let exit_code = (pod.phase == PodPhase::Running).then_some(TERMINATED);
        if !pod.is_terminating()
            && let (Some(run), rules) = self.workloads[workload.index()].run_and_rules(number)
        {
            run.pod_failed(now, id, Failure { exit_code, disrupted }, &rules);
        }
    }

    /// A Job's pod that someone else deletes has failed (job_controller.go `isPodFailed`); one that
    /// the Job itself deletes has not.
    pub(super) fn job_pod_deleted(&mut self, now: SimTime, id: PodId, because: PodDeletion) {
        let Some(pod) = self.pod(id) else { return };
        let PodOwner::Job(workload, number) = pod.owner else { return };
        if matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed) {
            // It was counted when it ended.
            return;
        }
        let exit_code = (pod.phase == PodPhase::Running).then_some(TERMINATED);
        if because != PodDeletion::ScaleDown
            && let (Some(run), rules) = self.workloads[workload.index()].run_and_rules(number)
        {
            // Someone's own deletion is no disruption; evictions, preemption and lost nodes are.
            let disrupted = because != PodDeletion::Scenario;
            run.pod_failed(now, id, Failure { exit_code, disrupted }, &rules);
        }
    }
}
