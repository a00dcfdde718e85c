//! TaintToleration: fewer `PreferNoSchedule` taints that are not tolerated are better
//! (tainttoleration/taint_toleration.go `Score`).

use crate::cluster::api::TaintEffect;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::score::{Candidates, normalise};
use crate::control::scheduler::snapshot::NodeInfo;

pub(super) fn score(candidates: &Candidates<'_>, scores: &mut Vec<i64>) -> bool {
    candidates.of_objects(scores, |entry| i64::from(entry.taints));
    normalise(scores, true);
    true
}

/// How many taints speak against the node.
pub(crate) fn raw(rules: &Rules, node: &NodeInfo) -> u16 {
    let against = node
        .taints
        .iter()
        .filter(|taint| taint.effect == TaintEffect::PreferNoSchedule)
        .filter(|taint| !rules.tolerates_one(taint));
    u16::try_from(against.count()).unwrap_or(u16::MAX)
}
