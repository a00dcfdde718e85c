//! Grids on paper: the plan of one, its computed cells as lines of JSON, and what they say as text,
//! table and picture.
//!
//! A plan is JSON, one object a line: first what is computed (scenario, inputs with their hashes,
//! seed, runs, axes), then every cell with what it sets. A computed cell is one object that names the
//! plan by its hash. All formats are made of computed cells, so that it does not matter where and in
//! how many pieces they were computed.

pub mod csv;
pub mod heat_map;
mod reading;
pub mod text;

pub use reading::PlanError;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::report::figures::{from_json, to_json};
use crate::sweep::Measure;
use crate::sweep::cell::{Cell, CellOutcome};
use crate::sweep::grid::{Axis, Grid, Setting};

/// Where the form of a plan is written down.
pub const PLAN_SCHEMA: &str = "https://aurelius.dev/schema/plan.v1.json";

/// What a sweep computes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Path of the scenario.
    pub scenario: String,
    /// Its name.
    pub name: String,
    /// Arguments of the command line that say what is deployed and where.
    pub arguments: Vec<String>,
    /// Every file it is made from, with its SHA-256.
    pub inputs: Vec<(String, String)>,
    /// Seed of all chance.
    pub seed: u64,
    /// Replications of each cell.
    pub runs: u32,
    /// Whether a threshold without samples fails.
    pub strict: bool,
    /// The figure that tables show.
    pub measure: Measure,
    /// What is varied.
    pub grid: Grid,
}

impl Plan {
    /// The plan as text, each line ended by a newline.
    #[must_use]
    pub fn write(&self) -> String {
        let axis = |axis: &Axis| json!({"path": axis.path, "values": axis.values});
        let input = |(path, sha256): &(String, String)| json!({"path": path, "sha256": sha256});
        let cells = self.grid.cells().unwrap_or(0);
        let head = json!({
            "schema": PLAN_SCHEMA,
            "tool": {"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")},
            "scenario": self.scenario,
            "name": self.name,
            "arguments": self.arguments,
            "inputs": self.inputs.iter().map(input).collect::<Vec<_>>(),
            "seed": self.seed,
            "runs": self.runs,
            "strict": self.strict,
            "measure": self.measure.key(),
            "axes": self.grid.axes.iter().map(axis).collect::<Vec<_>>(),
            "cells": cells,
        });
        let mut text = format!("{head}\n");
        for cell in 0..cells {
            let line = json!({"cell": cell, "set": set(&self.grid.settings(cell))});
            text.push_str(&format!("{line}\n"));
        }
        text
    }
}

fn set(settings: &[Setting]) -> Value {
    let entries = settings.iter().map(|(path, value)| (path.clone(), json!(value)));
    Value::Object(Map::from_iter(entries))
}

/// SHA-256 of a plan's text in hexadecimal: computed cells carry it, so that results of another plan
/// are never taken for results of this one.
#[must_use]
pub fn fingerprint(plan: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in Sha256::digest(plan.as_bytes()) {
        write!(text, "{byte:02x}").expect("memory can be written");
    }
    text
}

/// A computed cell as one line.
#[must_use]
pub fn write_cell(cell: &Cell, plan: &str) -> String {
    let mut value = json!({"plan": plan, "cell": cell.number, "set": set(&cell.settings)});
    match &cell.outcome {
        CellOutcome::Refused(reason) => value["refused"] = json!(reason),
        CellOutcome::Ran(runs) => {
            value["runs"] = Value::Array(runs.iter().map(to_json).collect());
        }
    }
    format!("{value}\n")
}

/// The cell of a line; `None` when the line is not whole, or of another plan or cell.
#[must_use]
pub fn read_cell(line: &str, plan: &str, number: usize, grid: &Grid) -> Option<Cell> {
    let line = line.strip_suffix('\n')?;
    let value: Value = serde_json::from_str(line).ok()?;
    let is_this = value.get("plan").and_then(Value::as_str) == Some(plan)
        && value.get("cell").and_then(Value::as_u64) == u64::try_from(number).ok();
    if !is_this {
        return None;
    }
    let outcome = match value.get("refused") {
        Some(reason) => CellOutcome::Refused(reason.as_str()?.to_owned()),
        None => {
            let runs = value.get("runs")?.as_array()?.iter().map(from_json);
            CellOutcome::Ran(runs.collect::<Option<Vec<_>>>()?)
        }
    };
    Some(Cell { number, settings: grid.settings(number), outcome })
}

/// The whole result as one JSON document.
#[must_use]
pub fn json(plan: &Plan, cells: &[Cell]) -> String {
    let text = plan.write();
    let head: Value = text
        .lines()
        .next()
        .and_then(|line| serde_json::from_str(line).ok())
        .expect("a plan begins with an object");
    let id = fingerprint(&text);
    let cells: Vec<Value> = cells
        .iter()
        .map(|cell| serde_json::from_str(&write_cell(cell, &id)).expect("a computed cell is JSON"))
        .collect();
    let mut text = serde_json::to_string_pretty(&json!({"plan": head, "results": cells}))
        .expect("plain values are JSON");
    text.push('\n');
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sweep::Figures;

    pub(crate) fn plan() -> Plan {
        let axes = ["a.max=20..30:10", "b=1..3"].map(|text| Axis::range(text).expect("it is one"));
        Plan {
            scenario: "scenarios/peak.yaml".to_owned(),
            name: "peak".to_owned(),
            arguments: vec!["--set".to_owned(), "a=b".to_owned()],
            inputs: vec![("a.yaml".to_owned(), "00ff".to_owned())],
            seed: 42,
            runs: 2,
            strict: false,
            measure: Measure::P95,
            grid: Grid { axes: axes.to_vec() },
        }
    }

    /// Cells of [`plan`]: the first column fails, cost grows with `a.max`, one cell was refused.
    pub(crate) fn cells() -> Vec<Cell> {
        let plan = plan();
        let all = 0..plan.grid.cells().expect("it is small");
        let cell = |number: usize| {
            let at = plan.grid.positions(number);
            let number_f = f64::from(u32::try_from(number).expect("it is small"));
            let mut values = vec![None; Measure::ALL.len()];
            values[Measure::P95.position()] = Some(40.0 + number_f);
            values[Measure::CostPerMonth.position()] = Some(if at[0] == 0 { 500.0 } else { 900.0 });
            values[Measure::Margin.position()] = Some(number_f / 10.0);
            let figures = |replication| Figures {
                replication,
                met: 1,
                thresholds: 1,
                holds: at[1] != 0,
                values: values.clone(),
            };
            let outcome = if number == 5 {
                CellOutcome::Refused("`b` is 3".to_owned())
            } else {
                CellOutcome::Ran(vec![figures(0), figures(1)])
            };
            Cell { number, settings: plan.grid.settings(number), outcome }
        };
        all.map(cell).collect()
    }

    #[test]
    fn cells_read_back_whole_or_not_at_all() {
        let grid = plan().grid;
        for cell in cells() {
            let line = write_cell(&cell, "cafe");
            assert_eq!(read_cell(&line, "cafe", cell.number, &grid), Some(cell.clone()));
            assert_eq!(read_cell(&line, "beef", cell.number, &grid), None);
            assert_eq!(read_cell(&line, "cafe", cell.number + 1, &grid), None);
            assert_eq!(read_cell(&line[..line.len() - 1], "cafe", cell.number, &grid), None);
        }
    }
}
