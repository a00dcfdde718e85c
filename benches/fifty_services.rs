//! A day of fifty services by the fluid model: an HPA each, calls five deep, a pool that the Cluster
//! Autoscaler sizes. It is written out as documents and run once by the program itself, whose `--stats`
//! line is the result.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes the scenario and what it deploys; returns its path.
fn many_services(folder: &Path) -> std::io::Result<PathBuf> {
    let mut manifests = String::new();
    let mut services = String::from(
        "apiVersion: aurelius.dev/v1\nkind: ServiceProfiles\nmetadata: {name: many}\nservices:\n",
    );
    let mut classes = String::from("classes:\n");
    let mut loads = String::new();
    for number in 0..50 {
        manifests.push_str(&format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: s{number}}}\nspec:\n  \
             selector: {{matchLabels: {{app: s{number}}}}}\n  template:\n    metadata: {{labels: \
             {{app: s{number}}}}}\n    spec:\n      containers:\n      - name: app\n        image: \
             app:1\n        resources: {{requests: {{cpu: 500m, memory: 256Mi}}, limits: {{cpu: '1', \
             memory: 512Mi}}}}\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n\
             metadata: {{name: s{number}}}\nspec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: \
             Deployment, name: s{number}}}\n  minReplicas: 2\n  maxReplicas: 12\n  metrics: [{{type: \
             Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: \
             60}}}}}}]\n"
        ));
        let calls = if number < 40 {
            format!("calls: [{{to: s{}.work, timeout: 5s}}]", number + 10)
        } else {
            "payload: 1Ki".to_owned()
        };
        services.push_str(&format!(
            "  s{number}:\n    workload: Deployment/s{number}\n    cpu: {{concurrency: 64}}\n    \
             backlog: 128\n    operations:\n      work:\n        cpu: {{lognormal: {{mean: 4ms, cv: \
             1.0}}}}\n        timeout: 5s\n        {calls}\n"
        ));
        if number < 10 {
            classes.push_str(&format!(
                "  c{number}: {{steps: [{{call: s{number}.work, timeout: 10s, tags: {{name: \
                 c{number}}}}}]}}\n"
            ));
            loads.push_str(&format!(
                "    l{number}: {{executor: diurnal, exec: c{number}, base: 20/s, peak: 700/s}}\n"
            ));
        }
    }
    let cluster = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/clusters/eks-t4.yaml");
    let scenario = format!(
        "apiVersion: aurelius.dev/v1\nkind: Scenario\nmetadata: {{name: many}}\ninputs:\n  manifests: \
         [manifests.yaml]\n  services: [services.yaml]\n  cluster: {}\nduration: 24h\nwarmUp: \
         30m\nmodel: fluid\nload:\n  scenarios:\n{loads}",
        cluster.display()
    );
    for (name, text) in [
        ("manifests.yaml", &manifests),
        ("services.yaml", &(services + &classes)),
        ("scenario.yaml", &scenario),
    ] {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(folder.join("scenario.yaml"))
}

fn main() -> std::io::Result<()> {
    let folder = tempfile::tempdir()?;
    let scenario = many_services(folder.path())?;
    let status = Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .args(["run", "--stats", "--quiet", "--exit-zero"])
        .arg(scenario)
        .stdout(std::process::Stdio::null())
        .status()?;
    assert!(status.success(), "the day is simulated: {status}");
    Ok(())
}
