//! The node lifecycle controller: notices nodes that do not answer, taints them, and slows down or
//! stops when a whole zone seems ill.
//!
//! kube-controller-manager, nodelifecycle/node_lifecycle_controller.go `monitorNodeHealth`,
//! `tryUpdateNodeHealth`, `processTaintBaseEviction`, `doNoExecuteTaintingPass`,
//! `handleDisruption`, `ComputeZoneState`, `ReducedQPSFunc`; scheduler/rate_limited_queue.go.

mod live;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::cluster::pod::ConditionStatus;
use crate::model::id::NodeId;
use crate::units::convert::f64_from_usize;
use crate::units::{SimDuration, SimTime};

pub use live::{LEASE_RENEWAL, last_renewal};

/// Taint key of a node whose kubelet says that it is not ready.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Taint key of a node whose kubelet does not answer.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// The controller's flags.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeLifecycleSpec {
    /// `--node-monitor-period`: between two passes; default 5 s.
    pub monitor_period: SimDuration,
    /// `--node-monitor-grace-period`: silence after which a node is Unknown; default 50 s (40 s up
    /// to Kubernetes 1.31).
    pub grace: SimDuration,
    /// `--node-startup-grace-period`: the same for a node that has reported nothing yet; default
    /// 60 s.
    pub startup_grace: SimDuration,
    /// Between two NoExecute taints in a zone, the inverse of `--node-eviction-rate`; default 10 s.
    pub eviction_interval: SimDuration,
    /// The same in a large zone that is partially ill, the inverse of
    /// `--secondary-node-eviction-rate`; default 100 s.
    pub secondary_eviction_interval: SimDuration,
    /// `--large-cluster-size-threshold`: a partially ill zone up to this size is left alone;
    /// default 50 nodes.
    pub large_zone: usize,
    /// `--unhealthy-zone-threshold`: share of nodes that makes a zone partially ill; default 0.55.
    pub unhealthy_zone: f64,
}

impl Default for NodeLifecycleSpec {
    fn default() -> Self {
        Self {
            monitor_period: SimDuration::from_secs(5),
            grace: SimDuration::from_secs(50),
            startup_grace: SimDuration::from_secs(60),
            eviction_interval: SimDuration::from_secs(10),
            secondary_eviction_interval: SimDuration::from_secs(100),
            large_zone: 50,
            unhealthy_zone: 0.55,
        }
    }
}

impl NodeLifecycleSpec {
    /// The pass that first saw a renewal: the first one at or after it.
    fn seen_by_pass(&self, renewed: SimTime, now: SimTime) -> SimTime {
        let period = self.monitor_period.as_nanos();
        SimTime::from_nanos(renewed.as_nanos().div_ceil(period) * period).min(now)
    }
}

/// A node as the controller sees it in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeSeen<'a> {
    /// Which.
    pub node: NodeId,
    /// Its zone; `""` when it has none.
    pub zone: &'a str,
    /// When the object was made.
    pub created: SimTime,
    /// The last renewal of its lease; `None` before the first.
    pub renewed: Option<SimTime>,
    /// The Ready condition as stored, also when this controller wrote it.
    pub ready: Option<ConditionStatus>,
}

/// What a pass or a tainting asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Writes the node's Ready condition as Unknown.
    MarkUnknown(NodeId),
    /// Writes Ready=False on all its pods: endpoints and budgets lose them.
    MarkPodsNotReady(NodeId),
    /// Puts the taint of the condition on the node, with this effect, in place of its opposite.
    Taint(NodeId, Ailment, TaintEffect),
    /// Takes the NoExecute and NoSchedule taints of this controller off the node.
    Untaint(NodeId),
}

/// What ails a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ailment {
    /// Its kubelet says so.
    NotReady,
    /// Its kubelet says nothing.
    Unreachable,
}

impl Ailment {
    /// The taint that tells of it.
    #[must_use]
    pub fn taint(self, effect: TaintEffect) -> Taint {
        let key = match self {
            Self::NotReady => NOT_READY,
            Self::Unreachable => UNREACHABLE,
        };
        Taint { key: Arc::from(key), value: Arc::from(""), effect }
    }
}

/// How ill a zone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZoneState {
    /// Not looked at yet.
    Initial,
    /// Well enough.
    Normal,
    /// More than two nodes and at least 55 % of them are not ready.
    PartialDisruption,
    /// No node is ready.
    FullDisruption,
}

/// The controller and its memory.
#[derive(Debug, Clone, Default)]
pub struct NodeLifecycle {
    spec: NodeLifecycleSpec,
    nodes: BTreeMap<NodeId, Health>,
    zones: BTreeMap<Arc<str>, Zone>,
}

#[derive(Debug, Clone)]
struct Health {
    zone: Arc<str>,
    /// The lease renewal seen last, and the pass that saw it first.
    renewed: Option<SimTime>,
    probed: SimTime,
    /// What the node is tainted with, or is about to be.
    ailment: Option<Ailment>,
    /// Whether its NoExecute taint is on.
    executing: bool,
    /// Whether its pods were marked since it was last ready.
    pods_marked: bool,
}

#[derive(Debug, Clone)]
struct Zone {
    state: ZoneState,
    /// Between two taintings; `None` is never.
    interval: Option<SimDuration>,
    /// From when on the next one is allowed.
    allowed_from: SimTime,
    /// Nodes that wait for their NoExecute taint.
    queue: VecDeque<NodeId>,
}

impl NodeLifecycle {
    /// A controller that has seen nothing yet.
    #[must_use]
    pub fn new(spec: NodeLifecycleSpec) -> Self {
        Self { spec, ..Self::default() }
    }

    /// Its flags.
    #[must_use]
    pub fn spec(&self) -> &NodeLifecycleSpec {
        &self.spec
    }

    /// How ill a zone was in the last pass.
    #[must_use]
    pub fn zone_state(&self, zone: &str) -> ZoneState {
        self.zones.get(zone).map_or(ZoneState::Initial, |zone| zone.state)
    }

    /// What ails a node by the last pass.
    #[must_use]
    pub fn ailment(&self, node: NodeId) -> Option<Ailment> {
        self.nodes.get(&node).and_then(|health| health.ailment)
    }

    /// One pass over all nodes, at every multiple of [`NodeLifecycleSpec::monitor_period`]. NoExecute
    /// taints follow through [`NodeLifecycle::taint`], which is to be called after each pass.
    ///
    /// Passes may be left out while every node is well: what they would have seen is made up for.
    #[must_use]
    pub fn monitor(&mut self, now: SimTime, nodes: &[NodeSeen<'_>]) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        self.forget_others(nodes);
        let mut conditions: BTreeMap<Arc<str>, Vec<bool>> = BTreeMap::new();
        for node in nodes {
            let ready = self.examine(now, node, &mut verdicts);
            let zone = Arc::clone(&self.nodes[&node.node].zone);
            conditions.entry(zone).or_default().push(ready == Some(ConditionStatus::True));
        }
        self.handle_disruption(now, &conditions, &mut verdicts);
        verdicts
    }

    fn forget_others(&mut self, nodes: &[NodeSeen<'_>]) {
        let present: BTreeSet<NodeId> = nodes.iter().map(|node| node.node).collect();
        self.nodes.retain(|node, _| present.contains(node));
        for zone in self.zones.values_mut() {
            zone.queue.retain(|node| present.contains(node));
        }
    }

    /// Looks at one node; returns its Ready condition after that.
    fn examine(
        &mut self,
        now: SimTime,
        node: &NodeSeen<'_>,
        verdicts: &mut Vec<Verdict>,
    ) -> Option<ConditionStatus> {
        let health = self.nodes.entry(node.node).or_insert_with(|| Health {
            zone: Arc::from(node.zone),
            renewed: None,
            probed: node.created,
            ailment: None,
            executing: false,
            pods_marked: false,
        });
        if !self.zones.contains_key(node.zone) {
            let zone = Zone {
                state: ZoneState::Initial,
                interval: Some(self.spec.eviction_interval),
                allowed_from: SimTime::ZERO,
                queue: VecDeque::new(),
            };
            self.zones.insert(Arc::clone(&health.zone), zone);
        }
        if node.renewed > health.renewed {
            health.renewed = node.renewed;
            health.probed =
                node.renewed.map_or(now, |renewed| self.spec.seen_by_pass(renewed, now));
        }
        let grace = if node.ready.is_none() { self.spec.startup_grace } else { self.spec.grace };
        let mut ready = node.ready;
        if now > health.probed + grace && ready != Some(ConditionStatus::Unknown) {
            ready = Some(ConditionStatus::Unknown);
            verdicts.push(Verdict::MarkUnknown(node.node));
        }
        if let Some(status) = ready {
            let ailment = match status {
                ConditionStatus::True => None,
                ConditionStatus::False => Some(Ailment::NotReady),
                ConditionStatus::Unknown => Some(Ailment::Unreachable),
            };
            if ailment.is_none() {
                health.pods_marked = false;
            } else if !health.pods_marked {
                health.pods_marked = true;
                verdicts.push(Verdict::MarkPodsNotReady(node.node));
            }
            self.note(node.node, ailment, verdicts);
        }
        ready
    }

    /// A node that fell ill is tainted against new pods at once and waits for its NoExecute taint;
    /// one that is tainted already swaps its taints; one that is well loses them.
    fn note(&mut self, node: NodeId, ailment: Option<Ailment>, verdicts: &mut Vec<Verdict>) {
        let health = self.nodes.get_mut(&node).expect("the node was just examined");
        if health.ailment == ailment {
            // Taints that were taken off because everything was ill come back through the queue.
            if ailment.is_none() || health.executing {
                return;
            }
        } else {
            health.ailment = ailment;
            let Some(ailment) = ailment else {
                return self.untaint(node, verdicts);
            };
            verdicts.push(Verdict::Taint(node, ailment, TaintEffect::NoSchedule));
            if health.executing {
                verdicts.push(Verdict::Taint(node, ailment, TaintEffect::NoExecute));
                return;
            }
        }
        let zone = self.zones.get_mut(&health.zone).expect("the zone of a known node is known");
        if !zone.queue.contains(&node) {
            zone.queue.push_back(node);
        }
    }

    fn untaint(&mut self, node: NodeId, verdicts: &mut Vec<Verdict>) {
        let health = self.nodes.get_mut(&node).expect("the node was just examined");
        health.executing = false;
        if let Some(zone) = self.zones.get_mut(&health.zone) {
            zone.queue.retain(|&waiting| waiting != node);
        }
        verdicts.push(Verdict::Untaint(node));
    }

    fn handle_disruption(
        &mut self,
        now: SimTime,
        conditions: &BTreeMap<Arc<str>, Vec<bool>>,
        verdicts: &mut Vec<Verdict>,
    ) {
        let states: BTreeMap<Arc<str>, ZoneState> = conditions
            .iter()
            .map(|(zone, ready)| (Arc::clone(zone), self.zone_state_of(ready)))
            .collect();
        self.zones.retain(|zone, _| states.contains_key(zone));
        let all_are = states.values().all(|state| *state == ZoneState::FullDisruption);
        let all_were = self.zones.values().all(|zone| zone.state == ZoneState::FullDisruption);
        if all_are && all_were {
            return;
        }
        if all_are {
            // When nobody answers, the fault is more likely to be here: all evictions stop.
            let tainted: Vec<NodeId> = self.nodes.keys().copied().collect();
            for node in tainted {
                self.untaint(node, verdicts);
            }
            for zone in self.zones.values_mut() {
                zone.interval = None;
                zone.state = ZoneState::FullDisruption;
            }
            return;
        }
        if all_were {
            for health in self.nodes.values_mut() {
                health.probed = now;
            }
        }
        for (name, &state) in &states {
            let interval = self.interval_in(state, conditions[name].len());
            let zone = self.zones.get_mut(name).expect("the zone of a known node is known");
            if all_were || zone.state != state {
                zone.state = state;
                if zone.interval != interval {
                    zone.interval = interval;
                    zone.allowed_from = zone.allowed_from.max(now);
                }
            }
        }
    }

    fn zone_state_of(&self, ready: &[bool]) -> ZoneState {
        let ill = ready.iter().filter(|ready| !**ready).count();
        if ill == ready.len() && ill > 0 {
            ZoneState::FullDisruption
        } else if ill > 2
            && f64_from_usize(ill) / f64_from_usize(ready.len()) >= self.spec.unhealthy_zone
        {
            ZoneState::PartialDisruption
        } else {
            ZoneState::Normal
        }
    }

    fn interval_in(&self, state: ZoneState, size: usize) -> Option<SimDuration> {
        match state {
            ZoneState::PartialDisruption if size <= self.spec.large_zone => None,
            ZoneState::PartialDisruption => Some(self.spec.secondary_eviction_interval),
            ZoneState::Initial | ZoneState::Normal | ZoneState::FullDisruption => {
                Some(self.spec.eviction_interval)
            }
        }
    }

    /// Puts NoExecute taints on nodes that wait for them, as fast as their zones allow. To be called
    /// after each pass and at [`NodeLifecycle::next_taint`].
    #[must_use]
    pub fn taint(&mut self, now: SimTime) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for zone in self.zones.values_mut() {
            while let Some(interval) = zone.interval.filter(|_| zone.allowed_from <= now) {
                let Some(node) = zone.queue.pop_front() else {
                    break;
                };
                zone.allowed_from = now + interval;
                let health = self.nodes.get_mut(&node).expect("only known nodes wait");
                if let Some(ailment) = health.ailment {
                    health.executing = true;
                    verdicts.push(Verdict::Taint(node, ailment, TaintEffect::NoExecute));
                }
            }
        }
        verdicts
    }

    /// When the next waiting node may get its NoExecute taint, if nothing else happens.
    #[must_use]
    pub fn next_taint(&self) -> Option<SimTime> {
        let allowed = |zone: &&Zone| zone.interval.is_some() && !zone.queue.is_empty();
        self.zones.values().filter(allowed).map(|zone| zone.allowed_from).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RENEWAL: u64 = 10;

    /// A cluster of zones; nodes renew their leases every 10 s at second 6 until they are silent.
    struct Cluster {
        controller: NodeLifecycle,
        zones: Vec<&'static str>,
        ready: Vec<ConditionStatus>,
        /// From when on each node is silent.
        silent_from: Vec<u64>,
        log: Vec<(u64, Verdict)>,
    }

    const NEVER: u64 = u64::MAX;

    impl Cluster {
        fn new(zones: &[&'static str], silent_from: &[u64]) -> Self {
            Self {
                controller: NodeLifecycle::new(NodeLifecycleSpec::default()),
                zones: zones.to_vec(),
                ready: vec![ConditionStatus::True; zones.len()],
                silent_from: silent_from.to_vec(),
                log: Vec::new(),
            }
        }

        fn run(&mut self, until: u64) -> &mut Self {
            for second in 1000..until {
                let now = SimTime::from_secs(second);
                let mut verdicts = Vec::new();
                if second % 5 == 0 {
                    let seen: Vec<NodeSeen<'_>> = (0..self.zones.len())
                        .map(|index| {
                            let alive = second.min(self.silent_from[index] - 1);
                            let renewed = (alive - 6) / RENEWAL * RENEWAL + 6;
                            NodeSeen {
                                node: NodeId::at(index),
                                zone: self.zones[index],
                                created: SimTime::ZERO,
                                renewed: Some(SimTime::from_secs(renewed)),
                                ready: Some(self.ready[index]),
                            }
                        })
                        .collect();
                    verdicts = self.controller.monitor(now, &seen);
                }
                verdicts.extend(self.controller.taint(now));
                for verdict in verdicts {
                    if let Verdict::MarkUnknown(node) = verdict {
                        self.ready[node.index()] = ConditionStatus::Unknown;
                    }
                    self.log.push((second, verdict));
                }
            }
            self
        }

        fn evicting(&self) -> Vec<u64> {
            let executing =
                |verdict: &Verdict| matches!(verdict, Verdict::Taint(_, _, TaintEffect::NoExecute));
            self.log.iter().filter(|(_, it)| executing(it)).map(|(at, _)| *at).collect()
        }
    }

    #[test]
    fn a_silent_node_is_unknown_at_the_first_pass_after_fifty_seconds() {
        let mut cluster = Cluster::new(&["a"; 10], &[NEVER; 10]);
        cluster.silent_from[0] = 2000;
        // Last renewal at 1996, seen by the pass at 2000; 50 s exactly are not more than 50 s.
        let node = NodeId(0);
        let expected = [
            (2055, Verdict::MarkUnknown(node)),
            (2055, Verdict::MarkPodsNotReady(node)),
            (2055, Verdict::Taint(node, Ailment::Unreachable, TaintEffect::NoSchedule)),
            (2055, Verdict::Taint(node, Ailment::Unreachable, TaintEffect::NoExecute)),
        ];
        assert_eq!(cluster.run(2400).log, expected);
    }

    #[test]
    fn passes_left_out_before_a_node_fell_silent_change_nothing() {
        let mut controller = NodeLifecycle::new(NodeLifecycleSpec::default());
        let last = SimTime::from_secs(1996);
        let mut unknown_at = None;
        // The first pass ever comes 4 s after the node fell silent at 2006, 14 s after its renewal.
        for second in (2010..2100).step_by(5) {
            let nodes = [0, 1].map(|node| NodeSeen {
                node: NodeId(node),
                zone: "a",
                created: SimTime::ZERO,
                renewed: Some(if node == 0 { last } else { SimTime::from_secs(second - 4) }),
                ready: Some(ConditionStatus::True),
            });
            let verdicts = controller.monitor(SimTime::from_secs(second), &nodes);
            if verdicts.contains(&Verdict::MarkUnknown(NodeId(0))) {
                unknown_at = unknown_at.or(Some(second));
            }
        }
        assert_eq!(unknown_at, Some(2055));
    }

    #[test]
    fn nodes_that_fail_together_are_tainted_one_by_one() {
        let mut cluster = Cluster::new(&["a"; 10], &[NEVER; 10]);
        cluster.silent_from[..3].fill(2000);
        assert_eq!(cluster.run(2400).evicting(), [2055, 2065, 2075]);
    }

    #[test]
    fn a_small_zone_that_is_mostly_ill_is_left_alone() {
        let mut cluster = Cluster::new(&["a"; 5], &[NEVER; 5]);
        cluster.silent_from[..3].fill(2000);
        assert_eq!(cluster.run(2400).evicting(), [0; 0]);
        assert_eq!(cluster.controller.zone_state("a"), ZoneState::PartialDisruption);

        let mut two_of_three = Cluster::new(&["a"; 3], &[2000, 2000, NEVER]);
        assert_eq!(two_of_three.run(2400).evicting(), [2055, 2065]);
        assert_eq!(two_of_three.controller.zone_state("a"), ZoneState::Normal);
    }

    #[test]
    fn one_dead_zone_is_evicted_and_a_dead_cluster_is_not() {
        let zones = ["a", "a", "b", "b"];
        let mut one = Cluster::new(&zones, &[2000, 2000, NEVER, NEVER]);
        assert_eq!(one.run(2400).evicting(), [2055, 2065]);
        let mut all = Cluster::new(&zones, &[2000; 4]);
        assert_eq!(all.run(2400).evicting(), [0; 0]);
        assert_eq!(all.controller.zone_state("b"), ZoneState::FullDisruption);
    }

    #[test]
    fn a_node_that_answers_again_loses_its_taints() {
        let mut cluster = Cluster::new(&["a"; 10], &[NEVER; 10]);
        cluster.silent_from[0] = 2000;
        cluster.run(2100);
        cluster.ready[0] = ConditionStatus::True;
        cluster.silent_from[0] = NEVER;
        cluster.log.clear();
        assert_eq!(cluster.run(1200).log, [(1000, Verdict::Untaint(NodeId(0)))]);
    }
}
