//! `-o html`: one file that says everything, opens without a network and reads without scripts.
//!
//! Three layers, each complete: headings and tables; charts as SVG whose look stands in attributes, so
//! that policies which forbid scripts and styles leave them legible; a script (uPlot and ours, built in)
//! that makes the charts zoom and share a cursor. The same bytes for the same run.

mod alerts;
mod charts;
mod cost;
mod latency;
mod packing;
mod sizing;
mod summary;
mod tables;
mod write;

pub use sizing::{SizingRow, SizingTable};

use crate::findings::Case;
use crate::metrics::Measurements;
use crate::report::Report;
use crate::report::json::{self, KUBERNETES};
use write::{escaped, in_script};

/// What the page is made of.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The result.
    pub report: &'a Report,
    /// The run laid open: what the charts show.
    pub case: &'a Case<'a>,
    /// What was measured.
    pub measured: &'a Measurements,
    /// Figures that would do better, when someone has looked for them.
    pub sizing: Option<&'a SizingTable>,
    /// The command that makes this page again.
    pub command: &'a str,
}

const STYLE: &str = include_str!("../../../assets/report.css");
const SCRIPT: &str = include_str!("../../../assets/report.js");
const PLOT: &str = include_str!("../../../assets/uPlot.iife.min.js");
const PLOT_STYLE: &str = include_str!("../../../assets/uPlot.min.css");

/// Nothing is fetched, sent or framed; what runs stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'none'";

/// The parts of the page: anchor, title, body; a part without a body is left out.
type Part = (&'static str, &'static str, String);

/// The page.
#[must_use]
pub fn html(shown: &Shown<'_>) -> String {
    let report = shown.report;
    let drawn = charts::charts(shown);
    let parts: Vec<Part> = vec![
        ("thresholds", "Thresholds", summary::thresholds(report)),
        ("happened", "What happened", summary::timeline(report)),
        ("charts", "Over time", drawn.figures),
        ("alerts", "Alerts", alerts::alerts(report)),
        ("latency", "Latency of client requests", latency::latency(shown.measured)),
        ("services", "Services and workloads", tables::services(report)),
        ("sizing", "Figures that would do", sizing::sizing(shown.sizing)),
        ("nodes", "Nodes at the worst moment", packing::packing(shown)),
        ("startups", "From pending to serving", tables::start_ups(report)),
        ("cost", "Cost", cost::cost(report)),
        ("findings", "Findings", tables::findings(report)),
        ("inputs", "Inputs and assumptions", tables::inputs(report)),
    ];
    let parts: Vec<Part> = parts.into_iter().filter(|(_, _, body)| !body.is_empty()).collect();
    let mut page = head(report);
    page.push_str(&summary::verdict(report, shown.command));
    page.push_str("<nav aria-label=\"Parts\"><ul>");
    for (anchor, title, _) in &parts {
        page.push_str(&format!("<li><a href=\"#{anchor}\">{title}</a></li>"));
    }
    page.push_str("</ul></nav></header>\n<main id=\"main\">\n");
    for (anchor, title, body) in &parts {
        page.push_str(&format!("<section id=\"{anchor}\"><h2>{title}</h2>\n{body}\n</section>\n"));
    }
    page.push_str("</main>\n");
    page.push_str(&foot(report, &drawn.data));
    page
}

fn head(report: &Report) -> String {
    let title = escaped(&format!("{} – aurelius-sim", report.scenario));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>{PLOT_STYLE}{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the result</a>\n<header>\n"
    )
}

fn foot(report: &Report, data: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let result = in_script(&json::compact(report));
    format!(
        "<div class=\"cursor\" hidden>cursor at <output id=\"cursor-time\">–</output> · arrow keys on a \
         chart move it, dragging zooms all charts, a double click or Escape shows everything again\
         <span id=\"live\" aria-live=\"polite\" style=\"position:absolute;left:-999px\"></span></div>\n\
         <footer class=\"quiet\"><p>aurelius-sim {version}, decisions as Kubernetes {KUBERNETES}. This \
         page loads nothing and sends nothing. Charts by <a \
         href=\"https://github.com/leeoniya/uPlot\" rel=\"noreferrer\">uPlot</a> (MIT).</p></footer>\n\
         <script type=\"application/json\" id=\"result\">{result}</script>\n\
         <script type=\"application/json\" id=\"series\">{}</script>\n\
         <script>{PLOT}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        in_script(data),
    )
}
