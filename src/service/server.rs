//! One pod as a server: its CPU, its backlog, its GPU.

use std::collections::VecDeque;

use crate::engine::{EventQueue, TimerId};
use crate::model::event::Event;
use crate::model::id::{CallId, NodeId, PodId, ServerId, StationId};
use crate::service::machine::{NO_MACHINE, Place};
use crate::service::processor::Processor;
use crate::service::quota::Quota;
use crate::service::resources::Disk;
use crate::service::spec::{StationKind, StationSpec};
use crate::units::convert::count_u32;
use crate::units::time::{SimDuration, SimTime};

/// A pod that serves a station.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) station: StationId,
    pub(super) pod: PodId,
    pub(super) state: ServerState,
    pub(super) cpu: Processor,
    pub(super) cpu_timer: TimerId,
    /// Its completions are being handled: the timer is armed once, after all of them.
    pub(super) completing: bool,
    /// Cores the process can use on a machine that is not full.
    pub(super) cap: f64,
    /// Cores it can use at all, whatever it may.
    pub(super) most_cores: f64,
    /// Its limit is what bounds it, in the mean.
    limited: bool,
    /// Its limit, where periods are simulated.
    pub(super) quota: Option<Quota>,
    /// The machine it shares, [`NO_MACHINE`] for one of its own.
    pub(super) machine: u32,
    /// All that share it could want more than it has together.
    pub(super) contended: bool,
    /// Its weight there.
    pub(super) weight: f64,
    /// Cores it wanted when shares were last looked at.
    pub(super) wanted: f64,
    /// Cores that coming up takes.
    pub(super) starting: f64,
    /// Cores that are used beside requests.
    pub(super) background: f64,
    /// Requests worked on at once.
    pub(super) concurrency: u32,
    /// Requests being worked on.
    pub(super) in_service: u32,
    /// Requests inside, waiting ones among them.
    pub(super) inside: u32,
    /// Requests that ended here since it began.
    pub(super) served: u64,
    /// The most requests that memory was held for since it was looked at.
    pub(super) most_inside: u32,
    pub(super) backlog: VecDeque<CallId>,
    pub(super) backlog_limit: u32,
    /// Of a worker: what it holds of the broker's tasks.
    pub(super) tasks: Option<Tasks>,
    pub(super) gpu: Option<Gpu>,
    pub(super) disk: Disk,
    /// The node it runs on, and its zone.
    pub(super) node: Option<NodeId>,
    pub(super) zone: Option<u64>,
    pub(super) began: SimTime,
}

/// Whether a server takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerState {
    /// The process runs; no requests come yet.
    Closed,
    /// Requests come.
    Open,
    /// No new requests are taken; those inside go on. Those that still come are refused.
    Draining,
    /// Its machine stopped: requests come and get no answer.
    Silent,
}

/// The tasks of a worker.
#[derive(Debug)]
pub(super) struct Tasks {
    /// Unacknowledged tasks it may hold.
    pub(super) reserve: u32,
    /// Those worked on are acknowledged when done.
    pub(super) late_acks: bool,
    /// Those worked on, and since when.
    pub(super) running: Vec<(u32, SimTime)>,
}

/// A GPU that serves one batch at a time.
#[derive(Debug)]
pub(super) struct Gpu {
    /// Calls that wait, and since when.
    pub(super) queue: VecDeque<(SimTime, CallId)>,
    pub(super) batch: Vec<CallId>,
    pub(super) done_timer: TimerId,
    pub(super) start_timer: TimerId,
    /// When the running batch began; `None` when idle.
    pub(super) busy_since: Option<SimTime>,
    /// Time spent on finished batches.
    pub(super) busy: SimDuration,
}

impl Server {
    pub(super) fn new(
        now: SimTime,
        id: ServerId,
        pod: PodId,
        (station, spec): (StationId, &StationSpec),
        place: &Place,
        queue: &mut EventQueue<Event>,
    ) -> Self {
        let (concurrency, threads, max_cores) = match &spec.kind {
            StationKind::Cpu(cpu) => {
                (cpu.concurrency, cpu.threads_per_request, cpu.max_cores.unwrap_or(f64::INFINITY))
            }
            StationKind::Worker(worker) => (Some(worker.concurrency), 1.0, f64::INFINITY),
            StationKind::Gpu(_) | StationKind::Delay => (None, 1.0, f64::INFINITY),
        };
        let tasks = match &spec.kind {
            StationKind::Worker(worker) => Some(Tasks {
                reserve: worker.reserve(),
                late_acks: worker.late_acks,
                running: Vec::new(),
            }),
            StationKind::Cpu(_) | StationKind::Gpu(_) | StationKind::Delay => None,
        };
        let gpu = matches!(spec.kind, StationKind::Gpu(_)).then(|| Gpu {
            queue: VecDeque::new(),
            batch: Vec::new(),
            done_timer: queue.timer(Event::GpuDone(id)),
            start_timer: queue.timer(Event::GpuStart(id)),
            busy_since: None,
            busy: SimDuration::ZERO,
        });
        let at_once = concurrency.map_or(f64::INFINITY, f64::from) * threads;
        let most_cores = max_cores.min(at_once);
        let usable = place.machine_cores.min(most_cores).max(0.001);
        let exact = matches!(&spec.kind, StationKind::Cpu(cpu) if cpu.exact_quota);
        let below = place.limit.filter(|limit| *limit < usable);
        let quota = below
            .filter(|_| exact)
            .map(|limit| Quota::new(limit.max(0.001), now, queue.timer(Event::CfsPeriod(id))));
        let limited = below.is_some() && !exact;
        let cap = if limited { place.cores() } else { usable };
        let mut cpu = Processor::new(cap, threads, now);
        cpu.set_limited(now, limited);
        Self {
            station,
            pod,
            state: ServerState::Closed,
            cpu,
            cpu_timer: queue.timer(Event::CpuDone(id)),
            completing: false,
            cap,
            most_cores,
            limited,
            quota,
            machine: NO_MACHINE,
            contended: false,
            weight: 1.0,
            wanted: 0.0,
            starting: 0.0,
            background: 0.0,
            concurrency: concurrency.unwrap_or(u32::MAX),
            in_service: 0,
            inside: 0,
            served: 0,
            most_inside: 0,
            backlog: VecDeque::new(),
            backlog_limit: spec.backlog.unwrap_or(u32::MAX),
            tasks,
            gpu,
            disk: Disk::default(),
            node: place.machine,
            zone: place.zone,
            began: now,
        }
    }

    /// Puts a call on the CPU.
    pub(super) fn compute(
        &mut self,
        now: SimTime,
        demand_core_s: f64,
        slot: u32,
        queue: &mut EventQueue<Event>,
    ) {
        let moved = self.cpu.admit(now, demand_core_s, slot);
        if moved && !self.completing {
            self.arm_cpu(queue);
        }
    }

    /// The machine gives it so many cores from now on.
    pub(super) fn give_cores(&mut self, now: SimTime, cores: f64, queue: &mut EventQueue<Event>) {
        self.cpu.set_cores(now, cores);
        self.cpu.set_limited(now, self.limited && cores >= self.cap);
        if self.quota.is_some() {
            self.follow_quota(now, queue);
        }
        self.arm_cpu(queue);
    }

    /// Whether what it wants of its CPU matters to others, or to its quota.
    pub(super) fn is_followed(&self) -> bool {
        self.contended || self.quota.is_some()
    }

    /// A request comes in.
    pub(super) fn enter(&mut self) {
        self.inside += 1;
        self.note_holding();
    }

    /// Requests that memory is held for: all inside, but of a worker's tasks only those it works on. A
    /// reserved task is a message, whose data its child process loads when its turn comes.
    pub(super) fn holding(&self) -> u32 {
        if self.tasks.is_some() { self.in_service } else { self.inside }
    }

    /// Remembers how many memory is held for, if it is the most.
    pub(super) fn note_holding(&mut self) {
        self.most_inside = self.most_inside.max(self.holding());
    }

    /// Whether another request can be worked on.
    pub(super) fn has_room(&self) -> bool {
        self.in_service < self.concurrency
    }

    /// Whether a worker may take another task from the broker.
    pub(super) fn takes_tasks(&self) -> bool {
        self.tasks.as_ref().is_some_and(|tasks| {
            let working = if tasks.late_acks { self.in_service } else { 0 };
            self.state == ServerState::Open
                && count_u32(self.backlog.len()) + working < tasks.reserve
        })
    }

    /// Whether a server that takes nothing new has nothing left to do. A worker does not begin what it
    /// has reserved.
    pub(super) fn is_idle(&self) -> bool {
        if self.tasks.is_some() { self.in_service == 0 } else { self.inside == 0 }
    }

    /// Arms the CPU timer for the next completion.
    pub(super) fn arm_cpu(&self, queue: &mut EventQueue<Event>) {
        match self.cpu.next_completion() {
            Some(at) => queue.arm(self.cpu_timer, at, CPU_RANK),
            None => queue.disarm(self.cpu_timer),
        }
    }

    /// Requests that wait: in the backlog, and on a GPU server for the GPU.
    pub(super) fn waiting(&self) -> usize {
        self.backlog.len() + self.gpu.as_ref().map_or(0, |gpu| gpu.queue.len())
    }

    /// GPU time spent until `now`.
    pub(super) fn gpu_busy(&self, now: SimTime) -> Option<SimDuration> {
        self.gpu.as_ref().map(|gpu| {
            gpu.busy + gpu.busy_since.map_or(SimDuration::ZERO, |since| now.since(since))
        })
    }

    /// Stops all work: what was being done is lost, and nothing is due any more.
    pub(super) fn stop(&mut self, now: SimTime, queue: &mut EventQueue<Event>) {
        self.cpu.clear(now);
        self.backlog.clear();
        queue.disarm(self.cpu_timer);
        if let Some(quota) = &self.quota {
            queue.disarm(quota.timer);
        }
        if let Some(gpu) = &mut self.gpu {
            gpu.queue.clear();
            gpu.batch.clear();
            gpu.busy_since = None;
            queue.disarm(gpu.done_timer);
            queue.disarm(gpu.start_timer);
        }
    }

    /// Gives the timers back; the server must not be used again.
    pub(super) fn release_timers(&self, queue: &mut EventQueue<Event>) {
        queue.release(self.cpu_timer);
        if let Some(quota) = &self.quota {
            queue.release(quota.timer);
        }
        if let Some(gpu) = &self.gpu {
            queue.release(gpu.done_timer);
            queue.release(gpu.start_timer);
        }
    }
}

/// Rank of completions; all of them have the same.
pub(super) const CPU_RANK: crate::engine::Rank = crate::engine::Rank(1);
