//! The observation of a live cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::instance::Refusals;
use super::observation::{Budget, ClaimSeen, Node, Observation, OwnerKind, Pod};
use super::pool::KarpenterSpec;
use crate::cluster::admission::daemon_tolerations;
use crate::cluster::api::budget::Allowance;
use crate::cluster::api::meta::IntOrPercent;
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::api::{Labels, PodTemplate, Taint, TaintEffect};
use crate::cluster::pod::{PodPhase, TemplateId};
use crate::cluster::{self, Cluster, ConditionStatus, NodePhase, PodOwner, Workload};
use crate::control::scheduler::volumes::live_claims;
use crate::model::id::{NodeId, PodId, PoolId, ReplicaSetId, WorkloadId};
use crate::units::SimTime;

/// What makes pods alike: template, namespace, and the ReplicaSet of a Deployment.
type ShapeKey = (TemplateId, Arc<str>, Option<ReplicaSetId>);

/// Makes observations of one cluster, and keeps what did not change since the last one.
#[derive(Debug, Default)]
pub struct Live {
    /// Which offering of which type the nodes of a pool are.
    offerings: BTreeMap<(PoolId, Arc<str>), ClaimSeen>,
    nodes: BTreeMap<NodeId, (u64, bool, Arc<Node>)>,
    pods: BTreeMap<PodId, Arc<Pod>>,
    shapes: BTreeMap<ShapeKey, (u32, Arc<Labels>)>,
    daemons: BTreeMap<(WorkloadId, TemplateId), Arc<Pod>>,
}

impl Live {
    /// Eyes for these NodePools.
    #[must_use]
    pub fn new(spec: &KarpenterSpec) -> Self {
        let mut offerings = BTreeMap::new();
        for (pool, it) in spec.pools.iter().enumerate() {
            for (option, it) in it.options.iter().enumerate() {
                for (offering, it) in it.offerings.iter().enumerate() {
                    let claim = ClaimSeen { pool, option, offering };
                    offerings.insert((it.pool, Arc::clone(&it.zone)), claim);
                }
            }
        }
        Self { offerings, ..Self::default() }
    }

    /// What Karpenter would see now. `nominated` tells whether the scheduler makes room for a pod,
    /// `attached` whether volumes of pods that left a node are still attached to it.
    pub fn observe(
        &mut self,
        cluster: &Cluster,
        now: SimTime,
        (refused, quotas): (Refusals, bool),
        nominated: impl Fn(PodId) -> bool,
        attached: impl Fn(NodeId) -> bool,
    ) -> Observation {
        self.nodes.retain(|id, _| cluster.node(*id).is_some());
        self.pods.retain(|id, _| cluster.pod(*id).is_some());
        let mut pods: Vec<Arc<Pod>> = cluster
            .pods()
            .filter(|pod| !pod.has_ended())
            .map(|pod| self.pod(cluster, pod, nominated(pod.id)))
            .collect();
        pods.sort_by_key(|pod| pod.id);
        let namespaces = pods.iter().map(|pod| (Arc::clone(&pod.namespace), Labels::new()));
        let namespaces = namespaces.collect();
        let daemon_sets = cluster
            .workloads()
            .iter()
            .filter(|it| matches!(it.spec.kind, WorkloadKind::DaemonSet { .. }));
        Observation {
            now,
            nodes: cluster.nodes().map(|node| self.node(node, attached(node.id))).collect(),
            pods,
            daemons: daemon_sets.map(|workload| self.daemon(workload)).collect(),
            budgets: cluster.budgets().iter().map(budget).collect(),
            namespaces,
            refused,
            quotas,
        }
    }

    fn node(&mut self, node: &cluster::Node, attached: bool) -> Arc<Node> {
        let known = self.nodes.get(&node.id);
        let same = known.filter(|(seen, was, _)| *seen == node.generation && *was == attached);
        if let Some((_, _, known)) = same {
            return Arc::clone(known);
        }
        let zone = node.zone().map(Arc::from);
        let claim = node.pool.zip(zone).and_then(|key| self.offerings.get(&key)).copied();
        let mut taints = node.taints.clone();
        if node.unschedulable {
            let key = Arc::from("node.kubernetes.io/unschedulable");
            taints.push(Taint { key, value: Arc::from(""), effect: TaintEffect::NoSchedule });
        }
        let fresh = Arc::new(Node {
            id: node.id,
            name: Arc::clone(&node.name),
            claim,
            labels: node.labels.clone(),
            annotations: node.annotations.clone(),
            taints,
            capacity: node.capacity.clone(),
            allocatable: node.allocatable.clone(),
            max_pods: node.max_pods,
            max_volumes: node.machine.instance.max_volumes,
            created: node.launched.unwrap_or(node.created),
            registered: !node.is_coming(),
            ready: node.is_ready(),
            leaving: node.phase == NodePhase::Removing,
            volumes_attached: attached,
        });
        self.nodes.insert(node.id, (node.generation, attached, Arc::clone(&fresh)));
        fresh
    }

    fn pod(&mut self, cluster: &Cluster, pod: &cluster::Pod, preempting: bool) -> Arc<Pod> {
        let claims = live_claims(cluster, pod);
        let deletion = pod.deletion.map(|deletion| deletion.deadline);
        let running = pod.phase == PodPhase::Running;
        let unready = pod.ready.is_some_and(|ready| ready.status == ConditionStatus::False);
        let unschedulable = pod.unschedulable.is_some();
        if !self.pods.contains_key(&pod.id) {
            let fresh = self.fresh(cluster, pod);
            self.pods.insert(pod.id, Arc::new(fresh));
        }
        let known = self.pods.get_mut(&pod.id).expect("it was inserted above");
        let same = known.node == pod.node
            && known.running == running
            && known.started == pod.started
            && known.unready == unready
            && known.deletion == deletion
            && known.unschedulable == unschedulable
            && known.preempting == preempting
            && known.claims == claims;
        if !same {
            let known = Arc::make_mut(known);
            known.node = pod.node;
            known.running = running;
            known.started = pod.started;
            known.unready = unready;
            known.deletion = deletion;
            known.unschedulable = unschedulable;
            known.preempting = preempting;
            known.claims = claims;
        }
        Arc::clone(known)
    }

    fn fresh(&mut self, cluster: &Cluster, pod: &cluster::Pod) -> Pod {
        let replica_set = match pod.owner {
            PodOwner::ReplicaSet(_, set) => Some(set),
            PodOwner::Ordinal(..) | PodOwner::Daemon(..) | PodOwner::Job(..) => None,
        };
        let kind = &cluster.workload(pod.workload()).spec.kind;
        let replica_set = replica_set.filter(|_| matches!(kind, WorkloadKind::Deployment { .. }));
        let number = u32::try_from(self.shapes.len()).unwrap_or(u32::MAX);
        let key = (pod.template_id, Arc::clone(&pod.namespace), replica_set);
        let (shape, labels) = self.shapes.entry(key).or_insert_with(|| {
            let mut labels = pod.template.labels.clone();
            if let Some(set) = replica_set {
                // Any value that only this ReplicaSet has will do for the hash of its template.
                let value = Arc::from(format!("replica-set-{set}"));
                labels.insert(Arc::from("pod-template-hash"), value);
            }
            (number, Arc::new(labels))
        });
        Pod {
            id: pod.id,
            name: Arc::clone(&pod.name),
            namespace: Arc::clone(&pod.namespace),
            labels: Arc::clone(labels),
            template: Arc::clone(&pod.template),
            shape: *shape,
            requests: Arc::clone(&pod.requests),
            owner: match pod.owner {
                PodOwner::Daemon(..) => OwnerKind::DaemonSet,
                PodOwner::Ordinal(..) => OwnerKind::StatefulSet,
                PodOwner::ReplicaSet(..) | PodOwner::Job(..) => OwnerKind::Other,
            },
            created: pod.created.floor_to_second(),
            node: None,
            running: false,
            started: None,
            unready: false,
            deletion: None,
            unschedulable: false,
            preempting: false,
            claims: None,
        }
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
                labels: Arc::new(template.labels.clone()),
                template: Arc::new(template),
                shape: u32::MAX,
                requests: Arc::clone(&revision.requests),
                owner: OwnerKind::DaemonSet,
                created: SimTime::ZERO,
                node: None,
                running: false,
                started: None,
                unready: false,
                deletion: None,
                unschedulable: false,
                preempting: false,
                claims: None,
            })
        };
        Arc::clone(self.daemons.entry((workload.id, revision.template_id)).or_insert_with(made))
    }
}

fn budget(budget: &cluster::Budget) -> Budget {
    let fully_blocking = match budget.spec.allowance {
        Some(Allowance::MaxUnavailable(IntOrPercent::Int(count))) => count == 0,
        Some(Allowance::MaxUnavailable(IntOrPercent::Percent(percent))) => percent == 0,
        Some(Allowance::MinAvailable(IntOrPercent::Percent(percent))) => percent == 100,
        Some(Allowance::MinAvailable(IntOrPercent::Int(_))) | None => false,
    };
    Budget {
        id: budget.id,
        name: Arc::clone(&budget.spec.meta.name),
        namespace: Arc::clone(&budget.spec.meta.namespace),
        selector: budget.spec.selector.clone(),
        disruptions_allowed: budget.status.disruptions_allowed,
        fully_blocking,
        always_allow_unhealthy: budget.spec.always_allow_unhealthy,
    }
}
