//! Karpenter v1: nodes by the pods that wait, and not by node groups.
//!
//! sigs.k8s.io/karpenter 1.14 (2266468) and, where it is the cloud's business,
//! aws/karpenter-provider-aws (1d92708). [`Karpenter::advance`] looks at an [`Observation`] whenever
//! [`Karpenter::next_due`] has come, and says what it wants as [`Order`]s, each with its reason.
//!
//! What the original leaves to the order of maps or to the speed of a machine is settled: ties go by
//! name, equal offerings by a seeded draw, and no simulation runs out of time.

mod batch;
mod disrupting;
pub(crate) mod disruption;
mod drain;
#[cfg(test)]
mod fixture;
pub mod instance;
mod launch;
pub mod live;
pub mod observation;
pub mod order;
pub mod pool;
mod provisioning;
pub mod requirement;
pub(crate) mod scheduling;
pub(crate) mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use batch::{Batch, Trigger};
use disrupting::{Pass, Running};
use disruption::{Method, Stay};
use drain::Drain;
use instance::{CapacityType, Unavailable};
use observation::{Node, Observation};
use provisioning::Launching;
use scheduling::existing::is_ephemeral;
use scheduling::topology::DomainGroups;
use state::{NodeState, NodeStates, POD_EVENT_DEDUPE, pods_by_node};

use crate::engine::{Dist, Streams};
use crate::model::id::{NodeId, PodId};
use crate::units::{Resources, SimDuration, SimTime};

pub use observation::ClaimSeen;
pub use order::{Because, Order, Whose};
pub use pool::{KarpenterSpec, NodePool, Options};

/// A node that has not registered by then is given up (`registrationTimeout`).
const REGISTRATION: SimDuration = SimDuration::from_secs(15 * 60);
/// How long an offering that failed is not asked for
/// (karpenter-provider-aws, pkg/cache/cache.go `UnavailableOfferingsTTL`).
const UNAVAILABLE: SimDuration = SimDuration::from_secs(3 * 60);
/// Between two looks whether a claim has drifted (nodeclaim/disruption/drift.go).
const DRIFT_CHECK: SimDuration = SimDuration::from_secs(5 * 60);
/// Consolidation looks again after this even when nothing changed (cluster.go `ConsolidationState`).
const LOOK_AGAIN: SimDuration = SimDuration::from_secs(5 * 60);
/// A node is spared while pods are expected on it: twice the longest window, at least this long
/// (statenode.go `nominationWindow`).
const NOMINATION: SimDuration = SimDuration::from_secs(10);

/// The controllers of Karpenter, and all they remember.
#[derive(Debug)]
pub struct Karpenter {
    spec: KarpenterSpec,
    streams: Streams,
    /// From a claim to its machine (s): one call to the cloud.
    launch_call: Dist,
    domain_groups: DomainGroups,
    states: NodeStates,
    /// What the pods and DaemonSets of each node's claim ask for.
    wanted: BTreeMap<NodeId, Resources>,
    claims: BTreeMap<Arc<str>, NodeId>,
    launching: Vec<Launching>,
    next_claim: BTreeMap<Arc<str>, u32>,
    batch: Batch,
    unavailable: BTreeMap<(Arc<str>, Arc<str>, CapacityType), SimTime>,
    /// Number of the last change that consolidation heeds, and when it was.
    change: (u64, SimTime),
    /// The change up to which each method has found nothing.
    consolidated: BTreeMap<Method, u64>,
    pass: Pass,
    commands: Vec<Running>,
    drains: BTreeMap<NodeId, Drain>,
    interrupted: BTreeSet<NodeId>,
    wake: Option<SimTime>,
    told_stay: BTreeMap<NodeId, Stay>,
    told_pods: BTreeMap<PodId, Arc<str>>,
    told_pools: BTreeMap<usize, &'static str>,
}

impl Karpenter {
    /// A Karpenter that has just started. The first pass of its disruption controller comes one
    /// period after the start.
    #[must_use]
    pub fn new(spec: KarpenterSpec, launch_call: Dist, streams: Streams) -> Self {
        let domain_groups = DomainGroups::of(&spec.pools);
        Self {
            spec,
            streams,
            launch_call,
            domain_groups,
            states: NodeStates::new(),
            wanted: BTreeMap::new(),
            claims: BTreeMap::new(),
            launching: Vec::new(),
            next_claim: BTreeMap::new(),
            batch: Batch::default(),
            unavailable: BTreeMap::new(),
            change: (1, SimTime::ZERO),
            consolidated: BTreeMap::new(),
            pass: Pass::default(),
            commands: Vec::new(),
            drains: BTreeMap::new(),
            interrupted: BTreeSet::new(),
            wake: None,
            told_stay: BTreeMap::new(),
            told_pods: BTreeMap::new(),
            told_pools: BTreeMap::new(),
        }
    }

    /// What it runs on.
    #[must_use]
    pub fn spec(&self) -> &KarpenterSpec {
        &self.spec
    }

    /// kube-scheduler found no place for a pod.
    pub fn pod_unschedulable(&mut self, pod: PodId, now: SimTime) {
        self.batch.look_at(Trigger::Pod(pod), now);
    }

    /// A pod that is no DaemonSet's came to a node, ended there or is being deleted
    /// (nodeclaim/podevents).
    pub fn pod_event(&mut self, node: NodeId, now: SimTime) {
        self.touch(now);
        if let Some(state) = self.states.get_mut(&node)
            && state.last_pod_event.is_none_or(|last| last + POD_EVENT_DEDUPE <= now)
        {
            state.last_pod_event = Some(now);
        }
    }

    /// Something changed that may open a way to consolidate.
    pub fn changed(&mut self, now: SimTime) {
        self.touch(now);
    }

    /// Whether a machine is asked for at this time.
    #[must_use]
    pub fn launches_at(&self, now: SimTime) -> bool {
        self.launching.iter().any(|it| it.due <= now)
    }

    /// Something about a node changed that Karpenter waits for.
    pub fn wake(&mut self, now: SimTime) {
        self.wake = Some(self.wake.map_or(now, |at| at.min(now)));
    }

    /// The cloud will take a node back (spot interruption): it is drained at once.
    pub fn interrupted(&mut self, node: NodeId, now: SimTime) {
        if self.states.contains_key(&node) {
            self.interrupted.insert(node);
            self.wake(now);
        }
    }

    /// A pool's machine image was replaced, or its template changed: the nodes it has now drift.
    pub fn drifted(&mut self, pool: &str, template: bool, now: SimTime) {
        let at = self.spec.pools.iter().position(|it| *it.name == *pool);
        for state in self.states.values_mut().filter(|state| Some(state.pool) == at) {
            if template {
                // The hash on a claim no longer is that of its NodePool, which all claims are looked at for
                // as soon as it changes (nodeclaim/disruption/controller.go watches NodePools).
                state.drifted = Some(state.drifted.map_or(now, |known| known.min(now)));
                continue;
            }
            // Every claim is looked at in its own rhythm, counted from its creation.
            let age = now.since(state.created).as_nanos();
            let into = age % DRIFT_CHECK.as_nanos();
            let wait = SimDuration::from_nanos(DRIFT_CHECK.as_nanos() - into);
            state.drifted.get_or_insert(now + wait);
        }
        self.wake(now);
    }

    /// Answers [`Order::Launch`]: the node that was made.
    pub fn launched(&mut self, claim: &Arc<str>, node: NodeId, now: SimTime) {
        self.claims.insert(Arc::clone(claim), node);
        if let Some(at) = self.launching.iter().position(|it| it.name == *claim) {
            let launching = self.launching.remove(at);
            let plan = &launching.plan;
            let state =
                NodeState { pool: plan.pool, created: launching.created, ..NodeState::default() };
            self.states.insert(node, state);
            self.wanted.insert(node, plan.requests.clone());
        }
        self.touch(now);
    }

    /// Answers [`Order::Evict`].
    pub fn eviction_answered(&mut self, node: NodeId, pod: PodId, granted: bool, now: SimTime) {
        if let Some(drain) = self.drains.get_mut(&node) {
            drain.answered(pod, granted, now);
        }
    }

    /// When it wants to look next; never before it was told of something or made a claim.
    #[must_use]
    pub fn next_due(&self) -> Option<SimTime> {
        if self.spec.pools.is_empty() {
            return None;
        }
        let options = &self.spec.options;
        let launches = self.launching.iter().map(|it| it.due);
        let drains = self.drains.values().filter_map(Drain::next);
        let commands = self.commands.iter().map(|it| it.next);
        let ages = self.states.values().filter_map(|state| self.age_limit(state));
        let batch = self.batch.next(options.batch_idle, options.batch_max);
        let single = [self.wake, batch, Some(self.pass.next())].into_iter().flatten();
        single.chain(launches).chain(drains).chain(commands).chain(ages).min()
    }

    /// When a node is too old, or has been unregistered for too long.
    fn age_limit(&self, state: &NodeState) -> Option<SimTime> {
        if state.deleted.is_some() {
            return None;
        }
        let registration = (!state.registered).then(|| state.created + REGISTRATION);
        let expiry = self.spec.pools[state.pool].expire_after;
        let expiry = expiry.map(|after| state.created + after);
        registration.into_iter().chain(expiry).min()
    }

    /// Looks, and does what is due.
    pub fn advance(&mut self, seen: &Observation) -> Vec<Order> {
        let now = seen.now;
        let mut orders = Vec::new();
        self.wake = None;
        self.unavailable.retain(|_, until| *until > now);
        self.meet_nodes(seen, &mut orders);
        self.launch_due(seen, &mut orders);
        self.end_of_life(seen, &mut orders);
        self.continue_drains(seen, &mut orders);
        self.continue_commands(seen, &mut orders);
        self.provision_due(seen, &mut orders);
        self.disrupt_due(seen, &mut orders);
        orders
    }

    /// Takes note of nodes that came, went or became ready for pods.
    fn meet_nodes(&mut self, seen: &Observation, orders: &mut Vec<Order>) {
        let now = seen.now;
        let present: BTreeSet<NodeId> = seen.nodes.iter().map(|node| node.id).collect();
        let before = self.states.len();
        self.states.retain(|node, _| present.contains(node));
        self.wanted.retain(|node, _| present.contains(node));
        self.claims.retain(|_, node| present.contains(node));
        self.drains.retain(|node, _| present.contains(node));
        self.told_stay.retain(|node, _| present.contains(node));
        if self.states.len() != before {
            self.touch(now);
        }
        for node in &seen.nodes {
            let Some(claim) = node.claim else { continue };
            let known = self.states.entry(node.id).or_insert_with(|| NodeState {
                pool: claim.pool,
                created: node.created,
                ..NodeState::default()
            });
            known.registered |= node.registered;
            if known.initialized.is_none() && self.is_initialized(node, claim) {
                if let Some(state) = self.states.get_mut(&node.id) {
                    state.initialized = Some(now);
                }
                self.touch(now);
                let message = format!("initialized nodeclaim {}", node.name);
                orders.push(say(Whose::Node(node.id), "Initialized", message));
            }
        }
    }

    /// Ready, rid of the taints it started with, and with all resources its pods wait for
    /// (nodeclaim/lifecycle/initialization.go).
    fn is_initialized(&self, node: &Node, claim: ClaimSeen) -> bool {
        let pool = &self.spec.pools[claim.pool];
        let starts = |taint: &crate::cluster::api::Taint| {
            let startup = pool.startup_taints.iter();
            startup.clone().any(|it| it.key == taint.key && it.effect == taint.effect)
        };
        let wanted = self.wanted.get(&node.id);
        let mut resources = wanted.into_iter().flat_map(Resources::extended);
        node.registered
            && node.ready
            && !node.taints.iter().any(|taint| starts(taint) || is_ephemeral(taint))
            && resources.all(|(name, _)| node.allocatable.get(name) > 0)
    }

    /// Deletes claims that are too old, never registered, or that the cloud takes back.
    fn end_of_life(&mut self, seen: &Observation, orders: &mut Vec<Order>) {
        let now = seen.now;
        for node in std::mem::take(&mut self.interrupted) {
            self.lose_offering(seen, node);
            self.delete_claim(node, Because::Interrupted, now, orders);
        }
        let over: Vec<(NodeId, NodeState)> =
            self.states.iter().map(|(node, state)| (*node, *state)).collect();
        for (node, state) in over {
            if self.age_limit(&state).is_none_or(|at| at > now) {
                continue;
            }
            let expiry = self.spec.pools[state.pool].expire_after;
            let expired = expiry.is_some_and(|after| state.created + after <= now);
            let because = if expired { Because::Expired } else { Because::Liveness };
            self.delete_claim(node, because, now, orders);
        }
    }

    /// An interruption tells that the cloud runs out of the offering
    /// (karpenter-provider-aws, pkg/controllers/interruption).
    fn lose_offering(&mut self, seen: &Observation, node: NodeId) {
        let node = seen.nodes.iter().find(|it| it.id == node);
        let Some(claim) = node.and_then(|node| node.claim) else { return };
        let option = &self.spec.pools[claim.pool].options[claim.option];
        let offering = &option.offerings[claim.offering];
        let key = (Arc::clone(&option.machine.name), Arc::clone(&offering.zone), offering.capacity);
        self.unavailable.insert(key, seen.now + UNAVAILABLE);
    }

    /// Deletes a claim: from here on its node drains, and nothing stops it.
    fn delete_claim(
        &mut self,
        node: NodeId,
        because: Because,
        now: SimTime,
        orders: &mut Vec<Order>,
    ) {
        let Some(state) = self.states.get_mut(&node).filter(|state| state.deleted.is_none()) else {
            return;
        };
        state.deleted = Some(now);
        let (registered, pool) = (state.registered, state.pool);
        self.touch(now);
        orders.push(Order::Disrupted { node, because });
        if registered {
            let grace = self.spec.pools[pool].termination_grace;
            self.drains.insert(node, Drain::new(node, now, grace));
            orders.push(Order::Taint(node));
            self.batch.look_at(Trigger::Node(node), now);
        } else {
            orders.push(Order::Terminate(node));
        }
    }

    fn continue_drains(&mut self, seen: &Observation, orders: &mut Vec<Order>) {
        if self.drains.values().filter_map(Drain::next).all(|at| at > seen.now) {
            return;
        }
        let by_node = pods_by_node(seen);
        let none = Vec::new();
        for (id, drain) in &mut self.drains {
            let node = seen.nodes.iter().find(|node| node.id == *id);
            if let Some(node) = node.filter(|_| drain.next().is_some_and(|at| at <= seen.now)) {
                orders.extend(drain.step(seen.now, node, by_node.get(id).unwrap_or(&none)));
            }
        }
    }

    /// Something changed that may open a way to consolidate.
    fn touch(&mut self, now: SimTime) {
        self.change = (self.change.0 + 1, now);
    }

    /// The last change; after some time without one, the passing of time is one.
    fn last_change(&mut self, now: SimTime) -> u64 {
        if self.change.1 + LOOK_AGAIN <= now {
            self.touch(now);
        }
        self.change.0
    }

    /// Whether no claim waits for its machine: only then are plans made.
    fn is_synced(&self) -> bool {
        self.launching.is_empty()
    }

    fn known_unavailable(&self) -> Unavailable {
        self.unavailable.keys().cloned().collect()
    }

    /// Nodes that commands under way are about.
    fn in_command(&self) -> BTreeSet<NodeId> {
        self.commands.iter().flat_map(|it| it.nodes.iter().copied()).collect()
    }

    /// Pods are expected on a node: it is spared for a while.
    fn nominate(&mut self, node: NodeId, now: SimTime) {
        let longest = self.spec.options.batch_max;
        let until = now + (longest + longest).max(NOMINATION);
        if let Some(state) = self.states.get_mut(&node) {
            state.nominated_until = until;
        }
    }
}

fn say(about: Whose, event: &'static str, message: String) -> Order {
    Order::Say { about, event, message: Arc::from(message) }
}
