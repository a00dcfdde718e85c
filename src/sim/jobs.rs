//! Jobs in the run: when they begin, how long their pods work.

use crate::cluster::api::job::{JobSpec, JobTrigger};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Occurrence, Pod};
use crate::model::Event;
use crate::model::event::ContainerStep;
use crate::model::id::{PodId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::Death;
use crate::service::WorkOver;
use crate::sim::Run;
use crate::sim::loads::ctx;
use crate::units::{SimDuration, SimTime};

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

    /// The process of a Job's pod begins to call services, if it does. Returns whether it is done when its
    /// calls are, whatever time that takes.
    pub(super) fn begin_work(
        &mut self,
        now: SimTime,
        (id, position): (PodId, u8),
        workload: WorkloadId,
    ) -> bool {
        let Some(work) = self.scenario.processes.job_work.get(&workload).copied() else {
            return false;
        };
        if self.workloads.at_work.contains_key(&id) {
            // Another container of the pod works already: this one is done with it.
            return false;
        }
        self.workloads.at_work.insert(id, position);
        self.services.begin_work(&mut ctx!(self, now), id, work);
        self.hear_services(now);
        work.times.is_some()
    }

    /// The process of a Job's pod calls nobody any more.
    pub(super) fn end_work(&mut self, id: PodId) {
        if self.workloads.at_work.remove(&id).is_some() {
            self.services.end_work(id);
        }
    }

    /// Pods whose calls are done, or of which one went wrong: their processes end.
    pub(super) fn hear_of_work(&mut self, now: SimTime) {
        let mut over = Vec::new();
        self.services.take_work_over(&mut over);
        for WorkOver { pod, well } in over {
            let Some(position) = self.workloads.at_work.remove(&pod) else { continue };
            if well {
                self.due(pod, position, ContainerStep::Ended, SimDuration::ZERO);
            } else {
                self.container_dies(now, pod, position, Death::Exited(1));
            }
        }
    }
}
