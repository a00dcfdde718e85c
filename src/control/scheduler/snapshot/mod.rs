//! The cluster as the scheduler sees it: nodes in their order, pods on them, and a journal of what
//! changed, so that whoever keeps sums need not count again.
//!
//! A snapshot is kept in step with the live cluster ([`Snapshot::sync`]), or built by hand. Every
//! change can be tried and taken back ([`Snapshot::fork`], [`Snapshot::revert`]): that is how a
//! hypothetical node or placement is examined.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::api::selector::SelectorRequirement;
use crate::cluster::api::{Labels, SelectorOperator};
use crate::model::id::{NodeId, PodId};
use crate::units::Bytes;
use crate::units::convert::{count_u32, index};

mod journal;
mod live;
mod node;
mod order;
mod shape;
#[cfg(test)]
mod tests;
mod topology;

pub(crate) use journal::{Change, Journal};
pub(crate) use live::volume_limits;
pub use node::NodeInfo;
pub use shape::{PodDescription, PodInfo, ServiceSelector, Shape, ShapeId};
pub(crate) use topology::{KeyId, NO_DOMAIN};

/// A place for a node in a snapshot. Reused once the node is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeSlot(pub u32);

impl NodeSlot {
    pub(crate) fn at(position: usize) -> Self {
        Self(count_u32(position))
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        index(self.0)
    }
}

/// Which state of a node this is, on the snapshot's own count: larger is later. It is never given to
/// two different states; a node that is as it was before a trial has the stamp from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    /// Anything of it.
    pub(crate) any: u64,
    /// Something other than its pods.
    pub(crate) object: u64,
}

/// What never changes during a run but is asked of every pod.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Surroundings {
    /// Services, for the system default spread constraints.
    pub services: Vec<ServiceSelector>,
    /// Labels of the namespaces, for namespace selectors of affinity terms.
    pub namespaces: BTreeMap<Arc<str>, Labels>,
    /// Whether the plugin runs that shares GPUs: pods' annotations then say what they want of devices.
    pub gpu_share: bool,
}

/// Nodes and their pods.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    surroundings: Arc<Surroundings>,
    shapes: Vec<Arc<Shape>>,
    live_shapes: BTreeMap<shape::LiveShape, ShapeId>,
    nodes: Vec<NodeInfo>,
    stamps: Vec<Stamp>,
    free_slots: Vec<NodeSlot>,
    order: order::NodeOrder,
    topology: topology::Topology,
    journal: Journal,
    count: u64,
    /// Changes when a node comes, goes, or changes labels or taints.
    layout: u64,
    /// Changes when the number of nodes may have changed.
    membership: u64,
    images_on: BTreeMap<Arc<str>, ImageUse>,
    /// How many pods there are of each priority.
    priorities: BTreeMap<i32, usize>,
    /// On which nodes the pods of each shape are.
    placements: Vec<BTreeMap<NodeSlot, Placed>>,
    live: live::LiveNodes,
    undo: Vec<Undo>,
    forks: Vec<usize>,
    /// For each trial, the stamps of the nodes it touched as they were before.
    stamps_before: Vec<BTreeMap<NodeSlot, Stamp>>,
}

/// How many pods of a shape are on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Placed {
    /// Those that stay.
    pub(crate) living: u32,
    /// Those whose deletion began.
    pub(crate) terminating: u32,
}

/// On which nodes an image lies, and when that last changed.
#[derive(Debug, Clone, Default)]
struct ImageUse {
    nodes: BTreeSet<NodeSlot>,
    changed: u64,
}

/// How to take a change back.
#[derive(Debug, Clone)]
enum Undo {
    AddNode(NodeSlot),
    RemoveNode { slot: NodeSlot, node: Box<NodeInfo>, place: order::Place },
    ReplaceNode { slot: NodeSlot, node: Box<NodeInfo> },
    AddPod { slot: NodeSlot, pod: PodId },
    RemovePod { slot: NodeSlot, pod: PodInfo, position: usize },
    Terminating { slot: NodeSlot, pod: PodId, before: bool },
}

impl Snapshot {
    /// A snapshot without nodes.
    #[must_use]
    pub fn new(surroundings: Surroundings) -> Self {
        Self { surroundings: Arc::new(surroundings), ..Self::default() }
    }

    /// Services and namespaces.
    #[must_use]
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Takes in a new shape. Pods that share a shape are scheduled faster, so call it once per
    /// template and owner.
    pub fn add_shape(&mut self, description: PodDescription) -> ShapeId {
        let shape = Shape::new(description, &self.surroundings);
        let mut new_key = false;
        for key in topology_keys(&shape) {
            new_key |= self.topology.intern(&key).1;
        }
        if new_key {
            for slot in self.order.members() {
                self.topology.place(slot.index(), &self.nodes[slot.index()].labels);
            }
        }
        self.shapes.push(Arc::new(shape));
        self.placements.push(BTreeMap::new());
        ShapeId::at(self.shapes.len() - 1)
    }

    /// A shape.
    #[must_use]
    pub fn shape(&self, id: ShapeId) -> &Arc<Shape> {
        &self.shapes[id.index()]
    }

    /// How many shapes there are.
    #[must_use]
    pub fn shape_count(&self) -> usize {
        self.shapes.len()
    }

    /// The nodes in the scheduler's order: round robin over the zones
    /// (backend/cache/node_tree.go `list`).
    pub fn nodes(&mut self) -> &[NodeSlot] {
        self.order.list()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.order.len()
    }

    /// A node.
    #[must_use]
    pub fn node(&self, slot: NodeSlot) -> &NodeInfo {
        &self.nodes[slot.index()]
    }

    /// The slot of a live node.
    #[must_use]
    pub fn slot_of(&self, id: NodeId) -> Option<NodeSlot> {
        self.live.slot(id)
    }

    /// The slot of a node by name.
    #[must_use]
    pub fn slot_named(&self, name: &str) -> Option<NodeSlot> {
        self.order.members().find(|slot| &*self.node(*slot).name == name)
    }

    /// Adds a node, at the end of its zone; pods it already has come with it.
    pub fn add_node(&mut self, node: NodeInfo) -> NodeSlot {
        let zone = node.zone_key();
        let slot = self.put(node);
        self.order.push(zone, slot);
        self.remember(Undo::AddNode(slot));
        slot
    }

    /// Removes a node and its pods; the order of the others stays.
    pub fn remove_node(&mut self, slot: NodeSlot) -> NodeInfo {
        let place = self.order.remove(slot);
        let node = self.take(slot);
        if self.is_forked() {
            self.remember(Undo::RemoveNode { slot, node: Box::new(node.clone()), place });
        }
        node
    }

    /// Replaces all of a node but its pods. A changed zone moves it to the end of that zone.
    pub fn update_node(&mut self, slot: NodeSlot, object: NodeInfo) {
        let before = self.node(slot).clone();
        let mut after = NodeInfo { pods: before.pods.clone(), ..object };
        after.requested.clone_from(&before.requested);
        after.scoring_requested.clone_from(&before.scoring_requested);
        after.host_ports.clone_from(&before.host_ports);
        after.devices.clone_from(&before.devices);
        self.replace(slot, after);
        if self.is_forked() {
            self.remember(Undo::ReplaceNode { slot, node: Box::new(before) });
        }
    }

    /// Puts a pod on a node.
    pub fn add_pod(&mut self, slot: NodeSlot, pod: PodInfo) {
        self.remember(Undo::AddPod { slot, pod: pod.id });
        let position = self.node(slot).pods.len();
        self.insert_pod(slot, pod, position);
    }

    /// Takes a pod off a node; `None` when it is not there.
    pub fn remove_pod(&mut self, slot: NodeSlot, pod: PodId) -> Option<PodInfo> {
        let position = self.node(slot).position(pod)?;
        let info = self.extract_pod(slot, position);
        if self.is_forked() {
            self.remember(Undo::RemovePod { slot, pod: info.clone(), position });
        }
        Some(info)
    }

    /// Marks a pod as terminating, or not. It keeps its resources; spreading stops counting it.
    pub fn set_terminating(&mut self, slot: NodeSlot, pod: PodId, terminating: bool) {
        let Some(position) = self.node(slot).position(pod) else { return };
        let info = &mut self.nodes[slot.index()].pods[position];
        let before = info.terminating;
        if before == terminating {
            return;
        }
        info.terminating = terminating;
        let shape = info.shape;
        self.count_placed(slot, shape, before, false);
        self.count_placed(slot, shape, terminating, true);
        self.journal.push(Change { slot, shape, terminating: before, added: false });
        self.journal.push(Change { slot, shape, terminating, added: true });
        self.touch(slot, false);
        self.remember(Undo::Terminating { slot, pod, before });
    }

    /// Begins a trial: [`Snapshot::revert`] takes back everything from here on. Trials nest.
    pub fn fork(&mut self) {
        self.forks.push(self.undo.len());
        self.stamps_before.push(BTreeMap::new());
    }

    /// Takes back all changes since the last [`Snapshot::fork`]. Without one, nothing.
    pub fn revert(&mut self) {
        let Some(start) = self.forks.pop() else { return };
        // Taking back must not be remembered itself.
        let forks = std::mem::take(&mut self.forks);
        let mut stamps_before = std::mem::take(&mut self.stamps_before);
        while self.undo.len() > start {
            let Some(undo) = self.undo.pop() else { break };
            self.take_back(undo);
        }
        self.forks = forks;
        // A node is again what it was, so what was found out about it then holds again.
        for (slot, stamp) in stamps_before.pop().into_iter().flatten() {
            self.stamps[slot.index()] = stamp;
        }
        self.stamps_before = stamps_before;
    }

    /// Ends the last trial and keeps its changes.
    pub fn keep(&mut self) {
        self.forks.pop();
        let kept = self.stamps_before.pop().unwrap_or_default();
        match self.stamps_before.last_mut() {
            Some(outer) => {
                for (slot, stamp) in kept {
                    outer.entry(slot).or_insert(stamp);
                }
            }
            None => self.undo.clear(),
        }
    }

    fn take_back(&mut self, undo: Undo) {
        match undo {
            Undo::AddNode(slot) => {
                self.order.remove(slot);
                self.take(slot);
            }
            Undo::RemoveNode { slot, node, place } => {
                self.free_slots.retain(|free| *free != slot);
                self.fill(slot, *node);
                self.order.restore(slot, place);
            }
            Undo::ReplaceNode { slot, node } => self.replace(slot, *node),
            Undo::AddPod { slot, pod } => {
                if let Some(position) = self.node(slot).position(pod) {
                    self.extract_pod(slot, position);
                }
            }
            Undo::RemovePod { slot, pod, position } => self.insert_pod(slot, pod, position),
            Undo::Terminating { slot, pod, before } => self.set_terminating(slot, pod, before),
        }
    }

    fn is_forked(&self) -> bool {
        !self.forks.is_empty()
    }

    fn remember(&mut self, undo: Undo) {
        if self.is_forked() {
            self.undo.push(undo);
        }
    }

    fn insert_pod(&mut self, slot: NodeSlot, pod: PodInfo, position: usize) {
        let shape = pod.shape;
        self.journal.push(Change { slot, shape, terminating: pod.terminating, added: true });
        self.count_pod(slot, shape, pod.terminating, true);
        self.nodes[slot.index()].add(pod, &self.shapes[shape.index()], position);
        self.touch(slot, false);
    }

    fn extract_pod(&mut self, slot: NodeSlot, position: usize) -> PodInfo {
        let node = &mut self.nodes[slot.index()];
        let shape = node.pods[position].shape;
        let pod = node.remove(position, &self.shapes[shape.index()]);
        self.journal.push(Change { slot, shape, terminating: pod.terminating, added: false });
        self.count_pod(slot, shape, pod.terminating, false);
        self.touch(slot, false);
        pod
    }

    fn put(&mut self, node: NodeInfo) -> NodeSlot {
        let slot = self.free_slots.pop().unwrap_or_else(|| NodeSlot::at(self.nodes.len()));
        self.fill(slot, node);
        slot
    }

    fn fill(&mut self, slot: NodeSlot, node: NodeInfo) {
        if self.nodes.len() <= slot.index() {
            self.nodes.resize_with(slot.index() + 1, NodeInfo::default);
            self.stamps.resize_with(slot.index() + 1, Stamp::default);
        }
        self.topology.place(slot.index(), &node.labels);
        self.note_images(slot, &node, true);
        self.live.set(node.id, Some(slot));
        for pod in &node.pods {
            self.count_pod(slot, pod.shape, pod.terminating, true);
        }
        self.nodes[slot.index()] = node;
        self.touch(slot, true);
        self.layout = self.count;
        self.membership = self.count;
    }

    fn take(&mut self, slot: NodeSlot) -> NodeInfo {
        let node = std::mem::take(&mut self.nodes[slot.index()]);
        self.note_images(slot, &node, false);
        self.live.set(node.id, None);
        for pod in &node.pods {
            self.count_pod(slot, pod.shape, pod.terminating, false);
        }
        self.free_slots.push(slot);
        self.touch(slot, true);
        self.layout = self.count;
        self.membership = self.count;
        node
    }

    fn replace(&mut self, slot: NodeSlot, after: NodeInfo) {
        let before = std::mem::take(&mut self.nodes[slot.index()]);
        if before.images != after.images {
            self.exchange_images(slot, &before, &after);
        }
        if before.labels != after.labels || before.taints != after.taints {
            self.topology.place(slot.index(), &after.labels);
            self.layout = self.count + 1;
        }
        if before.zone_key() != after.zone_key() {
            self.order.remove(slot);
            self.order.push(after.zone_key(), slot);
        }
        self.nodes[slot.index()] = after;
        self.touch(slot, true);
    }

    fn count_pod(&mut self, slot: NodeSlot, shape: ShapeId, terminating: bool, added: bool) {
        let count = self.priorities.entry(self.shapes[shape.index()].priority()).or_insert(0);
        if added {
            *count += 1;
        } else {
            *count -= 1;
        }
        self.count_placed(slot, shape, terminating, added);
    }

    fn count_placed(&mut self, slot: NodeSlot, shape: ShapeId, terminating: bool, added: bool) {
        let placements = &mut self.placements[shape.index()];
        let placed = placements.entry(slot).or_default();
        let count = if terminating { &mut placed.terminating } else { &mut placed.living };
        if added {
            *count += 1;
        } else {
            *count -= 1;
        }
        if *placed == Placed::default() {
            placements.remove(&slot);
        }
    }

    /// The nodes that pods of a shape are on, and how many are on each.
    pub(crate) fn placements(&self, shape: ShapeId) -> impl Iterator<Item = (NodeSlot, Placed)> {
        self.placements[shape.index()].iter().map(|(slot, placed)| (*slot, *placed))
    }

    /// The lowest priority of any pod on a node.
    pub(crate) fn lowest_priority(&self) -> Option<i32> {
        self.priorities.iter().find(|(_, count)| **count > 0).map(|(priority, _)| *priority)
    }

    fn note_images(&mut self, slot: NodeSlot, node: &NodeInfo, added: bool) {
        for image in node.images.keys() {
            self.note_image(slot, image, added);
        }
    }

    /// Only images that came or went are touched: a pull leaves the other images' scores standing.
    fn exchange_images(&mut self, slot: NodeSlot, before: &NodeInfo, after: &NodeInfo) {
        let stays = |image: &Arc<str>, in_other: &NodeInfo, size: Bytes| {
            in_other.images.get(image) == Some(&size)
        };
        for (image, size) in &before.images {
            if !stays(image, after, *size) {
                self.note_image(slot, image, false);
            }
        }
        for (image, size) in &after.images {
            if !stays(image, before, *size) {
                self.note_image(slot, image, true);
            }
        }
    }

    fn note_image(&mut self, slot: NodeSlot, image: &Arc<str>, added: bool) {
        let used = self.images_on.entry(Arc::clone(image)).or_default();
        used.changed = self.count + 1;
        if added {
            used.nodes.insert(slot);
        } else {
            used.nodes.remove(&slot);
        }
    }

    fn touch(&mut self, slot: NodeSlot, object: bool) {
        self.count += 1;
        let stamp = &mut self.stamps[slot.index()];
        if let Some(before) = self.stamps_before.last_mut() {
            before.entry(slot).or_insert(*stamp);
        }
        stamp.any = self.count;
        if object {
            stamp.object = self.count;
        }
    }

    pub(crate) fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn layout(&self) -> u64 {
        self.layout
    }

    /// When the scores of some of these images last changed anywhere.
    pub(crate) fn images_changed(&self, images: &[Arc<str>]) -> u64 {
        let changed = |image: &Arc<str>| self.images_on.get(image).map_or(0, |used| used.changed);
        images.iter().map(changed).fold(self.membership, u64::max)
    }

    /// The nodes on which an image lies.
    pub(crate) fn nodes_with_image(&self, image: &str) -> Option<&BTreeSet<NodeSlot>> {
        self.images_on.get(image).map(|used| &used.nodes)
    }

    /// The number of a topology key that some shape names.
    pub(crate) fn key(&self, name: &str) -> KeyId {
        self.topology.key(name)
    }

    /// The domain of every slot for a key; shorter than the slots when no node has been placed.
    pub(crate) fn domains(&self, key: KeyId) -> &[u32] {
        self.topology.domains(key)
    }

    /// The domain of nodes whose label is there and empty.
    pub(crate) fn blank_domain(&self, key: KeyId) -> Option<u32> {
        self.topology.domain_of(key, "")
    }

    pub(crate) fn domain_count(&self, key: KeyId) -> usize {
        self.topology.size(key)
    }

    /// Node slots that exist, in slot order, and how many slots there are.
    pub(crate) fn slot_count(&self) -> usize {
        self.nodes.len()
    }

    /// The present nodes, in the order of their zones.
    pub(crate) fn members(&self) -> impl Iterator<Item = NodeSlot> {
        self.order.members()
    }

    /// The list [`Snapshot::nodes`] last made, for readers that hold the snapshot shared.
    pub(crate) fn listed(&self) -> &[NodeSlot] {
        self.order.listed()
    }
}

/// `key` equals `value`, as a requirement.
pub(crate) fn equals(key: &Arc<str>, value: &Arc<str>) -> SelectorRequirement {
    SelectorRequirement {
        key: Arc::clone(key),
        operator: SelectorOperator::In,
        values: vec![Arc::clone(value)],
    }
}

/// All topology keys a shape names, and those of the system default spread constraints.
fn topology_keys(shape: &Shape) -> Vec<Arc<str>> {
    let spec = &shape.template.spec;
    let affinity = &spec.affinity;
    let terms = affinity.pod_required.iter().chain(&affinity.pod_anti_required);
    let preferred = affinity.pod_preferred.iter().chain(&affinity.pod_anti_preferred);
    let spread = spec.topology_spread.iter().map(|constraint| &constraint.topology_key);
    let mut keys: Vec<Arc<str>> = terms
        .chain(preferred.map(|(_, term)| term))
        .map(|term| &term.topology_key)
        .chain(spread)
        .map(Arc::clone)
        .collect();
    keys.push(Arc::from("topology.kubernetes.io/zone"));
    keys.push(Arc::from("kubernetes.io/hostname"));
    keys
}
