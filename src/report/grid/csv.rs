//! Cells as a table for spreadsheets: a row a cell, a column an axis, then means and half widths of
//! their 95 % intervals.

use crate::report::grid::Plan;
use crate::sweep::Measure;
use crate::sweep::cell::{Cell, CellOutcome};

/// The table with its head.
#[must_use]
pub fn csv(plan: &Plan, cells: &[Cell]) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut head: Vec<String> = vec!["cell".to_owned()];
    head.extend(plan.grid.axes.iter().map(|axis| axis.path.clone()));
    head.extend(["runs", "passes", "refused"].map(str::to_owned));
    for measure in Measure::ALL {
        head.push(measure.key().to_owned());
        head.push(format!("{}_half_width", measure.key()));
    }
    let mut row = |fields: &[String]| {
        writer.write_record(fields).expect("memory can be written");
    };
    row(&head);
    for cell in cells {
        let mut fields = vec![cell.number.to_string()];
        fields.extend(cell.settings.iter().map(|(_, value)| value.clone()));
        fields.push(cell.runs().len().to_string());
        fields.push(cell.passes().to_string());
        fields.push(match &cell.outcome {
            CellOutcome::Refused(reason) => reason.clone(),
            CellOutcome::Ran(_) => String::new(),
        });
        for measure in Measure::ALL {
            let interval = cell.mean(measure);
            let text = |figure: Option<f64>| figure.map_or_else(String::new, |it| it.to_string());
            fields.push(text(interval.map(|it| it.mean)));
            fields.push(text(interval.and_then(|it| it.half_width)));
        }
        row(&fields);
    }
    let bytes = writer.into_inner().expect("memory can be written");
    String::from_utf8(bytes).expect("fields are text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::grid::tests::{cells, plan};

    #[test]
    fn a_row_has_what_was_set_and_what_came_of_it() {
        let text = csv(&plan(), &cells());
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].starts_with("cell,a.max,b,runs,passes,refused,objective_miss,"));
        assert!(rows[2].starts_with("1,20,2,2,2,,"), "{}", rows[2]);
        assert!(rows[6].starts_with("5,30,3,0,0,`b` is 3,"), "{}", rows[6]);
        assert_eq!(rows.len(), 7);
    }
}
