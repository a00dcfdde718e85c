//! Documents of kind ServiceProfiles: stations, operations, calls between them, and what clients
//! do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call_loops;
use super::codes;
use super::decode::{Fields, Name, Value};
use super::diagnostic::Diagnostic;
use super::kubernetes::Objects;
use super::policy;
use super::resources;
use super::source::Span;
use super::station;
use crate::engine::Dist;
use crate::model::id::{OperationId, StationId};
use crate::service::spec::{
    CallMode, CallSpec, ClassSpec, ClientStep, GpuWork, OnError, OperationSpec, PolicySpec,
    ServiceGraph, StationKind, StepSpec,
};
use crate::units::convert::count_u32;
use crate::units::{Bytes, SimDuration};

/// Reads the services and classes of all documents; a call may go to a service of another document.
///
/// Each document is given as its fields, of which `apiVersion`, `kind` and `metadata` have been
/// read.
pub(super) fn service_graph(documents: &[Fields<'_>], objects: &Objects) -> Option<ServiceGraph> {
    let mut reader = Reader::default();
    let services: Vec<_> =
        documents.iter().flat_map(|fields| reader.list(fields, "services")).collect();
    let classes: Vec<_> =
        documents.iter().flat_map(|fields| reader.list(fields, "classes")).collect();
    let mut complete = unique(&services, "service") & unique(&classes, "class");
    reader.name_operations(&services);
    let mut graph = ServiceGraph::default();
    let names: Vec<&str> = services.iter().map(|(name, _)| name.text).collect();
    for (name, value) in &services {
        match station::station(*name, value, objects, &names) {
            Some(station) => {
                reader.kinds.insert(name.text.to_owned(), kind_name(&station.kind));
                graph.stations.push(station);
            }
            None => complete = false,
        }
    }
    let mut at = 0;
    for (position, (name, value)) in services.iter().enumerate() {
        for (operation, value) in operations(value) {
            let name = format!("{}.{}", name.text, operation.text);
            match reader.operation(StationId::at(position), OperationId::at(at), &name, &value) {
                Some(spec) => graph.operations.push(spec),
                None => complete = false,
            }
            at += 1;
        }
    }
    for (name, value) in &classes {
        match reader.class(*name, value) {
            Some(class) => graph.classes.push(class),
            None => complete = false,
        }
    }
    graph.policies = std::mem::take(&mut reader.policies);
    complete &= resources::network(documents, &mut graph);
    // Names written twice leave operations without a number of their own.
    let numbered = reader.names.len() == at;
    complete &= !numbered
        || documents.first().is_none_or(|fields| {
            call_loops::check(fields.value().context(), &reader.edges, &reader.operation_names())
        });
    complete.then_some(graph)
}

/// The key under which a kind of station is written.
fn kind_name(kind: &StationKind) -> &'static str {
    match kind {
        StationKind::Cpu(_) => "cpu",
        StationKind::Gpu(_) => "gpu",
        StationKind::Worker(_) => "worker",
        StationKind::Delay => "delay",
    }
}

type Entry<'a> = (Name<'a>, Value<'a>);

/// Reports names that occur twice over all documents.
fn unique(entries: &[Entry<'_>], what: &str) -> bool {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    let mut holds = true;
    for (name, value) in entries {
        if let Some(&first) = seen.get(name.text) {
            let message = format!("the {what} `{}` is written twice", name.text);
            let error =
                Diagnostic::error(codes::DUPLICATE_NAME, message).primary(name.span, "again here");
            value.report(error.secondary(first, "first here"));
            holds = false;
        }
        seen.entry(name.text).or_insert(name.span);
    }
    holds
}

/// The operations of a service, without a word about what is wrong: the strict reading comes later.
fn operations<'a>(service: &Value<'a>) -> Vec<Entry<'a>> {
    let operations = service.descend("operations");
    if operations.node().mapping().is_none() || operations.path() == service.path() {
        return Vec::new();
    }
    operations.entries().unwrap_or_default()
}

#[derive(Default)]
struct Reader {
    /// Ids of operations by `service.operation`.
    names: BTreeMap<String, OperationId>,
    /// Every call with its place, for loops.
    edges: Vec<call_loops::Edge>,
    /// Kinds of the stations that were read well, by service.
    kinds: BTreeMap<String, &'static str>,
    /// Policies of calls so far.
    policies: Vec<PolicySpec>,
}

impl Reader {
    fn list<'a>(&self, fields: &Fields<'a>, name: &'static str) -> Vec<Entry<'a>> {
        fields.optional(name).and_then(|value| value.entries()).unwrap_or_default()
    }

    fn name_operations(&mut self, services: &[Entry<'_>]) {
        for (service, value) in services {
            for (operation, _) in operations(value) {
                let id = OperationId::at(self.names.len());
                self.names.entry(format!("{}.{}", service.text, operation.text)).or_insert(id);
            }
        }
    }

    /// Names of operations by id.
    fn operation_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.names.iter().map(|(name, id)| (*id, name.as_str())).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name).collect()
    }

    fn operation(
        &mut self,
        station: StationId,
        id: OperationId,
        name: &str,
        value: &Value<'_>,
    ) -> Option<OperationSpec> {
        let fields = value.fields()?;
        let cpu = fields.read("cpu", Value::distribution);
        let wait = fields.read("wait", Value::distribution);
        let timeout = fields.read("timeout", Value::duration);
        let payload = fields.read_or("payload", Bytes(0), Value::bytes);
        let gpu = match fields.at_most_one(&["gpuItems", "gpuTime"]) {
            None => None,
            Some(None) => Some(None),
            Some(Some(("gpuItems", items))) => {
                items.integer(1..=100_000_u32).map(|items| Some(GpuWork::Items(items)))
            }
            Some(Some((_, time))) => time.distribution().map(|time| Some(GpuWork::Time(time))),
        };
        let io = fields.read("io", resources::io);
        let cache = fields.read("cache", resources::cache);
        let batch_latency = fields.read("batchLatency", station::batch_latency);
        let steps =
            fields.read_or("calls", Vec::new(), |value| value.list(|step| self.step(id, step)));
        fields.finish("an operation");
        self.check_work(name, value)?;
        Some(OperationSpec {
            station,
            name: name.into(),
            cpu: cpu?,
            wait: wait?,
            gpu: gpu?,
            io: io?,
            cache: cache?,
            batch_latency: batch_latency?,
            timeout: timeout?,
            payload: payload?,
            steps: steps?,
        })
    }

    /// GPU work needs a GPU, and a service outside the cluster has no CPU of ours.
    fn check_work(&self, name: &str, value: &Value<'_>) -> Option<()> {
        let service = name.split_once('.').map_or(name, |(service, _)| service);
        let kind = *self.kinds.get(service)?;
        let forbidden: &[&str] = match kind {
            "gpu" => &[],
            "delay" => &["cpu", "io", "gpuItems", "gpuTime", "batchLatency"],
            _ => &["gpuItems", "gpuTime", "batchLatency"],
        };
        let mut holds = Some(());
        for field in forbidden.iter().filter(|field| value.node().get(field).is_some()) {
            let place = value.descend(field);
            let message = format!("must not be there: `{service}` is a service of kind `{kind}`");
            value.report(
                place.error(codes::EXCLUSIVE_FIELDS, &message).primary(place.key_span(), ""),
            );
            holds = None;
        }
        holds
    }

    /// A task can only be queued where workers take tasks from a queue.
    fn check_mode(&self, to: &Value<'_>, mode: CallMode) -> Option<()> {
        let name = to.node().text().unwrap_or_default();
        let service = name.split_once('.').map_or(name, |(service, _)| service);
        let kind = self.kinds.get(service).copied();
        if mode == CallMode::Enqueue && kind.is_some_and(|kind| kind != "worker") {
            let message =
                format!("cannot be called with `mode: enqueue`: `{service}` is no `worker`");
            to.report(to.error(codes::EXCLUSIVE_FIELDS, &message));
            return None;
        }
        Some(())
    }

    fn step(&mut self, caller: OperationId, value: &Value<'_>) -> Option<StepSpec> {
        if value.node().get("parallel").is_none() {
            return self.call(caller, value).map(|call| StepSpec { calls: vec![call] });
        }
        let fields = value.fields()?;
        let calls = fields.required("parallel").and_then(|calls| {
            let read = calls.list(|call| self.call(caller, call));
            if calls.node().sequence().is_some_and(<[_]>::is_empty) {
                calls.report(calls.error(codes::MISSING_FIELD, "needs at least one call"));
                return None;
            }
            read
        });
        fields.finish("a step of calls");
        Some(StepSpec { calls: calls? })
    }

    fn call(&mut self, caller: OperationId, value: &Value<'_>) -> Option<CallSpec> {
        let fields = value.fields()?;
        let to = fields.required("to");
        let operation = to.as_ref().and_then(|to| self.target(to));
        let count = fields.read_or("count", 1, |value| value.integer(1..=100_000_u32));
        let probability = fields.read_or("probability", 1.0, |value| value.number(0.0..=1.0));
        let timeout = fields.read("timeout", Value::duration);
        let modes = [("wait", CallMode::Wait), ("enqueue", CallMode::Enqueue)];
        let mode = fields.read_or("mode", CallMode::Wait, |value| value.word(&modes));
        let on_error = policy::on_error(&fields);
        let policy = policy::policy(&fields, false);
        fields.finish("a call");
        let (to, operation, mode) = (to?, operation?, mode?);
        self.check_mode(&to, mode)?;
        let policy = policy?;
        if mode == CallMode::Enqueue && (policy.is_some() || on_error? != OnError::Fail) {
            let message = "is handed over with `mode: enqueue`: nobody waits, so that nothing can be \
                           tried again or answered for";
            value.report(value.error(codes::EXCLUSIVE_FIELDS, message));
            return None;
        }
        let calls = f64::from(count.unwrap_or(1)) * probability.unwrap_or(1.0);
        let span = to.span();
        self.edges.push(call_loops::Edge { from: caller, to: operation, span, calls });
        Some(CallSpec {
            operation,
            count: count?,
            probability: probability?,
            timeout: timeout?,
            mode,
            on_error: on_error?,
            policy: self.numbered(policy),
        })
    }

    /// The number of a policy, after it was kept.
    fn numbered(&mut self, policy: Option<PolicySpec>) -> Option<u32> {
        policy.map(|policy| {
            self.policies.push(policy);
            count_u32(self.policies.len() - 1)
        })
    }

    /// The operation that a text names.
    fn target(&self, value: &Value<'_>) -> Option<OperationId> {
        let name = value.non_empty()?;
        let found = self.names.get(name).copied();
        if found.is_none() {
            let known = self.names.keys().map(String::as_str);
            value.report(value.unknown_reference(name, "operation", known));
        }
        found
    }

    fn class(&mut self, name: Name<'_>, value: &Value<'_>) -> Option<ClassSpec> {
        let fields = value.fields()?;
        let steps = fields.required("steps").and_then(|steps| {
            let read = steps.list(|step| self.client_step(step));
            if steps.node().sequence().is_some_and(<[_]>::is_empty) {
                steps.report(steps.error(codes::MISSING_FIELD, "needs at least one step"));
                return None;
            }
            read
        });
        fields.finish("a class");
        Some(ClassSpec { name: name.text.into(), steps: steps? })
    }

    fn client_step(&mut self, value: &Value<'_>) -> Option<ClientStep> {
        let fields = value.fields()?;
        let step = fields.exactly_one(&["call", "sleep"]);
        let Some((kind, body)) = step else {
            fields.ignore(&["timeout", "tags"]);
            fields.ignore(&policy::KEYS);
            fields.finish("a step of a class");
            return None;
        };
        if kind == "sleep" {
            fields.finish("a pause");
            return body.distribution().map(ClientStep::Sleep);
        }
        let operation = self.target(&body);
        let timeout: Option<Option<SimDuration>> = fields.read("timeout", Value::duration);
        let default: Arc<str> = body.node().text().unwrap_or_default().into();
        let name = fields.read_or("tags", Arc::clone(&default), |tags| {
            let tags = super::kubernetes::meta::strings(tags)?;
            Some(tags.get("name").cloned().unwrap_or(default))
        });
        let policy = policy::policy(&fields, true);
        fields.finish("a call of a class");
        let policy = self.numbered(policy?);
        Some(ClientStep::Call { operation: operation?, timeout: timeout?, name: name?, policy })
    }
}

/// No time at all.
pub(super) fn at_once() -> Dist {
    Dist::fixed(SimDuration::ZERO)
}
