//! Which process the kernel kills when the pods of a node want more memory than all of them together
//! may have.
//!
//! Pods share one cgroup whose limit is what the node allots to them and the reserve for eviction
//! (kubelet, cm/node_container_manager_linux.go `getNodeAllocatableAbsolute`). The kernel is faster than
//! the kubelet's own look every 10 s: where memory jumps past the limit it kills the process with the
//! most points (mm/oom_kill.c `oom_badness`), and with it its whole container (`memory.oom.group`).

use crate::cluster::api::QosClass;
use crate::cluster::api::pod::{Container, PodSpec};
use crate::model::id::PodId;
use crate::units::Bytes;

/// Of Guaranteed and node-critical pods (qos/policy.go).
const GUARANTEED: i64 = -997;
/// Of BestEffort pods.
const BEST_EFFORT: i64 = 1000;
/// `system-node-critical` (apis/scheduling/types.go `SystemCriticalPriority` plus 1000).
const NODE_CRITICAL: i32 = 2_000_001_000;

/// A container that runs on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerSeen {
    /// Whose.
    pub pod: PodId,
    /// Which, init containers first.
    pub position: u8,
    /// What it holds.
    pub used: Bytes,
    /// Its `oom_score_adj`.
    pub adjustment: i64,
}

/// The `oom_score_adj` that the kubelet gives to a container on a node of so much memory
/// (qos/policy.go `GetContainerOOMScoreAdjust`): the more of the node it asks for, the later it goes.
/// A sidecar goes no earlier than the containers it serves. What a pod asks for beyond its containers is
/// shared among these.
#[must_use]
pub fn oom_score_adj(pod: &PodSpec, container: &Container, node: Bytes) -> i64 {
    if pod.priority == NODE_CRITICAL {
        return GUARANTEED;
    }
    match pod.qos_class() {
        QosClass::Guaranteed => return GUARANTEED,
        QosClass::BestEffort => return BEST_EFFORT,
        QosClass::Burstable => {}
    }
    let asks = |container: &Container| container.requests.memory.map_or(0, |memory| memory.0);
    let lasting = || {
        let sidecars = pod.init_containers.iter().filter(|container| container.sidecar);
        pod.containers.iter().chain(sidecars)
    };
    let unassigned = pod.pod_requests.memory.map_or(0, |all| {
        let assigned: i64 = lasting().map(asks).sum();
        (all.0 - assigned).max(0) / i64::try_from(lasting().count().max(1)).unwrap_or(1)
    });
    let of = |asked: i64| 1000 - 1000 * (asked + unassigned) / node.0.max(1);
    let mut adjustment = of(asks(container));
    if container.sidecar {
        let least = pod.containers.iter().map(asks).min().unwrap_or(0);
        adjustment = adjustment.min(of(least));
    }
    adjustment.clamp(1000 + GUARANTEED, BEST_EFFORT - 1)
}

/// The container that goes: what it holds and its adjustment in thousandths of the limit, added up, are
/// most; the youngest pod's among equals, which the kernel comes by last.
#[must_use]
pub fn killed(containers: &[ContainerSeen], limit: Bytes) -> Option<ContainerSeen> {
    let points = |seen: &&ContainerSeen| {
        (seen.used.0 + seen.adjustment * (limit.0 / 1000), seen.pod, seen.position)
    };
    containers.iter().filter(|seen| seen.used.0 > 0).max_by_key(points).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MilliCpu, ResourceList};

    const MI: i64 = 1 << 20;
    const NODE: Bytes = Bytes(16 << 30);

    fn asking(memory: Option<i64>, limited: bool) -> PodSpec {
        let list = ResourceList {
            cpu: memory.map(|_| MilliCpu(100)),
            memory: memory.map(|mebi| Bytes(mebi * MI)),
            ..ResourceList::default()
        };
        let limits = if limited { list.clone() } else { ResourceList::default() };
        let container = Container { requests: list, limits, ..Container::default() };
        PodSpec { containers: vec![container], ..PodSpec::default() }
    }

    /// E40 of the worked cases, and the ends of the scale.
    #[test]
    fn who_asks_for_more_goes_later() {
        let critical = PodSpec { priority: NODE_CRITICAL, ..asking(None, false) };
        let rows = [
            (asking(Some(2_048), false), 875),
            (asking(Some(256), false), 985),
            (asking(None, false), 1000),
            (asking(Some(256), true), -997),
            (critical, -997),
            // A Burstable pod that asks for next to nothing goes after BestEffort ones, one that asks for
            // the whole node before Guaranteed ones.
            (asking(Some(1), false), 999),
            (asking(Some(16 << 10), false), 3),
        ];
        for (pod, expected) in rows {
            assert_eq!(oom_score_adj(&pod, &pod.containers[0], NODE), expected, "{pod:?}");
        }
    }

    #[test]
    fn a_sidecar_lives_as_long_as_what_it_serves() {
        let mut pod = asking(Some(2_048), false);
        let sidecar = Container { sidecar: true, ..asking(Some(64), false).containers[0].clone() };
        pod.init_containers.push(sidecar.clone());
        assert_eq!(oom_score_adj(&pod, &sidecar, NODE), 875);
        // 4Gi for the pod: 1,984Mi more are shared by two.
        pod.pod_requests.memory = Some(Bytes(4_096 * MI));
        assert_eq!(oom_score_adj(&pod, &pod.containers[0], NODE), 1000 - 1000 * 3_040 / 16_384);
    }

    #[test]
    fn use_and_class_decide_together() {
        let seen = |pod: u32, used: i64, adjustment: i64| ContainerSeen {
            pod: PodId(pod),
            position: 0,
            used: Bytes(used * MI),
            adjustment,
        };
        let guaranteed = seen(1, 12_000, -997);
        // 985 thousandths of 16Gi and 500Mi are more than 875 thousandths and 2,200Mi.
        let (small, large) = (seen(2, 500, 985), seen(3, 2_200, 875));
        assert_eq!(killed(&[guaranteed, small, large], NODE), Some(small));
        let larger = seen(3, 2_400, 875);
        assert_eq!(killed(&[guaranteed, small, larger], NODE), Some(larger));
        assert_eq!(killed(&[seen(4, 0, 1000), guaranteed], NODE), Some(guaranteed));
        assert_eq!(killed(&[], NODE), None);
    }
}
