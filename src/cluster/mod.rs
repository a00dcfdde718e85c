//! The cluster: API objects as written ([`api`]) and as they live.
//!
//! Floor 3. State changes only through [`Cluster::apply`] and [`Cluster::occur`]; nothing here
//! decides anything.

pub mod admission;
pub mod api;
mod apply;
pub mod budget;
pub mod counts;
pub mod job;
pub mod node;
mod occur;
pub mod pod;
pub mod quota;
pub mod state;
pub mod volume;
pub mod workload;
mod write;

pub use admission::{admit, forbidden_update};
pub use apply::node_labels;
pub use budget::Budget;
pub use counts::PodCounts;
pub use job::{IndexState, JobEnd, JobRun};
pub use node::{LaunchFailure, Node, NodeImage, NodePhase};
pub use occur::Occurrence;
pub use pod::{ConditionStatus, Deletion, Pod, PodOwner, PodPhase, ReadyCondition, TemplateId};
pub use state::{Cluster, Pool};
pub use volume::{Claim, VolumeMode, VolumesSpec};
pub(crate) use volume::{driver, is_block_disk, refusal};
pub use workload::{ReplicaSet, Revision, Workload};
