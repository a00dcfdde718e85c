//! The vocabulary of a run: four moods, and nothing that acts.
//!
//! - [`event::Event`], a noun: what is due.
//! - [`action::Action`], an imperative: what a controller wants.
//! - [`record::Record`], a past tense: what happened.
//! - [`reason::Reason`], a because: why someone acted, and above all why not.
//!
//! Everything below the run loop speaks in these words; only the run loop turns them into a future
//! (the queue) and a past (the observers).

pub mod action;
pub mod event;
pub mod id;
pub mod observer;
pub mod reason;
pub mod record;
pub mod rollout;

/// The Kubernetes whose decisions are simulated, as a minor version.
pub const KUBERNETES: &str = "1.36";

pub use action::Action;
pub use event::Event;
pub use id::{
    BudgetId, CallId, ClassId, ClientId, DisruptionId, HpaId, LoadId, NodeId, OperationId, PodId,
    PoolId, ReplicaSetId, ServerId, StationId, WorkloadId,
};
pub use observer::Observer;
pub use reason::Reason;
pub use record::Record;
