//! The stations of service profiles: which workload serves, and how each of its pods does.

use super::codes;
use super::decode::{Fields, Name, Value};
use super::kubernetes::Objects;
use super::services::at_once;
use crate::model::id::WorkloadId;
use crate::scenario::DisruptionTarget;
use crate::service::spec::{
    BatchLatency, CpuSpec, GpuSpec, Routing, ServiceGraph, StationKind, StationSpec, WorkerSpec,
};
use crate::units::convert::trunc_i64;
use crate::units::{Bytes, MilliCpu, SimDuration};

/// One service, its operations aside.
pub(super) fn station(
    name: Name<'_>,
    value: &Value<'_>,
    objects: &Objects,
    names: &[&str],
) -> Option<StationSpec> {
    let fields = value.fields()?;
    let kind = fields.exactly_one(&["cpu", "gpu", "worker", "delay"]);
    let outside = matches!(kind, Some(("delay", _)));
    let workload = workload(&fields, outside, objects);
    let kind = kind.and_then(|(kind, body)| station_kind(kind, &body));
    let backlog = fields.read("backlog", |value| value.integer(0..=u32::MAX));
    let start = fields.read_or("start", at_once(), Value::distribution);
    let warm_up = fields.read("warmUp", Value::distribution);
    let idle = fields.read_or("idle", (MilliCpu(0), Bytes(0)), idle);
    let memory = fields.read_or("memory", (Bytes(0), Bytes(0)), memory);
    let routing = fields.read_or("routing", (Routing::Random, 1, None), routing);
    let works_on_abandoned = fields.read_or("worksOnAbandoned", false, Value::boolean);
    let front = super::front::front(&fields, names, name.text);
    let disk = fields.read("disk", super::resources::disk);
    let link = fields.read("link", super::resources::link);
    fields.read("operations", |value| value.entries().map(|_| ()));
    // What is known of its process is read beside (`processes`).
    fields.ignore(&["container", "startCpu"]);
    fields.finish("a service");
    let ((idle_cpu, idle_memory), (memory_per_request, memory_leak_per_hour)) = (idle?, memory?);
    let (routing, pinned_connections, connection_age) = routing?;
    let mut station = StationSpec {
        name: name.text.into(),
        workload: workload?,
        kind: kind?,
        backlog: backlog?,
        start: start?,
        warm_up: warm_up?,
        idle_cpu,
        idle_memory,
        memory_per_request,
        memory_leak_per_hour,
        routing,
        pinned_connections,
        connection_age,
        disk: disk?,
        link: link?,
        works_on_abandoned: works_on_abandoned?,
        ..StationSpec::plain("", StationKind::Delay)
    };
    front?(&mut station);
    Some(station)
}

/// The workload whose pods serve; a service outside the cluster has none, any other must.
fn workload(fields: &Fields<'_>, outside: bool, objects: &Objects) -> Option<Option<WorkloadId>> {
    let namespace = fields.read("namespace", Value::non_empty);
    if outside {
        return match fields.optional("workload") {
            None => Some(None),
            Some(value) => {
                let message = "must not be there: a service of kind `delay` is outside the cluster";
                value.report(
                    value.error(codes::EXCLUSIVE_FIELDS, message).primary(value.key_span(), ""),
                );
                None
            }
        };
    }
    let value = fields.required("workload")?;
    let wanted = value.non_empty()?;
    let namespace = namespace?;
    let found = objects.named(wanted, namespace);
    if found.is_none() && !objects.is_broken(wanted) {
        let known: Vec<String> = objects.workloads.iter().map(ToString::to_string).collect();
        value.report(value.unknown_reference(wanted, "workload", known.iter().map(String::as_str)));
    }
    found.map(|at| Some(WorkloadId::at(at)))
}

fn station_kind(kind: &str, body: &Value<'_>) -> Option<StationKind> {
    match kind {
        "cpu" => cpu(body).map(StationKind::Cpu),
        "gpu" => gpu(body).map(StationKind::Gpu),
        "worker" => worker(body).map(StationKind::Worker),
        _ => {
            if !body.node().is_null() {
                body.fields()?.finish("a delay");
            }
            Some(StationKind::Delay)
        }
    }
}

fn cpu(body: &Value<'_>) -> Option<CpuSpec> {
    if body.node().is_null() {
        return Some(CpuSpec {
            concurrency: None,
            threads_per_request: 1.0,
            max_cores: None,
            exact_quota: false,
        });
    }
    let fields = body.fields()?;
    let concurrency = fields.read("concurrency", |value| value.integer(1..=u32::MAX));
    let above_zero = |value: &Value<'_>| value.number(0.001..=1_000_000.0);
    let threads = fields.read_or("threadsPerRequest", 1.0, above_zero);
    let max_cores = fields.read("maxCores", above_zero);
    let disciplines = [("processorSharing", false), ("fifo", true)];
    let fifo = fields.read_or("discipline", false, |value| value.word(&disciplines));
    let quotas = [("mean", false), ("exact", true)];
    let exact_quota = fields.read_or("cfs", false, |value| value.word(&quotas));
    fields.finish("a cpu station");
    let (concurrency, threads, max_cores) = (concurrency?, threads?, max_cores?);
    let concurrency =
        if fifo? { Some(one_a_core(body, concurrency, threads, max_cores)?) } else { concurrency };
    Some(CpuSpec {
        concurrency,
        threads_per_request: threads,
        max_cores,
        exact_quota: exact_quota?,
    })
}

/// First come, first served: as many requests at once as can each have all of their cores.
fn one_a_core(
    body: &Value<'_>,
    concurrency: Option<u32>,
    threads: f64,
    max_cores: Option<f64>,
) -> Option<u32> {
    let Some(cores) = max_cores else {
        let message = "needs `maxCores` for the discipline `fifo`: it says how many requests are \
                       served at once";
        body.report(body.error(codes::MISSING_FIELD, message));
        return None;
    };
    let servers = u32::try_from(trunc_i64(cores / threads).max(1)).unwrap_or(u32::MAX);
    Some(concurrency.map_or(servers, |concurrency| concurrency.min(servers)))
}

fn gpu(body: &Value<'_>) -> Option<GpuSpec> {
    let fields = body.fields()?;
    let max_batch = fields.read_or("maxBatch", 1, |value| value.integer(1..=100_000_u32));
    let max_queue_delay = fields.read_or("maxQueueDelay", SimDuration::ZERO, Value::duration);
    let latency = fields.required("batchLatency").and_then(|value| batch_latency(&value));
    fields.finish("a gpu station");
    Some(GpuSpec { max_batch: max_batch?, max_queue_delay: max_queue_delay?, latency: latency? })
}

pub(super) fn batch_latency(value: &Value<'_>) -> Option<BatchLatency> {
    let fields = value.fields()?;
    if let Some(table) = fields.optional("table") {
        fields.finish("a batch latency given as table");
        return latency_table(&table).map(BatchLatency::Table);
    }
    let base = fields.required("base").and_then(|value| value.duration());
    let per_item = fields.required("perItem").and_then(|value| value.duration());
    fields.finish("a batch latency");
    Some(BatchLatency::Line { base: base?, per_item: per_item? })
}

fn latency_table(table: &Value<'_>) -> Option<Vec<(u32, SimDuration)>> {
    let mut points = Vec::new();
    let mut complete = true;
    for (size, latency) in table.entries()? {
        let duration = latency.duration();
        match size.text.parse::<u32>().ok().filter(|size| *size > 0) {
            Some(size) => match duration {
                Some(duration) => points.push((size, duration)),
                None => complete = false,
            },
            None => {
                let message =
                    format!("has `{}` as batch size, must be a whole number above 0", size.text);
                table.report(table.error(codes::INVALID_VALUE, &message).primary(size.span, ""));
                complete = false;
            }
        }
    }
    if points.is_empty() && complete {
        table.report(table.error(codes::MISSING_FIELD, "needs at least one batch size"));
        complete = false;
    }
    points.sort_unstable_by_key(|(size, _)| *size);
    complete.then_some(points)
}

/// Celery's defaults: four tasks reserved for each process, acknowledged before they are worked on.
fn worker(body: &Value<'_>) -> Option<WorkerSpec> {
    let fields = body.fields()?;
    let concurrency = fields.required("concurrency").and_then(|value| value.integer(1..=u32::MAX));
    let prefetch = fields.read_or("prefetch", 4, |value| value.integer(0..=u32::MAX));
    let acks = [("early", false), ("late", true)];
    let late_acks = fields.read_or("acks", false, |value| value.word(&acks));
    let visible =
        fields.read_or("visibilityTimeout", SimDuration::from_secs(3_600), super::policy::positive);
    fields.finish("a worker station");
    Some(WorkerSpec {
        concurrency: concurrency?,
        prefetch: prefetch?,
        late_acks: late_acks?,
        visibility_timeout: visible?,
    })
}

fn idle(value: &Value<'_>) -> Option<(MilliCpu, Bytes)> {
    let fields = value.fields()?;
    let cpu = fields.read_or("cpu", MilliCpu(0), Value::cores);
    let memory = fields.read_or("memory", Bytes(0), Value::bytes);
    fields.finish("the use of an idle pod");
    Some((cpu?, memory?))
}

fn memory(value: &Value<'_>) -> Option<(Bytes, Bytes)> {
    let fields = value.fields()?;
    let per_request = fields.read_or("perRequest", Bytes(0), Value::bytes);
    let leak = fields.read_or("leakPerHour", Bytes(0), Value::bytes);
    fields.finish("the memory of a service");
    Some((per_request?, leak?))
}

/// A word, or `pinned: {connections: 4, maxAge: 10m}` of connections that stay open.
fn routing(value: &Value<'_>) -> Option<(Routing, u32, Option<SimDuration>)> {
    if value.node().mapping().is_some() {
        let fields = value.fields()?;
        let pinned = fields.required("pinned").and_then(|pinned| {
            let fields = pinned.fields()?;
            let connections =
                fields.read_or("connections", 1, |value| value.integer(1..=100_000_u32));
            let age = fields.read("maxAge", super::policy::positive);
            fields.finish("connections that stay open");
            Some((Routing::Pinned, connections?, age?))
        });
        fields.finish("how callers choose a pod");
        return pinned;
    }
    let words = [
        ("random", Routing::Random),
        ("roundRobin", Routing::RoundRobin),
        ("leastRequests", Routing::LeastRequests),
        ("powerOfTwo", Routing::PowerOfTwo),
        ("pinned", Routing::Pinned),
    ];
    value.word(&words).map(|routing| (routing, 1, None))
}

/// The event `slow`: a service, by how much, and for how long.
pub(super) fn slow_event(
    fields: &Fields<'_>,
    services: Option<&ServiceGraph>,
    duration: Option<SimDuration>,
) -> Option<DisruptionTarget> {
    let service = fields.required("service");
    let factor = fields.required("factor").and_then(|factor| factor.number(0.001..=1_000_000.0));
    let service = service?;
    let (name, services) = (service.non_empty()?, services?);
    let station = services.station_named(name);
    if station.is_none() {
        let known = services.stations.iter().map(|station| &*station.name);
        service.report(service.unknown_reference(name, "service", known));
    }
    Some(DisruptionTarget::Slow { station: station?, factor: factor?, duration })
}
