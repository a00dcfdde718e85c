//! GPU batching: items of one operation that wait together are served together.
//!
//! As Triton's dynamic batcher: a batch starts as soon as the GPU is free, as large as the queue
//! allows, unless `maxQueueDelay` lets the oldest item wait for company (server documentation,
//! "Dynamic Batcher"). Work that is given as time runs alone.

use crate::model::event::Event;
use crate::model::id::{CallId, OperationId, ServerId};
use crate::model::observer::Observer;
use crate::service::call::Phase;
use crate::service::runtime::{Ctx, Services, Work, stretched};
use crate::service::server::CPU_RANK;
use crate::service::spec::{GpuSpec, GpuWork, StationKind};
use crate::units::convert::{count_u32, index};
use crate::units::time::{SimDuration, SimTime};

impl Services {
    /// A call joins the queue of its server's GPU.
    pub(super) fn enter_gpu<O: Observer>(
        &mut self,
        ctx: &mut Ctx<'_, O>,
        server: ServerId,
        call: CallId,
    ) {
        debug_assert_eq!(self.calls.get(call.slot).phase, Phase::OnGpu, "the phase is set before");
        let live = self.servers[server.index()].as_deref_mut().expect("its server is live");
        let gpu = live.gpu.as_mut().expect("a GPU operation is served by a GPU station");
        gpu.queue.push_back((ctx.now, call));
        if gpu.busy_since.is_none() {
            self.start_batch(ctx, server);
        }
    }

    /// The running batch is done.
    pub fn gpu_done<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, server: ServerId) {
        let live = self.servers[server.index()].as_deref_mut().expect("a live server's timer");
        let gpu = live.gpu.as_mut().expect("a GPU's timer");
        let since = gpu.busy_since.take().expect("a batch was running");
        gpu.busy += ctx.now.since(since);
        self.work.extend(gpu.batch.drain(..).rev().map(Work::Proceed));
        self.start_batch(ctx, server);
        self.run(ctx);
    }

    /// The oldest item has waited for company long enough.
    pub fn gpu_start<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, server: ServerId) {
        let idle = self.servers[server.index()]
            .as_deref()
            .and_then(|server| server.gpu.as_ref())
            .is_some_and(|gpu| gpu.busy_since.is_none());
        if idle {
            self.start_batch(ctx, server);
        }
    }

    /// Starts the next batch if the rules allow one now.
    fn start_batch<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, server: ServerId) {
        let graph = std::sync::Arc::clone(&self.graph);
        let live = self.servers[server.index()].as_deref().expect("its server is live");
        let station = live.station;
        let StationKind::Gpu(spec) = &graph.stations[station.index()].kind else {
            unreachable!("only GPU stations have GPUs")
        };
        let Some(Batch { calls, operation, time, oldest, may_grow }) =
            self.next_batch(server, spec.max_batch)
        else {
            return;
        };
        let waits_until = oldest + spec.max_queue_delay;
        let live = self.servers[server.index()].as_deref_mut().expect("its server is live");
        let gpu = live.gpu.as_mut().expect("a GPU station's server");
        if may_grow && waits_until > ctx.now {
            ctx.queue.arm(gpu.start_timer, waits_until, Event::GpuStart(server).rank());
            return;
        }
        gpu.batch.extend(gpu.queue.drain(..calls).map(|(_, call)| call));
        ctx.queue.disarm(gpu.start_timer);
        gpu.busy_since = Some(ctx.now);
        let timer = gpu.done_timer;
        let took = match time {
            BatchTime::OfItems(items) => {
                let own = graph.operations[operation.index()].batch_latency.as_ref();
                own.unwrap_or(&spec.latency).of(items)
            }
            BatchTime::Alone => self.time_alone(server),
        };
        let took = stretched(took, self.stations[station.index()].slowdown);
        ctx.queue.arm(timer, ctx.now + took, CPU_RANK);
    }

    /// What would be the next batch if it began now.
    fn next_batch(&self, server: ServerId, max_batch: u32) -> Option<Batch> {
        let live = self.servers[server.index()].as_deref()?;
        let queue = &live.gpu.as_ref()?.queue;
        let operation = |call: &CallId| self.calls.get(call.slot).operation;
        let (oldest, first) = queue.front()?;
        let (oldest, first) = (*oldest, operation(first));
        let Some(GpuWork::Items(each)) = self.graph.operations[first.index()].gpu else {
            return Some(Batch {
                calls: 1,
                operation: first,
                time: BatchTime::Alone,
                oldest,
                may_grow: false,
            });
        };
        let most = index((max_batch / each.max(1)).max(1));
        let same = queue.iter().take(most).take_while(|(_, call)| operation(call) == first);
        let calls = same.count();
        let time = BatchTime::OfItems(count_u32(calls) * each);
        // Behind another operation's call nobody can join any more.
        let may_grow = calls < most && calls == queue.len();
        Some(Batch { calls, operation: first, time, oldest, may_grow })
    }

    /// Draws the time of the call that has the GPU alone.
    fn time_alone(&mut self, server: ServerId) -> SimDuration {
        let live = self.servers[server.index()].as_deref().expect("its server is live");
        let call = live.gpu.as_ref().and_then(|gpu| gpu.batch.first()).expect("a batch of one");
        let operation = self.calls.get(call.slot).operation;
        self.draw_gpu_time(operation)
    }
}

/// A batch about to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Batch {
    /// So many of the oldest calls.
    calls: usize,
    /// All of this operation: batches are of one model.
    operation: OperationId,
    time: BatchTime,
    /// Since when the oldest waits.
    oldest: SimTime,
    /// Calls to come could still join.
    may_grow: bool,
}

/// How long a batch takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BatchTime {
    /// By the latency line or table, of so many items.
    OfItems(u32),
    /// By the operation's own distribution.
    Alone,
}

impl GpuSpec {
    /// The largest throughput in items per second: full batches back to back.
    #[must_use]
    pub fn max_items_per_second(&self) -> f64 {
        f64::from(self.max_batch) / self.latency.of(self.max_batch).as_secs_f64()
    }
}
