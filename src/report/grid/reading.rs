//! Plans read back: every line is looked at, and all that is wrong is told at once.

use std::fmt;

use serde_json::{Value, json};

use super::{PLAN_SCHEMA, Plan, set};
use crate::sweep::Measure;
use crate::sweep::grid::{Axis, Grid};

/// So many faults are told one by one.
const TOLD_MOST: usize = 10;

/// Why a text is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// It was written by another version, whose figures may differ.
    Version {
        /// The version that wrote it.
        written: String,
    },
    /// Lines are not what they should be, or missing.
    Faults {
        /// Each with its line, counted from 1.
        faults: Vec<(usize, String)>,
        /// Whether fewer cells stand there than the first line says.
        is_short: bool,
    },
}

impl std::error::Error for PlanError {}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { written } => {
                let own = env!("CARGO_PKG_VERSION");
                write!(
                    f,
                    "it was written by version {written}, and this is {own}; write the plan anew"
                )
            }
            Self::Faults { faults, is_short } => {
                for (at, (line, problem)) in faults.iter().take(TOLD_MOST).enumerate() {
                    let before = if at == 0 { "" } else { "\n  " };
                    write!(f, "{before}line {line}: {problem}")?;
                }
                if faults.len() > TOLD_MOST {
                    write!(f, "\n  and {} more", faults.len() - TOLD_MOST)?;
                }
                let help = if *is_short {
                    "it was not written to its end: write the plan anew"
                } else {
                    "a plan is written by `sweep SCENARIO -P ... --plan FILE` and not changed by hand"
                };
                write!(f, "\nhelp: {help}")
            }
        }
    }
}

impl Plan {
    /// Reads what [`Plan::write`] wrote.
    ///
    /// # Errors
    /// When another version wrote it, or with every line that cannot be read, says something else than
    /// the plan comes to, or is missing.
    pub fn read(text: &str) -> Result<Self, PlanError> {
        let mut lines = text.lines();
        let mut head = Head::default();
        let first = lines.next().unwrap_or_default();
        let plan = match serde_json::from_str::<Value>(first) {
            Ok(value) => head.plan(&value),
            Err(error) => {
                head.faults.push(not_json(first, &error));
                None
            }
        };
        if let Some(written) = head.written.filter(|it| it != env!("CARGO_PKG_VERSION")) {
            return Err(PlanError::Version { written });
        }
        let mut faults: Vec<(usize, String)> =
            head.faults.into_iter().map(|problem| (1, problem)).collect();
        let mut is_short = false;
        if let Some(plan) = &plan {
            let cells = plan.grid.cells().unwrap_or(0);
            let mut found = 0;
            for (number, line) in lines.enumerate() {
                found = number + 1;
                if let Some(problem) = cell_fault(plan, cells, number, line) {
                    faults.push((number + 2, problem));
                }
            }
            is_short = found < cells || !text.ends_with('\n');
            if found < cells {
                let problem = format!("the plan ends after {found} cells of {cells}");
                faults.push((found + 1, problem));
            } else if is_short {
                faults.push((found + 1, "is not ended".to_owned()));
            }
        }
        match plan {
            Some(plan) if faults.is_empty() => Ok(plan),
            _ => Err(PlanError::Faults { faults, is_short }),
        }
    }
}

fn not_json(line: &str, error: &serde_json::Error) -> String {
    if line.trim().is_empty() {
        return "is empty".to_owned();
    }
    format!("is no JSON (column {}: {error})", error.column())
}

/// What is wrong with the line of a cell.
fn cell_fault(plan: &Plan, cells: usize, number: usize, line: &str) -> Option<String> {
    if number >= cells {
        return Some(format!("is a line too many: the axes make {cells} cells"));
    }
    let expected = json!({"cell": number, "set": set(&plan.grid.settings(number))});
    let value = match serde_json::from_str::<Value>(line) {
        Ok(value) if value == expected => return None,
        Ok(value) => value,
        Err(error) => return Some(not_json(line, &error)),
    };
    if value.get("cell") != expected.get("cell") {
        let found = value.get("cell").map_or("none".to_owned(), Value::to_string);
        return Some(format!("is of cell {found}, must be of cell {number}"));
    }
    Some(format!("does not set what cell {number} of the axes sets: {}", expected["set"]))
}

/// What the first line says, and all that is wrong with it.
#[derive(Default)]
struct Head {
    written: Option<String>,
    faults: Vec<String>,
}

impl Head {
    fn plan(&mut self, head: &Value) -> Option<Plan> {
        if head.get("schema").and_then(Value::as_str) != Some(PLAN_SCHEMA) {
            self.faults.push("is not the first line of a plan of a sweep".to_owned());
            return None;
        }
        let version = head.get("tool").and_then(|tool| tool.get("version")).and_then(Value::as_str);
        self.written = self.field("tool", version.map(str::to_owned));
        let scenario = self.field("scenario", text(head, "scenario"));
        let name = self.field("name", text(head, "name"));
        let arguments = self.list(head, "arguments", |word| word.as_str().map(str::to_owned));
        let inputs = self.list(head, "inputs", input);
        let seed = self.field("seed", head.get("seed").and_then(Value::as_u64));
        let runs = head.get("runs").and_then(Value::as_u64);
        let runs = runs.and_then(|runs| u32::try_from(runs).ok()).filter(|runs| *runs > 0);
        let runs = self.field("runs", runs);
        let strict = self.field("strict", head.get("strict").and_then(Value::as_bool));
        let measure = text(head, "measure").and_then(|key| Measure::named(&key));
        let measure = self.field("measure", measure);
        let axes = self.list(head, "axes", axis);
        let grid = axes.map(|axes| Grid { axes });
        if grid.as_ref().is_some_and(|grid| grid.cells().is_none()) {
            self.faults.push("has axes that make too many cells".to_owned());
        }
        let stated = head.get("cells").and_then(Value::as_u64);
        let stated = self.field("cells", stated);
        let counted = grid.as_ref().and_then(Grid::cells).and_then(|it| u64::try_from(it).ok());
        if let (Some(stated), Some(counted)) = (stated, counted)
            && stated != counted
        {
            self.faults.push(format!("says {stated} cells, and its axes make {counted}"));
        }
        Some(Plan {
            scenario: scenario?,
            name: name?,
            arguments: arguments?,
            inputs: inputs?,
            seed: seed?,
            runs: runs?,
            strict: strict?,
            measure: measure?,
            grid: grid.filter(|grid| grid.cells().is_some())?,
        })
    }

    fn field<T>(&mut self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.faults.push(format!("`{key}` is missing or not what it must be"));
        }
        value
    }

    fn list<T>(
        &mut self,
        head: &Value,
        key: &str,
        item: impl Fn(&Value) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.field(key, head.get(key).and_then(Value::as_array))?;
        let mut all = Vec::with_capacity(items.len());
        for (at, value) in items.iter().enumerate() {
            all.extend(self.field(&format!("{key}[{at}]"), item(value)));
        }
        (all.len() == items.len()).then_some(all)
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn axis(value: &Value) -> Option<Axis> {
    let values = value.get("values")?.as_array()?.iter();
    let values: Option<Vec<String>> = values.map(|it| it.as_str().map(str::to_owned)).collect();
    let values = values?;
    (!values.is_empty()).then_some(Axis { path: text(value, "path")?, values })
}

fn input(value: &Value) -> Option<(String, String)> {
    text(value, "path").zip(text(value, "sha256"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn a_plan_reads_back_and_a_cut_one_does_not() {
        let text = plan().write();
        assert_eq!(text.lines().count(), 7);
        assert_eq!(Plan::read(&text), Ok(plan()));
        for end in (0..text.len()).rev().take(200) {
            assert!(Plan::read(&text[..end]).is_err(), "{end} bytes");
        }
        let other = text.replacen(env!("CARGO_PKG_VERSION"), "0.0.1", 1);
        assert_eq!(Plan::read(&other), Err(PlanError::Version { written: "0.0.1".to_owned() }));
    }

    fn said(text: &str) -> String {
        Plan::read(text).expect_err("it is no plan").to_string()
    }

    #[test]
    fn all_faults_are_told_at_once_each_with_its_line() {
        let text = plan().write();
        let broken = text
            .replacen("\"seed\":42", "\"seed\":-1", 1)
            .replacen("\"strict\":false", "\"strict\":\"no\"", 1)
            .replacen("\"runs\":2", "\"runs\":0", 1);
        let told = said(&broken);
        for key in ["`seed`", "`strict`", "`runs`"] {
            assert!(told.contains(&format!("line 1: {key} is missing")), "{told}");
        }
        let mut lines: Vec<&str> = text.lines().collect();
        lines[2] = "{\"cell\":";
        lines[3] = "{\"cell\":7,\"set\":{}}";
        lines[4] = "{\"cell\":3,\"set\":{\"b\":\"1\"}}";
        lines.push("{}");
        let told = said(&format!("{}\n", lines.join("\n")));
        for fault in [
            "line 3: is no JSON (column 8",
            "line 4: is of cell 7, must be of cell 2",
            "line 5: does not set what cell 3",
            "line 8: is a line too many: the axes make 6 cells",
            "help: a plan is written by",
        ] {
            assert!(told.contains(fault), "{told}");
        }
    }

    #[test]
    fn what_is_no_plan_says_why() {
        assert!(said("").starts_with("line 1: is empty"));
        assert!(said("a: b\n").starts_with("line 1: is no JSON (column 1"));
        assert!(said("[1]\n").starts_with("line 1: is not the first line of a plan"));
        let text = plan().write();
        let short: Vec<&str> = text.lines().take(4).collect();
        let told = said(&format!("{}\n", short.join("\n")));
        assert!(told.starts_with("line 4: the plan ends after 3 cells of 6"), "{told}");
        let many = said(&text.replace("\"set\"", "\"put\"").replace("\"cell\":", "\"sell\":"));
        assert_eq!(many.lines().count(), 7, "{many}");
    }
}
