//! Queueing hints: which events are worth another try for a pod that certain plugins turned down.

use std::sync::Arc;

use crate::control::scheduler::filter::{fits_empty, ports_conflict};
use crate::control::scheduler::framework::Framework;
use crate::control::scheduler::rejection::{Plugin, PluginSet};
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::{NodeInfo, NodeSlot, ShapeId, Snapshot};

/// What happened in the cluster, as far as pods that wait care.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterEvent {
    /// A pod was bound, or appeared bound.
    PodAssigned(ShapeId),
    /// A bound pod is gone, or has ended.
    PodGone(ShapeId),
    /// A node appeared.
    NodeAdded(NodeSlot),
    /// A node changed; this is what it was before, without its pods.
    NodeChanged(NodeSlot, Arc<NodeInfo>),
    /// A node is gone; this is what it was.
    NodeRemoved(Arc<NodeInfo>),
    /// A claim, volume or storage class changed.
    StorageChanged,
}

/// A node before and after an event; absent before it came and after it went.
#[derive(Clone, Copy)]
struct NodeEvent<'a> {
    before: Option<&'a NodeInfo>,
    after: Option<&'a NodeInfo>,
}

impl Framework {
    /// Whether an event may let pods of a shape pass that these plugins turned down; the answer of
    /// one of them suffices.
    pub fn worth_a_try(
        &mut self,
        snapshot: &Snapshot,
        shape: ShapeId,
        plugins: PluginSet,
        event: &ClusterEvent,
    ) -> bool {
        let other = match event {
            ClusterEvent::PodAssigned(other) | ClusterEvent::PodGone(other) => Some(*other),
            ClusterEvent::NodeAdded(_)
            | ClusterEvent::NodeChanged(..)
            | ClusterEvent::NodeRemoved(_)
            | ClusterEvent::StorageChanged => None,
        };
        let rules = self.rules(snapshot);
        let (mine, other) = (&rules[shape.index()], other.map(|other| &rules[other.index()]));
        plugins.iter().any(|plugin| match (event, other) {
            (ClusterEvent::PodAssigned(_), Some(other)) => {
                assigned_helps(plugin, mine, other, snapshot)
            }
            (ClusterEvent::PodGone(_), Some(other)) => gone_helps(plugin, mine, other, snapshot),
            (ClusterEvent::NodeAdded(slot), _) => {
                let after = Some(snapshot.node(*slot));
                node_helps(plugin, mine, NodeEvent { before: None, after })
            }
            (ClusterEvent::NodeChanged(slot, before), _) => {
                let after = Some(snapshot.node(*slot));
                node_helps(plugin, mine, NodeEvent { before: Some(before), after })
            }
            (ClusterEvent::NodeRemoved(before), _) => {
                node_helps(plugin, mine, NodeEvent { before: Some(before), after: None })
            }
            (ClusterEvent::StorageChanged, _) => is_volume_plugin(plugin),
            (ClusterEvent::PodAssigned(_) | ClusterEvent::PodGone(_), None) => false,
        })
    }
}

fn is_volume_plugin(plugin: Plugin) -> bool {
    matches!(
        plugin,
        Plugin::VolumeRestrictions
            | Plugin::NodeVolumeLimits
            | Plugin::VolumeBinding
            | Plugin::VolumeZone
    )
}

fn assigned_helps(plugin: Plugin, mine: &Rules, other: &Rules, snapshot: &Snapshot) -> bool {
    match plugin {
        Plugin::PodTopologySpread => counted(mine, other),
        Plugin::InterPodAffinity => {
            mine.matches_all_affinity(&other.shape, snapshot.surroundings())
        }
        Plugin::NodeUnschedulable
        | Plugin::NodeName
        | Plugin::TaintToleration
        | Plugin::NodeAffinity
        | Plugin::NodePorts
        | Plugin::NodeResourcesFit
        | Plugin::VolumeRestrictions
        | Plugin::NodeVolumeLimits
        | Plugin::VolumeBinding
        | Plugin::VolumeZone
        | Plugin::NodeResourcesBalancedAllocation
        | Plugin::ImageLocality => false,
    }
}

fn gone_helps(plugin: Plugin, mine: &Rules, other: &Rules, snapshot: &Snapshot) -> bool {
    let around = snapshot.surroundings();
    match plugin {
        Plugin::NodeResourcesFit | Plugin::VolumeRestrictions | Plugin::NodeVolumeLimits => true,
        Plugin::NodePorts => mine
            .shape
            .host_ports
            .iter()
            .any(|port| other.shape.host_ports.iter().any(|freed| ports_conflict(port, freed))),
        Plugin::PodTopologySpread => counted(mine, other),
        Plugin::InterPodAffinity => {
            mine.anti_affinity.iter().any(|term| term.matches(&other.shape, around))
                || other.anti_affinity.iter().any(|term| term.matches(&mine.shape, around))
        }
        Plugin::NodeUnschedulable
        | Plugin::NodeName
        | Plugin::TaintToleration
        | Plugin::NodeAffinity
        | Plugin::VolumeBinding
        | Plugin::VolumeZone
        | Plugin::NodeResourcesBalancedAllocation
        | Plugin::ImageLocality => false,
    }
}

fn counted(mine: &Rules, other: &Rules) -> bool {
    mine.hard.iter().any(|rule| rule.counts(&other.shape))
}

fn node_helps(plugin: Plugin, mine: &Rules, event: NodeEvent<'_>) -> bool {
    let NodeEvent { before, after } = event;
    let Some(node) = after else {
        // A domain that is gone can raise the smallest count of those left.
        return plugin == Plugin::PodTopologySpread;
    };
    let became = |holds: &dyn Fn(&NodeInfo) -> bool| {
        holds(node) && before.is_none_or(|before| !holds(before))
    };
    match plugin {
        Plugin::NodeUnschedulable => became(&|node| !node.unschedulable),
        Plugin::NodeName => before.is_none(),
        Plugin::TaintToleration => became(&|node| mine.tolerates(&node.taints)),
        Plugin::NodeAffinity => became(&|node| mine.node_affinity_matches(node)),
        Plugin::NodePorts => before.is_none(),
        Plugin::NodeResourcesFit => {
            fits_empty(&mine.shape, node) && before.is_none_or(|before| grew(mine, before, node))
        }
        Plugin::PodTopologySpread => {
            before.is_none_or(|b| b.labels != node.labels || b.taints != node.taints)
        }
        Plugin::InterPodAffinity => before.is_none_or(|before| before.labels != node.labels),
        Plugin::VolumeRestrictions => false,
        Plugin::NodeVolumeLimits => {
            before.is_none_or(|before| before.volume_limits != node.volume_limits)
        }
        Plugin::VolumeBinding | Plugin::VolumeZone => {
            before.is_none_or(|before| before.labels != node.labels)
        }
        Plugin::NodeResourcesBalancedAllocation | Plugin::ImageLocality => false,
    }
}

/// Whether a node has more of something the pod asks for (noderesources/fit.go
/// `haveAnyRequestedResourcesIncreased`).
fn grew(mine: &Rules, before: &NodeInfo, after: &NodeInfo) -> bool {
    let wanted = &mine.shape.requests;
    let (old, new) = (&before.allocatable, &after.allocatable);
    after.max_pods > before.max_pods
        || (wanted.cpu.0 > 0 && new.cpu > old.cpu)
        || (wanted.memory.0 > 0 && new.memory > old.memory)
        || (wanted.ephemeral_storage.0 > 0 && new.ephemeral_storage > old.ephemeral_storage)
        || mine.shape.extended.iter().any(|(name, _)| new.get(name) > old.get(name))
}
