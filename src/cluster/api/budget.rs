//! PodDisruptionBudgets as written.

use crate::cluster::api::meta::{IntOrPercent, ObjectMeta};
use crate::cluster::api::selector::LabelSelector;
use crate::units::Origin;

/// policy/v1 PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq)]
pub struct PodDisruptionBudgetSpec {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// `minAvailable` or `maxUnavailable`; neither allows nothing to be said and blocks nothing.
    pub allowance: Option<Allowance>,
    /// Where the allowance stands.
    pub allowance_origin: Origin,
    /// Which pods; `None` selects nothing, an empty selector every pod of the namespace.
    pub selector: Option<LabelSelector>,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`.
    pub always_allow_unhealthy: bool,
}

/// How much of the selected pods must stay, or may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// `minAvailable`, percentages rounded up.
    MinAvailable(IntOrPercent),
    /// `maxUnavailable`, percentages rounded up as well.
    MaxUnavailable(IntOrPercent),
}
