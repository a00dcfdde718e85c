//! From pending to serving: the parts are as long as the cluster profile says, over many nodes.

use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::metrics::Measurements;
use aurelius_sim::metrics::start_up::StartPhase;
use aurelius_sim::sim::{RunOptions, simulate};
use aurelius_sim::units::SimTime;

const CLUSTER: &str = "
apiVersion: aurelius.dev/v1
kind: ClusterProfile
metadata: {name: many}
provider: eks
catalogue: CATALOGUE
zones: [a, b]
nodePools:
  - {name: base, instance: m6i.large, min: 1, max: 1}
  - name: gpu
    instance: g4dn.xlarge
    min: 0
    max: 400
    labels: {k8s.amazonaws.com/accelerator: t4}
    launch: {lognormal: {median: 95s, sigma: 0.30}}
    nodeReady: 12s
    gpuReady: {lognormal: {median: 150s, sigma: 0.30}}
timings:
  cloudDelay: {lognormal: {median: 20s, sigma: 0.35}}
  imagePullBase: 3s
  imagePullPerGb: {lognormal: {median: 35s, sigma: 0.30}}
  containerStart: {lognormal: {median: 1.8s, sigma: 0.44}}
images: {ml: 2G}
prices: {currency: USD}
";

const SERVICES: &str = "
apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: many}
services:
  ml:
    workload: Deployment/ml
    cpu: {concurrency: 4}
    start: 40s
    idle: {cpu: 10m, memory: 100Mi}
    memory: {perRequest: 1Mi}
    operations:
      infer: {cpu: 10ms}
classes:
  ask:
    steps: [{call: ml.infer, timeout: 10s}]
";

const MANIFESTS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: ml}
spec:
  replicas: 400
  selector: {matchLabels: {app: ml}}
  template:
    metadata: {labels: {app: ml}}
    spec:
      containers:
        - name: ml
          image: ml:1
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 2Gi, nvidia.com/gpu: 1}}
          readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
";

const SCENARIO: &str = "
apiVersion: aurelius.dev/v1
kind: Scenario
metadata: {name: many}
inputs: {manifests: [manifests.yaml], services: [services.yaml], cluster: cluster.yaml}
duration: 30m
model: requests
load:
  scenarios:
    users: {executor: constant-arrival-rate, exec: ask, rate: 1, timeUnit: 1m, duration: 1m, preAllocatedVUs: 1, maxVUs: 1}
seed: 5
";

/// 400 pods with a GPU each, on a pool that is empty: 400 machines. A median of so many draws of a
/// lognormal distribution is off by 1.25 sigma / 20; four times that is allowed.
#[test]
fn medians_are_those_of_the_configured_distributions() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let catalogue = std::path::absolute("profiles/instances/aws_eks_us-east-1.csv");
    let catalogue = catalogue.expect("the working directory is known").display().to_string();
    let cluster = CLUSTER.replace("CATALOGUE", &catalogue);
    for (name, text) in [
        ("cluster.yaml", cluster.as_str()),
        ("services.yaml", SERVICES),
        ("manifests.yaml", MANIFESTS),
        ("scenario.yaml", SCENARIO),
    ] {
        std::fs::write(folder.path().join(name), text).expect("the folder can be written");
    }
    let loaded = load_scenario(&folder.path().join("scenario.yaml"), &LoadOptions::default());
    let said = format!("{:?}", loaded.diagnostics);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let mut measured = Measurements::new(&scenario);
    let options = RunOptions { seed: scenario.seed, replication: 0, check_invariants: false };
    let _ = simulate(&scenario, options, &mut measured);
    measured.finish(SimTime::ZERO + scenario.total_time());
    let workload = scenario.workload_named("ml").expect("it is in the manifests");
    let start_ups = measured.start_ups(workload).expect("its pods waited");
    assert_eq!(start_ups.total.count(), 400, "every pod serves in the end");
    let rows = [
        (StartPhase::Launch, 20.0, 0.35),
        (StartPhase::Ready, 107.0, 0.30),
        (StartPhase::Gpu, 150.0, 0.30),
        (StartPhase::Pull, 73.0, 0.30),
        (StartPhase::Start, 1.8, 0.44),
        (StartPhase::ModelLoad, 40.0, 0.05),
    ];
    for (phase, median, sigma) in rows {
        let at = StartPhase::ALL.iter().position(|one| *one == phase).expect("it is listed");
        let found = start_ups.phases[at].percentile_ms(50.0).expect("400 values") / 1000.0;
        let allowed = 4.0 * 1.2533 * sigma / 20.0 * median;
        let off = (found - median).abs();
        assert!(off < allowed, "{}: {found} s, not {median} s", phase.name());
    }
}
