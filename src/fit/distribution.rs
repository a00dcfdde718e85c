//! The distribution of measured times: which family, with which parameters, and how well it fits.

use statrs::distribution::{ChiSquared, ContinuousCDF};
use statrs::function::gamma::{digamma, gamma_lr, ln_gamma};

use super::{Estimate, Refusal, mean, quantile, t_quantile};
use crate::engine::Dist;
use crate::engine::dist::DistError;
use crate::units::convert::f64_from_usize;

/// Below this coefficient of variation (quartiles over median, in units of sigma) a time counts as fixed.
const FIXED_BELOW: f64 = 0.05;
/// A family is taken when its distribution function is nowhere further off than this, or than what
/// chance alone does to a sample of that size (Lilliefors' constant for estimated parameters, 5 %).
const FAR: f64 = 0.05;
const LILLIEFORS: f64 = 0.895;
/// Values that an empirical distribution keeps.
const KEPT: usize = 101;

/// A family with its parameters (s).
#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    /// Always the same.
    Constant {
        /// The time.
        value: Estimate,
    },
    /// Its logarithm is normal.
    Lognormal {
        /// Median.
        median: Estimate,
        /// Standard deviation of the logarithm.
        sigma: Estimate,
    },
    /// Gamma.
    Gamma {
        /// Mean.
        mean: Estimate,
        /// Coefficient of variation, one over the root of the shape.
        cv: Estimate,
    },
    /// Weibull.
    Weibull {
        /// Scale.
        scale: Estimate,
        /// Shape.
        shape: Estimate,
    },
    /// Values as measured, thinned to evenly spaced quantiles.
    Empirical {
        /// The values, ascending.
        values: Vec<f64>,
    },
}

/// A candidate and how well it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The family.
    pub family: Family,
    /// Largest distance between its distribution function and the measured one (Kolmogorov-Smirnov).
    pub distance: f64,
    /// Akaike's information criterion; the smaller the better. `None` where there is no density.
    pub aic: Option<f64>,
}

/// Every candidate, and the one that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// How many values.
    pub count: usize,
    /// All candidates.
    pub candidates: Vec<Candidate>,
    /// Position of the one taken.
    pub taken: usize,
    /// The distance below which a family is good enough here.
    pub bound: f64,
}

impl Family {
    /// Its name in service profiles.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Lognormal { .. } => "lognormal",
            Self::Gamma { .. } => "gamma",
            Self::Weibull { .. } => "weibull",
            Self::Empirical { .. } => "empirical",
        }
    }

    /// As a distribution to sample from (s).
    ///
    /// # Errors
    ///
    /// When a parameter is none of that family.
    pub fn dist(&self) -> Result<Dist, DistError> {
        match self {
            Self::Constant { value } => Dist::constant(value.value),
            Self::Lognormal { median, sigma } => {
                Dist::lognormal_median_sigma(median.value, sigma.value)
            }
            Self::Gamma { mean, cv } => Dist::gamma(mean.value, cv.value),
            Self::Weibull { scale, shape } => Dist::weibull(scale.value, shape.value),
            Self::Empirical { values } => Dist::empirical(values.clone()),
        }
    }
}

impl Fitted {
    /// The family taken.
    #[must_use]
    pub fn family(&self) -> &Family {
        &self.candidates[self.taken].family
    }
}

/// Fits all families and takes one: a constant when the values hardly vary, else the family of least
/// AIC whose distance is small enough, else the values themselves.
///
/// # Errors
///
/// [`Refusal`] below 20 values, or when there are no positive ones.
pub fn fit(values: &[f64]) -> Result<Fitted, Refusal> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    if sorted.len() < 20 {
        return Err(Refusal::TooFew { what: "measured times", have: sorted.len(), need: 20 });
    }
    if sorted[0] <= 0.0 {
        return Err(Refusal::Impossible("a measured time is zero or negative".to_owned()));
    }
    let n = f64_from_usize(sorted.len());
    let bound = (LILLIEFORS / n.sqrt()).max(FAR);
    let mut candidates = Vec::new();
    let middle = quantile(&sorted, 0.5);
    let spread = (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / 1.349 / middle;
    if spread < FIXED_BELOW {
        let value = super::median_estimate(&sorted)?;
        candidates.push(Candidate {
            family: Family::Constant { value },
            distance: spread,
            aic: None,
        });
    }
    // Values that are all the same have no other family.
    if sorted[0] < sorted[sorted.len() - 1] {
        candidates
            .extend([lognormal(&sorted), gamma(&sorted), weibull(&sorted)].into_iter().flatten());
    }
    let family = Family::Empirical { values: thinned(&sorted) };
    candidates.push(Candidate { family, distance: 0.0, aic: None });
    let good = |candidate: &&(usize, &Candidate)| candidate.1.distance <= bound;
    let by_aic = |left: &(usize, &Candidate), right: &(usize, &Candidate)| {
        let of = |candidate: &Candidate| candidate.aic.unwrap_or(f64::INFINITY);
        of(left.1).total_cmp(&of(right.1))
    };
    let best = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.aic.is_some())
        .filter(|entry| good(&entry))
        .min_by(by_aic)
        .map(|(at, _)| at);
    let fixed = matches!(candidates[0].family, Family::Constant { .. }).then_some(0);
    let taken = fixed.or(best).unwrap_or(candidates.len() - 1);
    Ok(Fitted { count: sorted.len(), candidates, taken, bound })
}

/// Evenly spaced quantiles, so that each stands for the same share.
fn thinned(sorted: &[f64]) -> Vec<f64> {
    if sorted.len() <= KEPT {
        return sorted.to_vec();
    }
    let kept = f64_from_usize(KEPT);
    (0..KEPT).map(|at| quantile(sorted, (f64_from_usize(at) + 0.5) / kept)).collect()
}

/// Kolmogorov and Smirnov's distance to a distribution function.
fn distance(sorted: &[f64], cdf: impl Fn(f64) -> f64) -> f64 {
    let n = f64_from_usize(sorted.len());
    let gap = |(at, value): (usize, &f64)| {
        let (below, above) = (f64_from_usize(at) / n, f64_from_usize(at + 1) / n);
        let here = cdf(*value);
        (here - below).abs().max((above - here).abs())
    };
    sorted.iter().enumerate().map(gap).fold(0.0, f64::max)
}

fn logs(sorted: &[f64]) -> Vec<f64> {
    sorted.iter().map(|value| libm::log(*value)).collect()
}

/// Exact intervals: Student's t for the location, chi-squared for the spread.
fn lognormal(sorted: &[f64]) -> Option<Candidate> {
    let logs = logs(sorted);
    let (mu, n) = (mean(&logs), f64_from_usize(logs.len()));
    let squares: f64 = logs.iter().map(|log| (log - mu) * (log - mu)).sum();
    let sigma = (squares / (n - 1.0)).sqrt();
    let place = Estimate::around(mu, sigma / n.sqrt(), t_quantile(n - 1.0));
    let chi = ChiSquared::new(n - 1.0).ok()?;
    let spread = Estimate {
        value: sigma,
        low: (squares / chi.inverse_cdf(0.975)).sqrt(),
        high: (squares / chi.inverse_cdf(0.025)).sqrt(),
    };
    let likely = sigma * ((n - 1.0) / n).sqrt();
    let log_likelihood = -logs.iter().sum::<f64>()
        - n * (libm::log(likely) + 0.5 * libm::log(std::f64::consts::TAU) + 0.5);
    let root = std::f64::consts::SQRT_2;
    let cdf = |value: f64| 0.5 * libm::erfc((mu - libm::log(value)) / (sigma * root));
    let family = Family::Lognormal {
        median: Estimate {
            value: libm::exp(place.value),
            low: libm::exp(place.low),
            high: libm::exp(place.high),
        },
        sigma: spread,
    };
    Some(Candidate {
        family,
        distance: distance(sorted, cdf),
        aic: Some(4.0 - 2.0 * log_likelihood),
    })
}

/// The second derivative of the log of the gamma function, by recurrence and series.
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 8.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    sum + 1.0 / x + y / 2.0 + y / x * (1.0 / 6.0 - y * (1.0 / 30.0 - y * (1.0 / 42.0 - y / 30.0)))
}

/// Maximum likelihood by Newton's method on the shape (Minka, "Estimating a gamma distribution", 2002);
/// mean and shape have independent errors.
fn gamma(sorted: &[f64]) -> Option<Candidate> {
    let (average, logs) = (mean(sorted), logs(sorted));
    let n = f64_from_usize(sorted.len());
    let gap = libm::log(average) - mean(&logs);
    if gap <= 1e-12 {
        return None;
    }
    let mut shape = (3.0 - gap + ((gap - 3.0) * (gap - 3.0) + 24.0 * gap).sqrt()) / (12.0 * gap);
    for _ in 0..50 {
        let slope = 1.0 / shape - trigamma(shape);
        let step = (libm::log(shape) - digamma(shape) - gap) / slope;
        let next = (shape - step).max(shape / 4.0);
        let close = (next - shape).abs() <= 1e-12 * shape;
        shape = next;
        if close {
            break;
        }
    }
    let scale = average / shape;
    let log_likelihood = (shape - 1.0) * logs.iter().sum::<f64>()
        - n * (average / scale + shape * libm::log(scale) + ln_gamma(shape));
    let mean = Estimate::around(average, average / (shape * n).sqrt(), t_quantile(n - 1.0));
    // In logarithms the error of the shape is nearer to normal.
    let error = (1.0 / (n * (trigamma(shape) - 1.0 / shape))).sqrt() / shape;
    let cv = |factor: f64| 1.0 / (shape * libm::exp(factor * 1.96 * error)).sqrt();
    let cv = Estimate { value: cv(0.0), low: cv(1.0), high: cv(-1.0) };
    Some(Candidate {
        family: Family::Gamma { mean, cv },
        distance: distance(sorted, |value| gamma_lr(shape, value / scale)),
        aic: Some(4.0 - 2.0 * log_likelihood),
    })
}

/// Maximum likelihood by Newton's method on the shape; errors from Fisher's information.
fn weibull(sorted: &[f64]) -> Option<Candidate> {
    let logs = logs(sorted);
    let (n, average) = (f64_from_usize(sorted.len()), mean(&logs));
    let deviation =
        (logs.iter().map(|log| (log - average) * (log - average)).sum::<f64>() / n).sqrt();
    // The logarithm of a Weibull value has the standard deviation pi / (sqrt(6) shape).
    let mut shape = 1.2825 / deviation;
    // Powers are taken of values over the largest, which cannot overflow.
    let top = logs.last().copied()?;
    for _ in 0..100 {
        let weights: Vec<f64> = logs.iter().map(|log| libm::exp(shape * (log - top))).collect();
        let (a, b, c) =
            logs.iter().zip(&weights).fold((0.0, 0.0, 0.0), |(a, b, c), (log, weight)| {
                (a + weight, b + weight * log, c + weight * log * log)
            });
        let value = b / a - 1.0 / shape - average;
        let slope = c / a - (b / a) * (b / a) + 1.0 / (shape * shape);
        let next = (shape - value / slope).max(shape / 4.0);
        let close = (next - shape).abs() <= 1e-12 * shape;
        shape = next;
        if close {
            break;
        }
    }
    let powers: f64 = logs.iter().map(|log| libm::exp(shape * (log - top))).sum();
    let log_scale = top + libm::log(powers / n) / shape;
    let log_likelihood =
        n * (libm::log(shape) - shape * log_scale) + (shape - 1.0) * logs.iter().sum::<f64>() - n;
    let around = |value: f64, error: f64| Estimate {
        value,
        low: value * libm::exp(-1.96 * error),
        high: value * libm::exp(1.96 * error),
    };
    let scale = libm::exp(log_scale);
    let family = Family::Weibull {
        scale: around(scale, 1.053 / (shape * n.sqrt())),
        shape: around(shape, 0.7797 / n.sqrt()),
    };
    let cdf = |value: f64| -libm::expm1(-libm::exp(shape * (libm::log(value) - log_scale)));
    Some(Candidate {
        family,
        distance: distance(sorted, cdf),
        aic: Some(4.0 - 2.0 * log_likelihood),
    })
}
