//! Metrics of exporters that clusters run: which there are, which labels they carry, what values they
//! have.
//!
//! Sources: kube-state-metrics docs/metrics, cAdvisor docs/storage/prometheus.md, dcgm-exporter
//! etc/default-counters.csv, ingress-nginx user-guide/monitoring. Only what alerts commonly use is
//! listed; a name of a listed exporter that is not here is judged by its nearest neighbour.

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metric {
    /// Its name.
    pub(super) name: &'static str,
    /// Labels of its own, beside those of every target.
    pub(super) labels: &'static [&'static str],
    /// Lowest and highest value, where there are any.
    pub(super) range: Option<(i32, i32)>,
    /// Whether it is a utilisation, which is 0 when the thing is idle.
    pub(super) utilisation: bool,
}

/// Labels that Prometheus, its operator and remote storage add to every series.
pub(super) const TARGET_LABELS: [&str; 17] = [
    "__name__",
    "job",
    "instance",
    "namespace",
    "pod",
    "service",
    "container",
    "endpoint",
    "node",
    "cluster",
    "prometheus",
    "region",
    "environment",
    "env",
    "exported_namespace",
    "exported_pod",
    "exported_container",
];

/// Prefixes of the names of an exporter's metrics.
pub(super) const PREFIXES: [&str; 4] =
    ["kube_", "container_", "DCGM_FI_", "nginx_ingress_controller_"];

const fn plain(name: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, labels, range: None, utilisation: false }
}

/// A series that is 0 or 1.
const fn flag(name: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, labels, range: Some((0, 1)), utilisation: false }
}

/// A utilisation in per cent.
const fn percent(name: &'static str, labels: &'static [&'static str]) -> Metric {
    Metric { name, labels, range: Some((0, 100)), utilisation: true }
}

const POD: &[&str] = &["namespace", "pod", "uid"];
const POD_CONDITION: &[&str] = &["namespace", "pod", "uid", "condition"];
const POD_CONTAINER: &[&str] = &["namespace", "pod", "uid", "container"];
const WAITING: &[&str] = &["namespace", "pod", "uid", "container", "reason"];
const RESOURCE: &[&str] = &["namespace", "pod", "uid", "container", "node", "resource", "unit"];
const DEPLOYMENT: &[&str] = &["namespace", "deployment"];
const STATEFUL_SET: &[&str] = &["namespace", "statefulset"];
const DAEMON_SET: &[&str] = &["namespace", "daemonset"];
const REPLICA_SET: &[&str] = &["namespace", "replicaset"];
const HPA: &[&str] = &["namespace", "horizontalpodautoscaler"];
const BUDGET: &[&str] = &["namespace", "poddisruptionbudget"];
const CLAIM: &[&str] = &["namespace", "persistentvolumeclaim"];
const JOB: &[&str] = &["namespace", "job_name"];
const CRON_JOB: &[&str] = &["namespace", "cronjob"];
const NODE: &[&str] = &["node"];
const CADVISOR: &[&str] =
    &["namespace", "pod", "container", "image", "name", "id", "cpu", "device", "interface"];
const DEVICE: &[&str] = &[
    "gpu",
    "UUID",
    "device",
    "modelName",
    "Hostname",
    "container",
    "namespace",
    "pod",
    "pci_bus_id",
    "DCGM_FI_DRIVER_VERSION",
];
const NGINX: &[&str] = &[
    "ingress",
    "service",
    "host",
    "path",
    "method",
    "status",
    "canary",
    "controller_class",
    "controller_namespace",
    "controller_pod",
    "exported_service",
    "le",
];

/// All metrics that are known.
pub(super) const METRICS: &[Metric] = &[
    flag("up", &[]),
    plain("ALERTS", &["alertname", "alertstate", "severity"]),
    flag("kube_pod_status_ready", POD_CONDITION),
    flag("kube_pod_status_scheduled", POD_CONDITION),
    flag("kube_pod_status_phase", &["namespace", "pod", "uid", "phase"]),
    flag("kube_pod_status_reason", &["namespace", "pod", "uid", "reason"]),
    flag("kube_pod_status_unschedulable", POD),
    plain(
        "kube_pod_info",
        &[
            "namespace",
            "pod",
            "uid",
            "host_ip",
            "pod_ip",
            "node",
            "created_by_kind",
            "created_by_name",
            "priority_class",
            "host_network",
        ],
    ),
    plain(
        "kube_pod_owner",
        &["namespace", "pod", "uid", "owner_kind", "owner_name", "owner_is_controller"],
    ),
    plain("kube_pod_labels", POD),
    plain("kube_pod_start_time", POD),
    plain("kube_pod_created", POD),
    plain("kube_pod_completion_time", POD),
    flag("kube_pod_container_status_ready", POD_CONTAINER),
    flag("kube_pod_container_status_running", POD_CONTAINER),
    flag("kube_pod_container_status_waiting", POD_CONTAINER),
    flag("kube_pod_container_status_terminated", POD_CONTAINER),
    flag("kube_pod_container_status_waiting_reason", WAITING),
    flag("kube_pod_container_status_terminated_reason", WAITING),
    flag("kube_pod_container_status_last_terminated_reason", WAITING),
    plain("kube_pod_container_status_last_terminated_exitcode", POD_CONTAINER),
    plain("kube_pod_container_status_restarts_total", POD_CONTAINER),
    plain("kube_pod_container_resource_requests", RESOURCE),
    plain("kube_pod_container_resource_limits", RESOURCE),
    plain(
        "kube_pod_container_info",
        &[
            "namespace",
            "pod",
            "uid",
            "container",
            "image",
            "image_id",
            "image_spec",
            "container_id",
        ],
    ),
    plain("kube_pod_init_container_status_restarts_total", POD_CONTAINER),
    plain("kube_deployment_spec_replicas", DEPLOYMENT),
    plain("kube_deployment_status_replicas", DEPLOYMENT),
    plain("kube_deployment_status_replicas_available", DEPLOYMENT),
    plain("kube_deployment_status_replicas_ready", DEPLOYMENT),
    plain("kube_deployment_status_replicas_unavailable", DEPLOYMENT),
    plain("kube_deployment_status_replicas_updated", DEPLOYMENT),
    plain("kube_deployment_status_observed_generation", DEPLOYMENT),
    plain("kube_deployment_metadata_generation", DEPLOYMENT),
    flag("kube_deployment_spec_paused", DEPLOYMENT),
    flag(
        "kube_deployment_status_condition",
        &["namespace", "deployment", "condition", "status", "reason"],
    ),
    plain("kube_deployment_labels", DEPLOYMENT),
    plain("kube_deployment_created", DEPLOYMENT),
    plain("kube_statefulset_replicas", STATEFUL_SET),
    plain("kube_statefulset_status_replicas", STATEFUL_SET),
    plain("kube_statefulset_status_replicas_ready", STATEFUL_SET),
    plain("kube_statefulset_status_replicas_available", STATEFUL_SET),
    plain("kube_statefulset_status_replicas_current", STATEFUL_SET),
    plain("kube_statefulset_status_replicas_updated", STATEFUL_SET),
    plain("kube_statefulset_status_observed_generation", STATEFUL_SET),
    plain("kube_statefulset_status_current_revision", STATEFUL_SET),
    plain("kube_statefulset_status_update_revision", STATEFUL_SET),
    plain("kube_statefulset_metadata_generation", STATEFUL_SET),
    plain("kube_daemonset_status_desired_number_scheduled", DAEMON_SET),
    plain("kube_daemonset_status_current_number_scheduled", DAEMON_SET),
    plain("kube_daemonset_status_number_available", DAEMON_SET),
    plain("kube_daemonset_status_number_unavailable", DAEMON_SET),
    plain("kube_daemonset_status_number_ready", DAEMON_SET),
    plain("kube_daemonset_status_number_misscheduled", DAEMON_SET),
    plain("kube_daemonset_status_updated_number_scheduled", DAEMON_SET),
    plain("kube_replicaset_spec_replicas", REPLICA_SET),
    plain("kube_replicaset_status_ready_replicas", REPLICA_SET),
    plain(
        "kube_replicaset_owner",
        &["namespace", "replicaset", "owner_kind", "owner_name", "owner_is_controller"],
    ),
    plain("kube_horizontalpodautoscaler_spec_max_replicas", HPA),
    plain("kube_horizontalpodautoscaler_spec_min_replicas", HPA),
    plain(
        "kube_horizontalpodautoscaler_spec_target_metric",
        &["namespace", "horizontalpodautoscaler", "metric_name", "metric_target_type"],
    ),
    plain("kube_horizontalpodautoscaler_status_current_replicas", HPA),
    plain("kube_horizontalpodautoscaler_status_desired_replicas", HPA),
    flag(
        "kube_horizontalpodautoscaler_status_condition",
        &["namespace", "horizontalpodautoscaler", "condition", "status"],
    ),
    plain("kube_poddisruptionbudget_status_current_healthy", BUDGET),
    plain("kube_poddisruptionbudget_status_desired_healthy", BUDGET),
    plain("kube_poddisruptionbudget_status_expected_pods", BUDGET),
    plain("kube_poddisruptionbudget_status_pod_disruptions_allowed", BUDGET),
    flag(
        "kube_persistentvolumeclaim_status_phase",
        &["namespace", "persistentvolumeclaim", "phase"],
    ),
    plain("kube_persistentvolumeclaim_resource_requests_storage_bytes", CLAIM),
    plain(
        "kube_persistentvolumeclaim_info",
        &["namespace", "persistentvolumeclaim", "storageclass", "volumename", "volumemode"],
    ),
    flag("kube_persistentvolume_status_phase", &["persistentvolume", "phase"]),
    plain("kube_job_status_failed", &["namespace", "job_name", "reason"]),
    plain("kube_job_status_succeeded", JOB),
    plain("kube_job_status_active", JOB),
    flag("kube_job_failed", &["namespace", "job_name", "condition"]),
    flag("kube_job_complete", &["namespace", "job_name", "condition"]),
    plain("kube_job_spec_completions", JOB),
    plain("kube_job_status_start_time", JOB),
    plain("kube_job_status_completion_time", JOB),
    plain("kube_cronjob_next_schedule_time", CRON_JOB),
    plain("kube_cronjob_status_last_schedule_time", CRON_JOB),
    plain("kube_cronjob_status_last_successful_time", CRON_JOB),
    plain("kube_cronjob_status_active", CRON_JOB),
    flag("kube_cronjob_spec_suspend", CRON_JOB),
    flag("kube_node_status_condition", &["node", "condition", "status"]),
    flag("kube_node_spec_unschedulable", NODE),
    plain("kube_node_spec_taint", &["node", "key", "value", "effect"]),
    plain("kube_node_status_allocatable", &["node", "resource", "unit"]),
    plain("kube_node_status_capacity", &["node", "resource", "unit"]),
    plain("kube_node_info", NODE),
    plain("kube_node_labels", NODE),
    flag("kube_namespace_status_phase", &["namespace", "phase"]),
    plain("kube_resourcequota", &["namespace", "resourcequota", "resource", "type"]),
    plain("kube_service_info", &["namespace", "service", "uid", "cluster_ip"]),
    plain("kube_endpoint_address", &["namespace", "endpoint", "ip", "ready"]),
    plain("kube_ingress_info", &["namespace", "ingress", "uid", "ingressclass"]),
    plain("kube_secret_info", &["namespace", "secret"]),
    plain("container_cpu_usage_seconds_total", CADVISOR),
    plain("container_cpu_cfs_periods_total", CADVISOR),
    plain("container_cpu_cfs_throttled_periods_total", CADVISOR),
    plain("container_cpu_cfs_throttled_seconds_total", CADVISOR),
    plain("container_memory_working_set_bytes", CADVISOR),
    plain("container_memory_usage_bytes", CADVISOR),
    plain("container_memory_rss", CADVISOR),
    plain("container_memory_cache", CADVISOR),
    plain("container_memory_swap", CADVISOR),
    plain("container_memory_failcnt", CADVISOR),
    plain("container_memory_max_usage_bytes", CADVISOR),
    plain(
        "container_memory_failures_total",
        &["namespace", "pod", "container", "image", "name", "id", "failure_type", "scope"],
    ),
    plain("container_oom_events_total", CADVISOR),
    plain("container_spec_memory_limit_bytes", CADVISOR),
    plain("container_spec_cpu_quota", CADVISOR),
    plain("container_spec_cpu_period", CADVISOR),
    plain("container_spec_cpu_shares", CADVISOR),
    plain("container_network_receive_bytes_total", CADVISOR),
    plain("container_network_transmit_bytes_total", CADVISOR),
    plain("container_network_receive_errors_total", CADVISOR),
    plain("container_network_transmit_errors_total", CADVISOR),
    plain("container_fs_usage_bytes", CADVISOR),
    plain("container_fs_limit_bytes", CADVISOR),
    plain("container_fs_reads_bytes_total", CADVISOR),
    plain("container_fs_writes_bytes_total", CADVISOR),
    plain("container_start_time_seconds", CADVISOR),
    plain("container_last_seen", CADVISOR),
    plain("container_processes", CADVISOR),
    percent("DCGM_FI_DEV_GPU_UTIL", DEVICE),
    percent("DCGM_FI_DEV_MEM_COPY_UTIL", DEVICE),
    percent("DCGM_FI_DEV_ENC_UTIL", DEVICE),
    percent("DCGM_FI_DEV_DEC_UTIL", DEVICE),
    plain("DCGM_FI_DEV_FB_FREE", DEVICE),
    plain("DCGM_FI_DEV_FB_USED", DEVICE),
    plain("DCGM_FI_DEV_GPU_TEMP", DEVICE),
    plain("DCGM_FI_DEV_MEMORY_TEMP", DEVICE),
    plain("DCGM_FI_DEV_POWER_USAGE", DEVICE),
    plain("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", DEVICE),
    plain("DCGM_FI_DEV_SM_CLOCK", DEVICE),
    plain("DCGM_FI_DEV_MEM_CLOCK", DEVICE),
    plain("DCGM_FI_DEV_XID_ERRORS", DEVICE),
    plain("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", DEVICE),
    plain("DCGM_FI_PROF_GR_ENGINE_ACTIVE", DEVICE),
    plain("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", DEVICE),
    plain("DCGM_FI_PROF_DRAM_ACTIVE", DEVICE),
    plain("nginx_ingress_controller_requests", NGINX),
    plain("nginx_ingress_controller_request_duration_seconds", NGINX),
    plain("nginx_ingress_controller_request_duration_seconds_bucket", NGINX),
    plain("nginx_ingress_controller_request_duration_seconds_sum", NGINX),
    plain("nginx_ingress_controller_request_duration_seconds_count", NGINX),
    plain("nginx_ingress_controller_response_duration_seconds_bucket", NGINX),
    plain(
        "nginx_ingress_controller_nginx_process_connections",
        &["state", "controller_class", "controller_namespace", "controller_pod"],
    ),
    flag(
        "nginx_ingress_controller_config_last_reload_successful",
        &["controller_class", "controller_namespace", "controller_pod"],
    ),
    plain(
        "nginx_ingress_controller_ssl_expire_time_seconds",
        &["host", "secret_name", "class", "namespace"],
    ),
];

/// A metric by name.
#[must_use]
pub(super) fn known(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// Metrics whose series carry labels of the object's own, whatever they are.
#[must_use]
pub(super) fn has_free_labels(name: &str) -> bool {
    name.ends_with("_labels") || name.ends_with("_annotations")
}
