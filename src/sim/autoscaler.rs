//! The Cluster Autoscaler takes its turns: what it sees is gathered, what it asks for is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::prelude::ToPrimitive;

use crate::cluster::api::pod::Volume;
use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{self, NodePhase, PodOwner, PodPhase, node_labels};
use crate::control::cluster_autoscaler::observation::{
    self as seen, Controller, ControllerKind, ControllerUid, DELETION_CANDIDATE, InstanceState,
    Owner, TO_BE_DELETED,
};
use crate::control::cluster_autoscaler::{
    Call, ClusterAutoscaler, Command, DeletionOutcome, EvictionAnswer, LoopStatus, Observation,
    Priorities, TieBreak,
};
use crate::control::eviction::Request;
use crate::control::scheduler::Surroundings;
use crate::engine::{EventQueue, Streams, TimerId};
use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, PodId, PoolId, ReplicaSetId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::{Decider, Record};
use crate::model::{Action, Event, Reason};
use crate::scenario::Scenario;
use crate::sim::Run;
use crate::sim::autoscaler_reasons::{told_growth, told_misfit, told_stay};
use crate::units::convert::count_u32;
use crate::units::{SimDuration, SimTime};

/// What one loop takes. A loop that changed something is followed by another at once, which in a
/// live cluster means after this.
const LOOP_TIME: SimDuration = SimDuration::from_secs(1);

/// The autoscaler and what it was shown last.
pub(super) struct Autoscaler {
    autoscaler: ClusterAutoscaler,
    timer: TimerId,
    previous_loop: SimTime,
    next_loop: SimTime,
    /// Pods as shown, kept while they do not change.
    pods: BTreeMap<PodId, (PodFacts, Arc<seen::Pod>)>,
    /// Nodes as shown, by the generation they were shown at.
    nodes: BTreeMap<NodeId, (u64, Arc<seen::Node>)>,
    /// What was last told of each pod that no group helps.
    told_pods: BTreeMap<PodId, Reason>,
    /// What was last told of each node that stays.
    told_nodes: BTreeMap<NodeId, Reason>,
    /// Since when each node is not needed, as last told.
    unneeded: BTreeMap<NodeId, SimTime>,
}

/// What may change about a pod while the autoscaler knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PodFacts {
    node: Option<NodeId>,
    deletion: Option<SimTime>,
    unschedulable: bool,
}

impl Autoscaler {
    pub(super) fn new(
        scenario: &Scenario,
        streams: &Streams,
        queue: &mut EventQueue<Event>,
    ) -> Self {
        let mut options = scenario.autoscaler.clone();
        options.gpu_label = scenario.provider.gpu_label().to_owned();
        let tie = TieBreak::Random(streams.of("cluster-autoscaler/ties"));
        let autoscaler =
            ClusterAutoscaler::new(options, Priorities::default(), Surroundings::default(), tie);
        Self {
            autoscaler,
            timer: queue.timer(Event::ClusterAutoscaler),
            previous_loop: SimTime::ZERO,
            next_loop: SimTime::ZERO,
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            told_pods: BTreeMap::new(),
            told_nodes: BTreeMap::new(),
            unneeded: BTreeMap::new(),
        }
    }
}

impl<O: Observer> Run<'_, O> {
    /// The first loop comes one scan interval after the start, when any pool may change at all.
    pub(super) fn start_autoscaler(&mut self) {
        if self.cluster.pools().iter().any(|pool| pool.spec.autoscaled) {
            let first = SimTime::ZERO + self.autoscaler.autoscaler.options().scan_interval;
            self.autoscaler.next_loop = first;
            self.arm_autoscaler(SimTime::ZERO);
        }
    }

    fn arm_autoscaler(&mut self, now: SimTime) {
        let due = self.autoscaler.autoscaler.next_due();
        let next = due.map_or(self.autoscaler.next_loop, |due| due.min(self.autoscaler.next_loop));
        self.queue.arm(self.autoscaler.timer, next.max(now), Event::ClusterAutoscaler.rank());
    }

    /// A loop, or the next step of removals under way.
    pub(super) fn run_autoscaler(&mut self, now: SimTime) {
        if now >= self.autoscaler.next_loop {
            let observation = self.look(now);
            let status = self.autoscaler.autoscaler.run_once(&observation);
            self.tell_loop(&status);
            self.carry_out_calls(now, &status.calls);
            let autoscaler = &mut self.autoscaler;
            let previous = std::mem::replace(&mut autoscaler.previous_loop, now);
            let next = autoscaler.autoscaler.next_loop(previous, now);
            autoscaler.next_loop = next.max(now + LOOP_TIME);
        }
        if self.autoscaler.autoscaler.next_due().is_some_and(|due| due <= now) {
            let observation = self.look(now);
            let (calls, ended) = self.autoscaler.autoscaler.act(&observation);
            self.carry_out_calls(now, &calls);
            for end in ended.iter().filter(|end| end.outcome == DeletionOutcome::Deleted) {
                self.autoscaler.unneeded.remove(&end.node);
            }
        }
        self.arm_autoscaler(now);
    }

    fn carry_out_calls(&mut self, now: SimTime, calls: &[Call]) {
        for call in calls.iter().filter(|call| call.refused.is_none()) {
            match &call.command {
                Command::IncreaseSize { group, by } => {
                    for _ in 0..*by {
                        self.apply(now, &Action::AddNode(*group));
                    }
                }
                Command::DecreaseTargetSize { group, by } => self.give_up_nodes(now, *group, *by),
                Command::DeleteNodes { instances, .. } => {
                    for name in instances {
                        if let Some(node) = self.cluster.node_named(name).map(|node| node.id) {
                            self.apply(now, &Action::RemoveNode(node));
                        }
                    }
                }
                Command::Taint { node, hard } => self.mark_node(now, *node, *hard, true),
                Command::Untaint { node, hard } => self.mark_node(now, *node, *hard, false),
                Command::Cordon(node) => self.apply(now, &Action::Cordon(*node)),
                Command::Uncordon(node) => self.apply(now, &Action::Uncordon(*node)),
                Command::Evict { pod, node, grace } => {
                    self.evict_for_removal(now, *pod, *node, *grace);
                }
            }
        }
    }

    /// Gives up the youngest instances that do not run yet.
    fn give_up_nodes(&mut self, now: SimTime, group: PoolId, by: i64) {
        let nodes = self.cluster.pool(group).nodes.iter().rev();
        let requested = nodes.filter(|id| {
            self.cluster.node(**id).is_some_and(|node| node.phase == NodePhase::Requested)
        });
        let count = usize::try_from(by).unwrap_or(0);
        for node in requested.take(count).copied().collect::<Vec<_>>() {
            self.apply(now, &Action::RemoveNode(node));
        }
    }

    fn mark_node(&mut self, now: SimTime, node: NodeId, hard: bool, on: bool) {
        let (key, effect) = if hard {
            (TO_BE_DELETED, TaintEffect::NoSchedule)
        } else {
            (DELETION_CANDIDATE, TaintEffect::PreferNoSchedule)
        };
        let seconds = (now.as_nanos() / 1_000_000_000).to_string();
        self.write_taints(now, node, |taints| {
            taints.retain(|taint| &*taint.key != key);
            if on {
                taints.push(Taint { key: Arc::from(key), value: Arc::from(seconds), effect });
            }
        });
    }

    fn evict_for_removal(&mut self, now: SimTime, pod: PodId, node: NodeId, grace: SimDuration) {
        let request = Request { dry_run: false, grace: Some(grace) };
        let because = PodDeletion::NodeScaleDown;
        let answer = self.workloads.budgets.evict(now, &self.cluster, pod, request, because);
        let answer = match answer {
            Ok(actions) => {
                for action in &actions {
                    self.apply(now, action);
                }
                EvictionAnswer::Accepted
            }
            Err(refusal) => match refusal.because() {
                Some(reason) => {
                    self.records.push(Record::EvictionRefused { pod, node, reason });
                    EvictionAnswer::Refused
                }
                None => EvictionAnswer::Accepted,
            },
        };
        self.autoscaler.autoscaler.eviction_answered(pod, answer, now);
    }

    /// Records what a loop decided, where it differs from what was recorded before.
    fn tell_loop(&mut self, status: &LoopStatus) {
        let Self { autoscaler, records, .. } = self;
        let mut tell = |reason| {
            records.push(Record::Decided { by: Decider::ClusterAutoscaler, reason });
        };
        let up = &status.scale_up;
        for reason in told_growth(up) {
            tell(reason);
        }
        let mut told_pods = BTreeMap::new();
        for pod in &up.remain_unschedulable {
            let reason = told_misfit(up, pod);
            if autoscaler.told_pods.get(&pod.pod) != Some(&reason) {
                tell(reason.clone());
            }
            told_pods.insert(pod.pod, reason);
        }
        autoscaler.told_pods = told_pods;
        let down = &status.scale_down;
        let since: BTreeMap<NodeId, SimTime> =
            down.unneeded.iter().map(|node| (node.node, node.since)).collect();
        for node in down.delete_empty.iter().chain(&down.delete_drain) {
            let unneeded_since = autoscaler.unneeded.get(node).or_else(|| since.get(node));
            let unneeded_since = unneeded_since.copied().unwrap_or_default();
            tell(Reason::ScaleDown { node: *node, unneeded_since });
        }
        let mut told_nodes = BTreeMap::new();
        for (node, why) in &down.unremovable {
            let Some(reason) = told_stay(*node, why) else { continue };
            if autoscaler.told_nodes.get(node) != Some(&reason) {
                tell(reason.clone());
            }
            told_nodes.insert(*node, reason);
        }
        autoscaler.told_nodes = told_nodes;
        for (node, at) in &since {
            if autoscaler.unneeded.get(node) != Some(at) {
                records.push(Record::NodeUnneeded { node: *node, since: Some(*at) });
            }
        }
        let removed =
            |node: &NodeId| down.delete_empty.contains(node) || down.delete_drain.contains(node);
        for node in autoscaler.unneeded.keys().filter(|node| !since.contains_key(node)) {
            if !removed(node) {
                records.push(Record::NodeUnneeded { node: *node, since: None });
            }
        }
        autoscaler.unneeded = since;
    }

    /// Gathers what the autoscaler sees.
    fn look(&mut self, now: SimTime) -> Observation {
        Observation {
            now,
            groups: self.groups(),
            nodes: self.nodes_seen(),
            pods: self.pods_seen(),
            daemon_sets: self.daemon_sets_seen(),
            controllers: self.controllers_seen(),
            budgets: self
                .cluster
                .budgets()
                .iter()
                .map(|budget| seen::Budget {
                    id: budget.id,
                    namespace: Arc::clone(&budget.spec.meta.namespace),
                    selector: budget.spec.selector.clone(),
                    disruptions_allowed: budget.status.disruptions_allowed,
                })
                .collect(),
        }
    }

    fn groups(&self) -> Vec<seen::Group> {
        let pools = self.cluster.pools().iter().filter(|pool| pool.spec.autoscaled);
        pools.map(|pool| self.group(pool)).collect()
    }

    fn group(&self, pool: &cluster::Pool) -> seen::Group {
        let spec = &pool.spec;
        let members: Vec<&cluster::Node> =
            pool.nodes.iter().filter_map(|id| self.cluster.node(*id)).collect();
        let name: Arc<str> = Arc::from(format!("template-{}", spec.name));
        let wanted = members.iter().filter(|node| node.phase != NodePhase::Removing).count();
        seen::Group {
            id: pool.id,
            name: Arc::clone(&spec.name),
            min: i64::from(spec.min),
            max: i64::from(spec.max),
            target: i64::from(count_u32(wanted)),
            template: Some(seen::Shape {
                labels: node_labels(spec, &name, spec.zones.first()),
                taints: spec.taints.clone(),
                unschedulable: false,
                capacity: spec.instance.capacity.clone(),
                allocatable: spec.instance.allocatable.clone(),
                max_pods: spec.instance.max_pods,
            }),
            options: crate::control::cluster_autoscaler::options::GroupOptions::default(),
            instances: members
                .iter()
                .map(|node| seen::Instance {
                    name: Arc::clone(&node.name),
                    state: match node.phase {
                        NodePhase::Requested => InstanceState::Creating,
                        NodePhase::Ready | NodePhase::Lost => InstanceState::Running,
                        NodePhase::Removing => InstanceState::Deleting,
                    },
                    error: None,
                })
                .collect(),
            refuses_increase: None,
            price_per_hour: spec.price_per_hour().and_then(|price| price.to_f64()),
        }
    }

    fn nodes_seen(&mut self) -> Vec<Arc<seen::Node>> {
        let Self { autoscaler, cluster, .. } = self;
        let mut kept = BTreeMap::new();
        let mut nodes = Vec::new();
        for node in cluster.nodes().filter(|node| node.has_joined()) {
            let known = autoscaler.nodes.remove(&node.id);
            let shown = known.filter(|(generation, _)| *generation == node.generation);
            let shown =
                shown.map_or_else(|| Arc::new(node_seen(cluster, node)), |(_, shown)| shown);
            nodes.push(Arc::clone(&shown));
            kept.insert(node.id, (node.generation, shown));
        }
        autoscaler.nodes = kept;
        nodes
    }

    fn pods_seen(&mut self) -> Vec<Arc<seen::Pod>> {
        let Self { autoscaler, cluster, .. } = self;
        let mut kept = BTreeMap::new();
        let mut pods = Vec::with_capacity(cluster.pod_count());
        for pod in cluster.pods() {
            if matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed) {
                continue;
            }
            let here = pod.node.is_none_or(|id| cluster.node(id).is_some_and(|n| n.has_joined()));
            if !here {
                continue;
            }
            let facts = PodFacts {
                node: pod.node,
                deletion: pod.deletion.map(|deletion| deletion.deadline),
                unschedulable: pod.unschedulable.is_some(),
            };
            let known = autoscaler.pods.remove(&pod.id).filter(|(known, _)| *known == facts);
            let shown = known.map_or_else(|| Arc::new(pod_seen(pod, facts)), |(_, pod)| pod);
            pods.push(Arc::clone(&shown));
            kept.insert(pod.id, (facts, shown));
        }
        autoscaler.pods = kept;
        pods
    }

    fn daemon_sets_seen(&self) -> Vec<seen::DaemonSet> {
        let workloads = self.cluster.workloads().iter();
        let daemons = workloads.filter(|w| matches!(w.spec.kind, WorkloadKind::DaemonSet { .. }));
        daemons
            .map(|workload| {
                let revision = workload.wanted();
                let uid = uid_of_workload(workload.id);
                let pod = seen::Pod {
                    id: PodId(u32::MAX),
                    name: Arc::clone(&workload.spec.meta.name),
                    namespace: Arc::clone(&workload.spec.meta.namespace),
                    template: Arc::clone(&revision.template),
                    template_id: revision.template_id,
                    requests: Arc::clone(&revision.requests),
                    owner: Some(Owner { kind: ControllerKind::DaemonSet, uid }),
                    priority: Some(revision.template.spec.priority),
                    local_volumes: Vec::new(),
                    created: SimTime::ZERO,
                    deletion: None,
                    node: None,
                    nominated: None,
                    unschedulable: false,
                };
                seen::DaemonSet { uid, pod: Arc::new(pod) }
            })
            .collect()
    }

    fn controllers_seen(&self) -> BTreeMap<ControllerUid, Controller> {
        let mut controllers = BTreeMap::new();
        for workload in self.cluster.workloads() {
            let replicas = workload.replicas;
            controllers.insert(uid_of_workload(workload.id), Controller { replicas });
            for id in &workload.replica_sets {
                if let Some(set) = self.cluster.replica_set(*id) {
                    let replicas = set.replicas;
                    controllers.insert(uid_of_set(set.id), Controller { replicas });
                }
            }
        }
        controllers
    }
}

/// Uids of workloads are even, those of ReplicaSets odd.
fn uid_of_workload(id: WorkloadId) -> ControllerUid {
    ControllerUid(id.0 * 2)
}

fn uid_of_set(id: ReplicaSetId) -> ControllerUid {
    ControllerUid(id.0 * 2 + 1)
}

fn node_seen(cluster: &cluster::Cluster, node: &cluster::Node) -> seen::Node {
    let autoscaled = |pool: &PoolId| cluster.pool(*pool).spec.autoscaled;
    seen::Node {
        id: node.id,
        name: Arc::clone(&node.name),
        group: node.pool.filter(autoscaled),
        shape: seen::Shape {
            labels: node.labels.clone(),
            taints: node.taints.clone(),
            unschedulable: node.unschedulable,
            capacity: node.capacity.clone(),
            allocatable: node.allocatable.clone(),
            max_pods: node.max_pods,
        },
        annotations: node.annotations.clone(),
        created: node.created,
        ready: node.is_ready(),
        ready_since: node.phase_since,
    }
}

fn pod_seen(pod: &cluster::Pod, facts: PodFacts) -> seen::Pod {
    let owner = match pod.owner {
        PodOwner::ReplicaSet(_, set) => {
            Owner { kind: ControllerKind::ReplicaSet, uid: uid_of_set(set) }
        }
        PodOwner::Ordinal(workload, _) => {
            Owner { kind: ControllerKind::StatefulSet, uid: uid_of_workload(workload) }
        }
        PodOwner::Daemon(workload, _) => {
            Owner { kind: ControllerKind::DaemonSet, uid: uid_of_workload(workload) }
        }
    };
    let local = |volume: &Volume| match volume {
        Volume::EmptyDir => Some(Arc::from("emptyDir")),
        Volume::HostPath => Some(Arc::from("hostPath")),
        Volume::Claim(_) | Volume::Other => None,
    };
    seen::Pod {
        id: pod.id,
        name: Arc::clone(&pod.name),
        namespace: Arc::clone(&pod.namespace),
        template: Arc::clone(&pod.template),
        template_id: pod.template_id,
        requests: Arc::clone(&pod.requests),
        owner: Some(owner),
        priority: Some(pod.priority()),
        local_volumes: pod.template.spec.volumes.iter().filter_map(local).collect(),
        created: pod.created,
        deletion: facts.deletion,
        node: facts.node,
        nominated: None,
        unschedulable: facts.unschedulable,
    }
}
