//! When the offered load rose, and to what.

use crate::findings::Case;
use crate::findings::code;
use crate::findings::demand::offered_rate;
use crate::findings::finding::{Finding, Severity, Subject};
use crate::findings::text::rate;
use crate::units::SimDuration;

/// Instants at which the load is looked at.
const POINTS: u64 = 2_000;
/// A peak that is not this much above the beginning is no rise.
const RISE: f64 = 1.2;

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let step = SimDuration::from_nanos(case.scenario.duration.as_nanos().div_ceil(POINTS).max(1));
    let rates: Vec<f64> =
        (0..POINTS).map(|point| offered_rate(case.scenario, step * point)).collect();
    let peak = rates.iter().copied().fold(0.0_f64, f64::max);
    let Some(top) = rates.iter().position(|rate| *rate >= peak * 0.9999) else { return };
    // The foot of the hill: the last time before the top that the load was at its lowest.
    let foot_rate = rates[..=top].iter().copied().fold(peak, f64::min);
    let level = foot_rate + (peak - foot_rate) * 0.02;
    let foot = rates[..=top].iter().rposition(|rate| *rate <= level).unwrap_or(0);
    if peak <= 0.0 || peak < foot_rate * RISE || foot == top {
        return;
    }
    let at = |point: usize| step * crate::units::convert::u64_from_usize(point);
    let start = case.history.clock().measured_from;
    let over = at(top).saturating_sub(at(foot));
    // Within two steps it is a jump.
    let how = if top - foot <= 2 { "at once".to_owned() } else { format!("over {over}") };
    findings.push(Finding {
        code: &code::LOAD_RISES,
        severity: Severity::Info,
        from: start + at(foot),
        until: Some(start + at(top)),
        subject: Subject::Run,
        message: "load starts to rise".to_owned(),
        note: format!("{} to {} iterations/s {how}", rate(foot_rate), rate(peak)),
        evidence: Vec::new(),
        origins: Vec::new(),
    });
}
