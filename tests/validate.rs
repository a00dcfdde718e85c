//! `validate` through the program: what it finds, how it says it, and how it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .current_dir(root())
        .arg("validate")
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text is UTF-8")
}

const AURELIUS: [&str; 7] = [
    "profiles/aurelius/rendered/prod.yaml",
    "--cluster",
    "profiles/clusters/eks-t4.yaml",
    "--services",
    "profiles/aurelius/services.yaml",
    "--requirements",
    "profiles/aurelius/requirements.yaml",
];

fn with(base: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    base.iter().chain(more).copied().collect()
}

#[test]
fn ten_mistakes_are_told_in_one_run() {
    let output = validate(&["tests/data/ten/scenario.yaml", "-o", "concise"]);
    let text = stdout(&output);
    let codes = ["001", "011", "102", "301", "304", "401", "501", "502", "703", "711"];
    for code in codes {
        assert!(text.contains(&format!("[AUR{code}]")), "AUR{code} is not among\n{text}");
    }
    // A file that is no YAML is wrong input, whatever else is found.
    assert_eq!(output.status.code(), Some(2));
    // Every message as a whole: place, cause, what the real system would say, and a fix.
    let whole = stdout(&validate(&["tests/data/ten/scenario.yaml"]));
    expect_test::expect_file!["data/ten/told.txt"].assert_eq(&whole);
}

/// A number in quotes or with a unit that its field has already, blanks and other spellings in
/// quantities: `--fix` writes what is meant, and leaves the rest of the file as it is.
#[test]
fn fix_mends_slips_of_units() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("web.yaml");
    let right = "apiVersion: apps/v1 # kept\r
kind: Deployment\r
metadata: {name: web}\r
spec:\r
  replicas: 3 # three\r
  selector: {matchLabels: {app: web}}\r
  strategy: {rollingUpdate: {maxSurge: 25%}}\r
  template:\r
    metadata: {labels: {app: web, release: \"1.0\"}}\r
    spec:\r
      terminationGracePeriodSeconds: 60 # a minute\r
      containers:\r
        - name: web\r
          resources:\r
            requests: {cpu: 500m, memory: 0.5Gi} # both\r
            limits: {memory: 512Mi}\r
          readinessProbe: {httpGet: {port: 80}, periodSeconds: 10}\r
---\r
apiVersion: autoscaling/v2\r
kind: HorizontalPodAutoscaler\r
metadata: {name: web}\r
spec:\r
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\r
  maxReplicas: 9\r
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]\r
";
    let wrong = right
        .replace("replicas: 3", "replicas: \"3\"")
        .replace("25%", "\"25 %\"")
        .replace("\"1.0\"", "1.0")
        .replace("Seconds: 60", "Seconds: 1 min")
        .replace("500m", "500 m")
        .replace("0.5Gi", "\"0.5Gi \"")
        .replace("512Mi", "512MiB")
        .replace("periodSeconds: 10", "periodSeconds: 10s")
        .replace("averageUtilization: 70", "averageUtilization: \"70%\"");
    std::fs::write(&path, &wrong).expect("it can be written");
    let shown = path.display().to_string();
    let output = validate(&[&shown, "-o", "concise", "--fix"]);
    let mended = std::fs::read_to_string(&path).expect("it is there");
    assert_eq!(mended, right, "{}", stdout(&output));
    let said = stdout(&validate(&[&shown, "-o", "concise"]));
    assert!(!said.contains("error["), "{said}");
}

#[test]
fn exit_codes_follow_what_is_asked_for() {
    let rows: [(&[&'static str], i32); 6] = [
        (&[], 1),
        (&["--exit-zero"], 0),
        (&["--fail-on", "never"], 0),
        (&["--select", "AUR4"], 0),
        (&["--select", "AUR4", "--fail-on", "note"], 1),
        (&["--ignore", "AUR5,AUR7"], 0),
    ];
    for (more, expected) in rows {
        let output = validate(&with(&AURELIUS, &with(more, &["-o", "concise"])));
        assert_eq!(output.status.code(), Some(expected), "{more:?}");
    }
    for wrong in
        [&["--select", "XYZ"][..], &["-o", "jsn"], &["no-such-file.yaml"], &[], &["-", "-f", "-"]]
    {
        assert_eq!(validate(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn json_follows_the_published_schema() {
    let output = validate(&with(&AURELIUS, &["-o", "json"]));
    let document: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("it is JSON");
    let schema = std::fs::read_to_string(root().join("schemas/review.v1.schema.json"))
        .expect("the schema is there");
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("the schema is JSON");
    assert_eq!(document["schema"], schema["$id"]);
    conforms(&document, &schema, &schema, "");
    assert_eq!(document["checks_before_deployment"].as_array().map(Vec::len), Some(15));
}

/// The part of JSON Schema that our schema uses: type, required, properties, items, enum, $ref.
fn conforms(
    value: &serde_json::Value,
    schema: &serde_json::Value,
    root: &serde_json::Value,
    at: &str,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target =
            root.pointer(reference.trim_start_matches('#')).expect("references are inside");
        return conforms(value, target, root, at);
    }
    if let Some(kind) = schema["type"].as_str() {
        let holds = match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64(),
            "boolean" => value.is_boolean(),
            other => panic!("{at}: the schema uses the type {other}"),
        };
        assert!(holds, "{at} must be {kind}: {value}");
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value} is not one of {words:?}");
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("names are text");
        assert!(value.get(name).is_some(), "{at}.{name} is required");
    }
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object())
    {
        for (name, field) in fields {
            let known =
                properties.get(name).unwrap_or_else(|| panic!("{at}.{name} is not in the schema"));
            conforms(field, known, root, &format!("{at}.{name}"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(item, &schema["items"], root, &format!("{at}[]"));
    }
}

#[test]
fn sarif_has_what_scanners_need() {
    let output = validate(&with(&AURELIUS, &["-o", "sarif"]));
    let document: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("it is JSON");
    let run = &document["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results, also when there are none");
    assert!(!results.is_empty());
    for result in results {
        let rule = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert!(region["startLine"].as_u64().is_some_and(|line| line >= 1), "{result}");
        let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str();
        assert!(uri.is_some_and(|uri| !uri.starts_with('/')), "{result}");
    }
}

#[test]
fn several_outputs_come_from_one_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (junit, gitlab, baseline) = (path("junit.xml"), path("gitlab.json"), path("base.json"));
    let outputs =
        [format!("junit={junit}"), format!("gitlab={gitlab}"), format!("json={baseline}")];
    let mut arguments: Vec<&str> = AURELIUS.to_vec();
    for output in &outputs {
        arguments.extend(["-o", output.as_str()]);
    }
    arguments.extend(["-o", "github"]);
    let annotations = stdout(&validate(&arguments));
    let errors = annotations.lines().filter(|line| line.starts_with("::error ")).count();
    assert_eq!(errors, 10, "{annotations}");
    let xml = std::fs::read_to_string(&junit).expect("it is written");
    assert!(xml.contains("<testsuites") && xml.contains("<failure"), "{xml}");
    let issues: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&gitlab).expect("it is written"))
            .expect("it is JSON");
    let prints: Vec<_> =
        issues.as_array().expect("an array").iter().map(|issue| &issue["fingerprint"]).collect();
    assert!(
        prints.iter().enumerate().all(|(at, print)| !prints[..at].contains(print)),
        "fingerprints differ"
    );
    // What the baseline knows does not fail.
    let mut arguments: Vec<&str> = AURELIUS.to_vec();
    arguments.extend(["--baseline", &baseline, "-o", "concise"]);
    let output = validate(&arguments);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
}

#[test]
fn fix_mends_files_and_is_done_after_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("web.yaml");
    let text = "# kept\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n        - name: web\n          resources:\n            requests: {cpu: 1, memory: 512m} # kept too\n            limits: {memory: 1Gi}\n";
    std::fs::write(&path, text).expect("it can be written");
    let shown = path.display().to_string();
    for _ in 0..2 {
        assert_eq!(validate(&[&shown, "--fix", "-o", "concise"]).status.code(), Some(0));
        let mended = std::fs::read_to_string(&path).expect("it is there");
        assert_eq!(mended, text.replace("512m", "512Mi"));
    }
}

/// What a review finds, places aside: code, severity, object, message and notes.
fn found_in(arguments: &[&str]) -> Vec<String> {
    let output = validate(&with_format(arguments, "json"));
    let document: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("it is JSON");
    let findings = document["findings"].as_array().expect("findings are listed");
    let told = findings.iter().map(|finding| {
        let of = |key: &str| finding[key].to_string();
        [of("code"), of("severity"), of("object"), of("message"), of("notes")].join(" ")
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

fn with_format<'a>(arguments: &[&'a str], format: &'a str) -> Vec<&'a str> {
    arguments.iter().copied().chain(["-o", format]).collect()
}

/// The values alone, with what their folder says they are held against, are as good as the rendered
/// manifests.
#[test]
fn values_give_the_findings_of_what_is_rendered_from_them() {
    let values = "profiles/aurelius/values.yaml";
    let prod = "profiles/aurelius/values-prod.yaml";
    for (values, rendered) in [
        (&["--values", values][..], "profiles/aurelius/rendered/default.yaml"),
        (&["--values", values, "--values", prod], "profiles/aurelius/rendered/prod.yaml"),
    ] {
        let (told, rendered) = (found_in(values), found_in(&[rendered]));
        assert!(told.len() > 40, "{told:?}");
        assert_eq!(told, rendered);
        let calls = told.iter().filter(|finding| finding.contains("AUR720")).count();
        assert!(calls > 0, "the service profiles beside the values are used: {told:?}");
    }
    // Nothing is taken that nobody named, when that is wanted.
    let alone = found_in(&["--values", values, "--values", prod, "--isolated"]);
    assert!(!alone.iter().any(|finding| finding.contains("AUR720")), "{alone:?}");
}

#[test]
fn what_lies_beside_the_values_is_taken_and_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let copy = |from: &str, to: &str| {
        std::fs::copy(root().join(from), path(to)).expect("it can be copied");
    };
    copy("profiles/aurelius/values.yaml", "values.yaml");
    copy("profiles/aurelius/services.yaml", "services.yaml");
    copy("profiles/aurelius/requirements.yaml", "requirements.yaml");
    let cluster = std::fs::read_to_string(root().join("tests/data/checks/cluster.yaml"));
    let instances = root().join("profiles/instances").display().to_string();
    let cluster = cluster.expect("it is there").replace("../../../profiles/instances", &instances);
    std::fs::write(path("cluster.yaml"), &cluster).expect("it can be written");
    let values = path("values.yaml");
    let output = validate(&["--values", &values, "-o", "concise"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for name in ["cluster.yaml", "services.yaml", "requirements.yaml"] {
        assert!(said.contains(name), "{name} is not named in: {said}");
    }
    assert!(stdout(&output).contains("AUR720") && stdout(&output).contains("AUR22"));
    // Two clusters are a choice that only the user can make.
    std::fs::write(path("other.yaml"), &cluster).expect("it can be written");
    let output = validate(&["--values", &values, "-o", "concise"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("name one with --cluster"), "{said}");
    // What the project says in its config comes first, and what is wrong with it is told.
    let config = "apiVersion: aurelius.dev/v1\nkind: Config\nvalidate: {cluster: cluster.yaml, ignore: [AUR2, AUR3, AUR4, AUR5, AUR6, AUR7], failOn: note}\n";
    std::fs::write(path("aurelius.yaml"), config).expect("it can be written");
    let output = validate(&["--values", &values, "-o", "concise"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
    std::fs::write(path("aurelius.yaml"), config.replace("failOn", "failon")).expect("written");
    let output = validate(&["--values", &values, "-o", "concise"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("failOn"));
}

#[test]
fn strict_wants_reasons_and_no_field_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("web.yaml").display().to_string();
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, name: web}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n        # aurelius: ignore=AUR602\n        - name: web\n";
    std::fs::write(&path, text).expect("it can be written");
    assert_eq!(validate(&[&path, "-o", "concise"]).status.code(), Some(0));
    let output = validate(&[&path, "-o", "concise", "--strict"]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("error[AUR002]") && said.contains("[AUR602]"), "{said}");
    let reasoned = text.replace("AUR602", "AUR602 (a toy)").replace(", name: web}", "}");
    std::fs::write(&path, reasoned).expect("it can be written");
    assert_eq!(stdout(&validate(&[&path, "-o", "concise", "--strict"])), "");
}

/// Every `.yaml` file under a folder.
fn manifests(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(manifests(&path));
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn charts_of_others_are_read_without_a_false_error() {
    let all = manifests(&root().join("tests/data/manifests"));
    assert!(!all.is_empty());
    for path in all {
        let shown = path.display().to_string();
        let output = validate(&[&shown, "-o", "concise", "--exit-zero"]);
        assert_ne!(output.status.code(), Some(70), "{shown}");
        let real = ["bitnami", "gen3", "dsb"].iter().any(|set| shown.contains(set));
        if real && !shown.ends_with("values.yaml") {
            assert!(!stdout(&output).contains("error["), "{shown}: {}", stdout(&output));
        }
    }
}

/// What is told from values stands in the values, also where no single figure is to blame.
#[test]
fn every_finding_from_values_has_a_line_of_a_file() {
    let values = "profiles/aurelius/values.yaml";
    let prod = "profiles/aurelius/values-prod.yaml";
    for values in [&["--values", values][..], &["--values", values, "--values", prod]] {
        let said = stdout(&validate(&with_format(values, "concise")));
        assert!(said.lines().count() > 40, "{said}");
        let lost: Vec<&str> = said.lines().filter(|line| line.starts_with('(')).collect();
        assert!(lost.is_empty(), "{lost:#?}");
        let alert = said.lines().find(|line| line.contains("alert PodNotReady"));
        let alert = alert.expect("the alert is judged");
        assert!(alert.starts_with("profiles/aurelius/values.yaml:367:3: "), "{alert}");
    }
}
