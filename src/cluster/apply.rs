//! What controllers want, done: the API server's side of every [`Action`].

use std::sync::Arc;

use crate::cluster::api::meta::Labels;
use crate::cluster::api::{Machine, NodeRequest, Taint};
use crate::cluster::counts::PodCounts;
use crate::cluster::node::{Node, NodePhase};
use crate::cluster::occur::ZONE;
use crate::cluster::pod::{Deletion, Pod, PodOwner, PodPhase};
use crate::cluster::state::Cluster;
use crate::cluster::workload::{ReplicaSet, Revision};
use crate::model::action::{Action, NodeLaunch, PodDeletion};
use crate::model::id::{NodeId, PodId, PoolId, ReplicaSetId, WorkloadId};
use crate::model::record::Record;
use crate::units::{SimDuration, SimTime};

impl Cluster {
    /// Applies an action and appends what happened to `records`.
    ///
    /// An action on something that is gone meanwhile does nothing, as a controller's write that
    /// finds no object does nothing.
    pub fn apply(&mut self, now: SimTime, action: &Action, records: &mut Vec<Record>) {
        match action {
            Action::ScaleWorkload { workload, replicas } => {
                self.scale_workload(*workload, *replicas, records);
            }
            Action::CreateReplicaSet { workload, replicas } => {
                self.create_replica_set(now, *workload, *replicas, records);
            }
            Action::ScaleReplicaSet { replica_set, replicas } => {
                if let Some(set) = self.replica_sets[replica_set.index()].as_deref_mut() {
                    set.replicas = *replicas;
                    self.workload_stamps[set.workload.index()] += 1;
                }
            }
            Action::DeleteReplicaSet(id) => self.delete_replica_set(*id),
            Action::CreateReplica(id) => self.create_replica(now, *id, records),
            Action::CreateOrdinal { workload, ordinal, revision } => {
                self.create_ordinal(now, *workload, *ordinal, *revision, records);
            }
            Action::CreateDaemon { workload, node } => {
                self.create_daemon(now, *workload, *node, records);
            }
            Action::StartJob { workload, name } => self.start_job(now, *workload, name, records),
            Action::CreateJobPod { workload, run, index } => {
                self.create_job_pod(now, *workload, (*run, *index), records);
            }
            Action::EndJob { workload, run, failure } => {
                self.end_job(now, *workload, *run, *failure, records);
            }
            Action::SkipJob(workload) => records.push(Record::JobSkipped(*workload)),
            Action::DeletePod { pod, grace, because } => {
                self.delete_pod(now, *pod, *grace, *because, records);
            }
            Action::BindPod { pod, node } => self.bind(now, *pod, *node, records),
            Action::MarkUnschedulable { pod, message } => {
                self.mark_unschedulable(*pod, message, records);
            }
            Action::Cordon(node) => self.set_unschedulable(*node, true, records),
            Action::Uncordon(node) => self.set_unschedulable(*node, false, records),
            Action::AddNode(pool) => {
                let node = self.create_group_node(now, *pool);
                records.push(Record::NodeRequested { node, pool: *pool });
            }
            Action::LaunchNode(launch) => {
                let node = self.create_launched_node(now, launch);
                records.push(Record::NodeRequested { node, pool: launch.pool });
            }
            Action::RemoveNode(id) => {
                if self.node(*id).is_some_and(|node| node.phase != NodePhase::Removing) {
                    let node = self.node_mut(*id);
                    node.phase = NodePhase::Removing;
                    node.phase_since = now;
                    records.push(Record::NodeRemoving(*id));
                }
            }
            Action::UpdateBudget { budget, status, disrupted } => {
                let budget = &mut self.budgets[budget.index()];
                budget.disrupted.clone_from(disrupted);
                if budget.status != *status {
                    budget.status = *status;
                    records.push(Record::BudgetChanged { budget: budget.id, status: *status });
                }
            }
        }
    }

    fn scale_workload(&mut self, id: WorkloadId, replicas: i32, records: &mut Vec<Record>) {
        assert!(replicas >= 0, "a workload cannot have {replicas} replicas");
        let workload = self.workload_mut(id);
        let from = workload.replicas;
        if from != replicas && workload.exists {
            workload.replicas = replicas;
            records.push(Record::WorkloadScaled { workload: id, from, to: replicas });
        }
    }

    fn create_replica_set(
        &mut self,
        now: SimTime,
        owner: WorkloadId,
        replicas: i32,
        records: &mut Vec<Record>,
    ) {
        let id = ReplicaSetId::at(self.replica_sets.len());
        let workload = self.workload_mut(owner);
        workload.replica_sets.push(id);
        let revision = workload.wanted_revision();
        self.replica_sets.push(Some(Box::new(ReplicaSet {
            id,
            workload: owner,
            revision,
            replicas,
            created: now,
            pods: Vec::new(),
            counts: PodCounts::default(),
        })));
        records.push(Record::ReplicaSetCreated(id, owner));
    }

    fn delete_replica_set(&mut self, id: ReplicaSetId) {
        let Some(set) = self.replica_sets[id.index()].take() else { return };
        assert!(set.pods.is_empty(), "only an empty ReplicaSet is deleted");
        self.workload_mut(set.workload).replica_sets.retain(|other| *other != id);
    }

    fn create_replica(&mut self, now: SimTime, id: ReplicaSetId, records: &mut Vec<Record>) {
        let Some(set) = self.replica_set(id) else { return };
        let (owner, revision) = (set.workload, set.revision);
        let workload = &mut self.workloads[owner.index()];
        let name = format!("{}-{}", workload.spec.meta.name, workload.next_pod);
        workload.next_pod += 1;
        let revision = workload.revisions[usize::try_from(revision).expect("u32 fits")].clone();
        let owner = PodOwner::ReplicaSet(owner, id);
        let Some(pod) = self.create_pod(now, name, owner, revision, records) else { return };
        let set = self.replica_sets[id.index()].as_deref_mut().expect("it was there above");
        set.pods.push(pod);
        set.counts.add(self.pods[pod.index()].as_deref().expect("it was just made"));
    }

    fn create_ordinal(
        &mut self,
        now: SimTime,
        owner: WorkloadId,
        ordinal: i32,
        revision: u32,
        records: &mut Vec<Record>,
    ) {
        let workload = &self.workloads[owner.index()];
        assert!(!workload.ordinals.contains_key(&ordinal), "an ordinal has one pod");
        let name = format!("{}-{ordinal}", workload.spec.meta.name);
        let revision = workload.revisions[usize::try_from(revision).expect("u32 fits")].clone();
        let who = PodOwner::Ordinal(owner, ordinal);
        let Some(pod) = self.create_pod(now, name, who, revision, records) else { return };
        self.workloads[owner.index()].ordinals.insert(ordinal, pod);
        let namespace = Arc::clone(&self.workloads[owner.index()].spec.meta.namespace);
        self.make_template_claims(PodOwner::Ordinal(owner, ordinal), &namespace);
    }

    fn create_daemon(
        &mut self,
        now: SimTime,
        owner: WorkloadId,
        node: NodeId,
        records: &mut Vec<Record>,
    ) {
        let Some(target) = self.node(node) else { return };
        let workload = &self.workloads[owner.index()];
        let name = format!("{}-{}", workload.spec.meta.name, target.name);
        let revision = workload.wanted().clone();
        self.create_pod(now, name, PodOwner::Daemon(owner, node), revision, records);
    }

    /// Makes a pod, unless a quota forbids it.
    pub(super) fn create_pod(
        &mut self,
        now: SimTime,
        name: String,
        owner: PodOwner,
        revision: Revision,
        records: &mut Vec<Record>,
    ) -> Option<PodId> {
        if let Some(message) = self.forbidden_by_quota(now, owner.workload(), &name, &revision) {
            records.push(Record::PodForbidden { workload: owner.workload(), message });
            return None;
        }
        let id = PodId::at(self.pods.len());
        let name: Arc<str> = Arc::from(name);
        self.workload_stamps[owner.workload().index()] += 1;
        let workload = &mut self.workloads[owner.workload().index()];
        workload.pods.push(id);
        let Revision { template, template_id, requests, scoring_requests } = revision;
        self.pods.push(Some(Box::new(Pod {
            id,
            name: Arc::clone(&name),
            namespace: Arc::clone(&workload.spec.meta.namespace),
            owner,
            template,
            template_id,
            requests,
            scoring_requests,
            created: now,
            node: None,
            bound: None,
            phase: PodPhase::Pending,
            started: None,
            ready: None,
            deletion: None,
            unschedulable: None,
            restarts: 0,
            sidecar_restarts: 0,
        })));
        self.pod_stamps.push(1);
        self.live_pods += 1;
        self.pending.insert(id);
        records.push(Record::PodCreated { pod: id, workload: owner.workload(), name });
        Some(id)
    }

    fn delete_pod(
        &mut self,
        now: SimTime,
        id: PodId,
        grace: Option<SimDuration>,
        because: PodDeletion,
        records: &mut Vec<Record>,
    ) {
        let Some(pod) = self.pod(id) else { return };
        let deadline = now + grace.unwrap_or(pod.template.spec.termination_grace);
        if let Some(deletion) = pod.deletion {
            // A later request may shorten the grace, never lengthen it (rest.BeforeDelete).
            let earlier = Deletion { deadline: deletion.deadline.min(deadline), ..deletion };
            self.change_pod(id, |pod| pod.deletion = Some(earlier));
            return;
        }
        let deletion = Deletion { began: now, deadline, because };
        self.change_pod(id, |pod| pod.deletion = Some(deletion));
        self.job_pod_deleted(now, id, because);
        self.pending.remove(&id);
        let node = self.pod(id).and_then(|pod| pod.node);
        if let Some(node) = node.filter(|node| self.node(*node).is_some()) {
            self.node_mut(node);
        }
        records.push(Record::PodTerminating { pod: id, because });
    }

    fn bind(&mut self, now: SimTime, id: PodId, node: NodeId, records: &mut Vec<Record>) {
        let Some(pod) = self.pod(id) else { return };
        if pod.is_terminating() || self.node(node).is_none() {
            return;
        }
        assert!(pod.node.is_none(), "{} is bound already", pod.name);
        let (requests, scoring) = (Arc::clone(&pod.requests), Arc::clone(&pod.scoring_requests));
        let waited = now.since(pod.created);
        let target = self.node_mut(node);
        target.pods.push(id);
        target.requested += &requests;
        target.scoring_requested += &scoring;
        self.change_pod(id, |pod| {
            pod.node = Some(node);
            pod.bound = Some(now);
            pod.unschedulable = None;
        });
        self.pending.remove(&id);
        records.push(Record::PodBound { pod: id, node, waited });
    }

    fn mark_unschedulable(&mut self, id: PodId, message: &Arc<str>, records: &mut Vec<Record>) {
        if self.pod(id).is_none_or(|pod| pod.unschedulable.as_ref() == Some(message)) {
            return;
        }
        self.change_pod(id, |pod| pod.unschedulable = Some(Arc::clone(message)));
        records.push(Record::PodUnschedulable { pod: id, message: Arc::clone(message) });
    }

    fn set_unschedulable(&mut self, id: NodeId, value: bool, records: &mut Vec<Record>) {
        if self.node(id).is_none_or(|node| node.unschedulable == value) {
            return;
        }
        self.node_mut(id).unschedulable = value;
        records.push(if value { Record::NodeCordoned(id) } else { Record::NodeUncordoned(id) });
    }

    /// Makes the node that an instance of the pool will become. Its zone is the one with the fewest
    /// nodes of the pool among those that work, as auto scaling groups balance zones.
    fn create_group_node(&mut self, now: SimTime, pool: PoolId) -> NodeId {
        let zone = self.zones_by_need(pool).into_iter().next();
        let name = self.next_name(pool);
        let pool = self.pool(pool);
        let instance = Arc::clone(&pool.spec.instance);
        let machine = Machine { instance, zone, spot: pool.spec.spot };
        let labels = node_labels(&pool.spec.labels, &name, &machine);
        let (id, taints) = (pool.id, pool.spec.taints.clone());
        self.create_node(now, id, name, machine, (labels, taints), true)
    }

    /// Makes the node of a machine that was chosen with its zone.
    fn create_launched_node(&mut self, now: SimTime, launch: &NodeLaunch) -> NodeId {
        let name = self.next_name(launch.pool);
        let spec = &self.pool(launch.pool).spec;
        let instance = Arc::clone(&spec.instance);
        let zone = Some(Arc::clone(&launch.zone));
        let machine = Machine { instance, zone, spot: spec.spot };
        let mut labels = node_labels(&spec.labels, &name, &machine);
        labels.extend(launch.labels.clone());
        let taints = spec.taints.clone();
        let node = self.create_node(now, launch.pool, name, machine, (labels, taints), false);
        self.node_mut(node).annotations.clone_from(&launch.annotations);
        node
    }

    fn next_name(&mut self, pool: PoolId) -> Arc<str> {
        let pool = &mut self.pools[pool.index()];
        let name = Arc::from(format!("{}-{}", pool.spec.name, pool.next_node));
        pool.next_node += 1;
        name
    }

    /// Makes the node that a machine asked for by itself will become.
    pub(super) fn create_requested_node(
        &mut self,
        now: SimTime,
        request: NodeRequest,
        records: &mut Vec<Record>,
    ) {
        let NodeRequest { pool, machine, labels, taints } = request;
        let name = self.next_name(pool);
        let labels = node_labels(&labels, &name, &machine);
        let node = self.create_node(now, pool, name, machine, (labels, taints), false);
        records.push(Record::NodeRequested { node, pool });
    }

    fn create_node(
        &mut self,
        now: SimTime,
        pool: PoolId,
        name: Arc<str>,
        machine: Machine,
        (labels, taints): (Labels, Vec<Taint>),
        of_group: bool,
    ) -> NodeId {
        let id = NodeId::at(self.nodes.len());
        let generation = self.next_generation(id);
        let pool = &mut self.pools[pool.index()];
        pool.nodes.push(id);
        let instance = &machine.instance;
        let mut allocatable = instance.allocatable.clone();
        if pool.spec.gpu_ready.is_some() {
            for (resource, _) in instance.allocatable.extended() {
                allocatable.set(resource, 0);
            }
        }
        self.nodes.push(Some(Box::new(Node {
            id,
            name,
            pool: Some(pool.id),
            labels,
            annotations: Labels::new(),
            taints,
            unschedulable: false,
            capacity: instance.capacity.clone(),
            allocatable,
            max_pods: instance.max_pods,
            images: Vec::new(),
            created: now,
            phase: NodePhase::Requested,
            phase_since: now,
            of_group,
            launched: None,
            machine,
            machine_gone: false,
            pods: Vec::new(),
            requested: crate::units::Resources::default(),
            scoring_requested: crate::units::Resources::default(),
            generation,
        })));
        self.live_nodes.push(id);
        id
    }

    /// The zones of a pool in the order in which its group tries them: those that work first, the
    /// one with the fewest of its nodes before the others.
    #[must_use]
    pub fn zones_by_need(&self, pool: PoolId) -> Vec<Arc<str>> {
        let pool = self.pool(pool);
        let members = |zone: &Arc<str>| {
            let mine = pool.nodes.iter().filter_map(|id| self.node(*id));
            mine.filter(|node| node.zone() == Some(&**zone)).count()
        };
        let mut zones = pool.spec.zones.clone();
        zones.sort_by_cached_key(|zone| (self.is_zone_failed(zone), members(zone)));
        zones
    }

    /// Whether a zone does not work at present.
    #[must_use]
    pub fn is_zone_failed(&self, zone: &str) -> bool {
        self.failed_zones.contains(zone)
    }
}

/// The labels a node carries, the well-known ones among them.
#[must_use]
pub fn node_labels(own: &Labels, name: &Arc<str>, machine: &Machine) -> Labels {
    let mut labels = own.clone();
    let mut set = |key: &str, value: &Arc<str>| {
        labels.entry(Arc::from(key)).or_insert_with(|| Arc::clone(value));
    };
    set("kubernetes.io/hostname", name);
    set("node.kubernetes.io/instance-type", &machine.instance.name);
    set("kubernetes.io/os", &Arc::from("linux"));
    set("kubernetes.io/arch", &Arc::from("amd64"));
    if let Some(zone) = &machine.zone {
        set(ZONE, zone);
    }
    labels
}
