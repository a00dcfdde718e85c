//! Policies as dots: what a month costs against the share of calls that miss their objective, the
//! dots that nothing dominates joined by a line.

use crate::report::canvas::{Anchor, INK, Point, QUIET, Rgb, sheet};
use crate::report::figures::shown;
use crate::sweep::Measure;
use crate::sweep::bench::Bench;
use crate::units::convert::{f64_from_i64, trunc_i32};

const SIZE: Point = (760, 460);
const LEFT: i32 = 90;
const RIGHT: i32 = 190;
const TOP: i32 = 60;
const BOTTOM: i32 = 60;
const FREE: Rgb = Rgb(0, 114, 178);
const BEATEN: Rgb = Rgb(150, 150, 150);
const GRID: Rgb = Rgb(226, 226, 226);
/// Ticks of an axis.
const TICKS: i64 = 4;

struct Dot {
    name: String,
    cost: f64,
    miss: f64,
    /// Ends of the interval of the misses.
    ends: (f64, f64),
    free: bool,
}

/// The picture; `None` when fewer than two policies have both figures.
#[must_use]
pub fn pareto(bench: &Bench) -> Option<String> {
    let standings = bench.standings();
    let dots: Vec<Dot> = bench
        .policies
        .iter()
        .zip(&standings)
        .filter_map(|(name, standing)| {
            let cost = standing.mean(Measure::CostPerMonth)?;
            let miss = standing.mean(Measure::ObjectiveMiss)?;
            let free = standing.nondominated?;
            let ends = (miss.low().max(0.0), miss.high());
            Some(Dot { name: name.clone(), cost: cost.mean, miss: miss.mean, ends, free })
        })
        .collect();
    if dots.len() < 2 {
        return None;
    }
    let span = |of: &dyn Fn(&Dot) -> (f64, f64)| {
        let low = dots.iter().map(|dot| of(dot).0).fold(f64::INFINITY, f64::min);
        let high = dots.iter().map(|dot| of(dot).1).fold(f64::NEG_INFINITY, f64::max);
        let room = ((high - low) * 0.08).max(high.abs() * 0.001).max(1e-9);
        (low - room, high + room)
    };
    let costs = span(&|dot| (dot.cost, dot.cost));
    let misses = span(&|dot| dot.ends);
    let misses = (misses.0.max(0.0), misses.1);
    let place = |value: f64, (low, high): (f64, f64), pixels: i32| {
        trunc_i32(libm::round((value - low) / (high - low) * f64::from(pixels)))
    };
    let x = |cost: f64| LEFT + place(cost, costs, SIZE.0 - LEFT - RIGHT);
    let y = |miss: f64| SIZE.1 - BOTTOM - place(miss, misses, SIZE.1 - TOP - BOTTOM);
    Some(sheet(SIZE, |canvas| {
        canvas.write("Cost against missed objectives", (LEFT, 24), 16, INK, Anchor::Left);
        let hint = "left and below is better; joined: not dominated; bars: 95 % intervals";
        canvas.write(hint, (LEFT, 43), 11, QUIET, Anchor::Left);
        for tick in 0..=TICKS {
            let share = f64_from_i64(tick) / f64_from_i64(TICKS);
            let cost = costs.0 + share * (costs.1 - costs.0);
            let miss = misses.0 + share * (misses.1 - misses.0);
            canvas.line(vec![(x(cost), TOP), (x(cost), SIZE.1 - BOTTOM)], GRID, 1);
            canvas.line(vec![(LEFT, y(miss)), (SIZE.0 - RIGHT, y(miss))], GRID, 1);
            let at = (x(cost), SIZE.1 - BOTTOM + 16);
            canvas.write(&shown(Measure::CostPerMonth, cost), at, 11, QUIET, Anchor::Center);
            let at = (LEFT - 8, y(miss));
            canvas.write(&shown(Measure::ObjectiveMiss, miss), at, 11, QUIET, Anchor::Right);
        }
        let at = ((LEFT + SIZE.0 - RIGHT) / 2, SIZE.1 - 18);
        canvas.write("cost of a month", at, 12, INK, Anchor::Center);
        let mut front: Vec<&Dot> = dots.iter().filter(|dot| dot.free).collect();
        front.sort_by(|one, other| one.cost.total_cmp(&other.cost));
        canvas.line(front.iter().map(|dot| (x(dot.cost), y(dot.miss))).collect(), FREE, 1);
        let mut taken: Vec<Point> = Vec::new();
        for dot in &dots {
            let colour = if dot.free { FREE } else { BEATEN };
            let (at_x, at_y) = (x(dot.cost), y(dot.miss));
            canvas.line(vec![(at_x, y(dot.ends.0)), (at_x, y(dot.ends.1))], colour, 2);
            canvas.dot((at_x, at_y), 5, colour, dot.free);
            // Names that would lie on one another go below one another.
            let mut label = (at_x + 10, at_y);
            while taken.iter().any(|it| (it.1 - label.1).abs() < 14 && (it.0 - label.0).abs() < 150)
            {
                label.1 += 14;
            }
            taken.push(label);
            canvas.write(&dot.name, label, 12, INK, Anchor::Left);
        }
    }))
}
