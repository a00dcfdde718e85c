//! KEDA's ScaledObject, and the HorizontalPodAutoscaler that KEDA makes of it.

mod advanced;
mod trigger;

use std::sync::Arc;

use self::advanced::{Advanced, Whole, admitted, advanced, modifiers};
pub use self::trigger::TriggerSpec;
use self::trigger::triggers;
use super::autoscaler::{self, AutoscalerSpec};
use super::meta::{metadata, object_fields, origin_or_default};
use crate::cluster::api::meta::{Labels, ObjectMeta};
use crate::control::hpa::{Behavior, HpaSpec, SelectPolicy};
use crate::control::keda::triggers::Modifiers;
use crate::control::keda::{Annotations, Fallback, FallbackBehavior};
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::source::Span;
use crate::units::SimDuration;

/// keda.sh/v1alpha1 ScaledObject, as far as it decides.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledObjectSpec {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// The name of the HPA that KEDA makes.
    pub hpa_name: Arc<str>,
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
    /// `spec.advanced.scalingModifiers`.
    pub modifiers: Option<Modifiers>,
    /// Whether annotations hold it still in both directions: there is no HPA then.
    pub paused: bool,
    /// The size at which `autoscaling.keda.sh/paused-replicas` holds the target.
    pub paused_replicas: Option<i32>,
    /// What annotations hold in one direction, or force.
    pub annotations: Annotations,
    /// `spec.fallback`.
    pub fallback: Option<Fallback>,
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
    let Advanced { behavior, hpa_name, modifiers: written } = advanced?.unwrap_or_default();
    let (min_replicas, max_replicas, triggers) = (min?, max?, triggers?);
    let (fallback, idle_replicas) = (fallback?, idle_replicas?);
    let whole = Whole {
        triggers: &triggers,
        fallback,
        idle_replicas,
        min_replicas: min_value.as_ref().map(|_| min_replicas),
        has_modifiers: written.is_some(),
    };
    let is_admitted = admitted(value, &whole);
    let modifiers = modifiers(value, written, &triggers)?;
    is_admitted?;
    let paused_replicas = paused_replicas(value, &meta.annotations)?;
    let object = ScaledObjectSpec {
        paused: paused_replicas.is_some()
            || is_set(&meta.annotations, "autoscaling.keda.sh/paused"),
        paused_replicas,
        annotations: Annotations {
            pause_scale_in: is_set(&meta.annotations, "autoscaling.keda.sh/paused-scale-in"),
            pause_scale_out: is_set(&meta.annotations, "autoscaling.keda.sh/paused-scale-out"),
            force_activation: is_set(&meta.annotations, "autoscaling.keda.sh/force-activation"),
        },
        fallback,
        hpa_name: hpa_name.unwrap_or_else(|| format!("keda-hpa-{}", meta.name).into()),
        target_kind: Arc::clone(&target_kind),
        target_name: Arc::clone(&target_name),
        polling_interval: polling_interval?,
        cooldown_period: cooldown_period?,
        initial_cooldown_period: initial_cooldown_period?,
        idle_replicas,
        min_replicas,
        max_replicas,
        triggers,
        modifiers,
        meta,
    };
    let hpa = Hpa { target: target_value?, min: min_value, max: max_value, behavior };
    autoscaler_of(value, &object, hpa).map(|autoscaler| (object, autoscaler))
}

/// The size of `autoscaling.keda.sh/paused-replicas` (keda, controllers/keda/scaledobject_controller.go
/// `scaleTargetToPausedCount`).
fn paused_replicas(value: &Value<'_>, annotations: &Labels) -> Option<Option<i32>> {
    let Some(text) = annotations.get("autoscaling.keda.sh/paused-replicas") else {
        return Some(None);
    };
    let count = text.parse::<i32>().ok().filter(|count| *count >= 0);
    if count.is_none() {
        let message = format!(
            "has the annotation autoscaling.keda.sh/paused-replicas: `{text}`, must be a whole number \
             in quotes"
        );
        value.report(value.error(codes::INVALID_VALUE, &message));
    }
    count.map(Some)
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
        ("static", FallbackBehavior::Static),
        ("currentReplicas", FallbackBehavior::CurrentReplicas),
        ("currentReplicasIfHigher", FallbackBehavior::CurrentReplicasIfHigher),
        ("currentReplicasIfLower", FallbackBehavior::CurrentReplicasIfLower),
        ("scalingModifiers", FallbackBehavior::ScalingModifiers),
    ];
    let behavior = fields.read("behavior", |value| value.word(&words));
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
}

fn autoscaler_of(
    value: &Value<'_>,
    object: &ScaledObjectSpec,
    parts: Hpa<'_>,
) -> Option<AutoscalerSpec> {
    let spec = HpaSpec {
        min_replicas: Some(object.min_replicas.max(1)),
        max_replicas: object.max_replicas,
        metrics: advanced::metrics(&object.meta.name, &object.triggers, object.modifiers.as_ref()),
        behavior: held(parts.behavior, object.annotations),
    };
    autoscaler::refuse(value, &spec)?;
    let name = Arc::clone(&object.hpa_name);
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
