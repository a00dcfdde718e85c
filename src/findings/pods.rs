//! Pods that waited, nodes that did not come, and where the time of a scale-up went.

use std::collections::BTreeMap;

use crate::findings::Case;
use crate::findings::code;
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::model::Reason;
use crate::model::id::{PodId, PoolId, WorkloadId};
use crate::model::reason::NoScaleUp;
use crate::model::record::Record;
use crate::trace::PodLife;
use crate::units::{Origin, SimDuration, SimTime};

/// A wait for a node that is shorter is not worth a word: a scheduling cycle or two.
const WAIT_AT_LEAST: SimDuration = SimDuration::from_secs(5);
/// A scale-up that is faster needs no breakdown.
const LATENCY_AT_LEAST: SimDuration = SimDuration::from_secs(60);
/// Evidence kept of one finding.
const EVIDENCE_MOST: usize = 20;

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    pending(case, findings);
    no_scale_up(case, findings);
    latency(case, findings);
}

/// Pods of one workload that waited at the same time.
struct Wait<'a> {
    workload: WorkloadId,
    from: SimTime,
    until: Option<SimTime>,
    longest: SimDuration,
    pods: Vec<&'a PodLife>,
}

fn pending(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut waits: Vec<Wait<'_>> = Vec::new();
    for life in case.history.pods() {
        let Some(first) = life.unschedulable.first() else { continue };
        let until = life.waited_until();
        let waited = until.unwrap_or(case.end()).since(first.first);
        let measured = until.is_none_or(|until| until > case.history.clock().measured_from);
        if waited < WAIT_AT_LEAST || !measured {
            continue;
        }
        let together = waits.iter_mut().find(|wait| {
            wait.workload == life.workload
                && wait.until.is_none_or(|end| end >= first.first)
                && until.is_none_or(|end| end >= wait.from)
        });
        match together {
            Some(wait) => {
                wait.from = wait.from.min(first.first);
                wait.until = wait.until.zip(until).map(|(one, other)| one.max(other));
                wait.longest = wait.longest.max(waited);
                wait.pods.push(life);
            }
            None => waits.push(Wait {
                workload: life.workload,
                from: first.first,
                until,
                longest: waited,
                pods: vec![life],
            }),
        }
    }
    findings.extend(waits.iter().map(|wait| pending_finding(case, wait)));
}

fn pending_finding(case: &Case<'_>, wait: &Wait<'_>) -> Finding {
    let workload = &case.scenario.workloads[wait.workload.index()];
    let name = &workload.meta.name;
    // The sentence of the pod that waited longest, and of it the last one said.
    let longest = wait.pods.iter().max_by_key(|life| {
        let first = life.unschedulable.first().map_or(SimTime::ZERO, |refusal| refusal.first);
        (life.waited_until().unwrap_or(case.end()).since(first), std::cmp::Reverse(life.id))
    });
    let sentence =
        longest.and_then(|life| life.unschedulable.last()).map_or("", |refusal| &*refusal.message);
    let message = match wait.pods.as_slice() {
        [one] => format!("{} waits for a node", one.name),
        pods => format!("{} pods of {name} wait for a node", pods.len()),
    };
    let span = match wait.until {
        Some(_) => format!("up to {}", wait.longest),
        None => format!("{}, until the end", wait.longest),
    };
    let evidence = wait.pods.iter().filter_map(|life| {
        let at = life.unschedulable.first()?.first;
        Some(Evidence { at, object: EvidenceObject::Pod(life.id) })
    });
    let container = workload.template.spec.containers.first();
    Finding {
        code: &code::PODS_PENDING,
        severity: if wait.until.is_none() { Severity::Error } else { Severity::Warning },
        from: wait.from,
        until: wait.until,
        subject: Subject::Workload(wait.workload),
        message,
        note: format!("{span}; {sentence}"),
        evidence: evidence.take(EVIDENCE_MOST).collect(),
        origins: container.map(|c| c.resources_origin.clone()).into_iter().collect(),
    }
}

/// Why the autoscaler added nothing for pods of a workload, while it said the same.
struct Refused<'a> {
    from: SimTime,
    last: SimTime,
    pods: Vec<PodId>,
    pools: &'a [(PoolId, NoScaleUp)],
}

fn no_scale_up(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut refused: BTreeMap<(WorkloadId, Vec<(PoolId, NoScaleUp)>), Refused<'_>> =
        BTreeMap::new();
    for entry in case.history.entries() {
        let Some((_, Reason::NoScaleUp { pod, pools })) = entry.decision() else { continue };
        let Some(life) = case.history.pod(*pod) else { continue };
        // A node that is on its way is no refusal.
        if pools.iter().any(|(_, why)| *why == NoScaleUp::Upcoming) {
            continue;
        }
        let key = (life.workload, pools.clone());
        let told = refused.entry(key).or_insert(Refused {
            from: entry.first,
            last: entry.last,
            pods: Vec::new(),
            pools,
        });
        told.from = told.from.min(entry.first);
        told.last = told.last.max(entry.last);
        told.pods.push(*pod);
    }
    for ((workload, _), told) in refused {
        if told.last < case.history.clock().measured_from {
            continue;
        }
        findings.push(no_scale_up_finding(case, workload, &told));
    }
}

fn no_scale_up_finding(case: &Case<'_>, workload: WorkloadId, told: &Refused<'_>) -> Finding {
    let name = &case.scenario.workloads[workload.index()].meta.name;
    let mut origins: Vec<Origin> = Vec::new();
    let mut reasons: Vec<String> = Vec::new();
    // The pool that could have grown first: it is the one to change.
    let mut pools: Vec<_> = told.pools.iter().collect();
    pools.sort_by_key(|(_, why)| *why != NoScaleUp::MaxSizeReached);
    for (pool, why) in pools {
        let spec = &case.scenario.pools[pool.index()];
        if *why == NoScaleUp::MaxSizeReached {
            origins.push(spec.max_origin.clone());
            reasons.push(format!("{}: {why} ({})", spec.name, spec.max));
        } else {
            reasons.push(format!("{}: {why}", spec.name));
        }
    }
    Finding {
        code: &code::NO_SCALE_UP,
        severity: Severity::Warning,
        from: told.from,
        until: Some(told.last),
        subject: Subject::Workload(workload),
        message: format!("cluster-autoscaler adds no node for {name}"),
        note: reasons.join("; "),
        evidence: told
            .pods
            .iter()
            .take(EVIDENCE_MOST)
            .map(|pod| Evidence { at: told.from, object: EvidenceObject::Pod(*pod) })
            .collect(),
        origins,
    }
}

/// The slowest scale-up of each workload, from the decision to the first new pod ready.
fn latency(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut slowest: BTreeMap<WorkloadId, (SimDuration, SimTime, &PodLife)> = BTreeMap::new();
    // Pods have their ids in the order in which they were made.
    let mut pods_of: BTreeMap<WorkloadId, Vec<&PodLife>> = BTreeMap::new();
    for life in case.history.pods() {
        pods_of.entry(life.workload).or_default().push(life);
    }
    for entry in case.history.entries() {
        let Record::WorkloadScaled { workload, from, to } = &entry.record else { continue };
        if to <= from || entry.first < case.history.clock().measured_from {
            continue;
        }
        let pods = pods_of.get(workload).map_or(&[][..], Vec::as_slice);
        let made = pods[pods.partition_point(|life| life.created < entry.first)..].iter().copied();
        let first = made.filter_map(|life| Some((life.ready?, life))).min_by_key(|(at, _)| *at);
        let Some((ready, life)) = first else { continue };
        // A pod that a later decision made says nothing of this one.
        if life.created.since(entry.first) > LATENCY_AT_LEAST {
            continue;
        }
        let took = ready.since(entry.first);
        let known = slowest.get(workload).map(|(known, _, _)| *known);
        if took >= LATENCY_AT_LEAST && known.is_none_or(|known| took > known) {
            slowest.insert(*workload, (took, entry.first, life));
        }
    }
    for (workload, (took, decided, life)) in slowest {
        let name = &case.scenario.workloads[workload.index()].meta.name;
        findings.push(Finding {
            code: &code::SCALE_UP_LATENCY,
            severity: Severity::Info,
            from: decided,
            until: life.ready,
            subject: Subject::Workload(workload),
            message: format!("{name} waits {took} for one more pod"),
            note: parts(case, decided, life),
            evidence: vec![Evidence { at: decided, object: EvidenceObject::Pod(life.id) }],
            origins: Vec::new(),
        });
    }
}

/// `autoscaler 8s, boot 75s, pull 20s, ...`: the steps that took a second or more.
fn parts(case: &Case<'_>, decided: SimTime, life: &PodLife) -> String {
    let mut steps: Vec<(&str, SimTime)> = vec![("pod", life.created)];
    if let Some((bound, node)) = life.bound {
        let node = case.history.node(node).filter(|node| node.requested >= life.created);
        if let Some(node) = node {
            steps.push(("autoscaler", node.requested));
            steps.extend(node.ready.map(|at| ("node", at)));
            steps.extend(node.gpus.map(|at| ("GPUs", at)));
        }
        steps.push(("scheduler", bound));
    }
    steps.extend(life.pulled.map(|(at, _)| ("pull", at)));
    steps.extend(life.started.map(|at| ("start", at)));
    steps.extend(life.ready.map(|at| ("ready", at)));
    let mut before = decided;
    let mut told = Vec::new();
    for (step, at) in steps {
        let took = at.since(before);
        before = before.max(at);
        if took.as_secs() >= 1 {
            told.push(format!("{step} {took}"));
        }
    }
    told.join(", ")
}
