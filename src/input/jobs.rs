//! `jobs` of ServiceProfiles: how long the pods of Jobs and CronJobs work.

use super::codes;
use super::decode::{Fields, Value};
use super::kubernetes::Objects;
use crate::cluster::api::WorkloadSpec;
use crate::cluster::api::workload::WorkloadKind;
use crate::engine::Dist;
use crate::units::Origin;

/// Durations by the position of the workload.
pub(super) type JobDurations = Vec<(usize, Dist, Origin)>;

/// Reads `jobs: {postgresql-backup: {duration: {lognormal: {median: 12m, sigma: 0.3}}}}` of all
/// documents.
pub(super) fn job_durations(documents: &[Fields<'_>], objects: &Objects) -> Option<JobDurations> {
    let mut durations = Vec::new();
    let mut complete = Some(());
    for fields in documents {
        let entries = fields.optional("jobs").map(|jobs| jobs.entries());
        for (name, value) in entries.map_or(Some(Vec::new()), |entries| entries)? {
            match job(name.text, &value, objects) {
                Some(read) => durations.extend(read),
                None => complete = None,
            }
        }
    }
    complete.map(|()| durations)
}

/// The time that pods of a job work; `Some(None)` of one that is done with its calls.
fn job(name: &str, value: &Value<'_>, objects: &Objects) -> Option<Option<(usize, Dist, Origin)>> {
    let fields = value.fields()?;
    // Whose calls are counted is done with the last of them.
    let counted = value.node().get("work").and_then(|work| work.get("times")).is_some();
    let duration = if counted { None } else { fields.required("duration") };
    if let Some(stated) = fields.optional("duration").filter(|_| counted) {
        let message = "must not be there: `work.times` says when the pod is done";
        let error = stated.error(codes::EXCLUSIVE_FIELDS, message);
        stated.report(error.primary(stated.key_span(), ""));
        return None;
    }
    // How often its pods fail, and what they call, is read beside (`processes`).
    fields.ignore(&["failure", "work"]);
    fields.finish("a job");
    let is_job = |workload: &&WorkloadSpec| matches!(workload.kind, WorkloadKind::Job(_));
    let found = objects.named(name, None).filter(|at| is_job(&&objects.workloads[*at]));
    let Some(found) = found else {
        if objects.is_broken(name) {
            return None;
        }
        let known = objects.workloads.iter().filter(is_job).map(|workload| &*workload.meta.name);
        value.report(value.unknown_reference(name, "Job or CronJob", known));
        return None;
    };
    if counted {
        return Some(None);
    }
    let duration = duration?;
    let dist = duration.distribution()?;
    if dist.mean() <= 0.0 {
        duration.report(duration.error(codes::OUT_OF_RANGE, "must be above zero"));
        return None;
    }
    Some(Some((found, dist, duration.origin())))
}

/// Writes durations into their Jobs; workloads come with their position.
pub(super) fn set_durations(
    workloads: &mut [(usize, &mut WorkloadSpec)],
    durations: &JobDurations,
) {
    for (at, workload) in workloads {
        let stated = durations.iter().rfind(|(of, _, _)| of == at);
        if let (Some((_, dist, origin)), WorkloadKind::Job(job)) = (stated, &mut workload.kind) {
            (job.duration, job.duration_origin) = (dist.clone(), origin.clone());
        }
    }
}
