//! What a caller does about calls that fail or take long: retries, hedges, circuit breakers, limits
//! of time.

use crate::engine::Dist;
use crate::model::observer::CallEnd;
use crate::units::SimDuration;

/// How one place in a caller treats its calls. Every place has its own; its state (window of the
/// breaker, budget of retries) belongs to each pod of the caller, as a library inside the process has
/// it. Clients of a class share one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicySpec {
    /// Tries again.
    pub retry: Option<RetrySpec>,
    /// Sends a second request when the first is late.
    pub hedge: Option<HedgeSpec>,
    /// Stops calling what fails.
    pub breaker: Option<BreakerSpec>,
    /// How long all attempts and pauses together may take. Calls made on behalf of the request
    /// inherit it: work whose deadline is over is not begun.
    pub deadline: Option<SimDuration>,
    /// How long a client waits before it leaves for good (s): its iteration ends.
    pub patience: Option<Dist>,
}

/// Retries with exponential back-off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetrySpec {
    /// Attempts in all, the first among them; at least 2.
    pub attempts: u32,
    /// Pause before the first retry.
    pub base: SimDuration,
    /// The pause grows by this factor from retry to retry, at least 1.
    pub multiplier: f64,
    /// No pause is longer.
    pub cap: SimDuration,
    /// How chance spreads the pauses.
    pub jitter: Jitter,
    /// Which ends are tried again.
    pub on: RetryOn,
    /// Bound of the retries under way.
    pub budget: Option<RetryBudget>,
}

/// How chance spreads the pauses between attempts (Brooker, "Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015). `pause` is `min(cap, base x multiplier^n)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jitter {
    /// Exactly `pause`.
    None,
    /// Uniform between nothing and `pause`.
    #[default]
    Full,
    /// Half of `pause`, and a uniform share of the other half.
    Equal,
    /// Uniform between `base` and three times the pause before, at most `cap`.
    Decorrelated,
}

/// How many retries may be under way at once (pauses included): a share of all requests under way,
/// and a minimum that is always allowed. Envoy, `CircuitBreakers.Thresholds.RetryBudget`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudget {
    /// Of the requests under way, 0 to 1.
    pub share: f64,
    /// Always allowed.
    pub min: u32,
}

/// A set of ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOn(u8);

impl RetryOn {
    /// Timeouts (504), refusals (503), broken connections and errors (500); not 429, which asks to
    /// be left in peace.
    pub const USUAL: Self = Self(0b0001_1110);

    /// Nothing yet.
    #[must_use]
    pub const fn none() -> Self {
        Self(0)
    }

    /// One more.
    #[must_use]
    pub const fn and(self, end: CallEnd) -> Self {
        Self(self.0 | 1 << end.number())
    }

    /// Whether an end is among them.
    #[must_use]
    pub const fn contains(self, end: CallEnd) -> bool {
        self.0 & 1 << end.number() != 0
    }
}

/// Another request to another pod when the answer is late; the first good answer counts (Dean and
/// Barroso, "The Tail at Scale", 2013).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgeSpec {
    /// How late, after each request.
    pub after: SimDuration,
    /// Further requests at most, 1 to 3.
    pub most: u32,
}

/// A circuit breaker with a window that counts calls (resilience4j, `CircuitBreakerStateMachine`
/// with `COUNT_BASED`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerSpec {
    /// The last so many calls count.
    pub window: u32,
    /// With fewer calls nothing is decided.
    pub min_calls: u32,
    /// Share of failures from which on it opens, above 0 to 1.
    pub failure_share: f64,
    /// A call that takes longer counts as failed; `None` looks at ends alone.
    pub slow_call: Option<SimDuration>,
    /// How long it stays open: calls fail at once.
    pub open_for: SimDuration,
    /// So many calls are let through to find out whether it can close again.
    pub half_open_calls: u32,
}

/// What a failed call means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The caller fails with an error of its own (500).
    #[default]
    Fail,
    /// The caller answers what it was answered (a proxy: 429, 503, 504).
    Pass,
    /// The caller goes on without it (a fallback).
    Ignore,
}
