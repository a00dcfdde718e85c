//! kube-scheduler 1.36, default profile: where a pod goes, and why nowhere.

mod entry;
mod filter;
pub mod framework;
pub mod rejection;
mod rules;
mod score;
pub mod snapshot;
mod tables;
pub mod volumes;

pub use filter::Refusal;
pub use framework::{Filtered, Framework, PluginScores, Search};
pub use rejection::{Plugin, PluginSet, Rejection, Shortages};
pub use snapshot::{
    NodeInfo, NodeSlot, PodDescription, PodInfo, ServiceSelector, Shape, ShapeId, Snapshot,
    Surroundings,
};
pub use volumes::{Claim, ClaimBinding};
