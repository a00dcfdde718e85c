//! Access logs: a line a request, read one after the other and counted, whatever the size of the file.
//!
//! The common and combined formats (Apache, nginx), JSON lines (nginx, Caddy, Traefik, Envoy), load balancers of
//! AWS, and W3C's extended format (IIS, CloudFront). A line stands for one request at the time it states, which
//! is when it was answered in most of them. Lines of another form are left out and counted.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use chrono::DateTime;
use serde_json::Value;

use super::rates::{Meaning, RateError, RateTrace, of_bins};
use super::time::{civil_ns, instant_ns};
use crate::units::SimDuration;

/// No line is longer (bytes); what is, is none.
const LINE_MOST: u64 = 1 << 20;
/// Lines of another form that are named.
const NAMED: usize = 5;
/// Keys under which JSON lines have their time, the more telling first.
const KEYS: [&str; 11] = [
    "time",
    "@timestamp",
    "timestamp",
    "ts",
    "time_iso8601",
    "start_time",
    "StartUTC",
    "time_local",
    "msec",
    "datetime",
    "date",
];
/// How lines of AWS' application load balancers begin.
const KINDS: [&str; 8] = ["http", "https", "h2", "grpcs", "ws", "wss", "tls", "grpc"];

/// The form of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFormat {
    /// `[10/Oct/2026:13:55:36 +0200]` somewhere in the line.
    Combined,
    /// JSON with its time under this key.
    Json(String),
    /// The time is the field at this position, counted from 0.
    Field(usize),
    /// `#Fields:` says where date and time stand.
    W3c,
}

/// The log that a text begins, if it does: the first few lines tell.
#[must_use]
pub fn recognise(head: &str) -> Option<LogFormat> {
    let head = head.trim_start_matches('\u{feff}');
    let lines = || head.lines().filter(|line| !line.trim().is_empty()).take(10);
    if lines().any(|line| line.starts_with("#Fields:")) {
        return Some(LogFormat::W3c);
    }
    lines().find_map(form)
}

/// The form of a line.
fn form(line: &str) -> Option<LogFormat> {
    if line.starts_with('{') {
        let value: Value = serde_json::from_str(line).ok()?;
        // k6 writes lines of JSON, too.
        if value.get("metric").is_some() && value.get("type").is_some() {
            return None;
        }
        let key =
            KEYS.into_iter().find(|key| value.get(key).is_some_and(|it| json_ns(it).is_some()))?;
        return Some(LogFormat::Json(key.to_owned()));
    }
    if bracketed(line).and_then(clf_ns).is_some() {
        return Some(LogFormat::Combined);
    }
    // A field that is a moment on its own, in a line with a request in quotes.
    let mut fields = line.split(' ');
    let (first, second) = (fields.next()?, fields.next()?);
    let moment = |text: &str| text.contains('T') && instant_ns(text).is_some();
    let quoted = line.contains('"');
    match () {
        () if KINDS.contains(&first) && moment(second) => Some(LogFormat::Field(1)),
        () if quoted && moment(first) => Some(LogFormat::Field(0)),
        () => None,
    }
}

fn bracketed(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once('[')?;
    rest.split_once(']').map(|(inside, _)| inside)
}

fn clf_ns(text: &str) -> Option<i64> {
    let instant = DateTime::parse_from_str(text, "%d/%b/%Y:%H:%M:%S %z").ok()?;
    instant.timestamp_nanos_opt()
}

fn json_ns(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => instant_ns(text).or_else(|| clf_ns(text)),
        Value::Number(number) => instant_ns(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a log holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogCounts {
    /// Requests by bin, from 1970 on.
    bins: BTreeMap<i64, u32>,
    /// Requests.
    pub requests: u64,
    /// Lines that are none.
    pub broken: u64,
    /// Numbers of the first of them, from 1.
    pub broken_lines: Vec<u64>,
    /// Requests whose time is before that of the line before, by more than a bin.
    pub out_of_order: u64,
}

/// Reads all lines.
///
/// # Errors
/// What the reader says.
pub fn count(
    reader: &mut dyn BufRead,
    format: &LogFormat,
    bin: SimDuration,
) -> std::io::Result<LogCounts> {
    let bin_ns = i64::try_from(bin.as_nanos()).unwrap_or(i64::MAX).max(1);
    let mut counts = LogCounts::default();
    let mut reading = Reading { format, columns: None, last: (String::new(), 0) };
    let mut line = Vec::new();
    let (mut number, mut before, mut whole) = (0, i64::MIN, true);
    loop {
        line.clear();
        let read = Read::take(&mut *reader, LINE_MOST).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(counts);
        }
        let ended = line.ends_with(b"\n");
        let begins = std::mem::replace(&mut whole, ended);
        if !begins {
            continue;
        }
        number += 1;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() || reading.is_comment(text) {
            continue;
        }
        let cut = !ended && u64::try_from(read).is_ok_and(|read| read == LINE_MOST);
        let Some(at) = reading.instant(text).filter(|_| !cut) else {
            counts.broken += 1;
            if counts.broken_lines.len() < NAMED {
                counts.broken_lines.push(number);
            }
            continue;
        };
        let slot = at.div_euclid(bin_ns);
        counts.out_of_order += u64::from(slot.saturating_add(1) < before);
        before = slot;
        counts.requests += 1;
        *counts.bins.entry(slot).or_insert(0) += 1;
    }
}

/// Where a log is being read.
struct Reading<'f> {
    format: &'f LogFormat,
    /// Positions of date and time by the last `#Fields:`.
    columns: Option<(usize, usize)>,
    /// The last time as it was written and as it is: lines of one second follow each other.
    last: (String, i64),
}

impl Reading<'_> {
    /// Whether a line speaks about the log; `#Fields:` is learned.
    fn is_comment(&mut self, line: &str) -> bool {
        if *self.format != LogFormat::W3c || !line.starts_with('#') {
            return false;
        }
        if let Some(fields) = line.strip_prefix("#Fields:") {
            let names: Vec<&str> = fields.split_whitespace().collect();
            let of = |name: &str| names.iter().position(|it| *it == name);
            self.columns = of("date").zip(of("time"));
        }
        true
    }

    fn instant(&mut self, line: &str) -> Option<i64> {
        match self.format {
            LogFormat::Combined => {
                let text = bracketed(line)?;
                self.known(text, clf_ns)
            }
            LogFormat::Json(key) => {
                let value: Value = serde_json::from_str(line).ok()?;
                json_ns(value.get(key)?)
            }
            LogFormat::Field(at) => {
                let text = line.split(' ').nth(*at)?;
                text.contains('T').then(|| instant_ns(text)).flatten()
            }
            LogFormat::W3c => {
                let (date, time) = self.columns?;
                let fields: Vec<&str> = line.split_whitespace().collect();
                let text = format!("{} {}", fields.get(date)?, fields.get(time)?);
                self.known(&text, civil_ns)
            }
        }
    }

    fn known(&mut self, text: &str, read: impl Fn(&str) -> Option<i64>) -> Option<i64> {
        if self.last.0 != text {
            self.last = (text.to_owned(), read(text)?);
        }
        Some(self.last.1)
    }
}

impl LogCounts {
    /// The rate over time.
    ///
    /// # Errors
    /// [`RateError`] without a request, or when the log lasts too long for its bins.
    pub fn rates(&self, bin: SimDuration) -> Result<RateTrace, RateError> {
        of_bins(&self.bins, bin, Meaning::Events)
    }

    /// Whether most lines are of another form, so that the log is none.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.broken > self.requests
    }

    /// What was left out, in a sentence; `None` when nothing was.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        if self.broken == 0 {
            return None;
        }
        let named: Vec<String> = self.broken_lines.iter().map(u64::to_string).collect();
        let more = if self.broken > u64::try_from(named.len()).unwrap_or(0) { ", ..." } else { "" };
        let share = self.broken + self.requests;
        Some(format!(
            "{} of {share} lines have no time where the others have it and were left out: line {}{more}",
            self.broken,
            named.join(", ")
        ))
    }
}

/// A count by position, for tests.
#[cfg(test)]
fn counted(counts: &LogCounts) -> Vec<u32> {
    let first = counts.bins.keys().next().copied().unwrap_or(0);
    let last = counts.bins.keys().last().copied().unwrap_or(0);
    (first..=last).map(|slot| counts.bins.get(&slot).copied().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> LogCounts {
        let format = recognise(text).unwrap_or_else(|| panic!("no log: {text}"));
        count(&mut text.as_bytes(), &format, SimDuration::from_secs(1)).expect("memory can be read")
    }

    #[test]
    fn logs_of_every_form_are_counted() {
        let rows = [
            "10.0.0.1 - bob [10/Oct/2026:13:55:36 +0200] \"GET / HTTP/1.1\" 200 23 \"-\" \"curl [x]\"\n\
             10.0.0.1 - - [10/Oct/2026:13:55:36 +0200] \"GET /a HTTP/1.1\" 200 2326\n\
             10.0.0.2 - - [10/Oct/2026:13:55:38 +0200] \"GET /b HTTP/1.1\" 500 12\n",
            "{\"time_iso8601\":\"2026-10-10T11:55:36+00:00\",\"status\":200}\n\
             {\"time_iso8601\":\"2026-10-10T11:55:36+00:00\",\"status\":404}\n\
             {\"time_iso8601\":\"2026-10-10T11:55:38+00:00\",\"status\":200}\n",
            "{\"level\":\"info\",\"ts\":1791633336.5,\"msg\":\"handled request\"}\n\
             {\"level\":\"info\",\"ts\":1791633336.9,\"msg\":\"handled request\"}\n\
             {\"level\":\"info\",\"ts\":1791633338.0,\"msg\":\"handled request\"}\n",
            "https 2026-10-10T11:55:36.186641Z app/lb/1 1.2.3.4:1 10.0.0.1:80 0.0 0.0 0.0 200 200 3 5 \"GET https://x:443/ HTTP/1.1\"\n\
             h2 2026-10-10T11:55:36.986641Z app/lb/1 1.2.3.4:1 10.0.0.1:80 0.0 0.0 0.0 200 200 3 5 \"GET https://x:443/ HTTP/2.0\"\n\
             https 2026-10-10T11:55:38.1Z app/lb/1 1.2.3.4:1 10.0.0.1:80 0.0 0.0 0.0 200 200 3 5 \"GET https://x:443/ HTTP/1.1\"\n",
            "2026-10-10T11:55:36.945958Z lb 1.2.3.4:2817 10.0.0.1:80 0.0 0.1 0.0 200 200 0 29 \"GET http://x:80/ HTTP/1.1\"\n\
             2026-10-10T11:55:36.945959Z lb 1.2.3.4:2817 10.0.0.1:80 0.0 0.1 0.0 200 200 0 29 \"GET http://x:80/ HTTP/1.1\"\n\
             2026-10-10T11:55:38.9Z lb 1.2.3.4:2817 10.0.0.1:80 0.0 0.1 0.0 200 200 0 29 \"GET http://x:80/ HTTP/1.1\"\n",
            "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time s-ip cs-method\n\
             2026-10-10 11:55:36 10.0.0.1 GET\n2026-10-10 11:55:36 10.0.0.1 GET\n\
             #Fields: s-ip date time\n10.0.0.1 2026-10-10 11:55:38\n",
            "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes\n2026-10-10\t11:55:36\tFRA2\t182\n\
             2026-10-10\t11:55:36\tFRA2\t182\n2026-10-10\t11:55:38\tFRA2\t182\n",
        ];
        for text in rows {
            let counts = read(text);
            assert_eq!(counted(&counts), [2, 0, 1], "{text}");
            assert_eq!((counts.broken, counts.out_of_order), (0, 0), "{text}");
            let trace = counts.rates(SimDuration::from_secs(1)).expect("it has requests");
            assert_eq!(trace.start_ns, 1_791_633_336_000_000_000, "{text}");
            assert_eq!(trace.steps.len(), 3);
        }
    }

    #[test]
    fn broken_lines_are_counted_with_their_numbers() {
        let good = "1.1.1.1 - - [10/Oct/2026:13:55:36 +0200] \"GET / HTTP/1.1\" 200 2\n";
        let far = "x".repeat(3 << 20);
        let text =
            format!("{good}\n\u{fffd}\u{1}\n{good}[10/Okt/2026:13:55:36 +0200]\n{far}\n{good}");
        let counts = read(&text);
        assert_eq!((counts.requests, counts.broken), (3, 3));
        assert_eq!(counts.broken_lines, [3, 5, 6]);
        let told = counts.told().expect("three are broken");
        assert!(told.starts_with("3 of 6 lines") && told.ends_with("line 3, 5, 6"), "{told}");
        assert!(!counts.is_none());
        let earlier = good.replace(":13:55:36", ":13:55:30");
        assert_eq!(read(&format!("{good}{earlier}")).out_of_order, 1);
    }

    #[test]
    fn summer_time_moves_no_request() {
        // The hour that Berlin has twice: the offset tells them apart.
        let line =
            |clock: &str| format!("1.1.1.1 - - [25/Oct/2026:{clock}] \"GET / HTTP/1.1\" 200 2\n");
        let text = line("02:30:00 +0200") + &line("02:30:00 +0100");
        let counts = read(&text);
        assert_eq!(counted(&counts).len(), 3_601);
    }

    #[test]
    fn other_recordings_are_no_logs() {
        let rows = [
            "time,value\n2026-10-10T11:55:36Z,4\n",
            "{\"type\":\"Point\",\"metric\":\"http_reqs\",\"data\":{\"time\":\"2026-10-10T11:55:36Z\",\"value\":1}}\n",
            "{\"status\":\"success\",\"data\":{}}",
            "# HELP x y\nx 1\n",
            "",
            "hello",
        ];
        for text in rows {
            assert_eq!(recognise(text), None, "{text}");
        }
    }
}
