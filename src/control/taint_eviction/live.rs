//! Taint eviction on live objects.

use std::borrow::Cow;

use super::TaintEviction;
use crate::cluster::admission::daemon_tolerations;
use crate::cluster::api::scheduling::Toleration;
use crate::cluster::{Cluster, Pod};
use crate::model::id::{NodeId, PodId};
use crate::units::SimTime;

impl TaintEviction {
    /// A node appeared or its taints may have changed. Returns the pods to delete now.
    #[must_use]
    pub fn observe_node(&mut self, now: SimTime, cluster: &Cluster, id: NodeId) -> Vec<PodId> {
        let Some(node) = cluster.node(id) else {
            self.node_deleted(id);
            return Vec::new();
        };
        let pods: Vec<(PodId, Cow<'_, [Toleration]>)> = cluster
            .pods_on(id)
            .filter(|pod| !pod.is_terminating())
            .map(|pod| (pod.id, tolerations(pod)))
            .collect();
        let pods = pods.iter().map(|(pod, tolerations)| (*pod, &**tolerations));
        self.node_updated(now, id, &node.taints, pods)
    }

    /// A pod was bound. Returns whether to delete it now.
    #[must_use]
    pub fn observe_pod(&mut self, now: SimTime, cluster: &Cluster, id: PodId) -> bool {
        let pod = cluster.pod(id).and_then(|pod| Some((pod, pod.node?)));
        pod.is_some_and(|(pod, node)| self.pod_updated(now, id, node, &tolerations(pod)))
    }
}

/// Daemon pods tolerate more than their template says.
fn tolerations(pod: &Pod) -> Cow<'_, [Toleration]> {
    if pod.owner.is_daemon() {
        Cow::Owned(daemon_tolerations(&pod.template.spec))
    } else {
        Cow::Borrowed(&pod.template.spec.tolerations)
    }
}
