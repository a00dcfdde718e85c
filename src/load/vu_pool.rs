//! The virtual users of a closed load: who may start another iteration, and what is left to do.

use crate::load::draft::Executor;
use crate::load::spec::LoadSpec;
use crate::load::vu_schedule::{VuChange, VuSchedule, VuTransition};
use crate::units::convert::index;
use crate::units::time::SimTime;

/// Accounting of the VUs of a closed executor and of its iterations.
///
/// The loop that drives it takes each [`VuTransition`] when its time has come
/// ([`VuPool::advance`]), tries [`VuPool::begin_iteration`] when a VU starts and whenever one ends
/// an iteration, and cuts off the iteration of a VU that is told so.
#[derive(Debug, Clone)]
pub struct VuPool {
    schedule: VuSchedule,
    vus: Vec<Vu>,
    budget: Budget,
    looping: u32,
    busy: u32,
    started: u64,
    completed: u64,
    interrupted: u64,
    dropped: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Vu {
    looping: bool,
    busy: bool,
}

/// Iterations that may still be started.
#[derive(Debug, Clone)]
enum Budget {
    Unlimited,
    Shared(u64),
    PerVu(Vec<u64>),
}

impl Budget {
    fn left(&self, vu: u32) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Shared(left) => *left > 0,
            Self::PerVu(left) => left[index(vu)] > 0,
        }
    }

    fn take(&mut self, vu: u32) {
        match self {
            Self::Unlimited => {}
            Self::Shared(left) => *left -= 1,
            Self::PerVu(left) => left[index(vu)] -= 1,
        }
    }

    /// Gives up what a VU can no longer start, and tells how much that is.
    fn forfeit(&mut self, vu: u32) -> u64 {
        match self {
            Self::Unlimited => 0,
            Self::Shared(left) => std::mem::take(left),
            Self::PerVu(left) => std::mem::take(&mut left[index(vu)]),
        }
    }
}

impl VuPool {
    /// The VUs of a load whose measured time starts at `measured_from` on the simulation clock.
    /// `None` for an open load.
    #[must_use]
    pub fn new(spec: &LoadSpec, measured_from: SimTime) -> Option<Self> {
        let schedule = VuSchedule::new(spec, measured_from)?;
        let count = index(schedule.vus_max());
        let budget = match spec.executor() {
            Executor::SharedIterations { iterations, .. } => Budget::Shared(*iterations),
            Executor::PerVuIterations { iterations, .. } => Budget::PerVu(vec![*iterations; count]),
            Executor::ConstantVus { .. }
            | Executor::RampingVus { .. }
            | Executor::ConstantArrivalRate { .. }
            | Executor::RampingArrivalRate { .. }
            | Executor::Diurnal(_)
            | Executor::Spike(_)
            | Executor::Step { .. } => Budget::Unlimited,
        };
        Some(Self {
            schedule,
            vus: vec![Vu::default(); count],
            budget,
            looping: 0,
            busy: 0,
            started: 0,
            completed: 0,
            interrupted: 0,
            dropped: 0,
        })
    }

    /// The instant of the next change.
    #[must_use]
    pub fn next_transition(&self) -> Option<SimTime> {
        self.schedule.peek()
    }

    /// Takes the next change. After a [`VuChange::Start`] the VU may begin an iteration; a
    /// [`VuChange::Cut`] comes only for a VU in an iteration, which is over with it: whatever it
    /// waits for is to be thrown away.
    ///
    /// Cuts of idle VUs mean nothing and are passed over, so this can be `None` even though
    /// [`VuPool::next_transition`] named an instant.
    pub fn advance(&mut self, now: SimTime) -> Option<VuTransition> {
        while self.schedule.peek().is_some_and(|at| at <= now) {
            let transition = self.schedule.next()?;
            let vu = &mut self.vus[index(transition.vu)];
            match transition.change {
                VuChange::Start => {
                    vu.looping = true;
                    self.looping += 1;
                }
                VuChange::Stop => {
                    vu.looping = false;
                    self.looping -= 1;
                    // k6 counts what the end of the load leaves undone as dropped.
                    self.dropped += self.budget.forfeit(transition.vu);
                }
                VuChange::Cut if !vu.busy => continue,
                VuChange::Cut => {
                    vu.busy = false;
                    self.busy -= 1;
                    self.interrupted += 1;
                }
            }
            return Some(transition);
        }
        None
    }

    /// Whether a VU begins another iteration now: it loops, is in none, the load has not ended
    /// and there are iterations left. If so, it is in one from now on.
    #[must_use]
    pub fn begin_iteration(&mut self, vu: u32, now: SimTime) -> bool {
        let state = &mut self.vus[index(vu)];
        let may =
            state.looping && !state.busy && now < self.schedule.ends() && self.budget.left(vu);
        if may {
            state.busy = true;
            self.busy += 1;
            self.started += 1;
            self.budget.take(vu);
        }
        may
    }

    /// A VU has ended its iteration. Asserts that it was in one.
    pub fn end_iteration(&mut self, vu: u32) {
        let state = &mut self.vus[index(vu)];
        assert!(state.busy, "an iteration ends once, after it began");
        state.busy = false;
        self.busy -= 1;
        self.completed += 1;
    }

    /// VUs that loop: k6's `vus`.
    #[must_use]
    pub const fn looping(&self) -> u32 {
        self.looping
    }

    /// VUs in an iteration now.
    #[must_use]
    pub const fn busy(&self) -> u32 {
        self.busy
    }

    /// The most VUs that ever loop: k6's `vus_max`.
    #[must_use]
    pub const fn vus_max(&self) -> u32 {
        self.schedule.vus_max()
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

    /// Iterations that an executor with a count never began: k6's `dropped_iterations`.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::load::draft::{LoadDraft, VuStage};
    use crate::load::mix::Mix;
    use crate::model::id::ClassId;
    use crate::units::time::SimDuration;
    use proptest::prelude::*;

    fn secs(count: u64) -> SimDuration {
        SimDuration::from_secs(count)
    }

    fn pool(executor: Executor, stop: u64) -> VuPool {
        let mut draft = LoadDraft::new("closed", Mix::only(ClassId(0)), executor);
        draft.graceful_stop = secs(stop);
        VuPool::new(&LoadSpec::new(draft).unwrap(), SimTime::ZERO).unwrap()
    }

    /// Drives a pool whose iterations all take `length`, checking that nobody is made or lost.
    fn drive(mut pool: VuPool, length: SimDuration) -> VuPool {
        let mut under_way: BTreeMap<u32, SimTime> = BTreeMap::new();
        loop {
            let over = under_way.iter().map(|(vu, at)| (*at, *vu)).min();
            let step = pool.next_transition();
            let now = [over.map(|(at, _)| at), step].into_iter().flatten().min();
            let Some(now) = now else { return pool };
            if let Some((at, vu)) = over.filter(|(at, _)| *at == now) {
                under_way.remove(&vu);
                pool.end_iteration(vu);
                if pool.begin_iteration(vu, at) {
                    under_way.insert(vu, at + length);
                }
            } else if let Some(VuTransition { at, vu, change }) = pool.advance(now) {
                match change {
                    VuChange::Start if pool.begin_iteration(vu, at) => {
                        under_way.insert(vu, at + length);
                    }
                    VuChange::Start | VuChange::Stop => {}
                    VuChange::Cut => {
                        under_way.remove(&vu).expect("only an iteration under way is cut off");
                    }
                }
            }
            assert_eq!(usize::try_from(pool.busy()).unwrap(), under_way.len());
            let over = pool.completed() + pool.interrupted();
            assert_eq!(pool.started(), over + u64::from(pool.busy()));
        }
    }

    #[test]
    fn constant_vus_loop_until_the_end_and_may_finish() {
        let executor = || Executor::ConstantVus { vus: 3, duration: secs(10) };
        let done = drive(pool(executor(), 30), secs(4));
        assert_eq!((done.started(), done.completed(), done.interrupted()), (9, 9, 0));
        let cut = drive(pool(executor(), 1), secs(4));
        assert_eq!((cut.completed(), cut.interrupted()), (6, 3), "cut at 11 s, due at 12 s");
    }

    #[test]
    fn shared_iterations_go_to_whoever_is_free_and_the_rest_is_dropped() {
        let executor =
            |max| Executor::SharedIterations { vus: 4, iterations: 10, max_duration: secs(max) };
        let done = drive(pool(executor(600), 30), secs(2));
        assert_eq!((done.completed(), done.dropped()), (10, 0));
        let late = drive(pool(executor(3), 30), secs(2));
        assert_eq!((late.completed(), late.dropped()), (8, 2));
    }

    #[test]
    fn per_vu_iterations_are_counted_for_each() {
        let executor =
            |max| Executor::PerVuIterations { vus: 4, iterations: 10, max_duration: secs(max) };
        let done = drive(pool(executor(600), 30), secs(2));
        assert_eq!((done.completed(), done.dropped()), (40, 0));
        let late = drive(pool(executor(3), 0), secs(2));
        assert_eq!((late.completed(), late.interrupted(), late.dropped()), (4, 4, 32));
    }

    #[test]
    fn a_vu_started_again_in_time_goes_on_with_its_iteration() {
        let stage = |duration, target| VuStage { duration: secs(duration), target };
        let stages = vec![stage(2, 1), stage(0, 0), stage(3, 0), stage(0, 1), stage(5, 1)];
        let executor = |ramp_down| Executor::RampingVus {
            start_vus: 1,
            stages: stages.clone(),
            graceful_ramp_down: secs(ramp_down),
        };
        let spared = drive(pool(executor(3), 30), secs(8));
        assert_eq!((spared.completed(), spared.interrupted()), (2, 0));
        let cut = drive(pool(executor(2), 30), secs(8));
        assert_eq!((cut.completed(), cut.interrupted()), (1, 1), "cut at 4 s, again from 5 s");
    }

    proptest! {
        /// The checks are inside `drive`; at the end nobody is left.
        #[test]
        fn iterations_are_conserved(
            start in 1_u32..5, stages in prop::collection::vec((0_u64..5, 0_u32..6), 1..6),
            patience in (0_u64..5, 0_u64..5), millis in 100_u64..4_000
        ) {
            let stages = stages
                .iter()
                .map(|(duration, target)| VuStage { duration: secs(*duration), target: *target })
                .collect();
            let graceful_ramp_down = secs(patience.0);
            let executor = Executor::RampingVus { start_vus: start, stages, graceful_ramp_down };
            let done = drive(pool(executor, patience.1), SimDuration::from_millis(millis));
            prop_assert_eq!((done.busy(), done.looping()), (0, 0));
        }
    }
}
