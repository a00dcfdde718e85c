//! Arithmetic on lists of numbers, as Prometheus does it.

use crate::units::convert::{f64_from_usize, index, trunc_i64};

/// A sum that loses no small parts (Neumaier), as Prometheus adds.
pub(super) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        if next.is_infinite() {
            lost = 0.0;
        } else if sum.abs() >= value.abs() {
            lost += (sum - next) + value;
        } else {
            lost += (value - next) + sum;
        }
        sum = next;
    }
    sum + lost
}

/// The quantile of values, between two of them by their distance (quantile.go `quantile`).
pub(super) fn quantile(q: f64, values: &[f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = q * (f64_from_usize(sorted.len()) - 1.0);
    let below = index(u32::try_from(trunc_i64(rank)).unwrap_or(0)).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    let weight = rank - libm::floor(rank);
    sorted[below] * (1.0 - weight) + sorted[above] * weight
}

/// Whether two numbers are the same; NaN is not.
pub(super) fn same(one: f64, other: f64) -> bool {
    one.partial_cmp(&other) == Some(std::cmp::Ordering::Equal)
}
