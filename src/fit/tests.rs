//! Estimates on data whose truth is known: their intervals must cover it as often as they say.

use rand::RngExt;

use super::*;
use crate::engine::Dist;
use crate::engine::streams::{Stream, Streams};
use distribution::Family;

const TRIALS: usize = 200;
/// 95 % of 200 trials is 190; chance alone leaves 181 to 198 (99.7 %).
const COVERED: std::ops::RangeInclusive<usize> = 180..=199;

fn stream(name: &str, trial: usize) -> Stream {
    Streams::new(20_261_124, u64::try_from(trial).expect("few trials")).of(name)
}

/// How often each figure was covered, over all trials.
fn covered(name: &str, trial: impl Fn(&mut Stream) -> Vec<(Estimate, f64)>) -> Vec<usize> {
    let mut counts: Vec<usize> = Vec::new();
    for at in 0..TRIALS {
        let figures = trial(&mut stream(name, at));
        counts.resize(figures.len(), 0);
        for (count, (estimate, truth)) in counts.iter_mut().zip(figures) {
            *count += usize::from(estimate.covers(truth));
        }
    }
    counts
}

fn assert_covered(name: &str, counts: &[usize]) {
    for (figure, count) in counts.iter().enumerate() {
        assert!(
            COVERED.contains(count) || *count == TRIALS,
            "{name}: figure {figure} covered in {count} of {TRIALS} trials"
        );
    }
}

fn sample(dist: &Dist, count: usize, stream: &mut Stream) -> Vec<f64> {
    (0..count).map(|_| dist.sample(stream)).collect()
}

fn normal(stream: &mut Stream) -> f64 {
    // The sum of twelve uniforms is near enough to a normal for noise.
    (0..12).map(|_| stream.random::<f64>()).sum::<f64>() - 6.0
}

#[test]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test picks the family it is about")]
fn parameters_of_distributions_are_covered() {
    let lognormal = Dist::lognormal_median_sigma(0.02, 0.7).expect("valid");
    let gamma = Dist::gamma(0.05, 0.6).expect("valid");
    let weibull = Dist::weibull(0.03, 1.6).expect("valid");
    let of = |values: &[f64], name: &str| {
        let fitted = distribution::fit(values).expect("enough");
        fitted
            .candidates
            .into_iter()
            .find(|candidate| candidate.family.name() == name)
            .expect("every family is tried")
            .family
    };
    let counts =
        covered("lognormal", |stream| match of(&sample(&lognormal, 200, stream), "lognormal") {
            Family::Lognormal { median, sigma } => vec![(median, 0.02), (sigma, 0.7)],
            other => panic!("{other:?}"),
        });
    assert_covered("lognormal", &counts);
    let counts = covered("gamma", |stream| match of(&sample(&gamma, 200, stream), "gamma") {
        Family::Gamma { mean, cv } => vec![(mean, 0.05), (cv, 0.6)],
        other => panic!("{other:?}"),
    });
    assert_covered("gamma", &counts);
    let counts = covered("weibull", |stream| match of(&sample(&weibull, 200, stream), "weibull") {
        Family::Weibull { scale, shape } => vec![(scale, 0.03), (shape, 1.6)],
        other => panic!("{other:?}"),
    });
    assert_covered("weibull", &counts);
}

#[test]
fn the_true_family_is_taken_and_a_mixture_stays_empirical() {
    let rows = [
        ("constant", Dist::constant(0.11).expect("valid")),
        ("lognormal", Dist::lognormal_median_sigma(0.02, 1.0).expect("valid")),
        ("gamma", Dist::gamma(0.05, 0.5).expect("valid")),
        ("weibull", Dist::weibull(0.03, 3.0).expect("valid")),
    ];
    for (name, dist) in rows {
        let values = sample(&dist, 4_000, &mut stream(name, 0));
        let fitted = distribution::fit(&values).expect("enough");
        assert_eq!(fitted.family().name(), name, "{:?}", fitted.candidates);
    }
    let mut values = sample(&Dist::constant(0.01).expect("valid"), 500, &mut stream("mix", 0));
    values.extend(sample(&Dist::uniform(0.4, 0.5).expect("valid"), 500, &mut stream("mix", 1)));
    let fitted = distribution::fit(&values).expect("enough");
    assert_eq!(fitted.family().name(), "empirical");
    let mean = fitted.family().dist().expect("valid").mean();
    assert!((mean - 0.23).abs() < 0.005, "{mean}");
}

#[test]
fn slopes_and_intercept_are_covered_also_when_noise_has_a_memory() {
    for memory in [0.0, 0.5] {
        let counts = covered("line", |stream| {
            let first: Vec<f64> =
                (0..60).map(|at| f64::from(at) + stream.random::<f64>()).collect();
            let second: Vec<f64> = (0..60).map(|_| 20.0 * stream.random::<f64>()).collect();
            let mut noise = 0.0;
            let y: Vec<f64> = first
                .iter()
                .zip(&second)
                .map(|(first, second)| {
                    noise = memory * noise + normal(stream);
                    3.0 + 0.5 * first + 0.2 * second + noise
                })
                .collect();
            let names = ["first".to_owned(), "second".to_owned()];
            let line = line::fit(&[first, second], &y, &names).expect("enough");
            vec![(line.intercept, 3.0), (line.slopes[0], 0.5), (line.slopes[1], 0.2)]
        });
        // With a memory of one half the correction is an approximation: a little below 95 % is honest.
        let least = if memory > 0.0 { 170 } else { *COVERED.start() };
        assert!(counts.iter().all(|count| *count >= least), "memory {memory}: {counts:?}");
    }
}

#[test]
fn the_scalability_law_is_covered() {
    let truth = [120.0, 0.04, 0.000_4];
    let counts = covered("scalability", |stream| {
        let levels: Vec<(f64, f64)> =
            [1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 80.0, 96.0]
                .iter()
                .map(|n| {
                    let [gain, contention, coherence] = truth;
                    let x = gain * n / (1.0 + contention * (n - 1.0) + coherence * n * (n - 1.0));
                    (*n, x + 10.0 * normal(stream))
                })
                .collect();
        let fitted = scalability::fit(&levels).expect("enough");
        vec![(fitted.gain, truth[0]), (fitted.contention, truth[1]), (fitted.coherence, truth[2])]
    });
    assert_covered("scalability", &counts);
}

/// Ends of requests at so many servers, first come, first served.
fn station(
    servers: usize,
    rate: f64,
    service: &Dist,
    count: usize,
    stream: &mut Stream,
) -> Vec<(f64, f64)> {
    let between = Dist::exponential(1.0 / rate).expect("valid");
    let mut free = vec![0.0_f64; servers];
    let mut now = 0.0;
    (0..count)
        .map(|_| {
            now += between.sample(stream);
            free.sort_by(f64::total_cmp);
            let begin = free[0].max(now);
            free[0] = begin + service.sample(stream);
            (now, free[0])
        })
        .collect()
}

#[test]
fn servers_and_their_service_are_read_out_of_starts_and_ends() {
    for (servers, cv) in [(1, 0.0), (1, 0.5), (3, 0.0), (4, 0.5), (8, 0.3)] {
        let service = if cv > 0.0 { Dist::gamma(0.1, cv) } else { Dist::constant(0.1) };
        let service = service.expect("valid");
        let rate = 9.3 * f64_from_usize(servers);
        let requests = station(servers, rate, &service, 4_000, &mut stream("station", servers));
        let found = servers::servers(&requests).expect("enough");
        assert_eq!(found.count, Some(servers), "cv {cv}");
        let mean = mean(&found.services);
        assert!((mean - 0.1).abs() < 0.005, "{servers} servers, cv {cv}: {mean}");
    }
    let idle = station(8, 4.0, &Dist::constant(0.1).expect("valid"), 500, &mut stream("idle", 0));
    let found = servers::servers(&idle).expect("enough");
    assert_eq!(found.count, None, "nobody waited: the number cannot be told");
}

#[test]
fn data_that_cannot_tell_are_refused() {
    let few = distribution::fit(&[1.0; 5]).expect_err("five are too few");
    assert_eq!(few.to_string(), "5 measured times, needs at least 20");
    let names = ["the rate".to_owned()];
    let still = line::fit(&[vec![2.0; 30]], &[1.0; 30], &names).expect_err("nothing moves");
    assert_eq!(still.to_string(), "the rate hardly varies, so that nothing can be told from it");
    let rising: Vec<f64> = (0..30).map(f64::from).collect();
    let twice: Vec<f64> = rising.iter().map(|value| 2.0 * value).collect();
    let names = ["a".to_owned(), "b".to_owned()];
    let together =
        line::fit(&[rising.clone(), twice], &rising, &names).expect_err("one is the other");
    assert!(matches!(together, Refusal::Collinear(_)), "{together}");
    let levels = [(1.0, 10.0), (1.05, 10.0), (1.1, 11.0), (2.0, 20.0), (4.0, 40.0)];
    let few = scalability::fit(&levels).expect_err("three levels");
    assert_eq!(few.to_string(), "3 levels of load, needs at least 6");
    let noise: Vec<(f64, f64)> =
        (1..20).map(|n| (f64::from(n), if n % 2 == 0 { 10.0 } else { 30.0 })).collect();
    assert!(matches!(scalability::fit(&noise), Err(Refusal::Poor { .. })));
    let back = servers::servers(&[(1.0, 0.5); 30]).expect_err("time runs forwards");
    assert_eq!(back.to_string(), "a request ends before it starts");
}

#[test]
fn medians_are_covered() {
    let dist = Dist::lognormal_median_sigma(2.0, 1.0).expect("valid");
    let counts = covered("median", |stream| {
        vec![(median_estimate(&sample(&dist, 101, stream)).expect("enough"), 2.0)]
    });
    assert_covered("median", &counts);
}
