//! What Karpenter sees when it looks: nodes, pods, DaemonSets and budgets as they are now.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::instance::Refusals;
use crate::cluster::api::pod::PodTemplate;
use crate::cluster::api::{LabelSelector, Labels, Taint};
use crate::control::cluster_autoscaler::options::parse_duration;
use crate::control::scheduler::volumes::Claim;
use crate::model::id::{BudgetId, NodeId, PodId};
use crate::units::{Resources, SimTime};

/// The cluster at an instant.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// When.
    pub now: SimTime,
    /// Nodes, those that were asked for among them.
    pub nodes: Vec<Arc<Node>>,
    /// Pods that have not ended, by id.
    pub pods: Vec<Arc<Pod>>,
    /// A pod of each DaemonSet as a new node would get it.
    pub daemons: Vec<Arc<Pod>>,
    /// PodDisruptionBudgets.
    pub budgets: Vec<Budget>,
    /// Labels of namespaces, for selectors of namespaces.
    pub namespaces: BTreeMap<Arc<str>, Labels>,
    /// What the cloud does not have now. Karpenter only learns of it when it asks for it.
    pub refused: Refusals,
    /// Whether what the cloud refuses depends on what was launched just now: an account's quota.
    pub quotas: bool,
}

/// A node, or the claim to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Id.
    pub id: NodeId,
    /// Name.
    pub name: Arc<str>,
    /// What Karpenter launched; `None` for nodes that are not its own.
    pub claim: Option<ClaimSeen>,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// Taints of the node, that of a cordoned one among them; of an unregistered one those it will
    /// come with.
    pub taints: Vec<Taint>,
    /// Capacity.
    pub capacity: Resources,
    /// Allocatable as the kubelet reports it; what is expected before it registered.
    pub allocatable: Resources,
    /// Pods it can run.
    pub max_pods: i64,
    /// Data volumes that can be attached at once.
    pub max_volumes: Option<i64>,
    /// When it was asked for.
    pub created: SimTime,
    /// Whether the kubelet registered.
    pub registered: bool,
    /// Whether it is Ready.
    pub ready: bool,
    /// Whether its instance is being given back.
    pub leaving: bool,
    /// Whether volumes of drained pods are still attached.
    pub volumes_attached: bool,
}

/// Which machine of which NodePool a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimSeen {
    /// Index of the NodePool.
    pub pool: usize,
    /// Index of the machine type among its options.
    pub option: usize,
    /// Index of the offering.
    pub offering: usize,
}

/// A pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// Id; ascending in order of creation.
    pub id: PodId,
    /// Name.
    pub name: Arc<str>,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Its labels, those of its controller among them.
    pub labels: Arc<Labels>,
    /// Annotations and spec.
    pub template: Arc<PodTemplate>,
    /// Pods with this number in common are alike in all that decides where they may run.
    pub shape: u32,
    /// Effective requests.
    pub requests: Arc<Resources>,
    /// Who made it.
    pub owner: OwnerKind,
    /// When it was made, in whole seconds as the API server keeps it.
    pub created: SimTime,
    /// Where it runs.
    pub node: Option<NodeId>,
    /// Whether its containers run.
    pub running: bool,
    /// `status.startTime`.
    pub started: Option<SimTime>,
    /// Whether its Ready condition is False.
    pub unready: bool,
    /// When it is killed at the latest, once its deletion began.
    pub deletion: Option<SimTime>,
    /// Whether kube-scheduler found no place for it.
    pub unschedulable: bool,
    /// Whether kube-scheduler makes room for it on a node.
    pub preempting: bool,
    /// Its volume claims.
    pub claims: Option<Arc<[Claim]>>,
}

/// Who made a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerKind {
    /// A DaemonSet.
    DaemonSet,
    /// A StatefulSet.
    StatefulSet,
    /// Anyone else.
    Other,
}

/// A PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Which.
    pub id: BudgetId,
    /// Its name.
    pub name: Arc<str>,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Pods it selects; `None` is nobody.
    pub selector: Option<LabelSelector>,
    /// `status.disruptionsAllowed`.
    pub disruptions_allowed: i32,
    /// It never allows a disruption: `maxUnavailable` of 0 or 0%, or `minAvailable` of 100%.
    pub fully_blocking: bool,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`.
    pub always_allow_unhealthy: bool,
}

impl Budget {
    /// Whether it selects a pod.
    #[must_use]
    pub fn selects(&self, pod: &Pod) -> bool {
        self.namespace == pod.namespace
            && self.selector.as_ref().is_some_and(|it| it.matches(&pod.labels))
    }
}

/// `karpenter.sh/do-not-disrupt`, an annotation of pods and nodes.
pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
/// Key of the taint of nodes that are disrupted.
pub const DISRUPTED: &str = "karpenter.sh/disrupted";

impl Pod {
    /// Whether a DaemonSet made it.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.owner == OwnerKind::DaemonSet
    }

    /// Neither ended nor being deleted.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.deletion.is_none()
    }

    /// Whether new capacity would help it (pkg/utils/pod `IsProvisionable`).
    #[must_use]
    pub fn is_provisionable(&self) -> bool {
        self.unschedulable
            && self.node.is_none()
            && self.is_active()
            && !self.preempting
            && !self.is_daemon()
    }

    /// Whether it would look for another node if its own went (`IsReschedulable`): also a pod of a
    /// StatefulSet that is being deleted, as its successor only comes afterwards.
    #[must_use]
    pub fn is_reschedulable(&self) -> bool {
        (self.is_active() || self.owner == OwnerKind::StatefulSet) && !self.is_daemon()
    }

    /// Whether it tolerates the taint of disrupted nodes, and so outlives their drain.
    #[must_use]
    pub fn tolerates_disruption(&self) -> bool {
        let taint = disrupted_taint();
        self.template.spec.tolerations.iter().any(|it| it.tolerates(&taint))
    }

    /// Whether the pod forbids its disruption now: `true`, or a duration counted from its start
    /// (`IsDoNotDisruptActive`). Anything else counts as if it were not there.
    #[must_use]
    pub fn forbids_disruption(&self, now: SimTime) -> bool {
        let Some(value) = self.template.annotations.get(DO_NOT_DISRUPT) else { return false };
        if &**value == "true" {
            return true;
        }
        let span = parse_duration(value).filter(|span| !span.is_zero());
        let Some(span) = span else { return false };
        self.started.is_none_or(|started| now < started + span)
    }

    /// Whether the eviction API would be asked to remove it (`IsEvictable`).
    #[must_use]
    pub fn is_evictable(&self, now: SimTime) -> bool {
        self.is_active() && !self.tolerates_disruption() && !self.forbids_disruption(now)
    }
}

/// `karpenter.sh/disrupted:NoSchedule`.
#[must_use]
pub fn disrupted_taint() -> Taint {
    Taint {
        key: Arc::from(DISRUPTED),
        value: Arc::from(""),
        effect: crate::cluster::api::TaintEffect::NoSchedule,
    }
}
