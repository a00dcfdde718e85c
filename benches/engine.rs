//! What the kernel and the request model cost: the event queue at several sizes, M/M/10 at nine
//! tenths of its capacity, and a call that passes through three services.

use std::hint::black_box;

use aurelius_sim::engine::{Dist, EventQueue, Rank, Streams};
use aurelius_sim::model::event::Event;
use aurelius_sim::model::id::{ClassId, OperationId, StationId};
use aurelius_sim::service::ServiceGraph;
use aurelius_sim::service::spec::{
    BatchLatency, CallSpec, GpuSpec, GpuWork, StationKind, StepSpec,
};
use aurelius_sim::units::{SimDuration, SimTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::RngExt;

#[path = "../tests/harness/mod.rs"]
mod harness;

use harness::{Ear, World, call, class, cpu, operation, station};

const STEPS: u64 = 1_000_000;
const RANK: Rank = Rank(1);

/// Hears nothing.
struct Deaf;

impl Ear for Deaf {}

/// Random gaps, drawn before anything is measured.
fn gaps() -> Vec<SimDuration> {
    let mut stream = Streams::new(42, 0).of("bench/gaps");
    (0..4_096).map(|_| SimDuration::from_nanos(stream.random_range(1..1_000_000))).collect()
}

/// The hold model: the next event comes out and another goes in, at a constant number pending.
fn hold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue/hold");
    group.sample_size(10).throughput(Throughput::Elements(STEPS));
    let gaps = gaps();
    for pending in [100_usize, 1_000, 100_000] {
        let mut queue = EventQueue::new();
        for number in 0..pending {
            queue.schedule(SimTime::ZERO + gaps[number % gaps.len()], RANK, number);
        }
        group.bench_function(pending.to_string(), |bencher| {
            bencher.iter(|| {
                for gap in gaps.iter().cycle().take(usize::try_from(STEPS).expect("a million")) {
                    let (now, event) = queue.pop().expect("as many are pending as before");
                    queue.schedule(now + *gap, RANK, black_box(event));
                }
            });
        });
    }
    group.finish();
}

/// Timers moved in place, as by completions that every arrival puts off.
fn moves(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue/move");
    group.sample_size(10).throughput(Throughput::Elements(STEPS));
    let gaps = gaps();
    for pending in [100_usize, 1_000, 100_000] {
        let mut queue = EventQueue::new();
        let timers: Vec<_> = (0..pending).map(|number| queue.timer(number)).collect();
        group.bench_function(pending.to_string(), |bencher| {
            bencher.iter(|| {
                for step in 0..usize::try_from(STEPS).expect("a million") {
                    let at = SimTime::ZERO + gaps[step % gaps.len()];
                    queue.arm(timers[step * 7_919 % pending], at, RANK);
                }
            });
        });
    }
    group.finish();
}

/// Lets so many Poisson arrivals come in and ends with the last.
fn arrivals(graph: ServiceGraph, cores: f64, per_second: f64, count: u64) -> SimTime {
    let stations = graph.stations.len();
    let mut world = World::new(graph, 42, Deaf);
    for number in 0..stations {
        world.serve(StationId::at(number), cores);
    }
    let mut arrivals = world.poisson(per_second);
    for _ in 0..count {
        arrivals.arm(&mut world);
        assert!(matches!(world.next(), Some(Event::Arrival(_))), "only arrivals are due");
        world.begin(ClassId(0));
    }
    world.now
}

fn exponential(mean: f64) -> Option<Dist> {
    Some(Dist::exponential(mean).expect("a mean above zero"))
}

/// A FIFO queue of ten servers at 0.9, ten million requests.
fn ten_servers(criterion: &mut Criterion) {
    let requests = 10_000_000;
    let mut group = criterion.benchmark_group("service/mm10");
    group.sample_size(10).throughput(Throughput::Elements(requests));
    let graph = ServiceGraph {
        stations: vec![station("s", cpu(Some(10)))],
        operations: vec![operation(0, "s.work", exponential(0.01))],
        classes: vec![class(vec![call(0, None)])],
        ..ServiceGraph::default()
    };
    group.bench_function("10M", |bencher| {
        bencher.iter(|| arrivals(graph.clone(), 10.0, 900.0, requests));
    });
    group.finish();
}

/// Gateway, service and database with timeouts, a million client calls.
fn three_hops(criterion: &mut Criterion) {
    let requests = 1_000_000;
    let mut group = criterion.benchmark_group("service/three hops");
    group.sample_size(10).throughput(Throughput::Elements(requests));
    let mut operations: Vec<_> = (0..3)
        .map(|number| operation(number, &format!("{number}.work"), exponential(0.01)))
        .collect();
    for (number, caller) in operations.iter_mut().take(2).enumerate() {
        let next = OperationId::at(number + 1);
        let timeout = Some(SimDuration::from_secs(1));
        let call = CallSpec { timeout, ..CallSpec::to(next) };
        caller.steps = vec![StepSpec { calls: vec![call] }];
    }
    let graph = ServiceGraph {
        stations: ["gateway", "api", "database"].map(|name| station(name, cpu(None))).to_vec(),
        operations,
        classes: vec![class(vec![call(0, Some(SimDuration::from_secs(2)))])],
        ..ServiceGraph::default()
    };
    group.bench_function("1M", |bencher| {
        bencher.iter(|| arrivals(graph.clone(), 10.0, 800.0, requests));
    });
    group.finish();
}

/// Clients that keep a GPU's batches full, a million calls.
fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("service/gpu batches");
    group.sample_size(10).throughput(Throughput::Elements(1_000_000));
    let (base, per_item) = (SimDuration::from_millis(4), SimDuration::from_millis(1));
    let latency = BatchLatency::Line { base, per_item };
    let gpu = GpuSpec { max_batch: 16, max_queue_delay: SimDuration::ZERO, latency };
    let mut infer = operation(0, "gpu.infer", None);
    infer.gpu = Some(GpuWork::Items(1));
    let graph = ServiceGraph {
        stations: vec![station("gpu", StationKind::Gpu(gpu))],
        operations: vec![infer],
        classes: vec![class(vec![call(0, None)])],
        ..ServiceGraph::default()
    };
    // 16 in every 20 ms.
    let end = SimTime::from_secs(1_250);
    group.bench_function("1M", |bencher| {
        bencher.iter(|| {
            let mut world = World::new(graph.clone(), 42, Deaf);
            world.serve(StationId(0), 1.0);
            world.populate(ClassId(0), 48);
            world.queue.schedule(end, Event::Horizon.rank(), Event::Horizon);
            world.next()
        });
    });
    group.finish();
}

criterion_group!(benches, hold, moves, ten_servers, three_hops, batches);
criterion_main!(benches);
