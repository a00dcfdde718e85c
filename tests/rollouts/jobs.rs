//! Jobs whose completions have numbers, and CronJobs of other time zones, end to end.

use super::{PLACE, load, small};

/// The failure of the Job `reindex` and the number of its pods, with more written into its spec.
fn reindexed(failure: &str, more: &str) -> (Option<&'static str>, usize) {
    let fails = format!("reindex: {{duration: 5s, failure: {failure}}}");
    let with = format!("  completions: 3\n  completionMode: Indexed\n{more}");
    let told =
        small("  []", &[("migrate: {duration: 20s}", &fails), ("  completions: 3\n", &with)]);
    let jobs = told.jobs("reindex");
    let [(_, failure, _)] = jobs[..] else { panic!("{jobs:?}") };
    (failure, told.pods("reindex").len())
}

#[test]
fn each_index_is_tried_as_often_as_it_may_fail() {
    // Nothing fails: a pod for each index.
    assert_eq!(reindexed("0%", ""), (None, 3));
    // Every pod fails: each index is tried once more, and then the Job has failed.
    assert_eq!(reindexed("100%", "  backoffLimitPerIndex: 1\n"), (Some("FailedIndexes"), 6));
    assert_eq!(reindexed("100%", "  backoffLimitPerIndex: 0\n"), (Some("FailedIndexes"), 3));
    // The first index that is given up is one too many.
    let (failure, pods) = reindexed("100%", "  backoffLimitPerIndex: 0\n  maxFailedIndexes: 0\n");
    assert_eq!(failure, Some("MaxFailedIndexesExceeded"));
    assert!(pods <= 3, "{pods}");
    // A rule gives an index up at its first failure, however often it might be tried again.
    let rule = "{action: FailIndex, onExitCodes: {operator: In, values: [1]}}";
    let policy = format!("  backoffLimitPerIndex: 5\n  podFailurePolicy: {{rules: [{rule}]}}\n");
    assert_eq!(reindexed("100%", &policy), (Some("FailedIndexes"), 3));
}

#[test]
fn a_success_policy_completes_a_job_before_all_is_done() {
    let policy = "  successPolicy: {rules: [{succeededIndexes: \"0\"}]}\n  backoffLimit: 6\n";
    // Two pods run at once; with the first of them done the third never comes.
    assert_eq!(reindexed("0%", policy), (None, 2));
}

#[test]
fn names_of_pods_tell_their_index() {
    let with = "  completions: 3\n  completionMode: Indexed\n";
    let told = small("  []", &[("  completions: 3\n", with)]);
    let mut names: Vec<&str> = told.pods("reindex").iter().map(|pod| &*pod.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["reindex-0-1", "reindex-1-2", "reindex-2-3"]);
}

#[test]
fn what_the_api_server_refuses_of_indexes_is_refused() {
    let rule = "{action: FailIndex, onExitCodes: {operator: In, values: [1]}}";
    let rows = [
        ("  backoffLimitPerIndex: 1\n", "needs `completionMode: Indexed`"),
        ("  completionMode: Indexed\n  maxFailedIndexes: 1\n", "needs `backoffLimitPerIndex`"),
        (
            "  completionMode: Indexed\n  backoffLimitPerIndex: 1\n  maxFailedIndexes: 4\n",
            "must not be more than `completions`",
        ),
        (&format!("  podFailurePolicy: {{rules: [{rule}]}}\n"), "needs `backoffLimitPerIndex`"),
        (
            "  completionMode: Indexed\n  successPolicy: {rules: [{succeededIndexes: \"1,0\"}]}\n",
            "must be rising indexes",
        ),
        (
            "  completionMode: Indexed\n  successPolicy: {rules: [{succeededIndexes: \"0-3\"}]}\n",
            "names an index that `completions` does not have",
        ),
        ("  completionMode: Indexed\n  successPolicy: {rules: [{}]}\n", "or both"),
        ("  completionMode: Sorted\n", "must be one of NonIndexed, Indexed"),
    ];
    for (more, wanted) in rows {
        let with = format!("  completions: 3\n{more}");
        let (loaded, said) = load("  []", &[("  completions: 3\n", &with)]);
        assert!(loaded.scenario.is_none() && said.contains(wanted), "{more}: {said}");
    }
}

/// The run begins at 05:58 of the scenario's zone, which is UTC unless it says otherwise.
#[test]
fn a_cron_job_runs_by_the_clock_of_its_zone() {
    let backups = |zone: &str, schedule: &str| {
        let written = format!(
            "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: zoned}}\nspec:\n  schedule: \
             \"{schedule}\"\n  timeZone: {zone}\n  jobTemplate:\n    spec:\n      template:\n        \
             spec: {{restartPolicy: Never, containers: [{{name: a, image: a}}]}}\n{PLACE}"
        );
        load("  []", &[(PLACE, &written)])
    };
    let times = |zone: &str, schedule: &str| {
        let (loaded, said) = backups(zone, schedule);
        let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
        let id = scenario.workload_named("zoned").expect("it is written");
        format!("{:?}", scenario.workloads[id.index()].kind)
    };
    assert!(!times("Etc/UTC", "0 6 * * *").contains("times: []"));
    assert!(!times("Asia/Kolkata", "30 11 * * *").contains("times: []"));
    assert!(times("Asia/Kolkata", "0 6 * * *").contains("times: []"));
    let (loaded, said) = backups("Europe/Berlyn", "0 6 * * *");
    assert!(
        loaded.scenario.is_none() && said.contains("is `Europe/Berlyn`, which is no time zone")
    );
}
