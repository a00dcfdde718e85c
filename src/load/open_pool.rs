//! The virtual users of an open load: who is free, who is busy, what was dropped.

/// Accounting of the VUs of an arrival-rate executor.
///
/// An arrival that finds every VU up to `maxVUs` busy is dropped and counted, never queued (k6:
/// `dropped_iterations`, `activeVUPool.TryRunIteration` in
/// `lib/executor/ramping_arrival_rate.go`).
///
/// One difference, on purpose: in k6 the arrival that finds all *initialised* VUs busy is dropped
/// too, and has one more VU initialised for later arrivals, because starting a JavaScript engine
/// takes it time. That is a cost of the tool, not of the system under test, so here VUs between
/// `preAllocatedVUs` and `maxVUs` are ready at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPool {
    /// VUs there may be; `None` when there is no limit.
    max: Option<u32>,
    /// VUs initialised so far: k6's `vus_max`.
    ready: u32,
    busy: u32,
    started: u64,
    completed: u64,
    interrupted: u64,
    dropped: u64,
}

impl OpenPool {
    /// A pool of `pre_allocated` VUs that grows to `max`; `None` is no limit.
    #[must_use]
    pub const fn new(pre_allocated: u32, max: Option<u32>) -> Self {
        Self {
            max,
            ready: pre_allocated,
            busy: 0,
            started: 0,
            completed: 0,
            interrupted: 0,
            dropped: 0,
        }
    }

    /// An arrival: `true` when a VU takes it, `false` when it is dropped.
    #[must_use]
    pub fn begin_iteration(&mut self) -> bool {
        if self.max.is_some_and(|max| self.busy >= max) {
            self.dropped += 1;
            return false;
        }
        self.busy += 1;
        self.ready = self.ready.max(self.busy);
        self.started += 1;
        true
    }

    /// An iteration is over: its VU is free. Asserts that there was one.
    pub fn end_iteration(&mut self) {
        self.leave();
        self.completed += 1;
    }

    /// An iteration was cut off by the end of the graceful stop. Asserts that there was one.
    pub fn interrupt_iteration(&mut self) {
        self.leave();
        self.interrupted += 1;
    }

    fn leave(&mut self) {
        self.busy = self.busy.checked_sub(1).expect("an iteration ends once, after it began");
    }

    /// VUs in an iteration now.
    #[must_use]
    pub const fn busy(&self) -> u32 {
        self.busy
    }

    /// VUs initialised so far, busy or free: k6's `vus_max`.
    #[must_use]
    pub const fn ready(&self) -> u32 {
        self.ready
    }

    /// Iterations begun.
    #[must_use]
    pub const fn started(&self) -> u64 {
        self.started
    }

    /// Iterations that ran to their end.
    #[must_use]
    pub const fn completed(&self) -> u64 {
        self.completed
    }

    /// Iterations cut off.
    #[must_use]
    pub const fn interrupted(&self) -> u64 {
        self.interrupted
    }

    /// Arrivals that found no VU: k6's `dropped_iterations`.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_arrival_beyond_the_last_vu_is_dropped_and_does_not_wait() {
        let mut pool = OpenPool::new(1, Some(2));
        assert_eq!(pool.ready(), 1);
        assert!(pool.begin_iteration() && pool.begin_iteration());
        assert_eq!(pool.ready(), 2);
        assert!(!pool.begin_iteration());
        pool.end_iteration();
        assert_eq!((pool.busy(), pool.dropped()), (1, 1), "the dropped one did not queue");
        assert!(pool.begin_iteration());
    }

    proptest! {
        /// Every arrival is begun or dropped; everything begun is over or under way; nobody is
        /// made or lost.
        #[test]
        fn vus_are_conserved(
            max in proptest::option::of(1_u32..6), steps in prop::collection::vec(0_u8..3, 0..200)
        ) {
            let mut pool = OpenPool::new(max.unwrap_or(0) / 2, max);
            let mut arrivals = 0;
            for step in steps {
                match step {
                    0 => {
                        arrivals += 1;
                        let _ = pool.begin_iteration();
                    }
                    1 if pool.busy() > 0 => pool.end_iteration(),
                    2 if pool.busy() > 0 => pool.interrupt_iteration(),
                    _ => {}
                }
                prop_assert_eq!(arrivals, pool.started() + pool.dropped());
                let over = pool.completed() + pool.interrupted();
                prop_assert_eq!(pool.started(), over + u64::from(pool.busy()));
                prop_assert!(pool.busy() <= pool.ready());
                prop_assert!(max.is_none_or(|max| pool.ready() <= max));
            }
        }
    }
}
