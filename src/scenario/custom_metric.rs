//! Metrics beside those of metrics-server: what an adapter serves to autoscalers under a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::id::StationId;
use crate::units::{Origin, SimDuration};

/// A metric of a service by the name that HPAs ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomMetricSpec {
    /// The name, e.g. `http_requests_per_second`.
    pub name: Arc<str>,
    /// Its labels, by which a selector of an HPA chooses; without any it is chosen by every selector.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// The service it is measured at.
    pub station: StationId,
    /// What is measured.
    pub quantity: Quantity,
    /// Over what span a rate is taken, as in `rate(...[1m])`.
    pub window: SimDuration,
    /// Where it stands.
    pub origin: Origin,
}

/// What is measured at a service, or at one of its pods.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantity {
    /// Requests that ended, per second.
    RequestsPerSecond,
    /// Requests inside, waiting ones among them.
    InFlight,
    /// Requests that wait: in backlogs, for a GPU, on a broker's list. Of a pod, in its own.
    Waiting,
    /// Mean time from arrival to end at the service (s), of requests that ended in the window.
    MeanLatency,
    /// A quantile (0 to 1) of that time (s), as `histogram_quantile` finds it in the usual buckets.
    Latency(f64),
}

impl Quantity {
    /// Whether it is the increase of a counter over the window.
    #[must_use]
    pub const fn is_rate(self) -> bool {
        matches!(self, Self::RequestsPerSecond)
    }

    /// Whether it is told of the service as a whole only.
    #[must_use]
    pub const fn is_latency(self) -> bool {
        matches!(self, Self::MeanLatency | Self::Latency(_))
    }
}
