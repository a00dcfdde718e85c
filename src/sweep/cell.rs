//! Cells of a grid, computed: what each of them says over its runs, and which is the cheapest.

use crate::sweep::figures::{Figures, Measure};
use crate::sweep::grid::Setting;
use crate::sweep::interval::MeanInterval;

/// A computed cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Its number in the grid.
    pub number: usize,
    /// What it sets.
    pub settings: Vec<Setting>,
    /// What became of it.
    pub outcome: CellOutcome,
}

/// What became of a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum CellOutcome {
    /// Its values make no scenario, with the reason.
    Refused(String),
    /// It was run, once a replication.
    Ran(Vec<Figures>),
}

impl Cell {
    /// Its runs; none when it was refused.
    #[must_use]
    pub fn runs(&self) -> &[Figures] {
        match &self.outcome {
            CellOutcome::Refused(_) => &[],
            CellOutcome::Ran(runs) => runs,
        }
    }

    /// In how many runs every threshold that counts was met.
    #[must_use]
    pub fn passes(&self) -> usize {
        self.runs().iter().filter(|run| run.holds).count()
    }

    /// Whether every run holds; a cell without runs does not.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.runs().is_empty() && self.passes() == self.runs().len()
    }

    /// A measure over its runs; `None` when no run has it.
    #[must_use]
    pub fn mean(&self, measure: Measure) -> Option<MeanInterval> {
        let figures: Vec<f64> = self.runs().iter().filter_map(|run| run.get(measure)).collect();
        MeanInterval::of(&figures)
    }
}

/// Amounts of money that are nearer than this are the same (half a cent).
const SAME_MONEY: f64 = 0.005;

/// Position of the cell that holds in every run and costs least; of several that cost the same, the
/// one whose thresholds have most room, then the first. `None` when none holds or prices are unknown.
#[must_use]
pub fn cheapest(cells: &[Cell]) -> Option<usize> {
    let mut best: Option<(usize, f64, f64)> = None;
    for (position, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.holds()) {
        let Some(cost) = cell.mean(Measure::CostPerMonth).map(|it| it.mean) else { continue };
        let margin = cell.mean(Measure::Margin).map_or(f64::NEG_INFINITY, |it| it.mean);
        let better = best.is_none_or(|(_, least, room)| {
            cost < least - SAME_MONEY || (cost < least + SAME_MONEY && margin > room)
        });
        if better {
            best = Some((position, cost, margin));
        }
    }
    best.map(|(position, ..)| position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(number: usize, holds: &[bool], cost: f64, margin: f64) -> Cell {
        let run = |(replication, holds): (usize, &bool)| {
            let mut values = vec![None; Measure::ALL.len()];
            values[Measure::CostPerMonth.position()] = Some(cost);
            values[Measure::Margin.position()] = Some(margin);
            let replication = u64::try_from(replication).expect("it is small");
            Figures { replication, met: 1, thresholds: 1, holds: *holds, values }
        };
        let runs = holds.iter().enumerate().map(run).collect();
        Cell { number, settings: Vec::new(), outcome: CellOutcome::Ran(runs) }
    }

    #[test]
    fn the_cheapest_holds_in_every_run_and_room_breaks_ties() {
        let cells = [
            cell(0, &[true, false], 10.0, 0.9),
            cell(1, &[true, true], 20.0, 0.1),
            cell(2, &[true, true], 20.001, 0.2),
            cell(3, &[true, true], 30.0, 0.9),
            Cell { outcome: CellOutcome::Refused("no".to_owned()), ..cell(4, &[], 0.0, 0.0) },
        ];
        assert_eq!(cheapest(&cells), Some(2));
        assert_eq!(cheapest(&cells[..1]), None);
        assert!(!cells[4].holds(), "what did not run does not hold");
        assert_eq!(cells[0].passes(), 1);
    }
}
