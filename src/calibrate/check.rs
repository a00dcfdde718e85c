//! The fitted station under the recorded arrivals, window by window beside what was measured.

use super::{Endpoint, EndpointFit, windows};
use crate::engine::streams::Streams;

/// A window of the comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// When it begins (s).
    pub from_s: f64,
    /// 95th percentile as measured (s).
    pub measured_s: f64,
    /// 95th percentile of the model (s).
    pub model_s: f64,
}

impl Compared {
    /// How far the model is off, as a share of what was measured.
    #[must_use]
    pub fn off(&self) -> f64 {
        self.model_s / self.measured_s - 1.0
    }
}

/// Sends the recorded arrivals through the fitted servers, first come, first served, with services drawn
/// from the fitted distribution; windows are of so many seconds. Nothing where there is no station.
#[must_use]
pub fn replay(endpoint: &Endpoint, fit: &EndpointFit, window_s: f64) -> Vec<Compared> {
    let (Ok(station), Ok(service)) = (&fit.station, &fit.service) else { return Vec::new() };
    let (Some(count), Ok(dist)) = (station.count, service.family().dist()) else {
        return Vec::new();
    };
    let mut stream = Streams::new(0, 0).of("calibration");
    let mut free = vec![f64::NEG_INFINITY; count];
    let spans: Vec<(f64, f64)> = endpoint
        .requests
        .iter()
        .filter(|request| !request.failed)
        .map(|request| (request.start_s, request.end_s))
        .collect();
    let model: Vec<(f64, f64)> = spans
        .iter()
        .map(|(start, _)| {
            // The way there comes before the queue, the way back after the service.
            let come = start + station.outside / 2.0;
            let first = (0..count).min_by(|left, right| free[*left].total_cmp(&free[*right]));
            let server = first.expect("a station has a server");
            free[server] = free[server].max(come) + dist.sample(&mut stream);
            (*start, free[server] + station.outside / 2.0)
        })
        .collect();
    let measured = windows::windows(&spans, window_s);
    let model = windows::windows(&model, window_s);
    let compared = measured.iter().zip(&model).filter_map(|(measured, model)| {
        Some(Compared {
            from_s: measured.from_s,
            measured_s: measured.p95_s?,
            model_s: model.p95_s?,
        })
    });
    compared.collect()
}
