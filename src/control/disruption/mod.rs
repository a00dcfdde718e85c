//! The disruption controller: how many evictions a PodDisruptionBudget allows now.
//!
//! kube-controller-manager, disruption.go `trySync`, `getExpectedPodCount`, `buildDisruptedPodMap`,
//! `countHealthyPods`, `updatePdbStatus`, `failSafe`.

mod live;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::cluster::api::budget::Allowance;
use crate::cluster::api::meta::IntOrPercent;
use crate::model::action::BudgetStatus;
use crate::model::id::PodId;
use crate::units::convert::count_i32;
use crate::units::{SimDuration, SimTime};

pub use live::Budgets;

/// How long an approved eviction is believed in before the pod counts as healthy again
/// (disruption.go `DeletionTimeout`).
pub const DELETION_TIMEOUT: SimDuration = SimDuration::from_secs(120);

/// What the disruption controller looks at in one synchronisation of a budget.
#[derive(Debug)]
pub struct Observation<'a, L: Owners> {
    /// Now.
    pub now: SimTime,
    /// `minAvailable` or `maxUnavailable`.
    pub allowance: Option<Allowance>,
    /// `metadata.generation`.
    pub generation: i64,
    /// The stored status.
    pub status: &'a StoredStatus,
    /// The pods that the budget selects, in any phase. Only the choice among several error messages
    /// depends on their order.
    pub pods: &'a [PodSeen<'a, L::Ref>],
    /// Where the owners of the pods are looked up.
    pub owners: &'a L,
}

/// A pod as the disruption controller sees it.
#[derive(Debug, Clone, Copy)]
pub struct PodSeen<'a, R> {
    /// Which.
    pub pod: PodId,
    /// Its name, for messages.
    pub name: &'a str,
    /// Whether its Ready condition is True.
    pub ready: bool,
    /// Whether its deletion began.
    pub terminating: bool,
    /// Its controller reference.
    pub owner: Option<R>,
}

/// The objects that controller references point to.
pub trait Owners {
    /// A reference: kind, name and uid in one.
    type Ref: Copy + Ord + fmt::Debug;

    /// What kind of object a reference names; the object itself may be gone.
    fn kind(&self, reference: Self::Ref) -> OwnerKind;

    /// The object, if it exists and is the very one that is meant (equal uid).
    fn find(&self, reference: Self::Ref) -> Option<Owner<Self::Ref>>;
}

/// The kinds of owners, by how the disruption controller finds their scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnerKind {
    /// apps/v1 Deployment.
    Deployment,
    /// apps/v1 ReplicaSet: stands for its Deployment, when it has one.
    ReplicaSet,
    /// Any other kind with a scale subresource.
    Scalable,
    /// A kind without a scale subresource.
    Unscalable {
        /// Resource and group, e.g. `jobs.batch`.
        resource: &'static str,
    },
}

/// An owner that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<R> {
    /// `spec.replicas`.
    pub replicas: i32,
    /// Its own controller reference.
    pub controller: Option<R>,
}

/// `PodDisruptionBudget.status` in full.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredStatus {
    /// `observedGeneration`; 0 before the first successful synchronisation.
    pub observed_generation: i64,
    /// The four figures.
    pub figures: BudgetStatus,
    /// `disruptedPods`: when the eviction of each was approved, in whole seconds.
    pub disrupted: BTreeMap<PodId, SimTime>,
    /// The condition DisruptionAllowed; `None` before anyone wrote it.
    pub condition: Option<DisruptionAllowed>,
}

/// The condition DisruptionAllowed, by its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisruptionAllowed {
    /// True: at least one pod may go.
    SufficientPods,
    /// False: none may go.
    InsufficientPods,
    /// False: the expected number of pods could not be found out.
    SyncFailed {
        /// The error, in the controller's words.
        message: Arc<str>,
    },
}

impl DisruptionAllowed {
    /// The condition that goes with a number of allowed disruptions.
    #[must_use]
    pub fn of(disruptions_allowed: i32) -> Self {
        if disruptions_allowed > 0 { Self::SufficientPods } else { Self::InsufficientPods }
    }

    /// The condition's status.
    #[must_use]
    pub fn status(&self) -> bool {
        *self == Self::SufficientPods
    }

    /// The condition's reason.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::SufficientPods => "SufficientPods",
            Self::InsufficientPods => "InsufficientPods",
            Self::SyncFailed { .. } => "SyncFailed",
        }
    }

    /// The condition's message; empty unless the synchronisation failed.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::SufficientPods | Self::InsufficientPods => "",
            Self::SyncFailed { message } => message,
        }
    }
}

/// What one synchronisation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Sync {
    /// The new status; `None` when the stored one stands.
    pub write: Option<StoredStatus>,
    /// When to look again although nothing happens.
    pub recheck: Option<SimDuration>,
    /// Events for the budget, in the order they are sent.
    pub events: Vec<BudgetEvent>,
}

/// An event of the disruption controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BudgetEvent {
    /// The budget selects no pod.
    NoPods,
    /// Some of the pods have no controller and do not count.
    UnmanagedPods,
    /// The expected number of pods could not be found out.
    CalculateExpectedPodCountFailed,
    /// An approved eviction was not carried out in two minutes.
    NotDeleted(PodId),
}

impl BudgetEvent {
    /// The event's reason.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoPods => "NoPods",
            Self::UnmanagedPods => "UnmanagedPods",
            Self::CalculateExpectedPodCountFailed => "CalculateExpectedPodCountFailed",
            Self::NotDeleted(_) => "NotDeleted",
        }
    }
}

/// Synchronises a budget: counts its pods, asks their owners, and says what its status becomes.
pub fn sync<L: Owners>(seen: &Observation<'_, L>) -> Sync {
    let mut events = Vec::new();
    if seen.pods.is_empty() {
        events.push(BudgetEvent::NoPods);
    }
    let (expected_pods, desired_healthy) = match expectation(seen, &mut events) {
        Ok(expectation) => expectation,
        Err(message) => {
            events.push(BudgetEvent::CalculateExpectedPodCountFailed);
            return Sync { write: Some(fail_safe(seen.status, message)), recheck: None, events };
        }
    };
    let (disrupted, expiry) = disrupted_pods(seen, &mut events);
    let healthy = seen.pods.iter().filter(|pod| {
        let leaves =
            disrupted.get(&pod.pod).is_some_and(|&since| since + DELETION_TIMEOUT > seen.now);
        pod.ready && !pod.terminating && !leaves
    });
    let current_healthy = count_i32(healthy.count());
    let surplus = current_healthy.wrapping_sub(desired_healthy);
    let disruptions_allowed = if expected_pods > 0 { surplus.max(0) } else { 0 };
    let figures =
        BudgetStatus { expected_pods, current_healthy, desired_healthy, disruptions_allowed };
    let stored = seen.status;
    let stands = stored.figures == figures
        && stored.disrupted == disrupted
        && stored.observed_generation == seen.generation
        && stored.condition.as_ref().is_some_and(|it| it.status() == (disruptions_allowed > 0));
    let write = (!stands).then(|| StoredStatus {
        observed_generation: seen.generation,
        figures,
        disrupted,
        condition: Some(DisruptionAllowed::of(disruptions_allowed)),
    });
    Sync { write, recheck: expiry.map(|at| at - seen.now), events }
}

/// Expected and desired number of pods, or why they cannot be known.
fn expectation<L: Owners>(
    seen: &Observation<'_, L>,
    events: &mut Vec<BudgetEvent>,
) -> Result<(i32, i32), Arc<str>> {
    match seen.allowance {
        None => Ok((0, 0)),
        Some(Allowance::MinAvailable(IntOrPercent::Int(count))) => {
            Ok((count_i32(seen.pods.len()), count))
        }
        Some(Allowance::MinAvailable(share)) => {
            let expected = expected_scale(seen, events)?;
            Ok((expected, share.scaled(expected, true)))
        }
        Some(Allowance::MaxUnavailable(share)) => {
            let expected = expected_scale(seen, events)?;
            Ok((expected, expected.wrapping_sub(share.scaled(expected, true)).max(0)))
        }
    }
}

/// The sum of `spec.replicas` over the distinct owners of the pods (`getExpectedScale`).
fn expected_scale<L: Owners>(
    seen: &Observation<'_, L>,
    events: &mut Vec<BudgetEvent>,
) -> Result<i32, Arc<str>> {
    let mut scales = BTreeMap::new();
    let mut unmanaged = false;
    for pod in seen.pods {
        let Some(reference) = pod.owner else {
            unmanaged = true;
            continue;
        };
        if scales.contains_key(&reference) {
            continue;
        }
        let (scaled, replicas) = scale_of(seen.owners, reference)?
            .ok_or_else(|| Arc::from(format!("found no controllers for pod \"{}\"", pod.name)))?;
        scales.insert(scaled, replicas);
    }
    if unmanaged {
        events.push(BudgetEvent::UnmanagedPods);
    }
    // The real controller adds int32 values, which wrap around.
    Ok(scales.values().fold(0, |sum: i32, &replicas| sum.wrapping_add(replicas)))
}

/// The object whose scale counts for a pod of `reference`, and its size: the Deployment of a
/// ReplicaSet, else the owner itself; `None` when the owner is gone.
fn scale_of<L: Owners>(owners: &L, reference: L::Ref) -> Result<Option<(L::Ref, i32)>, Arc<str>> {
    let kind = owners.kind(reference);
    if let OwnerKind::Unscalable { resource } = kind {
        return Err(Arc::from(format!("{resource} does not implement the scale subresource")));
    }
    let Some(owner) = owners.find(reference) else {
        return Ok(None);
    };
    if kind == OwnerKind::ReplicaSet
        && let Some(controller) = owner.controller
        && owners.kind(controller) == OwnerKind::Deployment
        && let Some(deployment) = owners.find(controller)
    {
        return Ok(Some((controller, deployment.replicas)));
    }
    Ok(Some((reference, owner.replicas)))
}

/// Approved evictions that are still believed in, and when the first of them lapses.
fn disrupted_pods<L: Owners>(
    seen: &Observation<'_, L>,
    events: &mut Vec<BudgetEvent>,
) -> (BTreeMap<PodId, SimTime>, Option<SimTime>) {
    let mut kept = BTreeMap::new();
    let mut expiry: Option<SimTime> = None;
    if seen.status.disrupted.is_empty() {
        return (kept, expiry);
    }
    for pod in seen.pods.iter().filter(|pod| !pod.terminating) {
        let Some(&since) = seen.status.disrupted.get(&pod.pod) else {
            continue;
        };
        let lapses = since + DELETION_TIMEOUT;
        if lapses < seen.now {
            events.push(BudgetEvent::NotDeleted(pod.pod));
        } else {
            expiry = Some(expiry.map_or(lapses, |first| first.min(lapses)));
            kept.insert(pod.pod, since);
        }
    }
    (kept, expiry)
}

/// Nothing may go while the controller does not know; the old figures stay.
fn fail_safe(stored: &StoredStatus, message: Arc<str>) -> StoredStatus {
    let mut status = stored.clone();
    status.figures.disruptions_allowed = 0;
    status.condition = Some(DisruptionAllowed::SyncFailed { message });
    status
}

#[cfg(test)]
mod tests;
