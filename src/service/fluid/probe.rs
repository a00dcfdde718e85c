//! Probes: a few dozen requests that walk the call graph through the present state.
//!
//! Each operation has the same number of them; a caller's requests are paired with its callee's in a
//! random order, so that a callee is walked once however many call it. What fails for reasons that
//! are counted (refusals, cuts, machines that do not answer) is left to the counts; a probe knows
//! what takes too long.

use crate::service::fluid::cores::View;
use crate::service::fluid::gpu::GpuView;
use crate::service::fluid::plan::{GpuDemand, Operation, Plan, Site, Step};
use crate::service::fluid::quantiles::{Cover, PROBES, Strata};
use crate::service::fluid::resources::Travel;
use crate::service::fluid::{Fluid, Operation as State, number};
use crate::service::server::ServerState;
use crate::units::convert::index;

/// A utilisation from which on traffic is heavy.
const HEAVY: f64 = 0.9;
/// Services that a wait is made of at most.
const MOST_RESIDUALS: usize = 24;
/// Of a call that is repeated more often, so many are drawn and the rest is scaled.
const MOST_REPEATS: u32 = 12;

/// How long the requests of one operation take (s), and which of them fail because a call of theirs
/// took too long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    pub(super) took_s: [f64; PROBES],
    pub(super) late: [bool; PROBES],
    /// How long those take that fail because a call of theirs goes wrong (s).
    pub(super) failed_s: [f64; PROBES],
}

impl Walk {
    const fn new() -> Self {
        Self { took_s: [0.0; PROBES], late: [false; PROBES], failed_s: [0.0; PROBES] }
    }

    fn mean(&self, timeout_s: f64) -> f64 {
        self.took_s.iter().map(|took| took.min(timeout_s)).sum::<f64>() / number(PROBES)
    }
}

/// The walks of all operations.
#[derive(Debug)]
pub(super) struct Probes {
    pub(super) walks: Vec<Walk>,
    views: Vec<(View, GpuView)>,
    /// What keeps the GPUs of the station busy beside batches of its only model, each with the share of
    /// busy time up to and including its own.
    runs: Vec<(f64, Runs)>,
}

/// What keeps a GPU busy, and how long the batch of a request takes (s) between others than its own model's.
type Found<'a> = (&'a [(f64, Runs)], Option<f64>);

/// What a GPU is found busy with.
#[derive(Debug, Clone, Copy)]
enum Runs {
    /// A call of an operation that has the GPU alone.
    Alone(usize),
    /// A batch of one of several models, which takes so long (s).
    Batch(f64),
}

impl Probes {
    pub(super) fn new(operations: usize) -> Self {
        Self { walks: vec![Walk::new(); operations], views: Vec::new(), runs: Vec::new() }
    }
}

impl Fluid {
    /// Walks all operations anew, callees before callers.
    pub(super) fn walk_all(&mut self) {
        for place in (0..self.plan.order.len()).rev() {
            let position = self.plan.order[place];
            let idle = {
                let operation = &self.operations[position];
                operation.rate <= 0.0 && operation.held() <= 0.0
            };
            if !idle {
                let mut walk = std::mem::replace(&mut self.probes.walks[position], Walk::new());
                self.gather_views(self.plan.operations[position].station);
                self.walk(position, &mut walk);
                self.probes.walks[position] = walk;
            }
        }
    }

    fn gather_views(&mut self, station: usize) {
        let Self { probes, stations, servers, .. } = self;
        probes.views.clear();
        let open = stations[station].open.iter().filter_map(|id| servers[id.index()].as_ref());
        let answering = open.filter(|server| server.state != ServerState::Silent);
        probes.views.extend(answering.map(|server| (server.view, server.gpu)));
        self.gather_runs(station);
        let Self { probes, stations, .. } = self;
        let broker_s = stations[station].seen.wait_s;
        if probes.views.is_empty() {
            let speed = 1.0;
            let alone = View { speed, servers: 1.0, backlog_s: broker_s, ..View::default() };
            probes.views.push((alone, GpuView::default()));
        }
    }

    fn gather_runs(&mut self, station: usize) {
        let mut runs = std::mem::take(&mut self.probes.runs);
        runs.clear();
        let (_, view) = self.probes.views.first().copied().unwrap_or_default();
        let (mixed, slow) = (self.stations[station].seen.mixed, self.stations[station].slowdown());
        let (mut all, mut upto) = (0.0, 0.0);
        for position in &self.plan.of_station[station] {
            let rate = self.operations[*position].rate;
            match &self.plan.operations[*position].gpu {
                GpuDemand::None => {}
                GpuDemand::Items(_) if mixed => {
                    let (size, took_s) = self.own_batch(*position, view.size).unwrap_or((1.0, 0.0));
                    all += rate * took_s / size;
                    upto += rate * took_s / size;
                    runs.push((upto, Runs::Batch(took_s)));
                }
                GpuDemand::Items(_) => all += rate * view.batch_s / view.per_batch.max(1.0),
                GpuDemand::Time { time, .. } => {
                    all += rate * time.mean() * slow;
                    upto += rate * time.mean() * slow;
                    runs.push((upto, Runs::Alone(*position)));
                }
            }
        }
        self.probes.runs = runs;
        for (upto, _) in &mut self.probes.runs {
            *upto /= all.max(1e-300);
        }
    }

    fn walk(&mut self, position: usize, walk: &mut Walk) {
        // Between batches of other models, or requests that are alone, its own are as long as usual.
        let seen = &self.stations[self.plan.operations[position].station].seen;
        let mixed = seen.mixed || !self.probes.runs.is_empty();
        let own_batch_s =
            if mixed { self.own_batch(position, seen.batch_size).map(|it| it.1) } else { None };
        let Self { plan, probes, strata, stations, .. } = self;
        let operation = &plan.operations[position];
        let server = strata.cover();
        let count = probes.views.len();
        walk.late.fill(false);
        let covers = Own { wait: strata.cover(), cpu: strata.cover(), sharing: strata.cover() };
        let later = Later {
            delay: strata.cover(),
            queue: strata.cover(),
            gpu: strata.cover(),
            wait: strata.cover(),
            left: strata.cover(),
        };
        let slow = stations[operation.station].slowdown();
        let around = (&*probes.runs, own_batch_s);
        for request in 0..PROBES {
            let (view, gpu) = &probes.views[strata.partner(server, request) % count];
            let mut took_s = own_s((strata, slow), operation, view, &covers, request);
            took_s += strata.value(later.delay, request, &operation.wait) * slow;
            took_s += gpu_s((strata, plan, slow), operation, (gpu, around), &later, request);
            walk.took_s[request] = took_s;
        }
        self.add_shared(position, &mut walk.took_s);
        let Self { plan, probes, strata, operations, ways, .. } = self;
        let operation = &plan.operations[position];
        let state = &operations[position];
        let fails = state.fate.failed > 0.0;
        walk.failed_s = walk.took_s;
        let mut failing = [false; PROBES];
        let where_fails = strata.cover();
        for (place, step) in operation.steps.iter().enumerate() {
            let mut longest = [0.0_f64; PROBES];
            let mut late = [false; PROBES];
            for site in step.iter().filter(|site| site.waits) {
                let bytes = plan.graph.operations[site.operation].payload.as_f64();
                let way = ways.get(&(operation.station, plan.operations[site.operation].station));
                let network = plan.network.as_ref().filter(|_| way.is_some());
                let travel = Travel::new(network, way, bytes, strata);
                let callee = (&probes.walks[site.operation], travel);
                follow(strata, site, &callee, (&mut longest, &mut late));
            }
            if fails {
                for (request, failing) in failing.iter_mut().enumerate() {
                    if *failing {
                        continue;
                    }
                    *failing = strata.unit(where_fails, request) < state.failed_upto(place);
                    let partner = strata.partner(server, request);
                    walk.failed_s[request] += if *failing {
                        failing_s(step, operations, &probes.walks, partner)
                    } else {
                        longest[request]
                    };
                }
            }
            for request in 0..PROBES {
                if !walk.late[request] {
                    walk.took_s[request] += longest[request];
                    walk.late[request] = late[request];
                }
            }
        }
    }

    /// How long each of a probe's iterations of a class takes (s).
    pub(super) fn walk_class(&mut self, steps: &[Step]) -> [f64; PROBES] {
        let Self { plan, probes, strata, .. } = self;
        let mut took_s = [0.0; PROBES];
        for step in steps {
            let cover = strata.cover();
            let travel = travel_to_client(plan, step, strata);
            for (request, took_s) in took_s.iter_mut().enumerate() {
                *took_s += match step {
                    Step::Sleep(pause) => strata.value(cover, request, pause),
                    Step::Call { operation, timeout_s } => {
                        let walk = &probes.walks[*operation];
                        let partner = strata.partner(cover, request);
                        (walk.took_s[partner] + travel.took_s(strata, partner)).min(*timeout_s)
                    }
                };
            }
        }
        took_s
    }
}

/// Coverings of what a request does at its own station …
struct Own {
    wait: Cover,
    cpu: Cover,
    sharing: Cover,
}

/// … and behind it.
struct Later {
    delay: Cover,
    queue: Cover,
    gpu: Cover,
    wait: Cover,
    left: Cover,
}

/// The wait for a place, and the work on shared cores (s).
fn own_s(
    (strata, slow): (&Strata, f64),
    operation: &Operation,
    view: &View,
    covers: &Own,
    request: usize,
) -> f64 {
    let wait_s = if view.wait_s > 0.0 {
        let unit = strata.unit(covers.wait, request);
        strata.delayed(unit, view.waits, view.wait_s / view.waits.max(1e-9))
    } else {
        0.0
    };
    let usual = strata.value(covers.cpu, request, &operation.cpu);
    let work = usual * slow;
    let mut stretch = 1.0 + view.slowdown;
    if view.slowdown > 1e-9 {
        // A short job meets the others that are there; over a long one they average out, as the
        // variance of the response under processor sharing does (Coffman, Muntz, Trotter 1970).
        let unit = strata.unit(covers.sharing, request);
        let met = strata.delayed(unit, view.shared, view.slowdown / view.shared);
        let turns =
            view.servers * (1.0 - view.utilisation) * usual / operation.cpu.mean().max(1e-12);
        let kept = (1.0 + turns / 6.0) / (1.0 + turns / 2.0 + turns * turns / 12.0);
        stretch += (met - view.slowdown) * libm::sqrt(kept) * view.random;
    }
    view.backlog_s + wait_s + work * stretch / view.speed.max(1e-9)
}

/// The wait for the GPU, and the time on it (s).
fn gpu_s(
    (strata, plan, slow): (&Strata, &Plan, f64),
    operation: &Operation,
    (view, (runs, own_batch_s)): (&GpuView, Found<'_>),
    covers: &Later,
    request: usize,
) -> f64 {
    // Of what runs, when it is a batch: who waits for a long one has more company in the next.
    let ran_s = ran_s(strata, view, covers, request);
    let free = 1.0 - view.busy.clamp(0.0, 1.0);
    let unit = strata.unit(covers.queue, request);
    let own_s = match &operation.gpu {
        GpuDemand::None => return 0.0,
        GpuDemand::Items(_) if own_batch_s.is_some() => own_batch_s.unwrap_or(view.batch_s),
        GpuDemand::Items(_) if unit < free => view.batches.first_s,
        GpuDemand::Items(_) => view.batches.after_s(ran_s, view.size, view.batch_s),
        GpuDemand::Time { time, .. } => strata.value(covers.gpu, request, time) * slow,
    };
    if unit < free || view.wait_s <= 0.0 {
        return view.backlog_s + own_s;
    }
    // As long as the places reach; how long that is varies as the services do (uniformly, by the same
    // standard deviation).
    let about = 2.0 * strata.turned(covers.left, request, 0) - 1.0;
    let reach_s = view.longest_s * (1.0 + about * view.longest_spread);
    if view.again > HEAVY {
        // Under heavy traffic the sum below is exponential (Kingman 1962).
        let busy = 1.0 - free;
        let mean_s = if view.backlog_s > 0.0 { view.wait_s } else { view.free_wait_s };
        let wait_s = view.backlog_s + strata.delayed(unit, busy, mean_s / busy);
        return wait_s.min(reach_s) + own_s;
    }
    // Pollaczek and Khinchine: as many residuals of services as a geometric number says.
    let ratio = view.again.clamp(0.0, HEAVY);
    let mut place = ((unit - free) / (1.0 - free).max(1e-9)).clamp(0.0, 1.0);
    let usual = (1.0 - free) * residual_s(plan, view, runs) / (1.0 - ratio);
    let scale = view.free_wait_s / usual.max(1e-12);
    let left_of = |turn: usize| {
        let who = strata.turned(covers.wait, request, 2 * turn);
        let how_much = strata.turned(covers.left, request, 2 * turn + 1);
        match runs.iter().find(|(upto, _)| who < *upto) {
            Some((_, Runs::Batch(took_s))) => how_much * took_s,
            Some((_, Runs::Alone(position))) => match &plan.operations[*position].gpu {
                GpuDemand::Time { left, .. } => Strata::of_unit(left, how_much),
                GpuDemand::Items(_) | GpuDemand::None => 0.0,
            },
            None => how_much * ran_s,
        }
    };
    // Whoever would wait longer than the places reach was refused: draw again for another.
    for attempt in 0..3 {
        let (mut sum, mut number, mut reached) = (0.0, 0, 1.0 - ratio);
        loop {
            sum += left_of(number + attempt * MOST_RESIDUALS);
            number += 1;
            if place < reached || number >= MOST_RESIDUALS {
                break;
            }
            reached += (1.0 - reached) * (1.0 - ratio);
        }
        // The second time nearer to the beginning, where those are who were let in.
        place /= 2.0;
        if view.backlog_s + sum * scale <= reach_s {
            return view.backlog_s + sum * scale + own_s;
        }
    }
    reach_s + own_s
}

/// What is left of what runs on a GPU, on average (s).
fn residual_s(plan: &Plan, view: &GpuView, runs: &[(f64, Runs)]) -> f64 {
    let (mut upto, mut mean) = (0.0, 0.0);
    for (share, run) in runs {
        let left_s = match run {
            Runs::Batch(took_s) => took_s / 2.0,
            Runs::Alone(position) => match &plan.operations[*position].gpu {
                GpuDemand::Time { left, .. } => left.mean(),
                GpuDemand::Items(_) | GpuDemand::None => 0.0,
            },
        };
        mean += (share - upto) * left_s;
        upto = *share;
    }
    mean + (1.0 - upto) * view.batches.found_s(view.batch_s) / 2.0
}

/// How long the batch takes that a request finds running (s): its mean, and as much beside it as they
/// vary (uniformly, by the same standard deviation).
fn ran_s(strata: &Strata, view: &GpuView, covers: &Later, request: usize) -> f64 {
    let beside = 2.0 * strata.turned(covers.wait, request, 0) - 1.0;
    let spread = libm::sqrt(3.0 * view.batches.cs2) * view.batch_s;
    (view.batches.found_s(view.batch_s) + beside * spread).max(view.batches.first_s)
}

/// How long the answers to a step of a client are on their way.
pub(super) fn travel_to_client<'n>(plan: &'n Plan, step: &Step, strata: &mut Strata) -> Travel<'n> {
    let bytes = match step {
        Step::Call { operation, .. } => plan.graph.operations[*operation].payload.as_f64(),
        Step::Sleep(_) => 0.0,
    };
    Travel::new(plan.network.as_ref(), None, bytes, strata)
}

/// What a call site adds to the longest of its step, and whom it makes fail.
fn follow(
    strata: &mut Strata,
    site: &Site,
    (callee, travel): &(&Walk, Travel<'_>),
    (longest, late): (&mut [f64; PROBES], &mut [bool; PROBES]),
) {
    if site.count == 0 || site.probability <= 0.0 {
        return;
    }
    let taken = strata.cover();
    let drawn = site.count.min(MOST_REPEATS);
    let mut sums = [0.0; PROBES];
    let mut gone = [false; PROBES];
    for _ in 0..drawn {
        let pairs = strata.cover();
        for request in 0..PROBES {
            let partner = strata.partner(pairs, request);
            if !gone[request] {
                let took = callee.took_s[partner] + travel.took_s(strata, partner);
                sums[request] += took.min(site.timeout_s);
                gone[request] = took > site.timeout_s || callee.late[partner];
            }
        }
    }
    if site.count > drawn {
        // The rest of many: the mean grows with the number, the spread with its root.
        let (all, some) = (f64::from(site.count), f64::from(drawn));
        let mean = callee.mean(site.timeout_s);
        let root = libm::sqrt(all / some);
        for sum in &mut sums {
            *sum = (mean * all + (*sum - mean * some) * root).max(0.0);
        }
    }
    for request in 0..PROBES {
        let certain = site.probability >= 1.0;
        if certain || strata.unit(taken, request) < site.probability {
            longest[request] = longest[request].max(sums[request]);
            late[request] |= gone[request] && !site.goes_on;
        }
    }
}

/// How long a caller waits in the step in which a call goes wrong (s): for the call that does so most.
fn failing_s(step: &[Site], callees: &[State], walks: &[Walk], request: usize) -> f64 {
    let wrong = |site: &&Site| site.visits() * callees[site.operation].fate.wrong();
    let waited = step.iter().filter(|site| site.waits && !site.goes_on);
    let Some(site) = waited.max_by(|a, b| wrong(a).total_cmp(&wrong(b))) else { return 0.0 };
    let fate = callees[site.operation].fate;
    let walk = &walks[site.operation];
    let all = fate.wrong().max(1e-12);
    let inside = fate.failed * walk.failed_s[request].min(site.timeout_s)
        + fate.cut * walk.took_s[request].min(site.timeout_s) / 2.0;
    let stalled = if fate.stalled > 0.0 { fate.stalled * site.timeout_s.min(1e7) } else { 0.0 };
    (inside + stalled) / all
}

/// How many of `count` each request of a probe stands for: all alike, the rest at even distances from
/// an offset.
pub(super) fn stands_for(count: u64, offset: u64) -> impl Iterator<Item = (usize, u64)> {
    let probes = crate::units::convert::u64_from_usize(PROBES);
    let (each, rest) = (count / probes, count % probes);
    (0..probes).filter_map(move |request| {
        let turn = (request + offset) % probes;
        // `rest` of every PROBES turns, spread evenly.
        let extra = (turn + 1) * rest / probes - turn * rest / probes;
        let times = each + extra;
        let request = u32::try_from(request).map_or(0, index);
        (times > 0).then_some((request, times))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_is_stood_for_once() {
        for count in [0, 1, 63, 64, 65, 1_000] {
            for offset in [0, 17, 63] {
                let sum: u64 = stands_for(count, offset).map(|(_, times)| times).sum();
                assert_eq!(sum, count);
            }
        }
    }
}
