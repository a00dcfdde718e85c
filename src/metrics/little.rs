//! Little's law: what is inside on average is the arrival rate times the mean sojourn.
//!
//! It holds for any queue whatever its distributions (Little 1961), so it checks the clock, the
//! counting and the accounting of requests at once.

use crate::metrics::measurements::Measurements;
use crate::model::id::StationId;
use crate::scenario::Scenario;
use crate::units::convert::f64_from_u64;

/// The law at one station over the whole run, warm-up included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LittleLaw {
    /// Which.
    pub station: StationId,
    /// Time average of the requests inside.
    pub mean_inside: f64,
    /// Requests that came, per second: those that ended and those still inside.
    pub arrivals_per_second: f64,
    /// Mean sojourn of those that ended (s).
    pub mean_sojourn_s: f64,
    /// Still inside at the end: their sojourns are cut, which is all that may part the two sides.
    pub inside_at_end: u32,
}

/// What a station held over the whole run, as the run loop counted it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// Integral of the number inside (request-seconds).
    pub area_s: f64,
    /// Requests inside at the end.
    pub inside: u32,
}

impl LittleLaw {
    /// How far the two sides are apart, as a share of the larger; 0 for an idle station.
    #[must_use]
    pub fn gap(&self) -> f64 {
        let right = self.arrivals_per_second * self.mean_sojourn_s;
        let larger = self.mean_inside.max(right);
        if larger > 0.0 { (self.mean_inside - right).abs() / larger } else { 0.0 }
    }
}

/// The law at every station; what each held is given by id.
#[must_use]
pub fn of_run(
    scenario: &Scenario,
    stations: impl IntoIterator<Item = Held>,
    measured: &Measurements,
) -> Vec<LittleLaw> {
    let total_s = (scenario.warm_up + measured.measured()).as_secs_f64();
    stations
        .into_iter()
        .enumerate()
        .map(|(position, station)| {
            let figures = measured.station(StationId::at(position));
            let ended = f64_from_u64(figures.whole_run_ended);
            let sum_ns = u64::try_from(figures.whole_run_sojourn_ns).unwrap_or(u64::MAX);
            LittleLaw {
                station: StationId::at(position),
                mean_inside: station.area_s / total_s,
                arrivals_per_second: (ended + f64::from(station.inside)) / total_s,
                mean_sojourn_s: if ended > 0.0 { f64_from_u64(sum_ns) / 1e9 / ended } else { 0.0 },
                inside_at_end: station.inside,
            }
        })
        .collect()
}
