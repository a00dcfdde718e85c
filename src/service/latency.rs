//! Latencies as services count them for Prometheus: sums and buckets that only grow.

/// Upper bounds of the buckets into which latencies are counted (s): Prometheus' client libraries have
/// them when nobody says otherwise (`DefBuckets`). What is longer is in the last bucket, without a bound.
pub(super) const BUCKETS_S: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is counted of latencies: ends, their times together (s), and ends by bucket.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Latencies {
    /// Requests that ended.
    pub count: f64,
    /// Their times together (s).
    pub sum_s: f64,
    /// Requests in each bucket, the last of which has no bound.
    buckets: [f64; BUCKETS_S.len() + 1],
}

impl Latencies {
    /// Another request has ended.
    pub fn add(&mut self, took_s: f64) {
        self.add_many(took_s, 1.0);
    }

    /// So many further requests have ended that took as long.
    pub fn add_many(&mut self, took_s: f64, requests: f64) {
        self.count += requests;
        self.sum_s += took_s * requests;
        let bucket = BUCKETS_S.iter().position(|bound| took_s <= *bound);
        self.buckets[bucket.unwrap_or(BUCKETS_S.len())] += requests;
    }

    /// What came between an earlier count and this one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            count: self.count - earlier.count,
            sum_s: self.sum_s - earlier.sum_s,
            buckets: std::array::from_fn(|at| self.buckets[at] - earlier.buckets[at]),
        }
    }

    /// The mean (s); `None` without requests.
    #[must_use]
    pub fn mean_s(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum_s / self.count)
    }

    /// A quantile (s) as promql's `histogram_quantile` has it: linear within a bucket, and the highest
    /// bound where it lies beyond all of them; `None` without requests.
    #[must_use]
    pub fn quantile_s(&self, quantile: f64) -> Option<f64> {
        let wanted = quantile * self.count;
        let mut below = 0.0;
        for (at, bound) in BUCKETS_S.iter().enumerate() {
            let inside = self.buckets[at];
            if inside > 0.0 && below + inside >= wanted {
                let from = if at == 0 { 0.0 } else { BUCKETS_S[at - 1] };
                return Some(from + (bound - from) * (wanted - below) / inside);
            }
            below += inside;
        }
        (self.count > 0.0).then_some(BUCKETS_S[BUCKETS_S.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_buckets() {
        let mut counted = Latencies::default();
        assert_eq!((counted.mean_s(), counted.quantile_s(0.95)), (None, None));
        for took_s in [0.03, 0.04, 0.2, 0.2] {
            counted.add(took_s);
        }
        assert!((counted.mean_s().expect("four ended") - 0.117_5).abs() < 1e-9);
        // The median is the end of the second request's bucket; three quarters lie halfway into the next.
        assert!((counted.quantile_s(0.5).expect("four ended") - 0.05).abs() < 1e-9);
        assert!((counted.quantile_s(0.75).expect("four ended") - 0.175).abs() < 1e-9);
        counted.add(60.0);
        assert!((counted.quantile_s(1.0).expect("five ended") - 10.0).abs() < 1e-9);
    }
}
