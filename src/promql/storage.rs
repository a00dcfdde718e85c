//! Samples of the recent past, by metric and labels.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use promql_parser::label::Matchers;

use crate::promql::Labels;
use crate::units::convert::{count_u32, index};

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
    labels: Labels,
    /// Who writes it: a number of the caller's.
    source: u32,
    /// Where it stood when its source last showed it.
    shown: usize,
    pub(super) points: VecDeque<Point>,
}

/// Samples by metric name, then by labels. What is older than anyone asks for is dropped, and a
/// series without samples with it, so that its size does not grow with time.
///
/// A source shows much the same series each time, in the same order. So what follows the series that
/// was found last is looked at first, as Prometheus remembers what each line of a page means
/// (scrape/scrape.go `scrapeCache`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Storage {
    metrics: BTreeMap<Arc<str>, BTreeMap<Labels, u32>>,
    /// By place; that of a forgotten series is used again.
    series: Vec<Series>,
    free: Vec<u32>,
    /// The places of what each source showed last.
    pages: BTreeMap<u32, Vec<u32>>,
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
        let before = self.pages.remove(&source).unwrap_or_default();
        let mut page = Vec::with_capacity(before.len());
        let mut next = 0;
        for (labels, value) in samples {
            let expected = before.get(next).copied();
            let place = expected
                .filter(|place| self.series[index(*place)].labels == labels)
                .unwrap_or_else(|| self.place(labels));
            let series = &mut self.series[index(place)];
            next = if expected == Some(place) { next } else { series.shown } + 1;
            (series.source, series.shown) = (source, page.len());
            page.push(place);
            if series.points.back().is_none_or(|last| last.at_ms < at_ms) {
                series.points.push_back(Point { at_ms, value: Some(value) });
            }
        }
        for place in before {
            let series = &mut self.series[index(place)];
            let gone = |last: &Point| last.at_ms < at_ms && last.value.is_some();
            if series.source == source && series.points.back().is_some_and(gone) {
                series.points.push_back(Point { at_ms, value: None });
            }
        }
        self.pages.insert(source, page);
    }

    /// The place of the series of these labels, made when there is none.
    fn place(&mut self, labels: Labels) -> u32 {
        if !self.metrics.contains_key(labels.name()) {
            self.metrics.insert(Arc::from(labels.name()), BTreeMap::new());
        }
        let metric = self.metrics.get_mut(labels.name()).expect("it was just made");
        if let Some(place) = metric.get(&labels) {
            return *place;
        }
        let series = Series { labels: labels.clone(), ..Series::default() };
        let place = match self.free.pop() {
            Some(place) => {
                self.series[index(place)] = series;
                place
            }
            None => {
                self.series.push(series);
                count_u32(self.series.len() - 1)
            }
        };
        metric.insert(labels, place);
        place
    }

    /// Forgets samples before an instant, but for the last of each series that still speaks then.
    pub fn forget_before(&mut self, at_ms: i64) {
        let Self { metrics, series, free, .. } = self;
        for metric in metrics.values_mut() {
            metric.retain(|_, place| {
                let series = &mut series[index(*place)];
                while series.points.front().is_some_and(|point| point.at_ms < at_ms) {
                    series.points.pop_front();
                }
                if series.points.is_empty() {
                    *series = Series::default();
                    free.push(*place);
                    return false;
                }
                true
            });
        }
        metrics.retain(|_, metric| !metric.is_empty());
    }

    /// The series of a metric whose labels match.
    pub(super) fn select<'a>(
        &'a self,
        name: &str,
        matchers: &'a Matchers,
    ) -> impl Iterator<Item = (&'a Labels, &'a Series)> {
        let all = self.metrics.get(name).into_iter().flatten();
        let all = all.map(|(labels, place)| (labels, &self.series[index(*place)]));
        all.filter(|(labels, _)| {
            let mut own = matchers.matchers.iter();
            own.all(|matcher| matcher.is_match(labels.get(&matcher.name)))
        })
    }

    /// How many samples are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.iter().map(|series| series.points.len()).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn named(pods: &[&str]) -> Vec<(Labels, f64)> {
        let labels = |pod: &&str| Labels::of([(crate::promql::NAME, "up"), ("pod", *pod)]);
        pods.iter().map(|pod| (labels(pod), 1.0)).collect()
    }

    /// When each series was told, and when it ended (negative).
    fn told(storage: &Storage) -> Vec<(String, Vec<i64>)> {
        let series = storage.metrics.values().flatten();
        let told = series.map(|(labels, place)| {
            let points = &storage.series[index(*place)].points;
            let at = |point: &Point| if point.value.is_some() { point.at_ms } else { -point.at_ms };
            (labels.get("pod").to_owned(), points.iter().map(at).collect())
        });
        told.collect()
    }

    #[test]
    fn pages_that_change_find_their_series_again() {
        let mut storage = Storage::default();
        storage.take(1, 0, named(&["a", "b", "c"]));
        storage.take(2, 0, named(&["a", "x", "b", "c"]));
        storage.take(3, 0, named(&["c", "a"]));
        storage.take(4, 0, named(&["b", "c", "b"]));
        let row = |pod: &str, at: &[i64]| (pod.to_owned(), at.to_vec());
        let expected = [
            row("a", &[1, 2, 3, -4]),
            row("b", &[1, 2, -3, 4]),
            row("c", &[1, 2, 3, 4]),
            row("x", &[2, -3]),
        ];
        assert_eq!(told(&storage), expected);
        storage.forget_before(4);
        assert_eq!(told(&storage), [row("a", &[-4]), row("b", &[4]), row("c", &[4])]);
        // The place of a forgotten series is another's now, though the page still names it.
        storage.take(5, 1, named(&["y"]));
        storage.take(6, 0, named(&["b"]));
        assert_eq!(told(&storage)[3], row("y", &[5]));
        assert_eq!(storage.len(), 6);
    }

    #[test]
    fn a_series_belongs_to_whoever_wrote_it_last() {
        let mut storage = Storage::default();
        storage.take(1, 0, named(&["a"]));
        storage.take(2, 1, named(&["a"]));
        storage.take(3, 0, named(&[]));
        assert_eq!(told(&storage), [("a".to_owned(), vec![1, 2])]);
        storage.take(4, 1, named(&[]));
        assert_eq!(told(&storage), [("a".to_owned(), vec![1, 2, -4])]);
    }
}
