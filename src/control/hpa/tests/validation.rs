//! What the API server refuses.

use super::*;

fn messages(spec: &HpaSpec, gate: FeatureGate) -> Vec<String> {
    spec.validate(gate).iter().map(ToString::to_string).collect()
}

#[test]
fn a_plain_hpa_is_valid_and_so_are_its_defaults() {
    let spec = HpaSpec { behavior: behavior(None, None), ..spec_of(percent_of_cpu(80)) };
    assert!(messages(&spec, FeatureGate::Off).is_empty());
    assert!(messages(&spec.with_defaults(), FeatureGate::Off).is_empty());
}

#[test]
fn sizes() {
    let spec = HpaSpec { min_replicas: Some(3), max_replicas: 2, ..spec_of(percent_of_cpu(80)) };
    assert_eq!(
        messages(&spec, FeatureGate::Off),
        ["spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`"]
    );
    let spec = HpaSpec { min_replicas: Some(0), max_replicas: 2, ..spec };
    assert_eq!(
        messages(&spec, FeatureGate::Off),
        ["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"]
    );
    let found = messages(&spec, FeatureGate::On);
    assert!(found[0].starts_with("spec.metrics: Required value: must specify at least one Object"));
}

#[test]
fn targets() {
    let target = MetricTarget { average_value: Some(milli(0)), ..MetricTarget::utilization(0) };
    let metric = MetricSpec::Resource { name: ResourceName::Cpu, target };
    assert_eq!(
        messages(&spec_of(metric), FeatureGate::Off),
        [
            "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater \
         than 0",
            "spec.metrics[0].resource.target.averageValue: Invalid value: \"0\": must be positive",
            "spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw \
         value and a target utilization",
        ]
    );
    let metric = external("q", MetricTarget::utilization(50));
    let found = messages(&spec_of(metric), FeatureGate::Off);
    assert!(found[0].contains("must set either a target value for metric or a per-pod target"));
}

#[test]
fn rules() {
    let up = ScalingRules {
        stabilization_window_seconds: Some(3601),
        policies: Some(Vec::new()),
        tolerance: Some(milli(-1)),
        ..ScalingRules::default()
    };
    let down = direction(-1, SelectPolicy::Max, &[(PolicyKind::Pods, 0, 1801)]);
    let spec = HpaSpec { behavior: behavior(Some(up), Some(down)), ..spec_of(percent_of_cpu(80)) };
    assert_eq!(
        messages(&spec, FeatureGate::Off),
        [
            "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than \
         or equal to 3600",
            "spec.behavior.scaleUp.tolerance: Invalid value: \"-1m\": must be greater or equal to zero",
            "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy",
            "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: -1: must be greater \
         than or equal to zero",
            "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
            "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than \
         or equal to 1800",
        ]
    );
}
