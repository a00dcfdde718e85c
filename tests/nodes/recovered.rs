//! Machines that stop and start again, and events that name one node, one pod, one workload.

use super::small::small;
use super::{Told, minutes};
use aurelius_sim::model::Record;
use aurelius_sim::trace::PodLife;
use aurelius_sim::units::SimTime;

const SHARED_DISK: &str = "
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 8Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: db}}}
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
      containers:
        - {name: db, image: db:1, volumeMounts: [{name: data, mountPath: /data}]}
";

/// Two pods want a disk that one node may have. All machines stop for a minute: the pod that waited for
/// the disk before still waits, the other starts again with it.
#[test]
fn a_pod_that_waits_for_a_disk_still_waits_after_its_machine_started_anew() {
    let events = "events: [{at: 1m, fail_node: {pool: pool, count: 3}, for: 1m}]";
    let told = small(&[("MORE", SHARED_DISK), ("EVENTS", events)]);
    let of_db = told.history.pods().filter(|pod| pod.name.starts_with("db-"));
    let [first, second] = of_db.collect::<Vec<_>>()[..] else { panic!("two pods") };
    assert_eq!(told.events("FailedAttachVolume").len(), 1);
    let again = |pod: &PodLife| pod.unready.len() == 1 && pod.unready[0].1.is_some();
    assert!(first.started.is_some() && again(first), "{first:?}");
    assert!(second.started.is_none() && second.ready.is_none(), "{second:?}");
}

const JOB: &str = "
---
apiVersion: batch/v1
kind: Job
metadata: {name: batch}
spec:
  backoffLimit: 3
  template:
    metadata: {labels: {app: batch}}
    spec:
      restartPolicy: POLICY
      containers: [{name: batch, image: batch:1}]
";

/// What ran in a pod that shall never be restarted does not run again: the pod has failed, and the Job
/// makes another. With `OnFailure` the same pod works again.
#[test]
fn a_stopped_machine_takes_the_one_chance_of_a_pod_that_is_never_restarted() {
    let events = "events: [{at: 60s, fail_node: {pool: pool, count: 3}, for: 30s}]";
    let pods = |policy: &str| {
        let job = JOB.replace("POLICY", policy);
        let work = ("classes:", "jobs: {batch: {duration: 3m}}\nclasses:");
        let told = small(&[("MORE", &job), ("EVENTS", events), work]);
        let ended = |entry: &aurelius_sim::trace::Entry| {
            let Record::PodEnded { succeeded, .. } = entry.record else { return None };
            Some((entry.first, succeeded))
        };
        told.history.entries().iter().filter_map(ended).collect::<Vec<_>>()
    };
    let never = pods("Never");
    assert_eq!(never.iter().map(|(_, succeeded)| *succeeded).collect::<Vec<_>>(), [false, true]);
    assert_eq!(never[0].0, SimTime::from_secs(90));
    let on_failure = pods("OnFailure");
    assert_eq!(on_failure.len(), 1);
    assert!(on_failure[0].1 && on_failure[0].0 > SimTime::from_secs(90), "{on_failure:?}");
}

/// Its machine sends no warning: the kubelet that comes back tells of code 137. A pod that is deleted
/// has ended at SIGTERM, and is disrupted as well; the first rule that is about it decides.
#[test]
fn a_policy_for_failed_pods_sees_how_a_machine_and_a_deletion_ended_them() {
    let ends = |events: &str, rules: &str| {
        let policy = format!("  podFailurePolicy: {{rules: [{rules}]}}\n  template:");
        let job = JOB.replace("POLICY", "Never").replacen("  template:", &policy, 1);
        let work = ("classes:", "jobs: {batch: {duration: 3m}}\nclasses:");
        let told = small(&[("MORE", &job), ("EVENTS", events), work]);
        let ended = |entry: &aurelius_sim::trace::Entry| {
            let Record::JobEnded { failure, .. } = entry.record else { return None };
            Some(failure)
        };
        told.history.entries().iter().find_map(ended)
    };
    let on = |code| format!("{{action: FailJob, onExitCodes: {{operator: In, values: [{code}]}}}}");
    let ignored = "{action: Ignore, onPodConditions: [{type: DisruptionTarget, status: \"True\"}]}";
    let lost = "events: [{at: 60s, fail_node: {pool: pool, count: 3}, for: 30s}]";
    assert_eq!(ends(lost, &on(137)), Some(Some("PodFailurePolicy")));
    assert_eq!(ends(lost, &on(1)), Some(None), "another pod is made and completes");
    let drained = "events: [{at: 60s, drain: {pool: pool, count: 3}}]";
    let first = |one: &str, other: &str| ends(drained, &format!("{one}, {other}"));
    assert_eq!(first(&on(143), ignored), Some(Some("PodFailurePolicy")));
    assert_eq!(
        first(ignored, &on(143)),
        None,
        "it is not counted, and there is no node for another"
    );
}

fn told_of(events: &str) -> Told {
    small(&[("EVENTS", events), ("REPLICAS", "2"), ("DURATION", "5m")])
}

#[test]
fn events_find_the_one_that_they_name() {
    let told = told_of("events: [{at: 1m, drain: pool-2}, {at: 2m, cordon: pool-3}]");
    let cordoned = |name: &str| told.history.node_named(name).and_then(|node| node.cordoned);
    let at = |minute| Some(SimTime::ZERO + minutes(minute));
    assert_eq!(["pool-1", "pool-2", "pool-3"].map(cordoned), [None, at(1), at(2)]);
    let told =
        told_of("events: [{at: 1m, fail_node: pool-3, for: 1m}, {at: 2m, delete_pod: web-2}]");
    let lost = |name: &str| told.history.node_named(name).map_or(0, |node| node.lost.len());
    assert_eq!(["pool-1", "pool-2", "pool-3"].map(lost), [0, 0, 1]);
    let deleted =
        |name: &str| told.history.pod_named(name).is_some_and(|it| it.terminating.is_some());
    assert_eq!(["web-1", "web-2", "web-3"].map(deleted), [false, true, false]);
    let told = told_of("events: [{at: 1m, rollout: web}]");
    let updated = |entry: &&aurelius_sim::trace::Entry| {
        matches!(entry.record, Record::WorkloadUpdated { .. })
    };
    assert_eq!(told.history.entries().iter().filter(updated).count(), 1);
    let gone = told.history.pods().filter(|pod| pod.gone.is_some()).count();
    assert_eq!((told.history.pods().count(), gone), (4, 2), "both pods are made anew");
}

#[test]
fn events_tell_that_what_they_name_is_not_there() {
    let told = told_of(
        "events: [{at: 1m, drain: pool-9}, {at: 1m, cordon: pool-9}, {at: 1m, fail_node: pool-9}, \
         {at: 1m, delete_pod: web-9}]",
    );
    let messages: Vec<String> = told.events("NotFound").into_iter().map(|(.., it)| it).collect();
    let nodes = "nodes \"pool-9\" not found";
    assert_eq!(messages, [nodes, nodes, nodes, "pods \"web-9\" not found"]);
    assert_eq!(told.ends().len(), 4);
}
