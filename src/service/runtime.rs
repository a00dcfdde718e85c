//! The request model at work: every call from its start to its end, one transition at a time.
//!
//! A transition may set off others at the same instant (an answer lets the caller go on, a free
//! place lets the next one in). They are kept on a stack of work and done before the transition
//! returns, so that depth of calls is never depth of recursion. One call's way onward (begun,
//! routed, admitted, ended) is straight function calls: its length is fixed.

use std::sync::Arc;

use rand::RngExt;

use crate::engine::{EventQueue, Stream, Streams};
use crate::model::event::Event;
use crate::model::id::{CallId, ClientId, LoadId, OperationId, PodId, ServerId, StationId};
use crate::model::observer::{CallEnd, Observer};
use crate::service::call::{Arena, Awaits, Call, Caller, Client, Forsaken, Phase};
use crate::service::connections::{ClientPool, Connections, Held};
use crate::service::effort::{Effort, PolicyRun, Wanted};
use crate::service::front::Front;
use crate::service::graph::{Lowered, NO_LANE, NO_POLICY, Operation, Site, Step, lower};
use crate::service::job_work::{JobRun, WorkOver};
use crate::service::lane::TimeoutLane;
use crate::service::machine::Machines;
use crate::service::resources::{Link, hits};
use crate::service::server::{Server, ServerState};
use crate::service::spec::{CallMode, ServiceGraph};
use crate::service::station::Station;
use crate::units::convert::{count_u32, f64_from_u64, index};
use crate::units::time::{SimDuration, SimTime};

/// What the run loop lends a transition: the instant, the queue, and the ear of the observer.
pub struct Ctx<'a, O> {
    /// The instant.
    pub now: SimTime,
    /// Where what is due goes.
    pub queue: &'a mut EventQueue<Event>,
    /// Who is told.
    pub observer: &'a mut O,
}

/// All stations, servers, calls and clients of a run.
#[derive(Debug)]
pub struct Services {
    pub(super) graph: Arc<ServiceGraph>,
    pub(super) stations: Vec<Station>,
    pub(super) operations: Vec<Operation>,
    pub(super) sites: Vec<Site>,
    pub(super) policies: Vec<PolicyRun>,
    pub(super) classes: Vec<Vec<Step>>,
    pub(super) servers: Vec<Option<Box<Server>>>,
    pub(super) free_servers: Vec<u32>,
    pub(super) calls: Arena<Call>,
    pub(super) clients: Arena<Client>,
    pub(super) efforts: Arena<Effort>,
    pub(super) lanes: Vec<TimeoutLane>,
    /// What stands before each station.
    pub(super) fronts: Vec<Option<Box<Front>>>,
    /// Connections that each station has given out.
    pub(super) connections: Vec<Connections>,
    /// Pools of all pods there ever were, and by server those of its pod.
    pub(super) pools: Vec<ClientPool>,
    pub(super) server_pools: Vec<Vec<u32>>,
    pub(super) sleep_stream: Stream,
    pub(super) work: Vec<Work>,
    pub(super) machines: Machines,
    /// The link of each station that has one.
    pub(super) links: Vec<Option<Box<Link>>>,
    pub(super) network_stream: Stream,
    /// Iterations that ended, for the loads to hear of.
    pub(super) ended: Vec<IterationEnd>,
    /// The lane of unacknowledged tasks of each station that has them.
    pub(super) visibility: Vec<u32>,
    /// Draining servers that have nothing inside any more.
    pub(super) drained: Vec<PodId>,
    /// Probes that were answered, and whether well.
    pub(super) probed: Vec<(CallId, bool)>,
    /// Pods of Jobs at work.
    pub(super) jobs: Vec<JobRun>,
    /// Those whose work is over, for their pods to hear of.
    pub(super) jobs_over: Vec<WorkOver>,
    /// Client calls begun and ended, by how.
    pub(super) tally: CallTally,
}

/// An iteration that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IterationEnd {
    /// Its load.
    pub load: LoadId,
    /// The virtual user that ran it.
    pub vu: u32,
}

/// Client calls so far: begun = ended in some way + interrupted + inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallTally {
    /// Begun.
    pub begun: u64,
    /// Ended, by [`CallEnd::number`].
    pub ends: [u64; CallEnd::ALL.len()],
    /// Thrown away by the client together with its iteration.
    pub interrupted: u64,
}

impl CallTally {
    /// Ended in whatever way.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ends.iter().sum::<u64>() + self.interrupted
    }

    /// Ended in one way.
    #[must_use]
    pub const fn of(&self, end: CallEnd) -> u64 {
        self.ends[end.number()]
    }

    /// Answered badly or not at all.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.ends.iter().sum::<u64>() - self.of(CallEnd::Completed)
    }
}

/// Something to be done within the present transition.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// A client goes on with its next step.
    Client(ClientId),
    /// The pod of a Job makes its next call.
    Job(u32),
    /// A call begins.
    Begin { operation: OperationId, caller: Caller, lane: u32, site: u32, repeats_left: u32 },
    /// A call goes on after a phase.
    Proceed(CallId),
    /// A call ends.
    End(CallId, CallEnd),
    /// A server has room for another request.
    Admit(ServerId),
    /// A call has a connection of its pool.
    Lend(StationId, CallId),
    /// A call has all connections it needs.
    Enter(StationId, CallId),
}

impl Services {
    /// Idle services without servers.
    pub fn new(
        graph: &Arc<ServiceGraph>,
        streams: &Streams,
        queue: &mut EventQueue<Event>,
    ) -> Self {
        let Lowered { operations, sites, classes, lanes, visibility } = lower(graph, streams);
        let station = |spec: &crate::service::spec::StationSpec| {
            Station::new(spec.routing, streams.of(&format!("routing/{}", spec.name)))
        };
        let stations = graph.stations.iter().map(station).collect();
        let policies = (0..graph.policies.len())
            .map(|number| PolicyRun::new(streams.of(&format!("policy/{number}"))))
            .collect();
        let lane =
            |(number, span): (usize, SimDuration)| TimeoutLane::new(span, count_u32(number), queue);
        let lanes = lanes.into_iter().enumerate().map(lane).collect();
        let links = graph.stations.iter().enumerate().map(|(at, spec)| {
            spec.link.map(|link| Box::new(Link::new(link, StationId::at(at), queue)))
        });
        let links = links.collect();
        Self {
            graph: Arc::clone(graph),
            stations,
            operations,
            sites,
            policies,
            classes,
            servers: Vec::new(),
            free_servers: Vec::new(),
            calls: Arena::new(),
            clients: Arena::new(),
            efforts: Arena::new(),
            lanes,
            fronts: Front::of(graph),
            connections: graph.stations.iter().map(|_| Connections::default()).collect(),
            machines: Machines::default(),
            links,
            network_stream: streams.of(Self::NETWORK_STREAM),
            pools: Vec::new(),
            server_pools: Vec::new(),
            sleep_stream: streams.of("clients/sleep"),
            work: Vec::new(),
            ended: Vec::new(),
            visibility,
            drained: Vec::new(),
            probed: Vec::new(),
            jobs: Vec::new(),
            jobs_over: Vec::new(),
            tally: CallTally::default(),
        }
    }

    /// The next CPU demand of a server is used up.
    pub fn cpu_done<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) {
        let server = self.servers[id.index()].as_deref_mut().expect("a live server's timer");
        while let Some(slot) = server.cpu.take_done(ctx.now) {
            let generation = self.calls.get(slot).generation;
            self.work.push(Work::Proceed(CallId { slot, generation }));
        }
        server.completing = true;
        let followed = server.is_followed();
        self.work.reverse();
        self.run(ctx);
        let server = self.servers[id.index()].as_deref_mut().expect("only pods' ends destroy it");
        server.completing = false;
        if followed {
            self.wants_changed(ctx.now, id, ctx.queue);
        }
        let server = self.servers[id.index()].as_deref_mut().expect("only pods' ends destroy it");
        server.arm_cpu(ctx.queue);
    }

    /// A pure delay is over. Late ones, of calls that ended meanwhile, do nothing.
    pub fn wait_done<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, call: CallId) {
        if self.is_live(call) {
            self.work.push(Work::Proceed(call));
            self.run(ctx);
        }
    }

    /// The oldest deadline of a lane has come.
    pub fn lane_expires<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, lane: u32) {
        if let Some(station) = self.visibility.iter().position(|of| *of == lane) {
            self.visibility_expires(ctx, StationId::at(station));
            return;
        }
        loop {
            let Self { lanes, calls, .. } = self;
            let awaited = |id: CallId| {
                let call = calls.get(id.slot);
                call.generation == id.generation && call.caller != Caller::Nobody
            };
            let lane = &mut lanes[index(lane)];
            let Some(late) = lane.expire(ctx.now, ctx.queue, awaited) else { return };
            self.give_up(ctx, late);
        }
    }

    /// Iterations that ended since the last call.
    pub fn take_ended(&mut self, into: &mut Vec<IterationEnd>) {
        into.append(&mut self.ended);
    }

    /// Draining servers that became empty since the last call.
    pub fn take_drained(&mut self, into: &mut Vec<PodId>) {
        into.append(&mut self.drained);
    }

    /// Pods of Jobs whose work was over since the last call.
    pub fn take_work_over(&mut self, into: &mut Vec<WorkOver>) {
        into.append(&mut self.jobs_over);
    }

    /// Whether anything waits in [`Services::take_ended`] or [`Services::take_drained`].
    #[must_use]
    pub fn has_news(&self) -> bool {
        let jobs = !self.jobs_over.is_empty();
        jobs || !self.ended.is_empty() || !self.drained.is_empty() || !self.probed.is_empty()
    }

    /// Client calls so far.
    #[must_use]
    pub fn tally(&self) -> CallTally {
        self.tally
    }

    pub(super) fn demand_stream(&mut self, operation: OperationId) -> &mut Stream {
        &mut self.operations[operation.index()].demand_stream
    }

    pub(super) fn is_live(&self, id: CallId) -> bool {
        self.calls.get(id.slot).generation == id.generation
    }

    /// What a station begins from now on takes `factor` times as long.
    pub fn slow_down(&mut self, station: StationId, factor: f64) {
        self.stations[station.index()].slow_down(factor);
    }

    /// A slowdown by `factor` is over, for what begins from now on.
    pub fn speed_up(&mut self, station: StationId, factor: f64) {
        self.stations[station.index()].speed_up(factor);
    }

    /// Does all work that is left to do at this instant.
    pub(super) fn run<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>) {
        while let Some(work) = self.work.pop() {
            match work {
                Work::Client(client) => self.client_steps(ctx, client),
                Work::Job(number) => self.next_of_job(ctx, number),
                Work::Begin { operation, caller, lane, site, repeats_left } => {
                    let policy = self.sites[index(site)].policy;
                    if policy == NO_POLICY {
                        self.begin(ctx, operation, caller, (lane, site, repeats_left));
                    } else {
                        let wanted = Wanted { operation, caller, lane, site, repeats_left, policy };
                        self.begin_effort(ctx, wanted);
                    }
                }
                Work::Proceed(call) => self.proceed(ctx, call),
                Work::End(call, end) => self.end(ctx, call, end),
                Work::Lend(station, call) => self.lend_then_enter(ctx, station, call),
                Work::Enter(station, call) => self.enter_late(ctx, station, call),
                Work::Admit(server) => self.admit_next(ctx.now, server, ctx.queue),
            }
        }
    }

    pub(super) fn begin<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        operation: OperationId,
        caller: Caller,
        (lane, site, repeats_left): (u32, u32, u32),
    ) {
        let deadline = match caller {
            Caller::Client(_) | Caller::Kubelet | Caller::Job(_) | Caller::Nobody => SimTime::MAX,
            Caller::Call(parent) => self.calls.get(parent.slot).deadline,
            Caller::Effort(effort) => self.efforts.get(effort.slot).deadline,
        };
        let slot = self.calls.insert(|old| Call {
            generation: old.map_or(0, |old| old.generation),
            operation,
            caller,
            server: None,
            phase: Phase::Queued,
            step: 0,
            pending: 0,
            repeats_left,
            site,
            failure: None,
            forsaken: Forsaken::No,
            counted: 0,
            held: Held::default(),
            held_for_calls: Held::default(),
            started: ctx.now,
            deadline,
        });
        let id = CallId { slot, generation: self.calls.get(slot).generation };
        if lane != NO_LANE {
            self.lanes[index(lane)].watch(ctx.now, id, ctx.queue);
        }
        match caller {
            Caller::Client(client) => self.clients.get_mut(client.slot).awaits = Awaits::Call(id),
            Caller::Effort(effort) => self.attempt_began(effort, id),
            Caller::Call(_) | Caller::Kubelet | Caller::Job(_) | Caller::Nobody => {}
        }
        let station = self.operations[operation.index()].station;
        self.stations[station.index()].count(ctx.now, true);
        self.arrive(ctx, station, id);
    }

    /// Hands a call to a server, or refuses it when there is none or its backlog is full.
    pub(super) fn route<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        station: StationId,
        id: CallId,
    ) {
        let pinned = self.pinned_server(ctx.now, station, id);
        let Self { stations, servers, .. } = self;
        let inside = |server: ServerId| servers[server.index()].as_ref().map_or(0, |s| s.inside);
        let Some(chosen) = pinned.or_else(|| stations[station.index()].route(inside)) else {
            self.end(ctx, id, CallEnd::Refused);
            return;
        };
        let server = servers[chosen.index()].as_deref_mut().expect("open servers exist");
        match server.state {
            ServerState::Open => {}
            ServerState::Silent => return self.swallow(chosen, id),
            ServerState::Closed | ServerState::Draining => {
                self.work.push(Work::End(id, CallEnd::Refused));
                return;
            }
        }
        let room = server.has_room();
        let gpu_busy = server.gpu.as_ref().is_some_and(|gpu| gpu.busy_since.is_some());
        let full = count_u32(server.waiting()) >= server.backlog_limit;
        if full && (!room || gpu_busy) {
            self.end(ctx, id, CallEnd::Refused);
            return;
        }
        server.enter();
        let call = self.calls.get_mut(id.slot);
        call.server = Some(chosen);
        if room {
            server.in_service += 1;
            call.phase = Phase::Admitted;
            self.proceed(ctx, id);
        } else {
            server.backlog.push_back(id);
        }
    }

    /// A request reaches a machine that does not answer: it stays there until someone gives up.
    fn swallow(&mut self, server: ServerId, id: CallId) {
        let silent = self.servers[server.index()].as_deref_mut().expect("open servers exist");
        silent.enter();
        let call = self.calls.get_mut(id.slot);
        call.server = Some(server);
        call.phase = Phase::Stalled;
    }

    /// Lets the next waiting request into service, if there is a place and one that still matters.
    fn admit_next(&mut self, now: SimTime, id: ServerId, queue: &mut EventQueue<Event>) {
        let Some(server) = self.servers[id.index()].as_deref_mut() else { return };
        if server.state == ServerState::Silent {
            return;
        }
        let station = server.station;
        if server.tasks.is_some() {
            self.work_on_tasks(now, id, queue);
            return;
        }
        if server.has_room()
            && let Some(call) = server.backlog.pop_front()
        {
            if self.is_pointless(now, station, call) {
                self.work.push(Work::End(call, CallEnd::TimedOut));
                return;
            }
            let shed_after = self.graph.stations[station.index()].shed_after;
            if shed_after.is_some_and(|most| now.since(self.calls.get(call.slot).started) > most) {
                self.work.push(Work::End(call, CallEnd::Refused));
                return;
            }
            let server = self.servers[id.index()].as_deref_mut().expect("it was there");
            server.in_service += 1;
            self.calls.get_mut(call.slot).phase = Phase::Admitted;
            self.work.push(Work::Proceed(call));
        } else if server.state == ServerState::Draining && server.is_idle() {
            self.drained.push(server.pod);
        }
    }

    /// Whether a call that waited needs no work any more: its caller gave up, and the station looks,
    /// or the deadline of its first caller is over.
    pub(super) fn is_pointless(&self, now: SimTime, station: StationId, id: CallId) -> bool {
        let call = self.calls.get(id.slot);
        let looks = !self.graph.stations[station.index()].works_on_abandoned;
        (looks && call.forsaken != Forsaken::No) || now >= call.deadline
    }

    /// Takes a call to its next phase: CPU, delay, GPU, own calls, end.
    pub(super) fn proceed<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: CallId) {
        let call = self.calls.get_mut(id.slot);
        debug_assert_eq!(call.generation, id.generation, "work is done at the instant it is due");
        if call.phase == Phase::Stalled {
            return;
        }
        if call.phase == Phase::Returning {
            let end = call.failure.unwrap_or(CallEnd::Completed);
            self.answer(ctx, id, end);
            return;
        }
        if call.phase == Phase::Held {
            let station = self.operations[call.operation.index()].station;
            self.connect_and_pass(ctx, station, id);
            return;
        }
        if call.caller == Caller::Kubelet {
            self.end(ctx, id, CallEnd::Completed);
            return;
        }
        let operation = &mut self.operations[call.operation.index()];
        if call.phase == Phase::Admitted {
            call.phase = Phase::OnCpu;
            if let Some(demand) = &operation.cpu {
                let slowdown = self.stations[operation.station.index()].slowdown;
                let demand_s = demand.sample(&mut operation.demand_stream) * slowdown;
                let id_of_server = call.server.expect("an admitted call has a server");
                let server = self.servers[id_of_server.index()].as_deref_mut();
                let server = server.expect("it is live");
                server.compute(ctx.now, demand_s, id.slot, ctx.queue);
                if server.is_followed() && !server.completing {
                    self.wants_changed(ctx.now, id_of_server, ctx.queue);
                }
                return;
            }
        }
        if matches!(call.phase, Phase::OnCpu | Phase::Queued) {
            call.phase = Phase::Delayed;
            if operation.wait.is_some() || operation.io.is_some() {
                let slowdown = self.stations[operation.station.index()].slowdown;
                let wait = operation.wait.as_ref();
                let wait = wait.map(|wait| wait.sample_span(&mut operation.demand_stream));
                let mut due = ctx.now + stretched(wait.unwrap_or_default(), slowdown);
                if operation.io.is_some() {
                    let call = *call;
                    due += self.disk_time(ctx.now, &call);
                }
                let event = Event::WaitDone(id);
                ctx.queue.schedule(due, event.rank(), event);
                return;
            }
        }
        if call.phase == Phase::Delayed && operation.linked {
            let operation = call.operation;
            if self.enter_link(ctx.now, id, operation, ctx.queue) {
                return;
            }
        }
        let call = self.calls.get_mut(id.slot);
        let operation = &mut self.operations[call.operation.index()];
        if matches!(call.phase, Phase::Delayed | Phase::OnLink) {
            call.phase = Phase::OnGpu;
            if operation.gpu.is_some()
                && let Some(server) = call.server
            {
                self.enter_gpu(ctx, server, id);
                return;
            }
        }
        self.call_others(ctx, id);
    }

    /// Begins the next step of calls that has any, or ends.
    fn call_others<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: CallId) {
        loop {
            let call = self.calls.get_mut(id.slot);
            call.phase = Phase::Calling;
            if ctx.now >= call.deadline {
                self.end(ctx, id, CallEnd::TimedOut);
                return;
            }
            let operation = &mut self.operations[call.operation.index()];
            if let Some(cache) = operation.cache.filter(|_| call.step == 0) {
                let server = call.server.and_then(|id| self.servers[id.index()].as_deref());
                let served = server.map_or(f64::INFINITY, |server| f64_from_u64(server.served));
                if hits(cache.hits_after(served), &mut operation.branch_stream) {
                    self.end(ctx, id, CallEnd::Completed);
                    return;
                }
            }
            let Some((first, last)) = operation.steps.get(usize::from(call.step)).copied() else {
                self.end(ctx, id, CallEnd::Completed);
                return;
            };
            call.step += 1;
            // The stack turns the order round: the first call stated is the first to begin.
            for number in (first..last).rev() {
                let site = self.sites[index(number)];
                let taken = site.count > 0
                    && (site.probability >= 1.0
                        || operation.branch_stream.random::<f64>() < site.probability);
                if !taken {
                    continue;
                }
                // Nobody waits for a task, so that all are handed over at once.
                let (caller, times, repeats_left) = match site.mode {
                    CallMode::Wait => (Caller::Call(id), 1, site.count - 1),
                    CallMode::Enqueue => (Caller::Nobody, site.count, 0),
                };
                call.pending += u16::from(site.mode == CallMode::Wait);
                let Site { operation, lane, .. } = site;
                let begin = Work::Begin { operation, caller, lane, site: number, repeats_left };
                self.work.extend(std::iter::repeat_n(begin, index(times)));
            }
            if call.pending > 0 {
                return;
            }
        }
    }
}

/// A span times a slowdown; exactly itself without one.
pub(super) fn stretched(span: SimDuration, slowdown: f64) -> SimDuration {
    if slowdown.to_bits() == 1.0_f64.to_bits() {
        span
    } else {
        SimDuration::from_secs_f64(span.as_secs_f64() * slowdown)
    }
}
