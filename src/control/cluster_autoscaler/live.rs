//! The observation of a live cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::observation::{
    Budget, Controller, ControllerKind, ControllerUid, DaemonSet, Group, Instance, InstanceState,
    Node, Observation, Owner, Pod, Shape,
};
use super::options::GroupOptions;
use super::pod_list::{PodList, workload_uid};
use crate::cluster::admission::daemon_tolerations;
use crate::cluster::api::Machine;
use crate::cluster::api::pod::PodTemplate;
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::pod::TemplateId;
use crate::cluster::{self, Cluster, LaunchFailure, NodePhase, Pool, Workload, node_labels};
use crate::control::scheduler::snapshot::volume_limits;
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
    /// By id, with the state of the node that was seen; `None` for those that are gone.
    nodes: Vec<Option<(u64, Arc<Node>)>>,
    /// How many of them are kept.
    nodes_kept: usize,
    pods: PodList,
    daemons: BTreeMap<(WorkloadId, TemplateId), Arc<Pod>>,
}

impl Live {
    /// Takes an observation back when it is done with, so that the next one need not list again what
    /// did not change.
    pub fn recycle(&mut self, seen: Observation) {
        self.pods.give_back(seen.pods);
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
        let (pods, pod_changes) = self.pods.look(cluster, nominated);
        Observation {
            now,
            groups: cluster
                .pools()
                .iter()
                .filter(|pool| pool.spec.autoscaled)
                .map(|pool| group(cluster, pool, provider))
                .collect(),
            nodes: self.list_nodes(cluster),
            pods,
            pod_changes: Some(pod_changes),
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

    fn list_nodes(&mut self, cluster: &Cluster) -> Vec<Arc<Node>> {
        let joined = cluster.nodes().filter(|node| node.has_joined());
        let list: Vec<Arc<Node>> = joined.map(|node| self.node(cluster, node)).collect();
        if self.nodes_kept > 2 * list.len() + 100 {
            for (position, known) in self.nodes.iter_mut().enumerate() {
                if cluster.node(NodeId::at(position)).is_none() {
                    *known = None;
                }
            }
            self.nodes_kept = self.nodes.iter().flatten().count();
        }
        list
    }

    fn node(&mut self, cluster: &Cluster, node: &cluster::Node) -> Arc<Node> {
        if self.nodes.len() <= node.id.index() {
            self.nodes.resize(node.id.index() + 1, None);
        }
        let known = &mut self.nodes[node.id.index()];
        if let Some((_, known)) = known.as_ref().filter(|(seen, _)| *seen == node.generation) {
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
        self.nodes_kept += usize::from(known.is_none());
        *known = Some((node.generation, Arc::clone(&fresh)));
        fresh
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
