//! The Cluster Autoscaler of release 1.37 on Kubernetes 1.36: adds nodes for pods that wait, removes
//! nodes nobody needs.
//!
//! [`ClusterAutoscaler::run_once`] is one loop: it looks at an [`Observation`] and returns what it
//! decided with all reasons and the calls it made. What it does between loops (waiting after a
//! taint, draining, deleting) is done by [`ClusterAutoscaler::act`], due at
//! [`ClusterAutoscaler::next_due`]. Whoever runs it carries the calls out and answers evictions with
//! [`ClusterAutoscaler::eviction_answered`].
//!
//! Where the real one is random (order of nodes, of pods alike, of equally good candidates) the
//! order of the observation decides; only ties between expansion options may be random.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::control::scheduler::Surroundings;
use crate::model::id::{NodeId, PodId, PoolId};
use crate::units::{SimDuration, SimTime};

pub mod backoff;
pub mod cloud;
mod flags;
mod limits;
pub mod live;
pub mod observation;
pub mod options;
mod placement;
mod pod_list;
mod pods;
mod registry;
pub mod scale_down;
pub mod scale_up;
mod sight;
pub mod status;
mod status_map;
mod template;
#[cfg(test)]
mod tests;

pub use cloud::{Call, Command};
pub use observation::Observation;
pub use options::Options;
pub use scale_down::actuator::{DeletionOutcome, Ended, EvictionAnswer};
pub use scale_up::expander::{Priorities, TieBreak};
pub use status::LoopStatus;

use cloud::Cloud;
use observation::{DELETION_CANDIDATE, Node, Pod, TO_BE_DELETED};
use placement::Hints;
use registry::Registry;
use scale_down::actuator::Actuator;
use scale_down::drainability::RemainingBudgets;
use scale_down::planner::{Plan, Planner};
use scale_up::ScaleUp;
use sight::Sight;
use status::{NoScaleUp, ScaleDownResult, ScaleUpResult};
use template::{TemplateCache, Templates};

/// The past of a fresh autoscaler: its last change is taken to lie so far back.
const BEFORE_START: SimDuration = SimDuration::from_secs(3600);

/// The autoscaler and what it remembers.
#[derive(Debug)]
pub struct ClusterAutoscaler {
    options: Options,
    priorities: Priorities,
    surroundings: Surroundings,
    tie: TieBreak,
    started: Option<SimTime>,
    registry: Registry,
    templates: TemplateCache,
    hints: Hints,
    /// The nodes of the last loop, as they are and as they count.
    counted: Vec<(Arc<Node>, Arc<Node>)>,
    /// The cluster as the last loop saw it.
    sight: Sight,
    planner: Planner,
    actuator: Actuator,
    last_scale_up: Option<SimTime>,
    last_delete: Option<SimTime>,
    /// Times of the last change of each group, for `scale-down-delay-type-local`.
    local: BTreeMap<PoolId, LocalTimes>,
}

#[derive(Debug, Clone, Copy, Default)]
struct LocalTimes {
    added: Option<SimTime>,
    deleted: Option<SimTime>,
    failed: Option<SimTime>,
}

/// A loop half done.
struct Loop<'a> {
    seen: &'a Observation,
    /// Nodes as the loop counts them: those that still start count as unready.
    nodes: Vec<Arc<Node>>,
    /// How many of them are ready.
    ready: usize,
    sight: Sight,
    cloud: Cloud,
    templates: Templates,
    status: LoopStatus,
    /// All pods that wait are new: nothing is removed either.
    wait_for_more: bool,
}

impl ClusterAutoscaler {
    /// A fresh autoscaler. `surroundings` are the namespaces' labels, which affinity may ask for.
    #[must_use]
    pub fn new(
        options: Options,
        priorities: Priorities,
        surroundings: Surroundings,
        tie: TieBreak,
    ) -> Self {
        Self {
            options,
            priorities,
            tie,
            started: None,
            registry: Registry::default(),
            templates: TemplateCache::default(),
            hints: Hints::default(),
            counted: Vec::new(),
            sight: Sight::new(surroundings.clone(), 0),
            surroundings,
            planner: Planner::default(),
            actuator: Actuator::default(),
            last_scale_up: None,
            last_delete: None,
            local: BTreeMap::new(),
        }
    }

    /// The flags.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// When the next loop begins after one at `seen.now`, unless a pod turns unschedulable before:
    /// at once after a loop that changed something, with frequent loops (loop/trigger.go).
    #[must_use]
    pub fn next_loop(&self, before_last: SimTime, last: SimTime) -> SimTime {
        let productive = |at: Option<SimTime>| at.is_some_and(|at| at >= before_last);
        if self.options.frequent_loops_enabled
            && (productive(self.last_scale_up) || productive(self.last_delete))
        {
            return last;
        }
        last + self.options.scan_interval
    }

    /// One loop (core/static_autoscaler.go `RunOnce`).
    pub fn run_once(&mut self, seen: &Observation) -> LoopStatus {
        if !self.options.scale_up_from_zero && !self.has_ready_nodes(seen) {
            self.planner.forget();
            return LoopStatus::default();
        }
        let mut run = self.begin(seen);
        if self.may_scale(&mut run) {
            self.scale_up(&mut run);
            if self.options.scale_down_enabled {
                self.scale_down(&mut run);
            }
            if self.options.enforce_node_group_min_size {
                let mut raised = false;
                let grown = self.scaling(&mut run, |scale_up, _| {
                    let (grown, refused) = scale_up.raise_to_minimum();
                    raised = !grown.is_empty() && !refused;
                    grown
                });
                self.note_growth(&grown, seen.now);
                if raised {
                    self.last_scale_up = Some(seen.now);
                }
            }
        }
        self.finish(run)
    }

    /// Whether any node is ready: without, and with `scale-up-from-zero` off, a loop ends before it
    /// looks at anything (processors/actionablecluster `EmptyClusterProcessor`).
    fn has_ready_nodes(&self, seen: &Observation) -> bool {
        seen.nodes.iter().any(|node| counted(node, &self.options).ready_and_schedulable())
    }

    fn begin<'a>(&mut self, seen: &'a Observation) -> Loop<'a> {
        let mut cloud = Cloud::new(seen);
        if self.started.is_none() {
            self.started = Some(seen.now);
            self.clean_up(seen, &mut cloud);
        }
        self.count_nodes(seen);
        let nodes: Vec<Arc<Node>> =
            self.counted.iter().map(|(_, counted)| Arc::clone(counted)).collect();
        let mut sight = std::mem::take(&mut self.sight);
        sight.follow(seen, &nodes, &self.options);
        sight.fork();
        let templates = self.templates.compute(seen, &nodes, &mut sight, &self.options);
        let known = |group: PoolId| templates.contains_key(&group);
        self.registry.update(seen, &nodes, &known, &mut cloud, &self.options);
        let status = LoopStatus::default();
        let ready = nodes.iter().filter(|node| node.ready_and_schedulable()).count();
        Loop { seen, nodes, ready, sight, cloud, templates, status, wait_for_more: false }
    }

    /// Works out how the nodes count, anew for those that are not as a loop before.
    fn count_nodes(&mut self, seen: &Observation) {
        let before = std::mem::take(&mut self.counted);
        let mut before = before.into_iter().peekable();
        self.counted.extend(seen.nodes.iter().map(|node| {
            // Nodes go from anywhere in the list and come at its end; in any other order all are new.
            while before.next_if(|(known, _)| known.id < node.id).is_some() {}
            before
                .next_if(|(known, _)| Arc::ptr_eq(known, node))
                .unwrap_or_else(|| (Arc::clone(node), counted(node, &self.options)))
        }));
    }

    /// What an earlier process left behind: taints of removals under way, timers in soft taints.
    fn clean_up(&mut self, seen: &Observation, cloud: &mut Cloud) {
        for node in seen.nodes.iter().filter(|node| node.group.is_some()) {
            if node.has_taint(TO_BE_DELETED) {
                cloud.api(Command::Untaint { node: node.id, hard: true });
                if self.options.cordon_node_before_terminating && node.shape.unschedulable {
                    cloud.api(Command::Uncordon(node.id));
                }
            }
        }
        if self.options.max_bulk_soft_taint_count == 0 {
            let ttl = self.options.node_deletion_candidate_ttl;
            let stale = seen.nodes.iter().filter(|node| {
                let fresh = |at| seen.now.since(at) < ttl;
                node.has_taint(DELETION_CANDIDATE)
                    && !node.taint_time(DELETION_CANDIDATE).is_some_and(fresh)
            });
            for node in stale {
                cloud.api(Command::Untaint { node: node.id, hard: false });
            }
        }
        if !self.options.node_deletion_candidate_ttl.is_zero() {
            self.planner.restore(seen, &self.options);
        }
    }

    /// Repairs groups; whether the loop goes on to scale.
    fn may_scale(&mut self, run: &mut Loop<'_>) -> bool {
        self.delete_long_unregistered(run);
        if !self.registry.is_cluster_healthy(&self.options) {
            self.planner.forget();
            run.status.cluster_unhealthy = true;
            return false;
        }
        self.delete_failed(run);
        match self.fix_sizes(run) {
            Ok(fixed) => !fixed,
            Err(error) => {
                run.status.error = Some(error);
                false
            }
        }
    }

    /// Instances that never registered are deleted, not below the minimum of their group.
    fn delete_long_unregistered(&mut self, run: &mut Loop<'_>) {
        for (id, mut names) in self.registry.long_unregistered(run.seen, &self.options) {
            let Some(group) = run.seen.group(id) else {
                continue;
            };
            if !self.options.force_delete_unregistered_nodes {
                let room = usize::try_from(run.cloud.target(id) - group.min).unwrap_or(0);
                if room == 0 {
                    continue;
                }
                names.truncate(room);
            }
            if group.options.zero_or_max_node_scaling {
                names = all_names(&run.cloud, id);
            }
            if !names.is_empty() {
                let refused = run.cloud.delete_nodes(id, names).is_err();
                self.registry.forget_instances(id);
                if refused {
                    return;
                }
            }
        }
    }

    /// Instances that could not be made are deleted.
    fn delete_failed(&mut self, run: &mut Loop<'_>) {
        let mut any = false;
        for (id, mut names) in self.registry.failed_instances() {
            let Some(group) = run.seen.group(id) else {
                continue;
            };
            if group.options.zero_or_max_node_scaling {
                names = all_names(&run.cloud, id);
            }
            if run.cloud.delete_nodes(id, names).is_ok() {
                any = true;
                self.registry.forget_instances(id);
            }
        }
        if any {
            self.registry.recalculate(&run.cloud);
        }
    }

    /// Targets that have been too large for long are lowered; whether any was.
    fn fix_sizes(&self, run: &mut Loop<'_>) -> Result<bool, String> {
        let mut fixed = false;
        for group in &run.seen.groups {
            if let Some(excess) = self.registry.excess_target(group, &self.options, run.seen.now) {
                let answer = run.cloud.decrease_target_size(group.id, excess);
                answer.map_err(|error| format!("failed to decrease {}: {error}", group.name))?;
                fixed = true;
            }
        }
        Ok(fixed)
    }

    fn scale_up(&mut self, run: &mut Loop<'_>) {
        self.add_upcoming(run);
        let draining: Vec<NodeId> = self.actuator.under_way(Some(true)).into_iter().collect();
        let pending = pods::unschedulable(run.seen);
        let options = &self.options;
        let sorted = pods::sort_out(pending, &draining, &mut run.sight, &mut self.hints, options);
        let status = &mut run.status.scale_up;
        status.fit_on_existing = sorted.fit;
        status.to_help = sorted.to_help.iter().map(|pod| pod.id).collect();
        let now = run.seen.now;
        let waiting = pods::old_enough(sorted.to_help, options, now);
        let total = usize::try_from(options.max_nodes_total).unwrap_or(0);
        if waiting.is_empty() {
            status.result = ScaleUpResult::NotNeeded;
        } else if total > 0 && run.ready >= total {
            status.result = ScaleUpResult::LimitedByMaxNodesTotal;
            let stuck = |pod: &Arc<Pod>| NoScaleUp {
                pod: pod.id,
                rejected: BTreeMap::new(),
                words: BTreeMap::new(),
            };
            status.remain_unschedulable = waiting.iter().map(stuck).collect();
        } else if pods::all_new(&waiting, now) {
            status.result = ScaleUpResult::InCooldown;
            run.wait_for_more = true;
        } else {
            let mut grown = Vec::new();
            self.scaling(run, |scale_up, status| {
                grown = scale_up.run(&waiting, &mut status.scale_up);
                Vec::new()
            });
            self.note_growth(&grown, now);
            if run.status.scale_up.result == ScaleUpResult::Successful {
                self.last_scale_up = Some(now);
                run.status.scale_down.result = ScaleDownResult::InCooldown;
            }
        }
    }

    /// Runs something with everything a scale-up works with.
    fn scaling(
        &mut self,
        run: &mut Loop<'_>,
        work: impl FnOnce(&mut ScaleUp<'_>, &mut LoopStatus) -> Vec<PoolId>,
    ) -> Vec<PoolId> {
        let mut scale_up = ScaleUp {
            seen: run.seen,
            options: &self.options,
            templates: &run.templates,
            priorities: &self.priorities,
            tie: &mut self.tie,
            sight: &mut run.sight,
            registry: &mut self.registry,
            cloud: &mut run.cloud,
        };
        work(&mut scale_up, &mut run.status)
    }

    fn note_growth(&mut self, groups: &[PoolId], now: SimTime) {
        for group in groups {
            self.local.entry(*group).or_default().added = Some(now);
        }
    }

    /// Nodes on their way stand in for themselves as copies of their group's template; those of them
    /// that registered and have not started are taken out of sight.
    fn add_upcoming(&self, run: &mut Loop<'_>) {
        let templates = &run.templates;
        let known = |group: PoolId| templates.contains_key(&group);
        let upcoming = self.registry.upcoming(run.seen.now, &known);
        for (group, count, _) in &upcoming {
            if let Some(template) = templates.get(group) {
                let made_in = template.made_in;
                for number in 0..*count {
                    let name = format!("template-node-for-{group}-{made_in}-upcoming-{number}");
                    run.sight.add_copy(template, Arc::from(name));
                }
            }
        }
        let starting: BTreeSet<NodeId> =
            upcoming.into_iter().flat_map(|(_, _, started)| started).collect();
        for node in &starting {
            if let Some(slot) = run.sight.slot_of(*node) {
                run.sight.remove_node(slot);
            }
        }
        run.nodes.retain(|node| !starting.contains(&node.id));
    }

    fn scale_down(&mut self, run: &mut Loop<'_>) {
        let now = run.seen.now;
        let deleting = self.actuator.under_way(None);
        let deleting_in = self.actuator.count_by_group();
        let mut budgets = RemainingBudgets::new(&run.seen.budgets);
        let mut plan = Plan {
            seen: run.seen,
            options: &self.options,
            sight: &mut run.sight,
            cloud: &run.cloud,
            budgets: &mut budgets,
            deleting: &deleting,
            deleting_in: &deleting_in,
        };
        let mut candidates = self.planner.candidates(&run.nodes, &plan);
        if self.options.scale_down_delay_type_local {
            candidates.retain(|node| !self.is_delayed(node, now));
        }
        self.planner.update(plan.again(), &run.nodes, &candidates);
        let result = if self.in_cooldown(now) || run.wait_for_more {
            ScaleDownResult::InCooldown
        } else if candidates.is_empty() {
            ScaleDownResult::NoCandidates
        } else {
            let (empty, drain) = self.planner.due(&plan);
            let (sight, cloud) = (&run.sight, &mut run.cloud);
            let begun = self.actuator.start(&empty, &drain, run.seen, sight, cloud, &self.options);
            (run.status.scale_down.delete_empty, run.status.scale_down.delete_drain) = begun;
            let none = run.status.scale_down.delete_empty.is_empty()
                && run.status.scale_down.delete_drain.is_empty();
            if none {
                ScaleDownResult::NoNodeDeleted
            } else {
                self.last_delete = Some(now);
                self.registry.recalculate(&run.cloud);
                ScaleDownResult::NodeDeleteStarted
            }
        };
        run.status.scale_down.result = result;
        let unneeded = self.planner.unneeded().iter().map(|entry| entry.node).collect();
        scale_down::soft_taints::update(&run.nodes, &unneeded, &mut run.cloud, &self.options);
    }

    /// Whether a pause after an earlier change lasts (`isScaleDownInCooldown`).
    fn in_cooldown(&self, now: SimTime) -> bool {
        let options = &self.options;
        let lasts = |last: Option<SimTime>, delay: SimDuration| match (last, self.started) {
            (Some(at), _) => at + delay > now,
            (None, Some(start)) => start + delay > now + BEFORE_START,
            (None, None) => false,
        };
        !options.scale_down_delay_type_local
            && (lasts(self.last_scale_up, options.scale_down_delay_after_add)
                || lasts(None, options.scale_down_delay_after_failure)
                || lasts(self.last_delete, options.scale_down_delay_after_delete))
    }

    /// Whether the node's group changed a short while ago.
    fn is_delayed(&self, node: &Node, now: SimTime) -> bool {
        let times = node.group.and_then(|group| self.local.get(&group)).copied();
        let times = times.unwrap_or_default();
        let lasts = |at: Option<SimTime>, delay| at.is_some_and(|at| at + delay > now);
        lasts(times.added, self.options.scale_down_delay_after_add)
            || lasts(times.deleted, self.options.scale_down_delay_after_delete)
            || lasts(times.failed, self.options.scale_down_delay_after_failure)
    }

    fn finish(&mut self, run: Loop<'_>) -> LoopStatus {
        let Loop { seen, mut sight, cloud, templates, mut status, .. } = run;
        sight.revert();
        self.sight = sight;
        let known = |group: PoolId| templates.contains_key(&group);
        let upcoming = self.registry.upcoming(seen.now, &known);
        status.upcoming = upcoming.into_iter().map(|(group, count, _)| (group, count)).collect();
        for group in &seen.groups {
            if known(group.id) && self.registry.backoff.is_backed_off(group.id, seen.now) {
                status.backed_off.push(group.id);
            }
            if !self.registry.is_group_healthy(group.id, &self.options) {
                status.unhealthy.push(group.id);
            }
        }
        status.scale_down.unneeded = self.planner.unneeded();
        status.scale_down.unremovable.clone_from(self.planner.unremovable());
        status.scale_down.utilization.clone_from(self.planner.utilization());
        status.calls = cloud.calls;
        status
    }

    /// When [`ClusterAutoscaler::act`] is to be called; a time in the past means at once.
    #[must_use]
    pub fn next_due(&self) -> Option<SimTime> {
        self.actuator.next_due()
    }

    /// Goes on with removals: what is due at `seen.now`. Returns the calls made and the removals
    /// that ended.
    pub fn act(&mut self, seen: &Observation) -> (Vec<Call>, Vec<Ended>) {
        let mut cloud = Cloud::new(seen);
        let ended = self.actuator.act(seen, &mut cloud, &self.options);
        for end in &ended {
            let times = self.local.entry(end.group).or_default();
            match &end.outcome {
                DeletionOutcome::Deleted => {
                    times.deleted = Some(seen.now);
                    self.registry.register_removal(end.group, seen.now);
                }
                DeletionOutcome::Refused(_) => times.failed = Some(seen.now),
                DeletionOutcome::Blocked(_)
                | DeletionOutcome::NotEmpty
                | DeletionOutcome::OnCompletionPods
                | DeletionOutcome::EvictionsRefused(_)
                | DeletionOutcome::PodsRemained(_)
                | DeletionOutcome::GroupFailed => {}
            }
        }
        (cloud.calls, ended)
    }

    /// The answer to a [`Command::Evict`].
    pub fn eviction_answered(&mut self, pod: PodId, answer: EvictionAnswer, now: SimTime) {
        self.actuator.answered(pod, answer, now);
    }

    /// What the removal of each node alone would meet, with pending pods where they fit:
    /// a question of reports, which changes nothing.
    #[must_use]
    pub fn removal_of_each(&self, seen: &Observation) -> Vec<scale_down::Alone> {
        let nodes: Vec<Arc<Node>> =
            seen.nodes.iter().map(|node| counted(node, &self.options)).collect();
        let mut sight = Sight::new(self.surroundings.clone(), self.sight.last_found());
        sight.follow(seen, &nodes, &self.options);
        let pending = pods::unschedulable(seen);
        pods::sort_out(pending, &[], &mut sight, &mut Hints::default(), &self.options);
        let mut budgets = RemainingBudgets::new(&seen.budgets);
        let mut plan = Plan {
            seen,
            options: &self.options,
            sight: &mut sight,
            cloud: &Cloud::new(seen),
            budgets: &mut budgets,
            deleting: &BTreeSet::new(),
            deleting_in: &BTreeMap::new(),
        };
        Planner::each_alone(&mut plan, &nodes)
    }
}

/// The names of all instances of a group.
fn all_names(cloud: &Cloud, group: PoolId) -> Vec<Arc<str>> {
    cloud.instances(group).iter().map(|instance| Arc::clone(&instance.name)).collect()
}

/// A node as the autoscaler counts it: a ready one without its accelerators, or with a startup taint,
/// counts as unready since it was made
/// (processors/customresources/gpu_processor.go, utils/taints/taints.go).
fn counted(node: &Arc<Node>, options: &Options) -> Arc<Node> {
    let no_gpu_yet = || {
        node.shape.labels.contains_key(&*options.gpu_label)
            && node.shape.allocatable_gpu().is_none()
    };
    let mut taints = node.shape.taints.iter();
    let tainted = taints.any(|taint| template::is_startup_taint(&taint.key, options));
    if node.ready_and_schedulable() && (tainted || no_gpu_yet()) {
        Arc::new(Node { ready: false, ready_since: node.created, ..Node::clone(node) })
    } else {
        Arc::clone(node)
    }
}
