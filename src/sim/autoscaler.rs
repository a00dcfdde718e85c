//! The Cluster Autoscaler takes its turns: what it sees is gathered, what it asks for is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::control::cluster_autoscaler::live::{Live, ProviderView};
use crate::control::cluster_autoscaler::observation::{DELETION_CANDIDATE, TO_BE_DELETED};
use crate::control::cluster_autoscaler::{
    Call, ClusterAutoscaler, Command, DeletionOutcome, EvictionAnswer, LoopStatus, Observation,
    TieBreak,
};
use crate::control::eviction::Request;
use crate::control::scheduler::Surroundings;
use crate::engine::{EventQueue, Streams, TimerId};
use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, PodId, PoolId};
use crate::model::observer::Observer;
use crate::model::record::{AutoscalerStatus, Decider, Record};
use crate::model::{Action, Event, Reason};
use crate::scenario::{Provider, Scenario};
use crate::sim::Run;
use crate::sim::autoscaler_reasons::{told_growth, told_misfit, told_stay};
use crate::units::{SimDuration, SimTime};

/// What one loop takes. A loop that changed something is followed by another at once, which in a
/// live cluster means after this.
const LOOP_TIME: SimDuration = SimDuration::from_secs(1);

/// Age up to which the condition of a pod that fits nowhere starts a loop.
const RECENT: SimDuration = SimDuration::from_secs(10);

/// The autoscaler and what it was shown last.
pub(super) struct Autoscaler {
    autoscaler: ClusterAutoscaler,
    timer: TimerId,
    previous_loop: SimTime,
    last_loop: SimTime,
    next_loop: SimTime,
    /// Whether any pool may change at all.
    active: bool,
    /// Since when the condition `PodScheduled` of pods is False.
    waiting_since: BTreeMap<PodId, SimTime>,
    /// How the cluster is shown to it.
    live: Live,
    /// What was last told of each pod that no group helps.
    told_pods: BTreeMap<PodId, Reason>,
    /// What was last told of each node that stays.
    told_nodes: BTreeMap<NodeId, Reason>,
    /// Since when each node is not needed, as last told.
    unneeded: BTreeMap<NodeId, SimTime>,
    /// Its status, as last written.
    written: AutoscalerStatus,
}

impl Autoscaler {
    pub(super) fn new(
        scenario: &Scenario,
        streams: &Streams,
        queue: &mut EventQueue<Event>,
    ) -> Self {
        let mut options = scenario.autoscaler.clone();
        options.gpu_label = scenario.provider.gpu_label().to_owned();
        let priorities = scenario.expander_priorities.clone();
        let tie = TieBreak::Random(streams.of("cluster-autoscaler/ties"));
        let autoscaler = ClusterAutoscaler::new(options, priorities, Surroundings::default(), tie);
        Self {
            autoscaler,
            timer: queue.timer(Event::ClusterAutoscaler),
            previous_loop: SimTime::ZERO,
            last_loop: SimTime::ZERO,
            next_loop: SimTime::ZERO,
            active: false,
            waiting_since: BTreeMap::new(),
            live: Live::default(),
            told_pods: BTreeMap::new(),
            told_nodes: BTreeMap::new(),
            unneeded: BTreeMap::new(),
            written: AutoscalerStatus::default(),
        }
    }
}

impl<O: Observer> Run<'_, O> {
    /// The first loop comes one scan interval after the start, when any pool may change at all.
    pub(super) fn start_autoscaler(&mut self) {
        if self.cluster.pools().iter().any(|pool| pool.spec.autoscaled) {
            let first = SimTime::ZERO + self.autoscaler.autoscaler.options().scan_interval;
            self.autoscaler.active = true;
            self.autoscaler.next_loop = first;
            self.arm_autoscaler(SimTime::ZERO);
        }
    }

    fn arm_autoscaler(&mut self, now: SimTime) {
        let due = self.autoscaler.autoscaler.next_due();
        let next = due.map_or(self.autoscaler.next_loop, |due| due.min(self.autoscaler.next_loop));
        self.queue.arm(self.autoscaler.timer, next.max(now), Event::ClusterAutoscaler.rank());
    }

    /// The scheduler wrote on a pod that it fits nowhere. With frequent loops that starts the next
    /// loop at once, unless the pod has waited for long already (loop/trigger.go
    /// `StartPodObserver`, `isRecentUnschedulablePod`).
    pub(super) fn pod_calls_autoscaler(&mut self, now: SimTime, pod: PodId) {
        let autoscaler = &mut self.autoscaler;
        if !autoscaler.active || !autoscaler.autoscaler.options().frequent_loops_enabled {
            return;
        }
        let since = *autoscaler.waiting_since.entry(pod).or_insert(now);
        if since + RECENT >= now {
            let soonest = autoscaler.last_loop + LOOP_TIME;
            autoscaler.next_loop = autoscaler.next_loop.min(soonest.max(now));
            self.arm_autoscaler(now);
        }
    }

    /// A loop, or the next step of removals under way.
    pub(super) fn run_autoscaler(&mut self, now: SimTime) {
        // A removal that falls due at a loop's instant goes on before the loop looks.
        self.go_on_with_removals(now);
        if now >= self.autoscaler.next_loop {
            let cluster = &self.cluster;
            let waits = |pod: &PodId| cluster.pod(*pod).is_some_and(|pod| pod.node.is_none());
            self.autoscaler.waiting_since.retain(|pod, _| waits(pod));
            let observation = self.look(now);
            let status = self.autoscaler.autoscaler.run_once(&observation);
            self.write_status(&observation);
            self.autoscaler.live.recycle(observation);
            self.tell_loop(&status);
            self.carry_out_calls(now, &status.calls);
            let autoscaler = &mut self.autoscaler;
            let previous = std::mem::replace(&mut autoscaler.previous_loop, now);
            let next = autoscaler.autoscaler.next_loop(previous, now);
            autoscaler.last_loop = now;
            autoscaler.next_loop = next.max(now + LOOP_TIME);
            self.go_on_with_removals(now);
        }
        self.arm_autoscaler(now);
    }

    fn go_on_with_removals(&mut self, now: SimTime) {
        if self.autoscaler.autoscaler.next_due().is_some_and(|due| due <= now) {
            let observation = self.look(now);
            let (calls, ended) = self.autoscaler.autoscaler.act(&observation);
            self.autoscaler.live.recycle(observation);
            self.carry_out_calls(now, &calls);
            for end in ended.iter().filter(|end| end.outcome == DeletionOutcome::Deleted) {
                self.autoscaler.unneeded.remove(&end.node);
            }
        }
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
        let requested =
            nodes.filter(|id| self.cluster.node(**id).is_some_and(|node| node.is_coming()));
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
        let pools: Vec<PoolId> = self
            .cluster
            .pools()
            .iter()
            .filter(|pool| pool.spec.autoscaled)
            .map(|pool| pool.id)
            .collect();
        let mut told_pods = BTreeMap::new();
        for pod in &up.remain_unschedulable {
            let reason = told_misfit(up, pod, &pools);
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

    /// Writes the ConfigMap of the autoscaler's status, where it changed.
    fn write_status(&mut self, seen: &Observation) {
        let Self { autoscaler, records, .. } = self;
        let status = autoscaler.autoscaler.status(seen, &autoscaler.written);
        if status != autoscaler.written {
            autoscaler.written.clone_from(&status);
            records.push(Record::AutoscalerStatus(Box::new(status)));
        }
    }

    /// Gathers what the autoscaler sees.
    fn look(&mut self, now: SimTime) -> Observation {
        let scheduling = &self.scheduling;
        let nominated = |pod| scheduling.nominated_node(pod);
        let provider = self.scenario.provider;
        let view = ProviderView {
            error_code: &|why, machine| Arc::from(provider.refusal(why, machine).0),
            templates_know_reservations: provider == Provider::Gke,
        };
        let mut seen = self.autoscaler.live.observe(&self.cluster, now, nominated, &view);
        for group in &mut seen.groups {
            let options = self.scenario.group_options.get(group.id.index());
            group.options = options.copied().unwrap_or_default();
        }
        seen
    }
}
