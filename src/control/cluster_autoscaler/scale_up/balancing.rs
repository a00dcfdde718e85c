//! Which groups are alike, and how a scale-up is split over them (processors/nodegroupset).

use std::collections::BTreeMap;

use super::super::observation::Shape;
use super::super::options::Options;
use crate::model::id::PoolId;
use crate::units::Resources;
use crate::units::convert::f64_from_i64;

/// Labels in which similar groups always may differ (compare_nodegroups.go `BasicIgnoredLabels`).
const IGNORED_LABELS: [&str; 7] = [
    "kubernetes.io/hostname",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "beta.kubernetes.io/fluentd-ds-ready",
    "kops.k8s.io/instancegroup",
];

/// Whether nodes of two groups are alike; `used` is what the pods of each template take.
pub(crate) fn similar(a: (&Shape, &Resources), b: (&Shape, &Resources), options: &Options) -> bool {
    if !options.balancing_label.is_empty() {
        return options.balancing_label.iter().all(|label| {
            let value = a.0.labels.get(label.as_str());
            value.is_some() && value == b.0.labels.get(label.as_str())
        });
    }
    let allocatable = options.max_allocatable_difference_ratio;
    capacities_alike(a.0, b.0, options.memory_difference_ratio)
        && all_within(&a.0.allocatable, &b.0.allocatable, allocatable)
        && within(a.0.max_pods, b.0.max_pods, allocatable)
        && free_alike(a, b, options.max_free_difference_ratio)
        && labels_alike(a.0, b.0, options)
}

fn capacities_alike(a: &Shape, b: &Shape, memory_ratio: f64) -> bool {
    let extended = |shape: &Shape| -> Vec<_> {
        shape.capacity.extended().map(|(name, amount)| (name.clone(), amount)).collect()
    };
    a.capacity.cpu == b.capacity.cpu
        && a.capacity.ephemeral_storage == b.capacity.ephemeral_storage
        && a.max_pods == b.max_pods
        && within(a.capacity.memory.0, b.capacity.memory.0, memory_ratio)
        && extended(a) == extended(b)
}

/// Every resource differs by at most a part of the larger amount; one that only one side has fails.
fn all_within(a: &Resources, b: &Resources, ratio: f64) -> bool {
    within(a.cpu.0, b.cpu.0, ratio)
        && within(a.memory.0, b.memory.0, ratio)
        && within(a.ephemeral_storage.0, b.ephemeral_storage.0, ratio)
        && a.extended().count() == b.extended().count()
        && a.extended().all(|(name, amount)| b.get(name) != 0 && within(amount, b.get(name), ratio))
}

/// The same for what is left; of extended resources only those that template pods ask for count.
fn free_alike(a: (&Shape, &Resources), b: (&Shape, &Resources), ratio: f64) -> bool {
    let left = |side: (&Shape, &Resources)| {
        let mut left = side.0.allocatable.clone();
        left -= side.1;
        left
    };
    let (free_a, free_b) = (left(a), left(b));
    within(free_a.cpu.0, free_b.cpu.0, ratio)
        // No template pod counts as asking for a place, so that all places are free.
        && within(a.0.max_pods, b.0.max_pods, ratio)
        && within(free_a.memory.0, free_b.memory.0, ratio)
        && within(free_a.ephemeral_storage.0, free_b.ephemeral_storage.0, ratio)
        && a.1.extended().count() == b.1.extended().count()
        && a.1.extended().all(|(name, _)| {
            b.1.get(name) != 0 && within(free_a.get(name), free_b.get(name), ratio)
        })
}

fn within(a: i64, b: i64, ratio: f64) -> bool {
    let (larger, smaller) = (f64_from_i64(a.max(b)), f64_from_i64(a.min(b)));
    larger - smaller <= larger * ratio
}

fn labels_alike(a: &Shape, b: &Shape, options: &Options) -> bool {
    let ignored = |key: &str| {
        IGNORED_LABELS.contains(&key)
            || options.balancing_ignore_label.iter().any(|label| label == key)
    };
    let compared = |shape: &Shape| -> BTreeMap<_, _> {
        let labels = shape.labels.iter().filter(|(key, _)| !ignored(key));
        labels.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    compared(a) == compared(b)
}

/// A group's part of a scale-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupChange {
    /// Group.
    pub group: PoolId,
    /// Target size before.
    pub from: i64,
    /// Target size after.
    pub to: i64,
    /// Largest size.
    pub max: i64,
}

/// Adds nodes one by one to the smallest group that is not full, groups of one size in turn
/// (balancing_processor.go `BalanceScaleUpBetweenGroups`).
///
/// `groups` holds target and maximum. Where sizes are equal the earlier one gets the odd node; a group
/// that is full makes room by changing places with the first one that is not, which decides about
/// later odd nodes, and the order in which the cloud is asked.
#[must_use]
pub fn balance(groups: &[(PoolId, i64, i64)], nodes: i64) -> Vec<GroupChange> {
    let mut parts: Vec<GroupChange> = groups
        .iter()
        .filter(|(_, target, max)| target != max)
        .map(|&(group, target, max)| GroupChange { group, from: target, to: target, max })
        .collect();
    let capacity: i64 = parts.iter().map(|part| (part.max - part.from).max(0)).sum();
    parts.sort_by_key(|part| part.from);
    let mut left = nodes.min(capacity);
    // Those before `open` are full; those from `open` to `turn` have the same size.
    let (mut open, mut turn) = (0, 0);
    while left > 0 {
        if parts[turn].to < parts[turn].max {
            parts[turn].to += 1;
            left -= 1;
        } else {
            parts.swap(open, turn);
            open += 1;
        }
        let next_is_smaller = parts.get(turn + 1).is_some_and(|next| parts[turn].to > next.to);
        turn = if next_is_smaller { turn + 1 } else { open };
    }
    parts.retain(|part| part.to != part.from);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_evened_out_within_their_limits() {
        // (target, max) of each group, nodes to add, targets after.
        type Row<'a> = (&'a [(i64, i64)], i64, &'a [i64]);
        let rows: [Row<'_>; 6] = [
            (&[(1, 10), (3, 10), (5, 10)], 6, &[5, 5, 5]),
            (&[(1, 2), (1, 10)], 4, &[2, 4]),
            (&[(1, 3), (3, 10), (5, 7)], 9, &[3, 8, 7]),
            (&[(1, 3), (3, 10), (5, 7)], 100, &[3, 10, 7]),
            (&[(2, 2)], 3, &[2]),
            (&[(4, 10), (4, 10)], 1, &[5, 4]),
        ];
        for (groups, nodes, expected) in rows {
            let named: Vec<(PoolId, i64, i64)> =
                (0..).zip(groups).map(|(n, &(target, max))| (PoolId(n), target, max)).collect();
            let changes = balance(&named, nodes);
            let after: Vec<i64> = named
                .iter()
                .map(|&(id, target, _)| {
                    changes.iter().find(|change| change.group == id).map_or(target, |c| c.to)
                })
                .collect();
            assert_eq!(after, expected, "{groups:?} + {nodes}");
        }
    }

    /// A full group changes places with the first that is not, and odd nodes go round in that order:
    /// groups in the order in which the cloud is asked, with their new sizes.
    #[test]
    fn full_groups_change_the_turn_of_the_others() {
        // (target, max) of each group, nodes to add, (group, size after).
        type Row<'a> = (&'a [(i64, i64)], i64, &'a [(u32, i64)]);
        let rows: [Row<'_>; 6] = [
            (&[(0, 6), (5, 3), (1, 6), (2, 3)], 9, &[(3, 3), (2, 5), (0, 4)]),
            (&[(2, 4), (3, 8), (3, 1), (0, 7)], 12, &[(0, 4), (1, 7), (3, 6)]),
            (&[(0, 7), (4, 2), (2, 8), (5, 1)], 9, &[(2, 6), (0, 5)]),
            (&[(0, 6), (2, 2), (3, 7), (5, 2), (3, 1)], 6, &[(2, 5), (0, 4)]),
            (&[(0, 7), (2, 2), (0, 1), (1, 8), (4, 1)], 13, &[(2, 1), (3, 7), (0, 6)]),
            (&[(5, 3), (2, 6), (0, 8), (4, 3), (0, 6)], 15, &[(4, 6), (1, 6), (2, 5)]),
        ];
        for (groups, nodes, expected) in rows {
            let named: Vec<(PoolId, i64, i64)> =
                (0..).zip(groups).map(|(n, &(target, max))| (PoolId(n), target, max)).collect();
            let changes = balance(&named, nodes);
            let after: Vec<(u32, i64)> =
                changes.iter().map(|change| (change.group.0, change.to)).collect();
            assert_eq!(after, expected, "{groups:?} + {nodes}");
        }
    }
}
