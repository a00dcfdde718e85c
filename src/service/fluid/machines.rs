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
        let claims = live.map(|server| Claim {
            wanted: server.wants(&self.plan.graph.stations[server.station]),
            weight: server.place.weight,
            given: 0.0,
        });
        claims.collect()
    }

    /// Shares the cores of all machines of which more may be wanted than they have.
    pub(super) fn share_machines(&mut self) {
        let Self { machines, servers, plan, .. } = self;
        let mut members = Vec::new();
        for machine in machines.values() {
            let cores = machine.for_members();
            if machine.potential <= cores {
                continue;
            }
            members.clear();
            let (mut wanted, mut used) = (0.0, 0.0);
            for id in &machine.members {
                let server = servers[id.index()].as_ref().expect("members of machines are there");
                let spec = &plan.graph.stations[server.station];
                wanted += server.wants(spec);
                let uses = server.used + server.starting;
                used += uses;
                members.push(Member {
                    uses,
                    weight: server.place.weight,
                    cap: reach(spec, &server.place).0,
                });
            }
            let full = wanted > cores;
            let crowd = machine.crowd(used);
            let levels = Levels::new(cores, &members);
            for (id, member) in machine.members.iter().zip(&members) {
                let given = levels.given(member).max(LEAST_CORES);
                let server = servers[id.index()].as_mut().expect("members of machines are there");
                server.cores = given.min(server.place.cores());
                (server.held, server.crowd) = (full && given < member.cap, crowd);
            }
        }
    }
}

impl Server {
    /// Cores that it would use now if nobody else were there.
    fn wants(&self, spec: &StationSpec) -> f64 {
        let (cap, threads) = reach(spec, &self.place);
        let working = self.queued.max(self.on_cpu);
        (working * threads + self.starting).min(cap)
    }
}

/// What a member of a machine used of it in the last tick, its weight, and what it may use at most (cores).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    uses: f64,
    weight: f64,
    cap: f64,
}

impl Member {
    /// Cores for each unit of weight at which it has what it used.
    fn level(&self) -> f64 {
        self.uses / self.weight.max(1e-12)
    }
}

/// Shares of a machine's cores by weight, when any one of its members wants all it may have and the others
/// want what they used: the same as sharing anew for each, without doing so.
struct Levels {
    cores: f64,
    used: f64,
    /// From the one that is satisfied first.
    sorted: Vec<Member>,
    /// Use and weight of as many of these.
    upto: Vec<(f64, f64)>,
}

impl Levels {
    fn new(cores: f64, members: &[Member]) -> Self {
        let used: f64 = members.iter().map(|member| member.uses).sum();
        let mut levels = Self { cores, used, sorted: Vec::new(), upto: Vec::new() };
        if members.iter().any(|member| !levels.has_room_for(member)) {
            levels.sorted.extend_from_slice(members);
            levels.sorted.sort_by(|a, b| a.level().total_cmp(&b.level()));
            let mut sum = (0.0, 0.0);
            levels.upto.push(sum);
            for member in &levels.sorted {
                sum = (sum.0 + member.uses, sum.1 + member.weight);
                levels.upto.push(sum);
            }
        }
        levels
    }

    /// Whether there is enough for all that it may use beside what the others did.
    fn has_room_for(&self, member: &Member) -> bool {
        self.used - member.uses + member.cap <= self.cores * (1.0 - 1e-12)
    }

    /// What a member would be given.
    fn given(&self, member: &Member) -> f64 {
        if self.sorted.is_empty() || self.has_room_for(member) {
            return member.cap;
        }
        let (_, weights) = self.upto[self.upto.len() - 1];
        let own = member.level();
        // The level if so many of those that are satisfied first were; it itself is not.
        let level_after = |satisfied: usize| {
            let (mut uses, mut weight) = self.upto[satisfied];
            if satisfied > 0 && own <= self.sorted[satisfied - 1].level() {
                (uses, weight) = (uses - member.uses, weight - member.weight);
            }
            (self.cores - uses).max(0.0) / (weights - weight).max(1e-12)
        };
        let (mut low, mut high) = (0, self.sorted.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.sorted[middle].level() <= level_after(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (member.weight * level_after(low)).min(member.cap)
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::engine::Streams;

    /// Sharing for each member by sorted levels is sharing the machine once for each of them.
    #[test]
    fn levels_give_what_sharing_anew_for_each_gives() {
        const SEED: u64 = 19;
        println!("seed {SEED}");
        let mut stream = Streams::new(SEED, 0).of("levels");
        let mut below_cap = 0;
        for _ in 0..400 {
            let count = stream.random_range(1..24);
            let cores = stream.random_range(0.5..12.0);
            // Some are alike, as pods of one Deployment are.
            let kinds: Vec<Member> = (0..4)
                .map(|_| Member {
                    uses: stream.random_range(0.0..1.0) * f64::from(stream.random_range(0..2_u8)),
                    weight: stream.random_range(0.1..2.0),
                    cap: stream.random_range(0.2..3.0),
                })
                .collect();
            let members: Vec<Member> = (0..count)
                .map(|_| {
                    let kind = kinds[stream.random_range(0..kinds.len())];
                    let own = stream.random_range(0.0..1.0);
                    let uses = if stream.random_range(0..2) == 0 { kind.uses } else { own };
                    Member { uses: uses.min(kind.cap), ..kind }
                })
                .collect();
            let levels = Levels::new(cores, &members);
            for (position, member) in members.iter().enumerate() {
                let claim = |member: &Member| Claim {
                    wanted: member.uses,
                    weight: member.weight,
                    given: 0.0,
                };
                let mut claims: Vec<Claim> = members.iter().map(claim).collect();
                claims[position].wanted = member.cap;
                share(cores, &mut claims);
                let (given, expected) = (levels.given(member), claims[position].given);
                assert!((given - expected).abs() < 1e-9, "{given} against {expected}: {members:?}");
                below_cap += u32::from(given < member.cap);
            }
        }
        assert!(below_cap > 500, "{below_cap} were kept below what they may use");
    }
}
