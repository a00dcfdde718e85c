//! kube-scheduler's sentence for a pod that fits nowhere.

use std::collections::BTreeMap;

use crate::control::scheduler::framework::Filtered;
use crate::control::scheduler::rejection::{PluginSet, Rejection};
use crate::control::scheduler::snapshot::Shape;

/// What is said when there is not a single node (schedule_one.go `ErrNoNodesAvailable`).
pub(crate) const NO_NODES: &str = "no nodes available to schedule pods";

/// `0/7 nodes are available: 3 Insufficient cpu, 4 node(s) had untolerated taint(s).`, with what
/// preemption has to say behind it (framework/types.go `FitError.Error`).
#[must_use]
pub fn sentence(nodes: usize, found: &Filtered, shape: &Shape, preemption: &str) -> String {
    let mut text = match &found.refusal {
        Some(refusal) => format!("0/{nodes} nodes are available: {}.", refusal.message),
        None => histogram(nodes, &reasons(found, shape)),
    };
    if !preemption.is_empty() {
        text.push_str(" preemption: ");
        text.push_str(preemption);
    }
    text
}

/// How many nodes gave each reason.
fn reasons(found: &Filtered, shape: &Shape) -> BTreeMap<String, usize> {
    let mut nodes_by_rejection: BTreeMap<Rejection, usize> = BTreeMap::new();
    for (_, rejection) in &found.rejected {
        *nodes_by_rejection.entry(*rejection).or_insert(0) += 1;
    }
    if found.narrowed_out > 0 {
        nodes_by_rejection.insert(Rejection::Narrowed, found.narrowed_out);
    }
    count(&nodes_by_rejection, shape)
}

/// Reasons of rejections, counted.
pub(crate) fn count(
    nodes_by_rejection: &BTreeMap<Rejection, usize>,
    shape: &Shape,
) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (rejection, nodes) in nodes_by_rejection {
        for reason in rejection.reasons(shape) {
            *counts.entry(reason).or_insert(0) += nodes;
        }
    }
    counts
}

/// The counts, sorted as text: `10 x` comes before `2 y`.
pub(crate) fn histogram(nodes: usize, counts: &BTreeMap<String, usize>) -> String {
    let mut parts: Vec<String> =
        counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    parts.sort();
    if parts.is_empty() {
        return format!("0/{nodes} nodes are available:");
    }
    format!("0/{nodes} nodes are available: {}.", parts.join(", "))
}

/// The plugins that turned a pod down somewhere: they say which events are worth another try.
#[must_use]
pub fn plugins(found: &Filtered) -> PluginSet {
    let mut plugins = PluginSet::default();
    for (_, rejection) in &found.rejected {
        plugins.insert(rejection.plugin());
    }
    if found.narrowed_out > 0 {
        plugins.insert(Rejection::Narrowed.plugin());
    }
    if let Some(refusal) = &found.refusal {
        plugins.insert(refusal.rejection.plugin());
    }
    plugins
}
