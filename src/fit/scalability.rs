//! The Universal Scalability Law: throughput over the number of requests in progress.
//!
//! `X(N) = g N / (1 + a (N - 1) + b N (N - 1))` (Gunther, "Guerrilla Capacity Planning", 2007): `g` is the
//! throughput of one request alone, `a` the share that waits for the others, `b` what keeping each other
//! informed costs. With `b` above zero throughput has a peak and falls behind it.

use super::line::inverse;
use super::{Estimate, Refusal, mean, t_quantile};
use crate::units::convert::f64_from_usize;

/// Levels that are different enough: a level counts when it is 15 % above the one before.
const APART: f64 = 1.15;
const LEVELS_LEAST: usize = 6;
/// How far behind its peak a curve must have been seen before the peak counts as measured.
const BEYOND_PEAK: f64 = 1.2;

/// A fitted law.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalability {
    /// Throughput of one request alone (1/s).
    pub gain: Estimate,
    /// Contention.
    pub contention: Estimate,
    /// Coherence.
    pub coherence: Estimate,
    /// R2.
    pub r_squared: f64,
    /// Where throughput peaks, when it does (requests in progress) and how much it is there (1/s);
    /// without coherence the limit that it approaches.
    pub peak: Peak,
    /// The levels it was fitted to.
    pub levels: usize,
}

/// The top of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// At how many requests in progress; `None` when throughput only approaches a limit or has none.
    pub at: Option<f64>,
    /// Throughput there (1/s); infinite without contention.
    pub throughput: f64,
    /// Whether the data go far enough beyond it (a fifth) or near enough to its limit (80 %).
    pub seen: bool,
}

/// Fits the law to levels of (requests in progress, throughput).
///
/// # Errors
///
/// [`Refusal`] below six levels that are 15 % apart, or when the law explains less than 90 %.
pub fn fit(levels: &[(f64, f64)]) -> Result<Scalability, Refusal> {
    let mut levels: Vec<(f64, f64)> = levels
        .iter()
        .copied()
        .filter(|(n, x)| n.is_finite() && x.is_finite() && *n > 0.0 && *x > 0.0)
        .collect();
    levels.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut apart = 0;
    let mut last = 0.0;
    for (n, _) in &levels {
        if *n >= last * APART {
            apart += 1;
            last = *n;
        }
    }
    if apart < LEVELS_LEAST {
        return Err(Refusal::TooFew { what: "levels of load", have: apart, need: LEVELS_LEAST });
    }
    // All three, then without what came out negative.
    let mut free = [true, true, true];
    let (parameters, covariance) = loop {
        let (parameters, covariance) = descend(&levels, free);
        match (1..3).find(|at| free[*at] && parameters[*at] < 0.0) {
            Some(at) => free[at] = false,
            None => break (parameters, covariance),
        }
    };
    judged(&levels, parameters, &covariance, free)
}

fn judged(
    levels: &[(f64, f64)],
    parameters: [f64; 3],
    covariance: &[Vec<f64>],
    free: [bool; 3],
) -> Result<Scalability, Refusal> {
    let average = mean(&levels.iter().map(|level| level.1).collect::<Vec<_>>());
    let missed = |(n, x): &(f64, f64)| x - throughput(parameters, *n);
    let unexplained: f64 = levels.iter().map(|level| missed(level) * missed(level)).sum();
    let total: f64 = levels.iter().map(|(_, x)| (x - average) * (x - average)).sum();
    let r_squared = if total > 0.0 { 1.0 - unexplained / total } else { 0.0 };
    if r_squared < 0.9 {
        return Err(Refusal::Poor {
            model: "scalability law",
            percent: 100.0 * r_squared.max(0.0),
        });
    }
    let used = free.iter().filter(|free| **free).count();
    let degrees = f64_from_usize(levels.len()) - f64_from_usize(used);
    let variance = unexplained / degrees.max(1.0);
    let quantile = t_quantile(degrees);
    let mut row = 0;
    let estimates: Vec<Estimate> = (0..3)
        .map(|at| {
            if !free[at] {
                return Estimate { value: 0.0, low: 0.0, high: 0.0 };
            }
            let error = (variance * covariance[row][row]).max(0.0).sqrt();
            row += 1;
            let around = Estimate::around(parameters[at], error, quantile);
            Estimate { low: around.low.max(0.0), ..around }
        })
        .collect();
    let most = levels.last().map_or(0.0, |level| level.0);
    Ok(Scalability {
        gain: estimates[0],
        contention: estimates[1],
        coherence: estimates[2],
        r_squared,
        peak: peak(parameters, most),
        levels: levels.len(),
    })
}

impl Scalability {
    /// Throughput at so many requests in progress (1/s).
    #[must_use]
    pub fn at(&self, in_progress: f64) -> f64 {
        throughput([self.gain.value, self.contention.value, self.coherence.value], in_progress)
    }
}

fn throughput([gain, contention, coherence]: [f64; 3], n: f64) -> f64 {
    gain * n / (1.0 + contention * (n - 1.0) + coherence * n * (n - 1.0))
}

fn peak(parameters: [f64; 3], most: f64) -> Peak {
    let [gain, contention, coherence] = parameters;
    if coherence > 0.0 && contention < 1.0 {
        let at = ((1.0 - contention) / coherence).sqrt();
        let seen = most >= BEYOND_PEAK * at;
        return Peak { at: Some(at), throughput: throughput(parameters, at), seen };
    }
    if contention <= 0.0 {
        return Peak { at: None, throughput: f64::INFINITY, seen: false };
    }
    let limit = gain / contention;
    Peak { at: None, throughput: limit, seen: throughput(parameters, most) >= 0.8 * limit }
}

/// Levenberg and Marquardt's descent from a start at the linear form of the law; the covariance is over
/// the free parameters, for a variance of one.
fn descend(levels: &[(f64, f64)], free: [bool; 3]) -> ([f64; 3], Vec<Vec<f64>>) {
    let best = levels.iter().map(|(n, x)| x / n).fold(0.0, f64::max);
    let most = levels.iter().map(|(_, x)| *x).fold(0.0, f64::max);
    let keep = |at: usize, value: f64| if free[at] { value } else { 0.0 };
    let mut parameters = [best, keep(1, (best / most).min(1.0)), keep(2, 1e-4)];
    let which: Vec<usize> = (0..3).filter(|at| free[*at]).collect();
    let cost = |parameters: [f64; 3]| -> f64 {
        levels
            .iter()
            .map(|(n, x)| (x - throughput(parameters, *n)) * (x - throughput(parameters, *n)))
            .sum()
    };
    let (mut damping, mut here) = (1e-3, cost(parameters));
    for _ in 0..500 {
        let (matrix, right) = normal_equations(levels, parameters, &which);
        let mut damped = matrix.clone();
        for (at, line) in damped.iter_mut().enumerate() {
            line[at] *= 1.0 + damping;
        }
        let Some(inverse) = inverse(&damped) else { break };
        let mut next = parameters;
        for (row, at) in which.iter().enumerate() {
            next[*at] += inverse[row].iter().zip(&right).map(|(a, b)| a * b).sum::<f64>();
        }
        let there = cost(next);
        if there < here {
            let close = (here - there) <= 1e-14 * here;
            (parameters, here, damping) = (next, there, (damping / 5.0).max(1e-12));
            if close {
                break;
            }
        } else {
            damping *= 4.0;
            if damping > 1e12 {
                break;
            }
        }
    }
    let (matrix, _) = normal_equations(levels, parameters, &which);
    let covariance =
        inverse(&matrix).unwrap_or_else(|| vec![vec![f64::INFINITY; which.len()]; which.len()]);
    (parameters, covariance)
}

/// `J'J` and `J'r` over the free parameters.
fn normal_equations(
    levels: &[(f64, f64)],
    parameters: [f64; 3],
    which: &[usize],
) -> (Vec<Vec<f64>>, Vec<f64>) {
    let [gain, contention, coherence] = parameters;
    let mut matrix = vec![vec![0.0; which.len()]; which.len()];
    let mut right = vec![0.0; which.len()];
    for (n, x) in levels {
        let below = 1.0 + contention * (n - 1.0) + coherence * n * (n - 1.0);
        let slope = -gain * n / (below * below);
        let gradient = [n / below, slope * (n - 1.0), slope * n * (n - 1.0)];
        let missed = x - gain * n / below;
        for (i, at) in which.iter().enumerate() {
            right[i] += gradient[*at] * missed;
            for (j, other) in which.iter().enumerate() {
                matrix[i][j] += gradient[*at] * gradient[*other];
            }
        }
    }
    (matrix, right)
}
