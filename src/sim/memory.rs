//! Memory: containers over their limit die, and on nodes that run out of it containers are killed by the
//! kernel and pods evicted by the kubelet.
//!
//! Memory is looked at once a second for limits, as the most that was held since the last look, and for
//! what all pods of a node may hold together; every 10 s the kubelet looks whether to evict. The limit is that of the container that serves, or the pod's; what the
//! others are taken to hold does not change.

use std::collections::BTreeMap;

use crate::cluster::api::scheduling::{Taint, TaintEffect};
use crate::cluster::{self, NodePhase, PodPhase};
use crate::control::kubelet::oom::{ContainerSeen, killed, oom_score_adj};
use crate::control::node_pressure::{self, PERIOD, PodSeen, STICKY, TAINT, available, victim};
use crate::model::Event;
use crate::model::id::{NodeId, PodId};
use crate::model::observer::Observer;
use crate::model::record::Death;
use crate::service::spec::StationSpec;
use crate::sim::Run;
use crate::units::convert::{f64_from_i64, round_i64};
use crate::units::{Bytes, SimDuration, SimTime};

/// Between two looks at limits.
const LOOK: SimDuration = SimDuration::from_secs(1);

/// What kubelets remember of pressure.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Until when each node says MemoryPressure at least.
    pressure: BTreeMap<NodeId, SimTime>,
}

impl<O: Observer> Run<'_, O> {
    /// The first look. Without a pod that could exceed its limit only nodes are looked at.
    pub(super) fn start_memory(&mut self) {
        self.schedule(self.look_interval(), Event::Memory);
    }

    fn look_interval(&self) -> SimDuration {
        if self.flows.is_some() {
            // The fluid model knows of no burst within a tick.
            return PERIOD;
        }
        let limited = self.scenario.services.stations.iter().any(|station| {
            let limits = station.workload.into_iter().flat_map(|workload| {
                let spec = &self.scenario.workloads[workload.index()].template.spec;
                let own = spec.containers.iter().chain(&spec.init_containers);
                own.map(|container| container.limits.memory).chain([spec.pod_limits.memory])
            });
            let mut limits = limits.flatten().peekable();
            // What has no limit grows until the node has no more.
            let unlimited = limits.peek().is_none() && grows(station);
            unlimited || limits.any(|limit| can_exceed(station, limit))
        });
        if limited { LOOK } else { PERIOD }
    }

    /// Kubelets and kernels look at memory.
    pub(super) fn look_at_memory(&mut self, now: SimTime) {
        let mut over = Vec::new();
        // What the processes with a profile held on each node (bytes), at most since the last look.
        let mut served = vec![0.0; self.node_names.len()];
        for (pod, server) in &self.servers {
            let peak = self.services.take_peak_memory(now, *server);
            let Some(pod) = self.cluster.pod(*pod) else { continue };
            let node = pod.node.and_then(|node| self.cluster.node(node));
            let works = node.is_some_and(cluster::Node::has_kubelet);
            if let Some(node) = node {
                served[node.id.index()] += peak;
            }
            let serving = self.serving_container(pod);
            let spec = &pod.template.spec;
            let own = spec.container_at(serving).and_then(|container| container.limits.memory);
            let limit = own.or(spec.pod_limits.memory);
            if let Some(limit) = limit.filter(|limit| works && peak > f64_from_i64(limit.0)) {
                let used = Bytes(round_i64(peak));
                over.push((pod.id, serving, Death::OutOfMemory { used, limit }));
            }
        }
        for (pod, container, why) in over {
            self.container_dies(now, pod, container, why);
        }
        let kubelets_look = now.as_nanos().is_multiple_of(PERIOD.as_nanos());
        // What containers beside those that serve are stated to hold is added up every 10 s, and in
        // between where it was too much.
        let stated = kubelets_look && !self.scenario.processes.containers.is_empty();
        let short = |node: &&cluster::Node| {
            node.phase == NodePhase::Ready
                && (stated
                    || self.memory.pressure.contains_key(&node.id)
                    || may_run_short(node, served[node.id.index()]))
        };
        let short: Vec<NodeId> = self.cluster.nodes().filter(short).map(|node| node.id).collect();
        for node in &short {
            self.kill_for_node(now, *node);
        }
        if kubelets_look {
            for node in short {
                self.look_at_node_memory(now, node);
            }
        }
        self.schedule(self.look_interval(), Event::Memory);
    }

    /// The kernel kills containers until the pods of a node hold no more than they may together.
    fn kill_for_node(&mut self, now: SimTime, id: NodeId) {
        let mut held: Vec<ContainerSeen> = Vec::new();
        let running = self.cluster.pods_on(id).filter(|pod| pod.phase == PodPhase::Running);
        for pod in running.map(|pod| pod.id).collect::<Vec<_>>() {
            let usages = self.usage_of(now, pod);
            let (Some(node), Some(pod)) = (self.cluster.node(id), self.cluster.pod(pod)) else {
                continue;
            };
            let spec = &pod.template.spec;
            held.extend(usages.iter().filter_map(|usage| {
                let container = spec.container_at(usage.position)?;
                Some(ContainerSeen {
                    pod: pod.id,
                    position: usage.position,
                    used: Bytes(round_i64(usage.memory_bytes)),
                    adjustment: oom_score_adj(spec, container, node.capacity.memory),
                })
            }));
        }
        let Some(node) = self.cluster.node(id) else { return };
        let limit = Bytes(node.allocatable.memory.0 + node_pressure::THRESHOLD.0);
        while held.iter().map(|seen| seen.used.0).sum::<i64>() > limit.0 {
            let Some(ContainerSeen { pod, position, used, .. }) = killed(&held, limit) else {
                return;
            };
            held.retain(|seen| (seen.pod, seen.position) != (pod, position));
            self.container_dies(now, pod, position, Death::NodeOutOfMemory { used, limit });
        }
    }

    fn look_at_node_memory(&mut self, now: SimTime, id: NodeId) {
        let mut pods = Vec::new();
        let running = self.cluster.pods_on(id).filter(|pod| pod.phase == PodPhase::Running);
        let running: Vec<PodId> = running.map(|pod| pod.id).collect();
        for pod in running {
            let (_, used) = self.usage_in_all(now, pod);
            let Some(pod) = self.cluster.pod(pod) else { continue };
            let (request, used) = (pod.requests.memory, Bytes(round_i64(used)));
            pods.push(PodSeen { pod: pod.id, priority: pod.priority(), request, used });
        }
        let Some(node) = self.cluster.node(id) else { return };
        let left = available(node.allocatable.memory, &pods);
        if left >= node_pressure::THRESHOLD {
            if self.memory.pressure.get(&id).is_some_and(|until| *until <= now) {
                self.memory.pressure.remove(&id);
                self.write_taints(now, id, |taints| taints.retain(|taint| &*taint.key != TAINT));
            }
            return;
        }
        if self.memory.pressure.insert(id, now + STICKY).is_none() {
            let (key, value) = (TAINT.into(), "".into());
            let taint = Taint { key, value, effect: TaintEffect::NoSchedule };
            self.write_taints(now, id, |taints| taints.push(taint));
        }
        let Some(pod) = victim(&pods) else { return };
        let seen = pods.iter().find(|seen| seen.pod == pod).expect("the victim is one of them");
        let message = format!(
            "The node was low on resource: memory. Threshold quantity: {}, available: {}. It was using \
             {}, request is {}, has larger consumption of memory.",
            node_pressure::THRESHOLD,
            Bytes(left.0.max(0) >> 10 << 10),
            Bytes(seen.used.0 >> 10 << 10),
            seen.request,
        );
        self.kubelet_fails_pod(now, pod, ("Evicted", true), &message);
    }
}

/// Whether pods that all use half of what they ask for, and some of which hold `served` (bytes) on top
/// of that, can take a node's memory.
fn may_run_short(node: &cluster::Node, served: f64) -> bool {
    let rounded_up = i64::try_from(node.pods.len()).expect("few pods fit a node");
    let held = node.requested.memory.0 / 2 + round_i64(served) + 1;
    let left = node.allocatable.memory.0 - held - rounded_up;
    left < node_pressure::THRESHOLD.0
}

/// Whether a pod of a station can hold more than its limit at all.
fn can_exceed(station: &StationSpec, limit: Bytes) -> bool {
    grows(station) || station.idle_memory > limit
}

/// Whether what a pod of a station holds changes.
fn grows(station: &StationSpec) -> bool {
    station.memory_per_request.0 > 0 || station.memory_leak_per_hour.0 > 0
}
