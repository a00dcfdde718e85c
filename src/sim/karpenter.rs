//! Karpenter takes its turns: what it sees is gathered, what it asks for is done.

use std::sync::Arc;

use rand::RngExt;

use crate::cluster::api::Machine;
use crate::cluster::api::scheduling::Taint;
use crate::cluster::{LaunchFailure, Node, NodePhase, Occurrence};
use crate::control::eviction::Request;
use crate::control::karpenter::instance::{CapacityType, Refusals};
use crate::control::karpenter::live::Live;
use crate::control::karpenter::observation::{Observation, disrupted_taint};
use crate::control::karpenter::{Karpenter, Order, Whose};
use crate::engine::{EventQueue, Streams, TimerId};
use crate::model::action::{NodeLaunch, PodDeletion};
use crate::model::id::{NodeId, PodId};
use crate::model::observer::Observer;
use crate::model::record::{About, Record};
use crate::model::{Action, Event};
use crate::scenario::Scenario;
use crate::sim::Run;
use crate::units::SimTime;

/// Rounds in which a cluster that has been running is put together: each helps pods that could not
/// be placed before those of the last round were.
const BOOT_ROUNDS: u32 = 20;
/// Looks at one instant, so that nothing can go on for ever without time passing.
const LOOKS_AT_ONCE: u32 = 1_000;

/// Karpenter and how it sees the cluster.
pub(super) struct KarpenterState {
    /// `None` in clusters where it does not run.
    karpenter: Option<Karpenter>,
    live: Live,
    timer: TimerId,
}

impl KarpenterState {
    pub(super) fn new(
        scenario: &Scenario,
        streams: &Streams,
        queue: &mut EventQueue<Event>,
    ) -> Self {
        let karpenter = scenario
            .karpenter
            .as_ref()
            .map(|it| Karpenter::new(it.spec.clone(), it.launch_call.clone(), *streams));
        let live = karpenter.as_ref().map(|it| Live::new(it.spec())).unwrap_or_default();
        Self { karpenter, live, timer: queue.timer(Event::Karpenter) }
    }
}

impl<O: Observer> Run<'_, O> {
    /// The first turn comes when something is due.
    pub(super) fn start_karpenter(&mut self) {
        self.arm_karpenter(SimTime::ZERO);
    }

    fn arm_karpenter(&mut self, now: SimTime) {
        let due = self.karpenter.karpenter.as_ref().and_then(Karpenter::next_due);
        match due.filter(|_| !self.booting) {
            Some(at) => {
                self.queue.arm(self.karpenter.timer, at.max(now), Event::Karpenter.rank());
            }
            None => self.queue.disarm(self.karpenter.timer),
        }
    }

    /// Looks and does what is due, until nothing more is due at this instant.
    pub(super) fn run_karpenter(&mut self, now: SimTime) {
        for _ in 0..LOOKS_AT_ONCE {
            let due = self.karpenter.karpenter.as_ref().and_then(Karpenter::next_due);
            if due.is_none_or(|at| at > now) {
                break;
            }
            let seen = self.look_for_karpenter(now);
            let Some(karpenter) = &mut self.karpenter.karpenter else { return };
            let orders = karpenter.advance(&seen);
            self.carry_out_orders(now, orders);
        }
        self.arm_karpenter(now);
    }

    /// Launches what the initial pods need and do not find, at once and without failures.
    pub(super) fn boot_karpenter(&mut self, now: SimTime) {
        for _ in 0..BOOT_ROUNDS {
            let seen = self.look_for_karpenter(now);
            let Some(karpenter) = &mut self.karpenter.karpenter else { return };
            let orders = karpenter.boot(&seen);
            if orders.is_empty() {
                break;
            }
            self.carry_out_orders(now, orders);
            self.settle(now);
            let fresh: Vec<NodeId> = self
                .cluster
                .nodes()
                .filter(|node| node.phase == NodePhase::Requested)
                .map(|node| node.id)
                .collect();
            for node in fresh {
                let zone = self.cluster.node(node).and_then(|node| node.machine.zone.clone());
                self.occur(now, Occurrence::NodeLaunched(node, zone));
                self.occur(now, Occurrence::NodeReady(node));
                self.occur(now, Occurrence::NodeGpus(node));
            }
            self.settle(now);
            self.retry_unschedulable(now);
            self.run_instant();
        }
    }

    fn look_for_karpenter(&mut self, now: SimTime) -> Observation {
        let refused = self.refused_by_cloud(now);
        let quotas = !self.scenario.capacity.quotas.is_empty();
        let leftovers = self.nodes_with_leftovers();
        let scheduling = &self.scheduling;
        let nominated = |pod| scheduling.nominated_node(pod).is_some();
        let attached = |node| leftovers.contains(&node);
        self.karpenter.live.observe(&self.cluster, now, (refused, quotas), nominated, attached)
    }

    /// What the cloud would refuse if it were asked for now; it is asked only when a launch is due.
    fn refused_by_cloud(&self, now: SimTime) -> Refusals {
        let mut refused = Refusals::new();
        let asks = |karpenter: &&Karpenter| karpenter.launches_at(now) && !self.booting;
        let Some(karpenter) = self.karpenter.karpenter.as_ref().filter(asks) else {
            return refused;
        };
        let spec = &self.scenario.capacity;
        if self.capacity.is_endless(spec) && self.cluster.failed_zones().next().is_none() {
            return refused;
        }
        // Machines asked for at this instant are told to run when the instant is settled.
        let runs = |node: &&Node| {
            let own = |pool| self.cluster.pool(pool).spec.node_pool.is_some();
            (node.launched.is_some() || node.pool.is_some_and(own)) && !node.machine_gone
        };
        let in_use: Vec<&Machine> =
            self.cluster.nodes().filter(runs).map(|node| &node.machine).collect();
        for option in karpenter.spec().pools.iter().flat_map(|pool| &pool.options) {
            for offering in &option.offerings {
                let machine = Machine {
                    instance: Arc::clone(&self.cluster.pool(offering.pool).spec.instance),
                    zone: Some(Arc::clone(&offering.zone)),
                    spot: offering.capacity == CapacityType::Spot,
                };
                let (name, zone) = (&option.machine.name, &offering.zone);
                let capacity = offering.capacity;
                let mut chance = || {
                    let time = now.as_nanos();
                    let draw = format!("capacity/{name}/{zone}/{capacity}/{time}");
                    self.streams.of(&draw).random::<f64>()
                };
                let answer = if self.cluster.is_zone_failed(zone) {
                    Err(LaunchFailure::NoCapacity)
                } else {
                    self.capacity.answer(spec, &machine, &in_use, &mut chance)
                };
                if let Err(why) = answer {
                    let (code, _) = self.scenario.provider.refusal(why, &machine);
                    refused.insert((Arc::clone(name), Arc::clone(zone), capacity), code);
                }
            }
        }
        refused
    }

    fn carry_out_orders(&mut self, now: SimTime, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Launch { claim, pool, zone, labels, annotations } => {
                    let launch = NodeLaunch { pool, zone, labels, annotations };
                    self.apply(now, &Action::LaunchNode(Box::new(launch)));
                    let node = self.cluster.pool(pool).nodes.last().copied();
                    let node = node.expect("the node was made just now");
                    if let Some(karpenter) = &mut self.karpenter.karpenter {
                        karpenter.launched(&claim, node, now);
                    }
                    let message = format!("instance of nodeclaim {claim}");
                    self.announce(About::Node(node), "NodeClaim", &message);
                }
                Order::Taint(node) => {
                    let taint = disrupted_taint();
                    self.write_taints(now, node, |taints| {
                        taints.retain(|other| other.key != taint.key);
                        taints.push(taint);
                    });
                }
                Order::Untaint(node) => {
                    let taint = disrupted_taint();
                    self.write_taints(now, node, |taints| {
                        taints.retain(|other| other.key != taint.key);
                    });
                }
                Order::Evict { pod, node } => self.evict_for_karpenter(now, pod, node),
                Order::Delete { pod, grace } => {
                    let because = PodDeletion::NodeDisruption;
                    self.apply(now, &Action::DeletePod { pod, grace: Some(grace), because });
                }
                Order::Terminate(node) => self.apply(now, &Action::RemoveNode(node)),
                Order::Disrupted { node, because } => {
                    let because = because.word();
                    self.records.push(Record::NodeDisrupted { node, because });
                }
                Order::Say { about, event, message } => {
                    let about = match about {
                        Whose::Pod(pod) => About::Pod(pod),
                        Whose::Node(node) => About::Node(node),
                        Whose::Pool(name) => About::NodePool(name),
                    };
                    self.records.push(Record::Announced { about, event, message });
                }
            }
        }
    }

    fn evict_for_karpenter(&mut self, now: SimTime, pod: PodId, node: NodeId) {
        let request = Request { dry_run: false, grace: None };
        let because = PodDeletion::NodeDisruption;
        let answer = self.workloads.budgets.evict(now, &self.cluster, pod, request, because);
        let granted = match answer {
            Ok(actions) => {
                for action in &actions {
                    self.apply(now, action);
                }
                true
            }
            Err(refusal) => match refusal.because() {
                Some(reason) => {
                    self.records.push(Record::EvictionRefused { pod, node, reason });
                    false
                }
                None => true,
            },
        };
        if let Some(karpenter) = &mut self.karpenter.karpenter {
            karpenter.eviction_answered(node, pod, granted, now);
        }
    }

    /// What Karpenter watches for: pods that fit nowhere, pods that come to nodes or leave them, and
    /// nodes that get ready.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most of what happens is none of Karpenter's business"
    )]
    pub(super) fn karpenter_sees(&mut self, now: SimTime, record: &Record) {
        if self.karpenter.karpenter.is_none() {
            return;
        }
        match record {
            Record::PodUnschedulable { pod, .. } => {
                self.tell_karpenter(now, |karpenter| karpenter.pod_unschedulable(*pod, now));
            }
            Record::PodBound { pod, .. } | Record::PodTerminating { pod, .. } => {
                self.karpenter_sees_pod(now, *pod);
            }
            Record::PodBecameReady(pod) => self.remove_startup_taints(now, *pod),
            Record::NodeBecameReady(node) => {
                self.remove_unowned_startup_taints(now, *node);
                self.tell_karpenter(now, |karpenter| karpenter.wake(now));
            }
            Record::NodeGpusAllocatable(_) | Record::NodeRecovered(_) | Record::NodeGone(_) => {
                self.tell_karpenter(now, |karpenter| karpenter.wake(now));
            }
            Record::PodGone(_) => self.tell_karpenter(now, |karpenter| karpenter.changed(now)),
            _ => {}
        }
    }

    fn tell_karpenter(&mut self, now: SimTime, tell: impl FnOnce(&mut Karpenter)) {
        if let Some(karpenter) = &mut self.karpenter.karpenter {
            tell(karpenter);
            self.arm_karpenter(now);
        }
    }

    /// A pod came to a node, or begins to leave it.
    fn karpenter_sees_pod(&mut self, now: SimTime, pod: PodId) {
        let live = self.cluster.pod(pod).filter(|pod| !pod.owner.is_daemon());
        if let Some(node) = live.and_then(|pod| pod.node).filter(|_| !self.booting) {
            self.tell_karpenter(now, |karpenter| karpenter.pod_event(node, now));
        }
    }

    /// The cloud gives notice that it takes a node back.
    pub(super) fn karpenter_loses_node(&mut self, now: SimTime, node: NodeId) {
        self.tell_karpenter(now, |karpenter| karpenter.interrupted(node, now));
    }

    /// A pool gets a new machine image, or another template: its nodes drift, and Karpenter replaces
    /// them as its budgets allow.
    pub(super) fn karpenter_pool_drifts(&mut self, now: SimTime, pool: &Arc<str>, template: bool) {
        let about = About::NodePool(Arc::clone(pool));
        if template {
            self.announce(about, "NodePoolDrifted", "the template of the NodePool was changed");
        } else {
            self.announce(about, "AMIDrift", "the machine image of its node class was replaced");
        }
        self.tell_karpenter(now, |karpenter| karpenter.drifted(pool, template, now));
    }

    /// A pod is ready: the startup taints of its node go when every DaemonSet that tolerates them
    /// has a ready pod there.
    fn remove_startup_taints(&mut self, now: SimTime, pod: PodId) {
        let Some(node) = self.cluster.pod(pod).and_then(|pod| pod.node) else { return };
        let waited_for = self.startup_taints(node);
        let done: Vec<Taint> = waited_for
            .into_iter()
            .filter(|taint| {
                let tolerates = |pod: &&crate::cluster::Pod| {
                    let tolerations = &pod.template.spec.tolerations;
                    pod.owner.is_daemon() && tolerations.iter().any(|it| it.tolerates(taint))
                };
                let mut pods = self.cluster.pods_on(node).filter(tolerates).peekable();
                pods.peek().is_some() && pods.all(crate::cluster::Pod::is_ready)
            })
            .collect();
        self.take_away(now, node, &done);
    }

    /// A node is Ready: startup taints that no DaemonSet tolerates go at once, taken away by whoever
    /// is meant to, which is in no manifest.
    fn remove_unowned_startup_taints(&mut self, now: SimTime, node: NodeId) {
        let unowned: Vec<Taint> = self
            .startup_taints(node)
            .into_iter()
            .filter(|taint| {
                !self.cluster.workloads().iter().any(|workload| {
                    let daemon = matches!(
                        workload.spec.kind,
                        crate::cluster::api::WorkloadKind::DaemonSet { .. }
                    );
                    let spec = &workload.wanted().template.spec;
                    daemon && spec.tolerations.iter().any(|it| it.tolerates(taint))
                })
            })
            .collect();
        self.take_away(now, node, &unowned);
    }

    fn startup_taints(&self, node: NodeId) -> Vec<Taint> {
        let Some(karpenter) = &self.karpenter.karpenter else { return Vec::new() };
        let Some(node) = self.cluster.node(node) else { return Vec::new() };
        let name = node.pool.and_then(|pool| self.cluster.pool(pool).spec.node_pool.clone());
        let pool = karpenter.spec().pools.iter().find(|pool| Some(&pool.name) == name.as_ref());
        let startup = pool.map_or(&[][..], |pool| &pool.startup_taints);
        startup.iter().filter(|taint| node.taints.contains(taint)).cloned().collect()
    }

    fn take_away(&mut self, now: SimTime, node: NodeId, done: &[Taint]) {
        if !done.is_empty() {
            self.write_taints(now, node, |taints| taints.retain(|taint| !done.contains(taint)));
            self.tell_karpenter(now, |karpenter| karpenter.wake(now));
        }
    }
}
