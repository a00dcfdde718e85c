//! Thresholds as a whole: metric and expression together, and what becomes of them.

use super::*;

fn threshold(metric: &str, expression: &str) -> Result<ThresholdSpec, ThresholdError> {
    ThresholdSpec::new(metric, expression, Terms::default(), Origin::new("peak.yaml", 30, 5))
}

/// A metric that has one figure for every method, or none.
struct Figure(Option<f64>);

impl MetricValue for Figure {
    fn value(&self, _: Method) -> Option<f64> {
        self.0
    }
}

#[test]
fn the_thresholds_of_a_scenario_are_read() {
    let rows = [
        ("http_req_duration", "p(95)<500ms", "http_req_duration: p(95)<500"),
        (
            "http_req_duration{name:studies}",
            "p(99)<2000",
            "http_req_duration{name:studies}: p(99)<2000",
        ),
        ("http_req_failed", "rate<1%", "http_req_failed: rate<0.01"),
        ("pods_pending", "max<5", "pods_pending: max<5"),
        (
            "cpu_utilization{service:gateway}",
            "avg<80%",
            "cpu_utilization{service:gateway}: avg<0.8",
        ),
        ("cost_per_month", "value<9000", "cost_per_month: value<9000"),
        ("time_to_scale", "p(95)<2m", "time_to_scale: p(95)<120000"),
        ("dropped_iterations", "count<100", "dropped_iterations: count<100"),
        ("http_reqs", "rate>=50", "http_reqs: rate>=50"),
    ];
    for (metric, expression, shown) in rows {
        let spec = threshold(metric, expression).unwrap();
        assert_eq!(spec.to_string(), shown);
        assert_eq!(spec.origin().to_string(), "peak.yaml:30");
    }
}

/// Metric, expression, the part that is marked, the message.
#[test]
fn what_does_not_fit_together_is_told() {
    let rows = [
        (
            "http_req_duratoin",
            "p(95)<500",
            "http_req_duratoin",
            "unknown metric `http_req_duratoin`; did you mean `http_req_duration`?",
        ),
        ("temperature{room:1}", "value<30", "temperature", "unknown metric `temperature`"),
        (
            "http_reqs",
            " p(95)<500",
            "p(95)",
            "`http_reqs` is a counter and has no `p(95)`; it has count, rate",
        ),
        ("vus", "max<10", "max", "`vus` is a gauge and has no `max`; it has value"),
        (
            "http_req_failed",
            "rate<500ms",
            "500ms",
            "500ms is a duration, but `http_req_failed` is measured in shares from 0 to 1",
        ),
        (
            "http_req_duration",
            "p(95) < 5%",
            "5%",
            "5% is a percentage, but `http_req_duration` is measured in milliseconds",
        ),
        (
            "http_reqs",
            "rate<5%",
            "5%",
            "5% is a percentage, but `http_reqs` is measured in plain numbers",
        ),
        ("http_req_duration", "p95<500", "p95", "a percentile is written `p(95)`"),
        ("http_reqs{status}", "count>1", "status", "expected a tag such as `status:200`"),
    ];
    for (metric, expression, marked, message) in rows {
        let error = threshold(metric, expression).unwrap_err();
        let (part, at) = error.place();
        let text = if part == Part::Metric { metric } else { expression };
        assert_eq!((&text[at], error.to_string().as_str()), (marked, message));
    }
}

#[test]
fn a_span_of_no_length_is_refused() {
    let terms = Terms { window: Some(SimDuration::ZERO), ..Terms::default() };
    let error = ThresholdSpec::new("http_reqs", "count>1", terms, Origin::default()).unwrap_err();
    assert_eq!(error.to_string(), "`window` must be above zero");
    assert_eq!(error.place().0, Part::Option("window"));
}

#[test]
fn a_figure_meets_or_crosses_and_no_figure_does_neither() {
    let spec = threshold("http_req_duration", "p(95)<500").unwrap();
    assert_eq!(spec.evaluate(&Figure(Some(499.0))), Verdict::Met(499.0));
    assert_eq!(spec.evaluate(&Figure(Some(500.0))), Verdict::Crossed(500.0));
    assert_eq!(spec.evaluate(&Figure(None)), Verdict::NoSamples);
    assert_eq!(spec.evaluate(&Figure(Some(f64::NAN))), Verdict::NoSamples);
}

/// What k6 says of nothing, by type.
#[test]
fn k6_takes_nothing_for_zero_except_in_a_rate() {
    let rows = [
        ("http_req_duration", "p(95)<500", true),
        ("http_req_duration", "p(95)>500", false),
        ("http_reqs", "count>100", false),
        ("vus", "value<1", true),
        ("http_req_failed", "rate>0.5", true),
    ];
    for (metric, expression, holds) in rows {
        let spec = threshold(metric, expression).unwrap();
        assert_eq!(spec.holds_in_k6_without_samples(), holds, "{spec}");
    }
}

#[test]
fn a_run_is_aborted_only_after_its_delay() {
    let delay = SimDuration::from_secs(30);
    let abort = |terms| {
        let spec = ThresholdSpec::new("http_reqs", "count<1", terms, Origin::default()).unwrap();
        [29, 30, 31].map(|secs| spec.aborts(Verdict::Crossed(5.0), SimDuration::from_secs(secs)))
    };
    let terms = Terms { abort_on_fail: true, ..Terms::default() };
    assert_eq!(abort(Terms::default()), [false; 3]);
    assert_eq!(abort(terms), [true; 3]);
    assert_eq!(abort(Terms { delay_abort_eval: Some(delay), ..terms }), [false, false, true]);
    let spec = ThresholdSpec::new("http_reqs", "count<1", terms, Origin::default()).unwrap();
    assert!(!spec.aborts(Verdict::NoSamples, delay) && !spec.aborts(Verdict::Met(0.0), delay));
}
