//! Which machine a claim becomes: the cloud's choice among what is asked for.
//!
//! karpenter-provider-aws, pkg/providers/instance/instance.go `Create`, `getCapacityType`;
//! filter/filter.go. One call names the sixty cheapest types in all zones that suit; on demand the
//! cheapest of them comes (`lowest-price`), on spot the cheapest of those that the cloud has plenty of
//! (`price-capacity-optimized`). How much it has of a type in a zone nobody publishes: it is drawn
//! once for a run, and the better half counts as plenty.

use std::sync::Arc;

use rand::RngExt;

use super::instance::{
    CapacityType, Choice, Offering, OfferingKey, Refusals, Unavailable, order_by_price,
};
use super::requirement::{CAPACITY_TYPE, Requirements};
use super::scheduling::PlannedClaim;
use crate::engine::Streams;

/// Types that one call names at most (`maxInstanceTypes`).
const MOST_TYPES: usize = 60;

/// What a launch came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Launched {
    /// The machine, and the offering among those of its type; `None` when nothing was to be had.
    pub(super) machine: Option<(Arc<str>, usize)>,
    /// What was asked for and not to be had.
    pub(super) missing: Vec<(OfferingKey, &'static str)>,
}

/// An offering that a call names.
struct Override<'a> {
    choice: &'a Choice,
    at: usize,
    offering: &'a Offering,
}

/// Launches a claim. `known` is what Karpenter knows to be unavailable, `refused` what the cloud
/// would not give.
pub(super) fn launch(
    claim: &PlannedClaim,
    name: &str,
    known: &Unavailable,
    refused: &Refusals,
    streams: &Streams,
) -> Launched {
    let requirements = &claim.requirements;
    let fresh = claim.choices.iter().map(|choice| Choice::new(&choice.option, known));
    let mut choices: Vec<Choice> = fresh.collect();
    choices.retain(|it| it.suitable(requirements).next().is_some());
    if !requirements.has_min_values() {
        without_exotic(&mut choices);
    }
    let most = cheapest_on_demand(&choices, requirements);
    order_by_price(&mut choices, requirements);
    choices.truncate(MOST_TYPES);
    let spot = requirements.allows(CAPACITY_TYPE, CapacityType::Spot.name())
        && choices.iter().any(|it| of_capacity(it, requirements, CapacityType::Spot, most) > 0);
    let capacity = if spot { CapacityType::Spot } else { CapacityType::OnDemand };
    let mut overrides = overrides(&choices, requirements, capacity, most);
    let key =
        |it: &Override<'_>| (Arc::clone(it.choice.name()), Arc::clone(&it.offering.zone), capacity);
    let mut stream = streams.of(&format!("karpenter/launch/{name}"));
    // Equal prices are in no order; chance decides among them.
    let luck: Vec<u64> = overrides.iter().map(|_| stream.random()).collect();
    let mut order: Vec<usize> = (0..overrides.len()).collect();
    order.sort_by(|a, b| {
        let price = |at: &usize| overrides[*at].offering.price;
        price(a).total_cmp(&price(b)).then_with(|| luck[*a].cmp(&luck[*b]))
    });
    if capacity == CapacityType::Spot {
        plentiful_first(&mut order, &overrides, streams);
    }
    let mut missing = Vec::new();
    for at in order {
        let key = key(&overrides[at]);
        if let Some(code) = refused.get(&key) {
            missing.push((key, *code));
            continue;
        }
        let Override { choice, at, .. } = overrides.swap_remove(at);
        return Launched { machine: Some((Arc::clone(choice.name()), at)), missing };
    }
    Launched { machine: None, missing }
}

/// Machines with GPUs and bare metal only come when nothing else would do
/// (`ExoticInstanceTypeFilter`).
fn without_exotic(choices: &mut Vec<Choice>) {
    let exotic = |choice: &Choice| {
        choice.name().contains("metal") || choice.option.machine.capacity.has_extended()
    };
    if choices.iter().any(|it| !exotic(it)) {
        choices.retain(|it| !exotic(it));
    }
}

/// The price above which spot is not worth it (`SpotOfferingFilter`); infinite unless both are open.
fn cheapest_on_demand(choices: &[Choice], requirements: &Requirements) -> f64 {
    let both = requirements.allows(CAPACITY_TYPE, CapacityType::Spot.name())
        && requirements.allows(CAPACITY_TYPE, CapacityType::OnDemand.name())
        && !requirements.has_min_values();
    if !both {
        return f64::INFINITY;
    }
    let on_demand = choices.iter().flat_map(|it| it.suitable(requirements));
    let on_demand = on_demand.filter(|it| it.capacity == CapacityType::OnDemand);
    on_demand.map(|it| it.price).fold(f64::INFINITY, f64::min)
}

fn worth(offering: &Offering, capacity: CapacityType, most: f64) -> bool {
    offering.capacity == capacity && (capacity == CapacityType::OnDemand || offering.price <= most)
}

fn of_capacity(
    choice: &Choice,
    requirements: &Requirements,
    capacity: CapacityType,
    most: f64,
) -> usize {
    choice.suitable(requirements).filter(|it| worth(it, capacity, most)).count()
}

fn overrides<'a>(
    choices: &'a [Choice],
    requirements: &'a Requirements,
    capacity: CapacityType,
    most: f64,
) -> Vec<Override<'a>> {
    let mut all = Vec::new();
    for choice in choices {
        for offering in choice.suitable(requirements).filter(|it| worth(it, capacity, most)) {
            let at = choice.option.offerings.iter().position(|it| std::ptr::eq(it, offering));
            let at = at.expect("suitable offerings are those of the type");
            all.push(Override { choice, at, offering });
        }
    }
    all
}

/// Puts the half of which the cloud has more before the other, each in its order.
fn plentiful_first(order: &mut [usize], overrides: &[Override<'_>], streams: &Streams) {
    let depth = |at: &usize| -> u64 {
        let it = &overrides[*at];
        let (name, zone) = (it.choice.name(), &it.offering.zone);
        streams.of(&format!("spot-depth/{name}/{zone}")).random()
    };
    let mut by_depth: Vec<(u64, usize)> = order.iter().map(|at| (depth(at), *at)).collect();
    by_depth.sort_unstable_by(|a, b| b.cmp(a));
    let half = by_depth.len().div_ceil(2);
    let plenty: std::collections::BTreeSet<usize> =
        by_depth[..half].iter().map(|(_, at)| *at).collect();
    order.sort_by_key(|at| !plenty.contains(at));
}

#[cfg(test)]
mod tests {
    use super::super::instance::tests::machine;
    use super::super::requirement::{Requirement, ZONE};
    use super::*;
    use crate::units::Resources;

    fn claim(types: &[(&str, i64, f64)], demands: &[(&str, &[&str])]) -> PlannedClaim {
        let mut requirements = Requirements::new();
        for (key, values) in demands {
            requirements.add(key, Requirement::one_of(values.iter().map(|v| Arc::from(*v))));
        }
        let none = Unavailable::new();
        let choice = |(name, cores, price): &(&str, i64, f64)| {
            Choice::new(&machine(name, *cores, *price), &none)
        };
        PlannedClaim {
            pool: 0,
            requirements,
            choices: types.iter().map(choice).collect(),
            pods: Vec::new(),
            requests: Resources::default(),
        }
    }

    fn gone(list: &[(&str, &str, CapacityType)]) -> Unavailable {
        list.iter().map(|(name, zone, it)| (Arc::from(*name), Arc::from(*zone), *it)).collect()
    }

    const TYPES: [(&str, i64, f64); 3] =
        [("m5.large", 2, 0.10), ("m5.xlarge", 4, 0.20), ("c5.large", 2, 0.09)];

    fn name(launched: &Launched) -> Option<&str> {
        launched.machine.as_ref().map(|(name, _)| &**name)
    }

    #[test]
    fn on_demand_the_cheapest_comes_and_what_is_missing_is_told() {
        let streams = Streams::new(1, 0);
        let wanted = claim(&TYPES, &[(CAPACITY_TYPE, &["on-demand"]), (ZONE, &["a"])]);
        let none = Unavailable::new();
        let od = CapacityType::OnDemand;
        let go = |known: &Unavailable, refused: &Unavailable| {
            let code = |key: &OfferingKey| (key.clone(), "InsufficientInstanceCapacity");
            let refused = refused.iter().map(code).collect();
            launch(&wanted, "p-1", known, &refused, &streams)
        };
        assert_eq!(name(&go(&none, &none)), Some("c5.large"));
        let short = gone(&[("c5.large", "a", od)]);
        let second = go(&none, &short);
        assert_eq!((name(&second), second.missing.len()), (Some("m5.large"), 1));
        // What is known to be missing is not asked for.
        let again = go(&short, &short);
        assert_eq!((name(&again), again.missing.len()), (Some("m5.large"), 0));
        let all = gone(&TYPES.map(|(name, _, _)| (name, "a", od)));
        let nothing = go(&none, &all);
        assert_eq!((nothing.machine.is_none(), nothing.missing.len()), (true, 3));
    }

    #[test]
    fn spot_comes_first_and_never_dearer_than_on_demand() {
        let streams = Streams::new(1, 0);
        let (none, plenty) = (Unavailable::new(), Refusals::new());
        let wanted = claim(&TYPES, &[(ZONE, &["a"])]);
        let launched = launch(&wanted, "p-1", &none, &plenty, &streams);
        let (chosen, at) = launched.machine.expect("something is to be had");
        let choice =
            wanted.choices.iter().find(|it| *it.name() == chosen).expect("it was asked for");
        assert_eq!(choice.option.offerings[at].capacity, CapacityType::Spot);
        assert_eq!(&*choice.option.offerings[at].zone, "a");
        // An on-demand machine of half the price of any spot: spot is not worth it.
        let cheap = claim(&[("m5.large", 2, 1.0), ("t3.nano", 1, 0.001)], &[(ZONE, &["a"])]);
        let launched = launch(&cheap, "p-1", &none, &plenty, &streams);
        assert_eq!(name(&launched), Some("t3.nano"));
        let spot = TYPES.map(|(name, _, _)| (name, "a", CapacityType::Spot));
        let launched = launch(&wanted, "p-1", &gone(&spot), &plenty, &streams);
        let (chosen, at) = launched.machine.expect("on-demand is to be had");
        assert_eq!(&*chosen, "c5.large");
        assert_eq!(wanted.choices[2].option.offerings[at].capacity, CapacityType::OnDemand);
    }

    #[test]
    fn equal_prices_are_drawn_and_equal_seeds_draw_the_same() {
        let wanted = claim(&[("m5.large", 2, 0.1)], &[(CAPACITY_TYPE, &["on-demand"])]);
        let none = Unavailable::new();
        let zones = |seed| -> Vec<usize> {
            let streams = Streams::new(seed, 0);
            let one =
                |n: i32| launch(&wanted, &format!("p-{n}"), &none, &Refusals::new(), &streams);
            (0..20).filter_map(|n| one(n).machine).map(|(_, at)| at).collect()
        };
        assert_eq!(zones(7), zones(7));
        let both: std::collections::BTreeSet<usize> = zones(7).into_iter().collect();
        assert_eq!(both.len(), 2, "both zones are used: {:?}", zones(7));
    }
}
