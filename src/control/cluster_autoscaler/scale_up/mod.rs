//! Adding nodes for pods that wait (core/scaleup/orchestrator/orchestrator.go).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cloud::Cloud;
use super::limits::{Bound, Limits};
use super::observation::{Group, Observation, Pod};
use super::options::Options;
use super::registry::Registry;
use super::sight::Sight;
use super::status::{
    NoScaleUp, OptionStatus, RejectReason, ScaleUpResult, ScaleUpStatus, SkipReason,
};
use super::template::Templates;
use crate::model::id::PoolId;

pub mod balancing;
mod equivalence;
mod estimator;
pub mod expander;

use balancing::GroupChange;
use equivalence::PodGroup;
use estimator::NodeLimit;
use expander::{Market, Priorities, TieBreak};

/// What growing one group would do.
#[derive(Debug, Clone)]
pub(crate) struct ExpansionOption {
    pub(crate) group: PoolId,
    pub(crate) nodes: i64,
    pub(crate) pods: Vec<Arc<Pod>>,
    pub(crate) similar: Vec<PoolId>,
}

/// Everything one scale-up works with.
pub(super) struct ScaleUp<'a> {
    pub(super) seen: &'a Observation,
    pub(super) options: &'a Options,
    pub(super) templates: &'a Templates,
    pub(super) priorities: &'a Priorities,
    pub(super) tie: &'a mut TieBreak,
    pub(super) sight: &'a mut Sight,
    pub(super) registry: &'a mut Registry,
    pub(super) cloud: &'a mut Cloud,
}

type Helped = BTreeMap<PoolId, Vec<usize>>;

impl ScaleUp<'_> {
    /// Finds the best way to help the pods and asks the cloud for it. Adds its findings to `status`
    /// and returns the groups that were asked to grow.
    pub(super) fn run(&mut self, pods: &[Arc<Pod>], status: &mut ScaleUpStatus) -> Vec<PoolId> {
        let mut groups = equivalence::group(pods);
        let node_count = self.sight.nodes().len();
        let Ok(mut limits) = self.limits() else {
            self.fail(&mut groups, "could not create quotas tracker", status);
            return Vec::new();
        };
        let valid = self.valid_groups(&mut limits, node_count, status);
        let helped: Helped =
            valid.iter().map(|&group| (group, self.helped_pods(group, &mut groups))).collect();
        let options: Vec<ExpansionOption> = valid
            .iter()
            .filter_map(|&group| self.option(group, &groups, &helped, node_count))
            .collect();
        status.options = options.iter().map(OptionStatus::of).collect();
        if options.is_empty() {
            status.result = ScaleUpResult::NoOptionsAvailable;
            status.remain_unschedulable = self.remaining(&groups);
            return Vec::new();
        }
        let Some(best) = self.best(&options, node_count, status) else {
            mark(&mut groups, |_| true, RejectReason::FilteredOut);
            status.result = ScaleUpResult::NoOptionsAvailable;
            status.remain_unschedulable = self.remaining(&groups);
            return Vec::new();
        };
        match self.plan(best, &helped, &mut limits, node_count) {
            Ok(plan) => self.execute(plan, best, &mut groups, status),
            Err(error) => {
                self.fail(&mut groups, &error, status);
                Vec::new()
            }
        }
    }

    fn limits(&self) -> Result<Limits, super::limits::UnknownGpus> {
        let facts = self.sight.nodes().iter().map(|slot| self.sight.facts(*slot));
        let nodes =
            facts.map(|facts| (&facts.shape, facts.group.and_then(|group| self.seen.group(group))));
        Limits::new(nodes, Bound::Maximum, self.options)
    }

    /// The pods that nobody helps, with why.
    fn remaining(&mut self, groups: &[PodGroup]) -> Vec<NoScaleUp> {
        let mut remaining = Vec::new();
        for group in groups.iter().filter(|group| !group.schedulable) {
            let words: BTreeMap<PoolId, Vec<Arc<str>>> = group
                .rejected
                .iter()
                .filter_map(|(&id, why)| match why {
                    RejectReason::Filter(rejection) => {
                        Some((id, self.sight.words(&group.pods[0], *rejection)))
                    }
                    RejectReason::ExecutionFailed | RejectReason::FilteredOut => None,
                })
                .collect();
            remaining.extend(group.pods.iter().map(|pod| NoScaleUp {
                pod: pod.id,
                rejected: group.rejected.clone(),
                words: words.clone(),
            }));
        }
        remaining
    }

    fn fail(&mut self, groups: &mut [PodGroup], error: &str, status: &mut ScaleUpStatus) {
        mark(groups, |_| true, RejectReason::ExecutionFailed);
        status.result = ScaleUpResult::Error;
        status.error = Some(error.to_owned());
        status.remain_unschedulable = self.remaining(groups);
    }

    fn group(&self, id: PoolId) -> &Group {
        self.seen.group(id).expect("groups of a loop are those of its observation")
    }

    /// Groups that may grow; notes why the others may not.
    fn valid_groups(
        &self,
        limits: &mut Limits,
        node_count: usize,
        status: &mut ScaleUpStatus,
    ) -> Vec<PoolId> {
        let mut valid = Vec::new();
        for group in &self.seen.groups {
            match self.skip_reason(group, limits, node_count) {
                Some(reason) => {
                    status.skipped.insert(group.id, reason);
                }
                None => valid.push(group.id),
            }
        }
        valid
    }

    fn skip_reason(
        &self,
        group: &Group,
        limits: &mut Limits,
        node_count: usize,
    ) -> Option<SkipReason> {
        let template = self.templates.get(&group.id);
        if !self.registry.is_group_healthy(group.id, self.options) {
            return Some(SkipReason::NotReady);
        }
        if template.is_some() && self.registry.backoff.is_backed_off(group.id, self.seen.now) {
            return Some(SkipReason::Backoff);
        }
        let target = self.cloud.target(group.id);
        if target >= group.max {
            return Some(SkipReason::MaxSizeReached);
        }
        let atomic = group.options.zero_or_max_node_scaling;
        let nodes = if atomic { group.max - target } else { 1 };
        let total = self.options.max_nodes_total;
        if atomic && total != 0 && signed(node_count) + nodes > total {
            return Some(SkipReason::AtomicExceedsNodeCount);
        }
        let Some(template) = template else {
            return Some(SkipReason::NotReady);
        };
        match limits.check(&template.shape, group, nodes) {
            Err(_) => Some(SkipReason::NotReady),
            Ok(allowance) if allowance.exceeded.is_empty() => None,
            Ok(allowance) => Some(SkipReason::Limits(allowance.exceeded)),
        }
    }

    /// Pod groups whose first pod fits a new node of the group.
    fn helped_pods(&mut self, group: PoolId, groups: &mut [PodGroup]) -> Vec<usize> {
        let template = &self.templates[&group];
        self.sight.fork();
        let name = Arc::from(format!("template-node-for-{group}"));
        let slot = self.sight.add_copy(template, name);
        let mut helped = Vec::new();
        for (position, pods) in groups.iter_mut().enumerate() {
            match self.sight.check(&pods.pods[0], slot) {
                Ok(()) => {
                    pods.schedulable = true;
                    pods.helped_by.push(group);
                    helped.push(position);
                }
                Err(rejection) => {
                    pods.rejected.insert(group, RejectReason::Filter(rejection));
                }
            }
        }
        self.sight.revert();
        helped
    }

    /// What growing the group would do; `None` when it helps nobody.
    fn option(
        &mut self,
        id: PoolId,
        groups: &[PodGroup],
        helped: &Helped,
        node_count: usize,
    ) -> Option<ExpansionOption> {
        let helpable: Vec<&PodGroup> = helped[&id].iter().map(|&at| &groups[at]).collect();
        if helpable.is_empty() {
            return None;
        }
        let similar = self.similar(id, helped);
        let group = self.group(id);
        let room = |id: PoolId| (self.group(id).max - self.cloud.target(id)).max(0);
        let rooms: i64 = room(id) + similar.iter().map(|&other| room(other)).sum::<i64>();
        let total = self.options.max_nodes_total;
        let left = total - signed(node_count);
        let limit = NodeLimit::of(&[
            self.options.max_nodes_per_scaleup,
            if rooms > 0 { rooms } else { -1 },
            match total {
                0 => 0,
                _ if left <= 0 => -1,
                _ => left,
            },
        ]);
        let (atomic, max) = (group.options.zero_or_max_node_scaling, group.max);
        let fastpath = self.options.fastpath_binpacking_enabled;
        let template = &self.templates[&id];
        let estimate = estimator::estimate(self.sight, &helpable, template, limit, fastpath);
        if estimate.nodes == 0 || estimate.pods.is_empty() {
            return None;
        }
        let nodes = if atomic { max } else { estimate.nodes };
        Some(ExpansionOption { group: id, nodes, pods: estimate.pods, similar })
    }

    /// Groups like this one that may share its growth: well, not backing off, and of use to all pods
    /// it helps.
    fn similar(&self, id: PoolId, helped: &Helped) -> Vec<PoolId> {
        if !self.options.balance_similar_node_groups
            || self.group(id).options.zero_or_max_node_scaling
            || helped[&id].is_empty()
        {
            return Vec::new();
        }
        let own = &self.templates[&id];
        let used = own.requested();
        let wanted: BTreeSet<usize> = helped[&id].iter().copied().collect();
        let others = self.seen.groups.iter().filter(|group| group.id != id);
        let alike = others.filter(|group| {
            self.templates.get(&group.id).is_some_and(|other| {
                balancing::similar(
                    (&own.shape, &used),
                    (&other.shape, &other.requested()),
                    self.options,
                )
            })
        });
        alike
            .map(|group| group.id)
            .filter(|&other| {
                self.registry.is_group_healthy(other, self.options)
                    && !self.registry.backoff.is_backed_off(other, self.seen.now)
                    && helped
                        .get(&other)
                        .is_some_and(|pods| wanted.is_subset(&pods.iter().copied().collect()))
            })
            .collect()
    }

    fn best<'o>(
        &mut self,
        options: &'o [ExpansionOption],
        node_count: usize,
        status: &mut ScaleUpStatus,
    ) -> Option<&'o ExpansionOption> {
        let market = Market {
            groups: &self.seen.groups,
            templates: self.templates,
            priorities: self.priorities,
            node_count,
        };
        let left = expander::narrow(options, &self.options.expander, &market);
        status.best = left.iter().map(|&at| options[at].group).collect();
        let best = expander::choose(&left, options, &market, self.tie)?;
        status.chosen = Some(options[best].group);
        Some(&options[best])
    }

    /// The new sizes: capped by the cluster's node count and limits, split over similar groups, each
    /// part capped again.
    fn plan(
        &self,
        best: &ExpansionOption,
        helped: &Helped,
        limits: &mut Limits,
        node_count: usize,
    ) -> Result<Vec<GroupChange>, String> {
        let mut nodes = capped_by_node_count(best.nodes, signed(node_count), self.options)?;
        let group = self.group(best.group);
        let unknown = |_| "failed to check resource quotas".to_owned();
        let shape = &self.templates[&best.group].shape;
        nodes = limits.check(shape, group, nodes).map_err(unknown)?.nodes;
        let mut parts = vec![(best.group, self.cloud.target(best.group), group.max)];
        for other in self.similar(best.group, helped) {
            let room = limits.check(&self.templates[&other].shape, self.group(other), 1);
            if room.is_ok_and(|allowance| allowance.exceeded.is_empty()) {
                parts.push((other, self.cloud.target(other), self.group(other).max));
            }
        }
        let mut plan = balancing::balance(&parts, nodes);
        for part in &mut plan {
            let (shape, group) = (&self.templates[&part.group].shape, self.group(part.group));
            if let Ok(allowance) = limits.check(shape, group, part.to - part.from) {
                part.to = part.to.min(part.from + allowance.nodes);
                if allowance.nodes > 0 {
                    // What was just found to fit can be taken.
                    let _ = limits.consume(shape, group, part.to - part.from);
                }
            }
        }
        plan.retain(|part| part.to != part.from);
        Ok(plan)
    }

    /// Asks the cloud, part by part, up to the first refusal.
    fn execute(
        &mut self,
        plan: Vec<GroupChange>,
        best: &ExpansionOption,
        groups: &mut [PodGroup],
        status: &mut ScaleUpStatus,
    ) -> Vec<PoolId> {
        let (grown, failure) = self.increase(&plan);
        status.plan = plan.clone();
        if let Some((failed, error)) = failure {
            let skipped = plan.iter().skip_while(|part| part.group != failed).map(|p| p.group);
            let lost: Vec<PoolId> =
                if self.options.parallel_scale_up { vec![failed] } else { skipped.collect() };
            mark(groups, |id| lost.contains(&id), RejectReason::ExecutionFailed);
            status.result = ScaleUpResult::Error;
            status.error = Some(format!("failed to increase node group size: {error}"));
        } else {
            self.registry.recalculate(self.cloud);
            status.result = ScaleUpResult::Successful;
            let waiting =
                groups.iter().filter(|g| g.schedulable && g.rejected.contains_key(&best.group));
            status.await_evaluation =
                waiting.flat_map(|group| group.pods.iter().map(|pod| pod.id)).collect();
        }
        status.remain_unschedulable = self.remaining(groups);
        grown
    }

    fn increase(&mut self, plan: &[GroupChange]) -> (Vec<PoolId>, Option<(PoolId, Arc<str>)>) {
        let (mut grown, mut failure) = (Vec::new(), None);
        for part in plan {
            let delta = part.to - part.from;
            match self.cloud.increase_size(part.group, delta) {
                Ok(()) => {
                    let group = self.seen.group(part.group).expect("planned groups exist");
                    self.registry.register_scale_up(group, delta, self.options, self.seen.now);
                    grown.push(part.group);
                }
                Err(error) => {
                    let known = |id: PoolId| self.templates.contains_key(&id);
                    self.registry.failed(part.group, &known, self.options, self.seen.now);
                    failure.get_or_insert((part.group, error));
                    if !self.options.parallel_scale_up {
                        break;
                    }
                }
            }
        }
        (grown, failure)
    }

    /// Raises groups that are below their minimum to it (`ScaleUpToNodeGroupMinSize`); the groups
    /// that were, and whether the cloud refused one.
    pub(super) fn raise_to_minimum(&mut self) -> (Vec<PoolId>, bool) {
        let Ok(mut limits) = self.limits() else {
            return (Vec::new(), false);
        };
        let mut plan = Vec::new();
        for group in &self.seen.groups {
            let target = self.cloud.target(group.id);
            let Some(template) = self.templates.get(&group.id) else {
                continue;
            };
            let safe = self.registry.is_group_healthy(group.id, self.options)
                && !self.registry.backoff.is_backed_off(group.id, self.seen.now);
            if target >= group.min || !safe {
                continue;
            }
            let one = limits.check(&template.shape, group, 1);
            let all = limits.check(&template.shape, group, group.min - target);
            let (Ok(one), Ok(all)) = (one, all) else {
                continue;
            };
            // The group's own size stands in for the cluster's here, as it does upstream.
            let capped = capped_by_node_count(all.nodes, target, self.options);
            if let (true, Ok(nodes)) = (one.exceeded.is_empty(), capped) {
                let to = target + nodes;
                plan.push(GroupChange { group: group.id, from: target, to, max: group.max });
            }
        }
        let (grown, failure) = self.increase(&plan);
        if failure.is_none() && !plan.is_empty() {
            self.registry.recalculate(self.cloud);
        }
        (grown, failure.is_some())
    }
}

/// At most as many nodes as the cluster may have.
fn capped_by_node_count(nodes: i64, present: i64, options: &Options) -> Result<i64, String> {
    let total = options.max_nodes_total;
    if total > 0 && nodes + present > total {
        let left = total - present;
        if left < 1 {
            return Err("max node total count already reached".to_owned());
        }
        return Ok(left);
    }
    Ok(nodes)
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).expect("nodes are few")
}

/// Takes the help of these groups away again.
fn mark(groups: &mut [PodGroup], lost: impl Fn(PoolId) -> bool, reason: RejectReason) {
    for group in groups.iter_mut().filter(|group| group.schedulable) {
        let gone: Vec<PoolId> = group.helped_by.iter().copied().filter(|&id| lost(id)).collect();
        if gone.len() == group.helped_by.len() {
            group.schedulable = false;
        }
        group.rejected.extend(gone.into_iter().map(|id| (id, reason)));
    }
}

impl OptionStatus {
    fn of(option: &ExpansionOption) -> Self {
        Self {
            group: option.group,
            nodes: option.nodes,
            pods: option.pods.iter().map(|pod| pod.id).collect(),
            similar: option.similar.clone(),
        }
    }
}
