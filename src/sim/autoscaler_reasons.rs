//! The autoscaler's findings in the words of the decision log.

use std::sync::Arc;

use crate::control::cluster_autoscaler::scale_down::{
    BlockingReason, Unremovable, UnremovableReason,
};
use crate::control::cluster_autoscaler::status::{
    NoScaleUp as Helpless, RejectReason, ScaleUpResult, ScaleUpStatus, SkipReason,
};
use crate::control::scheduler::Plugin;
use crate::model::Reason;
use crate::model::id::{NodeId, PoolId};
use crate::model::reason::{Misfit, NoScaleDown, NoScaleUp};
use crate::units::convert::count_u32;

/// Why pools grow: for whom.
pub(super) fn told_growth(status: &ScaleUpStatus) -> Vec<Reason> {
    let helped = |pool: PoolId| {
        let options = status.options.iter();
        let option = options.clone().find(|option| option.group == pool);
        option.or_else(|| options.clone().find(|option| option.similar.contains(&pool)))
    };
    let mut reasons = Vec::new();
    for change in &status.plan {
        let Some(option) = helped(change.group) else { continue };
        let Some(pod) = option.pods.first().copied() else { continue };
        let pods = count_u32(option.pods.len());
        let (pool, from, to, max) = (change.group, change.from, change.to, change.max);
        reasons.push(Reason::ScaleUp { pod, pods, pool, from, to, max });
    }
    reasons
}

/// Why no pool grows for a pod; `pools` are those that are autoscaled.
pub(super) fn told_misfit(status: &ScaleUpStatus, pod: &Helpless, pools: &[PoolId]) -> Reason {
    if status.result == ScaleUpResult::LimitedByMaxNodesTotal {
        let pools = pools.iter().map(|pool| (*pool, NoScaleUp::MaxNodesTotal)).collect();
        return Reason::NoScaleUp { pod: pod.pod, pools };
    }
    let rejected = pod.rejected.iter().map(|(pool, why)| {
        let words = pod.words.get(pool).cloned().unwrap_or_default();
        (*pool, rejection(*why, words))
    });
    let skipped = status.skipped.iter().map(|(pool, why)| (*pool, skipping(why)));
    let mut pools: Vec<(PoolId, NoScaleUp)> = rejected.chain(skipped).collect();
    pools.sort_unstable();
    pools.dedup_by_key(|(pool, _)| *pool);
    Reason::NoScaleUp { pod: pod.pod, pools }
}

fn rejection(why: RejectReason, words: Vec<Arc<str>>) -> NoScaleUp {
    match why {
        RejectReason::Filter(rejection) => NoScaleUp::DoesNotFit {
            words,
            rule: match rejection.plugin() {
                Plugin::NodeAffinity => Misfit::NodeAffinity,
                Plugin::TaintToleration => Misfit::Taint,
                Plugin::NodeResourcesFit => Misfit::Resources,
                Plugin::VolumeBinding | Plugin::VolumeZone => Misfit::Volume,
                Plugin::PodTopologySpread | Plugin::InterPodAffinity => Misfit::OtherPods,
                Plugin::NodeUnschedulable
                | Plugin::NodeName
                | Plugin::NodePorts
                | Plugin::VolumeRestrictions
                | Plugin::NodeVolumeLimits
                | Plugin::NodeResourcesBalancedAllocation
                | Plugin::ImageLocality
                | Plugin::OpenGpuShare => Misfit::Other,
            },
        },
        RejectReason::ExecutionFailed => NoScaleUp::ExecutionFailed,
        RejectReason::FilteredOut => NoScaleUp::FilteredOut,
    }
}

fn skipping(why: &SkipReason) -> NoScaleUp {
    match why {
        SkipReason::MaxSizeReached => NoScaleUp::MaxSizeReached,
        SkipReason::Backoff => NoScaleUp::BackOff,
        SkipReason::NotReady => NoScaleUp::NotReady,
        SkipReason::Limits(resources) => NoScaleUp::Limits(resources.clone()),
        SkipReason::AtomicExceedsNodeCount => NoScaleUp::AtomicExceedsNodeCount,
    }
}

/// Why a node stays that might go; `None` for what is no news.
pub(super) fn told_stay(node: NodeId, why: &Unremovable) -> Option<Reason> {
    let why = match why.reason {
        UnremovableReason::NotUnderutilized => NoScaleDown::Utilized,
        UnremovableReason::NotUnneededLongEnough | UnremovableReason::NotUnreadyLongEnough => {
            NoScaleDown::NotUnneededLongEnough
        }
        UnremovableReason::NodeGroupMinSizeReached
        | UnremovableReason::MinimalResourceLimitExceeded => NoScaleDown::MinSizeReached,
        UnremovableReason::NoPlaceToMovePods => NoScaleDown::NoPlaceToMovePods,
        UnremovableReason::BlockedByPod | UnremovableReason::BlockedByOnCompletionPod => {
            let blocking = why.blocking.as_ref()?;
            match blocking.reason {
                BlockingReason::NotEnoughPdb(budget) => NoScaleDown::Budget(budget),
                BlockingReason::ControllerNotFound
                | BlockingReason::MinReplicasReached
                | BlockingReason::NotReplicated
                | BlockingReason::LocalStorageRequested
                | BlockingReason::NotSafeToEvictAnnotation
                | BlockingReason::UnmovableKubeSystemPod => NoScaleDown::BlockingPod(blocking.pod),
            }
        }
        UnremovableReason::ScaleDownDisabledAnnotation
        | UnremovableReason::ScaleDownUnreadyDisabled
        | UnremovableReason::NotAutoscaled
        | UnremovableReason::AtomicScaleDownFailed
        | UnremovableReason::CurrentlyBeingDeleted
        | UnremovableReason::RecentlyUnremovable
        | UnremovableReason::UnexpectedError => return None,
    };
    Some(Reason::NoScaleDown { node, why })
}
