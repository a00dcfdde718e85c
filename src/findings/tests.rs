//! The whole text of what is found in a run made by hand.

use std::fmt::Write as _;

use expect_test::expect;

use super::*;

fn listed(case: &Case<'_>, findings: &[Finding]) -> String {
    let clock = case.history.clock();
    let mut out = String::new();
    for finding in findings {
        let until =
            finding.until.map_or_else(|| "end".to_owned(), |at| clock.offset(at).to_string());
        let origins: Vec<String> = finding.origins.iter().map(ToString::to_string).collect();
        let Finding { code, severity, from, message, note, .. } = finding;
        let from = clock.offset(*from);
        let _ = writeln!(out, "{code} {severity} {from}..{until} {message} | {note} {origins:?}");
    }
    out
}

#[test]
fn everything_is_found_and_ordered() {
    let run = fixture::peak();
    expect![[r#"
        AUR940 info 10m00s..15m00s load starts to rise | 200 to 1,800 iterations/s over 5m00s []
        AUR902 warning 10m45s..11m45s checkout HPA wants 9, held at 7 | for 1m00s by its scaleUp stabilization window of 180s ["tests/data/tell/manifests.yaml:15"]
        AUR930 warning 11m30s..12m15s checkout CPU at its limit (7 × 500m) | for 45s ["tests/data/tell/manifests.yaml:13"]
        AUR901 warning 11m45s..42m45s checkout HPA reaches maxReplicas 20 | for 31m00s, wanted up to 27; ScalingLimited=True (TooManyReplicas) ["tests/data/tell/manifests.yaml:21"]
        AUR906 info 11m45s..end checkout HPA scales 7 to 20 | cpu resource utilization (percentage of request) above target ["tests/data/tell/manifests.yaml:15"]
        AUR910 warning 11m46s..13m15s 3 pods of checkout wait for a node | up to 1m29s; 0/4 nodes are available: 2 Insufficient cpu, 2 node(s) had untolerated taint(s). ["tests/data/tell/manifests.yaml:13"]
        AUR930 warning 14m45s..37m15s checkout CPU at its limit (20 × 500m) | for 22m30s; up to 5,000 requests wait ["tests/data/tell/manifests.yaml:13"]
        AUR932 warning 14m45s..37m15s checkout queue grows to 5,000 requests | longest at 14m45s, for 22m30s ["tests/data/tell/manifests.yaml:13"]
        AUR950 error 14m45s..37m15s http_req_duration p(95)<500 is crossed | for 22m30s; at worst 4.99s ["tests/data/tell/peak.yaml:26"]
        AUR933 error 15m45s..35m45s requests start to time out | up to 7.00% of all, until 35m45s, most at checkout; 1,680 timed out in the run []
        AUR950 error 15m45s..35m45s http_req_failed rate<0.01 is crossed | for 20m00s; at worst 7.00% ["tests/data/tell/peak.yaml:27"]
        AUR904 warning 16m45s..26m45s ml HPA sees no need to scale | cpu 5% of 80% while ml is saturated ["tests/data/tell/manifests.yaml:38"]
        AUR931 warning 16m45s..26m45s ml GPUs busy 100% (2 pods) | for 10m00s; up to 340 wait ["tests/data/tell/manifests.yaml:36"]
        AUR932 warning 16m45s..26m45s ml queue grows to 340 requests | longest at 16m45s, for 10m00s ["tests/data/tell/manifests.yaml:36"]
        AUR950 error 37m45s..end evictions_blocked count<1 is crossed | for 7m15s; at worst 84 ["tests/data/tell/peak.yaml:29"]
        AUR922 info 38m00s..end drain of 1 node of general | not done by the end of the run ["tests/data/tell/peak.yaml:24"]
        AUR920 error 38m00s..end budget postgresql keeps postgresql-0 on general-2 | to the end (7m00s), 84 refusals; 1 of 1 must stay, add replicas ["tests/data/tell/manifests.yaml:61"]
        AUR910 error 38m02s..end checkout-20 waits for a node | 6m58s, until the end; 0/5 nodes are available: 3 Insufficient cpu, 2 node(s) had untolerated taint(s). ["tests/data/tell/manifests.yaml:13"]
        AUR911 warning 38m10s..44m50s cluster-autoscaler adds no node for checkout | general: max node group size reached (4); gpu: node(s) had untolerated taint(s) ["tests/data/tell/cluster.yaml:8"]
    "#]].assert_eq(&listed(&run.case(), &run.findings()));
}

#[test]
fn causes_name_figures_and_lines() {
    let run = fixture::peak();
    let findings = run.findings();
    let mut text = String::new();
    for cause in causes(&run.case(), &findings) {
        let spec = &run.scenario.thresholds[cause.threshold];
        let _ = writeln!(text, "{}: {}", spec, cause.sentence);
    }
    expect![[r#"
        http_req_duration: p(95)<500: checkout CPU at its limit (20 × 500m) from 14m45s; maxReplicas 20 × limit 500m = 10.0 cores [tests/data/tell/manifests.yaml:21]; 1,800 iterations/s ask checkout for 10.8 cores.
        http_req_failed: rate<0.01: checkout CPU at its limit (20 × 500m) from 14m45s; maxReplicas 20 × limit 500m = 10.0 cores [tests/data/tell/manifests.yaml:21]; 1,800 iterations/s ask checkout for 10.8 cores.
        evictions_blocked: count<1: budget postgresql keeps postgresql-0 on general-2 from 38m00s: to the end (7m00s), 84 refusals; 1 of 1 must stay, add replicas [tests/data/tell/manifests.yaml:61].
    "#]].assert_eq(&text);
}

#[test]
fn a_timeline_keeps_the_weightiest_lines_in_the_order_of_time() {
    let run = fixture::peak();
    let findings = run.findings();
    let lines = timeline(&run.case(), &findings, 12);
    let mut text = String::new();
    for line in &lines {
        let _ = writeln!(text, "{} {}", run.history.clock().offset(line.at), line.message);
    }
    assert!(lines.is_sorted_by_key(|line| line.at));
    expect![[r#"
        10m00s load starts to rise
        10m45s checkout HPA wants 9, held at 7
        11m45s checkout HPA reaches maxReplicas 20
        14m45s checkout CPU at its limit (20 × 500m)
        14m45s http_req_duration p(95)<500 is crossed
        15m45s requests start to time out
        15m45s http_req_failed rate<0.01 is crossed
        16m45s ml HPA sees no need to scale
        16m45s ml GPUs busy 100% (2 pods)
        38m00s drain of 1 node of general
        38m00s budget postgresql keeps postgresql-0 on general-2
        38m02s checkout-20 waits for a node
    "#]]
    .assert_eq(&text);
}
