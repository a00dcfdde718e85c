//! Distributions as tables of quantiles, and strata of them: draws that cover a distribution evenly.
//!
//! A probe of [`PROBES`] requests takes one value from each of as many strata of a distribution, in
//! a random order (Latin hypercube sampling, McKay, Beckman and Conover 1979): sums of independent
//! parts come out with far less noise than by as many independent draws, at a table look-up each.

use rand::RngExt;

use crate::engine::{Dist, Stream};
use crate::units::convert::{f64_from_usize, trunc_i64};

/// Requests that a probe follows; a power of two.
pub(super) const PROBES: usize = 64;
/// Values of a table.
const VALUES: usize = 1024;
/// Values of a stratum.
const PER_STRATUM: usize = VALUES / PROBES;
/// Orders to choose from.
const ORDERS: usize = 127;

/// A distribution, ready for probes.
#[derive(Debug)]
pub(super) struct Quantiles {
    mean: f64,
    cv: f64,
    /// The middles of [`VALUES`] strata, ascending; empty for a constant.
    table: Vec<f64>,
}

impl Quantiles {
    pub(super) const fn zero() -> Self {
        Self { mean: 0.0, cv: 0.0, table: Vec::new() }
    }

    pub(super) fn of(dist: &Dist) -> Self {
        let middle = |at: usize| (f64_from_usize(at) + 0.5) / f64_from_usize(VALUES);
        let low = dist.quantile(middle(0));
        if dist.quantile(middle(VALUES - 1)) <= low {
            return Self { mean: low, cv: 0.0, table: Vec::new() };
        }
        let mut table: Vec<f64> = (0..VALUES).map(|at| dist.quantile(middle(at))).collect();
        // What the last stratum's middle leaves out of a long tail goes back to it, so that the
        // mean of the table is that of the distribution; of one without a mean, the table's.
        let sum: f64 = table.iter().sum();
        let count = f64_from_usize(VALUES);
        let stated = dist.mean();
        if stated.is_finite() {
            table[VALUES - 1] += (stated * count - sum).max(0.0);
        }
        let mean = table.iter().sum::<f64>() / count;
        let square = table.iter().map(|value| value * value).sum::<f64>() / count;
        let own = libm::sqrt((square / (mean * mean).max(1e-300) - 1.0).max(0.0));
        let stated = dist.cv();
        let cv = if stated.is_finite() { stated } else { own };
        Self { mean, cv, table }
    }

    /// What is left, at a random instant, of something that lasts as long as this says: its density
    /// falls as the distribution's tail does (the equilibrium distribution of renewal theory).
    pub(super) fn residual(&self) -> Self {
        let constant = vec![self.mean];
        let values = if self.table.is_empty() { &constant } else { &self.table };
        let count = f64_from_usize(values.len());
        // Pieces of the tail: up to each value, with the share of those that last longer.
        let mut table = Vec::with_capacity(VALUES);
        let total: f64 = values.iter().sum::<f64>() / count;
        let (mut before, mut area, mut piece) = (0.0, 0.0, 0_usize);
        for at in 0..VALUES {
            let wanted = (f64_from_usize(at) + 0.5) / f64_from_usize(VALUES) * total;
            while piece < values.len() {
                let longer = 1.0 - f64_from_usize(piece) / count;
                let whole = (values[piece] - before) * longer;
                if area + whole >= wanted {
                    table.push(before + (wanted - area) / longer);
                    break;
                }
                area += whole;
                before = values[piece];
                piece += 1;
            }
            if piece == values.len() {
                table.push(before);
            }
        }
        let mean = table.iter().sum::<f64>() / f64_from_usize(VALUES);
        Self { mean, cv: 1.0, table }
    }

    pub(super) const fn mean(&self) -> f64 {
        self.mean
    }

    pub(super) const fn cv(&self) -> f64 {
        self.cv
    }

    /// The value of a probe at a place of the table.
    #[inline]
    fn at(&self, place: usize) -> f64 {
        self.table.get(place).copied().unwrap_or(self.mean)
    }
}

/// Where strata come from: random orders, and the quantiles of the unit exponential.
#[derive(Debug)]
pub(super) struct Strata {
    stream: Stream,
    orders: Vec<[u8; PROBES]>,
    exponential: Vec<f64>,
}

/// One covering of the places 0 to 1 by the requests of a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cover {
    order: usize,
    shift: usize,
    jitter: usize,
}

impl Strata {
    pub(super) fn new(mut stream: Stream) -> Self {
        let mut orders = Vec::with_capacity(ORDERS);
        let mut order: [u8; PROBES] = std::array::from_fn(|at| u8::try_from(at).unwrap_or(u8::MAX));
        for _ in 0..ORDERS {
            for last in (1..PROBES).rev() {
                order.swap(last, stream.random_range(0..=last));
            }
            orders.push(order);
        }
        let middle = |at: usize| (f64_from_usize(at) + 0.5) / f64_from_usize(VALUES);
        let exponential = (0..VALUES).map(|at| -libm::log1p(-middle(at))).collect();
        Self { stream, orders, exponential }
    }

    /// The stream that it draws from.
    pub(super) const fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// A covering independent of those before.
    pub(super) fn cover(&mut self) -> Cover {
        Cover {
            order: self.stream.random_range(0..ORDERS),
            shift: self.stream.random_range(0..PROBES),
            jitter: self.stream.random_range(0..PER_STRATUM),
        }
    }

    /// Which of the requests a request is paired with.
    #[inline]
    pub(super) fn partner(&self, cover: Cover, request: usize) -> usize {
        usize::from(self.orders[cover.order][(request + cover.shift) % PROBES])
    }

    /// The place in a table of a request.
    #[inline]
    fn place(&self, cover: Cover, request: usize) -> usize {
        let jitter = (cover.jitter + 5 * request) % PER_STRATUM;
        self.partner(cover, request) * PER_STRATUM + jitter
    }

    /// The place between 0 and 1 of a request.
    #[inline]
    pub(super) fn unit(&self, cover: Cover, request: usize) -> f64 {
        (f64_from_usize(self.place(cover, request)) + 0.5) / f64_from_usize(VALUES)
    }

    /// The value of a request.
    #[inline]
    pub(super) fn value(&self, cover: Cover, request: usize, dist: &Quantiles) -> f64 {
        if dist.table.is_empty() { dist.mean } else { dist.at(self.place(cover, request)) }
    }

    /// A place between 0 and 1 at a further turn of the same covering.
    #[inline]
    pub(super) fn turned(&self, cover: Cover, request: usize, turn: usize) -> f64 {
        let moved = Cover { order: (cover.order + 31 * turn) % ORDERS, ..cover };
        self.unit(moved, request)
    }

    /// The value of a distribution at a place between 0 and 1.
    #[inline]
    pub(super) fn of_unit(dist: &Quantiles, unit: f64) -> f64 {
        let place = trunc_i64(unit * f64_from_usize(VALUES));
        dist.at(usize::try_from(place).unwrap_or(0).min(VALUES - 1))
    }

    /// Zero with a probability, and else exponential around `mean`.
    #[inline]
    pub(super) fn delayed(&self, unit: f64, probability: f64, mean: f64) -> f64 {
        let above = unit - (1.0 - probability);
        if above <= 0.0 || probability <= 0.0 {
            return 0.0;
        }
        let place = trunc_i64(above / probability * f64_from_usize(VALUES));
        let place = usize::try_from(place).unwrap_or(0).min(VALUES - 1);
        mean * self.exponential[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Streams;

    /// The sum of three lognormals: mean and p95 against plain draws.
    #[test]
    fn sums_of_strata_are_sums_of_draws() {
        let dist = Dist::lognormal_mean_cv(0.004, 1.0).expect("valid");
        let table = Quantiles::of(&dist);
        let mut strata = Strata::new(Streams::new(1, 0).of("strata"));
        let mut probed = Vec::new();
        for _ in 0..400 {
            let covers = [strata.cover(), strata.cover(), strata.cover()];
            probed.extend((0..PROBES).map(|request| {
                covers.iter().map(|cover| strata.value(*cover, request, &table)).sum::<f64>()
            }));
        }
        let mut stream = Streams::new(2, 0).of("draws");
        let mut drawn: Vec<f64> =
            (0..200_000).map(|_| (0..3).map(|_| dist.sample(&mut stream)).sum::<f64>()).collect();
        probed.sort_unstable_by(f64::total_cmp);
        drawn.sort_unstable_by(f64::total_cmp);
        for percent in [5, 50, 95, 99] {
            let of = |sorted: &[f64]| sorted[sorted.len() * percent / 100];
            let (left, right) = (of(&probed), of(&drawn));
            assert!((left - right).abs() < 0.02 * right, "p{percent}: {left} against {right}");
        }
    }

    /// E[S²] / 2E[S] is the mean of what is left; of a constant everything up to it is as likely.
    #[test]
    fn what_is_left_is_half_the_square_over_the_mean() {
        let dist = Dist::lognormal_mean_cv(8.0, 0.5).expect("valid");
        let left = Quantiles::of(&dist).residual();
        assert!((left.mean() - 5.0).abs() < 0.02, "{}", left.mean());
        let constant = Quantiles::of(&Dist::constant(3.0).expect("valid")).residual();
        assert!((constant.mean() - 1.5).abs() < 1e-9);
    }

    #[test]
    fn a_table_keeps_mean_and_cv() {
        let dist = Dist::lognormal_mean_cv(2.0, 1.5).expect("valid");
        let table = Quantiles::of(&dist);
        assert!((table.mean() - 2.0).abs() < 1e-9 && (table.cv() - 1.5).abs() < 1e-9);
        let constant = Quantiles::of(&Dist::constant(0.3).expect("valid"));
        assert!((constant.mean() - 0.3).abs() < 1e-12 && constant.cv() < 1e-12);
    }
}
