//! What the scheduler sees of a pod: shapes, which many pods share, and the pods themselves.

use std::sync::Arc;

use crate::cluster::TemplateId;
use crate::cluster::api::pod::{HostPort, PodTemplate};
use crate::cluster::api::{LabelSelector, Labels};
use crate::control::scheduler::gpu_share::GpuDemand;
use crate::control::scheduler::snapshot::Surroundings;
use crate::control::scheduler::volumes::Claim;
use crate::model::id::{PodId, ReplicaSetId, WorkloadId};
use crate::units::convert::{count_u32, index};
use crate::units::{Resources, SimTime};

/// Number of a shape in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShapeId(pub u32);

impl ShapeId {
    pub(crate) fn at(position: usize) -> Self {
        Self(count_u32(position))
    }

    pub(crate) fn index(self) -> usize {
        index(self.0)
    }
}

/// All that decides where a pod may run, but for its own name, node and claims. Pods of one shape
/// are interchangeable to every filter and every score.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Labels of the pods, `pod-template-hash` among them.
    pub labels: Labels,
    /// Template, with admission applied.
    pub template: Arc<PodTemplate>,
    /// Effective request.
    pub requests: Resources,
    /// Effective request as a bound pod adds to its node's scoring sum.
    pub scoring_requests: Resources,
    /// Request as NodeResourcesFit scores an incoming pod.
    pub incoming_scoring_requests: Resources,
    /// Extended resources it asks for, by name; non-zero amounts only.
    pub extended: Vec<(Arc<str>, i64)>,
    /// Host ports of containers and sidecars.
    pub host_ports: Vec<HostPort>,
    /// Images of all containers and init containers, normalised, in order, repetitions kept.
    pub images: Vec<Arc<str>>,
    /// Selector of the system default spread constraints: the Services that select the pod and the
    /// owner's own selector together; `None` when there is neither.
    pub default_spread: Option<LabelSelector>,
    /// What it wants of devices, where GPUs are shared.
    pub gpu_demand: Option<GpuDemand>,
}

/// What a shape is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct PodDescription {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Labels as the pod object carries them.
    pub labels: Labels,
    /// Template, with admission applied.
    pub template: Arc<PodTemplate>,
    /// Selector of the owning ReplicaSet or StatefulSet; `None` for other owners.
    pub owner_selector: Option<LabelSelector>,
}

/// A Service, as far as default spreading looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSelector {
    /// Namespace.
    pub namespace: Arc<str>,
    /// `spec.selector`; one that is absent is no Service here.
    pub selector: Labels,
}

impl Shape {
    /// Derives a shape from a description and what surrounds it.
    #[must_use]
    pub fn new(description: PodDescription, around: &Surroundings) -> Self {
        let default_spread = default_spread_selector(&description, &around.services);
        let PodDescription { namespace, labels, template, owner_selector: _ } = description;
        let spec = &template.spec;
        let requests = spec.requests();
        let sidecars = spec.init_containers.iter().filter(|container| container.sidecar);
        let ports = spec.containers.iter().chain(sidecars).flat_map(|c| c.host_ports.clone());
        let containers = spec.init_containers.iter().chain(&spec.containers);
        Self {
            gpu_demand: around.gpu_share.then(|| GpuDemand::of(&template.annotations)).flatten(),
            extended: requests.extended().map(|(name, n)| (Arc::clone(name), n)).collect(),
            scoring_requests: spec.scoring_requests(),
            incoming_scoring_requests: spec.incoming_scoring_requests(),
            host_ports: ports.collect(),
            images: containers.map(|c| normalised_image(&c.image)).collect(),
            requests,
            default_spread,
            namespace,
            labels,
            template,
        }
    }

    /// Priority of its pods.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.template.spec.priority
    }
}

/// Plugins/helper/spread.go `DefaultSelector`: all Services that select the pod, and its owner.
fn default_spread_selector(
    description: &PodDescription,
    services: &[ServiceSelector],
) -> Option<LabelSelector> {
    let mut selector = LabelSelector::default();
    for service in services {
        let selects = service.namespace == description.namespace
            && service.selector.iter().all(|(k, v)| description.labels.get(k) == Some(v));
        if selects {
            let pairs = service.selector.iter().map(|(k, v)| (Arc::clone(k), Arc::clone(v)));
            selector.match_labels.extend(pairs);
        }
    }
    if let Some(owner) = &description.owner_selector {
        // A label demanded by a Service is one the pod has, so an owner that demands another value
        // cannot occur; written as an expression both stay demanded.
        for (key, value) in &owner.match_labels {
            selector.match_expressions.push(super::equals(key, value));
        }
        selector.match_expressions.extend(owner.match_expressions.iter().cloned());
    }
    (!selector.is_empty()).then_some(selector)
}

/// The name a container's image has on a node: `:latest` is implied when no tag follows the last
/// slash (image_locality.go `normalizedImageName`).
fn normalised_image(name: &str) -> Arc<str> {
    let slash = name.rfind('/').map_or(-1, |at| i64::try_from(at).unwrap_or(i64::MAX));
    let colon = name.rfind(':').map_or(-1, |at| i64::try_from(at).unwrap_or(i64::MAX));
    if colon <= slash { Arc::from(format!("{name}:latest")) } else { Arc::from(name) }
}

/// A pod on a node, or one that looks for a node.
#[derive(Debug, Clone, PartialEq)]
pub struct PodInfo {
    /// Id. Hypothetical pods may share one that no live pod has.
    pub id: PodId,
    /// Its shape.
    pub shape: ShapeId,
    /// The only node it may run on: a DaemonSet's pod (its controller writes the node's name into
    /// the pod's required node affinity).
    pub only_node: Option<Arc<str>>,
    /// Its volume claims.
    pub claims: Option<Arc<[Claim]>>,
    /// Deletion began; it still holds its resources.
    pub terminating: bool,
    /// When the kubelet took it; preemption prefers later ones.
    pub started: Option<SimTime>,
    /// The devices of its node that it has a part of, once it has a node.
    pub devices: Option<Arc<[u32]>>,
}

impl PodInfo {
    /// A pod without claims that may run anywhere its shape may.
    #[must_use]
    pub fn new(id: PodId, shape: ShapeId) -> Self {
        Self {
            id,
            shape,
            only_node: None,
            claims: None,
            terminating: false,
            started: None,
            devices: None,
        }
    }

    pub(crate) fn claims(&self) -> &[Claim] {
        self.claims.as_deref().unwrap_or_default()
    }
}

/// Pods of one template and one owner are one shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LiveShape {
    /// Of a ReplicaSet, whose hash is a label of the pod.
    ReplicaSet(TemplateId, ReplicaSetId),
    /// Of any other workload.
    Workload(TemplateId, WorkloadId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_tag_means_latest() {
        let rows = [
            ("nginx", "nginx:latest"),
            ("nginx:1", "nginx:1"),
            ("reg:5000/nginx", "reg:5000/nginx:latest"),
            ("reg:5000/nginx:1", "reg:5000/nginx:1"),
        ];
        for (written, expected) in rows {
            assert_eq!(&*normalised_image(written), expected);
        }
    }
}
