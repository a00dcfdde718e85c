//! Metrics beside those of metrics-server: what an adapter serves to autoscalers under a name.

use std::sync::Arc;

use crate::model::id::StationId;
use crate::units::{Origin, SimDuration};

/// A metric of a service by the name that HPAs ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomMetricSpec {
    /// The name, e.g. `http_requests_per_second`.
    pub name: Arc<str>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Requests that ended, per second.
    RequestsPerSecond,
    /// Requests inside, waiting ones among them.
    InFlight,
    /// Requests that wait: in backlogs, for a GPU, on a broker's list. Of a pod, in its own.
    Waiting,
}
