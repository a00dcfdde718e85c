//! Figures from measurements, each with its 95 % interval, or a refusal that says what the data lack.
//!
//! Floor 2. Plain numbers in, plain numbers out: nothing here knows files, services or Kubernetes.
//!
//! - [`mod@line`]: regression of a quantity on several others (service-demand law, memory line)
//! - [`distribution`]: constant, lognormal, gamma, Weibull or empirical, with goodness of fit
//! - [`servers`]: how many requests a station works on at a time, from starts and ends alone
//! - [`scalability`]: the Universal Scalability Law

pub mod distribution;
pub mod line;
pub mod scalability;
pub mod servers;

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::units::convert::{ceil_u64, f64_from_usize, round_u64};

/// A figure and the interval that covers the truth in 95 of 100 cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The best guess.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// `value` plus and minus `quantile` standard errors.
    #[must_use]
    pub fn around(value: f64, standard_error: f64, quantile: f64) -> Self {
        let half = standard_error * quantile;
        Self { value, low: value - half, high: value + half }
    }

    /// Whether a figure lies within.
    #[must_use]
    pub fn covers(&self, truth: f64) -> bool {
        self.low <= truth && truth <= self.high
    }

    /// The same figure in another unit.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }

    /// Half the width of the interval over the figure; infinite for a figure of zero.
    #[must_use]
    pub fn relative_half_width(&self) -> f64 {
        if self.value.abs() > 0.0 {
            (self.high - self.low) / 2.0 / self.value.abs()
        } else {
            f64::INFINITY
        }
    }
}

/// Why the data cannot tell.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Not enough of something.
    #[error("{have} {what}, needs at least {need}")]
    TooFew {
        /// What there is too little of, in the plural.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// A quantity that had to move stood still.
    #[error("{0} hardly varies, so that nothing can be told from it")]
    NoSpread(String),
    /// Quantities that moved together.
    #[error("{0} move together: only their sum can be told apart from the rest")]
    Collinear(String),
    /// The model does not describe what was measured.
    #[error("the {model} explains {percent:.0} % of the variation, needs 90 %")]
    Poor {
        /// The model.
        model: &'static str,
        /// 100 R2.
        percent: f64,
    },
    /// Numbers that no such quantity has.
    #[error("{0}")]
    Impossible(String),
}

/// The two-sided 95 % quantile of Student's t.
pub(crate) fn t_quantile(degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees.max(1.0)).map_or(1.96, |t| t.inverse_cdf(0.975))
}

/// Mean of values; zero of none.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / f64_from_usize(values.len()) }
}

/// A mean with the interval of Student's t.
///
/// # Errors
///
/// [`Refusal::TooFew`] below three values.
pub fn mean_estimate(values: &[f64]) -> Result<Estimate, Refusal> {
    let count = values.len();
    if count < 3 {
        return Err(Refusal::TooFew { what: "values", have: count, need: 3 });
    }
    let (mean, n) = (mean(values), f64_from_usize(count));
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    Ok(Estimate::around(mean, error, t_quantile(n - 1.0)))
}

/// The quantile of sorted values, linear between the values at `share x (n - 1)`, as k6 and most
/// tools have it; zero of none.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let position = share.clamp(0.0, 1.0) * f64_from_usize(last);
    let below = usize::try_from(round_u64(position.floor())).unwrap_or(last).min(last);
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (position - f64_from_usize(below))
}

/// A median with the interval of order statistics, which needs no assumption about the distribution.
///
/// # Errors
///
/// [`Refusal::TooFew`] below six values, the fewest whose extremes cover the median at 95 %.
pub fn median_estimate(values: &[f64]) -> Result<Estimate, Refusal> {
    if values.len() < 6 {
        return Err(Refusal::TooFew { what: "values", have: values.len(), need: 6 });
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = f64_from_usize(sorted.len());
    // Ranks n/2 -+ 1.96 sqrt(n)/2, outwards (normal approximation of the sign test).
    let reach = 0.98 * n.sqrt();
    let last = sorted.len() - 1;
    let low = usize::try_from(round_u64((n / 2.0 - reach).floor())).unwrap_or(0).min(last);
    let high = usize::try_from(ceil_u64(n / 2.0 + reach)).unwrap_or(last).min(last);
    Ok(Estimate { value: quantile(&sorted, 0.5), low: sorted[low], high: sorted[high] })
}

#[cfg(test)]
mod tests;
