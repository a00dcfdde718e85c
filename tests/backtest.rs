//! Backtests of recorded closed loops: the replayed HPA makes exactly the sizes that the real controller made.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use aurelius_sim::backtest::recorded::loops;
use aurelius_sim::backtest::{Policy, compared, replay};
use aurelius_sim::input::objects_in;

/// The closed loops among the recorded answers of the real controller.
fn recorded() -> String {
    let path = format!("{}/tests/conformance/hpa-dev.jsonl.gz", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).expect("the vectors are in the repository");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).expect("it is gzip");
    text.lines()
        .filter(|line| line.contains("\"name\":\"loop-") || line.contains("\"name\": \"loop-"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn recorded_closed_loops_are_reproduced_to_the_pod() {
    let loops = loops(&recorded()).expect("the vectors are loops");
    assert_eq!(loops.len(), 6);
    let mut moved = 0;
    for recorded in loops {
        let objects = objects_in(&recorded.day.name, &recorded.manifest).objects;
        let spec = objects.autoscalers.first().expect("the manifest is an HPA").spec.clone();
        let policy = Policy {
            name: "as it was".to_owned(),
            spec,
            config: recorded.config,
            ready_after_ns: 30_000_000_000,
        };
        let steps = replay(&recorded.day, &policy);
        let found = compared(&recorded.day.name, &[("as it was".to_owned(), steps.clone())]);
        let outcome = &found.outcomes[0];
        let sizes = outcome.courses[0].errors().expect("a loop has syncs");
        assert_eq!(sizes.equal, sizes.instants, "{}: {sizes:?}", recorded.day.name);
        assert_eq!(outcome.divergences, [], "{}", recorded.day.name);
        // What each sync asks for is what the record has next.
        for pair in steps.windows(2) {
            assert_eq!(
                pair[0].desired, pair[1].recorded,
                "{} at {} s",
                recorded.day.name, pair[0].at_s
            );
        }
        let sizes = steps.iter().map(|step| step.recorded);
        moved += usize::from(sizes.clone().min() != sizes.max());
    }
    assert!(moved >= 4, "loops that never move would show nothing");
}

#[test]
fn what_is_no_loop_is_refused_with_its_line() {
    let rows = [
        ("{\"syncs\": []}", "line 1: has no `hpa`"),
        ("\n{\"hpa\": {}}", "line 2: has no `syncs`"),
        ("[", "line 1 is no JSON"),
        ("{\"hpa\": {}, \"syncs\": [{}]}", "line 1: sync 0 has no `specReplicas`"),
        (
            "{\"hpa\": {}, \"syncs\": [{\"at\": 1, \"specReplicas\": 1, \"objectMetrics\": {\"q\": \"1\"}}]}",
            "only CPU and memory can be replayed",
        ),
    ];
    for (text, expected) in rows {
        let problem = loops(text).expect_err(text);
        assert!(problem.contains(expected), "{text}: {problem}");
    }
}

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .args(arguments)
        .output()
        .expect("the program can be started")
}

/// A day whose record a run wrote, by rates: the answer is known to the last figure.
const DAY: &str = "scenarios/web-day.yaml";

fn recorded_day() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("the test may write to the temporary folder");
    let output =
        sim(&["run", DAY, "-q", "--exit-zero", "-o", &format!("csv={}", folder.path().display())]);
    assert!(output.status.success(), "{output:?}");
    folder
}

fn tested(arguments: &[&str]) -> Value {
    let output = sim(&[&["backtest", DAY, "-o", "json"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let value: Value = serde_json::from_slice(&output.stdout).expect("it writes JSON");
    value["days"][0].clone()
}

fn metric<'v>(day: &'v Value, policy: usize, name: &str) -> &'v Value {
    let metrics = day["policies"][policy]["metrics"].as_array().expect("a list");
    let found = metrics.iter().find(|it| it["metric"] == name);
    &found.unwrap_or_else(|| panic!("no {name} in {metrics:?}"))["errors"]
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A table with some rows changed.
fn doctored(path: &Path, change: &dyn Fn(f64, &mut Vec<String>)) {
    let text = fs::read_to_string(path).expect("the run wrote it");
    let (head, rows) = text.split_once('\n').expect("it has a head");
    let mut lines = vec![head.to_owned()];
    for row in rows.lines() {
        let mut cells: Vec<String> = row.split(',').map(str::to_owned).collect();
        let time = cells[0].parse().expect("the first column is time");
        change(time, &mut cells);
        lines.push(cells.join(","));
    }
    fs::write(path, lines.join("\n") + "\n").expect("the folder is ours");
}

#[test]
fn a_recorded_day_of_the_same_scenario_is_reproduced_and_a_doctored_one_is_found_out() {
    let folder = recorded_day();
    let record = folder.path().display().to_string();
    let day = tested(&["--recorded", &record]);
    for name in ["replicas/web", "nodes/general", "p95_ms", "rate", "failed_share"] {
        let errors = metric(&day, 0, name);
        assert!(number(&errors["max_error"]) < 1e-9, "{name}: {errors}");
        assert!(number(&errors["instants"]) > 700.0, "{name}: {errors}");
    }
    assert_eq!(day["policies"][0]["decisions"], Value::Array(Vec::new()));

    // Somebody adds two pods by hand between 6:00 and 7:00; everything takes a tenth longer.
    doctored(&folder.path().join("workloads.csv"), &|time, cells| {
        if cells[1] == "Deployment/web" && (21_600.0..25_200.0).contains(&time) {
            let size: i32 = cells[2].parse().expect("a size");
            cells[2] = (size + 2).to_string();
        }
    });
    doctored(&folder.path().join("latency.csv"), &|_, cells| {
        if let Ok(p95) = cells[3].parse::<f64>() {
            cells[3] = (p95 * 1.1).to_string();
        }
    });
    let day = tested(&["--recorded", &record, "--recorded", "p(95)=40"]);
    let sizes = metric(&day, 0, "replicas/web");
    // 30 of 721 instants are two pods off.
    assert!((number(&sizes["mae"]) - 60.0 / 721.0).abs() < 1e-9, "{sizes}");
    assert!((number(&sizes["bias"]) + 60.0 / 721.0).abs() < 1e-9, "{sizes}");
    let p95 = metric(&day, 0, "p95_ms");
    let relative = number(&p95["bias"]) / number(&p95["recorded_mean"]);
    assert!((relative + 1.0 - 1.0 / 1.1).abs() < 1e-9, "{p95}");
    let decisions = day["policies"][0]["decisions"].as_array().expect("a list");
    let (first, last) = (&decisions[0], &decisions[decisions.len() - 1]);
    assert!((number(&first["t_s"]) - 21_600.0).abs() < 1e-9, "{first}");
    assert!((number(&last["until_s"]) - 25_200.0).abs() < 1e-9, "{last}");
    let cause = first["cause"].as_str().expect("a sentence");
    assert!(cause.contains("no rule of this HPA makes"), "{cause}");
    assert!(first["sync"].as_str().is_some_and(|it| it.contains("cpu")), "{first}");
    let totals = day["policies"][0]["totals"].as_array().expect("a list");
    let whole = totals.iter().find(|it| it["total"] == "p(95)").expect("it was stated");
    assert!((number(&whole["recorded"]) - 40.0).abs() < 1e-9, "{whole}");
    assert!(number(&whole["relative"]) < 0.0, "{whole}");
}

#[test]
fn prometheus_series_of_a_day_are_held_against_it_from_where_they_begin() {
    let folder = recorded_day();
    let text = fs::read_to_string(folder.path().join("workloads.csv")).expect("the run wrote it");
    let rows = text.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>());
    let values: Vec<String> = rows
        .filter(|cells| cells[1] == "Deployment/web")
        .map(|cells| {
            let time: f64 = cells[0].parse().expect("a time");
            format!("[{}, \"{}\"]", 1_763_971_200.0 + time, cells[2])
        })
        .collect();
    let series = |deployment: &str, values: &str| {
        format!("{{\"metric\": {{\"deployment\": \"{deployment}\"}}, \"values\": [{values}]}}")
    };
    let json = format!(
        "{{\"status\": \"success\", \"data\": {{\"resultType\": \"matrix\", \"result\": [{}, {}]}}}}",
        series("web", &values.join(",")),
        series("other", "[1763971200, \"40\"]")
    );
    let path = folder.path().join("replicas.json");
    fs::write(&path, json).expect("the folder is ours");
    let word = format!("replicas/web={}{{deployment=web}}", path.display());
    let policy = "profiles/policies/hpa-cpu-50.yaml";
    let day = tested(&["--recorded", &word, "--policy", policy]);
    assert!(number(&metric(&day, 0, "replicas/web")["max_error"]) < 1e-9, "{day}");
    assert!(number(&metric(&day, 1, "replicas/web")["mae"]) > 0.5, "{day}");
    let decisions = day["policies"][1]["decisions"].as_array().expect("a list");
    let cause = decisions[0]["cause"].as_str().expect("a sentence");
    assert!(cause.contains("of 50%") && cause.contains("in the record cpu"), "{cause}");

    let late = format!("--starts={}", "2025-11-24T08:30:00Z");
    let shifted = tested(&["--recorded", &word, &late]);
    assert!(number(&metric(&shifted, 0, "replicas/web")["mae"]) > 0.1, "half an hour off");
    let rate = format!("rate={}{{deployment=web}}", path.display());
    let output = sim(&["backtest", DAY, "--recorded", &rate]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("no size was recorded, so that no decision is compared"), "{told}");
    let p95 = format!("p95_ms={}", path.display());
    let output = sim(&["backtest", DAY, "--recorded", &p95]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("holds 2 series, and p95_ms of several cannot be added"), "{said}");
    assert_eq!(output.status.code(), Some(2));
}
