//! Calls and clients under way: arenas whose slots are reused, so memory is what is inside.

use crate::model::id::{CallId, ClassId, ClientId, EffortId, LoadId, OperationId, ServerId};
use crate::model::observer::CallEnd;
use crate::service::connections::Held;
use crate::service::spec::OnError;
use crate::units::convert::{count_u32, index};
use crate::units::time::SimTime;

/// One request to an operation, under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) generation: u32,
    pub(super) operation: OperationId,
    pub(super) caller: Caller,
    /// The server that holds it, from routing on.
    pub(super) server: Option<ServerId>,
    pub(super) phase: Phase,
    /// Next step of the operation's calls.
    pub(super) step: u16,
    /// Calls of the present step that are not answered yet.
    pub(super) pending: u16,
    /// How often its site is called again after it.
    pub(super) repeats_left: u32,
    /// Which call site of the caller it came from.
    pub(super) site: u32,
    /// How it will end because a call it depends on failed.
    pub(super) failure: Option<CallEnd>,
    /// Whether its caller gave up on it.
    pub(super) forsaken: Forsaken,
    /// Under which key a limit of connections counts it, and one; 0 when none does.
    pub(super) counted: u32,
    /// Connections it holds for itself.
    pub(super) held: Held,
    /// Connections it holds for the calls it makes.
    pub(super) held_for_calls: Held,
    pub(super) started: SimTime,
    /// When nobody wants its answer any more, as its first caller said.
    pub(super) deadline: SimTime,
}

/// Whether the caller of a call still waits, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forsaken {
    /// It waits, or never did.
    No,
    /// It gave up: to the service the call has timed out.
    TimedOut,
    /// It has its answer from elsewhere, or is gone.
    Cancelled,
}

/// A call as its caller gets to know it: the last attempt stands for all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) operation: OperationId,
    pub(super) started: SimTime,
    pub(super) site: u32,
    pub(super) repeats_left: u32,
}

impl Call {
    pub(super) const fn answered(&self) -> Answered {
        let Self { operation, started, site, repeats_left, .. } = *self;
        Answered { operation, started, site, repeats_left }
    }
}

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    /// Nothing, or the end of a pause.
    Nothing,
    /// A plain call.
    Call(CallId),
    /// A call with a policy.
    Effort(EffortId),
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// A client.
    Client(ClientId),
    /// Another call.
    Call(CallId),
    /// A kubelet, whose probe asks whether the process answers. It takes no time once it is its turn,
    /// and nobody measures it.
    Kubelet,
    /// A call with a policy, of which this is an attempt.
    Effort(EffortId),
    /// The pod of a Job, by the number of its work.
    Job(u32),
    /// Nobody: a queued task, or the caller gave up.
    Nobody,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// In a backlog or a broker's list.
    Queued,
    /// Admitted; its CPU demand comes next.
    Admitted,
    /// On the CPU.
    OnCpu,
    /// In a pure delay.
    Delayed,
    /// Its answer leaves over the station's link.
    OnLink,
    /// It has left its server; its answer is on the way to the caller.
    Returning,
    /// Waiting for or on the GPU.
    OnGpu,
    /// Its own calls are under way.
    Calling,
    /// Held back by a limit of rate until its turn.
    Held,
    /// Waiting for a connection.
    Connecting,
    /// A task whose worker died: nobody has it until the broker delivers it again.
    Unacknowledged,
    /// Its server's machine stopped: nothing happens to it any more, and nobody is told.
    Stalled,
}

/// One iteration of a client, under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) load: LoadId,
    pub(super) class: ClassId,
    /// The virtual user that runs it; meaningful to the load alone.
    pub(super) vu: u32,
    pub(super) step: u16,
    pub(super) began: SimTime,
    pub(super) generation: u32,
    pub(super) awaits: Awaits,
}

/// Slots reused in last-in-first-out order, so that the hot ones stay in cache.
#[derive(Debug)]
pub(super) struct Arena<T> {
    slots: Vec<T>,
    free: Vec<u32>,
}

impl<T> Arena<T> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, make: impl FnOnce(Option<&T>) -> T) -> u32 {
        if let Some(slot) = self.free.pop() {
            let value = make(Some(&self.slots[index(slot)]));
            self.slots[index(slot)] = value;
            slot
        } else {
            self.slots.push(make(None));
            count_u32(self.slots.len() - 1)
        }
    }

    pub(super) fn release(&mut self, slot: u32) {
        self.free.push(slot);
    }

    pub(super) fn get(&self, slot: u32) -> &T {
        &self.slots[index(slot)]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut T {
        &mut self.slots[index(slot)]
    }

    /// All slots there are.
    pub(super) fn len(&self) -> u32 {
        count_u32(self.slots.len())
    }

    /// Slots in use.
    pub(super) fn in_use(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn all(&self) -> &[T] {
        &self.slots
    }
}

/// What the end of a call means for the call that made it; `None` when it goes on.
pub(super) const fn propagated(end: CallEnd, on_error: OnError) -> Option<CallEnd> {
    match (end, on_error) {
        (CallEnd::Completed, _) | (_, OnError::Ignore) => None,
        (end, OnError::Pass) => Some(end),
        (_, OnError::Fail) => Some(CallEnd::Failed),
    }
}
