//! What requests use beside CPUs and GPUs, by rates: disks, links that answers share, the network.
//!
//! A disk is a queue of promises with a burst of tokens before it: whoever finds less promised than the
//! bucket holds does not wait. A link is shared as cores are, each answer as fast as its connection at
//! most. The network takes time on the way and never fills.
//!
//! What it does not see: several operations of one request on one disk, which meet each other.

use std::collections::BTreeMap;

use crate::engine::Dist;
use crate::model::id::NodeId;
use crate::service::fluid::cores::{Cores, Demand, View};
use crate::service::fluid::loops::Resting;
use crate::service::fluid::quantiles::{Cover, PROBES, Quantiles, Strata};
use crate::service::fluid::queueing::seen_by;
use crate::service::fluid::{Fluid, number};
use crate::service::spec::{DiskSpec, IoSpec, LinkSpec, NetworkSpec, Routing};

/// A utilisation up to which a queue is at rest.
const MOST_AT_REST: f64 = 0.98;
/// Utilisations from which on a closed load begins to fill a disk, and fills it.
const HEAVY: f64 = 0.85;
const FULL: f64 = 0.95;
const MEGABYTE: f64 = 1e6;

/// What a station's calls share beside its CPUs and GPUs.
#[derive(Debug, Default)]
pub(super) struct Shared {
    disk: [Promises; 2],
    /// Answers on the link.
    on_link: f64,
    link: View,
}

/// The operations or the bytes that the disk of a pod has promised.
#[derive(Debug, Clone, Copy, Default)]
struct Promises {
    /// Work that stands, beyond what chance makes (s).
    standing_s: f64,
    /// Work that a closed load keeps there while nothing more can be taken (s).
    kept_s: f64,
    /// Share of the time that there is any by chance, and how much then on average (s).
    some: f64,
    mean_s: f64,
}

impl Promises {
    /// Calls with such costs (calls a second, seconds each) come for so long; of what is promised an
    /// arrival sees the share `seen`, and `closed` is the share of calls that come from closed loads.
    fn advance(
        &mut self,
        costs: impl Iterator<Item = (f64, f64)>,
        (seen, closed): (f64, f64),
        dt_s: f64,
    ) {
        let (work, squares) = work_and_squares(costs);
        self.standing_s = (self.standing_s + (work - 1.0) * dt_s).max(0.0);
        let rest = Self::at_rest((work.min(1.0), squares), seen);
        (self.some, self.mean_s) = (rest.some, rest.mean_s);
        if self.standing_s > self.mean_s {
            (self.some, self.mean_s) = (0.0, 0.0);
        }
        // What waits at a full disk is the number that the closed load has under way: it hardly varies.
        let steady = closed * ((work - HEAVY) / (FULL - HEAVY)).clamp(0.0, 1.0);
        self.kept_s = self.some * self.mean_s * steady;
        self.mean_s *= 1.0 - steady;
    }

    /// Work that every call finds (s).
    fn found_s(&self) -> f64 {
        self.standing_s + self.kept_s
    }

    /// Pollaczek and Khinchine's mean of the promised work, with an exponential tail.
    fn at_rest((work, squares): (f64, f64), seen: f64) -> Self {
        let some = (work * seen).min(MOST_AT_REST);
        if some <= 0.0 {
            return Self::default();
        }
        let mean_s = squares * seen / 2.0 / (1.0 - some).max(1e-9) / some;
        Self { some, mean_s, ..Self::default() }
    }

    /// How long a call of such a cost waits beyond what the bucket holds, on average (s).
    fn wait_s(&self, cost_s: f64, burst_s: f64) -> f64 {
        let over_s = self.found_s() + cost_s - burst_s;
        if self.some <= 0.0 || self.mean_s <= 0.0 {
            return over_s.max(0.0);
        }
        if over_s >= 0.0 {
            over_s + self.some * self.mean_s
        } else {
            self.some * self.mean_s * libm::exp(over_s / self.mean_s)
        }
    }

    /// The same of one call, by its place between 0 and 1.
    fn draw_s(&self, strata: &Strata, unit: f64, (cost_s, burst_s): (f64, f64)) -> f64 {
        let met_s = strata.delayed(unit, self.some, self.mean_s);
        (self.found_s() + met_s + cost_s - burst_s).max(0.0)
    }
}

/// Work a second (s), and the sum of squares of what it is made of, of calls with such costs (calls a second,
/// seconds each).
fn work_and_squares(costs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    costs.fold((0.0, 0.0), |(work, squares), (rate, cost_s)| {
        (work + rate * cost_s, squares + rate * cost_s * cost_s)
    })
}

/// What disks and links make the calls of a closed load wait, everything at rest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RestingShared {
    disk: [Promises; 2],
    /// Seconds that a megabyte takes on the link.
    per_megabyte_s: f64,
}

/// Seconds of a disk's operations and bytes that a call takes.
pub(super) fn costs_s(spec: &DiskSpec, io: &IoSpec) -> [f64; 2] {
    [io.counted() / spec.iops, io.bytes.as_f64() / spec.bytes_per_second]
}

/// The link of so many pods as cores that answers share.
fn lanes(link: &LinkSpec, pods: f64) -> Cores {
    Cores {
        cores: link.bytes_per_second / MEGABYTE * pods.max(1.0),
        threads: link.per_connection / MEGABYTE,
        places: f64::INFINITY,
        backlog: f64::INFINITY,
        crowd: 0.0,
        pods: 1.0,
        spread: 1.0,
        routing: Routing::Random,
    }
}

impl Fluid {
    /// Disks and links of a station take what has passed its CPUs.
    pub(super) fn move_resources(&mut self, station: usize, dt_s: f64) {
        let graph = std::sync::Arc::clone(&self.plan.graph);
        let spec = &graph.stations[station];
        let pods = number(self.stations[station].open.len());
        let (seen, closed) = (seen_by(self.stations[station].users), self.stations[station].closed);
        let positions = &self.plan.of_station[station];
        if let Some(disk) = &spec.disk
            && pods > 0.0
        {
            for (kind, promises) in self.stations[station].shared.disk.iter_mut().enumerate() {
                let costs = positions.iter().filter_map(|position| {
                    let io = graph.operations[*position].io.as_ref()?;
                    let rate = self.operations[*position].passing / pods;
                    Some((rate, costs_s(disk, io)[kind]))
                });
                promises.advance(costs, (seen, closed), dt_s);
            }
        }
        let Some(link) = &spec.link else { return };
        let cores = lanes(link, pods);
        let passing = |position: usize| self.operations[position].passing;
        let (rate, demand) = self.asked_of_link(station, passing);
        let shared = &mut self.stations[station].shared;
        let (stepped, view) =
            cores.advance(&demand, (shared.on_link, rate * dt_s), dt_s, &shared.link);
        (shared.on_link, shared.link) = (stepped.inside, view);
    }

    /// What the answers of a station ask of its link at rates of its operations: how many come in a second, and
    /// their megabytes.
    fn asked_of_link(&self, station: usize, rate_of: impl Fn(usize) -> f64) -> (f64, Demand) {
        let (mut rate, mut first, mut second) = (0.0, 0.0, 0.0);
        for position in &self.plan.of_station[station] {
            let size = self.plan.graph.operations[*position].payload.as_f64() / MEGABYTE;
            let passing = rate_of(*position);
            if size > 0.0 {
                rate += passing;
                first += passing * size;
                second += passing * size * size;
            }
        }
        let mean = if rate > 0.0 { first / rate } else { 0.0 };
        let demand = Demand {
            cpu_s: mean,
            cpu_cs2: if mean > 0.0 { (second / rate / (mean * mean) - 1.0).max(0.0) } else { 0.0 },
            hold_s: 0.0,
            arrivals_ca2: 1.0,
            users: self.stations[station].users,
            patience_s: f64::INFINITY,
        };
        (rate, demand)
    }

    /// What disks and link of a station make wait at given rates of its operations, at rest; `None` when they
    /// cannot take them.
    pub(super) fn share_at_rest(
        &self,
        station: usize,
        (rates, pods): (&[f64], f64),
        resting: &mut Resting,
    ) -> Option<()> {
        let graph = &self.plan.graph;
        let seen = seen_by(self.stations[station].users);
        if let Some(disk) = &graph.stations[station].disk {
            for (kind, promises) in resting.shared.disk.iter_mut().enumerate() {
                let costs = self.plan.of_station[station].iter().filter_map(|position| {
                    let io = graph.operations[*position].io.as_ref()?;
                    Some((rates[*position] / pods, costs_s(disk, io)[kind]))
                });
                let (work, squares) = work_and_squares(costs);
                if work > 1.0 || (work >= 1.0 && seen >= 1.0) {
                    return None;
                }
                let standing_s = self.stations[station].shared.disk[kind].standing_s;
                *promises = Promises { standing_s, ..Promises::at_rest((work, squares), seen) };
            }
        }
        if let Some(link) = &graph.stations[station].link {
            let (rate, demand) = self.asked_of_link(station, |position| rates[position]);
            let lanes = lanes(link, pods);
            let (_, stretch) = if demand.cpu_s > 0.0 {
                lanes.at_rest(&demand, rate)?
            } else {
                (0.0, MEGABYTE / link.per_connection)
            };
            resting.shared.per_megabyte_s = stretch;
        }
        Some(())
    }

    /// What disk and link take of a call of an operation (s) while a station rests so.
    pub(super) fn shared_at_rest_s(&self, position: usize, resting: &Resting) -> f64 {
        let spec = &self.plan.graph.operations[position];
        let held = &self.plan.graph.stations[self.plan.operations[position].station];
        let mut took_s = 0.0;
        if let (Some(disk), Some(io)) = (&held.disk, &spec.io) {
            let waits = costs_s(disk, io).into_iter().zip(&resting.shared.disk);
            took_s += waits.map(|(cost, it)| it.wait_s(cost, disk.burst_s)).fold(0.0, f64::max);
            took_s += disk.latency.mean();
        }
        if held.link.is_some() {
            took_s += spec.payload.as_f64() / MEGABYTE * resting.shared.per_megabyte_s;
        }
        took_s
    }

    /// What disk and link take of a call of an operation, on average (s).
    pub(super) fn shared_s(&self, position: usize) -> f64 {
        let spec = &self.plan.graph.operations[position];
        let station = self.plan.operations[position].station;
        let shared = &self.stations[station].shared;
        let held = &self.plan.graph.stations[station];
        let mut took_s = 0.0;
        if let (Some(disk), Some(io)) = (&held.disk, &spec.io)
            && !self.stations[station].open.is_empty()
        {
            let waits = costs_s(disk, io).into_iter().zip(&shared.disk);
            took_s += waits.map(|(cost, it)| it.wait_s(cost, disk.burst_s)).fold(0.0, f64::max);
            took_s += disk.latency.mean();
        }
        if held.link.is_some() {
            let megabytes = spec.payload.as_f64() / MEGABYTE;
            took_s += megabytes * (1.0 + shared.link.slowdown) / shared.link.speed.max(1e-9);
        }
        took_s
    }

    /// Adds what disk and link take to the times of the requests of a probe.
    pub(super) fn add_shared(&mut self, position: usize, took_s: &mut [f64; PROBES]) {
        let Self { plan, stations, strata, .. } = self;
        let spec = &plan.graph.operations[position];
        let station = plan.operations[position].station;
        let (held, shared) = (&plan.graph.stations[station], &stations[station].shared);
        if let (Some(disk), Some(io)) = (&held.disk, &spec.io)
            && !stations[station].open.is_empty()
        {
            let (wait, latency) = (strata.cover(), strata.cover());
            for (request, took_s) in took_s.iter_mut().enumerate() {
                let unit = strata.unit(wait, request);
                let waits = costs_s(disk, io).into_iter().zip(&shared.disk);
                let wait_s = waits.map(|(cost, it)| it.draw_s(strata, unit, (cost, disk.burst_s)));
                *took_s += wait_s.fold(0.0, f64::max);
                *took_s += strata.value(latency, request, &plan.operations[position].latency);
            }
        }
        if held.link.is_some() && spec.payload.as_f64() > 0.0 {
            let view = &shared.link;
            let alone_s = spec.payload.as_f64() / MEGABYTE / view.speed.max(1e-9);
            let cover = strata.cover();
            for (request, took_s) in took_s.iter_mut().enumerate() {
                let unit = strata.unit(cover, request);
                let some = view.shared.max(1e-9);
                let met = strata.delayed(unit, some, view.slowdown / some);
                *took_s += alone_s * (1.0 + view.slowdown + (met - view.slowdown) * view.random);
            }
        }
    }
}

/// The network's times, ready for probes.
#[derive(Debug)]
pub(super) struct Network {
    /// By where the ends of a call are: on one node, in one zone, in two, one outside.
    between: [Quantiles; 4],
    clients: Quantiles,
    /// Seconds that a byte of an answer travels.
    byte_s: f64,
}

impl Network {
    pub(super) fn new(spec: &NetworkSpec) -> Self {
        let table = |dist: &Option<Dist>| dist.as_ref().map_or(Quantiles::zero(), Quantiles::of);
        Self {
            between: [&spec.same_node, &spec.same_zone, &spec.cross_zone, &spec.outside].map(table),
            clients: table(&spec.clients),
            byte_s: spec.bytes_per_second.map_or(0.0, |rate| 1.0 / rate),
        }
    }
}

/// How likely the ends of a call are on one node, in one zone, in two, or one is outside.
pub(super) type Way = [f64; 4];

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// A client, outside the services.
    Client,
    /// A pod of a station.
    Station(usize),
}

impl Fluid {
    /// Looks anew where the pods of stations are that call each other.
    pub(super) fn find_ways(&mut self) {
        if !self.ways_changed || self.plan.network.is_none() {
            return;
        }
        self.ways_changed = false;
        let mut ways = BTreeMap::new();
        for caller in &self.plan.operations {
            for site in caller.steps.iter().flatten() {
                let pair = (caller.station, self.plan.operations[site.operation].station);
                ways.entry(pair).or_insert_with(|| self.way(pair.0, pair.1));
            }
        }
        self.ways = ways;
    }

    fn way(&self, from: usize, to: usize) -> Way {
        let (here, there) = (self.places(from), self.places(to));
        let pairs = here.pods * there.pods;
        if pairs <= 0.0 {
            return [0.0, 0.0, 0.0, 1.0];
        }
        let meet = |mine: f64, theirs: Option<&f64>| mine * theirs.copied().unwrap_or(0.0) / pairs;
        let node: f64 = here.nodes.iter().map(|(at, pods)| meet(*pods, there.nodes.get(at))).sum();
        let zone: f64 = here.zones.iter().map(|(at, pods)| meet(*pods, there.zones.get(at))).sum();
        [node, (zone - node).max(0.0), (1.0 - zone.max(node)).max(0.0), 0.0]
    }

    fn places(&self, station: usize) -> Places {
        let mut places = Places::default();
        for id in &self.stations[station].open {
            let Some(server) = self.servers[id.index()].as_ref() else { continue };
            places.pods += 1.0;
            if let Some(node) = server.place.machine {
                *places.nodes.entry(node).or_default() += 1.0;
            }
            *places.zones.entry(server.place.zone).or_default() += 1.0;
        }
        places
    }

    /// How long the answers of an operation are on their way, on average (s).
    pub(super) fn way_s(&self, asks: Asks, operation: usize) -> f64 {
        let Some(network) = &self.plan.network else { return 0.0 };
        let carried_s = self.plan.graph.operations[operation].payload.as_f64() * network.byte_s;
        carried_s
            + match asks {
                Asks::Client => network.clients.mean(),
                Asks::Station(from) => {
                    let way = self.ways.get(&(from, self.plan.operations[operation].station));
                    let kinds = way.into_iter().flatten().zip(&network.between);
                    kinds.map(|(likely, times)| likely * times.mean()).sum()
                }
            }
    }

    /// How long the answers to a client's calls are on their way in an iteration of a class (s).
    pub(super) fn ways_of_class_s(&self, class: crate::model::id::ClassId) -> f64 {
        use crate::service::fluid::plan::Step;
        let steps = self.plan.class(class).iter();
        steps
            .map(|step| match step {
                Step::Call { operation, .. } => self.way_s(Asks::Client, *operation),
                Step::Sleep(_) => 0.0,
            })
            .sum()
    }
}

/// How many pods are where.
#[derive(Debug, Default)]
struct Places {
    pods: f64,
    nodes: BTreeMap<NodeId, f64>,
    zones: BTreeMap<Option<u64>, f64>,
}

/// How long the answer to a request of a probe is on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Travel<'n> {
    network: Option<&'n Network>,
    way: Option<&'n Way>,
    carried_s: f64,
    covers: Option<[Cover; 2]>,
}

impl<'n> Travel<'n> {
    /// The ways of answers of so many bytes.
    pub(super) fn new(
        network: Option<&'n Network>,
        way: Option<&'n Way>,
        bytes: f64,
        strata: &mut Strata,
    ) -> Self {
        let carried_s = network.map_or(0.0, |network| bytes * network.byte_s);
        let covers = network.map(|_| [strata.cover(), strata.cover()]);
        Self { network, way, carried_s, covers }
    }

    /// That of one of them; `None` as a way is that of a client.
    pub(super) fn took_s(&self, strata: &Strata, request: usize) -> f64 {
        let (Some(network), Some([kind, value])) = (self.network, self.covers) else { return 0.0 };
        let times = match self.way {
            None => &network.clients,
            Some(way) => {
                let mut place = strata.unit(kind, request);
                let found = way.iter().position(|likely| {
                    place -= likely;
                    place < 0.0
                });
                &network.between[found.unwrap_or(3)]
            }
        };
        self.carried_s + strata.value(value, request, times)
    }
}
