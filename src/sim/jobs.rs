//! Jobs in the run: when they begin, how long their pods work.

use crate::cluster::api::job::{JobSpec, JobTrigger};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Occurrence, Pod};
use crate::model::Event;
use crate::model::id::{PodId, WorkloadId};
use crate::model::observer::Observer;
use crate::sim::Run;
use crate::units::SimTime;

impl<O: Observer> Run<'_, O> {
    /// CronJobs are looked at from now on, Jobs made when measuring begins. Before, while the
    /// cluster is put together, none is: what it ran before the run is over.
    pub(super) fn start_jobs(&mut self) {
        for id in self.jobs() {
            if !self.cluster.workload(id).exists {
                continue;
            }
            let at = match self.job_spec(id).map(|spec| &spec.trigger) {
                Some(JobTrigger::Once) => self.measured_from,
                Some(JobTrigger::Schedule(_)) => SimTime::ZERO,
                Some(JobTrigger::Suspended | JobTrigger::Hook(_)) | None => continue,
            };
            let event = Event::Workload(id);
            self.queue.schedule(at, event.rank(), event);
        }
    }

    /// The Jobs and CronJobs of the scenario.
    pub(super) fn jobs(&self) -> Vec<WorkloadId> {
        let workloads = self.cluster.workloads().iter();
        let jobs = workloads.filter(|it| matches!(it.spec.kind, WorkloadKind::Job(_)));
        jobs.map(|workload| workload.id).collect()
    }

    pub(super) fn job_spec(&self, id: WorkloadId) -> Option<&JobSpec> {
        match &self.cluster.workload(id).spec.kind {
            WorkloadKind::Job(spec) => Some(spec),
            WorkloadKind::Deployment { .. }
            | WorkloadKind::StatefulSet { .. }
            | WorkloadKind::DaemonSet { .. }
            | WorkloadKind::ReplicaSet => None,
        }
    }

    /// A Job's pod has done its work, or gives up with a code that is not zero.
    pub(super) fn job_pod_completed(&mut self, now: SimTime, id: PodId, exit_code: u8) {
        if self.cluster.pod(id).is_some_and(Pod::is_active) {
            self.occur(now, Occurrence::PodEnded { pod: id, exit_code });
        }
    }
}
