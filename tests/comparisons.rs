//! `bench`, `compare` and `run --from` through the binary, in scratch folders and repositories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn sim(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurelius-sim"));
    command.current_dir(folder).env("AURELIUS_PROGRESS", "none").args(arguments);
    command.output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A project with a small shop: its manifests, cluster, services and a scenario of eight minutes by
/// the fluid model.
fn project() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/demo");
    for name in ["cluster.yaml", "services.yaml", "shop.yaml"] {
        fs::copy(demo.join(name), folder.path().join(name)).expect("it is shipped");
    }
    let machines = "profiles/instances/aws_eks_us-east-1.csv";
    let machines = Path::new(env!("CARGO_MANIFEST_DIR")).join(machines);
    fs::copy(machines, folder.path().join("instances.csv")).expect("it is shipped");
    let scenario = fs::read_to_string(demo.join("scenario.yaml")).expect("it is shipped");
    // Eight minutes instead of forty-five, and half the rise, which the shop as it is stands.
    let scenario = scenario
        .replace("duration: 45m", "model: fluid\nduration: 8m")
        .replace("{duration: 10m, target: 200}", "{duration: 1m, target: 200}")
        .replace("{duration: 5m, target: 1800}", "{duration: 2m, target: 1800}")
        .replace("{duration: 20m, target: 1800}", "{duration: 4m, target: 1800}")
        .replace("target: 1800", "target: 900");
    fs::write(folder.path().join("scenario.yaml"), scenario).expect("it can be written");
    folder
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
    let output = command.args(arguments).output().expect("git runs");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
}

fn edit(path: &PathBuf, from: &str, to: &str) {
    let before = fs::read_to_string(path).expect("it is there");
    assert!(before.contains(from), "{from} in {}", path.display());
    fs::write(path, before.replacen(from, to, 1)).expect("it can be written");
}

/// The line of `maxReplicas` of the shop.
fn maximum(folder: &Path) -> String {
    let shop = fs::read_to_string(folder.join("shop.yaml")).expect("it is there");
    let line = shop.lines().find(|line| line.trim_start().starts_with("maxReplicas:"));
    line.expect("the shop has an HPA").to_owned()
}

const LIMIT: &str = "--fail-on-regression=p(95)>+10%";

#[test]
fn a_commit_is_the_base_and_the_work_tree_the_candidate() {
    let project = project();
    let folder = project.path();
    git(folder, &["init", "-q", "-b", "main"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "-q", "-m", "first"]);
    let compare = |more: &[&str]| {
        let mut words = vec!["compare", "scenario.yaml", "--base-ref=main", "--runs=3"];
        words.extend(more);
        sim(folder, &words)
    };
    let same = compare(&[LIMIT, "--detailed-exitcode"]);
    assert_eq!(same.status.code(), Some(0), "{}", text(&same.stderr));
    assert!(text(&same.stdout).contains("✓ no regression beyond the limits"));
    let line = maximum(folder);
    let shop = folder.join("shop.yaml");
    let indent = &line[..line.len() - line.trim_start().len()];
    edit(&shop, &line, &format!("{indent}maxReplicas: 6"));
    let outputs = ["-o", "text", "-o", "junit=j.xml", "-o", "markdown=c.md", "-o", "github=g.txt"];
    let mut words = vec![LIMIT, "--fail-on-regression=thresholds"];
    words.extend(outputs);
    let worse = compare(&words);
    let said = text(&worse.stdout);
    assert_eq!(worse.status.code(), Some(1), "{said}{}", text(&worse.stderr));
    assert!(said.contains("spec.maxReplicas"), "{said}");
    assert!(said.contains("p(95) changed by +"), "{said}");
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("it was written");
    assert!(read("c.md").starts_with("<!-- aurelius-sim:capacity -->\n### ✗"));
    assert!(read("j.xml").contains("<failure"));
    assert!(read("g.txt").starts_with("::error title="));
    // The same regression within its limits, and one that does not count.
    assert_eq!(compare(&["--fail-on-regression=p(95)>+100000%"]).status.code(), Some(0));
    assert_eq!(compare(&["--detailed-exitcode"]).status.code(), Some(3));
    assert_eq!(compare(&[LIMIT, "--exit-zero"]).status.code(), Some(0));
    let three = compare(&[LIMIT, "-o", "json", "--jobs=3"]);
    assert_eq!(text(&three.stdout), text(&compare(&[LIMIT, "-o", "json", "--jobs=1"]).stdout));
}

#[test]
fn what_cannot_be_compared_says_why() {
    let project = project();
    let folder = project.path();
    git(folder, &["init", "-q"]);
    for (words, cause) in [
        (vec!["scenario.yaml"], "name a base and a candidate"),
        (vec!["scenario.yaml", "--base-ref=nowhere"], "no such commit"),
        (vec!["scenario.yaml", "--base-ref=--help"], "it is no reference"),
        (vec!["scenario.yaml", "--baseline=shop.yaml"], "is no JSON"),
        (vec!["shop.yaml", "shop.yaml"], "name one with `--scenario`"),
        (vec!["scenario.yaml", "scenario.yaml", "--fail-on-regression=p(9)>1"], "is none of"),
    ] {
        let mut all = vec!["compare"];
        all.extend(words);
        let output = sim(folder, &all);
        assert_eq!(output.status.code(), Some(2), "{all:?}");
        let said = text(&output.stderr);
        assert!(said.contains(cause), "{all:?}: {said}");
    }
}

#[test]
fn a_result_is_a_base_and_can_be_repeated() {
    let project = project();
    let folder = project.path();
    let run = |words: &[&str]| sim(folder, words);
    run(&["run", "scenario.yaml", "--runs=2", "--seed=7", "--exit-zero", "-o", "json=one.json"]);
    let again = run(&["run", "--from=one.json", "--exit-zero", "-o", "json=two.json"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    let read = |name: &str| fs::read(folder.join(name)).expect("it was written");
    assert_eq!(read("one.json"), read("two.json"));
    let same = run(&["compare", "scenario.yaml", "--baseline=one.json", LIMIT]);
    assert_eq!(same.status.code(), Some(0), "{}", text(&same.stderr));
    let patch = "--patch=HorizontalPodAutoscaler/checkout:spec.maxReplicas=6";
    let patched = run(&["compare", "scenario.yaml", "--baseline=one.json", LIMIT, patch]);
    assert_eq!(patched.status.code(), Some(1), "{}", text(&patched.stderr));
    edit(&folder.join("shop.yaml"), "maxReplicas:", "maxReplicas:  ");
    let changed = run(&["run", "--from=one.json"]);
    assert_eq!(changed.status.code(), Some(2));
    assert!(text(&changed.stderr).contains("shop.yaml is not what it was"));
}

#[test]
fn a_bench_has_the_same_bytes_for_any_number_of_threads_and_stops_early() {
    let project = project();
    let folder = project.path();
    fs::create_dir(folder.join("policies")).expect("it can be made");
    for (name, target) in [("early", 30), ("late", 95)] {
        let policy = format!(
            "apiVersion: aurelius.dev/v1\nkind: ScalingPolicy\nmetadata: {{name: {name}}}\nscale:\n  \
             hpa: {{metrics: [{{type: Resource, resource: {{name: cpu, target: {{type: Utilization, \
             averageUtilization: {target}}}}}}}]}}\n"
        );
        let path = folder.join(format!("policies/{name}.yaml"));
        fs::write(path, policy).expect("it can be written");
    }
    let bench = |more: &[&str]| {
        let mut words = vec!["bench", "scenario.yaml", "--policies", "policies"];
        words.extend(more);
        let output = sim(folder, &words);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let one = bench(&["--runs=3", "--jobs=1", "-o", "json", "-o", "svg=p.svg"]);
    assert_eq!(bench(&["--runs=3", "--jobs=2", "-o", "json"]), one);
    assert!(fs::read_to_string(folder.join("p.svg")).expect("drawn").contains("early"));
    let table = bench(&["--runs=3"]);
    assert!(table.starts_with("3 policies over 1 scenario, 9 runs"), "{table}");
    assert!(table.contains("early: ") && table.contains("Not dominated"), "{table}");
    let base = bench(&["--runs=2", "--base=late"]);
    assert!(base.contains("Against late"), "{base}");
    let stopped = bench(&["--runs=40", "--precision=0.9"]);
    assert!(!stopped.contains(" 120 runs"), "{stopped}");
}

/// The script that the GitHub action and the GitLab template run.
#[test]
fn the_script_of_ci_fails_on_the_regression_and_leaves_its_files() {
    let project = project();
    let folder = project.path();
    git(folder, &["init", "-q", "-b", "main"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "-q", "-m", "first"]);
    let line = maximum(folder);
    let indent = &line[..line.len() - line.trim_start().len()];
    edit(&folder.join("shop.yaml"), &line, &format!("{indent}maxReplicas: 6"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = |base: &str, limits: &str| {
        let mut command = Command::new("bash");
        command.arg(root.join("integrations/ci/compare.sh")).current_dir(folder);
        command.env("SIM_BINARY", env!("CARGO_BIN_EXE_aurelius-sim"));
        command.env("SIM_SCENARIOS", "scenario.yaml").env("SIM_RUNS", "2");
        command.env("SIM_BASE_REF", base).env("SIM_LIMITS", limits);
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_OUTPUT", folder.join("out.txt"));
        command.env_remove("GITHUB_STEP_SUMMARY").env_remove("SIM_TARGET");
        command.output().expect("bash runs")
    };
    let failing = script("main", "  p(95)>+10%\n\n  failed>+0.5pp\n");
    assert_eq!(failing.status.code(), Some(1), "{}", text(&failing.stderr));
    assert!(text(&failing.stdout).contains("::error title="));
    for name in ["comment.md", "junit.xml", "result.json", "annotations.txt"] {
        assert!(folder.join("capacity").join(name).is_file(), "{name}");
    }
    let outputs = fs::read_to_string(folder.join("out.txt")).expect("it was written");
    assert!(outputs.contains("comment=capacity/comment.md"), "{outputs}");
    assert_eq!(script("main", "p(95)>+100000%").status.code(), Some(0));
    assert_eq!(script("", "thresholds").status.code(), Some(2), "no base is known");
    let template = fs::read_to_string(root.join("integrations/ci/gitlab.yml")).expect("shipped");
    let template: serde_yaml::Value = serde_yaml::from_str(&template).expect("it is YAML");
    let call = template["capacity"]["script"][0].as_str().unwrap_or_default();
    assert!(call.ends_with("bash integrations/ci/compare.sh"), "{call}");
    let action = fs::read_to_string(root.join("action.yml")).expect("shipped");
    let action: serde_yaml::Value = serde_yaml::from_str(&action).expect("it is YAML");
    assert_eq!(action["runs"]["using"], "composite");
}
