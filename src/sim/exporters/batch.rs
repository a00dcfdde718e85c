//! kube-state-metrics about Jobs and quotas (internal/store/job.go, resourcequota.go).

use crate::cluster::api::WorkloadKind;
use crate::cluster::{JobRun, Pod, PodOwner, Workload};
use crate::model::observer::Observer;
use crate::sim::Run;
use crate::sim::exporters::{Page, flag};
use crate::units::SimTime;
use crate::units::convert::{count_u32, f64_from_i64};

/// The reasons that `kube_job_status_failed` names, each with a series once a Job has failed.
const REASONS: [&str; 3] = ["BackoffLimitExceeded", "DeadlineExceeded", "Evicted"];

impl<O: Observer> Run<'_, O> {
    /// Jobs that run, and the last one of each object that ended: like the real ones these stay until
    /// someone removes them.
    pub(super) fn show_jobs(&self, page: &mut Page<'_>) {
        if !page.wanted.iter().any(|name| name.starts_with("kube_job_")) {
            return;
        }
        for workload in self.cluster.workloads().iter().filter(|workload| workload.exists) {
            for run in &workload.runs {
                self.show_job(workload, run, None, page);
            }
            if let (Some(run), Some(end)) = (&workload.last_run, workload.ended) {
                self.show_job(workload, run, Some(end.failure), page);
            }
        }
    }

    fn show_job(
        &self,
        workload: &Workload,
        run: &JobRun,
        end: Option<Option<&'static str>>,
        page: &mut Page<'_>,
    ) {
        let WorkloadKind::Job(spec) = &workload.spec.kind else { return };
        let own = [("namespace", &*workload.spec.meta.namespace), ("job_name", &*run.name)];
        let of_run = |pod: &&Pod| {
            let mine = matches!(pod.owner, PodOwner::Job(_, number) if number == run.number);
            mine && pod.is_active()
        };
        let active = count_u32(self.cluster.pods_of(workload.id).filter(of_run).count());
        page.put("kube_job_status_active", &own, f64::from(active));
        page.put("kube_job_status_succeeded", &own, f64::from(run.succeeded));
        page.put("kube_job_status_start_time", &own, page.instant(run.started));
        if let Some(completions) = spec.completions {
            page.put("kube_job_spec_completions", &own, f64::from(completions));
        }
        if run.failed == 0 {
            page.put("kube_job_status_failed", &own, 0.0);
        }
        let Some(failure) = end else { return };
        if let (Some(failure), 1..) = (failure, run.failed) {
            for reason in REASONS {
                let labels = [own[0], own[1], ("reason", reason)];
                page.put("kube_job_status_failed", &labels, flag(reason == failure));
            }
        }
        let condition = if failure.is_some() { "kube_job_failed" } else { "kube_job_complete" };
        for word in ["true", "false", "unknown"] {
            page.put(condition, &[own[0], own[1], ("condition", word)], flag(word == "true"));
        }
    }

    pub(super) fn show_quotas(&self, now: SimTime, page: &mut Page<'_>) {
        if !page.wants(&["kube_resourcequota"]) {
            return;
        }
        for quota in self.cluster.quotas() {
            let meta = &quota.meta;
            for (resource, hard) in &quota.hard {
                let name = resource.to_string();
                let amount = |amount: i64| {
                    let whole = if resource.is_milli() { 1000.0 } else { 1.0 };
                    f64_from_i64(amount) / whole
                };
                let used = self.cluster.quota_used(now, quota, resource);
                for (word, value) in [("hard", *hard), ("used", used)] {
                    let labels = [
                        ("namespace", &*meta.namespace),
                        ("resourcequota", &*meta.name),
                        ("resource", &*name),
                        ("type", word),
                    ];
                    page.put("kube_resourcequota", &labels, amount(value));
                }
            }
        }
    }
}
