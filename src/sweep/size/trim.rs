//! The last look at a plan: every figure one step lower, and what that alone would save.
//!
//! Steps that can only free nodes (requests that no autoscaler divides by, alone) are looked at
//! together first: what saves nothing all at once saves nothing one by one. Where they do save, halves
//! are tried until single figures are left. Every other step is tried by itself.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::figures::{Amount, Field, Figure};
use super::guess::Reasoned;
use super::parts::Part;
use super::search::{ROUNDS_MOST, Search, Tried, WORTH, one_step_down};
use super::trial::PartUse;
use crate::units::convert::f64_from_i64;

/// What a pod must be able to request over the memory that it holds.
const MEMORY_LEAST: f64 = 1.05;

/// A plan with one figure (and those tied to it) a step lower.
#[derive(Debug, Clone)]
struct Step {
    next: Reasoned,
    figures: Vec<Figure>,
    /// Whether it can only free what nodes carry, so that several may be looked at together.
    frees_only: bool,
}

impl Search<'_> {
    /// Lowers figures until no single step both holds and saves a hundredth of the cost.
    pub(super) fn trim(&self, mut plan: Reasoned, mut tried: Tried) -> (Reasoned, Tried) {
        for _ in 0..ROUNDS_MOST {
            if !tried.holds() {
                break;
            }
            let Some((next, result)) = self.best_step(&plan, &tried) else { break };
            (plan, tried) = (next, result);
        }
        (plan, tried)
    }

    /// The step that saves most, when one holds and is worth it.
    fn best_step(&self, plan: &Reasoned, tried: &Tried) -> Option<(Reasoned, Tried)> {
        let (together, alone): (Vec<Step>, Vec<Step>) =
            self.steps_down(plan, tried).into_iter().partition(|step| step.frees_only);
        let mut worth = self.worthwhile(plan, tried, &together);
        let sets: Vec<_> = alone.iter().map(|step| step.next.figures.clone()).collect();
        worth.extend(alone.into_iter().zip(self.try_all(&sets)));
        worth.retain(|(_, result)| result.holds() && saved(tried, result) >= WORTH);
        let (step, result) =
            worth.into_iter().max_by(|a, b| saved(tried, &a.1).total_cmp(&saved(tried, &b.1)))?;
        let mut next = step.next;
        for figure in &step.figures {
            let why = next.reasons.get(figure).cloned().unwrap_or_default();
            let share = saved(tried, &result) * 100.0;
            next.reasons.insert(figure.clone(), format!("{why} and saves {share:.1}% of the cost"));
        }
        Some((next, result))
    }

    /// Of steps that only free what nodes carry those that might save something, tried one by one.
    fn worthwhile(&self, plan: &Reasoned, tried: &Tried, steps: &[Step]) -> Vec<(Step, Tried)> {
        let [first, ..] = steps else { return Vec::new() };
        if steps.len() == 1 {
            return vec![(first.clone(), self.try_figures(&first.next.figures))];
        }
        let mut all = plan.figures.clone();
        for step in steps {
            for figure in &step.figures {
                if let Some(amount) = step.next.figures.0.get(figure) {
                    all.set(figure.clone(), amount.clone());
                }
            }
        }
        if saved(tried, &self.try_figures(&all)) < WORTH {
            return Vec::new();
        }
        let (left, right) = steps.split_at(steps.len() / 2);
        let mut found = self.worthwhile(plan, tried, left);
        found.extend(self.worthwhile(plan, tried, right));
        found
    }

    /// Every figure one step lower, each by itself.
    fn steps_down(&self, plan: &Reasoned, tried: &Tried) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let counts = self.lowered(plan, tried);
        steps.extend(counts.into_iter().map(|mut next| {
            self.tie(&mut next);
            let figures = super::search::moved(plan, &next);
            Step { next, figures, frees_only: false }
        }));
        let mut seen: Vec<Figure> = Vec::new();
        for part in &self.parts {
            for field in [Field::CpuRequest, Field::MemoryRequest] {
                let figure = part.container.figure(field);
                if seen.contains(&figure) {
                    continue;
                }
                let step = self.smaller_request(plan, tried, &figure);
                seen.extend(self.tied(&figure));
                steps.extend(step);
            }
            steps.extend(self.smaller_maximum(plan, tried, part));
        }
        steps.extend(self.smaller_pool_maxima(plan, tried));
        steps
    }

    /// A figure and those that one value of the chart stands for with it.
    fn tied(&self, figure: &Figure) -> Vec<Figure> {
        let group = self.ties.iter().find(|group| group.contains(figure));
        group.cloned().unwrap_or_else(|| vec![figure.clone()])
    }

    fn smaller_request(&self, plan: &Reasoned, tried: &Tried, figure: &Figure) -> Option<Step> {
        let amount = plan.figures.amount(self.first(), figure)?;
        let smaller = one_step_down(&amount)?;
        let figures = self.tied(figure);
        let mut next = plan.clone();
        let mut frees_only = true;
        for figure in &figures {
            let mut parts = self.parts.iter().enumerate();
            let (at, part) = parts.find(|(_, part)| part.container == figure.owner)?;
            if plan.figures.amount(self.first(), figure)? != amount
                || !self.is_room(part, &tried.used(at), &smaller)
            {
                return None;
            }
            frees_only &= part.hpa.as_ref().is_none_or(|scaling| {
                let target = if figure.field == Field::CpuRequest {
                    scaling.cpu_target
                } else {
                    scaling.memory_target
                };
                target.is_none()
            });
            next.set(figure.clone(), smaller.clone(), format!("a step below {amount} holds"));
        }
        Some(Step { next, figures, frees_only })
    }

    /// Whether a request is not below what a pod uses: less would be a promise that nodes cannot keep.
    fn is_room(&self, part: &Part, used: &PartUse, amount: &Amount) -> bool {
        match amount {
            Amount::Cpu(cpu) => {
                let start = self.first().processes.services.get(&part.station);
                let start = start.map_or(0.0, |start| start.start_cpu.as_cores());
                let today =
                    super::parts::cores_of(self.first(), &part.container, Field::CpuRequest);
                let own = used.cores_of_pod - part.beside.0.as_cores() * 0.1;
                f64_from_i64(cpu.0) / 1000.0 >= own.max(start.min(today.unwrap_or(0.0)))
            }
            Amount::Memory(bytes) => {
                let held = (used.memory_of_pod - part.beside.1.as_f64() * 0.5).max(0.0);
                bytes.as_f64() >= held * MEMORY_LEAST
            }
            Amount::Absent | Amount::Count(_) | Amount::Percent(_) | Amount::Machine(_) => true,
        }
    }

    /// An autoscaler that stood at its maximum with one pod less.
    fn smaller_maximum(&self, plan: &Reasoned, tried: &Tried, part: &Part) -> Option<Step> {
        let scaling = part.hpa.as_ref()?;
        let at = self.parts.iter().position(|it| it.container == part.container)?;
        let number =
            |field| plan.figures.amount(self.first(), &scaling.owner.figure(field))?.number();
        let (least, most) = (number(Field::MinReplicas)?, number(Field::MaxReplicas)?);
        if most <= least || i64::from(tried.used(at).desired.1) < most {
            return None;
        }
        let figure = scaling.owner.figure(Field::MaxReplicas);
        let mut next = plan.clone();
        let because = format!("with {} pods at most it holds", most - 1);
        next.set(figure.clone(), Amount::Count(most - 1), because);
        Some(Step { next, figures: vec![figure], frees_only: false })
    }

    /// Pools that stood at their maximum, with one node less.
    fn smaller_pool_maxima(&self, plan: &Reasoned, tried: &Tried) -> Vec<Step> {
        let pools = self.first().pools.iter().filter(|pool| pool.node_pool.is_none());
        let step = |pool: &std::sync::Arc<crate::cluster::api::NodePoolSpec>| {
            let owner = super::Owner::pool(pool);
            let number = |field| plan.figures.amount(self.first(), &owner.figure(field))?.number();
            let (least, most) = (number(Field::PoolMin)?, number(Field::PoolMax)?);
            let uses = tried.trials.iter().flat_map(|trial| &trial.pools);
            let nodes =
                uses.filter(|used| used.name == pool.name).map(|used| used.nodes.1).max()?;
            if most <= least.max(1) || i64::from(nodes) < most {
                return None;
            }
            let figure = owner.figure(Field::PoolMax);
            let mut next = plan.clone();
            let because = format!("with {} nodes at most it holds", most - 1);
            next.set(figure.clone(), Amount::Count(most - 1), because);
            Some(Step { next, figures: vec![figure], frees_only: false })
        };
        pools.filter_map(step).collect()
    }
}

/// The share of the cost that figures save; of requested cores where a price is unknown.
fn saved(before: &Tried, after: &Tried) -> f64 {
    match (before.cost(), after.cost()) {
        (Some(before), Some(after)) if before > Decimal::ZERO => {
            ((before - after) / before).to_f64().unwrap_or(0.0)
        }
        _ => {
            let before = before.requested_cores();
            (before - after.requested_cores()) / before.max(f64::MIN_POSITIVE)
        }
    }
}
