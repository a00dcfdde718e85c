//! The whole text of a summary, in each form.

use expect_test::expect;

use super::*;
use crate::findings::fixture::{self, Fixture};
use crate::findings::{Cause, causes};

fn written(run: &Fixture, style: Style) -> String {
    let findings = run.findings();
    let causes: Vec<Cause> = causes(&run.case(), &findings);
    let told = Told {
        case: run.case(),
        measured: &run.measured,
        cost: &run.cost,
        alerts: &Default::default(),
        findings: &findings,
        causes: &causes,
        seed: 42,
        asked: "tests/data/tell/peak.yaml",
        ran_in: None,
    };
    summary(&told, style)
}

#[test]
fn the_compact_summary_fits_a_terminal() {
    let text = written(&fixture::peak(), Style::default());
    assert!(text.lines().count() <= LINES_MOST, "{} lines", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= COLUMNS_MOST, "{line}");
    }
    expect![[r#"
        aurelius-sim 0.1.0 · peak · 45m simulated · requests · seed 42 · as Kubernetes 1.36

        ✗ peak does not hold: 3 of 5 thresholds failed

          THRESHOLDS
          ✗ FAIL  http_req_duration  p(95)<500   p(95)=4.90s   from 14m45s for 22m30s; 9× the limit
          ✗ FAIL  http_req_failed    rate<0.01   rate=3.11%    from 15m45s for 20m00s; 3× the limit; 1,680 …
          ✓ ok    pods_pending       max<5       max=3
          ✗ FAIL  evictions_blocked  count<1     count=84      from 37m45s for 7m15s; 84× the limit
          ✓ ok    cost_per_month     value<4000  value=959.72

          WHAT HAPPENED
          10m00s  load starts to rise                         200 to 1,800 iterations/s over 5m00s
          11m45s  checkout HPA reaches maxReplicas 20         for 31m00s, wanted up to 27; ScalingLimited=T…
          14m45s  checkout CPU at its limit (20 × 500m)       for 22m30s; up to 5,000 requests wait
          14m45s  http_req_duration p(95)<500 is crossed      for 22m30s; at worst 4.99s
          15m45s  http_req_failed rate<0.01 is crossed        for 20m00s; at worst 7.00%
          16m45s  ml HPA sees no need to scale                cpu 5% of 80% while ml is saturated
          16m45s  ml GPUs busy 100% (2 pods)                  for 10m00s; up to 340 wait
          38m00s  budget postgresql keeps postgresql-0 on general-2  to the end (7m00s), 84 refusals; 1 of …
          38m02s  checkout-20 waits for a node                6m58s, until the end; 0/5 nodes are available…
          Cause (http_req_duration, http_req_failed): checkout CPU at its limit (20 × 500m) from 14m45s;
            maxReplicas 20 × limit 500m = 10.0 cores [tests/data/tell/manifests.yaml:21]; 1,800 iterations/s
            ask checkout for 10.8 cores.
          Cause (evictions_blocked): budget postgresql keeps postgresql-0 on general-2 from 38m00s: to the
            end (7m00s), 84 refusals; 1 of 1 must stay, add replicas [tests/data/tell/manifests.yaml:61].

          SERVICE     REPLICAS       CPU/REQ  MEM/REQ  P(50)  P(95)  P(99)  FAILED  LIMITED BY
          checkout    7→20   ▁█████  200%     55%      460ms  4.90s  4.99s  3.11%   HPA maxReplicas
          ml          2      ▄▄▄▄▄▄  5%       55%      80ms   80ms   80ms   0%      GPU, HPA blind
          postgresql  1      ▄▄▄▄▄▄  20%      55%      2.0ms  2.0ms  2.0ms  0%      —

          NODES    COUNT  CPU REQUESTED  MEM REQUESTED  GPUS    $/MO     IDLE
          general  2→3    3.4 (58%)      5.6Gi (26%)    —       $191.76  $68.24 (35%)
          gpu      2      2.1 (54%)      3.7Gi (26%)    2 of 2  $767.96  $0.00 (0%)

          COST  USD 959.72 a month (nodes 959.72, control plane 0.00)
                68.24 of it idle, 18.26 a million requests

          Next: aurelius-sim explain AUR930, aurelius-sim run tests/data/tell/peak.yaml --summary full
    "#]].assert_eq(&text);
}

#[test]
fn ascii_and_colours_change_the_signs_and_not_the_words() {
    let run = fixture::peak();
    let ascii = written(&run, Style { charset: Charset::Ascii, ..Style::default() });
    assert!(ascii.is_ascii());
    let coloured = written(&run, Style { colour: Colour::Always, ..Style::default() });
    assert!(coloured.contains("\u{1b}[1m"));
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    let plain = written(&run, Style::default());
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&stripped), words(&plain));
}

#[test]
fn one_line_is_the_verdict() {
    let text = written(&fixture::peak(), Style { detail: Detail::Oneline, ..Style::default() });
    expect![[r#"
        ✗ peak does not hold: 3 of 5 thresholds failed
    "#]]
    .assert_eq(&text);
}

#[test]
fn the_full_summary_cuts_nothing() {
    let text = written(&fixture::peak(), Style { detail: Detail::Full, ..Style::default() });
    assert!(!text.contains('…'));
    expect![[r#"
        aurelius-sim 0.1.0 · peak · 45m simulated · requests · seed 42 · as Kubernetes 1.36

        ✗ peak does not hold: 3 of 5 thresholds failed

          THRESHOLDS
          ✗ FAIL  http_req_duration  p(95)<500   p(95)=4.90s   from 14m45s for 22m30s; 9× the limit
          ✗ FAIL  http_req_failed    rate<0.01   rate=3.11%    from 15m45s for 20m00s; 3× the limit; 1,680 of 54,000
          ✓ ok    pods_pending       max<5       max=3
          ✗ FAIL  evictions_blocked  count<1     count=84      from 37m45s for 7m15s; 84× the limit
          ✓ ok    cost_per_month     value<4000  value=959.72

          WHAT HAPPENED
          10m00s  load starts to rise                         200 to 1,800 iterations/s over 5m00s
          10m45s  checkout HPA wants 9, held at 7             for 1m00s by its scaleUp stabilization window of 180s
          11m30s  checkout CPU at its limit (7 × 500m)        for 45s
          11m45s  checkout HPA reaches maxReplicas 20         for 31m00s, wanted up to 27; ScalingLimited=True (TooManyReplicas)
          11m45s  checkout HPA scales 7 to 20                 cpu resource utilization (percentage of request) above target
          11m46s  3 pods of checkout wait for a node          up to 1m29s; 0/4 nodes are available: 2 Insufficient cpu, 2 node(s) had untolerated taint(s).
          14m45s  checkout CPU at its limit (20 × 500m)       for 22m30s; up to 5,000 requests wait
          14m45s  checkout queue grows to 5,000 requests      longest at 14m45s, for 22m30s
          14m45s  http_req_duration p(95)<500 is crossed      for 22m30s; at worst 4.99s
          15m45s  requests start to time out                  up to 7.00% of all, until 35m45s, most at checkout; 1,680 timed out in the run
          15m45s  http_req_failed rate<0.01 is crossed        for 20m00s; at worst 7.00%
          16m45s  ml HPA sees no need to scale                cpu 5% of 80% while ml is saturated
          16m45s  ml GPUs busy 100% (2 pods)                  for 10m00s; up to 340 wait
          16m45s  ml queue grows to 340 requests              longest at 16m45s, for 10m00s
          35m45s  http_req_failed rate<0.01 holds again
          37m15s  http_req_duration p(95)<500 holds again
          37m45s  evictions_blocked count<1 is crossed        for 7m15s; at worst 84
          38m00s  drain of 1 node of general                  not done by the end of the run
          38m00s  budget postgresql keeps postgresql-0 on general-2  to the end (7m00s), 84 refusals; 1 of 1 must stay, add replicas
          38m02s  checkout-20 waits for a node                6m58s, until the end; 0/5 nodes are available: 3 Insufficient cpu, 2 node(s) had untolerated taint(s).
          38m10s  cluster-autoscaler adds no node for checkout  general: max node group size reached (4); gpu: node(s) had untolerated taint(s)
          Cause (http_req_duration, http_req_failed): checkout CPU at its limit (20 × 500m) from 14m45s;
            maxReplicas 20 × limit 500m = 10.0 cores [tests/data/tell/manifests.yaml:21]; 1,800 iterations/s
            ask checkout for 10.8 cores.
          Cause (evictions_blocked): budget postgresql keeps postgresql-0 on general-2 from 38m00s: to the
            end (7m00s), 84 refusals; 1 of 1 must stay, add replicas [tests/data/tell/manifests.yaml:61].

          SERVICE     REPLICAS       CPU/REQ  MEM/REQ  P(50)  P(95)  P(99)  FAILED  LIMITED BY
          checkout    7→20   ▁█████  200%     55%      460ms  4.90s  4.99s  3.11%   HPA maxReplicas
          ml          2      ▄▄▄▄▄▄  5%       55%      80ms   80ms   80ms   0%      GPU, HPA blind
          postgresql  1      ▄▄▄▄▄▄  20%      55%      2.0ms  2.0ms  2.0ms  0%      —

          PENDING TO SERVING  PODS  DETECT  DECIDE  LAUNCH  READY  GPU    BIND   PULL   START  MODEL LOAD  IN ALL
          checkout            3     1.00s   6.00s   0.0ms   1m22s  0.0ms  1.00s  9.00s  2.00s  9.00s       1m50s

          NODES    COUNT  CPU REQUESTED  MEM REQUESTED  GPUS    $/MO     IDLE
          general  2→3    3.4 (58%)      5.6Gi (26%)    —       $191.76  $68.24 (35%)
          gpu      2      2.1 (54%)      3.7Gi (26%)    2 of 2  $767.96  $0.00 (0%)

          COST  USD 959.72 a month (nodes 959.72, control plane 0.00)
                68.24 of it idle, 18.26 a million requests

          ASSUMED
          metrics-server scrapes every 15s
          the HPA controller syncs every 15s
          a controller reacts 50ms after a change it watches
          a pod computes on up to its CPU limit, or on the whole node without one; the cores of a full node
            go round by CPU requests, and limits hold in the mean, in periods of 100ms only where a service
            says `cfs: exact`
          a request reaches a pod and an answer its client without delay; a client that is refused at once
            asks again after 1ms
          latencies are known to 0.05 %, those of single intervals and windows to 0.4 %
          every claim is served as its provisioner serves it
          memory is held against limits once a second, as the most that was held
          checks are client calls that were answered well
          a month has 730 hours at the mean cost rate of the measured time
          images of unknown size are taken to have 0.47 GiB: checkout:1, ml:1, postgres:17

          Next: aurelius-sim explain AUR930, aurelius-sim run tests/data/tell/peak.yaml --summary full
    "#]].assert_eq(&text);
}
