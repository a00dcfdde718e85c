//! Samples of the recent past, by metric and labels.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use promql_parser::label::Matchers;

use crate::promql::Labels;

/// A sample; no value is a staleness marker: the series ended here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When (ms).
    pub at_ms: i64,
    /// What; `None` says that the series was there no longer.
    pub value: Option<f64>,
}

/// The samples of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Series {
    /// Who writes it: a number of the caller's.
    source: u32,
    pub(super) points: VecDeque<Point>,
}

/// Samples by metric name, then by labels. What is older than anyone asks for is dropped, and a
/// series without samples with it, so that its size does not grow with time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Storage {
    metrics: BTreeMap<Arc<str>, BTreeMap<Labels, Series>>,
}

impl Storage {
    /// Takes in what a source shows at an instant, as a scrape or a rule does: series that it showed
    /// before and does not show now get a staleness marker (scrape/scrape.go). Two samples of one
    /// series at one instant: the first counts.
    pub fn take(
        &mut self,
        at_ms: i64,
        source: u32,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        for (labels, value) in samples {
            let metric = self.metrics.entry(Arc::from(labels.name())).or_default();
            let series = metric.entry(labels).or_default();
            series.source = source;
            if series.points.back().is_none_or(|last| last.at_ms < at_ms) {
                series.points.push_back(Point { at_ms, value: Some(value) });
            }
        }
        for series in self.metrics.values_mut().flat_map(BTreeMap::values_mut) {
            let gone = |last: &Point| last.at_ms < at_ms && last.value.is_some();
            if series.source == source && series.points.back().is_some_and(gone) {
                series.points.push_back(Point { at_ms, value: None });
            }
        }
    }

    /// Forgets samples before an instant, but for the last of each series that still speaks then.
    pub fn forget_before(&mut self, at_ms: i64) {
        for metric in self.metrics.values_mut() {
            metric.retain(|_, series| {
                while series.points.front().is_some_and(|point| point.at_ms < at_ms) {
                    series.points.pop_front();
                }
                !series.points.is_empty()
            });
        }
        self.metrics.retain(|_, metric| !metric.is_empty());
    }

    /// The series of a metric whose labels match.
    pub(super) fn select<'a>(
        &'a self,
        name: &str,
        matchers: &'a Matchers,
    ) -> impl Iterator<Item = (&'a Labels, &'a Series)> {
        let all = self.metrics.get(name).into_iter().flatten();
        all.filter(|(labels, _)| {
            let mut own = matchers.matchers.iter();
            own.all(|matcher| matcher.is_match(labels.get(&matcher.name)))
        })
    }

    /// How many samples are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.metrics.values().flat_map(BTreeMap::values).map(|series| series.points.len()).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }
}

impl Series {
    /// The value that an instant selector finds: the last one of the look-back, unless the series ended.
    pub(super) fn value_at(&self, at_ms: i64, lookback_ms: i64) -> Option<Point> {
        let last = self.points.iter().rev().find(|point| point.at_ms <= at_ms)?;
        (last.value.is_some() && last.at_ms > at_ms - lookback_ms).then_some(*last)
    }

    /// The values after `from` up to `to`, markers left out.
    pub(super) fn values_in(&self, from_ms: i64, to_ms: i64) -> Vec<(i64, f64)> {
        let inside =
            self.points.iter().filter(|point| point.at_ms > from_ms && point.at_ms <= to_ms);
        inside.filter_map(|point| Some((point.at_ms, point.value?))).collect()
    }
}
