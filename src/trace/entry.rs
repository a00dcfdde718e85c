//! One line of the history: a record, or a run of records that say the same.

use crate::model::id::{BudgetId, HpaId, NodeId, PodId, WorkloadId};
use crate::model::reason::Reason;
use crate::model::record::{Decider, HpaSync, Record};
use crate::units::SimTime;

/// A record, and how often it was repeated without a change of what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// First time.
    pub first: SimTime,
    /// Last time.
    pub last: SimTime,
    /// How often.
    pub count: u32,
    /// The last of them, so that its figures are the newest.
    pub record: Record,
    /// For HPA syncs: the span of proposals within the run, before stabilization (replicas).
    pub proposals: Option<(i32, i32)>,
}

/// What repeats itself, and is told once: who speaks about whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Voice {
    Hpa(HpaId),
    Decider(Decider, Subject),
    Scheduler(PodId),
    Eviction(PodId),
    Quota(WorkloadId),
}

/// Whom a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Nobody,
    Pod(PodId),
    Node(NodeId),
    Budget(BudgetId),
}

impl Entry {
    pub(super) fn new(at: SimTime, record: Record) -> Self {
        let proposals = proposal(&record).map(|proposal| (proposal, proposal));
        Self { first: at, last: at, count: 1, record, proposals }
    }

    /// Takes a record that says the same, if it does; gives it back otherwise.
    pub(super) fn absorb(&mut self, at: SimTime, record: Record) -> Result<(), Record> {
        if !says_the_same(&self.record, &record) {
            return Err(record);
        }
        if let Some(new) = proposal(&record) {
            let (least, most) = self.proposals.unwrap_or((new, new));
            self.proposals = Some((least.min(new), most.max(new)));
        }
        self.last = at;
        self.count += 1;
        self.record = record;
        Ok(())
    }

    /// The sync, when this is one of an HPA.
    #[must_use]
    pub fn hpa_sync(&self) -> Option<(HpaId, &HpaSync)> {
        if let Record::HpaSynced(id, sync) = &self.record { Some((*id, sync)) } else { None }
    }

    /// The decision, when this is one.
    #[must_use]
    pub fn decision(&self) -> Option<(Decider, &Reason)> {
        if let Record::Decided { by, reason } = &self.record { Some((*by, reason)) } else { None }
    }
}

fn proposal(record: &Record) -> Option<i32> {
    if let Record::HpaSynced(_, sync) = record { sync.proposal } else { None }
}

/// The voice a record speaks with, when it is one that repeats itself.
pub(super) fn voice(record: &Record) -> Option<Voice> {
    if let Record::HpaSynced(id, _) = record {
        Some(Voice::Hpa(*id))
    } else if let Record::Decided { by, reason } = record {
        Some(Voice::Decider(*by, subject(reason)))
    } else if let Record::PodUnschedulable { pod, .. } = record {
        Some(Voice::Scheduler(*pod))
    } else if let Record::EvictionRefused { pod, .. } = record {
        Some(Voice::Eviction(*pod))
    } else if let Record::PodForbidden { workload, .. } = record {
        Some(Voice::Quota(*workload))
    } else {
        None
    }
}

fn subject(reason: &Reason) -> Subject {
    match reason {
        Reason::ScaleUp { pod, .. } | Reason::NoScaleUp { pod, .. } => Subject::Pod(*pod),
        Reason::ScaleDown { node, .. } | Reason::NoScaleDown { node, .. } => Subject::Node(*node),
        Reason::BudgetRefused { budget, .. } => Subject::Budget(*budget),
        Reason::InSync
        | Reason::TooFewPods { .. }
        | Reason::TooManyPods { .. }
        | Reason::WaitsForOrdinal { .. }
        | Reason::RollingOut
        | Reason::Scheduled { .. }
        | Reason::Unschedulable { .. }
        | Reason::SeveralBudgets
        | Reason::RetriesIn(_) => Subject::Nobody,
    }
}

/// Whether two records of one voice say the same. Of an HPA that is: the same size before and
/// after, written or not, held or not, the same metrics failing, and the same conditions for the
/// same reasons; its figures may differ.
fn says_the_same(old: &Record, new: &Record) -> bool {
    if let (Record::HpaSynced(_, old), Record::HpaSynced(_, new)) = (old, new) {
        return sync_says_the_same(old, new);
    }
    if let (
        Record::PodForbidden { workload: old, .. },
        Record::PodForbidden { workload: new, .. },
    ) = (old, new)
    {
        return old == new;
    }
    old == new
}

fn sync_says_the_same(old: &HpaSync, new: &HpaSync) -> bool {
    let HpaSync {
        current,
        metrics,
        proposal: _,
        stabilized: _,
        held_until,
        desired,
        rescaled,
        rescale_reason,
        conditions,
    } = old;
    *current == new.current
        && *desired == new.desired
        && !rescaled
        && !new.rescaled
        && *rescale_reason == new.rescale_reason
        && held_until.is_some() == new.held_until.is_some()
        && *conditions == new.conditions
        && metrics.iter().map(|m| &m.failure).eq(new.metrics.iter().map(|m| &m.failure))
}
