//! The observation of a live cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::observation::{
    Budget, Controller, ControllerKind, ControllerUid, DaemonSet, Group, Instance, InstanceState,
    Node, Observation, Owner, Pod, Shape,
};
use super::options::GroupOptions;
use crate::cluster::admission::daemon_tolerations;
use crate::cluster::api::Machine;
use crate::cluster::api::pod::{PodTemplate, Volume};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::pod::TemplateId;
use crate::cluster::{
    self, Cluster, LaunchFailure, NodePhase, PodOwner, PodPhase, Pool, Workload, node_labels,
};
use crate::control::scheduler::snapshot::volume_limits;
use crate::control::scheduler::volumes::live_claims;
use crate::model::id::{NodeId, PodId, WorkloadId};
use crate::units::SimTime;
use crate::units::convert::count_u32;

/// Pods of a node in templates of providers that do not compute it.
const DEFAULT_MAX_PODS: i64 = 110;

/// What differs between providers in the autoscaler's eyes.
pub struct ProviderView<'a> {
    /// What the cloud calls the error of a machine it cannot make.
    pub error_code: &'a dyn Fn(LaunchFailure, &Machine) -> Arc<str>,
    /// Whether the provider subtracts from a template what the kubelet reserves. AWS and Azure offer
    /// all a machine has and 110 pods (cloudprovider/aws/aws_manager.go `buildNodeFromTemplate`,
    /// azure/azure_template.go); GCE computes it (cloudprovider/gce/templates.go).
    pub templates_know_reservations: bool,
}

/// Makes observations of one cluster, and keeps what did not change since the last one.
#[derive(Debug, Default)]
pub struct Live {
    nodes: BTreeMap<NodeId, (u64, Arc<Node>)>,
    /// By id; `None` for pods that are gone or were never seen.
    pods: Vec<Option<SeenPod>>,
    /// How many of them are kept.
    kept: usize,
    /// The pods of the last observation.
    listed: Vec<Arc<Pod>>,
    daemons: BTreeMap<(WorkloadId, TemplateId), Arc<Pod>>,
}

/// A pod as it was seen last.
#[derive(Debug)]
struct SeenPod {
    /// The state of the pod that was seen.
    stamp: u64,
    /// Whether what is shown of it may change while the pod does not: a nomination, a claim's volume.
    volatile: bool,
    /// `None` when it has ended: such pods are not shown.
    pod: Option<Arc<Pod>>,
}

impl Live {
    /// Takes an observation back when it is done with, so that the next one need not list again what
    /// did not change.
    pub fn recycle(&mut self, seen: Observation) {
        self.listed = seen.pods;
    }

    /// What the autoscaler would see now. `nominated` tells for which node the scheduler holds a
    /// place for a pending pod.
    pub fn observe(
        &mut self,
        cluster: &Cluster,
        now: SimTime,
        nominated: impl Fn(PodId) -> Option<NodeId>,
        provider: &ProviderView<'_>,
    ) -> Observation {
        self.nodes.retain(|id, _| cluster.node(*id).is_some());
        Observation {
            now,
            groups: cluster
                .pools()
                .iter()
                .filter(|pool| pool.spec.autoscaled)
                .map(|pool| group(cluster, pool, provider))
                .collect(),
            nodes: cluster
                .nodes()
                .filter(|node| node.has_joined())
                .map(|node| self.node(cluster, node))
                .collect(),
            pods: self.list_pods(cluster, nominated),
            daemon_sets: cluster
                .workloads()
                .iter()
                .filter(|it| it.exists && matches!(it.spec.kind, WorkloadKind::DaemonSet { .. }))
                .map(|workload| DaemonSet {
                    uid: workload_uid(workload.id),
                    pod: self.daemon(workload),
                })
                .collect(),
            controllers: controllers(cluster),
            budgets: cluster.budgets().iter().filter(|it| it.exists).map(budget).collect(),
        }
    }

    fn node(&mut self, cluster: &Cluster, node: &cluster::Node) -> Arc<Node> {
        let known = self.nodes.get(&node.id).filter(|(seen, _)| *seen == node.generation);
        if let Some((_, known)) = known {
            return Arc::clone(known);
        }
        let fresh = Arc::new(Node {
            id: node.id,
            name: Arc::clone(&node.name),
            group: node.pool.filter(|pool| cluster.pool(*pool).spec.autoscaled),
            shape: Shape {
                labels: node.labels.clone(),
                taints: node.taints.clone(),
                unschedulable: node.unschedulable,
                capacity: node.capacity.clone(),
                allocatable: node.allocatable.clone(),
                max_pods: node.max_pods,
            },
            annotations: node.annotations.clone(),
            volume_limits: volume_limits(cluster, node),
            created: node.created,
            ready: node.is_ready(),
            ready_since: node.phase_since,
        });
        self.nodes.insert(node.id, (node.generation, Arc::clone(&fresh)));
        fresh
    }

    fn forget_gone(&mut self, cluster: &Cluster) {
        for (position, known) in self.pods.iter_mut().enumerate() {
            if known.is_some() && cluster.pod(PodId::at(position)).is_none() {
                *known = None;
                self.kept -= 1;
            }
        }
    }

    fn list_pods(
        &mut self,
        cluster: &Cluster,
        nominated: impl Fn(PodId) -> Option<NodeId>,
    ) -> Vec<Arc<Pod>> {
        if self.kept > 2 * cluster.pod_count() + 1_000 {
            self.forget_gone(cluster);
        }
        let mut list = std::mem::take(&mut self.listed);
        let mut count = 0;
        for id in cluster.pod_ids() {
            let Some(pod) = self.pod(cluster, id, &nominated) else { continue };
            match list.get_mut(count) {
                Some(listed) if Arc::ptr_eq(listed, pod) => {}
                Some(listed) => *listed = Arc::clone(pod),
                None => list.push(Arc::clone(pod)),
            }
            count += 1;
        }
        list.truncate(count);
        list
    }

    fn pod(
        &mut self,
        cluster: &Cluster,
        id: PodId,
        nominated: &impl Fn(PodId) -> Option<NodeId>,
    ) -> Option<&Arc<Pod>> {
        if self.pods.len() <= id.index() {
            self.pods.resize_with(id.index() + 1, || None);
        }
        let known = &mut self.pods[id.index()];
        let stamp = cluster.pod_stamp(id);
        let as_before = known.as_ref().is_some_and(|known| known.stamp == stamp && !known.volatile);
        if !as_before && let Some(pod) = cluster.pod(id) {
            self.kept += usize::from(known.is_none());
            let before = known.take().and_then(|known| known.pod);
            let seen = if matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed) {
                SeenPod { stamp, volatile: false, pod: None }
            } else {
                let nominated = if pod.node.is_none() { nominated(id) } else { None };
                let seen = see(cluster, pod, nominated, before);
                let volatile = pod.node.is_none() || seen.claims.is_some();
                SeenPod { stamp, volatile, pod: Some(seen) }
            };
            *known = Some(seen);
        }
        self.pods[id.index()].as_ref().and_then(|known| known.pod.as_ref())
    }

    /// A pod as the DaemonSet would make it for a new node.
    fn daemon(&mut self, workload: &Workload) -> Arc<Pod> {
        let revision = workload.wanted();
        let made = || {
            let mut template = PodTemplate::clone(&revision.template);
            template.spec.tolerations = daemon_tolerations(&template.spec);
            Arc::new(Pod {
                id: PodId(u32::MAX),
                name: Arc::clone(&workload.spec.meta.name),
                namespace: Arc::clone(&workload.spec.meta.namespace),
                // Its tolerations are not those of any live pod's template.
                template_id: TemplateId(u32::MAX - workload.id.0),
                requests: Arc::clone(&revision.requests),
                owner: Some(Owner {
                    kind: ControllerKind::DaemonSet,
                    uid: workload_uid(workload.id),
                }),
                priority: Some(template.spec.priority),
                local_volumes: Vec::new(),
                claims: None,
                created: SimTime::ZERO,
                deletion: None,
                node: None,
                nominated: None,
                unschedulable: false,
                template: Arc::new(template),
            })
        };
        Arc::clone(self.daemons.entry((workload.id, revision.template_id)).or_insert_with(made))
    }
}

/// A pod as it is now; the same object as before when nothing of it changed.
fn see(
    cluster: &Cluster,
    pod: &cluster::Pod,
    nominated: Option<NodeId>,
    before: Option<Arc<Pod>>,
) -> Arc<Pod> {
    let mut known = before.unwrap_or_else(|| Arc::new(fresh_pod(pod)));
    let claims = live_claims(cluster, pod);
    let deletion = pod.deletion.map(|deletion| deletion.deadline);
    let unschedulable = pod.unschedulable.is_some();
    let same = known.node == pod.node
        && known.claims == claims
        && known.deletion == deletion
        && known.nominated == nominated
        && known.unschedulable == unschedulable;
    if !same {
        let known = Arc::make_mut(&mut known);
        known.node = pod.node;
        known.claims = claims;
        known.deletion = deletion;
        known.nominated = nominated;
        known.unschedulable = unschedulable;
    }
    known
}

fn fresh_pod(pod: &cluster::Pod) -> Pod {
    let owner = match pod.owner {
        PodOwner::ReplicaSet(_, set) => {
            Owner { kind: ControllerKind::ReplicaSet, uid: ControllerUid(set.0 * 2 + 1) }
        }
        PodOwner::Ordinal(workload, _) => {
            Owner { kind: ControllerKind::StatefulSet, uid: workload_uid(workload) }
        }
        PodOwner::Job(workload, _) => {
            Owner { kind: ControllerKind::Job, uid: workload_uid(workload) }
        }
        PodOwner::Daemon(workload, _) => {
            Owner { kind: ControllerKind::DaemonSet, uid: workload_uid(workload) }
        }
    };
    Pod {
        id: pod.id,
        name: Arc::clone(&pod.name),
        namespace: Arc::clone(&pod.namespace),
        template: Arc::clone(&pod.template),
        template_id: pod.template_id,
        requests: Arc::clone(&pod.requests),
        owner: Some(owner),
        priority: Some(pod.priority()),
        local_volumes: local_volumes(&pod.template),
        claims: None,
        created: pod.created.floor_to_second(),
        deletion: None,
        node: None,
        nominated: None,
        unschedulable: false,
    }
}

/// Volumes on the node's disk. Their names are not known here, so that no annotation can except one.
fn local_volumes(template: &PodTemplate) -> Vec<Arc<str>> {
    let volumes = template.spec.volumes.iter();
    let local = volumes.filter(|volume| matches!(volume, Volume::EmptyDir | Volume::HostPath));
    local.map(|_| Arc::from("(unnamed)")).collect()
}

fn workload_uid(workload: WorkloadId) -> ControllerUid {
    ControllerUid(workload.0 * 2)
}

fn controllers(cluster: &Cluster) -> BTreeMap<ControllerUid, Controller> {
    let mut controllers = BTreeMap::new();
    for workload in cluster.workloads() {
        let replicas = workload.replicas;
        controllers.insert(workload_uid(workload.id), Controller { replicas });
        for id in &workload.replica_sets {
            if let Some(set) = cluster.replica_set(*id) {
                let replicas = set.replicas;
                controllers.insert(ControllerUid(id.0 * 2 + 1), Controller { replicas });
            }
        }
    }
    controllers
}

fn budget(budget: &cluster::Budget) -> Budget {
    Budget {
        id: budget.id,
        namespace: Arc::clone(&budget.spec.meta.namespace),
        selector: budget.spec.selector.clone(),
        disruptions_allowed: budget.status.disruptions_allowed,
    }
}

/// A pool as a node group: nodes that were asked for are instances being made, those being given
/// back or taken by the cloud are gone.
fn group(cluster: &Cluster, pool: &Pool, provider: &ProviderView<'_>) -> Group {
    let spec = &pool.spec;
    let members = pool.nodes.iter().filter_map(|id| cluster.node(*id));
    let instances: Vec<Instance> = members
        .filter(|node| node.phase != NodePhase::Removing && !node.machine_gone)
        .map(|node| Instance {
            name: Arc::clone(&node.name),
            state: if node.is_coming() { InstanceState::Creating } else { InstanceState::Running },
            error: match node.phase {
                NodePhase::Failed(why) => Some((provider.error_code)(why, &node.machine)),
                NodePhase::Requested
                | NodePhase::Registered
                | NodePhase::Ready
                | NodePhase::Lost
                | NodePhase::Removing => None,
            },
        })
        .collect();
    let name = Arc::from(format!("template-{}", spec.name));
    let machine = Machine {
        instance: Arc::clone(&spec.instance),
        zone: spec.zones.first().cloned(),
        spot: spec.spot,
    };
    let template = Shape {
        labels: node_labels(&spec.labels, &name, &machine),
        taints: spec.taints.clone(),
        unschedulable: false,
        capacity: spec.instance.capacity.clone(),
        allocatable: if provider.templates_know_reservations {
            spec.instance.allocatable.clone()
        } else {
            spec.instance.capacity.clone()
        },
        max_pods: if provider.templates_know_reservations {
            spec.instance.max_pods
        } else {
            DEFAULT_MAX_PODS
        },
    };
    let price = spec.price_per_hour().and_then(|price| price.to_string().parse().ok());
    Group {
        id: pool.id,
        name: Arc::clone(&spec.name),
        min: i64::from(spec.min),
        max: i64::from(spec.max),
        target: i64::from(count_u32(instances.len())),
        template: Some(template),
        options: GroupOptions::default(),
        instances,
        refuses_increase: None,
        price_per_hour: price,
    }
}
