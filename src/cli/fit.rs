//! `fit`: service profiles from measurements.

use std::path::PathBuf;

use clap::Args;

use crate::calibrate::observe::{Input, duration_column};
use crate::calibrate::profile::{Names, profile};
use crate::calibrate::{Observed, Role, calibrate};
use crate::cli::Exit;
use crate::cli::files::{to_stderr, to_stdout, write_whole};
use crate::cli::recordings;
use crate::cli::say_error;
use crate::input::recordings::Columns;
use crate::report::calibration;

/// Arguments of `fit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every figure comes with its 95 % interval; what the data cannot tell is refused with the reason. \
Recordings: outputs of k6 (JSON lines, CSV), query_range of Prometheus, CSV; each may be gzipped."
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
    let Some(inputs) = inputs(args) else { return Exit::Usage };
    if inputs.is_empty() {
        to_stderr(
            "error: nothing was measured\n\
             hint: name at least one of --requests, --cpu with --rates, --memory, --start-up",
        );
        return Exit::Usage;
    }
    let observed = match Observed::of(&inputs) {
        Ok(observed) => observed,
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
        let file =
            path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        inputs.push((role, file, recording));
    }
    Some(inputs)
}

/// A table of requests has its values in the column of durations, whatever else holds numbers.
fn columns(role: Role, text: &str) -> Columns {
    let value = match role {
        Role::Requests | Role::StartUp => duration_column(text),
        Role::Cpu | Role::Rates | Role::Memory => None,
    };
    Columns { value, ..Columns::default() }
}
