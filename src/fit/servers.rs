//! How many requests a station works on at a time, and for how long each, from starts and ends alone.
//!
//! First come, first served by `c` servers: a request begins when it has come and fewer than `c` are
//! worked on. So for a guessed `c` the ends give every time of service back (Lindley's recursion, solved
//! for the service). With too few servers guessed some services are negative, or those of requests that
//! waited shorter than those of others; with too many, waiting counts as service. Either way services
//! differ more from each other than they do. The guess without negative ones under which they differ least
//! is taken.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Estimate, Refusal, mean, median_estimate};
use crate::units::convert::{f64_from_usize, round_u64};

/// No station is looked at for more servers than this.
const SERVERS_MOST: usize = 256;
/// Share of requests whose service may come out negative: clocks and kernels are not exact.
const ODD: f64 = 0.02;

/// A station, as its requests tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Servers {
    /// Requests worked on at a time; `None` when no request ever had to wait, so that it cannot be told.
    pub count: Option<usize>,
    /// Times of service of the requests that waited, or of all when none did (s).
    pub services: Vec<f64>,
    /// Median time of service (s).
    pub service: Estimate,
    /// What an undisturbed request takes beyond its service: network, connection, kernel (s).
    pub outside: f64,
    /// Requests that waited.
    pub waited: usize,
}

/// Reads a station out of the starts and ends (s) of its requests, in any order.
///
/// # Errors
///
/// [`Refusal`] below 20 requests, or when an end lies before its start.
pub fn servers(requests: &[(f64, f64)]) -> Result<Servers, Refusal> {
    if requests.len() < 20 {
        return Err(Refusal::TooFew { what: "requests", have: requests.len(), need: 20 });
    }
    if requests.iter().any(|(start, end)| end < start || !start.is_finite() || !end.is_finite()) {
        return Err(Refusal::Impossible("a request ends before it starts".to_owned()));
    }
    let mut sorted = requests.to_vec();
    sorted.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut took: Vec<f64> = sorted.iter().map(|(start, end)| end - start).collect();
    took.sort_by(f64::total_cmp);
    let most = in_flight_most(&sorted).min(SERVERS_MOST);
    let possible = (1..=most).filter_map(|count| {
        let guess = replay(&sorted, count);
        let odd = guess.iter().filter(|(service, _)| *service < 0.0).count();
        let holds = f64_from_usize(odd) <= ODD * f64_from_usize(guess.len());
        holds.then(|| (deviation(&guess), count, guess))
    });
    let best = possible.min_by(|left, right| left.0.total_cmp(&right.0));
    let Some((_, count, guess)) = best else {
        let service = median_estimate(&took)?;
        return Ok(Servers { count: None, services: took, service, outside: 0.0, waited: 0 });
    };
    let of = |waits: bool| -> Vec<f64> {
        guess.iter().filter(|(_, waited)| *waited == waits).map(|(service, _)| *service).collect()
    };
    Ok(told(count, guess.len(), &of(true), &of(false), took))
}

/// The standard deviation of services (s).
fn deviation(guess: &[(f64, bool)]) -> f64 {
    let services: Vec<f64> = guess.iter().map(|(service, _)| *service).collect();
    let average = mean(&services);
    let squares = services.iter().map(|service| (service - average) * (service - average));
    (squares.sum::<f64>() / f64_from_usize(services.len())).sqrt()
}

/// What a guess says that holds.
fn told(count: usize, all: usize, waited: &[f64], idle: &[f64], took: Vec<f64>) -> Servers {
    // A twentieth of the requests must have waited before their number says anything.
    let enough = waited.len() >= 20.max(all / 20);
    let service = if enough { median_estimate(waited) } else { median_estimate(&took) };
    let service = service.unwrap_or(Estimate { value: 0.0, low: 0.0, high: 0.0 });
    if !enough {
        return Servers {
            count: None,
            services: took,
            service,
            outside: 0.0,
            waited: waited.len(),
        };
    }
    // Who finds a server free pays for the way there and back; behind a queue that is hidden.
    let free = median_estimate(idle).map_or(service.value, |free| free.value);
    let outside = (free - service.value).max(0.0);
    Servers {
        count: Some(count),
        services: waited.to_vec(),
        service,
        outside,
        waited: waited.len(),
    }
}

/// The most requests that were open at a time.
fn in_flight_most(sorted: &[(f64, f64)]) -> usize {
    let mut ends = BinaryHeap::new();
    let mut most = 0;
    for (start, end) in sorted {
        while ends.peek().is_some_and(|Reverse(first)| *first <= nanos(*start)) {
            ends.pop();
        }
        ends.push(Reverse(nanos(*end)));
        most = most.max(ends.len());
    }
    most
}

/// Ordered whole nanoseconds of a time in seconds from the first.
fn nanos(seconds: f64) -> u64 {
    round_u64((seconds * 1e9).max(0.0))
}

/// Service of each request, and whether it had to wait for it, under a guess.
fn replay(sorted: &[(f64, f64)], servers: usize) -> Vec<(f64, bool)> {
    let first = sorted[0].0;
    let mut free: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
    let mut result = Vec::with_capacity(sorted.len());
    for (start, end) in sorted {
        let (start, end) = (nanos(start - first), nanos(end - first));
        let mut begin = start;
        if free.len() == servers
            && let Some(Reverse(at)) = free.pop()
        {
            begin = begin.max(at);
        }
        free.push(Reverse(end.max(begin)));
        let service = if end >= begin { seconds(end - begin) } else { -seconds(begin - end) };
        result.push((service, begin > start));
    }
    result
}

fn seconds(nanos: u64) -> f64 {
    crate::units::convert::f64_from_u64(nanos) / 1e9
}
