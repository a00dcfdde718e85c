//! What the pods of a Job ask of services while they work.

use crate::model::id::OperationId;

/// Calls that a pod of a Job makes one after another: a backup that reads its store piece by piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobWork {
    /// What it calls.
    pub operation: OperationId,
    /// Calls under way at once.
    pub parallel: u32,
    /// Calls after which it is done; `None` while its pod works for the time that is stated.
    pub times: Option<u64>,
}
