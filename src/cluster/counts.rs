//! How many pods of a ReplicaSet are in which state, kept as they change: its controllers ask after
//! every change of one pod, and must not look at all the others each time.

use std::collections::BTreeMap;

use crate::cluster::pod::{Pod, PodPhase};
use crate::units::{SimDuration, SimTime};

/// Pods of one ReplicaSet, counted by what its controllers want to know of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodCounts {
    living: usize,
    active: usize,
    ready: usize,
    /// Active and ready pods by the second since when they are ready.
    ready_since: BTreeMap<SimTime, usize>,
}

impl PodCounts {
    /// Pods that did not end, terminating ones among them.
    #[must_use]
    pub fn living(&self) -> usize {
        self.living
    }

    /// Pods that count as replicas ([`Pod::is_active`]).
    #[must_use]
    pub fn active(&self) -> usize {
        self.active
    }

    /// Active pods that are ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// Active pods that have been ready for at least `min_ready` (podutil `IsPodAvailable`).
    #[must_use]
    pub fn available(&self, now: SimTime, min_ready: SimDuration) -> usize {
        if min_ready.is_zero() {
            return self.ready;
        }
        let long_enough =
            self.ready_since.iter().take_while(|(since, _)| **since + min_ready <= now);
        long_enough.map(|(_, pods)| pods).sum()
    }

    /// How long the next ready pod still has to stay ready to be available; `None` when all ready
    /// pods are.
    #[must_use]
    pub fn until_available(&self, now: SimTime, min_ready: SimDuration) -> Option<SimDuration> {
        let due = self.ready_since.keys().map(|since| *since + min_ready);
        due.map(|due| due.since(now)).find(|rest| !rest.is_zero())
    }

    /// Counts a pod in the state it has now.
    pub(super) fn add(&mut self, pod: &Pod) {
        self.living += usize::from(lives(pod));
        if pod.is_active() {
            self.active += 1;
            if let Some(since) = pod.ready_since() {
                self.ready += 1;
                *self.ready_since.entry(since).or_insert(0) += 1;
            }
        }
    }

    /// Counts a pod no longer, in the state in which it was counted.
    pub(super) fn remove(&mut self, pod: &Pod) {
        self.living -= usize::from(lives(pod));
        if pod.is_active() {
            self.active -= 1;
            if let Some(since) = pod.ready_since() {
                self.ready -= 1;
                let pods = self.ready_since.get_mut(&since).expect("a ready pod was counted");
                *pods -= 1;
                if *pods == 0 {
                    self.ready_since.remove(&since);
                }
            }
        }
    }
}

fn lives(pod: &Pod) -> bool {
    !matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::pod::{ConditionStatus, PodOwner, ReadyCondition, TemplateId};
    use crate::model::id::{PodId, ReplicaSetId, WorkloadId};

    fn pod(ready_at_ms: Option<u64>) -> Pod {
        let since = |ms| SimTime::ZERO + SimDuration::from_millis(ms);
        Pod {
            id: PodId(0),
            name: Arc::from("web-1"),
            namespace: Arc::from("default"),
            owner: PodOwner::ReplicaSet(WorkloadId(0), ReplicaSetId(0)),
            template: Arc::default(),
            template_id: TemplateId(0),
            requests: Arc::default(),
            scoring_requests: Arc::default(),
            created: SimTime::ZERO,
            node: None,
            bound: None,
            phase: PodPhase::Running,
            started: None,
            ready: ready_at_ms
                .map(|ms| ReadyCondition { status: ConditionStatus::True, since: since(ms) }),
            deletion: None,
            unschedulable: None,
            restarts: 0,
            sidecar_restarts: 0,
        }
    }

    /// Transition times have whole seconds in the API: ready since 1.9 s is ready since 1 s.
    #[test]
    fn a_pod_is_available_when_it_was_ready_long_enough() {
        let mut counts = PodCounts::default();
        let failed = Pod { phase: PodPhase::Failed, ..pod(Some(1_000)) };
        for pod in [&pod(None), &pod(Some(1_900)), &pod(Some(1_100)), &pod(Some(4_000)), &failed] {
            counts.add(pod);
        }
        assert_eq!((counts.living(), counts.active(), counts.ready()), (4, 4, 3));
        let (now, rest) = (SimTime::from_secs(5), SimDuration::from_secs(1));
        assert_eq!(counts.available(now, SimDuration::ZERO), 3);
        assert_eq!(counts.available(now, SimDuration::from_secs(4)), 2);
        assert_eq!(counts.until_available(now, SimDuration::from_secs(4)), Some(rest * 3));
        assert_eq!(counts.until_available(now, SimDuration::from_secs(5)), Some(rest));
        assert_eq!(counts.until_available(now, rest), None);
        counts.remove(&pod(Some(1_100)));
        counts.remove(&pod(Some(1_900)));
        assert_eq!(counts.until_available(now, SimDuration::from_secs(4)), Some(rest * 3));
        counts.remove(&pod(Some(4_000)));
        counts.remove(&pod(None));
        counts.remove(&failed);
        assert_eq!(counts, PodCounts::default());
    }
}
