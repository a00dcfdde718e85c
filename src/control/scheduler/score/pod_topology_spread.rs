//! PodTopologySpread, soft constraints and system defaults (podtopologyspread/scoring.go).

use crate::control::scheduler::rules::{Rules, SpreadRule};
use crate::control::scheduler::score::{Candidates, MAX_NODE_SCORE};
use crate::control::scheduler::snapshot::{NO_DOMAIN, NodeSlot, Snapshot};
use crate::units::convert::{f64_from_i64, f64_from_usize, index, round_i64};

/// Raw score of a node that takes no part.
const IGNORED: i64 = -1;

pub(super) fn score(candidates: &Candidates<'_>, scores: &mut Vec<i64>) -> bool {
    let Candidates { snapshot, rules, tables, feasible, .. } = *candidates;
    if rules.soft.is_empty() {
        return false;
    }
    let ignored = if rules.soft_requires_keys {
        feasible.iter().filter(|slot| is_ignored(snapshot, rules, **slot)).count()
    } else {
        0
    };
    let mut raw = vec![0.0; feasible.len()];
    for (rule, table) in rules.soft.iter().zip(tables.soft()) {
        let size = if rule.is_hostname {
            feasible.len() - ignored
        } else {
            distinct_domains(candidates, rule, table.in_use())
        };
        let weight = libm::log(f64_from_usize(size) + 2.0);
        let skew = f64_from_i64(rule.max_skew - 1);
        let domains = snapshot.domains(rule.key);
        let counts = table.counts();
        for (slot, sum) in feasible.iter().zip(&mut raw) {
            let domain = domains[slot.index()];
            if domain != NO_DOMAIN {
                let place = if rule.is_hostname { slot.index() } else { index(domain) };
                *sum += f64_from_i64(counts[place]) * weight + skew;
            }
        }
    }
    scores.extend(raw.iter().map(|raw| round_i64(*raw)));
    if ignored > 0 {
        for (slot, score) in feasible.iter().zip(&mut *scores) {
            if is_ignored(snapshot, rules, *slot) {
                *score = IGNORED;
            }
        }
    }
    normalise(scores);
    true
}

/// Whether a node is left out: it lacks a key that the pod's own constraints name.
fn is_ignored(snapshot: &Snapshot, rules: &Rules, slot: NodeSlot) -> bool {
    let lacks = |rule: &SpreadRule| snapshot.domains(rule.key)[slot.index()] == NO_DOMAIN;
    rules.soft_requires_keys && rules.soft.iter().any(lacks)
}

/// How many domains the feasible nodes lie in. Nodes without the key are one domain together where
/// they take part at all, and with them those whose label is empty.
fn distinct_domains(candidates: &Candidates<'_>, rule: &SpreadRule, at_most: usize) -> usize {
    let Candidates { snapshot, rules, feasible, .. } = *candidates;
    let domains = snapshot.domains(rule.key);
    let mut seen = vec![false; snapshot.domain_count(rule.key) + 1];
    let blank = snapshot.blank_domain(rule.key).map_or(seen.len() - 1, index);
    let mut size = 0;
    for slot in feasible {
        let domain = domains[slot.index()];
        let place = if domain == NO_DOMAIN { blank } else { index(domain) };
        if !seen[place] && !is_ignored(snapshot, rules, *slot) {
            seen[place] = true;
            size += 1;
            // Once all have been met there is nothing more to learn.
            if size == at_most {
                break;
            }
        }
    }
    size
}

/// Fewer pods around become more points: `100 (highest + lowest - raw) / highest`.
fn normalise(scores: &mut [i64]) {
    let (mut lowest, mut highest) = (i64::MAX, 0);
    for score in &*scores {
        if *score != IGNORED {
            lowest = lowest.min(*score);
            highest = highest.max(*score);
        }
    }
    let of = |score: i64| match score {
        IGNORED => 0,
        _ if highest == 0 => MAX_NODE_SCORE,
        raw => MAX_NODE_SCORE * (highest + lowest - raw) / highest,
    };
    // Nodes alike follow one another, and a division costs more than a comparison.
    let mut last = (IGNORED, 0);
    for score in scores {
        if *score != last.0 {
            last = (*score, of(*score));
        }
        *score = last.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E13 of the worked cases, from the rounded sums on.
    #[test]
    fn fewer_pods_around_score_higher() {
        let mut scores = [12, 9, 9, IGNORED];
        normalise(&mut scores);
        assert_eq!(scores, [75, 100, 100, 0]);
        let mut empty = [0, 0];
        normalise(&mut empty);
        assert_eq!(empty, [100, 100]);
    }
}
