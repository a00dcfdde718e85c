//! NodeAffinity (nodeaffinity/node_affinity.go `Filter`).

use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::NodeInfo;

/// Node selector and required node affinity must hold.
pub(super) fn filter(rules: &Rules, node: &NodeInfo) -> Option<Rejection> {
    (!rules.node_affinity_matches(node)).then_some(Rejection::NodeAffinity)
}
