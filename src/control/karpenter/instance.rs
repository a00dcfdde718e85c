//! Machine types as a NodePool is offered them: labels, size, and where they can be had for what.
//!
//! sigs.k8s.io/karpenter, pkg/cloudprovider/types.go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::requirement::{CAPACITY_TYPE, Requirement, Requirements, ZONE};
use crate::cluster::api::InstanceType;
use crate::model::id::PoolId;
use crate::units::Resources;

/// `karpenter.sh/capacity-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CapacityType {
    /// Cheaper, and taken back when the cloud needs it.
    Spot,
    /// At the list price.
    OnDemand,
}

impl CapacityType {
    /// The label's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::OnDemand => "on-demand",
        }
    }
}

impl fmt::Display for CapacityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A machine type with the labels it gives a node.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceOption {
    /// The machine.
    pub machine: Arc<InstanceType>,
    /// Values of its labels, zones and capacity types among them.
    pub requirements: Requirements,
    /// Where it can be had, and for what.
    pub offerings: Vec<Offering>,
}

/// A zone and a way to pay.
#[derive(Debug, Clone, PartialEq)]
pub struct Offering {
    /// Zone.
    pub zone: Arc<str>,
    /// Spot or on demand.
    pub capacity: CapacityType,
    /// Price per hour.
    pub price: f64,
    /// The pool of the cluster whose nodes are of this type and capacity.
    pub pool: PoolId,
}

impl Offering {
    /// Whether a node of these requirements may be of this offering.
    #[must_use]
    pub fn suits(&self, requirements: &Requirements) -> bool {
        requirements.allows(CAPACITY_TYPE, self.capacity.name())
            && requirements.allows(ZONE, &self.zone)
    }
}

/// What is not to be had for the moment: type, zone and capacity.
pub type Unavailable = BTreeSet<OfferingKey>;

/// Machine type, zone and capacity type.
pub type OfferingKey = (Arc<str>, Arc<str>, CapacityType);

/// What the cloud would refuse now, and with which code.
pub type Refusals = BTreeMap<OfferingKey, &'static str>;

/// A machine type with those of its offerings that are to be had.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The type.
    pub option: Arc<InstanceOption>,
    /// Indices into its offerings.
    available: Arc<[usize]>,
}

impl Choice {
    /// A type with what is to be had of it.
    #[must_use]
    pub fn new(option: &Arc<InstanceOption>, unavailable: &Unavailable) -> Self {
        let name = &option.machine.name;
        let missing = |offering: &Offering| {
            !unavailable.is_empty()
                && unavailable.contains(&(
                    Arc::clone(name),
                    Arc::clone(&offering.zone),
                    offering.capacity,
                ))
        };
        let offerings = option.offerings.iter().enumerate();
        let available = offerings.filter(|(_, it)| !missing(it)).map(|(at, _)| at).collect();
        Self { option: Arc::clone(option), available }
    }

    /// The type's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.option.machine.name
    }

    /// What it leaves to pods.
    #[must_use]
    pub fn allocatable(&self) -> &Resources {
        &self.option.machine.allocatable
    }

    /// Offerings that are to be had and suit.
    pub fn suitable<'a>(
        &'a self,
        requirements: &'a Requirements,
    ) -> impl Iterator<Item = &'a Offering> {
        let all = self.available.iter().map(|at| &self.option.offerings[*at]);
        all.filter(|offering| offering.suits(requirements))
    }

    /// The cheapest suitable price; infinite without any.
    #[must_use]
    pub fn cheapest(&self, requirements: &Requirements) -> f64 {
        self.suitable(requirements).map(|offering| offering.price).fold(f64::INFINITY, f64::min)
    }

    /// What a launch may cost at worst: the dearest offering of the capacity type that would be
    /// launched, spot before on-demand (types.go `WorstLaunchPrice`); infinite without any.
    #[must_use]
    pub fn worst_launch_price(&self, requirements: &Requirements) -> f64 {
        for capacity in [CapacityType::Spot, CapacityType::OnDemand] {
            let prices = self.suitable(requirements).filter(|it| it.capacity == capacity);
            let dearest = prices.map(|offering| offering.price).reduce(f64::max);
            if let Some(price) = dearest {
                return price;
            }
        }
        f64::INFINITY
    }
}

/// Sorts by the cheapest suitable price, then by name, which the real sort leaves open
/// (types.go `OrderByPrice`).
pub fn order_by_price(choices: &mut [Choice], requirements: &Requirements) {
    choices.sort_by(|a, b| {
        let price = a.cheapest(requirements).total_cmp(&b.cheapest(requirements));
        price.then_with(|| a.name().cmp(b.name()))
    });
}

/// What `minValues` comes to for a list of types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinValues {
    /// How many types from the front are needed.
    pub needed: usize,
    /// Labels with too few values, and how many they have.
    pub short: BTreeMap<Arc<str>, usize>,
}

/// Counts the values that a list of types leaves open (types.go `SatisfiesMinValues`).
#[must_use]
pub fn min_values(choices: &[Choice], requirements: &Requirements) -> MinValues {
    let wanted: Vec<(&Arc<str>, usize)> =
        requirements.iter().filter_map(|(key, it)| Some((key, it.min_values?))).collect();
    if wanted.is_empty() {
        return MinValues { needed: 0, short: BTreeMap::new() };
    }
    let mut seen: Vec<BTreeSet<&Arc<str>>> = vec![BTreeSet::new(); wanted.len()];
    for (at, choice) in choices.iter().enumerate() {
        for ((key, _), seen) in wanted.iter().zip(&mut seen) {
            let values = choice.option.requirements.get(key).and_then(Requirement::listed);
            seen.extend(values.into_iter().flatten());
        }
        if wanted.iter().zip(&seen).all(|((_, least), seen)| seen.len() >= *least) {
            return MinValues { needed: at + 1, short: BTreeMap::new() };
        }
    }
    let short = wanted.iter().zip(&seen).filter(|((_, least), seen)| seen.len() < *least);
    let short = short.map(|((key, _), seen)| (Arc::clone(key), seen.len())).collect();
    MinValues { needed: choices.len(), short }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cluster::api::Labels;
    use crate::units::{Bytes, MilliCpu};

    const GIB: i64 = 1 << 30;

    /// A machine `family.size` of so many cores with 4 GiB each, in the zones `a` and `b`, on demand
    /// at the price and on spot at two fifths of it. All of it is allocatable.
    pub(crate) fn machine(name: &str, cores: i64, price: f64) -> Arc<InstanceOption> {
        let size = Resources::new(MilliCpu(cores * 1000), Bytes(cores * 4 * GIB));
        custom(name, size, &[("a", price), ("b", price)], Some(0.4))
    }

    /// A machine with the price in each zone and the share of it that spot costs.
    pub(crate) fn custom(
        name: &str,
        size: Resources,
        zones: &[(&str, f64)],
        spot: Option<f64>,
    ) -> Arc<InstanceOption> {
        let (family, rest) = name.split_once('.').unwrap_or((name, ""));
        let label = |key: &str, value: String| (Arc::from(key), Arc::from(value));
        let labels = Labels::from([
            label(super::super::requirement::INSTANCE_TYPE, name.to_owned()),
            label("karpenter.k8s.aws/instance-family", family.to_owned()),
            label("karpenter.k8s.aws/instance-size", rest.to_owned()),
            label("karpenter.k8s.aws/instance-cpu", (size.cpu.0 / 1000).to_string()),
            label("kubernetes.io/arch", "amd64".to_owned()),
            label("kubernetes.io/os", "linux".to_owned()),
        ]);
        let mut requirements = Requirements::of_labels(&labels);
        let names = zones.iter().map(|(zone, _)| Arc::from(*zone));
        requirements.add(ZONE, Requirement::one_of(names));
        let mut offerings = Vec::new();
        for (zone, price) in zones {
            let offering = |capacity, price, pool| Offering {
                zone: Arc::from(*zone),
                capacity,
                price,
                pool: PoolId(pool),
            };
            offerings.push(offering(CapacityType::OnDemand, *price, 0));
            if let Some(share) = spot {
                offerings.push(offering(CapacityType::Spot, price * share, 1));
            }
        }
        let capacities: BTreeSet<CapacityType> = offerings.iter().map(|it| it.capacity).collect();
        let capacities = capacities.into_iter().map(|capacity| Arc::from(capacity.name()));
        requirements.add(CAPACITY_TYPE, Requirement::one_of(capacities));
        Arc::new(InstanceOption {
            machine: Arc::new(InstanceType {
                name: Arc::from(name),
                capacity: size.clone(),
                allocatable: size,
                max_pods: 110,
                max_volumes: None,
                gpu_kind: None,
                on_demand_per_hour: None,
                spot_per_hour: None,
                price_date: Arc::from(""),
            }),
            requirements,
            offerings,
        })
    }

    fn choices(options: &[Arc<InstanceOption>]) -> Vec<Choice> {
        options.iter().map(|option| Choice::new(option, &Unavailable::new())).collect()
    }

    fn demand(key: &str, value: &str) -> Requirements {
        let mut all = Requirements::new();
        all.add(key, Requirement::one_of([Arc::from(value)]));
        all
    }

    #[test]
    fn what_is_not_to_be_had_has_no_price() {
        let m5 = machine("m5.large", 2, 0.1);
        let gone = |zone: &str, capacity| (Arc::from("m5.large"), Arc::from(zone), capacity);
        let any = Requirements::new();
        let all = Choice::new(&m5, &Unavailable::new());
        assert!((all.cheapest(&any) - 0.04).abs() < 1e-9);
        assert!((all.worst_launch_price(&any) - 0.04).abs() < 1e-9, "spot is launched first");
        let spot = CapacityType::Spot;
        let some = Choice::new(&m5, &[gone("a", spot), gone("b", spot)].into());
        assert!((some.cheapest(&any) - 0.1).abs() < 1e-9);
        assert!(some.cheapest(&demand(CAPACITY_TYPE, "spot")).is_infinite());
        let one = Choice::new(&m5, &[gone("a", spot)].into());
        assert!((one.cheapest(&demand(ZONE, "a")) - 0.1).abs() < 1e-9);
        assert!((one.worst_launch_price(&demand(ZONE, "b")) - 0.04).abs() < 1e-9);
    }

    /// The example of `SatisfiesMinValues`: three families asked for.
    #[test]
    fn min_values_count_distinct_values_from_the_front() {
        let mut wanted = Requirements::new();
        let of = |list: &[&str]| Requirement::one_of(list.iter().map(|v| Arc::from(*v)));
        let family = "karpenter.k8s.aws/instance-family";
        let three = of(&["c4", "c5", "m4"]).open_for(3);
        wanted.add(family, three);
        let good = choices(&[
            machine("c4.large", 2, 1.0),
            machine("c5.xlarge", 4, 1.0),
            machine("m4.2xlarge", 8, 1.0),
            machine("m4.4xlarge", 16, 1.0),
        ]);
        assert_eq!(min_values(&good, &wanted), MinValues { needed: 3, short: BTreeMap::new() });
        let short = min_values(&good[..2], &wanted);
        assert_eq!(short.short, BTreeMap::from([(Arc::from(family), 2)]));
        assert_eq!(min_values(&good, &Requirements::new()).needed, 0);
    }
}
