//! Recorded series at the instants of a simulation.

use std::collections::BTreeMap;

/// Time since the beginning of the day (s) and value, in the order of time.
pub type Points = Vec<(f64, f64)>;

/// The value at an instant: the last one before it, unless that is older than `max_gap_s`.
#[must_use]
pub fn at(points: &Points, instant_s: f64, max_gap_s: f64) -> Option<f64> {
    let after = points.partition_point(|point| point.0 <= instant_s);
    let (since, value) = *points.get(after.checked_sub(1)?)?;
    (instant_s - since <= max_gap_s).then_some(value)
}

/// The values at all instants.
#[must_use]
pub fn along(points: &Points, instants_s: &[f64], max_gap_s: f64) -> Vec<Option<f64>> {
    instants_s.iter().map(|instant| at(points, *instant, max_gap_s)).collect()
}

/// The sum of several series at every instant at which any of them has a value. A series that has none at that
/// instant counts with its last one, unless that is older than `max_gap_s`: scrapes of several pods or zones
/// need not fall on one instant.
#[must_use]
pub fn sum(series: &[Points], max_gap_s: f64) -> Points {
    let nanos = |seconds: f64| crate::units::convert::round_i64(seconds * 1e9);
    let instants: BTreeMap<i64, f64> =
        series.iter().flatten().map(|point| (nanos(point.0), point.0)).collect();
    let total = |instant: f64| {
        let known = series.iter().filter_map(|points| at(points, instant, max_gap_s));
        known.fold(0.0, |sum, value| sum + value)
    };
    instants.values().map(|instant| (*instant, total(*instant))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_hold_until_they_are_too_old() {
        let points = vec![(0.0, 1.0), (60.0, 2.0), (600.0, 3.0)];
        let found = along(&points, &[-1.0, 0.0, 59.0, 60.0, 359.0, 361.0, 600.0], 300.0);
        assert_eq!(found, [None, Some(1.0), Some(1.0), Some(2.0), Some(2.0), None, Some(3.0)]);
        assert_eq!(at(&Vec::new(), 5.0, 300.0), None);
    }

    #[test]
    fn sums_do_not_need_common_instants() {
        let series = [vec![(0.0, 1.0), (30.0, 2.0)], vec![(5.0, 10.0)]];
        assert_eq!(sum(&series, 20.0), [(0.0, 1.0), (5.0, 11.0), (30.0, 2.0)]);
    }
}
