//! Job and CronJob (batch/v1), and Velero's Schedule (velero.io/v1).

use std::sync::Arc;

use super::meta::{metadata, object_fields, seconds, template_metadata};
use super::pod::template;
use crate::cluster::api::job::{
    Concurrency, FailureAction, FailureCause, FailureRule, Hook, HookDeletion, Indexed, JobSpec,
    JobTrigger, Schedule, SuccessRule,
};
use crate::cluster::api::meta::{Labels, ObjectMeta};
use crate::cluster::api::pod::{Container, PodTemplate, RestartPolicy};
use crate::cluster::api::selector::LabelSelector;
use crate::cluster::api::workload::{WorkloadKind, WorkloadSpec};
use crate::engine::Dist;
use crate::input::codes;
use crate::input::cron;
use crate::input::decode::{Fields, Value};
use crate::input::scalar::{BareNumber, duration};
use crate::units::{Origin, SimDuration};

/// How long a Job's pod works when nobody says so.
const DURATION: SimDuration = SimDuration::from_secs(300);
/// The annotation that says so: on the object, the Job template or the pod template.
const DURATION_KEY: &str = "aurelius.dev/duration";
const HOOK: &str = "helm.sh/hook";
const HOOK_WEIGHT: &str = "helm.sh/hook-weight";
const HOOK_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";

/// Fields of a JobSpec that decide nothing here.
const ASIDE: [&str; 4] = ["selector", "manualSelector", "ttlSecondsAfterFinished", "managedBy"];

/// batch/v1 Job; a hook of helm when it is annotated so.
pub(super) fn job(value: &Value<'_>) -> Option<WorkloadSpec> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec = fields.required("spec");
    fields.finish("Job (batch/v1)");
    let body = job_spec(&spec?)?;
    let meta = meta?;
    let trigger = match hook(value, &meta.annotations)? {
        Some(hook) => JobTrigger::Hook(hook),
        None if body.suspended => JobTrigger::Suspended,
        None => JobTrigger::Once,
    };
    workload(value, meta, trigger, body, Labels::new())
}

/// batch/v1 CronJob. When its schedule comes is found out when the scenario's start is known.
pub(super) fn cron_job(value: &Value<'_>) -> Option<WorkloadSpec> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec = fields.required("spec");
    fields.finish("CronJob (batch/v1)");
    let spec = spec?.fields()?;
    let schedule = spec.required("schedule").and_then(|schedule| cron_text(value, &schedule));
    let policies = [
        ("Allow", Concurrency::Allow),
        ("Forbid", Concurrency::Forbid),
        ("Replace", Concurrency::Replace),
        ("", Concurrency::Allow),
    ];
    let concurrency =
        spec.read_or("concurrencyPolicy", Concurrency::Allow, |value| value.word(&policies));
    let starting_deadline = spec.read("startingDeadlineSeconds", seconds);
    let suspended = spec.read_or("suspend", false, Value::boolean);
    let time_zone = spec.read("timeZone", |value| {
        let name = value.shared()?;
        if let Err(message) = cron::zone(&name) {
            value.report(value.error(codes::INVALID_VALUE, &message));
            return None;
        }
        Some(name)
    });
    spec.ignore(&["successfulJobsHistoryLimit", "failedJobsHistoryLimit"]);
    let template = spec.required("jobTemplate");
    spec.finish("CronJobSpec (batch/v1)");
    let template = template?.fields()?;
    let template_meta = template_metadata(&template);
    let body = template.required("spec").and_then(|spec| job_spec(&spec));
    template.finish("JobTemplateSpec (batch/v1)");
    let (concurrency, starting_deadline) = (concurrency?, starting_deadline?);
    // A Job that is made suspended never runs, so that its schedule need not come either.
    let suspended = suspended? || body.as_ref()?.suspended;
    let (cron, times) = (schedule?, Vec::new());
    let trigger = JobTrigger::Schedule(Schedule {
        kind: "CronJob",
        cron,
        times,
        concurrency,
        starting_deadline,
        time_zone: time_zone?,
        suspended,
    });
    let (_, annotations) = template_meta?;
    workload(value, meta?, trigger, body?, annotations)
}

/// velero.io/v1 Schedule: backups by the clock. Each is taken to be the work of one pod, as Velero's
/// data movers are pods; a backup that is due while one runs waits for it.
pub(super) fn velero_schedule(value: &Value<'_>) -> Option<WorkloadSpec> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec = fields.required("spec");
    fields.finish("Schedule (velero.io/v1)");
    let spec = spec?.fields()?;
    let schedule = spec.required("schedule").and_then(|schedule| cron_text(value, &schedule));
    let suspended = spec.read_or("paused", false, Value::boolean);
    spec.ignore(&["template", "useOwnerReferencesInBackup", "skipImmediately"]);
    spec.finish("ScheduleSpec (velero.io/v1)");
    let mut template = PodTemplate::default();
    template.labels.insert(Arc::from("velero.io/schedule-name"), Arc::clone(&meta.as_ref()?.name));
    template.spec.restart_policy = RestartPolicy::Never;
    template.spec.containers.push(Container {
        name: Arc::from("data-mover"),
        image: Arc::from("velero/velero"),
        ..Container::default()
    });
    let body = Body {
        completions: Some(1),
        parallelism: 1,
        backoff_limit: 0,
        failure_rules: Vec::new(),
        indexed: None,
        active_deadline: None,
        replace_when_gone: false,
        suspended: false,
        template,
    };
    let trigger = JobTrigger::Schedule(Schedule {
        kind: "Schedule",
        cron: schedule?,
        times: Vec::new(),
        concurrency: Concurrency::Forbid,
        starting_deadline: None,
        time_zone: None,
        suspended: suspended?,
    });
    workload(value, meta?, trigger, body, Labels::new())
}

/// A schedule as it is written, when it is one.
fn cron_text(value: &Value<'_>, schedule: &Value<'_>) -> Option<Arc<str>> {
    let text = schedule.non_empty()?;
    if let Err(why) = cron::parse(text) {
        let message = format!("is `{text}`, which is no schedule: {why}");
        value.report(schedule.error(codes::INVALID_VALUE, &message));
        return None;
    }
    Some(Arc::from(text))
}

/// The part of a Job that a CronJob has too.
struct Body {
    completions: Option<i32>,
    parallelism: i32,
    backoff_limit: i32,
    failure_rules: Vec<FailureRule>,
    indexed: Option<Indexed>,
    active_deadline: Option<SimDuration>,
    replace_when_gone: bool,
    suspended: bool,
    template: PodTemplate,
}

/// Defaults of pkg/apis/batch/v1/defaults.go `SetDefaults_Job`.
fn job_spec(value: &Value<'_>) -> Option<Body> {
    let spec = value.fields()?;
    let count = |value: &Value<'_>| value.integer(0..=i32::MAX);
    let completions = spec.read("completions", count);
    let parallelism = spec.read("parallelism", count);
    let backoff_limit = spec.read("backoffLimit", count);
    let indexed = indexed(&spec);
    let active_deadline = spec.read("activeDeadlineSeconds", seconds);
    let policies = [("TerminatingOrFailed", false), ("Failed", true)];
    let failures = spec.value().node().get("podFailurePolicy").is_some();
    let failure_rules = spec.read_or("podFailurePolicy", Vec::new(), failure_policy);
    let replace = spec.read_or("podReplacementPolicy", failures, |value| value.word(&policies));
    let suspended = spec.read_or("suspend", false, Value::boolean);
    let template_value = spec.required("template");
    let template = template_value.as_ref().and_then(template);
    spec.ignore(&ASIDE);
    spec.finish("JobSpec (batch/v1)");
    let template = template?;
    if template.spec.restart_policy == RestartPolicy::Always {
        let place = template_value.as_ref().unwrap_or(value).descend("spec.restartPolicy");
        let written = place.node().text() == Some("Always");
        let message = match written {
            true => "is Always, must be OnFailure or Never for the pods of a Job",
            false => "has no `restartPolicy`: it must be OnFailure or Never for the pods of a Job",
        };
        value.report(
            place.error(codes::INVALID_VALUE, message).note(
                "the API server says: Required value: valid values: \"OnFailure\", \"Never\"",
            ),
        );
        return None;
    }
    let (completions, parallelism, indexed) = (completions?, parallelism?, indexed?);
    // Neither is written: one pod. Only the parallelism is: a work queue.
    let completions = completions.or_else(|| parallelism.is_none().then_some(1));
    let failure_rules = failure_rules?;
    check_indexes(value, completions, indexed.as_ref(), &failure_rules)?;
    // Failures of indexes that are independent do not add up (defaults.go `SetDefaults_Job`).
    let independent = indexed.as_ref().is_some_and(|it| it.backoff_limit.is_some());
    let usual = if independent { i32::MAX } else { 6 };
    Some(Body {
        completions,
        parallelism: parallelism.unwrap_or(1),
        backoff_limit: backoff_limit?.unwrap_or(usual),
        failure_rules,
        indexed,
        active_deadline: active_deadline?,
        replace_when_gone: replace?,
        suspended: suspended?,
        template,
    })
}

/// `completionMode: Indexed` and what is said of indexes.
fn indexed(spec: &Fields<'_>) -> Option<Option<Indexed>> {
    let count = |value: &Value<'_>| value.integer(0..=i32::MAX);
    let modes = [("NonIndexed", false), ("Indexed", true)];
    let mode = spec.read_or("completionMode", false, |value| value.word(&modes));
    let backoff_limit = spec.read("backoffLimitPerIndex", count);
    let max_failed = spec.read("maxFailedIndexes", count);
    let success = spec.read_or("successPolicy", Vec::new(), |value| {
        let fields = value.fields()?;
        let rules = fields.required("rules").and_then(|rules| rules.list(success_rule));
        fields.finish("SuccessPolicy (batch/v1)");
        rules
    });
    let (mode, backoff_limit, max_failed) = (mode?, backoff_limit?, max_failed?);
    let indexed = Indexed { backoff_limit, max_failed, success: success? };
    if !mode && indexed != Indexed::default() {
        let places = ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"];
        let place = places.iter().find_map(|name| spec.optional(name));
        let place = place.unwrap_or_else(|| spec.value().clone());
        let message = "needs `completionMode: Indexed`";
        place.report(place.error(codes::INVALID_VALUE, message));
        return None;
    }
    Some(mode.then_some(indexed))
}

fn success_rule(value: &Value<'_>) -> Option<SuccessRule> {
    let fields = value.fields()?;
    let indexes = fields.read("succeededIndexes", |value| {
        let text = value.string()?;
        let ranges = index_ranges(text);
        if ranges.is_none() {
            let message = format!("is `{text}`, must be rising indexes such as 0-2,5");
            value.report(value.error(codes::INVALID_VALUE, &message));
        }
        ranges
    });
    let count = fields.read("succeededCount", |value| value.integer(1..=i32::MAX));
    fields.finish("SuccessPolicyRule (batch/v1)");
    let rule = SuccessRule { indexes: indexes?, count: count? };
    if rule.indexes.is_none() && rule.count.is_none() {
        let message = "needs `succeededIndexes`, `succeededCount` or both";
        value.report(value.error(codes::MISSING_FIELD, message));
        return None;
    }
    Some(rule)
}

/// `0-2,5` as ranges; nothing unless they rise.
fn index_ranges(text: &str) -> Option<Vec<(i32, i32)>> {
    let number = |text: &str| text.parse().ok().filter(|number: &i32| *number >= 0);
    let range = |part: &str| match part.split_once('-') {
        Some((first, last)) => Some((number(first)?, number(last)?)).filter(|(a, b)| a < b),
        None => number(part).map(|only| (only, only)),
    };
    let ranges: Vec<(i32, i32)> = text.split(',').map(range).collect::<Option<_>>()?;
    ranges.is_sorted_by(|one, next| one.1 < next.0).then_some(ranges)
}

/// What the API server asks of Jobs with indexes (pkg/apis/batch/validation/validation.go
/// `validateJobSpec`).
fn check_indexes(
    spec: &Value<'_>,
    completions: Option<i32>,
    indexed: Option<&Indexed>,
    rules: &[FailureRule],
) -> Option<()> {
    let refuse = |name: &'static str, message: &str| {
        let place = spec.get(name).unwrap_or_else(|| spec.clone());
        place.report(place.error(codes::INVALID_VALUE, message));
    };
    let per_index = indexed.and_then(|indexed| indexed.backoff_limit);
    if per_index.is_none() && rules.iter().any(|rule| rule.action == FailureAction::FailIndex) {
        refuse("podFailurePolicy", "has the action FailIndex, which needs `backoffLimitPerIndex`");
        return None;
    }
    let Some(indexed) = indexed else { return Some(()) };
    let Some(completions) = completions else {
        refuse("completionMode", "is Indexed, which needs `completions`");
        return None;
    };
    if indexed.max_failed.is_some() && per_index.is_none() {
        refuse("maxFailedIndexes", "needs `backoffLimitPerIndex`");
        return None;
    }
    if indexed.max_failed.is_some_and(|most| most > completions) {
        refuse("maxFailedIndexes", "must not be more than `completions`");
        return None;
    }
    let beyond = |(_, last): &(i32, i32)| *last >= completions;
    if indexed.success.iter().flat_map(|rule| rule.indexes.iter().flatten()).any(beyond) {
        refuse("successPolicy", "names an index that `completions` does not have");
        return None;
    }
    Some(())
}

/// `spec.podFailurePolicy`.
fn failure_policy(value: &Value<'_>) -> Option<Vec<FailureRule>> {
    let fields = value.fields()?;
    let rules = fields.required("rules").and_then(|rules| rules.list(failure_rule));
    fields.finish("PodFailurePolicy (batch/v1)");
    rules
}

fn failure_rule(value: &Value<'_>) -> Option<FailureRule> {
    let fields = value.fields()?;
    let actions = [
        ("Count", FailureAction::Count),
        ("Ignore", FailureAction::Ignore),
        ("FailJob", FailureAction::FailJob),
        ("FailIndex", FailureAction::FailIndex),
    ];
    let action = fields.required("action").and_then(|value| value.word(&actions));
    let on = fields.exactly_one(&["onExitCodes", "onPodConditions"]);
    fields.finish("PodFailurePolicyRule (batch/v1)");
    let (name, on) = on?;
    let on = if name == "onExitCodes" {
        let fields = on.fields()?;
        let operators = [("In", true), ("NotIn", false)];
        let one_of = fields.required("operator").and_then(|value| value.word(&operators));
        let codes = fields.required("values");
        let codes = codes.and_then(|all| all.list(|code| code.integer(0..=255_i32)));
        fields.ignore(&["containerName"]);
        fields.finish("PodFailurePolicyOnExitCodesRequirement (batch/v1)");
        FailureCause::ExitCode { one_of: one_of?, codes: codes? }
    } else {
        let conditions = on.list(|condition| {
            let fields = condition.fields()?;
            let kind = fields.required("type").and_then(|kind| kind.shared());
            fields.ignore(&["status"]);
            fields.finish("PodFailurePolicyOnPodConditionsPattern (batch/v1)");
            kind
        })?;
        if conditions.iter().any(|kind| **kind != *"DisruptionTarget") {
            let message = "names a condition that no pod here gets: the rule never matches";
            on.report(on.warning(codes::UNSUPPORTED, message));
            return Some(FailureRule {
                action: action?,
                on: FailureCause::ExitCode { one_of: true, codes: Vec::new() },
            });
        }
        FailureCause::Disruption
    };
    Some(FailureRule { action: action?, on })
}

fn workload(
    value: &Value<'_>,
    meta: ObjectMeta,
    trigger: JobTrigger,
    body: Body,
    template_annotations: Labels,
) -> Option<WorkloadSpec> {
    let Body { completions, parallelism, backoff_limit, active_deadline, .. } = body;
    let annotations = [&meta.annotations, &template_annotations, &body.template.annotations];
    let stated = annotations.iter().find_map(|all| all.get(DURATION_KEY));
    let (duration, duration_origin) = match stated {
        Some(text) => (Dist::fixed(stated_duration(value, text)?), meta.origin.clone()),
        None => (Dist::fixed(DURATION), Origin::implied("assumption: a Job works for 5m")),
    };
    let match_labels = body.template.labels.clone();
    Some(WorkloadSpec {
        selector: LabelSelector { match_labels, ..LabelSelector::default() },
        replicas: 0,
        replicas_origin: Origin::implied("a Job has no replicas"),
        min_ready: SimDuration::ZERO,
        template: Arc::new(body.template),
        kind: WorkloadKind::Job(JobSpec {
            trigger,
            completions,
            parallelism,
            backoff_limit,
            active_deadline,
            replace_when_gone: body.replace_when_gone,
            failure_rules: body.failure_rules,
            indexed: body.indexed,
            duration,
            duration_origin,
        }),
        meta,
    })
}

fn stated_duration(value: &Value<'_>, text: &str) -> Option<SimDuration> {
    match duration(text, BareNumber::Refused) {
        Ok(nanos) => Some(SimDuration::from_nanos(nanos)),
        Err(error) => {
            let place = value.descend("metadata");
            let message = format!("has the annotation {DURATION_KEY} `{text}`: {error}");
            value.report(place.error(error.code(), &message));
            None
        }
    }
}

/// `helm.sh/hook-delete-policy`, a list of words; nothing stated is `before-hook-creation`.
fn hook_deletion(value: &Value<'_>, annotations: &Labels) -> Option<HookDeletion> {
    let Some(stated) = annotations.get(HOOK_DELETE_POLICY) else {
        return Some(HookDeletion { before_creation: true, succeeded: false, failed: false });
    };
    let known = ["before-hook-creation", "hook-succeeded", "hook-failed"];
    let words: Vec<&str> = stated.split(',').map(str::trim).collect();
    if let Some(word) = words.iter().find(|word| !known.contains(word)) {
        let place = value.descend("metadata");
        let message = format!("has an annotation {HOOK_DELETE_POLICY} with `{word}`");
        let help = format!("helm knows {}", known.join(", "));
        value.report(place.error(codes::INVALID_VALUE, &message).help(help));
        return None;
    }
    let has = |word| words.contains(&word);
    let (before_creation, succeeded, failed) = (has(known[0]), has(known[1]), has(known[2]));
    Some(HookDeletion { before_creation, succeeded, failed })
}

/// The hook that an object is; `Some(None)` when it is none. Hooks of an installation, deletion or
/// test run at no time of a rollout.
fn hook(value: &Value<'_>, annotations: &Labels) -> Option<Option<Hook>> {
    let Some(events) = annotations.get(HOOK) else { return Some(None) };
    let on = |event: &str| events.split(',').any(|it| it.trim() == event);
    let weight = match annotations.get(HOOK_WEIGHT).map(|weight| weight.parse()) {
        None => 0,
        Some(Ok(weight)) => weight,
        Some(Err(_)) => {
            let place = value.descend("metadata");
            let message = format!("has an annotation {HOOK_WEIGHT} that is no whole number");
            value.report(place.error(codes::INVALID_VALUE, &message));
            return None;
        }
    };
    let (before_upgrade, after_upgrade) = (on("pre-upgrade"), on("post-upgrade"));
    let delete = hook_deletion(value, annotations)?;
    Some(Some(Hook { before_upgrade, after_upgrade, weight, delete }))
}
