//! docs/validation.md is what the evidence says. `UPDATE_EXPECT=1` writes it and its pictures anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use aurelius_sim::backtest::recorded::loops;
use aurelius_sim::backtest::{Policy, Step, compared, replay};
use aurelius_sim::calibrate::check::replay as station_replay;
use aurelius_sim::calibrate::demand::misfit;
use aurelius_sim::calibrate::observe::duration_column;
use aurelius_sim::calibrate::{Observed, Role, calibrate};
use aurelius_sim::control::scheduler::GpuScore;
use aurelius_sim::input::recordings::{Columns, Recording};
use aurelius_sim::input::{load_pod_trace, objects_in};
use aurelius_sim::placement::{Placement, place};
use aurelius_sim::report::{backtest, calibration, pod_trace};
use aurelius_sim::scenario::pod_trace::{PodTrace, Sharing, Ties};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn unpacked(path: &Path) -> String {
    let bytes = std::fs::read(path).expect("it is in the repository");
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).expect("it is gzip");
        return text;
    }
    String::from_utf8(bytes).expect("it is text")
}

/// Cases by family of recorded answers.
fn families() -> BTreeMap<String, usize> {
    let mut families = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("tests/conformance")).expect("there are vectors") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let Some(family) = name.strip_suffix("-dev.jsonl.gz") else { continue };
        let cases = unpacked(&path).lines().filter(|line| !line.trim().is_empty()).count();
        families.insert(family.to_owned(), cases);
    }
    families
}

fn recorded_answers(page: &mut String) {
    page.push_str(
        "## Decisions\n\nEvery controller is held against answers that the real component gave to made-up inputs \
         (Kubernetes 1.36.2, Cluster Autoscaler 1.37). One mismatch fails the build: `cargo test --test conformance`.\n\n\
         | family | cases | mismatches allowed |\n|---|---|---|\n",
    );
    let families = families();
    for (family, cases) in &families {
        let _ = writeln!(page, "| {family} | {cases} | 0 |");
    }
    let _ = writeln!(page, "| all | {} | 0 |", families.values().sum::<usize>());
    let queueing: serde_json::Value =
        serde_json::from_str(&unpacked(&root().join("tests/conformance/queueing-dev.json")))
            .expect("it is JSON");
    let cases = queueing.as_array().or_else(|| queueing["cases"].as_array()).map_or(0, Vec::len);
    let _ = write!(
        page,
        "\n## Latencies\n\n{cases} cases of queueing theory (M/M/c, M/G/1, processor sharing, Erlang A, networks, batch servers): every figure \
         lies in the interval of the simulation, all of them together at 99.9 %; intervals are at most 2 % wide (5 % for p99 and at a \
         utilisation of 0.95). Little's law, conservation, work conservation and insensitivity are tests of their own: \
         `cargo test --test laws`.\n\nThe fluid model is held against the request model on every shipped scenario that both can run: replicas \
         and nodes within one, CPU within 5 %, p50 and p95 within 15 % below a utilisation of 0.9: `cargo test --test fluid` names the \
         exceptions.\n"
    );
}

fn measured_service(page: &mut String) -> String {
    let folder = root().join("tests/data/k6-prom-sample");
    let input = |role: Role, name: &str| {
        let text = unpacked(&folder.join(name));
        let value = (role == Role::Requests).then(|| duration_column(&text)).flatten();
        let columns = Columns { value, ..Columns::default() };
        (role, name.to_owned(), Recording::read(&text, &columns).expect("a recording"))
    };
    let observed = Observed::of(&[
        input(Role::Requests, "requests.csv.gz"),
        input(Role::Rates, "query_range_request_rate.json"),
        input(Role::Cpu, "query_range_process_cpu.json"),
    ]);
    let observed = observed.expect("each holds what its role needs");
    let calibration = calibrate(&observed);
    let at = observed.endpoints.iter().position(|it| it.name == "infer").expect("it was asked");
    let infer = &calibration.endpoints[at];
    let station = infer.station.as_ref().expect("it can be told");
    let capacity = infer.capacity().expect("it can be told");
    let (worst, median) = misfit(calibration.cpu.as_ref().expect("it can be told"));
    let _ = write!(
        page,
        "\n## A measured service\n\n`fit` on 3,518 recorded requests of a service whose truth is known: one of its operations works on one request \
         at a time for a fixed 110 ms. Found: {} at a time, {:.1} ms ({:.1} .. {:.1}), capacity {:.2}/s. CPU of the process by the fitted \
         demand: {:.1} % off in the median, {:.1} % at worst.\n\nThe fitted station under the recorded arrivals, window by window \
         (`tests/calibration.rs` does the same with the whole simulation, within 10 %):\n\n\
         | from | measured p95 | model p95 | off |\n|---|---|---|---|\n",
        station.count.expect("it can be told"),
        1e3 * station.service.value,
        1e3 * station.service.low,
        1e3 * station.service.high,
        capacity.value,
        100.0 * median,
        100.0 * worst
    );
    for window in station_replay(&observed.endpoints[at], infer, 10.0) {
        let _ = writeln!(
            page,
            "| {:.0} s | {:.0} ms | {:.0} ms | {:+.1} % |",
            window.from_s,
            1e3 * window.measured_s,
            1e3 * window.model_s,
            100.0 * window.off()
        );
    }
    page.push_str(
        "\n![CPU and p95 as measured and by the fitted model](fit.svg)\n\nIntervals of `fit` cover the truth of 200 simulated services with noise \
         in at least 181 trials each (95 %, less chance): CPU per request, idle CPU, mean and spread of service times; the number of \
         servers is found in all but two; idle memory and memory per request in progress, parameters of start-up times (written in seconds and in milliseconds) and \
         of the scalability law. Recordings with holes, repeats, counter resets, other steps or what is no number are refused or told within 15 % of the truth.\n",
    );
    calibration::picture(&observed, &calibration).expect("there is something to draw")
}

fn backtests(page: &mut String) -> String {
    page.push_str(
        "\n## Backtests\n\nClosed loops of the real HPA controller, replayed with their own figures: sizes must be equal at every sync \
         (`cargo test --test backtest`).\n\n| loop | syncs | equal | from | to |\n|---|---|---|---|---|\n",
    );
    let text = unpacked(&root().join("tests/conformance/hpa-dev.jsonl.gz"));
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("\"name\":\"loop-")).collect();
    let mut drawn: Option<(String, Vec<Step>)> = None;
    for recorded in loops(&lines.join("\n")).expect("they are loops") {
        let objects = objects_in(&recorded.day.name, &recorded.manifest).objects;
        let spec = objects.autoscalers.first().expect("an HPA").spec.clone();
        let policy = Policy {
            name: "as it was".to_owned(),
            spec,
            config: recorded.config,
            ready_after_ns: 30_000_000_000,
        };
        let steps = replay(&recorded.day, &policy);
        let tested = compared(&recorded.day.name, &[("as it was".to_owned(), steps.clone())]);
        let found = tested.outcomes[0].courses[0].errors().expect("a loop has syncs");
        let (first, last) = (steps.first().expect("syncs"), steps.last().expect("syncs"));
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            recorded.day.name, found.instants, found.equal, first.recorded, last.recorded
        );
        let moved = |steps: &[Step]| {
            steps.windows(2).filter(|pair| pair[0].recorded != pair[1].recorded).count()
        };
        if drawn.as_ref().is_none_or(|(_, most)| moved(&steps) > moved(most)) {
            drawn = Some((recorded.day.name, steps));
        }
    }
    let (name, steps) = drawn.expect("there are loops");
    let _ = write!(page, "\n![Recorded and replayed sizes of {name}](backtest.svg)\n");
    backtest::picture(&compared(&name, &[("as it was".to_owned(), steps)]))
}

/// What the authors publish of their policies on the same trace: mean, least and most of ten runs at the end
/// of the fill (kubernetes-scheduler-simulator at 8f3d6417, analysis_allo_discrete.csv and
/// analysis_frag_discrete.csv, openb_pod_list_default, column 130; per cent of all GPUs).
const PUBLISHED: [(&str, GpuScore, [f64; 3], f64); 4] = [
    ("Random", GpuScore::Random, [87.47, 87.07, 88.03], 12.43),
    ("GpuPacking", GpuScore::Packing, [92.00, 91.29, 92.79], 7.91),
    ("BestFit", GpuScore::BestFit, [93.08, 92.87, 93.25], 6.85),
    ("FGD", GpuScore::Fragmentation, [95.39, 95.27, 95.49], 4.57),
];

fn trace(name: &str) -> PodTrace {
    let loaded = load_pod_trace(&root().join(format!("scenarios/{name}.yaml")));
    loaded.trace.expect("the shipped trace is right")
}

/// A real GPU cluster placed again, beside what its authors publish.
fn gpu_cluster(page: &mut String) -> String {
    page.push_str(
        "\n## A GPU cluster\n\nAlibaba's openb trace (8,152 pods, most of them on a part of a GPU; 1,523 nodes) is placed by the same scheduler \
         code that the recorded answers hold, with the plugin that shares single GPUs. `scenarios/openb-full.yaml` repeats the experiment of \
         its authors (Weng et al., USENIX ATC 2023): pods in random order fill the 1,213 nodes with GPUs until they want 130 % of them. \
         GPUs allocated in the end, and idle as fragments, in per cent of all:\n\n\
         | policy | allocated, published (ten runs) | here | off | fragments, published | here |\n|---|---|---|---|---|---|\n",
    );
    let full = trace("openb-full");
    let mut filled = Vec::new();
    for (name, score, [mean, least, most], fragments) in PUBLISHED {
        let trace = PodTrace { sharing: Sharing::Devices(score), ..full.clone() };
        let placed = place(&trace, trace.seed);
        let allocated = 100.0 * placed.last.allocated;
        let _ = writeln!(
            page,
            "| {name} | {mean:.2} ({least:.2} .. {most:.2}) | {allocated:.2} | {:+.2} | {fragments:.2} | {:.2} |",
            allocated - mean,
            100.0 * placed.last.fragmented
        );
        assert!((allocated - mean).abs() < 1.0, "{name}: {allocated} is not {mean}");
        assert!((100.0 * placed.last.fragmented - fragments).abs() < 1.0, "{name}");
        filled.push((name.to_owned(), placed));
    }
    let lots = PodTrace { ties: Ties::ByLot, ..full.clone() };
    let by_lot = place(&lots, lots.seed);
    let usual = PodTrace { sharing: Sharing::Devices(GpuScore::Default), ..lots };
    let usual = place(&usual, usual.seed);
    let whole = PodTrace { sharing: Sharing::Whole, ties: Ties::ByLot, ..full };
    let whole = place(&whole, whole.seed);
    let _ = write!(
        page,
        "\nWhat differs: one run here beside ten there, other draws, and the filters of Kubernetes 1.36 instead of 1.20. What matters most is in \
         no paper: the authors' scheduler takes the first of equally good nodes by name, kube-scheduler draws lots. With lots FGD allocates \
         {:.2} % instead of {:.2} %, less than the scores of the default profile with the same plugin ({:.2} %). Without the plugin, a part of \
         a GPU takes a whole one: {:.2} % are allocated, {:.2} % have somebody on them.\n\n\
         ![GPUs allocated as the cluster fills](openb.svg)\n",
        100.0 * by_lot.last.allocated,
        100.0 * filled[3].1.last.allocated,
        100.0 * usual.last.allocated,
        100.0 * whole.last.allocated,
        100.0 * whole.last.occupied
    );
    let recorded = trace("openb");
    let placed = place(&recorded, recorded.seed);
    let (ours, theirs) =
        (placed.waits.expect("pods were placed"), placed.recorded_waits.expect("and recorded"));
    let _ = write!(
        page,
        "\n`scenarios/openb.yaml` lets the pods come and go as recorded: {} of {} are placed, at most {:.2} % of the GPUs are allocated, and nobody \
         waits longer than {:.0} ms. In the record the same pods waited {:.0} s on average (median {:.0} s, at most {:.0} s): the trace is a \
         sample of what ran there, so that what they waited for (other pods, quotas, images) is not in it. Waiting is therefore not validated.\n",
        placed.placed,
        placed.came,
        100.0 * placed.peak.allocated,
        1e3 * ours.most_s,
        theirs.mean_s,
        theirs.median_s,
        theirs.most_s
    );
    let named: Vec<(&str, &Placement)> =
        filled.iter().map(|(name, placed)| (name.as_str(), placed)).collect();
    pod_trace::filling(&named)
}

const NOT_VALIDATED: &str = "
## What is not validated

- No whole day of a production cluster was replayed from load to replicas, nodes and cost: the recorded loads in `profiles/recordings`
  tell when requests came, not what they cost or how many pods served them. `backtest SCENARIO --recorded` does it with your recordings;
  its arithmetic and its causes are held against days whose truth is known, because a run or a hand made them (`cargo test --test backtest`).
- The cause of a recorded size is inferred from figures: where the record is no decision of the HPA as it is written, the rule named is
  the first that makes that size, and \"no rule\" when none does. Who else changed it is not in the data.
- `fit` was held against one measured service (one process, one machine, two minutes) and against our own simulator. CPU of operations
  whose rates move together is a sum shared out by duration; the profile says so at each figure.
- A station is found as servers with one queue, first come, first served. Thread pools that share cores, priorities and batches look
  different, and are then not told or told as something else; look at the replayed windows before believing one.
- `backtest` replays CPU and memory metrics. Where simulated and recorded sizes part, demand is taken as independent of who serves it:
  a service that was overloaded, and so refused work, would have used more.
- Pod traces are placed, not run: kubelets, images, quotas and what else pods wait for are not in them, and waiting is not validated.
- CPU of single operations: the measured service tells only the CPU of its process, in means over 30 s, while the rates of its five
  operations rise together. Regression on single rates gives one of them -1.4 +-0.5 ms a request and others signs that change with
  the window; with non-negative slopes the intervals still reach from a quarter to twice the figure (ping 1.2 .. 2.1 ms, list 0.2 .. 3.2 ms,
  infer 0 .. 0.9 ms). So they are shared out by how long they take: their sum is right within 10 % at every instant, each alone need not
  be, and the interval of each is that of the sum.
- The measured service sleeps 110 ms a request; its turns take 111 ms, as its answers show while requests wait
  (`tests/laws/k6_oracle.rs`). A simulation of a pure 110 ms lies below the record in the windows that are overloaded.
- Summaries of k6 and single scrapes tell no service times: `fit` says so and writes none.
- Clouds: launch times, shortages and spot interruptions are distributions from few public observations; prices are of their date.
- Karpenter has no recorded answers; it is held against its documentation, its source and worked cases.
- Latency of networks, disks and kernels is what profiles state.
";

#[test]
fn the_validation_page_is_what_the_evidence_says() {
    let mut page = String::from(
        "# Validation\n\nWhat the simulator claims to be true, and what shows it. This page is made by `UPDATE_EXPECT=1 cargo test --test \
         validation` from the evidence itself, and checked in CI.\n\n",
    );
    recorded_answers(&mut page);
    let fit = measured_service(&mut page);
    let filled = gpu_cluster(&mut page);
    let replayed = backtests(&mut page);
    page.push_str(NOT_VALIDATED);
    let docs = root().join("docs");
    for (name, made) in [
        ("validation.md", page),
        ("fit.svg", fit),
        ("openb.svg", filled),
        ("backtest.svg", replayed),
    ] {
        let path = docs.join(name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &made).expect("it can be written");
            continue;
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == made,
            "docs/{name} is old: UPDATE_EXPECT=1 cargo test --test validation"
        );
    }
}
