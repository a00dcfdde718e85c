//! The first five minutes: `demo`, `init`, `values`, `schema`, `completions`, and charts as inputs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aurelius_sim::input::schema::{KINDS, schema};
use aurelius_sim::input::source::Sources;
use aurelius_sim::input::yaml::{Dialect, parse};
use serde_json::Value;

fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_aurelius-sim");
    let mut command = Command::new(program);
    // Without a PATH there is no helm: charts are told by their conventions on every machine.
    command.env("PATH", "").env_remove("AURELIUS_HELM");
    command.current_dir(folder).args(arguments).output().expect("the program can be run")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_demo_runs_with_nothing_and_can_be_written_down() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shown = run_in(folder.path(), &["demo"]);
    assert!(shown.status.success(), "{}", err(&shown));
    assert!(out(&shown).contains("checkout HPA reaches maxReplicas 20"), "{}", out(&shown));
    let written = run_in(folder.path(), &["demo", "--write", "d"]);
    assert!(written.status.success(), "{}", err(&written));
    let again = run_in(folder.path(), &["run", "d/scenario.yaml", "--summary", "oneline"]);
    assert_eq!(again.status.code(), Some(99), "{}", err(&again));
    let twice = run_in(folder.path(), &["demo", "--write", "d"]);
    assert_eq!(twice.status.code(), Some(2), "nothing is written over");
}

/// Whatever the chart, what `init` writes runs at once.
#[test]
fn init_writes_a_scenario_that_runs() {
    let manifests = root().join("tests/data/manifests");
    let sets: [(&str, &[&str]); 4] = [
        ("bitnami-nginx-hpa-pdb", &["rendered.yaml"]),
        ("dsb-socialnetwork-hpa", &["rendered.yaml"]),
        ("gen3-fence", &["rendered.yaml"]),
        ("bitnami-tensorflow-resnet-gpu", &["rendered.yaml"]),
    ];
    for (set, files) in sets {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths: Vec<PathBuf> = files.iter().map(|file| manifests.join(set).join(file)).collect();
        let path = paths[0].display().to_string();
        let written = run_in(folder.path(), &["init", &path, "-o", "scenarios"]);
        assert!(written.status.success(), "{set}: {}", err(&written));
        assert!(out(&written).contains("search for FIXME"), "{}", out(&written));
        let text = fs::read_to_string(folder.path().join("scenarios/services.yaml"));
        assert!(text.expect("it was written").matches("FIXME").count() >= 3, "{set}");
        let ran = run_in(folder.path(), &["run", "scenarios/peak.yaml", "--summary", "oneline"]);
        assert!(matches!(ran.status.code(), Some(0 | 99)), "{set}: {}{}", out(&ran), err(&ran));
    }
}

#[test]
fn init_takes_values_alone_and_refuses_to_write_over() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let values = root().join("profiles/aurelius/values.yaml").display().to_string();
    let prod = root().join("profiles/aurelius/values-prod.yaml").display().to_string();
    let line = ["init", "--values", &values, "--values", &prod];
    let written = run_in(folder.path(), &line);
    assert!(written.status.success(), "{}", err(&written));
    let again = run_in(folder.path(), &line);
    assert_eq!(again.status.code(), Some(2));
    assert!(err(&again).contains("--force"), "{}", err(&again));
    let ran = run_in(folder.path(), &["run", "scenarios/peak.yaml", "--summary", "oneline"]);
    assert!(matches!(ran.status.code(), Some(0 | 99)), "{}{}", out(&ran), err(&ran));
}

#[test]
fn values_name_their_places_and_what_they_overrode() {
    let line = [
        "values",
        "profiles/aurelius/chart",
        "-f",
        "profiles/aurelius/values-prod.yaml",
        "--set",
        "gateway.autoscaling.maxReplicas=40",
        "--only",
        "gateway.autoscaling",
    ];
    let shown = run_in(root(), &line);
    assert!(shown.status.success(), "{}", err(&shown));
    let text = out(&shown);
    let max = text.lines().find(|line| line.contains("maxReplicas")).expect("the line is there");
    let words: Vec<&str> = max.split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        "gateway.autoscaling.maxReplicas 40 --set (was 20 profiles/aurelius/values-prod.yaml:20, \
         was 10 profiles/aurelius/chart/values.yaml:58)"
    );
    assert_eq!(text.lines().count(), 5, "{text}");
}

/// A chart without helm is told by its conventions, with a word about it; its figures come from the
/// values files, also where `inputs` of a scenario name them.
#[test]
fn a_scenario_names_a_chart_and_an_upgrade_its_values() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |path: &str| root().join(path).display().to_string();
    let scenario = format!(
        "apiVersion: aurelius.dev/v1\nkind: Scenario\nmetadata: {{name: chart}}\ninputs:\n  \
         chart: {}\n  values: [{}]\n  services: [{}]\n  cluster: {}\nduration: 20m\nload:\n  \
         scenarios:\n    monitors: {{executor: constant-arrival-rate, exec: health, rate: 2, \
         timeUnit: 1s, duration: 20m, preAllocatedVUs: 5}}\nevents:\n  - {{at: 2m, upgrade: \
         {{values: [over.yaml]}}}}\nthresholds: {{http_req_failed: [\"rate<0.5\"]}}\n",
        at("profiles/aurelius/chart"),
        at("profiles/aurelius/values-prod.yaml"),
        at("profiles/aurelius/services.yaml"),
        at("profiles/clusters/eks-t4.yaml"),
    );
    fs::write(folder.path().join("s.yaml"), scenario).expect("it can be written");
    let over = "gateway: {image: {tag: \"2.0.0\"}, resources: {requests: {cpu: 1500m}}}\n";
    fs::write(folder.path().join("over.yaml"), over).expect("it can be written");
    let ran = run_in(folder.path(), &["run", "s.yaml", "-o", "ndjson=log.ndjson"]);
    assert!(ran.status.success(), "{}{}", out(&ran), err(&ran));
    assert!(err(&ran).contains("conventions of the Aurelius chart"), "{}", err(&ran));
    let log = fs::read_to_string(folder.path().join("log.ndjson")).expect("it was written");
    let began = log.find("\"rollout of the release").expect("the upgrade is in the decision log");
    let hook = log.find("\"job/db-migrate\"").expect("the hook before the upgrade runs");
    assert!(began < hook, "the hook belongs to the upgrade");
}

/// Just enough of JSON Schema for what ours consist of.
fn fits(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let told: Vec<String> =
            choices.iter().filter_map(|choice| fits(choice, value, path).err()).collect();
        return if told.len() < choices.len() { Ok(()) } else { Err(told.join(" / ")) };
    }
    if let Some(wanted) = schema.get("const") {
        return if wanted == value { Ok(()) } else { Err(format!("{path}: not {wanted}")) };
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return if words.contains(value) { Ok(()) } else { Err(format!("{path}: {value}")) };
    }
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or("any");
    let holds = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        _ => true,
    };
    if !holds {
        return Err(format!("{path}: {value} is no {kind}"));
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match (
            schema.get("properties").and_then(|all| all.get(name)),
            schema.get("additionalProperties"),
        ) {
            (Some(known), _) => fits(known, inner, &path)?,
            (None, Some(Value::Bool(false))) => return Err(format!("{path}: not known")),
            (None, Some(other)) => fits(other, inner, &path)?,
            (None, None) => {}
        }
    }
    for inner in value.as_array().into_iter().flatten() {
        fits(schema.get("items").unwrap_or(&Value::Null), inner, &format!("{path}[]"))?;
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        let name = name.as_str().expect("names are text");
        if value.get(name).is_none() {
            return Err(format!("{path}: {name} is missing"));
        }
    }
    Ok(())
}

/// Every document of ours in the repository is one that its schema takes.
#[test]
fn shipped_documents_fit_their_schemas() {
    let mut checked = 0;
    let schemas: BTreeMap<&str, Value> =
        KINDS.into_iter().map(|kind| (kind, schema(kind).expect("the kind has one"))).collect();
    for folder in [
        "scenarios",
        "profiles/clusters",
        "profiles/aurelius",
        "profiles/demo",
        "profiles/lessons",
        "profiles/reference",
    ] {
        for entry in fs::read_dir(root().join(folder)).expect("it is there") {
            let path = entry.expect("it can be listed").path();
            if path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("it can be read");
            let mut sources = Sources::new();
            let diagnostics = aurelius_sim::input::diagnostic::Diagnostics::new();
            let file = sources.add("a.yaml", &text);
            for node in parse(&sources, file, Dialect::Core, &diagnostics) {
                let value = node.to_json_value();
                let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
                if value.get("apiVersion") == Some(&Value::from("aurelius.dev/v1"))
                    && KINDS.contains(&kind)
                {
                    fits(&schemas[kind], &value, "")
                        .unwrap_or_else(|fault| panic!("{path:?}{fault}"));
                    checked += 1;
                }
            }
        }
    }
    assert!(checked >= 15, "{checked} documents");
    let wrong =
        serde_json::json!({"apiVersion": "aurelius.dev/v1", "kind": "Scenario", "durations": 1});
    assert!(fits(&schemas["Scenario"], &wrong, "").is_err());
    for (kind, schema) in &schemas {
        let mut without = Vec::new();
        undescribed(schema, kind, &mut without);
        assert!(without.is_empty(), "add them to profiles/reference, with a comment: {without:#?}");
    }
}

/// Fields of a schema of which it says nothing.
fn undescribed(schema: &Value, path: &str, into: &mut Vec<String>) {
    for choice in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        undescribed(choice, path, into);
    }
    for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let at = format!("{path}.{name}");
        if inner.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
            into.push(at.clone());
        }
        undescribed(inner, &at, into);
    }
    for inner in [schema.get("items"), schema.get("additionalProperties")].into_iter().flatten() {
        undescribed(inner, path, into);
    }
}

/// The reference documents use every key; whoever copies from them copies what works.
#[test]
fn the_reference_documents_run() {
    for (name, exit) in [
        ("scenario", 99),
        ("by-rates", 0),
        ("by-iterations", 0),
        ("by-stages", 0),
        ("charted", 0),
        ("pod-trace", 0),
    ] {
        let path = format!("profiles/reference/{name}.yaml");
        let ran = run_in(root(), &["run", &path, "--summary", "oneline", "--quiet"]);
        assert_eq!(ran.status.code(), Some(exit), "{name}: {}", err(&ran));
    }
}

#[test]
fn fields_are_explained() {
    let page = run_in(root(), &["explain", "ClusterProfile.nodePools.min"]);
    assert!(page.status.success(), "{}", err(&page));
    assert_eq!(
        out(&page),
        "ClusterProfile.nodePools.min · whole number\n\nnodes at least; default 0\n"
    );
    let wrong = run_in(root(), &["explain", "ClusterProfile.nodePool"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(err(&wrong).contains("did you mean `nodePools`?"), "{}", err(&wrong));
}

#[test]
fn schemas_and_completions_are_printed() {
    let kinds = run_in(root(), &["schema"]);
    assert_eq!(out(&kinds), "Scenario\nClusterProfile\nServiceProfiles\nLoad\nPodTrace\n");
    let printed = run_in(root(), &["schema", "ServiceProfiles"]);
    let value: Value = serde_json::from_str(&out(&printed)).expect("it is JSON");
    assert_eq!(value["$schema"], "http://json-schema.org/draft-07/schema#");
    assert_eq!(run_in(root(), &["schema", "Nothing"]).status.code(), Some(2));
    for shell in ["bash", "zsh", "fish"] {
        let script = run_in(root(), &["completions", shell]);
        assert!(out(&script).contains("aurelius-sim"), "{shell}");
    }
}

/// The first answer needs no scenario; what was guessed for it is said, and the run can be repeated.
#[test]
fn a_release_runs_without_a_scenario() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifests = root().join("tests/data/manifests/bitnami-nginx-hpa-pdb/rendered.yaml");
    let path = manifests.display().to_string();
    let ran = run_in(folder.path(), &["run", "--rps", "40", "-f", &path, "-o", "json=a.json"]);
    assert!(ran.status.success(), "{}", err(&ran));
    assert!(err(&ran).contains("note: guessed, as no scenario was named"), "{}", err(&ran));
    assert!(err(&ran).contains("node pools general ("), "{}", err(&ran));
    let first = fs::read_to_string(folder.path().join("a.json")).expect("it was written");
    let result: Value = serde_json::from_str(&first).expect("it is JSON");
    let peak = result.pointer("/path").and_then(Value::as_str);
    assert_eq!(peak, Some("guessed/peak.yaml"), "places point into documents in memory");
    let again = run_in(folder.path(), &["run", "--from", "a.json", "-o", "json=b.json"]);
    assert!(again.status.success(), "{}", err(&again));
    let second = fs::read_to_string(folder.path().join("b.json")).expect("it was written");
    assert_eq!(first, second, "the same run, the same bytes");
}

#[test]
fn a_release_from_standard_input_is_read_once() {
    let manifests = root().join("tests/data/manifests/bitnami-nginx-hpa-pdb/rendered.yaml");
    let input = fs::File::open(manifests).expect("it is there");
    let ran = Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .args(["run", "--rps", "40", "-f", "-"])
        .stdin(input)
        .output()
        .expect("the program can be run");
    assert!(ran.status.success(), "{}", err(&ran));
    let told = out(&ran);
    assert!(told.contains("✓ peak holds"), "{told}");
    assert!(told.contains("Next: aurelius-sim run --rps 40 -f - -o svg=charts"), "{told}");
}

#[test]
fn a_rate_alone_is_not_enough_to_run() {
    let ran = run_in(root(), &["run", "--rps", "40"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(
        err(&ran).starts_with("error: `--rps` needs to know what is deployed\n"),
        "{}",
        err(&ran)
    );
    let both = run_in(root(), &["run", "--rps", "40", "scenarios/peak.yaml"]);
    assert_eq!(both.status.code(), Some(2), "a scenario has its own load");
}
