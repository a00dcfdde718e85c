//! kubelet: how long the steps of a pod's life take.
//!
//! Images are pulled one after another per node (`serializeImagePulls`), and only those that are
//! not there. Containers start, the process comes up, probes find it. Deletion removes the endpoint,
//! runs preStop, sends SIGTERM and, when the grace period ends, SIGKILL (pkg/kubelet/kuberuntime
//! `killContainer`; prober/worker.go).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::pod::Probe;
use crate::cluster::{Node, NodeImage, Pod};
use crate::engine::{Dist, Streams};
use crate::model::id::NodeId;
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
        let pulls = self.pulls.entry(node.id).or_default();
        let mut ready = now;
        let spec = &pod.template.spec;
        for container in spec.init_containers.iter().chain(&spec.containers) {
            let there = |image: &NodeImage| image.names.contains(&container.image);
            if node.images.iter().any(there) {
                continue;
            }
            if let Some(at) = pulls.arriving.get(&container.image) {
                ready = ready.max(*at);
                continue;
            }
            let size = size_of(&container.image);
            let per_gb = self.spec.pull_per_gb.sample(&mut stream);
            let seconds = self.spec.pull_base.sample(&mut stream) + per_gb * size.as_f64() / 1e9;
            let begins = pulls.busy_until.max(now);
            pulls.busy_until = begins + SimDuration::from_secs_f64(seconds);
            pulls.arriving.insert(Arc::clone(&container.image), pulls.busy_until);
            ready = ready.max(pulls.busy_until);
        }
        ready - now
    }

    /// From the images being there to all containers running.
    #[must_use]
    pub fn container_start(&self, pod: &Pod) -> SimDuration {
        let mut stream = self.streams.of(&format!("start/{}", pod.name));
        self.spec.container_start.sample_span(&mut stream)
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
