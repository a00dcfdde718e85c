//! Machines: how the servers that run on one share its cores.
//!
//! As Linux' completely fair scheduler does it for the containers of a node: cores that somebody wants
//! go round by weight, which a kubelet derives from the CPU request (`MilliCPUToShares`), and nobody gets
//! more than wanted or than its limit; what one leaves goes to the others. The groups of the QoS classes
//! between node and pod are not told apart.
//!
//! Where all limits together are below the machine's cores nothing ever has to be shared, and this costs
//! nothing. Elsewhere what each server wants is followed from request to request; only while more is wanted
//! than there is, shares are computed anew.

use std::collections::BTreeMap;

use crate::engine::EventQueue;
use crate::model::event::Event;
use crate::model::id::{NodeId, ServerId};
use crate::service::runtime::Services;
use crate::service::server::Server;
use crate::units::convert::{count_u32, f64_from_usize, index};
use crate::units::time::SimTime;

/// Number of no machine.
pub(super) const NO_MACHINE: u32 = u32::MAX;

/// Cores that even a server without weight gets of a full machine: no process stands still for ever.
const LEAST_CORES: f64 = 1e-4;

/// Share of a machine that is left to servers, however much the processes beside them use.
const LEAST_SHARE: f64 = 0.05;

/// Where a server runs, and what it may use there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The machine it shares with others; `None` is one of its own.
    pub machine: Option<NodeId>,
    /// The zone it is in, by any number that tells zones apart.
    pub zone: Option<u64>,
    /// Cores of the machine.
    pub machine_cores: f64,
    /// Cores it may use on average (limit); `None` is all.
    pub limit: Option<f64>,
    /// Its weight against others (CPU request).
    pub weight: f64,
    /// Cores that the pod's other processes and its own idling use all the time.
    pub background: f64,
}

impl Place {
    /// A machine of its own with so many cores.
    #[must_use]
    pub const fn alone(cores: f64) -> Self {
        Self {
            machine: None,
            zone: None,
            machine_cores: cores,
            limit: None,
            weight: 1.0,
            background: 0.0,
        }
    }

    /// The cores it may use if nobody else wants any.
    #[must_use]
    pub fn cores(&self) -> f64 {
        self.limit.unwrap_or(f64::INFINITY).min(self.machine_cores).max(0.001)
    }
}

impl From<f64> for Place {
    fn from(cores: f64) -> Self {
        Self::alone(cores)
    }
}

/// A machine with the servers on it.
#[derive(Debug, Default)]
struct Machine {
    node: Option<NodeId>,
    cores: f64,
    members: Vec<ServerId>,
    /// Used beside the members.
    background: f64,
    /// What the members want together.
    wanted: f64,
    /// What they could want at most.
    potential: f64,
    /// More is wanted than there is.
    full: bool,
}

impl Machine {
    /// Cores for the members.
    fn for_members(&self) -> f64 {
        (self.cores - self.background).max(self.cores * LEAST_SHARE)
    }
}

/// All machines that servers run on.
#[derive(Debug, Default)]
pub(super) struct Machines {
    slots: Vec<Machine>,
    free: Vec<u32>,
    by_node: BTreeMap<NodeId, u32>,
    scratch: Vec<Claim>,
}

/// What one member wants, and what it gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Claim {
    pub(super) wanted: f64,
    pub(super) weight: f64,
    pub(super) given: f64,
}

/// Shares cores by weight; who wants less than its share leaves the rest to the others.
pub(super) fn share(cores: f64, claims: &mut [Claim]) {
    let (mut left, mut weights) = (cores, 0.0);
    for claim in claims.iter_mut() {
        claim.given = f64::NAN;
        weights += claim.weight;
    }
    // Each round satisfies those who want less than their share of what is left; at the latest after as
    // many rounds as there are claims nobody is among them.
    loop {
        let (mut satisfied, level) = (false, left / weights);
        for claim in claims.iter_mut().filter(|claim| claim.given.is_nan()) {
            if claim.wanted <= claim.weight * level {
                claim.given = claim.wanted;
                left -= claim.wanted;
                weights -= claim.weight;
                satisfied = true;
            }
        }
        if !satisfied {
            break;
        }
    }
    let level = left.max(0.0) / weights.max(1e-12);
    for claim in claims.iter_mut().filter(|claim| claim.given.is_nan()) {
        claim.given = (claim.weight * level).min(claim.wanted);
    }
}

impl Machines {
    fn slot(&mut self, place: &Place, node: NodeId) -> u32 {
        if let Some(slot) = self.by_node.get(&node) {
            return *slot;
        }
        let machine =
            Machine { node: Some(node), cores: place.machine_cores, ..Machine::default() };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[index(slot)] = machine;
                slot
            }
            None => {
                self.slots.push(machine);
                count_u32(self.slots.len() - 1)
            }
        };
        self.by_node.insert(node, slot);
        slot
    }
}

impl Server {
    /// Cores that would be used now if there were enough.
    fn wants(&self) -> f64 {
        (f64_from_usize(self.cpu.len()) * self.cpu.threads() + self.starting).min(self.cap)
    }
}

impl Services {
    /// A server begins to share its machine.
    pub(super) fn join_machine(
        &mut self,
        now: SimTime,
        id: ServerId,
        place: &Place,
        queue: &mut Queue,
    ) {
        let Some(node) = place.machine else { return };
        let slot = self.machines.slot(place, node);
        let machine = &mut self.machines.slots[index(slot)];
        let server = self.servers[id.index()].as_deref_mut().expect("it was just made");
        (server.machine, server.weight, server.background) = (slot, place.weight, place.background);
        machine.members.push(id);
        machine.background += place.background;
        machine.potential += server.cap;
        self.share_machine(now, slot, queue);
    }

    /// A server leaves its machine; what it used is there for the others.
    pub(super) fn leave_machine(
        &mut self,
        now: SimTime,
        server: &Server,
        id: ServerId,
        queue: &mut Queue,
    ) {
        if server.machine == NO_MACHINE {
            return;
        }
        let machine = &mut self.machines.slots[index(server.machine)];
        machine.members.retain(|member| *member != id);
        machine.background -= server.background;
        machine.potential -= server.cap;
        if machine.members.is_empty() {
            if let Some(node) = machine.node {
                self.machines.by_node.remove(&node);
            }
            self.machines.free.push(server.machine);
        } else {
            self.share_machine(now, server.machine, queue);
        }
    }

    /// What a server wants has changed, with the number of requests on its CPU.
    pub(super) fn wants_changed(&mut self, now: SimTime, id: ServerId, queue: &mut Queue) {
        let Some(server) = self.servers[id.index()].as_deref_mut() else { return };
        if server.quota.is_some() {
            server.follow_quota(now, queue);
        }
        if !server.contended {
            return;
        }
        let wants = server.wants();
        if wants.to_bits() == server.wanted.to_bits() {
            return;
        }
        let machine = &mut self.machines.slots[index(server.machine)];
        machine.wanted += wants - server.wanted;
        server.wanted = wants;
        let full = machine.wanted > machine.for_members();
        if full || machine.full {
            let slot = server.machine;
            self.share_machine(now, slot, queue);
        }
    }

    /// Cores that a server has while a full machine keeps it below what it may use; `None` elsewhere.
    #[must_use]
    pub fn held_cores(&self, id: ServerId) -> Option<f64> {
        let server = self.servers[id.index()].as_deref()?;
        let cores = server.cpu.cores();
        (server.machine != NO_MACHINE && cores < server.cap).then_some(cores + server.background)
    }

    /// A process that comes up uses so many cores, beside what requests need; 0 when it is up.
    pub fn set_starting(&mut self, now: SimTime, id: ServerId, cores: f64, queue: &mut Queue) {
        if let Some(server) = self.servers[id.index()].as_deref_mut() {
            server.starting = cores;
            self.wants_changed(now, id, queue);
        }
    }

    /// Changes the cores that a server may use, as a resize of its pod in place does.
    pub fn set_cores(&mut self, now: SimTime, id: ServerId, cores: f64, queue: &mut Queue) {
        let server = self.servers[id.index()].as_deref_mut().expect("a live server changes");
        let cap = cores.min(server.most_cores);
        if server.machine != NO_MACHINE {
            self.machines.slots[index(server.machine)].potential += cap - server.cap;
        }
        server.cap = cap;
        server.give_cores(now, cap, queue);
        if server.machine != NO_MACHINE {
            let slot = server.machine;
            self.share_machine(now, slot, queue);
        }
    }

    /// Cores that a server would get now if it wanted so many.
    #[must_use]
    pub fn cores_for(&self, place: &Place, wanted: f64) -> f64 {
        let wanted = wanted.min(place.cores());
        let slot = place.machine.and_then(|node| self.machines.by_node.get(&node));
        let Some(machine) = slot.map(|slot| &self.machines.slots[index(*slot)]) else {
            return wanted;
        };
        let mut claims = self.claims(machine);
        claims.push(Claim { wanted, weight: place.weight, given: 0.0 });
        let cores = (machine.for_members() - place.background).max(machine.cores * LEAST_SHARE);
        share(cores, &mut claims);
        claims.last().map_or(wanted, |claim| claim.given).max(LEAST_CORES)
    }

    fn claims(&self, machine: &Machine) -> Vec<Claim> {
        let live = machine.members.iter().filter_map(|id| self.servers[id.index()].as_deref());
        live.map(|server| Claim { wanted: server.wants(), weight: server.weight, given: 0.0 })
            .collect()
    }

    fn share_machine(&mut self, now: SimTime, slot: u32, queue: &mut Queue) {
        let mut claims = std::mem::take(&mut self.machines.scratch);
        claims.clear();
        let machine = &mut self.machines.slots[index(slot)];
        machine.wanted = 0.0;
        let contended = machine.potential > machine.for_members();
        for id in &machine.members {
            let server = self.servers[id.index()].as_deref_mut().expect("members are live");
            server.wanted = server.wants();
            server.contended = contended;
            machine.wanted += server.wanted;
            claims.push(Claim { wanted: server.wanted, weight: server.weight, given: 0.0 });
        }
        machine.full = machine.wanted > machine.for_members();
        if machine.full {
            share(machine.for_members(), &mut claims);
        }
        for (id, claim) in machine.members.iter().zip(&claims) {
            let server = self.servers[id.index()].as_deref_mut().expect("members are live");
            // Who starts and serves at once does both at the same speed.
            let given =
                if machine.full && claim.given < claim.wanted { claim.given } else { server.cap };
            let given = given.max(LEAST_CORES);
            if given.to_bits() != server.cpu.cores().to_bits() {
                server.give_cores(now, given, queue);
            }
        }
        self.machines.scratch = claims;
    }
}

type Queue = EventQueue<Event>;

#[cfg(test)]
mod tests {
    use super::*;

    fn given(cores: f64, claims: &[(f64, f64)]) -> Vec<f64> {
        let mut claims: Vec<Claim> = claims
            .iter()
            .map(|(wanted, weight)| Claim { wanted: *wanted, weight: *weight, given: 0.0 })
            .collect();
        share(cores, &mut claims);
        claims.iter().map(|claim| claim.given).collect()
    }

    fn near(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
        }
    }

    #[test]
    fn cores_go_by_weight_and_what_is_left_goes_round() {
        // Enough for all.
        near(&given(4.0, &[(1.0, 1.0), (2.0, 9.0)]), &[1.0, 2.0]);
        // Everyone wants more than there is: by weight.
        near(&given(4.0, &[(9.0, 1.0), (9.0, 3.0)]), &[1.0, 3.0]);
        // The second wants less than its share, so that the others get more than theirs.
        near(&given(6.0, &[(9.0, 1.0), (0.5, 3.0), (9.0, 1.0)]), &[2.75, 0.5, 2.75]);
        // Nearly no weight gets what is left.
        near(&given(2.0, &[(1.0, 1.0), (5.0, 1e-6)]), &[1.0, 1.0]);
        assert_eq!(given(1.0, &[]), Vec::<f64>::new());
        near(&given(1.0, &[(0.0, 0.0), (3.0, 1.0)]), &[0.0, 1.0]);
    }

    #[test]
    fn nothing_is_left_while_somebody_wants_more() {
        let claims: Vec<(f64, f64)> =
            (1..40_u32).map(|n| (f64::from(n * 7 % 11) * 0.3, f64::from(n % 5 + 1))).collect();
        let wanted: f64 = claims.iter().map(|claim| claim.0).sum();
        for cores in [0.5, 3.0, 17.0, wanted] {
            let given = given(cores, &claims);
            let sum: f64 = given.iter().sum();
            assert!((sum - cores.min(wanted)).abs() < 1e-9, "{sum} of {cores}");
            assert!(given.iter().zip(&claims).all(|(given, claim)| *given <= claim.0 + 1e-12));
        }
    }
}
