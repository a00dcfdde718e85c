//! Loads: arrivals and virtual users become iterations of clients.

use crate::engine::{Stream, Streams};
use crate::load::{Generator, LoadSpec, Mix, VuChange};
use crate::model::Event;
use crate::model::id::{ClientId, LoadId, ServerId};
use crate::model::observer::Observer;
use crate::service::IterationEnd;
use crate::sim::Run;
use crate::units::SimTime;
use crate::units::convert::{index, round_u64};

/// A load alive.
pub(super) struct LoadState {
    generator: Generator,
    mix: Mix,
    mix_stream: Stream,
    /// The iteration of each virtual user of a closed load.
    running: Vec<Option<ClientId>>,
    pub(super) started: u64,
    pub(super) ended: u64,
    pub(super) interrupted: u64,
    pub(super) dropped: u64,
}

impl LoadState {
    pub(super) fn new(spec: &LoadSpec, measured_from: SimTime, streams: &Streams) -> Self {
        let stream = streams.of(&format!("arrivals/{}", spec.name()));
        Self {
            generator: Generator::new(spec, measured_from, stream),
            mix: spec.mix().clone(),
            mix_stream: streams.of(&format!("mix/{}", spec.name())),
            running: Vec::new(),
            started: 0,
            ended: 0,
            interrupted: 0,
            dropped: 0,
        }
    }

    /// Virtual users that are busy.
    pub(super) fn busy(&self) -> u32 {
        match &self.generator {
            Generator::Open { pool, .. } => pool.busy(),
            Generator::Closed(pool) => pool.busy(),
        }
    }
}

/// Lends the services what a transition needs, from disjoint parts of a run.
macro_rules! ctx {
    ($run:expr, $now:expr) => {
        $crate::service::Ctx { now: $now, queue: &mut $run.queue, observer: &mut *$run.observer }
    };
}
pub(super) use ctx;

impl<O: Observer> Run<'_, O> {
    /// Schedules the first arrival or change of every load.
    pub(super) fn start_loads(&mut self) {
        for position in 0..self.loads.len() {
            let id = LoadId::at(position);
            self.schedule_next(id);
            let cut_at = self.measured_from + self.scenario.loads[position].cut_at();
            let open = matches!(self.loads[position].generator, Generator::Open { .. });
            if open && cut_at < self.horizon {
                let event = Event::VirtualUsers(id);
                self.queue.schedule(cut_at, event.rank(), event);
            }
        }
    }

    fn schedule_next(&mut self, id: LoadId) {
        let (at, event) = match &mut self.loads[id.index()].generator {
            Generator::Open { arrivals, .. } => (arrivals.next_arrival(), Event::Arrival(id)),
            Generator::Closed(pool) => (pool.next_transition(), Event::VirtualUsers(id)),
        };
        if let Some(at) = at
            && at <= self.horizon
        {
            self.queue.schedule(at, event.rank(), event);
        }
    }

    /// Virtual users that are in an iteration, over all loads.
    pub(super) fn busy_users(&self) -> u32 {
        match self.services.fluid() {
            None => self.loads.iter().map(LoadState::busy).sum(),
            Some(fluid) => {
                let busy = (0..self.scenario.loads.len()).map(|load| fluid.busy_users(load));
                count_from_f64(busy.sum())
            }
        }
    }

    /// An open load's arrival: a free virtual user takes it, or it is dropped.
    pub(super) fn arrival(&mut self, now: SimTime, id: LoadId) {
        let load = &mut self.loads[id.index()];
        let Generator::Open { pool, .. } = &mut load.generator else {
            unreachable!("only open loads have arrivals")
        };
        if pool.begin_iteration() {
            self.begin_iteration(now, id, 0);
        } else {
            load.dropped += 1;
            self.observer.iteration_dropped(now, id);
        }
        self.schedule_next(id);
    }

    /// An open load and its graceful stop are over: what is still under way is cut short, as k6 does.
    fn cut_open_load(&mut self, id: LoadId) {
        let interrupted = self.services.requests().interrupt_load(id);
        let load = &mut self.loads[id.index()];
        load.interrupted += u64::from(interrupted);
        if let Generator::Open { pool, .. } = &mut load.generator {
            for _ in 0..interrupted {
                pool.interrupt_iteration();
            }
        }
    }

    /// A closed load's virtual users change, or an open load is over.
    pub(super) fn virtual_users(&mut self, now: SimTime, id: LoadId) {
        if matches!(self.loads[id.index()].generator, Generator::Open { .. }) {
            self.cut_open_load(id);
            return;
        }
        loop {
            let load = &mut self.loads[id.index()];
            let Generator::Closed(pool) = &mut load.generator else {
                unreachable!("only closed loads have schedules of virtual users")
            };
            let Some(transition) = pool.advance(now) else { break };
            match transition.change {
                VuChange::Start => {
                    if pool.begin_iteration(transition.vu, now) {
                        self.begin_iteration(now, id, transition.vu);
                    }
                }
                VuChange::Stop => {}
                VuChange::Cut => self.cut_iteration(id, transition.vu),
            }
        }
        self.schedule_next(id);
    }

    fn begin_iteration(&mut self, now: SimTime, id: LoadId, vu: u32) {
        self.start_client(now, id, vu);
        self.hear_services(now);
    }

    fn start_client(&mut self, now: SimTime, id: LoadId, vu: u32) {
        let load = &mut self.loads[id.index()];
        load.started += 1;
        let class = load.mix.pick(&mut load.mix_stream);
        let client = self.services.requests().begin_iteration(&mut ctx!(self, now), id, class, vu);
        let load = &mut self.loads[id.index()];
        if matches!(load.generator, Generator::Closed(_)) {
            let position = index(vu);
            if load.running.len() <= position {
                load.running.resize(position + 1, None);
            }
            load.running[position] = Some(client);
        }
    }

    /// The load is over and its graceful stop too: the iteration is cut short, as k6 does.
    fn cut_iteration(&mut self, id: LoadId, vu: u32) {
        let load = &mut self.loads[id.index()];
        let running = load.running.get_mut(index(vu)).and_then(Option::take);
        if running.is_some_and(|client| self.services.requests().interrupt_client(client)) {
            load.interrupted += 1;
        }
    }

    /// Takes in what the services have to tell after a transition: iterations that ended let their
    /// virtual users go on; servers that drained let their pods end.
    pub(super) fn hear_services(&mut self, now: SimTime) {
        while self.services.has_news() {
            self.services.take_ended(&mut self.ended);
            let mut ended = std::mem::take(&mut self.ended);
            for end in ended.drain(..) {
                self.iteration_ended(now, end);
            }
            self.ended = ended;
            self.services.take_drained(&mut self.drained);
            let mut drained = std::mem::take(&mut self.drained);
            for pod in drained.drain(..) {
                self.pod_drained(now, pod);
            }
            self.drained = drained;
            self.hear_of_work(now);
            for (call, answered) in self.services.take_probed() {
                self.probe_answered(call, answered);
            }
        }
    }

    fn iteration_ended(&mut self, now: SimTime, end: IterationEnd) {
        let load = &mut self.loads[end.load.index()];
        load.ended += 1;
        let again = match &mut load.generator {
            Generator::Open { pool, .. } => {
                pool.end_iteration();
                false
            }
            Generator::Closed(pool) => {
                pool.end_iteration(end.vu);
                pool.begin_iteration(end.vu, now)
            }
        };
        if again {
            self.start_client(now, end.load, end.vu);
        }
    }

    /// The next CPU demand of a server is used up.
    pub(super) fn cpu_done(&mut self, now: SimTime, server: ServerId) {
        self.services.requests().cpu_done(&mut ctx!(self, now), server);
        self.hear_services(now);
    }
}

fn count_from_f64(number: f64) -> u32 {
    u32::try_from(round_u64(number.max(0.0))).unwrap_or(u32::MAX)
}
