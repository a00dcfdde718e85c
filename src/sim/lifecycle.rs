//! Nodes that fall silent: the node lifecycle controller and evictions by taint take their turns.

use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::cluster::{ConditionStatus, NodePhase, Occurrence};
use crate::control::node_lifecycle::{
    NOT_READY, NodeLifecycle, NodeLifecycleSpec, UNREACHABLE, Verdict,
};
use crate::control::taint_eviction::TaintEviction;
use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, PodId};
use crate::model::observer::Observer;
use crate::model::{Action, Event};
use crate::sim::Run;
use crate::units::{SimDuration, SimTime};

/// The controllers of ill nodes.
pub(super) struct Lifecycle {
    nodes: NodeLifecycle,
    evictions: TaintEviction,
    /// Whether a pass is due: they run only while a node is ill, or was.
    running: bool,
}

impl Lifecycle {
    pub(super) fn new() -> Self {
        Self {
            nodes: NodeLifecycle::new(NodeLifecycleSpec::default()),
            evictions: TaintEviction::new(),
            running: false,
        }
    }
}

impl<O: Observer> Run<'_, O> {
    /// A node fell silent or answers again: passes begin, on the grid of the controller's period.
    pub(super) fn watch_nodes(&mut self, now: SimTime) {
        if !self.lifecycle.running {
            self.lifecycle.running = true;
            let period = self.lifecycle.nodes.spec().monitor_period.as_nanos();
            let into = now.as_nanos() % period;
            self.schedule(SimDuration::from_nanos(period - into), Event::NodeLifecycle);
        }
    }

    /// What the taint manager has due, then one pass of the node lifecycle controller.
    pub(super) fn sync_node_lifecycle(&mut self, now: SimTime) {
        for pod in self.lifecycle.evictions.due(now) {
            self.evict_by_taint(now, pod);
        }
        let verdicts = self.lifecycle.nodes.observe(now, &self.cluster);
        let quiet = verdicts.is_empty();
        for verdict in verdicts {
            self.carry_out_verdict(now, verdict);
        }
        let ill = self
            .cluster
            .nodes()
            .any(|node| node.phase == NodePhase::Lost || node.taints.iter().any(is_of_controller));
        if ill || !quiet || self.lifecycle.evictions.next().is_some() {
            let period = self.lifecycle.nodes.spec().monitor_period;
            self.schedule(period, Event::NodeLifecycle);
        } else {
            self.lifecycle.running = false;
        }
    }

    fn carry_out_verdict(&mut self, now: SimTime, verdict: Verdict) {
        match verdict {
            // The condition is the controller's own to remember.
            Verdict::MarkUnknown(_) => {}
            Verdict::MarkPodsNotReady(node) => {
                self.look_for_machine(node);
                let pods: Vec<PodId> = self.cluster.pods_on(node).map(|pod| pod.id).collect();
                for pod in pods {
                    self.occur(now, Occurrence::PodReady(pod, ConditionStatus::False));
                }
            }
            Verdict::Taint(node, ailment, effect) => {
                let taint = ailment.taint(effect);
                self.write_taints(now, node, |taints| {
                    taints.retain(|other| !is_of_controller(other) || other.key == taint.key);
                    if !taints.contains(&taint) {
                        taints.push(taint);
                    }
                });
            }
            Verdict::Untaint(node) => {
                self.write_taints(now, node, |taints| taints.retain(|t| !is_of_controller(t)));
            }
        }
    }

    /// Writes a node's taints; whoever looks at taints looks.
    pub(super) fn write_taints(
        &mut self,
        now: SimTime,
        id: NodeId,
        change: impl FnOnce(&mut Vec<Taint>),
    ) {
        let Some(node) = self.cluster.node(id) else { return };
        let mut taints = node.taints.clone();
        change(&mut taints);
        self.occur(now, Occurrence::NodeTaints(id, taints));
        for pod in self.lifecycle.evictions.observe_node(now, &self.cluster, id) {
            self.evict_by_taint(now, pod);
        }
        self.watch_nodes(now);
        self.node_changed(now, id);
        self.wake_daemon_sets();
    }

    fn evict_by_taint(&mut self, now: SimTime, pod: PodId) {
        let because = PodDeletion::NodeLost;
        self.apply(now, &Action::DeletePod { pod, grace: None, because });
    }

    /// A pod came to a node that may have taints.
    pub(super) fn taints_meet_pod(&mut self, now: SimTime, pod: PodId) {
        if self.lifecycle.evictions.observe_pod(now, &self.cluster, pod) {
            self.evict_by_taint(now, pod);
        }
    }

    /// A pod is gone: no timer of it is of use any more.
    pub(super) fn forget_taint_timer(&mut self, pod: PodId) {
        self.lifecycle.evictions.pod_deleted(pod);
    }

    /// A node is gone from the API.
    pub(super) fn forget_node(&mut self, node: NodeId) {
        self.lifecycle.evictions.node_deleted(node);
    }
}

fn is_of_controller(taint: &Taint) -> bool {
    matches!(&*taint.key, NOT_READY | UNREACHABLE)
        && matches!(taint.effect, TaintEffect::NoSchedule | TaintEffect::NoExecute)
}
