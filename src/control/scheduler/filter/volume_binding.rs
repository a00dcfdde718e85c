//! VolumeBinding (volumebinding/binder.go `checkBoundClaims`, `checkVolumeProvisions`).

use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::term_holds;
use crate::control::scheduler::snapshot::NodeInfo;
use crate::control::scheduler::volumes::{Claim, ClaimBinding};

/// Bound volumes must be usable on the node, and those still to be made must be makeable for it.
pub(super) fn filter(node: &NodeInfo, claims: &[Claim]) -> Option<Rejection> {
    claims.iter().find_map(|claim| match &claim.binding {
        ClaimBinding::Bound { node_affinity: Some(terms), .. } => {
            let usable = terms.iter().any(|term| term_holds(term, node));
            (!usable).then_some(Rejection::VolumeNodeAffinity)
        }
        ClaimBinding::WaitsForConsumer { allowed_topologies } => {
            let allowed = allowed_topologies.is_empty()
                || allowed_topologies.iter().any(|term| term_holds(term, node));
            (!allowed).then_some(Rejection::VolumeUnavailable)
        }
        ClaimBinding::Bound { node_affinity: None, .. }
        | ClaimBinding::Missing
        | ClaimBinding::Deleting
        | ClaimBinding::Immediate => None,
    })
}
