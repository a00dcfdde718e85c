//! Quantiles of classic histograms.

use crate::promql::eval::Sample;
use crate::promql::numbers::same;
use crate::promql::{Labels, NAME};

/// Upper bound and cumulative count of a bucket.
type Bucket = (f64, f64);

/// `histogram_quantile`: one value for each set of labels beside `le`.
pub(super) fn quantiles(q: f64, samples: &[Sample]) -> Vec<Sample> {
    let mut histograms: Vec<(Labels, Vec<Bucket>)> = Vec::new();
    for sample in samples {
        let Some(bound) = bound(sample.labels.get("le")) else { continue };
        let labels = sample.labels.without(&[NAME, "le"]);
        match histograms.iter_mut().find(|(own, _)| *own == labels) {
            Some((_, buckets)) => buckets.push((bound, sample.value)),
            None => histograms.push((labels, vec![(bound, sample.value)])),
        }
    }
    let found = histograms
        .into_iter()
        .map(|(labels, buckets)| Sample { labels, value: bucket_quantile(q, buckets) });
    found.collect()
}

fn bound(le: &str) -> Option<f64> {
    match le {
        "+Inf" | "Inf" | "+inf" | "inf" => Some(f64::INFINITY),
        _ => le.parse().ok(),
    }
}

/// The quantile of a classic histogram (quantile.go `BucketQuantile`): linear within a bucket, the
/// lowest one from zero; above the last bound, that bound.
fn bucket_quantile(q: f64, mut buckets: Vec<Bucket>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    if !buckets.last().is_some_and(|(bound, _)| bound.is_infinite() && *bound > 0.0) {
        return f64::NAN;
    }
    let buckets = monotonic(coalesced(buckets));
    let [.., (last_bound, _), (_, observations)] = buckets.as_slice() else { return f64::NAN };
    if observations.is_nan() || *observations <= 0.0 {
        return f64::NAN;
    }
    let mut rank = q * observations;
    let finite = &buckets[..buckets.len() - 1];
    let Some(at) = finite.iter().position(|(_, count)| *count >= rank) else { return *last_bound };
    let (end, mut count) = finite[at];
    if at == 0 && end <= 0.0 {
        return end;
    }
    let mut start = 0.0;
    if let Some((bound, before)) = at.checked_sub(1).map(|at| finite[at]) {
        start = bound;
        count -= before;
        rank -= before;
    }
    start + (end - start) * (rank / count)
}

/// Buckets of one bound are one.
fn coalesced(buckets: Vec<Bucket>) -> Vec<Bucket> {
    let mut out: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for (bound, count) in buckets {
        match out.last_mut() {
            Some(last) if same(last.0, bound) => last.1 += count,
            Some(_) | None => out.push((bound, count)),
        }
    }
    out
}

/// Counts that fall, or differ by less than the precision of a sum, are those of the bucket below.
fn monotonic(mut buckets: Vec<Bucket>) -> Vec<Bucket> {
    const PRECISION: f64 = 1e-12;
    for at in 1..buckets.len() {
        let before = buckets[at - 1].1;
        let count = buckets[at].1;
        let near = ((count - before) / count).abs() <= PRECISION;
        if count < before || near {
            buckets[at].1 = before;
        }
    }
    buckets
}
