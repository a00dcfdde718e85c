//! The workload controllers' place in the run: what they see is gathered, what they want is applied.
//!
//! A controller looks a short reaction time after something it watches changed, once however often
//! it was woken. The status that it stores with its object is kept here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::RngExt;

use crate::cluster::api::workload::{StatefulSetUpdate, WorkloadKind};
use crate::cluster::{Cluster, ConditionStatus, Pod, PodOwner, PodPhase, Workload};
use crate::control::replica_set::{ActivePhase, Need, Ranks};
use crate::control::{daemon_set, deployment, disruption, replica_set, stateful_set};
use crate::model::action::PodDeletion;
use crate::model::id::{BudgetId, NodeId, PodId, ReplicaSetId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::{Decider, Record};
use crate::model::{Action, Event, Reason};
use crate::sim::Run;
use crate::units::convert::count_i32;
use crate::units::{SimDuration, SimTime};

/// What the workload controllers remember between looks.
pub(super) struct WorkloadState {
    /// Workloads whose controller will look soon.
    woken: Vec<bool>,
    /// The last reason of each controller, told once.
    told: Vec<Option<Reason>>,
    /// Status of the Deployments.
    deployments: BTreeMap<WorkloadId, deployment::Status>,
    /// Annotations of the ReplicaSets.
    annotations: BTreeMap<ReplicaSetId, deployment::Annotations>,
    /// `status.currentRevision` of the StatefulSets.
    current_revisions: BTreeMap<WorkloadId, u32>,
    /// Stored status of the budgets, by id.
    pub(super) budgets: Vec<disruption::StoredStatus>,
    /// Whether the disruption controller will look soon.
    pub(super) budgets_woken: bool,
    /// Pods whose process was told to end and is finishing what is inside.
    pub(super) sigterm_sent: BTreeSet<PodId>,
}

impl WorkloadState {
    pub(super) fn new(cluster: &Cluster) -> Self {
        let count = cluster.workloads().len();
        Self {
            woken: vec![false; count],
            told: vec![None; count],
            deployments: BTreeMap::new(),
            annotations: BTreeMap::new(),
            current_revisions: BTreeMap::new(),
            budgets: vec![disruption::StoredStatus::default(); cluster.budgets().len()],
            budgets_woken: false,
            sigterm_sent: BTreeSet::new(),
        }
    }
}

impl<O: Observer> Run<'_, O> {
    /// A workload's controller looks soon, once however often it is woken.
    pub(super) fn wake_workload(&mut self, id: WorkloadId) {
        if !std::mem::replace(&mut self.workloads.woken[id.index()], true) {
            let delay = if self.booting {
                SimDuration::ZERO
            } else {
                self.scenario.timings.controller_reaction
            };
            self.schedule(delay, Event::Workload(id));
        }
    }

    /// The set of nodes changed: every DaemonSet looks.
    pub(super) fn wake_daemon_sets(&mut self) {
        let daemons: Vec<WorkloadId> = self
            .cluster
            .workloads()
            .iter()
            .filter(|workload| matches!(workload.spec.kind, WorkloadKind::DaemonSet { .. }))
            .map(|workload| workload.id)
            .collect();
        for workload in daemons {
            self.wake_workload(workload);
        }
    }

    /// A workload's controller looks.
    pub(super) fn sync_workload(&mut self, now: SimTime, id: WorkloadId) {
        self.workloads.woken[id.index()] = false;
        let spec = Arc::clone(&self.cluster.workload(id).spec);
        let reason = match &spec.kind {
            WorkloadKind::Deployment { .. } => self.sync_deployment(now, id),
            WorkloadKind::StatefulSet { update, parallel, ordinals_start, .. } => {
                self.sync_stateful_set(now, id, (*update, *parallel, *ordinals_start))
            }
            WorkloadKind::DaemonSet { .. } => self.sync_daemon_set(now, id),
            WorkloadKind::ReplicaSet => self.sync_bare_set(now, id),
        };
        if self.workloads.told[id.index()].as_ref() != Some(&reason) {
            self.workloads.told[id.index()] = Some(reason.clone());
            self.records.push(Record::Decided { by: Decider::Workload(id), reason });
        }
    }

    fn requeue(&mut self, id: WorkloadId, after: Option<SimDuration>) {
        if let Some(after) = after {
            self.schedule(after, Event::Workload(id));
        }
    }

    fn sync_deployment(&mut self, now: SimTime, id: WorkloadId) -> Reason {
        let workload = self.cluster.workload(id);
        let sets: Vec<deployment::SetSeen> =
            workload.replica_sets.iter().map(|set| self.set_seen(now, *set)).collect();
        let sync = {
            let stored = self.workloads.deployments.entry(id).or_default();
            let seen = deployment::Observation {
                now,
                deployment: deployment_seen(workload),
                wanted: workload.wanted_revision(),
                status: stored,
                sets: &sets,
            };
            deployment::sync(&seen)
        };
        let by_template: BTreeMap<u32, ReplicaSetId> = sets
            .iter()
            .zip(&workload.replica_sets)
            .map(|(seen, set)| (seen.template, *set))
            .collect();
        if let Some(new) = sync.create {
            self.apply(now, &Action::CreateReplicaSet { workload: id, replicas: new.replicas });
            let set = *self.cluster.workload(id).replica_sets.last().expect("it was just made");
            self.workloads.annotations.insert(set, new.annotations);
        }
        for update in &sync.updates {
            let set = by_template[&update.template];
            self.workloads.annotations.insert(set, update.annotations);
            self.apply(
                now,
                &Action::ScaleReplicaSet { replica_set: set, replicas: update.replicas },
            );
        }
        for template in &sync.delete {
            let set = by_template[template];
            if self.cluster.replica_set(set).is_some_and(|set| set.pods.is_empty()) {
                self.workloads.annotations.remove(&set);
                self.apply(now, &Action::DeleteReplicaSet(set));
            }
        }
        self.workloads.deployments.insert(id, sync.status);
        self.requeue(id, sync.requeue);
        let mut reason = match sync.step {
            deployment::Step::RolledOut if sets.len() > 1 => Reason::RollingOut,
            deployment::Step::RolledOut
            | deployment::Step::Nothing
            | deployment::Step::Paused
            | deployment::Step::Scaled => Reason::InSync,
        };
        for set in self.cluster.workload(id).replica_sets.clone() {
            let need = self.sync_replica_set(now, set);
            if reason == Reason::InSync {
                reason = need.because();
            }
        }
        reason
    }

    fn set_seen(&self, now: SimTime, id: ReplicaSetId) -> deployment::SetSeen {
        let set = self.cluster.replica_set(id).expect("a listed ReplicaSet is there");
        let min_ready = self.cluster.workload(set.workload).spec.min_ready;
        let pods = || set.pods.iter().filter_map(|pod| self.cluster.pod(*pod));
        let active = || pods().filter(|pod| pod.is_active());
        deployment::SetSeen {
            template: set.revision,
            created: set.created.floor_to_second(),
            replicas: set.replicas,
            annotations: self.workloads.annotations.get(&id).copied().unwrap_or_default(),
            active: count_i32(active().count()),
            ready: count_i32(active().filter(|pod| pod.is_ready()).count()),
            available: count_i32(active().filter(|pod| is_available(now, pod, min_ready)).count()),
            has_living_pods: pods()
                .any(|pod| !matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed)),
        }
    }

    /// A ReplicaSet that belongs to nobody is its own workload.
    fn sync_bare_set(&mut self, now: SimTime, id: WorkloadId) -> Reason {
        let replicas = self.cluster.workload(id).replicas;
        match self.cluster.workload(id).replica_sets.first().copied() {
            None => self.apply(now, &Action::CreateReplicaSet { workload: id, replicas }),
            Some(replica_set) => {
                self.apply(now, &Action::ScaleReplicaSet { replica_set, replicas });
            }
        }
        let set = self.cluster.workload(id).replica_sets[0];
        self.sync_replica_set(now, set).because()
    }

    fn sync_replica_set(&mut self, now: SimTime, id: ReplicaSetId) -> Need {
        let set = self.cluster.replica_set(id).expect("a listed ReplicaSet is there");
        let pods = || set.pods.iter().filter_map(|pod| self.cluster.pod(*pod));
        let active: Vec<&Pod> = pods().filter(|pod| pod.is_active()).collect();
        let need = replica_set::need(active.len(), set.replicas);
        match need {
            Need::InSync => {}
            Need::Create(count) => {
                for _ in 0..count {
                    self.apply(now, &Action::CreateReplica(id));
                }
            }
            Need::Delete(count) => {
                let workload = self.cluster.workload(set.workload);
                let because = if set.revision == workload.wanted_revision() {
                    PodDeletion::ScaleDown
                } else {
                    PodDeletion::Rollout
                };
                let ranks = self.ranks(workload);
                let seen: Vec<replica_set::PodSeen> =
                    active.iter().map(|pod| self.replica_seen(pod, &ranks)).collect();
                let order = replica_set::order_of_deletion(now, &seen);
                let victims = order.into_iter().take(usize::try_from(count).unwrap_or(0));
                for pod in victims.map(|seen| seen.pod).collect::<Vec<_>>() {
                    self.apply(now, &Action::DeletePod { pod, grace: None, because });
                }
            }
        }
        need
    }

    fn ranks(&self, workload: &Workload) -> Ranks {
        if matches!(workload.spec.kind, WorkloadKind::ReplicaSet) {
            return Ranks::default();
        }
        let pods = workload.pods.iter().filter_map(|pod| self.cluster.pod(*pod));
        Ranks::of_related(pods.filter(|pod| pod.is_active()).filter_map(|pod| pod.node))
    }

    fn replica_seen(&self, pod: &Pod, ranks: &Ranks) -> replica_set::PodSeen {
        let cost = pod.template.annotations.get("controller.kubernetes.io/pod-deletion-cost");
        replica_set::PodSeen {
            pod: pod.id,
            // Uids are random; the stream of the pod's name stands for the API server's draw.
            uid: self.streams.of(&format!("uid/{}", pod.name)).random(),
            node: pod.node,
            phase: if pod.phase == PodPhase::Pending {
                ActivePhase::Pending
            } else {
                ActivePhase::Running
            },
            ready_since: ready_since(pod),
            deletion_cost: cost.and_then(|cost| cost.parse().ok()).unwrap_or(0),
            rank: ranks.of(pod.node),
            restarts: i32::try_from(pod.restarts).unwrap_or(i32::MAX),
            sidecar_restarts: 0,
            created: pod.created.floor_to_second(),
        }
    }

    fn sync_stateful_set(
        &mut self,
        now: SimTime,
        id: WorkloadId,
        (update, parallel, start): (StatefulSetUpdate, bool, i32),
    ) -> Reason {
        let workload = self.cluster.workload(id);
        let update_revision = workload.wanted_revision();
        let current_revision =
            self.workloads.current_revisions.get(&id).copied().unwrap_or(update_revision);
        let pods = workload.ordinals.iter().filter_map(|(ordinal, pod)| {
            let pod = self.cluster.pod(*pod)?;
            Some((*ordinal, ordinal_seen(workload, pod)))
        });
        let pods: BTreeMap<i32, stateful_set::PodSeen> = pods.collect();
        let sync = stateful_set::sync(&stateful_set::Observation {
            now,
            replicas: workload.replicas,
            start,
            parallel,
            update,
            min_ready: workload.spec.min_ready,
            current_revision,
            update_revision,
            pods: &pods,
        });
        self.workloads.current_revisions.insert(id, sync.status.current_revision);
        for (ordinal, revision) in &sync.create {
            let (ordinal, revision) = (*ordinal, *revision);
            self.apply(now, &Action::CreateOrdinal { workload: id, ordinal, revision });
        }
        for (ordinal, why) in &sync.delete {
            let because = match why {
                stateful_set::Deletion::Update => PodDeletion::Rollout,
                stateful_set::Deletion::Ended | stateful_set::Deletion::ScaleDown => {
                    PodDeletion::ScaleDown
                }
            };
            let pod = pods[ordinal].pod;
            self.apply(now, &Action::DeletePod { pod, grace: None, because });
        }
        self.requeue(id, sync.recheck);
        sync.because()
    }

    fn sync_daemon_set(&mut self, now: SimTime, id: WorkloadId) -> Reason {
        let workload = self.cluster.workload(id);
        let WorkloadKind::DaemonSet { rolling_update } = workload.spec.kind else {
            unreachable!("only DaemonSets are synchronised here")
        };
        let nodes: Vec<daemon_set::NodeSeen<'_>> = self
            .cluster
            .nodes()
            .filter(|node| node.has_joined())
            .map(|node| daemon_set::NodeSeen {
                node: node.id,
                name: &node.name,
                labels: &node.labels,
                taints: &node.taints,
            })
            .collect();
        let wanted = workload.wanted().template_id;
        let pods: Vec<daemon_set::PodSeen<'_>> =
            self.cluster.pods_of(id).filter_map(|pod| daemon_seen(pod, wanted)).collect();
        let sync = daemon_set::sync(&daemon_set::Observation {
            now,
            template: &workload.wanted().template.spec,
            min_ready: workload.spec.min_ready,
            rolling_update,
            nodes: &nodes,
            pods: &pods,
        });
        let creations: Vec<NodeId> = sync.creations().collect();
        let deletions: Vec<PodId> = sync.deletions().collect();
        let because = if sync.by_update { PodDeletion::Rollout } else { PodDeletion::ScaleDown };
        for node in &creations {
            self.apply(now, &Action::CreateDaemon { workload: id, node: *node });
        }
        for pod in &deletions {
            self.apply(now, &Action::DeletePod { pod: *pod, grace: None, because });
        }
        if !creations.is_empty() {
            Reason::TooFewPods { missing: count_i32(creations.len()) }
        } else if !deletions.is_empty() {
            Reason::TooManyPods { excess: count_i32(deletions.len()) }
        } else {
            Reason::InSync
        }
    }
}

fn deployment_seen(workload: &Workload) -> deployment::DeploymentSeen {
    let WorkloadKind::Deployment { strategy, progress_deadline, revision_history_limit, paused } =
        workload.spec.kind
    else {
        unreachable!("only Deployments are synchronised here")
    };
    deployment::DeploymentSeen {
        replicas: workload.replicas,
        strategy,
        progress_deadline,
        revision_history_limit,
        paused,
        generation: 1,
    }
}

fn ready_since(pod: &Pod) -> Option<SimTime> {
    pod.ready
        .filter(|ready| ready.status == ConditionStatus::True)
        .map(|ready| ready.since.floor_to_second())
}

fn is_available(now: SimTime, pod: &Pod, min_ready: SimDuration) -> bool {
    pod.ready
        .filter(|ready| ready.status == ConditionStatus::True)
        .is_some_and(|ready| ready.since + min_ready <= now)
}

fn ordinal_seen(workload: &Workload, pod: &Pod) -> stateful_set::PodSeen {
    let revision = workload.revisions.iter().position(|known| known.template_id == pod.template_id);
    stateful_set::PodSeen {
        pod: pod.id,
        revision: crate::units::convert::count_u32(revision.unwrap_or_default()),
        phase: pod.phase,
        ready_since: ready_since(pod),
        terminating: pod.is_terminating(),
    }
}

fn daemon_seen(pod: &Pod, wanted: crate::cluster::TemplateId) -> Option<daemon_set::PodSeen<'_>> {
    let PodOwner::Daemon(_, node) = pod.owner else { return None };
    Some(daemon_set::PodSeen {
        pod: pod.id,
        name: &pod.name,
        node,
        scheduled: pod.node.is_some(),
        updated: pod.template_id == wanted,
        phase: pod.phase,
        ready_since: ready_since(pod),
        created: pod.created.floor_to_second(),
        terminating: pod.is_terminating(),
        in_backoff: false,
    })
}

/// The budgets whose selector matches a pod.
pub(super) fn budgets_of<'a>(
    cluster: &'a Cluster,
    pod: &'a Pod,
) -> impl Iterator<Item = BudgetId> + 'a {
    cluster.budgets().iter().filter(move |budget| budget.selects(pod)).map(|budget| budget.id)
}
