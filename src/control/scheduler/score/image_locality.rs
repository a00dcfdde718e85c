//! ImageLocality: nodes that already have the pod's images are better, the larger and the more
//! spread the images the more so (imagelocality/image_locality.go).

use std::collections::BTreeMap;

use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::score::{Candidates, MAX_NODE_SCORE};
use crate::control::scheduler::snapshot::{NodeSlot, Snapshot};
use crate::units::convert::{f64_from_usize, trunc_i64};

/// Below this much image nothing is gained.
const LEAST: i64 = 23 * 1024 * 1024;
/// Per container: more image than this gains nothing more.
const MOST: i64 = 1000 * 1024 * 1024;

pub(super) fn score(candidates: &Candidates<'_>, scores: &mut Vec<i64>) -> bool {
    if candidates.images.is_empty() {
        scores.resize(candidates.feasible.len(), 0);
    } else {
        let of = candidates.feasible.iter().map(|slot| candidates.images[slot.index()]);
        scores.extend(of.map(i64::from));
    }
    true
}

/// The score of every node slot; empty when all are 0, as when no node has any of the images.
pub(crate) fn all(rules: &Rules, snapshot: &Snapshot) -> Vec<u8> {
    let images = &rules.shape.images;
    let total = f64_from_usize(snapshot.node_count());
    // What the images, repetitions counted, add up to on the nodes that have any of them.
    let mut sums: BTreeMap<NodeSlot, i64> = BTreeMap::new();
    for name in images {
        let Some(nodes) = snapshot.nodes_with_image(name) else { continue };
        let share = f64_from_usize(nodes.len()) / total;
        for slot in nodes {
            let size = snapshot.node(*slot).images.get(name).expect("the image lies on this node");
            *sums.entry(*slot).or_insert(0) += trunc_i64(size.as_f64() * share);
        }
    }
    if sums.is_empty() {
        return Vec::new();
    }
    let containers = i64::try_from(images.len()).expect("a count of containers fits 64 bits");
    let mut scores = vec![0; snapshot.slot_count()];
    for (slot, sum) in sums {
        scores[slot.index()] = scaled(sum, containers);
    }
    scores
}

fn scaled(sum: i64, containers: i64) -> u8 {
    let most = MOST * containers;
    let score = MAX_NODE_SCORE * (sum.clamp(LEAST, most) - LEAST) / (most - LEAST);
    u8::try_from(score).expect("a clamped share is a percentage")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E14 of the worked cases.
    #[test]
    fn sizes_scale_between_the_thresholds() {
        let mebi = 1024 * 1024;
        assert_eq!(scaled(262_144_000, 1), 23);
        assert_eq!(scaled(629_145_600, 2), 29);
        assert_eq!(scaled(40 * mebi, 1), 1);
        assert_eq!(scaled(20 * mebi, 1), 0);
    }
}
