//! From a scenario and its runs to the page: ids become names, figures get their units.

mod alerts;
pub(super) mod assumptions;
mod metrics;
mod series;
mod tables;
mod thresholds;

use rust_decimal::Decimal;

use crate::metrics::cost::cents;
use crate::metrics::{Aborted, ThresholdResult};
use crate::report::{
    AbortEntry, CostEntry, CostShareEntry, FindingEntry, InputEntry, Location, Report, RunEntry,
    TimelineEntry, VolumeEntry,
};
use crate::scenario::Scenario;
use crate::scenario::profile::HOURS_PER_MONTH;
use crate::scenario::threshold::{Severity, ThresholdSpec};
use crate::sweep::{Figures, RunResult};
use crate::units::Origin;

/// What others have to say about the first run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Told {
    /// What happened, by time.
    pub timeline: Vec<TimelineEntry>,
    /// Judgements.
    pub findings: Vec<FindingEntry>,
}

/// Puts the page together. A threshold without samples counts as met, unless `strict`.
///
/// # Panics
/// Without a run: there is nothing to report.
#[must_use]
pub fn assemble(
    scenario: &Scenario,
    seed: u64,
    results: &[RunResult],
    strict: bool,
    told: Told,
) -> Report {
    let first = results.first().expect("a report is about at least one run");
    let thresholds = thresholds::entries(scenario, results, strict);
    let expectations = alerts::expectations(results);
    let aborted = abort(scenario, results);
    Report {
        scenario: scenario.name.to_string(),
        path: scenario.path.to_string(),
        description: scenario.description.to_string(),
        cluster: scenario.cluster.to_string(),
        provider: scenario.provider.name(),
        catalog: catalog(scenario),
        inputs: scenario
            .inputs
            .iter()
            .map(|input| InputEntry {
                path: input.path.to_string(),
                sha256: input.sha256.to_string(),
            })
            .collect(),
        seed,
        model: scenario.model.name(),
        duration_s: scenario.duration.as_secs_f64(),
        warm_up_s: scenario.warm_up.as_secs_f64(),
        holds: thresholds.iter().all(|threshold| threshold.ok || threshold.warns_only)
            && expectations.iter().all(|expectation| expectation.ok)
            && aborted.is_none(),
        aborted,
        events: first.outcome.events,
        metrics: metrics::entries(scenario, &first.measurements),
        services: tables::services(scenario, first),
        workloads: tables::workloads(scenario, first),
        start_ups: tables::start_ups(scenario, first),
        node_pools: tables::pools(scenario, first),
        alerts: alerts::alerts(&first.alerts),
        expectations,
        cost: cost(scenario, first),
        timeline: alerts::told_among(told.timeline, &first.alerts),
        findings: told.findings,
        assumptions: assumptions::assumptions(scenario),
        not_simulated: assumptions::not_simulated(scenario),
        courses: series::courses(scenario, first),
        runs: results.iter().map(|result| run(scenario, result, strict)).collect(),
        figures: results.iter().map(|it| Figures::of(scenario, it, strict)).collect(),
        arguments: Vec::new(),
        strict,
        thresholds,
    }
}

/// A place, when the figure stands in a file.
#[must_use]
pub fn location(origin: &Origin) -> Option<Location> {
    (origin.line > 0).then(|| Location {
        path: origin.file.to_string(),
        line: origin.line,
        column: origin.column,
    })
}

/// Whether a threshold lets a run count as passed.
fn passes(spec: &ThresholdSpec, result: &ThresholdResult, strict: bool) -> bool {
    result.is_met(strict) || spec.terms().severity == Severity::Warning
}

/// The first run that a threshold ended early.
fn abort(scenario: &Scenario, results: &[RunResult]) -> Option<AbortEntry> {
    let aborted = || results.iter().filter_map(|it| Some((it, it.measurements.aborted()?)));
    let (first, Aborted { threshold, after }) = aborted().next()?;
    Some(AbortEntry {
        threshold: scenario.thresholds[threshold].to_string(),
        after_s: after.as_secs_f64(),
        run: first.replication,
        runs: aborted().count(),
    })
}

fn run(scenario: &Scenario, result: &RunResult, strict: bool) -> RunEntry {
    let judged = || scenario.thresholds.iter().zip(&result.thresholds);
    RunEntry {
        replication: result.replication,
        holds: judged().all(|(spec, judged)| passes(spec, judged, strict))
            && result.alerts.holds()
            && result.measurements.aborted().is_none(),
        observed: judged().map(|(_, judged)| judged.observed()).collect(),
        per_month: result.cost.per_month().map(cents),
    }
}

fn cost(scenario: &Scenario, first: &RunResult) -> CostEntry {
    let cost = &first.cost;
    let shown = |amount: Option<Decimal>| amount.map(cents);
    CostEntry {
        currency: cost.currency.to_string(),
        per_month: shown(cost.per_month()),
        nodes_per_month: shown(cost.nodes_per_month()),
        control_plane_per_month: cents(cost.control_plane_per_month),
        volumes_per_month: shown(cost.volumes_per_month()),
        idle_per_month: shown(cost.idle_per_month()),
        measured: shown(cost.measured),
        per_million_requests: shown(cost.per_million_requests),
        hours_per_month: HOURS_PER_MONTH,
        shares: cost
            .shares
            .iter()
            .map(|share| CostShareEntry {
                pool: scenario.pools[share.pool.index()].name.to_string(),
                workload: share.workload.map(|id| scenario.workloads[id.index()].to_string()),
                by: share.by.name(),
                used: cents(share.used),
                idle: cents(share.idle),
                unallocated: cents(share.unallocated),
            })
            .collect(),
        volumes: cost
            .volumes
            .iter()
            .map(|volume| VolumeEntry {
                claim: volume.claim.clone(),
                volumes: volume.volumes,
                size_gib: volume.size.as_gib(),
                volume_type: volume.volume_type.as_deref().map(str::to_owned),
                paid_iops: volume.paid_iops,
                per_month: shown(volume.per_month),
            })
            .collect(),
        unknown_prices: cost.unknown.clone(),
    }
}

fn catalog(scenario: &Scenario) -> String {
    let dates = scenario.pools.iter().map(|pool| &*pool.instance.price_date);
    dates.max().unwrap_or("").to_owned()
}
