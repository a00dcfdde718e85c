//! Node pools and the machines they are made of.

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::cluster::api::meta::Labels;
use crate::cluster::api::scheduling::Taint;
use crate::engine::Dist;
use crate::model::id::PoolId;
use crate::model::record::MachineKind;
use crate::units::{Origin, Resources};

/// A node group: nodes of one instance type that come and go alike.
#[derive(Debug, Clone, PartialEq)]
pub struct NodePoolSpec {
    /// Name; its nodes are called `NAME-1`, `NAME-2`, ...
    pub name: Arc<str>,
    /// Where the pool is written.
    pub origin: Origin,
    /// What its nodes are.
    pub instance: Arc<InstanceType>,
    /// Least number of nodes.
    pub min: u32,
    /// Most nodes.
    pub max: u32,
    /// Where `max` is written.
    pub max_origin: Origin,
    /// Nodes at the start of the run.
    pub initial: u32,
    /// Zones its nodes are spread over.
    pub zones: Vec<Arc<str>>,
    /// Labels of its nodes, beside the well-known ones.
    pub labels: Labels,
    /// Taints of its nodes.
    pub taints: Vec<Taint>,
    /// Instance running to node registered (s).
    pub launch: Dist,
    /// Node registered to Ready (s): network plug-in and kubelet checks; `None` when it is at once.
    pub node_ready: Option<Dist>,
    /// Node Ready to GPUs allocatable (s); `None` when they are there at once.
    pub gpu_ready: Option<Dist>,
    /// How the device plugin shares the GPUs of its nodes; `None` gives every container whole ones.
    pub gpu_sharing: Option<GpuSharing>,
    /// Whether its nodes are spot instances.
    pub spot: bool,
    /// Whether the Cluster Autoscaler may change its size.
    pub autoscaled: bool,
    /// The `karpenter.sh/v1` NodePool whose nodes of one machine type and capacity these are;
    /// Karpenter alone makes and removes them.
    pub node_pool: Option<Arc<str>>,
}

/// How a GPU is handed out several times (NVIDIA k8s-device-plugin, `sharing` of its configuration; the
/// same for all GPUs of a node). Slices are counted, not placed: a container that has two may have both of
/// one GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuSharing {
    /// How processes share a GPU.
    pub strategy: GpuSharingStrategy,
    /// How often each GPU is handed out, at least twice.
    pub replicas: u32,
    /// Whether slices are called `nvidia.com/gpu.shared` (`renameByDefault`).
    pub renamed: bool,
    /// Whether a container that asks for more than one slice is refused (`failRequestsGreaterThanOne`).
    pub refuses_more_than_one: bool,
}

/// How processes share a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuSharingStrategy {
    /// Each process has the whole GPU for a slice of time; its memory is not divided.
    TimeSlicing,
    /// CUDA's Multi-Process Service: at the same time, each with its share of memory and threads.
    Mps,
}

impl GpuSharing {
    /// The name under which slices are asked for.
    #[must_use]
    pub fn resource(self) -> &'static str {
        if self.renamed { SHARED_GPU } else { GPU }
    }
}

/// The extended resource of whole GPUs, and of slices that have no name of their own.
pub const GPU: &str = "nvidia.com/gpu";
const SHARED_GPU: &str = "nvidia.com/gpu.shared";

/// A row of the instance catalogue, with what the cloud leaves to pods.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceType {
    /// The cloud's name, e.g. `g4dn.2xlarge`.
    pub name: Arc<str>,
    /// What the machine has, GPUs as `nvidia.com/gpu`.
    pub capacity: Resources,
    /// What the kubelet offers to pods.
    pub allocatable: Resources,
    /// Pods a node can run.
    pub max_pods: i64,
    /// Data volumes that can be attached at once; `None` is not known, and no limit.
    pub max_volumes: Option<i64>,
    /// What its GPUs are called: the value of the node label `accelerator`.
    pub gpu_kind: Option<Arc<str>>,
    /// On-demand price per hour, when known.
    pub on_demand_per_hour: Option<Decimal>,
    /// Spot price per hour, when known.
    pub spot_per_hour: Option<Decimal>,
    /// Date of the prices, as the catalogue states it.
    pub price_date: Arc<str>,
}

/// One machine: what is asked of a cloud, and what it gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its type.
    pub instance: Arc<InstanceType>,
    /// Where it is; `None` in a pool without zones.
    pub zone: Option<Arc<str>>,
    /// Whether the cloud may take it back (capacity type `spot`, else `on-demand`).
    pub spot: bool,
}

/// A machine that is asked for by itself, not as one more of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeRequest {
    /// The pool its node counts for, and is named after.
    pub pool: PoolId,
    /// What is asked for. No other zone is tried.
    pub machine: Machine,
    /// Labels of its node, beside the well-known ones.
    pub labels: Labels,
    /// Taints of its node.
    pub taints: Vec<Taint>,
}

impl InstanceType {
    /// The same machine when its GPUs are shared: what it has stays, what pods may ask for are slices.
    #[must_use]
    pub fn with_shared_gpus(&self, sharing: GpuSharing) -> Self {
        let mut machine = self.clone();
        for name in [GPU, SHARED_GPU] {
            machine.allocatable.set(&Arc::from(name), 0);
        }
        let slices = self.capacity.get(GPU).saturating_mul(i64::from(sharing.replicas));
        machine.allocatable.set(&Arc::from(sharing.resource()), slices);
        machine
    }

    /// Price of a machine per hour, when the catalogue knows it.
    #[must_use]
    pub fn price_per_hour(&self, spot: bool) -> Option<Decimal> {
        if spot { self.spot_per_hour } else { self.on_demand_per_hour }
    }
}

impl Machine {
    /// Its price per hour, when the catalogue knows it.
    #[must_use]
    pub fn price_per_hour(&self) -> Option<Decimal> {
        self.instance.price_per_hour(self.spot)
    }

    /// Instance type, zone and capacity type, as records tell them.
    #[must_use]
    pub fn kind(&self) -> MachineKind {
        MachineKind {
            instance: Arc::clone(&self.instance.name),
            zone: self.zone.clone(),
            spot: self.spot,
        }
    }
}

impl NodePoolSpec {
    /// Whether nodes of another pool are nodes of this one too: those of one NodePool are spread over
    /// a pool for each machine type.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        self.name == other.name || (self.node_pool.is_some() && self.node_pool == other.node_pool)
    }

    /// Makes its nodes of another machine; GPUs that were shared are shared there, too.
    pub fn set_instance(&mut self, machine: Arc<InstanceType>) {
        self.instance = match self.gpu_sharing {
            Some(sharing) => Arc::new(machine.with_shared_gpus(sharing)),
            None => machine,
        };
    }

    /// Price of one of its nodes per hour, when the catalogue knows it.
    #[must_use]
    pub fn price_per_hour(&self) -> Option<Decimal> {
        self.instance.price_per_hour(self.spot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, MilliCpu};

    /// E43 of the worked cases: 8 GPUs, each handed out 4 times, are 32 to the scheduler, under their own
    /// name or another; sharing again begins from the machine.
    #[test]
    fn slices_are_what_pods_may_ask_for() {
        let mut whole = Resources::new(MilliCpu(96_000), Bytes(1 << 40));
        whole.set(&Arc::from(GPU), 8);
        let machine = InstanceType {
            name: Arc::from("p4d.24xlarge"),
            capacity: whole.clone(),
            allocatable: whole.clone(),
            max_pods: 110,
            max_volumes: None,
            gpu_kind: None,
            on_demand_per_hour: None,
            spot_per_hour: None,
            price_date: Arc::from(""),
        };
        let sharing = |replicas, renamed| GpuSharing {
            strategy: GpuSharingStrategy::TimeSlicing,
            replicas,
            renamed,
            refuses_more_than_one: false,
        };
        let shared = machine.with_shared_gpus(sharing(4, false));
        assert_eq!(shared.allocatable.get(GPU), 32);
        assert_eq!(shared.capacity, whole);
        let renamed = shared.with_shared_gpus(sharing(2, true));
        assert_eq!((renamed.allocatable.get(GPU), renamed.allocatable.get(SHARED_GPU)), (0, 16));
    }
}
