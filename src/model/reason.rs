//! Why someone acted, and why not. Kubernetes' own words where it has them.

use std::fmt;
use std::sync::Arc;

use crate::model::id::{BudgetId, NodeId, PodId, PoolId};
use crate::units::{SimDuration, SimTime};

/// A because. Every decision carries one, also the decision to do nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// Everything is as wanted.
    InSync,
    /// A workload has fewer pods than wanted.
    TooFewPods {
        /// Pods missing.
        missing: i32,
    },
    /// A workload has more pods than wanted.
    TooManyPods {
        /// Pods in excess.
        excess: i32,
    },
    /// An ordered StatefulSet waits for a pod before it goes on.
    WaitsForOrdinal {
        /// The ordinal that is not ready.
        ordinal: i32,
    },
    /// A rollout moves pods from old templates to the new one.
    RollingOut,
    /// The scheduler found a node.
    Scheduled {
        /// Nodes that passed all filters.
        feasible: u32,
    },
    /// The scheduler found none.
    Unschedulable {
        /// kube-scheduler's sentence.
        message: Arc<str>,
    },
    /// The Cluster Autoscaler adds a node for pods that wait.
    ScaleUp {
        /// One of the pods that made it act.
        pod: PodId,
        /// How many pods it counts on placing.
        pods: u32,
        /// The pool that grows.
        pool: PoolId,
    },
    /// The Cluster Autoscaler sees pods that wait and adds nothing.
    NoScaleUp {
        /// One of the pods.
        pod: PodId,
        /// Why each pool was left out.
        pools: Vec<(PoolId, NoScaleUp)>,
    },
    /// The Cluster Autoscaler removes a node.
    ScaleDown {
        /// Which.
        node: NodeId,
        /// Since when it was not needed.
        unneeded_since: SimTime,
    },
    /// The Cluster Autoscaler leaves a node it would rather remove.
    NoScaleDown {
        /// Which.
        node: NodeId,
        /// Why.
        why: NoScaleDown,
    },
    /// The eviction API refused.
    BudgetRefused {
        /// The budget that allows no more.
        budget: BudgetId,
        /// The API server's sentence.
        message: Arc<str>,
    },
    /// Two budgets select the pod, which the eviction API answers with an error.
    SeveralBudgets,
    /// A disruption waits before it tries again.
    RetriesIn(SimDuration),
}

/// Why a pool was not made larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoScaleUp {
    /// It is at its maximum.
    MaxSizeReached,
    /// A new node of it would not take the pod.
    DoesNotFit(Misfit),
    /// A node is already on its way that will take the pod.
    Upcoming,
    /// It failed to deliver and is left alone for a while.
    BackOff,
    /// It is not autoscaled.
    NotAutoscaled,
}

/// The first rule by which a node of a pool would refuse a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfit {
    /// Labels do not match selector or affinity.
    NodeAffinity,
    /// A taint is not tolerated.
    Taint,
    /// It has too little of a resource.
    Resources,
    /// A volume of the pod lies where the node would not.
    Volume,
    /// Other pods keep it away: spread constraints, affinity to pods.
    OtherPods,
    /// Another rule.
    Other,
}

/// Why a node was not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoScaleDown {
    /// Its pods ask for too large a part of it.
    Utilized,
    /// It has not been unneeded for long enough.
    NotUnneededLongEnough,
    /// Its pool is at its minimum.
    MinSizeReached,
    /// Its pods fit nowhere else.
    NoPlaceToMovePods,
    /// A budget allows no disruption of one of its pods.
    Budget(BudgetId),
    /// It runs a pod that must not be moved.
    BlockingPod(PodId),
    /// A node was added, deleted or could not be deleted a short while ago.
    CoolDown,
}

impl fmt::Display for NoScaleUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MaxSizeReached => "max node group size reached",
            Self::DoesNotFit(Misfit::NodeAffinity) => {
                "node(s) didn't match Pod's node affinity/selector"
            }
            Self::DoesNotFit(Misfit::Taint) => "node(s) had untolerated taint(s)",
            Self::DoesNotFit(Misfit::Resources) => "Insufficient resources",
            Self::DoesNotFit(Misfit::Volume) => {
                "node(s) didn't match PersistentVolume's node affinity"
            }
            Self::DoesNotFit(Misfit::OtherPods) => {
                "node(s) didn't match pod topology spread constraints or pod (anti-)affinity rules"
            }
            Self::DoesNotFit(Misfit::Other) => "a new node would not fit the pod",
            Self::Upcoming => "a node that fits is on its way",
            Self::BackOff => "in backoff after failed scale-up",
            Self::NotAutoscaled => "not autoscaled",
        })
    }
}
