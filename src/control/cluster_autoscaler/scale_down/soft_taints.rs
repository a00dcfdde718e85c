//! Soft taints of nodes that are not needed (core/scaledown/actuation/softtaint.go).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::cloud::{Cloud, Command};
use super::super::observation::{DELETION_CANDIDATE, Node, TO_BE_DELETED};
use super::super::options::Options;
use crate::model::id::NodeId;

/// Untaints needed nodes, then taints unneeded ones, as many as one loop may.
pub(crate) fn update(
    nodes: &[Arc<Node>],
    unneeded: &BTreeSet<NodeId>,
    cloud: &mut Cloud,
    options: &Options,
) {
    let autoscaled =
        || nodes.iter().filter(|node| node.group.is_some() && !node.has_taint(TO_BE_DELETED));
    let stale = autoscaled()
        .filter(|node| !unneeded.contains(&node.id) && node.has_taint(DELETION_CANDIDATE))
        .map(|node| Command::Untaint { node: node.id, hard: false });
    let fresh = autoscaled()
        .filter(|node| unneeded.contains(&node.id) && !node.has_taint(DELETION_CANDIDATE))
        .map(|node| Command::Taint { node: node.id, hard: false });
    for command in stale.chain(fresh).take(options.max_bulk_soft_taint_count) {
        cloud.api(command);
    }
}
