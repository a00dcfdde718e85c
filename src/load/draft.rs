//! One load of a scenario as written: its executor, its classes, its place in time, and what can be wrong
//! with it.

use std::fmt;

use crate::load::mix::Mix;
use crate::load::rate::Rate;
use crate::units::time::SimDuration;

/// Most VUs that k6 accepts.
pub(crate) const VUS_MAX: u32 = 100_000_000;

/// How the arrivals of an open load lie within its rate.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Spacing {
    /// As many independent clients make them: a Poisson process of that rate.
    #[default]
    Poisson,
    /// Evenly, as k6 does: iteration *i* starts when the integral of the rate reaches *i*. (A
    /// constant rate begins with an iteration at once, a ramp when the integral reaches 1.)
    Uniform,
    /// In bursts: a Markov-modulated Poisson process that goes to and fro between two rates.
    Bursty(Bursts),
}

/// A Markov-modulated Poisson process of two states whose mean is the load's rate: it stays in each
/// state for an exponential time and arrives there at `1 + swing` or `1 - swing` times the rate.
///
/// Time is counted in arrivals expected, so that bursts keep their character while the rate changes. The
/// index of dispersion of counts over long intervals is `1 + swing^2 x stay` (Fischer and
/// Meier-Hellstern, "The MMPP cookbook", 1993, for equal mean stays).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// Variance over mean of the counts of long intervals, above 1; 1 would be Poisson.
    pub index_of_dispersion: f64,
    /// How far the two rates are from their mean, above 0 to 1.
    pub swing: f64,
}

impl Bursts {
    /// Mean stay in a state (arrivals expected).
    #[must_use]
    pub fn mean_stay(&self) -> f64 {
        (self.index_of_dispersion - 1.0) / (self.swing * self.swing)
    }
}

/// VUs of an arrival-rate executor of k6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenVus {
    /// k6's `preAllocatedVUs`: initialised before the load begins.
    pub pre_allocated: u32,
    /// k6's `maxVUs`: there are never more.
    pub max: u32,
}

/// One stage of a ramping arrival rate: linearly to `target`, or at once when `duration` is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateStage {
    /// How long it takes.
    pub duration: SimDuration,
    /// The rate at its end.
    pub target: Rate,
}

/// One stage of ramping VUs: linearly to `target`, or at once when `duration` is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VuStage {
    /// How long it takes.
    pub duration: SimDuration,
    /// VUs at its end.
    pub target: u32,
}

/// A constant rate for a time, as [`Executor::Step`] strings them together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// How long it lasts.
    pub duration: SimDuration,
    /// The rate during it.
    pub rate: Rate,
}

/// Where the levels of [`Executor::Step`] come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LevelSource {
    /// They are written in the scenario.
    #[default]
    Written,
    /// A recording.
    Recording,
    /// The days of a hospital.
    Hospital,
}

/// A day that repeats: `base` in its lowest hour of weight zero, `peak` in its highest.
#[derive(Debug, Clone, PartialEq)]
pub struct Diurnal {
    /// The rate at weight zero.
    pub base: Rate,
    /// The rate at the highest weight.
    pub peak: Rate,
    /// Time of day of the highest weight. With a profile, the profile is turned until its first
    /// maximum lies here; absent, the profile counts as written, and the bell peaks at 11:00.
    pub peak_at: Option<SimDuration>,
    /// Weights at 00:00, 01:00, … 23:00 on any scale, linear in between and over midnight; absent,
    /// a bell (raised cosine) of one day.
    pub profile: Option<[f64; 24]>,
    /// Time of day at which the load begins.
    pub clock: SimDuration,
    /// How long the load lasts.
    pub duration: SimDuration,
}

/// One surge over a base rate; what lies beyond `duration` is cut off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spike {
    /// The rate before and after.
    pub base: Rate,
    /// The rate on top.
    pub peak: Rate,
    /// When the rise begins, counted from the beginning of the load.
    pub at: SimDuration,
    /// How long the rise takes; zero is a jump.
    pub rise: SimDuration,
    /// How long the top lasts.
    pub hold: SimDuration,
    /// How long the fall takes; zero is a jump.
    pub fall: SimDuration,
    /// How long the load lasts.
    pub duration: SimDuration,
}

/// What drives the iterations of a load. The first six are k6's, by k6's names and fields; k6's
/// `externally-controlled` is gone in its version 2 and not known here.
#[derive(Debug, Clone, PartialEq)]
pub enum Executor {
    /// `constant-arrival-rate` (open; `lib/executor/constant_arrival_rate.go`).
    ConstantArrivalRate {
        /// The rate.
        rate: Rate,
        /// How long it lasts, at least 1 s.
        duration: SimDuration,
        /// The VUs that take the arrivals.
        vus: OpenVus,
    },
    /// `ramping-arrival-rate` (open; `lib/executor/ramping_arrival_rate.go`).
    RampingArrivalRate {
        /// The rate that the first stage starts from.
        start_rate: Rate,
        /// At least one.
        stages: Vec<RateStage>,
        /// The VUs that take the arrivals.
        vus: OpenVus,
    },
    /// `constant-vus` (closed; `lib/executor/constant_vus.go`).
    ConstantVus {
        /// Above zero.
        vus: u32,
        /// How long they loop, at least 1 s.
        duration: SimDuration,
    },
    /// `ramping-vus` (closed; `lib/executor/ramping_vus.go`).
    RampingVus {
        /// VUs that the first stage starts from.
        start_vus: u32,
        /// At least one.
        stages: Vec<VuStage>,
        /// How long a VU that is ramped down may go on with its iteration.
        graceful_ramp_down: SimDuration,
    },
    /// `shared-iterations` (closed; `lib/executor/shared_iterations.go`).
    SharedIterations {
        /// Above zero.
        vus: u32,
        /// Iterations of all VUs together, at least `vus`.
        iterations: u64,
        /// No iteration starts later, at least 1 s.
        max_duration: SimDuration,
    },
    /// `per-vu-iterations` (closed; `lib/executor/per_vu_iterations.go`).
    PerVuIterations {
        /// Above zero.
        vus: u32,
        /// Iterations of each VU, above zero.
        iterations: u64,
        /// No iteration starts later, at least 1 s.
        max_duration: SimDuration,
    },
    /// A day that repeats (open, no limit of VUs).
    Diurnal(Diurnal),
    /// One surge (open, no limit of VUs).
    Spike(Spike),
    /// Constant rates one after the other (open, no limit of VUs).
    Step {
        /// At least one.
        levels: Vec<Level>,
        /// Where they come from.
        source: LevelSource,
    },
}

impl Executor {
    /// The name in a scenario, e.g. `ramping-vus`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ConstantArrivalRate { .. } => "constant-arrival-rate",
            Self::RampingArrivalRate { .. } => "ramping-arrival-rate",
            Self::ConstantVus { .. } => "constant-vus",
            Self::RampingVus { .. } => "ramping-vus",
            Self::SharedIterations { .. } => "shared-iterations",
            Self::PerVuIterations { .. } => "per-vu-iterations",
            Self::Diurnal(_) => "diurnal",
            Self::Spike(_) => "spike",
            Self::Step { source: LevelSource::Written, .. } => "step",
            Self::Step { source: LevelSource::Recording, .. } => "replay",
            Self::Step { source: LevelSource::Hospital, .. } => "hospital-day",
        }
    }

    /// How long iterations are started, graceful stop aside.
    #[must_use]
    pub fn duration(&self) -> SimDuration {
        match self {
            Self::ConstantArrivalRate { duration, .. } | Self::ConstantVus { duration, .. } => {
                *duration
            }
            Self::RampingArrivalRate { stages, .. } => {
                stages.iter().map(|stage| stage.duration).sum()
            }
            Self::RampingVus { stages, .. } => stages.iter().map(|stage| stage.duration).sum(),
            Self::SharedIterations { max_duration, .. }
            | Self::PerVuIterations { max_duration, .. } => *max_duration,
            Self::Diurnal(diurnal) => diurnal.duration,
            Self::Spike(spike) => spike.duration,
            Self::Step { levels, .. } => levels.iter().map(|level| level.duration).sum(),
        }
    }
}

/// A load as written, not yet checked.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadDraft {
    /// Name of the k6 scenario: latin letters, digits, `_` and `-`.
    pub name: String,
    /// The classes that its iterations belong to.
    pub mix: Mix,
    /// When it begins, counted from the start of the measured time.
    pub start_time: SimDuration,
    /// How long iterations under way may go on when the load ends.
    pub graceful_stop: SimDuration,
    /// How arrivals lie; without meaning for a closed executor.
    pub spacing: Spacing,
    /// What drives it.
    pub executor: Executor,
}

impl LoadDraft {
    /// Default of k6's `gracefulStop` and `gracefulRampDown` (`DefaultGracefulStopValue` in
    /// `lib/executor/base_config.go`).
    pub const GRACEFUL_STOP: SimDuration = SimDuration::from_secs(30);
    /// Default of k6's `maxDuration` of the executors that count iterations.
    pub const MAX_DURATION: SimDuration = SimDuration::from_secs(600);

    /// A load with k6's defaults, and Poisson arrivals.
    #[must_use]
    pub fn new(name: impl Into<String>, mix: Mix, executor: Executor) -> Self {
        Self {
            name: name.into(),
            mix,
            start_time: SimDuration::ZERO,
            graceful_stop: Self::GRACEFUL_STOP,
            spacing: Spacing::default(),
            executor,
        }
    }
}

/// What is wrong with one field of a load.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct LoadError {
    /// Path of the field within the entry, in the scenario's words: `stages[2].target`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a field of a load. Reads on after the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Problem {
    /// A character that k6 does not allow, or no character.
    #[error("may only have latin letters, digits, underscores and dashes, at least one")]
    Name,
    /// Negative, infinite or not a number.
    #[error("must be a finite number, zero or more")]
    NotFinite,
    /// Zero where nothing would happen.
    #[error("must be above zero")]
    NotPositive,
    /// A rate beyond the resolution of the clock.
    #[error("must be at most one iteration a nanosecond")]
    TooFast,
    /// Shorter than k6 allows (`minDuration` in `lib/executor/constant_vus.go`).
    #[error("must be at least 1s, but is {0}")]
    TooShort(SimDuration),
    /// Beyond the clock.
    #[error("makes the load end after more than 292 years")]
    TooLong,
    /// No stage.
    #[error("needs at least one entry")]
    Empty,
    /// `maxVUs` under `preAllocatedVUs`.
    #[error("is {max}, below preAllocatedVUs ({pre_allocated})")]
    BelowPreAllocated {
        /// `maxVUs`.
        max: u32,
        /// `preAllocatedVUs`.
        pre_allocated: u32,
    },
    /// Nobody could take an arrival. (k6 accepts it and runs nothing.)
    #[error("is 0, so every iteration would be dropped")]
    NoVus,
    /// More than k6's limit (`maxConcurrentVUs` in `lib/executor/ramping_vus.go`).
    #[error("must be at most {}", VUS_MAX)]
    TooManyVus,
    /// Neither the start nor a stage has a VU.
    #[error("never has a VU: startVUs or the target of a stage must be above zero")]
    NeverAVu,
    /// k6 wants an iteration for each VU.
    #[error("is {iterations}, below vus ({vus})")]
    FewerIterationsThanVus {
        /// Iterations to share.
        iterations: u64,
        /// VUs to share them.
        vus: u32,
    },
    /// `peak` under `base`.
    #[error("must be at least base")]
    BelowBase,
    /// All weights of a day are zero.
    #[error("needs a weight above zero")]
    NoWeight,
    /// A time of day at or after midnight.
    #[error("must be a time of day, below 24h")]
    NotATimeOfDay,
    /// A spike that begins after the load is over.
    #[error("is after the end of the load")]
    AfterTheEnd,
}

impl fmt::Display for Spacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poisson => "poisson",
            Self::Uniform => "uniform",
            Self::Bursty(_) => "mmpp",
        })
    }
}
