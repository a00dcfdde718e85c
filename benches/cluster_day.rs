//! A day of a large cluster: 1,000 nodes, 20,000 pods in 200 Deployments that shrink for the night and
//! grow again, a Cluster Autoscaler that looks every 10 s and really adds and removes nodes. It is
//! written out as documents and run once by the program itself, whose `--stats` line is the result.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const DEPLOYMENTS: u32 = 200;
const NODES: u32 = 1_000;
const HOURS: u32 = 24;

/// Sizes of the Deployments in per cent of their daytime size, by hour of the day, from midnight on.
/// At 100 per cent there are 20,000 pods.
const COURSE: [u32; 24] = [
    80, 70, 60, 55, 50, 50, 55, 65, 80, 90, 95, 100, 100, 100, 100, 100, 100, 100, 100, 100, 95,
    90, 90, 85,
];

/// Cores (milli) and memory (Mi) of a pod; twenty of them fill a node's cores by three quarters.
const SIZES: [(u32, u32); 5] =
    [(500, 2_048), (600, 2_048), (650, 2_560), (700, 3_072), (750, 2_560)];

fn cluster(catalogue: &Path) -> String {
    format!(
        "apiVersion: aurelius.dev/v1\nkind: ClusterProfile\nmetadata: {{name: large}}\nprovider: eks\n\
         catalogue: {}\nzones: [a, b, c]\nnodePools:\n  - {{name: general, instance: m6i.4xlarge, \
         min: 100, max: 2000, initial: {NODES}, launch: 40s}}\n",
        catalogue.display()
    )
}

fn manifests() -> String {
    let mut text = String::new();
    for name in ["aws-node", "kube-proxy"] {
        let _ = writeln!(
            text,
            "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: {name}, namespace: kube-system}}\n\
             spec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: \
             {{app: {name}}}}}\n    spec:\n      tolerations: [{{operator: Exists}}]\n      containers: \
             [{{name: app, image: \"{name}:1\", resources: {{requests: {{cpu: 50m}}}}}}]"
        );
    }
    for (number, (cpu, memory)) in (0..DEPLOYMENTS).zip(SIZES.into_iter().cycle()) {
        let _ = writeln!(
            text,
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: w{number}}}\nspec:\n  replicas: \
             {}\n  selector: {{matchLabels: {{app: w{number}}}}}\n  template:\n    metadata: {{labels: \
             {{app: w{number}}}}}\n    spec:\n      containers: [{{name: app, image: \"w{number}:1\", \
             resources: {{requests: {{cpu: {cpu}m, memory: {memory}Mi}}}}}}]\n---\napiVersion: \
             policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: w{number}}}\nspec: \
             {{maxUnavailable: 10%, selector: {{matchLabels: {{app: w{number}}}}}}}",
            COURSE[0]
        );
    }
    text
}

const SERVICES: &str = "apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: light}
services:
  w0:
    workload: Deployment/w0
    cpu: {concurrency: 10}
    operations:
      work: {cpu: 10ms}
classes:
  client:
    steps: [{call: w0.work}]
";

fn scenario() -> String {
    let mut text = format!(
        "apiVersion: aurelius.dev/v1\nkind: Scenario\nmetadata: {{name: cluster-day}}\ninputs: {{manifests: \
         [manifests.yaml], services: [services.yaml], cluster: cluster.yaml}}\nduration: {HOURS}h\nload:\n  \
         scenarios:\n    l: {{executor: constant-arrival-rate, exec: client, rate: 1, timeUnit: 1s, \
         duration: {HOURS}h, preAllocatedVUs: 10, maxVUs: 100}}\nevents:\n"
    );
    for (hour, replicas) in (0_u32..).zip(COURSE).skip(1) {
        for number in 0..DEPLOYMENTS {
            let at = hour * 3_600 + number * 17 % 3_600;
            let _ = writeln!(
                text,
                "  - {{at: {at}s, scale: {{workload: w{number}, replicas: {replicas}}}}}"
            );
        }
    }
    text.push_str("thresholds:\n  http_req_failed: [\"rate<0.01\"]\nseed: 42\n");
    text
}

fn main() -> std::io::Result<()> {
    let folder = tempfile::tempdir()?;
    let here = std::env::current_dir()?;
    let catalogue = here.join("profiles/instances/aws_eks_us-east-1.csv");
    for (name, text) in [
        ("cluster.yaml", cluster(&catalogue)),
        ("manifests.yaml", manifests()),
        ("services.yaml", SERVICES.to_owned()),
        ("scenario.yaml", scenario()),
    ] {
        std::fs::write(folder.path().join(name), text)?;
    }
    let status = Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .args(["run", "--stats", "--quiet", "--exit-zero"])
        .arg(folder.path().join("scenario.yaml"))
        .status()?;
    assert!(status.success(), "the day is simulated: {status}");
    Ok(())
}
