//! The same load, more or less of it.

use crate::load::draft::{Executor, Level, OpenVus, RateStage, VuStage};
use crate::load::rate::Rate;
use crate::load::spec::LoadSpec;
use crate::units::convert::{ceil_u64, f64_from_u64};

impl LoadSpec {
    /// The load with every rate, and every number of users and iterations, multiplied; its course in
    /// time stays. Counts are rounded up.
    ///
    /// # Panics
    /// When the factor is not above zero, or so large that the load cannot be.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        assert!(factor > 0.0, "a load is multiplied by something above zero");
        let mut draft = self.draft().clone();
        draft.executor = executor(&draft.executor, factor);
        Self::new(draft).expect("more or less of a load that is right is right")
    }
}

fn executor(executor: &Executor, factor: f64) -> Executor {
    let rate = |rate: &Rate| Rate::new(rate.count() * factor, rate.unit());
    let number =
        |number: u32| u32::try_from(ceil_u64(f64::from(number) * factor)).unwrap_or(u32::MAX);
    let count = |number: u64| ceil_u64(f64_from_u64(number) * factor);
    let open =
        |vus: &OpenVus| OpenVus { pre_allocated: number(vus.pre_allocated), max: number(vus.max) };
    match executor {
        Executor::ConstantArrivalRate { rate: of, duration, vus } => {
            Executor::ConstantArrivalRate { rate: rate(of), duration: *duration, vus: open(vus) }
        }
        Executor::RampingArrivalRate { start_rate, stages, vus } => {
            let stage = |stage: &RateStage| RateStage { target: rate(&stage.target), ..*stage };
            let stages = stages.iter().map(stage).collect();
            Executor::RampingArrivalRate { start_rate: rate(start_rate), stages, vus: open(vus) }
        }
        Executor::ConstantVus { vus, duration } => {
            Executor::ConstantVus { vus: number(*vus), duration: *duration }
        }
        Executor::RampingVus { start_vus, stages, graceful_ramp_down } => {
            let stage = |stage: &VuStage| VuStage { target: number(stage.target), ..*stage };
            Executor::RampingVus {
                start_vus: number(*start_vus),
                stages: stages.iter().map(stage).collect(),
                graceful_ramp_down: *graceful_ramp_down,
            }
        }
        Executor::SharedIterations { vus, iterations, max_duration } => {
            let (vus, iterations) = (number(*vus), count(*iterations));
            let iterations = iterations.max(u64::from(vus));
            Executor::SharedIterations { vus, iterations, max_duration: *max_duration }
        }
        Executor::PerVuIterations { vus, iterations, max_duration } => Executor::PerVuIterations {
            vus: number(*vus),
            iterations: *iterations,
            max_duration: *max_duration,
        },
        Executor::Diurnal(day) => {
            let mut day = day.clone();
            (day.base, day.peak) = (rate(&day.base), rate(&day.peak));
            Executor::Diurnal(day)
        }
        Executor::Spike(spike) => {
            let mut spike = *spike;
            (spike.base, spike.peak) = (rate(&spike.base), rate(&spike.peak));
            Executor::Spike(spike)
        }
        Executor::Step { levels, source } => {
            let level = |level: &Level| Level { rate: rate(&level.rate), ..*level };
            Executor::Step { levels: levels.iter().map(level).collect(), source: *source }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::draft::LoadDraft;
    use crate::load::mix::Mix;
    use crate::model::id::ClassId;
    use crate::units::SimDuration;

    #[test]
    fn rates_and_users_grow_alike_and_time_does_not() {
        let vus = OpenVus { pre_allocated: 3, max: 10 };
        let duration = SimDuration::from_secs(60);
        let executor = Executor::ConstantArrivalRate { rate: Rate::per_second(8.0), duration, vus };
        let draft = LoadDraft::new("a", Mix::only(ClassId::at(0)), executor);
        let scaled = LoadSpec::new(draft).expect("it is right").scaled(1.25);
        let Executor::ConstantArrivalRate { rate, duration, vus } = scaled.executor() else {
            panic!("the executor stays")
        };
        assert!((rate.as_per_second() - 10.0).abs() < 1e-12);
        assert_eq!(*duration, SimDuration::from_secs(60));
        assert_eq!((vus.pre_allocated, vus.max), (4, 13));
    }
}
