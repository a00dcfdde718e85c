//! The metrics that a threshold can be about: k6's, and those of the cluster.

use std::fmt;

use crate::scenario::threshold::expression::{Method, Unit};

/// Type of a metric, as k6 has them (`metrics/metric_type.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A sum.
    Counter,
    /// A value that changes.
    Gauge,
    /// A share of samples that are true.
    Rate,
    /// A distribution of samples.
    Trend,
}

/// What a metric is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contains {
    /// A number of things.
    Number,
    /// Milliseconds.
    Time,
    /// Bytes.
    Data,
    /// A share, 0 to 1 (a utilisation may be above).
    Share,
    /// The currency of the cluster profile.
    Money,
}

/// A metric that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub kind: MetricKind,
    /// Unit.
    pub contains: Contains,
    /// Who defined it: decides which methods it has.
    pub source: Source,
    /// What it says, in a few words.
    pub about: &'static str,
}

/// Who defined a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// k6 (`metrics/builtin.go`).
    K6,
    /// This simulator. Its gauges know their whole course, not only the last value.
    Cluster,
}

impl Metric {
    /// Whether a threshold on this metric can use a method.
    #[must_use]
    pub fn supports(&self, method: Method) -> bool {
        match method {
            Method::Count => self.kind == MetricKind::Counter,
            Method::Rate => matches!(self.kind, MetricKind::Counter | MetricKind::Rate),
            Method::Value => self.kind == MetricKind::Gauge,
            Method::Avg | Method::Min | Method::Max => {
                let whole_course = self.kind == MetricKind::Gauge && self.source == Source::Cluster;
                self.kind == MetricKind::Trend || whole_course
            }
            Method::Med | Method::Percentile(_) => self.kind == MetricKind::Trend,
        }
    }

    /// The methods that it has, as k6 writes them.
    #[must_use]
    pub fn supported_methods(&self) -> Vec<&'static str> {
        let all = [
            (Method::Count, "count"),
            (Method::Rate, "rate"),
            (Method::Value, "value"),
            (Method::Avg, "avg"),
            (Method::Min, "min"),
            (Method::Max, "max"),
            (Method::Med, "med"),
            (Method::Percentile(0.0), "p(N)"),
        ];
        all.into_iter().filter(|(method, _)| self.supports(*method)).map(|(_, name)| name).collect()
    }

    /// Whether its figures can be compared with a value of a unit.
    #[must_use]
    pub fn accepts(&self, unit: Unit) -> bool {
        match unit {
            Unit::None => true,
            Unit::Time => self.contains == Contains::Time,
            Unit::Percent => self.contains == Contains::Share,
        }
    }
}

/// The metric of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// The metric whose name is spelled most alike, if any is near.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let distance = |metric: &Metric| strsim::osa_distance(metric.name, name);
    let metric = METRICS.iter().min_by_key(|metric| distance(metric))?;
    // A third of the letters wrong is another word.
    (distance(metric) * 3 <= name.chars().count()).then_some(metric.name)
}

/// Every known metric: k6's in the order of its documentation, then ours.
pub const METRICS: &[Metric] = &[
    k6("vus", MetricKind::Gauge, Contains::Number, "virtual users that are active"),
    k6("vus_max", MetricKind::Gauge, Contains::Number, "virtual users that are initialised"),
    k6("iterations", MetricKind::Counter, Contains::Number, "iterations completed"),
    k6("iteration_duration", MetricKind::Trend, Contains::Time, "one iteration, sleep included"),
    k6(
        "dropped_iterations",
        MetricKind::Counter,
        Contains::Number,
        "iterations that found no user",
    ),
    k6("checks", MetricKind::Rate, Contains::Share, "checks that held"),
    k6("data_sent", MetricKind::Counter, Contains::Data, "bytes sent"),
    k6("data_received", MetricKind::Counter, Contains::Data, "bytes received"),
    k6("http_reqs", MetricKind::Counter, Contains::Number, "requests made"),
    k6("http_req_failed", MetricKind::Rate, Contains::Share, "requests that failed"),
    k6("http_req_duration", MetricKind::Trend, Contains::Time, "one request"),
    k6("http_req_blocked", MetricKind::Trend, Contains::Time, "waiting for a connection slot"),
    k6("http_req_connecting", MetricKind::Trend, Contains::Time, "connecting"),
    k6("http_req_tls_handshaking", MetricKind::Trend, Contains::Time, "agreeing on encryption"),
    k6("http_req_sending", MetricKind::Trend, Contains::Time, "sending the request"),
    k6("http_req_waiting", MetricKind::Trend, Contains::Time, "waiting for the first byte"),
    k6("http_req_receiving", MetricKind::Trend, Contains::Time, "receiving the response"),
    k6("group_duration", MetricKind::Trend, Contains::Time, "one group of steps"),
    k6("grpc_req_duration", MetricKind::Trend, Contains::Time, "one gRPC request"),
    k6("ws_connecting", MetricKind::Trend, Contains::Time, "opening a WebSocket"),
    k6("ws_session_duration", MetricKind::Trend, Contains::Time, "one WebSocket session"),
    k6("ws_sessions", MetricKind::Counter, Contains::Number, "WebSocket sessions opened"),
    k6("ws_ping", MetricKind::Trend, Contains::Time, "WebSocket ping to pong"),
    k6("ws_msgs_sent", MetricKind::Counter, Contains::Number, "WebSocket messages sent"),
    k6("ws_msgs_received", MetricKind::Counter, Contains::Number, "WebSocket messages received"),
    ours("replicas", MetricKind::Gauge, Contains::Number, "ready pods of a workload"),
    ours("pods_pending", MetricKind::Gauge, Contains::Number, "pods without a node"),
    ours("nodes", MetricKind::Gauge, Contains::Number, "nodes that are ready"),
    ours("cpu_utilization", MetricKind::Gauge, Contains::Share, "CPU used by CPU requested"),
    ours("queue_depth", MetricKind::Gauge, Contains::Number, "requests or tasks that wait"),
    ours("oom_kills", MetricKind::Counter, Contains::Number, "containers killed over their limit"),
    ours("evictions_blocked", MetricKind::Counter, Contains::Number, "evictions a budget refused"),
    ours(
        "nodes_disrupted",
        MetricKind::Counter,
        Contains::Number,
        "nodes an autoscaler decided to take away",
    ),
    ours(
        "pods_disrupted",
        MetricKind::Counter,
        Contains::Number,
        "pods an autoscaler made leave their nodes",
    ),
    ours("cost_per_month", MetricKind::Gauge, Contains::Money, "the run's cost over 730 hours"),
    ours(
        "cost_per_million_requests",
        MetricKind::Gauge,
        Contains::Money,
        "cost by requests served",
    ),
    ours("time_to_scale", MetricKind::Trend, Contains::Time, "decision to scale up until ready"),
    ours(
        "min_headroom",
        MetricKind::Gauge,
        Contains::Share,
        "capacity to spare at the worst moment",
    ),
];

const fn k6(
    name: &'static str,
    kind: MetricKind,
    contains: Contains,
    about: &'static str,
) -> Metric {
    Metric { name, kind, contains, source: Source::K6, about }
}

const fn ours(
    name: &'static str,
    kind: MetricKind,
    contains: Contains,
    about: &'static str,
) -> Metric {
    Metric { name, kind, contains, source: Source::Cluster, about }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Rate => "rate",
            Self::Trend => "trend",
        })
    }
}

impl fmt::Display for Contains {
    /// Reads on after "measured in".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "plain numbers",
            Self::Time => "milliseconds",
            Self::Data => "bytes",
            Self::Share => "shares from 0 to 1",
            Self::Money => "money",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_those_of_the_type() {
        let rows = [
            ("http_reqs", "count, rate"),
            ("vus", "value"),
            ("http_req_failed", "rate"),
            ("http_req_duration", "avg, min, max, med, p(N)"),
            ("replicas", "value, avg, min, max"),
            ("oom_kills", "count, rate"),
            ("time_to_scale", "avg, min, max, med, p(N)"),
        ];
        for (name, methods) in rows {
            assert_eq!(find(name).unwrap().supported_methods().join(", "), methods, "{name}");
        }
    }

    #[test]
    fn names_are_unique_and_every_metric_has_a_method() {
        for (position, metric) in METRICS.iter().enumerate() {
            assert_eq!(METRICS.iter().position(|other| other.name == metric.name), Some(position));
            assert!(!metric.supported_methods().is_empty(), "{}", metric.name);
        }
    }

    #[test]
    fn a_near_miss_finds_its_metric_and_a_far_one_none() {
        assert_eq!(nearest("http_req_durations"), Some("http_req_duration"));
        assert_eq!(nearest("pod_pending"), Some("pods_pending"));
        assert_eq!(nearest("temperature"), None);
    }
}
