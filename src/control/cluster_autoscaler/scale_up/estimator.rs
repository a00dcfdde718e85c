//! How many nodes of a group a set of pods needs (estimator/binpacking_estimator.go).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::observation::{HOSTNAME, Pod, Shape};
use super::super::sight::{Sight, Template};
use super::equivalence::PodGroup;
use crate::control::scheduler::{NodeSlot, Rejection};
use crate::units::convert::{f64_from_i64, f64_from_usize, trunc_i64};

/// How many nodes an estimate may add: a limit of at most zero of any kind forbids all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeLimit {
    /// None at all.
    Forbidden,
    /// As many as needed.
    Unlimited,
    /// At most so many.
    AtMost(i64),
}

impl NodeLimit {
    /// Combines limits as upstream counts them: below zero forbids, zero does not count
    /// (threshold_based_limiter.go).
    pub(crate) fn of(limits: &[i64]) -> Self {
        if limits.iter().any(|limit| *limit < 0) {
            return Self::Forbidden;
        }
        match limits.iter().filter(|limit| **limit > 0).min() {
            Some(least) => Self::AtMost(*least),
            None => Self::Unlimited,
        }
    }
}

/// The nodes and the pods an estimate places on them.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    pub(crate) nodes: i64,
    pub(crate) pods: Vec<Arc<Pod>>,
}

/// Packs the groups, largest pods first, onto copies of the template: each pod onto a node opened
/// before if the group's earlier pods all found one, else onto the newest node, else onto another.
pub(crate) fn estimate(
    sight: &mut Sight,
    groups: &[&PodGroup],
    template: &Template,
    limit: NodeLimit,
    fastpath: bool,
) -> Estimate {
    let mut ordered: Vec<(f64, &PodGroup)> =
        groups.iter().map(|group| (score(&group.pods[0], &template.shape), *group)).collect();
    ordered.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut ordered: Vec<&PodGroup> = ordered.into_iter().map(|(_, group)| group).collect();
    let fast = if fastpath { fastest(&ordered, &template.shape) } else { None };
    if let Some(position) = fast {
        let group = ordered.remove(position);
        ordered.push(group);
    }
    sight.fork();
    let mut packing = Packing::new(sight, template, limit);
    let last = ordered.len().saturating_sub(1);
    let mut may_add = true;
    for (position, group) in ordered.into_iter().enumerate() {
        let rest = packing.onto_opened(&group.pods);
        if may_add {
            may_add = if fast.is_some() && position == last {
                packing.by_division(rest)
            } else {
                packing.onto_new(rest)
            };
        }
    }
    let estimate = Estimate {
        nodes: i64::try_from(packing.used.len()).expect("nodes are few") + packing.computed,
        pods: packing.placed,
    };
    sight.revert();
    estimate
}

/// The part of a node a pod asks for, cores and memory added (decreasing_pod_orderer.go).
fn score(pod: &Pod, shape: &Shape) -> f64 {
    let part = |asked: i64, of: i64| {
        if of > 0 { f64_from_i64(asked) / f64_from_i64(of) } else { 0.0 }
    };
    part(pod.requests.cpu.0, shape.allocatable.cpu.0)
        + part(pod.requests.memory.0, shape.allocatable.memory.0)
}

struct Packing<'a> {
    sight: &'a mut Sight,
    template: &'a Template,
    limit: NodeLimit,
    added: i64,
    opened: BTreeSet<NodeSlot>,
    newest: Option<NodeSlot>,
    /// Nodes that received a pod, those that exist included.
    used: BTreeSet<NodeSlot>,
    /// Nodes that were counted and not tried.
    computed: i64,
    placed: Vec<Arc<Pod>>,
}

impl<'a> Packing<'a> {
    fn new(sight: &'a mut Sight, template: &'a Template, limit: NodeLimit) -> Self {
        Self {
            sight,
            template,
            limit,
            added: 0,
            opened: BTreeSet::new(),
            newest: None,
            used: BTreeSet::new(),
            computed: 0,
            placed: Vec::new(),
        }
    }

    fn track(&mut self, pod: &Arc<Pod>, slot: NodeSlot) {
        self.used.insert(slot);
        self.placed.push(Arc::clone(pod));
    }

    /// Pods onto nodes of this estimate, until one fits none; returns the others.
    fn onto_opened<'p>(&mut self, pods: &'p [Arc<Pod>]) -> &'p [Arc<Pod>] {
        for (position, pod) in pods.iter().enumerate() {
            let opened = &self.opened;
            let found = self.sight.place_on_any(pod, &|slot| opened.contains(&slot));
            let Some(slot) = found else {
                return &pods[position..];
            };
            self.track(pod, slot);
        }
        &[]
    }

    /// Pods onto the newest node, opening another when one does not fit; whether more may be opened.
    fn onto_new(&mut self, pods: &[Arc<Pod>]) -> bool {
        for pod in pods {
            if self.onto_newest(pod) {
                continue;
            }
            if self.newest.is_some_and(|newest| !self.used.contains(&newest)) {
                return true;
            }
            let Some(slot) = self.open() else {
                return false;
            };
            if self.sight.place(pod, slot).is_err() {
                break;
            }
            self.track(pod, slot);
        }
        true
    }

    /// One pod onto the newest node; one that is spread over hosts may go to any other node instead,
    /// those that exist included, when only the skew is against it.
    fn onto_newest(&mut self, pod: &Arc<Pod>) -> bool {
        let Some(newest) = self.newest else {
            return false;
        };
        let found = match self.sight.place(pod, newest) {
            Ok(()) => Some(newest),
            Err(Rejection::SpreadSkew) if spreads_over_hosts(pod) => {
                self.sight.place_on_any(pod, &|other| other != newest)
            }
            Err(_) => None,
        };
        found.map(|slot| self.track(pod, slot)).is_some()
    }

    /// Opens a node, if one more is allowed.
    fn open(&mut self) -> Option<NodeSlot> {
        if !self.allowed() {
            return None;
        }
        let number = self.opened.len();
        let name = format!("template-node-for-{}-e-{number}", self.template.group);
        let slot = self.sight.add_copy(self.template, Arc::from(name));
        self.opened.insert(slot);
        self.newest = Some(slot);
        Some(slot)
    }

    fn allowed(&mut self) -> bool {
        let allowed = match self.limit {
            NodeLimit::Forbidden => false,
            NodeLimit::Unlimited => true,
            NodeLimit::AtMost(most) => self.added < most,
        };
        self.added += i64::from(allowed);
        allowed
    }

    /// Fills one node and divides: the last group of a fast estimate.
    fn by_division(&mut self, pods: &[Arc<Pod>]) -> bool {
        if pods.is_empty() {
            return true;
        }
        let Some(slot) = self.open() else {
            return false;
        };
        let mut rest = pods;
        while let Some((pod, others)) = rest.split_first() {
            if self.sight.place(pod, slot).is_err() {
                break;
            }
            self.track(pod, slot);
            rest = others;
        }
        let each = pods.len() - rest.len();
        if each == 0 {
            return true;
        }
        for chunk in rest.chunks(each) {
            if !self.allowed() {
                return false;
            }
            self.computed += 1;
            self.placed.extend(chunk.iter().map(Arc::clone));
        }
        true
    }
}

fn spreads_over_hosts(pod: &Pod) -> bool {
    pod.template.spec.topology_spread.iter().any(|spread| &*spread.topology_key == HOSTNAME)
}

/// The group whose arithmetic saves the most trials (`determineBestPEGToFastpath`).
fn fastest(groups: &[&PodGroup], shape: &Shape) -> Option<usize> {
    let mut best = None;
    let mut most_saved = 0;
    for (position, group) in groups.iter().enumerate() {
        let pod = &group.pods[0];
        let count = group.pods.len();
        let spec = &pod.template.spec;
        let anti = &spec.affinity.pod_anti_required;
        let by_host = anti.iter().any(|term| {
            &*term.topology_key == HOSTNAME
                && term.label_selector.as_ref().is_some_and(|s| s.matches(&pod.template.labels))
        });
        let first = spec.containers.first();
        let needed = |asked: i64, of: i64| {
            let part = f64_from_usize(count) * f64_from_i64(asked) / f64_from_i64(of);
            usize::try_from(trunc_i64(libm::ceil(part))).unwrap_or(0)
        };
        let cpu = first.and_then(|c| c.requests.cpu).map_or(0, |cpu| cpu.0);
        let memory = first.and_then(|c| c.requests.memory).map_or(0, |memory| memory.0);
        let nodes = [
            if by_host { count } else { 0 },
            needed(cpu, shape.capacity.cpu.0),
            needed(memory, shape.capacity.memory.0),
        ];
        let nodes = nodes.into_iter().max().unwrap_or(0);
        let saved = count.checked_div(nodes).map_or(0, |each| count - each);
        let simple = spec.topology_spread.is_empty()
            && anti.iter().all(|term| &*term.topology_key == HOSTNAME);
        if saved >= most_saved && simple {
            best = Some(position);
            most_saved = saved;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_zero_forbids_and_zero_does_not_count() {
        let rows: [(&[i64], NodeLimit); 5] = [
            (&[1000, 5, 0], NodeLimit::AtMost(5)),
            (&[1000, -1, 0], NodeLimit::Forbidden),
            (&[0, 0], NodeLimit::Unlimited),
            (&[0, 3, 7], NodeLimit::AtMost(3)),
            (&[-5, 3], NodeLimit::Forbidden),
        ];
        for (limits, expected) in rows {
            assert_eq!(NodeLimit::of(limits), expected, "{limits:?}");
        }
    }
}
