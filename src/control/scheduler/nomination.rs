//! Nominated nodes: where pods that made others go are expected to come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::control::scheduler::framework::Framework;
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::snapshot::{NodeSlot, PodInfo, Snapshot};
use crate::model::id::PodId;

/// The pods with a nominated node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nominations {
    by_pod: BTreeMap<PodId, Nomination>,
    /// Pods that were made to go and are not gone yet.
    victims: BTreeSet<PodId>,
}

#[derive(Debug, Clone)]
struct Nomination {
    pod: PodInfo,
    priority: i32,
    slot: NodeSlot,
    node: Arc<str>,
}

impl Nominations {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_pod.is_empty()
    }

    /// Expects a pod on a node, and pods of lower priority no longer (preemption/executor.go
    /// `prepareCandidateAsync`).
    pub(crate) fn nominate(&mut self, snapshot: &Snapshot, pod: &PodInfo, slot: NodeSlot) {
        let priority = snapshot.shape(pod.shape).priority();
        self.by_pod.retain(|_, other| other.slot != slot || other.priority >= priority);
        let node = Arc::clone(&snapshot.node(slot).name);
        self.by_pod.insert(pod.id, Nomination { pod: pod.clone(), priority, slot, node });
    }

    pub(crate) fn clear(&mut self, pod: PodId) {
        self.by_pod.remove(&pod);
    }

    /// Pods of a node are made to go. One whose deletion began before keeps the cause it had
    /// (preemption/executor.go: it is not deleted again).
    pub(crate) fn evict(&mut self, snapshot: &Snapshot, slot: NodeSlot, victims: &[PodId]) {
        let pods = snapshot.node(slot).pods.iter();
        let living = pods.filter(|pod| !pod.terminating && victims.contains(&pod.id));
        self.victims.extend(living.map(|pod| pod.id));
    }

    /// Whether a pod was made to go by preemption (defaultpreemption/default_preemption.go
    /// `podTerminatingByPreemption`).
    pub(crate) fn is_victim(&self, pod: PodId) -> bool {
        self.victims.contains(&pod)
    }

    /// Drops what is known of a pod that is gone.
    pub(crate) fn forget(&mut self, pod: PodId) {
        self.clear(pod);
        self.victims.remove(&pod);
    }

    /// The node a pod is expected on, while that node is there.
    pub(crate) fn slot_of(&self, snapshot: &Snapshot, pod: PodId) -> Option<NodeSlot> {
        let nomination = self.by_pod.get(&pod)?;
        nomination.is_standing(snapshot).then_some(nomination.slot)
    }

    /// Whether a node takes a pod, with the pods of at least its priority that are expected there
    /// and without them: both must hold (framework/runtime/framework.go
    /// `RunFilterPluginsWithNominatedPods`).
    pub(crate) fn check(
        &self,
        framework: &mut Framework,
        snapshot: &mut Snapshot,
        pod: &PodInfo,
        slot: NodeSlot,
    ) -> Result<(), Rejection> {
        let priority = snapshot.shape(pod.shape).priority();
        let expected: Vec<PodInfo> = self
            .rivals(snapshot, pod, priority)
            .filter(|nomination| nomination.slot == slot)
            .map(|nomination| nomination.pod.clone())
            .collect();
        if !expected.is_empty() {
            snapshot.fork();
            for other in expected {
                snapshot.add_pod(slot, other);
            }
            let answer = framework.check(snapshot, pod, slot);
            snapshot.revert();
            answer?;
        }
        framework.check(snapshot, pod, slot)
    }

    /// The nodes that expect pods of at least this pod's priority and therefore do not take it.
    pub(crate) fn rejections(
        &self,
        framework: &mut Framework,
        snapshot: &mut Snapshot,
        pod: &PodInfo,
    ) -> Vec<(NodeSlot, Rejection)> {
        let priority = snapshot.shape(pod.shape).priority();
        let mut slots: Vec<NodeSlot> =
            self.rivals(snapshot, pod, priority).map(|nomination| nomination.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
            .into_iter()
            .filter_map(|slot| Some((slot, self.check(framework, snapshot, pod, slot).err()?)))
            .collect()
    }

    fn rivals<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        pod: &'a PodInfo,
        priority: i32,
    ) -> impl Iterator<Item = &'a Nomination> {
        self.by_pod.values().filter(move |nomination| {
            nomination.pod.id != pod.id
                && nomination.priority >= priority
                && nomination.is_standing(snapshot)
        })
    }
}

impl Nomination {
    fn is_standing(&self, snapshot: &Snapshot) -> bool {
        self.slot.index() < snapshot.slot_count() && snapshot.node(self.slot).name == self.node
    }
}
