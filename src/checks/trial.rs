//! Trial placements: the scheduler's own filters on the nodes that the pools have or could have.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::checks::subject::{Subject, WorkloadView};
use crate::cluster::admission::daemon_tolerations;
use crate::cluster::api::pool::Machine;
use crate::cluster::api::{LabelSelector, Labels, NodePoolSpec, PodTemplate, WorkloadKind};
use crate::cluster::{driver, is_block_disk, node_labels};
use crate::control::scheduler::diagnosis::{count, histogram};
use crate::control::scheduler::{
    Claim, ClaimBinding, Filtered, Framework, NodeInfo, NodeSlot, PodDescription, PodInfo,
    Rejection, Search, ServiceSelector, ShapeId, Snapshot, Surroundings,
};
use crate::model::id::PodId;
use crate::units::Resources;
use crate::units::convert::index;

/// Pods that a trial places at most; beyond, only what single nodes say is judged.
const PODS_MOST: usize = 20_000;
/// Nodes that a trial makes at most.
const NODES_MOST: usize = 5_000;

/// The pools of the cluster, as empty nodes and as a whole at its largest.
#[derive(Debug)]
pub struct Trial {
    empty: RefCell<World>,
    /// For each node of the small world: its pool.
    pool_of: Vec<(NodeSlot, usize)>,
    largest: RefCell<Option<World>>,
}

#[derive(Debug)]
struct World {
    snapshot: Snapshot,
    framework: Framework,
    shapes: BTreeMap<usize, ShapeId>,
    next_pod: u32,
    /// Pods that are there at the minimum of every workload, by position.
    placed: BTreeMap<usize, i32>,
}

/// What an empty node of a pool says to a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The pool, by position.
    pub pool: usize,
    /// Why its nodes turn the pod down, all zones alike; `None` when one takes it.
    pub rejection: Option<Rejection>,
}

impl Trial {
    /// Nodes for every pool of the subject's cluster.
    pub(super) fn new(subject: &Subject<'_>) -> Option<Self> {
        let pools = &subject.material.cluster.as_ref()?.pools;
        if pools.is_empty() {
            return None;
        }
        let mut empty = World::new(subject);
        let mut pool_of = Vec::new();
        for (at, pool) in pools.iter().enumerate() {
            for slot in empty.add_nodes(subject, pool, pool.zones.len().max(1)) {
                pool_of.push((slot, at));
            }
        }
        Some(Self {
            empty: RefCell::new(empty),
            pool_of,
            largest: RefCell::new(World::largest(subject, pools)),
        })
    }

    /// What an empty node of each pool says to a pod of a workload.
    #[must_use]
    pub fn answers(&self, subject: &Subject<'_>, workload: &WorkloadView<'_>) -> Vec<Answer> {
        let mut world = self.empty.borrow_mut();
        let pod = world.pod(subject, workload);
        let mut answers: Vec<Answer> = Vec::new();
        for &(slot, pool) in &self.pool_of {
            let World { snapshot, framework, .. } = &mut *world;
            let rejection = framework.check(snapshot, &pod, slot).err();
            // What other pods decide is not the node's own answer.
            let rejection = rejection.filter(|rejection| !depends_on_pods(*rejection));
            match answers.last_mut().filter(|last| last.pool == pool) {
                Some(last) => last.rejection = last.rejection.and(rejection),
                None => answers.push(Answer { pool, rejection }),
            }
        }
        answers
    }

    /// kube-scheduler's sentence, every pool counted with the nodes it starts with.
    #[must_use]
    pub fn sentence(
        &self,
        subject: &Subject<'_>,
        workload: &WorkloadView<'_>,
        answers: &[Answer],
    ) -> String {
        let mut world = self.empty.borrow_mut();
        let shape = world.pod(subject, workload).shape;
        let shape = world.snapshot.shape(shape);
        let pools = subject.material.cluster.as_ref().map_or(&[][..], |cluster| &cluster.pools);
        let mut by_rejection: BTreeMap<Rejection, usize> = BTreeMap::new();
        let mut nodes = 0;
        for answer in answers {
            let initial = index(pools[answer.pool].initial).max(1);
            nodes += initial;
            if let Some(rejection) = answer.rejection {
                *by_rejection.entry(rejection).or_default() += initial;
            }
        }
        histogram(nodes, &count(&by_rejection, shape))
    }

    /// kube-scheduler's words for one answer.
    #[must_use]
    pub fn words(
        &self,
        subject: &Subject<'_>,
        workload: &WorkloadView<'_>,
        rejection: Rejection,
    ) -> String {
        let mut world = self.empty.borrow_mut();
        let shape = world.pod(subject, workload).shape;
        rejection.reasons(world.snapshot.shape(shape)).join(", ")
    }

    /// What an empty node of a pool has left for pods after its DaemonSets.
    #[must_use]
    pub fn room(&self, pool: usize) -> Option<Resources> {
        let world = self.empty.borrow();
        let (slot, _) = self.pool_of.iter().find(|(_, own)| *own == pool)?;
        let node = world.snapshot.node(*slot);
        let mut left = node.allocatable.clone();
        left -= &node.requested;
        Some(left)
    }

    /// How many pods of each workload find a place in the largest cluster, by position, when every
    /// workload is at its minimum; `None` when there are too many to try.
    #[must_use]
    pub fn at_minimum(&self) -> Option<BTreeMap<usize, i32>> {
        self.largest.borrow().as_ref().map(|world| world.placed.clone())
    }

    /// How many more pods of one workload find a place beside all minima.
    #[must_use]
    pub fn more(
        &self,
        subject: &Subject<'_>,
        workload: &WorkloadView<'_>,
        wanted: i32,
    ) -> Option<i32> {
        let mut world = self.largest.borrow_mut();
        let world = world.as_mut()?;
        if usize::try_from(wanted).is_ok_and(|wanted| wanted > PODS_MOST) {
            return None;
        }
        world.snapshot.fork();
        let placed = world.place(subject, workload, wanted);
        world.snapshot.revert();
        Some(placed)
    }

    /// How many of the further pods of several workloads find a place together.
    #[must_use]
    pub fn more_of_all(
        &self,
        subject: &Subject<'_>,
        wanted: &[(&WorkloadView<'_>, i32)],
    ) -> Option<Vec<i32>> {
        let mut world = self.largest.borrow_mut();
        let world = world.as_mut()?;
        let total: usize = wanted.iter().filter_map(|(_, more)| usize::try_from(*more).ok()).sum();
        if total > PODS_MOST {
            return None;
        }
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(bulk(wanted[*at].0)));
        let mut placed = vec![0; wanted.len()];
        world.snapshot.fork();
        for at in order {
            let (workload, more) = wanted[at];
            placed[at] = world.place(subject, workload, more);
        }
        world.snapshot.revert();
        Some(placed)
    }
}

/// Answers that change with the pods around, or that no node has a part in.
fn depends_on_pods(rejection: Rejection) -> bool {
    use crate::control::scheduler::Plugin;
    matches!(
        rejection.plugin(),
        Plugin::InterPodAffinity
            | Plugin::VolumeBinding
            | Plugin::VolumeRestrictions
            | Plugin::VolumeZone
    ) || rejection == Rejection::SpreadSkew
}

/// Large and picky pods are placed first, so that a trial fails only where packing cannot help.
fn bulk(workload: &WorkloadView<'_>) -> (i32, bool, i64, i64) {
    let spec = &workload.template.spec;
    let requests = spec.requests();
    (spec.priority, requests.has_extended(), requests.cpu.0, requests.memory.0)
}

impl World {
    fn new(subject: &Subject<'_>) -> Self {
        let services = subject.material.objects.services.iter();
        let services = services.filter(|service| !service.selector.is_empty());
        let services = services.map(|service| ServiceSelector {
            namespace: Arc::clone(&service.meta.namespace),
            selector: service.selector.clone(),
        });
        let namespaces = subject.material.extras.namespaces.clone();
        let surroundings =
            Surroundings { services: services.collect(), namespaces, gpu_share: false };
        Self {
            snapshot: Snapshot::new(surroundings),
            framework: Framework::new(),
            shapes: BTreeMap::new(),
            next_pod: 0,
            placed: BTreeMap::new(),
        }
    }

    /// Every pool at its maximum, with the pods of all minima on it.
    fn largest(subject: &Subject<'_>, pools: &[NodePoolSpec]) -> Option<Self> {
        let sized = || subject.all_workloads().iter().filter(|workload| workload.is_sized());
        let pods = |size: fn(&WorkloadView<'_>) -> i32| -> usize {
            sized().filter_map(|workload| usize::try_from(size(workload)).ok()).sum()
        };
        let (least, most) = (pods(|workload| workload.least), pods(|workload| workload.most));
        if least > PODS_MOST {
            return None;
        }
        let mut world = Self::new(subject);
        for pool in pools {
            // No pool needs more nodes than there are pods.
            let nodes = index(pool.max).min(most.max(1)).min(NODES_MOST);
            world.add_nodes(subject, pool, nodes);
        }
        let mut order: Vec<&WorkloadView<'_>> = sized().collect();
        order.sort_by_key(|workload| std::cmp::Reverse(bulk(workload)));
        for workload in order {
            let placed = world.place(subject, workload, workload.least);
            world.placed.insert(workload.position, placed);
        }
        Some(world)
    }

    /// Adds nodes of a pool with the pods of the DaemonSets that run there.
    fn add_nodes(
        &mut self,
        subject: &Subject<'_>,
        pool: &NodePoolSpec,
        nodes: usize,
    ) -> Vec<NodeSlot> {
        let limits = pool.instance.max_volumes.map(|most| {
            let provider = subject.material.cluster.as_ref().map(|cluster| cluster.provider);
            provider.map(|provider| (Arc::from(provider.disk_driver()), most))
        });
        let mut slots = Vec::with_capacity(nodes);
        for at in 0..nodes {
            let name: Arc<str> = Arc::from(format!("{}-{}", pool.name, at + 1));
            let zone = pool.zones.get(at % pool.zones.len().max(1));
            let slot = self.snapshot.add_node(NodeInfo {
                labels: labels_of(pool, &name, zone),
                name,
                taints: pool.taints.clone(),
                allocatable: pool.instance.allocatable.clone(),
                max_pods: pool.instance.max_pods,
                volume_limits: limits.iter().flatten().cloned().collect(),
                ..NodeInfo::default()
            });
            slots.push(slot);
            let daemons = subject.all_workloads().iter().filter(|workload| workload.is_daemon());
            for workload in daemons {
                let mut pod = self.pod(subject, workload);
                pod.only_node = Some(Arc::clone(&self.snapshot.node(slot).name));
                if self.framework.check(&mut self.snapshot, &pod, slot).is_ok() {
                    self.snapshot.add_pod(slot, pod);
                }
            }
        }
        slots
    }

    /// A pod of a workload, not placed yet.
    fn pod(&mut self, subject: &Subject<'_>, workload: &WorkloadView<'_>) -> PodInfo {
        let shape = match self.shapes.get(&workload.position) {
            Some(shape) => *shape,
            None => {
                let shape = self.snapshot.add_shape(description(workload));
                self.shapes.insert(workload.position, shape);
                shape
            }
        };
        self.next_pod += 1;
        let mut pod = PodInfo::new(PodId(self.next_pod), shape);
        pod.claims = claims(subject, workload, self.next_pod);
        pod
    }

    /// Places up to `wanted` pods, each on the first node that takes it; how many found one.
    fn place(&mut self, subject: &Subject<'_>, workload: &WorkloadView<'_>, wanted: i32) -> i32 {
        let mut found = Filtered::default();
        let mut placed = 0;
        while placed < wanted {
            let pod = self.pod(subject, workload);
            let Self { snapshot, framework, .. } = self;
            framework.find(snapshot, &pod, Search::ALL, &[], &mut found);
            // The fullest node, so that the trial packs as tightly as it can.
            let free = |slot: &NodeSlot| {
                let node = snapshot.node(*slot);
                let free = |has: i64, used: i64| has - used;
                (
                    free(node.allocatable.cpu.0, node.requested.cpu.0),
                    free(node.allocatable.memory.0, node.requested.memory.0),
                )
            };
            let Some(slot) = found.feasible.iter().min_by_key(|slot| free(slot)).copied() else {
                break;
            };
            snapshot.add_pod(slot, pod);
            placed += 1;
        }
        placed
    }
}

/// The labels of a node of a pool.
pub(super) fn labels_of(pool: &NodePoolSpec, name: &Arc<str>, zone: Option<&Arc<str>>) -> Labels {
    let instance = Arc::clone(&pool.instance);
    node_labels(&pool.labels, name, &Machine { instance, zone: zone.cloned(), spot: pool.spot })
}

fn description(workload: &WorkloadView<'_>) -> PodDescription {
    let mut template: Arc<PodTemplate> = Arc::clone(&workload.template);
    if workload.is_daemon() {
        let own = Arc::make_mut(&mut template);
        let more = daemon_tolerations(&own.spec);
        own.spec.tolerations.extend(more);
    }
    let owner_selector: Option<LabelSelector> = match &workload.spec.kind {
        _ if workload.alone => None,
        WorkloadKind::Deployment { .. }
        | WorkloadKind::StatefulSet { .. }
        | WorkloadKind::ReplicaSet => Some(workload.spec.selector.clone()),
        WorkloadKind::DaemonSet { .. } | WorkloadKind::Job(_) => None,
    };
    PodDescription {
        namespace: Arc::clone(&workload.spec.meta.namespace),
        labels: template.labels.clone(),
        template,
        owner_selector,
    }
}

/// The disks of a StatefulSet's pod, which its node must attach.
fn claims(subject: &Subject<'_>, workload: &WorkloadView<'_>, pod: u32) -> Option<Arc<[Claim]>> {
    let WorkloadKind::StatefulSet { claims, .. } = &workload.spec.kind else { return None };
    let default = subject.material.cluster.as_ref()?.provider.disk_driver();
    let classes = &subject.material.objects.storage_classes;
    let claim = |(at, spec): (usize, &crate::cluster::api::PersistentVolumeClaimSpec)| {
        let class = spec.storage_class.as_deref().unwrap_or("");
        let class = classes.iter().find(|known| *known.meta.name == *class);
        let driver = class.map_or(default, |class| driver(&class.provisioner));
        Claim {
            name: Arc::from(format!("{}/{}-{pod}-{at}", spec.meta.namespace, spec.meta.name)),
            read_write_once_pod: false,
            driver: is_block_disk(driver).then(|| Arc::from(driver)),
            binding: ClaimBinding::WaitsForConsumer { allowed_topologies: Vec::new() },
        }
    };
    (!claims.is_empty()).then(|| claims.iter().enumerate().map(claim).collect())
}
