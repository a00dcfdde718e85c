//! Pods that are alike to every group: one of them is asked for all
//! (core/scaleup/equivalence/groups.go).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::observation::{ControllerUid, Pod};
use super::super::status::RejectReason;
use crate::model::id::PoolId;

/// Kinds of pods told apart per controller; further ones stay alone.
const GROUPS_PER_CONTROLLER: usize = 10;

/// Pods of one controller and one template.
#[derive(Debug, Clone)]
pub(crate) struct PodGroup {
    pub(crate) pods: Vec<Arc<Pod>>,
    /// Groups whose new node takes the first pod.
    pub(crate) helped_by: Vec<PoolId>,
    /// Why the others do not.
    pub(crate) rejected: BTreeMap<PoolId, RejectReason>,
    /// Whether any group helps.
    pub(crate) schedulable: bool,
}

/// Groups pods in the order in which their first one appears.
pub(crate) fn group(pods: &[Arc<Pod>]) -> Vec<PodGroup> {
    let mut groups: Vec<PodGroup> = Vec::new();
    let mut known: BTreeMap<ControllerUid, Vec<(Arc<Pod>, usize)>> = BTreeMap::new();
    for pod in pods {
        let alone = PodGroup {
            pods: vec![Arc::clone(pod)],
            helped_by: Vec::new(),
            rejected: BTreeMap::new(),
            schedulable: false,
        };
        let Some(owner) = pod.owner.filter(|_| !pod.is_daemon()) else {
            groups.push(alone);
            continue;
        };
        let kinds = known.entry(owner.uid).or_default();
        match kinds.iter().find(|(other, _)| other.is_same_kind(pod)) {
            Some(&(_, position)) => groups[position].pods.push(Arc::clone(pod)),
            None => {
                if kinds.len() < GROUPS_PER_CONTROLLER {
                    kinds.push((Arc::clone(pod), groups.len()));
                }
                groups.push(alone);
            }
        }
    }
    groups
}
