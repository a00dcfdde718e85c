//! The instants at which an open load starts iterations.

use rand::RngExt;
use rand_distr::{Distribution, Exp1};

use crate::engine::streams::Stream;
use crate::load::draft::{Bursts, Executor, Spacing};
use crate::load::rate::Rate;
use crate::load::shape::{Cursor, Shape, ShapeBuilder};
use crate::load::spec::LoadSpec;
use crate::units::time::{SimDuration, SimTime};

/// The arrivals of one open load, in order of time.
///
/// - *Poisson*: a non-homogeneous Poisson process by time rescaling: the integral of the rate from
///   one arrival to the next is exponential of mean 1, and the shape's exact inverse turns it into
///   an instant. One draw an arrival, nothing thrown away.
/// - *Bursty*: the same, of a process that goes to and fro between a high and a low rate.
/// - *Uniform*: k6's arithmetic. A constant rate starts iteration *i* (from 0) at *i* whole periods,
///   as long as that is before the end (`lib/executor/constant_arrival_rate.go`). Every other rate
///   starts iteration *i* (from 1) when the integral of the rate reaches *i*, the end included
///   (`cal` in `lib/executor/ramping_arrival_rate.go`). What falls exactly on the end of a constant
///   rate is a race of two timers in k6; here it does not start.
///
/// Before the load's own arrivals come those of the warm-up, at its first rate, if it begins
/// with the measured time. The count of uniform arrivals begins anew there, so that the measured
/// arrivals are k6's to the nanosecond.
#[derive(Debug, Clone)]
pub struct Arrivals {
    current: Flow,
    /// The load itself, while `current` is its warm-up.
    then: Option<Flow>,
    stream: Stream,
}

/// One uninterrupted process of arrivals.
#[derive(Debug, Clone)]
struct Flow {
    begins: SimTime,
    pattern: Pattern,
}

#[derive(Debug, Clone)]
enum Pattern {
    Periodic { period: SimDuration, next: SimDuration, span: SimDuration },
    Even(Walk),
    Poisson(Walk),
    Bursty(Walk, Modulation),
}

/// The state of a Markov-modulated Poisson process.
#[derive(Debug, Clone)]
struct Modulation {
    bursts: Bursts,
    /// Whether the rate is the high one.
    high: bool,
    /// What is left of the stay (arrivals expected); `None` before the first arrival.
    left: Option<f64>,
}

impl Modulation {
    /// The area to the next arrival: an exponential amount of work at the rates of the states passed.
    fn step(&mut self, stream: &mut Stream) -> f64 {
        let stay = self.bursts.mean_stay();
        let mut left = self.left.unwrap_or_else(|| {
            // Stays are alike, so each state is the first one half of the time, and has no memory.
            self.high = stream.random::<bool>();
            stay * draw(stream)
        });
        let mut needed = draw(stream);
        let mut area = 0.0;
        loop {
            let swing = if self.high { self.bursts.swing } else { -self.bursts.swing };
            let rate = 1.0 + swing;
            if needed < left * rate {
                let step = needed / rate;
                self.left = Some(left - step);
                return area + step;
            }
            needed -= left * rate;
            area += left;
            self.high = !self.high;
            left = stay * draw(stream);
        }
    }
}

/// An exponential number of mean 1.
fn draw(stream: &mut Stream) -> f64 {
    Exp1.sample(stream)
}

/// A shape with the integral reached so far.
#[derive(Debug, Clone)]
struct Walk {
    shape: Shape,
    cursor: Cursor,
    /// Iterations; exact for counts below 2^53.
    area: f64,
    /// No arrival is earlier: near rate zero rounding could step back by a nanosecond.
    last: SimDuration,
}

impl Arrivals {
    /// Arrivals of a load whose measured time starts at `measured_from` on the simulation clock;
    /// the time before it is warm-up. `None` for a closed load.
    #[must_use]
    pub fn new(spec: &LoadSpec, measured_from: SimTime, stream: Stream) -> Option<Self> {
        let shape = spec.shape()?;
        let begins = measured_from + spec.start_time();
        let load = Flow { begins, pattern: Pattern::of(spec, shape.clone()) };
        let warm_up = measured_from - SimTime::ZERO;
        if warm_up.is_zero() || !spec.start_time().is_zero() {
            return Some(Self { current: load, then: None, stream });
        }
        let first_rate = Rate::per_second(shape.rate_at(SimDuration::ZERO));
        let level = ShapeBuilder::starting_at(first_rate).hold(warm_up).build();
        let pattern = match Pattern::of(spec, level) {
            Pattern::Periodic { period, next, span: _ } => {
                Pattern::Periodic { period, next, span: warm_up }
            }
            walk @ (Pattern::Even(_) | Pattern::Poisson(_) | Pattern::Bursty(..)) => walk,
        };
        let current = Flow { begins: SimTime::ZERO, pattern };
        Some(Self { current, then: Some(load), stream })
    }

    /// The next arrival; never earlier than the one before. `None` when there are no more.
    #[inline]
    pub fn next_arrival(&mut self) -> Option<SimTime> {
        loop {
            if let Some(at) = self.current.next(&mut self.stream) {
                return Some(at);
            }
            self.current = self.then.take()?;
        }
    }
}

impl Flow {
    #[inline]
    fn next(&mut self, stream: &mut Stream) -> Option<SimTime> {
        let offset = match &mut self.pattern {
            Pattern::Periodic { period, next, span } => {
                let offset = *next;
                if offset >= *span {
                    return None;
                }
                *next += *period;
                offset
            }
            Pattern::Even(walk) => walk.step(1.0)?,
            Pattern::Poisson(walk) => walk.step(Exp1.sample(stream))?,
            Pattern::Bursty(walk, modulation) => walk.step(modulation.step(stream))?,
        };
        Some(self.begins + offset)
    }
}

impl Pattern {
    fn of(spec: &LoadSpec, shape: Shape) -> Self {
        let walk =
            |shape| Walk { shape, cursor: Cursor::default(), area: 0.0, last: SimDuration::ZERO };
        match (spec.spacing(), spec.executor()) {
            (Spacing::Poisson, _) => Self::Poisson(walk(shape)),
            (Spacing::Bursty(bursts), _) => {
                Self::Bursty(walk(shape), Modulation { bursts, high: false, left: None })
            }
            (Spacing::Uniform, Executor::ConstantArrivalRate { rate, duration, vus: _ }) => {
                Self::Periodic { period: rate.period(), next: SimDuration::ZERO, span: *duration }
            }
            (Spacing::Uniform, _) => Self::Even(walk(shape)),
        }
    }
}

impl Walk {
    /// The offset at which the integral has grown by `area` more.
    #[inline]
    fn step(&mut self, area: f64) -> Option<SimDuration> {
        self.area += area;
        let offset = self.shape.advance(&mut self.cursor, self.area)?;
        self.last = self.last.max(offset);
        Some(self.last)
    }
}

#[cfg(test)]
mod tests;
