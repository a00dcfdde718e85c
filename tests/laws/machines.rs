//! How servers share the cores of a full machine, and how limits hold them up.

use aurelius_sim::model::id::NodeId;
use aurelius_sim::service::Place;
use aurelius_sim::service::spec::CpuSpec;

use super::*;

fn on_node(cores: f64, weight: f64, limit: Option<f64>) -> Place {
    Place {
        machine: Some(NodeId(7)),
        zone: None,
        machine_cores: cores,
        limit,
        weight,
        background: 0.0,
    }
}

/// As many stations as demands; class `n` asks station `n` for its demand.
fn worlds(demands: &[f64], exact_quota: bool) -> World<Notes> {
    let kind = StationKind::Cpu(CpuSpec {
        concurrency: None,
        threads_per_request: 1.0,
        max_cores: None,
        exact_quota,
    });
    let mut graph = ServiceGraph::default();
    for (number, demand) in (0..).zip(demands) {
        let name = format!("station-{number}");
        graph.stations.push(station(&name, kind.clone()));
        graph.operations.push(operation(number, &format!("{name}.work"), seconds(*demand)));
        graph.classes.push(class(vec![call(number, None)]));
    }
    World::new(graph, 1, Notes::default())
}

fn busy(world: &mut World<Notes>, server: ServerId) -> f64 {
    let now = world.now;
    world.act(|services, _| services.usage(now, server).cpu_core_s)
}

fn crowd(world: &mut World<Notes>, class: u32, clients: u32) {
    for _ in 0..clients {
        world.begin(ClassId(class));
    }
}

#[test]
fn a_full_machine_is_shared_by_requests_and_what_one_leaves_the_other_takes() {
    let mut world = worlds(&[10.0, 1.0], false);
    let light = world.serve(StationId(0), on_node(4.0, 0.5, None));
    let heavy = world.serve(StationId(1), on_node(4.0, 1.5, None));
    crowd(&mut world, 0, 8);
    run_until(&mut world, at(1.0));
    assert!((busy(&mut world, light) - 4.0).abs() < 1e-6, "alone it has the machine");
    crowd(&mut world, 1, 6);
    run_until(&mut world, at(2.0));
    assert!((busy(&mut world, light) - 5.0).abs() < 1e-6, "a quarter of the weight");
    assert!((busy(&mut world, heavy) - 3.0).abs() < 1e-6, "three quarters of the weight");
    // Six requests of a core-second on three cores are done at 3 s; then the light one has all again.
    run_until(&mut world, at(4.0));
    assert!((busy(&mut world, heavy) - 6.0).abs() < 1e-6);
    assert!((busy(&mut world, light) - 10.0).abs() < 1e-6);
}

#[test]
fn one_that_wants_less_than_its_share_gets_what_it_wants() {
    let mut world = worlds(&[100.0, 100.0, 100.0], false);
    let one = world.serve(StationId(0), on_node(4.0, 2.0, None));
    let limited = world.serve(StationId(1), on_node(4.0, 1.0, Some(0.5)));
    let rest = world.serve(StationId(2), on_node(4.0, 1.0, None));
    crowd(&mut world, 0, 1);
    crowd(&mut world, 1, 4);
    crowd(&mut world, 2, 9);
    run_until(&mut world, at(10.0));
    for (server, cores) in [(one, 1.0), (limited, 0.5), (rest, 2.5)] {
        assert!((busy(&mut world, server) - 10.0 * cores).abs() < 1e-6, "{server:?}");
    }
    let ended = world.act(|services, ctx| services.destroy_server(ctx, rest));
    assert_eq!(ended.requests_cut, 9);
    run_until(&mut world, at(20.0));
    assert!((busy(&mut world, one) - 20.0).abs() < 1e-6, "one request uses one core");
}

#[test]
fn a_process_that_comes_up_takes_cores_from_those_that_serve() {
    let mut world = worlds(&[100.0, 1.0], false);
    let serving = world.serve(StationId(0), on_node(2.0, 1.0, None));
    crowd(&mut world, 0, 2);
    let starting = world.serve(StationId(1), on_node(2.0, 1.0, None));
    world.act(|services, ctx| services.set_starting(ctx.now, starting, 2.0, ctx.queue));
    run_until(&mut world, at(3.0));
    assert!((busy(&mut world, serving) - 3.0).abs() < 1e-6, "half of two cores");
    world.act(|services, ctx| services.set_starting(ctx.now, starting, 0.0, ctx.queue));
    run_until(&mut world, at(4.0));
    assert!((busy(&mut world, serving) - 5.0).abs() < 1e-6);
}

#[test]
fn a_busy_machine_works_at_full_rate_whoever_asks() {
    const SEED: u64 = 5;
    println!("seed {SEED}");
    let mut world = worlds(&[0.4, 0.7, 1.1], false);
    let servers: Vec<ServerId> = (0..3_u32)
        .map(|n| world.serve(StationId(n), on_node(3.0, 0.2 + f64::from(n), None)))
        .collect();
    let mut stream = Streams::new(SEED, 0).of("test/machine");
    // More work than three cores do in 30 s, and never fewer than three requests at once.
    for second in 0..30_u32 {
        for _ in 0..6 {
            world.begin(ClassId(stream.random_range(0..3)));
        }
        run_until(&mut world, at(f64::from(second + 1)));
        let worked: f64 = servers.iter().map(|server| busy(&mut world, *server)).sum();
        let offered = 3.0 * f64::from(second + 1);
        assert!((worked - offered).abs() < 1e-6, "{worked} of {offered} core-seconds");
    }
}

#[test]
fn a_quota_stops_a_process_until_the_next_period() {
    // Half a core: 50 ms of every 100 ms. A core-tenth takes a period and a half.
    let mut world = worlds(&[0.1], true);
    let server = world.serve(StationId(0), on_node(4.0, 1.0, Some(0.5)));
    world.begin(ClassId(0));
    run_until(&mut world, at(1.0));
    assert_eq!(ends(&world)[0].0, at(0.15));
    let now = world.now;
    let counts = world.act(|services, _| services.usage(now, server)).throttling;
    let counts = counts.expect("the request model knows");
    assert!((counts.throttled_periods - 1.0).abs() < 1e-9);
    assert!((counts.throttled_s - 0.05).abs() < 1e-9);
    // Within the quota nothing is held up; in the mean it would take twice as long.
    let mut short = worlds(&[0.04], true);
    short.serve(StationId(0), on_node(4.0, 1.0, Some(0.5)));
    short.begin(ClassId(0));
    let mut mean = worlds(&[0.04], false);
    mean.serve(StationId(0), on_node(4.0, 1.0, Some(0.5)));
    mean.begin(ClassId(0));
    for (world, took) in [(&mut short, 0.04), (&mut mean, 0.08)] {
        run_until(world, at(1.0));
        assert_eq!(ends(world)[0].0, at(took));
    }
    // Four at once use four cores, so that the quota is gone after 12.5 ms.
    let mut burst = worlds(&[0.02], true);
    burst.serve(StationId(0), on_node(4.0, 1.0, Some(0.5)));
    crowd(&mut burst, 0, 4);
    run_until(&mut burst, at(1.0));
    assert_eq!(ends(&burst)[0].0, at(0.107_5));
}

/// E39 of the worked cases: a limit (cores), requests at once and the work of each (ms), when in the period
/// they come (ms) and how long they take (ms).
#[test]
fn bursts_wait_for_the_next_period_as_worked_out_by_hand() {
    let rows = [
        (0.5, 1, 120.0, 0.0, 220.0),
        (0.5, 1, 120.0, 60.0, 170.0),
        (1.0, 4, 50.0, 0.0, 125.0),
        (2.0, 8, 37.5, 0.0, 112.5),
        (0.2, 1, 30.0, 0.0, 110.0),
        (0.2, 1, 30.0, 90.0, 30.0),
    ];
    for (limit, threads, work_ms, comes_ms, takes_ms) in rows {
        let mut world = worlds(&[work_ms / 1e3], true);
        world.serve(StationId(0), on_node(16.0, 1.0, Some(limit)));
        run_until(&mut world, at(comes_ms / 1e3));
        crowd(&mut world, 0, threads);
        run_until(&mut world, at(1.0));
        let ended = ends(&world);
        let last = ended.iter().map(|end| end.0).max().expect("all of them end");
        assert_eq!(
            last,
            at((comes_ms + takes_ms) / 1e3),
            "{limit} cores, {work_ms} ms of {threads}"
        );
    }
}

#[test]
fn a_quota_and_its_mean_give_the_same_cores_in_the_long_run() {
    for exact in [true, false] {
        let mut world = worlds(&[0.03], exact);
        let server = world.serve(StationId(0), on_node(8.0, 1.0, Some(1.5)));
        world.populate(ClassId(0), 6);
        run_until(&mut world, at(60.0));
        let used = busy(&mut world, server);
        assert!((used - 90.0).abs() < 0.2, "{used} core-seconds, exact: {exact}");
        let now = world.now;
        let counts = world.act(|services, _| services.usage(now, server)).throttling;
        let counts = counts.expect("the request model knows");
        // Six threads on 1.5 cores run for a quarter of each period.
        assert!((counts.throttled_s - 45.0).abs() < 0.5, "{counts:?}");
        assert!((counts.throttled_periods / counts.periods - 1.0).abs() < 0.02, "{counts:?}");
    }
}
