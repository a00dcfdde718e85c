//! Alert rules on whole runs: the seven alerts of the Aurelius chart fire where they should and stay
//! silent where they should, and what cannot be evaluated is told.

use std::path::Path;

use aurelius_sim::alerts::{Alerted, State};
use aurelius_sim::input::render::concise;
use aurelius_sim::input::{LoadOptions, load_scenario, load_scenario_from};
use aurelius_sim::sweep::{SweepOptions, run};

fn alerted(path: &str) -> Alerted {
    let loaded = load_scenario(Path::new(path), &LoadOptions::default());
    let said = concise(&loaded.diagnostics, &loaded.sources);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    run(&scenario, SweepOptions::single(scenario.seed), 0, &|_| {}).alerts
}

const SEVEN: [&str; 7] = [
    "HighErrorRate",
    "HighLatency",
    "PodNotReady",
    "HighMemoryUsage",
    "GPUNotAvailable",
    "TenantQuotaExceeded",
    "DatabaseConnectionPoolExhausted",
];

#[test]
fn all_seven_alerts_fire_in_one_scenario() {
    let told = alerted("scenarios/alerts-fire.yaml");
    let names: Vec<&str> = told.alerts.iter().map(|alert| &*alert.name).collect();
    assert_eq!(names, SEVEN);
    for alert in &told.alerts {
        assert!(alert.obstacles.is_empty() && alert.failed.is_none(), "{alert:?}");
        assert!(alert.first_fired_s().is_some(), "{} is silent", alert.name);
        // Nobody fires before it was pending for as long as the rule says.
        for instance in &alert.instances {
            let [pending, firing, ..] = instance.spans.as_slice() else { continue };
            if pending.state == State::Pending && firing.state == State::Firing {
                assert!(firing.from_s - pending.from_s >= alert.hold_s, "{}", alert.name);
            }
        }
    }
    // The index is made at 2m and comes up for twelve minutes: five minutes after it is first seen
    // unready it fires, until it is ready.
    let index = told.alerts.iter().find(|alert| &*alert.name == "PodNotReady").expect("is there");
    let [instance] = index.instances.as_slice() else { panic!("{:?}", index.instances) };
    assert!(instance.labels.get("pod").starts_with("archive-index"), "{}", instance.labels);
    assert_eq!(index.first_fired_s().map(|at| at / 30.0), Some(15.0));
    assert!(told.holds(), "{:?}", told.expectations);
}

#[test]
fn all_seven_alerts_stay_silent_in_the_other() {
    let told = alerted("scenarios/alerts-quiet.yaml");
    for alert in &told.alerts {
        assert!(alert.obstacles.is_empty() && alert.failed.is_none(), "{alert:?}");
        assert_eq!(alert.first_fired_s(), None, "{}", alert.name);
    }
    assert_eq!(told.expectations.len(), SEVEN.len());
    assert!(told.holds(), "{:?}", told.expectations);
}

/// The quiet scenario with another block `alerts`.
fn with_alerts(block: &str) -> aurelius_sim::input::Loaded {
    let text = std::fs::read_to_string("scenarios/alerts-quiet.yaml").expect("it is shipped");
    let begin = text.find("alerts:\n").expect("it has alerts");
    let end = text.find("thresholds:").expect("and thresholds behind them");
    let text = format!("{}{block}\n{}", &text[..begin], &text[end..]).replace("20m", "6m");
    let mut sources = aurelius_sim::input::source::Sources::new();
    let path = Path::new("scenarios/other.yaml");
    sources.embed(path, &text);
    load_scenario_from(sources, path, &LoadOptions::default())
}

#[test]
fn what_a_scenario_says_wrongly_of_alerts_is_told_with_its_place() {
    let loaded = with_alerts(
        "alerts:\n  rules: [../profiles/lessons/alerts.rules.yaml, ../profiles/aurelius/rendered/prod.yaml]\n  scrapeInterval: 10ms\n  expect:\n    - {alertname: HighLatencyy, fires: never}\n    - {alertname: HighLatency, fires: nevr}\n    - {alertname: HighLatency, fires: {after: 5m, before: 1m}}\n",
    );
    assert!(loaded.scenario.is_none());
    let said = concise(&loaded.diagnostics, &loaded.sources);
    for words in ["scrapeInterval", "HighLatencyy", "nevr", "ends before it begins"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_told_and_no_error() {
    let folder = std::env::temp_dir().join(format!("aurelius-alerts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let rules = folder.join("rules.yaml");
    std::fs::write(
        &rules,
        "groups:\n  - name: own\n    interval: 1m\n    rules:\n      - {alert: Backlog, expr: rabbitmq_queue_messages > 5}\n      - {alert: Evening, expr: hour() > 20}\n      - {alert: Broken, expr: 'sum('}\n      - {alert: Odd, expr: vector(1), for: soon}\n      - {alert: Ambiguous, expr: 'kube_pod_info / on (namespace) kube_pod_info'}\n      - {alert: Always, expr: vector(1)}\n",
    )
    .expect("a file can be written");
    let loaded = with_alerts(&format!("alerts:\n  rules: [{}]\n", rules.display()));
    let said = concise(&loaded.diagnostics, &loaded.sources);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let told = run(&scenario, SweepOptions::single(1), 0, &|_| {}).alerts;
    // What nobody can judge is told before the run, with its cause.
    let expects = "  expect:\n    - {alertname: Backlog, fires: never}\n";
    let expecting = with_alerts(&format!("alerts:\n  rules: [{}]\n{expects}", rules.display()));
    let refused = concise(&expecting.diagnostics, &expecting.sources);
    assert!(expecting.scenario.is_none() && refused.contains("AUR019"), "{refused}");
    assert!(refused.contains("`Backlog` cannot be evaluated"), "{refused}");
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    let of = |name: &str| told.alerts.iter().find(|it| &*it.name == name).expect("is there");
    for (name, words) in [
        ("Backlog", "no series rabbitmq_queue_messages in a simulation"),
        ("Evening", "hour() (the scenario states no `start`)"),
        ("Broken", "no PromQL"),
        ("Odd", "no duration"),
    ] {
        let obstacles = of(name).obstacles.join("; ");
        assert!(obstacles.contains(words), "{name}: {obstacles}");
    }
    let (sentence, times) = of("Ambiguous").failed.clone().expect("two pods in one namespace");
    assert!(sentence.contains("found duplicate series for the match group"), "{sentence}");
    assert_eq!(times, 7, "once a minute from 0 to 6m");
    assert_eq!(of("Always").first_fired_s().map(f64::to_bits), Some(0.0_f64.to_bits()));
    // What fires at once was never pending.
    assert!(of("Always").instances[0].spans.iter().all(|span| span.state == State::Firing));
}

/// A cluster with something of each kind: a DaemonSet on three of four nodes (the fourth is tainted), a
/// StatefulSet, a Job that runs out of time, a container that leaks until it is killed, a quota.
const OBJECTS: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "agent:1", resources: {requests: {cpu: 100m, memory: 64Mi}}}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "db:1", resources: {requests: {cpu: 100m, memory: 64Mi}}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: "api:1", resources: {requests: {cpu: 500m, memory: 80Mi}, limits: {cpu: "1", memory: 80Mi}}}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: import}
spec:
  activeDeadlineSeconds: 60
  template:
    spec: {restartPolicy: Never, containers: [{name: import, image: "import:1", resources: {requests: {cpu: 100m, memory: 64Mi}}}]}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: all}
spec: {hard: {requests.cpu: "8", pods: "30"}}
"#;

/// An expression on what an exporter tells, and whether it holds at some time of the run.
const TOLD: [(&str, bool); 26] = [
    ("kube_daemonset_status_desired_number_scheduled{daemonset=\"agent\"} == 3", true),
    (
        "kube_daemonset_status_current_number_scheduled != kube_daemonset_status_desired_number_scheduled",
        false,
    ),
    (
        "kube_daemonset_status_updated_number_scheduled == 3 and kube_daemonset_status_number_available == 3",
        true,
    ),
    ("kube_daemonset_status_number_misscheduled > 0", false),
    ("kube_daemonset_status_number_unavailable{daemonset=\"agent\"} == 0", true),
    (
        "kube_statefulset_status_replicas_updated == 2 and kube_statefulset_status_replicas_available == 2",
        true,
    ),
    ("kube_statefulset_status_replicas_current != kube_statefulset_replicas", false),
    (
        "kube_statefulset_status_current_revision unless kube_statefulset_status_update_revision",
        false,
    ),
    ("kube_deployment_status_replicas_updated{deployment=\"api\"} == 2", true),
    ("kube_deployment_status_observed_generation != kube_deployment_metadata_generation", false),
    (
        "kube_deployment_status_condition{deployment=\"api\",condition=\"Available\",status=\"false\"} == 1",
        true,
    ),
    (
        "kube_pod_container_status_waiting_reason{reason=\"CrashLoopBackOff\",container=\"api\"} == 1",
        true,
    ),
    ("kube_pod_container_status_waiting_reason{container=\"db\"} == 1", false),
    (
        "kube_pod_container_status_last_terminated_reason{reason=\"OOMKilled\",container=\"api\"} == 1",
        true,
    ),
    ("increase(kube_pod_container_status_restarts_total{container=\"api\"}[5m]) > 1", true),
    ("kube_job_status_active{job_name=\"import\"} == 1", true),
    ("kube_job_failed{job_name=\"import\",condition=\"true\"} == 1", true),
    ("kube_job_complete == 1", false),
    (
        "time() - kube_job_status_start_time{job_name=\"import\"} > 20 and kube_job_status_active > 0",
        true,
    ),
    ("kube_resourcequota{resource=\"requests.cpu\",type=\"hard\"} == 8", true),
    ("kube_resourcequota{resource=\"pods\",type=\"used\"} == 8", true),
    ("kube_node_spec_taint{key=\"dedicated\",effect=\"NoSchedule\",value=\"batch\"} == 1", true),
    ("kube_node_status_condition{condition=\"MemoryPressure\",status=\"true\"} == 1", false),
    (
        "kube_pod_status_reason{reason=\"Evicted\"} == 1 or kube_pod_status_reason{reason=\"NodeLost\"} == 1",
        false,
    ),
    ("kube_pod_status_reason{reason=\"SchedulingGated\"} == 0", true),
    ("time() - kube_pod_start_time{pod=~\"api-.*\"} > 300", true),
];

/// The run with one alert an expression.
fn of_all_kinds() -> Alerted {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("the folder is ours");
    };
    write("objects.yaml", OBJECTS);
    let alert = |(at, (expression, _)): (usize, &(&str, bool))| {
        format!("      - {{alert: A{at}, expr: '{expression}'}}\n")
    };
    let alerts: String = TOLD.iter().enumerate().map(alert).collect();
    write("rules.yaml", &format!("groups:\n  - name: told\n    rules:\n{alerts}"));
    write(
        "services.yaml",
        "apiVersion: aurelius.dev/v1\nkind: ServiceProfiles\nmetadata: {name: told}\nservices:\n  api:\n    \
         workload: Deployment/api\n    cpu: {concurrency: 8}\n    idle: {cpu: 1m, memory: 64Mi}\n    memory: \
         {leakPerHour: 2Gi}\n    operations:\n      get: {cpu: {constant: 5ms}}\nclasses:\n  get:\n    steps: \
         [{call: api.get}]\njobs:\n  import: {duration: 10m}\n",
    );
    let catalogue = std::env::current_dir().expect("there is one");
    let catalogue = catalogue.join("tests/data/size/instances.csv").display().to_string();
    write(
        "cluster.yaml",
        &format!(
            "apiVersion: aurelius.dev/v1\nkind: ClusterProfile\nmetadata: {{name: told}}\nprovider: eks\n\
             catalogue: {catalogue}\nzones: [us-east-1a]\nnodePools:\n  - {{name: general, instance: m6i.2xlarge, min: 3, max: 3}}\n  \
             - {{name: batch, instance: m6i.2xlarge, min: 1, max: 1, taints: [{{key: dedicated, value: batch, \
             effect: NoSchedule}}]}}\n"
        ),
    );
    write(
        "scenario.yaml",
        "apiVersion: aurelius.dev/v1\nkind: Scenario\nmetadata: {name: told}\ninputs:\n  manifests: \
         [objects.yaml]\n  services: [services.yaml]\n  cluster: cluster.yaml\nduration: 12m\nload:\n  scenarios:\n    \
         gets: {executor: constant-arrival-rate, exec: get, rate: 5, timeUnit: 1s, duration: 12m, preAllocatedVUs: \
         20, maxVUs: 100}\nalerts:\n  rules: [rules.yaml]\nseed: 42\n",
    );
    let path = folder.path().join("scenario.yaml");
    alerted(&path.display().to_string())
}

#[test]
fn exporters_tell_of_every_kind_of_object() {
    let told = of_all_kinds();
    assert_eq!(told.alerts.len(), TOLD.len());
    let mut wrong = Vec::new();
    for (alert, (expression, holds)) in told.alerts.iter().zip(TOLD) {
        assert!(alert.obstacles.is_empty() && alert.failed.is_none(), "{alert:?}");
        if alert.first_fired_s().is_some() != holds {
            wrong.push(format!("{expression}: {:?}", alert.first_fired_s()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
