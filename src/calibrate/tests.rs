//! What becomes of recordings as they really are: damaged, short, in scrapes; and of the memory line.

use rand::RngExt;

use crate::calibrate::observe::{Endpoint, Request, Signal};
use crate::calibrate::scrapes::{scrapes, summaries};
use crate::calibrate::{Observed, Role, calibrate};
use crate::engine::Dist;
use crate::engine::streams::{Stream, Streams};
use crate::fit::distribution::Family;
use crate::input::recordings::{Columns, Format, Recording};
use crate::units::SimDuration;
use crate::units::convert::f64_from_usize;

const TRIALS: u64 = 200;

fn stream(name: &str, seed: u64) -> Stream {
    Streams::new(20_261_124, seed).of(name)
}

fn normal(stream: &mut Stream) -> f64 {
    (0..12).map(|_| stream.random::<f64>()).sum::<f64>() - 6.0
}

/// What is done to a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Nothing,
    NotNumbers,
    Gaps,
    OutOfOrder,
    Repeated,
    Resets,
    OtherStep,
    Short,
    Constant,
}

const DAMAGES: [Damage; 9] = [
    Damage::Nothing,
    Damage::NotNumbers,
    Damage::Gaps,
    Damage::OutOfOrder,
    Damage::Repeated,
    Damage::Resets,
    Damage::OtherStep,
    Damage::Short,
    Damage::Constant,
];

/// CPU per request of the two operations (core-seconds), and idle CPU (cores).
const TRUTH: (f64, f64, f64) = (0.020, 0.005, 0.10);

/// Rates of both operations over an hour, every 15 s.
fn rates(damage: Damage, stream: &mut Stream) -> Vec<(f64, f64, f64)> {
    let instants = if damage == Damage::Short { 5 } else { 240 };
    let levels: Vec<(f64, f64)> = (0..12)
        .map(|_| (2.0 + 38.0 * stream.random::<f64>(), 2.0 + 98.0 * stream.random::<f64>()))
        .collect();
    let rate = |at: usize| {
        let (first, second) = levels[at / 20 % 12];
        let (first, second) =
            if damage == Damage::Constant { (20.0, 50.0) } else { (first, second) };
        (15.0 * f64_from_usize(at), first, second)
    };
    (0..instants).map(rate).collect()
}

/// Time (s) and value.
type Points = Vec<(f64, f64)>;

/// A query_range answer of series with these points, after what was done to them.
fn answer(series: &[(&str, &str, Points)], damage: Damage, stream: &mut Stream) -> Recording {
    let mut parts = Vec::new();
    for (name, label, points) in series {
        let mut points: Vec<(f64, String)> =
            points.iter().map(|(at, value)| (1_790_000_000.0 + at, value.to_string())).collect();
        match damage {
            Damage::NotNumbers => {
                for point in &mut points {
                    if stream.random::<f64>() < 0.1 {
                        point.1 = ["NaN", "+Inf", "-Inf"][stream.random_range(0..3)].to_owned();
                    }
                }
            }
            Damage::Gaps => points.retain(|_| stream.random::<f64>() > 0.15),
            Damage::OutOfOrder => points.reverse(),
            Damage::Repeated => {
                points = points.iter().flat_map(|point| [point.clone(), point.clone()]).collect();
            }
            Damage::OtherStep => points = points.into_iter().step_by(2).collect(),
            Damage::Nothing | Damage::Resets | Damage::Short | Damage::Constant => {}
        }
        let values: Vec<String> =
            points.iter().map(|(at, value)| format!("[{at},\"{value}\"]")).collect();
        parts.push(format!(
            "{{\"metric\":{{\"__name__\":\"{name}\",\"handler\":\"{label}\"}},\"values\":[{}]}}",
            values.join(",")
        ));
    }
    let text = format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{}]}}}}",
        parts.join(",")
    );
    Recording::read(&text, &Columns::default()).expect("it is an answer of Prometheus")
}

/// Counters of requests and CPU over the same hour.
fn observed(damage: Damage, seed: u64) -> Observed {
    let mut stream = stream("damaged", seed);
    let rates = rates(damage, &mut stream);
    let (a, b, idle) = TRUTH;
    let (mut first, mut second, mut cpu) = (0.0, 0.0, 0.0);
    let (mut firsts, mut seconds, mut cpus) = (Vec::new(), Vec::new(), Vec::new());
    for (at, x, y) in rates {
        if damage == Damage::Resets && stream.random::<f64>() < 0.02 {
            (first, second, cpu) = (0.0, 0.0, 0.0);
        }
        first += 15.0 * x;
        second += 15.0 * y;
        let cores = (a * x + b * y + idle) * (1.0 + 0.02 * normal(&mut stream));
        cpu += 15.0 * cores.max(0.0);
        firsts.push((at, first));
        seconds.push((at, second));
        cpus.push((at, cpu));
    }
    let counted = [("http_requests_total", "/a", firsts), ("http_requests_total", "/b", seconds)];
    let used = [("process_cpu_seconds_total", "", cpus)];
    let inputs = [
        (Role::Rates, "rates.json".to_owned(), answer(&counted, damage, &mut stream)),
        (Role::Cpu, "cpu.json".to_owned(), answer(&used, damage, &mut stream)),
    ];
    Observed::of(&inputs).expect("each holds what its role needs")
}

/// Whatever is done to a recording, a figure that is told is near the truth, and the healthy ones are told.
#[test]
fn damaged_recordings_are_refused_or_told_rightly() {
    for damage in DAMAGES {
        let (mut told, mut covered) = (0, 0);
        for seed in 0..TRIALS {
            let Ok(cpu) = calibrate(&observed(damage, seed)).cpu else { continue };
            told += 1;
            let (a, b) = (cpu.of("a").expect("a"), cpu.of("b").expect("b"));
            covered += u64::from(a.cpu.covers(TRUTH.0)) + u64::from(b.cpu.covers(TRUTH.1));
            if a.together.len() == 1 {
                let off = (a.cpu.value / TRUTH.0 - 1.0).abs();
                assert!(off < 0.15, "{damage:?}, seed {seed}: {:?}", a.cpu);
            }
        }
        match damage {
            Damage::Short | Damage::Constant => {
                assert_eq!(told, 0, "{damage:?} tells nothing");
            }
            Damage::Nothing
            | Damage::NotNumbers
            | Damage::Gaps
            | Damage::OutOfOrder
            | Damage::Repeated
            | Damage::Resets
            | Damage::OtherStep => {
                assert!(told >= TRIALS * 9 / 10, "{damage:?}: told in {told} of {TRIALS}");
                // 95 % of both figures, less chance.
                assert!(covered * 100 >= 2 * told * 88, "{damage:?}: {covered} of {}", 2 * told);
            }
        }
    }
}

/// Memory that follows the requests in progress, read every 5 s with noise.
#[test]
fn the_memory_line_is_covered() {
    const MIB: f64 = 1_048_576.0;
    let (idle, per_request) = (200.0 * MIB, 3.0 * MIB);
    let mut covered = [0_u64; 2];
    for seed in 0..TRIALS {
        let mut stream = stream("memory", seed);
        // A level of requests in progress for each minute, all of 5 s, so that the mean is exact.
        let mut requests = Vec::new();
        let mut points = Vec::new();
        for slot in 0..240_u32 {
            let from = 5.0 * f64::from(slot);
            let inside = 2 + (slot / 12 * 7 + slot * 5) % 23;
            for _ in 0..inside {
                requests.push(Request { start_s: from, end_s: from + 5.0, failed: false });
            }
            let truth = idle + per_request * f64::from(inside);
            points.push((from + 5.0, truth + 2.0 * MIB * normal(&mut stream)));
        }
        let observed = Observed {
            endpoints: vec![Endpoint { name: "x".to_owned(), requests, rates: Vec::new() }],
            memory: Some(Signal { points, source: "m".to_owned() }),
            ..Observed::default()
        };
        let memory = calibrate(&observed).memory.expect("240 samples tell");
        covered[0] += u64::from(memory.idle.covers(idle));
        covered[1] += u64::from(memory.per_request.is_some_and(|it| it.covers(per_request)));
    }
    for (figure, count) in covered.iter().enumerate() {
        assert!(*count >= 181, "figure {figure} covered in {count} of {TRIALS}");
    }
}

/// Starts of a workload whose truth is known, written in seconds by one tool and in milliseconds by another: the parameters of
/// the true family are covered, and the family that is taken has the true mean.
#[test]
fn start_up_times_are_covered() {
    let truth = Dist::lognormal_median_sigma(12.0, 0.35).expect("valid");
    let (mut covered, mut near) = ([0_u64; 2], 0_u64);
    for seed in 0..TRIALS {
        let mut stream = stream("starts", seed);
        let in_ms = seed % 2 == 1;
        let head = if in_ms { "pod,startup_ms" } else { "pod,startup_seconds" };
        let rows = (0..60).map(|at| {
            let took = truth.sample(&mut stream) * if in_ms { 1e3 } else { 1.0 };
            format!("{at},{took:.3}")
        });
        let text = format!("{head}\n{}\n", rows.collect::<Vec<_>>().join("\n"));
        let recording = Recording::read(&text, &Columns::default()).expect("a table");
        let inputs = [(Role::StartUp, "starts.csv".to_owned(), recording)];
        let observed = Observed::of(&inputs).expect("it holds starts");
        let fitted = calibrate(&observed).start_up.expect("60 starts tell");
        let mean = fitted.family().dist().expect("a family that was taken is valid").mean();
        near += u64::from((mean / truth.mean() - 1.0).abs() < 0.15);
        for candidate in &fitted.candidates {
            if let Family::Lognormal { median, sigma } = &candidate.family {
                covered[0] += u64::from(median.covers(12.0));
                covered[1] += u64::from(sigma.covers(0.35));
            }
        }
    }
    for (figure, count) in covered.iter().enumerate() {
        assert!(*count >= 181, "figure {figure} covered in {count} of {TRIALS}");
    }
    // The mean of 60 such times has an error of 4.7 %: three of them.
    assert!(near >= 198, "mean near in {near} of {TRIALS}");
}

fn scrape(at: u32) -> (String, Recording) {
    // 10 more requests a second in every scrape; 20 ms each, 0.1 cores idle.
    let n = f64::from(at);
    let requests = 15.0 * 10.0 * n * (n + 1.0) / 2.0;
    let cpu = 3.0 + 0.02 * requests + 0.1 * 15.0 * n;
    let text = format!(
        "# HELP http_requests_total All.\n# TYPE http_requests_total counter\n\
         http_requests_total{{handler=\"/a\",status=\"200\"}} {requests}\n\
         process_cpu_seconds_total {cpu}\nprocess_resident_memory_bytes 1e8\n"
    );
    let recording = Recording::read(&text, &Columns::default()).expect("a scrape");
    assert_eq!(recording.format, Format::Exposition);
    (format!("{at}.prom"), recording)
}

#[test]
fn scrapes_in_a_row_tell_what_a_request_costs() {
    let files = (0..20).map(scrape).collect();
    let found = scrapes(files, Some(SimDuration::from_secs(15))).expect("they tell");
    assert_eq!(found.mean, None);
    let observed = Observed::of(&found.inputs).expect("each role has its series");
    let cpu = calibrate(&observed).cpu.expect("19 instants tell");
    let a = cpu.of("a").expect("it has a rate");
    assert!((a.cpu.value - 0.02).abs() < 1e-6, "{:?}", a.cpu);
    assert!((cpu.idle.value - 0.1).abs() < 1e-6, "{:?}", cpu.idle);
}

#[test]
fn what_scrapes_cannot_tell_is_said() {
    let found = scrapes(vec![scrape(4)], None).expect("one scrape");
    let mean = found.mean.expect("counters tell a mean");
    assert!((mean.requests - 1500.0).abs() < 1e-9 && (mean.cpu_s - 39.0).abs() < 1e-9);
    assert!(found.inputs.iter().all(|(role, ..)| *role == Role::Memory));
    let refused = scrapes(vec![scrape(1), scrape(2)], None).expect_err("how far apart?");
    assert!(refused.contains("--scrape-interval"), "{refused}");
    let twice = "process_cpu_seconds_total 1\nprocess_cpu_seconds_total 2\n";
    let twice = Recording::read(twice, &Columns::default()).expect("a scrape");
    let refused = scrapes(vec![("x.prom".to_owned(), twice)], None).expect_err("two in one");
    assert!(refused.contains("a file of its own"), "{refused}");
    let other = Recording::read("node_load1 0.5\n", &Columns::default()).expect("a scrape");
    let refused = scrapes(vec![("x.prom".to_owned(), other)], None).expect_err("no counters");
    assert!(refused.contains("process_cpu_seconds_total"), "{refused}");
    assert!(scrapes(Vec::new(), None).is_err());
}

/// The three shapes in which k6 writes the same figures.
#[test]
fn summaries_of_k6_are_read_in_every_shape() {
    let rows = [
        r#"{"root_group":{},"metrics":{"http_req_duration":{"avg":20.5,"p(95)":40,"count":7},
           "http_req_duration{name:infer}":{"avg":110}}}"#,
        r#"{"root_group":{},"state":{},"metrics":{"http_req_duration":{"type":"trend","contains":"time",
           "values":{"avg":20.5,"p(95)":40,"count":7}},
           "http_req_duration{name:infer}":{"type":"trend","values":{"avg":110}}}}"#,
        r#"{"version":"1.0.0","results":{"metrics":[{"name":"http_req_duration","type":"trend",
           "values":{"avg":20.5,"p(95)":40,"count":7}},
           {"name":"http_req_duration{name:infer}","values":{"avg":110}}]}}"#,
    ];
    for text in rows {
        let recording = Recording::read(text, &Columns::default()).expect("a summary");
        assert_eq!(recording.format, Format::K6Summary, "{text}");
        let found = summaries(&recording);
        assert_eq!(found.len(), 2, "{text}");
        assert_eq!((found[0].operation.as_str(), found[0].requests), ("all", Some(7.0)));
        assert_eq!(found[0].figures, [("avg".to_owned(), 0.0205), ("p(95)".to_owned(), 0.04)]);
        assert_eq!(found[1].operation, "name:infer");
    }
    for broken in [r#"{"root_group":{},"metrics":3}"#, r#"{"root_group":{},"metrics":{}"#] {
        assert!(Recording::read(broken, &Columns::default()).is_err(), "{broken}");
    }
}
