//! Servers of the fluid model come and go with their pods; what they use can be read off.

use crate::model::id::{PodId, ServerId, StationId};
use crate::service::fluid::cores::Cores;
use crate::service::fluid::flow::cores_of;
use crate::service::fluid::{Fluid, Server, Station, count};
use crate::service::latency::Latencies;
use crate::service::machine::Place;
use crate::service::pods::{Usage, memory_of};
use crate::service::probe::{PROBE_CORE_S, ProbeAnswer};
use crate::service::server::ServerState;
use crate::service::spec::StationKind;
use crate::units::convert::{count_u32, round_u64};
use crate::units::{SimDuration, SimTime};

impl Fluid {
    /// The process of a pod is up: it uses what an idle pod uses, and takes no requests yet.
    pub fn create_server(
        &mut self,
        now: SimTime,
        station: StationId,
        pod: PodId,
        place: impl Into<Place>,
    ) -> ServerId {
        let place = place.into();
        let server = Server {
            station: station.index(),
            pod,
            state: ServerState::Closed,
            cores: place.cores(),
            // Until it shows what it needs, it may need all.
            used: place.cores(),
            held: false,
            crowd: 0.0,
            place,
            starting: 0.0,
            began: now,
            queued: 0.0,
            on_cpu: 0.0,
            at_gpu: 0.0,
            after: 0.0,
            stuck: 0.0,
            fresh: 0.0,
            in_rotation: false,
            served: 0.0,
            busy_core_s: 0.0,
            gpu_busy_s: 0.0,
            most_inside: 0.0,
            view: Default::default(),
            gpu: Default::default(),
        };
        let id = match self.free.pop() {
            Some(slot) => ServerId(slot),
            None => {
                self.servers.push(None);
                ServerId::at(self.servers.len() - 1)
            }
        };
        self.servers[id.index()] = Some(server);
        self.stations[station.index()].live.push(id);
        self.join_machine(id, &place);
        id
    }

    fn server_mut(&mut self, id: ServerId) -> &mut Server {
        self.servers[id.index()].as_mut().expect("a live server is told what becomes of it")
    }

    fn leave_rotation(&mut self, id: ServerId) {
        let server = self.server_mut(id);
        server.in_rotation = false;
        let station = server.station;
        self.stations[station].open.retain(|open| *open != id);
        self.ways_changed = true;
        self.respond();
    }

    /// Requests come in from now on.
    pub fn open_server(&mut self, id: ServerId) {
        let server = self.server_mut(id);
        if server.state == ServerState::Open {
            return;
        }
        server.state = ServerState::Open;
        server.in_rotation = true;
        let station = server.station;
        if !self.stations[station].open.contains(&id) {
            self.stations[station].open.push(id);
            self.ways_changed = true;
        }
        self.first_view(id);
        self.respond();
    }

    /// Requests come in although the process does not answer yet: they are refused.
    pub fn list_server(&mut self, id: ServerId) {
        let server = self.server_mut(id);
        server.in_rotation = true;
        let station = server.station;
        if !self.stations[station].open.contains(&id) {
            self.stations[station].open.push(id);
            self.ways_changed = true;
        }
        self.respond();
    }

    /// Whether requests come to a server.
    #[must_use]
    pub fn is_listed(&self, id: ServerId) -> bool {
        self.servers[id.index()].as_ref().is_some_and(|server| server.in_rotation)
    }

    /// No new requests come in; those inside go on. Told as drained when nothing is left.
    pub fn drain_server(&mut self, id: ServerId) {
        self.server_mut(id).state = ServerState::Draining;
        self.leave_rotation(id);
        self.find_drained();
    }

    /// SIGTERM: nothing new is taken, and what still comes is refused.
    pub fn terminate_server(&mut self, id: ServerId) {
        self.server_mut(id).state = ServerState::Draining;
        self.respond();
        self.find_drained();
    }

    /// The machine stopped: whatever is inside stalls, and requests that still come are swallowed.
    pub fn silence_server(&mut self, id: ServerId) {
        let server = self.server_mut(id);
        let inside = server.inside();
        let station = server.station;
        server.state = ServerState::Silent;
        (server.queued, server.at_gpu, server.after) = (0.0, 0.0, 0.0);
        (server.stuck, server.on_cpu) = (inside, 0.0);
        self.take_from(station, inside, |operation, calls| operation.stuck += calls);
        self.respond();
    }

    /// Requests stay away whatever its state: the news of its end arrived.
    pub fn withdraw_server(&mut self, id: ServerId) {
        self.leave_rotation(id);
    }

    /// Requests stay away although the process works (readiness lost).
    pub fn close_server(&mut self, id: ServerId) {
        let server = self.server_mut(id);
        if matches!(server.state, ServerState::Open | ServerState::Closed) {
            server.state = ServerState::Closed;
            self.leave_rotation(id);
        }
    }

    /// The process ends now. Whatever is inside is cut; late-acknowledged tasks go back to the
    /// broker's list. Returns how many requests were cut.
    pub fn destroy_server(&mut self, id: ServerId) -> u32 {
        let server = self.servers[id.index()].take().expect("a live server is destroyed");
        self.free.push(id.0);
        self.leave_machine(id, &server);
        self.ways_changed = true;
        let station = server.station;
        self.stations[station].open.retain(|open| *open != id);
        self.stations[station].live.retain(|live| *live != id);
        let stuck: f64 = self.held_stuck(station);
        if server.stuck > 0.0 && stuck > 0.0 {
            let share = (server.stuck / stuck).min(1.0);
            for position in &self.plan.of_station[station] {
                let operation = &mut self.operations[*position];
                let calls = operation.stuck * share;
                operation.stuck -= calls;
                operation.cut_news += calls;
            }
        }
        let late_acks = matches!(
            &self.plan.graph.stations[station].kind,
            StationKind::Worker(worker) if worker.late_acks
        );
        let working = server.inside() - server.stuck;
        if late_acks {
            self.stations[station].broker += working;
            self.take_from(station, working, |operation, calls| operation.queued += calls);
        } else {
            self.take_from(station, working, |operation, calls| operation.cut_news += calls);
        }
        self.respond();
        count(server.inside())
    }

    fn held_stuck(&self, station: usize) -> f64 {
        self.plan.of_station[station].iter().map(|position| self.operations[*position].stuck).sum()
    }

    /// Takes so many calls out of what a station's servers hold, from each operation its share.
    fn take_from(&mut self, station: usize, calls: f64, give: impl Fn(&mut super::Operation, f64)) {
        let worker = matches!(self.plan.graph.stations[station].kind, StationKind::Worker(_));
        let positions = &self.plan.of_station[station];
        let held: f64 = positions.iter().map(|position| self.operations[*position].held()).sum();
        // What lies on a broker's list belongs to no server.
        let listed = if worker { self.stations[station].broker } else { 0.0 };
        let queued: f64 = positions.iter().map(|at| self.operations[*at].queued).sum();
        let working_share = if queued > 0.0 { (1.0 - listed / queued).max(0.0) } else { 1.0 };
        let working = held - queued * (1.0 - working_share);
        if working <= 0.0 {
            return;
        }
        let share = (calls / working).min(1.0);
        for position in positions {
            let operation = &mut self.operations[*position];
            let from_queue = operation.queued * working_share * share;
            let (at_gpu, after) = (operation.at_gpu * share, operation.after * share);
            operation.queued -= from_queue;
            operation.at_gpu -= at_gpu;
            operation.after -= after;
            give(operation, from_queue + at_gpu + after);
        }
    }

    /// What a station does takes `factor` times as long from now on.
    pub fn slow_down(&mut self, station: StationId, factor: f64) {
        self.stations[station.index()].slowdowns.push(factor);
        self.respond();
    }

    /// A slowdown by `factor` is over.
    pub fn speed_up(&mut self, station: StationId, factor: f64) {
        let slowdowns = &mut self.stations[station.index()].slowdowns;
        if let Some(at) = slowdowns.iter().position(|it| it.to_bits() == factor.to_bits()) {
            slowdowns.remove(at);
        }
        self.respond();
    }

    /// Changes the cores a server may use.
    pub fn set_cores(&mut self, id: ServerId, cores: f64) {
        self.server_mut(id).cores = cores;
    }

    /// What a server has used and holds.
    #[must_use]
    pub fn usage(&self, now: SimTime, id: ServerId) -> Usage {
        let server = self.servers[id.index()].as_ref().expect("a live server is measured");
        let spec = &self.plan.graph.stations[server.station];
        let age = now.since(server.began);
        Usage {
            cpu_core_s: server.busy_core_s + spec.idle_cpu.as_cores() * age.as_secs_f64(),
            memory_bytes: memory_of(spec, age, count(server.inside())),
            throttling: None,
        }
    }

    /// The memory a server holds now (bytes).
    #[must_use]
    pub fn memory(&self, now: SimTime, id: ServerId) -> f64 {
        self.servers[id.index()].as_ref().map_or(0.0, |server| {
            let spec = &self.plan.graph.stations[server.station];
            memory_of(spec, now.since(server.began), count(server.inside()))
        })
    }

    /// The most memory a server held at any tick since this was asked last (bytes).
    pub fn take_peak_memory(&mut self, now: SimTime, id: ServerId) -> f64 {
        let server = self.servers[id.index()].as_mut().expect("a live server is measured");
        let inside = server.inside();
        let most = std::mem::replace(&mut server.most_inside, inside);
        let spec = &self.plan.graph.stations[server.station];
        memory_of(spec, now.since(server.began), count(most.max(inside)))
    }

    /// Requests inside a server.
    #[must_use]
    pub fn inside_server(&self, id: ServerId) -> u32 {
        self.servers[id.index()].as_ref().map_or(0, |server| count(server.inside()))
    }

    /// The cores a server may use now.
    #[must_use]
    pub fn cores(&self, id: ServerId) -> f64 {
        self.servers[id.index()].as_ref().map_or(0.0, |server| {
            cores_of(&self.plan.graph.stations[server.station], server.cores, 1.0).cores
        })
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

    /// Whether latencies of any station are counted.
    #[must_use]
    pub fn counts_latencies(&self) -> bool {
        self.stations.iter().any(|station| station.latencies.is_some())
    }

    /// Requests that ended at a station since the run began.
    #[must_use]
    pub fn served(&self, station: StationId) -> u64 {
        round_u64(self.stations[station.index()].served)
    }

    /// Requests that ended at a server since it began.
    #[must_use]
    pub fn served_by(&self, id: ServerId) -> u64 {
        self.servers[id.index()].as_ref().map_or(0, |server| round_u64(server.served))
    }

    /// Requests that wait at a server.
    #[must_use]
    pub fn waiting_at(&self, id: ServerId) -> u32 {
        self.servers[id.index()].as_ref().map_or(0, |server| count(server.waiting()))
    }

    /// Whether requests have to wait at a server, or share its CPU with so many others that a probe
    /// may not be answered in time.
    #[must_use]
    pub fn is_crowded(&self, id: ServerId) -> bool {
        self.servers[id.index()].as_ref().is_some_and(|server| {
            let spec = &self.plan.graph.stations[server.station];
            let cores = cores_of(spec, server.cores, 1.0);
            let shared = server.on_cpu * PROBE_CORE_S > cores.cores * 0.1;
            matches!(spec.kind, StationKind::Cpu(_)) && (!server.has_room(&cores) || shared)
        })
    }

    /// A kubelet's probe asks a server whose process is up. One that has to wait its turn is answered
    /// when the wait is shorter than the probe's timeout.
    #[must_use]
    pub fn probe(&self, id: ServerId, timeout: SimDuration) -> ProbeAnswer {
        let Some(server) = self.servers[id.index()].as_ref() else { return ProbeAnswer::Fails };
        let spec = &self.plan.graph.stations[server.station];
        if !matches!(spec.kind, StationKind::Cpu(_)) {
            return ProbeAnswer::Answers;
        }
        let cores = cores_of(spec, server.cores, 1.0);
        let wait_s = if server.has_room(&cores) {
            0.0
        } else if server.waiting() >= cores.backlog {
            f64::INFINITY
        } else {
            server.view.wait_s + server.view.backlog_s
        };
        let took_s = wait_s + PROBE_CORE_S * ((server.on_cpu + 1.0) / cores.cores).max(1.0);
        if server.state != ServerState::Silent && took_s <= timeout.as_secs_f64() {
            ProbeAnswer::Answers
        } else {
            ProbeAnswer::Fails
        }
    }

    /// Time a server's GPU has been busy; `None` without one.
    #[must_use]
    pub fn gpu_busy(&self, id: ServerId) -> Option<SimDuration> {
        let server = self.servers[id.index()].as_ref()?;
        let kind = &self.plan.graph.stations[server.station].kind;
        matches!(kind, StationKind::Gpu(_))
            .then(|| SimDuration::from_nanos(round_u64(server.gpu_busy_s * 1e9)))
    }

    /// Requests inside a station.
    #[must_use]
    pub fn inside(&self, station: StationId) -> u32 {
        count(self.stations[station.index()].inside)
    }

    /// Requests that wait at a station: in backlogs, for GPUs, on the broker's list.
    #[must_use]
    pub fn waiting(&self, station: StationId) -> u32 {
        let Station { open, broker, .. } = &self.stations[station.index()];
        let servers = open.iter().filter_map(|id| self.servers[id.index()].as_ref());
        count(servers.map(Server::waiting).sum::<f64>() + broker)
    }

    /// Servers that take requests.
    #[must_use]
    pub fn open_servers(&self, station: StationId) -> u32 {
        count_u32(self.stations[station.index()].open.len())
    }

    /// Integral of the number inside a station (request-seconds), for Little's law.
    #[must_use]
    pub fn inside_area_s(&self, station: StationId) -> f64 {
        self.stations[station.index()].inside_area_s
    }
}

impl Server {
    /// Requests that wait for a place or the GPU.
    fn waiting(&self) -> f64 {
        (self.queued - self.on_cpu).max(0.0) + self.gpu.waiting
    }

    /// Whether another request finds a place, as far as halves of one can say.
    fn has_room(&self, cores: &Cores) -> bool {
        self.queued + self.after < cores.places - 0.5
    }
}
