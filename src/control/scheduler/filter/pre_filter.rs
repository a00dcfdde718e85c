//! What is worked out before any node is looked at, and may turn the pod down everywhere.

use std::sync::Arc;

use crate::control::scheduler::filter::volume_restrictions;
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::{Narrowing, Rules};
use crate::control::scheduler::snapshot::{NodeSlot, PodInfo, Snapshot};
use crate::control::scheduler::tables::Tables;
use crate::control::scheduler::volumes::ClaimBinding;

/// What the filters need to know besides node and tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct PreFiltered {
    /// The nodes that are looked at; `None` is all.
    pub(crate) narrowed: Option<Vec<NodeSlot>>,
    /// For each hard spread constraint, the smallest count of a domain.
    pub(crate) minima: Vec<i64>,
    /// A ReadWriteOncePod claim of the pod is in use.
    pub(crate) claim_in_use: bool,
}

/// The pod is turned down on all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub rejection: Rejection,
    /// In kube-scheduler's words.
    pub message: String,
}

/// Runs all PreFilter plugins.
pub(crate) fn pre_filter(
    snapshot: &Snapshot,
    rules: &Rules,
    tables: &Tables,
    pod: &PodInfo,
) -> Result<PreFiltered, Refusal> {
    let narrowed = match (&pod.only_node, &rules.narrowing) {
        (Some(name), _) => Some(named(snapshot, std::slice::from_ref(name))),
        (None, Narrowing::Names(names)) => Some(named(snapshot, names)),
        (None, Narrowing::None) => None,
        (None, Narrowing::Conflict) => {
            let rejection = Rejection::AffinityConflict;
            return Err(Refusal { rejection, message: "pod affinity terms conflict".to_owned() });
        }
    };
    refuse_claims(pod)?;
    let minima = rules.hard.iter().zip(tables.hard()).map(|(rule, table)| {
        let minimum = table.minimum().unwrap_or(i64::from(i32::MAX));
        if table.domains() < rule.min_domains { 0 } else { minimum }
    });
    Ok(PreFiltered {
        narrowed,
        minima: minima.collect(),
        claim_in_use: volume_restrictions::is_in_use(snapshot, pod),
    })
}

fn named(snapshot: &Snapshot, names: &[Arc<str>]) -> Vec<NodeSlot> {
    let listed = snapshot.listed().iter().copied();
    listed.filter(|slot| names.contains(&snapshot.node(*slot).name)).collect()
}

/// VolumeRestrictions asks for every claim and VolumeBinding for those that should be bound by now
/// (volumebinding/volume_binding.go `PreFilter`).
fn refuse_claims(pod: &PodInfo) -> Result<(), Refusal> {
    for claim in pod.claims() {
        let why = match claim.binding {
            ClaimBinding::Missing => "not found",
            ClaimBinding::Deleting => "is being deleted",
            ClaimBinding::Immediate
            | ClaimBinding::WaitsForConsumer { .. }
            | ClaimBinding::Bound { .. } => continue,
        };
        {
            let name = claim.name.rsplit('/').next().unwrap_or_default();
            let message = format!("persistentvolumeclaim \"{name}\" {why}");
            return Err(Refusal { rejection: Rejection::ClaimMissing, message });
        }
    }
    if pod.claims().iter().any(|claim| claim.binding == ClaimBinding::Immediate) {
        let message = "pod has unbound immediate PersistentVolumeClaims".to_owned();
        return Err(Refusal { rejection: Rejection::ClaimUnbound, message });
    }
    Ok(())
}
