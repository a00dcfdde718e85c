//! A small scenario made by hand, and a listener's evening with it: for the tests of this floor and
//! of those above.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::cluster::api::workload::{DeploymentStrategy, StatefulSetUpdate};
use crate::cluster::api::{
    AccessMode, InstanceType, IntOrPercent, LabelSelector, NodePoolSpec, ObjectMeta,
    PersistentVolumeClaimSpec, PodTemplate, StorageClassSpec, WorkloadKind, WorkloadSpec,
};
use crate::control::hpa::HpaConfig;
use crate::engine::Dist;
use crate::load::draft::{Executor, LoadDraft, OpenVus};
use crate::load::spec::LoadSpec;
use crate::load::{Mix, Rate};
use crate::metrics::Measurements;
use crate::model::NodeId;
use crate::model::id::{ClassId, LoadId, OperationId, PoolId, StationId, WorkloadId};
use crate::model::observer::{
    CallEnd, ClientCall, Observer, PoolSample, Sample, StationSample, WorkloadSample,
};
use crate::model::record::{MachineKind, Record};
use crate::scenario::threshold::{Terms, ThresholdSpec};
use crate::scenario::{ImageSizes, Prices, Provider, PullPolicy, Scenario, Timings, VolumeProfile};
use crate::service::ServiceGraph;
use crate::service::spec::{
    ClassSpec, ClientStep, CpuSpec, OperationSpec, StationKind, StationSpec,
};
use crate::units::{Bytes, Origin, Resources, SimDuration, SimTime};

fn none() -> Dist {
    Dist::fixed(SimDuration::ZERO)
}

fn meta(name: &str) -> ObjectMeta {
    ObjectMeta { name: Arc::from(name), ..ObjectMeta::default() }
}

pub(crate) fn workload(name: &str, replicas: i32, kind: WorkloadKind) -> Arc<WorkloadSpec> {
    Arc::new(WorkloadSpec {
        meta: meta(name),
        selector: LabelSelector::default(),
        replicas,
        replicas_origin: Origin::default(),
        min_ready: SimDuration::ZERO,
        template: Arc::new(PodTemplate::default()),
        kind,
    })
}

pub(crate) fn claim(name: &str, gib: i64, class: Option<&str>) -> PersistentVolumeClaimSpec {
    PersistentVolumeClaimSpec {
        meta: meta(name),
        access_modes: vec![AccessMode::ReadWriteOnce],
        storage: Bytes(gib << 30),
        storage_class: class.map(Arc::from),
        volume_name: None,
    }
}

pub(crate) fn storage_class(name: &str, parameters: &[(&str, &str)]) -> Arc<StorageClassSpec> {
    let pair = |(key, value): &(&str, &str)| (Arc::from(*key), Arc::from(*value));
    Arc::new(StorageClassSpec {
        meta: meta(name),
        provisioner: Arc::from("ebs.csi.aws.com"),
        parameters: parameters.iter().map(pair).collect(),
        wait_for_first_consumer: true,
        allow_expansion: true,
    })
}

fn pool(name: &str, price: Option<Decimal>) -> Arc<NodePoolSpec> {
    Arc::new(NodePoolSpec {
        name: Arc::from(name),
        origin: Origin::default(),
        instance: Arc::new(InstanceType {
            name: Arc::from("m9.large"),
            capacity: Resources::default(),
            allocatable: Resources::default(),
            max_pods: 10,
            max_volumes: None,
            gpu_kind: None,
            on_demand_per_hour: price,
            spot_per_hour: None,
            price_date: Arc::from("2026-11-01"),
        }),
        min: 0,
        max: 9,
        max_origin: Origin::default(),
        initial: 1,
        zones: vec![Arc::from("a")],
        labels: BTreeMap::new(),
        taints: Vec::new(),
        launch: none(),
        node_ready: None,
        gpu_ready: None,
        gpu_sharing: None,
        spot: false,
        autoscaled: true,
        node_pool: None,
    })
}

fn station(name: &str, workload: u32) -> StationSpec {
    let kind = StationKind::Cpu(CpuSpec {
        concurrency: None,
        threads_per_request: 1.0,
        max_cores: None,
        exact_quota: false,
    });
    StationSpec { workload: Some(WorkloadId(workload)), ..StationSpec::plain(name, kind) }
}

fn graph() -> ServiceGraph {
    let operation = |station, name: &str, payload| OperationSpec {
        payload: Bytes(payload),
        ..OperationSpec::plain(StationId(station), name)
    };
    let call = |operation, name: &str| ClientStep::Call {
        operation: OperationId(operation),
        timeout: None,
        name: Arc::from(name),
        policy: None,
    };
    ServiceGraph {
        stations: vec![station("web", 0), station("store", 1)],
        operations: vec![operation(0, "web.page", 1000), operation(1, "store.get", 50)],
        classes: vec![
            ClassSpec {
                name: Arc::from("browse"),
                steps: vec![call(0, "page"), ClientStep::Sleep(none()), call(1, "item")],
            },
            ClassSpec { name: Arc::from("fetch"), steps: vec![call(1, "item")] },
        ],
        policies: Vec::new(),
        network: None,
    }
}

fn load(name: &str) -> LoadSpec {
    let executor = Executor::ConstantArrivalRate {
        rate: Rate::per_second(10.0),
        duration: SimDuration::from_secs(60),
        vus: OpenVus { pre_allocated: 4, max: 100 },
    };
    LoadSpec::new(LoadDraft::new(name, Mix::only(ClassId(0)), executor)).expect("it is valid")
}

/// Two services (`web`, a Deployment; `store`, a StatefulSet), two classes (`browse` with the steps
/// page, a pause, item; `fetch` with item), two loads (`day`, `night`), two pools (`general` at
/// 0.40 an hour, `spare` without a price), no volumes; measured from 100 s for 60 s.
pub(crate) fn scenario(thresholds: &[(&str, &str, Terms)]) -> Scenario {
    let threshold = |(metric, expression, terms): &(&str, &str, Terms)| {
        ThresholdSpec::new(metric, expression, *terms, Origin::new("peak.yaml", 7, 3))
            .expect("the threshold is valid")
    };
    let rolling = DeploymentStrategy::RollingUpdate {
        max_surge: IntOrPercent::Percent(25),
        max_unavailable: IntOrPercent::Percent(25),
    };
    let web = WorkloadKind::Deployment {
        strategy: rolling,
        progress_deadline: None,
        revision_history_limit: 10,
        paused: false,
    };
    Scenario {
        machines: Vec::new(),
        capacity: crate::scenario::CapacitySpec::default(),
        expander_priorities: BTreeMap::new(),
        group_options: Vec::new(),
        name: Arc::from("peak"),
        path: Arc::from("scenarios/peak.yaml"),
        description: Arc::from("a small one"),
        inputs: Vec::new(),
        cluster: Arc::from("test"),
        provider: Provider::Eks,
        pools: vec![pool("general", Some(Decimal::new(40, 2))), pool("spare", None)],
        workloads: vec![workload("web", 2, web), workload("store", 3, stateful(Vec::new()))],
        initial_replicas: vec![2, 3],
        selectors: Vec::new(),
        budgets: Vec::new(),
        quotas: Vec::new(),
        hpas: Vec::new(),
        later: crate::scenario::Later::default(),
        custom_metrics: Vec::new(),
        scaled_objects: Vec::new(),
        processes: crate::scenario::Processes::default(),
        claims: Vec::new(),
        volumes: VolumeProfile::usual(crate::cluster::VolumeMode::Trusted),
        pulls: PullPolicy::default(),
        storage_classes: Vec::new(),
        services: Arc::new(graph()),
        loads: vec![load("day"), load("night")],
        disruptions: Vec::new(),
        thresholds: thresholds.iter().map(threshold).collect(),
        alerts: Default::default(),
        timings: timings(),
        images: ImageSizes::default(),
        metric_resolution: SimDuration::from_secs(15),
        hpa_config: HpaConfig::default(),
        karpenter: None,
        autoscaler: crate::control::cluster_autoscaler::Options::default(),
        prices: Prices {
            currency: Arc::from("USD"),
            control_plane_per_hour: Decimal::new(10, 2),
            volume_per_gb_month: BTreeMap::from([
                (Arc::from("gp3"), Decimal::new(8, 2)),
                (Arc::from("io2"), Decimal::new(125, 3)),
            ]),
            iops_month: BTreeMap::from([(Arc::from("io2"), Decimal::new(65, 3))]),
        },
        start: None,
        duration: SimDuration::from_secs(60),
        warm_up: SimDuration::from_secs(100),
        model: crate::scenario::ServiceModel::Requests,
        seed: 42,
        ignored: vec![(Arc::from("NetworkPolicy"), 2)],
        not_simulated: Vec::new(),
    }
}

pub(crate) fn stateful(claims: Vec<PersistentVolumeClaimSpec>) -> WorkloadKind {
    WorkloadKind::StatefulSet {
        parallel: true,
        update: StatefulSetUpdate::RollingUpdate { partition: 0 },
        ordinals_start: 0,
        claims,
    }
}

fn timings() -> Timings {
    Timings {
        scheduling_cycle: SimDuration::from_millis(1),
        controller_reaction: SimDuration::from_millis(100),
        image_pull_base: none(),
        image_pull_per_gb: none(),
        container_start: none(),
        endpoint_propagation: none(),
        cloud_delay: none(),
        node_deletion: none(),
    }
}

/// Tells measurements what a run would tell.
pub(crate) struct Teller {
    pub(crate) heard: Measurements,
}

/// An instant of the run, counted from its start; measuring begins at 100 s.
pub(crate) fn at(secs: u64) -> SimTime {
    SimTime::from_secs(secs)
}

impl Teller {
    /// A node of pool `general` runs from the start; measuring has begun and was sampled.
    pub(crate) fn measuring(scenario: &Scenario) -> Self {
        let mut teller = Self { heard: Measurements::new(scenario) };
        let (node, pool) = (NodeId(0), PoolId(0));
        teller.launched(0, node, pool, "m9.large");
        teller.heard.warm_up_ended(at(100));
        teller.sample(100, |_| {});
        teller
    }

    /// A node's machine is asked for and made.
    pub(crate) fn launched(&mut self, secs: u64, node: NodeId, pool: PoolId, instance: &str) {
        let machine = MachineKind { instance: Arc::from(instance), zone: None, spot: false };
        self.heard.record(at(secs), Record::NodeRequested { node, pool });
        let machine = Box::new(machine);
        self.heard.record(at(secs), Record::NodeLaunched { node, machine });
    }

    /// A call of load `day`, class and step as given.
    pub(crate) fn call(&mut self, class: u32, step: u16, ms: u64, end: CallEnd) {
        self.call_of(0, class, step, ms, end);
    }

    pub(crate) fn call_of(&mut self, load: u32, class: u32, step: u16, ms: u64, end: CallEnd) {
        let operation = OperationId(u32::from(step > 0 || class > 0));
        self.heard.call_ended(
            at(101),
            &ClientCall {
                load: LoadId(load),
                class: ClassId(class),
                step,
                operation,
                took: SimDuration::from_millis(ms),
                end,
            },
        );
    }

    /// A sample: two ready pods of web that use one of two cores requested and four allowed, three
    /// of store that idle; one ready node of general that is half full; changed as wished.
    pub(crate) fn sample(&mut self, secs: u64, change: impl FnOnce(&mut Sample)) {
        let workload = |id, ready, cpu_cores| WorkloadSample {
            workload: WorkloadId(id),
            desired: 2,
            ready,
            pending: 0,
            active: ready,
            cpu_cores,
            cpu_requested_cores: 2.0,
            cpu_limit_cores: 4.0,
            memory_bytes: 100.0,
            memory_requested_bytes: 400.0,
            cfs: None,
        };
        let station = |id| StationSample {
            station: StationId(id),
            workload: None,
            waiting: 0,
            inside: 0,
            gpu_busy: None,
        };
        let mut sample = Sample {
            placed: Vec::new(),
            offered_per_second: 10.0,
            virtual_users: 3,
            workloads: vec![workload(0, 2, 1.0), workload(1, 3, 0.0)],
            stations: vec![station(0), station(1)],
            pools: vec![
                PoolSample {
                    nodes: 1,
                    paid_per_hour: Some(Decimal::new(40, 2)),
                    ready: 1,
                    cpu_requested_cores: 2.0,
                    cpu_allocatable_cores: 4.0,
                    memory_requested_bytes: 100.0,
                    memory_allocatable_bytes: 1000.0,
                    ..PoolSample::default()
                },
                PoolSample::default(),
            ],
            pods_pending: 0,
            budgets: Vec::new(),
        };
        change(&mut sample);
        self.heard.sample(at(secs), &sample);
    }

    /// The run ends at 160 s.
    pub(crate) fn finish(mut self) -> Measurements {
        self.heard.finish(at(160));
        self.heard
    }
}
