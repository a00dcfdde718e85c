//! Cores, memory and accelerators the whole cluster may have at most and must keep
//! (resourcequotas/tracker.go, resourcequotas/usage.go).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::observation::{Group, Shape};
use super::options::Options;
use crate::model::id::PoolId;

const GIB: i64 = 1 << 30;

/// What is left of each limited resource, by its name: `cpu` (cores), `memory` (bytes), and values
/// of the GPU label.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    left: BTreeMap<Arc<str>, i64>,
    of_group: BTreeMap<PoolId, Amounts>,
    gpu_label: Arc<str>,
}

type Amounts = BTreeMap<Arc<str>, i64>;

/// A node that has accelerators by its label, but neither shows them nor belongs to a group whose
/// template would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnknownGpus;

/// How much of a request fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Nodes that fit.
    pub(super) nodes: i64,
    /// Resources that do not suffice for all, sorted.
    pub(super) exceeded: Vec<Arc<str>>,
}

/// Which bound of the limits holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// What may be added.
    Maximum,
    /// What may be taken away.
    Minimum,
}

impl Limits {
    /// Counts what the nodes have against the bounds. All nodes count, but for virtual ones.
    ///
    /// # Errors
    /// The accelerators of a node cannot be counted.
    pub(super) fn new<'a>(
        nodes: impl IntoIterator<Item = (&'a Shape, Option<&'a Group>)>,
        bound: Bound,
        options: &Options,
    ) -> Result<Self, UnknownGpus> {
        let mut limits = Self { gpu_label: Arc::from(&*options.gpu_label), ..Self::default() };
        let mut used = Amounts::new();
        // Nodes of each group behind the first one, which are taken to be like it.
        let mut more: BTreeMap<PoolId, i64> = BTreeMap::new();
        for (shape, group) in nodes {
            if shape.labels.get("type").is_some_and(|kind| &**kind == "virtual-kubelet") {
                continue;
            }
            match group {
                Some(group) if limits.of_group.contains_key(&group.id) => {
                    *more.entry(group.id).or_default() += 1;
                }
                Some(_) | None => add(&mut used, &limits.amounts(shape, group)?, 1),
            }
        }
        for (group, nodes) in more {
            add(&mut used, &limits.of_group[&group], nodes);
        }
        let pick = |(min, max): (i64, i64)| if bound == Bound::Maximum { max } else { min };
        let memory = (options.memory_total.0 * GIB, options.memory_total.1 * GIB);
        let mut bounds = Amounts::from([
            (Arc::from("cpu"), pick(options.cores_total)),
            (Arc::from("memory"), pick(memory)),
        ]);
        for (kind, min, max) in &options.gpu_total {
            bounds.insert(Arc::from(&**kind), pick((*min, *max)));
        }
        limits.left = bounds
            .into_iter()
            .map(|(name, limit)| {
                let used = used.get(&name).copied().unwrap_or(0);
                let left = if bound == Bound::Maximum { limit - used } else { used - limit };
                (name, left.max(0))
            })
            .collect();
        Ok(limits)
    }

    /// What one node has. All nodes of a group count as the one looked at first.
    fn amounts(&mut self, shape: &Shape, group: Option<&Group>) -> Result<Amounts, UnknownGpus> {
        if let Some(known) = group.and_then(|group| self.of_group.get(&group.id)) {
            return Ok(known.clone());
        }
        let cores = (shape.capacity.cpu.0 + 999).div_euclid(1000);
        let mut amounts = Amounts::from([
            (Arc::from("cpu"), cores),
            (Arc::from("memory"), shape.capacity.memory.0),
        ]);
        if let Some(kind) = shape.labels.get(&self.gpu_label) {
            let count = match (shape.allocatable_gpu(), group) {
                (Some((_, count)), _) => count,
                (None, Some(group)) => template_gpus(group),
                (None, None) => return Err(UnknownGpus),
            };
            if count > 0 && !kind.is_empty() {
                amounts.insert(Arc::clone(kind), count);
            }
        }
        if let Some(group) = group {
            self.of_group.insert(group.id, amounts.clone());
        }
        Ok(amounts)
    }

    /// How many of `nodes` nodes fit.
    ///
    /// # Errors
    /// The accelerators of the node cannot be counted.
    pub(super) fn check(
        &mut self,
        shape: &Shape,
        group: &Group,
        nodes: i64,
    ) -> Result<Allowance, UnknownGpus> {
        let amounts = self.amounts(shape, Some(group))?;
        let mut allowance = Allowance { nodes, exceeded: Vec::new() };
        for (name, &each) in amounts.iter().filter(|(_, each)| **each > 0) {
            if let Some(&left) = self.left.get(name)
                && left < each * nodes
            {
                allowance.nodes = allowance.nodes.min(left / each);
                allowance.exceeded.push(Arc::clone(name));
            }
        }
        Ok(allowance)
    }

    /// Takes `nodes` nodes off what is left, if all of them fit.
    ///
    /// # Errors
    /// The accelerators of the node cannot be counted.
    pub(super) fn consume(
        &mut self,
        shape: &Shape,
        group: &Group,
        nodes: i64,
    ) -> Result<Allowance, UnknownGpus> {
        let allowance = self.check(shape, group, nodes)?;
        if allowance.nodes == nodes {
            for (name, each) in self.amounts(shape, Some(group))? {
                if let Some(left) = self.left.get_mut(&name) {
                    *left = (*left - each * nodes).max(0);
                }
            }
        }
        Ok(allowance)
    }
}

fn add(sum: &mut Amounts, each: &Amounts, nodes: i64) {
    for (name, amount) in each {
        *sum.entry(Arc::clone(name)).or_default() += amount * nodes;
    }
}

/// Accelerators of a node as the group's provider describes it.
fn template_gpus(group: &Group) -> i64 {
    let template = group.template.as_ref();
    let found = template.and_then(|shape| {
        super::observation::GPU_RESOURCES
            .iter()
            .map(|name| shape.capacity.get(name))
            .find(|n| *n > 0)
    });
    found.unwrap_or(0)
}
