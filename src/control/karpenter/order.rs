//! What Karpenter wants done, and what it says about it.

use std::sync::Arc;

use super::pool::DisruptionReason;
use crate::cluster::api::Labels;
use crate::model::id::{NodeId, PodId, PoolId};
use crate::units::SimDuration;

/// A wish, in the order in which it is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// A machine was launched: the node it will be is made. To be answered with
    /// [`super::Karpenter::launched`].
    Launch {
        /// Name of claim and node.
        claim: Arc<str>,
        /// The pool of the cluster whose machines are of the type and capacity.
        pool: PoolId,
        /// Zone.
        zone: Arc<str>,
        /// Labels beside those of the pool.
        labels: Labels,
        /// Annotations of the NodePool's template.
        annotations: Labels,
    },
    /// The node gets the taint `karpenter.sh/disrupted:NoSchedule`.
    Taint(NodeId),
    /// The node loses it.
    Untaint(NodeId),
    /// The eviction API is asked; to be answered with [`super::Karpenter::eviction_answered`].
    Evict {
        /// Pod.
        pod: PodId,
        /// The node that drains.
        node: NodeId,
    },
    /// A pod is deleted whatever its budgets say.
    Delete {
        /// Pod.
        pod: PodId,
        /// What is left of the node's time.
        grace: SimDuration,
    },
    /// The instance is given back.
    Terminate(NodeId),
    /// A node goes of Karpenter's accord, or by its rules.
    Disrupted {
        /// Which.
        node: NodeId,
        /// Why.
        because: Because,
    },
    /// An event of an object, or a line of the log.
    Say {
        /// Whose.
        about: Whose,
        /// The event's reason, or the log's topic.
        event: &'static str,
        /// The message.
        message: Arc<str>,
    },
}

/// Whose event something is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// A pod's.
    Pod(PodId),
    /// A node's.
    Node(NodeId),
    /// A NodePool's.
    Pool(Arc<str>),
}

/// Why a node goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Because {
    /// A method of disruption.
    Disruption(DisruptionReason),
    /// It is older than `expireAfter`.
    Expired,
    /// The cloud takes it back.
    Interrupted,
    /// It never registered.
    Liveness,
}

impl Because {
    /// The word of Karpenter's metrics and events.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disruption(DisruptionReason::Empty) => "Empty",
            Self::Disruption(DisruptionReason::Drifted) => "Drifted",
            Self::Disruption(DisruptionReason::Underutilized) => "Underutilized",
            Self::Expired => "Expired",
            Self::Interrupted => "SpotInterrupted",
            Self::Liveness => "RegistrationTimeout",
        }
    }
}
