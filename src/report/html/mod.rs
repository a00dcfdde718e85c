//! `-o html`: one file that says everything, opens without a network and reads without scripts.
//!
//! Three layers, each complete: headings and tables; charts as SVG whose look stands in attributes, so
//! that policies which forbid scripts and styles leave them legible; a script (uPlot and ours, built in)
//! that makes the charts zoom and share a cursor. The same bytes for the same run. A run, a comparison
//! and a sizing each have a page.

mod alerts;
mod backtest;
mod charts;
mod comparison;
mod cost;
mod draw;
mod frame;
mod latency;
mod packing;
mod sizing;
mod summary;
mod tables;
mod write;

pub use backtest::backtest;
pub use comparison::{ComparedRuns, comparison};
pub use sizing::{Sized, sizing};

use crate::findings::Case;
use crate::metrics::Measurements;
use crate::report::Report;
use crate::report::json;
use frame::Frame;

/// What the page of a run is made of.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The result.
    pub report: &'a Report,
    /// The run laid open: what the charts show.
    pub case: &'a Case<'a>,
    /// What was measured.
    pub measured: &'a Measurements,
    /// All runs, this one among them: the bands of the charts.
    pub runs: &'a [(Case<'a>, &'a Measurements)],
    /// The command that makes this page again.
    pub command: &'a str,
}

/// The page of a run.
#[must_use]
pub fn html(shown: &Shown<'_>) -> String {
    let report = shown.report;
    let (figures, data) = charts::charts(shown);
    let parts = [
        ("thresholds", "Thresholds", summary::thresholds(report)),
        ("happened", "What happened", summary::timeline(report)),
        ("charts", "Over time", figures),
        ("alerts", "Alerts", alerts::alerts(report)),
        ("latency", "Latency of client requests", latency::latency(shown.measured)),
        ("services", "Services and workloads", tables::services(report)),
        ("nodes", "Nodes at the worst moment", packing::packing(shown)),
        ("startups", "From pending to serving", tables::start_ups(report)),
        ("cost", "Cost", cost::cost(report)),
        ("findings", "Findings", tables::findings(report)),
        ("inputs", "Inputs and assumptions", tables::inputs(report)),
    ];
    Frame {
        name: report.scenario.clone(),
        top: summary::verdict(report, shown.command),
        parts: parts.into_iter().map(|(id, title, body)| (id.into(), title.into(), body)).collect(),
        charts: data,
        result: json::compact(report),
    }
    .page()
}
