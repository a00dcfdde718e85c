//! Random graphs under random mishaps: pods come, drain and die, clients lose patience or are cut.

use super::*;

/// Sums what it hears of.
#[derive(Default)]
struct Sums {
    ends: [u64; 5],
    /// Nanoseconds of sojourn by station.
    sojourns_ns: Vec<u128>,
}

impl Ear for Sums {
    fn call_ended(&mut self, _: SimTime, call: &ClientCall) {
        self.ends[match call.end {
            CallEnd::Completed => 0,
            CallEnd::TimedOut => 1,
            CallEnd::Refused => 2,
            CallEnd::Cut => 3,
            CallEnd::Failed => 4,
        }] += 1;
    }
    fn operation_ended(&mut self, _: SimTime, _: OperationId, ended: &OperationEnd) {
        self.sojourns_ns[ended.station.index()] += u128::from(ended.took.as_nanos());
    }
}

fn exponential(mean_s: f64) -> Dist {
    Dist::exponential(mean_s).expect("not negative")
}

fn random_kind(stream: &mut Stream) -> StationKind {
    let ms = SimDuration::from_millis;
    match stream.random_range(0..5) {
        0 => cpu(None),
        1 => cpu(Some(stream.random_range(1..4))),
        2 => StationKind::Gpu(GpuSpec {
            max_batch: stream.random_range(1..5),
            max_queue_delay: ms(stream.random_range(0..50)),
            latency: BatchLatency::Line { base: ms(5), per_item: ms(3) },
        }),
        3 => StationKind::Worker(WorkerSpec {
            concurrency: stream.random_range(1..3),
            prefetch: 1,
            late_acks: stream.random(),
        }),
        _ => StationKind::Delay,
    }
}

fn random_timeout(stream: &mut Stream) -> Option<SimDuration> {
    stream.random_bool(0.6).then(|| SimDuration::from_millis(stream.random_range(1..400)))
}

/// Stations with one operation each, which call only later ones.
fn random_graph(stream: &mut Stream) -> ServiceGraph {
    let count = stream.random_range(1..6_u32);
    let mut graph = ServiceGraph::default();
    for number in 0..count {
        let kind = random_kind(stream);
        let mut work = operation(number, &format!("{number}.work"), None);
        work.cpu = stream.random_bool(0.8).then(|| exponential(0.02));
        work.wait = stream.random_bool(0.5).then(|| exponential(0.03));
        work.gpu = matches!(kind, StationKind::Gpu(_)).then(|| match stream.random() {
            true => GpuWork::Items(stream.random_range(1..3)),
            false => GpuWork::Time(exponential(0.01)),
        });
        for _ in 0..stream.random_range(0..3) {
            let callees = (number + 1..count).filter(|_| stream.random_bool(0.5));
            let calls = callees.collect::<Vec<_>>().into_iter().map(|callee| CallSpec {
                operation: OperationId(callee),
                count: stream.random_range(0..3),
                probability: stream.random_range(0.3..1.3),
                timeout: random_timeout(stream),
                mode: if stream.random() { CallMode::Wait } else { CallMode::Enqueue },
            });
            work.steps.push(StepSpec { calls: calls.collect() });
        }
        let mut spec = station(&number.to_string(), kind);
        spec.backlog = stream.random_bool(0.5).then(|| stream.random_range(0..6));
        graph.stations.push(spec);
        graph.operations.push(work);
    }
    let steps = (0..stream.random_range(1..4)).map(|_| {
        let operation = stream.random_range(0..count);
        call(operation, random_timeout(stream))
    });
    graph.classes.push(class(steps.collect()));
    graph
}

/// Something happens to a pod or a client.
fn mishap(
    world: &mut World<Sums>,
    servers: &mut Vec<ServerId>,
    stations: usize,
    stream: &mut Stream,
) {
    let count = servers.len();
    let victim = (count > 0).then(|| stream.random_range(0..count));
    let Some(victim) = victim.filter(|_| count > stations) else {
        servers.push(world.serve(StationId::at(stream.random_range(0..stations)), 1.5));
        return;
    };
    let id = servers[victim];
    match stream.random_range(0..6) {
        0 => {
            let station = StationId::at(stream.random_range(0..stations));
            servers.push(world.serve(station, 0.7));
        }
        1 => {
            servers.swap_remove(victim);
            world.act(|services, ctx| services.destroy_server(ctx, id));
        }
        2 => world.act(|services, ctx| services.drain_server(ctx, id)),
        3 => world.services.close_server(id),
        4 => world.act(|services, ctx| services.open_server(ctx, id)),
        _ => {
            let cores = stream.random_range(0.1..4.0);
            world.act(|services, ctx| services.set_cores(ctx.now, id, cores, ctx.queue));
        }
    }
}

fn assert_conserved(world: &World<Sums>, seed: u64) {
    let tally = world.services.tally();
    let CallTally { begun, completed, timed_out, refused, cut, failed, interrupted } = tally;
    let told = [completed, timed_out, refused, cut, failed];
    assert_eq!(world.ear.0.ends, told, "seed {seed}: what is told is what is counted");
    let inside = u64::try_from(world.services.calls_awaited()).expect("few");
    let ended = told.iter().sum::<u64>() + interrupted;
    assert_eq!(begun, ended + inside, "seed {seed} at {}: {tally:?}", world.now);
}

/// Runs one world until it is empty, checking that nobody is made or lost.
fn run(seed: u64) -> (CallTally, SimTime) {
    let mut stream = Streams::new(seed, 0).of("swarm");
    let graph = random_graph(&mut stream);
    let stations = graph.stations.len();
    let sums = Sums { sojourns_ns: vec![0; stations], ..Sums::default() };
    let mut world = World::new(graph, seed, sums);
    let mut servers: Vec<ServerId> =
        (0..stations).map(|at| world.serve(StationId::at(at), 2.0)).collect();
    let mut arrivals = world.poisson(stream.random_range(5.0..80.0));
    arrivals.arm(&mut world);
    let mut clients = Vec::new();
    for _ in 0..1_500 {
        match stream.random_range(0..40) {
            0 => mishap(&mut world, &mut servers, stations, &mut stream),
            1 if !clients.is_empty() => {
                let client = clients[stream.random_range(0..clients.len())];
                world.services.interrupt_client(client);
            }
            _ => {
                assert!(matches!(world.next(), Some(Event::Arrival(_))), "seed {seed}");
                clients.push(world.begin(ClassId(0)));
                arrivals.arm(&mut world);
            }
        }
        assert_conserved(&world, seed);
    }
    for at in 0..stations {
        world.serve(StationId::at(at), 2.0);
    }
    assert!(matches!(world.next(), Some(Event::Arrival(_))), "seed {seed}: the last one");
    assert_eq!(world.next(), None, "seed {seed}: only the services' own events are left");
    assert_conserved(&world, seed);
    assert_eq!(world.services.clients_inside(), 0, "seed {seed}");
    for (at, sojourns_ns) in world.ear.0.sojourns_ns.iter().enumerate() {
        assert_eq!(world.services.inside(StationId::at(at)), 0, "seed {seed}, station {at}");
        assert_eq!(world.services.waiting(StationId::at(at)), 0, "seed {seed}, station {at}");
        // Little's law, exact in an emptied system: the area under the number inside is the sum
        // of all sojourns.
        let area_s = world.services.inside_area_s(world.now, StationId::at(at));
        let sum_s = *sojourns_ns as f64 / 1e9;
        assert!((area_s - sum_s).abs() < 1e-6, "seed {seed}, station {at}: {area_s} and {sum_s}");
    }
    (world.services.tally(), world.now)
}

#[test]
fn nobody_is_made_or_lost() {
    let mut total = CallTally::default();
    for seed in 0..300 {
        let (tally, _) = run(seed);
        total.completed += tally.completed;
        total.timed_out += tally.timed_out;
        total.refused += tally.refused;
        total.cut += tally.cut;
        total.failed += tally.failed;
        total.interrupted += tally.interrupted;
    }
    // The swarm is worth something only if it reaches every way to end.
    let CallTally { completed, timed_out, refused, cut, failed, interrupted, .. } = total;
    for count in [completed, timed_out, refused, cut, failed, interrupted] {
        assert!(count > 100, "{total:?}");
    }
}

#[test]
fn a_seed_means_the_same_run() {
    for seed in [3, 14, 159] {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
