//! The scores, one file each, with their weights.

use crate::control::scheduler::entry::{ObjectEntry, RoomEntry};
use crate::control::scheduler::rejection::Plugin;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::{NodeSlot, Snapshot};
use crate::control::scheduler::tables::Tables;

pub(crate) mod image_locality;
mod inter_pod_affinity;
pub(crate) mod node_affinity;
pub(crate) mod node_resources_balanced_allocation;
pub(crate) mod node_resources_fit;
mod pod_topology_spread;
pub(crate) mod taint_toleration;

/// Highest score of a plugin before its weight.
pub(crate) const MAX_NODE_SCORE: i64 = 100;

/// What the scores look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidates<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) rules: &'a Rules,
    pub(crate) tables: &'a Tables,
    /// What each node's object says, by slot; fresh for the feasible ones.
    pub(crate) objects: &'a [ObjectEntry],
    /// What is left on each node, by slot; fresh for the feasible ones.
    pub(crate) rooms: &'a [RoomEntry],
    /// ImageLocality by slot; empty when it is 0 everywhere.
    pub(crate) images: &'a [u8],
    pub(crate) feasible: &'a [NodeSlot],
}

/// Writes the normalised score of every feasible node; `false` when the plugin has nothing to say
/// about this pod and is skipped.
type ScoreFn = fn(&Candidates<'_>, &mut Vec<i64>) -> bool;

/// Score plugins of the default profile and their weights (apis/config/v1/default_plugins.go).
pub(crate) const PLUGINS: [(Plugin, i64, ScoreFn); 7] = [
    (Plugin::TaintToleration, 3, taint_toleration::score),
    (Plugin::NodeAffinity, 2, node_affinity::score),
    (Plugin::NodeResourcesFit, 1, node_resources_fit::score),
    (Plugin::PodTopologySpread, 2, pod_topology_spread::score),
    (Plugin::InterPodAffinity, 2, inter_pod_affinity::score),
    (Plugin::NodeResourcesBalancedAllocation, 1, node_resources_balanced_allocation::score),
    (Plugin::ImageLocality, 1, image_locality::score),
];

impl Candidates<'_> {
    /// A remembered figure of every feasible node's object.
    fn of_objects(&self, scores: &mut Vec<i64>, of: impl Fn(&ObjectEntry) -> i64) {
        scores.extend(self.feasible.iter().map(|slot| of(&self.objects[slot.index()])));
    }

    /// A remembered figure of what is left on every feasible node.
    fn of_rooms(&self, scores: &mut Vec<i64>, of: impl Fn(&RoomEntry) -> i64) {
        scores.extend(self.feasible.iter().map(|slot| of(&self.rooms[slot.index()])));
    }
}

/// Scales to 0..100 by the highest score; reversed, the highest becomes 0
/// (plugins/helper/normalize_score.go `DefaultNormalizeScore`).
fn normalise(scores: &mut [i64], reverse: bool) {
    // Mostly no node has any: that is found out fastest.
    if scores.iter().fold(0, |all, score| all | score) == 0 {
        if reverse {
            scores.fill(MAX_NODE_SCORE);
        }
        return;
    }
    let highest = scores.iter().copied().max().unwrap_or(0);
    for score in scores {
        let scaled = MAX_NODE_SCORE * *score / highest;
        *score = if reverse { MAX_NODE_SCORE - scaled } else { scaled };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E10 and E11 of the worked cases, before their weights.
    #[test]
    fn scores_scale_by_the_highest() {
        let mut taints = [0, 1, 3];
        normalise(&mut taints, true);
        assert_eq!(taints, [100, 67, 0]);
        let mut preferred = [10, 30, 0];
        normalise(&mut preferred, false);
        assert_eq!(preferred, [33, 100, 0]);
        let mut none = [0, 0];
        normalise(&mut none, true);
        assert_eq!(none, [100, 100]);
    }
}
