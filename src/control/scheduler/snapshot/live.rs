//! Keeping a snapshot in step with the live cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::{LabelSelector, Labels, WorkloadKind};
use crate::cluster::{Cluster, Node, Pod, PodOwner, PodPhase};
use crate::control::scheduler::snapshot::shape::LiveShape;
use crate::control::scheduler::snapshot::{NodeInfo, NodeSlot, PodDescription, PodInfo, Snapshot};
use crate::control::scheduler::snapshot::{ShapeId, equals};
use crate::control::scheduler::volumes::live_claims;
use crate::model::id::{NodeId, PodId, ReplicaSetId};

/// Label that a Deployment's controller puts on a ReplicaSet's pods and into its selector.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// The slots of live nodes, and which state of them was last taken in.
#[derive(Debug, Clone, Default)]
pub(super) struct LiveNodes {
    slots: Vec<Option<NodeSlot>>,
    seen: Vec<u64>,
    generation: u64,
}

impl LiveNodes {
    pub(super) fn slot(&self, id: NodeId) -> Option<NodeSlot> {
        self.slots.get(id.index()).copied().flatten()
    }

    pub(super) fn set(&mut self, id: Option<NodeId>, slot: Option<NodeSlot>) {
        let Some(id) = id else { return };
        if self.slots.len() <= id.index() {
            self.slots.resize(id.index() + 1, None);
            self.seen.resize(id.index() + 1, 0);
        }
        self.slots[id.index()] = slot;
        self.seen[id.index()] = 0;
    }
}

impl Snapshot {
    /// Takes in everything that changed in the cluster since the last call: costs little when
    /// nothing did, and is linear in the pods of the nodes that did change.
    pub fn sync(&mut self, cluster: &Cluster) {
        if self.live.generation == cluster.generation() {
            return;
        }
        match cluster.nodes_changed_since(self.live.generation) {
            Some(changed) => {
                let mut changed: Vec<NodeId> = changed.collect();
                changed.sort_unstable();
                changed.dedup();
                changed.iter().for_each(|id| self.remove_gone(cluster, *id));
                let present = changed.iter().filter_map(|id| cluster.node(*id));
                for node in present.filter(|node| is_an_object(node)) {
                    self.sync_node(cluster, node);
                }
            }
            None => {
                let known = self.members().filter_map(|slot| self.node(slot).id);
                known.collect::<Vec<_>>().into_iter().for_each(|id| self.remove_gone(cluster, id));
                for node in cluster.nodes().filter(|node| is_an_object(node)) {
                    self.sync_node(cluster, node);
                }
            }
        }
        self.live.generation = cluster.generation();
    }

    fn remove_gone(&mut self, cluster: &Cluster, id: NodeId) {
        if let Some(slot) = self.slot_of(id)
            && !cluster.node(id).is_some_and(is_an_object)
        {
            self.remove_node(slot);
        }
    }

    /// Spares the next [`Snapshot::sync`] a look at a node whose only change is the binding of a pod
    /// that the snapshot already holds there. `before` is the cluster's generation just before that
    /// binding was applied; when the snapshot was not in step then, this does nothing.
    pub fn confirm(&mut self, cluster: &Cluster, node: NodeId, before: u64) {
        let Some(node) = cluster.node(node) else { return };
        if self.live.generation == before && self.slot_of(node.id).is_some() {
            self.live.seen[node.id.index()] = node.generation;
            self.live.generation = cluster.generation();
        }
    }

    /// The shape of a live pod.
    pub fn live_shape(&mut self, cluster: &Cluster, pod: &Pod) -> ShapeId {
        let key = match pod.owner {
            PodOwner::ReplicaSet(_, set) => LiveShape::ReplicaSet(pod.template_id, set),
            PodOwner::Ordinal(workload, _)
            | PodOwner::Daemon(workload, _)
            | PodOwner::Job(workload, _) => LiveShape::Workload(pod.template_id, workload),
        };
        if let Some(known) = self.live_shapes.get(&key) {
            return *known;
        }
        let shape = self.add_shape(describe(cluster, pod));
        self.live_shapes.insert(key, shape);
        shape
    }

    /// A live pod as the scheduler sees it.
    pub fn live_pod(&mut self, cluster: &Cluster, pod: &Pod) -> PodInfo {
        let only_node = match pod.owner {
            PodOwner::Daemon(_, node) => cluster.node(node).map(|node| Arc::clone(&node.name)),
            PodOwner::ReplicaSet(..) | PodOwner::Ordinal(..) | PodOwner::Job(..) => None,
        };
        PodInfo {
            only_node,
            terminating: pod.is_terminating(),
            started: pod.started,
            claims: live_claims(cluster, pod),
            ..PodInfo::new(pod.id, self.live_shape(cluster, pod))
        }
    }

    fn sync_node(&mut self, cluster: &Cluster, node: &Node) {
        let slot = match self.slot_of(node.id) {
            Some(_) if self.live.seen[node.id.index()] == node.generation => return,
            Some(slot) => {
                self.sync_object(slot, node);
                slot
            }
            None => {
                let volume_limits = volume_limits(cluster, node);
                self.add_node(NodeInfo { volume_limits, ..NodeInfo::of(node) })
            }
        };
        self.sync_pods(cluster, node, slot);
        self.live.seen[node.id.index()] = node.generation;
    }

    fn sync_object(&mut self, slot: NodeSlot, node: &Node) {
        let known = self.node(slot);
        let mut object = NodeInfo::of(node);
        object.volume_limits.clone_from(&known.volume_limits);
        let same = known.unschedulable == object.unschedulable
            && known.max_pods == object.max_pods
            && known.allocatable == object.allocatable
            && known.taints == object.taints
            && known.labels == object.labels
            && known.images == object.images;
        if !same {
            self.update_node(slot, object);
        }
    }

    fn sync_pods(&mut self, cluster: &Cluster, node: &Node, slot: NodeSlot) {
        let holds = |id: PodId| {
            let phase = cluster.pod(id).map(|pod| pod.phase);
            phase.is_some_and(|phase| !matches!(phase, PodPhase::Succeeded | PodPhase::Failed))
        };
        let known: Vec<PodId> = self.node(slot).pods.iter().map(|pod| pod.id).collect();
        let wanted: Vec<PodId> = node.pods.iter().copied().filter(|id| holds(*id)).collect();
        for id in known.iter().filter(|id| !wanted.contains(id)) {
            self.remove_pod(slot, *id);
        }
        for id in wanted {
            let pod = cluster.pod(id).expect("only pods that are there are wanted");
            match self.node(slot).position(id) {
                Some(position) => {
                    self.nodes[slot.index()].pods[position].started = pod.started;
                    self.set_terminating(slot, id, pod.is_terminating());
                }
                None => {
                    let info = self.live_pod(cluster, pod);
                    self.add_pod(slot, info);
                }
            }
        }
    }
}

/// How many volumes each driver attaches to a node (CSINode `allocatable.count`).
pub(crate) fn volume_limits(cluster: &Cluster, node: &Node) -> BTreeMap<Arc<str>, i64> {
    let limit = node.machine.instance.max_volumes;
    limit.map_or_else(BTreeMap::new, |limit| {
        cluster.volume_drivers().map(|driver| (driver, limit)).collect()
    })
}

/// Whether the API server has a Node object that pods may be bound to: not before the kubelet
/// registered, and not once the instance is being given back.
fn is_an_object(node: &Node) -> bool {
    node.has_joined()
}

fn describe(cluster: &Cluster, pod: &Pod) -> PodDescription {
    let workload = cluster.workload(pod.workload());
    let mut labels = pod.template.labels.clone();
    let owner_selector = match (pod.owner, &workload.spec.kind) {
        (PodOwner::ReplicaSet(_, set), WorkloadKind::Deployment { .. }) => {
            Some(with_hash(&workload.spec.selector, &mut labels, set))
        }
        (PodOwner::ReplicaSet(..) | PodOwner::Ordinal(..), _) => {
            Some(workload.spec.selector.clone())
        }
        (PodOwner::Daemon(..) | PodOwner::Job(..), _) => None,
    };
    PodDescription {
        namespace: Arc::clone(&pod.namespace),
        labels,
        template: Arc::clone(&pod.template),
        owner_selector,
    }
}

/// A ReplicaSet's selector: the Deployment's and the hash of its own template. Any value that only
/// this ReplicaSet has will do.
fn with_hash(selector: &LabelSelector, labels: &mut Labels, set: ReplicaSetId) -> LabelSelector {
    let key: Arc<str> = Arc::from(TEMPLATE_HASH);
    let value: Arc<str> = Arc::from(format!("replica-set-{set}"));
    labels.insert(Arc::clone(&key), Arc::clone(&value));
    let mut selector = selector.clone();
    selector.match_expressions.push(equals(&key, &value));
    selector
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Occurrence;
    use crate::cluster::api::pool::{InstanceType, NodePoolSpec};
    use crate::cluster::api::workload::DeploymentStrategy;
    use crate::cluster::api::{IntOrPercent, ObjectMeta, PodTemplate, WorkloadSpec};
    use crate::control::scheduler::snapshot::Surroundings;
    use crate::engine::Dist;
    use crate::model::Action;
    use crate::model::action::PodDeletion;
    use crate::model::id::{PoolId, WorkloadId};
    use crate::units::{Bytes, MilliCpu, Origin, Resources, SimDuration, SimTime};

    fn pool() -> NodePoolSpec {
        let size = Resources::new(MilliCpu(4000), Bytes(1 << 34));
        NodePoolSpec {
            name: Arc::from("pool"),
            origin: Origin::default(),
            instance: Arc::new(InstanceType {
                name: Arc::from("m5.xlarge"),
                capacity: size.clone(),
                allocatable: size,
                max_pods: 58,
                max_volumes: None,
                gpu_kind: None,
                on_demand_per_hour: None,
                spot_per_hour: None,
                price_date: Arc::from("2026-01-01"),
            }),
            min: 0,
            max: 9,
            max_origin: Origin::default(),
            initial: 0,
            zones: vec![Arc::from("a")],
            labels: Labels::new(),
            taints: Vec::new(),
            launch: Dist::fixed(SimDuration::from_secs(1)),
            node_ready: None,
            gpu_ready: None,
            gpu_sharing: None,
            spot: false,
            autoscaled: false,
            node_pool: None,
        }
    }

    fn deployment() -> WorkloadSpec {
        let labels = Labels::from([(Arc::from("app"), Arc::from("web"))]);
        let rolling = DeploymentStrategy::RollingUpdate {
            max_surge: IntOrPercent::Int(1),
            max_unavailable: IntOrPercent::Int(0),
        };
        WorkloadSpec {
            meta: ObjectMeta { namespace: Arc::from("default"), ..ObjectMeta::default() },
            selector: LabelSelector::of_labels(labels.clone()),
            replicas: 2,
            replicas_origin: Origin::default(),
            min_ready: SimDuration::ZERO,
            template: Arc::new(PodTemplate { labels, ..PodTemplate::default() }),
            kind: WorkloadKind::Deployment {
                strategy: rolling,
                progress_deadline: None,
                revision_history_limit: 10,
                paused: false,
            },
        }
    }

    /// A snapshot kept in step holds what one made anew would.
    fn assert_in_step(snapshot: &mut Snapshot, cluster: &Cluster) {
        snapshot.sync(cluster);
        let mut fresh = Snapshot::new(Surroundings::default());
        fresh.sync(cluster);
        let slots = fresh.nodes().to_vec();
        assert_eq!(snapshot.nodes().len(), slots.len());
        for slot in slots {
            let expected = fresh.node(slot);
            let id = expected.id.expect("it is a live node");
            let kept = snapshot.node(snapshot.slot_of(id).expect("the node is known"));
            assert_eq!(kept, expected);
        }
    }

    #[test]
    fn a_snapshot_follows_the_cluster() {
        let mut cluster = Cluster::new(&[Arc::new(pool())], &[Arc::new(deployment())], &[]);
        let mut snapshot = Snapshot::new(Surroundings::default());
        let now = SimTime::from_secs(1);
        let records = &mut Vec::new();
        for _ in 0..2 {
            cluster.apply(now, &Action::AddNode(PoolId(0)), records);
        }
        assert_in_step(&mut snapshot, &cluster);
        assert_eq!(snapshot.node_count(), 0, "a node that was asked for is not there yet");
        for node in [NodeId(0), NodeId(1)] {
            cluster.occur(now, Occurrence::NodeReady(node), records);
        }
        let create = Action::CreateReplicaSet { workload: WorkloadId(0), replicas: 2 };
        cluster.apply(now, &create, records);
        for _ in 0..2 {
            cluster.apply(now, &Action::CreateReplica(ReplicaSetId(0)), records);
        }
        assert_in_step(&mut snapshot, &cluster);
        assert_eq!(snapshot.node_count(), 2);
        let pod = cluster.pod(PodId(0)).expect("it was made").clone();
        let info = snapshot.live_pod(&cluster, &pod);
        let slot = snapshot.slot_of(NodeId(0)).expect("the node is there");
        snapshot.add_pod(slot, info);
        let before = cluster.generation();
        cluster.apply(now, &Action::BindPod { pod: pod.id, node: NodeId(0) }, records);
        snapshot.confirm(&cluster, NodeId(0), before);
        assert_in_step(&mut snapshot, &cluster);
        cluster.apply(now, &Action::BindPod { pod: PodId(1), node: NodeId(1) }, records);
        assert_in_step(&mut snapshot, &cluster);
        let because = PodDeletion::Scenario;
        cluster.apply(now, &Action::DeletePod { pod: pod.id, grace: None, because }, records);
        assert_in_step(&mut snapshot, &cluster);
        assert!(snapshot.node(slot).pods[0].terminating);
        cluster.occur(now, Occurrence::PodGone(pod.id), records);
        assert_in_step(&mut snapshot, &cluster);
        cluster.apply(now, &Action::Cordon(NodeId(0)), records);
        assert_in_step(&mut snapshot, &cluster);
        cluster.apply(now, &Action::RemoveNode(NodeId(1)), records);
        assert_in_step(&mut snapshot, &cluster);
        assert_eq!(snapshot.node_count(), 1);
    }

    /// Pods of a Deployment spread among those of their own ReplicaSet.
    #[test]
    fn each_replica_set_is_a_shape_of_its_own() {
        let mut cluster = Cluster::new(&[], &[Arc::new(deployment())], &[]);
        let records = &mut Vec::new();
        for _ in 0..2 {
            let create = Action::CreateReplicaSet { workload: WorkloadId(0), replicas: 1 };
            cluster.apply(SimTime::ZERO, &create, records);
        }
        for set in [0, 1, 0] {
            cluster.apply(SimTime::ZERO, &Action::CreateReplica(ReplicaSetId(set)), records);
        }
        let mut snapshot = Snapshot::new(Surroundings::default());
        let pods: Vec<Pod> = cluster.pods().cloned().collect();
        let shapes: Vec<ShapeId> =
            pods.iter().map(|pod| snapshot.live_shape(&cluster, pod)).collect();
        assert_eq!(snapshot.shape_count(), 2);
        let first = snapshot.shape(shapes[0]);
        let selects = first.default_spread.as_ref().expect("its ReplicaSet has a selector");
        let selected: Vec<bool> =
            shapes.iter().map(|id| selects.matches(&snapshot.shape(*id).labels)).collect();
        let own: Vec<bool> = pods.iter().map(|pod| pod.owner == pods[0].owner).collect();
        assert_eq!(selected, own);
    }
}
