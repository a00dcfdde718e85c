//! Nodes that may be disrupted, what their disruption costs, and why others may not be.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/disruption/types.go `NewCandidate`;
//! pkg/controllers/state/statenode.go `ValidateNodeDisruptable`, `ValidatePodsDisruptable`;
//! pkg/utils/pdb; pkg/utils/disruption.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Sight;
use crate::control::karpenter::instance::CapacityType;
use crate::control::karpenter::observation::{Budget, DO_NOT_DISRUPT, Node, Observation, Pod};
use crate::model::id::NodeId;
use crate::units::SimTime;
use crate::units::convert::f64_from_i64;

/// Cost of disrupting a node without pods (`PerNodeBaseDisruptionCost`).
pub(super) const NODE_COST: f64 = 1.0;

/// A node that may be disrupted.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) node: Arc<Node>,
    /// Index of its NodePool.
    pub(crate) pool: usize,
    /// Index of its machine type among the pool's options.
    pub(crate) option: usize,
    pub(crate) capacity: CapacityType,
    /// Price per hour of its offering.
    pub(crate) price: f64,
    /// Pods that would look for another node.
    pub(crate) reschedulable: Vec<Arc<Pod>>,
    /// 1 and what the eviction of each of them costs.
    pub(crate) cost: f64,
}

impl Candidate {
    /// Whether no pod would be missed on it (`IsEmpty`).
    pub(crate) fn is_empty(&self) -> bool {
        self.cost <= NODE_COST
    }

    /// What is saved for each unit of disruption.
    pub(super) fn ratio(&self) -> f64 {
        self.price / self.cost
    }
}

/// How disruption treats pods that must not be evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// They keep the node.
    Graceful,
    /// They do not, when the node has a `terminationGracePeriod`.
    Eventual,
}

/// What evicting a pod costs: 1, more with a high priority or deletion cost, less with a low one
/// (`EvictionCost`).
pub(crate) fn eviction_cost(pod: &Pod) -> f64 {
    let annotation = "controller.kubernetes.io/pod-deletion-cost";
    let stated = pod.template.annotations.get(annotation).and_then(|it| it.parse::<f64>().ok());
    let deletion = stated.filter(|cost| cost.is_finite()).unwrap_or(0.0) / 134_217_728.0;
    let priority = f64_from_i64(i64::from(pod.template.spec.priority)) / 33_554_432.0;
    (1.0 + deletion + priority).clamp(-10.0, 10.0)
}

/// 1 and the positive costs of evicting pods (`computeRescheduleDisruptionCost`).
pub(super) fn reschedule_cost<'a>(pods: impl Iterator<Item = &'a Arc<Pod>>) -> f64 {
    NODE_COST + pods.map(|pod| eviction_cost(pod).max(0.0)).sum::<f64>()
}

/// Why a budget keeps a pod where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocks {
    /// It allows no disruption now.
    ForNow,
    /// It never allows one.
    ForEver,
}

/// The budgets that keep a pod from being evicted (`isEvictable`); none when it is free to go.
fn blocking<'a>(pod: &Pod, budgets: &'a [Budget], now: SimTime, blocks: Blocks) -> Vec<&'a Budget> {
    if !pod.is_evictable(now) {
        // Nobody will ask the eviction API for it.
        return Vec::new();
    }
    let matching: Vec<&Budget> = budgets.iter().filter(|it| it.selects(pod)).collect();
    match &matching[..] {
        [] => Vec::new(),
        [one] => {
            let free = one.always_allow_unhealthy && pod.unready;
            let held = match blocks {
                Blocks::ForNow => one.disruptions_allowed <= 0,
                Blocks::ForEver => one.fully_blocking,
            };
            if held && !free { matching } else { Vec::new() }
        }
        // The eviction API does not know what to do with two.
        [_, _, ..] => matching,
    }
}

/// Whether a pod would come to new capacity if its node went now (`IsCurrentlyReschedulable`).
pub(crate) fn is_currently_reschedulable(pod: &Pod, seen: &Observation) -> bool {
    pod.is_reschedulable()
        && (!pod.is_active() || !pod.forbids_disruption(seen.now))
        && blocking(pod, &seen.budgets, seen.now, Blocks::ForEver).is_empty()
}

/// Why a node may not be disrupted; `None` when its pods let it go.
fn held_by_pods(pods: &[&Arc<Pod>], seen: &Observation) -> Option<String> {
    let forbids = |pod: &&&Arc<Pod>| pod.is_active() && pod.forbids_disruption(seen.now);
    if let Some(pod) = pods.iter().find(forbids) {
        let name = format!("{}/{}", pod.namespace, pod.name);
        return Some(format!("Pod has \"karpenter.sh/do-not-disrupt\" annotation (Pod={name})"));
    }
    for pod in pods {
        let held = blocking(pod, &seen.budgets, seen.now, Blocks::ForNow);
        let names: Vec<String> =
            held.iter().map(|it| format!("{}/{}", it.namespace, it.name)).collect();
        match &names[..] {
            [] => {}
            [name] => {
                return Some(format!("Pdb prevents pod evictions (PodDisruptionBudget={name})"));
            }
            [_, _, ..] => {
                let names = names.join(" ");
                return Some(format!(
                    "Eviction does not support multiple PDBs (PodDisruptionBudget(s)=[{names}])"
                ));
            }
        }
    }
    None
}

/// All nodes that may be disrupted, by name, and why others of Karpenter's nodes may not be.
pub(crate) fn candidates(
    sight: &Sight<'_>,
    class: Class,
) -> (Vec<Candidate>, BTreeMap<NodeId, String>) {
    let seen = sight.world.seen;
    let by_node = super::super::state::pods_by_node(seen);
    let mut blocked = BTreeMap::new();
    let mut found = Vec::new();
    for node in &seen.nodes {
        let Some(claim) = node.claim else { continue };
        if sight.in_command.contains(&node.id) {
            continue;
        }
        if let Some(why) = held_by_itself(sight, node) {
            blocked.insert(node.id, why.to_owned());
            continue;
        }
        let none = Vec::new();
        let pods = by_node.get(&node.id).unwrap_or(&none);
        let pool = &sight.world.spec.pools[claim.pool];
        let overruled = class == Class::Eventual && pool.termination_grace.is_some();
        if let Some(why) = held_by_pods(pods, seen).filter(|_| !overruled) {
            blocked.insert(node.id, why);
            continue;
        }
        let movable = pods.iter().filter(|pod| pod.is_reschedulable());
        let reschedulable: Vec<Arc<Pod>> = movable.map(|pod| Arc::clone(pod)).collect();
        let option = &pool.options[claim.option];
        let offering = &option.offerings[claim.offering];
        found.push(Candidate {
            node: Arc::clone(node),
            pool: claim.pool,
            option: claim.option,
            capacity: offering.capacity,
            price: offering.price,
            cost: reschedule_cost(reschedulable.iter()),
            reschedulable,
        });
    }
    found.sort_by(|a, b| a.node.name.cmp(&b.node.name));
    (found, blocked)
}

/// Why a node may not be disrupted whatever runs on it (`ValidateNodeDisruptable`).
fn held_by_itself(sight: &Sight<'_>, node: &Node) -> Option<&'static str> {
    let state = sight.states.get(&node.id).copied().unwrap_or_default();
    if !node.registered {
        return Some("Nodeclaim does not have an associated node");
    }
    if state.initialized.is_none() {
        return Some("Node isn't initialized");
    }
    if state.is_deleting() || node.leaving {
        return Some("Node is deleting or marked for deletion");
    }
    if state.nominated_until > sight.world.seen.now {
        return Some("Node is nominated for a pending pod");
    }
    if node.annotations.get(DO_NOT_DISRUPT).is_some_and(|value| &**value == "true") {
        return Some(
            "Disruption is blocked through the \"karpenter.sh/do-not-disrupt\" annotation",
        );
    }
    None
}
