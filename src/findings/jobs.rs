//! Jobs that ran, pods that a quota forbade, pods that made place for others.

use std::collections::BTreeMap;

use crate::findings::Case;
use crate::findings::code;
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::findings::text::plural;
use crate::model::action::PodDeletion;
use crate::model::id::WorkloadId;
use crate::model::record::Record;
use crate::units::{SimDuration, SimTime, counted};

/// Preemptions closer together are told as one.
const TOGETHER: SimDuration = SimDuration::from_secs(300);

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    ended(case, findings);
    forbidden(case, findings);
    preempted(case, findings);
}

/// The Jobs of one owner.
#[derive(Default)]
struct Ran {
    first: Option<SimTime>,
    last: SimTime,
    complete: u32,
    failed: u32,
    skipped: u32,
    why: &'static str,
    longest: SimDuration,
}

fn ended(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut ran: BTreeMap<WorkloadId, Ran> = BTreeMap::new();
    for entry in case.history.entries() {
        if let Record::JobStarted { workload, .. } = &entry.record {
            let ran = ran.entry(*workload).or_default();
            ran.first = ran.first.or(Some(entry.first));
            ran.last = entry.first;
        } else if let Record::JobEnded { workload, took, failure, .. } = &entry.record {
            let ran = ran.entry(*workload).or_default();
            ran.last = entry.first;
            ran.longest = ran.longest.max(*took);
            match failure {
                None => ran.complete += 1,
                Some(why) => {
                    ran.failed += 1;
                    ran.why = why;
                }
            }
        } else if let Record::JobSkipped(workload) = &entry.record {
            ran.entry(*workload).or_default().skipped += 1;
        }
    }
    for (workload, ran) in ran {
        let Some(from) = ran.first else { continue };
        let spec = &case.scenario.workloads[workload.index()];
        let mut note = match (ran.complete, ran.failed) {
            (0, 0) => "not done by the end of the run".to_owned(),
            (complete, 0) => format!("{complete} complete, the longest after {}", ran.longest),
            (complete, failed) => format!("{complete} complete, {failed} failed: {}", ran.why),
        };
        if ran.skipped > 0 {
            note.push_str(&format!("; {} passed over", counted(ran.skipped, "schedule")));
        }
        let bad = ran.failed > 0 || ran.skipped > 0;
        findings.push(Finding {
            code: &code::JOB_ENDED,
            severity: if bad { Severity::Warning } else { Severity::Info },
            from,
            until: Some(ran.last),
            subject: Subject::Workload(workload),
            message: format!("{spec} runs"),
            note,
            evidence: Vec::new(),
            origins: vec![spec.meta.origin.clone()],
        });
    }
}

fn forbidden(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for entry in case.history.entries() {
        let Record::PodForbidden { workload, message } = &entry.record else { continue };
        let spec = &case.scenario.workloads[workload.index()];
        let times = entry.count;
        findings.push(Finding {
            code: &code::PODS_FORBIDDEN,
            severity: Severity::Error,
            from: entry.first,
            until: Some(entry.last),
            subject: Subject::Workload(*workload),
            message: format!("{spec} may not make pods"),
            note: format!("{message} ({times} times)"),
            evidence: Vec::new(),
            origins: vec![spec.meta.origin.clone()],
        });
    }
}

fn preempted(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut found: Vec<(WorkloadId, Finding)> = Vec::new();
    for life in case.history.pods() {
        let Some((at, PodDeletion::Preemption)) = life.terminating else { continue };
        let evidence = Evidence { at, object: EvidenceObject::Pod(life.id) };
        let known = found.iter_mut().rev().find(|(workload, finding)| {
            *workload == life.workload && at.since(finding.until.unwrap_or(at)) <= TOGETHER
        });
        if let Some((_, finding)) = known {
            finding.until = finding.until.max(Some(at));
            finding.from = finding.from.min(at);
            finding.evidence.push(evidence);
            continue;
        }
        let spec = &case.scenario.workloads[life.workload.index()];
        let priority = spec.template.spec.priority;
        found.push((
            life.workload,
            Finding {
                code: &code::PODS_PREEMPTED,
                severity: Severity::Warning,
                from: at,
                until: Some(at),
                subject: Subject::Workload(life.workload),
                message: String::new(),
                note: format!("its priority is {priority}"),
                evidence: vec![evidence],
                origins: vec![spec.meta.origin.clone()],
            },
        ));
    }
    for (workload, mut finding) in found {
        let spec = &case.scenario.workloads[workload.index()];
        let pods = plural(finding.evidence.len(), "pod");
        let are = if finding.evidence.len() == 1 { "is" } else { "are" };
        finding.message = format!("{pods} of {spec} {are} preempted");
        findings.push(finding);
    }
}
