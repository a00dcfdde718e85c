//! The node lifecycle controller on live objects.

use super::{Ailment, NodeLifecycle, NodeSeen, Verdict};
use crate::cluster::{Cluster, ConditionStatus, Node, NodePhase};
use crate::units::{SimDuration, SimTime};

/// Between two renewals of a node's lease (kubelet.go, a quarter of the lease's 40 s).
pub const LEASE_RENEWAL: SimDuration = SimDuration::from_secs(10);

impl NodeLifecycle {
    /// One pass over the live nodes, and the NoExecute taints that it allows at once. To be called
    /// every [`NodeLifecycleSpec::monitor_period`](super::NodeLifecycleSpec::monitor_period).
    #[must_use]
    pub fn observe(&mut self, now: SimTime, cluster: &Cluster) -> Vec<Verdict> {
        // A node that just registered says itself that it is not ready, and its taint says so.
        let started = |node: &&Node| !node.is_coming() && node.phase != NodePhase::Registered;
        let registered = cluster.nodes().filter(started);
        let nodes: Vec<NodeSeen<'_>> = registered
            .map(|node| NodeSeen {
                node: node.id,
                zone: node.zone().unwrap_or_default(),
                created: node.created,
                renewed: Some(last_renewal(now, node)),
                ready: Some(self.condition(node)),
            })
            .collect();
        let mut verdicts = self.monitor(now, &nodes);
        verdicts.extend(self.taint(now));
        verdicts
    }

    /// The Ready condition as stored: what the kubelet says, or what this controller wrote when it
    /// heard nothing any more.
    fn condition(&self, node: &Node) -> ConditionStatus {
        let lost = node.phase == NodePhase::Lost;
        if lost && self.ailment(node.id) == Some(Ailment::Unreachable) {
            ConditionStatus::Unknown
        } else {
            ConditionStatus::True
        }
    }
}

/// When a node last renewed its lease: every ten seconds since its object was made, until it fell
/// silent.
#[must_use]
pub fn last_renewal(now: SimTime, node: &Node) -> SimTime {
    let alive = if node.phase == NodePhase::Lost { node.phase_since } else { now };
    let renewals = alive.since(node.created).as_nanos() / LEASE_RENEWAL.as_nanos();
    node.created + LEASE_RENEWAL * renewals
}
