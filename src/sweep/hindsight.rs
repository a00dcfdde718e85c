//! Policies that look back: what a day before says about this one.
//!
//! The day before is a run of the same scenario with other luck: the season is right, the noise is
//! not. That flatters a forecast no more than a well-chosen season does; a day that differs from its
//! forecast is a scenario of its own.

use std::sync::Arc;

use crate::model::id::{HpaId, WorkloadId};
use crate::scenario::Scenario;
use crate::scenario::minimums::{Forecast, Minimum, Rightsize, write_minimums};
use crate::sweep::RunResult;
use crate::units::convert::{ceil_u64, f64_from_i64, f64_from_usize, round_i64, trunc_i64};
use crate::units::{Bytes, MilliCpu, SimDuration};

/// Least recommendation of the Vertical Pod Autoscaler (pkg/recommender/logic/recommender.go,
/// `pod-recommendation-min-cpu-millicores` and `pod-recommendation-min-memory-mb`).
const LEAST_CPU: MilliCpu = MilliCpu(25);
const LEAST_MEMORY: Bytes = Bytes(250 * 1024 * 1024);

/// Lays a forecast over the HPAs of the workloads that `covers` names: at every step the minimum is
/// what the day before used at most from then until the end of the next step and the lead, over what
/// a pod may use.
pub fn lay_forecast(
    scenario: &mut Scenario,
    before: &RunResult,
    forecast: Forecast,
    name: &str,
    covers: &dyn Fn(&str, &str) -> bool,
) {
    let mut steps: Vec<Minimum> = Vec::new();
    for (at, hpa) in scenario.hpas.iter().enumerate() {
        let spec = &scenario.workloads[hpa.target.index()];
        let cores = requested_cores(scenario, hpa.target);
        if cores <= 0.0 || !covers(spec.kind_name(), &spec.meta.name) {
            continue;
        }
        let own = hpa.spec.min_replicas.unwrap_or(1);
        let mut last = None;
        let mut from = SimDuration::ZERO;
        while from < scenario.duration {
            let until = from + forecast.every + forecast.lead;
            let used = most_used(before, hpa.target, from, until);
            let pods = ceil_u64(used / (cores * forecast.target));
            let least = i32::try_from(pods).unwrap_or(i32::MAX).max(own);
            if last != Some(least) {
                steps.push((from, HpaId::at(at), least));
                last = Some(least);
            }
            from += forecast.every;
        }
    }
    write_minimums(scenario, name, &steps);
}

/// Most cores that the pods of a workload used together between two instants.
fn most_used(
    before: &RunResult,
    workload: WorkloadId,
    from: SimDuration,
    until: SimDuration,
) -> f64 {
    let series = before.measurements.series();
    let samples = series.times.iter().zip(series.workload(workload));
    let within = samples.filter(|(time, _)| **time >= from && **time <= until);
    within.map(|(_, sample)| sample.cpu_cores).fold(0.0, f64::max)
}

/// Cores that a pod of a workload asks for.
fn requested_cores(scenario: &Scenario, workload: WorkloadId) -> f64 {
    let template = &scenario.workloads[workload.index()].template;
    let milli: i64 =
        template.spec.containers.iter().filter_map(|it| it.requests.cpu).map(|cpu| cpu.0).sum();
    f64_from_i64(milli) / 1_000.0
}

/// Gives the first container of the workloads that `covers` names the requests that the Vertical Pod
/// Autoscaler would: a percentile of what a pod used and held the day before, and a margin; limits
/// keep their ratio to the requests (pkg/recommender: percentile 0.9, margin 15 %; pkg/utils/vpa
/// `GetProportionalLimit`). Usage of the other containers counts for the first.
pub fn rightsize(
    scenario: &mut Scenario,
    before: &RunResult,
    rule: Rightsize,
    covers: &dyn Fn(&str, &str) -> bool,
) {
    for position in 0..scenario.workloads.len() {
        let workload = WorkloadId::at(position);
        let spec = &scenario.workloads[position];
        let is_scaled = scenario.hpas.iter().any(|hpa| hpa.target == workload);
        if !is_scaled || !covers(spec.kind_name(), &spec.meta.name) {
            continue;
        }
        let samples = before.measurements.series().workload(workload);
        let busy = || samples.iter().filter(|sample| sample.ready > 0);
        let cores = busy().map(|sample| sample.cpu_cores / f64::from(sample.ready)).collect();
        let bytes = busy().map(|sample| sample.memory_bytes / f64::from(sample.ready)).collect();
        let with_margin = |figure: f64| figure * (1.0 + rule.margin);
        let (Some(cores), Some(bytes)) =
            (percentile(cores, rule.percentile), percentile(bytes, rule.percentile))
        else {
            continue;
        };
        let cpu = MilliCpu(round_i64(with_margin(cores) * 1_000.0)).max(LEAST_CPU);
        let memory = Bytes(round_i64(with_margin(bytes))).max(LEAST_MEMORY);
        let mut changed = (**spec).clone();
        let template = Arc::make_mut(&mut changed.template);
        let Some(container) = template.spec.containers.first_mut() else { continue };
        let in_proportion = |limit: i64, old: i64, new: i64| {
            if old <= 0 {
                return limit;
            }
            trunc_i64(f64_from_i64(limit) * f64_from_i64(new) / f64_from_i64(old)).max(new)
        };
        if let (Some(limit), Some(old)) = (container.limits.cpu, container.requests.cpu) {
            container.limits.cpu = Some(MilliCpu(in_proportion(limit.0, old.0, cpu.0)));
        }
        if let (Some(limit), Some(old)) = (container.limits.memory, container.requests.memory) {
            container.limits.memory = Some(Bytes(in_proportion(limit.0, old.0, memory.0)));
        }
        container.requests.cpu = Some(cpu);
        container.requests.memory = Some(memory);
        scenario.workloads[position] = Arc::new(changed);
    }
}

/// The figure below or at which so many percent lie.
fn percentile(mut figures: Vec<f64>, percent: f64) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let last = figures.len().checked_sub(1)?;
    let position = ceil_u64(percent / 100.0 * f64_from_usize(figures.len())).max(1) - 1;
    let position = usize::try_from(position).unwrap_or(last).min(last);
    figures.get(position).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_figure_that_was_seen() {
        let hundred: Vec<f64> = (1..=100_i32).map(f64::from).collect();
        for (percent, expected) in [(90.0, 90.0), (100.0, 100.0), (1.0, 1.0), (0.1, 1.0)] {
            let found = percentile(hundred.clone(), percent).expect("there are figures");
            assert!((found - expected).abs() < 1e-12, "{percent}");
        }
        assert_eq!(percentile(Vec::new(), 90.0), None);
    }
}
