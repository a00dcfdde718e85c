//! Servers come and go with their pods; what they use can be read off.

use crate::engine::EventQueue;
use crate::model::event::Event;
use crate::model::id::{CallId, OperationId, PodId, ServerId, StationId};
use crate::model::observer::{CallEnd, Observer};
use crate::model::record::TaskLosses;
use crate::service::call::Phase;
use crate::service::latency::Latencies;
use crate::service::machine::Place;
use crate::service::quota::Throttling;
use crate::service::runtime::{Ctx, Services, Work};
use crate::service::server::{Server, ServerState};
use crate::service::spec::{GpuWork, StationSpec};
use crate::units::convert::{count_u32, f64_from_i64};
use crate::units::time::{SimDuration, SimTime};

/// What the end of a process did to what was inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Requests that were cut.
    pub requests_cut: u32,
    /// Of a worker: its tasks.
    pub tasks: TaskLosses,
}

/// What a server has used and holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Core-seconds since it began, idle use included.
    pub cpu_core_s: f64,
    /// Memory held now (bytes).
    pub memory_bytes: f64,
    /// How much its limit has held it up; `None` where that is not known.
    pub throttling: Option<Throttling>,
}

impl Services {
    /// The process of a pod is up: it uses what an idle pod uses, and takes no requests yet.
    pub fn create_server(
        &mut self,
        now: SimTime,
        station: StationId,
        pod: PodId,
        place: impl Into<Place>,
        queue: &mut EventQueue<Event>,
    ) -> ServerId {
        let reused = self.free_servers.pop();
        let id = reused.map_or_else(|| ServerId::at(self.servers.len()), ServerId);
        self.open_pools(id, station);
        let spec = &self.graph.stations[station.index()];
        let place = place.into();
        let server = Box::new(Server::new(now, id, pod, (station, spec), &place, queue));
        if reused.is_some() {
            self.servers[id.index()] = Some(server);
        } else {
            self.servers.push(Some(server));
        }
        self.join_machine(now, id, &place, queue);
        id
    }

    /// Requests come in from now on.
    pub fn open_server<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) {
        let server = self.servers[id.index()].as_deref_mut().expect("a live server is opened");
        if server.state == ServerState::Open {
            return;
        }
        server.state = ServerState::Open;
        let open = &mut self.stations[server.station.index()].open;
        if !open.contains(&id) {
            open.push(id);
        }
        self.work.push(Work::Admit(id));
        self.run(ctx);
    }

    /// Requests come in although the process does not answer yet: they are refused.
    pub fn list_server(&mut self, id: ServerId) {
        let server = self.servers[id.index()].as_deref().expect("a live server is listed");
        let open = &mut self.stations[server.station.index()].open;
        if !open.contains(&id) {
            open.push(id);
        }
    }

    /// Whether requests come to a server.
    #[must_use]
    pub fn is_listed(&self, id: ServerId) -> bool {
        let server = self.servers[id.index()].as_deref();
        server.is_some_and(|server| self.stations[server.station.index()].open.contains(&id))
    }

    /// No new requests come in; those inside go on. Told as drained when nothing is left.
    pub fn drain_server<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) {
        let server = self.servers[id.index()].as_deref_mut().expect("a live server is drained");
        // A worker asks the broker until it is told to end; endpoints do not concern it.
        if server.tasks.is_some() {
            return;
        }
        server.state = ServerState::Draining;
        self.stations[server.station.index()].open.retain(|open| *open != id);
        self.work.push(Work::Admit(id));
        self.run(ctx);
    }

    /// SIGTERM: the process takes nothing new, and finishes what is inside. Requests that still come,
    /// because their senders do not know yet, are refused. Told as drained when nothing is left.
    pub fn terminate_server<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) {
        let server = self.servers[id.index()].as_deref_mut().expect("a live server is ended");
        server.state = ServerState::Draining;
        self.work.push(Work::Admit(id));
        self.run(ctx);
    }

    /// The machine stopped: whatever is inside stalls, and requests that still come are swallowed,
    /// until the server is destroyed.
    pub fn silence_server(&mut self, now: SimTime, id: ServerId, queue: &mut EventQueue<Event>) {
        let server = self.servers[id.index()].as_deref().expect("a live server stops");
        let takes_tasks = server.tasks.is_some();
        for call in self.calls_at(id) {
            let call = self.calls.get_mut(call.slot);
            // A task that waits inside is out, and will be delivered again.
            if call.phase != Phase::Queued || !takes_tasks {
                call.phase = Phase::Stalled;
            }
        }
        let server = self.servers[id.index()].as_deref_mut().expect("a live server stops");
        server.state = ServerState::Silent;
        server.stop(now, queue);
        self.wants_changed(now, id, queue);
    }

    /// Requests stay away from a server whatever its state: the news of its end arrived.
    pub fn withdraw_server(&mut self, id: ServerId) {
        let server = self.servers[id.index()].as_deref().expect("a live server is withdrawn");
        self.stations[server.station.index()].open.retain(|open| *open != id);
    }

    /// Requests stay away although the process works (readiness lost).
    pub fn close_server(&mut self, id: ServerId) {
        let server = self.servers[id.index()].as_deref_mut().expect("a live server is closed");
        if matches!(server.state, ServerState::Open | ServerState::Closed) {
            server.state = ServerState::Closed;
            self.stations[server.station.index()].open.retain(|open| *open != id);
        }
    }

    /// The process ends now. Requests inside are cut; tasks are lost, given back or delivered again
    /// later.
    pub fn destroy_server<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) -> Ended {
        let mut server = self.servers[id.index()].take().expect("a live server is destroyed");
        let station = server.station;
        self.stations[station.index()].open.retain(|open| *open != id);
        server.cpu.clear(ctx.now);
        self.leave_machine(ctx.now, &server, id, ctx.queue);
        server.release_timers(ctx.queue);
        self.close_pools(id);
        self.forget_pins(id);
        let inside = self.calls_at(id);
        let mut ended = Ended { requests_cut: 0, tasks: TaskLosses::default() };
        if let Some(tasks) = server.tasks.take() {
            ended.tasks = self.orphan_tasks(ctx.now, &server, &tasks, &inside);
        } else {
            self.work.extend(inside.iter().rev().map(|call| Work::End(*call, CallEnd::Cut)));
            ended.requests_cut = count_u32(inside.len());
        }
        self.run(ctx);
        for policy in &mut self.policies {
            policy.forget(id);
        }
        self.free_servers.push(id.0);
        ended
    }

    fn calls_at(&self, id: ServerId) -> Vec<CallId> {
        let slots = self.calls.all().iter().enumerate();
        let mut inside: Vec<(SimTime, CallId)> = slots
            .filter(|(_, call)| call.server == Some(id))
            .map(|(slot, call)| {
                let id = CallId { slot: count_u32(slot), generation: call.generation };
                (call.started, id)
            })
            .collect();
        inside.sort_unstable();
        inside.into_iter().map(|(_, call)| call).collect()
    }

    /// The cores a server may use now.
    #[must_use]
    pub fn cores(&self, id: ServerId) -> f64 {
        self.servers[id.index()].as_deref().map_or(0.0, |server| server.cpu.cores())
    }

    /// What a server has used and holds.
    pub fn usage(&mut self, now: SimTime, id: ServerId) -> Usage {
        let server = self.servers[id.index()].as_deref_mut().expect("a live server is measured");
        let spec = &self.graph.stations[server.station.index()];
        let age = now.since(server.began);
        let idle_core_s = spec.idle_cpu.as_cores() * age.as_secs_f64();
        Usage {
            cpu_core_s: server.cpu.busy_core_s(now) + idle_core_s,
            memory_bytes: memory_of(spec, age, server.holding()),
            throttling: Some(server.throttling(now)),
        }
    }

    /// The memory a server holds now (bytes).
    #[must_use]
    pub fn memory(&self, now: SimTime, id: ServerId) -> f64 {
        self.servers[id.index()].as_deref().map_or(0.0, |server| {
            let spec = &self.graph.stations[server.station.index()];
            memory_of(spec, now.since(server.began), server.holding())
        })
    }

    /// The most memory a server held since this was asked last (bytes).
    pub fn take_peak_memory(&mut self, now: SimTime, id: ServerId) -> f64 {
        let server = self.servers[id.index()].as_deref_mut().expect("a live server is measured");
        let now_held = server.holding();
        let most = std::mem::replace(&mut server.most_inside, now_held);
        let spec = &self.graph.stations[server.station.index()];
        memory_of(spec, now.since(server.began), most)
    }

    /// Requests that ended at a station since the run began.
    #[must_use]
    pub fn served(&self, station: StationId) -> u64 {
        self.stations[station.index()].served
    }

    /// How long a station's requests take is counted from now on.
    pub fn count_latencies(&mut self, station: StationId) {
        self.stations[station.index()].latencies = Some(Box::default());
    }

    /// How long a station's requests took, where that is counted.
    #[must_use]
    pub fn latencies(&self, station: StationId) -> Option<&Latencies> {
        self.stations[station.index()].latencies.as_deref()
    }

    /// Requests that ended at a server since it began.
    #[must_use]
    pub fn served_by(&self, id: ServerId) -> u64 {
        self.servers[id.index()].as_deref().map_or(0, |server| server.served)
    }

    /// Requests that wait at a server.
    #[must_use]
    pub fn waiting_at(&self, id: ServerId) -> u32 {
        self.servers[id.index()].as_deref().map_or(0, |server| count_u32(server.waiting()))
    }

    /// Requests inside a server.
    #[must_use]
    pub fn inside_server(&self, id: ServerId) -> u32 {
        self.servers[id.index()].as_deref().map_or(0, |server| server.inside)
    }

    /// Time a server's GPU has been busy; `None` without one.
    #[must_use]
    pub fn gpu_busy(&self, now: SimTime, id: ServerId) -> Option<SimDuration> {
        self.servers[id.index()].as_deref().and_then(|server| server.gpu_busy(now))
    }

    /// Requests inside a station.
    #[must_use]
    pub fn inside(&self, station: StationId) -> u32 {
        self.stations[station.index()].inside
    }

    /// Requests that wait at a station: in backlogs, for GPUs, on the broker's list.
    #[must_use]
    pub fn waiting(&self, of: StationId) -> u32 {
        let station = &self.stations[of.index()];
        let servers = station.open.iter().filter_map(|id| self.servers[id.index()].as_deref());
        let waiting = servers.map(Server::waiting).sum::<usize>() + station.broker.len();
        count_u32(waiting) + station.orphans + self.wait_for_connections(of)
    }

    /// Servers that take requests.
    #[must_use]
    pub fn open_servers(&self, station: StationId) -> u32 {
        count_u32(self.stations[station.index()].open.len())
    }

    /// Integral of the number inside a station until `now` (request-seconds), for Little's law.
    #[must_use]
    pub fn inside_area_s(&self, now: SimTime, station: StationId) -> f64 {
        self.stations[station.index()].inside_area_s(now)
    }

    /// Draws how long a call has the GPU alone.
    pub(super) fn draw_gpu_time(&mut self, operation: OperationId) -> SimDuration {
        let graph = std::sync::Arc::clone(&self.graph);
        match &graph.operations[operation.index()].gpu {
            Some(GpuWork::Time(time)) => time.sample_span(self.demand_stream(operation)),
            Some(GpuWork::Items(_)) | None => SimDuration::ZERO,
        }
    }
}

/// Memory of a process of that age with so many requests inside (bytes).
pub(super) fn memory_of(spec: &StationSpec, age: SimDuration, inside: u32) -> f64 {
    let per_request = spec.memory_per_request.as_f64() * f64::from(inside);
    let leak = spec.memory_leak_per_hour.as_f64() * age.as_hours_f64();
    f64_from_i64(spec.idle_memory.0) + per_request + leak
}
