//! What workers reserve, give back, and do twice.

use super::*;

/// Five tasks of a second for workers with one place.
fn five_tasks(prefetch: u32, late_acks: bool, visibility_ms: u64) -> World<Notes> {
    let visibility_timeout = SimDuration::from_millis(visibility_ms);
    let worker = WorkerSpec { concurrency: 1, prefetch, late_acks, visibility_timeout };
    let graph = ServiceGraph {
        stations: vec![station("worker", StationKind::Worker(worker))],
        operations: vec![operation(0, "worker.task", seconds(1.0))],
        classes: vec![class(vec![call(0, None)])],
        ..ServiceGraph::default()
    };
    let mut world = World::new(graph, 1, Notes::default());
    for _ in 0..5 {
        world.begin(ClassId(0));
    }
    world
}

fn last_end(world: &World<Notes>) -> Option<SimTime> {
    ends(world).last().map(|(at, _)| *at)
}

#[test]
fn what_one_worker_has_reserved_no_idle_one_can_take() {
    // One place: four tasks wait inside the first worker, or one.
    for (prefetch, late_acks, done) in
        [(4, false, 5.0), (1, false, 3.0), (0, false, 5.0), (1, true, 3.0)]
    {
        let mut world = five_tasks(prefetch, late_acks, 3_600_000);
        world.serve(StationId(0), 1.0);
        world.serve(StationId(0), 1.0);
        run_until(&mut world, at(20.0));
        assert_eq!(last_end(&world), Some(at(done)), "prefetch {prefetch}, late {late_acks}");
    }
}

#[test]
fn a_warm_shutdown_finishes_what_was_begun_and_gives_the_rest_back() {
    let mut world = five_tasks(4, false, 3_600_000);
    let first = world.serve(StationId(0), 1.0);
    let second = world.serve(StationId(0), 1.0);
    run_until(&mut world, at(0.5));
    world.act(|services, ctx| services.terminate_server(ctx, first));
    run_until(&mut world, at(1.0));
    assert_eq!(world.services.inside_server(first), 4, "the first is done, four are reserved");
    let tasks = world.act(|services, ctx| services.destroy_server(ctx, first)).tasks;
    assert_eq!(tasks, TaskLosses { returned: 4, ..TaskLosses::default() });
    assert_eq!(world.services.inside_server(second), 4);
    run_until(&mut world, at(20.0));
    assert_eq!(world.services.tally().of(CallEnd::Completed), 5);
    assert_eq!(last_end(&world), Some(at(5.0)));
}

#[test]
fn a_task_longer_than_the_visibility_timeout_is_done_more_than_once() {
    let mut world = five_tasks(1, true, 700);
    for _ in 0..8 {
        world.serve(StationId(0), 1.0);
    }
    run_until(&mut world, at(1.1));
    let done = world.ear.0.operations.len();
    assert_eq!(done, 5);
    assert_eq!(world.services.inside(StationId(0)), 5, "five more were delivered at 0.7 s");
    // Early acknowledgement protects what is worked on; only what waits inside comes again.
    let mut world = five_tasks(4, false, 1_500);
    world.serve(StationId(0), 1.0);
    run_until(&mut world, at(30.0));
    assert!(world.ear.0.operations.len() > 5, "tasks three to five waited longer");
}
