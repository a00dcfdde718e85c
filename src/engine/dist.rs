//! Distributions of non-negative amounts, by the parameters people know: mean and CV, median and sigma.
//!
//! Sampling is `rand_distr`'s; this file turns parameters into its terms, and knows the exact mean
//! and coefficient of variation of what it samples, for formulas and for tests.

use rand::RngExt;
use rand_distr::{Distribution, Exp1, Gamma, Normal, Pareto, StandardNormal, Weibull};
use statrs::distribution::{Continuous, ContinuousCDF};

use crate::engine::streams::Stream;
use crate::units::convert::{f64_from_i64, f64_from_usize, round_i64, trunc_i64};
use crate::units::time::SimDuration;

/// A distribution of non-negative amounts, mostly seconds; made by a constructor that checks its
/// parameters, so that sampling cannot fail.
#[derive(Debug, Clone, PartialEq)]
pub struct Dist {
    shape: Shape,
    /// Added to every draw.
    shift: f64,
    /// No draw is larger; infinite when there is no limit.
    limit: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Constant(f64),
    Uniform { min: f64, max: f64 },
    Exponential { mean: f64 },
    Normal { mean: f64, sd: f64, sampler: Normal<f64> },
    LogNormal { mu: f64, sigma: f64 },
    Gamma { mean: f64, cv: f64, sampler: Gamma<f64> },
    Weibull { scale: f64, shape: f64, sampler: Weibull<f64> },
    Pareto { min: f64, alpha: f64, sampler: Pareto<f64> },
    Empirical(Vec<f64>),
}

/// Why a distribution cannot be made of the given parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DistError {
    /// A parameter is negative, infinite or not a number.
    #[error("{0} must be a finite number, zero or more")]
    NotFinite(&'static str),
    /// A parameter that must be above zero is not.
    #[error("{0} must be above zero")]
    NotPositive(&'static str),
    /// The bounds are the wrong way round.
    #[error("min is above max")]
    MinAboveMax,
    /// There is nothing to draw from.
    #[error("an empirical distribution needs at least one value")]
    Empty,
}

fn finite(name: &'static str, value: f64) -> Result<f64, DistError> {
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err(DistError::NotFinite(name)) }
}

fn positive(name: &'static str, value: f64) -> Result<f64, DistError> {
    if finite(name, value)? > 0.0 { Ok(value) } else { Err(DistError::NotPositive(name)) }
}

impl Dist {
    fn of(shape: Shape) -> Self {
        Self { shape, shift: 0.0, limit: f64::INFINITY }
    }

    /// Always `value`.
    ///
    /// # Errors
    /// When `value` is negative or not finite.
    pub fn constant(value: f64) -> Result<Self, DistError> {
        Ok(Self::of(Shape::Constant(finite("value", value)?)))
    }

    /// Always this span.
    #[must_use]
    pub fn fixed(span: SimDuration) -> Self {
        Self::of(Shape::Constant(span.as_secs_f64()))
    }

    /// Any value between `min` and `max` alike.
    ///
    /// # Errors
    /// When a bound is negative or not finite, or `min` is above `max`.
    pub fn uniform(min: f64, max: f64) -> Result<Self, DistError> {
        let (min, max) = (finite("min", min)?, finite("max", max)?);
        if min > max {
            Err(DistError::MinAboveMax)
        } else {
            Ok(Self::of(Shape::Uniform { min, max }))
        }
    }

    /// Without memory: CV 1.
    ///
    /// # Errors
    /// When `mean` is negative or not finite.
    pub fn exponential(mean: f64) -> Result<Self, DistError> {
        Ok(Self::of(Shape::Exponential { mean: finite("mean", mean)? }))
    }

    /// Normal, cut at zero: a negative draw is drawn again.
    ///
    /// # Errors
    /// When a parameter is negative or not finite.
    pub fn normal(mean: f64, sd: f64) -> Result<Self, DistError> {
        let (mean, sd) = (finite("mean", mean)?, finite("sd", sd)?);
        let sampler = Normal::new(mean, sd).map_err(|_| DistError::NotFinite("sd"))?;
        Ok(Self::of(Shape::Normal { mean, sd, sampler }))
    }

    /// Lognormal with the given mean and coefficient of variation: sigma² = ln(1 + cv²),
    /// mu = ln(mean) − sigma²/2.
    ///
    /// # Errors
    /// When `mean` is not above zero or `cv` is negative or not finite.
    pub fn lognormal_mean_cv(mean: f64, cv: f64) -> Result<Self, DistError> {
        let (mean, cv) = (positive("mean", mean)?, finite("cv", cv)?);
        let variance = libm::log1p(cv * cv);
        let mu = libm::log(mean) - variance / 2.0;
        Ok(Self::of(Shape::LogNormal { mu, sigma: libm::sqrt(variance) }))
    }

    /// Lognormal with the given median and standard deviation of the logarithm.
    ///
    /// # Errors
    /// When `median` is not above zero or `sigma` is negative or not finite.
    pub fn lognormal_median_sigma(median: f64, sigma: f64) -> Result<Self, DistError> {
        let mu = libm::log(positive("median", median)?);
        Ok(Self::of(Shape::LogNormal { mu, sigma: finite("sigma", sigma)? }))
    }

    /// Gamma with the given mean and coefficient of variation; shape = 1/cv².
    ///
    /// # Errors
    /// When a parameter is not above zero.
    pub fn gamma(mean: f64, cv: f64) -> Result<Self, DistError> {
        let (mean, cv) = (positive("mean", mean)?, positive("cv", cv)?);
        let sampler = Gamma::new(1.0 / (cv * cv), mean * cv * cv)
            .map_err(|_| DistError::NotPositive("cv"))?;
        Ok(Self::of(Shape::Gamma { mean, cv, sampler }))
    }

    /// Erlang: the sum of `stages` equal exponential stages; CV = 1/√stages.
    ///
    /// # Errors
    /// When `mean` is not above zero or there is no stage.
    pub fn erlang(mean: f64, stages: u32) -> Result<Self, DistError> {
        if stages == 0 {
            return Err(DistError::NotPositive("k"));
        }
        Self::gamma(mean, 1.0 / libm::sqrt(f64::from(stages)))
    }

    /// Weibull with scale and shape; shape below 1 has a heavy tail.
    ///
    /// # Errors
    /// When a parameter is not above zero.
    pub fn weibull(scale: f64, shape: f64) -> Result<Self, DistError> {
        let (scale, shape) = (positive("scale", scale)?, positive("shape", shape)?);
        let sampler = Weibull::new(scale, shape).map_err(|_| DistError::NotPositive("shape"))?;
        Ok(Self::of(Shape::Weibull { scale, shape, sampler }))
    }

    /// Pareto: at least `min`, tail exponent `alpha`; the mean is infinite at `alpha` ≤ 1.
    ///
    /// # Errors
    /// When a parameter is not above zero.
    pub fn pareto(min: f64, alpha: f64) -> Result<Self, DistError> {
        let (min, alpha) = (positive("min", min)?, positive("alpha", alpha)?);
        let sampler = Pareto::new(min, alpha).map_err(|_| DistError::NotPositive("alpha"))?;
        Ok(Self::of(Shape::Pareto { min, alpha, sampler }))
    }

    /// One of the given values, each alike.
    ///
    /// # Errors
    /// When there is no value, or one is negative or not finite.
    pub fn empirical(values: Vec<f64>) -> Result<Self, DistError> {
        if values.is_empty() {
            return Err(DistError::Empty);
        }
        for value in &values {
            finite("every value", *value)?;
        }
        Ok(Self::of(Shape::Empirical(values)))
    }

    /// The same distribution moved up by `shift`.
    ///
    /// # Errors
    /// When `shift` is negative or not finite.
    pub fn plus(mut self, shift: f64) -> Result<Self, DistError> {
        self.shift += finite("plus", shift)?;
        Ok(self)
    }

    /// The same distribution with every larger draw cut down to `limit`.
    ///
    /// # Errors
    /// When `limit` is negative or not finite.
    pub fn at_most(mut self, limit: f64) -> Result<Self, DistError> {
        self.limit = self.limit.min(finite("max", limit)?);
        Ok(self)
    }

    /// One draw.
    #[inline]
    pub fn sample(&self, stream: &mut Stream) -> f64 {
        (self.draw(stream) + self.shift).min(self.limit)
    }

    /// The value that a draw is at most with probability `u`, within 0 to 1: for strata instead of
    /// draws. At 1 an unlimited tail gives the value at its last millionth.
    #[must_use]
    pub fn quantile(&self, u: f64) -> f64 {
        let u = u.clamp(0.0, 1.0 - 1e-6);
        (self.shape.quantile(u) + self.shift).min(self.limit)
    }

    /// One draw in seconds, as a span rounded to the nanosecond.
    pub fn sample_span(&self, stream: &mut Stream) -> SimDuration {
        SimDuration::from_secs_f64(self.sample(stream))
    }

    #[inline]
    fn draw(&self, stream: &mut Stream) -> f64 {
        match &self.shape {
            Shape::Constant(value) => *value,
            Shape::Uniform { min, max } => min + (max - min) * stream.random::<f64>(),
            Shape::Exponential { mean } => {
                let unit: f64 = Exp1.sample(stream);
                mean * unit
            }
            Shape::Normal { sampler, .. } => loop {
                let draw = sampler.sample(stream);
                if draw >= 0.0 {
                    return draw;
                }
            },
            Shape::LogNormal { mu, sigma } => {
                let unit: f64 = StandardNormal.sample(stream);
                exp(mu + sigma * unit)
            }
            Shape::Gamma { sampler, .. } => sampler.sample(stream),
            Shape::Weibull { sampler, .. } => sampler.sample(stream),
            Shape::Pareto { sampler, .. } => sampler.sample(stream),
            Shape::Empirical(values) => values[stream.random_range(0..values.len())],
        }
    }

    /// The exact mean; infinite for a Pareto tail of 1 or less. The limit of [`Dist::at_most`] is
    /// not taken into account, except that the mean is never above it.
    #[must_use]
    pub fn mean(&self) -> f64 {
        (self.moments().0 + self.shift).min(self.limit)
    }

    /// The exact coefficient of variation (standard deviation over mean), limit left aside; zero
    /// when the mean is zero.
    #[must_use]
    pub fn cv(&self) -> f64 {
        let (mean, variance) = self.moments();
        let shifted = mean + self.shift;
        if shifted > 0.0 { libm::sqrt(variance) / shifted } else { 0.0 }
    }

    /// Mean and variance before shift and limit.
    fn moments(&self) -> (f64, f64) {
        match &self.shape {
            Shape::Constant(value) => (*value, 0.0),
            Shape::Uniform { min, max } => {
                (f64::midpoint(*min, *max), (max - min) * (max - min) / 12.0)
            }
            Shape::Exponential { mean } => (*mean, mean * mean),
            Shape::Normal { mean, sd, .. } => cut_normal_moments(*mean, *sd),
            Shape::LogNormal { mu, sigma } => {
                let variance = sigma * sigma;
                let mean = libm::exp(mu + variance / 2.0);
                (mean, mean * mean * libm::expm1(variance))
            }
            Shape::Gamma { mean, cv, .. } => (*mean, mean * mean * cv * cv),
            Shape::Weibull { scale, shape, .. } => {
                let first = scale * libm::tgamma(1.0 + 1.0 / shape);
                let second = scale * scale * libm::tgamma(1.0 + 2.0 / shape);
                (first, second - first * first)
            }
            Shape::Pareto { min, alpha, .. } => pareto_moments(*min, *alpha),
            Shape::Empirical(values) => {
                let count = f64_from_usize(values.len());
                let mean = values.iter().sum::<f64>() / count;
                let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
                (mean, squares / count)
            }
        }
    }
}

/// The exponential function, off by less than two units in the last place. `libm` scales its result by
/// a power of two in the general way, which takes longer than the function itself; here the power is
/// put together from its bits, and `libm` sees only the rest, which it does not scale.
fn exp(x: f64) -> f64 {
    /// The natural logarithm of two in two parts, the first with so few digits that its products with
    /// whole numbers are exact.
    const LN_2: (f64, f64) = (f64::from_bits(0x3fe6_2e42_fee0_0000), 1.908_214_929_270_587_7e-10);
    const EXPONENT_OF_ONE: i64 = 1_023;
    let powers = round_i64(x * std::f64::consts::LOG2_E);
    let exponent = u64::try_from(powers + EXPONENT_OF_ONE).unwrap_or(0);
    // Beyond the normal numbers there is no such power.
    if exponent == 0 || exponent > 2_046 {
        return libm::exp(x);
    }
    let whole = f64_from_i64(powers);
    let rest = (x - whole * LN_2.0) - whole * LN_2.1;
    libm::exp(rest) * f64::from_bits(exponent << 52)
}

impl Shape {
    /// The inverse of the distribution function, for `u` below 1.
    fn quantile(&self, u: f64) -> f64 {
        let unit_exponential = || -libm::log1p(-u);
        match self {
            Self::Constant(value) => *value,
            Self::Uniform { min, max } => min + (max - min) * u,
            Self::Exponential { mean } => mean * unit_exponential(),
            Self::Normal { mean, sd, .. } if *sd <= 0.0 => *mean,
            Self::Normal { mean, sd, .. } => {
                let standard = statrs::distribution::Normal::standard();
                let below_zero = standard.cdf(-mean / sd);
                mean + sd * standard.inverse_cdf(below_zero + (1.0 - below_zero) * u)
            }
            Self::LogNormal { mu, sigma } => {
                let standard = statrs::distribution::Normal::standard();
                libm::exp(mu + sigma * standard.inverse_cdf(u.max(1e-12)))
            }
            Self::Gamma { mean, cv, .. } => {
                let shape = 1.0 / (cv * cv);
                statrs::distribution::Gamma::new(shape, shape / mean)
                    .map_or(*mean, |gamma| gamma.inverse_cdf(u))
            }
            Self::Weibull { scale, shape, .. } => {
                scale * libm::pow(unit_exponential(), 1.0 / shape)
            }
            Self::Pareto { min, alpha, .. } => min * libm::pow(1.0 - u, -1.0 / alpha),
            Self::Empirical(values) => {
                let mut sorted = values.clone();
                sorted.sort_unstable_by(f64::total_cmp);
                let rank = trunc_i64(u * f64_from_usize(sorted.len()));
                let last = sorted.len() - 1;
                sorted[usize::try_from(rank).unwrap_or(last).min(last)]
            }
        }
    }
}

/// Mean and variance of a normal conditioned on being zero or more (Johnson, Kotz, Balakrishnan,
/// Continuous Univariate Distributions 1, 13.10).
fn cut_normal_moments(mean: f64, sd: f64) -> (f64, f64) {
    if sd <= 0.0 {
        return (mean, 0.0);
    }
    let standard = statrs::distribution::Normal::standard();
    let cut = -mean / sd;
    let hazard = standard.pdf(cut) / (1.0 - standard.cdf(cut));
    (mean + sd * hazard, sd * sd * (1.0 + cut * hazard - hazard * hazard))
}

fn pareto_moments(min: f64, alpha: f64) -> (f64, f64) {
    let mean = if alpha > 1.0 { alpha * min / (alpha - 1.0) } else { f64::INFINITY };
    let variance = if alpha > 2.0 {
        min * min * alpha / ((alpha - 1.0) * (alpha - 1.0) * (alpha - 2.0))
    } else {
        f64::INFINITY
    };
    (mean, variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::streams::Streams;

    const DRAWS: u32 = 200_000;

    fn every_shape() -> Vec<(&'static str, Dist)> {
        let rows = [
            ("constant", Dist::constant(3.0)),
            ("uniform", Dist::uniform(1.0, 4.0)),
            ("exponential", Dist::exponential(0.5)),
            ("normal", Dist::normal(1.0, 0.2)),
            ("normal cut", Dist::normal(0.5, 1.0)),
            ("lognormal mean cv", Dist::lognormal_mean_cv(0.4, 2.0)),
            ("lognormal median sigma", Dist::lognormal_median_sigma(40.0, 0.35)),
            ("gamma", Dist::gamma(2.0, 0.7)),
            ("erlang", Dist::erlang(2.0, 2)),
            ("weibull", Dist::weibull(3.0, 1.5)),
            ("pareto", Dist::pareto(1.0, 5.0)),
            ("empirical", Dist::empirical(vec![1.0, 2.0, 2.0, 9.0])),
            ("shifted", Dist::exponential(2.0).and_then(|dist| dist.plus(4.0))),
        ];
        rows.into_iter().map(|(name, dist)| (name, dist.expect("parameters are valid"))).collect()
    }

    /// The sample mean lies within five standard errors of the stated mean, the sample CV within
    /// five per cent of the stated CV.
    #[test]
    fn samples_have_the_stated_mean_and_cv() {
        for (name, dist) in every_shape() {
            let mut stream = Streams::new(7, 0).of(name);
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..DRAWS {
                let draw = dist.sample(&mut stream);
                assert!(draw >= 0.0, "{name} drew {draw}");
                sum += draw;
                squares += draw * draw;
            }
            let count = f64::from(DRAWS);
            let mean = sum / count;
            let cv = (squares / count - mean * mean).max(0.0).sqrt() / mean;
            let error = 5.0 * dist.cv() * dist.mean() / count.sqrt() + 1e-9;
            assert!(
                (mean - dist.mean()).abs() <= error,
                "{name}: mean {mean}, stated {}",
                dist.mean()
            );
            assert!(
                (cv - dist.cv()).abs() <= 0.05 * dist.cv() + 1e-6,
                "{name}: cv {cv}, stated {}",
                dist.cv()
            );
        }
    }

    /// The share of draws below the quantile of `u` is `u`, within five standard errors.
    #[test]
    fn quantiles_part_the_draws_as_they_say() {
        for (name, dist) in every_shape().into_iter().filter(|(name, _)| *name != "constant") {
            for u in [0.05, 0.5, 0.9, 0.99] {
                let mut stream = Streams::new(3, 0).of(name);
                let bound = dist.quantile(u);
                let below = (0..DRAWS).filter(|_| dist.sample(&mut stream) <= bound).count();
                let share = f64_from_usize(below) / f64::from(DRAWS);
                let error = 5.0 * (u * (1.0 - u) / f64::from(DRAWS)).sqrt();
                let steps = if name == "empirical" { 0.25 } else { 0.0 };
                assert!(share > u - error && share < u + error + steps, "{name}: {share} at {u}");
            }
        }
    }

    #[test]
    fn stated_parameters_are_kept() {
        let dist = Dist::lognormal_mean_cv(0.003, 1.0).expect("valid");
        assert!((dist.mean() - 0.003).abs() < 1e-12 && (dist.cv() - 1.0).abs() < 1e-12);
        let erlang = Dist::erlang(0.4, 2).expect("valid");
        assert!((erlang.cv() - 0.5_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_exponential_is_that_of_the_library() {
        let mut stream = Streams::new(3, 0).of("exp");
        let drawn = (0..200_000).map(|_| (stream.random::<f64>() - 0.5) * 60.0);
        let edges = [0.0, -0.0, 1e-300, -750.0, -708.4, 709.7, 710.0, 1e9, -1e9, 0.346_573_6];
        for x in drawn.chain(edges) {
            let (found, known) = (exp(x), libm::exp(x));
            let apart = found.to_bits().abs_diff(known.to_bits());
            assert!(apart <= 2, "exp({x}) is {found}, not {known}");
        }
    }

    #[test]
    fn draws_stop_at_the_limit() {
        let dist = Dist::pareto(1.0, 1.1).and_then(|dist| dist.at_most(3.0)).expect("valid");
        let mut stream = Streams::new(1, 0).of("limit");
        let draws: Vec<f64> = (0..1000).map(|_| dist.sample(&mut stream)).collect();
        assert!(draws.iter().all(|draw| *draw <= 3.0));
        assert!(draws.iter().any(|draw| *draw >= 3.0));
    }

    #[test]
    fn impossible_parameters_are_refused_by_name() {
        let rows = [
            (Dist::constant(-1.0), "value must be a finite number, zero or more"),
            (Dist::uniform(2.0, 1.0), "min is above max"),
            (Dist::lognormal_mean_cv(0.0, 1.0), "mean must be above zero"),
            (Dist::gamma(1.0, f64::NAN), "cv must be a finite number, zero or more"),
            (Dist::erlang(1.0, 0), "k must be above zero"),
            (Dist::empirical(Vec::new()), "an empirical distribution needs at least one value"),
        ];
        for (result, text) in rows {
            assert_eq!(result.expect_err("must be refused").to_string(), text);
        }
    }

    /// Golden draws: an upgrade of the sampling library that moved them would change every result.
    #[test]
    fn the_first_draws_of_each_shape_are_pinned() {
        let mut lines = String::new();
        for (name, dist) in every_shape() {
            let mut stream = Streams::new(42, 0).of("golden");
            let draws: Vec<String> =
                (0..3).map(|_| format!("{:.6}", dist.sample(&mut stream))).collect();
            lines.push_str(&format!("{name}: {}\n", draws.join(" ")));
        }
        expect_test::expect![[r#"
            constant: 3.000000 3.000000 3.000000
            uniform: 2.293572 1.042775 2.590098
            exponential: 0.715571 0.015277 0.154591
            normal: 0.937114 0.654839 1.009782
            normal cut: 0.185569 0.548912 2.597913
            lognormal mean cv: 0.120043 0.020032 0.190337
            lognormal median sigma: 35.831544 21.864132 40.690657
            gamma: 1.302115 1.736753 0.755187
            erlang: 1.292802 1.730612 0.743868
            weibull: 2.673349 7.871824 2.215917
            pareto: 1.183222 2.339840 1.135375
            empirical: 1.000000 2.000000 9.000000
            shifted: 6.862285 4.061108 4.618365
        "#]]
        .assert_eq(&lines);
    }
}
