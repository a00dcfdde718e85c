//! DaemonSet (apps/v1).

use super::deployment::is_zero;
use super::meta::int_or_percent;
use super::workload::workload;
use crate::cluster::api::meta::IntOrPercent;
use crate::cluster::api::workload::{DaemonSetRollingUpdate, WorkloadKind, WorkloadSpec};
use crate::input::codes;
use crate::input::decode::Value;

/// apps/v1 DaemonSet; defaults of pkg/apis/apps/v1/defaults.go `SetDefaults_DaemonSet`.
pub(super) fn daemon_set(value: &Value<'_>) -> Option<WorkloadSpec> {
    workload(value, "DaemonSet", |spec| {
        let rolling_update = spec.read_or("updateStrategy", Some(ONE_BY_ONE), update_strategy);
        spec.ignore(&["revisionHistoryLimit"]);
        Some(WorkloadKind::DaemonSet { rolling_update: rolling_update? })
    })
}

const ONE_BY_ONE: DaemonSetRollingUpdate = DaemonSetRollingUpdate {
    max_surge: IntOrPercent::Int(0),
    max_unavailable: IntOrPercent::Int(1),
};

fn update_strategy(value: &Value<'_>) -> Option<Option<DaemonSetRollingUpdate>> {
    let fields = value.fields()?;
    let kinds = [("RollingUpdate", true), ("OnDelete", false), ("", true)];
    let rolls = fields.read_or("type", true, |value| value.word(&kinds));
    let rolling = fields.read_or("rollingUpdate", ONE_BY_ONE, |value| {
        let fields = value.fields()?;
        let max_surge =
            fields.read_or("maxSurge", ONE_BY_ONE.max_surge, |value| int_or_percent(value, 100));
        let max_unavailable =
            fields.read_or("maxUnavailable", ONE_BY_ONE.max_unavailable, |value| {
                int_or_percent(value, 100)
            });
        fields.finish("RollingUpdateDaemonSet (apps/v1)");
        let (max_surge, max_unavailable) = (max_surge?, max_unavailable?);
        // Both zero or both above zero (validation.go `ValidateRollingUpdateDaemonSet`).
        if is_zero(max_surge) == is_zero(max_unavailable) {
            let message = "needs exactly one of maxSurge and maxUnavailable above 0";
            value.report(value.error(codes::OUT_OF_RANGE, message));
            return None;
        }
        Some(DaemonSetRollingUpdate { max_surge, max_unavailable })
    });
    fields.finish("DaemonSetUpdateStrategy (apps/v1)");
    let rolling = rolling?;
    Some(rolls?.then_some(rolling))
}
