//! Which of the options is taken (expander/*): a chain of filters until one is left.

use std::collections::BTreeMap;

use rand::RngExt;

use super::super::observation::{Group, Pod};
use super::super::options::Expander;
use super::super::template::Templates;
use super::ExpansionOption;
use crate::engine::streams::Stream;
use crate::model::id::PoolId;
use crate::units::convert::{f64_from_i64, f64_from_usize};
use crate::units::{Bytes, MilliCpu};

/// What the expanders know besides the options.
pub(crate) struct Market<'a> {
    pub(crate) groups: &'a [Group],
    pub(crate) templates: &'a Templates,
    pub(crate) priorities: &'a Priorities,
    /// Nodes of the cluster.
    pub(crate) node_count: usize,
}

/// The priority expander's configuration: number to patterns on group names. A pattern matches
/// anywhere in the name.
pub type Priorities = BTreeMap<i64, Vec<Pattern>>;

/// A pattern of the priority expander.
#[derive(Debug, Clone)]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is not a regular expression.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        regex::Regex::new(text).map(Self)
    }

    /// As written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.as_str()
    }

    fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// How a tie that the expanders leave is broken.
#[derive(Debug, Clone)]
pub enum TieBreak {
    /// The first group by name.
    FirstByName,
    /// Any, with equal chance, as the real one does.
    Random(Stream),
}

/// The options the chain leaves, in their order.
pub(crate) fn narrow(
    options: &[ExpansionOption],
    chain: &[Expander],
    market: &Market<'_>,
) -> Vec<usize> {
    let mut left: Vec<usize> = (0..options.len()).collect();
    for expander in chain {
        left = match expander {
            Expander::Random => left,
            Expander::MostPods => extreme(&left, |at| -f64_from_usize(options[at].pods.len())),
            Expander::LeastNodes => extreme(&left, |at| f64_from_i64(options[at].nodes)),
            Expander::LeastWaste => least_waste(&left, options, market),
            Expander::Price => cheapest(&left, options, market),
            Expander::Priority => highest_priority(&left, options, market),
        };
        if left.len() == 1 {
            break;
        }
    }
    left
}

/// Breaks the tie.
pub(crate) fn choose(
    left: &[usize],
    options: &[ExpansionOption],
    market: &Market<'_>,
    tie: &mut TieBreak,
) -> Option<usize> {
    match tie {
        TieBreak::FirstByName => {
            left.iter().copied().min_by_key(|&at| &market.group(options[at].group).name)
        }
        TieBreak::Random(_) if left.len() < 2 => left.first().copied(),
        TieBreak::Random(stream) => Some(left[stream.random_range(0..left.len())]),
    }
}

impl Market<'_> {
    fn group(&self, id: PoolId) -> &Group {
        let found = self.groups.iter().find(|group| group.id == id);
        found.expect("options name groups of the observation")
    }
}

/// Those with the least score; equal means equal as floats. A score that is not a number is kept
/// only where nothing stands yet, as a comparison with it is false.
fn extreme(left: &[usize], score: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::new();
    let mut least = 0.0_f64;
    for &at in left {
        let own = score(at);
        #[expect(clippy::float_cmp, reason = "upstream keeps exact ties")]
        let tie = own == least;
        if best.is_empty() || own < least {
            least = own;
            best = vec![at];
        } else if tie {
            best.push(at);
        }
    }
    best
}

/// Least unrequested part of the new nodes' capacity, cores and memory added (expander/waste).
fn least_waste(left: &[usize], options: &[ExpansionOption], market: &Market<'_>) -> Vec<usize> {
    let known: Vec<usize> = left
        .iter()
        .copied()
        .filter(|&at| market.templates.contains_key(&options[at].group))
        .collect();
    extreme(&known, |at| {
        let option = &options[at];
        let capacity = &market.templates[&option.group].shape.capacity;
        let cpu: MilliCpu = option.pods.iter().map(|pod| pod.requests.cpu).sum();
        let memory: Bytes = option.pods.iter().map(|pod| pod.requests.memory).sum();
        let part = |has: i64, asked: i64| {
            let all = has * option.nodes;
            f64_from_i64(all - asked) / f64_from_i64(all)
        };
        part(capacity.cpu.0, cpu.0) + part(capacity.memory.0, memory.0)
    })
}

/// Groups that match the highest number; all when none matches (expander/priority).
fn highest_priority(
    left: &[usize],
    options: &[ExpansionOption],
    market: &Market<'_>,
) -> Vec<usize> {
    let rank = |at: usize| {
        let name = &market.group(options[at].group).name;
        let matching = market
            .priorities
            .iter()
            .rev()
            .filter(|(_, patterns)| patterns.iter().any(|pattern| pattern.matches(name)));
        matching.map(|(number, _)| *number).find(|number| *number >= -1)
    };
    match left.iter().filter_map(|&at| rank(at)).max() {
        Some(highest) => left.iter().copied().filter(|&at| rank(at) == Some(highest)).collect(),
        None => left.to_vec(),
    }
}

/// Price of an hour of a core, a GiB and an accelerator that pods are valued at
/// (cloudprovider/gce/gce_price_info.go).
const CORE_HOUR: f64 = 0.033_174;
const GIB_HOUR: f64 = 0.004_446;
const GPU_HOUR: f64 = 0.700;
/// How unfit a node with accelerators counts, so that pods without need never get one.
const GPU_UNFITNESS: f64 = 1000.0;

/// Lowest price for what the pods are worth, suppressed towards a preferred node size
/// (expander/price/price.go).
fn cheapest(left: &[usize], options: &[ExpansionOption], market: &Market<'_>) -> Vec<usize> {
    let priced: Vec<usize> = left
        .iter()
        .copied()
        .filter(|&at| {
            let group = options[at].group;
            market.group(group).price_per_hour.is_some() && market.templates.contains_key(&group)
        })
        .collect();
    let stabilizer = CORE_HOUR * 0.5 + GIB_HOUR * 500.0 / 1024.0;
    let preferred = preferred_cores(market.node_count);
    extreme(&priced, |at| {
        let option = &options[at];
        let price = market.group(option.group).price_per_hour.unwrap_or(0.0);
        let nodes = f64_from_i64(option.nodes);
        let pods: f64 = option.pods.iter().map(|pod| worth(pod)).sum();
        let shape = &market.templates[&option.group].shape;
        let cores = shape.capacity.cpu.as_cores();
        let unfitness = match shape.allocatable_gpu() {
            Some(_) => GPU_UNFITNESS,
            None => (preferred / cores).max(cores / preferred),
        };
        let fade = 1.0 - libm::tanh((nodes - 1.0) / 15.0);
        let suppressed = (unfitness - 1.0) * fade + 1.0;
        (price * nodes + stabilizer) / (pods + stabilizer) * suppressed
    })
}

fn worth(pod: &Pod) -> f64 {
    let gpus = super::super::observation::GPU_RESOURCES.iter().map(|gpu| pod.requests.get(gpu));
    pod.requests.cpu.as_cores() * CORE_HOUR
        + pod.requests.memory.as_gib() * GIB_HOUR
        + f64_from_i64(gpus.sum()) * GPU_HOUR
}

/// Cores of the node a cluster of this size would like (expander/price/preferred.go).
fn preferred_cores(nodes: usize) -> f64 {
    match nodes {
        0..=2 => 1.0,
        3..=6 => 2.0,
        7..=20 => 4.0,
        21..=60 => 8.0,
        61..=200 => 16.0,
        _ => 32.0,
    }
}
