//! When the offered load rose, and to what.

use crate::findings::Case;
use crate::findings::code;
use crate::findings::demand::offered_rate;
use crate::findings::finding::{Finding, Severity, Subject};
use crate::findings::text::rate;
use crate::units::SimDuration;

/// Instants at which the load is looked at, about.
const POINTS: u64 = 2_000;
/// A peak that is not this much above the beginning is no rise.
const RISE: f64 = 1.2;

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    // Whole seconds, because that is how stages are written.
    let duration_s = case.scenario.duration.as_secs();
    let step = SimDuration::from_secs(duration_s.div_ceil(POINTS).max(1));
    let points = duration_s / step.as_secs();
    let rates: Vec<f64> =
        (0..=points).map(|point| offered_rate(case.scenario, step * point)).collect();
    let peak = rates.iter().copied().fold(0.0_f64, f64::max);
    let Some(top) = rates.iter().position(|rate| *rate >= peak * 0.999_999) else { return };
    // The foot of the hill: the last time before the top that the load was at its lowest.
    let foot_rate = rates[..=top].iter().copied().fold(peak, f64::min);
    let level = foot_rate + (peak - foot_rate) * 1e-6;
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
