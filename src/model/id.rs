//! Typed indexes: a pod cannot be looked up among the nodes.

use std::fmt;

use crate::units::convert::{count_u32, index};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The id of the element at `position` of its arena.
            #[must_use]
            pub fn at(position: usize) -> Self {
                Self(count_u32(position))
            }

            /// The position in its arena.
            #[must_use]
            #[inline]
            pub fn index(self) -> usize {
                index(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )*};
}

ids! {
    /// A pod; never reused within a run.
    PodId;
    /// A node; never reused within a run.
    NodeId;
    /// A Deployment, StatefulSet, DaemonSet or bare ReplicaSet.
    WorkloadId;
    /// A ReplicaSet; never reused within a run.
    ReplicaSetId;
    /// A PodDisruptionBudget.
    BudgetId;
    /// A node pool (node group).
    PoolId;
    /// A HorizontalPodAutoscaler.
    HpaId;
    /// A station: the ready pods of one workload as servers.
    StationId;
    /// An operation of a station.
    OperationId;
    /// A pod as a server of its station.
    ServerId;
    /// A class of client iterations.
    ClassId;
    /// A load of the scenario.
    LoadId;
    /// A timed disruption of the scenario.
    DisruptionId;
}

/// One client iteration under way: a slot of the client arena and the generation of its tenant, so
/// that a pause that ends too late does not wake another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    /// Slot in the arena.
    pub slot: u32,
    /// Tenant of the slot.
    pub generation: u32,
}

/// One call with a policy under way: a slot of its arena and the generation of its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffortId {
    /// Slot in the arena.
    pub slot: u32,
    /// Tenant of the slot.
    pub generation: u32,
}

/// One call under way: a slot of the call arena and the generation of its tenant, so that an
/// answer that comes too late does not reach the wrong caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// Slot in the arena.
    pub slot: u32,
    /// Tenant of the slot.
    pub generation: u32,
}
