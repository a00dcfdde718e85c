//! Object and External metrics, and several metrics together.

use super::*;

fn serving(count: usize) -> Vec<ObservedPod<'static>> {
    let pod = ObservedPod {
        name: "p",
        phase: PodPhase::Running,
        ready: Some(ReadyCondition { status: ConditionStatus::True, last_transition_ns: 0 }),
        start_ns: Some(0),
        lifecycle: PodLifecycle::Present,
        containers: &[],
        pod_level_requests: None,
    };
    vec![pod; count]
}

fn object(target: MetricTarget) -> MetricSpec {
    MetricSpec::Object {
        described_object: DescribedObject { kind: "Ingress".to_owned(), name: "web".to_owned() },
        metric: MetricIdentifier { name: "rps".to_owned(), selector: None },
        target,
    }
}

/// Proposal and shown status of a single metric.
fn evaluate(
    metric: MetricSpec,
    reading: Reading<'_>,
    scale: Scale,
    pods: &[ObservedPod<'_>],
    tolerance: f64,
) -> (Result<i32, MetricFailure>, String) {
    let config = HpaConfig { tolerance, scale_to_zero: FeatureGate::On, ..HpaConfig::default() };
    let readings = [reading];
    let evaluation = Evaluation {
        config: &config,
        seen: &HpaObservation { pods, ..observation(0, &readings) },
        scale,
        tolerances: Tolerances { down: tolerance, up: tolerance },
    };
    let answer = evaluation.metric(0, &metric, &metric.label().into());
    (answer.outcome.map(|proposal| proposal.replicas), answer.status.to_string())
}

fn scale(spec_replicas: i32, status_replicas: i32) -> Scale {
    Scale { spec_replicas, status_replicas }
}

#[test]
fn value_targets_multiply_the_pods_that_serve() {
    let metric = |usage, spec, ready| {
        let target = MetricTarget::value(milli(100_000));
        let series = [usage];
        let reading = Reading::Series(&series);
        let mut pods = serving(ready);
        // One that matches and does not serve, so that the selector matches something.
        pods.push(ObservedPod { ready: None, ..serving(1)[0] });
        evaluate(external("q", target), reading, scale(spec, spec), &pods, 0.1).0
    };
    assert_eq!(metric(150_000, 10, 5), Ok(8));
    assert_eq!(metric(300_000, 10, 0), Ok(0));
    assert_eq!(metric(110_000, 10, 5), Ok(10));
    assert_eq!(metric(500_000, 0, 0), Ok(5));
    assert_eq!(metric(5_000, 0, 0), Ok(1));
    assert_eq!(metric(0, 0, 0), Ok(0));
}

#[test]
fn value_targets_fail_without_any_pod_and_guard_their_range() {
    let target = MetricTarget::value(milli(1));
    let huge = Reading::Single(i64::MAX);
    let none = evaluate(object(target.clone()), huge, scale(3, 3), &[], 0.1);
    assert_eq!(none.0, Err(MetricFailure::NoPods));
    let guarded = evaluate(object(target), huge, scale(3, 3), &serving(3), 0.1);
    assert_eq!(guarded.0, Ok(i32::MAX));
}

#[test]
fn average_targets_compare_with_the_pods_that_exist() {
    let metric = |usage: i64, spec, status| {
        let target = MetricTarget::average_value(milli(100_000));
        let series = [usage * 1000];
        let reading = Reading::Series(&series);
        evaluate(external("q", target), reading, scale(spec, status), &[], 0.1).0
    };
    for (usage, spec, status, expected) in [
        (530, 10, 5, 5),
        (1000, 10, 5, 10),
        (530, 10, 10, 6),
        (330, 3, 3, 3),
        (331, 3, 3, 4),
        (500, 0, 0, 5),
        (0, 0, 0, 0),
    ] {
        assert_eq!(metric(usage, spec, status), Ok(expected), "{usage} with {status}");
    }
}

#[test]
fn averages_of_the_controllers_own_tests() {
    let average = |amount| MetricTarget::average_value(milli(amount));
    let series = [8600];
    let reading = Reading::Series(&series);
    let got = evaluate(external("q", average(2900)), reading, scale(3, 3), &[], 0.1);
    assert_eq!(got, (Ok(3), "avg 2867m".to_owned()));
    let got = evaluate(external("q", average(2800)), reading, scale(3, 3), &[], 0.01);
    assert_eq!(got.0, Ok(4));
    let got = evaluate(object(average(5000)), Reading::Single(20_208), scale(4, 4), &[], 0.01);
    assert_eq!(got.0, Ok(5));
}

#[test]
fn averages_without_pods_show_the_smallest_integer() {
    let target = MetricTarget::average_value(milli(1000));
    let series = [5000];
    let got = evaluate(external("q", target), Reading::Series(&series), scale(1, 0), &[], 0.1);
    assert_eq!(got, (Ok(5), "avg -9223372036854775808m".to_owned()));
}

#[test]
fn only_external_averages_guard_their_range() {
    let target = || MetricTarget::average_value(milli(1));
    let series = [i64::MAX, i64::MAX];
    let got = evaluate(external("q", target()), Reading::Series(&series), scale(1, 1), &[], 0.1);
    // The sum stops at the largest integer instead of wrapping.
    assert_eq!(got, (Ok(i32::MAX), format!("avg {}", milli(i64::MIN))));
    let got = evaluate(object(target()), Reading::Single(i64::MAX), scale(1, 1), &[], 0.1);
    assert_eq!(got.0, Ok(i32::MIN));
}

#[test]
fn object_targets_obey_their_kind() {
    let both = MetricTarget { average_value: Some(milli(1)), ..MetricTarget::value(milli(1000)) };
    let reading = Reading::Single(2000);
    assert_eq!(evaluate(object(both.clone()), reading, scale(1, 1), &serving(1), 0.1).1, "2");
    let neither = MetricTarget { kind: TargetKind::Utilization, ..both };
    let got = evaluate(object(neither), reading, scale(1, 1), &serving(1), 0.1);
    assert_eq!(got.0, Err(MetricFailure::NoTarget));
}

#[test]
fn labels_are_those_of_the_controller() {
    let value = || MetricTarget::value(milli(1));
    let average = || MetricTarget::average_value(milli(1));
    let container = |target| MetricSpec::ContainerResource {
        name: ResourceName::Cpu,
        container: "main".to_owned(),
        target,
    };
    let mut selected = external("q", value());
    if let MetricSpec::External { metric, .. } = &mut selected {
        let labels = [("queue".to_owned(), "tasks".to_owned())];
        let match_labels = labels.into_iter().collect();
        metric.selector = Some(LabelSelector { match_labels, match_expressions: Vec::new() });
    }
    for (metric, label) in [
        (percent_of_cpu(50), "cpu resource utilization (percentage of request)"),
        (
            container(MetricTarget::utilization(50)),
            "cpu container resource utilization (percentage of request)",
        ),
        (container(average()), "cpu resource"),
        (object(value()), "Ingress metric rps"),
        (object(average()), "external metric rps(nil)"),
        (external("q", value()), "external metric q(nil)"),
        (
            selected,
            "external metric q(&LabelSelector{MatchLabels:map[string]string{queue: tasks,},\
             MatchExpressions:[]LabelSelectorRequirement{},})",
        ),
    ] {
        assert_eq!(metric.label(), label);
    }
}

/// Two External metrics of which the second fails.
fn partly_failing(wanted: i64) -> (Hpa, HpaObservationAnswer) {
    let target = || MetricTarget::average_value(milli(1000));
    let metrics = vec![external("a", target()), external("b", target())];
    let mut hpa = Hpa::new(HpaSpec { metrics, ..spec_of(percent_of_cpu(1)) });
    let config = HpaConfig { tolerance: 0.0, ..HpaConfig::default() };
    let series = [wanted * 1000];
    let readings = [Reading::Series(&series), Reading::Failed];
    let decision = hpa.sync(&config, &observation(8, &readings));
    let statuses = decision.metrics.iter().map(|metric| metric.status.to_string()).collect();
    let events = decision.events.iter().map(HpaEvent::reason).collect();
    let answer = HpaObservationAnswer {
        replicas: decision.desired_replicas.expect("the scale was read"),
        statuses,
        events,
    };
    (hpa, answer)
}

struct HpaObservationAnswer {
    replicas: i32,
    statuses: Vec<String>,
    events: Vec<String>,
}

#[test]
fn a_failing_metric_suppresses_only_shrinking() {
    for (wanted, replicas, active) in [
        (6, 8, "False/FailedGetExternalMetric"),
        (8, 8, "True/ValidMetricFound"),
        (12, 12, "True/ValidMetricFound"),
    ] {
        let (hpa, answer) = partly_failing(wanted);
        assert_eq!(answer.replicas, replicas, "wanting {wanted}");
        assert_eq!(condition(&hpa, ConditionKind::ScalingActive), active);
        assert_eq!(answer.statuses.len(), 2);
        assert_eq!(answer.statuses[1], "<none>");
        let failed = answer.events.contains(&"FailedComputeMetricsReplicas".to_owned());
        assert_eq!(failed, wanted == 6);
        assert!(answer.events.contains(&"FailedGetExternalMetric".to_owned()));
    }
}

#[test]
fn the_first_failure_gives_the_reason_and_zero_yields_to_later_metrics() {
    let average = || MetricTarget::average_value(milli(1000));
    let metrics = vec![object(average()), external("b", average())];
    let spec = HpaSpec { metrics, ..spec_of(percent_of_cpu(1)) };
    let mut hpa = Hpa::new(spec.clone());
    let _ = hpa.sync(&HpaConfig::default(), &observation(2, &[]));
    assert_eq!(condition(&hpa, ConditionKind::ScalingActive), "False/FailedGetObjectMetric");
    // Zero means "nothing yet", so even a proposal below zero takes its place. That shows when a
    // third metric fails and the proposal is suppressed.
    let metrics = vec![object(average()), external("b", average()), external("c", average())];
    let mut hpa = Hpa::new(HpaSpec { metrics, ..spec });
    let readings = [Reading::Single(0), Reading::Series(&[-5000]), Reading::Failed];
    let decision = hpa.sync(&HpaConfig::default(), &observation(2, &readings));
    let failed = MetricsFailed {
        invalid: 1,
        total: 3,
        reason: ConditionReason::FailedGetExternalMetric,
        suppressed_proposal: Some(-5),
    };
    assert_eq!(decision.path, DecisionPath::NoProposal(NoProposal::Metrics(failed)));
}

#[test]
fn a_tie_keeps_the_earlier_label() {
    let target = || MetricTarget::average_value(milli(1000));
    let metrics = vec![external("a", target()), external("b", target())];
    let mut hpa = Hpa::new(HpaSpec { metrics, ..spec_of(percent_of_cpu(1)) });
    let readings = [Reading::Series(&[4000]), Reading::Series(&[4000])];
    let decision = hpa.sync(&HpaConfig::default(), &observation(2, &readings));
    let reason = decision.rescale.expect("the size changed").to_string();
    assert_eq!(reason, "external metric a(nil) above target");
}
