//! Containers' lives from documents to the decision log: init containers, sidecars, probes, starts.

use aurelius_sim::findings::{Case, check};
use aurelius_sim::model::Record;
use aurelius_sim::model::id::HpaId;
use aurelius_sim::model::observer::CallEnd;
use aurelius_sim::model::record::Death;
use aurelius_sim::sweep::{RunResult, SweepOptions, evaluate};
use aurelius_sim::trace::{Keep, PodLife};
use aurelius_sim::units::SimTime;

mod templates;

use templates::Templates;

const CLUSTER: &str = "
apiVersion: aurelius.dev/v1
kind: ClusterProfile
metadata: {name: small}
provider: eks
catalogue: CATALOGUE
zones: [a]
nodePools:
  - {name: pool, instance: m6i.2xlarge, min: 2, max: 2}
timings: {containerStart: 0s, imagePullBase: 2s, imagePullPerGb: 0s, endpointPropagation: 0s}
";

const SERVICES: &str = "
apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: small}
services:
  web:
    workload: Deployment/web
    cpu: {concurrency: CONCURRENCY}
    start: START
    idle: {cpu: 10m, memory: 100Mi}
    PROCESS
    operations:
      get: {cpu: 100ms}
classes:
  fetch:
    steps: [{call: web.get, timeout: 30s}]
EXTRA
";

const MANIFESTS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      INIT
      containers:
        - name: web
          image: web:1
          resources: {requests: {cpu: 200m, memory: 200Mi}, limits: {cpu: CORES, memory: 400Mi}}
          PROBES
        MORE
---
OBJECTS
";

const SCENARIO: &str = "
apiVersion: aurelius.dev/v1
kind: Scenario
metadata: {name: small}
inputs: {manifests: [manifests.yaml], services: [services.yaml], cluster: cluster.yaml}
duration: 10m
load:
  scenarios:
    users: {executor: ramping-arrival-rate, exec: fetch, startRate: 1, stages: STAGES, preAllocatedVUs: 50, maxVUs: 5000}
events: EVENTS
seed: 1
";

struct Told {
    run: RunResult,
    said: Vec<(String, String)>,
}

const TEMPLATES: Templates<'_> =
    Templates { cluster: CLUSTER, services: SERVICES, manifests: MANIFESTS, scenario: SCENARIO };

/// The small scenario with words replaced.
fn told(words: &[(&str, &str)]) -> Told {
    let usual = [
        ("CONCURRENCY", "64"),
        ("START", "1s"),
        ("PROCESS", ""),
        ("EXTRA", ""),
        ("INIT", ""),
        ("CORES", "\"1\""),
        ("PROBES", ""),
        ("MORE", ""),
        ("---\nOBJECTS", ""),
        ("STAGES", "[{target: 1, duration: 10m}]"),
        ("EVENTS", "[{at: 10s, scale: {workload: web, replicas: 2}}]"),
    ];
    let scenario = TEMPLATES.scenario(words, &usual);
    let options = SweepOptions {
        check_invariants: true,
        keep: Keep::Everything,
        ..SweepOptions::single(scenario.seed)
    };
    let mut runs = evaluate(&scenario, options, &|_| {}).expect("a thread can be had");
    let run = runs.pop().expect("one run was asked for");
    let case = Case::new(&scenario, &run.history, &run.measurements, &run.thresholds);
    let findings = check(&case).into_iter();
    let said = findings.map(|it| (it.code.id.to_owned(), format!("{} ({})", it.message, it.note)));
    let said = said.collect();
    Told { run, said }
}

impl Told {
    fn pod(&self, name: &str) -> &PodLife {
        self.run.history.pod_named(name).expect("it was made")
    }

    fn deaths(&self) -> Vec<(f64, String, Death)> {
        let entries = self.run.history.entries().iter();
        let deaths = entries.filter_map(|entry| {
            let Record::ContainerDied { container, why, .. } = &entry.record else { return None };
            Some((entry.first.as_secs_f64(), container.to_string(), *why))
        });
        deaths.collect()
    }

    fn unready(&self, name: &str) -> Vec<f64> {
        self.pod(name).unready.iter().map(|(at, _)| at.as_secs_f64()).collect()
    }

    fn said(&self, code: &str) -> Option<&str> {
        self.said.iter().find(|(id, _)| id == code).map(|(_, text)| text.as_str())
    }
}

/// From the binding of a pod, in seconds.
fn after(pod: &PodLife, at: Option<SimTime>) -> f64 {
    let bound = pod.bound.expect("it was bound").0;
    at.expect("it came so far").since(bound).as_secs_f64()
}

const READINESS: &str = "readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 5}";

#[test]
fn init_containers_work_one_after_another_and_a_sidecar_lets_the_next_begin_when_it_is_started() {
    let init = "initContainers: [{name: fetch, image: \"init:1\"}, {name: proxy, image: \"proxy:1\", \
                restartPolicy: Always, startupProbe: {httpGet: {path: /, port: 81}, periodSeconds: 3}}, \
                {name: check, image: \"init:1\"}]";
    let extra = "containers: {web/fetch: {duration: 20s}, web/proxy: {start: 4s}}";
    let told = told(&[("INIT", init), ("EXTRA", extra), ("PROBES", READINESS)]);
    let pod = told.pod("web-2");
    // Two pulls of 2 s on a node that has neither image; or none, where the first pod runs.
    let pulls = pod.pulled.expect("images came").1.as_secs_f64();
    // fetch 20 s, proxy started at its second tick after 4 s, check the assumed second.
    let started = after(pod, pod.started) - pulls;
    assert!((started - (20.0 + 6.0 + 1.0)).abs() < 0.01, "{started}");
    // Up after a second, found by the tick after 5 s.
    let ready = after(pod, pod.ready) - pulls;
    assert!((ready - (27.0 + 5.0)).abs() < 0.01, "{ready}");
}

#[test]
fn an_init_container_that_fails_is_started_again_ever_later() {
    let init = "initContainers: [{name: wait, image: \"web:1\"}]";
    let extra = "containers: {web/wait: {duration: 5s, failure: 100%}}";
    let told = told(&[("INIT", init), ("EXTRA", extra)]);
    let pod = told.pod("web-2");
    assert!(pod.started.is_none() && pod.ready.is_none());
    let deaths = told.deaths();
    let first = deaths[0].0;
    let times: Vec<f64> = deaths.iter().map(|(at, _, _)| (at - first).round()).collect();
    assert_eq!(times, [0.0, 5.0, 20.0, 45.0, 90.0, 175.0, 340.0], "{deaths:?}");
    assert!(deaths.iter().all(|(_, name, why)| name == "wait" && *why == Death::Exited(1)));
    assert!(told.said("AUR975").is_some_and(|it| it.contains("exit code 1")), "{:?}", told.said);
}

#[test]
fn a_sidecar_dies_alone_and_its_pod_is_not_ready() {
    let more =
        "- {name: log, image: \"log:1\", livenessProbe: {exec: {command: [x]}, periodSeconds: 10}}";
    let extra = "containers: {web/log: {start: 25s}}";
    let told = told(&[("MORE", more), ("EXTRA", extra), ("PROBES", READINESS)]);
    let deaths = told.deaths();
    assert!(deaths.len() > 3 && deaths.iter().all(|(_, name, _)| name == "log"), "{deaths:?}");
    // The container that serves was never started anew, and its pod is ready between the deaths.
    let pod = told.pod("web-2");
    assert_eq!(told.unready("web-2").len(), deaths.len());
    assert!(pod.ready.is_some());
}

#[test]
fn a_container_without_readiness_probe_gets_requests_before_it_is_up() {
    let refused = |probe: &str| {
        let told = told(&[("START", "60s"), ("PROBES", probe)]);
        let pod = told.pod("web-2");
        (after(pod, pod.ready), told.run.outcome.calls.ends[CallEnd::Refused.number()])
    };
    let (ready, lost) = refused(READINESS);
    assert!(ready > 60.0 && lost == 0, "{ready} {lost}");
    let (ready, lost) = refused("");
    assert!(ready < 10.0 && lost > 10, "{ready} {lost}");
}

#[test]
fn probes_wait_behind_requests_and_pods_that_are_too_busy_leave_their_service() {
    let probes =
        "readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 5, failureThreshold: 2}";
    let stages = "[{target: 1, duration: 1m}, {target: 30, duration: 1s}, {target: 30, duration: 2m}, {target: 1, duration: 1s}, {target: 1, duration: 5m}]";
    let words = [("CONCURRENCY", "2"), ("PROBES", probes), ("STAGES", stages), ("EVENTS", "[]")];
    let busy = told(&words);
    let unready = busy.unready("web-1");
    assert!(unready.first().is_some_and(|at| (60.0..90.0).contains(at)), "{unready:?}");
    assert!(busy.pod("web-1").gone.is_none() && busy.deaths().is_empty());
    assert!(busy.said("AUR976").is_some_and(|it| it.contains("too busy to be ready")));
    // A command in the container answers whatever the process works on.
    let exec = "readinessProbe: {exec: {command: [x]}, periodSeconds: 5, failureThreshold: 2}";
    let calm =
        told(&[("CONCURRENCY", "2"), ("PROBES", exec), ("STAGES", stages), ("EVENTS", "[]")]);
    assert_eq!(calm.unready("web-1"), Vec::<f64>::new());
}

#[test]
fn a_liveness_probe_kills_a_process_that_is_too_busy_and_its_start_begins_again() {
    let probes = "livenessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 5}";
    let stages = "[{target: 1, duration: 1m}, {target: 30, duration: 1s}, {target: 30, duration: 2m}, {target: 1, duration: 1s}, {target: 1, duration: 5m}]";
    let words = [("CONCURRENCY", "2"), ("PROBES", probes), ("STAGES", stages), ("EVENTS", "[]")];
    let told = told(&words);
    let deaths = told.deaths();
    assert!(!deaths.is_empty() && deaths.iter().all(|(_, _, why)| *why == Death::Unresponsive));
    // Three failures 5 s apart, and 30 s of grace for what is inside.
    assert!((100.0..120.0).contains(&deaths[0].0), "{deaths:?}");
    assert!(told.said("AUR961").is_some_and(|it| it.contains("too busy")), "{:?}", told.said);
    assert!(told.run.outcome.calls.ends[CallEnd::Refused.number()] > 0, "from SIGTERM on");
}

const HPA: &str = "---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 5
  metrics: [METRIC]
";

fn last_sync_value(told: &Told) -> String {
    let syncs = told.run.history.all_syncs(HpaId(0));
    let values = syncs.filter_map(|(_, sync)| {
        let metric = sync.metrics.first()?;
        metric.failure.is_none().then(|| metric.current.to_string())
    });
    values.last().unwrap_or_default()
}

#[test]
fn metrics_of_a_container_are_that_containers_alone() {
    let more = "- {name: log, image: \"log:1\", resources: {requests: {cpu: 100m, memory: 100Mi}}}";
    let extra = "containers: {web/log: {idle: {cpu: 80m, memory: 50Mi}}}";
    let value = |metric: &str| {
        let hpa = HPA.replace("METRIC", metric);
        let words = [
            ("MORE", more),
            ("EXTRA", extra),
            ("---\nOBJECTS", hpa.as_str()),
            ("STAGES", "[{target: 0, duration: 10m}]"),
            ("startRate: 1", "startRate: 0"),
            ("EVENTS", "[]"),
        ];
        last_sync_value(&told(&words))
    };
    let of = |name: &str| {
        format!(
            "{{type: ContainerResource, containerResource: {{name: cpu, container: {name}, target: {{type: Utilization, averageUtilization: 95}}}}}}"
        )
    };
    assert_eq!(value(&of("log")), "80%");
    assert!(["5%", "6%", "7%"].contains(&value(&of("web")).as_str()), "{}", value(&of("web")));
    // The pod as a whole: 90m of 300m.
    let whole = "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 95}}}";
    let whole = value(whole);
    assert!(["30%", "31%", "32%"].contains(&whole.as_str()), "{whole}");
}

/// Twenty requests a second of 10 ms each, for an HPA on this metric.
fn scaled_by(metric: &str, mapping: &str) -> (i32, Option<String>) {
    let hpa = HPA.replace("METRIC", metric).replace("maxReplicas: 5", "maxReplicas: 10");
    let words = [
        ("get: {cpu: 100ms}", "get: {cpu: 10ms, wait: 490ms}"),
        ("EXTRA", mapping),
        ("---\nOBJECTS", hpa.as_str()),
        ("startRate: 1", "startRate: 20"),
        ("STAGES", "[{target: 20, duration: 10m}]"),
        ("EVENTS", "[]"),
    ];
    let told = told(&words);
    let syncs = told.run.history.all_syncs(HpaId(0));
    let last = syncs.map(|(_, sync)| sync).last().expect("it synchronised");
    let failure = last.metrics[0].failure.as_ref().map(ToString::to_string);
    (last.desired, failure)
}

#[test]
fn hpas_scale_by_what_services_measure_under_names_of_their_own() {
    // Targets lie between whole numbers of pods: arrivals are random.
    let pods = "{type: Pods, pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: 5500m}}}";
    let rps = "metrics: {rps: {service: web, measures: requestsPerSecond, window: 1m}}";
    assert_eq!(scaled_by(pods, rps), (4, None));
    // As an external metric the total is shared out: 20/s at 4.4/s each.
    let total = "{type: External, external: {metric: {name: rps}, target: {type: AverageValue, averageValue: 4400m}}}";
    assert_eq!(scaled_by(total, rps), (5, None));
    // Ten requests are inside, each for half a second.
    let inside =
        "{type: Pods, pods: {metric: {name: busy}, target: {type: AverageValue, averageValue: 5}}}";
    let busy = "metrics: {busy: {service: web, measures: inFlight}}";
    let (size, failure) = scaled_by(inside, busy);
    assert!((2..=4).contains(&size) && failure.is_none(), "{size} {failure:?}");
    // A name that nobody serves stays what it is in a cluster without an adapter.
    let (size, failure) = scaled_by(pods, "");
    assert_eq!(size, 1);
    assert!(failure.is_some(), "nobody serves the metric");
}

#[test]
fn a_start_that_computes_takes_longer_below_a_smaller_limit() {
    let ready = |cores: &str| {
        let words =
            [("START", "30s"), ("PROCESS", "startCpu: 2"), ("PROBES", READINESS), ("CORES", cores)];
        let told = told(&words);
        let pod = told.pod("web-2");
        let pulled = pod.pulled.expect("images came").0;
        pod.ready.expect("it became ready").since(pulled).as_secs_f64()
    };
    assert!((ready("\"2\"") - 30.0).abs() < 0.01);
    assert!((ready("\"1\"") - 60.0).abs() < 0.01);
}

#[test]
fn what_names_no_container_is_refused() {
    let refused = |words: &[(&str, &str)]| {
        let result = std::panic::catch_unwind(|| told(words));
        let why = result.err().and_then(|it| it.downcast::<String>().ok());
        why.map(|it| it.to_string()).unwrap_or_default()
    };
    let said = refused(&[("PROCESS", "container: wep")]);
    assert!(said.contains("names the container `wep`") && said.contains("web"), "{said}");
    let said = refused(&[("EXTRA", "containers: {web/none: {duration: 1s}}")]);
    assert!(said.contains("names the container `none`"), "{said}");
    let said = refused(&[("EXTRA", "containers: {web: {duration: 1s}}")]);
    assert!(said.contains("must be WORKLOAD/CONTAINER"), "{said}");
    let many = format!("initContainers: [{}]", "{name: init, image: i}, ".repeat(255));
    let said = refused(&[("INIT", &many)]);
    assert!(said.contains("has 256 containers"), "{said}");
    let said = refused(&[("EXTRA", "containers: {web/web: {failure: 120%}}")]);
    assert!(said.contains("between 0% and 100%"), "{said}");
}
