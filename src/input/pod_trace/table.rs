//! Tables of a trace: columns found by their heads, cells with their place, faults by line and column.

use std::collections::BTreeMap;

use crate::input::codes;
use crate::input::decode::{Context, Fields, nearest};
use crate::input::diagnostic::Diagnostic;
use crate::input::source::{FileId, Span};

/// Faults of a table that are told one by one; the rest is counted.
const FAULTS_TOLD: usize = 20;

/// A figure of a row: its key in `columns`, its usual head, and whether a table must have it.
pub(super) struct Column {
    pub(super) key: &'static str,
    pub(super) head: &'static str,
    pub(super) required: bool,
}

/// Heads by key, with where they were stated.
pub(super) type Heads = BTreeMap<&'static str, (String, Option<Span>)>;

/// Reads `columns: {cpuMilli: cpu_milli}`; keys that are not named have their usual heads.
pub(super) fn columns(fields: &Fields<'_>, known: &[Column]) -> Option<Heads> {
    let mut heads: Heads =
        known.iter().map(|column| (column.key, (column.head.to_owned(), None))).collect();
    let Some(value) = fields.optional("columns") else { return Some(heads) };
    let stated = value.fields()?;
    let mut complete = true;
    for column in known {
        let Some(head) = stated.optional(column.key) else { continue };
        match head.non_empty() {
            Some(text) => {
                heads.insert(column.key, (text.to_owned(), Some(head.span())));
            }
            None => complete = false,
        }
    }
    stated.finish("columns");
    complete.then_some(heads)
}

/// A table that was read.
pub(super) struct Table<'a> {
    context: Context<'a>,
    file: FileId,
    places: BTreeMap<&'static str, usize>,
    records: Vec<csv::StringRecord>,
    faults: std::cell::Cell<usize>,
}

impl<'a> Table<'a> {
    /// Reads a table; `None` when its head is not what was asked for, which is reported.
    pub(super) fn read(
        context: Context<'a>,
        file: FileId,
        known: &[Column],
        heads: &Heads,
    ) -> Option<Self> {
        let text = context.sources.file(file).text();
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let mut table = Self {
            context,
            file,
            places: BTreeMap::new(),
            records: Vec::new(),
            faults: std::cell::Cell::new(0),
        };
        let head = match reader.headers() {
            Ok(head) => head.clone(),
            Err(error) => {
                table.fault(1, None, &format!("this is no table: {error}"));
                return None;
            }
        };
        let line = head.position().map_or(1, csv::Position::line);
        if !table.find(known, heads, &head, line) {
            return None;
        }
        for record in reader.records() {
            match record {
                Ok(record) => table.records.push(record),
                Err(error) => {
                    let line = error.position().map_or(1, csv::Position::line);
                    table.fault(line, None, &uneven(&error));
                }
            }
        }
        Some(table)
    }

    /// Finds the columns; whether all that must be there are.
    fn find(
        &mut self,
        known: &[Column],
        heads: &Heads,
        head: &csv::StringRecord,
        line: u64,
    ) -> bool {
        let mut complete = true;
        for column in known {
            let Some((name, stated)) = heads.get(column.key) else { continue };
            let found: Vec<usize> = (0..head.len())
                .filter(|at| head.get(*at).is_some_and(|cell| cell.trim() == name))
                .collect();
            match (found.as_slice(), stated) {
                ([one], _) => {
                    self.places.insert(column.key, *one);
                }
                ([], None) if !column.required => {}
                ([], None) => {
                    complete = false;
                    let message = format!(
                        "the table has no column `{name}` for `{}`; name another with `columns: {{{}: ...}}`",
                        column.key, column.key
                    );
                    self.fault(line, None, &message);
                }
                ([], Some(span)) => {
                    complete = false;
                    let file = self.context.sources.file(self.file).name();
                    let message =
                        format!("`columns.{}`: `{file}` has no column `{name}`", column.key);
                    let mut told =
                        Diagnostic::error(codes::UNKNOWN_REFERENCE, message).primary(*span, "");
                    if let Some(near) = nearest(name, head.iter().map(str::trim)) {
                        told = told.replace("did you mean", *span, near);
                    }
                    self.context.diagnostics.push(told);
                }
                (several, _) => {
                    complete = false;
                    let message = format!("the table has {} columns `{name}`", several.len());
                    self.fault(line, several.last().copied(), &message);
                }
            }
        }
        complete
    }

    /// The rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_, 'a>> {
        self.records.iter().map(|record| Row { table: self, record })
    }

    /// Whether a row or cell was wrong.
    pub(super) fn has_faults(&self) -> bool {
        self.faults.get() > 0
    }

    /// Says how many faults were not told.
    pub(super) fn conclude(&self) {
        let more = self.faults.get().saturating_sub(FAULTS_TOLD);
        if more > 0 {
            let name = self.context.sources.file(self.file).name();
            let message = format!("`{name}` has {more} more faults of this sort");
            self.context.diagnostics.push(Diagnostic::error(codes::INVALID_VALUE, message));
        }
    }

    /// Reports what is wrong with a row, or with one of its cells.
    pub(super) fn fault(&self, line: u64, cell: Option<usize>, message: &str) {
        self.faults.set(self.faults.get() + 1);
        if self.faults.get() > FAULTS_TOLD {
            return;
        }
        let source = self.context.sources.file(self.file);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let start = u32::try_from(source.line_range(line).start).unwrap_or(u32::MAX);
        let text = source.line(line);
        let range = cell.and_then(|cell| cell_range(text, cell)).unwrap_or(0..text.len());
        let at = |offset: usize| start.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX));
        let span = Span { file: self.file, start: at(range.start), end: at(range.end) };
        let told = Diagnostic::error(codes::INVALID_VALUE, message.to_owned()).primary(span, "");
        self.context.diagnostics.push(told);
    }
}

/// What is wrong with a row that has too few or too many cells, in words.
fn uneven(error: &csv::Error) -> String {
    if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
        return format!("this row has {len} cells, the head has {expected_len}");
    }
    format!("this is no row of a table: {error}")
}

/// Where a cell stands in a line; `None` where quotes make that unclear.
fn cell_range(line: &str, cell: usize) -> Option<std::ops::Range<usize>> {
    if line.contains('"') {
        return None;
    }
    let mut start = 0;
    for (at, text) in line.trim_end().split(',').enumerate() {
        if at == cell {
            return Some(start..start + text.len());
        }
        start += text.len() + 1;
    }
    None
}

/// A row.
#[derive(Clone, Copy)]
pub(super) struct Row<'t, 'a> {
    table: &'t Table<'a>,
    record: &'t csv::StringRecord,
}

impl<'t> Row<'t, '_> {
    /// Its line.
    pub(super) fn line(&self) -> u64 {
        self.record.position().map_or(1, csv::Position::line)
    }

    /// A cell; `None` when it is empty, or the table has no such column.
    pub(super) fn text(&self, key: &str) -> Option<&'t str> {
        let cell = self.record.get(*self.table.places.get(key)?)?.trim();
        (!cell.is_empty()).then_some(cell)
    }

    /// Reports what is wrong with a cell.
    pub(super) fn fault(&self, key: &str, message: &str) {
        self.table.fault(self.line(), self.table.places.get(key).copied(), message);
    }

    /// A cell that must hold something.
    pub(super) fn required(&self, key: &str) -> Option<&'t str> {
        let cell = self.text(key);
        if cell.is_none() {
            self.fault(key, &format!("`{key}` is empty"));
        }
        cell
    }

    /// A number in a range; the outer `None` is a fault, which is reported, the inner an empty cell.
    pub(super) fn number(&self, key: &str, most: f64, wanted: &str) -> Option<Option<f64>> {
        let Some(cell) = self.text(key) else { return Some(None) };
        let number: Option<f64> = cell.parse().ok();
        match number.filter(|number| (0.0..=most).contains(number)) {
            Some(number) => Some(Some(number)),
            None => {
                self.fault(key, &format!("`{key}` is `{cell}`, must be {wanted}"));
                None
            }
        }
    }

    /// A whole number; as [`Row::number`].
    pub(super) fn whole(&self, key: &str, most: i64) -> Option<Option<i64>> {
        let Some(cell) = self.text(key) else { return Some(None) };
        // Spreadsheets write whole numbers of a column with gaps as `2.0`.
        let digits = cell.strip_suffix(".0").unwrap_or(cell);
        let number: Option<i64> = digits.parse().ok().filter(|number| (0..=most).contains(number));
        if number.is_none() {
            let message = format!("`{key}` is `{cell}`, must be a whole number from 0 to {most}");
            self.fault(key, &message);
        }
        number.map(Some)
    }
}
