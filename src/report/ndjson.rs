//! Every decision with its reason, one JSON object a line.
//!
//! The first line names the schema and its version and what was run; each further line is one
//! entry of the history, in the order of time. Field names end in their unit; times count from the
//! start of measuring and are negative during the warm-up. What repeated itself without a change
//! has `count` and `until_s`; keep everything in the history to have each on its own line.

use serde::Serialize;

use crate::model::record::{HpaMetricSync, HpaSync, Record};
use crate::report::autoscaler_status;
use crate::scenario::Scenario;
use crate::trace::{Clock, Entry, History, Names, tell};
use crate::units::SimDuration;

/// The version of the lines' form: a new minor adds fields, a new major changes them.
pub const VERSION: &str = "1.0.0";
const SCHEMA: &str = "https://aurelius.dev/schema/events.v1.json";

/// All lines, each ended by a newline.
///
/// # Panics
/// Never: the wire forms hold nothing that JSON cannot.
#[must_use]
pub fn ndjson(scenario: &Scenario, seed: u64, history: &History) -> String {
    let head = Head {
        schema: SCHEMA,
        version: VERSION,
        tool_version: env!("CARGO_PKG_VERSION"),
        scenario: &scenario.name,
        seed,
        model: scenario.model.name(),
        warm_up_s: scenario.warm_up.as_secs_f64(),
        duration_s: scenario.duration.as_secs_f64(),
    };
    let mut out = String::new();
    push(&mut out, &head);
    for entry in history.entries() {
        push(&mut out, &line(history.names(), history.clock(), entry));
    }
    out
}

fn push(out: &mut String, value: &impl Serialize) {
    let text = serde_json::to_string(value).expect("wire forms have string keys and plain values");
    out.push_str(&text);
    out.push('\n');
}

#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    version: &'static str,
    tool_version: &'static str,
    scenario: &'a str,
    seed: u64,
    model: &'static str,
    warm_up_s: f64,
    duration_s: f64,
}

#[derive(Serialize)]
struct Line<'a> {
    t_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    event: &'static str,
    object: String,
    #[serde(flatten)]
    told: Told<'a>,
}

/// What particular events tell beside their object.
#[derive(Serialize, Default)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_replicas: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_replicas: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<BudgetLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hpa: Option<HpaLine<'a>>,
}

#[derive(Serialize)]
struct BudgetLine {
    expected_pods: i32,
    current_healthy: i32,
    desired_healthy: i32,
    disruptions_allowed: i32,
}

#[derive(Serialize)]
struct HpaLine<'a> {
    current_replicas: i32,
    metrics: Vec<MetricLine<'a>>,
    proposal_replicas: Option<i32>,
    stabilized_replicas: Option<i32>,
    held_until_s: Option<f64>,
    desired_replicas: i32,
    rescaled: bool,
    rescale_reason: &'a str,
    conditions: Vec<ConditionLine<'a>>,
}

#[derive(Serialize)]
struct MetricLine<'a> {
    label: &'a str,
    current: &'a str,
    target: &'a str,
    ratio: Option<f64>,
    proposal_replicas: Option<i32>,
    failure: Option<&'a str>,
    pods_counted: u32,
    pods_left_out: Vec<LeftOut<'a>>,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    pod: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct ConditionLine<'a> {
    r#type: &'a str,
    status: bool,
    reason: &'a str,
}

fn line<'a>(names: &Names, clock: Clock, entry: &'a Entry) -> Line<'a> {
    let (event, object, told) = told(names, clock, &entry.record);
    let repeated = entry.count > 1;
    Line {
        t_s: clock.offset(entry.first).as_secs_f64(),
        until_s: repeated.then(|| clock.offset(entry.last).as_secs_f64()),
        count: repeated.then_some(entry.count),
        event,
        object,
        told,
    }
}

fn told<'a>(names: &Names, clock: Clock, record: &'a Record) -> (&'static str, String, Told<'a>) {
    let workload = |id| format!("workload/{}", names.workload(id));
    let plain = Told::default;
    match record {
        Record::WorkloadScaled { workload: id, from, to } => {
            let told = Told { from_replicas: Some(*from), to_replicas: Some(*to), ..plain() };
            ("workload_scaled", workload(*id), told)
        }
        Record::DisruptionBegan(_)
        | Record::DisruptionEnded(_)
        | Record::ReplicaSetCreated(..)
        | Record::WorkloadCreated(_)
        | Record::WorkloadDeleted(_)
        | Record::WorkloadUpdated { .. }
        | Record::RolloutEnded(..)
        | Record::JobStarted { .. }
        | Record::JobEnded { .. }
        | Record::JobSkipped(_)
        | Record::PodForbidden { .. } => told_of_work(names, record),
        Record::PodCreated { .. }
        | Record::PodUnschedulable { .. }
        | Record::PodBound { .. }
        | Record::PodImagesPulled { .. }
        | Record::PodStarted(_)
        | Record::PodBecameReady(_)
        | Record::PodBecameUnready(_)
        | Record::PodEnded { .. }
        | Record::PodTerminating { .. }
        | Record::ContainerDied { .. }
        | Record::TasksInterrupted { .. }
        | Record::PodGone(_) => told_of_pod(names, record),
        Record::EvictionRefused { .. } | Record::BudgetChanged { .. } => {
            told_of_budget(names, clock, record)
        }
        Record::NodeRequested { .. }
        | Record::NodeLaunched { .. }
        | Record::NodeLaunchFailed { .. }
        | Record::NodeRegistered(_)
        | Record::NodeReclaimed(_)
        | Record::NodeBecameReady(_)
        | Record::NodeGpusAllocatable(_)
        | Record::NodeCordoned(_)
        | Record::NodeUncordoned(_)
        | Record::NodeLost(_)
        | Record::NodeRecovered(_)
        | Record::NodeRemoving(_)
        | Record::NodeGone(_)
        | Record::NodeDisrupted { .. }
        | Record::NodeUnneeded { .. } => told_of_node(names, record),
        Record::HpaSynced(id, sync) => {
            let told = Told { hpa: Some(hpa_line(clock, sync)), ..plain() };
            ("hpa_synced", format!("hpa/{}", names.hpa(*id)), told)
        }
        Record::Decided { by, reason } => {
            let message = tell::reason(names, clock, reason);
            let told = told_words(tell::reason_word(reason), &message);
            ("decided", tell::decider(names, *by), told)
        }
        Record::AutoscalerStatus(status) => {
            let message = Some(autoscaler_status::line(names, status));
            ("autoscaler_status", "cluster-autoscaler".to_owned(), Told { message, ..plain() })
        }
        Record::Announced { about, event, message } => {
            ("announced", tell::about(names, about), told_words(event, message))
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller matched the records of budgets in full"
)]
fn told_of_budget<'a>(
    names: &Names,
    clock: Clock,
    record: &Record,
) -> (&'static str, String, Told<'a>) {
    let plain = Told::default;
    match record {
        Record::EvictionRefused { pod: id, node, reason } => {
            let told = Told {
                reason: Some(tell::reason_word(reason)),
                message: Some(tell::reason(names, clock, reason)),
                node: Some(names.node(*node).to_owned()),
                ..plain()
            };
            ("eviction_refused", format!("pod/{}", names.pod(*id)), told)
        }
        Record::BudgetChanged { budget, status } => {
            let budget_line = BudgetLine {
                expected_pods: status.expected_pods,
                current_healthy: status.current_healthy,
                desired_healthy: status.desired_healthy,
                disruptions_allowed: status.disruptions_allowed,
            };
            let told = Told { budget: Some(budget_line), ..plain() };
            ("budget_changed", format!("pdb/{}", names.budget(*budget)), told)
        }
        _ => unreachable!("only records of budgets come here"),
    }
}

fn told_words<'a>(event: &'static str, message: &str) -> Told<'a> {
    Told { reason: Some(event), message: Some(message.to_owned()), ..Told::default() }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller matched the records of disruptions, rollouts and Jobs in full"
)]
fn told_of_work<'a>(names: &Names, record: &Record) -> (&'static str, String, Told<'a>) {
    let workload = |id| format!("workload/{}", names.workload(id));
    let plain = Told::default;
    match record {
        Record::ReplicaSetCreated(_, id) => ("replica_set_created", workload(*id), plain()),
        Record::WorkloadCreated(id) => ("workload_created", workload(*id), plain()),
        Record::WorkloadDeleted(id) => ("workload_deleted", workload(*id), plain()),
        Record::WorkloadUpdated { workload: id, revision } => {
            let told = Told { message: Some(format!("template {revision} is wanted")), ..plain() };
            ("workload_updated", workload(*id), told)
        }
        Record::RolloutEnded(id, end) => {
            let told = Told {
                reason: Some(tell::rollout_word(end.outcome)),
                message: Some(tell::rollout(end)),
                span_s: Some(end.took.as_secs_f64()),
                ..plain()
            };
            ("rollout_ended", names.disruption(*id).to_owned(), told)
        }
        Record::JobStarted { workload: id, name } => {
            let told = Told { owner: Some(names.workload(*id).to_owned()), ..plain() };
            ("job_started", format!("job/{name}"), told)
        }
        Record::JobEnded { workload: id, name, took, failure } => {
            let told = Told {
                owner: Some(names.workload(*id).to_owned()),
                reason: Some(failure.unwrap_or("Complete")),
                span_s: Some(took.as_secs_f64()),
                ..plain()
            };
            ("job_ended", format!("job/{name}"), told)
        }
        Record::JobSkipped(id) => ("job_skipped", workload(*id), plain()),
        Record::PodForbidden { workload: id, message } => {
            let message = Some(message.to_string());
            let told = Told { reason: Some("FailedCreate"), message, ..plain() };
            ("pod_forbidden", workload(*id), told)
        }
        Record::DisruptionBegan(id) => {
            ("disruption_began", names.disruption(*id).to_owned(), plain())
        }
        Record::DisruptionEnded(id) => {
            ("disruption_ended", names.disruption(*id).to_owned(), plain())
        }
        _ => unreachable!("only records of disruptions, rollouts and Jobs are passed on"),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller matched the records of nodes in full"
)]
fn told_of_node<'a>(names: &Names, record: &Record) -> (&'static str, String, Told<'a>) {
    let plain = Told::default;
    let (event, id, told) = match record {
        Record::NodeRequested { node, pool } => {
            let told = Told { pool: Some(names.pool(*pool).to_owned()), ..plain() };
            ("node_requested", node, told)
        }
        Record::NodeLaunched { node, machine } => {
            let place =
                machine.zone.as_ref().map_or_else(String::new, |zone| format!(" in {zone}"));
            let kind = if machine.spot { "spot " } else { "" };
            let message = Some(format!("{kind}{}{place}", machine.instance));
            ("node_launched", node, Told { message, ..plain() })
        }
        Record::NodeLaunchFailed { node, code, message } => {
            let message = Some(format!("{code}: {message}"));
            ("node_launch_failed", node, Told { message, ..plain() })
        }
        Record::NodeReclaimed(id) => ("node_reclaimed", id, plain()),
        Record::NodeRegistered(id) => ("node_registered", id, plain()),
        Record::NodeBecameReady(id) => ("node_ready", id, plain()),
        Record::NodeGpusAllocatable(id) => ("node_gpus_allocatable", id, plain()),
        Record::NodeCordoned(id) => ("node_cordoned", id, plain()),
        Record::NodeUncordoned(id) => ("node_uncordoned", id, plain()),
        Record::NodeLost(id) => ("node_lost", id, plain()),
        Record::NodeRecovered(id) => ("node_recovered", id, plain()),
        Record::NodeRemoving(id) => ("node_removing", id, plain()),
        Record::NodeGone(id) => ("node_gone", id, plain()),
        Record::NodeDisrupted { node, because } => {
            ("node_disrupted", node, Told { reason: Some(because), ..plain() })
        }
        Record::NodeUnneeded { node, since: Some(_) } => ("node_unneeded", node, plain()),
        Record::NodeUnneeded { node, since: None } => ("node_needed", node, plain()),
        _ => unreachable!("only records of nodes come here"),
    };
    (event, format!("node/{}", names.node(*id)), told)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller matched the records of pods in full"
)]
fn told_of_pod<'a>(names: &Names, record: &Record) -> (&'static str, String, Told<'a>) {
    let object = |id| format!("pod/{}", names.pod(id));
    let plain = Told::default;
    let span = |span: SimDuration| Some(span.as_secs_f64());
    match record {
        Record::PodCreated { pod, workload, name: _ } => {
            let told = Told { owner: Some(names.workload(*workload).to_owned()), ..plain() };
            ("pod_created", object(*pod), told)
        }
        Record::PodUnschedulable { pod, message } => {
            let told = Told {
                reason: Some("FailedScheduling"),
                message: Some(message.to_string()),
                ..plain()
            };
            ("pod_unschedulable", object(*pod), told)
        }
        Record::PodBound { pod, node, waited } => {
            let node = Some(names.node(*node).to_owned());
            ("pod_bound", object(*pod), Told { node, span_s: span(*waited), ..plain() })
        }
        Record::PodImagesPulled { pod, took } => {
            ("pod_images_pulled", object(*pod), Told { span_s: span(*took), ..plain() })
        }
        Record::PodStarted(pod) => ("pod_started", object(*pod), plain()),
        Record::PodBecameReady(pod) => ("pod_ready", object(*pod), plain()),
        Record::PodBecameUnready(pod) => ("pod_unready", object(*pod), plain()),
        Record::PodEnded { pod, succeeded } => {
            let reason = Some(if *succeeded { "Succeeded" } else { "Failed" });
            ("pod_ended", object(*pod), Told { reason, ..plain() })
        }
        Record::PodTerminating { pod, because } => {
            let message = Some(tell::deletion(*because).to_owned());
            ("pod_terminating", object(*pod), Told { message, ..plain() })
        }
        Record::ContainerDied { pod, container, why, again_after, restarts: _ } => {
            let message = Some(format!("{container}: {}", tell::death(*why)));
            let told = Told { message, span_s: span(*again_after), ..plain() };
            ("container_died", object(*pod), told)
        }
        Record::TasksInterrupted { pod, losses } => {
            let message = Some(tell::task_losses(losses));
            let told = Told { message, span_s: span(losses.spent), ..plain() };
            ("tasks_interrupted", object(*pod), told)
        }
        Record::PodGone(pod) => ("pod_gone", object(*pod), plain()),
        _ => unreachable!("only records of pods are passed on"),
    }
}

fn hpa_line(clock: Clock, sync: &HpaSync) -> HpaLine<'_> {
    HpaLine {
        current_replicas: sync.current,
        metrics: sync.metrics.iter().map(metric_line).collect(),
        proposal_replicas: sync.proposal,
        stabilized_replicas: sync.stabilized,
        held_until_s: sync.held_until.map(|at| clock.offset(at).as_secs_f64()),
        desired_replicas: sync.desired,
        rescaled: sync.rescaled,
        rescale_reason: &sync.rescale_reason,
        conditions: sync
            .conditions
            .iter()
            .map(|c| ConditionLine { r#type: &c.kind, status: c.status, reason: &c.reason })
            .collect(),
    }
}

fn metric_line(metric: &HpaMetricSync) -> MetricLine<'_> {
    MetricLine {
        label: &metric.label,
        current: &metric.current,
        target: &metric.target,
        ratio: metric.ratio,
        proposal_replicas: metric.proposal,
        failure: metric.failure.as_deref(),
        pods_counted: metric.counted,
        pods_left_out: metric.left_out.iter().map(|(pod, why)| LeftOut { pod, why }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::findings::fixture;

    #[test]
    fn each_line_is_an_object_and_each_kind_of_decision_has_its_reason() {
        let run = fixture::peak();
        let text = ndjson(&run.scenario, 42, &run.history);
        let mut shown = String::new();
        for wanted in [
            "\"schema\"",
            "pod_unschedulable",
            "TriggeredScaleUp",
            "ScaleUpStabilized",
            "eviction_refused",
            "NotTriggerScaleUp",
            "node_gpus_allocatable",
        ] {
            let line = text.lines().find(|line| line.contains(wanted));
            shown.push_str(line.unwrap_or("nothing"));
            shown.push('\n');
        }
        expect![[r#"
            {"schema":"https://aurelius.dev/schema/events.v1.json","version":"1.0.0","tool_version":"0.1.0","scenario":"peak","seed":42,"model":"requests","warm_up_s":300.0,"duration_s":2700.0}
            {"t_s":706.0,"event":"pod_unschedulable","object":"pod/checkout-17","reason":"FailedScheduling","message":"0/4 nodes are available: 2 Insufficient cpu, 2 node(s) had untolerated taint(s)."}
            {"t_s":712.0,"event":"decided","object":"cluster-autoscaler","reason":"TriggeredScaleUp","message":"checkout-17: pod triggered scale-up: [{general 2->3 (max: 4)}], for 3 pods in all"}
            {"t_s":645.0,"until_s":690.0,"count":4,"event":"hpa_synced","object":"hpa/checkout","hpa":{"current_replicas":7,"metrics":[{"label":"cpu resource utilization (percentage of request)","current":"96%","target":"80%","ratio":1.2,"proposal_replicas":9,"failure":null,"pods_counted":7,"pods_left_out":[]}],"proposal_replicas":9,"stabilized_replicas":7,"held_until_s":705.0,"desired_replicas":7,"rescaled":false,"rescale_reason":"","conditions":[{"type":"AbleToScale","status":true,"reason":"ScaleUpStabilized"},{"type":"ScalingActive","status":true,"reason":"ValidMetricFound"},{"type":"ScalingLimited","status":false,"reason":"DesiredWithinRange"}]}}
            {"t_s":2280.0,"until_s":2695.0,"count":84,"event":"eviction_refused","object":"pod/postgresql-0","reason":"DisruptionBudget","message":"Cannot evict pod as it would violate the pod's disruption budget. (budget postgresql)","node":"general-2"}
            {"t_s":2290.0,"until_s":2690.0,"count":41,"event":"decided","object":"cluster-autoscaler","reason":"NotTriggerScaleUp","message":"checkout-20: pod didn't trigger scale-up: 1 max node group size reached, 1 node(s) had untolerated taint(s) (general: max node group size reached; gpu: node(s) had untolerated taint(s))"}
            {"t_s":-300.0,"event":"node_gpus_allocatable","object":"node/general-1"}
        "#]].assert_eq(&shown);
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).expect("valid JSON");
            assert!(value.is_object());
        }
    }
}
