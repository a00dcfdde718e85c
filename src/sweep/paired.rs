//! Differences of paired figures, and what many of them together say.
//!
//! Two variants of a scenario run with the same seeds meet the same luck (common random numbers), so
//! that the differences of their runs, one a seed, vary far less than the runs themselves. Their mean
//! is judged by Student's paired t test; of many differences at a time, Holm's step-down procedure
//! keeps the probability of a single false alarm at the level of one test (S. Holm, A simple
//! sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979).

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::sweep::interval::MeanInterval;
use crate::units::convert::f64_from_usize;

/// Probability of saying that two variants differ when they do not, over all that is compared.
pub const LEVEL: f64 = 0.05;

/// The difference of a candidate to its base, candidate minus base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// Mean of the base over the pairs.
    pub base: f64,
    /// Mean of the candidate over the pairs.
    pub candidate: f64,
    /// Mean difference with its 95 % interval.
    pub difference: MeanInterval,
    /// Probability of a difference at least as large between equal variants; `None` of a single
    /// pair, which says nothing.
    pub p_value: Option<f64>,
}

/// Figures of base and candidate by seed; what was not measured is absent.
pub type Stratum = (Vec<Option<f64>>, Vec<Option<f64>>);

/// What a difference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The candidate is better.
    Better,
    /// The candidate is worse.
    Worse,
    /// It cannot be told from chance, or there is none.
    NoChange,
    /// One pair alone: a difference is there, and whether it is chance is not known.
    Unknown,
}

impl Paired {
    /// Of figures by seed; a seed of which either figure is absent is left out. `None` when nothing
    /// is left.
    #[must_use]
    pub fn of(base: &[Option<f64>], candidate: &[Option<f64>]) -> Option<Self> {
        Self::over(&[(base.to_vec(), candidate.to_vec())])
    }

    /// Of figures by seed in several strata, each of which counts the same however many seeds it has:
    /// scenarios are chosen, not drawn, so their differences to one another are no chance.
    #[must_use]
    pub fn over(strata: &[Stratum]) -> Option<Self> {
        let pairs = |(base, candidate): &Stratum| -> Vec<(f64, f64)> {
            base.iter().zip(candidate).filter_map(|(one, other)| one.zip(*other)).collect()
        };
        let pairs: Vec<Vec<(f64, f64)>> = strata.iter().map(pairs).collect();
        let of = |figure: &dyn Fn(&(f64, f64)) -> f64| -> Vec<Vec<f64>> {
            pairs.iter().map(|stratum| stratum.iter().map(figure).collect()).collect()
        };
        let (difference, p_value) = over_strata(&of(&|(one, other)| other - one))?;
        let mean = |figures: &[Vec<f64>]| over_strata(figures).map(|(interval, _)| interval.mean);
        Some(Self {
            base: mean(&of(&|(one, _)| *one))?,
            candidate: mean(&of(&|(_, other)| *other))?,
            difference,
            p_value,
        })
    }

    /// The difference as a share of the base, with the ends of its interval; `None` of a base of 0.
    #[must_use]
    pub fn relative(&self) -> Option<(f64, f64, f64)> {
        let by = self.base.abs();
        let Self { difference, .. } = self;
        (by > 0.0).then(|| (difference.mean / by, difference.low() / by, difference.high() / by))
    }

    /// What the difference says at a level, its p-value adjusted for all that is compared with it.
    #[must_use]
    pub fn verdict(&self, adjusted: Option<f64>, more_is_better: bool) -> Verdict {
        let mean = self.difference.mean;
        if mean.abs() <= f64::EPSILON * self.base.abs() {
            return Verdict::NoChange;
        }
        match adjusted {
            None => Verdict::Unknown,
            Some(p) if p > LEVEL => Verdict::NoChange,
            Some(_) if (mean > 0.0) == more_is_better => Verdict::Better,
            Some(_) => Verdict::Worse,
        }
    }
}

/// The mean of the means of strata with its 95 % interval, and the two-sided p-value of Student's t
/// test that it is zero; strata without a figure take no part. `None` when none has one.
///
/// The variance is the sum of those of the strata, its degrees of freedom are Satterthwaite's
/// (F. Satterthwaite, An approximate distribution of estimates of variance components, Biometrics
/// Bulletin 2, 1946). A stratum of one figure has no variance to be known: then there is neither an
/// interval nor a p-value.
#[must_use]
pub fn over_strata(strata: &[Vec<f64>]) -> Option<(MeanInterval, Option<f64>)> {
    let filled: Vec<&Vec<f64>> = strata.iter().filter(|stratum| !stratum.is_empty()).collect();
    if filled.is_empty() {
        return None;
    }
    let groups = f64_from_usize(filled.len());
    let count = filled.iter().map(|stratum| stratum.len()).sum();
    let (mut mean, mut variance, mut satterthwaite) = (0.0, 0.0, 0.0);
    let mut known = true;
    for stratum in filled {
        let n = f64_from_usize(stratum.len());
        let own = stratum.iter().sum::<f64>() / n;
        mean += own / groups;
        if stratum.len() < 2 {
            known = false;
            continue;
        }
        let squares: f64 = stratum.iter().map(|x| (x - own) * (x - own)).sum();
        let part = squares / (n - 1.0) / n / (groups * groups);
        variance += part;
        satterthwaite += part * part / (n - 1.0);
    }
    let error = variance.sqrt();
    if !known {
        return Some((MeanInterval { count, mean, half_width: None }, None));
    }
    // What does not vary at all is no chance: all seeds say the same.
    if error <= f64::EPSILON * mean.abs() {
        let p = if mean.abs() > 0.0 { 0.0 } else { 1.0 };
        return Some((MeanInterval { count, mean, half_width: Some(0.0) }, Some(p)));
    }
    let freedom = variance * variance / satterthwaite;
    let student = StudentsT::new(0.0, 1.0, freedom).expect("two figures leave a degree of freedom");
    let half_width = student.inverse_cdf(1.0 - LEVEL / 2.0) * error;
    let p = (2.0 * student.sf((mean / error).abs())).min(1.0);
    Some((MeanInterval { count, mean, half_width: Some(half_width) }, Some(p)))
}

/// Holm's adjusted p-values, in the order given; one that is absent takes no part.
#[must_use]
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> =
        p_values.iter().enumerate().filter_map(|(at, p)| p.map(|p| (at, p))).collect();
    order.sort_by(|one, other| one.1.total_cmp(&other.1).then(one.0.cmp(&other.0)));
    let mut adjusted = vec![None; p_values.len()];
    let mut least: f64 = 0.0;
    let tests = order.len();
    for (rank, (at, p)) in order.into_iter().enumerate() {
        least = least.max((p * f64_from_usize(tests - rank)).min(1.0));
        adjusted[at] = Some(least);
    }
    adjusted
}

/// Which points no other point beats in one figure without losing in the other; less is better in
/// both. Equal points stand beside one another.
#[must_use]
pub fn nondominated(points: &[(f64, f64)]) -> Vec<bool> {
    let beaten = |it: &(f64, f64)| {
        points.iter().any(|by| by.0 <= it.0 && by.1 <= it.1 && (by.0 < it.0 || by.1 < it.1))
    };
    points.iter().map(|point| !beaten(point)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(figures: &[f64]) -> Vec<Option<f64>> {
        figures.iter().copied().map(Some).collect()
    }

    /// Differences 1, 2, 3, 4, 5: mean 3, error sqrt(2.5 / 5); t = 4.2426 with 4 degrees of freedom,
    /// p = 0.0132 (tables of Student's t).
    #[test]
    fn the_test_is_students_on_the_differences() {
        let paired = Paired::of(&some(&[0.0; 5]), &some(&[1.0, 2.0, 3.0, 4.0, 5.0]));
        let paired = paired.expect("there are pairs");
        assert!((paired.difference.mean - 3.0).abs() < 1e-12);
        let p = paired.p_value.expect("of five pairs");
        assert!((p - 0.01324).abs() < 1e-4, "{p}");
        assert_eq!(paired.verdict(Some(p), false), Verdict::Worse);
        assert_eq!(paired.verdict(Some(p), true), Verdict::Better);
        assert_eq!(paired.verdict(Some(0.06), false), Verdict::NoChange);
        assert_eq!(paired.relative(), None);
    }

    /// Two strata of equal size and spread: the variance of the mean of means is a quarter of the sum
    /// of theirs, with 2 (n - 1) degrees of freedom; t(0.975, 4) = 2.776445.
    #[test]
    fn strata_count_alike_and_their_levels_are_no_chance() {
        let strata = [vec![1.0, 2.0, 3.0], vec![101.0, 102.0, 103.0], Vec::new()];
        let (interval, p) = over_strata(&strata).expect("there are figures");
        assert!((interval.mean - 52.0).abs() < 1e-12);
        let half = 2.776_445 * (2.0_f64 * (1.0 / 3.0) / 4.0).sqrt();
        assert!((interval.half_width.expect("it is known") - half).abs() < 1e-5, "{interval:?}");
        assert!(p.is_some_and(|p| p < 1e-6));
        let (single, p) = over_strata(&[vec![1.0], vec![2.0, 3.0]]).expect("there are figures");
        assert_eq!((single.half_width, p), (None, None));
        assert_eq!(over_strata(&[]), None);
    }

    #[test]
    fn what_never_varies_is_certain_and_one_pair_says_nothing() {
        let constant = Paired::of(&some(&[4.0, 5.0]), &some(&[5.0, 6.0])).expect("two pairs");
        assert_eq!(constant.p_value, Some(0.0));
        let equal = Paired::of(&some(&[4.0, 5.0]), &some(&[4.0, 5.0])).expect("two pairs");
        assert_eq!(
            (equal.p_value, equal.verdict(Some(1.0), false)),
            (Some(1.0), Verdict::NoChange)
        );
        let one = Paired::of(&some(&[4.0]), &some(&[5.0])).expect("one pair");
        assert_eq!((one.p_value, one.verdict(None, false)), (None, Verdict::Unknown));
        let gap = Paired::of(&[Some(1.0), None], &[None, Some(2.0)]);
        assert_eq!(gap, None, "no seed has both");
    }

    /// Holm's own rule by hand: 0.01 x 4, 0.02 x 3, 0.03 x 2, 0.04 x 1, never falling.
    #[test]
    fn holm_steps_down() {
        let adjusted = holm(&[Some(0.04), None, Some(0.01), Some(0.03), Some(0.02)]);
        let expected = [Some(0.06), None, Some(0.04), Some(0.06), Some(0.06)];
        for (found, expected) in adjusted.iter().zip(expected) {
            match (found, expected) {
                (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-12),
                (found, expected) => assert_eq!(*found, expected),
            }
        }
    }

    #[test]
    fn only_what_is_worse_in_one_and_no_better_in_the_other_is_dominated() {
        let points = [(1.0, 5.0), (2.0, 2.0), (2.0, 3.0), (5.0, 1.0), (2.0, 2.0), (6.0, 1.0)];
        assert_eq!(nondominated(&points), [true, true, false, true, true, false]);
    }
}
