//! NodeName (nodename/node_name.go).

use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::NodeInfo;

/// A pod that names a node fits no other.
pub(super) fn filter(rules: &Rules, node: &NodeInfo) -> Option<Rejection> {
    let named = rules.shape.template.spec.node_name.as_ref()?;
    (!named.is_empty() && *named != node.name).then_some(Rejection::NodeName)
}
