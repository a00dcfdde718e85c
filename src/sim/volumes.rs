//! Volumes in a run: bound with their pod, attached before it starts, detached when it is gone.
//!
//! A pod whose claims are not bound yet is bound to its node at once, and the making of its volumes
//! counts as part of the attaching: kube-scheduler would show it as pending for these few seconds
//! (volumebinding/binder.go `BindPodVolumes`). A claim that its provisioner refuses keeps the pod
//! unbound for as long as the scheduler waits, 600 s; then the pod is tried again. What it would hold
//! of a node meanwhile is not reserved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::Occurrence;
use crate::control::volume_attach::{Attach, AttachDetach};
use crate::model::event::PodStep;
use crate::model::id::{NodeId, PodId};
use crate::model::observer::Observer;
use crate::model::record::About;
use crate::model::{Action, Event};
use crate::sim::Run;
use crate::units::{SimDuration, SimTime};

/// How long kube-scheduler waits for volumes to be bound (`VolumeBindingArgs.bindTimeoutSeconds`).
const BIND_TIMEOUT: SimDuration = SimDuration::from_secs(600);

/// The volumes of all pods.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    controller: AttachDetach,
    /// Where each pod has its volumes, or waits for them.
    of: BTreeMap<PodId, (NodeId, Vec<Arc<str>>)>,
    /// Pods that wait for a volume to come off another node.
    waiting: BTreeSet<PodId>,
    /// When the last volume of a pod that needs nothing else is attached. A kubelet that starts anew
    /// asks again; what it was promised before is overtaken.
    attached: BTreeMap<PodId, SimTime>,
    /// Claims that were bound together with a pod, whose volume is still to be made.
    fresh: BTreeSet<Arc<str>>,
}

impl<O: Observer> Run<'_, O> {
    /// Whether nothing has to be attached for a pod.
    pub(super) fn has_no_volumes(&self, id: PodId) -> bool {
        self.disks_of(id).is_empty()
    }

    /// Nodes with volumes on them that no pod needs any more.
    pub(super) fn nodes_with_leftovers(&self) -> BTreeSet<NodeId> {
        let used: BTreeSet<NodeId> = self.volumes.of.values().map(|(node, _)| *node).collect();
        let nodes = self.cluster.nodes().map(|node| node.id);
        nodes.filter(|id| !used.contains(id) && self.volumes.controller.holds(*id)).collect()
    }

    fn disks_of(&self, id: PodId) -> Vec<Arc<str>> {
        let Some(pod) = self.cluster.pod(id) else { return Vec::new() };
        let mut names = self.cluster.claims_of(pod);
        names.retain(|name| self.cluster.claim(name).is_some_and(|claim| claim.driver.is_some()));
        names
    }

    /// Whether a claim of a pod that found a node is refused by its provisioner. Then the pod stays
    /// where it is, and the scheduler tells so when it has waited for long enough.
    pub(super) fn volumes_refused(&mut self, id: PodId) -> bool {
        let Some(pod) = self.cluster.pod(id) else { return false };
        let claims = self.cluster.claims_of(pod).into_iter();
        let refused: Vec<(Arc<str>, Arc<str>)> = claims
            .filter_map(|name| {
                let claim = self.cluster.claim(&name).filter(|claim| !claim.bound)?;
                Some((Arc::clone(&claim.name), Arc::clone(claim.refusal.as_ref()?)))
            })
            .collect();
        if refused.is_empty() {
            return false;
        }
        for (claim, why) in refused {
            self.announce(About::Claim(claim), "ProvisioningFailed", &why);
        }
        let event = Event::Pod(id, PodStep::BindingTimedOut);
        let at = self.queue.now() + BIND_TIMEOUT;
        self.queue.schedule(at, event.rank(), event);
        true
    }

    /// The scheduler gives up waiting for a pod's volumes and tries it again.
    pub(super) fn binding_timed_out(&mut self, now: SimTime, id: PodId) {
        let waits = self.cluster.pod(id).is_some_and(|p| p.node.is_none() && !p.is_terminating());
        if waits {
            let message = Arc::from(
                "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded",
            );
            self.apply(now, &Action::MarkUnschedulable { pod: id, message });
            self.pod_to_schedule(now, id);
        }
    }

    /// A pod is about to be bound to a node: claims that waited for it are bound in its zone.
    pub(super) fn bind_volumes(&mut self, now: SimTime, id: PodId, node: NodeId) {
        let Some(pod) = self.cluster.pod(id) else { return };
        let zone = self.cluster.node(node).and_then(|node| node.zone()).map(Arc::from);
        for name in self.cluster.claims_of(pod) {
            if self.cluster.claim(&name).is_some_and(|claim| !claim.bound) {
                self.volumes.fresh.insert(Arc::clone(&name));
                self.occur(now, Occurrence::ClaimBound(name, zone.clone()));
            }
        }
        self.all_rollouts_look(now);
    }

    /// A pod that is bound asks for its volumes, for the first time or again.
    pub(super) fn mount_volumes(&mut self, now: SimTime, id: PodId, node: NodeId) {
        let disks = self.disks_of(id);
        let Some(pod) = self.cluster.pod(id).map(|pod| Arc::clone(&pod.name)) else { return };
        let first = !self.volumes.of.contains_key(&id);
        self.volumes.of.insert(id, (node, disks.clone()));
        let mut there = Some(now);
        for name in disks {
            let answer = self.attach(now, &name, &pod, node);
            there = match (there, answer) {
                (Some(there), Attach::From(at)) => Some(there.max(at)),
                (_, Attach::From(_) | Attach::Busy) => None,
                (_, Attach::OtherNode(other)) => {
                    if first {
                        self.tell_multi_attach(id, &name, other);
                    }
                    None
                }
            };
        }
        match there {
            Some(at) => {
                self.volumes.waiting.remove(&id);
                self.volumes.attached.insert(id, at);
                self.schedule(at.since(now), Event::Pod(id, PodStep::VolumesMounted));
            }
            None => {
                self.volumes.waiting.insert(id);
                self.volumes.attached.remove(&id);
            }
        }
    }

    /// The volumes of a pod are on its node: its containers may start, unless its kubelet asked anew
    /// meanwhile.
    pub(super) fn volumes_mounted(&mut self, now: SimTime, id: PodId) {
        if self.volumes.attached.get(&id) == Some(&now) {
            self.volumes.attached.remove(&id);
            self.begin_containers(now, id);
        }
    }

    fn attach(&mut self, now: SimTime, name: &Arc<str>, pod: &str, node: NodeId) -> Attach {
        let profile = &self.scenario.volumes;
        let mut stream = self.streams.of(&format!("attach/{name}/{pod}/{node}"));
        let mut attach = profile.attach.sample_span(&mut stream);
        let detach = profile.detach.sample_span(&mut stream);
        if self.volumes.fresh.remove(name) {
            attach += profile.provision.sample_span(&mut stream);
        }
        if self.booting {
            attach = SimDuration::ZERO;
        }
        let shared = self.cluster.claim(name).is_some_and(|claim| claim.shared);
        self.volumes.controller.attach(now, (name, shared), node, attach, detach)
    }

    fn tell_multi_attach(&mut self, id: PodId, name: &Arc<str>, other: NodeId) {
        let uses = |(pod, (node, names)): (&PodId, &(NodeId, Vec<Arc<str>>))| {
            let uses = *node == other && names.contains(name);
            let pod = self.cluster.pod(*pod).filter(|_| uses)?;
            Some(pod.name.to_string())
        };
        let users: Vec<String> = self.volumes.of.iter().filter_map(uses).collect();
        let volume = self.cluster.claim(name).map(crate::cluster::Claim::volume_name);
        let why = if users.is_empty() {
            "Volume is already exclusively attached to one node and can't be attached to another"
                .to_owned()
        } else {
            format!("Volume is already used by pod(s) {}", users.join(", "))
        };
        let volume = volume.unwrap_or_default();
        let message = format!("Multi-Attach error for volume \"{volume}\" {why}");
        self.announce(About::Pod(id), "FailedAttachVolume", &message);
    }

    /// A pod is gone: volumes that no other pod of its node needs come off it.
    pub(super) fn unmount_volumes(&mut self, now: SimTime, id: PodId) {
        self.volumes.waiting.remove(&id);
        self.volumes.attached.remove(&id);
        let Some((node, names)) = self.volumes.of.remove(&id) else { return };
        let answers = self.cluster.node(node).is_some_and(crate::cluster::Node::is_ready);
        for name in names {
            let mut others = self.volumes.of.values();
            if !others.any(|(other, used)| *other == node && used.contains(&name)) {
                self.volumes.controller.release(now, &name, node, answers);
            }
        }
        self.arm_volumes(now);
    }

    /// A node that was silent answers: volumes that nobody needs there come off.
    pub(super) fn volumes_unmounted(&mut self, now: SimTime, node: NodeId) {
        self.volumes.controller.unmounted(now, node);
        self.arm_volumes(now);
    }

    fn arm_volumes(&mut self, now: SimTime) {
        if let Some(at) = self.volumes.controller.next() {
            self.schedule(at.since(now), Event::Volumes);
        }
    }

    /// Volumes come off their nodes: pods that wait for them ask again, the oldest first.
    pub(super) fn volumes_due(&mut self, now: SimTime) {
        let due = self.volumes.controller.due(now);
        for (claim, node) in due.forced {
            let node = self.node_names.get(node.index()).map_or("", |name| name).to_owned();
            let message = format!(
                "attach-detach controller detaches it from {node} by force: the node did not report it \
                 unmounted for 6m"
            );
            self.announce(About::Claim(claim), "ForceDetach", &message);
        }
        if due.detached {
            for id in self.volumes.waiting.clone() {
                let runs = self.cluster.pod(id).filter(|pod| !pod.is_terminating());
                let node = runs.and_then(|pod| pod.node);
                if let Some(node) = node.filter(|node| self.cluster.node(*node).is_some()) {
                    self.mount_volumes(now, id, node);
                }
            }
        }
        self.arm_volumes(now);
    }
}
