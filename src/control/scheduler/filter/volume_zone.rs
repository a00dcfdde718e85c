//! VolumeZone (volumezone/volume_zone.go).

use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::snapshot::NodeInfo;
use crate::control::scheduler::volumes::{Claim, ClaimBinding};

const KEYS: [&str; 4] = [
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

/// A bound volume's zone and region labels, several values joined by `__`, must hold the node's.
/// A node that has none of these labels takes every volume.
pub(super) fn filter(node: &NodeInfo, claims: &[Claim]) -> Option<Rejection> {
    if KEYS.iter().all(|key| node.label(key).is_none()) {
        return None;
    }
    claims.iter().find_map(|claim| {
        let ClaimBinding::Bound { labels, .. } = &claim.binding else { return None };
        let elsewhere = KEYS.iter().any(|key| {
            labels.get(*key).is_some_and(|zones| {
                let here = node.label(key).map(|value| &**value);
                !zones.split("__").any(|zone| Some(zone) == here)
            })
        });
        elsewhere.then_some(Rejection::VolumeZone)
    })
}
