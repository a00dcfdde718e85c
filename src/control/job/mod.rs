//! The Job controller: how many pods run, and when the Job is over; and the CronJob controller:
//! when a Job is made.
//!
//! kube-controller-manager, job/job_controller.go `syncJob`, `manageJob`, job/backoff_utils.go;
//! cronjob/cronjob_controllerv2.go `syncCronJob`.

mod cron;
mod indexed;
mod live;

use crate::units::{SimDuration, SimTime};

pub use cron::{CronSeen, CronStep, cron};
pub use indexed::{Indexes, Verdict};
pub use live::Memory;

/// Pods made in one synchronisation at most (`MaxPodCreateDeletePerSync`).
pub const BURST: i32 = 500;
/// Wait after the first failure (`DefaultJobPodFailureBackOff`).
const BACKOFF: SimDuration = SimDuration::from_secs(10);
/// Longest wait (`MaxJobPodFailureBackOff`).
const BACKOFF_MOST: SimDuration = SimDuration::from_secs(600);

/// What the controller looks at in one synchronisation of a Job.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Now.
    pub now: SimTime,
    /// `spec.completions`; `None` is a work queue.
    pub completions: Option<i32>,
    /// `spec.parallelism`.
    pub parallelism: i32,
    /// `spec.backoffLimit`.
    pub backoff_limit: i32,
    /// A rule of `spec.podFailurePolicy` says that it has failed.
    pub failed_by_rule: bool,
    /// Restarts of containers of active pods whose policy is `OnFailure`.
    pub restarts: i32,
    /// `spec.activeDeadlineSeconds`.
    pub active_deadline: Option<SimDuration>,
    /// `spec.podReplacementPolicy: Failed`.
    pub replace_when_gone: bool,
    /// `status.startTime`.
    pub started: SimTime,
    /// `status.succeeded`.
    pub succeeded: i32,
    /// `status.failed`.
    pub failed: i32,
    /// Failures since the last success.
    pub failures_in_row: u32,
    /// The last failure.
    pub last_failure: Option<SimTime>,
    /// Pods that are neither ended nor terminating.
    pub active: i32,
    /// Pods that terminate.
    pub terminating: i32,
    /// `completionMode: Indexed`.
    pub indexes: Option<Indexes<'a>>,
}

/// What one synchronisation of a Job comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Sync {
    /// What is to be done.
    pub step: Step,
    /// When to look again although nothing happens: a back-off or a deadline.
    pub look_again: Option<SimDuration>,
}

/// What is to be done to a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing now.
    Nothing,
    /// So many pods are made.
    Create(i32),
    /// A pod of each of these indexes is made.
    CreateIndexes(Vec<i32>),
    /// So many active pods are deleted.
    Delete(i32),
    /// It is complete.
    Complete,
    /// It failed, with the reason of its condition; its active pods are deleted.
    Fail(&'static str),
}

/// Synchronises a Job.
pub fn sync(seen: &Observation<'_>) -> Sync {
    let deadline = seen.active_deadline.map(|deadline| seen.started + deadline);
    let until_deadline = deadline.map(|at| at.since(seen.now));
    let end = |step| Sync { step, look_again: None };
    if seen.failed_by_rule {
        return end(Step::Fail("PodFailurePolicy"));
    }
    // Containers that are started again in place count too (`pastBackoffLimitOnFailure`).
    let restarted = seen.restarts > 0 && seen.restarts >= seen.backoff_limit;
    if seen.failed > seen.backoff_limit || restarted {
        return end(Step::Fail("BackoffLimitExceeded"));
    }
    if deadline.is_some_and(|at| seen.now >= at) {
        return end(Step::Fail("DeadlineExceeded"));
    }
    match seen.indexes.and_then(|indexes| indexes.verdict()) {
        Some(Verdict::Failed(reason)) => return end(Step::Fail(reason)),
        Some(Verdict::Succeeded) => return end(Step::Complete),
        None => {}
    }
    let enough = match seen.completions {
        Some(completions) => seen.succeeded >= completions,
        None => seen.succeeded > 0,
    };
    if enough && seen.active == 0 {
        return end(Step::Complete);
    }
    let wanted = match seen.completions {
        None if seen.succeeded > 0 => seen.active,
        None => seen.parallelism,
        Some(completions) => (completions - seen.succeeded).clamp(0, seen.parallelism),
    };
    if seen.active > wanted {
        let step = Step::Delete((seen.active - wanted).min(BURST));
        return Sync { step, look_again: until_deadline };
    }
    let held = if seen.replace_when_gone { seen.terminating } else { 0 };
    let missing = (wanted - seen.active - held).clamp(0, BURST);
    if missing == 0 {
        return Sync { step: Step::Nothing, look_again: until_deadline };
    }
    let sooner = |wait| Some(until_deadline.map_or(wait, |deadline| deadline.min(wait)));
    let independent = seen.indexes.is_some_and(|indexes| indexes.are_independent());
    let wait = if independent { SimDuration::ZERO } else { backoff(seen) };
    if !wait.is_zero() {
        return Sync { step: Step::Nothing, look_again: sooner(wait) };
    }
    let Some(indexes) = seen.indexes else {
        return Sync { step: Step::Create(missing), look_again: until_deadline };
    };
    let (create, wait) = indexes.to_create(seen.now, missing);
    let step = if create.is_empty() { Step::Nothing } else { Step::CreateIndexes(create) };
    Sync { step, look_again: wait.map_or(until_deadline, sooner) }
}

/// How long the next pod has to wait after failures: 10 s, doubled with each failure since the last
/// success, 10 minutes at most (backoff_utils.go `getRemainingTimePerPod`).
fn backoff(seen: &Observation<'_>) -> SimDuration {
    let last = seen.last_failure;
    last.map_or(SimDuration::ZERO, |last| backoff_after(seen.failures_in_row, last, seen.now))
}

/// What is left of the wait after so many failures.
fn backoff_after(failures: u32, last: SimTime, now: SimTime) -> SimDuration {
    let Some(doublings) = failures.checked_sub(1) else { return SimDuration::ZERO };
    let span = (BACKOFF * (1_u64 << doublings.min(16))).min(BACKOFF_MOST);
    (last + span).since(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Observation<'static> {
        Observation {
            now: SimTime::from_secs(1_000),
            completions: Some(1),
            parallelism: 1,
            backoff_limit: 6,
            failed_by_rule: false,
            restarts: 0,
            active_deadline: None,
            replace_when_gone: false,
            started: SimTime::from_secs(900),
            succeeded: 0,
            failed: 0,
            failures_in_row: 0,
            last_failure: None,
            active: 0,
            terminating: 0,
            indexes: None,
        }
    }

    #[test]
    fn pods_are_made_up_to_what_is_left_to_complete() {
        let ten = Observation { completions: Some(10), parallelism: 4, ..job() };
        assert_eq!(sync(&ten).step, Step::Create(4));
        assert_eq!(sync(&Observation { active: 4, ..ten }).step, Step::Nothing);
        assert_eq!(sync(&Observation { succeeded: 8, active: 1, ..ten }).step, Step::Create(1));
        assert_eq!(sync(&Observation { succeeded: 9, active: 2, ..ten }).step, Step::Delete(1));
        assert_eq!(sync(&Observation { succeeded: 10, active: 1, ..ten }).step, Step::Delete(1));
        assert_eq!(sync(&Observation { succeeded: 10, ..ten }).step, Step::Complete);
        let queue = Observation { completions: None, parallelism: 3, ..job() };
        assert_eq!(sync(&queue).step, Step::Create(3));
        // Once one worker of a queue is done, no new ones come.
        assert_eq!(sync(&Observation { succeeded: 1, active: 2, ..queue }).step, Step::Nothing);
        assert_eq!(sync(&Observation { succeeded: 1, ..queue }).step, Step::Complete);
    }

    #[test]
    fn failures_are_waited_out_and_counted() {
        let failed = |failures, ago: u64| Observation {
            failed: i32::try_from(failures).expect("few"),
            failures_in_row: failures,
            last_failure: Some(SimTime::from_secs(1_000 - ago)),
            ..job()
        };
        let waits = |seen| sync(&seen).look_again.map(SimDuration::as_secs);
        assert_eq!(waits(failed(1, 0)), Some(10));
        assert_eq!(waits(failed(2, 5)), Some(15));
        assert_eq!(waits(failed(6, 0)), Some(320));
        assert_eq!(sync(&failed(1, 10)).step, Step::Create(1));
        assert_eq!(sync(&failed(7, 0)).step, Step::Fail("BackoffLimitExceeded"));
        let limited = Observation { active_deadline: Some(SimDuration::from_secs(100)), ..job() };
        assert_eq!(sync(&limited).step, Step::Fail("DeadlineExceeded"));
    }

    #[test]
    fn a_terminating_pod_is_replaced_at_once_unless_the_policy_says_failed() {
        let evicted = Observation { terminating: 1, ..job() };
        assert_eq!(sync(&evicted).step, Step::Create(1));
        let patient = Observation { replace_when_gone: true, ..evicted };
        assert_eq!(sync(&patient).step, Step::Nothing);
    }
}
