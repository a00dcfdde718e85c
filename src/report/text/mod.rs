//! The summary of a run on a terminal: verdict, thresholds, what happened and why, tables, money.
//!
//! At most 40 lines of at most 100 columns, unless everything is asked for. Percentages and times
//! are cut, never rounded up; a mark always stands beside a word that says the same.

pub mod across;
mod alerts;
pub mod beside;
mod layout;
mod sections;
mod services;

use crate::alerts::Alerted;
use crate::findings::{Case, Cause, Finding, timeline};
use crate::metrics::{Cost, Measurements};
use crate::report::sparkline::Charset;

use layout::Page;
pub(in crate::report) use sections::thousands as money;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// The verdict alone.
    Oneline,
    /// What fits 40 lines of 100 columns.
    #[default]
    Compact,
    /// Everything, lines as long as they are.
    Full,
}

/// Whether the text has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// Plain text.
    #[default]
    Never,
    /// ANSI escapes.
    Always,
}

/// How the summary is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// How much.
    pub detail: Detail,
    /// With colours or without.
    pub colour: Colour,
    /// Which characters.
    pub charset: Charset,
}

/// What a summary is made of.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The run laid open.
    pub case: Case<'a>,
    /// What was measured.
    pub measured: &'a Measurements,
    /// What it cost.
    pub cost: &'a Cost,
    /// What became of alerts.
    pub alerts: &'a Alerted,
    /// Everything found, by time.
    pub findings: &'a [Finding],
    /// A cause for each threshold that is not met.
    pub causes: &'a [Cause],
    /// The seed of the run.
    pub seed: u64,
    /// What was run, as one types it behind `run`: `scenarios/peak.yaml --values sized.yaml`.
    pub asked: &'a str,
    /// How long the simulation took, in words, when that is to be told: `0.21s`.
    pub ran_in: Option<&'a str>,
}

/// Lines of the compact summary at most, the last newline not counted.
pub const LINES_MOST: usize = 40;
/// Columns of the compact summary at most.
pub const COLUMNS_MOST: usize = 100;
/// Lines of the timeline at most, and at least where room is short.
const TIMELINE: (usize, usize) = (12, 4);
/// Services listed at most in the compact summary, and at least where room is short.
const SERVICES: (usize, usize) = (9, 4);
/// Pools listed at most in the compact summary.
const POOLS_MOST: usize = 4;

/// The summary, each line ended by a newline.
#[must_use]
pub fn summary(told: &Told<'_>, style: Style) -> String {
    let mut page = Page::new(style);
    match style.detail {
        Detail::Oneline => sections::verdict(told, &mut page),
        Detail::Compact => compact(told, &mut page),
        Detail::Full => full(told, &mut page),
    }
    page.finish()
}

fn compact(told: &Told<'_>, page: &mut Page) {
    sections::header(told, page);
    page.blank();
    sections::verdict(told, page);
    let mut thresholds = Page::new(page.style());
    sections::thresholds(told, &mut thresholds);
    let mut causes = Page::new(page.style());
    sections::causes(told, &mut causes);
    // Title and blank line of the timeline, beside its lines.
    let fixed = page.len() + thresholds.len() + causes.len() + 2;
    let (most, least) = TIMELINE;
    let wanted = timeline(&told.case, told.findings, most).len();
    let (services_most, services_least) = SERVICES;
    let mut rows = services_most;
    let mut after = tables(told, page.style(), rows);
    // What happened matters more than a row of a service that had no trouble.
    while fixed + after.len() + wanted > LINES_MOST && rows > services_least {
        rows -= 1;
        after = tables(told, page.style(), rows);
    }
    let room = LINES_MOST.saturating_sub(fixed + after.len()).clamp(least, most);
    page.append(thresholds);
    sections::timeline(told, page, room);
    page.append(causes);
    page.append(after);
}

/// What stands below the causes, with so many services at most.
fn tables(told: &Told<'_>, style: Style, services_most: usize) -> Page {
    let mut page = Page::new(style);
    alerts::alerts(told, &mut page);
    services::services(told, &mut page, services_most);
    services::nodes(told, &mut page, POOLS_MOST);
    sections::cost(told, &mut page);
    sections::next(told, &mut page);
    page
}

fn full(told: &Told<'_>, page: &mut Page) {
    sections::header(told, page);
    page.blank();
    sections::verdict(told, page);
    sections::thresholds(told, page);
    sections::timeline(told, page, usize::MAX);
    sections::causes(told, page);
    alerts::alerts(told, page);
    services::services(told, page, usize::MAX);
    services::start_ups(told, page);
    services::nodes(told, page, usize::MAX);
    sections::cost(told, page);
    sections::assumed(told, page);
    sections::next(told, page);
}

#[cfg(test)]
mod tests;
