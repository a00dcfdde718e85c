//! Karpenter through a clock: what it does when, on hand-made clusters.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fixture::{MINUTE, Scene, at};
use super::instance::tests::machine;
use super::instance::{CapacityType, InstanceOption};
use super::observation::{Node, OwnerKind};
use super::pool::tests::plain;
use super::requirement::{CAPACITY_TYPE, Requirement};
use super::*;
use crate::cluster::api::Taint;
use crate::cluster::api::meta::IntOrPercent;
use crate::control::karpenter::pool::Budget;

/// A cluster whose cloud, kubelets and scheduler do what is expected of them, each after its time.
struct Stage {
    scene: Scene,
    karpenter: Karpenter,
    now: SimTime,
    /// What was ordered, with its time in milliseconds.
    log: Vec<(u64, String)>,
    /// When nodes become Ready.
    boots: BTreeMap<NodeId, SimTime>,
    boot: SimDuration,
    /// Pods whose eviction is refused.
    refused: Vec<PodId>,
}

impl Stage {
    fn new(mut pools: Vec<NodePool>, prepare: impl FnOnce(&mut Scene)) -> Self {
        for pool in &mut pools {
            pool.requirements.add(CAPACITY_TYPE, Requirement::one_of([Arc::from("on-demand")]));
        }
        let mut scene = Scene::new(pools);
        scene.seen.now = SimTime::ZERO;
        prepare(&mut scene);
        let call = Dist::fixed(SimDuration::from_secs(2));
        let mut karpenter = Karpenter::new(scene.spec.clone(), call, Streams::new(1, 0));
        karpenter.states = scene.states.clone();
        Self {
            scene,
            karpenter,
            now: SimTime::ZERO,
            log: Vec::new(),
            boots: BTreeMap::new(),
            boot: SimDuration::from_secs(40),
            refused: Vec::new(),
        }
    }

    /// A pod waits from now on.
    fn pending(&mut self, name: &str, milli: i64) -> PodId {
        let pod = self.scene.waits(name, milli, 100, |_| {});
        self.karpenter.pod_unschedulable(pod, self.now);
        pod
    }

    /// Goes on until a time.
    fn run(&mut self, until: SimTime) {
        for _ in 0..200_000 {
            let boot = self.boots.values().min().copied();
            let next = [self.karpenter.next_due(), boot].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = next.max(self.now);
            self.scene.seen.now = self.now;
            self.boot_nodes();
            if self.karpenter.next_due().is_some_and(|due| due <= self.now) {
                let orders = self.karpenter.advance(&self.scene.seen);
                for order in orders {
                    self.carry_out(order);
                }
            }
        }
        self.now = until;
        self.scene.seen.now = until;
    }

    fn boot_nodes(&mut self) {
        let due: Vec<NodeId> =
            self.boots.iter().filter(|(_, when)| **when <= self.now).map(|(id, _)| *id).collect();
        for id in due {
            self.boots.remove(&id);
            let node = self.node_mut(id);
            (node.registered, node.ready) = (true, true);
            self.karpenter.wake(self.now);
            self.schedule_pods(id);
        }
    }

    /// The scheduler puts all pods that wait on a node that has come, first come, first served.
    fn schedule_pods(&mut self, node: NodeId) {
        for pod in 0..self.scene.seen.pods.len() {
            let pod = PodId::at(pod);
            let free = self.free_milli(node);
            let it = self.scene.pod(pod);
            if it.node.is_none() && it.unschedulable && it.requests.cpu.0 <= free {
                self.scene.put(pod, node);
                self.karpenter.pod_event(node, self.now);
            }
        }
    }

    fn free_milli(&self, node: NodeId) -> i64 {
        let size = self.scene.seen.nodes.iter().find(|it| it.id == node);
        let size = size.map_or(0, |it| it.allocatable.cpu.0);
        let pods = self.scene.seen.pods.iter().filter(|pod| pod.node == Some(node));
        size - pods.map(|pod| pod.requests.cpu.0).sum::<i64>()
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        let node = self.scene.seen.nodes.iter_mut().find(|it| it.id == id);
        Arc::make_mut(node.expect("the node is there"))
    }

    fn carry_out(&mut self, order: Order) {
        let ms = self.now.as_nanos() / 1_000_000;
        let mut note = |text: String| self.log.push((ms, text));
        match order {
            Order::Launch { claim, zone, .. } => {
                note(format!("launch {claim}"));
                self.launch(&claim, &zone);
            }
            Order::Taint(node) => {
                note(format!("taint {node}"));
                let taint = observation::disrupted_taint();
                let taints = &mut self.node_mut(node).taints;
                taints.retain(|it: &Taint| it.key != taint.key);
                taints.push(taint);
            }
            Order::Untaint(node) => {
                note(format!("untaint {node}"));
                self.node_mut(node).taints.clear();
            }
            Order::Evict { pod, node } => {
                let granted = !self.refused.contains(&pod);
                note(format!("evict {pod}{}", if granted { "" } else { " refused" }));
                if granted {
                    // It is gone at once, and its successor waits.
                    self.scene.pod(pod).node = None;
                    self.scene.pod(pod).unschedulable = true;
                    self.karpenter.pod_unschedulable(pod, self.now);
                }
                self.karpenter.eviction_answered(node, pod, granted, self.now);
            }
            Order::Delete { pod, grace } => {
                note(format!("delete {pod} grace {grace}"));
                self.scene.pod(pod).node = None;
            }
            Order::Terminate(node) => {
                note(format!("terminate {node}"));
                self.scene.seen.nodes.retain(|it| it.id != node);
                self.boots.remove(&node);
                self.karpenter.wake(self.now);
            }
            Order::Disrupted { node, because } => {
                note(format!("disrupted {node} {}", because.word()));
            }
            Order::Say { event, message, .. } => note(format!("{event}: {message}")),
        }
    }

    fn launch(&mut self, claim: &Arc<str>, zone: &str) {
        let launching = self.karpenter.launching.iter().find(|it| it.name == *claim);
        let plan = &launching.expect("it is being launched").plan;
        let (pool, machine) = (plan.pool, Arc::clone(plan.choices[0].name()));
        let next = self.scene.seen.nodes.iter().map(|node| node.id.0 + 1).max().unwrap_or(100);
        let id = NodeId(next.max(100));
        let before = self.scene.seen.nodes.len();
        self.scene.node(claim, pool, &machine, (zone, "on-demand"));
        let node = Arc::make_mut(&mut self.scene.seen.nodes[before]);
        (node.id, node.registered, node.ready, node.created) = (id, false, false, self.now);
        self.boots.insert(id, self.now + self.boot);
        self.karpenter.launched(claim, id, self.now);
    }

    /// The log without what was only said.
    fn deeds(&self) -> Vec<(u64, &str)> {
        let said = |text: &str| text.contains(": ") || text.starts_with("Initialized");
        self.log.iter().filter(|(_, it)| !said(it)).map(|(ms, it)| (*ms, &**it)).collect()
    }

    fn said(&self, event: &str) -> Vec<&str> {
        let prefix = format!("{event}: ");
        self.log.iter().filter_map(|(_, it)| it.strip_prefix(&*prefix)).collect()
    }
}

fn sizes() -> Vec<Arc<InstanceOption>> {
    vec![machine("m5.large", 2, 0.10), machine("m5.2xlarge", 8, 0.40)]
}

fn free(name: &str) -> NodePool {
    NodePool { budgets: Vec::new(), consolidate_after: None, ..plain(name, sizes()) }
}

/// Pods come at 0 and 0.5 s; the window closes a second after the last one (batcher.go `Wait`,
/// batch-idle-duration 1 s), at 1.5 s, and the call takes 2 s: 1.5 + 2 = 3.5 s.
#[test]
fn pods_are_gathered_for_a_second_and_get_their_node_after_the_call() {
    let mut stage = Stage::new(vec![free("p")], |_| {});
    stage.pending("a", 500);
    stage.run(at(0) + SimDuration::from_millis(500));
    stage.pending("b", 500);
    stage.run(at(60));
    assert_eq!(stage.deeds(), [(3_500, "launch p-1")]);
    let created = stage.said("NodeClaimCreated");
    assert_eq!(created.len(), 1);
    assert!(
        created[0].starts_with("created nodeclaim p-1 (provisioned) for 2 pods"),
        "{created:?}"
    );
    assert_eq!(stage.said("Nominated")[0], "Pod should schedule on: nodeclaim/p-1");
    assert_eq!(stage.said("Initialized"), ["initialized nodeclaim p-1"]);
}

/// The first claim is made at 0 + 1 s and has its machine at 3 s. The second pod's window closes at 2.5 s,
/// where the state is not synced: provisioner.go `Reconcile` drops the window and waits for the next
/// trigger. That is the first pod, which controller.go puts in line again every 10 s: 10 + 1 + 2 = 13 s.
#[test]
fn nobody_plans_while_a_claim_waits_for_its_machine() {
    let mut stage = Stage::new(vec![free("p")], |_| {});
    stage.pending("a", 1900);
    stage.run(at(1) + SimDuration::from_millis(500));
    // Its window closes at 2.5 s, while the first claim is being launched: nothing happens before the
    // first pod, which waits still, comes by again at 10 s.
    stage.pending("b", 1900);
    stage.run(at(60));
    assert_eq!(stage.deeds(), [(3_000, "launch p-1"), (13_000, "launch p-2")]);
}

/// The pod comes by at 0, 10, 20 and 30 s; the last window before 40 s closes at 31 s. The node is spared for
/// twice the longest window (statenode.go `nominationWindow`): 31 + 2 x 10 = 51 s.
#[test]
fn a_pod_that_still_waits_is_expected_on_the_node_that_comes() {
    let mut stage = Stage::new(vec![free("p")], |_| {});
    stage.pending("a", 500);
    stage.run(at(40));
    assert_eq!(stage.deeds().len(), 1, "no second node for the same pod");
    let state = stage.karpenter.states.values().next().expect("it was launched");
    assert_eq!(state.nominated_until, at(31) + SimDuration::from_secs(20));
}

#[test]
fn what_is_not_to_be_had_is_asked_for_again_after_three_minutes() {
    let mut stage = Stage::new(vec![free("p")], |_| {});
    for zone in ["a", "b"] {
        let key = (Arc::from("m5.large"), Arc::from(zone), CapacityType::OnDemand);
        stage.scene.seen.refused.insert(key, "InsufficientInstanceCapacity");
    }
    stage.pending("a", 500);
    stage.run(at(60));
    // The call names both types: the dearer one comes.
    assert_eq!(stage.said("InsufficientCapacity").len(), 2);
    assert!(stage.said("NodeClaimLaunched")[0].contains("m5.2xlarge"));
    let key = |zone: &str| (Arc::from("m5.large"), Arc::from(zone), CapacityType::OnDemand);
    assert!(stage.karpenter.unavailable.contains_key(&key("a")));
    stage.run(at(3 + 180));
    stage.pending("b", 7900);
    stage.run(at(250));
    assert!(!stage.karpenter.unavailable.contains_key(&key("a")), "it is forgotten");
}

/// The call of 1 s fails at 3 s, and its offerings are shunned until 3 + 180 = 183 s
/// (`UnavailableOfferingsTTL`). The pod comes by every 10 s, for the first time after that at 190 s; window and
/// call: 190 + 1 + 2 = 193 s.
#[test]
fn a_claim_without_any_machine_is_given_up_and_planned_anew() {
    let mut stage = Stage::new(vec![free("p")], |_| {});
    for (name, zone) in
        [("m5.large", "a"), ("m5.large", "b"), ("m5.2xlarge", "a"), ("m5.2xlarge", "b")]
    {
        let key = (Arc::from(name), Arc::from(zone), CapacityType::OnDemand);
        stage.scene.seen.refused.insert(key, "InsufficientInstanceCapacity");
    }
    stage.pending("a", 500);
    stage.run(at(20));
    assert!(stage.deeds().is_empty());
    assert_eq!(stage.said("InsufficientCapacityError").len(), 1);
    let failed = stage.said("FailedScheduling");
    assert!(
        failed.last().expect("it is told").contains("filtered out all available instance types"),
        "{failed:?}"
    );
    stage.scene.seen.refused.clear();
    stage.run(at(200));
    assert_eq!(stage.deeds(), [(193_000, "launch p-2")], "after three minutes, at its next turn");
}

/// The claim was made at 1 s and may take 15 min to register (liveness.go `registrationTimeout`): 1 + 900 =
/// 901 s. Without a node there is nothing to drain.
#[test]
fn a_node_that_never_registers_is_given_up_after_a_quarter_of_an_hour() {
    let mut stage = Stage::new(vec![free("p")], |_| {});
    stage.boot = SimDuration::from_secs(3600);
    stage.pending("a", 500);
    stage.run(at(910));
    let deeds = stage.deeds();
    assert_eq!(
        deeds[1..3],
        [(901_000, "disrupted 100 RegistrationTimeout"), (901_000, "terminate 100")]
    );
}

/// Initialized at 0, `consolidateAfter` 60 s: at 60 s not *less* than that has passed (consolidation.go of
/// nodeclaim/disruption), and a pass begins then (`pollingPeriod` 10 s). emptiness.go looks again after
/// `commandValidationDelay`: 60 + 15 = 75 s. The queue deletes the claim at once, and a drain lasts at least
/// `MinDrainTime`: 75 + 5 = 80 s.
#[test]
fn an_empty_node_goes_after_its_second_look() {
    let mut stage =
        Stage::new(vec![NodePool { consolidate_after: Some(MINUTE), ..free("p") }], |scene| {
            scene.node("n", 0, "m5.large", ("a", "on-demand"));
        });
    stage.run(at(200));
    let expected = [
        (75_000, "taint 0"),
        (75_000, "disrupted 0 Empty"),
        (75_000, "taint 0"),
        (80_000, "terminate 0"),
    ];
    assert_eq!(stage.deeds(), expected);
}

/// As above to 75 s, where the node is tainted and the claim made without a window (queue.go `StartCommand`).
/// Machine at 75 + 2 = 77 s, Ready and initialized at 77 + 40 = 117 s; the queue looks every second
/// (`queueBaseDelay`, from 75 s on), so the old claim is deleted at 117 s and its node gone at 117 + 5 = 122 s.
/// Savings: 0.40 of the m5.2xlarge less 0.10 of the m5.large.
#[test]
fn a_replacement_is_ready_before_its_node_goes() {
    let mut stage =
        Stage::new(vec![NodePool { consolidate_after: Some(MINUTE), ..free("p") }], |scene| {
            let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
            let pod = scene.waits("p", 500, 100, |_| {});
            scene.put(pod, node);
        });
    stage.run(at(300));
    let deeds = stage.deeds();
    let expected = [
        (75_000, "taint 0"),
        (77_000, "launch p-1"),
        (117_000, "disrupted 0 Underutilized"),
        (117_000, "taint 0"),
        (117_000, "evict 0"),
        (122_000, "terminate 0"),
    ];
    let rounded: Vec<(u64, &str)> =
        deeds.iter().map(|(ms, it)| (ms.div_ceil(1_000) * 1_000, *it)).collect();
    assert_eq!(rounded, expected);
    let told = stage.said("Disrupting")[0];
    assert!(
        told.starts_with("disrupting node(s): Underutilized: replace: [n] -> [1 replacement]"),
        "{told}"
    );
    assert!(told.contains("savings $0.30 per hour"), "{told}");
}

#[test]
fn a_replacement_that_is_not_to_be_had_leaves_the_node() {
    let mut stage =
        Stage::new(vec![NodePool { consolidate_after: Some(MINUTE), ..free("p") }], |scene| {
            let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
            let pod = scene.waits("p", 500, 100, |_| {});
            scene.put(pod, node);
            for zone in ["a", "b"] {
                let key = (Arc::from("m5.large"), Arc::from(zone), CapacityType::OnDemand);
                scene.seen.refused.insert(key, "InsufficientInstanceCapacity");
            }
        });
    stage.run(at(90));
    let deeds = stage.deeds();
    assert_eq!(deeds[0], (75_000, "taint 0"));
    assert_eq!(deeds[1].1, "untaint 0");
    assert_eq!(stage.said("DisruptionFailed").len(), 1);
    assert!(!stage.karpenter.states[&NodeId(0)].marked);
}

/// 120 s after the claim was made it is deleted, and its pod evicted in the same moment. The pod waits: its
/// window and call 120 + 1 + 2 = 123 s; the drain 120 + 5 = 125 s.
#[test]
fn an_expired_node_drains_at_once_and_its_pods_get_a_node_meanwhile() {
    let pool = NodePool { expire_after: Some(MINUTE + MINUTE), ..free("p") };
    let mut stage = Stage::new(vec![pool], |scene| {
        let node = scene.node("n", 0, "m5.large", ("a", "on-demand"));
        let pod = scene.waits("p", 500, 100, |_| {});
        scene.put(pod, node);
    });
    stage.pool_budget(0);
    stage.run(at(135));
    let deeds = stage.deeds();
    let expected = [
        (120_000, "disrupted 0 Expired"),
        (120_000, "taint 0"),
        (120_000, "evict 0"),
        (123_000, "launch p-1"),
        (125_000, "terminate 0"),
    ];
    let rounded: Vec<(u64, &str)> =
        deeds.iter().map(|(ms, it)| (ms.div_ceil(1_000) * 1_000, *it)).collect();
    assert_eq!(rounded, expected, "no budget holds it");
}

impl Stage {
    /// So many nodes may be disrupted at a time.
    fn pool_budget(&mut self, nodes: i32) {
        let pool = Arc::make_mut(&mut self.karpenter.spec.pools[0]);
        pool.budgets = vec![Budget { nodes: IntOrPercent::Int(nodes), ..Budget::usual() }];
    }
}

#[test]
fn pods_leave_in_tiers_and_refused_ones_are_asked_for_later_and_later() {
    let pool = NodePool { expire_after: Some(MINUTE), ..free("p") };
    let mut stage = Stage::new(vec![pool], |scene| {
        let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
        let plain = scene.waits("plain", 100, 100, |_| {});
        let agent = scene.waits("agent", 100, 100, |_| {});
        let critical = scene.waits("dns", 100, 100, |it| {
            it.spec.priority_class = Some(Arc::from("system-cluster-critical"));
        });
        for pod in [plain, agent, critical] {
            scene.put(pod, node);
        }
        scene.pod(agent).owner = OwnerKind::DaemonSet;
    });
    stage.refused = vec![PodId(0)];
    stage.run(at(62));
    let tries: Vec<u64> =
        stage.log.iter().filter(|(_, it)| it == "evict 0 refused").map(|(ms, _)| *ms).collect();
    // 100 ms, doubled each time.
    assert_eq!(tries, [60_000, 60_100, 60_300, 60_700, 61_500]);
    stage.refused.clear();
    stage.run(at(80));
    let order: Vec<&str> = stage
        .log
        .iter()
        .map(|(_, it)| &**it)
        .filter(|it| it.starts_with("evict") && !it.ends_with("refused"))
        .collect();
    assert_eq!(
        order,
        ["evict 0", "evict 1", "evict 2"],
        "plain, its DaemonSets, then critical pods"
    );
}

#[test]
fn a_termination_grace_period_ends_the_wait() {
    let pool =
        NodePool { expire_after: Some(MINUTE), termination_grace: Some(MINUTE), ..free("p") };
    let mut stage = Stage::new(vec![pool], |scene| {
        let node = scene.node("n", 0, "m5.large", ("a", "on-demand"));
        let pod = scene.waits("p", 100, 100, |_| {});
        scene.put(pod, node);
    });
    stage.refused = vec![PodId(0)];
    stage.run(at(130));
    let deeds = stage.deeds();
    let deleted: Vec<&(u64, &str)> =
        deeds.iter().filter(|(_, it)| it.starts_with("delete")).collect();
    // At 120 s the node goes: with 30 s of its own the pod is deleted right after 90 s.
    assert_eq!(deleted.len(), 1, "{deeds:?}");
    assert!((90_000..=91_500).contains(&deleted[0].0), "{deleted:?}");
    assert!(deeds.iter().any(|(_, it)| *it == "terminate 0"));
}

#[test]
fn volumes_are_waited_for_before_the_instance_goes() {
    let pool = NodePool { expire_after: Some(MINUTE), ..free("p") };
    let mut stage = Stage::new(vec![pool], |scene| {
        let node = scene.node("n", 0, "m5.large", ("a", "on-demand"));
        scene.node_mut(node).volumes_attached = true;
    });
    stage.run(at(90));
    assert!(stage.deeds().iter().all(|(_, it)| !it.starts_with("terminate")));
    stage.node_mut(NodeId(0)).volumes_attached = false;
    stage.run(at(92));
    assert!(stage.deeds().iter().any(|(_, it)| *it == "terminate 0"));
}

#[test]
fn an_interrupted_node_drains_and_its_offering_is_shunned() {
    let mut stage = Stage::new(vec![free("p")], |scene| {
        scene.node("n", 0, "m5.large", ("a", "on-demand"));
    });
    stage.run(at(10));
    stage.karpenter.interrupted(NodeId(0), at(10));
    stage.run(at(11));
    assert_eq!(stage.deeds()[0], (10_000, "disrupted 0 SpotInterrupted"));
    let key = (Arc::from("m5.large"), Arc::from("a"), CapacityType::OnDemand);
    assert_eq!(stage.karpenter.unavailable.get(&key), Some(&at(190)));
}

/// A new image is found when a claim is looked at, every 300 s from its creation at 0 (drift.go): replacement
/// made at 300 s, machine 302 s, initialized and old claim deleted at 342 s. Another template is found at once,
/// at 10 s, by the pass of 20 s: 20 + 2 + 40 = 62 s. The budget of one lets the second node go when the first
/// is gone, five seconds later, by the pass after that.
#[test]
fn drifted_nodes_are_replaced_one_after_another_as_budgets_allow() {
    for (template, first) in [(false, 342), (true, 62)] {
        let mut stage = Stage::new(vec![free("p")], |scene| {
            for name in ["n1", "n2"] {
                let node = scene.node(name, 0, "m5.large", ("a", "on-demand"));
                let pod = scene.waits(name, 1500, 100, |_| {});
                scene.put(pod, node);
            }
        });
        stage.pool_budget(1);
        stage.run(at(10));
        stage.karpenter.drifted("p", template, at(10));
        stage.run(at(900));
        let gone = stage.deeds().into_iter().filter(|(_, it)| it.ends_with("Drifted"));
        let gone: Vec<u64> = gone.map(|(ms, _)| ms.div_ceil(1_000)).collect();
        assert_eq!((gone.len(), gone[0]), (2, first), "{:?}", stage.deeds());
        assert!((47..=58).contains(&(gone[1] - gone[0])), "{gone:?}");
    }
}

#[test]
fn limits_stop_claims_of_a_pool_that_uses_more_already() {
    let mut pool = free("p");
    pool.limits.cpu = Some(crate::units::MilliCpu(1000));
    let mut stage = Stage::new(vec![pool], |scene| {
        scene.node("n", 0, "m5.large", ("a", "on-demand"));
    });
    stage.pending("a", 1900);
    stage.pending("b", 1900);
    stage.run(at(5));
    let failed = stage.said("FailedScheduling");
    assert!(failed[0].contains("exceed limits for nodepool"), "{failed:?}");
}

/// Fifty nodes made in the same moment expire in the same moment, 120 s later, whatever budgets say; the pods
/// are evicted at once, and their nodes come after a window and a call, 120 + 1 + 2 = 123 s, a pod to a node.
#[test]
fn nodes_of_one_age_expire_all_at_once() {
    let mut stage =
        Stage::new(vec![NodePool { expire_after: Some(MINUTE + MINUTE), ..free("p") }], |scene| {
            for n in 0..50 {
                let node = scene.node(&format!("n{n:02}"), 0, "m5.large", ("a", "on-demand"));
                let pod = scene.waits(&format!("p{n:02}"), 1500, 100, |_| {});
                scene.put(pod, node);
            }
        });
    stage.pool_budget(1);
    stage.run(at(130));
    let count = |ms: u64, ends: &str| {
        stage
            .log
            .iter()
            .filter(|(when, it)| when.div_ceil(1_000) * 1_000 == ms && it.ends_with(ends))
            .count()
    };
    assert_eq!(count(120_000, "Expired"), 50);
    let evicted =
        stage.log.iter().filter(|(ms, it)| *ms == 120_000 && it.starts_with("evict")).count();
    assert_eq!(evicted, 50);
    let launched: Vec<u64> = stage
        .log
        .iter()
        .filter(|(_, it)| it.starts_with("launch"))
        .map(|(ms, _)| ms.div_ceil(1_000))
        .collect();
    assert!(!launched.is_empty() && launched.iter().all(|second| *second >= 123), "{launched:?}");
}

/// A pod that must not be disrupted holds its expired node for ever when that has no grace period; its
/// neighbour is evicted at once and has its new node 3 s later.
#[test]
fn a_pod_that_must_stay_keeps_its_expired_node() {
    let hour = SimDuration::from_secs(3600);
    let pool = NodePool { expire_after: Some(hour), ..free("p") };
    let mut stage = Stage::new(vec![pool], |scene| {
        let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
        let held = scene.waits("held", 500, 100, |it| {
            it.annotations.insert(Arc::from(observation::DO_NOT_DISRUPT), Arc::from("true"));
        });
        let free = scene.waits("free", 500, 100, |_| {});
        scene.put(held, node);
        scene.put(free, node);
    });
    stage.run(at(2 * 3600 - 60));
    let deeds = stage.deeds();
    let of = |what: &str| -> Vec<u64> {
        deeds.iter().filter(|(_, it)| *it == what).map(|(ms, _)| ms.div_ceil(1_000)).collect()
    };
    assert_eq!((of("evict 0"), of("terminate 0")), (vec![], vec![]), "{deeds:?}");
    assert_eq!(
        (of("evict 1"), of("launch p-1").first().copied()),
        (vec![3600], Some(3603)),
        "{deeds:?}"
    );
}
