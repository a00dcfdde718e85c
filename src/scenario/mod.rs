//! The validated whole: a scenario that exists is valid, and immutable.
//!
//! Floor 5. `input` makes it, `sim` runs it, everything above reads names and origins from it. It
//! gathers the `Spec` types of the rooms below and adds only what belongs to no single one.

pub mod alerts;
pub mod capacity;
pub mod custom_metric;
pub mod disruption;
pub mod minimums;
pub mod pod_trace;
pub mod process;
pub mod profile;
pub mod rollout;
pub mod scaled_object;
pub mod threshold;

use std::sync::Arc;

use crate::cluster::api::{
    InstanceType, NodePoolSpec, ObjectMeta, PersistentVolumeClaimSpec, PodDisruptionBudgetSpec,
    ResourceQuotaSpec, StorageClassSpec, WorkloadSpec,
};
use crate::control::cluster_autoscaler;
use crate::control::cluster_autoscaler::options::GroupOptions;
use crate::control::hpa::{HpaConfig, HpaSpec};
use crate::control::karpenter::KarpenterSpec;
use crate::control::scheduler::ServiceSelector;
use crate::engine::Dist;
use crate::load::LoadSpec;
use crate::model::id::{PoolId, WorkloadId};
use crate::service::ServiceGraph;
use crate::units::{Origin, SimDuration};

pub use capacity::{CapacitySpec, MachineFilter};
pub use custom_metric::CustomMetricSpec;
pub use disruption::{DisruptionSpec, DisruptionTarget};
pub use process::Processes;
pub use profile::{ImageSizes, Prices, Provider, PullPolicy, Timings, VolumeProfile};
pub use rollout::{Gone, Later, RolloutSpec, WaitSpec, WorkloadChange};
pub use threshold::ThresholdSpec;

/// Everything a run needs, checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// Path of the document, as the user named it.
    pub path: Arc<str>,
    /// `description`.
    pub description: Arc<str>,
    /// Every file it was made from, with its hash.
    pub inputs: Vec<InputFile>,
    /// The cluster profile's name.
    pub cluster: Arc<str>,
    /// Whose cluster it is.
    pub provider: Provider,
    /// Node pools; ids are positions.
    pub pools: Vec<Arc<NodePoolSpec>>,
    /// Machine types that can be had, by name.
    pub machines: Vec<Arc<InstanceType>>,
    /// What the cloud gives and takes by itself.
    pub capacity: CapacitySpec,
    /// Workloads; ids are positions.
    pub workloads: Vec<Arc<WorkloadSpec>>,
    /// Sizes of the workloads at the start, by id.
    pub initial_replicas: Vec<i32>,
    /// Services that select pods: namespace and selector.
    pub selectors: Vec<ServiceSelector>,
    /// Disruption budgets; ids are positions.
    pub budgets: Vec<Arc<PodDisruptionBudgetSpec>>,
    /// Quotas of namespaces.
    pub quotas: Vec<Arc<ResourceQuotaSpec>>,
    /// Autoscalers; ids are positions.
    pub hpas: Vec<Arc<HpaObject>>,
    /// Metrics that HPAs find under names of their own.
    pub custom_metrics: Vec<CustomMetricSpec>,
    /// ScaledObjects of KEDA, each with an HPA of its own.
    pub scaled_objects: Vec<scaled_object::ScaledObject>,
    /// How the processes of containers behave.
    pub processes: Processes,
    /// Objects of later releases, which are not there at the start.
    pub later: Later,
    /// Claims that stand alone; those of StatefulSets are in their specs.
    pub claims: Vec<Arc<PersistentVolumeClaimSpec>>,
    /// How volumes are served.
    pub volumes: VolumeProfile,
    /// How kubelets pull images.
    pub pulls: PullPolicy,
    /// Storage classes.
    pub storage_classes: Vec<Arc<StorageClassSpec>>,
    /// Services and what clients do.
    pub services: Arc<ServiceGraph>,
    /// Loads; ids are positions.
    pub loads: Vec<LoadSpec>,
    /// Timed disruptions, by time; ids are positions.
    pub disruptions: Vec<DisruptionSpec>,
    /// Alert rules, and what is expected of them.
    pub alerts: Arc<alerts::AlertsSpec>,
    /// Thresholds.
    pub thresholds: Vec<ThresholdSpec>,
    /// What a cluster leaves to its environment.
    pub timings: Timings,
    /// Sizes of container images.
    pub images: ImageSizes,
    /// metrics-server's `--metric-resolution`.
    pub metric_resolution: SimDuration,
    /// Flags of the HPA controller.
    pub hpa_config: HpaConfig,
    /// Karpenter, when it runs.
    pub karpenter: Option<Karpenter>,
    /// Flags of the Cluster Autoscaler.
    pub autoscaler: cluster_autoscaler::Options,
    /// What its priority expander prefers.
    pub expander_priorities: cluster_autoscaler::Priorities,
    /// What pools override of its flags, by pool.
    pub group_options: Vec<GroupOptions>,
    /// Prices beside those of machines.
    pub prices: Prices,
    /// Wall clock at the start of measuring, `YYYY-MM-DDTHH:MM:SS`, when stated.
    pub start: Option<Arc<str>>,
    /// Measured time.
    pub duration: SimDuration,
    /// Time simulated before, not measured.
    pub warm_up: SimDuration,
    /// Which model serves requests.
    pub model: ServiceModel,
    /// Seed, unless the command line states another.
    pub seed: u64,
    /// Objects that were read and decide nothing: kind and count.
    pub ignored: Vec<(Arc<str>, u32)>,
    /// Fields that exist in Kubernetes and are not simulated, by path.
    pub not_simulated: Vec<Arc<str>>,
}

/// How requests are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceModel {
    /// Every request is an event.
    #[default]
    Requests,
    /// Requests are rates, in ticks of time.
    Fluid {
        /// How long a tick is while anything changes.
        tick: SimDuration,
    },
}

impl ServiceModel {
    /// The tick of a fluid model that states none.
    pub const TICK: SimDuration = SimDuration::from_secs(1);

    /// Its name in a scenario: `requests` or `fluid`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Fluid { .. } => "fluid",
        }
    }
}

/// Karpenter in a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Karpenter {
    /// NodePools and flags.
    pub spec: KarpenterSpec,
    /// From a claim to its machine (s): one call to the cloud.
    pub launch_call: Dist,
}

/// An input file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Path as the user named it.
    pub path: Arc<str>,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: Arc<str>,
}

/// A HorizontalPodAutoscaler and what it scales.
#[derive(Debug, Clone, PartialEq)]
pub struct HpaObject {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// The workload of `scaleTargetRef`.
    pub target: WorkloadId,
    /// The rest of the spec, defaults not filled in.
    pub spec: HpaSpec,
    /// Where `minReplicas` stands.
    pub min_origin: Origin,
    /// Where `maxReplicas` stands.
    pub max_origin: Origin,
}

impl Scenario {
    /// A machine type by name.
    #[must_use]
    pub fn machine(&self, name: &str) -> Option<&Arc<InstanceType>> {
        let listed = self.machines.iter().find(|machine| &*machine.name == name);
        listed.or_else(|| {
            self.pools.iter().map(|pool| &pool.instance).find(|machine| &*machine.name == name)
        })
    }

    /// The same without alert rules, for runs of which nobody reads what fired. Scrapes change nothing
    /// else.
    #[must_use]
    pub fn unwatched(&self) -> Self {
        Self { alerts: Arc::new(self.alerts.unwatched()), ..self.clone() }
    }

    /// From the first simulated instant to the last.
    #[must_use]
    pub fn total_time(&self) -> SimDuration {
        self.warm_up + self.duration
    }

    /// Pools as people think of them: each of the profile, and each NodePool of Karpenter with all the
    /// machine types its nodes may be of.
    #[must_use]
    pub fn node_groups(&self) -> Vec<(Arc<str>, Vec<PoolId>)> {
        let mut groups: Vec<(Arc<str>, Vec<PoolId>)> = Vec::new();
        for (position, pool) in self.pools.iter().enumerate() {
            let name = pool.node_pool.as_ref().unwrap_or(&pool.name);
            match groups.iter_mut().find(|(known, _)| known == name) {
                Some((_, members)) => members.push(PoolId::at(position)),
                None => groups.push((Arc::clone(name), vec![PoolId::at(position)])),
            }
        }
        groups
    }

    /// A workload by `Kind/name` or plain name.
    #[must_use]
    pub fn workload_named(&self, name: &str) -> Option<WorkloadId> {
        self.workloads
            .iter()
            .position(|workload| &*workload.meta.name == name || workload.to_string() == name)
            .map(WorkloadId::at)
    }
}
