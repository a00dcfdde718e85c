//! Probes as requests: they wait their turn at a server as any other does, and fail with it.

use crate::model::id::{CallId, OperationId, ServerId};
use crate::service::call::{Call, Caller, Forsaken, Phase};
use crate::service::connections::Held;
use crate::service::runtime::Services;
use crate::service::server::ServerState;
use crate::service::spec::StationKind;
use crate::units::convert::{count_u32, f64_from_usize};
use crate::units::time::{SimDuration, SimTime};

/// CPU that answering a probe takes (core-seconds): a handler that does next to nothing.
pub(super) const PROBE_CORE_S: f64 = 0.001;

/// What becomes of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// The process answers in time.
    Answers,
    /// It refuses, or has too little CPU to answer in time.
    Fails,
    /// The probe waits behind other requests.
    Waits(CallId),
}

impl Services {
    /// Whether requests have to wait at a server, or share its CPU with so many others that a probe
    /// may not be answered in time.
    #[must_use]
    pub fn is_crowded(&self, id: ServerId) -> bool {
        self.servers[id.index()].as_deref().is_some_and(|server| {
            let kind = &self.graph.stations[server.station.index()].kind;
            let shared = f64_from_usize(server.cpu.len()) * PROBE_CORE_S > server.cpu.cores() * 0.1;
            matches!(kind, StationKind::Cpu(_)) && (!server.has_room() || shared)
        })
    }

    /// A kubelet's probe asks a server whose process is up. A worker and a GPU's front answer by
    /// themselves, whatever they work on.
    pub fn probe(&mut self, now: SimTime, id: ServerId, timeout: SimDuration) -> ProbeAnswer {
        let Some(server) = self.servers[id.index()].as_deref_mut() else {
            return ProbeAnswer::Fails;
        };
        let station = server.station;
        if !matches!(self.graph.stations[station.index()].kind, StationKind::Cpu(_)) {
            return ProbeAnswer::Answers;
        }
        if server.state == ServerState::Silent {
            return ProbeAnswer::Fails;
        }
        if server.has_room() {
            let rivals = f64_from_usize(server.cpu.len() + 1);
            let took_s = PROBE_CORE_S * (rivals / server.cpu.cores()).max(1.0);
            let in_time = took_s <= timeout.as_secs_f64();
            return if in_time { ProbeAnswer::Answers } else { ProbeAnswer::Fails };
        }
        if count_u32(server.waiting()) >= server.backlog_limit {
            return ProbeAnswer::Fails;
        }
        let mut operations = self.graph.operations.iter();
        let Some(operation) = operations.position(|operation| operation.station == station) else {
            return ProbeAnswer::Answers;
        };
        server.enter();
        let slot = self.calls.insert(|old| Call {
            generation: old.map_or(0, |old| old.generation),
            operation: OperationId::at(operation),
            caller: Caller::Kubelet,
            server: Some(id),
            phase: Phase::Queued,
            step: 0,
            pending: 0,
            repeats_left: 0,
            site: 0,
            failure: None,
            forsaken: Forsaken::No,
            counted: 0,
            held: Held::default(),
            held_for_calls: Held::default(),
            started: now,
            deadline: SimTime::MAX,
        });
        let call = CallId { slot, generation: self.calls.get(slot).generation };
        server.backlog.push_back(call);
        ProbeAnswer::Waits(call)
    }

    /// A kubelet waits no longer for a probe's answer.
    pub fn forget_probe(&mut self, id: CallId) {
        if self.is_live(id) {
            self.calls.get_mut(id.slot).forsaken = Forsaken::TimedOut;
        }
    }

    /// Probes that were answered since the last call, and whether well.
    pub fn take_probed(&mut self) -> Vec<(CallId, bool)> {
        std::mem::take(&mut self.probed)
    }
}
