//! Objects that someone writes anew while the cluster runs.

use std::sync::Arc;

use crate::cluster::api::workload::{WorkloadKind, WorkloadSpec};
use crate::cluster::state::Cluster;
use crate::model::id::WorkloadId;
use crate::model::record::Record;

impl Cluster {
    /// Writes a workload's spec. Another template is another revision, and its pods are to be
    /// replaced; an equal one is none, whatever else changed (deployment_util.go
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
        if !changed {
            return;
        }
        workload.revisions.push(revision);
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
}
