//! Policies that look back: what a day before says about this one.
//!
//! The day before is a run of the same scenario with other luck: the season is right, the noise is
//! not. That flatters a forecast no more than a well-chosen season does; a day that differs from its
//! forecast is a scenario of its own.

use std::sync::Arc;

use crate::cluster::api::WorkloadSpec;
use crate::model::id::{HpaId, WorkloadId};
use crate::scenario::minimums::{Forecast, Minimum, Rightsize, write_minimums};
use crate::scenario::{DisruptionTarget, Scenario, WorkloadChange};
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
/// Autoscaler would have recommended after the day before: a percentile of its decaying histogram of
/// CPU, and of the peaks of memory, with a margin; limits keep their ratio to the requests (autoscaler,
/// vertical-pod-autoscaler/pkg/recommender, pkg/utils/vpa `GetProportionalLimit`). Usage of the other
/// containers counts for the first. What an upgrade writes of them is changed likewise: the admission
/// of the autoscaler does not ask where a pod comes from.
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
        let Some((cpu, memory)) = recommended(scenario, before, workload, rule) else { continue };
        scenario.workloads[position] = resized(&scenario.workloads[position], cpu, memory);
        for disruption in &mut scenario.disruptions {
            let DisruptionTarget::Rollout(rollout) = &mut disruption.target else { continue };
            let writes = rollout.workloads.iter().any(|(id, _)| *id == workload);
            if !writes {
                continue;
            }
            for (id, change) in &mut Arc::make_mut(rollout).workloads {
                if let WorkloadChange::Written { spec, .. } = change
                    && *id == workload
                {
                    *spec = resized(spec, cpu, memory);
                }
            }
        }
    }
}

/// What a pod of a workload should ask for by what one used and held.
fn recommended(
    scenario: &Scenario,
    before: &RunResult,
    workload: WorkloadId,
    rule: Rightsize,
) -> Option<(MilliCpu, Bytes)> {
    let series = before.measurements.series();
    let samples = series.times.iter().zip(series.workload(workload));
    let (mut cores, mut peak): (Histogram, Option<f64>) = (Histogram::cores(), None);
    let weight = requested_cores(scenario, workload).max(LEAST_WEIGHT);
    for (time, sample) in samples.filter(|(_, sample)| sample.ready > 0) {
        let pods = f64::from(sample.ready);
        cores.add(sample.cpu_cores / pods, weight * decay(time.as_secs_f64()));
        let held = sample.memory_bytes / pods;
        peak = Some(peak.map_or(held, |peak: f64| peak.max(held)));
    }
    // Memory counts by the peak of each day, of which there is one.
    let mut bytes = Histogram::bytes();
    bytes.add(peak?, 1.0);
    let with_margin = |figure: f64| figure * (1.0 + rule.margin);
    let share = rule.percentile / 100.0;
    let cpu = round_i64(with_margin(cores.percentile(share)?) * 1_000.0);
    let memory = round_i64(with_margin(bytes.percentile(share)?));
    Some((MilliCpu(cpu).max(LEAST_CPU), Bytes(memory).max(LEAST_MEMORY)))
}

/// A workload whose first container asks for other amounts.
fn resized(spec: &Arc<WorkloadSpec>, cpu: MilliCpu, memory: Bytes) -> Arc<WorkloadSpec> {
    let mut changed = (**spec).clone();
    let template = Arc::make_mut(&mut changed.template);
    let Some(container) = template.spec.containers.first_mut() else { return Arc::clone(spec) };
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
    Arc::new(changed)
}

/// Samples of CPU count by what a container asks for, and never by less (pkg/recommender/model/
/// aggregate_container_state.go `addCPUSample`).
const LEAST_WEIGHT: f64 = 0.1;

/// Samples lose half of their weight in a day (pkg/recommender/model/aggregations_config.go); only the
/// ratio between samples counts, so that later ones weigh more.
fn decay(at_s: f64) -> f64 {
    libm::exp2(at_s / 86_400.0)
}

/// The histogram of the Vertical Pod Autoscaler: buckets that grow by 5 %, of which a percentile is the
/// end (pkg/recommender/util/histogram.go, histogram_options.go).
#[derive(Debug)]
struct Histogram {
    first_bucket: f64,
    most: f64,
    weights: Vec<f64>,
}

impl Histogram {
    const GROWTH: f64 = 1.05;

    /// From a hundredth of a core to a thousand cores.
    fn cores() -> Self {
        Self { first_bucket: 0.01, most: 1_000.0, weights: Vec::new() }
    }

    /// From ten megabytes to a terabyte.
    fn bytes() -> Self {
        Self { first_bucket: 1e7, most: 1e12, weights: Vec::new() }
    }

    /// The bucket of a figure; the last one takes all that is larger.
    fn bucket(&self, figure: f64) -> usize {
        let place = |figure: f64| {
            let grown = figure * (Self::GROWTH - 1.0) / self.first_bucket + 1.0;
            trunc_i64(libm::log(grown) / libm::log(Self::GROWTH))
        };
        let last = place(self.most) + 1;
        usize::try_from(place(figure.max(0.0)).min(last)).unwrap_or(0)
    }

    fn start(&self, bucket: usize) -> f64 {
        let power = libm::pow(Self::GROWTH, f64_from_usize(bucket));
        self.first_bucket * (power - 1.0) / (Self::GROWTH - 1.0)
    }

    fn add(&mut self, figure: f64, weight: f64) {
        let bucket = self.bucket(figure);
        if bucket >= self.weights.len() {
            self.weights.resize(bucket + 1, 0.0);
        }
        self.weights[bucket] += weight;
    }

    /// The end of the bucket in which the samples reach a share of all weight.
    fn percentile(&self, share: f64) -> Option<f64> {
        let last = self.weights.len().checked_sub(1)?;
        let threshold = share * self.weights.iter().sum::<f64>();
        let mut reached = 0.0;
        let found = self.weights.iter().position(|weight| {
            reached += weight;
            reached >= threshold
        });
        Some(self.start(found.unwrap_or(last) + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_end_of_a_bucket_that_was_seen() {
        let mut cores = Histogram::cores();
        assert_eq!(cores.percentile(0.9), None);
        for figure in 1..=100_i32 {
            cores.add(f64::from(figure) / 100.0, 1.0);
        }
        for (share, figure) in [(0.9, 0.9), (1.0, 1.0), (0.01, 0.01)] {
            let found = cores.percentile(share).expect("there are samples");
            assert!(found >= figure && found < figure * 1.06 + 0.01, "{share}: {found}");
        }
        // The ends of buckets are those of the real one: 0.01, 0.0205, 0.031525, ...
        let mut one = Histogram::cores();
        one.add(0.015, 1.0);
        let found = one.percentile(0.5).expect("there is a sample");
        assert!((found - 0.0205).abs() < 1e-12, "{found}");
        one.add(1e9, 100.0);
        let found = one.percentile(0.9).expect("there are samples");
        assert!(found < 1_200.0, "the last bucket ends: {found}");
    }

    #[test]
    fn later_samples_weigh_more() {
        let mut cores = Histogram::cores();
        // A day of little and a day of much: the first has a third of the weight.
        for hour in 0..48_i32 {
            let figure = if hour < 24 { 0.1 } else { 1.0 };
            cores.add(figure, decay(f64::from(hour) * 3_600.0));
        }
        assert!(cores.percentile(0.4).expect("there are samples") > 1.0);
        assert!(cores.percentile(0.3).expect("there are samples") < 0.2);
    }
}
