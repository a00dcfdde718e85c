//! What is known of the processes in containers, which no manifest says.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::Dist;
use crate::model::id::{StationId, WorkloadId};
use crate::service::spec::JobWork;
use crate::units::{Bytes, MilliCpu, Origin};

/// How the processes of containers behave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Processes {
    /// Containers beside those that serve, by workload and name.
    pub containers: BTreeMap<(WorkloadId, Arc<str>), ProcessSpec>,
    /// Of each service that says so.
    pub services: BTreeMap<StationId, ServiceProcess>,
    /// How likely a pod of a Job fails.
    pub job_failures: BTreeMap<WorkloadId, f64>,
    /// What the pods of a Job ask of services while they work.
    pub job_work: BTreeMap<WorkloadId, JobWork>,
}

/// The process of a container that serves nobody: an init container or a sidecar.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessSpec {
    /// How long an init container works (s).
    pub duration: Dist,
    /// Where that stands.
    pub origin: Origin,
    /// How likely it ends badly.
    pub failure: f64,
    /// From the container's start to the process answering its probes (s).
    pub start: Dist,
    /// Cores it uses; `None` is a tenth of its request.
    pub idle_cpu: Option<MilliCpu>,
    /// Memory it holds; `None` is half of its request.
    pub idle_memory: Option<Bytes>,
}

impl Default for ProcessSpec {
    fn default() -> Self {
        Self {
            duration: Dist::fixed(INIT_DURATION),
            origin: Origin::implied("assumption: an init container works for 1s"),
            failure: 0.0,
            start: Dist::fixed(crate::units::SimDuration::ZERO),
            idle_cpu: None,
            idle_memory: None,
        }
    }
}

/// How long an init container works when nobody says so.
const INIT_DURATION: crate::units::SimDuration = crate::units::SimDuration::from_secs(1);

/// The process of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceProcess {
    /// The container it lives in; `None` is the first that is no init container.
    pub container: Option<Arc<str>>,
    /// Cores it uses from its start until it is up, where it may: a limit below stretches the start.
    pub start_cpu: MilliCpu,
}
