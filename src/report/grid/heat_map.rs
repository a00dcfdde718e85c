//! A grid of two axes as a picture: a rectangle a cell, darker where the figure is larger, failing
//! cells crossed out, the cheapest that passes framed.

use crate::report::canvas::{Anchor, Canvas, INK, QUIET, Rgb, sheet};
use crate::report::figures::shown_or_dash;
use crate::report::grid::Plan;
use crate::sweep::cell::{Cell, CellOutcome, cheapest};
use crate::units::convert::{count_i32, trunc_i64};

const CELL: (i32, i32) = (96, 44);
const LEFT: i32 = 130;
const TOP: i32 = 84;
const EDGE: i32 = 24;
/// Cells along one side at most: a picture wider than this is no picture any more.
const SIDE_MOST: usize = 60;

/// The picture; `None` when there are not two axes, or more cells than can be told apart.
#[must_use]
pub fn heat_map(plan: &Plan, cells: &[Cell]) -> Option<String> {
    let [across, down] = plan.grid.axes.as_slice() else { return None };
    if across.values.len() > SIDE_MOST || down.values.len() > SIDE_MOST {
        return None;
    }
    let (columns, rows) = (count_i32(across.values.len()), count_i32(down.values.len()));
    let (width, height) = (LEFT + columns * CELL.0 + EDGE, TOP + rows * CELL.1 + EDGE);
    let size = (width.max(560), height);
    Some(sheet(size, |canvas| {
        let title = format!("{} of {}", plan.measure.name(), plan.name);
        canvas.write(&title, (EDGE, 26), 16, INK, Anchor::Left);
        let names = format!("across: {}   down: {}", across.path, down.path);
        canvas.write(&names, (EDGE, 46), 12, QUIET, Anchor::Left);
        for (column, value) in across.values.iter().enumerate() {
            let x = LEFT + count_i32(column) * CELL.0 + CELL.0 / 2;
            canvas.write(value, (x, TOP - 12), 12, INK, Anchor::Center);
        }
        for (row, value) in down.values.iter().enumerate() {
            let y = TOP + count_i32(row) * CELL.1 + CELL.1 / 2;
            canvas.write(value, (LEFT - 10, y), 12, INK, Anchor::Right);
        }
        draw_cells(canvas, plan, cells, down.values.len());
    }))
}

const LIGHT: (f64, f64, f64) = (235.0, 244.0, 250.0);
const DARK: (f64, f64, f64) = (0.0, 90.0, 150.0);
const FAILED: Rgb = Rgb(213, 94, 0);
const BEST: Rgb = Rgb(0, 120, 90);

fn draw_cells(canvas: &Canvas<'_, '_>, plan: &Plan, cells: &[Cell], rows: usize) {
    let value = |cell: &Cell| cell.mean(plan.measure).map(|it| it.mean);
    let all: Vec<f64> = cells.iter().filter_map(value).collect();
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let best = cheapest(cells);
    for (position, cell) in cells.iter().enumerate() {
        let (column, row) = (count_i32(position / rows), count_i32(position % rows));
        let from = (LEFT + column * CELL.0 + 1, TOP + row * CELL.1 + 1);
        let to = (from.0 + CELL.0 - 2, from.1 + CELL.1 - 2);
        let share = value(cell).map(|it| share_of(it, least, most));
        let (paint, ink) = share.map_or((Rgb(238, 238, 238), QUIET), shade);
        canvas.fill(from, to, paint);
        let middle = (from.0 + CELL.0 / 2, from.1 + CELL.1 / 2 - 1);
        let text = match cell.outcome {
            CellOutcome::Refused(_) => "refused".to_owned(),
            CellOutcome::Ran(_) => shown_or_dash(plan.measure, value(cell)),
        };
        let text = if cell.holds() { text } else { format!("✗ {text}") };
        canvas.write(&text, middle, 13, ink, Anchor::Center);
        if best == Some(position) {
            canvas.frame(from, to, BEST, 4);
        } else if !cell.holds() {
            canvas.frame(from, to, FAILED, 2);
        }
    }
}

/// Where a figure lies between the least and the most; by orders of magnitude when they are far apart.
fn share_of(value: f64, least: f64, most: f64) -> f64 {
    if most <= least {
        return 0.0;
    }
    if least > 0.0 && most / least > 20.0 {
        libm::log(value / least) / libm::log(most / least)
    } else {
        (value - least) / (most - least)
    }
}

/// The colour of a share, and of text upon it.
fn shade(share: f64) -> (Rgb, Rgb) {
    let mix = |light: f64, dark: f64| {
        let mixed = libm::round(light + (dark - light) * share.clamp(0.0, 1.0));
        u8::try_from(trunc_i64(mixed)).unwrap_or(u8::MAX)
    };
    let paint = Rgb(mix(LIGHT.0, DARK.0), mix(LIGHT.1, DARK.1), mix(LIGHT.2, DARK.2));
    (paint, if share > 0.55 { Rgb(255, 255, 255) } else { INK })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::grid::tests::{cells, plan};

    #[test]
    fn every_cell_is_drawn_with_its_figure_and_mark() {
        let picture = heat_map(&plan(), &cells()).expect("there are two axes");
        for text in ["41ms", "✗ 40ms", "✗ refused", "a.max"] {
            assert!(picture.contains(text), "{text}");
        }
        assert!(!picture.contains("style=") && !picture.contains("<script"));
        let mut one = plan();
        one.grid.axes.pop();
        assert_eq!(heat_map(&one, &[]), None);
    }

    #[test]
    fn far_figures_are_shaded_by_their_magnitude() {
        assert!((share_of(10.0, 1.0, 100.0) - 0.5).abs() < 1e-12);
        assert!((share_of(5.0, 1.0, 9.0) - 0.5).abs() < 1e-12);
        assert!(share_of(3.0, 3.0, 3.0).abs() < 1e-12);
    }
}
