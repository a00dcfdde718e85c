//! The run: one scenario, one seed, from the first instant to the horizon.
//!
//! Only this room owns the clock and the queue. An event comes out, is dispatched to whom it
//! concerns, and what follows goes two ways: into the queue (the future) and to the observer (the
//! past). A simulation cannot fail: it returns an [`Outcome`].

mod autoscaler;
mod autoscaler_reasons;
mod bootstrap;
mod capacity;
mod containers;
mod custom_metrics;
mod dispatch;
mod disruptions;
mod exporters;
mod flows;
mod hpa;
mod jobs;
mod karpenter;
mod keda;
mod lifecycle;
mod loads;
mod memory;
mod nodes;
mod pod_gc;
mod pods;
mod pool_upgrade;
mod probes;
mod releases;
mod rollouts;
mod sampling;
mod scheduling;
mod settle;
mod spot;
mod usage;
mod volumes;
mod workloads;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::{Cluster, VolumesSpec};
use crate::control::hpa::Hpa;
use crate::control::kubelet::{KubeletSpec, Kubelets};
use crate::control::metrics_adapter::Series;
use crate::control::metrics_server::MetricsServer;
use crate::engine::{EventQueue, Streams};
use crate::model::Event;
use crate::model::id::{DisruptionId, PodId, ServerId, StationId, WorkloadId};
use crate::model::observer::Observer;
use crate::model::record::Record;
use crate::promql::Labels;
use crate::scenario::threshold::EVALUATION_PERIOD;
use crate::scenario::{Scenario, ServiceModel};
use crate::service::{CallTally, Fluid, IterationEnd, Model, Services};
use crate::units::{SimDuration, SimTime};

/// How a run is made, beside the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOptions {
    /// Root of all chance.
    pub seed: u64,
    /// Which replication of the seed; 0 is the plain run.
    pub replication: u64,
    /// Check the cluster's invariants after every control-plane event.
    pub check_invariants: bool,
}

/// What a run leaves behind, beside what the observer was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Events that came out of the queue.
    pub events: u64,
    /// Client calls by how they ended, warm-up included.
    pub calls: CallTally,
    /// Client calls that had not ended at the horizon.
    pub calls_inside: u64,
    /// Iterations: started, warm-up included.
    pub iterations_started: u64,
    /// Iterations ended.
    pub iterations_ended: u64,
    /// Iterations cut short at the end of their load.
    pub iterations_interrupted: u64,
    /// Iterations that no virtual user could take.
    pub iterations_dropped: u64,
    /// Iterations under way at the horizon.
    pub iterations_inside: u64,
    /// Each station over the whole run, by id.
    pub stations: Vec<StationOutcome>,
    /// Names of all pods there ever were, by id.
    pub pod_names: Vec<Arc<str>>,
    /// Names of all nodes there ever were, by id.
    pub node_names: Vec<Arc<str>>,
    /// When the run ended: at its horizon, or before when the observer ended it.
    pub ended: SimTime,
}

/// A station over a whole run, for the laws of queueing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StationOutcome {
    /// Integral of the number inside (request-seconds).
    pub inside_area_s: f64,
    /// Requests inside at the horizon.
    pub inside: u32,
}

/// Runs a scenario and tells the observer everything once.
pub fn simulate<O: Observer>(
    scenario: &Scenario,
    options: RunOptions,
    observer: &mut O,
) -> Outcome {
    let mut run = Run::new(scenario, options, observer);
    run.bootstrap();
    run.go();
    run.outcome()
}

/// A run under way.
struct Run<'a, O> {
    scenario: &'a Scenario,
    options: RunOptions,
    streams: Streams,
    queue: EventQueue<Event>,
    observer: &'a mut O,
    cluster: Cluster,
    services: Model,
    /// The loads of a fluid run; those of the other model are below.
    flows: Option<flows::Flows>,
    loads: Vec<loads::LoadState>,
    kubelets: Kubelets,
    metrics: MetricsServer,
    hpas: Vec<Hpa>,
    /// The series of each custom metric of the scenario.
    custom_metrics: Vec<Series>,
    /// What KEDA remembers of each ScaledObject.
    keda: Vec<Option<keda::Living>>,
    /// What KEDA answered the HPA that is synced.
    keda_answers: Vec<(Arc<str>, Option<i64>)>,
    /// When each autoscaler looks next; `None` is not there.
    hpa_due: Vec<Option<SimTime>>,
    scheduling: scheduling::Scheduling,
    lifecycle: lifecycle::Lifecycle,
    workloads: workloads::WorkloadState,
    autoscaler: autoscaler::Autoscaler,
    karpenter: karpenter::KarpenterState,
    disruptions: Vec<disruptions::DisruptionState>,
    volumes: volumes::Mounts,
    containers: containers::Containers,
    probes: probes::Probes,
    memory: memory::Memory,
    pod_gc: pod_gc::Collector,
    capacity: capacity::Capacity,
    spot: spot::Spot,
    /// Rollouts that someone waits for, by their disruption.
    rollouts: BTreeMap<DisruptionId, rollouts::RolloutState>,
    /// The server of each pod whose process runs.
    servers: BTreeMap<PodId, ServerId>,
    /// The station each workload's pods serve, by workload.
    stations: Vec<Option<StationId>>,
    sampler: sampling::Sampler,
    /// GPU time of each pod a second before exporters are scraped (s).
    gpu_marks: BTreeMap<PodId, (SimTime, f64)>,
    /// The labels of all series as exporters last showed them.
    exported: Vec<Labels>,
    /// What happened and was not told yet.
    records: Vec<Record>,
    ended: Vec<IterationEnd>,
    drained: Vec<PodId>,
    pod_names: Vec<Arc<str>>,
    /// The workload of each pod there ever was, by id.
    pod_owners: Vec<WorkloadId>,
    node_names: Vec<Arc<str>>,
    /// From the start of the run to the start of measuring.
    measured_from: SimTime,
    horizon: SimTime,
    /// When the observer is asked next whether the run ends; `None` when nothing may end it.
    next_evaluation: Option<SimTime>,
    /// The cluster is being put together: nothing takes time.
    booting: bool,
}

/// When thresholds are first asked whether they end the run; `None` when none of them may.
fn first_evaluation(scenario: &Scenario) -> Option<SimTime> {
    let may_end = scenario.thresholds.iter().any(|threshold| threshold.terms().abort_on_fail);
    may_end.then(|| SimTime::ZERO + scenario.warm_up + EVALUATION_PERIOD)
}

/// The cluster before anything of it runs.
fn cluster_of(scenario: &Scenario) -> Cluster {
    let mut cluster = Cluster::new(&scenario.pools, &scenario.workloads, &scenario.budgets);
    cluster.set_quotas(&scenario.quotas);
    for workload in cluster.workloads().iter().map(|w| w.id).collect::<Vec<_>>() {
        cluster.set_initial_replicas(workload, scenario.initial_replicas[workload.index()]);
    }
    scenario.later.workloads.iter().for_each(|id| cluster.withhold_workload(*id));
    scenario.later.budgets.iter().for_each(|id| cluster.withhold_budget(*id));
    cluster.set_volumes(VolumesSpec {
        mode: scenario.volumes.mode,
        classes: scenario.storage_classes.clone(),
        claims: scenario.claims.clone(),
        default_driver: Arc::from(scenario.provider.disk_driver()),
    });
    cluster
}

impl<'a, O: Observer> Run<'a, O> {
    fn new(scenario: &'a Scenario, options: RunOptions, observer: &'a mut O) -> Self {
        let streams = Streams::new(options.seed, options.replication);
        let mut queue = EventQueue::new();
        let measured_from = SimTime::ZERO + scenario.warm_up;
        let cluster = cluster_of(scenario);
        let Serving { mut services, flows, loads } = serve(scenario, &streams, &mut queue);
        for metric in scenario.custom_metrics.iter().filter(|it| it.quantity.is_latency()) {
            services.count_latencies(metric.station);
        }
        let station_of =
            |workload: &crate::cluster::Workload| scenario.services.station_of(workload.id);
        let stations = cluster.workloads().iter().map(station_of).collect();
        let timings = &scenario.timings;
        let kubelets = Kubelets::new(
            KubeletSpec {
                pull_base: timings.image_pull_base.clone(),
                pull_per_gb: timings.image_pull_per_gb.clone(),
                container_start: timings.container_start.clone(),
                endpoint_propagation: timings.endpoint_propagation.clone(),
                serial_pulls: scenario.pulls.serial,
                node_bytes_per_s: scenario.pulls.node_bytes_per_s,
            },
            streams,
        );
        Self {
            scenario,
            options,
            streams,
            observer,
            services,
            flows,
            loads,
            kubelets,
            metrics: MetricsServer::new(scenario.metric_resolution, streams),
            hpas: scenario.hpas.iter().map(|hpa| Hpa::new(hpa.spec.clone())).collect(),
            custom_metrics: vec![Series::default(); scenario.custom_metrics.len()],
            keda: scenario.hpas.iter().map(|_| None).collect(),
            keda_answers: Vec::new(),
            hpa_due: vec![None; scenario.hpas.len()],
            scheduling: scheduling::Scheduling::new(scenario, &streams, &mut queue),
            lifecycle: lifecycle::Lifecycle::new(),
            workloads: workloads::WorkloadState::new(&cluster, &mut queue),
            autoscaler: autoscaler::Autoscaler::new(scenario, &streams, &mut queue),
            karpenter: karpenter::KarpenterState::new(scenario, &streams, &mut queue),
            disruptions: scenario.disruptions.iter().map(|_| Default::default()).collect(),
            volumes: volumes::Mounts::default(),
            containers: containers::Containers::default(),
            probes: probes::Probes::default(),
            memory: memory::Memory::default(),
            pod_gc: pod_gc::Collector::default(),
            capacity: capacity::Capacity::default(),
            spot: spot::Spot::default(),
            rollouts: BTreeMap::new(),
            servers: BTreeMap::new(),
            stations,
            sampler: sampling::Sampler::new(scenario),
            gpu_marks: BTreeMap::new(),
            exported: Vec::new(),
            records: Vec::new(),
            ended: Vec::new(),
            drained: Vec::new(),
            pod_names: Vec::new(),
            pod_owners: Vec::new(),
            node_names: Vec::new(),
            measured_from,
            horizon: SimTime::ZERO + scenario.total_time(),
            next_evaluation: first_evaluation(scenario),
            booting: false,
            cluster,
            queue,
        }
    }

    /// Takes events until the horizon, or until the observer ends the run.
    fn go(&mut self) {
        while let Some((now, event)) = self.queue.pop() {
            if self.ends_before(now) {
                break;
            }
            if event == Event::Horizon {
                self.flow_until(now, event);
                break;
            }
            self.dispatch(now, event);
        }
    }

    /// Asks at every evaluation that lies before this instant, when all events up to it have been
    /// told; the first that ends the run is its horizon.
    fn ends_before(&mut self, now: SimTime) -> bool {
        while let Some(at) = self.next_evaluation.filter(|at| *at < now) {
            if self.observer.ends_run(at) {
                self.horizon = at;
                return true;
            }
            self.next_evaluation = Some(at + EVALUATION_PERIOD);
        }
        false
    }

    /// Schedules an event after a delay. While the cluster is being put together, the steps of pods'
    /// and nodes' lives take no time.
    fn schedule(&mut self, delay: SimDuration, event: Event) {
        let at_once = self.booting && matches!(event, Event::Pod(..) | Event::Node(..));
        let at = if at_once { self.queue.now() } else { self.queue.now() + delay };
        self.queue.schedule(at, event.rank(), event);
    }

    fn outcome(self) -> Outcome {
        let now = self.horizon;
        let mut outcome = Outcome {
            events: self.queue.popped(),
            calls: self.services.tally(),
            calls_inside: 0,
            iterations_started: 0,
            iterations_ended: 0,
            iterations_interrupted: 0,
            iterations_dropped: 0,
            iterations_inside: crate::units::convert::u64_from_usize(
                self.services.clients_inside(),
            ),
            stations: Vec::new(),
            pod_names: self.pod_names,
            node_names: self.node_names,
            ended: now,
        };
        let calls = outcome.calls;
        outcome.calls_inside = calls.begun - calls.ended();
        for load in &self.loads {
            outcome.iterations_started += load.started;
            outcome.iterations_ended += load.ended;
            outcome.iterations_interrupted += load.interrupted;
            outcome.iterations_dropped += load.dropped;
        }
        if let Some(fluid) = self.services.fluid() {
            for position in 0..self.scenario.loads.len() {
                let told = fluid.load_tally(position);
                outcome.iterations_started += told.started;
                outcome.iterations_ended += told.ended;
                outcome.iterations_interrupted += told.interrupted;
                outcome.iterations_dropped += told.dropped;
            }
        }
        for position in 0..self.scenario.services.stations.len() {
            let station = StationId::at(position);
            outcome.stations.push(StationOutcome {
                inside_area_s: self.services.inside_area_s(now, station),
                inside: self.services.inside(station),
            });
        }
        outcome
    }
}

/// The services of a scenario, and its loads: one of the two is empty, by the model.
struct Serving {
    services: Model,
    flows: Option<flows::Flows>,
    loads: Vec<loads::LoadState>,
}

fn serve(scenario: &Scenario, streams: &Streams, queue: &mut EventQueue<Event>) -> Serving {
    let measured_from = SimTime::ZERO + scenario.warm_up;
    match scenario.model {
        ServiceModel::Requests => {
            let services = Services::new(&scenario.services, streams, queue);
            let load = |spec| loads::LoadState::new(spec, measured_from, streams);
            let loads = scenario.loads.iter().map(load).collect();
            Serving { services: Model::Requests(Box::new(services)), flows: None, loads }
        }
        ServiceModel::Fluid { tick } => {
            let loads = flows::Flows::loads_for_services(scenario);
            let fluid = Fluid::new(&scenario.services, loads, streams);
            let timer = queue.timer(Event::Tick);
            let flows = flows::Flows::new(scenario, tick, measured_from, timer);
            let services = Model::Fluid(Box::new(fluid));
            Serving { services, flows: Some(flows), loads: Vec::new() }
        }
    }
}
