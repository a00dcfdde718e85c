//! Which pod a kubelet evicts when its node runs out of memory.
//!
//! kubelet, eviction/eviction_manager.go `synchronize`; eviction/helpers.go `rankMemoryPressure`,
//! `exceedMemoryRequests`; eviction/defaults_linux.go. Pods share what the node allots to them; when
//! less than 100Mi is left of it and of the reserve for eviction together
//! (`allocatableMemory.available<100Mi`), one pod goes per pass, ranked anew each time.

use std::cmp::Reverse;

use crate::model::id::PodId;
use crate::units::{Bytes, SimDuration};

/// Between two looks (kubelet.go `evictionMonitoringPeriod`).
pub const PERIOD: SimDuration = SimDuration::from_secs(10);
/// How long the condition and its taint stay at least (`evictionPressureTransitionPeriod`).
pub const STICKY: SimDuration = SimDuration::from_secs(300);
/// `memory.available` below which the kubelet evicts at once.
pub const THRESHOLD: Bytes = Bytes(100 << 20);
/// The taint of the condition MemoryPressure.
pub const TAINT: &str = "node.kubernetes.io/memory-pressure";
/// Pods of this priority are critical and stay (`scheduling.SystemCriticalPriority`).
const CRITICAL: i32 = 2_000_000_000;

/// A pod on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodSeen {
    /// Which.
    pub pod: PodId,
    /// `spec.priority`.
    pub priority: i32,
    /// What it asks for.
    pub request: Bytes,
    /// What it holds.
    pub used: Bytes,
}

/// What is left for pods: allocatable memory and the reserve, less what they hold.
#[must_use]
pub fn available(allocatable: Bytes, pods: &[PodSeen]) -> Bytes {
    let used: i64 = pods.iter().map(|pod| pod.used.0).sum();
    Bytes(allocatable.0 + THRESHOLD.0 - used)
}

/// The pod that goes: first those that hold more than they ask for, then those of low priority,
/// then those that hold most beyond what they ask for; the youngest among equals.
#[must_use]
pub fn victim(pods: &[PodSeen]) -> Option<PodId> {
    let evictable = pods.iter().filter(|pod| pod.priority < CRITICAL);
    let rank = |pod: &&PodSeen| {
        let excess = pod.used.0 - pod.request.0;
        (excess <= 0, pod.priority, Reverse(excess), Reverse(pod.pod))
    };
    evictable.min_by_key(rank).map(|pod| pod.pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MI: i64 = 1 << 20;

    fn pod(id: u32, priority: i32, request: i64, used: i64) -> PodSeen {
        PodSeen { pod: PodId(id), priority, request: Bytes(request * MI), used: Bytes(used * MI) }
    }

    /// E41 of the worked cases: a BestEffort pod of 300Mi, a Burstable one of 1.5Gi that asks for 1Gi, a Guaranteed one below
    /// its request, a BestEffort one of 2Gi and of higher priority.
    #[test]
    fn pods_go_by_excess_then_priority_then_amount() {
        let mut pods = vec![
            pod(0, 0, 0, 300),
            pod(1, 0, 1024, 1536),
            pod(2, 0, 2048, 1024),
            pod(3, 1000, 0, 2048),
        ];
        let mut order = Vec::new();
        while let Some(next) = victim(&pods) {
            order.push(next.0);
            pods.retain(|pod| pod.pod != next);
        }
        assert_eq!(order, [1, 0, 3, 2]);
    }

    #[test]
    fn critical_pods_stay() {
        assert_eq!(victim(&[pod(0, 2_000_001_000, 0, 900)]), None);
    }

    #[test]
    fn the_reserve_is_part_of_what_is_left() {
        assert_eq!(available(Bytes(1000 * MI), &[pod(0, 0, 0, 1000)]), THRESHOLD);
    }
}
