//! How a rollout that was waited for ended: what `helm upgrade --wait` says, and what it cost.

use std::sync::Arc;

use crate::model::id::WorkloadId;
use crate::units::{SimDuration, SimTime};

/// How the wait for a rollout ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutEnd {
    /// Whether everything was ready in time.
    pub outcome: RolloutOutcome,
    /// How long it took, hooks included.
    pub took: SimDuration,
    /// What was not ready at the end: each object and a sentence, in helm's words.
    pub missing: Vec<(Arc<str>, Arc<str>)>,
    /// Pods of the new template that were not ready at the end, and why each of them was not.
    pub pods: Vec<(Arc<str>, Arc<str>)>,
    /// Each workload meanwhile, by id.
    pub capacity: Vec<RolloutCapacity>,
    /// What became of the way back to the release before; `None` when nobody went it.
    pub rollback: Option<RollbackOutcome>,
}

/// What became of a rollback after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RollbackOutcome {
    /// The release before is back, and everything of it is ready.
    Ready,
    /// It was written back, and not ready in time.
    NotReady,
}

/// What became of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RolloutOutcome {
    /// Everything is ready: helm succeeds.
    Ready,
    /// The timeout came first: helm fails, the rollout goes on.
    TimedOut,
    /// An object failed for good (progress deadline exceeded): helm stops to wait and fails.
    Failed,
    /// A hook failed: helm fails, before it changes anything when it was one before the upgrade.
    HookFailed,
    /// The API server refused a change: helm fails without waiting.
    Refused,
}

/// A workload's capacity while it was rolled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolloutCapacity {
    /// Which.
    pub workload: WorkloadId,
    /// Pods that were wanted when the fewest were ready, relative to what was wanted.
    pub wanted: i32,
    /// Ready pods then; those that terminate serve no more and do not count.
    pub ready: i32,
    /// When that began.
    pub at: SimTime,
}

impl RolloutCapacity {
    /// Pods that were missing then.
    #[must_use]
    pub fn missing(&self) -> i32 {
        (self.wanted - self.ready).max(0)
    }
}
