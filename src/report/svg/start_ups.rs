//! Where the time goes from a pending pod to a serving one: a bar for each workload whose pods waited
//! for a machine, cut into the medians of its parts.

use crate::report::StartUpEntry;
use crate::report::canvas::{Anchor, INK, QUIET, Rgb, sheet};
use crate::units::SimDuration;
use crate::units::convert::trunc_i32;

const WIDTH: i32 = 960;
const LEFT: i32 = 210;
const RIGHT: i32 = 130;
const TOP: i32 = 62;
const ROW: i32 = 56;
const BAR: i32 = 24;
const KEYS: i32 = 44;
/// Keys beside each other.
const KEY: i32 = 92;
/// A part narrower than this has no room for its figure (pixels).
const LEGIBLE: i32 = 34;
/// A colour for each part of the way; neighbours differ in lightness, so that they are told apart
/// without colours too.
const COLOURS: [Rgb; 9] = [
    Rgb(60, 60, 60),
    Rgb(190, 190, 190),
    Rgb(0, 114, 178),
    Rgb(140, 208, 245),
    Rgb(0, 120, 90),
    Rgb(225, 225, 225),
    Rgb(213, 94, 0),
    Rgb(250, 190, 80),
    Rgb(150, 80, 130),
];

fn clock(seconds: f64) -> String {
    SimDuration::from_secs_f64(libm::round(seconds)).to_string()
}

/// The picture; `None` when no pod waited for a machine.
#[must_use]
pub fn start_ups(entries: &[StartUpEntry]) -> Option<String> {
    let first = entries.first()?;
    let sum = |entry: &StartUpEntry| entry.phases.iter().map(|(_, median, _)| median).sum::<f64>();
    let longest = entries.iter().map(sum).fold(1e-9, f64::max);
    let rows = i32::try_from(entries.len()).unwrap_or(i32::MAX / ROW / 2);
    let height = TOP + rows * ROW + KEYS;
    let along = |seconds: f64| {
        LEFT + trunc_i32(libm::round(seconds / longest * f64::from(WIDTH - LEFT - RIGHT)))
    };
    Some(sheet((WIDTH, height), |canvas| {
        canvas.write("From pending to serving", (LEFT, 22), 16, INK, Anchor::Left);
        let hint = "pods that waited for a machine; medians of the parts, one after another";
        canvas.write(hint, (LEFT, 42), 11, QUIET, Anchor::Left);
        let mut top = TOP;
        for entry in entries {
            let middle = top + BAR / 2;
            let pods = if entry.pods == 1 { "pod" } else { "pods" };
            canvas.write(&entry.workload, (LEFT - 10, middle - 6), 12, INK, Anchor::Right);
            let count = format!("{} {pods}", entry.pods);
            canvas.write(&count, (LEFT - 10, middle + 9), 10, QUIET, Anchor::Right);
            let mut passed = 0.0;
            for ((_, median, _), colour) in entry.phases.iter().zip(COLOURS.iter().cycle()) {
                let (from, to) = (along(passed), along(passed + median));
                passed += median;
                if to > from {
                    canvas.fill((from, top), (to, top + BAR), *colour);
                    canvas.frame((from, top), (to, top + BAR), INK, 1);
                }
                if to - from >= LEGIBLE {
                    let at = (from.midpoint(to), top + BAR + 10);
                    canvas.write(&clock(*median), at, 10, QUIET, Anchor::Center);
                }
            }
            let (p50, p95, _) = entry.total_s;
            let at = (along(passed) + 8, middle);
            let total = format!("{}, p95 {}", clock(p50), clock(p95));
            canvas.write(&total, at, 11, INK, Anchor::Left);
            top += ROW;
        }
        let mut at = 20;
        for ((name, ..), colour) in first.phases.iter().zip(COLOURS.iter().cycle()) {
            canvas.fill((at, top + 14), (at + 12, top + 26), *colour);
            canvas.frame((at, top + 14), (at + 12, top + 26), INK, 1);
            canvas.write(name, (at + 18, top + 20), 11, INK, Anchor::Left);
            at += KEY;
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(workload: &str, parts: [f64; 3]) -> StartUpEntry {
        let names = ["detect", "launch", "pull"];
        let total: f64 = parts.iter().sum();
        StartUpEntry {
            workload: workload.to_owned(),
            pods: 2,
            phases: names.into_iter().zip(parts).map(|(name, part)| (name, part, part)).collect(),
            total_s: (total, total, total),
        }
    }

    /// Bars start at 210 and the longest is 620 wide: 10 + 20 + 70 s of 100 s end at 272, 396 and 830.
    #[test]
    fn bars_are_cut_where_the_parts_end() {
        assert_eq!(start_ups(&[]), None);
        let svg = start_ups(&[entry("ml", [10.0, 20.0, 70.0]), entry("web", [0.0, 50.0, 0.0])]);
        let svg = svg.expect("two workloads waited");
        for (from, width) in [(210, 62), (272, 124), (396, 434)] {
            let bar = format!("<rect x=\"{from}\" y=\"62\" width=\"{width}\"");
            assert!(svg.contains(&bar), "{bar} in {svg}");
        }
        for word in ["ml", "2 pods", "1m40s, p95 1m40s", "launch", "From pending to serving"] {
            assert!(svg.contains(word), "{word}");
        }
    }
}
