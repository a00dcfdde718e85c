//! Deployment and ReplicaSet (apps/v1).

use super::meta::{int_or_percent, seconds};
use super::workload::workload;
use crate::cluster::api::meta::IntOrPercent;
use crate::cluster::api::workload::{DeploymentStrategy, WorkloadKind, WorkloadSpec};
use crate::input::codes;
use crate::input::decode::{Fields, Value};
use crate::units::SimDuration;

/// apps/v1 Deployment; defaults of pkg/apis/apps/v1/defaults.go `SetDefaults_Deployment`.
pub(super) fn deployment(value: &Value<'_>) -> Option<WorkloadSpec> {
    workload(value, "Deployment", |spec| {
        let strategy = spec.read_or("strategy", ROLLING, strategy);
        let deadline =
            spec.read_or("progressDeadlineSeconds", SimDuration::from_secs(600), seconds);
        let revision_history_limit =
            spec.read_or("revisionHistoryLimit", 10, |value| value.integer(0..=i32::MAX));
        let paused = spec.read_or("paused", false, Value::boolean);
        // The largest value means that there is no deadline (deployment_util.go
        // `HasProgressDeadline`).
        let endless = SimDuration::from_secs(u64::from(i32::MAX.unsigned_abs()));
        Some(WorkloadKind::Deployment {
            strategy: strategy?,
            progress_deadline: Some(deadline?).filter(|&deadline| deadline < endless),
            revision_history_limit: revision_history_limit?,
            paused: paused?,
        })
    })
}

/// apps/v1 ReplicaSet.
pub(super) fn replica_set(value: &Value<'_>) -> Option<WorkloadSpec> {
    workload(value, "ReplicaSet", |_: &Fields<'_>| Some(WorkloadKind::ReplicaSet))
}

const QUARTER: IntOrPercent = IntOrPercent::Percent(25);
const ROLLING: DeploymentStrategy =
    DeploymentStrategy::RollingUpdate { max_surge: QUARTER, max_unavailable: QUARTER };

fn strategy(value: &Value<'_>) -> Option<DeploymentStrategy> {
    let fields = value.fields()?;
    let kinds = [("RollingUpdate", true), ("Recreate", false), ("", true)];
    let rolls = fields.read_or("type", true, |value| value.word(&kinds));
    let rolling_value = fields.optional("rollingUpdate");
    let rolling = rolling_value.as_ref().map_or(Some(ROLLING), rolling_update);
    fields.finish("DeploymentStrategy (apps/v1)");
    match (rolls?, rolling_value) {
        (true, _) => rolling,
        (false, Some(rolling)) => {
            let message = "may not be specified when strategy `type` is 'Recreate'";
            value.report(rolling.error(codes::EXCLUSIVE_FIELDS, message));
            None
        }
        (false, None) => Some(DeploymentStrategy::Recreate),
    }
}

fn rolling_update(value: &Value<'_>) -> Option<DeploymentStrategy> {
    let fields = value.fields()?;
    let max_surge = fields.read_or("maxSurge", QUARTER, |value| int_or_percent(value, i32::MAX));
    let max_unavailable =
        fields.read_or("maxUnavailable", QUARTER, |value| int_or_percent(value, 100));
    fields.finish("RollingUpdateDeployment (apps/v1)");
    let (max_surge, max_unavailable) = (max_surge?, max_unavailable?);
    if is_zero(max_surge) && is_zero(max_unavailable) {
        let message =
            "allows no pod to be replaced: maxUnavailable may not be 0 when `maxSurge` is 0";
        value.report(value.error(codes::OUT_OF_RANGE, message));
        return None;
    }
    Some(DeploymentStrategy::RollingUpdate { max_surge, max_unavailable })
}

/// Whether it is no pod at any size.
pub(super) fn is_zero(count: IntOrPercent) -> bool {
    matches!(count, IntOrPercent::Int(0) | IntOrPercent::Percent(0))
}
