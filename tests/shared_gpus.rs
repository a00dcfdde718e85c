//! Several models on one GPU: the fluid model against the one of requests.

use aurelius_sim::model::id::{OperationId, StationId};
use aurelius_sim::scenario::threshold::MetricSelector;
use aurelius_sim::scenario::{Scenario, ServiceModel};
use aurelius_sim::sweep::{RunResult, SweepOptions, run};

mod templates;

use templates::Templates;

const CLUSTER: &str = "
apiVersion: aurelius.dev/v1
kind: ClusterProfile
metadata: {name: gpus}
provider: eks
catalogue: CATALOGUE
zones: [a]
nodePools:
  - {name: gpu, instance: g4dn.2xlarge, min: PODS, max: PODS}
timings: {containerStart: 0s, imagePullBase: 0s, imagePullPerGb: 0s, endpointPropagation: 0s}
";

const SERVICES: &str = "
apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: models}
services:
  triton:
    workload: Deployment/triton
    gpu: {maxBatch: 16, batchLatency: {base: 4ms, perItem: 1ms}}
    operations:
      small: {gpuItems: 1}
      large: {gpuItems: 2, batchLatency: {table: {1: 20ms, 8: 36ms, 16: 60ms}}}
classes:
  small: {steps: [{call: triton.small, tags: {name: small}}]}
  large: {steps: [{call: triton.large, tags: {name: large}}]}
";

const MANIFESTS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: triton}
spec:
  replicas: PODS
  selector: {matchLabels: {app: triton}}
  template:
    metadata: {labels: {app: triton}}
    spec:
      tolerations: [{key: nvidia.com/gpu, operator: Exists}]
      containers: [{name: main, image: triton, resources: {limits: {cpu: 3, memory: 4Gi, nvidia.com/gpu: 1}}}]
";

const SCENARIO: &str = "
apiVersion: aurelius.dev/v1
kind: Scenario
metadata: {name: models}
inputs: {manifests: [manifests.yaml], services: [services.yaml], cluster: cluster.yaml}
duration: 10m
warmUp: 1m
load:
  scenarios:
    small: {executor: constant-arrival-rate, exec: small, rate: SMALL, timeUnit: 1s, duration: 10m, preAllocatedVUs: 2000, maxVUs: 100000}
    large: {executor: constant-arrival-rate, exec: large, rate: LARGE, timeUnit: 1s, duration: 10m, preAllocatedVUs: 2000, maxVUs: 100000}
seed: 7
";

fn scenario(words: &[(&str, &str)]) -> Scenario {
    let templates = Templates {
        cluster: CLUSTER,
        services: SERVICES,
        manifests: MANIFESTS,
        scenario: SCENARIO,
    };
    templates.scenario(words, &[("PODS", "1"), ("SMALL", "60"), ("LARGE", "15")])
}

fn by(scenario: &Scenario, model: ServiceModel) -> RunResult {
    let scenario = Scenario { model, ..scenario.clone() };
    run(&scenario, SweepOptions::single(scenario.seed), 0, &|_| {})
}

/// What the fluid model may be off; at the 95th percentile, where whoever waits for batches of the other
/// model is, whose order the moments of both do not tell.
const TOLERANCE: f64 = 0.15;
const LATE_TOLERANCE: f64 = 0.2;

const FLUID: ServiceModel = ServiceModel::Fluid { tick: ServiceModel::TICK };

/// Share of time that the GPUs are busy, and percentiles of the calls of a class (ms).
fn figures(scenario: &Scenario, result: &RunResult) -> Vec<(String, f64)> {
    let points = result.measurements.series().station(StationId::at(0));
    let busy: Vec<f64> = points.iter().filter_map(|point| point.state.gpu_busy).collect();
    let share = busy.iter().sum::<f64>() / busy.len() as f64;
    let mut told = vec![("busy".to_owned(), 100.0 * share)];
    for name in ["small", "large"] {
        let selector: MetricSelector =
            format!("http_req_duration{{name:{name}}}").parse().expect("with a tag");
        let calls = result.measurements.calls_of(scenario, &selector);
        for percent in [50.0, 95.0] {
            let ms = calls.durations.percentile_ms(percent).expect("it was called");
            told.push((format!("p{percent} of {name}"), ms));
        }
    }
    told
}

#[test]
fn batches_of_two_models_are_as_long_and_as_late_by_rates() {
    let loads = [
        ("1", "10", "5"),
        ("1", "60", "15"),
        ("1", "80", "18"),
        ("2", "150", "20"),
        ("3", "20", "60"),
    ];
    for (pods, small, large) in loads {
        let words = [("PODS", pods), ("SMALL", small), ("LARGE", large)];
        let scenario = scenario(&words);
        assert!(scenario.services.operations[1].batch_latency.is_some());
        assert_eq!(scenario.services.operations.len(), OperationId::at(2).index());
        let (fluid, requests) = (by(&scenario, FLUID), by(&scenario, ServiceModel::Requests));
        let pairs = figures(&scenario, &fluid).into_iter().zip(figures(&scenario, &requests));
        for ((what, fluid), (_, requests)) in pairs {
            let off = fluid / requests - 1.0;
            let most = if what.starts_with("p95") { LATE_TOLERANCE } else { TOLERANCE };
            assert!(off.abs() < most, "{words:?} {what}: {fluid}, not {requests}");
        }
    }
}
