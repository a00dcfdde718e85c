//! What sizing may set: figures of objects and pools, read from a scenario and put into one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::cluster::api::budget::Allowance;
use crate::cluster::api::meta::{IntOrPercent, ObjectMeta};
use crate::cluster::api::pod::Container;
use crate::cluster::api::{NodePoolSpec, WorkloadSpec};
use crate::control::hpa::{MetricSpec, MetricTarget, ResourceName};
use crate::scenario::{HpaObject, Scenario};
use crate::units::{Bytes, MilliCpu};

/// Whose figure it is. Names, not positions, so that it means the same in several scenarios.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The Kubernetes kind; `NodePool` for a pool of the cluster profile.
    pub kind: &'static str,
    /// Its namespace; empty for a pool.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The container, where the figure is one's.
    pub container: Option<Arc<str>>,
}

/// Which figure of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `resources.requests.cpu` of a container.
    CpuRequest,
    /// `resources.limits.cpu` of a container.
    CpuLimit,
    /// `resources.requests.memory` of a container.
    MemoryRequest,
    /// `resources.limits.memory` of a container.
    MemoryLimit,
    /// `spec.replicas` of a workload without autoscaler.
    Replicas,
    /// `spec.minReplicas` of a HorizontalPodAutoscaler.
    MinReplicas,
    /// `spec.maxReplicas` of a HorizontalPodAutoscaler.
    MaxReplicas,
    /// `averageUtilization` of the CPU metric of a HorizontalPodAutoscaler (percent).
    CpuTarget,
    /// `spec.minAvailable` of a PodDisruptionBudget.
    MinAvailable,
    /// Least nodes of a pool.
    PoolMin,
    /// Most nodes of a pool.
    PoolMax,
    /// Machine type of a pool.
    PoolInstance,
}

/// A figure that can be set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    /// Whose.
    pub owner: Owner,
    /// Which.
    pub field: Field,
}

/// What a figure is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Amount {
    /// Not written.
    Absent,
    /// Cores.
    Cpu(MilliCpu),
    /// Memory.
    Memory(Bytes),
    /// Pods or nodes.
    Count(i64),
    /// Per cent.
    Percent(i64),
    /// A machine type.
    Machine(Arc<str>),
}

/// Figures to be set, each once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Figures(pub BTreeMap<Figure, Amount>);

impl Field {
    /// The path inside its object, as Kubernetes writes it.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::CpuRequest => "resources.requests.cpu",
            Self::CpuLimit => "resources.limits.cpu",
            Self::MemoryRequest => "resources.requests.memory",
            Self::MemoryLimit => "resources.limits.memory",
            Self::Replicas => "replicas",
            Self::MinReplicas => "minReplicas",
            Self::MaxReplicas => "maxReplicas",
            Self::CpuTarget => "averageUtilization (cpu)",
            Self::MinAvailable => "minAvailable",
            Self::PoolMin => "min",
            Self::PoolMax => "max",
            Self::PoolInstance => "instance",
        }
    }
}

impl fmt::Display for Owner {
    /// `Deployment/gateway`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("<none>"),
            Self::Cpu(cpu) => cpu.fmt(f),
            Self::Memory(bytes) => bytes.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Machine(name) => f.write_str(name),
        }
    }
}

impl Amount {
    /// The number of a count or percentage.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Count(number) | Self::Percent(number) => Some(*number),
            Self::Absent | Self::Cpu(_) | Self::Memory(_) | Self::Machine(_) => None,
        }
    }
}

impl Owner {
    fn of(kind: &'static str, meta: &ObjectMeta) -> Self {
        let (namespace, name) = (Arc::clone(&meta.namespace), Arc::clone(&meta.name));
        Self { kind, namespace, name, container: None }
    }

    /// A workload.
    #[must_use]
    pub fn workload(workload: &WorkloadSpec) -> Self {
        Self::of(workload.kind_name(), &workload.meta)
    }

    /// A container of a workload.
    #[must_use]
    pub fn container(workload: &WorkloadSpec, container: &Arc<str>) -> Self {
        Self { container: Some(Arc::clone(container)), ..Self::workload(workload) }
    }

    /// A HorizontalPodAutoscaler.
    #[must_use]
    pub fn autoscaler(hpa: &HpaObject) -> Self {
        Self::of("HorizontalPodAutoscaler", &hpa.meta)
    }

    /// A PodDisruptionBudget.
    #[must_use]
    pub fn budget(meta: &ObjectMeta) -> Self {
        Self::of("PodDisruptionBudget", meta)
    }

    /// A pool.
    #[must_use]
    pub fn pool(pool: &NodePoolSpec) -> Self {
        let (namespace, name) = (Arc::from(""), Arc::clone(&pool.name));
        Self { kind: "NodePool", namespace, name, container: None }
    }

    /// A figure of it.
    #[must_use]
    pub fn figure(&self, field: Field) -> Figure {
        Figure { owner: self.clone(), field }
    }

    fn is(&self, meta: &ObjectMeta) -> bool {
        self.name == meta.name && self.namespace == meta.namespace
    }
}

impl Figures {
    /// Sets a figure.
    pub fn set(&mut self, figure: Figure, amount: Amount) {
        self.0.insert(figure, amount);
    }

    /// What a figure is with these figures over those of a scenario.
    #[must_use]
    pub fn amount(&self, scenario: &Scenario, figure: &Figure) -> Option<Amount> {
        self.0.get(figure).cloned().or_else(|| now(scenario, figure))
    }

    /// These and others over them.
    #[must_use]
    pub fn with(&self, figure: Figure, amount: Amount) -> Self {
        let mut next = self.clone();
        next.set(figure, amount);
        next
    }

    /// The scenario with these figures in it.
    #[must_use]
    pub fn apply(&self, scenario: &Scenario) -> Scenario {
        let mut next = scenario.clone();
        for (figure, amount) in &self.0 {
            put(&mut next, figure, amount);
        }
        next
    }

    /// Only what differs from a scenario.
    #[must_use]
    pub fn changes(&self, scenario: &Scenario) -> Self {
        let differs = |(figure, amount): &(&Figure, &Amount)| {
            now(scenario, figure).is_some_and(|now| now != **amount)
        };
        let kept = self.0.iter().filter(differs);
        Self(kept.map(|(figure, amount)| (figure.clone(), amount.clone())).collect())
    }
}

fn container<'w>(workload: &'w WorkloadSpec, owner: &Owner) -> Option<&'w Container> {
    let wanted = owner.container.as_ref()?;
    let spec = &workload.template.spec;
    spec.containers.iter().chain(&spec.init_containers).find(|it| it.name == *wanted)
}

fn cpu_target(spec: &MetricSpec) -> Option<&MetricTarget> {
    match spec {
        MetricSpec::Resource { name: ResourceName::Cpu, target }
        | MetricSpec::ContainerResource { name: ResourceName::Cpu, target, .. } => {
            target.average_utilization.is_some().then_some(target)
        }
        MetricSpec::Resource { .. }
        | MetricSpec::ContainerResource { .. }
        | MetricSpec::Pods { .. }
        | MetricSpec::Object { .. }
        | MetricSpec::External { .. } => None,
    }
}

/// What a figure is in a scenario; `None` when its owner is not there.
#[must_use]
pub fn now(scenario: &Scenario, figure: &Figure) -> Option<Amount> {
    let owner = &figure.owner;
    let workload = || {
        let mut all = scenario.workloads.iter();
        all.find(|it| it.kind_name() == owner.kind && owner.is(&it.meta))
    };
    let hpa = || scenario.hpas.iter().find(|it| owner.is(&it.meta));
    let pool = || scenario.pools.iter().find(|it| it.name == owner.name);
    let cpu = |cpu: Option<MilliCpu>| cpu.map_or(Amount::Absent, Amount::Cpu);
    let memory = |bytes: Option<Bytes>| bytes.map_or(Amount::Absent, Amount::Memory);
    let own = || container(workload()?, owner);
    Some(match figure.field {
        Field::CpuRequest => cpu(own()?.requests.cpu),
        Field::CpuLimit => cpu(own()?.limits.cpu),
        Field::MemoryRequest => memory(own()?.requests.memory),
        Field::MemoryLimit => memory(own()?.limits.memory),
        Field::Replicas => Amount::Count(i64::from(workload()?.replicas)),
        Field::MinReplicas => Amount::Count(i64::from(hpa()?.spec.min_replicas.unwrap_or(1))),
        Field::MaxReplicas => Amount::Count(i64::from(hpa()?.spec.max_replicas)),
        Field::CpuTarget => {
            let target = hpa()?.spec.metrics.iter().find_map(cpu_target)?;
            Amount::Percent(i64::from(target.average_utilization?))
        }
        Field::MinAvailable => {
            let budget = scenario.budgets.iter().find(|it| owner.is(&it.meta))?;
            let Some(Allowance::MinAvailable(IntOrPercent::Int(count))) = budget.allowance else {
                return None;
            };
            Amount::Count(i64::from(count))
        }
        Field::PoolMin => Amount::Count(i64::from(pool()?.min)),
        Field::PoolMax => Amount::Count(i64::from(pool()?.max)),
        Field::PoolInstance => Amount::Machine(Arc::clone(&pool()?.instance.name)),
    })
}

fn put(scenario: &mut Scenario, figure: &Figure, amount: &Amount) {
    let owner = &figure.owner;
    match figure.field {
        Field::CpuRequest | Field::CpuLimit | Field::MemoryRequest | Field::MemoryLimit => {
            put_resource(scenario, figure, amount);
        }
        Field::Replicas => {
            let found = scenario
                .workloads
                .iter()
                .position(|it| it.kind_name() == owner.kind && owner.is(&it.meta));
            if let (Some(at), Some(count)) = (found, whole(amount)) {
                let workload = Arc::make_mut(&mut scenario.workloads[at]);
                if scenario.initial_replicas[at] == workload.replicas {
                    scenario.initial_replicas[at] = count;
                }
                workload.replicas = count;
            }
        }
        Field::MinReplicas | Field::MaxReplicas | Field::CpuTarget => {
            put_autoscaler(scenario, figure, amount);
        }
        Field::MinAvailable => {
            let mut all = scenario.budgets.iter_mut();
            if let (Some(budget), Some(count)) = (all.find(|it| owner.is(&it.meta)), whole(amount))
            {
                Arc::make_mut(budget).allowance =
                    Some(Allowance::MinAvailable(IntOrPercent::Int(count)));
            }
        }
        Field::PoolMin | Field::PoolMax | Field::PoolInstance => {
            put_pool(scenario, figure, amount);
        }
    }
}

fn whole(amount: &Amount) -> Option<i32> {
    amount.number().and_then(|number| i32::try_from(number).ok())
}

fn put_resource(scenario: &mut Scenario, figure: &Figure, amount: &Amount) {
    let owner = &figure.owner;
    let Some(wanted) = &owner.container else { return };
    let mut all = scenario.workloads.iter_mut();
    let found = all.find(|it| it.kind_name() == owner.kind && owner.is(&it.meta));
    let Some(workload) = found else { return };
    let template = Arc::make_mut(&mut Arc::make_mut(workload).template);
    let spec = &mut template.spec;
    let mut containers = spec.containers.iter_mut().chain(&mut spec.init_containers);
    let Some(container) = containers.find(|it| it.name == *wanted) else { return };
    let is_limit = matches!(figure.field, Field::CpuLimit | Field::MemoryLimit);
    let list = if is_limit { &mut container.limits } else { &mut container.requests };
    match amount {
        Amount::Cpu(cpu) => list.cpu = Some(*cpu),
        Amount::Memory(bytes) => list.memory = Some(*bytes),
        Amount::Absent | Amount::Count(_) | Amount::Percent(_) | Amount::Machine(_) => {}
    }
}

fn put_autoscaler(scenario: &mut Scenario, figure: &Figure, amount: &Amount) {
    let mut all = scenario.hpas.iter_mut();
    let found = all.find(|it| figure.owner.is(&it.meta));
    let (Some(hpa), Some(count)) = (found, whole(amount)) else { return };
    let hpa = Arc::make_mut(hpa);
    if figure.field == Field::MinReplicas {
        // The size at the start is the minimum unless the scenario states another.
        let initial = &mut scenario.initial_replicas[hpa.target.index()];
        if *initial == hpa.spec.min_replicas.unwrap_or(1) {
            *initial = count;
        }
        hpa.spec.min_replicas = Some(count);
    } else if figure.field == Field::MaxReplicas {
        hpa.spec.max_replicas = count;
    } else {
        let metrics = hpa.spec.metrics.iter_mut();
        for metric in metrics.filter(|metric| cpu_target(metric).is_some()) {
            if let MetricSpec::Resource { target, .. }
            | MetricSpec::ContainerResource { target, .. } = metric
            {
                target.average_utilization = Some(count);
            }
        }
    }
}

fn put_pool(scenario: &mut Scenario, figure: &Figure, amount: &Amount) {
    let machine = match amount {
        Amount::Machine(name) => scenario.machine(name).cloned(),
        Amount::Absent
        | Amount::Cpu(_)
        | Amount::Memory(_)
        | Amount::Count(_)
        | Amount::Percent(_) => None,
    };
    let count = amount.number().and_then(|number| u32::try_from(number).ok());
    let mut all = scenario.pools.iter_mut();
    let Some(pool) = all.find(|it| it.name == figure.owner.name) else { return };
    let pool = Arc::make_mut(pool);
    match (figure.field, count, machine) {
        (Field::PoolMin, Some(count), _) => {
            // Without a size of its own at the start, a pool starts at its minimum.
            if pool.initial == pool.min {
                pool.initial = count;
            }
            pool.min = count;
            pool.initial = pool.initial.max(count);
        }
        (Field::PoolMax, Some(count), _) => {
            pool.max = count;
            pool.initial = pool.initial.min(count);
        }
        (_, _, Some(machine)) => pool.set_instance(machine),
        _ => {}
    }
}
