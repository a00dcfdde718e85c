//! Metrics of single pods: rounding, grouping, missing and unready pods.

use super::*;

fn propose(target: i32, pods: Vec<TestPod>) -> i32 {
    Sync::new(percent_of_cpu(target), pods).proposal()
}

fn with(mut pods: Vec<TestPod>, more: Vec<TestPod>) -> Vec<TestPod> {
    pods.extend(more);
    pods
}

fn plain(target_milli: i64) -> MetricSpec {
    let metric = MetricIdentifier { name: "q".to_owned(), selector: None };
    MetricSpec::Pods { metric, target: MetricTarget::average_value(milli(target_milli)) }
}

#[test]
fn tolerance_and_percent_are_cut_off_at_their_edges() {
    for (target, count, usage, expected) in [
        (50, 10, 550, 10), // 1.1 is inside
        (50, 10, 559, 10), // 55.9 % is cut to 55 %
        (50, 10, 560, 12),
        (33, 10, 299, 9), // 29.9 % is cut to 29 %
        (80, 4, 719, 4),
        (50, 10, 450, 10), // 0.9 is inside
        (50, 10, 449, 9),
        (50, 3, 9, 0), // below one percent is nothing
        (50, 3, 10, 1),
    ] {
        assert_eq!(propose(target, pods(count, usage)), expected, "{count} at {usage}");
    }
}

#[test]
fn the_ceiling_sees_the_noise_of_doubles() {
    for (target, count, usage, expected) in
        [(50, 50, 70, 8), (50, 25, 280, 15), (60, 15, 1240, 32), (80, 25, 1760, 56)]
    {
        assert_eq!(propose(target, pods(count, usage)), expected, "{count} at {usage}");
    }
}

#[test]
fn averages_are_cut_off_too() {
    let values = [20_000, 21_000, 21_000].map(TestPod::using).to_vec();
    let sync = Sync { tolerance: ["0.1", "0.01"], ..Sync::new(plain(20_000), values) };
    let answer = sync.run();
    assert_eq!(answer.outcome, Ok(4));
    assert_eq!(answer.status, "avg 20666m");
}

#[test]
fn pending_pods_dampen_growth_and_are_left_out_of_shrinking() {
    for (usage, expected) in [(800, 10), (900, 10), (1200, 12), (1300, 13), (200, 2)] {
        let pods = with(pods(5, usage), vec![TestPod::pending(); 5]);
        assert_eq!(propose(50, pods), expected, "five at {usage}, five pending");
    }
    let slightly_hot = with(pods(3, 530), vec![TestPod::pending()]);
    assert_eq!(propose(50, slightly_hot), 4);
}

#[test]
fn without_a_pod_that_counts_the_metric_is_invalid() {
    let answer = Sync::new(percent_of_cpu(50), vec![TestPod::pending(); 2]).run();
    assert_eq!(answer.outcome, Err(MetricFailure::NotRead));
    let unready = TestPod { ready: None, ..TestPod::using(500) };
    let answer = Sync::new(percent_of_cpu(50), vec![unready; 2]).run();
    assert_eq!(answer.outcome, Err(MetricFailure::NoPodCounts));
    assert_eq!(answer.status, "<none>");
    // A metric without any pod is no help.
    let answer = Sync { ghosts: vec![500], ..Sync::new(plain(100), Vec::new()) };
    let answer = Sync { spec_replicas: 2, ..answer }.run();
    assert_eq!(answer.outcome, Err(MetricFailure::NoPods));
}

#[test]
fn pods_not_created_yet_make_a_hot_workload_propose_less() {
    let sync = Sync { spec_replicas: 10, ..Sync::new(percent_of_cpu(50), pods(5, 750)) };
    assert_eq!(sync.proposal(), 8);
}

#[test]
fn missing_pods_count_fully_when_shrinking_and_nothing_when_growing() {
    for (target, count, usage, expected) in [
        (50, 3, 300, 4),
        (50, 3, 100, 3),
        (50, 9, 300, 8),
        (150, 3, 300, 2), // 60 % with the filler at 150 % of the request
        (50, 9, 1000, 18),
        (50, 3, 500, 4), // exactly on target: nothing is filled in
    ] {
        let pods = with(pods(count, usage), vec![TestPod::missing()]);
        let target = if target == 150 { 150 } else { target };
        assert_eq!(propose(target, pods), expected, "{count} at {usage}, one missing");
    }
    let average = with(pods(3, 50), vec![TestPod::missing()]);
    assert_eq!(Sync::new(plain(100), average).proposal(), 3);
}

#[test]
fn cpu_of_a_starting_pod_counts_once_its_sample_began_after_it_was_ready() {
    let pod = |start_s: i64, status, ready_s: i64| TestPod {
        start_ms: Some(start_s * 1000),
        ready: Some((status, ready_s * 1000)),
        sample: (1_000_000, 15_000),
        ..TestPod::using(500)
    };
    use ConditionStatus::{False, True, Unknown};
    let counted = PodPart::Counted { usage_milli: 500 };
    for (start_s, status, ready_s, part) in [
        (900, True, 990, PodPart::Unready(UnreadyWhy::SampleTooEarly)),
        (900, True, 985, counted),
        (600, True, 990, counted),
        (900, False, 950, PodPart::Unready(UnreadyWhy::Initializing)),
        (900, Unknown, 950, counted), // unknown is not False
        (600, False, 620, PodPart::Unready(UnreadyWhy::NeverReady)),
        (600, False, 629, PodPart::Unready(UnreadyWhy::NeverReady)),
        (600, False, 630, counted), // the delay is exclusive
        (700, False, 800, counted), // exactly five minutes old
        (701, False, 800, PodPart::Unready(UnreadyWhy::Initializing)),
    ] {
        let pods = vec![pod(start_s, status, ready_s), TestPod::using(500)];
        let answer = Sync::new(percent_of_cpu(50), pods).run();
        assert_eq!(answer.parts, [part, counted], "{start_s} {status} {ready_s}");
    }
}

#[test]
fn times_are_cut_to_seconds_but_windows_are_not() {
    let counted = PodPart::Counted { usage_milli: 500 };
    for (sample, part) in [
        ((1_025_900, 15_000), counted),
        ((1_025_900, 15_001), PodPart::Unready(UnreadyWhy::SampleTooEarly)),
        ((1_024_999, 15_000), PodPart::Unready(UnreadyWhy::SampleTooEarly)),
    ] {
        let ready = Some((ConditionStatus::True, 1_010_950));
        let pod = TestPod { start_ms: Some(900_000), ready, sample, ..TestPod::using(500) };
        let pods = vec![pod, TestPod::using(500)];
        assert_eq!(Sync::new(percent_of_cpu(50), pods).run().parts[0], part, "{sample:?}");
    }
}

#[test]
fn memory_ignores_readiness() {
    let ready = Some((ConditionStatus::False, 620_000));
    let pod = TestPod { ready, start_ms: Some(900_000), ..TestPod::using(500) };
    let name = ResourceName::Memory;
    let metric = MetricSpec::Resource { name, target: MetricTarget::utilization(50) };
    let answer = Sync::new(metric, vec![pod]).run();
    assert_eq!(answer.parts, [PodPart::Counted { usage_milli: 500 }]);
}

#[test]
fn ghosts_count_in_entries_and_averages_but_not_in_utilization() {
    let missing_one = || with(pods(3, 100), vec![TestPod::missing()]);
    let haunted = Sync { ghosts: vec![9000], ..Sync::new(percent_of_cpu(50), missing_one()) };
    assert_eq!(haunted.proposal(), 4);
    assert_eq!(propose(50, missing_one()), 3);
    let haunted = Sync { ghosts: vec![30], ..Sync::new(plain(100), pods(2, 150)) };
    assert_eq!(haunted.proposal(), 2);
    assert_eq!(Sync::new(plain(100), pods(2, 150)).proposal(), 3);
}

#[test]
fn finished_and_surplus_pods_do_not_let_a_shrink_grow() {
    let done = TestPod { phase: PodPhase::Succeeded, ..TestPod::missing() };
    let sync = Sync::new(percent_of_cpu(50), with(pods(4, 300), vec![done]));
    assert_eq!(Sync { spec_replicas: 4, ..sync }.proposal(), 4);
    let sync = Sync::new(percent_of_cpu(50), with(pods(2, 100), vec![TestPod::missing()]));
    assert_eq!(Sync { spec_replicas: 2, ..sync }.proposal(), 2);
}

#[test]
fn one_pod_without_a_request_spoils_the_metric_even_when_ignored() {
    let failed = TestPod { phase: PodPhase::Failed, requests: vec![None], ..TestPod::missing() };
    let answer = Sync::new(percent_of_cpu(50), with(pods(9, 500), vec![failed])).run();
    let failure = answer.outcome.expect_err("a request is missing");
    assert_eq!(failure.to_string(), "missing request for cpu in container main of Pod p9");
}

#[test]
fn a_container_that_is_not_served_is_an_error_and_not_a_missing_pod() {
    let metric = |container: &str| MetricSpec::ContainerResource {
        name: ResourceName::Cpu,
        container: container.to_owned(),
        target: MetricTarget::utilization(50),
    };
    let two = TestPod {
        requests: vec![Some(1000), Some(1000)],
        usage: vec![500, 900],
        ..TestPod::using(0)
    };
    let answer = Sync::new(metric("side"), vec![two.clone()]).run();
    assert_eq!((answer.outcome, answer.status.as_str()), (Ok(2), "90%"));
    let partly = TestPod { usage: vec![500], ..two.clone() };
    let answer = Sync::new(metric("side"), vec![two.clone(), partly]).run();
    assert!(matches!(answer.outcome, Err(MetricFailure::ContainerNotServed { .. })));
    let other = TestPod { requests: vec![Some(1000)], ..two.clone() };
    let answer = Sync::new(metric("side"), vec![two, other]).run();
    assert!(matches!(answer.outcome, Err(MetricFailure::ContainerNotFound { .. })));
}

#[test]
fn a_tolerance_of_one_never_shrinks() {
    let sync = Sync::new(percent_of_cpu(50), pods(4, 0));
    assert_eq!(Sync { tolerance: ["1", "0.1"], ..sync }.proposal(), 4);
}

#[test]
fn tolerances_carry_the_noise_of_their_doubles() {
    // 1 - 0.07 is 0.9299999999999999, so 93 of 100 is inside; 1 - 0.35 is below 0.65 as well.
    for (tolerance, usage) in [("0.07", 930), ("0.35", 650)] {
        let sync = Sync::new(percent_of_cpu(100), pods(10, usage));
        assert_eq!(Sync { tolerance: [tolerance, "0.1"], ..sync }.proposal(), 10);
    }
}

#[test]
fn a_proposal_beyond_all_integers_wraps_to_the_minimum() {
    // 1.36 does not guard the conversion for metrics of pods.
    let answer = Sync::new(plain(1), vec![TestPod::using(i64::MAX / 4)]).run();
    assert_eq!(answer.outcome, Ok(i32::MIN));
}

#[test]
fn metrics_may_come_in_any_order() {
    let count = 7_i64;
    let names: Vec<_> = (0..count).map(|index| format!("p{index}")).collect();
    let pods: Vec<_> = names.iter().map(|name| TestPod::missing().observed(name, &[])).collect();
    let samples = |order: &[i64]| -> Vec<_> {
        let name = |index: i64| names[usize::try_from(index).expect("not negative")].as_str();
        let value = |&index: &i64| PodValue { pod: name(index), value_milli: 1 << index };
        order.iter().map(value).collect()
    };
    for order in [[0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0], [3, 0, 6, 1, 5, 2, 4]] {
        let values = samples(&order);
        let readings = [Reading::PerPod(&values)];
        let seen = HpaObservation { pods: &pods, ..observation(7, &readings) };
        let mut hpa = Hpa::new(spec_of(plain(1)));
        let decision = hpa.sync(&HpaConfig::default(), &seen);
        let parts: Vec<_> = decision.metrics[0].pods.iter().map(|pod| pod.part).collect();
        let expected: Vec<_> =
            (0..count).map(|index| PodPart::Counted { usage_milli: 1 << index }).collect();
        assert_eq!(parts, expected, "{order:?}");
        assert!(decision.metrics[0].ghosts.is_empty());
    }
}

#[test]
fn requests_of_the_pod_as_a_whole_replace_those_of_its_containers() {
    let whole = Amounts { cpu_milli: Some(2000), memory_milli: None };
    let usage = Amounts { cpu_milli: Some(1000), memory_milli: Some(1) };
    let usage = [ContainerAmounts { name: "main", amounts: usage }];
    let served = [PodMetrics { name: "p", timestamp_ns: 0, window_ns: 0, containers: &usage }];
    let bare = TestPod::missing();
    let pod = ObservedPod { pod_level_requests: Some(whole), ..bare.observed("p", &usage) };
    for (name, status) in [(ResourceName::Cpu, "50%"), (ResourceName::Memory, "<none>")] {
        let metric = MetricSpec::Resource { name, target: MetricTarget::utilization(50) };
        let seen = HpaObservation { pods: &[pod], pod_metrics: &served, ..observation(1, &[]) };
        let decision = Hpa::new(spec_of(metric)).sync(&HpaConfig::default(), &seen);
        assert_eq!(decision.metrics[0].status.to_string(), status);
    }
}
