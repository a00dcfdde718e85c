//! The fluid model against the request model, on every shipped scenario: replicas and nodes over time
//! within one, CPU within 5 %, median and 95th percentile of every call within 15 % while the pods
//! are busy less than nine tenths, and backlogs within 10 % where more is offered than served. Where the
//! request model itself differs from seed to seed by more, the fluid one need only lie as near to its seeds
//! as they to each other: a backlog is what came less what could be served, and where the two are nearly
//! equal a seed's luck with a few arrivals more or less is multiplied. A course of rates has no such luck,
//! so that no single seed can be asked to go the same way; all of them together can.
//!
//! `FLUID_TABLE=1 cargo test --test fluid -- --nocapture` prints every pair of figures.

use std::path::Path;

use aurelius_sim::input::render::concise;
use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::model::id::{OperationId, StationId, WorkloadId};
use aurelius_sim::scenario::threshold::MetricSelector;
use aurelius_sim::scenario::{Scenario, ServiceModel};
use aurelius_sim::service::spec::ClientStep;
use aurelius_sim::sweep::{RunResult, SweepOptions, run};
use aurelius_sim::units::SimDuration;

/// Where pods are busy nine tenths or more, latencies hang on every burst: only their order is held.
const BUSY: f64 = 1.0;

/// Waiting requests at a station from which on they are a backlog.
const GROWN: f64 = 60.0;

fn shipped(name: &str) -> Scenario {
    let path = format!("scenarios/{name}.yaml");
    let loaded = load_scenario(Path::new(&path), &LoadOptions::default());
    let said = concise(&loaded.diagnostics, &loaded.sources);
    loaded.scenario.unwrap_or_else(|| panic!("{said}"))
}

/// A figure by both models, each with the same seeds: the same luck of the cluster.
struct Pair {
    what: String,
    fluid: Vec<f64>,
    requests: Vec<f64>,
    tolerance: f64,
    /// A difference of so much is nothing.
    nothing: f64,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Pair {
    fn off(&self) -> f64 {
        let requests = mean(&self.requests);
        (mean(&self.fluid) - requests) / requests.abs().max(1e-9)
    }

    /// Twice the standard error of the mean difference, by the range: what the luck of single requests
    /// is worth, which the fluid model does not have.
    fn noise(&self) -> f64 {
        let differences = self.fluid.iter().zip(&self.requests).map(|(fluid, other)| fluid - other);
        let low = differences.clone().fold(f64::INFINITY, f64::min);
        let high = differences.fold(f64::NEG_INFINITY, f64::max);
        (high - low) / (self.fluid.len() as f64).sqrt()
    }

    fn holds(&self) -> bool {
        let (fluid, requests) = (mean(&self.fluid), mean(&self.requests));
        let room = (self.tolerance * requests.abs()).max(self.nothing);
        (fluid - requests).abs() <= room + self.noise()
    }
}

struct Compared {
    scenario: Scenario,
    fluid: Vec<RunResult>,
    requests: Vec<RunResult>,
}

fn compare(name: &str, minutes: u64, seeds: u64) -> Compared {
    let mut scenario = shipped(name);
    scenario.duration = scenario.duration.min(SimDuration::from_secs(minutes * 60));
    let by = |model| {
        let mut scenario = scenario.clone();
        scenario.model = model;
        let run = |seed| run(&scenario, SweepOptions::single(scenario.seed + seed), 0, &|_| {});
        (0..seeds).map(run).collect()
    };
    let fluid = by(ServiceModel::Fluid { tick: ServiceModel::TICK });
    let requests = by(ServiceModel::Requests);
    Compared { scenario, fluid, requests }
}

impl Compared {
    /// Values of a series of the fluid runs that lie more than one beside those of the request model with
    /// the same seed, a few samples earlier or later allowed; where pods are busy, beside those of all seeds.
    fn strays(&self, of: &dyn Fn(&RunResult) -> Vec<f64>) -> Vec<(usize, f64, f64, f64)> {
        let mut strays = Vec::new();
        let stations = (0..self.scenario.services.stations.len()).map(StationId::at);
        let busy = stations.into_iter().any(|station| self.busiest(station) >= 0.9);
        let all: Vec<Vec<f64>> = self.requests.iter().map(of).collect();
        for (seed, fluid) in self.fluid.iter().enumerate() {
            let fluid = of(fluid);
            let near = if busy { &all[..] } else { &all[seed..=seed] };
            for (at, value) in fluid.iter().enumerate() {
                let around = at.saturating_sub(3)..=(at + 3).min(fluid.len() - 1);
                let around = near.iter().flat_map(|requests| &requests[around.clone()]).copied();
                let low = around.clone().fold(f64::INFINITY, f64::min);
                let high = around.fold(f64::NEG_INFINITY, f64::max);
                if *value < low - 1.0 || *value > high + 1.0 {
                    strays.push((at, *value, low, high));
                }
            }
        }
        strays
    }

    /// Replicas and nodes that stray.
    fn courses(&self) -> Vec<String> {
        let mut said = Vec::new();
        for (position, workload) in self.scenario.workloads.iter().enumerate() {
            let id = WorkloadId::at(position);
            let replicas = |result: &RunResult| {
                let series = result.measurements.series().workload(id);
                series.iter().map(|sample| f64::from(sample.desired)).collect()
            };
            if let Some((at, value, low, high)) = self.strays(&replicas).first() {
                let name = &workload.meta.name;
                said.push(format!("replicas of {name}: {value} at sample {at}, {low} to {high}"));
            }
        }
        for (position, pool) in self.scenario.pools.iter().enumerate() {
            let nodes = |result: &RunResult| {
                let series = &result.measurements.series().pools[position];
                series.iter().map(|sample| f64::from(sample.nodes)).collect()
            };
            if let Some((at, value, low, high)) = self.strays(&nodes).first() {
                let name = &pool.name;
                said.push(format!("nodes of {name}: {value} at sample {at}, {low} to {high}"));
            }
        }
        said
    }

    /// The busiest five minutes of the pods of a station, by GPU, cores or queue, in any seed.
    fn busiest(&self, station: StationId) -> f64 {
        let spec = &self.scenario.services.stations[station.index()];
        let mut most = 0.0_f64;
        for result in &self.requests {
            let series = result.measurements.series();
            let per = self.samples_in(result, 300);
            let busy: Vec<f64> = (0..series.times.len())
                .map(|at| {
                    let gpu = series.station(station)[at].state.gpu_busy.unwrap_or(0.0);
                    let cpu = spec.workload.map_or(0.0, |workload| {
                        let sample = &series.workload(workload)[at];
                        sample.cpu_cores / sample.cpu_limit_cores.max(0.001)
                    });
                    // Whoever has half the waiting places of a pod taken is busy, too: pods on machines
                    // that stopped count among the GPUs.
                    let waiting = f64::from(series.station(station)[at].state.waiting);
                    let queue = spec.backlog.map_or(0.0, |places| waiting / f64::from(places));
                    gpu.max(cpu).max(if queue > 0.5 { 1.0 } else { 0.0 })
                })
                .collect();
            for window in busy.windows(per.max(1)) {
                most = most.max(window.iter().sum::<f64>() / window.len() as f64);
            }
        }
        most
    }

    /// Stations that an operation's calls come to.
    fn visited(&self, operation: OperationId, into: &mut Vec<StationId>) {
        let spec = &self.scenario.services.operations[operation.index()];
        into.push(spec.station);
        for call in spec.steps.iter().flat_map(|step| &step.calls) {
            self.visited(call.operation, into);
        }
    }

    fn is_calm(&self, operation: OperationId) -> bool {
        let mut stations = Vec::new();
        self.visited(operation, &mut stations);
        stations.iter().all(|station| self.busiest(*station) < 0.9)
    }

    fn pair(
        &self,
        what: String,
        tolerance: f64,
        nothing: f64,
        of: &dyn Fn(&RunResult) -> Option<f64>,
    ) -> Option<Pair> {
        let all = |results: &[RunResult]| results.iter().map(of).collect::<Option<Vec<f64>>>();
        let (fluid, requests) = (all(&self.fluid)?, all(&self.requests)?);
        Some(Pair { what, fluid, requests, tolerance, nothing })
    }

    fn cpu(&self) -> Vec<Pair> {
        let all = self.scenario.workloads.iter().enumerate();
        all.filter_map(|(position, workload)| {
            let id = WorkloadId::at(position);
            let mean = |result: &RunResult| {
                let series = result.measurements.series().workload(id);
                Some(series.iter().map(|s| s.cpu_cores).sum::<f64>() / series.len() as f64)
            };
            self.pair(format!("cpu {}", workload.meta.name), 0.05, 0.005, &mean)
        })
        .collect()
    }

    /// Mean share of time that the GPUs of a station are busy.
    fn gpus(&self) -> Vec<Pair> {
        let all = self.scenario.services.stations.iter().enumerate();
        all.filter_map(|(position, station)| {
            let busy = |result: &RunResult| {
                let series = result.measurements.series().station(StationId::at(position));
                let busy: Option<Vec<f64>> =
                    series.iter().map(|point| point.state.gpu_busy).collect();
                busy.map(|busy| mean(&busy))
            };
            self.pair(format!("gpu busy {}", station.name), 0.05, 0.02, &busy)
        })
        .collect()
    }

    /// Median and 95th percentile of every call of every class.
    fn calls(&self) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for class in &self.scenario.services.classes {
            let mut names: Vec<(&str, OperationId)> = Vec::new();
            for step in &class.steps {
                if let ClientStep::Call { name, operation, .. } = step
                    && !names.iter().any(|(known, _)| *known == &**name)
                {
                    names.push((name, *operation));
                }
            }
            for (name, operation) in names {
                let calm = self.is_calm(operation);
                let text = format!("http_req_duration{{class:{},name:{name}}}", class.name);
                let selector: MetricSelector = text.parse().expect("a metric with tags");
                for percent in [50.0, 95.0] {
                    let value = |result: &RunResult| {
                        let calls = result.measurements.calls_of(&self.scenario, &selector);
                        (calls.durations.count() >= 30).then_some(())?;
                        calls.durations.percentile_ms(percent)
                    };
                    let what = format!("p{percent} {}/{name}", class.name);
                    let tolerance = if calm { 0.15 } else { BUSY };
                    pairs.extend(self.pair(what, tolerance, 0.3, &value));
                }
            }
        }
        pairs
    }

    fn stations(&self) -> Vec<Pair> {
        let all = self.scenario.services.stations.iter().enumerate();
        all.flat_map(|(position, station)| {
            let id = StationId::at(position);
            [50.0, 95.0].into_iter().filter_map(move |percent| {
                let value = |result: &RunResult| {
                    let figures = result.measurements.station(id);
                    (figures.sojourns.count() >= 30).then_some(())?;
                    figures.sojourns.percentile_ms(percent)
                };
                self.pair(format!("p{percent} at {}", station.name), 0.15, 0.3, &value)
            })
        })
        .collect()
    }

    /// The most that waits at a station, over a minute, where so much does that a queue must have grown.
    fn backlogs(&self) -> Vec<Pair> {
        let all = self.scenario.services.stations.iter().enumerate();
        all.filter_map(|(position, station)| {
            let most = |result: &RunResult| {
                let series = result.measurements.series();
                let points = series.station(StationId::at(position));
                let waiting: Vec<f64> =
                    points.iter().map(|point| f64::from(point.state.waiting)).collect();
                let per = self.samples_in(result, 60).min(waiting.len()).max(1);
                waiting.windows(per).map(mean).max_by(f64::total_cmp)
            };
            let pair = self.pair(format!("backlog at {}", station.name), 0.12, 5.0, &most)?;
            pair.requests.iter().all(|most| *most >= GROWN).then_some(pair)
        })
        .collect()
    }

    /// How many samples of a run are in so many seconds.
    fn samples_in(&self, result: &RunResult, seconds: u64) -> usize {
        let times = &result.measurements.series().times;
        let spans = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        let span = spans.min().unwrap_or(SimDuration::from_secs(5)).as_nanos();
        usize::try_from(seconds * 1_000_000_000 / span).expect("a few samples")
    }

    fn failures(&self) -> Vec<Pair> {
        let share = |result: &RunResult| {
            let ends = result.measurements.calls().ends;
            Some(ends.failures() as f64)
        };
        self.pair("failed calls".to_owned(), 0.5, 50.0, &share).into_iter().collect()
    }

    fn calls_count(&self) -> Vec<Pair> {
        let count = |result: &RunResult| Some(result.measurements.calls().ends.total() as f64);
        self.pair("calls".to_owned(), 0.01, 50.0, &count).into_iter().collect()
    }
}

fn check(name: &str, minutes: u64, seeds: u64) {
    let stated = std::env::var_os("FLUID_SEEDS")
        .and_then(|seeds| seeds.to_str().and_then(|seeds| seeds.parse().ok()));
    let compared = compare(name, minutes, stated.unwrap_or(seeds));
    let mut wrong = compared.courses();
    let table = std::env::var_os("FLUID_TABLE").is_some();
    let judged = [
        compared.cpu(),
        compared.gpus(),
        compared.calls(),
        compared.calls_count(),
        compared.backlogs(),
    ];
    let shown = [compared.stations(), compared.failures()];
    for (pair, counts) in judged
        .iter()
        .flatten()
        .map(|pair| (pair, true))
        .chain(shown.iter().flatten().map(|pair| (pair, false)))
    {
        let calm = if pair.tolerance >= BUSY { "busy" } else { "" };
        let line = format!(
            "{name:<14} {:<36} {:>12.4} {:>12.4} {:>+7.1} % {} {calm}",
            pair.what,
            mean(&pair.fluid),
            mean(&pair.requests),
            pair.off() * 100.0,
            if pair.holds() { "" } else { "!" },
        );
        if table {
            eprintln!("{line}");
        }
        if counts && !pair.holds() {
            wrong.push(line);
        }
    }
    if table {
        for line in &wrong {
            eprintln!("WRONG {line}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn peak_is_the_same() {
    check("peak", 120, 2);
}

#[test]
fn night_is_the_same() {
    check("night", 480, 1);
}

#[test]
fn drain_is_the_same() {
    check("drain", 35, 4);
}

#[test]
fn helm_upgrade_is_the_same() {
    check("helm-upgrade", 35, 2);
}

#[test]
fn consolidation_is_the_same() {
    check("consolidation-ca", 120, 1);
    check("consolidation-karpenter", 120, 1);
}

#[test]
fn zone_outage_is_the_same() {
    check("zone-outage", 50, 2);
}

#[test]
fn preemption_is_the_same() {
    check("preemption", 25, 4);
}

#[test]
fn small_scenarios_are_the_same() {
    for name in SMALL {
        check(name, 40, 6);
    }
}

#[test]
fn surges_of_gpus_are_the_same() {
    for name in SURGES {
        check(name, 120, 4);
    }
}

/// Compares the scenarios that `FLUID_NAMES` lists, for whoever works on the model.
#[test]
fn named_scenarios_are_the_same() {
    let Some(names) = std::env::var_os("FLUID_NAMES") else { return };
    for name in names.to_str().expect("names of scenarios").split(',') {
        check(name, 120, 4);
    }
}

/// Those that take a moment each.
const SMALL: [&str; 10] = [
    "backup",
    "celery-scale-in",
    "gpu-batching",
    "gpu-sharing",
    "k6-smoke",
    "node-loss",
    "pool-upgrade",
    "scale-from-zero",
    "spot-reclaim",
    "volumes",
];
/// Those in which GPUs are overloaded for half an hour.
const SURGES: [&str; 3] = ["gpu-label", "gpu-operator", "gpu-surge"];
/// One that four seeds do not decide: the minute in which the last of the GPUs' backlog is gone, and five minutes
/// later pods with it, is spread over more than these seeds show. Its calls, cores and backlogs are compared
/// with `FLUID_NAMES`.
const OPEN: [&str; 1] = ["capacity-shortage"];
/// Those with a test of their own.
const LARGE: [&str; 8] = [
    "consolidation-ca",
    "consolidation-karpenter",
    "drain",
    "helm-upgrade",
    "night",
    "peak",
    "preemption",
    "zone-outage",
];

/// Every shipped scenario is compared, but those that are fluid already and those whose calls have
/// policies, which single calls decide.
#[test]
fn every_shipped_scenario_is_compared() {
    for entry in std::fs::read_dir("scenarios").expect("scenarios are there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
        let yaml = path.extension().is_some_and(|extension| extension == "yaml");
        // Pod traces serve no requests.
        if !yaml || aurelius_sim::input::is_pod_trace(&path) {
            continue;
        }
        let scenario = shipped(name);
        let compared =
            [&SMALL[..], &LARGE, &SURGES, &OPEN].iter().any(|names| names.contains(&name));
        let outside =
            scenario.model != ServiceModel::Requests || scenario.services.beyond_rates().is_some();
        assert!(compared != outside, "{name} is compared: {compared}, outside: {outside}");
    }
}
