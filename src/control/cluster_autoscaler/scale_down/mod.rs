//! Removing nodes nobody needs (core/scaledown).

use std::fmt;

use crate::model::id::NodeId;
use crate::units::SimTime;

pub(super) mod actuator;
mod budgets;
mod drain;
pub(super) mod drainability;
mod eligibility;
mod looks;
pub(super) mod planner;
pub(super) mod soft_taints;

pub use drainability::{BlockingPod, BlockingReason};
pub use eligibility::Utilization;
pub use planner::{Alone, Fate};

/// A node that is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnneededNode {
    /// Node.
    pub node: NodeId,
    /// Since when without interruption.
    pub since: SimTime,
    /// Pods must move before it goes.
    pub needs_drain: bool,
}

/// Why a node stays (simulator/cluster.go `UnremovableReason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnremovableReason {
    /// Its annotation says so.
    ScaleDownDisabledAnnotation,
    /// It is unready, and unready nodes are left.
    ScaleDownUnreadyDisabled,
    /// It belongs to no group.
    NotAutoscaled,
    /// Not unneeded for long enough.
    NotUnneededLongEnough,
    /// Not unready for long enough.
    NotUnreadyLongEnough,
    /// Its group would fall below its minimum.
    NodeGroupMinSizeReached,
    /// Its group goes as a whole or not at all.
    AtomicScaleDownFailed,
    /// The cluster would fall below its minimum of cores, memory or accelerators.
    MinimalResourceLimitExceeded,
    /// It is on its way out.
    CurrentlyBeingDeleted,
    /// Too much of it is requested.
    NotUnderutilized,
    /// A removal was tried in thought a short while ago, in vain.
    RecentlyUnremovable,
    /// Its pods fit nowhere else.
    NoPlaceToMovePods,
    /// A pod forbids it.
    BlockedByPod,
    /// A pod is waited for.
    BlockedByOnCompletionPod,
    /// It is not what it should be.
    UnexpectedError,
}

impl fmt::Display for UnremovableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a node stays, and which pod forbids it to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unremovable {
    /// Reason.
    pub reason: UnremovableReason,
    /// The pod, with [`UnremovableReason::BlockedByPod`].
    pub blocking: Option<BlockingPod>,
}

impl From<UnremovableReason> for Unremovable {
    fn from(reason: UnremovableReason) -> Self {
        Self { reason, blocking: None }
    }
}
