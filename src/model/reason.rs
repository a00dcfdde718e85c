//! Why someone acted, and why not. Kubernetes' own words where it has them.

use std::collections::BTreeMap;
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
        /// Its size so far.
        from: i64,
        /// Its size asked for.
        to: i64,
        /// The most it may have.
        max: i64,
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoScaleUp {
    /// It is at its maximum.
    MaxSizeReached,
    /// A new node of it would not take the pod.
    DoesNotFit {
        /// The rule that speaks against it.
        rule: Misfit,
        /// The scheduler's words: `Insufficient cpu`.
        words: Vec<Arc<str>>,
    },
    /// A node is already on its way that will take the pod.
    Upcoming,
    /// It failed to deliver and is left alone for a while.
    BackOff,
    /// Too many of its nodes are missing, or nobody knows what they look like.
    NotReady,
    /// A limit of the whole cluster is met: which resources.
    Limits(Vec<Arc<str>>),
    /// The cluster has as many nodes as it may have.
    MaxNodesTotal,
    /// All its nodes at once would exceed the cluster's node count.
    AtomicExceedsNodeCount,
    /// It was to grow, and the cloud refused.
    ExecutionFailed,
    /// The expanders left nothing.
    FilteredOut,
    /// It is not autoscaled.
    NotAutoscaled,
}

impl NoScaleUp {
    /// The reasons as the Cluster Autoscaler's event counts them
    /// (core/scaleup/orchestrator/skippedreasons.go, rejectedreasons.go).
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let one = match self {
            Self::DoesNotFit { words, .. } if !words.is_empty() => {
                return words.iter().map(ToString::to_string).collect();
            }
            Self::DoesNotFit { rule, .. } => match rule {
                Misfit::NodeAffinity => "node(s) didn't match Pod's node affinity/selector",
                Misfit::Taint => "node(s) had untolerated taint(s)",
                Misfit::Resources => "Insufficient resources",
                Misfit::Volume => "node(s) didn't match PersistentVolume's node affinity",
                Misfit::OtherPods => {
                    "node(s) didn't match pod topology spread constraints or pod (anti-)affinity \
                     rules"
                }
                Misfit::Other => "a new node would not fit the pod",
            },
            Self::Limits(resources) => {
                let resources = resources.join(", ");
                return vec![format!("exceeded quota: \"cluster-wide\", resources: {resources}")];
            }
            Self::MaxSizeReached => "max node group size reached",
            Self::Upcoming => "a node that fits is on its way",
            Self::BackOff => "in backoff after failed scale-up",
            Self::NotReady => "not ready for scale-up",
            Self::MaxNodesTotal => "max total nodes in cluster reached",
            Self::AtomicExceedsNodeCount => "atomic scale-up exceeds cluster node count limit",
            Self::ExecutionFailed => "scale-up execution failed",
            Self::FilteredOut => "expansion options filtered out and no longer considered",
            Self::NotAutoscaled => "not autoscaled",
        };
        vec![one.to_owned()]
    }
}

/// The text of the event `NotTriggerScaleUp` of a pod: each reason with the number of pools it
/// holds for (processors/status/eventing_scale_up_processor.go `ReasonsMessage`; the real order is
/// that of a Go map).
#[must_use]
pub fn not_trigger_scale_up(pools: &[(PoolId, NoScaleUp)]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, why) in pools {
        if *why == NoScaleUp::MaxNodesTotal {
            return format!("pod didn't trigger scale-up: {why}");
        }
        for word in why.words() {
            *counts.entry(word).or_default() += 1;
        }
    }
    let parts: Vec<String> =
        counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    format!("pod didn't trigger scale-up: {}", parts.join(", "))
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
        f.write_str(&self.words().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_the_pools_of_each_reason() {
        let short = |words: &[&str]| NoScaleUp::DoesNotFit {
            rule: Misfit::Resources,
            words: words.iter().map(|word| Arc::from(*word)).collect(),
        };
        let pools = [
            (PoolId(0), NoScaleUp::MaxSizeReached),
            (PoolId(1), short(&["Insufficient cpu", "Insufficient nvidia.com/gpu"])),
            (PoolId(2), short(&["Insufficient cpu"])),
            (PoolId(3), NoScaleUp::NotReady),
        ];
        assert_eq!(
            not_trigger_scale_up(&pools),
            "pod didn't trigger scale-up: 2 Insufficient cpu, 1 Insufficient nvidia.com/gpu, 1 max \
             node group size reached, 1 not ready for scale-up"
        );
        assert_eq!(
            not_trigger_scale_up(&[(PoolId(0), NoScaleUp::MaxNodesTotal)]),
            "pod didn't trigger scale-up: max total nodes in cluster reached"
        );
    }
}
