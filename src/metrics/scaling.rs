//! Time to scale: from the decision to scale a workload up to each of its new pods being ready.

use std::collections::{BTreeMap, VecDeque};

use crate::metrics::tally::{Precision, Tally};
use crate::model::id::{PodId, WorkloadId};
use crate::units::{SimDuration, SimTime};

/// Follows scale-ups to the readiness of their pods. A pod counts for the oldest scale-up that
/// still waits for pods; pods that replace others (a rollout, an eviction) come without a scale-up
/// and do not count.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scaling {
    workloads: Vec<Scaled>,
    /// Pods of scale-ups that are not ready yet.
    on_the_way: BTreeMap<PodId, (WorkloadId, SimTime)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Scaled {
    /// Scale-ups whose pods are not all made: when, and how many are missing.
    waiting: VecDeque<(SimTime, i32)>,
    times: Tally,
}

impl Scaling {
    pub(super) fn new(workloads: usize) -> Self {
        let fresh = Scaled { waiting: VecDeque::new(), times: Tally::new(Precision::Fine) };
        Self { workloads: vec![fresh; workloads], on_the_way: BTreeMap::new() }
    }

    pub(super) fn scaled(&mut self, now: SimTime, workload: WorkloadId, from: i32, to: i32) {
        let waiting = &mut self.workloads[workload.index()].waiting;
        let mut fewer = from - to;
        if fewer <= 0 {
            if fewer < 0 {
                waiting.push_back((now, -fewer));
            }
            return;
        }
        // A scale-down takes back what was asked for last.
        while fewer > 0
            && let Some((_, missing)) = waiting.back_mut()
        {
            let taken = fewer.min(*missing);
            *missing -= taken;
            fewer -= taken;
            if *missing == 0 {
                waiting.pop_back();
            }
        }
    }

    pub(super) fn pod_created(&mut self, pod: PodId, workload: WorkloadId) {
        let waiting = &mut self.workloads[workload.index()].waiting;
        if let Some((asked, missing)) = waiting.front_mut() {
            self.on_the_way.insert(pod, (workload, *asked));
            *missing -= 1;
            if *missing == 0 {
                waiting.pop_front();
            }
        }
    }

    /// Takes in that a pod is ready; tells the workload and the time it took if it is a new one of
    /// a scale-up.
    pub(super) fn pod_ready(
        &mut self,
        now: SimTime,
        pod: PodId,
    ) -> Option<(WorkloadId, SimDuration)> {
        let (workload, asked) = self.on_the_way.remove(&pod)?;
        let took = now.since(asked);
        self.workloads[workload.index()].times.record(took);
        Some((workload, took))
    }

    pub(super) fn pod_lost(&mut self, pod: PodId) {
        self.on_the_way.remove(&pod);
    }

    pub(super) fn clear(&mut self) {
        self.workloads.iter_mut().for_each(|workload| workload.times.clear());
    }

    pub(super) fn of(&self, workload: WorkloadId) -> &Tally {
        &self.workloads[workload.index()].times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: WorkloadId = WorkloadId(0);

    fn at(secs: u64) -> SimTime {
        SimTime::from_secs(secs)
    }

    #[test]
    fn each_new_pod_counts_from_its_own_decision() {
        let mut scaling = Scaling::new(1);
        scaling.scaled(at(10), WEB, 2, 4);
        scaling.scaled(at(25), WEB, 4, 5);
        for pod in 7..10 {
            scaling.pod_created(PodId(pod), WEB);
        }
        scaling.pod_created(PodId(10), WEB);
        for pod in [7, 8, 9, 10, 7] {
            scaling.pod_ready(at(60), PodId(pod));
        }
        let times = scaling.of(WEB);
        assert_eq!(times.count(), 3, "a replacement and a second readiness do not count");
        assert_eq!((times.min_ms(), times.max_ms()), (Some(35_000.0), Some(50_000.0)));
    }

    #[test]
    fn a_scale_down_takes_back_and_a_deleted_pod_is_forgotten() {
        let mut scaling = Scaling::new(1);
        scaling.scaled(at(10), WEB, 2, 5);
        scaling.scaled(at(11), WEB, 5, 3);
        scaling.pod_created(PodId(0), WEB);
        scaling.pod_created(PodId(1), WEB);
        scaling.pod_lost(PodId(0));
        scaling.pod_ready(at(60), PodId(0));
        scaling.pod_ready(at(60), PodId(1));
        assert!(scaling.of(WEB).is_empty());
    }
}
