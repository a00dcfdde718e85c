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
mod releases;
pub mod render;

pub mod yaml;

pub mod decode;
pub mod scalar;

pub mod kubernetes;

mod call_loops;
mod services;
mod station;

mod allocatable;
mod capacity;
mod catalogue;
mod cluster_profile;

mod cron;
mod front;
mod jobs;
mod karpenter;
mod load;
mod policy;
mod pool_events;
mod rollouts;
mod scenario;
mod thresholds;

mod documents;
mod live_cluster;
mod loader;
mod objects;

pub use loader::{LoadOptions, Loaded, load_scenario};
pub use objects::{LoadedObjects, ObjectInputs, load_objects};
