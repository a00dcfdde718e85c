//! Clients: what they do step by step, how answers reach them, and how an iteration is cut short.

use crate::model::event::Event;
use crate::model::id::{CallId, ClassId, ClientId, LoadId};
use crate::model::observer::{CallEnd, ClientCall, Observer};
use crate::service::call::{Answered, Awaits, Caller, Client, Forsaken, Phase};
use crate::service::effort::Wanted;
use crate::service::graph::{NO_POLICY, Step};
use crate::service::runtime::{Ctx, IterationEnd, Services, Work};
use crate::units::SimDuration;

/// What an iteration takes at the least: one round trip, even when every answer is a refusal that
/// costs the server nothing. Without it, virtual users who are refused would ask again without
/// end at the same instant.
const SHORTEST_ITERATION: SimDuration = SimDuration::from_millis(1);

/// The load of a slot without an iteration.
const NO_LOAD: LoadId = LoadId(u32::MAX);

impl Services {
    /// A client begins an iteration of a class. The id is good until the iteration ends, which may
    /// be at once; later it names nobody.
    pub fn begin_iteration<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        load: LoadId,
        class: ClassId,
        vu: u32,
    ) -> ClientId {
        let began = ctx.now;
        let slot = self.clients.insert(|old| {
            let generation = old.map_or(0, |old| old.generation);
            Client { load, class, vu, step: 0, began, generation, awaits: Awaits::Nothing }
        });
        let id = ClientId { slot, generation: self.clients.get(slot).generation };
        self.work.push(Work::Client(id));
        self.run(ctx);
        id
    }

    /// A client's pause is over. That of an interrupted iteration wakes nobody.
    pub fn client_wakes<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, client: ClientId) {
        if self.clients.get(client.slot).generation == client.generation {
            self.work.push(Work::Client(client));
            self.run(ctx);
        }
    }

    /// Cuts an iteration short, as k6 does when `gracefulStop` is over: no end is told, neither of
    /// the iteration nor of the call it waits for. The work of that call goes on where it is, for
    /// nobody. Returns whether the iteration was still under way.
    pub fn interrupt_client(&mut self, client: ClientId) -> bool {
        let Client { generation, awaits, .. } = *self.clients.get(client.slot);
        if generation != client.generation {
            return false;
        }
        self.release_client(client);
        match awaits {
            Awaits::Nothing => return true,
            Awaits::Call(id) => {
                let call = self.calls.get_mut(id.slot);
                debug_assert_eq!(call.generation, id.generation, "an awaited call is live");
                call.caller = Caller::Nobody;
                call.forsaken = Forsaken::TimedOut;
            }
            Awaits::Effort(id) => {
                self.release_effort(id);
            }
        }
        self.tally.interrupted += 1;
        true
    }

    /// Cuts all iterations of a load short. Returns how many there were.
    pub fn interrupt_load(&mut self, load: LoadId) -> u32 {
        let mut interrupted = 0;
        for slot in 0..self.clients.len() {
            let Client { generation, load: of, .. } = *self.clients.get(slot);
            // The slot of an iteration that is over belongs to no load.
            if of == load && self.interrupt_client(ClientId { slot, generation }) {
                interrupted += 1;
            }
        }
        interrupted
    }

    /// Whether a client's call waits for a place, not being worked on yet.
    #[must_use]
    pub fn client_queues(&self, client: ClientId) -> bool {
        let Client { generation, awaits, .. } = self.clients.get(client.slot);
        let queued = |id: CallId| self.calls.get(id.slot).phase == Phase::Queued;
        *generation == client.generation
            && match awaits {
                Awaits::Nothing => false,
                Awaits::Call(call) => queued(*call),
                Awaits::Effort(id) => {
                    let mut calls = self.efforts.get(id.slot).calls.into_iter().flatten();
                    calls.all(queued)
                }
            }
    }

    /// Client iterations under way.
    #[must_use]
    pub fn clients_inside(&self) -> usize {
        self.clients.in_use()
    }

    /// Calls whose client still waits for the answer.
    #[must_use]
    pub fn calls_awaited(&self) -> usize {
        self.clients.all().iter().filter(|client| client.awaits != Awaits::Nothing).count()
    }

    fn release_client(&mut self, id: ClientId) {
        let client = self.clients.get_mut(id.slot);
        client.awaits = Awaits::Nothing;
        client.load = NO_LOAD;
        client.generation = client.generation.wrapping_add(1);
        self.clients.release(id.slot);
    }

    /// Does the next step of a client.
    pub(super) fn client_steps<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ClientId) {
        let client = self.clients.get_mut(id.slot);
        let Client { load, class, vu, step, began, .. } = *client;
        match self.classes[class.index()].get(usize::from(step)) {
            None if ctx.now == began => {
                let event = Event::ClientWakes(id);
                ctx.queue.schedule(ctx.now + SHORTEST_ITERATION, event.rank(), event);
            }
            None => {
                self.release_client(id);
                self.ended.push(IterationEnd { load, vu });
                ctx.observer.iteration_ended(ctx.now, load, class, ctx.now.since(began));
            }
            Some(Step::Sleep(pause)) => {
                client.step += 1;
                let wakes = ctx.now + pause.sample_span(&mut self.sleep_stream);
                let event = Event::ClientWakes(id);
                ctx.queue.schedule(wakes, event.rank(), event);
            }
            Some(Step::Call { operation, lane, policy }) => {
                self.tally.begun += 1;
                let caller = Caller::Client(id);
                let (operation, lane, policy) = (*operation, *lane, *policy);
                if policy == NO_POLICY {
                    self.begin(ctx, operation, caller, (lane, 0, 0));
                } else {
                    let (site, repeats_left) = (0, 0);
                    let wanted = Wanted { operation, caller, lane, site, repeats_left, policy };
                    self.begin_effort(ctx, wanted);
                }
            }
        }
    }

    /// Tells a client how its call ended; it goes on with its next step.
    pub(super) fn answer_client<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        id: ClientId,
        call: Answered,
        end: CallEnd,
    ) {
        self.tally.ends[end.number()] += 1;
        let client = self.clients.get_mut(id.slot);
        let Client { load, class, step, .. } = *client;
        // Who leaves does not come to the next step.
        client.step = if end == CallEnd::Abandoned { u16::MAX } else { step + 1 };
        client.awaits = Awaits::Nothing;
        let took = ctx.now.since(call.started);
        let operation = call.operation;
        ctx.observer.call_ended(ctx.now, &ClientCall { load, class, step, operation, took, end });
        self.work.push(Work::Client(id));
    }
}
