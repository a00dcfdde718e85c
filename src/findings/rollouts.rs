//! Rollouts: whether `helm upgrade --wait` succeeds, what capacity is missing meanwhile, which pods
//! need new nodes, and autoscalers that count surge pods.

use crate::findings::Case;
use crate::findings::code;
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::findings::text::plural;
use crate::model::id::{DisruptionId, HpaId, WorkloadId};
use crate::model::record::{HpaMetricSync, HpaSync, Record};
use crate::model::rollout::{RolloutCapacity, RolloutEnd, RolloutOutcome};
use crate::scenario::{DisruptionTarget, RolloutSpec};
use crate::trace::{NodeLife, PodLife, tell};
use crate::units::SimTime;
use crate::units::convert::{f64_from_i64, trunc_i64};

/// A rollout of the scenario as it went.
struct Rollout<'a> {
    id: DisruptionId,
    spec: &'a RolloutSpec,
    from: SimTime,
    /// `None` when it was still waited for at the end of the run.
    end: Option<(SimTime, &'a RolloutEnd)>,
}

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for rollout in rollouts(case) {
        outcome(case, &rollout, findings);
        new_nodes(case, &rollout, findings);
        surge_counted(case, &rollout, findings);
    }
}

fn rollouts<'a>(case: &Case<'a>) -> Vec<Rollout<'a>> {
    let mut found = Vec::new();
    for entry in case.history.entries() {
        let Record::DisruptionBegan(id) = &entry.record else { continue };
        let DisruptionTarget::Rollout(spec) = &case.scenario.disruptions[id.index()].target else {
            continue;
        };
        let end = case.history.entries().iter().find_map(|entry| {
            let Record::RolloutEnded(ended, end) = &entry.record else { return None };
            (ended == id).then_some((entry.first, &**end))
        });
        found.push(Rollout { id: *id, spec, from: entry.first, end });
    }
    found
}

fn outcome(case: &Case<'_>, rollout: &Rollout<'_>, findings: &mut Vec<Finding>) {
    let Rollout { id, spec, from, end } = rollout;
    let title = format!("{} of {}", spec.key, spec.what);
    let mut finding = Finding {
        code: &code::ROLLOUT,
        severity: Severity::Info,
        from: *from,
        until: end.map(|(at, _)| at),
        subject: Subject::Disruption(*id),
        message: title.clone(),
        note: "not done by the end of the run".to_owned(),
        evidence: Vec::new(),
        origins: vec![case.scenario.disruptions[id.index()].origin.clone()],
    };
    if let Some((_, end)) = end {
        let said = tell::rollout(end);
        let timeout = spec.timeout;
        finding.note = match fewest(case, end) {
            Some(fewest) => format!("{said} (--timeout {timeout}); {fewest}"),
            None => format!("{said} (--timeout {timeout})"),
        };
        if end.outcome != RolloutOutcome::Ready {
            finding.code = &code::ROLLOUT_FAILED;
            finding.severity = Severity::Error;
            finding.message = format!("helm fails: {title}");
        }
    }
    findings.push(finding);
}

/// The workload that lacked the largest part of its pods, in words.
fn fewest(case: &Case<'_>, end: &RolloutEnd) -> Option<String> {
    let part = |it: &RolloutCapacity| {
        f64_from_i64(it.missing().into()) / f64_from_i64(it.wanted.max(1).into())
    };
    let lacking = end.capacity.iter().filter(|capacity| capacity.missing() > 0);
    let worst = lacking.max_by(|one, other| part(one).total_cmp(&part(other)))?;
    let name = case.history.names().workload(worst.workload);
    let at = case.history.clock().offset(worst.at);
    Some(format!("{name} had {} of {} pods ready at {at}", worst.ready, worst.wanted))
}

fn is_watched(rollout: &Rollout<'_>, workload: WorkloadId) -> bool {
    rollout.spec.workloads.iter().any(|(id, _)| *id == workload)
}

/// Pods made during the rollout that came to nodes asked for during it.
fn new_nodes(case: &Case<'_>, rollout: &Rollout<'_>, findings: &mut Vec<Finding>) {
    let until = rollout.end.map_or(case.end(), |(at, _)| at);
    let mut moved: Vec<(&PodLife, &NodeLife)> = Vec::new();
    for life in case.history.pods() {
        let during = life.created >= rollout.from && life.created <= until;
        let Some((_, node)) = life.bound.filter(|_| during) else { continue };
        let Some(node) = case.history.node(node) else { continue };
        if is_watched(rollout, life.workload) && node.requested >= rollout.from {
            moved.push((life, node));
        }
    }
    let Some((first, _)) = moved.first() else { return };
    let mut pools: Vec<&str> =
        moved.iter().map(|(_, node)| case.history.names().pool(node.pool)).collect();
    pools.sort_unstable();
    pools.dedup();
    let mut nodes: Vec<_> = moved.iter().map(|(_, node)| node.id).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let waits = moved.iter().filter_map(|(pod, _)| Some(pod.ready?.since(pod.created)));
    let longest =
        waits.max().map_or_else(String::new, |it| format!("; the longest ready after {it}"));
    let count = moved.len();
    let (nodes, pools) = (nodes.len(), pools.join(", "));
    findings.push(Finding {
        code: &code::ROLLOUT_NEEDS_NODES,
        severity: Severity::Warning,
        from: first.created,
        until: moved.iter().filter_map(|(pod, _)| pod.ready).max(),
        subject: Subject::Disruption(rollout.id),
        message: if count == 1 {
            "1 pod of the rollout waits for a new node".to_owned()
        } else {
            format!("{count} pods of the rollout wait for new nodes")
        },
        note: format!("{} of {pools} asked for{longest}", plural(nodes, "node")),
        evidence: moved
            .iter()
            .map(|(pod, _)| Evidence { at: pod.created, object: EvidenceObject::Pod(pod.id) })
            .collect(),
        origins: vec![case.scenario.disruptions[rollout.id.index()].origin.clone()],
    });
}

/// A metric whose proposal rests on more pods than the workload is to have.
struct Inflated {
    from: i32,
    to: i32,
    counted: i32,
    without: i32,
    current: String,
    target: String,
}

/// Scale-ups during the rollout that surge pods made larger: the HPA multiplies the ratio of usage
/// to target by the pods it counts, and these are more than `spec.replicas` while old and new pods
/// are there together (replica_calculator.go `GetResourceReplicas`).
fn surge_counted(case: &Case<'_>, rollout: &Rollout<'_>, findings: &mut Vec<Finding>) {
    let until = rollout.end.map_or(case.end(), |(at, _)| at);
    for (position, hpa) in case.scenario.hpas.iter().enumerate() {
        if !is_watched(rollout, hpa.target) {
            continue;
        }
        let id = HpaId::at(position);
        let syncs = case.history.syncs(id, rollout.from, until).filter(|(_, sync)| sync.rescaled);
        let inflated: Vec<_> = syncs
            .filter(|(entry, _)| entry.first >= rollout.from && entry.first <= until)
            .filter_map(|(entry, sync)| Some((entry, inflated(sync)?)))
            .collect();
        let Some((first, it)) = inflated.first() else { continue };
        let last = inflated.last().map_or(it, |(_, last)| last);
        findings.push(Finding {
            code: &code::HPA_COUNTS_SURGE,
            severity: Severity::Warning,
            from: first.first,
            until: Some(until),
            subject: Subject::Hpa(id),
            message: format!("{} HPA counts surge pods: {} to {}", hpa.meta.name, it.from, last.to),
            note: format!(
                "{} of target {} over {} pods while {} were wanted; without surge pods {}",
                it.current, it.target, it.counted, it.from, it.without
            ),
            evidence: inflated
                .iter()
                .map(|(entry, _)| Evidence { at: entry.first, object: EvidenceObject::Hpa(id) })
                .collect(),
            origins: vec![hpa.meta.origin.clone()],
        });
    }
}

fn inflated(sync: &HpaSync) -> Option<Inflated> {
    if sync.desired <= sync.current {
        return None;
    }
    let metric = sync.metrics.iter().max_by_key(|metric| metric.proposal)?;
    let counted = pods_counted(metric);
    let without = without_surge(metric, sync.current)?;
    (counted > sync.current && without < sync.desired).then(|| Inflated {
        from: sync.current,
        to: sync.desired,
        counted,
        without,
        current: metric.current.to_string(),
        target: metric.target.to_string(),
    })
}

fn pods_counted(metric: &HpaMetricSync) -> i32 {
    i32::try_from(metric.counted).unwrap_or(i32::MAX)
}

/// What the metric would have proposed for the pods that are wanted: at least as many as there are
/// to be, since a smaller proposal would not have been a scale-up.
fn without_surge(metric: &HpaMetricSync, current: i32) -> Option<i32> {
    let ratio = metric.ratio?;
    let wanted = libm::ceil(ratio * f64::from(current));
    let wanted = i32::try_from(trunc_i64(wanted)).unwrap_or(i32::MAX);
    Some(wanted.max(current))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn sync(current: i32, desired: i32, counted: u32, ratio: f64) -> HpaSync {
        let metric = HpaMetricSync {
            label: Arc::from("cpu"),
            current: Arc::from("85%"),
            target: Arc::from("70%"),
            ratio: Some(ratio),
            proposal: Some(desired),
            counted,
            ..HpaMetricSync::default()
        };
        HpaSync { current, desired, rescaled: true, metrics: vec![metric], ..HpaSync::default() }
    }

    #[test]
    fn only_a_scale_up_that_surge_pods_made_larger_is_named() {
        // 10 wanted, 13 counted at 85 % of the target: 12 instead of none.
        let found = inflated(&sync(10, 12, 13, 0.85)).expect("surge pods were counted");
        assert_eq!((found.without, found.to), (10, 12));
        // The load alone asks for as much.
        assert!(inflated(&sync(10, 12, 10, 1.2)).is_none());
        // More pods counted, and the proposal is what the load asks for.
        assert!(inflated(&sync(10, 13, 13, 1.3)).is_none());
        assert!(inflated(&sync(10, 8, 13, 0.6)).is_none());
    }
}
