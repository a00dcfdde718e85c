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
    let again = compared("again", &[("again".to_owned(), replay(&recorded, &policy("again", 60)))]);
    let off = again.outcomes[0].courses[0].errors().expect("it has syncs");
    assert!(off.mean_absolute < 0.05, "{off:?}");
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
    let found = compared("made", &[("low".to_owned(), low), ("high".to_owned(), high)]);
    let hours = |at: usize| found.outcomes[at].totals[0].simulated.expect("sizes are known");
    assert!(hours(0) > hours(1), "{} {}", hours(0), hours(1));
    let first = &found.outcomes[0].divergences[0];
    assert_eq!(first.recorded, (4, 4));
    assert_ne!(first.simulated.1, 4);
    assert!(first.ours.is_some() && first.cause.contains("the record stays"), "{}", first.cause);
    // Another policy is held against the decision that made the record, where it is known.
    let recorded: series::Points = (0_i64..)
        .zip(&found.outcomes[0].courses[0].simulated)
        .map(|(at, size)| (at * 15_000_000_000, size.expect("sizes are known")))
        .collect();
    let closed =
        day("closed", &recorded, &demand(), &requests(), 15_000_000_000).expect("one time");
    let results = ["low", "high"].map(|name| {
        let utilization = if name == "low" { 40 } else { 90 };
        (name.to_owned(), replay(&closed, &policy(name, utilization)))
    });
    let found = compared("closed", &results);
    assert!(found.outcomes[0].divergences.is_empty(), "{:?}", found.outcomes[0].divergences);
    let told = &found.outcomes[1].divergences[0].cause;
    assert!(
        told.contains("of 90%") && told.contains("in the record cpu") && told.contains("of 40%"),
        "{told}"
    );
}

#[test]
fn a_doctored_size_is_found_with_its_moment_and_heals() {
    let flat = vec![(0, 8.0), (3_600_000_000_000, 8.0)];
    let steady = vec![(0, 2.4), (3_600_000_000_000, 2.4)];
    // A hand takes two pods away for three minutes.
    let mut sizes = flat.clone();
    sizes.splice(1..1, [(600_000_000_000, 6.0), (780_000_000_000, 8.0)]);
    let doctored = day("doctored", &sizes, &steady, &requests(), 15_000_000_000).expect("one time");
    let mut spec = target(60);
    spec.min_replicas = Some(8);
    let policy = Policy { spec, ..policy("as it was", 60) };
    let found = compared("doctored", &[("as it was".to_owned(), replay(&doctored, &policy))]);
    let [it] = found.outcomes[0].divergences.as_slice() else {
        panic!("{:?}", found.outcomes[0].divergences)
    };
    assert_eq!((it.recorded, it.simulated), ((8, 6), (8, 8)));
    assert!((it.at_s - 600.0).abs() < 1e-9 && (it.until_s - 780.0).abs() < 1e-9, "{it:?}");
    assert!(it.cause.contains("no rule of this HPA makes 6"), "{}", it.cause);
}

#[test]
fn errors_and_hours_leave_gaps_out() {
    let course = Course {
        what: "replicas".to_owned(),
        unit: "pods",
        steps: true,
        times_s: vec![0.0, 3_600.0, 7_200.0, 10_800.0],
        recorded: vec![Some(2.0), None, Some(4.0), Some(4.0)],
        simulated: vec![Some(2.0), Some(9.0), Some(5.0), Some(2.0)],
    };
    let errors = course.errors().expect("three instants");
    assert_eq!((errors.instants, errors.equal), (3, 1));
    assert!((errors.mean_absolute - 1.0).abs() < 1e-12);
    assert!((errors.bias + 1.0 / 3.0).abs() < 1e-12);
    assert!((errors.most - 2.0).abs() < 1e-12 && (errors.p95 - 2.0).abs() < 1e-12);
    let (recorded, simulated) = course.hours();
    assert!((recorded - 6.0).abs() < 1e-12 && (simulated - 7.0).abs() < 1e-12);
    let empty = Course { recorded: vec![None; 4], ..course };
    assert_eq!(empty.errors(), None);
}

#[test]
fn series_without_a_common_time_are_refused() {
    let early = vec![(0, 4.0), (10, 4.0)];
    let late = vec![(20, 1.0), (30, 1.0)];
    assert!(day("none", &early, &late, &requests(), 15).is_err());
    assert!(day("none", &Vec::new(), &late, &requests(), 15).is_err());
}
