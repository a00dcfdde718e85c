//! A rolling replacement of the GPU pool.

use super::{minutes, shipped};
use aurelius_sim::model::Record;

#[test]
fn a_managed_node_group_replaces_its_nodes_one_at_a_time() {
    let told = shipped("pool-upgrade");
    let began = told.begins()[0];
    let gpu: Vec<_> =
        told.history.nodes().filter(|node| node.name.starts_with("gpu-t4-")).collect();
    let old: Vec<_> = gpu.iter().filter(|node| node.requested < began).collect();
    let new: Vec<_> = gpu.iter().filter(|node| node.requested >= began).collect();
    assert_eq!(old.len(), 7);
    // One surge node, and one in place of each old one.
    assert!(new.len() >= 8, "{} new nodes", new.len());
    let first = new[0].ready.expect("the surge node comes");
    for node in &old {
        let cordoned = node.cordoned.expect("all old nodes are cordoned");
        assert!(cordoned >= first && cordoned < first + minutes(1), "at {cordoned}");
    }
    // One after another, a minute apart at least, and never with ml pods below their budget.
    let mut removed: Vec<_> =
        old.iter().map(|node| node.removing.expect("it is removed")).collect();
    removed.sort_unstable();
    for pair in removed.windows(2) {
        assert!(pair[1].since(pair[0]) >= minutes(1), "{removed:?}");
    }
    // In the end the pool has its size again.
    assert_eq!(gpu.iter().filter(|node| node.removing.is_none()).count(), 7);
    let end = told.ends()[0];
    assert!(removed.iter().all(|at| *at <= end));
    assert!(told.events("PodEvictionFailure").is_empty());
    // Pods of the pool moved by eviction: each old node's pod went before the node did.
    for pod in told.history.pods().filter(|pod| pod.name.starts_with("ml-service-")) {
        if let (Some((_, node)), Some((went, _))) = (pod.bound, pod.terminating)
            && let Some(node) = old.iter().find(|old| old.id == node)
        {
            assert!(Some(went) <= node.removing, "{}", pod.name);
        }
    }
    let refused = |entry: &&aurelius_sim::trace::Entry| {
        matches!(entry.record, Record::EvictionRefused { .. })
    };
    let refusals = told.history.entries().iter().filter(refused).count();
    assert!(refusals < 40, "{refusals} refusals");
}
