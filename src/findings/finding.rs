//! A finding: what happened, when, to whom, by what evidence, from which line of the input.

use std::fmt;

use crate::findings::code::Code;
use crate::model::id::{
    BudgetId, DisruptionId, HpaId, NodeId, PodId, PoolId, StationId, WorkloadId,
};
use crate::units::{Origin, SimTime};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Part of the story.
    Info,
    /// Something to look at.
    Warning,
    /// Users or the rollout were harmed.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Whom a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The run as a whole.
    Run,
    /// An autoscaler.
    Hpa(HpaId),
    /// A workload.
    Workload(WorkloadId),
    /// A service.
    Station(StationId),
    /// A node pool.
    Pool(PoolId),
    /// A budget.
    Budget(BudgetId),
    /// A timed event.
    Disruption(DisruptionId),
    /// A threshold, by its place in the scenario.
    Threshold(usize),
}

/// A record that a finding rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    /// When.
    pub at: SimTime,
    /// About whom.
    pub object: EvidenceObject,
}

/// Whom a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceObject {
    /// A sync of an HPA.
    Hpa(HpaId),
    /// A pod.
    Pod(PodId),
    /// A node.
    Node(NodeId),
    /// A measured series: the instant is that of a sample.
    Series,
}

/// What happened, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which kind.
    pub code: &'static Code,
    /// How much it matters.
    pub severity: Severity,
    /// When it began.
    pub from: SimTime,
    /// When it was over; `None` when it was not, by the end of the run, or has no length.
    pub until: Option<SimTime>,
    /// Whom it is about.
    pub subject: Subject,
    /// What happened, in one short sentence: the left column of the summary.
    pub message: String,
    /// Why and how much: the right column.
    pub note: String,
    /// The records it rests on, by time, the telling ones first when there are many.
    pub evidence: Vec<Evidence>,
    /// The figures of the input that decided it.
    pub origins: Vec<Origin>,
}

impl Finding {
    /// Where it is told among others: by time, at one instant what may cause before what may follow.
    #[must_use]
    pub fn order(&self) -> (SimTime, u8, &'static str, Subject) {
        (self.from, self.code.rank, self.code.id, self.subject)
    }
}
