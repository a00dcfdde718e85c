//! What a run costs: node-hours, control plane and volumes, in decimal money.
//!
//! - Nodes cost from the launch of their machine to its end (`node_time`).
//! - The control plane costs its price per hour.
//! - Volumes cost per GB-month, counted as clouds bill block storage: a GB is 2^30 bytes. A claim
//!   template of a StatefulSet counts once for each ordinal there ever was, because its volumes
//!   outlive a scale-down (`persistentVolumeClaimRetentionPolicy: Retain`, the default).
//! - A month has 730 hours; the figure of a month is the mean cost rate of the measured time.
//!
//! A price that is not known makes every sum that needs it unknown; nothing is counted as free
//! unless its price says 0.

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::api::{NodePoolSpec, PersistentVolumeClaimSpec, StorageClassSpec};
use crate::metrics::measurements::Measurements;
use crate::metrics::placed::SharedBy;
use crate::model::id::{PoolId, WorkloadId};
use crate::model::observer::PoolSample;
use crate::scenario::Scenario;
use crate::scenario::profile::HOURS_PER_MONTH;
use crate::units::Bytes;

/// Money of a run. Amounts are exact until they are shown; see [`cents`].
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// ISO 4217 code.
    pub currency: Arc<str>,
    /// Each pool, by id.
    pub pools: Vec<PoolCost>,
    /// Who costs how much on each pool; pools of unknown price are left out.
    pub shares: Vec<CostShare>,
    /// Control plane over a month.
    pub control_plane_per_month: Decimal,
    /// Each claim, templates multiplied.
    pub volumes: Vec<VolumeCost>,
    /// Cost of the measured time; `None` when a price is unknown.
    pub measured: Option<Decimal>,
    /// Cost by a million client calls; `None` when a price is unknown or there was no call.
    pub per_million_requests: Option<Decimal>,
    /// Prices that are not known, in words: `instance g9.large (pool gpu)`.
    pub unknown: Vec<String>,
}

/// Money of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolCost {
    /// Which.
    pub pool: PoolId,
    /// Paid hours, summed over its nodes, in the measured time.
    pub node_hours: Decimal,
    /// Price of a node per hour, when known.
    pub price_per_hour: Option<Decimal>,
    /// Cost of the measured time, when the price is known.
    pub measured: Option<Decimal>,
    /// Mean cost rate over a month, when the price is known.
    pub per_month: Option<Decimal>,
    /// Share of what its ready nodes offer that no pod asks for, by the resource that is asked for
    /// most (of CPU, memory and GPUs), as a mean over time; `None` when it never had a ready node.
    pub idle_share: Option<f64>,
    /// The part of `per_month` that is idle.
    pub idle_per_month: Option<Decimal>,
    /// Machines by type and by how they are bought.
    pub machines: Vec<MachineCost>,
}

/// Money of the machines of one price in a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineCost {
    /// Instance type.
    pub instance: Arc<str>,
    /// Whether they are spot machines.
    pub spot: bool,
    /// Paid hours in the measured time.
    pub node_hours: Decimal,
    /// Price of one per hour, when known.
    pub price_per_hour: Option<Decimal>,
    /// Mean cost rate over a month, when the price is known.
    pub per_month: Option<Decimal>,
}

/// What a workload, or nobody, costs on a pool over a month. A pool's cost is shared by the resource
/// that is asked for most there, as [`PoolCost::idle_share`] is.
#[derive(Debug, Clone, PartialEq)]
pub struct CostShare {
    /// The pool.
    pub pool: PoolId,
    /// Whose; `None` is what nobody asked for.
    pub workload: Option<WorkloadId>,
    /// The resource.
    pub by: SharedBy,
    /// Requested and used.
    pub used: Decimal,
    /// Requested and not used.
    pub idle: Decimal,
    /// Asked for by nobody.
    pub unallocated: Decimal,
}

/// Money of the volumes of a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeCost {
    /// `data-postgresql` or the claim's name; with its workload for a template.
    pub claim: String,
    /// How many volumes.
    pub volumes: u32,
    /// Size of each.
    pub size: Bytes,
    /// Volume type, e.g. `gp3`; `None` when the storage class does not say.
    pub volume_type: Option<Arc<str>>,
    /// Provisioned IOPS of each beyond what the price of its size includes.
    pub paid_iops: u64,
    /// All of them over a month, when the prices are known.
    pub per_month: Option<Decimal>,
}

/// IOPS that the price of a gp3 volume's size includes (Amazon EBS).
const GP3_INCLUDED_IOPS: u64 = 3_000;
/// MiB/s that the price of a gp3 volume's size includes (Amazon EBS).
const GP3_INCLUDED_THROUGHPUT: u64 = 125;
/// Least and most IOPS of an io2 volume (Amazon EBS); the driver keeps `iopsPerGB` within them.
const IO2_IOPS: (u64, u64) = (100, 256_000);

impl Cost {
    /// The cost of a finished run.
    #[must_use]
    pub fn of(scenario: &Scenario, measured: &Measurements) -> Self {
        let hours = hours(u128::from(measured.measured().as_nanos()));
        let pools = pool_costs(scenario, measured, hours);
        let volumes = volume_costs(scenario, measured);
        let control_plane_per_month =
            scenario.prices.control_plane_per_hour * Decimal::from(HOURS_PER_MONTH);
        let mut unknown = Vec::new();
        for (cost, spec) in pools.iter().zip(&scenario.pools) {
            for (instance, spot, area) in measured.node_time_by_kind(cost.pool) {
                let price = scenario.machine(instance).and_then(|m| m.price_per_hour(spot));
                if area > 0 && price.is_none() {
                    let kind = if spot { "spot instance" } else { "instance" };
                    unknown.push(format!("{kind} {instance} (pool {})", spec.name));
                }
            }
        }
        for volume in volumes.iter().filter(|volume| volume.per_month.is_none()) {
            let kind = volume.volume_type.as_deref().unwrap_or("unknown type");
            unknown.push(format!("volumes of {} ({kind})", volume.claim));
        }
        let mut cost = Self {
            currency: Arc::clone(&scenario.prices.currency),
            shares: shares(&pools, measured),
            pools,
            control_plane_per_month,
            volumes,
            measured: None,
            per_million_requests: None,
            unknown,
        };
        cost.measured =
            cost.per_month().map(|month| month * hours / Decimal::from(HOURS_PER_MONTH));
        let calls = measured.calls().ends.total();
        if calls > 0 {
            let millions = Decimal::from(calls) / Decimal::from(1_000_000);
            cost.per_million_requests = cost.measured.map(|money| money / millions);
        }
        cost
    }

    /// Everything over a month; `None` when a price is unknown.
    #[must_use]
    pub fn per_month(&self) -> Option<Decimal> {
        Some(self.nodes_per_month()? + self.control_plane_per_month + self.volumes_per_month()?)
    }

    /// Nodes over a month; `None` when a price is unknown.
    #[must_use]
    pub fn nodes_per_month(&self) -> Option<Decimal> {
        self.pools.iter().map(|pool| pool.per_month).sum()
    }

    /// Volumes over a month; `None` when a price is unknown.
    #[must_use]
    pub fn volumes_per_month(&self) -> Option<Decimal> {
        self.volumes.iter().map(|volume| volume.per_month).sum()
    }

    /// The idle part of nodes over a month; `None` when it is unknown of a pool that costs.
    #[must_use]
    pub fn idle_per_month(&self) -> Option<Decimal> {
        self.pools
            .iter()
            .filter(|pool| pool.per_month.is_none_or(|month| !month.is_zero()))
            .map(|pool| pool.idle_per_month)
            .sum()
    }
}

/// An amount as it is shown: two decimals, a half rounded to the even cent.
#[must_use]
pub fn cents(amount: Decimal) -> Decimal {
    let mut rounded = amount.round_dp(2);
    rounded.rescale(2);
    rounded
}

/// What nodes, control plane and volumes cost per hour at each instant of the series; `None` where
/// a price is unknown.
#[must_use]
pub fn rate_per_hour(scenario: &Scenario, measured: &Measurements) -> Vec<Option<Decimal>> {
    let volumes: Option<Decimal> =
        volume_costs(scenario, measured).iter().map(|volume| volume.per_month).sum();
    let fixed = volumes.map(|month| {
        month / Decimal::from(HOURS_PER_MONTH) + scenario.prices.control_plane_per_hour
    });
    let series = measured.series();
    (0..series.times.len())
        .map(|instant| {
            let mut rate = fixed?;
            for sample in series.pools.iter().filter_map(|samples| samples.get(instant)) {
                if sample.nodes > 0 {
                    rate += sample.paid_per_hour?;
                }
            }
            Some(rate)
        })
        .collect()
}

/// Hours of a number of nanoseconds.
fn hours(nanos: u128) -> Decimal {
    let nanos = i128::try_from(nanos).expect("node-time of a run fits 127 bits");
    Decimal::from_i128_with_scale(nanos, 9) / Decimal::from(3600)
}

fn pool_costs(
    scenario: &Scenario,
    measured: &Measurements,
    hours_measured: Decimal,
) -> Vec<PoolCost> {
    let pools = scenario.pools.iter().enumerate();
    pools
        .map(|(position, spec)| {
            pool_cost(PoolId::at(position), spec, scenario, measured, hours_measured)
        })
        .collect()
}

fn pool_cost(
    pool: PoolId,
    spec: &NodePoolSpec,
    scenario: &Scenario,
    measured: &Measurements,
    hours_measured: Decimal,
) -> PoolCost {
    let paid = || measured.node_time_by_kind(pool).filter(|(_, _, area)| *area > 0);
    let node_hours = hours(paid().map(|(_, _, area)| area).sum());
    // A pool that never had a node costs nothing, whatever its price.
    let amount: Option<Decimal> = paid()
        .map(|(instance, spot, area)| {
            let price = scenario.machine(instance)?.price_per_hour(spot)?;
            Some(price * hours(area))
        })
        .sum();
    // Machines of several prices have a mean one.
    let price_per_hour = if paid().nth(1).is_none() {
        paid().next().map_or_else(
            || spec.price_per_hour(),
            |(instance, spot, _)| scenario.machine(instance)?.price_per_hour(spot),
        )
    } else {
        amount.map(|amount| amount / node_hours)
    };
    let per_month = if hours_measured.is_zero() {
        None
    } else {
        amount.map(|amount| amount / hours_measured * Decimal::from(HOURS_PER_MONTH))
    };
    let idle_share = idle_share(&measured.series().pools[pool.index()]);
    let idle = idle_share.and_then(|share| Decimal::try_from(share).ok());
    PoolCost {
        pool,
        node_hours,
        price_per_hour,
        measured: amount,
        per_month,
        idle_share,
        idle_per_month: idle.and_then(|share| Some(per_month? * share)),
        machines: paid()
            .map(|(instance, spot, area)| {
                let price = scenario.machine(instance).and_then(|it| it.price_per_hour(spot));
                let monthly = |price: Decimal| {
                    (!hours_measured.is_zero()).then(|| {
                        price * hours(area) / hours_measured * Decimal::from(HOURS_PER_MONTH)
                    })
                };
                MachineCost {
                    instance: Arc::from(instance),
                    spot,
                    node_hours: hours(area),
                    price_per_hour: price,
                    per_month: price.and_then(monthly),
                }
            })
            .collect(),
    }
}

/// Shares each pool's cost among those whose pods lie there.
fn shares(pools: &[PoolCost], measured: &Measurements) -> Vec<CostShare> {
    let mut all = Vec::new();
    for cost in pools {
        let Some(month) = cost.per_month.filter(|month| !month.is_zero()) else { continue };
        let samples = &measured.series().pools[cost.pool.index()];
        let Some((by, offered)) = dominant(samples) else { continue };
        let at = SharedBy::ALL.iter().position(|kind| *kind == by).unwrap_or(0);
        let asked: f64 = measured.placed().on(cost.pool).map(|(_, sums)| sums.requested[at]).sum();
        // Pods lie on nodes that boot or are lost, too, so that more may be asked for than is offered.
        let whole = offered.max(asked);
        let money = |part: f64| Decimal::try_from(part / whole).ok().map(|share| month * share);
        let mut left = month;
        for (workload, sums) in measured.placed().on(cost.pool) {
            let (Some(requested), Some(used)) = (money(sums.requested[at]), money(sums.used[at]))
            else {
                continue;
            };
            if requested.is_zero() {
                continue;
            }
            left -= requested;
            let (idle, unallocated) = (requested - used, Decimal::ZERO);
            all.push(CostShare {
                pool: cost.pool,
                workload: Some(workload),
                by,
                used,
                idle,
                unallocated,
            });
        }
        let (used, idle) = (Decimal::ZERO, Decimal::ZERO);
        let unallocated = left.max(Decimal::ZERO);
        all.push(CostShare { pool: cost.pool, workload: None, by, used, idle, unallocated });
    }
    all
}

/// The resource that a pool's ready nodes are asked for most, and how much of it they offered, summed
/// over samples; `None` when it never had a ready node.
fn dominant(samples: &[PoolSample]) -> Option<(SharedBy, f64)> {
    let (asked, offered) = sums(samples);
    let shares = SharedBy::ALL.into_iter().zip(asked.into_iter().zip(offered));
    let shares = shares.filter(|(_, (_, offered))| *offered > 0.0);
    shares
        .max_by(|(_, one), (_, other)| (one.0 / one.1).total_cmp(&(other.0 / other.1)))
        .map(|(by, (_, offered))| (by, offered))
}

/// Cores, bytes and GPUs: asked for, and offered by ready nodes.
fn sums(samples: &[PoolSample]) -> ([f64; 3], [f64; 3]) {
    let mut asked = [0.0; 3];
    let mut offered = [0.0; 3];
    for sample in samples {
        let rows = [
            (sample.cpu_requested_cores, sample.cpu_allocatable_cores),
            (sample.memory_requested_bytes, sample.memory_allocatable_bytes),
            (count(sample.gpus_requested), count(sample.gpus_allocatable)),
        ];
        for (position, (requested, allocatable)) in rows.into_iter().enumerate() {
            asked[position] += requested;
            offered[position] += allocatable;
        }
    }
    (asked, offered)
}

/// One minus the share asked for of the resource that is asked for most. Nodes that boot offer
/// nothing yet and are left out: what they cost is in the node-hours.
fn idle_share(samples: &[PoolSample]) -> Option<f64> {
    let (asked, offered) = sums(samples);
    let shares = asked.iter().zip(offered).filter(|(_, offered)| *offered > 0.0);
    let dominant = shares.map(|(asked, offered)| asked / offered).reduce(f64::max)?;
    Some((1.0 - dominant).clamp(0.0, 1.0))
}

fn count(value: i64) -> f64 {
    crate::units::convert::f64_from_i64(value)
}

fn volume_costs(scenario: &Scenario, measured: &Measurements) -> Vec<VolumeCost> {
    let mut costs = Vec::new();
    for (position, workload) in scenario.workloads.iter().enumerate() {
        if let WorkloadKind::StatefulSet { claims, .. } = &workload.kind {
            let id = WorkloadId::at(position);
            let series = measured.series().workload(id).iter().map(|sample| sample.desired);
            let most = series.fold(scenario.initial_replicas[position], i32::max);
            let volumes = u32::try_from(most).unwrap_or(0);
            for claim in claims {
                let name = format!("{workload}/{}", claim.meta.name);
                costs.push(volume_cost(scenario, name, claim, volumes));
            }
        }
    }
    for claim in &scenario.claims {
        costs.push(volume_cost(scenario, claim.meta.name.to_string(), claim, 1));
    }
    costs
}

fn volume_cost(
    scenario: &Scenario,
    name: String,
    claim: &PersistentVolumeClaimSpec,
    volumes: u32,
) -> VolumeCost {
    let class = storage_class(scenario, claim);
    let volume_type = class.and_then(volume_type);
    let paid_iops =
        class.map_or(0, |class| paid_iops(class, volume_type.as_deref(), claim.storage));
    let each = class
        .filter(|class| !pays_for_throughput(class))
        .zip(volume_type.as_ref())
        .and_then(|(_, kind)| {
            let gb = Decimal::from(claim.storage.0) / Decimal::from(1_u64 << 30);
            let size = scenario.prices.volume_per_gb_month.get(kind)? * gb;
            let iops = if paid_iops == 0 {
                Decimal::ZERO
            } else {
                scenario.prices.iops_month.get(kind)? * Decimal::from(paid_iops)
            };
            Some(size + iops)
        });
    VolumeCost {
        claim: name,
        volumes,
        size: claim.storage,
        volume_type,
        paid_iops,
        per_month: each.map(|each| each * Decimal::from(volumes)),
    }
}

/// The class a claim names, or the default one: of several, the first by name
/// (annotation `storageclass.kubernetes.io/is-default-class`).
fn storage_class<'a>(
    scenario: &'a Scenario,
    claim: &PersistentVolumeClaimSpec,
) -> Option<&'a StorageClassSpec> {
    const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
    let classes = scenario.storage_classes.iter().map(|class| &**class);
    match &claim.storage_class {
        Some(name) => classes.into_iter().find(|class| class.meta.name == *name),
        None => classes
            .filter(|class| class.meta.annotations.get(DEFAULT).is_some_and(|on| &**on == "true"))
            .min_by(|left, right| left.meta.name.cmp(&right.meta.name)),
    }
}

/// `parameters.type`; the EBS driver makes gp3 volumes when it is absent.
fn volume_type(class: &StorageClassSpec) -> Option<Arc<str>> {
    let stated = class.parameters.get("type").cloned();
    stated.or_else(|| (&*class.provisioner == "ebs.csi.aws.com").then(|| Arc::from("gp3")))
}

/// IOPS that are paid for beside the size: `iops`, or `iopsPerGB` times the size
/// (aws-ebs-csi-driver, `parameters.md`).
fn paid_iops(class: &StorageClassSpec, volume_type: Option<&str>, size: Bytes) -> u64 {
    let number = |key: &str| class.parameters.get(key).and_then(|text| text.parse::<u64>().ok());
    let gb = u64::try_from(size.0).unwrap_or(0).div_ceil(1 << 30);
    let per_gb = || Some(number("iopsPerGB")?.saturating_mul(gb));
    let stated = number("iops").or_else(per_gb);
    match (volume_type, stated) {
        (Some("gp3"), Some(iops)) => iops.saturating_sub(GP3_INCLUDED_IOPS),
        (Some("io1" | "io2"), iops) => iops.unwrap_or(0).clamp(IO2_IOPS.0, IO2_IOPS.1),
        (_, _) => 0,
    }
}

/// Whether a gp3 class asks for more throughput than its size pays for. Cluster profiles state no
/// price of it, so that such volumes have no known price.
fn pays_for_throughput(class: &StorageClassSpec) -> bool {
    let stated = class.parameters.get("throughput").and_then(|text| text.parse::<u64>().ok());
    volume_type(class).as_deref() == Some("gp3")
        && stated.is_some_and(|throughput| throughput > GP3_INCLUDED_THROUGHPUT)
}
