//! What is remembered of a node for the pods of one shape, until the node changes.

use crate::control::scheduler::filter;
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::score::{
    node_affinity, node_resources_balanced_allocation, node_resources_fit, taint_toleration,
};
use crate::control::scheduler::snapshot::{NodeInfo, Stamp};

/// The filters that look at one node alone, and the scores before normalisation.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entry {
    seen: Stamp,
    rejection: Option<Rejection>,
    /// The rejection stands whatever runs on the node.
    by_object: bool,
    /// Sum of the preferred node affinity terms that hold.
    pub(crate) affinity: i32,
    /// Taints that speak against the node.
    pub(crate) taints: u16,
    /// NodeResourcesFit.
    pub(crate) fit: u8,
    /// NodeResourcesBalancedAllocation.
    pub(crate) balanced: u8,
}

impl Entry {
    /// The first filter up to NodeResourcesFit that turns the pod down; looks at the node only when
    /// it changed since the last time.
    #[inline]
    pub(crate) fn rejection<'a>(
        &mut self,
        rules: &Rules,
        stamp: Stamp,
        node: impl FnOnce() -> &'a NodeInfo,
    ) -> Option<Rejection> {
        if self.seen.any != stamp.any {
            self.refresh(rules, stamp, node());
        }
        self.rejection
    }

    #[inline(never)]
    fn refresh(&mut self, rules: &Rules, stamp: Stamp, node: &NodeInfo) {
        if self.seen.object != stamp.object {
            self.rejection = filter::object(rules, node);
            self.by_object = self.rejection.is_some();
            self.affinity = node_affinity::raw(rules, node);
            self.taints = taint_toleration::raw(rules, node);
        }
        self.seen = stamp;
        if self.by_object {
            return;
        }
        self.rejection = filter::pods(rules, node);
        if self.rejection.is_none() {
            self.fit = node_resources_fit::raw(rules, node);
            self.balanced = node_resources_balanced_allocation::raw(rules, node);
        }
    }
}
