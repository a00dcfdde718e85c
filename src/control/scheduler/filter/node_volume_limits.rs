//! NodeVolumeLimits (nodevolumelimits/csi.go `Filter`).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::snapshot::NodeInfo;
use crate::control::scheduler::volumes::Claim;

/// Per driver, the volumes of the node's pods and the new ones together must stay within the limit.
pub(super) fn filter(node: &NodeInfo, claims: &[Claim]) -> Option<Rejection> {
    for (driver, limit) in &node.volume_limits {
        let of_driver = |claim: &&Claim| claim.driver.as_ref() == Some(driver);
        let attached: BTreeSet<&Arc<str>> = node
            .pods
            .iter()
            .flat_map(|pod| pod.claims())
            .filter(of_driver)
            .map(|claim| &claim.name)
            .collect();
        let new: BTreeSet<&Arc<str>> = claims
            .iter()
            .filter(of_driver)
            .map(|claim| &claim.name)
            .filter(|name| !attached.contains(name))
            .collect();
        let total = i64::try_from(attached.len() + new.len()).unwrap_or(i64::MAX);
        if !new.is_empty() && total > *limit {
            return Some(Rejection::VolumeLimit);
        }
    }
    None
}
