//! `size`: it finds the figures that queueing theory gives, and what it writes keeps what it promises.

use std::fs;
use std::process::{Command, Output};

use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::sweep::size::trial::{Trial, trial};
use aurelius_sim::sweep::size::{Amount, Figure, PlanKind, SizeOptions, one_step_down, size};
use serde_json::Value;

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .args(arguments)
        .output()
        .expect("the program can be started")
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

/// The documents of a sizing in a folder, texts changed.
fn documents(changes: &[(&str, &str, &str)]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for entry in fs::read_dir("tests/data/size").expect("it is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("it is text");
        let changes = changes.iter().filter(|(file, _, _)| *file == name);
        let text = changes.fold(text, |text, (_, from, to)| {
            assert!(text.contains(from), "{name} does not hold `{from}`");
            text.replace(from, to)
        });
        fs::write(folder.path().join(name), text).expect("the folder is ours");
    }
    let scenario = folder.path().join("scenario.yaml").display().to_string();
    (folder, scenario)
}

fn sized(scenario: &str, more: &[&str]) -> Value {
    let mut arguments = vec!["size", scenario, "-o", "json", "--runs", "4"];
    arguments.extend(more);
    let output = sim(&arguments);
    assert_eq!(code(&output), 0, "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

/// What a field of the only service is set to, or stays.
fn replicas(page: &Value, today: &str) -> String {
    let rows = page["services"][0]["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["field"] == "replicas");
    row.map_or(today, |row| row["set_to"].as_str().expect("text")).to_owned()
}

/// Pods as M/M/1 queues: the sojourn time is exponential with rate mu - lambda/n, its 95th percentile is
/// ln 20 / (mu - lambda/n). With mu = 10/s and lambda = 40/s it is 899 ms for six pods, 1,498 ms for five.
#[test]
fn pods_as_single_servers_are_as_many_as_the_formula_says() {
    let percentile = |pods: f64| 1000.0 * libm::log(20.0) / (10.0 - 40.0 / pods);
    let formula = (5..).find(|pods| percentile(f64::from(*pods)) < 1000.0);
    assert_eq!(formula, Some(6));
    let (_folder, scenario) = documents(&[]);
    let page = sized(&scenario, &[]);
    assert_eq!(replicas(&page, "3"), "6", "{page:#}");
    assert_eq!(page["today"]["holds"], false);
    assert_eq!(page["plans"][1]["passes"], 4);
}

/// Mean number that waits in M/M/c (Erlang C times rho / (1 - rho)).
fn waiting(servers: u32, load: f64) -> f64 {
    // Erlang's B by its recursion, then C.
    let blocking = (1..=servers).fold(1.0, |b, c| load * b / (f64::from(c) + load * b));
    let rho = load / f64::from(servers);
    let wait = blocking / (1.0 - rho + rho * blocking);
    wait * rho / (1.0 - rho)
}

fn workers(rate: &str, threshold: &str, replicas: &str) -> (tempfile::TempDir, String) {
    documents(&[
        ("scenario.yaml", "queues.services", "workers.services"),
        ("scenario.yaml", "rate: 40,", rate),
        ("scenario.yaml", "http_req_duration: [\"p(95)<1000\"]", threshold),
        ("pods.yaml", "replicas: 3", replicas),
    ])
}

/// From too few: lambda = 8/s, 0.5 s a task, 4 Erlang. Less than one may wait on average: 6 workers.
#[test]
fn workers_on_one_list_are_as_many_as_erlang_says_from_below() {
    let formula = (5..).find(|servers| waiting(*servers, 4.0) < 1.0);
    assert_eq!(formula, Some(6));
    let threshold = "\"queue_depth{service:work}\": [\"avg<1\"]";
    let (_folder, scenario) = workers("rate: 8,", threshold, "replicas: 3");
    assert_eq!(replicas(&sized(&scenario, &[]), "3"), "6");
}

/// From too many: lambda = 10/s, 5 Erlang. Less than a half may wait on average: 8 workers, not 14.
#[test]
fn workers_on_one_list_are_as_many_as_erlang_says_from_above() {
    let formula = (6..).find(|servers| waiting(*servers, 5.0) < 0.5);
    assert_eq!(formula, Some(8));
    let threshold = "\"queue_depth{service:work}\": [\"avg<0.5\"]";
    let (_folder, scenario) = workers("rate: 10,", threshold, "replicas: 14");
    assert_eq!(replicas(&sized(&scenario, &[]), "14"), "8");
}

/// The verdict of a run with more arguments.
fn run(scenario: &str, more: &[&str]) -> i32 {
    let mut arguments = vec!["run", scenario, "-q"];
    arguments.extend(more);
    let output = sim(&arguments);
    let code = code(&output);
    assert!(code == 0 || code == 99, "{}", said(&output));
    code
}

/// Sizes a scenario, feeds what was written back, and gives it.
fn fed_back(scenario: &str, option: &str, more: &[&str]) -> String {
    assert_eq!(run(scenario, &[]), 99, "today's figures fail");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let overlay = folder.path().join("values-sized.yaml").display().to_string();
    let mut arguments = vec!["size", scenario, "--runs", "3", "-q", "--write", &overlay];
    arguments.extend(more);
    let output = sim(&arguments);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(output.stderr.is_empty(), "{}", said(&output));
    assert_eq!(run(scenario, &[option, &overlay, "--runs", "3"]), 0, "{}", said(&output));
    fs::read_to_string(&overlay).expect("it was written")
}

#[test]
fn values_of_helm_create_keep_their_keys_and_the_promise() {
    let (folder, _) = documents(&[]);
    let scenario = folder.path().join("rising.yaml").display().to_string();
    let overlay = fed_back(&scenario, "--values", &[]);
    assert!(overlay.contains("autoscaling:\n  maxReplicas: "), "{overlay}");
}

#[test]
fn values_of_bitnami_keep_their_keys_and_the_promise() {
    let (folder, _) = documents(&[("rising.yaml", "create.values", "bitnami.values")]);
    let scenario = folder.path().join("rising.yaml").display().to_string();
    let overlay = fed_back(&scenario, "--values", &["--plan", "cheapest"]);
    assert!(overlay.contains("autoscaling:\n  maxReplicas: "), "{overlay}");
    assert!(overlay.contains("  targetCPU: \"85\""), "{overlay}");
}

#[test]
fn manifests_get_a_patch_that_kustomize_merges() {
    let hpa = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n\
               metadata: {name: api}\nspec:\n  scaleTargetRef: {apiVersion: apps/v1, kind: \
               Deployment, name: api}\n  minReplicas: 2\n  maxReplicas: 3\n  metrics: [{type: \
               Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: \
               60}}}]\n";
    let (folder, _) = documents(&[
        ("rising.yaml", "values: [create.values.yaml]", "manifests: [pods.yaml, hpa.yaml]"),
        ("pods.yaml", "limits: {cpu: \"1\"", "limits: {cpu: 500m"),
        ("pods.yaml", "  replicas: 3\n", ""),
    ]);
    fs::write(folder.path().join("hpa.yaml"), hpa).expect("the folder is ours");
    let scenario = folder.path().join("rising.yaml").display().to_string();
    let overlay = fed_back(&scenario, "--patch", &[]);
    assert!(
        overlay.contains("kind: HorizontalPodAutoscaler\nmetadata:\n  name: api\n"),
        "{overlay}"
    );
    assert!(overlay.contains("spec:\n  maxReplicas: "), "{overlay}");
}

/// What `--prove-headroom` says of more load and of losses is what plain runs say of the same scenario
/// with that load, or with that node or zone lost.
#[test]
fn headroom_and_losses_are_what_plain_runs_say() {
    let (folder, scenario) = documents(&[("pods.yaml", "replicas: 3", "replicas: 7")]);
    let page = sized(&scenario, &["--prove-headroom", "2", "--plan", "smallest"]);
    assert_eq!(page["plans"][0]["changed"], 0, "today's figures hold: {page:#}");
    let text = fs::read_to_string(&scenario).expect("it was written");
    let other = folder.path().join("other.yaml").display().to_string();
    let plain = |text: String| {
        fs::write(&other, text).expect("the folder is ours");
        run(&other, &["--runs", "2"])
    };
    for row in page["headroom"].as_array().expect("rows") {
        assert_eq!(row["found"], "as written, 2 seeds");
        let holds = row["holds_at"].as_f64().expect("it holds as it is");
        let fails = row["fails_at"].as_f64().expect("seven pods do not carry everything");
        assert!(1.0 <= holds && holds < fails, "{row}");
        // The page tells hundredths: a hundredth inside.
        for (factor, code) in [(holds - 0.01, 0), (fails + 0.01, 99)] {
            let rate = format!("rate: {:.0}, exec: get, timeUnit: 100s", 4000.0 * factor);
            let text = text.replace("exec: get, rate: 40, timeUnit: 1s", &rate);
            assert!(text.contains("timeUnit: 100s"), "{text}");
            assert_eq!(plain(text), code, "{factor} times the load");
        }
    }
    let losses = page["tolerance"].as_array().expect("rows");
    assert_eq!(losses.len(), 2, "{losses:?}");
    for (loss, event) in losses
        .iter()
        .zip(["failNode: {pool: general, deleted: 60s}", "failZone: us-east-1b, for: 20m"])
    {
        assert_eq!(loss["found"], "as written, 2 seeds");
        let code = plain(format!("{text}\nevents:\n  - {{at: 0s, {event}}}\n"));
        for side in ["today", "plan"] {
            assert_eq!(loss[side], code == 0, "{event}: {loss}");
        }
    }
}

/// A rehearsal of Aurelius by rates, short enough for a test: today's three ML pods at most cannot do it.
fn aurelius() -> (tempfile::TempDir, String) {
    aurelius_from(
        "executor: constant-arrival-rate, exec: viewStudy, rate: 45, timeUnit: 1s, duration: 20m, \
         preAllocatedVUs: 300, maxVUs: 3000",
        "20m",
    )
}

/// Aurelius by rates under one load.
fn aurelius_from(load: &str, duration: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here =
        std::env::current_dir().expect("there is one").join("profiles").display().to_string();
    let text = format!(
        "apiVersion: aurelius.dev/v1\nkind: Scenario\nmetadata: {{name: morning}}\n\
         inputs:\n  values: [{here}/aurelius/values.yaml, {here}/aurelius/values-prod.yaml]\n  \
         services: [{here}/aurelius/services.yaml]\n  cluster: {here}/clusters/eks-t4.yaml\n\
         duration: {duration}\nwarmUp: 5m\nmodel: fluid\nload:\n  scenarios:\n    readers: \
         {{{load}}}\nthresholds:\n  \
         \"http_req_duration{{name:frame}}\": [\"p(95)<500\"]\n  http_req_failed: [\"rate<0.01\"]\n"
    );
    let scenario = folder.path().join("morning.yaml").display().to_string();
    fs::write(&scenario, text).expect("the folder is ours");
    (folder, scenario)
}

#[test]
fn the_values_of_aurelius_keep_their_keys_and_the_promise() {
    let (_folder, scenario) = aurelius();
    let overlay = fed_back(&scenario, "--values", &[]);
    assert!(overlay.contains("renderService:\n  autoscaling:\n    minReplicas: "), "{overlay}");
    // One value stands for the primary and its replicas: it is written once.
    assert_eq!(overlay.matches("postgresql:").count(), 1, "{overlay}");
}

/// Aurelius' production values under an hour of its morning, pressed into half of one and moved by rates. Every figure
/// of the recommended plan one step lower, alone: that fails, or saves less than a hundredth.
#[test]
fn no_figure_of_the_plan_for_aurelius_is_wasteful() {
    let (_folder, scenario) = aurelius_from(
        "executor: ramping-arrival-rate, exec: viewStudy, startRate: 6, timeUnit: 1s, stages: \
         [{duration: 12m, target: 28}, {duration: 8m, target: 28}, {duration: 6m, target: 12}], \
         preAllocatedVUs: 300, maxVUs: 3000",
        "26m",
    );
    let loaded = load_scenario(std::path::Path::new(&scenario), &LoadOptions::default());
    let scenario = loaded.scenario.expect("it is valid");
    let options = SizeOptions {
        runs: 1,
        jobs: 0,
        plan: PlanKind::Recommended,
        strict: false,
        outlook_runs: 0,
        families: Vec::new(),
    };
    let written = std::slice::from_ref(&scenario);
    let sizing = size(written, &[], &options, &|_| ()).expect("there are threads");
    let plan = sizing.plan();
    let whole = trial(&plan.changes.apply(&scenario), 0, false);
    assert!(whole.holds, "{:?}", whole.failed);
    assert!(plan.changes.0.len() > 20, "{:#?}", plan.changes);
    let cost = |trial: &Trial| trial.cost.expect("all prices are known");
    let wasteful = |(figure, amount): (&Figure, &Amount)| {
        let lower = plan.changes.with(figure.clone(), one_step_down(amount)?);
        let lowered = trial(&lower.apply(&scenario), 0, false);
        let saved = (cost(&whole) - cost(&lowered)) / cost(&whole);
        let wasted = lowered.holds && saved >= rust_decimal::Decimal::new(1, 2);
        wasted.then(|| {
            format!("{} {} below {amount} saves {saved}", figure.owner, figure.field.path())
        })
    };
    let found: Vec<String> = plan.changes.0.iter().filter_map(wasteful).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// One step down of any figure of the plan fails, or saves less than a hundredth.
#[test]
fn no_figure_of_a_plan_is_wasteful() {
    let (folder, _) = documents(&[]);
    let scenario = folder.path().join("rising.yaml").display().to_string();
    let overlay = folder.path().join("values-sized.yaml").display().to_string();
    let page = sized(&scenario, &["--write", &overlay]);
    let cost = |output: &Output| {
        let result: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        let month = result["cost"]["per_month"].as_str().expect("a sum").parse::<f64>();
        month.expect("a number")
    };
    let ran = |more: &[&str]| {
        let mut arguments = vec!["run", &scenario, "-o", "json", "-q", "--values", &overlay];
        let beside = folder.path().join("values-sized.cluster.yaml").display().to_string();
        let beside = if std::path::Path::new(&beside).exists() { beside } else { String::new() };
        if !beside.is_empty() {
            arguments.extend(["--patch", &beside]);
        }
        arguments.extend(more);
        sim(&arguments)
    };
    let whole = ran(&[]);
    assert_eq!(code(&whole), 0, "{}", said(&whole));
    let lower = |row: &Value| {
        let (field, set) = (row["field"].as_str()?, row["set_to"].as_str()?);
        let number: i64 = set.trim_end_matches(['m', 'M', 'i', '%']).parse().ok()?;
        let step = if set.ends_with('m') {
            50
        } else if set.ends_with("Mi") {
            32
        } else {
            1
        };
        let unit: String = set.chars().filter(|c| c.is_alphabetic()).collect();
        Some(format!("{field}={}{unit}", (number - step).max(1)))
    };
    let rows = page["services"].as_array().expect("services").iter();
    let rows = rows.flat_map(|service| service["rows"].as_array().expect("rows"));
    let mut looked_at = 0;
    for patch in rows.filter_map(lower) {
        let lowered = ran(&["--set", &patch]);
        assert!(code(&lowered) == 0 || code(&lowered) == 99, "{}", said(&lowered));
        let saves = 1.0 - cost(&lowered) / cost(&whole);
        assert!(code(&lowered) == 99 || saves < 0.01, "{patch} saves {saves}");
        looked_at += 1;
    }
    assert!(looked_at > 0, "{page:#}");
}
