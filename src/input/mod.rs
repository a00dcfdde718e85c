//! Documents as a compiler sees them: text with places, trees with spans, decoders that collect
//! every fault.
//!
//! The passes, in order: [`source`] reads files, [`yaml`] makes a tree of each document, [`decode`]
//! turns trees into typed values, [`load_scenario`] follows the files that a scenario names and
//! lowers all of them to one [`crate::scenario::Scenario`]. Faults become
//! [`diagnostic::Diagnostic`]s with a code of [`codes`]; [`render`] shows them.

pub mod source;

pub mod codes;
pub mod diagnostic;
pub mod json;
mod processes;
pub mod recordings;
mod releases;
pub mod render;

pub mod yaml;

pub mod decode;
pub mod scalar;

pub mod kubernetes;

pub mod adapters;
pub mod values;

mod call_loops;
pub mod changes;
mod services;
mod station;

mod alerts;
mod allocatable;
mod capacity;
mod catalogue;
mod cluster_profile;

mod cron;
mod custom_metrics;
mod front;
mod gpu_sharing;
mod hospital_day;
mod hpa_targets;
mod jobs;
mod karpenter;
mod keda;
mod load;
mod policy;
mod pool_events;
mod replay;
mod resources;
mod rollouts;
mod scaling_policy;
mod scenario;
mod thresholds;

pub mod config;
mod documents;
mod helm;
mod live_cluster;
mod loader;
mod objects;
pub mod overlay;
mod own_document;
pub mod patch;
mod pod_trace;
mod prepared;
mod release;
pub mod schema;

pub mod material;

pub use helm::Helm;
pub use loader::{LoadOptions, Loaded, load_scenario, load_scenario_from};
pub use objects::{LoadedObjects, load_objects, objects_in};
pub use patch::{Patch, PatchError, PatchTarget};
pub use pod_trace::{LoadedTrace, is_pod_trace, load_pod_trace, load_pod_trace_from};
pub use prepared::Prepared;
pub use release::ReleaseInputs;
pub use scaling_policy::{LoadedPolicy, ScalingPolicy, load_policy, load_scenario_under};
