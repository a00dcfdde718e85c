//! InterPodAffinity, preferred terms of both sides (interpodaffinity/scoring.go).

use crate::control::scheduler::score::{Candidates, MAX_NODE_SCORE};
use crate::control::scheduler::snapshot::NO_DOMAIN;
use crate::units::convert::{f64_from_i64, trunc_i64};

pub(super) fn score(candidates: &Candidates<'_>, scores: &mut Vec<i64>) -> bool {
    let mut ran = false;
    for (key, table) in candidates.tables.preferences().filter(|(_, table)| table.is_touched()) {
        if !ran {
            scores.resize(candidates.feasible.len(), 0);
            ran = true;
        }
        let domains = candidates.snapshot.domains(key);
        for (slot, score) in candidates.feasible.iter().zip(&mut *scores) {
            let domain = domains[slot.index()];
            if domain != NO_DOMAIN {
                *score += table.count(domain);
            }
        }
    }
    if ran {
        stretch(scores);
    }
    ran
}

/// The lowest becomes 0 and the highest 100; all equal become 0. The division comes first, in
/// doubles, as in kube-scheduler: 29 of 50 makes 57.
fn stretch(scores: &mut [i64]) {
    let lowest = scores.iter().copied().min().unwrap_or(0);
    let highest = scores.iter().copied().max().unwrap_or(0);
    let range = f64_from_i64(highest - lowest);
    for score in scores {
        *score = if highest == lowest {
            0
        } else {
            trunc_i64(f64_from_i64(MAX_NODE_SCORE) * (f64_from_i64(*score - lowest) / range))
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E12 of the worked cases and correction 12, before the weight.
    #[test]
    fn scores_stretch_over_the_range() {
        let rows: [(&[i64], &[i64]); 3] = [
            (&[-10, 0, 30], &[0, 25, 100]),
            (&[7, 7, 7], &[0, 0, 0]),
            (&[0, 29, 50], &[0, 57, 100]),
        ];
        for (raw, expected) in rows {
            let mut scores = raw.to_vec();
            stretch(&mut scores);
            assert_eq!(scores, expected);
        }
    }
}
