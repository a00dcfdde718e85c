//! A calibration told: a table of figures with their intervals, what could not be told and why, and a
//! picture of measurements beside the model.

use std::fmt::Write as _;

use crate::calibrate::check::{Compared, replay};
use crate::calibrate::demand::misfit;
use crate::calibrate::profile::{interval, time};
use crate::calibrate::{Calibration, EndpointFit, Observed};
use crate::fit::Estimate;
use crate::report::svg::{self, Colour, Dash, Figure, Join, Series};
use crate::units::convert::f64_from_usize;

/// Windows of the comparison (s).
const WINDOW_S: f64 = 10.0;

/// The calibration as text for a terminal.
#[must_use]
pub fn text(service: &str, observed: &Observed, calibration: &Calibration) -> String {
    let mut text = format!("fit {service}\n");
    sources(&mut text, observed);
    summaries(&mut text, observed);
    let rows: Vec<[String; 6]> =
        calibration.endpoints.iter().map(|fit| row(fit, calibration)).collect();
    let head = [
        "operation",
        "requests",
        "at a time",
        "service (95 %)",
        "distribution",
        "CPU per request (95 %)",
    ];
    if !rows.is_empty() {
        table(&mut text, &head.map(str::to_owned), &rows);
    }
    for (endpoint, fit) in observed.endpoints.iter().zip(&calibration.endpoints) {
        if let Some(capacity) = fit.capacity() {
            let _ = writeln!(
                text,
                "  capacity  {}: {:.2}/s ({:.2} .. {:.2})",
                fit.name, capacity.value, capacity.low, capacity.high
            );
        }
        if let Some(worst) = worst(&replay(endpoint, fit, WINDOW_S)) {
            let _ = writeln!(
                text,
                "  replayed  {}: p95 per {WINDOW_S} s window at most {:.1} % off what was measured",
                fit.name,
                100.0 * worst
            );
        }
        scalability(&mut text, fit);
    }
    cpu(&mut text, calibration);
    mean(&mut text, observed);
    memory(&mut text, calibration);
    refusals(&mut text, observed, calibration);
    text
}

fn sources(text: &mut String, observed: &Observed) {
    let mut line = |what: &str, file: Option<&str>, said: String| {
        if let Some(file) = file {
            let _ = writeln!(text, "  {what:<9} {file}: {said}");
        }
    };
    let requests = observed.all_requests().count();
    let span = observed.all_requests().map(|request| request.end_s).fold(0.0, f64::max);
    let said = if requests == 0 && !observed.summaries.is_empty() {
        "a summary".to_owned()
    } else {
        format!("{requests} in {}", time(span))
    };
    line("requests", observed.requests_from.as_deref(), said);
    let rates: usize = observed.endpoints.iter().map(|endpoint| endpoint.rates.len()).sum();
    line("rates", observed.rates_from.as_deref(), format!("{rates} samples"));
    for (what, signal) in
        [("cpu", &observed.cpu), ("memory", &observed.memory), ("start-up", &observed.start_up)]
    {
        let count = signal.as_ref().map_or(0, |signal| signal.points.len());
        line(what, signal.as_ref().map(|it| it.source.as_str()), format!("{count} samples"));
    }
    text.push('\n');
}

fn row(fit: &EndpointFit, calibration: &Calibration) -> [String; 6] {
    let with =
        |estimate: &Estimate| format!("{} {}", time(estimate.value.max(0.0)), interval(estimate));
    let at_a_time = match &fit.station {
        Ok(station) => {
            station.count.map_or_else(|| "not told".to_owned(), |count| count.to_string())
        }
        Err(_) => "-".to_owned(),
    };
    let service = fit.station.as_ref().map_or_else(|_| "-".to_owned(), |it| with(&it.service));
    let family = fit.service.as_ref().map_or("-", |fitted| fitted.family().name());
    let cpu = match &calibration.cpu {
        Ok(cpu) => cpu.of(&fit.name).map_or_else(
            || "-".to_owned(),
            |demand| {
                let shared = if demand.together.len() > 1 { " shared out" } else { "" };
                format!("{}{shared}", with(&demand.cpu))
            },
        ),
        Err(_) => "-".to_owned(),
    };
    [fit.name.clone(), fit.requests.to_string(), at_a_time, service, family.to_owned(), cpu]
}

fn table(text: &mut String, head: &[String; 6], rows: &[[String; 6]]) {
    let width = |at: usize| {
        let cells = rows.iter().chain([head]).map(|row| row[at].chars().count());
        cells.max().unwrap_or(0)
    };
    for row in [head].into_iter().chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(at, cell)| format!("{cell:<width$}", width = width(at)))
            .collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
    text.push('\n');
}

fn worst(compared: &[Compared]) -> Option<f64> {
    compared.iter().map(|window| window.off().abs()).reduce(f64::max)
}

fn scalability(text: &mut String, fit: &EndpointFit) {
    let Ok(law) = &fit.scalability else { return };
    let peak = match law.peak.at {
        Some(at) => format!("peak {:.1}/s at {at:.0} in progress", law.peak.throughput),
        None if law.peak.throughput.is_finite() => format!("limit {:.2}/s", law.peak.throughput),
        None => "no limit in sight".to_owned(),
    };
    let seen = if law.peak.seen { "" } else { ", extrapolated: the load did not go that far" };
    let _ = writeln!(
        text,
        "  scaling   {}: contention {:.3}, coherence {:.5}, R2 {:.3}; {peak}{seen}",
        fit.name, law.contention.value, law.coherence.value, law.r_squared
    );
}

fn cpu(text: &mut String, calibration: &Calibration) {
    let Ok(cpu) = &calibration.cpu else { return };
    let (most, median) = misfit(cpu);
    let _ = writeln!(
        text,
        "  cpu       {:.1}m idle, R2 {:.3} over {} samples; off by {:.1} % (median), {:.1} % (worst)",
        1e3 * cpu.idle.value,
        cpu.r_squared,
        cpu.samples,
        100.0 * median,
        100.0 * most
    );
}

fn memory(text: &mut String, calibration: &Calibration) {
    let Ok(memory) = &calibration.memory else { return };
    let mebi = f64_from_usize(1 << 20);
    let follows = memory.per_request.map_or_else(
        || format!("does not follow requests (R2 {:.2})", memory.r_squared),
        |per| {
            format!(
                "{:.2} MiB for each request in progress (R2 {:.2})",
                per.value / mebi,
                memory.r_squared
            )
        },
    );
    let _ = writeln!(text, "  memory    {:.1} MiB idle, {follows}", memory.idle.value / mebi);
}

/// Durations of which only a summary is there.
fn summaries(text: &mut String, observed: &Observed) {
    if observed.summaries.is_empty() {
        return;
    }
    text.push_str("  durations as seen under the load of that test, waiting included:\n");
    for summary in &observed.summaries {
        let requests = summary.requests.map_or_else(String::new, |count| format!(" ({count:.0})"));
        let figures: Vec<String> = summary
            .figures
            .iter()
            .map(|(name, value)| format!("{name} {}", time(*value)))
            .collect();
        let _ = writeln!(text, "    {}{requests}: {}", summary.operation, figures.join(", "));
    }
    text.push('\n');
}

/// What counters of one scrape say.
fn mean(text: &mut String, observed: &Observed) {
    let Some(mean) = observed.mean else { return };
    let _ = writeln!(
        text,
        "  cpu       at most {} per request: {:.2} core-seconds over {:.0} requests since the process \
         started, its start and idle time included; scrapes under different loads tell more",
        time(mean.most_s()),
        mean.cpu_s,
        mean.requests
    );
}

/// What the data cannot tell, with the reason, so that nobody takes a default for a measurement.
fn refusals(text: &mut String, observed: &Observed, calibration: &Calibration) {
    let mut told = Vec::new();
    let mut note =
        |what: String, refusal: &dyn std::fmt::Display| told.push(format!("{what}: {refusal}"));
    if let Err(refusal) = &calibration.cpu {
        note("CPU per request".to_owned(), refusal);
    }
    if let Err(refusal) = &calibration.memory {
        note("memory".to_owned(), refusal);
    }
    if let Err(refusal) = &calibration.start_up {
        note("start-up".to_owned(), refusal);
    }
    if !observed.summaries.is_empty() {
        note(
            "times of service, and how many at a time".to_owned(),
            &"a summary holds no single requests, and its durations contain the waiting under that load; \
              `k6 run --out json=FILE` writes them one by one",
        );
    }
    for fit in &calibration.endpoints {
        match &fit.station {
            Err(refusal) => note(format!("{}: service", fit.name), refusal),
            Ok(station) if station.count.is_none() => note(
                format!("{}: requests at a time", fit.name),
                &"nobody had to wait, so that no limit was seen",
            ),
            Ok(_) => {}
        }
        if let Err(refusal) = &fit.scalability {
            note(format!("{}: scalability law", fit.name), refusal);
        }
    }
    if !told.is_empty() {
        text.push_str("\n  Not told by these data:\n");
    }
    for line in told {
        let _ = writeln!(text, "    {line}");
    }
}

/// Measurements beside the model: CPU, and p95 of each operation with places of its own.
#[must_use]
pub fn picture(observed: &Observed, calibration: &Calibration) -> Option<String> {
    let mut figures = Vec::new();
    let series = |name: &str, colour, dash, points: Vec<(f64, Option<f64>)>| Series {
        name: name.to_owned(),
        points,
        spread: Vec::new(),
        colour,
        dash,
        join: Join::Line,
    };
    if let Ok(cpu) = &calibration.cpu {
        let mut figure = Figure::new("CPU in use", "cores");
        let of = |pick: fn(&(f64, f64, f64)) -> f64| {
            cpu.course.iter().map(|point| (point.0, Some(pick(point)))).collect()
        };
        figure.series.push(series("measured", Colour::Black, Dash::Dotted, of(|point| point.1)));
        figure.series.push(series("model", Colour::Blue, Dash::Solid, of(|point| point.2)));
        figures.push(figure);
    }
    for (endpoint, fit) in observed.endpoints.iter().zip(&calibration.endpoints) {
        let compared = replay(endpoint, fit, WINDOW_S);
        if compared.is_empty() {
            continue;
        }
        let mut figure = Figure::new(format!("p95 of {} per 10 s window", fit.name), "ms");
        let of = |pick: fn(&Compared) -> f64| {
            compared.iter().map(|it| (it.from_s + WINDOW_S / 2.0, Some(1e3 * pick(it)))).collect()
        };
        figure.series.push(series("measured", Colour::Black, Dash::Dotted, of(|it| it.measured_s)));
        figure.series.push(series("model", Colour::Blue, Dash::Solid, of(|it| it.model_s)));
        figures.push(figure);
    }
    (!figures.is_empty()).then(|| svg::panels_of(&figures))
}
