//! A piecewise linear rate over time, with its exact integral and the exact inverse of it.
//!
//! Constant, ramping, diurnal, spike and step loads are all lowered onto this one form: segments
//! on which the rate goes linearly from `a` to `b`. The integral of the rate up to `t` is the number
//! of iterations expected until `t`; inverting it turns a count into an instant.

use crate::load::rate::Rate;
use crate::units::convert::{f64_from_u64, trunc_i64};
use crate::units::time::SimDuration;

/// One stretch of linear rate.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    /// Offset of its beginning (ns).
    start: u64,
    /// Length (ns), above zero.
    duration: u64,
    /// Rate at the beginning (iterations/ns).
    from: f64,
    /// Rate at the end (iterations/ns).
    to: f64,
    /// Integral of the rate from offset zero to the beginning (iterations).
    area_before: f64,
    /// Integral of the rate from offset zero to the end (iterations).
    area_end: f64,
}

/// A rate that is linear in pieces, from offset zero for [`Shape::span`]; zero afterwards.
///
/// Where the rate jumps, the later value counts (right-continuous).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape {
    segments: Vec<Segment>,
}

/// A place on a shape that only moves forward: what makes an arrival cost O(1) amortised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor(usize);

impl Segment {
    /// Rate `nanos` after the beginning (iterations/ns).
    fn rate_after(&self, nanos: u64) -> f64 {
        self.from + (self.to - self.from) * (f64_from_u64(nanos) / f64_from_u64(self.duration))
    }

    /// Integral from the beginning to `nanos` after it (iterations).
    fn area_after(&self, nanos: u64) -> f64 {
        f64_from_u64(nanos) * f64::midpoint(self.from, self.rate_after(nanos))
    }

    /// Nanoseconds after the beginning at which the integral has grown by `area`, cut to whole
    /// nanoseconds as k6 does.
    ///
    /// The root of `area = a·x + (b − a)·x²/(2·D)`, written as `2·area / (a + √(a² + 2·area·(b −
    /// a)/D))`. k6 (`cal` in `lib/executor/ramping_arrival_rate.go`) writes `(a·D − √(…)) / (a −
    /// b)`, which is the same number but loses its digits where a and b are close; this form does
    /// not, and needs no case for a constant rate. The square root is one that IEEE 754 defines to
    /// the last bit, so it is the same everywhere.
    fn nanos_until(&self, area: f64) -> u64 {
        if area <= 0.0 {
            return 0;
        }
        let slope = (self.to - self.from) / f64_from_u64(self.duration);
        let discriminant = self.from * self.from + 2.0 * area * slope;
        // Rounding can leave it a hair below zero where a ramp ends at rate zero.
        let nanos = 2.0 * area / (self.from + discriminant.max(0.0).sqrt());
        u64::try_from(trunc_i64(nanos)).unwrap_or(0).min(self.duration)
    }
}

impl Shape {
    /// The expected number of iterations over the whole span.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.segments.last().map_or(0.0, |segment| segment.area_end)
    }

    /// How long the shape is.
    #[must_use]
    pub fn span(&self) -> SimDuration {
        let end = self.segments.last().map_or(0, |segment| segment.start + segment.duration);
        SimDuration::from_nanos(end)
    }

    /// The rate at an offset (iterations/s); zero from the end on.
    #[must_use]
    pub fn rate_at(&self, offset: SimDuration) -> f64 {
        let nanos = offset.as_nanos();
        match self.segment_at(nanos) {
            Some(segment) if nanos < segment.start + segment.duration => {
                segment.rate_after(nanos - segment.start) * 1e9
            }
            Some(_) | None => 0.0,
        }
    }

    /// The highest rate of all (iterations/s).
    #[must_use]
    pub fn rate_max(&self) -> f64 {
        self.segments.iter().fold(0.0, |max, segment| f64::max(max, segment.from.max(segment.to)))
            * 1e9
    }

    /// The expected number of iterations from offset zero to an offset.
    #[must_use]
    pub fn integral(&self, offset: SimDuration) -> f64 {
        let nanos = offset.as_nanos();
        self.segment_at(nanos).map_or(0.0, |segment| {
            let inside = nanos - segment.start;
            if inside >= segment.duration {
                segment.area_end
            } else {
                segment.area_before + segment.area_after(inside)
            }
        })
    }

    /// The first offset at which the integral reaches `area`, cut to whole nanoseconds; `None`
    /// when it never does.
    #[must_use]
    pub fn inverse_integral(&self, area: f64) -> Option<SimDuration> {
        self.advance(&mut Cursor::default(), area)
    }

    /// The same as [`Shape::inverse_integral`] for areas that never decrease from call to call:
    /// the cursor remembers the segment.
    #[inline]
    pub fn advance(&self, cursor: &mut Cursor, area: f64) -> Option<SimDuration> {
        loop {
            let segment = self.segments.get(cursor.0)?;
            if area <= segment.area_end {
                let inside = segment.nanos_until(area - segment.area_before);
                return Some(SimDuration::from_nanos(segment.start + inside));
            }
            cursor.0 += 1;
        }
    }

    /// The last segment that begins at or before an offset.
    fn segment_at(&self, nanos: u64) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.start <= nanos);
        self.segments[..after].last()
    }
}

/// Lays segments one after the other.
#[derive(Debug, Clone)]
pub struct ShapeBuilder {
    shape: Shape,
    /// Rate reached so far (iterations/ns).
    rate: f64,
    /// Where the next segment begins (ns).
    end: u64,
    /// No segment goes beyond (ns).
    limit: u64,
}

impl ShapeBuilder {
    /// A shape that begins with this rate.
    #[must_use]
    pub fn starting_at(rate: Rate) -> Self {
        let rate = rate.as_per_nano();
        Self { shape: Shape::default(), rate, end: 0, limit: u64::MAX }
    }

    /// The same, but whatever goes beyond `limit` is cut off.
    #[must_use]
    pub fn at_most(mut self, limit: SimDuration) -> Self {
        self.limit = limit.as_nanos();
        self
    }

    /// From the rate reached so far linearly to `rate` over a span; over no span it jumps.
    #[must_use]
    pub fn ramp_to(mut self, rate: Rate, over: SimDuration) -> Self {
        self.push(rate.as_per_nano(), over.as_nanos());
        self
    }

    /// Stays at the rate reached so far for a span.
    #[must_use]
    pub fn hold(mut self, over: SimDuration) -> Self {
        self.push(self.rate, over.as_nanos());
        self
    }

    /// Stays at the rate reached so far up to the limit.
    #[must_use]
    pub fn hold_to_the_limit(mut self) -> Self {
        self.push(self.rate, self.limit - self.end);
        self
    }

    /// The shape as laid.
    #[must_use]
    pub fn build(self) -> Shape {
        self.shape
    }

    /// k6 carries the fraction of an iteration that a stage leaves over into the next one; here
    /// that is the running sum of areas, added up in k6's order so that it rounds alike.
    fn push(&mut self, to: f64, duration: u64) {
        let whole = Segment {
            start: self.end,
            duration,
            from: self.rate,
            to,
            area_before: self.shape.total(),
            area_end: 0.0,
        };
        self.rate = to;
        let kept = duration.min(self.limit - self.end);
        if kept == 0 {
            return;
        }
        let to = if kept < duration { whole.rate_after(kept) } else { to };
        let area = f64_from_u64(kept) * ((to - whole.from) / 2.0 + whole.from);
        let area_end = whole.area_before + area;
        self.shape.segments.push(Segment { duration: kept, to, area_end, ..whole });
        self.end = self.end.saturating_add(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(count: u64) -> SimDuration {
        SimDuration::from_secs(count)
    }

    /// 2/s for 5 s, up to 3/s over 5 s, a jump to 10/s, down to nothing over 4 s.
    fn example() -> Shape {
        ShapeBuilder::starting_at(Rate::per_second(2.0))
            .hold(secs(5))
            .ramp_to(Rate::per_second(3.0), secs(5))
            .ramp_to(Rate::per_second(10.0), secs(0))
            .ramp_to(Rate::ZERO, secs(4))
            .build()
    }

    #[test]
    fn rates_and_integrals_are_those_of_the_figure() {
        let rows = [
            (0, 2.0, 0.0),
            (4, 2.0, 8.0),
            (5, 2.0, 10.0),
            (10, 10.0, 22.5),
            (12, 5.0, 37.5),
            (14, 0.0, 42.5),
            (99, 0.0, 42.5),
        ];
        let shape = example();
        for (at, rate, area) in rows {
            assert!((shape.rate_at(secs(at)) - rate).abs() < 1e-9, "rate at {at} s");
            assert!((shape.integral(secs(at)) - area).abs() < 1e-9, "integral at {at} s");
        }
        assert!((shape.rate_at(SimDuration::from_millis(7_500)) - 2.5).abs() < 1e-9);
        assert!((shape.total() - 42.5).abs() < 1e-9);
        assert!((shape.rate_max() - 10.0).abs() < 1e-9);
        assert_eq!(shape.span(), secs(14));
    }

    #[test]
    fn the_inverse_undoes_the_integral_to_the_nanosecond() {
        let shape = example();
        for millis in (1..14_000).step_by(7) {
            let offset = SimDuration::from_millis(millis);
            let back = shape.inverse_integral(shape.integral(offset)).unwrap();
            // Towards rate zero the inverse is steep: a rounding of 1e-15 becomes microseconds.
            let tolerance = if millis > 13_900 { 100_000 } else { 2 };
            let difference = back.as_nanos().abs_diff(offset.as_nanos());
            assert!(difference <= tolerance, "{millis} ms: off by {difference} ns");
        }
        assert_eq!(shape.inverse_integral(42.6), None);
    }

    #[test]
    fn a_stretch_of_no_rate_is_stepped_over() {
        let shape = ShapeBuilder::starting_at(Rate::ZERO)
            .hold(secs(3))
            .ramp_to(Rate::per_second(1.0), secs(0))
            .hold(secs(2))
            .build();
        let first = shape.inverse_integral(1.0).unwrap();
        assert!(first.as_nanos().abs_diff(4_000_000_000) <= 1, "{first}");
        assert!(shape.rate_at(secs(2)) < 1e-12);
    }

    #[test]
    fn a_limit_cuts_a_ramp_where_it_stands() {
        let shape = ShapeBuilder::starting_at(Rate::ZERO)
            .at_most(secs(4))
            .ramp_to(Rate::per_second(10.0), secs(10))
            .hold_to_the_limit()
            .build();
        assert_eq!(shape.span(), secs(4));
        assert!((shape.total() - 8.0).abs() < 1e-9);
    }
}
