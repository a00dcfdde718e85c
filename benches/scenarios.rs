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
    group.finish();
}

criterion_group!(benches, scenarios);
criterion_main!(benches);
