//! `advanced` of a ScaledObject, and what KEDA's admission says to the whole of it.

use std::sync::Arc;

use super::super::autoscaler;
use super::trigger::{TriggerSpec, is_resource, served};
use crate::control::hpa::{Behavior, MetricSpec, MetricTarget, TargetKind};
use crate::control::keda::formula::Formula;
use crate::control::keda::triggers::{COMPOSITE, Modifiers};
use crate::control::keda::{Fallback, FallbackBehavior};
use crate::input::codes;
use crate::input::decode::Value;
use crate::units::convert::trunc_i64;
use crate::units::quantity::{Format, Quantity};

/// The behaviour and the name of the HPA, and how triggers are put together.
#[derive(Default)]
pub(super) struct Advanced {
    pub(super) behavior: Option<Behavior>,
    pub(super) hpa_name: Option<Arc<str>>,
    pub(super) modifiers: Option<WrittenModifiers>,
}

/// `scalingModifiers` before its formula has seen the names of triggers.
pub(super) struct WrittenModifiers {
    formula: Arc<str>,
    target: f64,
    target_is_whole: bool,
    activation: f64,
    of_whole: bool,
}

pub(super) fn advanced(value: &Value<'_>) -> Option<Advanced> {
    let fields = value.fields()?;
    let config = fields.read("horizontalPodAutoscalerConfig", |config| {
        let fields = config.fields()?;
        let behavior = fields.read("behavior", autoscaler::behavior);
        let name = fields.read("name", Value::shared);
        fields.finish("HorizontalPodAutoscalerConfig (keda.sh/v1alpha1)");
        Some((behavior?, name?))
    });
    // An empty mapping is none (keda, apis/keda/v1alpha1/scaledobject_types.go `IsUsingModifiers`).
    let is_empty = |value: &Value<'_>| value.node().mapping().is_some_and(<[_]>::is_empty);
    let modifiers = fields.optional("scalingModifiers").filter(|value| !is_empty(value));
    let modifiers = modifiers.as_ref().map_or(Some(None), |value| written(value).map(Some));
    fields.ignore(&["restoreToOriginalReplicaCount"]);
    fields.finish("AdvancedConfig (keda.sh/v1alpha1)");
    let (behavior, hpa_name) = config?.unwrap_or_default();
    Some(Advanced { behavior, hpa_name, modifiers: modifiers? })
}

fn written(value: &Value<'_>) -> Option<WrittenModifiers> {
    let fields = value.fields()?;
    let formula = fields.required("formula").and_then(|formula| formula.non_empty());
    let target_value = fields.required("target");
    let target = target_value.as_ref().and_then(|value| {
        let target = number(value)?;
        if target > 0.0 {
            return Some(target);
        }
        value.report(value.error(codes::OUT_OF_RANGE, "must be a number above 0"));
        None
    });
    let activation = fields.read("activationTarget", |value| {
        // An empty text is as good as none.
        if value.node().text() == Some("") { Some(0.0) } else { number(value) }
    });
    let kinds = [("AverageValue", false), ("Value", true)];
    let of_whole = fields.read("metricType", |value| value.word(&kinds));
    fields.finish("ScalingModifiers (keda.sh/v1alpha1)");
    let text = target_value?.node().scalar().map(|scalar| scalar.text.to_string())?;
    Some(WrittenModifiers {
        formula: formula?.into(),
        target: target?,
        target_is_whole: text.parse::<i64>().is_ok(),
        activation: activation?.unwrap_or(0.0),
        of_whole: of_whole?.unwrap_or(false),
    })
}

/// A number that stands in a text.
fn number(value: &Value<'_>) -> Option<f64> {
    let text = value.non_empty()?;
    let found = text.parse::<f64>().ok().filter(|number| number.is_finite());
    if found.is_none() {
        value.report(value.error(codes::INVALID_VALUE, "must be a number in quotes"));
    }
    found
}

/// The formula for the triggers that it may name: all that KEDA serves (keda,
/// apis/keda/v1alpha1/scaledobject_webhook.go `validateScalingModifiersFormula`).
pub(super) fn modifiers(
    value: &Value<'_>,
    written: Option<WrittenModifiers>,
    triggers: &[TriggerSpec],
) -> Option<Option<Modifiers>> {
    let Some(written) = written else { return Some(None) };
    let served = triggers.iter().filter(|trigger| !is_resource(&trigger.kind));
    let names: Vec<&str> = served.filter_map(|trigger| trigger.name.as_deref()).collect();
    match Formula::compile(&written.formula, &names) {
        Ok(formula) => Some(Some(Modifiers {
            formula,
            target: written.target,
            target_is_whole: written.target_is_whole,
            activation: written.activation,
            of_whole: written.of_whole,
        })),
        Err(problem) => {
            let place = value.descend("spec.advanced.scalingModifiers.formula");
            let error = place.error(codes::INVALID_VALUE, &problem.to_string());
            value.report(error.note("KEDA compiles it with every named trigger as a float"));
            None
        }
    }
}

/// The metrics of the HPA: those of triggers by type, or CPU and memory of pods with one metric in the
/// place of all that KEDA serves (keda, controllers/keda/hpa.go `getScaledObjectMetricSpecs`).
pub(super) fn metrics(
    object: &str,
    triggers: &[TriggerSpec],
    modifiers: Option<&Modifiers>,
) -> Vec<MetricSpec> {
    let rank = |metric: &MetricSpec| match metric {
        MetricSpec::ContainerResource { .. } => 0,
        MetricSpec::External { .. } => 1,
        MetricSpec::Resource { .. } | MetricSpec::Pods { .. } | MetricSpec::Object { .. } => 2,
    };
    let mut all: Vec<MetricSpec> = triggers.iter().map(|trigger| trigger.metric.clone()).collect();
    all.sort_by_key(rank);
    let Some(modifiers) = modifiers else { return all };
    // Metrics of single containers are lost here, as in KEDA.
    all.retain(|metric| matches!(metric, MetricSpec::Resource { .. }));
    let amount = Quantity::from_milli(trunc_i64(modifiers.target * 1_000.0), Format::DecimalSi);
    let kind = if modifiers.of_whole { TargetKind::Value } else { TargetKind::AverageValue };
    let target = MetricTarget {
        kind,
        average_utilization: None,
        average_value: (!modifiers.of_whole).then_some(amount),
        value: modifiers.of_whole.then_some(amount),
    };
    all.push(served(COMPOSITE.to_owned(), object, target));
    all
}

/// What admission looks at.
pub(super) struct Whole<'a> {
    pub(super) triggers: &'a [TriggerSpec],
    pub(super) fallback: Option<Fallback>,
    pub(super) idle_replicas: Option<i32>,
    /// `minReplicaCount` where it is written.
    pub(super) min_replicas: Option<i32>,
    pub(super) has_modifiers: bool,
}

/// What KEDA's admission webhook refuses of a whole object (keda,
/// apis/keda/v1alpha1/scaledobject_webhook.go, scaledobject_types.go `CheckReplicaCountBoundsAreValid`,
/// `CheckFallbackValid`); every fault is reported.
pub(super) fn admitted(value: &Value<'_>, whole: &Whole<'_>) -> Option<()> {
    let resources_alone = whole.triggers.iter().all(|trigger| is_resource(&trigger.kind));
    let mut faults: Vec<(&str, String)> = Vec::new();
    // A minimum of 0 that is written counts as the 1 of the HPA, one that is not written as 0.
    let least = whole.min_replicas.map_or(0, |least| least.max(1));
    if let Some(idle) = whole.idle_replicas.filter(|idle| *idle >= least) {
        let fault = format!("({idle}) must be below minReplicaCount ({least})");
        faults.push(("spec.idleReplicaCount", fault));
    }
    if resources_alone && whole.min_replicas.unwrap_or(0) == 0 {
        let fault = "has only `cpu` and `memory`, which cannot bring a target back from 0: set \
                     `minReplicaCount` to at least 1, or add another trigger";
        faults.push(("spec.triggers", fault.to_owned()));
    }
    if let Some(fallback) = whole.fallback {
        if resources_alone && !whole.has_modifiers {
            let fault = "needs a trigger that is not `cpu` or `memory`: those fail inside the HPA, \
                         where KEDA does not see it";
            faults.push(("spec.fallback", fault.to_owned()));
        }
        if fallback.behavior == FallbackBehavior::ScalingModifiers && !whole.has_modifiers {
            let fault = "is `scalingModifiers`, which needs `advanced.scalingModifiers.formula`";
            faults.push(("spec.fallback.behavior", fault.to_owned()));
        }
    }
    for (place, fault) in &faults {
        let error = value.descend(place).error(codes::INVALID_VALUE, fault);
        value.report(error.note("KEDA's admission webhook refuses the object"));
    }
    faults.is_empty().then_some(())
}
