//! Snapshots against themselves: what is tried and taken back leaves nothing behind.

use std::sync::Arc;

use super::*;
use crate::cluster::api::{Container, PodSpec, PodTemplate};
use crate::units::{Bytes, MilliCpu, ResourceList, Resources};

fn node(name: &str, zone: &str) -> NodeInfo {
    let zone_label = (Arc::from("topology.kubernetes.io/zone"), Arc::from(zone));
    NodeInfo {
        name: Arc::from(name),
        labels: Labels::from([zone_label]),
        allocatable: Resources::new(MilliCpu(4000), Bytes(1 << 30)),
        max_pods: 110,
        ..NodeInfo::default()
    }
}

fn shape(snapshot: &mut Snapshot) -> ShapeId {
    let requests = ResourceList { cpu: Some(MilliCpu(100)), ..ResourceList::default() };
    let containers = vec![Container { requests, ..Container::default() }];
    let spec = PodSpec { containers, ..PodSpec::default() };
    snapshot.add_shape(PodDescription {
        namespace: Arc::from("default"),
        labels: Labels::new(),
        template: Arc::new(PodTemplate { spec, ..PodTemplate::default() }),
        owner_selector: None,
    })
}

fn names(snapshot: &mut Snapshot) -> Vec<String> {
    let slots = snapshot.nodes().to_vec();
    slots.iter().map(|slot| snapshot.node(*slot).name.to_string()).collect()
}

#[test]
fn nodes_come_zone_by_zone_in_turn() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    let mut slots = Vec::new();
    for (name, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("c1", "c"), ("a3", "a")] {
        slots.push(snapshot.add_node(node(name, zone)));
    }
    snapshot.add_node(node("b2", "b"));
    assert_eq!(names(&mut snapshot), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    snapshot.remove_node(slots[0]);
    assert_eq!(names(&mut snapshot), ["a2", "b1", "c1", "a3", "b2"]);
    snapshot.add_node(node("a1", "a"));
    assert_eq!(names(&mut snapshot), ["a2", "b1", "c1", "a3", "b2", "a1"]);
}

#[test]
fn a_trial_taken_back_leaves_nothing_behind() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    let shape = shape(&mut snapshot);
    let slots: Vec<NodeSlot> =
        [("a", "x"), ("b", "y"), ("c", "z")].map(|(n, z)| snapshot.add_node(node(n, z))).into();
    for pod in 0..4 {
        snapshot.add_pod(slots[1], PodInfo::new(PodId(pod), shape));
    }
    let before: Vec<NodeInfo> = slots.iter().map(|slot| snapshot.node(*slot).clone()).collect();
    let order = names(&mut snapshot);
    snapshot.fork();
    snapshot.remove_pod(slots[1], PodId(1));
    snapshot.fork();
    let new = snapshot.add_node(node("new", "x"));
    snapshot.add_pod(new, PodInfo::new(PodId(9), shape));
    snapshot.remove_node(slots[0]);
    snapshot.remove_node(slots[2]);
    snapshot.set_terminating(slots[1], PodId(2), true);
    snapshot.update_node(slots[1], node("b", "z"));
    assert_eq!(snapshot.node(slots[1]).requested.cpu, MilliCpu(300));
    snapshot.revert();
    assert_eq!(names(&mut snapshot), order);
    assert!(snapshot.node(slots[1]).position(PodId(1)).is_none(), "the outer trial stands");
    snapshot.revert();
    let after: Vec<NodeInfo> = slots.iter().map(|slot| snapshot.node(*slot).clone()).collect();
    assert_eq!(before, after);
    snapshot.revert();
    assert_eq!(names(&mut snapshot), order, "without a trial nothing is taken back");
}

#[test]
fn a_trial_that_is_kept_stays() {
    let mut snapshot = Snapshot::new(Surroundings::default());
    let shape = shape(&mut snapshot);
    let slot = snapshot.add_node(node("a", "x"));
    snapshot.fork();
    snapshot.add_pod(slot, PodInfo::new(PodId(1), shape));
    snapshot.keep();
    snapshot.revert();
    assert_eq!(snapshot.node(slot).pods.len(), 1);
}
