//! Objects that someone writes anew while the cluster runs.

use std::sync::Arc;

use crate::cluster::api::workload::{WorkloadKind, WorkloadSpec};
use crate::cluster::occur::Occurrence;
use crate::cluster::state::Cluster;
use crate::model::id::WorkloadId;
use crate::model::record::Record;

impl Cluster {
    /// Someone wrote or deleted an object.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller matched what is written in full"
    )]
    pub(super) fn written(&mut self, fact: Occurrence, records: &mut Vec<Record>) {
        match fact {
            Occurrence::WorkloadWritten(id, spec) => self.write_workload(id, spec, records),
            Occurrence::WorkloadDeleted(id) => self.delete_workload(id, records),
            Occurrence::BudgetWritten(id, spec) => {
                let budget = &mut self.budgets[id.index()];
                budget.generation += i64::from(budget.spec != spec || !budget.exists);
                (budget.exists, budget.spec) = (true, spec);
            }
            Occurrence::BudgetDeleted(id) => {
                let budget = &mut self.budgets[id.index()];
                budget.exists = false;
                (budget.status, budget.disrupted) = Default::default();
            }
            Occurrence::ClaimWritten(spec) => self.write_claim(&spec),
            Occurrence::ClaimDeleted(name) => self.delete_claim(&name),
            Occurrence::QuotasWritten(quotas) => self.quotas = quotas,
            _ => unreachable!("only written objects come here"),
        }
    }

    /// Writes a workload's spec, or makes the workload. Another template is another revision, and its
    /// pods are to be replaced; an equal one is none, whatever else changed (deployment_util.go
    /// `EqualIgnoreHash`). The size is written by its own action.
    pub(super) fn write_workload(
        &mut self,
        id: WorkloadId,
        spec: Arc<WorkloadSpec>,
        records: &mut Vec<Record>,
    ) {
        let revision = self.revision_of_spec(&spec);
        self.specs_written += 1;
        self.workload_stamps[id.index()] += 1;
        let workload = &mut self.workloads[id.index()];
        let changed = workload.wanted().template_id != revision.template_id;
        workload.spec = spec;
        let made = !std::mem::replace(&mut workload.exists, true);
        if made {
            workload.replicas = workload.spec.replicas;
            workload.ended = None;
            records.push(Record::WorkloadCreated(id));
        }
        if changed {
            workload.revisions.push(revision);
        }
        if made || !changed {
            return;
        }
        let revision = workload.wanted_revision();
        let sets = workload.replica_sets.clone();
        if matches!(workload.spec.kind, WorkloadKind::ReplicaSet) {
            // A bare ReplicaSet keeps its pods: only new ones are of the new template.
            for set in sets {
                if let Some(set) = self.replica_sets[set.index()].as_deref_mut() {
                    set.revision = revision;
                }
            }
        }
        records.push(Record::WorkloadUpdated { workload: id, revision });
    }

    /// Takes a workload away with the ReplicaSets and Jobs it made. Its pods stay listed until they
    /// are gone.
    pub(super) fn delete_workload(&mut self, id: WorkloadId, records: &mut Vec<Record>) {
        if !self.workload(id).exists {
            return;
        }
        self.specs_written += 1;
        let workload = self.workload_mut(id);
        workload.exists = false;
        workload.replicas = 0;
        workload.runs.clear();
        for set in std::mem::take(&mut workload.replica_sets) {
            self.replica_sets[set.index()] = None;
        }
        records.push(Record::WorkloadDeleted(id));
    }
}
