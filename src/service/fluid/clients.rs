//! Clients of the fluid model: loads become calls, calls and pauses become iterations.

use crate::model::id::ClassId;
use crate::service::fluid::job_work::Work;
use crate::service::fluid::plan::{Plan, Step};
use crate::service::fluid::{Ends, Fate, Fluid, FluidLoad, Inflow, LoadTally, number, whole};
use crate::units::convert::round_u64;

/// The shortest iteration (s), as in the request model.
pub(super) const SHORTEST_S: f64 = 0.001;

/// All loads.
#[derive(Debug)]
pub(super) struct Clients {
    loads: Vec<Load>,
}

/// A load alive.
#[derive(Debug)]
struct Load {
    spec: FluidLoad,
    started: f64,
    ended: f64,
    dropped: f64,
    begun: f64,
    /// Iterations under way.
    inside: f64,
    /// Iterations begun in this tick.
    starting: f64,
    /// The same a second.
    rate: f64,
    /// Dropped ones that were not told yet.
    untold_dropped: f64,
    told: LoadTally,
    flows: Vec<ClassFlow>,
    /// Of the pod of a Job, which is no client.
    work: Option<Work>,
}

/// The iterations of one class of one load.
#[derive(Debug)]
pub(super) struct ClassFlow {
    pub(super) class: ClassId,
    pub(super) share: f64,
    inside: f64,
    /// Iterations in a pause.
    pausing: f64,
    pub(super) untold: f64,
    /// One for each step of the class; those of pauses stay empty.
    pub(super) cells: Vec<Cell>,
}

impl ClassFlow {
    /// Calls that wait for an answer.
    fn calling(&self) -> f64 {
        self.cells.iter().map(|cell| cell.inside + cell.stuck).sum()
    }
}

/// The calls of one step.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    inside: f64,
    /// At machines that do not answer.
    stuck: f64,
    pub(super) untold: Ends,
    /// Given up at the timeout because the machine does not answer.
    pub(super) stalled: f64,
}

impl Clients {
    pub(super) fn new(plan: &Plan, loads: Vec<FluidLoad>) -> Self {
        Self { loads: loads.into_iter().map(|load| Load::new(plan, load, None)).collect() }
    }

    /// The pod of a Job begins to work: as a load of its own, or as one whose work is long over.
    pub(super) fn begin_work(&mut self, plan: &Plan, spec: FluidLoad, work: Work) {
        let load = Load::new(plan, spec, Some(work));
        let over = |old: &&mut Load| {
            let idle = old.flows.iter().all(|flow| flow.calling() < 1e-6);
            idle && old.work.is_some_and(|work| work.inflow(0.0).users <= 0.0)
        };
        match self.loads.iter_mut().find(over) {
            Some(old) => *old = load,
            None => self.loads.push(load),
        }
    }

    pub(super) fn work(&self, load: usize) -> Option<&Work> {
        self.loads[load].work.as_ref()
    }

    pub(super) fn work_mut(&mut self, load: usize) -> Option<&mut Work> {
        self.loads[load].work.as_mut()
    }

    /// Calls of a pod's work that have ended, and how many of them badly.
    pub(super) fn progress(&self, load: usize) -> (f64, f64) {
        let load = &self.loads[load];
        let cells = load.flows.iter().flat_map(|flow| &flow.cells);
        let wrong = cells.map(|cell| {
            let Ends { refused, cut, failed, dropped, .. } = cell.untold;
            refused + cut + failed + dropped + cell.stalled
        });
        (load.ended, wrong.sum())
    }

    /// What a load does in a tick: as the run says, or as the work of a pod needs.
    pub(super) fn inflow(&self, load: usize, inflows: &[Inflow]) -> Inflow {
        let state = &self.loads[load];
        match &state.work {
            Some(work) => work.inflow(state.started),
            None => inflows.get(load).copied().unwrap_or_default(),
        }
    }
}

impl Load {
    fn new(plan: &Plan, spec: FluidLoad, work: Option<Work>) -> Self {
        let flow = |(class, share): &(ClassId, f64)| ClassFlow {
            class: *class,
            share: *share,
            inside: 0.0,
            pausing: 0.0,
            untold: 0.0,
            cells: vec![Cell::default(); plan.class(*class).len()],
        };
        Self {
            started: 0.0,
            ended: 0.0,
            dropped: 0.0,
            begun: 0.0,
            inside: 0.0,
            starting: 0.0,
            rate: 0.0,
            untold_dropped: 0.0,
            told: LoadTally::default(),
            flows: spec.shares.iter().map(flow).collect(),
            spec,
            work,
        }
    }
}

impl Clients {
    /// Iterations of a load that began in a second of the last tick.
    pub(super) fn rate(&self, load: usize) -> f64 {
        self.loads[load].rate
    }

    /// Whether virtual users loop in a load.
    pub(super) fn is_closed(&self, load: usize) -> bool {
        self.loads[load].spec.closed
    }

    /// The iterations of a load by class.
    pub(super) fn flows(&self, load: usize) -> &[ClassFlow] {
        &self.loads[load].flows
    }

    pub(super) fn loads(&self) -> usize {
        self.loads.len()
    }

    pub(super) fn begun(&self) -> u64 {
        let clients = self.loads.iter().filter(|load| load.work.is_none());
        let begun: f64 = clients.map(|load| load.begun).sum();
        round_u64(libm::floor(begun + 1e-6))
    }

    pub(super) fn inside(&self, load: usize) -> u64 {
        let LoadTally { started, ended, interrupted, dropped: _ } = self.load_tally(load);
        started - ended - interrupted
    }

    pub(super) fn busy(&self, load: usize) -> f64 {
        self.loads[load].inside
    }

    /// In whole iterations: what was told, and as many begun as that needs at least.
    pub(super) fn load_tally(&self, load: usize) -> LoadTally {
        let Load { told, started, .. } = &self.loads[load];
        let started = round_u64(libm::floor(*started + 1e-6));
        LoadTally { started: started.max(told.ended + told.interrupted), ..*told }
    }

    /// Takes what is to be told: each class flow of each load, with the load's number.
    pub(super) fn flows_mut(&mut self) -> impl Iterator<Item = (usize, &mut ClassFlow)> {
        self.loads
            .iter_mut()
            .enumerate()
            .filter(|(_, state)| state.work.is_none())
            .flat_map(|(load, state)| state.flows.iter_mut().map(move |flow| (load, flow)))
    }

    pub(super) fn tell_dropped(&mut self, load: usize) -> u64 {
        let state = &mut self.loads[load];
        let count = whole(&mut state.untold_dropped);
        state.told.dropped += count;
        count
    }

    pub(super) fn told_ended(&mut self, load: usize, count: u64) {
        self.loads[load].told.ended += count;
    }
}

impl Fluid {
    /// Iterations begin, and with them calls.
    pub(super) fn come(&mut self, inflows: &[Inflow], dt_s: f64) {
        let mut directly = vec![(0.0, 0.0); self.stations.len()];
        self.count_users(inflows);
        for load in 0..self.clients.loads.len() {
            let inflow = self.clients.inflow(load, inflows);
            let starting = if self.clients.loads[load].spec.closed {
                self.begin_loops(load, inflow.users, dt_s).min(inflow.left)
            } else {
                self.admit(load, inflow.arrivals, dt_s)
            };
            let Self { clients, operations, plan, .. } = self;
            let state = &mut clients.loads[load];
            (state.starting, state.rate) = (starting, starting / dt_s);
            state.started += starting;
            let ca2 = if state.spec.closed { 1.0 } else { state.spec.arrivals_ca2 };
            for flow in &state.flows {
                for step in plan.class(flow.class) {
                    if let Step::Call { operation, .. } = step {
                        let calls = starting * flow.share;
                        operations[*operation].incoming += calls;
                        state.begun += calls;
                        let (all, regular) = &mut directly[plan.operations[*operation].station];
                        *all += calls;
                        *regular += calls * ca2;
                    }
                }
            }
        }
        for (station, (all, weighted)) in self.stations.iter_mut().zip(directly) {
            station.arrivals_ca2 = if all > 0.0 { weighted / all } else { 1.0 };
        }
    }

    /// How many arrivals of an open load find a virtual user.
    fn admit(&mut self, load: usize, arrivals: f64, dt_s: f64) -> f64 {
        let long_s = self.iteration_s(load);
        let state = &mut self.clients.loads[load];
        let leaving = state.inside * dt_s / (dt_s + long_s);
        let most = (state.spec.max_users - state.inside + leaving).max(0.0)
            * if long_s > dt_s { 1.0 } else { dt_s / long_s };
        let taken = arrivals.min(most);
        state.dropped += arrivals - taken;
        state.untold_dropped += arrivals - taken;
        taken
    }

    /// How long an iteration of a load lasts, on average over its classes (s).
    fn iteration_s(&self, load: usize) -> f64 {
        let flows = self.clients.loads[load].flows.iter();
        flows.map(|flow| flow.share * self.class_s(flow.class)).sum::<f64>().max(SHORTEST_S)
    }

    fn class_s(&self, class: ClassId) -> f64 {
        let calls: f64 = self
            .plan
            .class(class)
            .iter()
            .map(|step| match step {
                Step::Call { operation, timeout_s } => self.call_s(*operation, *timeout_s),
                Step::Sleep(_) => 0.0,
            })
            .sum();
        (calls + self.away_s(class)).max(SHORTEST_S)
    }

    /// How long a client is in no service in an iteration of a class: in pauses, or while answers travel (s).
    pub(super) fn away_s(&self, class: ClassId) -> f64 {
        self.plan.pauses_s(class) + self.ways_of_class_s(class)
    }

    /// How long a client waits for an answer, whatever it is (s).
    fn call_s(&self, operation: usize, timeout_s: f64) -> f64 {
        let callee = &self.operations[operation];
        let Fate { refused, stalled, .. } = callee.fate;
        let answered = (1.0 - refused - stalled).max(0.0);
        answered * callee.response_s.min(timeout_s) + stalled * timeout_s.min(1e7)
    }

    /// Iterations that so many virtual users begin: as many as go round with everything at rest, and
    /// more or fewer while those who wait for answers are not as many as they will be then. So users are
    /// neither lost nor made while queues fill or cores come and go.
    fn begin_loops(&mut self, load: usize, users: f64, dt_s: f64) -> f64 {
        let rate = self.loop_rate(load, users);
        let (mut calling, mut paused_s, mut later_s) = (0.0, 0.0, 0.0);
        for flow in self.clients.flows(load) {
            calling += flow.calling();
            let pauses_s = self.away_s(flow.class);
            let steps = self.plan.class(flow.class).iter();
            let calls = steps.filter(|step| matches!(step, Step::Call { .. })).count();
            // Whoever has several calls to make is not at the last of them at once.
            let first = 1.0 / number(calls).max(1.0);
            paused_s += flow.share * pauses_s;
            later_s += flow.share * (self.class_s(flow.class) - pauses_s).max(0.0) * (1.0 - first);
        }
        let more = (users - calling - rate * paused_s) * dt_s / (dt_s + paused_s + later_s);
        (rate * dt_s + more).max(0.0)
    }

    /// Calls are answered and iterations end.
    pub(super) fn go(&mut self, dt_s: f64) {
        for load in 0..self.clients.loads.len() {
            for place in 0..self.clients.loads[load].flows.len() {
                let class = self.clients.loads[load].flows[place].class;
                let pauses_s = self.away_s(class);
                let state = &self.clients.loads[load];
                let calls = state.starting * state.flows[place].share;
                for step in 0..self.plan.class(class).len() {
                    self.answer(load, (place, step), calls, dt_s);
                }
                let state = &mut self.clients.loads[load];
                let flow = &mut state.flows[place];
                flow.pausing = (flow.pausing + calls) * pauses_s / (pauses_s + dt_s);
                let there = flow.inside + calls;
                flow.inside = there.min(flow.calling() + flow.pausing);
                let ended = there - flow.inside;
                flow.untold += ended;
                state.ended += ended;
            }
            let state = &mut self.clients.loads[load];
            state.inside = state.flows.iter().map(|flow| flow.inside).sum();
        }
    }

    /// The calls of a step of a class: as many begin as given, and of those that are there as many are
    /// answered as of all that wait for the operation, but nobody waits longer than the timeout.
    fn answer(&mut self, load: usize, (flow, step): (usize, usize), begun: f64, dt_s: f64) {
        let class = self.clients.loads[load].flows[flow].class;
        let Step::Call { operation, timeout_s } = &self.plan.class(class)[step] else { return };
        let callee = &self.operations[*operation];
        let fate = callee.fate;
        let given_up = if timeout_s.is_finite() { dt_s / (dt_s + timeout_s) } else { 0.0 };
        let leaving = if callee.response_s > *timeout_s {
            callee.leaving.max(given_up)
        } else {
            callee.leaving
        };
        let nothing_stuck = callee.stuck <= 0.0;
        let cell = &mut self.clients.loads[load].flows[flow].cells[step];
        let ends = &mut cell.untold;
        ends.refused += begun * fate.refused;
        cell.stuck += begun * fate.stalled;
        if nothing_stuck {
            ends.cut += std::mem::take(&mut cell.stuck);
        } else {
            cell.stalled += cell.stuck * given_up;
            cell.stuck *= 1.0 - given_up;
        }
        let there = cell.inside + begun * (1.0 - fate.refused - fate.stalled).max(0.0);
        let reached = there * leaving;
        cell.inside = there - reached;
        ends.cut += reached * fate.cut;
        ends.failed += reached * (1.0 - fate.cut) * fate.failed;
        ends.through += reached * (1.0 - fate.cut) * (1.0 - fate.failed);
    }
}
