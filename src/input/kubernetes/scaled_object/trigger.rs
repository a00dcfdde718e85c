//! Triggers of a ScaledObject, and the metrics that KEDA puts into its HPA for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::meta::strings;
use crate::cluster::api::meta::Labels;
use crate::control::hpa::{
    LabelSelector, MetricIdentifier, MetricSpec, MetricTarget, ResourceName, TargetKind,
};
use crate::input::codes;
use crate::input::decode::{Fields, Value};
use crate::units::Origin;
use crate::units::quantity::Quantity;

/// One trigger of a ScaledObject.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerSpec {
    /// The scaler: `cpu`, `redis`, `kafka`, `prometheus`, `cron`, ...
    pub kind: Arc<str>,
    /// `name`, by which formulas know it.
    pub name: Option<Arc<str>>,
    /// `useCachedMetrics`: the HPA gets what the last poll found.
    pub cached: bool,
    /// `metadata` of the trigger; its texts are the scaler's business.
    pub metadata: Labels,
    /// Where the trigger stands.
    pub origin: Origin,
    pub(super) metric: MetricSpec,
}

impl TriggerSpec {
    /// The name under which KEDA serves the trigger; `None` for CPU and memory, which are the HPA's.
    #[must_use]
    pub fn external_metric(&self) -> Option<&str> {
        self.external().map(|(name, _)| name)
    }

    /// The name and the target of its metric; `None` for CPU and memory.
    pub(in crate::input) fn external(&self) -> Option<(&str, &MetricTarget)> {
        match &self.metric {
            MetricSpec::External { metric, target } => Some((&metric.name, target)),
            MetricSpec::Resource { .. }
            | MetricSpec::ContainerResource { .. }
            | MetricSpec::Pods { .. }
            | MetricSpec::Object { .. } => None,
        }
    }

    /// A text of its metadata.
    pub(in crate::input) fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(|text| &**text)
    }

    /// A truth value of its metadata, as KEDA reads it.
    pub(in crate::input) fn is(&self, key: &str, default: bool) -> bool {
        self.text(key)
            .map_or(default, |text| matches!(text, "1" | "t" | "T" | "true" | "True" | "TRUE"))
    }
}

/// Whether a scaler is one of the HPA's own.
pub(super) fn is_resource(kind: &str) -> bool {
    matches!(kind, "cpu" | "memory")
}

/// All triggers; names are unique, and some scalers cannot be cached (keda,
/// apis/keda/v1alpha1/scaletriggers_types.go `ValidateTriggers`).
pub(super) fn triggers(value: &Value<'_>, object: Option<Arc<str>>) -> Option<Vec<TriggerSpec>> {
    let items = value.items()?;
    if items.is_empty() {
        value.report(value.error(codes::INVALID_VALUE, "must have at least one trigger"));
        return None;
    }
    let object = object.as_deref().unwrap_or_default();
    let mut names = BTreeSet::new();
    let read: Vec<Option<_>> = items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let read = trigger(item, at, object)?;
            if let Some(name) = &read.name
                && !names.insert(Arc::clone(name))
            {
                let message = format!("has the name `{name}` of another trigger");
                item.report(item.error(codes::DUPLICATE_NAME, &message));
                return None;
            }
            Some(read)
        })
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
    let name = fields.read("name", Value::shared);
    let cached_value = fields.optional("useCachedMetrics");
    let cached = cached_value.as_ref().map_or(Some(false), Value::boolean);
    fields.ignore(&["authenticationRef"]);
    fields.finish("ScaleTriggers (keda.sh/v1alpha1)");
    let (kind, metadata, cached) = (kind?, metadata?, cached?);
    if let Some(cached_value) = cached_value.filter(|_| cached)
        && (is_resource(kind) || kind == "cron")
    {
        let message = format!("is not supported for the scaler `{kind}`: KEDA refuses the object");
        cached_value.report(cached_value.error(codes::INVALID_VALUE, &message));
        return None;
    }
    let parts =
        Trigger { value, fields: metadata_value?.fields()?, at, object, metadata: &metadata, kind };
    let metric = parts.metric(metric_type?)?;
    let name = name?.filter(|name| !name.is_empty());
    Some(TriggerSpec { kind: kind.into(), name, cached, metric, metadata, origin: value.origin() })
}

struct Trigger<'a> {
    value: &'a Value<'a>,
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
        if is_resource(self.kind) {
            return self.resource(kind);
        }
        let kind = kind.unwrap_or(TargetKind::AverageValue);
        if kind == TargetKind::Utilization {
            let message = "has the metricType Utilization, which only `cpu` and `memory` may have";
            self.value.report(self.value.error(codes::INVALID_VALUE, message));
            return None;
        }
        let amount = self.threshold()?;
        let target = MetricTarget {
            kind,
            average_utilization: None,
            average_value: (kind == TargetKind::AverageValue).then_some(amount),
            value: (kind == TargetKind::Value).then_some(amount),
        };
        Some(served(self.metric_name(), self.object, target))
    }

    /// The CPU and memory scalers (keda, pkg/scalers/cpu_memory_scaler.go). `metadata.type` is how
    /// KEDA before 2.18 was told what `metricType` says.
    fn resource(&self, kind: Option<TargetKind>) -> Option<MetricSpec> {
        let value = self.fields.required("value")?;
        let own = self.metadata.get("type").map(|text| &**text);
        let utilization = match (kind, own) {
            (Some(TargetKind::Utilization), _) | (None, Some("Utilization")) => true,
            (Some(TargetKind::AverageValue), _) | (None, Some("AverageValue")) => false,
            (Some(TargetKind::Value), _) | (None, _) => {
                let message = "needs `metricType: Utilization` or `metricType: AverageValue`";
                self.value.report(self.value.error(codes::INVALID_VALUE, message));
                return None;
            }
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
        let container = self.metadata.get("containerName").filter(|name| !name.is_empty());
        Some(match container {
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
                self.of_stream()
            }
            "rabbitmq" => self.of_rabbitmq()?,
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

    /// A stream counts by the lag of its group where that is stated, else by what the group has not
    /// acknowledged, else by its length (keda, pkg/scalers/redis_streams_scaler.go `Validate`).
    fn of_stream(&self) -> (&'static str, Option<&'static str>) {
        let text = |key| self.metadata.get(key).map(|text| &**text);
        if text("consumerGroup").is_none_or(str::is_empty) {
            ("streamLength", Some("5"))
        } else if text("lagCount").is_some_and(|text| text != "0") {
            ("lagCount", None)
        } else {
            ("pendingEntriesCount", Some("5"))
        }
    }

    /// `mode` and `value`, or `queueLength` as it was before (keda, pkg/scalers/rabbitmq_scaler.go
    /// `validateTrigger`).
    fn of_rabbitmq(&self) -> Option<(&'static str, Option<&'static str>)> {
        const MODES: [&str; 5] = [
            "QueueLength",
            "MessageRate",
            "DeliverGetRate",
            "PublishedToDeliveredRatio",
            "ExpectedQueueConsumptionTime",
        ];
        let has = |key| self.metadata.get(key).is_some_and(|text| !matches!(&**text, "" | "0"));
        let mode = self.metadata.get("mode").map(|text| &**text);
        let problem = match (has("queueLength"), mode, has("value")) {
            (false, None, false) => return Some(("value", Some("20"))),
            (true, None, false) => return Some(("queueLength", None)),
            (true, _, _) => {
                "has `queueLength`, which stands in place of `mode` and `value`, not beside them"
                    .to_owned()
            }
            (false, None, true) => "needs a `mode` beside its `value`".to_owned(),
            (false, Some(_), false) => "needs a `value` beside its `mode`".to_owned(),
            (false, Some(mode), true) if MODES.contains(&mode) => return Some(("value", None)),
            (false, Some(mode), true) => {
                format!("has the mode `{mode}`, must be one of {}", MODES.join(", "))
            }
        };
        self.value.report(self.value.error(codes::INVALID_VALUE, &problem));
        None
    }

    /// The name under which KEDA serves the metric: the position, the scaler and what it watches
    /// (keda, pkg/scalers/scaler.go `GenerateMetricNameWithIndex`, pkg/util/normalize_string.go).
    fn metric_name(&self) -> String {
        let text = |key| self.metadata.get(key).map_or("", |text| &**text);
        let base = match self.kind {
            "redis" | "redis-cluster" | "redis-sentinel" => format!("redis-{}", text("listName")),
            "redis-streams" | "redis-cluster-streams" | "redis-sentinel-streams" => {
                format!("redis-streams-{}", text("stream"))
            }
            "rabbitmq" => format!("rabbitmq-{}", query_escaped(text("queueName"))),
            "kafka" | "apache-kafka" if text("topic").is_empty() => {
                format!("kafka-{}-topics", text("consumerGroup"))
            }
            "kafka" | "apache-kafka" => format!("kafka-{}", text("topic")),
            "aws-sqs-queue" => {
                format!("aws-sqs-{}", text("queueURL").rsplit('/').next().unwrap_or_default())
            }
            "cron" => {
                let [start, end] = ["start", "end"].map(|key| {
                    let plain = text(key).replace(' ', "").replace('*', "x").replace('/', "Sl");
                    plain.replace('?', "Qm").replace(',', "Cm")
                });
                format!("cron-{}-{start}-{end}", text("timezone"))
            }
            _ => self.kind.to_owned(),
        };
        let dashed = |c: char| if "/.:%()".contains(c) { '-' } else { c };
        format!("s{}-{}", self.at, base.chars().map(dashed).collect::<String>())
    }
}

/// A text as Go's `url.QueryEscape` writes it.
fn query_escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// An external metric that KEDA serves for an object.
pub(super) fn served(name: String, object: &str, target: MetricTarget) -> MetricSpec {
    let match_labels = [("scaledobject.keda.sh/name".to_owned(), object.to_owned())].into();
    let selector = LabelSelector { match_labels, match_expressions: Vec::new() };
    MetricSpec::External { metric: MetricIdentifier { name, selector: Some(selector) }, target }
}
