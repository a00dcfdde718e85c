//! What a summary tells of all that was found: the most important, in the order of time.

use std::collections::BTreeMap;

use crate::findings::Case;
use crate::findings::code::{self, Code};
use crate::findings::finding::{Finding, Severity, Subject};
use crate::findings::thresholds::short;
use crate::units::SimTime;

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineLine {
    /// When.
    pub at: SimTime,
    /// The finding's kind.
    pub code: &'static Code,
    /// Whom it is about.
    pub subject: Subject,
    /// How much it matters.
    pub severity: Severity,
    /// What happened.
    pub message: String,
    /// Why and how much.
    pub note: String,
    /// How much it matters among others: larger is told first when room is short.
    pub weight: u32,
}

/// Lines of one kind weigh less the more there are: the first tells most.
const REPEATED: u32 = 12;

/// At most `most` lines, the weightiest, by time.
#[must_use]
pub fn timeline(case: &Case<'_>, findings: &[Finding], most: usize) -> Vec<TimelineLine> {
    let mut lines: Vec<TimelineLine> = findings.iter().map(|finding| line(case, finding)).collect();
    lines.extend(findings.iter().filter_map(|finding| recovery(case, finding)));
    // The graver and the longer first, so that the first of a kind is the one that counts.
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    lines.sort_by_key(|line| (std::cmp::Reverse(line.weight), line.at));
    for line in &mut lines {
        let times = seen.entry(line.code.id).or_insert(0);
        line.weight = line.weight.saturating_sub(*times * REPEATED);
        *times += 1;
    }
    lines.sort_by_key(|line| (std::cmp::Reverse(line.weight), line.at));
    lines.truncate(most);
    lines.sort_by_key(|line| (line.at, line.code.rank));
    lines
}

fn line(case: &Case<'_>, finding: &Finding) -> TimelineLine {
    TimelineLine {
        at: finding.from,
        code: finding.code,
        subject: finding.subject,
        severity: finding.severity,
        message: finding.message.clone(),
        note: finding.note.clone(),
        weight: weight(finding) + longer(case, finding),
    }
}

/// What lasts longer weighs more, within its kind: up to [`REPEATED`] for the whole run.
fn longer(case: &Case<'_>, finding: &Finding) -> u32 {
    let lasted = finding.until.unwrap_or(case.end()).since(finding.from).as_nanos();
    let share =
        lasted.saturating_mul(u64::from(REPEATED)) / case.scenario.duration.as_nanos().max(1);
    u32::try_from(share).unwrap_or(REPEATED).min(REPEATED)
}

/// A threshold that was violated and holds again is a line of its own.
fn recovery(case: &Case<'_>, finding: &Finding) -> Option<TimelineLine> {
    let (Subject::Threshold(position), Some(until)) = (finding.subject, finding.until) else {
        return None;
    };
    (finding.severity > Severity::Info).then(|| TimelineLine {
        at: until,
        code: finding.code,
        subject: finding.subject,
        severity: Severity::Info,
        message: format!("{} holds again", short(&case.scenario.thresholds[position])),
        note: String::new(),
        weight: weight(finding).saturating_sub(20),
    })
}

fn weight(finding: &Finding) -> u32 {
    let by_severity = match finding.severity {
        Severity::Info => 0,
        Severity::Warning => 20,
        Severity::Error => 40,
    };
    let by_kind = match finding.code.id {
        id if id == code::THRESHOLD_CROSSED.id => 50,
        id if id == code::REQUESTS_FAIL.id => 30,
        id if id == code::LOAD_RISES.id || id == code::DISRUPTION.id => 75,
        id if id == code::ROLLOUT.id || id == code::ROLLOUT_FAILED.id => 75,
        id if id == code::HPA_COUNTS_SURGE.id || id == code::ROLLOUT_NEEDS_NODES.id => 60,
        id if id == code::PODS_PREEMPTED.id || id == code::PODS_FORBIDDEN.id => 58,
        id if id == code::NODES_LOST.id => 60,
        id if id == code::HPA_AT_MAXIMUM.id || id == code::HPA_BLIND.id => 60,
        id if id == code::CPU_SATURATED.id || id == code::GPU_SATURATED.id => 58,
        id if id == code::EVICTION_REFUSED.id => 55,
        id if id == code::HPA_HELD_BY_WINDOW.id => 52,
        id if id == code::PODS_PENDING.id || id == code::NO_SCALE_UP.id => 50,
        id if id == code::BACKLOG_GROWS.id => 45,
        id if id == code::HPA_METRIC_MISSING.id => 40,
        id if id == code::SCALE_UP_LATENCY.id => 35,
        id if id == code::HPA_SCALED.id => 30,
        _ => 20,
    };
    by_severity + by_kind
}
