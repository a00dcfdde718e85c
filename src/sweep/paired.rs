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
        let pairs: Vec<(f64, f64)> =
            base.iter().zip(candidate).filter_map(|(one, other)| one.zip(*other)).collect();
        let differences: Vec<f64> = pairs.iter().map(|(one, other)| other - one).collect();
        let difference = MeanInterval::of(&differences)?;
        let count = f64_from_usize(pairs.len());
        Some(Self {
            base: pairs.iter().map(|(one, _)| one).sum::<f64>() / count,
            candidate: pairs.iter().map(|(_, other)| other).sum::<f64>() / count,
            p_value: p_value(&differences, difference),
            difference,
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

/// Two-sided p-value of Student's t test that the mean difference is zero.
fn p_value(differences: &[f64], interval: MeanInterval) -> Option<f64> {
    let count = differences.len();
    if count < 2 {
        return None;
    }
    let n = f64_from_usize(count);
    let mean = interval.mean;
    let squares: f64 = differences.iter().map(|x| (x - mean) * (x - mean)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    // What does not vary at all is no chance: all seeds say the same.
    if error <= f64::EPSILON * mean.abs() {
        return Some(if mean.abs() > 0.0 { 0.0 } else { 1.0 });
    }
    let student = StudentsT::new(0.0, 1.0, n - 1.0).expect("two pairs leave a degree of freedom");
    Some((2.0 * student.sf((mean / error).abs())).min(1.0))
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
