//! The taint eviction controller: pods leave nodes whose NoExecute taints they do not tolerate, at
//! once or when their time is up. Budgets are not asked.
//!
//! kube-controller-manager, tainteviction/taint_eviction.go `handleNodeUpdate`, `handlePodUpdate`,
//! `processPodOnNode`, `getMinTolerationTime`; tainteviction/timed_workers.go.

mod live;

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::api::scheduling::{Taint, TaintEffect, Toleration};
use crate::model::id::{NodeId, PodId};
use crate::units::{SimDuration, SimTime};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The controller and its timers.
///
/// Whoever runs it deletes the pods that its methods return, and calls [`TaintEviction::due`] at
/// [`TaintEviction::next`], before any event of that instant.
#[derive(Debug, Clone, Default)]
pub struct TaintEviction {
    /// NoExecute taints of the nodes that exist.
    nodes: BTreeMap<NodeId, Vec<Taint>>,
    timers: BTreeMap<PodId, Timer>,
    /// The timers by instant, ties in order of pods.
    queue: BTreeSet<(SimTime, PodId)>,
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    created: SimTime,
    fires: SimTime,
}

/// What a pod's tolerations make of a node's taints.
enum Stay {
    /// It must go now.
    No,
    /// It may stay for so long.
    For(SimDuration),
    /// It may stay for ever.
    Ever,
}

impl TaintEviction {
    /// No node is tainted and no timer runs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A node appeared, or its taints were written. Returns the pods to delete now.
    ///
    /// Nothing happens when a known node's NoExecute taints are the same as before, in the same
    /// order.
    #[must_use]
    pub fn node_updated<'a>(
        &mut self,
        now: SimTime,
        node: NodeId,
        taints: &[Taint],
        pods: impl IntoIterator<Item = (PodId, &'a [Toleration])>,
    ) -> Vec<PodId> {
        let executing = |taint: &&Taint| taint.effect == TaintEffect::NoExecute;
        let taints: Vec<Taint> = taints.iter().filter(executing).cloned().collect();
        if self.nodes.get(&node) == Some(&taints) {
            return Vec::new();
        }
        self.nodes.insert(node, taints.clone());
        pods.into_iter()
            .filter(|&(pod, tolerations)| self.process(now, pod, &taints, tolerations))
            .map(|(pod, _)| pod)
            .collect()
    }

    /// A node object is gone. Timers of its pods run on.
    pub fn node_deleted(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// A pod was bound to a node, or its tolerations were written. Returns whether to delete it now.
    #[must_use]
    pub fn pod_updated(
        &mut self,
        now: SimTime,
        pod: PodId,
        node: NodeId,
        tolerations: &[Toleration],
    ) -> bool {
        match self.nodes.get(&node).cloned() {
            Some(taints) if !taints.is_empty() => self.process(now, pod, &taints, tolerations),
            Some(_) | None => false,
        }
    }

    /// A pod is gone; its timer is of no use any more.
    pub fn pod_deleted(&mut self, pod: PodId) {
        self.cancel(pod);
    }

    /// When the next timer fires.
    #[must_use]
    pub fn next(&self) -> Option<SimTime> {
        self.queue.first().map(|&(fires, _)| fires)
    }

    /// The pods whose time is up by `now`, earliest first; their timers are gone with this call.
    #[must_use]
    pub fn due(&mut self, now: SimTime) -> Vec<PodId> {
        let mut due = Vec::new();
        while let Some(&(fires, pod)) = self.queue.first().filter(|(fires, _)| *fires <= now) {
            self.queue.remove(&(fires, pod));
            self.timers.remove(&pod);
            due.push(pod);
        }
        due
    }

    /// When a pod will be deleted, if its timer runs.
    #[must_use]
    pub fn timer_of(&self, pod: PodId) -> Option<SimTime> {
        self.timers.get(&pod).map(|timer| timer.fires)
    }

    fn process(
        &mut self,
        now: SimTime,
        pod: PodId,
        taints: &[Taint],
        tolerations: &[Toleration],
    ) -> bool {
        match stay(taints, tolerations) {
            Stay::No => {
                self.cancel(pod);
                true
            }
            Stay::Ever => {
                self.cancel(pod);
                false
            }
            Stay::For(span) => {
                // A timer that runs is never changed, however short the new span.
                if self.timers.get(&pod).is_some_and(|timer| timer.created < now) {
                    return false;
                }
                self.cancel(pod);
                if span.is_zero() {
                    return true;
                }
                let timer = Timer { created: now, fires: now + span };
                self.timers.insert(pod, timer);
                self.queue.insert((timer.fires, pod));
                false
            }
        }
    }

    fn cancel(&mut self, pod: PodId) {
        if let Some(timer) = self.timers.remove(&pod) {
            self.queue.remove(&(timer.fires, pod));
        }
    }
}

/// For each taint the first toleration that covers it counts, and of those the shortest
/// (taint_eviction.go `getMinTolerationTime`).
fn stay(taints: &[Taint], tolerations: &[Toleration]) -> Stay {
    let mut shortest: Option<i64> = None;
    for taint in taints {
        let Some(used) = tolerations.iter().find(|toleration| toleration.tolerates(taint)) else {
            return Stay::No;
        };
        if let Some(seconds) = used.toleration_seconds {
            shortest = Some(shortest.map_or(seconds, |shorter| shorter.min(seconds)));
        }
    }
    // The real controller multiplies in 64 bits, which wraps around after 292 years; what comes out
    // negative is endless to it.
    match shortest.map(|seconds| u64::try_from(seconds.max(0).wrapping_mul(NANOS_PER_SECOND))) {
        None | Some(Err(_)) => Stay::Ever,
        Some(Ok(nanos)) => Stay::For(SimDuration::from_nanos(nanos)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const POD: PodId = PodId(7);
    const NODE: NodeId = NodeId(0);

    fn taint(key: &str) -> Taint {
        Taint { key: Arc::from(key), value: Arc::from(""), effect: TaintEffect::NoExecute }
    }

    fn tolerates(key: &str, seconds: i64) -> Toleration {
        Toleration {
            key: Some(Arc::from(key)),
            exists: true,
            toleration_seconds: Some(seconds),
            ..Toleration::default()
        }
    }

    #[test]
    fn a_swap_of_taints_keeps_the_earlier_start() {
        let tolerations = [tolerates("not-ready", 300), tolerates("unreachable", 300)];
        let mut controller = TaintEviction::new();
        let at = SimTime::from_secs;
        for (now, key) in [(55, "unreachable"), (100, "not-ready")] {
            let pods = [(POD, &tolerations[..])];
            assert!(controller.node_updated(at(now), NODE, &[taint(key)], pods).is_empty());
            assert_eq!(controller.next(), Some(at(355)));
        }
        assert_eq!(controller.due(at(354)), []);
        assert_eq!(controller.due(at(355)), [POD]);
        assert_eq!(controller.next(), None);
    }

    #[test]
    fn seconds_beyond_64_bits_of_nanoseconds_wrap_as_in_the_real_controller() {
        let at = SimTime::from_secs;
        let cases = [
            (9_223_372_036, Some(SimTime::from_nanos(9_223_372_036_000_000_000))),
            (9_223_372_037, None),
            (18_446_744_074, Some(SimTime::from_nanos(290_448_384))),
            (i64::MAX, None),
        ];
        for (seconds, fires) in cases {
            let tolerations = [tolerates("unreachable", seconds)];
            let mut controller = TaintEviction::new();
            let pods = [(POD, &tolerations[..])];
            let now = controller.node_updated(at(0), NODE, &[taint("unreachable")], pods);
            assert!(now.is_empty(), "{seconds}");
            assert_eq!(controller.timer_of(POD), fires, "{seconds}");
        }
    }

    #[test]
    fn a_node_that_recovers_cancels_and_one_that_is_deleted_does_not() {
        let tolerations = [tolerates("unreachable", 300)];
        let mut controller = TaintEviction::new();
        let at = SimTime::from_secs;
        let pods = [(POD, &tolerations[..])];
        let taints = [taint("unreachable")];
        assert!(controller.node_updated(at(0), NODE, &taints, pods).is_empty());
        assert!(controller.node_updated(at(10), NODE, &[], pods).is_empty());
        assert_eq!(controller.timer_of(POD), None);
        assert!(controller.node_updated(at(20), NODE, &taints, pods).is_empty());
        controller.node_deleted(NODE);
        assert_eq!(controller.timer_of(POD), Some(at(320)));
    }
}
