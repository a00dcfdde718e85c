//! Tasks: the broker's list, what workers reserve of it, and what becomes of it when a worker ends.
//!
//! Celery over Redis. A worker holds up to `concurrency x prefetch` unacknowledged tasks; those it does
//! not work on wait inside it, where no idle worker can take them. An early acknowledgement is sent when
//! work begins, a late one when it is done. A worker that ends in order (warm shutdown: it finishes what
//! it works on) gives back what it had reserved (kombu, `QoS.restore_unacked_once`); of one that is
//! killed the broker learns nothing: its unacknowledged tasks are delivered again when they have been
//! out for the visibility timeout (kombu, `transport/redis.py` `QoS.restore_visible`). That happens also
//! to a task somebody still works on: it is then done twice.

use crate::model::id::{CallId, ServerId, StationId};
use crate::model::observer::{CallEnd, Observer};
use crate::model::record::TaskLosses;
use crate::service::call::{Awaits, Call, Caller, Phase};
use crate::service::graph::NO_LANE;
use crate::service::runtime::{Ctx, Services, Work};
use crate::service::server::{Server, ServerState, Tasks};
use crate::service::spec::StationKind;
use crate::units::convert::index;
use crate::units::time::SimTime;

impl Services {
    /// Puts a task on the broker's list and lets a worker that may hold another take it.
    pub(super) fn enqueue(&mut self, station: StationId, id: CallId) {
        self.stations[station.index()].broker.push_back(id);
        self.wake_worker(station);
    }

    fn wake_worker(&mut self, station: StationId) {
        let Self { stations, servers, work, .. } = self;
        let free = |id: ServerId| {
            servers[id.index()].as_deref().expect("open servers exist").takes_tasks()
        };
        if let Some(server) = stations[station.index()].next_free(free) {
            work.push(Work::Admit(server));
        }
    }

    /// A worker begins what it has reserved, then reserves more, one task a turn.
    pub(super) fn work_on_tasks(&mut self, ctx_now: SimTime, id: ServerId, queue: &mut Queue) {
        let Some(server) = self.servers[id.index()].as_deref_mut() else { return };
        if server.state != ServerState::Draining
            && server.has_room()
            && let Some(call) = server.backlog.pop_front()
        {
            self.work.push(Work::Admit(id));
            self.begin_task(ctx_now, id, call);
        } else if server.takes_tasks()
            && let Some(call) = self.stations[server.station.index()].broker.pop_front()
        {
            let station = server.station;
            server.enter();
            self.calls.get_mut(call.slot).server = Some(id);
            let lane = self.visibility[station.index()];
            self.lanes[index(lane)].watch(ctx_now, call, queue);
            let server = self.servers[id.index()].as_deref_mut().expect("it reserved a task");
            self.work.push(Work::Admit(id));
            if server.has_room() && server.backlog.is_empty() {
                self.begin_task(ctx_now, id, call);
            } else {
                server.backlog.push_back(call);
            }
        } else if server.state == ServerState::Draining && server.is_idle() {
            self.drained.push(server.pod);
        }
    }

    fn begin_task(&mut self, now: SimTime, id: ServerId, call: CallId) {
        let server = self.servers[id.index()].as_deref_mut().expect("it has a place");
        server.in_service += 1;
        server.note_holding();
        if let Some(tasks) = &mut server.tasks {
            tasks.running.push((call.slot, now));
        }
        self.calls.get_mut(call.slot).phase = Phase::Admitted;
        self.work.push(Work::Proceed(call));
    }

    /// The oldest unacknowledged task of a station has been out for too long.
    pub(super) fn visibility_expires<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        station: StationId,
    ) {
        let StationKind::Worker(spec) = self.graph.stations[station.index()].kind else {
            unreachable!("only workers' tasks become visible again")
        };
        let lane = index(self.visibility[station.index()]);
        loop {
            let Self { lanes, calls, .. } = self;
            let out = |id: CallId| {
                let call = calls.get(id.slot);
                call.generation == id.generation && is_unacknowledged(call, spec.late_acks)
            };
            let Some(late) = lanes[lane].expire(ctx.now, ctx.queue, out) else { return };
            let call = *self.calls.get(late.slot);
            ctx.observer.call_repeated(ctx.now, call.operation, false);
            if call.phase == Phase::Unacknowledged {
                self.stations[station.index()].orphans -= 1;
                let renamed = self.rename_task(late);
                self.stations[station.index()].broker.push_front(renamed);
                self.wake_worker(station);
            } else {
                let before = self.stations[station.index()].broker.len();
                self.begin(ctx, call.operation, Caller::Nobody, (NO_LANE, 0, 0));
                // What is delivered again comes before what was never delivered.
                let broker = &mut self.stations[station.index()].broker;
                if broker.len() > before {
                    broker.rotate_right(1);
                }
            }
            self.run(ctx);
        }
    }

    /// A worker is gone: what becomes of the tasks inside it.
    pub(super) fn orphan_tasks(
        &mut self,
        now: SimTime,
        server: &Server,
        tasks: &Tasks,
        inside: &[CallId],
    ) -> TaskLosses {
        let mut losses = TaskLosses::default();
        let station = server.station;
        // Idle workers take what comes back; pushed first, so done last.
        self.work.extend(self.stations[station.index()].open.iter().copied().map(Work::Admit));
        for call in inside.iter().rev() {
            let running = tasks.running.iter().find(|(slot, _)| *slot == call.slot);
            let since = running.map(|(_, since)| *since);
            losses.spent += since.map_or_else(Default::default, |at| now.since(at));
            if since.is_some() && !tasks.late_acks {
                losses.lost += 1;
                self.work.push(Work::End(*call, CallEnd::Cut));
            } else if server.state == ServerState::Draining && tasks.running.is_empty() {
                losses.returned += 1;
                let renamed = self.rename_task(*call);
                self.stations[station.index()].broker.push_front(renamed);
            } else {
                losses.invisible += 1;
                losses.repeated += u32::from(since.is_some());
                let renamed = self.rename_task(*call);
                self.calls.get_mut(renamed.slot).phase = Phase::Unacknowledged;
                self.lanes[index(self.visibility[station.index()])].rename_first(*call, renamed);
                self.stations[station.index()].orphans += 1;
            }
        }
        losses
    }

    /// A task begins anew, under a new name, so that delays and answers which the dead worker waited for
    /// do not reach it; its caller's patience goes on.
    fn rename_task(&mut self, id: CallId) -> CallId {
        let call = self.calls.get_mut(id.slot);
        call.generation = call.generation.wrapping_add(1);
        call.server = None;
        call.phase = Phase::Queued;
        call.step = 0;
        call.pending = 0;
        call.failure = None;
        let renamed = CallId { slot: id.slot, generation: call.generation };
        let (caller, started) = (call.caller, call.started);
        match caller {
            Caller::Client(client) => {
                self.clients.get_mut(client.slot).awaits = Awaits::Call(renamed);
            }
            Caller::Effort(effort) => {
                for place in &mut self.efforts.get_mut(effort.slot).calls {
                    *place = place.map(|it| if it == id { renamed } else { it });
                }
            }
            Caller::Call(_) | Caller::Kubelet | Caller::Job(_) | Caller::Nobody => {}
        }
        if caller != Caller::Nobody {
            for lane in &mut self.lanes {
                lane.rename(started, id, renamed);
            }
        }
        renamed
    }
}

type Queue = crate::engine::EventQueue<crate::model::event::Event>;

/// Whether a task is out: delivered and not acknowledged.
fn is_unacknowledged(call: &Call, late_acks: bool) -> bool {
    match call.phase {
        Phase::Unacknowledged => true,
        Phase::Queued => call.server.is_some(),
        Phase::Held | Phase::Connecting | Phase::Returning => false,
        Phase::Admitted
        | Phase::OnCpu
        | Phase::Delayed
        | Phase::OnLink
        | Phase::OnGpu
        | Phase::Calling
        | Phase::Stalled => late_acks && call.server.is_some(),
    }
}
