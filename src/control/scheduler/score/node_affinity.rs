//! NodeAffinity: the weights of the preferred terms that hold (nodeaffinity/node_affinity.go
//! `Score`).

use crate::control::scheduler::rules::{Rules, term_holds};
use crate::control::scheduler::score::{Candidates, normalise};
use crate::control::scheduler::snapshot::NodeInfo;

pub(super) fn score(candidates: &Candidates<'_>, scores: &mut Vec<i64>) -> bool {
    if candidates.rules.shape.template.spec.affinity.node_preferred.is_empty() {
        return false;
    }
    candidates.of_objects(scores, |entry| i64::from(entry.affinity));
    normalise(scores, false);
    true
}

/// Sum of the weights of the terms that hold.
pub(crate) fn raw(rules: &Rules, node: &NodeInfo) -> i32 {
    let preferred = &rules.shape.template.spec.affinity.node_preferred;
    preferred.iter().filter(|(_, term)| term_holds(term, node)).map(|(weight, _)| weight).sum()
}
