//! Outputs of `validate` against the schemas of their formats: SARIF 2.1.0, JUnit, and our own JSON.

use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

mod schema;

use schema::{faults, xml_faults};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("the repository has the file")
}

fn sarif_schema() -> Value {
    let packed = std::fs::File::open(root().join("tests/data/schemas/sarif-schema-2.1.0.json.gz"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.expect("it is there"))
        .read_to_string(&mut text)
        .expect("it is text");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Documents that bring out everything an output can hold: findings with and without place, object,
/// related places, fixes; suppressions of both kinds; letters that each format must escape.
fn reviews() -> Vec<Vec<String>> {
    let folder = root().join("target/tmp/formats");
    std::fs::create_dir_all(&folder).expect("it can be made");
    let odd = folder.join("odd name & <ü>.yaml");
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: \"a]]>&\\u0001<ü>\"}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n        - name: web # aurelius: ignore=AUR604 (\"quoted\" & <odd>)\n          resources: {requests: {cpu: 500, memory: 512m}}\n        - {name: \"side\\tcar\"}\n";
    std::fs::write(&odd, text).expect("it can be written");
    let empty = folder.join("fine.yaml");
    std::fs::write(&empty, "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
        .expect("written");
    let shown = |path: &Path| path.display().to_string();
    vec![
        vec!["profiles/aurelius/rendered/prod.yaml".to_owned()],
        vec!["tests/data/ten/scenario.yaml".to_owned()],
        vec![shown(&odd)],
        vec![shown(&empty)],
        vec!["no-such-file.yaml".to_owned()],
    ]
}

fn output(arguments: &[String], format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .current_dir(root())
        .arg("validate")
        .args(arguments)
        .args(["-o", format, "--quiet"])
        .output()
        .expect("the program runs");
    String::from_utf8(output.stdout).expect("text is UTF-8")
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn sarif_follows_the_schema_of_its_standard() {
    let schema = sarif_schema();
    for review in reviews() {
        let found = faults(&parsed(&output(&review, "sarif")), &schema);
        assert!(found.is_empty(), "{review:?}: {found:?}");
    }
    // The schema is in earnest.
    let mut wrong = parsed(&output(&reviews()[1], "sarif"));
    wrong["runs"][0]["results"][0]["level"] = "fatal".into();
    wrong["runs"][0]["results"][0]["region"] = 1.into();
    assert_eq!(faults(&wrong, &schema).len(), 2, "{:?}", faults(&wrong, &schema));
}

#[test]
fn junit_follows_its_schema() {
    let xsd = text_of("tests/data/schemas/junit-10.xsd");
    for review in reviews() {
        let found = xml_faults(&output(&review, "junit"), &xsd);
        assert!(found.is_empty(), "{review:?}: {found:?}");
    }
    let right = "<testsuites><testsuite name='a' tests='0' failures='0' errors='0' time='0.000'/></testsuites>";
    assert!(xml_faults(right, &xsd).is_empty());
    for (from, to) in [
        ("name='a' ", ""),
        ("'0.000'", "'soon'"),
        ("time=", "disabled='0' time="),
        ("<testsuite ", "text<testsuite "),
        ("<testsuites>", "<testsuites><testcase name='x'/>"),
    ] {
        let wrong = right.replace(from, to);
        assert!(!xml_faults(&wrong, &xsd).is_empty(), "{wrong}");
    }
}

#[test]
fn json_follows_the_schema_that_is_published() {
    let schema = parsed(&text_of("schemas/review.v1.schema.json"));
    for review in reviews() {
        let document = parsed(&output(&review, "json"));
        assert_eq!(document["schema"], schema["$id"]);
        let found = faults(&document, &schema);
        assert!(found.is_empty(), "{review:?}: {found:?}");
    }
}

/// Runs and comparisons write JUnit too.
#[test]
fn the_junit_of_runs_and_comparisons_follows_the_schema() {
    let xsd = text_of("tests/data/schemas/junit-10.xsd");
    let scenario = "tests/data/scenario/scenario.yaml";
    for arguments in [
        &["run", scenario, "-o", "junit"][..],
        &["compare", scenario, scenario, "--runs", "2", "-o", "junit"][..],
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
            .args(arguments)
            .output()
            .expect("the program can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let junit = String::from_utf8(output.stdout).expect("it writes UTF-8");
        let found = xml_faults(&junit, &xsd);
        assert!(found.is_empty(), "{arguments:?}: {found:#?}\n{junit}");
    }
}
