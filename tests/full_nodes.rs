//! Pods that share a full node, from documents to findings: cores go by request, the report says who
//! is held back, and the fluid model counts the same as the one of requests.

use aurelius_sim::findings::{Case, check};
use aurelius_sim::model::id::{StationId, WorkloadId};
use aurelius_sim::scenario::{Scenario, ServiceModel};
use aurelius_sim::sweep::{RunResult, SweepOptions, run};

mod templates;

use templates::Templates;

const CLUSTER: &str = "
apiVersion: aurelius.dev/v1
kind: ClusterProfile
metadata: {name: one}
provider: eks
catalogue: CATALOGUE
zones: [a]
nodePools:
  - {name: pool, instance: m6i.large, min: 1, max: 1}
timings: {containerStart: 0s, imagePullBase: 0s, imagePullPerGb: 0s, endpointPropagation: 0s}
";

const SERVICES: &str = "
apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: two}
services:
  light: {workload: Deployment/light, cpu: {concurrency: 500}, operations: {work: {cpu: WORK, timeout: 1h}}}
  heavy: {workload: Deployment/heavy, cpu: {concurrency: 500}, operations: {work: {cpu: WORK, timeout: 1h}}}
classes:
  askLight: {steps: [{call: light.work, timeout: 1h}PAUSE]}
  askHeavy: {steps: [{call: heavy.work, timeout: 1h}PAUSE]}
";

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 1
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers: [{name: main, image: main, resources: {requests: {cpu: CPU, memory: 256Mi}}}]
---
";

const SCENARIO: &str = "
apiVersion: aurelius.dev/v1
kind: Scenario
metadata: {name: full}
inputs: {manifests: [manifests.yaml], services: [services.yaml], cluster: cluster.yaml}
duration: 30m
warmUp: 2m
load:
  scenarios:
    light: LIGHT
    heavy: HEAVY
seed: 3
";

/// Two Deployments without limits on one node of two cores, by both models: requests for CPU, the
/// work of a call, the pause after it, and the loads.
struct Shared {
    cpu: [&'static str; 2],
    work: &'static str,
    pause: &'static str,
    loads: [String; 2],
}

fn users(class: &str, users: u32) -> String {
    format!("{{executor: constant-vus, exec: {class}, vus: {users}, duration: 32m}}")
}

fn per_minute(class: &str, rate: u32) -> String {
    format!(
        "{{executor: constant-arrival-rate, exec: {class}, rate: {rate}, timeUnit: 1m, \
         duration: 32m, preAllocatedVUs: 2000, maxVUs: 5000}}"
    )
}

impl Shared {
    fn scenario(&self) -> Scenario {
        let [light, heavy] = &self.loads;
        let deployment = |name, cpu| DEPLOYMENT.replace("NAME", name).replace("CPU", cpu);
        let manifests = deployment("light", self.cpu[0]) + &deployment("heavy", self.cpu[1]);
        let templates = Templates {
            cluster: CLUSTER,
            services: SERVICES,
            manifests: &manifests,
            scenario: SCENARIO,
        };
        let words =
            [("WORK", self.work), ("PAUSE", self.pause), ("LIGHT", light), ("HEAVY", heavy)];
        templates.scenario(&words, &[])
    }

    fn run(&self, model: ServiceModel) -> (Scenario, RunResult) {
        let mut scenario = self.scenario();
        scenario.model = model;
        let options = SweepOptions::single(scenario.seed);
        let result = run(&scenario, options, 0, &|_| {});
        (scenario, result)
    }

    /// Cores, requests a second, median and 95th percentile (ms) of both services.
    fn figures(&self, model: ServiceModel) -> [[f64; 4]; 2] {
        let (_, result) = self.run(model);
        [0, 1].map(|position| {
            let series = result.measurements.series().workload(WorkloadId::at(position));
            let cores = series.iter().map(|sample| sample.cpu_cores).sum::<f64>();
            let sojourns = &result.measurements.station(StationId::at(position)).sojourns;
            let percentile = |percent| sojourns.percentile_ms(percent).expect("many calls");
            let rate = sojourns.count() as f64 / 1800.0;
            [cores / series.len() as f64, rate, percentile(50.0), percentile(95.0)]
        })
    }

    /// Cores and rates within 5 %, durations as stated.
    fn is_the_same(&self, durations: f64) {
        let fluid = self.figures(ServiceModel::Fluid { tick: ServiceModel::TICK });
        let requests = self.figures(ServiceModel::Requests);
        for (fluid, requests) in fluid.iter().zip(&requests) {
            for (position, (fluid, requests)) in fluid.iter().zip(requests).enumerate() {
                let tolerance = if position < 2 { 0.05 } else { durations };
                let off = fluid / requests - 1.0;
                assert!(off.abs() <= tolerance, "figure {position}: {fluid}, not {requests}");
            }
        }
    }
}

const EXPONENTIAL: &str = "{exponential: {mean: 100ms}}";

#[test]
fn two_that_want_more_than_the_node_share_its_cores_by_request() {
    let shared = Shared {
        cpu: ["300m", "900m"],
        work: "{constant: 100ms}",
        pause: "",
        loads: [users("askLight", 50), users("askHeavy", 50)],
    };
    for model in [ServiceModel::Requests, ServiceModel::Fluid { tick: ServiceModel::TICK }] {
        // Half a core and one and a half: 5 and 15 calls a second, 50 users each (Little).
        let [light, heavy] = shared.figures(model);
        for (figures, cores) in [(light, 0.5), (heavy, 1.5)] {
            let expected = [cores, cores * 10.0, 5_000.0 / cores, 5_000.0 / cores];
            for (found, expected) in figures.iter().zip(expected) {
                assert!((found / expected - 1.0).abs() < 0.02, "{found}, not {expected}");
            }
        }
        let (scenario, run) = shared.run(model);
        let case = Case::new(&scenario, &run.history, &run.measurements, &run.thresholds);
        let said: Vec<String> = check(&case)
            .into_iter()
            .map(|found| format!("{} ({})", found.message, found.note))
            .collect();
        for expected in [
            "light CPU held back by full nodes (1 pod gets 0.50 cores)",
            "heavy CPU held back by full nodes (1 pod gets 1.5 cores)",
        ] {
            assert!(said.iter().any(|line| line.contains(expected)), "{expected}: {said:?}");
        }
    }
}

#[test]
fn virtual_users_on_a_full_node_go_round_as_single_requests_do() {
    let all = |pause, light, heavy| Shared {
        cpu: ["300m", "900m"],
        work: EXPONENTIAL,
        pause,
        loads: [users("askLight", light), users("askHeavy", heavy)],
    };
    all("", 50, 50).is_the_same(0.1);
    all("", 3, 50).is_the_same(0.1);
}

#[test]
fn a_node_that_is_nearly_full_makes_its_pods_wait_for_each_other() {
    let thinking = Shared {
        cpu: ["500m", "500m"],
        work: EXPONENTIAL,
        pause: ", {sleep: {exponential: {mean: 2s}}}",
        loads: [users("askLight", 14), users("askHeavy", 14)],
    };
    thinking.is_the_same(0.2);
    // 1.4 of 2 cores are busy; each alone would leave its calls alone, too.
    let open = Shared {
        cpu: ["500m", "500m"],
        work: EXPONENTIAL,
        pause: "",
        loads: [per_minute("askLight", 420), per_minute("askHeavy", 420)],
    };
    open.is_the_same(0.15);
}
