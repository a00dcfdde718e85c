//! What a loop decided, and why, as data; Kubernetes' own words where it has them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::cloud::Call;
use super::scale_down::{UnneededNode, Unremovable, Utilization};
use super::scale_up::balancing::GroupChange;
use crate::control::scheduler::Rejection;
use crate::model::id::{NodeId, PodId, PoolId};

/// Everything a loop decided.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoopStatus {
    /// Adding nodes.
    pub scale_up: ScaleUpStatus,
    /// Removing nodes.
    pub scale_down: ScaleDownStatus,
    /// Nodes on their way, by group, after the loop.
    pub upcoming: BTreeMap<PoolId, i64>,
    /// Groups that back off after the loop.
    pub backed_off: Vec<PoolId>,
    /// Groups too unwell to grow after the loop.
    pub unhealthy: Vec<PoolId>,
    /// The cluster had too many unready nodes to do anything.
    pub cluster_unhealthy: bool,
    /// What ended the loop early.
    pub error: Option<String>,
    /// Calls to the cloud and the API server, in order; to be carried out unless refused.
    pub calls: Vec<Call>,
}

/// How a scale-up ended (processors/status/scale_up_status_processor.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScaleUpResult {
    /// Groups were made larger.
    Successful,
    /// The cloud refused, or a limit was met too late.
    Error,
    /// Pods wait, and no group would help them.
    NoOptionsAvailable,
    /// No pod waits.
    NotNeeded,
    /// The loop ended before.
    #[default]
    NotTried,
    /// All pods that wait are new.
    InCooldown,
    /// The cluster has as many nodes as it may.
    LimitedByMaxNodesTotal,
}

impl fmt::Display for ScaleUpResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Successful => "ScaleUpSuccessful",
            Self::Error => "ScaleUpError",
            Self::NoOptionsAvailable => "ScaleUpNoOptionsAvailable",
            Self::NotNeeded => "ScaleUpNotNeeded",
            Self::NotTried => "ScaleUpNotTried",
            Self::InCooldown => "ScaleUpInCooldown",
            Self::LimitedByMaxNodesTotal => "ScaleUpLimitedByMaxNodesTotal",
        })
    }
}

/// Which pods wait, which groups would help, which one was chosen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScaleUpStatus {
    /// How it ended.
    pub result: ScaleUpResult,
    /// Pending pods that need no new node: they fit an existing or upcoming one, are expendable, or
    /// belong to a DaemonSet.
    pub fit_on_existing: Vec<PodId>,
    /// Pending pods that are left, young ones among them.
    pub to_help: Vec<PodId>,
    /// What each group that helps could do.
    pub options: Vec<OptionStatus>,
    /// Groups left by the expanders; one of several is chosen at random.
    pub best: Vec<PoolId>,
    /// The group chosen.
    pub chosen: Option<PoolId>,
    /// New target sizes.
    pub plan: Vec<GroupChange>,
    /// What went wrong.
    pub error: Option<String>,
    /// Groups that were not looked at.
    pub skipped: BTreeMap<PoolId, SkipReason>,
    /// Pods no group that was looked at can help.
    pub remain_unschedulable: Vec<NoScaleUp>,
    /// Pods another group could help, left for the next loop.
    pub await_evaluation: Vec<PodId>,
}

/// What growing one group would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionStatus {
    /// Group.
    pub group: PoolId,
    /// Nodes to add.
    pub nodes: i64,
    /// Pods that would run on them.
    pub pods: Vec<PodId>,
    /// Groups over which the nodes would be spread too.
    pub similar: Vec<PoolId>,
}

/// Why no group was made larger for a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct NoScaleUp {
    /// Pod.
    pub pod: PodId,
    /// Why each group looked at would not help.
    pub rejected: BTreeMap<PoolId, RejectReason>,
    /// The scheduler's words on each group whose new node would not take it.
    pub words: BTreeMap<PoolId, Vec<Arc<str>>>,
}

/// Why a group was not looked at (core/scaleup/orchestrator/skippedreasons.go).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// It failed before and is left alone.
    Backoff,
    /// It is at its maximum.
    MaxSizeReached,
    /// It is unhealthy, or nobody knows what its nodes look like.
    NotReady,
    /// These cluster-wide limits are met.
    Limits(Vec<Arc<str>>),
    /// All its nodes at once would exceed the cluster's node count.
    AtomicExceedsNodeCount,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backoff => f.write_str("in backoff after failed scale-up"),
            Self::MaxSizeReached => f.write_str("max node group size reached"),
            Self::NotReady => f.write_str("not ready for scale-up"),
            Self::Limits(resources) => {
                write!(f, "exceeded quota: \"cluster-wide\", resources: {}", resources.join(", "))
            }
            Self::AtomicExceedsNodeCount => {
                f.write_str("atomic scale-up exceeds cluster node count limit")
            }
        }
    }
}

/// Why a group that was looked at does not help a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// A new node of it would not take the pod.
    Filter(Rejection),
    /// It was to grow, and that failed (core/scaleup/orchestrator/rejectedreasons.go).
    ExecutionFailed,
    /// The expanders left nothing.
    FilteredOut,
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter(rejection) => rejection.plugin().name(),
            Self::ExecutionFailed => "scale-up execution failed",
            Self::FilteredOut => "expansion options filtered out and no longer considered",
        })
    }
}

impl ScaleUpStatus {
    /// The text of the event `NotTriggerScaleUp` of a pod
    /// (processors/status/eventing_scale_up_processor.go `ReasonsMessage`).
    #[must_use]
    pub fn event(&self, pod: &NoScaleUp) -> String {
        if self.result == ScaleUpResult::LimitedByMaxNodesTotal {
            return "pod didn't trigger scale-up: max total nodes in cluster reached".to_owned();
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let rejected = pod.rejected.values().map(ToString::to_string);
        for reason in rejected.chain(self.skipped.values().map(ToString::to_string)) {
            *counts.entry(reason).or_default() += 1;
        }
        let parts: Vec<String> =
            counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        format!("pod didn't trigger scale-up: {}", parts.join(", "))
    }
}

/// How a scale-down ended (core/scaledown/status/status.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScaleDownResult {
    /// Something went wrong.
    Error,
    /// Nothing was removed.
    NoNodeDeleted,
    /// Removals began.
    NodeDeleteStarted,
    /// A pause after an earlier change.
    InCooldown,
    /// The loop ended before.
    #[default]
    NotTried,
    /// No group is above its minimum.
    NoCandidates,
}

impl fmt::Display for ScaleDownResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "Error",
            Self::NoNodeDeleted => "NoNodeDeleted",
            Self::NodeDeleteStarted => "NodeDeleteStarted",
            Self::InCooldown => "InCooldown",
            Self::NotTried => "NotTried",
            Self::NoCandidates => "NoCandidates",
        })
    }
}

/// Which nodes are not needed, which stay and why, which go.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScaleDownStatus {
    /// How it ended.
    pub result: ScaleDownResult,
    /// Empty nodes whose removal began.
    pub delete_empty: Vec<NodeId>,
    /// Nodes whose drain began.
    pub delete_drain: Vec<NodeId>,
    /// Nodes that are not needed.
    pub unneeded: Vec<UnneededNode>,
    /// Nodes that stay, as last planned.
    pub unremovable: BTreeMap<NodeId, Unremovable>,
    /// Utilisation of the nodes looked at, as last planned.
    pub utilization: BTreeMap<NodeId, Utilization>,
}
