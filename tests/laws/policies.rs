//! What callers do about failures, to the nanosecond where it is fixed and to the law where it is not.

use super::*;

/// A client that calls one operation of a CPU station under a policy.
fn under(policy: PolicySpec, demand: Option<Dist>, timeout: Option<f64>) -> ServiceGraph {
    let mut graph = single(None, demand, timeout);
    graph.policies = vec![policy];
    let ClientStep::Call { policy, .. } = &mut graph.classes[0].steps[0] else {
        unreachable!("its only step is a call")
    };
    *policy = Some(0);
    graph
}

fn retry(attempts: u32) -> RetrySpec {
    RetrySpec {
        attempts,
        base: SimDuration::from_millis(100),
        multiplier: 2.0,
        cap: SimDuration::from_secs(10),
        jitter: Jitter::None,
        on: RetryOn::USUAL,
        budget: None,
    }
}

#[test]
fn four_attempts_are_three_pauses_that_double() {
    let policy = PolicySpec { retry: Some(retry(4)), ..PolicySpec::default() };
    let mut world = World::new(under(policy, seconds(1.0), None), 1, Notes::default());
    // Nobody serves: every attempt is refused at once.
    world.begin(ClassId(0));
    while world.next().is_some() {}
    assert_eq!(ends(&world), [(at(0.7), CallEnd::Refused)]);
    assert_eq!(world.ear.0.operations.len(), 4);
    assert_eq!(world.ear.0.calls[0].1.took, SimDuration::from_millis(700), "pauses included");
}

#[test]
fn an_attempt_that_succeeds_is_the_answer() {
    let policy = PolicySpec { retry: Some(retry(5)), ..PolicySpec::default() };
    let mut world = World::new(under(policy, seconds(1.0), None), 1, Notes::default());
    world.begin(ClassId(0));
    run_until(&mut world, at(0.2));
    world.serve(StationId(0), 1.0);
    while world.next().is_some() {}
    // Attempts at 0 s, 0.1 s and 0.3 s; the third finds a pod.
    assert_eq!(ends(&world), [(at(1.3), CallEnd::Completed)]);
}

#[test]
fn a_budget_bounds_the_retries_under_way() {
    let budget = Some(RetryBudget { share: 0.2, min: 1 });
    let spec = RetrySpec { attempts: 2, budget, ..retry(2) };
    let policy = PolicySpec { retry: Some(spec), ..PolicySpec::default() };
    let mut world = World::new(under(policy, seconds(9.0), Some(1.0)), 1, Notes::default());
    world.serve(StationId(0), 100.0);
    for _ in 0..50 {
        world.begin(ClassId(0));
    }
    run_until(&mut world, at(5.0));
    // All fifty time out at once: the first ten may try again, and then there are fewer than fifty.
    assert_eq!(world.services.inside(StationId(0)), 50 + 10);
}

#[test]
fn a_hedge_takes_the_better_of_two() {
    const SEED: u64 = 5;
    println!("seed {SEED}");
    let delay = 0.5_f64;
    let after = SimDuration::from_secs_f64(delay);
    let policy = PolicySpec { hedge: Some(HedgeSpec { after, most: 1 }), ..PolicySpec::default() };
    let demand = Some(Dist::exponential(1.0).expect("valid"));
    let mut world = World::new(under(policy, demand, None), SEED, Notes::default());
    world.serve(StationId(0), 1e6);
    const CALLS: u32 = 20_000;
    for _ in 0..CALLS {
        world.begin(ClassId(0));
    }
    while world.next().is_some() {}
    let took = world.ear.0.calls.iter().map(|(_, call)| call.took.as_secs_f64());
    let mean = took.sum::<f64>() / f64::from(CALLS);
    // min(X, d + Y) of exponentials of mean 1 has mean 1 - exp(-d)/2.
    let expected = 1.0 - libm::exp(-delay) / 2.0;
    let error = 5.0 / f64::from(CALLS).sqrt();
    assert!((mean - expected).abs() < error * 0.7, "{mean}, expected {expected}");
}

#[test]
fn a_deadline_ends_all_attempts_and_reaches_the_calls_of_calls() {
    let policy = PolicySpec {
        retry: Some(retry(9)),
        deadline: Some(SimDuration::from_millis(1_500)),
        ..PolicySpec::default()
    };
    let mut graph = under(policy, seconds(2.0), None);
    graph.stations.push(station("store", StationKind::Delay));
    graph.operations.push(operation(1, "store.get", None));
    graph.operations[0].steps = vec![StepSpec { calls: vec![CallSpec::to(OperationId(1))] }];
    let mut world = World::new(graph, 1, Notes::default());
    world.serve(StationId(0), 1.0);
    world.begin(ClassId(0));
    while world.next().is_some() {}
    assert_eq!(ends(&world), [(at(1.5), CallEnd::TimedOut)]);
    let asked = world.ear.0.operations.iter().filter(|(id, _)| *id == OperationId(1)).count();
    assert_eq!(asked, 0, "the store is not asked for an answer that nobody wants");
}

#[test]
fn an_open_breaker_spares_the_service_and_tries_again_later() {
    let breaker = BreakerSpec {
        window: 10,
        min_calls: 10,
        failure_share: 0.5,
        slow_call: None,
        open_for: SimDuration::from_secs(30),
        half_open_calls: 2,
    };
    let policy = PolicySpec { breaker: Some(breaker), ..PolicySpec::default() };
    let mut world = World::new(under(policy, seconds(0.1), None), 1, Notes::default());
    for _ in 0..25 {
        world.begin(ClassId(0));
    }
    assert_eq!(world.ear.0.operations.len(), 10, "ten are sent, the rest are not");
    run_until(&mut world, at(31.0));
    world.serve(StationId(0), 100.0);
    for _ in 0..5 {
        world.begin(ClassId(0));
    }
    run_until(&mut world, at(32.0));
    world.begin(ClassId(0));
    run_until(&mut world, at(33.0));
    let tally = world.services.tally();
    let told = [CallEnd::Refused, CallEnd::ShortCircuited, CallEnd::Completed];
    // Two of five are let through, and close it.
    assert_eq!(told.map(|end| tally.of(end)), [10, 15 + 3, 2 + 1]);
}

#[test]
fn impatient_clients_leave_as_the_erlang_a_model_says() {
    const SEED: u64 = 8;
    println!("seed {SEED}");
    // Patience that runs out before the answer, in a station without queue: X against P, both
    // exponential: the client leaves with probability mean(X) / (mean(X) + mean(P)).
    let exponential = |mean| Dist::exponential(mean).expect("valid");
    let policy = PolicySpec { patience: Some(exponential(3.0)), ..PolicySpec::default() };
    let graph = under(policy, Some(exponential(1.0)), None);
    let mut world = World::new(graph, SEED, Notes::default());
    world.serve(StationId(0), 1e6);
    const CALLS: u32 = 20_000;
    for _ in 0..CALLS {
        world.begin(ClassId(0));
    }
    while world.next().is_some() {}
    let share = tally_share(&world, CallEnd::Abandoned, CALLS);
    let error = 5.0 * (0.25_f64 * 0.75 / f64::from(CALLS)).sqrt();
    assert!((share - 0.25).abs() < error, "{share}");
}

fn tally_share(world: &World<Notes>, end: CallEnd, of: u32) -> f64 {
    let count = u32::try_from(world.services.tally().of(end)).expect("few");
    f64::from(count) / f64::from(of)
}
