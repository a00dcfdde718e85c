//! Which nodes are worth a look: how much of each is requested, and what forbids to remove it
//! (core/scaledown/eligibility/eligibility.go, simulator/utilization/info.go).

use std::sync::Arc;

use super::super::observation::{Node, Pod, Shape, TO_BE_DELETED};
use super::super::options::{GroupOptions, Options};
use super::UnremovableReason;
use crate::units::convert::f64_from_i64;
use crate::units::{SimDuration, SimTime};

/// How much of a node is requested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Utilization {
    /// The resource that decides.
    pub resource: &'static str,
    /// Its requested part.
    pub value: f64,
    /// Requested part of the cores; `None` for a node with accelerators.
    pub cpu: Option<f64>,
    /// Requested part of the memory; `None` for a node with accelerators.
    pub memory: Option<f64>,
}

/// A taint of the autoscaler is believed for so long.
const TAINT_VALID: SimDuration = SimDuration::from_secs(300);

/// Whether the autoscaler marked the node for removal a short while ago
/// (core/scaledown/actuation/delete_in_batch.go `IsNodeBeingDeleted`).
pub(crate) fn is_being_deleted(node: &Node, now: SimTime) -> bool {
    node.taint_time(TO_BE_DELETED).is_some_and(|at| now.since(at) < TAINT_VALID)
}

/// Why a node is not worth a look, and its utilisation where that was computed.
pub(crate) fn check(
    node: &Node,
    pods: &[Arc<Pod>],
    group: &GroupOptions,
    options: &Options,
    now: SimTime,
) -> (Option<UnremovableReason>, Option<Utilization>) {
    if is_being_deleted(node, now) {
        return (Some(UnremovableReason::CurrentlyBeingDeleted), None);
    }
    if node.scale_down_disabled() {
        return (Some(UnremovableReason::ScaleDownDisabledAnnotation), None);
    }
    let Some(utilization) = utilization(&node.shape, pods, group, options, now) else {
        return (Some(UnremovableReason::UnexpectedError), None);
    };
    if !options.scale_down_unready_enabled && !node.is_ready() {
        return (Some(UnremovableReason::ScaleDownUnreadyDisabled), None);
    }
    let threshold = if node.shape.gpu_resource(&options.gpu_label).is_some() {
        let own = group.scale_down_gpu_utilization_threshold;
        own.unwrap_or(options.scale_down_gpu_utilization_threshold)
    } else {
        let own = group.scale_down_utilization_threshold;
        own.unwrap_or(options.scale_down_utilization_threshold)
    };
    let reason = (utilization.value > threshold).then_some(UnremovableReason::NotUnderutilized);
    (reason, Some(utilization))
}

/// The requested part of a node: of its accelerators if it has any, else the larger of cores and
/// memory. `None` when it offers no cores or no memory.
pub(crate) fn utilization(
    shape: &Shape,
    pods: &[Arc<Pod>],
    group: &GroupOptions,
    options: &Options,
    now: SimTime,
) -> Option<Utilization> {
    let ignore_daemons =
        group.ignore_daemonsets_utilization.unwrap_or(options.ignore_daemonsets_utilization);
    let ignore_mirrors = options.ignore_mirror_pods_utilization;
    let part = |allocatable: i64, of: &dyn Fn(&Pod) -> i64| -> Option<f64> {
        if allocatable == 0 {
            return None;
        }
        let (mut requested, mut ignored) = (0, 0);
        for pod in pods {
            if (ignore_daemons && pod.is_daemon()) || (ignore_mirrors && pod.is_mirror()) {
                ignored += of(pod);
            } else if !pod.is_long_terminating(now) {
                requested += of(pod);
            }
        }
        Some(f64_from_i64(requested) / f64_from_i64(allocatable - ignored))
    };
    if let Some(gpu) = shape.gpu_resource(&options.gpu_label) {
        let value = part(shape.allocatable.get(gpu), &|pod| pod.requests.get(gpu)).unwrap_or(0.0);
        return Some(Utilization { resource: gpu, value, cpu: None, memory: None });
    }
    let cpu = part(shape.allocatable.cpu.0, &|pod| pod.requests.cpu.0)?;
    let memory = part(shape.allocatable.memory.0, &|pod| pod.requests.memory.0)?;
    let (resource, value) = if cpu > memory { ("cpu", cpu) } else { ("memory", memory) };
    Some(Utilization { resource, value, cpu: Some(cpu), memory: Some(memory) })
}
