//! kube-score's own fixtures, each with the grade that its authors give it: where one of our rules
//! looks at the same thing, it finds the bad ones and leaves the good ones alone.

use std::path::Path;

use aurelius_sim::checks::{Selection, Severity, review};
use aurelius_sim::input::material::{MaterialInputs, load_material};

/// The codes found in a fixture, with their severities.
fn found(fixture: &str) -> Vec<(String, Severity)> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/manifests/kube-score-testdata");
    let files = vec![folder.join(format!("{fixture}.yaml"))];
    let material = load_material(&MaterialInputs { files, ..MaterialInputs::default() });
    let findings = review(&material, &Selection::default()).findings;
    findings.iter().map(|finding| (finding.code.to_string(), finding.severity)).collect()
}

/// Fixture, codes of ours that ask what kube-score asks of it, and whether it is bad in that respect.
/// The grades are those of score/*_test.go.
const GRADES: [(&str, &[&str], bool); 55] = [
    // "HorizontalPodAutoscaler has target"
    ("hpa-autoscalingv1-targets-deployment", &["AUR305"], false),
    ("hpa-autoscalingv2-targets-deployment", &["AUR305"], false),
    ("hpa-autoscalingv2beta1-targets-deployment", &["AUR305"], false),
    ("hpa-autoscalingv2beta2-targets-deployment", &["AUR305"], false),
    ("hpa-has-no-target", &["AUR305"], true),
    // "Deployment targeted by HPA does not have replicas configured"
    ("deployment-with-hpa-has-replicas", &["AUR307"], true),
    ("deployment-with-hpa-not-has-replicas", &["AUR307"], false),
    // "StatefulSet has PodDisruptionBudget", "Deployment has PodDisruptionBudget"
    ("statefulset-poddisruptionbudget-v1beta1-matches", &["AUR404", "AUR409"], false),
    ("statefulset-poddisruptionbudget-v1beta1-expression-matches", &["AUR404", "AUR409"], false),
    ("statefulset-poddisruptionbudget-v1beta1-no-match", &["AUR404"], true),
    ("statefulset-poddisruptionbudget-v1beta1-expression-no-match", &["AUR404"], true),
    ("deployment-poddisruptionbudget-v1beta1-matches", &["AUR404", "AUR409"], false),
    ("deployment-poddisruptionbudget-v1beta1-expression-matches", &["AUR404", "AUR409"], false),
    ("deployment-poddisruptionbudget-v1beta1-no-match", &["AUR404"], true),
    ("deployment-poddisruptionbudget-v1beta1-expression-no-match", &["AUR404"], true),
    ("deployment-poddisruptionbudget-v1-matches", &["AUR404", "AUR409"], false),
    ("deployment-poddisruptionbudget-v1-no-match", &["AUR404"], true),
    ("deployment-poddisruptionbudget-v1-different-namespace", &["AUR404"], true),
    // "PodDisruptionBudget has policy"
    ("deployment-poddisruptionbudget-v1-no-policy", &["AUR411"], true),
    ("deployment-poddisruptionbudget-v1beta1-no-policy", &["AUR411"], true),
    ("deployment-poddisruptionbudget-v1-matches", &["AUR411"], false),
    // "Pod Probes": readiness is ours; that a liveness probe is absent is no fault here.
    ("pod-probes-all-missing", &["AUR610"], true),
    ("pod-probes-missing-ready", &["AUR610"], true),
    ("pod-probes-both", &["AUR610"], false),
    ("pod-probes-targeted-by-service", &["AUR610"], true),
    ("pod-probes-targeted-by-service-same-namespace", &["AUR610"], true),
    ("pod-probes-targeted-by-service-same-namespace-multi-labels", &["AUR610"], true),
    ("pod-probes-targeted-by-service-different-namespace", &["AUR610"], false),
    ("pod-probes-not-targeted-by-service", &["AUR610"], false),
    ("pod-probes-not-targeted-by-service-multi-labels", &["AUR610"], false),
    ("pod-probes-on-different-containers", &["AUR610"], false),
    ("pod-probes-on-different-containers-init", &["AUR610"], false),
    ("cronjob-batchv1-deadline-not-set", &["AUR610"], false),
    // "Container Resources": limits alone are requests too, as the API server has it.
    ("pod-test-resources-none", &["AUR602"], true),
    ("pod-test-resources-no-limits", &["AUR604"], true),
    ("pod-test-resources-limits-and-requests", &["AUR602", "AUR604"], false),
    ("pod-test-resources-limits-and-requests-no-cpu-limit", &["AUR602", "AUR604"], false),
    // "CronJob RestartPolicy"
    ("cronjob-batchv1-restartpolicy-not-set", &["AUR017"], true),
    ("cronjob-batchv1-restartpolicy-invalid", &["AUR017"], true),
    ("cronjob-batchv1-restartpolicy-valid", &["AUR017"], false),
    ("cronjob-batchv1beta1-restartpolicy-valid", &["AUR017"], false),
    // "NetworkPolicy targets Pod"
    ("networkpolicy-statefulset-matching", &["AUR728"], false),
    ("networkpolicy-statefulset-not-matching-selector", &["AUR728"], true),
    // "StatefulSet has ServiceName"
    ("statefulset-service-name", &["AUR729"], false),
    ("statefulset-service-name-different-name", &["AUR729"], true),
    ("statefulset-service-name-different-namespace", &["AUR729"], true),
    ("statefulset-service-name-different-label", &["AUR729"], true),
    ("statefulset-service-name-not-headless", &["AUR729"], true),
    // "Pod Selector labels match template metadata labels"
    ("statefulset-different-labels", &["AUR403"], true),
    // "has host PodAntiAffinity"
    ("deployment-host-antiaffinity-preffered-selector-no-match", &["AUR510"], true),
    ("deployment-host-antiaffinity-preffered-selector-expression", &["AUR510"], false),
    ("deployment-host-antiaffinity-preffered", &["AUR510"], false),
    ("statefulset-host-antiaffinity-required", &["AUR510"], false),
    // "Pod Topology Spread Constraints"
    ("pod-topology-spread-constraints-one-constraint", &["AUR510", "AUR012", "AUR016"], false),
    ("pod-topology-spread-constraints-no-labelselector", &["AUR510"], true),
];

#[test]
fn bad_fixtures_are_found_and_good_ones_are_left_alone() {
    for (fixture, ours, bad) in GRADES {
        let all = found(fixture);
        let hit = all.iter().any(|(code, _)| ours.contains(&&**code));
        assert_eq!(hit, bad, "{fixture}: {ours:?} among {all:?}");
    }
}

#[test]
fn invalid_spread_constraints_are_refused() {
    for end in ["maxskew", "mindomains", "whenunsatisfiable"] {
        let all = found(&format!("pod-topology-spread-constraints-invalid-{end}"));
        assert!(all.iter().any(|(_, severity)| *severity == Severity::Error), "{end}: {all:?}");
    }
    let all = found("pod-topology-spread-constraints-no-topologykey");
    assert!(all.iter().any(|(code, _)| code == "AUR012"), "{all:?}");
}

/// Good fixtures whose objects the API server takes end well: nothing in them stops a release.
#[test]
fn good_fixtures_end_without_an_error() {
    for fixture in [
        "cronjob-batchv1-deadline-set",
        "cronjob-batchv1-restartpolicy-valid",
        "networkpolicy-statefulset-matching",
        "pod-probes-both",
        "pod-probes-not-targeted-by-service",
        "pod-probes-on-different-containers",
        "pod-probes-on-different-containers-init",
        "pod-probes-targeted-by-service-different-namespace",
        "pod-test-resources-limits-and-requests",
        "pod-topology-spread-constraints-one-constraint",
        "statefulset-host-antiaffinity-preffered",
        "statefulset-poddisruptionbudget-v1beta1-expression-matches",
        "statefulset-poddisruptionbudget-v1beta1-matches",
        "statefulset-service-name",
    ] {
        let all = found(fixture);
        let errors = all.iter().filter(|(_, severity)| *severity == Severity::Error);
        assert_eq!(errors.count(), 0, "{fixture}: {all:?}");
    }
}
