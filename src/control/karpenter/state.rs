//! What Karpenter remembers of each node, beside what the cluster says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::instance::Unavailable;
use super::observation::{Node, Observation, Pod};
use super::pool::{KarpenterSpec, NodePool};
use super::scheduling::World;
use super::scheduling::existing::Place;
use super::scheduling::template::Template;
use super::scheduling::topology::DomainGroups;
use crate::model::id::NodeId;
use crate::units::{SimDuration, SimTime};

/// A node, or the claim to one, as Karpenter's own state has it (pkg/controllers/state/statenode.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NodeState {
    /// Index of its NodePool.
    pub(crate) pool: usize,
    /// When its claim was made.
    pub(crate) created: SimTime,
    /// Whether its kubelet registered.
    pub(crate) registered: bool,
    /// When it was ready for pods for the first time.
    pub(crate) initialized: Option<SimTime>,
    /// When a pod last came to it or left it.
    pub(crate) last_pod_event: Option<SimTime>,
    /// Until then pods are expected to come, and it is not disrupted.
    pub(crate) nominated_until: SimTime,
    /// A command will delete it.
    pub(crate) marked: bool,
    /// When its claim was deleted: it drains.
    pub(crate) deleted: Option<SimTime>,
    /// Since when its pool asks for something else.
    pub(crate) drifted: Option<SimTime>,
}

impl NodeState {
    /// Whether it will go.
    pub(crate) fn is_deleting(&self) -> bool {
        self.marked || self.deleted.is_some()
    }

    /// Whether pods came or went less than `consolidateAfter` ago
    /// (pkg/utils/disruption `IsUnderConsolidateAfter`).
    pub(crate) fn is_settling(&self, pool: &NodePool, now: SimTime) -> bool {
        let Some(after) = pool.consolidate_after else { return false };
        let Some(initialized) = self.initialized else { return false };
        let since = self.last_pod_event.unwrap_or(initialized);
        now < since + after
    }

    /// The condition `Consolidatable` (nodeclaim/disruption/consolidation.go).
    pub(crate) fn is_consolidatable(&self, pool: &NodePool, now: SimTime) -> bool {
        pool.consolidate_after.is_some()
            && self.initialized.is_some()
            && !self.is_settling(pool, now)
    }
}

/// All nodes that Karpenter launched.
pub(crate) type NodeStates = BTreeMap<NodeId, NodeState>;

/// Events of pods that follow within this are not noticed (nodeclaim/podevents `dedupeTimeout`).
pub(crate) const POD_EVENT_DEDUPE: SimDuration = SimDuration::from_secs(10);

/// Puts together what plans need.
pub(crate) fn world<'a>(
    spec: &'a KarpenterSpec,
    seen: &'a Observation,
    states: &NodeStates,
    unavailable: &Unavailable,
    domain_groups: &'a DomainGroups,
) -> World<'a> {
    let policy = spec.options.min_values;
    let template = |pool| Template::new(pool, unavailable, &seen.daemons, policy);
    let deleting = |node: &&Arc<Node>| {
        node.leaving || states.get(&node.id).is_some_and(NodeState::is_deleting)
    };
    let by_node = pods_by_node(seen);
    let none = Vec::new();
    let place = |node: &Arc<Node>| {
        let pool = node.claim.map(|claim| &*spec.pools[claim.pool]);
        let state = states.get(&node.id);
        let initialized =
            node.claim.is_none() || state.is_some_and(|state| state.initialized.is_some());
        let settling =
            pool.zip(state).is_some_and(|(pool, state)| state.is_settling(pool, seen.now));
        let pods = by_node.get(&node.id).unwrap_or(&none);
        Place::new(node, pool, initialized, pods, &seen.daemons, settling)
    };
    let staying = seen.nodes.iter().filter(|node| !deleting(node));
    let mut places: Vec<Place> = staying.map(place).collect();
    places.sort_by(|a, b| {
        b.initialized.cmp(&a.initialized).then_with(|| a.node.name.cmp(&b.node.name))
    });
    World {
        spec,
        seen,
        domain_groups,
        templates: spec.pools.iter().filter_map(template).collect(),
        places,
        deleting: seen.nodes.iter().filter(deleting).map(|node| node.id).collect::<BTreeSet<_>>(),
    }
}

/// Pods by the node they are bound to.
pub(crate) fn pods_by_node(seen: &Observation) -> BTreeMap<NodeId, Vec<&Arc<Pod>>> {
    let mut by_node: BTreeMap<NodeId, Vec<&Arc<Pod>>> = BTreeMap::new();
    for pod in &seen.pods {
        if let Some(node) = pod.node {
            by_node.entry(node).or_default().push(pod);
        }
    }
    by_node
}
