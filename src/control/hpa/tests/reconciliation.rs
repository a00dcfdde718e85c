//! Ways through one reconciliation: corrections, zero, failures, conditions and defaults.

use super::*;

fn active(sequence: &Sequence) -> String {
    sequence.reason(ConditionKind::ScalingActive)
}

/// At size 0 because the HPA itself went there, with a Value target and gate on.
fn asleep(rules: Option<Behavior>) -> Hpa {
    let metric = external("q", MetricTarget::value(milli(1000)));
    let spec = HpaSpec { min_replicas: Some(0), behavior: rules, ..spec_of(metric) };
    let mut hpa = Hpa::new(spec);
    for second in [-2000, -1000] {
        let readings = [Reading::Series(&[0])];
        let pods = [not_ready()];
        let seen =
            HpaObservation { now_ns: second * SECOND_NS, pods: &pods, ..observation(1, &readings) };
        let _ = hpa.sync(&gate_on(), &seen);
    }
    assert_eq!(condition(&hpa, ConditionKind::ScaledToZero), "True/ScaledToZero");
    hpa
}

fn gate_on() -> HpaConfig {
    HpaConfig { scale_to_zero: FeatureGate::On, ..HpaConfig::default() }
}

fn not_ready() -> ObservedPod<'static> {
    ObservedPod {
        name: "p",
        phase: PodPhase::Running,
        ready: None,
        start_ns: None,
        lifecycle: PodLifecycle::Present,
        containers: &[],
        pod_level_requests: None,
    }
}

#[test]
fn corrections_come_before_metrics_and_leave_other_conditions_alone() {
    let mut sequence = Sequence::new(5, None).with_max(10);
    sequence.at(0, 40);
    let before = (active(&sequence), sequence.reason(ConditionKind::ScalingLimited));
    sequence.replicas = 30;
    let readings = [Reading::Series(&[5000])];
    let decision = sequence.hpa.sync(&sequence.config, &observation(30, &readings));
    assert_eq!(decision.desired_replicas, Some(10));
    assert!(decision.metrics.is_empty());
    let message = "New size: 10; reason: Current number of replicas above Spec.MaxReplicas";
    assert_eq!(decision.events[0].to_string(), message);
    let after = (active(&sequence), sequence.reason(ConditionKind::ScalingLimited));
    assert_eq!(before, after);
    sequence.edit(|spec| spec.min_replicas = Some(8));
    let decision = sequence.hpa.sync(&sequence.config, &observation(3, &readings));
    assert_eq!(decision.rescale, Some(RescaleReason::BelowMinimum));
    assert_eq!(decision.desired_replicas, Some(8));
}

#[test]
fn the_first_size_is_remembered_even_when_the_first_sync_fails() {
    let mut sequence = Sequence::new(10, None);
    let decision = sequence.hpa.sync(
        &sequence.config,
        &HpaObservation { now_ns: 0, ..observation(10, &[Reading::Failed]) },
    );
    assert_eq!(decision.desired_replicas, Some(10));
    assert_eq!(sequence.reason(ConditionKind::AbleToScale), "True/SucceededGetScale");
    assert_eq!(sequence.at(15, 4), 10);
    sequence.hpa.forget_memory();
    sequence.replicas = 5;
    assert_eq!(sequence.at(30, 4), 5, "only what was found after the restart holds");
}

#[test]
fn an_unreadable_or_unwritable_scale_changes_nothing() {
    let mut sequence = Sequence::new(2, behavior(None, None));
    let unreadable = HpaObservation { scale: None, ..observation(2, &[]) };
    let decision = sequence.hpa.sync(&sequence.config, &unreadable);
    assert_eq!(decision.path, DecisionPath::ScaleUnreadable);
    assert_eq!(sequence.reason(ConditionKind::AbleToScale), "False/FailedGetScale");
    let readings = [Reading::Series(&[4000])];
    let unwritable =
        HpaObservation { scale_update: ScaleUpdate::Fails, ..observation(2, &readings) };
    let decision = sequence.hpa.sync(&sequence.config, &unwritable);
    assert_eq!((decision.desired_replicas, decision.rescale), (Some(2), None));
    assert_eq!(decision.events[0].reason(), "FailedRescale");
    assert_eq!(sequence.reason(ConditionKind::AbleToScale), "False/FailedUpdateScale");
    assert_eq!(sequence.hpa.status().last_scale_ns, None);
}

#[test]
fn a_selector_that_cannot_be_used_stops_everything() {
    for (selector, event, reason) in [
        (SelectorCheck::Missing, "SelectorRequired", "False/InvalidSelector"),
        (SelectorCheck::Invalid, "InvalidSelector", "False/InvalidSelector"),
        (SelectorCheck::Ambiguous, "AmbiguousSelector", "False/AmbiguousSelector"),
    ] {
        let mut sequence = Sequence::new(2, None);
        let readings = [Reading::Series(&[4000])];
        let seen = HpaObservation { selector, ..observation(2, &readings) };
        let decision = sequence.hpa.sync(&sequence.config, &seen);
        assert_eq!(decision.desired_replicas, Some(2));
        let events: Vec<_> = decision.events.iter().map(HpaEvent::reason).collect();
        assert_eq!(events, [event, "FailedComputeMetricsReplicas"]);
        assert_eq!(active(&sequence), reason);
    }
}

#[test]
fn transition_times_follow_the_status_and_not_the_reason() {
    let mut sequence = Sequence::new(10, None);
    sequence.at(0, 10);
    sequence.at(15, 4);
    let able = sequence.hpa.conditions()[0];
    assert_eq!(able.reason, ConditionReason::ScaleDownStabilized);
    assert_eq!(able.last_transition_ns, 0);
}

#[test]
fn zero_set_by_hand_rests() {
    for config in [gate_on(), HpaConfig::default()] {
        let mut sequence = Sequence::new(0, None);
        sequence.edit(|spec| spec.min_replicas = Some(0));
        sequence.config = HpaConfig { tolerance: 0.0, ..config };
        assert_eq!(sequence.at(0, 5), 0);
        assert_eq!(active(&sequence), "False/ScalingDisabled");
    }
}

#[test]
fn back_from_zero_no_pod_serves_yet() {
    let window_0 = Some(direction(0, SelectPolicy::Max, &[]));
    for (rules, asleep_rules, expected) in [
        (None, None, 5),
        (behavior(None, None), behavior(None, None), 4),
        (behavior(None, window_0.clone()), behavior(None, window_0), 0),
    ] {
        let mut hpa = asleep(asleep_rules);
        assert_eq!(hpa.spec().behavior.is_some(), rules.is_some());
        let readings = [Reading::Series(&[5000])];
        let seen = HpaObservation { now_ns: 0, ..observation(0, &readings) };
        assert_eq!(hpa.sync(&gate_on(), &seen).desired_replicas, Some(4));
        assert_eq!(condition(&hpa, ConditionKind::ScaledToZero), "False/NotScaledToZero");
        let pods = [not_ready(); 4];
        let now_ns = 15 * SECOND_NS;
        let seen = HpaObservation { now_ns, pods: &pods, ..observation(4, &readings) };
        assert_eq!(hpa.sync(&gate_on(), &seen).desired_replicas, Some(expected));
    }
}

#[test]
fn a_raised_minimum_wakes_a_sleeping_workload() {
    for rules in [None, behavior(None, None)] {
        let mut hpa = asleep(rules);
        let spec = HpaSpec { min_replicas: Some(5), ..hpa.spec().clone() };
        hpa.replace_spec(spec);
        let readings = [Reading::Series(&[1000])];
        let seen = HpaObservation { now_ns: 0, ..observation(0, &readings) };
        assert_eq!(hpa.sync(&gate_on(), &seen).desired_replicas, Some(5));
    }
}

#[test]
fn a_percentage_alone_never_leaves_zero() {
    let percent = direction(0, SelectPolicy::Max, &[(PolicyKind::Percent, 900, 15)]);
    let mut hpa = asleep(behavior(Some(percent), None));
    let readings = [Reading::Series(&[5000])];
    let seen = HpaObservation { now_ns: 0, ..observation(0, &readings) };
    assert_eq!(hpa.sync(&gate_on(), &seen).desired_replicas, Some(0));
}

#[test]
fn with_the_gate_off_the_condition_goes() {
    let mut hpa = asleep(behavior(None, None));
    let _ = hpa.sync(&HpaConfig::default(), &observation(0, &[]));
    assert_eq!(condition(&hpa, ConditionKind::ScaledToZero), "-");
}

#[test]
fn the_gate_of_tolerances_can_be_off() {
    let metric = external("q", MetricTarget::average_value(milli(1000)));
    let rules = ScalingRules { tolerance: Some(milli(500)), ..ScalingRules::default() };
    let spec = HpaSpec { behavior: behavior(Some(rules), None), ..spec_of(metric) };
    for (gate, expected) in [(FeatureGate::On, 10), (FeatureGate::Off, 13)] {
        let config = HpaConfig { configurable_tolerance: gate, ..HpaConfig::default() };
        let readings = [Reading::Series(&[13_000])];
        let decision = Hpa::new(spec.clone()).sync(&config, &observation(10, &readings));
        assert_eq!(decision.desired_replicas, Some(expected));
    }
}

#[test]
fn defaults_are_filled_in_field_by_field() {
    let rules = ScalingRules { select_policy: Some(SelectPolicy::Min), ..ScalingRules::default() };
    let spec = HpaSpec {
        min_replicas: None,
        max_replicas: 5,
        metrics: Vec::new(),
        behavior: behavior(Some(rules), None),
    }
    .with_defaults();
    assert_eq!(spec.min_replicas, Some(1));
    assert_eq!(spec.metrics, [percent_of_cpu(80)]);
    let filled = spec.behavior.expect("behavior was written");
    let up = filled.scale_up.expect("filled in");
    assert_eq!(up.select_policy, Some(SelectPolicy::Min));
    assert_eq!(up.stabilization_window_seconds, Some(0));
    assert_eq!(up.policies.map(|policies| policies.len()), Some(2));
    let down = filled.scale_down.expect("filled in");
    assert_eq!(down.stabilization_window_seconds, None);
    assert_eq!(down.policies.map(|policies| policies.len()), Some(1));
    assert_eq!(down.tolerance, None);
}
