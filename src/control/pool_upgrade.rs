//! Managed upgrades of a node pool: every node is replaced, some at a time, through the budgets.
//!
//! EKS managed node groups (user guide, managed node update behaviour): the auto scaling group grows
//! first, all old nodes are cordoned, then a few at a time are drained and terminated, and the group
//! shrinks again; pods that are not gone after 15 min fail the update. GKE surge upgrades: a surge
//! node comes, an old one goes; after an hour its pods are deleted. Its blue-green upgrades make a whole
//! second set of nodes, drain the first one batch by batch, and keep it for a soak. AKS: like surge; after the drain
//! timeout of 30 min the upgrade fails, and the node is uncordoned.

use std::collections::BTreeSet;

use crate::cluster::{Cluster, Node, NodePhase};
use crate::control::disruption::Budgets;
use crate::control::drain::{Drain, DrainSpec};
use crate::model::Action;
use crate::model::id::{NodeId, PoolId};
use crate::model::record::Record;
use crate::units::convert::{count_u32, index};
use crate::units::{SimDuration, SimTime};

/// Between two looks at nodes that are coming.
const POLL: SimDuration = SimDuration::from_secs(5);

/// How a pool is upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpgradeSpec {
    /// Nodes added beyond the pool's size.
    pub surge: u32,
    /// Nodes that may be missing.
    pub unavailable: u32,
    /// Nodes drained at the same time.
    pub parallel: u32,
    /// How long a node's pods may take to go.
    pub drain_timeout: SimDuration,
    /// What happens then.
    pub at_timeout: AtTimeout,
    /// Between a node being empty and its removal.
    pub settle: SimDuration,
    /// All surge nodes come first, all old nodes are cordoned at once, and each removed one is
    /// replaced (an auto scaling group).
    pub group_grows_first: bool,
    /// A second set of nodes comes, and the old ones stay, cordoned and drained, for so long after the
    /// last drain (GKE blue-green, node pool soak).
    pub soak: Option<SimDuration>,
}

/// What happens to a node whose pods do not go in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AtTimeout {
    /// The upgrade fails; old and new nodes stay as they are.
    Fail,
    /// The upgrade fails, and the node is uncordoned.
    FailAndUncordon,
    /// Its pods are deleted without asking their budgets, and the upgrade goes on.
    Force,
}

impl UpgradeSpec {
    /// EKS: twice as many new nodes as there are zones, one old node at a time, 15 min each.
    #[must_use]
    pub fn eks(zones: u32) -> Self {
        Self {
            surge: (2 * zones).max(1),
            unavailable: 1,
            parallel: 1,
            drain_timeout: SimDuration::from_secs(15 * 60),
            at_timeout: AtTimeout::Fail,
            settle: SimDuration::from_secs(60),
            group_grows_first: true,
            soak: None,
        }
    }

    /// EKS, update strategy `MINIMAL`: old nodes go before new ones come, so that no more machines are
    /// needed than there are.
    #[must_use]
    pub fn eks_minimal() -> Self {
        Self { surge: 0, settle: SimDuration::ZERO, group_grows_first: false, ..Self::eks(1) }
    }

    /// GKE, blue-green: a second pool's worth of nodes, one old node drained at a time, and an hour in
    /// which the old ones stay.
    #[must_use]
    pub fn gke_blue_green() -> Self {
        let soak = Some(SimDuration::from_secs(3600));
        Self { group_grows_first: true, soak, ..Self::gke() }
    }

    /// GKE: one surge node, none missing, an hour each.
    #[must_use]
    pub fn gke() -> Self {
        Self {
            surge: 1,
            unavailable: 0,
            parallel: 1,
            drain_timeout: SimDuration::from_secs(3600),
            at_timeout: AtTimeout::Force,
            settle: SimDuration::ZERO,
            group_grows_first: false,
            soak: None,
        }
    }

    /// AKS: a tenth of the pool as surge nodes, none missing, 30 min each.
    #[must_use]
    pub fn aks(nodes: u32) -> Self {
        let surge = nodes.div_ceil(10).max(1);
        Self {
            surge,
            unavailable: 0,
            parallel: surge,
            drain_timeout: SimDuration::from_secs(30 * 60),
            at_timeout: AtTimeout::FailAndUncordon,
            settle: SimDuration::ZERO,
            group_grows_first: false,
            soak: None,
        }
    }
}

/// An upgrade under way.
#[derive(Debug)]
pub struct Upgrade {
    spec: UpgradeSpec,
    pool: PoolId,
    /// The pool's size before.
    size: u32,
    /// Nodes that were there before.
    before: BTreeSet<NodeId>,
    /// Old nodes that wait for their turn.
    waiting: Vec<NodeId>,
    draining: Vec<Draining>,
    settling: Vec<(NodeId, SimTime)>,
    /// New nodes asked for.
    made: u32,
    cordoned: bool,
    /// When the old nodes of a blue-green upgrade go.
    soaked: Option<SimTime>,
    ended: bool,
}

#[derive(Debug)]
struct Draining {
    node: NodeId,
    drain: Drain,
    forced: bool,
    /// When the provider gives up on the node; set when its drain begins.
    until: Option<SimTime>,
    /// A pod was refused for good: the whole node is tried again then.
    again: Option<SimTime>,
}

/// How long a provider waits after an eviction was refused for good, e.g. by two budgets on a pod,
/// before it tries the node again. Providers publish only when they give up; this is as often as
/// kubectl repeats a refused eviction.
const REFUSED_AGAIN: SimDuration = SimDuration::from_secs(5);

impl Draining {
    /// The drain of the same node from the beginning, while its time is not over: providers do not
    /// stop at a refusal, as kubectl does, but at their time-out.
    fn tried_again(&self, now: SimTime, until: SimTime) -> Option<Self> {
        let left = until.since(now);
        if left <= REFUSED_AGAIN {
            return None;
        }
        let spec = DrainSpec { timeout: Some(left), ..DrainSpec::default() };
        let drain = Drain::new(spec, vec![self.node]);
        let again = Some(now + REFUSED_AGAIN);
        Some(Self { node: self.node, drain, forced: false, until: Some(until), again })
    }
}

/// How far an upgrade came in one go.
#[derive(Debug, Default)]
#[must_use]
pub struct Progress {
    /// What is to be done, in this order.
    pub actions: Vec<Action>,
    /// Evictions that were refused.
    pub refused: Vec<Record>,
    /// What is told: the node, a word, a sentence.
    pub told: Vec<(NodeId, &'static str, String)>,
    /// When to go on; `None` when it is over.
    pub next: Option<SimTime>,
}

impl Progress {
    fn again(&mut self, at: SimTime) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

impl Upgrade {
    /// An upgrade of all nodes that the pool has now.
    #[must_use]
    pub fn new(spec: UpgradeSpec, pool: PoolId, cluster: &Cluster) -> Self {
        let nodes = members(cluster, pool);
        let old: Vec<NodeId> = nodes.filter(|node| node.is_ready()).map(|node| node.id).collect();
        let mut spec = spec;
        if spec.soak.is_some() {
            spec.surge = count_u32(old.len());
        }
        Self {
            spec,
            pool,
            size: count_u32(old.len()),
            before: members(cluster, pool).map(|node| node.id).collect(),
            waiting: old,
            draining: Vec::new(),
            settling: Vec::new(),
            made: 0,
            cordoned: false,
            soaked: None,
            ended: false,
        }
    }

    /// Whether it upgrades this pool.
    #[must_use]
    pub fn is_of(&self, pool: PoolId) -> bool {
        self.pool == pool
    }

    /// Whether it is over, well or not.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Does all that can be done now.
    pub fn advance(&mut self, now: SimTime, cluster: &Cluster, budgets: &mut Budgets) -> Progress {
        let mut progress = Progress::default();
        if self.ended {
            return progress;
        }
        self.waiting.retain(|id| cluster.node(*id).is_some_and(Node::is_ready));
        self.make_nodes(now, cluster, &mut progress);
        let come = !progress.actions.is_empty() || self.new_nodes_come(cluster);
        if come && self.spec.group_grows_first && !self.cordoned {
            progress.again(now + POLL);
            return progress;
        }
        if self.spec.group_grows_first && !self.cordoned {
            progress.actions.extend(self.waiting.iter().map(|node| Action::Cordon(*node)));
        }
        self.cordoned = true;
        self.remove_settled(now, cluster, &mut progress);
        let removing =
            progress.actions.iter().any(|action| matches!(action, Action::RemoveNode(_)));
        if removing {
            // What is left of the pool shows when that is done.
            progress.again(now + SimDuration::from_secs(1));
            return progress;
        }
        self.begin_drains(cluster);
        self.drain(now, cluster, budgets, &mut progress);
        if self.ended {
            progress.next = None;
        } else if self.is_done(cluster) {
            self.ended = true;
            progress.next = None;
        } else {
            progress.again(now + POLL);
        }
        progress
    }

    fn new_nodes_come(&self, cluster: &Cluster) -> bool {
        let mut new = members(cluster, self.pool).filter(|node| !self.before.contains(&node.id));
        new.any(|node| node.is_coming() || node.phase == NodePhase::Registered)
    }

    fn make_nodes(&mut self, now: SimTime, cluster: &Cluster, progress: &mut Progress) {
        let room = if self.spec.group_grows_first {
            self.spec.surge.saturating_sub(self.made)
        } else {
            let alive = count_u32(members(cluster, self.pool).count());
            let most = self.size + self.spec.surge;
            most.saturating_sub(alive).min(self.size.saturating_sub(self.made))
        };
        for _ in 0..room {
            self.made += 1;
            progress.actions.push(Action::AddNode(self.pool));
            progress.again(now + POLL);
        }
    }

    fn remove_settled(&mut self, now: SimTime, cluster: &Cluster, progress: &mut Progress) {
        // A machine that someone else gave back, and the group's size with it, is not replaced.
        let there =
            |id: NodeId| cluster.node(id).is_some_and(|node| node.phase != NodePhase::Removing);
        self.settling.retain(|(node, _)| there(*node));
        if let Some(soak) = self.spec.soak {
            if self.settling.is_empty() || !self.waiting.is_empty() || !self.draining.is_empty() {
                return;
            }
            let ends = *self.soaked.get_or_insert(now + soak);
            for (_, at) in &mut self.settling {
                *at = ends;
            }
        }
        let group = self.spec.group_grows_first && self.spec.soak.is_none();
        for (node, _) in self.settling.extract_if(.., |(_, at)| *at <= now) {
            progress.actions.push(Action::RemoveNode(node));
            // The group keeps its size until every old node is gone.
            if group && self.before.contains(&node) && self.made < self.size + self.spec.surge {
                self.made += 1;
                progress.actions.push(Action::AddNode(self.pool));
            }
        }
    }

    fn begin_drains(&mut self, cluster: &Cluster) {
        loop {
            let soaking = if self.spec.soak.is_some() { 0 } else { self.settling.len() };
            let busy = self.draining.len() + soaking;
            if busy >= index(self.spec.parallel.max(1)) {
                return;
            }
            let Some(node) = self.next_node(cluster) else { return };
            let spec = DrainSpec { timeout: Some(self.spec.drain_timeout), ..DrainSpec::default() };
            self.waiting.retain(|waiting| *waiting != node);
            let drain = Drain::new(spec, vec![node]);
            self.draining.push(Draining { node, drain, forced: false, until: None, again: None });
        }
    }

    /// The next node to drain: an old one, when enough others work; when all are gone, one of those
    /// that are too many, the emptiest first.
    fn next_node(&self, cluster: &Cluster) -> Option<NodeId> {
        let taken = |id: &NodeId| {
            self.draining.iter().any(|other| other.node == *id)
                || self.settling.iter().any(|(other, _)| other == id)
        };
        let working =
            members(cluster, self.pool).filter(|node| node.is_ready() && !taken(&node.id)).count();
        if let Some(node) = self.waiting.first() {
            let least = self.size.saturating_sub(self.spec.unavailable);
            let enough = self.spec.group_grows_first || working > index(least);
            return Some(*node).filter(|_| enough);
        }
        let excess = members(cluster, self.pool).count() > index(self.size);
        let replaces = self.spec.group_grows_first && self.spec.soak.is_none();
        if !replaces || !excess || self.new_nodes_come(cluster) {
            return None;
        }
        let new = members(cluster, self.pool).filter(|node| !self.before.contains(&node.id));
        let pods = |node: &&Node| cluster.pods_on(node.id).filter(|p| !p.owner.is_daemon()).count();
        new.filter(|node| !taken(&node.id)).min_by_key(pods).map(|node| node.id)
    }

    fn drain(
        &mut self,
        now: SimTime,
        cluster: &Cluster,
        budgets: &mut Budgets,
        progress: &mut Progress,
    ) {
        let spec = self.spec;
        let mut rest = Vec::new();
        for mut draining in std::mem::take(&mut self.draining) {
            let until = *draining.until.get_or_insert(now + spec.drain_timeout);
            if let Some(at) = draining.again.filter(|at| now < *at) {
                progress.again(at);
                rest.push(draining);
                continue;
            }
            draining.again = None;
            let went = draining.drain.advance(now, cluster, budgets);
            progress.actions.extend(went.actions);
            progress.refused.extend(went.refused);
            if let Some(at) = went.next {
                progress.again(at);
                rest.push(draining);
                continue;
            }
            let node = draining.node;
            let failed = draining.drain.outcomes().iter().any(|end| !end.failures.is_empty());
            if !failed || draining.forced {
                self.settling.push((node, now + spec.settle));
                progress.again(now + spec.settle);
                continue;
            }
            if let Some(again) = draining.tried_again(now, until) {
                progress.again(now + REFUSED_AGAIN);
                rest.push(again);
                continue;
            }
            match spec.at_timeout {
                AtTimeout::Force => {
                    let message = format!("its pods are deleted after {}", spec.drain_timeout);
                    progress.told.push((node, "ForcedPodDeletion", message));
                    let force = DrainSpec { disable_eviction: true, ..DrainSpec::default() };
                    let drain = Drain::new(force, vec![node]);
                    rest.push(Draining { node, drain, forced: true, until: None, again: None });
                    progress.again(now);
                }
                AtTimeout::Fail | AtTimeout::FailAndUncordon => {
                    self.ended = true;
                    let message = format!(
                        "Reached max retries while trying to evict pods from nodes in node group {} \
                         ({} without an end)",
                        cluster.pool(self.pool).spec.name,
                        spec.drain_timeout
                    );
                    progress.told.push((node, "PodEvictionFailure", message));
                    if spec.at_timeout == AtTimeout::FailAndUncordon {
                        progress.actions.push(Action::Uncordon(node));
                    }
                }
            }
        }
        self.draining = rest;
    }

    fn is_done(&self, cluster: &Cluster) -> bool {
        let idle = self.draining.is_empty() && self.settling.is_empty();
        let shrunk =
            !self.spec.group_grows_first || members(cluster, self.pool).count() <= index(self.size);
        self.waiting.is_empty() && idle && shrunk && !self.new_nodes_come(cluster)
    }
}

/// Nodes of a pool that are there or coming.
fn members(cluster: &Cluster, pool: PoolId) -> impl Iterator<Item = &Node> {
    let nodes = cluster.pool(pool).nodes.iter().filter_map(|id| cluster.node(*id));
    nodes.filter(|node| node.phase != NodePhase::Removing)
}
