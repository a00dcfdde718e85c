//! What the API server refuses in an HPA, in its words.
//!
//! Source: Kubernetes `pkg/apis/autoscaling/validation/validation.go`
//! (`validateHorizontalPodAutoscalerSpec`, `validateMetrics`, `validateScalingRules`).

use std::fmt;

use super::config::FeatureGate;
use super::spec::{HpaSpec, MetricSpec, MetricTarget, ScalingRules};
use crate::units::quantity::Quantity;

/// Longest stabilization window (s).
const WINDOW_SECONDS_MAX: i32 = 3600;
/// Longest period of a policy (s).
const PERIOD_SECONDS_MAX: i32 = 1800;

/// One thing the API server refuses. `Display` is its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, such as `spec.behavior.scaleUp.policies[0].value`.
    pub field: String,
    /// What kind of fault.
    pub fault: Fault,
    /// What is wanted instead.
    pub detail: &'static str,
}

/// Kind of a [`Violation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The value written is not allowed.
    Invalid(String),
    /// Something must be written.
    Required,
    /// Nothing may be written.
    Forbidden,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, fault, detail } = self;
        match fault {
            Fault::Invalid(value) => write!(f, "{field}: Invalid value: {value}: {detail}"),
            Fault::Required => write!(f, "{field}: Required value: {detail}"),
            Fault::Forbidden => write!(f, "{field}: Forbidden: {detail}"),
        }
    }
}

/// The violations found so far.
#[derive(Default)]
struct Violations(Vec<Violation>);

impl Violations {
    fn invalid(&mut self, field: String, value: impl fmt::Display, detail: &'static str) {
        self.0.push(Violation { field, fault: Fault::Invalid(value.to_string()), detail });
    }

    fn required(&mut self, field: String, detail: &'static str) {
        self.0.push(Violation { field, fault: Fault::Required, detail });
    }

    fn forbidden(&mut self, field: String, detail: &'static str) {
        self.0.push(Violation { field, fault: Fault::Forbidden, detail });
    }
}

impl HpaSpec {
    /// Everything the API server would refuse, in the order of the fields; empty when it is valid.
    /// Size 0 is only a valid minimum when the cluster's gate HPAScaleToZero is on.
    pub fn validate(&self, scale_to_zero: FeatureGate) -> Vec<Violation> {
        let mut found = Violations::default();
        self.validate_replicas(scale_to_zero, &mut found);
        for (index, metric) in self.metrics.iter().enumerate() {
            validate_metric(metric, &format!("spec.metrics[{index}]"), &mut found);
        }
        if self.min_replicas == Some(0)
            && scale_to_zero == FeatureGate::On
            && !self.has_object_or_external_metric()
        {
            let detail = "must specify at least one Object or External metric to support scaling to zero \
                 replicas";
            found.required("spec.metrics".to_owned(), detail);
        }
        if let Some(behavior) = &self.behavior {
            let directions = [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)];
            for (direction, rules) in directions {
                if let Some(rules) = rules {
                    validate_rules(rules, &format!("spec.behavior.{direction}"), &mut found);
                }
            }
        }
        found.0
    }

    fn validate_replicas(&self, scale_to_zero: FeatureGate, found: &mut Violations) {
        let (lowest, detail) = match scale_to_zero {
            FeatureGate::Off => (1, "must be greater than or equal to 1"),
            FeatureGate::On => (0, "must be greater than or equal to 0"),
        };
        if let Some(min) = self.min_replicas.filter(|min| *min < lowest) {
            found.invalid("spec.minReplicas".to_owned(), min, detail);
        }
        let max = self.max_replicas;
        let field = || "spec.maxReplicas".to_owned();
        if max < 1 {
            found.invalid(field(), max, "must be greater than 0");
        }
        if self.min_replicas.is_some_and(|min| max < min) {
            found.invalid(field(), max, "must be greater than or equal to `minReplicas`");
        }
    }
}

fn validate_metric(metric: &MetricSpec, path: &str, found: &mut Violations) {
    match metric {
        MetricSpec::Resource { target, .. } => {
            validate_resource(target, &format!("{path}.resource.target"), found);
        }
        MetricSpec::ContainerResource { container, target, .. } => {
            if container.is_empty() {
                found.required(
                    format!("{path}.containerResource.container"),
                    "must specify a container",
                );
            }
            validate_resource(target, &format!("{path}.containerResource.target"), found);
        }
        MetricSpec::Pods { target, .. } => {
            let path = format!("{path}.pods.target");
            validate_target(target, &path, found);
            if !target.average_value.is_some_and(Quantity::is_positive) {
                found.required(
                    format!("{path}.averageValue"),
                    "must specify a positive target averageValue",
                );
            }
        }
        MetricSpec::Object { target, .. } => {
            let path = format!("{path}.object.target");
            validate_target(target, &path, found);
            if target.value.is_none() && target.average_value.is_none() {
                found.required(
                    format!("{path}.averageValue"),
                    "must set either a target value or averageValue",
                );
            }
        }
        MetricSpec::External { target, .. } => {
            let path = format!("{path}.external.target");
            validate_target(target, &path, found);
            match (target.value, target.average_value) {
                (None, None) => found.required(
                    format!("{path}.averageValue"),
                    "must set either a target value for metric or a per-pod target",
                ),
                (Some(_), Some(_)) => found.forbidden(
                    format!("{path}.value"),
                    "may not set both a target value for metric and a per-pod target",
                ),
                (Some(_), None) | (None, Some(_)) => {}
            }
        }
    }
}

fn validate_resource(target: &MetricTarget, path: &str, found: &mut Violations) {
    validate_target(target, path, found);
    match (target.average_utilization, target.average_value) {
        (None, None) => found.required(
            format!("{path}.averageUtilization"),
            "must set either a target raw value or a target utilization",
        ),
        (Some(_), Some(_)) => found.forbidden(
            format!("{path}.averageValue"),
            "may not set both a target raw value and a target utilization",
        ),
        (Some(_), None) | (None, Some(_)) => {}
    }
}

fn validate_target(target: &MetricTarget, path: &str, found: &mut Violations) {
    if let Some(percent) = target.average_utilization.filter(|percent| *percent < 1) {
        found.invalid(format!("{path}.averageUtilization"), percent, "must be greater than 0");
    }
    for (name, amount) in [("value", target.value), ("averageValue", target.average_value)] {
        if let Some(amount) = amount.filter(|amount| !amount.is_positive()) {
            let written = format!("\"{amount}\"");
            found.invalid(format!("{path}.{name}"), written, "must be positive");
        }
    }
}

fn validate_rules(rules: &ScalingRules, path: &str, found: &mut Violations) {
    if let Some(seconds) = rules.stabilization_window_seconds {
        let field = format!("{path}.stabilizationWindowSeconds");
        if seconds < 0 {
            found.invalid(field, seconds, "must be greater than or equal to zero");
        } else if seconds > WINDOW_SECONDS_MAX {
            found.invalid(field, seconds, "must be less than or equal to 3600");
        }
    }
    if let Some(tolerance) = rules.tolerance.filter(|tolerance| tolerance.nano() < 0) {
        let written = format!("\"{tolerance}\"");
        found.invalid(format!("{path}.tolerance"), written, "must be greater or equal to zero");
    }
    let Some(policies) = &rules.policies else {
        return;
    };
    if policies.is_empty() {
        found.required(format!("{path}.policies"), "must specify at least one Policy");
    }
    for (index, policy) in policies.iter().enumerate() {
        let path = format!("{path}.policies[{index}]");
        if policy.value <= 0 {
            found.invalid(format!("{path}.value"), policy.value, "must be greater than zero");
        }
        let (field, period) = (format!("{path}.periodSeconds"), policy.period_seconds);
        if period <= 0 {
            found.invalid(field, period, "must be greater than zero");
        } else if period > PERIOD_SECONDS_MAX {
            found.invalid(field, period, "must be less than or equal to 1800");
        }
    }
}
