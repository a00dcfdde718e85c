//! `fit`: service profiles from measurements.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::calibrate::observe::{Input, duration_column};
use crate::calibrate::profile::{Names, profile};
use crate::calibrate::scrapes::{Scrapes, scrapes};
use crate::calibrate::{Observed, Role, calibrate};
use crate::cli::Exit;
use crate::cli::convert::parse_span;
use crate::cli::files::{to_stderr, to_stdout, write_whole};
use crate::cli::recordings;
use crate::cli::say_error;
use crate::input::recordings::Columns;
use crate::report::calibration;
use crate::units::SimDuration;

/// Arguments of `fit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every figure comes with its 95 % interval; what the data cannot tell is refused with the reason. \
Recordings: outputs of k6 (JSON lines, CSV, summaries), scrapes of exporters, query_range of Prometheus, CSV; each may be gzipped."
)]
pub(super) struct FitArgs {
    /// Name of the service.
    #[arg(long, value_name = "NAME")]
    service: String,
    /// Its workload; `Deployment/NAME` when absent.
    #[arg(long, value_name = "KIND/NAME")]
    workload: Option<String>,
    /// Requests one by one: `k6 run --out json=...` or csv, or a table of starts and durations.
    #[arg(long, value_name = "FILE")]
    requests: Vec<PathBuf>,
    /// Requests per second by operation, as the service counted them.
    #[arg(long, value_name = "FILE")]
    rates: Option<PathBuf>,
    /// Cores in use of all pods.
    #[arg(long, value_name = "FILE")]
    cpu: Option<PathBuf>,
    /// Bytes in use; several series are pods.
    #[arg(long, value_name = "FILE")]
    memory: Option<PathBuf>,
    /// Scrapes of the service's own metrics in Prometheus' text format, one file each, repeatable: CPU,
    /// rates and memory at once.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rates", "cpu", "memory"])]
    scrape: Vec<PathBuf>,
    /// How far apart scrapes are that carry no times.
    #[arg(long, value_name = "DURATION", value_parser = parse_span, requires = "scrape")]
    scrape_interval: Option<SimDuration>,
    /// Seconds from start to ready, one row a start.
    #[arg(long, value_name = "FILE")]
    start_up: Option<PathBuf>,
    /// Cores that one pod can use at most, where it is known (a Python process uses one).
    #[arg(long, value_name = "N")]
    max_cores: Option<u32>,
    /// Write the ServiceProfiles document there.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a picture of measurements beside the model there.
    #[arg(long, value_name = "FILE.svg")]
    picture: Option<PathBuf>,
}

/// Reads the recordings, estimates, tells and writes.
pub(super) fn fit(args: &FitArgs) -> Exit {
    let Some(mut inputs) = inputs(args) else { return Exit::Usage };
    let mut mean = None;
    if !args.scrape.is_empty() {
        let Some(found) = scraped(args) else { return Exit::Usage };
        inputs.extend(found.inputs);
        mean = found.mean;
    }
    if inputs.is_empty() && mean.is_none() {
        to_stderr(
            "error: nothing was measured\n\
             hint: name at least one of --requests, --cpu with --rates, --memory, --start-up, or several --scrape",
        );
        return Exit::Usage;
    }
    let observed = match Observed::of(&inputs) {
        Ok(observed) => Observed { mean, ..observed },
        Err(message) => {
            to_stderr(&format!("error: {message}"));
            return Exit::Usage;
        }
    };
    let fitted = calibrate(&observed);
    let names = Names {
        service: args.service.clone(),
        workload: args.workload.clone().unwrap_or_else(|| format!("Deployment/{}", args.service)),
        max_cores: args.max_cores,
    };
    let mut written = Vec::new();
    if let Some(path) = &args.output {
        written.push((path, profile(&observed, &fitted, &names)));
    }
    if let Some(path) = &args.picture {
        match calibration::picture(&observed, &fitted) {
            Some(picture) => written.push((path, picture)),
            None => to_stderr("warning: nothing to draw: neither CPU nor a station could be told"),
        }
    }
    for (path, text) in &written {
        if let Err(error) = write_whole(path, text) {
            say_error(&error);
            return Exit::Usage;
        }
    }
    match to_stdout(&calibration::text(&args.service, &observed, &fitted)) {
        Ok(()) => Exit::Success,
        Err(error) => {
            say_error(&error);
            Exit::Usage
        }
    }
}

fn inputs(args: &FitArgs) -> Option<Vec<Input>> {
    let one = |role: Role, path: &Option<PathBuf>| path.clone().map(|path| (role, path));
    let named = args.requests.iter().cloned().map(|path| (Role::Requests, path)).chain(
        [
            one(Role::Rates, &args.rates),
            one(Role::Cpu, &args.cpu),
            one(Role::Memory, &args.memory),
            one(Role::StartUp, &args.start_up),
        ]
        .into_iter()
        .flatten(),
    );
    let mut inputs = Vec::new();
    for (role, path) in named {
        let recording = recordings::read(&path, |text| columns(role, text))?;
        inputs.push((role, file_name(&path), recording));
    }
    Some(inputs)
}

/// Reads the scrapes; what is wrong goes to stderr.
fn scraped(args: &FitArgs) -> Option<Scrapes> {
    let mut files = Vec::new();
    for path in &args.scrape {
        let recording = recordings::read(path, |_| Columns::default())?;
        files.push((file_name(path), recording));
    }
    match scrapes(files, args.scrape_interval) {
        Ok(found) => Some(found),
        Err(message) => {
            to_stderr(&format!("error: {message}"));
            None
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// A table of requests has its values in the column of durations, whatever else holds numbers.
fn columns(role: Role, text: &str) -> Columns {
    let value = match role {
        Role::Requests | Role::StartUp => duration_column(text),
        Role::Cpu | Role::Rates | Role::Memory => None,
    };
    Columns { value, ..Columns::default() }
}
