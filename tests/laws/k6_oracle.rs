//! A queue that was measured: one server of 110 ms under arrivals that a k6 run recorded. What the
//! request model makes of the same arrivals must be what was measured. Nothing is fitted to the waiting times:
//! the server's turn and what HTTP adds are read off the record where nobody waits, or nothing but the server
//! matters.
//!
//! 110 ms is what the server sleeps, not what a turn takes: an event loop wakes a little late and turns to the
//! next request later still. While requests wait, 444 answers follow each other after 111.15 ms on average (5 %
//! of them under 110.1, 5 % above 112.7), which is the capacity of 9.0/s that the record's own description
//! gives. The server's clock (its histogram: 858.209 s over 781 requests) and k6's (1,099.86 ms on average) differ by
//! 1.0 ms a request, which is HTTP. A queue multiplies the difference of the turn: 90 requests a window that each
//! take 1.15 ms less are a tenth of a second less for everybody behind them, so that a pure 110 ms lies below the
//! overloaded windows.

use super::*;

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

/// What the record itself says of the server, apart from how long requests waited: the mean gap between its
/// answers while requests wait, which is the fixed 110 ms and what Python needs to turn to the next (ms).
fn turn_ms(record: &[(u64, u64)]) -> f64 {
    // With more than three turns on the way of a request, another one waits behind it.
    let ends = record.iter().filter(|(_, took)| *took > 400_000).map(|(start, took)| start + took);
    let ends: Vec<u64> = ends.collect();
    let gaps = ends.windows(2).map(|pair| pair[1] - pair[0]);
    mean_ms(&gaps.collect::<Vec<u64>>())
}

/// What HTTP on loopback takes beside the server's turn, on average: what the requests of the first windows,
/// which found it idle, took beyond a turn (ms).
fn outside_ms(record: &[(u64, u64)], turn_ms: f64) -> f64 {
    let idle = record.iter().take_while(|(start, _)| *start < 4 * WINDOW_US);
    mean_ms(&idle.map(|(_, took)| *took).collect::<Vec<u64>>()) - turn_ms
}

fn mean_ms(micros: &[u64]) -> f64 {
    assert!(micros.len() > 100, "too few to know a mean");
    let count = u32::try_from(micros.len()).expect("few values");
    let sum: u64 = micros.iter().sum();
    SimDuration::from_nanos(sum * 1_000).as_millis_f64() / f64::from(count)
}

#[test]
fn the_record_tells_a_turn_of_110_ms_and_little_beside() {
    let record = recorded();
    let turn_ms = turn_ms(&record);
    assert!((110.0..112.0).contains(&turn_ms), "{turn_ms} ms");
    let capacity = 1e3 / turn_ms;
    assert!((8.9..9.1).contains(&capacity), "{capacity} requests/s");
    let outside_ms = outside_ms(&record, turn_ms);
    assert!((0.0..3.0).contains(&outside_ms), "{outside_ms} ms");
}

#[test]
fn the_recorded_queue_is_reproduced_window_by_window() {
    let record = recorded();
    let turn_ms = turn_ms(&record);
    let mut graph = single(Some(1), seconds(turn_ms / 1e3), None);
    graph.stations.push(station("http", StationKind::Delay));
    let mut http = operation(1, "http.request", None);
    http.wait = seconds(outside_ms(&record, turn_ms) / 1e3);
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
