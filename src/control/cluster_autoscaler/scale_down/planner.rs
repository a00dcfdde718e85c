//! Which nodes are not needed, and since when (core/scaledown/planner/planner.go,
//! core/scaledown/unneeded/nodes.go, simulator/cluster.go).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::cloud::Cloud;
use super::super::limits::{Bound, Limits};
use super::super::observation::{DELETION_CANDIDATE, Node, Observation, TO_BE_DELETED};
use super::super::options::Options;
use super::super::placement::{Hints, place_all};
use super::super::sight::Sight;
use super::drainability::{DrainContext, RemainingBudgets, pods_to_move};
use super::eligibility::Utilization;
use super::looks::{Load, Looks};
use super::{UnneededNode, Unremovable, UnremovableReason};
use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::control::scheduler::NodeSlot;
use crate::model::id::{NodeId, PoolId};
use crate::units::{SimDuration, SimTime};

/// What the planner remembers from loop to loop.
#[derive(Debug, Default)]
pub(crate) struct Planner {
    unneeded: BTreeMap<NodeId, Entry>,
    /// Nodes that were not needed when that was last looked at, whatever became of their timers.
    previous: BTreeSet<NodeId>,
    /// Nodes that could not be removed, and until when they are not looked at again.
    recheck: BTreeMap<NodeId, SimTime>,
    unremovable: BTreeMap<NodeId, Unremovable>,
    utilization: BTreeMap<NodeId, Utilization>,
    hints: Hints,
    looks: Looks,
    latest: Option<SimTime>,
    least_interval: Option<SimDuration>,
}

#[derive(Debug, Clone)]
struct Entry {
    removable: Removable,
    since: SimTime,
}

/// A node that can go.
#[derive(Debug, Clone)]
struct Removable {
    node: Arc<Node>,
    move_count: usize,
    waits_for_completion: bool,
    /// Its pods together exceed a budget.
    risky: bool,
}

/// What a loop gives the planner.
pub(crate) struct Plan<'a> {
    pub(crate) seen: &'a Observation,
    pub(crate) options: &'a Options,
    pub(crate) sight: &'a mut Sight,
    pub(crate) cloud: &'a Cloud,
    pub(crate) budgets: &'a mut RemainingBudgets,
    /// Nodes whose removal is under way.
    pub(crate) deleting: &'a BTreeSet<NodeId>,
    /// How many of them each group has.
    pub(crate) deleting_in: &'a BTreeMap<PoolId, usize>,
}

/// What would happen to a node if it were removed alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alone {
    /// Node.
    pub node: NodeId,
    /// Whether it could go.
    pub fate: Fate,
}

/// Whether a node could go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    /// It could.
    Removable {
        /// Pods would have to move.
        drain: bool,
        /// A pod would be waited for.
        on_completion: bool,
        /// Its pods together exceed a budget.
        risky: bool,
    },
    /// It could not.
    Unremovable(Unremovable),
}

impl Plan<'_> {
    /// The same for a shorter time.
    pub(crate) fn again(&mut self) -> Plan<'_> {
        Plan {
            seen: self.seen,
            options: self.options,
            sight: self.sight,
            cloud: self.cloud,
            budgets: self.budgets,
            deleting: self.deleting,
            deleting_in: self.deleting_in,
        }
    }
}

impl Planner {
    /// Nodes that are not needed, by id.
    pub(crate) fn unneeded(&self) -> Vec<UnneededNode> {
        let node = |entry: &Entry| UnneededNode {
            node: entry.removable.node.id,
            since: entry.since,
            needs_drain: entry.removable.move_count > 0,
        };
        self.unneeded.values().map(node).collect()
    }

    /// Nodes that stay, as last planned.
    pub(crate) fn unremovable(&self) -> &BTreeMap<NodeId, Unremovable> {
        &self.unremovable
    }

    /// Utilisation of the nodes last looked at.
    pub(crate) fn utilization(&self) -> &BTreeMap<NodeId, Utilization> {
        &self.utilization
    }

    /// Forgets all timers.
    pub(crate) fn forget(&mut self) {
        self.unneeded.clear();
    }

    /// Takes timers over from soft taints of an earlier process.
    pub(crate) fn restore(&mut self, seen: &Observation, options: &Options) {
        for node in &seen.nodes {
            let since = node.taint_time(DELETION_CANDIDATE);
            if let Some(since) =
                since.filter(|since| *since + options.node_deletion_candidate_ttl >= seen.now)
            {
                let removable = Removable {
                    node: Arc::clone(node),
                    move_count: 0,
                    waits_for_completion: false,
                    risky: false,
                };
                self.unneeded.insert(node.id, Entry { removable, since });
            }
        }
    }

    /// Nodes that may be removed at all, those that cost the least trouble first: empty ones, then
    /// those that were not needed before (processors/nodes, processors/scaledowncandidates).
    pub(crate) fn candidates(&mut self, nodes: &[Arc<Node>], plan: &Plan<'_>) -> Vec<Arc<Node>> {
        let targets = plan.cloud.targets();
        let above_minimum = |node: &&Arc<Node>| {
            let group = node.group.and_then(|group| plan.seen.group(group));
            group.is_some_and(|group| targets[&group.id] > group.min)
        };
        self.looks.begin(plan.seen, plan.sight);
        let (looks, previous) = (&mut self.looks, &self.previous);
        let mut rank = |node: &Arc<Node>| {
            let load = plan
                .sight
                .slot_of(node.id)
                .map_or(Load { is_empty: false, waits: false }, |slot| {
                    looks.load(slot, plan.sight, plan.options, plan.seen.now)
                });
            (!load.is_empty, load.waits, !previous.contains(&node.id))
        };
        let mut ranked: Vec<_> =
            nodes.iter().filter(above_minimum).map(|node| (rank(node), node)).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, node)| Arc::clone(node)).collect()
    }

    /// Finds the nodes that could go together and starts or continues their timers
    /// (`UpdateClusterState`).
    pub(crate) fn update(
        &mut self,
        mut plan: Plan<'_>,
        destinations: &[Arc<Node>],
        candidates: &[Arc<Node>],
    ) {
        let now = plan.seen.now;
        let usual = plan.options.scale_down_unneeded_time.max(SimDuration::from_nanos(1));
        let interval = self.latest.map_or(usual, |latest| now.since(latest));
        self.least_interval = Some(self.least_interval.unwrap_or(usual).min(interval));
        self.latest = Some(now);
        plan.sight.fork();
        self.categorize(&mut plan, destinations, candidates);
        plan.sight.revert();
        self.hints.drop_old();
    }

    fn categorize(
        &mut self,
        plan: &mut Plan<'_>,
        destinations: &[Arc<Node>],
        candidates: &[Arc<Node>],
    ) {
        let now = plan.seen.now;
        let free = |node: &&Arc<Node>| !plan.deleting.contains(&node.id);
        let mut open: BTreeSet<NodeSlot> = destinations
            .iter()
            .filter(free)
            .filter_map(|node| plan.sight.slot_of(node.id))
            .collect();
        let candidates: Vec<&Arc<Node>> = candidates.iter().filter(free).collect();
        self.unremovable.clear();
        self.recheck.retain(|id, until| *until > now && plan.sight.slot_of(*id).is_some());
        let eligible = self.eligible(plan, &candidates);
        let limit = self.limit(plan.options);
        let mut removable: Vec<Removable> = Vec::new();
        let mut whole_groups = 0;
        for node in eligible {
            if removable.len() - whole_groups >= limit {
                break;
            }
            let slot = plan.sight.slot_of(node.id).expect("eligible nodes are in sight");
            match simulate(plan, node, &open, &mut self.hints) {
                Ok(found) => {
                    open.remove(&slot);
                    let group = node.group.and_then(|group| plan.seen.group(group));
                    whole_groups +=
                        usize::from(group.is_some_and(|g| g.options.zero_or_max_node_scaling));
                    removable.push(found);
                }
                Err(reason) => {
                    self.unremovable.insert(node.id, reason);
                    let until = now + plan.options.unremovable_node_recheck_timeout;
                    self.recheck.insert(node.id, until);
                }
            }
        }
        self.keep_timers(removable, now);
    }

    /// Candidates worth a try; notes why the others are not.
    fn eligible<'n>(
        &mut self,
        plan: &Plan<'_>,
        candidates: &[&'n Arc<Node>],
    ) -> Vec<&'n Arc<Node>> {
        self.utilization.clear();
        let mut eligible = Vec::new();
        for &node in candidates {
            let group = node.group.and_then(|group| plan.seen.group(group));
            let (Some(slot), Some(group)) = (plan.sight.slot_of(node.id), group) else {
                self.unremovable.insert(node.id, UnremovableReason::UnexpectedError.into());
                continue;
            };
            if self.recheck.contains_key(&node.id) {
                self.unremovable.insert(node.id, UnremovableReason::RecentlyUnremovable.into());
                continue;
            }
            let (sight, options, now) = (&*plan.sight, plan.options, plan.seen.now);
            let (reason, utilization) =
                self.looks.eligibility(node, slot, &group.options, sight, options, now);
            self.utilization.extend(utilization.map(|found| (node.id, found)));
            match reason {
                Some(reason) => {
                    self.unremovable.insert(node.id, reason.into());
                }
                None => eligible.push(node),
            }
        }
        eligible
    }

    /// How many nodes that can go are looked for (`unneededNodesLimit`).
    fn limit(&self, options: &Options) -> usize {
        let parallel = options.max_scale_down_parallelism;
        let nanos = |span: SimDuration| span.as_nanos().max(1);
        let interval = nanos(self.least_interval.unwrap_or(options.scale_down_unneeded_time));
        let unneeded_time = nanos(options.scale_down_unneeded_time).max(interval);
        let loops = usize::try_from(unneeded_time / interval).unwrap_or(usize::MAX);
        let ceiling = parallel.saturating_mul(loops).saturating_add(parallel);
        ceiling.min(self.unneeded.len() + 2 * parallel)
    }

    fn keep_timers(&mut self, removable: Vec<Removable>, now: SimTime) {
        let fresh = removable.into_iter().map(|removable| {
            let known = self.unneeded.get(&removable.node.id);
            let since = known.map_or(now, |entry| entry.since);
            (removable.node.id, Entry { removable, since })
        });
        self.unneeded = fresh.collect();
        self.previous = self.unneeded.keys().copied().collect();
    }

    /// Nodes whose time has come, empty ones and those to drain (`NodesToDelete`).
    pub(crate) fn due(&mut self, plan: &Plan<'_>) -> (Vec<NodeId>, Vec<NodeId>) {
        if self.unneeded.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let nodes = plan.sight.nodes().iter().map(|slot| plan.sight.facts(*slot));
        let shapes =
            nodes.map(|facts| (&facts.shape, facts.group.and_then(|group| plan.seen.group(group))));
        let Ok(mut limits) = Limits::new(shapes, Bound::Minimum, plan.options) else {
            return (Vec::new(), Vec::new());
        };
        let mut sizes = plan.cloud.targets();
        let mut order: Vec<&Entry> = {
            let listed = plan.seen.nodes.iter().filter_map(|node| self.unneeded.get(&node.id));
            listed.collect()
        };
        order.sort_by_key(|entry| (entry.removable.move_count > 0, entry.since));
        let mut chosen = Vec::new();
        let mut refused: Vec<(NodeId, UnremovableReason)> = Vec::new();
        for entry in order {
            match self.refusal(entry, plan, &mut sizes, &mut limits) {
                Some(reason) => refused.push((entry.removable.node.id, reason)),
                None => chosen.push(&entry.removable),
            }
        }
        // A risky drain comes last.
        chosen.sort_by_key(|removable| removable.move_count > 0 && removable.risky);
        let chosen = whole_groups_only(chosen, plan, &mut refused);
        let (mut empty, mut drain) = (Vec::new(), Vec::new());
        for removable in chosen {
            if removable.waits_for_completion {
                refused.push((removable.node.id, UnremovableReason::BlockedByOnCompletionPod));
            } else if removable.move_count > 0 {
                drain.push(removable.node.id);
            } else {
                empty.push(removable.node.id);
            }
        }
        let refused = refused.into_iter().map(|(node, reason)| (node, reason.into()));
        self.unremovable.extend(refused);
        (empty, drain)
    }

    fn refusal(
        &self,
        entry: &Entry,
        plan: &Plan<'_>,
        sizes: &mut BTreeMap<PoolId, i64>,
        limits: &mut Limits,
    ) -> Option<UnremovableReason> {
        let node = &entry.removable.node;
        let options = plan.options;
        let group = node.group.and_then(|group| plan.seen.group(group));
        let Some(group) = group else {
            return Some(UnremovableReason::NotAutoscaled);
        };
        if node.scale_down_disabled() {
            return Some(UnremovableReason::ScaleDownDisabledAnnotation);
        }
        let (threshold, too_early) = if node.is_ready() {
            let own = group.options.scale_down_unneeded_time;
            let time = own.unwrap_or(options.scale_down_unneeded_time);
            (time, UnremovableReason::NotUnneededLongEnough)
        } else {
            let own = group.options.scale_down_unready_time;
            let time = own.unwrap_or(options.scale_down_unready_time);
            (time, UnremovableReason::NotUnreadyLongEnough)
        };
        let planned = self.latest.unwrap_or(plan.seen.now);
        if !threshold.is_zero() && entry.since + threshold >= planned {
            return Some(too_early);
        }
        let size = sizes.get_mut(&group.id)?;
        let deleting = plan.deleting_in.get(&group.id).copied().unwrap_or(0);
        if *size - i64::try_from(deleting).expect("nodes are few") <= group.min {
            return Some(UnremovableReason::NodeGroupMinSizeReached);
        }
        match limits.consume(&node.shape, group, 1) {
            Err(_) => return Some(UnremovableReason::UnexpectedError),
            Ok(allowance) if !allowance.exceeded.is_empty() => {
                return Some(UnremovableReason::MinimalResourceLimitExceeded);
            }
            Ok(_) => {}
        }
        *size -= 1;
        None
    }

    /// Tries the removal of every node alone, with fresh budgets and all others staying.
    pub(crate) fn each_alone(plan: &mut Plan<'_>, nodes: &[Arc<Node>]) -> Vec<Alone> {
        let fresh = plan.budgets.clone();
        let open: BTreeSet<NodeSlot> =
            nodes.iter().filter_map(|node| plan.sight.slot_of(node.id)).collect();
        let mut result = Vec::new();
        for node in nodes {
            plan.sight.fork();
            let fate = match simulate(plan, node, &open, &mut Hints::default()) {
                Ok(found) => Fate::Removable {
                    drain: found.move_count > 0,
                    on_completion: found.waits_for_completion,
                    risky: found.risky,
                },
                Err(unremovable) => Fate::Unremovable(unremovable),
            };
            plan.sight.revert();
            plan.budgets.clone_from(&fresh);
            result.push(Alone { node: node.id, fate });
        }
        result
    }
}

/// Removes a node in thought: its pods move to open nodes, where they stay, and the budgets shrink
/// (`SimulateNodeRemoval`). While its pods look for a place the node stands there empty and tainted,
/// so that it still counts for spreading.
fn simulate(
    plan: &mut Plan<'_>,
    node: &Arc<Node>,
    open: &BTreeSet<NodeSlot>,
    hints: &mut Hints,
) -> Result<Removable, Unremovable> {
    let unexpected = || Unremovable::from(UnremovableReason::UnexpectedError);
    let slot = plan.sight.slot_of(node.id).ok_or_else(unexpected)?;
    let pods = plan.sight.pods_on(slot);
    let context = DrainContext {
        now: plan.seen.now,
        options: plan.options,
        budgets: plan.budgets,
        controllers: Some(&plan.seen.controllers),
    };
    let moves = pods_to_move(&pods, &context).map_err(|blocking| Unremovable {
        reason: UnremovableReason::BlockedByPod,
        blocking: Some(blocking),
    })?;
    plan.sight.fork();
    for pod in &pods {
        plan.sight.take(pod.id, slot);
    }
    let value = Arc::from(plan.seen.now.since(SimTime::ZERO).as_secs().to_string());
    let taint = Taint { key: Arc::from(TO_BE_DELETED), value, effect: TaintEffect::NoSchedule };
    plan.sight.taint(slot, taint);
    let elsewhere = |other: NodeSlot| other != slot && open.contains(&other);
    let placed = place_all(plan.sight, hints, &moves.pods, true, &elsewhere);
    if placed.len() < moves.pods.len() {
        plan.sight.revert();
        return Err(UnremovableReason::NoPlaceToMovePods.into());
    }
    plan.sight.remove_node(slot);
    plan.sight.keep();
    let removable = Removable {
        node: Arc::clone(node),
        move_count: moves.pods.len(),
        waits_for_completion: !moves.on_completion.is_empty(),
        risky: !plan.budgets.can_remove_in_parallel(&moves.pods),
    };
    plan.budgets.remove(&moves.pods);
    Ok(removable)
}

/// Groups that go as a whole keep their nodes unless all of them were chosen
/// (processors/nodes/scale_down_set_processor.go).
fn whole_groups_only<'r>(
    chosen: Vec<&'r Removable>,
    plan: &Plan<'_>,
    refused: &mut Vec<(NodeId, UnremovableReason)>,
) -> Vec<&'r Removable> {
    let group_of = |removable: &Removable| removable.node.group.and_then(|g| plan.seen.group(g));
    let is_whole = |removable: &&Removable| {
        group_of(removable).is_some_and(|group| group.options.zero_or_max_node_scaling)
    };
    let (whole, mut single): (Vec<&Removable>, Vec<&Removable>) =
        chosen.into_iter().partition(is_whole);
    let groups: BTreeSet<PoolId> = whole.iter().filter_map(|r| r.node.group).collect();
    for group in groups {
        let members: Vec<&Removable> =
            whole.iter().copied().filter(|r| r.node.group == Some(group)).collect();
        let count = members.len();
        let target = usize::try_from(plan.cloud.target(group)).unwrap_or(0);
        if count == target || count == registered(plan.sight, plan.cloud, group) {
            single.extend(members);
        } else {
            let failed = |r: &Removable| (r.node.id, UnremovableReason::AtomicScaleDownFailed);
            refused.extend(members.into_iter().map(failed));
        }
    }
    single
}

/// Nodes of a group that exist and have an instance.
pub(super) fn registered(sight: &Sight, cloud: &Cloud, group: PoolId) -> usize {
    let nodes = sight.nodes().iter().filter_map(|slot| sight.facts(*slot).node.as_ref());
    let mut names = cloud.instance_names();
    let Some(names) = names.get_mut(&group) else { return 0 };
    nodes.filter(|node| names.contains(&node.name)).count()
}
