//! HPAs: the observation is gathered, the controller decides, the scale is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::api::pod::PodTemplate;
use crate::cluster::{self, Cluster, Pod, TemplateId};
use crate::control::hpa::{
    Amounts, ConditionStatus, ContainerAmounts, HpaObservation, ObservedPod, PodLifecycle,
    PodMetrics, PodPhase, ReadyCondition, Scale, ScaleUpdate, SelectorCheck,
};
use crate::control::metrics_server::{ContainerMetric, MetricsServer, PodMetric, Reading};
use crate::model::id::{HpaId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::Record;
use crate::model::{Action, Event};
use crate::sim::Run;
use crate::sim::custom_metrics::{pod_values, readings};
use crate::units::convert::count_i32;
use crate::units::{SimDuration, SimTime};

/// What one sync takes from being due to being queued again, so that syncs drift as they do in a
/// live controller and ages do not tie with windows for ever.
const PROCESSING: SimDuration = SimDuration::from_millis(20);
/// The HPAs of one release are made one after another.
const STAGGER: SimDuration = SimDuration::from_millis(50);

/// What any process that runs has used and holds. A service profile need not state it, but
/// metrics-server takes a container with zero of either for one that is not there (pkg/storage/pod.go).
const LEAST_CPU_CORE_S: f64 = 0.001;
const LEAST_MEMORY_BYTES: f64 = 1_048_576.0;

impl<O: Observer> Run<'_, O> {
    /// A new HPA is first looked at one period after it was made.
    pub(super) fn start_hpas(&mut self) {
        for position in 0..self.hpas.len() {
            let id = HpaId::at(position);
            if !self.scenario.later.hpas.contains(&id) {
                self.arm_hpa(id);
            }
        }
    }

    /// An HPA was made: it is looked at one period later.
    pub(super) fn arm_hpa(&mut self, id: HpaId) {
        let stagger = STAGGER * u64::from(id.0);
        self.hpa_again(id, self.hpa_period() + stagger);
    }

    fn hpa_again(&mut self, id: HpaId, after: SimDuration) {
        self.hpa_due[id.index()] = Some(self.queue.now() + after);
        self.schedule(after, Event::Hpa(id));
    }

    fn hpa_period(&self) -> SimDuration {
        let nanos = u64::try_from(self.scenario.hpa_config.sync_period_ns);
        SimDuration::from_nanos(nanos.expect("a sync period is positive"))
    }

    /// metrics-server's tick: every pod with a running process on a ready node is read, as far as some
    /// HPA may ask for it. Nobody else looks at what is stored.
    pub(super) fn scrape(&mut self, now: SimTime) {
        let mut readings = Vec::new();
        let targets: BTreeSet<WorkloadId> =
            self.scenario.hpas.iter().map(|hpa| hpa.target).collect();
        let runs = |pod: &&Pod| {
            let node = pod.node.and_then(|node| self.cluster.node(node));
            node.is_some_and(cluster::Node::is_ready) && pod.phase == cluster::PodPhase::Running
        };
        let pods = targets.into_iter().flat_map(|target| self.cluster.pods_of(target));
        let running: Vec<_> = pods.filter(runs).map(|pod| pod.id).collect();
        for pod in running {
            let usages = self.usage_of(now, pod);
            let first = usages.iter().map(|usage| usage.position).min();
            for usage in usages {
                let reading = Reading {
                    pod,
                    container: usage.position,
                    started: usage.since,
                    cpu_core_s: usage.cpu_core_s.max(LEAST_CPU_CORE_S),
                    memory_bytes: usage.memory_bytes.max(LEAST_MEMORY_BYTES),
                };
                let name = &self.pod_names[pod.index()];
                let name = if Some(usage.position) == first {
                    Arc::clone(name)
                } else {
                    Arc::from(format!("{name}/{}", usage.position))
                };
                readings.push((reading, name));
            }
        }
        self.metrics.scrape(now, readings.into_iter());
        self.scrape_services(now);
        self.schedule(self.metrics.resolution(), Event::Scrape);
    }

    /// One sync of an HPA.
    pub(super) fn sync_hpa(&mut self, now: SimTime, id: HpaId) {
        if self.hpa_due[id.index()] != Some(now) {
            // It was deleted, or made anew with another rhythm.
            return;
        }
        let target = self.scenario.hpas[id.index()].target;
        self.hpa_asks_keda(now, id, target);
        let gathered = gather(&self.cluster, &self.metrics, target);
        let metric_containers: Vec<Vec<ContainerAmounts<'_>>> =
            gathered.metrics.iter().map(|(pod, metric)| container_usages(pod, metric)).collect();
        let pod_metrics: Vec<PodMetrics<'_>> = gathered
            .metrics
            .iter()
            .zip(&metric_containers)
            .map(|((pod, metric), containers)| PodMetrics {
                name: &pod.name,
                timestamp_ns: floor_second_ns(metric.timestamp),
                window_ns: signed(metric.window.as_nanos()),
                containers,
            })
            .collect();
        let requests = request_table(&gathered.pods);
        let pods: Vec<ObservedPod<'_>> =
            gathered.pods.iter().map(|pod| observed(pod, &requests)).collect();
        let answers = self.answers(self.hpas[id.index()].spec(), target);
        let pod_values = pod_values(&answers);
        let readings = readings(self.hpas[id.index()].spec(), &answers, &pod_values);
        let observation = HpaObservation {
            now_ns: signed(now.as_nanos()),
            scale: gathered.scale,
            selector: SelectorCheck::Valid,
            pods: &pods,
            pod_metrics: &pod_metrics,
            readings: &readings,
            scale_update: ScaleUpdate::Succeeds,
        };
        let decision = self.hpas[id.index()].sync(&self.scenario.hpa_config, &observation);
        let told = decision.told(self.hpas[id.index()].spec());
        let write = decision.rescale.as_ref().and(decision.desired_replicas);
        self.records.push(Record::HpaSynced(id, Box::new(told)));
        if let Some(replicas) = write {
            self.apply(now, &Action::ScaleWorkload { workload: target, replicas });
        }
        self.hpa_again(id, self.hpa_period() + PROCESSING);
    }
}

fn gather<'a>(cluster: &'a Cluster, metrics: &MetricsServer, target: WorkloadId) -> Gathered<'a> {
    let workload = cluster.workload(target);
    let pods: Vec<&Pod> = cluster.pods_of(target).collect();
    let metrics = pods.iter().filter_map(|pod| Some((*pod, metrics.get(pod.id)?))).collect();
    let status = pods.iter().filter(|pod| pod.is_active()).count();
    let there = Scale { spec_replicas: workload.replicas, status_replicas: count_i32(status) };
    let scale = workload.exists.then_some(there);
    Gathered { scale, pods, metrics }
}

struct Gathered<'a> {
    scale: Option<Scale>,
    pods: Vec<&'a Pod>,
    metrics: Vec<(&'a Pod, PodMetric)>,
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).expect("a run is shorter than 292 years")
}

/// API timestamps have whole seconds.
fn floor_second_ns(at: SimTime) -> i64 {
    signed(at.floor_to_second().as_nanos())
}

/// The usage served of a pod, container by container.
fn container_usages<'a>(pod: &'a Pod, metric: &PodMetric) -> Vec<ContainerAmounts<'a>> {
    let spec = &pod.template.spec;
    let amounts = |metric: &ContainerMetric| {
        // Nanocores to millicores, rounded up, as the metrics client does per container.
        let cpu_milli = metric.cpu_nanocores.div_euclid(1_000_000)
            + i64::from(metric.cpu_nanocores.rem_euclid(1_000_000) > 0);
        let memory_milli = metric.memory_bytes.saturating_mul(1_000);
        ContainerAmounts {
            name: spec.container_at(metric.container).map_or("", |container| &*container.name),
            amounts: Amounts { cpu_milli: Some(cpu_milli), memory_milli: Some(memory_milli) },
        }
    };
    metric.containers.iter().map(amounts).collect()
}

/// Requests per container, once per template.
fn request_table<'a>(pods: &[&'a Pod]) -> BTreeMap<TemplateId, Vec<ContainerAmounts<'a>>> {
    let mut table = BTreeMap::new();
    for pod in pods {
        table.entry(pod.template_id).or_insert_with(|| container_requests(&pod.template));
    }
    table
}

fn container_requests(template: &PodTemplate) -> Vec<ContainerAmounts<'_>> {
    let sidecars = template.spec.init_containers.iter().filter(|container| container.sidecar);
    let all = template.spec.containers.iter().chain(sidecars);
    all.map(|container| ContainerAmounts {
        name: &container.name,
        amounts: Amounts {
            cpu_milli: container.requests.cpu.map(|cpu| cpu.0),
            memory_milli: container.requests.memory.map(|memory| memory.0.saturating_mul(1_000)),
        },
    })
    .collect()
}

fn observed<'a>(
    pod: &'a Pod,
    requests: &'a BTreeMap<TemplateId, Vec<ContainerAmounts<'a>>>,
) -> ObservedPod<'a> {
    let spec = &pod.template.spec;
    let pod_level = spec.pod_requests.cpu.is_some() || spec.pod_requests.memory.is_some();
    ObservedPod {
        name: &pod.name,
        phase: match pod.phase {
            cluster::PodPhase::Pending => PodPhase::Pending,
            cluster::PodPhase::Running => PodPhase::Running,
            cluster::PodPhase::Succeeded => PodPhase::Succeeded,
            cluster::PodPhase::Failed => PodPhase::Failed,
        },
        ready: pod.ready.map(|ready| ReadyCondition {
            status: match ready.status {
                cluster::ConditionStatus::True => ConditionStatus::True,
                cluster::ConditionStatus::False => ConditionStatus::False,
                cluster::ConditionStatus::Unknown => ConditionStatus::Unknown,
            },
            last_transition_ns: floor_second_ns(ready.since),
        }),
        start_ns: pod.started.map(floor_second_ns),
        lifecycle: if pod.is_terminating() {
            PodLifecycle::Deleting
        } else {
            PodLifecycle::Present
        },
        containers: requests.get(&pod.template_id).map_or(&[], Vec::as_slice),
        pod_level_requests: pod_level.then(|| Amounts {
            cpu_milli: spec.pod_requests.cpu.map(|cpu| cpu.0),
            memory_milli: spec.pod_requests.memory.map(|m| m.0.saturating_mul(1_000)),
        }),
    }
}
