//! Which class of client an iteration belongs to: one class, or several by weight.

use rand::RngExt;

use crate::engine::streams::Stream;
use crate::model::id::ClassId;

/// Classes with the share of iterations each of them gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// Class and the sum of the weights up to and including its own.
    cumulative: Vec<(ClassId, f64)>,
}

/// Why a mix cannot be made of the given weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// There is nothing to choose from.
    #[error("a mix needs at least one class")]
    Empty,
    /// The weight at this index is negative, infinite or not a number.
    #[error("a weight must be a finite number, zero or more")]
    BadWeight(usize),
    /// All weights are zero.
    #[error("at least one weight must be above zero")]
    NoWeight,
}

impl Mix {
    /// Every iteration is of this class.
    #[must_use]
    pub fn only(class: ClassId) -> Self {
        Self { cumulative: vec![(class, 1.0)] }
    }

    /// Iterations are of these classes in proportion to the weights, which need not sum to anything
    /// particular.
    ///
    /// # Errors
    /// When there is no class, a weight is negative or not finite, or all of them are zero.
    pub fn weighted(classes: &[(ClassId, f64)]) -> Result<Self, MixError> {
        if classes.is_empty() {
            return Err(MixError::Empty);
        }
        let mut sum = 0.0;
        let mut cumulative = Vec::with_capacity(classes.len());
        for (position, (class, weight)) in classes.iter().enumerate() {
            if !weight.is_finite() || *weight < 0.0 {
                return Err(MixError::BadWeight(position));
            }
            sum += weight;
            // A class of no weight is never drawn; leaving it out makes that certain.
            if *weight > 0.0 {
                cumulative.push((*class, sum));
            }
        }
        if !sum.is_finite() {
            return Err(MixError::BadWeight(classes.len() - 1));
        }
        if cumulative.is_empty() { Err(MixError::NoWeight) } else { Ok(Self { cumulative }) }
    }

    /// The classes that can be drawn, each with its share; the shares sum to 1.
    pub fn shares(&self) -> impl Iterator<Item = (ClassId, f64)> + '_ {
        let total = self.total();
        let mut before = 0.0;
        self.cumulative.iter().map(move |(class, upto)| {
            let share = (upto - before) / total;
            before = *upto;
            (*class, share)
        })
    }

    /// The class of the next iteration. A mix of one class draws nothing from the stream.
    #[must_use]
    pub fn pick(&self, stream: &mut Stream) -> ClassId {
        if let [(class, _)] = self.cumulative[..] {
            return class;
        }
        let point = stream.random::<f64>() * self.total();
        let hit = self.cumulative.iter().find(|(_, upto)| point < *upto);
        // Rounding can put the point on the upper end of the last class.
        hit.or(self.cumulative.last()).expect("a mix has at least one class").0
    }

    fn total(&self) -> f64 {
        self.cumulative.last().expect("a mix has at least one class").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::streams::Streams;
    use crate::units::convert::index;

    #[test]
    fn shares_are_met_and_a_weight_of_zero_is_never_drawn() {
        const SEED: u64 = 7;
        const DRAWS: u32 = 100_000;
        println!("seed {SEED}");
        let mix =
            Mix::weighted(&[(ClassId(0), 60.0), (ClassId(1), 0.0), (ClassId(2), 30.0)]).unwrap();
        let mut stream = Streams::new(SEED, 0).of("class/clinicians");
        let mut counts = [0_u32; 3];
        for _ in 0..DRAWS {
            counts[index(mix.pick(&mut stream).0)] += 1;
        }
        assert_eq!(counts[1], 0);
        let share = f64::from(counts[0]) / f64::from(DRAWS);
        // Four standard errors of a binomial share of 2/3.
        let margin = 4.0 * (2.0 / 9.0 / f64::from(DRAWS)).sqrt();
        assert!((share - 2.0 / 3.0).abs() < margin, "share {share}");
        let shares: Vec<f64> = mix.shares().map(|(_, share)| share).collect();
        assert!((shares[0] - 2.0 / 3.0).abs() < 1e-12 && (shares[1] - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn one_class_leaves_the_stream_alone() {
        let (mut used, fresh) = (Streams::new(1, 0).of("class"), Streams::new(1, 0).of("class"));
        assert_eq!(Mix::only(ClassId(4)).pick(&mut used), ClassId(4));
        assert_eq!(used, fresh);
    }

    #[test]
    fn weights_that_say_nothing_are_refused() {
        let rows: [(&[(ClassId, f64)], MixError); 4] = [
            (&[], MixError::Empty),
            (&[(ClassId(0), 0.0)], MixError::NoWeight),
            (&[(ClassId(0), 1.0), (ClassId(1), -1.0)], MixError::BadWeight(1)),
            (&[(ClassId(0), f64::NAN)], MixError::BadWeight(0)),
        ];
        for (weights, error) in rows {
            assert_eq!(Mix::weighted(weights).unwrap_err(), error);
        }
    }
}
