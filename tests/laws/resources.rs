//! What requests share beside CPUs: disks, links, the network, connections that stay open, caches.

use aurelius_sim::model::id::NodeId;
use aurelius_sim::service::Place;
use aurelius_sim::service::spec::{
    CacheSpec, DiskSpec, IoSpec, LinkSpec, NetworkSpec, Routing, ServiceGraph,
};
use aurelius_sim::units::Bytes;

use super::*;

fn one(change: impl FnOnce(&mut ServiceGraph)) -> World<Notes> {
    let mut graph = single(None, None, None);
    change(&mut graph);
    World::new(graph, 1, Notes::default())
}

fn at_place(node: u32, zone: u64) -> Place {
    Place { machine: Some(NodeId(node)), zone: Some(zone), ..Place::alone(1_000.0) }
}

fn end_times(world: &World<Notes>) -> Vec<f64> {
    ends(world).iter().map(|(at, _)| at.as_secs_f64()).collect()
}

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
}

#[test]
fn a_disk_gives_its_operations_and_bytes_and_no_more() {
    let disk = |burst_s: f64| DiskSpec {
        iops: 100.0,
        bytes_per_second: 1_048_576.0,
        burst_s,
        latency: Dist::fixed(SimDuration::from_millis(1)),
    };
    let io = |operations: f64, bytes: i64| IoSpec { operations, bytes: Bytes(bytes) };
    // Ten operations each take a tenth of a second of the disk; half a mebibyte takes half a second.
    let rows = [
        (0.0, io(10.0, 0), [0.101, 0.201, 0.301]),
        (0.15, io(10.0, 0), [0.001, 0.051, 0.151]),
        (0.0, io(1.0, 524_288), [0.501, 1.001, 1.501]),
    ];
    for (burst_s, io, expected) in rows {
        let mut world = one(|graph| {
            graph.stations[0].disk = Some(disk(burst_s));
            graph.operations[0].io = Some(io);
        });
        world.serve(StationId(0), 1.0);
        for _ in 0..3 {
            world.begin(ClassId(0));
        }
        run_until(&mut world, at(10.0));
        near(&end_times(&world), &expected);
    }
    // A mebibyte is four operations of the largest size.
    assert!((io(1.0, 1_048_576).counted() - 4.0).abs() < 1e-12);
}

#[test]
fn answers_share_a_link_and_none_is_faster_than_its_connection() {
    let mut world = one(|graph| {
        let link = LinkSpec { bytes_per_second: 100e6, per_connection: 60e6 };
        graph.stations[0].link = Some(link);
        graph.operations[0].payload = Bytes(60_000_000);
    });
    world.serve(StationId(0), 1.0);
    world.begin(ClassId(0));
    run_until(&mut world, at(0.5));
    world.begin(ClassId(0));
    run_until(&mut world, at(10.0));
    // Alone at 60 MB/s for half a second; then two at 50 MB/s until the first is done at 1.1 s; what is
    // left of the second, 30 MB, takes half a second alone.
    near(&end_times(&world), &[1.1, 1.6]);
}

#[test]
fn a_link_of_pods_grows_with_them_and_the_transfers_of_the_dead_end_nobody() {
    let mut world = one(|graph| {
        let link = LinkSpec { bytes_per_second: 10e6, per_connection: 10e6 };
        graph.stations[0].link = Some(link);
        graph.operations[0].payload = Bytes(10_000_000);
        graph.stations[0].routing = Routing::RoundRobin;
    });
    let first = world.serve(StationId(0), 1.0);
    world.serve(StationId(0), 1.0);
    world.begin(ClassId(0));
    world.begin(ClassId(0));
    run_until(&mut world, at(0.5));
    let ended = world.act(|services, ctx| services.destroy_server(ctx, first));
    assert_eq!(ended.requests_cut, 1);
    world.begin(ClassId(0));
    run_until(&mut world, at(20.0));
    assert_eq!(world.ear.0.calls.len(), 3, "every call ends once");
    assert_eq!(world.services.inside(StationId(0)), 0);
}

#[test]
fn a_call_takes_the_way_between_its_ends_and_its_payload() {
    let way = |millis: u64| Some(Dist::fixed(SimDuration::from_millis(millis)));
    for (caller, callee, expected) in
        [((1, 1), (1, 1), 0.051), ((1, 1), (2, 1), 0.055), ((1, 1), (2, 2), 0.070)]
    {
        let mut world = one(|graph| {
            graph.network = Some(NetworkSpec {
                same_node: way(1),
                same_zone: way(5),
                cross_zone: way(20),
                outside: None,
                clients: way(40),
                bytes_per_second: Some(1e6),
            });
            graph.stations.push(station("store", cpu(None)));
            graph.operations.push(operation(1, "store.get", None));
            graph.operations[1].payload = Bytes(10_000);
            graph.operations[0].steps =
                vec![StepSpec { calls: vec![CallSpec::to(OperationId(1))] }];
        });
        world.serve(StationId(0), at_place(caller.0, caller.1));
        let store = world.serve(StationId(1), at_place(callee.0, callee.1));
        world.begin(ClassId(0));
        run_until(&mut world, at(0.000_1));
        assert_eq!(world.services.inside_server(store), 0, "the answer has left");
        run_until(&mut world, at(1.0));
        near(&end_times(&world), &[expected]);
    }
}

#[test]
fn who_gives_up_while_the_answer_travels_is_not_answered_twice() {
    let mut world = one(|graph| {
        let clients = Some(Dist::fixed(SimDuration::from_millis(100)));
        graph.network = Some(NetworkSpec { clients, ..NetworkSpec::default() });
        graph.classes = vec![class(vec![call(0, Some(SimDuration::from_millis(50)))])];
    });
    world.serve(StationId(0), 1.0);
    world.begin(ClassId(0));
    run_until(&mut world, at(1.0));
    let calls = &world.ear.0.calls;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].1.end, CallEnd::TimedOut);
    assert_eq!(world.ear.0.operations.len(), 1, "the service saw one request, which it answered");
    assert_eq!(world.services.tally().ended(), 1);
}

#[test]
fn connections_that_stay_open_miss_new_pods_until_they_are_made_anew() {
    for (age, misses) in [(None, true), (Some(SimDuration::from_secs(10)), false)] {
        let mut world = one(|graph| {
            graph.stations[0].routing = Routing::Pinned;
            graph.stations[0].connection_age = age;
            let pause = ClientStep::Sleep(Dist::fixed(SimDuration::from_millis(100)));
            graph.classes = vec![class(vec![call(0, None), pause])];
        });
        world.serve(StationId(0), 1.0);
        // Virtual users 0 to 39, each of which keeps its connection.
        for vu in 0..40 {
            world.act(|services, ctx| services.begin_iteration(ctx, harness::LOAD, ClassId(0), vu));
        }
        run_until(&mut world, at(1.0));
        let late = world.serve(StationId(0), 1.0);
        for second in 1..30_u32 {
            for vu in 0..40 {
                world.act(|services, ctx| {
                    services.begin_iteration(ctx, harness::LOAD, ClassId(0), vu)
                });
            }
            run_until(&mut world, at(f64::from(second + 1)));
        }
        let served = world.services.served_by(late);
        assert_eq!(served == 0, misses, "{served} requests at the new pod, age {age:?}");
    }
}

#[test]
fn a_pod_that_ends_has_its_connections_made_anew() {
    let mut world = one(|graph| graph.stations[0].routing = Routing::Pinned);
    let first = world.serve(StationId(0), 1.0);
    world.begin(ClassId(0));
    let second = world.serve(StationId(0), 1.0);
    world.begin(ClassId(0));
    assert_eq!((world.services.served_by(first), world.services.served_by(second)), (2, 0));
    world.act(|services, ctx| services.destroy_server(ctx, first));
    world.begin(ClassId(0));
    assert_eq!(world.services.served_by(second), 1);
}

#[test]
fn a_cache_spares_the_store_when_it_is_warm() {
    const ASKED: u32 = 4_000;
    for (warm_after, expected) in [(0.0, 0.2), (1_000.0, 0.2 + 0.8 * 0.245_4)] {
        let mut world = one(|graph| {
            graph.stations.push(station("store", cpu(None)));
            graph.operations.push(operation(1, "store.get", None));
            graph.operations[0].steps =
                vec![StepSpec { calls: vec![CallSpec::to(OperationId(1))] }];
            graph.operations[0].cache = Some(CacheSpec { hit_ratio: 0.8, warm_after });
        });
        world.serve(StationId(0), 1.0);
        let store = world.serve(StationId(1), 1.0);
        for _ in 0..ASKED {
            world.begin(ClassId(0));
        }
        // Cold, the share of misses is 1 - 0.8 (1 - e^(-n / 1000)): over the first 4,000 its mean is
        // 0.2 + 0.8 x 1000 (1 - e^-4) / 4000.
        let missed = f64::from(u32::try_from(world.services.served_by(store)).expect("few"))
            / f64::from(ASKED);
        assert!((missed - expected).abs() < 0.02, "{missed}, expected {expected}");
    }
}
