//! What a request meets before its service: limits of connections and of rate, then a connection.

use crate::model::event::Event;
use crate::model::id::{CallId, StationId};
use crate::model::observer::{CallEnd, Observer};
use crate::service::call::{Caller, Phase};
use crate::service::limits::{ConnectionLimit, RateLimit, Verdict};
use crate::service::runtime::{Ctx, Services, Work};
use crate::service::spec::{LimitKey, ServiceGraph, StationKind};

/// The accounts of a station that has any.
#[derive(Debug, Default)]
pub(super) struct Front {
    rates: RateLimit,
    inside: ConnectionLimit,
}

impl Front {
    /// By station: `None` where nothing stands before it, so that requests pass without a look.
    pub(super) fn of(graph: &ServiceGraph) -> Vec<Option<Box<Self>>> {
        let mut fronts: Vec<Option<Box<Self>>> = Vec::new();
        for station in &graph.stations {
            let any = station.rate_limit.is_some()
                || station.connection_limit.is_some()
                || station.connections.is_some();
            fronts.push(any.then(Box::default));
        }
        for pool in graph.stations.iter().flat_map(|station| &station.pools) {
            fronts[pool.to.index()].get_or_insert_default();
        }
        fronts
    }
}

impl Services {
    /// A request comes to a station.
    pub(super) fn arrive<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        station: StationId,
        id: CallId,
    ) {
        if self.fronts[station.index()].is_none() {
            self.pass(ctx, station, id);
            return;
        }
        let graph = std::sync::Arc::clone(&self.graph);
        let spec = &graph.stations[station.index()];
        if let Some(limit) = &spec.connection_limit {
            let key = self.key_of(id, limit.key);
            let front = self.fronts[station.index()].as_deref_mut().expect("it has a limit");
            if !front.inside.enter(key, limit) {
                self.work.push(Work::End(id, limit.end));
                return;
            }
            self.calls.get_mut(id.slot).counted = key + 1;
        }
        if let Some(limit) = &spec.rate_limit {
            let key = self.key_of(id, limit.key);
            let front = self.fronts[station.index()].as_deref_mut().expect("it has a limit");
            match front.rates.ask(ctx.now, key, limit) {
                Verdict::Pass => {}
                Verdict::Wait(span) => {
                    self.calls.get_mut(id.slot).phase = Phase::Held;
                    let event = Event::WaitDone(id);
                    ctx.queue.schedule(ctx.now + span, event.rank(), event);
                    return;
                }
                Verdict::Reject => {
                    self.work.push(Work::End(id, limit.end));
                    return;
                }
            }
        }
        self.connect_and_pass(ctx, station, id);
    }

    /// The turn of a request that was held back by a limit of rate.
    pub(super) fn connect_and_pass<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        station: StationId,
        id: CallId,
    ) {
        self.calls.get_mut(id.slot).phase = Phase::Queued;
        if self.connect(ctx, station, id) {
            self.pass(ctx, station, id);
        }
    }

    /// Nothing stands before a request any more.
    pub(super) fn pass<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        station: StationId,
        id: CallId,
    ) {
        match self.graph.stations[station.index()].kind {
            StationKind::Delay => self.proceed(ctx, id),
            StationKind::Worker(_) => self.enqueue(station, id),
            StationKind::Cpu(_) | StationKind::Gpu(_) => self.route(ctx, station, id),
        }
    }

    /// A request that waited for a connection goes on, unless nobody wants it any more.
    pub(super) fn enter_late<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        station: StationId,
        id: CallId,
    ) {
        if !self.is_live(id) {
            return;
        }
        if self.is_pointless(ctx.now, station, id) {
            self.end(ctx, id, CallEnd::TimedOut);
        } else {
            self.pass(ctx, station, id);
        }
    }

    /// A request that a limit counted has ended.
    pub(super) fn uncount(&mut self, station: StationId, counted: u32) {
        if let Some(front) = self.fronts[station.index()].as_deref_mut() {
            front.inside.leave(counted - 1);
        }
    }

    /// Which account a request belongs to.
    fn key_of(&self, id: CallId, key: LimitKey) -> u32 {
        let caller = match self.calls.get(id.slot).caller {
            Caller::Effort(effort) => self.efforts.get(effort.slot).caller,
            caller @ (Caller::Client(_)
            | Caller::Call(_)
            | Caller::Kubelet
            | Caller::Job(_)
            | Caller::Nobody) => caller,
        };
        match (key, caller) {
            (LimitKey::Load, Caller::Client(client)) => {
                self.clients.get(client.slot).load.0.saturating_add(1)
            }
            // The slot of an iteration is its virtual user: slots are used again as k6's users are.
            (LimitKey::User, Caller::Client(client)) => client.slot.saturating_add(1),
            (LimitKey::Service, _)
            | (
                _,
                Caller::Call(_)
                | Caller::Effort(_)
                | Caller::Kubelet
                | Caller::Job(_)
                | Caller::Nobody,
            ) => 0,
        }
    }
}
