//! What makes a load draft valid: k6's own rules, and those of our shapes.

use crate::load::draft::{
    Diurnal, Executor, LoadDraft, LoadError, OpenVus, Problem, Spike, VUS_MAX,
};
use crate::load::rate::Rate;
use crate::units::convert::f64_from_u64;
use crate::units::time::SimDuration;

/// Shortest duration that k6 accepts where it asks for one.
const DURATION_MIN: SimDuration = SimDuration::from_secs(1);

/// Everything must be over by then: signed nanoseconds, 292 years.
const END_MAX_NANOS: u64 = u64::MAX / 2;

const DAY: SimDuration = SimDuration::from_secs(86_400);

/// Collects what is wrong, in the order of the fields.
#[derive(Default)]
struct Findings(Vec<LoadError>);

/// Everything that is wrong with a draft.
pub(crate) fn check(draft: &LoadDraft) -> Vec<LoadError> {
    let LoadDraft { name, mix: _, start_time, graceful_stop, spacing: _, executor } = draft;
    let mut findings = Findings::default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    findings.unless(!name.is_empty() && name.chars().all(allowed), "name", Problem::Name);
    findings.executor(executor);
    let end = *start_time + executor.duration() + *graceful_stop;
    findings.unless(end.as_nanos() <= END_MAX_NANOS, "duration", Problem::TooLong);
    findings.0
}

impl Findings {
    fn unless(&mut self, holds: bool, field: impl Into<String>, problem: Problem) {
        if !holds {
            self.0.push(LoadError { field: field.into(), problem });
        }
    }

    fn executor(&mut self, executor: &Executor) {
        match executor {
            Executor::ConstantArrivalRate { rate, duration, vus } => {
                self.rate("rate", *rate);
                self.unless(rate.count() != 0.0, "rate", Problem::NotPositive);
                self.duration("duration", *duration);
                self.open_vus(*vus);
            }
            Executor::RampingArrivalRate { start_rate, stages, vus } => {
                self.rate("startRate", *start_rate);
                self.unless(!stages.is_empty(), "stages", Problem::Empty);
                for (number, stage) in stages.iter().enumerate() {
                    self.rate(format!("stages[{number}].target"), stage.target);
                }
                self.open_vus(*vus);
            }
            Executor::ConstantVus { vus, duration } => {
                self.vus(*vus);
                self.duration("duration", *duration);
            }
            Executor::RampingVus { start_vus, stages, graceful_ramp_down: _ } => {
                self.unless(*start_vus <= VUS_MAX, "startVUs", Problem::TooManyVus);
                self.unless(!stages.is_empty(), "stages", Problem::Empty);
                for (number, stage) in stages.iter().enumerate() {
                    let field = format!("stages[{number}].target");
                    self.unless(stage.target <= VUS_MAX, field, Problem::TooManyVus);
                }
                let most = stages.iter().map(|stage| stage.target).fold(*start_vus, u32::max);
                self.unless(stages.is_empty() || most > 0, "stages", Problem::NeverAVu);
            }
            Executor::SharedIterations { vus, iterations, max_duration } => {
                self.vus(*vus);
                let enough = *iterations >= u64::from(*vus);
                let problem =
                    Problem::FewerIterationsThanVus { iterations: *iterations, vus: *vus };
                self.unless(enough, "iterations", problem);
                self.duration("maxDuration", *max_duration);
            }
            Executor::PerVuIterations { vus, iterations, max_duration } => {
                self.vus(*vus);
                self.unless(*iterations > 0, "iterations", Problem::NotPositive);
                self.duration("maxDuration", *max_duration);
            }
            Executor::Diurnal(diurnal) => self.diurnal(diurnal),
            Executor::Spike(spike) => self.spike(spike),
            Executor::Step { levels, .. } => {
                self.unless(!levels.is_empty(), "levels", Problem::Empty);
                for (number, level) in levels.iter().enumerate() {
                    self.rate(format!("levels[{number}].rate"), level.rate);
                }
            }
        }
    }

    fn diurnal(&mut self, diurnal: &Diurnal) {
        let Diurnal { base, peak, peak_at, profile, clock, duration } = diurnal;
        self.base_and_peak(*base, *peak);
        self.unless(peak_at.is_none_or(|at| at < DAY), "peakAt", Problem::NotATimeOfDay);
        self.unless(*clock < DAY, "start", Problem::NotATimeOfDay);
        if let Some(profile) = profile {
            for (hour, weight) in profile.iter().enumerate() {
                let holds = weight.is_finite() && *weight >= 0.0;
                self.unless(holds, format!("profile[{hour}]"), Problem::NotFinite);
            }
            let some = profile.iter().any(|weight| *weight != 0.0);
            self.unless(some, "profile", Problem::NoWeight);
        }
        self.duration("duration", *duration);
    }

    fn spike(&mut self, spike: &Spike) {
        let Spike { base, peak, at, rise: _, hold: _, fall: _, duration } = spike;
        self.base_and_peak(*base, *peak);
        self.unless(at <= duration, "at", Problem::AfterTheEnd);
        self.duration("duration", *duration);
    }

    fn base_and_peak(&mut self, base: Rate, peak: Rate) {
        let before = self.0.len();
        self.rate("base", base);
        self.rate("peak", peak);
        if self.0.len() == before {
            self.unless(peak.count() != 0.0, "peak", Problem::NotPositive);
            let holds = peak.as_per_second() >= base.as_per_second();
            self.unless(holds, "peak", Problem::BelowBase);
        }
    }

    fn rate(&mut self, field: impl Into<String>, rate: Rate) {
        let (count, unit) = (rate.count(), f64_from_u64(rate.unit().as_nanos()));
        if rate.unit().is_zero() {
            self.unless(false, "timeUnit", Problem::NotPositive);
        } else if !count.is_finite() || count < 0.0 {
            self.unless(false, field, Problem::NotFinite);
        } else {
            self.unless(count <= unit, field, Problem::TooFast);
        }
    }

    fn duration(&mut self, field: &str, duration: SimDuration) {
        self.unless(duration >= DURATION_MIN, field, Problem::TooShort(duration));
    }

    fn vus(&mut self, vus: u32) {
        self.unless(vus > 0, "vus", Problem::NotPositive);
        self.unless(vus <= VUS_MAX, "vus", Problem::TooManyVus);
    }

    fn open_vus(&mut self, vus: OpenVus) {
        let OpenVus { pre_allocated, max } = vus;
        let problem = Problem::BelowPreAllocated { max, pre_allocated };
        self.unless(max >= pre_allocated, "maxVUs", problem);
        self.unless(max > 0 || pre_allocated > 0, "maxVUs", Problem::NoVus);
        self.unless(max <= VUS_MAX, "maxVUs", Problem::TooManyVus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::draft::{Level, LevelSource, RateStage, VuStage};
    use crate::load::mix::Mix;
    use crate::load::spec::LoadSpec;
    use crate::model::id::ClassId;

    const VUS: OpenVus = OpenVus { pre_allocated: 1, max: 1 };

    fn secs(count: u64) -> SimDuration {
        SimDuration::from_secs(count)
    }

    /// The texts of all errors of an executor, one a line.
    fn errors(executor: Executor) -> String {
        let draft = LoadDraft::new("browse", Mix::only(ClassId(0)), executor);
        let errors = LoadSpec::new(draft).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn stage(duration: u64, target: f64) -> RateStage {
        RateStage { duration: secs(duration), target: Rate::per_second(target) }
    }

    #[test]
    fn open_executors_are_checked_as_k6_does() {
        let rate = Rate::per_second(0.0);
        let vus = OpenVus { pre_allocated: 10, max: 5 };
        let duration = SimDuration::from_millis(500);
        assert_eq!(
            errors(Executor::ConstantArrivalRate { rate, duration, vus }),
            "rate must be above zero\n\
             duration must be at least 1s, but is 500ms\n\
             maxVUs is 5, below preAllocatedVUs (10)"
        );
        let stages = vec![stage(1, f64::NAN), stage(0, -2.0), stage(1, 2e9)];
        let vus = OpenVus { pre_allocated: 0, max: 0 };
        assert_eq!(
            errors(Executor::RampingArrivalRate { start_rate: rate, stages, vus }),
            "stages[0].target must be a finite number, zero or more\n\
             stages[1].target must be a finite number, zero or more\n\
             stages[2].target must be at most one iteration a nanosecond\n\
             maxVUs is 0, so every iteration would be dropped"
        );
        let rate = Rate::new(1.0, SimDuration::ZERO);
        assert_eq!(
            errors(Executor::ConstantArrivalRate { rate, duration: secs(1), vus: VUS }),
            "timeUnit must be above zero"
        );
    }

    #[test]
    fn closed_executors_are_checked_as_k6_does() {
        let no_time = SimDuration::ZERO;
        let rows = [
            (
                Executor::ConstantVus { vus: 0, duration: no_time },
                "vus must be above zero\nduration must be at least 1s, but is 0s",
            ),
            (
                Executor::RampingVus {
                    start_vus: 0,
                    stages: vec![VuStage { duration: secs(1), target: 0 }],
                    graceful_ramp_down: no_time,
                },
                "stages never has a VU: startVUs or the target of a stage must be above zero",
            ),
            (
                Executor::RampingVus {
                    start_vus: VUS_MAX + 1,
                    stages: vec![VuStage { duration: secs(1), target: VUS_MAX + 1 }],
                    graceful_ramp_down: no_time,
                },
                "startVUs must be at most 100000000\nstages[0].target must be at most 100000000",
            ),
            (
                Executor::SharedIterations { vus: 5, iterations: 4, max_duration: secs(1) },
                "iterations is 4, below vus (5)",
            ),
            (
                Executor::PerVuIterations { vus: 5, iterations: 0, max_duration: secs(1) },
                "iterations must be above zero",
            ),
            (
                Executor::ConstantVus { vus: 1, duration: SimDuration::MAX },
                "duration makes the load end after more than 292 years",
            ),
        ];
        for (executor, text) in rows {
            assert_eq!(errors(executor), text);
        }
    }

    #[test]
    fn our_shapes_must_make_sense() {
        let (base, peak) = (Rate::per_second(20.0), Rate::per_second(10.0));
        let mut diurnal = Diurnal {
            base,
            peak,
            peak_at: Some(secs(86_400)),
            profile: Some([0.0; 24]),
            clock: secs(90_000),
            duration: secs(60),
        };
        assert_eq!(
            errors(Executor::Diurnal(diurnal.clone())),
            "peak must be at least base\n\
             peakAt must be a time of day, below 24h\n\
             start must be a time of day, below 24h\n\
             profile needs a weight above zero"
        );
        diurnal = Diurnal { base: peak, peak: base, peak_at: None, clock: secs(0), ..diurnal };
        let mut profile = [1.0; 24];
        profile[7] = -1.0;
        diurnal.profile = Some(profile);
        assert_eq!(
            errors(Executor::Diurnal(diurnal)),
            "profile[7] must be a finite number, zero or more"
        );
        let (at, duration) = (secs(61), secs(60));
        let (rise, hold, fall) = (secs(1), secs(1), secs(1));
        let spike = Spike { base: peak, peak: base, at, rise, hold, fall, duration };
        assert_eq!(errors(Executor::Spike(spike)), "at is after the end of the load");
        assert_eq!(
            errors(Executor::Step { levels: vec![], source: LevelSource::Written }),
            "levels needs at least one entry"
        );
        let level = Level { duration: secs(1), rate: Rate::per_second(-1.0) };
        assert_eq!(
            errors(Executor::Step { levels: vec![level], source: LevelSource::Written }),
            "levels[0].rate must be a finite number, zero or more"
        );
    }

    #[test]
    fn a_name_is_one_that_k6_allows() {
        for (name, valid) in [("open-study_2", true), ("", false), ("a b", false), ("é", false)] {
            let executor = Executor::ConstantVus { vus: 1, duration: secs(1) };
            let draft = LoadDraft::new(name, Mix::only(ClassId(0)), executor);
            assert_eq!(LoadSpec::new(draft).is_ok(), valid, "{name:?}");
        }
    }
}
