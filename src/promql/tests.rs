//! PromQL against cases worked out by hand from the rules of prometheus/promql.

use super::*;

/// Series in the notation of promtool's unit tests, one sample a minute from 0: `a+bxn`, `_`, `stale`
/// and plain numbers.
fn storage(lines: &[(&str, &str)]) -> Storage {
    let mut storage = Storage::default();
    for (source, (series, values)) in (0_u32..).zip(lines) {
        let parsed = parse(series).expect("a series is a selector");
        let promql_parser::parser::Expr::VectorSelector(selector) = parsed else {
            panic!("{series} is no selector")
        };
        let mut labels = Labels::of([(NAME, selector.name.as_deref().unwrap_or(""))]);
        for matcher in &selector.matchers.matchers {
            labels.set(&matcher.name, &matcher.value);
        }
        let mut at_ms = 0;
        for value in expand(values) {
            match value {
                Step::Value(value) => storage.take(at_ms, source, [(labels.clone(), value)]),
                Step::Stale => storage.take(at_ms, source, []),
                Step::Missing => {}
            }
            at_ms += 60_000;
        }
    }
    storage
}

#[derive(Clone, Copy)]
enum Step {
    Value(f64),
    Stale,
    Missing,
}

fn expand(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for word in text.split_whitespace() {
        match word {
            "_" => steps.push(Step::Missing),
            "stale" => steps.push(Step::Stale),
            _ => match word.split_once('x') {
                None => steps.push(Step::Value(word.parse().expect("a number"))),
                Some((line, times)) => {
                    let (start, slope) = line.split_once('+').unwrap_or((line, "0"));
                    let (start, slope): (f64, f64) =
                        (start.parse().expect("a start"), slope.parse().expect("a slope"));
                    let times: u32 = times.parse().expect("a count");
                    steps.extend((0..=times).map(|n| Step::Value(start + slope * f64::from(n))));
                }
            },
        }
    }
    steps
}

fn result(storage: &Storage, expression: &str, minute: i64) -> Result<Value, Error> {
    result_since(storage, expression, minute, 0.0)
}

fn result_since(
    storage: &Storage,
    expression: &str,
    minute: i64,
    epoch_s: f64,
) -> Result<Value, Error> {
    let evaluation = Evaluation { storage, lookback_ms: LOOKBACK_MS, step_ms: 60_000, epoch_s };
    evaluation.value(&parse(expression).expect("PromQL"), minute * 60_000)
}

/// The value of an expression, as lines `labels value` in order.
#[track_caller]
fn holds(storage: &Storage, expression: &str, minute: i64, expected: &[(&str, f64)]) {
    let value = result(storage, expression, minute).expect("it can be computed");
    let mut found: Vec<(String, f64)> = match value {
        Value::Scalar(number) => vec![("scalar".to_owned(), number)],
        Value::Vector(samples) => {
            samples.into_iter().map(|sample| (sample.labels.to_string(), sample.value)).collect()
        }
        Value::Text(text) => vec![(text, 0.0)],
    };
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let wanted: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, wanted, "{expression}: {found:?}");
    for ((name, value), (_, wanted)) in found.iter().zip(expected) {
        let near = (value - wanted).abs() <= 1e-9 * wanted.abs().max(1.0)
            || (value.is_nan() && wanted.is_nan())
            || numbers::same(*value, *wanted);
        assert!(near, "{expression} {name}: {value}, not {wanted}");
    }
}

#[test]
fn an_instant_selector_looks_back_five_minutes_and_stops_at_a_marker() {
    let storage =
        storage(&[("up{job=\"a\"}", "1 2"), ("up{job=\"b\"}", "1 stale"), ("up{job=\"c\"}", "7")]);
    holds(&storage, "up", 1, &[("up{job=\"a\"}", 2.0), ("up{job=\"c\"}", 7.0)]);
    holds(&storage, "up", 4, &[("up{job=\"a\"}", 2.0), ("up{job=\"c\"}", 7.0)]);
    // A sample exactly five minutes old is too old: the range is open to the left.
    holds(&storage, "up", 5, &[("up{job=\"a\"}", 2.0)]);
    holds(
        &storage,
        "up offset 1m",
        1,
        &[("up{job=\"a\"}", 1.0), ("up{job=\"b\"}", 1.0), ("up{job=\"c\"}", 7.0)],
    );
    holds(&storage, "up{job=~\"a|b\"}", 0, &[("up{job=\"a\"}", 1.0), ("up{job=\"b\"}", 1.0)]);
    holds(&storage, "up{job!~\"a|b\"}", 0, &[("up{job=\"c\"}", 7.0)]);
}

/// functions.go `extrapolatedRate`: to the borders of the range when a sample is within 1.1 steps, half a
/// step otherwise, and never to where the counter would be below zero.
#[test]
fn rates_extrapolate_as_in_prometheus() {
    let even = storage(&[("c", "0+60x20")]);
    // Five samples in (5m, 10m]: 360..600 in 240 s, a step of 60 s to the left border.
    holds(&even, "increase(c[5m])", 10, &[("{}", 300.0)]);
    holds(&even, "rate(c[5m])", 10, &[("{}", 1.0)]);
    // Samples at 0, 1m and 2m: the counter was 0 at the first, so nothing is added before it.
    holds(&even, "increase(c[5m])", 2, &[("{}", 120.0)]);
    // From 30 at the first sample one may go back half of a minute: 30 / 60 a minute.
    let late = storage(&[("c", "_ _ 30+60x3")]);
    holds(&late, "increase(c[10m])", 5, &[("{}", 180.0 * (180.0 + 30.0) / 180.0)]);
    // A reset adds what was there before.
    let reset = storage(&[("c", "100 160 220 30 90")]);
    holds(&reset, "resets(c[5m])", 4, &[("{}", 1.0)]);
    let rose = -10.0 + 220.0;
    holds(&reset, "increase(c[5m])", 4, &[("{}", rose * (240.0 + 60.0) / 240.0)]);
    holds(&reset, "irate(c[5m])", 3, &[("{}", 0.5)]);
    holds(&reset, "delta(c[5m])", 4, &[("{}", -10.0 * (240.0 + 60.0) / 240.0)]);
    // One sample is no rate.
    holds(&storage(&[("c", "5")]), "rate(c[5m])", 0, &[]);
}

#[test]
fn a_classic_histogram_has_linear_buckets() {
    let buckets = storage(&[
        ("h_bucket{le=\"0.1\"}", "10"),
        ("h_bucket{le=\"0.5\"}", "30"),
        ("h_bucket{le=\"1\"}", "40"),
        ("h_bucket{le=\"+Inf\"}", "50"),
    ]);
    // Rank 25 of 50 lies 15 of 20 into the bucket from 0.1 to 0.5.
    holds(&buckets, "histogram_quantile(0.5, h_bucket)", 0, &[("{}", 0.1 + 0.4 * 15.0 / 20.0)]);
    holds(&buckets, "histogram_quantile(0.1, h_bucket)", 0, &[("{}", 0.05)]);
    // Above the last bound nothing is known: that bound.
    holds(&buckets, "histogram_quantile(0.99, h_bucket)", 0, &[("{}", 1.0)]);
    holds(&buckets, "histogram_quantile(1.1, h_bucket)", 0, &[("{}", f64::INFINITY)]);
    let empty = storage(&[("h_bucket{le=\"1\"}", "0"), ("h_bucket{le=\"+Inf\"}", "0")]);
    holds(&empty, "histogram_quantile(0.9, h_bucket)", 0, &[("{}", f64::NAN)]);
    let open = storage(&[("h_bucket{le=\"1\"}", "4"), ("h_bucket{le=\"2\"}", "5")]);
    holds(&open, "histogram_quantile(0.9, h_bucket)", 0, &[("{}", f64::NAN)]);
}

fn requests() -> Storage {
    storage(&[
        ("r{pod=\"a\", code=\"200\"}", "8"),
        ("r{pod=\"a\", code=\"500\"}", "2"),
        ("r{pod=\"b\", code=\"200\"}", "5"),
        ("limit{pod=\"a\"}", "10"),
        ("limit{pod=\"b\"}", "20"),
    ])
}

#[test]
fn aggregations_group_by_labels_that_are_named_or_not() {
    let all = requests();
    holds(&all, "sum(r)", 0, &[("{}", 15.0)]);
    holds(&all, "sum by (pod) (r)", 0, &[("{pod=\"a\"}", 10.0), ("{pod=\"b\"}", 5.0)]);
    holds(&all, "max without (pod) (r)", 0, &[("{code=\"200\"}", 8.0), ("{code=\"500\"}", 2.0)]);
    holds(&all, "count(r > 4)", 0, &[("{}", 2.0)]);
    holds(&all, "avg(r)", 0, &[("{}", 5.0)]);
    holds(&all, "stdvar(r)", 0, &[("{}", 6.0)]);
    holds(&all, "topk(1, r)", 0, &[("r{code=\"200\", pod=\"a\"}", 8.0)]);
    holds(&all, "quantile(0.5, r)", 0, &[("{}", 5.0)]);
    holds(&all, "sum(nothing)", 0, &[]);
    holds(&all, "min(r) + 1", 0, &[("{}", 3.0)]);
}

#[test]
fn operators_meet_series_of_equal_labels() {
    let all = requests();
    // The same series on both sides: each is divided by itself.
    holds(&all, "r{code=\"500\"} / r", 0, &[("{code=\"500\", pod=\"a\"}", 1.0)]);
    holds(
        &all,
        "sum by (pod) (r) / on (pod) limit",
        0,
        &[("{pod=\"a\"}", 1.0), ("{pod=\"b\"}", 0.25)],
    );
    holds(&all, "r / on (pod) group_left limit > 0.5", 0, &[("{code=\"200\", pod=\"a\"}", 0.8)]);
    holds(&all, "limit / on (pod) group_right r == 5", 0, &[("{code=\"500\", pod=\"a\"}", 5.0)]);
    let refused = result(&all, "limit / on (pod) r", 0).expect_err("two series of pod a");
    assert!(
        refused.0.contains("found duplicate series for the match group {pod=\"a\"}"),
        "{refused}"
    );
    let refused = result(&all, "r / on (pod) limit", 0).expect_err("two of pod a on the left");
    assert!(refused.0.contains("many-to-one matching must be explicit"), "{refused}");
    // A comparison keeps the left side and its name; `bool` tells 0 or 1 and drops it.
    holds(&all, "limit > 15", 0, &[("limit{pod=\"b\"}", 20.0)]);
    holds(&all, "15 < limit", 0, &[("limit{pod=\"b\"}", 20.0)]);
    holds(&all, "limit > bool 15", 0, &[("{pod=\"a\"}", 0.0), ("{pod=\"b\"}", 1.0)]);
    holds(
        &all,
        "r{code=\"200\"} and on (pod) limit > 15",
        0,
        &[("r{code=\"200\", pod=\"b\"}", 5.0)],
    );
    holds(&all, "limit unless on (pod) r{code=\"500\"}", 0, &[("limit{pod=\"b\"}", 20.0)]);
    holds(
        &all,
        "r{code=\"500\"} or on (pod) limit",
        0,
        &[("limit{pod=\"b\"}", 20.0), ("r{code=\"500\", pod=\"a\"}", 2.0)],
    );
    holds(&all, "-limit % 6", 0, &[("{pod=\"a\"}", -4.0), ("{pod=\"b\"}", -2.0)]);
    holds(&all, "2 ^ 3 ^ 0", 0, &[("scalar", 2.0)]);
    holds(&all, "1 == bool 2", 0, &[("scalar", 0.0)]);
}

#[test]
fn functions_over_time_see_the_samples_of_the_range() {
    let one = storage(&[("g", "1 3 stale _ 2 8")]);
    for (function, value) in [
        ("avg", 13.0 / 3.0),
        ("sum", 13.0),
        ("min", 2.0),
        ("max", 8.0),
        ("count", 3.0),
        ("present", 1.0),
        ("stdvar", (16.0 + 49.0 + 121.0) / 9.0 * 9.0 / 27.0),
    ] {
        let expected = if function == "stdvar" {
            let mean: f64 = 13.0 / 3.0;
            ((3.0 - mean) * (3.0 - mean)
                + (2.0 - mean) * (2.0 - mean)
                + (8.0 - mean) * (8.0 - mean))
                / 3.0
        } else {
            value
        };
        holds(&one, &format!("{function}_over_time(g[5m])"), 5, &[("{}", expected)]);
    }
    holds(&one, "last_over_time(g[3m])", 3, &[("g", 3.0)]);
    holds(&one, "quantile_over_time(0.5, g[10m])", 5, &[("{}", 2.5)]);
    holds(&one, "changes(g[10m])", 5, &[("{}", 3.0)]);
    holds(&one, "max_over_time((g * 2)[5m:1m])", 5, &[("{}", 16.0)]);
    let line = storage(&[("g", "0+10x10")]);
    holds(&line, "deriv(g[5m])", 10, &[("{}", 10.0 / 60.0)]);
    holds(&line, "predict_linear(g[5m], 120)", 10, &[("{}", 120.0)]);
}

#[test]
fn absence_carries_the_labels_of_the_selector() {
    let one = storage(&[("up{job=\"a\"}", "1")]);
    holds(&one, "absent(up{job=\"b\", zone=~\"x|y\"})", 0, &[("{job=\"b\"}", 1.0)]);
    holds(&one, "absent(up)", 0, &[]);
    holds(&one, "absent_over_time(up[3m])", 7, &[("{}", 1.0)]);
    holds(&one, "clamp(up * 7, 2, 5)", 0, &[("{job=\"a\"}", 5.0)]);
    holds(&one, "clamp(up, 5, 2)", 0, &[]);
    holds(&one, "round(up * 2.5)", 0, &[("{job=\"a\"}", 3.0)]);
    holds(&one, "scalar(up) + time()", 1, &[("scalar", 61.0)]);
    holds(&one, "timestamp(up)", 1, &[("{job=\"a\"}", 0.0)]);
    holds(
        &one,
        "label_replace(up, \"x\", \"$1-y\", \"job\", \"(.*)\")",
        0,
        &[("up{job=\"a\", x=\"a-y\"}", 1.0)],
    );
    holds(&one, "vector(3)", 0, &[("{}", 3.0)]);
}

#[test]
fn what_is_not_computed_is_said_before() {
    let needs = |text: &str| Needs::of(&parse(text).expect("PromQL"));
    let found = needs("max_over_time(rate(a{x=\"1\"}[5m] offset 2m)[1h:]) > on () group_left b");
    assert_eq!(found.metrics.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(found.window_ms, (60 + 5 + 2) * 60_000);
    assert!(found.unsupported.is_empty(), "{found:?}");
    for (text, word) in [
        ("mad_over_time(a[5m])", "function mad_over_time"),
        ("{job=\"a\"}", "a selector that names no metric"),
    ] {
        assert!(needs(text).unsupported.contains(word), "{text}: {:?}", needs(text));
    }
    assert!(parse(&"(".repeat(200)).is_err());
}

#[test]
fn old_samples_are_forgotten_and_series_with_them() {
    let mut storage = storage(&[("a", "1 2 3"), ("b", "1")]);
    storage.forget_before(60_000);
    assert_eq!(storage.len(), 2);
    holds(&storage, "a or b", 2, &[("a", 3.0)]);
}

#[test]
fn a_pinned_instant_does_not_move_and_an_offset_comes_after_it() {
    let storage = storage(&[("n", "0+1x20")]);
    holds(&storage, "n @ 300", 12, &[("n", 5.0)]);
    holds(&storage, "n @ 300 offset 2m", 12, &[("n", 3.0)]);
    holds(&storage, "n offset 2m @ 300", 12, &[("n", 3.0)]);
    holds(&storage, "n @ start() - n @ end()", 12, &[("{}", 0.0)]);
    holds(&storage, "increase(n[4m] @ 600)", 15, &[("{}", 4.0)]);
    holds(&storage, "max_over_time(n[3m:1m] @ 420)", 15, &[("{}", 7.0)]);
    // Nobody has seen the future.
    holds(&storage, "n @ 3600", 12, &[]);
    // With a calendar, instants are those of the calendar.
    let value = result_since(&storage, "n @ 1700000300", 12, 1_700_000_000.0);
    let Ok(Value::Vector(samples)) = value else { panic!("a vector") };
    assert!((samples[0].value - 5.0).abs() < 1e-9);
    // Subqueries of subqueries multiply; a month by minutes is none too many.
    for (text, refused) in [
        ("max_over_time(rate(n[5m])[30d:1m])", false),
        ("max_over_time(n[300y:1ms])", true),
        ("-sum(max_over_time((1 + avg_over_time(n[1d:1m]))[1d:1m]))", true),
        ("max_over_time(n[1d:1m]) + max_over_time(m[1d:1m])", false),
    ] {
        let needs = Needs::of(&parse(text).expect("PromQL"));
        assert_eq!(!needs.unsupported.is_empty(), refused, "{text}");
    }
    assert_eq!(Needs::of(&parse("n @ 5").expect("PromQL")).calendar.len(), 1);
    assert!(Needs::of(&parse("n @ end()").expect("PromQL")).calendar.is_empty());
}

#[test]
fn the_hour_is_that_of_the_clock_and_values_are_counted() {
    let storage =
        storage(&[("v{pod=\"a\"}", "1x9"), ("v{pod=\"b\"}", "1x9"), ("v{pod=\"c\"}", "2x9")]);
    // 2026-11-23T07:00:00Z, a Monday.
    let at = |expression: &str| match result_since(&storage, expression, 5, 1_795_417_200.0) {
        Ok(Value::Vector(samples)) => samples.first().map(|sample| sample.value),
        Ok(Value::Scalar(_) | Value::Text(_)) | Err(_) => None,
    };
    for (expression, expected) in [
        ("hour()", 7.0),
        ("minute()", 5.0),
        ("day_of_week()", 1.0),
        ("day_of_month()", 23.0),
        ("month(vector(0))", 1.0),
        ("year(vector(time()))", 2026.0),
        ("days_in_month()", 30.0),
        ("hour() > bool 6", 1.0),
    ] {
        assert_eq!(at(expression), Some(expected), "{expression}");
    }
    holds(&storage, "count_values(\"n\", v)", 5, &[("{n=\"1\"}", 2.0), ("{n=\"2\"}", 1.0)]);
    holds(&storage, "rad(vector(180)) - pi()", 5, &[("{}", 0.0)]);
    holds(&storage, "cos(vector(0))", 5, &[("{}", 1.0)]);
}
