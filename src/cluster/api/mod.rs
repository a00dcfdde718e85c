//! API objects as validated: what a user wrote, in units, with defaults applied and origins kept.
//!
//! These are the `Spec` side of the cluster: immutable, shared by `Arc`, free of behaviour beyond
//! the arithmetic that Kubernetes defines on them (effective requests, QoS class, matching).

pub mod budget;
pub mod job;
pub mod limit;
pub mod meta;
pub mod pod;
pub mod pool;
pub mod scheduling;
pub mod selector;
pub mod storage;
pub mod workload;

pub use budget::PodDisruptionBudgetSpec;
pub use job::{JobSpec, JobTrigger};
pub use limit::{LimitRangeSpec, ResourceQuotaSpec};
pub use meta::{IntOrPercent, Labels, ObjectMeta};
pub use pod::{Container, PodSpec, PodTemplate, QosClass};
pub use pool::{
    GPU, GpuSharing, GpuSharingStrategy, InstanceType, Machine, NodePoolSpec, NodeRequest,
};
pub use scheduling::{Affinity, Taint, TaintEffect, Toleration, TopologySpreadConstraint};
pub use selector::{LabelSelector, SelectorOperator};
pub use storage::{AccessMode, PersistentVolumeClaimSpec, StorageClassSpec};
pub use workload::{WorkloadKind, WorkloadSpec};
