//! The seam between a run and the two models of its services: what pods' lives tell them, and what
//! controllers, samplers and reports ask.

use crate::model::id::{CallId, PodId, ServerId, StationId};
use crate::model::observer::Observer;
use crate::model::record::TaskLosses;
use crate::service::probe::ProbeAnswer;
use crate::service::spec::JobWork;
use crate::service::{
    CallTally, Ctx, Ended, Fluid, IterationEnd, Latencies, Place, PoolUse, Services, Usage,
    WorkOver,
};
use crate::units::{SimDuration, SimTime};

/// The services of a run, by either model. Each method is that of [`Services`] and of [`Fluid`].
#[derive(Debug)]
pub enum Model {
    /// Every request is an event.
    Requests(Box<Services>),
    /// Requests are rates.
    Fluid(Box<Fluid>),
}

impl Model {
    /// The request model: for events that only it makes.
    pub fn requests(&mut self) -> &mut Services {
        match self {
            Self::Requests(services) => services,
            Self::Fluid(_) => unreachable!("the fluid model has no event of a request"),
        }
    }

    /// The fluid model, if it is the one that runs.
    #[must_use]
    pub fn fluid(&self) -> Option<&Fluid> {
        match self {
            Self::Requests(_) => None,
            Self::Fluid(fluid) => Some(fluid),
        }
    }

    /// The process of a pod is up: it uses what an idle pod uses, and takes no requests yet.
    pub fn create_server<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        station: StationId,
        pod: PodId,
        place: Place,
    ) -> ServerId {
        match self {
            Self::Requests(services) => {
                services.create_server(ctx.now, station, pod, place, ctx.queue)
            }
            Self::Fluid(fluid) => fluid.create_server(ctx.now, station, pod, place),
        }
    }

    /// A process that comes up uses so many cores, beside what requests need; 0 when it is up.
    pub fn set_starting<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId, cores: f64) {
        match self {
            Self::Requests(services) => services.set_starting(ctx.now, id, cores, ctx.queue),
            Self::Fluid(fluid) => fluid.set_starting(id, cores),
        }
    }

    /// Cores that a server would get now if it wanted so many.
    #[must_use]
    pub fn cores_for(&self, place: &Place, wanted: f64) -> f64 {
        match self {
            Self::Requests(services) => services.cores_for(place, wanted),
            Self::Fluid(fluid) => fluid.cores_for(place, wanted),
        }
    }

    /// Cores that a server has while a full machine keeps it below what it may use; `None` elsewhere.
    #[must_use]
    pub fn held_cores(&self, id: ServerId) -> Option<f64> {
        match self {
            Self::Requests(services) => services.held_cores(id),
            Self::Fluid(fluid) => fluid.held_cores(id),
        }
    }

    /// Requests come in from now on.
    pub fn open_server<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) {
        match self {
            Self::Requests(services) => services.open_server(ctx, id),
            Self::Fluid(fluid) => fluid.open_server(id),
        }
    }

    /// No new requests come in; those inside go on.
    pub fn drain_server<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) {
        match self {
            Self::Requests(services) => services.drain_server(ctx, id),
            Self::Fluid(fluid) => fluid.drain_server(id),
        }
    }

    /// SIGTERM: what still comes is refused, what is inside goes on.
    pub fn terminate_server<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) {
        match self {
            Self::Requests(services) => services.terminate_server(ctx, id),
            Self::Fluid(fluid) => fluid.terminate_server(id),
        }
    }

    /// The machine stopped: nothing inside goes on, and what still comes is swallowed.
    pub fn silence_server<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) {
        match self {
            Self::Requests(services) => services.silence_server(ctx.now, id, ctx.queue),
            Self::Fluid(fluid) => fluid.silence_server(id),
        }
    }

    /// Requests stay away whatever its state.
    pub fn withdraw_server(&mut self, id: ServerId) {
        match self {
            Self::Requests(services) => services.withdraw_server(id),
            Self::Fluid(fluid) => fluid.withdraw_server(id),
        }
    }

    /// Requests stay away although the process works.
    pub fn close_server(&mut self, id: ServerId) {
        match self {
            Self::Requests(services) => services.close_server(id),
            Self::Fluid(fluid) => fluid.close_server(id),
        }
    }

    /// The process ends now. The fluid model tells no single task.
    pub fn destroy_server<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) -> Ended {
        match self {
            Self::Requests(services) => services.destroy_server(ctx, id),
            Self::Fluid(fluid) => {
                let requests_cut = fluid.destroy_server(id);
                Ended { requests_cut, tasks: TaskLosses::default() }
            }
        }
    }

    /// What a station begins from now on takes `factor` times as long.
    pub fn slow_down(&mut self, station: StationId, factor: f64) {
        match self {
            Self::Requests(services) => services.slow_down(station, factor),
            Self::Fluid(fluid) => fluid.slow_down(station, factor),
        }
    }

    /// A slowdown by `factor` is over.
    pub fn speed_up(&mut self, station: StationId, factor: f64) {
        match self {
            Self::Requests(services) => services.speed_up(station, factor),
            Self::Fluid(fluid) => fluid.speed_up(station, factor),
        }
    }

    /// Requests come in although the process does not answer yet: they are refused.
    pub fn list_server(&mut self, id: ServerId) {
        match self {
            Self::Requests(services) => services.list_server(id),
            Self::Fluid(fluid) => fluid.list_server(id),
        }
    }

    /// A kubelet's probe asks a server whose process is up.
    pub fn probe(&mut self, now: SimTime, id: ServerId, timeout: SimDuration) -> ProbeAnswer {
        match self {
            Self::Requests(services) => services.probe(now, id, timeout),
            Self::Fluid(fluid) => fluid.probe(id, timeout),
        }
    }

    /// A kubelet waits no longer for a probe's answer.
    pub fn forget_probe(&mut self, id: CallId) {
        self.requests().forget_probe(id);
    }

    /// Probes that were answered since the last call, and whether well; the fluid model answers at
    /// once.
    pub fn take_probed(&mut self) -> Vec<(CallId, bool)> {
        match self {
            Self::Requests(services) => services.take_probed(),
            Self::Fluid(_) => Vec::new(),
        }
    }

    /// Whether requests come to a server.
    #[must_use]
    pub fn is_listed(&self, id: ServerId) -> bool {
        match self {
            Self::Requests(services) => services.is_listed(id),
            Self::Fluid(fluid) => fluid.is_listed(id),
        }
    }

    /// Whether a probe may have to wait at a server.
    #[must_use]
    pub fn is_crowded(&self, id: ServerId) -> bool {
        match self {
            Self::Requests(services) => services.is_crowded(id),
            Self::Fluid(fluid) => fluid.is_crowded(id),
        }
    }

    /// Requests inside a server.
    #[must_use]
    pub fn inside_server(&self, id: ServerId) -> u32 {
        match self {
            Self::Requests(services) => services.inside_server(id),
            Self::Fluid(fluid) => fluid.inside_server(id),
        }
    }

    /// Requests that wait at a server.
    #[must_use]
    pub fn waiting_at(&self, id: ServerId) -> u32 {
        match self {
            Self::Requests(services) => services.waiting_at(id),
            Self::Fluid(fluid) => fluid.waiting_at(id),
        }
    }

    /// Requests that ended at a server since it began.
    #[must_use]
    pub fn served_by(&self, id: ServerId) -> u64 {
        match self {
            Self::Requests(services) => services.served_by(id),
            Self::Fluid(fluid) => fluid.served_by(id),
        }
    }

    /// How long a station's requests take is counted from now on.
    pub fn count_latencies(&mut self, station: StationId) {
        match self {
            Self::Requests(services) => services.count_latencies(station),
            Self::Fluid(fluid) => fluid.count_latencies(station),
        }
    }

    /// How long a station's requests took, where that is counted.
    #[must_use]
    pub fn latencies(&self, station: StationId) -> Option<&Latencies> {
        match self {
            Self::Requests(services) => services.latencies(station),
            Self::Fluid(fluid) => fluid.latencies(station),
        }
    }

    /// Requests that ended at a station since the run began.
    #[must_use]
    pub fn served(&self, station: StationId) -> u64 {
        match self {
            Self::Requests(services) => services.served(station),
            Self::Fluid(fluid) => fluid.served(station),
        }
    }

    /// The cores a server may use now.
    #[must_use]
    pub fn cores(&self, id: ServerId) -> f64 {
        match self {
            Self::Requests(services) => services.cores(id),
            Self::Fluid(fluid) => fluid.cores(id),
        }
    }

    /// What a server has used and holds.
    pub fn usage(&mut self, now: SimTime, id: ServerId) -> Usage {
        match self {
            Self::Requests(services) => services.usage(now, id),
            Self::Fluid(fluid) => fluid.usage(now, id),
        }
    }

    /// The memory a server holds now (bytes).
    #[must_use]
    pub fn memory(&self, now: SimTime, id: ServerId) -> f64 {
        match self {
            Self::Requests(services) => services.memory(now, id),
            Self::Fluid(fluid) => fluid.memory(now, id),
        }
    }

    /// The most memory a server held since this was asked last (bytes).
    pub fn take_peak_memory(&mut self, now: SimTime, id: ServerId) -> f64 {
        match self {
            Self::Requests(services) => services.take_peak_memory(now, id),
            Self::Fluid(fluid) => fluid.take_peak_memory(now, id),
        }
    }

    /// Time a server's GPU has been busy; `None` without one.
    #[must_use]
    pub fn gpu_busy(&self, now: SimTime, id: ServerId) -> Option<SimDuration> {
        match self {
            Self::Requests(services) => services.gpu_busy(now, id),
            Self::Fluid(fluid) => fluid.gpu_busy(id),
        }
    }

    /// The pools of connections of a server, as they are now.
    #[must_use]
    pub fn pools_of(&self, id: ServerId) -> Vec<PoolUse> {
        match self {
            Self::Requests(services) => services.pools_of(id),
            Self::Fluid(_) => Vec::new(),
        }
    }

    /// Requests inside a station.
    #[must_use]
    pub fn inside(&self, station: StationId) -> u32 {
        match self {
            Self::Requests(services) => services.inside(station),
            Self::Fluid(fluid) => fluid.inside(station),
        }
    }

    /// Requests that wait at a station.
    #[must_use]
    pub fn waiting(&self, station: StationId) -> u32 {
        match self {
            Self::Requests(services) => services.waiting(station),
            Self::Fluid(fluid) => fluid.waiting(station),
        }
    }

    /// Integral of the number inside a station until `now` (request-seconds).
    #[must_use]
    pub fn inside_area_s(&self, now: SimTime, station: StationId) -> f64 {
        match self {
            Self::Requests(services) => services.inside_area_s(now, station),
            Self::Fluid(fluid) => fluid.inside_area_s(station),
        }
    }

    /// Client calls so far.
    #[must_use]
    pub fn tally(&self) -> CallTally {
        match self {
            Self::Requests(services) => services.tally(),
            Self::Fluid(fluid) => fluid.tally(),
        }
    }

    /// Client iterations under way.
    #[must_use]
    pub fn clients_inside(&self) -> usize {
        match self {
            Self::Requests(services) => services.clients_inside(),
            Self::Fluid(fluid) => fluid.clients_inside(),
        }
    }

    /// Iterations that ended since the last call.
    pub fn take_ended(&mut self, into: &mut Vec<IterationEnd>) {
        match self {
            Self::Requests(services) => services.take_ended(into),
            Self::Fluid(fluid) => fluid.take_ended(into),
        }
    }

    /// Draining servers that became empty since the last call.
    pub fn take_drained(&mut self, into: &mut Vec<PodId>) {
        match self {
            Self::Requests(services) => services.take_drained(into),
            Self::Fluid(fluid) => fluid.take_drained(into),
        }
    }

    /// A pod of a Job begins to call.
    pub fn begin_work<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, pod: PodId, work: JobWork) {
        match self {
            Self::Requests(services) => services.begin_work(ctx, pod, work),
            Self::Fluid(fluid) => fluid.begin_work(pod, work),
        }
    }

    /// A pod of a Job makes no more calls.
    pub fn end_work(&mut self, pod: PodId) {
        match self {
            Self::Requests(services) => services.end_work(pod),
            Self::Fluid(fluid) => fluid.end_work(pod),
        }
    }

    /// Pods of Jobs whose work was over since the last call.
    pub fn take_work_over(&mut self, into: &mut Vec<WorkOver>) {
        match self {
            Self::Requests(services) => services.take_work_over(into),
            Self::Fluid(fluid) => fluid.take_work_over(into),
        }
    }

    /// Whether anything waits in the three.
    #[must_use]
    pub fn has_news(&self) -> bool {
        match self {
            Self::Requests(services) => services.has_news(),
            Self::Fluid(fluid) => fluid.has_news(),
        }
    }
}
