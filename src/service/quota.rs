//! CPU limits as Linux enforces them: a quota in every period, after which nothing runs until the next.
//!
//! `cpu.max` of cgroups, periods of 100 ms (kubelet `cpuCFSQuotaPeriod`; kernel `sched/fair.c`, "CFS
//! bandwidth"). A process with more threads than its limit has cores runs at full speed on all of them until
//! the quota is used up, and then waits: short requests are fast or wait for a whole period. Slices of the
//! quota that idle cores hold back are left out.

use crate::engine::{EventQueue, TimerId};
use crate::model::event::Event;
use crate::model::id::ServerId;
use crate::model::observer::Observer;
use crate::service::runtime::{Ctx, Services};
use crate::service::server::Server;
use crate::units::convert::{ceil_u64, f64_from_u64};
use crate::units::time::{SimDuration, SimTime};

/// Length of a period.
pub(super) const PERIOD: SimDuration = SimDuration::from_millis(100);

/// How much a limit has held a process up, as cAdvisor counts it (`container_cpu_cfs_*`).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Throttling {
    /// Periods in which it ran.
    pub periods: f64,
    /// Periods in which it was stopped.
    pub throttled_periods: f64,
    /// Time it was stopped (s).
    pub throttled_s: f64,
}

impl Throttling {
    /// What came between an earlier count and this one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            periods: (self.periods - earlier.periods).max(0.0),
            throttled_periods: (self.throttled_periods - earlier.throttled_periods).max(0.0),
            throttled_s: (self.throttled_s - earlier.throttled_s).max(0.0),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            periods: self.periods + other.periods,
            throttled_periods: self.throttled_periods + other.throttled_periods,
            throttled_s: self.throttled_s + other.throttled_s,
        }
    }
}

/// The quota of a server whose periods are simulated.
#[derive(Debug)]
pub(super) struct Quota {
    /// Core-seconds of a period.
    core_s: f64,
    period_began: SimTime,
    /// Core-seconds that the server had used when the period began.
    used_before: f64,
    stopped_at: Option<SimTime>,
    pub(super) timer: TimerId,
    counts: Throttling,
}

impl Quota {
    pub(super) fn new(limit_cores: f64, now: SimTime, timer: TimerId) -> Self {
        Self {
            core_s: limit_cores * PERIOD.as_secs_f64(),
            period_began: now,
            used_before: 0.0,
            stopped_at: None,
            timer,
            counts: Throttling::default(),
        }
    }

    fn ends(&self) -> SimTime {
        self.period_began + PERIOD
    }
}

impl Server {
    /// What was asked of its CPU has changed: the quota ends sooner or later.
    pub(super) fn follow_quota(&mut self, now: SimTime, queue: &mut EventQueue<Event>) {
        let used = self.cpu.busy_core_s(now);
        let Some(quota) = &mut self.quota else { return };
        if quota.stopped_at.is_some() {
            return;
        }
        if self.cpu.is_empty() {
            queue.disarm(quota.timer);
            return;
        }
        if now >= quota.ends() {
            // It was idle; the periods went on.
            let periods = now.since(quota.period_began).as_nanos() / PERIOD.as_nanos();
            quota.period_began += PERIOD * periods;
            quota.used_before = used;
        }
        let left_ns = (quota.core_s - (used - quota.used_before)) / self.cpu.used_cores() * 1e9;
        let left = SimDuration::from_nanos(ceil_u64(left_ns - 1e-3));
        let due = (now + left).min(quota.ends());
        queue.arm(quota.timer, due, Event::CfsPeriod(ServerId(0)).rank());
    }

    /// Counts of its quota; where only the mean is simulated, what they would be.
    pub(super) fn throttling(&mut self, now: SimTime) -> Throttling {
        match &self.quota {
            Some(quota) => {
                let since = quota.stopped_at.map_or(SimDuration::ZERO, |at| now.since(at));
                let throttled_s = quota.counts.throttled_s + since.as_secs_f64();
                Throttling { throttled_s, ..quota.counts }
            }
            None => self.cpu.throttling(now),
        }
    }
}

impl Services {
    /// The quota of a server is used up, or its period is over.
    pub fn cfs_period<O: Observer>(&mut self, ctx: &mut Ctx<'_, O>, id: ServerId) {
        let Some(server) = self.servers[id.index()].as_deref_mut() else { return };
        let used = server.cpu.busy_core_s(ctx.now);
        let Some(quota) = &mut server.quota else { return };
        if ctx.now < quota.ends() {
            quota.stopped_at = Some(ctx.now);
            quota.counts.throttled_periods += 1.0;
            queue_arm(quota, ctx.queue);
            server.cpu.pause(ctx.now);
        } else {
            quota.counts.periods += 1.0;
            if let Some(at) = quota.stopped_at.take() {
                quota.counts.throttled_s += ctx.now.since(at).as_secs_f64();
                server.cpu.resume(ctx.now);
            }
            quota.period_began = ctx.now;
            quota.used_before = used;
            server.follow_quota(ctx.now, ctx.queue);
        }
        server.arm_cpu(ctx.queue);
    }
}

fn queue_arm(quota: &Quota, queue: &mut EventQueue<Event>) {
    queue.arm(quota.timer, quota.ends(), Event::CfsPeriod(ServerId(0)).rank());
}

/// Periods in a span (s).
pub(super) fn periods_in(span_s: f64) -> f64 {
    span_s * 1e9 / f64_from_u64(PERIOD.as_nanos())
}
