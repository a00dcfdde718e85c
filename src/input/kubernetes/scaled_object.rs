//! KEDA's ScaledObject, and the HorizontalPodAutoscaler that KEDA makes of it.

use std::sync::Arc;

use super::autoscaler::{self, AutoscalerSpec};
use super::meta::{metadata, object_fields, origin_or_default, strings};
use crate::cluster::api::meta::{Labels, ObjectMeta};
use crate::control::hpa::{
    Behavior, HpaSpec, LabelSelector, MetricIdentifier, MetricSpec, MetricTarget, ResourceName,
    SelectPolicy, TargetKind,
};
use crate::control::keda::{Annotations, Fallback, FallbackBehavior};
use crate::input::codes;
use crate::input::decode::{Fields, Value};
use crate::input::source::Span;
use crate::units::quantity::Quantity;
use crate::units::{Origin, SimDuration};

/// keda.sh/v1alpha1 ScaledObject, as far as it decides.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledObjectSpec {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// `spec.scaleTargetRef.kind`; `Deployment` when absent.
    pub target_kind: Arc<str>,
    /// `spec.scaleTargetRef.name`.
    pub target_name: Arc<str>,
    /// How often KEDA looks while there are no replicas.
    pub polling_interval: SimDuration,
    /// How long triggers must be quiet before the last replica goes.
    pub cooldown_period: SimDuration,
    /// How long after its creation the object does not scale to zero.
    pub initial_cooldown_period: SimDuration,
    /// `spec.idleReplicaCount`.
    pub idle_replicas: Option<i32>,
    /// `spec.minReplicaCount`, 0 when absent.
    pub min_replicas: i32,
    /// `spec.maxReplicaCount`, 100 when absent.
    pub max_replicas: i32,
    /// What is watched.
    pub triggers: Vec<TriggerSpec>,
    /// Whether annotations hold it still in both directions: there is no HPA then.
    pub paused: bool,
    /// What annotations hold in one direction, or force.
    pub annotations: Annotations,
    /// `spec.fallback`.
    pub fallback: Option<Fallback>,
}

/// One trigger of a ScaledObject.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerSpec {
    /// The scaler: `cpu`, `redis`, `kafka`, `prometheus`, `cron`, ...
    pub kind: Arc<str>,
    /// `metadata` of the trigger; its texts are the scaler's business.
    pub metadata: Labels,
    /// Where the trigger stands.
    pub origin: Origin,
    metric: MetricSpec,
}

impl TriggerSpec {
    /// The name under which KEDA serves the trigger; `None` for CPU and memory, which are the HPA's.
    #[must_use]
    pub fn external_metric(&self) -> Option<&str> {
        match &self.metric {
            MetricSpec::External { metric, .. } => Some(&metric.name),
            MetricSpec::Resource { .. }
            | MetricSpec::ContainerResource { .. }
            | MetricSpec::Pods { .. }
            | MetricSpec::Object { .. } => None,
        }
    }
}

/// keda.sh/v1alpha1 ScaledObject with the HPA of it (keda, pkg/scaling and controllers/keda/hpa.go
/// `newHPAForScaledObject`): its bounds are at least one, its name `keda-hpa-NAME`.
pub(super) fn scaled_object(value: &Value<'_>) -> Option<(ScaledObjectSpec, AutoscalerSpec)> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec_value = fields.required("spec");
    fields.finish("ScaledObject (keda.sh/v1alpha1)");
    let fields = spec_value?.fields()?;
    let target_value = fields.required("scaleTargetRef");
    let target = target_value.as_ref().and_then(target);
    let seconds =
        |name, default| fields.read_or(name, SimDuration::from_secs(default), super::meta::seconds);
    let polling_interval = seconds("pollingInterval", 30);
    let cooldown_period = seconds("cooldownPeriod", 300);
    let initial_cooldown_period = seconds("initialCooldownPeriod", 0);
    let whole = |value: &Value<'_>| value.integer(0..=i32::MAX);
    let idle_replicas = fields.read("idleReplicaCount", whole);
    let (min_value, max_value) =
        (fields.optional("minReplicaCount"), fields.optional("maxReplicaCount"));
    let min = min_value.as_ref().map_or(Some(0), whole);
    let max = max_value.as_ref().map_or(Some(100), whole);
    let advanced = fields.read("advanced", advanced);
    let own_name = meta.as_ref().map(|meta| Arc::clone(&meta.name));
    let triggers = fields.required("triggers").and_then(|value| triggers(&value, own_name));
    let fallback = fields.read("fallback", fallback);
    fields.finish("ScaledObjectSpec (keda.sh/v1alpha1)");
    let (meta, (target_kind, target_name)) = (meta?, target?);
    let (behavior, hpa_name) = advanced?.unwrap_or_default();
    let (min_replicas, max_replicas, triggers) = (min?, max?, triggers?);
    let paused_replicas = meta.annotations.contains_key("autoscaling.keda.sh/paused-replicas");
    if paused_replicas {
        let message = "has the annotation autoscaling.keda.sh/paused-replicas, whose count is not \
                       simulated: the target keeps the size it states itself";
        value.report(value.warning(codes::UNSUPPORTED, message));
    }
    let object = ScaledObjectSpec {
        paused: paused_replicas || is_set(&meta.annotations, "autoscaling.keda.sh/paused"),
        annotations: Annotations {
            pause_scale_in: is_set(&meta.annotations, "autoscaling.keda.sh/paused-scale-in"),
            pause_scale_out: is_set(&meta.annotations, "autoscaling.keda.sh/paused-scale-out"),
            force_activation: is_set(&meta.annotations, "autoscaling.keda.sh/force-activation"),
        },
        fallback: fallback?,
        target_kind: Arc::clone(&target_kind),
        target_name: Arc::clone(&target_name),
        polling_interval: polling_interval?,
        cooldown_period: cooldown_period?,
        initial_cooldown_period: initial_cooldown_period?,
        idle_replicas: idle_replicas?,
        min_replicas,
        max_replicas,
        triggers,
        meta,
    };
    let hpa = Hpa { target: target_value?, min: min_value, max: max_value, behavior, hpa_name };
    autoscaler_of(value, &object, hpa).map(|autoscaler| (object, autoscaler))
}

/// Whether an annotation is set: what is no truth value counts as true (keda,
/// apis/keda/v1alpha1/scaledobject_types.go `getBoolAnnotation`).
fn is_set(annotations: &Labels, key: &str) -> bool {
    let no = ["0", "f", "F", "false", "False", "FALSE"];
    annotations.get(key).is_some_and(|text| !no.contains(&&**text))
}

fn fallback(value: &Value<'_>) -> Option<Fallback> {
    let fields = value.fields()?;
    let whole = |value: &Value<'_>| value.integer(0..=i32::MAX);
    let threshold = fields.required("failureThreshold").and_then(|it| whole(&it));
    let replicas = fields.required("replicas").and_then(|it| whole(&it));
    let words = [
        ("static", Some(FallbackBehavior::Static)),
        ("currentReplicas", Some(FallbackBehavior::CurrentReplicas)),
        ("currentReplicasIfHigher", Some(FallbackBehavior::CurrentReplicasIfHigher)),
        ("currentReplicasIfLower", Some(FallbackBehavior::CurrentReplicasIfLower)),
        ("scalingModifiers", None),
    ];
    let behavior = fields.read("behavior", |value| {
        let word = value.word(&words)?;
        if word.is_none() {
            let message = "is `scalingModifiers`, which is not simulated: `static` counts";
            value.report(value.warning(codes::UNSUPPORTED, message));
        }
        Some(word.unwrap_or(FallbackBehavior::Static))
    });
    fields.finish("Fallback (keda.sh/v1alpha1)");
    Some(Fallback {
        failure_threshold: threshold?.unsigned_abs(),
        replicas: replicas?,
        behavior: behavior?.unwrap_or(FallbackBehavior::Static),
    })
}

/// Switches the directions off that annotations hold (keda, controllers/keda/hpa.go
/// `newHPAForScaledObject`).
fn held(behavior: Option<Behavior>, annotations: Annotations) -> Option<Behavior> {
    let Annotations { pause_scale_in, pause_scale_out, .. } = annotations;
    if !pause_scale_in && !pause_scale_out {
        return behavior;
    }
    let mut behavior = behavior.unwrap_or(Behavior { scale_up: None, scale_down: None });
    let off = Some(SelectPolicy::Disabled);
    if pause_scale_in {
        behavior.scale_down.get_or_insert_default().select_policy = off;
    }
    if pause_scale_out {
        behavior.scale_up.get_or_insert_default().select_policy = off;
    }
    Some(behavior)
}

/// What the HPA needs beside the object.
struct Hpa<'a> {
    target: Value<'a>,
    min: Option<Value<'a>>,
    max: Option<Value<'a>>,
    behavior: Option<Behavior>,
    hpa_name: Option<Arc<str>>,
}

fn autoscaler_of(
    value: &Value<'_>,
    object: &ScaledObjectSpec,
    parts: Hpa<'_>,
) -> Option<AutoscalerSpec> {
    let spec = HpaSpec {
        min_replicas: Some(object.min_replicas.max(1)),
        max_replicas: object.max_replicas,
        metrics: object.triggers.iter().map(|trigger| trigger.metric.clone()).collect(),
        behavior: held(parts.behavior, object.annotations),
    };
    autoscaler::refuse(value, &spec)?;
    let name = parts.hpa_name.unwrap_or_else(|| format!("keda-hpa-{}", object.meta.name).into());
    let span: Span = parts.target.span();
    Some(AutoscalerSpec {
        meta: ObjectMeta { name, ..object.meta.clone() },
        target_kind: Arc::clone(&object.target_kind),
        target_name: Arc::clone(&object.target_name),
        target_origin: parts.target.origin(),
        target_span: span,
        spec,
        min_origin: origin_or_default(parts.min.as_ref()),
        max_origin: origin_or_default(parts.max.as_ref()),
    })
}

fn target(value: &Value<'_>) -> Option<(Arc<str>, Arc<str>)> {
    let fields = value.fields()?;
    let kind = fields.read_or("kind", Arc::from("Deployment"), Value::shared);
    let name = fields.required("name").and_then(|name| name.non_empty().map(Arc::from));
    fields.ignore(&["apiVersion", "envSourceContainerName"]);
    fields.finish("ScaleTarget (keda.sh/v1alpha1)");
    Some((kind?, name?))
}

/// The behaviour and the name of the HPA.
type Advanced = (Option<Behavior>, Option<Arc<str>>);

fn advanced(value: &Value<'_>) -> Option<Advanced> {
    let fields = value.fields()?;
    let config = fields.read("horizontalPodAutoscalerConfig", |config| {
        let fields = config.fields()?;
        let behavior = fields.read("behavior", autoscaler::behavior);
        let name = fields.read("name", Value::shared);
        fields.finish("HorizontalPodAutoscalerConfig (keda.sh/v1alpha1)");
        Some((behavior?, name?))
    });
    if let Some(modifiers) = fields.optional("scalingModifiers") {
        let message = "is not simulated: every trigger counts by itself";
        value.report(modifiers.warning(codes::UNSUPPORTED, message));
    }
    fields.ignore(&["restoreToOriginalReplicaCount"]);
    fields.finish("AdvancedConfig (keda.sh/v1alpha1)");
    config.map(Option::unwrap_or_default)
}

fn triggers(value: &Value<'_>, object: Option<Arc<str>>) -> Option<Vec<TriggerSpec>> {
    let items = value.items()?;
    let read: Vec<Option<_>> = items
        .iter()
        .enumerate()
        .map(|(at, item)| trigger(item, at, object.as_deref().unwrap_or_default()))
        .collect();
    read.into_iter().collect()
}

fn trigger(value: &Value<'_>, at: usize, object: &str) -> Option<TriggerSpec> {
    let fields = value.fields()?;
    let kind = fields.required("type").and_then(|kind| kind.non_empty());
    let metadata_value = fields.required("metadata");
    let metadata = metadata_value.as_ref().and_then(strings);
    let kinds = [
        ("AverageValue", TargetKind::AverageValue),
        ("Value", TargetKind::Value),
        ("Utilization", TargetKind::Utilization),
    ];
    let metric_type = fields.read("metricType", |value| value.word(&kinds));
    fields.ignore(&["authenticationRef", "name", "useCachedMetrics"]);
    fields.finish("ScaleTriggers (keda.sh/v1alpha1)");
    let (kind, metadata) = (kind?, metadata?);
    let parts =
        Trigger { fields: metadata_value?.fields()?, at, object, metadata: &metadata, kind };
    let metric = parts.metric(metric_type?)?;
    Some(TriggerSpec { kind: kind.into(), metric, metadata, origin: value.origin() })
}

struct Trigger<'a> {
    fields: Fields<'a>,
    at: usize,
    object: &'a str,
    metadata: &'a Labels,
    kind: &'a str,
}

impl Trigger<'_> {
    /// The metric of the HPA: CPU and memory by themselves, anything else as an external metric
    /// that KEDA serves.
    fn metric(&self, kind: Option<TargetKind>) -> Option<MetricSpec> {
        if matches!(self.kind, "cpu" | "memory") {
            return self.resource(kind);
        }
        let kind = kind.unwrap_or(TargetKind::AverageValue);
        let amount = self.threshold()?;
        let target = MetricTarget {
            kind,
            average_utilization: None,
            average_value: (kind == TargetKind::AverageValue).then_some(amount),
            value: (kind == TargetKind::Value).then_some(amount),
        };
        let match_labels =
            [("scaledobject.keda.sh/name".to_owned(), self.object.to_owned())].into();
        let selector = LabelSelector { match_labels, match_expressions: Vec::new() };
        let metric = MetricIdentifier { name: self.metric_name(), selector: Some(selector) };
        Some(MetricSpec::External { metric, target })
    }

    /// The CPU and memory scalers (keda, pkg/scalers/cpu_memory_scaler.go).
    fn resource(&self, kind: Option<TargetKind>) -> Option<MetricSpec> {
        let value = self.fields.required("value")?;
        let own = self.metadata.get("type").map(|text| &**text);
        let utilization = match (kind, own) {
            (Some(kind), _) => kind == TargetKind::Utilization,
            (None, text) => text.is_none_or(|text| text == "Utilization"),
        };
        let target = if utilization {
            let percent: Option<i32> = value.node().text().and_then(|text| text.parse().ok());
            let Some(percent) = percent else {
                value.report(value.error(codes::INVALID_VALUE, "must be a whole number in quotes"));
                return None;
            };
            MetricTarget::utilization(percent)
        } else {
            let average_value = Some(value.quantity()?);
            MetricTarget {
                kind: TargetKind::AverageValue,
                average_utilization: None,
                average_value,
                value: None,
            }
        };
        let name = if self.kind == "cpu" { ResourceName::Cpu } else { ResourceName::Memory };
        Some(match self.metadata.get("containerName") {
            Some(container) => {
                MetricSpec::ContainerResource { name, container: (**container).to_owned(), target }
            }
            None => MetricSpec::Resource { name, target },
        })
    }

    /// How much each replica may have of it: the field of the scaler and its default.
    fn threshold(&self) -> Option<Quantity> {
        let (field, default) = match self.kind {
            "redis" | "redis-cluster" | "redis-sentinel" => ("listLength", Some("5")),
            "redis-streams" | "redis-cluster-streams" | "redis-sentinel-streams" => {
                ("pendingEntriesCount", Some("5"))
            }
            "rabbitmq" => ("value", Some("20")),
            "kafka" | "apache-kafka" => ("lagThreshold", Some("10")),
            "aws-sqs-queue" => ("queueLength", Some("5")),
            "prometheus" => ("threshold", None),
            // A schedule asks for replicas one by one (cron_scaler.go `GetMetricSpecForScaling`).
            "cron" => return Some("1".parse().expect("one is a quantity")),
            _ => ("value", Some("1")),
        };
        match (self.fields.optional(field), default) {
            (Some(value), _) => value.quantity(),
            (None, Some(default)) => Some(default.parse().expect("the defaults are quantities")),
            (None, None) => {
                self.fields.report_missing(field);
                None
            }
        }
    }

    /// The name under which KEDA serves the metric: the position, the scaler and what it watches
    /// (keda, pkg/scalers/scaler.go `GenerateMetricNameWithIndex`).
    fn metric_name(&self) -> String {
        let text = |key| self.metadata.get(key).map(|text| &**text);
        let rest = match self.kind {
            "redis" | "redis-cluster" | "redis-sentinel" => text("listName"),
            "redis-streams" => text("stream"),
            "rabbitmq" => text("queueName"),
            "kafka" | "apache-kafka" => text("topic"),
            "aws-sqs-queue" => text("queueURL").and_then(|url| url.rsplit('/').next()),
            _ => None,
        };
        let base = match rest {
            Some(rest) => format!("{}-{rest}", self.kind),
            None => self.kind.to_owned(),
        };
        let plain = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '-' };
        format!("s{}-{}", self.at, base.chars().map(plain).collect::<String>())
    }
}
