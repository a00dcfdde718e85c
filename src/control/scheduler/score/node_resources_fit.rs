//! NodeResourcesFit, LeastAllocated: the emptier, the better (noderesources/least_allocated.go).

use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::score::{Candidates, MAX_NODE_SCORE};
use crate::control::scheduler::snapshot::NodeInfo;

pub(super) fn score(candidates: &Candidates<'_>, scores: &mut Vec<i64>) -> bool {
    candidates.of_rooms(scores, |entry| i64::from(entry.fit));
    true
}

/// Mean of the free shares of cpu and memory in whole per cent, with the pod on the node.
pub(crate) fn raw(rules: &Rules, node: &NodeInfo) -> u8 {
    let (pod, used) = (&rules.shape.incoming_scoring_requests, &node.scoring_requested);
    let resources = [
        (node.allocatable.cpu.0, used.cpu.0 + pod.cpu.0),
        (node.allocatable.memory.0, used.memory.0 + pod.memory.0),
    ];
    let (mut sum, mut counted) = (0, 0);
    for (capacity, used) in resources {
        if capacity != 0 {
            sum += if used > capacity { 0 } else { (capacity - used) * MAX_NODE_SCORE / capacity };
            counted += 1;
        }
    }
    let mean = if counted == 0 { 0 } else { sum / counted };
    u8::try_from(mean).expect("a mean of percentages is a percentage")
}
