//! What thresholds and those who watch them while a run goes on have in common: points of a course, and
//! how a selector and a method are read.

use crate::metrics::tally::Tally;
use crate::model::id::WorkloadId;
use crate::scenario::Scenario;
use crate::scenario::threshold::{Method, MetricSelector};
use crate::units::SimDuration;

/// The threshold that ended a run early (`abortOnFail`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aborted {
    /// Position among the scenario's thresholds.
    pub threshold: usize,
    /// When, counted from the start of measuring.
    pub after: SimDuration,
}

/// What there is to judge since thresholds were last asked whether they end the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Calls and iterations that ended.
    Counted,
    /// A sample of the state as well.
    Sampled,
}

/// What a threshold's figure was over one interval; times count from the start of measuring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoursePoint {
    /// Begin of the interval.
    pub from: SimDuration,
    /// End of it.
    pub to: SimDuration,
    /// The figure over everything up to `to`: what k6 compares while a test runs.
    pub total: Option<f64>,
    /// The figure of the interval alone, or of the threshold's `window` that ends with it: what
    /// users feel. `None` when nothing was measured in it.
    pub current: Option<f64>,
}

/// The figure of a method of a trend (ms).
pub(super) fn trend_value(tally: &Tally, method: Method) -> Option<f64> {
    match method {
        Method::Avg => tally.mean_ms(),
        Method::Min => tally.min_ms(),
        Method::Max => tally.max_ms(),
        Method::Med => tally.percentile_ms(50.0),
        Method::Percentile(percent) => tally.percentile_ms(percent),
        Method::Count | Method::Rate | Method::Value => None,
    }
}

/// Whether a workload carries every tag of a selector: `workload` (`Deployment/web` or `web`) and
/// `service` (the service its pods serve).
pub(super) fn workload_matches(
    scenario: &Scenario,
    selector: &MetricSelector,
    workload: WorkloadId,
) -> bool {
    let spec = &scenario.workloads[workload.index()];
    let station = scenario.services.station_of(workload);
    selector.tags().all(|(key, value)| match key {
        "workload" => &*spec.meta.name == value || spec.to_string() == value,
        "service" => {
            station.is_some_and(|id| &*scenario.services.stations[id.index()].name == value)
        }
        _ => false,
    })
}
