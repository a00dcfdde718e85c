//! InterPodAffinity, required terms (interpodaffinity/filtering.go `Filter`).

use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::{NO_DOMAIN, NodeSlot, Snapshot};
use crate::control::scheduler::tables::{Table, Tables};

/// The pod's affinity, its anti-affinity, and the anti-affinity of pods that are there, in this
/// order.
pub(super) fn filter(
    snapshot: &Snapshot,
    rules: &Rules,
    tables: &Tables,
    slot: NodeSlot,
) -> Option<Rejection> {
    let is_occupied = |key, table: &Table| {
        let domain = snapshot.domains(key)[slot.index()];
        domain != NO_DOMAIN && table.count(domain) > 0
    };
    if !affinity_holds(snapshot, rules, tables, slot) {
        return Some(Rejection::PodAffinity);
    }
    let mut own = rules.anti_affinity.iter().zip(tables.anti_affinity());
    if own.any(|(term, table)| is_occupied(term.key, table)) {
        return Some(Rejection::PodAntiAffinity);
    }
    let mut existing = tables.existing();
    existing.any(|(key, table)| is_occupied(key, table)).then_some(Rejection::ExistingAntiAffinity)
}

/// Every term's domain must hold a pod that matches all terms; the first pod of a group that
/// attracts itself may go to any node that has the keys.
fn affinity_holds(snapshot: &Snapshot, rules: &Rules, tables: &Tables, slot: NodeSlot) -> bool {
    let mut everywhere_present = true;
    for (term, table) in rules.affinity.iter().zip(tables.affinity()) {
        let domain = snapshot.domains(term.key)[slot.index()];
        if domain == NO_DOMAIN {
            return false;
        }
        everywhere_present &= table.count(domain) > 0;
    }
    let alone = || !tables.affinity().iter().any(Table::is_touched);
    everywhere_present || (rules.attracts_itself && alone())
}
