//! What is remembered of a node until it changes: for the pods of one shape what the node's object
//! says to them, for all pods that ask for the same what is left on it.

use crate::control::scheduler::filter;
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::score::{
    node_affinity, node_resources_balanced_allocation, node_resources_fit, taint_toleration,
};
use crate::control::scheduler::snapshot::{NodeInfo, Shape, Stamp};

/// The filters and scores that look at a node's object, whatever runs there: for one shape.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ObjectEntry {
    seen: u64,
    rejection: Option<Rejection>,
    /// Sum of the preferred node affinity terms that hold.
    pub(crate) affinity: i32,
    /// Taints that speak against the node.
    pub(crate) taints: u16,
}

/// The filters and scores that look at what a node's pods leave: for all shapes that ask for the same.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RoomEntry {
    seen: u64,
    rejection: Option<Rejection>,
    /// NodeResourcesFit.
    pub(crate) fit: u8,
    /// NodeResourcesBalancedAllocation.
    pub(crate) balanced: u8,
}

/// Whether pods of two shapes ask a node for the same: then one answer holds for both.
pub(crate) fn ask_for_the_same(one: &Shape, other: &Shape) -> bool {
    one.requests == other.requests
        && one.incoming_scoring_requests == other.incoming_scoring_requests
        && one.extended == other.extended
        && one.host_ports == other.host_ports
        && one.gpu_demand == other.gpu_demand
}

/// The first filter up to NodeResourcesFit that turns the pod down; looks at the node only when it
/// changed since the last time.
#[inline]
pub(crate) fn rejection<'a>(
    object: &mut ObjectEntry,
    room: &mut RoomEntry,
    rules: &Rules,
    stamp: Stamp,
    node: impl Fn() -> &'a NodeInfo,
) -> Option<Rejection> {
    if object.seen != stamp.object {
        object.refresh(rules, stamp, node());
    }
    if object.rejection.is_some() {
        return object.rejection;
    }
    if room.seen != stamp.any {
        room.refresh(rules, stamp, node());
    }
    room.rejection
}

impl ObjectEntry {
    #[inline(never)]
    fn refresh(&mut self, rules: &Rules, stamp: Stamp, node: &NodeInfo) {
        self.rejection = filter::object(rules, node);
        self.affinity = node_affinity::raw(rules, node);
        self.taints = taint_toleration::raw(rules, node);
        self.seen = stamp.object;
    }
}

impl RoomEntry {
    #[inline(never)]
    fn refresh(&mut self, rules: &Rules, stamp: Stamp, node: &NodeInfo) {
        self.rejection = filter::pods(rules, node);
        if self.rejection.is_none() {
            self.fit = node_resources_fit::raw(rules, node);
            self.balanced = node_resources_balanced_allocation::raw(rules, node);
        }
        self.seen = stamp.any;
    }
}
