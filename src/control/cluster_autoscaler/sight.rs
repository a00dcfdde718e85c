//! The cluster a loop tries things on: nodes that exist, nodes that would, and the pods on them.
//!
//! A thin layer over the scheduler's snapshot, which decides whether a pod fits a node
//! (simulator/clustersnapshot). It remembers the objects behind the snapshot's nodes and pods and
//! the order in which "any node" is looked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::observation::{HOSTNAME, Node, Pod, Shape};
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
    slots: BTreeMap<Arc<str>, NodeSlot>,
    pods: BTreeMap<PodId, Arc<Pod>>,
    shapes: BTreeMap<(TemplateId, Arc<str>), ShapeId>,
    order: Vec<NodeSlot>,
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

    /// An id that no pod of the cluster has.
    pub(super) fn made_up_pod(&mut self) -> PodId {
        self.next_made_up -= 1;
        PodId(self.next_made_up)
    }

    /// Adds a node and its pods, at the end of the order.
    pub(super) fn add_node(&mut self, facts: Arc<NodeFacts>, pods: &[Arc<Pod>]) -> NodeSlot {
        let slot = self.snapshot.add_node(node_info(&facts));
        self.slots.insert(Arc::clone(&facts.name), slot);
        self.facts.insert(Arc::clone(&facts.name), facts);
        self.order.push(slot);
        for pod in pods {
            self.put(pod, slot);
        }
        slot
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
        &self.facts[&self.snapshot.node(slot).name]
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
        infos.iter().map(|info| Arc::clone(&self.pods[&info.id])).collect()
    }

    /// Puts a pod on a node without asking whether it fits.
    pub(super) fn put(&mut self, pod: &Arc<Pod>, slot: NodeSlot) {
        let info = self.pod_info(pod);
        self.pods.insert(pod.id, Arc::clone(pod));
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
        acceptable: &dyn Fn(&Self, NodeSlot) -> bool,
    ) -> Option<NodeSlot> {
        let count = self.order.len();
        let candidates: Vec<(usize, NodeSlot)> = (0..count)
            .map(|step| (step + 1 + self.last_found) % count)
            .map(|position| (position, self.order[position]))
            .filter(|&(_, slot)| !self.snapshot.node(slot).unschedulable && acceptable(self, slot))
            .collect();
        let info = self.pod_info(pod);
        let (position, slot) = candidates
            .into_iter()
            .find(|&(_, slot)| self.framework.check(&mut self.snapshot, &info, slot).is_ok())?;
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

    fn pod_info(&mut self, pod: &Pod) -> PodInfo {
        let key = (pod.template_id, Arc::clone(&pod.namespace));
        let snapshot = &mut self.snapshot;
        let shape = *self.shapes.entry(key).or_insert_with(|| {
            snapshot.add_shape(PodDescription {
                namespace: Arc::clone(&pod.namespace),
                labels: pod.template.labels.clone(),
                template: Arc::clone(&pod.template),
                owner_selector: None,
            })
        });
        PodInfo {
            terminating: pod.deletion.is_some(),
            claims: pod.claims.clone(),
            ..PodInfo::new(pod.id, shape)
        }
    }
}

/// A node as a group would make it (simulator/node_info_utils.go).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    /// Group.
    pub(super) group: PoolId,
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
