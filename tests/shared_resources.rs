//! Disks, links, the network and latencies as metrics: the fluid model against the one of requests.

use aurelius_sim::model::id::{StationId, WorkloadId};
use aurelius_sim::scenario::threshold::MetricSelector;
use aurelius_sim::scenario::{Scenario, ServiceModel};
use aurelius_sim::sweep::{RunResult, SweepOptions, run};

mod templates;

use templates::Templates;

const CLUSTER: &str = "
apiVersion: aurelius.dev/v1
kind: ClusterProfile
metadata: {name: two}
provider: eks
catalogue: CATALOGUE
zones: [a, b]
nodePools:
  - {name: pool, instance: m6i.2xlarge, min: 4, max: 4}
timings: {containerStart: 0s, imagePullBase: 0s, imagePullPerGb: 0s, endpointPropagation: 0s}
";

const SERVICES: &str = "
apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: store}
NETWORK
metrics:
  slowness: {service: web, measures: p95Latency}
services:
  web:
    workload: Deployment/web
    cpu: {concurrency: 200}
    operations:
      get: {cpu: {exponential: {mean: 2ms}}, payload: 30Ki, calls: [{to: store.read, count: COUNT}, {to: objects.get}]}
  store:
    workload: Deployment/store
    cpu: {concurrency: 200}
    DISK
    operations:
      read: {cpu: 1ms, io: {operations: 20, bytes: 64Ki}}
  objects:
    delay:
    LINK
    operations:
      get: {wait: 5ms, payload: 1Mi}
classes:
  browse: {steps: [{call: web.get, timeout: 60s, tags: {name: get}}]}
";

const MANIFESTS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: web, resources: {requests: {cpu: 500m, memory: 256Mi}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: store}
spec:
  replicas: 2
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      containers: [{name: main, image: store, resources: {requests: {cpu: 500m, memory: 256Mi}}}]
";

const HPA: &str = "---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  maxReplicas: 9
  metrics:
    - type: Object
      object:
        describedObject: {apiVersion: v1, kind: Service, name: web}
        metric: {name: slowness}
        target: {type: Value, value: 40m}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
";

const SCENARIO: &str = "
apiVersion: aurelius.dev/v1
kind: Scenario
metadata: {name: small}
inputs: {manifests: [manifests.yaml], services: [services.yaml], cluster: cluster.yaml}
duration: 20m
warmUp: 1m
load:
  scenarios:
    users: {executor: constant-arrival-rate, exec: browse, rate: RATE, timeUnit: 1s, duration: 20m, preAllocatedVUs: 2000, maxVUs: 100000}
seed: 11
";

/// The small scenario with words replaced; what is not is left away.
fn scenario(words: &[(&str, &str)], more: &str) -> Scenario {
    let usual = [("NETWORK", ""), ("DISK", ""), ("LINK", ""), ("RATE", "60"), ("COUNT", "2")];
    let manifests = format!("{MANIFESTS}{more}");
    let templates = Templates {
        cluster: CLUSTER,
        services: SERVICES,
        manifests: &manifests,
        scenario: SCENARIO,
    };
    templates.scenario(words, &usual)
}

fn by(scenario: &Scenario, model: ServiceModel) -> RunResult {
    let scenario = Scenario { model, ..scenario.clone() };
    run(&scenario, SweepOptions::single(scenario.seed), 0, &|_| {})
}

const FLUID: ServiceModel = ServiceModel::Fluid { tick: ServiceModel::TICK };

/// Median and 95th percentile of the client's call, and of each station (ms).
fn percentiles(scenario: &Scenario, result: &RunResult) -> Vec<(String, f64)> {
    let selector: MetricSelector = "http_req_duration{name:get}".parse().expect("with a tag");
    let calls = result.measurements.calls_of(scenario, &selector);
    let mut told = Vec::new();
    for percent in [50.0, 95.0] {
        told.extend(calls.durations.percentile_ms(percent).map(|ms| (format!("p{percent}"), ms)));
        for (position, station) in scenario.services.stations.iter().enumerate() {
            let sojourns = &result.measurements.station(StationId::at(position)).sojourns;
            let ms = sojourns.percentile_ms(percent).expect("it was called");
            told.push((format!("p{percent} of {}", station.name), ms));
        }
    }
    told
}

/// Every percentile within a share, or a third of a millisecond.
fn is_the_same(words: &[(&str, &str)], share: f64) -> RunResult {
    let scenario = scenario(words, "");
    let (fluid, requests) = (by(&scenario, FLUID), by(&scenario, ServiceModel::Requests));
    let pairs = percentiles(&scenario, &fluid).into_iter();
    for ((what, fluid), (_, requests)) in pairs.zip(percentiles(&scenario, &requests)) {
        let room = (share * requests).max(0.3);
        assert!((fluid - requests).abs() <= room, "{words:?} {what}: {fluid}, not {requests} ms");
    }
    fluid
}

#[test]
fn the_network_takes_its_time_by_where_pods_are() {
    let network = "network: {sameNode: 1ms, sameZone: 5ms, crossZone: {lognormal: {mean: 20ms, cv: 0.5}}, \
                   outside: 9ms, clients: {lognormal: {mean: 30ms, cv: 0.3}}, bandwidth: 50Mi}";
    is_the_same(&[("NETWORK", network)], 0.15);
}

#[test]
fn a_disk_makes_wait_for_its_tokens() {
    // 120 reads a second of 20 operations each on 2 disks: 1200 operations a second.
    for disk in [
        "disk: {type: gp3}",
        "disk: {iops: 1500, throughput: 100Mi, latency: 0.5ms}",
        "disk: {iops: 1500, throughput: 100Mi, latency: 0.5ms, burst: 20ms}",
    ] {
        is_the_same(&[("DISK", disk), ("RATE", "120"), ("COUNT", "1")], 0.15);
    }
    // The second of two reads in a row meets what the first has taken, which rates take for a stranger's.
    is_the_same(&[("DISK", "disk: {iops: 2400, throughput: 100Mi, latency: 0.5ms}")], 0.2);
}

#[test]
fn answers_share_a_link() {
    is_the_same(&[("LINK", "link: {bandwidth: 200Mi, perConnection: 50Mi}")], 0.15);
    is_the_same(&[("LINK", "link: {bandwidth: 80Mi, perConnection: 80Mi}")], 0.15);
}

/// Tokens for 900 of the 1200 operations a second: what waits grows by the difference in both models.
#[test]
fn a_disk_beyond_its_tokens_makes_a_backlog_grow() {
    let scenario = scenario(&[("DISK", "disk: {iops: 900, throughput: 100Mi}")], "");
    let store = scenario.services.station_named("store").expect("it is there");
    let inside = |model| {
        let result = by(&scenario, model);
        let series = result.measurements.series().station(store).to_vec();
        f64::from(series[series.len() / 2].state.inside)
    };
    let (fluid, requests) = (inside(FLUID), inside(ServiceModel::Requests));
    assert!((fluid / requests - 1.0).abs() < 0.1, "{fluid}, not {requests}");
}

#[test]
fn an_hpa_may_look_at_latencies() {
    // p95 is near 60 ms with a link that is shared; wanted are 40 ms, which more pods do not give.
    let link = [("LINK", "link: {bandwidth: 100Mi, perConnection: 50Mi}")];
    let scenario = scenario(&link, HPA);
    let web = WorkloadId::at(0);
    let most = |model| {
        let result = by(&scenario, model);
        let series = result.measurements.series().workload(web);
        series.iter().map(|sample| sample.desired).max().expect("samples")
    };
    assert_eq!((most(FLUID), most(ServiceModel::Requests)), (9, 9));
}
