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
        | Plugin::ImageLocality
        | Plugin::OpenGpuShare => false,
    }
}

fn gone_helps(plugin: Plugin, mine: &Rules, other: &Rules, snapshot: &Snapshot) -> bool {
    let around = snapshot.surroundings();
    match plugin {
        Plugin::NodeResourcesFit
        | Plugin::VolumeRestrictions
        | Plugin::NodeVolumeLimits
        | Plugin::OpenGpuShare => true,
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
        Plugin::OpenGpuShare => before.is_none(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::api::pod::HostPort;
    use crate::cluster::api::scheduling::PodAffinityTerm;
    use crate::cluster::api::{
        Container, LabelSelector, Labels, PodSpec, PodTemplate, Taint, TaintEffect,
    };
    use crate::control::scheduler::snapshot::{PodDescription, Surroundings};
    use crate::units::{Bytes, MilliCpu, ResourceList, Resources};

    fn node(cpu: i64) -> NodeInfo {
        NodeInfo {
            name: Arc::from("a"),
            allocatable: Resources::new(MilliCpu(cpu), Bytes(1 << 30)),
            max_pods: 10,
            ..NodeInfo::default()
        }
    }

    fn shape(snapshot: &mut Snapshot, app: &str, port: i32, shuns: Option<&str>) -> ShapeId {
        let port = HostPort { ip: Arc::from("0.0.0.0"), protocol: Arc::from("TCP"), port };
        let requests = ResourceList { cpu: Some(MilliCpu(1000)), ..ResourceList::default() };
        let container = Container { requests, host_ports: vec![port], ..Container::default() };
        let mut spec = PodSpec { containers: vec![container], ..PodSpec::default() };
        let labels = |app: &str| Labels::from([(Arc::from("app"), Arc::from(app))]);
        spec.affinity.pod_anti_required.extend(shuns.map(|app| PodAffinityTerm {
            label_selector: Some(LabelSelector::of_labels(labels(app))),
            namespaces: Vec::new(),
            namespace_selector: None,
            topology_key: Arc::from("zone"),
            match_label_keys: Vec::new(),
            mismatch_label_keys: Vec::new(),
        }));
        snapshot.add_shape(PodDescription {
            namespace: Arc::from("default"),
            labels: labels(app),
            template: Arc::new(PodTemplate { spec, ..PodTemplate::default() }),
            owner_selector: None,
        })
    }

    fn ask(snapshot: &Snapshot, shape: ShapeId, plugin: Plugin, event: &ClusterEvent) -> bool {
        let mut plugins = PluginSet::default();
        plugins.insert(plugin);
        Framework::new().worth_a_try(snapshot, shape, plugins, event)
    }

    /// The pod asks for one core.
    #[test]
    fn nodes_help_when_they_bring_what_was_missing() {
        let mut snapshot = Snapshot::new(Surroundings::default());
        let wanted = shape(&mut snapshot, "web", 80, None);
        let slot = snapshot.add_node(node(2000));
        let changed = |before: NodeInfo| ClusterEvent::NodeChanged(slot, Arc::new(before));
        let taint =
            Taint { key: Arc::from("t"), value: Arc::from(""), effect: TaintEffect::NoSchedule };
        let tainted = NodeInfo { taints: vec![taint], ..node(2000) };
        let cordoned = NodeInfo { unschedulable: true, ..node(2000) };
        let gone = ClusterEvent::NodeRemoved(Arc::new(node(2000)));
        let rows = [
            (Plugin::NodeResourcesFit, ClusterEvent::NodeAdded(slot), true),
            (Plugin::NodeResourcesFit, changed(node(1500)), true),
            (Plugin::NodeResourcesFit, changed(node(2000)), false),
            (Plugin::TaintToleration, changed(tainted), true),
            (Plugin::TaintToleration, changed(node(1500)), false),
            (Plugin::NodeUnschedulable, changed(cordoned), true),
            (Plugin::NodeUnschedulable, changed(node(1500)), false),
            (Plugin::NodeAffinity, ClusterEvent::NodeAdded(slot), true),
            (Plugin::PodTopologySpread, gone.clone(), true),
            (Plugin::NodeResourcesFit, gone, false),
            (Plugin::VolumeBinding, ClusterEvent::StorageChanged, true),
            (Plugin::NodeResourcesFit, ClusterEvent::StorageChanged, false),
        ];
        for (plugin, event, expected) in rows {
            assert_eq!(ask(&snapshot, wanted, plugin, &event), expected, "{plugin} {event:?}");
        }
        let mut small = Snapshot::new(Surroundings::default());
        let wanted = shape(&mut small, "web", 80, None);
        let slot = small.add_node(node(500));
        let event = ClusterEvent::NodeAdded(slot);
        assert!(!ask(&small, wanted, Plugin::NodeResourcesFit, &event), "too small when empty");
    }

    #[test]
    fn pods_that_go_help_those_they_kept_out() {
        let mut snapshot = Snapshot::new(Surroundings::default());
        let wanted = shape(&mut snapshot, "web", 80, Some("noisy"));
        let noisy = shape(&mut snapshot, "noisy", 81, None);
        let twin = shape(&mut snapshot, "quiet", 80, None);
        let rows = [
            (Plugin::NodeResourcesFit, ClusterEvent::PodGone(twin), true),
            (Plugin::NodeResourcesFit, ClusterEvent::PodAssigned(twin), false),
            (Plugin::NodePorts, ClusterEvent::PodGone(twin), true),
            (Plugin::NodePorts, ClusterEvent::PodGone(noisy), false),
            (Plugin::InterPodAffinity, ClusterEvent::PodGone(noisy), true),
            (Plugin::InterPodAffinity, ClusterEvent::PodGone(twin), false),
            (Plugin::TaintToleration, ClusterEvent::PodGone(noisy), false),
        ];
        for (plugin, event, expected) in rows {
            assert_eq!(ask(&snapshot, wanted, plugin, &event), expected, "{plugin} {event:?}");
        }
    }
}
