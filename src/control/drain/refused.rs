//! Which budget keeps a pod on its node, since when, and what would let it go.

use std::sync::Arc;

use crate::cluster::api::budget::Allowance;
use crate::cluster::api::meta::IntOrPercent;
use crate::control::disruption::{DisruptionAllowed, StoredStatus};
use crate::model::id::{BudgetId, PodId};
use crate::units::SimTime;

/// A pod whose eviction a budget refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which pod.
    pub pod: PodId,
    /// Which budget.
    pub budget: BudgetId,
    /// When it was refused first.
    pub since: SimTime,
    /// How often so far.
    pub attempts: u32,
    /// What the API server said last.
    pub message: Arc<str>,
}

/// What would make a budget allow the next disruption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// It allows one now.
    None,
    /// Waiting: so many more of its pods must become ready.
    MoreReadyPods(i32),
    /// Waiting does not help: even with every expected pod ready it allows none. More replicas or a
    /// smaller demand would.
    NeverAtThisSize {
        /// Pods that it expects.
        expected: i32,
        /// Pods that must be healthy.
        desired: i32,
    },
    /// Waiting does not help: its expected number of pods cannot be found out, because an owner has
    /// no scale. A whole number as `minAvailable` would.
    CannotCount {
        /// The controller's sentence.
        message: Arc<str>,
    },
    /// Waiting: approved evictions are not carried out yet.
    DisruptionsUnderWay(usize),
}

/// What would make a budget with this status allow the next disruption.
#[must_use]
pub fn remedy(allowance: Option<Allowance>, status: &StoredStatus) -> Remedy {
    let figures = &status.figures;
    if figures.disruptions_allowed > 0 {
        return Remedy::None;
    }
    if let Some(DisruptionAllowed::SyncFailed { message }) = &status.condition {
        return Remedy::CannotCount { message: Arc::clone(message) };
    }
    let desired = figures.desired_healthy;
    let expected = figures.expected_pods;
    // With an integer minAvailable, terminating and finished pods are among those expected.
    let whole = matches!(allowance, Some(Allowance::MinAvailable(IntOrPercent::Int(_))));
    let at_best = if whole { expected.max(figures.current_healthy) } else { expected };
    if at_best <= desired {
        return Remedy::NeverAtThisSize { expected, desired };
    }
    let missing = desired + 1 - figures.current_healthy;
    if missing > 0 && status.disrupted.is_empty() {
        Remedy::MoreReadyPods(missing)
    } else {
        Remedy::DisruptionsUnderWay(status.disrupted.len())
    }
}
