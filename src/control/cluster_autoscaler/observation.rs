//! What the autoscaler sees at one moment: node groups, nodes, pods, controllers, budgets.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::options::GroupOptions;
use crate::cluster::api::meta::Labels;
use crate::cluster::api::pod::PodTemplate;
use crate::cluster::api::scheduling::Taint;
use crate::cluster::api::selector::LabelSelector;
use crate::cluster::pod::TemplateId;
use crate::control::scheduler::Claim;
use crate::model::id::{BudgetId, NodeId, PodId, PoolId};
use crate::units::{Resources, SimTime};

/// The cluster and the cloud as they are at `now`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observation {
    /// The present instant.
    pub now: SimTime,
    /// Autoscaled groups, in the provider's order.
    pub groups: Vec<Group>,
    /// Node objects; the order decides wherever the real one's is random.
    pub nodes: Vec<Arc<Node>>,
    /// Pods that are not Succeeded or Failed; the order decides among pods of equal priority.
    pub pods: Vec<Arc<Pod>>,
    /// Where pods changed since earlier looks; `None` when nobody keeps count, and all have to be compared.
    pub pod_changes: Option<Arc<PodChanges>>,
    /// DaemonSets, which new nodes will run.
    pub daemon_sets: Vec<DaemonSet>,
    /// Controllers that exist, by uid.
    pub controllers: BTreeMap<ControllerUid, Controller>,
    /// Disruption budgets.
    pub budgets: Vec<Budget>,
}

/// A node group of the cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Id.
    pub id: PoolId,
    /// Name, which priorities match and reports show.
    pub name: Arc<str>,
    /// Smallest size.
    pub min: i64,
    /// Largest size.
    pub max: i64,
    /// Size asked of the cloud.
    pub target: i64,
    /// A new node as the provider describes it; `None` when it cannot.
    pub template: Option<Shape>,
    /// Overrides of flags.
    pub options: GroupOptions,
    /// Instances the cloud has, those that are a node included.
    pub instances: Vec<Instance>,
    /// The cloud's answer to the next request to grow, when it is a refusal.
    pub refuses_increase: Option<Arc<str>>,
    /// Price of a node-hour, for the price expander.
    pub price_per_hour: Option<f64>,
}

/// An instance of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Name; that of its node once there is one.
    pub name: Arc<str>,
    /// Where it stands.
    pub state: InstanceState,
    /// Code of the error that keeps it from being made.
    pub error: Option<Arc<str>>,
}

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// Being made.
    Creating,
    /// Made.
    Running,
    /// Being deleted.
    Deleting,
}

/// What a node offers and demands, whether it exists or not.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape {
    /// Labels.
    pub labels: Labels,
    /// Taints.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// `status.capacity` without the pod count.
    pub capacity: Resources,
    /// `status.allocatable` without the pod count.
    pub allocatable: Resources,
    /// Pods it may run.
    pub max_pods: i64,
}

/// A Node object.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Id.
    pub id: NodeId,
    /// Name.
    pub name: Arc<str>,
    /// Its group; `None` when it is not autoscaled.
    pub group: Option<PoolId>,
    /// Labels, taints, resources.
    pub shape: Shape,
    /// Annotations.
    pub annotations: Labels,
    /// Volumes that can be attached at once, by driver (its CSINode); nodes that do not exist yet have
    /// none, and so no limit.
    pub volume_limits: BTreeMap<Arc<str>, i64>,
    /// When the object was made.
    pub created: SimTime,
    /// Whether the Ready condition is True (and no condition speaks against it).
    pub ready: bool,
    /// Last change of that.
    pub ready_since: SimTime,
}

/// Identity of a controller object; unique in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ControllerUid(pub u32);

/// Kinds of controllers, as far as the autoscaler tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControllerKind {
    /// apps/v1 ReplicaSet.
    ReplicaSet,
    /// apps/v1 StatefulSet.
    StatefulSet,
    /// apps/v1 DaemonSet.
    DaemonSet,
    /// v1 ReplicationController.
    ReplicationController,
    /// batch/v1 Job.
    Job,
    /// Any other.
    Custom,
}

/// The owner reference of a pod that is marked as controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Kind.
    pub kind: ControllerKind,
    /// Which one.
    pub uid: ControllerUid,
}

/// A controller object that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Controller {
    /// `spec.replicas`.
    pub replicas: i32,
}

/// A pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// Id.
    pub id: PodId,
    /// Name.
    pub name: Arc<str>,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Labels, annotations and spec.
    pub template: Arc<PodTemplate>,
    /// Equal numbers mean equal labels and spec (annotations may differ).
    pub template_id: TemplateId,
    /// Effective requests.
    pub requests: Arc<Resources>,
    /// Its controller.
    pub owner: Option<Owner>,
    /// `spec.priority`; a pod without one is never expendable.
    pub priority: Option<i32>,
    /// Names of its volumes on the node's disk: `hostPath`, and `emptyDir` not in memory.
    pub local_volumes: Vec<Arc<str>>,
    /// Its volume claims, `None` without any: a disk binds its pod to a zone.
    pub claims: Option<Arc<[Claim]>>,
    /// When the object was made.
    pub created: SimTime,
    /// `metadata.deletionTimestamp`, the grace period included.
    pub deletion: Option<SimTime>,
    /// Where it is bound.
    pub node: Option<NodeId>,
    /// `status.nominatedNodeName`.
    pub nominated: Option<NodeId>,
    /// The scheduler said `Unschedulable`.
    pub unschedulable: bool,
}

/// In which look the pods of each node last were other ones, or others of their kind, than before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodChanges {
    /// The number of this look; the first one is 1.
    pub(super) look: u64,
    /// By node; nodes without an entry never had a pod.
    pub(super) latest: Vec<u64>,
}

impl PodChanges {
    /// The latest look in which something differed on a node, 0 before the first.
    pub(super) fn latest(&self, node: NodeId) -> u64 {
        self.latest.get(node.index()).copied().unwrap_or(0)
    }

    /// Notes that a pod came, went or is not as it was, where it is and where it is expected.
    pub(super) fn note(&mut self, pod: &Pod) {
        for node in pod.node.into_iter().chain(pod.nominated) {
            if self.latest.len() <= node.index() {
                self.latest.resize(node.index() + 1, 0);
            }
            self.latest[node.index()] = self.look;
        }
    }
}

/// A DaemonSet, as the maker of pods on new nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct DaemonSet {
    /// Which one.
    pub uid: ControllerUid,
    /// A pod as it would be made.
    pub pod: Arc<Pod>,
}

/// A disruption budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Id.
    pub id: BudgetId,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Which pods; `None` selects nothing.
    pub selector: Option<LabelSelector>,
    /// `status.disruptionsAllowed`.
    pub disruptions_allowed: i32,
}

/// Annotation that makes a pod a DaemonSet's, whoever controls it.
pub const DAEMON_SET_POD: &str = "cluster-autoscaler.kubernetes.io/daemonset-pod";
/// Annotation of pods the kubelet made from a file.
pub const MIRROR_POD: &str = "kubernetes.io/config.mirror";
/// Taint of nodes about to be removed; its value is the unix time.
pub const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";
/// Soft taint of nodes that are not needed.
pub const DELETION_CANDIDATE: &str = "DeletionCandidateOfClusterAutoscaler";
/// Label of the name of a node.
pub const HOSTNAME: &str = "kubernetes.io/hostname";

/// Resources that are accelerators, in the order in which they are looked for (utils/gpu/gpu.go).
pub const GPU_RESOURCES: [&str; 5] = [
    "nvidia.com/gpu",
    "habana.ai/gaudi",
    "gpu.intel.com/xe",
    "amd.com/gpu",
    "microsoft.com/directx",
];

impl Shape {
    /// The amount and name of the first accelerator that can be allocated
    /// (utils/gpu/gpu.go `NodeHasGpuAllocatable`).
    #[must_use]
    pub fn allocatable_gpu(&self) -> Option<(&'static str, i64)> {
        GPU_RESOURCES
            .into_iter()
            .map(|name| (name, self.allocatable.get(name)))
            .find(|&(_, amount)| amount > 0)
    }

    /// The accelerator resource by which the node is judged; `None` for a node without any
    /// (`NodeHasGpu`, `DetectNodeGPUResourceName`).
    #[must_use]
    pub fn gpu_resource(&self, gpu_label: &str) -> Option<&'static str> {
        match self.allocatable_gpu() {
            Some((name, _)) => Some(name),
            None => self.labels.contains_key(gpu_label).then_some(GPU_RESOURCES[0]),
        }
    }
}

impl Node {
    /// The time a taint of the autoscaler carries as its value.
    #[must_use]
    pub fn taint_time(&self, key: &str) -> Option<SimTime> {
        let taint = self.shape.taints.iter().find(|taint| &*taint.key == key)?;
        taint.value.parse().ok().map(SimTime::from_secs)
    }

    /// Whether it carries a taint.
    #[must_use]
    pub fn has_taint(&self, key: &str) -> bool {
        self.shape.taints.iter().any(|taint| &*taint.key == key)
    }

    /// Whether the annotation forbids to remove it (eligibility.go `HasNoScaleDownAnnotation`).
    #[must_use]
    pub fn scale_down_disabled(&self) -> bool {
        let key = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
        self.annotations.get(key).is_some_and(|value| &**value == "true")
    }

    /// Ready and not cordoned (utils/kubernetes/ready.go `IsNodeReadyAndSchedulable`).
    #[must_use]
    pub fn ready_and_schedulable(&self) -> bool {
        self.is_ready() && !self.shape.unschedulable
    }

    /// Ready by condition and taints (utils/kubernetes/ready.go `GetNodeReadiness`).
    #[must_use]
    pub fn is_ready(&self) -> bool {
        const NOT_READY: [&str; 3] = [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/disk-pressure",
            "node.kubernetes.io/network-unavailable",
        ];
        self.ready && !NOT_READY.iter().any(|key| self.has_taint(key))
    }
}

impl Pod {
    /// Whether another pod of its controller stands for it: the same template, and the same claims
    /// (scale_up/equivalence/groups.go compares labels and spec, to which claims belong).
    pub(super) fn is_same_kind(&self, other: &Self) -> bool {
        self.template_id == other.template_id && self.claims == other.claims
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.template.annotations.get(key).map(|value| &**value)
    }

    /// Whether it counts as a DaemonSet's (utils/pod/pod.go `IsDaemonSetPod`).
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.owner.is_some_and(|owner| owner.kind == ControllerKind::DaemonSet)
            || self.annotation(DAEMON_SET_POD) == Some("true")
    }

    /// Whether the kubelet made it (utils/pod/pod.go `IsMirrorPod`).
    #[must_use]
    pub fn is_mirror(&self) -> bool {
        self.template.annotations.contains_key(MIRROR_POD)
    }

    /// Whether the autoscaler ignores it for its low priority (core/utils/expendable.go).
    #[must_use]
    pub fn is_expendable(&self, cutoff: i32) -> bool {
        self.priority.is_some_and(|priority| priority < cutoff)
    }

    /// Priority with the default of zero.
    #[must_use]
    pub fn priority_or_zero(&self) -> i32 {
        self.priority.unwrap_or(0)
    }

    /// Whether its deletion takes twice as long as it may (utils/drain/drain.go
    /// `IsPodLongTerminating`).
    #[must_use]
    pub fn is_long_terminating(&self, now: SimTime) -> bool {
        self.long_terminating_after().is_some_and(|after| after < now)
    }

    /// After which instant its deletion has taken that long.
    pub(super) fn long_terminating_after(&self) -> Option<SimTime> {
        let extra = crate::units::SimDuration::from_secs(30);
        self.deletion.map(|at| at + self.template.spec.termination_grace + extra)
    }

    /// Whether a volume on the node's disk keeps it there (utils/drain/drain.go
    /// `HasBlockingLocalStorage`).
    #[must_use]
    pub fn has_blocking_local_storage(&self) -> bool {
        let key = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
        let listed = self.annotation(key).unwrap_or_default();
        self.local_volumes.iter().any(|name| !listed.split(',').any(|safe| safe == &**name))
    }
}

impl Budget {
    /// Whether it selects a pod.
    #[must_use]
    pub fn selects(&self, pod: &Pod) -> bool {
        self.namespace == pod.namespace
            && self.selector.as_ref().is_some_and(|selector| selector.matches(&pod.template.labels))
    }
}

impl Observation {
    /// A group by id.
    #[must_use]
    pub fn group(&self, id: PoolId) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == id)
    }
}
