//! What was found in a run, in the form in which a report carries it.

use crate::cluster::api::WorkloadKind;
use crate::findings::{Case, Finding, Subject, timeline};
use crate::report::assemble::{Told, location};
use crate::report::{FindingEntry, TimelineEntry};
use crate::units::SimTime;

/// The timeline and the findings of a run for [`crate::report::assemble()`].
#[must_use]
pub fn told(case: &Case<'_>, findings: &[Finding]) -> Told {
    let since_start = |at: SimTime| case.history.clock().offset(at).as_secs_f64();
    let lines = timeline(case, findings, usize::MAX);
    let entry = |line: &crate::findings::TimelineLine| TimelineEntry {
        t_s: since_start(line.at),
        object: object(case, line.subject),
        condition: None,
        status: None,
        reason: Some(line.code.id.to_owned()),
        message: if line.note.is_empty() {
            line.message.clone()
        } else {
            format!("{}: {}", line.message, line.note)
        },
    };
    let finding = |finding: &Finding| FindingEntry {
        code: finding.code.id.to_owned(),
        level: finding.severity.to_string(),
        message: finding.message.clone(),
        note: finding.note.clone(),
        from_s: Some(since_start(finding.from)),
        until_s: finding.until.map(since_start),
        locations: finding.origins.iter().filter_map(location).collect(),
        fixes: Vec::new(),
    };
    Told {
        timeline: lines.iter().map(entry).collect(),
        findings: findings.iter().map(finding).collect(),
    }
}

/// Whom something is about, as kubectl names it: `HorizontalPodAutoscaler/gateway`.
fn object(case: &Case<'_>, subject: Subject) -> String {
    let scenario = case.scenario;
    match subject {
        Subject::Run => format!("Scenario/{}", scenario.name),
        Subject::Hpa(id) => {
            format!("HorizontalPodAutoscaler/{}", scenario.hpas[id.index()].meta.name)
        }
        Subject::Workload(id) => {
            let workload = &scenario.workloads[id.index()];
            format!("{}/{}", kind(&workload.kind), workload.meta.name)
        }
        Subject::Station(id) => format!("service/{}", scenario.services.stations[id.index()].name),
        Subject::Pool(id) => format!("pool/{}", scenario.pools[id.index()].name),
        Subject::Budget(id) => {
            format!("PodDisruptionBudget/{}", scenario.budgets[id.index()].meta.name)
        }
        Subject::Disruption(id) => {
            format!("disruption/{}", scenario.disruptions[id.index()].target)
        }
        Subject::Threshold(position) => {
            format!("threshold/{}", scenario.thresholds[position].metric())
        }
    }
}

const fn kind(kind: &WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment { .. } => "Deployment",
        WorkloadKind::StatefulSet { .. } => "StatefulSet",
        WorkloadKind::DaemonSet { .. } => "DaemonSet",
        WorkloadKind::ReplicaSet => "ReplicaSet",
    }
}
