//! A small world around the request model: its event loop, Poisson arrivals, clients that start
//! anew, and builders of graphs. The services are the real ones; only who calls them is made up.

use std::sync::Arc;

use aurelius_sim::engine::{Dist, EventQueue, Stream, Streams, TimerId};
use aurelius_sim::model::event::Event;
use aurelius_sim::model::id::{ClassId, ClientId, LoadId, OperationId, PodId, ServerId, StationId};
use aurelius_sim::model::observer::{ClientCall, Observer, OperationEnd, Sample};
use aurelius_sim::model::record::Record;
use aurelius_sim::service::spec::{
    ClassSpec, ClientStep, CpuSpec, OperationSpec, StationKind, StationSpec,
};
use aurelius_sim::service::{Ctx, IterationEnd, Place, ServiceGraph, Services};
use aurelius_sim::units::{SimDuration, SimTime};

/// The load that every client of a test belongs to.
pub(crate) const LOAD: LoadId = LoadId(0);

/// Who listens to a world; hears nothing unless it says so.
pub(crate) trait Ear {
    fn call_ended(&mut self, _at: SimTime, _call: &ClientCall) {}
    fn operation_ended(&mut self, _at: SimTime, _of: OperationId, _ended: &OperationEnd) {}
}

/// An ear as an observer of a run that has requests only.
pub(crate) struct Listener<E>(pub(crate) E);

impl<E: Ear> Observer for Listener<E> {
    fn record(&mut self, _: SimTime, _: Record) {}
    fn call_ended(&mut self, at: SimTime, call: &ClientCall) {
        self.0.call_ended(at, call);
    }
    fn operation_ended(&mut self, at: SimTime, operation: OperationId, ended: &OperationEnd) {
        self.0.operation_ended(at, operation, ended);
    }
    fn iteration_ended(&mut self, _: SimTime, _: LoadId, _: ClassId, _: SimDuration) {}
    fn iteration_dropped(&mut self, _: SimTime, _: LoadId) {}
    fn sample(&mut self, _: SimTime, _: &Sample) {}
    fn warm_up_ended(&mut self, _: SimTime) {}
}

/// Services with an event loop.
pub(crate) struct World<E> {
    pub(crate) now: SimTime,
    pub(crate) queue: EventQueue<Event>,
    pub(crate) services: Services,
    pub(crate) ear: Listener<E>,
    streams: Streams,
    /// Begins another iteration whenever one ends, as a virtual user does.
    closed: bool,
    ended: Vec<IterationEnd>,
}

impl<E: Ear> World<E> {
    pub(crate) fn new(graph: ServiceGraph, seed: u64, ear: E) -> Self {
        let (mut queue, streams) = (EventQueue::new(), Streams::new(seed, 0));
        let services = Services::new(&Arc::new(graph), &streams, &mut queue);
        let (now, ear, ended) = (SimTime::ZERO, Listener(ear), Vec::new());
        Self { now, queue, services, ear, streams, closed: false, ended }
    }

    /// Does something with the services at the present instant.
    pub(crate) fn act<T>(
        &mut self,
        what: impl FnOnce(&mut Services, &mut Ctx<'_, Listener<E>>) -> T,
    ) -> T {
        let Self { now, queue, services, ear, .. } = self;
        what(services, &mut Ctx { now: *now, queue, observer: ear })
    }

    /// A pod that serves a station from now on.
    pub(crate) fn serve(&mut self, station: StationId, cores: impl Into<Place>) -> ServerId {
        self.act(|services, ctx| {
            let id = services.create_server(ctx.now, station, PodId(0), cores, ctx.queue);
            services.open_server(ctx, id);
            id
        })
    }

    /// A client begins an iteration now.
    pub(crate) fn begin(&mut self, class: ClassId) -> ClientId {
        self.act(|services, ctx| services.begin_iteration(ctx, LOAD, class, 0))
    }

    /// So many virtual users loop over a class from now on.
    pub(crate) fn populate(&mut self, class: ClassId, users: u32) {
        self.closed = true;
        for _ in 0..users {
            self.begin(class);
        }
    }

    /// Arrivals of a rate; their events come out of [`World::next`].
    pub(crate) fn poisson(&mut self, per_second: f64) -> Poisson {
        let gap = Dist::exponential(1.0 / per_second).expect("a rate above zero");
        let stream = self.streams.of("arrivals/test");
        let timer = self.queue.timer(Event::Arrival(LOAD));
        Poisson { gap, stream, timer }
    }

    /// Goes on until something is due that is not the services' own: hands it out.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other event is the caller's")]
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            let (now, event) = self.queue.pop()?;
            self.now = now;
            let Self { queue, services, ear, .. } = self;
            let mut ctx = Ctx { now, queue, observer: ear };
            match event {
                Event::CpuDone(server) => services.cpu_done(&mut ctx, server),
                Event::CfsPeriod(server) => services.cfs_period(&mut ctx, server),
                Event::LinkDone(station) => services.link_done(&mut ctx, station),
                Event::GpuDone(server) => services.gpu_done(&mut ctx, server),
                Event::GpuStart(server) => services.gpu_start(&mut ctx, server),
                Event::WaitDone(call) => services.wait_done(&mut ctx, call),
                Event::TimeoutLane(lane) => services.lane_expires(&mut ctx, lane),
                Event::ConnectTimeout(call) => services.connect_timed_out(&mut ctx, call),
                Event::Effort(effort, step) => services.effort_due(&mut ctx, effort, step),
                Event::ClientWakes(client) => services.client_wakes(&mut ctx, client),
                other => return Some(other),
            }
            if self.services.has_news() {
                self.begin_again();
            }
        }
    }

    fn begin_again(&mut self) {
        self.services.take_ended(&mut self.ended);
        self.services.take_drained(&mut Vec::new());
        while self.closed && self.ended.pop().is_some() {
            self.begin(ClassId(0));
        }
        self.ended.clear();
    }
}

/// Poisson arrivals.
pub(crate) struct Poisson {
    gap: Dist,
    stream: Stream,
    timer: TimerId,
}

impl Poisson {
    /// Arms the next arrival after the present instant.
    pub(crate) fn arm<E>(&mut self, world: &mut World<E>) {
        let at = world.now + self.gap.sample_span(&mut self.stream);
        world.queue.arm(self.timer, at, Event::Arrival(LOAD).rank());
    }
}

/// A station of a kind with unlimited waiting places.
pub(crate) fn station(name: &str, kind: StationKind) -> StationSpec {
    StationSpec::plain(name, kind)
}

/// CPU shared by at most so many requests, each on one core at most.
pub(crate) fn cpu(concurrency: Option<u32>) -> StationKind {
    StationKind::Cpu(CpuSpec {
        concurrency,
        threads_per_request: 1.0,
        max_cores: None,
        exact_quota: false,
    })
}

/// An operation with a CPU demand and nothing else.
pub(crate) fn operation(station: u32, name: &str, cpu: Option<Dist>) -> OperationSpec {
    OperationSpec { cpu, ..OperationSpec::plain(StationId(station), name) }
}

/// A client that takes these steps.
pub(crate) fn class(steps: Vec<ClientStep>) -> ClassSpec {
    ClassSpec { name: Arc::from("client"), steps }
}

/// A step that calls an operation.
pub(crate) fn call(operation: u32, timeout: Option<SimDuration>) -> ClientStep {
    let (operation, name) = (OperationId(operation), Arc::from("call"));
    ClientStep::Call { operation, timeout, name, policy: None }
}
