//! Grids: axes of values for paths of the input, and their cells in a fixed order.

use rust_decimal::Decimal;

/// Most cells of a grid; ten million lines of a plan are about a gigabyte.
pub const CELLS_MOST: usize = 10_000_000;

/// Values of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// The path, as the input reads it.
    pub path: String,
    /// Its values, as they are written in YAML.
    pub values: Vec<String>,
}

/// Why a text is no axis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AxisError {
    /// There is no `=`, or nothing on one side of it.
    #[error("`{0}` must be PATH=VALUES, as in `{1}`")]
    Shape(String, &'static str),
    /// The range cannot be read.
    #[error("`{text}` is no range of numbers: {problem}, as in `20..40:5`")]
    Range {
        /// As written.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// A value stands twice.
    #[error("the value `{value}` of `{path}` stands twice")]
    Twice {
        /// The path.
        path: String,
        /// The value.
        value: String,
    },
}

impl Axis {
    /// `PATH=FIRST..LAST[:STEP]`, both ends included when the step meets them.
    ///
    /// # Errors
    /// When the text has another shape, a number cannot be read, or the step leads nowhere.
    pub fn range(text: &str) -> Result<Self, AxisError> {
        let (path, values) = split(text, "autoscaling.maxReplicas=20..40:5")?;
        let fail = |problem: &str| AxisError::Range {
            text: values.to_owned(),
            problem: problem.to_owned(),
        };
        let (span, step) = values.split_once(':').unwrap_or((values, "1"));
        let (first, last) = span.split_once("..").ok_or_else(|| fail("it has no `..`"))?;
        let number = |text: &str| {
            let trimmed = text.trim();
            trimmed.parse::<Decimal>().map_err(|_| fail(&format!("`{trimmed}` is no number")))
        };
        let (first, last, step) = (number(first)?, number(last)?, number(step)?);
        if step <= Decimal::ZERO {
            return Err(fail("its step must be above zero"));
        }
        if last < first {
            return Err(fail("its end is below its beginning"));
        }
        let most = Decimal::from(CELLS_MOST);
        let count = last.checked_sub(first).and_then(|span| span.checked_div(step));
        if count.is_none_or(|count| count > most) {
            return Err(fail("it has too many steps"));
        }
        let mut values = Vec::new();
        let mut value = first;
        while value <= last {
            values.push(value.normalize().to_string());
            value += step;
        }
        Ok(Self { path: path.to_owned(), values })
    }

    /// `PATH=A,B,C`; a comma inside brackets or braces separates nothing.
    ///
    /// # Errors
    /// When the text has another shape or a value stands twice.
    pub fn list(text: &str) -> Result<Self, AxisError> {
        let (path, written) = split(text, "autoscaling.targetCPUUtilizationPercentage=60,70,80")?;
        let mut values: Vec<String> = Vec::new();
        let (mut depth, mut start) = (0_u32, 0);
        for (at, letter) in written.char_indices() {
            match letter {
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    values.push(written[start..at].trim().to_owned());
                    start = at + 1;
                }
                _ => {}
            }
        }
        values.push(written[start..].trim().to_owned());
        let twice = |at: &usize| values[..*at].contains(&values[*at]);
        if let Some(at) = (0..values.len()).find(twice) {
            let value = values.swap_remove(at);
            return Err(AxisError::Twice { path: path.to_owned(), value });
        }
        Ok(Self { path: path.to_owned(), values })
    }
}

fn split<'t>(text: &'t str, example: &'static str) -> Result<(&'t str, &'t str), AxisError> {
    let shape = || AxisError::Shape(text.to_owned(), example);
    let (path, values) = text.split_once('=').ok_or_else(shape)?;
    let (path, values) = (path.trim(), values.trim());
    if path.is_empty() || values.is_empty() { Err(shape()) } else { Ok((path, values)) }
}

/// All combinations of the values of some axes. The last axis moves fastest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grid {
    /// The axes, in the order in which they were given.
    pub axes: Vec<Axis>,
}

/// A path and the value that it takes in a cell.
pub type Setting = (String, String);

impl Grid {
    /// How many cells; `None` when there are more than [`CELLS_MOST`].
    #[must_use]
    pub fn cells(&self) -> Option<usize> {
        let product =
            self.axes.iter().try_fold(1_usize, |all, axis| all.checked_mul(axis.values.len()))?;
        (product <= CELLS_MOST).then_some(product)
    }

    /// What a cell sets, in the order of the axes.
    #[must_use]
    pub fn settings(&self, cell: usize) -> Vec<Setting> {
        let positions = self.positions(cell);
        let settings = self.axes.iter().zip(positions);
        settings.map(|(axis, at)| (axis.path.clone(), axis.values[at].clone())).collect()
    }

    /// The position of a cell on each axis.
    #[must_use]
    pub fn positions(&self, cell: usize) -> Vec<usize> {
        let mut rest = cell;
        let mut positions: Vec<usize> = self
            .axes
            .iter()
            .rev()
            .map(|axis| {
                let at = rest % axis.values.len();
                rest /= axis.values.len();
                at
            })
            .collect();
        positions.reverse();
        positions
    }
}

/// A part of the cells: every `of`-th from `number` on, so that neighbours, which take about as long,
/// go to different machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 0.
    pub number: usize,
    /// How many parts.
    pub of: usize,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { number: 0, of: 1 };

    /// `K/N`, with K from 0 to N - 1 as `JOB_COMPLETION_INDEX` counts.
    ///
    /// # Errors
    /// In words, when the text is no such share.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no share: write K/N, with K from 0 to N - 1");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let number: usize = number.trim().parse().map_err(|_| wrong())?;
        let of: usize = of.trim().parse().map_err(|_| wrong())?;
        if number < of { Ok(Self { number, of }) } else { Err(wrong()) }
    }

    /// Whether a cell belongs to it.
    #[must_use]
    pub const fn has(self, cell: usize) -> bool {
        cell % self.of == self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(axis: Result<Axis, AxisError>) -> Vec<String> {
        axis.expect("it can be read").values
    }

    #[test]
    fn ranges_are_exact_and_include_the_end_they_meet() {
        assert_eq!(values(Axis::range("a.b=20..40:5")), ["20", "25", "30", "35", "40"]);
        assert_eq!(values(Axis::range("a=0.1..0.35:0.1")), ["0.1", "0.2", "0.3"]);
        assert_eq!(values(Axis::range("a = -1 .. 1")), ["-1", "0", "1"]);
        assert_eq!(values(Axis::range("a=3..3:9")), ["3"]);
        for wrong in ["a", "=1..2", "a=", "a=5", "a=5..x", "a=2..1", "a=1..2:0", "a=0..1:1e-30"] {
            assert!(Axis::range(wrong).is_err(), "{wrong}");
        }
        assert!(Axis::range("a=0..99999999").is_err(), "more than a plan can hold");
    }

    #[test]
    fn lists_keep_what_is_in_brackets_together() {
        assert_eq!(values(Axis::list("a=60, 70,80")), ["60", "70", "80"]);
        assert_eq!(values(Axis::list("a=[1,2],{b: 3, c: 4}")), ["[1,2]", "{b: 3, c: 4}"]);
        assert!(matches!(Axis::list("a=1,2,1"), Err(AxisError::Twice { .. })));
    }

    #[test]
    fn cells_run_through_all_combinations_the_last_axis_fastest() {
        let axes = ["a=1..2", "b=1..3"].map(|text| Axis::range(text).expect("it is one"));
        let grid = Grid { axes: axes.to_vec() };
        assert_eq!(grid.cells(), Some(6));
        let all: Vec<String> = (0..6)
            .map(|cell| grid.settings(cell).iter().map(|(_, value)| &**value).collect())
            .collect();
        assert_eq!(all, ["11", "12", "13", "21", "22", "23"]);
        assert_eq!(Grid::default().cells(), Some(1), "no axis is one cell: the scenario as it is");
        let wide = Axis::range("a=1..5000").expect("it is one");
        assert_eq!(Grid { axes: vec![wide; 2] }.cells(), None);
    }

    #[test]
    fn shards_share_all_cells_and_nothing_twice() {
        let shards: Vec<Shard> =
            (0..7).map(|k| Shard::parse(&format!("{k}/7")).expect("it is one")).collect();
        for cell in 0..50 {
            assert_eq!(shards.iter().filter(|shard| shard.has(cell)).count(), 1);
        }
        for wrong in ["", "3", "3/3", "-1/2", "1/0", "a/b", "1/2/3"] {
            assert!(Shard::parse(wrong).is_err(), "{wrong}");
        }
    }
}
