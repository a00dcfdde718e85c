//! Karpenter on a small cluster, from a pod that finds no room to a node that is given back.

use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::model::Record;
use aurelius_sim::model::action::PodDeletion;
use aurelius_sim::trace::NodeLife;
use aurelius_sim::units::{SimDuration, SimTime};

use super::templates::Templates;
use super::{Told, minutes, simulated};

const CLUSTER: &str = "
apiVersion: aurelius.dev/v1
kind: ClusterProfile
metadata: {name: small}
provider: eks
catalogue: CATALOGUE
zones: [a, b]
nodePools: []
karpenter: {launchCall: 2s, launch: 40s}
CAPACITY
prices: {currency: USD}
";

const SERVICES: &str = "
apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: small}
services:
  web:
    workload: Deployment/web
    cpu: {concurrency: 64}
    start: 1s
    operations:
      get: {cpu: 1ms}
classes:
  fetch:
    steps: [{call: web.get, timeout: 10s}]
";

const MANIFESTS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
          resources: {requests: {cpu: 1500m, memory: 1Gi}}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: general}
spec:
  template:
    spec:
      requirements:
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
        - {key: node.kubernetes.io/instance-type, operator: In, values: [m6i.large, m6i.2xlarge]}
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      expireAfter: EXPIRE
  disruption: {consolidationPolicy: POLICY, consolidateAfter: 1m}
---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: default}
spec: {amiSelectorTerms: [{alias: al2023@latest}]}
";

const SCENARIO: &str = "
apiVersion: aurelius.dev/v1
kind: Scenario
metadata: {name: small}
inputs: {manifests: [manifests.yaml], services: [services.yaml], cluster: cluster.yaml}
duration: 30m
model: requests
load:
  scenarios:
    users: {executor: constant-arrival-rate, exec: fetch, rate: 1, timeUnit: 1s, duration: 30m, preAllocatedVUs: 5, maxVUs: 50}
events:
  - {at: 5m, scale: {workload: web, replicas: 5}}
  - {at: 15m, scale: {workload: web, replicas: 1}}
EVENTS
thresholds:
  nodes_disrupted: [\"count<=10\"]
  \"nodes{pool:general}\": [\"value<=1\"]
seed: 1
";

const TEMPLATES: Templates<'_> =
    Templates { cluster: CLUSTER, services: SERVICES, manifests: MANIFESTS, scenario: SCENARIO };

/// Runs the small scenario with words replaced.
fn small(words: &[(&str, &str)]) -> Told {
    let usual = [
        ("EXPIRE", "Never"),
        ("POLICY", "WhenEmptyOrUnderutilized"),
        ("CAPACITY", ""),
        ("EVENTS", ""),
    ];
    simulated(TEMPLATES.scenario(words, &usual))
}

fn disrupted(told: &Told) -> Vec<(SimTime, String, &'static str)> {
    let names = told.history.names();
    let entries = told.history.entries().iter();
    let of = |entry: &aurelius_sim::trace::Entry| {
        let Record::NodeDisrupted { node, because } = entry.record else { return None };
        Some((entry.first, names.node(node).to_owned(), because))
    };
    entries.filter_map(of).collect()
}

fn type_of(life: &NodeLife) -> &str {
    life.machine.as_ref().map_or("", |machine| &machine.instance)
}

/// One pod lies on the smaller machine from the start. Four more fill another of the larger one, which
/// is cheaper than four small ones only by being one; when they are gone one small machine will do.
#[test]
fn nodes_come_with_pods_and_go_when_a_cheaper_machine_will_do() {
    let told = small(&[]);
    let lives: Vec<&NodeLife> = told.history.nodes().collect();
    assert_eq!(type_of(lives[0]), "m6i.large", "one pod needs no more");
    let scaled = SimTime::ZERO + minutes(5);
    let later: Vec<&&NodeLife> = lives.iter().filter(|life| life.requested >= scaled).collect();
    let first = later.first().expect("four pods do not fit");
    // A second without another pod closes the batch; the call takes two.
    let after = first.requested.since(scaled);
    let (least, most) = (SimDuration::from_secs(3), SimDuration::from_secs(4));
    assert!(after >= least && after <= most, "asked for after {after}");
    let took = first.ready.expect("it comes").since(first.requested);
    assert_eq!(took, SimDuration::from_secs(40));
    let nominated = told.events("Nominated");
    assert!(nominated.iter().any(|(at, pod, _)| *at >= scaled && pod.starts_with("web-")));
    let falls = SimTime::ZERO + minutes(15);
    // Five pods fit the larger machine, so the smaller one goes first; when one is left, the larger
    // machine is replaced by a smaller one.
    let taken = disrupted(&told);
    assert!(taken.iter().all(|(.., because)| *because == "Underutilized"), "{taken:?}");
    let [(first_gone, small, _), (replaced, large, _)] = &taken[..] else { panic!("{taken:?}") };
    assert!(*first_gone > scaled + minutes(1) && *first_gone < falls, "{taken:?}");
    assert!(*replaced > falls + minutes(1), "{taken:?}");
    assert!(small.contains("m6i.large") && large.contains("m6i.2xlarge"), "{taken:?}");
    let left: Vec<&&NodeLife> = lives.iter().filter(|life| life.gone.is_none()).collect();
    assert_eq!(left.iter().map(|life| type_of(life)).collect::<Vec<_>>(), ["m6i.large"]);
    // Whoever had to move was evicted, and a replacement was there before.
    for pod in told.history.pods().filter(|pod| pod.terminating.is_some()) {
        let (at, because) = pod.terminating.expect("filtered for it");
        assert!(at < falls + minutes(1) || because == PodDeletion::NodeDisruption, "{because:?}");
    }
}

#[test]
fn a_pool_that_consolidates_empty_nodes_only_keeps_the_others() {
    let told = small(&[("POLICY", "WhenEmpty")]);
    assert!(disrupted(&told).iter().all(|(.., because)| *because == "Empty"));
    assert!(
        told.history
            .pods()
            .all(|pod| { !matches!(pod.terminating, Some((_, PodDeletion::NodeDisruption))) })
    );
}

#[test]
fn nodes_expire_and_are_replaced() {
    let told = small(&[("EXPIRE", "10m"), ("POLICY", "WhenEmpty")]);
    let expired: Vec<_> =
        disrupted(&told).into_iter().filter(|(.., because)| *because == "Expired").collect();
    let (at, node, _) = expired.first().expect("ten minutes pass").clone();
    let life = told.history.node_named(&node).expect("it was there");
    assert!(at.since(life.launched.expect("it ran")) >= minutes(10));
    assert!(life.gone.is_some(), "it is given back");
    assert!(told.history.nodes().any(|other| other.requested >= at), "its pods need a node");
}

#[test]
fn what_the_cloud_has_not_got_is_shunned() {
    let shortage = "  - {at: 4m, for: 10m, capacityShortage: {instances: [m6i.2xlarge]}}";
    let told = small(&[("EVENTS", shortage)]);
    let refused = told.events("InsufficientCapacity");
    assert!(!refused.is_empty(), "it was asked for");
    assert!(refused[0].2.contains("InsufficientInstanceCapacity: m6i.2xlarge"), "{refused:?}");
    let during = |at: SimTime| at > SimTime::ZERO + minutes(4) && at < SimTime::ZERO + minutes(14);
    let came = told.history.nodes().filter(|life| during(life.requested));
    let types: Vec<&str> = came.map(type_of).collect();
    assert!(!types.is_empty() && types.iter().all(|name| *name == "m6i.large"), "{types:?}");
}

#[test]
fn equal_seeds_give_equal_runs() {
    let (one, other) = (small(&[]), small(&[]));
    assert_eq!(disrupted(&one), disrupted(&other));
    assert_eq!(one.outcome.events, other.outcome.events);
}

/// What one command tells side by side is one day: nothing but name and cluster differs.
#[test]
fn both_scenarios_of_consolidation_are_the_same_day() {
    let text = |name: &str| {
        let path = format!("scenarios/consolidation-{name}.yaml");
        let text = std::fs::read_to_string(path).expect("it is in the repository");
        let differs = ["metadata:", "description:", "cluster:", "overrides:"];
        let kept = |line: &&str| {
            let line = line.trim_start();
            !line.starts_with('#') && !differs.iter().any(|key| line.starts_with(key))
        };
        text.lines().filter(kept).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(text("ca"), text("karpenter"));
    let loaded =
        load_scenario("scenarios/consolidation-karpenter.yaml".as_ref(), &LoadOptions::default());
    assert!(loaded.scenario.is_some_and(|scenario| scenario.karpenter.is_some()));
}

/// A changed template is found at once, a new machine image when claims are looked at, within five minutes;
/// either way the nodes are replaced first and go then, one after another as the usual budget of a tenth allows.
#[test]
fn a_changed_template_replaces_nodes_sooner_than_a_new_image() {
    let first = |changed: &str| {
        let event = format!("  - {{at: 1m, upgradePool: {{pool: general, changed: {changed}}}}}");
        let told = small(&[("EVENTS", &event), ("POLICY", "WhenEmpty")]);
        let drifted = disrupted(&told).into_iter().filter(|(.., because)| *because == "Drifted");
        let (at, ..) = drifted.min().expect("nodes drift");
        let asked = told.history.nodes().filter(|life| life.requested < at).map(|it| it.requested);
        assert!(asked.max().is_some_and(|asked| at.since(asked) < minutes(2)), "replaced first");
        at.since(told.begins()[0])
    };
    // The next pass after at most 10 s, the call of 2 s and the launch of 40 s.
    assert!(first("template") < SimDuration::from_secs(75), "{}", first("template"));
    assert!(first("image") > first("template"));
}
