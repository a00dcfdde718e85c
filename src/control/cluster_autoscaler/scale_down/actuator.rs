//! Carrying removals out: taint, wait, look again, drain, delete
//! (core/scaledown/actuation/actuator.go, group_deletion_scheduler.go, delete_in_batch.go).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::cloud::{Cloud, Command};
use super::super::observation::{Node, Observation, Pod, TO_BE_DELETED};
use super::super::options::Options;
use super::super::sight::Sight;
use super::budgets::{self, Batch, Budget};
use super::drain::{Drain, Progress};
use super::drainability::{BlockingPod, DrainContext, RemainingBudgets, pods_to_move};
use super::planner::registered;
use crate::model::id::{NodeId, PodId, PoolId};
use crate::units::{SimDuration, SimTime};

pub use super::drain::EvictionAnswer;

const DELAY_DELETION: &str = "delay-deletion.cluster-autoscaler.kubernetes.io/";
const DELAY_POLL: SimDuration = SimDuration::from_secs(5);

/// How the removal of a node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletionOutcome {
    /// The cloud deletes the instance.
    Deleted,
    /// A pod forbids it, seen after the taint.
    Blocked(BlockingPod),
    /// The node was empty and is not any more.
    NotEmpty,
    /// The node runs pods that are waited for.
    OnCompletionPods,
    /// Evictions of these pods were refused for too long.
    EvictionsRefused(Vec<PodId>),
    /// These pods were evicted and did not go in time.
    PodsRemained(Vec<PodId>),
    /// The cloud refused.
    Refused(Arc<str>),
    /// Another node of a group that goes as a whole failed.
    GroupFailed,
}

/// Removals under way.
#[derive(Debug, Default)]
pub(crate) struct Actuator {
    jobs: Vec<Job>,
    /// Groups of which a removal failed since removals last began.
    failed_groups: BTreeSet<PoolId>,
    /// When the nodes of a group that were collected are deleted.
    collecting: BTreeMap<PoolId, SimTime>,
}

#[derive(Debug)]
struct Job {
    node: Arc<Node>,
    group: PoolId,
    drain: bool,
    /// Nodes of the group that are deleted by one call; 0 for groups that do not care.
    whole: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Tainted; looked at again at this time.
    Tainted(SimTime),
    /// Pods are evicted.
    Draining(Drain),
    /// Someone asked to wait.
    Delayed { next: SimTime, until: SimTime },
    /// Ready to be deleted, waiting for others of its group.
    Queued,
    /// Ready to be deleted, collected with others.
    Collected,
}

/// A removal that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Node.
    pub node: NodeId,
    /// Its group.
    pub group: PoolId,
    /// How.
    pub outcome: DeletionOutcome,
}

impl Actuator {
    /// Nodes whose removal is under way; with `drain`, only those with that way of removal.
    pub(crate) fn under_way(&self, drain: Option<bool>) -> BTreeSet<NodeId> {
        let wanted = |job: &&Job| drain.is_none_or(|drain| job.drain == drain);
        self.jobs.iter().filter(wanted).map(|job| job.node.id).collect()
    }

    /// How many removals are under way in each group.
    pub(crate) fn count_by_group(&self) -> BTreeMap<PoolId, usize> {
        let mut counts = BTreeMap::new();
        for job in &self.jobs {
            *counts.entry(job.group).or_default() += 1;
        }
        counts
    }

    /// Begins the removal of as many nodes as allowed at once; returns the empty ones and the
    /// others that were begun.
    pub(crate) fn start(
        &mut self,
        empty: &[NodeId],
        drain: &[NodeId],
        seen: &Observation,
        sight: &Sight,
        cloud: &mut Cloud,
        options: &Options,
    ) -> (Vec<NodeId>, Vec<NodeId>) {
        self.failed_groups.clear();
        let nodes: BTreeMap<NodeId, &Arc<Node>> =
            seen.nodes.iter().map(|node| (node.id, node)).collect();
        let with_group = |ids: &[NodeId]| -> Vec<(NodeId, PoolId)> {
            ids.iter().filter_map(|id| Some((*id, nodes.get(id)?.group?))).collect()
        };
        let whole = seen.groups.iter().filter(|group| group.options.zero_or_max_node_scaling);
        let atomic: BTreeMap<PoolId, (usize, usize)> = whole
            .map(|group| {
                let target = usize::try_from(cloud.target(group.id)).unwrap_or(0);
                (group.id, (target, registered(sight, cloud, group.id)))
            })
            .collect();
        let signed = |count: usize| i64::try_from(count).expect("nodes are few");
        let draining = self.under_way(Some(true)).len();
        let budget = Budget {
            total: signed(options.max_scale_down_parallelism) - signed(self.jobs.len()),
            drain: signed(options.max_drain_parallelism) - signed(draining),
            atomic: &atomic,
        };
        let (empty, drain) = budgets::crop(budget, &with_group(empty), &with_group(drain));
        let mut begin = |batches: Vec<Batch>, drain: bool| -> Vec<NodeId> {
            let mut begun = Vec::new();
            for batch in batches {
                for id in batch.nodes {
                    let node = Arc::clone(nodes[&id]);
                    // One that has the taint from an earlier removal keeps it, with its time.
                    if !node.has_taint(TO_BE_DELETED) {
                        cloud.api(Command::Taint { node: id, hard: true });
                        if options.cordon_node_before_terminating {
                            cloud.api(Command::Cordon(id));
                        }
                    }
                    let due = seen.now + options.node_delete_delay_after_taint;
                    let stage = Stage::Tainted(due);
                    let (group, whole) = (batch.group, batch.size);
                    self.jobs.push(Job { node, group, drain, whole, stage });
                    begun.push(id);
                }
            }
            begun
        };
        (begin(empty, false), begin(drain, true))
    }

    /// The next time at which something is to be done.
    pub(crate) fn next_due(&self) -> Option<SimTime> {
        let collecting = self.collecting.values().copied();
        self.jobs.iter().filter_map(Job::due).chain(collecting).min()
    }

    /// Takes an answer of the eviction API in.
    pub(crate) fn answered(&mut self, pod: PodId, answer: EvictionAnswer, now: SimTime) {
        for job in &mut self.jobs {
            if let Stage::Draining(drain) = &mut job.stage
                && drain.answered(pod, answer, now)
            {
                return;
            }
        }
    }

    /// Does what is due.
    pub(crate) fn act(
        &mut self,
        seen: &Observation,
        cloud: &mut Cloud,
        options: &Options,
    ) -> Vec<Ended> {
        let mut ended = Vec::new();
        let mut position = 0;
        while position < self.jobs.len() {
            let job = &mut self.jobs[position];
            match job.advance(seen, cloud, options) {
                Step::Waits => position += 1,
                Step::Failed(outcome) => {
                    self.abort(position, outcome, seen, cloud, options, &mut ended)
                }
                Step::Ready => {
                    self.ready(position, seen, cloud, options, &mut ended);
                    position = 0;
                }
            }
        }
        let due: Vec<PoolId> = self
            .collecting
            .iter()
            .filter(|(_, due)| **due <= seen.now)
            .map(|(group, _)| *group)
            .collect();
        for group in due {
            self.collecting.remove(&group);
            self.delete(group, seen, cloud, options, &mut ended, |stage| {
                matches!(stage, Stage::Collected)
            });
        }
        ended
    }

    /// A node is ready to be deleted: at once, collected, or when its whole group is.
    fn ready(
        &mut self,
        position: usize,
        seen: &Observation,
        cloud: &mut Cloud,
        options: &Options,
        ended: &mut Vec<Ended>,
    ) {
        let job = &mut self.jobs[position];
        let (group, whole) = (job.group, job.whole);
        job.stage = Stage::Queued;
        if whole > 0 {
            if self.failed_groups.contains(&group) {
                let job = self.jobs.remove(position);
                job.release(DeletionOutcome::GroupFailed, cloud, options, seen, ended);
                return;
            }
            let queued = |job: &&Job| job.group == group && matches!(job.stage, Stage::Queued);
            if self.jobs.iter().filter(queued).count() < whole {
                return;
            }
        }
        if options.node_deletion_batcher_interval.is_zero() {
            self.delete(group, seen, cloud, options, ended, |stage| matches!(stage, Stage::Queued));
            return;
        }
        for job in self.jobs.iter_mut().filter(|job| job.group == group) {
            if matches!(job.stage, Stage::Queued) {
                job.stage = Stage::Collected;
            }
        }
        let due = seen.now + options.node_deletion_batcher_interval;
        self.collecting.entry(group).or_insert(due);
    }

    fn delete(
        &mut self,
        group: PoolId,
        seen: &Observation,
        cloud: &mut Cloud,
        options: &Options,
        ended: &mut Vec<Ended>,
        wanted: impl Fn(&Stage) -> bool,
    ) {
        let (jobs, rest): (Vec<Job>, Vec<Job>) = std::mem::take(&mut self.jobs)
            .into_iter()
            .partition(|job| job.group == group && wanted(&job.stage));
        self.jobs = rest;
        if jobs.is_empty() {
            return;
        }
        let names = jobs.iter().map(|job| Arc::clone(&job.node.name)).collect();
        let answer = cloud.delete_nodes(group, names);
        for job in jobs {
            match &answer {
                Ok(()) => ended.push(job.ended(DeletionOutcome::Deleted)),
                Err(error) => {
                    let outcome = DeletionOutcome::Refused(Arc::clone(error));
                    job.release(outcome, cloud, options, seen, ended);
                }
            }
        }
    }

    /// A removal failed: the node is given free, and so are those of its group that wait for it.
    fn abort(
        &mut self,
        position: usize,
        outcome: DeletionOutcome,
        seen: &Observation,
        cloud: &mut Cloud,
        options: &Options,
        ended: &mut Vec<Ended>,
    ) {
        let job = self.jobs.remove(position);
        let group = job.group;
        self.failed_groups.insert(group);
        job.release(outcome, cloud, options, seen, ended);
        let waits = |job: &Job| job.group == group && matches!(job.stage, Stage::Queued);
        let (waiting, rest): (Vec<Job>, Vec<Job>) =
            std::mem::take(&mut self.jobs).into_iter().partition(waits);
        self.jobs = rest;
        for job in waiting {
            job.release(DeletionOutcome::GroupFailed, cloud, options, seen, ended);
        }
    }
}

enum Step {
    Waits,
    Ready,
    Failed(DeletionOutcome),
}

impl Job {
    fn due(&self) -> Option<SimTime> {
        match &self.stage {
            Stage::Tainted(due) => Some(*due),
            Stage::Draining(drain) => drain.due(),
            Stage::Delayed { next, .. } => Some(*next),
            Stage::Queued | Stage::Collected => None,
        }
    }

    fn advance(&mut self, seen: &Observation, cloud: &mut Cloud, options: &Options) -> Step {
        loop {
            match &mut self.stage {
                Stage::Tainted(due) if *due > seen.now => return Step::Waits,
                Stage::Tainted(_) => match self.look_again(seen, options) {
                    Ok(drain) => self.stage = Stage::Draining(drain),
                    Err(outcome) => return Step::Failed(outcome),
                },
                Stage::Draining(drain) => match drain.step(seen, options, cloud) {
                    Progress::Waiting => return Step::Waits,
                    Progress::Refused(pods) => {
                        return Step::Failed(DeletionOutcome::EvictionsRefused(pods));
                    }
                    Progress::Remained(pods) => {
                        return Step::Failed(DeletionOutcome::PodsRemained(pods));
                    }
                    Progress::Done
                        if !options.node_deletion_delay_timeout.is_zero()
                            && self.is_delayed(seen) =>
                    {
                        let until = seen.now + options.node_deletion_delay_timeout;
                        self.stage = Stage::Delayed { next: seen.now + DELAY_POLL, until };
                    }
                    Progress::Done => return Step::Ready,
                },
                Stage::Delayed { next, .. } if *next > seen.now => return Step::Waits,
                Stage::Delayed { until, .. } => {
                    let until = *until;
                    if seen.now >= until || !self.is_delayed(seen) {
                        return Step::Ready;
                    }
                    self.stage = Stage::Delayed { next: (seen.now + DELAY_POLL).min(until), until };
                }
                Stage::Queued | Stage::Collected => return Step::Waits,
            }
        }
    }

    /// Looks at the node's pods as they are now, with fresh budgets.
    fn look_again(&self, seen: &Observation, options: &Options) -> Result<Drain, DeletionOutcome> {
        let cutoff = options.expendable_pods_priority_cutoff;
        let here = |pod: &&Arc<Pod>| pod.node == Some(self.node.id) && !pod.is_expendable(cutoff);
        let pods: Vec<Arc<Pod>> = seen.pods.iter().filter(here).map(Arc::clone).collect();
        let budgets = if self.drain {
            RemainingBudgets::new(&seen.budgets)
        } else {
            RemainingBudgets::default()
        };
        let context = DrainContext {
            now: seen.now,
            options,
            budgets: &budgets,
            controllers: self.drain.then_some(&seen.controllers),
        };
        let moves = pods_to_move(&pods, &context).map_err(DeletionOutcome::Blocked)?;
        if !self.drain && !moves.pods.is_empty() {
            return Err(DeletionOutcome::NotEmpty);
        }
        if !self.drain && !moves.on_completion.is_empty() {
            return Err(DeletionOutcome::OnCompletionPods);
        }
        Ok(Drain::new(self.node.id, &pods, !self.drain, options))
    }

    fn is_delayed(&self, seen: &Observation) -> bool {
        let node = seen.nodes.iter().find(|node| node.id == self.node.id);
        let delays =
            |node: &Arc<Node>| node.annotations.keys().any(|key| key.starts_with(DELAY_DELETION));
        node.is_some_and(delays)
    }

    /// Gives a node free again.
    fn release(
        self,
        outcome: DeletionOutcome,
        cloud: &mut Cloud,
        options: &Options,
        seen: &Observation,
        ended: &mut Vec<Ended>,
    ) {
        let node = self.node.id;
        if seen.nodes.iter().any(|other| other.id == node) {
            cloud.api(Command::Untaint { node, hard: true });
            if options.cordon_node_before_terminating {
                cloud.api(Command::Uncordon(node));
            }
        }
        ended.push(self.ended(outcome));
    }

    fn ended(self, outcome: DeletionOutcome) -> Ended {
        Ended { node: self.node.id, group: self.group, outcome }
    }
}
