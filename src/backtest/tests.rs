//! Backtests of made-up days.

use super::series::day;
use super::*;
use crate::control::hpa::{MetricSpec, MetricTarget, ResourceName};

fn target(utilization: i32) -> HpaSpec {
    let target = MetricTarget::utilization(utilization);
    HpaSpec {
        min_replicas: Some(2),
        max_replicas: 20,
        metrics: vec![MetricSpec::Resource { name: ResourceName::Cpu, target }],
        behavior: None,
    }
}

fn policy(name: &str, utilization: i32) -> Policy {
    Policy {
        name: name.to_owned(),
        spec: target(utilization),
        config: HpaConfig::default(),
        ready_after_ns: 30_000_000_000,
    }
}

/// Two hours that rise from 1 to 6 cores and fall again; pods request half a core.
fn demand() -> series::Points {
    let minute = |at: i64| {
        let distance = f64_from_i64((at - 60).abs());
        (at * 60_000_000_000, 6.0 - 5.0 * distance / 60.0)
    };
    (0..=120).map(minute).collect()
}

fn requests() -> Vec<(String, Amounts)> {
    vec![("app".to_owned(), Amounts { cpu_milli: Some(500), memory_milli: None })]
}

#[test]
fn a_day_that_the_same_policy_made_is_reproduced() {
    let flat = vec![(0, 4.0), (7_200_000_000_000, 4.0)];
    let made = day("made", &flat, &demand(), &requests(), 15_000_000_000).expect("one time");
    let steps = replay(&made, &policy("made", 60));
    // What the policy made becomes the record; from it the policy makes the same again.
    let sizes: series::Points = steps
        .iter()
        .enumerate()
        .map(|(at, step)| {
            (i64::try_from(at).expect("small") * 15_000_000_000, f64::from(step.simulated))
        })
        .collect();
    let recorded = day("again", &sizes, &demand(), &requests(), 15_000_000_000).expect("one time");
    let again = errors(&replay(&recorded, &policy("again", 60)));
    assert!(again.mean_absolute < 0.05, "{again:?}");
    let peak = steps.iter().map(|step| step.simulated).max().expect("it has steps");
    // 6 cores at 60 % of 0.5 cores are 20 pods; 18 are within the tolerance of 10 %.
    assert!((18..=20).contains(&peak), "{peak} pods at the peak");
}

#[test]
fn another_policy_parts_from_the_record_and_says_where() {
    let flat = vec![(0, 4.0), (7_200_000_000_000, 4.0)];
    let made = day("made", &flat, &demand(), &requests(), 15_000_000_000).expect("one time");
    let low = replay(&made, &policy("low", 40));
    let high = replay(&made, &policy("high", 90));
    let (low_errors, high_errors) = (errors(&low), errors(&high));
    assert!(low_errors.simulated_pod_hours > high_errors.simulated_pod_hours);
    assert!(low_errors.most > 0 && low_errors.equal < low_errors.syncs);
    let text = told("made", &[("low".to_owned(), low), ("high".to_owned(), high)]);
    assert!(text.contains("low: parts from the record at"), "{text}");
    assert_eq!(errors(&[]), Errors::default());
}

#[test]
fn series_without_a_common_time_are_refused() {
    let early = vec![(0, 4.0), (10, 4.0)];
    let late = vec![(20, 1.0), (30, 1.0)];
    assert!(day("none", &early, &late, &requests(), 15).is_err());
    assert!(day("none", &Vec::new(), &late, &requests(), 15).is_err());
}
