//! What service profiles know of processes: the container a service lives in, the CPU its start
//! takes, other containers of a pod, and how often the pods of Jobs fail.

use std::sync::Arc;

use super::codes;
use super::decode::{Fields, Value};
use super::kubernetes::{Objects, ServiceObject};
use crate::cluster::api::WorkloadSpec;
use crate::cluster::api::pod::Container;
use crate::model::id::{OperationId, StationId, WorkloadId};
use crate::scenario::Processes;
use crate::scenario::process::{ProcessSpec, ServiceProcess};
use crate::service::ServiceGraph;
use crate::service::spec::JobWork;
use crate::units::{Bytes, MilliCpu};

/// Reads the processes of all documents. `graph` tells which workload each service is.
pub(super) fn processes(
    documents: &[Fields<'_>],
    graph: Option<&ServiceGraph>,
    objects: &Objects,
) -> Option<Processes> {
    let mut read = Processes::default();
    let mut complete = Some(());
    let mut station = 0;
    for fields in documents {
        for service in entries(fields, "services")? {
            let id = StationId::at(station);
            station += 1;
            let workload = graph.and_then(|graph| graph.stations.get(id.index())?.workload);
            let workload = workload.map(|workload| &objects.workloads[workload.index()]);
            match service_process(&service.1, workload, objects) {
                Some(process) if process == ServiceProcess::default() => {}
                Some(process) => {
                    read.services.insert(id, process);
                }
                None => complete = None,
            }
        }
        for (name, value) in entries(fields, "containers")? {
            match container(&name, &value, objects) {
                Some((key, spec)) => {
                    read.containers.insert(key, spec);
                }
                None => complete = None,
            }
        }
        for (name, value) in entries(fields, "jobs")? {
            let found = objects.named(&name, None).map(WorkloadId::at);
            let failure = value.node().get("failure").map(|_| value.descend("failure"));
            match (found, failure.map(|value| value.share())) {
                (Some(id), Some(Some(failure))) => {
                    read.job_failures.insert(id, failure);
                }
                (_, Some(None)) => complete = None,
                (None, Some(Some(_))) | (_, None) => {}
            }
            if value.node().get("work").is_some() {
                match (found, job_work(&value.descend("work"), graph)) {
                    (Some(id), Some(work)) => {
                        read.job_work.insert(id, work);
                    }
                    (Some(_), None) => complete = None,
                    (None, _) => {}
                }
            }
        }
    }
    complete.map(|()| read)
}

/// `work: {call: backup.piece, parallel: 4, times: 20000}` of a job.
fn job_work(value: &Value<'_>, graph: Option<&ServiceGraph>) -> Option<JobWork> {
    let fields = value.fields()?;
    let call = fields.required("call");
    let parallel = fields.read_or("parallel", 1, |value| value.integer(1..=10_000_u32));
    let times = fields.read("times", |value| value.integer(1..=1_000_000_000_u64));
    fields.finish("the work of a job");
    let (call, graph) = (call?, graph?);
    let name = call.non_empty()?;
    let found = graph.operations.iter().position(|operation| &*operation.name == name);
    if found.is_none() {
        let known = graph.operations.iter().map(|operation| &*operation.name);
        call.report(call.unknown_reference(name, "operation", known));
    }
    Some(JobWork { operation: OperationId::at(found?), parallel: parallel?, times: times? })
}

type Named<'a> = Vec<(String, Value<'a>)>;

fn entries<'a>(fields: &Fields<'a>, name: &'static str) -> Option<Named<'a>> {
    let Some(value) = fields.optional(name) else { return Some(Vec::new()) };
    let entries = value.entries()?;
    Some(entries.into_iter().map(|(name, value)| (name.text.to_owned(), value)).collect())
}

/// `container` and `startCpu` of a service; its other fields are read elsewhere.
fn service_process(
    value: &Value<'_>,
    workload: Option<&WorkloadSpec>,
    objects: &Objects,
) -> Option<ServiceProcess> {
    let at = |name: &str| value.node().get(name).map(|_| value.descend(name));
    let start_cpu = at("startCpu").map_or(Some(MilliCpu(0)), |value| value.cores());
    let container = match at("container") {
        None => Some(workload.and_then(|workload| with_the_port(workload, objects))),
        Some(value) => named_container(&value, value.non_empty()?, workload).map(Some),
    };
    Some(ServiceProcess { container: container?, start_cpu: start_cpu? })
}

/// The container that a Service's port leads to, where that is another than the first.
fn with_the_port(workload: &WorkloadSpec, objects: &Objects) -> Option<Arc<str>> {
    let containers = &workload.template.spec.containers;
    if containers.len() < 2 {
        return None;
    }
    let labels = &workload.template.labels;
    let selects = |service: &&ServiceObject| {
        service.meta.namespace == workload.meta.namespace
            && !service.selector.is_empty()
            && service.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    let targets: Vec<&Arc<str>> =
        objects.services.iter().filter(selects).flat_map(|service| &service.targets).collect();
    let leads_to = |container: &&Container| {
        container.ports.iter().any(|(name, number)| {
            targets
                .iter()
                .any(|target| name.as_ref() == Some(*target) || ***target == number.to_string())
        })
    };
    let found = containers.iter().find(leads_to)?;
    (found.name != containers[0].name).then(|| Arc::clone(&found.name))
}

fn named_container(
    value: &Value<'_>,
    name: &str,
    workload: Option<&WorkloadSpec>,
) -> Option<Arc<str>> {
    // A service without a workload was refused before.
    let Some(workload) = workload else { return Some(Arc::from(name)) };
    let serves = |container: &&Container| {
        container.sidecar || workload.template.spec.containers.contains(container)
    };
    let spec = &workload.template.spec;
    let all = || spec.init_containers.iter().chain(&spec.containers).filter(serves);
    if let Some(found) = all().find(|container| *container.name == *name) {
        return Some(Arc::clone(&found.name));
    }
    let known = all().map(|container| &*container.name);
    value.report(value.unknown_reference(name, "container", known));
    None
}

/// `gateway/wait-for-db: {duration: 3s, failure: 10%}`.
fn container(
    name: &str,
    value: &Value<'_>,
    objects: &Objects,
) -> Option<((WorkloadId, Arc<str>), ProcessSpec)> {
    let default = ProcessSpec::default();
    let fields = value.fields()?;
    let origin = fields.optional("duration").map(|value| value.origin());
    let duration = fields.read("duration", Value::distribution);
    let failure = fields.read_or("failure", 0.0, Value::share);
    let start = fields.read_or("start", default.start.clone(), Value::distribution);
    let idle = fields.read_or("idle", (None, None), idle);
    fields.finish("a container (WORKLOAD/CONTAINER)");
    let Some((workload, wanted)) = name.rsplit_once('/') else {
        let message = format!("has `{name}`, must be WORKLOAD/CONTAINER");
        value.report(value.error(codes::INVALID_VALUE, &message).primary(value.key_span(), ""));
        return None;
    };
    let Some(found) = objects.named(workload, None) else {
        if objects.is_broken(workload) {
            return None;
        }
        let known = objects.workloads.iter().map(|workload| &*workload.meta.name);
        value.report(value.unknown_reference(workload, "workload", known));
        return None;
    };
    let spec = &objects.workloads[found].template.spec;
    let all = || spec.init_containers.iter().chain(&spec.containers);
    let Some(container) = all().find(|container| *container.name == *wanted) else {
        let known = all().map(|container| &*container.name);
        value.report(value.unknown_reference(wanted, "container", known));
        return None;
    };
    let (idle_cpu, idle_memory) = idle?;
    let (duration, origin) = match duration? {
        Some(duration) => (duration, origin.unwrap_or(default.origin)),
        None => (default.duration, default.origin),
    };
    let key = (WorkloadId::at(found), Arc::clone(&container.name));
    let spec =
        ProcessSpec { duration, origin, failure: failure?, start: start?, idle_cpu, idle_memory };
    Some((key, spec))
}

fn idle(value: &Value<'_>) -> Option<(Option<MilliCpu>, Option<Bytes>)> {
    let fields = value.fields()?;
    let cpu = fields.read("cpu", Value::cores);
    let memory = fields.read("memory", Value::bytes);
    fields.finish("the use of a container");
    Some((cpu?, memory?))
}
