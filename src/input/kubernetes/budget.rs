//! PodDisruptionBudget (policy/v1).

use super::meta::{int_or_percent, metadata, object_fields, selector};
use crate::cluster::api::budget::{Allowance, PodDisruptionBudgetSpec};
use crate::input::codes;
use crate::input::decode::Value;
use crate::units::Origin;

/// policy/v1 PodDisruptionBudget, checked as pkg/apis/policy/validation
/// `ValidatePodDisruptionBudgetSpec` does.
pub(super) fn budget(value: &Value<'_>) -> Option<PodDisruptionBudgetSpec> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec_value = fields.required("spec");
    fields.finish("PodDisruptionBudget (policy/v1)");
    let spec = spec_value?.fields()?;
    let min_value = spec.optional("minAvailable");
    let max_value = spec.optional("maxUnavailable");
    let min = min_value.as_ref().map_or(Some(None), |value| int_or_percent(value, 100).map(Some));
    let max = max_value.as_ref().map_or(Some(None), |value| int_or_percent(value, 100).map(Some));
    let selector = spec.read("selector", selector);
    let policies = [("IfHealthyBudget", false), ("AlwaysAllow", true)];
    let always = spec.read_or("unhealthyPodEvictionPolicy", false, |value| value.word(&policies));
    spec.finish("PodDisruptionBudgetSpec (policy/v1)");
    if let (Some(min), Some(max)) = (&min_value, &max_value) {
        let message = "and minAvailable cannot be both set";
        let error = max.error(codes::PDB_BOTH_BOUNDS, message).primary(max.key_span(), "");
        let error = error.secondary(min.key_span(), "the other bound");
        value.report(
            error.note("the API server says: minAvailable and maxUnavailable cannot be both set"),
        );
        return None;
    }
    let allowance = min?.map(Allowance::MinAvailable).or(max?.map(Allowance::MaxUnavailable));
    let allowance_origin = min_value
        .or(max_value)
        .map_or_else(|| Origin::implied("not written"), |value| value.origin());
    Some(PodDisruptionBudgetSpec {
        meta: meta?,
        allowance,
        allowance_origin,
        selector: selector?,
        always_allow_unhealthy: always?,
    })
}
