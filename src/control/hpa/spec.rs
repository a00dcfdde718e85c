//! What a HorizontalPodAutoscaler asks for: the `autoscaling/v2` fields and their defaults.
//!
//! Defaults: Kubernetes `pkg/apis/autoscaling/v2/defaults.go`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::units::quantity::Quantity;

/// The specification of a HorizontalPodAutoscaler. `None` is "not written"; see
/// [`HpaSpec::with_defaults`] for what that means and [`HpaSpec::validate`] for what is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct HpaSpec {
    /// Lowest size (replicas); 1 when not written.
    pub min_replicas: Option<i32>,
    /// Highest size (replicas).
    pub max_replicas: i32,
    /// What is measured; the metric that asks for the most replicas wins. CPU at 80 % when empty.
    pub metrics: Vec<MetricSpec>,
    /// How fast and how steadily to scale. Not written is different from empty: without it the
    /// older rules hold (at most double or to 4, no limit downwards).
    pub behavior: Option<Behavior>,
}

impl HpaSpec {
    /// Utilization target of the metric that is assumed when none is written (percent).
    pub const DEFAULT_CPU_UTILIZATION_PERCENT: i32 = 80;

    /// Fills in what the API server fills in (`SetDefaults_HorizontalPodAutoscaler`,
    /// `SetDefaults_HorizontalPodAutoscalerBehavior`). A scale-down window that is not written
    /// stays so: the controller's flag takes its place at each sync.
    pub fn with_defaults(mut self) -> Self {
        self.min_replicas.get_or_insert(1);
        if self.metrics.is_empty() {
            self.metrics.push(MetricSpec::Resource {
                name: ResourceName::Cpu,
                target: MetricTarget::utilization(Self::DEFAULT_CPU_UTILIZATION_PERCENT),
            });
        }
        if let Some(behavior) = &mut self.behavior {
            let pods = ScalingPolicy { kind: PolicyKind::Pods, value: 4, period_seconds: 15 };
            let percent = ScalingPolicy { kind: PolicyKind::Percent, value: 100, ..pods };
            let up = behavior.scale_up.get_or_insert_default();
            up.stabilization_window_seconds.get_or_insert(0);
            up.select_policy.get_or_insert(SelectPolicy::Max);
            up.policies.get_or_insert_with(|| vec![pods, percent]);
            let down = behavior.scale_down.get_or_insert_default();
            down.select_policy.get_or_insert(SelectPolicy::Max);
            down.policies.get_or_insert_with(|| vec![percent]);
        }
        self
    }

    /// Whether a metric exists that has a value without any pod; only then is size 0 allowed
    /// (`hasObjectOrExternalMetrics`).
    pub fn has_object_or_external_metric(&self) -> bool {
        self.metrics.iter().any(|metric| match metric {
            MetricSpec::Object { .. } | MetricSpec::External { .. } => true,
            MetricSpec::Resource { .. }
            | MetricSpec::ContainerResource { .. }
            | MetricSpec::Pods { .. } => false,
        })
    }
}

/// One of the five kinds of metric.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricSpec {
    /// CPU or memory of whole pods, from metrics-server.
    Resource {
        /// The resource.
        name: ResourceName,
        /// Utilization or AverageValue.
        target: MetricTarget,
    },
    /// CPU or memory of one container of each pod, from metrics-server.
    ContainerResource {
        /// The resource.
        name: ResourceName,
        /// The container's name.
        container: String,
        /// Utilization or AverageValue.
        target: MetricTarget,
    },
    /// A custom metric of each pod.
    Pods {
        /// Which metric.
        metric: MetricIdentifier,
        /// AverageValue.
        target: MetricTarget,
    },
    /// A custom metric of one other object.
    Object {
        /// The object it belongs to.
        described_object: DescribedObject,
        /// Which metric.
        metric: MetricIdentifier,
        /// Value or AverageValue.
        target: MetricTarget,
    },
    /// A metric of something outside the cluster; its series are added up.
    External {
        /// Which metric.
        metric: MetricIdentifier,
        /// Value or AverageValue.
        target: MetricTarget,
    },
}

impl MetricSpec {
    /// The aim of this metric.
    pub fn target(&self) -> &MetricTarget {
        match self {
            Self::Resource { target, .. }
            | Self::ContainerResource { target, .. }
            | Self::Pods { target, .. }
            | Self::Object { target, .. }
            | Self::External { target, .. } => target,
        }
    }

    /// How rescale reasons call this metric. An Object metric with an average target is called
    /// external there: the controller's own slip, kept because people search for the text.
    pub fn label(&self) -> String {
        let target = self.target();
        match self {
            Self::Resource { name, .. } if target.average_value.is_some() => {
                format!("{name} resource")
            }
            Self::ContainerResource { name, .. } if target.average_value.is_some() => {
                format!("{name} resource")
            }
            Self::Resource { name, .. } => {
                format!("{name} resource utilization (percentage of request)")
            }
            Self::ContainerResource { name, .. } => {
                format!("{name} container resource utilization (percentage of request)")
            }
            Self::Pods { metric, .. } => format!("pods metric {}", metric.name),
            Self::Object { described_object, metric, target } => match target.kind {
                TargetKind::AverageValue => format!("external metric {metric}"),
                TargetKind::Value | TargetKind::Utilization => {
                    format!("{} metric {}", described_object.kind, metric.name)
                }
            },
            Self::External { metric, .. } => format!("external metric {metric}"),
        }
    }
}

/// The resources an HPA can be given by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceName {
    /// Processor time; the only one with rules about pods that are just starting.
    Cpu,
    /// Working-set memory.
    Memory,
    /// Any other; metrics-server knows no other, so such a metric always fails.
    Other(String),
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Memory => f.write_str("memory"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// Name of a custom or external metric and which of its series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricIdentifier {
    /// The metric's name.
    pub name: String,
    /// Which series; all when not written.
    pub selector: Option<LabelSelector>,
}

impl fmt::Display for MetricIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            None => write!(f, "{}(nil)", self.name),
            Some(selector) => write!(f, "{}({selector})", self.name),
        }
    }
}

/// A label selector, kept to be printed; the series were chosen before the HPA sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// Labels that must have these values.
    pub match_labels: BTreeMap<String, String>,
    /// Further conditions.
    pub match_expressions: Vec<LabelRequirement>,
}

/// One condition of a [`LabelSelector`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// What it is compared with.
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Whether a series with these labels is meant.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        let value = |key: &str| labels.get(key).map(|value| &**value);
        let equal = self.match_labels.iter().all(|(key, wanted)| value(key) == Some(wanted));
        equal
            && self.match_expressions.iter().all(|requirement| {
                let found = value(&requirement.key);
                let among = found.is_some_and(|it| requirement.values.iter().any(|v| v == it));
                match requirement.operator.as_str() {
                    "In" => among,
                    "NotIn" => !among,
                    "Exists" => found.is_some(),
                    "DoesNotExist" => found.is_none(),
                    _ => false,
                }
            })
    }
}

impl fmt::Display for LabelSelector {
    /// As the controller's messages show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("&LabelSelector{MatchLabels:map[string]string{")?;
        for (key, value) in &self.match_labels {
            write!(f, "{key}: {value},")?;
        }
        f.write_str("},MatchExpressions:[]LabelSelectorRequirement{")?;
        for LabelRequirement { key, operator, values } in &self.match_expressions {
            let values = values.join(" ");
            write!(f, "LabelSelectorRequirement{{Key:{key},Operator:{operator},")?;
            write!(f, "Values:[{values}],}},")?;
        }
        f.write_str("},}")
    }
}

/// The object an Object metric belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedObject {
    /// Its kind, such as `Ingress`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What a metric is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricTarget {
    /// The kind as written. Only Object metrics obey it; the others look at which figure is there.
    pub kind: TargetKind,
    /// Percent of the request.
    pub average_utilization: Option<i32>,
    /// Amount for each pod.
    pub average_value: Option<Quantity>,
    /// Amount in all.
    pub value: Option<Quantity>,
}

impl fmt::Display for MetricTarget {
    /// The figure that drives, as `kubectl` shows it: `70%`, `512Mi (avg)`, `100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.average_value, self.average_utilization, &self.value) {
            (Some(average), _, _) => write!(f, "{average} (avg)"),
            (None, Some(percent), _) => write!(f, "{percent}%"),
            (None, None, Some(value)) => write!(f, "{value}"),
            (None, None, None) => f.write_str("<none>"),
        }
    }
}

impl MetricTarget {
    /// A share of the request, averaged over pods (percent).
    pub fn utilization(percent: i32) -> Self {
        Self {
            kind: TargetKind::Utilization,
            average_utilization: Some(percent),
            average_value: None,
            value: None,
        }
    }

    /// An amount for each pod.
    pub fn average_value(amount: Quantity) -> Self {
        Self {
            kind: TargetKind::AverageValue,
            average_utilization: None,
            average_value: Some(amount),
            value: None,
        }
    }

    /// An amount in all.
    pub fn value(amount: Quantity) -> Self {
        Self {
            kind: TargetKind::Value,
            average_utilization: None,
            average_value: None,
            value: Some(amount),
        }
    }
}

/// Kind of a [`MetricTarget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// Percent of the request.
    Utilization,
    /// Amount in all.
    Value,
    /// Amount for each pod.
    AverageValue,
}

/// How fast and how steadily to scale, per direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Behavior {
    /// Upwards.
    pub scale_up: Option<ScalingRules>,
    /// Downwards.
    pub scale_down: Option<ScalingRules>,
}

/// The rules of one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScalingRules {
    /// For how long older recommendations hold back (s).
    pub stabilization_window_seconds: Option<i32>,
    /// Which policy counts when there are several.
    pub select_policy: Option<SelectPolicy>,
    /// How much may change in how long.
    pub policies: Option<Vec<ScalingPolicy>>,
    /// How far the ratio of usage to target may stray from 1 without a reaction.
    pub tolerance: Option<Quantity>,
}

/// Which policy counts when there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: this direction is switched off.
    Disabled,
}

/// How much the size may change within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScalingPolicy {
    /// Unit of `value`.
    pub kind: PolicyKind,
    /// The change allowed (pods or percent).
    pub value: i32,
    /// Length of the period (s).
    pub period_seconds: i32,
}

/// Unit of a [`ScalingPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// A number of pods.
    Pods,
    /// Percent of the size at the start of the period.
    Percent,
}
