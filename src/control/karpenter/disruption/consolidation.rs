//! Fewer or cheaper nodes for the same pods.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/disruption/emptiness.go, consolidation.go,
//! multinodeconsolidation.go, singlenodeconsolidation.go, balanced.go.

use std::collections::BTreeMap;

use super::candidate::{Candidate, NODE_COST, eviction_cost};
use super::{Command, Found, Method, PoolTotals, Sight, Stay, pool_of, simulate, unsettled};
use crate::control::karpenter::instance::{CapacityType, min_values};
use crate::control::karpenter::pool::ConsolidationPolicy;
use crate::control::karpenter::requirement::{CAPACITY_TYPE, Requirement};
use crate::control::karpenter::scheduling::PlannedClaim;
use crate::control::karpenter::state::pods_by_node;

/// Cheaper types that the replacement of one spot node by another needs
/// (`MinInstanceTypesForSpotToSpotConsolidation`).
const SPOT_TO_SPOT_TYPES: usize = 15;
/// Nodes that one command is about at most.
const MOST_NODES: usize = 100;
/// Balanced approves a move whose share of the savings is at least this part of its share of the
/// disruption (1/k with `BalancedK` = 2).
const BALANCED_THRESHOLD: f64 = 0.5;

/// The nodes worth most for each unit of disruption first (`sortCandidates`).
pub(super) fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| {
        b.ratio().total_cmp(&a.ratio()).then_with(|| a.node.name.cmp(&b.node.name))
    });
}

/// All empty nodes that budgets allow, at once.
pub(super) fn emptiness(mut candidates: Vec<Candidate>, mut mapping: Vec<i32>, found: &mut Found) {
    sort(&mut candidates);
    let mut constrained = false;
    let mut empty = Vec::new();
    for candidate in candidates {
        if mapping[candidate.pool] == 0 {
            constrained = true;
            continue;
        }
        mapping[candidate.pool] -= 1;
        empty.push(candidate);
    }
    if empty.is_empty() {
        found.settled = !constrained;
    } else {
        found.command = Some(Command::new(Method::Emptiness, empty, Default::default()));
    }
}

/// The longest run of candidates that can go together (`firstNConsolidationOption`): halving
/// intervals, which is right when any shorter run can go too, and a guess otherwise.
pub(super) fn multi_node(
    sight: &Sight<'_>,
    mut candidates: Vec<Candidate>,
    mut mapping: Vec<i32>,
    totals: &PoolTotals,
    found: &mut Found,
) {
    sort(&mut candidates);
    let mut constrained = false;
    candidates.retain(|candidate| {
        let allowed = mapping[candidate.pool] > 0;
        mapping[candidate.pool] -= i32::from(allowed);
        constrained |= !allowed;
        allowed
    });
    found.command = longest_prefix(sight, &candidates, totals);
    found.settled = found.command.is_none() && !constrained;
}

fn longest_prefix(
    sight: &Sight<'_>,
    candidates: &[Candidate],
    totals: &PoolTotals,
) -> Option<Command> {
    if candidates.len() < 2 {
        return None;
    }
    let (mut low, mut high) = (1, candidates.len().min(MOST_NODES));
    if candidates.len() <= high {
        high = candidates.len() - 1;
    }
    let mut best = None;
    while low <= high {
        let middle = usize::midpoint(low, high);
        let some = &candidates[..=middle];
        let command = consolidate(sight, Method::MultiNode, some, &mut Vec::new());
        let command = command.and_then(|it| without_same_type(sight, it));
        match command.filter(|it| is_balanced(sight, it, totals)) {
            Some(command) => {
                best = Some(command);
                low = middle + 1;
            }
            None => high = middle - 1,
        }
    }
    best
}

/// The first node that can go alone, one of each pool in turn (`SortCandidates`).
pub(super) fn single_node(
    sight: &Sight<'_>,
    mut candidates: Vec<Candidate>,
    mapping: &[i32],
    totals: &PoolTotals,
    found: &mut Found,
) {
    sort(&mut candidates);
    let mut constrained = false;
    for candidate in interleaved(sight, candidates) {
        if mapping[candidate.pool] == 0 {
            constrained = true;
            continue;
        }
        if !can_be_balanced(sight, &candidate, totals) {
            continue;
        }
        let one = std::slice::from_ref(&candidate);
        let command = consolidate(sight, Method::SingleNode, one, &mut found.stay);
        found.command = command.filter(|it| is_balanced(sight, it, totals));
        if found.command.is_some() {
            return;
        }
    }
    found.settled = !constrained;
}

fn interleaved(sight: &Sight<'_>, candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut pools: BTreeMap<_, std::collections::VecDeque<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        let name = &sight.world.spec.pools[candidate.pool].name;
        pools.entry(name.clone()).or_default().push_back(candidate);
    }
    let mut mixed = Vec::new();
    while pools.values().any(|pool| !pool.is_empty()) {
        mixed.extend(pools.values_mut().filter_map(std::collections::VecDeque::pop_front));
    }
    mixed
}

/// Whether nodes can go, with at most one cheaper node in their place (`computeConsolidation`).
fn consolidate(
    sight: &Sight<'_>,
    method: Method,
    candidates: &[Candidate],
    stay: &mut Vec<(crate::model::id::NodeId, Stay)>,
) -> Option<Command> {
    let mut refuse = |why: String| {
        if let [one] = candidates {
            stay.push((one.node.id, Stay::Unconsolidatable(why)));
        }
        None
    };
    let mut results = simulate(sight, candidates, true);
    if let Some(why) = unsettled(&results) {
        return refuse(why);
    }
    if results.claims.len() > 1 {
        return refuse(format!(
            "Can't remove without creating {} candidates",
            results.claims.len()
        ));
    }
    let price: f64 = candidates.iter().map(|it| it.price).sum();
    if let Some(claim) = results.claims.first_mut() {
        let all_spot = candidates.iter().all(|it| it.capacity == CapacityType::Spot);
        let spot = claim.requirements.allows(CAPACITY_TYPE, CapacityType::Spot.name());
        let done = if all_spot && spot {
            spot_to_spot(sight, claim, price, candidates.len())
        } else {
            cheaper(claim, price)
        };
        if let Err(why) = done {
            return refuse(why);
        }
    }
    Some(Command::new(method, candidates.to_vec(), results))
}

/// Leaves the types that are cheaper at worst.
fn cheaper(claim: &mut PlannedClaim, price: f64) -> Result<(), String> {
    keep_cheaper(claim, price)?;
    let allows = |it: CapacityType| claim.requirements.allows(CAPACITY_TYPE, it.name());
    // Were spot not to be had, an on-demand node might cost more than what it replaces.
    if allows(CapacityType::Spot) && allows(CapacityType::OnDemand) {
        only_spot(claim);
    }
    Ok(())
}

fn keep_cheaper(claim: &mut PlannedClaim, price: f64) -> Result<(), String> {
    if !claim.keep_cheaper_than(price) {
        let short = min_values(&claim.choices, &claim.requirements).short;
        let labels: Vec<&str> = short.keys().map(|key| &**key).collect();
        return Err(format!(
            "Filtering by price: minValues requirement is not met for label(s) [{}]",
            labels.join(" ")
        ));
    }
    if claim.choices.is_empty() {
        return Err("Can't replace with a cheaper node".to_owned());
    }
    Ok(())
}

fn only_spot(claim: &mut PlannedClaim) {
    let spot = Requirement::one_of([std::sync::Arc::from(CapacityType::Spot.name())]);
    claim.requirements.add(CAPACITY_TYPE, spot);
}

/// One spot node for others (`computeSpotToSpotConsolidation`): a single node needs fifteen cheaper
/// types, and is launched from the cheapest fifteen, so that it is not replaced again at once.
fn spot_to_spot(
    sight: &Sight<'_>,
    claim: &mut PlannedClaim,
    price: f64,
    nodes: usize,
) -> Result<(), String> {
    if !sight.world.spec.options.spot_to_spot {
        return Err(
            "SpotToSpotConsolidation is disabled, can't replace a spot node with a spot node"
                .to_owned(),
        );
    }
    only_spot(claim);
    let requirements = claim.requirements.clone();
    claim.choices.retain(|choice| choice.suitable(&requirements).next().is_some());
    keep_cheaper(claim, price)?;
    if nodes > 1 {
        return Ok(());
    }
    if claim.choices.len() < SPOT_TO_SPOT_TYPES {
        return Err(format!(
            "SpotToSpotConsolidation requires {SPOT_TO_SPOT_TYPES} cheaper instance type options \
             than the current candidate to consolidate, got {}",
            claim.choices.len()
        ));
    }
    let needed = min_values(&claim.choices, &claim.requirements).needed;
    claim.choices.truncate(needed.max(SPOT_TO_SPOT_TYPES));
    Ok(())
}

/// Replacing several nodes by one of the same type is no better than keeping one: of such types only
/// those cheaper than the cheapest node of theirs stay (`filterOutSameInstanceType`).
fn without_same_type(sight: &Sight<'_>, mut command: Command) -> Option<Command> {
    let Some(claim) = command.replacements.first_mut() else { return Some(command) };
    let mut prices: BTreeMap<&str, f64> = BTreeMap::new();
    for candidate in &command.candidates {
        let option = &sight.world.spec.pools[candidate.pool].options[candidate.option];
        let known = prices.entry(&option.machine.name).or_insert(f64::INFINITY);
        *known = known.min(candidate.price);
    }
    let same = claim.choices.iter().filter_map(|choice| prices.get(&**choice.name()));
    let cheapest = same.copied().fold(f64::INFINITY, f64::min);
    let holds = claim.keep_cheaper_than(cheapest) && !claim.choices.is_empty();
    holds.then_some(command)
}

/// What all nodes of each pool cost, in money and in disruption (`computeNodePoolTotals`).
pub(super) fn totals(sight: &Sight<'_>, all: &[Candidate]) -> PoolTotals {
    let mut totals = PoolTotals::new();
    let by_node = pods_by_node(sight.world.seen);
    let costs: BTreeMap<_, f64> = all.iter().map(|it| (it.node.id, it.cost)).collect();
    for node in &sight.world.seen.nodes {
        let (Some(pool), Some(claim)) = (pool_of(node), node.claim) else { continue };
        let pods = by_node.get(&node.id).into_iter().flatten();
        let own = || {
            let costs = pods.filter(|pod| !pod.is_daemon()).map(|pod| eviction_cost(pod).max(0.0));
            NODE_COST + costs.sum::<f64>()
        };
        let cost = costs.get(&node.id).copied().unwrap_or_else(own);
        let option = &sight.world.spec.pools[pool].options[claim.option];
        let entry = totals.entry(pool).or_default();
        entry.0 += option.offerings[claim.offering].price;
        entry.1 += cost;
    }
    totals
}

/// The share of a pool's cost that is saved, over the share of its disruption.
fn score(savings: f64, disruption: f64, totals: (f64, f64)) -> f64 {
    let (cost, all) = totals;
    if cost <= 0.0 || all <= 0.0 || savings <= 0.0 {
        return 0.0;
    }
    let share = disruption / all;
    if share <= 0.0 { f64::INFINITY } else { (savings / cost) / share }
}

/// Whether every Balanced pool of a command approves of it (`EvaluateBalancedMove`).
fn is_balanced(sight: &Sight<'_>, command: &Command, totals: &PoolTotals) -> bool {
    let source: f64 = command.candidates.iter().map(|it| it.price).sum();
    let mut pools: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for candidate in &command.candidates {
        let entry = pools.entry(candidate.pool).or_default();
        entry.0 += candidate.price;
        entry.1 += candidate.cost;
    }
    let several = pools.len() > 1 && source > 0.0;
    pools.iter().all(|(pool, (price, cost))| {
        if sight.world.spec.pools[*pool].policy != ConsolidationPolicy::Balanced {
            return true;
        }
        let share = if several { price / source } else { 1.0 };
        let totals = totals.get(pool).copied().unwrap_or_default();
        score(command.savings() * share, *cost, totals) >= BALANCED_THRESHOLD
    })
}

/// Whether deleting a node outright would be approved: nothing else saves more
/// (`CanPassThreshold`).
fn can_be_balanced(sight: &Sight<'_>, candidate: &Candidate, totals: &PoolTotals) -> bool {
    let balanced = sight.world.spec.pools[candidate.pool].policy == ConsolidationPolicy::Balanced;
    let totals = totals.get(&candidate.pool).copied().unwrap_or_default();
    !balanced || score(candidate.price, candidate.cost, totals) >= BALANCED_THRESHOLD
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool that costs 1.0 an hour with a disruption of 30: a move at a disruption of 3, a tenth of it, is
    /// worth it from a twentieth of the cost on, as 0.05 / 0.1 is the half that is asked for.
    #[test]
    fn a_move_is_worth_half_of_its_disruption() {
        let rows = [(0.05, true), (0.049, false), (0.02, false), (0.0, false), (-0.1, false)];
        for (savings, worth) in rows {
            let found = score(savings, 3.0, (1.0, 30.0));
            assert_eq!(found >= BALANCED_THRESHOLD, worth, "{savings}: {found}");
        }
    }
}
