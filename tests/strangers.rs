//! Charts that follow no convention wholly: told without `helm`, judged, begun with and run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .args(arguments)
        .env("NO_COLOR", "1")
        // A helm of the machine would render them.
        .env("PATH", "")
        .env_remove("AURELIUS_HELM")
        .output()
        .expect("the program runs")
}

fn chart(folder: &Path, name: &str, values: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.join("templates")).expect("a folder can be made");
    let head = format!("apiVersion: v2\nname: {name}\nversion: 0.3.0\nappVersion: 4.5.6\n");
    std::fs::write(path.join("Chart.yaml"), head).expect("it can be written");
    std::fs::write(path.join("values.yaml"), values).expect("it can be written");
    path
}

fn said(output: &Output, folder: &Path) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    text.replace(&format!("{}/", folder.display()), "")
}

/// Probes with switches, the text of a template for an affinity, a list for a port.
const SWITCHES: &str = "\
replicaCount: \"2\"
image: {repository: registry.example/shop, pullPolicy: \"\"}
service: {port: [{name: web, port: 8080}]}
livenessProbe: {enabled: true, periodSeconds: 20, httpGet: {path: /up, port: http}}
affinity: |
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 64Mi}}
tolerations: []
";

/// Parts of which some run, one is a Job and one an init container; nothing says what ports they have.
const PARTS: &str = "\
controller:
  replicas: 2
  resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 64Mi}}
store:
  replicaCount: 1
  podManagementPolicy: \"\"
  persistence: {enabled: true, size: 1Gi}
  resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 64Mi}}
worker:
  create: false
  replicaCount: 3
upgradeJob:
  nodeSelector: {}
  resources: {limits: {memory: 64Mi}}
fetcher:
  image: fetch:1
  resources: {limits: {memory: 64Mi}}
";

#[test]
fn values_of_another_shape_are_left_out_and_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shop = chart(folder.path(), "shop", SWITCHES);
    let output = program(&[
        "validate",
        "--chart",
        &shop.display().to_string(),
        "-o",
        "concise",
        "--isolated",
    ]);
    let expected = "\
warning[AUR203] the objects are told by the conventions of `helm create`, not rendered: what templates add is not seen
shop/values.yaml:3:17: warning[AUR208] Deployment/shop: spec.template.spec.containers[0].ports[0].containerPort must be a whole number, not a list: left out of what is told
shop/values.yaml:3:17: warning[AUR208] Service/shop: spec.ports[0].port must be a whole number, not a list: left out of what is told
shop/values.yaml:4:17: warning[AUR208] Deployment/shop: unknown field `spec.template.spec.containers[0].livenessProbe.enabled`: left out of what is told
shop/values.yaml:6:3: warning[AUR208] Deployment/shop: spec.template.spec.affinity must be a mapping, not text `podAntiAffinity:…`: left out of what is told
";
    assert_eq!(said(&output, folder.path()), expected);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_a_template_hands_on_stays_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let slips = SWITCHES.replace("periodSeconds", "periodSecond").replace("100m", "100Mb");
    let shop = chart(folder.path(), "shop", &slips);
    let output = program(&[
        "validate",
        "--chart",
        &shop.display().to_string(),
        "-o",
        "concise",
        "--isolated",
    ]);
    let text = said(&output, folder.path());
    assert!(text.contains("error[AUR011] Deployment/shop: unknown field"), "{text}");
    assert!(text.contains("livenessProbe.periodSecond`"), "{text}");
    assert!(text.contains("resources.requests.cpu"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn parts_are_workloads_where_they_speak_of_pods() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let parts = chart(folder.path(), "parts", PARTS);
    let path = parts.display().to_string();
    let text = said(&program(&["validate", "--chart", &path, "--isolated"]), folder.path());
    let told = "told are Deployment/parts-controller, StatefulSet/parts-store\n";
    assert!(text.contains(told), "{text}");
    // What the values do not say is not held against the chart.
    assert!(text.contains("0 errors, 1 warning, 0 notes"), "{text}");

    let scenarios = folder.path().join("scenarios").display().to_string();
    let output = program(&["init", &path, "-o", &scenarios]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let peak = format!("{scenarios}/peak.yaml");
    let guesses = std::fs::read_to_string(&peak).expect("it was written");
    assert!(guesses.matches("FIXME").count() >= 3, "{guesses}");
    let run = program(&["run", &peak, "--patch", "duration=1m", "--patch", "warmUp=10s"]);
    let code = run.status.code();
    assert!(matches!(code, Some(0 | 1)), "{}", String::from_utf8_lossy(&run.stderr));
}

/// A file among manifests or in place of a scenario that is something else, and what is said of it.
#[test]
fn what_is_no_object_is_told_for_what_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = |command: &str, name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        let path = path.display().to_string();
        let mut arguments = vec![command, &path];
        // Whatever else lies beside a temporary folder is not meant.
        arguments.extend((command == "validate").then_some("--isolated"));
        let output = program(&arguments);
        let both = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&both).into_owned())
    };
    let object = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
    let container = "spec: {containers: [{name: a, image: a, env: [{name: PORT, value: 80}]}]}\n";
    for (command, name, text, code, sentence) in [
        ("validate", "compose.yml", "services: {web: {image: nginx}}", 1, "kompose convert"),
        ("validate", "Chart.yaml", "apiVersion: v2\nname: x\nversion: 1.0.0\n", 1, "`--chart`"),
        ("validate", "k.yaml", "resources: [web.yaml]", 1, "kubectl kustomize DIR"),
        ("validate", "no-kind.yaml", "apiVersion: v1\nmetadata: {name: a}\n", 1, "(no kind)"),
        ("validate", "no-api.yaml", "kind: Pod\nmetadata: {name: a}\n", 1, "(no apiVersion)"),
        ("validate", "text.yaml", "Error from server\n", 1, "an object is a mapping"),
        ("validate", "c.json", "{\n// no\n\"kind\": \"Pod\"}", 1, "JSON has no comments"),
        ("validate", "notes.yaml", "NAME: a\nSTATUS: deployed\n", 1, "helm get manifest"),
        (
            "validate",
            "kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamePrefix: a-\n",
            0,
            "build it first",
        ),
        ("validate", "empty.yaml", "# nothing\n", 2, "it is empty or all comments"),
        (
            "validate",
            "conflict.yaml",
            "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> other\n",
            2,
            "a merge conflict that was not resolved",
        ),
        ("validate", "blank.yaml", "a: 1\nb:2\nc: {d: 1}\n", 2, "`b:` needs a blank"),
        (
            "validate",
            "env.yaml",
            &format!("{object}{container}"),
            1,
            "must be text, not the number `80`",
        ),
        ("run", "values.yaml", "replicaCount: 3\n", 2, "is no Scenario (no apiVersion and kind)"),
        ("run", "headless.yaml", "load: {}\nduration: 1h\n", 2, "`kind: Scenario`"),
        ("run", "nothing.yaml", "", 2, "is empty, must hold a document of kind Scenario"),
    ] {
        let (status, text) = told(command, name, text);
        assert!(text.contains(sentence), "{name}: {text}");
        assert_eq!(status, Some(code), "{name}: {text}");
        // The file is named, and where there is a line, the line.
        assert!(text.contains(name), "{name}: {text}");
    }
}
