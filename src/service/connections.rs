//! Connections to a data store: pools in the pods of its callers, the store's own limit, and a bouncer
//! between them.
//!
//! A call first needs a connection of its pod's pool (SQLAlchemy's `QueuePool`: `size` stay open,
//! `overflow` more are opened and closed, the next waits for `timeout`). Opening one costs a connection
//! of the store, or is refused. A bouncer accepts many connections and lends each of its few to the store
//! for a session, a transaction or a statement.

use std::collections::VecDeque;

use crate::model::event::Event;
use crate::model::id::{CallId, ServerId, StationId};
use crate::model::observer::{CallEnd, Observer};
use crate::service::call::{Caller, Phase};
use crate::service::runtime::{Ctx, Services, Work};
use crate::service::spec::{BouncerMode, BouncerSpec, ConnectionSpec, Hold, PoolSpec};
use crate::units::SimDuration;
use crate::units::convert::{count_u32, index};

/// The connections that a store has given out.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// Of the store itself.
    used: u32,
    /// Of the bouncer's clients.
    clients: u32,
    /// Calls that wait for the bouncer.
    waiting: VecDeque<CallId>,
    /// Calls that wait in pools of callers.
    in_pools: u32,
}

/// The pool of one pod.
#[derive(Debug)]
pub(super) struct ClientPool {
    spec: PoolSpec,
    idle: u32,
    busy: u32,
    waiting: VecDeque<CallId>,
    /// Its pod is gone: what comes back is closed.
    dead: bool,
}

/// A pool of a pod as its process would tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// The data store.
    pub to: StationId,
    /// Connections that are lent out.
    pub in_use: u32,
    /// Connections that can be lent out: those that stay open and the overflow.
    pub size: u32,
}

/// What a call holds of connections, to be given back at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// A connection of a pool: its number and one.
    pub(super) pool: u32,
    /// A connection of its own, outside any pool.
    pub(super) own: bool,
    /// A connection of the store, lent by the bouncer.
    pub(super) lent: bool,
}

/// Where a call stands on its way to a connection.
enum Wanted {
    Pool(u32),
    Own,
    Nothing,
}

impl Services {
    /// The pools of a new pod.
    pub(super) fn open_pools(&mut self, server: ServerId, station: StationId) {
        let specs = &self.graph.stations[station.index()].pools;
        if specs.is_empty() {
            return;
        }
        if self.server_pools.len() <= server.index() {
            self.server_pools.resize(server.index() + 1, Vec::new());
        }
        for spec in specs {
            let waiting = VecDeque::new();
            let pool = ClientPool { spec: *spec, idle: 0, busy: 0, waiting, dead: false };
            // That of a dead pod whose connections are all closed is used again.
            let spent = |pool: &ClientPool| pool.dead && pool.busy == 0;
            let number = self.pools.iter().position(spent).unwrap_or(self.pools.len());
            if number == self.pools.len() {
                self.pools.push(pool);
            } else {
                self.pools[number] = pool;
            }
            self.server_pools[server.index()].push(count_u32(number));
        }
    }

    /// The pools of a pod.
    pub(super) fn pools_of(&self, server: ServerId) -> Vec<PoolUse> {
        let numbers = self.server_pools.get(server.index()).into_iter().flatten();
        let pools = numbers.map(|number| &self.pools[index(*number)]);
        let uses = pools.map(|pool| PoolUse {
            to: pool.spec.to,
            in_use: pool.busy,
            size: pool.spec.size.saturating_add(pool.spec.overflow),
        });
        uses.collect()
    }

    /// The pod of pools is gone: idle connections close, who waits for one is cut.
    pub(super) fn close_pools(&mut self, server: ServerId) {
        let Some(pools) = self.server_pools.get_mut(server.index()) else { return };
        for pool in std::mem::take(pools) {
            let pool = &mut self.pools[index(pool)];
            pool.dead = true;
            let (idle, to) = (std::mem::take(&mut pool.idle), pool.spec.to);
            let waiting = std::mem::take(&mut pool.waiting);
            self.connections[to.index()].in_pools -= count_u32(waiting.len());
            self.work.extend(waiting.into_iter().map(|call| Work::End(call, CallEnd::Cut)));
            for _ in 0..idle {
                self.disconnect(to);
            }
        }
    }

    /// Calls that wait for a connection to a station.
    pub(super) fn wait_for_connections(&self, station: StationId) -> u32 {
        let connections = &self.connections[station.index()];
        count_u32(connections.waiting.len()) + connections.in_pools
    }

    /// Lets a call have its connection, wait for it, or fail. Returns whether it goes on now.
    pub(super) fn connect<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        station: StationId,
        id: CallId,
    ) -> bool {
        let store = self.graph.stations[station.index()].connections;
        match self.wanted(station, id) {
            Wanted::Nothing => {
                // The request's connection serves all its calls; a statement is lent for anew.
                let statement = |bouncer: BouncerSpec| bouncer.mode == BouncerMode::Statement;
                !self.bouncer(station).is_some_and(statement) || self.lend(ctx, station, id)
            }
            Wanted::Own => {
                let Some(store) = store else { return true };
                if !self.open(station, &store) {
                    self.work.push(Work::End(id, CallEnd::Refused));
                    return false;
                }
                self.calls.get_mut(id.slot).held.own = true;
                self.lend(ctx, station, id)
            }
            Wanted::Pool(number) => {
                let pool = &mut self.pools[index(number)];
                let opened = pool.idle + pool.busy;
                let fresh = pool.idle == 0;
                if pool.idle > 0 {
                    pool.idle -= 1;
                } else if opened < pool.spec.size.saturating_add(pool.spec.overflow) {
                    if store.is_some_and(|store| !self.open(station, &store)) {
                        self.work.push(Work::End(id, CallEnd::Refused));
                        return false;
                    }
                } else {
                    pool.waiting.push_back(id);
                    let timeout = pool.spec.timeout;
                    self.connections[station.index()].in_pools += 1;
                    self.wait_for_connection(ctx, id, timeout);
                    return false;
                }
                self.pools[index(number)].busy += 1;
                self.hold(number, id);
                // In session mode an open connection has one of the store already.
                (!fresh && self.keeps_sessions(station)) || self.lend(ctx, station, id)
            }
        }
    }

    fn keeps_sessions(&self, station: StationId) -> bool {
        self.bouncer(station).is_some_and(|bouncer| bouncer.mode == BouncerMode::Session)
    }

    /// Which connection a call needs.
    fn wanted(&self, station: StationId, id: CallId) -> Wanted {
        let parent = match self.calls.get(id.slot).caller {
            Caller::Call(parent) => parent,
            Caller::Effort(effort) => match self.efforts.get(effort.slot).caller {
                Caller::Call(parent) => parent,
                Caller::Client(_)
                | Caller::Effort(_)
                | Caller::Kubelet
                | Caller::Job(_)
                | Caller::Nobody => {
                    return Wanted::Own;
                }
            },
            Caller::Client(_) | Caller::Kubelet | Caller::Job(_) | Caller::Nobody => {
                return Wanted::Own;
            }
        };
        let parent = self.calls.get(parent.slot);
        let pools = parent.server.and_then(|server| self.server_pools.get(server.index()));
        let to_here = |number: &&u32| self.pools[index(**number)].spec.to == station;
        let Some(number) = pools.and_then(|pools| pools.iter().find(to_here)) else {
            return Wanted::Own;
        };
        if parent.held_for_calls.pool == number + 1 {
            Wanted::Nothing
        } else {
            Wanted::Pool(*number)
        }
    }

    /// A call has a connection of a pool: for itself, or for the request that makes it. A request holds
    /// one connection; what it needs beside it is held by the call.
    fn hold(&mut self, number: u32, id: CallId) {
        let free = |parent: &CallId| self.calls.get(parent.slot).held_for_calls.pool == 0;
        let parent = self.parent_of(id).filter(free);
        match (self.pools[index(number)].spec.hold, parent) {
            (Hold::Request, Some(parent)) => {
                self.calls.get_mut(parent.slot).held_for_calls.pool = number + 1;
            }
            (Hold::Request | Hold::Call, _) => self.calls.get_mut(id.slot).held.pool = number + 1,
        }
    }

    fn parent_of(&self, id: CallId) -> Option<CallId> {
        let caller = match self.calls.get(id.slot).caller {
            Caller::Effort(effort) => self.efforts.get(effort.slot).caller,
            caller @ (Caller::Call(_)
            | Caller::Client(_)
            | Caller::Kubelet
            | Caller::Job(_)
            | Caller::Nobody) => caller,
        };
        match caller {
            Caller::Call(parent) => Some(parent).filter(|parent| self.is_live(*parent)),
            Caller::Client(_)
            | Caller::Effort(_)
            | Caller::Kubelet
            | Caller::Job(_)
            | Caller::Nobody => None,
        }
    }

    /// Opens a connection to the store or its bouncer; `false` when there are too many.
    fn open(&mut self, station: StationId, spec: &ConnectionSpec) -> bool {
        let pods = count_u32(self.stations[station.index()].open.len()).max(1);
        let connections = &mut self.connections[station.index()];
        match &spec.bouncer {
            None if connections.used >= spec.most.saturating_mul(pods) => false,
            None => {
                connections.used += 1;
                true
            }
            Some(bouncer) if connections.clients >= bouncer.most_clients => false,
            Some(_) => {
                connections.clients += 1;
                true
            }
        }
    }

    /// Has the bouncer, if there is one, lend a connection of the store; or the call waits for it.
    fn lend<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, station: StationId, id: CallId) -> bool {
        let Some(bouncer) = self.bouncer(station) else { return true };
        let connections = &mut self.connections[station.index()];
        if connections.used < bouncer.pool_size {
            connections.used += 1;
            self.lent_to(id, &bouncer);
            return true;
        }
        connections.waiting.push_back(id);
        self.wait_for_connection(ctx, id, bouncer.wait_timeout);
        false
    }

    fn bouncer(&self, station: StationId) -> Option<BouncerSpec> {
        self.graph.stations[station.index()].connections.and_then(|store| store.bouncer)
    }

    /// A connection of the store belongs to the session, to the request's transaction, or to the call.
    fn lent_to(&mut self, id: CallId, bouncer: &BouncerSpec) {
        let held = self.calls.get(id.slot).held;
        let by_request = held.pool == 0 && !held.own;
        match (bouncer.mode, self.parent_of(id)) {
            (BouncerMode::Session, _) => {}
            (BouncerMode::Transaction, Some(parent)) if by_request => {
                self.calls.get_mut(parent.slot).held_for_calls.lent = true;
            }
            (BouncerMode::Transaction | BouncerMode::Statement, _) => {
                self.calls.get_mut(id.slot).held.lent = true;
            }
        }
    }

    fn wait_for_connection<O>(&mut self, ctx: &mut Ctx<'_, O>, id: CallId, timeout: SimDuration) {
        self.calls.get_mut(id.slot).phase = Phase::Connecting;
        let event = Event::ConnectTimeout(id);
        ctx.queue.schedule(ctx.now + timeout, event.rank(), event);
    }

    /// A call has waited for a connection long enough. One that has it by now is not concerned.
    pub fn connect_timed_out<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: CallId) {
        if self.is_live(id) && self.calls.get(id.slot).phase == Phase::Connecting {
            self.end(ctx, id, CallEnd::Refused);
            self.run(ctx);
        }
    }

    /// A call that ended gives back what it held for itself and for the calls it made.
    pub(super) fn give_back(
        &mut self,
        (id, station): (CallId, StationId),
        held: Held,
        for_calls: Held,
    ) {
        if held.lent {
            self.lend_on(station);
        }
        if held.own {
            self.disconnect(station);
        }
        if held.pool > 0 {
            self.free(held.pool - 1);
        }
        if for_calls.pool > 0 {
            let to = self.pools[index(for_calls.pool - 1)].spec.to;
            if for_calls.lent {
                self.lend_on(to);
            }
            if self.keeps_sessions(to) && self.forget_waiting_call_of(to, id) {
                // The session never had a connection of the store.
                self.pools[index(for_calls.pool - 1)].busy -= 1;
                self.connections[to.index()].clients -= 1;
            } else {
                self.free(for_calls.pool - 1);
            }
        }
    }

    /// A call ends that still waits for a connection. A session that never had a connection of the store
    /// is closed.
    pub(super) fn leave_queues(&mut self, station: StationId, id: CallId) {
        let connections = &mut self.connections[station.index()];
        let before = connections.waiting.len();
        connections.waiting.retain(|it| *it != id);
        if connections.waiting.len() == before {
            for pool in &mut self.pools {
                let before = pool.waiting.len();
                pool.waiting.retain(|it| *it != id);
                connections.in_pools -= count_u32(before - pool.waiting.len());
            }
        } else if self.keeps_sessions(station) {
            let held = &mut self.calls.get_mut(id.slot).held;
            let own = std::mem::take(&mut held.own);
            let mut number = std::mem::take(&mut held.pool);
            if let Some(parent) = self.parent_of(id).filter(|_| !own && number == 0) {
                let held = &mut self.calls.get_mut(parent.slot).held_for_calls;
                number = std::mem::take(&mut held.pool);
            }
            if number > 0 {
                self.pools[index(number - 1)].busy -= 1;
            }
            self.connections[station.index()].clients -= 1;
        }
    }

    /// A request that ended may have left a call behind that waits for the bouncer: it is cut.
    fn forget_waiting_call_of(&mut self, to: StationId, parent: CallId) -> bool {
        let mut left = None;
        for call in &self.connections[to.index()].waiting {
            let caller = match self.calls.get(call.slot).caller {
                Caller::Effort(effort) => self.efforts.get(effort.slot).caller,
                caller @ (Caller::Call(_)
                | Caller::Client(_)
                | Caller::Kubelet
                | Caller::Job(_)
                | Caller::Nobody) => caller,
            };
            let held = self.calls.get(call.slot).held;
            if caller == Caller::Call(parent) && held == Held::default() {
                left = Some(*call);
            }
        }
        let Some(call) = left else { return false };
        self.connections[to.index()].waiting.retain(|it| *it != call);
        self.calls.get_mut(call.slot).phase = Phase::Queued;
        self.work.push(Work::End(call, CallEnd::Cut));
        true
    }

    /// A connection of a pool is free: the next takes it, or it stays open, or it is closed.
    fn free(&mut self, number: u32) {
        let to = self.pools[index(number)].spec.to;
        if !self.pools[index(number)].dead {
            if let Some(next) = self.pools[index(number)].waiting.pop_front() {
                self.connections[to.index()].in_pools -= 1;
                self.hold(number, next);
                self.calls.get_mut(next.slot).phase = Phase::Queued;
                let lent = self.keeps_sessions(to);
                self.work.push(if lent { Work::Enter(to, next) } else { Work::Lend(to, next) });
                return;
            }
            let pool = &mut self.pools[index(number)];
            if pool.idle < pool.spec.size {
                (pool.idle, pool.busy) = (pool.idle + 1, pool.busy - 1);
                return;
            }
        }
        self.pools[index(number)].busy -= 1;
        self.disconnect(to);
    }

    /// A connection to the store or its bouncer is closed.
    fn disconnect(&mut self, station: StationId) {
        let Some(store) = self.graph.stations[station.index()].connections else { return };
        let connections = &mut self.connections[station.index()];
        match store.bouncer {
            None => connections.used -= 1,
            Some(bouncer) => {
                connections.clients -= 1;
                if bouncer.mode == BouncerMode::Session {
                    self.lend_on(station);
                }
            }
        }
    }

    /// The bouncer has a connection of the store back: the next call has it.
    fn lend_on(&mut self, station: StationId) {
        let Some(next) = self.connections[station.index()].waiting.pop_front() else {
            self.connections[station.index()].used -= 1;
            return;
        };
        if let Some(bouncer) = self.bouncer(station) {
            self.lent_to(next, &bouncer);
        }
        self.calls.get_mut(next.slot).phase = Phase::Queued;
        self.work.push(Work::Enter(station, next));
    }

    /// A call has its connection of the pool; the bouncer may let it wait once more.
    pub(super) fn lend_then_enter<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        station: StationId,
        id: CallId,
    ) {
        if self.is_live(id) && self.lend(ctx, station, id) {
            self.enter_late(ctx, station, id);
        }
    }
}
