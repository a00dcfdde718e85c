//! The autoscaler's findings in the words of the decision log.

use crate::control::cluster_autoscaler::scale_down::{
    BlockingReason, Unremovable, UnremovableReason,
};
use crate::control::cluster_autoscaler::status::{
    NoScaleUp as Helpless, RejectReason, ScaleUpStatus, SkipReason,
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
        reasons.push(Reason::ScaleUp { pod, pods, pool: change.group });
    }
    reasons
}

/// Why no pool grows for a pod.
pub(super) fn told_misfit(status: &ScaleUpStatus, pod: &Helpless) -> Reason {
    let rejected = pod.rejected.iter().map(|(pool, why)| (*pool, rejection(*why)));
    let skipped = status.skipped.iter().map(|(pool, why)| (*pool, skipping(why)));
    let mut pools: Vec<(PoolId, NoScaleUp)> = rejected.chain(skipped).collect();
    pools.sort_unstable();
    pools.dedup_by_key(|(pool, _)| *pool);
    Reason::NoScaleUp { pod: pod.pod, pools }
}

fn rejection(why: RejectReason) -> NoScaleUp {
    match why {
        RejectReason::Filter(rejection) => NoScaleUp::DoesNotFit(match rejection.plugin() {
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
            | Plugin::ImageLocality => Misfit::Other,
        }),
        RejectReason::ExecutionFailed | RejectReason::FilteredOut => NoScaleUp::BackOff,
    }
}

fn skipping(why: &SkipReason) -> NoScaleUp {
    match why {
        SkipReason::MaxSizeReached => NoScaleUp::MaxSizeReached,
        SkipReason::Backoff | SkipReason::NotReady => NoScaleUp::BackOff,
        SkipReason::Limits(_) | SkipReason::AtomicExceedsNodeCount => NoScaleUp::MaxSizeReached,
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
