//! The pods of a live cluster as the autoscaler sees them: listed workload by workload, so that only
//! workloads that changed are looked at again, and with a note of the nodes on which pods changed.

use std::sync::Arc;

use super::observation::{ControllerKind, ControllerUid, Owner, Pod, PodChanges};
use crate::cluster::api::pod::{PodTemplate, Volume};
use crate::cluster::{self, Cluster, PodOwner, PodPhase};
use crate::control::scheduler::volumes::live_claims;
use crate::model::id::{NodeId, PodId, WorkloadId};

/// The pods as they were seen last.
#[derive(Debug, Default)]
pub(super) struct PodList {
    /// By id; `None` for pods that are gone or were never seen.
    known: Vec<Option<SeenPod>>,
    /// How many of them are kept.
    kept: usize,
    /// The pods of the last look.
    listed: Vec<Arc<Pod>>,
    /// Each workload's share of them, in their order.
    parts: Vec<Part>,
    changes: Arc<PodChanges>,
}

/// A pod as it was seen last.
#[derive(Debug)]
struct SeenPod {
    /// The state of the pod that was seen.
    stamp: u64,
    /// Whether what is shown of it may change while the pod does not: a nomination, a claim's volume.
    volatile: bool,
    /// `None` when it has ended: such pods are not shown.
    pod: Option<Arc<Pod>>,
}

/// What a workload's share of the list was made from; the default is that of one that never had a pod.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    /// The state of the workload that was seen.
    stamp: u64,
    /// Whether any of its pods is volatile.
    volatile: bool,
    /// How many pods are listed.
    length: usize,
}

impl Part {
    fn holds(self, cluster: &Cluster, workload: WorkloadId) -> bool {
        !self.volatile && self.stamp == cluster.workload_stamp(workload)
    }
}

impl PodList {
    /// Takes the list of the last look back.
    pub(super) fn give_back(&mut self, listed: Vec<Arc<Pod>>) {
        self.listed = listed;
    }

    /// The pods that have not ended, and on which nodes they differ from those of earlier looks.
    /// `nominated` tells for which node the scheduler holds a place for a pending pod.
    pub(super) fn look(
        &mut self,
        cluster: &Cluster,
        nominated: impl Fn(PodId) -> Option<NodeId>,
    ) -> (Vec<Arc<Pod>>, Arc<PodChanges>) {
        let changes = Arc::make_mut(&mut self.changes);
        changes.look += 1;
        if self.listed.len() != self.parts.iter().map(|part| part.length).sum::<usize>() {
            // The last list was not given back: nobody can tell what it showed.
            changes.latest.fill(changes.look);
            self.parts.clear();
            self.listed.clear();
        }
        if self.kept > 2 * cluster.pod_count() + 1_000 {
            self.forget_gone(cluster);
        }
        let workloads = cluster.workloads();
        self.parts.resize(workloads.len(), Part::default());
        let mut parts = self.parts.iter().zip(workloads);
        if parts.any(|(part, workload)| !part.holds(cluster, workload.id)) {
            self.list_again(cluster, &nominated);
        }
        (std::mem::take(&mut self.listed), Arc::clone(&self.changes))
    }

    fn list_again(&mut self, cluster: &Cluster, nominated: &impl Fn(PodId) -> Option<NodeId>) {
        let mut before = std::mem::take(&mut self.listed).into_iter();
        let mut list = Vec::with_capacity(cluster.pod_count());
        for (position, workload) in cluster.workloads().iter().enumerate() {
            let part = self.parts[position];
            if part.holds(cluster, workload.id) {
                list.extend(before.by_ref().take(part.length));
                continue;
            }
            let first = list.len();
            let mut volatile = false;
            for id in &workload.pods {
                let Some(seen) = self.see(cluster, *id, nominated) else { continue };
                volatile |= seen.volatile;
                list.extend(seen.pod.clone());
            }
            for pod in before.by_ref().take(part.length) {
                self.compare(cluster, &pod);
            }
            let stamp = cluster.workload_stamp(workload.id);
            self.parts[position] = Part { stamp, volatile, length: list.len() - first };
        }
        self.listed = list;
    }

    /// Brings what is known of a pod up to date, and notes it when that changed.
    fn see(
        &mut self,
        cluster: &Cluster,
        id: PodId,
        nominated: &impl Fn(PodId) -> Option<NodeId>,
    ) -> Option<&SeenPod> {
        if self.known.len() <= id.index() {
            self.known.resize_with(id.index() + 1, || None);
        }
        let known = &mut self.known[id.index()];
        let stamp = cluster.pod_stamp(id);
        let as_before = known.as_ref().is_some_and(|known| known.stamp == stamp && !known.volatile);
        if !as_before {
            let pod = cluster.pod(id)?;
            self.kept += usize::from(known.is_none());
            let before = known.take().and_then(|known| known.pod);
            let seen = if matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed) {
                SeenPod { stamp, volatile: false, pod: None }
            } else {
                let nominated = if pod.node.is_none() { nominated(id) } else { None };
                let (seen, differs) = see(cluster, pod, nominated, before);
                if differs {
                    Arc::make_mut(&mut self.changes).note(&seen);
                }
                let volatile = pod.node.is_none() || seen.claims.is_some();
                SeenPod { stamp, volatile, pod: Some(seen) }
            };
            *known = Some(seen);
        }
        known.as_ref()
    }

    /// Notes a pod of the list before that is gone, has ended or is shown otherwise.
    fn compare(&mut self, cluster: &Cluster, before: &Arc<Pod>) {
        let known = &mut self.known[before.id.index()];
        if cluster.pod(before.id).is_none() && known.take().is_some() {
            self.kept -= 1;
        }
        let now = known.as_ref().and_then(|known| known.pod.as_ref());
        if !now.is_some_and(|now| Arc::ptr_eq(now, before)) {
            Arc::make_mut(&mut self.changes).note(before);
        }
    }

    /// Forgets pods that went after they had ended.
    fn forget_gone(&mut self, cluster: &Cluster) {
        for (position, known) in self.known.iter_mut().enumerate() {
            if known.is_some() && cluster.pod(PodId::at(position)).is_none() {
                *known = None;
                self.kept -= 1;
            }
        }
    }
}

/// A pod as it is now, and whether it differs; the same object as before when it does not.
fn see(
    cluster: &Cluster,
    pod: &cluster::Pod,
    nominated: Option<NodeId>,
    before: Option<Arc<Pod>>,
) -> (Arc<Pod>, bool) {
    let fresh = before.is_none();
    let mut known = before.unwrap_or_else(|| Arc::new(fresh_pod(pod)));
    let claims = live_claims(cluster, pod);
    let deletion = pod.deletion.map(|deletion| deletion.deadline);
    let unschedulable = pod.unschedulable.is_some();
    let same = known.node == pod.node
        && known.claims == claims
        && known.deletion == deletion
        && known.nominated == nominated
        && known.unschedulable == unschedulable;
    if !same {
        // The list before keeps the object as it was.
        let mut changed = Pod::clone(&known);
        changed.node = pod.node;
        changed.claims = claims;
        changed.deletion = deletion;
        changed.nominated = nominated;
        changed.unschedulable = unschedulable;
        known = Arc::new(changed);
    }
    (known, fresh || !same)
}

fn fresh_pod(pod: &cluster::Pod) -> Pod {
    let owner = match pod.owner {
        PodOwner::ReplicaSet(_, set) => {
            Owner { kind: ControllerKind::ReplicaSet, uid: ControllerUid(set.0 * 2 + 1) }
        }
        PodOwner::Ordinal(workload, _) => {
            Owner { kind: ControllerKind::StatefulSet, uid: workload_uid(workload) }
        }
        PodOwner::Job(workload, _) => {
            Owner { kind: ControllerKind::Job, uid: workload_uid(workload) }
        }
        PodOwner::Daemon(workload, _) => {
            Owner { kind: ControllerKind::DaemonSet, uid: workload_uid(workload) }
        }
    };
    Pod {
        id: pod.id,
        name: Arc::clone(&pod.name),
        namespace: Arc::clone(&pod.namespace),
        template: Arc::clone(&pod.template),
        template_id: pod.template_id,
        requests: Arc::clone(&pod.requests),
        owner: Some(owner),
        priority: Some(pod.priority()),
        local_volumes: local_volumes(&pod.template),
        claims: None,
        created: pod.created.floor_to_second(),
        deletion: None,
        node: None,
        nominated: None,
        unschedulable: false,
    }
}

/// The names of volumes on the node's disk; what lies in memory is none (utils/drain/drain.go
/// `isLocalVolume`).
fn local_volumes(template: &PodTemplate) -> Vec<Arc<str>> {
    let local = |volume: &Volume| match volume {
        Volume::EmptyDir { name, memory: false } | Volume::HostPath(name) => Some(Arc::clone(name)),
        Volume::EmptyDir { memory: true, .. } | Volume::Claim(_) | Volume::Other => None,
    };
    template.spec.volumes.iter().filter_map(local).collect()
}

/// The identity of a workload among controllers; ReplicaSets have the odd numbers.
pub(super) fn workload_uid(workload: WorkloadId) -> ControllerUid {
    ControllerUid(workload.0 * 2)
}
