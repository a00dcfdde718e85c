//! One tick of time: calls go through their stations, callers before callees.

use crate::model::id::ServerId;
use crate::service::fluid::cores::{Cores, Demand, Stepped, View};
use crate::service::fluid::gpu::{Batched, GpuMix};
use crate::service::fluid::plan::GpuDemand;
use crate::service::fluid::queueing::seen_by;
use crate::service::fluid::resources::Asks;
use crate::service::fluid::{Fate, Fluid, Operation, Seen, Server, number};
use crate::service::server::ServerState;
use crate::service::spec::{GpuSpec, Routing, ServiceGraph, StationKind, StationSpec};

/// Longer than anyone waits (s): the response of what is never answered.
const NEVER_S: f64 = 1e7;
const NOTHING: f64 = 1e-12;

impl Operation {
    /// Calls that a station's servers or its broker hold.
    pub(super) fn held(&self) -> f64 {
        self.queued + self.at_gpu + self.after
    }
}

impl Fluid {
    /// Every station takes what came to it, and passes on.
    pub(super) fn move_stations(&mut self, dt_s: f64) {
        for position in 0..self.plan.stations.len() {
            let station = self.plan.stations[position];
            self.move_station(station, dt_s);
        }
    }

    fn move_station(&mut self, station: usize, dt_s: f64) {
        let graph = std::sync::Arc::clone(&self.plan.graph);
        let spec = &graph.stations[station];
        let came: f64 = self.of(station).map(|operation| operation.incoming).sum();
        for position in &self.plan.of_station[station] {
            let operation = &mut self.operations[*position];
            operation.rate = operation.incoming / dt_s;
        }
        let held = &mut self.stations[station];
        held.steady = if came > 0.0 { (held.came_steady / came).clamp(0.0, 1.0) } else { 0.0 };
        held.came_steady = 0.0;
        let inside_before = held.inside;
        let (passed, refused, dropped) = match &spec.kind {
            StationKind::Delay => (came, 0.0, 0.0),
            StationKind::Worker(_) => {
                for id in &self.stations[station].live {
                    let server = self.servers[id.index()].as_mut();
                    server.expect("a station's servers live").used = 0.0;
                }
                self.move_workers(station, spec, came, dt_s)
            }
            StationKind::Cpu(_) | StationKind::Gpu(_) => {
                self.move_servers(station, spec, came, dt_s)
            }
        };
        self.share_out(station, (came, refused, dropped, passed), dt_s);
        self.take_to_gpus(station, spec, dt_s);
        self.move_resources(station, dt_s);
        self.finish(station, dt_s);
        let inside: f64 =
            self.of(station).map(|operation| operation.held() + operation.stuck).sum();
        let held = &mut self.stations[station];
        held.inside = inside;
        held.inside_area_s += inside_before.midpoint(inside) * dt_s;
    }

    pub(super) fn of(&self, station: usize) -> impl Iterator<Item = &Operation> + '_ {
        self.plan.of_station[station].iter().map(|position| &self.operations[*position])
    }

    /// What the requests of a station ask, over what came and what is there.
    fn demand(&self, station: usize) -> Demand {
        let weights = self.plan.of_station[station].iter().map(|position| {
            let operation = &self.operations[*position];
            (*position, operation.incoming + operation.queued)
        });
        let (cpu_s, cpu_cs2) = self.plan.cpu_of(weights.clone());
        let (mut total, mut hold, mut patience_s) = (0.0, 0.0, f64::INFINITY);
        for (position, weight) in weights {
            total += weight;
            hold += weight * self.operations[position].hold_s;
            if weight > 0.0 {
                patience_s = patience_s.min(self.plan.operations[position].patience_s);
            }
        }
        let users = self.stations[station].users;
        Demand {
            cpu_s: cpu_s * self.stations[station].slowdown(),
            cpu_cs2,
            hold_s: if total > 0.0 { hold / total } else { 0.0 },
            arrivals_ca2: self.stations[station].arrivals_ca2,
            users,
            patience_s: if self.plan.graph.stations[station].works_on_abandoned {
                f64::INFINITY
            } else {
                patience_s
            },
        }
    }

    /// The pods of a CPU or GPU station, each with its share of what came.
    fn move_servers(
        &mut self,
        station: usize,
        spec: &StationSpec,
        came: f64,
        dt_s: f64,
    ) -> (f64, f64, f64) {
        let demand = self.demand(station);
        let live = std::mem::take(&mut self.stations[station].live);
        let open = &self.stations[station].open;
        let spread = number(open.len());
        let (mut passed, mut refused, mut dropped) = (0.0, 0.0, 0.0);
        if open.is_empty() {
            refused = came;
        }
        let graph = std::sync::Arc::clone(&self.plan.graph);
        let mix = gpu_of(spec).map(|gpu| (gpu, self.gpu_mix(&graph, station)));
        let backlog = spec.backlog.map_or(f64::INFINITY, f64::from);
        let levels = matches!(spec.routing, Routing::LeastRequests | Routing::PowerOfTwo);
        let mean = if levels { self.mean_queued(station) } else { 0.0 };
        let mut swallowed = 0.0;
        let mut last: Option<(Before, Stepped, View)> = None;
        for id in &live {
            let server = self.servers[id.index()].as_mut().expect("a station's servers live");
            let mut arrivals = if server.in_rotation { came / spread } else { 0.0 };
            match server.state {
                ServerState::Silent => {
                    server.stuck += arrivals;
                    server.used = 0.0;
                    swallowed += arrivals;
                    continue;
                }
                ServerState::Draining | ServerState::Closed => {
                    refused += arrivals;
                    arrivals = 0.0;
                }
                ServerState::Open if levels => {
                    // Whoever has less inside gets more until they are level.
                    server.queued += (mean - server.queued) * 0.5;
                }
                ServerState::Open => {}
            }
            if let Some((gpu, mix)) = &mix {
                server.gpu.full = mix.full(gpu, (backlog, server.gpu.waiting), arrivals, dt_s);
                let full = server.gpu.full * arrivals;
                refused += full;
                arrivals -= full;
            }
            let stepped = match &last {
                Some((twin, stepped, view)) if *twin == server.before(arrivals) => {
                    server.view = *view;
                    *stepped
                }
                Some(_) | None => {
                    let before = server.before(arrivals);
                    let crowd = server.crowd;
                    let cores = Cores { crowd, ..cores_of(spec, server.cores, spread) };
                    let (stepped, view) =
                        cores.advance(&demand, (server.queued, arrivals), dt_s, &server.view);
                    server.view = view;
                    last = Some((before, stepped, view));
                    stepped
                }
            };
            server.queued = stepped.inside;
            server.on_cpu = stepped.on_cpu;
            server.busy_core_s += stepped.passed * demand.cpu_s;
            server.used = stepped.passed * demand.cpu_s / dt_s;
            server.fresh = stepped.passed;
            passed += stepped.passed;
            refused += stepped.refused;
            dropped += stepped.dropped;
        }
        self.stations[station].live = live;
        self.swallow(station, swallowed);
        (passed, refused, dropped)
    }

    /// How many wait for a place or are on the CPU at a server that requests come to, on average.
    fn mean_queued(&self, station: usize) -> f64 {
        let open = &self.stations[station].open;
        let servers = open.iter().filter_map(|id| self.servers[id.index()].as_ref());
        servers.map(|server| server.queued).sum::<f64>() / number(open.len()).max(1.0)
    }

    /// Calls that came to a machine that does not answer.
    fn swallow(&mut self, station: usize, swallowed: f64) {
        let came: f64 = self.of(station).map(|operation| operation.incoming).sum();
        if swallowed <= 0.0 || came <= 0.0 {
            return;
        }
        let share = swallowed / came;
        for position in &self.plan.of_station[station] {
            let operation = &mut self.operations[*position];
            operation.stuck += operation.incoming * share;
            operation.incoming *= 1.0 - share;
        }
    }

    /// The workers of a broker's list, as one.
    fn move_workers(
        &mut self,
        station: usize,
        spec: &StationSpec,
        came: f64,
        dt_s: f64,
    ) -> (f64, f64, f64) {
        let demand = Demand { patience_s: f64::INFINITY, ..self.demand(station) };
        let open: Vec<ServerId> = self.stations[station]
            .open
            .iter()
            .copied()
            .filter(|id| self.servers[id.index()].as_ref().is_some_and(Server::is_open))
            .collect();
        let mut passed = self.move_leaving_workers(station, spec, &demand, dt_s);
        let pods = number(open.len());
        if open.is_empty() {
            self.stations[station].broker += came;
            return (passed, 0.0, 0.0);
        }
        let servers = || open.iter().filter_map(|id| self.servers[id.index()].as_ref());
        let working: f64 = servers().map(|server| server.queued).sum();
        let mean_cores = servers().map(|server| server.cores).sum::<f64>() / pods;
        let seen = servers().next().map_or_else(View::default, |server| server.view);
        let cores = Cores { pods, ..cores_of(spec, mean_cores, 1.0) };
        let before = (self.stations[station].broker + working, came);
        let (stepped, view) = cores.advance(&demand, before, dt_s, &seen);
        let each = stepped.on_cpu.min(stepped.inside) / pods;
        self.stations[station].broker = (stepped.inside - each * pods).max(0.0);
        for id in &open {
            let server = self.servers[id.index()].as_mut().expect("open servers exist");
            (server.queued, server.on_cpu) = (each, each);
            server.view = view;
            server.busy_core_s += stepped.passed * demand.cpu_s / pods;
            server.used = stepped.passed * demand.cpu_s / pods / dt_s;
            server.fresh = stepped.passed / pods;
        }
        passed += stepped.passed;
        (passed, 0.0, 0.0)
    }

    /// Workers that take no more tasks end those they have.
    fn move_leaving_workers(
        &mut self,
        station: usize,
        spec: &StationSpec,
        demand: &Demand,
        dt_s: f64,
    ) -> f64 {
        let mut passed = 0.0;
        for id in &self.stations[station].live {
            let server = self.servers[id.index()].as_mut().expect("a station's servers live");
            let leaves = matches!(server.state, ServerState::Draining | ServerState::Closed);
            if !leaves || server.queued <= 0.0 {
                continue;
            }
            let cores = cores_of(spec, server.cores, 1.0);
            let (stepped, view) = cores.advance(demand, (server.queued, 0.0), dt_s, &server.view);
            server.queued = stepped.inside;
            server.on_cpu = stepped.inside;
            server.view = view;
            server.busy_core_s += stepped.passed * demand.cpu_s;
            server.used = stepped.passed * demand.cpu_s / dt_s;
            server.fresh = stepped.passed;
            passed += stepped.passed;
        }
        passed
    }

    /// What went through the queues of a station, by operation: each by its share of what waited.
    fn share_out(
        &mut self,
        station: usize,
        (came, refused, dropped, passed): (f64, f64, f64, f64),
        dt_s: f64,
    ) {
        let lost = if came > 0.0 { (refused / came).min(1.0) } else { 0.0 };
        let total: f64 = self.of(station).map(|op| op.queued + op.incoming * (1.0 - lost)).sum();
        let gone = if total > NOTHING { (passed / total).min(1.0) } else { 0.0 };
        let late = if total > NOTHING { (dropped / total).min(1.0 - gone) } else { 0.0 };
        for place in 0..self.plan.of_station[station].len() {
            let position = self.plan.of_station[station][place];
            let operation = &mut self.operations[position];
            let turned_away = operation.incoming * lost;
            let waiting = operation.queued + operation.incoming - turned_away;
            let through = waiting * gone;
            operation.passing = through / dt_s;
            operation.untold.refused += turned_away;
            operation.thrown = waiting * late;
            operation.untold.dropped += operation.thrown;
            operation.queued = (waiting - through - waiting * late).max(0.0);
            operation.fate.refused = lost;
            operation.incoming = 0.0;
            let on_gpu = !matches!(self.plan.operations[position].gpu, GpuDemand::None);
            if on_gpu {
                operation.at_gpu += through;
            } else {
                operation.after += through;
            }
            if !on_gpu {
                self.call_others(position, through);
            }
        }
    }

    /// Calls that are through with their own station make calls of their own.
    fn call_others(&mut self, position: usize, calls: f64) {
        if calls <= 0.0 {
            return;
        }
        let caller = &self.stations[self.plan.operations[position].station];
        // With tasks on the list, a worker that ends one begins the next.
        let steady = caller.broker / (caller.broker + number(caller.open.len()).max(1.0));
        for (place, step) in self.plan.operations[position].steps.iter().enumerate() {
            let well = self.operations[position].well_before.get(place).copied().unwrap_or(1.0);
            for site in step {
                let made = calls * well * site.visits();
                self.operations[site.operation].incoming += made;
                let callee = &mut self.stations[self.plan.operations[site.operation].station];
                callee.came_steady += made * steady;
            }
        }
    }

    /// The GPUs of a station serve what has passed its CPUs.
    fn take_to_gpus(&mut self, station: usize, spec: &StationSpec, dt_s: f64) {
        let StationKind::Gpu(gpu) = &spec.kind else { return };
        let at_gpu: f64 = self.of(station).map(|operation| operation.at_gpu).sum();
        let graph = std::sync::Arc::clone(&self.plan.graph);
        let mix = self.gpu_mix(&graph, station);
        let live = std::mem::take(&mut self.stations[station].live);
        let servers = || live.iter().filter_map(|id| self.servers[id.index()].as_ref());
        let already: f64 = servers().map(|server| server.at_gpu).sum();
        let passed: f64 = servers().map(|server| server.fresh).sum();
        let share = if passed > 0.0 { ((at_gpu - already) / passed).clamp(0.0, 1.0) } else { 0.0 };
        let mut served = 0.0;
        for id in &live {
            let server = self.servers[id.index()].as_mut().expect("a station's servers live");
            if server.state == ServerState::Silent {
                continue;
            }
            let arrivals = server.fresh * share;
            server.fresh -= arrivals;
            let backlog = spec.backlog.map_or(f64::INFINITY, f64::from);
            let moved = (server.at_gpu, arrivals);
            let (left, passed, view) = mix.advance(gpu, backlog, moved, dt_s, &server.gpu);
            server.at_gpu = left;
            server.gpu = view;
            server.gpu_busy_s += view.busy * dt_s;
            server.fresh += passed;
            served += passed;
        }
        self.stations[station].live = live;
        let share = if at_gpu > NOTHING { (served / at_gpu).min(1.0) } else { 0.0 };
        for place in 0..self.plan.of_station[station].len() {
            let position = self.plan.of_station[station][place];
            let operation = &mut self.operations[position];
            let through = operation.at_gpu * share;
            operation.at_gpu -= through;
            operation.after += through;
            if !matches!(self.plan.operations[position].gpu, GpuDemand::None) {
                self.call_others(position, through);
            }
        }
    }

    /// The batch that a call of an operation is in when so many wait together: its calls, and how long it
    /// takes (s).
    pub(super) fn own_batch(&self, position: usize, waiting: f64) -> Option<(f64, f64)> {
        let graph = &self.plan.graph;
        let station = self.plan.operations[position].station;
        let max_batch = gpu_of(&graph.stations[station])?.max_batch;
        let at_gpu = |at: &&usize| !matches!(self.plan.operations[**at].gpu, GpuDemand::None);
        let rates = self.plan.of_station[station].iter().filter(at_gpu);
        let all: f64 = rates.map(|at| self.operations[*at].rate).sum();
        let share = if all > 0.0 { self.operations[position].rate / all } else { 1.0 };
        let (size, took_s) = self.batched(graph, position, share)?.batch(max_batch, waiting);
        Some((size, took_s * self.stations[station].slowdown()))
    }

    fn batched<'g>(&self, graph: &'g ServiceGraph, at: usize, share: f64) -> Option<Batched<'g>> {
        let GpuDemand::Items(each) = &self.plan.operations[at].gpu else { return None };
        let usual = &gpu_of(&graph.stations[self.plan.operations[at].station])?.latency;
        let latency = graph.operations[at].batch_latency.as_ref().unwrap_or(usual);
        Some(Batched { share, items: f64::from(*each), latency })
    }

    pub(super) fn gpu_mix<'g>(&self, graph: &'g ServiceGraph, station: usize) -> GpuMix<'g> {
        let routing = graph.stations[station].routing;
        let mut models = Vec::new();
        let (mut all, mut batched) = (0.0, 0.0);
        let (mut alone, mut first, mut second) = (0.0, 0.0, 0.0);
        let slow = self.stations[station].slowdown();
        let equal = if self.of(station).all(|o| o.at_gpu <= NOTHING) { 1.0 } else { 0.0 };
        for position in &self.plan.of_station[station] {
            let weight = self.operations[*position].at_gpu + equal;
            match &self.plan.operations[*position].gpu {
                GpuDemand::None => {}
                GpuDemand::Items(_) => {
                    all += weight;
                    batched += weight;
                    if weight > 0.0 {
                        models.extend(self.batched(graph, *position, weight));
                    }
                }
                GpuDemand::Time { time, .. } => {
                    all += weight;
                    alone += weight;
                    let mean_s = time.mean() * slow;
                    first += weight * mean_s;
                    second += weight * mean_s * mean_s * (1.0 + time.cv() * time.cv());
                }
            }
        }
        let spread = number(self.stations[station].open.len()).max(1.0);
        let alone_s = if alone > 0.0 { first / alone } else { 0.0 };
        for model in &mut models {
            model.share /= all;
        }
        let users = self.stations[station].users;
        GpuMix {
            seen: seen_by(users),
            slow,
            steady: self.stations[station].steady,
            pods: spread,
            models,
            batched: if all > 0.0 { batched / all } else { 0.0 },
            alone_s,
            alone_cs2: if alone_s > 0.0 {
                (second / alone / (alone_s * alone_s) - 1.0).max(0.0)
            } else {
                0.0
            },
            ca2: match routing {
                Routing::RoundRobin => 1.0 / spread,
                Routing::Random
                | Routing::Pinned
                | Routing::LeastRequests
                | Routing::PowerOfTwo => 1.0,
            },
        }
    }

    /// Delays and calls take their time; then calls end.
    fn finish(&mut self, station: usize, dt_s: f64) {
        let slow = self.stations[station].slowdown();
        let mut ended = 0.0;
        let mut before = 0.0;
        for position in &self.plan.of_station[station] {
            let operation = &mut self.operations[*position];
            before += operation.after;
            // A step taken backwards: exact at rest, never negative.
            let stay_s = operation.after_s(self.plan.operations[*position].wait.mean() * slow);
            let left = operation.after * stay_s / (stay_s + dt_s);
            let through = operation.after - left;
            operation.after = left;
            ended += through;
            let Fate { failed, .. } = operation.fate;
            operation.untold.failed += through * failed;
            operation.untold.through += through * (1.0 - failed);
            operation.untold.cut += operation.cut_news;
            let told = through + operation.cut_news;
            operation.fate.cut = if told > NOTHING { operation.cut_news / told } else { 0.0 };
            let gone = told + operation.thrown;
            let there = gone + operation.held();
            operation.leaving = if there > NOTHING { gone / there } else { 1.0 };
            (operation.cut_news, operation.thrown) = (0.0, 0.0);
        }
        self.stations[station].served += ended;
        let stays = if before > NOTHING { 1.0 - (ended / before).min(1.0) } else { 0.0 };
        for id in &self.stations[station].live {
            let server = self.servers[id.index()].as_mut().expect("a station's servers live");
            server.served += (server.after + server.fresh) * (1.0 - stays);
            server.after = ((server.after + server.fresh) * stays).max(0.0);
            server.fresh = 0.0;
            let inside = server.inside();
            server.most_inside = server.most_inside.max(inside);
        }
    }

    /// What a server that opens shows before anything came to it.
    pub(super) fn first_view(&mut self, id: ServerId) {
        let Some(station) = self.servers[id.index()].as_ref().map(|server| server.station) else {
            return;
        };
        let graph = std::sync::Arc::clone(&self.plan.graph);
        let spec = &graph.stations[station];
        let demand = self.demand(station);
        let mix = self.gpu_mix(&graph, station);
        let Some(server) = self.servers[id.index()].as_mut() else { return };
        let cores = cores_of(spec, server.cores, 1.0);
        (_, server.view) = cores.advance(&demand, (0.0, 0.0), 1.0, &View::default());
        if let StationKind::Gpu(gpu) = &spec.kind {
            (_, _, server.gpu) = mix.advance(gpu, f64::INFINITY, (0.0, 0.0), 1.0, &server.gpu);
        }
    }

    /// What arrivals meet now: means of responses, from callees to callers.
    pub(super) fn respond(&mut self) {
        self.stale = false;
        for station in 0..self.stations.len() {
            self.stations[station].seen = self.see(station);
        }
        self.find_ways();
        self.unrest = 0.0;
        for place in (0..self.plan.order.len()).rev() {
            let position = self.plan.order[place];
            self.respond_operation(position);
        }
    }

    fn see(&self, station: usize) -> Seen {
        let held = &self.stations[station];
        let has_gpus = matches!(self.plan.graph.stations[station].kind, StationKind::Gpu(_));
        let mut seen = Seen::default();
        let mut open = 0.0;
        let mut all = 0.0;
        for id in &held.open {
            let Some(server) = self.servers[id.index()].as_ref() else { continue };
            all += 1.0;
            if server.state == ServerState::Silent {
                seen.stalled += 1.0;
                continue;
            }
            open += 1.0;
            let view = &server.view;
            seen.wait_s += view.wait_s + view.backlog_s;
            seen.stretch += (1.0 + view.slowdown) / view.speed.max(1e-9);
            if has_gpus {
                seen.gpu_wait_s += server.gpu.wait_s + server.gpu.backlog_s;
                seen.batch_s += server.gpu.own_s;
                seen.batch_size += server.gpu.size;
            }
        }
        if open > 0.0 {
            seen.wait_s /= open;
            seen.stretch /= open;
            seen.gpu_wait_s /= open;
            seen.batch_s /= open;
            seen.batch_size /= open;
        } else {
            seen.stretch = 1.0;
        }
        seen.stalled = if all > 0.0 { seen.stalled / all } else { 0.0 };
        let models = self.plan.of_station[station]
            .iter()
            .filter(|at| matches!(self.plan.operations[**at].gpu, GpuDemand::Items(_)));
        seen.mixed = models.count() > 1;
        let worker = matches!(self.plan.graph.stations[station].kind, StationKind::Worker(_));
        if worker && open < 1.0 && held.broker > 0.0 {
            seen.wait_s = NEVER_S;
        }
        seen
    }

    fn respond_operation(&mut self, position: usize) {
        let planned = &self.plan.operations[position];
        let seen = self.stations[planned.station].seen;
        let slow = self.stations[planned.station].slowdown();
        let (mut calls_s, mut well) = (0.0, 1.0);
        let mut well_before = std::mem::take(&mut self.operations[position].well_before);
        well_before.clear();
        for step in &planned.steps {
            well_before.push(well);
            let (mut longest, mut step_well) = (0.0_f64, 1.0);
            for site in step.iter().filter(|site| site.waits && site.count > 0) {
                let callee = &self.operations[site.operation];
                let wrong = callee.fate.wrong();
                let way_s = self.way_s(Asks::Station(planned.station), site.operation);
                let served = (callee.response_s + way_s).min(site.timeout_s) * (1.0 - wrong);
                let each = served + callee.fate.stalled * site.timeout_s.min(NEVER_S);
                longest = longest.max(site.visits() * each);
                let bad = 1.0 - libm::pow(1.0 - wrong, f64::from(site.count));
                if !site.goes_on {
                    step_well *= 1.0 - site.probability.clamp(0.0, 1.0) * bad;
                }
            }
            calls_s += well * longest;
            well *= step_well;
        }
        let gpu_s = match &planned.gpu {
            GpuDemand::None => 0.0,
            GpuDemand::Items(_) => {
                let own = self.own_batch(position, seen.batch_size).filter(|_| seen.mixed);
                seen.gpu_wait_s + own.map_or(seen.batch_s, |(_, took_s)| took_s)
            }
            GpuDemand::Time { time, .. } => seen.gpu_wait_s + time.mean() * slow,
        };
        let shared_s = self.shared_s(position).min(NEVER_S);
        let hold_s = (planned.wait.mean() * slow + shared_s + gpu_s + calls_s).min(NEVER_S);
        let cpu_s = planned.cpu.mean() * slow * seen.stretch;
        let response_s = (seen.wait_s + cpu_s + hold_s).min(NEVER_S);
        let operation = &mut self.operations[position];
        let moved = (response_s - operation.response_s).abs();
        if moved > 1e-3 {
            self.unrest = self.unrest.max(moved / response_s.max(1e-3));
        }
        operation.well_before = well_before;
        operation.hold_s = hold_s;
        (operation.calls_s, operation.shared_s) = (calls_s, shared_s);
        operation.response_s = response_s;
        operation.fate.failed = (1.0 - well).max(0.0);
        operation.fate.stalled = seen.stalled;
        if self.stations[planned.station].open.is_empty()
            && matches!(
                self.plan.graph.stations[planned.station].kind,
                StationKind::Cpu(_) | StationKind::Gpu(_)
            )
        {
            operation.fate.refused = 1.0;
        }
    }
}

impl Operation {
    /// How long a call stays once CPU and GPU are done (s).
    fn after_s(&self, wait_s: f64) -> f64 {
        wait_s + self.shared_s + self.calls_s
    }
}

impl Server {
    fn is_open(&self) -> bool {
        self.state == ServerState::Open
    }

    /// All that a step of time knows of a server to which so many come: to those of whom it knows the same
    /// to the bit, it does the same.
    fn before(&self, arrivals: f64) -> Before {
        [self.queued, self.cores, self.crowd, arrivals].map(f64::to_bits)
    }
}

/// Requests inside and cores of a server, how crowded its machine is, and who comes, as bits.
type Before = [u64; 4];

/// The cores and places of a pod of a station.
pub(super) fn cores_of(spec: &StationSpec, cores: f64, spread: f64) -> Cores {
    let (places, threads, most) = match &spec.kind {
        StationKind::Cpu(cpu) => {
            (cpu.concurrency, cpu.threads_per_request, cpu.max_cores.unwrap_or(f64::INFINITY))
        }
        StationKind::Worker(worker) => (Some(worker.concurrency), 1.0, f64::INFINITY),
        StationKind::Gpu(_) | StationKind::Delay => (None, 1.0, f64::INFINITY),
    };
    let backlog = match &spec.kind {
        StationKind::Cpu(_) => spec.backlog.map_or(f64::INFINITY, f64::from),
        StationKind::Worker(_) | StationKind::Gpu(_) | StationKind::Delay => f64::INFINITY,
    };
    Cores {
        cores: cores.min(most),
        threads,
        places: places.map_or(f64::INFINITY, f64::from),
        backlog,
        crowd: 0.0,
        pods: 1.0,
        spread: spread.max(1.0),
        routing: spec.routing,
    }
}

/// The batch rules of a GPU station.
pub(super) fn gpu_of(spec: &StationSpec) -> Option<&GpuSpec> {
    match &spec.kind {
        StationKind::Gpu(gpu) => Some(gpu),
        StationKind::Cpu(_) | StationKind::Worker(_) | StationKind::Delay => None,
    }
}
