//! `sweep` through the binary: one machine, many shares, shares that were cut short; the same bytes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const AXES: [&str; 4] = [
    "-P",
    "HorizontalPodAutoscaler/gateway:spec.maxReplicas=5..7:1",
    "-L",
    "load.scenarios.smoke.stages=[{duration: 1m, target: 20}],[{duration: 1m, target: 40}]",
];

fn sweep(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurelius-sim"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("AURELIUS_PROGRESS", "none").arg("sweep");
    command.args(arguments).output().expect("the binary runs")
}

fn succeeds(arguments: &[&str]) -> String {
    let output = sweep(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("output is text")
}

fn refuses(arguments: &[&str]) -> String {
    let output = sweep(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A scenario of a minute by the fluid model, so that a cell takes no time.
fn scenario(folder: &TempDir) -> String {
    let text = fs::read_to_string("scenarios/k6-smoke.yaml").expect("it is shipped");
    let here = env!("CARGO_MANIFEST_DIR");
    let text = text
        .replace("../profiles", &format!("{here}/profiles"))
        .replace("model: requests", "model: fluid")
        .replace("duration: 5m", "duration: 1m");
    let path = folder.path().join("quick.yaml");
    fs::write(&path, text).expect("it can be written");
    path.to_str().expect("it is text").to_owned()
}

fn text(path: &Path) -> String {
    path.to_str().expect("it is text").to_owned()
}

#[test]
fn shares_that_are_cut_short_resumed_and_merged_give_the_bytes_of_one_machine() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = scenario(&folder);
    let with_axes = |more: &[&str]| {
        let words: Vec<String> =
            [scenario.as_str()].iter().chain(&AXES).chain(more).map(ToString::to_string).collect();
        words
    };
    let run = |words: &[String]| succeeds(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let single = run(&with_axes(&["--runs=2", "-o", "csv", "--jobs=1"]));
    assert_eq!(run(&with_axes(&["--runs=2", "-o", "csv", "--jobs=3"])), single, "threads");
    assert_eq!(single.lines().count(), 7);
    let plan = text(&folder.path().join("plan.jsonl"));
    run(&with_axes(&["--runs=2", "--plan", &plan]));
    let out = text(&folder.path().join("out"));
    let plan_argument = format!("--plan={plan}");
    let share = |shard: &str| {
        succeeds(&[&plan_argument, &format!("--shard={shard}"), &format!("--out={out}")])
    };
    share("0/3");
    let said = refuses(&["merge", &out]);
    assert!(said.contains("4 of 6 cells are missing or not whole: 1, 2, 4, 5"), "{said}");
    share("1/3");
    // A worker died while it wrote, another one left rubbish, a third one computed twice.
    let cell = |number: usize| folder.path().join(format!("out/cells/00000/{number:08}.json"));
    let whole = fs::read_to_string(cell(1)).expect("it was computed");
    fs::write(cell(1), &whole[..whole.len() / 2]).expect("it can be written");
    fs::write(cell(4), "{}\n").expect("it can be written");
    let before = fs::metadata(cell(0)).and_then(|it| it.modified()).expect("it is there");
    let said = refuses(&["merge", &out]);
    assert!(said.contains("1, 2, 4, 5"), "{said}");
    for shard in ["0/3", "1/3", "2/3", "2/3"] {
        share(shard);
    }
    let after = fs::metadata(cell(0)).and_then(|it| it.modified()).expect("it is there");
    assert_eq!(before, after, "what is there is not computed again");
    assert_eq!(fs::read_to_string(cell(1)).expect("it is whole"), whole);
    assert_eq!(succeeds(&["merge", &out, "-o", "csv"]), single);
    for format in ["text", "json", "svg"] {
        let one = run(&with_axes(&["--runs=2", "-o", format]));
        assert_eq!(succeeds(&["merge", &out, "-o", format]), one, "{format}");
    }
}

#[test]
fn results_belong_to_their_plan_and_plans_to_their_inputs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = scenario(&folder);
    let (one, other) = (folder.path().join("one.jsonl"), folder.path().join("other.jsonl"));
    let out = format!("--out={}", text(&folder.path().join("out")));
    for (plan, runs) in [(&one, "--runs=1"), (&other, "--runs=2")] {
        let mut words = vec![scenario.as_str()];
        let plan = text(plan);
        words.extend(AXES);
        words.extend([runs, "--plan", &plan]);
        succeeds(&words);
    }
    succeeds(&["--plan", &text(&one), "--shard=0/6", &out]);
    let said = refuses(&["--plan", &text(&other), "--shard=0/6", &out]);
    assert!(said.contains("holds the results of another plan"), "{said}");
    let cut = fs::read_to_string(&one).expect("it was written");
    fs::write(&one, &cut[..cut.len() - 9]).expect("it can be written");
    let said = refuses(&["--plan", &text(&one), "--shard=0/6", &out]);
    assert!(said.contains("is no whole plan"), "{said}");
    let changed = fs::read_to_string(&scenario).expect("it is there") + "# another comment\n";
    fs::write(&scenario, changed).expect("it can be written");
    let said = refuses(&["--plan", &text(&other), "--shard=0/6", &out]);
    assert!(said.contains("quick.yaml is not what it was"), "{said}");
}

#[test]
fn what_leads_nowhere_is_said_before_anything_is_computed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = scenario(&folder);
    for (axis, cause) in [
        ("Deployment/gatway:spec.replicas=1,2", "there is no Deployment `gatway`"),
        ("gateway.replicas=1,2", "the release has manifests alone"),
        ("a..b=1", "a key is empty"),
        ("load.scenarios.smoke.rte=1,2", "no cell makes a scenario: unknown field"),
    ] {
        let said = refuses(&[&scenario, "-L", axis]);
        assert!(said.contains(cause), "{axis}: {said}");
    }
    let twice = refuses(&[&scenario, "-L", "seed=1,2", "-P", "seed=1..2"]);
    assert!(twice.contains("`seed` is an axis twice"), "{twice}");
}

#[test]
fn an_indexed_job_takes_its_share_from_its_index() {
    let plan = tempfile::tempdir().expect("a temporary folder");
    let plan = text(&plan.path().join("plan.jsonl"));
    let mut words = vec!["scenarios/k6-smoke.yaml"];
    words.extend(AXES);
    words.extend(["--plan", &plan, "--emit=kubernetes-job", "--shards=4", "--image=sim:1"]);
    let manifests = succeeds(&words);
    let kinds: Vec<String> = manifests
        .split("---\n")
        .map(|document| {
            let value: serde_yaml::Value = serde_yaml::from_str(document).expect("it is YAML");
            if value["kind"] == "Job" {
                let spec = &value["spec"];
                assert_eq!(spec["completionMode"], "Indexed");
                assert_eq!(spec["completions"], 4);
                let container = &spec["template"]["spec"]["containers"][0];
                assert_eq!(container["args"][2], "--shard=$(JOB_COMPLETION_INDEX)/4");
                assert_eq!(container["image"], "sim:1");
                let items = &spec["template"]["spec"]["volumes"][0]["configMap"]["items"];
                assert_eq!(items[0]["path"], "plan.jsonl");
                assert_eq!(items[1]["path"], "scenarios/k6-smoke.yaml");
            }
            value["kind"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    assert_eq!(kinds, ["ConfigMap", "PersistentVolumeClaim", "Job"]);
}
