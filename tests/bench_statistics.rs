//! What benches promise: false alarms stay within their level, a known difference is found, and
//! intervals cover the truth as often as they say. Seeds are fixed and printed on failure.

use aurelius_sim::sweep::bench::{Bench, COMPARED, Pair};
use aurelius_sim::sweep::paired::Verdict;
use aurelius_sim::sweep::{Figures, MeanInterval, Measure};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

const SEED: u64 = 20_261_124;

/// A standard normal number (Box and Muller).
fn normal(luck: &mut Pcg64Mcg) -> f64 {
    let uniform = |luck: &mut Pcg64Mcg| {
        let bits = luck.next_u64() >> 11;
        (f64::from(u32::try_from(bits >> 32).expect("21 bits")) * 4_294_967_296.0
            + f64::from(u32::try_from(bits & 0xffff_ffff).expect("32 bits"))
            + 0.5)
            / 9_007_199_254_740_992.0
    };
    let (one, other) = (uniform(luck), uniform(luck));
    libm::sqrt(-2.0 * libm::log(one)) * libm::cos(std::f64::consts::TAU * other)
}

/// A bench of so many policies, scenarios and seeds. Figures are lognormal, those of one seed and
/// scenario share most of their luck; `factor` is what the last policy multiplies them by.
fn synthetic(
    luck: &mut Pcg64Mcg,
    (policies, scenarios, seeds): (usize, usize, usize),
    factor: f64,
) -> Bench {
    let mut pairs: Vec<Vec<Pair>> = vec![Vec::new(); policies];
    for scenario in 0..scenarios {
        let mut runs: Vec<Vec<Figures>> = vec![Vec::new(); policies];
        let level = libm::exp(f64::from(u32::try_from(scenario).expect("few")));
        for replication in 0..seeds {
            let common: Vec<f64> = COMPARED.iter().map(|_| normal(luck)).collect();
            for (policy, of_policy) in runs.iter_mut().enumerate() {
                let factor = if policy + 1 == policies { factor } else { 1.0 };
                let mut values = vec![None; Measure::ALL.len()];
                for (measure, common) in COMPARED.iter().zip(&common) {
                    let own = 0.5 * common + 0.1 * normal(luck);
                    let at = Measure::ALL.iter().position(|it| it == measure).expect("listed");
                    values[at] = Some(level * factor * libm::exp(own));
                }
                let replication = u64::try_from(replication).expect("few");
                of_policy.push(Figures { replication, met: 1, thresholds: 1, holds: true, values });
            }
        }
        for (of_policy, runs) in pairs.iter_mut().zip(runs) {
            of_policy.push(Pair::Ran(runs));
        }
    }
    let names = |count: usize| (0..count).map(|it| it.to_string()).collect();
    Bench {
        scenarios: names(scenarios),
        policies: names(policies),
        pairs,
        currency: "USD".to_owned(),
    }
}

fn told(bench: &Bench, policy: usize) -> Vec<Verdict> {
    let standing = bench.standings().swap_remove(policy);
    standing.differences.iter().flatten().map(|difference| difference.verdict).collect()
}

#[test]
fn equal_policies_are_told_apart_in_at_most_a_twentieth_of_benches() {
    let mut luck = Pcg64Mcg::seed_from_u64(SEED);
    let benches = 1_000_u32;
    let mut alarms = 0_u32;
    for _ in 0..benches {
        let bench = synthetic(&mut luck, (4, 3, 10), 1.0);
        let any =
            (1..4).any(|policy| told(&bench, policy).iter().any(|it| *it != Verdict::NoChange));
        alarms += u32::from(any);
    }
    // 0.05 and 1.96 standard errors of a share of 1,000.
    let most = f64::from(benches) * 0.05 + 1.96 * libm::sqrt(f64::from(benches) * 0.05 * 0.95);
    assert!(f64::from(alarms) <= most, "{alarms} false alarms of {benches} (seed {SEED})");
}

/// The documented power: a difference of 5 % with a spread of pairs of 14 % (0.1 x sqrt 2), over three
/// scenarios of 40 seeds, among 24 comparisons. Its standard error is 0.14 / sqrt(120) = 1.3 %, so that
/// it lies 3.8 errors from zero; Holm asks for 3.2 at first, and all eight measures differ.
#[test]
fn a_difference_of_five_percent_is_found_as_often_as_promised() {
    let mut luck = Pcg64Mcg::seed_from_u64(SEED);
    let benches = 200_u32;
    let (mut found, mut wrong) = (0_u32, 0_u32);
    for _ in 0..benches {
        let verdicts = told(&synthetic(&mut luck, (4, 3, 40), 1.05), 3);
        found += u32::from(verdicts.contains(&Verdict::Worse));
        wrong += u32::from(verdicts.contains(&Verdict::Better));
    }
    assert!(found >= benches * 9 / 10, "found in {found} of {benches} (seed {SEED})");
    assert_eq!(wrong, 0, "a difference is never told in the wrong direction");
}

/// Mean number in an M/M/c system by Erlang's formula.
fn erlang_c_wait(servers: u32, rate: f64, service: f64) -> f64 {
    let offered = rate * service;
    let c = f64::from(servers);
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..servers {
        term *= offered / f64::from(k);
        sum += term;
    }
    let last = term * offered / c * c / (c - offered);
    let waits = last / (sum + last);
    waits * service / (c - offered)
}

/// Mean wait of customers of an M/M/2 queue, by the recursion of Kiefer and Wolfowitz.
fn mean_wait(luck: &mut Pcg64Mcg, customers: u32, rate: f64, service: f64) -> f64 {
    let exponential = |luck: &mut Pcg64Mcg, mean: f64| {
        let share = f64::from(luck.next_u32()) / 4_294_967_296.0;
        -mean * libm::log(1.0 - share)
    };
    let warm_up = 500;
    let mut work = [0.0_f64; 2];
    let mut sum = 0.0;
    for customer in 0..customers + warm_up {
        let gap = exponential(luck, 1.0 / rate);
        work = work.map(|left| (left - gap).max(0.0));
        let first = usize::from(work[1] < work[0]);
        if customer >= warm_up {
            sum += work[first];
        }
        work[first] += exponential(luck, service);
    }
    sum / f64::from(customers)
}

/// Ten runs of five thousand customers at half load: means of runs are then about normal. Of shorter runs
/// at higher load they are skewed and the interval covers less: 92.4 % with two thousand at 60 %.
#[test]
fn intervals_cover_the_true_mean_of_an_mmc_queue() {
    let (servers, rate, service) = (2, 1.0, 1.0);
    let truth = erlang_c_wait(servers, rate, service);
    let mut luck = Pcg64Mcg::seed_from_u64(SEED);
    let repetitions = 1_000_u32;
    let mut covered = 0_u32;
    for _ in 0..repetitions {
        let runs: Vec<f64> = (0..10).map(|_| mean_wait(&mut luck, 5_000, rate, service)).collect();
        let interval = MeanInterval::of(&runs).expect("there are runs");
        covered += u32::from(interval.low() <= truth && truth <= interval.high());
    }
    let share = f64::from(covered) / f64::from(repetitions);
    assert!((share - 0.95).abs() <= 0.015, "covered in {share} of {repetitions} (seed {SEED})");
}
