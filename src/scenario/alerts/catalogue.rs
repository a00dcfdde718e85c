//! Series that a simulation exposes, under the names and labels of the exporters that clusters run.
//!
//! Sources: kube-state-metrics docs/metrics, cAdvisor docs/storage/prometheus.md, dcgm-exporter
//! etc/default-counters.csv, ingress-nginx docs/user-guide/monitoring.md. Services tell of themselves
//! what client libraries of Prometheus and Celery's and SQLAlchemy's exporters commonly tell.

/// A metric that is exposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposed {
    /// Its name.
    pub name: &'static str,
    /// The `job` that scrapes it.
    pub job: &'static str,
    own: &'static [&'static str],
}

impl Exposed {
    /// All its labels.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> {
        self.own.iter().copied().chain(["job"])
    }
}

/// `job` of kube-state-metrics.
pub const KUBE_STATE: &str = "kube-state-metrics";
/// `job` of the kubelets, which carry cAdvisor.
pub const KUBELET: &str = "kubelet";
/// `job` of NVIDIA's exporter.
pub const DCGM: &str = "nvidia-dcgm-exporter";
/// `job` of the ingress controller.
pub const INGRESS: &str = "ingress-nginx-controller-metrics";
/// `job` of services: each is scraped under its own name.
pub const SERVICE: &str = "";

const POD: &[&str] = &["namespace", "pod", "uid"];
const CONDITION: &[&str] = &["namespace", "pod", "uid", "condition"];
const PHASE: &[&str] = &["namespace", "pod", "uid", "phase"];
const CONTAINER: &[&str] = &["namespace", "pod", "uid", "container"];
const REASON: &[&str] = &["namespace", "pod", "uid", "container", "reason"];
const RESOURCE: &[&str] = &["namespace", "pod", "uid", "container", "node", "resource", "unit"];
const DEPLOYMENT: &[&str] = &["namespace", "deployment"];
const STATEFUL_SET: &[&str] = &["namespace", "statefulset"];
const DAEMON_SET: &[&str] = &["namespace", "daemonset"];
const REVISION: &[&str] = &["namespace", "statefulset", "revision"];
const JOB: &[&str] = &["namespace", "job_name"];
const JOB_CONDITION: &[&str] = &["namespace", "job_name", "condition"];
const HPA: &[&str] = &["namespace", "horizontalpodautoscaler"];
const BUDGET: &[&str] = &["namespace", "poddisruptionbudget"];
const CADVISOR: &[&str] = &["namespace", "pod", "container", "image", "id", "node", "metrics_path"];
const DEVICE: &[&str] =
    &["gpu", "UUID", "device", "modelName", "Hostname", "namespace", "pod", "container"];
const NODE_RESOURCE: &[&str] = &["node", "resource", "unit"];
const HTTP: &[&str] = &["namespace", "service", "handler", "status", "code"];
const HTTP_BUCKET: &[&str] = &["namespace", "service", "handler", "status", "code", "le"];
const NGINX: &[&str] =
    &["namespace", "service", "exported_namespace", "exported_service", "status", "path"];
const NGINX_BUCKET: &[&str] =
    &["namespace", "service", "exported_namespace", "exported_service", "status", "path", "le"];

const fn kube(name: &'static str, own: &'static [&'static str]) -> Exposed {
    Exposed { name, job: KUBE_STATE, own }
}

const fn cadvisor(name: &'static str) -> Exposed {
    Exposed { name, job: KUBELET, own: CADVISOR }
}

const fn nginx(name: &'static str, own: &'static [&'static str]) -> Exposed {
    Exposed { name, job: INGRESS, own }
}

const fn service(name: &'static str, own: &'static [&'static str]) -> Exposed {
    Exposed { name, job: SERVICE, own }
}

/// All of them.
pub const EXPOSED: &[Exposed] = &[
    kube(
        "kube_pod_info",
        &["namespace", "pod", "uid", "node", "created_by_kind", "created_by_name"],
    ),
    kube("kube_pod_owner", &["namespace", "pod", "uid", "owner_kind", "owner_name"]),
    kube("kube_pod_status_ready", CONDITION),
    kube("kube_pod_status_scheduled", CONDITION),
    kube("kube_pod_status_unschedulable", POD),
    kube("kube_pod_status_phase", PHASE),
    kube("kube_pod_status_reason", &["namespace", "pod", "uid", "reason"]),
    kube("kube_pod_created", POD),
    kube("kube_pod_deletion_timestamp", POD),
    kube("kube_pod_container_status_restarts_total", CONTAINER),
    kube("kube_pod_container_status_running", CONTAINER),
    kube("kube_pod_container_status_waiting", CONTAINER),
    kube("kube_pod_container_status_waiting_reason", REASON),
    kube("kube_pod_container_status_last_terminated_reason", REASON),
    kube("kube_pod_start_time", POD),
    kube("kube_pod_container_status_ready", CONTAINER),
    kube("kube_pod_container_resource_requests", RESOURCE),
    kube("kube_pod_container_resource_limits", RESOURCE),
    kube("kube_deployment_spec_replicas", DEPLOYMENT),
    kube("kube_deployment_status_replicas", DEPLOYMENT),
    kube("kube_deployment_status_replicas_ready", DEPLOYMENT),
    kube("kube_deployment_status_replicas_available", DEPLOYMENT),
    kube("kube_deployment_status_replicas_unavailable", DEPLOYMENT),
    kube("kube_deployment_status_replicas_updated", DEPLOYMENT),
    kube("kube_deployment_status_observed_generation", DEPLOYMENT),
    kube("kube_deployment_metadata_generation", DEPLOYMENT),
    kube(
        "kube_deployment_status_condition",
        &["namespace", "deployment", "condition", "status", "reason"],
    ),
    kube("kube_statefulset_replicas", STATEFUL_SET),
    kube("kube_statefulset_status_replicas", STATEFUL_SET),
    kube("kube_statefulset_status_replicas_ready", STATEFUL_SET),
    kube("kube_statefulset_status_replicas_available", STATEFUL_SET),
    kube("kube_statefulset_status_replicas_updated", STATEFUL_SET),
    kube("kube_statefulset_status_replicas_current", STATEFUL_SET),
    kube("kube_statefulset_status_current_revision", REVISION),
    kube("kube_statefulset_status_update_revision", REVISION),
    kube("kube_daemonset_status_number_ready", DAEMON_SET),
    kube("kube_daemonset_status_number_available", DAEMON_SET),
    kube("kube_daemonset_status_number_unavailable", DAEMON_SET),
    kube("kube_daemonset_status_number_misscheduled", DAEMON_SET),
    kube("kube_daemonset_status_desired_number_scheduled", DAEMON_SET),
    kube("kube_daemonset_status_updated_number_scheduled", DAEMON_SET),
    kube("kube_job_status_active", JOB),
    kube("kube_job_status_succeeded", JOB),
    kube("kube_job_status_failed", &["namespace", "job_name", "reason"]),
    kube("kube_job_status_start_time", JOB),
    kube("kube_job_spec_completions", JOB),
    kube("kube_job_failed", JOB_CONDITION),
    kube("kube_job_complete", JOB_CONDITION),
    kube("kube_resourcequota", &["namespace", "resourcequota", "resource", "type"]),
    kube("kube_daemonset_status_current_number_scheduled", DAEMON_SET),
    kube("kube_horizontalpodautoscaler_spec_min_replicas", HPA),
    kube("kube_horizontalpodautoscaler_spec_max_replicas", HPA),
    kube("kube_horizontalpodautoscaler_status_current_replicas", HPA),
    kube("kube_horizontalpodautoscaler_status_desired_replicas", HPA),
    kube(
        "kube_horizontalpodautoscaler_status_condition",
        &["namespace", "horizontalpodautoscaler", "condition", "status"],
    ),
    kube("kube_poddisruptionbudget_status_current_healthy", BUDGET),
    kube("kube_poddisruptionbudget_status_desired_healthy", BUDGET),
    kube("kube_poddisruptionbudget_status_pod_disruptions_allowed", BUDGET),
    kube("kube_poddisruptionbudget_status_expected_pods", BUDGET),
    kube("kube_node_info", &["node"]),
    kube("kube_node_created", &["node"]),
    kube("kube_node_role", &["node", "role"]),
    kube("kube_node_spec_taint", &["node", "key", "value", "effect"]),
    kube("kube_node_status_condition", &["node", "condition", "status"]),
    kube("kube_node_status_allocatable", NODE_RESOURCE),
    kube("kube_node_status_capacity", NODE_RESOURCE),
    kube("kube_node_spec_unschedulable", &["node"]),
    cadvisor("container_cpu_usage_seconds_total"),
    cadvisor("container_memory_working_set_bytes"),
    cadvisor("container_memory_usage_bytes"),
    cadvisor("container_memory_rss"),
    cadvisor("container_spec_memory_limit_bytes"),
    cadvisor("container_spec_cpu_quota"),
    cadvisor("container_spec_cpu_period"),
    cadvisor("container_cpu_cfs_periods_total"),
    cadvisor("container_cpu_cfs_throttled_periods_total"),
    cadvisor("container_cpu_cfs_throttled_seconds_total"),
    cadvisor("container_start_time_seconds"),
    Exposed { name: "DCGM_FI_DEV_GPU_UTIL", job: DCGM, own: DEVICE },
    nginx("nginx_ingress_controller_requests", NGINX),
    nginx("nginx_ingress_controller_request_duration_seconds_bucket", NGINX_BUCKET),
    nginx("nginx_ingress_controller_request_duration_seconds_sum", NGINX),
    nginx("nginx_ingress_controller_request_duration_seconds_count", NGINX),
    service("http_requests_total", HTTP),
    service("http_request_duration_seconds_bucket", HTTP_BUCKET),
    service("http_request_duration_seconds_sum", HTTP),
    service("http_request_duration_seconds_count", HTTP),
    service("http_requests_in_flight", &["namespace", "service"]),
    service("celery_queue_length", &["namespace", "service", "queue_name"]),
    service("db_connection_pool_in_use", &["namespace", "service", "pod", "store"]),
    service("db_connection_pool_size", &["namespace", "service", "pod", "store"]),
];

/// A metric by name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Exposed> {
    EXPOSED.iter().find(|metric| metric.name == name)
}
