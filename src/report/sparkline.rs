//! A series in a few characters.

use crate::units::convert::{round_u64, u64_from_usize};

/// Which characters a text may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// Block elements, arrows and marks.
    #[default]
    Unicode,
    /// ASCII alone.
    Ascii,
}

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const STEPS: [char; 5] = ['_', '.', '-', '=', '#'];

/// The series in `cells` characters: each shows the largest value of its part of the time, the
/// lowest character the smallest of all. A series that never changes is a line of middle height;
/// an empty one is blank.
#[must_use]
pub fn sparkline(values: &[f64], cells: usize, charset: Charset) -> String {
    let marks: &[char] = match charset {
        Charset::Unicode => &BLOCKS,
        Charset::Ascii => &STEPS,
    };
    if values.is_empty() || cells == 0 {
        return " ".repeat(cells);
    }
    let parts: Vec<f64> = (0..cells)
        .map(|cell| {
            let from = cell * values.len() / cells;
            let until = ((cell + 1) * values.len() / cells).max(from + 1);
            values[from..until].iter().copied().fold(f64::NEG_INFINITY, f64::max)
        })
        .collect();
    let least = parts.iter().copied().fold(f64::INFINITY, f64::min);
    let most = parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let top = marks.len() - 1;
    let mark = |value: f64| {
        if most <= least {
            return marks[top / 2];
        }
        let height = (value - least) / (most - least);
        let top = u64_from_usize(top);
        let position = round_u64(height * crate::units::convert::f64_from_u64(top)).min(top);
        marks[usize::try_from(position).expect("at most seven")]
    };
    parts.into_iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_shows_the_largest_of_its_part() {
        let values = [7.0, 7.0, 7.0, 7.0, 12.0, 20.0, 20.0, 20.0, 20.0, 16.0, 9.0, 8.0];
        assert_eq!(sparkline(&values, 6, Charset::Unicode), "▁▁███▂");
        assert_eq!(sparkline(&values, 6, Charset::Ascii), "__###.");
        assert_eq!(sparkline(&[2.0; 9], 6, Charset::Unicode), "▄▄▄▄▄▄");
        assert_eq!(sparkline(&[1.0, 3.0], 4, Charset::Ascii), "__##");
        assert_eq!(sparkline(&[], 3, Charset::Unicode), "   ");
    }
}
