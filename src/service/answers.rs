//! How calls end, and how their callers get to know it.

use crate::model::id::CallId;
use crate::model::observer::{CallEnd, Observer, OperationEnd};
use crate::service::call::{Answered, Call, Caller, Forsaken, Phase, propagated};
use crate::service::connections::Held;
use crate::service::graph::Site;
use crate::service::runtime::{Ctx, Services, Work};
use crate::units::convert::index;

impl Services {
    /// A call ends: its place becomes free, its station and its caller are told.
    pub(super) fn end<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: CallId, end: CallEnd) {
        if !self.is_live(id) {
            return;
        }
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
        if call.caller != Caller::Kubelet {
            self.tell_end(ctx, &call, end);
        }
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
        match call.caller {
            Caller::Client(client) => self.answer_client(ctx, client, call.answered(), end),
            Caller::Call(parent) => self.answer_call(parent, call.answered(), end),
            Caller::Effort(effort) => self.answer_effort(ctx, effort, (id, &call), end),
            Caller::Kubelet => self.probed.push((id, end == CallEnd::Completed)),
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
            Caller::Kubelet | Caller::Nobody => {}
        }
        self.run(ctx);
    }
}
