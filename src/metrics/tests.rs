//! Measurements of hand-made events, compared with figures computed by hand.

use rust_decimal::Decimal;

use super::fixture::{Teller, at, claim, scenario, stateful, storage_class, workload};
use super::*;
use crate::metrics::cost::cents;
use crate::metrics::judge::judge;
use crate::metrics::little::Held;
use crate::model::id::{
    ClassId, LoadId, NodeId, OperationId, PodId, PoolId, StationId, WorkloadId,
};
use crate::model::observer::{CallEnd, Observer, OperationEnd};
use crate::model::record::Record;
use crate::scenario::Scenario;
use crate::scenario::threshold::{MetricValue, Terms, Verdict};
use crate::units::SimDuration;

const PLAIN: Terms = Terms {
    abort_on_fail: false,
    delay_abort_eval: None,
    sustained_for: None,
    window: None,
    severity: crate::scenario::threshold::Severity::Error,
};

fn usd(amount: &str) -> Decimal {
    amount.parse().expect("it is a decimal number")
}

fn s(secs: u64) -> SimDuration {
    SimDuration::from_secs(secs)
}

/// A metric's figure, given as in a threshold: `http_reqs{name:item}`, `count`.
fn figure(scenario: &Scenario, measured: &Measurements, metric: &str, method: &str) -> Option<f64> {
    let selector = metric.parse().expect("the selector is right");
    let method =
        format!("{method}>0").parse().map(|e: crate::scenario::threshold::Expression| e.method);
    MetricView::new(scenario, measured, &selector).value(method.expect("the method is right"))
}

fn pages_and_items(scenario: &Scenario) -> Measurements {
    let mut teller = Teller::measuring(scenario);
    for ms in [10, 20, 30] {
        teller.call(0, 0, ms, CallEnd::Completed);
    }
    teller.call(0, 2, 100, CallEnd::Completed);
    teller.call(1, 0, 200, CallEnd::TimedOut);
    teller.call_of(1, 1, 0, 300, CallEnd::Refused);
    teller.finish()
}

#[test]
fn tags_select_calls_as_in_k6() {
    let scenario = scenario(&[]);
    let measured = pages_and_items(&scenario);
    let rows = [
        ("http_reqs", "count", Some(6.0)),
        ("http_reqs", "rate", Some(0.1)),
        ("http_reqs{name:page}", "count", Some(3.0)),
        ("http_reqs{name:item}", "count", Some(3.0)),
        ("http_reqs{class:fetch}", "count", Some(2.0)),
        ("http_reqs{scenario:night}", "count", Some(1.0)),
        ("http_reqs{service:store,status:504}", "count", Some(1.0)),
        ("http_reqs{operation:web.page}", "count", Some(3.0)),
        ("http_reqs{method:GET}", "count", Some(0.0)),
        ("http_req_duration{expected_response:true}", "max", Some(100.0)),
        ("http_req_duration{name:item}", "min", Some(100.0)),
        ("http_req_duration{name:page}", "avg", Some(20.0)),
        ("http_req_duration{name:none}", "avg", None),
        ("http_req_failed", "rate", Some(2.0 / 6.0)),
        ("http_req_failed{class:fetch}", "rate", Some(1.0)),
        ("http_req_failed{name:none}", "rate", None),
        ("checks", "rate", Some(4.0 / 6.0)),
        ("data_received", "count", Some(3050.0)),
        ("http_req_connecting", "avg", None),
        ("oom_kills", "count", Some(0.0)),
    ];
    for (metric, method, expected) in rows {
        assert_eq!(figure(&scenario, &measured, metric, method), expected, "{metric} {method}");
    }
    let median = figure(&scenario, &measured, "http_req_duration", "med").expect("six calls");
    assert!((median - 65.0).abs() < 0.1, "between 30 and 100: {median}");
}

#[test]
fn the_warm_up_is_left_out() {
    let scenario = scenario(&[("http_req_duration", "max<5", PLAIN)]);
    let mut teller = Teller { heard: Measurements::new(&scenario) };
    teller.call(0, 0, 9_000, CallEnd::TimedOut);
    teller.heard.iteration_dropped(at(50), LoadId(0));
    teller.heard.iteration_ended(at(50), LoadId(0), ClassId(0), s(9));
    teller.heard.warm_up_ended(at(100));
    teller.sample(100, |_| {});
    teller.call(0, 0, 1, CallEnd::Completed);
    teller.sample(110, |_| {});
    let measured = teller.finish();
    assert_eq!(measured.calls().ends, EndCounts { completed: 1, ..EndCounts::default() });
    assert_eq!(measured.iterations().dropped, 0);
    assert!(measured.iterations().durations.is_empty());
    assert_eq!(measured.measured(), s(60));
    assert_eq!(judge(&scenario, &measured)[0].violated_for, SimDuration::ZERO);
}

#[test]
fn series_hold_what_ended_since_the_instant_before() {
    let scenario = scenario(&[]);
    let mut teller = Teller::measuring(&scenario);
    for ms in 1..=100 {
        teller.call(0, 0, ms, if ms > 90 { CallEnd::Refused } else { CallEnd::Completed });
    }
    let end = OperationEnd { station: StationId(1), took: s(2), end: CallEnd::Completed };
    teller.heard.operation_ended(at(105), OperationId(1), &end);
    teller.heard.iteration_ended(at(105), LoadId(1), ClassId(0), s(3));
    teller.sample(110, |_| {});
    teller.sample(120, |_| {});
    let measured = teller.finish();
    let series = measured.series();
    assert_eq!(series.times, [s(0), s(10), s(20)]);
    let busy = series.traffic[1];
    assert_eq!((busy.calls.completed_per_second, busy.calls.failed_per_second), (9.0, 1.0));
    assert_eq!(Some(busy.iterations_per_second), Some(0.1));
    let p95 = busy.calls.p95_ms.expect("a hundred calls ended");
    assert!((p95 - 95.05).abs() < 0.5, "{p95}");
    assert_eq!(series.traffic[2].calls, CallsPoint::default());
    let ended = |station| series.station(StationId(station))[1].ended.completed_per_second;
    assert_eq!((ended(0), ended(1)), (0.0, 0.1));
    assert_eq!(measured.station(StationId(1)).sojourns.max_ms(), Some(2000.0));
}

/// web: one core of two requested and four allowed, at one instant two of them; store idles.
#[test]
fn gauges_are_read_from_the_series() {
    let scenario = scenario(&[]);
    let mut teller = Teller::measuring(&scenario);
    teller.sample(110, |sample| {
        sample.workloads[0].cpu_cores = 3.0;
        sample.workloads[0].ready = 1;
        sample.stations[1].waiting = 7;
        sample.pods_pending = 4;
        sample.workloads[1].pending = 4;
    });
    teller.sample(120, |_| {});
    let measured = teller.finish();
    let rows = [
        ("replicas{service:web}", "min", Some(1.0)),
        ("replicas{workload:web}", "value", Some(2.0)),
        ("replicas{workload:Deployment/web}", "max", Some(2.0)),
        ("replicas", "max", Some(5.0)),
        ("replicas{service:none}", "max", None),
        // 2 pods for 10 s, 1 for 10 s, 2 for the last 40 s.
        ("replicas{service:web}", "avg", Some(110.0 / 60.0)),
        ("pods_pending", "max", Some(4.0)),
        ("pods_pending{workload:store}", "max", Some(4.0)),
        ("nodes{pool:general}", "min", Some(1.0)),
        ("nodes", "max", Some(1.0)),
        ("cpu_utilization{service:web}", "max", Some(1.5)),
        ("cpu_utilization", "max", Some(0.75)),
        ("queue_depth{service:store}", "max", Some(7.0)),
        ("queue_depth{service:store}", "value", Some(0.0)),
        ("min_headroom", "value", Some(0.25)),
        ("min_headroom{service:store}", "value", Some(1.0)),
        ("vus", "value", Some(3.0)),
        ("vus_max", "value", Some(8.0)),
    ];
    for (metric, method, expected) in rows {
        assert_eq!(figure(&scenario, &measured, metric, method), expected, "{metric} {method}");
    }
}

/// Calls of 100 ms for 20 s, of 900 ms for 20 s, of 100 ms for 20 s: 60 in all, a third too slow.
fn slow_in_the_middle(scenario: &Scenario) -> Measurements {
    let mut teller = Teller::measuring(scenario);
    for instant in 1..=6 {
        let slow = matches!(instant, 3 | 4);
        let end = if slow { CallEnd::TimedOut } else { CallEnd::Completed };
        for _ in 0..10 {
            teller.call(0, 0, if slow { 900 } else { 100 }, end);
        }
        teller.sample(100 + 10 * instant, |sample| {
            sample.pods_pending = if slow { 3 } else { 0 };
        });
    }
    teller.finish()
}

#[test]
fn a_threshold_tells_since_when_and_for_how_long() {
    let window = |secs| Terms { window: Some(s(secs)), ..PLAIN };
    let lasting = |secs| Terms { sustained_for: Some(s(secs)), ..PLAIN };
    let scenario = scenario(&[
        ("http_req_duration", "p(95)<500", PLAIN),
        ("http_req_duration", "med<500", PLAIN),
        ("http_req_failed", "rate<0.5", PLAIN),
        ("http_req_failed", "rate<0.5", window(20)),
        ("http_req_failed", "rate<0.6", window(40)),
        ("http_req_failed", "rate<0.5", lasting(20)),
        ("http_req_failed", "rate<0.5", lasting(30)),
        ("http_reqs", "count<35", PLAIN),
        ("pods_pending", "max<3", PLAIN),
        ("http_req_duration{name:item}", "p(95)<500", PLAIN),
        ("oom_kills", "count<1", PLAIN),
    ]);
    let measured = slow_in_the_middle(&scenario);
    let results = judge(&scenario, &measured);
    let said = |position: usize| {
        let result = &results[position];
        let verdict = match result.verdict {
            Verdict::Met(_) => "met",
            Verdict::Crossed(_) => "crossed",
            Verdict::NoSamples => "none",
        };
        let first = result.first_violation.map(SimDuration::as_secs);
        (verdict, first, result.violated_for.as_secs())
    };
    assert_eq!(said(0), ("crossed", Some(20), 20), "slow from 20 s on for 20 s");
    assert_eq!(said(1), ("met", Some(20), 20), "met over all, violated in between");
    assert_eq!(said(2), ("met", Some(20), 20));
    // Windows of 20 s that end at 30, 40 and 50 s fail at 50, 100 and 50 %.
    assert_eq!(said(3), ("crossed", Some(20), 30));
    assert_eq!(said(4), ("met", None, 0), "the worst 40 s fail at 50 %");
    assert_eq!(results[4].observed(), Some(0.5));
    assert_eq!(said(5).0, "crossed", "20 s without a break");
    assert_eq!(said(6).0, "met", "never for 30 s");
    assert_eq!(said(7), ("crossed", Some(30), 30), "a count adds up: 40 after 40 s");
    assert_eq!(said(8), ("crossed", Some(30), 20), "sampled at 30 and at 40 s");
    assert_eq!(said(9), ("none", None, 0));
    assert_eq!(said(10).0, "met", "nobody was killed");
    assert!(results[9].is_met(false) && !results[9].is_met(true));
    assert_eq!((results[2].matching, results[2].of), (Some(20), Some(60)));
}

#[test]
fn the_margin_is_a_share_of_the_limit() {
    let scenario = scenario(&[
        ("http_req_duration", "max<100", PLAIN),
        ("http_req_duration", "max<1000", PLAIN),
        ("http_reqs", "count>30", PLAIN),
        ("dropped_iterations", "count<=0", PLAIN),
        ("http_reqs", "count==60", PLAIN),
    ]);
    let results = judge(&scenario, &slow_in_the_middle(&scenario));
    let margins: Vec<_> = results.iter().map(|result| result.margin).collect();
    assert_eq!(margins, [Some(-8.0), Some(0.1), Some(1.0), None, None]);
    assert_eq!(results[3].verdict, Verdict::Met(0.0), "no drop is a sample of a counter");
}

#[test]
fn time_to_scale_is_measured_by_workload() {
    let scenario = scenario(&[("time_to_scale{service:web}", "max<30s", PLAIN)]);
    let mut teller = Teller::measuring(&scenario);
    let web = WorkloadId(0);
    let records = [
        (110, Record::WorkloadScaled { workload: web, from: 2, to: 3 }),
        (111, Record::PodCreated { pod: PodId(5), workload: web, name: "web-5".into() }),
        (145, Record::PodBecameReady(PodId(5))),
    ];
    for (secs, record) in records {
        teller.heard.record(at(secs), record);
    }
    let measured = teller.finish();
    assert_eq!(measured.time_to_scale(web).max_ms(), Some(35_000.0));
    assert_eq!(figure(&scenario, &measured, "time_to_scale{service:store}", "max"), None);
    assert_eq!(judge(&scenario, &measured)[0].verdict, Verdict::Crossed(35_000.0));
}

/// 60 s measured: node 0 all the time, node 1 for 30 s = 90 node-seconds = 0.025 h at 0.40 = 0.01.
/// Over a month: 1.5 nodes x 730 h x 0.40 = 438.00; control plane 73.00; together 511.00.
#[test]
fn money_is_node_hours_times_price() {
    let scenario = scenario(&[("cost_per_month", "value<500", PLAIN)]);
    let mut teller = Teller::measuring(&scenario);
    let node = NodeId(1);
    teller.launched(110, node, PoolId(0), "m9.large");
    teller.call(0, 0, 1, CallEnd::Completed);
    teller.sample(120, |sample| {
        sample.pools[0].nodes = 2;
        sample.pools[0].paid_per_hour = Some(usd("0.80"));
    });
    teller.heard.record(at(140), Record::NodeGone(node));
    let measured = teller.finish();
    assert_eq!(measured.node_time(PoolId(0)), s(90));
    let cost = Cost::of(&scenario, &measured);
    assert_eq!(cost.pools[0].node_hours, usd("0.025"));
    assert_eq!(cost.pools[0].measured, Some(usd("0.01")));
    assert_eq!(cost.nodes_per_month().map(cents), Some(usd("438.00")));
    assert_eq!(cost.per_month().map(cents), Some(usd("511.00")));
    assert_eq!(cost.per_month().map(|money| cents(money).to_string()).as_deref(), Some("511.00"));
    // 0.70 an hour for a minute, for one call.
    let each = cost.per_million_requests.expect("every price is known");
    assert_eq!(cents(each), usd("11666.67"));
    // CPU is asked for most: 2 of 4 cores.
    assert_eq!(cost.pools[0].idle_share, Some(0.5));
    assert_eq!(cost.idle_per_month().map(cents), Some(usd("219.00")));
    let rates = super::cost::rate_per_hour(&scenario, &measured);
    assert_eq!(rates, [Some(usd("0.50")), Some(usd("0.90"))]);
    let verdict = judge(&scenario, &measured)[0].verdict;
    assert!(matches!(verdict, Verdict::Crossed(money) if (money - 511.0).abs() < 1e-6));
}

#[test]
fn an_unknown_price_makes_the_sum_unknown() {
    let scenario = scenario(&[("cost_per_month", "value<500", PLAIN)]);
    let mut teller = Teller::measuring(&scenario);
    teller.launched(110, NodeId(1), PoolId(1), "m9.spare");
    let measured = teller.finish();
    let cost = Cost::of(&scenario, &measured);
    assert_eq!(cost.per_month(), None);
    assert_eq!(cost.unknown, ["instance m9.spare (pool spare)"]);
    assert_eq!(cost.pools[0].per_month.map(cents), Some(usd("292.00")));
    assert_eq!(judge(&scenario, &measured)[0].verdict, Verdict::NoSamples);
}

/// store: 3 volumes of 100 GiB io2 at 50 IOPS a GiB: 100 x 0.125 + 5000 x 0.065 = 337.50 each.
/// One of 20 GiB gp3: 1.60. One of a class nobody knows.
#[test]
fn volumes_cost_by_size_and_iops() {
    let mut scenario = scenario(&[]);
    scenario.storage_classes = vec![
        storage_class("fast", &[("type", "io2"), ("iopsPerGB", "50")]),
        storage_class("plain", &[]),
        storage_class("rapid", &[("type", "gp3"), ("throughput", "500")]),
    ];
    scenario.workloads[1] = workload("store", 3, stateful(vec![claim("data", 100, Some("fast"))]));
    scenario.claims = vec![std::sync::Arc::new(claim("backup", 20, Some("plain")))];
    let measured = Teller::measuring(&scenario).finish();
    let cost = Cost::of(&scenario, &measured);
    let months: Vec<_> = cost.volumes.iter().map(|volume| volume.per_month).collect();
    assert_eq!(months, [Some(usd("1012.50")), Some(usd("1.60"))]);
    assert_eq!((cost.volumes[0].volumes, cost.volumes[0].paid_iops), (3, 5000));
    assert_eq!(cost.volumes[0].claim, "StatefulSet/store/data");
    for class in [None, Some("lost"), Some("rapid")] {
        scenario.claims = vec![std::sync::Arc::new(claim("backup", 20, class))];
        let cost = Cost::of(&scenario, &measured);
        assert_eq!(cost.volumes_per_month(), None, "{class:?}");
    }
}

/// Ten requests of 2 s each in 160 s, one of them in the warm-up: 20 request-seconds.
#[test]
fn littles_law_is_taken_over_the_whole_run() {
    let scenario = scenario(&[]);
    let mut teller = Teller { heard: Measurements::new(&scenario) };
    let end = OperationEnd { station: StationId(0), took: s(2), end: CallEnd::Completed };
    teller.heard.operation_ended(at(50), OperationId(0), &end);
    teller.heard.warm_up_ended(at(100));
    for _ in 0..9 {
        teller.heard.operation_ended(at(130), OperationId(0), &end);
    }
    let measured = teller.finish();
    assert_eq!(measured.station(StationId(0)).ends.completed, 9);
    let idle = Held { area_s: 0.0, inside: 0 };
    let law = |area_s| {
        let held = [Held { area_s, inside: 0 }, idle];
        little::of_run(&scenario, held, &measured)
    };
    let laws = law(20.0);
    assert_eq!((laws[0].mean_inside, laws[0].mean_sojourn_s), (0.125, 2.0));
    assert!(laws[0].gap() < 1e-12 && laws[1].gap() < 1e-12);
    assert!((law(40.0)[0].gap() - 0.5).abs() < 1e-12, "half of what was inside never came");
}

#[test]
fn memory_does_not_grow_with_requests() {
    let scenario = scenario(&[("http_req_duration", "p(95)<500", PLAIN)]);
    let mut teller = Teller::measuring(&scenario);
    for ms in 1..=1000 {
        teller.call(0, 0, ms, CallEnd::Completed);
    }
    let points = |teller: &Teller| teller.heard.series().times.len();
    let before = points(&teller);
    for ms in 1..=100_000_u64 {
        teller.call(0, 0, 1 + ms % 1000, CallEnd::Completed);
    }
    assert_eq!(points(&teller), before);
    assert_eq!(teller.finish().calls().durations.count(), 101_000);
}
