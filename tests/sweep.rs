//! Sweeps of shipped scenarios: the same bytes for any number of threads, and figures that agree.

use std::path::Path;

use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::model::id::StationId;
use aurelius_sim::report::{Report, Told, assemble, csv, json};
use aurelius_sim::scenario::Scenario;
use aurelius_sim::sweep::{Figures, RunResult, SweepOptions, evaluate, run};

fn shipped(name: &str) -> Scenario {
    let path = format!("scenarios/{name}.yaml");
    load_scenario(Path::new(&path), &LoadOptions::default()).scenario.expect("it is valid")
}

fn runs(scenario: &Scenario, runs: u32, jobs: usize) -> Vec<RunResult> {
    let options = SweepOptions { runs, jobs, ..SweepOptions::single(scenario.seed) };
    evaluate(scenario, options, &|_| {}).expect("threads can be had")
}

fn page(scenario: &Scenario, results: &[RunResult]) -> Report {
    assemble(scenario, scenario.seed, results, false, Told::default())
}

#[test]
fn the_bytes_do_not_depend_on_threads() {
    let scenario = shipped("k6-smoke");
    let (one, three) = (runs(&scenario, 3, 1), runs(&scenario, 3, 3));
    assert!(one == three, "results differ between one thread and three");
    assert_eq!(json::json(&page(&scenario, &one)), json::json(&page(&scenario, &three)));
    let replications: Vec<u64> = one.iter().map(|run| run.replication).collect();
    assert_eq!(replications, [0, 1, 2]);
    assert!(one[0].measurements != one[1].measurements, "replications draw alike");
    let single = runs(&scenario, 1, 2);
    assert!(single[0] == one[0], "a run is a sweep of one");
}

/// Leaving out what nobody reads changes nothing that is read.
#[test]
fn figures_are_those_of_a_run_that_keeps_everything() {
    let scenario = shipped("k6-smoke").unwatched();
    let full = run(&scenario, SweepOptions::single(scenario.seed), 0, &|_| {});
    let lean = run(&scenario, SweepOptions::for_figures(scenario.seed), 0, &|_| {});
    assert_eq!(
        Figures::of(&scenario, &lean, false),
        Figures::of(&scenario, &full, false),
        "figures do not depend on what else is kept"
    );
    assert_eq!(full.outcome, lean.outcome);
    assert_eq!(full.thresholds, lean.thresholds);
    assert_eq!(full.cost, lean.cost);
    let rates = |run: &RunResult| -> Vec<f64> {
        let series = run.measurements.series();
        let points = series.stations.iter().flatten();
        points.map(|point| point.ended.completed_per_second).collect()
    };
    assert_eq!(rates(&full), rates(&lean));
    let stations = || scenario.services.stations.iter().enumerate();
    let told = |run: &RunResult| -> u64 {
        stations().map(|(at, _)| run.measurements.station(StationId::at(at)).sojourns.count()).sum()
    };
    assert!(told(&full) > 0 && told(&lean) == 0, "distributions of services are left out");
}

#[test]
fn a_result_agrees_with_itself() {
    let scenario = shipped("k6-smoke");
    let results = runs(&scenario, 1, 1);
    let run = &results[0];
    let measured = &run.measurements;
    let calls = measured.calls();
    assert!(calls.ends.total() > 0, "clients called");
    assert!(calls.ends.total() <= run.outcome.calls.begun);
    assert_eq!(calls.ends.total(), calls.durations.count());
    for law in &run.little {
        // What is inside at the end has no sojourn yet; for the rest the law is exact.
        let ended = measured.station(law.station).whole_run_ended;
        if ended > 1000 && law.inside_at_end == 0 {
            assert!(law.gap() < 1e-6, "{law:?}");
        }
    }
    let times = &measured.series().times;
    assert!(times.len() > 1 && times[0].is_zero());
    for points in &measured.series().workloads {
        assert_eq!(points.len(), times.len());
    }
}

#[test]
fn json_and_csv_hold_what_they_promise() {
    let scenario = shipped("k6-smoke");
    let results = runs(&scenario, 2, 2);
    let page = page(&scenario, &results);
    let value: serde_json::Value =
        serde_json::from_str(&json::json(&page)).expect("it is a document of JSON");
    assert_eq!(value["schema"], json::SCHEMA);
    assert_eq!(value["scenario"], "k6-smoke");
    assert_eq!(value["runs"].as_array().map(Vec::len), Some(2));
    let threshold = &value["thresholds"][0];
    assert_eq!(threshold["across"]["runs"], 2);
    assert!(threshold["observed"].is_number(), "{threshold}");
    assert!(value["cost"]["per_month"].is_string(), "money is a decimal in a string");
    let sha256 = value["inputs"][0]["sha256"].as_str().map(str::len);
    assert_eq!(sha256, Some(64));
    assert!(value["metrics"]["http_req_duration"]["values"]["p(95)"].is_number());
    let instants = page.courses.times_s.len();
    for (name, text) in csv::files(&page) {
        let rows = text.lines().count();
        // A head, and nothing below it where no pod waited for a machine.
        assert!(rows > 1 || name == "startups.csv", "{name} is empty");
        let expected = match name {
            "load.csv" => 1 + instants,
            "workloads.csv" => 1 + instants * scenario.workloads.len(),
            "services.csv" => 1 + instants * scenario.services.stations.len(),
            "latency.csv" => 1 + instants * (1 + scenario.services.stations.len()),
            "nodes.csv" => 1 + instants * scenario.pools.len(),
            // Nine parts and the total.
            "startups.csv" => 1 + 10 * page.start_ups.len(),
            _ => continue,
        };
        assert_eq!(rows, expected, "{name}");
    }
}
