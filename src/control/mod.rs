//! Those who decide: one file or folder per controller.
//!
//! A controller looks at what it may see and returns what it wants, with its reason, also when it
//! wants nothing. It never changes the cluster and never schedules anything itself.
pub mod cluster_autoscaler;
pub mod hpa;
pub mod kubelet;
pub mod metrics_server;
pub mod scheduler;
