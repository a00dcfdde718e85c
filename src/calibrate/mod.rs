//! From telemetry of a service to its profile: what one request costs, how many are worked on at a time,
//! what memory and start-up take; every figure with its interval and where it comes from.
//!
//! Floor 7. [`observe`] gives recordings a meaning, [`demand`] and [`calibrate`] estimate, [`profile`] writes
//! the estimates as `ServiceProfiles`. What the data cannot tell is refused figure by figure, with the
//! reason, and left at its default.

pub mod align;
pub mod check;
pub mod demand;
pub mod k6_options;
pub mod load;
pub mod observe;
pub mod profile;
pub mod scrapes;
pub mod windows;

#[cfg(test)]
mod tests;

use crate::fit::distribution::{self, Fitted};
use crate::fit::scalability::{self, Scalability};
use crate::fit::servers::{self, Servers};
use crate::fit::{Estimate, Refusal, line, quantile};
use crate::units::convert::f64_from_usize;

pub use demand::CpuDemand;
pub use observe::{Endpoint, Observed, Request, Role, Signal};
pub use scrapes::{Mean, Summary};

/// Windows over which throughput and requests in progress are averaged (s).
const WINDOW_S: f64 = 5.0;
/// Share of the variation that a line must explain before it is believed.
const R_SQUARED_LEAST: f64 = 0.9;

/// All that telemetry says about a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Its operations.
    pub endpoints: Vec<EndpointFit>,
    /// CPU per request, and what the service uses without any.
    pub cpu: Result<CpuDemand, Refusal>,
    /// Memory.
    pub memory: Result<Memory, Refusal>,
    /// From start to ready.
    pub start_up: Result<Fitted, Refusal>,
}

/// What telemetry says about one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointFit {
    /// Its name.
    pub name: String,
    /// Requests that were recorded one by one.
    pub requests: usize,
    /// Servers and times of service.
    pub station: Result<Servers, Refusal>,
    /// The distribution of its times of service.
    pub service: Result<Fitted, Refusal>,
    /// The scalability law.
    pub scalability: Result<Scalability, Refusal>,
}

/// What a pod needs of memory (bytes).
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// With no request in progress.
    pub idle: Estimate,
    /// For each request in progress; `None` where memory does not follow them.
    pub per_request: Option<Estimate>,
    /// Share of the variation explained by requests in progress.
    pub r_squared: f64,
}

impl EndpointFit {
    /// How many requests per second its servers can do, when their number could be told.
    #[must_use]
    pub fn capacity(&self) -> Option<Estimate> {
        let station = self.station.as_ref().ok()?;
        let count = f64_from_usize(station.count?);
        let mean = crate::fit::mean_estimate(&station.services).ok()?;
        (mean.low > 0.0).then(|| Estimate {
            value: count / mean.value,
            low: count / mean.high,
            high: count / mean.low,
        })
    }
}

/// Estimates everything that the observations can tell.
#[must_use]
pub fn calibrate(observed: &Observed) -> Calibration {
    let endpoints: Vec<EndpointFit> = observed.endpoints.iter().map(endpoint).collect();
    Calibration {
        cpu: demand::demand(observed, &endpoints),
        memory: memory(observed),
        start_up: match &observed.start_up {
            Some(start_up) => {
                let values: Vec<f64> = start_up.points.iter().map(|(_, value)| *value).collect();
                distribution::fit(&values)
            }
            None => Err(Refusal::TooFew { what: "measured starts", have: 0, need: 20 }),
        },
        endpoints,
    }
}

fn endpoint(endpoint: &Endpoint) -> EndpointFit {
    let spans: Vec<(f64, f64)> = endpoint
        .requests
        .iter()
        .filter(|request| !request.failed)
        .map(|request| (request.start_s, request.end_s))
        .collect();
    let station = servers::servers(&spans);
    let service = station.clone().and_then(|station| {
        // A request of no measurable length says nothing about a distribution.
        let positive: Vec<f64> =
            station.services.iter().copied().filter(|service| *service > 0.0).collect();
        distribution::fit(&positive)
    });
    let levels: Vec<(f64, f64)> = windows::windows(&spans, WINDOW_S)
        .iter()
        .map(|window| (window.in_progress, window.throughput))
        .collect();
    EndpointFit {
        name: endpoint.name.clone(),
        requests: endpoint.requests.len(),
        station,
        service,
        scalability: scalability::fit(&levels),
    }
}

/// Memory over requests in progress; where it does not follow them, its median is that of an idle pod.
fn memory(observed: &Observed) -> Result<Memory, Refusal> {
    let none = Refusal::TooFew { what: "samples of memory", have: 0, need: 6 };
    let signal = observed.memory.as_ref().ok_or(none)?;
    let values: Vec<f64> = signal.points.iter().map(|(_, value)| *value).collect();
    let idle = crate::fit::median_estimate(&values)?;
    let spans: Vec<(f64, f64)> =
        observed.all_requests().map(|request| (request.start_s, request.end_s)).collect();
    let followed = if spans.is_empty() {
        None
    } else {
        let step = signal.step_s();
        let inside: Vec<f64> = signal
            .points
            .iter()
            .map(|(at, _)| windows::in_progress(&spans, at - step, *at))
            .collect();
        line::fit(&[inside], &values, &["requests in progress".to_owned()]).ok()
    };
    let r_squared = followed.as_ref().map_or(0.0, |line| line.r_squared);
    match followed.filter(|line| line.r_squared >= R_SQUARED_LEAST && line.slopes[0].low > 0.0) {
        Some(line) => {
            Ok(Memory { idle: line.intercept, per_request: Some(line.slopes[0]), r_squared })
        }
        None => Ok(Memory { idle, per_request: None, r_squared }),
    }
}

/// Median of the faster half of an endpoint's requests (s): what it takes when nothing is in its way.
#[must_use]
pub fn undisturbed(endpoint: &Endpoint) -> Option<f64> {
    let mut took: Vec<f64> = endpoint
        .requests
        .iter()
        .filter(|request| !request.failed)
        .map(|request| request.end_s - request.start_s)
        .collect();
    took.sort_by(f64::total_cmp);
    (!took.is_empty()).then(|| quantile(&took, 0.25))
}
