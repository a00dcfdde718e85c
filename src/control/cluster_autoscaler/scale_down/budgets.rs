//! How many of the nodes that may go are removed now (core/scaledown/budgets/budgets.go).

use std::collections::BTreeMap;

use crate::model::id::{NodeId, PoolId};

/// Nodes of one group that are removed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) group: PoolId,
    pub(crate) nodes: Vec<NodeId>,
    /// Size at which an all-or-nothing group is complete; 0 for any other.
    pub(crate) size: usize,
}

/// What the cut depends on.
pub(crate) struct Budget<'a> {
    /// `max-scale-down-parallelism` less all removals under way; may be below zero.
    pub(crate) total: i64,
    /// `max-drain-parallelism` less the drains under way; may be below zero.
    pub(crate) drain: i64,
    /// Target size and registered nodes of groups that shrink as a whole or not at all.
    pub(crate) atomic: &'a BTreeMap<PoolId, (usize, usize)>,
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).expect("nodes are few")
}

/// Cuts the candidates down: whole groups first, empty nodes before nodes to drain. One whole group
/// may exceed what is left, unless nothing is left.
pub(crate) fn crop(
    mut budget: Budget<'_>,
    empty: &[(NodeId, PoolId)],
    drain: &[(NodeId, PoolId)],
) -> (Vec<Batch>, Vec<Batch>) {
    let (empty_atomic, empty_single) = split(group(empty), &budget);
    let (drain_atomic, drain_single) = split(group(drain), &budget);
    let (mut chosen_empty, mut chosen_drain) = (Vec::new(), Vec::new());
    let mut may_overflow = true;
    let with_empty: Vec<PoolId> = empty_atomic.iter().map(|batch| batch.group).collect();
    for batch in empty_atomic {
        let drains = drain_atomic.iter().find(|other| other.group == batch.group);
        let drain_count = drains.map_or(0, |other| other.nodes.len());
        let count = batch.nodes.len() + drain_count;
        if (budget.total < signed(count) || budget.drain < signed(drain_count))
            && (budget.total == 0 || (drain_count > 0 && budget.drain == 0) || !may_overflow)
        {
            break;
        }
        let (target, registered) = budget.atomic[&batch.group];
        let size = if batch.nodes.len() == registered { registered } else { target };
        if count != target && count != registered {
            continue;
        }
        chosen_empty.push(Batch { size, ..batch });
        chosen_drain.extend(drains.map(|other| Batch { size, ..other.clone() }));
        budget.total -= signed(count);
        budget.drain -= signed(drain_count);
        may_overflow = false;
    }
    budget.drain = budget.drain.min(budget.total);
    for batch in drain_atomic.into_iter().filter(|batch| !with_empty.contains(&batch.group)) {
        let count = batch.nodes.len();
        if budget.drain < signed(count) && (budget.drain == 0 || !may_overflow) {
            break;
        }
        let (target, registered) = budget.atomic[&batch.group];
        let size = if count == registered { registered } else { target };
        if count != target && count != registered {
            continue;
        }
        chosen_drain.push(Batch { size, ..batch });
        budget.total -= signed(count);
        budget.drain -= signed(count);
        may_overflow = false;
    }
    budget.total -= take(&mut chosen_empty, empty_single, budget.total);
    take(&mut chosen_drain, drain_single, budget.drain.min(budget.total));
    (chosen_empty, chosen_drain)
}

/// Nodes by group, in order of first appearance.
fn group(nodes: &[(NodeId, PoolId)]) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for &(node, group) in nodes {
        match batches.iter_mut().find(|batch| batch.group == group) {
            Some(batch) => batch.nodes.push(node),
            None => batches.push(Batch { group, nodes: vec![node], size: 0 }),
        }
    }
    batches
}

fn split(batches: Vec<Batch>, budget: &Budget<'_>) -> (Vec<Batch>, Vec<Batch>) {
    batches.into_iter().partition(|batch| budget.atomic.contains_key(&batch.group))
}

/// Takes nodes in order while the budget lasts; returns how many.
fn take(chosen: &mut Vec<Batch>, batches: Vec<Batch>, budget: i64) -> i64 {
    let mut left = budget;
    for mut batch in batches {
        if left < 1 {
            break;
        }
        batch.nodes.truncate(usize::try_from(left).expect("at least one"));
        left -= signed(batch.nodes.len());
        chosen.push(batch);
    }
    budget - left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(group: u32, count: u32) -> Vec<(NodeId, PoolId)> {
        (0..count).map(|n| (NodeId(group * 100 + n), PoolId(group))).collect()
    }

    fn counts(batches: &[Batch]) -> Vec<usize> {
        batches.iter().map(|batch| batch.nodes.len()).collect()
    }

    #[test]
    fn empty_nodes_go_before_drains_and_one_drain_at_a_time() {
        let none = BTreeMap::new();
        // total, drain, empty, drainable -> empty chosen, drains chosen.
        let rows = [
            (10, 1, 12, 3, vec![10], vec![]),
            (10, 1, 4, 3, vec![4], vec![1]),
            (6, 0, 4, 3, vec![4], vec![]),
            (0, 1, 4, 3, vec![], vec![]),
            (10, 5, 0, 3, vec![], vec![3]),
        ];
        for (total, drain, empty, drainable, expected_empty, expected_drain) in rows {
            let budget = Budget { total, drain, atomic: &none };
            let (e, d) = crop(budget, &nodes(1, empty), &nodes(2, drainable));
            assert_eq!(
                (counts(&e), counts(&d)),
                (expected_empty, expected_drain),
                "{total} {empty}"
            );
        }
    }

    #[test]
    fn a_whole_group_goes_entirely_or_stays() {
        let atomic = BTreeMap::from([(PoolId(1), (12, 12)), (PoolId(3), (2, 2))]);
        let budget = || Budget { total: 10, drain: 1, atomic: &atomic };
        let (empty, _) = crop(budget(), &nodes(1, 12), &[]);
        assert_eq!(counts(&empty), [12], "the first may exceed the budget");
        let (empty, _) = crop(budget(), &nodes(1, 11), &[]);
        assert!(empty.is_empty(), "a part of a whole group stays");
        let (empty, _) = crop(budget(), &[nodes(1, 12), nodes(3, 2)].concat(), &[]);
        assert_eq!(counts(&empty), [12], "the second may not exceed it");
    }
}
