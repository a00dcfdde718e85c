//! Reports of whole runs: the page that needs nothing else, the comment, and every cost by hand.

use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

use aurelius_sim::findings::{Case, check};
use aurelius_sim::input::render::concise;
use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::report::bench::comparison::Comparison;
use aurelius_sim::report::html::{ComparedRuns, Shown, comparison, html};
use aurelius_sim::report::markdown::markdown;
use aurelius_sim::report::overlay::Curves;
use aurelius_sim::report::{Report, assemble, told};
use aurelius_sim::scenario::Scenario;
use aurelius_sim::sweep::bench::{Bench, Pair};
use aurelius_sim::sweep::{RunResult, SweepOptions, run};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

struct Told {
    scenario: Scenario,
    result: RunResult,
    report: Report,
}

fn told_of(path: &str) -> Told {
    let loaded = load_scenario(Path::new(path), &LoadOptions::default());
    let said = concise(&loaded.diagnostics, &loaded.sources);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let result = run(&scenario, SweepOptions::single(scenario.seed), 0, &|_| {});
    let case = Case::new(&scenario, &result.history, &result.measurements, &result.thresholds);
    let findings = check(&case);
    let results = [result];
    let report = assemble(
        &scenario,
        scenario.seed,
        &results,
        false,
        told(&case_of(&scenario, &results[0]), &findings),
    );
    let [result] = results;
    Told { scenario, result, report }
}

fn case_of<'a>(scenario: &'a Scenario, result: &'a RunResult) -> Case<'a> {
    Case::new(scenario, &result.history, &result.measurements, &result.thresholds)
}

impl Told {
    fn page(&self) -> String {
        let case = case_of(&self.scenario, &self.result);
        html(&Shown {
            report: &self.report,
            case: &case,
            measured: &self.result.measurements,
            runs: &[],
            command: "aurelius-sim run '<x>' -o html=report.html",
        })
    }
}

static FIRE: LazyLock<Told> = LazyLock::new(|| told_of("scenarios/alerts-fire.yaml"));
static SMOKE: LazyLock<Told> = LazyLock::new(|| told_of("scenarios/k6-smoke.yaml"));

#[test]
fn the_page_is_complete_the_same_twice_and_asks_for_nothing() {
    let page = FIRE.page();
    assert_eq!(page, FIRE.page());
    for part in [
        "thresholds",
        "happened",
        "charts",
        "alerts",
        "latency",
        "services",
        "nodes",
        "cost",
        "findings",
        "inputs",
    ] {
        assert!(page.contains(&format!("<section id=\"{part}\">")), "{part}");
    }
    assert!(page.contains("default-src 'none'"), "a policy forbids the network");
    for loads in ["src=\"http", "@import", "url(http", "<link", "<iframe"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("run &#39;&lt;x&gt;&#39; -o html"), "what is told is escaped");
    // Every chart can be read without scripts and without colours: a title, a sentence and a table.
    let figures = page.matches("<figure id=\"chart-").count();
    assert!(figures >= 6, "{figures}");
    assert_eq!(page.matches("<div class=\"live\"").count(), figures);
    assert!(page.matches("role=\"img\"><title>").count() >= figures);
    assert!(page.len() < 450_000, "{} bytes", page.len());
    // What stands in scripts cannot end them.
    let series = page.split("id=\"series\">").nth(1).expect("the data of charts");
    let series = series.split("</script>").next().expect("ends");
    let series: serde_json::Value = serde_json::from_str(series).expect("it is JSON");
    assert_eq!(series["charts"].as_array().map(Vec::len), Some(figures));
}

#[test]
fn a_comparison_lays_both_sides_over_each_other_and_says_what_a_saved_result_lacks() {
    let bench = Bench {
        scenarios: vec!["<smoke>".to_owned()],
        policies: vec!["main".to_owned(), "change".to_owned()],
        pairs: vec![vec![Pair::Ran(Vec::new())], vec![Pair::Ran(Vec::new())]],
        currency: "USD".to_owned(),
    };
    let compared = Comparison::of(&bench, "capacity", vec!["a: 1 → 2".to_owned()], &[]);
    let curves = |told: &Told| Curves::of(&told.scenario, &told.result.measurements);
    let page = |base: Vec<Curves>| {
        let scenario = "<smoke>".to_owned();
        let runs = [ComparedRuns { scenario, base, candidate: vec![curves(&FIRE)] }];
        comparison(&compared, &runs, "{\"a\": \"</script>\"}", &[], "aurelius-sim compare")
    };
    let both = page(vec![curves(&SMOKE), curves(&FIRE)]);
    let figures = both.matches("<figure id=\"chart-").count();
    assert!(figures > 2, "{figures}");
    assert_eq!(both.matches("\"lo\":[").count(), figures, "two runs of the base have a band");
    assert!(both.contains("<h2>&lt;smoke&gt; over time</h2>") && !both.contains("<smoke>"));
    assert_eq!(both.matches("</script>").count(), 4, "what is told ends no script");
    let saved = page(Vec::new());
    assert!(saved.contains("a saved result keeps figures, no series"));
    assert!(
        !saved.contains("leeoniya") && saved.len() < 40_000,
        "without charts there is no library"
    );
    let same = page(vec![curves(&FIRE)]);
    assert!(
        same.contains("The same on both sides: Requests completed") && !same.contains("<figure")
    );
}

#[test]
fn what_is_built_in_is_what_was_published() {
    let listed = std::fs::read_to_string("assets/README.md").expect("it is there");
    for file in ["uPlot.iife.min.js", "uPlot.min.css"] {
        let bytes = std::fs::read(format!("assets/{file}")).expect("it is there");
        let hash: String =
            Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(listed.contains(&hash), "{file} is {hash}");
    }
    let licence = std::fs::read_to_string("assets/uPlot.LICENSE").expect("it is there");
    assert!(licence.contains("MIT"));
}

#[test]
fn a_comment_tells_the_verdict_first_and_folds_the_rest() {
    let text = markdown(&FIRE.report);
    assert!(
        text.starts_with("<!-- aurelius-sim:alerts-fire -->\n### ✓ `alerts-fire` holds\n"),
        "{text}"
    );
    assert!(text.contains("<details><summary>Alerts</summary>"));
    assert!(text.contains("`GPUNotAvailable` fires from 10m00s for 10m00s"));
    assert!(text.chars().count() < 65_536);
}

fn money(text: &str) -> Decimal {
    Decimal::from_str(text).expect("an amount")
}

/// What the volumes of the production values cost a month, each compared with what is told.
fn volumes_by_hand(cost: &aurelius_sim::report::CostEntry) -> Decimal {
    // GB-months, and IOPS beyond what the size includes: 50 for each GB of io2.
    let mut volumes = Decimal::ZERO;
    for (claim, count, gb, io2) in [
        ("StatefulSet/grafana/data", 2, 25, false),
        ("StatefulSet/minio/data", 8, 2048, false),
        ("StatefulSet/postgresql/data", 1, 500, false),
        ("StatefulSet/postgresql-read/data", 2, 500, false),
        ("StatefulSet/prometheus/data", 2, 250, false),
        ("StatefulSet/redis-master/data", 1, 100, true),
        ("StatefulSet/redis-replicas/data", 3, 100, true),
        ("dicom-cache", 1, 500, true),
        ("ml-models", 1, 1024, true),
    ] {
        let each = if io2 {
            Decimal::from(gb) * money("0.125") + Decimal::from(gb * 50) * money("0.065")
        } else {
            Decimal::from(gb) * money("0.08")
        };
        let all = each * Decimal::from(count);
        let told = cost.volumes.iter().find(|volume| volume.claim == claim).expect("it is there");
        assert_eq!(
            told.per_month.map(|it| it.normalize()),
            Some(all.round_dp(2).normalize()),
            "{claim}"
        );
        volumes += all;
    }
    assert_eq!(cost.volumes.len(), 9);
    assert_eq!(cost.volumes_per_month.map(|it| it.normalize()), Some(volumes.normalize()));
    volumes
}

/// The production values for five minutes: 2 m6i.large, 6 m6i.4xlarge and 7 g4dn.2xlarge that nothing
/// moves. Prices: profiles/instances/aws_eks_us-east-1.csv and profiles/clusters/eks-t4.yaml.
#[test]
fn every_cost_of_a_report_is_what_one_computes_by_hand() {
    let report = &SMOKE.report;
    let cost = &report.cost;
    assert_eq!((cost.currency.as_str(), cost.hours_per_month), ("USD", 730));
    let hours = Decimal::from(5) / Decimal::from(60);
    let month = Decimal::from(730);
    let mut nodes = Decimal::ZERO;
    for (name, count, machine, price) in [
        ("system", 2, "m6i.large", "0.096"),
        ("general", 6, "m6i.4xlarge", "0.768"),
        ("gpu-t4", 7, "g4dn.2xlarge", "0.752"),
    ] {
        let pool = report.node_pools.iter().find(|pool| pool.name == name).expect("it is there");
        let [kind] = pool.machines.as_slice() else { panic!("{:?}", pool.machines) };
        assert_eq!((kind.instance.as_str(), kind.spot), (machine, false));
        assert_eq!(kind.price_per_hour, Some(money(price)));
        assert_eq!(kind.node_hours.round_dp(9), (Decimal::from(count) * hours).round_dp(9));
        let monthly = Decimal::from(count) * money(price) * month;
        assert_eq!((kind.per_month, pool.per_month), (Some(monthly), Some(monthly)), "{name}");
        nodes += monthly;
        // Who has pods there pays for them, nobody for the rest: together the pool.
        let shares = cost.shares.iter().filter(|share| share.pool == name);
        let sum: Decimal = shares.map(|it| it.used + it.idle + it.unallocated).sum();
        assert!(
            (sum - monthly).abs() < money("0.15"),
            "{name}: {sum} of {monthly}, each cut to cents"
        );
    }
    assert_eq!(cost.nodes_per_month, Some(nodes));
    assert_eq!(nodes, money("7346.72"));
    assert_eq!(cost.control_plane_per_month, money("0.10") * month);
    let volumes = volumes_by_hand(cost);
    let all = nodes + money("73") + volumes;
    assert_eq!(cost.per_month.map(|it| it.normalize()), Some(all.normalize()));
    let measured = all / month * hours;
    assert_eq!(cost.measured, Some(measured.round_dp(2)));
    let calls = Decimal::from(SMOKE.result.measurements.calls().ends.total());
    let million = measured / calls * Decimal::from(1_000_000);
    assert_eq!(cost.per_million_requests, Some(million.round_dp(2)));
    // Idle is what nobody asks for of the scarcest resource: 0.76 of 2 x 1.93 cores in the system pool,
    // 76.08 of 6 x 15.89 in the general one, no GPU.
    let idle = money("140.16") * (Decimal::ONE - money("0.76") / money("3.86"))
        + money("3363.84") * (Decimal::ONE - money("76.08") / money("95.34"));
    assert_eq!(cost.idle_per_month.map(|it| it.round_dp(1)), Some(idle.round_dp(1)));
    // Five pods of the gateway ask for two cores each; four of seven GPUs are the ML service's.
    let paid = |workload: &str| -> Decimal {
        let shares = cost.shares.iter().filter(|it| it.workload.as_deref() == Some(workload));
        shares.map(|it| it.used + it.idle).sum()
    };
    let gateway = money("3363.84") * Decimal::from(10) / money("95.34");
    assert!((paid("Deployment/gateway") - gateway).abs() < money("0.02"), "{gateway}");
    assert_eq!(paid("Deployment/ml-service"), money("2195.84"));
    assert_eq!(paid("Deployment/render-service"), money("1646.88"));
}
