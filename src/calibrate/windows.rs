//! Requests counted over windows of time.

use crate::fit::quantile;
use crate::units::convert::{f64_from_usize, round_u64};

/// A window of time and what went on in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// When it begins (s).
    pub from_s: f64,
    /// Requests in progress, on average.
    pub in_progress: f64,
    /// Requests that ended, per second.
    pub throughput: f64,
    /// 95th percentile of the durations of the requests that started in it (s); `None` when none did.
    pub p95_s: Option<f64>,
}

/// Windows of equal length from the first start to the last, of requests with starts and ends (s).
#[must_use]
pub fn windows(spans: &[(f64, f64)], length_s: f64) -> Vec<Window> {
    let first = spans.iter().map(|span| span.0).fold(f64::INFINITY, f64::min);
    let last = spans.iter().map(|span| span.0).fold(f64::NEG_INFINITY, f64::max);
    if !first.is_finite() || !last.is_finite() || length_s <= 0.0 {
        return Vec::new();
    }
    let count = usize::try_from(round_u64(((last - first) / length_s).floor())).unwrap_or(0) + 1;
    let mut inside = vec![0.0; count];
    let mut ended = vec![0_usize; count];
    let mut durations: Vec<Vec<f64>> = vec![Vec::new(); count];
    let place =
        |at: f64| usize::try_from(round_u64(((at - first) / length_s).floor())).unwrap_or(0);
    for (start, end) in spans {
        let (begin, finish) = (place(*start), place(*end));
        if let Some(list) = durations.get_mut(begin) {
            list.push(end - start);
        }
        if let Some(count) = ended.get_mut(finish) {
            *count += 1;
        }
        for (at, sum) in inside.iter_mut().enumerate().skip(begin).take(finish - begin + 1) {
            let from = first + f64_from_usize(at) * length_s;
            *sum += (end.min(from + length_s) - start.max(from)).max(0.0);
        }
    }
    let window = |at: usize| {
        let mut list = durations[at].clone();
        list.sort_by(f64::total_cmp);
        Window {
            from_s: first + f64_from_usize(at) * length_s,
            in_progress: inside[at] / length_s,
            throughput: f64_from_usize(ended[at]) / length_s,
            p95_s: (!list.is_empty()).then(|| quantile(&list, 0.95)),
        }
    };
    (0..count).map(window).collect()
}

/// Requests in progress between two instants (s), on average.
#[must_use]
pub fn in_progress(spans: &[(f64, f64)], from_s: f64, to_s: f64) -> f64 {
    let inside = |(start, end): &(f64, f64)| (end.min(to_s) - start.max(from_s)).max(0.0);
    spans.iter().map(inside).sum::<f64>() / (to_s - from_s).max(1e-9)
}

/// Requests per second that ended between two instants (s).
#[must_use]
pub fn rate(spans: &[(f64, f64)], from_s: f64, to_s: f64) -> f64 {
    let ended = spans.iter().filter(|(_, end)| *end > from_s && *end <= to_s).count();
    f64_from_usize(ended) / (to_s - from_s).max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_count_what_was_inside() {
        let spans = [(0.0, 1.0), (0.5, 2.5), (9.0, 12.0)];
        let windows = windows(&spans, 5.0);
        assert_eq!(windows.len(), 2);
        assert!((windows[0].in_progress - 3.0 / 5.0).abs() < 1e-12);
        assert!((windows[0].throughput - 2.0 / 5.0).abs() < 1e-12);
        assert!((windows[1].in_progress - 1.0 / 5.0).abs() < 1e-12);
        assert_eq!(windows[1].p95_s, Some(3.0));
        assert!((in_progress(&spans, 0.0, 1.0) - 1.5).abs() < 1e-12);
        assert!((rate(&spans, 0.0, 2.5) - 0.8).abs() < 1e-12);
        assert!(super::windows(&[], 5.0).is_empty());
    }
}
