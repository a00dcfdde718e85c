//! The adapter behind custom and external metrics: scraped series, and what is asked of them.
//!
//! Prometheus scrapes, and the adapter answers with the last sample, or with a rate between the first
//! and the last sample of a window (promql `rate`, without its extrapolation to the window's edges). A
//! series that is not scraped any more is not served.

use std::collections::{BTreeMap, VecDeque};

use crate::model::id::PodId;
use crate::service::Latencies;
use crate::units::convert::round_i64;
use crate::units::{SimDuration, SimTime};

/// One metric's series: of each pod, and of the service as a whole.
#[derive(Debug, Clone, Default)]
pub struct Series {
    latencies: VecDeque<(SimTime, Latencies)>,
    whole: VecDeque<(SimTime, f64)>,
    pods: BTreeMap<PodId, VecDeque<(SimTime, f64)>>,
}

impl Series {
    /// One scrape: the value of the whole, and of each pod that answers. Samples older than `window`
    /// before the last are forgotten, as are pods that do not answer.
    pub fn scrape(
        &mut self,
        now: SimTime,
        window: SimDuration,
        whole: f64,
        pods: impl Iterator<Item = (PodId, f64)>,
    ) {
        push(&mut self.whole, now, window, whole);
        let mut before = std::mem::take(&mut self.pods);
        for (pod, value) in pods {
            let mut samples = before.remove(&pod).unwrap_or_default();
            push(&mut samples, now, window, value);
            self.pods.insert(pod, samples);
        }
    }

    /// One scrape of latencies. Samples older than `window` before the last are forgotten.
    pub fn scrape_latencies(&mut self, now: SimTime, window: SimDuration, counted: Latencies) {
        self.latencies.push_back((now, counted));
        while self.latencies.front().is_some_and(|(at, _)| now.since(*at) > window) {
            self.latencies.pop_front();
        }
    }

    /// A figure of the latencies in the window, in thousandths of a second; `None` when nothing ended.
    #[must_use]
    pub fn latency_milli(&self, figure: impl Fn(&Latencies) -> Option<f64>) -> Option<i64> {
        let ((_, first), (_, last)) = (self.latencies.front()?, self.latencies.back()?);
        figure(&last.since(first)).map(|seconds| round_i64(seconds * 1_000.0))
    }

    /// The value of the whole, in thousandths; `None` without enough samples.
    #[must_use]
    pub fn whole_milli(&self, is_rate: bool) -> Option<i64> {
        value_milli(&self.whole, is_rate)
    }

    /// The value of a pod, in thousandths; `None` without enough samples.
    #[must_use]
    pub fn pod_milli(&self, pod: PodId, is_rate: bool) -> Option<i64> {
        value_milli(self.pods.get(&pod)?, is_rate)
    }
}

fn push(samples: &mut VecDeque<(SimTime, f64)>, now: SimTime, window: SimDuration, value: f64) {
    samples.push_back((now, value));
    while samples.front().is_some_and(|(at, _)| now.since(*at) > window) {
        samples.pop_front();
    }
}

fn value_milli(samples: &VecDeque<(SimTime, f64)>, is_rate: bool) -> Option<i64> {
    let (last, value) = samples.back()?;
    if !is_rate {
        return Some(round_i64(value * 1_000.0));
    }
    let (first, before) = samples.front()?;
    let span_s = last.since(*first).as_secs_f64();
    (span_s > 0.0).then(|| round_i64((value - before).max(0.0) / span_s * 1_000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_those_of_the_window() {
        let (before, mut counted) = (Latencies::default(), Latencies::default());
        for took_s in [0.03, 0.04, 0.2, 0.2, 60.0] {
            counted.add(took_s);
        }
        let mut series = Series::default();
        let minute = SimDuration::from_secs(60);
        series.scrape_latencies(SimTime::from_secs(0), minute, before);
        assert_eq!(series.latency_milli(Latencies::mean_s), None);
        series.scrape_latencies(SimTime::from_secs(60), minute, counted);
        // Half of the two in the bucket from 0.1 s to 0.25 s: 0.1375 s, rounded.
        assert_eq!(series.latency_milli(|it| it.quantile_s(0.5)), Some(138));
    }

    #[test]
    fn a_rate_needs_two_samples_and_a_gauge_one() {
        let mut series = Series::default();
        let minute = SimDuration::from_secs(60);
        let pod = PodId(7);
        series.scrape(SimTime::from_secs(15), minute, 30.0, [(pod, 10.0)].into_iter());
        assert_eq!((series.whole_milli(true), series.whole_milli(false)), (None, Some(30_000)));
        for step in 2..=8_u32 {
            let value = f64::from(step) * 30.0;
            let at = SimTime::from_secs(u64::from(step) * 15);
            series.scrape(at, minute, value, [(pod, value / 3.0)].into_iter());
        }
        assert_eq!(series.whole_milli(true), Some(2_000));
        assert_eq!(series.pod_milli(pod, true), Some(667));
        // A pod that is gone is not served.
        series.scrape(SimTime::from_secs(135), minute, 240.0, std::iter::empty());
        assert_eq!(series.pod_milli(pod, true), None);
    }
}
