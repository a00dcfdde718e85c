//! What a look at a node alone tells, remembered until the node or one of its pods changes, or until
//! time alone changes the answer: most nodes of a large cluster are as they were a loop before.

use std::sync::Arc;

use super::super::observation::{Node, Observation, Pod, TO_BE_DELETED};
use super::super::options::{GroupOptions, Options};
use super::super::sight::Sight;
use super::UnremovableReason;
use super::drainability::{DrainContext, RemainingBudgets, pods_to_move, steady_until};
use super::eligibility::{self, Utilization};
use crate::control::scheduler::NodeSlot;
use crate::model::id::PoolId;
use crate::units::SimTime;

/// Looks at nodes by their place in the trial cluster.
#[derive(Debug, Default)]
pub(super) struct Looks {
    looks: Vec<Look>,
    /// The overrides of flags they were made under.
    options: Vec<(PoolId, GroupOptions)>,
}

/// A look at one node; of each part it is told for which state of the node it holds, and how long.
#[derive(Debug, Clone, Default)]
struct Look {
    load: Option<(Valid, Load)>,
    eligibility: Option<(Valid, Eligibility)>,
}

#[derive(Debug, Clone, Copy)]
struct Valid {
    stamp: u64,
    until: SimTime,
}

/// What a node carries, for the order of candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    /// No pod would have to move.
    pub(super) is_empty: bool,
    /// It is empty but for pods that are waited for.
    pub(super) waits: bool,
}

/// Why a node is not worth a try, and its utilisation.
pub(super) type Eligibility = (Option<UnremovableReason>, Option<Utilization>);

impl Looks {
    /// Forgets everything when a group overrides other flags than before.
    pub(super) fn begin(&mut self, seen: &Observation, sight: &Sight) {
        let same = self.options.len() == seen.groups.len()
            && self
                .options
                .iter()
                .zip(&seen.groups)
                .all(|(known, group)| known.0 == group.id && known.1 == group.options);
        if !same {
            self.looks.clear();
            self.options = seen.groups.iter().map(|group| (group.id, group.options)).collect();
        }
        let places = sight.nodes().iter().map(|slot| slot.index() + 1).max().unwrap_or(0);
        if self.looks.len() < places {
            self.looks.resize(places, Look::default());
        }
    }

    /// Whether pods would have to move, budgets and controllers not asked.
    pub(super) fn load(
        &mut self,
        slot: NodeSlot,
        sight: &Sight,
        options: &Options,
        now: SimTime,
    ) -> Load {
        let stamp = sight.stamp(slot);
        let known = &mut self.looks[slot.index()].load;
        if let Some((_, load)) = known.filter(|(valid, _)| valid.holds(stamp, now)) {
            return load;
        }
        let pods = sight.pods_on(slot);
        let budgets = RemainingBudgets::default();
        let context = DrainContext { now, options, budgets: &budgets, controllers: None };
        let moves = pods_to_move(&pods, &context).ok().filter(|moves| moves.pods.is_empty());
        let waits = moves.as_ref().is_some_and(|moves| !moves.on_completion.is_empty());
        let load = Load { is_empty: moves.is_some(), waits };
        let until = pods_steady_until(&pods, options, now);
        *known = Some((Valid { stamp, until }, load));
        load
    }

    /// The answer of [`eligibility::check`].
    pub(super) fn eligibility(
        &mut self,
        node: &Node,
        slot: NodeSlot,
        group: &GroupOptions,
        sight: &Sight,
        options: &Options,
        now: SimTime,
    ) -> Eligibility {
        let stamp = sight.stamp(slot);
        let known = &mut self.looks[slot.index()].eligibility;
        if let Some((_, found)) = known.filter(|(valid, _)| valid.holds(stamp, now)) {
            return found;
        }
        let pods = sight.pods_on(slot);
        let found = eligibility::check(node, &pods, group, options, now);
        // The mark of a removal is believed for some minutes only.
        let until = if node.has_taint(TO_BE_DELETED) {
            SimTime::ZERO
        } else {
            pods_steady_until(&pods, options, now)
        };
        *known = Some((Valid { stamp, until }, found));
        found
    }
}

impl Valid {
    fn holds(self, stamp: u64, now: SimTime) -> bool {
        self.stamp == stamp && now <= self.until
    }
}

fn pods_steady_until(pods: &[Arc<Pod>], options: &Options, now: SimTime) -> SimTime {
    let steady = pods.iter().map(|pod| steady_until(pod, options, now));
    steady.min().unwrap_or(SimTime::MAX)
}
