//! Which pods of a node would have to move, and which forbid to drain it
//! (simulator/drain.go, simulator/drainability/rules).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::observation::{Budget, Controller, ControllerKind, ControllerUid, Pod};
use super::super::options::Options;
use crate::cluster::api::selector::SelectorIndex;
use crate::model::id::{BudgetId, PodId};
use crate::units::SimTime;

/// Why a pod forbids to drain its node (utils/drain/drain.go `BlockingPodReason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockingReason {
    /// Its controller is gone.
    ControllerNotFound,
    /// Its controller has fewer replicas than `min-replica-count`.
    MinReplicasReached,
    /// Nobody would make it again.
    NotReplicated,
    /// It keeps data on the node's disk.
    LocalStorageRequested,
    /// Its annotation says so.
    NotSafeToEvictAnnotation,
    /// A young kube-system pod without budget.
    UnmovableKubeSystemPod,
    /// A budget allows no disruption.
    NotEnoughPdb(BudgetId),
}

impl BlockingReason {
    /// Upstream's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ControllerNotFound => "ControllerNotFound",
            Self::MinReplicasReached => "MinReplicasReached",
            Self::NotReplicated => "NotReplicated",
            Self::LocalStorageRequested => "LocalStorageRequested",
            Self::NotSafeToEvictAnnotation => "NotSafeToEvictAnnotation",
            Self::UnmovableKubeSystemPod => "UnmovableKubeSystemPod",
            Self::NotEnoughPdb(_) => "NotEnoughPdb",
        }
    }
}

/// A pod that forbids to drain its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockingPod {
    /// Which.
    pub pod: PodId,
    /// Why.
    pub reason: BlockingReason,
}

/// Pods of a node by what a removal does to them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct PodsToMove {
    /// They need another place.
    pub(crate) pods: Vec<Arc<Pod>>,
    /// They are waited for.
    pub(crate) on_completion: Vec<Arc<Pod>>,
}

/// What the rules look at.
pub(crate) struct DrainContext<'a> {
    pub(crate) now: SimTime,
    pub(crate) options: &'a Options,
    pub(crate) budgets: &'a RemainingBudgets,
    /// Controllers that exist; `None` when nobody is asked.
    pub(crate) controllers: Option<&'a BTreeMap<ControllerUid, Controller>>,
}

enum Outcome {
    Skip,
    Move,
    Wait,
    Block(BlockingReason),
}

const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";

/// Sorts the pods of a node; the first that blocks ends it (simulator/drain.go `GetPodsToMove`).
///
/// # Errors
/// A pod forbids to drain the node.
pub(crate) fn pods_to_move<'a>(
    pods: impl IntoIterator<Item = &'a Arc<Pod>>,
    context: &DrainContext<'_>,
) -> Result<PodsToMove, BlockingPod> {
    let mut result = PodsToMove::default();
    for pod in pods {
        match outcome(pod, context) {
            Outcome::Skip => {}
            Outcome::Move if pod.is_daemon() => {}
            Outcome::Move => result.pods.push(Arc::clone(pod)),
            Outcome::Wait => result.on_completion.push(Arc::clone(pod)),
            Outcome::Block(reason) => return Err(BlockingPod { pod: pod.id, reason }),
        }
    }
    Ok(result)
}

/// The rules in their order; the first with an opinion decides.
fn outcome(pod: &Pod, context: &DrainContext<'_>) -> Outcome {
    let options = context.options;
    if pod.is_mirror() || pod.is_long_terminating(context.now) {
        return Outcome::Skip;
    }
    if options.skip_nodes_with_custom_controller_pods
        && let Some(reason) = controller_blocks(pod, context)
    {
        return Outcome::Block(reason);
    }
    let safe = pod.annotation(SAFE_TO_EVICT);
    if pod.is_daemon() || safe == Some("true") {
        return Outcome::Move;
    }
    if safe == Some("on-completion") {
        return Outcome::Wait;
    }
    if !is_replicated(pod, options.skip_nodes_with_custom_controller_pods) {
        return Outcome::Block(BlockingReason::NotReplicated);
    }
    if options.skip_nodes_with_system_pods
        && &*pod.namespace == "kube-system"
        && context.budgets.matching(pod).next().is_none()
    {
        let until = pod.created + options.blocking_system_pod_distruption_timeout;
        return if context.now > until {
            Outcome::Move
        } else {
            Outcome::Block(BlockingReason::UnmovableKubeSystemPod)
        };
    }
    if safe == Some("false") {
        return Outcome::Block(BlockingReason::NotSafeToEvictAnnotation);
    }
    if options.skip_nodes_with_local_storage && pod.has_blocking_local_storage() {
        return Outcome::Block(BlockingReason::LocalStorageRequested);
    }
    match context.budgets.matching(pod).find(|(_, allowed)| *allowed < 1) {
        Some((budget, _)) => Outcome::Block(BlockingReason::NotEnoughPdb(budget)),
        None => Outcome::Move,
    }
}

/// Until when the rules that ask neither budgets nor controllers answer of a pod as they do at `now`:
/// a deletion may turn out to take long, and a system pod grows old enough to be moved.
pub(crate) fn steady_until(pod: &Pod, options: &Options, now: SimTime) -> SimTime {
    let long = pod.long_terminating_after();
    let system = (&*pod.namespace == "kube-system")
        .then(|| pod.created + options.blocking_system_pod_distruption_timeout);
    let turns = [long, system].into_iter().flatten().filter(|turn| *turn >= now);
    turns.min().unwrap_or(SimTime::MAX)
}

/// rules/replicacount: the controller is gone, or too small to lose a pod.
fn controller_blocks(pod: &Pod, context: &DrainContext<'_>) -> Option<BlockingReason> {
    let controllers = context.controllers?;
    let owner = pod.owner?;
    let found = controllers.get(&owner.uid);
    let counted = match owner.kind {
        ControllerKind::ReplicationController => true,
        // A pod that is a DaemonSet's by annotation only has no controller that could be asked.
        ControllerKind::DaemonSet => false,
        _ if pod.is_daemon() => return None,
        ControllerKind::ReplicaSet => true,
        ControllerKind::Job | ControllerKind::StatefulSet => false,
        ControllerKind::Custom => return None,
    };
    match found {
        None => Some(BlockingReason::ControllerNotFound),
        Some(controller) if counted && controller.replicas < context.options.min_replica_count => {
            Some(BlockingReason::MinReplicasReached)
        }
        Some(_) => None,
    }
}

fn is_replicated(pod: &Pod, known_kinds_only: bool) -> bool {
    pod.owner.is_some_and(|owner| {
        !known_kinds_only
            || matches!(
                owner.kind,
                ControllerKind::ReplicationController
                    | ControllerKind::Job
                    | ControllerKind::ReplicaSet
                    | ControllerKind::StatefulSet
            )
    })
}

/// Budgets as they shrink while removals are planned (core/scaledown/pdb/basic.go).
#[derive(Debug, Clone, Default)]
pub(crate) struct RemainingBudgets {
    budgets: Vec<(Budget, i32)>,
    index: SelectorIndex,
}

impl RemainingBudgets {
    /// As the API says at the start of a loop.
    pub(crate) fn new(budgets: &[Budget]) -> Self {
        let fresh = |budget: &Budget| (budget.clone(), budget.disruptions_allowed);
        let index = SelectorIndex::new(budgets.iter().map(|budget| budget.selector.as_ref()));
        Self { budgets: budgets.iter().map(fresh).collect(), index }
    }

    fn matching<'a>(&'a self, pod: &'a Pod) -> impl Iterator<Item = (BudgetId, i32)> + 'a {
        self.positions(pod).map(|position| {
            let (budget, allowed) = &self.budgets[position];
            (budget.id, *allowed)
        })
    }

    /// The positions of the budgets that select a pod, in their order.
    fn positions<'a>(&'a self, pod: &'a Pod) -> impl Iterator<Item = usize> + 'a {
        let candidates = self.index.candidates(&pod.template.labels).into_iter();
        candidates.filter(|position| self.budgets[*position].0.selects(pod))
    }

    /// How many of the pods each budget selects, by its position, where there are any.
    fn counts(&self, pods: &[Arc<Pod>]) -> BTreeMap<usize, i32> {
        let mut counts = BTreeMap::new();
        for position in pods.iter().flat_map(|pod| self.positions(pod)) {
            *counts.entry(position).or_insert(0) += 1;
        }
        counts
    }

    /// Whether no budget is exceeded when all these pods go at once.
    pub(crate) fn can_remove_in_parallel(&self, pods: &[Arc<Pod>]) -> bool {
        let counts = self.counts(pods);
        counts.into_iter().all(|(position, count)| count <= self.budgets[position].1.max(0))
    }

    /// Takes pods that are to go off the budgets, which may fall below zero.
    pub(crate) fn remove(&mut self, pods: &[Arc<Pod>]) {
        for (position, count) in self.counts(pods) {
            self.budgets[position].1 -= count;
        }
    }
}
