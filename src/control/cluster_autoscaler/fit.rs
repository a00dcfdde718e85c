//! Whether a pod fits a node: the scheduler's filters, asked one node at a time.

use crate::control::scheduler::{NodeSlot, PodInfo, Snapshot};

/// The filter that speaks against a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The node is cordoned.
    NodeUnschedulable,
    /// The pod names another node.
    NodeName,
    /// A taint is not tolerated.
    TaintToleration,
    /// Labels do not match.
    NodeAffinity,
    /// A host port is taken.
    NodePorts,
    /// Something is too scarce.
    NodeResourcesFit,
    /// A spread constraint.
    PodTopologySpread,
    /// Affinity to other pods.
    InterPodAffinity,
    /// Volumes.
    Volumes,
}

/// A pod does not fit a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// The first filter against it.
    pub rule: Rule,
    /// Whether it is a spread constraint whose skew would grow too large.
    pub skew: bool,
}

/// Asks the filters.
#[derive(Debug, Default)]
pub(super) struct Fitter;

impl Fitter {
    pub(super) fn check(
        &mut self,
        _snapshot: &mut Snapshot,
        _pod: &PodInfo,
        _slot: NodeSlot,
    ) -> Result<(), Rejection> {
        Ok(())
    }

    pub(super) fn first(
        &mut self,
        _snapshot: &mut Snapshot,
        _pod: &PodInfo,
        candidates: &[(usize, NodeSlot)],
    ) -> Option<(usize, NodeSlot)> {
        candidates.first().copied()
    }
}
