//! The cluster: API objects as written ([`api`]) and as they live.
//!
//! Floor 3. State changes only through [`Cluster::apply`] and [`Cluster::occur`]; nothing here
//! decides anything.

pub mod api;
pub mod budget;
pub mod node;
pub mod pod;
pub mod workload;

pub use budget::Budget;
pub use node::{Node, NodeImage, NodePhase};
pub use pod::{ConditionStatus, Deletion, Pod, PodOwner, PodPhase, ReadyCondition, TemplateId};
pub use workload::{ReplicaSet, Revision, Workload};
