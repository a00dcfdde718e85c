//! What `fit` makes of measurements: a measured service whose truth is known, the simulation of what was
//! fitted beside what was measured, and intervals that cover the truth of simulated services.

#[path = "calibration/world.rs"]
mod world;

use std::io::Read;

use aurelius_sim::calibrate::check::replay;
use aurelius_sim::calibrate::demand::misfit;
use aurelius_sim::calibrate::load::{Wanted, document};
use aurelius_sim::calibrate::observe::{Endpoint, Input, Request, Signal, duration_column};
use aurelius_sim::calibrate::profile::{Names, profile};
use aurelius_sim::calibrate::windows::windows;
use aurelius_sim::calibrate::{Calibration, Observed, Role, calibrate};
use aurelius_sim::fit::distribution::Family;
use aurelius_sim::input::recordings::{Columns, Meaning, RateTrace};
use aurelius_sim::units::SimDuration;
use aurelius_sim::units::convert::round_u64;

use world::{Heard, Parts, run};

const WINDOW_S: f64 = 10.0;

fn unpacked(name: &str) -> String {
    let path = format!("{}/tests/data/k6-prom-sample/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).expect("the data are in the repository");
    let mut text = String::new();
    if name.ends_with(".gz") {
        flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).expect("it is gzip");
    } else {
        text = String::from_utf8(bytes).expect("it is text");
    }
    text
}

fn input(role: Role, name: &str) -> Input {
    let text = unpacked(name);
    let value = (role == Role::Requests).then(|| duration_column(&text)).flatten();
    let columns = Columns { value, ..Columns::default() };
    let recording = aurelius_sim::input::recordings::Recording::read(&text, &columns);
    (role, name.to_owned(), recording.expect("it is a recording"))
}

fn measured() -> (Observed, Calibration) {
    let observed = Observed::of(&[
        input(Role::Requests, "requests.csv.gz"),
        input(Role::Rates, "query_range_request_rate.json"),
        input(Role::Cpu, "query_range_process_cpu.json"),
        input(Role::Memory, "query_range_memory.json"),
    ]);
    let observed = observed.expect("each holds what its role needs");
    let calibration = calibrate(&observed);
    (observed, calibration)
}

fn spans(endpoint: &Endpoint) -> Vec<(f64, f64)> {
    endpoint.requests.iter().map(|request| (request.start_s, request.end_s)).collect()
}

#[test]
fn the_known_truth_of_a_measured_service_is_recovered() {
    let (observed, calibration) = measured();
    let at = observed.endpoints.iter().position(|it| it.name == "infer").expect("it was asked");
    let infer = &calibration.endpoints[at];
    let station = infer.station.as_ref().expect("781 requests tell");
    assert_eq!(station.count, Some(1), "one request at a time");
    // 110 ms of work; Python turns to the next request within a millisecond or two.
    assert!((station.service.value - 0.110).abs() < 0.002, "{:?}", station.service);
    let service = infer.service.as_ref().expect("781 requests tell");
    assert!(matches!(service.family(), Family::Constant { .. }), "{:?}", service.candidates);
    let capacity = infer.capacity().expect("its servers are known");
    assert!((8.9..=9.1).contains(&capacity.value), "{capacity:?}");
    for window in replay(&observed.endpoints[at], infer, WINDOW_S) {
        assert!(window.off().abs() < 0.10, "{window:?}");
    }
    // The others share one process: what they cost together is what Prometheus saw.
    let cpu = calibration.cpu.as_ref().expect("25 instants tell");
    assert_eq!(cpu.operations.len(), 5);
    let (worst, median) = misfit(cpu);
    assert!(worst < 0.10 && median < 0.03, "worst {worst}, median {median}");
    for fit in calibration.endpoints.iter().filter(|fit| fit.name != "infer") {
        let limit = fit.station.as_ref().ok().and_then(|station| station.count);
        assert_eq!(limit, None, "{}: nobody waited, so that no limit can be told", fit.name);
    }
    assert!(calibration.start_up.is_err(), "no start was measured");
}

#[test]
fn a_simulation_of_the_fitted_profile_reproduces_the_measured_percentiles() {
    let (observed, calibration) = measured();
    let names = Names {
        service: "gateway".to_owned(),
        workload: "Deployment/gateway".to_owned(),
        max_cores: Some(1),
    };
    let mut loads = String::new();
    let mut order = Vec::new();
    for endpoint in observed.endpoints.iter().filter(|endpoint| !endpoint.requests.is_empty()) {
        let trace = in_short_bins(&spans(endpoint));
        let wanted = Wanted {
            name: endpoint.name.clone(),
            class: endpoint.name.clone(),
            arrivals: "uniform",
            origin: Vec::new(),
        };
        let text = document(&trace, &wanted);
        let body = text.split_once("scenarios:\n").expect("it has scenarios").1;
        loads.push_str(body);
        order.push(endpoint.name.clone());
    }
    let services = profile(&observed, &calibration, &names);
    let heard = run(&Parts { services, loads, duration: "120s", cpu: "1", seed: 1 });
    let infer = order.iter().position(|name| name == "infer").expect("it was asked");
    let simulated = windows(&heard.of(infer), WINDOW_S);
    let recorded = observed.endpoints.iter().find(|it| it.name == "infer").expect("it was asked");
    let recorded = windows(&spans(recorded), WINDOW_S);
    assert_eq!(simulated.len(), recorded.len());
    for (simulated, recorded) in simulated.iter().zip(&recorded) {
        let (ours, theirs) = (simulated.p95_s.expect("calls"), recorded.p95_s.expect("calls"));
        let off = ours / theirs - 1.0;
        assert!(off.abs() < 0.10, "from {} s: {ours} s, measured {theirs} s", recorded.from_s);
    }
    // CPU of the busiest 30 s, as Prometheus saw it.
    let cpu = calibration.cpu.as_ref().expect("it could be told");
    let most = cpu.course.iter().map(|point| point.1).fold(0.0, f64::max);
    let busiest = heard.cpu.iter().map(|point| point.1).collect::<Vec<_>>();
    let ours = busiest.windows(6).map(|it| it.iter().sum::<f64>() / 6.0).fold(0.0, f64::max);
    assert!((ours / most - 1.0).abs() < 0.10, "{ours} cores, measured {most}");
}

/// Arrivals counted in bins so short that each keeps its place: near saturation one request more in the
/// queue is 110 ms more for everybody behind it.
fn in_short_bins(spans: &[(f64, f64)]) -> RateTrace {
    const BIN: SimDuration = SimDuration::from_millis(5);
    let first = spans.iter().map(|span| span.0).fold(f64::INFINITY, f64::min);
    let mut counts = vec![0_u32; 24_000];
    for (start, _) in spans {
        let at = round_u64(((start - first) / BIN.as_secs_f64()).floor());
        counts[usize::try_from(at).expect("small").min(23_999)] += 1;
    }
    // Warm-up goes on with the first rate: that of a bin before the first request.
    let steps = [0].into_iter().chain(counts);
    let steps = steps.map(|count| (BIN, f64::from(count) / BIN.as_secs_f64()));
    RateTrace { start_ns: 0, steps: steps.collect(), meaning: Meaning::Rates, gaps: Vec::new() }
}

/// Truth of the synthetic services.
const CPU_S: f64 = 0.012;
const MEAN_S: f64 = 0.080;
const CV: f64 = 0.4;

fn services() -> String {
    "apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: gateway}
services:
  gateway:
    workload: Deployment/gateway
    cpu: {concurrency: 1000}
    idle: {cpu: 50m}
    pools: {place: {size: 2, overflow: 0, timeout: 1h}}
    operations:
      get: {cpu: {gamma: {mean: 12ms, cv: 0.5}}}
      ask: {calls: [{to: place.ask}]}
  place: {delay: , operations: {ask: {wait: {gamma: {mean: 80ms, cv: 0.4}}}}}
classes:
  get: {steps: [{call: gateway.get}]}
  ask: {steps: [{call: gateway.ask}]}
"
    .to_owned()
}

/// One simulated measurement: CPU with noise of 2 %, all requests with their starts and ends.
fn measurement(seed: u64) -> Observed {
    let level = |rate: u32| format!("        - {{duration: 20s, rate: {rate}/s}}\n");
    let rates = [5, 30, 12, 45, 20, 60, 8, 38];
    let levels: String = rates.iter().map(|rate| level(*rate)).collect();
    let ask: String = ["15", "23", "20", "24"]
        .iter()
        .map(|rate| format!("        - {{duration: 40s, rate: {rate}/s}}\n"))
        .collect();
    let loads = format!(
        "    get:\n      executor: step\n      exec: get\n      levels:\n{levels}    ask:\n      executor: step\n      exec: ask\n      levels:\n{ask}"
    );
    let heard: Heard =
        run(&Parts { services: services(), loads, duration: "160s", cpu: "4", seed });
    let endpoint = |name: &str, load: usize| Endpoint {
        name: name.to_owned(),
        requests: heard
            .of(load)
            .into_iter()
            .map(|(start_s, end_s)| Request { start_s, end_s, failed: false })
            .collect(),
        rates: Vec::new(),
    };
    // Noise of its own seed: a scrape is never exact.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = || {
        let mut sum = 0.0;
        for _ in 0..12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            sum += f64::from(u32::try_from(state >> 40).expect("24 bits")) / f64::from(1_u32 << 24);
        }
        sum - 6.0
    };
    let cpu = heard.cpu.iter().map(|(at, cores)| (*at, cores * (1.0 + 0.02 * noise()))).collect();
    Observed {
        endpoints: vec![endpoint("ask", 1), endpoint("get", 0)],
        cpu: Some(Signal { points: cpu, source: "simulated".to_owned() }),
        ..Observed::default()
    }
}

#[test]
fn intervals_cover_the_truth_of_simulated_services_in_95_of_100_trials() {
    const TRIALS: u64 = 200;
    let mut covered = [0_u32; 4];
    let mut places = 0;
    for seed in 0..TRIALS {
        let fitted = calibrate(&measurement(seed));
        let cpu = fitted.cpu.as_ref().unwrap_or_else(|refusal| panic!("seed {seed}: {refusal}"));
        let get = cpu.of("get").expect("it has a rate");
        covered[0] += u32::from(get.cpu.covers(CPU_S));
        covered[1] += u32::from(cpu.idle.covers(0.05));
        if seed == 0 {
            println!("{:?} {:?}", cpu.idle, cpu.operations);
        }
        let ask = &fitted.endpoints[0];
        places += u32::from(ask.station.as_ref().is_ok_and(|it| it.count == Some(2)));
        let service = ask.service.as_ref().expect("thousands of requests tell");
        let gamma = service.candidates.iter().find(|it| it.family.name() == "gamma");
        if let Some(Family::Gamma { mean, cv }) = gamma.map(|candidate| &candidate.family) {
            covered[2] += u32::from(mean.covers(MEAN_S));
            covered[3] += u32::from(cv.covers(CV));
        }
    }
    println!("covered in {TRIALS} trials: {covered:?}; servers found in {places}");
    // 95 % of 200 are 190; chance alone leaves 181 to 198 (99.7 %).
    for (figure, count) in covered.iter().enumerate() {
        assert!(*count >= 181, "figure {figure} covered in {count} of {TRIALS} trials");
    }
    assert!(u64::from(places) >= TRIALS - 2, "the two servers were found in {places} trials");
}
