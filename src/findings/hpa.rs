//! What autoscalers did, and what kept them from doing more.

use crate::findings::Case;
use crate::findings::code;
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::model::id::HpaId;
use crate::model::record::HpaSync;
use crate::trace::{Entry, tell};
use crate::units::{SimDuration, SimTime};

/// Spans of the same state that lie closer together are told as one.
const GAP: SimDuration = SimDuration::from_secs(120);
/// A metric that is missing for less is a start-up, not a fault.
const MISSING_AT_LEAST: SimDuration = SimDuration::from_secs(60);
/// Steps of one direction that lie closer together are one movement.
const MOVEMENT_GAP: SimDuration = SimDuration::from_secs(600);

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for position in 0..case.scenario.hpas.len() {
        let id = HpaId::at(position);
        at_maximum(case, id, findings);
        held(case, id, findings);
        rate_limited(case, id, findings);
        metric_missing(case, id, findings);
        movements(case, id, findings);
    }
}

/// One stretch of syncs in a state, and the most that was wanted in it.
struct Stretch {
    from: SimTime,
    until: SimTime,
    wanted: i32,
    kept: i32,
    at_end: bool,
}

/// The stretches of syncs for which `holds`, ended by the first sync for which it does not.
fn stretches(case: &Case<'_>, id: HpaId, holds: impl Fn(&HpaSync) -> bool) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut open = false;
    for (entry, sync) in case.history.all_syncs(id) {
        let holds = holds(sync);
        if open && let Some(last) = found.last_mut() {
            last.until = entry.first;
            last.at_end = holds;
        }
        open = holds;
        if !holds {
            continue;
        }
        let wanted = entry.proposals.map_or(sync.desired, |(_, most)| most);
        match found.last_mut() {
            Some(last) if entry.first.since(last.until) <= GAP => {
                last.until = entry.last;
                last.wanted = last.wanted.max(wanted);
                last.at_end = true;
            }
            Some(_) | None => found.push(Stretch {
                from: entry.first,
                until: entry.last,
                wanted,
                kept: sync.desired,
                at_end: true,
            }),
        }
    }
    // Warm-up is told only where it reaches into the measured time.
    found.retain(|stretch| stretch.until >= case.history.clock().measured_from);
    found
}

fn at_maximum(case: &Case<'_>, id: HpaId, findings: &mut Vec<Finding>) {
    let hpa = &case.scenario.hpas[id.index()];
    let limited = |sync: &HpaSync| tell::has_condition(sync, "ScalingLimited", "TooManyReplicas");
    for stretch in stretches(case, id, limited) {
        let lasted = stretch.until.since(stretch.from);
        findings.push(Finding {
            code: &code::HPA_AT_MAXIMUM,
            severity: Severity::Warning,
            from: stretch.from,
            until: (!stretch.at_end).then_some(stretch.until),
            subject: Subject::Hpa(id),
            message: format!("{} HPA reaches maxReplicas {}", hpa.meta.name, hpa.spec.max_replicas),
            note: format!(
                "for {lasted}, wanted up to {}; ScalingLimited=True (TooManyReplicas)",
                stretch.wanted
            ),
            evidence: evidence(id, &stretch),
            origins: vec![hpa.max_origin.clone()],
        });
    }
}

fn evidence(id: HpaId, stretch: &Stretch) -> Vec<Evidence> {
    let object = EvidenceObject::Hpa(id);
    vec![Evidence { at: stretch.from, object }, Evidence { at: stretch.until, object }]
}

fn held(case: &Case<'_>, id: HpaId, findings: &mut Vec<Finding>) {
    let hpa = &case.scenario.hpas[id.index()];
    let rules = hpa.spec.behavior.as_ref().and_then(|behavior| behavior.scale_up.as_ref());
    let window = rules.and_then(|rules| rules.stabilization_window_seconds).unwrap_or(0);
    let held = |sync: &HpaSync| tell::has_condition(sync, "AbleToScale", "ScaleUpStabilized");
    for stretch in stretches(case, id, held) {
        let lasted = stretch.until.since(stretch.from);
        findings.push(Finding {
            code: &code::HPA_HELD_BY_WINDOW,
            severity: if lasted.as_secs() >= 60 { Severity::Warning } else { Severity::Info },
            from: stretch.from,
            until: Some(stretch.until),
            subject: Subject::Hpa(id),
            message: format!(
                "{} HPA wants {}, held at {}",
                hpa.meta.name, stretch.wanted, stretch.kept
            ),
            note: format!("for {lasted} by its scaleUp stabilization window of {window}s"),
            evidence: evidence(id, &stretch),
            origins: vec![hpa.meta.origin.clone()],
        });
    }
}

fn rate_limited(case: &Case<'_>, id: HpaId, findings: &mut Vec<Finding>) {
    let hpa = &case.scenario.hpas[id.index()];
    let limited = |sync: &HpaSync| tell::has_condition(sync, "ScalingLimited", "ScaleUpLimit");
    for stretch in stretches(case, id, limited) {
        let lasted = stretch.until.since(stretch.from);
        findings.push(Finding {
            code: &code::HPA_RATE_LIMITED,
            severity: if lasted.as_secs() >= 120 { Severity::Warning } else { Severity::Info },
            from: stretch.from,
            until: Some(stretch.until),
            subject: Subject::Hpa(id),
            message: format!("{} HPA may not add pods as fast as it wants", hpa.meta.name),
            note: format!(
                "for {lasted}, wanted up to {}; ScalingLimited=True (ScaleUpLimit)",
                stretch.wanted
            ),
            evidence: evidence(id, &stretch),
            origins: vec![hpa.meta.origin.clone()],
        });
    }
}

fn metric_missing(case: &Case<'_>, id: HpaId, findings: &mut Vec<Finding>) {
    let hpa = &case.scenario.hpas[id.index()];
    for (position, _) in hpa.spec.metrics.iter().enumerate() {
        let failed = |sync: &HpaSync| {
            sync.metrics.get(position).is_some_and(|metric| metric.failure.is_some())
        };
        let last = case.history.all_syncs(id).filter(|(_, sync)| failed(sync)).last();
        let Some((_, sync)) = last else { continue };
        let metric = &sync.metrics[position];
        let why = metric.failure.as_deref().unwrap_or_default();
        for stretch in stretches(case, id, failed) {
            let lasted = stretch.until.since(stretch.from);
            if lasted < MISSING_AT_LEAST {
                continue;
            }
            findings.push(Finding {
                code: &code::HPA_METRIC_MISSING,
                severity: Severity::Warning,
                from: stretch.from,
                until: (!stretch.at_end).then_some(stretch.until),
                subject: Subject::Hpa(id),
                message: format!("{} HPA has no {}", hpa.meta.name, tell::metric_name(metric)),
                note: format!("{why}, for {lasted}"),
                evidence: evidence(id, &stretch),
                origins: vec![hpa.meta.origin.clone()],
            });
        }
    }
}

/// One movement of an HPA: steps in one direction, close together.
struct Movement<'a> {
    from: i32,
    to: i32,
    first: SimTime,
    last: SimTime,
    steps: u32,
    reason: &'a str,
}

fn movements(case: &Case<'_>, id: HpaId, findings: &mut Vec<Finding>) {
    let hpa = &case.scenario.hpas[id.index()];
    let mut found: Vec<Movement<'_>> = Vec::new();
    for (entry, sync) in case.history.all_syncs(id) {
        if sync.rescaled {
            add_step(&mut found, entry, sync);
        }
    }
    for movement in found {
        let Movement { from, to, first, last, steps, reason } = movement;
        if last < case.history.clock().measured_from {
            continue;
        }
        let steps = if steps > 1 { format!(" in {steps} steps") } else { String::new() };
        let until = (last > first).then_some(last);
        let span = until.map_or_else(String::new, |last| {
            format!("until {}; ", case.history.clock().offset(last))
        });
        findings.push(Finding {
            code: &code::HPA_SCALED,
            severity: Severity::Info,
            from: first,
            until,
            subject: Subject::Hpa(id),
            message: format!("{} HPA scales {from} to {to}{steps}", hpa.meta.name),
            note: format!("{span}{reason}"),
            evidence: vec![Evidence { at: first, object: EvidenceObject::Hpa(id) }],
            origins: vec![hpa.meta.origin.clone()],
        });
    }
}

fn add_step<'a>(found: &mut Vec<Movement<'a>>, entry: &Entry, sync: &'a HpaSync) {
    let up = sync.desired > sync.current;
    match found.last_mut() {
        Some(last)
            if (last.to > last.from) == up && entry.first.since(last.last) <= MOVEMENT_GAP =>
        {
            last.to = sync.desired;
            last.last = entry.last;
            last.steps += 1;
        }
        Some(_) | None => found.push(Movement {
            from: sync.current,
            to: sync.desired,
            first: entry.first,
            last: entry.last,
            steps: 1,
            reason: &sync.rescale_reason,
        }),
    }
}
