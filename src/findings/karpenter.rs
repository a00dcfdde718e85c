//! Nodes that Karpenter took away, and machines that it did not get.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::WorkloadKind;
use crate::findings::Case;
use crate::findings::code::{self, Code};
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::findings::text::plural;
use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, PoolId};
use crate::model::record::{About, Record};
use crate::units::{SimDuration, SimTime};

/// What happens to one NodePool for one reason and lies closer together is told as one.
const TOGETHER: SimDuration = SimDuration::from_secs(900);

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    disrupted(case, findings);
    refused(case, findings);
}

/// What happened to a NodePool again and again.
struct Spell<T> {
    pool: PoolId,
    because: &'static str,
    from: SimTime,
    last: SimTime,
    what: Vec<T>,
}

/// Adds to the spell that lasts, or begins another.
fn add<T>(spells: &mut Vec<Spell<T>>, at: SimTime, pool: PoolId, because: &'static str, what: T) {
    let lasts = spells.iter_mut().rev().find(|known| {
        known.pool == pool && known.because == because && at.since(known.last) <= TOGETHER
    });
    match lasts {
        Some(known) => {
            known.last = at;
            known.what.push(what);
        }
        None => spells.push(Spell { pool, because, from: at, last: at, what: vec![what] }),
    }
}

fn disrupted(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut spells: Vec<Spell<NodeId>> = Vec::new();
    for entry in case.history.entries() {
        let Record::NodeDisrupted { node, because } = &entry.record else { continue };
        let pool = case.history.node(*node).and_then(|life| node_pool_of(case, life.pool));
        let Some(pool) = pool else { continue };
        add(&mut spells, entry.first, pool, because, *node);
    }
    for spell in spells {
        let nodes = &spell.what;
        let moved = case.history.pods().filter(|life| {
            let leaves = life.terminating.is_some_and(|(at, because)| {
                at >= spell.from && because == PodDeletion::NodeDisruption
            });
            let owner = &case.scenario.workloads[life.workload.index()];
            let daemon = matches!(owner.kind, WorkloadKind::DaemonSet { .. });
            leaves && !daemon && life.bound.is_some_and(|(_, node)| nodes.contains(&node))
        });
        let moved = moved.count();
        let message =
            format!("Karpenter takes {} away: {}", plural(nodes.len(), "node"), spell.because);
        let note = match moved {
            0 => "no pod had to move".to_owned(),
            1 => "1 pod had to move".to_owned(),
            _ => format!("{moved} pods had to move"),
        };
        let evidence = nodes.iter().map(|node| EvidenceObject::Node(*node)).collect();
        tell(case, findings, &spell, &code::NODES_DISRUPTED, (message, note, evidence));
    }
}

/// Launches for which the cloud lacked what was asked for first, or everything.
fn refused(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut spells: Vec<Spell<Arc<str>>> = Vec::new();
    for entry in case.history.entries() {
        let Record::Announced { about: About::NodePool(name), event, message } = &entry.record
        else {
            continue;
        };
        if !matches!(*event, "InsufficientCapacity" | "InsufficientCapacityError") {
            continue;
        }
        if let Some(pool) = umbrella(case, name) {
            let what = Arc::from(message.split(';').next().unwrap_or_default());
            add(&mut spells, entry.first, pool, event, what);
        }
    }
    for spell in spells {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for what in &spell.what {
            *counts.entry(what).or_default() += 1;
        }
        let mut worst: Vec<(&str, usize)> = counts.into_iter().collect();
        worst.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let times = plural(spell.what.len(), "time");
        let (message, note) = if spell.because == "InsufficientCapacityError" {
            ("Karpenter gets none of the machines a launch could be".to_owned(), times)
        } else {
            let more = worst.len().saturating_sub(1);
            let others = if more == 0 { String::new() } else { format!(" and {more} more") };
            let first = worst.first().map_or("", |(what, _)| *what);
            ("the cloud lacks what Karpenter asks for".to_owned(), format!("{first}{others}"))
        };
        tell(case, findings, &spell, &code::LAUNCH_REFUSED, (message, note, Vec::new()));
    }
}

fn tell<T>(
    case: &Case<'_>,
    findings: &mut Vec<Finding>,
    spell: &Spell<T>,
    code: &'static Code,
    (message, note, evidence): (String, String, Vec<EvidenceObject>),
) {
    if spell.last < case.history.clock().measured_from {
        return;
    }
    let name = &case.scenario.pools[spell.pool.index()].name;
    let severity = if *code == code::LAUNCH_REFUSED { Severity::Warning } else { Severity::Info };
    findings.push(Finding {
        code,
        severity,
        from: spell.from,
        until: (spell.last > spell.from).then_some(spell.last),
        subject: Subject::Pool(spell.pool),
        message: format!("{name}: {message}"),
        note,
        evidence: evidence.into_iter().map(|object| Evidence { at: spell.from, object }).collect(),
        origins: Vec::new(),
    });
}

/// The pool that stands for the NodePool of a pool.
fn node_pool_of(case: &Case<'_>, pool: PoolId) -> Option<PoolId> {
    umbrella(case, case.scenario.pools[pool.index()].node_pool.as_ref()?)
}

fn umbrella(case: &Case<'_>, name: &Arc<str>) -> Option<PoolId> {
    let pools = &case.scenario.pools;
    let at = pools.iter().position(|it| it.name == *name && it.node_pool.as_ref() == Some(name));
    at.map(PoolId::at)
}
