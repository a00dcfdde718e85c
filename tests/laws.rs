//! Laws that the request model obeys whatever the graph: nobody is lost or made, Little's law, work
//! conservation, the insensitivity of processor sharing, and deadlines to the nanosecond.

use aurelius_sim::engine::{Dist, Stream, Streams};
use aurelius_sim::model::event::Event;
use aurelius_sim::model::id::{ClassId, OperationId, ServerId, StationId};
use aurelius_sim::model::observer::{CallEnd, ClientCall, OperationEnd};
use aurelius_sim::model::record::TaskLosses;
use aurelius_sim::service::spec::{
    BatchLatency, BouncerMode, BouncerSpec, BreakerSpec, CallMode, CallSpec, ClientStep,
    ConnectionLimitSpec, ConnectionSpec, GpuSpec, GpuWork, HedgeSpec, Hold, Jitter, LimitKey,
    OnError, PolicySpec, PoolSpec, RateLimitSpec, RetryBudget, RetryOn, RetrySpec, StationKind,
    StationSpec, StepSpec, WorkerSpec,
};
use aurelius_sim::service::{CallTally, ServiceGraph};
use aurelius_sim::units::{SimDuration, SimTime};
use rand::RngExt;

#[path = "laws/fronts.rs"]
mod fronts;
#[path = "harness/mod.rs"]
mod harness;
#[path = "laws/k6_oracle.rs"]
mod k6_oracle;
#[path = "laws/machines.rs"]
mod machines;
#[path = "laws/policies.rs"]
mod policies;
#[path = "laws/resources.rs"]
mod resources;
#[path = "laws/swarm.rs"]
mod swarm;
#[path = "laws/workers.rs"]
mod workers;

use harness::{Ear, World, call, class, cpu, operation, station};

/// Keeps what it hears.
#[derive(Default)]
struct Notes {
    calls: Vec<(SimTime, ClientCall)>,
    operations: Vec<(OperationId, OperationEnd)>,
}

impl Ear for Notes {
    fn call_ended(&mut self, at: SimTime, call: &ClientCall) {
        self.calls.push((at, *call));
    }
    fn operation_ended(&mut self, _: SimTime, operation: OperationId, ended: &OperationEnd) {
        self.operations.push((operation, *ended));
    }
}

/// Goes on until an instant.
fn run_until(world: &mut World<Notes>, at: SimTime) {
    world.queue.schedule(at, Event::Horizon.rank(), Event::Horizon);
    while world.next() != Some(Event::Horizon) {}
}

fn at(seconds: f64) -> SimTime {
    SimTime::ZERO + SimDuration::from_secs_f64(seconds)
}

fn seconds(value: f64) -> Option<Dist> {
    Some(Dist::constant(value).expect("not negative"))
}

/// One CPU station and clients that call it once.
fn single(concurrency: Option<u32>, demand: Option<Dist>, timeout: Option<f64>) -> ServiceGraph {
    ServiceGraph {
        stations: vec![station("s", cpu(concurrency))],
        operations: vec![operation(0, "s.work", demand)],
        classes: vec![class(vec![call(0, timeout.map(SimDuration::from_secs_f64))])],
        ..ServiceGraph::default()
    }
}

/// A worker station with tasks of a second, whose middle is a call to a delay of another second.
fn tasks(late_acks: bool, concurrency: u32, with_call: bool) -> ServiceGraph {
    let visibility_timeout = SimDuration::from_secs(30);
    let worker = WorkerSpec { concurrency, prefetch: 1, late_acks, visibility_timeout };
    let mut task = operation(0, "worker.task", seconds(1.0).filter(|_| !with_call));
    if with_call {
        let call = CallSpec::to(OperationId(1));
        task.steps = vec![StepSpec { calls: vec![call] }];
    }
    let mut delay = operation(1, "store.get", None);
    delay.wait = seconds(1.0);
    ServiceGraph {
        stations: vec![
            station("worker", StationKind::Worker(worker)),
            station("store", StationKind::Delay),
        ],
        operations: vec![task, delay],
        classes: vec![class(vec![call(0, Some(SimDuration::from_secs(60)))])],
        ..ServiceGraph::default()
    }
}

fn ends(world: &World<Notes>) -> Vec<(SimTime, CallEnd)> {
    world.ear.0.calls.iter().map(|(at, call)| (*at, call.end)).collect()
}

#[test]
fn a_closed_client_does_not_overtake_those_who_wait() {
    let mut world = World::new(single(Some(1), seconds(0.1), None), 1, Notes::default());
    world.serve(StationId(0), 1.0);
    world.populate(ClassId(0), 4);
    run_until(&mut world, at(10.05));
    assert_eq!(world.ear.0.calls.len(), 100);
    for (end, call) in &world.ear.0.calls[4..] {
        assert_eq!(call.took, SimDuration::from_millis(400), "at {end}");
    }
}

#[test]
fn clients_refused_at_once_ask_again_after_a_round_trip() {
    let mut world = World::new(single(None, seconds(0.1), None), 1, Notes::default());
    world.populate(ClassId(0), 4);
    run_until(&mut world, at(1.000_5));
    let refused = ends(&world).iter().filter(|(_, end)| *end == CallEnd::Refused).count();
    assert_eq!(refused, 4 * 1_001, "one millisecond each, and nothing answers");
}

#[test]
fn timeouts_fire_at_their_deadline_and_work_that_ends_then_counts() {
    for (demand, end) in [(3.0, CallEnd::TimedOut), (1.0, CallEnd::Completed)] {
        let graph = single(None, seconds(demand), Some(1.0));
        let mut world = World::new(graph, 1, Notes::default());
        world.serve(StationId(0), 8.0);
        for began in [0.0, 0.123_456_789, 0.5] {
            run_until(&mut world, at(began));
            world.begin(ClassId(0));
        }
        run_until(&mut world, at(9.0));
        let deadlines = [1.0, 1.123_456_789, 1.5].map(|deadline| (at(deadline), end));
        assert_eq!(ends(&world), deadlines);
        assert_eq!(world.services.inside(StationId(0)), 0, "the work went on and ended");
    }
}

#[test]
fn an_abandoned_request_in_the_backlog_is_not_worked_on() {
    let graph = single(Some(1), seconds(3.0), Some(1.0));
    let mut world = World::new(graph, 1, Notes::default());
    let server = world.serve(StationId(0), 1.0);
    for _ in 0..3 {
        world.begin(ClassId(0));
    }
    run_until(&mut world, at(9.0));
    let busy = world.services.usage(at(9.0), server).cpu_core_s;
    assert!((busy - 3.0).abs() < 1e-9, "{busy} core-seconds");
}

#[test]
fn busy_cores_work_at_full_rate() {
    let demand = Some(Dist::lognormal_mean_cv(0.02, 2.0).unwrap());
    let mut world = World::new(single(None, demand, None), 3, Notes::default());
    let server = world.serve(StationId(0), 1.0);
    world.populate(ClassId(0), 8);
    let mut before = 0.0;
    for (second, cores) in [1.0, 0.25, 3.5, 8.0, 16.0, 2.0].into_iter().enumerate() {
        world.act(|services, ctx| services.set_cores(ctx.now, server, cores, ctx.queue));
        let now = SimTime::from_secs(second as u64 + 1);
        run_until(&mut world, now);
        let busy = world.services.usage(now, server).cpu_core_s;
        // Eight jobs use one core each at most.
        assert!((busy - before - cores.min(8.0)).abs() < 1e-6, "{} at {cores}", busy - before);
        before = busy;
    }
}

/// Hears nothing.
struct Deaf;

impl Ear for Deaf {}

/// M/G/1 under processor sharing: the number inside is geometric whatever the service time.
#[test]
fn processor_sharing_does_not_care_for_the_distribution() {
    let load = 0.6;
    let laws = [
        Dist::constant(load),
        Dist::erlang(load, 2),
        Dist::exponential(load),
        Dist::lognormal_mean_cv(load, 3.0),
        Dist::empirical(vec![0.1 * load, 0.1 * load, 0.1 * load, 3.7 * load]),
    ];
    for law in laws {
        let mut world = World::new(single(None, Some(law.clone().unwrap()), None), 11, Deaf);
        world.serve(StationId(0), 1.0);
        let mut arrivals = world.poisson(1.0);
        let (mut found, total) = ([0.0; 6], 500_000);
        for _ in 0..total {
            arrivals.arm(&mut world);
            assert!(matches!(world.next(), Some(Event::Arrival(_))));
            let inside = world.services.inside(StationId(0)) as usize;
            if let Some(count) = found.get_mut(inside) {
                *count += 1.0 / f64::from(total);
            }
            world.begin(ClassId(0));
        }
        let mut expected = 1.0 - load;
        for (inside, share) in found.into_iter().enumerate() {
            let error = (share - expected).abs();
            assert!(error < 0.006, "{law:?}: {inside} inside: {share}, in theory {expected}");
            expected *= load;
        }
    }
}

fn gpu(max_batch: u32, delay_ms: u64) -> ServiceGraph {
    let ms = SimDuration::from_millis;
    let latency = BatchLatency::Line { base: ms(4), per_item: ms(2) };
    let spec = GpuSpec { max_batch, max_queue_delay: ms(delay_ms), latency };
    let mut work = operation(0, "gpu.infer", None);
    work.gpu = Some(GpuWork::Items(1));
    ServiceGraph {
        stations: vec![station("gpu", StationKind::Gpu(spec))],
        operations: vec![work],
        classes: vec![class(vec![call(0, None)])],
        ..ServiceGraph::default()
    }
}

#[test]
fn a_saturated_gpu_serves_full_batches_back_to_back() {
    for (max_batch, delay_ms) in [(1, 0), (4, 0), (4, 5), (16, 50)] {
        let mut world = World::new(gpu(max_batch, delay_ms), 1, Notes::default());
        let server = world.serve(StationId(0), 1.0);
        world.populate(ClassId(0), 3 * max_batch);
        let second = 100.0;
        run_until(&mut world, at(second));
        let batches = world.ear.0.calls.len() as f64 / f64::from(max_batch);
        let expected = second / (0.004 + 0.002 * f64::from(max_batch));
        assert!((batches - expected).abs() <= 2.0, "{batches} batches, expected {expected}");
        let busy = world.services.gpu_busy(at(second), server).unwrap();
        assert!(busy.as_secs_f64() > second - 0.1, "{busy} busy");
    }
}

#[test]
fn the_oldest_item_waits_for_company_from_its_own_arrival_on() {
    let mut world = World::new(gpu(2, 10), 1, Notes::default());
    world.serve(StationId(0), 1.0);
    // Two fill a batch at 1 ms, done at 9 ms. The third came at 2 ms: alone at 12 ms, done at 18 ms.
    for millis in [0, 1, 2] {
        run_until(&mut world, SimTime::ZERO + SimDuration::from_millis(millis));
        world.begin(ClassId(0));
    }
    run_until(&mut world, at(1.0));
    let millis: Vec<f64> = ends(&world).iter().map(|(at, _)| at.as_secs_f64() * 1e3).collect();
    assert_eq!(millis, [9.0, 9.0, 18.0]);
}

#[test]
fn late_acks_lose_nothing_and_early_acks_what_was_inside() {
    for late_acks in [false, true] {
        let mut world = World::new(tasks(late_acks, 2, false), 1, Notes::default());
        let first = world.serve(StationId(0), 2.0);
        world.serve(StationId(0), 2.0);
        for _ in 0..20 {
            world.begin(ClassId(0));
        }
        run_until(&mut world, at(2.5));
        let tasks = world.act(|services, ctx| services.destroy_server(ctx, first)).tasks;
        let (lost, repeated) = if late_acks { (0, 2) } else { (2, 0) };
        let spent = SimDuration::from_secs(1);
        assert_eq!(tasks, TaskLosses { lost, invisible: 2, repeated, returned: 0, spent });
        run_until(&mut world, at(29.0));
        assert_eq!(world.services.waiting(StationId(0)), 2, "nobody knows of them for 30 s");
        run_until(&mut world, at(40.0));
        let tally = world.services.tally();
        let lost = if late_acks { 0 } else { 2 };
        assert_eq!((tally.of(CallEnd::Completed), tally.of(CallEnd::Cut)), (20 - lost, lost));
        assert_eq!(world.services.inside(StationId(0)), 0);
    }
}

/// A worker takes a task, dies half a second later, and an idle one begins it anew: the answer to the
/// dead worker's call does not end it, and the client's deadline stays at a minute.
#[test]
fn a_task_delivered_again_begins_anew_at_an_idle_worker() {
    for (taken, answered, end) in [(0.0, 31.0, CallEnd::Completed), (58.8, 60.0, CallEnd::TimedOut)]
    {
        let mut world = World::new(tasks(true, 1, true), 1, Notes::default());
        world.begin(ClassId(0));
        run_until(&mut world, at(taken));
        let first = world.serve(StationId(0), 1.0);
        world.serve(StationId(0), 1.0);
        run_until(&mut world, at(taken + 0.5));
        let ended = world.act(|services, ctx| services.destroy_server(ctx, first));
        assert_eq!((ended.tasks.invisible, ended.tasks.repeated), (1, 1));
        run_until(&mut world, at(90.0));
        assert_eq!(ends(&world), [(at(answered), end)]);
        assert_eq!(world.services.inside(StationId(0)), 0);
    }
}

#[test]
fn tasks_are_handed_over_at_once_and_nobody_waits() {
    let mut graph = tasks(true, 1, false);
    let mut submit = operation(1, "store.submit", None);
    let mode = CallMode::Enqueue;
    let call_task = CallSpec { count: 3, mode, ..CallSpec::to(OperationId(0)) };
    submit.steps = vec![StepSpec { calls: vec![call_task] }];
    graph.operations.push(submit);
    graph.classes = vec![class(vec![call(2, None)])];
    let mut world = World::new(graph, 1, Notes::default());
    world.begin(ClassId(0));
    assert_eq!(ends(&world), [(SimTime::ZERO, CallEnd::Completed)]);
    assert_eq!(world.services.waiting(StationId(0)), 3);
}

#[test]
fn the_wake_up_of_an_interrupted_client_wakes_nobody_else() {
    let mut graph = single(None, seconds(0.5), None);
    graph.classes = vec![
        class(vec![ClientStep::Sleep(Dist::constant(5.0).unwrap()), call(0, None)]),
        class(vec![ClientStep::Sleep(Dist::constant(7.0).unwrap()), call(0, None)]),
    ];
    let mut world = World::new(graph, 1, Notes::default());
    world.serve(StationId(0), 1.0);
    let sleeper = world.begin(ClassId(0));
    assert!(world.services.interrupt_client(sleeper));
    let heir = world.begin(ClassId(1));
    assert_eq!((heir.slot, world.services.clients_inside()), (sleeper.slot, 1));
    assert!(!world.services.interrupt_client(sleeper), "it is over");
    run_until(&mut world, at(9.0));
    assert_eq!(ends(&world), [(at(7.5), CallEnd::Completed)]);
}

#[test]
fn the_call_of_an_interrupted_client_goes_on_for_nobody() {
    let mut world = World::new(single(Some(1), seconds(1.0), Some(9.0)), 1, Notes::default());
    let server = world.serve(StationId(0), 1.0);
    let clients = [(); 3].map(|()| world.begin(ClassId(0)));
    run_until(&mut world, at(0.5));
    assert!(!world.services.client_queues(clients[0]) && world.services.client_queues(clients[1]));
    for client in &clients[..2] {
        assert!(world.services.interrupt_client(*client));
    }
    let heir = world.begin(ClassId(0));
    assert_eq!(heir.slot, clients[1].slot);
    run_until(&mut world, at(20.0));
    // The first was on the CPU and is finished; the second waited and is passed over.
    assert_eq!(ends(&world), [(at(2.0), CallEnd::Completed), (at(3.0), CallEnd::Completed)]);
    assert!((world.services.usage(at(20.0), server).cpu_core_s - 3.0).abs() < 1e-9);
    let mut tally = CallTally { begun: 4, interrupted: 2, ..CallTally::default() };
    tally.ends[CallEnd::Completed.number()] = 2;
    assert_eq!(world.services.tally(), tally);
}
