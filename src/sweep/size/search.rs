//! The search: trials of figures in all scenarios, repair of what fails, removal of what is too much.
//!
//! More pods, larger limits and more nodes never make a service slower, and fewer never make it
//! cheaper to miss a threshold: so single figures are stepped up where something fails, from the
//! hardest pressed part on, and down where something is to be saved, until no step helps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use rayon::prelude::*;
use rust_decimal::Decimal;

use super::figures::{Amount, Field, Figure};
use super::guess::{Reasoned, cpu_step, least_pods, stepped_cpu, stepped_memory};
use super::parts::{Part, bytes_of, cores_of, count_of, parts};
use super::trial::{PartUse, Trial, by_rates, trial};
use super::{Figures, SizeOptions};
use crate::scenario::Scenario;
use crate::units::convert::{ceil_u64, f64_from_i64, round_i64};
use crate::units::{Bytes, MilliCpu};

/// Repairs of one plan; what so many do not mend is told as it is.
const REPAIRS_MOST: u32 = 16;
/// Rounds of lowering.
pub(super) const ROUNDS_MOST: u32 = 6;
/// A saving below this share of the cost is not worth a figure.
pub(super) const WORTH: f64 = 0.01;
/// Parts that are tried in one repair.
const TRIED: usize = 3;

/// Scenarios that figures must hold in.
pub(super) struct Search<'s> {
    /// As they are written.
    pub(super) written: &'s [Scenario],
    /// By the rates of the fluid model, where it can run them.
    pub(super) rates: Vec<Scenario>,
    /// What can be sized, of the first scenario.
    pub(super) parts: Vec<Part>,
    pub(super) options: &'s SizeOptions,
    /// Figures that one value stands for: they are set alike.
    pub(super) ties: &'s [Vec<Figure>],
    /// What was tried before: the plans come by many of the same figures.
    known: Mutex<BTreeMap<Figures, Tried>>,
}

/// Figures tried in every scenario.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    /// One a scenario.
    pub(super) trials: Vec<Trial>,
}

impl Tried {
    pub(super) fn holds(&self) -> bool {
        self.trials.iter().all(|trial| trial.holds)
    }

    /// The highest of the scenarios.
    pub(super) fn cost(&self) -> Option<Decimal> {
        let costs: Option<Vec<Decimal>> = self.trials.iter().map(|trial| trial.cost).collect();
        costs?.into_iter().max()
    }

    fn excess(&self) -> f64 {
        self.trials.iter().map(|trial| trial.excess).sum()
    }

    pub(super) fn requested_cores(&self) -> f64 {
        self.trials.iter().map(|trial| trial.requested_cores).sum()
    }

    /// What a part used, the worst of all scenarios.
    pub(super) fn used(&self, part: usize) -> PartUse {
        let mut worst = PartUse::default();
        for used in self.trials.iter().filter_map(|trial| trial.parts.get(part)) {
            if used.pressure > worst.pressure {
                (worst.pressure, worst.pressed) = (used.pressure, used.pressed);
            }
            worst.cores = worst.cores.max(used.cores);
            worst.cores_of_pod = worst.cores_of_pod.max(used.cores_of_pod);
            worst.memory_of_pod = worst.memory_of_pod.max(used.memory_of_pod);
            worst.busy_gpus = worst.busy_gpus.max(used.busy_gpus);
            worst.rate = worst.rate.max(used.rate);
            worst.pinned |= used.pinned;
            worst.desired.1 = worst.desired.1.max(used.desired.1);
            let least = worst.desired.0;
            worst.desired.0 = if least == 0 { used.desired.0 } else { least.min(used.desired.0) };
        }
        worst
    }
}

impl<'s> Search<'s> {
    pub(super) fn new(
        written: &'s [Scenario],
        ties: &'s [Vec<Figure>],
        options: &'s SizeOptions,
    ) -> Self {
        let rates = written.iter().map(by_rates).collect();
        let parts = written.first().map(parts).unwrap_or_default();
        Self { written, rates, parts, options, ties, known: Mutex::default() }
    }

    /// Figures that one value stands for become the largest of them.
    pub(super) fn tie(&self, plan: &mut Reasoned) {
        for group in self.ties {
            let amounts = || group.iter().map(|it| (it, plan.figures.amount(self.first(), it)));
            let Some((most, Some(amount))) = amounts().max_by(|a, b| a.1.cmp(&b.1)) else {
                continue;
            };
            let because = plan.reasons.get(most).cloned().unwrap_or_else(|| {
                format!("{} needs it, and one value stands for both", most.owner)
            });
            for figure in group {
                let was = plan.figures.amount(self.first(), figure);
                if was.is_some() && was.as_ref() != Some(&amount) {
                    plan.set(figure.clone(), amount.clone(), because.clone());
                }
            }
        }
    }

    pub(super) fn first(&self) -> &Scenario {
        &self.rates[0]
    }

    /// Figures in every scenario, by rates.
    pub(super) fn try_figures(&self, figures: &Figures) -> Tried {
        self.try_all(std::slice::from_ref(figures)).pop().expect("one was asked for")
    }

    /// Many sets of figures in every scenario, at once.
    pub(super) fn try_all(&self, sets: &[Figures]) -> Vec<Tried> {
        let known = || self.known.lock().expect("nobody panics while trials are put there");
        let unknown: BTreeSet<&Figures> =
            sets.iter().filter(|set| !known().contains_key(*set)).collect();
        let unknown: Vec<&Figures> = unknown.into_iter().collect();
        let tried = self.try_anew(&unknown);
        known().extend(unknown.into_iter().cloned().zip(tried));
        sets.iter().map(|set| known()[set].clone()).collect()
    }

    fn try_anew(&self, sets: &[&Figures]) -> Vec<Tried> {
        let jobs: Vec<(usize, usize)> = (0..sets.len())
            .flat_map(|set| (0..self.rates.len()).map(move |case| (set, case)))
            .collect();
        let trials: Vec<Trial> = jobs
            .into_par_iter()
            .map(|(set, case)| trial(&sets[set].apply(&self.rates[case]), 0, self.options.strict))
            .collect();
        trials.chunks(self.rates.len()).map(|chunk| Tried { trials: chunk.to_vec() }).collect()
    }

    /// Steps figures up until every threshold holds; what is left when nothing helps is as good as it
    /// gets.
    pub(super) fn repair(&self, mut plan: Reasoned, mut tried: Tried) -> (Reasoned, Tried) {
        let mut strides: BTreeMap<Figure, i64> = BTreeMap::new();
        for _ in 0..REPAIRS_MOST {
            if tried.holds() {
                break;
            }
            let mut candidates = self.remedies(&plan, &tried, &mut strides);
            candidates.iter_mut().for_each(|candidate| self.tie(candidate));
            let sets: Vec<Figures> = candidates.iter().map(|it| it.figures.clone()).collect();
            let results = self.try_all(&sets);
            let best = candidates
                .into_iter()
                .zip(results)
                .min_by(|(_, a), (_, b)| a.excess().total_cmp(&b.excess()));
            match best {
                Some((next, result)) if result.excess() < tried.excess() * 1.05 => {
                    (plan, tried) = (next, result);
                }
                Some(_) | None => break,
            }
        }
        (plan, tried)
    }

    /// What might mend a plan: each candidate is the plan with one thing more.
    fn remedies(
        &self,
        plan: &Reasoned,
        tried: &Tried,
        strides: &mut BTreeMap<Figure, i64>,
    ) -> Vec<Reasoned> {
        let mut candidates = self.more_nodes(plan, tried);
        for at in self.pressed(tried).into_iter().take(TRIED) {
            candidates.extend(self.more_of(plan, at, &tried.used(at), strides));
        }
        candidates
    }

    /// Parts from the hardest pressed on; one that is pinned at its maximum comes first.
    pub(super) fn pressed(&self, tried: &Tried) -> Vec<usize> {
        let mut order: Vec<(f64, usize)> = (0..self.parts.len())
            .map(|at| {
                let used = tried.used(at);
                (used.pressure + if used.pinned { 10.0 } else { 0.0 }, at)
            })
            .collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        order.into_iter().map(|(_, at)| at).collect()
    }

    /// The plan with more pods of a part, or larger ones where their number is not for sizing.
    pub(super) fn more_of(
        &self,
        plan: &Reasoned,
        at: usize,
        used: &PartUse,
        strides: &mut BTreeMap<Figure, i64>,
    ) -> Option<Reasoned> {
        let (part, scenario) = (&self.parts[at], self.first());
        let mut next = plan.clone();
        let share = used.pressure * 100.0;
        if part.stateful {
            let figure = part.container.figure(Field::CpuLimit);
            let Some(Amount::Cpu(limit)) = plan.figures.amount(scenario, &figure) else {
                return None;
            };
            let more = stepped_cpu(f64_from_i64(limit.0) / 1000.0 * 1.5);
            let because = format!("its pods used {share:.0}% of their {}", used.pressed);
            next.set(figure, Amount::Cpu(MilliCpu(more)), because);
            return Some(next);
        }
        let figure = part.least_pods();
        let pods = plan.figures.amount(scenario, &figure)?.number()?;
        if let Some(scaling) = part.hpa.as_ref().filter(|_| used.pinned) {
            let figure = scaling.owner.figure(Field::MaxReplicas);
            let most = plan.figures.amount(scenario, &figure)?.number()?;
            let target = scaling.cpu_target.unwrap_or(0.8);
            let request =
                cores_of(&plan.figures.apply(scenario), &part.container, Field::CpuRequest);
            let request = request.unwrap_or(1.0) + part.beside.0.as_cores();
            let by_use = used.cores / (request * target);
            let wanted = i64::try_from(ceil_u64(by_use)).unwrap_or(most).max(most + most / 4 + 1);
            let because = format!(
                "{:.2} cores ÷ ({:.0}m × {:.0}%) = {by_use:.1} pods; it stood at {most}",
                used.cores,
                request * 1000.0,
                target * 100.0
            );
            next.set(figure, Amount::Count(wanted), because);
            return Some(next);
        }
        // Steps double while the same figure is stepped, so that a far goal is not far.
        let stride = strides.entry(figure.clone()).or_insert(1);
        let more = pods + *stride;
        *stride *= 2;
        let because = format!("with {pods}, they used {share:.0}% of their {}", used.pressed);
        next.set(figure, Amount::Count(more), because);
        raise_maximum(&mut next, scenario, part, more);
        Some(next)
    }

    /// The plan with room in pools that stood at their maximum, or ready before it is needed.
    fn more_nodes(&self, plan: &Reasoned, tried: &Tried) -> Vec<Reasoned> {
        let pending = tried.trials.iter().any(|trial| trial.pending_most > 0);
        if !pending {
            return Vec::new();
        }
        let mut candidates = Vec::new();
        for pool in self.first().pools.iter().filter(|pool| pool.node_pool.is_none()) {
            let owner = super::Owner::pool(pool);
            let (min, max) = (owner.figure(Field::PoolMin), owner.figure(Field::PoolMax));
            let amount = |figure| plan.figures.amount(self.first(), figure)?.number();
            let (Some(least), Some(most)) = (amount(&min), amount(&max)) else { continue };
            let uses = tried.trials.iter().flat_map(|trial| &trial.pools);
            let nodes = uses.filter(|used| used.name == pool.name).map(|used| used.nodes.1).max();
            let nodes = i64::from(nodes.unwrap_or(0));
            if nodes >= most {
                let mut next = plan.clone();
                let because = format!("pods waited while it stood at {most} nodes");
                next.set(max, Amount::Count(most + most / 4 + 1), because);
                candidates.push(next);
            } else if nodes > least {
                let mut next = plan.clone();
                let because = format!("pods waited for nodes: it went to {nodes}");
                next.set(min, Amount::Count(nodes), because);
                candidates.push(next);
            }
        }
        candidates
    }

    /// Requests and memory that a run shows to be too small are raised to what it used.
    pub(super) fn settle(&self, plan: &mut Reasoned, tried: &Tried) -> bool {
        let mut changed = false;
        for (at, part) in self.parts.iter().enumerate() {
            let used = tried.used(at);
            let scenario = plan.figures.apply(self.first());
            let own = used.cores_of_pod - part.beside.0.as_cores() * 0.1;
            let request = cores_of(&scenario, &part.container, Field::CpuRequest);
            let sized = part.container.figure(Field::CpuRequest);
            if request.is_some_and(|request| own > request) && plan.figures.0.contains_key(&sized) {
                let because = format!("a pod used {own:.2} cores at the worst minute");
                let milli = stepped_cpu(own);
                plan.set(sized, Amount::Cpu(MilliCpu(milli)), because);
                changed = true;
            }
            let held = (used.memory_of_pod - part.beside.1.as_f64() * 0.5).max(0.0);
            let target = part.hpa.as_ref().and_then(|scaling| scaling.memory_target);
            let margin = target.map_or(1.0, |target| 1.0 / target);
            let request = bytes_of(&scenario, &part.container, Field::MemoryRequest);
            let sized = part.container.figure(Field::MemoryRequest);
            if request.is_some_and(|request| held * margin > request)
                && plan.figures.0.contains_key(&sized)
            {
                let because = format!("a pod held {:.0}Mi", held / 1_048_576.0);
                let bytes = stepped_memory(held * margin.max(1.05) * 1.05);
                plan.set(sized, Amount::Memory(Bytes(bytes)), because);
                changed = true;
            }
        }
        self.tie(plan);
        changed
    }

    /// Steps single figures down while everything holds and it saves something.
    pub(super) fn minimise(&self, mut plan: Reasoned, mut tried: Tried) -> (Reasoned, Tried) {
        // What saved nothing or failed in one round does not save in the next.
        let mut worth: Option<BTreeSet<Figure>> = None;
        for _ in 0..ROUNDS_MOST {
            let mut lowered = self.lowered(&plan, &tried);
            lowered.retain(|next| {
                let moved = moved(&plan, next);
                worth.as_ref().is_none_or(|worth| moved.iter().any(|it| worth.contains(it)))
            });
            lowered.iter_mut().for_each(|candidate| self.tie(candidate));
            let sets: Vec<Figures> = lowered.iter().map(|it| it.figures.clone()).collect();
            let results = self.try_all(&sets);
            let winners: Vec<(Reasoned, Tried)> = lowered
                .into_iter()
                .zip(results)
                .filter(|(_, result)| result.holds() && saves(&tried, result))
                .collect();
            let Some(best) = winners.iter().min_by(|a, b| {
                (a.1.cost(), a.1.requested_cores())
                    .partial_cmp(&(b.1.cost(), b.1.requested_cores()))
                    .unwrap_or(std::cmp::Ordering::Equal)
            }) else {
                break;
            };
            worth = Some(winners.iter().flat_map(|(next, _)| moved(&plan, next)).collect());
            (plan, tried) = match self.all_at_once(&plan, &winners, &tried) {
                Some(together) => together,
                None => best.clone(),
            };
        }
        (plan, tried)
    }

    /// All winning steps together, when that holds too.
    fn all_at_once(
        &self,
        plan: &Reasoned,
        winners: &[(Reasoned, Tried)],
        tried: &Tried,
    ) -> Option<(Reasoned, Tried)> {
        if winners.len() < 2 {
            return None;
        }
        let mut together = plan.clone();
        for (winner, _) in winners {
            for (figure, amount) in &winner.figures.0 {
                if plan.figures.0.get(figure) != Some(amount) {
                    let because = winner.reasons.get(figure).cloned().unwrap_or_default();
                    together.set(figure.clone(), amount.clone(), because);
                }
            }
        }
        let result = self.try_figures(&together.figures);
        (result.holds() && saves(tried, &result)).then_some((together, result))
    }

    /// Each figure whose fall might save something, one step down.
    pub(super) fn lowered(&self, plan: &Reasoned, tried: &Tried) -> Vec<Reasoned> {
        let scenario = self.first();
        let mut candidates = Vec::new();
        for (at, part) in self.parts.iter().enumerate().filter(|(_, part)| !part.stateful) {
            let figure = part.least_pods();
            let pods = plan.figures.amount(scenario, &figure).and_then(|it| it.number());
            let Some(pods) = pods.filter(|pods| *pods > least_pods(scenario, part)) else {
                continue;
            };
            // An autoscaler that never came down to its minimum does not feel a lower one.
            let used = tried.used(at);
            if part.hpa.is_none() || i64::from(used.desired.0) <= pods {
                let because = format!(
                    "holds with {}: {:.0}% of its {} in use at the worst minute",
                    pods - 1,
                    used.pressure * 100.0,
                    used.pressed
                );
                let mut next = plan.clone();
                next.set(figure, Amount::Count(pods - 1), because);
                candidates.push(next);
            }
        }
        for pool in scenario.pools.iter().filter(|pool| pool.node_pool.is_none()) {
            let figure = super::Owner::pool(pool).figure(Field::PoolMin);
            let least = plan.figures.amount(scenario, &figure).and_then(|it| it.number());
            let Some(least) = least.filter(|least| *least > least_nodes(pool)) else { continue };
            let uses = tried.trials.iter().flat_map(|trial| &trial.pools);
            let mut uses = uses.filter(|used| used.name == pool.name);
            if pool.autoscaled && uses.any(|used| i64::from(used.nodes.0) <= least) {
                let mut next = plan.clone();
                let because = "the autoscaler brings more when pods need them".to_owned();
                next.set(figure, Amount::Count(least - 1), because);
                candidates.push(next);
            }
        }
        candidates
    }
}

/// The least nodes a pool may have: two where there are two, so that the loss of one is not the loss of
/// all; of a pool with GPUs, which has nodes for its pods' sake, one.
pub(super) fn least_nodes(pool: &crate::cluster::api::NodePoolSpec) -> i64 {
    let has_gpus = pool.instance.allocatable.get("nvidia.com/gpu") > 0;
    i64::from(pool.min).clamp(0, if has_gpus { 1 } else { 2 })
}

/// The maximum of an autoscaler is not below its minimum.
pub(super) fn raise_maximum(plan: &mut Reasoned, scenario: &Scenario, part: &Part, least: i64) {
    let Some(scaling) = &part.hpa else { return };
    let figure = scaling.owner.figure(Field::MaxReplicas);
    let most = plan.figures.amount(scenario, &figure).and_then(|it| it.number());
    if most.is_some_and(|most| most < least) {
        plan.set(figure, Amount::Count(least), "not below the minimum".to_owned());
    }
}

/// The figures in which one plan differs from another.
pub(super) fn moved(plan: &Reasoned, next: &Reasoned) -> Vec<Figure> {
    let all = next.figures.0.iter();
    let moved = all.filter(|(figure, amount)| plan.figures.0.get(figure) != Some(amount));
    moved.map(|(figure, _)| figure.clone()).collect()
}

/// Whether figures save money, or free cores where money does not move.
pub(super) fn saves(before: &Tried, after: &Tried) -> bool {
    let worth = Decimal::from_f64_retain(WORTH).unwrap_or_default();
    let cores = before.requested_cores() - after.requested_cores();
    let frees = cores > WORTH * before.requested_cores();
    match (before.cost(), after.cost()) {
        (Some(before), Some(after)) => {
            before - after >= before * worth || (after <= before && frees)
        }
        _ => frees,
    }
}

/// One step below an amount, for whoever checks that a plan is not wasteful; `None` at the least there
/// can be.
#[must_use]
pub fn one_step_down(amount: &Amount) -> Option<Amount> {
    match amount {
        Amount::Cpu(cpu) => {
            let next = cpu.0 - cpu_step(cpu.0);
            (next > 0).then_some(Amount::Cpu(MilliCpu(next)))
        }
        Amount::Memory(bytes) => {
            let next = stepped_memory(bytes.as_f64() * 0.95);
            let next = if next < bytes.0 { next } else { bytes.0 - (32 << 20) };
            (next > 0).then_some(Amount::Memory(Bytes(next)))
        }
        Amount::Count(count) => (*count > 1).then_some(Amount::Count(count - 1)),
        Amount::Percent(percent) => (*percent > 5).then_some(Amount::Percent(percent - 5)),
        Amount::Absent | Amount::Machine(_) => None,
    }
}

/// The figures that nothing holds back: autoscalers and pools may grow as they want, and workloads
/// that cannot have three times their pods.
pub(super) fn without_bounds(scenario: &Scenario, parts: &[Part]) -> Figures {
    const ROOM: i64 = 6;
    let mut figures = Figures::default();
    for part in parts.iter().filter(|part| !part.stateful) {
        match &part.hpa {
            Some(scaling) => {
                let most = scaling.owner.figure(Field::MaxReplicas);
                let count = count_of(scenario, &most).unwrap_or(1);
                figures.set(most, Amount::Count(count * ROOM));
                let least = scaling.owner.figure(Field::MinReplicas);
                if let Some(count) = count_of(scenario, &least).filter(|_| part.has_gpu) {
                    figures.set(least, Amount::Count(count * 2));
                }
            }
            None => {
                let figure = part.owner.figure(Field::Replicas);
                let count = count_of(scenario, &figure).unwrap_or(1);
                figures.set(figure, Amount::Count(count * 3));
            }
        }
    }
    for pool in scenario.pools.iter().filter(|pool| pool.node_pool.is_none() && pool.autoscaled) {
        let figure = super::Owner::pool(pool).figure(Field::PoolMax);
        let count = count_of(scenario, &figure).unwrap_or(1);
        figures.set(figure, Amount::Count(count * ROOM + round_i64(10.0)));
    }
    figures
}
