//! Whole runs of shipped scenarios: what a user waits for. The peak's first ten minutes and the night's
//! first half hour show where time goes; the whole peak is the figure that counts (elements are events).

use std::path::Path;

use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::scenario::Scenario;
use aurelius_sim::sweep::{SweepOptions, run};
use aurelius_sim::units::SimDuration;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn shipped(name: &str, minutes: u64) -> Scenario {
    let path = format!("scenarios/{name}.yaml");
    let loaded = load_scenario(Path::new(&path), &LoadOptions::default());
    let mut scenario = loaded.scenario.expect("the tests load every shipped scenario");
    scenario.duration = scenario.duration.min(SimDuration::from_secs(minutes * 60));
    scenario
}

/// A day of fifty services with an HPA each, five deep, on a pool that the autoscaler sizes.
fn many_services(dir: &Path) -> Scenario {
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
    let path = dir.join("scenario.yaml");
    for (name, text) in [
        ("manifests.yaml", &manifests),
        ("services.yaml", &(services + &classes)),
        ("scenario.yaml", &scenario),
    ] {
        std::fs::write(dir.join(name), text).expect("a temporary directory can be written");
    }
    let loaded = load_scenario(&path, &LoadOptions::default());
    loaded.scenario.expect("what is generated is valid")
}

fn scenarios(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scenario");
    group.sample_size(10);
    // The last one is a day by the fluid model; its elements are events of the control plane.
    for (name, minutes) in [("peak", 10), ("night", 30), ("peak", 120), ("day", 24 * 60)] {
        let scenario = shipped(name, minutes);
        let simulate = || run(&scenario, SweepOptions::single(scenario.seed), 0, &|_| {});
        group.throughput(Throughput::Elements(simulate().outcome.events));
        group.bench_function(BenchmarkId::new(name, format!("{minutes}m")), |bencher| {
            bencher.iter(simulate);
        });
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let scenario = many_services(dir.path());
    let simulate = || run(&scenario, SweepOptions::single(scenario.seed), 0, &|_| {});
    group.throughput(Throughput::Elements(simulate().outcome.events));
    group.bench_function("a day of fifty services", |bencher| bencher.iter(simulate));
    group.finish();
}

criterion_group!(benches, scenarios);
criterion_main!(benches);
