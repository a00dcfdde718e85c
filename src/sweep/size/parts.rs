//! The parts of a scenario that can be sized: workloads whose service says what a request costs.

use std::sync::Arc;

use super::figures::{Field, Owner, now};
use crate::cluster::api::budget::Allowance;
use crate::cluster::api::{Container, WorkloadKind};
use crate::control::hpa::{MetricSpec, ResourceName};
use crate::model::id::{StationId, WorkloadId};
use crate::scenario::Scenario;
use crate::service::spec::StationKind;
use crate::units::convert::f64_from_i64;
use crate::units::{Bytes, MilliCpu};

/// A workload that serves, with everything that decides its size.
#[derive(Debug, Clone)]
pub struct Part {
    /// Name of the service.
    pub service: Arc<str>,
    /// The workload.
    pub owner: Owner,
    /// Its container that serves.
    pub container: Owner,
    /// Its id in the scenario it was read from.
    pub workload: WorkloadId,
    /// The station of its pods.
    pub station: StationId,
    /// Its autoscaler.
    pub hpa: Option<Scaling>,
    /// Pods that a budget wants to keep, the most of all that select its pods.
    pub kept_by_budget: i64,
    /// The budgets that select its pods.
    pub budgets: Vec<Owner>,
    /// Whether its pods have identities and disks, so that their number is not for sizing.
    pub stateful: bool,
    /// Cores that the process can use, whatever the limit.
    pub process_cores: Option<f64>,
    /// Requests that a pod works on at once.
    pub places: Option<u32>,
    /// Whether its pods serve with GPUs.
    pub has_gpu: bool,
    /// What the other containers of a pod request.
    pub beside: (MilliCpu, Bytes),
}

/// How a workload is scaled.
#[derive(Debug, Clone)]
pub struct Scaling {
    /// The HorizontalPodAutoscaler.
    pub owner: Owner,
    /// CPU target as a share of the request; `None` when it does not look at CPU so.
    pub cpu_target: Option<f64>,
    /// Memory target as a share of the request.
    pub memory_target: Option<f64>,
}

impl Part {
    /// The figure that says how many pods there are at least.
    #[must_use]
    pub fn least_pods(&self) -> super::Figure {
        match &self.hpa {
            Some(scaling) => scaling.owner.figure(Field::MinReplicas),
            None => self.owner.figure(Field::Replicas),
        }
    }

    /// Cores that a pod can use with a limit.
    #[must_use]
    pub fn cores(&self, limit: Option<f64>) -> Option<f64> {
        match (limit, self.process_cores) {
            (Some(limit), Some(process)) => Some(limit.min(process)),
            (limit, process) => limit.or(process),
        }
    }
}

/// All parts of a scenario, in the order of its services.
#[must_use]
pub fn parts(scenario: &Scenario) -> Vec<Part> {
    let stations = scenario.services.stations.iter().enumerate();
    stations.filter_map(|(at, _)| part(scenario, StationId::at(at))).collect()
}

fn part(scenario: &Scenario, station: StationId) -> Option<Part> {
    let spec = &scenario.services.stations[station.index()];
    let id = spec.workload?;
    let workload = &scenario.workloads[id.index()];
    let stateful = match workload.kind {
        WorkloadKind::Deployment { .. } | WorkloadKind::ReplicaSet => false,
        WorkloadKind::StatefulSet { .. } => true,
        WorkloadKind::DaemonSet { .. } | WorkloadKind::Job(_) => return None,
    };
    let container = serving(scenario, station)?;
    let whole = workload.template.spec.requests();
    let own = &container.requests;
    let beside = (
        MilliCpu((whole.cpu - own.cpu.unwrap_or_default()).0.max(0)),
        Bytes((whole.memory - own.memory.unwrap_or_default()).0.max(0)),
    );
    let (process_cores, places) = match &spec.kind {
        StationKind::Cpu(cpu) => (cpu.max_cores, cpu.concurrency),
        StationKind::Worker(worker) => (None, Some(worker.concurrency)),
        StationKind::Gpu(_) | StationKind::Delay => (None, None),
    };
    let (budgets, kept_by_budget) = budgets(scenario, id);
    Some(Part {
        service: Arc::clone(&spec.name),
        owner: Owner::workload(workload),
        container: Owner::container(workload, &container.name),
        workload: id,
        station,
        hpa: scaling(scenario, id),
        kept_by_budget,
        budgets,
        stateful,
        process_cores,
        places,
        has_gpu: matches!(spec.kind, StationKind::Gpu(_)),
        beside,
    })
}

/// The container in which a service lives.
fn serving(scenario: &Scenario, station: StationId) -> Option<&Container> {
    let id = scenario.services.stations[station.index()].workload?;
    let spec = &scenario.workloads[id.index()].template.spec;
    let process = scenario.processes.services.get(&station);
    let wanted = process.and_then(|process| process.container.as_ref());
    let mut all = spec.init_containers.iter().chain(&spec.containers);
    let named = all.find(|container| Some(&container.name) == wanted);
    named.or_else(|| spec.containers.first())
}

fn scaling(scenario: &Scenario, workload: WorkloadId) -> Option<Scaling> {
    let hpa = scenario.hpas.iter().find(|hpa| hpa.target == workload)?;
    let target = |wanted: &ResourceName| {
        let percents = hpa.spec.metrics.iter().filter_map(|metric| match metric {
            MetricSpec::Resource { name, target } if name == wanted => target.average_utilization,
            MetricSpec::Resource { .. }
            | MetricSpec::ContainerResource { .. }
            | MetricSpec::Pods { .. }
            | MetricSpec::Object { .. }
            | MetricSpec::External { .. } => None,
        });
        percents.min().map(|percent| f64::from(percent) / 100.0)
    };
    let assumed = hpa.spec.metrics.is_empty().then_some(0.8);
    Some(Scaling {
        owner: Owner::autoscaler(hpa),
        cpu_target: target(&ResourceName::Cpu).or(assumed),
        memory_target: target(&ResourceName::Memory),
    })
}

/// The budgets that select the pods of a workload, and the most pods that one of them keeps, of as
/// many as there are at least.
fn budgets(scenario: &Scenario, workload: WorkloadId) -> (Vec<Owner>, i64) {
    let spec = &scenario.workloads[workload.index()];
    let selects = |budget: &&Arc<crate::cluster::api::PodDisruptionBudgetSpec>| {
        let selector = budget.selector.as_ref();
        budget.meta.namespace == spec.meta.namespace
            && selector.is_some_and(|selector| selector.matches(&spec.template.labels))
    };
    let found = || scenario.budgets.iter().filter(selects);
    let kept = found().filter_map(|budget| match budget.allowance {
        Some(Allowance::MinAvailable(count)) => {
            Some(i64::from(count.scaled(scenario.initial_replicas[workload.index()], true)))
        }
        Some(Allowance::MaxUnavailable(_)) | None => None,
    });
    let kept = kept.max().unwrap_or(0);
    (found().map(|budget| Owner::budget(&budget.meta)).collect(), kept)
}

/// Cores of a CPU figure; `None` when it is not written.
#[must_use]
pub fn cores_of(scenario: &Scenario, owner: &Owner, field: Field) -> Option<f64> {
    let super::Amount::Cpu(cpu) = now(scenario, &owner.figure(field))? else { return None };
    Some(f64_from_i64(cpu.0) / 1000.0)
}

/// Bytes of a memory figure; `None` when it is not written.
#[must_use]
pub fn bytes_of(scenario: &Scenario, owner: &Owner, field: Field) -> Option<f64> {
    let super::Amount::Memory(bytes) = now(scenario, &owner.figure(field))? else { return None };
    Some(bytes.as_f64())
}

/// The number of a count.
#[must_use]
pub fn count_of(scenario: &Scenario, figure: &super::Figure) -> Option<i64> {
    now(scenario, figure)?.number()
}
