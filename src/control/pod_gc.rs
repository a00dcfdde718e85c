//! The garbage collector of pods: objects that no kubelet will ever end.
//!
//! kube-controller-manager, podgc/gc_controller.go `gcOrphaned`, `gcTerminating`, `gcTerminated`. Pods
//! of a node whose object is gone are removed once it has been missing for 40 s; terminating pods of
//! a node that is not ready and tainted out-of-service at once; of ended pods the oldest when there
//! are more than 12,500.

use std::collections::BTreeMap;

use crate::cluster::{Cluster, Pod};
use crate::model::id::{NodeId, PodId};
use crate::units::{SimDuration, SimTime};

/// Between two looks (`gcCheckPeriod`).
pub const PERIOD: SimDuration = SimDuration::from_secs(20);
/// How long a node must be missing (`quarantineTime`).
const QUARANTINE: SimDuration = SimDuration::from_secs(40);
/// Ended pods that may stay (`--terminated-pod-gc-threshold`).
const ENDED_MOST: usize = 12_500;
/// The taint by which people say that a node will not come back.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The collector and the nodes it misses.
#[derive(Debug, Clone, Default)]
pub struct PodGc {
    missing: BTreeMap<NodeId, SimTime>,
}

impl PodGc {
    /// One look: the pods to remove now, by force.
    #[must_use]
    pub fn look(&mut self, now: SimTime, cluster: &Cluster) -> Vec<PodId> {
        let missing = |pod: &Pod| pod.node.filter(|node| cluster.node(*node).is_none());
        let (mut orphans, mut pods, mut ended) = (Vec::new(), Vec::new(), Vec::new());
        // One pass: pods are many and lie all over memory.
        for pod in cluster.pods() {
            orphans.extend(missing(pod).map(|node| (pod.id, node)));
            pods.extend(out_of_service(cluster, pod).then_some(pod.id));
            ended.extend(pod.has_ended().then_some(pod));
        }
        self.missing.retain(|node, _| orphans.iter().any(|(_, other)| other == node));
        for (_, node) in &orphans {
            self.missing.entry(*node).or_insert(now);
        }
        let due = |node: &NodeId| now.since(self.missing[node]) >= QUARANTINE;
        pods.extend(orphans.iter().filter(|(_, node)| due(node)).map(|(pod, _)| *pod));
        ended.sort_by_key(|pod| (pod.created, pod.id));
        let excess = ended.len().saturating_sub(ENDED_MOST);
        pods.extend(ended.iter().take(excess).map(|pod| pod.id));
        pods.sort_unstable();
        pods.dedup();
        pods
    }

    /// Whether it has to look again.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.missing.is_empty()
    }
}

fn out_of_service(cluster: &Cluster, pod: &Pod) -> bool {
    let node = pod.node.and_then(|node| cluster.node(node));
    pod.is_terminating()
        && node.is_some_and(|node| {
            !node.is_ready() && node.taints.iter().any(|taint| &*taint.key == OUT_OF_SERVICE)
        })
}
