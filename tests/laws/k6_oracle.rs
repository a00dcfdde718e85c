//! A queue that was measured: one server of 110 ms under arrivals that a k6 run recorded. What the
//! request model makes of the same arrivals must be what was measured.

use super::*;

/// Between two answers of the busy server the record has 111.2 ms (median): the fixed 110 ms, and what
/// Python and the kernel need to turn to the next request.
const SERVICE_S: f64 = 0.1112;
/// What HTTP on loopback adds outside the server: without a queue the record's 95th percentiles are 113
/// to 118 ms.
const OUTSIDE_S: f64 = 0.003;
const WINDOW_US: u64 = 10_000_000;

/// Start and duration of each recorded request (microseconds), in the order of starts.
fn recorded() -> Vec<(u64, u64)> {
    let text = include_str!("../data/k6-oracle/infer.csv");
    let rows = text.lines().skip(1).map(|line| {
        let (start, took) = line.split_once(',').expect("two columns");
        (start.parse().expect("whole microseconds"), took.parse().expect("whole microseconds"))
    });
    rows.collect()
}

/// k6's percentile: linear between the values at `p (n - 1)`.
fn p95_ms(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = u32::try_from(values.len() - 1).expect("few values");
    let position = 0.95 * f64::from(last);
    let mut below = 0;
    while f64::from(below + 1) <= position {
        below += 1;
    }
    let at = |position: u32| values[usize::try_from(position).expect("few values")];
    at(below) + (at((below + 1).min(last)) - at(below)) * (position - f64::from(below))
}

#[test]
fn the_recorded_queue_is_reproduced_window_by_window() {
    let record = recorded();
    let mut graph = single(Some(1), seconds(SERVICE_S), None);
    graph.stations.push(station("http", StationKind::Delay));
    let mut http = operation(1, "http.request", None);
    http.wait = seconds(OUTSIDE_S);
    http.steps = vec![StepSpec { calls: vec![CallSpec::to(OperationId(0))] }];
    graph.operations.push(http);
    graph.classes = vec![class(vec![call(1, None)])];
    let mut world = World::new(graph, 1, Notes::default());
    world.serve(StationId(0), 1.0);
    for (start, _) in &record {
        let at = SimTime::from_nanos(start * 1_000);
        world.queue.schedule(
            at,
            Event::Arrival(harness::LOAD).rank(),
            Event::Arrival(harness::LOAD),
        );
    }
    while let Some(event) = world.next() {
        assert_eq!(event, Event::Arrival(harness::LOAD));
        world.begin(ClassId(0));
    }
    // One server, first come, first served: the order of ends is that of starts.
    let calls = &world.ear.0.calls;
    assert_eq!(calls.len(), record.len());
    let windows = record.last().expect("it has rows").0 / WINDOW_US;
    for window in 0..=windows {
        let inside = |start: &u64| start / WINDOW_US == window;
        let rows = record.iter().zip(calls).filter(|((start, _), _)| inside(start));
        let (mut real, mut simulated): (Vec<f64>, Vec<f64>) = rows
            .map(|((_, took), (_, call))| {
                let took = SimDuration::from_nanos(took * 1_000);
                (took.as_millis_f64(), call.took.as_millis_f64())
            })
            .unzip();
        let (real, simulated) = (p95_ms(&mut real), p95_ms(&mut simulated));
        let off = simulated / real - 1.0;
        assert!(off.abs() < 0.05, "window {window}: {simulated:.1} ms, recorded {real:.1} ms");
    }
    let worst = calls.iter().map(|(_, call)| call.took).max().expect("it has calls");
    assert!(worst > SimDuration::from_secs(3), "the queue grew: {worst}");
}
