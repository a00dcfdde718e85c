//! Records and reasons in words, with names in place of ids.

use crate::model::action::PodDeletion;
use crate::model::reason::{NoScaleDown, Reason, not_trigger_scale_up};
use crate::model::record::{About, Death, Decider, HpaMetricSync, HpaSync, TaskLosses};
use crate::model::rollout::{RollbackOutcome, RolloutEnd, RolloutOutcome};
use crate::trace::{Clock, Names};
use crate::units::counted;

/// Who decided: `cluster-autoscaler`, `Deployment controller of gateway` and the like.
#[must_use]
pub fn decider(names: &Names, by: Decider) -> String {
    match by {
        Decider::Workload(id) => format!("controller of {}", names.workload(id)),
        Decider::Scheduler(pod) => format!("scheduler for {}", names.pod(pod)),
        Decider::ClusterAutoscaler => "cluster-autoscaler".to_owned(),
        Decider::Drain(id) => names.disruption(id).to_owned(),
    }
}

/// The reason in one word, for machines: the name of the variant in Kubernetes' spelling.
#[must_use]
pub const fn reason_word(reason: &Reason) -> &'static str {
    match reason {
        Reason::InSync => "InSync",
        Reason::TooFewPods { .. } => "TooFewPods",
        Reason::TooManyPods { .. } => "TooManyPods",
        Reason::WaitsForOrdinal { .. } => "WaitsForOrdinal",
        Reason::RollingOut => "RollingOut",
        Reason::Scheduled { .. } => "Scheduled",
        Reason::Unschedulable { .. } => "FailedScheduling",
        Reason::ScaleUp { .. } => "TriggeredScaleUp",
        Reason::NoScaleUp { .. } => "NotTriggerScaleUp",
        Reason::ScaleDown { .. } => "ScaleDown",
        Reason::NoScaleDown { .. } => "NoScaleDown",
        Reason::BudgetRefused { .. } => "DisruptionBudget",
        Reason::SeveralBudgets => "SeveralBudgets",
        Reason::RetriesIn(_) => "RetriesIn",
    }
}

/// The reason as a sentence.
#[must_use]
pub fn reason(names: &Names, clock: Clock, reason: &Reason) -> String {
    match reason {
        Reason::InSync => "everything is as wanted".to_owned(),
        Reason::TooFewPods { missing } => format!("{} missing", counted(*missing, "pod")),
        Reason::TooManyPods { excess } => format!("{} too many", counted(*excess, "pod")),
        Reason::WaitsForOrdinal { ordinal } => format!("waits for the pod of ordinal {ordinal}"),
        Reason::RollingOut => "moves pods to the new template".to_owned(),
        Reason::Scheduled { feasible } => {
            format!("{} passed all filters", counted(*feasible, "node"))
        }
        Reason::Unschedulable { message } => message.to_string(),
        Reason::ScaleUp { pod, pods, pool, from, to, max } => {
            let (pool, pod) = (names.pool(*pool), names.pod(*pod));
            format!(
                "{pod}: pod triggered scale-up: [{{{pool} {from}->{to} (max: {max})}}], for {} in all",
                counted(*pods, "pod")
            )
        }
        Reason::NoScaleUp { pod, pools } => {
            let event = not_trigger_scale_up(pools);
            let pools: Vec<String> =
                pools.iter().map(|(pool, why)| format!("{}: {why}", names.pool(*pool))).collect();
            format!("{}: {event} ({})", names.pod(*pod), pools.join("; "))
        }
        Reason::ScaleDown { node, unneeded_since } => {
            let (node, since) = (names.node(*node), clock.offset(*unneeded_since));
            format!("removes {node}, unneeded since {since}")
        }
        Reason::NoScaleDown { node, why } => {
            format!("keeps {}: {}", names.node(*node), no_scale_down(names, *why))
        }
        Reason::BudgetRefused { budget, message } => {
            format!("{message} (budget {})", names.budget(*budget))
        }
        Reason::SeveralBudgets => "more than one budget selects the pod".to_owned(),
        Reason::RetriesIn(span) => format!("tries again in {span}"),
    }
}

fn no_scale_down(names: &Names, why: NoScaleDown) -> String {
    match why {
        NoScaleDown::Utilized => "its pods ask for too large a part of it".to_owned(),
        NoScaleDown::NotUnneededLongEnough => "not unneeded for long enough".to_owned(),
        NoScaleDown::MinSizeReached => "its pool is at its minimum".to_owned(),
        NoScaleDown::NoPlaceToMovePods => "its pods fit nowhere else".to_owned(),
        NoScaleDown::Budget(budget) => {
            format!("budget {} allows no disruption", names.budget(budget))
        }
        NoScaleDown::BlockingPod(pod) => format!("{} must not be moved", names.pod(pod)),
        NoScaleDown::CoolDown => "a node came or went a short while ago".to_owned(),
    }
}

/// How a rollout ended, in one word, for machines.
#[must_use]
pub const fn rollout_word(outcome: RolloutOutcome) -> &'static str {
    match outcome {
        RolloutOutcome::Ready => "Ready",
        RolloutOutcome::TimedOut => "TimedOut",
        RolloutOutcome::Failed => "Failed",
        RolloutOutcome::HookFailed => "HookFailed",
        RolloutOutcome::Refused => "Refused",
    }
}

/// How a rollout ended, as a sentence: what was missing, and the first pod that was not ready.
#[must_use]
pub fn rollout(end: &RolloutEnd) -> String {
    let took = end.took;
    let mut said = match end.outcome {
        RolloutOutcome::Ready => format!("everything is ready after {took}"),
        RolloutOutcome::TimedOut => format!("context deadline exceeded after {took}"),
        RolloutOutcome::Failed => format!("gave up after {took}"),
        RolloutOutcome::HookFailed => format!("a hook failed after {took}"),
        RolloutOutcome::Refused => "a change is refused".to_owned(),
    };
    for (object, why) in &end.missing {
        said.push_str(&format!("; {object}: {why}"));
    }
    if let Some((pod, why)) = end.pods.first() {
        said.push_str(&format!("; {pod}: {why}"));
    }
    said.push_str(match end.rollback {
        None => "",
        Some(RollbackOutcome::Ready) => "; rolled back to the release before",
        Some(RollbackOutcome::NotReady) => "; the release before was written back and is not ready",
    });
    said
}

/// Why a pod is deleted, in words.
#[must_use]
pub const fn deletion(because: PodDeletion) -> &'static str {
    match because {
        PodDeletion::ScaleDown => "scaled down",
        PodDeletion::Rollout => "replaced by a rollout",
        PodDeletion::OwnerDeleted => "its owner was deleted",
        PodDeletion::Drain => "its node is drained",
        PodDeletion::NodeScaleDown => "its node is scaled down",
        PodDeletion::NodeDisruption => "its node is disrupted",
        PodDeletion::Preemption => "preempted",
        PodDeletion::NodeLost => "its node does not answer",
        PodDeletion::Taint => "its node has a taint it does not tolerate",
        PodDeletion::Orphaned => "its node is gone",
        PodDeletion::Scenario => "the scenario deletes it",
    }
}

/// Why a process was killed, as the kubelet or the kernel says it.
#[must_use]
pub fn death(why: Death) -> String {
    match why {
        Death::OutOfMemory { used, limit } => format!("OOMKilled: {used} held, {limit} allowed"),
        Death::NodeOutOfMemory { used, limit } => {
            format!("OOMKilled: {used} held, {limit} for all pods of the node exceeded")
        }
        Death::Liveness | Death::Unresponsive => {
            "failed liveness probe, will be restarted".to_owned()
        }
        Death::Startup => "failed startup probe, will be restarted".to_owned(),
        Death::Exited(code) => format!("exit code {code}"),
    }
}

/// What became of a worker's tasks, in words.
#[must_use]
pub fn task_losses(losses: &TaskLosses) -> String {
    let TaskLosses { lost, invisible, repeated, returned, spent: _ } = *losses;
    let told = [
        (lost, "lost"),
        (repeated, "to be repeated from the beginning"),
        (invisible - repeated, "stuck until the visibility timeout"),
        (returned, "given back"),
    ];
    let told = told.iter().filter(|(count, _)| *count > 0);
    told.map(|(count, what)| format!("{count} task(s) {what}")).collect::<Vec<_>>().join(", ")
}

/// Whose event something is: `pod/gateway-1`.
#[must_use]
pub fn about(names: &Names, about: &About) -> String {
    match about {
        About::Pod(id) => format!("pod/{}", names.pod(*id)),
        About::Node(id) => format!("node/{}", names.node(*id)),
        About::Claim(name) => format!("pvc/{name}"),
        About::Disruption(id) => names.disruption(*id).to_owned(),
        About::NodePool(name) => format!("nodepool/{name}"),
        About::ScaledObject(name) => format!("scaledobject/{name}"),
        About::Quota(name) => format!("quota/{name}"),
    }
}

/// A metric as people call it: `cpu` for `cpu resource utilization (percentage of request)`.
#[must_use]
pub fn metric_name(metric: &HpaMetricSync) -> &str {
    metric.name()
}

/// Whether a condition of a sync holds for this reason.
#[must_use]
pub fn has_condition(sync: &HpaSync, kind: &str, reason: &str) -> bool {
    sync.conditions.iter().any(|c| &*c.kind == kind && c.status && &*c.reason == reason)
}
