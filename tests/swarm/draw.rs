//! The documents of a random scenario. They are text, as users write them, so that the way through
//! the parsers is part of what is tried.

use std::fmt::Write as _;

use aurelius_sim::engine::Stream;
use rand::RngExt;

const CATALOGUE: &str = include_str!("../../profiles/instances/aws_eks_us-east-1.csv");
const ZONES: [&str; 3] = ["a", "b", "c"];

/// Files by name.
pub(crate) fn documents(stream: &mut Stream) -> Vec<(&'static str, String)> {
    let workloads = workloads(stream);
    let cluster = cluster(stream, workloads.iter().any(|workload| workload.gpu));
    let spot = cluster.contains("spot: true");
    vec![
        ("instances.csv", CATALOGUE.to_owned()),
        ("cluster.yaml", cluster),
        ("manifests.yaml", manifests(stream, &workloads)),
        ("services.yaml", services(stream, &workloads)),
        ("scenario.yaml", scenario(stream, &workloads, spot)),
    ]
}

struct Workload {
    name: String,
    kind: &'static str,
    gpu: bool,
    worker: bool,
    /// Mounts a disk of its own per pod (StatefulSet), or one for all of its pods (Deployment).
    disk: Option<Disk>,
}

#[derive(Clone, Copy)]
struct Disk {
    class: &'static str,
    access: &'static str,
}

fn pick<T: Copy>(stream: &mut Stream, from: &[T]) -> T {
    from[stream.random_range(0..from.len())]
}

fn workloads(stream: &mut Stream) -> Vec<Workload> {
    let count = stream.random_range(1..7);
    let workload = |number| {
        let gpu = stream.random_bool(0.25);
        Workload {
            name: format!("w{number}"),
            kind: pick(stream, &["Deployment", "Deployment", "Deployment", "StatefulSet"]),
            gpu,
            worker: !gpu && number > 0 && stream.random_bool(0.2),
            disk: stream.random_bool(0.35).then(|| Disk {
                class: pick(stream, &["waits", "waits", "at-once"]),
                access: pick(stream, &["ReadWriteOnce", "ReadWriteOnce", "ReadWriteOncePod"]),
            }),
        }
    };
    (0..count).map(workload).collect()
}

/// The workloads that serve, and beside them classes of disks, agents on every node, and jobs.
fn manifests(stream: &mut Stream, workloads: &[Workload]) -> String {
    let mut text = String::new();
    for (name, mode) in [("waits", "WaitForFirstConsumer"), ("at-once", "Immediate")] {
        let _ = writeln!(
            text,
            "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}}}\n\
             provisioner: ebs.csi.aws.com\nparameters: {{type: gp3}}\nvolumeBindingMode: {mode}"
        );
    }
    for workload in workloads {
        text.push_str(&manifest(stream, workload));
    }
    if stream.random_bool(0.6) {
        let tolerations = pick(stream, &["[{operator: Exists}]", "[]"]);
        let update = pick(stream, &["{maxUnavailable: 1}", "{maxUnavailable: 0, maxSurge: 1}"]);
        let _ = writeln!(
            text,
            "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: agent}}\nspec:\n  selector: \
             {{matchLabels: {{app: agent}}}}\n  updateStrategy: {{type: RollingUpdate, rollingUpdate: \
             {update}}}\n  template:\n    metadata: {{labels: {{app: agent}}}}\n    spec:\n      \
             tolerations: {tolerations}\n      containers: [{{name: app, image: \"agent:1\", resources: \
             {{requests: {{cpu: {}m, memory: 64Mi}}}}}}]",
            stream.random_range(10..300)
        );
    }
    if stream.random_bool(0.5) {
        let _ = writeln!(
            text,
            "---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: batch}}\nspec:\n  completions: {}\n  \
             parallelism: {}\n  backoffLimit: 3\n  template:\n    metadata: {{labels: {{app: batch}}}}\n    \
             spec:\n      restartPolicy: Never\n      containers: [{{name: app, image: \"batch:1\", \
             resources: {{requests: {{cpu: {}m, memory: 128Mi}}}}}}]",
            stream.random_range(1..9),
            stream.random_range(1..5),
            stream.random_range(50..1_500)
        );
    }
    text.push_str(
        "---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 1000\n\
         ---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: polite}\nvalue: 500\n\
         preemptionPolicy: Never\n",
    );
    if stream.random_bool(0.3) {
        let _ = writeln!(
            text,
            "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: all}}\nspec: {{hard: {{pods: \
             \"{}\", requests.cpu: \"{}\"}}}}",
            stream.random_range(1..25),
            stream.random_range(1..12)
        );
    }
    if stream.random_bool(0.3) {
        let _ = writeln!(
            text,
            "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: ticks}}\nspec:\n  schedule: \
             \"*/{} * * * *\"\n  concurrencyPolicy: {}\n  jobTemplate:\n    spec:\n      backoffLimit: 1\n      \
             template:\n        metadata: {{labels: {{app: ticks}}}}\n        spec:\n          restartPolicy: \
             Never\n          containers: [{{name: app, image: \"ticks:1\", resources: {{requests: {{cpu: \
             200m, memory: 64Mi}}}}}}]",
            stream.random_range(1..6),
            pick(stream, &["Allow", "Forbid", "Replace"])
        );
    }
    text
}

fn cluster(stream: &mut Stream, gpus: bool) -> String {
    let zones = &ZONES[..stream.random_range(1..4)];
    let mut text = format!(
        "apiVersion: aurelius.dev/v1\nkind: ClusterProfile\nmetadata: {{name: random}}\nprovider: eks\n\
         catalogue: instances.csv\nzones: [{}]\nnodePools:\n",
        zones.join(", ")
    );
    for number in 0..stream.random_range(1..4) {
        let instance = pick(stream, &["m6i.large", "m6i.xlarge", "m6i.4xlarge"]);
        let (min, initial) = (stream.random_range(0..3), stream.random_range(0..4));
        let max = min + initial + stream.random_range(1..8);
        let _ = writeln!(
            text,
            "  - {{name: p{number}, instance: {instance}, min: {min}, max: {max}, initial: {}, launch: {}s, \
             spot: {}}}",
            min + initial,
            stream.random_range(5..90),
            number == 0 && stream.random_bool(0.5)
        );
    }
    if gpus && stream.random_bool(0.8) {
        let initial = stream.random_range(0..4);
        let sharing = if stream.random_bool(0.4) {
            // A refused pod is replaced by one that is refused for as long as the run lasts: thousands of
            // objects whose invariants would be checked after every event.
            format!("gpuSharing: {{replicas: {}}}, ", stream.random_range(2..5))
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "  - {{name: gpu, instance: g4dn.2xlarge, min: 0, max: {}, initial: {initial}, \
             labels: {{k8s.amazonaws.com/accelerator: t4}}, gpuReady: 20s, {sharing}\
             taints: [{{key: nvidia.com/gpu, value: present, effect: NoSchedule}}]}}",
            initial + stream.random_range(0..5)
        );
    }
    let unneeded = pick(stream, &["1m", "2m", "10m"]);
    let expander = pick(stream, &["random", "most-pods", "least-waste"]);
    let _ = writeln!(
        text,
        "clusterAutoscaler: {{scale-down-unneeded-time: {unneeded}, scale-down-delay-after-add: {}, \
         skip-nodes-with-local-storage: {}, expander: {expander}}}\nvolumes: {{mode: enforced, attach: \
         8s, detach: 5s, provision: 3s}}",
        pick(stream, &["0s", "1m", "10m"]),
        stream.random::<bool>()
    );
    text
}

/// What a workload's disk adds to its manifest.
#[derive(Default)]
struct Mounted {
    mounts: &'static str,
    templates: String,
    claim: String,
}

/// The volumes of a pod, and the rest.
fn mounted(workload: &Workload) -> (String, Mounted) {
    let Workload { name, kind, disk, .. } = workload;
    let Some(Disk { class, access }) = disk else { return Default::default() };
    let spec = format!(
        "{{accessModes: [{access}], storageClassName: {class}, resources: {{requests: {{storage: \
         8Gi}}}}}}"
    );
    let mounts = ", volumeMounts: [{name: data, mountPath: /data}]";
    if *kind == "StatefulSet" {
        let templates =
            format!("  volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {spec}}}]\n");
        return (String::new(), Mounted { mounts, templates, claim: String::new() });
    }
    let volumes = format!(
        "      volumes: [{{name: data, persistentVolumeClaim: {{claimName: {name}-data}}}}]\n"
    );
    let claim = format!(
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}-data}}\n\
         spec: {spec}\n"
    );
    (volumes, Mounted { mounts, templates: String::new(), claim })
}

fn manifest(stream: &mut Stream, workload: &Workload) -> String {
    let Workload { name, kind, gpu, .. } = workload;
    let cpu = pick(stream, &[50, 100, 250, 500, 1_000, 1_900]);
    let memory = pick(stream, &[64, 256, 512, 1_024, 3_000]);
    let mut limits = format!("cpu: {}m", cpu * stream.random_range(1..4));
    let mut requests = format!("cpu: {cpu}m, memory: {memory}Mi");
    if *gpu {
        let gpus = pick(stream, &[1, 1, 1, 2]);
        let _ = write!(limits, ", nvidia.com/gpu: {gpus}");
        let _ = write!(requests, ", nvidia.com/gpu: {gpus}");
    }
    let mut pod = String::new();
    match stream.random_range(0..5) {
        0 => pod.push_str("      priorityClassName: high\n"),
        1 => pod.push_str("      priorityClassName: polite\n"),
        _ => {}
    }
    if stream.random_bool(0.5) {
        let _ =
            writeln!(pod, "      terminationGracePeriodSeconds: {}", stream.random_range(0..60));
    }
    if *gpu {
        pod.push_str("      tolerations: [{key: nvidia.com/gpu, operator: Exists}]\n");
    }
    let term = format!(
        "{{topologyKey: kubernetes.io/hostname, labelSelector: {{matchLabels: {{app: {name}}}}}}}"
    );
    match stream.random_range(0..4) {
        0 => pod.push_str(&format!(
            "      affinity: {{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}\n"
        )),
        1 => pod.push_str(&format!(
            "      affinity: {{podAntiAffinity: {{preferredDuringSchedulingIgnoredDuringExecution: [{{weight: 50, podAffinityTerm: {term}}}]}}}}\n"
        )),
        _ => {}
    }
    let probe = match stream.random_range(0..3) {
        0 => String::new(),
        1 => ", readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 5}".to_owned(),
        _ => format!(
            ", readinessProbe: {{tcpSocket: {{port: 80}}, initialDelaySeconds: {}}}",
            stream.random_range(0..40)
        ),
    };
    let (volumes, Mounted { mounts, templates, claim }) = mounted(workload);
    pod.push_str(&volumes);
    let mut text = format!(
        "---\napiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  replicas: {}\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
         spec:\n{pod}      containers:\n        - {{name: app, image: \"{name}:1\", resources: \
         {{requests: {{{requests}}}, limits: {{{limits}}}}}{probe}{mounts}}}\n\
         {templates}{claim}",
        stream.random_range(0..7)
    );
    if stream.random_bool(0.6) {
        let what = pick(stream, &["minAvailable", "maxUnavailable"]);
        let policy = pick(stream, &["", "", "unhealthyPodEvictionPolicy: AlwaysAllow, "]);
        let amount = pick(stream, &["0", "1", "2", "\"50%\"", "\"90%\"", "\"100%\""]);
        let _ = writeln!(
            text,
            "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {name}}}\nspec: \
             {{{policy}{what}: {amount}, selector: {{matchLabels: {{app: {name}}}}}}}"
        );
    }
    if stream.random_bool(0.7) {
        text.push_str(&hpa(stream, workload));
    }
    text
}

fn hpa(stream: &mut Stream, workload: &Workload) -> String {
    let Workload { name, kind, .. } = workload;
    let min = stream.random_range(1..4);
    let max = min + stream.random_range(0..12);
    let metric = |resource: &str, target: u32| {
        format!(
            "{{type: Resource, resource: {{name: {resource}, target: {{type: Utilization, averageUtilization: {target}}}}}}}"
        )
    };
    let mut metrics = vec![metric("cpu", stream.random_range(10..110))];
    if stream.random_bool(0.4) {
        metrics.push(metric("memory", stream.random_range(30..110)));
    }
    let mut text = format!(
        "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}}}\nspec:\n  \
         scaleTargetRef: {{apiVersion: apps/v1, kind: {kind}, name: {name}}}\n  minReplicas: {min}\n  \
         maxReplicas: {max}\n  metrics: [{}]\n",
        metrics.join(", ")
    );
    if stream.random_bool(0.5) {
        let _ = writeln!(
            text,
            "  behavior: {{scaleUp: {{stabilizationWindowSeconds: {}, policies: [{{type: Pods, value: {}, periodSeconds: 30}}]}}, \
             scaleDown: {{stabilizationWindowSeconds: {}}}}}",
            stream.random_range(0..200),
            stream.random_range(1..5),
            stream.random_range(0..300)
        );
    }
    text
}

fn services(stream: &mut Stream, workloads: &[Workload]) -> String {
    let mut text =
        "apiVersion: aurelius.dev/v1\nkind: ServiceProfiles\nmetadata: {name: random}\nservices:\n"
            .to_owned();
    for (number, workload) in workloads.iter().enumerate() {
        let Workload { name, kind, gpu, worker, disk: _ } = workload;
        let _ = writeln!(text, "  {name}:\n    workload: {kind}/{name}");
        if *gpu {
            let _ = writeln!(
                text,
                "    gpu: {{maxBatch: {}, maxQueueDelay: {}ms, batchLatency: {{base: 5ms, perItem: 2ms}}}}",
                stream.random_range(1..6),
                stream.random_range(0..30)
            );
        } else if *worker {
            let _ = writeln!(
                text,
                "    worker: {{concurrency: {}, prefetch: {}, acks: {}}}",
                stream.random_range(1..5),
                stream.random_range(1..5),
                pick(stream, &["early", "late"])
            );
        } else {
            let _ = writeln!(text, "    cpu: {{concurrency: {}}}", stream.random_range(1..40));
        }
        if stream.random_bool(0.6) && !worker {
            let _ = writeln!(text, "    backlog: {}", stream.random_range(0..50));
        }
        if stream.random_bool(0.5) {
            let _ = writeln!(
                text,
                "    idle: {{cpu: {}m, memory: {}Mi}}\n    memory: {{perRequest: 4Mi}}",
                stream.random_range(0..50),
                stream.random_range(0..500)
            );
        }
        let _ =
            writeln!(text, "    start: {{exponential: {{mean: {}s}}}}", stream.random_range(1..30));
        let gpu_work = if *gpu { "gpuItems: 1, " } else { "" };
        let mut calls = Vec::new();
        for callee in &workloads[number + 1..] {
            if stream.random_bool(0.5) {
                let mode = if callee.worker { ", mode: enqueue" } else { "" };
                let probability = stream.random_range(1..11);
                calls.push(format!(
                    "{{to: {}.work, probability: 0.{probability}{mode}}}",
                    callee.name
                ));
            }
        }
        let _ = writeln!(
            text,
            "    operations:\n      work: {{{gpu_work}cpu: {{exponential: {{mean: {}ms}}}}, timeout: {}ms, calls: [{}]}}",
            stream.random_range(1..60),
            stream.random_range(50..5_000),
            calls.join(", ")
        );
    }
    let _ = writeln!(
        text,
        "classes:\n  client:\n    steps:\n      - {{call: w0.work, timeout: {}ms, tags: {{name: work}}}}\n      \
         - {{sleep: {{exponential: {{mean: {}ms}}}}}}\n      - {{call: w0.work, tags: {{name: again}}}}",
        stream.random_range(100..10_000),
        stream.random_range(1..2_000)
    );
    text
}

fn scenario(stream: &mut Stream, workloads: &[Workload], spot: bool) -> String {
    let minutes = stream.random_range(10..35);
    let mut text = format!(
        "apiVersion: aurelius.dev/v1\nkind: Scenario\nmetadata: {{name: random}}\ninputs: {{manifests: \
         [manifests.yaml], services: [services.yaml], cluster: cluster.yaml}}\nduration: {minutes}m\n\
         warmUp: {}m\nload:\n  scenarios:\n",
        stream.random_range(0..6)
    );
    for number in 0..stream.random_range(1..4) {
        let _ = writeln!(text, "    l{number}: {{exec: client, {}}}", executor(stream, minutes));
    }
    text.push_str("events:\n");
    for _ in 0..stream.random_range(1..7) {
        let at = stream.random_range(0..minutes * 60);
        let workload = &pick(stream, &workloads.iter().collect::<Vec<_>>()).name;
        let recovery = match stream.random_range(0..3) {
            0 => String::new(),
            1 => format!(", for: {}s", stream.random_range(1..30)),
            _ => format!(", for: {}m", stream.random_range(1..15)),
        };
        let count = stream.random_range(1..4);
        let (surge, unavailable) = pick(stream, &[(1, 0), (1, 1), (0, 1), (2, 1)]);
        let handler = stream.random::<bool>();
        let what = match stream.random_range(0..11) {
            6 | 7 => {
                format!("rollout: {{workload: {workload}, image: v{}}}", stream.random_range(2..9))
            }
            8 => {
                format!("upgradePool: {{pool: p0, surge: {surge}, maxUnavailable: {unavailable}}}")
            }
            9 if spot => format!(
                "reclaimSpot: {{pool: p0, count: {count}, notice: 2m, terminationHandler: {handler}}}"
            ),
            0 | 1 => format!("drain: {{pool: p0, count: {count}}}"),
            2 => format!("failNode: {{pool: p0, count: {count}}}{recovery}"),
            3 => format!("failZone: a{recovery}"),
            10 => "cordon: {node: p0-1}".to_owned(),
            4 => {
                format!("scale: {{workload: {workload}, replicas: {}}}", stream.random_range(0..12))
            }
            _ => format!("deletePod: {{workload: {workload}, count: {count}}}"),
        };
        let _ = writeln!(text, "  - {{at: {at}s, {what}}}");
    }
    text.push_str("thresholds:\n  http_req_failed: [\"rate<0.01\"]\n");
    text
}

fn executor(stream: &mut Stream, minutes: u32) -> String {
    let part = stream.random_range(1..=minutes);
    let users = format!("preAllocatedVUs: {}, maxVUs: 200", stream.random_range(1..100));
    match stream.random_range(0..4) {
        0 => format!(
            "executor: constant-arrival-rate, rate: {}, timeUnit: 1s, duration: {part}m, {users}",
            stream.random_range(1..40)
        ),
        1 => format!(
            "executor: ramping-arrival-rate, startRate: {}, timeUnit: 1s, {users}, stages: [{{duration: {part}m, target: {}}}]",
            stream.random_range(0..20),
            stream.random_range(0..60)
        ),
        2 => format!(
            "executor: constant-vus, vus: {}, duration: {part}m",
            stream.random_range(1..40)
        ),
        _ => format!(
            "executor: ramping-vus, startVUs: {}, stages: [{{duration: {part}m, target: {}}}, {{duration: 1m, target: 0}}]",
            stream.random_range(0..10),
            stream.random_range(0..60)
        ),
    }
}
