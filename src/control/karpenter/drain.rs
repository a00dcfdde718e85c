//! The end of a node: tainted, drained in tiers, its volumes let go, its instance given back.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/node/termination/controller.go;
//! terminator/terminator.go, eviction.go.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::observation::{Node, Pod};
use super::order::Order;
use crate::model::id::{NodeId, PodId};
use crate::units::{SimDuration, SimTime};

/// Between two looks at a node that drains.
const LOOK: SimDuration = SimDuration::from_secs(1);
/// A drain takes at least this long, in case pods still come (`MinDrainTime`).
const LEAST: SimDuration = SimDuration::from_secs(5);
/// A pod that terminates for so long after its time is not waited for (`IsStuckTerminating`).
const STUCK: SimDuration = SimDuration::from_secs(60);
/// First and longest wait before an eviction is asked for again.
const RETRY: SimDuration = SimDuration::from_millis(100);
const LONGEST_RETRY: SimDuration = SimDuration::from_secs(10);

/// A node that drains.
#[derive(Debug, Clone)]
pub(super) struct Drain {
    node: NodeId,
    began: SimTime,
    /// When pods are deleted whatever happens.
    deadline: Option<SimTime>,
    /// Pods whose eviction is asked for.
    queue: BTreeMap<PodId, Attempt>,
    next_look: SimTime,
    /// Whether the instance was given back.
    terminated: bool,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    next: SimTime,
    delay: SimDuration,
}

impl Drain {
    pub(super) fn new(node: NodeId, now: SimTime, grace: Option<SimDuration>) -> Self {
        Self {
            node,
            began: now,
            deadline: grace.map(|grace| now + grace),
            queue: BTreeMap::new(),
            next_look: now,
            terminated: false,
        }
    }

    pub(super) fn next(&self) -> Option<SimTime> {
        if self.terminated {
            return None;
        }
        let attempts = self.queue.values().map(|it| it.next);
        attempts.chain([self.next_look]).min()
    }

    /// The eviction API answered: a refused pod is asked for again, later each time.
    pub(super) fn answered(&mut self, pod: PodId, granted: bool, now: SimTime) {
        if granted {
            self.queue.remove(&pod);
        } else if let Some(attempt) = self.queue.get_mut(&pod) {
            attempt.next = now + attempt.delay;
            attempt.delay = (attempt.delay + attempt.delay).min(LONGEST_RETRY);
        }
    }

    /// What is due.
    pub(super) fn step(&mut self, now: SimTime, node: &Node, pods: &[&Arc<Pod>]) -> Vec<Order> {
        let mut orders = Vec::new();
        if self.terminated {
            return orders;
        }
        let waiting: Vec<&Arc<Pod>> =
            pods.iter().copied().filter(|pod| is_waited_for(pod, now)).collect();
        if self.next_look <= now {
            self.next_look = now + LOOK;
            if self.look(now, &waiting, &mut orders) {
                let released = !node.volumes_attached || self.deadline.is_some_and(|at| now > at);
                if now >= self.began + LEAST && released {
                    self.terminated = true;
                    orders.push(Order::Terminate(self.node));
                    return orders;
                }
            }
        }
        self.attempt(now, &waiting, &mut orders);
        orders
    }

    /// Puts the next tier in line; whether nobody is waited for any more.
    fn look(&mut self, now: SimTime, waiting: &[&Arc<Pod>], orders: &mut Vec<Order>) -> bool {
        let (forced, graceful): (Vec<&Arc<Pod>>, Vec<&Arc<Pod>>) =
            waiting.iter().partition(|pod| self.is_forced(pod, now));
        for pod in &forced {
            self.force(pod, now, orders);
        }
        let first_tier = graceful.iter().map(|pod| tier(pod)).min();
        for pod in graceful.iter().filter(|pod| Some(tier(pod)) == first_tier) {
            if pod.is_active() {
                self.queue.entry(pod.id).or_insert(Attempt { next: now, delay: RETRY });
            }
        }
        waiting.is_empty()
    }

    /// Whether a pod's own grace period would outlast the node's (`needsForceDelete`).
    fn is_forced(&self, pod: &Pod, now: SimTime) -> bool {
        let Some(deadline) = self.deadline else { return false };
        match pod.deletion {
            Some(killed) => killed > deadline,
            None => now > deadline.before(pod.template.spec.termination_grace),
        }
    }

    fn force(&mut self, pod: &Pod, now: SimTime, orders: &mut Vec<Order>) {
        self.queue.remove(&pod.id);
        let deadline = self.deadline.expect("only a deadline forces");
        let grace = if deadline > now { deadline.since(now) } else { SimDuration::ZERO };
        orders.push(Order::Delete { pod: pod.id, grace });
    }

    fn attempt(&mut self, now: SimTime, waiting: &[&Arc<Pod>], orders: &mut Vec<Order>) {
        let due: Vec<PodId> =
            self.queue.iter().filter(|(_, it)| it.next <= now).map(|(pod, _)| *pod).collect();
        for id in due {
            let pod = waiting.iter().find(|pod| pod.id == id && pod.is_active());
            let Some(pod) = pod else {
                self.queue.remove(&id);
                continue;
            };
            if self.is_forced(pod, now) {
                self.force(pod, now, orders);
            } else if pod.is_evictable(now) {
                orders.push(Order::Evict { pod: id, node: self.node });
            } else {
                self.answered(id, false, now);
            }
        }
    }
}

/// Whether a node is not given back before the pod is gone (`IsWaitingEviction`).
fn is_waited_for(pod: &Pod, now: SimTime) -> bool {
    !pod.tolerates_disruption() && pod.deletion.is_none_or(|killed| now <= killed + STUCK)
}

/// Pods leave in this order (`groupPodsByPriority`).
fn tier(pod: &Pod) -> u8 {
    let class = pod.template.spec.priority_class.as_deref();
    let critical = matches!(class, Some("system-cluster-critical" | "system-node-critical"));
    2 * u8::from(critical) + u8::from(pod.is_daemon())
}
