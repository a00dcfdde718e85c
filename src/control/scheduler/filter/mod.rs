//! The filters, one file each, in kube-scheduler's order.
//!
//! [`object`] looks at the node object alone, [`pods`] also at what runs on the node; both are
//! remembered per shape and node. [`cluster`] looks at the whole cluster and at the pod's own
//! claims, and is asked anew each time.

use crate::control::scheduler::gpu_share;
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::{NodeInfo, NodeSlot, PodInfo, Snapshot};
use crate::control::scheduler::tables::Tables;

mod inter_pod_affinity;
mod node_affinity;
mod node_name;
mod node_ports;
mod node_resources_fit;
mod node_unschedulable;
mod node_volume_limits;
mod pod_topology_spread;
mod pre_filter;
mod taint_toleration;
mod volume_binding;
mod volume_restrictions;
mod volume_zone;

pub(crate) use node_ports::conflict as ports_conflict;
pub(crate) use node_resources_fit::fits_empty;
pub use pre_filter::Refusal;
pub(crate) use pre_filter::{PreFiltered, pre_filter};

/// NodeUnschedulable, NodeName, TaintToleration, NodeAffinity.
pub(crate) fn object(rules: &Rules, node: &NodeInfo) -> Option<Rejection> {
    node_unschedulable::filter(rules, node)
        .or_else(|| node_name::filter(rules, node))
        .or_else(|| taint_toleration::filter(rules, node))
        .or_else(|| node_affinity::filter(rules, node))
}

/// NodePorts, NodeResourcesFit, and Open-Gpu-Share where it runs.
pub(crate) fn pods(rules: &Rules, node: &NodeInfo) -> Option<Rejection> {
    node_ports::filter(rules, node)
        .or_else(|| node_resources_fit::filter(rules, node))
        .or_else(|| gpu_share::filter(rules, node))
}

/// VolumeRestrictions, NodeVolumeLimits, VolumeBinding, VolumeZone, PodTopologySpread,
/// InterPodAffinity.
pub(crate) fn cluster(
    snapshot: &Snapshot,
    rules: &Rules,
    tables: &Tables,
    before: &PreFiltered,
    pod: &PodInfo,
    slot: NodeSlot,
) -> Option<Rejection> {
    let claims = pod.claims();
    if !claims.is_empty() {
        let node = snapshot.node(slot);
        let volumes = volume_restrictions::filter(before)
            .or_else(|| node_volume_limits::filter(node, claims))
            .or_else(|| volume_binding::filter(node, claims))
            .or_else(|| volume_zone::filter(node, claims));
        if volumes.is_some() {
            return volumes;
        }
    }
    pod_topology_spread::filter(snapshot, rules, tables, before, slot)
        .or_else(|| inter_pod_affinity::filter(snapshot, rules, tables, slot))
}
