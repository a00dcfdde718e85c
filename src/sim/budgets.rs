//! Disruption budgets and evictions in the run.

use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Cluster, Pod, PodOwner};
use crate::control::disruption::{self, Observation, Owner, OwnerKind, Owners, PodSeen};
use crate::control::eviction::{self, BudgetSeen, Effect, PendingDeletion, Refusal, Request};
use crate::model::action::PodDeletion;
use crate::model::id::{BudgetId, PodId, ReplicaSetId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::Record;
use crate::model::{Action, Event};
use crate::sim::Run;
use crate::sim::workloads::budgets_of;
use crate::units::SimTime;

/// A controller reference of a pod or of a ReplicaSet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum OwnerRef {
    Workload(WorkloadId),
    Set(ReplicaSetId),
}

/// The owners of pods, looked up in the live cluster.
struct LiveOwners<'a>(&'a Cluster);

impl Owners for LiveOwners<'_> {
    type Ref = OwnerRef;

    fn kind(&self, reference: OwnerRef) -> OwnerKind {
        match reference {
            OwnerRef::Set(_) => OwnerKind::ReplicaSet,
            OwnerRef::Workload(id) => match self.0.workload(id).spec.kind {
                WorkloadKind::Deployment { .. } => OwnerKind::Deployment,
                WorkloadKind::StatefulSet { .. } | WorkloadKind::ReplicaSet => OwnerKind::Scalable,
                WorkloadKind::DaemonSet { .. } => {
                    OwnerKind::Unscalable { resource: "daemonsets.apps" }
                }
            },
        }
    }

    fn find(&self, reference: OwnerRef) -> Option<Owner<OwnerRef>> {
        match reference {
            OwnerRef::Workload(id) => {
                Some(Owner { replicas: self.0.workload(id).replicas, controller: None })
            }
            OwnerRef::Set(id) => {
                let set = self.0.replica_set(id)?;
                let owner = self.0.workload(set.workload);
                let owned = matches!(owner.spec.kind, WorkloadKind::Deployment { .. });
                let controller = owned.then_some(OwnerRef::Workload(set.workload));
                Some(Owner { replicas: set.replicas, controller })
            }
        }
    }
}

fn owner_of(pod: &Pod) -> OwnerRef {
    match pod.owner {
        PodOwner::ReplicaSet(_, set) => OwnerRef::Set(set),
        PodOwner::Ordinal(workload, _) | PodOwner::Daemon(workload, _) => {
            OwnerRef::Workload(workload)
        }
    }
}

impl<O: Observer> Run<'_, O> {
    /// The disruption controller looks at every budget.
    pub(super) fn sync_budgets(&mut self, now: SimTime) {
        self.workloads.budgets_woken = false;
        for position in 0..self.cluster.budgets().len() {
            self.sync_budget(now, BudgetId::at(position));
        }
    }

    fn sync_budget(&mut self, now: SimTime, id: BudgetId) {
        let budget = self.cluster.budget(id);
        let pods: Vec<PodSeen<'_, OwnerRef>> = selected(&self.cluster, id)
            .map(|pod| PodSeen {
                pod: pod.id,
                name: &pod.name,
                ready: pod.is_ready(),
                terminating: pod.is_terminating(),
                owner: Some(owner_of(pod)),
            })
            .collect();
        let sync = disruption::sync(&Observation {
            now,
            allowance: budget.spec.allowance,
            generation: 1,
            status: &self.workloads.budgets[id.index()],
            pods: &pods,
            owners: &LiveOwners(&self.cluster),
        });
        if let Some(status) = sync.write {
            self.store_budget(now, id, status);
        }
        if let Some(after) = sync.recheck {
            self.schedule(after, Event::Budgets);
        }
    }

    fn store_budget(&mut self, now: SimTime, id: BudgetId, status: disruption::StoredStatus) {
        let disrupted = status.disrupted.clone();
        self.apply(now, &Action::UpdateBudget { budget: id, status: status.figures, disrupted });
        self.workloads.budgets[id.index()] = status;
    }

    /// Asks the eviction subresource. What was granted is carried out; a refusal is recorded and
    /// returned.
    pub(super) fn evict(
        &mut self,
        now: SimTime,
        id: PodId,
        because: PodDeletion,
    ) -> Result<(), Refusal> {
        let Some(pod) = self.cluster.pod(id) else { return Ok(()) };
        let node = pod.node;
        let seen = eviction::PodSeen {
            pod: id,
            phase: pod.phase,
            ready: pod.is_ready(),
            scheduled: pod.node.is_some(),
            grace: pod.template.spec.termination_grace,
            deletion: pod.deletion.map(|deletion| PendingDeletion {
                deadline: deletion.deadline,
                grace: deletion.deadline.since(deletion.began),
            }),
        };
        let budgets: Vec<BudgetSeen<'_>> = budgets_of(&self.cluster, pod)
            .map(|budget| BudgetSeen {
                budget,
                name: &self.cluster.budget(budget).spec.meta.name,
                generation: 1,
                always_allow_unhealthy: self.cluster.budget(budget).spec.always_allow_unhealthy,
                status: &self.workloads.budgets[budget.index()],
            })
            .collect();
        match eviction::evict(now, Request::default(), &seen, &budgets) {
            Ok(granted) => {
                if let Some((budget, status)) = granted.spent {
                    self.store_budget(now, budget, status);
                }
                match granted.effect {
                    Effect::Gone | Effect::Terminates(_) => {
                        self.apply(now, &Action::DeletePod { pod: id, grace: None, because });
                    }
                    Effect::DryRun | Effect::Unchanged => {}
                }
                Ok(())
            }
            Err(refusal) => {
                if let (Some(reason), Some(node)) = (refusal.because(), node) {
                    self.records.push(Record::EvictionRefused { pod: id, node, reason });
                }
                Err(refusal)
            }
        }
    }
}

/// The pods that a budget selects, found through the templates of the workloads.
fn selected(cluster: &Cluster, id: BudgetId) -> impl Iterator<Item = &Pod> {
    let budget = cluster.budget(id);
    let possible = cluster.workloads().iter().filter(move |workload| {
        let mut revisions = workload.revisions.iter();
        let selector = budget.spec.selector.as_ref();
        revisions.any(|r| selector.is_some_and(|selector| selector.matches(&r.template.labels)))
    });
    let pods = possible.flat_map(|workload| cluster.pods_of(workload.id));
    pods.filter(move |pod| budget.selects(pod))
}
