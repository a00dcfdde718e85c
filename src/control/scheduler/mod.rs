//! kube-scheduler 1.36, default profile: where a pod goes, and why nowhere.
//!
//! - [`Snapshot`]: nodes and pods as the scheduler sees them.
//! - [`Framework`]: filters and scores over a snapshot.
//! - [`Scheduler`]: one pod, one decision.
//! - [`SchedulingQueue`]: which pod is next, and when.

pub mod cycle;
pub mod diagnosis;
mod entry;
mod filter;
pub mod framework;
pub mod gpu_share;
pub mod hints;
mod nomination;
pub mod preemption;
pub mod queue;
pub mod rejection;
pub(in crate::control) mod rules;
mod score;
pub mod snapshot;
mod tables;
#[cfg(test)]
mod tests;
pub mod volumes;

pub use cycle::{Outcome, Scheduler, SchedulerConfig};
pub use filter::Refusal;
pub use framework::{Filtered, Framework, PluginScores, Search};
pub use gpu_share::{Devices, GpuDemand, GpuScore, GpuSharing, TypicalPods};
pub use hints::ClusterEvent;
pub use queue::{Hints, SchedulingQueue};
pub use rejection::{Plugin, PluginSet, Rejection, Shortages};
pub use snapshot::{
    NodeInfo, NodeSlot, PodDescription, PodInfo, ServiceSelector, Shape, ShapeId, Snapshot,
    Surroundings,
};
pub use volumes::{Claim, ClaimBinding};
