//! Pod templates: containers, probes, requests, and the arithmetic Kubernetes defines on them.

use std::sync::Arc;

use crate::cluster::api::meta::Labels;
use crate::cluster::api::scheduling::{Affinity, Toleration, TopologySpreadConstraint};
use crate::units::{Bytes, MilliCpu, Origin, ResourceList, Resources, SimDuration};

/// What a workload stamps its pods from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PodTemplate {
    /// Labels of each pod.
    pub labels: Labels,
    /// Annotations of each pod.
    pub annotations: Labels,
    /// `spec`.
    pub spec: PodSpec,
}

impl PodTemplate {
    /// The template without the places its figures were read from: what the API server compares.
    #[must_use]
    pub fn without_origins(&self) -> Self {
        let mut template = self.clone();
        let spec = &mut template.spec;
        for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
            container.resources_origin = Origin::default();
        }
        template
    }
}

/// `PodSpec`, as far as it decides anything.
#[derive(Debug, Clone, PartialEq)]
pub struct PodSpec {
    /// `containers`.
    pub containers: Vec<Container>,
    /// `initContainers`, sidecars among them.
    pub init_containers: Vec<Container>,
    /// Pod-level `resources.requests`, which replace the containers' sum.
    pub pod_requests: ResourceList,
    /// Pod-level `resources.limits`.
    pub pod_limits: ResourceList,
    /// `overhead` of the runtime class.
    pub overhead: ResourceList,
    /// `nodeName`: set when the pod skips the scheduler.
    pub node_name: Option<Arc<str>>,
    /// `nodeSelector`.
    pub node_selector: Labels,
    /// `affinity`.
    pub affinity: Affinity,
    /// `tolerations`.
    pub tolerations: Vec<Toleration>,
    /// `topologySpreadConstraints`.
    pub topology_spread: Vec<TopologySpreadConstraint>,
    /// `priority`, resolved from the class.
    pub priority: i32,
    /// `priorityClassName`.
    pub priority_class: Option<Arc<str>>,
    /// `preemptionPolicy: Never`.
    pub never_preempts: bool,
    /// `terminationGracePeriodSeconds`, default 30 s.
    pub termination_grace: SimDuration,
    /// `hostNetwork`.
    pub host_network: bool,
    /// `schedulingGates` are present.
    pub gated: bool,
    /// `restartPolicy` other than `Always`.
    pub restart_policy: RestartPolicy,
    /// `volumes` that decide anything.
    pub volumes: Vec<Volume>,
}

impl Default for PodSpec {
    fn default() -> Self {
        Self {
            containers: Vec::new(),
            init_containers: Vec::new(),
            pod_requests: ResourceList::default(),
            pod_limits: ResourceList::default(),
            overhead: ResourceList::default(),
            node_name: None,
            node_selector: Labels::new(),
            affinity: Affinity::default(),
            tolerations: Vec::new(),
            topology_spread: Vec::new(),
            priority: 0,
            priority_class: None,
            never_preempts: false,
            termination_grace: SimDuration::from_secs(30),
            host_network: false,
            gated: false,
            restart_policy: RestartPolicy::Always,
            volumes: Vec::new(),
        }
    }
}

/// `restartPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    /// Containers are always restarted.
    #[default]
    Always,
    /// Containers are restarted when they fail.
    OnFailure,
    /// Containers are not restarted.
    Never,
}

/// A volume of a pod, as far as scheduling and eviction look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Volume {
    /// A `PersistentVolumeClaim` by name.
    Claim(Arc<str>),
    /// `emptyDir`: local data that a drain deletes.
    EmptyDir {
        /// Its name in the pod, by which an annotation may give it up.
        name: Arc<str>,
        /// Whether it lies in memory (`medium: Memory`), and not on the node's disk.
        memory: bool,
    },
    /// `hostPath`, by its name in the pod.
    HostPath(Arc<str>),
    /// Anything that decides nothing (config maps, secrets, projected volumes).
    Other,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Container {
    /// Name.
    pub name: Arc<str>,
    /// Image as written.
    pub image: Arc<str>,
    /// `resources.requests`.
    pub requests: ResourceList,
    /// `resources.limits`.
    pub limits: ResourceList,
    /// Where `resources` stands.
    pub resources_origin: Origin,
    /// `ports` that ask for a host port.
    pub host_ports: Vec<HostPort>,
    /// Numbers of all `ports`, with their names where they have one.
    pub ports: Vec<(Option<Arc<str>>, i32)>,
    /// `startupProbe`.
    pub startup_probe: Option<Probe>,
    /// `readinessProbe`.
    pub readiness_probe: Option<Probe>,
    /// `livenessProbe`.
    pub liveness_probe: Option<Probe>,
    /// How long `lifecycle.preStop` takes, when it is a sleep that can be read off.
    pub pre_stop: SimDuration,
    /// An init container with `restartPolicy: Always`.
    pub sidecar: bool,
}

/// A host port a container occupies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// Host IP; `0.0.0.0` when absent.
    pub ip: Arc<str>,
    /// `TCP` when absent.
    pub protocol: Arc<str>,
    /// Port number.
    pub port: i32,
}

/// Timing of a probe, with Kubernetes' defaults applied (pkg/apis/core/v1/defaults.go `SetDefaults_Probe`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// `initialDelaySeconds`, default 0.
    pub initial_delay: SimDuration,
    /// `periodSeconds`, default 10 s.
    pub period: SimDuration,
    /// `timeoutSeconds`, default 1 s.
    pub timeout: SimDuration,
    /// `successThreshold`, default 1.
    pub success_threshold: u32,
    /// `failureThreshold`, default 3.
    pub failure_threshold: u32,
    /// `httpGet` or `grpc`: a request that the process has to serve. A connection (`tcpSocket`) or a
    /// command (`exec`) is answered whatever it works on.
    pub is_request: bool,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            initial_delay: SimDuration::ZERO,
            period: SimDuration::from_secs(10),
            timeout: SimDuration::from_secs(1),
            success_threshold: 1,
            failure_threshold: 3,
            is_request: false,
        }
    }
}

/// Quality of service class of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QosClass {
    /// No request and no limit anywhere.
    BestEffort,
    /// Everything between.
    Burstable,
    /// Requests equal limits, for cpu and memory, in every container.
    Guaranteed,
}

/// Requests a container is taken to have by scoring when it states none
/// (pkg/scheduler/util/pod_resources.go).
pub const DEFAULT_SCORING_CPU: MilliCpu = MilliCpu(100);
/// See [`DEFAULT_SCORING_CPU`].
pub const DEFAULT_SCORING_MEMORY: Bytes = Bytes(200 * 1024 * 1024);

impl PodSpec {
    /// A container by its position, init containers first.
    #[must_use]
    pub fn container_at(&self, position: u8) -> Option<&Container> {
        self.init_containers.iter().chain(&self.containers).nth(usize::from(position))
    }

    /// The effective request: containers and sidecars together, or the largest init step, per
    /// resource; pod-level requests replace it; overhead comes on top
    /// (component-helpers/resource `PodRequests`).
    #[must_use]
    pub fn requests(&self) -> Resources {
        self.with_pod_level(self.aggregate(|container| Resources::from(&container.requests)))
    }

    /// The effective request as a bound pod adds to its node's scoring sum: 100m and 200Mi in place
    /// of the absent cpu and memory requests of each container. A pod with pod-level requests gets
    /// them only for a resource that its whole request leaves out
    /// (kube-scheduler, framework/types.go `calculateResource`).
    #[must_use]
    pub fn scoring_requests(&self) -> Resources {
        let lists = || {
            let containers = self.containers.iter().chain(&self.init_containers);
            containers.map(|c| &c.requests).chain([&self.pod_requests, &self.overhead])
        };
        let pod_level = self.has_pod_level_requests();
        let fill_cpu = !pod_level || lists().all(|list| list.cpu.is_none());
        let fill_memory = !pod_level || lists().all(|list| list.memory.is_none());
        self.with_pod_level(self.aggregate(|container| filled(container, fill_cpu, fill_memory)))
    }

    /// The effective request as NodeResourcesFit scores a pod that looks for a node: like
    /// [`PodSpec::scoring_requests`], but blind to pod-level requests
    /// (kube-scheduler, noderesources/resource_allocation.go `calculatePodResourceRequest`).
    #[must_use]
    pub fn incoming_scoring_requests(&self) -> Resources {
        let mut request = self.aggregate(|container| filled(container, true, true));
        request += &Resources::from(&self.overhead);
        request
    }

    fn has_pod_level_requests(&self) -> bool {
        self.pod_requests.cpu.is_some() || self.pod_requests.memory.is_some()
    }

    /// Pod-level requests replace what the containers add up to; overhead comes on top.
    fn with_pod_level(&self, mut request: Resources) -> Resources {
        request.cpu = self.pod_requests.cpu.unwrap_or(request.cpu);
        request.memory = self.pod_requests.memory.unwrap_or(request.memory);
        request += &Resources::from(&self.overhead);
        request
    }

    fn aggregate(&self, of: impl Fn(&Container) -> Resources) -> Resources {
        let mut total = Resources::default();
        for container in &self.containers {
            total += &of(container);
        }
        let mut sidecars = Resources::default();
        let mut init_max = Resources::default();
        for container in &self.init_containers {
            let own = of(container);
            if container.sidecar {
                total += &own;
                sidecars += &own;
                init_max = init_max.max(&sidecars);
            } else {
                let mut step = own;
                step += &sidecars;
                init_max = init_max.max(&step);
            }
        }
        total.max(&init_max)
    }

    /// The cores the pod can use: the sum of the containers' limits, or `None` when one of them has
    /// no limit (then the node is the limit).
    #[must_use]
    pub fn cpu_limit(&self) -> Option<MilliCpu> {
        self.pod_limits.cpu.or_else(|| self.containers.iter().map(|c| c.limits.cpu).sum())
    }

    /// The memory at which the pod is killed: the sum of the containers' limits, or `None` when one
    /// of them has no limit.
    #[must_use]
    pub fn memory_limit(&self) -> Option<Bytes> {
        self.pod_limits.memory.or_else(|| self.containers.iter().map(|c| c.limits.memory).sum())
    }

    /// Quality of service class (pkg/apis/core/v1/helper/qos `ComputePodQOS`): only cpu and memory,
    /// only values above zero, init containers included.
    #[must_use]
    pub fn qos_class(&self) -> QosClass {
        let all = || self.containers.iter().chain(&self.init_containers);
        let cpu = |list: &ResourceList| list.cpu.filter(|cpu| cpu.0 > 0);
        let memory = |list: &ResourceList| list.memory.filter(|memory| memory.0 > 0);
        let states_nothing = |c: &Container| {
            [&c.requests, &c.limits].iter().all(|l| cpu(l).is_none() && memory(l).is_none())
        };
        if all().all(states_nothing) {
            return QosClass::BestEffort;
        }
        let limited = all().all(|c| cpu(&c.limits).is_some() && memory(&c.limits).is_some());
        let requested: MilliCpu = all().filter_map(|c| cpu(&c.requests)).sum();
        let requested_memory: Bytes = all().filter_map(|c| memory(&c.requests)).sum();
        let limit: MilliCpu = all().filter_map(|c| cpu(&c.limits)).sum();
        let limit_memory: Bytes = all().filter_map(|c| memory(&c.limits)).sum();
        if limited && requested == limit && requested_memory == limit_memory {
            QosClass::Guaranteed
        } else {
            QosClass::Burstable
        }
    }
}

/// A container's requests, with scoring's stand-ins where it states none.
fn filled(container: &Container, cpu: bool, memory: bool) -> Resources {
    let mut requests = Resources::from(&container.requests);
    if cpu {
        requests.cpu = container.requests.cpu.unwrap_or(DEFAULT_SCORING_CPU);
    }
    if memory {
        requests.memory = container.requests.memory.unwrap_or(DEFAULT_SCORING_MEMORY);
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(cpu: i64, memory: i64) -> Container {
        let requests = ResourceList {
            cpu: Some(MilliCpu(cpu)),
            memory: Some(Bytes(memory)),
            ..ResourceList::default()
        };
        Container { limits: requests.clone(), requests, ..Container::default() }
    }

    #[test]
    fn init_steps_and_sidecars_count_as_kubernetes_counts_them() {
        let sidecar = Container { sidecar: true, ..container(100, 10) };
        let spec = PodSpec {
            containers: vec![container(500, 100), container(200, 50)],
            init_containers: vec![container(600, 1), sidecar, container(700, 500)],
            ..PodSpec::default()
        };
        let requests = spec.requests();
        assert_eq!((requests.cpu, requests.memory), (MilliCpu(800), Bytes(510)));
    }

    /// E2 of the worked cases: a sidecar counts for the steps behind it, not for those before.
    #[test]
    fn an_init_step_is_joined_by_the_sidecars_before_it() {
        let sidecar = Container { sidecar: true, ..container(100, 10) };
        let step = container(1000, 10);
        for (init, expected) in [([&sidecar, &step], 1100), ([&step, &sidecar], 1000)] {
            let spec = PodSpec {
                containers: vec![container(200, 10), container(300, 10)],
                init_containers: init.map(Clone::clone).into(),
                ..PodSpec::default()
            };
            assert_eq!(spec.requests().cpu, MilliCpu(expected));
        }
    }

    #[test]
    fn pod_level_requests_replace_and_overhead_adds() {
        let spec = PodSpec {
            containers: vec![container(500, 100)],
            pod_requests: ResourceList { cpu: Some(MilliCpu(50)), ..ResourceList::default() },
            overhead: ResourceList { memory: Some(Bytes(7)), ..ResourceList::default() },
            ..PodSpec::default()
        };
        let requests = spec.requests();
        assert_eq!((requests.cpu, requests.memory), (MilliCpu(50), Bytes(107)));
    }

    #[test]
    fn qos_follows_requests_and_limits() {
        let guaranteed = PodSpec { containers: vec![container(1, 1)], ..PodSpec::default() };
        assert_eq!(guaranteed.qos_class(), QosClass::Guaranteed);
        let mut burstable = guaranteed.clone();
        burstable.containers[0].limits.memory = None;
        assert_eq!(burstable.qos_class(), QosClass::Burstable);
        let nothing = PodSpec { containers: vec![Container::default()], ..PodSpec::default() };
        assert_eq!(nothing.qos_class(), QosClass::BestEffort);
        assert_eq!(nothing.scoring_requests().cpu, DEFAULT_SCORING_CPU);
        assert_eq!(nothing.cpu_limit(), None);
    }
}
