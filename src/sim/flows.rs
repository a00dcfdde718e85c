//! The fluid model in a run: loads become rates, ticks come as often as things change.

use crate::engine::TimerId;
use crate::load::draft::Executor;
use crate::load::{LoadSpec, Spacing, VuChange, VuSchedule};
use crate::model::Event;
use crate::model::observer::Observer;
use crate::scenario::Scenario;
use crate::service::fluid::{FluidLoad, Inflow, LoadTally};
use crate::service::{Fluid, Model};
use crate::sim::Run;
use crate::units::convert::f64_from_u64;
use crate::units::{SimDuration, SimTime};

/// The first tick after a change of pods: a process that ends does so within it.
const SHORTEST: SimDuration = SimDuration::from_millis(20);
/// A tick is at most so many times as long as stated, when nothing changes.
const LONGEST: u64 = 10;
/// Responses that move less than this share in a tick are at rest.
const REST: f64 = 0.01;
/// When responses have moved by so much in all, what ended so far is told as it was.
const DRIFT: f64 = 0.25;

/// The loads of a fluid run, and its ticks.
pub(super) struct Flows {
    loads: Vec<LoadFlow>,
    timer: TimerId,
    tick: SimDuration,
    /// The length of the present tick.
    length: SimDuration,
    inflows: Vec<Inflow>,
    /// How far responses have moved since the last telling.
    drift: f64,
}

/// A load as a rate.
struct LoadFlow {
    spec: LoadSpec,
    begins: SimTime,
    /// The warm-up runs at the first rate.
    warmed: bool,
    /// The changes of a closed load that are to come.
    schedule: Option<VuSchedule>,
    looping: u32,
    /// Iterations of an executor that counts them.
    iterations: f64,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most executors have neither bound")]
impl LoadFlow {
    fn new(spec: &LoadSpec, measured_from: SimTime) -> Self {
        let schedule = VuSchedule::new(spec, measured_from);
        let users = schedule.as_ref().map_or(0.0, |schedule| f64::from(schedule.vus_max()));
        let iterations = match spec.executor() {
            Executor::SharedIterations { iterations, .. } => f64_from_u64(*iterations),
            Executor::PerVuIterations { iterations, .. } => f64_from_u64(*iterations) * users,
            _ => f64::INFINITY,
        };
        Self {
            spec: spec.clone(),
            begins: measured_from + spec.start_time(),
            warmed: spec.start_time().is_zero(),
            schedule,
            looping: 0,
            iterations,
        }
    }

    /// The same for the services.
    fn for_services(spec: &LoadSpec) -> FluidLoad {
        let max_users = match spec.executor() {
            Executor::ConstantArrivalRate { vus, .. }
            | Executor::RampingArrivalRate { vus, .. } => f64::from(vus.max),
            _ => f64::INFINITY,
        };
        FluidLoad {
            shares: spec.mix().shares().collect(),
            closed: spec.shape().is_none(),
            max_users,
            arrivals_ca2: match spec.spacing() {
                Spacing::Poisson => 1.0,
                Spacing::Uniform => 0.0,
                // For waiting the index of dispersion stands for the squared coefficient of variation.
                Spacing::Bursty(bursts) => bursts.index_of_dispersion,
            },
        }
    }

    /// What it does from one instant to a later one.
    fn between(&mut self, from: SimTime, to: SimTime, tally: LoadTally) -> Inflow {
        if let Some(schedule) = &mut self.schedule {
            while schedule.peek().is_some_and(|at| at <= to) {
                match schedule.next().map(|transition| transition.change) {
                    Some(VuChange::Start) => self.looping += 1,
                    Some(VuChange::Stop) => self.looping -= 1,
                    Some(VuChange::Cut) | None => {}
                }
            }
            let left = (self.iterations - f64_from_u64(tally.started)).max(0.0);
            return Inflow { users: f64::from(self.looping), left, ..Inflow::default() };
        }
        Inflow { arrivals: (self.arrived(to) - self.arrived(from)).max(0.0), ..Inflow::default() }
    }

    /// Iterations that arrived from the beginning of the warm-up to an instant.
    fn arrived(&self, at: SimTime) -> f64 {
        let Some(shape) = self.spec.shape() else { return 0.0 };
        let warm = self.begins.min(at).since(SimTime::ZERO).as_secs_f64();
        let before = if self.warmed { shape.rate_at(SimDuration::ZERO) * warm } else { 0.0 };
        if at <= self.begins { before } else { before + shape.integral(at.since(self.begins)) }
    }
}

impl Flows {
    pub(super) fn new(
        scenario: &Scenario,
        tick: SimDuration,
        measured_from: SimTime,
        timer: TimerId,
    ) -> Self {
        Self {
            loads: scenario.loads.iter().map(|spec| LoadFlow::new(spec, measured_from)).collect(),
            timer,
            tick,
            length: tick,
            inflows: Vec::new(),
            drift: 0.0,
        }
    }

    pub(super) fn loads_for_services(scenario: &Scenario) -> Vec<FluidLoad> {
        scenario.loads.iter().map(LoadFlow::for_services).collect()
    }

    /// Moves the services on to an instant.
    fn move_on(&mut self, now: SimTime, fluid: &mut Fluid) {
        let from = fluid.now();
        if now <= from {
            return;
        }
        self.inflows.clear();
        for (position, load) in self.loads.iter_mut().enumerate() {
            self.inflows.push(load.between(from, now, fluid.load_tally(position)));
        }
        fluid.advance(now, &self.inflows);
        self.drift += fluid.unrest();
    }
}

impl<O: Observer> Run<'_, O> {
    /// The first tick.
    pub(super) fn start_flows(&mut self) {
        if let Some(flows) = &self.flows {
            self.queue.arm(flows.timer, SimTime::ZERO + flows.tick, Event::Tick.rank());
        }
    }

    /// Before an event that reads or changes the services: they move on to its instant.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most events neither read nor change them")]
    pub(super) fn flow_until(&mut self, now: SimTime, event: Event) {
        let Self { flows: Some(flows), services: Model::Fluid(fluid), .. } = self else { return };
        let changes = match event {
            Event::Pod(..) | Event::Node(..) | Event::Disruption(..) | Event::Memory => true,
            Event::Scrape | Event::Sample | Event::WarmUpEnds | Event::Horizon => false,
            _ => return,
        };
        flows.move_on(now, fluid);
        // Whoever scales by latencies sees those of all that ended until the scrape.
        let scraped = matches!(event, Event::Scrape) && fluid.counts_latencies();
        let tells = matches!(event, Event::Sample | Event::WarmUpEnds | Event::Horizon) || scraped;
        if tells || (changes && flows.drift > DRIFT) {
            flows.drift = 0.0;
            fluid.tell(now, self.observer);
        }
        if changes && !matches!(event, Event::Memory) {
            flows.length = flows.tick.min(SHORTEST);
            self.queue.arm(flows.timer, now + flows.length, Event::Tick.rank());
        }
    }

    /// The services move on by a tick.
    pub(super) fn tick(&mut self, now: SimTime) {
        let Self { flows: Some(flows), services: Model::Fluid(fluid), .. } = self else { return };
        flows.move_on(now, fluid);
        if flows.drift > DRIFT {
            flows.drift = 0.0;
            fluid.tell(now, self.observer);
        }
        flows.length = if flows.length < flows.tick {
            (flows.length * 2).min(flows.tick)
        } else if fluid.unrest() < REST {
            (flows.length + flows.tick).min(flows.tick * LONGEST)
        } else {
            flows.tick
        };
        self.queue.arm(flows.timer, now + flows.length, Event::Tick.rank());
        self.hear_services(now);
    }
}
