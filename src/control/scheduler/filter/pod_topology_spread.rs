//! PodTopologySpread, hard constraints (podtopologyspread/filtering.go `Filter`).

use crate::control::scheduler::filter::PreFiltered;
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::{NO_DOMAIN, NodeSlot, Snapshot};
use crate::control::scheduler::tables::Tables;

/// With the pod added, no domain may be fuller than the emptiest by more than the skew allowed. The
/// first constraint that fails decides.
pub(super) fn filter(
    snapshot: &Snapshot,
    rules: &Rules,
    tables: &Tables,
    before: &PreFiltered,
    slot: NodeSlot,
) -> Option<Rejection> {
    let counted = rules.hard.iter().zip(tables.hard()).zip(&before.minima);
    for ((rule, table), minimum) in counted {
        let domain = snapshot.domains(rule.key)[slot.index()];
        if domain == NO_DOMAIN {
            return Some(Rejection::SpreadKeyMissing);
        }
        let own = i64::from(rule.counts_itself);
        if table.count(domain) + own - minimum > rule.max_skew {
            return Some(Rejection::SpreadSkew);
        }
    }
    None
}
