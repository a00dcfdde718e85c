//! A load alive: open or closed, made from its specification.

use crate::engine::streams::Stream;
use crate::load::arrivals::Arrivals;
use crate::load::draft::Executor;
use crate::load::open_pool::OpenPool;
use crate::load::spec::LoadSpec;
use crate::load::vu_pool::VuPool;
use crate::units::time::SimTime;

/// What starts the iterations of one load.
#[derive(Debug, Clone)]
pub enum Generator {
    /// Arrivals by the clock, and the VUs that take them or drop them.
    Open {
        /// When iterations arrive.
        arrivals: Arrivals,
        /// Who takes them.
        pool: OpenPool,
    },
    /// VUs that loop.
    Closed(VuPool),
}

impl Generator {
    /// A load whose measured time starts at `measured_from` on the simulation clock. The stream is
    /// the load's own; a closed load draws nothing from it.
    #[must_use]
    pub fn new(spec: &LoadSpec, measured_from: SimTime, stream: Stream) -> Self {
        let Some(arrivals) = Arrivals::new(spec, measured_from, stream) else {
            let pool = VuPool::new(spec, measured_from);
            return Self::Closed(pool.expect("a load is either open or closed"));
        };
        let pool = match spec.executor() {
            Executor::ConstantArrivalRate { vus, .. }
            | Executor::RampingArrivalRate { vus, .. } => {
                OpenPool::new(vus.pre_allocated, Some(vus.max))
            }
            Executor::Diurnal(_)
            | Executor::Spike(_)
            | Executor::Step { .. }
            | Executor::ConstantVus { .. }
            | Executor::RampingVus { .. }
            | Executor::SharedIterations { .. }
            | Executor::PerVuIterations { .. } => OpenPool::new(0, None),
        };
        Self::Open { arrivals, pool }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::streams::Streams;
    use crate::load::draft::{Level, LevelSource, LoadDraft, OpenVus, Spacing};
    use crate::load::mix::Mix;
    use crate::load::rate::Rate;
    use crate::model::id::ClassId;
    use crate::units::time::SimDuration;

    fn generator(executor: Executor) -> Generator {
        let mut draft = LoadDraft::new("load", Mix::only(ClassId(0)), executor);
        draft.spacing = Spacing::Uniform;
        let spec = LoadSpec::new(draft).unwrap();
        Generator::new(&spec, SimTime::ZERO, Streams::new(1, 0).of("arrivals/load"))
    }

    /// Every iteration takes longer than the load: what the VUs cannot take is dropped.
    fn dropped(executor: Executor) -> Option<u64> {
        match generator(executor) {
            Generator::Open { mut arrivals, mut pool } => {
                while arrivals.next_arrival().is_some() {
                    let _ = pool.begin_iteration();
                }
                Some(pool.dropped())
            }
            Generator::Closed(_) => None,
        }
    }

    #[test]
    fn each_executor_gets_its_family_and_its_limit() {
        let duration = SimDuration::from_secs(10);
        let rate = Rate::per_second(10.0);
        let vus = OpenVus { pre_allocated: 2, max: 5 };
        assert_eq!(dropped(Executor::ConstantArrivalRate { rate, duration, vus }), Some(95));
        let levels = vec![Level { duration, rate }];
        assert_eq!(dropped(Executor::Step { levels, source: LevelSource::Written }), Some(0));
        assert_eq!(dropped(Executor::ConstantVus { vus: 1, duration }), None);
    }
}
