//! NodeUnschedulable (nodeunschedulable/node_unschedulable.go).

use std::sync::Arc;

use crate::cluster::api::{Taint, TaintEffect};
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::NodeInfo;

/// A cordoned node takes only pods that tolerate the taint it would have.
pub(super) fn filter(rules: &Rules, node: &NodeInfo) -> Option<Rejection> {
    if !node.unschedulable {
        return None;
    }
    let taint = Taint {
        key: Arc::from("node.kubernetes.io/unschedulable"),
        value: Arc::from(""),
        effect: TaintEffect::NoSchedule,
    };
    (!rules.tolerates_one(&taint)).then_some(Rejection::Unschedulable)
}
