//! `convert`: a load out of what was recorded.

mod large;

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};
use clap::{Args, ValueEnum};

use crate::calibrate::k6_options;
use crate::calibrate::load::{Wanted, document, held};
use crate::cli::Exit;
use crate::cli::files::{to_stderr, to_stdout, write_whole};
use crate::cli::recordings;
use crate::cli::say_error;
use crate::input::decode::nearest;
use crate::input::recordings::{Columns, Meaning, RateTrace, Recording, Wish, instant_ns};
use crate::input::recordings::{access_log, parts};
use crate::input::scalar::{self, BareNumber};
use crate::input::source::io_cause;
use crate::units::SimDuration;

/// Bytes that tell what a recording is.
const HEAD: u64 = 1 << 16;
/// Recordings of events that are larger than this are counted as they are read (bytes).
const LARGE: u64 = 64 << 20;

/// Arguments of `convert`.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads: outputs of k6 (JSON lines, CSV), the options of a script (`k6 inspect script.js | aurelius-sim convert -`), \
query_range of Prometheus, CSV of rates, counts, counters or events, access logs (common and combined, JSON lines, AWS load \
balancers, W3C: IIS and CloudFront); each may be gzipped, and logs and events of any size. \
Writes a document of kind Load: `aurelius-sim run SCENARIO --load FILE`."
)]
pub(super) struct ConvertArgs {
    /// The recording; `-` is standard input.
    recording: PathBuf,
    /// The class of requests that iterations are.
    #[arg(long, value_name = "CLASS")]
    exec: Option<String>,
    /// Name of the load.
    #[arg(long, value_name = "NAME", default_value = "recorded")]
    name: String,
    /// The metric, when the recording has several.
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
    /// Only series with this label, repeatable; of k6's options: SCENARIO=CLASS.
    #[arg(long, value_name = "LABEL=VALUE", value_parser = parse_pair)]
    label: Vec<(String, String)>,
    /// What the values are, when names do not tell.
    #[arg(long, value_enum)]
    values: Option<ValuesArg>,
    /// The column of times.
    #[arg(long, value_name = "NAME")]
    time_column: Option<String>,
    /// The column of values.
    #[arg(long, value_name = "NAME")]
    value_column: Option<String>,
    /// Events of so long are counted together.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_span)]
    bin: SimDuration,
    /// Begin there: an instant, or a duration after the first value.
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Take so much of it.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_span)]
    length: Option<SimDuration>,
    /// A value counts until the next one, but not for longer.
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    max_gap: Option<SimDuration>,
    /// What gaps are taken for.
    #[arg(long, value_enum, default_value_t = GapsArg::Zero)]
    gaps: GapsArg,
    /// Means over windows of so long.
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    smooth: Option<SimDuration>,
    /// So many times the rate.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_factor)]
    scale: f64,
    /// So many times faster: the same rates in less time.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = parse_factor)]
    compress: f64,
    /// Zone of the scenario's clock: a name such as Europe/Berlin, or an offset such as `+01:00`.
    #[arg(long, value_name = "ZONE", default_value = "+00:00", value_parser = parse_zone, allow_hyphen_values = true)]
    tz: Zone,
    /// How arrivals lie within their rate.
    #[arg(long, value_enum, default_value_t = ArrivalsArg::Poisson)]
    arrivals: ArrivalsArg,
    /// Write it there instead of to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ValuesArg {
    /// Events per second.
    Rates,
    /// Events since the value before.
    Counts,
    /// Events since the beginning.
    Counter,
    /// One row an event.
    Events,
}

/// What is assumed where nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GapsArg {
    /// Nothing came.
    Zero,
    /// It went on as before.
    Hold,
}

/// How arrivals lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ArrivalsArg {
    /// As many independent clients make them.
    Poisson,
    /// Evenly.
    Uniform,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (label, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`"))?;
    Ok((label.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
}

pub(super) fn parse_span(text: &str) -> Result<SimDuration, String> {
    let nanos = scalar::duration(text, BareNumber::Refused).map_err(|error| error.to_string())?;
    if nanos == 0 {
        Err("must be above zero".to_owned())
    } else {
        Ok(SimDuration::from_nanos(nanos))
    }
}

fn parse_factor(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if factor.is_finite() && factor > 0.0 && factor <= 1e9 {
        Ok(factor)
    } else {
        Err("must be above zero".to_owned())
    }
}

/// Where the scenario's clock hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    /// In a country with its summer time.
    Named(chrono_tz::Tz),
    /// At a fixed distance from UTC.
    Offset(FixedOffset),
}

fn parse_zone(text: &str) -> Result<Zone, String> {
    let offset = if text == "Z" { "+00:00" } else { text };
    if let Ok(offset) = offset.parse() {
        return Ok(Zone::Offset(offset));
    }
    let named: Result<chrono_tz::Tz, _> = text.parse();
    named.map(Zone::Named).map_err(|_| {
        let near = nearest(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        format!(
            "`{text}` is neither a zone such as Europe/Berlin nor an offset such as +01:00{near}"
        )
    })
}

impl Zone {
    /// What the clock shows at an instant, and what it is called there.
    fn shown(self, start_ns: i64) -> (String, String) {
        let instant = DateTime::from_timestamp_nanos(start_ns);
        const FORM: &str = "%Y-%m-%dT%H:%M:%S";
        match self {
            Self::Named(zone) => {
                let start = instant.with_timezone(&zone).format(FORM).to_string();
                (start, format!("timeZone: {}", zone.name()))
            }
            Self::Offset(offset) => {
                let start = instant.with_timezone(&offset).format(FORM).to_string();
                (start, format!("UTC{offset}"))
            }
        }
    }
}

/// Reads, converts, writes.
pub(super) fn convert(args: &ConvertArgs) -> Exit {
    let Some(mut stream) = recordings::stream(&args.recording) else { return Exit::Usage };
    let made = made(args, &mut *stream);
    let document = match made {
        Ok(document) => document,
        Err(message) => {
            to_stderr(&format!("error: {}: {message}", args.recording.display()));
            return Exit::Usage;
        }
    };
    let written = match &args.output {
        Some(path) => write_whole(path, &document),
        None => to_stdout(&document),
    };
    match written {
        Ok(()) => Exit::Success,
        Err(error) => {
            say_error(&error);
            Exit::Usage
        }
    }
}

fn made(args: &ConvertArgs, stream: &mut dyn BufRead) -> Result<String, String> {
    let unread = |error: std::io::Error| format!("cannot be read: {}", io_cause(&error));
    let head = recordings::next_bytes(stream, HEAD).map_err(unread)?;
    let told = String::from_utf8_lossy(&head).into_owned();
    if let Some(format) = access_log::recognise(&told) {
        return large::logged(args, &mut head.as_slice().chain(stream), &format);
    }
    let begin = recordings::next_bytes(stream, LARGE).map_err(unread)?;
    let is_large = u64::try_from(begin.len()).is_ok_and(|length| length == LARGE);
    let mut bytes = head;
    bytes.extend(begin);
    if is_large && parts::are_events(&told, &columns(args)) {
        return large::in_parts(args, &mut bytes.as_slice().chain(stream));
    }
    if is_large {
        bytes.extend(recordings::next_bytes(stream, recordings::BYTES_MOST).map_err(unread)?);
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    if k6_options::is_options(&text) { options(args, &text) } else { recorded(args, &text) }
}

fn columns(args: &ConvertArgs) -> Columns {
    Columns {
        time: args.time_column.clone(),
        value: args.value_column.clone(),
        events: args.values == Some(ValuesArg::Events),
    }
}

/// The class that iterations are of.
fn class(args: &ConvertArgs) -> Result<String, String> {
    args.exec.clone().ok_or_else(|| "say which class of requests it is: `--exec CLASS`".to_owned())
}

fn options(args: &ConvertArgs, text: &str) -> Result<String, String> {
    let classes: BTreeMap<String, String> = args.label.iter().cloned().collect();
    let converted = k6_options::convert(text, &args.name, args.exec.as_deref(), &classes)?;
    if !converted.left_out.is_empty() {
        to_stderr(&format!(
            "note: not part of a load, left out: {}",
            converted.left_out.join(", ")
        ));
    }
    Ok(converted.document)
}

fn recorded(args: &ConvertArgs, text: &str) -> Result<String, String> {
    let class = class(args)?;
    let columns = columns(args);
    let recording =
        Recording::read(text, &columns).map_err(|error| format!("line {}: {error}", error.line))?;
    let labels: BTreeMap<String, String> = args.label.iter().cloned().collect();
    let chosen = recording.load_series(args.metric.as_deref(), &labels);
    let meaning = args.values.map(|values| match values {
        ValuesArg::Rates => Meaning::Rates,
        ValuesArg::Counts => Meaning::Counts,
        ValuesArg::Counter => Meaning::Counter,
        ValuesArg::Events => Meaning::Events,
    });
    let wish = Wish { meaning, bin: args.bin, max_gap: args.max_gap };
    let trace = recording.rates(&chosen, &wish).map_err(|error| error.to_string())?;
    told(args, class, trace)
}

/// A trace as a document.
fn told(args: &ConvertArgs, class: String, trace: RateTrace) -> Result<String, String> {
    let trace = treated(args, trace)?;
    let (start, zone) = args.tz.shown(trace.start_ns);
    let origin = vec![
        format!(
            "{} as a load: {:.0} iterations in {}, at most {:.3}/s.",
            args.recording.display(),
            trace.total(),
            trace.span(),
            trace.peak()
        ),
        format!("The clock of the scenario at its beginning: `start: {start}` ({zone})."),
        changes(args),
    ];
    let arrivals = match args.arrivals {
        ArrivalsArg::Poisson => "poisson",
        ArrivalsArg::Uniform => "uniform",
    };
    let origin = origin.into_iter().filter(|line| !line.is_empty()).collect();
    let wanted = Wanted { name: args.name.clone(), class, arrivals, origin };
    Ok(document(&trace, &wanted))
}

/// Cut, gaps, smoothing, compression, scale: in this order.
fn treated(args: &ConvertArgs, trace: RateTrace) -> Result<RateTrace, String> {
    let from = match args.from.as_deref() {
        None => SimDuration::ZERO,
        Some(text) => after(text, trace.start_ns)?,
    };
    let most = args.length.unwrap_or(SimDuration::from_nanos(u64::MAX / 4));
    let mut trace = trace.cut(from, most);
    if trace.steps.is_empty() {
        return Err("has no value in the part that was asked for".to_owned());
    }
    if !trace.gaps.is_empty() {
        let missing: u64 = trace.gaps.iter().map(|(_, length)| length.as_secs()).sum();
        let (taken, other) = match args.gaps {
            GapsArg::Zero => ("nothing came", "`--gaps hold` goes on as before"),
            GapsArg::Hold => ("it went on as before", "`--gaps zero` is the other way"),
        };
        to_stderr(&format!(
            "warning: nothing was recorded for {} ({} gaps): {taken}; {other}",
            SimDuration::from_secs(missing),
            trace.gaps.len()
        ));
        if args.gaps == GapsArg::Hold {
            trace = held(trace);
        }
    }
    if let Some(window) = args.smooth {
        trace = trace.smoothed(window);
    }
    Ok(trace.compressed(args.compress).scaled(args.scale))
}

/// From the first value to an instant, or the duration itself.
fn after(text: &str, start_ns: i64) -> Result<SimDuration, String> {
    if let Ok(nanos) = scalar::duration(text, BareNumber::Refused) {
        return Ok(SimDuration::from_nanos(nanos));
    }
    let instant = instant_ns(text)
        .ok_or_else(|| format!("`--from {text}` is neither an instant nor a duration"))?;
    let since = instant.checked_sub(start_ns).and_then(|nanos| u64::try_from(nanos).ok());
    since
        .map(SimDuration::from_nanos)
        .ok_or_else(|| format!("`--from {text}` lies before the first value"))
}

fn changes(args: &ConvertArgs) -> String {
    let mut changes = Vec::new();
    if let Some(window) = args.smooth {
        changes.push(format!("means over {window}"));
    }
    if (args.compress - 1.0).abs() > f64::EPSILON {
        changes.push(format!("{} times faster", args.compress));
    }
    if (args.scale - 1.0).abs() > f64::EPSILON {
        changes.push(format!("{} times the rate", args.scale));
    }
    if changes.is_empty() { String::new() } else { format!("Changed: {}.", changes.join(", ")) }
}
