//! The few figures of a run by which runs are compared: what users missed, what it cost, what moved.

use rust_decimal::prelude::ToPrimitive;

use crate::cluster::api::workload::WorkloadKind;
use crate::metrics::{Precision, Tally, ThresholdResult};
use crate::model::id::{PoolId, WorkloadId};
use crate::scenario::Scenario;
use crate::scenario::threshold::Severity;
use crate::sweep::RunResult;
use crate::units::convert::count_u32;

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Share of the client calls that failed or took longer than their objective.
    ObjectiveMiss,
    /// Median duration of client calls (ms).
    Median,
    /// 95th percentile of the durations of client calls (ms).
    P95,
    /// 99th percentile (ms).
    P99,
    /// Share of the client calls that failed.
    Failed,
    /// Mean time from the decision to scale up to a new pod being ready (s).
    TimeToScale,
    /// Pods over time, those of DaemonSets aside (pod-hours).
    PodHours,
    /// Paid nodes over time (node-hours).
    NodeHours,
    /// Cost of a month at the mean rate of the measured time (money).
    CostPerMonth,
    /// Pods that an autoscaler made leave a node that it takes away.
    Disruptions,
    /// Most pods that had no node.
    PodsPending,
    /// Smallest distance of a threshold to its limit, as a share of the limit.
    Margin,
}

/// What a measure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A share from 0 to 1.
    Share,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Hours of pods or nodes.
    Hours,
    /// Money.
    Money,
    /// A count.
    Count,
}

impl Measure {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 12] = [
        Self::ObjectiveMiss,
        Self::Median,
        Self::P95,
        Self::P99,
        Self::Failed,
        Self::TimeToScale,
        Self::PodHours,
        Self::NodeHours,
        Self::CostPerMonth,
        Self::Disruptions,
        Self::PodsPending,
        Self::Margin,
    ];

    /// Its name in files.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::ObjectiveMiss => "objective_miss",
            Self::Median => "med_ms",
            Self::P95 => "p95_ms",
            Self::P99 => "p99_ms",
            Self::Failed => "failed_share",
            Self::TimeToScale => "time_to_scale_s",
            Self::PodHours => "pod_hours",
            Self::NodeHours => "node_hours",
            Self::CostPerMonth => "cost_per_month",
            Self::Disruptions => "pods_disrupted",
            Self::PodsPending => "pods_pending",
            Self::Margin => "margin",
        }
    }

    /// Its name for people, which is also how it is asked for on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ObjectiveMiss => "miss",
            Self::Median => "med",
            Self::P95 => "p(95)",
            Self::P99 => "p(99)",
            Self::Failed => "failed",
            Self::TimeToScale => "time to scale",
            Self::PodHours => "pod-hours",
            Self::NodeHours => "node-hours",
            Self::CostPerMonth => "cost",
            Self::Disruptions => "disruptions",
            Self::PodsPending => "pending",
            Self::Margin => "margin",
        }
    }

    /// What it is counted in.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::ObjectiveMiss | Self::Failed | Self::Margin => Unit::Share,
            Self::Median | Self::P95 | Self::P99 => Unit::Milliseconds,
            Self::TimeToScale => Unit::Seconds,
            Self::PodHours | Self::NodeHours => Unit::Hours,
            Self::CostPerMonth => Unit::Money,
            Self::Disruptions | Self::PodsPending => Unit::Count,
        }
    }

    /// Whether more of it is better; of all others less is.
    #[must_use]
    pub const fn more_is_better(self) -> bool {
        matches!(self, Self::Margin)
    }

    /// The measure of a name for people or in files.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain = |text: &str| text.to_ascii_lowercase().replace([' ', '-'], "_");
        let wanted = plain(name.trim());
        let mut all = Self::ALL.into_iter();
        all.find(|it| plain(it.name()) == wanted || it.key() == wanted)
    }

    /// Position among [`Measure::ALL`].
    #[must_use]
    pub fn position(self) -> usize {
        Self::ALL.iter().position(|it| *it == self).expect("every measure is listed")
    }
}

/// The figures of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Which replication.
    pub replication: u64,
    /// Thresholds that are met.
    pub met: u32,
    /// All thresholds.
    pub thresholds: u32,
    /// Whether every threshold that counts is met.
    pub holds: bool,
    /// By [`Measure::ALL`]; what was not measured is absent.
    pub values: Vec<Option<f64>>,
}

impl Figures {
    /// Of a finished run. A threshold without samples counts as `strict` says.
    #[must_use]
    pub fn of(scenario: &Scenario, result: &RunResult, strict: bool) -> Self {
        let judged = || scenario.thresholds.iter().zip(&result.thresholds);
        let counts = |severity: Severity| severity == Severity::Error;
        let holds = judged()
            .filter(|(spec, _)| counts(spec.terms().severity))
            .all(|(_, judged)| judged.is_met(strict));
        let met = judged().filter(|(_, judged)| judged.is_met(strict)).count();
        let values = Measure::ALL.into_iter().map(|it| measure(scenario, result, it)).collect();
        Self {
            replication: result.replication,
            met: count_u32(met),
            thresholds: count_u32(result.thresholds.len()),
            holds,
            values,
        }
    }

    /// One figure.
    #[must_use]
    pub fn get(&self, measure: Measure) -> Option<f64> {
        self.values.get(measure.position()).copied().flatten()
    }
}

fn measure(scenario: &Scenario, result: &RunResult, measure: Measure) -> Option<f64> {
    use crate::units::convert::f64_from_u64;
    let measured = &result.measurements;
    let calls = || measured.calls();
    match measure {
        Measure::ObjectiveMiss => measured.objective_miss(scenario),
        Measure::Median => calls().durations.percentile_ms(50.0),
        Measure::P95 => calls().durations.percentile_ms(95.0),
        Measure::P99 => calls().durations.percentile_ms(99.0),
        Measure::Failed => {
            let ends = calls().ends;
            let total = ends.total();
            (total > 0).then(|| f64_from_u64(ends.failures()) / f64_from_u64(total))
        }
        Measure::TimeToScale => {
            let mut all = Tally::new(Precision::Fine);
            for workload in 0..scenario.workloads.len() {
                all.merge(measured.time_to_scale(WorkloadId::at(workload)));
            }
            all.mean_ms().map(|ms| ms / 1000.0)
        }
        Measure::PodHours => Some(pod_hours(scenario, result)),
        Measure::NodeHours => {
            let pools = (0..scenario.pools.len()).map(PoolId::at);
            Some(pools.map(|pool| measured.node_time(pool).as_secs_f64() / 3600.0).sum())
        }
        Measure::CostPerMonth => result.cost.per_month().and_then(|money| money.to_f64()),
        Measure::Disruptions => Some(f64_from_u64(measured.pods_disrupted())),
        Measure::PodsPending => measured.series().pods_pending.iter().max().map(|&it| it.into()),
        Measure::Margin => {
            let margins = scenario.thresholds.iter().zip(&result.thresholds);
            let margins = margins.filter(|(spec, _)| spec.terms().severity == Severity::Error);
            let margins = margins.filter_map(|(_, judged): (_, &ThresholdResult)| judged.margin);
            margins.reduce(f64::min)
        }
    }
}

/// Each state lasts until the next instant, the last one until the end.
fn pod_hours(scenario: &Scenario, result: &RunResult) -> f64 {
    let series = result.measurements.series();
    let spans: Vec<f64> = series
        .spans(result.measurements.measured())
        .map(|span| span.as_secs_f64() / 3600.0)
        .collect();
    let counted = scenario.workloads.iter().zip(&series.workloads);
    let counted = counted.filter(|(spec, _)| !matches!(spec.kind, WorkloadKind::DaemonSet { .. }));
    let hours = counted.flat_map(|(_, samples)| samples.iter().zip(&spans));
    hours.map(|(sample, hours)| f64::from(sample.active) * hours).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_found_by_either_name() {
        for measure in Measure::ALL {
            assert_eq!(Measure::named(measure.key()), Some(measure));
            assert_eq!(Measure::named(measure.name()), Some(measure));
            assert_eq!(Measure::ALL[measure.position()], measure);
        }
        assert_eq!(Measure::named("Node Hours"), Some(Measure::NodeHours));
        assert_eq!(Measure::named("p(96)"), None);
    }
}
