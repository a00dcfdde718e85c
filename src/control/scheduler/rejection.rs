//! Why a node was turned down: which plugin, in which words, and whether removing pods could help.

use std::fmt;

use crate::control::scheduler::snapshot::Shape;

/// The plugins of the default profile that decide anything here, in the order they filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plugin {
    /// Cordoned nodes.
    NodeUnschedulable,
    /// `spec.nodeName`.
    NodeName,
    /// Taints.
    TaintToleration,
    /// Node selector and node affinity.
    NodeAffinity,
    /// Host ports.
    NodePorts,
    /// Room.
    NodeResourcesFit,
    /// ReadWriteOncePod.
    VolumeRestrictions,
    /// Attachable volumes.
    NodeVolumeLimits,
    /// Claims and the nodes their volumes can be used on.
    VolumeBinding,
    /// Zones of bound volumes.
    VolumeZone,
    /// Spreading.
    PodTopologySpread,
    /// Affinity between pods.
    InterPodAffinity,
    /// Evenness of cpu and memory; scores only.
    NodeResourcesBalancedAllocation,
    /// Images already on the node; scores only.
    ImageLocality,
    /// Parts of single GPUs; not of the default profile.
    OpenGpuShare,
}

impl Plugin {
    /// All of them, in their order.
    pub const ALL: [Self; 15] = [
        Self::NodeUnschedulable,
        Self::NodeName,
        Self::TaintToleration,
        Self::NodeAffinity,
        Self::NodePorts,
        Self::NodeResourcesFit,
        Self::VolumeRestrictions,
        Self::NodeVolumeLimits,
        Self::VolumeBinding,
        Self::VolumeZone,
        Self::PodTopologySpread,
        Self::InterPodAffinity,
        Self::NodeResourcesBalancedAllocation,
        Self::ImageLocality,
        Self::OpenGpuShare,
    ];

    /// Its name in kube-scheduler.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodeUnschedulable => "NodeUnschedulable",
            Self::NodeName => "NodeName",
            Self::TaintToleration => "TaintToleration",
            Self::NodeAffinity => "NodeAffinity",
            Self::NodePorts => "NodePorts",
            Self::NodeResourcesFit => "NodeResourcesFit",
            Self::VolumeRestrictions => "VolumeRestrictions",
            Self::NodeVolumeLimits => "NodeVolumeLimits",
            Self::VolumeBinding => "VolumeBinding",
            Self::VolumeZone => "VolumeZone",
            Self::PodTopologySpread => "PodTopologySpread",
            Self::InterPodAffinity => "InterPodAffinity",
            Self::NodeResourcesBalancedAllocation => "NodeResourcesBalancedAllocation",
            Self::ImageLocality => "ImageLocality",
            Self::OpenGpuShare => "Open-Gpu-Share",
        }
    }

    const fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of plugins: those that turned a pod down somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PluginSet(u16);

impl PluginSet {
    /// Adds one.
    pub fn insert(&mut self, plugin: Plugin) {
        self.0 |= plugin.bit();
    }

    /// Whether one is in it.
    #[must_use]
    pub const fn contains(self, plugin: Plugin) -> bool {
        self.0 & plugin.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The plugins in it, in their order.
    pub fn iter(self) -> impl Iterator<Item = Plugin> {
        Plugin::ALL.into_iter().filter(move |plugin| self.contains(*plugin))
    }
}

/// Resources a node has too little of, as a set: pods, cpu, memory, ephemeral storage, then the
/// extended resources of the pod in its own order (those past the 28th share the last place).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Shortages(u32);

impl Shortages {
    const PODS: u32 = 0;
    const CPU: u32 = 1;
    const MEMORY: u32 = 2;
    const STORAGE: u32 = 3;
    const FIRST_EXTENDED: u32 = 4;

    pub(crate) fn pods() -> Self {
        Self(1 << Self::PODS)
    }

    pub(crate) fn cpu() -> Self {
        Self(1 << Self::CPU)
    }

    pub(crate) fn memory() -> Self {
        Self(1 << Self::MEMORY)
    }

    pub(crate) fn storage() -> Self {
        Self(1 << Self::STORAGE)
    }

    pub(crate) fn extended(position: usize) -> Self {
        let place = u32::try_from(position).unwrap_or(u32::MAX).min(27);
        Self(1 << (Self::FIRST_EXTENDED + place))
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn texts(self, shape: &Shape) -> Vec<String> {
        let named = [
            (Self::pods(), "Too many pods"),
            (Self::cpu(), "Insufficient cpu"),
            (Self::memory(), "Insufficient memory"),
            (Self::storage(), "Insufficient ephemeral-storage"),
        ];
        let mut texts: Vec<String> = named
            .iter()
            .filter(|(shortage, _)| self.has(*shortage))
            .map(|(_, text)| (*text).to_owned())
            .collect();
        for (position, (name, _)) in shape.extended.iter().enumerate() {
            if self.has(Self::extended(position)) {
                texts.push(format!("Insufficient {name}"));
            }
        }
        texts
    }
}

/// Why one node does not take a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    /// Cordoned.
    Unschedulable,
    /// Another node is named.
    NodeName,
    /// An untolerated taint.
    Taint,
    /// Labels do not match.
    NodeAffinity,
    /// A host port is taken.
    Ports,
    /// Too little of something.
    Resources {
        /// Of what.
        short: Shortages,
        /// Even the empty node has too little.
        never: bool,
    },
    /// A ReadWriteOncePod claim is in use.
    ReadWriteOncePod,
    /// The node can attach no more volumes.
    VolumeLimit,
    /// A bound volume cannot be used on the node.
    VolumeNodeAffinity,
    /// No volume could be made for the node.
    VolumeUnavailable,
    /// A bound volume is in another zone.
    VolumeZone,
    /// The node lacks the key of a spread constraint.
    SpreadKeyMissing,
    /// The spread would become too uneven.
    SpreadSkew,
    /// The pod's own affinity.
    PodAffinity,
    /// The pod's own anti-affinity.
    PodAntiAffinity,
    /// Anti-affinity of pods that are there.
    ExistingAntiAffinity,
    /// The node is not among those a PreFilter narrowed the search to.
    Narrowed,
    /// PreFilter: the terms of node affinity name no common node.
    AffinityConflict,
    /// PreFilter: a claim does not exist.
    ClaimMissing,
    /// PreFilter: a claim is unbound though its class binds at once.
    ClaimUnbound,
    /// No GPUs, or none of a model the pod can use.
    GpuModel,
    /// No device, or not so many, with as much left as the pod wants.
    GpuRoom,
}

impl Rejection {
    /// The plugin that turned the node down.
    #[must_use]
    pub const fn plugin(self) -> Plugin {
        match self {
            Self::Unschedulable => Plugin::NodeUnschedulable,
            Self::NodeName => Plugin::NodeName,
            Self::Taint => Plugin::TaintToleration,
            Self::NodeAffinity | Self::Narrowed | Self::AffinityConflict => Plugin::NodeAffinity,
            Self::Ports => Plugin::NodePorts,
            Self::Resources { .. } => Plugin::NodeResourcesFit,
            Self::ReadWriteOncePod | Self::ClaimMissing => Plugin::VolumeRestrictions,
            Self::VolumeLimit => Plugin::NodeVolumeLimits,
            Self::VolumeNodeAffinity | Self::VolumeUnavailable | Self::ClaimUnbound => {
                Plugin::VolumeBinding
            }
            Self::VolumeZone => Plugin::VolumeZone,
            Self::SpreadKeyMissing | Self::SpreadSkew => Plugin::PodTopologySpread,
            Self::PodAffinity | Self::PodAntiAffinity | Self::ExistingAntiAffinity => {
                Plugin::InterPodAffinity
            }
            Self::GpuModel | Self::GpuRoom => Plugin::OpenGpuShare,
        }
    }

    /// `UnschedulableAndUnresolvable`: removing pods from the node cannot help.
    #[must_use]
    pub const fn is_unresolvable(self) -> bool {
        match self {
            Self::Unschedulable
            | Self::NodeName
            | Self::Taint
            | Self::NodeAffinity
            | Self::VolumeNodeAffinity
            | Self::VolumeUnavailable
            | Self::VolumeZone
            | Self::SpreadKeyMissing
            | Self::PodAffinity
            | Self::Narrowed
            | Self::AffinityConflict
            | Self::ClaimMissing
            | Self::ClaimUnbound
            | Self::GpuModel => true,
            Self::Resources { never, .. } => never,
            Self::Ports
            | Self::ReadWriteOncePod
            | Self::VolumeLimit
            | Self::SpreadSkew
            | Self::PodAntiAffinity
            | Self::ExistingAntiAffinity
            | Self::GpuRoom => false,
        }
    }

    /// kube-scheduler's words; those of the plugin for GPUs are our own, as it only names nodes.
    #[must_use]
    pub fn reasons(self, shape: &Shape) -> Vec<String> {
        let text = match self {
            Self::Resources { short, .. } => return short.texts(shape),
            Self::Unschedulable => "node(s) were unschedulable",
            Self::NodeName => "node(s) didn't match the requested node name",
            Self::Taint => "node(s) had untolerated taint(s)",
            Self::NodeAffinity => "node(s) didn't match Pod's node affinity/selector",
            Self::Ports => "node(s) didn't have free ports for the requested pod ports",
            Self::ReadWriteOncePod => {
                "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod \
                 access mode"
            }
            Self::VolumeLimit => "node(s) exceed max volume count",
            Self::VolumeNodeAffinity => "node(s) didn't match PersistentVolume's node affinity",
            Self::VolumeUnavailable => "node(s) didn't find available persistent volumes to bind",
            Self::VolumeZone => "node(s) had no available volume zone",
            Self::SpreadKeyMissing => {
                "node(s) didn't match pod topology spread constraints (missing required label)"
            }
            Self::SpreadSkew => "node(s) didn't match pod topology spread constraints",
            Self::PodAffinity => "node(s) didn't match pod affinity rules",
            Self::PodAntiAffinity => "node(s) didn't match pod anti-affinity rules",
            Self::ExistingAntiAffinity => {
                "node(s) didn't satisfy existing pods anti-affinity rules"
            }
            Self::Narrowed => "node(s) didn't satisfy plugin(s) [NodeAffinity]",
            Self::AffinityConflict => "pod affinity terms conflict",
            Self::ClaimMissing => "persistentvolumeclaim not found",
            Self::ClaimUnbound => "pod has unbound immediate PersistentVolumeClaims",
            Self::GpuModel => "node(s) had no GPU of a model the pod can use",
            Self::GpuRoom => "node(s) had no GPU with enough left",
        };
        vec![text.to_owned()]
    }
}
