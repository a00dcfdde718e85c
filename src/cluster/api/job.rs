//! Jobs and CronJobs as written.

use std::sync::Arc;

use crate::engine::Dist;
use crate::units::{Origin, SimDuration, SimTime};

/// batch/v1 Job, or the `jobTemplate` of a CronJob with its schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSpec {
    /// What makes it run.
    pub trigger: JobTrigger,
    /// `spec.completions`; `None` when only `parallelism` is given: a work queue.
    pub completions: Option<i32>,
    /// `spec.parallelism`, default 1.
    pub parallelism: i32,
    /// `spec.backoffLimit`, default 6.
    pub backoff_limit: i32,
    /// `spec.activeDeadlineSeconds`.
    pub active_deadline: Option<SimDuration>,
    /// `spec.podReplacementPolicy: Failed`: a terminating pod is replaced only once it is gone.
    pub replace_when_gone: bool,
    /// `spec.podFailurePolicy.rules`: the first that matches a failed pod decides.
    pub failure_rules: Vec<FailureRule>,
    /// `spec.completionMode: Indexed`: each completion has a number of its own.
    pub indexed: Option<Indexed>,
    /// How long a pod works (s).
    pub duration: Dist,
    /// Where that stands.
    pub duration_origin: Origin,
}

/// What a Job says about its indexes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexed {
    /// `spec.backoffLimitPerIndex`: so many failures an index may have and be tried again; `None` when
    /// failures count for the whole Job.
    pub backoff_limit: Option<i32>,
    /// `spec.maxFailedIndexes`: more of them fail the Job at once.
    pub max_failed: Option<i32>,
    /// `spec.successPolicy.rules`: the first that is met completes the Job.
    pub success: Vec<SuccessRule>,
}

/// A rule of a Job's success policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessRule {
    /// `succeededIndexes`, as first and last of each range; `None` is all.
    pub indexes: Option<Vec<(i32, i32)>>,
    /// `succeededCount`: so many of them are enough; `None` is all of them.
    pub count: Option<i32>,
}

/// A rule of a Job's policy for failed pods (job/pod_failure_policy.go `matchPodFailurePolicy`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRule {
    /// What becomes of the failure.
    pub action: FailureAction,
    /// Which failures.
    pub on: FailureCause,
}

/// What becomes of a pod's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureAction {
    /// It counts, as without a policy.
    Count,
    /// It does not count: another pod is made.
    Ignore,
    /// The pod's index fails with it, however often it might be tried again.
    FailIndex,
    /// The Job fails with it.
    FailJob,
}

/// Which failures of pods a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureCause {
    /// A container ended with one of these exit codes, or with another one.
    ExitCode {
        /// `operator: In`, not `NotIn`.
        one_of: bool,
        /// The codes.
        codes: Vec<i32>,
    },
    /// The pod was deleted by a disruption (condition `DisruptionTarget`).
    Disruption,
}

/// What makes a Job run.
#[derive(Debug, Clone, PartialEq)]
pub enum JobTrigger {
    /// It begins when measuring begins.
    Once,
    /// `spec.suspend` of a Job: never.
    Suspended,
    /// A CronJob.
    Schedule(Schedule),
    /// A hook of helm (annotation `helm.sh/hook`).
    Hook(Hook),
}

/// The schedule of a CronJob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The object's kind: `CronJob`, or `Schedule` of Velero.
    pub kind: &'static str,
    /// `spec.schedule`.
    pub cron: Arc<str>,
    /// `spec.timeZone`; `None` is the controllers' own clock, which is UTC.
    pub time_zone: Option<Arc<str>>,
    /// When it comes within the run, on the clock of the run, ascending.
    pub times: Vec<SimTime>,
    /// `spec.concurrencyPolicy`.
    pub concurrency: Concurrency,
    /// `spec.suspend`: it never comes.
    pub suspended: bool,
    /// `spec.startingDeadlineSeconds`.
    pub starting_deadline: Option<SimDuration>,
}

/// `CronJob.spec.concurrencyPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concurrency {
    /// Jobs may overlap.
    Allow,
    /// No Job is made while one runs.
    Forbid,
    /// The Job that runs makes place for the next.
    Replace,
}

/// When helm runs a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// `pre-upgrade`.
    pub before_upgrade: bool,
    /// `post-upgrade`.
    pub after_upgrade: bool,
    /// `helm.sh/hook-weight`: lighter ones run first, those of equal weight by name.
    pub weight: i32,
    /// `helm.sh/hook-delete-policy`.
    pub delete: HookDeletion,
}

/// When helm deletes the object of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookDeletion {
    /// `before-hook-creation`, which holds when nothing is stated.
    pub before_creation: bool,
    /// `hook-succeeded`.
    pub succeeded: bool,
    /// `hook-failed`.
    pub failed: bool,
}
