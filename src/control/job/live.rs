//! The controllers of Jobs and CronJobs on live objects.

use std::sync::Arc;

use super::{CronSeen, Indexes, Observation, Step, cron, sync};
use crate::cluster::api::job::{JobSpec, JobTrigger, Schedule};
use crate::cluster::api::pod::RestartPolicy;
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Cluster, JobRun, Pod, PodOwner, PodPhase};
use crate::control::decision::{Decision, earlier};
use crate::model::action::PodDeletion;
use crate::model::id::{PodId, WorkloadId};
use crate::model::{Action, Reason};
use crate::units::convert::{count_i32, index};
use crate::units::{SimDuration, SimTime};

/// What the controllers of a Job or CronJob remember between looks.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// `status.lastScheduleTime` of a CronJob; of a Job, when it was made.
    last: Option<SimTime>,
    /// The schedule that was told to be passed over.
    skipped: Option<SimTime>,
    /// When it was asked to be woken last, so that it is woken once.
    armed: Option<SimTime>,
    /// `metadata.creationTimestamp`, when it was made while the cluster runs: schedules before do
    /// not count.
    made: Option<SimTime>,
}

impl Memory {
    /// Of an object that was made then, or before the run.
    #[must_use]
    pub fn made(at: Option<SimTime>) -> Self {
        Self { made: at, ..Self::default() }
    }

    /// One look: whether a Job is to be made, and how those that run go on. A Job without a
    /// schedule or hook is made at the first look.
    pub fn reconcile(&mut self, now: SimTime, cluster: &Cluster, id: WorkloadId) -> Decision {
        let workload = cluster.workload(id);
        let WorkloadKind::Job(spec) = &workload.spec.kind else {
            unreachable!("only Jobs and CronJobs come here");
        };
        let mut decision = Decision::nothing(Reason::InSync);
        for run in &workload.runs {
            sync_run(now, cluster, spec, run, id, &mut decision);
        }
        let name = &workload.spec.meta.name;
        match &spec.trigger {
            JobTrigger::Once if self.last.is_none() => {
                self.last = Some(now);
                let name = Arc::clone(name);
                decision.actions.push(Action::StartJob { workload: id, name });
                decision.look_again = Some(SimDuration::ZERO);
            }
            JobTrigger::Schedule(schedule) => {
                self.look_at_schedule(now, cluster, id, schedule, &mut decision);
            }
            JobTrigger::Once | JobTrigger::Suspended | JobTrigger::Hook(_) => {}
        }
        let made = decision.actions.iter().filter(|it| matches!(it, Action::CreateJobPod { .. }));
        let missing = count_i32(made.count());
        if missing > 0 {
            decision.reason = Reason::TooFewPods { missing };
        }
        decision
    }

    fn look_at_schedule(
        &mut self,
        now: SimTime,
        cluster: &Cluster,
        id: WorkloadId,
        schedule: &Schedule,
        decision: &mut Decision,
    ) {
        let workload = cluster.workload(id);
        let last = self.last.or(self.made);
        let seen = CronSeen { now, schedule, last, active: workload.runs.len() };
        let step = cron(&seen);
        if step.replace {
            for run in &workload.runs {
                end(cluster, id, run, Some("Replaced"), decision);
            }
        }
        if let Some(due) = step.start {
            self.last = Some(due);
            let minutes = due.as_nanos() / 60_000_000_000;
            let name = Arc::from(format!("{}-{minutes}", workload.spec.meta.name));
            decision.actions.push(Action::StartJob { workload: id, name });
            decision.look_again = Some(SimDuration::ZERO);
        }
        if step.skipped.is_some() && self.skipped != step.skipped {
            self.skipped = step.skipped;
            decision.actions.push(Action::SkipJob(id));
        }
        if let Some(next) = step.next.filter(|next| self.armed != Some(*next)) {
            // A look that comes at once finds the alarm not set, and sets it then.
            if decision.look_again.is_none_or(|span| !span.is_zero()) {
                self.armed = Some(next);
                decision.look_again = earlier(decision.look_again, Some(next.since(now)));
            }
        }
    }
}

fn pods_of_run<'a>(
    cluster: &'a Cluster,
    id: WorkloadId,
    run: &JobRun,
) -> impl Iterator<Item = &'a Pod> {
    let owner = PodOwner::Job(id, run.number);
    cluster.pods_of(id).filter(move |pod| pod.owner == owner)
}

fn sync_run(
    now: SimTime,
    cluster: &Cluster,
    spec: &JobSpec,
    run: &JobRun,
    id: WorkloadId,
    decision: &mut Decision,
) {
    let active = pods_of_run(cluster, id, run).filter(|pod| pod.is_active()).count();
    let terminating = pods_of_run(cluster, id, run).filter(|pod| pod.is_terminating()).count();
    let holds = |pod: &&Pod| pod.is_active() || (spec.replace_when_gone && pod.is_terminating());
    let holding = pods_of_run(cluster, id, run).filter(holds);
    let taken = holding.filter_map(|pod| run.index_of.get(&pod.id).copied()).collect();
    let indexes = spec.indexed.as_ref().zip(spec.completions).map(|(indexed, completions)| {
        Indexes { spec: indexed, completions, states: &run.indexes, taken: &taken }
    });
    let sync = sync(&Observation {
        now,
        completions: spec.completions,
        parallelism: spec.parallelism,
        backoff_limit: spec.backoff_limit,
        failed_by_rule: run.failed_by_rule,
        restarts: restarts(cluster, id, run),
        active_deadline: spec.active_deadline,
        replace_when_gone: spec.replace_when_gone,
        started: run.started,
        succeeded: run.succeeded,
        failed: run.failed,
        failures_in_row: run.failures_in_row,
        last_failure: run.last_failure,
        active: count_i32(active),
        terminating: count_i32(terminating),
        indexes,
    });
    match sync.step {
        Step::Nothing => {}
        Step::Create(count) => {
            let create = Action::CreateJobPod { workload: id, run: run.number, index: None };
            decision.actions.extend((0..count).map(|_| create.clone()));
        }
        Step::CreateIndexes(indexes) => {
            let create =
                |index| Action::CreateJobPod { workload: id, run: run.number, index: Some(index) };
            decision.actions.extend(indexes.into_iter().map(create));
        }
        Step::Delete(count) => {
            let victims = order_of_deletion(cluster, id, run);
            let victims = victims.into_iter().take(index(count.unsigned_abs()));
            decision.actions.extend(victims.map(delete));
        }
        Step::Complete => end(cluster, id, run, None, decision),
        Step::Fail(reason) => end(cluster, id, run, Some(reason), decision),
    }
    decision.look_again = earlier(decision.look_again, sync.look_again);
}

/// Restarts in place, of pods whose containers are started again when they fail.
fn restarts(cluster: &Cluster, id: WorkloadId, run: &JobRun) -> i32 {
    let counts = |pod: &&Pod| {
        pod.is_active() && pod.template.spec.restart_policy == RestartPolicy::OnFailure
    };
    let pods = pods_of_run(cluster, id, run).filter(counts);
    pods.map(|pod| i32::try_from(pod.restarts).unwrap_or(i32::MAX)).sum()
}

/// Ends a Job; pods that still run are deleted. A CronJob looks whether a schedule waits for that.
fn end(
    cluster: &Cluster,
    id: WorkloadId,
    run: &JobRun,
    failure: Option<&'static str>,
    decision: &mut Decision,
) {
    let active = pods_of_run(cluster, id, run).filter(|pod| pod.is_active());
    decision.actions.extend(active.map(|pod| delete(pod.id)));
    decision.actions.push(Action::EndJob { workload: id, run: run.number, failure });
    decision.look_again = Some(SimDuration::ZERO);
}

fn delete(pod: PodId) -> Action {
    Action::DeletePod { pod, grace: None, because: PodDeletion::ScaleDown }
}

/// Active pods, those to go first in front (controller_utils.go `ActivePods`): unbound, pending, not
/// ready, ready for the shortest time, youngest.
fn order_of_deletion(cluster: &Cluster, id: WorkloadId, run: &JobRun) -> Vec<PodId> {
    let mut pods: Vec<&Pod> = pods_of_run(cluster, id, run).filter(|pod| pod.is_active()).collect();
    pods.sort_by_key(|pod| {
        let ready = pod.ready_since();
        (
            pod.node.is_some(),
            pod.phase != PodPhase::Pending,
            ready.is_some(),
            std::cmp::Reverse(ready),
            std::cmp::Reverse((pod.created, pod.id)),
        )
    });
    pods.into_iter().map(|pod| pod.id).collect()
}
