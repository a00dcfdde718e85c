//! Rollouts, Jobs, quotas and preemption from documents to findings: what the decision log says.

use std::path::Path;

use aurelius_sim::findings::{Case, Finding, check};
use aurelius_sim::input::render::{Colour, render_all};
use aurelius_sim::input::{LoadOptions, Loaded, load_scenario};
use aurelius_sim::model::Record;
use aurelius_sim::model::action::PodDeletion;
use aurelius_sim::model::rollout::{RolloutEnd, RolloutOutcome};
use aurelius_sim::scenario::Scenario;
use aurelius_sim::sweep::{RunResult, SweepOptions, evaluate};
use aurelius_sim::trace::{Keep, PodLife};
use aurelius_sim::units::{SimDuration, SimTime};

#[path = "rollouts/jobs.rs"]
mod jobs;
#[path = "rollouts/releases.rs"]
mod releases;

const FOLDER: &str = "tests/data/rollouts";

/// The small scenario with these events, and with other texts replaced.
fn load(events: &str, replaced: &[(&str, &str)]) -> (Loaded, String) {
    let folder = tempfile::tempdir_in("tests/data").expect("the folder of the data is writable");
    for entry in std::fs::read_dir(FOLDER).expect("the data are there") {
        let path = entry.expect("the folder can be listed").path();
        let mut text = std::fs::read_to_string(&path).expect("it is text");
        text = text.replace("events: []", &format!("events:\n{events}"));
        for (from, to) in replaced {
            text = text.replace(from, to);
        }
        let name = path.file_name().expect("a file has a name");
        std::fs::write(folder.path().join(name), text).expect("the folder is ours");
    }
    let loaded = load_scenario(&folder.path().join("scenario.yaml"), &LoadOptions::default());
    let prefix = format!("{}/", folder.path().display());
    let said = render_all(&loaded.diagnostics, &loaded.sources, Colour::Plain).replace(&prefix, "");
    (loaded, said)
}

/// Where objects are added to the manifests: before the first CronJob.
const PLACE: &str = "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: backup}";

/// The first CronJob with another object before it.
fn before_backup(version: &str, kind: &str, spec: &str) -> String {
    let added =
        format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: added}}\nspec: {spec}");
    format!("---\n{added}\n{PLACE}")
}

/// A run and what is found in it.
struct Told {
    scenario: Scenario,
    run: RunResult,
    findings: Vec<Finding>,
}

fn run(scenario: Scenario) -> Told {
    let options = SweepOptions {
        check_invariants: true,
        keep: Keep::Everything,
        ..SweepOptions::single(scenario.seed)
    };
    let mut runs = evaluate(&scenario, options, &|_| {}).expect("a thread can be had");
    let run = runs.pop().expect("one run was asked for");
    let case = Case::new(&scenario, &run.history, &run.measurements, &run.thresholds);
    let findings = check(&case);
    Told { scenario, run, findings }
}

fn small(events: &str, replaced: &[(&str, &str)]) -> Told {
    let (loaded, said) = load(events, replaced);
    run(loaded.scenario.unwrap_or_else(|| panic!("{said}")))
}

/// A shipped scenario with a fraction of its load, so that a test takes seconds.
fn shipped(name: &str, keep_load: &str) -> Told {
    let path = format!("scenarios/{name}.yaml");
    let loaded = load_scenario(Path::new(&path), &LoadOptions::default());
    let said = render_all(&loaded.diagnostics, &loaded.sources, Colour::Plain);
    let mut scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    scenario.loads.retain(|load| load.name() == keep_load);
    run(scenario)
}

impl Told {
    fn clock(&self, at: SimTime) -> f64 {
        self.run.history.clock().offset(at).as_secs_f64()
    }

    fn rollout(&self) -> &RolloutEnd {
        let mut ends = self.run.history.entries().iter().filter_map(|entry| {
            let Record::RolloutEnded(_, end) = &entry.record else { return None };
            Some(&**end)
        });
        ends.next_back().expect("a rollout ended")
    }

    fn finding(&self, code: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.code.id == code)
    }

    fn pods(&self, workload: &str) -> Vec<&PodLife> {
        let id = self.scenario.workload_named(workload).expect("it is in a manifest");
        self.run.history.pods().filter(|life| life.workload == id).collect()
    }

    /// The sizes that a workload was scaled to.
    fn sizes(&self, name: &str) -> Vec<i32> {
        let id = self.scenario.workload_named(name).expect("it is in a manifest");
        let sizes = self.run.history.entries().iter().filter_map(|entry| {
            let Record::WorkloadScaled { workload, to, .. } = &entry.record else { return None };
            (*workload == id).then_some(*to)
        });
        sizes.collect()
    }

    fn jobs(&self, owner: &str) -> Vec<(f64, Option<&'static str>, f64)> {
        let id = self.scenario.workload_named(owner).expect("it is in a manifest");
        let ended = self.run.history.entries().iter().filter_map(|entry| {
            let Record::JobEnded { workload, took, failure, .. } = &entry.record else {
                return None;
            };
            let at = self.clock(entry.first);
            (*workload == id).then_some((at, *failure, took.as_secs_f64()))
        });
        ended.collect()
    }
}

#[test]
fn the_hpa_that_counts_surge_pods_comes_out_by_itself() {
    let told = small("  - {at: 1m, rollout: {workload: web, image: \"2\"}}", &[]);
    let sizes = told.sizes("web");
    assert!(sizes.first().is_some_and(|size| *size > 10), "the load never changes: {sizes:?}");
    let finding = told.finding("AUR907").expect("it is named");
    assert!(finding.message.starts_with("web HPA counts surge pods: 10 to "), "{finding:?}");
    assert!(finding.note.contains("59% of target 70%"), "{}", finding.note);
    assert!(finding.note.ends_with("while 10 were wanted; without surge pods 10"), "{finding:?}");
    // Without a rollout the same world stands still.
    let quiet = small("  - {at: 14m, scale: {workload: store, replicas: 3}}", &[]);
    assert_eq!(quiet.sizes("web"), Vec::<i32>::new());
    assert!(quiet.finding("AUR907").is_none());
}

/// Ten pods at 55 % of the CPU they ask for, whose target is 70 %. A new pod computes with a whole core
/// for 90 s until it is up, and without a readiness probe it counts from its first second.
#[test]
fn the_hpa_that_counts_what_starts_compute_comes_out_by_itself() {
    let over = |start: &str, probe: &str| {
        let old_probe = "          readinessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 10, periodSeconds: 5}\n";
        let replaced = [
            ("name: memory", "name: cpu"),
            ("page: {cpu: 1ms}", "page: {cpu: 275ms}"),
            ("    start: 5s\n", start),
            (old_probe, probe),
        ];
        small("  - {at: 1m, rollout: {workload: web, image: \"2\"}}", &replaced)
    };
    let told = over("    start: 90s\n    startCpu: 1\n", "");
    let sizes = told.sizes("web");
    assert!(sizes.first().is_some_and(|size| *size >= 14), "the load never changes: {sizes:?}");
    let finding = told.finding("AUR907").expect("it is named");
    assert!(finding.message.starts_with("web HPA counts surge pods: 10 to "), "{finding:?}");
    // A start that computes nothing lets the HPA rest.
    assert_eq!(over("    start: 90s\n", "").sizes("web"), Vec::<i32>::new());
    // A pod that is not ready does not count within the initialization period of five minutes.
    let probe = "          readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 5}\n";
    let hidden = over("    start: 90s\n    startCpu: 1\n", probe);
    assert_eq!(hidden.sizes("web"), Vec::<i32>::new());
}

#[test]
fn helm_waits_for_hooks_then_for_every_new_pod() {
    let told = small("  - {at: 1m, rollout: {workload: [web, store, agent], image: v2}}", &[]);
    let end = told.rollout();
    assert_eq!(end.outcome, RolloutOutcome::Ready, "{end:?}");
    // The migration takes 20 s and its pod's start; only then is the release written.
    let migrated = told.jobs("migrate");
    assert_eq!(migrated.len(), 1);
    assert!((80.0..100.0).contains(&migrated[0].0), "{migrated:?}");
    let entries = told.run.history.entries().iter();
    let updated = entries.filter(|entry| matches!(entry.record, Record::WorkloadUpdated { .. }));
    let updated = updated.map(|entry| told.clock(entry.first));
    let updated: Vec<f64> = updated.collect();
    assert_eq!(updated.len(), 3);
    assert!(updated.iter().all(|at| *at >= migrated[0].0));
    // Each workload keeps to its strategy: none missing, one ordinal, one node at a time.
    let missing: Vec<i32> = end.capacity.iter().map(|capacity| capacity.missing()).collect();
    assert_eq!(missing, [0, 1, 1], "{end:?}");
    // The new images are pulled on each node once more.
    let pulled: Vec<_> = told.pods("agent").iter().filter_map(|pod| pod.pulled).collect();
    assert_eq!(pulled.len(), 6);
    assert!(pulled[3..].iter().all(|(_, took)| took.as_secs() >= 3), "{pulled:?}");
    let old = told.pods("store").into_iter().filter(|pod| pod.terminating.is_some());
    let whys: Vec<_> = old.filter_map(|pod| Some((&*pod.name, pod.terminating?.1))).collect();
    let rolled = PodDeletion::Rollout;
    assert_eq!(whys, [("store-0", rolled), ("store-1", rolled), ("store-2", rolled)]);
    assert!(told.finding("AUR923").is_some_and(|it| it.note.contains("--timeout 15m")));
}

#[test]
fn an_upgrade_that_fits_no_node_fails_and_keeps_what_serves() {
    let upgrade =
        "  - {at: 1m, upgrade: {manifests: [next.yaml], timeout: 3m, waitStrategy: legacy}}";
    let told = small(upgrade, &[]);
    let end = told.rollout();
    assert_eq!(end.outcome, RolloutOutcome::TimedOut);
    assert_eq!(&*end.missing[0].1, "0 out of 11 expected pods are ready");
    let (pod, why) = &end.pods[0];
    assert!(pod.starts_with("web-") && why.contains("3 Insufficient cpu"), "{pod}: {why}");
    assert_eq!(end.capacity[0].missing(), 0, "maxUnavailable is 0");
    // The size that the release states is written, and the HPA's new bounds hold.
    assert_eq!(told.sizes("web").first(), Some(&11));
    assert!(
        told.sizes("web").iter().all(|size| (11..=12).contains(size)),
        "{:?}",
        told.sizes("web")
    );
    let finding = told.finding("AUR924").expect("helm fails");
    assert!(finding.message.starts_with("helm fails: upgrade of the release"), "{finding:?}");
    assert!(finding.note.contains("0/3 nodes are available"), "{}", finding.note);
    // Helm 4 watches conditions: it gives up when the progress deadline is over.
    let told = small("  - {at: 1m, upgrade: {manifests: [next.yaml], timeout: 10m}}", &[]);
    let end = told.rollout();
    assert_eq!(end.outcome, RolloutOutcome::Failed);
    assert_eq!(&*end.missing[0].1, "Progress deadline exceeded");
    assert!(end.took < SimDuration::from_secs(200), "{}", end.took);
}

#[test]
fn jobs_run_by_clock_and_by_count() {
    let told = small("  - {at: 14m, scale: {workload: store, replicas: 3}}", &[]);
    // 06:00 is two minutes in; the backup works for the assumed five minutes.
    let backups = told.jobs("backup");
    assert_eq!(backups.len(), 1);
    assert!((420.0..440.0).contains(&backups[0].0), "{backups:?}");
    let backup = told.pods("backup")[0];
    let started = backup.started.map(|at| told.clock(at)).expect("it ran");
    assert!((120.0..140.0).contains(&started) && backup.gone.is_some(), "{started}");
    // Every two minutes for three minutes: what Forbid held back follows at once.
    let sweeps = told.jobs("sweep");
    assert!((5..=7).contains(&sweeps.len()), "{sweeps:?}");
    assert!(sweeps.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 180.0), "{sweeps:?}");
    let finding = told.findings.iter().find(|it| it.message == "CronJob/sweep runs");
    assert!(finding.is_some_and(|it| it.note.contains("passed over")), "{finding:?}");
    // Three completions, two at a time, of 30 s each.
    let reindexed = told.jobs("reindex");
    assert_eq!((reindexed.len(), told.pods("reindex").len()), (1, 3));
    assert!((60.0..90.0).contains(&reindexed[0].2), "{reindexed:?}");
    // A hook runs with a release only.
    assert!(told.jobs("migrate").is_empty());
}

#[test]
fn an_evicted_job_pod_counts_as_failed_and_is_replaced_after_a_pause() {
    let told = small("  - {at: 3m, deletePod: {workload: backup}}", &[]);
    let pods = told.pods("backup");
    assert_eq!(pods.len(), 2);
    let (deleted, _) = pods[0].terminating.expect("the scenario deletes it");
    let paused = pods[1].created.since(deleted);
    assert!((10.0..11.0).contains(&paused.as_secs_f64()), "{paused}");
    assert_eq!(told.jobs("backup").len(), 1);
}

#[test]
fn a_quota_stops_creation_and_the_controller_goes_on_when_there_is_room() {
    let quota = before_backup("v1", "ResourceQuota", "{hard: {pods: 20}}");
    let told = small(
        "  - {at: 8m, scale: {workload: web, replicas: 14}}\n  - {at: 9m, scale: {workload: store, replicas: 1}}",
        &[
            (PLACE, &quota),
            // Such a target leaves the size as it is written.
            ("averageUtilization: 70", "averageUtilization: 60"),
        ],
    );
    let said = told.run.history.entries().iter().find_map(|entry| {
        let Record::PodForbidden { message, .. } = &entry.record else { return None };
        Some(message.to_string())
    });
    let said = said.expect("twenty pods are too few");
    let wanted =
        "is forbidden: exceeded quota: added, requested: pods=1, used: pods=20, limited: pods=20";
    assert!(said.ends_with(wanted), "{said}");
    assert!(told.finding("AUR927").is_some());
    let quota = aurelius_sim::report::explain::explain(&told.run.history, "quota/added@8m..");
    let quota = quota.expect("the quota is known");
    assert!(quota.contains("pods 20 of 20\n") && quota.contains(wanted), "{quota}");
    assert!(quota.contains("pods 19 of 20\n"), "{quota}");
    // When ordinals go, what is missing comes within the back-off of the work queue.
    let made: Vec<f64> = told.pods("web").iter().map(|pod| told.clock(pod.created)).collect();
    assert_eq!(made.len(), 14, "{made:?}");
    assert!(made.last().is_some_and(|at| *at > 482.0), "{made:?}");
}

#[test]
fn a_quota_charges_the_pods_of_its_scopes_alone() {
    let refused = |spec: &str| {
        let quota = before_backup("v1", "ResourceQuota", spec);
        let event = "  - {at: 8m, scale: {workload: web, replicas: 14}}";
        let still = ("averageUtilization: 70", "averageUtilization: 60");
        let told = small(event, &[(PLACE, &quota), still]);
        told.run.history.entries().iter().any(|it| matches!(it.record, Record::PodForbidden { .. }))
    };
    // Every pod of the scenario states requests: none of them is BestEffort, none has a class.
    assert!(!refused("{hard: {pods: 3}, scopes: [BestEffort]}"));
    assert!(refused("{hard: {pods: 12}, scopes: [NotBestEffort]}"));
    let class = |operator| {
        format!(
            "{{hard: {{pods: 12}}, scopeSelector: {{matchExpressions: [{{scopeName: PriorityClass, operator: {operator}, values: [gold]}}]}}}}"
        )
    };
    assert!(!refused(&class("In")));
    assert!(refused(&class("NotIn")));
}

#[test]
fn backups_of_velero_run_by_the_clock() {
    let schedule = "---\napiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: nightly, annotations: {aurelius.dev/duration: 2m}}\n\
                    spec: {schedule: \"*/5 6 * * *\", template: {ttl: 720h0m0s}}\n";
    let told = small("  []", &[(PLACE, &format!("{schedule}{PLACE}"))]);
    // From 05:58 on for fifteen minutes: 06:00, 06:05, 06:10.
    let backups = told.jobs("nightly");
    assert_eq!(backups.len(), 3, "{backups:?}");
    assert!(told.findings.iter().any(|it| it.message == "Schedule/nightly runs"));
}

#[test]
fn pods_of_jobs_fail_as_often_as_the_profile_says() {
    let always = [("migrate: {duration: 20s}", "sweep: {duration: 20s, failure: 100%}")];
    let told = small("  []", &always);
    let sweeps = told.jobs("sweep");
    assert!(
        sweeps.iter().all(|(_, failure, _)| *failure == Some("BackoffLimitExceeded")),
        "{sweeps:?}"
    );
    assert!(told.pods("sweep").len() >= 5, "each failure is followed by another pod");
}

#[test]
fn a_policy_for_failed_pods_decides_what_counts() {
    let fails = ("migrate: {duration: 20s}", "reindex: {duration: 20s, failure: 100%}");
    let outcome = |policy: &str| {
        let with = format!("  completions: 3\n  podFailurePolicy: {{rules: [{policy}]}}\n");
        let told = small("  []", &[fails, ("  completions: 3\n", &with)]);
        (told.jobs("reindex").first().and_then(|job| job.1), told.pods("reindex").len())
    };
    let exit = |action: &str, code: u8| {
        format!("{{action: {action}, onExitCodes: {{operator: In, values: [{code}]}}}}")
    };
    assert_eq!(outcome(&exit("FailJob", 1)).0, Some("PodFailurePolicy"));
    // Another exit code is not meant: six failures and one more.
    assert_eq!(outcome(&exit("FailJob", 42)).0, Some("BackoffLimitExceeded"));
    // What is ignored is made again for ever.
    let (ended, pods) = outcome(&exit("Ignore", 1));
    assert!(ended.is_none() && pods > 20, "{ended:?} after {pods} pods");
}

#[test]
fn limits_of_a_namespace_fill_gaps_of_its_pods() {
    let limits = |min| {
        format!("{{limits: [{{type: Container, default: {{cpu: 1}}, min: {{cpu: {min}}}}}]}}")
    };
    let range = |min| before_backup("v1", "LimitRange", &limits(min));
    let (loaded, said) = load("  []", &[(PLACE, &range("10m"))]);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let store = scenario.workload_named("store").expect("it is written");
    let limits = &scenario.workloads[store.index()].template.spec.containers[0].limits;
    assert_eq!(limits.cpu.map(|cpu| cpu.0), Some(1_000));
    let (loaded, said) = load("  []", &[(PLACE, &range("300m"))]);
    assert!(loaded.scenario.is_none());
    assert!(
        said.contains("LimitRange/added forbids its pods: minimum cpu usage per Container"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_rehearsed_is_refused_with_a_way_out() {
    let refused = |events: &str| {
        let (loaded, said) = load(events, &[]);
        assert!(loaded.scenario.is_none(), "{events} is refused");
        said
    };
    let said = refused("  - {at: 1m, upgrade: {values: [values.yaml]}}");
    assert!(
        said.contains("neither chart nor values") && said.contains("manifests: [next.yaml]"),
        "{said}"
    );
    let said = refused("  - {at: 1m, rollout: {workload: wep, image: v2}}");
    assert!(said.contains("names the workload `wep`") && said.contains("web"), "{said}");
    let said = refused("  - {at: 1m, rollout: {workload: web, image: v2, container: ap}}");
    assert!(said.contains("names the container `ap`"), "{said}");
    let said = refused("  - {at: 1m, rollout: {workload: backup, image: v2}}");
    assert!(said.contains("a Job"), "{said}");
    let said = refused("  - {at: 1m, rollout: {workload: web, image: v2, wait: 5m, timeout: 5m}}");
    assert!(said.contains("exclude each other"), "{said}");
    let (loaded, said) = load("  []", &[("\"0 */6 * * *\"", "\"0 25 * * *\"")]);
    assert!(loaded.scenario.is_none() && said.contains("is no schedule"), "{said}");
}

#[test]
fn helm_upgrade_at_the_peak_finishes_in_time_and_asks_for_a_gpu_node() {
    let told = shipped("helm-upgrade", "segmentations");
    let end = told.rollout();
    assert_eq!(end.outcome, RolloutOutcome::Ready, "{end:?}");
    assert!(end.took < SimDuration::from_secs(900), "{}", end.took);
    assert_eq!(told.jobs("db-migrate").len(), 1);
    let surge = told.finding("AUR925").expect("the surge pod needs an eighth T4");
    assert!(surge.note.contains("1 node of gpu-t4 asked for"), "{}", surge.note);
    // One of four may be missing, no more.
    let ml = told.scenario.workload_named("ml-service").expect("the chart has it");
    let capacity = end.capacity.iter().find(|capacity| capacity.workload == ml);
    let capacity = capacity.expect("it was rolled out");
    assert_eq!((capacity.wanted, capacity.missing()), (4, 1));
}

#[test]
fn stroke_alarms_take_gpus_and_give_them_back() {
    let told = shipped("preemption", "segmentations");
    let is_victim = |pod: &&PodLife| matches!(pod.terminating, Some((_, PodDeletion::Preemption)));
    let victims: Vec<&PodLife> = told.run.history.pods().filter(is_victim).collect();
    assert_eq!(victims.len(), 2, "{victims:?}");
    for pod in &victims {
        assert!(pod.name.starts_with("ml-service") || pod.name.starts_with("render-service"));
        let at = pod.terminating.map(|(at, _)| told.clock(at)).expect("it is a victim");
        assert!((300.0..310.0).contains(&at), "{at}");
    }
    let alarms = told.pods("stroke-alarm");
    assert!(alarms.iter().all(|pod| pod.ready.is_some()) && alarms.len() == 2);
    // Who was deleted is made again, waits while the alarms last, and comes back after.
    let gpu = ["ml-service", "render-service"];
    let again = gpu.iter().flat_map(|name| told.pods(name)).filter(|pod| {
        pod.unschedulable.iter().any(|refusal| refusal.message.contains("nvidia.com/gpu"))
    });
    let bound: Vec<f64> = again.filter_map(|pod| Some(told.clock(pod.bound?.0))).collect();
    assert!(bound.len() == 2 && bound.iter().all(|at| *at > 900.0), "{bound:?}");
    let named = told.findings.iter().filter(|finding| finding.code.id == "AUR928");
    let named: Vec<&str> = named.map(|finding| finding.message.as_str()).collect();
    assert!(named.iter().all(|message| message.ends_with("preempted")), "{named:?}");
    assert!(!named.is_empty());
}
