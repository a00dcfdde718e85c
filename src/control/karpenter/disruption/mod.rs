//! Which nodes go, what comes in their place, and when.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/disruption. Methods are tried in order; the first that finds
//! something to do ends the pass.

pub(crate) mod candidate;
pub(crate) mod consolidation;
#[cfg(test)]
mod tests;
pub(crate) mod validation;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use candidate::{Candidate, Class, is_currently_reschedulable};

use super::observation::{Node, Pod};
use super::pool::{ConsolidationPolicy, DisruptionReason};
use super::scheduling::misfit::{Misfit, PodError};
use super::scheduling::{PlannedClaim, Results, World};
use super::state::NodeStates;
use crate::model::id::NodeId;
use crate::units::SimDuration;
use crate::units::convert::count_i32;

/// Between two passes that find nothing (controller.go `pollingPeriod`).
pub(crate) const POLL: SimDuration = SimDuration::from_secs(10);
/// Between finding what to do and doing it (consolidation.go `commandValidationDelay`).
pub(crate) const VALIDATION_DELAY: SimDuration = SimDuration::from_secs(15);

/// A way to find nodes to disrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    /// Nodes without pods.
    Emptiness,
    /// Nodes that are not what their pool asks for.
    Drift,
    /// Several nodes for one, or none.
    MultiNode,
    /// One node for a cheaper one, or none.
    SingleNode,
}

impl Method {
    /// In the order in which they are tried.
    pub(crate) const ALL: [Self; 4] =
        [Self::Emptiness, Self::Drift, Self::MultiNode, Self::SingleNode];

    /// The reason that budgets and events name.
    pub(crate) fn reason(self) -> DisruptionReason {
        match self {
            Self::Emptiness => DisruptionReason::Empty,
            Self::Drift => DisruptionReason::Drifted,
            Self::MultiNode | Self::SingleNode => DisruptionReason::Underutilized,
        }
    }

    fn class(self) -> Class {
        if self == Self::Drift { Class::Eventual } else { Class::Graceful }
    }

    /// Whether it waits and looks again before it acts.
    pub(crate) fn validates(self) -> bool {
        self != Self::Drift
    }
}

/// What a pass sees.
#[derive(Debug)]
pub(crate) struct Sight<'a> {
    pub(crate) world: World<'a>,
    pub(crate) states: &'a NodeStates,
    /// Nodes that commands under way are about.
    pub(crate) in_command: &'a BTreeSet<NodeId>,
}

/// Nodes that shall go, and those that shall come first.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) method: Method,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) replacements: Vec<PlannedClaim>,
    /// Nodes that take over pods.
    pub(crate) takers: Vec<NodeId>,
}

impl Command {
    fn new(method: Method, candidates: Vec<Candidate>, results: Results) -> Self {
        let takers = results.existing.iter().map(|(node, _)| *node).collect();
        Self { method, candidates, replacements: results.claims, takers }
    }

    /// `replace` or `delete`.
    pub(crate) fn decision(&self) -> &'static str {
        if self.replacements.is_empty() { "delete" } else { "replace" }
    }

    /// What is saved an hour: the nodes' prices without the cheapest price of what replaces them
    /// (types.go `EstimatedSavings`).
    pub(crate) fn savings(&self) -> f64 {
        let source: f64 = self.candidates.iter().map(|it| it.price).sum();
        let cheapest = |claim: &PlannedClaim| {
            let first = claim.choices.first().map(|it| it.cheapest(&claim.requirements));
            first.filter(|price| price.is_finite()).unwrap_or(0.0)
        };
        source - self.replacements.iter().map(cheapest).sum::<f64>()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.candidates.iter().map(|it| &*it.node.name).collect();
        write!(f, "{}: [{}]", self.decision(), names.join(", "))?;
        match self.replacements.len() {
            0 => Ok(()),
            1 => f.write_str(" -> [1 replacement]"),
            many => write!(f, " -> [{many} replacements]"),
        }
    }
}

/// What a method came to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) command: Option<Command>,
    /// Nothing is to be done until something changes.
    pub(crate) settled: bool,
    /// Nodes that stay, and why.
    pub(crate) stay: Vec<(NodeId, Stay)>,
    /// Pools whose budgets allow nothing.
    pub(crate) blocked_pools: Vec<usize>,
    /// How many candidates there were.
    pub(crate) candidates: usize,
}

/// Why a node stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stay {
    /// It may not be disrupted: event `DisruptionBlocked`.
    Blocked(String),
    /// Nothing would be gained: event `Unconsolidatable`.
    Unconsolidatable(String),
}

/// How many nodes of each pool may be disrupted now (helpers.go `BuildDisruptionBudgetMapping`), and
/// which pools with nodes allow none.
pub(crate) fn budget_mapping(
    sight: &Sight<'_>,
    reason: DisruptionReason,
) -> (Vec<i32>, Vec<usize>) {
    let seen = sight.world.seen;
    let pools = &sight.world.spec.pools;
    let (mut nodes, mut disrupting) = (vec![0_usize; pools.len()], vec![0_usize; pools.len()]);
    for node in &seen.nodes {
        let Some(claim) = node.claim else { continue };
        let state = sight.states.get(&node.id).copied().unwrap_or_default();
        if state.initialized.is_none() || node.leaving {
            continue;
        }
        nodes[claim.pool] += 1;
        if !node.ready || state.is_deleting() {
            disrupting[claim.pool] += 1;
        }
    }
    let mut blocked = Vec::new();
    let mut mapping = Vec::new();
    for (at, pool) in pools.iter().enumerate() {
        let allowed = pool.allowed_disruptions(seen.now, count_i32(nodes[at]), reason);
        if nodes[at] > 0 && allowed == Some(0) {
            blocked.push(at);
        }
        let left = allowed.map_or(i32::MAX, |allowed| allowed - count_i32(disrupting[at]));
        mapping.push(left.max(0));
    }
    (mapping, blocked)
}

/// Tries a method. `consolidated` says that it found nothing before and that nothing changed since.
pub(crate) fn find(sight: &Sight<'_>, method: Method, consolidated: bool) -> Found {
    let (all, blocked) = candidate::candidates(sight, method.class());
    let mut found = Found::default();
    let wanted: Vec<Candidate> =
        all.iter().filter(|it| is_wanted(sight, method, it, &mut found.stay)).cloned().collect();
    found.stay.extend(blocked.into_iter().map(|(node, why)| (node, Stay::Blocked(why))));
    found.candidates = wanted.len();
    if wanted.is_empty() {
        return found;
    }
    let (mapping, blocked_pools) = budget_mapping(sight, method.reason());
    found.blocked_pools = blocked_pools;
    if consolidated && method != Method::Drift {
        return found;
    }
    let totals = consolidation::totals(sight, &all);
    match method {
        Method::Emptiness => consolidation::emptiness(wanted, mapping, &mut found),
        Method::Drift => drift(sight, wanted, &mapping, &mut found),
        Method::MultiNode => {
            consolidation::multi_node(sight, wanted, mapping, &totals, &mut found);
        }
        Method::SingleNode => {
            consolidation::single_node(sight, wanted, &mapping, &totals, &mut found);
        }
    }
    found
}

/// Whether a method is about a node (`ShouldDisrupt`).
pub(crate) fn is_wanted(
    sight: &Sight<'_>,
    method: Method,
    candidate: &Candidate,
    stay: &mut Vec<(NodeId, Stay)>,
) -> bool {
    let pool = &sight.world.spec.pools[candidate.pool];
    let state = sight.states.get(&candidate.node.id).copied().unwrap_or_default();
    let mut says = |message: String| {
        stay.push((candidate.node.id, Stay::Unconsolidatable(message)));
        false
    };
    match method {
        Method::Drift => state.drifted.is_some_and(|since| since <= sight.world.seen.now),
        Method::Emptiness | Method::MultiNode | Method::SingleNode
            if pool.consolidate_after.is_none() =>
        {
            says(format!("NodePool \"{}\" has consolidation disabled", pool.name))
        }
        Method::Emptiness => {
            candidate.is_empty() && state.is_consolidatable(pool, sight.world.seen.now)
        }
        Method::MultiNode | Method::SingleNode => {
            if candidate.is_empty() {
                return false;
            }
            if pool.policy == ConsolidationPolicy::WhenEmpty {
                return says(format!(
                    "NodePool \"{}\" has consolidation policy WhenEmpty, but node is not empty",
                    pool.name
                ));
            }
            state.is_consolidatable(pool, sight.world.seen.now)
        }
    }
}

/// Plans for the pods of nodes as if these were gone already (helpers.go `SimulateScheduling`).
pub(crate) fn simulate(sight: &Sight<'_>, candidates: &[Candidate], consolidates: bool) -> Results {
    let world = &sight.world;
    let mut pods = pending(world);
    for candidate in candidates {
        let movable = candidate.reschedulable.iter();
        let movable = movable.filter(|pod| is_currently_reschedulable(pod, world.seen));
        pods.extend(movable.cloned());
    }
    let deleting = pods_of_deleting(world);
    let on_deleting: BTreeSet<_> = deleting.iter().map(|pod| pod.id).collect();
    pods.extend(deleting);
    let without = candidates.iter().map(|it| it.node.id).collect();
    let mut results = world.plan(&pods, &without, consolidates);
    for (node, planned) in &results.existing {
        let place = world.places.iter().find(|place| place.node.id == *node);
        let Some(place) = place.filter(|place| !place.initialized) else { continue };
        for pod in planned.iter().filter(|pod| !on_deleting.contains(&pod.id)) {
            let misfit = Misfit::Uninitialized(Arc::clone(&place.node.name));
            let error = (Arc::clone(pod), PodError(vec![(None, misfit)]));
            results.errors.insert(pod.id, error);
        }
    }
    results
}

/// Pods that wait for capacity.
pub(crate) fn pending(world: &World<'_>) -> Vec<Arc<Pod>> {
    let pods = world.seen.pods.iter().filter(|pod| pod.is_provisionable());
    // A pod that asks for a node without NodePool keeps away from Karpenter.
    let keeps_away = |pod: &&Arc<Pod>| {
        let wanted = pod.template.spec.affinity.node_required.iter().flatten();
        let expressions = wanted.flat_map(|term| &term.match_expressions);
        expressions.into_iter().any(|it| {
            &*it.key == super::requirement::NODE_POOL
                && it.operator == crate::cluster::api::SelectorOperator::DoesNotExist
        })
    };
    pods.filter(|pod| !keeps_away(pod)).cloned().collect()
}

/// Pods on nodes that will go, as far as they can leave.
pub(crate) fn pods_of_deleting(world: &World<'_>) -> Vec<Arc<Pod>> {
    let on_deleting = |pod: &&Arc<Pod>| pod.node.is_some_and(|node| world.deleting.contains(&node));
    let pods = world.seen.pods.iter().filter(on_deleting);
    pods.filter(|pod| is_currently_reschedulable(pod, world.seen)).cloned().collect()
}

/// The node that drifted first goes first, empty ones before others (drift.go).
fn drift(sight: &Sight<'_>, candidates: Vec<Candidate>, mapping: &[i32], found: &mut Found) {
    let since = |it: &Candidate| sight.states.get(&it.node.id).and_then(|state| state.drifted);
    let mut sorted = candidates;
    sorted.sort_by_key(|it| (!it.reschedulable.is_empty(), since(it)));
    for candidate in sorted {
        if mapping[candidate.pool] == 0 {
            continue;
        }
        let results = simulate(sight, std::slice::from_ref(&candidate), false);
        if let Some(why) = unsettled(&results) {
            found.stay.push((candidate.node.id, Stay::Blocked(why)));
            continue;
        }
        found.command = Some(Command::new(Method::Drift, vec![candidate], results));
        return;
    }
}

/// The sentence about pods that would find no place.
fn unsettled(results: &Results) -> Option<String> {
    let (pod, error) = results.unsettled()?;
    Some(format!("Not all pods would schedule, {}/{} => {error}", pod.namespace, pod.name))
}

/// Prices and disruption costs of whole pools, which Balanced measures moves against.
pub(crate) type PoolTotals = BTreeMap<usize, (f64, f64)>;

/// Whether a node is counted with its pool.
fn pool_of(node: &Node) -> Option<usize> {
    node.claim.map(|claim| claim.pool)
}
