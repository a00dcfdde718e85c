//! Every metric that has samples, under k6's names and with k6's figures.

use crate::metrics::{Measurements, MetricView};
use crate::report::MetricEntry;
use crate::scenario::Scenario;
use crate::scenario::threshold::{
    Contains, Method, Metric, MetricKind, MetricSelector, MetricValue, catalogue,
};
use crate::units::convert::f64_from_u64;

/// The catalogue in its order, then the parts of metrics that thresholds are about.
pub(super) fn entries(scenario: &Scenario, measured: &Measurements) -> Vec<MetricEntry> {
    let whole = catalogue::METRICS.iter().map(|metric| {
        let selector = metric.name.parse().expect("names of the catalogue are selectors");
        (metric, selector)
    });
    let mut parts: Vec<(&Metric, MetricSelector)> = Vec::new();
    for spec in &scenario.thresholds {
        let selector = spec.metric();
        let known = parts.iter().any(|(_, known)| known == selector);
        if selector.tags().next().is_some()
            && !known
            && let Some(metric) = catalogue::find(selector.name())
        {
            parts.push((metric, selector.clone()));
        }
    }
    whole
        .chain(parts)
        .map(|(metric, selector)| entry(scenario, measured, metric, &selector))
        .filter(|entry| !entry.values.is_empty())
        .collect()
}

fn entry(
    scenario: &Scenario,
    measured: &Measurements,
    metric: &Metric,
    selector: &MetricSelector,
) -> MetricEntry {
    let view = MetricView::new(scenario, measured, selector);
    let methods: &[(&'static str, Method)] = match metric.kind {
        MetricKind::Counter => &[("count", Method::Count), ("rate", Method::Rate)],
        MetricKind::Gauge => {
            &[("value", Method::Value), ("min", Method::Min), ("max", Method::Max)]
        }
        MetricKind::Rate => &[("rate", Method::Rate)],
        MetricKind::Trend => &[
            ("avg", Method::Avg),
            ("min", Method::Min),
            ("med", Method::Med),
            ("max", Method::Max),
            ("p(90)", Method::Percentile(90.0)),
            ("p(95)", Method::Percentile(95.0)),
            ("p(99)", Method::Percentile(99.0)),
        ],
    };
    let mut values: Vec<(&'static str, f64)> = methods
        .iter()
        .filter_map(|(name, method)| view.value(*method).map(|value| (*name, value)))
        .collect();
    if let Some((matching, of)) = view.share_counts()
        && of > 0
    {
        values.push(("matches", f64_from_u64(matching)));
        values.push(("total", f64_from_u64(of)));
    }
    MetricEntry {
        name: selector.to_string(),
        kind: match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Rate => "rate",
            MetricKind::Trend => "trend",
        },
        contains: match metric.contains {
            Contains::Time => "time",
            Contains::Data => "data",
            Contains::Number | Contains::Share | Contains::Money => "default",
        },
        values,
    }
}
