//! A node as the scheduler sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::Node;
use crate::cluster::api::pod::HostPort;
use crate::cluster::api::{Labels, Taint};
use crate::control::scheduler::gpu_share::Devices;
use crate::control::scheduler::snapshot::shape::{PodInfo, Shape};
use crate::model::id::{NodeId, PodId};
use crate::units::{Bytes, Resources};

/// A node and what its pods take of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeInfo {
    /// The live node; `None` for a hypothetical one.
    pub id: Option<NodeId>,
    /// Name.
    pub name: Arc<str>,
    /// Labels.
    pub labels: Labels,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Cordoned.
    pub unschedulable: bool,
    /// `status.allocatable` without the pod count.
    pub allocatable: Resources,
    /// `status.allocatable.pods`.
    pub max_pods: i64,
    /// Images by every name they have, with their size.
    pub images: BTreeMap<Arc<str>, Bytes>,
    /// Volumes a CSI driver attaches at most, by driver; absent is no limit.
    pub volume_limits: BTreeMap<Arc<str>, i64>,
    /// Sum of the pods' requests.
    pub requested: Resources,
    /// Sum of the pods' requests as scoring counts them.
    pub scoring_requested: Resources,
    /// Host ports in use, repetitions kept.
    pub host_ports: Vec<HostPort>,
    /// Its GPUs one by one, where they are shared.
    pub devices: Devices,
    /// Its pods, terminating ones among them, in order of binding.
    pub pods: Vec<PodInfo>,
}

impl NodeInfo {
    /// What a live node offers, without its pods.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let images = node
            .images
            .iter()
            .flat_map(|image| image.names.iter().map(move |name| (Arc::clone(name), image.size)));
        Self {
            id: Some(node.id),
            name: Arc::clone(&node.name),
            labels: node.labels.clone(),
            taints: node.taints.clone(),
            unschedulable: node.unschedulable,
            allocatable: node.allocatable.clone(),
            max_pods: node.max_pods,
            images: images.collect(),
            ..Self::default()
        }
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&Arc<str>> {
        self.labels.get(key)
    }

    /// Region and zone, which order the node list (component-helpers/node/topology `GetZoneKey`).
    pub(crate) fn zone_key(&self) -> (Arc<str>, Arc<str>) {
        let first = |keys: [&str; 2]| {
            keys.iter().find_map(|key| self.label(key)).map_or_else(|| Arc::from(""), Arc::clone)
        };
        let region = ["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"];
        let zone = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];
        (first(region), first(zone))
    }

    pub(super) fn add(&mut self, mut pod: PodInfo, shape: &Shape, position: usize) {
        if let Some(demand) = &shape.gpu_demand {
            // A pod that is only thought to be here has no devices yet: it gets the tightest.
            pod.devices = pod.devices.or_else(|| self.devices.tightest(demand).map(Arc::from));
            self.devices.take(pod.devices.as_deref().unwrap_or_default(), demand.milli);
        }
        self.requested += &shape.requests;
        self.scoring_requested += &shape.scoring_requests;
        self.host_ports.extend(shape.host_ports.iter().cloned());
        self.pods.insert(position, pod);
    }

    pub(super) fn remove(&mut self, position: usize, shape: &Shape) -> PodInfo {
        if let Some(demand) = &shape.gpu_demand {
            let held = self.pods[position].devices.as_deref().unwrap_or_default();
            self.devices.give(held, demand.milli);
        }
        self.requested -= &shape.requests;
        self.scoring_requested -= &shape.scoring_requests;
        for port in &shape.host_ports {
            let at = self.host_ports.iter().position(|used| used == port);
            self.host_ports.swap_remove(at.expect("a pod's ports were added with it"));
        }
        self.pods.remove(position)
    }

    /// Where a pod stands in the list.
    pub(crate) fn position(&self, pod: PodId) -> Option<usize> {
        // The latest pod is the likeliest to go again: an assumption taken back.
        self.pods.iter().rposition(|info| info.id == pod)
    }
}
