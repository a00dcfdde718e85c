//! kubelet: how long the steps of a pod's life take.
//!
//! Containers start in the order of their list: the image of one is pulled, it starts, and only then
//! comes the next (kuberuntime_manager.go `SyncPod`). Images that are there are not pulled; per node
//! one pull runs at a time (`serializeImagePulls`) or all together. A node's limit of bandwidth lets
//! a pull end no earlier than all bytes asked for before it could have come. The process comes up,
//! probes find it. Deletion removes the endpoint, runs preStop, sends SIGTERM and, when the grace
//! period ends, SIGKILL (pkg/kubelet/kuberuntime `killContainer`; prober/worker.go).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::pod::Probe;
use crate::cluster::{Node, NodeImage, Pod};
use crate::engine::{Dist, Streams};
use crate::model::id::NodeId;
use crate::model::record::Death;
use crate::units::convert::u64_from_usize;
use crate::units::{Bytes, SimDuration, SimTime};

/// Shortest time between SIGTERM and SIGKILL (kuberuntime_manager.go).
const MINIMUM_GRACE: SimDuration = SimDuration::from_secs(2);

/// Timings of kubelets.
#[derive(Debug, Clone, PartialEq)]
pub struct KubeletSpec {
    /// Part of an image pull that does not depend on size (s).
    pub pull_base: Dist,
    /// Pull of each decimal gigabyte (s).
    pub pull_per_gb: Dist,
    /// Container start, pull excluded (s).
    pub container_start: Dist,
    /// From Ready to requests arriving, and from unready to requests staying away (s).
    pub endpoint_propagation: Dist,
    /// `serializeImagePulls`: one image at a time per node.
    pub serial_pulls: bool,
    /// What all pulls of a node share [bytes/s]; `None` is no limit.
    pub node_bytes_per_s: Option<f64>,
}

/// All kubelets of a cluster.
#[derive(Debug)]
pub struct Kubelets {
    spec: KubeletSpec,
    streams: Streams,
    /// Until when each node is busy pulling, and when each image will be there.
    pulls: BTreeMap<NodeId, Pulls>,
}

#[derive(Debug, Default)]
struct Pulls {
    busy_until: SimTime,
    /// When the node's bandwidth has brought all bytes that were asked for.
    brought: SimTime,
    arriving: BTreeMap<Arc<str>, SimTime>,
}

/// How a pod ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Termination {
    /// From now to the endpoint's removal having reached the clients.
    pub endpoint_removed: SimDuration,
    /// From now to SIGTERM (preStop runs before it).
    pub sigterm: SimDuration,
    /// From now to SIGKILL.
    pub sigkill: SimDuration,
}

impl Kubelets {
    /// Kubelets with these timings.
    #[must_use]
    pub fn new(spec: KubeletSpec, streams: Streams) -> Self {
        Self { spec, streams, pulls: BTreeMap::new() }
    }

    /// A pod was bound to a node: how long until its images are there, waiting for other pulls
    /// included. `size_of` tells the compressed size of an image.
    pub fn pull(
        &mut self,
        now: SimTime,
        pod: &Pod,
        node: &Node,
        size_of: impl Fn(&str) -> Bytes,
    ) -> SimDuration {
        let mut stream = self.streams.of(&format!("pull/{}", pod.name));
        let start = self.container_start(pod);
        let pulls = self.pulls.entry(node.id).or_default();
        let mut at = now;
        let spec = &pod.template.spec;
        let containers = spec.init_containers.iter().chain(&spec.containers);
        for (position, container) in containers.enumerate() {
            if position > 0 {
                at += start;
            }
            let there = |image: &NodeImage| image.names.contains(&container.image);
            if node.images.iter().any(there) {
                continue;
            }
            let arrives = if let Some(arrives) = pulls.arriving.get(&container.image) {
                *arrives
            } else {
                let size = size_of(&container.image);
                let per_gb = self.spec.pull_per_gb.sample(&mut stream);
                let base = self.spec.pull_base.sample(&mut stream);
                let pull = SimDuration::from_secs_f64(base + per_gb * size.as_f64() / 1e9);
                let begins = if self.spec.serial_pulls { pulls.busy_until.max(at) } else { at };
                let mut arrives = begins + pull;
                if let Some(bytes_per_s) = self.spec.node_bytes_per_s {
                    let span = SimDuration::from_secs_f64(size.as_f64() / bytes_per_s);
                    pulls.brought = pulls.brought.max(begins) + span;
                    arrives = arrives.max(pulls.brought);
                }
                pulls.busy_until = pulls.busy_until.max(arrives);
                pulls.arriving.insert(Arc::clone(&container.image), arrives);
                arrives
            };
            at = at.max(arrives);
        }
        at - now
    }

    /// From the last image being there to its container running. All containers of a pod together
    /// take what the distribution says, each an equal part of it.
    #[must_use]
    pub fn container_start(&self, pod: &Pod) -> SimDuration {
        let mut stream = self.streams.of(&format!("start/{}", pod.name));
        let spec = &pod.template.spec;
        let containers = spec.init_containers.len() + spec.containers.len();
        let all = self.spec.container_start.sample_span(&mut stream);
        all / u64_from_usize(containers.max(1))
    }

    /// When the kubelet kills a container because its process, which needs `process_up` to answer,
    /// did not answer a startup or liveness probe so often in a row; `None` when it never does. A
    /// process that is not up refuses the connection, so an attempt fails at once. A startup probe
    /// that succeeds leaves nothing for the liveness probe to find: the process is up by then.
    #[must_use]
    pub fn killed_by_probe(
        &self,
        pod: &Pod,
        process_up: SimDuration,
    ) -> Option<(SimDuration, Death)> {
        let killed = |probe: Probe, why| {
            let period = probe.period.as_nanos().max(1);
            let first = probe.initial_delay.as_nanos().div_ceil(period);
            let last = first + u64::from(probe.failure_threshold.max(1) - 1);
            let at = SimDuration::from_nanos(last * period);
            (at < process_up).then_some((at, why))
        };
        let containers = pod.template.spec.containers.iter();
        let deaths = containers.filter_map(|container| match container.startup_probe {
            Some(probe) => killed(probe, Death::Startup),
            None => container.liveness_probe.and_then(|probe| killed(probe, Death::Liveness)),
        });
        deaths.min()
    }

    /// From the containers running to the readiness probe succeeding, when the process needs
    /// `process_up` to answer. A startup probe holds the others back until it succeeded, and then
    /// readiness is probed at once.
    #[must_use]
    pub fn readiness(&self, pod: &Pod, process_up: SimDuration) -> SimDuration {
        let containers = &pod.template.spec.containers;
        let slowest = containers.iter().map(|container| {
            let started =
                container.startup_probe.map_or(process_up, |probe| tick(&probe, process_up));
            match (container.startup_probe, container.readiness_probe) {
                (Some(_), Some(probe)) => started.max(probe.initial_delay),
                (None, Some(probe)) => tick(&probe, started),
                (_, None) => started,
            }
        });
        slowest.max().unwrap_or(process_up)
    }

    /// How long the news of a pod's readiness, or its loss, takes to reach the clients.
    #[must_use]
    pub fn endpoint_propagation(&self, pod: &Pod, purpose: &str) -> SimDuration {
        let mut stream = self.streams.of(&format!("endpoint/{purpose}/{}", pod.name));
        self.spec.endpoint_propagation.sample_span(&mut stream)
    }

    /// How a pod that runs is ended from `now` on.
    #[must_use]
    pub fn termination(&self, now: SimTime, pod: &Pod) -> Termination {
        let deadline = pod.deletion.map_or(now, |deletion| deletion.deadline);
        let grace = deadline.since(now);
        let pre_stop = pod.template.spec.containers.iter().map(|c| c.pre_stop).max();
        let sigterm = pre_stop.unwrap_or(SimDuration::ZERO).min(grace);
        Termination {
            endpoint_removed: self.endpoint_propagation(pod, "removal"),
            sigterm,
            sigkill: grace.max(sigterm + MINIMUM_GRACE),
        }
    }

    /// Whatever was being pulled is there.
    pub fn settle(&mut self) {
        self.pulls.clear();
    }

    /// A node is gone: what it pulled is forgotten.
    pub fn forget(&mut self, node: NodeId) {
        self.pulls.remove(&node);
    }
}

/// The first tick of a probe at which a process that is up after `up` answers, and the further
/// successes that the probe wants. The worker ticks every period from the container's start, and
/// lets ticks pass until the initial delay is over (prober/worker.go `doProbe`): a delay of 5 s
/// with a period of 10 s means a first attempt after 10 s.
fn tick(probe: &Probe, up: SimDuration) -> SimDuration {
    let period = probe.period.as_nanos().max(1);
    let ticks = up.max(probe.initial_delay).as_nanos().div_ceil(period);
    let repeats = u64::from(probe.success_threshold.max(1) - 1);
    SimDuration::from_nanos((ticks + repeats) * period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(value: u64) -> SimDuration {
        SimDuration::from_secs(value)
    }

    #[test]
    fn a_probe_finds_the_process_at_its_next_tick() {
        let probe = Probe { initial_delay: seconds(5), period: seconds(10), ..Probe::default() };
        assert_eq!(tick(&probe, seconds(2)), seconds(10));
        assert_eq!(tick(&probe, seconds(10)), seconds(10));
        assert_eq!(tick(&probe, seconds(11)), seconds(20));
        let at_once = Probe { initial_delay: SimDuration::ZERO, ..probe };
        assert_eq!(tick(&at_once, SimDuration::ZERO), SimDuration::ZERO);
        let thrice = Probe { success_threshold: 3, ..probe };
        assert_eq!(tick(&thrice, seconds(6)), seconds(30));
    }
}
