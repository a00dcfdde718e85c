//! One service in a small cluster, simulated, with everything that a client and a scraper would note.

use std::path::Path;

use aurelius_sim::input::render::concise;
use aurelius_sim::input::source::Sources;
use aurelius_sim::input::{LoadOptions, load_scenario_from};
use aurelius_sim::model::id::{ClassId, LoadId, OperationId};
use aurelius_sim::model::observer::{ClientCall, Observer, OperationEnd, Sample};
use aurelius_sim::model::record::Record;
use aurelius_sim::sim::{RunOptions, simulate};
use aurelius_sim::units::{SimDuration, SimTime};

/// What differs between the worlds of these tests.
pub(crate) struct Parts {
    /// ServiceProfiles with the service `gateway`.
    pub(crate) services: String,
    /// Entries of `load.scenarios`.
    pub(crate) loads: String,
    /// How long.
    pub(crate) duration: &'static str,
    /// CPU of the pod.
    pub(crate) cpu: &'static str,
    /// Seed.
    pub(crate) seed: u64,
}

/// What was noted.
#[derive(Default)]
pub(crate) struct Heard {
    /// Load, start and end (s) of each call.
    calls: Vec<(LoadId, f64, f64)>,
    /// Time (s), and cores used since the sample before.
    pub(crate) cpu: Vec<(f64, f64)>,
    /// When measuring began (s).
    began: f64,
}

impl Heard {
    /// Starts and ends of the calls of a load, by start.
    pub(crate) fn of(&self, load: usize) -> Vec<(f64, f64)> {
        let measured = |call: &&(LoadId, f64, f64)| call.0.index() == load && call.1 >= self.began;
        let own = self.calls.iter().filter(measured);
        let mut spans: Vec<(f64, f64)> = own.map(|(_, start, end)| (*start, *end)).collect();
        spans.sort_by(|left, right| left.0.total_cmp(&right.0));
        spans
    }
}

impl Observer for Heard {
    fn record(&mut self, _: SimTime, _: Record) {}
    fn call_ended(&mut self, at: SimTime, call: &ClientCall) {
        let end = at.as_secs_f64();
        self.calls.push((call.load, end - call.took.as_secs_f64(), end));
    }
    fn operation_ended(&mut self, _: SimTime, _: OperationId, _: &OperationEnd) {}
    fn iteration_ended(&mut self, _: SimTime, _: LoadId, _: ClassId, _: SimDuration) {}
    fn iteration_dropped(&mut self, _: SimTime, _: LoadId) {}
    fn sample(&mut self, at: SimTime, sample: &Sample) {
        let cores = sample.workloads.iter().map(|workload| workload.cpu_cores).sum();
        // What was used before is warm-up, of which the calls are not told either.
        if at.as_secs_f64() > self.began && self.began > 0.0 {
            self.cpu.push((at.as_secs_f64(), cores));
        }
    }
    fn warm_up_ended(&mut self, at: SimTime) {
        self.began = at.as_secs_f64();
    }
}

/// Simulates.
pub(crate) fn run(parts: &Parts) -> Heard {
    let Parts { services, loads, duration, cpu, seed } = parts;
    let manifest = format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: gateway}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: gateway}}}}
  template:
    metadata: {{labels: {{app: gateway}}}}
    spec:
      containers:
        - {{name: gateway, image: \"gateway:1\", resources: {{requests: {{cpu: \"{cpu}\", memory: 1Gi}}}}}}
"
    );
    let cluster = "apiVersion: aurelius.dev/v1
kind: ClusterProfile
metadata: {name: one}
provider: eks
catalogue: instances.csv
zones: [us-east-1a]
nodePools: [{name: general, instance: m6i.4xlarge, min: 1, max: 1}]
prices: {currency: USD}
";
    let scenario = format!(
        "apiVersion: aurelius.dev/v1
kind: Scenario
metadata: {{name: fitted}}
inputs: {{manifests: [w/app.yaml], services: [w/services.yaml], cluster: w/cluster.yaml}}
duration: {duration}
warmUp: 30s
load:
  scenarios:
{loads}"
    );
    // Paths of a document count from where it lies.
    let scenario = scenario.replace("w/", "");
    let mut sources = Sources::new();
    let files = [
        ("w/scenario.yaml", scenario.as_str()),
        ("w/app.yaml", manifest.as_str()),
        ("w/services.yaml", services.as_str()),
        ("w/cluster.yaml", cluster),
        ("w/instances.csv", include_str!("../../profiles/instances/aws_eks_us-east-1.csv")),
    ];
    for (path, text) in files {
        sources.embed(Path::new(path), text);
    }
    let path = Path::new("w/scenario.yaml");
    let loaded = load_scenario_from(sources, path, &LoadOptions::default());
    let said = concise(&loaded.diagnostics, &loaded.sources);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let mut heard = Heard::default();
    let options = RunOptions { seed: *seed, replication: 0, check_invariants: false };
    simulate(&scenario, options, &mut heard);
    heard
}
