//! Connections that stay open: a caller's requests go where its connection goes.
//!
//! As HTTP/2 and gRPC over a Service do it: kube-proxy chooses a pod when a connection is made, and never
//! again. New pods get requests only from new connections, so that the load stays uneven after a scale-out
//! until connections are made anew: because their pod ends, or because they are old (Envoy and gRPC,
//! `max_connection_age`).

use std::collections::BTreeMap;

use rand::RngExt;

use crate::model::id::{CallId, ServerId, StationId};
use crate::service::call::Caller;
use crate::service::runtime::Services;
use crate::service::server::ServerState;
use crate::service::spec::Routing;
use crate::units::SimTime;

/// Who keeps a connection, and which of its own it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pin {
    keeper: Keeper,
    number: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Keeper {
    /// A virtual user of a load.
    User(u32, u32),
    /// A pod.
    Pod(ServerId),
    /// Whoever else calls: one for all.
    Others,
}

/// Where connections go, and since when.
pub(super) type Pins = BTreeMap<Pin, (ServerId, SimTime)>;

impl Services {
    /// The server that a call's connection goes to; a connection is made when there is none, or when it
    /// has ended or is too old. `None` where connections do not matter.
    pub(super) fn pinned_server(
        &mut self,
        now: SimTime,
        station: StationId,
        id: CallId,
    ) -> Option<ServerId> {
        if self.stations[station.index()].routing != Routing::Pinned {
            return None;
        }
        let keeper = self.keeper(id);
        let spec = &self.graph.stations[station.index()];
        let (most, age) = (spec.pinned_connections, spec.connection_age);
        let own = &mut self.stations[station.index()];
        let number = if most > 1 { own.draw(most) } else { 0 };
        let pin = Pin { keeper, number };
        let live = |server: ServerId| {
            let server = self.servers[server.index()].as_deref();
            server.is_some_and(|it| it.station == station && it.state != ServerState::Draining)
        };
        let kept = own.pins.get(&pin).copied().filter(|(server, since)| {
            let young = age.is_none_or(|most| now.since(*since) < most);
            young && own.open.contains(server) && live(*server)
        });
        if let Some((server, _)) = kept {
            return Some(server);
        }
        let made = own.route(|_| 0)?;
        own.pins.insert(pin, (made, now));
        Some(made)
    }

    fn keeper(&self, id: CallId) -> Keeper {
        let caller = match self.calls.get(id.slot).caller {
            Caller::Effort(effort) => self.efforts.get(effort.slot).caller,
            caller @ (Caller::Client(_)
            | Caller::Call(_)
            | Caller::Kubelet
            | Caller::Job(_)
            | Caller::Nobody) => caller,
        };
        match caller {
            Caller::Client(client) => {
                let client = self.clients.get(client.slot);
                Keeper::User(client.load.0, client.vu)
            }
            Caller::Call(parent) => {
                self.calls.get(parent.slot).server.map_or(Keeper::Others, Keeper::Pod)
            }
            Caller::Effort(_) | Caller::Kubelet | Caller::Job(_) | Caller::Nobody => Keeper::Others,
        }
    }

    /// A server has ended: its connections are gone, those it kept and those that others kept to it.
    pub(super) fn forget_pins(&mut self, id: ServerId) {
        for station in &mut self.stations {
            if station.routing == Routing::Pinned {
                station.pins.retain(|pin, (to, _)| *to != id && pin.keeper != Keeper::Pod(id));
            }
        }
    }
}

impl super::station::Station {
    /// Draws one of so many connections.
    fn draw(&mut self, most: u32) -> u32 {
        self.stream.random_range(0..most)
    }
}
