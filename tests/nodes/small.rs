//! Small clusters: crash loops, memory, pulls, budgets that block an upgrade.

use aurelius_sim::model::Record;
use aurelius_sim::model::observer::CallEnd;
use aurelius_sim::model::record::Death;
use aurelius_sim::units::{SimDuration, SimTime};

use super::templates::Templates;
use super::{Told, simulated};

const CLUSTER: &str = "
apiVersion: aurelius.dev/v1
kind: ClusterProfile
metadata: {name: small}
provider: eks
catalogue: CATALOGUE
zones: [a, b]
nodePools:
  - {name: pool, instance: m6i.large, min: NODES, max: NODES}
KUBELET
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
    start: START
    idle: {cpu: 10m, memory: IDLE}
    memory: {perRequest: PER_REQUEST}
    operations:
      get: {cpu: 100ms}
classes:
  fetch:
    steps: [{call: web.get, timeout: 10s}]
";

const MANIFESTS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
          resources: {requests: {cpu: 200m, memory: ASKED}, limits: {memory: LIMIT}}
          PROBES
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: MIN_AVAILABLE, selector: {matchLabels: {app: web}}}
MORE
";

const SCENARIO: &str = "
apiVersion: aurelius.dev/v1
kind: Scenario
metadata: {name: small}
inputs: {manifests: [manifests.yaml], services: [services.yaml], cluster: cluster.yaml}
duration: DURATION
model: requests
load:
  scenarios:
    users: {executor: constant-arrival-rate, exec: fetch, rate: RATE, timeUnit: 1s, duration: DURATION, preAllocatedVUs: 50, maxVUs: 500}
EVENTS
seed: 1
";

const TEMPLATES: Templates<'_> =
    Templates { cluster: CLUSTER, services: SERVICES, manifests: MANIFESTS, scenario: SCENARIO };

/// Runs the small scenario with words replaced.
pub(super) fn small(words: &[(&str, &str)]) -> Told {
    let usual = [
        ("START", "1s"),
        ("IDLE", "100Mi"),
        ("PER_REQUEST", "0"),
        ("REPLICAS", "1"),
        ("ASKED", "200Mi"),
        ("LIMIT", "400Mi"),
        ("PROBES", ""),
        ("MIN_AVAILABLE", "0"),
        ("DURATION", "10m"),
        ("RATE", "1"),
        ("EVENTS", ""),
        ("NODES", "3"),
        ("KUBELET", ""),
        ("MORE", ""),
    ];
    simulated(TEMPLATES.scenario(words, &usual))
}

fn deaths(told: &Told) -> Vec<(SimTime, Death, SimDuration)> {
    let mut found = Vec::new();
    for entry in told.history.entries() {
        if let Record::ContainerDied { why, again_after, .. } = &entry.record {
            found.push((entry.first, *why, *again_after));
        }
    }
    found
}

/// A pod made in mid-run needs 60 s to answer; its liveness probe has no patience for that: attempts
/// at 10, 20 and 30 s fail, and the third kills it, again and again, ever later.
#[test]
fn a_slow_starter_without_a_startup_probe_is_killed_in_a_loop() {
    let probe = "livenessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 10}";
    let scale = "events: [{at: 10s, scale: {workload: web, replicas: 2}}]";
    let words = [("START", "60s"), ("PROBES", probe), ("EVENTS", scale), ("DURATION", "20m")];
    let told = small(&words);
    let deaths = deaths(&told);
    let waits: Vec<u64> = deaths.iter().map(|(_, _, after)| after.as_secs()).collect();
    assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300], "{deaths:?}");
    let gaps: Vec<u64> =
        deaths.windows(2).map(|pair| pair[1].0.since(pair[0].0).as_secs()).collect();
    assert_eq!(gaps, [30, 40, 50, 70, 110, 190, 330]);
    assert!(deaths.iter().all(|(_, why, _)| *why == Death::Liveness));
    let young = told.history.pod_named("web-2").expect("it was made");
    // Without a readiness probe it counts as ready from its first second, up or not.
    assert!(young.ready.is_some() && young.unready.len() == deaths.len(), "{young:?}");
    // A startup probe with the patience for it lets the same pod live.
    let patient = "startupProbe: {httpGet: {path: /, port: 80}, failureThreshold: 10}";
    let words = [("START", "60s"), ("PROBES", patient), ("EVENTS", scale)];
    let told = small(&words);
    let young = told.history.pod_named("web-2").expect("it was made");
    assert!(young.ready.is_some());
}

/// 100Mi idle and 50Mi a request, 400Mi allowed: the seventh request inside kills the process. E42, its
/// first half: the pod is the same afterwards, on the same node.
#[test]
fn a_pod_that_holds_more_than_its_limit_is_killed_and_its_requests_are_cut() {
    let told = small(&[("PER_REQUEST", "50Mi"), ("RATE", "40"), ("DURATION", "2m")]);
    let deaths = deaths(&told);
    assert!(deaths.len() > 2, "{deaths:?}");
    let Death::OutOfMemory { used, limit } = deaths[0].1 else { panic!("{deaths:?}") };
    assert!(used > limit && limit.0 == 400 << 20, "{used} of {limit}");
    assert_eq!(deaths[0].2, SimDuration::ZERO, "the first restart is immediate");
    assert!(deaths[1].2 >= SimDuration::from_secs(10));
    assert!(told.outcome.calls.of(CallEnd::Cut) > 0, "{:?}", told.outcome.calls);
    let pods: Vec<_> = told.history.pods().filter(|pod| pod.name.starts_with("web-")).collect();
    assert_eq!(pods.len(), 1, "{pods:?}");
    assert!(pods[0].gone.is_none() && pods[0].terminating.is_none(), "{pods:?}");
    let few = small(&[("PER_REQUEST", "50Mi"), ("RATE", "1"), ("DURATION", "2m")]);
    assert!(deaths_of(&few) == 0, "one at a time does no harm");
}

fn deaths_of(told: &Told) -> usize {
    deaths(told).len()
}

/// Pods hold far more than they ask for: the node runs out before any of them meets its limit. Three of
/// 2320Mi are more than the 6903Mi allotted to pods, and less than those and the reserve of 100Mi. E42, its
/// second half: the object of an evicted pod stays, and another pod is made.
#[test]
fn a_node_that_runs_out_of_memory_evicts_one_pod_at_a_time() {
    let told = small(&[
        ("IDLE", "2320Mi"),
        ("ASKED", "100Mi"),
        ("LIMIT", "6Gi"),
        ("REPLICAS", "9"),
        ("DURATION", "3m"),
    ]);
    let evicted = told.events("Evicted");
    assert!(!evicted.is_empty());
    let message = &evicted[0].2;
    assert!(
        message.starts_with("The node was low on resource: memory. Threshold quantity: 100Mi"),
        "{message}"
    );
    for (_, name, _) in &evicted {
        let life = told.history.pods().find(|pod| *pod.name == **name).expect("it is known");
        assert!(life.gone.is_none() && life.terminating.is_none(), "{life:?}");
    }
    // Another pod is made, and does not come to a node under pressure.
    let made = told.history.pods().filter(|pod| pod.name.starts_with("web-")).count();
    assert!(made > 9, "{made}");
    assert!(told.history.pods().any(|pod| pod.name.starts_with("web-") && pod.bound.is_none()));
}

/// Three of 2500Mi are more than all pods of the node may hold: the kernel is faster than the kubelet and
/// kills one of them, again and again; nobody is evicted.
#[test]
fn a_node_without_memory_left_kills_the_container_with_most_points() {
    let told = small(&[
        ("IDLE", "2500Mi"),
        ("ASKED", "100Mi"),
        ("LIMIT", "6Gi"),
        ("REPLICAS", "9"),
        ("DURATION", "3m"),
    ]);
    let deaths = deaths(&told);
    let all = deaths.iter().all(|(_, why, _)| {
        matches!(why, Death::NodeOutOfMemory { used, limit }
            if used.0 == 2_500 << 20 && limit.0 == 7_003 << 20)
    });
    assert!(all && deaths.len() >= 9, "one pod of each node, with its back-off: {deaths:?}");
    assert!(told.events("Evicted").is_empty());
    let died = told.history.pods().filter(|pod| !pod.unready.is_empty()).count();
    assert_eq!(died, 3, "the youngest of each node, which asks for no less than the others");
}

/// A budget that allows nothing fails an EKS upgrade after 15 min, is overruled by GKE after an
/// hour, and fails one of AKS after 30 min with the node uncordoned.
#[test]
fn a_budget_that_allows_nothing_blocks_an_upgrade_as_the_provider_says() {
    let words = |event: &'static str| {
        [("REPLICAS", "3"), ("MIN_AVAILABLE", "3"), ("DURATION", "120m"), ("EVENTS", event)]
    };
    let eks = small(&words("events: [{at: 1m, upgradePool: {pool: pool, surge: 1}}]"));
    let failure = &eks.events("PodEvictionFailure")[0];
    assert!(failure.2.contains("Reached max retries while trying to evict pods"), "{failure:?}");
    let took = failure.0.since(eks.begins()[0]);
    assert!(took > SimDuration::from_secs(900) && took < SimDuration::from_secs(1200), "{took}");
    let cordoned = eks.history.nodes().filter(|node| node.cordoned.is_some()).count();
    assert_eq!(cordoned, 3, "EKS leaves the old nodes cordoned");

    let aks = small(&words("events: [{at: 1m, upgradePool: {pool: pool, as: aks}}]"));
    let took = aks.events("PodEvictionFailure")[0].0.since(aks.begins()[0]);
    assert!(took > SimDuration::from_secs(1800) && took < SimDuration::from_secs(2100), "{took}");
    assert_eq!(aks.history.nodes().filter(|node| node.cordoned.is_some()).count(), 0);

    let gke = small(&words("events: [{at: 1m, upgradePool: {pool: pool, as: gke}}]"));
    let forced = &gke.events("ForcedPodDeletion")[0];
    let took = forced.0.since(gke.begins()[0]);
    assert!(took > SimDuration::from_secs(3600) && took < SimDuration::from_secs(4000), "{took}");
    assert!(gke.events("PodEvictionFailure").is_empty());
}

/// Three nodes of a provider, by the ways that have names of their own.
#[test]
fn pools_are_replaced_without_a_machine_more_or_by_a_second_set() {
    let words = |event: &'static str| {
        [("REPLICAS", "3"), ("MIN_AVAILABLE", "1"), ("DURATION", "120m"), ("EVENTS", event)]
    };
    let most = |told: &Told| {
        let mut changes: Vec<(SimTime, i32)> = Vec::new();
        for node in told.history.nodes() {
            changes.push((node.requested, 1));
            changes.extend(node.removing.map(|at| (at, -1)));
        }
        changes.sort_unstable();
        let sum = |sum: &mut i32, (_, change): &(SimTime, i32)| {
            *sum += change;
            Some(*sum)
        };
        let steps = changes.iter().scan(0, sum);
        steps.max().expect("there are nodes")
    };
    let minimal =
        small(&words("events: [{at: 1m, upgrade_pool: {pool: pool, strategy: minimal}}]"));
    assert_eq!(most(&minimal), 3, "an old node goes before a new one comes");
    assert_eq!(minimal.history.nodes().filter(|node| node.removing.is_some()).count(), 3);
    let event =
        "events: [{at: 1m, upgrade_pool: {pool: pool, as: gke, strategy: blueGreen, soak: 20m}}]";
    let green = small(&words(event));
    assert_eq!(most(&green), 6, "a whole second set comes");
    let mut removed: Vec<SimTime> =
        green.history.nodes().filter_map(|node| node.removing).collect();
    removed.sort_unstable();
    assert_eq!(removed.len(), 3);
    assert_eq!(removed[0], removed[2], "the old ones go together");
    let cordoned = green.history.nodes().filter_map(|node| node.cordoned).max();
    let soaked = removed[0].since(cordoned.expect("they were cordoned"));
    assert!(soaked >= SimDuration::from_secs(20 * 60), "{soaked}");
}

/// A StatefulSet whose pods have a disk each, and 30 disks for a machine that attaches 25.
const DISKS: &str = "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: DBS
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: 'db:1', resources: {requests: {cpu: 10m, memory: 10Mi}}}]}
  volumeClaimTemplates:
    - metadata: {name: one}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
    - metadata: {name: two}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}";

#[test]
fn a_node_attaches_so_many_disks_and_the_scheduler_counts_them() {
    let disks = DISKS.replace("DBS", "14");
    let told = small(&[("MORE", &disks), ("NODES", "1"), ("DURATION", "1m")]);
    let db = |pod: &&aurelius_sim::trace::PodLife| pod.name.starts_with("db-");
    let bound = told.history.pods().filter(db).filter(|pod| pod.bound.is_some()).count();
    assert_eq!(bound, 12, "two disks each, 25 places");
    let left =
        told.history.pods().filter(db).find(|pod| pod.bound.is_none()).expect("two are left");
    let message = &left.unschedulable[0].message;
    assert!(message.contains("1 node(s) exceed max volume count"), "{message}");
}

/// The pod of a bound disk goes only where its disk is: the other zone does not help it.
#[test]
fn a_disk_keeps_its_pod_in_its_zone() {
    let disks = DISKS.replace("DBS", "1");
    let drain = "events: [{at: 10s, cordon: {node: pool-1}}, {at: 20s, deletePod: {workload: db}}]";
    let told = small(&[("MORE", &disks), ("NODES", "2"), ("EVENTS", drain)]);
    let lives: Vec<_> = told.history.pods().filter(|pod| &*pod.name == "db-0").collect();
    let (_, first) = lives[0].bound.expect("it ran");
    if told.history.names().node(first) == "pool-1" {
        assert_eq!(lives[1].bound, None);
        let message = &lives[1].unschedulable[0].message;
        assert!(message.contains("volume node affinity"), "{message}");
    } else {
        assert!(lives[1].bound.is_some_and(|(_, node)| node == first));
    }
}

/// Three pods of two images of their own come to one node: one pull after another, or all at once.
#[test]
fn pulls_run_one_by_one_or_together() {
    let took = |kubelet: &str| {
        let events = "events: [{at: 10s, scale: {workload: web, replicas: 1}}, \
                      {at: 10s, scale: {workload: other, replicas: 1}}]";
        let other = "---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
spec:
  replicas: 0
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: other}}
    spec: {containers: [{name: other, image: 'other:1'}]}";
        let words = [
            ("REPLICAS", "0"),
            ("MORE", other),
            ("EVENTS", events),
            ("NODES", "1"),
            ("KUBELET", kubelet),
        ];
        let told = small(&words);
        let pulled = told
            .history
            .pods()
            .filter(|pod| pod.name.starts_with("web-") || pod.name.starts_with("other-"));
        let mut spans: Vec<f64> =
            pulled.map(|pod| pod.pulled.expect("it is pulled").1.as_secs_f64()).collect();
        spans.sort_by(f64::total_cmp);
        assert_eq!(spans.len(), 2);
        (spans[0], spans[1])
    };
    // 500 MB: 3 s and about 17.5 s.
    let (first, second) = took("");
    assert!(second > first + 12.0, "one after another: {first} s, {second} s");
    let (_, together) = took("kubelet: {serialize-image-pulls: false}");
    assert!(together < second - 8.0, "together: {together} s");
    let slow = "kubelet: {serialize-image-pulls: false, node-pull-bytes-per-second: 10M}";
    let (_, shared) = took(slow);
    assert!(shared > 99.0 && shared < 101.0, "a gigabyte at 10 MB/s: {shared} s");
}

/// E29: a pod under two budgets cannot be evicted at all, and a managed node group gives up on its node
/// after 15 minutes.
#[test]
fn two_budgets_on_a_pod_end_an_upgrade_of_eks() {
    let second = "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: again}\nspec: \
                  {minAvailable: 0, selector: {matchLabels: {app: web}}}";
    let upgrade = "events: [{at: 1m, upgradePool: {pool: pool, surge: 1}}]";
    let words = [("REPLICAS", "3"), ("MORE", second), ("DURATION", "40m"), ("EVENTS", upgrade)];
    let told = small(&words);
    let failures = told.events("PodEvictionFailure");
    let took = failures.first().expect("both budgets allow it, and still it is refused").0;
    let took = took.since(told.begins()[0]);
    assert!(took > SimDuration::from_secs(900) && took < SimDuration::from_secs(1200), "{took}");
    let cordoned = told.history.nodes().filter(|node| node.cordoned.is_some()).count();
    assert!(cordoned > 0, "what was cordoned stays so");
}

/// E36: the machine of a pod dies. With its Node object left alone the pod is deleted 300 s after the
/// taint, which comes at the first pass more than 50 s after the last renewal; with the object
/// deleted after 30 s the collector of pods finds it 40 to 80 s later.
#[test]
fn a_pod_of_a_dead_machine_is_replaced_by_eviction_or_by_the_collector() {
    let replaced = |event: &str| {
        let told = small(&[("EVENTS", event), ("DURATION", "15m")]);
        let failed = told.begins()[0];
        let next = told.history.pods().filter(|pod| pod.created > failed).map(|pod| pod.created);
        next.min().expect("its ReplicaSet makes another").since(failed).as_secs()
    };
    let evicted = replaced("events: [{at: 2m, failNode: {pool: pool, count: 1, running: web}}]");
    assert!((340..=360).contains(&evicted), "{evicted}");
    let collected = replaced(
        "events: [{at: 2m, failNode: {pool: pool, count: 1, running: web, deleted: 30s}}]",
    );
    assert!((70..=110).contains(&collected), "{collected}");
}
