//! kubelet: how long the steps of a pod's life take.
//!
//! Containers start in the order of their list: the image of one is pulled, it starts, and only then
//! comes the next (kuberuntime_manager.go `SyncPod`). Init containers run to their end before, one
//! after another; sidecars among them only until they are started. Images that are there are not pulled; per node
//! one pull runs at a time (`serializeImagePulls`) or all together. A node's limit of bandwidth lets
//! a pull end no earlier than all bytes asked for before it could have come. The process comes up,
//! probes find it. Deletion removes the endpoint, runs preStop, sends SIGTERM and, when the grace
//! period ends, SIGKILL (pkg/kubelet/kuberuntime `killContainer`; prober/worker.go).

pub mod oom;
mod probe;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::pod::Container;
use crate::cluster::{Node, NodeImage, Pod};
use crate::engine::{Dist, Stream, Streams};
use crate::model::id::NodeId;
use crate::units::convert::u64_from_usize;
use crate::units::{Bytes, SimDuration, SimTime};

pub use probe::{Outlook, outlook};

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
    /// From now to SIGTERM of the container that serves (its preStop runs before it).
    pub sigterm: SimDuration,
    /// From now to the end of the longest preStop of any container: the pod lives as long.
    pub others_end: SimDuration,
    /// From now to SIGKILL.
    pub sigkill: SimDuration,
}

impl Kubelets {
    /// Kubelets with these timings.
    #[must_use]
    pub fn new(spec: KubeletSpec, streams: Streams) -> Self {
        Self { spec, streams, pulls: BTreeMap::new() }
    }

    /// A container's image is wanted on a node: how long until it is there, waiting for other pulls
    /// included. `size` is its compressed size.
    pub fn pull(
        &mut self,
        now: SimTime,
        stream: &mut Stream,
        node: &Node,
        image: &Arc<str>,
        size: Bytes,
    ) -> SimDuration {
        if node.images.iter().any(|there: &NodeImage| there.names.contains(image)) {
            return SimDuration::ZERO;
        }
        let pulls = self.pulls.entry(node.id).or_default();
        if let Some(arrives) = pulls.arriving.get(image) {
            return arrives.since(now);
        }
        let per_gb = self.spec.pull_per_gb.sample(stream);
        let base = self.spec.pull_base.sample(stream);
        let pull = SimDuration::from_secs_f64(base + per_gb * size.as_f64() / 1e9);
        let begins = if self.spec.serial_pulls { pulls.busy_until.max(now) } else { now };
        let mut arrives = begins + pull;
        if let Some(bytes_per_s) = self.spec.node_bytes_per_s {
            let span = SimDuration::from_secs_f64(size.as_f64() / bytes_per_s);
            pulls.brought = pulls.brought.max(begins) + span;
            arrives = arrives.max(pulls.brought);
        }
        pulls.busy_until = pulls.busy_until.max(arrives);
        pulls.arriving.insert(Arc::clone(image), arrives);
        arrives.since(now)
    }

    /// The stream of a pod's pulls, for all of its containers.
    #[must_use]
    pub fn pull_stream(&self, pod: &Pod) -> Stream {
        self.streams.of(&format!("pull/{}", pod.name))
    }

    /// From an image being there to its container running. All containers of a pod together
    /// take what the distribution says, each an equal part of it.
    #[must_use]
    pub fn container_start(&self, pod: &Pod) -> SimDuration {
        let mut stream = self.streams.of(&format!("start/{}", pod.name));
        let spec = &pod.template.spec;
        let containers = spec.init_containers.len() + spec.containers.len();
        let all = self.spec.container_start.sample_span(&mut stream);
        all / u64_from_usize(containers.max(1))
    }

    /// How long the news of a pod's readiness, or its loss, takes to reach the clients.
    #[must_use]
    pub fn endpoint_propagation(&self, pod: &Pod, purpose: &str) -> SimDuration {
        let mut stream = self.streams.of(&format!("endpoint/{purpose}/{}", pod.name));
        self.spec.endpoint_propagation.sample_span(&mut stream)
    }

    /// How a pod that runs is ended from `now` on; `serving` is the container that serves, or the
    /// first. Every container's preStop runs at once, and its SIGTERM follows (kuberuntime_container.go
    /// `killContainer`).
    #[must_use]
    pub fn termination(&self, now: SimTime, pod: &Pod, serving: &Container) -> Termination {
        let deadline = pod.deletion.map_or(now, |deletion| deletion.deadline);
        let grace = deadline.since(now);
        let sigterm = serving.pre_stop.min(grace);
        let others = pod.template.spec.containers.iter().chain(&pod.template.spec.init_containers);
        let longest = others.map(|container| container.pre_stop).max().unwrap_or_default();
        Termination {
            others_end: longest.min(grace),
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
