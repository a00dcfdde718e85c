//! Series: what was sampled at even intervals, from the start of measuring to the end.
//!
//! Every list has one entry for each instant of [`Series::times`]. How many there are is bounded by
//! the run's sampling interval, not by its requests.

use std::sync::Arc;

use crate::cluster::api::NodePoolSpec;
use crate::model::id::{PoolId, StationId, WorkloadId};
use crate::model::observer::{PoolSample, StationSample, WorkloadSample};
use crate::units::SimDuration;

/// Everything that was sampled.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// The instants, counted from the start of measuring.
    pub times: Vec<SimDuration>,
    /// Traffic of all clients.
    pub traffic: Vec<TrafficPoint>,
    /// By workload, then by instant.
    pub workloads: Vec<Vec<WorkloadSample>>,
    /// By station, then by instant.
    pub stations: Vec<Vec<StationPoint>>,
    /// By pool, then by instant.
    pub pools: Vec<Vec<PoolSample>>,
    /// Pods that are not bound, by instant.
    pub pods_pending: Vec<u32>,
    /// Disruptions that each budget allows, then by instant; `None` while there is no such object.
    pub budgets: Vec<Vec<Option<i32>>>,
}

/// Traffic of all clients since the instant before.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TrafficPoint {
    /// Iterations per second that the loads offered at this instant.
    pub offered_per_second: f64,
    /// Iterations that ended, per second.
    pub iterations_per_second: f64,
    /// Iterations that found no virtual user, per second.
    pub dropped_per_second: f64,
    /// Client calls and their durations.
    pub calls: CallsPoint,
    /// Busy virtual users at this instant.
    pub virtual_users: u32,
}

/// Calls that ended since the instant before.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CallsPoint {
    /// Completed, per second.
    pub completed_per_second: f64,
    /// Failed in any way, per second.
    pub failed_per_second: f64,
    /// Median duration (ms); `None` when none ended.
    pub p50_ms: Option<f64>,
    /// 95th percentile (ms).
    pub p95_ms: Option<f64>,
    /// 99th percentile (ms).
    pub p99_ms: Option<f64>,
}

/// A station at an instant, and what ended there since the instant before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StationPoint {
    /// State at this instant.
    pub state: StationSample,
    /// Operations that ended; durations are sojourns: from arrival to end, calls of its own included.
    pub ended: CallsPoint,
}

impl CallsPoint {
    /// Share of the calls that failed; `None` when none ended.
    #[must_use]
    pub fn failed_share(&self) -> Option<f64> {
        let all = self.completed_per_second + self.failed_per_second;
        (all > 0.0).then(|| self.failed_per_second / all)
    }
}

impl Series {
    /// Nodes of several pools together at an instant; `None` after the end.
    #[must_use]
    pub fn nodes_of(&self, pools: &[PoolId], instant: usize) -> Option<u32> {
        let samples = pools.iter().map(|id| self.pools.get(id.index())?.get(instant));
        samples.map(|sample| sample.map(|sample| sample.nodes)).sum()
    }

    /// The pools worth a word: those of the profile, and of Karpenter's those that ever had a node.
    pub fn told_pools<'a>(
        &'a self,
        pools: &'a [Arc<NodePoolSpec>],
    ) -> impl Iterator<Item = PoolId> + 'a {
        let had_nodes = |at: usize| {
            let samples = self.pools.get(at).into_iter().flatten();
            samples.into_iter().any(|sample| sample.nodes > 0)
        };
        let told = move |at: &usize| pools[*at].node_pool.is_none() || had_nodes(*at);
        (0..pools.len()).filter(told).map(PoolId::at)
    }

    /// With room for so many workloads, stations and pools, and no instant yet.
    #[must_use]
    pub fn new(workloads: usize, stations: usize, pools: usize) -> Self {
        Self {
            workloads: vec![Vec::new(); workloads],
            stations: vec![Vec::new(); stations],
            pools: vec![Vec::new(); pools],
            ..Self::default()
        }
    }

    /// A workload over time.
    #[must_use]
    pub fn workload(&self, workload: WorkloadId) -> &[WorkloadSample] {
        &self.workloads[workload.index()]
    }

    /// A station over time.
    #[must_use]
    pub fn station(&self, station: StationId) -> &[StationPoint] {
        &self.stations[station.index()]
    }

    /// How long each instant's state is taken to last: until the next instant, the last one until
    /// `end`.
    pub fn spans(&self, end: SimDuration) -> impl Iterator<Item = SimDuration> {
        let next = self.times.iter().skip(1).copied().chain([end]);
        self.times.iter().zip(next).map(|(now, next)| next.saturating_sub(*now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_lasts_until_the_next_instant() {
        let s = SimDuration::from_secs;
        let series = Series { times: vec![s(0), s(5), s(10)], ..Series::default() };
        assert_eq!(series.spans(s(12)).collect::<Vec<_>>(), [s(5), s(5), s(2)]);
    }

    #[test]
    fn the_failed_share_of_nothing_is_unknown() {
        let point = |completed, failed| CallsPoint {
            completed_per_second: completed,
            failed_per_second: failed,
            ..CallsPoint::default()
        };
        assert_eq!(point(0.0, 0.0).failed_share(), None);
        assert_eq!(point(3.0, 1.0).failed_share(), Some(0.25));
    }
}
