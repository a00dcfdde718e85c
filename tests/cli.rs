//! The program as a user meets it: exit codes, what goes to which stream, and what is said.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use expect_test::expect;

/// A short scenario, small enough to be run by the dozen.
fn small(folder: &Path, changes: &[(&str, &str, &str)]) -> String {
    for name in
        ["scenario.yaml", "manifests.yaml", "services.yaml", "cluster.yaml", "instances.csv"]
    {
        let text = fs::read_to_string(format!("tests/data/scenario/{name}")).expect("it is there");
        let changes = changes.iter().filter(|(file, _, _)| *file == name);
        let changed = changes.fold(text, |text, (_, from, to)| {
            assert!(text.contains(from), "{name} does not hold `{from}`");
            text.replace(from, to)
        });
        fs::write(folder.join(name), changed).expect("the folder is ours");
    }
    folder.join("scenario.yaml").display().to_string()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the test may write to the temporary folder")
}

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .args(arguments)
        .output()
        .expect("the program can be started")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("it writes UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("it writes UTF-8")
}

#[test]
fn exit_codes_tell_success_failure_and_wrong_input_apart() {
    let folder = folder();
    let holds = small(folder.path(), &[]);
    let output = sim(&["run", &holds]);
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    assert!(stdout(&output).contains("✓ small holds: 1 of 1 thresholds passed"), "{output:?}");
    let fails = small(folder.path(), &[("scenario.yaml", "p(95)<500", "p(95)<1")]);
    let output = sim(&["run", &fails]);
    assert_eq!((code(&output), stderr(&output)), (99, ""));
    assert!(stdout(&output).contains("✗ small does not hold: 1 of 1 thresholds failed"));
    assert_eq!(code(&sim(&["run", &fails, "--exit-zero"])), 0);
    assert_eq!(code(&sim(&["run", "no/such.yaml", "--exit-zero"])), 2);
    assert_eq!(code(&sim(&["rum"])), 2);
    assert_eq!(code(&sim(&["run", &holds, "--runs", "0"])), 2);
    assert_eq!(code(&sim(&["--version"])), 0);
}

/// Ten iterations a second: the limit of 200 is crossed after 20 s, as the next evaluation sees.
#[test]
fn a_threshold_may_end_the_run_and_the_report_says_when() {
    let folder = folder();
    let with = |terms: &str| {
        let threshold = format!("iterations: [{{threshold: \"count<200\", {terms}}}]");
        small(folder.path(), &[("scenario.yaml", "http_req_duration: [\"p(95)<500\"]", &threshold)])
    };
    let run = |terms: &str| {
        let json = folder.path().join("result.json");
        let place = format!("json={}", json.display());
        let output =
            sim(&["run", &with(terms), "--summary", "compact", "-o", "text", "-o", &place]);
        assert_eq!((code(&output), stderr(&output)), (99, ""), "{terms}");
        let text = fs::read_to_string(json).expect("the result was written");
        let result: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        (stdout(&output).to_owned(), result["aborted"]["after_s"].as_f64())
    };
    let (text, after) = run("abortOnFail: true");
    let after = after.expect("the run was ended");
    assert!((18.0..=24.0).contains(&after), "{after}");
    assert!(text.contains(&format!("aborted after {after}s by iterations: count<200")), "{text}");
    assert!(text.contains(&format!("small · {after}s of 10m simulated")), "{text}");
    // Strictly after the delay.
    assert_eq!(run("abortOnFail: true, delayAbortEval: 60s").1, Some(62.0));
    assert_eq!(run("abortOnFail: true, delayAbortEval: 20m").1, None);
    assert_eq!(run("abortOnFail: false").1, None);
    // What only warns fails the run when it ends it.
    assert_eq!(run("abortOnFail: true, severity: warning").1, Some(after));
    // A window is judged once it is full.
    let windowed = run("abortOnFail: true, window: 1m").1.expect("the run was ended");
    assert!(windowed >= 60.0, "{windowed}");
}

#[test]
fn wrong_input_says_all_errors_of_all_files_and_writes_nothing() {
    let folder = folder();
    let path = small(
        folder.path(),
        &[
            ("scenario.yaml", "duration: 10m\n", "duration: 10\n"),
            ("services.yaml", "workload: Deployment/gateway", "workload: Deployment/gatway"),
            ("manifests.yaml", "minReplicas: 3", "minReplicas: 30"),
        ],
    );
    let written = folder.path().join("out");
    let json = format!("json={}", written.join("run.json").display());
    let csv = format!("csv={}", written.display());
    let output = sim(&["run", &path, "-o", &json, "-o", &csv]);
    assert_eq!((code(&output), stdout(&output)), (2, ""));
    assert!(!written.exists(), "something was written");
    let said = stderr(&output).replace(&format!("{}/", folder.path().display()), "");
    expect![[r#"
        error[AUR107]: duration is `10`: a duration needs a unit
         --> scenario.yaml:8:11
          |
        8 | duration: 10
          |           ^^
          |
          = help: or `10ms` for milliseconds, `10m` for minutes
        help: for seconds
          |
        8 | duration: 10s
          |             +

        error[AUR014]: services.gateway.workload names the workload `Deployment/gatway`, which does not exist
         --> services.yaml:6:15
          |
        6 |     workload: Deployment/gatway
          |               ^^^^^^^^^^^^^^^^^
          |
          = note: known: Deployment/gateway, StatefulSet/postgresql
        help: a similar name exists
          |
        6 |     workload: Deployment/gateway
          |                             +

        error[AUR301]: HorizontalPodAutoscaler/gateway: spec.maxReplicas (10) is below minReplicas (30)
          --> manifests.yaml:30:16
           |
        29 |   minReplicas: 30
           |                -- the minimum
        30 |   maxReplicas: 10
           |                ^^ the maximum
           |
           = note: the API server says: spec.maxReplicas: Invalid value: 10: must be greater than or equal to `minReplicas`
           = help: raise maxReplicas, or set minReplicas to at most 10
    "#]].assert_eq(&said);
    // Quiet is quiet about warnings, not about errors.
    assert_eq!(stderr(&sim(&["run", &path, "-q"])), stderr(&output));
}

#[test]
fn json_on_stdout_is_one_document_and_nothing_else() {
    let folder = folder();
    let path = small(folder.path(), &[]);
    let output = sim(&["run", &path, "-o", "json", "--stats"]);
    let value: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("stdout is a document of JSON");
    assert_eq!(value["scenario"], "small");
    assert!(stdout(&output).ends_with("}\n"));
    let line = stderr(&output);
    let figures: Vec<&str> = line.trim_end().split(' ').collect();
    let [title, events, wall, speed, rss] = figures[..] else { panic!("{line}") };
    assert_eq!(title, "stats:");
    let figure = |text: &str, name: &str| {
        let value = text.strip_prefix(name).unwrap_or_else(|| panic!("{line}"));
        value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"))
    };
    assert!(figure(events, "events=") > 10_000.0, "{line}");
    assert!(figure(wall, "wall_s=") > 0.0, "{line}");
    assert!(figure(speed, "events_per_s=") > 0.0, "{line}");
    assert!(figure(rss, "max_rss_bytes=") > 1e6, "{line}");
}

#[test]
fn two_outputs_cannot_share_stdout() {
    let folder = folder();
    let path = small(folder.path(), &[]);
    let output = sim(&["run", &path, "-o", "json", "-o", "text"]);
    assert_eq!((code(&output), stdout(&output)), (2, ""));
    expect![[r#"
        error: two outputs go to standard output; give all but one a path, as in `-o json=run.json`
    "#]]
    .assert_eq(stderr(&output));
    let output = sim(&["run", &path, "-o", "jsn"]);
    assert_eq!((code(&output), stdout(&output)), (2, ""));
    assert!(stderr(&output).contains("did you mean `json`?"), "{output:?}");
}

/// Every command that writes formats refuses it before it computes anything.
#[test]
fn no_command_mixes_two_outputs_on_stdout() {
    let folder = folder();
    let small = small(folder.path(), &[]);
    let policy = "profiles/policies/static-minimum.yaml";
    let rows: [&[&str]; 5] = [
        &["bench", &small, "--policies", policy],
        &["compare", &small, &small],
        &["size", &small],
        &["sweep", &small, "-L", "duration=1m,2m"],
        &["validate", &small],
    ];
    for row in rows {
        let output = sim(&[row, &["-o", "text", "-o", "json"]].concat());
        assert_eq!((code(&output), stdout(&output)), (2, ""), "{row:?}");
        let said = stderr(&output);
        assert!(said.contains("two outputs go to standard output"), "{row:?}: {said}");
    }
}

#[test]
fn what_is_asked_to_be_explained_is_printed_line_by_line() {
    let folder = folder();
    let path = small(folder.path(), &[]);
    let output = sim(&["run", &path, "--explain", "hpa/gateway@1m..2m"]);
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    expect![[r#"
        hpa/gateway
            1m00s  3 → 3  cpu 1%/80% of 3 pods → 1  proposed 1  held at 3 until 5m15s
            1m15s  3 → 3  cpu 1%/80% of 3 pods → 1  proposed 1  held at 3 until 5m15s
            1m30s  3 → 3  cpu 1%/80% of 3 pods → 1  proposed 1  held at 3 until 5m15s
            1m45s  3 → 3  cpu 1%/80% of 3 pods → 1  proposed 1  held at 3 until 5m15s
    "#]]
    .assert_eq(stdout(&output));
    let output = sim(&["run", &path, "--explain", "pod/gateway-1", "--explain", "node/general-1"]);
    expect![[r#"
        pod/gateway-1
            0m00s       +0s  created by gateway
            0m00s       +0s  bound to general-2
            0m00s       +0s  images were on the node
            0m00s       +0s  containers started
            0m00s       +0s  ready
        node/general-1
            0m00s       +0s  instance of pool general asked for
            0m00s       +0s  machine m6i.large in a launched
            0m00s       +0s  Ready
            0m00s       +0s  takes postgresql-0
            0m00s       +0s  takes gateway-2
    "#]]
    .assert_eq(stdout(&output));
}

#[test]
fn a_wrong_selector_says_what_there_is_and_writes_nothing() {
    let folder = folder();
    let path = small(folder.path(), &[]);
    let file = folder.path().join("run.json");
    let json = format!("json={}", file.display());
    let say = |selector: &str| {
        let output = sim(&["run", &path, "-o", &json, "--explain", selector]);
        assert_eq!((code(&output), stdout(&output)), (2, ""));
        assert!(!file.exists(), "something was written");
        stderr(&output).to_owned()
    };
    let said = [say("hpa/gatway"), say("pod/gateway-99"), say("gateway"), say("hpa/gateway@noon")]
        .concat();
    expect![[r#"
        error: no hpa `gatway` in this run; did you mean `gateway`?
        error: no pod `gateway-99` in this run; did you mean `gateway-1`?
        error: `gateway` names nothing to explain; write hpa/NAME, pod/NAME, pdb/NAME, quota/NAME, node/NAME, nodepool/NAME or cluster-autoscaler, then @FROM..UNTIL if wanted
        error: `noon` is no span of time; write @30m..40m, @30m.. or @..40m
    "#]].assert_eq(&said);
}

#[test]
fn quiet_is_one_line() {
    let folder = folder();
    let path = small(folder.path(), &[]);
    let output = sim(&["run", &path, "-q"]);
    expect![[r#"
        ✓ small holds: 1 of 1 thresholds passed
    "#]]
    .assert_eq(stdout(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = folder();
    let path = small(folder.path(), &[]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .args(["run", &path, "-o", "ndjson"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((code(&output), stderr(&output)), (0, ""));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = folder();
    let path = small(folder.path(), &[]);
    let output = sim(&["run", &path, "-o", &format!("json={path}/run.json")]);
    assert_eq!((code(&output), stdout(&output)), (2, ""));
    let said = stderr(&output).replace(&format!("{}/", folder.path().display()), "");
    expect![[r#"
        error: cannot write scenario.yaml/run.json
          cause: File exists (os error 17)
    "#]]
    .assert_eq(&said);
}

#[test]
fn codes_are_explained_by_the_program_itself() {
    let output = sim(&["explain", "AUR301"]);
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    expect![[r#"
        AUR301 · hpa-max-below-min

        `maxReplicas` of a HorizontalPodAutoscaler is below `minReplicas`. The API server refuses the
        object; when the two come from different values files the chart renders without complaint and
        fails at installation.
    "#]].assert_eq(stdout(&output));
    let output = sim(&["explain", "AUR999"]);
    assert_eq!((code(&output), stdout(&output)), (2, ""));
    expect![[r#"
        error: there is no code `AUR999`
        hint: codes look like AUR301; `aurelius-sim explain` lists all of them
        hint: fields of documents begin with their kind: `aurelius-sim explain Scenario.load`
    "#]]
    .assert_eq(stderr(&output));
    let list = sim(&["explain"]);
    let lines = stdout(&list).lines().filter(|line| line.starts_with("AUR")).count();
    assert!(lines > 30 && lines == stdout(&list).lines().count(), "{lines} codes");
}

#[test]
fn what_was_read_is_not_overwritten() {
    let folder = folder();
    let scenario = small(folder.path(), &[]);
    let before = fs::read_to_string(&scenario).expect("it was written");
    let output = sim(&["run", &scenario, "-o", &format!("json={scenario}")]);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("is an input of this run"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(&scenario).expect("it is still there"), before);
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_is_written_to_and_not_replaced() {
    let folder = folder();
    let scenario = small(folder.path(), &[]);
    let output = sim(&["run", &scenario, "-o", "json=/dev/null"]);
    assert_ne!(code(&output), 2, "{}", stderr(&output));
    assert!(!fs::metadata("/dev/null").expect("there is one").is_file());
}

/// A file of the wrong kind is told by its place and a sentence of our own, not a library's.
#[test]
fn a_text_that_is_no_json_is_told_by_its_place() {
    let output = sim(&["run", "--from", "README.md"]);
    assert_eq!(code(&output), 2);
    assert_eq!(
        stderr(&output),
        "error: README.md:1:1: is no JSON: no value begins here\n\
         hint: `--from` takes what `run -o json=FILE` wrote\n"
    );
    let output = sim(&["run", "--from", "no/such.json"]);
    assert!(stderr(&output).starts_with("error: cannot read no/such.json: no such file\n"));
}

#[test]
fn access_logs_become_loads_and_their_broken_lines_are_told() {
    let folder = folder();
    let path = folder.path().join("access.log");
    let line = |second: u32| {
        format!("10.0.0.1 - - [10/Oct/2026:13:55:{second:02} +0200] \"GET / HTTP/1.1\" 200 23\n")
    };
    let text: String = (0..30).map(line).collect();
    fs::write(&path, format!("{text}what is this\n{text}")).expect("the folder is ours");
    let log = path.display().to_string();
    let output = sim(&["convert", &log, "--exec", "browse", "--tz", "Europe/Berlin"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(stderr(&output).contains("1 of 61 lines have no time"), "{output:?}");
    assert!(stderr(&output).contains("line 31"), "{output:?}");
    let load = stdout(&output);
    assert!(load.contains("60 iterations in 30s, at most 2.000/s"), "{load}");
    assert!(load.contains("start: 2026-10-10T13:55:00"), "{load}");

    // The same through gzip and a pipe, and what is mostly something else.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, text.as_bytes()).expect("memory takes it");
    let packed = packed.finish().expect("memory takes it");
    fs::write(folder.path().join("access.log.gz"), packed).expect("the folder is ours");
    let packed = folder.path().join("access.log.gz").display().to_string();
    let output = sim(&["convert", &packed, "--exec", "browse"]);
    assert!(stdout(&output).contains("30 iterations in 30s"), "{output:?}");
    fs::write(&path, format!("{}{}", line(0), "nonsense\n".repeat(9))).expect("the folder is ours");
    let output = sim(&["convert", &log, "--exec", "browse"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("9 of 10 lines have no time"), "{output:?}");
    let output = sim(&["convert", &log]);
    assert!(stderr(&output).contains("--exec CLASS"), "{output:?}");
}

/// What CI systems read of a run: each in its own grammar, one verdict in all of them.
#[test]
fn a_run_is_told_as_ci_systems_read_it() {
    let folder = folder();
    let path = small(folder.path(), &[("scenario.yaml", "p(95)<500", "p(95)<1")]);
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (junit, summary) = (at("junit.xml"), at("summary.json"));
    let formats = [format!("junit={junit}"), format!("k6-summary={summary}")];
    let output = sim(&["run", &path, "-o", &formats[0], "-o", &formats[1], "-o", "github"]);
    assert_eq!((code(&output), stderr(&output)), (99, ""));
    let annotation = stdout(&output);
    assert!(annotation.starts_with("::error file="), "{annotation}");
    assert!(annotation.contains(",line="), "{annotation}");
    assert!(annotation.contains("title=http_req_duration p(95)<1::p(95)="), "{annotation}");
    assert_eq!(annotation.lines().count(), 1, "{annotation}");

    let junit = fs::read_to_string(junit).expect("it was written");
    assert!(junit.contains("tests=\"1\" failures=\"1\""), "{junit}");
    assert!(junit.contains("classname=\"threshold\""), "{junit}");
    assert!(junit.contains("type=\"threshold\""), "{junit}");

    let summary = fs::read_to_string(summary).expect("it was written");
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("it is JSON");
    let metric = &summary["metrics"]["http_req_duration"];
    assert_eq!(metric["type"], "trend");
    assert_eq!(metric["thresholds"]["p(95)<1"]["ok"], false);
    assert!(metric["values"]["p(95)"].as_f64().is_some_and(|it| it > 1.0), "{metric}");
    let failed = &summary["metrics"]["http_req_failed"]["values"];
    assert_eq!(failed["passes"].as_f64(), Some(0.0), "no request failed: {failed}");
    let requests = summary["metrics"]["http_reqs"]["values"]["count"].as_f64();
    assert_eq!(failed["fails"].as_f64(), requests, "all others are counted: {failed}");
}

#[test]
fn a_run_that_holds_is_one_notice() {
    let folder = folder();
    let path = small(folder.path(), &[]);
    let output = sim(&["run", &path, "-o", "github"]);
    assert_eq!(code(&output), 0);
    assert_eq!(stdout(&output), "::notice title=aurelius-sim::small holds: 1 check passed\n");
    let output = sim(&["run", &path, "-o", "junit"]);
    assert!(stdout(&output).contains("tests=\"1\" failures=\"0\""), "{output:?}");
}
