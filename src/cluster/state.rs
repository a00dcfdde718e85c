//! The cluster's state: arenas of objects, the indexes between them, and the ways in to read.
//!
//! Objects are found by typed ids that are never reused. Reading is free; changes come through
//! [`Cluster::apply`] (what controllers want, `apply.rs`) and [`Cluster::occur`] (what kubelets and
//! the cloud report, `occur.rs`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::cluster::admission::{admit, daemon_tolerations};
use crate::cluster::api::budget::PodDisruptionBudgetSpec;
use crate::cluster::api::limit::ResourceQuotaSpec;
use crate::cluster::api::pod::PodTemplate;
use crate::cluster::api::pool::NodePoolSpec;
use crate::cluster::api::workload::{WorkloadKind, WorkloadSpec};
use crate::cluster::budget::Budget;
use crate::cluster::counts::PodCounts;
use crate::cluster::node::Node;
use crate::cluster::pod::{Pod, PodOwner, PodPhase, TemplateId};
use crate::cluster::volume::Volumes;
use crate::cluster::workload::{ReplicaSet, Revision, Workload};
use crate::model::action::BudgetStatus;
use crate::model::id::{BudgetId, NodeId, PodId, PoolId, ReplicaSetId, WorkloadId};
use crate::units::SimTime;
use crate::units::convert::count_u32;

/// Changes of nodes that are remembered; whoever is further behind looks at all nodes.
const CHANGES_KEPT: usize = 256;

/// All objects of a simulated cluster.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    pub(super) nodes: Vec<Option<Box<Node>>>,
    pub(super) live_nodes: Vec<NodeId>,
    pub(super) pods: Vec<Option<Box<Pod>>>,
    /// When each pod last changed, by id, on a count of its own: dense, so that who looks at all pods
    /// can pass over those that are as they were.
    pub(super) pod_stamps: Vec<u64>,
    /// When each workload, a ReplicaSet of it or a pod of it last changed, by id, on counts of their own.
    pub(super) workload_stamps: Vec<u64>,
    /// How many specs of workloads were written.
    pub(super) specs_written: u64,
    pub(super) live_pods: usize,
    pub(super) pending: BTreeSet<PodId>,
    pub(super) workloads: Vec<Workload>,
    pub(super) replica_sets: Vec<Option<Box<ReplicaSet>>>,
    pub(super) budgets: Vec<Budget>,
    pub(super) pools: Vec<Pool>,
    pub(super) templates: Vec<Revision>,
    pub(super) failed_zones: BTreeSet<Arc<str>>,
    pub(super) quotas: Vec<Arc<ResourceQuotaSpec>>,
    pub(super) generation: u64,
    /// The nodes that the latest generations were given to, the last one at the end.
    pub(super) changed_nodes: VecDeque<NodeId>,
    pub(super) volumes: Volumes,
}

/// A node pool and its members.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Id.
    pub id: PoolId,
    /// What was written.
    pub spec: Arc<NodePoolSpec>,
    /// Its nodes, requested and removing ones among them, in order of creation.
    pub nodes: Vec<NodeId>,
    /// Number of the next node's name.
    pub next_node: u32,
}

impl Cluster {
    /// The id that the next node gets that is asked for.
    #[must_use]
    pub fn next_node(&self) -> NodeId {
        NodeId::at(self.nodes.len())
    }

    /// A cluster with pools and objects but neither nodes nor pods.
    #[must_use]
    pub fn new(
        pools: &[Arc<NodePoolSpec>],
        workloads: &[Arc<WorkloadSpec>],
        budgets: &[Arc<PodDisruptionBudgetSpec>],
    ) -> Self {
        let mut cluster = Self::default();
        for (position, spec) in pools.iter().enumerate() {
            let id = PoolId::at(position);
            cluster.pools.push(Pool {
                id,
                spec: Arc::clone(spec),
                nodes: Vec::new(),
                next_node: 1,
            });
        }
        for spec in workloads {
            cluster.add_workload(spec);
        }
        for (position, spec) in budgets.iter().enumerate() {
            cluster.budgets.push(Budget {
                id: BudgetId::at(position),
                exists: true,
                generation: 1,
                spec: Arc::clone(spec),
                status: BudgetStatus::default(),
                disrupted: std::collections::BTreeMap::new(),
            });
        }
        cluster
    }

    fn add_workload(&mut self, spec: &Arc<WorkloadSpec>) {
        let revision = self.revision_of_spec(spec);
        self.workload_stamps.push(0);
        self.workloads.push(Workload {
            id: WorkloadId::at(self.workloads.len()),
            exists: true,
            spec: Arc::clone(spec),
            replicas: spec.replicas,
            revisions: vec![revision],
            pods: Vec::new(),
            replica_sets: Vec::new(),
            ordinals: std::collections::BTreeMap::new(),
            next_pod: 1,
            runs: Vec::new(),
            next_run: 0,
            ended: None,
            last_run: None,
        });
    }

    /// The revision that a workload's spec asks for.
    pub(super) fn revision_of_spec(&mut self, spec: &WorkloadSpec) -> Revision {
        let mut template = PodTemplate::clone(&spec.template);
        if matches!(spec.kind, WorkloadKind::DaemonSet { .. }) {
            template.spec.tolerations = daemon_tolerations(&template.spec);
        }
        self.revision_of(&template)
    }

    /// The revision of a template: admitted, with its requests added up, numbered among all
    /// distinct templates.
    pub(super) fn revision_of(&mut self, template: &PodTemplate) -> Revision {
        let admitted = admit(template);
        let bare = admitted.without_origins();
        let same = |known: &&Revision| known.template.without_origins() == bare;
        if let Some(known) = self.templates.iter().find(same) {
            return known.clone();
        }
        let revision = Revision {
            template_id: TemplateId(count_u32(self.templates.len())),
            requests: Arc::new(admitted.spec.requests()),
            scoring_requests: Arc::new(admitted.spec.scoring_requests()),
            template: Arc::new(admitted),
        };
        self.templates.push(revision.clone());
        revision
    }

    /// A node by id; `None` once it is gone.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index()).and_then(|node| node.as_deref())
    }

    /// All nodes, requested and removing ones among them, in order of creation.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.live_nodes.iter().filter_map(|id| self.node(*id))
    }

    /// A node by name.
    #[must_use]
    pub fn node_named(&self, name: &str) -> Option<&Node> {
        self.nodes().find(|node| &*node.name == name)
    }

    /// A pod by id; `None` once it is gone.
    #[must_use]
    pub fn pod(&self, id: PodId) -> Option<&Pod> {
        self.pods.get(id.index()).and_then(|pod| pod.as_deref())
    }

    /// All pods in order of creation.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.workloads
            .iter()
            .flat_map(|workload| workload.pods.iter().filter_map(|id| self.pod(*id)))
    }

    /// The ids of all pods, in the order of [`Cluster::pods`].
    pub fn pod_ids(&self) -> impl Iterator<Item = PodId> {
        self.workloads.iter().flat_map(|workload| workload.pods.iter().copied())
    }

    /// A number that grows with every change of a pod, beginning with 1.
    #[must_use]
    pub fn pod_stamp(&self, id: PodId) -> u64 {
        self.pod_stamps[id.index()]
    }

    /// Number of pods.
    #[must_use]
    pub fn pod_count(&self) -> usize {
        self.live_pods
    }

    /// Pods that are not bound and not terminating, in order of creation.
    pub fn pending(&self) -> impl Iterator<Item = &Pod> {
        self.pending.iter().filter_map(|id| self.pod(*id))
    }

    /// Number of pods that are not bound and not terminating.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// A workload.
    #[must_use]
    pub fn workload(&self, id: WorkloadId) -> &Workload {
        &self.workloads[id.index()]
    }

    /// A number that grows with every change of a workload, of its ReplicaSets and of its pods.
    #[must_use]
    pub fn workload_stamp(&self, id: WorkloadId) -> u64 {
        self.workload_stamps[id.index()]
    }

    /// How many specs of workloads were written so far.
    #[must_use]
    pub fn specs_written(&self) -> u64 {
        self.specs_written
    }

    /// All workloads, by id.
    #[must_use]
    pub fn workloads(&self) -> &[Workload] {
        &self.workloads
    }

    /// The pods of a workload, terminating ones among them, in order of creation.
    pub fn pods_of(&self, id: WorkloadId) -> impl Iterator<Item = &Pod> {
        self.workload(id).pods.iter().filter_map(|pod| self.pod(*pod))
    }

    /// The bound pods of a node that still hold resources.
    pub fn pods_on(&self, id: NodeId) -> impl Iterator<Item = &Pod> {
        self.node(id).into_iter().flat_map(|node| node.pods.iter().filter_map(|pod| self.pod(*pod)))
    }

    /// A ReplicaSet by id; `None` once it is gone.
    #[must_use]
    pub fn replica_set(&self, id: ReplicaSetId) -> Option<&ReplicaSet> {
        self.replica_sets.get(id.index()).and_then(|set| set.as_deref())
    }

    /// A budget.
    #[must_use]
    pub fn budget(&self, id: BudgetId) -> &Budget {
        &self.budgets[id.index()]
    }

    /// All budgets, by id.
    #[must_use]
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// Zones in which no instance can be had now.
    pub fn failed_zones(&self) -> impl Iterator<Item = &Arc<str>> {
        self.failed_zones.iter()
    }

    /// A pool.
    #[must_use]
    pub fn pool(&self, id: PoolId) -> &Pool {
        &self.pools[id.index()]
    }

    /// All pools, by id.
    #[must_use]
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// The latest generation given to a node; every change of a node raises it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Sets a workload's size before the run begins.
    pub fn set_initial_replicas(&mut self, id: WorkloadId, replicas: i32) {
        assert!(self.live_pods == 0, "initial sizes are set before there are pods");
        self.workload_mut(id).replicas = replicas;
    }

    /// The nodes that changed, came or went after a generation, some of them more than once; `None`
    /// when that is too long ago to be known.
    #[must_use]
    pub fn nodes_changed_since(
        &self,
        generation: u64,
    ) -> Option<impl Iterator<Item = NodeId> + use<'_>> {
        let count = usize::try_from(self.generation.checked_sub(generation)?).ok()?;
        let first = self.changed_nodes.len().checked_sub(count)?;
        Some(self.changed_nodes.range(first..).copied())
    }

    /// Gives a generation to a node that changes, comes or goes.
    pub(super) fn next_generation(&mut self, node: NodeId) -> u64 {
        if self.changed_nodes.len() == CHANGES_KEPT {
            self.changed_nodes.pop_front();
        }
        self.changed_nodes.push_back(node);
        self.generation += 1;
        self.generation
    }

    /// A workload of a later release is not there when the run begins.
    pub fn withhold_workload(&mut self, id: WorkloadId) {
        self.workloads[id.index()].exists = false;
        self.set_initial_replicas(id, 0);
    }

    /// A budget of a later release is not there when the run begins.
    pub fn withhold_budget(&mut self, id: BudgetId) {
        self.budgets[id.index()].exists = false;
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        let generation = self.next_generation(id);
        let node = self.nodes[id.index()].as_deref_mut().expect("a node that changes is there");
        node.generation = generation;
        node
    }

    /// Changes a pod, and what its ReplicaSet counts of it.
    pub(super) fn change_pod(&mut self, id: PodId, change: impl FnOnce(&mut Pod)) {
        self.pod_stamps[id.index()] += 1;
        let pod = self.pods[id.index()].as_deref_mut().expect("a pod that changes is there");
        self.workload_stamps[pod.workload().index()] += 1;
        let set = match pod.owner {
            PodOwner::ReplicaSet(_, set) => self.replica_sets[set.index()].as_deref_mut(),
            PodOwner::Ordinal(..) | PodOwner::Daemon(..) | PodOwner::Job(..) => None,
        };
        let Some(set) = set else {
            change(pod);
            return;
        };
        set.counts.remove(pod);
        change(pod);
        set.counts.add(pod);
    }

    pub(super) fn workload_mut(&mut self, id: WorkloadId) -> &mut Workload {
        self.workload_stamps[id.index()] += 1;
        &mut self.workloads[id.index()]
    }

    /// No more disks on a node than its instance attaches: the scheduler counts those of all pods bound
    /// to it, and a claim that several of them mount once.
    fn check_disks(&self, node: &Node, now: SimTime) {
        let most = node.pool.and_then(|pool| self.pool(pool).spec.instance.max_volumes);
        let Some(most) = most else { return };
        let disks: BTreeSet<Arc<str>> = self
            .pods_on(node.id)
            .flat_map(|pod| self.claims_of(pod))
            .filter(|name| self.claim(name).is_some_and(|claim| claim.driver.is_some()))
            .collect();
        let count = i64::try_from(disks.len()).unwrap_or(i64::MAX);
        assert!(count <= most, "{} has {count} disks at {now}, at most {most}", node.name);
    }

    /// Owners and what they own know each other: every pod of a ReplicaSet is one of its workload's
    /// and counted in the state that it has, an ordinal has one pod, and a claim of one pod has at most one that is bound.
    fn check_owners(&self, now: SimTime) {
        for set in self.replica_sets.iter().flatten() {
            let mut counts = PodCounts::default();
            for pod in set.pods.iter().filter_map(|id| self.pod(*id)) {
                let owner = PodOwner::ReplicaSet(set.workload, set.id);
                assert_eq!(pod.owner, owner, "{} is in another's list at {now}", pod.name);
                counts.add(pod);
            }
            assert_eq!(counts, set.counts, "{:?} counts other pods than it has at {now}", set.id);
        }
        let mut claimed: BTreeSet<Arc<str>> = BTreeSet::new();
        for workload in &self.workloads {
            assert!(workload.pods.is_sorted(), "{}: pods out of order at {now}", workload.spec);
            for (ordinal, id) in &workload.ordinals {
                let owner = PodOwner::Ordinal(workload.id, *ordinal);
                let known = self.pod(*id).is_some_and(|pod| pod.owner == owner);
                assert!(known, "{} {ordinal} has no pod at {now}", workload.spec);
            }
        }
        // The scheduler forgets a node whose object is gone, and what its pods used with it
        // (backend/cache/cache.go `UpdateSnapshot`), before the pods are collected.
        let there = |pod: &&Pod| pod.node.is_some_and(|node| self.node(node).is_some());
        for pod in self.pods().filter(there).filter(|pod| !pod.has_ended()) {
            for name in self.claims_of(pod) {
                let alone = self.claim(&name).is_some_and(|claim| claim.one_pod);
                assert!(
                    !alone || claimed.insert(Arc::clone(&name)),
                    "{name} has two pods at {now}"
                );
            }
        }
        for budget in &self.budgets {
            let allowed = budget.status.disruptions_allowed;
            assert!(allowed >= 0, "{} allows {allowed} at {now}", budget.spec.meta.name);
        }
    }

    /// A disk that one node may mount is used on one node: pods that run, and that nobody deletes, are
    /// all on it. (A lost node whose disk was taken by force may come back with a pod that is going.)
    fn check_mounts(&self, now: SimTime) {
        let mut used_on: BTreeMap<Arc<str>, NodeId> = BTreeMap::new();
        let runs = |pod: &&Pod| pod.phase == PodPhase::Running && !pod.is_terminating();
        for pod in self.pods().filter(runs) {
            let node = pod.node.and_then(|node| self.node(node)).filter(|node| node.is_ready());
            let Some(node) = node else { continue };
            for name in self.claims_of(pod) {
                if self.claim(&name).is_some_and(|claim| !claim.shared && claim.driver.is_some()) {
                    let first = *used_on.entry(Arc::clone(&name)).or_insert(node.id);
                    assert_eq!(first, node.id, "{name} is in use on two nodes at {now}");
                }
            }
        }
    }

    /// Asserts what must hold between events: no node over-committed, every bound pod on a live
    /// node and counted there, pending pods unbound, indexes in step.
    ///
    /// # Panics
    /// When one of them does not hold: a bug of ours.
    pub fn check_invariants(&self, now: SimTime) {
        for node in self.nodes() {
            let mut requested = crate::units::Resources::default();
            for id in &node.pods {
                let pod = self.pod(*id).expect("a pod listed on a node is there");
                assert_eq!(pod.node, Some(node.id), "{} is listed where it does not run", pod.name);
                requested += &pod.requests;
            }
            assert_eq!(requested, node.requested, "{}: sums differ at {now}", node.name);
            let over = !requested.fits_in(&node.allocatable) && node.is_ready();
            assert!(!over, "{} is over-committed at {now}", node.name);
            let pods = i64::try_from(node.pods.len()).expect("few pods fit a node");
            assert!(pods <= node.max_pods, "{} runs too many pods at {now}", node.name);
            self.check_disks(node, now);
        }
        self.check_owners(now);
        self.check_mounts(now);
        for pod in self.pods() {
            let pending = pod.node.is_none() && !pod.is_terminating();
            assert_eq!(self.pending.contains(&pod.id), pending, "{} pending at {now}", pod.name);
            // The objects of pods outlive their node until the garbage collector finds them.
            let node = pod.node.and_then(|node| self.node(node));
            if let Some(node) = node.filter(|_| !pod.has_ended()) {
                assert!(node.pods.contains(&pod.id), "{} is not listed on its node", pod.name);
            }
        }
        let counted: usize = self.workloads.iter().map(|workload| workload.pods.len()).sum();
        assert_eq!(counted, self.live_pods, "pods and their owners at {now}");
    }
}
