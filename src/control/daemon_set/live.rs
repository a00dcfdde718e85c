//! The DaemonSet controller on live objects.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{NodeSeen, Observation, PodSeen, Sync, fit, sync};
use crate::cluster::admission::daemon_tolerations;
use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Cluster, Node, Pod, PodOwner};
use crate::control::decision::{Decision, earlier};
use crate::control::replica_set::until_available;
use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, WorkloadId};
use crate::model::{Action, Reason};
use crate::units::convert::count_i32;
use crate::units::{SimDuration, SimTime};

/// One synchronisation. To be called when a node came, went or changed, too.
pub fn reconcile(now: SimTime, cluster: &Cluster, id: WorkloadId) -> Decision {
    let min_ready = cluster.workload(id).spec.min_ready;
    let sync = look(now, cluster, id);
    let because = if sync.by_update { PodDeletion::Rollout } else { PodDeletion::ScaleDown };
    let create = sync.creations().map(|node| Action::CreateDaemon { workload: id, node });
    let delete = sync.deletions().map(|pod| Action::DeletePod { pod, grace: None, because });
    let actions: Vec<Action> = create.chain(delete).collect();
    let (missing, excess) = (sync.creations().count(), sync.deletions().count());
    let reason = match (missing, excess) {
        (0, 0) => Reason::InSync,
        _ if sync.by_update => Reason::RollingOut,
        (0, _) => Reason::TooManyPods { excess: count_i32(excess) },
        (_, _) => Reason::TooFewPods { missing: count_i32(missing) },
    };
    let waiting = cluster.pods_of(id).filter_map(|pod| until_available(now, pod, min_ready));
    let burst = missing.max(excess) >= super::BURST;
    let look_again = earlier(waiting.min(), burst.then_some(SimDuration::ZERO));
    Decision { actions, reason, look_again }
}

/// What a synchronisation would find to do now.
pub fn look(now: SimTime, cluster: &Cluster, id: WorkloadId) -> Sync {
    let workload = cluster.workload(id);
    let WorkloadKind::DaemonSet { rolling_update } = workload.spec.kind else {
        unreachable!("only DaemonSets come here");
    };
    let wanted = workload.wanted();
    // The object exists from registration until the instance is gone.
    let nodes: Vec<(&Node, Cow<'_, [Taint]>)> =
        cluster.nodes().filter(|node| !node.is_coming()).map(|node| (node, taints(node))).collect();
    let mut nodes: Vec<NodeSeen<'_>> = nodes
        .iter()
        .map(|(node, taints)| NodeSeen {
            node: node.id,
            name: &node.name,
            labels: &node.labels,
            taints,
        })
        .collect();
    let pods: Vec<PodSeen<'_>> = cluster
        .pods_of(id)
        .filter_map(|pod| match pod.owner {
            PodOwner::Daemon(_, node) => Some((pod, node)),
            PodOwner::ReplicaSet(..) | PodOwner::Ordinal(..) | PodOwner::Job(..) => None,
        })
        .map(|(pod, node)| PodSeen {
            pod: pod.id,
            name: &pod.name,
            node,
            scheduled: pod.node.is_some(),
            updated: pod.template_id == wanted.template_id,
            phase: pod.phase,
            ready_since: pod.ready_since(),
            created: pod.created.floor_to_second(),
            terminating: pod.is_terminating(),
            in_backoff: false,
        })
        .collect();
    let min_ready = workload.spec.min_ready;
    let template = &wanted.template.spec;
    let found =
        sync(&Observation { now, template, min_ready, rolling_update, nodes: &nodes, pods: &pods });
    // The order of nodes is the order of choices. Mostly there is nothing to choose.
    if found.creations().next().is_none() && found.deletions().next().is_none() {
        return found;
    }
    nodes.sort_unstable_by(|one, other| one.name.cmp(other.name));
    sync(&Observation { now, template, min_ready, rolling_update, nodes: &nodes, pods: &pods })
}

/// What the controller writes about the nodes of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// `desiredNumberScheduled`: nodes that are to have a pod.
    pub desired: i32,
    /// `currentNumberScheduled`: those of them that have one.
    pub current: i32,
    /// `numberMisscheduled`: nodes with a pod that are to have none.
    pub misscheduled: i32,
    /// `updatedNumberScheduled`: nodes whose oldest pod has the present template.
    pub updated: i32,
    /// `numberAvailable`: nodes whose oldest pod has been ready for long enough.
    pub available: i32,
}

/// The status of a set (daemon_controller.go `updateDaemonSetStatus`): the oldest pod of a node speaks for
/// it.
#[must_use]
pub fn status(now: SimTime, cluster: &Cluster, id: WorkloadId) -> Status {
    let workload = cluster.workload(id);
    let wanted = workload.wanted();
    let template = &wanted.template.spec;
    let tolerations = daemon_tolerations(template);
    let mut oldest: BTreeMap<NodeId, &Pod> = BTreeMap::new();
    for pod in cluster.pods_of(id) {
        let PodOwner::Daemon(_, node) = pod.owner else { continue };
        let known = oldest.entry(node).or_insert(pod);
        if pod.created < known.created {
            *known = pod;
        }
    }
    let mut status = Status::default();
    for node in cluster.nodes().filter(|node| !node.is_coming()) {
        let (taints, labels) = (taints(node), &node.labels);
        let seen = NodeSeen { node: node.id, name: &node.name, labels, taints: &taints };
        let pod = oldest.get(&node.id);
        if !fit(template, &tolerations, &seen).should_run {
            status.misscheduled += i32::from(pod.is_some());
            continue;
        }
        status.desired += 1;
        let Some(pod) = pod else { continue };
        status.current += 1;
        status.updated += i32::from(pod.template_id == wanted.template_id);
        let lasted = |since| now.since(since) >= workload.spec.min_ready;
        let available = pod.ready_since().is_some_and(lasted);
        status.available += i32::from(available);
    }
    status
}

/// A node's taints, with the one by which a cordon is known to the controller.
fn taints(node: &Node) -> Cow<'_, [Taint]> {
    if !node.unschedulable {
        return Cow::Borrowed(&node.taints);
    }
    let cordon = Taint {
        key: Arc::from("node.kubernetes.io/unschedulable"),
        value: Arc::from(""),
        effect: TaintEffect::NoSchedule,
    };
    node.taints.iter().cloned().chain(std::iter::once(cordon)).collect()
}
