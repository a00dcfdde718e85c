//! ImageLocality: nodes that already have the pod's images are better, the larger and the more
//! spread the images the more so (imagelocality/image_locality.go).

use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::score::{Candidates, MAX_NODE_SCORE};
use crate::control::scheduler::snapshot::Snapshot;
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
    let spread: Vec<f64> =
        images.iter().map(|name| f64::from(snapshot.nodes_with_image(name)) / total).collect();
    if spread.iter().all(|share| share.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater)) {
        return Vec::new();
    }
    let containers = i64::try_from(images.len()).expect("a count of containers fits 64 bits");
    let mut scores = vec![0; snapshot.slot_count()];
    for slot in snapshot.members() {
        let node = snapshot.node(slot);
        let sizes = images.iter().zip(&spread).filter_map(|(name, share)| {
            node.images.get(name).map(|size| trunc_i64(size.as_f64() * share))
        });
        scores[slot.index()] = scaled(sizes.sum(), containers);
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
