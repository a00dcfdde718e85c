//! Figures of node pools: how few nodes, how many, and of which machine type.

use std::sync::Arc;

use rust_decimal::prelude::ToPrimitive;

use super::figures::{Amount, Field, Owner};
use super::guess::{Boldness, Reasoned};
use super::search::{Search, Tried, WORTH};
use super::trial::PoolUse;
use crate::cluster::api::{InstanceType, NodePoolSpec};
use crate::units::convert::{ceil_u64, f64_from_u64};

/// How full nodes get when pods of several sizes lie on them.
const FILL: f64 = 0.92;
/// A machine type must save so much of its pool's cost to be worth a change.
const TYPE_WORTH: f64 = 0.05;

impl Search<'_> {
    /// Minima and maxima of pools for what their nodes carried in a run.
    pub(super) fn pool_bounds(&self, plan: &mut Reasoned, tried: &Tried, bold: Boldness) {
        let planned = plan.figures.apply(self.first());
        for pool in planned.pools.iter().filter(|pool| pool.node_pool.is_none() && pool.autoscaled)
        {
            let Some((least, most, reached)) = bounds(pool, tried) else { continue };
            // A node in every zone, where there was one.
            let zones = crate::units::convert::u64_from_usize(pool.zones.len().max(1));
            let has_gpus = pool.instance.capacity.get("nvidia.com/gpu") > 0;
            let today = u64::from(pool.min);
            let alive = if has_gpus { 1 } else { 2 };
            let floor = if today >= zones && !has_gpus { zones } else { today.min(alive) };
            let min = least.max(floor);
            let owner = Owner::pool(pool);
            if min < today {
                let because = if min == floor && floor > least {
                    format!("one in each of {zones} zones; pods need {least} at the quietest")
                } else {
                    format!("what pods request at the quietest fits {least}")
                };
                plan.set(owner.figure(Field::PoolMin), count(min), because);
            }
            let wanted = ceil_u64(f64_from_u64(most.max(u64::from(reached))) * bold.room - 1e-9);
            if wanted > u64::from(pool.max) {
                let because = format!(
                    "{reached} nodes at the peak, and {:.0}% of room",
                    (bold.room - 1.0) * 100.0
                );
                plan.set(owner.figure(Field::PoolMax), count(wanted), because);
            }
        }
    }

    /// For each pool another machine type that it may have, when it holds and costs clearly less.
    pub(super) fn machine_types(&self, plan: Reasoned, tried: Tried) -> (Reasoned, Tried) {
        let (mut plan, mut tried) = (plan, tried);
        let planned = plan.figures.apply(self.first());
        for pool in planned.pools.iter().filter(|pool| pool.node_pool.is_none() && pool.autoscaled)
        {
            let Some(next) = self.cheaper_type(&plan, &tried, pool) else { continue };
            let result = self.try_figures(&next.figures);
            let (Some(before), Some(after)) = (tried.cost(), result.cost()) else { continue };
            let saved = (before - after).to_f64().unwrap_or(0.0);
            if result.holds() && saved >= before.to_f64().unwrap_or(0.0) * WORTH {
                (plan, tried) = (next, result);
            }
        }
        (plan, tried)
    }

    /// Whether a pool may have a machine type: its own family's, or one that was asked for.
    fn may_be(&self, name: &str, today: &str) -> bool {
        let family =
            |name: &str| name.rsplit_once('.').map_or(name, |(family, _)| family).to_owned();
        let wanted = family(name);
        wanted == family(today) || self.options.families.contains(&wanted)
    }

    /// The plan with the cheapest type that a pool may have, by the requests that its nodes carried.
    fn cheaper_type(
        &self,
        plan: &Reasoned,
        tried: &Tried,
        pool: &NodePoolSpec,
    ) -> Option<Reasoned> {
        let uses: Vec<&PoolUse> = tried
            .trials
            .iter()
            .flat_map(|trial| &trial.pools)
            .filter(|used| used.name == pool.name)
            .collect();
        let zones = crate::units::convert::u64_from_usize(pool.zones.len().max(1));
        let has_gpus = pool.instance.capacity.get("nvidia.com/gpu") > 0;
        let floor = if has_gpus { 1 } else { zones.min(u64::from(pool.min).max(1)) };
        let price = |machine: &InstanceType| {
            let hourly = machine.price_per_hour(pool.spot)?.to_f64()?;
            let nodes = |used: &&PoolUse| used.needed_mean(machine, FILL, floor);
            Some(hourly * uses.iter().map(nodes).fold(0.0, f64::max))
        };
        let now = price(&pool.instance)?;
        let fits = |machine: &&Arc<InstanceType>| {
            let holds = |used: &&PoolUse| {
                used.largest_pod.0 <= machine.allocatable.cpu.as_cores() * FILL
                    && used.largest_pod.1 <= machine.allocatable.memory.as_f64() * FILL
            };
            machine.name != pool.instance.name
                && self.may_be(&machine.name, &pool.instance.name)
                && machine.gpu_kind == pool.instance.gpu_kind
                && machine.capacity.get("nvidia.com/gpu")
                    == pool.instance.capacity.get("nvidia.com/gpu")
                && uses.iter().all(holds)
        };
        let candidates = self.first().machines.iter().filter(fits);
        let priced = candidates.filter_map(|machine| Some((price(machine)?, machine)));
        let (cost, machine) = priced.min_by(|a, b| a.0.total_cmp(&b.0))?;
        if cost > now * (1.0 - TYPE_WORTH) {
            return None;
        }
        let mut next = plan.clone();
        let owner = Owner::pool(pool);
        let because = format!(
            "what pods request costs {:.0}% less on it; the largest pod asks for {:.2} cores, {:.1}Gi",
            (1.0 - cost / now) * 100.0,
            uses.iter().map(|used| used.largest_pod.0).fold(0.0, f64::max),
            uses.iter().map(|used| used.largest_pod.1).fold(0.0, f64::max) / 1_073_741_824.0
        );
        let name = Amount::Machine(Arc::clone(&machine.name));
        next.set(owner.figure(Field::PoolInstance), name, because);
        let range = uses.iter().map(|used| used.needed_range(machine, FILL));
        let least = range.clone().map(|range| range.0).max().unwrap_or(1).max(floor);
        let most = range.map(|range| range.1).max().unwrap_or(1).max(least);
        let quiet = format!("what pods request at the quietest fits {least} of them");
        next.set(owner.figure(Field::PoolMin), count(least), quiet);
        let peak = format!("{most} of them at the peak × 1.5");
        let most = ceil_u64(f64_from_u64(most) * 1.5).max(u64::from(pool.max));
        if most > u64::from(pool.max) {
            next.set(owner.figure(Field::PoolMax), count(most), peak);
        }
        Some(next)
    }
}

/// The least and most nodes that requests need, and the most there were.
fn bounds(pool: &NodePoolSpec, tried: &Tried) -> Option<(u64, u64, u32)> {
    let uses = tried.trials.iter().flat_map(|trial| &trial.pools);
    let of_pool: Vec<&PoolUse> = uses.filter(|used| used.name == pool.name).collect();
    let ranges = of_pool.iter().map(|used| used.needed_range(&pool.instance, FILL));
    let least = ranges.clone().map(|range| range.0).min()?;
    let most = ranges.map(|range| range.1).max()?;
    Some((least, most, of_pool.iter().map(|used| used.nodes.1).max()?))
}

fn count(nodes: u64) -> Amount {
    Amount::Count(i64::try_from(nodes).unwrap_or(i64::MAX))
}
