//! A circuit breaker: closed while calls succeed, open when too many fail, half open to find out.

use crate::service::spec::BreakerSpec;
use crate::units::convert::{f64_from_usize, index};
use crate::units::time::{SimDuration, SimTime};

/// The state of one breaker; resilience4j's `CircuitBreakerStateMachine` with a window that counts
/// calls. Its memory is the window, made with the first call.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaker {
    state: State,
    /// The last outcomes, as a ring: whether each failed.
    window: Vec<bool>,
    next: usize,
    failures: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Closed,
    Open {
        until: SimTime,
    },
    HalfOpen {
        /// Calls that may still be tried.
        left: u32,
        /// Outcomes known.
        done: u32,
        failures: u32,
    },
}

impl Breaker {
    /// Whether a call may be made now. A permitted call is to be told of by [`Breaker::record`].
    pub(super) fn permits(&mut self, now: SimTime, spec: &BreakerSpec) -> bool {
        if let State::Open { until } = self.state {
            if now < until {
                return false;
            }
            self.state = State::HalfOpen { left: spec.half_open_calls, done: 0, failures: 0 };
        }
        match &mut self.state {
            State::HalfOpen { left: 0, .. } => false,
            State::HalfOpen { left, .. } => {
                *left -= 1;
                true
            }
            State::Closed | State::Open { .. } => true,
        }
    }

    /// A permitted call ended.
    pub(super) fn record(
        &mut self,
        now: SimTime,
        spec: &BreakerSpec,
        failed: bool,
        took: SimDuration,
    ) {
        let failed = failed || spec.slow_call.is_some_and(|slow| took > slow);
        match &mut self.state {
            State::Closed => {
                self.push(spec, failed);
                let known = self.window.len();
                if known >= index(spec.min_calls.min(spec.window))
                    && too_many(self.failures, known, spec)
                {
                    self.open(now, spec);
                }
            }
            State::HalfOpen { done, failures, .. } => {
                *done += 1;
                *failures += u32::from(failed);
                if *done >= spec.half_open_calls {
                    if too_many(index(*failures), index(*done), spec) {
                        self.open(now, spec);
                    } else {
                        *self = Self::default();
                    }
                }
            }
            // A call from before it opened.
            State::Open { .. } => {}
        }
    }

    /// A permitted call will never be told of: its place is free again.
    pub(super) fn forget(&mut self) {
        if let State::HalfOpen { left, .. } = &mut self.state {
            *left += 1;
        }
    }

    fn open(&mut self, now: SimTime, spec: &BreakerSpec) {
        *self = Self { state: State::Open { until: now + spec.open_for }, ..Self::default() };
    }

    fn push(&mut self, spec: &BreakerSpec, failed: bool) {
        let size = index(spec.window);
        if self.window.len() < size {
            self.window.push(failed);
        } else {
            self.failures -= usize::from(std::mem::replace(&mut self.window[self.next], failed));
            self.next = (self.next + 1) % size;
        }
        self.failures += usize::from(failed);
    }
}

fn too_many(failures: usize, of: usize, spec: &BreakerSpec) -> bool {
    f64_from_usize(failures) >= spec.failure_share * f64_from_usize(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: BreakerSpec = BreakerSpec {
        window: 10,
        min_calls: 4,
        failure_share: 0.5,
        slow_call: Some(SimDuration::from_secs(2)),
        open_for: SimDuration::from_secs(30),
        half_open_calls: 2,
    };

    fn secs(count: u64) -> SimTime {
        SimTime::from_secs(count)
    }

    fn tell(breaker: &mut Breaker, at: u64, outcomes: &[bool]) {
        for failed in outcomes {
            assert!(breaker.permits(secs(at), &SPEC), "at {at} s");
            breaker.record(secs(at), &SPEC, *failed, SimDuration::ZERO);
        }
    }

    #[test]
    fn it_opens_at_the_share_and_only_with_enough_calls() {
        let mut breaker = Breaker::default();
        tell(&mut breaker, 0, &[true, true, true]);
        assert!(breaker.permits(secs(0), &SPEC), "three calls say nothing");
        breaker.record(secs(1), &SPEC, false, SimDuration::from_secs(3));
        assert!(!breaker.permits(secs(30), &SPEC), "the slow one counts as failed");
        assert!(breaker.permits(secs(31), &SPEC));
    }

    #[test]
    fn half_open_it_lets_a_few_through_and_believes_them() {
        let mut breaker = Breaker::default();
        tell(&mut breaker, 0, &[true; 4]);
        assert!(breaker.permits(secs(40), &SPEC) && breaker.permits(secs(40), &SPEC));
        assert!(!breaker.permits(secs(40), &SPEC), "two are enough to find out");
        for _ in 0..2 {
            breaker.record(secs(41), &SPEC, true, SimDuration::ZERO);
        }
        assert!(!breaker.permits(secs(70), &SPEC), "open again");
        tell(&mut breaker, 71, &[false, false]);
        tell(&mut breaker, 71, &[true, true, true]);
        assert!(breaker.permits(secs(71), &SPEC), "closed, and it begins to count anew");
    }

    #[test]
    fn only_the_last_calls_count() {
        let mut breaker = Breaker::default();
        tell(&mut breaker, 0, &[false, false, true, false, true, false]);
        tell(&mut breaker, 1, &[false; 10]);
        tell(&mut breaker, 2, &[true; 4]);
        assert!(breaker.permits(secs(2), &SPEC), "4 of the last 10");
        breaker.record(secs(2), &SPEC, true, SimDuration::ZERO);
        assert!(!breaker.permits(secs(2), &SPEC), "5 of the last 10");
    }
}
