//! Series of several pods or labels as one: their sum or mean at common instants.
//!
//! Scrapes of pods lie apart, have holes, repeat instants and begin when a pod does. A sum over whatever has
//! a sample at an instant would be too small in every hole; here an instant with a hole is left out.

use crate::input::recordings::{Sample, Series};
use crate::units::convert::f64_from_usize;

/// Values of one series by time (ns), ascending, each time once.
type Track = Vec<(i64, f64)>;

/// How several values at an instant become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Their sum; a series that has not begun counts nothing.
    Sum,
    /// Their mean over the series that are there.
    Mean,
}

/// Joins series: counters (`..._total`, `..._count`) as rates, anything else as it is.
#[must_use]
pub fn joined(series: &[Series], join: Join) -> Track {
    let tracks: Vec<Track> = series.iter().map(track).filter(|track| !track.is_empty()).collect();
    let steps: Vec<i64> = tracks.iter().map(step_ns).collect();
    let Some(step) = steps.iter().copied().min() else { return Vec::new() };
    let mut instants: Vec<i64> = tracks.iter().flatten().map(|(at, _)| *at).collect();
    instants.sort_unstable();
    let mut last = None;
    instants.retain(|at| {
        let apart = last.is_none_or(|last: i64| at.saturating_sub(last) > step / 2);
        if apart {
            last = Some(*at);
        }
        apart
    });
    let at = |at: i64| -> Option<(i64, f64)> {
        let mut values = Vec::with_capacity(tracks.len());
        for (track, step) in tracks.iter().zip(&steps) {
            match value(track, *step, at) {
                Known::Value(value) => values.push(value),
                Known::NotThere => {}
                Known::Hole => return None,
            }
        }
        let sum: f64 = values.iter().sum();
        match join {
            _ if values.is_empty() => None,
            Join::Sum => Some((at, sum)),
            Join::Mean => Some((at, sum / f64_from_usize(values.len()))),
        }
    };
    instants.into_iter().filter_map(at).collect()
}

/// What a series says of an instant.
enum Known {
    Value(f64),
    /// It has not begun, or is over.
    NotThere,
    /// It has samples before and after, none near.
    Hole,
}

fn value(track: &Track, step: i64, at: i64) -> Known {
    let after = track.partition_point(|point| point.0 < at);
    let candidates = [after.checked_sub(1), Some(after)];
    let nearest = candidates
        .into_iter()
        .flatten()
        .filter_map(|position| track.get(position))
        .min_by_key(|point| (point.0 - at).abs());
    match nearest {
        Some((time, value)) if (time - at).abs() <= step / 2 => Known::Value(*value),
        Some(_) if after > 0 && after < track.len() => Known::Hole,
        Some(_) | None => Known::NotThere,
    }
}

/// The usual distance of samples (ns).
fn step_ns(track: &Track) -> i64 {
    let mut steps: Vec<i64> = track.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).copied().unwrap_or(1_000_000_000).max(1)
}

/// A counter as the rate between neighbours (what a reset took is lost), anything else as it is. Of
/// samples at one instant the last counts.
#[must_use]
pub fn track(series: &Series) -> Track {
    let mut samples: Vec<Sample> = Vec::with_capacity(series.samples.len());
    for sample in series.samples.iter().filter(|sample| sample.value.is_finite()) {
        match samples.last_mut() {
            Some(last) if last.at_ns == sample.at_ns => *last = *sample,
            Some(_) | None => samples.push(*sample),
        }
    }
    let counter = series.name.ends_with("_total") || series.name.ends_with("_count");
    if !counter {
        return samples.iter().map(|sample| (sample.at_ns, sample.value)).collect();
    }
    let between = samples.windows(2).map(|pair| {
        let (before, after) = (pair[0], pair[1]);
        let reset = after.value < before.value;
        let grown = if reset { after.value } else { after.value - before.value };
        let seconds = crate::units::convert::f64_from_i64(after.at_ns - before.at_ns) / 1e9;
        (after.at_ns, grown / seconds)
    });
    between.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, points: &[(i64, f64)]) -> Series {
        let sample = |(at, value): &(i64, f64)| Sample { at_ns: at * 1_000_000_000, value: *value };
        Series {
            name: name.to_owned(),
            samples: points.iter().map(sample).collect(),
            ..Series::default()
        }
    }

    fn seconds(track: Track) -> Vec<(i64, f64)> {
        track.into_iter().map(|(at, value)| (at / 1_000_000_000, value)).collect()
    }

    /// The second pod is scraped five seconds later, has a hole at 45 s and begins at 20 s.
    #[test]
    fn pods_are_summed_where_all_of_them_are_known() {
        let one =
            series("cores", &[(0, 1.0), (15, 1.0), (30, 1.0), (45, 1.0), (60, 1.0), (75, 1.0)]);
        let two = series("cores", &[(20, 2.0), (35, 2.0), (65, 2.0), (80, 2.0)]);
        let sum = seconds(joined(&[one.clone(), two.clone()], Join::Sum));
        let expected = [(0, 1.0), (15, 3.0), (30, 3.0), (60, 3.0), (75, 3.0)];
        assert_eq!(sum, expected, "45 s is left out");
        let mean = seconds(joined(&[one, two], Join::Mean));
        assert_eq!(mean[0], (0, 1.0));
        assert_eq!(mean[1], (15, 1.5));
    }

    /// A repeated instant is no jump, a reset loses what it took, what is not a number is a hole.
    #[test]
    fn counters_become_rates() {
        let counter = series(
            "requests_total",
            &[(0, 100.0), (10, 200.0), (10, 200.0), (20, 50.0), (30, f64::NAN), (40, 250.0)],
        );
        assert_eq!(seconds(track(&counter)), [(10, 10.0), (20, 5.0), (40, 10.0)]);
        assert!(track(&series("x_total", &[(0, 1.0)])).is_empty());
        assert!(joined(&[], Join::Sum).is_empty());
    }
}
