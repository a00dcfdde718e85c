//! Events of recordings that are too large for the memory: read in parts of whole lines, of which only the
//! counts are kept.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use super::rates::{Meaning, RateError, RateTrace, began_ns, of_bins};
use super::{Columns, Format, Recording, RecordingError, format_of};
use crate::units::SimDuration;

/// Bytes of a part, less the line that it ends with.
const PART: u64 = 4 << 20;

/// Counts of events by metric, for recordings that are read in parts.
#[derive(Debug, Clone, Default)]
pub struct Binned(BTreeMap<String, BTreeMap<i64, u32>>);

impl Binned {
    /// Counts an event.
    pub fn add(&mut self, metric: &str, at_ns: i64, bin: SimDuration) {
        let bin_ns = i64::try_from(bin.as_nanos()).unwrap_or(i64::MAX).max(1);
        if !self.0.contains_key(metric) {
            self.0.insert(metric.to_owned(), BTreeMap::new());
        }
        if let Some(bins) = self.0.get_mut(metric) {
            *bins.entry(at_ns.div_euclid(bin_ns)).or_insert(0) += 1;
        }
    }

    /// The rate of the first of these metrics that has events; of any metric when none is named.
    ///
    /// # Errors
    /// [`RateError`] when none has, or when they last too long for their bins.
    pub fn rates(&self, metrics: &[&str], bin: SimDuration) -> Result<RateTrace, RateError> {
        let named = metrics.iter().find_map(|metric| self.0.get(*metric));
        let found = if metrics.is_empty() { self.0.values().next() } else { named };
        let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
        let bins = found.ok_or_else(|| RateError::NoSeries(known.join(", ")))?;
        of_bins(bins, bin, Meaning::Events)
    }
}

/// What is counted.
#[derive(Debug, Clone)]
pub struct Wanted<'w> {
    /// The metric, when one is named.
    pub metric: Option<&'w str>,
    /// Labels that series must have.
    pub labels: &'w BTreeMap<String, String>,
    /// Columns of tables.
    pub columns: &'w Columns,
    /// Events of so long are counted together.
    pub bin: SimDuration,
}

/// Whether the beginning of a recording says that its lines are events, which can be read in parts.
#[must_use]
pub fn are_events(head: &str, columns: &Columns) -> bool {
    match format_of(head) {
        Ok(Format::K6Json | Format::K6Csv) => true,
        Ok(Format::Table) => {
            let whole = head.rsplit_once('\n').map_or(head, |(whole, _)| whole);
            columns.events
                || Recording::read(whole, columns)
                    .is_ok_and(|it| it.series.iter().all(|series| series.name.is_empty()))
        }
        Ok(Format::K6Summary | Format::Prometheus | Format::Exposition) | Err(_) => false,
    }
}

/// Counts the events of a recording.
///
/// # Errors
/// The first line that is not what the beginning promised, or what the reader says.
pub fn count(reader: &mut dyn BufRead, wanted: &Wanted<'_>) -> Result<Binned, RecordingError> {
    in_parts(reader, wanted, PART)
}

fn in_parts(
    reader: &mut dyn BufRead,
    wanted: &Wanted<'_>,
    bytes: u64,
) -> Result<Binned, RecordingError> {
    let mut counts = Binned::default();
    let mut lines = 0;
    let mut head: Option<String> = None;
    let mut part = Vec::new();
    loop {
        part.clear();
        let unread =
            |error: std::io::Error| RecordingError::at(lines, format!("cannot be read: {error}"));
        Read::take(&mut *reader, bytes).read_to_end(&mut part).map_err(unread)?;
        if part.is_empty() {
            return Ok(counts);
        }
        if part.last() != Some(&b'\n') {
            reader.read_until(b'\n', &mut part).map_err(unread)?;
        }
        let text = std::str::from_utf8(&part)
            .map_err(|_| RecordingError::at(lines + 1, "is not UTF-8 text"))?;
        let own = u64::try_from(text.lines().count()).unwrap_or(0);
        // Later parts of a table need its head, which is a line that they do not have.
        let (text, before) = match &head {
            Some(head) => (format!("{head}\n{text}"), lines.saturating_sub(1)),
            None => (text.to_owned(), lines),
        };
        let recording = Recording::read(&text, wanted.columns)
            .map_err(|error| RecordingError::at(before + error.line, error.problem))?;
        if head.is_none() && matches!(recording.format, Format::K6Csv | Format::Table) {
            let is_head = |line: &&str| !line.starts_with('#') && !line.starts_with("sep=");
            head = text.lines().find(is_head).map(str::to_owned);
        }
        lines += own;
        for series in recording.select(wanted.metric, wanted.labels) {
            for sample in &series.samples {
                counts.add(&series.name, began_ns(series, sample), wanted.bin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: SimDuration = SimDuration::from_secs(1);

    fn counted(text: &str, metric: Option<&str>) -> Result<Binned, RecordingError> {
        let (labels, columns) = (BTreeMap::new(), Columns::default());
        let wanted = Wanted { metric, labels: &labels, columns: &columns, bin: SECOND };
        assert!(are_events(&text[..text.len().min(65_536)], &columns), "{}", &text[..80]);
        in_parts(&mut text.as_bytes(), &wanted, 65_536)
    }

    /// Several parts say what the whole says.
    #[test]
    fn parts_are_counted_as_the_whole() {
        let row =
            |at: u32| format!("{}.{:03},GET /{}", 1_763_971_200 + at / 7, at * 143 % 1_000, at % 5);
        let rows: Vec<String> = (0..20_000).map(row).collect();
        let text = format!("time,request\n{}\n", rows.join("\n"));
        assert!(text.len() > 4 * 65_536, "{} bytes are several parts", text.len());
        let parts = counted(&text, None).expect("a table").rates(&[], SECOND).expect("events");
        let whole = Recording::read(&text, &Columns::default()).expect("a table");
        let none = BTreeMap::new();
        let chosen = whole.load_series(None, &none);
        let whole = whole.rates(&chosen, &super::super::Wish::default()).expect("events");
        assert!((parts.total() - whole.total()).abs() < 1e-6);
        assert!((parts.total() - 20_000.0).abs() < 1e-6);
        for at in [9_000, 19_000] {
            let mut rows = rows.clone();
            rows[at] = "yesterday,GET /".to_owned();
            let error = counted(&format!("time,request\n{}\n", rows.join("\n")), None);
            let error = error.expect_err("a time is none");
            assert_eq!(usize::try_from(error.line), Ok(at + 2), "{error}");
        }
    }

    #[test]
    fn lines_of_k6_are_counted_by_metric() {
        let point = |metric: &str, at: u32| {
            format!(
                "{{\"type\":\"Point\",\"metric\":\"{metric}\",\"data\":{{\"time\":\"2026-11-23T08:00:{at:02}Z\",\
                 \"value\":500,\"tags\":{{}}}}}}\n"
            )
        };
        let text: String = (0..20)
            .flat_map(|at| [point("http_reqs", at), point("iteration_duration", at)])
            .collect();
        let binned = counted(&text, None).expect("lines of k6");
        let names = ["iteration_duration", "http_req_duration", "http_reqs"];
        let trace = binned.rates(&names, SECOND).expect("it has iterations");
        assert!((trace.total() - 20.0).abs() < 1e-9);
        // Iterations began half a second before they were written down.
        assert_eq!(trace.start_ns % 60_000_000_000, 59_000_000_000);
        assert!(binned.rates(&["vus"], SECOND).is_err());
    }
}
