//! What an arrival costs: a million Poisson arrivals of a constant, a ramping and a diurnal rate.

use std::hint::black_box;

use aurelius_sim::engine::Streams;
use aurelius_sim::load::draft::{Diurnal, OpenVus, RateStage};
use aurelius_sim::load::{Arrivals, Executor, LoadDraft, LoadSpec, Mix, Rate};
use aurelius_sim::model::id::ClassId;
use aurelius_sim::units::{SimDuration, SimTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const VUS: OpenVus = OpenVus { pre_allocated: 1, max: 1 };

/// Executors of about a million arrivals each.
fn executors() -> [(&'static str, Executor); 3] {
    let (rate, hour) = (Rate::per_second(277.8), SimDuration::from_secs(3_600));
    let stages = [500.0, 500.0, 100.0, 0.0]
        .map(|target| RateStage { duration: hour / 4, target: Rate::per_second(target) })
        .to_vec();
    let day = Diurnal {
        base: Rate::per_second(3.15),
        peak: Rate::per_second(20.0),
        peak_at: None,
        profile: None,
        clock: SimDuration::ZERO,
        duration: hour * 24,
    };
    [
        ("constant", Executor::ConstantArrivalRate { rate, duration: hour, vus: VUS }),
        ("ramping", Executor::RampingArrivalRate { start_rate: Rate::ZERO, stages, vus: VUS }),
        ("diurnal", Executor::Diurnal(day)),
    ]
}

fn arrivals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load/poisson");
    group.sample_size(10);
    for (name, executor) in executors() {
        let draft = LoadDraft::new(name, Mix::only(ClassId(0)), executor);
        let spec = LoadSpec::new(draft).expect("the executors of this benchmark are valid");
        let arrivals = || {
            let stream = Streams::new(42, 0).of("arrivals/bench");
            Arrivals::new(&spec, SimTime::ZERO, stream).expect("the load is open")
        };
        let mut one_pass = arrivals();
        let count = std::iter::from_fn(|| one_pass.next_arrival()).count();
        group.throughput(Throughput::Elements(u64::try_from(count).expect("a million")));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut arrivals = arrivals();
                let mut last = SimTime::ZERO;
                while let Some(at) = arrivals.next_arrival() {
                    last = black_box(at);
                }
                last
            });
        });
    }
    group.finish();
}

criterion_group!(benches, arrivals);
criterion_main!(benches);
