//! TaintToleration (tainttoleration/taint_toleration.go `Filter`).

use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::NodeInfo;

/// Every taint that keeps pods away must be tolerated.
pub(super) fn filter(rules: &Rules, node: &NodeInfo) -> Option<Rejection> {
    (!rules.tolerates(&node.taints)).then_some(Rejection::Taint)
}
