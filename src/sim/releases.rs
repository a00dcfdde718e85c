//! What a release writes to the cluster and takes from it, and the way back.
//!
//! Helm writes the objects of a release by kind, those that are not there as new ones, and deletes
//! what the release before had and this one has not (pkg/kube/client.go `Update`). What an object
//! made goes with it: the garbage collector deletes pods without an owner at once.

use std::sync::Arc;

use crate::cluster::api::pod::PodTemplate;
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::api::{PodDisruptionBudgetSpec, ResourceQuotaSpec, WorkloadSpec};
use crate::cluster::{Occurrence, forbidden_update};
use crate::control::hpa::{Hpa, HpaSpec};
use crate::model::Action;
use crate::model::action::PodDeletion;
use crate::model::id::{BudgetId, DisruptionId, HpaId, PodId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::About;
use crate::scenario::rollout::{restarted, with_image};
use crate::scenario::{Gone, RolloutSpec, WorkloadChange};
use crate::sim::Run;
use crate::units::SimTime;

/// What was there before a release; `None` was not.
#[derive(Debug)]
pub(super) struct Before {
    workloads: Vec<(WorkloadId, Option<Arc<WorkloadSpec>>)>,
    hpas: Vec<(HpaId, Option<HpaSpec>)>,
    /// The ScaledObjects behind them, by position.
    keda: Vec<(HpaId, Option<usize>)>,
    budgets: Vec<(BudgetId, Option<Arc<PodDisruptionBudgetSpec>>)>,
    quotas: Vec<Arc<ResourceQuotaSpec>>,
}

impl Before {
    /// The workloads that were there.
    pub(super) fn was_there(&self) -> impl Iterator<Item = WorkloadId> {
        self.workloads.iter().filter(|(_, spec)| spec.is_some()).map(|(id, _)| *id)
    }
}

impl<O: Observer> Run<'_, O> {
    /// Writes the objects of a release. Answers what the API server refused, by name.
    pub(super) fn write_objects(
        &mut self,
        now: SimTime,
        id: DisruptionId,
        spec: &RolloutSpec,
    ) -> Vec<(Arc<str>, Arc<str>)> {
        let mut refused = Vec::new();
        if !spec.quotas.is_empty() {
            let quotas = with_quotas(self.cluster.quotas(), &spec.quotas);
            self.occur(now, Occurrence::QuotasWritten(quotas));
            self.workloads.quotas_changed = true;
        }
        for (budget, new) in &spec.budgets {
            self.occur(now, Occurrence::BudgetWritten(*budget, Arc::clone(new)));
        }
        for claim in &spec.claims {
            self.occur(now, Occurrence::ClaimWritten(Arc::clone(claim)));
        }
        for (workload, change) in &spec.workloads {
            match self.changed(*workload, change) {
                Ok(written) => self.write_workload(now, *workload, written),
                Err(why) => {
                    let name = &self.cluster.workload(*workload).spec.meta.name;
                    refused.push((Arc::clone(name), Arc::from(why.as_str())));
                    self.announce(About::Disruption(id), "Refused", &why);
                }
            }
        }
        for (hpa, new) in &spec.hpas {
            self.write_hpa(*hpa, new);
            if let Some(event) = spec.position {
                self.write_keda(*hpa, self.upgraded_keda(event, *hpa));
            }
        }
        self.wake_budgets();
        refused
    }

    /// The spec that a change comes to, or why the API server refuses it.
    fn changed(
        &self,
        id: WorkloadId,
        change: &WorkloadChange,
    ) -> Result<(Arc<WorkloadSpec>, Option<i32>), String> {
        let live = self.cluster.workload(id);
        match change {
            WorkloadChange::Image { .. } | WorkloadChange::Restart if !live.exists => {
                let kind = live.spec.kind_name().to_lowercase();
                let name = &live.spec.meta.name;
                Err(format!("{kind}s.apps \"{name}\" not found"))
            }
            WorkloadChange::Image { container, image } => {
                let template = with_image(&live.spec.template, container.as_deref(), image);
                Ok((with_template(&live.spec, template), None))
            }
            WorkloadChange::Restart => {
                let template = restarted(&live.spec.template, self.queue.now());
                Ok((with_template(&live.spec, template), None))
            }
            WorkloadChange::Written { spec, .. } if !live.exists => Ok((Arc::clone(spec), None)),
            WorkloadChange::Written { spec, replicas } => {
                if let Some(why) = forbidden_update(&live.spec, spec) {
                    return Err(why);
                }
                // A size that is written no longer is taken out of the object, and the default holds.
                let dropped = replicas.is_none() && states_replicas(&live.spec);
                Ok((Arc::clone(spec), replicas.or_else(|| dropped.then_some(1))))
            }
        }
    }

    fn write_workload(
        &mut self,
        now: SimTime,
        id: WorkloadId,
        (spec, replicas): (Arc<WorkloadSpec>, Option<i32>),
    ) {
        self.occur(now, Occurrence::WorkloadWritten(id, spec));
        if let Some(replicas) = replicas {
            self.apply(now, &Action::ScaleWorkload { workload: id, replicas });
        }
        if self.job_spec(id).is_none() {
            self.wake_workload(id);
        }
    }

    /// Writes an autoscaler; one that is not there is made, and looked at a period later.
    fn write_hpa(&mut self, id: HpaId, spec: &HpaSpec) {
        if self.hpa_due[id.index()].is_some() {
            self.hpas[id.index()].replace_spec(spec.clone());
        } else {
            self.hpas[id.index()] = Hpa::new(spec.clone());
            self.arm_hpa(id);
        }
    }

    /// Deletes what a release no longer has.
    pub(super) fn delete_gone(&mut self, now: SimTime, gone: &Gone) {
        for id in &gone.workloads {
            self.occur(now, Occurrence::WorkloadDeleted(*id));
        }
        for id in &gone.hpas {
            self.hpa_due[id.index()] = None;
            self.write_keda(*id, None);
        }
        for id in &gone.budgets {
            self.occur(now, Occurrence::BudgetDeleted(*id));
            self.workloads.budgets.forget(*id);
        }
        for name in &gone.claims {
            self.occur(now, Occurrence::ClaimDeleted(Arc::clone(name)));
        }
        if !gone.quotas.is_empty() {
            let mut quotas = self.cluster.quotas().to_vec();
            quotas.retain(|quota| {
                let name = (Arc::clone(&quota.meta.namespace), Arc::clone(&quota.meta.name));
                !gone.quotas.contains(&name)
            });
            self.occur(now, Occurrence::QuotasWritten(quotas));
            self.workloads.quotas_changed = true;
        }
    }

    /// What a release is about to change.
    pub(super) fn remember(&self, spec: &RolloutSpec) -> Before {
        let written = spec.workloads.iter().map(|(id, _)| *id);
        let workloads = written.chain(spec.gone.workloads.iter().copied());
        let hpas = spec.hpas.iter().map(|(id, _)| *id).chain(spec.gone.hpas.iter().copied());
        let hpas: Vec<HpaId> = hpas.collect();
        let budgets = spec.budgets.iter().map(|(id, _)| *id);
        let budgets = budgets.chain(spec.gone.budgets.iter().copied());
        Before {
            workloads: workloads
                .map(|id| {
                    let live = self.cluster.workload(id);
                    (id, live.exists.then(|| Arc::clone(&live.spec)))
                })
                .collect(),
            keda: hpas.iter().map(|id| (*id, self.keda_position(*id))).collect(),
            hpas: hpas
                .into_iter()
                .map(|id| {
                    let there = self.hpa_due[id.index()].is_some();
                    (id, there.then(|| self.hpas[id.index()].spec().clone()))
                })
                .collect(),
            budgets: budgets
                .map(|id| {
                    let live = self.cluster.budget(id);
                    (id, live.exists.then(|| Arc::clone(&live.spec)))
                })
                .collect(),
            quotas: self.cluster.quotas().to_vec(),
        }
    }

    /// `helm rollback`: the release before is written, and what only the failed one had is deleted.
    /// Claims stay: helm would make those that were deleted anew, without their data.
    pub(super) fn write_back(&mut self, now: SimTime, spec: &RolloutSpec, before: Before) {
        let mut gone = Gone::default();
        self.occur(now, Occurrence::QuotasWritten(before.quotas));
        self.workloads.quotas_changed = true;
        for (id, spec) in before.budgets {
            match spec {
                Some(spec) => self.occur(now, Occurrence::BudgetWritten(id, spec)),
                None => gone.budgets.push(id),
            }
        }
        for (id, old) in before.workloads {
            match old {
                // A Job that is over is not made again by writing what it was.
                Some(_) if self.job_spec(id).is_some() && !spec.gone.workloads.contains(&id) => {}
                Some(old) => {
                    let replicas = states_replicas(&old).then_some(old.replicas);
                    self.write_workload(now, id, (old, replicas));
                }
                None => gone.workloads.push(id),
            }
        }
        for (id, spec) in before.hpas {
            match spec {
                Some(spec) => self.write_hpa(id, &spec),
                None => gone.hpas.push(id),
            }
        }
        for (id, position) in before.keda {
            self.write_keda(id, position);
        }
        self.delete_gone(now, &gone);
        self.wake_budgets();
    }

    /// A workload was made while the cluster runs: its controller begins.
    pub(super) fn workload_made(&mut self, now: SimTime, id: WorkloadId) {
        self.workloads.controllers.made(now, &self.cluster, id);
        self.workloads.forget(id);
        self.wake_workload(id);
        self.wake_budgets();
    }

    /// A workload was deleted: the garbage collector deletes its pods.
    pub(super) fn workload_deleted(&mut self, now: SimTime, id: WorkloadId) {
        let pods: Vec<PodId> = self.cluster.pods_of(id).map(|pod| pod.id).collect();
        for pod in pods {
            let because = PodDeletion::OwnerDeleted;
            self.apply(now, &Action::DeletePod { pod, grace: None, because });
        }
        self.wake_budgets();
        self.all_rollouts_look(now);
    }
}

fn with_template(old: &WorkloadSpec, template: PodTemplate) -> Arc<WorkloadSpec> {
    Arc::new(WorkloadSpec { template: Arc::new(template), ..WorkloadSpec::clone(old) })
}

/// Quotas with some of them written.
fn with_quotas(
    old: &[Arc<ResourceQuotaSpec>],
    written: &[Arc<ResourceQuotaSpec>],
) -> Vec<Arc<ResourceQuotaSpec>> {
    let replaced = |quota: &&Arc<ResourceQuotaSpec>| {
        let same = |new: &Arc<ResourceQuotaSpec>| {
            new.meta.name == quota.meta.name && new.meta.namespace == quota.meta.namespace
        };
        written.iter().any(same)
    };
    old.iter().filter(|quota| !replaced(quota)).chain(written).cloned().collect()
}

/// Whether a spec states its size, which an autoscaler may have changed meanwhile.
fn states_replicas(spec: &WorkloadSpec) -> bool {
    let has = !matches!(spec.kind, WorkloadKind::DaemonSet { .. } | WorkloadKind::Job(_));
    has && spec.replicas_origin.line > 0
}
