//! Those who decide: one file or folder per controller.
//!
//! A controller looks at what it may see and returns what it wants, with its reason, also when it
//! wants nothing. It never changes the cluster and never schedules anything itself.

pub mod cluster_autoscaler;
pub mod crash_loop;
pub mod daemon_set;
pub mod decision;
pub mod deployment;
pub mod disruption;
pub mod drain;
pub mod eviction;
pub mod helm_wait;
pub mod hpa;
pub mod job;
pub mod karpenter;
pub mod keda;
pub mod kubelet;
pub mod metrics_adapter;
pub mod metrics_server;
pub mod node_lifecycle;
pub mod node_pressure;
pub mod pod_gc;
pub mod pool_upgrade;
pub mod replica_set;
pub mod scheduler;
pub mod stateful_set;
pub mod taint_eviction;
pub mod volume_attach;
pub mod workload;
