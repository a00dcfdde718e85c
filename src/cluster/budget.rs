//! Disruption budgets as they live.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::budget::PodDisruptionBudgetSpec;
use crate::cluster::pod::Pod;
use crate::model::action::BudgetStatus;
use crate::model::id::{BudgetId, PodId};
use crate::units::SimTime;

/// A PodDisruptionBudget and its status.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Id.
    pub id: BudgetId,
    /// Whether the object is there: one of a later release is not yet, a deleted one is no more.
    pub exists: bool,
    /// `metadata.generation`: how often the spec was written.
    pub generation: i64,
    /// What was written.
    pub spec: Arc<PodDisruptionBudgetSpec>,
    /// The figures of `status`.
    pub status: BudgetStatus,
    /// `status.disruptedPods`: evicted, and not yet seen to terminate.
    pub disrupted: BTreeMap<PodId, SimTime>,
}

impl Budget {
    /// Whether it selects a pod.
    #[must_use]
    pub fn selects(&self, pod: &Pod) -> bool {
        self.exists
            && self.spec.meta.namespace == pod.namespace
            && self.spec.selector.as_ref().is_some_and(|s| s.matches(&pod.template.labels))
    }
}
