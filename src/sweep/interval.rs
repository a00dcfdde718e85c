//! Means of replications with confidence intervals.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::units::convert::f64_from_usize;

/// A mean of independent figures and its 95 % confidence interval.
///
/// The interval is Student's: mean ± t(0.975, n − 1) · s / √n. It is right for figures that are
/// about normal, as means and counts of whole runs are; for a few runs of a skewed figure it is a
/// guide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanInterval {
    /// How many figures.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Half the width of the interval; `None` of a single figure.
    pub half_width: Option<f64>,
}

/// Probability that the interval covers the true mean.
const CONFIDENCE: f64 = 0.95;

impl MeanInterval {
    /// Of figures; `None` of none.
    #[must_use]
    pub fn of(figures: &[f64]) -> Option<Self> {
        let count = figures.len();
        if count == 0 {
            return None;
        }
        let n = f64_from_usize(count);
        let mean = figures.iter().sum::<f64>() / n;
        let half_width = (count > 1).then(|| {
            let squares: f64 = figures.iter().map(|x| (x - mean) * (x - mean)).sum();
            let deviation = (squares / (n - 1.0)).sqrt();
            let student = StudentsT::new(0.0, 1.0, n - 1.0)
                .expect("two figures or more leave a degree of freedom");
            student.inverse_cdf(0.5 + CONFIDENCE / 2.0) * deviation / n.sqrt()
        });
        Some(Self { count, mean, half_width })
    }

    /// Lower end; the mean of a single figure.
    #[must_use]
    pub fn low(&self) -> f64 {
        self.mean - self.half_width.unwrap_or(0.0)
    }

    /// Upper end; the mean of a single figure.
    #[must_use]
    pub fn high(&self) -> f64 {
        self.mean + self.half_width.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five figures, mean 4, standard deviation sqrt(2.5); t(0.975, 4) = 2.776445 from the tables.
    #[test]
    fn the_interval_is_students() {
        let interval = MeanInterval::of(&[2.0, 3.0, 4.0, 5.0, 6.0]).expect("there are figures");
        let half = 2.776_445 * 2.5_f64.sqrt() / 5.0_f64.sqrt();
        assert!((interval.mean - 4.0).abs() < 1e-12);
        assert!((interval.half_width.expect("of five") - half).abs() < 1e-5, "{interval:?}");
    }

    #[test]
    fn one_figure_has_no_width_and_none_no_mean() {
        assert_eq!(MeanInterval::of(&[]), None);
        let one = MeanInterval::of(&[7.0]).expect("there is one");
        assert_eq!((one.low(), one.high(), one.half_width), (7.0, 7.0, None));
        let same = MeanInterval::of(&[3.0; 4]).expect("there are four");
        assert_eq!(same.half_width, Some(0.0));
    }
}
