//! Whole releases: what an upgrade makes, changes and deletes, its hooks, and the way back.

use aurelius_sim::model::rollout::RollbackOutcome;

use super::*;

/// The next release: web with another image, a new cache with its own autoscaler and budget, the
/// store as it was (on other lines), a Job, a hook. The agent and both CronJobs are gone.
const NEXT: &str = r#"
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: cache}
spec: {minAvailable: 1, selector: {matchLabels: {app: cache}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 30%, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: app, image: "web:2", resources: {requests: {cpu: 500m, memory: 1000Mi}, limits: {memory: 1000Mi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cache}
spec:
  selector: {matchLabels: {app: cache}}
  template:
    metadata: {labels: {app: cache}}
    spec:
      containers:
        - {name: cache, image: "cache:1", resources: {requests: {cpu: 100m, memory: 100Mi}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: cache}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: cache}
  minReplicas: 3
  maxReplicas: 5
  metrics:
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  replicas: 3
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      containers:
        - name: db
          image: "store:1"
          resources:
            requests: {cpu: 250m, memory: 256Mi}
---
apiVersion: batch/v1
kind: Job
metadata: {name: seed, annotations: {aurelius.dev/duration: 40s}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - {name: seed, image: "store:1", resources: {requests: {cpu: 100m, memory: 64Mi}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: schema, annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-weight: "5", aurelius.dev/duration: 30s}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - {name: schema, image: "store:2", resources: {requests: {cpu: 100m, memory: 64Mi}}}
"#;

/// The small scenario, with [`NEXT`] as its next release.
fn upgraded(events: &str, replaced: &[(&str, &str)]) -> Told {
    let old = std::fs::read_to_string(format!("{FOLDER}/next.yaml")).expect("it is there");
    let mut next = NEXT.to_owned();
    for (from, to) in replaced {
        assert!(next.contains(from), "{from}");
        next = next.replace(from, to);
    }
    small(events, &[(&old, &next)])
}

impl Told {
    fn made(&self, name: &str) -> Vec<f64> {
        let id = self.scenario.workload_named(name).expect("it is in a manifest");
        let is = |record: &Record| matches!(record, Record::WorkloadCreated(it) if *it == id);
        self.times(is)
    }

    fn deleted(&self, name: &str) -> Vec<f64> {
        let id = self.scenario.workload_named(name).expect("it is in a manifest");
        let is = |record: &Record| matches!(record, Record::WorkloadDeleted(it) if *it == id);
        self.times(is)
    }

    fn times(&self, which: impl Fn(&Record) -> bool) -> Vec<f64> {
        let entries = self.run.history.entries().iter();
        entries.filter(|it| which(&it.record)).map(|it| self.clock(it.first)).collect()
    }

    fn refusals(&self) -> Vec<String> {
        let entries = self.run.history.entries().iter();
        let said = entries.filter_map(|entry| {
            let Record::Announced { event: "Refused", message, .. } = &entry.record else {
                return None;
            };
            Some(message.to_string())
        });
        said.collect()
    }
}

#[test]
fn an_upgrade_makes_changes_and_deletes_what_the_next_release_says() {
    let told = upgraded("  - {at: 3m, upgrade: {manifests: [next.yaml]}}", &[]);
    let end = told.rollout();
    assert_eq!(end.outcome, RolloutOutcome::Ready, "{end:?}");
    // The hook of the next release runs first, and not the one of the release that is there.
    let hook = told.jobs("schema");
    assert_eq!(hook.len(), 1, "{hook:?}");
    assert!(told.jobs("migrate").is_empty());
    let written = told.made("cache")[0];
    assert!(written >= hook[0].0 && hook[0].0 > 210.0, "{written} after {hook:?}");
    // What is new comes up, and its autoscaler lifts it to its minimum.
    let cache = told.pods("cache");
    assert_eq!(cache.len(), 3);
    assert!(cache.iter().all(|pod| told.clock(pod.created) >= written && pod.ready.is_some()));
    assert_eq!(told.sizes("cache"), [3]);
    assert_eq!(told.jobs("seed").len(), 1);
    // Another line in the file is no other template.
    assert_eq!(told.pods("store").len(), 3, "the store is not rolled");
    // What is gone goes with everything it made, and runs no more.
    assert!(told.deleted("agent")[0] >= written);
    let agents = told.pods("agent");
    assert!(agents.iter().all(|pod| {
        matches!(pod.terminating, Some((_, PodDeletion::OwnerDeleted))) && pod.gone.is_some()
    }));
    let sweeps = told.pods("sweep");
    assert!(sweeps.iter().all(|pod| told.clock(pod.created) <= written), "{sweeps:?}");
    let finding = told.finding("AUR923").expect("helm is done");
    assert!(
        finding.message.ends_with(
            "the release: 4 workloads (2 new), 1 HPA (1 new), 1 budget (1 new); 6 objects deleted"
        ),
        "{}",
        finding.message
    );
    // Its autoscaler and its budget are gone too: nothing scales web any more.
    let web = told.scenario.hpas.iter().position(|hpa| &*hpa.meta.name == "web");
    let web = aurelius_sim::model::id::HpaId::at(web.expect("it was there"));
    let last = told.run.history.all_syncs(web).map(|(entry, _)| told.clock(entry.last));
    assert!(last.fold(0.0, f64::max) <= written);
}

#[test]
fn without_pruning_what_the_next_release_lacks_stays() {
    let told = upgraded("  - {at: 3m, upgrade: {manifests: [next.yaml], prune: false}}", &[]);
    assert_eq!(told.rollout().outcome, RolloutOutcome::Ready);
    assert!(told.deleted("agent").is_empty());
    assert!(told.pods("agent").iter().all(|pod| pod.terminating.is_none()));
    assert!(told.jobs("sweep").len() >= 5);
}

#[test]
fn each_release_is_held_against_the_one_before_it() {
    let events = "  - {at: 6m, upgrade: {manifests: [manifests.yaml]}}\n  - {at: 2m, upgrade: {manifests: [next.yaml]}}";
    let told = upgraded(events, &[]);
    assert_eq!(told.rollout().outcome, RolloutOutcome::Ready);
    // The cache came with the first and goes with the second, which brings the agent back.
    let (made, deleted) = (told.made("cache"), told.deleted("cache"));
    assert_eq!((made.len(), deleted.len()), (1, 1));
    assert!(deleted[0] > 360.0 && told.made("agent").len() == 1);
    assert!(told.pods("cache").iter().all(|pod| pod.gone.is_some()));
    let agents = told.pods("agent");
    let (old, new) = agents.split_at(3);
    assert!(old.iter().all(|pod| pod.gone.is_some()));
    assert!(new.len() == 3 && new.iter().all(|pod| pod.ready.is_some()), "{new:?}");
    // Its CronJobs begin anew: no schedule from before it was made is met.
    let again = told.made("backup")[0];
    let backups = told.pods("backup");
    assert!(backups.iter().all(|pod| told.clock(pod.created) < again), "{backups:?}");
    let sweeps = told.pods("sweep");
    assert!(sweeps.iter().any(|pod| told.clock(pod.created) > again));
}

#[test]
fn helm_waits_for_jobs_and_claims_when_it_has_to() {
    let claim = r#"---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: unused}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: seed,"#;
    let job = "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: seed,";
    // A claim that nobody uses waits for its first consumer: helm waits for it in vain.
    let told =
        upgraded("  - {at: 3m, upgrade: {manifests: [next.yaml], timeout: 5m}}", &[(job, claim)]);
    let end = told.rollout();
    assert_eq!(end.outcome, RolloutOutcome::TimedOut);
    let (object, why) = &end.missing[0];
    assert_eq!(
        (&**object, &**why),
        ("PersistentVolumeClaim/unused", "PVC is not Bound. phase: Pending")
    );
    let long = [("aurelius.dev/duration: 40s", "aurelius.dev/duration: 4m")];
    let event =
        |jobs| format!("  - {{at: 3m, upgrade: {{manifests: [next.yaml], waitForJobs: {jobs}}}}}");
    let without = upgraded(&event(false), &long).rollout().took;
    let with = upgraded(&event(true), &long).rollout().took;
    assert!(with > SimDuration::from_secs(270) && without < SimDuration::from_secs(270));
}

#[test]
fn a_failed_upgrade_is_rolled_back_when_helm_is_told_to() {
    let huge = [(
        "image: \"web:2\", resources: {requests: {cpu: 500m",
        "image: \"web:2\", resources: {requests: {cpu: \"9\"",
    )];
    let event = "  - {at: 2m, upgrade: {manifests: [next.yaml], timeout: 3m, waitStrategy: legacy, rollbackOnFailure: true}}";
    let told = upgraded(event, &huge);
    let end = told.rollout();
    assert_eq!(
        (end.outcome, end.rollback),
        (RolloutOutcome::TimedOut, Some(RollbackOutcome::Ready))
    );
    // The way back: the cache goes, the agent and the sweeps come back, web keeps its old pods.
    assert!(told.pods("cache").iter().all(|pod| pod.gone.is_some()));
    assert_eq!(told.made("agent").len(), 1);
    let web = told.pods("web");
    let of_old = web.iter().filter(|pod| pod.gone.is_none() && pod.ready.is_some());
    assert!(of_old.count() >= 10);
    let finding = told.finding("AUR924").expect("helm fails");
    assert!(finding.note.contains("rolled back to the release before"), "{}", finding.note);
}

#[test]
fn what_the_api_server_refuses_fails_the_upgrade_and_deletes_nothing() {
    let told = upgraded(
        "  - {at: 3m, upgrade: {manifests: [next.yaml]}}",
        &[(
            "metadata: {name: store}\nspec:\n",
            "metadata: {name: store}\nspec:\n  podManagementPolicy: Parallel\n",
        )],
    );
    let end = told.rollout();
    assert_eq!(end.outcome, RolloutOutcome::Refused);
    assert!(end.missing[0].1.contains("updates to statefulset spec for fields other than"));
    assert_eq!(told.refusals().len(), 1);
    // The others are written even so; what is gone stays.
    assert_eq!(told.made("cache").len(), 1);
    assert!(told.deleted("agent").is_empty());
}

#[test]
fn a_hook_that_fails_stops_the_upgrade_before_it_changes_anything() {
    let told = upgraded(
        "  - {at: 3m, upgrade: {manifests: [next.yaml], timeout: 2m}}",
        &[("aurelius.dev/duration: 30s", "aurelius.dev/duration: 30m")],
    );
    let end = told.rollout();
    assert_eq!(end.outcome, RolloutOutcome::HookFailed);
    assert!(told.made("cache").is_empty() && told.deleted("agent").is_empty());
}

#[test]
fn a_hook_whose_policy_keeps_it_is_in_the_way_of_the_next() {
    let event = "  - {at: 1m, upgrade: {manifests: [next.yaml]}}\n  - {at: 8m, upgrade: {manifests: [next.yaml]}}";
    let outcome = |policy: &str| {
        let annotation = format!("helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: {policy}");
        let told = upgraded(event, &[("helm.sh/hook: pre-upgrade", &annotation)]);
        (told.rollout().outcome, told.jobs("schema").len(), told.rollout().missing.clone())
    };
    assert_eq!(outcome("before-hook-creation").0, RolloutOutcome::Ready);
    assert_eq!(outcome("hook-succeeded").1, 2);
    let (end, runs, missing) = outcome("hook-failed");
    assert_eq!((end, runs), (RolloutOutcome::HookFailed, 1));
    assert_eq!(&*missing[0].1, "jobs.batch \"schema\" already exists");
}

#[test]
fn helm_refuses_an_upgrade_while_another_one_of_the_release_is_under_way() {
    let event = "  - {at: 3m, upgrade: {manifests: [next.yaml]}}\n  - {at: 190s, upgrade: {manifests: [next.yaml]}}";
    let told = upgraded(event, &[]);
    let ends = told.run.history.entries().iter().filter_map(|entry| {
        let Record::RolloutEnded(_, end) = &entry.record else { return None };
        Some((end.outcome, end.missing.first().map(|(_, why)| why.to_string())))
    });
    let ends: Vec<_> = ends.collect();
    let why = "another operation (install/upgrade/rollback) is in progress".to_owned();
    assert_eq!(
        ends,
        [(RolloutOutcome::Refused, Some(why)), (RolloutOutcome::Ready, None)],
        "the first goes on"
    );
    assert_eq!(told.jobs("schema").len(), 1);
}
