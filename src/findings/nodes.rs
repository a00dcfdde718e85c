//! Nodes that were removed or lost, evictions that were refused, and what the scenario did.

use std::collections::BTreeMap;

use crate::control::disruption::StoredStatus;
use crate::control::drain::{Remedy, remedy};
use crate::findings::Case;
use crate::findings::code;
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::findings::text::plural;
use crate::model::Reason;
use crate::model::action::PodDeletion;
use crate::model::id::{BudgetId, DisruptionId, NodeId, PodId, PoolId};
use crate::model::record::Record;
use crate::scenario::DisruptionTarget;
use crate::trace::Entry;
use crate::units::{SimDuration, SimTime};

/// Removals of one pool that lie closer together are told as one.
const TOGETHER: SimDuration = SimDuration::from_secs(900);

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    removed(case, findings);
    lost(case, findings);
    refused(case, findings);
    disruptions(case, findings);
}

/// Nodes of a pool that went one after another.
struct Removal {
    pool: PoolId,
    from: SimTime,
    last: SimTime,
    nodes: Vec<NodeId>,
    unneeded: SimDuration,
}

fn removed(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut removals: Vec<Removal> = Vec::new();
    for entry in case.history.entries() {
        let Some((_, Reason::ScaleDown { node, unneeded_since })) = entry.decision() else {
            continue;
        };
        let Some(pool) = case.history.node(*node).map(|life| life.pool) else { continue };
        let unneeded = entry.first.since(*unneeded_since);
        let together = removals
            .iter_mut()
            .rev()
            .find(|known| known.pool == pool && entry.first.since(known.last) <= TOGETHER);
        match together {
            Some(known) => {
                known.last = entry.first;
                known.nodes.push(*node);
                known.unneeded = known.unneeded.min(unneeded);
            }
            None => removals.push(Removal {
                pool,
                from: entry.first,
                last: entry.first,
                nodes: vec![*node],
                unneeded,
            }),
        }
    }
    for removal in removals {
        if removal.last < case.history.clock().measured_from {
            continue;
        }
        let pool = &case.scenario.pools[removal.pool.index()].name;
        let (count, unneeded) = (removal.nodes.len(), removal.unneeded);
        let object = EvidenceObject::Node;
        findings.push(Finding {
            code: &code::NODES_REMOVED,
            severity: Severity::Info,
            from: removal.from,
            until: (removal.last > removal.from).then_some(removal.last),
            subject: Subject::Pool(removal.pool),
            message: format!("cluster-autoscaler removes {} of {pool}", plural(count, "node")),
            note: format!("unneeded for {unneeded}"),
            evidence: removal
                .nodes
                .iter()
                .map(|node| Evidence { at: removal.from, object: object(*node) })
                .collect(),
            origins: Vec::new(),
        });
    }
}

/// Nodes that stopped answering at the same instant.
fn lost(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut by_instant: BTreeMap<SimTime, Vec<NodeId>> = BTreeMap::new();
    for life in case.history.nodes() {
        for (at, _) in &life.lost {
            by_instant.entry(*at).or_default().push(life.id);
        }
    }
    for (at, nodes) in by_instant {
        let pods = case.history.pods().filter(|life| {
            let there =
                life.bound.is_some_and(|(bound, node)| bound <= at && nodes.contains(&node));
            there && life.gone.is_none_or(|gone| gone > at)
        });
        let pods: Vec<&crate::trace::PodLife> = pods.collect();
        let names: Vec<&str> = nodes.iter().map(|node| case.history.names().node(*node)).collect();
        findings.push(Finding {
            code: &code::NODES_LOST,
            severity: Severity::Warning,
            from: at,
            until: back(case, &nodes, at),
            subject: Subject::Run,
            message: format!(
                "{} {} answering",
                listed(&names),
                if names.len() == 1 { "stops" } else { "stop" }
            ),
            note: consequences(case, at, &pods),
            evidence: nodes
                .iter()
                .map(|node| Evidence { at, object: EvidenceObject::Node(*node) })
                .collect(),
            origins: Vec::new(),
        });
    }
}

/// When all of them answered again, if they did.
fn back(case: &Case<'_>, nodes: &[NodeId], lost: SimTime) -> Option<SimTime> {
    let mut latest = None;
    for node in nodes {
        let life = case.history.node(*node)?;
        let (_, until) = life.lost.iter().find(|(at, _)| *at == lost)?;
        latest = latest.max(Some((*until)?));
    }
    latest
}

/// `7 pods dead at once; evicted after 5m40s; replaced after 6m10s`.
fn consequences(case: &Case<'_>, at: SimTime, pods: &[&crate::trace::PodLife]) -> String {
    let mut parts = vec![format!("{} dead at once", plural(pods.len(), "pod"))];
    let evicted = pods.iter().filter_map(|life| life.terminating).map(|(when, _)| when).min();
    if let Some(evicted) = evicted {
        parts.push(format!("deleted after {}", evicted.since(at)));
        let workloads: Vec<_> = pods.iter().map(|life| life.workload).collect();
        let replaced = case
            .history
            .pods()
            .filter(|life| life.created >= evicted && workloads.contains(&life.workload))
            .filter_map(|life| life.ready)
            .min();
        parts.extend(
            replaced.map(|when| format!("first replacement ready after {}", when.since(at))),
        );
    }
    parts.join("; ")
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "no node".to_owned(),
        [one] => (*one).to_owned(),
        [one, other] => format!("{one} and {other}"),
        [one, ..] => format!("{one} and {}", plural(names.len() - 1, "other node")),
    }
}

/// Refusals of one budget.
struct Refusals {
    from: SimTime,
    last: SimTime,
    count: u32,
    pods: Vec<PodId>,
    nodes: Vec<NodeId>,
}

fn refused(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut by_budget: BTreeMap<BudgetId, Refusals> = BTreeMap::new();
    for entry in case.history.entries() {
        let Record::EvictionRefused { pod, node, reason } = &entry.record else { continue };
        let Reason::BudgetRefused { budget, .. } = reason else { continue };
        let known = by_budget.entry(*budget).or_insert(Refusals {
            from: entry.first,
            last: entry.last,
            count: 0,
            pods: Vec::new(),
            nodes: Vec::new(),
        });
        known.last = known.last.max(entry.last);
        known.count += entry.count;
        if !known.pods.contains(pod) {
            known.pods.push(*pod);
        }
        if !known.nodes.contains(node) {
            known.nodes.push(*node);
        }
    }
    for (budget, refusals) in by_budget {
        findings.push(refused_finding(case, budget, &refusals));
    }
}

fn refused_finding(case: &Case<'_>, budget: BudgetId, refusals: &Refusals) -> Finding {
    let spec = &case.scenario.budgets[budget.index()];
    let names = case.history.names();
    let pods: Vec<&str> = refusals.pods.iter().map(|pod| names.pod(*pod)).collect();
    let nodes: Vec<&str> = refusals.nodes.iter().map(|node| names.node(*node)).collect();
    // All went in the end, or the last one is still there.
    let went = |pod: &PodId| {
        let life = case.history.pod(*pod)?;
        life.terminating.map(|(at, _)| at).or(life.gone)
    };
    let freed: Option<Vec<SimTime>> = refusals.pods.iter().map(went).collect();
    let freed = freed.and_then(|times| times.into_iter().max());
    let lasted = freed.unwrap_or(case.end()).since(refusals.from);
    let end = match freed {
        Some(at) => {
            let offset = case.history.clock().offset(at);
            let by = freed_by(case, budget, at);
            format!("until {offset} ({lasted}), {} refusals{by}", refusals.count)
        }
        None => {
            let remedy = remedied_by(case, budget);
            format!("to the end ({lasted}), {} refusals{remedy}", refusals.count)
        }
    };
    Finding {
        code: &code::EVICTION_REFUSED,
        severity: if freed.is_none() { Severity::Error } else { Severity::Warning },
        from: refusals.from,
        until: freed,
        subject: Subject::Budget(budget),
        message: format!(
            "budget {} keeps {} on {}",
            spec.meta.name,
            pods_listed(&pods),
            listed(&nodes)
        ),
        note: end,
        evidence: refusals
            .pods
            .iter()
            .map(|pod| Evidence { at: refusals.from, object: EvidenceObject::Pod(*pod) })
            .collect(),
        origins: vec![spec.allowance_origin.clone()],
    }
}

/// What would let the pods go that a budget still keeps.
fn remedied_by(case: &Case<'_>, budget: BudgetId) -> String {
    let status = case.history.entries().iter().rev().find_map(|entry| {
        let Record::BudgetChanged { budget: changed, status } = &entry.record else { return None };
        (*changed == budget).then_some(*status)
    });
    let Some(figures) = status else { return String::new() };
    let allowance = case.scenario.budgets[budget.index()].allowance;
    let status = StoredStatus { figures, ..StoredStatus::default() };
    match remedy(allowance, &status) {
        Remedy::MoreReadyPods(pods) => format!("; {pods} more ready would free it"),
        Remedy::NeverAtThisSize { expected, desired } => {
            format!("; {desired} of {expected} must stay, add replicas")
        }
        Remedy::None | Remedy::CannotCount { .. } | Remedy::DisruptionsUnderWay(_) => String::new(),
    }
}

fn pods_listed(names: &[&str]) -> String {
    match names {
        [one] => (*one).to_owned(),
        _ => format!("{} pods", names.len()),
    }
}

/// What let the last pod go: the last pod that became ready before the budget allowed one more.
fn freed_by(case: &Case<'_>, budget: BudgetId, at: SimTime) -> String {
    let allowed = |entry: &&Entry| {
        let changed = if let Record::BudgetChanged { budget: changed, status } = &entry.record {
            *changed == budget && status.disruptions_allowed > 0
        } else {
            false
        };
        changed && entry.first <= at
    };
    let Some(allowed) = case.history.entries().iter().rev().find(allowed) else {
        return String::new();
    };
    let ready = case.history.entries().iter().rev().find_map(|entry| {
        let Record::PodBecameReady(pod) = &entry.record else { return None };
        (entry.first <= allowed.first && entry.first >= allowed.first.before(TOGETHER))
            .then_some(*pod)
    });
    ready.map_or_else(String::new, |pod| {
        format!("; freed when {} was ready", case.history.names().pod(pod))
    })
}

/// How many nodes or pods a disruption took, as far as its own records tell; `None` where the scenario
/// asks for no number, or where they begin after it.
fn happened(
    case: &Case<'_>,
    id: DisruptionId,
    from: SimTime,
    until: Option<SimTime>,
) -> Option<u32> {
    let pool_of = |node: NodeId| case.history.node(node).map(|life| life.pool);
    let target = &case.scenario.disruptions[id.index()].target;
    let until = until.unwrap_or(case.end());
    let counts = |entry: &&Entry| match target {
        DisruptionTarget::Drain { pool, .. } => {
            let Record::NodeCordoned(node) = &entry.record else { return false };
            entry.first <= until && pool_of(*node) == Some(*pool)
        }
        DisruptionTarget::FailNode { pool, .. } => {
            let Record::NodeLost(node) = &entry.record else { return false };
            entry.first == from && pool_of(*node) == Some(*pool)
        }
        DisruptionTarget::DeletePod { workload, .. } => {
            let Record::PodTerminating { pod, because: PodDeletion::Scenario } = &entry.record
            else {
                return false;
            };
            let of = case.history.pod(*pod).map(|life| life.workload);
            entry.first == from && of == Some(*workload)
        }
        DisruptionTarget::ReclaimSpot { .. }
        | DisruptionTarget::UpgradePool { .. }
        | DisruptionTarget::FailZone { .. }
        | DisruptionTarget::CapacityShortage { .. }
        | DisruptionTarget::Cordon { .. }
        | DisruptionTarget::Scale { .. }
        | DisruptionTarget::Slow { .. }
        | DisruptionTarget::Rollout(_) => false,
    };
    let asks = matches!(
        target,
        DisruptionTarget::Drain { .. }
            | DisruptionTarget::FailNode { .. }
            | DisruptionTarget::DeletePod { .. }
    );
    let entries = case.history.entries().iter().filter(|entry| entry.first >= from);
    asks.then(|| entries.filter(counts).map(|entry| entry.count).sum())
}

fn disruptions(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut ends: BTreeMap<DisruptionId, SimTime> = BTreeMap::new();
    for entry in case.history.entries() {
        if let Record::DisruptionEnded(id) = &entry.record {
            ends.entry(*id).or_insert(entry.first);
        }
    }
    for entry in case.history.entries() {
        let Record::DisruptionBegan(id) = &entry.record else { continue };
        let spec = &case.scenario.disruptions[id.index()];
        if matches!(spec.target, DisruptionTarget::Rollout(_)) {
            continue;
        }
        let ended = ends.get(id).copied();
        let lasted = ended.map(|end| end.since(entry.first)).filter(|span| !span.is_zero());
        findings.push(Finding {
            code: &code::DISRUPTION,
            severity: Severity::Info,
            from: entry.first,
            until: ended,
            subject: Subject::Disruption(*id),
            message: case.describe_as(spec, happened(case, *id, entry.first, ended)),
            note: match (lasted, ended) {
                (Some(span), _) => format!("for {span}"),
                (None, Some(_)) => String::new(),
                (None, None) => "not done by the end of the run".to_owned(),
            },
            evidence: Vec::new(),
            origins: vec![spec.origin.clone()],
        });
    }
}
