//! The DaemonSet controller on live objects.

use std::borrow::Cow;
use std::sync::Arc;

use super::{NodeSeen, Observation, PodSeen, Sync, sync};
use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Cluster, Node, PodOwner};
use crate::control::decision::{Decision, earlier};
use crate::control::replica_set::until_available;
use crate::model::action::PodDeletion;
use crate::model::id::WorkloadId;
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
