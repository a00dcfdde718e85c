//! From an executor to the one form of a rate: a piecewise linear shape.

use std::f64::consts::TAU;

use crate::load::draft::{Diurnal, Executor, Spike};
use crate::load::rate::Rate;
use crate::load::shape::{Shape, ShapeBuilder};
use crate::units::convert::{f64_from_u64, f64_from_usize};
use crate::units::time::SimDuration;

const HOURS: usize = 24;
const HOUR_NANOS: u64 = 3_600_000_000_000;
const DAY_NANOS: u64 = 24 * HOUR_NANOS;

/// When a day peaks if nobody says when: the late morning of office work.
const PEAK_AT_NANOS: u64 = 11 * HOUR_NANOS;

/// The rate of an open executor; `None` for a closed one.
pub(crate) fn shape(executor: &Executor) -> Option<Shape> {
    match executor {
        Executor::ConstantArrivalRate { rate, duration, vus: _ } => {
            Some(ShapeBuilder::starting_at(*rate).hold(*duration).build())
        }
        Executor::RampingArrivalRate { start_rate, stages, vus: _ } => {
            let start = ShapeBuilder::starting_at(*start_rate);
            let built = stages
                .iter()
                .fold(start, |shape, stage| shape.ramp_to(stage.target, stage.duration));
            Some(built.build())
        }
        Executor::Diurnal(diurnal) => Some(day(diurnal)),
        Executor::Spike(spike) => Some(surge(*spike)),
        Executor::Step { levels, .. } => {
            let built =
                levels.iter().fold(ShapeBuilder::starting_at(Rate::ZERO), |shape, level| {
                    shape.ramp_to(level.rate, SimDuration::ZERO).hold(level.duration)
                });
            Some(built.build())
        }
        Executor::ConstantVus { .. }
        | Executor::RampingVus { .. }
        | Executor::SharedIterations { .. }
        | Executor::PerVuIterations { .. } => None,
    }
}

fn surge(spike: Spike) -> Shape {
    let Spike { base, peak, at, rise, hold, fall, duration } = spike;
    ShapeBuilder::starting_at(base)
        .at_most(duration)
        .hold(at)
        .ramp_to(peak, rise)
        .hold(hold)
        .ramp_to(base, fall)
        .hold_to_the_limit()
        .build()
}

/// Twenty-four weights an hour apart, 1 the highest, and the time of day of the first of them.
struct Day {
    first_nanos: u64,
    weights: [f64; HOURS],
}

fn day(diurnal: &Diurnal) -> Shape {
    let Diurnal { base, peak, peak_at, profile, clock, duration } = diurnal;
    let peak_nanos = peak_at.map(SimDuration::as_nanos);
    let day = profile.map_or_else(
        || Day::bell(peak_nanos.unwrap_or(PEAK_AT_NANOS)),
        |profile| Day::of_profile(&profile, peak_nanos),
    );
    let rate = |weight: f64| {
        let (base, peak) = (base.as_per_second(), peak.as_per_second());
        Rate::per_second(base + (peak - base) * weight)
    };
    let (hour, inside) = day.place(clock.as_nanos());
    let start = ShapeBuilder::starting_at(rate(day.weight_at(clock.as_nanos()))).at_most(*duration);
    let first = SimDuration::from_nanos(HOUR_NANOS - inside);
    let mut shape = start.ramp_to(rate(day.weights[(hour + 1) % HOURS]), first);
    let mut hour = hour + 1;
    let mut laid = first;
    while laid < *duration {
        hour = (hour + 1) % HOURS;
        let span = SimDuration::from_nanos(HOUR_NANOS);
        shape = shape.ramp_to(rate(day.weights[hour]), span);
        laid += span;
    }
    shape.build()
}

impl Day {
    /// A raised cosine with its top at a time of day and its bottom twelve hours away.
    fn bell(peak_nanos: u64) -> Self {
        let weights = std::array::from_fn(|hour| {
            f64::midpoint(1.0, libm::cos(TAU * f64_from_usize(hour) / f64_from_usize(HOURS)))
        });
        Self { first_nanos: peak_nanos, weights }
    }

    /// Weights of the hours of a day, scaled to 1, turned so that the first highest one lies at a
    /// time of day when one is given.
    fn of_profile(profile: &[f64; HOURS], peak_nanos: Option<u64>) -> Self {
        let highest = profile.iter().copied().fold(0.0, f64::max);
        let first_nanos = peak_nanos.map_or(0, |peak| {
            let top = profile.iter().take_while(|weight| **weight < highest).count();
            let top = u64::try_from(top).expect("a day has 24 hours");
            (peak + DAY_NANOS - top * HOUR_NANOS) % DAY_NANOS
        });
        Self { first_nanos, weights: profile.map(|weight| weight / highest) }
    }

    /// The index of the weight at or before a time of day, and the nanoseconds since then.
    fn place(&self, clock: u64) -> (usize, u64) {
        let since_first = (clock + DAY_NANOS - self.first_nanos) % DAY_NANOS;
        let hour = usize::try_from(since_first / HOUR_NANOS).expect("a day has 24 hours");
        (hour, since_first % HOUR_NANOS)
    }

    fn weight_at(&self, clock: u64) -> f64 {
        let (hour, inside) = self.place(clock);
        let (from, to) = (self.weights[hour], self.weights[(hour + 1) % HOURS]);
        from + (to - from) * (f64_from_u64(inside) / f64_from_u64(HOUR_NANOS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::draft::{Level, LevelSource};

    fn hours(count: f64) -> SimDuration {
        SimDuration::from_secs_f64(count * 3_600.0)
    }

    fn diurnal(peak_at: Option<f64>, profile: Option<[f64; 24]>, clock: f64) -> Shape {
        day(&Diurnal {
            base: Rate::per_second(20.0),
            peak: Rate::per_second(300.0),
            peak_at: peak_at.map(hours),
            profile,
            clock: hours(clock),
            duration: hours(48.0),
        })
    }

    #[test]
    fn a_bell_peaks_at_its_hour_and_repeats() {
        let shape = diurnal(Some(13.5), None, 8.25);
        for (after, rate) in [(5.25, 300.0), (17.25, 20.0), (29.25, 300.0), (11.25, 160.0)] {
            let actual = shape.rate_at(hours(after));
            assert!((actual - rate).abs() < 1e-6, "{actual} after {after} h");
        }
        assert!((shape.rate_max() - 300.0).abs() < 1e-9);
        assert_eq!(shape.span(), hours(48.0));
        // The chords of a cosine have its mean, because both are symmetric.
        assert!((shape.total() - 160.0 * 48.0 * 3_600.0).abs() < 1e-3);
    }

    #[test]
    fn a_profile_counts_by_the_clock_unless_its_peak_is_moved() {
        let mut profile = [0.0; 24];
        (profile[9], profile[10], profile[23]) = (2.0, 4.0, 1.0);
        let as_written = diurnal(None, Some(profile), 8.5);
        let rows =
            [(0.0, 90.0), (0.5, 160.0), (1.0, 230.0), (1.5, 300.0), (2.5, 20.0), (14.5, 90.0)];
        for (after, rate) in rows {
            let actual = as_written.rate_at(hours(after));
            assert!((actual - rate).abs() < 1e-6, "{actual} after {after} h");
        }
        let moved = diurnal(Some(16.25), Some(profile), 8.5);
        assert!((moved.rate_at(hours(7.75)) - 300.0).abs() < 1e-6);
        assert!((moved.rate_at(hours(6.75)) - 160.0).abs() < 1e-6);
    }

    #[test]
    fn a_spike_rises_holds_and_falls() {
        let (base, peak) = (Rate::per_second(20.0), Rate::per_second(400.0));
        let minutes = |count: u64| SimDuration::from_secs(count * 60);
        let spike = Spike {
            base,
            peak,
            at: minutes(30),
            rise: minutes(1),
            hold: minutes(10),
            fall: minutes(5),
            duration: minutes(60),
        };
        let shape = surge(spike);
        let expected = 20.0 * 3_600.0 + 380.0 * (30.0 + 600.0 + 150.0);
        assert!((shape.total() - expected).abs() < 1e-6);
        for (minute, rate) in [(0, 20.0), (30, 20.0), (31, 400.0), (41, 400.0), (46, 20.0)] {
            assert!((shape.rate_at(minutes(minute)) - rate).abs() < 1e-9, "minute {minute}");
        }
        let cut = surge(Spike { duration: minutes(35), ..spike });
        assert_eq!(cut.span(), minutes(35));
        assert!((cut.total() - (20.0 * 2_100.0 + 380.0 * (30.0 + 240.0))).abs() < 1e-6);
    }

    #[test]
    fn steps_jump_from_level_to_level() {
        let level = |secs: u64, rate: f64| Level {
            duration: SimDuration::from_secs(secs),
            rate: Rate::per_second(rate),
        };
        let levels = vec![level(10, 1.0), level(5, 4.0), level(10, 2.0)];
        let shape = shape(&Executor::Step { levels, source: LevelSource::Written }).unwrap();
        assert!((shape.total() - 50.0).abs() < 1e-9);
        assert!((shape.rate_at(SimDuration::from_secs(10)) - 4.0).abs() < 1e-9);
    }
}
