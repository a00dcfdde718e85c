//! The names of all flags of release 1.37 (config/flags/flags.go and the libraries it adds), by what
//! they mean in a simulation.

/// Flags that change a decision, each a field of [`super::options::Options`].
pub(super) const SIMULATED: [&str; 66] = [
    "balance-similar-node-groups",
    "balancing-ignore-label",
    "balancing-label",
    "blocking-system-pod-distruption-timeout",
    "cordon-node-before-terminating",
    "cores-total",
    "daemonset-eviction-for-empty-nodes",
    "daemonset-eviction-for-occupied-nodes",
    "drain-priority-config",
    "enforce-node-group-min-size",
    "expander",
    "expendable-pods-priority-cutoff",
    "fastpath-binpacking-enabled",
    "force-delete-unregistered-nodes",
    "force-ds",
    "frequent-loops-enabled",
    "gpu-total",
    "ignore-daemonsets-utilization",
    "ignore-mirror-pods-utilization",
    "ignore-taint",
    "initial-node-group-backoff-duration",
    "max-allocatable-difference-ratio",
    "max-bulk-soft-taint-count",
    "max-drain-parallelism",
    "max-free-difference-ratio",
    "max-graceful-termination-sec",
    "max-node-group-backoff-duration",
    "max-node-provision-time",
    "max-node-startup-time",
    "max-nodes-per-scaleup",
    "max-nodes-total",
    "max-pod-eviction-time",
    "max-scale-down-parallelism",
    "max-total-unready-percentage",
    "memory-difference-ratio",
    "memory-total",
    "min-replica-count",
    "new-pod-scale-up-delay",
    "node-delete-delay-after-taint",
    "node-deletion-batcher-interval",
    "node-deletion-candidate-ttl",
    "node-deletion-delay-timeout",
    "node-group-backoff-reset-timeout",
    "node-info-cache-expire-time",
    "ok-total-unready-count",
    "parallel-scale-up",
    "scale-down-delay-after-add",
    "scale-down-delay-after-delete",
    "scale-down-delay-after-failure",
    "scale-down-delay-type-local",
    "scale-down-enabled",
    "scale-down-gpu-utilization-threshold",
    "scale-down-unneeded-time",
    "scale-down-unready-enabled",
    "scale-down-unready-time",
    "scale-down-utilization-threshold",
    "scale-from-unschedulable",
    "scale-up-from-zero",
    "scan-interval",
    "skip-nodes-with-custom-controller-pods",
    "skip-nodes-with-local-storage",
    "skip-nodes-with-system-pods",
    "startup-taint",
    "startup-taint-prefix",
    "status-taint",
    "unremovable-node-recheck-timeout",
];

/// Flags of operation, logging, metrics and wall-clock budgets: nothing in a simulation depends on them.
pub(super) const IGNORED: [&str; 80] = [
    "add-dir-header",
    "address",
    "alsologtostderr",
    "aws-use-static-instance-list",
    "bulk-mig-instances-listing-enabled",
    "capacity-buffer-pod-dry-run-enabled",
    "check-capacity-processor-instance",
    "check-capacity-provisioning-request-batch-timebox",
    "check-capacity-provisioning-request-max-batch-size",
    "cloud-config",
    "cloud-provider",
    "cluster-name",
    "cluster-snapshot-parallelism",
    "clusterapi-cloud-config-authoritative",
    "debugging-snapshot-enabled",
    "emit-per-nodegroup-metrics",
    "enable-dynamic-resource-allocation",
    "estimator",
    "feature-gates",
    "gce-concurrent-refreshes",
    "gce-mig-instances-min-refresh-wait-time",
    "grpc-expander-cert",
    "kube-api-content-type",
    "kube-client-burst",
    "kube-client-qps",
    "kubeconfig",
    "kubernetes",
    "leader-elect",
    "leader-elect-lease-duration",
    "leader-elect-renew-deadline",
    "leader-elect-resource-lock",
    "leader-elect-resource-name",
    "leader-elect-resource-namespace",
    "leader-elect-retry-period",
    "log-backtrace-at",
    "log-dir",
    "log-file",
    "log-file-max-size",
    "log-flush-frequency",
    "log-json-info-buffer-size",
    "log-json-split-stream",
    "log-text-info-buffer-size",
    "log-text-split-stream",
    "logging-format",
    "logtostderr",
    "max-binpacking-time",
    "max-bulk-soft-taint-time",
    "max-failing-time",
    "max-inactivity",
    "max-node-skip-eval-time-tracker-enabled",
    "max-nodegroup-binpacking-duration",
    "max-startup-time",
    "namespace",
    "node-group-auto-discovery",
    "node-removal-latency-tracking-enabled",
    "nodes",
    "one-output",
    "pending-pods-batching-timeout",
    "pod-injection-limit",
    "predicate-parallelism",
    "profiling",
    "provisioning-request-initial-backoff-time",
    "provisioning-request-max-backoff-cache-size",
    "provisioning-request-max-backoff-time",
    "record-duplicated-events",
    "regional",
    "salvo-scale-up-budget",
    "scale-down-candidates-pool-min-count",
    "scale-down-candidates-pool-ratio",
    "scale-down-non-empty-candidates-count",
    "scale-down-simulation-timeout",
    "scheduler-verbosity",
    "skip-headers",
    "skip-log-headers",
    "status-config-map-name",
    "stderrthreshold",
    "user-agent",
    "v",
    "vmodule",
    "write-status-configmap",
];

/// Features that are off by default and not simulated: flag and the value that leaves them off.
pub(super) const OFF: [(&str, &str); 17] = [
    ("allowed-scheduler-names", ""),
    ("async-node-groups", "false"),
    ("bypassed-scheduler-names", ""),
    ("capacity-buffer-controller-enabled", "false"),
    ("capacity-buffer-pod-injection-enabled", "false"),
    ("capacity-quotas-enabled", "false"),
    ("check-capacity-batch-processing", "false"),
    ("dynamic-node-delete-delay-after-taint-enabled", "false"),
    ("enable-csi-node-aware-scheduling", "false"),
    ("enable-graceful-degradation", "false"),
    ("enable-proactive-scaleup", "false"),
    ("enable-provisioning-requests", "false"),
    ("force-delete-failed-nodes", "false"),
    ("grpc-expander-url", ""),
    ("salvo-scale-up", "false"),
    ("scaleup-simulation-for-skipped-node-groups-enabled", "false"),
    ("scheduler-config-file", ""),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::control::cluster_autoscaler::options::{OptionError, Options};

    /// 136 flags of flags.go and 27 of klog, component-base and leader election.
    #[test]
    fn every_flag_is_known_once() {
        let off = OFF.iter().map(|(flag, _)| *flag);
        let all: Vec<&str> = SIMULATED.into_iter().chain(IGNORED).chain(off).collect();
        let different: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!((all.len(), different.len()), (163, 163));
        for flag in SIMULATED {
            let answer = Options::default().set(flag, "no such value");
            assert_ne!(answer, Err(OptionError::Unknown), "{flag}");
            assert_ne!(answer, Err(OptionError::NotSimulated), "{flag}");
        }
    }

    #[test]
    fn what_is_off_may_be_said_to_be_off() {
        for (flag, off) in OFF {
            let mut options = Options::default();
            assert_eq!(options.set(flag, off), Ok(()), "{flag}");
            assert_eq!(options, Options::default());
            assert_eq!(options.set(flag, "true"), Err(OptionError::NotSimulated), "{flag}");
        }
    }
}
