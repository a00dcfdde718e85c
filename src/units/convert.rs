//! Number conversions that state what they do at the edges, in one place.
//!
//! The lint table forbids `as` where it can truncate or lose a sign; these functions are the only
//! exceptions, each saturating or asserting in a way its documentation states.

/// A count as `u32`. Asserts that it fits: four thousand million things are a bug, not an input.
#[must_use]
#[inline]
pub fn count_u32(count: usize) -> u32 {
    u32::try_from(count).expect("a count of simulated things fits 32 bits")
}

/// A count as `i32`, the type Kubernetes uses for replicas. Asserts that it fits.
#[must_use]
#[inline]
pub fn count_i32(count: usize) -> i32 {
    i32::try_from(count).expect("a count of replicas fits 32 bits")
}

/// An index held as `u32`, as a `usize`.
#[must_use]
#[inline]
pub fn index(value: u32) -> usize {
    usize::try_from(value).expect("usize has at least 32 bits")
}

/// A count as `u64`.
#[must_use]
#[inline]
pub fn u64_from_usize(count: usize) -> u64 {
    u64::try_from(count).expect("usize has at most 64 bits")
}

/// A float rounded half away from zero to `u64`; negative and NaN become 0, too large saturates.
#[must_use]
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate, and NaN becomes zero: exactly what is promised"
)]
pub fn round_u64(value: f64) -> u64 {
    // Truncation is exact and one instruction; a rounding call would be neither on every platform.
    let whole = value as u64;
    let up = value - f64_from_u64(whole) >= 0.5;
    whole.saturating_add(u64::from(up))
}

/// A float rounded up to `u64`; negative and NaN become 0, too large saturates.
#[must_use]
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturation is what is promised"
)]
pub fn ceil_u64(value: f64) -> u64 {
    let whole = value as u64;
    whole.saturating_add(u64::from(value > f64_from_u64(whole)))
}

/// A float rounded half away from zero to `i64`; NaN becomes 0, too large saturates.
#[must_use]
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "float to integer casts saturate, and NaN becomes zero: exactly what is promised"
)]
pub fn round_i64(value: f64) -> i64 {
    let whole = value as i64;
    // Exact: a double and its whole part differ by less than the spacing of doubles allows for.
    let rest = value - whole as f64;
    whole.saturating_add(i64::from(rest >= 0.5)).saturating_sub(i64::from(rest <= -0.5))
}

/// A float truncated toward zero to `i64`; NaN becomes 0, too large saturates.
#[must_use]
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "float to integer casts saturate, and NaN becomes zero: exactly what is promised"
)]
pub fn trunc_i64(value: f64) -> i64 {
    value as i64
}

/// A float truncated toward zero to `i32`; NaN becomes 0, too large saturates.
///
/// Go's conversion on amd64 wraps instead; upstream made all of its conversions saturate.
#[must_use]
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "float to integer casts saturate, and NaN becomes zero: exactly what is promised"
)]
pub fn trunc_i32(value: f64) -> i32 {
    value as i32
}

/// An integer as the nearest double; above 2^53 the nearest representable one.
#[must_use]
#[inline]
#[expect(clippy::cast_precision_loss, reason = "nearest double is what is promised")]
pub fn f64_from_u64(value: u64) -> f64 {
    value as f64
}

/// A signed integer as the nearest double; above 2^53 the nearest representable one.
#[must_use]
#[inline]
#[expect(clippy::cast_precision_loss, reason = "nearest double is what is promised")]
pub fn f64_from_i64(value: i64) -> f64 {
    value as f64
}

/// A count as a double, exact below 2^53.
#[must_use]
#[inline]
#[expect(clippy::cast_precision_loss, reason = "nearest double is what is promised")]
pub fn f64_from_usize(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_saturate_and_round_half_away_from_zero() {
        assert_eq!(round_u64(2.5), 3);
        assert_eq!(round_u64(-1.0), 0);
        assert_eq!(round_u64(f64::NAN), 0);
        assert_eq!(round_u64(0.499_999_999_999_999_94), 0);
        assert_eq!(round_u64(9_007_199_254_740_993.0), 9_007_199_254_740_992);
        assert_eq!(
            [ceil_u64(2.0), ceil_u64(2.1), ceil_u64(-0.5), ceil_u64(1e30)],
            [2, 3, 0, u64::MAX]
        );
        assert_eq!(round_u64(1e30), u64::MAX);
        assert_eq!(trunc_i32(1e12), i32::MAX);
        assert_eq!(trunc_i64(-2.9), -2);
        let rows = [(0.5, 1), (0.499_999_999_999_999_94, 0), (2.5, 3), (-2.5, -3), (-0.4, 0)];
        for (value, expected) in rows {
            assert_eq!(round_i64(value), expected, "{value}");
        }
        assert_eq!(round_i64(f64::NAN), 0);
        assert_eq!((round_i64(1e300), round_i64(-1e300)), (i64::MAX, i64::MIN));
        assert_eq!(round_i64(4_503_599_627_370_497.5), 4_503_599_627_370_498);
    }
}
