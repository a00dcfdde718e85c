//! Timed disruptions: what the scenario does to the cluster, and when.

use std::fmt;
use std::sync::Arc;

use crate::control::pool_upgrade::UpgradeSpec;
use crate::model::id::{PoolId, StationId, WorkloadId};
use crate::scenario::capacity::MachineFilter;
use crate::scenario::rollout::RolloutSpec;
use crate::units::{Origin, SimDuration, counted};

/// An entry of `events`.
#[derive(Debug, Clone, PartialEq)]
pub struct DisruptionSpec {
    /// When, counted from the start of measuring.
    pub at: SimDuration,
    /// What.
    pub target: DisruptionTarget,
    /// Where it is written.
    pub origin: Origin,
}

/// What a disruption does.
#[derive(Debug, Clone, PartialEq)]
pub enum DisruptionTarget {
    /// `kubectl drain` of nodes of a pool, one after another, through budgets.
    Drain {
        /// The pool.
        pool: PoolId,
        /// How many nodes.
        count: u32,
        /// The node of this name and no other.
        node: Option<Arc<str>>,
    },
    /// Machines of a pool fail.
    FailNode {
        /// The pool.
        pool: PoolId,
        /// How many.
        count: u32,
        /// How long; `None` is for good.
        duration: Option<SimDuration>,
        /// Only nodes that run a pod of this workload.
        running: Option<WorkloadId>,
        /// How long after the failure someone deletes the Node objects; `None` is never.
        deleted: Option<SimDuration>,
        /// The node of this name and no other.
        node: Option<Arc<str>>,
    },
    /// The cloud takes spot machines of a pool back.
    ReclaimSpot {
        /// The pool.
        pool: PoolId,
        /// How many.
        count: u32,
        /// How long before it says so.
        notice: SimDuration,
        /// Whether a termination handler hears the notice, cordons and drains.
        handler: bool,
    },
    /// All nodes of a pool are replaced by new ones.
    UpgradePool {
        /// The pool.
        pool: PoolId,
        /// How.
        spec: UpgradeSpec,
        /// Whether the template of a NodePool changed, and not the machine image of its nodes.
        template: bool,
    },
    /// A zone fails.
    FailZone {
        /// Its name.
        zone: Arc<str>,
        /// How long; `None` is for good.
        duration: Option<SimDuration>,
    },
    /// The cloud has no machines of some kind.
    CapacityShortage {
        /// Which.
        of: MachineFilter,
        /// How long; `None` is to the end.
        duration: Option<SimDuration>,
    },
    /// `kubectl cordon`.
    Cordon {
        /// The node's name.
        node: Arc<str>,
    },
    /// `kubectl scale`.
    Scale {
        /// The workload.
        workload: WorkloadId,
        /// New size.
        replicas: i32,
    },
    /// `helm upgrade`, or `kubectl set image`: objects are written anew.
    Rollout(Arc<RolloutSpec>),
    /// A service does its work more slowly: what begins meanwhile takes `factor` times its CPU, its
    /// delays and its GPU time.
    Slow {
        /// The service.
        station: StationId,
        /// How many times as long.
        factor: f64,
        /// How long; `None` is for good.
        duration: Option<SimDuration>,
    },
    /// `kubectl delete pod`.
    DeletePod {
        /// Whose pods.
        workload: WorkloadId,
        /// How many, oldest first.
        count: u32,
        /// The pod of this name and no other.
        pod: Option<Arc<str>>,
    },
}

impl DisruptionTarget {
    /// The key of the scenario document.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Drain { .. } => "drain",
            Self::FailNode { .. } => "failNode",
            Self::FailZone { .. } => "failZone",
            Self::ReclaimSpot { .. } => "reclaimSpot",
            Self::UpgradePool { .. } => "upgradePool",
            Self::CapacityShortage { .. } => "capacityShortage",
            Self::Cordon { .. } => "cordon",
            Self::Scale { .. } => "scale",
            Self::Rollout(spec) => spec.key,
            Self::Slow { .. } => "slow",
            Self::DeletePod { .. } => "deletePod",
        }
    }
}

impl fmt::Display for DisruptionTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain { node: Some(node), .. } => write!(f, "drain of {node}"),
            Self::FailNode { node: Some(node), .. } => write!(f, "failure of {node}"),
            Self::DeletePod { pod: Some(pod), .. } => write!(f, "deletion of {pod}"),
            Self::Drain { count, .. } => write!(f, "drain of {}", counted(*count, "node")),
            Self::FailNode { count, .. } => write!(f, "failure of {}", counted(*count, "node")),
            Self::ReclaimSpot { count, .. } => {
                write!(f, "reclaim of {}", counted(*count, "spot node"))
            }
            Self::UpgradePool { .. } => f.write_str("upgrade of a pool"),
            Self::FailZone { zone, .. } => write!(f, "failure of zone {zone}"),
            Self::CapacityShortage { of, .. } => write!(f, "shortage of {of}"),
            Self::Cordon { node } => write!(f, "cordon of {node}"),
            Self::Scale { replicas, .. } => write!(f, "scale to {replicas}"),
            Self::Rollout(spec) => write!(f, "rollout of {}", spec.what),
            Self::Slow { factor, .. } => write!(f, "slowdown by {factor}"),
            Self::DeletePod { count, .. } => write!(f, "deletion of {}", counted(*count, "pod")),
        }
    }
}
