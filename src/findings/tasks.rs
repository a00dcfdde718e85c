//! Tasks that were lost or have to be repeated because their workers ended.

use std::collections::BTreeMap;

use crate::findings::Case;
use crate::findings::code;
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::findings::text::plural;
use crate::model::id::WorkloadId;
use crate::model::record::{Record, TaskLosses};
use crate::units::SimTime;
use crate::units::convert::index;

/// What all workers of a workload left behind.
struct Left {
    first: SimTime,
    last: SimTime,
    workers: usize,
    losses: TaskLosses,
    evidence: Vec<Evidence>,
}

/// Evidence kept of one finding.
const EVIDENCE_MOST: usize = 20;

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<WorkloadId, Left> = BTreeMap::new();
    for entry in case.history.entries() {
        let Record::TasksInterrupted { pod, losses } = &entry.record else { continue };
        let Some(life) = case.history.pod(*pod) else { continue };
        let left = known.entry(life.workload).or_insert_with(|| Left {
            first: entry.first,
            last: entry.first,
            workers: 0,
            losses: TaskLosses::default(),
            evidence: Vec::new(),
        });
        left.last = entry.last;
        left.workers += 1;
        left.losses.lost += losses.lost;
        left.losses.invisible += losses.invisible;
        left.losses.repeated += losses.repeated;
        left.losses.returned += losses.returned;
        left.losses.spent += losses.spent;
        if left.evidence.len() < EVIDENCE_MOST {
            left.evidence.push(Evidence { at: entry.first, object: EvidenceObject::Pod(*pod) });
        }
    }
    for (workload, left) in known {
        findings.extend(told(case, workload, left));
    }
}

fn told(case: &Case<'_>, workload: WorkloadId, left: Left) -> Option<Finding> {
    let name = case.history.names().workload(workload);
    let TaskLosses { lost, invisible, repeated, returned, spent } = left.losses;
    let (severity, message) = match (lost, invisible) {
        (0, 0) => return None,
        (0, _) => {
            let tasks = plural(index(invisible), "task");
            (Severity::Warning, format!("{name} leaves {tasks} to be done again"))
        }
        (_, _) => (Severity::Error, format!("{name} loses {}", plural(index(lost), "task"))),
    };
    let mut notes = vec![format!("{} ended", plural(left.workers, "worker"))];
    if spent.as_secs() > 0 {
        notes.push(format!("{spent} of work lost"));
    }
    if repeated > 0 {
        notes.push(format!("{repeated} repeated after the visibility timeout"));
    }
    if invisible > repeated {
        notes.push(format!("{} reserved ones wait for it", invisible - repeated));
    }
    if returned > 0 {
        notes.push(format!("{returned} given back"));
    }
    let origin = &case.scenario.workloads[workload.index()].meta.origin;
    Some(Finding {
        code: &code::TASKS_INTERRUPTED,
        severity,
        from: left.first,
        until: Some(left.last),
        subject: Subject::Workload(workload),
        message,
        note: notes.join("; "),
        evidence: left.evidence,
        origins: vec![origin.clone()],
    })
}
