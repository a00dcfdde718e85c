//! How calls end, and how their callers get to know it.

use crate::model::event::Event;
use crate::model::id::CallId;
use crate::model::observer::{CallEnd, Observer, OperationEnd};
use crate::service::call::{Answered, Call, Caller, Forsaken, Phase, propagated};
use crate::service::connections::Held;
use crate::service::graph::Site;
use crate::service::runtime::{Ctx, Services, Work};
use crate::units::SimDuration;
use crate::units::convert::index;

impl Services {
    /// A call ends: its place becomes free, its station and its caller are told.
    pub(super) fn end<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: CallId, end: CallEnd) {
        if !self.is_live(id) {
            return;
        }
        if self.graph.network.is_some() {
            let travels = self.way_back(&self.calls.get(id.slot).clone(), end);
            if !travels.is_zero() {
                self.send_back(ctx, id, end, travels);
                return;
            }
        }
        self.answer(ctx, id, end);
    }

    /// A call leaves its server; its caller hears of it when the answer has arrived.
    fn send_back<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        id: CallId,
        end: CallEnd,
        travels: SimDuration,
    ) {
        let call = *self.calls.get(id.slot);
        self.tell_end(ctx, &call, end);
        self.leave_server(id, &call);
        let returning = self.calls.get_mut(id.slot);
        returning.phase = Phase::Returning;
        returning.server = None;
        returning.failure = Some(end);
        let event = Event::WaitDone(id);
        ctx.queue.schedule(ctx.now + travels, event.rank(), event);
        if let Some(server) = call.server {
            self.work.push(Work::Admit(server));
        }
    }

    /// The place of a call becomes free.
    fn leave_server(&mut self, task: CallId, call: &Call) {
        if let Some(id) = call.server
            && let Some(server) = self.servers[id.index()].as_deref_mut()
        {
            server.inside -= 1;
            server.served += u64::from(call.caller != Caller::Kubelet);
            if call.phase != Phase::Queued {
                server.in_service -= 1;
                if let Some(tasks) = &mut server.tasks {
                    tasks.running.retain(|(slot, _)| *slot != task.slot);
                }
            }
        }
    }

    /// The answer of a call reaches its caller, who may call others meanwhile.
    pub(super) fn answer<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: CallId, end: CallEnd) {
        if self.calls.get(id.slot).phase == Phase::Connecting {
            let operation = self.calls.get(id.slot).operation;
            self.leave_queues(self.operations[operation.index()].station, id);
        }
        let (task, call) = (id, *self.calls.get(id.slot));
        let station = self.operations[call.operation.index()].station;
        let slot = self.calls.get_mut(id.slot);
        slot.generation = slot.generation.wrapping_add(1);
        slot.caller = Caller::Nobody;
        slot.server = None;
        self.calls.release(id.slot);
        if call.caller != Caller::Kubelet && call.phase != Phase::Returning {
            self.tell_end(ctx, &call, end);
        }
        self.leave_server(task, &call);
        match call.caller {
            Caller::Client(client) => self.answer_client(ctx, client, call.answered(), end),
            Caller::Call(parent) => self.answer_call(parent, call.answered(), end),
            Caller::Effort(effort) => self.answer_effort(ctx, effort, (id, &call), end),
            Caller::Kubelet => self.probed.push((id, end == CallEnd::Completed)),
            Caller::Job(number) => self.answer_job(number, end, (call.started, ctx.now)),
            Caller::Nobody => {}
        }
        if call.counted > 0 {
            self.uncount(station, call.counted);
        }
        if call.held != Held::default() || call.held_for_calls != Held::default() {
            self.give_back((id, station), call.held, call.held_for_calls);
        }
        // Pushed last, so done first: whoever waits gets the place before the answered caller can
        // come again.
        if let Some(server) = call.server {
            self.work.push(Work::Admit(server));
        }
    }

    /// Tells station and observer of the end of a call.
    fn tell_end<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, call: &Call, end: CallEnd) {
        let station = self.operations[call.operation.index()].station;
        self.stations[station.index()].count(ctx.now, false);
        self.stations[station.index()].served += 1;
        let told = match call.forsaken {
            Forsaken::No => end,
            Forsaken::TimedOut => CallEnd::TimedOut,
            Forsaken::Cancelled => CallEnd::Abandoned,
        };
        let took = ctx.now.since(call.started);
        if let Some(latencies) = &mut self.stations[station.index()].latencies {
            latencies.add(took.as_secs_f64());
        }
        let ended = OperationEnd { station, took, end: told };
        ctx.observer.operation_ended(ctx.now, call.operation, &ended);
    }

    /// A call that another one made was answered: it goes on, repeats it, or fails.
    pub(super) fn answer_call(&mut self, parent: CallId, call: Answered, end: CallEnd) {
        if !self.is_live(parent) {
            return;
        }
        let site = self.sites[index(call.site)];
        let failure = propagated(end, site.on_error);
        if failure.is_none() && call.repeats_left > 0 {
            let Site { operation, lane, .. } = site;
            let (caller, repeats_left) = (Caller::Call(parent), call.repeats_left - 1);
            let site = call.site;
            self.work.push(Work::Begin { operation, caller, lane, site, repeats_left });
            return;
        }
        let waiting = self.calls.get_mut(parent.slot);
        waiting.failure = waiting.failure.or(failure);
        waiting.pending -= 1;
        if waiting.pending == 0 {
            let next = waiting.failure.map_or(Work::Proceed(parent), |end| Work::End(parent, end));
            self.work.push(next);
        }
    }

    /// A caller waits no longer. The work goes on where it is, for nobody.
    pub(super) fn give_up<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: CallId) {
        let call = self.calls.get_mut(id.slot);
        let snapshot = *call;
        call.caller = Caller::Nobody;
        call.forsaken = Forsaken::TimedOut;
        match snapshot.caller {
            Caller::Client(client) => {
                self.answer_client(ctx, client, snapshot.answered(), CallEnd::TimedOut);
            }
            Caller::Call(parent) => {
                self.answer_call(parent, snapshot.answered(), CallEnd::TimedOut);
            }
            Caller::Effort(effort) => {
                self.answer_effort(ctx, effort, (id, &snapshot), CallEnd::TimedOut);
            }
            Caller::Kubelet | Caller::Job(_) | Caller::Nobody => {}
        }
        self.run(ctx);
    }
}
