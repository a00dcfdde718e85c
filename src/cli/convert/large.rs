//! Logs, and recordings too large for the memory: counted as they are read.

use std::collections::BTreeMap;
use std::io::BufRead;

use crate::cli::files::to_stderr;
use crate::input::recordings::access_log::{self, LogFormat};
use crate::input::recordings::parts::{self, Wanted};
use crate::input::source::io_cause;

use super::{ConvertArgs, class, columns, told};

/// An access log as a load.
pub(super) fn logged(
    args: &ConvertArgs,
    stream: &mut dyn BufRead,
    format: &LogFormat,
) -> Result<String, String> {
    let class = class(args)?;
    if !args.label.is_empty() || args.metric.is_some() {
        return Err("is an access log, whose lines have no labels or metrics: filter it before, \
                    as in `grep ' /api/' access.log | aurelius-sim convert - --exec CLASS`"
            .to_owned());
    }
    let counts = access_log::count(stream, format, args.bin)
        .map_err(|error| format!("cannot be read: {}", io_cause(&error)))?;
    let left_out = counts.told();
    if counts.is_none() {
        return Err(left_out.unwrap_or_default());
    }
    if let Some(left_out) = left_out {
        to_stderr(&format!("warning: {}: {left_out}", args.recording.display()));
    }
    let trace = counts.rates(args.bin).map_err(|error| error.to_string())?;
    told(args, class, trace)
}

/// A large recording of events as a load.
pub(super) fn in_parts(args: &ConvertArgs, stream: &mut dyn BufRead) -> Result<String, String> {
    let class = class(args)?;
    let labels: BTreeMap<String, String> = args.label.iter().cloned().collect();
    let columns = columns(args);
    let metric = args.metric.as_deref();
    let wanted = Wanted { metric, labels: &labels, columns: &columns, bin: args.bin };
    let counts =
        parts::count(stream, &wanted).map_err(|error| format!("line {}: {error}", error.line))?;
    // As `Recording::load_series` chooses; events of a table have no name.
    let names = match metric {
        Some(metric) => vec![metric],
        None => vec!["iteration_duration", "http_req_duration", "http_reqs", ""],
    };
    let trace = counts.rates(&names, args.bin).map_err(|error| error.to_string())?;
    told(args, class, trace)
}
