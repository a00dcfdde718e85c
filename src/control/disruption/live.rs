//! The disruption controller and the eviction subresource on live objects. Both write a budget's
//! status, so they share one memory of it; the cluster's budgets show its figures.

use std::sync::Arc;

use super::{Observation, Owner, OwnerKind, Owners, PodSeen, StoredStatus, Sync, sync};
use crate::cluster::api::budget::PodDisruptionBudgetSpec;
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Budget, Cluster, Pod, PodOwner, Workload};
use crate::control::eviction::{self, BudgetSeen, Effect, PendingDeletion, Refusal, Request};
use crate::model::Action;
use crate::model::action::PodDeletion;
use crate::model::id::{BudgetId, PodId, ReplicaSetId, WorkloadId};
use crate::units::{SimDuration, SimTime};

/// The statuses of all budgets in full.
#[derive(Debug, Clone, Default)]
pub struct Budgets {
    stored: Vec<StoredStatus>,
    /// What the last look at each budget saw, if another that sees the same would do nothing.
    settled: Vec<Option<Settled>>,
}

/// All that a look at a budget depends on.
#[derive(Debug, Clone)]
struct Settled {
    spec: Arc<PodDisruptionBudgetSpec>,
    specs_written: u64,
    workloads: Vec<(WorkloadId, u64)>,
    until: SimTime,
}

impl Budgets {
    /// Budgets that nobody has synchronised yet: evictions are refused until then.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let count = cluster.budgets().len();
        Self { stored: vec![StoredStatus::default(); count], settled: vec![None; count] }
    }

    /// The status of a budget.
    #[must_use]
    pub fn status(&self, id: BudgetId) -> &StoredStatus {
        &self.stored[id.index()]
    }

    /// The disruption controller's look at one budget. Returns what to write to the cluster, and
    /// what the controller found; [`Sync::recheck`] says when to look again at the latest.
    pub fn sync(
        &mut self,
        now: SimTime,
        cluster: &Cluster,
        id: BudgetId,
    ) -> (Option<Action>, Sync) {
        let budget = cluster.budget(id);
        let pods: Vec<PodSeen<'_, LiveOwner>> = selected(cluster, budget)
            .map(|pod| PodSeen {
                pod: pod.id,
                name: &pod.name,
                ready: pod.is_ready(),
                terminating: pod.is_terminating(),
                owner: Some(LiveOwner::of(pod)),
            })
            .collect();
        let sync = sync(&Observation {
            now,
            allowance: budget.spec.allowance,
            generation: budget.generation,
            status: &self.stored[id.index()],
            pods: &pods,
            owners: &LiveOwners(cluster),
        });
        let action = sync.write.clone().map(|status| self.store(id, status));
        self.settled[id.index()] = action.is_none().then(|| Settled {
            spec: Arc::clone(&budget.spec),
            specs_written: cluster.specs_written(),
            workloads: selected_workloads(cluster, budget)
                .map(|workload| (workload.id, cluster.workload_stamp(workload.id)))
                .collect(),
            until: sync.recheck.map_or(SimTime::MAX, |after| now + after),
        });
        (action, sync)
    }

    /// A budget was deleted: what was known of it is forgotten.
    pub fn forget(&mut self, id: BudgetId) {
        self.stored[id.index()] = StoredStatus::default();
        self.settled[id.index()] = None;
    }

    /// Whether the last look at a budget wrote nothing and all that it saw is as it was: then another
    /// one would write nothing either, and look again no sooner.
    #[must_use]
    pub fn is_settled(&self, now: SimTime, cluster: &Cluster, id: BudgetId) -> bool {
        self.settled[id.index()].as_ref().is_some_and(|settled| {
            let same =
                |(workload, stamp): &(WorkloadId, u64)| cluster.workload_stamp(*workload) == *stamp;
            now < settled.until
                && settled.specs_written == cluster.specs_written()
                && Arc::ptr_eq(&settled.spec, &cluster.budget(id).spec)
                && settled.workloads.iter().all(same)
        })
    }

    fn store(&mut self, budget: BudgetId, status: StoredStatus) -> Action {
        let (figures, disrupted) = (status.figures, status.disrupted.clone());
        self.stored[budget.index()] = status;
        self.settled[budget.index()] = None;
        Action::UpdateBudget { budget, status: figures, disrupted }
    }

    /// Asks for the eviction of a pod, through its budgets. Returns what is to be done; an eviction
    /// granted counts at once, before its actions are applied.
    ///
    /// # Errors
    ///
    /// The refusal, in the API server's words.
    pub fn evict(
        &mut self,
        now: SimTime,
        cluster: &Cluster,
        pod: PodId,
        request: Request,
        because: PodDeletion,
    ) -> Result<Vec<Action>, Refusal> {
        let Some(pod) = cluster.pod(pod) else {
            return Err(Refusal::NotFound { name: format!("{pod}").into() });
        };
        let budgets: Vec<BudgetSeen<'_>> = cluster
            .budgets()
            .iter()
            .filter(|budget| budget.selects(pod))
            .map(|budget| BudgetSeen {
                budget: budget.id,
                name: &budget.spec.meta.name,
                generation: budget.generation,
                always_allow_unhealthy: budget.spec.always_allow_unhealthy,
                status: &self.stored[budget.id.index()],
            })
            .collect();
        let granted = eviction::evict(now, request, &observe(pod), &budgets)?;
        let mut actions = Vec::new();
        if let Some((budget, status)) = granted.spent {
            actions.push(self.store(budget, status));
        }
        let grace = match granted.effect {
            Effect::DryRun | Effect::Unchanged => return Ok(actions),
            Effect::Gone => Some(SimDuration::ZERO),
            Effect::Terminates(_) => request.grace,
        };
        actions.push(Action::DeletePod { pod: pod.id, grace, because });
        Ok(actions)
    }
}

fn observe(pod: &Pod) -> eviction::PodSeen {
    eviction::PodSeen {
        pod: pod.id,
        phase: pod.phase,
        ready: pod.is_ready(),
        scheduled: pod.node.is_some(),
        grace: pod.template.spec.termination_grace,
        deletion: pod.deletion.map(|deletion| PendingDeletion {
            deadline: deletion.deadline,
            grace: deletion.deadline.since(deletion.began),
        }),
    }
}

/// The pods that a budget selects, workload by workload.
fn selected<'a>(cluster: &'a Cluster, budget: &'a Budget) -> impl Iterator<Item = &'a Pod> {
    let workloads = selected_workloads(cluster, budget);
    workloads.flat_map(|workload| cluster.pods_of(workload.id)).filter(|pod| budget.selects(pod))
}

/// The workloads some pod of which a budget may select. Labels are those of the template, so that
/// whole workloads can be passed over.
fn selected_workloads<'a>(
    cluster: &'a Cluster,
    budget: &'a Budget,
) -> impl Iterator<Item = &'a Workload> {
    let selector = budget.spec.selector.as_ref();
    let namespace = &budget.spec.meta.namespace;
    cluster.workloads().iter().filter(move |workload| {
        workload.spec.meta.namespace == *namespace
            && selector.is_some_and(|selector| {
                workload.revisions.iter().any(|it| selector.matches(&it.template.labels))
            })
    })
}

/// What owns a live pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LiveOwner {
    ReplicaSet(ReplicaSetId),
    Workload(WorkloadId),
}

impl LiveOwner {
    fn of(pod: &Pod) -> Self {
        match pod.owner {
            PodOwner::ReplicaSet(_, set) => Self::ReplicaSet(set),
            PodOwner::Ordinal(workload, _)
            | PodOwner::Daemon(workload, _)
            | PodOwner::Job(workload, _) => Self::Workload(workload),
        }
    }
}

struct LiveOwners<'a>(&'a Cluster);

impl Owners for LiveOwners<'_> {
    type Ref = LiveOwner;

    fn kind(&self, reference: LiveOwner) -> OwnerKind {
        match reference {
            LiveOwner::ReplicaSet(_) => OwnerKind::ReplicaSet,
            LiveOwner::Workload(id) => match self.0.workload(id).spec.kind {
                WorkloadKind::Deployment { .. } => OwnerKind::Deployment,
                WorkloadKind::StatefulSet { .. } | WorkloadKind::ReplicaSet => OwnerKind::Scalable,
                WorkloadKind::Job(_) => OwnerKind::Unscalable { resource: "jobs.batch" },
                WorkloadKind::DaemonSet { .. } => {
                    OwnerKind::Unscalable { resource: "daemonsets.apps" }
                }
            },
        }
    }

    fn find(&self, reference: LiveOwner) -> Option<Owner<LiveOwner>> {
        match reference {
            LiveOwner::Workload(id) => {
                Some(Owner { replicas: self.0.workload(id).replicas, controller: None })
            }
            LiveOwner::ReplicaSet(id) => {
                let set = self.0.replica_set(id)?;
                let kind = &self.0.workload(set.workload).spec.kind;
                let owned = matches!(kind, WorkloadKind::Deployment { .. });
                let controller = owned.then_some(LiveOwner::Workload(set.workload));
                Some(Owner { replicas: set.replicas, controller })
            }
        }
    }
}
