//! Manifests of public projects, and whole texts of what is said about wrong ones.

use std::path::{Path, PathBuf};

use expect_test::expect;

use super::*;
use crate::cluster::api::pod::Volume;
use crate::cluster::api::workload::{DeploymentStrategy, WorkloadKind};
use crate::cluster::api::{IntOrPercent, QosClass};
use crate::input::diagnostic::{Diagnostics, Severity};
use crate::input::render::{Colour, render_all};
use crate::input::source::Sources;
use crate::input::yaml::{Dialect, parse};
use crate::units::{Bytes, MilliCpu, SimDuration};

/// The objects of a text, and all that was said.
fn read(name: &str, text: &str) -> (Objects, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::new();
    let diagnostics = Diagnostics::new();
    let file = sources.add(name, text);
    let mut objects = Objects::default();
    for document in parse(&sources, file, Dialect::Yaml11, &diagnostics) {
        objects.read(Context { sources: &sources, diagnostics: &diagnostics }, &document);
    }
    objects.resolve_priorities(Context { sources: &sources, diagnostics: &diagnostics });
    let said = diagnostics.sorted();
    (objects, said, sources)
}

fn read_file(path: &Path) -> (Objects, Vec<Diagnostic>, Sources) {
    let text = std::fs::read_to_string(path).expect("the test data are in the repository");
    read(&path.display().to_string(), &text)
}

fn said(text: &str) -> String {
    let (_, said, sources) = read("a.yaml", text);
    render_all(&said, &sources, Colour::Plain)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the test data are in the repository");
    let mut files: Vec<_> =
        entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    files.sort();
    files
}

#[test]
fn every_field_of_the_api_is_known() {
    // The API's own round-trip data fill every field, with words that are no valid values.
    let mut values = 0;
    for path in files("tests/data/manifests/k8s-api-testdata") {
        let (_, said, sources) = read_file(&path);
        for one in &said {
            let about_requests = one.message().contains("requests.requestsKey");
            let unknown = one.code() == codes::UNKNOWN_FIELD && !about_requests;
            assert!(!unknown, "{}", one.concise(&sources));
            values += usize::from(one.code() == codes::INVALID_VALUE);
        }
    }
    assert!(values > 100, "only {values} invalid words: were the objects read at all?");
}

#[test]
fn charts_of_public_projects_are_read_without_a_fault() {
    let rows = [
        ("tests/data/manifests/bitnami-airflow-celery/rendered.yaml", [8, 2, 7, 7]),
        ("tests/data/manifests/bitnami-redis-hpa/rendered.yaml", [2, 1, 2, 4]),
        ("tests/data/manifests/bitnami-postgresql-1p2r/rendered.yaml", [2, 0, 2, 6]),
        ("tests/data/manifests/bitnami-minio-8node/rendered.yaml", [2, 0, 2, 3]),
        ("tests/data/manifests/bitnami-tensorflow-resnet-gpu/rendered.yaml", [1, 0, 1, 1]),
        ("tests/data/manifests/gen3-fence/rendered.yaml", [6, 2, 0, 2]),
        ("tests/data/manifests/gen3-orthanc/rendered.yaml", [2, 1, 1, 1]),
        ("tests/data/manifests/gen3-dicom-server/rendered.yaml", [2, 1, 1, 1]),
        ("tests/data/manifests/metrics-server-ha/manifests.yaml", [1, 0, 1, 1]),
        ("tests/data/manifests/cluster-autoscaler-aws/manifests.yaml", [1, 0, 0, 0]),
    ];
    for (path, counts) in rows {
        let (objects, said, sources) = read_file(Path::new(path));
        let found = [
            objects.workloads.len(),
            objects.autoscalers.len(),
            objects.budgets.len(),
            objects.services.len(),
        ];
        assert_eq!(found, counts, "{path}");
        let errors = said.iter().filter(|one| one.severity() == Severity::Error);
        assert_eq!(errors.count(), 0, "{}", render_all(&said, &sources, Colour::Plain));
    }
}

#[test]
fn a_deployment_keeps_all_that_decides() {
    let text = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 50%}}
  template:
    metadata: {labels: {app: web}}
    spec:
      priorityClassName: system-cluster-critical
      hostNetwork: true
      initContainers:
        - {name: proxy, image: p, restartPolicy: Always, resources: {requests: {cpu: 0.1}}}
      containers:
        - name: app
          image: app:1
          ports: [{containerPort: 80}]
          resources: {requests: {cpu: 250m, memory: 1e8, nvidia.com/gpu: 1}, limits: {nvidia.com/gpu: 1}}
          readinessProbe: {periodSeconds: 5, failureThreshold: 0, httpGet: {path: /, port: 80}}
          lifecycle: {preStop: {exec: {command: [sh, -c, \"sleep 15; nginx -s quit\"]}}}
      volumes:
        - {name: tmp, emptyDir: {}}
        - {name: data, persistentVolumeClaim: {claimName: data}}
";
    let (objects, said, sources) = read("web.yaml", text);
    assert!(said.is_empty(), "{}", render_all(&said, &sources, Colour::Plain));
    let workload = &objects.workloads[0];
    assert_eq!(
        (workload.replicas, workload.replicas_origin.to_string()),
        (3, "web.yaml:5".to_owned())
    );
    let spec = &workload.template.spec;
    assert_eq!(
        (spec.priority, spec.termination_grace),
        (2_000_000_000, SimDuration::from_secs(30))
    );
    let scratch = Volume::EmptyDir { name: "tmp".into(), memory: false };
    assert_eq!(spec.volumes, [scratch, Volume::Claim("data".into())]);
    assert!(spec.init_containers[0].sidecar);
    let app = &spec.containers[0];
    assert_eq!(
        (app.requests.cpu, app.requests.memory),
        (Some(MilliCpu(250)), Some(Bytes(100_000_000)))
    );
    assert_eq!(app.requests.extended("nvidia.com/gpu"), Some(1));
    assert_eq!((app.host_ports[0].port, &*app.host_ports[0].protocol), (80, "TCP"));
    assert_eq!(app.pre_stop, SimDuration::from_secs(15));
    let probe = app.readiness_probe.expect("it is written");
    assert_eq!((probe.period, probe.failure_threshold), (SimDuration::from_secs(5), 3));
    assert_eq!(spec.requests().cpu, MilliCpu(350));
    assert_eq!(spec.qos_class(), QosClass::Burstable);
    let rolling = DeploymentStrategy::RollingUpdate {
        max_surge: IntOrPercent::Int(1),
        max_unavailable: IntOrPercent::Percent(50),
    };
    let WorkloadKind::Deployment { strategy, progress_deadline, .. } = workload.kind else {
        panic!("a Deployment")
    };
    assert_eq!((strategy, progress_deadline), (rolling, Some(SimDuration::from_secs(600))));
}

/// A volume in memory is not on the node's disk, and one of neither kind decides nothing.
#[test]
fn volumes_tell_where_their_data_lies() {
    let text = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: app, image: app}]
      volumes:
        - {name: shm, emptyDir: {medium: Memory, sizeLimit: 1Gi}}
        - {name: plain, emptyDir: }
        - {name: logs, hostPath: {path: /var/log}}
        - {name: settings, configMap: {name: settings}}
";
    let (objects, said, sources) = read("web.yaml", text);
    assert!(said.is_empty(), "{}", render_all(&said, &sources, Colour::Plain));
    let volumes = [
        Volume::EmptyDir { name: "shm".into(), memory: true },
        Volume::EmptyDir { name: "plain".into(), memory: false },
        Volume::HostPath("logs".into()),
        Volume::Other,
    ];
    assert_eq!(objects.workloads[0].template.spec.volumes, volumes);
}

#[test]
fn lists_and_owned_objects() {
    let text = r#"{"apiVersion": "v1", "kind": "List", "items": [
      {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
      {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "b", "ownerReferences": [{"kind": "Deployment"}]}},
      {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "c"}, "spec": {"minAvailable": "50%"}}
    ]}"#;
    let (objects, said, _) = read("list.json", text);
    assert_eq!((said.len(), objects.budgets.len(), objects.workloads.len()), (0, 1, 0));
    let summary = objects.ignored_summary();
    assert_eq!(
        summary.as_deref(),
        Some("ignored 2 objects of 2 kinds (ConfigMap 1, ReplicaSet 1)")
    );
}

#[test]
fn an_autoscaler_is_refused_in_the_words_of_the_api_server() {
    let text = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 12
  maxReplicas: 10
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 7200
";
    expect![[r#"
        error[AUR301]: HorizontalPodAutoscaler/web: spec.maxReplicas (10) is below minReplicas (12)
         --> a.yaml:7:16
          |
        6 |   minReplicas: 12
          |                -- the minimum
        7 |   maxReplicas: 10
          |                ^^ the maximum
          |
          = note: the API server says: spec.maxReplicas: Invalid value: 10: must be greater than or equal to `minReplicas`
          = help: raise maxReplicas, or set minReplicas to at most 10

        error[AUR303]: HorizontalPodAutoscaler/web: spec.behavior.scaleDown.stabilizationWindowSeconds must be less than or equal to 3600
          --> a.yaml:10:35
           |
        10 |       stabilizationWindowSeconds: 7200
           |                                   ^^^^
           |
           = note: the API server says: spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 7200: must be less than or equal to 3600
    "#]].assert_eq(&said(text));
}

#[test]
fn metrics_of_an_autoscaler_must_fit_their_type() {
    let text = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {kind: Deployment, name: web}
  maxReplicas: 10
  metrics:
    - type: Resource
      pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: 100}}
    - type: resource
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilisation: 70}}}
";
    expect![[r#"
        error[AUR302]: HorizontalPodAutoscaler/web: spec.metrics[0] needs the block `resource` for its `type`
         --> a.yaml:8:7
          |
        8 |     - type: Resource
          |       ^^^^^^^^^^^^^^

        error[AUR302]: HorizontalPodAutoscaler/web: spec.metrics[0].pods must not be there: the metric's `type` needs `resource`, not `pods`
         --> a.yaml:9:7
          |
        9 |       pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: 100}}
          |       ^^^^

        error[AUR017]: HorizontalPodAutoscaler/web: spec.metrics[1].type is `resource`, must be one of Resource, ContainerResource, Pods, Object, External
          --> a.yaml:10:13
           |
        10 |     - type: resource
           |             ^^^^^^^^
           |
        help: a similar value exists
           |
        10 -     - type: resource
        10 +     - type: Resource
           |

        error[AUR011]: HorizontalPodAutoscaler/web: unknown field `spec.metrics[2].resource.target.averageUtilisation`
          --> a.yaml:11:74
           |
        11 |     - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilisation: 70}}}
           |                                                                          ^^^^^^^^^^^^^^^^^^ not a field of MetricTarget (autoscaling/v2)
           |
           = note: the API server would refuse it too: strict decoding error: unknown field "spec.metrics[2].resource.target.averageUtilisation"
           = note: fields here: type, averageUtilization, averageValue, value
        help: a field with a similar name exists
           |
        11 -     - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilisation: 70}}}
        11 +     - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}
           |
    "#]].assert_eq(&said(text));
}

#[test]
fn pods_are_checked_as_the_api_server_checks_them() {
    let text = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replica: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: wbe}}
    spec:
      containers:
        - name: app
          resources: {requests: {cpu: 2, memroy: 1Gi}, limits: {cpu: 500m}}
      tolerations: [{value: x}]
      topologySpreadConstraints: [{maxSkew: 0, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
";
    expect![[r#"
        error[AUR011]: Deployment/web: unknown field `spec.replica`
         --> a.yaml:5:3
          |
        5 |   replica: 3
          |   ^^^^^^^ not a field of DeploymentSpec
          |
          = note: the API server would refuse it too: strict decoding error: unknown field "spec.replica"
          = note: fields here: selector, replicas, minReadySeconds, template, strategy, progressDeadlineSeconds, revisionHistoryLimit, paused
        help: a field with a similar name exists
          |
        5 |   replicas: 3
          |          +

        error[AUR601]: Deployment/web: spec.template.spec.containers[0].resources.requests.cpu is 2, must be less than or equal to cpu limit of 500m
          --> a.yaml:12:39
           |
        12 |           resources: {requests: {cpu: 2, memroy: 1Gi}, limits: {cpu: 500m}}
           |                                       ^                              ---- the limit

        error[AUR017]: Deployment/web: spec.template.spec.containers[0].resources.requests.memroy is no resource: it must be a standard resource type or fully qualified
          --> a.yaml:12:42
           |
        12 |           resources: {requests: {cpu: 2, memroy: 1Gi}, limits: {cpu: 500m}}
           |                                          ^^^^^^
           |
        help: a similar resource exists
           |
        12 -           resources: {requests: {cpu: 2, memroy: 1Gi}, limits: {cpu: 500m}}
        12 +           resources: {requests: {cpu: 2, memory: 1Gi}, limits: {cpu: 500m}}
           |

        error[AUR503]: Deployment/web: spec.template.spec.tolerations[0] is not allowed: operator must be Exists when `key` is empty, which means "match all values and all keys"
          --> a.yaml:13:21
           |
        13 |       tolerations: [{value: x}]
           |                     ^^^^^^^^^^

        error[AUR016]: Deployment/web: spec.template.spec.topologySpreadConstraints[0].maxSkew is 0, must be at least 1
          --> a.yaml:14:45
           |
        14 |       topologySpreadConstraints: [{maxSkew: 0, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
           |                                             ^
    "#]].assert_eq(&said(text));
}

#[test]
fn selectors_and_bounds_that_exclude_each_other() {
    let text = "\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: database}}
    spec: {containers: [{name: db}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: db}
spec: {minAvailable: 1, maxUnavailable: 1}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: cache}
spec: {minAvailable: 150%}
";
    expect![[r#"
        error[AUR403]: StatefulSet/db: spec.selector does not select the labels of `spec.template`
         --> a.yaml:5:13
          |
        5 |   selector: {matchLabels: {app: db}}
          |             ^^^^^^^^^^^^^^^^^^^^^^^^
        6 |   template:
        7 |     metadata: {labels: {app: database}}
          |                        --------------- the labels
          |
          = note: the API server says: spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`

        error[AUR402]: PodDisruptionBudget/db: spec.maxUnavailable and minAvailable cannot be both set
          --> a.yaml:13:25
           |
        13 | spec: {minAvailable: 1, maxUnavailable: 1}
           |        ------------     ^^^^^^^^^^^^^^
           |        |
           |        the other bound
           |
           = note: the API server says: minAvailable and maxUnavailable cannot be both set

        error[AUR016]: PodDisruptionBudget/cache: spec.minAvailable is 150%, must not be greater than 100%
          --> a.yaml:18:22
           |
        18 | spec: {minAvailable: 150%}
           |                      ^^^^
    "#]].assert_eq(&said(text));
}

#[test]
fn documents_that_are_no_objects_or_of_old_versions() {
    let text = "\
replicaCount: 3
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: db}
---
apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: web}
";
    expect![[r#"
        error[AUR013]: the document is not a Kubernetes object (no apiVersion and kind)
         --> a.yaml:1:1
          |
        1 | replicaCount: 3
          | ^^^^^^^^^^^^^^^
          |
          = help: for Helm values use `--values`

        error[AUR012]: PodDisruptionBudget/db: missing field `spec`
         --> a.yaml:3:1
          |
        3 | apiVersion: policy/v1beta1
          | ^^^^^^^^^^^^^^^^^^^^^^^^^^ `spec` is required here

        warning[AUR013]: PodDisruptionBudget/db: the document has apiVersion policy/v1beta1, which clusters no longer serve
         --> a.yaml:3:13
          |
        3 | apiVersion: policy/v1beta1
          |             ^^^^^^^^^^^^^^
          |
        help: its fields are the same in the current version
          |
        3 - apiVersion: policy/v1beta1
        3 + apiVersion: policy/v1
          |

        error[AUR013]: Deployment/web: the document has apiVersion extensions/v1beta1, which clusters no longer serve
         --> a.yaml:7:1
          |
        7 | apiVersion: extensions/v1beta1
          | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: the current version is apps/v1, whose fields differ
    "#]].assert_eq(&said(text));
}
