//! VolumeRestrictions (volumerestrictions/volume_restrictions.go), for ReadWriteOncePod claims.

use crate::control::scheduler::filter::PreFiltered;
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::snapshot::{PodInfo, Snapshot};

/// Whether a claim of which only one pod may make use is in use by any pod of the cluster.
pub(super) fn is_in_use(snapshot: &Snapshot, pod: &PodInfo) -> bool {
    pod.claims().iter().filter(|claim| claim.read_write_once_pod).any(|claim| {
        let mut others = snapshot.members().flat_map(|slot| &snapshot.node(slot).pods);
        others.any(|other| other.claims().iter().any(|used| used.name == claim.name))
    })
}

/// The same answer for every node: removing the other pod would help.
pub(super) fn filter(before: &PreFiltered) -> Option<Rejection> {
    before.claim_in_use.then_some(Rejection::ReadWriteOncePod)
}
