//! Which pending pods need a new node (core/podlistprocessor, core/static_autoscaler.go).

use std::sync::Arc;

use super::observation::{GPU_RESOURCES, Observation, Pod};
use super::options::{Options, parse_duration};
use super::placement::{Hints, place_all};
use super::sight::Sight;
use crate::model::id::{NodeId, PodId};
use crate::units::{SimDuration, SimTime};

/// Age at which pods are not new any more; pods with accelerators come in groups and get longer.
const NEW: SimDuration = SimDuration::from_secs(2);
const NEW_WITH_GPU: SimDuration = SimDuration::from_secs(30);

/// Pods the scheduler found no node for.
pub(super) fn unschedulable(seen: &Observation) -> Vec<Arc<Pod>> {
    let waits = |pod: &&Arc<Pod>| {
        pod.node.is_none() && pod.deletion.is_none() && pod.nominated.is_none() && pod.unschedulable
    };
    seen.pods.iter().filter(waits).map(Arc::clone).collect()
}

/// The outcome of the pod list processors.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// They need no new node.
    pub(super) fit: Vec<PodId>,
    /// They might.
    pub(super) to_help: Vec<Arc<Pod>>,
}

/// Drops pods that need no new node: expendable ones, those that fit what there is (where they stay
/// for the rest of the loop), DaemonSet pods. Pods of nodes being drained count as pending.
pub(super) fn sort_out(
    pending: Vec<Arc<Pod>>,
    draining: &[NodeId],
    sight: &mut Sight,
    hints: &mut Hints,
    options: &Options,
) -> Sorted {
    let mut sorted = Sorted::default();
    let cutoff = options.expendable_pods_priority_cutoff;
    let (expendable, mut pods): (Vec<_>, Vec<_>) =
        pending.into_iter().partition(|pod| pod.is_expendable(cutoff));
    sorted.fit.extend(expendable.iter().map(|pod| pod.id));
    for node in draining {
        if let Some(slot) = sight.slot_of(*node) {
            let moving = sight
                .pods_on(slot)
                .into_iter()
                .filter(|pod| pod.deletion.is_none() && !pod.is_mirror() && !pod.is_daemon());
            pods.extend(moving);
        }
    }
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.priority_or_zero()));
    let placed = place_all(sight, hints, &pods, false, &|_| true);
    hints.drop_old();
    for pod in pods {
        if placed.contains(&pod.id) || pod.is_daemon() {
            sorted.fit.push(pod.id);
        } else {
            sorted.to_help.push(pod);
        }
    }
    sorted
}

/// Drops pods younger than their delay (core/static_autoscaler.go `filterOutYoungPods`).
pub(super) fn old_enough(pods: Vec<Arc<Pod>>, options: &Options, now: SimTime) -> Vec<Arc<Pod>> {
    let flag = options.new_pod_scale_up_delay;
    let delay = |pod: &Pod| {
        let own = pod.annotation("cluster-autoscaler.kubernetes.io/pod-scale-up-delay");
        own.and_then(parse_duration).map_or(flag, |own| own.max(flag))
    };
    pods.into_iter().filter(|pod| pod.created + delay(pod) < now).collect()
}

/// Whether all pods came a moment ago, so that more may follow (core/static_autoscaler.go
/// `allPodsAreNew`). Pods with accelerators have their own, longer moment.
pub(super) fn all_new(pods: &[Arc<Pod>], now: SimTime) -> bool {
    let oldest = |pods: &mut dyn Iterator<Item = &Arc<Pod>>| pods.map(|pod| pod.created).min();
    let with_gpu = |pod: &&Arc<Pod>| GPU_RESOURCES.iter().any(|name| pod.requests.get(name) > 0);
    oldest(&mut pods.iter()).is_none_or(|created| created + NEW > now)
        || oldest(&mut pods.iter().filter(with_gpu)).is_some_and(|at| at + NEW_WITH_GPU > now)
}
