//! Simulated scheduling of many pods, with a memory of where each went last time
//! (simulator/scheduling/hinting_simulator.go, hints.go, similar_pods.go).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::observation::{ControllerUid, Pod};
use super::sight::Sight;
use crate::control::scheduler::NodeSlot;
use crate::model::id::PodId;

/// Distinct kinds of pods remembered per controller.
const KINDS_PER_CONTROLLER: usize = 10;

/// Where pods were placed, in two generations.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    current: BTreeMap<PodId, Arc<str>>,
    old: BTreeMap<PodId, Arc<str>>,
}

impl Hints {
    /// Forgets what was not used since the last call.
    pub(super) fn drop_old(&mut self) {
        self.old = std::mem::take(&mut self.current);
    }

    fn get(&self, pod: PodId) -> Option<&Arc<str>> {
        self.current.get(&pod).or_else(|| self.old.get(&pod))
    }
}

/// Tries to place pods, highest priority first, and returns those placed. Within a priority pods
/// with a hint go first, to the node they went to last time.
///
/// With `stop_at_failure` the first pod that fits nowhere ends its priority.
pub(super) fn place_all(
    sight: &mut Sight,
    hints: &mut Hints,
    pods: &[Arc<Pod>],
    stop_at_failure: bool,
    acceptable: &dyn Fn(NodeSlot) -> bool,
) -> BTreeSet<PodId> {
    let mut placed = BTreeSet::new();
    let mut failed = FailedKinds::default();
    let priorities: BTreeSet<i32> = pods.iter().map(|pod| pod.priority_or_zero()).collect();
    for priority in priorities.into_iter().rev() {
        let group = pods.iter().filter(|pod| pod.priority_or_zero() == priority);
        let mut left = Vec::new();
        for pod in group {
            if place_by_hint(sight, hints, pod, acceptable) {
                placed.insert(pod.id);
            } else {
                left.push(pod);
            }
        }
        for pod in left {
            let found =
                if failed.contains(pod) { None } else { sight.place_on_any(pod, acceptable) };
            match found {
                Some(slot) => {
                    hints.current.insert(pod.id, Arc::clone(sight.name(slot)));
                    placed.insert(pod.id);
                }
                None => {
                    failed.insert(pod);
                    if stop_at_failure {
                        break;
                    }
                }
            }
        }
    }
    placed
}

/// Puts a pod where it went last time, if it still fits there.
fn place_by_hint(
    sight: &mut Sight,
    hints: &mut Hints,
    pod: &Arc<Pod>,
    acceptable: &dyn Fn(NodeSlot) -> bool,
) -> bool {
    let slot = hints.get(pod.id).and_then(|name| sight.slot_named(name));
    let Some(slot) = slot.filter(|slot| acceptable(*slot)) else {
        return false;
    };
    let fits = sight.place(pod, slot).is_ok();
    if fits {
        hints.current.insert(pod.id, Arc::clone(sight.name(slot)));
    }
    fits
}

/// Kinds of pods of which one fitted nowhere; others of the kind are not tried.
#[derive(Debug, Default)]
struct FailedKinds(BTreeMap<ControllerUid, Vec<Arc<Pod>>>);

impl FailedKinds {
    fn contains(&self, pod: &Pod) -> bool {
        let kinds = pod.owner.and_then(|owner| self.0.get(&owner.uid));
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind.is_same_kind(pod)))
    }

    fn insert(&mut self, pod: &Arc<Pod>) {
        if let Some(owner) = pod.owner
            && !pod.is_daemon()
        {
            let kinds = self.0.entry(owner.uid).or_default();
            let known = kinds.iter().any(|kind| kind.is_same_kind(pod));
            if kinds.len() < KINDS_PER_CONTROLLER && !known {
                kinds.push(Arc::clone(pod));
            }
        }
    }
}
