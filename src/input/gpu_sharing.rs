//! `gpuSharing` of a node pool: what its device plugin makes of the GPUs.

use std::sync::Arc;

use super::codes;
use super::decode::Value;
use crate::cluster::api::{GPU, GpuSharing, GpuSharingStrategy, NodePoolSpec};

/// The most slices of a GPU: MPS serves 48 processes from Volta on, time slicing has no limit of its own.
const MOST: u32 = 1_000;

/// The keys are those of the plugin's own configuration, and so are the defaults: a container that asks
/// for more than one slice is refused under MPS only (NVIDIA/k8s-device-plugin, README).
pub(super) fn gpu_sharing(value: &Value<'_>) -> Option<GpuSharing> {
    let fields = value.fields()?;
    let words =
        [("timeSlicing", GpuSharingStrategy::TimeSlicing), ("mps", GpuSharingStrategy::Mps)];
    let strategy =
        fields.read_or("strategy", GpuSharingStrategy::TimeSlicing, |it| it.word(&words));
    let replicas = fields.required("replicas").and_then(|value| value.integer(2..=MOST));
    let renamed = fields.read_or("renameByDefault", false, Value::boolean);
    let refuses = fields.read("failRequestsGreaterThanOne", Value::boolean);
    fields.finish("gpuSharing");
    let strategy = strategy?;
    Some(GpuSharing {
        strategy,
        replicas: replicas?,
        renamed: renamed?,
        refuses_more_than_one: refuses?.unwrap_or(strategy == GpuSharingStrategy::Mps),
    })
}

/// Shares the GPUs of a pool's machine; a pool without GPUs has nothing to share.
pub(super) fn share(value: &Value<'_>, sharing: GpuSharing, pool: &mut NodePoolSpec) -> Option<()> {
    if pool.instance.capacity.get(GPU) == 0 {
        let message = format!("shares GPUs, but {} has none", pool.instance.name);
        value.report(value.error(codes::OUT_OF_RANGE, &message));
        return None;
    }
    pool.gpu_sharing = Some(sharing);
    pool.set_instance(Arc::clone(&pool.instance));
    Some(())
}
