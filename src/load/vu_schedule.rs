//! When the virtual users of a closed load start to loop, stop, and are cut off.

use std::collections::VecDeque;

use crate::load::draft::{Executor, VuStage};
use crate::load::spec::LoadSpec;
use crate::units::time::{SimDuration, SimTime};

/// What happens to a virtual user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VuChange {
    /// It loops from now on; one that is still in its last iteration simply goes on afterwards.
    Start,
    /// It starts no further iteration; the one under way may go on (`gracefulStop` in
    /// `lib/executor/vu_handle.go`).
    Stop,
    /// Its patience is over: an iteration still under way is cut off (`hardStop`).
    Cut,
}

/// A change of one virtual user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VuTransition {
    /// When.
    pub at: SimTime,
    /// Which, from 0: VUs start in rising order and stop in falling order.
    pub vu: u32,
    /// What.
    pub change: VuChange,
}

/// All changes of a closed load in order of time, worked out as they are asked for.
///
/// The steps are those of grafana/k6 `lib/executor/ramping_vus.go` (`getRawExecutionSteps`,
/// `reserveVUsForGracefulRampDowns`); the other closed executors are ramps of one level. Within a
/// stage of length `D` from `f` to `g` VUs that ends at `e`, the ramp to `k` VUs happens at
/// `e − D·(g − k)/(g − f)` going up and, VU number `k` stopping, at `e − D·(g − k + 1)/(g − f)`
/// going down, in integer nanoseconds cut towards zero. A VU that is ramped down is cut off after
/// `gracefulRampDown`, at the latest with everybody else: `gracefulStop` after the end. One that is
/// started again until then (that very instant included) is not.
///
/// Memory is bounded by the number of VUs. If the load begins with the measured time, its first VUs
/// start with the warm-up; executors that count iterations have no warm-up.
#[derive(Debug, Clone)]
pub struct VuSchedule {
    stages: Vec<VuStage>,
    vus_max: u32,
    /// The stage under way; `stages.len()` after the last.
    stage: usize,
    /// VUs at the beginning of the stage under way.
    from: u32,
    /// VUs that loop after the last raw step handed out.
    looping: u32,
    /// VUs to start at the very beginning.
    to_begin: u32,
    /// When the first VUs start: with the load, or with the warm-up.
    first_at: SimTime,
    begins: SimTime,
    /// End of the stage under way, from the beginning of the load (ns).
    stage_end: u64,
    ends: SimTime,
    cut_at: SimTime,
    graceful_ramp_down: SimDuration,
    raw: Option<VuTransition>,
    /// Cuts to come, in order of time. The VU stopped last is the first to start again, so a
    /// start takes its cut from the back.
    cuts: VecDeque<(SimTime, u32)>,
}

/// A closed executor as ramping VUs.
struct Ramp {
    start_vus: u32,
    stages: Vec<VuStage>,
    graceful_ramp_down: SimDuration,
    /// Whether it loops without end, so that it can loop before the measured time too.
    warms_up: bool,
}

impl Ramp {
    fn of(spec: &LoadSpec) -> Option<Self> {
        let level = |vus: u32, duration: SimDuration, warms_up: bool| Self {
            start_vus: vus,
            stages: vec![VuStage { duration, target: vus }],
            // Nobody is ramped down before the end.
            graceful_ramp_down: SimDuration::ZERO,
            warms_up,
        };
        match spec.executor() {
            Executor::ConstantVus { vus, duration } => Some(level(*vus, *duration, true)),
            Executor::RampingVus { start_vus, stages, graceful_ramp_down } => Some(Self {
                start_vus: *start_vus,
                stages: stages.clone(),
                graceful_ramp_down: *graceful_ramp_down,
                warms_up: true,
            }),
            Executor::SharedIterations { vus, iterations: _, max_duration }
            | Executor::PerVuIterations { vus, iterations: _, max_duration } => {
                Some(level(*vus, *max_duration, false))
            }
            Executor::ConstantArrivalRate { .. }
            | Executor::RampingArrivalRate { .. }
            | Executor::Diurnal(_)
            | Executor::Spike(_)
            | Executor::Step { .. } => None,
        }
    }
}

impl VuSchedule {
    /// The schedule of a load whose measured time starts at `measured_from` on the simulation
    /// clock. `None` for an open load.
    #[must_use]
    pub fn new(spec: &LoadSpec, measured_from: SimTime) -> Option<Self> {
        let Ramp { start_vus, stages, graceful_ramp_down, warms_up } = Ramp::of(spec)?;
        let begins = measured_from + spec.start_time();
        let warms_up = warms_up && spec.start_time().is_zero();
        let mut schedule = Self {
            vus_max: stages.iter().map(|stage| stage.target).fold(start_vus, u32::max),
            stage_end: stages.first().map_or(0, |stage| stage.duration.as_nanos()),
            stages,
            stage: 0,
            from: start_vus,
            looping: 0,
            to_begin: start_vus,
            first_at: if warms_up { SimTime::ZERO } else { begins },
            begins,
            ends: measured_from + spec.ends_at(),
            cut_at: measured_from + spec.cut_at(),
            graceful_ramp_down,
            raw: None,
            cuts: VecDeque::new(),
        };
        schedule.raw = schedule.next_raw();
        Some(schedule)
    }

    /// When no further iteration starts.
    #[must_use]
    pub const fn ends(&self) -> SimTime {
        self.ends
    }

    /// The most VUs that ever loop: k6's `vus_max`.
    #[must_use]
    pub const fn vus_max(&self) -> u32 {
        self.vus_max
    }

    /// The instant of the next change.
    #[must_use]
    pub fn peek(&self) -> Option<SimTime> {
        let cut = self.cuts.front().map(|(at, _)| *at);
        let raw = self.raw.map(|raw| raw.at);
        [cut, raw].into_iter().flatten().min()
    }

    /// The next start or stop, graceful periods aside.
    fn next_raw(&mut self) -> Option<VuTransition> {
        if self.looping < self.to_begin {
            return Some(self.start(self.first_at));
        }
        self.to_begin = 0;
        loop {
            let Some(VuStage { duration, target }) = self.stages.get(self.stage).copied() else {
                return (self.looping > 0).then(|| self.stop(self.ends));
            };
            if self.looping == target {
                self.from = target;
                self.stage += 1;
                let next = self.stages.get(self.stage);
                let length = next.map_or(0, |stage| stage.duration.as_nanos());
                self.stage_end += length;
                continue;
            }
            let going_up = self.looping < target;
            // Steps between this one and the end of the stage.
            let left = if going_up { target - self.looping } else { self.looping - target } - 1;
            let before_end = u128::from(duration.as_nanos()) * u128::from(left)
                / u128::from(self.from.abs_diff(target));
            let before_end = u64::try_from(before_end).expect("a part of a stage is no longer");
            let offset = SimDuration::from_nanos(self.stage_end - before_end);
            let at = self.begins + offset;
            return Some(if going_up { self.start(at) } else { self.stop(at) });
        }
    }

    fn start(&mut self, at: SimTime) -> VuTransition {
        let vu = self.looping;
        self.looping += 1;
        VuTransition { at, vu, change: VuChange::Start }
    }

    fn stop(&mut self, at: SimTime) -> VuTransition {
        self.looping -= 1;
        VuTransition { at, vu: self.looping, change: VuChange::Stop }
    }
}

impl Iterator for VuSchedule {
    type Item = VuTransition;

    fn next(&mut self) -> Option<VuTransition> {
        let cut = self.cuts.front().copied();
        let raw = match (self.raw, cut) {
            // k6 takes raw steps before graceful ones of the same instant.
            (Some(raw), cut) if cut.is_none_or(|(at, _)| raw.at <= at) => raw,
            (_, None) => return None,
            (_, Some((at, vu))) => {
                self.cuts.pop_front();
                return Some(VuTransition { at, vu, change: VuChange::Cut });
            }
        };
        let after_the_last_stage = self.stage == self.stages.len();
        match raw.change {
            VuChange::Start => {
                if self.cuts.back().is_some_and(|(_, vu)| *vu == raw.vu) {
                    self.cuts.pop_back();
                }
            }
            VuChange::Stop => {
                let patience = raw.at + self.graceful_ramp_down;
                let at = if after_the_last_stage { self.cut_at } else { patience.min(self.cut_at) };
                self.cuts.push_back((at, raw.vu));
            }
            VuChange::Cut => {}
        }
        self.raw = self.next_raw();
        Some(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::draft::LoadDraft;
    use crate::load::mix::Mix;
    use crate::model::id::ClassId;
    use proptest::prelude::*;

    /// Offset (s) and number of VUs from then on.
    type Steps = Vec<(u64, u32)>;
    type Rows<'a> = &'a [(u64, u32)];

    fn secs(count: u64) -> SimDuration {
        SimDuration::from_secs(count)
    }

    fn ramp(start_vus: u32, stages: Rows<'_>, ramp_down: u64, stop: u64) -> LoadSpec {
        let stages = stages
            .iter()
            .map(|(duration, target)| VuStage { duration: secs(*duration), target: *target })
            .collect();
        let executor =
            Executor::RampingVus { start_vus, stages, graceful_ramp_down: secs(ramp_down) };
        let mut draft = LoadDraft::new("ramp", Mix::only(ClassId(0)), executor);
        draft.graceful_stop = secs(stop);
        LoadSpec::new(draft).unwrap()
    }

    /// Offset (s) and number of VUs after each step, steps of the same instant as one; and the
    /// same of the VUs that may still be in an iteration, each at most until it is cut.
    fn steps(spec: &LoadSpec) -> (Steps, Steps) {
        let schedule = VuSchedule::new(spec, SimTime::ZERO).unwrap();
        let mut allowed = vec![false; usize::try_from(schedule.vus_max()).unwrap()];
        let (mut looping, mut planned, mut reserved) = (0, Vec::new(), Vec::new());
        for VuTransition { at, vu, change } in schedule {
            let slot = &mut allowed[usize::try_from(vu).unwrap()];
            match change {
                VuChange::Start => (looping, *slot) = (looping + 1, true),
                VuChange::Stop => looping -= 1,
                VuChange::Cut => *slot = false,
            }
            let second = at.as_nanos() / 1_000_000_000;
            assert_eq!(at, SimTime::from_secs(second), "steps of these tests are whole seconds");
            note(&mut planned, second, looping);
            let count = allowed.iter().filter(|allowed| **allowed).count();
            note(&mut reserved, second, u32::try_from(count).unwrap());
        }
        (planned, reserved)
    }

    fn note(steps: &mut Steps, second: u64, vus: u32) {
        if steps.last().is_some_and(|(at, _)| *at == second) {
            steps.pop();
        }
        if steps.last().is_none_or(|(_, before)| *before != vus) {
            steps.push((second, vus));
        }
    }

    const EXAMPLE: [(u64, u32); 8] =
        [(2, 6), (5, 1), (4, 5), (4, 1), (3, 4), (2, 4), (0, 1), (3, 1)];

    /// The plan that k6 gives in its own test of these stages
    /// (`TestRampingVUsConfigExecutionPlanExample`), figures only.
    #[test]
    fn steps_are_those_of_k6() {
        let mut expected = vec![(0, 4), (1, 5), (2, 6), (3, 5), (4, 4), (5, 3), (6, 2), (7, 1)];
        expected.extend([(8, 2), (9, 3), (10, 4), (11, 5), (12, 4), (13, 3), (14, 2), (15, 1)]);
        expected.extend([(16, 2), (17, 3), (18, 4), (20, 1), (23, 0)]);
        assert_eq!(steps(&ramp(4, &EXAMPLE, 30, 30)).0, expected);
    }

    /// VUs reserved for graceful ramp-downs, from the same k6 test.
    #[test]
    fn cuts_are_those_of_k6() {
        let up = [(0, 4), (1, 5), (2, 6)];
        let rows: [(u64, u64, Rows<'_>); 4] = [
            (30, 30, &[(33, 5), (42, 4), (50, 1), (53, 0)]),
            (30, 80, &[(33, 5), (42, 4), (50, 1), (103, 0)]),
            (30, 3, &[(26, 0)]),
            (30, 0, &[(23, 0)]),
        ];
        for (ramp_down, stop, down) in rows {
            let (_, reserved) = steps(&ramp(4, &EXAMPLE, ramp_down, stop));
            assert_eq!(reserved, [&up, down].concat(), "{ramp_down} s, {stop} s");
        }
        // Without patience for either, what is reserved is what is planned.
        let (planned, reserved) = steps(&ramp(4, &EXAMPLE, 0, 0));
        assert_eq!(planned, reserved);
    }

    /// Stages with jumps and returns to zero, from k6's `TestRampingVUsExecutionTupleTests` and
    /// `TestRampingVUsGetRawExecutionStepsCornerCases`, figures only.
    #[test]
    fn jumps_and_returns_are_those_of_k6() {
        let mut stages = EXAMPLE.to_vec();
        stages.extend([(0, 5), (3, 5), (0, 0), (2, 2), (2, 0), (4, 4)]);
        let (planned, _) = steps(&ramp(4, &stages, 0, 0));
        let tail = [(20, 1), (23, 5), (26, 0), (27, 1), (28, 2), (29, 1), (30, 0), (31, 1)];
        assert_eq!(planned[19..27], tail);
        assert_eq!(planned[27..], [(32, 2), (33, 3), (34, 0)], "the last VU starts at the end");
        let rows: [(u32, Rows<'_>, Rows<'_>); 3] = [
            (2, &[(0, 5), (2, 3)], &[(0, 5), (1, 4), (2, 0)]),
            (3, &[(2, 5)], &[(0, 3), (1, 4), (2, 0)]),
            (0, &[(2, 2), (2, 0)], &[(1, 1), (2, 2), (3, 1), (4, 0)]),
        ];
        for (start, stages, expected) in rows {
            assert_eq!(steps(&ramp(start, stages, 0, 0)).0, expected);
        }
    }

    #[test]
    fn a_step_is_cut_to_the_nanosecond() {
        let spec = ramp(0, &[(1, 3)], 0, 0);
        let at: Vec<u64> = VuSchedule::new(&spec, SimTime::ZERO)
            .unwrap()
            .filter(|transition| transition.change == VuChange::Start)
            .map(|transition| transition.at.as_nanos())
            .collect();
        assert_eq!(at, [333_333_334, 666_666_667, 1_000_000_000]);
    }

    #[test]
    fn a_load_that_begins_at_once_warms_up_with_its_first_vus() {
        let spec = ramp(2, &[(4, 4)], 0, 0);
        let measured_from = SimTime::from_secs(60);
        let starts: Vec<u64> = VuSchedule::new(&spec, measured_from)
            .unwrap()
            .filter(|transition| transition.change == VuChange::Start)
            .map(|transition| transition.at.as_nanos() / 1_000_000_000)
            .collect();
        assert_eq!(starts, [0, 0, 62, 64]);
    }

    proptest! {
        /// Time never runs backward; each VU alternates start and stop; everyone started is
        /// stopped and then cut once, at most the patience later and never after the end of all.
        #[test]
        fn every_vu_that_starts_also_ends(
            start in 0_u32..6, stages in prop::collection::vec((0_u64..5, 0_u32..6), 1..8),
            ramp_down in 0_u64..6, stop in 0_u64..6
        ) {
            prop_assume!(start > 0 || stages.iter().any(|(_, target)| *target > 0));
            let spec = ramp(start, &stages, ramp_down, stop);
            let schedule = VuSchedule::new(&spec, SimTime::ZERO).unwrap();
            let mut states = [(false, false, SimTime::ZERO); 6];
            let mut last = SimTime::ZERO;
            for VuTransition { at, vu, change } in schedule {
                prop_assert!(at >= last && at <= SimTime::ZERO + spec.cut_at());
                last = at;
                let (looping, allowed, stopped) = &mut states[usize::try_from(vu).unwrap()];
                match change {
                    VuChange::Start => {
                        prop_assert!(!*looping);
                        (*looping, *allowed) = (true, true);
                    }
                    VuChange::Stop => {
                        prop_assert!(*looping);
                        (*looping, *stopped) = (false, at);
                    }
                    VuChange::Cut => {
                        prop_assert!(!*looping && *allowed);
                        prop_assert!(at <= *stopped + secs(ramp_down.max(stop)));
                        *allowed = false;
                    }
                }
            }
            prop_assert!(states.iter().all(|(looping, allowed, _)| !looping && !allowed));
        }
    }
}
