//! Arrivals against closed formulas, k6's own figures and the statistics of a Poisson process.

use proptest::prelude::*;

use super::*;
use crate::engine::streams::Streams;
use crate::load::draft::{Diurnal, Level, LevelSource, LoadDraft, OpenVus, RateStage, Spike};
use crate::load::mix::Mix;
use crate::model::id::ClassId;
use crate::units::convert::{f64_from_u64, f64_from_usize};

const VUS: OpenVus = OpenVus { pre_allocated: 1, max: 1 };

fn secs(count: u64) -> SimDuration {
    SimDuration::from_secs(count)
}

fn load(spacing: Spacing, executor: Executor) -> LoadSpec {
    let mut draft = LoadDraft::new("load", Mix::only(ClassId(0)), executor);
    draft.spacing = spacing;
    LoadSpec::new(draft).unwrap()
}

fn constant(rate: Rate, duration: SimDuration) -> Executor {
    Executor::ConstantArrivalRate { rate, duration, vus: VUS }
}

fn ramping(unit: SimDuration, start: f64, stages: &[(u64, f64)]) -> Executor {
    let stages = stages
        .iter()
        .map(|(millis, target)| RateStage {
            duration: SimDuration::from_millis(*millis),
            target: Rate::new(*target, unit),
        })
        .collect();
    Executor::RampingArrivalRate { start_rate: Rate::new(start, unit), stages, vus: VUS }
}

fn arrivals_from(spec: &LoadSpec, seed: u64, measured_from: SimTime) -> Vec<SimTime> {
    let stream = Streams::new(seed, 0).of("arrivals/load");
    let mut arrivals = Arrivals::new(spec, measured_from, stream).unwrap();
    std::iter::from_fn(move || arrivals.next_arrival()).collect()
}

fn nanos(spec: &LoadSpec) -> Vec<u64> {
    arrivals_from(spec, 1, SimTime::ZERO).into_iter().map(SimTime::as_nanos).collect()
}

/// k6's `cal` for one instance, as `ramping_arrival_rate.go` states it, for comparison.
fn k6_formula(unit: SimDuration, start: f64, stages: &[(u64, f64)]) -> Vec<u64> {
    let unit = f64_from_u64(unit.as_nanos());
    let (mut from, mut done, mut end, mut begin, mut i) = (start / unit, 0.0, 0.0, 0_u64, 1.0);
    let mut times = Vec::new();
    for (millis, target) in stages {
        let (duration, to) = (millis * 1_000_000, target / unit);
        let d = f64_from_u64(duration);
        end += d * ((to - from) / 2.0 + from);
        while i <= end {
            let root = (d * (from * from * d + 2.0 * (i - done) * (to - from))).max(0.0).sqrt();
            let level = (to - from).abs() < f64::MIN_POSITIVE;
            let x = if level { (i - done) / to } else { (from * d - root) / (from - to) };
            times.push(begin + u64::try_from(trunc(x)).unwrap());
            i += 1.0;
        }
        (done, from, begin) = (end, to, begin + duration);
    }
    times
}

fn trunc(value: f64) -> i64 {
    crate::units::convert::trunc_i64(value)
}

#[test]
fn a_constant_rate_begins_at_once_and_keeps_its_period() {
    let spec = load(Spacing::Uniform, constant(Rate::per_second(3.0), secs(2)));
    let third = 333_333_333;
    let expected: Vec<u64> = (0..7).map(|i| i * third).collect();
    assert_eq!(nanos(&spec), expected, "the seventh period is 2 ns short of the end");
    // 20 in 950 ms for 1 s: k6's test of global iteration numbers counts 0 to 21.
    let spec =
        load(Spacing::Uniform, constant(Rate::new(20.0, SimDuration::from_millis(950)), secs(1)));
    assert_eq!(nanos(&spec).len(), 22);
    // What falls exactly on the end does not start.
    let spec = load(Spacing::Uniform, constant(Rate::per_second(10.0), secs(2)));
    assert_eq!(nanos(&spec).len(), 20);
}

/// The instants that k6's `TestRampingArrivalRateCal` expects, in milliseconds, to its tolerance
/// of a thousandth.
#[test]
fn ramps_meet_the_figures_of_k6() {
    let stages = [(5_000, 1.0), (1_000, 1.0), (5_000, 0.0)];
    let rows: [(SimDuration, &[u64]); 2] = [
        (secs(1), &[3_162, 4_472, 5_500, 6_527, 7_837, 11_000]),
        (
            SimDuration::from_nanos(333_333_333),
            &[
                1_825, 2_581, 3_162, 3_651, 4_082, 4_472, 4_830, 5_166, 5_499, 5_833, 6_169, 6_527,
                6_917, 7_348, 7_837, 8_418, 9_174, 10_999,
            ],
        ),
    ];
    for (unit, expected) in rows {
        let actual = nanos(&load(Spacing::Uniform, ramping(unit, 0.0, &stages)));
        assert_eq!(actual.len(), expected.len(), "{unit}");
        for (actual, millis) in actual.iter().zip(expected) {
            assert!(actual.abs_diff(millis * 1_000_000) <= millis * 1_000, "{actual} {millis} ms");
        }
    }
}

/// Nine stages (k6's `TestCompareCalImplementation`), one of them a jump: to the nanosecond.
#[test]
fn ramps_meet_the_formula_of_k6() {
    let targets = [200.0, 200.0, 2_000.0, 2_000.0, 300.0, 300.0, 1_333.0, 1_334.0, 1_334.0];
    let mut stages: Vec<(u64, f64)> = targets.iter().map(|target| (1_000, *target)).collect();
    stages.insert(4, (0, 50.0));
    let actual = nanos(&load(Spacing::Uniform, ramping(secs(1), 0.0, &stages)));
    let expected = k6_formula(secs(1), 0.0, &stages);
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(&expected) {
        assert!(actual.abs_diff(*expected) <= 1, "{actual} {expected}");
    }
}

#[test]
fn a_fraction_left_by_a_stage_counts_in_the_next() {
    // 2/s for 4.9 s is 9.8: the tenth falls 0.2/4 s = 50 ms into the next stage, at 4/s.
    let spec =
        load(Spacing::Uniform, ramping(secs(1), 2.0, &[(4_900, 2.0), (0, 4.0), (1_000, 4.0)]));
    let actual = nanos(&spec);
    assert_eq!(actual.len(), 13);
    assert!(actual[9].abs_diff(4_950_000_000) <= 1, "{}", actual[9]);
    assert!(actual[10].abs_diff(5_200_000_000) <= 1, "{}", actual[10]);
}

#[test]
fn a_ramp_from_zero_to_zero_has_no_arrival() {
    for spacing in [Spacing::Uniform, Spacing::Poisson] {
        assert!(nanos(&load(spacing, ramping(secs(1), 0.0, &[(5_000, 0.0)]))).is_empty());
    }
}

fn every_shape() -> Vec<(&'static str, Executor)> {
    let rate = Rate::per_second;
    let day = Diurnal {
        base: rate(2.0),
        peak: rate(20.0),
        peak_at: None,
        profile: None,
        clock: secs(8 * 3_600),
        duration: secs(5 * 3_600),
    };
    let spike = Spike {
        base: rate(10.0),
        peak: rate(200.0),
        at: secs(100),
        rise: secs(20),
        hold: secs(300),
        fall: secs(100),
        duration: secs(2_000),
    };
    vec![
        ("constant", constant(rate(50.0), secs(2_000))),
        ("ramping", ramping(secs(60), 0.0, &[(600_000, 9_000.0), (0, 600.0), (600_000, 0.0)])),
        ("diurnal", Executor::Diurnal(day)),
        ("spike", Executor::Spike(spike)),
    ]
}

/// The number of arrivals has mean and variance equal to the integral of the rate: checked for
/// the mean over replications, and by counts in slices of equal integral for the dispersion.
#[test]
fn poisson_arrivals_have_the_integral_as_mean_and_a_dispersion_of_one() {
    const SLICES: u32 = 400;
    const SEEDS: std::ops::Range<u64> = 100..104;
    println!("seeds {SEEDS:?}");
    for (name, executor) in every_shape() {
        let spec = load(Spacing::Poisson, executor);
        let shape = spec.shape().unwrap();
        let (mut counts, mut total) = (Vec::new(), 0);
        for seed in SEEDS {
            let arrivals = arrivals_from(&spec, seed, SimTime::ZERO);
            total += arrivals.len();
            for slice in 1..=SLICES {
                let share = |part: u32| shape.total() * f64::from(part) / f64::from(SLICES);
                let at = |area: f64| SimTime::ZERO + shape.inverse_integral(area).unwrap();
                let until = if slice == SLICES { SimTime::MAX } else { at(share(slice)) };
                let before = |bound: SimTime| arrivals.partition_point(|time| *time < bound);
                let from = if slice == 1 { SimTime::ZERO } else { at(share(slice - 1)) };
                counts.push(f64_from_usize(before(until) - before(from)));
            }
        }
        let expected = shape.total() * 4.0;
        let error = (f64_from_usize(total) - expected) / expected.sqrt();
        assert!(error.abs() < 4.0, "{name}: {total} arrivals, expected {expected}");
        let n = f64_from_usize(counts.len());
        let mean = counts.iter().sum::<f64>() / n;
        let variance = counts.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / (n - 1.0);
        let dispersion = variance / mean;
        // The index of dispersion of n Poisson counts has standard error √(2/(n − 1)).
        let margin = 4.0 * (2.0 / (n - 1.0)).sqrt();
        assert!((dispersion - 1.0).abs() < margin, "{name}: index of dispersion {dispersion}");
    }
}

/// At a constant rate the gaps are exponential: Kolmogorov-Smirnov at about one in ten thousand.
#[test]
fn gaps_of_a_constant_poisson_rate_are_exponential() {
    const SEED: u64 = 5;
    println!("seed {SEED}");
    let spec = load(Spacing::Poisson, constant(Rate::per_second(100.0), secs(1_000)));
    let times = arrivals_from(&spec, SEED, SimTime::ZERO);
    let mut gaps: Vec<f64> =
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    gaps.sort_by(f64::total_cmp);
    let n = f64_from_usize(gaps.len());
    let distance = gaps.iter().enumerate().fold(0.0_f64, |worst, (rank, gap)| {
        let probability = -libm::expm1(-100.0 * gap);
        worst.max((probability - f64_from_usize(rank) / n).abs())
    });
    assert!(distance < 2.2 / n.sqrt(), "distance {distance}");
}

#[test]
fn a_warm_up_runs_at_the_first_rate_and_leaves_the_measured_arrivals_alone() {
    let measured_from = SimTime::from_secs(10);
    let stages = [(5_000, 8.0)];
    let spec = load(Spacing::Uniform, ramping(secs(1), 4.0, &stages));
    let times = arrivals_from(&spec, 1, measured_from);
    let (warm, measured) = times.split_at(40);
    assert!(warm.iter().all(|time| *time <= measured_from));
    let shifted: Vec<u64> =
        measured.iter().map(|time| (*time - measured_from).as_nanos()).collect();
    assert_eq!(shifted, nanos(&spec));
    let spec = load(Spacing::Uniform, constant(Rate::per_second(4.0), secs(5)));
    assert_eq!(arrivals_from(&spec, 1, measured_from).len(), 40 + 20);
    // A load that begins later has no warm-up.
    let mut draft =
        LoadDraft::new("late", Mix::only(ClassId(0)), constant(Rate::per_second(4.0), secs(5)));
    draft.start_time = secs(3);
    let late = LoadSpec::new(draft).unwrap();
    let times = arrivals_from(&late, 1, measured_from);
    assert!(times.iter().all(|time| *time >= SimTime::from_secs(13)));
    for (at, rate) in [(2, 0.0), (3, 4.0), (7, 4.0), (8, 0.0)] {
        assert!((late.offered_rate(secs(at)).unwrap() - rate).abs() < 1e-9, "{at} s");
    }
}

#[test]
fn equal_streams_give_equal_arrivals() {
    let spec = load(Spacing::Poisson, every_shape().remove(3).1);
    assert_eq!(arrivals_from(&spec, 9, SimTime::ZERO), arrivals_from(&spec, 9, SimTime::ZERO));
    assert_ne!(arrivals_from(&spec, 9, SimTime::ZERO), arrivals_from(&spec, 10, SimTime::ZERO));
}

proptest! {
    /// For any stages: never backward, within the span, and as many uniform ones as whole
    /// iterations fit under the rate.
    #[test]
    fn arrivals_rise_within_the_span(
        start in 0_u32..50, stages in prop::collection::vec((0_u64..3_000, 0_u32..50), 1..8),
        seed in any::<u64>()
    ) {
        let stages: Vec<(u64, f64)> =
            stages.iter().map(|(millis, target)| (*millis, f64::from(*target))).collect();
        for spacing in [Spacing::Uniform, Spacing::Poisson] {
            let spec = load(spacing, ramping(secs(1), f64::from(start), &stages));
            let times = arrivals_from(&spec, seed, SimTime::ZERO);
            prop_assert!(times.is_sorted());
            prop_assert!(times.iter().all(|time| *time <= SimTime::ZERO + spec.ends_at()));
            if spacing == Spacing::Uniform {
                let whole = spec.shape().unwrap().total().floor();
                prop_assert!((f64_from_usize(times.len()) - whole).abs() < 0.5);
            }
        }
    }

    #[test]
    fn a_constant_rate_starts_an_iteration_in_every_period_begun(
        count in 1_u32..400, millis in 1_000_u64..5_000
    ) {
        let rate = Rate::per_second(f64::from(count));
        let duration = SimDuration::from_millis(millis);
        let times = nanos(&load(Spacing::Uniform, constant(rate, duration)));
        let periods = duration.as_nanos().div_ceil(rate.period().as_nanos());
        prop_assert_eq!(u64::try_from(times.len()).unwrap(), periods);
    }
}

#[test]
fn bursts_have_the_index_of_dispersion_that_was_asked_for() {
    const SEED: u64 = 17;
    const WINDOWS: usize = 2_000;
    println!("seed {SEED}");
    for (index, swing) in [(5.0, 0.8), (13.0, 1.0), (2.0, 0.3)] {
        let executor = Executor::Step {
            levels: vec![Level {
                // A window is a hundred stays and more: long enough for the limit.
                duration: SimDuration::from_secs(200 * 2_000),
                rate: Rate::per_second(10.0),
            }],
            source: LevelSource::Written,
        };
        let mut draft = LoadDraft::new("bursty", Mix::only(ClassId(0)), executor);
        draft.spacing = Spacing::Bursty(Bursts { index_of_dispersion: index, swing });
        let spec = LoadSpec::new(draft).unwrap();
        let stream = Streams::new(SEED, 0).of("arrivals/bursty");
        let mut arrivals = Arrivals::new(&spec, SimTime::ZERO, stream).unwrap();
        let mut counts = vec![0.0; WINDOWS];
        while let Some(at) = arrivals.next_arrival() {
            let window = usize::try_from(at.as_nanos() / 200_000_000_000).unwrap();
            counts[window.min(WINDOWS - 1)] += 1.0;
        }
        let windows = f64::from(u32::try_from(WINDOWS).unwrap());
        let mean = counts.iter().sum::<f64>() / windows;
        let variance =
            counts.iter().map(|count| (count - mean) * (count - mean)).sum::<f64>() / windows;
        // The mean of a window is known to its spread; the variance to a share of sqrt(2 / windows).
        assert!((mean / 2_000.0 - 1.0).abs() < 5.0 * (index / 2_000.0 / windows).sqrt(), "{mean}");
        let found = variance / mean;
        assert!((found / index - 1.0).abs() < 0.16, "{found}, asked for {index}");
    }
}
