//! NodeResourcesBalancedAllocation: nodes whose cpu and memory the pod makes more evenly used are
//! better (noderesources/balanced_allocation.go).

use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::score::{Candidates, MAX_NODE_SCORE};
use crate::control::scheduler::snapshot::NodeInfo;
use crate::units::convert::{f64_from_i64, trunc_i64};

pub(super) fn score(candidates: &Candidates<'_>, scores: &mut Vec<i64>) -> bool {
    let requests = &candidates.rules.shape.requests;
    if requests.cpu.0 == 0 && requests.memory.0 == 0 {
        return false;
    }
    candidates.of_rooms(scores, |entry| i64::from(entry.balanced));
    true
}

/// Half of the range for the balance as it is, the other half for how the pod changes it.
pub(crate) fn raw(rules: &Rules, node: &NodeInfo) -> u8 {
    let (pod, used) = (&rules.shape.requests, &node.requested);
    let capacity = [node.allocatable.cpu.0, node.allocatable.memory.0];
    let before = [used.cpu.0, used.memory.0];
    let after = [used.cpu.0 + pod.cpu.0, used.memory.0 + pod.memory.0];
    let half = MAX_NODE_SCORE / 2;
    let score = half + (half + balance(after, capacity) - balance(before, capacity)) / 2;
    u8::try_from(score).expect("balances differ by at most 50, so the score is between 50 and 100")
}

/// 100 when cpu and memory are used to the same share, down to 50 when one is full and the other
/// empty.
fn balance(used: [i64; 2], capacity: [i64; 2]) -> i64 {
    let share = |at: usize| (f64_from_i64(used[at]) / f64_from_i64(capacity[at])).min(1.0);
    let deviation = if capacity.contains(&0) { 0.0 } else { ((share(0) - share(1)) / 2.0).abs() };
    trunc_i64((1.0 - deviation) * f64_from_i64(MAX_NODE_SCORE))
}
