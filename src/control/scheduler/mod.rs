//! kube-scheduler 1.36, default profile: where a pod goes, and why nowhere.

pub mod snapshot;
pub mod volumes;

pub use snapshot::{
    NodeInfo, NodeSlot, PodDescription, PodInfo, ServiceSelector, Shape, ShapeId, Snapshot,
    Surroundings,
};
pub use volumes::{Claim, ClaimBinding};
