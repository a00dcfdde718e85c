//! What stands before a service: limits, and connections that run out.

use super::*;

/// An API that works for nothing, asks a store for a second, then waits a second.
fn api_and_store(pool: Option<PoolSpec>, connections: Option<ConnectionSpec>) -> World<Notes> {
    let mut page = operation(0, "api.page", None);
    let after = StepSpec { calls: vec![CallSpec::to(OperationId(2))] };
    page.steps = vec![StepSpec { calls: vec![CallSpec::to(OperationId(1))] }, after];
    let mut query = operation(1, "store.query", None);
    query.wait = seconds(1.0);
    let mut other = operation(2, "other.get", None);
    other.wait = seconds(1.0);
    let mut api = station("api", cpu(None));
    api.pools = pool.into_iter().collect();
    let mut store = station("store", StationKind::Delay);
    store.connections = connections;
    let graph = ServiceGraph {
        stations: vec![api, store, station("other", StationKind::Delay)],
        operations: vec![page, query, other],
        classes: vec![class(vec![call(0, None)])],
        ..ServiceGraph::default()
    };
    let mut world = World::new(graph, 1, Notes::default());
    world.serve(StationId(0), 1.0);
    world
}

fn pool(size: u32, overflow: u32, timeout_s: u64, hold: Hold) -> Option<PoolSpec> {
    let timeout = SimDuration::from_secs(timeout_s);
    Some(PoolSpec { to: StationId(1), size, overflow, timeout, hold })
}

fn bounced(mode: BouncerMode, pool_size: u32) -> Option<ConnectionSpec> {
    let wait_timeout = SimDuration::from_secs(60);
    let bouncer = Some(BouncerSpec { mode, pool_size, most_clients: 100, wait_timeout });
    Some(ConnectionSpec { most: 100, bouncer })
}

/// When so many clients that come at once have their answers (whole seconds), and how.
fn answers(mut world: World<Notes>, clients: u32) -> Vec<(u64, CallEnd)> {
    for _ in 0..clients {
        world.begin(ClassId(0));
    }
    while world.next().is_some() {}
    assert_eq!(world.services.waiting(StationId(1)), 0, "nobody is left behind");
    ends(&world).into_iter().map(|(at, end)| (at.as_nanos() / 1_000_000_000, end)).collect()
}

fn good(seconds: &[u64]) -> Vec<(u64, CallEnd)> {
    seconds.iter().map(|second| (*second, CallEnd::Completed)).collect()
}

#[test]
fn a_pool_serves_as_many_as_it_has_and_the_rest_wait() {
    // Two stay open, a third is opened at need: three queries a second.
    let held = api_and_store(pool(2, 1, 30, Hold::Call), None);
    assert_eq!(answers(held, 7), good(&[2, 2, 2, 3, 3, 3, 4]));
    // Held to the end of the request, each is busy for two seconds.
    let held = api_and_store(pool(2, 1, 30, Hold::Request), None);
    assert_eq!(answers(held, 7), good(&[2, 2, 2, 4, 4, 4, 6]));
}

#[test]
fn who_waits_too_long_for_a_connection_fails() {
    let world = api_and_store(pool(1, 0, 2, Hold::Request), None);
    // The second has it at 2 s, when its own time is just over: both are due, and it fails.
    let said = answers(world, 3);
    let failed = said.iter().filter(|(at, end)| (*at, *end) == (2, CallEnd::Failed)).count();
    assert!(failed >= 1 && said.contains(&(2, CallEnd::Completed)), "{said:?}");
}

#[test]
fn a_store_refuses_what_exceeds_its_connections() {
    let limit = Some(ConnectionSpec { most: 2, bouncer: None });
    let said = answers(api_and_store(pool(5, 10, 30, Hold::Call), limit), 5);
    assert_eq!(said[..3], [(0, CallEnd::Failed); 3], "opened, and too many");
    assert_eq!(said[3..], good(&[2, 2])[..]);
    let said = answers(api_and_store(None, limit), 5);
    assert_eq!(said[..3], [(0, CallEnd::Failed); 3], "the same without a pool");
}

#[test]
fn a_bouncer_lends_by_session_transaction_or_statement() {
    // Four clients, two connections of the store.
    let by = |mode, hold| answers(api_and_store(pool(4, 0, 30, hold), bounced(mode, 2)), 4);
    // A query of a second each: two at a time.
    assert_eq!(by(BouncerMode::Statement, Hold::Request), good(&[2, 2, 3, 3]));
    assert_eq!(by(BouncerMode::Transaction, Hold::Call), good(&[2, 2, 3, 3]));
    // A transaction as long as the request: two seconds each.
    assert_eq!(by(BouncerMode::Transaction, Hold::Request), good(&[2, 2, 4, 4]));
    // Sessions of a pool that keeps its connections open never end: who comes late gets none.
    let said = by(BouncerMode::Session, Hold::Call);
    assert_eq!(said[..2], good(&[2, 2])[..]);
    assert_eq!(said[2..], [(60, CallEnd::Failed); 2], "query_wait_timeout");
}

#[test]
fn a_limit_of_rate_turns_away_and_one_of_connections_counts_who_is_inside() {
    let mut graph = single(None, seconds(1.0), None);
    graph.stations[0].rate_limit = Some(RateLimitSpec {
        per_second: 2.0,
        burst: 3,
        delay_after: Some(0),
        key: LimitKey::Service,
        end: CallEnd::Limited,
    });
    let mut world = World::new(graph.clone(), 1, Notes::default());
    world.serve(StationId(0), 100.0);
    for _ in 0..6 {
        world.begin(ClassId(0));
    }
    while world.next().is_some() {}
    let told: Vec<_> = world.ear.0.calls.iter().map(|(at, call)| (*at, call.end)).collect();
    assert_eq!(told[..2], [(SimTime::ZERO, CallEnd::Limited); 2]);
    let passed = [1.0, 1.5, 2.0, 2.5].map(|second| (at(second), CallEnd::Completed));
    assert_eq!(told[2..], passed, "the burst goes out at two a second");
    graph.stations[0].rate_limit = None;
    let limit = ConnectionLimitSpec { most: 3, key: LimitKey::Load, end: CallEnd::Refused };
    graph.stations[0].connection_limit = Some(limit);
    let mut world = World::new(graph, 1, Notes::default());
    world.serve(StationId(0), 100.0);
    for _ in 0..5 {
        world.begin(ClassId(0));
    }
    run_until(&mut world, at(1.5));
    world.begin(ClassId(0));
    while world.next().is_some() {}
    let tally = world.services.tally();
    assert_eq!((tally.of(CallEnd::Refused), tally.of(CallEnd::Completed)), (2, 4));
}

#[test]
fn what_has_waited_too_long_is_shed_when_its_turn_comes() {
    let mut graph = single(Some(1), seconds(1.0), None);
    graph.stations[0].shed_after = Some(SimDuration::from_millis(1_500));
    let mut world = World::new(graph, 1, Notes::default());
    world.serve(StationId(0), 1.0);
    for _ in 0..4 {
        world.begin(ClassId(0));
    }
    while world.next().is_some() {}
    let told = [(1.0, CallEnd::Completed), (2.0, CallEnd::Completed), (2.0, CallEnd::Refused)];
    let told = told.map(|(second, end)| (at(second), end));
    assert_eq!(ends(&world)[..3], told, "the third had waited for two seconds");
}
