//! StatefulSet (apps/v1).

use super::storage::claim_template;
use super::workload::workload;
use crate::cluster::api::workload::{StatefulSetUpdate, WorkloadKind, WorkloadSpec};
use crate::input::decode::Value;

/// apps/v1 StatefulSet; defaults of pkg/apis/apps/v1/defaults.go `SetDefaults_StatefulSet`.
pub(super) fn stateful_set(value: &Value<'_>) -> Option<WorkloadSpec> {
    workload(value, "StatefulSet", |spec| {
        // Text of no letters counts as absent: `if len(obj.Spec.PodManagementPolicy) == 0`, as for every
        // field of a plain text type (charts write such text for their own absent values).
        let policies = [("OrderedReady", false), ("Parallel", true), ("", false)];
        let parallel = spec.read_or("podManagementPolicy", false, |value| value.word(&policies));
        let rolling = StatefulSetUpdate::RollingUpdate { partition: 0 };
        let update = spec.read_or("updateStrategy", rolling, update_strategy);
        let ordinals_start = spec.read_or("ordinals", 0, |value| {
            let fields = value.fields()?;
            let start = fields.read_or("start", 0, |value| value.integer(0..=i32::MAX));
            fields.finish("StatefulSetOrdinals (apps/v1)");
            start
        });
        let claims =
            spec.read_or("volumeClaimTemplates", Vec::new(), |value| value.list(claim_template));
        spec.ignore(&[
            "serviceName",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
        ]);
        Some(WorkloadKind::StatefulSet {
            parallel: parallel?,
            update: update?,
            ordinals_start: ordinals_start?,
            claims: claims?,
        })
    })
}

fn update_strategy(value: &Value<'_>) -> Option<StatefulSetUpdate> {
    let fields = value.fields()?;
    let kinds = [("RollingUpdate", true), ("OnDelete", false), ("", true)];
    let rolls = fields.read_or("type", true, |value| value.word(&kinds));
    let partition = fields.read_or("rollingUpdate", 0, |value| {
        let fields = value.fields()?;
        let partition = fields.read_or("partition", 0, |value| value.integer(0..=i32::MAX));
        // More than one pod at a time is behind a feature gate that is off by default.
        fields.ignore(&["maxUnavailable"]);
        fields.finish("RollingUpdateStatefulSetStrategy (apps/v1)");
        partition
    });
    fields.finish("StatefulSetUpdateStrategy (apps/v1)");
    let partition = partition?;
    Some(if rolls? {
        StatefulSetUpdate::RollingUpdate { partition }
    } else {
        StatefulSetUpdate::OnDelete
    })
}
