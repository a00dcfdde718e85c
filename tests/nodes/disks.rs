//! Disks that one node or one pod may mount, while Deployments are rolled out.

use super::small::small;
use aurelius_sim::model::Record;
use aurelius_sim::model::rollout::RolloutOutcome;

const DEPLOYMENT: &str = "
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [MODE], resources: {requests: {storage: 8Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  replicas: COPIES
  progressDeadlineSeconds: 120
  strategy: {type: STRATEGY}
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

fn db(mode: &str, copies: &str, strategy: &str) -> super::Told {
    let objects = DEPLOYMENT.replace("MODE", mode).replace("COPIES", copies);
    let objects = objects.replace("STRATEGY", strategy);
    let events = "events: [{at: 1m, rollout: {workload: db, image: v2}}]";
    small(&[("MORE", &objects), ("EVENTS", events)])
}

/// E45 of the worked cases: the new pod waits for the disk, which the old one keeps until the new one
/// is available. Recreate has no such knot.
#[test]
fn a_rolling_update_with_one_disk_is_stuck_and_recreate_is_not() {
    let pods = |told: &super::Told| {
        let pods = told.history.pods().filter(|pod| pod.name.starts_with("db-"));
        pods.map(|pod| (pod.ready.is_some(), pod.terminating.is_some())).collect::<Vec<_>>()
    };
    let stuck = db("ReadWriteOnce", "1", "RollingUpdate");
    assert_eq!(pods(&stuck), [(true, false), (false, false)]);
    let errors = stuck.events("FailedAttachVolume");
    assert_eq!(errors.len(), 1);
    assert!(errors[0].2.ends_with("Volume is already used by pod(s) db-1"), "{errors:?}");
    let ended = |told: &super::Told| {
        let ended = |entry: &aurelius_sim::trace::Entry| {
            let Record::RolloutEnded(_, end) = &entry.record else { return None };
            Some(end.outcome)
        };
        told.history.entries().iter().filter_map(ended).collect::<Vec<_>>()
    };
    // Past its progress deadline, which helm takes for a failure.
    assert_eq!(ended(&stuck), [RolloutOutcome::Failed]);
    let done = db("ReadWriteOnce", "1", "Recreate");
    assert_eq!(pods(&done), [(true, true), (true, false)]);
    assert_eq!(ended(&done), [RolloutOutcome::Ready]);
}

/// A claim of one pod: the scheduler places no second one while the first is there.
#[test]
fn a_claim_of_one_pod_keeps_the_others_from_every_node() {
    let told = db("ReadWriteOncePod", "2", "Recreate");
    let of_db = told.history.pods().filter(|pod| pod.name.starts_with("db-"));
    let pods: Vec<_> = of_db.collect();
    // Two before the rollout and two after; of each two one runs.
    let bound: Vec<bool> = pods.iter().map(|pod| pod.bound.is_some()).collect();
    assert_eq!(bound.iter().filter(|bound| **bound).count(), 2, "{pods:?}");
    let waits = pods.iter().find(|pod| pod.bound.is_none()).expect("one of the first two");
    assert_eq!(
        &*waits.unschedulable[0].message,
        "0/3 nodes are available: 3 node has pod using PersistentVolumeClaim with the same name and \
         ReadWriteOncePod access mode. preemption: 0/3 nodes are available: 3 No preemption victims \
         found for incoming pod."
    );
    // Who waits for such a claim has no node yet; only the disk that comes off one is waited for there.
    let waited = told.events("FailedAttachVolume");
    assert!(waited.iter().all(|(at, ..)| at.as_secs_f64() > 60.0), "{waited:?}");
}
