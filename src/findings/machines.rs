//! Machines that the cloud refused, or took back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::findings::Case;
use crate::findings::code;
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::findings::text::plural;
use crate::model::id::{NodeId, PoolId};
use crate::units::{SimDuration, SimTime};

/// What lies closer together is told as one.
const TOGETHER: SimDuration = SimDuration::from_secs(900);

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    refused(case, findings);
    reclaimed(case, findings);
}

/// Requests of one pool that the cloud refused with one code.
struct Refusals<'a> {
    from: SimTime,
    last: SimTime,
    count: usize,
    message: &'a str,
    nodes: Vec<NodeId>,
}

fn refused(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut refusals: BTreeMap<(PoolId, &Arc<str>), Refusals<'_>> = BTreeMap::new();
    // What Karpenter is refused it tells itself.
    let of_group = |pool: PoolId| case.scenario.pools[pool.index()].node_pool.is_none();
    for life in case.history.nodes().filter(|life| of_group(life.pool)) {
        for (at, code, message) in &life.launch_failures {
            let told = refusals.entry((life.pool, code)).or_insert(Refusals {
                from: *at,
                last: *at,
                count: 0,
                message,
                nodes: Vec::new(),
            });
            told.from = told.from.min(*at);
            told.last = told.last.max(*at);
            told.count += 1;
            if !told.nodes.contains(&life.id) {
                told.nodes.push(life.id);
            }
        }
    }
    for ((pool, code), told) in refusals {
        if told.last < case.history.clock().measured_from {
            continue;
        }
        let name = case.history.names().pool(pool);
        let requests = plural(told.count, "request");
        findings.push(Finding {
            code: &code::MACHINES_REFUSED,
            severity: Severity::Warning,
            from: told.from,
            until: (told.last > told.from).then_some(told.last),
            subject: Subject::Pool(pool),
            message: format!("the cloud refuses {requests} for machines of {name}"),
            note: format!("{code}: {}", told.message),
            evidence: told
                .nodes
                .iter()
                .map(|node| Evidence { at: told.from, object: EvidenceObject::Node(*node) })
                .collect(),
            origins: vec![case.scenario.pools[pool.index()].origin.clone()],
        });
    }
}

fn reclaimed(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut waves: Vec<(PoolId, SimTime, SimTime, Vec<NodeId>)> = Vec::new();
    let mut taken: Vec<(SimTime, PoolId, NodeId)> = case
        .history
        .nodes()
        .filter_map(|life| Some((life.reclaimed?, life.pool, life.id)))
        .filter(|(at, ..)| *at >= case.history.clock().measured_from)
        .collect();
    taken.sort_unstable();
    for (at, pool, node) in taken {
        let near = waves
            .iter_mut()
            .rev()
            .find(|(known, _, last, _)| *known == pool && at.since(*last) <= TOGETHER);
        match near {
            Some((_, _, last, nodes)) => {
                *last = at;
                nodes.push(node);
            }
            None => waves.push((pool, at, at, vec![node])),
        }
    }
    for (pool, from, last, nodes) in waves {
        let name = case.history.names().pool(pool);
        let cut = case.history.pods().filter(|pod| {
            let there = pod.bound.is_some_and(|(_, node)| nodes.contains(&node));
            there && pod.gone.is_none_or(|gone| gone > from)
        });
        findings.push(Finding {
            code: &code::SPOT_RECLAIMED,
            severity: Severity::Warning,
            from,
            until: (last > from).then_some(last),
            subject: Subject::Pool(pool),
            message: format!(
                "the cloud takes {} of {name} back",
                plural(nodes.len(), "spot machine")
            ),
            note: match cut.count() {
                0 => "nothing ran on them any more".to_owned(),
                pods => format!("{} were still there", plural(pods, "pod")),
            },
            evidence: nodes
                .iter()
                .map(|node| Evidence { at: from, object: EvidenceObject::Node(*node) })
                .collect(),
            origins: vec![case.scenario.pools[pool.index()].origin.clone()],
        });
    }
}
