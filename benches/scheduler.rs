//! How long the scheduler takes for a pod: full scoring, by size of the cluster and number of
//! templates.
//!
//! What it took in November 2026: CPU seconds of one core of a busy virtual machine of two, built without
//! link-time optimisation; the most memory the process ever held. 100 pods a node, 100,000 at most.
//! "Adaptive" looks for as many feasible nodes as kube-scheduler does by itself (100 of 100, 420 of 1,000,
//! 500 of 5,000), "all" scores every node.
//!
//! | nodes | pods    | search   | 1 template      | 500 templates    | per pod and node examined |
//! |-------|---------|----------|-----------------|------------------|---------------------------|
//! | 100   | 10,000  | all      | 0.02 s, 10 MiB  | 0.06 s, 17 MiB   | 17 ns, 60 ns              |
//! | 1,000 | 100,000 | adaptive | 0.5 s, 17 MiB   | 1.2 s, 46 MiB    | 12 ns, 28 ns              |
//! | 1,000 | 100,000 | all      | 1.2 s, 17 MiB   | 1.9 s, 46 MiB    | 12 ns, 19 ns              |
//! | 5,000 | 100,000 | adaptive | 0.7 s, 25 MiB   | 1.0 s, 147 MiB   | 13 ns, 21 ns              |
//! | 5,000 | 100,000 | all      | 5.5 s, 24 MiB   | 6.7 s, 142 MiB   | 11 ns, 13 ns              |
//!
//! So time grows no faster than pods times nodes examined. What 500 templates cost on top is working out each
//! node anew for each of them; memory grows with nodes times templates.

use std::hint::black_box;
use std::sync::Arc;

use aurelius_sim::cluster::api::{Container, LabelSelector, Labels, PodSpec, PodTemplate};
use aurelius_sim::control::scheduler::{
    NodeInfo, Outcome, PodDescription, PodInfo, Scheduler, SchedulerConfig, ShapeId, Snapshot,
    Surroundings,
};
use aurelius_sim::engine::Streams;
use aurelius_sim::model::PodId;
use aurelius_sim::units::{Bytes, MilliCpu, ResourceList, Resources};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const GIBI: i64 = 1 << 30;
/// Pods per node: every pod finds room, and the last ones have to look for it.
const PODS_PER_NODE: u32 = 100;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v))).collect()
}

/// Nodes of 16 cores and 64Gi over three zones.
fn cluster(nodes: u32) -> Snapshot {
    let mut snapshot = Snapshot::new(Surroundings::default());
    for number in 0..nodes {
        let name = format!("node-{number}");
        let zone = ["a", "b", "c"][usize::try_from(number % 3).expect("less than three")];
        snapshot.add_node(NodeInfo {
            name: Arc::from(name.as_str()),
            labels: labels(&[
                ("kubernetes.io/hostname", &name),
                ("topology.kubernetes.io/zone", zone),
            ]),
            allocatable: Resources::new(MilliCpu(16_000), Bytes(64 * GIBI)),
            max_pods: 110,
            ..NodeInfo::default()
        });
    }
    snapshot
}

/// Shapes that each spread by a selector of their own, as Deployments' pods do.
fn shapes(snapshot: &mut Snapshot, templates: u32) -> Vec<ShapeId> {
    (0..templates)
        .map(|number| {
            let labels = labels(&[("app", &format!("app-{number}"))]);
            let requests = ResourceList {
                cpu: Some(MilliCpu(100 + i64::from(number % 5) * 10)),
                memory: Some(Bytes(GIBI / 4 + i64::from(number % 7) * (GIBI / 64))),
                ..ResourceList::default()
            };
            let spec = PodSpec {
                containers: vec![Container { requests, ..Container::default() }],
                ..PodSpec::default()
            };
            snapshot.add_shape(PodDescription {
                namespace: Arc::from("default"),
                owner_selector: Some(LabelSelector::of_labels(labels.clone())),
                labels: labels.clone(),
                template: Arc::new(PodTemplate { labels, spec, ..PodTemplate::default() }),
            })
        })
        .collect()
}

/// Places `pods` pods, of each template in turn, and returns how many found a node.
fn place(snapshot: &mut Snapshot, shapes: &[ShapeId], pods: u32, percentage: i32) -> u32 {
    let config = SchedulerConfig { percentage_of_nodes_to_score: percentage };
    let mut scheduler = Scheduler::new(config, Streams::new(1, 0).of("scheduler/ties"));
    let mut placed = 0;
    for (number, shape) in (0..pods).zip(shapes.iter().cycle()) {
        let pod = PodInfo::new(PodId(number), *shape);
        let outcome = scheduler.schedule_one(snapshot, &pod, &[]);
        placed += u32::from(matches!(outcome, Outcome::Bind { .. }));
    }
    placed
}

fn scheduler(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheduler");
    group.sample_size(10);
    for nodes in [100, 1_000, 5_000] {
        for templates in [1, 500] {
            for (sampling, percentage) in [("adaptive", 0), ("all", 100)] {
                let pods = (nodes * PODS_PER_NODE).min(100_000);
                group.throughput(Throughput::Elements(u64::from(pods)));
                let name = format!("{nodes} nodes, {sampling}");
                group.bench_function(BenchmarkId::new(name, templates), |bencher| {
                    bencher.iter_batched(
                        || {
                            let mut snapshot = cluster(nodes);
                            let shapes = shapes(&mut snapshot, templates);
                            (snapshot, shapes)
                        },
                        |(mut snapshot, shapes)| {
                            let placed = place(&mut snapshot, &shapes, pods, percentage);
                            assert_eq!(placed, pods, "every pod finds room");
                            black_box(snapshot)
                        },
                        BatchSize::PerIteration,
                    );
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, scheduler);
criterion_main!(benches);
