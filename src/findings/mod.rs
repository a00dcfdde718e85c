//! Judgement with evidence: what happened in a run, why, and which lines of the input decided it.
//!
//! Floor 8. Every finding is derived from recorded decisions, lives and measured series; nothing
//! here knows any scenario. [`check`] finds them all, by time; [`causes`] names for each threshold
//! that is not met the chain that led to it; [`timeline()`] chooses what a summary tells.

pub mod cause;
pub mod code;
pub mod demand;
pub mod finding;
mod hpa;
mod jobs;
mod karpenter;
mod lives;
mod load;
mod machines;
mod nodes;
mod pods;
mod requests;
mod rollouts;
mod stations;
mod tasks;
pub mod text;
mod thresholds;
pub mod timeline;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use cause::{Cause, causes};
pub use code::{CODES, Code};
pub use finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
pub use timeline::{TimelineLine, timeline};

use crate::findings::text::plural;
use crate::metrics::calls::EndCounts;
use crate::metrics::{Aborted, Measurements, Series, ThresholdResult};
use crate::model::id::StationId;
use crate::model::observer::WorkloadSample;
use crate::scenario::{DisruptionSpec, DisruptionTarget, Scenario};
use crate::trace::History;
use crate::units::SimTime;
use crate::units::convert::index;

/// A run laid open: what was to happen, what happened, what was measured.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The scenario that was run.
    pub scenario: &'a Scenario,
    /// What the control plane did.
    pub history: &'a History,
    /// What was sampled.
    pub series: &'a Series,
    /// How clients' calls ended, over the measured time.
    pub ends: EndCounts,
    /// Each threshold of the scenario, judged.
    pub thresholds: &'a [ThresholdResult],
    /// The threshold that ended the run before its time, if one did.
    pub aborted: Option<Aborted>,
}

impl<'a> Case<'a> {
    /// A run with everything that was measured.
    #[must_use]
    pub fn new(
        scenario: &'a Scenario,
        history: &'a History,
        measured: &'a Measurements,
        thresholds: &'a [ThresholdResult],
    ) -> Self {
        let (series, ends) = (measured.series(), measured.calls().ends);
        let aborted = measured.aborted();
        Self { scenario, history, series, ends, thresholds, aborted }
    }

    /// The last instant of the run.
    #[must_use]
    pub fn end(&self) -> SimTime {
        match self.aborted {
            Some(Aborted { after, .. }) => SimTime::ZERO + self.scenario.warm_up + after,
            None => SimTime::ZERO + self.scenario.total_time(),
        }
    }

    /// The instant of a sample on the clock of the run.
    pub(crate) fn instant(&self, sample: usize) -> SimTime {
        self.history.clock().measured_from + self.series.times[sample]
    }

    /// Cores that the ready pods of a station may use together, as sampled.
    pub(crate) fn cpu_capacity(&self, station: StationId, sample: &WorkloadSample) -> f64 {
        demand::sampled_capacity(self.scenario, station, sample)
    }

    /// A disruption with the names of what it is about.
    pub(crate) fn describe(&self, disruption: &DisruptionSpec) -> String {
        self.describe_as(disruption, None)
    }

    /// The same with what it came to, where fewer were there than the scenario asks for.
    pub(crate) fn describe_as(&self, disruption: &DisruptionSpec, came_to: Option<u32>) -> String {
        let names = self.history.names();
        let how_many = |count: u32, word: &str| match came_to.filter(|came_to| *came_to < count) {
            Some(came_to) => format!("{} ({count} asked for)", plural(index(came_to), word)),
            None => plural(index(count), word),
        };
        match &disruption.target {
            DisruptionTarget::Drain { node: Some(node), .. } => format!("drain of {node}"),
            DisruptionTarget::FailNode { node: Some(node), .. } => format!("failure of {node}"),
            DisruptionTarget::DeletePod { pod: Some(pod), .. } => format!("deletion of {pod}"),
            DisruptionTarget::Drain { pool, count, node: None } => {
                format!("drain of {} of {}", how_many(*count, "node"), names.pool(*pool))
            }
            DisruptionTarget::FailNode { pool, count, .. } => {
                format!("failure of {} of {}", how_many(*count, "node"), names.pool(*pool))
            }
            DisruptionTarget::ReclaimSpot { pool, count, notice, .. } => {
                let pool = names.pool(*pool);
                let nodes = how_many(*count, "spot node");
                format!("the cloud takes back {nodes} of {pool}, with {notice} notice")
            }
            DisruptionTarget::UpgradePool { pool, .. } => {
                format!("all nodes of {} are replaced", names.pool(*pool))
            }
            DisruptionTarget::FailZone { zone, duration: _ } => format!("zone {zone} fails"),
            DisruptionTarget::CapacityShortage { of, .. } => format!("the cloud has no {of}"),
            DisruptionTarget::Cordon { node } => format!("{node} is cordoned"),
            DisruptionTarget::Scale { workload, replicas } => {
                format!("{} is scaled to {replicas}", names.workload(*workload))
            }
            DisruptionTarget::Rollout(spec) => format!("{} of {}", spec.key, spec.what),
            DisruptionTarget::Slow { station, factor, duration: _ } => {
                let name = &self.scenario.services.stations[station.index()].name;
                format!("{name} works {factor} times slower")
            }
            DisruptionTarget::DeletePod { workload, count, pod: None } => {
                let pods = how_many(*count, "pod");
                format!("deletion of {pods} of {}", names.workload(*workload))
            }
        }
    }
}

/// A run of consecutive samples, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) first: usize,
    pub(crate) last: usize,
    /// It reaches the last sample.
    pub(crate) open: bool,
}

impl Stretch {
    /// The first sample that no longer belongs to it, or the end of the run.
    pub(crate) fn end(&self, case: &Case<'_>) -> SimTime {
        if self.open { case.end() } else { case.instant(self.last + 1) }
    }

    /// The position of the largest value in it.
    pub(crate) fn peak_of(&self, value: impl Fn(usize) -> f64) -> usize {
        (self.first..=self.last)
            .max_by(|one, other| value(*one).total_cmp(&value(*other)).then(other.cmp(one)))
            .expect("a stretch has a sample")
    }
}

/// Samples between two stretches that are still told as one: a dip of a few samples is no end.
const DIP: usize = 6;

/// The stretches of samples for which `holds`; short dips are bridged.
pub(crate) fn stretches(case: &Case<'_>, holds: impl Fn(usize) -> bool) -> Vec<Stretch> {
    let count = case.series.times.len();
    let mut found: Vec<Stretch> = Vec::new();
    for at in (0..count).filter(|at| holds(*at)) {
        match found.last_mut() {
            Some(last) if at - last.last <= DIP => last.last = at,
            Some(_) | None => found.push(Stretch { first: at, last: at, open: false }),
        }
    }
    for stretch in &mut found {
        stretch.open = stretch.last + 1 == count;
    }
    found
}

type Rule = fn(&Case<'_>, &mut Vec<Finding>);

const RULES: &[Rule] = &[
    load::find,
    hpa::find,
    pods::find,
    nodes::find,
    machines::find,
    karpenter::find,
    lives::find,
    stations::find,
    requests::find,
    tasks::find,
    rollouts::find,
    jobs::find,
    thresholds::find,
];

/// Everything that can be found, by time.
#[must_use]
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        rule(case, &mut findings);
    }
    findings.sort_by(|one, other| one.order().cmp(&other.order()));
    findings
}
