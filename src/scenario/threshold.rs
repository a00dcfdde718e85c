//! Thresholds in k6's grammar: which measured figure must lie on which side of which limit.

use std::fmt;
use std::sync::Arc;

use crate::units::{Origin, SimDuration};

/// An entry of `thresholds`: one expression about one metric. Display is k6's own spelling: `p(95)<500`.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdSpec {
    /// The metric, e.g. `http_req_duration`.
    pub metric: Arc<str>,
    /// Tags of the sub-metric, e.g. `name: studies`; empty for all.
    pub tags: Vec<(Arc<str>, Arc<str>)>,
    /// The figure of the metric.
    pub aggregation: Aggregation,
    /// How it must relate to the limit.
    pub operator: Operator,
    /// The limit; times in milliseconds, rates as fractions, as k6 has them.
    pub limit: f64,
    /// Whether the run ends when it fails.
    pub abort_on_fail: bool,
    /// Failing earlier than this after the start does not end the run.
    pub delay_abort: SimDuration,
    /// Where it is written.
    pub origin: Origin,
}

/// A figure of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregation {
    /// How many.
    Count,
    /// Per second for a counter, the fraction for a rate.
    Rate,
    /// The last value.
    Value,
    /// The mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The median.
    Med,
    /// A percentile, 0 to 100.
    Percentile(f64),
}

/// How a figure must relate to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Below.
    Less,
    /// At most.
    LessOrEqual,
    /// Above.
    Greater,
    /// At least.
    GreaterOrEqual,
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
}

/// What a metric's samples are, hence which figures it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Adds up.
    Counter,
    /// Has a value at any time.
    Gauge,
    /// The fraction of samples that are true.
    Rate,
    /// A distribution of samples.
    Trend,
}

/// The metrics that thresholds may name: k6's first, then ours.
pub const METRICS: &[(&str, MetricKind)] = &[
    ("http_req_duration", MetricKind::Trend),
    ("http_req_waiting", MetricKind::Trend),
    ("http_req_failed", MetricKind::Rate),
    ("http_reqs", MetricKind::Counter),
    ("iteration_duration", MetricKind::Trend),
    ("iterations", MetricKind::Counter),
    ("dropped_iterations", MetricKind::Counter),
    ("vus", MetricKind::Gauge),
    ("vus_max", MetricKind::Gauge),
    ("data_received", MetricKind::Counter),
    ("replicas", MetricKind::Gauge),
    ("pods_pending", MetricKind::Gauge),
    ("nodes", MetricKind::Gauge),
    ("cpu_utilization", MetricKind::Gauge),
    ("cpu_throttled", MetricKind::Gauge),
    ("queue_depth", MetricKind::Gauge),
    ("oom_kills", MetricKind::Counter),
    ("evictions_blocked", MetricKind::Counter),
    ("cost_per_month", MetricKind::Gauge),
    ("cost_per_million_requests", MetricKind::Gauge),
    ("time_to_scale", MetricKind::Trend),
    ("min_headroom", MetricKind::Gauge),
];

impl MetricKind {
    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Rate => "rate",
            Self::Trend => "trend",
        }
    }

    /// The figures it has, as they are written. Beside k6's, a gauge has its extremes and its mean over time.
    #[must_use]
    pub const fn aggregations(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &["count", "rate"],
            Self::Gauge => &["value", "min", "max", "avg"],
            Self::Rate => &["rate"],
            Self::Trend => &["avg", "min", "max", "med", "p(N)"],
        }
    }

    /// Whether it has a figure.
    #[must_use]
    pub const fn offers(self, aggregation: Aggregation) -> bool {
        match aggregation {
            Aggregation::Count => matches!(self, Self::Counter),
            Aggregation::Rate => matches!(self, Self::Counter | Self::Rate),
            Aggregation::Value => matches!(self, Self::Gauge),
            Aggregation::Avg | Aggregation::Min | Aggregation::Max => {
                matches!(self, Self::Gauge | Self::Trend)
            }
            Aggregation::Med | Aggregation::Percentile(_) => matches!(self, Self::Trend),
        }
    }
}

impl Operator {
    /// Whether `observed` is on the right side of `limit`.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "equality is what the author of the threshold asked for")]
    pub fn holds(self, observed: f64, limit: f64) -> bool {
        match self {
            Self::Less => observed < limit,
            Self::LessOrEqual => observed <= limit,
            Self::Greater => observed > limit,
            Self::GreaterOrEqual => observed >= limit,
            Self::Equal => observed == limit,
            Self::NotEqual => observed != limit,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        })
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => f.write_str("count"),
            Self::Rate => f.write_str("rate"),
            Self::Value => f.write_str("value"),
            Self::Avg => f.write_str("avg"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Med => f.write_str("med"),
            Self::Percentile(percent) => write!(f, "p({percent})"),
        }
    }
}

impl fmt::Display for ThresholdSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.aggregation, self.operator, self.limit)
    }
}

impl ThresholdSpec {
    /// The metric with its tags, as written: `http_req_duration{name:studies}`.
    #[must_use]
    pub fn metric_name(&self) -> String {
        if self.tags.is_empty() {
            return (*self.metric).to_owned();
        }
        let tags: Vec<String> =
            self.tags.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        format!("{}{{{}}}", self.metric, tags.join(","))
    }
}
