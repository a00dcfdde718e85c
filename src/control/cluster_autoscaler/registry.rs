//! What the autoscaler remembers of groups and nodes: readiness, open requests, wrong sizes
//! (clusterstate/clusterstate.go).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::backoff::Backoff;
use super::cloud::{Cloud, NamesInOrder};
use super::observation::{Group, Instance, InstanceState, Node, Observation};
use super::options::Options;
use crate::model::id::{NodeId, PoolId};
use crate::units::convert::f64_from_usize;
use crate::units::{SimDuration, SimTime};

/// How long a removal counts as under way for the acceptable size of its group.
const SCALE_DOWN_REQUEST: SimDuration = SimDuration::from_secs(300);

/// How long the list of a group's instances is kept while nothing is expected of it
/// (clusterstate/utils/node_instances_cache.go).
const INSTANCES_REFRESH: SimDuration = SimDuration::from_secs(120);

/// State of groups, carried from loop to loop.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    pub(super) backoff: Backoff,
    requests: BTreeMap<PoolId, ScaleUpRequest>,
    removals: Vec<(PoolId, SimTime)>,
    unregistered: BTreeMap<Arc<str>, Unregistered>,
    readiness: BTreeMap<PoolId, Readiness>,
    total: Readiness,
    node_count: usize,
    ranges: BTreeMap<PoolId, Range>,
    wrong_sizes: BTreeMap<PoolId, WrongSize>,
    instances: BTreeMap<PoolId, Vec<Instance>>,
    previous_instances: BTreeMap<PoolId, Vec<Instance>>,
    cache: BTreeMap<PoolId, Vec<Instance>>,
    refreshed: Option<SimTime>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct ScaleUpRequest {
    increase: i64,
    expected: SimTime,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Unregistered {
    group: PoolId,
    since: SimTime,
}

/// Nodes of a group by readiness class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Readiness {
    pub(super) ready: usize,
    pub(super) unready: usize,
    pub(super) not_started: Vec<NodeId>,
    pub(super) registered: usize,
    pub(super) deleted: usize,
    /// Those that only lack their accelerators.
    pub(super) resource_unready: usize,
    pub(super) long_unregistered: usize,
    pub(super) unregistered: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Range {
    min: i64,
    target: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WrongSize {
    registered: i64,
    target: i64,
    first_seen: SimTime,
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).expect("nodes are few")
}

impl Registry {
    /// Takes in what a loop sees. Groups whose request ran out of time, or whose instances report
    /// errors, back off; the cloud is asked to give up what was requested in vain.
    pub(super) fn update(
        &mut self,
        seen: &Observation,
        nodes: &[Arc<Node>],
        has_template: &dyn Fn(PoolId) -> bool,
        cloud: &mut Cloud,
        options: &Options,
    ) {
        self.refresh_instances(seen, cloud);
        let targets = cloud.targets();
        self.note_unregistered(seen, nodes);
        self.classify(seen, nodes, cloud, options);
        self.node_count = nodes.len();
        self.set_ranges(&targets);
        self.settle_requests(seen, has_template, cloud, options);
        self.note_creation_errors(seen, has_template, options);
        self.set_ranges(&targets);
        self.note_wrong_sizes(seen.now);
    }

    /// Target sizes changed by calls of this loop.
    pub(super) fn recalculate(&mut self, cloud: &Cloud) {
        self.set_ranges(&cloud.targets());
    }

    /// Forgets the cached instances of a group after some were deleted.
    pub(super) fn forget_instances(&mut self, group: PoolId) {
        self.cache.remove(&group);
    }

    fn refresh_instances(&mut self, seen: &Observation, cloud: &Cloud) {
        if self.refreshed.is_none_or(|at| at + INSTANCES_REFRESH <= seen.now) {
            self.refreshed = Some(seen.now);
            self.cache.clear();
        }
        for group in &seen.groups {
            if self.is_scaling_up(group.id) {
                self.cache.remove(&group.id);
            }
            let fresh = || cloud.instances(group.id).to_vec();
            self.cache.entry(group.id).or_insert_with(fresh);
        }
        self.previous_instances = std::mem::replace(&mut self.instances, self.cache.clone());
    }

    fn note_unregistered(&mut self, seen: &Observation, nodes: &[Arc<Node>]) {
        let mut registered: NamesInOrder<'_> = nodes.iter().map(|node| &*node.name).collect();
        let mut now_unregistered = BTreeMap::new();
        for (&group, instances) in &self.instances {
            for instance in instances {
                let expected =
                    instance.state != InstanceState::Deleting && instance.error.is_none();
                if expected && !registered.contains(&instance.name) {
                    let known = self.unregistered.get(&instance.name).copied();
                    let entry = known.unwrap_or(Unregistered { group, since: seen.now });
                    now_unregistered.insert(Arc::clone(&instance.name), entry);
                }
            }
        }
        self.unregistered = now_unregistered;
    }

    fn classify(
        &mut self,
        seen: &Observation,
        nodes: &[Arc<Node>],
        cloud: &Cloud,
        options: &Options,
    ) {
        self.readiness.clear();
        self.total = Readiness::default();
        // The startup time of the group looked up last holds for nodes without a group as well.
        let mut startup = SimDuration::from_secs(900);
        let mut instances = cloud.instance_names();
        for node in nodes {
            let gone = node.group.is_some_and(|group| {
                !instances.get_mut(&group).is_some_and(|names| names.contains(&node.name))
            });
            if let Some(group) = node.group {
                if let Some(found) = seen.group(group) {
                    startup = startup_time(found, options);
                }
                let own = self.readiness.entry(group).or_default();
                own.count(node, gone, startup, seen.now, options);
            }
            self.total.count(node, gone, startup, seen.now, options);
        }
        for entry in self.unregistered.values() {
            let long = seen
                .group(entry.group)
                .is_some_and(|group| entry.since + provision_time(group, options) < seen.now);
            let own = self.readiness.entry(entry.group).or_default();
            for readiness in [own, &mut self.total] {
                if long {
                    readiness.long_unregistered += 1;
                } else {
                    readiness.unregistered += 1;
                }
            }
        }
    }

    fn set_ranges(&mut self, targets: &BTreeMap<PoolId, i64>) {
        self.ranges = targets
            .iter()
            .map(|(&group, &target)| {
                let long = self.readiness.get(&group).map_or(0, |r| r.long_unregistered);
                let open = self.requests.get(&group).map_or(0, |request| request.increase);
                (group, Range { min: target - signed(long) - open, target })
            })
            .collect();
    }

    fn settle_requests(
        &mut self,
        seen: &Observation,
        has_template: &dyn Fn(PoolId) -> bool,
        cloud: &mut Cloud,
        options: &Options,
    ) {
        self.backoff.forget_stale(options, seen.now);
        for (group, request) in self.requests.clone() {
            if self.upcoming_in(group) <= 0 {
                self.requests.remove(&group);
            } else if request.expected < seen.now {
                self.failed(group, has_template, options, seen.now);
                // A refusal is only logged.
                let _ = cloud.decrease_target_size(group, request.increase);
                self.requests.remove(&group);
            }
        }
        self.removals.retain(|&(_, expected)| expected > seen.now);
    }

    fn note_creation_errors(
        &mut self,
        seen: &Observation,
        has_template: &dyn Fn(PoolId) -> bool,
        options: &Options,
    ) {
        for group in &seen.groups {
            let none = Vec::new();
            let before = self.previous_instances.get(&group.id).unwrap_or(&none);
            let known: BTreeSet<&str> =
                before.iter().filter(|i| creation_error(i).is_some()).map(|i| &*i.name).collect();
            let mut unseen: BTreeMap<Arc<str>, i64> = BTreeMap::new();
            for instance in self.instances.get(&group.id).unwrap_or(&none) {
                if let Some(code) = creation_error(instance)
                    && !known.contains(&*instance.name)
                {
                    *unseen.entry(Arc::clone(code)).or_default() += 1;
                }
            }
            for (code, count) in unseen {
                if self.is_scaling_up(group.id) {
                    self.register_scale_up(group, -count, options, seen.now);
                    self.failed(group.id, has_template, options, seen.now);
                    self.backoff.because(group.id, &code, &format!("{count} instance(s): {code}"));
                }
            }
        }
    }

    fn note_wrong_sizes(&mut self, now: SimTime) {
        let mut wrong = BTreeMap::new();
        for (&group, range) in &self.ranges {
            let Some(readiness) = self.readiness.get(&group) else {
                continue;
            };
            let registered = signed(readiness.registered);
            let missing = signed(readiness.unregistered + readiness.long_unregistered);
            if registered > range.target || registered < range.target - missing {
                let fresh = WrongSize { registered, target: range.target, first_seen: now };
                let known = self.wrong_sizes.get(&group).copied();
                let same = known.filter(|k| k.registered == registered && k.target == range.target);
                wrong.insert(group, same.unwrap_or(fresh));
            }
        }
        self.wrong_sizes = wrong;
    }

    /// Notes that a group was asked to grow (or that part of it failed, below zero); a new request
    /// extends the time for all of it.
    pub(super) fn register_scale_up(
        &mut self,
        group: &Group,
        delta: i64,
        options: &Options,
        now: SimTime,
    ) {
        let expected = now + provision_time(group, options);
        match self.requests.get_mut(&group.id) {
            None if delta > 0 => {
                self.requests.insert(group.id, ScaleUpRequest { increase: delta, expected });
            }
            None => {}
            Some(request) if request.increase + delta <= 0 => {
                self.requests.remove(&group.id);
            }
            Some(request) => {
                request.increase += delta;
                if delta > 0 {
                    request.expected = expected;
                }
            }
        }
    }

    /// Notes that a node's instance is being deleted.
    pub(super) fn register_removal(&mut self, group: PoolId, now: SimTime) {
        self.removals.push((group, now + SCALE_DOWN_REQUEST));
    }

    /// A scale-up of the group failed: it backs off, unless it has no template.
    pub(super) fn failed(
        &mut self,
        group: PoolId,
        has_template: &dyn Fn(PoolId) -> bool,
        options: &Options,
        now: SimTime,
    ) {
        if has_template(group) {
            self.backoff.failed(group, options, now);
        }
    }

    fn upcoming_in(&self, group: PoolId) -> i64 {
        let Some(range) = self.ranges.get(&group) else {
            return 0;
        };
        let present =
            self.readiness.get(&group).map_or(0, |r| r.ready + r.unready + r.long_unregistered);
        range.target - signed(present)
    }

    /// Nodes of a group by readiness class, when it has any.
    pub(super) fn readiness(&self, group: PoolId) -> Option<&Readiness> {
        self.readiness.get(&group)
    }

    /// The size asked of the cloud for a group, as of the last change.
    pub(super) fn target(&self, group: PoolId) -> i64 {
        self.ranges.get(&group).map_or(0, |range| range.target)
    }

    /// All nodes by readiness class.
    pub(super) fn total(&self) -> &Readiness {
        &self.total
    }

    pub(super) fn is_scaling_up(&self, group: PoolId) -> bool {
        self.upcoming_in(group) > 0 && self.requests.contains_key(&group)
    }

    /// Whether the cluster is well enough to be scaled at all: not too many nodes unready.
    pub(super) fn is_cluster_healthy(&self, options: &Options) -> bool {
        let unready = self.total.unready;
        let part = options.max_total_unready_percentage / 100.0;
        unready <= options.ok_total_unready_count
            || f64_from_usize(unready) <= part * f64_from_usize(self.node_count)
    }

    /// Whether a group is well enough to grow.
    pub(super) fn is_group_healthy(&self, group: PoolId, options: &Options) -> bool {
        let Some(range) = self.ranges.get(&group) else {
            return false;
        };
        let Some(readiness) = self.readiness.get(&group) else {
            return range.target == 0 || (range.min == 0 && range.target > 0);
        };
        let missing = usize::try_from(range.min - signed(readiness.ready)).unwrap_or(0);
        let all = readiness.ready + readiness.unready + readiness.not_started.len();
        let part = options.max_total_unready_percentage / 100.0;
        missing <= options.ok_total_unready_count
            || f64_from_usize(missing) <= part * f64_from_usize(all)
    }

    /// Nodes on their way per group, and the registered ones among them that have not started.
    pub(super) fn upcoming(
        &self,
        now: SimTime,
        has_template: &dyn Fn(PoolId) -> bool,
    ) -> Vec<(PoolId, i64, Vec<NodeId>)> {
        let mut result = Vec::new();
        for &group in self.ranges.keys() {
            let count = self.upcoming_in(group);
            let backed_off = has_template(group) && self.backoff.is_backed_off(group, now);
            if count > 0 && self.requests.contains_key(&group) && !backed_off {
                let started = self.readiness.get(&group).map(|r| r.not_started.clone());
                result.push((group, count, started.unwrap_or_default()));
            }
        }
        result
    }

    /// Instances that should have registered long ago, by group.
    pub(super) fn long_unregistered(
        &self,
        seen: &Observation,
        options: &Options,
    ) -> BTreeMap<PoolId, Vec<Arc<str>>> {
        let mut result: BTreeMap<PoolId, Vec<Arc<str>>> = BTreeMap::new();
        for (name, entry) in &self.unregistered {
            if let Some(group) = seen.group(entry.group)
                && entry.since + provision_time(group, options) < seen.now
            {
                result.entry(entry.group).or_default().push(Arc::clone(name));
            }
        }
        result
    }

    /// Instances that report an error while being made, by group.
    pub(super) fn failed_instances(&self) -> BTreeMap<PoolId, Vec<Arc<str>>> {
        let failed = |instances: &Vec<Instance>| -> Vec<Arc<str>> {
            let errors = instances.iter().filter(|instance| creation_error(instance).is_some());
            errors.map(|instance| Arc::clone(&instance.name)).collect()
        };
        let all = self.instances.iter().map(|(&group, instances)| (group, failed(instances)));
        all.filter(|(_, names)| !names.is_empty()).collect()
    }

    /// How many nodes fewer than its target a group has had for too long; `None` when it is right.
    pub(super) fn excess_target(
        &self,
        group: &Group,
        options: &Options,
        now: SimTime,
    ) -> Option<i64> {
        let wrong = self.wrong_sizes.get(&group.id)?;
        let long = wrong.first_seen + provision_time(group, options) < now;
        (long && wrong.registered < wrong.target).then_some(wrong.target - wrong.registered)
    }
}

impl Readiness {
    fn count(
        &mut self,
        node: &Node,
        gone: bool,
        startup: SimDuration,
        now: SimTime,
        options: &Options,
    ) {
        self.registered += 1;
        if gone {
            self.deleted += 1;
        } else if node.is_ready() {
            self.ready += 1;
        } else if node.created + startup > now {
            self.not_started.push(node.id);
        } else {
            self.unready += 1;
            self.resource_unready += usize::from(lacks_gpus(node, options));
        }
    }
}

/// Whether a node shows by its label that accelerators are still to come.
fn lacks_gpus(node: &Node, options: &Options) -> bool {
    !node.is_ready()
        && node.shape.labels.contains_key(&*options.gpu_label)
        && node.shape.allocatable_gpu().is_none()
}

/// The error code of an instance that could not be made.
fn creation_error(instance: &Instance) -> Option<&Arc<str>> {
    instance.error.as_ref().filter(|_| instance.state == InstanceState::Creating)
}

fn provision_time(group: &Group, options: &Options) -> SimDuration {
    group.options.max_node_provision_time.unwrap_or(options.max_node_provision_time)
}

fn startup_time(group: &Group, options: &Options) -> SimDuration {
    group.options.max_node_startup_time.unwrap_or(options.max_node_startup_time)
}
