//! The cluster a loop tries things on: nodes that exist, nodes that would, and the pods on them.
//!
//! A thin layer over the scheduler's snapshot, which decides whether a pod fits a node
//! (simulator/clustersnapshot). It remembers the objects behind the snapshot's nodes and pods and
//! the order in which "any node" is looked for. It is kept from loop to loop: [`Sight::follow`]
//! takes in what changed, and whatever a loop tries is taken back at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::observation::{HOSTNAME, Node, Observation, Pod, Shape};
use super::options::Options;
use crate::cluster::api::pod::PodTemplate;
use crate::cluster::pod::TemplateId;
use crate::control::scheduler::{
    Framework, NodeInfo, NodeSlot, PodDescription, PodInfo, Rejection, ShapeId, Snapshot,
    Surroundings,
};
use crate::model::id::{NodeId, PodId, PoolId};

/// A node of the trial, real or not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NodeFacts {
    /// Name, unique among present nodes.
    pub(super) name: Arc<str>,
    /// Its group.
    pub(super) group: Option<PoolId>,
    /// Labels, taints, resources.
    pub(super) shape: Shape,
    /// The object, when it exists.
    pub(super) node: Option<Arc<Node>>,
}

/// The trial cluster.
#[derive(Debug, Default)]
pub(super) struct Sight {
    snapshot: Snapshot,
    framework: Framework,
    facts: BTreeMap<Arc<str>, Arc<NodeFacts>>,
    /// The same by place, for those that came or changed last; a place may have another node by now.
    facts_at: Vec<Option<Arc<NodeFacts>>>,
    slots: BTreeMap<Arc<str>, NodeSlot>,
    pods: Pods,
    shapes: BTreeMap<(TemplateId, Arc<str>), (Arc<PodTemplate>, ShapeId)>,
    order: Vec<NodeSlot>,
    /// The nodes that were followed last, by place.
    followed: Vec<Option<Arc<Node>>>,
    /// The look whose pods were followed last; 0 when nobody counted.
    followed_look: u64,
    forked_orders: Vec<Vec<NodeSlot>>,
    /// Position of the node that was found last; the next search begins behind it.
    last_found: usize,
    next_made_up: u32,
}

impl Sight {
    /// An empty cluster, whose first search begins behind `last_found`.
    pub(super) fn new(surroundings: Surroundings, last_found: usize) -> Self {
        Self {
            snapshot: Snapshot::new(surroundings),
            last_found,
            next_made_up: u32::MAX,
            ..Self::default()
        }
    }

    pub(super) fn last_found(&self) -> usize {
        self.last_found
    }

    /// Brings the cluster in step with what a loop sees: the nodes in their order, and the pods that
    /// occupy them. It is as if it had been made anew, and costs little where nothing changed.
    pub(super) fn follow(&mut self, seen: &Observation, nodes: &[Arc<Node>], options: &Options) {
        self.next_made_up = u32::MAX;
        self.pods.made_up.clear();
        if self.facts.len() > self.order.len() {
            // What trials of the last loop left behind.
            let (snapshot, order) = (&self.snapshot, &self.order);
            let present: BTreeSet<&Arc<str>> =
                order.iter().map(|slot| &snapshot.node(*slot).name).collect();
            self.facts.retain(|name, _| present.contains(name));
            self.slots.retain(|name, _| present.contains(name));
        }
        let fresh = self.follow_nodes(nodes);
        self.follow_pods(seen, options, &fresh);
        if self.pods.kept > 2 * seen.pods.len() + 1_000 {
            let pods = seen.pods.iter();
            let mut current = Pods::default();
            pods.filter(|pod| self.pods.get(pod.id).is_some()).for_each(|pod| current.insert(pod));
            self.pods = current;
        }
    }

    /// Returns the nodes that were not there before.
    fn follow_nodes(&mut self, nodes: &[Arc<Node>]) -> Vec<NodeSlot> {
        let mut fresh = Vec::new();
        let mut order = Vec::with_capacity(nodes.len());
        let mut stays = vec![false; self.snapshot.slot_count()];
        for node in nodes {
            let facts = || {
                Arc::new(NodeFacts {
                    name: Arc::clone(&node.name),
                    group: node.group,
                    shape: node.shape.clone(),
                    node: Some(Arc::clone(node)),
                })
            };
            let known = self.snapshot.slot_of(node.id);
            let slot = match known.filter(|slot| {
                let name = self.name(*slot);
                Arc::ptr_eq(name, &node.name) || *name == node.name
            }) {
                Some(slot) => {
                    let before = self.followed.get(slot.index()).and_then(Option::as_ref);
                    if !before.is_some_and(|before| Arc::ptr_eq(before, node) || before == node) {
                        let facts = facts();
                        self.snapshot.update_node(slot, node_info(&facts));
                        self.note_facts(slot, facts);
                    }
                    slot
                }
                None => {
                    if let Some(slot) = known {
                        self.snapshot.remove_node(slot);
                    }
                    let slot = self.add_node(facts(), &[]);
                    fresh.push(slot);
                    slot
                }
            };
            if stays.len() <= slot.index() {
                stays.resize(slot.index() + 1, false);
            }
            if self.followed.len() <= slot.index() {
                self.followed.resize(slot.index() + 1, None);
            }
            self.followed[slot.index()] = Some(Arc::clone(node));
            stays[slot.index()] = true;
            order.push(slot);
        }
        for slot in std::mem::replace(&mut self.order, order) {
            // One whose name changed is gone already.
            if !stays[slot.index()] && self.snapshot.node(slot).id.is_some() {
                self.snapshot.remove_node(slot);
            }
        }
        fresh
    }

    /// A node whose pods are not those it had, in their order, gets all of them anew. Only nodes are
    /// compared of which it is not known that their pods are as they were.
    fn follow_pods(&mut self, seen: &Observation, options: &Options, fresh: &[NodeSlot]) {
        let mut suspect = vec![false; self.snapshot.slot_count()];
        for slot in &self.order {
            let node = self.snapshot.node(*slot).id;
            suspect[slot.index()] = match (&seen.pod_changes, node) {
                (Some(changes), Some(node)) => changes.latest(node) > self.followed_look,
                (None, _) | (_, None) => true,
            };
        }
        fresh.iter().for_each(|slot| suspect[slot.index()] = true);
        self.followed_look = seen.pod_changes.as_ref().map_or(0, |changes| changes.look);
        let suspects: Vec<NodeSlot> =
            self.order.iter().copied().filter(|slot| suspect[slot.index()]).collect();
        if suspects.is_empty() {
            return;
        }
        let snapshot = &self.snapshot;
        let there: Vec<(NodeSlot, &Arc<Pod>)> = occupying(seen, options)
            .filter_map(|(node, pod)| Some((snapshot.slot_of(node)?, pod)))
            .filter(|(slot, _)| suspect[slot.index()])
            .collect();
        let mut matched = vec![0_usize; snapshot.slot_count()];
        let mut differs = vec![false; snapshot.slot_count()];
        for (slot, pod) in &there {
            let at = slot.index();
            let same = snapshot.node(*slot).pods.get(matched[at]).is_some_and(|info| {
                info.id == pod.id
                    && self.pods.get(pod.id).is_some_and(|known| Arc::ptr_eq(known, pod))
            });
            matched[at] += 1;
            differs[at] |= !same;
        }
        for slot in suspects {
            let held = &self.snapshot.node(slot).pods;
            if !differs[slot.index()] && held.len() == matched[slot.index()] {
                continue;
            }
            differs[slot.index()] = true;
            let held: Vec<PodId> = held.iter().map(|info| info.id).collect();
            for pod in held.into_iter().rev() {
                self.snapshot.remove_pod(slot, pod);
            }
        }
        for (slot, pod) in there {
            if differs[slot.index()] {
                self.put(pod, slot);
            }
        }
    }

    /// When a node last changed in any way; a stamp is never given twice.
    pub(super) fn stamp(&self, slot: NodeSlot) -> u64 {
        self.snapshot.stamps()[slot.index()].any
    }

    /// An id that no pod of the cluster has.
    pub(super) fn made_up_pod(&mut self) -> PodId {
        self.next_made_up -= 1;
        PodId(self.next_made_up)
    }

    /// Adds a node and its pods, at the end of the order.
    pub(super) fn add_node(&mut self, facts: Arc<NodeFacts>, pods: &[Arc<Pod>]) -> NodeSlot {
        let slot = self.snapshot.add_node(node_info(&facts));
        self.slots.insert(Arc::clone(&facts.name), slot);
        self.note_facts(slot, facts);
        self.order.push(slot);
        for pod in pods {
            self.put(pod, slot);
        }
        slot
    }

    fn note_facts(&mut self, slot: NodeSlot, facts: Arc<NodeFacts>) {
        if self.facts_at.len() <= slot.index() {
            self.facts_at.resize(slot.index() + 1, None);
        }
        self.facts_at[slot.index()] = Some(Arc::clone(&facts));
        self.facts.insert(Arc::clone(&facts.name), facts);
    }

    /// Adds a node made after a template, under a name of its own, with copies of its pods.
    pub(super) fn add_copy(&mut self, template: &Template, name: Arc<str>) -> NodeSlot {
        let mut shape = template.shape.clone();
        shape.labels.insert(Arc::from(HOSTNAME), Arc::clone(&name));
        let facts = NodeFacts { name, group: Some(template.group), shape, node: None };
        let copies: Vec<Arc<Pod>> = template
            .pods
            .iter()
            .map(|pod| Arc::new(Pod { id: self.made_up_pod(), ..Pod::clone(pod) }))
            .collect();
        self.add_node(Arc::new(facts), &copies)
    }

    /// Removes a node with its pods.
    pub(super) fn remove_node(&mut self, slot: NodeSlot) {
        self.snapshot.remove_node(slot);
        self.order.retain(|other| *other != slot);
    }

    /// Adds a taint to a node that is about to go.
    pub(super) fn taint(&mut self, slot: NodeSlot, taint: crate::cluster::api::scheduling::Taint) {
        let mut info = self.snapshot.node(slot).clone();
        info.taints.push(taint);
        self.snapshot.update_node(slot, info);
    }

    /// The nodes in the order of searches.
    pub(super) fn nodes(&self) -> &[NodeSlot] {
        &self.order
    }

    /// What stands behind a node.
    pub(super) fn facts(&self, slot: NodeSlot) -> &Arc<NodeFacts> {
        let name = &self.snapshot.node(slot).name;
        // The object of a name tells whether it is still the same node.
        let noted = self.facts_at.get(slot.index()).and_then(Option::as_ref);
        noted.filter(|facts| Arc::ptr_eq(&facts.name, name)).unwrap_or_else(|| &self.facts[name])
    }

    /// The name of a node.
    pub(super) fn name(&self, slot: NodeSlot) -> &Arc<str> {
        &self.snapshot.node(slot).name
    }

    /// The place of a node that exists.
    pub(super) fn slot_of(&self, node: NodeId) -> Option<NodeSlot> {
        self.snapshot.slot_of(node)
    }

    /// The place of a node by name.
    pub(super) fn slot_named(&self, name: &str) -> Option<NodeSlot> {
        // A trial that was taken back leaves its entries; such a place has another name by now.
        self.slots.get(name).copied().filter(|slot| &*self.snapshot.node(*slot).name == name)
    }

    /// The pods of a node, in the order in which they came.
    pub(super) fn pods_on(&self, slot: NodeSlot) -> Vec<Arc<Pod>> {
        let infos = &self.snapshot.node(slot).pods;
        let pod = |id| self.pods.get(id).expect("a pod is known before it is put on a node");
        infos.iter().map(|info| Arc::clone(pod(info.id))).collect()
    }

    /// Puts a pod on a node without asking whether it fits.
    pub(super) fn put(&mut self, pod: &Arc<Pod>, slot: NodeSlot) {
        let info = self.pod_info(pod);
        self.pods.insert(pod);
        self.snapshot.add_pod(slot, info);
    }

    /// Takes a pod off a node.
    pub(super) fn take(&mut self, pod: PodId, slot: NodeSlot) {
        self.snapshot.remove_pod(slot, pod);
    }

    /// Whether a pod fits a node.
    ///
    /// # Errors
    /// The first rule that speaks against it.
    pub(super) fn check(&mut self, pod: &Arc<Pod>, slot: NodeSlot) -> Result<(), Rejection> {
        let info = self.pod_info(pod);
        self.framework.check(&mut self.snapshot, &info, slot)
    }

    /// The scheduler's words on why a node does not take a pod.
    pub(super) fn words(&mut self, pod: &Arc<Pod>, why: Rejection) -> Vec<Arc<str>> {
        let info = self.pod_info(pod);
        let words = why.reasons(self.snapshot.shape(info.shape));
        words.into_iter().map(Arc::from).collect()
    }

    /// Puts a pod on a node if it fits.
    ///
    /// # Errors
    /// The first rule that speaks against it.
    pub(super) fn place(&mut self, pod: &Arc<Pod>, slot: NodeSlot) -> Result<(), Rejection> {
        self.check(pod, slot)?;
        self.put(pod, slot);
        Ok(())
    }

    /// Puts a pod on the next node that takes it, beginning behind the one found last and passing
    /// over cordoned ones (predicate/plugin_runner.go `RunFiltersUntilPassingNode`).
    pub(super) fn place_on_any(
        &mut self,
        pod: &Arc<Pod>,
        acceptable: &dyn Fn(NodeSlot) -> bool,
    ) -> Option<NodeSlot> {
        let info = self.pod_info(pod);
        let count = self.order.len();
        self.snapshot.nodes();
        let (snapshot, order, last_found) = (&self.snapshot, &self.order, self.last_found);
        let candidates = (0..count)
            .map(|step| (step + 1 + last_found) % count)
            .map(|position| (position, order[position]))
            .filter(|(_, slot)| acceptable(*slot) && !snapshot.node(*slot).unschedulable);
        let (position, slot) = self.framework.first_fit(snapshot, &info, candidates)?;
        self.last_found = position;
        self.put(pod, slot);
        Some(slot)
    }

    /// Begins a trial.
    pub(super) fn fork(&mut self) {
        self.snapshot.fork();
        self.forked_orders.push(self.order.clone());
    }

    /// Takes the last trial back.
    pub(super) fn revert(&mut self) {
        self.snapshot.revert();
        self.order = self.forked_orders.pop().expect("a trial was begun");
    }

    /// Keeps the last trial.
    pub(super) fn keep(&mut self) {
        self.snapshot.keep();
        self.forked_orders.pop();
    }

    /// The shape of a pod. A number may stand for another template by now.
    fn shape_of(&mut self, pod: &Pod) -> ShapeId {
        let key = (pod.template_id, Arc::clone(&pod.namespace));
        if let Some((template, shape)) = self.shapes.get_mut(&key) {
            if Arc::ptr_eq(template, &pod.template) {
                return *shape;
            }
            if *template == pod.template {
                *template = Arc::clone(&pod.template);
                return *shape;
            }
        }
        let shape = self.snapshot.add_shape(PodDescription {
            namespace: Arc::clone(&pod.namespace),
            labels: pod.template.labels.clone(),
            template: Arc::clone(&pod.template),
            owner_selector: None,
        });
        self.shapes.insert(key, (Arc::clone(&pod.template), shape));
        shape
    }

    fn pod_info(&mut self, pod: &Pod) -> PodInfo {
        let shape = self.shape_of(pod);
        PodInfo {
            terminating: pod.deletion.is_some(),
            claims: pod.claims.clone(),
            ..PodInfo::new(pod.id, shape)
        }
    }
}

/// The objects behind the pods of the trial.
#[derive(Debug, Default)]
struct Pods {
    /// Those of the cluster, by id.
    real: Vec<Option<Arc<Pod>>>,
    /// How many of them there are, gone ones among them.
    kept: usize,
    /// Those of one loop's trials.
    made_up: BTreeMap<PodId, Arc<Pod>>,
}

impl Pods {
    /// Ids from here on are made up: half of all numbers, far more than there are pods.
    const MADE_UP: u32 = 1 << 31;

    fn get(&self, id: PodId) -> Option<&Arc<Pod>> {
        if id.0 < Self::MADE_UP {
            self.real.get(id.index()).and_then(Option::as_ref)
        } else {
            self.made_up.get(&id)
        }
    }

    fn insert(&mut self, pod: &Arc<Pod>) {
        if pod.id.0 < Self::MADE_UP {
            if self.real.len() <= pod.id.index() {
                self.real.resize(pod.id.index() + 1, None);
            }
            let known = self.real[pod.id.index()].replace(Arc::clone(pod));
            self.kept += usize::from(known.is_none());
        } else {
            self.made_up.insert(pod.id, Arc::clone(pod));
        }
    }
}

/// A node as a group would make it (simulator/node_info_utils.go).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    /// Group.
    pub(super) group: PoolId,
    /// The loop that made it. Upstream puts a random number into its name, so that copies on their way
    /// have other names in the next loop, unless the template was kept.
    pub(super) made_in: u64,
    /// Labels, taints, resources; the hostname is set for each copy.
    pub(super) shape: Shape,
    /// Pods that come with the node.
    pub(super) pods: Vec<Arc<Pod>>,
}

impl Template {
    /// What its pods take.
    pub(super) fn requested(&self) -> crate::units::Resources {
        let mut sum = crate::units::Resources::default();
        for pod in &self.pods {
            sum += &pod.requests;
        }
        sum
    }
}

fn node_info(facts: &NodeFacts) -> NodeInfo {
    let shape = &facts.shape;
    NodeInfo {
        id: facts.node.as_ref().map(|node| node.id),
        name: Arc::clone(&facts.name),
        labels: shape.labels.clone(),
        taints: shape.taints.clone(),
        unschedulable: shape.unschedulable,
        allocatable: shape.allocatable.clone(),
        max_pods: shape.max_pods,
        volume_limits: facts.node.as_ref().map_or_else(BTreeMap::new, |n| n.volume_limits.clone()),
        ..NodeInfo::default()
    }
}

/// Pods that occupy a node in the trial, with that node: bound ones, and those the scheduler
/// nominated a node for. Expendable ones do not count.
fn occupying<'a>(
    seen: &'a Observation,
    options: &Options,
) -> impl Iterator<Item = (NodeId, &'a Arc<Pod>)> + use<'a> {
    let cutoff = options.expendable_pods_priority_cutoff;
    seen.pods.iter().filter(move |pod| !pod.is_expendable(cutoff)).filter_map(|pod| {
        let nominated = pod.nominated.filter(|_| pod.deletion.is_none());
        Some((pod.node.or(nominated)?, pod))
    })
}
