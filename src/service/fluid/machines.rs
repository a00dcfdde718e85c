//! Machines under the fluid model: servers that share one get cores by weight, as the request model does
//! it, looked at once in every tick.
//!
//! What a server meets on average is what the others leave: where two queues share one core, each sees
//! a core that is slower by the other's utilisation, and with it the waits of one queue that holds both
//! (exactly so for processor sharing, S / (1 − ρ1 − ρ2)). So each may use what cores by weight would give it
//! if it wanted all it may have, and the others what they used in the last tick.

use crate::model::id::ServerId;
use crate::service::fluid::queueing::Queue;
use crate::service::fluid::{Fluid, Server};
use crate::service::machine::{Claim, Place, share};
use crate::service::spec::{StationKind, StationSpec};

/// Share of a machine that is left to servers, whatever runs beside them; and cores that keep a server alive.
const LEAST_SHARE: f64 = 0.05;
const LEAST_CORES: f64 = 1e-4;

/// A machine that more may be wanted of than it has.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared {
    cores: f64,
    members: Vec<ServerId>,
    potential: f64,
    background: f64,
}

impl Shared {
    fn for_members(&self) -> f64 {
        (self.cores - self.background).max(self.cores * LEAST_SHARE)
    }

    /// How likely all of its cores are busy when so many are on average.
    fn crowd(&self, used: f64) -> f64 {
        let servers = self.for_members().max(1.0);
        let queue = Queue { servers, variability: 1.0, users: f64::INFINITY, limit: f64::INFINITY };
        queue.stationary((used / self.for_members()).min(0.999)).all_busy
    }
}

/// The most cores that a pod of a station uses, and how many one request does.
fn reach(spec: &StationSpec, place: &Place) -> (f64, f64) {
    let (places, threads, most) = match &spec.kind {
        StationKind::Cpu(cpu) => {
            (cpu.concurrency, cpu.threads_per_request, cpu.max_cores.unwrap_or(f64::INFINITY))
        }
        StationKind::Worker(worker) => (Some(worker.concurrency), 1.0, f64::INFINITY),
        StationKind::Gpu(_) | StationKind::Delay => (None, 1.0, f64::INFINITY),
    };
    let at_once = places.map_or(f64::INFINITY, f64::from) * threads;
    (place.cores().min(most).min(at_once), threads)
}

impl Fluid {
    /// A server begins to share its machine.
    pub(super) fn join_machine(&mut self, id: ServerId, place: &Place) {
        let Some(server) = self.servers[id.index()].as_ref() else { return };
        let Some(node) = place.machine else { return };
        let (cap, _) = reach(&self.plan.graph.stations[server.station], place);
        let machine = self.machines.entry(node).or_default();
        machine.cores = place.machine_cores;
        machine.members.push(id);
        machine.potential += cap;
        machine.background += place.background;
    }

    /// A server leaves its machine.
    pub(super) fn leave_machine(&mut self, id: ServerId, server: &Server) {
        let Some(node) = server.place.machine else { return };
        let (cap, _) = reach(&self.plan.graph.stations[server.station], &server.place);
        if let Some(machine) = self.machines.get_mut(&node) {
            machine.members.retain(|member| *member != id);
            machine.potential -= cap;
            machine.background -= server.place.background;
            if machine.members.is_empty() {
                self.machines.remove(&node);
            }
        }
    }

    /// Cores that a server has while a full machine keeps it below what it may use; `None` elsewhere.
    #[must_use]
    pub fn held_cores(&self, id: ServerId) -> Option<f64> {
        let server = self.servers[id.index()].as_ref()?;
        server.held.then_some(server.cores + server.place.background)
    }

    /// A process that comes up uses so many cores; 0 when it is up.
    pub fn set_starting(&mut self, id: ServerId, cores: f64) {
        if let Some(server) = self.servers[id.index()].as_mut() {
            server.starting = cores;
        }
    }

    /// Cores that a server would get now if it wanted so many.
    #[must_use]
    pub fn cores_for(&self, place: &Place, wanted: f64) -> f64 {
        let wanted = wanted.min(place.cores());
        let Some(machine) = place.machine.and_then(|node| self.machines.get(&node)) else {
            return wanted;
        };
        let mut claims = self.claims(machine);
        claims.push(Claim { wanted, weight: place.weight, given: 0.0 });
        share(machine.for_members(), &mut claims);
        claims.last().map_or(wanted, |claim| claim.given).max(LEAST_CORES)
    }

    fn claims(&self, machine: &Shared) -> Vec<Claim> {
        let live = machine.members.iter().filter_map(|id| self.servers[id.index()].as_ref());
        let claims = live.map(|server| {
            let (cap, threads) = reach(&self.plan.graph.stations[server.station], &server.place);
            let working = server.queued.max(server.on_cpu);
            let wanted = (working * threads + server.starting).min(cap);
            Claim { wanted, weight: server.place.weight, given: 0.0 }
        });
        claims.collect()
    }

    /// Shares the cores of all machines of which more may be wanted than they have.
    pub(super) fn share_machines(&mut self) {
        let mut changes = Vec::new();
        for machine in self.machines.values() {
            if machine.potential <= machine.for_members() {
                continue;
            }
            let claims = self.claims(machine);
            let wanted: f64 = claims.iter().map(|claim| claim.wanted).sum();
            let full = wanted > machine.for_members();
            let used = self.uses(machine);
            let crowd = machine.crowd(used.iter().map(|claim| claim.wanted).sum());
            for (position, id) in machine.members.iter().enumerate() {
                let mut claims = used.clone();
                let Some(server) = self.servers[id.index()].as_ref() else { continue };
                let (cap, _) = reach(&self.plan.graph.stations[server.station], &server.place);
                claims[position].wanted = cap;
                share(machine.for_members(), &mut claims);
                let given = claims[position].given.max(LEAST_CORES);
                changes.push((*id, given, (full && given < cap, crowd)));
            }
        }
        for (id, given, (held, crowd)) in changes {
            if let Some(server) = self.servers[id.index()].as_mut() {
                server.cores = given.min(server.place.cores());
                (server.held, server.crowd) = (held, crowd);
            }
        }
    }

    /// What the members of a machine used of it in the last tick.
    fn uses(&self, machine: &Shared) -> Vec<Claim> {
        let live = machine.members.iter().filter_map(|id| self.servers[id.index()].as_ref());
        live.map(|server| Claim {
            wanted: server.used + server.starting,
            weight: server.place.weight,
            given: 0.0,
        })
        .collect()
    }
}
