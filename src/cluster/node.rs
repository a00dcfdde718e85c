//! Nodes as they live.

use std::sync::Arc;

use crate::cluster::api::meta::Labels;
use crate::cluster::api::pool::Machine;
use crate::cluster::api::scheduling::Taint;
use crate::model::id::{NodeId, PodId, PoolId};
use crate::units::{Bytes, Resources, SimTime};

/// A node object and what its kubelet reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Id; never reused.
    pub id: NodeId,
    /// Name.
    pub name: Arc<str>,
    /// The pool (node group) it belongs to, if any.
    pub pool: Option<PoolId>,
    /// Labels, `kubernetes.io/hostname` among them.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// Taints.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`: cordoned.
    pub unschedulable: bool,
    /// `status.capacity`.
    pub capacity: Resources,
    /// `status.allocatable` without the pod count.
    pub allocatable: Resources,
    /// `status.allocatable.pods`.
    pub max_pods: i64,
    /// Images present, with the names a container could use.
    pub images: Vec<NodeImage>,
    /// When the object was made.
    pub created: SimTime,
    /// Where it stands in its life.
    pub phase: NodePhase,
    /// When `phase` last changed.
    pub phase_since: SimTime,
    /// Whether its pool's group asked for it, which may take another zone; else someone asked for it
    /// by itself.
    pub of_group: bool,
    /// When its machine was made.
    pub launched: Option<SimTime>,
    /// What it runs on, or will.
    pub machine: Machine,
    /// Whether the cloud took the machine back while the object is still there.
    pub machine_gone: bool,
    /// Bound pods that still hold resources, in order of binding.
    pub pods: Vec<PodId>,
    /// Sum of the bound pods' requests.
    pub requested: Resources,
    /// Sum of the bound pods' requests as scoring counts them.
    pub scoring_requested: Resources,
    /// Changes whenever anything a scheduler looks at changed; larger is newer, unique in a run.
    pub generation: u64,
}

/// An image on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeImage {
    /// All its names, tags included.
    pub names: Vec<Arc<str>>,
    /// Size on the node.
    pub size: Bytes,
}

/// Where a node stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodePhase {
    /// The cloud was asked for an instance; there is no Node object yet.
    Requested,
    /// The cloud could not make the instance; the request stands until it is given up.
    Failed(LaunchFailure),
    /// The kubelet registered and is not Ready yet.
    Registered,
    /// The kubelet is Ready.
    Ready,
    /// The kubelet does not answer; the API says Ready=Unknown once the monitor noticed.
    Lost,
    /// Its instance is being given back.
    Removing,
}

/// Why the cloud makes no machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LaunchFailure {
    /// It has none of this type left in the zone.
    NoCapacity,
    /// The account may have no more of them.
    Quota,
}

impl Node {
    /// Whether its Ready condition is True.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase == NodePhase::Ready
    }

    /// Whether a kubelet works on it.
    #[must_use]
    pub fn has_kubelet(&self) -> bool {
        matches!(self.phase, NodePhase::Registered | NodePhase::Ready)
    }

    /// Whether it is only asked for: there is no Node object, and maybe never will be.
    #[must_use]
    pub fn is_coming(&self) -> bool {
        matches!(self.phase, NodePhase::Requested | NodePhase::Failed(_))
    }

    /// Whether there is a Node object: the instance came up, and is not being given back.
    #[must_use]
    pub fn has_joined(&self) -> bool {
        matches!(self.phase, NodePhase::Registered | NodePhase::Ready | NodePhase::Lost)
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(|value| &**value)
    }

    /// The zone, by the stable topology label.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.label("topology.kubernetes.io/zone")
    }

    /// What is left of it: allocatable less requests; below zero when overcommitted.
    #[must_use]
    pub fn free(&self) -> Resources {
        let mut free = self.allocatable.clone();
        free -= &self.requested;
        free
    }
}
