//! HorizontalPodAutoscaler: each case is one controller memory and a sequence of syncs.

use std::collections::BTreeMap;

use aurelius_sim::control::hpa::{
    Amounts, Behavior, ConditionStatus, ContainerAmounts, DescribedObject, Hpa, HpaConfig,
    HpaDecision, HpaObservation, HpaSpec, MetricIdentifier, MetricSpec, MetricTarget, ObservedPod,
    PodLifecycle, PodMetrics, PodPhase, PodValue, PolicyKind, Reading, ReadyCondition,
    ResourceName, Scale, ScaleUpdate, ScalingPolicy, ScalingRules, SelectPolicy, SelectorCheck,
    TargetKind,
};
use aurelius_sim::units::quantity::Quantity;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Checks, Outcome, each_case};

pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, check_case)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    controller: ControllerDoc,
    hpa: HpaDoc,
    syncs: Vec<SyncDoc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ControllerDoc {
    downscale_stabilization_seconds: Seconds,
    tolerance: f64,
    cpu_initialization_period_seconds: Seconds,
    initial_readiness_delay_seconds: Seconds,
}

/// Seconds with fractions, turned into whole nanoseconds before anything is compared.
#[derive(Deserialize, Clone, Copy)]
#[serde(from = "f64")]
struct Seconds(i64);

impl From<f64> for Seconds {
    #[expect(clippy::cast_possible_truncation, reason = "a case lasts hours, not centuries")]
    fn from(seconds: f64) -> Self {
        Self((seconds * 1e9).round() as i64)
    }
}

fn quantity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

fn quantity_if_given<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Quantity>, D::Error> {
    quantity(deserializer).map(Some)
}

/// A quantity as the controller sees it: whole thousandths, rounded up.
#[derive(Deserialize, Clone, Copy)]
#[serde(transparent)]
struct Amount(#[serde(deserialize_with = "quantity")] Quantity);

impl Amount {
    fn milli(self) -> i64 {
        self.0.milli_value_ceil()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HpaDoc {
    #[serde(rename = "scaleTargetRef")]
    _scale_target_ref: Value,
    min_replicas: Option<i32>,
    max_replicas: i32,
    #[serde(default)]
    metrics: Vec<MetricDoc>,
    behavior: Option<BehaviorDoc>,
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum MetricDoc {
    Resource {
        resource: ResourceDoc,
    },
    ContainerResource {
        #[serde(rename = "containerResource")]
        container_resource: ResourceDoc,
    },
    Pods {
        pods: CustomDoc,
    },
    Object {
        object: CustomDoc,
    },
    External {
        external: CustomDoc,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceDoc {
    name: String,
    container: Option<String>,
    target: TargetDoc,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CustomDoc {
    described_object: Option<DescribedObjectDoc>,
    metric: MetricNameDoc,
    target: TargetDoc,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DescribedObjectDoc {
    kind: String,
    name: String,
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricNameDoc {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TargetDoc {
    #[serde(rename = "type")]
    kind: String,
    average_utilization: Option<i32>,
    #[serde(default, deserialize_with = "quantity_if_given")]
    average_value: Option<Quantity>,
    #[serde(default, deserialize_with = "quantity_if_given")]
    value: Option<Quantity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BehaviorDoc {
    scale_up: Option<RulesDoc>,
    scale_down: Option<RulesDoc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RulesDoc {
    stabilization_window_seconds: Option<i32>,
    select_policy: Option<String>,
    policies: Option<Vec<PolicyDoc>>,
    #[serde(default, deserialize_with = "quantity_if_given")]
    tolerance: Option<Quantity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicyDoc {
    #[serde(rename = "type")]
    kind: String,
    value: i32,
    period_seconds: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SyncDoc {
    at: Seconds,
    spec_replicas: i32,
    status_replicas: i32,
    #[serde(default)]
    pods: Vec<PodDoc>,
    #[serde(default)]
    pod_metrics: Vec<PodMetricsDoc>,
    #[serde(default)]
    pods_metrics: BTreeMap<String, Vec<PodValueDoc>>,
    #[serde(default)]
    object_metrics: BTreeMap<String, Amount>,
    #[serde(default)]
    external_metrics: BTreeMap<String, Vec<Amount>>,
    expect: ExpectDoc,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodDoc {
    name: String,
    phase: String,
    ready: Option<String>,
    ready_transition_at: Option<Seconds>,
    start_at: Option<Seconds>,
    #[serde(default)]
    deleting: bool,
    #[serde(default)]
    containers: Vec<ContainerDoc>,
}

/// Requests of a pod's container, or usage of a measured one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainerDoc {
    name: String,
    #[serde(default, alias = "usage")]
    requests: BTreeMap<String, Amount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodMetricsDoc {
    name: String,
    at: Seconds,
    window_seconds: Seconds,
    #[serde(default)]
    containers: Vec<ContainerDoc>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PodValueDoc {
    pod: String,
    value: Amount,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExpectDoc {
    desired_replicas: i32,
    rescaled: bool,
    rescale_reason: Option<String>,
    #[serde(default)]
    conditions: BTreeMap<String, String>,
    #[serde(default)]
    current_metrics: Vec<String>,
}

fn check_case(case: Case) -> Checks {
    let config = HpaConfig {
        downscale_stabilization_ns: case.controller.downscale_stabilization_seconds.0,
        tolerance: case.controller.tolerance,
        cpu_initialization_period_ns: case.controller.cpu_initialization_period_seconds.0,
        initial_readiness_delay_ns: case.controller.initial_readiness_delay_seconds.0,
        ..HpaConfig::default()
    };
    let mut hpa = Hpa::new(spec(case.hpa));
    let mut checks = Checks::default();
    for sync in &case.syncs {
        let held = Held::of(sync, hpa.spec());
        let (pods, pod_metrics) = (held.pods(sync), held.pod_metrics(sync));
        let readings = held.readings();
        let decision = hpa.sync(
            &config,
            &HpaObservation {
                now_ns: sync.at.0,
                scale: Some(Scale {
                    spec_replicas: sync.spec_replicas,
                    status_replicas: sync.status_replicas,
                }),
                selector: SelectorCheck::Valid,
                pods: &pods,
                pod_metrics: &pod_metrics,
                readings: &readings,
                scale_update: ScaleUpdate::Succeeds,
            },
        );
        compare(&mut checks, &case.name, sync, &decision);
    }
    checks
}

fn compare(checks: &mut Checks, name: &str, sync: &SyncDoc, decision: &HpaDecision<'_>) {
    #[expect(clippy::cast_precision_loss, reason = "the time is only shown")]
    let seconds = sync.at.0 as f64 / 1e9;
    let checks = checks.at(format!("{name} at {seconds} s"));
    let expect = &sync.expect;
    let reason = decision.rescale.as_ref().map(ToString::to_string);
    checks.compare("desiredReplicas", &Some(expect.desired_replicas), &decision.desired_replicas);
    checks.compare("rescaled", &expect.rescaled, &decision.rescale.is_some());
    checks.compare("rescaleReason", &expect.rescale_reason, &reason);
    let conditions: BTreeMap<_, _> = decision
        .conditions
        .iter()
        .map(|found| (found.kind.to_string(), format!("{}/{}", found.status, found.reason)))
        .collect();
    checks.compare("conditions", &expect.conditions, &conditions);
    let metrics: Vec<_> = decision.metrics.iter().map(|found| found.status.to_string()).collect();
    checks.compare("currentMetrics", &expect.current_metrics, &metrics);
}

/// What an observation borrows from.
struct Held<'s> {
    requests: Vec<Vec<ContainerAmounts<'s>>>,
    usages: Vec<Vec<ContainerAmounts<'s>>>,
    values: Vec<HeldReading<'s>>,
}

enum HeldReading<'s> {
    Failed,
    PerPod(Vec<PodValue<'s>>),
    Single(i64),
    Series(Vec<i64>),
}

impl<'s> Held<'s> {
    fn of(sync: &'s SyncDoc, spec: &HpaSpec) -> Self {
        Self {
            requests: sync.pods.iter().map(|pod| amounts(&pod.containers)).collect(),
            usages: sync.pod_metrics.iter().map(|pod| amounts(&pod.containers)).collect(),
            values: spec.metrics.iter().map(|metric| held_reading(sync, metric)).collect(),
        }
    }

    fn pods(&'s self, sync: &'s SyncDoc) -> Vec<ObservedPod<'s>> {
        let pods = sync.pods.iter().zip(&self.requests);
        pods.map(|(pod, containers)| observed_pod(pod, containers)).collect()
    }

    fn pod_metrics(&'s self, sync: &'s SyncDoc) -> Vec<PodMetrics<'s>> {
        let served = sync.pod_metrics.iter().zip(&self.usages);
        served
            .map(|(pod, containers)| PodMetrics {
                name: &pod.name,
                timestamp_ns: pod.at.0,
                window_ns: pod.window_seconds.0,
                containers,
            })
            .collect()
    }

    fn readings(&'s self) -> Vec<Reading<'s>> {
        let reading = |held: &'s HeldReading<'s>| match held {
            HeldReading::Failed => Reading::Failed,
            HeldReading::PerPod(values) => Reading::PerPod(values),
            HeldReading::Single(value) => Reading::Single(*value),
            HeldReading::Series(series) => Reading::Series(series),
        };
        self.values.iter().map(reading).collect()
    }
}

fn held_reading<'s>(sync: &'s SyncDoc, metric: &MetricSpec) -> HeldReading<'s> {
    let found = match metric {
        MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. } => None,
        MetricSpec::Pods { metric, .. } => sync.pods_metrics.get(&metric.name).map(|values| {
            let value =
                |it: &'s PodValueDoc| PodValue { pod: &it.pod, value_milli: it.value.milli() };
            HeldReading::PerPod(values.iter().map(value).collect())
        }),
        MetricSpec::Object { metric, .. } => {
            sync.object_metrics.get(&metric.name).map(|value| HeldReading::Single(value.milli()))
        }
        MetricSpec::External { metric, .. } => sync
            .external_metrics
            .get(&metric.name)
            .map(|series| HeldReading::Series(series.iter().map(|value| value.milli()).collect())),
    };
    found.unwrap_or(HeldReading::Failed)
}

fn amounts(containers: &[ContainerDoc]) -> Vec<ContainerAmounts<'_>> {
    let milli = |container: &ContainerDoc, resource: &str| {
        container.requests.get(resource).map(|amount| amount.milli())
    };
    containers
        .iter()
        .map(|container| ContainerAmounts {
            name: &container.name,
            amounts: Amounts {
                cpu_milli: milli(container, "cpu"),
                memory_milli: milli(container, "memory"),
            },
        })
        .collect()
}

fn observed_pod<'s>(pod: &'s PodDoc, containers: &'s [ContainerAmounts<'s>]) -> ObservedPod<'s> {
    let ready = pod.ready.as_ref().map(|status| ReadyCondition {
        status: match status.as_str() {
            "True" => ConditionStatus::True,
            "False" => ConditionStatus::False,
            "Unknown" => ConditionStatus::Unknown,
            other => panic!("pod {}: no such Ready status: {other}", pod.name),
        },
        last_transition_ns: pod.ready_transition_at.map_or(0, |at| at.0),
    });
    ObservedPod {
        name: &pod.name,
        phase: match pod.phase.as_str() {
            "Pending" => PodPhase::Pending,
            "Running" => PodPhase::Running,
            "Succeeded" => PodPhase::Succeeded,
            "Failed" => PodPhase::Failed,
            "Unknown" => PodPhase::Unknown,
            other => panic!("pod {}: no such phase: {other}", pod.name),
        },
        ready,
        start_ns: pod.start_at.map(|at| at.0),
        lifecycle: if pod.deleting { PodLifecycle::Deleting } else { PodLifecycle::Present },
        containers,
        pod_level_requests: None,
    }
}

fn spec(doc: HpaDoc) -> HpaSpec {
    HpaSpec {
        min_replicas: doc.min_replicas,
        max_replicas: doc.max_replicas,
        metrics: doc.metrics.into_iter().map(metric).collect(),
        behavior: doc.behavior.map(|behavior| Behavior {
            scale_up: behavior.scale_up.map(rules),
            scale_down: behavior.scale_down.map(rules),
        }),
    }
}

fn metric(doc: MetricDoc) -> MetricSpec {
    let resource = |name: String| match name.as_str() {
        "cpu" => ResourceName::Cpu,
        "memory" => ResourceName::Memory,
        _ => ResourceName::Other(name),
    };
    let named = |metric: MetricNameDoc| MetricIdentifier { name: metric.name, selector: None };
    match doc {
        MetricDoc::Resource { resource: doc } => {
            MetricSpec::Resource { name: resource(doc.name), target: target(doc.target) }
        }
        MetricDoc::ContainerResource { container_resource: doc } => MetricSpec::ContainerResource {
            name: resource(doc.name),
            container: doc.container.expect("a ContainerResource metric names its container"),
            target: target(doc.target),
        },
        MetricDoc::Pods { pods: doc } => {
            MetricSpec::Pods { metric: named(doc.metric), target: target(doc.target) }
        }
        MetricDoc::Object { object: doc } => {
            let object = doc.described_object.expect("an Object metric describes its object");
            MetricSpec::Object {
                described_object: DescribedObject { kind: object.kind, name: object.name },
                metric: named(doc.metric),
                target: target(doc.target),
            }
        }
        MetricDoc::External { external: doc } => {
            MetricSpec::External { metric: named(doc.metric), target: target(doc.target) }
        }
    }
}

fn target(doc: TargetDoc) -> MetricTarget {
    MetricTarget {
        kind: match doc.kind.as_str() {
            "Utilization" => TargetKind::Utilization,
            "Value" => TargetKind::Value,
            "AverageValue" => TargetKind::AverageValue,
            other => panic!("no such target type: {other}"),
        },
        average_utilization: doc.average_utilization,
        average_value: doc.average_value,
        value: doc.value,
    }
}

fn rules(doc: RulesDoc) -> ScalingRules {
    let policy = |doc: PolicyDoc| ScalingPolicy {
        kind: match doc.kind.as_str() {
            "Pods" => PolicyKind::Pods,
            "Percent" => PolicyKind::Percent,
            other => panic!("no such policy type: {other}"),
        },
        value: doc.value,
        period_seconds: doc.period_seconds,
    };
    ScalingRules {
        stabilization_window_seconds: doc.stabilization_window_seconds,
        select_policy: doc.select_policy.map(|select| match select.as_str() {
            "Max" => SelectPolicy::Max,
            "Min" => SelectPolicy::Min,
            "Disabled" => SelectPolicy::Disabled,
            other => panic!("no such select policy: {other}"),
        }),
        policies: doc.policies.map(|policies| policies.into_iter().map(policy).collect()),
        tolerance: doc.tolerance,
    }
}
