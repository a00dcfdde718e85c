//! HorizontalPodAutoscaler (autoscaling/v2 and v1).

use std::sync::Arc;

use super::meta::{metadata, names, object_fields, origin_or_default, strings};
use crate::cluster::api::meta::ObjectMeta;
use crate::control::hpa::{
    Behavior, DescribedObject, FeatureGate, HpaSpec, LabelRequirement, LabelSelector,
    MetricIdentifier, MetricSpec, MetricTarget, PolicyKind, ResourceName, ScalingPolicy,
    ScalingRules, SelectPolicy, TargetKind,
};
use crate::input::codes::{self, Code};
use crate::input::decode::{Fields, Value};
use crate::input::source::Span;
use crate::units::Origin;

/// A HorizontalPodAutoscaler as written and found valid, with the places of the figures that
/// reports speak of.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoscalerSpec {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// `spec.scaleTargetRef.kind`.
    pub target_kind: Arc<str>,
    /// `spec.scaleTargetRef.name`.
    pub target_name: Arc<str>,
    /// Where `spec.scaleTargetRef` stands.
    pub target_origin: Origin,
    /// The same place in the texts of this run.
    pub target_span: Span,
    /// The rest of `spec`, without defaults.
    pub spec: HpaSpec,
    /// Where `spec.minReplicas` stands.
    pub min_origin: Origin,
    /// Where `spec.maxReplicas` stands.
    pub max_origin: Origin,
}

/// autoscaling/v2 HorizontalPodAutoscaler, and v1 converted to it. What the API server refuses is
/// reported in its words at the place of the field.
pub(super) fn autoscaler(value: &Value<'_>, first_version: bool) -> Option<AutoscalerSpec> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec_value = fields.required("spec");
    fields.finish("HorizontalPodAutoscaler");
    let fields = spec_value?.fields()?;
    let target_value = fields.required("scaleTargetRef");
    let target = target_value.as_ref().and_then(reference);
    let min_value = fields.optional("minReplicas");
    let whole = |value: &Value<'_>| value.integer(i32::MIN..=i32::MAX);
    let min = min_value.as_ref().map_or(Some(None), |value| whole(value).map(Some));
    let max_value = fields.required("maxReplicas");
    let max = max_value.as_ref().and_then(whole);
    let (metrics, behavior) = if first_version {
        (fields.read_or("targetCPUUtilizationPercentage", Vec::new(), cpu_percentage), Some(None))
    } else {
        let metrics = fields.read_or("metrics", Vec::new(), |value| value.list(metric));
        (metrics, fields.read("behavior", behavior))
    };
    fields.finish(if first_version {
        "HorizontalPodAutoscalerSpec (autoscaling/v1); `metrics` and `behavior` need autoscaling/v2"
    } else {
        "HorizontalPodAutoscalerSpec (autoscaling/v2)"
    });
    let (min, max) = (min?, max?);
    // What is wrong there has been told; the bounds may be wrong as well. A minimum of 0 depends on
    // the metrics.
    if (metrics.is_none() || behavior.is_none()) && min.is_none_or(|min| min > 0) {
        let bounds =
            HpaSpec { min_replicas: min, max_replicas: max, metrics: Vec::new(), behavior: None };
        refuse(value, &bounds)?;
    }
    let spec =
        HpaSpec { min_replicas: min, max_replicas: max, metrics: metrics?, behavior: behavior? };
    refuse(value, &spec)?;
    let (target_kind, target_name) = target?;
    Some(AutoscalerSpec {
        meta: meta?,
        target_kind,
        target_name,
        target_span: target_value.as_ref().unwrap_or(value).span(),
        target_origin: origin_or_default(target_value.as_ref()),
        spec,
        min_origin: origin_or_default(min_value.as_ref()),
        max_origin: origin_or_default(max_value.as_ref()),
    })
}

/// Reports what the API server would refuse, at the field it names or the nearest above it.
pub(super) fn refuse(object: &Value<'_>, spec: &HpaSpec) -> Option<()> {
    let violations = spec.validate(FeatureGate::Off);
    for violation in &violations {
        let place = object.descend(&violation.field);
        let written = |name: &str| object.descend(&format!("spec.{name}"));
        let below_min = spec.min_replicas.is_some_and(|min| spec.max_replicas < min)
            && violation.field == "spec.maxReplicas"
            && spec.max_replicas > 0;
        let error = if below_min {
            let (min, max) = (spec.min_replicas.unwrap_or_default(), spec.max_replicas);
            let message = format!("({max}) is below minReplicas ({min})");
            let error = place.error(codes::HPA_MAX_BELOW_MIN, &message);
            error
                .primary(place.span(), "the maximum")
                .secondary(written("minReplicas").span(), "the minimum")
                .help(format!("raise maxReplicas, or set minReplicas to at most {max}"))
        } else {
            place.error(code_of(&violation.field), violation.detail)
        };
        object.report(error.note(format!("the API server says: {violation}")));
    }
    violations.is_empty().then_some(())
}

fn code_of(field: &str) -> Code {
    if field.starts_with("spec.behavior") {
        codes::HPA_INVALID_BEHAVIOR
    } else if field.starts_with("spec.metrics") {
        codes::HPA_INVALID_METRIC
    } else {
        codes::OUT_OF_RANGE
    }
}

fn reference(value: &Value<'_>) -> Option<(Arc<str>, Arc<str>)> {
    let fields = value.fields()?;
    let kind = fields.required("kind").and_then(|kind| kind.non_empty().map(Arc::from));
    let name = fields.required("name").and_then(|name| name.non_empty().map(Arc::from));
    fields.ignore(&["apiVersion"]);
    fields.finish("CrossVersionObjectReference");
    Some((kind?, name?))
}

fn cpu_percentage(value: &Value<'_>) -> Option<Vec<MetricSpec>> {
    let percent = value.integer(1..=i32::MAX)?;
    Some(vec![MetricSpec::Resource {
        name: ResourceName::Cpu,
        target: MetricTarget::utilization(percent),
    }])
}

/// The five kinds of metric, by the word of `type` and the block that it needs.
const KINDS: [(&str, &str); 5] = [
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
    ("Pods", "pods"),
    ("Object", "object"),
    ("External", "external"),
];

fn metric(value: &Value<'_>) -> Option<MetricSpec> {
    let fields = value.fields()?;
    let kind = fields.required("type").and_then(|kind| kind.word(&KINDS));
    let blocks: Vec<_> =
        KINDS.iter().filter_map(|&(_, name)| Some((name, fields.optional(name)?))).collect();
    fields.finish("MetricSpec (autoscaling/v2)");
    let kind = kind?;
    for (name, block) in blocks.iter().filter(|(name, _)| *name != kind) {
        let message =
            format!("must not be there: the metric's `type` needs `{kind}`, not `{name}`");
        value
            .report(block.error(codes::HPA_INVALID_METRIC, &message).primary(block.key_span(), ""));
    }
    let Some((_, block)) = blocks.iter().find(|(name, _)| *name == kind) else {
        let message = format!("needs the block `{kind}` for its `type`");
        value.report(value.error(codes::HPA_INVALID_METRIC, &message));
        return None;
    };
    let metric = metric_block(block, kind)?;
    (blocks.len() == 1).then_some(metric)
}

fn metric_block(block: &Value<'_>, kind: &str) -> Option<MetricSpec> {
    let fields = block.fields()?;
    let target = fields.required("target").and_then(|value| target(&value));
    let spec = match kind {
        "resource" => {
            let name = resource_name(&fields);
            target.and_then(|target| Some(MetricSpec::Resource { name: name?, target }))
        }
        "containerResource" => {
            let name = resource_name(&fields);
            let container = fields.required("container").and_then(|value| value.string());
            target.and_then(|target| {
                Some(MetricSpec::ContainerResource {
                    name: name?,
                    container: container?.to_owned(),
                    target,
                })
            })
        }
        "pods" => {
            let metric = identifier(&fields);
            target.and_then(|target| Some(MetricSpec::Pods { metric: metric?, target }))
        }
        "object" => {
            let metric = identifier(&fields);
            let object = fields.required("describedObject").and_then(|value| reference(&value));
            let object = object.map(|(kind, name)| DescribedObject {
                kind: (*kind).to_owned(),
                name: (*name).to_owned(),
            });
            target.and_then(|target| {
                Some(MetricSpec::Object { described_object: object?, metric: metric?, target })
            })
        }
        _ => {
            let metric = identifier(&fields);
            target.and_then(|target| Some(MetricSpec::External { metric: metric?, target }))
        }
    };
    fields.finish(&format!("the `{kind}` block of a metric"));
    spec
}

fn resource_name(fields: &Fields<'_>) -> Option<ResourceName> {
    fields.required("name").and_then(|name| name.non_empty()).map(|name| match name {
        "cpu" => ResourceName::Cpu,
        "memory" => ResourceName::Memory,
        other => ResourceName::Other(other.to_owned()),
    })
}

fn identifier(fields: &Fields<'_>) -> Option<MetricIdentifier> {
    let fields = fields.required("metric")?.fields()?;
    let name = fields.required("name").and_then(|name| name.non_empty()).map(str::to_owned);
    let selector = fields.read("selector", series_selector);
    fields.finish("MetricIdentifier (autoscaling/v2)");
    Some(MetricIdentifier { name: name?, selector: selector? })
}

fn series_selector(value: &Value<'_>) -> Option<LabelSelector> {
    let fields = value.fields()?;
    let labels = fields.read_or("matchLabels", Default::default(), strings);
    let expressions = fields.read_or("matchExpressions", Vec::new(), |value| {
        value.list(|item| {
            let fields = item.fields()?;
            let key = fields.required("key").and_then(|key| key.string()).map(str::to_owned);
            let operator = fields.required("operator").and_then(|operator| operator.string());
            let values = fields.read_or("values", Vec::new(), names);
            fields.finish("LabelSelectorRequirement");
            let values = values?.iter().map(|value| (**value).to_owned()).collect();
            Some(LabelRequirement { key: key?, operator: operator?.to_owned(), values })
        })
    });
    fields.finish("LabelSelector");
    let own = |(key, value): (Arc<str>, Arc<str>)| ((*key).to_owned(), (*value).to_owned());
    Some(LabelSelector {
        match_labels: labels?.into_iter().map(own).collect(),
        match_expressions: expressions?,
    })
}

fn target(value: &Value<'_>) -> Option<MetricTarget> {
    let fields = value.fields()?;
    let kinds = [
        ("Utilization", TargetKind::Utilization),
        ("Value", TargetKind::Value),
        ("AverageValue", TargetKind::AverageValue),
    ];
    let kind = fields.required("type").and_then(|kind| kind.word(&kinds));
    let average_utilization =
        fields.read("averageUtilization", |value| value.integer(i32::MIN..=i32::MAX));
    let average_value = fields.read("averageValue", Value::quantity);
    let amount = fields.read("value", Value::quantity);
    fields.finish("MetricTarget (autoscaling/v2)");
    Some(MetricTarget {
        kind: kind?,
        average_utilization: average_utilization?,
        average_value: average_value?,
        value: amount?,
    })
}

pub(super) fn behavior(value: &Value<'_>) -> Option<Behavior> {
    let fields = value.fields()?;
    let scale_up = fields.read("scaleUp", rules);
    let scale_down = fields.read("scaleDown", rules);
    fields.finish("HorizontalPodAutoscalerBehavior (autoscaling/v2)");
    Some(Behavior { scale_up: scale_up?, scale_down: scale_down? })
}

fn rules(value: &Value<'_>) -> Option<ScalingRules> {
    let fields = value.fields()?;
    let whole = |value: &Value<'_>| value.integer(i32::MIN..=i32::MAX);
    let stabilization_window_seconds = fields.read("stabilizationWindowSeconds", whole);
    let selections = [
        ("Max", SelectPolicy::Max),
        ("Min", SelectPolicy::Min),
        ("Disabled", SelectPolicy::Disabled),
    ];
    let select_policy = fields.read("selectPolicy", |value| value.word(&selections));
    let policies = fields.read("policies", |value| value.list(policy));
    let tolerance = fields.read("tolerance", Value::quantity);
    fields.finish("HPAScalingRules (autoscaling/v2)");
    Some(ScalingRules {
        stabilization_window_seconds: stabilization_window_seconds?,
        select_policy: select_policy?,
        policies: policies?,
        tolerance: tolerance?,
    })
}

fn policy(value: &Value<'_>) -> Option<ScalingPolicy> {
    let fields = value.fields()?;
    let kinds = [("Pods", PolicyKind::Pods), ("Percent", PolicyKind::Percent)];
    let kind = fields.required("type").and_then(|kind| kind.word(&kinds));
    let whole = |value: Value<'_>| value.integer(i32::MIN..=i32::MAX);
    let amount = fields.required("value").and_then(whole);
    let period_seconds = fields.required("periodSeconds").and_then(whole);
    fields.finish("HPAScalingPolicy (autoscaling/v2)");
    Some(ScalingPolicy { kind: kind?, value: amount?, period_seconds: period_seconds? })
}
