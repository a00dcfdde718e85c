//! Nodes that fall silent: the node lifecycle controller, evictions by taint, and the end of pods
//! whose kubelet will not end them.

use std::collections::BTreeSet;

use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::cluster::{ConditionStatus, NodePhase, Occurrence};
use crate::control::node_lifecycle::{
    NOT_READY, NodeLifecycle, NodeLifecycleSpec, NodeSeen, UNREACHABLE, Verdict,
};
use crate::control::taint_eviction::TaintEviction;
use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, PodId};
use crate::model::observer::Observer;
use crate::model::{Action, Event};
use crate::sim::Run;
use crate::units::{SimDuration, SimTime};

/// How often a kubelet renews its lease (kubelet.go, a quarter of 40 s).
const LEASE_RENEWAL: SimDuration = SimDuration::from_secs(10);

/// The controllers of ill nodes.
pub(super) struct Lifecycle {
    nodes: NodeLifecycle,
    evictions: TaintEviction,
    /// Nodes whose Ready condition this controller wrote as Unknown.
    unknown: BTreeSet<NodeId>,
    /// Whether a pass is due: they run only while a node is ill.
    running: bool,
}

impl Lifecycle {
    pub(super) fn new() -> Self {
        Self {
            nodes: NodeLifecycle::new(NodeLifecycleSpec::default()),
            evictions: TaintEviction::new(),
            unknown: BTreeSet::new(),
            running: false,
        }
    }
}

impl<O: Observer> Run<'_, O> {
    /// A node fell silent or answers again: passes begin, at the period of the controller.
    pub(super) fn watch_nodes(&mut self, now: SimTime) {
        if !self.lifecycle.running {
            self.lifecycle.running = true;
            let period = self.lifecycle.nodes.spec().monitor_period.as_nanos();
            let into = now.as_nanos() % period;
            self.schedule(SimDuration::from_nanos(period - into), Event::NodeLifecycle);
        }
    }

    /// One pass of the node lifecycle controller, and what the taint manager has due.
    pub(super) fn sync_node_lifecycle(&mut self, now: SimTime) {
        let seen: Vec<NodeSeen<'_>> = self
            .cluster
            .nodes()
            .filter(|node| node.has_joined())
            .map(|node| NodeSeen {
                node: node.id,
                zone: node.zone().unwrap_or_default(),
                created: node.created,
                renewed: Some(last_renewal(now, node.phase, node.phase_since)),
                ready: Some(if self.lifecycle.unknown.contains(&node.id) && !node.is_ready() {
                    ConditionStatus::Unknown
                } else {
                    ConditionStatus::True
                }),
            })
            .collect();
        let mut verdicts = self.lifecycle.nodes.monitor(now, &seen);
        verdicts.extend(self.lifecycle.nodes.taint(now));
        for verdict in verdicts {
            self.carry_out_verdict(now, verdict);
        }
        for pod in self.lifecycle.evictions.due(now) {
            self.evict_by_taint(now, pod);
        }
        let ill = self.cluster.nodes().any(|node| node.phase == NodePhase::Lost);
        let waiting =
            self.lifecycle.evictions.next().is_some() || !self.lifecycle.unknown.is_empty();
        if ill || waiting {
            let period = self.lifecycle.nodes.spec().monitor_period;
            self.schedule(period, Event::NodeLifecycle);
        } else {
            self.lifecycle.running = false;
        }
    }

    fn carry_out_verdict(&mut self, now: SimTime, verdict: Verdict) {
        match verdict {
            Verdict::MarkUnknown(node) => {
                self.lifecycle.unknown.insert(node);
            }
            Verdict::MarkPodsNotReady(node) => {
                let pods: Vec<PodId> = self.cluster.pods_on(node).map(|pod| pod.id).collect();
                for pod in pods {
                    self.occur(now, Occurrence::PodReady(pod, ConditionStatus::False));
                }
            }
            Verdict::Taint(node, ailment, effect) => {
                let taint = ailment.taint(effect);
                self.write_taints(now, node, |taints| {
                    taints.retain(|t| !is_of_controller(t) || t.key == taint.key);
                    if !taints.contains(&taint) {
                        taints.push(taint.clone());
                    }
                });
            }
            Verdict::Untaint(node) => {
                self.lifecycle.unknown.remove(&node);
                self.write_taints(now, node, |taints| taints.retain(|t| !is_of_controller(t)));
            }
        }
    }

    fn write_taints(&mut self, now: SimTime, id: NodeId, change: impl FnOnce(&mut Vec<Taint>)) {
        let Some(node) = self.cluster.node(id) else { return };
        let mut taints = node.taints.clone();
        change(&mut taints);
        if taints == node.taints {
            return;
        }
        self.occur(now, Occurrence::NodeTaints(id, taints.clone()));
        let pods = self.cluster.pods_on(id).filter(|pod| !pod.is_terminating());
        let pods = pods.map(|pod| (pod.id, pod.template.spec.tolerations.as_slice()));
        let at_once = self.lifecycle.evictions.node_updated(now, id, &taints, pods);
        for pod in at_once {
            self.evict_by_taint(now, pod);
        }
        self.node_changed(now, id);
        self.wake_daemon_sets();
    }

    fn evict_by_taint(&mut self, now: SimTime, pod: PodId) {
        // DaemonSet pods tolerate these taints for ever; the template as written does not say so.
        if self.cluster.pod(pod).is_some_and(|pod| !pod.owner.is_daemon()) {
            let because = PodDeletion::NodeLost;
            self.apply(now, &Action::DeletePod { pod, grace: None, because });
        }
    }

    /// A pod is gone: no timer of it is of use any more.
    pub(super) fn forget_taint_timer(&mut self, pod: PodId) {
        self.lifecycle.evictions.pod_deleted(pod);
    }

    /// A node is gone from the API.
    pub(super) fn forget_node(&mut self, node: NodeId) {
        self.lifecycle.evictions.node_deleted(node);
        self.lifecycle.unknown.remove(&node);
    }
}

fn is_of_controller(taint: &Taint) -> bool {
    matches!(&*taint.key, NOT_READY | UNREACHABLE)
        && matches!(taint.effect, TaintEffect::NoSchedule | TaintEffect::NoExecute)
}

/// The last renewal of a kubelet's lease: on its grid while it works, the last one before it fell
/// silent since then.
fn last_renewal(now: SimTime, phase: NodePhase, since: SimTime) -> SimTime {
    let until = if phase == NodePhase::Lost { since } else { now };
    SimTime::from_nanos(until.as_nanos() - until.as_nanos() % LEASE_RENEWAL.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_kubelet_renewed_last_before_it_fell_silent() {
        let second = SimTime::from_secs;
        assert_eq!(last_renewal(second(57), NodePhase::Ready, second(3)), second(50));
        assert_eq!(last_renewal(second(57), NodePhase::Lost, second(34)), second(30));
    }
}
