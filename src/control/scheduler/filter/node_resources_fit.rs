//! NodeResourcesFit (noderesources/fit.go `fitsRequest`).

use crate::control::scheduler::rejection::{Rejection, Shortages};
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::{NodeInfo, Shape};
use crate::units::Resources;

/// There must be room for the pod; every check that fails is noted.
pub(super) fn filter(rules: &Rules, node: &NodeInfo) -> Option<Rejection> {
    let pods = i64::try_from(node.pods.len()).expect("a count of pods fits 64 bits");
    check(&rules.shape, node, pods, &node.requested)
}

/// Whether the node would take the pod if nothing ran there.
pub(crate) fn fits_empty(shape: &Shape, node: &NodeInfo) -> bool {
    check(shape, node, 0, &Resources::default()).is_none()
}

fn check(shape: &Shape, node: &NodeInfo, pods: i64, used: &Resources) -> Option<Rejection> {
    let mut short = Shortages::default();
    let mut never = false;
    if pods + 1 > node.max_pods {
        short.add(Shortages::pods());
    }
    let (wanted, room) = (&shape.requests, &node.allocatable);
    let mut demand = |wanted: i64, room: i64, used: i64, shortage: Shortages| {
        // A resource that is not asked for is not looked at, even where it is overcommitted.
        if wanted > 0 && wanted > room - used {
            short.add(shortage);
            never |= wanted > room;
        }
    };
    demand(wanted.cpu.0, room.cpu.0, used.cpu.0, Shortages::cpu());
    demand(wanted.memory.0, room.memory.0, used.memory.0, Shortages::memory());
    let storage = (room.ephemeral_storage.0, used.ephemeral_storage.0);
    demand(wanted.ephemeral_storage.0, storage.0, storage.1, Shortages::storage());
    for (position, (name, wanted)) in shape.extended.iter().enumerate() {
        demand(*wanted, room.get(name), used.get(name), Shortages::extended(position));
    }
    (!short.is_empty()).then_some(Rejection::Resources { short, never })
}
