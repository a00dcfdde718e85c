//! One case simulated: a row of totals for each batch of time.

use std::io::Write;

use aurelius_sim::engine::{Dist, Stream, Streams};
use aurelius_sim::model::event::Event;
use aurelius_sim::model::id::{ClassId, ClientId, HpaId, OperationId, ServerId, StationId};
use aurelius_sim::model::observer::{CallEnd, ClientCall, OperationEnd};
use aurelius_sim::units::convert::index;
use aurelius_sim::units::{SimDuration, SimTime};

use super::case::Case;
use super::estimate::{Estimate, QUANTILES, Row};
use super::harness::{Ear, Poisson, World};

/// Batches thrown away: a hundred times what the queue remembers each.
const WARM_UP_BATCHES: usize = 10;

/// Patience of so many clients can be pending.
const PATIENT: u32 = 1 << 16;

/// Adds up what it hears of.
struct Meter {
    row: Row,
    last_step: u16,
    thresholds: [[f64; 3]; QUANTILES.len()],
    watches_responses: bool,
    /// Clients that left while they waited, whose places in the queue are not passed over yet.
    ghosts: u32,
    ghosts_since: SimTime,
}

impl Meter {
    fn ghosts_to(&mut self, now: SimTime, ghosts: u32) {
        self.row.ghost_area += now.since(self.ghosts_since).as_secs_f64() * f64::from(self.ghosts);
        (self.ghosts, self.ghosts_since) = (ghosts, now);
    }
}

impl Ear for Meter {
    fn call_ended(&mut self, _: SimTime, call: &ClientCall) {
        if call.end == CallEnd::Refused {
            self.row.refused += 1.0;
            return;
        }
        let took_s = call.took.as_secs_f64();
        self.row.took += took_s;
        self.row.completed += f64::from(u8::from(call.step == self.last_step));
        if self.watches_responses {
            for (counts, bounds) in self.row.below.iter_mut().zip(&self.thresholds) {
                for (count, bound) in counts.iter_mut().zip(bounds) {
                    *count += f64::from(u8::from(took_s <= *bound));
                }
            }
        }
    }

    fn operation_ended(&mut self, at: SimTime, _: OperationId, ended: &OperationEnd) {
        if ended.end == CallEnd::TimedOut {
            self.ghosts_to(at, self.ghosts - 1);
        }
    }
}

/// Clients that leave when they have waited too long.
struct Patience {
    span: Dist,
    stream: Stream,
    clients: Vec<ClientId>,
    next: u32,
}

pub(super) struct Run {
    world: World<Meter>,
    servers: Vec<ServerId>,
    cores: u32,
    arrivals: Option<Poisson>,
    patience: Option<Patience>,
    batch: SimDuration,
    requests_per_batch: f64,
    rows: Vec<Row>,
    /// Totals that the services keep, as they were when the batch began.
    before: Row,
}

impl Run {
    pub(super) fn new(case: &Case, seed: u64) -> Self {
        let thresholds = QUANTILES.map(|(figure, ..)| {
            let value = case.expect.get(figure).copied().unwrap_or(0.0);
            let half = Estimate::allowed_half_width(case, figure);
            [value * (1.0 - half), value, value * (1.0 + half)]
        });
        let meter = Meter {
            row: Row::default(),
            last_step: u16::try_from(case.graph().classes[0].steps.len() - 1).expect("few steps"),
            thresholds,
            watches_responses: case.expect.contains_key(QUANTILES[0].0),
            ghosts: 0,
            ghosts_since: SimTime::ZERO,
        };
        // Cases differ in their streams, so that none repeats another's luck.
        let number = case.name.bytes().fold(seed, |hash, byte| {
            hash.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(byte))
        });
        let mut world = World::new(case.graph(), number, meter);
        let stations = case.cores().into_iter().enumerate();
        let servers = stations.map(|(at, cores)| world.serve(StationId::at(at), cores)).collect();
        let patience = case.patience.as_ref().map(|law| Patience {
            span: law.dist(),
            stream: Streams::new(number, 0).of("patience"),
            clients: vec![ClientId { slot: 0, generation: u32::MAX }; index(PATIENT)],
            next: 0,
        });
        let idle = 1.0 - case.load().unwrap_or(0.7);
        let memory = (1.0 + case.service_scv()) / (idle * idle);
        let requests_per_batch = (100.0 * memory).max(2_000.0);
        let batch = SimDuration::from_secs_f64(requests_per_batch / case.requests_per_second());
        let cores = case.cores().iter().sum::<f64>().to_string().parse().expect("whole cores");
        let arrivals = case.arrival_rate.map(|rate| world.poisson(rate));
        let mut run = Self {
            world,
            servers,
            cores,
            arrivals,
            patience,
            batch,
            requests_per_batch,
            rows: Vec::new(),
            before: Row::default(),
        };
        run.start(case);
        run
    }

    fn start(&mut self, case: &Case) {
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.arm(&mut self.world);
        } else if let Some(clients) = case.clients() {
            self.world.populate(ClassId(0), clients);
        }
        self.sample_later();
        self.rows(WARM_UP_BATCHES);
        self.rows.clear();
    }

    pub(super) fn requests_per_batch(&self) -> f64 {
        self.requests_per_batch
    }

    /// The first so many batches.
    pub(super) fn rows(&mut self, count: usize) -> &[Row] {
        while self.rows.len() < count {
            let event = self.world.next().expect("a run goes on for ever");
            if let Event::Arrival(_) = event {
                self.arrive();
            } else if let Event::Hpa(HpaId(number)) = event {
                self.lose_patience(number);
            } else {
                assert_eq!(event, Event::Sample, "nothing else was scheduled");
                self.end_batch();
            }
        }
        &self.rows
    }

    fn arrive(&mut self) {
        let inside = self.world.services.inside(StationId(0)) - self.world.ear.0.ghosts;
        let meter = &mut self.world.ear.0.row;
        meter.arrivals += 1.0;
        meter.waited += f64::from(u8::from(inside >= self.cores));
        self.arrivals.as_mut().expect("it arrived").arm(&mut self.world);
        let client = self.world.begin(ClassId(0));
        let Some(patience) = &mut self.patience else { return };
        if self.world.services.client_queues(client) {
            let number = patience.next % PATIENT;
            patience.next = patience.next.wrapping_add(1);
            patience.clients[index(number)] = client;
            let leaves = self.world.now + patience.span.sample_span(&mut patience.stream);
            let event = Event::Hpa(HpaId(number));
            self.world.queue.schedule(leaves, event.rank(), event);
        }
    }

    fn lose_patience(&mut self, number: u32) {
        let patience = self.patience.as_ref().expect("somebody had patience");
        let client = patience.clients[index(number)];
        if self.world.services.client_queues(client) {
            assert!(self.world.services.interrupt_client(client), "a waiting client is inside");
            let (now, meter) = (self.world.now, &mut self.world.ear.0);
            meter.ghosts_to(now, meter.ghosts + 1);
            meter.row.abandoned += 1.0;
        }
    }

    fn end_batch(&mut self) {
        let World { now, services, ear, .. } = &mut self.world;
        let now = *now;
        ear.0.ghosts_to(now, ear.0.ghosts);
        let busy = self.servers.iter().map(|id| services.usage(now, *id).cpu_core_s).sum::<f64>();
        let area = services.inside_area_s(now, StationId(0));
        let mut row = std::mem::take(&mut ear.0.row);
        row.time = self.batch.as_secs_f64();
        row.busy = busy - self.before.busy;
        row.area = area - self.before.area;
        (self.before.busy, self.before.area) = (busy, area);
        self.rows.push(row);
        self.sample_later();
    }

    fn sample_later(&mut self) {
        let at = self.world.now + self.batch;
        self.world.queue.schedule(at, Event::Sample.rank(), Event::Sample);
    }

    /// Prints how wide the intervals are.
    pub(super) fn tell(&self, case: &Case, estimates: &[Estimate]) {
        let requests = self.requests_per_batch * super::estimate::count(self.rows.len());
        let mut text = format!("{} {}: {:.1} M requests", case.name, case.model, requests / 1e6);
        for (figure, estimate) in case.expect.keys().zip(estimates) {
            text += &format!("\n  {figure}: {estimate}");
        }
        text += "\n";
        std::io::stdout().lock().write_all(text.as_bytes()).expect("stdout takes text");
    }
}
