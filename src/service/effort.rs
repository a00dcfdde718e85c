//! Efforts: calls with a policy, from the first attempt over pauses and hedges to the one answer.
//!
//! The caller waits for the effort; the attempts are plain calls whose caller is the effort. Plain
//! calls without a policy never come here and cost nothing more.

use rand::RngExt;

use crate::engine::Stream;
use crate::model::event::{EffortStep, Event};
use crate::model::id::{CallId, EffortId, OperationId, ServerId};
use crate::model::observer::{CallEnd, Observer};
use crate::service::breaker::Breaker;
use crate::service::call::{Answered, Awaits, Call, Caller, Forsaken};
use crate::service::runtime::{Ctx, Services};
use crate::service::spec::{Jitter, PolicySpec, RetrySpec};
use crate::units::convert::index;
use crate::units::time::{SimDuration, SimTime};

/// Attempts of one effort under way at once: the first and three hedges.
const AT_ONCE: usize = 4;

/// A call with a policy under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    pub(super) generation: u32,
    pub(super) caller: Caller,
    operation: OperationId,
    lane: u32,
    site: u32,
    repeats_left: u32,
    policy: u32,
    /// Whose state of the policy it uses: a position in [`PolicyRun::states`], and which tenant of it.
    owner: u32,
    epoch: u32,
    began: SimTime,
    pub(super) deadline: SimTime,
    /// Attempts begun, hedges not counted.
    attempt: u16,
    /// Hedges of the present attempt.
    hedges: u16,
    /// Calls under way.
    pub(super) calls: [Option<CallId>; AT_ONCE],
    /// The pause before the present attempt.
    pause: SimDuration,
    /// It counts as a retry under way.
    retrying: bool,
}

/// A policy at work.
#[derive(Debug)]
pub(super) struct PolicyRun {
    /// By caller: 0 is the clients or a service outside the cluster, then the servers.
    states: Vec<PolicyState>,
    stream: Stream,
}

/// What one process remembers of its calls.
#[derive(Debug, Clone, Default)]
struct PolicyState {
    epoch: u32,
    /// Efforts under way.
    active: u32,
    /// Of these, in or before a retry.
    retrying: u32,
    breaker: Breaker,
}

impl PolicyRun {
    pub(super) fn new(stream: Stream) -> Self {
        Self { states: Vec::new(), stream }
    }

    /// A server died, and what its process remembered with it.
    pub(super) fn forget(&mut self, server: ServerId) {
        if let Some(state) = self.states.get_mut(server.index() + 1) {
            *state = PolicyState { epoch: state.epoch + 1, ..PolicyState::default() };
        }
    }

    fn state(&mut self, owner: u32) -> &mut PolicyState {
        let position = index(owner);
        if self.states.len() <= position {
            self.states.resize(position + 1, PolicyState::default());
        }
        &mut self.states[position]
    }
}

/// What an effort is made of.
pub(super) struct Wanted {
    pub(super) operation: OperationId,
    pub(super) caller: Caller,
    pub(super) lane: u32,
    pub(super) site: u32,
    pub(super) repeats_left: u32,
    pub(super) policy: u32,
}

impl Services {
    /// A call with a policy begins.
    pub(super) fn begin_effort<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, wanted: Wanted) {
        let Wanted { operation, caller, lane, site, repeats_left, policy } = wanted;
        let graph = std::sync::Arc::clone(&self.graph);
        let spec = &graph.policies[index(policy)];
        let (server, inherited) = match caller {
            Caller::Call(parent) => {
                let parent = self.calls.get(parent.slot);
                (parent.server, parent.deadline)
            }
            Caller::Client(_)
            | Caller::Effort(_)
            | Caller::Kubelet
            | Caller::Job(_)
            | Caller::Nobody => (None, SimTime::MAX),
        };
        let owner = server.map_or(0, |server| server.0 + 1);
        let own = spec.deadline.map_or(SimTime::MAX, |span| ctx.now + span);
        let deadline = own.min(inherited);
        let run = &mut self.policies[index(policy)];
        let patience = spec.patience.as_ref().map(|span| span.sample_span(&mut run.stream));
        let state = run.state(owner);
        state.active += 1;
        let epoch = state.epoch;
        let permitted = spec.breaker.as_ref().is_none_or(|it| state.breaker.permits(ctx.now, it));
        let slot = self.efforts.insert(|old| Effort {
            generation: old.map_or(0, |old| old.generation),
            caller,
            operation,
            lane,
            site,
            repeats_left,
            policy,
            owner,
            epoch,
            began: ctx.now,
            deadline,
            attempt: 0,
            hedges: 0,
            calls: [None; AT_ONCE],
            pause: SimDuration::ZERO,
            retrying: false,
        });
        let id = EffortId { slot, generation: self.efforts.get(slot).generation };
        if let Caller::Client(client) = caller {
            self.clients.get_mut(client.slot).awaits = Awaits::Effort(id);
        }
        if !permitted {
            self.settle_effort(ctx, id, CallEnd::ShortCircuited);
            return;
        }
        if deadline < SimTime::MAX {
            later(ctx, deadline, id, EffortStep::Deadline);
        }
        if let Some(span) = patience {
            later(ctx, ctx.now + span, id, EffortStep::Patience);
        }
        self.attempt(ctx, id, spec);
    }

    /// Something of an effort is due. That of one which is settled concerns nobody.
    pub fn effort_due<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        id: EffortId,
        step: EffortStep,
    ) {
        if !self.is_open(id) {
            return;
        }
        match step {
            EffortStep::Deadline => self.settle_effort(ctx, id, CallEnd::TimedOut),
            EffortStep::Patience => self.settle_effort(ctx, id, CallEnd::Abandoned),
            EffortStep::Retry => self.retry(ctx, id),
            EffortStep::Hedge(attempt) => self.hedge(ctx, id, attempt),
        }
        self.run(ctx);
    }

    fn is_open(&self, id: EffortId) -> bool {
        self.efforts.get(id.slot).generation == id.generation
    }

    fn attempt<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: EffortId, spec: &PolicySpec) {
        let effort = self.efforts.get_mut(id.slot);
        effort.attempt = effort.attempt.saturating_add(1);
        effort.hedges = 0;
        let attempt = effort.attempt;
        if let Some(hedge) = spec.hedge {
            later(ctx, ctx.now + hedge.after, id, EffortStep::Hedge(attempt));
        }
        self.launch(ctx, id);
    }

    fn launch<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: EffortId) {
        let Effort { operation, lane, site, .. } = *self.efforts.get(id.slot);
        self.begin(ctx, operation, Caller::Effort(id), (lane, site, 0));
    }

    /// An attempt of an effort exists from now on.
    pub(super) fn attempt_began(&mut self, id: EffortId, call: CallId) {
        let calls = &mut self.efforts.get_mut(id.slot).calls;
        let free = calls.iter_mut().find(|place| place.is_none());
        *free.expect("there are no more attempts at once than places") = Some(call);
    }

    fn retry<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: EffortId) {
        let graph = std::sync::Arc::clone(&self.graph);
        let effort = self.efforts.get(id.slot);
        let spec = &graph.policies[index(effort.policy)];
        let state = self.policies[index(effort.policy)].state(effort.owner);
        if spec.breaker.as_ref().is_some_and(|it| !state.breaker.permits(ctx.now, it)) {
            self.settle_effort(ctx, id, CallEnd::ShortCircuited);
            return;
        }
        ctx.observer.call_repeated(ctx.now, effort.operation, false);
        self.attempt(ctx, id, spec);
    }

    fn hedge<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: EffortId, attempt: u16) {
        let effort = self.efforts.get_mut(id.slot);
        let spec = self.graph.policies[index(effort.policy)].hedge;
        let spec = spec.expect("only a policy with hedges asks for one");
        let waits = effort.calls.iter().any(Option::is_some);
        if effort.attempt != attempt || !waits || u32::from(effort.hedges) >= spec.most {
            return;
        }
        effort.hedges += 1;
        ctx.observer.call_repeated(ctx.now, effort.operation, true);
        later(ctx, ctx.now + spec.after, id, EffortStep::Hedge(attempt));
        self.launch(ctx, id);
    }

    /// An attempt ended, or was given up.
    pub(super) fn answer_effort<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        id: EffortId,
        (attempt, call): (CallId, &Call),
        end: CallEnd,
    ) {
        if !self.is_open(id) {
            return;
        }
        let graph = std::sync::Arc::clone(&self.graph);
        let effort = self.efforts.get_mut(id.slot);
        for place in &mut effort.calls {
            place.take_if(|it| *it == attempt);
        }
        let effort = *effort;
        let spec = &graph.policies[index(effort.policy)];
        let failed = end.is_failure();
        let state = self.policies[index(effort.policy)].state(effort.owner);
        if let Some(breaker) = &spec.breaker
            && state.epoch == effort.epoch
        {
            state.breaker.record(ctx.now, breaker, failed, ctx.now.since(call.started));
        }
        if !failed {
            self.settle_effort(ctx, id, end);
        } else if effort.calls.iter().all(Option::is_none) {
            match spec.retry.as_ref().and_then(|retry| self.pause(ctx.now, id, retry, end)) {
                Some(pause) => later(ctx, ctx.now + pause, id, EffortStep::Retry),
                None => self.settle_effort(ctx, id, end),
            }
        }
    }

    /// How long the effort pauses before it tries again; `None` when it does not.
    fn pause(
        &mut self,
        now: SimTime,
        id: EffortId,
        spec: &RetrySpec,
        end: CallEnd,
    ) -> Option<SimDuration> {
        let effort = *self.efforts.get(id.slot);
        let wanted = match effort.caller {
            Caller::Call(parent) => self.is_live(parent),
            Caller::Client(_) => true,
            Caller::Effort(_) | Caller::Kubelet | Caller::Job(_) | Caller::Nobody => false,
        };
        if !wanted || u32::from(effort.attempt) >= spec.attempts || !spec.on.contains(end) {
            return None;
        }
        let run = &mut self.policies[index(effort.policy)];
        let pause = next_pause(spec, effort.attempt, effort.pause, &mut run.stream);
        if now + pause >= effort.deadline {
            return None;
        }
        let state = run.state(effort.owner);
        if !effort.retrying && state.epoch == effort.epoch {
            if let Some(budget) = spec.budget {
                let share = budget.share * f64::from(state.active);
                if f64::from(state.retrying) + 1.0 > share.max(f64::from(budget.min)) {
                    return None;
                }
            }
            state.retrying += 1;
            self.efforts.get_mut(id.slot).retrying = true;
        }
        self.efforts.get_mut(id.slot).pause = pause;
        Some(pause)
    }

    /// The effort is over: its caller gets the answer, its other attempts are for nobody.
    fn settle_effort<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: EffortId, end: CallEnd) {
        let effort = self.release_effort(id);
        let Effort { operation, site, repeats_left, began, .. } = effort;
        let answered = Answered { operation, started: began, site, repeats_left };
        match effort.caller {
            Caller::Client(client) => self.answer_client(ctx, client, answered, end),
            Caller::Call(parent) => self.answer_call(parent, answered, end),
            Caller::Effort(_) | Caller::Kubelet | Caller::Job(_) | Caller::Nobody => {}
        }
    }

    /// Ends an effort without a word to its caller.
    pub(super) fn release_effort(&mut self, id: EffortId) -> Effort {
        let effort = *self.efforts.get(id.slot);
        debug_assert_eq!(effort.generation, id.generation, "an effort ends once");
        let breaks = self.graph.policies[index(effort.policy)].breaker.is_some();
        let state = self.policies[index(effort.policy)].state(effort.owner);
        let mine = state.epoch == effort.epoch;
        if mine {
            state.active -= 1;
            state.retrying -= u32::from(effort.retrying);
        }
        for call in effort.calls.into_iter().flatten() {
            let call = self.calls.get_mut(call.slot);
            call.caller = Caller::Nobody;
            call.forsaken = Forsaken::Cancelled;
            if mine && breaks {
                state.breaker.forget();
            }
        }
        let slot = self.efforts.get_mut(id.slot);
        slot.generation = slot.generation.wrapping_add(1);
        slot.caller = Caller::Nobody;
        slot.calls = [None; AT_ONCE];
        self.efforts.release(id.slot);
        effort
    }
}

fn later<O>(ctx: &mut Ctx<'_, O>, at: SimTime, id: EffortId, step: EffortStep) {
    let event = Event::Effort(id, step);
    ctx.queue.schedule(at, event.rank(), event);
}

/// The pause after so many attempts; `before` is the pause before the last of them.
fn next_pause(
    spec: &RetrySpec,
    attempts: u16,
    before: SimDuration,
    stream: &mut Stream,
) -> SimDuration {
    let (base, cap) = (spec.base.as_secs_f64(), spec.cap.as_secs_f64());
    let mut full = base;
    // A loop in place of a power: exact, and short because the cap ends it.
    for _ in 1..attempts {
        full *= spec.multiplier;
        if full >= cap || spec.multiplier <= 1.0 {
            break;
        }
    }
    let full = full.min(cap);
    let seconds = match spec.jitter {
        Jitter::None => full,
        Jitter::Full => full * stream.random::<f64>(),
        Jitter::Equal => full / 2.0 * (1.0 + stream.random::<f64>()),
        Jitter::Decorrelated => {
            let most = (3.0 * before.as_secs_f64()).max(base);
            (base + (most - base) * stream.random::<f64>()).min(cap)
        }
    };
    SimDuration::from_secs_f64(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Streams;
    use crate::service::spec::RetryOn;

    fn retry(jitter: Jitter) -> RetrySpec {
        RetrySpec {
            attempts: 10,
            base: SimDuration::from_millis(100),
            multiplier: 2.0,
            cap: SimDuration::from_millis(1_500),
            jitter,
            on: RetryOn::USUAL,
            budget: None,
        }
    }

    #[test]
    fn pauses_double_up_to_their_cap() {
        let mut stream = Streams::new(1, 0).of("policy/test");
        let pauses: Vec<u64> = (1..=7)
            .map(|n| next_pause(&retry(Jitter::None), n, SimDuration::ZERO, &mut stream))
            .map(|pause| pause.as_nanos() / 1_000_000)
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_500, 1_500, 1_500]);
    }

    #[test]
    fn jitter_spreads_pauses_over_its_own_range() {
        const SEED: u64 = 11;
        println!("seed {SEED}");
        let before = SimDuration::from_millis(300);
        for (jitter, low, high) in [
            (Jitter::Full, 0.0, 400.0),
            (Jitter::Equal, 200.0, 400.0),
            (Jitter::Decorrelated, 100.0, 900.0),
        ] {
            let mut stream = Streams::new(SEED, 0).of("policy/test");
            let mut pauses: Vec<f64> = (0..10_000)
                .map(|_| next_pause(&retry(jitter), 3, before, &mut stream).as_millis_f64())
                .collect();
            pauses.sort_by(f64::total_cmp);
            let mean = pauses.iter().sum::<f64>() / 1e4;
            assert!(pauses[0] >= low && pauses[9_999] <= high, "{jitter:?}: {}", pauses[0]);
            // Five standard errors of the mean of a uniform law.
            let error = 5.0 * (high - low) / 12.0_f64.sqrt() / 100.0;
            assert!((mean - f64::midpoint(low, high)).abs() < error, "{jitter:?}: mean {mean}");
        }
    }
}
