//! Series as columns with names: what charts, sparklines and CSV files read.

/// A column: one figure for each instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Name with its unit: `cpu_cores`.
    pub name: &'static str,
    /// Figures; `None` where nothing was measured.
    pub values: Vec<Option<f64>>,
}

/// The columns of one thing over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Name of the thing: `Deployment/gateway`.
    pub name: String,
    /// Its columns, the same for each thing of a kind.
    pub columns: Vec<Column>,
}

impl Course {
    /// A column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&[Option<f64>]> {
        self.columns.iter().find(|column| column.name == name).map(|column| &*column.values)
    }
}

/// All series of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Courses {
    /// The instants (s), from the start of measuring.
    pub times_s: Vec<f64>,
    /// Traffic of all clients: `offered_per_second`, `iterations_per_second`, `dropped_per_second`,
    /// `completed_per_second`, `failed_per_second`, `virtual_users`, `pods_pending`.
    pub load: Vec<Column>,
    /// Durations, of all client calls (`all`) and by service: `p50_ms`, `p95_ms`, `p99_ms`.
    pub latency: Vec<Course>,
    /// By workload: `desired`, `ready`, `active`, `pending`, `cpu_cores`, `cpu_requested_cores`,
    /// `cpu_limit_cores`, `memory_bytes`, `memory_requested_bytes`, and what cAdvisor counts of CPU limits
    /// (`container_cpu_cfs_...`).
    pub workloads: Vec<Course>,
    /// By service: `completed_per_second`, `failed_per_second`, `waiting`, `inside`,
    /// `gpu_busy_share`.
    pub services: Vec<Course>,
    /// By pool: `nodes`, `ready`, `cpu_requested_cores`, `cpu_allocatable_cores`,
    /// `memory_requested_bytes`, `memory_allocatable_bytes`, `gpus_requested`, `gpus_allocatable`,
    /// `cost_per_hour`.
    pub pools: Vec<Course>,
}
