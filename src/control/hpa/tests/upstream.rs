//! Expectations of the controller's own unit tests (`replica_calculator_test.go`): pods of two
//! containers that request 1000m each unless said otherwise.

use super::*;

/// A pod whose two containers use as much each.
fn level(usage: i64) -> TestPod {
    requesting(usage, 1000)
}

fn requesting(usage: i64, request: i64) -> TestPod {
    TestPod { requests: vec![Some(request); 2], usage: vec![usage; 2], ..TestPod::using(0) }
}

fn levels(usages: &[i64]) -> Vec<TestPod> {
    usages.iter().copied().map(level).collect()
}

fn missing(request: i64) -> TestPod {
    TestPod { usage: Vec::new(), ..requesting(0, request) }
}

fn unready(pod: TestPod) -> TestPod {
    TestPod { ready: Some((ConditionStatus::False, 20_000)), start_ms: Some(900_000), ..pod }
}

fn check(sync: Sync, replicas: i32, percent: i32) {
    let answer = sync.run();
    assert_eq!((answer.outcome, answer.status), (Ok(replicas), format!("{percent}%")));
}

fn utilization(target: i32, pods: Vec<TestPod>) -> Sync {
    Sync::new(percent_of_cpu(target), pods)
}

#[test]
fn all_or_some_pods_ready() {
    check(utilization(30, levels(&[300, 500, 700])), 5, 50);
    let mut pods = levels(&[300, 500, 700]);
    pods[0] = unready(level(300));
    check(utilization(30, pods), 4, 60);
    let pods = vec![level(400), unready(level(500)), unready(level(700))];
    check(utilization(30, pods), 3, 40);
    let failed = TestPod { phase: PodPhase::Failed, ..missing(1000) };
    let pods = vec![level(500), level(700), failed.clone(), failed];
    check(Sync { spec_replicas: 2, ..utilization(30, pods) }, 4, 60);
    check(utilization(50, levels(&[100, 300, 500, 250, 250])), 3, 28);
    let mut pods = levels(&[100, 300, 500]);
    pods.extend([unready(level(250)), unready(level(250))]);
    check(utilization(50, pods), 2, 30);
    let pending = TestPod { phase: PodPhase::Pending, ..missing(1000) };
    let mut pods = levels(&[100]);
    pods.extend(vec![pending; 4]);
    check(utilization(50, pods), 1, 10);
}

#[test]
fn superfluous_and_missing_metrics() {
    let superfluous = utilization(100, levels(&[4000, 9500, 3000, 7000]));
    check(Sync { ghosts: vec![6400, 4000], ..superfluous }, 24, 587);
    let some = |usages: &[i64], absent: usize| {
        let mut pods = levels(usages);
        pods.extend(vec![missing(1000); absent]);
        pods
    };
    check(utilization(100, some(&[400, 95], 2)), 3, 24);
    check(utilization(100, some(&[1000], 1)), 2, 100);
    check(utilization(100, some(&[1900], 1)), 2, 190);
    check(utilization(100, some(&[600], 1)), 2, 60);
    check(Sync { spec_replicas: 2, ..utilization(50, some(&[100, 100], 1)) }, 2, 10);
}

#[test]
fn unready_and_missing_together() {
    let pods = |usage| vec![unready(level(100)), level(usage), missing(1000)];
    check(utilization(50, pods(450)), 3, 45);
    check(utilization(50, pods(2000)), 4, 200);
    let pods = vec![unready(level(100)), level(100), level(100), missing(1000)];
    check(utilization(50, pods), 3, 10);
    let pods = vec![
        unready(requesting(200, 1000)),
        requesting(100, 1000),
        requesting(100, 2000),
        missing(2000),
    ];
    check(utilization(300, pods), 2, 6);
}

#[test]
fn own_tolerances() {
    let pods = |usages: [i64; 3]| {
        usages.into_iter().zip([900, 1000, 1100]).map(|(usage, it)| requesting(usage, it)).collect()
    };
    let sync = utilization(100, pods([909, 1010, 1111]));
    check(Sync { tolerance: ["0", "0"], ..sync }, 4, 101);
    let sync = utilization(100, pods([1100, 1080, 1090]));
    check(Sync { tolerance: ["2", "0.08"], ..sync }, 4, 109);
    for (tolerance, replicas) in [("0.36", 3), ("0.34", 2)] {
        let sync = utilization(100, pods([660, 640, 650]));
        check(Sync { tolerance: [tolerance, "0.1"], ..sync }, replicas, 65);
    }
}

#[test]
fn plain_metrics() {
    let metric = MetricIdentifier { name: "q".to_owned(), selector: None };
    let target = MetricTarget::average_value(milli(17_000));
    let pods = vec![TestPod::using(10_000), TestPod::using(10_000), TestPod::missing()];
    let sync = Sync::new(MetricSpec::Pods { metric, target }, pods);
    assert_eq!(Sync { spec_replicas: 2, ..sync }.proposal(), 2);
}
