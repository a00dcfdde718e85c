//! Go's number conversions as compiled for amd64, where decisions show them.

/// A double to `int32`, cut off toward zero. What does not fit becomes the minimum: amd64 has one
/// answer for all of it, and the 1.36 controller guards only some of its conversions.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked on the line above")]
pub(super) fn int32_unguarded(number: f64) -> i32 {
    if number > -2_147_483_649.0 && number < 2_147_483_648.0 {
        return number as i32;
    }
    i32::MIN
}

/// A double to `int32` where the controller guards the upper end (Value targets, and External
/// metrics with an average target).
pub(super) fn int32_guarded(number: f64) -> i32 {
    if number > f64::from(i32::MAX) { i32::MAX } else { int32_unguarded(number) }
}

/// A double to `int64`, cut off toward zero; what does not fit becomes the minimum.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked on the line above")]
pub(super) fn int64_unguarded(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
        return number as i64;
    }
    i64::MIN
}

/// The low 32 bits of an `int64`, which is what `int32(x)` gives for integers.
#[expect(clippy::cast_possible_truncation, reason = "dropping the high bits is the rule")]
pub(super) fn int32_low_bits(number: i64) -> i32 {
    number as i32
}

/// An `int64` as the nearest double.
#[expect(clippy::cast_precision_loss, reason = "the controller rounds here too")]
pub(super) fn double(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_range_is_the_minimum_unless_guarded() {
        assert_eq!(int32_unguarded(2_147_483_647.9), i32::MAX);
        assert_eq!(int32_unguarded(-2_147_483_648.9), i32::MIN);
        assert_eq!(int32_unguarded(-1.9), -1);
        for far in [2_147_483_648.0, f64::INFINITY, f64::NAN, -1e300] {
            assert_eq!(int32_unguarded(far), i32::MIN, "{far}");
        }
        assert_eq!(int32_guarded(1e12), i32::MAX);
        assert_eq!(int32_guarded(f64::NAN), i32::MIN);
        assert_eq!(int64_unguarded(f64::INFINITY), i64::MIN);
        assert_eq!(int32_low_bits(4_294_967_301), 5);
    }
}
